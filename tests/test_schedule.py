"""The drawn schedule against transformers' own, step by step, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from studio.domain.schedule import BY_RESULT, lacking, rates, warmup_of

# name, warmup steps, options
CASES: list[tuple[str, int, dict[str, Any]]] = [
    ("linear", 0, {}),
    ("linear", 13, {}),
    ("cosine", 13, {}),
    ("cosine", 5, {"num_cycles": 1.5}),
    ("cosine_with_restarts", 13, {}),
    ("cosine_with_restarts", 7, {"num_cycles": 3}),
    ("polynomial", 13, {}),
    ("polynomial", 4, {"lr_end": 1e-5, "power": 2.0}),
    ("constant", 0, {}),
    ("constant_with_warmup", 13, {}),
    ("inverse_sqrt", 13, {}),
    ("inverse_sqrt", 0, {}),
    ("inverse_sqrt", 10, {"timescale": 40}),
    ("cosine_with_min_lr", 13, {"min_lr_rate": 0.1}),
    ("cosine_with_min_lr", 13, {"min_lr": 1e-5, "num_cycles": 1.0}),
    ("cosine_warmup_with_min_lr", 13, {"min_lr_rate": 0.2}),
    ("cosine_warmup_with_min_lr", 13, {"min_lr": 1e-5, "warmup_lr_rate": 0.05}),
    ("warmup_stable_decay", 10, {"num_decay_steps": 30}),
    ("warmup_stable_decay", 10, {"num_decay_steps": 20, "num_stable_steps": 40, "min_lr_ratio": 0.1}),
    ("warmup_stable_decay", 10, {"num_decay_steps": 30, "warmup_type": "cosine", "decay_type": "1-sqrt"}),
    ("warmup_stable_decay", 10, {"num_decay_steps": 30, "warmup_type": "1-sqrt", "decay_type": "linear"}),
]
TOTAL, PEAK = 100, 2e-4

ORACLE = """
import json, sys, warnings
import torch
from transformers import get_scheduler
from transformers.trainer_utils import SchedulerType
warnings.simplefilter("ignore")
cases, total, peak = json.loads(sys.argv[1])
told = []
for name, warmup, options in cases:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=peak)
    schedule = get_scheduler(name, optimizer, warmup, total, options)
    rates = []
    for _ in range(total + 1):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    told.append(rates)
print(json.dumps({"rates": told, "names": [kind.value for kind in SchedulerType]}))
"""


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    asked = json.dumps([CASES, TOTAL, PEAK])
    done = subprocess.run([sys.executable, "-c", ORACLE, asked], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("place", range(len(CASES)), ids=lambda place: f"{place}-{CASES[place][0]}")
def test_every_step_is_transformers_own(told: dict[str, Any], place: int) -> None:
    name, warmup, options = CASES[place]
    drawn = rates(name, PEAK, TOTAL, warmup, options, points=TOTAL)
    assert drawn is not None
    assert [step for step, _ in drawn] == list(range(TOTAL + 1))
    assert [rate for _, rate in drawn] == pytest.approx(told["rates"][place], rel=1e-9, abs=1e-15)


def test_every_schedule_that_transformers_has_is_known(told: dict[str, Any]) -> None:
    drawn = {name for name, _, _ in CASES}
    assert set(told["names"]) == drawn | set(BY_RESULT)


def test_what_cannot_be_drawn_is_no_line() -> None:
    assert rates("reduce_lr_on_plateau", PEAK, TOTAL, 0, {}) is None
    assert rates("no_such_schedule", PEAK, TOTAL, 0, {}) is None
    assert rates("cosine_with_min_lr", PEAK, TOTAL, 0, {}) is None
    assert rates("polynomial", PEAK, TOTAL, 0, {"power": "high"}) is None
    assert rates("warmup_stable_decay", PEAK, TOTAL, 5, {"num_decay_steps": 10, "decay_type": "none"}) is None
    assert rates("linear", 0.0, TOTAL, 0, {}) is None


def test_options_that_a_schedule_stops_without_are_named() -> None:
    assert lacking("cosine_with_min_lr", {}) == "{min_lr_rate: 0.1}"
    assert lacking("cosine_with_min_lr", {"min_lr": 1e-6}) is None
    assert lacking("warmup_stable_decay", {}) is not None
    assert lacking("linear", {}) is None


def test_warmup_is_steps_or_a_share() -> None:
    assert warmup_of(0, 200) == 0
    assert warmup_of(0.03, 200) == 6
    assert warmup_of(0.031, 200) == 7
    assert warmup_of(10, 200) == 10
