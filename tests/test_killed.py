"""Whoever of a run's processes is killed, its state is right: never running and never finished where it is not."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from run_lab import RunLab, attempt_of, everyone, identity, kill, let_go, wait_until

from studio.adapters.launching import adopt, launch, stop
from studio.adapters.processes import ProcessId, trainers_in
from studio.adapters.runs import Run
from studio.domain.states import LIVE


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[RunLab]:
    lab = RunLab(tmp_path)
    yield lab
    lab.close()


def trainer_of(run: Run) -> ProcessId:
    found = ProcessId.from_json(attempt_of(run)["trainers"][0])
    assert found is not None
    return found


def gone(run: Run) -> bool:
    return everyone(run) == []


def recorded(run: Run, outcome: str) -> bool:
    return bool(wait_until(lambda: attempt_of(run).get("outcome")) == outcome == run.state())


# The supervisor is killed


@pytest.mark.parametrize(
    ("options", "state"),
    [({}, "finished"), ({"crash_at": 7}, "failed"), ({"exit_code": 3}, "failed"), ({"no_bars": True}, "finished")],
)
def test_the_supervisor_is_killed_and_the_run_goes_on(lab: RunLab, options: dict[str, object], state: str) -> None:
    if "no_bars" in options:  # then only a checkpoint tells that it came to the last step
        run = lab.start(steps=10, wait_at=4, **options)
        wait_until(lambda: attempt_of(run)["trainers"])
    else:
        run = lab.start_waiting(**options)
    kill(identity(run, "supervisor"))
    assert run.state() == ("starting" if "no_bars" in options else "training")
    let_go(run)
    wait_until(lambda: gone(run))
    assert run.state() == state
    assert attempt_of(run)["outcome"] is None  # from the facts alone
    assert adopt(run, {})
    assert recorded(run, state)
    assert not adopt(run, {})


def test_supervisor_killed_then_trainer_killed(lab: RunLab) -> None:
    run = lab.start_waiting()
    kill(identity(run, "supervisor"))
    kill(trainer_of(run))
    wait_until(lambda: gone(run))
    assert run.state() == "failed"


def test_supervisor_killed_and_the_trainer_stopped_by_another_hand(lab: RunLab) -> None:
    run = lab.start_waiting()
    kill(identity(run, "supervisor"))
    trainer_of(run).send(signal.SIGTERM)
    wait_until(lambda: gone(run))
    assert run.facts().exit is not None
    assert run.state() == "stopped"  # it exits with 0 and says "Training completed" at step 4 of 10
    assert "Training completed" in run.log_tail()


def test_a_new_supervisor_carries_out_the_stop(lab: RunLab) -> None:
    run = lab.start_waiting()
    kill(identity(run, "supervisor"))
    assert stop(run, "save", {})
    assert recorded(run, "stopped")
    assert (run.folder / "output" / "checkpoint-4").is_dir()
    assert attempt_of(run)["exit"] == {"code": 0, "signal": None}


def test_a_supervisor_killed_in_the_middle_of_a_stop(lab: RunLab) -> None:
    run = lab.start_waiting(on_sigterm="ignore", own_session=True, grace=0.5)
    run.update(lambda record: record["attempts"][0].update(grace=3600))
    run.request_stop("save")
    wait_until(lambda: attempt_of(run)["trainers"][0].get("signalled"))
    kill(identity(run, "supervisor"))
    assert run.state() == "stopping"
    signalled = attempt_of(run)["trainers"][0]["signalled"]
    assert adopt(run, {})
    wait_until(lambda: attempt_of(run)["heartbeat"] > signalled)
    assert attempt_of(run)["trainers"][0]["signalled"] == signalled  # a second SIGTERM may meet the final save
    assert stop(run, "now", {})
    assert recorded(run, "stopped")
    assert gone(run)


def test_a_run_has_one_supervisor(lab: RunLab) -> None:
    run = lab.start_waiting()
    assert not adopt(run, {})
    kill(identity(run, "supervisor"))
    run.update(lambda record: record["attempts"][0].update(supervisor=None, starter=None))
    assert adopt(run, {})
    first = identity(run, "supervisor")
    run.update(lambda record: record["attempts"][0].update(supervisor=first.to_json() | {"ticks": 1}))
    assert run.supervisor(run.record()) is None
    assert not adopt(run, {})  # the lock knows better than the record
    assert first.is_alive()
    let_go(run)
    assert recorded(run, "finished")


# Others are killed


def test_the_launcher_is_killed_and_the_trainer_decides(lab: RunLab) -> None:
    run = lab.start_waiting()
    kill(identity(run, "launcher"))
    assert run.state() == "training"
    let_go(run)
    assert recorded(run, "finished")
    assert attempt_of(run)["exit"] == {"code": 0, "signal": None}


def test_the_launcher_is_killed_and_one_rank_fails(lab: RunLab) -> None:
    run = lab.start_waiting(ranks=2, exit_code=1)
    kill(identity(run, "launcher"))
    let_go(run)
    assert recorded(run, "failed")


def test_the_launcher_is_killed_and_then_the_trainer(lab: RunLab) -> None:
    run = lab.start_waiting(fork_worker=True, linger=0.2)
    kill(identity(run, "launcher"))
    kill(trainer_of(run))  # its worker lives on and looks like a trainer
    assert recorded(run, "failed")
    assert len(attempt_of(run)["trainers"]) == 1
    assert gone(run)


def test_launcher_and_supervisor_are_killed(lab: RunLab) -> None:
    run = lab.start_waiting()
    kill(identity(run, "supervisor"))
    kill(identity(run, "launcher"))
    assert run.state() == "training"
    let_go(run)
    wait_until(lambda: gone(run))
    assert run.state() == "finished"


@pytest.mark.parametrize(("options", "state"), [({}, "finished"), ({"crash_at": 7}, "failed")])
def test_the_waiter_is_killed_and_the_supervisor_collects(lab: RunLab, options: dict[str, object], state: str) -> None:
    run = lab.start_waiting(**options)
    kill(identity(run, "waiter"))
    assert run.state() == "training"
    let_go(run)
    assert recorded(run, state)


def test_waiter_and_launcher_are_killed(lab: RunLab) -> None:
    run = lab.start_waiting()
    kill(identity(run, "waiter"))
    kill(identity(run, "launcher"))
    assert run.state() == "training"
    let_go(run)
    assert recorded(run, "finished")


def test_all_but_the_trainer_are_killed(lab: RunLab) -> None:
    run = lab.start_waiting()
    for who in ("supervisor", "waiter", "launcher"):
        kill(identity(run, who))
    assert run.state() == "training"
    run.update(lambda record: record["attempts"][0].update(trainers=[], processes=[]))
    assert run.state() == "training"  # found by the folder it works in
    assert stop(run, "save", {})
    assert recorded(run, "stopped")
    assert (run.folder / "output" / "checkpoint-4").is_dir()


def test_nobody_is_left_who_knows_the_exit(lab: RunLab) -> None:
    run = lab.start_waiting()
    for who in ("supervisor", "waiter", "launcher"):
        kill(identity(run, who))
    let_go(run)
    wait_until(lambda: (run.folder / "done.0").exists() and not trainers_in(run.folder))
    assert run.state() == "interrupted"
    assert adopt(run, {})
    assert recorded(run, "interrupted")


def test_killed_before_the_trainer_was_started(lab: RunLab) -> None:
    run = lab.start_waiting()
    kill(identity(run, "supervisor"))
    for process in everyone(run):
        kill(process)
    run.exits_path(1).unlink()
    nobody = {"started": None, "waiter": None, "launcher": None, "trainers": [], "processes": []}
    run.update(lambda record: record["attempts"][0].update(nobody, stop={"how": "now"}))
    assert run.state() == "interrupted"
    assert adopt(run, {})  # which does not start it: nobody asked for that
    assert recorded(run, "interrupted")


def test_all_are_killed_at_once(lab: RunLab) -> None:
    run = lab.start_waiting()
    for process in (identity(run, "supervisor"), identity(run, "waiter"), *everyone(run)):
        process.send(signal.SIGKILL)
    wait_until(lambda: gone(run))
    assert run.state() == "interrupted"
    (run.folder / "recipe.yaml").write_text('{"steps": 3}')
    launch(run, lab.command, {})
    assert recorded(run, "finished") if attempt_of(run)["number"] == 2 else False


# The record is spoilt


@pytest.mark.parametrize("text", ["", '{"version": 1, "attempts": [{"num', "null"])
def test_a_record_spoilt_while_it_runs_is_put_right(lab: RunLab, text: str) -> None:
    run = lab.start_waiting()
    (run.folder / "run.json").write_text(text)
    assert run.state() in ("training", "stopping")
    wait_until(lambda: not run.record().get("damaged"))
    assert attempt_of(run)["trainers"]
    (run.folder / "run.json").write_text(text)
    assert run.request_stop("save")
    assert recorded(run, "stopped")
    assert run.record()["method"] == "sft"


def test_a_record_spoilt_with_nobody_to_put_it_right(lab: RunLab) -> None:
    run = lab.start_waiting()
    kill(identity(run, "supervisor"))
    (run.folder / "run.json").write_text("{")
    assert run.state() == "training"
    let_go(run)
    wait_until(lambda: not trainers_in(run.folder))
    wait_until(lambda: run.state() == "finished")


def test_the_folder_is_moved_while_it_runs(lab: RunLab) -> None:
    run = lab.start_waiting()
    supervisor = identity(run, "supervisor")
    os.rename(run.folder, lab.folders.runs / "moved")
    moved = lab.folders.get("moved")
    assert moved.state() == "training"
    assert moved.request_stop("save")
    assert recorded(moved, "stopped")
    wait_until(lambda: not supervisor.is_alive())


# At random


@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(4, 200))])
def test_killing_at_random(lab: RunLab, seed: int) -> None:
    """Kill a random part of the tree at a random moment, perhaps with a stop on the way, and look at what is said."""
    dice = random.Random(seed)
    run = lab.start(steps=30, wait_at=dice.choice([4, 30]), ranks=dice.choice([1, 1, 2]), grace=0.5, linger=0.2)
    moment = dice.choice(["at once", "launched", "training", "ending"])
    if moment == "launched":
        wait_until(lambda: run.exits(attempt_of(run)).get("launcher"))
    elif moment != "at once":
        wait_until(lambda: attempt_of(run)["trainers"] and run.state() == "training")
    stopped = dice.random() < 0.4 and run.request_stop(dice.choice(["save", "now"]))
    if moment == "ending":
        let_go(run)
    victims = [identity(run, "supervisor"), *everyone(run)]
    for victim in dice.sample(victims, dice.randint(1, len(victims))):
        victim.send(signal.SIGKILL)
    let_go(run)

    def at_rest() -> bool:
        supervisor = ProcessId.from_json(attempt_of(run)["supervisor"])
        return gone(run) and not (supervisor and supervisor.is_alive())

    if stopped:
        stop(run, "now", {})
    while not at_rest():
        # Nobody comes back to life: whoever lives after the look lived at the look.
        state, living = run.state(), everyone(run)
        assert state in LIVE or not living, (state, living)
    state = run.state()
    assert state not in LIVE
    assert state != "failed" or not stopped
    if state == "finished":
        assert (run.folder / "done.0").exists()
        assert run.facts().last_step == 30
    if adopt(run, {}):
        assert recorded(run, state)
