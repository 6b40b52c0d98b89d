"""All rows on the page: the first rows' verdict at once, then that of every row, by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from app_process import app
from browser import open_page
from playwright.sync_api import expect
from studio_page import StudioPage

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, catalog_folder: Path) -> Iterator[StudioPage]:
    with app(tmp_path_factory.mktemp("home"), catalog_folder) as running, open_page("about:blank") as opened:
        yield StudioPage(opened, running.url)


def write(path: Path, rows: int, bad: int | None = None) -> Path:
    """Conversations, one of them with nothing said."""
    asked = {"role": "user", "content": "What is blue?"}
    answers = ({"role": "assistant", "content": None if row == bad else f"Sky {row}."} for row in range(rows))
    path.write_text("".join(json.dumps({"messages": [asked, answer]}) + "\n" for answer in answers))
    return path


def choose(studio: StudioPage, path: Path) -> None:
    box = studio.page.locator("#dataset textarea, #dataset input").first
    box.fill(str(path))
    box.press("Enter")


def test_a_flaw_far_down_is_told_by_itself(studio: StudioPage, tmp_path: Path) -> None:
    studio.open()
    page = studio.page
    page.get_by_role("tab", name="Data").click()
    preview, line = page.locator("#data-preview"), page.locator("#data-whole")
    choose(studio, write(tmp_path / "bad.jsonl", 30_000, 25_000))
    expect(line).to_contain_text("All 30,000 rows checked in")
    expect(preview).to_contain_text("messages has a message without content in row 25000")
    expect(preview).to_contain_text("No: SFT would stop on this.")
    expect(studio.card).to_contain_text("without content in row 25000")
    # Another file has an answer of its own, and a mended one too.
    choose(studio, write(tmp_path / "good.jsonl", 20_000))
    expect(line).to_contain_text("All 20,000 rows checked in")
    expect(preview).to_contain_text("Yes: SFT can learn from this")
    expect(studio.card).not_to_contain_text("without content in row")
    write(tmp_path / "bad.jsonl", 31_000)
    choose(studio, tmp_path / "bad.jsonl")
    expect(line).to_contain_text("All 31,000 rows checked in")
    expect(preview).to_contain_text("Yes: SFT can learn from this")
    assert studio.opened.errors == []
