"""Whether a method can learn from a dataset: told from columns and first rows, with what is wrong and where."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from studio.domain.cell_structure import EQUAL, QUESTIONS, STRANGERS, unsaid
from studio.domain.columns import Column
from studio.domain.dataset_cells import SPEAKING, Cells, quoted
from studio.domain.errors import StudioError
from studio.domain.findings import Finding, Fix
from studio.domain.seen_rows import Row, Seen

Answer = Literal["accept", "reject", "unknown"]

_NEEDS = {
    "sft": "`text` (or the column that dataset_text_field names), `messages`, `prompt` with `completion`, "
    "`conversations` with from and value, or `input_ids`",
    "dpo": "`chosen` and `rejected`, with or without `prompt`",
    "reward": "`chosen` and `rejected`, with or without `prompt`",
    "kto": "`prompt`, `completion` and `label`, or `chosen` and `rejected`",
    "grpo": "`prompt`",
    "rloo": "`prompt`",
    "distillation": "`prompt`",
}
# What others call the columns that TRL knows by one name.
_ALIASES = {
    "prompt": ("question", "instruction", "input", "query", "problem"),
    "completion": ("response", "answer", "output", "solution"),
    "chosen": ("preferred", "positive", "better", "response_chosen"),
    "rejected": ("dispreferred", "negative", "worse", "response_rejected"),
    "label": ("labels", "score", "rating", "feedback"),
    "messages": ("conversation", "conversations", "dialog", "chat"),
}
_SHOWN = 20  # columns of a dataset that are named in a sentence
_CHAT_REWARDS = ("accuracy_reward", "reasoning_accuracy_reward", "think_format_reward")
_SOLUTION_REWARDS = ("accuracy_reward", "reasoning_accuracy_reward")


@dataclass(frozen=True)
class Verdict:
    """What a method makes of a dataset: `type` is TRL's name for it ("" where there is none)."""

    method: str
    verdict: Answer
    type: str
    conversational: bool | None
    findings: tuple[Finding, ...]

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
        answer = "unknown" if cells.unsure else "accept"
    return Verdict(method, answer, kind, conversational, tuple(cells.findings))


def methods_for(columns: Iterable[Column], rows: list[Row] | Seen) -> list[str]:
    """The methods that accept such a dataset as it is."""
    known = list(columns)
    return [method for method in _JUDGES if judge(method, known, rows).verdict == "accept"]


def _is(kind: str) -> bool | None:
    return kind == "messages" if kind else None


# --- sft


def _sft(cells: Cells, method: str) -> tuple[str, bool | None]:
    _check_vision(cells)
    cells.check_chat_extras()
    if "input_ids" in cells:
        cells.check_ids("input_ids")
        if "labels" in cells:
            cells.check_ids("labels")
        return "tokenized", None
    if "labels" in cells:
        cells.check_ids("labels")
    if "prompt" in cells:
        return "prompt-completion", _sft_pairs(cells, method)
    kind = "text"
    field = str(cells.values.get("dataset_text_field") or "text")
    if "conversations" in cells and _may_be_turns(cells):
        kind = "messages"
        cells.check("conversations", "turns", also=("messages",))  # once the first has from and value
    elif "messages" in cells and cells.kind("messages") == "messages":
        kind = cells.same_kind(["messages"], SPEAKING)
        cells.check("messages", "messages")
        _warn_last_speaker(cells, "messages")
    elif field in cells:
        cells.same_kind([field, *(name for name in SPEAKING if name in cells and cells.kind(name) == "messages")])
        if cells.kind(field) != "other":  # which has been told
            cells.check(field, "text", empty="warning")
        _warn_unsaid(cells, field, "Put it into that text, or name the two `prompt` and `completion` in a copy.")
    else:
        _sft_nothing(cells, method, field)
        return "", None
    _check_loss_choices(cells, kind)
    return "language modeling", _is(kind)


def _may_be_turns(cells: Cells) -> bool:
    """Whether the first row has from and value; where none was seen, whether rows may have them."""
    fields = cells.columns["conversations"].field_names
    return cells.kind("conversations") == "turns" or (not cells.seen.total and {"from", "value"} <= set(fields))


