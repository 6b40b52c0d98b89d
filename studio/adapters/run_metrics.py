"""One run's metrics in memory: grown by the rows that are new; of a long run first a sample, then all of them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from studio.adapters.metrics import Kind, MetricsStore, Row, State, exported, sampled_export, shown_name
from studio.domain.curves import Curves

_KINDS: tuple[Kind, ...] = ("metrics", "system")
_STEP = "train/global_step"
_AXES = {"epoch": "train/epoch", "tokens": "train/num_tokens"}
_BATCH = 5000
_LONG = 5000  # rows from which on the first look is a sample
_LONG_EXPORT = 2 << 20  # bytes, likewise
_SAMPLE = 1000  # rows
_KEPT_TABLES = 50
_MOMENT = 0.25  # seconds for which a quick look is shared by all who look


@dataclass(frozen=True)
class Table:
    """A table that a trainer logged, such as GRPO's completions: the step, its name and its rows."""

    step: float
    name: str
    rows: list[dict[str, Any]]


class RunMetrics(Curves):
    """A run's metrics, kept in memory and grown by `refresh()`; x is the trainer's global step.

    `axes` says of each step where it was otherwise: its `epoch`, its `tokens`, its `time` in epoch seconds. `system`
    holds the machine's metrics over epoch seconds. `export` is the run's metrics.jsonl, whose rows come first where
    the store has not got them. `state` is the store's at the last refresh, `updated` the last row's time. With `quick`
    the first look at a long run is a sample, and all of it comes from a thread.
    """

    def __init__(
        self, store: MetricsStore, project: str, run_name: str, export: Path | None = None, quick: bool = False
    ) -> None:
        super().__init__()
        self.axes, self.system = Curves(), Curves()
        self.state: State = "absent"
        self.updated = ""
        self._store, self._project, self._run, self._export = store, project, run_name, export
        self._quick = quick
        self._filling: threading.Thread | None = None
        self._looked = -_MOMENT
        self._begin()

    def _begin(self) -> None:
        self._step: float | None = None
        self._last_ids: dict[Kind, int] = dict.fromkeys(_KINDS, 0)
        self._from_export: set[tuple[Kind, int, str]] | None = None
        self._tables: deque[Table] = deque(maxlen=_KEPT_TABLES)

    def refresh(self, now: bool = False) -> int:
        """Read the rows that are new since the last call and return how many there were; never raises.

        A sample is no news but itself until all rows are there. Quick looks share what one saw a moment ago, but for
        one that must have all that is there `now`.
        """
        with self.lock:
            if self._filling is not None:
                return 0
            if self._quick and not now and time.monotonic() - self._looked < _MOMENT:
                return 0
            self._looked = time.monotonic()
            if self._quick and self._from_export is None and self._is_long():
                return self._sample()
            return self._read()

    @property
    def is_whole(self) -> bool:
        """Whether all rows are there, and not a sample of them."""
        return self._filling is None

    def wait(self) -> None:
        """Returns when all rows are there, and not a sample of them."""
        while (filling := self._filling) is not None:
            filling.join()

    def tables(self) -> list[Table]:
        """The newest tables that the trainer logged (completions with `log_completions`), oldest first."""
        with self.lock:
            return list(self._tables)

    def _is_long(self) -> bool:
        with suppress(OSError):  # no export: the run goes on, or has never logged
            if self._export is not None and self._export.stat().st_size > _LONG_EXPORT:
                return True
        return self._store.count(self._project, self._run) > _LONG

    def _sample(self) -> int:
        rows: Iterable[tuple[Kind, Row]] = [
            ("metrics", row) for row in self._store.sample(self._project, self._run, _SAMPLE)
        ]
        if not rows and self._export is not None:
            rows = sampled_export(self._export, _SAMPLE)
        fresh = 0
        for kind, row in rows:
            self._take(kind, row)
            fresh += 1
        self._from_export = set()
        self._filling = threading.Thread(target=self._fill, name=f"metrics of {self._run}", daemon=True)
        self._filling.start()
        return fresh

    def _fill(self) -> None:
        """Reads all rows beside the sample, and then puts them in its place; charts are told to begin anew."""
        try:
            whole = RunMetrics(self._store, self._project, self._run, self._export)
            whole.refresh()
            with self.lock:
                for mine, read in ((self, whole), (self.axes, whole.axes), (self.system, whole.system)):
                    mine.take_over(read)
                self.state, self.updated = whole.state, whole.updated
                self._step, self._tables = whole._step, whole._tables
                self._last_ids, self._from_export = whole._last_ids, whole._from_export
        finally:
            self._filling = None

    def _read(self) -> int:
        fresh = 0
        if self._from_export is None:
            self._from_export = set()
            for kind, row in exported(self._export) if self._export else ():
                self._from_export.add((kind, row.id, row.time))
                self._take(kind, row)
                fresh += 1
        for kind in _KINDS:
            complete = False
            while not complete:
                found = self._store.read(kind, self._project, self._run, self._last_ids[kind], _BATCH)
                if kind == "metrics":
                    self.state = found.state
                if found.restarted:
                    for curves in (self, self.axes, self.system):
                        curves.clear()
                    self._begin()
                    return self._read()
                fresh += self._take_new(kind, found.rows)
                self._last_ids[kind] = found.last_id
                complete = found.complete
        return fresh

    def _take_new(self, kind: Kind, rows: list[Row]) -> int:
        known = self._from_export or set()
        fresh = [row for row in rows if (kind, row.id, row.time) not in known]
        for row in fresh:
            self._take(kind, row)
        return len(fresh)

    def _take(self, kind: Kind, row: Row) -> None:
        if kind == "system":
            if (moment := _moment(row.time)) is not None:
                self.system.add(moment, row.values)
            return
        # Evaluations carry the step too; profiling rows and tables do not, and belong to the step last seen.
        step = row.values.get(_STEP)
        if isinstance(step, (int, float)):
            if step != self._step:  # the first row of a step says where it is otherwise: an evaluation comes after it
                self._place(float(step), row)
            self._step = float(step)
        at = self._step or 0.0
        self.updated = row.time
        self.add(at, {shown_name(name): value for name, value in row.values.items() if name != _STEP})
        self._last["global_step"] = at
        for name, value in row.values.items():
            if isinstance(value, dict) and isinstance(value.get("_value"), list):
                self._tables.append(Table(at, shown_name(name), value["_value"]))

    def _place(self, step: float, row: Row) -> None:
        places = {name: row.values[key] for name, key in _AXES.items() if row.values.get(key) is not None}
        if (moment := _moment(row.time)) is not None:
            places["time"] = moment
        self.axes.add(step, places)


def _moment(time: str) -> float | None:
    """A row's time in epoch seconds; None where it cannot be read, and so has no place on an axis."""
    try:
        return datetime.fromisoformat(time).timestamp()
    except ValueError:
        return None
