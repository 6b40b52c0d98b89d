"""Why a run failed, or what warns while it runs: read from log, exit, recipe and metrics, kept until they change."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from studio.adapters.catalog import CatalogCache
from studio.adapters.progress import readable
from studio.adapters.runs import Run, last_attempt
from studio.domain.diagnosis import diagnose
from studio.domain.errors import StudioError
from studio.domain.evidence import LOG, Evidence
from studio.domain.findings import Finding, Where
from studio.domain.methods import METHOD_NAMES
from studio.domain.recipe import Recipe
from studio.domain.recipe_yaml import read_yaml
from studio.domain.running_warnings import RECENT, WATCHED, running_warnings
from studio.domain.states import LIVE, state_of
from studio.service.runs import Runs, run_method, stamp_of

_NEVER_BEGAN = Finding(
    "error",
    Where("log", LOG),
    "It never began: while it waited for its turn, its supervisor was killed, or the machine went down.",
    "It waits on once a studio is started again; `trl-studio stop` takes it out of the queue.",
)
_KEPT = 64  # runs whose Findings stay in memory
_READ = 2 * 2**20  # bytes of a log's end


class Diagnoses:
    """The Findings of runs, made once for each state of a run's files."""

    def __init__(self, catalog: CatalogCache, memory: Callable[[], int]) -> None:
        self._catalog, self._memory = catalog, memory
        self._kept: OrderedDict[str, tuple[Any, tuple[Finding, ...]]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, runs: Runs, run_id: str) -> tuple[Finding, ...]:
        """Why it failed, the likeliest cause first; of a run that goes on or ended well, what its metrics warn of.

        Raises StudioError where there is no such run.
        """
        run = runs.folders.get(run_id)
        stamp = (stamp_of(run), _size(run), runs.metrics(run).updated)
        with self._lock:
            kept = self._kept.get(run_id)
            if kept is not None and kept[0] == stamp:
                self._kept.move_to_end(run_id)
                return kept[1]
        found = self._found(runs, run)
        with self._lock:
            self._kept[run_id] = (stamp, found)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return found

    def _found(self, runs: Runs, run: Run) -> tuple[Finding, ...]:
        facts = run.facts()
        state = state_of(facts)
        evidence = self._evidence(run)
        rows = runs.metrics(run).recent(WATCHED, RECENT)
        warnings = tuple(running_warnings(rows, evidence.method, evidence.value))
        if state in LIVE or state in ("finished", "stopped"):
            return warnings
        if not facts.started and state == "interrupted":
            return (_NEVER_BEGAN,)
        log, first = _log(run)
        evidence = replace(evidence, log=log, first_line=first, exit=facts.exit, stop=facts.stop)
        return (*diagnose(evidence), *warnings)

    def _evidence(self, run: Run) -> Evidence:
        """What the recipe had, as far as it can be read."""
        method = run_method(run)
        known = self._catalog.ready()
        if method not in METHOD_NAMES:
            return Evidence("", memory=self._memory())
        if known is None:  # TRL was not listed yet; what failed is told without its defaults
            return Evidence("", Recipe(method), memory=self._memory())
        try:
            text = (run.folder / "recipe.yaml").read_text(encoding="utf-8")
            recipe = read_yaml(text, known, method, "recipe.yaml")[0]
        except (OSError, UnicodeDecodeError, StudioError):
            recipe = Recipe(method)
        defaults = {name: argument.effective_default for name, argument in known.of(method).items()}
        return Evidence("", recipe, defaults=defaults, nearest=partial(known.nearest, method), memory=self._memory())


def _size(run: Run) -> int:
    try:
        return (run.folder / LOG).stat().st_size
    except OSError:
        return 0


def _log(run: Run) -> tuple[str, int]:
    """The end of the latest attempt's log as a terminal shows it, and which line of train.log it begins with."""
    begun = last_attempt(run.record()).get("log_start")
    start = begun if type(begun) is int else 0
    try:
        with (run.folder / LOG).open("rb") as file:
            size = file.seek(0, 2)
            start = start if 0 <= start <= size else 0
            offset = max(start, size - _READ)
            file.seek(0)
            lines, left = 1, offset
            while left and (piece := file.read(min(left, 2**20))):
                lines += piece.count(b"\n")
                left -= len(piece)
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return "", 1
    return readable(text), lines
