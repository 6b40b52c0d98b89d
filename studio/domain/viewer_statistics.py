"""What the Hub's dataset viewer tells of all rows of a split, as statistics; what it does not tell is None."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from studio.domain.columns import Column
from studio.domain.dataset_statistics import WORD, ColumnStatistics, Statistics

# https://huggingface.co/docs/dataset-viewer/statistics: what `column_type` says, and what is measured of each.
_MEASURED = ("string_text", "list")
_CONVERSATIONS = ("messages", "turns")


def statistics_of(answer: Mapping[str, Any], columns: Iterable[Column]) -> Statistics:
    """The viewer's answer to `statistics`, for these columns. Raises KeyError, TypeError where it is no such answer."""
    told = {one["column_name"]: one for one in answer["statistics"]}
    shown = [column for column in columns if column.type not in ("image", "audio")]
    found = tuple(_column(column, told[column.name]) if column.name in told else _untold(column) for column in shown)
    whole = not answer.get("partial")
    return Statistics(int(answer["num_examples"]), whole, None, found, by_viewer=True)


def _untold(column: Column) -> ColumnStatistics:
    return ColumnStatistics(column.name, column.type, None, None)


def _column(column: Column, told: Mapping[str, Any]) -> ColumnStatistics:
    kind, found = told["column_type"], told["column_statistics"]
    nulls = int(found["nan_count"])
    if kind == "string_label":
        return _labels(column, nulls, found["frequencies"])
    if kind in _MEASURED and found.get("max") is not None:
        return _measured(column, nulls, found)
    words, missing = _words(kind, found), nulls + int(found.get("no_label_count") or 0)
    if words and missing:
        words[""] = missing
    # A number or a label is never empty; of the rest nobody knows.
    empties = 0 if kind in ("bool", "class_label", "int", "float") else None
    return ColumnStatistics.of(column, nulls, empties, {}, {}, words)


def _labels(column: Column, nulls: int, frequencies: Mapping[str, int]) -> ColumnStatistics:
    """Texts of which there are few: each is told with its number, and with that all their lengths."""
    lengths: Counter[int] = Counter()
    for word, count in frequencies.items():
        lengths[len(word)] += count
    words = frequencies if max(lengths, default=0) <= WORD else {}
    return ColumnStatistics.of(column, nulls, frequencies.get("", 0), lengths, {}, words)


def _measured(column: Column, nulls: int, found: Mapping[str, Any]) -> ColumnStatistics:
    """Texts by their characters, lists by their items, which of a conversation are its turns."""
    least, median, most = int(found["min"]), round(found["median"]), int(found["max"])
    empties = None if least == 0 else 0
    if column.type in _CONVERSATIONS:
        known = _exactly(found.get("histogram")) or dict.fromkeys((least, most))
        return ColumnStatistics(column.name, column.type, nulls, empties, turns=tuple(sorted(known.items())))
    bars = tuple((found.get("histogram") or {}).get("hist") or ())
    return ColumnStatistics(column.name, column.type, nulls, empties, (least, None, median, None, None, most), bars)


def _words(kind: str, found: Mapping[str, Any]) -> dict[str, int]:
    if kind in ("bool", "class_label"):
        counts = found["frequencies"].items()
        return {(str(word).lower() if kind == "bool" else str(word)): count for word, count in counts}
    if kind == "int":
        return {str(number): count or 0 for number, count in _exactly(found.get("histogram")).items()}
    return {}


def _exactly(histogram: Mapping[str, Any] | None) -> dict[int, int | None]:
    """Whole numbers by their counts, where each has a bar of its own; else nothing."""
    if not histogram:
        return {}
    bars, edges = histogram["hist"], histogram["bin_edges"]
    # The last bar ends where it begins: at the greatest number.
    own = all(edge == edges[0] + place for place, edge in enumerate(edges[:-1])) and edges[-1] == edges[-2]
    return {int(edge): count for edge, count in zip(edges, bars, strict=False) if count} if own else {}
