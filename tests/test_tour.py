"""The tour, as a newcomer takes it: every step points at something, and the demo is trained for real."""

from __future__ import annotations

from pathlib import Path

import pytest
from app_process import app
from browser import open_page
from playwright.sync_api import expect
from studio_page import StudioPage

from studio.ui.tour import STEPS

TRAINING = 300.0  # seconds for the demo on a busy machine

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_the_tour_trains_the_demo_and_keeps_the_recipe_of_before(tmp_path: Path, catalog_folder: Path) -> None:
    with app(tmp_path / "home", catalog_folder) as running, open_page(running.url) as opened:
        studio = StudioPage(opened, running.url).open()
        studio.press("new")
        expect(studio.start).to_have_text("Choose a model")
        page, panel = studio.page, studio.page.locator(".ts-tour")
        page.get_by_role("button", name="First fine-tune").click()
        for number, step in enumerate(STEPS, 1):
            expect(panel.locator("small")).to_have_text(f"{number} / {len(STEPS)}", timeout=TRAINING * 1000)
            expect(panel.locator("h2")).to_have_text(step.title)
            if step.at:
                expect(page.locator(f"{step.at}.ts-toured")).to_be_visible()
            if step.at == "#start":
                expect(studio.start).to_have_text("Start training")
                studio.start.click()
            elif not step.wait:
                panel.locator('[data-tour="next"]').click()
        expect(panel).to_have_count(0)
        expect(page.locator("#run-head .ts-state")).to_have_text("Finished")
        studio.tab("method")
        studio.press("undo")
        studio.wait_for("model_name_or_path", None)
        assert opened.errors == []
