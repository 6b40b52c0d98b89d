"""Metrics as points in memory: what a chart draws, thinned with its peaks kept, and what is new since it last asked."""

from __future__ import annotations

import math
import threading
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Series:
    """A metric for drawing: `x` ascending, `y` with None for gaps; `points` and `gaps` count it before thinning."""

    name: str
    x: list[float]
    y: list[float | None]
    points: int
    gaps: int


def is_number(value: object) -> bool:
    """Whether a logged value has a place on a curve: a number, or None for one that was none."""
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


_MOST = 200_000  # points of a curve that are kept


class _Curve:
    """One metric's points; `at` is the ordinal of the row that brought each of them."""

    def __init__(self) -> None:
        self.x, self.y, self.at = array("d"), array("d"), array("q")

    def add(self, x: float, y: float, at: int) -> None:
        if self.x and x <= self.x[-1]:
            # A resumed run logs again from its checkpoint's step on: what it says now replaces what was lost.
            cut = bisect_left(self.x, x)
            del self.x[cut:], self.y[cut:], self.at[cut:]
        self.x.append(x)
        self.y.append(y)
        self.at.append(at)
        if len(self.x) > _MOST:
            # A run of millions of rows keeps the peaks of its older half, and the memory stays what it is.
            half = len(self.x) // 2
            kept = thinned(self.y[:half], half // 4)
            self.x[:half] = array("d", [self.x[i] for i in kept])
            self.y[:half] = array("d", [self.y[i] for i in kept])
            self.at[:half] = array("q", [self.at[i] for i in kept])


class Curves:
    """Metrics by name, with an incremental view for a live chart. Safe between threads."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._curves: dict[str, _Curve] = {}
        self._last: dict[str, float | None] = {}
        self._ordinal = 0
        self._cleared_at = 0

    def add(self, x: float, values: dict[str, Any]) -> None:
        """Take one row's numbers at `x`; what is no number is left out, None is a gap."""
        with self.lock:
            self._ordinal += 1
            for name, value in values.items():
                if not is_number(value):
                    continue
                number = math.nan if value is None else float(value)
                curve = self._curves.get(name)
                if curve is None:
                    curve = self._curves[name] = _Curve()
                curve.add(x, number, self._ordinal)
                self._last[name] = value

    def clear(self) -> None:
        """Forget all points; charts are told to do the same by the next `since`."""
        with self.lock:
            self._curves.clear()
            self._last.clear()
            self._ordinal += 1
            self._cleared_at = self._ordinal

    def take_over(self, other: Curves) -> None:
        """Have the points of `other`, which nobody else has, in place of these; charts begin anew with them."""
        with self.lock:
            self._curves, self._last = other._curves, other._last
            self._ordinal = max(self._ordinal, other._ordinal) + 1
            self._cleared_at = self._ordinal

    def names(self) -> list[str]:
        """The metrics seen so far, in the order of their first row."""
        with self.lock:
            return list(self._curves)

    def last(self) -> dict[str, float | None]:
        """Each metric's newest value; None where that was NaN or infinite."""
        with self.lock:
            return dict(self._last)

    def series(self, metric: str, max_points: int = 2000) -> Series:
        """A metric's points, thinned to at most `max_points` with every peak kept; empty for a metric not seen."""
        with self.lock:
            curve = self._curves.get(metric)
            if curve is None:
                return Series(metric, [], [], 0, 0)
            gaps = sum(1 for value in curve.y if math.isnan(value))
            kept = thinned(curve.y, max_points)
            return Series(metric, [curve.x[i] for i in kept], _cells(curve.y, kept), len(curve.x), gaps)

    def recent(self, names: Sequence[str], count: int) -> list[dict[str, float]]:
        """The newest `count` points of each of these metrics as rows, oldest first, with their x as `global_step`.

        A gap is a NaN there.
        """
        rows: dict[float, dict[str, float]] = {}
        with self.lock:
            for name in names:
                curve = self._curves.get(name)
                if curve is not None:
                    for x, y in zip(curve.x[-count:], curve.y[-count:], strict=True):
                        rows.setdefault(x, {"global_step": x})[name] = y
        return [rows[x] for x in sorted(rows)][-count:]

    def since(self, cursor: int = 0, max_points: int = 2000) -> dict[str, Any]:
        """What came after `cursor` (0 for all): `{cursor, reset, series: {name: {x, y}}}`.

        With `reset` the chart forgets what it has and takes these points. Without, it drops for each named metric
        its points from the first new x on and appends the new ones.
        """
        with self.lock:
            behind = cursor < self._cleared_at or cursor > self._ordinal or cursor <= 0
            starts = {name: 0 if behind else bisect_right(curve.at, cursor) for name, curve in self._curves.items()}
            reset = behind or any(len(self._curves[name].at) - start > max_points for name, start in starts.items())
            series: dict[str, dict[str, list[Any]]] = {}
            for name, curve in self._curves.items():
                kept = thinned(curve.y, max_points) if reset else range(starts[name], len(curve.x))
                if kept:
                    series[name] = {"x": [curve.x[i] for i in kept], "y": _cells(curve.y, kept)}
            return {"cursor": self._ordinal, "reset": reset, "series": series}


def _cells(values: Sequence[float], kept: Iterable[int]) -> list[float | None]:
    return [None if math.isnan(values[i]) else values[i] for i in kept]


def thinned(values: Sequence[float], max_points: int) -> Sequence[int]:
    """The indices, ascending, of at most `max_points` (5 or more) of `values`: both ends, and of each stretch its
    lowest, its highest and one gap (NaN) where it has any."""
    count = len(values)
    if count <= max_points:
        return range(count)
    buckets = max(1, (max_points - 2) // 3)
    kept = {0, count - 1}
    for bucket in range(buckets):
        first = bucket * count // buckets
        stretch = values[first : (bucket + 1) * count // buckets]
        if not math.isnan(sum(stretch)):
            kept |= {first + stretch.index(min(stretch)), first + stretch.index(max(stretch))}
            continue
        numbers = [i for i, value in enumerate(stretch) if not math.isnan(value)]
        if numbers:
            kept.add(first + min(numbers, key=stretch.__getitem__))
            kept.add(first + max(numbers, key=stretch.__getitem__))
        if len(numbers) < len(stretch):
            kept.add(first + next(i for i, value in enumerate(stretch) if math.isnan(value)))
    return sorted(kept)
