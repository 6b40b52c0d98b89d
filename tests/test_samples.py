"""Samples that a model writes as it is trained: read from what trackio keeps, by step and by reward, and drawn."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from test_metrics import Generated

from studio.adapters.home import Home
from studio.domain.errors import StudioError
from studio.service.samples import samples, total
from studio.service.studio import Studio
from studio.ui import run_samples

RECIPE = "log_completions: true\nproject: p\n"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").ensure()


@pytest.fixture
def store(home: Home) -> Iterator[Generated]:
    made = Generated(home.trackio)
    with closing(made.connection):
        yield made


def log(store: Generated, step: int, rewards: list[Any], **extra: Any) -> None:
    """What GRPOTrainer.log leaves of a step (TRL 1.8)."""
    rows = [
        {"step": step, "prompt": [{"role": "user", "content": f"<b>{n}</b>?"}],
         "completion": [{"role": "assistant", "content": f"answer {n} of {step}"}],
         "exact": reward, "length": 1.0, "advantage": 0.5, **extra}
        for n, reward in enumerate(rewards)
    ]  # fmt: skip
    store.log("g", range(step, step + 1))
    table = {"_type": "trackio.table", "_value": rows}
    store.connection.execute(
        "INSERT INTO metrics (run_id, run_name, timestamp, step, metrics) VALUES ('g', 'g', '2026', ?, ?)",
        (step, json.dumps({"completions": table})),
    )


def test_samples_come_by_step_and_by_reward(home: Home, store: Generated) -> None:
    studio = Studio(home)
    studio.runs.folders.create("g", "grpo", RECIPE)
    log(store, 5, [0.0, 1.0, None])
    log(store, 10, [0.25, "NaN"], source="web")
    newest = samples(studio.runs, "g")
    assert newest is not None
    assert (newest.steps, newest.step, newest.wanted) == ((5.0, 10.0), 10.0, True)
    assert (newest.rewards, newest.others) == (("exact", "length"), ("source",))
    first = samples(studio.runs, "g", 5.0, "best")
    assert first is not None
    assert [row["exact"] for row in first.rows] == [1.0, 0.0, None]
    worst = samples(studio.runs, "g", 5.0, "worst")
    assert worst is not None
    assert [total(row, worst.rewards) for row in worst.rows] == [1.0, 1.0, 2.0]
    beyond = samples(studio.runs, "g", 7.0)  # no step with samples: the newest
    assert beyond is not None
    assert beyond.step == 10.0


def test_what_is_drawn_is_no_markup_and_says_what_to_do(home: Home, store: Generated) -> None:
    studio = Studio(home)
    studio.runs.folders.create("g", "grpo", "project: p\n")
    studio.runs.folders.create("s", "sft", "project: p\n")
    empty = run_samples.answer(studio, {"value": "g"})["html"]
    assert "Log completions, in Training" in empty
    log(store, 5, [0.0, 1.0])
    drawn = run_samples.answer(studio, {"value": "g", "order": "best", "step": "5"})["html"]
    assert "&lt;b&gt;1&lt;/b&gt;" in drawn
    assert "<b>1</b>" not in drawn
    assert drawn.index("answer 1 of 5") < drawn.index("answer 0 of 5")
    assert '<option value="best" selected' in drawn
    log(store, 10, [0.5] * 60)
    assert "The first 40 of 60." in run_samples.answer(studio, {"value": "g"})["html"]
    for nothing in ("s", "none", None):
        assert run_samples.answer(studio, {"value": nothing, "step": "x"}) == {"html": "", "again": False}
    with pytest.raises(StudioError):
        samples(studio.runs, "none")
