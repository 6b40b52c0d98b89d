"""The Runs tab with runs that have ended: searched, sorted, compared, written to, taken along and deleted."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from app_process import app
from axe_playwright_python.sync_playwright import Axe
from browser import open_page
from playwright.sync_api import Page, expect
from studio_page import StudioPage, until
from test_comparing import PROJECT, ended
from test_metrics import Generated

from studio.adapters.home import Home
from studio.service.runs import Runs

pytestmark = [pytest.mark.browser, pytest.mark.slow]

_RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """Three runs whose metrics lie in the store, the newest one of another method."""
    made = Home(tmp_path / "home").ensure()
    store = Generated(made.trackio, PROJECT)
    for place, (name, more) in enumerate((("one", "seed: 1\n"), ("two", "seed: 2\n"), ("three", "seed: 2\n"))):
        ended(made, name, more, created=f"2026-01-0{place + 1}T00:00:00.000Z")
        store.log(name, range(1, 31), **{"eval/loss": 2.0 + place})
    with closing(store.connection):
        yield made


def names(page: Page) -> list[str]:
    return page.locator("#runs-list [data-run]").all_inner_texts()


def points(page: Page, chart: str) -> str | None:
    found = page.locator(f'#compare-charts .ts-chart[data-chart="{chart}"]')
    return found.first.get_attribute("data-points") if found.count() else None


def test_runs_are_found_compared_and_deleted(home: Home, catalog_folder: Path) -> None:
    with app(home.root, catalog_folder) as served, open_page(served.url) as opened:
        page = opened.page
        studio = StudioPage(opened, served.url).open()
        studio.tab("runs")
        until(page, lambda: names(page) == ["three", "two", "one"], "the list, the newest first")
        searched_and_sorted(page)
        compared(page)
        found = Axe().run(page, "#runs-list", _RULES).response["violations"]
        found += Axe().run(page, "#run-keeping", _RULES).response["violations"]
        assert [(one["id"], node["html"], node["failureSummary"]) for one in found for node in one["nodes"]] == []
        written_to(page, home)
        taken_along(page, served.url)
        deleted(page, home)
        assert opened.errors == []


def searched_and_sorted(page: Page) -> None:
    page.locator('#runs-list [data-sort="run"]').click()
    until(page, lambda: names(page) == ["one", "three", "two"], "the order of names")
    box = page.locator("#runs-search")
    box.press_sequentially("thr")
    until(page, lambda: names(page) == ["three"], "the run that was searched for")
    expect(box).to_be_focused()
    box.fill("")
    until(page, lambda: len(names(page)) == 3, "all of them again")


def compared(page: Page) -> None:
    page.locator('[data-pick="one"]').check()
    expect(page.locator("#run-compare")).to_be_hidden()
    page.locator('[data-pick="two"]').check()
    until(page, lambda: points(page, "loss") == "60", "a line for each of the two")
    table = page.locator("#compare-table")
    expect(table.locator("tr", has_text="seed")).to_contain_text("1")
    expect(table).not_to_contain_text("learning_rate")
    expect(table.locator("tr", has_text="eval/loss")).to_contain_text("lowest")
    legend = page.locator('#compare-charts .ts-chart[data-chart="loss"] figcaption')
    expect(legend).to_contain_text("one")
    expect(legend).to_contain_text("two")
    page.locator('[data-pick="three"]').check()
    until(page, lambda: points(page, "eval/loss") == "90", "the third line")
    page.wait_for_timeout(2500)  # the list has been drawn again by now
    assert page.locator("[data-pick]:checked").count() == 3
    page.locator('[data-pick="two"]').uncheck()
    until(page, lambda: points(page, "loss") == "60", "two lines again")


def written_to(page: Page, home: Home) -> None:
    page.locator('#runs-list [data-run="three"]').click()
    expect(page.locator("#run-title")).to_contain_text("three")
    note = page.locator('#run-keeping [data-mark="note"]')
    expect(note).to_have_value("")
    until(page, lambda: page.locator(".ts-keeping").get_attribute("data-run") == "three", "the card of the run")
    note.press_sequentially("The best so far")
    tags = page.locator('#run-keeping [data-mark="tags"]')
    tags.fill("paper, best")
    tags.press("Tab")
    expect(page.locator("#runs-list")).to_contain_text("The best so far")
    expect(page.locator("#runs-list")).to_contain_text("paper")
    shown = Runs(home).show("three")
    assert (shown["note"], shown["tags"]) == ("The best so far", ["paper", "best"])
    page.locator('[data-keep="archive"]').click()
    until(page, lambda: "three" not in names(page), "the run to go out of the list")
    page.locator("#runs-list [data-archived]").check()
    until(page, lambda: "three" in names(page), "archived runs too")


def taken_along(page: Page, url: str) -> None:
    with page.expect_download() as waited:
        page.locator('[data-keep="csv"]').click()
    assert waited.value.suggested_filename == "three.csv"
    assert len(Path(waited.value.path()).read_text().splitlines()) == 31
    page.locator("#run-keeping [data-output]").check()
    with page.expect_download() as waited:
        page.locator('[data-keep="zip"]').click()
    with zipfile.ZipFile(waited.value.path()) as archive:
        assert "three/output/model.safetensors" in archive.namelist()
    assert page.request.get(f"{url}exports/guessed").status == 404


def deleted(page: Page, home: Home) -> None:
    page.locator('#run-keeping [data-keep="ask"]').click()
    asked = page.locator("#run-keeping .asked")
    expect(asked).to_contain_text("2 checkpoints and the trained model")
    page.locator('[data-keep="leave"]').click()
    expect(asked).to_be_empty()
    page.locator('#run-keeping [data-keep="ask"]').click()
    page.locator('[data-keep="delete"]').click()
    expect(page.locator("#run-title")).to_contain_text("two")
    until(page, lambda: "three" not in names(page), "the run to be gone")
    assert [run.id for run in Runs(home).folders.list()] == ["two", "one"]
    # It was one of the two that were compared: one alone is no comparison.
    expect(page.locator("#run-compare")).to_be_hidden()
