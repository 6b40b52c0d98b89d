"""Words in cells that judge an answer: good or bad, and which of two is the better one."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from studio.domain.mapping import word

GOOD = (
    *("true", "1", "yes", "y", "good", "up", "thumbs_up", "thumbs up", "thumbsup", "👍", "positive", "pos", "like"),
    *("liked", "upvote", "correct", "chosen", "accepted", "accept", "+1", "helpful", "win", "right"),
)
BAD = (
    *("false", "0", "-1", "no", "n", "bad", "down", "thumbs_down", "thumbs down", "thumbsdown", "👎", "negative"),
    *("neg", "dislike", "disliked", "downvote", "incorrect", "rejected", "reject", "unhelpful", "lose", "wrong"),
)
NEITHER = ("", "tie", "both", "none", "neither", "tie (bothbad)", "both_bad", "draw", "equal", "same")
_SUFFIXES = (("a", "b"), ("0", "1"), ("1", "2"), ("left", "right"))


def says_good_or_bad(column: str, rows: list[dict[str, Any]]) -> bool:
    """Whether every value that was looked at is a word for good or for bad."""
    said = [word(row.get(column)) for row in rows if row.get(column) is not None]
    return not said or all(one in GOOD or one in BAD for one in said)


def pair_of(names: Collection[str]) -> list[tuple[str, str]]:
    """Pairs of columns that differ in their ends alone: response_a and response_b."""
    folded = {name.casefold(): name for name in names}
    found = []
    for first, second in _SUFFIXES:
        for low, name in folded.items():
            stem = low[: -len(first)]
            if low.endswith(first) and stem.endswith(("_", "-", " ", ".")) and stem + second in folded:
                found.append((name, folded[stem + second]))
    return found


def winner_words(one: str, other: str, winner: str, rows: list[dict[str, Any]]) -> tuple[tuple[str, ...], ...] | None:
    """The words that mean the first answer, and those that mean the second; None where the values do not tell."""
    ends = next(((a, b) for a, b in _SUFFIXES if one.casefold().endswith(a) and other.casefold().endswith(b)), None)
    said = {word(row.get(winner)) for row in rows} - set(NEITHER)
    if ends is None:
        sides = [(value,) for value in (one.casefold(), other.casefold())]
        return tuple(sides) if said and said <= {one.casefold(), other.casefold()} else None
    stems = (
        "",
        "model_",
        "response_",
        "answer_",
        "assistant_",
        "output_",
        "completion_",
        "model ",
        "response ",
        "answer ",
    )
    first = (*(f"{stem}{ends[0]}" for stem in stems), one.casefold())
    second = (*(f"{stem}{ends[1]}" for stem in stems), other.casefold())
    if said and said <= {*first, *second}:
        return tuple(dict.fromkeys(first)), tuple(dict.fromkeys(second))
    # As SHP has it: the label is 1 where the first of the two was liked better.
    if said and said <= {"0", "1"} and one.casefold() == "human_ref_a":
        return ("1",), ("0",)
    return None
