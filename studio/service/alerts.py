"""What to tell people of runs that they do not look at: ended, a loss that is no number, nothing new for long."""

from __future__ import annotations

import time
from typing import Any

from studio.adapters.runs import Run
from studio.domain.moments import seconds_since
from studio.domain.states import LIVE
from studio.service.runs import Runs

STALLED = 900.0  # seconds without a line in the log, while it trains
_RECENT = 600.0  # seconds for which an end is news
_LOOKED_AT = 50  # of the newest runs
_NOT_A_NUMBER = ("loss", "grad_norm", "eval/loss")


def watched(runs: Runs, now: float | None = None) -> list[dict[str, Any]]:
    """The live runs and those that have just ended, newest first.

    Each with `id`, `state`, `ended`, `share` (percent of its steps, null where it does not train) and `troubles`:
    `nan` where the loss is no number any more, `stalled` where its log has said nothing for a quarter of an hour.
    """
    found = []
    for shown in runs.list(_LOOKED_AT):
        live = shown["state"] in LIVE
        if not live and not _is_recent(shown["ended"]):
            continue
        step, total = shown["last_step"], shown["total_steps"]
        found.append({
            "id": shown["id"], "state": shown["state"], "ended": not live,
            "share": min(100, 100 * step // total) if live and step is not None and total else None,
            "troubles": _troubles(runs.folders.get(shown["id"]), shown, now or time.time()) if live else [],
        })  # fmt: skip
    return found


def _troubles(run: Run, shown: dict[str, Any], now: float) -> list[str]:
    troubles = []
    last = shown["last_metrics"]
    if any(name in last and last[name] is None for name in _NOT_A_NUMBER):
        troubles.append("nan")
    if shown["state"] in ("training", "evaluating", "saving"):
        try:
            quiet = now - (run.folder / "train.log").stat().st_mtime
        except OSError:
            quiet = 0.0
        if quiet > STALLED:
            troubles.append("stalled")
    return troubles


def _is_recent(ended: object) -> bool:
    since = seconds_since(ended)
    return since is not None and abs(since) < _RECENT
