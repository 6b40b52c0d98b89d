"""Words in cells that judge an answer: good or bad, and which of two is the better one."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from studio.domain.mapping import word

GOOD = (
    *("true", "1", "yes", "y", "good", "up", "thumbs_up", "thumbs up", "thumbsup", "👍", "positive", "pos", "like"),
    *("liked", "upvote", "correct", "chosen", "accepted", "accept", "+1", "helpful", "win", "right"),
    *("safe", "unharmful", "harmless"),
)
BAD = (
    *("false", "0", "-1", "no", "n", "bad", "down", "thumbs_down", "thumbs down", "thumbsdown", "👎", "negative"),
    *("neg", "dislike", "disliked", "downvote", "incorrect", "rejected", "reject", "unhelpful", "lose", "wrong"),
    *("unsafe", "harmful"),
)
NEITHER = (
    *("", "tie", "both", "none", "neither", "tie (bothbad)", "both_bad", "draw", "equal", "same"),
    *("both bad", "both good", "both_good", "bothbad", "bothgood", "equally good", "equally bad"),
)
# What stands before the end of an answer's name, where a value names it.
_STEMS = (
    *("", "model_", "response_", "answer_", "assistant_", "output_", "completion_"),
    *("model ", "response ", "answer "),
)
# The codes, first answer before second, of which the rows that were looked at may hold nothing but this number.
_LONE = {
    "0": ("0/1", "1/0"),
    "1": ("1/2", "1/0", "0/1", "1/-1"),
    "2": ("1/2", "2/1"),
    "-1": ("1/-1", "-1/1"),
}
_SUFFIXES = (("a", "b"), ("0", "1"), ("1", "2"), ("left", "right"))


def says_good_or_bad(column: str, rows: list[dict[str, Any]]) -> bool:
    """Whether the values that were looked at are words for good or for bad, but for a few other words."""
    said = [word(row.get(column)) for row in rows if row.get(column) is not None]
    return not said or _known(said, {*GOOD, *BAD})


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
    low, high = one.casefold(), other.casefold()
    if any(low.endswith(last) and high.endswith(first) for first, last in _SUFFIXES):
        turned = winner_words(other, one, winner, rows)  # the second of the two stands in the first one's place
        return turned and turned[::-1]
    ends = next(((a, b) for a, b in _SUFFIXES if low.endswith(a) and high.endswith(b)), None)
    said = _winners(winner, rows)
    if ends is None:
        return ((low,), (high,)) if _known(said, {low, high}) else None
    first = (*(f"{stem}{ends[0]}" for stem in _STEMS), low)
    second = (*(f"{stem}{ends[1]}" for stem in _STEMS), high)
    if _known(said, {*first, *second}):
        # With nothing but 1 the two may be 0 and 1, as well as 1 and 2.
        lone = {("1", "2"): "2", ("0", "1"): "0"}.get(ends)
        unclear = lone is not None and "1" in said and lone not in said and all(map(_is_number, said))
        return None if unclear else (tuple(dict.fromkeys(first)), tuple(dict.fromkeys(second)))
    # As SHP has it: the label is 1 where the first of the two was liked better.
    if said and set(said) <= {"0", "1"} and low == "human_ref_a":
        return ("1",), ("0",)
    return None


def marked_winners(
    one: str, other: str, winners: Collection[str], rows: list[dict[str, Any]]
) -> tuple[str, str] | None:
    """Of columns that are 1 where an answer is the better one, each for one answer: the first's and the second's.

    What else stands among them says of neither. None where the columns do not tell.
    """
    for ends in (*_SUFFIXES, *(pair[::-1] for pair in _SUFFIXES)):
        if not all(name.casefold().endswith(end) for name, end in zip((one, other), ends, strict=True)):
            continue
        found = [[name for name in winners if name.casefold().endswith(f"_{end}")] for end in ends]
        if [len(names) for names in found] != [1, 1]:
            continue
        rest = [name for name in winners if [name] not in found]
        neither = all(set(name.casefold().split("_")) & set(NEITHER) for name in rest)
        marks = {word(row.get(name)) for row in rows for name in winners}
        if neither and marks <= {"0", "1", "true", "false", ""}:
            return found[0][0], found[1][0]
    return None


def beside_winner(name: str, other: str) -> bool:
    """Whether two columns may be such ones, each for one answer, by what their names begin with."""
    (begin, *rest), (beginning, *others) = name.casefold().split("_"), other.casefold().split("_")
    return begin == beginning and bool(rest) and bool(others)


def codes(winner: str, rows: list[dict[str, Any]]) -> tuple[str, ...]:
    """What the values of a column may mean that says which of two answers is better, as A/B; () where it is no code.

    Of a number that stands alone there, the other one is among the usual ones.
    """
    said = list(dict.fromkeys(_winners(winner, rows)))
    if len(said) == 1 and said[0] in _LONE:
        return _LONE[said[0]]
    return (f"{said[0]}/{said[1]}", f"{said[1]}/{said[0]}") if len(said) == 2 and "/" not in "".join(said) else ()


def is_number_code(code: str) -> bool:
    """Whether both values are numbers."""
    return all(map(_is_number, code.split("/")))


def _winners(winner: str, rows: list[dict[str, Any]]) -> list[str]:
    return [said for row in rows if (said := word(row.get(winner))) not in NEITHER]


def _known(said: list[str], words: Collection[str]) -> bool:
    """Whether these are the words that are meant. A few others may stand among them, but no other number."""
    others = [one for one in said if one not in words]
    return len(others) * 2 < len(said) and not any(map(_is_number, others))


def _is_number(said: str) -> bool:
    return re.fullmatch(r"[-+]?\d+(\.\d+)?", said) is not None