def _sft_pairs(cells: Cells, method: str) -> bool | None:
    """`prompt` decides: TRL then wants `completion`, whatever other columns there are."""
    if "completion" not in cells:
        _missing(cells, method, "completion", "A column `prompt` makes TRL expect prompts with completions. ")
        return None
    kind = cells.same_kind(["prompt", "completion"], SPEAKING)
    if kind:
        chat = kind == "messages"
        cells.check("prompt", kind, empty="error" if chat else "note")
        cells.check("completion", kind, empty="error" if chat else "warning")
        _warn_last_speaker(cells, "completion")
        _check_loss_choices(cells, kind)
    return _is(kind)


def _sft_nothing(cells: Cells, method: str, field: str) -> None:
    if "messages" in cells:
        cells.same_kind(["messages"])
        if cells.kind("messages") == "text":
            why = "TRL takes `messages` only as a list of objects with role and content; text there is dropped."
            cells.add("error", "messages", "`messages` holds text.", why)
        return
    if "conversations" in cells:
        why = "In `conversations` TRL understands from and value; with role and content it must be named `messages`."
        cells.add("error", "conversations", "`conversations` has no from and value in its first row.", why)
        return
    texts = [name for name in cells.columns if cells.kind(name) == "text"]
    fix = None
    if "text" in cells:
        fix = Fix("Learn from `text`", unset=("dataset_text_field",))
    elif len(texts) == 1:
        fix = Fix(f"Learn from `{texts[0]}`", set={"dataset_text_field": texts[0]})
    _missing(cells, method, field, "", fix)


def _check_loss_choices(cells: Cells, kind: str) -> None:
    if cells.values.get("assistant_only_loss") is True and kind == "text":
        cells.add(
            "error",
            "text",
            "assistant_only_loss needs conversations, and this is text.",
            "TRL refuses it after the model has been loaded.",
            fix=Fix("Turn assistant_only_loss off", unset=("assistant_only_loss",)),
        )
    if cells.values.get("completion_only_loss") is True and "prompt" not in cells:
        why = "It needs `prompt` and `completion`; here every token counts."
        cells.add("warning", "completion", "completion_only_loss has no effect on this data.", why)


# --- preferences


def _dpo(cells: Cells, method: str) -> tuple[str, bool | None]:
    _check_vision(cells)
    return "preference", _preference(cells, method)


def _reward(cells: Cells, method: str) -> tuple[str, bool | None]:
    for pair in (("chosen_ids", "rejected_ids"), ("chosen_input_ids", "rejected_input_ids")):
        if pair[0] in cells and pair[1] in cells:
            cells.check_ids(pair[0])
            cells.check_ids(pair[1])
            return "tokenized", None
    return "preference", _preference(cells, method)


def _preference(cells: Cells, method: str) -> bool | None:
    cells.check_chat_extras()
    absent = [name for name in ("chosen", "rejected") if name not in cells]
    if absent:
        _missing(cells, method, absent[0])
        return None
    given = "prompt" in cells
    needed = [*(["prompt"] if given else []), "chosen", "rejected"]
    if method == "kto" and "completion" in cells:
        needed.append("completion")  # see _kto: it takes the place of the two
    kind = cells.same_kind(needed, SPEAKING)
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
        _warn_last_speaker(cells, name)
    if not given:
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
    _warn_unsaid(cells, "chosen", "Name it `prompt` in a prepared copy.")


def _warn_unsaid(cells: Cells, told: str, cure: str) -> None:
    """A question in a column that TRL does not read, where what is learnt does not hold it."""
    asked = (name for name in QUESTIONS if name in cells and name != told)
    question = next((name for name in asked if cells.kind(name) == "text"), None)
    if question and cells.related(unsaid(question, told)):
        what = f"`{question}` is not used: TRL looks for a column named `prompt`."
        cells.add("warning", question, what, f"`{told}` is learnt without it. {cure}")


def _kto(cells: Cells, method: str) -> tuple[str, bool | None]:
    _check_vision(cells)
    if "chosen" in cells and "rejected" in cells:
        for name in ("completion", "label"):
            if name in cells:
                why = "TRL splits each pair in two, and this column then takes the place of what it made of them."
                cells.add("warning", name, f"`{name}` stands beside `chosen` and `rejected`, and replaces them.", why)
        return "preference", _preference(cells, method)
    cells.check_chat_extras()
    absent = [name for name in ("prompt", "completion", "label") if name not in cells]
    if absent:
        _missing(cells, method, absent[0])
        return "", None
    _check_label(cells)
    kind = cells.same_kind(["prompt", "completion"], SPEAKING)
    if kind:
        chat = kind == "messages"
        cells.check("prompt", kind, empty="error" if chat else "note")
        cells.check("completion", kind, empty="error" if chat else "warning")
        _warn_last_speaker(cells, "completion")
    return "unpaired preference", _is(kind)


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
        if cells.seen.whole:
            why = "KTO learns from the good beside the bad."
            cells.add("warning", "label", f"All {count:,} rows are {side}.", why)
        else:
            why = "KTO needs both kinds. They may come later in the data."
            cells.add("note", "label", f"All {count} rows looked at are {side}.", why)


