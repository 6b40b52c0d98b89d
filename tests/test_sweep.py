"""Sweeps: which runs a few values make, and that they wait as a group."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from app_process import ROOT, end_runs, environment

from studio.adapters.home import Home
from studio.domain.arguments import Catalog
from studio.domain.errors import StudioError
from studio.domain.sweep import combinations, group_name, read_values
from studio.service.studio import Studio


def test_values_are_read_in_trls_types(catalog: Catalog) -> None:
    arguments = catalog.of("sft")
    assert read_values(arguments["learning_rate"], "1e-5, 2e-5,1e-5") == [1e-5, 2e-5]
    assert read_values(arguments["packing"], "true, false") == [True, False]
    assert read_values(arguments["max_steps"], "10") == [10]
    for text in ("", " , ", "fast"):
        with pytest.raises(StudioError):
            read_values(arguments["learning_rate"], text)


def test_every_pair_is_a_run() -> None:
    assert combinations({"a": [1, 2], "b": ["x", "y"]}) == [
        {"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}, {"a": 2, "b": "y"},
    ]  # fmt: skip
    for wrong in ({}, {"a": [1], "b": [1], "c": [1]}, {"run_name": ["a"]}, {"a": list(range(9)), "b": list(range(9))}):
        with pytest.raises(StudioError):
            combinations(wrong)


def test_a_group_has_a_name_of_its_own() -> None:
    assert group_name("sft-07", set()) == "sft-sweep-01"
    assert group_name("sft-07", {"sft-sweep-01"}) == "sft-sweep-02"


def test_the_runs_of_a_sweep_wait_as_a_group(tmp_path: Path, catalog_folder: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "cache").symlink_to(catalog_folder, target_is_directory=True)
    words = [sys.executable, "-m", "studio", "sweep", str(ROOT / "presets" / "demo-sft.yaml"), "--home", str(home)]
    env = environment(home)
    try:
        wrong = subprocess.run(
            [*words, "--set", "learning_rate=1e-4,-1"], cwd=ROOT, env=env, capture_output=True, text=True, check=False
        )
        assert wrong.returncode == 2, wrong.stderr
        assert not os.listdir(home / "runs")
        done = subprocess.run(
            [*words, "--set", "learning_rate=1e-4,2e-4", "--set", "max_steps=3,4"],
            cwd=ROOT, env=env, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert "4 runs with the tag" in done.stderr
        studio = Studio(Home(home))
        told = {run["id"]: run for run in studio.runs.list()}
        assert len(told) == 4
        (group,) = {tag for run in told.values() for tag in run["tags"]}
        assert sorted(told) == [f"{group}-{n:02}" for n in range(1, 5)]
        assert [run for run in studio.queue.line() if run in told] == sorted(told)[1:]
        assert "learning_rate: 0.0002" in studio.runs.recipe_text(f"{group}-03")
        assert "max_steps: 3" in studio.runs.recipe_text(f"{group}-03")
    finally:
        for run in Studio(Home(home)).runs.list():
            Studio(Home(home)).runs.stop(run["id"], now=True)
        end_runs(home)
