"""The updates of an epoch that the studio tells are those of TRL's own trainers, over a grid of batches."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from model_files import ROOT

from studio.domain.arguments import Catalog
from studio.domain.epoch_steps import Batching, batching_of, epoch_of, steps_per_epoch
from studio.domain.recipe import Recipe

PLAIN = [
    {"per_device_train_batch_size": each, "gradient_accumulation_steps": times, "dataloader_drop_last": drop}
    for each, times, drop in product((2, 3, 8), (1, 3, 7), (False, True))
]
ANSWERING = [
    {"per_device_train_batch_size": each, "gradient_accumulation_steps": times, "num_generations": group, **more}
    for each, times, group in product((4, 8), (1, 3), (2, 4))
    for more in (
        {}, {"num_iterations": 3}, {"steps_per_generation": 8}, {"generation_batch_size": 64},
        {"steps_per_generation": 2, "num_iterations": 2}, {"dataloader_drop_last": True},
    )
]  # fmt: skip
GRID: list[tuple[str, int, int, dict[str, Any]]] = [
    *product(("sft", "dpo", "kto", "reward", "distillation"), (203, 24, 5), (1, 3), PLAIN),
    *product(("grpo", "rloo"), (203, 24, 5), (1, 2), ANSWERING),
]


@pytest.mark.parametrize("grid", [GRID[::11], pytest.param(GRID, marks=pytest.mark.slow)], ids=["some", "all"])
def test_steps_are_those_of_trls_own_loaders(
    grid: list[tuple[str, int, int, dict[str, Any]]], tmp_path: Path, catalog: Catalog
) -> None:
    asked, told = tmp_path / "asked.json", tmp_path / "told.json"
    asked.write_text(json.dumps(grid))
    env = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "tests/steps_oracle.py"), str(asked), str(told)]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    answers = json.loads(told.read_text())
    refused = 0
    for (method, rows, processes, options), answer in zip(grid, answers, strict=True):
        how = batching_of(Recipe(method, options, {"num_processes": processes}), catalog)
        found = steps_per_epoch(method, rows, how) if how else 0
        if isinstance(answer, str):
            refused += 1
            assert found == 0, (method, rows, processes, options, answer)
        else:
            assert found == answer, (method, rows, processes, options)
    assert 0 < refused < len(grid) / 3


@pytest.mark.parametrize(
    ("method", "sequences", "how", "steps"),
    [("sft", 432, Batching(16), 27), ("sft", 433, Batching(16, 2), 14), ("dpo", 10, Batching(8, 8, 4), 1),
     ("sft", 203, Batching(8, drop_last=True), 25), ("distillation", 203, Batching(4, 3), 16),
     ("grpo", 360, Batching(32, generations=8), 90), ("rloo", 203, Batching(4, generations=2, iterations=3), 303),
     ("grpo", 203, Batching(4, generations=2, per_generation=8), 96), ("rloo", 3, Batching(8, generations=2), 0)],
)  # fmt: skip
def test_steps_in_an_epoch(method: str, sequences: int, how: Batching, steps: int) -> None:
    assert steps_per_epoch(method, sequences, how) == steps


def test_what_is_no_number_or_does_not_go_together_is_not_guessed(catalog: Catalog) -> None:
    for values in (
        {"per_device_train_batch_size": None}, {"gradient_accumulation_steps": "two"}, {"num_generations": 0},
        {"num_generations": 3}, {"generation_batch_size": 12}, {"num_iterations": True},
        {"generation_batch_size": 8, "steps_per_generation": 1},
    ):  # fmt: skip
        assert batching_of(Recipe("grpo", values), catalog) is None, values
    assert batching_of(Recipe("grpo"), catalog) == Batching(8, 1, 1, False, 8, 1, 1)


def test_an_epoch_is_of_what_was_counted_where_it_was(catalog: Catalog) -> None:
    plain = Recipe("sft", {"per_device_train_batch_size": 16})
    assert [epoch_of(plain, catalog, rows, None) for rows in (4, 33, None)] == [1, 3, None]
    assert [epoch_of(plain, catalog, 4000, counted) for counted in (3104, 0)] == [194, None]
    packed = plain.with_changes(catalog, {"packing": True})
    assert (epoch_of(packed, catalog, 4000, None), epoch_of(packed, catalog, 4000, 160)) == (None, 10)
    assert epoch_of(plain.with_changes(catalog, {"dataloader_drop_last": True}), catalog, 15, None) is None
