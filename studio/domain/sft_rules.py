"""What supervised fine-tuning makes of a dataset: text, conversations, prompts with completions, or tokens."""

from __future__ import annotations

from typing import Any, Literal

from studio.domain.cell_structure import (
    FEWER,
    JUDGING,
    MASKED,
    ROLES,
    UNANSWERED,
    UNEVEN,
    Relation,
    fits,
    left_open,
    speakers,
)
from studio.domain.columns import Column, kind_of
from studio.domain.dataset_cells import SPEAKING, Cells
from studio.domain.dataset_rules import (
    check_vision,
    is_chat,
    last_role,
    missing,
    warn_last_speaker,
    warn_unsaid,
)
from studio.domain.findings import Fix
from studio.domain.role_names import is_about
from studio.domain.seen_rows import Alike

_USUAL_LENGTH = 1024  # max_length where a recipe says none
_AOL = "assistant_only_loss"


def sft(cells: Cells, method: str) -> tuple[str, bool | None]:
    """The type of the data, and whether it is conversations; the findings are added to the cells."""
    check_vision(cells, method)
    if "input_ids" in cells:
        cells.check_ids("input_ids")
        _check_assistant_loss(cells, "tokens")
        _check_marks(cells, "")
        return "tokenized", None
    if "prompt" in cells:
        kind, told = _pairs(cells, method), "completion"
        name = "prompt-completion"
    else:
        kind, told = _language(cells, method)
        name = "language modeling" if kind else ""
    if told != "conversations":
        _check_first_conversation(cells)
    cells.check_chat_extras(kind == "messages", _said(cells))
    if kind:
        _check_assistant_loss(cells, kind, told)
        _check_completion_loss(cells)
        _warn_bad_answers(cells, told)
        _check_marks(cells, told)
    return name, is_chat(kind)


def _said(cells: Cells) -> tuple[str, ...]:
    """The chat template's arguments that this trainer gives by itself."""
    return ("return_assistant_tokens_mask", *(("add_generation_prompt",) if "prompt" in cells else ()))


def _field(cells: Cells) -> str:
    """The column of texts; an empty name is one that no column has."""
    named = cells.values.get("dataset_text_field")
    return "text" if named is None else str(named)


# --- language modeling


def _language(cells: Cells, method: str) -> tuple[str, str]:
    """The kind of the data, "" where there is none that TRL takes, and the column that it is in."""
    field = _field(cells)
    if "conversations" in cells and _may_be_turns(cells):
        cells.check("conversations", "turns", also=("messages",))  # once the first has from and value
        warn_last_speaker(cells, "conversations")
        _warn_unanswered(cells, "conversations")
        return "messages", "conversations"
    if "messages" in cells and cells.kind("messages") == "messages":
        kind = cells.same_kind(["messages"], SPEAKING)
        cells.check("messages", "messages")
        warn_last_speaker(cells, "messages")
        _warn_unanswered(cells, "messages")
        warn_unsaid(cells, "messages", "Put it into the messages of a prepared copy.")
        return kind, "messages"
    if field in cells:
        _texts(cells, field)
        return "text", field
    _nothing(cells, method, field)
    return "", ""


def _texts(cells: Cells, field: str) -> None:
    chats = [name for name in SPEAKING if name in cells and cells.kind(name) == "messages"]
    cells.same_kind([field, *chats])
    if cells.kind(field) != "other":  # which has been told
        cells.check(field, "text", empty="warning")
    cells.check_hollow([name for name in SPEAKING if name in cells and name not in (*chats, "messages", field)])
    warn_unsaid(cells, field, "Put it into that text, or name the two `prompt` and `completion` in a copy.")
    if "completion" in cells and field != "completion" and cells.related(left_open(field)):
        cells.unsure = True
        why = "Where the text ends with the model's own end-of-sequence token TRL looks into `completion` too."
        cells.add("warning", "completion", "`completion` is no text in rows whose text has its end already.", why)


def _may_be_turns(cells: Cells) -> bool:
    """Whether the first row has from and value; where none was seen, whether rows may have them."""
    fields = cells.columns["conversations"].field_names
    return cells.kind("conversations") == "turns" or (not cells.seen.total and {"from", "value"} <= set(fields))


def _nothing(cells: Cells, method: str, field: str) -> None:
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
    elif len(texts) == 1 and not is_about(texts[0]) and not any(map(_holds_texts, cells.columns.values())):
        fix = Fix(f"Learn from `{texts[0]}`", set={"dataset_text_field": texts[0]})
    if field:
        missing(cells, method, field, "", fix)
    else:
        why = "TRL then looks for a column without a name, and stops. Name the column of texts."
        cells.add("error", next(iter(cells.columns), "text"), "dataset_text_field is empty.", why, fix=fix)


def _holds_texts(column: Column) -> bool:
    return column.type == "list<text>"


