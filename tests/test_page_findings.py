"""Findings beside the data and the tokens, in a real browser: their buttons do what those of the recipe card do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from app_process import app
from browser import open_page
from playwright.sync_api import Locator, expect
from studio_page import StudioPage

pytestmark = [pytest.mark.browser, pytest.mark.slow]
LONG = 400_000  # ms: the first count imports TRL, beside whatever else goes on


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, catalog_folder: Path) -> Iterator[StudioPage]:
    home = tmp_path_factory.mktemp("findings") / "home"
    with app(home, catalog_folder) as running, open_page(running.url) as opened:
        yield StudioPage(opened, running.url).open()
        assert opened.errors == []


def fix(studio: StudioPage, place: str, label: str) -> Locator:
    return studio.page.locator(f"{place} .ts-finding").get_by_role("button", name=label)


def write(path: Path, row: dict[str, str]) -> Path:
    path.write_text(f"{json.dumps(row)}\n" * 9)
    return path


def test_a_fix_beside_the_data_is_made_by_mouse_and_by_keyboard(studio: StudioPage, tmp_path: Path) -> None:
    studio.fresh().settle().choose_dataset(
        str(write(tmp_path / "two.jsonl", {"prompt": "a", "chosen": "b", "rejected": "c"}))
    )
    fix(studio, "#data-preview", "Switch to DPO").click()
    expect(studio.card).to_contain_text("trl dpo")
    expect(studio.page.locator("#data-preview .ts-verdict")).to_contain_text("Yes: DPO can learn from this")
    studio.fresh().settle().choose_dataset(str(write(tmp_path / "one.jsonl", {"prompt": "a", "completion": "b"})))
    assert studio.recipe()["assistant_only_loss"] is True
    fix(studio, "#data-preview", "Turn assistant_only_loss off").press("Enter")
    studio.wait_for("assistant_only_loss", None)
    expect(fix(studio, "#data-preview", "Turn assistant_only_loss off")).to_have_count(0)


def test_a_part_of_the_rows_becomes_an_entry(studio: StudioPage) -> None:
    studio.fresh().settle().tab("data")
    box = studio.page.locator("#arg-dataset_train_split input")
    box.fill("train[:10%]")
    box.press("Enter")
    fix(studio, "#data-preview", "Take train[:10%] in datasets").click()
    parts = studio.page.locator(".ts-part-row")
    expect(parts).to_contain_text("43 of 43 rows")
    studio.wait_for("test_split_size", 0.1)
    assert [entry["split"] for entry in studio.recipe()["datasets"]] == ["train[:10%]"]
    expect(studio.start).to_have_text("Start training")


def test_a_fix_beside_the_tokens_is_made(studio: StudioPage) -> None:
    studio.fresh().settle().tab("training")
    studio.type("max_length", "30")
    studio.wait_for("max_length", 30)
    studio.tab("data")
    studio.page.locator("#tokens [data-tokens-do=count]").click()
    button = fix(studio, "#tokens", "Set max_length to 64")
    expect(button).to_be_visible(timeout=LONG)
    button.press("Space")
    studio.wait_for("max_length", 64)
