"""The supervisor: states as a run goes, the stop ladder, what is started and with what, and what it costs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from run_lab import RunLab, attempt_of, everyone, identity, let_go, wait_until

from studio.adapters import launching
from studio.adapters.launching import launch, stop
from studio.adapters.processes import ProcessId
from studio.adapters.runs import Run, folder_identity
from studio.adapters.supervisor import Supervisor
from studio.domain.errors import StudioError

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[RunLab]:
    lab = RunLab(tmp_path)
    yield lab
    lab.close()


def ended(run: Run, state: str) -> dict[str, object]:
    """The final record, once the run has one; nothing of it may be left alive."""
    attempt = wait_until(lambda: attempt_of(run) if attempt_of(run)["outcome"] else None)
    assert attempt["outcome"] == run.state() == state
    assert everyone(run) == []
    assert attempt["ended"].endswith("Z")
    supervisor = identity(run, "supervisor")
    wait_until(lambda: not supervisor.is_alive())
    return dict(attempt)


def checkpoints(run: Run) -> list[str]:
    return sorted(path.name for path in (run.folder / "output").glob("checkpoint-*"))


# A run from start to end


def test_a_run_to_its_end(lab: RunLab) -> None:
    run = lab.start(steps=3)
    attempt = ended(run, "finished")
    assert attempt["exit"] == {"code": 0, "signal": None}
    assert (attempt["number"], attempt["last_step"], attempt["total_steps"]) == (1, 3, 3)
    assert attempt["stop"] is None
    assert run.facts().supervised is False
    assert "Training completed" in run.log_tail()
    assert (run.folder / "supervisor.log").read_text() == ""


def test_a_run_that_crashes(lab: RunLab) -> None:
    run = lab.start(steps=5, crash_at=2)
    assert ended(run, "failed")["exit"] == {"code": 1, "signal": None}
    assert run.log_tail().rstrip().endswith("RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB.")


def test_a_trainer_that_does_not_exist(lab: RunLab) -> None:
    run = lab.create()
    launch(run, ["/nowhere/trl", "sft"], {})
    assert ended(run, "failed")["exit"] == {"code": 127, "signal": None}
    assert "/nowhere/trl could not be started" in run.log_tail()


def test_starting_until_the_first_bar(lab: RunLab) -> None:
    run = lab.start(steps=8, slow_start=True)
    wait_until(lambda: attempt_of(run)["launcher"])
    assert run.state() == "starting"
    let_go(run)
    ended(run, "finished")


def test_training_evaluating_and_training_again(lab: RunLab) -> None:
    run = lab.start(steps=8, evaluate_at=4, wait_at=6)
    wait_until(lambda: run.state() == "evaluating")
    assert run.progress().step == 4
    let_go(run)
    ended(run, "finished")
    waiting = lab.start_waiting(name="other")
    assert waiting.state() == "training"


def test_the_command_at_the_end_runs_before_the_end_is_recorded(lab: RunLab) -> None:
    look = "import pathlib; pathlib.Path('seen').write_text(pathlib.Path('run.json').read_text())"
    run = lab.start(steps=2, at_end=[sys.executable, "-c", look])
    ended(run, "finished")
    assert json.loads((run.folder / "seen").read_text())["attempts"][0]["outcome"] is None


@pytest.mark.parametrize("command", [["/nowhere"], [sys.executable, "-c", "raise SystemExit('no room')"]])
def test_a_command_at_the_end_that_fails_changes_nothing(lab: RunLab, command: list[str]) -> None:
    run = lab.start(steps=2, at_end=command)
    ended(run, "finished")
    assert (run.folder / "supervisor.log").read_text() != ""


# Stopping


def test_stop_and_save(lab: RunLab) -> None:
    run = lab.start_waiting()
    assert run.request_stop("save")
    assert run.state() == "stopping"
    attempt = ended(run, "stopped")
    assert attempt["exit"] == {"code": 0, "signal": None}
    assert (attempt["last_step"], attempt["total_steps"]) == (4, 10)
    assert run.exits(attempt)["launcher"]["code"] == 0  # it was left alone
    assert checkpoints(run) == ["checkpoint-4"]
    assert not run.request_stop("now")


def test_stop_reaches_every_rank_and_no_worker(lab: RunLab) -> None:
    run = lab.start_waiting(ranks=2, fork_worker=True, linger=0)
    run.request_stop("save")
    attempt = ended(run, "stopped")
    assert (run.folder / "done.0").exists()
    assert (run.folder / "done.1").exists()
    assert [bool(trainer["signalled"]) for trainer in attempt["trainers"]] == [True, True]  # type: ignore[attr-defined]
    assert checkpoints(run) == ["checkpoint-4"]


def test_stop_before_there_is_a_trainer(lab: RunLab) -> None:
    run = lab.start(slow_start=True)
    wait_until(lambda: attempt_of(run)["launcher"])
    run.request_stop("save")
    assert ended(run, "stopped")["exit"] == {"code": None, "signal": 9}


def test_stop_before_its_turn(lab: RunLab) -> None:
    run = lab.create(steps=3)
    run.update(lambda record: record["attempts"].append({"number": 1, "command": lab.command}))
    assert run.request_stop("save")
    supervisor = Supervisor(run)
    supervisor.begin()
    wait_until(lambda: supervisor.tick(0))
    assert run.state() == "stopped"
    assert not (run.folder / "train.log").exists()


def test_stop_at_the_last_step_lets_it_finish(lab: RunLab) -> None:
    run = lab.start(steps=4, wait_at=4, on_sigterm="die")
    wait_until(lambda: attempt_of(run)["trainers"] and run.progress().step == 4)
    run.request_stop("save")
    wait_until(lambda: attempt_of(run)["last_step"] == 4)
    let_go(run)
    attempt = ended(run, "finished")
    assert attempt["stop"]
    assert "signalled" not in attempt["trainers"][0]  # type: ignore[index]


def test_a_trainer_that_ignores_it_is_killed_after_the_grace_period(lab: RunLab) -> None:
    run = lab.start_waiting(on_sigterm="ignore", own_session=True, grace=0.5)
    tree = everyone(run)
    assert len(tree) >= 4  # waiter, launcher, trainer, and the child in a session of its own
    run.request_stop("save")
    assert ended(run, "stopped")["exit"] == {"code": None, "signal": 9}
    assert not any(process.is_alive() for process in tree)


def test_stop_now(lab: RunLab) -> None:
    run = lab.start_waiting(on_sigterm="ignore", own_session=True)
    run.request_stop("now")
    ended(run, "stopped")
    assert checkpoints(run) == []


def test_save_turns_into_now(lab: RunLab) -> None:
    run = lab.start_waiting(on_sigterm="ignore", grace=3600)
    run.request_stop("save")
    wait_until(lambda: attempt_of(run)["trainers"][0].get("signalled"))
    assert run.state() == "stopping"
    run.request_stop("now")
    assert ended(run, "stopped")["stop"]["how"] == "now"  # type: ignore[index]


def test_what_a_trainer_leaves_behind_is_cleared(lab: RunLab) -> None:
    run = lab.start(steps=2, own_session=True, linger=0.5)
    assert ended(run, "finished")["exit"] == {"code": 0, "signal": None}


def test_signals_to_the_supervisor(lab: RunLab) -> None:
    run = lab.start_waiting()
    supervisor = identity(run, "supervisor")
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        supervisor.send(number)
    beat = attempt_of(run)["heartbeat"]
    wait_until(lambda: attempt_of(run)["heartbeat"] != beat)
    assert run.state() == "training"
    supervisor.send(signal.SIGTERM)  # the machine shuts down
    ended(run, "stopped")
    assert checkpoints(run) == ["checkpoint-4"]


def test_a_stop_that_cannot_be_written_goes_by_signal(lab: RunLab, monkeypatch: pytest.MonkeyPatch) -> None:
    run = lab.start_waiting(on_sigterm="ignore")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("studio.adapters.runs.write_whole", full)
        with pytest.raises(StudioError, match="No space"):
            run.request_stop("now")
        assert stop(run, "now", {})
    ended(run, "stopped")


# The ladder on a clock of its own


def test_the_ladder_by_its_own_clock(lab: RunLab) -> None:
    run = lab.create(steps=10, wait_at=4, on_sigterm="ignore")
    attempt = {"number": 1, "command": lab.command, "grace": 120, "folder": folder_identity(run.folder)}
    run.update(lambda record: record["attempts"].append(attempt))
    supervisor = Supervisor(run)
    supervisor.begin()
    wait_until(lambda: not supervisor.tick(0) and supervisor.trainers and run.progress().step == 4)
    trainer = next(iter(supervisor.trainers))
    run.request_stop("save")
    assert not supervisor.tick(1000)
    assert supervisor.trainers[trainer]["signalled"]
    for now in (1001, 1060, 1119.9):
        assert not supervisor.tick(now)
        assert trainer.is_alive()
    supervisor.tick(1120)
    wait_until(lambda: not trainer.is_alive())
    wait_until(lambda: supervisor.tick(1121))
    assert run.state() == "stopped"


def test_a_full_disk_keeps_the_end_until_it_can_be_written(lab: RunLab, monkeypatch: pytest.MonkeyPatch) -> None:
    run = lab.create(steps=3)
    attempt = {"number": 1, "command": lab.command, "folder": folder_identity(run.folder)}
    run.update(lambda record: record["attempts"].append(attempt))
    supervisor = Supervisor(run)
    supervisor.begin()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("studio.adapters.runs.write_whole", full)
        wait_until(lambda: not supervisor.tick(0) and supervisor.gone_since is not None)
        assert not supervisor.tick(1)
        assert attempt_of(run).get("outcome") is None
        assert run.facts().exit is not None  # the exit file had its place on the disk from the start
    assert supervisor.tick(2)
    assert run.state() == "finished"


# How it is started


def test_a_live_run_is_not_started_twice(lab: RunLab) -> None:
    run = lab.start_waiting()
    with pytest.raises(StudioError, match="already going"):
        launch(run, lab.command, {})
    assert len(run.record()["attempts"]) == 1


def test_a_second_attempt_reads_its_own_part_of_the_log(lab: RunLab) -> None:
    run = lab.start(steps=5)
    ended(run, "finished")
    (run.folder / "recipe.yaml").write_text(json.dumps({"steps": 7, "slow_start": True}))
    launch(run, lab.command, {})
    assert run.state() in ("queued", "starting")
    assert run.progress().step is None
    let_go(run)
    attempt = ended(run, "finished")
    assert (attempt["number"], attempt["last_step"], attempt["total_steps"]) == (2, 7, 7)
    assert run.exits_path(1).exists()


def test_a_supervisor_that_does_not_come_up(lab: RunLab, monkeypatch: pytest.MonkeyPatch) -> None:
    run = lab.create()
    monkeypatch.setattr(launching.sys, "executable", "/bin/false")
    with pytest.raises(StudioError, match="failed to start"):
        launch(run, lab.command, {})
    assert run.state() == "failed"


STARTER = """
import os, signal, sys
from pathlib import Path
from studio.adapters.launching import launch
from studio.adapters.runs import Run
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)  # as `nohup ... &` does
launch(Run(Path(sys.argv[1])), sys.argv[2:], {"MARK": "laid over"})
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_starter_dies_and_its_ignored_signals_with_it(lab: RunLab) -> None:
    run = lab.create(steps=10, wait_at=4, on_sigterm="die")
    starter = subprocess.run([sys.executable, "-c", STARTER, str(run.folder), *lab.command], cwd=ROOT, check=False)
    assert starter.returncode == -signal.SIGKILL
    wait_until(lambda: attempt_of(run)["trainers"] and run.progress().step == 4)
    assert run.state() == "training"
    trainer = ProcessId.from_json(attempt_of(run)["trainers"][0])
    assert trainer is not None
    environment = Path(f"/proc/{trainer.pid}/environ").read_bytes().split(b"\0")
    assert b"MARK=laid over" in environment
    assert "laid over" not in (run.folder / "run.json").read_text()  # it may hold a token
    assert os.getsid(identity(run, "supervisor").pid) != os.getsid(0)
    run.request_stop("save")
    assert ended(run, "stopped")["exit"] == {"code": 1, "signal": None}


# What it costs


def test_it_is_light(lab: RunLab) -> None:
    run = lab.start_waiting()
    for who in ("supervisor", "waiter"):
        status = Path(f"/proc/{identity(run, who).pid}/status").read_text()
        resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
        assert resident < 25 * 1024
    program = "import sys, studio.adapters.supervisor, studio.adapters.launching; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    heavy = {"gradio", "yaml", "torch", "psutil", "pandas", "numpy", "trl", "transformers", "datasets", "sqlite3"}
    assert heavy & set(loaded.stdout.split()) == set()
