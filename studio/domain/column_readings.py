"""How the cells of a column are read for a role: as text, messages, JSON, numbers or objects with a score."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from studio.domain.columns import Column, kind_of
from studio.domain.conversations import EXCHANGED, is_json_calls, is_json_messages, is_transcript
from studio.domain.mapping import Source, number, word
from studio.domain.role_names import NAMES, is_about, is_mark
from studio.domain.verdict_words import says_good_or_bad

_ANSWER_FIELDS = ("solution", "response", "answer", "completion", "output", "text", "content", "generation")
_SCORE_FIELDS = (
    *("is_correct", "correct", "label", "overall_score", "score", "rating", "reward", "fine-grained_score"),
    *("is_good", "thumbs_up", "quality"),
)
_WRITTEN_SCORES = ("overall_score", "score", "rating", "reward")  # also where they are text
# Words in the name of a number that say which of two is the better one.
_HIGHER = frozenset(
    {"score", "rating", "reward", "quality", "correct", "correctness", "label", "good", "grade", "stars", "accuracy"}
    | {"helpfulness", "preference", "votes", "upvotes", "likes", "thumbs", "elo", "harmlessness"}
)
_LOWER = frozenset(
    {"rank", "ranking", "place", "position", "loss", "nll", "error", "errors", "perplexity", "ppl", "toxicity", "toxic"}
    | {"harm", "harmful", "harmfulness", "bias", "distance", "penalty", "downvotes", "dislikes", "mistakes", "cost"}
    | {"wrong", "incorrect", "unsafe"}
)


def better_of(name: str) -> str:
    """Which of two numbers under this name is the better one, higher or lower; "" where the name does not say."""
    words = {word.casefold() for word in re.split(r"[\W\d_]+|(?<=[a-z])(?=[A-Z])", name)}
    words |= {word[:-1] for word in words if word.endswith("s")}
    high, low = bool(words & _HIGHER) or name.casefold() in _SCORE_FIELDS, bool(words & _LOWER)
    return "" if high == low else "higher" if high else "lower"


def source_of(column: Column, role: str, rows: list[dict[str, Any]]) -> Source | None:
    """How a column's cells are read for a role; None where they cannot play it."""
    if role in ("keep", "label", "winner", "tools"):
        return Source(column.name, "value")
    if role == "score":
        return Source(column.name, "value") if are_numbers(column, rows) else None
    if role == "scores":
        return Source(column.name, _one_or_list(column)) if are_numbers(column, rows) else None
    if role == "answers":
        if column.type == "list<text>":
            return Source(column.name, "list")
        return Source(column.name) if reading_of(column, rows) == "text" else None
    if role == "rated":
        fields = rated_fields(column)
        return Source(column.name, "rated", *fields) if fields else None
    if role == "conversation" and column.type == "list<text>":
        return Source(column.name, "alternating")
    if role in ("answer", "solution") and column.type == "boolean":
        return Source(column.name, "text")
    reading = reading_of(column, rows)
    plain = role in ("system", "context", "reasoning", "text", "solution")
    if plain and reading in ("json", "transcript"):
        reading = "text"
    if reading is None or (plain and reading != "text") or (role == "conversation" and reading == "text"):
        return None
    return Source(column.name, reading)


def _one_or_list(column: Column) -> str:
    return "list" if column.type.startswith("list<") else "value"


def are_numbers(column: Column, rows: list[dict[str, Any]]) -> bool:
    """Whether a column holds numbers, or lists of them, be they written out as text."""
    if column.type in ("integer", "number", "list<integer>", "list<number>"):
        return True
    if column.type not in ("text", "list<text>"):
        return False
    cells = [cell for row in rows if (cell := row.get(column.name)) not in (None, "", [])]
    ones = [one for cell in cells for one in (cell if isinstance(cell, list) else [cell])]
    return most(number(one) is not None for one in ones)


def reading_of(column: Column, rows: list[dict[str, Any]]) -> str | None:
    """How a column speaks: text, messages, json or transcript; None where it does not."""
    if column.type in ("messages", "turns") or _are_exchanges(column):
        return "messages"
    if column.type in ("integer", "number"):
        return "text"
    cells = [cell for row in rows if (cell := row.get(column.name)) not in (None, "", [])]
    if column.type in ("json", "list<json>", "list<null>"):
        return "messages" if most(kind_of(cell) in ("messages", "turns") for cell in cells) else None
    if column.type not in ("text", "null"):
        return None
    texts = [cell for cell in cells if isinstance(cell, str)]
    if most(map(is_json_messages, texts)):
        return "json"
    return "transcript" if most(map(is_transcript, texts)) else "text"


