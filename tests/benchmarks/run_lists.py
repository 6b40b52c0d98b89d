"""A home with a thousand ended runs, and how long the list of them takes."""

from __future__ import annotations

import json
import time
from pathlib import Path

from studio.adapters.home import Home
from studio.service.runs import Runs

RUNS, ROWS = 1000, 300
_METRICS = ("train/loss", "train/grad_norm", "train/learning_rate", "train/entropy", "train/mean_token_accuracy")


def make(home: Path) -> Home:
    """Ended runs, each with its record, recipe, log and exported metrics, as the studio leaves them."""
    made = Home(home / "many")
    rows = [
        {
            "kind": "metrics",
            "id": step,
            "step": step,
            "time": "2026-01-01T00:00:00+00:00",
            "values": {
                "train/global_step": step,
                **{name: 1 / (step + place) for place, name in enumerate(_METRICS, 1)},
            },
            "gaps": {},
        }
        for step in range(1, ROWS + 1)
    ]
    metrics = "".join(json.dumps(row) + "\n" for row in rows)
    for number in range(RUNS):
        folder = made.runs / f"sft-{number:04}"
        folder.mkdir(parents=True)
        (folder / "recipe.yaml").write_text(f"# trl sft --config recipe.yaml\nseed: {number}\nproject: p\n")
        (folder / "train.log").write_text("Training completed.\n")
        (folder / "metrics.jsonl").write_text(metrics)
        (folder / "run.json").write_text(json.dumps(_record(folder.name, number), indent=1))
    return made


def _record(name: str, number: int) -> dict[str, object]:
    process = {"pid": 4000000 + number, "ticks": 1, "boot": "another"}
    times = dict.fromkeys(("queued", "started", "ended"), f"2026-01-01T{number // 60:02}:{number % 60:02}:00.000Z")
    attempt = {
        "number": 1, "recipe": "recipe.yaml", "command": ["trl", "sft"], **times, "supervisor": process,
        "waiter": process, "launcher": process, "trainers": [process], "processes": [process], "stop": None,
        "exit": {"code": 0}, "outcome": "finished", "last_step": ROWS, "total_steps": ROWS,
    }  # fmt: skip
    return {"version": 1, "id": name, "method": "sft", "created": times["queued"], "attempts": [attempt]}


def seconds(home: Home) -> tuple[float, float]:
    """The list as a studio just started makes it, and again."""
    runs = Runs(home)
    taken = []
    for _ in range(2):
        began = time.perf_counter()
        listed = runs.list()
        taken.append(time.perf_counter() - began)
        assert len(listed) == RUNS
        assert listed[0]["last_metrics"]["loss"] > 0
    return taken[0], taken[1]