# --- prompts


def _prompts(cells: Cells, method: str) -> tuple[str, bool | None]:
    if "prompt" not in cells:
        _missing(cells, method, "prompt")
        return "", None
    kind = cells.same_kind(["prompt"])
    if not kind:
        return "prompt-only", None
    cells.check("prompt", kind)
    image = next((name for name in ("images", "image") if name in cells), None)
    if image and kind == "text":
        why = "TRL takes images only beside prompts that are messages."
        cells.add("error", image, f"`{image}` stands beside prompts of plain text.", why)
    elif image:
        _check_vision(cells)
    if kind == "messages":
        ends = cells.where("prompt", lambda cell: _last_role(cell) == "assistant")
        why = "The model is then asked to answer its own answer. Leave the answer out of the prompt."
        cells.add_rows("warning", "prompt", ends, "ends with the assistant", why)
    if method != "distillation":
        _check_rewards(cells, kind)
    return "prompt-only", _is(kind)


def _check_rewards(cells: Cells, kind: str) -> None:
    """What TRL's own reward functions need of the data."""
    named = cells.values.get("reward_funcs")
    functions = [named] if isinstance(named, str) else named if isinstance(named, list) else []
    for name in functions:
        if name in _SOLUTION_REWARDS and "solution" not in cells:
            why = "The answer to compare with is read from there, and the run stops without."
            cells.add("error", "solution", f"{name} needs a column `solution`.", why)
        if name in _CHAT_REWARDS and kind == "text":
            why = "It reads the content of a message, and stops at text."
            cells.add("error", "prompt", f"{name} needs prompts that are messages, and these are text.", why)


# --- shared


def _check_vision(cells: Cells) -> None:
    name = next((name for name in ("images", "image") if name in cells), None)
    if name:
        cells.unsure = True
        why = "With a model of text alone TRL stops at a column of that name."
        cells.add("warning", name, f"`{name}` makes this data for a vision-language model.", why)


def _last_role(cell: Any) -> str:
    last = cell[-1] if isinstance(cell, list) and cell else None
    return str(last.get("role", "")) if isinstance(last, dict) else ""


def _warn_last_speaker(cells: Cells, name: str) -> None:
    rows = cells.where(name, lambda cell: _last_role(cell) == "user")
    cells.add_rows("warning", name, rows, "ends with the user", "The model learns to speak the user's part.")


def _missing(cells: Cells, method: str, name: str, before: str = "", fix: Fix | None = None) -> None:
    """The finding for a column that is not there, with the column that may be meant."""
    likely = next((alias for alias in _ALIASES.get(name, ()) if alias in cells), None)
    hint = f" `{likely}` may be it: TRL renames nothing, a mapping to a prepared copy does." if likely else ""
    others = [other for other in _JUDGES if other != method and _takes(other, cells)]
    if others:
        hint += f" As it is, {quoted(others)} can learn from it."
    shown, more = list(cells.columns)[:_SHOWN], len(cells.columns) - _SHOWN
    has = f"{', '.join(f'`{one}`' for one in shown)} and {more:,} more" if more > 0 else quoted(shown) or "no columns"
    cells.add(
        "error",
        name,
        f"There is no column `{name}`. This data has {has}.",
        f"{before}{method} takes {_NEEDS[method]}.{hint}",
        fix=fix,
    )


def _takes(method: str, cells: Cells) -> bool:
    """Whether a method finds the columns that it needs, their cells aside."""
    wanted = {
        "sft": (("text",), ("messages",), ("prompt", "completion"), ("input_ids",)),
        "kto": (("chosen", "rejected"), ("prompt", "completion", "label")),
        "dpo": (("chosen", "rejected"),),
        "reward": (("chosen", "rejected"),),
    }.get(method, (("prompt",),))
    return any(all(name in cells for name in names) for names in wanted)


_JUDGES: dict[str, Callable[[Cells, str], tuple[str, bool | None]]] = {
    "sft": _sft,
    "dpo": _dpo,
    "grpo": _prompts,
    "kto": _kto,
    "rloo": _prompts,
    "reward": _reward,
    "distillation": _prompts,
}
