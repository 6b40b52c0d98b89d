"""A real `trl grpo` run with a reward of the library and own code: from the studio, and again from its folder alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from app_process import end_runs
from run_lab import wait_until

from studio.adapters.home import Home
from studio.domain.reward_code import FILE_NAME
from studio.domain.reward_library import Pick
from studio.domain.rewards import added, picked, weighed, with_own_code
from studio.service.library import Library
from studio.service.runs import trl_program
from studio.service.studio import Studio

OWN = '''"""Own rewards."""


def briefly(prompts, completions, **kwargs):
    """More for fewer letters."""
    return [-len(completion[-1]["content"]) / 100 for completion in completions]
'''
# The folder is moved, so the copy works with what lies in it: no module of the studio, no working folder of before.
LEFT_OUT = ("PYTHONPATH", "TRACKIO_DIR")


@pytest.mark.slow
def test_the_run_folder_alone_repeats_the_run(tmp_path: Path, catalog_folder: Path, root: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(catalog_folder, home / "cache")
    studio = Studio(Home(home))
    catalog = studio.arguments.get()
    recipe, _ = studio.recipes.open((root / "presets" / "demo-grpo.yaml").read_text(), base=root)
    few = {"max_steps": 2, "logging_steps": 1, "save_strategy": "no", "num_generations": 4}
    bare = recipe.with_changes(catalog, {**few, "per_device_train_batch_size": 4}, ("reward_funcs", "output_dir"))
    bare = picked(bare, catalog, Pick("exact", "right_text", {"column": "answer"}))
    bare = added(with_own_code(bare, OWN), catalog, "rewards.briefly")
    bare = weighed(bare, catalog, 1, 0.5)
    assert [one.level for one in studio.check(bare, base=root) if one.level != "note"] == []

    try:
        run, prepared = studio.start(bare, base=root, name="rewarded")
        wait_until(lambda: studio.runs.show("rewarded")["ended"], 600)
        assert studio.runs.show("rewarded")["state"] == "finished", run.log_tail()
    finally:
        end_runs(home)
    # What stood on the screen is what ran, byte for byte.
    assert (run.folder / "recipe.yaml").read_text() == prepared.yaml
    assert (run.folder / FILE_NAME).read_text() == prepared.rewards == bare.reward_code
    metrics = studio.runs.show("rewarded")["last_metrics"]
    assert -0.5 < metrics["rewards/briefly/mean"] < 0
    assert 0 <= metrics["rewards/right_text/mean"] <= 1
    assert metrics["reward"] == pytest.approx(
        metrics["rewards/right_text/mean"] + 0.5 * metrics["rewards/briefly/mean"], abs=1e-4
    )

    # Opened again, the recipe has its code, and the library's reward its settings.
    opened, _ = studio.recipes.open(Library(studio).source("rewarded").text)
    assert opened.reward_code == bare.reward_code
    assert opened.get("reward_weights") == [1.0, 0.5]

    copied = tmp_path / "elsewhere"
    copied.mkdir()
    for name in ("recipe.yaml", FILE_NAME):
        shutil.copy(run.folder / name, copied / name)
    env = {name: value for name, value in os.environ.items() if name not in LEFT_OUT}
    again = subprocess.run(
        [trl_program(), "grpo", "--config", "recipe.yaml"],
        cwd=copied, env={**env, "TRACKIO_DIR": str(tmp_path / "trackio")}, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert again.returncode == 0, again.stderr[-3000:]
    state = (
        json.loads((copied / "output" / "trainer_state.json").read_text())
        if (copied / "output" / "trainer_state.json").is_file()
        else None
    )
    assert "rewards/briefly/mean" in again.stdout or (state and "rewards/briefly/mean" in str(state))
