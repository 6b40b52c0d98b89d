"""Runs: started, listed, shown, stopped and drawn; all truth lies in their folders."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from studio.adapters.home import Home
from studio.adapters.lastvalues import LastValues
from studio.adapters.launching import adopt, launch, stop
from studio.adapters.metrics import MetricsStore, last_exported
from studio.adapters.progress import doing_in, readable
from studio.adapters.run_metrics import RunMetrics
from studio.adapters.runs import Record, Run, RunFolders, last_attempt, utc_now, write_whole
from studio.domain.completion import PROJECT
from studio.domain.errors import StudioError
from studio.domain.findings import errors
from studio.domain.methods import method_named
from studio.domain.moments import moment, seconds_since
from studio.domain.recipe_yaml import read_mapping
from studio.domain.states import LIVE, state_of
from studio.domain.turns import Gpus
from studio.service.recipes import Prepared

# tqdm's bar: steps of total, time gone and time left.
_BAR = re.compile(r"\d+/(\d+) \[[\d:]+<([\d:?]+)")
_PUSHES = re.compile(r"^push_to_hub: true\b", re.MULTILINE)
_DOING_BYTES = 8 * 1024  # of a log's end, in which the last bar stands
_MOMENT = 0.5  # seconds for which what was seen of a run that goes on is shared by all who look, if it is the same
_KEPT_METRICS = 32  # runs whose points stay in memory


class Runs:
    """The runs of one home."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.folders = RunFolders(home.runs)
        self.store = MetricsStore(home.trackio)
        self.quick = False  # for who looks again and again: long runs are sampled first, looks are shared for a moment
        self._metrics: OrderedDict[str, RunMetrics] = OrderedDict()
        self._lock = threading.Lock()
        self._ended: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {}
        self._live: dict[str, tuple[tuple[int, ...], float, dict[str, Any]]] = {}
        self._last_values = LastValues(home.cache / "last_values.json", last_exported)

    def start(
        self,
        name: str,
        prepared: Prepared,
        tags: tuple[str, ...] = (),
        secrets: Mapping[str, str] | None = None,
        gpus: Gpus | None = (),
    ) -> Run:
        """Writes the run's folder and launches its supervisor; returns when that has recorded itself.

        The run then waits until the `gpus` it asks for are free (None: any). `secrets` go into the environment of the
        run's processes and nowhere else. Raises StudioError where the recipe has an error, the name is taken, or the
        folder cannot be written.
        """
        wrong = errors(list(prepared.findings))
        if wrong:
            raise StudioError(wrong[0].message, wrong[0].why)
        try:
            files = {
                relative: found if isinstance(found, bytes) else found.read_bytes()
                for relative, found in prepared.files.items()
            }
        except OSError as error:
            raise StudioError(
                f"{error.filename} cannot be read: {error.strerror}.", "Check the reward functions."
            ) from None
        run = self.folders.create(name, prepared.recipe.method, prepared.yaml, prepared.accelerate, files)
        if tags:
            run.update(lambda record: record.update(tags=list(tags)))
        self._launch(run, gpus, secrets)
        return run

    def again(self, run: Run, recipe_text: str, gpus: Gpus | None, secrets: Mapping[str, str] | None = None) -> None:
        """Launches another attempt of a run that has ended, with `recipe_text`; the recipe of before is kept.

        Raises StudioError where the run is live or the folder cannot be written: its recipe is then as it was.
        """
        number = last_attempt(run.record()).get("number")
        path, kept = run.folder / "recipe.yaml", f"recipe.{number if type(number) is int else 0}.yaml"
        try:
            before = path.read_bytes()
            write_whole(run.folder / kept, before)
            write_whole(path, recipe_text.encode())
        except OSError as error:
            raise StudioError(
                f"The recipe of '{run.id}' could not be written: {error.strerror or error}.",
                "Free some space or make the folder writable, then resume again.",
            ) from error

        def keep(record: Record) -> None:
            last_attempt(record).update({"recipe": kept})

        try:
            self._launch(run, gpus, secrets, keep)
        except StudioError:
            write_whole(path, before)
            raise

    def _launch(
        self,
        run: Run,
        gpus: Gpus | None,
        secrets: Mapping[str, str] | None,
        first: Callable[[Record], None] | None = None,
    ) -> None:
        at_end = [sys.executable, "-m", "studio.adapters.ending", str(self.home.root), self.project(run), run.id]
        environment = {**self.environment(), **(secrets or {})}
        command = [trl_program(), run_method(run), "--config", "recipe.yaml"]
        if first is not None:
            run.update(first)
        launch(run, command, environment, at_end=at_end, queue={"gpus": None if gpus is None else list(gpus)})

    def environment(self) -> dict[str, str]:
        """What a trainer's environment gets: where metrics are kept, and logs without delay."""
        return {
            "TRACKIO_DIR": str(self.home.trackio),
            "TRACKIO_STORAGE_MODE": "sqlite",
            # On a Space trackio would lock its database for as long as the run goes.
            "TRACKIO_SQLITE_LOCKING_MODE": "normal",
            "TRACKIO_SQLITE_JOURNAL_MODE": "wal",
            "PYTHONUNBUFFERED": "1",
        }

    def names(self) -> set[str]:
        """The names that are taken."""
        try:
            return {entry.name for entry in os.scandir(self.home.runs) if not entry.name.startswith(".")}
        except OSError:
            return set()

    def list(self, limit: int | None = None) -> list[dict[str, Any]]:
        """The newest runs first, each as `show` has it."""
        # Who describes all of them reads each record once: describing remembers what has ended.
        runs = (
            self.folders.list() if limit is not None else self.folders.list(lambda run: self.describe(run)["created"])
        )
        described = [self.describe(run) for run in runs[:limit]]
        self._last_values.keep({run.id for run in runs})
        return described

    def show(self, run_id: str) -> dict[str, Any]:
        """One run as the documented object of `trl-studio show --json`. Raises StudioError where there is none."""
        return self.describe(self.folders.get(run_id))

    def describe(self, run: Run) -> dict[str, Any]:
        """What is known of a run: identity, state, times (ISO, UTC), exit, steps, last metrics."""
        stamp = stamp_of(run)
        kept = self._ended.get(run.id)
        if kept is not None and stamp is not None and kept[0] == stamp:
            return dict(kept[1])
        known = self._live.get(run.id) if self.quick else None
        if known is not None and known[0] == stamp and time.monotonic() - known[1] < _MOMENT:
            return dict(known[2])
        record = run.record()
        attempt = last_attempt(record)
        facts = run.facts(record)
        # A list of many runs must not read all their points: an ended run's last values stand at its export's end.
        last = self._last_values.of(run.id, run.folder / "metrics.jsonl") if facts.outcome else None
        exit = facts.exit
        described = {
            "id": run.id,
            "method": run_method(run, record),
            "state": state_of(facts),
            "created": _said(record.get("created")),
            "started": _said(attempt.get("started")),
            "ended": _said(attempt.get("ended")),
            "seconds": _seconds_taken(record["attempts"], state_of(facts) in LIVE),
            "exit": {"code": exit.code if exit else None, "signal": exit.signal if exit else None},
            "folder": str(run.folder),
            "last_step": facts.last_step,
            "total_steps": facts.total_steps,
            "stop": facts.stop,
            "queued": _said(attempt.get("queued")),
            "doing": doing_in(run.log_tail(_DOING_BYTES, attempt)) if state_of(facts) == "starting" else "",
            "pushes": self._pushes(run),
            "force_in": _force_in(attempt) if facts.stop and not facts.outcome else None,
            "attempts": len(record["attempts"]),
            "tags": [str(tag) for tag in tags] if isinstance(tags := record.get("tags"), list) else [],
            "note": note if isinstance(note := record.get("note"), str) else "",
            "archived": record.get("archived") is True,
            "last_metrics": self.metrics(run).last() if last is None else last,
        }
        if facts.outcome and stamp is not None:
            self._ended[run.id] = (stamp, described)
            self._live.pop(run.id, None)
        elif stamp is not None:
            self._live[run.id] = (stamp, time.monotonic(), described)
        return dict(described)

    def stop(self, run_id: str, now: bool = False) -> bool:
        """Asks a run to save and stop, or to stop at once; False where it has ended already."""
        return stop(self.folders.get(run_id), "now" if now else "save", self.environment())

    def log(self, run_id: str, max_bytes: int = 64 * 1024) -> str:
        """The end of a run's log, with progress bars as single lines."""
        return readable(self.folders.get(run_id).log_tail(max_bytes))

    def time_left(self, run: dict[str, Any]) -> str:
        """What the trainer's own progress bar says is left, in words; `` where it says nothing."""
        found = self.folders.get(run["id"])
        bars = _BAR.findall(found.log_tail(8192, last_attempt(found.record())))
        left = next((left for total, left in reversed(bars) if int(total) == run["total_steps"]), "?")
        if "?" in left:
            return ""
        seconds = 0
        for part in left.split(":"):
            seconds = seconds * 60 + int(part)
        return (
            f"{seconds} s" if seconds < 90 else f"{seconds // 60} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
        )

    def adopt_all(self) -> set[str]:
        """Gives runs that go on without a supervisor a new one; the ids of those that were taken over."""
        adopted = set()
        for run in self.folders.list():
            known = self._ended.get(run.id)
            if known is not None and known[0] == stamp_of(run):
                continue
            with contextlib.suppress(StudioError):
                if adopt(run, self.environment()):
                    adopted.add(run.id)
        return adopted

    def forget(self, run_id: str, project: str) -> None:
        """Takes what the metrics store and the memory hold of a run. Raises StudioError where the store is held."""
        self.store.remove(project, run_id)
        with self._lock:
            self._metrics.pop(run_id, None)
        self._ended.pop(run_id, None)
        self._live.pop(run_id, None)

    def recipe_text(self, run_id: str) -> str:
        """The recipe.yaml that started the run. Raises StudioError where it cannot be read."""
        path = self.folders.get(run_id).folder / "recipe.yaml"
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise StudioError(f"{path} cannot be read: {error}.", "The run's folder was changed.") from None

    def metrics(self, run: Run, now: bool = False) -> RunMetrics:
        """The run's metrics, from memory and the rows that are new, with `now` all those that are there."""
        with self._lock:
            found = self._metrics.pop(run.id, None)
            if found is None:
                export = run.folder / "metrics.jsonl"
                found = RunMetrics(self.store, self.project(run), run.id, export, self.quick)
            self._metrics[run.id] = found
            while len(self._metrics) > _KEPT_METRICS:
                self._metrics.popitem(last=False)
        found.refresh(now)
        return found

    def is_live(self, run_id: str) -> bool:
        """Whether the run is still going, or about to."""
        return self.folders.get(run_id).state() in LIVE

    def _pushes(self, run: Run) -> bool:
        """Whether the run's recipe pushes to the Hub, which it also does when it is stopped and saves."""
        try:
            return bool(_PUSHES.search((run.folder / "recipe.yaml").read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError):
            return False

    def project(self, run: Run) -> str:
        """The trackio project that the run's recipe names."""
        try:
            data, _, _ = read_mapping((run.folder / "recipe.yaml").read_text(encoding="utf-8"), "recipe.yaml")
        except (OSError, UnicodeDecodeError, StudioError):
            return PROJECT
        return str(data.get("project") or PROJECT)


def stamp_of(run: Run) -> tuple[int, ...] | None:
    """Changes whenever the run's record or its exported metrics do; None where there is no record."""
    # Paths as texts: of a list of a thousand runs, joining Paths would be a third of the time.
    try:
        found = os.stat(f"{run.folder}/run.json")
    except OSError:
        return None
    try:
        exported = os.stat(f"{run.folder}/metrics.jsonl").st_mtime_ns
    except OSError:
        exported = 0
    return found.st_mtime_ns, found.st_size, found.st_ino, exported


def _seconds_taken(attempts: list[Record], live: bool) -> float | None:
    """How long all attempts took together, up to now where the last goes on; None where none has begun."""
    taken = []
    for attempt in attempts:
        goes_on = live and attempt is attempts[-1]
        ended = utc_now() if goes_on else attempt.get("ended") or attempt.get("heartbeat")
        began, end = moment(attempt.get("started")), moment(ended)
        if began is not None and end is not None:
            taken.append(max(0.0, (end - began).total_seconds()))
    return sum(taken) if taken else None


def _said(value: object) -> str | None:
    """A moment as it was written; None for what is none, whoever wrote it."""
    return value if isinstance(value, str) and moment(value) is not None else None


def _force_in(attempt: Record) -> float | None:
    """Seconds until a run that was told to stop is ended by force; None where that is not known."""
    asked, grace = attempt.get("stop"), attempt.get("grace")
    since = seconds_since(asked.get("requested")) if isinstance(asked, dict) else None
    return round(grace - since) if isinstance(grace, (int, float)) and since is not None else None


def run_method(run: Run, record: Mapping[str, Any] | None = None) -> str:
    """The run's method, from its record or, where that is damaged, from its recipe's first line; `` if unknown."""
    method = (run.record() if record is None else record).get("method")
    if isinstance(method, str) and method:
        return method
    try:
        first = (run.folder / "recipe.yaml").read_text(encoding="utf-8").split("\n", 1)[0]
    except (OSError, UnicodeDecodeError):
        return ""
    words = first.lstrip("# ").split()
    return words[1] if len(words) > 1 and words[0] == "trl" else ""


def headline(method: str) -> tuple[str, ...]:
    """The metrics to draw first for a method."""
    return method_named(method).headline if method else ("loss",)


def trl_program() -> str:
    """The `trl` command of this very environment. Raises StudioError where it is not installed."""
    beside = Path(sys.executable).with_name("trl.exe" if os.name == "nt" else "trl")
    found = str(beside) if beside.is_file() else shutil.which("trl")
    if not found:
        raise StudioError("The `trl` command is not installed.", "Run: pip install trl")
    return found
