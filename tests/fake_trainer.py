"""A tiny stand-in for `trl` and its training scripts: real processes that log, crash, hang, save and refuse to die.

Placed as `bin/trl` it launches; placed as `trl/scripts/<method>.py` it trains as its recipe (JSON, which is YAML) says:
`steps`, `evaluate_at` (a step), `wait_at` (a step; goes on when the file `go` exists in the run folder), `crash_at` (a
step), `exit_code`, `on_sigterm` ("save", "ignore" or "die"), `ranks`, `fork_worker` (as a data loader does),
`own_session` (a child in a session of its own that ignores SIGTERM and stays behind), `no_bars`, `slow_start`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
SLEEPER = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


def launch(arguments: list[str]) -> int:
    """What `trl <method> --config FILE` does: run the script below, fail with 1 when it fails."""
    recipe = json.loads(Path(arguments[2]).read_text())
    while recipe.get("slow_start") and not Path("go").exists():
        time.sleep(0.01)
    script = HERE.parent.parent / "trl" / "scripts" / f"{arguments[0]}.py"
    command = [sys.executable, "-S", "-u", str(script), *arguments[1:]]
    ranks = [
        subprocess.Popen(command, env={**os.environ, "RANK": str(rank)}, start_new_session=recipe.get("ranks", 1) > 1)
        for rank in range(recipe.get("ranks", 1))
    ]
    return 1 if sum(rank.wait() != 0 for rank in ranks) else 0


def say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


class Trainer:
    def __init__(self, recipe: dict[str, Any]) -> None:
        self.recipe = recipe
        self.steps = recipe.get("steps", 5)
        self.first = os.environ.get("RANK", "0") == "0"
        self.asked = False
        manner = recipe.get("on_sigterm", "save")
        if manner == "ignore":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        elif manner == "save":
            signal.signal(signal.SIGTERM, self.ask)

    def ask(self, *_: object) -> None:
        self.asked = True

    def bar(self, done: int, total: int, nested: bool = False) -> None:
        if self.first and not self.recipe.get("no_bars"):
            text = f"\r{done * 100 // total:3d}%|###       | {done}/{total} [00:00<00:01, 20.01it/s]"
            say(f"\n{text}\x1b[A" if nested else text)

    def save(self, step: int) -> None:
        if self.first:
            folder = Path("output") / f"checkpoint-{step}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "trainer_state.json").write_text(json.dumps({"global_step": step, "max_steps": self.steps}))

    def wait_for_go(self) -> None:
        while not Path("go").exists() and not self.asked:
            time.sleep(0.01)

    def train(self) -> int:
        say("Loading weights: 100%|####| 14/14 [00:00<00:00, 16485.19it/s]\n")
        if self.recipe.get("own_session"):
            subprocess.Popen([sys.executable, "-S", "-c", SLEEPER], start_new_session=True)
        if self.recipe.get("fork_worker") and os.fork() == 0:
            time.sleep(600)
        self.bar(0, self.steps)
        for step in range(1, self.steps + 1):
            if self.recipe.get("crash_at") == step:
                raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            self.bar(step, self.steps)
            if self.recipe.get("evaluate_at") == step:
                self.bar(1, 8, nested=True)
                self.wait_for_go()
                say("\n\r\x1b[A{'eval_loss': '5.6', 'epoch': '0.2'}\n")
            if self.recipe.get("wait_at") == step:
                self.wait_for_go()
            if self.asked:
                self.save(step)
                break
        else:
            self.save(self.steps)
        say("\r                \r{'train_runtime': '1.3', 'epoch': '0.4'}\n")
        print("✅ Training completed.", flush=True)
        if "exit_code" not in self.recipe:
            Path(f"done.{os.environ.get('RANK', '0')}").touch()
        return int(self.recipe.get("exit_code", 0))


def main() -> int:
    if HERE.name == "trl":
        return launch(sys.argv[1:])
    code = Trainer(json.loads(Path(sys.argv[2]).read_text())).train()
    sys.stdout.flush()
    return code


if __name__ == "__main__":
    sys.exit(main())
