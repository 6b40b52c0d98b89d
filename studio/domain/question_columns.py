"""Which columns may ask and answer: none that says of what kind a row is, or that has what is to be answered in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from studio.domain.column_readings import most
from studio.domain.columns import Column
from studio.domain.conversations import SPEAKERS, Message, Unreadable, before_answer, is_blank, read_messages
from studio.domain.mapping import DataMapping
from studio.domain.role_names import ANSWERING, is_mark

Turns = list[tuple[dict[str, Any], list[Message]]]  # rows, and the messages of a column in each
TELLING = 24  # characters of an answer that are no chance in a prompt
_KINDS = ("task",)  # may be what is asked, and may be a kind of it
_FINAL = ("final_answer", "expected_answer", "gold_answer", "gold")
_WORKED = ("solution", "generated_solution", "response", "completion", "output", "generation", "model_response")
_CONTEXTS = ("context", "contexts", "passage", "passages", "paragraphs", "article", "document", "documents")
_OPTIONS = ("choices", "options", "endings", "answer_choices", "option", "choice")
_OPTION_NAMES = re.compile(r"(?:op|opt|option|choice|sol|ending|answer_option)?[_ -]?([a-e1-5])", re.IGNORECASE)
_SPEAKS = ("role", "from", "speaker")
# Marks of who speaks in a text that was written in a template: the user's, and the assistant's.
_TEMPLATE = re.compile(
    r"(?P<user>\[\|Human\|\]|### ?(?:Human|User|Instruction): ?|<\|im_start\|>user|<\|user\|>|\[INST\]|\bUSER: )"
    r"|(?P<assistant>\[\|AI\|\]|### ?(?:Assistant|Response|Output): ?|<\|im_start\|>assistant|<\|assistant\|>"
    r"|\[/INST\]|\bASSISTANT: )"
)
_ENDS = re.compile(r"<\|im_end\|>|<\|endoftext\|>|</s>|<\|end\|>")


def _texts(name: str, rows: Iterable[dict[str, Any]]) -> list[str]:
    return [cell for row in rows if isinstance(cell := row.get(name), str) and not is_blank(cell)]


# --- what may ask


def asking(named: list[Column], rows: list[dict[str, Any]], others: bool) -> list[Column]:
    """Those of the columns under names of a question that may ask; `others` says that something else asks too.

    Of two that hold the same, the first one does.
    """
    filled = [one for one in named if any(row.get(one.name) not in (None, "") for row in rows)]
    filled = filled if filled or others else named
    asks = [one for one in filled if not is_answered(one.name, rows)]
    known = [one for one in asks if one.name.casefold() not in _KINDS]
    kinds = [one for one in asks if one not in known and not most(map(is_mark, _texts(one.name, rows)))]
    found = known or ([] if others else kinds)
    clean = [one for one in found if not _holds_answer(one.name, rows)]
    found = clean if clean or others else found
    return [one for place, one in enumerate(found) if not any(_alike(one, first, rows) for first in found[:place])]


def _alike(one: Column, other: Column, rows: list[dict[str, Any]]) -> bool:
    return all(row.get(one.name) == row.get(other.name) for row in rows)


def _holds_answer(name: str, rows: list[dict[str, Any]]) -> bool:
    """Whether its cells hold what the columns of answers say, wherever that is long enough to be no chance."""
    told = [answer in cell for row in rows if isinstance(cell := row.get(name), str) for answer in answers_of(row)]
    return bool(told) and all(told)


def answers_of(row: dict[str, Any]) -> list[str]:
    """What the columns of answers say in a row, where that is long enough to be no chance in a prompt."""
    found = []
    for name, cell in row.items():
        if name.casefold() not in ANSWERING:
            continue
        last = cell[-1] if isinstance(cell, list) and cell else cell
        said = last.get("content", last.get("value")) if isinstance(last, dict) else last
        if isinstance(said, str) and len(said.strip()) >= TELLING:
            found.append(said.strip())
    return found


def is_answered(name: str, rows: list[dict[str, Any]]) -> bool:
    """Whether most cells are conversations in a template that end with an answer."""
    return most(map(_ends_answered, _texts(name, rows)))


def _ends_answered(text: str) -> bool:
    last = ""
    marks = list(_TEMPLATE.finditer(text))
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    for mark, end in zip(marks, ends, strict=False):
        if not is_blank(_ENDS.sub("", text[mark.end() : end])):
            last = str(mark.lastgroup)
        elif mark["assistant"]:
            last = ""  # the mark after which the model is to speak
    return last == "assistant" and any(mark["user"] for mark in marks)


# --- turns


def turns_of(column: Column, reading: str | None, rows: Iterable[dict[str, Any]]) -> Turns:
    """The rows whose cells of a column can be read as messages, with these."""
    found = []
    for row in rows:
        try:
            found.append((row, read_messages(row.get(column.name), str(reading))))
        except Unreadable:
            continue
    return found


def is_open(told: Turns) -> bool:
    """Whether none of the turns ends with the assistant."""
    return bool(told) and all(turns[-1]["role"] != "assistant" for _, turns in told)


def is_answered_apart(told: Turns, answer: str) -> bool:
    """Whether turns end with an answer that is not the one of the answer's column."""
    ends = [(row.get(answer), turns[-1]) for row, turns in told]
    others = [(said, turn) for said, turn in ends if turn["role"] == "assistant" and said is not None]
    return any(isinstance(said, str) and turn["content"].strip() != said.strip() for said, turn in others)