def _check_first_conversation(cells: Cells) -> None:
    """TRL looks for from and value in the first row's `conversations`, whether it learns from them or not.

    Where they are there it renames all to messages, and may look into each.
    """
    if "conversations" not in cells:
        return
    empty = cells.where("conversations", lambda cell: isinstance(cell, list) and not cell)
    renamed = any(one.row == 0 and kind_of(one.cell) == "turns" for one in cells.cells("conversations"))
    rows = empty if renamed else [Alike(0, 1, one.cell) for one in empty if one.row == 0]
    why = "TRL looks there for from and value before anything else, and stops at an empty list. Leave the column out."
    mixture = cells.values.get("datasets")
    mixed = isinstance(mixture, list) and len(mixture) > 1  # whose first row may be another dataset's
    cells.unsure |= mixed and bool(rows)
    cells.add_rows("warning" if mixed else "error", "conversations", rows, "is empty", why)


# --- prompts with completions


def _pairs(cells: Cells, method: str) -> str:
    """`prompt` decides: TRL then wants `completion`, whatever other columns there are."""
    if "completion" not in cells:
        missing(cells, method, "completion", "A column `prompt` makes TRL expect prompts with completions. ")
        return ""
    kind = cells.same_kind(["prompt", "completion"], SPEAKING)
    if not kind:
        return ""
    chat = kind == "messages"
    cells.check("prompt", kind, empty="error" if chat else "note")
    cells.check("completion", kind, empty="error" if chat else "warning")
    warn_last_speaker(cells, "completion")
    warn_unsaid(cells, "prompt", "Put it into the prompt of a prepared copy.")
    if not chat:
        _check_field_beside(cells)
    return kind


def _check_field_beside(cells: Cells) -> None:
    """TRL ends that text, where there is one, and not the completion that is learnt."""
    field = _field(cells)
    if field not in cells or field == "completion":
        return
    if field != "prompt":
        wrong = cells.where(field, lambda cell: not isinstance(cell, str))
        why = "TRL ends the text in this column before it looks at the completion, and stops at what is no text. "
        why += "Leave it out of a prepared copy, or give it another name."
        cells.add_rows("error", field, wrong, "is no text, and stands beside prompts with completions", why)
        if not cells.seen.total and cells.kind(field) not in ("text", "json", "other"):
            cells.add("error", field, f"`{field}` holds no text, and stands beside `prompt` and `completion`.", why)
        if wrong:
            return
    why = "TRL puts the end-of-sequence token there, so the model does not learn where a completion ends. "
    why += "Leave the column out of a prepared copy, or let dataset_text_field name `completion`."
    fix = Fix("End the completions", set={"dataset_text_field": "completion"})
    cells.add("warning", field, f"`{field}` is ended in place of `completion`.", why, fix=fix)


# --- what of it is learnt


def _check_completion_loss(cells: Cells) -> None:
    if cells.values.get("completion_only_loss") is True and "prompt" not in cells:
        why = "It needs `prompt` and `completion`; here every token counts."
        cells.add("warning", "completion", "completion_only_loss has no effect on this data.", why)


def _check_assistant_loss(cells: Cells, kind: str, told: str = "") -> None:
    """assistant_only_loss: conversations that TRL sees as such, with the assistant in each."""
    if cells.values.get(_AOL) is not True:
        return
    fix = Fix("Turn assistant_only_loss off", unset=(_AOL,))
    speaking = [name for name in SPEAKING if name in cells]
    silent = [name for name in speaking if cells.kind(name) != "messages"]
    stops = "TRL refuses it after the model has been loaded."
    if kind == "text":
        cells.add("error", "text", "assistant_only_loss needs conversations, and this is text.", stops, fix=fix)
        return
    if kind == "tokens" and (not speaking or silent):
        what = "assistant_only_loss needs conversations, and these are tokens."
        cells.add("error", "input_ids", what, f"{stops} `assistant_masks` are minded without it.", fix=fix)
    elif told == "conversations" and (not speaking or silent):
        why = "TRL looks for role and content before it takes from and value for them. Name them so in a prepared copy."
        cells.add("error", told, "assistant_only_loss does not see that `conversations` are such.", why, fix=fix)
    if kind != "messages":
        return
    if told == "completion":
        wrong = cells.related(UNANSWERED)
        odd = cells.where(told, lambda cell: bool(speakers(cell)) and not speakers(cell) <= set(ROLES))
    else:
        wrong = cells.where(told, _unanswered)
        odd = cells.where(told, lambda cell: "assistant" not in speakers(cell) and not speakers(cell) <= set(ROLES))
    cells.unsure |= bool(odd)  # the chat template may take another role for the assistant's
    why = "With assistant_only_loss nothing would be learnt from it, and TRL stops."
    cells.add_rows("error", told, wrong, "has no message of the assistant", why)


def _unanswered(cell: Any) -> bool:
    roles = speakers(cell)
    return bool(roles) and roles <= set(ROLES) - {"assistant"}


