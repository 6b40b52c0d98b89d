"""The states of a run: one pure table from the facts found in its folder and among the processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeGuard

State = Literal[
    "queued",
    "starting",
    "training",
    "evaluating",
    "saving",
    "stopping",
    "finished",
    "failed",
    "stopped",
    "interrupted",
]
Phase = Literal["starting", "training", "evaluating", "saving"]
Outcome = Literal["finished", "failed", "stopped", "interrupted"]
StopHow = Literal["save", "now"]

STATES: tuple[State, ...] = (
    "queued",
    "starting",
    "training",
    "evaluating",
    "saving",
    "stopping",
    "finished",
    "failed",
    "stopped",
    "interrupted",
)
OUTCOMES: tuple[Outcome, ...] = ("finished", "failed", "stopped", "interrupted")
LIVE: frozenset[State] = frozenset(STATES) - frozenset(OUTCOMES)


@dataclass(frozen=True)
class Exit:
    """How a process ended: its exit code, or the number of the signal that killed it."""

    code: int | None = None
    signal: int | None = None

    @property
    def ok(self) -> bool:
        return self.code == 0 and self.signal is None


@dataclass(frozen=True)
class Facts:
    """What is known of a run's latest attempt at one moment.

    `started`: its trainer was launched. `supervised`: a supervisor (or whoever is about to start one) is alive.
    `alive`: any process of the trainer's tree is alive. `outcome`: the final record, where there is one. `exit`: how
    the trainer ended, where that is known for certain. Steps are optimizer steps.
    """

    started: bool = False
    supervised: bool = False
    alive: bool = False
    stop: StopHow | None = None
    outcome: Outcome | None = None
    exit: Exit | None = None
    last_step: int | None = None
    total_steps: int | None = None
    phase: Phase = "starting"


def state_of(facts: Facts) -> State:
    """The one state that `facts` amount to.

    A final record counts as it stands. Without one a run lives as long as its processes do; a supervisor that is
    still there has its end to record; and with everybody gone only a known exit tells an end from an interruption.
    """
    if facts.outcome is not None:
        return facts.outcome
    if facts.alive:
        return "stopping" if facts.stop else facts.phase
    if facts.supervised:
        if facts.stop:
            return "stopping"
        if not facts.started:
            return "queued"
        return "saving" if facts.exit and facts.exit.ok else facts.phase
    return outcome_of(facts.exit, facts.stop, facts.last_step, facts.total_steps)


def outcome_of(exit: Exit | None, stop: StopHow | None, last_step: int | None, total_steps: int | None) -> Outcome:
    """How an attempt whose processes are all gone has ended.

    The exit code alone says too little: a trainer told to save and stop at step 240 of 40,000 exits with 0, whoever
    told it. So 0 means finished only at the last step, or where nobody asked for a stop and no step is known to miss.
    """
    if exit is None:
        return "interrupted"
    if not exit.ok:
        return "stopped" if stop else "failed"
    if last_step is None or total_steps is None:
        return "stopped" if stop else "finished"
    return "finished" if last_step >= total_steps else "stopped"


def deciding_exit(launcher: Exit | None, trainers: list[Exit | None], gathered: bool) -> Exit | None:
    """The exit that decides an attempt's outcome, or None where it cannot be known.

    `launcher` is that of `trl`. `trainers` are the exits of the training processes that outlived it, None for each
    whose exit is not known: where all did, the worst of them decides, for they went on without it. `gathered`: the
    process that collects exits saw the whole tree end. If not, only a launcher that ended well is proof of anything.
    """
    known = [exit for exit in trainers if exit is not None]
    if known and len(known) == len(trainers):
        return next((exit for exit in known if not exit.ok), known[0])
    if launcher is not None and (launcher.ok or gathered):
        return launcher
    return None


def is_outcome(value: object) -> TypeGuard[Outcome]:
    """Whether `value`, as found in a file, is an outcome."""
    return value in OUTCOMES


def is_stop(value: object) -> TypeGuard[StopHow]:
    """Whether `value`, as found in a file, is a way to stop."""
    return value in ("save", "now")
