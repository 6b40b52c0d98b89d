"""What else may befall a run: a terminal that hangs up, two who adopt at once, a disk that fills, a log cut short."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from app_process import ROOT, environment, start_app
from run_lab import RunLab, attempt_of, everyone, identity, kill, let_go, wait_until
from test_diagnose import ended
from test_resuming import checkpoint

from studio.adapters.home import Home
from studio.adapters.launching import adopt, launch, stop
from studio.adapters.processes import ProcessId, kill_all
from studio.adapters.runs import Run, RunFolders, folder_identity
from studio.domain.states import LIVE
from studio.service.studio import Studio
from tests.command_line import command_line


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[RunLab]:
    lab = RunLab(tmp_path)
    yield lab
    lab.close()


def test_the_terminal_that_it_was_started_from_hangs_up(lab: RunLab) -> None:
    run = lab.create("run", steps=10, wait_at=4)
    words = [
        sys.executable,
        "-c",
        "import sys; sys.path[:0] = sys.argv[1:3]\n" + _START,
        str(ROOT),
        str(ROOT / "tests"),
    ]
    pid, terminal = os.forkpty()
    if pid == 0:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests may ignore it
        os.execv(words[0], [*words, str(run.folder), *lab.command])
    wait_until(lambda: attempt_of(run).get("trainers") and run.state() == "training")
    os.close(terminal)  # SIGHUP to the session's leader and to the foreground group
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGHUP
    assert run.state() == "training"
    let_go(run)
    wait_until(lambda: run.state() == "finished")


_START = """
import time
from pathlib import Path
from studio.adapters.home import Home
from studio.adapters.launching import launch
from studio.adapters.runs import Run
launch(Run(Path(sys.argv[3])), sys.argv[4:], {})
time.sleep(600)
"""


def test_two_servers_that_adopt_at_once_leave_one_supervisor(lab: RunLab) -> None:
    runs = [lab.start_waiting(name=f"run-{n}") for n in range(2)]
    for run in runs:
        kill(identity(run, "supervisor"))
    taken: list[bool] = []
    threads = [threading.Thread(target=lambda run=run: taken.append(adopt(run, {}))) for run in runs for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [False] * 4 + [True] * 2
    for run in runs:
        let_go(run)
        wait_until(lambda run=run: run.state() == "finished")


@pytest.mark.parametrize("moment", ["1999-01-01T00:00:00.000Z", "2999-01-01T00:00:00.000Z"])
def test_a_clock_that_jumps_changes_no_state(lab: RunLab, moment: str) -> None:
    run = lab.start_waiting()

    def jump(record: dict[str, object]) -> None:
        attempt_of(run)
        last = record["attempts"][-1]  # type: ignore[index]
        last.update({"heartbeat": moment, "queued": moment, "started": moment})
        record["created"] = moment

    run.update(jump)
    assert run.state() == "training"
    assert [one.id for one in lab.folders.list()] == ["run"]
    assert stop(run, "save", {})
    wait_until(lambda: run.state() == "stopped")


def test_a_log_cut_short_while_it_trains_loses_no_step(lab: RunLab) -> None:
    run = lab.start_waiting()
    wait_until(lambda: attempt_of(run)["last_step"] == 4)
    os.truncate(run.folder / "train.log", 0)
    assert run.state() == "training"
    let_go(run)
    wait_until(lambda: run.state() == "finished")
    assert run.facts().last_step == 10


def test_a_copy_of_a_live_run_is_not_live_and_is_read(lab: RunLab) -> None:
    run = lab.start_waiting()
    copied = lab.folders.runs / "copied"
    shutil.copytree(run.folder, copied)
    assert Run(copied).state() == "interrupted"
    assert not everyone(Run(copied))
    assert run.state() == "training"
    # A stop meant for the copy does not reach the run.
    stop(Run(copied), "now", {})
    assert run.state() == "training"


def test_a_folder_that_cannot_be_written_is_still_read(tmp_path: Path) -> None:
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)], check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        folders = RunFolders(tmp_path / "runs")
        run = folders.create("run", "sft", "{}")
        run.update(lambda record: record["attempts"].append({"number": 1, "outcome": "finished", "folder": {}}))
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path)], check=True)
        assert [one.state() for one in folders.list()] == ["finished"]
        with pytest.raises(OSError, match="Read-only"):
            run.update(lambda record: None)
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def fill(hog: Path) -> None:
    """Writes to a file until the disk is full."""
    with contextlib.suppress(OSError), hog.open("wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass
    assert shutil.disk_usage(hog.parent).free < 4096


def test_a_disk_that_fills_keeps_what_was_written_and_tells_the_end(tmp_path: Path) -> None:
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)], check=False).returncode:
        pytest.skip("no file system can be mounted here")
    lab = RunLab(place)
    try:
        run = lab.start_waiting()
        before = (run.folder / "recipe.yaml").read_bytes()
        hog = place / "hog"
        fill(hog)
        assert run.state() == "training"
        let_go(run)
        supervisor = identity(run, "supervisor")
        wait_until(lambda: not everyone(run))
        assert supervisor.is_alive() or run.state() not in LIVE
        hog.unlink()
        wait_until(lambda: run.state() not in LIVE)
        assert run.state() in ("finished", "failed")
        assert json.loads((run.folder / "run.json").read_text())["attempts"][0]["outcome"] == run.state()
        assert (run.folder / "recipe.yaml").read_bytes() == before
    finally:
        lab.close()
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_what_only_reads_needs_no_room_on_the_disk(
    tmp_path: Path, catalog_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)], check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        (place / "cache").symlink_to(catalog_folder, target_is_directory=True)
        for name in ("one", "two"):
            checkpoint(ended(Studio(Home(place)), "kto-batch-of-one", name).folder, 2)
        fill(place / "hog")
        trl_studio = command_line(place, capsys, monkeypatch)
        assert "KTO needs at least 2" in trl_studio("diagnose", "one").out
        assert "checkpoint-2" in trl_studio("resume", "one", "--list").out
        assert trl_studio("queue", "--json").code == 0
        assert "The recipes do not differ." in trl_studio("compare", "one", "two").out
        for writes in (("resume", "one"), ("queue", "--at-once", "2")):
            assert "cannot be written: No space left on device" in trl_studio(*writes).err
        # Without the list of TRL's arguments, for which there is no room either, it is told what the log says.
        (place / "cache").unlink()
        said = trl_studio("diagnose", "one")
        assert (said.code, "KTO needs at least 2" in said.out) == (0, True)
        assert "It goes on without them. TRL's arguments could not be listed" in said.err
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_waiting_run_whose_folder_was_copied_does_not_wait_twice(lab: RunLab) -> None:
    going = lab.create("going", steps=3, wait_at=1)
    launch(going, lab.command, {}, queue={"gpus": []})
    waiting = lab.create("waiting", steps=3)
    launch(waiting, lab.command, {}, queue={"gpus": []})
    shutil.copytree(waiting.folder, lab.folders.runs / "copied")
    wait_until(lambda: going.state() == "training")
    assert (waiting.state(), Run(lab.folders.runs / "copied").state()) == ("queued", "interrupted")
    assert folder_identity(waiting.folder) != folder_identity(lab.folders.runs / "copied")
    let_go(going)
    wait_until(lambda: waiting.state() == "finished")


# The real thing ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_killing_servers_and_real_training_at_random(tmp_path: Path, catalog_folder: Path, seed: int) -> None:
    """The real server and TRL: somebody is killed at a random moment, and the next server tells the truth."""
    dice = random.Random(seed)
    home = tmp_path / "home"
    recipe = tmp_path / "recipe.yaml"
    text = (ROOT / "presets" / "demo-sft.yaml").read_text(encoding="utf-8")
    recipe.write_text(text.replace("max_steps: 240", f"max_steps: {dice.choice([6, 30])}"), encoding="utf-8")
    shutil.copytree(catalog_folder, home / "cache")
    server = start_app(home)
    run: Run | None = None
    try:
        words = [sys.executable, "-m", "studio", "run", str(recipe), "--home", str(home)]
        done = subprocess.run(words, cwd=ROOT, env=environment(home), capture_output=True, text=True, check=True)
        run = RunFolders(home / "runs").get(done.stdout.split()[-1])
        moment = dice.choice(["at once", "starting", "training"])
        if moment == "starting":
            wait_until(lambda: attempt_of(run).get("trainers"), 120)
        elif moment == "training":
            wait_until(lambda: (run.progress().step or 0) > 1 or run.state() not in LIVE, 180)
        server_process = ProcessId.of(server.process.pid)
        victims = [identity(run, "supervisor"), *everyone(run), *([server_process] if server_process else [])]
        kill_all(dice.sample(victims, dice.randint(1, min(3, len(victims)))))
        server.process.kill()
        server.process.wait()
        server = start_app(home)
        wait_until(lambda: run.state() not in LIVE, 240)
        state, facts = run.state(), run.facts()
        assert not everyone(run)
        if state == "finished":
            assert facts.last_step == facts.total_steps
            assert (run.folder / "output" / "model.safetensors").is_file()
        else:
            assert state in ("failed", "interrupted")
        assert run.folder.joinpath("recipe.yaml").is_file()
    finally:
        server.process.kill()
        server.process.wait()
        if run is not None:
            kill_all([*everyone(run), *([found] if (found := run.supervisor(run.record())) else [])])
