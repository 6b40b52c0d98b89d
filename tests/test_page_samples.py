"""The Runs tab on a run that logged what its model wrote: the newest samples, another step, another order."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from app_process import app
from axe_playwright_python.sync_playwright import Axe
from browser import open_page
from playwright.sync_api import expect
from studio_page import StudioPage
from test_metrics import Generated
from test_samples import RECIPE, log

from studio.adapters.runs import RunFolders, utc_now

pytestmark = pytest.mark.browser

_RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}


def test_samples_are_seen_by_step_and_by_reward(tmp_path: Path, catalog_folder: Path) -> None:
    run = RunFolders(tmp_path / "runs").create("g", "grpo", f"# trl grpo --config recipe.yaml\n{RECIPE}")
    attempt = {"number": 1, "started": utc_now(), "ended": utc_now(), "exit": {"code": 0}, "outcome": "finished"}
    run.update(lambda record: record["attempts"].append(attempt))
    with closing(Generated(tmp_path / "trackio").connection) as connection:
        store = Generated.__new__(Generated)
        store.connection = connection
        log(store, 5, [0.0, 1.0])
        log(store, 10, [0.5, 0.25])
    with app(tmp_path, catalog_folder) as served, open_page(served.url) as opened:
        page = opened.page
        StudioPage(opened, served.url).open().tab("runs")
        rows = page.locator("#run-samples tbody tr")
        expect(rows).to_have_count(2)
        expect(rows.first).to_contain_text("answer 0 of 10")
        expect(rows.first).to_contain_text("<b>0</b>?")
        page.locator('#run-samples [data-ask="step"]').select_option("5")
        expect(rows.first).to_contain_text("answer 0 of 5")
        order = page.locator('#run-samples [data-ask="order"]')
        order.focus()
        order.select_option("best")
        expect(rows.first).to_contain_text("answer 1 of 5")
        expect(order).to_be_focused()
        found = Axe().run(page, "#run-samples", _RULES).response["violations"]
        found += Axe().run(page, "#run-charts", _RULES).response["violations"]
        assert [(one["id"], node["html"]) for one in found for node in one["nodes"]] == []
        assert opened.errors == []