def _warn_unanswered(cells: Cells, name: str) -> None:
    if cells.values.get(_AOL) is True:
        return
    rows = cells.where(name, lambda cell: _unanswered(cell) and last_role(cell) != "user")
    cells.add_rows("warning", name, rows, "has no message of the assistant", "There is no answer to learn from it.")


def _warn_bad_answers(cells: Cells, told: str) -> None:
    """Answers that a label calls bad are learnt like the others. Beside other than pairs 0 and 1 may mean classes."""
    if told not in ("completion", "messages", "conversations"):
        return
    kinds = ("boolean", "integer") if told == "completion" else ("boolean",)
    for name in JUDGING:
        if name not in cells or cells.columns[name].type not in kinds:
            continue
        seen = [one for one in cells.cells(name) if one.cell is not None]
        bad = [one for one in seen if one.cell == 0]
        if bad and all(isinstance(one.cell, (bool, int)) and one.cell in (0, 1) for one in seen):
            of = f"{cells.seen.total:,} rows" + ("" if cells.seen.whole else " looked at")
            what = f"{sum(one.count for one in bad):,} of the {of} have `{name}` false, and are learnt too."
            why = "SFT learns every answer alike. A mapping to a prepared copy leaves such rows out."
            cells.add("warning", name, what, why, min(one.row for one in bad))
            return


# --- labels and masks that the data brings along


def _check_marks(cells: Cells, told: str) -> None:
    """A label or a mark for each token. `told` is the column that is made into tokens, "" where they are there."""
    names = ["labels"] if "labels" in cells else _masks(cells, told)
    for name in names:
        if name == "labels":
            cells.check_ids(name)
        else:
            wrong = cells.where(name, lambda cell: not isinstance(cell, (list, str)))
            cells.add_rows("error", name, wrong, "is no list of marks", "TRL takes one for each token, and stops.")
            if wrong:
                return
        _check_length(cells, name, told)
    if not names and "input_ids" in cells:
        names = ["input_ids"]
    _check_drop(cells, names[0] if names else "")


def _masks(cells: Cells, told: str) -> list[str]:
    """The columns of masks that TRL minds; it makes its own for what it makes into tokens."""
    found = []
    made = cells.values.get(_AOL) is True and bool(told)
    if "assistant_masks" in cells and not made:
        found.append("assistant_masks")
    only = cells.values.get("completion_only_loss")
    only = "prompt" in cells and "completion" in cells if only is None else only is True
    made = bool(told) and "prompt" in cells
    if "completion_mask" in cells and only and not made:
        found.append("completion_mask")
    return found


def _counts(cell: Any) -> bool:
    return isinstance(cell, (list, str)) and bool(cell)


def _learnt(name: str, cell: Any) -> bool:
    """Whether any token counts by these marks."""
    if not _counts(cell):
        return False
    return isinstance(cell, str) or any(
        mark != MASKED if name in ("labels", "input_ids") else bool(mark) for mark in cell
    )


def _check_length(cells: Cells, name: str, told: str) -> None:
    """As many marks as tokens: where a batch has them of another length, TRL stops."""
    kept = cells.where(name, lambda cell: _learnt(name, cell))
    if not kept:
        return
    why = "TRL needs one for each token, and stops at a batch where they are more or fewer."
    if told:
        hopeless = cells.seen.total and not cells.related(fits(told, name))
        cells.unsure |= not hopeless
        level: Literal["error", "warning"] = "error" if hopeless else "warning"
        cells.add(level, name, f"`{name}` says what to learn of tokens that are still to be made.", why)
        return
    relation: Relation = UNEVEN if name == "labels" else FEWER[name]
    uneven = cells.related(relation)
    if not uneven:
        return
    least = min(len(part) for part in uneven[0].cell)
    cut = cells.values.get("max_length", _USUAL_LENGTH)
    alone = cells.values.get("per_device_train_batch_size") == 1
    certain = alone or sum(one.count for one in uneven) >= sum(one.count for one in kept)
    certain = certain and not (isinstance(cut, int) and least >= cut)
    cells.unsure |= not certain
    words = "has not as many as there are `input_ids`"
    cells.add_rows("error" if certain else "warning", name, uneven, words, why)


def _check_drop(cells: Cells, name: str) -> None:
    """TRL drops what has nothing to learn, and stops where nothing is left."""
    dropping = cells.values.get("max_length", _USUAL_LENGTH) is not None and cells.values.get("packing") is not True
    if not name or not cells.seen.whole or not cells.seen.total or not (dropping or name == "input_ids"):
        return
    found = list(cells.cells(name))
    if found and not any(_learnt(name, one.cell) or not isinstance(one.cell, (list, str)) for one in found):
        why = "TRL drops what has nothing to learn, and stops since nothing is left."
        cells.add("error", name, f"`{name}` leaves nothing to learn in all {cells.seen.total:,} rows.", why)
