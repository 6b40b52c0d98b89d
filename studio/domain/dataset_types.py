"""Whether a method can learn from a dataset: told from columns and first rows, with what is wrong and where."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from studio.domain.cell_structure import EQUAL, NUMBERS, STRANGERS
from studio.domain.columns import Column
from studio.domain.dataset_cells import SPEAKING, Cells, quoted
from studio.domain.dataset_rules import (
    IMAGES,
    check_vision,
    is_chat,
    last_role,
    missing,
    warn_last_speaker,
    warn_unsaid,
)
from studio.domain.errors import StudioError
from studio.domain.findings import Finding
from studio.domain.seen_rows import Row, Seen
from studio.domain.sft_rules import sft

Answer = Literal["accept", "reject", "unknown"]

# The chat template's arguments that a method's trainer gives by itself.
_SAID = {"dpo": ("add_generation_prompt",), "kto": ("add_generation_prompt",)}
_CHAT_REWARDS = ("accuracy_reward", "reasoning_accuracy_reward", "think_format_reward")
# What a reward function is given by name, beside the columns of the data.
_REWARD_ARGUMENTS = ("prompts", "completions")
_SOLUTION_REWARDS = ("accuracy_reward", "reasoning_accuracy_reward")


@dataclass(frozen=True)
class Verdict:
    """What a method makes of a dataset: `type` is TRL's name for it ("" where there is none).

    `by_model` says that nothing but the model is left to decide.
    """

    method: str
    verdict: Answer
    type: str
    conversational: bool | None
    findings: tuple[Finding, ...]
    by_model: bool = False

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "findings": [finding.to_json() for finding in self.findings]}


def judge(
    method: str,
    columns: Iterable[Column],
    rows: list[Row] | Seen,
    values: Mapping[str, Any] | None = None,
    offset: int = 0,
) -> Verdict:
    """What TRL's trainer of `method` does with such columns and rows, given the recipe's values.

    `rows` are a few of them, the first being number `offset`, or what was seen of all; none are needed, but then only
    the columns are judged.
    Raises StudioError for a method that there is not.
    """
    if method not in _JUDGES:
        raise StudioError(f"There is no method '{method}'.", f"Choose one of {', '.join(_JUDGES)}.")
    cells = Cells(columns, rows, values or {}, offset)
    kind, conversational = _JUDGES[method](cells, method)
    if any(finding.level == "error" for finding in cells.findings):
        answer: Answer = "reject"
    else:
        answer = "unknown" if cells.unsure or cells.images else "accept"
    by_model = answer == "unknown" and not cells.unsure
    return Verdict(method, answer, kind, conversational, tuple(cells.findings), by_model)


def methods_for(columns: Iterable[Column], rows: list[Row] | Seen) -> list[str]:
    """The methods that accept such a dataset as it is."""
    known = list(columns)
    return [method for method in _JUDGES if judge(method, known, rows).verdict == "accept"]


# --- preferences


def _dpo(cells: Cells, method: str) -> tuple[str, bool | None]:
    check_vision(cells, method)
    cells.check_numbers(NUMBERS[method])
    return "preference", _preference(cells, method)


def _reward(cells: Cells, method: str) -> tuple[str, bool | None]:
    cells.check_numbers(NUMBERS[method])
    for pair in (("chosen_ids", "rejected_ids"), ("chosen_input_ids", "rejected_input_ids")):
        if pair[0] in cells and pair[1] in cells:
            cells.check_ids(pair[0])
            cells.check_ids(pair[1])
            _check_empty_ids(cells, pair[0])
            return "tokenized", None
    return "preference", _preference(cells, method)


def _check_empty_ids(cells: Cells, name: str) -> None:
    """A batch whose first text has no tokens is none of whole numbers, and TRL stops."""
    empty = cells.where(name, lambda cell: isinstance(cell, list) and not cell)
    every = cells.seen.whole and sum(one.count for one in empty) == cells.seen.total
    why = "TRL stops at a batch that begins with a text without tokens."
    cells.add_rows("error" if every else "warning", name, empty, "is empty", why)
    cells.unsure |= bool(empty) and not every


def _preference(cells: Cells, method: str) -> bool | None:
    absent = [name for name in ("chosen", "rejected") if name not in cells]
    if absent:
        missing(cells, method, absent[0])
        return None
    given = "prompt" in cells
    needed = [*(["prompt"] if given else []), "chosen", "rejected"]
    if method == "kto" and "completion" in cells:
        needed.append("completion")  # see _kto: it takes the place of the two
    kind = cells.same_kind(needed, SPEAKING)
    cells.check_chat_extras(kind == "messages", _SAID.get(method, ()))
    if not kind:
        return None
    chat, splits = kind == "messages", method != "reward"
    if given:
        cells.check("prompt", kind, empty="error" if chat else "note")
        empty_stops = chat and splits
    else:
        empty_stops = chat or splits
    for name in ("chosen", "rejected"):
        cells.check(name, kind, empty="error" if empty_stops else "warning")
        warn_last_speaker(cells, name)
    if given:
        warn_unsaid(cells, "prompt", "Put it into the prompt of a prepared copy.")
    else:
        _check_common_start(cells, chat, splits)
    same = cells.related(EQUAL)
    cells.add_rows("warning", "chosen", same, "equals `rejected`", "There is nothing to prefer in such a row.")
    return chat


def _check_common_start(cells: Cells, chat: bool, splits: bool) -> None:
    """Without `prompt`, the question is what both answers begin with."""
    rows = cells.related(STRANGERS)
    level: Literal["error", "warning"] = "error" if chat and splits else "warning"
    why = "Without a `prompt` column the common beginning of both is the prompt"
    why += "; with none the chat template fails." if level == "error" else ", so answers are learnt without a question."
    cells.add_rows(level, "chosen", rows, "and `rejected` have no common beginning", why)
    warn_unsaid(cells, "chosen", "Name it `prompt` in a prepared copy.")


def _kto(cells: Cells, method: str) -> tuple[str, bool | None]:
    check_vision(cells, method)
    cells.check_numbers(NUMBERS[method])
    if "chosen" in cells and "rejected" in cells:
        for name in ("completion", "label"):
            if name in cells:
                why = "TRL splits each pair in two, and this column then takes the place of what it made of them."
                cells.add("warning", name, f"`{name}` stands beside `chosen` and `rejected`, and replaces them.", why)
        if "label" in cells:
            _check_label(cells)
        return "preference", _preference(cells, method)
    absent = [name for name in ("prompt", "completion", "label") if name not in cells]
    if absent:
        missing(cells, method, absent[0])
        return "", None
    _check_label(cells)
    kind = cells.same_kind(["prompt", "completion"], SPEAKING)
    cells.check_chat_extras(kind == "messages", _SAID[method])
    if kind:
        chat = kind == "messages"
        cells.check("prompt", kind, empty="error" if chat else "note")
        cells.check("completion", kind, empty="error" if chat else "warning")
        warn_last_speaker(cells, "completion")
        warn_unsaid(cells, "prompt", "Put it into the prompt of a prepared copy.")
    return "unpaired preference", is_chat(kind)


def _check_label(cells: Cells) -> None:
    seen = [one.cell for one in cells.cells("label")]
    if not seen and cells.columns["label"].type not in ("boolean", "integer", "number"):
        cells.add("error", "label", f"`label` holds {cells.columns['label'].type} and not true or false.")
    wrong = cells.where("label", lambda cell: not isinstance(cell, (bool, int, float)))
    words = f"is {next((repr(c) for c in seen if not isinstance(c, (bool, int, float))), '')} and not true or false"
    cells.add_rows("error", "label", wrong, words, "TRL adds the labels up, and stops at text or null.")
    odd = cells.where("label", lambda cell: isinstance(cell, (int, float)) and cell not in (0, 1))
    why = "Every number but 0 counts as good, so -1 and 0.1 are thumbs up."
    cells.add_rows("warning", "label", odd, "is neither true, false, 0 nor 1", why)
    count = sum(one.count for one in cells.cells("label"))
    if count > 1 and not wrong and len({bool(cell) for cell in seen}) == 1:
        side = "good" if seen[0] else "bad"
        if cells.seen.knows("label"):
            why = "KTO learns from the good beside the bad."
            cells.add("warning", "label", f"All {count:,} rows are {side}.", why)
        else:
            why = "KTO needs both kinds. They may come later in the data."
            cells.add("note", "label", f"All {count} rows looked at are {side}.", why)


# --- prompts


def _prompts(cells: Cells, method: str) -> tuple[str, bool | None]:
    if "prompt" not in cells:
        missing(cells, method, "prompt")
        return "", None
    kind = cells.same_kind(["prompt"])
    if not kind:
        return "prompt-only", None
    cells.check("prompt", kind)
    image = next((name for name in IMAGES if name in cells), None)
    if image and kind == "text":
        why = "TRL takes images only beside prompts that are messages."
        cells.add("error", image, f"`{image}` stands beside prompts of plain text.", why)
    elif image:
        check_vision(cells, method)
    if kind == "messages":
        ends = cells.where("prompt", lambda cell: last_role(cell) == "assistant")
        why = "The model is then asked to answer its own answer. Leave the answer out of the prompt."
        cells.add_rows("warning", "prompt", ends, "ends with the assistant", why)
    if method != "distillation":
        _check_rewards(cells, kind)
    return "prompt-only", is_chat(kind)


def _check_rewards(cells: Cells, kind: str) -> None:
    """What TRL's own reward functions need of the data."""
    named = cells.values.get("reward_funcs")
    taken = [name for name in _REWARD_ARGUMENTS if name in cells]
    if taken and (named or not cells.values.get("reward_model_name_or_path")):
        why = "TRL gives every reward function the columns by their names, beside arguments of its own. It stops."
        cells.add("error", taken[0], f"{quoted(taken)} cannot be the name of a column here.", why)
    functions = [named] if isinstance(named, str) else named if isinstance(named, list) else []
    for name in functions:
        if name in _SOLUTION_REWARDS and "solution" not in cells:
            why = "The answer to compare with is read from there, and the run stops without."
            cells.add("error", "solution", f"{name} needs a column `solution`.", why)
        if name in _CHAT_REWARDS and kind == "text":
            why = "It reads the content of a message, and stops at text."
            cells.add("error", "prompt", f"{name} needs prompts that are messages, and these are text.", why)


_JUDGES: dict[str, Callable[[Cells, str], tuple[str, bool | None]]] = {
    "sft": sft,
    "dpo": _dpo,
    "grpo": _prompts,
    "kto": _kto,
    "rloo": _prompts,
    "reward": _reward,
    "distillation": _prompts,
}
