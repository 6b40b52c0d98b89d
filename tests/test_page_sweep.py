"""A sweep and a webhook from the Launch tab, in a real browser: typed, said, started, drawn together, told."""

from __future__ import annotations

from pathlib import Path

import pytest
from app_process import app
from axe_playwright_python.sync_playwright import Axe
from browser import open_page
from playwright.sync_api import expect
from studio_page import StudioPage, until
from test_messages import listening

from studio.adapters.home import Home
from studio.service.runs import Runs

pytestmark = pytest.mark.browser

_RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}


def test_a_sweep_is_typed_started_and_drawn_together(tmp_path: Path, catalog_folder: Path) -> None:
    with app(tmp_path, catalog_folder) as served, open_page(served.url) as opened:
        studio = StudioPage(opened, served.url).open()
        page = opened.page
        studio.tab("runs")
        expect(page.get_by_role("heading", name="Runs", exact=True)).to_have_count(1)
        studio.tab("launch")
        said, names = page.locator("#sweep-said"), page.locator('[data-sweep="name"]')
        values = page.locator('[data-sweep="values"]')
        names.first.fill("learning_rat")
        expect(said).to_contain_text("has no option learning_rat")
        names.first.fill("learning_rate")
        expect(said).to_contain_text("no values to try")
        values.first.fill("1e-4, fast")
        expect(said).to_contain_text("learning_rate: it takes")
        values.first.fill("1e-4, 2e-4")
        names.last.fill("max_steps")
        values.last.fill("2")
        expect(said.locator("li")).to_have_count(2)
        expect(said.locator("[data-start]")).to_have_text("Start 2 runs")
        assert page.locator("#sweep-options option").count() > 100
        found = Axe().run(page, ".ts-sweep", _RULES).response["violations"]
        assert [(one["id"], node["html"]) for one in found for node in one["nodes"]] == []
        said.locator("[data-start]").click()
        expect(page.locator('button[role=tab][data-tab-id="runs"]')).to_have_attribute("aria-selected", "true")
        until(page, lambda: page.locator("[data-pick]:checked").count() == 2, "both runs ticked")
        expect(page.locator("#run-compare")).to_be_visible()
        expect(page.locator("#compare-table tr", has_text="learning_rate")).to_contain_text("0.0001")
        runs = {run["id"]: run for run in Runs(Home(tmp_path)).list()}
        (group,) = {tag for run in runs.values() for tag in run["tags"]}
        expect(page.locator("#runs-search")).to_have_value(group)
        page.locator("#runs-search").fill("")
        page.locator(f'[data-tag="{group}"]').first.click()
        expect(page.locator("#runs-search")).to_have_value(group)
        expect(page.locator("[data-together]")).to_have_text("Compare these 2")
        studio.tab("launch")
        expect(names.first).to_have_value("")
        assert opened.errors == []


def test_a_webhook_is_typed_once_tried_and_forgotten(tmp_path: Path, catalog_folder: Path) -> None:
    with listening() as (url, told), app(tmp_path, catalog_folder) as served, open_page(served.url) as opened:
        studio = StudioPage(opened, served.url).open()
        page = opened.page
        studio.tab("launch")
        card = page.locator("#webhook")
        box = card.locator("[data-webhook-url]")
        box.fill("hooks.example.org")
        box.press("Enter")
        expect(card.locator(".said")).to_contain_text("This is no address of a webhook. It begins with https://")
        box.fill(url)
        card.get_by_role("button", name="Save").click()
        expect(card).to_contain_text("127.0.0.1")
        assert "canary" not in page.content()
        card.get_by_role("button", name="Send a test").click()
        expect(card.locator(".said")).to_have_text("A message was sent.")
        assert [one["title"] for one in told] == ["TRL Studio"]
        studio.open()
        studio.tab("launch")
        expect(card).to_contain_text("127.0.0.1")
        card.get_by_role("button", name="Remove").click()
        expect(box).to_be_visible()
        assert opened.errors == []
