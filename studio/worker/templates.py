"""Renders a chat template on a short conversation, as transformers would, and says whether it marks what is learnt."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LONGEST = 20_000  # characters of a rendered conversation that are kept
_MEMORY = 4 << 30  # bytes of address space that a stranger's template may take
_SYSTEM, _QUESTION, _ANSWER = "Answer in one sentence.", "Why is the sky blue?", "Air scatters blue more than red."
_MARKED = re.compile(r"\{%-?\s*generation\s*-?%\}")  # as trl.chat_template_utils looks for it


def rendered(path: str) -> dict[str, Any]:
    """What the JSON file at `path` (`template`, `tokens`: special tokens by name) renders to.

    `text` is the example conversation, `prompt` what is put behind a question to have it answered, `system` whether
    the template takes a system message, `marks` whether the assistant's turns are marked: `yes`, `patched` where TRL
    knows the template and has a marked one for it, `no`. `stops` says whether its own marks take
    in what ends a turn, `` where it has none. `error` is the template's own refusal; the rest is empty then.
    """
    asked = json.loads(Path(path).read_text(encoding="utf-8"))
    template, tokens = str(asked["template"]), dict(asked["tokens"])
    marks = "yes" if _MARKED.search(template) else "patched" if _known_to_trl(template) else "no"
    from transformers.utils.chat_template_utils import render_jinja_template

    _limit()

    def render(messages: list[dict[str, Any]], prompt: bool = False) -> str:
        texts, _ = render_jinja_template([messages], chat_template=template, add_generation_prompt=prompt, **tokens)
        return str(texts[0])

    first = None
    for messages in _conversations():
        try:
            text, question = render(messages), messages[-2:-1]
            without, asking = render(question), render(question, prompt=True)
        except MemoryError:
            return _refusal("It takes more memory than an example may.", marks)
        except Exception as error:  # noqa: BLE001 - whatever a template raises is its answer
            first = first or str(error).strip()[:300] or type(error).__name__
            continue
        if _QUESTION in text:
            break
    else:
        return _refusal(first or "It leaves the user's question out.", marks)
    system = len(messages) == 3 and _SYSTEM in text
    prompt = asking.removeprefix(without) if asking.startswith(without) else ""
    found = {"text": text[:LONGEST], "prompt": prompt[:500], "system": system, "marks": marks, "error": ""}
    return {**found, "stops": _stops(template, tokens, messages[-2:]) if marks == "yes" else ""}


def _stops(template: str, tokens: dict[str, Any], turns: list[dict[str, Any]]) -> str:
    """`yes` or `no`: whether anything is marked behind an answer; `` where that cannot be told.

    A user's turn follows, as where TRL looks: some templates end a turn with the next one, and never the last.
    """
    from transformers.utils.chat_template_utils import render_jinja_template

    try:
        texts, spans = render_jinja_template(
            [[*turns, turns[0]]], chat_template=template, return_assistant_tokens_mask=True, **tokens
        )
        marked = next((one for one in (str(texts[0])[a:b] for a, b in spans[0]) if _ANSWER in one), "")
    except Exception:  # noqa: BLE001 - whatever a template raises, it tells nothing then
        return ""
    _, found, behind = marked.rpartition(_ANSWER)
    return ("yes" if behind.strip() else "no") if found else ""


def _conversations() -> Iterator[list[dict[str, Any]]]:
    """The example as texts, without a system message for templates that refuse one, and in parts as for images."""
    roles = (("system", _SYSTEM), ("user", _QUESTION), ("assistant", _ANSWER))
    for in_parts in (False, True):
        turns = [
            {"role": role, "content": [{"type": "text", "text": said}] if in_parts else said} for role, said in roles
        ]
        yield from (turns, turns[1:])


def _refusal(error: str, marks: str) -> dict[str, Any]:
    return {"text": "", "prompt": "", "system": False, "marks": marks, "stops": "", "error": error}


def _known_to_trl(template: str) -> bool:
    """Whether TRL has a marked twin of this very template: it ships both, the twin under `NAME_training.jinja`."""
    spec = importlib.util.find_spec("trl")  # found, not imported: that would take seconds and torch
    for place in spec.submodule_search_locations or () if spec else ():
        folder = Path(place) / "chat_templates"
        for twin in folder.glob("*_training.jinja"):
            plain = folder / twin.name.replace("_training.jinja", ".jinja")
            if plain.is_file() and plain.read_text(encoding="utf-8") == template:
                return True
    return False


def _limit() -> None:
    """Keeps this process from taking the machine's memory, where the platform can."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
