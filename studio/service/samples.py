"""What a model wrote while it was trained, with the rewards it got: the tables that `log_completions` logs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from studio.domain.states import LIVE
from studio.service.runs import Runs, run_method

Order = Literal["logged", "best", "worst"]
# GRPOTrainer.log and RLOOTrainer.log, TRL 1.8: these columns beside one for each reward function and the extra ones.
_TABLE = "completions"
_KNOWN = ("step", "prompt", "completion", "advantage", "image")
METHODS = ("grpo", "rloo")


@dataclass(frozen=True)
class Samples:
    """The samples of one step. `rewards` names the columns of numbers, `others` those of anything else.

    `steps` are all steps that have samples, oldest first; empty where there are none, and then `wanted` says whether
    the recipe asks for them at all.
    """

    steps: tuple[float, ...]
    step: float | None
    rewards: tuple[str, ...]
    others: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]
    wanted: bool
    live: bool


def samples(runs: Runs, run_id: str, step: float | None = None, order: Order = "logged") -> Samples | None:
    """The samples of a step of a run, of the newest without one; None where its method writes none.

    `order` is by the sum of the rewards, or as logged. Raises StudioError where there is no such run.
    """
    run = runs.folders.get(run_id)
    if run_method(run) not in METHODS:
        return None
    live = run.state() in LIVE  # asked first: what was logged before the end is then in the read below
    metrics = runs.metrics(run, now=not live)
    live = live or not metrics.is_whole  # of a long run more may be to come
    tables = [table for table in metrics.tables() if table.name == _TABLE]
    steps = tuple(sorted({table.step for table in tables}))
    chosen = step if step in steps else steps[-1] if steps else None
    rows = [row for table in tables if table.step == chosen for row in table.rows]
    names = list(dict.fromkeys(name for row in rows for name in row if name not in _KNOWN))
    rewards = tuple(name for name in names if all(_is_number(row.get(name)) for row in rows))
    if order != "logged":
        rows.sort(key=lambda row: total(row, rewards), reverse=order == "best")
    return Samples(
        steps, chosen, rewards, tuple(name for name in names if name not in rewards), tuple(rows),
        "log_completions: true" in runs.recipe_text(run_id), live,
    )  # fmt: skip


def total(row: Mapping[str, Any], rewards: tuple[str, ...]) -> float:
    """The sum of a sample's rewards; one that a function has no opinion of (None or NaN) counts as nothing."""
    values = [row.get(name) for name in rewards]
    return sum(value for value in values if isinstance(value, (int, float)) and not math.isnan(value))


def _is_number(value: Any) -> bool:
    return value is None or value == "NaN" or (isinstance(value, (int, float)) and not isinstance(value, bool))
