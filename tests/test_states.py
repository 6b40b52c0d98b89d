"""The table of run states, walked through whole."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import get_args

import pytest

from studio.domain.states import (
    LIVE,
    OUTCOMES,
    STATES,
    Exit,
    Facts,
    Outcome,
    Phase,
    State,
    StopHow,
    deciding_exit,
    outcome_of,
    state_of,
)

OK, CRASH, KILLED = Exit(code=0), Exit(code=1), Exit(signal=9)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        # Waiting for its turn, and what that becomes.
        (Facts(supervised=True), "queued"),
        (Facts(supervised=True, stop="now"), "stopping"),
        (Facts(), "interrupted"),
        # Its processes live, whether anybody watches or not.
        (Facts(started=True, supervised=True, alive=True), "starting"),
        (Facts(started=True, alive=True), "starting"),
        (Facts(started=True, supervised=True, alive=True, phase="training"), "training"),
        (Facts(started=True, alive=True, phase="training"), "training"),
        (Facts(started=True, supervised=True, alive=True, phase="evaluating"), "evaluating"),
        (Facts(started=True, supervised=True, alive=True, phase="saving"), "saving"),
        (Facts(started=True, supervised=True, alive=True, phase="training", stop="save"), "stopping"),
        (Facts(started=True, alive=True, phase="saving", stop="now"), "stopping"),
        # The launcher is dead already and says so, the trainer is not.
        (Facts(started=True, alive=True, phase="training", exit=KILLED), "training"),
        # The trainer is gone, the supervisor still has the end to record.
        (Facts(started=True, supervised=True), "starting"),
        (Facts(started=True, supervised=True, exit=OK, last_step=9, total_steps=9), "saving"),
        (Facts(started=True, supervised=True, exit=CRASH), "starting"),
        (Facts(started=True, supervised=True, exit=OK, stop="save"), "stopping"),
        # Everybody is gone and nobody has recorded the end.
        (Facts(started=True), "interrupted"),
        (Facts(started=True, stop="now"), "interrupted"),
        (Facts(started=True, last_step=9, total_steps=9, phase="saving"), "interrupted"),
        (Facts(started=True, exit=OK, last_step=9, total_steps=9), "finished"),
        (Facts(started=True, exit=OK), "finished"),
        (Facts(started=True, exit=OK, last_step=9, total_steps=9, stop="save"), "finished"),
        (Facts(started=True, exit=OK, last_step=240, total_steps=40_000), "stopped"),
        (Facts(started=True, exit=OK, last_step=240, total_steps=40_000, stop="save"), "stopped"),
        (Facts(started=True, exit=OK, stop="save"), "stopped"),
        (Facts(started=True, exit=CRASH), "failed"),
        (Facts(started=True, exit=CRASH, last_step=9, total_steps=9), "failed"),
        (Facts(started=True, exit=KILLED), "failed"),
        (Facts(started=True, exit=CRASH, stop="save"), "stopped"),
        (Facts(started=True, exit=KILLED, stop="now"), "stopped"),
        # The final record stands, whatever else seems to be.
        (Facts(started=True, outcome="finished", exit=OK), "finished"),
        (Facts(started=True, outcome="failed", supervised=True), "failed"),
        (Facts(started=True, outcome="stopped", stop="save"), "stopped"),
        (Facts(started=True, outcome="interrupted"), "interrupted"),
    ],
)
def test_state_of_facts(facts: Facts, expected: State) -> None:
    assert state_of(facts) == expected


def all_facts() -> list[Facts]:
    flags = (False, True)
    stops: tuple[StopHow | None, ...] = (None, "save", "now")
    outcomes: tuple[Outcome | None, ...] = (None, *OUTCOMES)
    exits = (None, OK, CRASH, KILLED)
    steps = ((None, None), (3, 10), (10, 10))
    return [
        Facts(started, supervised, alive, stop, outcome, exit, *reached, phase)
        for started, supervised, alive, stop, outcome, exit, reached, phase in product(
            flags, flags, flags, stops, outcomes, exits, steps, get_args(Phase)
        )
    ]


def test_what_no_combination_of_facts_may_lead_to() -> None:
    table = [(facts, state_of(facts)) for facts in all_facts()]
    assert len(table) == 5760
    assert {state for _, state in table} == set(STATES)
    for facts, state in table:
        if facts.outcome:
            assert state == facts.outcome
            continue
        # Never running that is not, never ended that is not.
        assert (state in LIVE) == (facts.alive or facts.supervised), facts
        if state == "finished":
            assert facts.exit == OK, facts
            assert facts.last_step == facts.total_steps, facts
        if state == "stopping":
            assert facts.stop, facts
        if facts.stop:
            assert state not in ("queued", "starting", "training", "evaluating", "saving", "failed"), facts
        if not facts.alive and not facts.supervised:
            # The phase is what the log last showed, and must not count once nobody lives.
            assert {state_of(replace(facts, phase=phase)) for phase in get_args(Phase)} == {state}


def test_an_unknown_exit_is_an_interruption() -> None:
    assert outcome_of(None, None, 10, 10) == "interrupted"
    assert outcome_of(None, "save", 10, 10) == "interrupted"


@pytest.mark.parametrize(
    ("launcher", "trainers", "gathered", "expected"),
    [
        (OK, [None], True, OK),
        (CRASH, [None], True, CRASH),
        (KILLED, [], True, KILLED),
        (None, [], True, None),
        (None, [None], True, None),
        # The launcher was killed and the trainers went on: they decide, the worst of them first.
        (KILLED, [OK], True, OK),
        (KILLED, [OK], False, OK),
        (KILLED, [OK, CRASH], True, CRASH),
        (None, [OK, OK], True, OK),
        # One of two went down before the launcher: unknown, so it is the launcher's.
        (KILLED, [OK, None], True, KILLED),
        # Whoever collects exits was killed too: only an end that is certain counts.
        (KILLED, [None], False, None),
        (CRASH, [None], False, None),
        (OK, [None], False, OK),
    ],
)
def test_whose_exit_decides(
    launcher: Exit | None, trainers: list[Exit | None], gathered: bool, expected: Exit | None
) -> None:
    assert deciding_exit(launcher, trainers, gathered) == expected
