"""The frame of the page: the form that outlives everything, the way to what is missing, shortcuts, accessibility."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from app_process import app, start_app
from axe_playwright_python.sync_playwright import Axe
from browser import open_page
from playwright.sync_api import Page, expect
from studio_page import StudioPage, until

pytestmark = pytest.mark.browser

TABS = ("method", "model", "data", "training", "lora", "compute", "launch", "options", "recipes", "runs")
_RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, catalog_folder: Path) -> Iterator[str]:
    with app(tmp_path_factory.mktemp("frame"), catalog_folder) as running:
        yield running.url


@pytest.fixture
def studio_page(url: str) -> Iterator[StudioPage]:
    with open_page(url) as opened:
        yield StudioPage(opened, url).open()
        assert opened.errors == []
        assert opened.external == []


def go_back(page: StudioPage) -> None:
    page.page.reload()
    expect(page.card.locator("pre.ts-code")).to_be_visible()


def test_the_form_survives_a_reload_with_its_tab(studio_page: StudioPage) -> None:
    page = studio_page
    page.choose_method("dpo")
    page.tab("training")
    page.type("learning_rate", "4e-6")
    page.wait_for("learning_rate", 4e-6)
    page.switch("elsewhere")
    before = page.text()
    go_back(page)
    until(page.page, lambda: page.text() == before, "the recipe of before")
    expect(page.page.locator('button[role=tab][data-tab-id="training"]')).to_have_attribute("aria-selected", "true")
    expect(page.box("learning_rate")).to_have_value("4.0e-06")
    assert "4e-06" not in str(page.page.evaluate("Object.entries(localStorage)"))  # Gradio keeps it encrypted


def test_a_new_recipe_is_empty_leads_to_what_is_missing_and_can_be_undone(studio_page: StudioPage) -> None:
    page = studio_page
    before = page.text()
    page.press("new")
    expect(page.start).to_have_text("Choose a model")
    assert "max_steps" not in page.recipe()
    page.start.click()
    expect(page.page.locator('button[role=tab][data-tab-id="model"]')).to_have_attribute("aria-selected", "true")
    expect(page.box("model_name_or_path")).to_be_focused()
    page.box("model_name_or_path").fill("assets/demo/model")
    expect(page.start).to_have_text("Choose a dataset")
    page.start.click()
    expect(page.page.locator("#dataset input, #dataset textarea").first).to_be_focused()
    page.press("undo")
    until(page.page, lambda: page.text() == before, "the recipe of before")
    expect(page.start).to_have_text("Start training")


def test_a_click_is_not_lost_where_the_card_is_drawn_under_the_mouse(studio_page: StudioPage) -> None:
    page = studio_page
    button = page.card.locator('[data-do="command"]')
    box = button.bounding_box()
    assert box is not None
    page.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.page.mouse.down()
    drawn_anew = "card => { const inner = card.querySelector('[data-drawn]'); inner.innerHTML = inner.innerHTML; }"
    page.card.evaluate(drawn_anew)
    page.page.mouse.up()
    expect(page.card.locator('[data-do="command"][aria-pressed="true"]')).to_be_visible()


def test_a_finding_leads_to_its_field_even_where_simple_hides_it(studio_page: StudioPage) -> None:
    page = studio_page
    chosen = "model_name_or_path: assets/demo/model\ndataset_name: assets/demo/sft"
    page.open_text(f"# trl sft --config\n{chosen}\nmax_grad_norm: -3\n")
    found = page.finding("max_grad_norm")
    found.locator("[data-go]").click()
    expect(page.page.locator('button[role=tab][data-tab-id="training"]')).to_have_attribute("aria-selected", "true")
    expect(page.box("max_grad_norm")).to_be_focused()


def test_simple_and_advanced_are_remembered_and_simple_says_what_it_hides(studio_page: StudioPage) -> None:
    page = studio_page
    page.tab("training")
    expect(page.control("weight_decay")).to_be_hidden()
    page.page.locator('[data-level="advanced"]').click()
    page.type("weight_decay", "0.1")
    page.wait_for("weight_decay", 0.1)
    page.page.locator('[data-level="simple"]').click()
    expect(page.page.locator("#training-level")).to_contain_text("2 non-default in Advanced")
    page.page.locator('[data-level="advanced"]').click()
    go_back(page)
    page.tab("training")
    expect(page.box("weight_decay")).to_be_visible()
    expect(page.page.locator('[data-level="advanced"]')).to_have_attribute("aria-pressed", "true")


def test_the_rate_follows_lora_and_the_picture_follows_the_schedule(studio_page: StudioPage) -> None:
    page = studio_page
    page.press("new")
    page.tab("lora")
    page.control("use_peft").locator("input").first.check()
    page.wait_for("learning_rate", 2e-4)
    page.tab("training")
    expect(page.box("learning_rate")).to_have_value("0.0002")
    picture = page.page.locator("#schedule-picture svg polyline")
    before = picture.get_attribute("points")
    page.choose_argument("lr_scheduler_type", "constant_with_warmup")
    until(page.page, lambda: picture.get_attribute("points") != before, "another picture")
    page.type("learning_rate", "3e-5")
    page.wait_for("learning_rate", 3e-5)
    page.tab("lora")
    page.control("use_peft").locator("input").first.uncheck()
    page.wait_for("use_peft", None)
    assert page.recipe()["learning_rate"] == 3e-5


def test_shortcuts_open_tabs_search_and_start_and_can_be_switched_off(studio_page: StudioPage) -> None:
    page = studio_page.page
    selected = page.locator(".ts-main button[role=tab][aria-selected=true]")
    page.keyboard.press("3")
    expect(selected).to_have_attribute("data-tab-id", "data")
    page.keyboard.press("ArrowRight")
    expect(selected).to_have_attribute("data-tab-id", "training")
    page.keyboard.press("2")
    page.keyboard.press("/")
    expect(studio_page.box("model_name_or_path")).to_be_focused()
    page.keyboard.press("3")  # typed, no shortcut
    expect(selected).to_have_attribute("data-tab-id", "model")
    page.locator("[data-ts-keys]").click()
    dialog = page.locator("dialog.ts-keys")
    expect(dialog).to_be_visible()
    dialog.locator("input").uncheck()
    dialog.get_by_role("button", name="Close").click()
    page.locator('button[role=tab][data-tab-id="model"]').focus()
    page.keyboard.press("4")
    page.keyboard.press("ArrowLeft")
    expect(selected).to_have_attribute("data-tab-id", "method")
    studio_page.press("new")
    expect(studio_page.start).to_have_text("Choose a model")
    page.keyboard.press("Control+Enter")
    expect(selected).to_have_attribute("data-tab-id", "model")


def test_a_restarted_studio_gives_the_form_back(tmp_path: Path, catalog_folder: Path) -> None:
    with app(tmp_path, catalog_folder) as running, open_page(running.url) as opened:
        page = StudioPage(opened, running.url).open()
        page.tab("training")
        page.type("max_steps", "77")
        page.wait_for("max_steps", 77)
        page.page.evaluate("window.before = true")
        running.end(kill=True)
        again = start_app(tmp_path, port=running.port)
        try:
            again.wait_for()
            # One event that the new server knows nothing of, where the page has not loaded itself again before it.
            page.press("elsewhere")
            page.page.wait_for_function("!window.before")
            expect(page.start).to_be_visible()
            page.wait_for("max_steps", 77)
        finally:
            again.end()


def violations(page: Page) -> list[str]:
    found = Axe().run(page, options=_RULES).response["violations"]
    return [f"{one['id']}: {node['target']} {node['failureSummary']}" for one in found for node in one["nodes"]]


@pytest.mark.parametrize(
    ("width", "dark"),
    [
        pytest.param(1280, False, id="1280-light"),
        pytest.param(800, True, id="800-dark"),
        pytest.param(1280, True, id="1280-dark", marks=pytest.mark.slow),
        pytest.param(800, False, id="800-light", marks=pytest.mark.slow),
    ],
)
def test_every_tab_is_accessible_and_nothing_scrolls_sideways(url: str, dark: bool, width: int) -> None:
    with open_page(url, width=width, dark=dark) as opened:
        page = StudioPage(opened, url).open()
        wrong: list[str] = []
        for tab in TABS:
            page.tab(tab)
            if tab == "training":
                page.page.locator('[data-level="advanced"]').click()
            page.page.wait_for_timeout(300)
            wrong += [f"{tab}: {one}" for one in violations(page.page)]
            wide = page.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            wrong += [f"{tab}: scrolls sideways by {wide} px"] if wide > 0 else []
        assert wrong == []
