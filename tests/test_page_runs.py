"""Real runs from the page: started, watched, left alone by page and server, found again, stopped."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from app_process import ROOT, AppProcess, app, run_processes, start_app
from browser import Opened, open_page, watched
from playwright.sync_api import Locator, Page, expect
from studio_page import StudioPage, until

from studio.adapters.progress import is_complete
from studio.adapters.runs import Run
from studio.domain.states import LIVE

pytestmark = pytest.mark.browser

# With it the demo runs in full and its picture is written for the README.
PICTURE = os.environ.get("TRL_STUDIO_WRITE_PICTURE") == "1"
STEPS = 240 if PICTURE else 300
TRAINING = 120.0  # seconds that a run may take on a busy machine


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """An empty home; for the picture one whose path is the same everywhere, since the page shows it."""
    folder = Path(tempfile.gettempdir()) / "trl-studio" if PICTURE else tmp_path / "home"
    assert not folder.exists()
    yield folder
    if PICTURE:
        shutil.rmtree(folder)


@pytest.fixture
def served(home: Path, catalog_folder: Path) -> Iterator[AppProcess]:
    with app(home, catalog_folder) as started:
        yield started


def head(page: Page) -> Locator:
    return page.locator("#run-head")


def points(page: Page, chart: str = "loss") -> int:
    """How many points the chart of a metric holds now; 0 where it is not there."""
    found = page.locator(f'#run-charts .ts-chart[data-chart="{chart}"]')
    return int(found.first.get_attribute("data-points") or 0) if found.count() else 0


def set_steps(studio: StudioPage, steps: int) -> None:
    studio.tab("training")
    studio.type("max_steps", str(steps))
    studio.wait_for("max_steps", steps)


def start(studio: StudioPage, home: Path) -> Run:
    """Presses Start; the page turns to the run, and the run's folder holds what stood on the screen, byte for byte."""
    shown = studio.text()
    name = studio.recipe()["run_name"]
    expect(studio.start).to_have_text("Start training")
    studio.start.click()
    runs = studio.page.locator('button[role=tab][data-tab-id="runs"]')
    expect(runs).to_have_attribute("aria-selected", "true")
    expect(studio.page.locator("#run-title")).to_contain_text(name)
    run = Run(home / "runs" / name)
    assert (run.folder / "recipe.yaml").read_bytes() == shown.encode()
    return run


def test_a_run_outlives_its_page_and_the_server(served: AppProcess, home: Path) -> None:
    with open_page(served.url) as opened:
        studio = StudioPage(opened, served.url).open()
        studio.tab("launch")
        tags = studio.page.locator("#tags input")
        tags.press_sequentially("first try")
        tags.press("Enter")
        expect(studio.page.locator("#tags")).to_contain_text("first try")
        set_steps(studio, STEPS)
        run = start(studio, home)
        watch_it_learn(opened, served.url, run)
        assert opened.errors == []
        assert opened.external == []
    assert run.record()["tags"] == ["first try"]
    assert run.state() in LIVE
    served.end(kill=True)
    assert run.state() in LIVE
    again = start_app(home)
    try:
        again.wait_for()
        assert run.state() in LIVE, "it ended before it could be found again"
        found_again(again, run)
    finally:
        again.end()


def watch_it_learn(opened: Opened, url: str, run: Run) -> None:
    """Points come while it trains; a reloaded page and a second one show the same run; the form has a new name."""
    page = opened.page
    studio = StudioPage(opened, url)
    seen = until(page, lambda: points(page), "the first point", TRAINING)
    until(page, lambda: points(page) > seen, "a second point")
    assert run.state() in LIVE
    expect(head(page)).to_contain_text("Training")
    studio.tab("method")
    assert studio.recipe()["run_name"] == re.sub("01$", "02", run.id)
    studio.open().tab("runs")
    expect(page.locator("#run-title")).to_contain_text(run.id)
    until(page, lambda: points(page) > seen, "the points of before")
    browser = page.context.browser
    assert browser is not None
    other = browser.new_page()
    other.goto(url)
    other.locator('button[role=tab][data-tab-id="runs"]').click()
    expect(other.locator(f'#runs-list [data-run="{run.id}"]')).to_be_visible()
    until(other, lambda: points(other) > seen, "the points on a second page")
    expect(other.locator("#stop-save")).to_be_visible()
    other.close()


def found_again(served: AppProcess, run: Run) -> None:
    """A new server shows the run, its points and its end."""
    with open_page(served.url, height=800) as opened:
        page = opened.page
        studio = StudioPage(opened, served.url).open()
        studio.tab("runs")
        expect(page.locator("#run-title")).to_contain_text(run.id)
        until(page, lambda: points(page), "the points of before")
        expect(head(page)).to_contain_text("Finished", timeout=TRAINING * 1000)
        expect(page.locator("#runs-list")).to_contain_text("Finished")
        expect(page.locator("#runs-list")).to_contain_text("first try")
        until(page, lambda: points(page) >= STEPS // 5, "every point")
        expect(head(page)).to_contain_text(f"{STEPS} of {STEPS}")
        expect(page.locator("#stop-save")).to_be_hidden()
        expect(page.locator("#run-log")).to_contain_text("Training completed")
        assert run.state() == "finished"
        assert (run.folder / "output" / "model.safetensors").is_file()
        assert (run.folder / "metrics.jsonl").is_file()
        assert run_processes(run) == []
        if PICTURE:
            page.screenshot(path=ROOT / "assets" / "page.png")
        assert opened.errors == []


def a_taken_name_is_said_before_anything_starts(studio: StudioPage, home: Path) -> None:
    """Start on a page that shows an older recipe: what would run now is shown first."""
    assert studio.recipe()["run_name"] == "sft-01"
    studio.start.click()
    expect(studio.page.get_by_test_id("toast-text").first).to_contain_text("press Start again")
    studio.wait_for("run_name", "sft-02")
    assert [folder.name for folder in (home / "runs").iterdir()] == ["sft-01"]
    studio.page.close()


def test_stop_and_save_leaves_a_checkpoint_and_no_process(served: AppProcess, home: Path) -> None:
    with open_page(served.url) as opened:
        page = opened.page
        studio = StudioPage(opened, served.url).open()
        set_steps(studio, 100_000)
        assert page.context.browser is not None
        # Whatever draws it again after Start would show the new name.
        second = StudioPage(watched(page.context.browser.new_page()), served.url).open().settle()
        run = start(studio, home)
        a_taken_name_is_said_before_anything_starts(second, home)
        until(page, lambda: points(page), "the first point", TRAINING)
        page.locator("#stop-save").click()
        expect(head(page)).to_contain_text("Stopped", timeout=TRAINING * 1000)
        expect(page.locator("#stop-save")).to_be_hidden()
        expect(page.locator("#stop-now")).to_be_hidden()
        expect(page.locator("#runs-list")).to_contain_text("Stopped")
        assert opened.errors == []
    assert run.state() == "stopped"
    checkpoints = list((run.folder / "output").glob("checkpoint-*"))
    assert len(checkpoints) == 1
    assert is_complete(checkpoints[0])
    assert run_processes(run) == []
