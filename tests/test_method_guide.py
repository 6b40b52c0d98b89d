"""The guide to the methods: whole, true of the installed TRL, with examples that each method takes."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import pytest

from studio.domain.arguments import Catalog
from studio.domain.columns import column_of
from studio.domain.dataset_types import judge, methods_for
from studio.domain.errors import StudioError
from studio.domain.findings import Fix
from studio.domain.methods import ANSWERS, METHOD_NAMES, METHODS, Method, answer_for, method_named
from studio.domain.switching import judge as judge_and_offer
from studio.domain.training_text import training_text


def columns(row: Mapping[str, Any]) -> list[Any]:
    return [column_of(name, [value]) for name, value in row.items()]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_its_example_is_data_that_the_method_takes(method: Method) -> None:
    example = dict(method.guide.example)
    verdict = judge(method.name, columns(example), [example])
    assert (verdict.verdict, verdict.findings) == ("accept", ())
    assert verdict.type in method.dataset_types
    assert verdict.conversational is True


def test_examples_of_another_kind_are_refused() -> None:
    """So that the test above can fail."""
    pairs = dict(method_named("dpo").guide.example)
    assert "sft" not in methods_for(columns(pairs), [pairs])
    shown = dict(method_named("sft").guide.example)
    assert methods_for(columns(shown), [shown]) == ["sft"]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_everything_is_said_in_sentences(method: Method) -> None:
    guide = method.guide
    for words in (guide.when, guide.unless, guide.before, guide.after, guide.cost_why):
        assert 15 < len(words) < 220
        assert words.endswith(".")
        assert "!" not in words
    assert not guide.cost.endswith(".")
    assert method.link == f"https://huggingface.co/docs/trl/{method.name}_trainer"


def test_every_method_is_the_answer_to_what_one_has() -> None:
    led_to = [name for answer in ANSWERS for name in answer.methods]
    assert sorted(led_to) == sorted(METHOD_NAMES)
    assert len(ANSWERS) == 5
    for answer in ANSWERS:
        for name in answer.methods:
            assert answer_for(name) is answer
            assert method_named(name).label.lower() in answer.remark.lower()
    with pytest.raises(StudioError, match="no method 'ppo'"):
        answer_for("ppo")


def test_what_is_said_of_the_cost_holds_in_the_installed_trl(catalog: Catalog) -> None:
    """Numbers of answers and betas are TRL's defaults; a reference model is loaded where the guide says so."""
    grpo, rloo = catalog.of("grpo"), catalog.of("rloo")
    assert (grpo["num_generations"].effective_default, grpo["beta"].effective_default) == (8, 0.0)
    assert "8 answers" in method_named("grpo").guide.cost_why
    assert (rloo["num_generations"].effective_default, rloo["beta"].effective_default) == (2, 0.05)
    assert "2 answers" in method_named("rloo").guide.cost_why
    assert "0.05" in method_named("rloo").guide.cost_why


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", ["sft", "dpo", "grpo", "kto", "rloo", "reward"])
def test_a_reference_copy_is_loaded_where_the_guide_says_so(method: str) -> None:
    from trl.trainer import dpo_trainer, grpo_trainer, kto_trainer, reward_trainer, rloo_trainer, sft_trainer

    modules = {
        "sft": sft_trainer,
        "dpo": dpo_trainer,
        "grpo": grpo_trainer,
        "kto": kto_trainer,
        "rloo": rloo_trainer,
        "reward": reward_trainer,
    }
    loads = "self.ref_model = create_model_from_path(" in inspect.getsource(modules[method])
    assert loads is (method in ("dpo", "grpo", "kto", "rloo"))
    said = method_named(method).guide.cost_why
    assert ("reference" in said) is (method != "sft")


