"""A laboratory of runs: starts them on the fake trainer, waits for what they come to, and leaves no process behind."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from studio.adapters.launching import launch
from studio.adapters.processes import ProcessId, kill_all, snapshot, trainers_in, tree_of
from studio.adapters.runs import Run, RunFolders, last_attempt


def wait_until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """What `condition` returns, once that is true."""
    give_up = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < give_up, "it did not come to pass"
        time.sleep(0.02)
    return found


class RunLab:
    """Runs in `home/runs`, trained by copies of fake_trainer.py in `home/fake`."""

    def __init__(self, home: Path) -> None:
        self.folders = RunFolders(home / "runs")
        self.command = [sys.executable, "-S", str(home / "fake" / "bin" / "trl"), "sft", "--config", "recipe.yaml"]
        for place in ("bin/trl", "trl/scripts/sft.py"):
            (home / "fake" / place).parent.mkdir(parents=True)
            shutil.copy(Path(__file__).parent / "fake_trainer.py", home / "fake" / place)

    def create(self, name: str = "run", **recipe: Any) -> Run:
        return self.folders.create(name, "sft", json.dumps(recipe))

    def start(self, name: str = "run", grace: float = 60, linger: float = 60, at_end: Any = (), **recipe: Any) -> Run:
        run = self.create(name, **recipe)
        launch(run, self.command, {}, grace=grace, linger=linger, at_end=at_end)
        return run

    def start_waiting(self, **options: Any) -> Run:
        """A run of 10 steps that has come to step 4, waits there, and has its trainers recorded."""
        run = self.start(**({"steps": 10, "wait_at": 4} | options))
        ranks = options.get("ranks", 1)
        wait_until(lambda: len(attempt_of(run)["trainers"]) == ranks and run.progress().step == 4)
        return run

    def close(self) -> None:
        for run in self.folders.list():
            attempt = last_attempt(run.record())
            supervisor = ProcessId.from_json(attempt.get("supervisor"))
            if supervisor and supervisor.pid != os.getpid():  # a test may be the supervisor itself
                kill_all([supervisor])
            kill_all(tree_of([p.pid for p in everyone(run)], snapshot()))


def attempt_of(run: Run) -> dict[str, Any]:
    return last_attempt(run.record())


def identity(run: Run, who: str) -> ProcessId:
    found = ProcessId.from_json(attempt_of(run)[who])
    assert found is not None
    return found


def everyone(run: Run) -> list[ProcessId]:
    """All living processes of a run, as its record or its folder tells them; the supervisor is not among them."""
    return [*run.processes(attempt_of(run)), *trainers_in(run.folder)]


def kill(process: ProcessId) -> None:
    """SIGKILL, and wait until it is gone."""
    kill_all([process])
    wait_until(lambda: not process.is_alive())


def let_go(run: Run) -> None:
    """Have a waiting trainer go on."""
    (run.folder / "go").touch()
