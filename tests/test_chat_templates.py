"""Chat templates of strangers: tried out on an example, in a process that is ended where it takes too long."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from model_files import DEMO, ROOT

from studio.adapters.templates import LARGEST, render

# Chat templates --------------------------------------------------------------------------------------------------


def test_a_template_on_an_example() -> None:
    found = render((DEMO / "chat_template.jinja").read_text(), {"eos_token": "<|im_end|>"})
    assert found.text.startswith("<|im_start|>system\n")
    assert found.text.count("<|im_start|>") == 3
    assert (found.prompt, found.system, found.marks, found.trouble) == ("<|im_start|>assistant\n", True, "yes", "")


@pytest.mark.parametrize(
    ("template", "text"),
    [
        (
            "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
            "{{ bos_token }}{% for m in messages %}[{{ m.content }}]{% endfor %}",
            "<s>[Why is the sky blue?][Air scatters blue more than red.]",
        ),
        (
            "{% for m in messages %}{% for part in m.content %}{{ part['text'] }};{% endfor %}{% endfor %}",
            "Answer in one sentence.;Why is the sky blue?;Air scatters blue more than red.;",
        ),
    ],
    ids=["no system", "parts"],
)
def test_templates_of_other_kinds(template: str, text: str) -> None:
    found = render(template, {"bos_token": "<s>"})
    assert (found.text, found.trouble, found.prompt, found.marks) == (text, "", "", "no")


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{% if", "refuses the example: unexpected"),
        ("{{ messages.nothing.there }}", "refuses the example"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ raise_exception('not today') }}", "not today"),
        ("no word of the question", "leaves the user's question out"),
        ("{{ 'x' * 10**11 }}", "more memory"),
        ("x" * (LARGEST + 1), "too many to try it out"),
    ],
)
def test_templates_that_do_not_work(template: str, said: str) -> None:
    found = render(template, {})
    assert said in found.trouble
    assert found.text == ""


@pytest.mark.parametrize(
    ("answer", "stops"),
    [
        ("{% generation %}{{ m.content }}<|im_end|>{% endgeneration %}\n", "yes"),
        ("{% generation %}{{ m.content }}{% endgeneration %}<|im_end|>\n", "no"),
        ("{% generation %}{{ m.content }}\n{% endgeneration %}<|im_end|>\n", "no"),
        ("{{ m.content }}<|im_end|>\n", ""),
    ],
)
def test_whether_the_end_of_a_turn_is_marked(answer: str, stops: str) -> None:
    template = "{% for m in messages %}{% if m.role == 'assistant' %}" + answer
    found = render(template + "{% else %}{{ m.content }}<|im_end|>\n{% endif %}{% endfor %}", {})
    assert (found.stops, found.trouble) == (stops, "")


def test_a_template_without_end_is_ended() -> None:
    endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    assert "did not come to an end" in render(endless, {}, patience=2).trouble


def test_a_template_sees_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, str] = {}

    def noted(command: list[str], env: dict[str, str], **rest: Any) -> Any:
        seen.update(env)
        return subprocess.CompletedProcess(command, 0, "{}", "")

    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setattr(subprocess, "run", noted)
    assert render("x", {}).trouble
    assert seen["HF_HUB_OFFLINE"] == "1"
    assert "hf_secret" not in seen.values()


@pytest.mark.slow
def test_marks_agree_with_trl_for_every_template_that_it_ships(tmp_path: Path) -> None:
    """The names of TRL's template files tell the same as its own function that chooses among them."""
    program = """
import json, sys
from types import SimpleNamespace
from pathlib import Path
import trl.chat_template_utils as utils
from studio.worker.templates import _MARKED, _known_to_trl
utils.supports_tool_calling = lambda one: False
said = {}
for file in sorted((Path(utils.__file__).parent / "chat_templates").glob("*.jinja")):
    text = file.read_text(encoding="utf-8")
    try:
        theirs = "yes" if utils.get_training_chat_template(SimpleNamespace(chat_template=text)) is None else "patched"
    except ValueError:
        theirs = "no"
    said[file.name] = [theirs, "yes" if _MARKED.search(text) else "patched" if _known_to_trl(text) else "no"]
print(json.dumps(said))
"""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert len(said) > 60
    assert {theirs for theirs, _ in said.values()} == {"yes", "patched", "no"}
    assert {name: both for name, both in said.items() if both[0] != both[1]} == {}
