"""Reward functions tried in a child process that ends in time, whatever their code does."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import studio

SECONDS = 20.0  # for each function
_SECONDS_OF_MODEL = 60.0  # for each reward model: to load it, and to score on one core
_IMPORTS = 60.0  # for what is imported before the first, on a slow machine
MEMORY = 4 * 2**30  # bytes beyond what the child needs itself
_FRAME = re.compile(r'^\s*File "(.+)", line (\d+) in', re.MULTILINE)


def try_rewards(
    task: Mapping[str, Any],
    files: Mapping[str, bytes],
    environment: Mapping[str, str],
    end_below: Callable[[int], None],
    seconds: float = SECONDS,
    memory: int = MEMORY,
) -> list[dict[str, Any]]:
    """What each of the task's `functions` gave: `values`, or a `trouble`. One that does not end is told as such.

    `files` are what a run's folder would hold, by relative path. `end_below` ends all that a process of the given
    number has started. Nothing of the child is left when this returns.
    """
    functions = [{**one, "seconds": _SECONDS_OF_MODEL if one["model"] else seconds} for one in task["functions"]]
    place = str(Path(studio.__file__).resolve().parent.parent)
    with tempfile.TemporaryDirectory(prefix="rewards-") as made:
        # Frames of the child's code are told by their folder, so it must be the one that the child sees.
        folder = Path(made).resolve()
        names = ("run", "task.json", "out.jsonl", "stacks.txt", "over")
        run, told, out, stacks, over = (folder / name for name in names)
        run.mkdir()
        for name, data in files.items():
            (run / name).parent.mkdir(parents=True, exist_ok=True)
            (run / name).write_bytes(data)
        whole = {**task, "functions": functions, "memory": memory, "stacks": str(stacks), "over": str(over)}
        told.write_text(json.dumps(whole, default=str), encoding="utf-8")
        env = {**os.environ, **environment, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
        env |= {"PYTHONPATH": os.pathsep.join(filter(None, [place, os.environ.get("PYTHONPATH", "")]))}
        env.pop("TRL_STUDIO_PASSWORD", None)
        command = [sys.executable, "-P", "-m", "studio.worker", "rewards", str(told), str(out)]
        with (folder / "log").open("wb") as log:
            child = subprocess.Popen(
                command, cwd=run, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
            in_time = _wait(child, over, end_below, _IMPORTS + seconds + sum(one["seconds"] for one in functions))
        return _answers(functions, out, stacks, run, in_time)


def _wait(child: subprocess.Popen[bytes], over: Path, end_below: Callable[[int], None], seconds: float) -> bool:
    """Waits for the child's work, and ends it and all that it has started; whether the work came to an end."""
    until = time.monotonic() + seconds
    try:
        while child.poll() is None and not over.exists():
            if time.monotonic() > until:
                return False
            time.sleep(0.02)
        return True
    finally:
        if child.poll() is None:
            end_below(child.pid)
        with contextlib.suppress(OSError):
            if os.name == "posix":
                os.killpg(child.pid, signal.SIGKILL)
            else:
                child.kill()
        child.wait()


def _answers(
    functions: Sequence[Mapping[str, Any]], out: Path, stacks: Path, run: Path, in_time: bool
) -> list[dict[str, Any]]:
    """The child's answers; what it could not tell any more is told for it."""
    answers = []
    begun = False
    for said in _lines(out):
        begun = "begun" in said
        if not begun:
            answers.append(said)
    if len(answers) == len(functions):
        return answers
    stuck = _stuck(stacks, run)
    if begun or answers:
        if begun:
            timed = {"trouble": "time", "seconds": functions[len(answers)]["seconds"], **stuck}
            answers.append(timed if stuck or not in_time else {"trouble": "ended"})
        why = "Settle that one first."
        rest = {"trouble": "untried", "what": "the one before it did not come to an end.", "why": why}
        return [*answers, *[rest] * (len(functions) - len(answers))]
    lost = {"trouble": "untried", "what": "the process for it could not do its work.", "why": "Try it again."}
    return [lost] * len(functions)


def _lines(out: Path) -> list[dict[str, Any]]:
    found = []
    with contextlib.suppress(OSError):
        for line in out.read_text(encoding="utf-8", errors="replace").splitlines():
            with contextlib.suppress(ValueError):
                said = json.loads(line)
                if isinstance(said, dict):
                    found.append(said)
    return found


def _stuck(stacks: Path, run: Path) -> dict[str, Any]:
    """The line of the run's files at which the child stood when its time was over."""
    try:
        frames = _FRAME.findall(stacks.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return {}
    for file, line in frames:
        if Path(file).is_relative_to(run):
            return {"file": str(Path(file).relative_to(run)), "line": int(line)}
    return {"line": None} if frames else {}