def _are_exchanges(column: Column) -> bool:
    """Whether the cells are one message each, or lists of what is asked and what is answered."""
    names = {one.name for one in column.fields if one.type == "text"}
    if column.type == "struct":
        return {"role", "content"} <= names or {"from", "value"} <= names
    return column.type == "list<struct>" and names == set(EXCHANGED)


def most(told: Iterable[bool]) -> bool:
    """Whether it holds for the cells, but for a few that are odd: these are named, and can be left out."""
    found = list(told)
    return bool(found) and sum(found) * 4 >= len(found) * 3


def rated_fields(column: Column) -> tuple[str, str] | None:
    """The fields of an answer and its score in a column of objects; None where there is not one of each.

    A number whose name says nothing may be the score where there is no other: which way it is read is then asked.
    """
    if column.type not in ("struct", "list<struct>"):
        return None
    written = [one.name for one in column.fields if one.type == "text" and one.name.casefold() in _WRITTEN_SCORES]
    texts = [field.name for field in column.fields if field.type == "text" and field.name not in written]
    named = [name for name in texts if name.casefold() in _ANSWER_FIELDS] or texts
    scores = [field.name for field in column.fields if field.type in ("boolean", "integer", "number")] or written
    known = [name for wanted in _SCORE_FIELDS for name in scores if name.casefold() == wanted]
    best = known[:1] or [name for name in scores if better_of(name)] or scores
    if len(named) != 1 or len(best) != 1:
        return None
    # Settings of a model are no answers: the name of one of the two says what it is.
    says = named[0].casefold() in _ANSWER_FIELDS or best[0] in known or bool(better_of(best[0]))
    return (named[0], best[0]) if says else None


# --- what a column may be by its name and its cells


def judging(columns: Iterable[Column], rows: list[dict[str, Any]]) -> list[Column]:
    """The columns that say of each answer whether it is good or bad, by their names and by what stands there."""
    kinds = ("boolean", "integer", "number", "text")
    named = [one for one in columns if one.name.casefold() in NAMES["label"] and one.type in kinds]
    return [one for one in named if says_good_or_bad(one.name, rows) and not _may_be_score(one, rows)]


def _may_be_score(column: Column, rows: list[dict[str, Any]]) -> bool:
    """Whether cells that say good or bad say too little: none does, or all have one number, as scores may."""
    said = {word(row.get(column.name)) for row in rows} - {""}
    graded = column.type in ("integer", "number") and column.name.casefold() in ("rating", "feedback", "reaction")
    return not said or (graded and len(said) == 1)


def are_calls(column: Column, rows: list[dict[str, Any]]) -> bool:
    """Whether the cells are calls of tools, written out as JSON."""
    cells = [cell for row in rows if (cell := row.get(column.name)) not in (None, "")]
    return column.type == "text" and most(isinstance(cell, str) and is_json_calls(cell) for cell in cells)


def may_mark(columns: Iterable[Column]) -> list[str]:
    """Columns under names of a winner that may each be 1 for one answer."""
    named = [one.name for one in columns if one.type in ("integer", "number", "boolean") and "_" in one.name]
    return [name for name in named if name.casefold().split("_")[0] in ("winner", "win", "wins", "preferred")]


def is_list_as_text(name: str, rows: list[dict[str, Any]]) -> bool:
    """Whether the cells are lists of texts, written out, as of the turns of an arena: no answers as they are."""
    cells = [str(cell).strip() for row in rows if (cell := row.get(name)) is not None]
    return sum(cell.startswith('["') and cell.endswith("]") for cell in cells) * 2 > len(cells)


def says_little(column: Column, columns: Iterable[Column], rows: list[dict[str, Any]]) -> bool:
    """Whether the only text says where a row is from or what it is called, beside what is to be learnt."""
    cells = [cell for row in rows if isinstance(cell := row.get(column.name), str) and cell]
    marks = sum(map(is_mark, cells)) * 2 > len(cells)
    return marks or is_about(column.name) or any(one.type == "list<text>" for one in columns)