def is_learnt_from(told: Turns, apart: bool) -> bool:
    """Whether turns may be learnt: somebody answers in them, and where answers stand apart, they end with one."""
    spoken = any(one["role"] == "assistant" for _, turns in told for one in turns)
    return not told or (spoken and not (apart and is_open(told)))


def says_more(told: Turns, question: str) -> bool:
    """Whether the turns before the answer hold the question's column, and in some rows more than that."""
    try:
        asked = [(str(row.get(question)).strip(), before_answer(turns)) for row, turns in told]
    except Unreadable:
        return False
    within = all(any(said == one["content"].strip() for one in before) for said, before in asked)
    return bool(asked) and within and any(len(before) > 1 for _, before in asked)


# --- what may answer


def worked(named: list[Column], rows: list[dict[str, Any]]) -> Column | None:
    """Of a solution and the final answer that it comes to, the solution; None where they are no such two."""
    final = [one for one in named if one.name.casefold() in ("answer", *_FINAL)]
    whole = [one for one in named if one.name.casefold() in _WORKED]
    if len(named) != 2 or len(final) != 1 or len(whole) != 1:
        return None
    pairs = [(row.get(final[0].name), row.get(whole[0].name)) for row in rows]
    said = [(str(short).strip(), long) for short, long in pairs if short is not None and isinstance(long, str)]
    named_so = whole[0].name.casefold() == "solution"
    fits = most(len(short) * 2 <= len(long) and (named_so or short in long) for short, long in said)
    return whole[0] if fits else None


def final(named: list[Column], rows: list[dict[str, Any]]) -> Column | None:
    """Of columns that may be a solution, the one that holds the final answer alone; None where none is it."""
    told = [one for one in named if one.name.casefold() in _FINAL]
    if len(told) == 1:
        return told[0]
    whole = worked(named, rows)
    return next((one for one in named if one is not whole), None) if whole is not None else None


def explains(column: Column, rows: list[dict[str, Any]]) -> bool:
    """Whether the cells are thoughts: words such as on and off are none."""
    return most(not is_mark(text) for text in _texts(column.name, rows))


def tells(column: Column, rows: list[dict[str, Any]]) -> bool:
    """Whether the cells are texts of their own, and no names of classes."""
    different = {repr(row): row.get(column.name) for row in rows}.values()
    return len({str(cell) for cell in different}) == len(different) and explains(column, rows)


def is_tag(column: Column, rows: list[dict[str, Any]]) -> bool:
    """Whether one word stands in each cell: it says of what kind a row is."""
    texts = _texts(column.name, rows)
    return len(texts) * 2 > len(rows) and all(map(is_mark, texts))


def are_turns(columns: Iterable[Column], rows: list[dict[str, Any]]) -> bool:
    """Whether each row is one turn of a conversation: a column says who speaks."""
    named = [one.name for one in columns if one.type == "text" and one.name.casefold() in _SPEAKS]
    return any(most(text.strip().casefold() in SPEAKERS for text in _texts(name, rows)) for name in named)


# --- what belongs to a question


def options_of(question: str, columns: Iterable[Column], rows: list[dict[str, Any]]) -> list[Column]:
    """Columns of options to choose from that the question does not hold."""
    named = [one for one in columns if one.name.casefold() in _OPTIONS and one.type.startswith(("list<", "struct"))]
    return [one for one in named if not _is_asked((one.name,), question, rows)]


def left_out(mapping: DataMapping, columns: Sequence[Column], rows: list[dict[str, Any]]) -> tuple[str, ...]:
    """Columns without which the question may make no sense and that the mapping does not read: options, a passage."""
    source = mapping.source("question")
    if source is None or source.reading != "text":
        return ()
    free = [one for one in columns if one.name not in mapping.columns()]
    texts = [one.name for one in free if one.type == "text" and not is_tag(one, rows)]
    nested = [one for one in free if one.type.startswith("list<") or one.type == "struct"]
    found = [one.name for one in nested if one.name.casefold() in (*_OPTIONS, *_CONTEXTS, "history")]
    if mapping.source("context") is None:
        found += [name for name in texts if name.casefold() in _CONTEXTS]
    found += [name for name in texts if name.casefold() in _OPTIONS]
    single = [one.name for one in free if one.type == "text" and _OPTION_NAMES.fullmatch(one.name)]
    apart = tuple(name for name in dict.fromkeys(found) if not _is_asked((name,), source.column, rows))
    marked = len(single) > 1 and not _is_asked(single, source.column, rows)
    return (*apart, *single) if marked else apart


def _is_asked(names: Sequence[str], question: str, rows: list[dict[str, Any]]) -> bool:
    """Whether the question holds what stands in columns, or nothing stands there."""
    return all(said in str(row.get(question)) for row in rows for name in names for said in _leaves(row.get(name)))


def _leaves(cell: Any) -> list[str]:
    """The texts and numbers in a cell."""
    if isinstance(cell, (list, tuple)):
        return [said for one in cell for said in _leaves(one)]
    if isinstance(cell, dict):
        return [said for one in cell.values() for said in _leaves(one)]
    return [str(cell).strip()] if isinstance(cell, (str, int, float)) else []