# Switching ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chosen", "data", "offered"),
    [
        ("sft", "dpo", "dpo"),
        ("sft", "kto", None),  # SFT learns from prompt and completion, whatever the label
        ("dpo", "kto", "kto"),
        ("dpo", "sft", "sft"),
        ("kto", "sft", "sft"),
        ("grpo", "sft", "sft"),
        ("reward", "grpo", "grpo"),
        ("sft", "rloo", "grpo"),
    ],
)
def test_data_of_another_method_offers_that_one(chosen: str, data: str, offered: str | None) -> None:
    row = dict(method_named(data).guide.example)
    verdict = judge_and_offer(chosen, columns(row), [row])
    fixes = [found.fix.method for found in verdict.findings if found.fix]
    assert fixes == ([offered] if offered else [])
    if offered:
        fix = next(found.fix for found in verdict.findings if found.fix)
        assert fix.label == f"Switch to {method_named(offered).label}"
        assert fix.to_json() == {"label": fix.label, "set": {}, "unset": [], "method": offered}
        assert judge(offered, columns(row), [row]).verdict == "accept"


def test_a_bad_cell_is_no_reason_to_train_otherwise() -> None:
    row = {"prompt": "Hi", "completion": None}
    verdict = judge_and_offer("sft", [column_of("prompt", ["a"]), column_of("completion", ["b"])], [row])
    assert verdict.verdict == "reject"
    assert [found.fix for found in verdict.findings] == [None]
    assert judge("grpo", columns(row), [row]).verdict == "accept"


def test_data_that_nobody_takes_and_fixes_of_before_stay_as_they_are() -> None:
    row = {"number": 3}
    verdict = judge_and_offer("sft", columns(row), [row])
    assert verdict == judge("sft", columns(row), [row])
    text = {"body": "Once upon a time."}
    (found,) = judge_and_offer("sft", columns(text), [text]).findings
    assert found.fix == Fix("Learn from `body`", set={"dataset_text_field": "body"})
    assert "method" not in found.fix.to_json()


# Documents ------------------------------------------------------------------------------------------------------

CARD = """---
base_model: Qwen/Qwen2-0.5B
library_name: transformers
---

# A model card

Trained with [TRL](https://github.com/huggingface/trl).

```python
from transformers import pipeline
```

## Training

```bash
pip install trl
trl sft --model_name_or_path Qwen/Qwen2-0.5B --dataset_name trl-lib/Capybara
```
"""


def test_the_command_is_found_in_a_model_card() -> None:
    found = training_text(CARD)
    assert found.text.splitlines()[-1].startswith("trl sft --model_name_or_path")
    assert (found.others, found.notes("README.md")) == (0, [])
    assert training_text(CARD.replace("\n", "\r\n")) == found
    accelerate = CARD.replace("trl sft", "accelerate launch trl/scripts/sft.py")
    assert "accelerate launch trl/scripts/sft.py" in training_text(accelerate).text


def test_the_yaml_of_a_document_and_the_command_that_reads_it() -> None:
    yaml_block = "```yaml\nmodel_name_or_path: a/b\nlearning_rate: 1.0e-4\n```\n"
    found = training_text(f"# Config\n\n{yaml_block}\n```bash\ntrl sft --config sft_config.yaml\n```\n")
    assert found.text == "trl sft --config sft_config.yaml\n"
    assert found.yamls == ("model_name_or_path: a/b\nlearning_rate: 1.0e-4\n",)
    alone = training_text(f"# Config\n\n{yaml_block}")
    assert alone.text.startswith("model_name_or_path")


def test_several_commands_are_counted_and_said() -> None:
    more = CARD + "\n~~~\ntrl dpo --model_name_or_path x\n~~~\n"
    found = training_text(more)
    assert "trl sft" in found.text
    (note,) = found.notes("README.md")
    assert (note.level, note.message) == ("note", "The text holds another recipe.")


@pytest.mark.parametrize(
    "text",
    [
        "learning_rate: 1.0e-4\n",
        "trl sft --packing",
        "```bash\ntrl sft --packing\n",
        "---\nlearning_rate: 1.0e-4\n",
        "just words",
        "",
    ],
)
def test_what_is_no_document_is_taken_as_it_stands(text: str) -> None:
    assert training_text(text).text == text


@pytest.mark.parametrize("text", [CARD.replace("trl sft", "python generate.py"), "# Title\n\nWords.\n\n```\nls\n```\n"])
def test_a_document_in_which_nothing_trains_says_so(text: str) -> None:
    with pytest.raises(StudioError, match=r"README\.md is a document in which nothing trains"):
        training_text(text, "README.md")
