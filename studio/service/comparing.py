"""Runs side by side: what their recipes differ in, and what came of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from studio.adapters.runs import Run
from studio.domain.best import Better, best, better
from studio.domain.differences import Row, differing
from studio.domain.errors import StudioError
from studio.service.library import RUN_ONLY, Library
from studio.service.studio import Studio

_TOLD = (
    *("id", "method", "state", "created", "started", "ended", "seconds"),
    *("last_step", "total_steps", "tags", "note", "attempts"),
)


@dataclass(frozen=True)
class Value:
    """A metric in one run: its last value, its best one and the step of that; None where there is none."""

    last: float | None = None
    best: float | None = None
    step: float | None = None


@dataclass(frozen=True)
class Metric:
    """A metric in all runs that are compared; `better` says which of two values is the better one, where one is."""

    name: str
    better: Better | None
    values: tuple[Value, ...]


@dataclass(frozen=True)
class RunComparison:
    """Runs side by side. `runs` are as `show` has them, with `seconds`; rows and metrics hold a value for each."""

    runs: tuple[dict[str, Any], ...]
    rows: tuple[Row, ...]
    metrics: tuple[Metric, ...]

    def to_json(self) -> dict[str, Any]:
        """The documented object of `trl-studio compare --json`."""
        ids = [run["id"] for run in self.runs]
        return {
            "runs": [{name: run[name] for name in _TOLD} for run in self.runs],
            "options": [
                {
                    "section": row.section,
                    "name": row.name,
                    "values": {
                        run_id: {"value": side.value, "origin": side.origin}
                        for run_id, side in zip(ids, row.sides, strict=True)
                    },
                }
                for row in self.rows
            ],
            "metrics": [
                {
                    "name": metric.name,
                    "better": metric.better,
                    "values": {
                        run_id: {"last": value.last, "best": value.best, "best_step": value.step}
                        for run_id, value in zip(ids, metric.values, strict=True)
                    },
                }
                for metric in self.metrics
            ],
        }


def compare(studio: Studio, run_ids: Sequence[str]) -> RunComparison:
    """Any number of runs side by side, in the order given.

    Raises StudioError where there are fewer than two, one of them is not there, or its recipe cannot be read.
    """
    names = list(dict.fromkeys(run_ids))
    if len(names) < 2:
        raise StudioError("One run alone cannot be compared.", "Name two runs or more.")
    runs = [studio.runs.folders.get(name) for name in names]
    library = Library(studio)
    rows = differing([library.as_it_ran(name) for name in names], studio.arguments.get(), RUN_ONLY, library.alike)
    shown = tuple(studio.runs.describe(run) for run in runs)
    return RunComparison(shown, tuple(rows), tuple(_metrics(studio, runs)))


def _metrics(studio: Studio, runs: Sequence[Run]) -> list[Metric]:
    """Every metric that any of the runs has logged; those that tell good from bad first."""
    found: list[dict[str, Value]] = []
    for run in runs:
        metrics = studio.runs.metrics(run)
        metrics.wait()
        last = metrics.last()
        values = {}
        for name in metrics.names():
            # Thinning keeps every peak, so the best is among what it leaves.
            series = metrics.series(name)
            value, step = best(name, series.x, series.y) or (None, None)
            values[name] = Value(last.get(name), value, step)
        found.append(values)
    names = dict.fromkeys(name for values in found for name in values)
    ordered = sorted(names, key=lambda name: better(name) is None)
    return [Metric(name, better(name), tuple(values.get(name, Value()) for values in found)) for name in ordered]
