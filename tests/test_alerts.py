"""What people are told of runs that they do not look at: in the service, and as a message and a title on the page."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from app_process import app
from browser import open_page
from playwright.sync_api import expect
from run_lab import RunLab, attempt_of, let_go, wait_until

from studio.adapters.home import Home
from studio.service.alerts import STALLED, watched
from studio.service.runs import Runs


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[RunLab]:
    lab = RunLab(tmp_path / "home")
    yield lab
    lab.close()


def test_live_runs_and_those_that_have_just_ended_are_told(lab: RunLab) -> None:
    runs = Runs(Home(lab.folders.runs.parent))
    assert watched(runs) == []
    run = lab.start_waiting()
    (going,) = watched(runs)
    assert going == {"id": "run", "state": "training", "ended": False, "share": 40, "troubles": []}
    let_go(run)
    wait_until(lambda: run.state() == "finished")
    (ended,) = watched(runs)
    assert ended == {"id": "run", "state": "finished", "ended": True, "share": None, "troubles": []}
    run.update(lambda record: record["attempts"][-1].update(ended="2020-01-01T00:00:00.000Z"))
    assert watched(runs) == []


def test_a_run_that_says_nothing_for_long_has_stalled(lab: RunLab) -> None:
    runs = Runs(Home(lab.folders.runs.parent))
    run = lab.start_waiting()
    written = (run.folder / "train.log").stat().st_mtime
    assert watched(runs, written + STALLED - 1)[0]["troubles"] == []
    assert watched(runs, written + STALLED + 1)[0]["troubles"] == ["stalled"]


def test_a_loss_that_is_no_number_is_told(lab: RunLab) -> None:
    home = Home(lab.folders.runs.parent).ensure()
    run = lab.start_waiting()
    columns = "id INTEGER PRIMARY KEY, run_name TEXT, step INTEGER, timestamp TEXT, metrics TEXT"
    with sqlite3.connect(home.trackio / "trl-studio.db") as store:
        store.execute(f"CREATE TABLE metrics ({columns})")
        logged = '{"train/loss": "NaN", "train/global_step": 4}'
        store.execute("INSERT INTO metrics VALUES (1, ?, 0, '2026-01-01T00:00:00', ?)", (run.id, logged))
    assert watched(Runs(home))[0]["troubles"] == ["nan"]


@pytest.mark.browser
def test_the_page_tells_of_a_run_that_fails_while_one_is_elsewhere(lab: RunLab, catalog_folder: Path) -> None:
    with app(lab.folders.runs.parent, catalog_folder) as served, open_page(served.url) as opened:
        page = opened.page
        run = lab.start_waiting(crash_at=5)
        expect(page).to_have_title("40 % run · TRL Studio", timeout=60_000)
        let_go(run)
        message = page.locator("#alerts .ts-toast.failed")
        expect(message).to_contain_text("run has failed.", timeout=60_000)
        message.get_by_role("button", name="Show").click()
        expect(page.locator("#run-title")).to_contain_text("run")
        expect(message).to_have_count(0)
        assert opened.errors == []


def test_the_log_is_looked_at_for_a_run_that_trains_only(lab: RunLab) -> None:
    runs = Runs(Home(lab.folders.runs.parent))
    run = lab.start(slow_start=True)
    wait_until(lambda: attempt_of(run).get("started"))
    log = run.folder / "train.log"
    os.utime(log, (time.time() - 2 * STALLED,) * 2)
    assert watched(runs)[0]["troubles"] == []
    let_go(run)
    wait_until(lambda: run.state() == "finished")
