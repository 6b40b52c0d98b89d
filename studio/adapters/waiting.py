"""The queue of a home: runs that wait for their turn, as their folders tell it; there is no other list of them.

Each waiting run has its supervisor, which looks for itself whether its turn has come: no server is needed.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from studio.adapters.locking import locked
from studio.adapters.runs import Record, Run, last_attempt, utc_now, write_whole
from studio.domain.errors import StudioError
from studio.domain.states import LIVE
from studio.domain.turns import Gpus, Place, Rules, moved, turns

RULES = "queue.json"  # beside the folder of runs
_LOCK = "queue.lock"  # there too
_PATIENCE = 10.0
_MOST_AT_ONCE = 64


class Queue:
    """The queue over the folder of runs; what is known of ended runs is kept, so that a look is cheap."""

    def __init__(self, runs: Path) -> None:
        self.runs = runs
        self._over: dict[str, tuple[int, ...]] = {}  # runs that have ended, by what their record looked like then

    def places(self) -> list[Place]:
        """The runs that wait, first come first, and those that are going; in no order otherwise."""
        found = []
        try:
            entries = [entry.name for entry in os.scandir(self.runs) if not entry.name.startswith(".")]
        except OSError:
            return []
        for name in entries:
            run = Run(self.runs / name)
            stamp = _stamp(run)
            if stamp is None or self._over.get(name) == stamp:
                continue
            record = run.record()
            attempt = last_attempt(record)
            if not _is_live(run, record, attempt):
                self._over[name] = stamp
                continue
            queued = attempt.get("queue")
            asked: Mapping[str, Any] = queued if isinstance(queued, dict) else {}
            gpus = asked.get("gpus")
            order = asked.get("order")
            found.append(
                Place(
                    name,
                    float(order) if isinstance(order, (int, float)) else 0.0,
                    tuple(gpus) if isinstance(gpus, list) else None,
                    # One that was never asked to wait, or that a supervisor of before the queue has started.
                    going=not asked or bool(asked.get("turn") or attempt.get("started") or run.exits(attempt)),
                )
            )
        return found

    def line(self) -> list[str]:
        """The waiting runs, next one first."""
        waiting = sorted((one for one in self.places() if not one.going), key=lambda one: (one.order, one.id))
        return [one.id for one in waiting]

    def last_order(self) -> float:
        """The order of the last one in the line; 0 where nobody waits."""
        return max((place.order for place in self.places()), default=0.0)

    def locked(self) -> Any:
        """Held while the order is looked at and changed. Raises StudioError where it is not to be had."""
        return locked(self.runs.parent / _LOCK, _PATIENCE)

    def take_turn(self, run: Run, name: str) -> Gpus | None:
        """The GPUs for the run called `name`, where its turn has come, which its record then says; else None.

        `run` is the same run by the path that the caller writes it under. Raises StudioError, OSError.
        """
        with self.locked():
            gpus = turns(self.places(), self.rules()).get(name)
            if gpus is None:
                return None

            def begin(record: Record) -> None:
                queued = last_attempt(record)["queue"]
                handed = queued.get("gpus") is None and bool(gpus)
                queued.update({"turn": utc_now(), "gpus": list(gpus), "handed": handed})

            run.update(begin)
        return gpus

    def move(self, run_id: str, to: int) -> None:
        """Puts a waiting run at index `to` of the line; 0 is next. Raises StudioError where it does not wait."""
        with self.locked():
            places = self.places()
            if not any(place.id == run_id and not place.going for place in places):
                raise StudioError(f"The run '{run_id}' does not wait for its turn.", "Only waiting runs can be moved.")
            for name, order in moved(places, run_id, to).items():

                def change(record: Record, order: float = order) -> None:
                    if isinstance(queued := last_attempt(record).get("queue"), dict):
                        queued["order"] = order

                Run(self.runs / name).update(change)

    def rules(self) -> Rules:
        """How many at once and on which GPUs; the defaults where that is not said or cannot be read."""
        try:
            found = json.loads((self.runs.parent / RULES).read_bytes())
        except (OSError, ValueError):
            return Rules()
        if not isinstance(found, dict):
            return Rules()
        at_once, sets = found.get("at_once"), found.get("gpus")
        kept = [tuple(one) for one in sets if _is_set(one)] if isinstance(sets, list) else []
        return Rules(at_once if type(at_once) is int and 0 < at_once <= _MOST_AT_ONCE else 1, tuple(kept))

    def set_rules(self, rules: Rules) -> None:
        """Writes the rules down for all supervisors, also those that wait already. Raises StudioError."""
        if not 0 < rules.at_once <= _MOST_AT_ONCE:
            raise StudioError(f"{rules.at_once} runs at once cannot be.", f"Choose 1 to {_MOST_AT_ONCE}.")
        numbers = [gpu for one in rules.sets for gpu in one]
        if len(numbers) != len(set(numbers)) or not all(rules.sets):
            raise StudioError("A GPU stands in two sets, or a set is empty.", "Name each GPU once, as in: 0,1 2,3")
        said = {"at_once": rules.at_once, "gpus": [list(one) for one in rules.sets]}
        try:
            write_whole(self.runs.parent / RULES, (json.dumps(said) + "\n").encode())
        except OSError as error:
            raise StudioError(f"The queue's rules could not be written: {error}.", "Free some disk space.") from error


class Turn:
    """A supervisor's own wait: `come` says now and then whether the turn of its run has come."""

    PAUSE = 1.0  # seconds between two looks
    LONGEST = 10.0  # the same where each look takes long

    def __init__(self, run: Run) -> None:
        self.run = run
        self._queue: Queue | None = None
        self._next = 0.0

    def come(self, now: float) -> bool:
        """Whether the run may start, which its record then says. `now` is in seconds on a steady clock."""
        if now < self._next:
            return False
        place = self.run.folder.resolve()  # where it is now: a folder may be moved while it waits
        if self._queue is None or self._queue.runs != place.parent:
            self._queue = Queue(place.parent)
        began = time.perf_counter()
        try:
            found = self._queue.take_turn(self.run, place.name)
        except (StudioError, OSError) as error:  # a full disk, a lock that is held
            print(f"no look at the queue, trying on: {error}", flush=True)
            found = None
        self._next = now + min(self.LONGEST, max(self.PAUSE, 50 * (time.perf_counter() - began)))
        return found is not None


def handed_gpus(attempt: Record) -> dict[str, str]:
    """What a run's environment gets where it asked for no GPU in particular and was given some."""
    queued = queued_in(attempt) or {}
    return {"CUDA_VISIBLE_DEVICES": ",".join(map(str, queued["gpus"]))} if queued.get("handed") else {}


def queued_in(attempt: Record) -> Mapping[str, Any] | None:
    """What an attempt's record says of its place in the queue; None where it was not to wait."""
    queued = attempt.get("queue")
    return queued if isinstance(queued, dict) else None


def waits(attempt: Record) -> bool:
    """Whether an attempt was put into the queue and its turn has not come."""
    queued = queued_in(attempt)
    return queued is not None and not queued.get("turn") and not attempt.get("started") and not attempt.get("outcome")


def _is_live(run: Run, record: Record, attempt: Record) -> bool:
    if attempt.get("outcome") or not attempt:
        return False
    return bool(run.supervisor(record)) or bool(run.processes(attempt)) or run.state() in LIVE


def _is_set(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(type(gpu) is int and gpu >= 0 for gpu in value)


def _stamp(run: Run) -> tuple[int, ...] | None:
    try:
        found = os.stat(run.folder / "run.json")
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
