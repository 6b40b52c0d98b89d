"""The Runs tab on a run that failed: why, by the line of its log, and its recipe with the cure in the form."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from app_process import app
from browser import open_page
from playwright.sync_api import expect
from studio_page import StudioPage

from studio.adapters.runs import RunFolders, utc_now

pytestmark = pytest.mark.browser

LOG = """Loading weights: 100%|###| 2/2
Traceback (most recent call last):
  File "/venv/lib/python3.11/site-packages/transformers/trainer.py", line 2084, in training_step
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. <b>GPU 0</b> is full.
"""


def failed(home: Path, name: str, log: str) -> None:
    """A run of the demo that its supervisor saw fail."""
    recipe = yaml.safe_dump({
        "model_name_or_path": "assets/demo/model", "dataset_name": "assets/demo/sft", "run_name": name,
        "per_device_train_batch_size": 16, "max_steps": 7, "output_dir": "output",
    })  # fmt: skip
    run = RunFolders(home / "runs").create(name, "sft", f"# trl sft --config recipe.yaml\n{recipe}")
    (run.folder / "train.log").write_text(log)
    attempt = {"number": 1, "started": utc_now(), "ended": utc_now(), "exit": {"code": 1}, "outcome": "failed"}
    run.update(lambda record: record["attempts"].append(attempt))


def test_why_it_failed_and_its_recipe_with_the_cure(tmp_path: Path, catalog_folder: Path) -> None:
    failed(tmp_path, "too-large", LOG)
    with app(tmp_path, catalog_folder) as running, open_page(running.url) as opened:
        page = opened.page
        studio = StudioPage(opened, running.url).open()
        studio.tab("runs")
        expect(page.locator("#run-head")).to_contain_text("exit code 1")
        why = page.locator("#run-why")
        expect(why).to_contain_text("Why it failed")
        first = why.locator(".ts-finding").first
        expect(first).to_contain_text("The GPU's memory is full")
        expect(first).to_contain_text("CUDA out of memory. Tried to allocate 2.00 GiB. <b>GPU 0</b> is full.")
        expect(first).to_contain_text("(line 4)")
        expect(first).to_contain_text("Use a batch of 8, accumulated 2 times")
        assert why.locator("b b").count() == 0, "what a log says is text"
        # The look every few seconds draws the card again: the button must answer all the same.
        first.get_by_role("button", name="Apply and edit").click()
        expect(page.locator('button[role=tab][data-tab-id="training"]')).to_have_attribute("aria-selected", "true")
        studio.wait_for("per_device_train_batch_size", 8)
        studio.wait_for("gradient_accumulation_steps", 2)
        studio.wait_for("max_steps", 7)
        assert studio.recipe()["run_name"] != "too-large"
        expect(studio.card).to_contain_text("The form holds the recipe of too-large")
        expect(studio.start).to_have_text("Start training")
        studio.tab("runs")
        why.get_by_role("button", name="Edit the recipe").click()
        studio.wait_for("per_device_train_batch_size", 16)
        studio.wait_for("gradient_accumulation_steps", None)
        studio.press("undo")
        studio.wait_for("gradient_accumulation_steps", 2)
        studio.tab("runs")
        first.get_by_role("button", name="Apply and rerun").click()
        expect(page.locator("#run-title")).not_to_contain_text("too-large")
        (again,) = {run.id for run in RunFolders(tmp_path / "runs").list()} - {"too-large"}
        expect(page.locator("#run-title")).to_contain_text(again)
        recipe = yaml.safe_load((tmp_path / "runs" / again / "recipe.yaml").read_text())
        assert (recipe["per_device_train_batch_size"], recipe["gradient_accumulation_steps"]) == (8, 2)
        assert recipe["max_steps"] == 7
        assert opened.errors == []
        assert opened.external == []
