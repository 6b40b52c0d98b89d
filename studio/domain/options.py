"""Options to choose from, written under a question, each with the mark by which the answer names it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from studio.domain.conversations import Unreadable

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_FIRST = {"A": list(_LETTERS), "a": list(_LETTERS.lower()), "0": [str(n) for n in range(26)],
          "1": [str(n) for n in range(1, 27)]}  # fmt: skip
_MARKED = re.compile(r"\(?[A-Ja-j0-9][).:] ?")
_TEXTS, _LABELS = ("text", "value"), ("label", "key")


def written(cell: Any, first: str) -> str:
    """Options one a line. `first` is the mark of the first one, as A or 0; "" where they bring marks of their own."""
    if cell is None:
        return ""
    texts, marks = _parts(cell)
    marks = marks or _FIRST.get(first, [])
    if not marks:
        return "\n".join(texts)
    if len(marks) < len(texts):
        raise Unreadable("has more options than marks for them")
    return "\n".join(f"{mark}. {text}" for mark, text in zip(marks, texts, strict=False))


def _parts(cell: Any) -> tuple[list[str], list[str]]:
    """The options, and their own marks where they have any beside them."""
    if isinstance(cell, dict):
        named = next((name for name in _TEXTS if isinstance(cell.get(name), (list, tuple))), None)
        if named is None:
            kept = {key: said for key, said in cell.items() if said is not None}
            return _said(kept.values()), [str(key) for key in kept]
        beside = [cell[name] for name in _LABELS if isinstance(cell.get(name), (list, tuple))]
        return _said(cell[named]), _said(beside[0] if beside else [])
    if not isinstance(cell, (list, tuple)):
        raise Unreadable("holds no list of options")
    if any(isinstance(one, dict) for one in cell):
        rows = [one if isinstance(one, dict) else {} for one in cell]
        texts = [next((one[name] for name in _TEXTS if name in one), None) for one in rows]
        return _said(texts), _said([next((one[name] for name in _LABELS if name in one), None) for one in rows])
    return _said(cell), []


def _said(cells: Iterable[Any]) -> list[str]:
    found = list(cells)
    if not all(isinstance(one, (str, int, float)) for one in found):
        raise Unreadable("holds no list of options")
    return [str(one).strip() for one in found]


def first_mark(options: list[Any], answers: list[Any]) -> str | None:
    """The mark of the first option by which the answers name them; None where that is not to be told.

    `answers` are those beside the options, none where no column of answers is known.
    """
    try:
        parts = [_parts(cell) for cell in options]
    except Unreadable:
        return None
    if not parts or not all(texts for texts, _ in parts):
        return None
    said = [str(one).strip() for one in answers]
    if all(len(marks) == len(texts) for texts, marks in parts):
        known = all(one in (*marks, *texts) for one, (texts, marks) in zip(said, parts, strict=False))
        return "" if known else None
    if any(marks for _, marks in parts):
        return None
    if all(_MARKED.match(text) for texts, _ in parts for text in texts):
        known = all(any(text.lstrip("(").startswith(one) for text in texts)
                    for one, (texts, _) in zip(said, parts, strict=False))  # fmt: skip
        return "" if known else None
    fits = [
        first
        for first, marks in _FIRST.items()
        if all(one in marks[: len(texts)] for one, (texts, _) in zip(said, parts, strict=False))
    ]
    if all(one in texts for one, (texts, _) in zip(said, parts, strict=False)):
        return None if fits and said else "A"  # an option, or its place: 1 may be either where numbers are chosen from
    return fits[0] if len(fits) == 1 else None
