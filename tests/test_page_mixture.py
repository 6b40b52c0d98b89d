"""The editor of a mixture, in a real browser: one more dataset, its share, and taken out again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from app_process import app
from browser import open_page
from playwright.sync_api import expect
from studio_page import StudioPage, until

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, catalog_folder: Path) -> Iterator[StudioPage]:
    with app(tmp_path_factory.mktemp("mixture"), catalog_folder) as running, open_page(running.url) as opened:
        yield StudioPage(opened, running.url).open()
        assert opened.errors == []


def test_a_dataset_is_added_weighed_and_taken_out(studio: StudioPage) -> None:
    studio.tab("data")
    before = studio.recipe()["dataset_name"]
    box = studio.page.get_by_label("Add another dataset")
    box.fill("assets/demo/distillation")
    box.press("Enter")
    parts = studio.page.locator(".ts-part-row")
    expect(parts).to_have_count(2)
    expect(box).to_have_value("")
    expect(parts.nth(1)).to_contain_text("432 of 432 rows")
    assert [entry["split"] for entry in studio.recipe()["datasets"]] == ["train", "train"]
    assert "dataset_name" not in studio.recipe()
    share = studio.page.locator("#mixture-fraction input, #mixture-fraction textarea").first
    share.fill("0.25")
    share.press("Enter")
    shares = [0.75, 0.25]
    until(studio.page, lambda: [entry.get("fraction") for entry in studio.recipe()["datasets"]] == shares, "the shares")
    expect(parts.nth(1)).to_contain_text("144 of 432 rows")
    parts.nth(1).locator('[data-what="remove"]').click()
    until(studio.page, lambda: len(studio.recipe().get("datasets", [1])) == 1, "one dataset")
    expect(parts.nth(1)).to_be_hidden()
    studio.press("undo")
    until(studio.page, lambda: len(studio.recipe().get("datasets", [])) == 2, "both again")
    assert Path(studio.recipe()["datasets"][0]["path"]) == Path(before)
