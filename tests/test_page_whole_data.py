"""All rows on the page: the first rows' verdict at once, then that of every row, by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from app_process import AppProcess, app
from browser import open_page
from fakehub import FakeHub, Repo, running
from playwright.sync_api import expect
from studio_page import StudioPage

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def hub() -> Iterator[FakeHub]:
    with running(FakeHub()) as served:
        yield served


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, catalog_folder: Path, hub: FakeHub) -> Iterator[AppProcess]:
    here = {"HF_ENDPOINT": hub.url, "TRL_STUDIO_VIEWER": hub.viewer, "HF_HUB_OFFLINE": "0"}
    with app(tmp_path_factory.mktemp("home"), catalog_folder, **here) as started:
        yield started


@pytest.fixture(scope="module")
def studio(served: AppProcess) -> Iterator[StudioPage]:
    with open_page("about:blank") as opened:
        yield StudioPage(opened, served.url)


def started_runs(served: AppProcess) -> list[Path]:
    return list((served.home / "runs").glob("*"))


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
    expect(preview).to_contain_text("messages has a message without content in row 25,001")
    expect(preview).to_contain_text("No: SFT would stop on this.")
    expect(studio.card).to_contain_text("without content in row 25,001")
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


def test_all_rows_of_the_hub_are_told_by_its_viewer(studio: StudioPage, hub: FakeHub) -> None:
    features = [{"feature_idx": 0, "name": "text", "type": {"_type": "Value", "dtype": "string"}}]
    rows = [{"row_idx": n, "row": {"text": "x" * (n + 1)}, "truncated_cells": []} for n in range(1_500)]
    hub.datasets["org/d"] = Repo(splits={"default": {"train": (features, rows, len(rows))}})
    hub.faults["/viewer/statistics"] = 500
    studio.open().tab("data")
    choose(studio, Path("org/d"))
    card, button = studio.page.locator("#data-statistics"), studio.page.locator("#data-count")
    expect(card).to_contain_text("Of the first 20 rows.")
    button.click()
    expect(card).to_contain_text("has not counted all rows yet. These are of the first ones; try again later.")
    expect(card).to_contain_text("Of the first 20 rows.")
    hub.faults.clear()
    button.click()
    expect(card).to_contain_text("Of all 1,500 rows, by the Hub's dataset viewer.")
    expect(card).to_contain_text("It does not tell of repeated rows, of roles, nor of types inside cells.")
    expect(card.locator("tbody tr")).to_contain_text("1, 750, –, 1,500")
    expect(button).to_be_hidden()
    assert studio.opened.errors == []


def test_a_null_that_the_viewer_counts_is_told_with_its_row(studio: StudioPage, hub: FakeHub) -> None:
    features = [{"feature_idx": 0, "name": "text", "type": {"_type": "Value", "dtype": "string"}}]
    cells = [None if n == 500 else "x" * (n + 1) for n in range(1_000)]
    rows = [{"row_idx": n, "row": {"text": cell}, "truncated_cells": []} for n, cell in enumerate(cells)]
    hub.datasets["org/nulls"] = Repo(splits={"default": {"train": (features, rows, len(rows))}})
    studio.fresh().tab("data")
    choose(studio, Path("org/nulls"))
    preview, line = studio.page.locator("#data-preview"), studio.page.locator("#data-whole")
    expect(preview).to_contain_text("Rows 1 to 20 of 1,000")
    expect(line).to_contain_text("Only the first 20 rows were looked at; the others lie on the Hub.")
    expect(preview).not_to_contain_text("is null")
    studio.page.locator("#data-count").click()
    told = "nulls and labels were counted by the Hub in 1,000 rows."
    expect(line).to_contain_text(told)
    expect(preview).to_contain_text("text is null in row 501.")
    expect(studio.card).to_contain_text("is null in row 501")
    choose(studio, Path("org/d"))
    expect(preview).to_contain_text("Rows 1 to 20 of 1,500")
    expect(preview).not_to_contain_text("is null")
    choose(studio, Path("org/nulls"))  # what is known of it goes for it chosen anew too
    expect(preview).to_contain_text("Rows 1 to 20 of 1,000")
    expect(line).to_contain_text(told)
    expect(preview).to_contain_text("text is null in row 501.")
    assert studio.opened.errors == []


def test_start_waits_for_the_dataset_that_is_being_looked_at(
    studio: StudioPage, served: AppProcess, hub: FakeHub
) -> None:
    """Never the one before it is trained on, however soon one presses."""
    features = [{"feature_idx": 0, "name": "text", "type": {"_type": "Value", "dtype": "string"}}]
    rows = [{"row_idx": n, "row": {"text": f"row {n}"}, "truncated_cells": []} for n in range(40)]
    hub.datasets["org/late"] = Repo(splits={"default": {"train": (features, rows, len(rows))}})
    studio.fresh().settle().tab("data")
    preview = studio.page.locator("#data-preview")
    hub.hanging.add("org/late")
    choose(studio, Path("org/late"))
    expect(preview).to_have_attribute("data-looking", "Looking at org/late …")
    studio.start.click()
    expect(studio.page.locator(".toast-wrap")).to_contain_text("still being looked at")
    hub.hanging.clear()
    studio.wait_for("dataset_name", "org/late")
    expect(preview).to_contain_text("row 0")
    expect(preview).not_to_have_attribute("data-looking", "Looking at org/late …")
    studio.settle()
    assert started_runs(served) == []
    assert studio.opened.errors == []


def test_start_asks_about_a_model_of_which_nobody_has_heard(studio: StudioPage, served: AppProcess) -> None:
    studio.fresh().settle().tab("model")
    box = studio.box("model_name_or_path")
    box.fill("org/nothing")
    studio.wait_for("model_name_or_path", "org/nothing")
    studio.page.keyboard.press("Control+Enter")
    expect(studio.finding("The Hub does not know the model org/nothing")).to_be_visible()
    studio.settle()
    expect(studio.start).to_have_text("Settle 1 question in Model")
    assert started_runs(served) == []
    studio.opened.errors.clear()  # a 404 of the Hub
