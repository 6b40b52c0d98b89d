"""Resuming with changes and what checkpoints take, in a real browser: typed, refused in words, and in the recipe."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from app_process import AppProcess, app
from axe_playwright_python.sync_playwright import Axe
from browser import Opened, open_page
from playwright.sync_api import expect
from studio_page import StudioPage, until
from test_resuming import RECIPE, checkpoint

from studio.adapters.home import Home
from studio.service.studio import Studio

pytestmark = pytest.mark.browser

DEMO = Path(__file__).resolve().parent.parent / "assets" / "demo"
_RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}


@pytest.fixture
def served(tmp_path: Path, catalog_folder: Path) -> Iterator[AppProcess]:
    """A studio with one run that has stopped at step 4 of 6."""
    home = tmp_path / "home"
    studio = Studio(Home(home))
    text = RECIPE.format(model=DEMO / "model", data=DEMO / "sft", steps=6)
    run = studio.runs.folders.create("ended", "sft", text)
    run.update(lambda record: record["attempts"].append({"number": 1, "outcome": "stopped", "started": "2026-01-01"}))
    for step in (2, 4):
        checkpoint(run.folder, step, total=6)
    with app(home, catalog_folder) as started:
        yield started


@pytest.fixture
def opened(served: AppProcess) -> Iterator[Opened]:
    with open_page(served.url) as page:
        yield page


def test_a_run_is_resumed_with_changes(served: AppProcess, opened: Opened, tmp_path: Path) -> None:
    studio = StudioPage(opened, served.url).open()
    page, runs = opened.page, Studio(Home(tmp_path / "home")).runs
    studio.tab("runs")
    row = page.locator("#run-actions")
    row.locator("summary").click()
    boxes = row.locator(".line input")
    expect(boxes).to_have_count(4)
    boxes.nth(0).fill("max_steps")
    expect(boxes.nth(1)).to_have_attribute("placeholder", "6")
    assert row.locator("datalist option").count() > 100
    offered = row.locator("datalist option").evaluate_all("all => all.map((one) => one.value)")
    assert not {"model_name_or_path", "lora_r", "seed"} & set(offered)
    boxes.nth(1).fill("many")
    boxes.nth(2).fill("seed")
    expect(boxes).to_have_count(6)
    found = Axe().run(page, "#run-actions", _RULES).response["violations"]
    assert [(one["id"], node["html"]) for one in found for node in one["nodes"]] == []
    resume = row.get_by_role("button", name="Resume")
    resume.click()
    expect(page.get_by_text("max_steps: it takes a whole number")).to_be_visible()
    boxes.nth(1).fill("8")
    boxes.nth(3).fill("1")
    resume.click()
    expect(page.get_by_text("seed cannot change from one attempt to the next")).to_be_visible()
    assert runs.show("ended")["attempts"] == 1
    # What was typed is still there after the looks at the run that go on meanwhile.
    expect(boxes.nth(1)).to_have_value("8")
    boxes.nth(2).fill("learning_rate")
    boxes.nth(3).fill("0.0005")
    row.locator("select").select_option("checkpoint-2")
    resume.click()
    until(page, lambda: runs.show("ended")["attempts"] == 2, "the second attempt")
    text = runs.recipe_text("ended")
    for line in ("max_steps: 8", "learning_rate: 0.0005", "resume_from_checkpoint: output/checkpoint-2"):
        assert re.search(rf"^{line}\b", text, re.MULTILINE), text
    runs.stop("ended", now=True)
    until(page, lambda: runs.show("ended")["state"] not in ("queued", "starting", "stopping"), "its end")
    assert opened.errors == []


def test_what_checkpoints_take_follows_what_is_kept(served: AppProcess, opened: Opened) -> None:
    studio = StudioPage(opened, served.url).open()
    studio.tab("training")
    said = opened.page.locator("#disk-kept")
    expect(said).to_contain_text("The newest 2 are kept: 12 MB, and 19 MB while the next one is written.")
    expect(said).to_contain_text("are free")
    studio.type("save_total_limit", "5")
    expect(said).to_contain_text("The newest 5 are kept")
    studio.switch("elsewhere")
    expect(said).not_to_contain_text("are free")
    assert opened.errors == []
