"""The same recipe trained twice: by the studio, and by `trl METHOD --config` from a shell."""

from __future__ import annotations

import ast
import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from studio.adapters.home import Home
from studio.adapters.runs import last_attempt
from studio.domain.states import LIVE
from studio.service.runs import trl_program
from studio.service.studio import Studio

ROOT = Path(__file__).resolve().parents[2]
STEPS = 200
_PATIENCE = 300.0  # seconds


@dataclass(frozen=True)
class Timing:
    """Seconds from the start to the first logged loss, and the trainer's own figure of steps per second.

    `before` are the seconds that passed before `trl` itself was a process: the studio's own part.
    """

    first_loss: float
    steps_per_second: float
    before: float = 0.0


def recipe_text() -> str:
    """The SFT demo, shortened, with a line of log for each step and nothing that would interrupt training."""
    text = (ROOT / "presets" / "demo-sft.yaml").read_text(encoding="utf-8")
    changed = {"max_steps": STEPS, "logging_steps": 1, "eval_strategy": '"no"', "eval_steps": None}
    lines = [line for line in text.splitlines() if line.split(":")[0] not in changed]
    return "\n".join([*lines, *(f"{name}: {value}" for name, value in changed.items() if value), ""])


def by_studio(home: Path) -> Timing:
    """Start as the page and the command line do it: completed, checked, written, supervised."""
    studio = Studio(Home(home))
    recipe, _ = studio.open_checked(recipe_text(), None, ROOT, "recipe.yaml")
    with _one_thread():
        clock, began = time.time(), time.perf_counter()
        run, _ = studio.start(recipe, base=ROOT)
    log = run.folder / "train.log"
    first = _until(lambda: "'loss':" in _text(log), log) - began
    before = psutil.Process(last_attempt(run.record())["launcher"]["pid"]).create_time() - clock
    _until(lambda: run.state() not in LIVE, log)
    if run.state() != "finished":
        raise RuntimeError(f"the studio's run ended as {run.state()}:\n{_text(log)[-2000:]}")
    return Timing(first, _speed(_text(log)), before)


def by_shell(home: Path, number: int) -> Timing:
    """The YAML that the studio starts from, under another name, in a folder of its own and the same environment."""
    studio = Studio(Home(home))
    recipe, _ = studio.open_checked(recipe_text(), None, ROOT, "recipe.yaml")
    prepared = studio.recipes.prepare(recipe, f"shell-{number}", ROOT)
    with tempfile.TemporaryDirectory() as name, _one_thread():
        folder, log = Path(name), Path(name) / "train.log"
        (folder / "recipe.yaml").write_text(prepared.yaml, encoding="utf-8")
        env = {**os.environ, **studio.runs.environment()}
        with log.open("wb") as file:
            began = time.perf_counter()
            trainer = subprocess.Popen(
                [trl_program(), recipe.method, "--config", "recipe.yaml"],
                cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            first = _until(lambda: "'loss':" in _text(log), log) - began
            if trainer.wait(_PATIENCE) != 0:
                raise RuntimeError(f"the trainer failed:\n{_text(log)[-2000:]}")
        finally:
            trainer.kill()
            trainer.wait()
        return Timing(first, _speed(_text(log)))


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Both get one thread: two cores are shared by trainer, supervisor and this script."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before


def _until(condition: Callable[[], bool], log: Path) -> float:
    """The moment at which the condition holds, looked at every 20 ms."""
    give_up = time.perf_counter() + _PATIENCE
    while not condition():
        if time.perf_counter() > give_up:
            raise RuntimeError(f"nothing happened within {_PATIENCE:.0f} s:\n{_text(log)[-2000:]}")
        time.sleep(0.02)
    return time.perf_counter()


def _text(log: Path) -> str:
    try:
        return log.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def _speed(log: str) -> float:
    """`train_steps_per_second` of the dictionary that the trainer logs at its end."""
    line = next(part for part in reversed(log.replace("\r", "\n").splitlines()) if "'train_steps_per_second'" in part)
    return float(ast.literal_eval(line[line.index("{") : line.rindex("}") + 1])["train_steps_per_second"])
