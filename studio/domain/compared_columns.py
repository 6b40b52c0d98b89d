"""Columns that hold an answer each: two of which one is the better, or several with a score each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from studio.domain.column_readings import are_numbers, better_of, is_list_as_text
from studio.domain.columns import Column
from studio.domain.role_names import ANSWER_WORDS, NAMES, numbered
from studio.domain.verdict_words import pair_of

SPOKEN = ("text", "messages", "json", "transcript")
_NUMBERS = ("integer", "number")


def pairs(
    columns: Sequence[Column], readings: Mapping[str, str | None], rows: list[dict[str, Any]]
) -> list[tuple[str, str]]:
    """Pairs of columns that may be two answers to one question."""
    named = pair_of([column.name for column in columns if column.type not in _NUMBERS])
    return [
        pair
        for pair in named
        if all(readings[name] in SPOKEN for name in pair)
        and not any(part in pair[0].casefold() for part in ("model_", "judge", "_id"))
        and not any(is_list_as_text(name, rows) for name in pair)
    ]


def are_answers(pair: tuple[str, str], columns: Sequence[Column]) -> bool:
    """Whether two columns are answers by their names alone, both in good faith, and no more than these two."""
    words = set(re.split(r"[\W_\d]+", pair[0].casefold()))
    groups = [set(one.values()) for one in numbered([column.name for column in columns])]
    alone = not any(set(pair) < group for group in groups)
    called = bool(words & {*ANSWER_WORDS, *NAMES["conversation"], "assistant"})
    return called and alone and not words & {"incorrect", "wrong", "false"}


def scored(
    columns: Sequence[Column], readings: Mapping[str, str | None], rows: list[dict[str, Any]]
) -> list[tuple[dict[str, str], dict[str, str]]]:
    """Several answers and as many scores, each in a column of its own: response_0, response_1, score_0, score_1."""
    texts = [one for one in columns if one.type == "text" and readings[one.name] == "text"]
    numbers = [one for one in columns if not one.type.startswith("list<") and are_numbers(one, rows)]
    said = numbered([one.name for one in texts if one not in numbers], ANSWER_WORDS)
    graded = numbered([one.name for one in numbers if better_of(one.name)])
    return [(names, scores) for names in said for scores in graded if list(names) == list(scores)]
