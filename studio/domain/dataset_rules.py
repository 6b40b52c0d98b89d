"""What the rules of several methods have in common: the column that is missing, and who speaks last."""

from __future__ import annotations

from typing import Any

from studio.domain.cell_structure import ABOUT, QUESTIONS, unsaid
from studio.domain.columns import visible
from studio.domain.dataset_cells import Cells, listed, quoted
from studio.domain.findings import Finding, Fix

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
IMAGES = ("images", "image")  # the columns by which TRL tells data of images, whatever is in them
_MADE_FOR = "`{}` makes this data for a vision-language model."
# What TRL refuses beside images, whatever the model is.
_NOT_BESIDE_IMAGES: dict[str, tuple[tuple[str, Any], ...]] = {
    "sft": (("packing", True), ("padding_free", True), ("truncation_mode", "keep_end")),
    "dpo": (("precompute_ref_log_probs", True), ("truncation_mode", "keep_end")),
    "kto": (("precompute_ref_log_probs", True),),
}
_KNOWN = (*_ALIASES, "text")  # columns that TRL knows by their names
_WITHOUT_NONE = ("grpo", "rloo", "distillation")  # these take lists of images that are all empty for none at all
_METHODS = ("sft", "dpo", "grpo", "kto", "rloo", "reward", "distillation")


def is_chat(kind: str) -> bool | None:
    """Whether a kind is a conversation's; None where there is no kind."""
    return kind == "messages" if kind else None


def check_vision(cells: Cells, method: str) -> None:
    """Images: whether they are taken hangs on the model, but for what TRL refuses beside them under any."""
    name = next((name for name in IMAGES if name in cells), None)
    if not name or (method in _WITHOUT_NONE and name == "images" and _holds_none(cells, name)):
        return
    cells.images = True
    why = "With a model of text alone TRL stops at a column of that name."
    cells.add("warning", name, _MADE_FOR.format(name), why)
    for option, value in _NOT_BESIDE_IMAGES.get(method, ()):
        uncut = option == "truncation_mode" and cells.values.get("max_length", 0) is None
        if cells.values.get(option) == value and not uncut:
            fix = Fix(f"Leave {option} out", unset=(option,))
            why = "TRL refuses the two together, whatever the model is."
            cells.add("error", name, f"`{name}` does not go with {option}.", why, fix=fix)
    wanted = _wanted_beside_images(cells, method)
    if wanted:
        why = f"Of data with images {wanted}. Put it into that form in a prepared copy, or leave `{name}` out."
        cells.add("error", name, f"TRL does not learn from the columns beside `{name}`.", why)


def _holds_none(cells: Cells, name: str) -> bool:
    """Whether every list of a column is empty, in rows of which all were looked into."""
    empty = sum(one.count for one in cells.where(name, lambda cell: cell == []))
    return cells.seen.whole and 0 < empty == cells.seen.total


def _wanted_beside_images(cells: Cells, method: str) -> str:
    """What columns TRL needs beside images, for which it prepares nothing; `` where they are there."""
    if method == "sft" and not ({"messages", "prompt"} & set(cells.columns)):
        # Where columns are not removed it goes by what the texts hold.
        kept = cells.values.get("remove_unused_columns") is False
        return "" if kept else "TRL takes `messages`, or `prompt` and `completion`, and no other columns"
    if method == "dpo" and "prompt" not in cells:
        return "TRL looks for no common beginning: it takes `prompt` beside `chosen` and `rejected`"
    if method == "kto" and ("chosen" in cells or "rejected" in cells):
        return "TRL splits no pairs: it takes `prompt`, `completion` and `label`"
    return ""


def waits_for_model(found: Finding) -> bool:
    """Whether a finding is that of `check_vision`: it leaves open what the model decides."""
    return found.where.name in IMAGES and found.message == _MADE_FOR.format(found.where.name)


def last_role(cell: Any) -> str:
    """Who speaks last in messages or turns; "" where there are none. Others call the user human."""
    last = cell[-1] if isinstance(cell, list) and cell else None
    return str(last.get("role", last.get("from", ""))).replace("human", "user") if isinstance(last, dict) else ""


def warn_last_speaker(cells: Cells, name: str) -> None:
    """Conversations of which the user's part is learnt as the answer."""
    rows = cells.where(name, lambda cell: last_role(cell) == "user")
    cells.add_rows("warning", name, rows, "ends with the user", "The model learns to speak the user's part.")


def missing(cells: Cells, method: str, name: str, before: str = "", fix: Fix | None = None) -> None:
    """The finding for a column that is not there, with the column that may be meant."""
    likely = next((alias for alias in _ALIASES.get(name, ()) if alias in cells), None)
    hint = f" `{likely}` may be it: TRL renames nothing, a mapping to a prepared copy does." if likely else ""
    hint += _blanks(cells)
    others = [other for other in _METHODS if other != method and _takes(other, cells)]
    if others:
        hint += f" As it is, {quoted(others)} can learn from it."
    cells.add(
        "error",
        name,
        f"There is no column `{name}`. This data has {listed(list(cells.columns))}.",
        f"{before}{method} takes {_NEEDS[method]}.{hint}",
        fix=fix,
    )


def _blanks(cells: Cells) -> str:
    """That a column would have the name that is looked for, but for blanks around it."""
    names = [name for name in cells.columns if name != name.strip() and name.strip() in _KNOWN]
    if not names:
        return ""
    name = names[0]
    ends = [where for where, blank in (("beginning", name[:1]), ("end", name[-1:])) if blank.isspace()]
    blank = f"a blank at its {ends[0]}" if len(ends) == 1 else "blanks around it"
    return f" `{visible(name)}` is there, with {blank}: TRL renames nothing, a mapping to a prepared copy does."


def _takes(method: str, cells: Cells) -> bool:
    """Whether a method finds the columns that it needs, their cells aside."""
    wanted = {
        "sft": (("text",), ("messages",), ("prompt", "completion"), ("input_ids",)),
        "kto": (("chosen", "rejected"), ("prompt", "completion", "label")),
        "dpo": (("chosen", "rejected"),),
        "reward": (("chosen", "rejected"),),
    }.get(method, (("prompt",),))
    return any(all(name in cells for name in names) for names in wanted)


def warn_unsaid(cells: Cells, told: str, cure: str) -> None:
    """A question in a column that TRL does not read, where what is learnt does not hold it."""
    field = cells.values.get("dataset_text_field")
    for name in QUESTIONS:
        if name not in cells or name in (told, field) or (name in ABOUT and told != "chosen"):
            continue
        if cells.kind(name) not in ("text", "messages"):
            continue
        if cells.related(unsaid(name, told)):
            what = f"`{name}` is not used: TRL looks for a column named `prompt`."
            if "prompt" in cells:
                what = f"`{name}` is not used, and is no part of `prompt`."
            cells.add("warning", name, what, f"`{told}` is learnt without it. {cure}")
            return
