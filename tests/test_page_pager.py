"""The pager under a dataset's rows, in a real browser: pages, splits, far rows, and answers that come late."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from app_process import AppProcess, app
from browser import open_page
from model_files import CONFIG, model_folder
from playwright.sync_api import Locator, expect
from studio_page import StudioPage, until

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, catalog_folder: Path) -> Iterator[AppProcess]:
    with app(tmp_path_factory.mktemp("pager"), catalog_folder) as running:
        yield running


@pytest.fixture(scope="module")
def opened(served: AppProcess) -> Iterator[StudioPage]:
    with open_page("about:blank") as page:
        yield StudioPage(page, served.url).open()


@pytest.fixture
def studio(opened: StudioPage) -> Iterator[StudioPage]:
    opened.fresh()
    yield opened
    assert opened.opened.errors == []


def write(path: Path, count: int, word: str = "row", **more: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({"text": f"{word} {n}", **more}) + "\n" for n in range(1, count + 1)))
    return path


def preview(studio: StudioPage) -> Locator:
    return studio.page.locator("#data-preview")


def press(studio: StudioPage, what: str) -> None:
    preview(studio).locator(f'[data-page="{what}"]').click()


def test_pages_of_both_splits(studio: StudioPage, tmp_path: Path) -> None:
    write(tmp_path / "d" / "train.jsonl", 70)
    write(tmp_path / "d" / "test.jsonl", 25, "held out")
    studio.choose_dataset(str(tmp_path / "d"))
    shown = preview(studio)
    expect(shown).to_contain_text("Rows 1 to 20 of 70")
    expect(shown.locator('[data-page="previous"]')).to_be_disabled()
    press(studio, "next")
    expect(shown).to_contain_text("Rows 21 to 40 of 70")
    expect(shown.get_by_role("cell", name="row 21", exact=True)).to_be_visible()
    expect(shown.locator('[data-page="next"]')).to_be_focused()
    shown.locator("[data-goto]").fill("66")
    shown.locator("[data-goto]").press("Enter")
    expect(shown).to_contain_text("Rows 66 to 70 of 70")
    expect(shown.locator('[data-page="next"]')).to_be_disabled()
    press(studio, "previous")
    expect(shown).to_contain_text("Rows 46 to 65 of 70")
    press(studio, "split:test")
    expect(shown).to_contain_text("Rows 1 to 20 of 25")
    expect(shown.get_by_role("cell", name="held out 1", exact=True)).to_be_visible()
    press(studio, "next")
    expect(shown).to_contain_text("Rows 21 to 25 of 25")
    assert "dataset_train_split" not in studio.recipe()
    shown.locator("[data-goto]").fill("9999")
    shown.locator("[data-goto]").press("Enter")
    expect(shown).to_contain_text("Rows 21 to 25 of 25")
    expect(shown.get_by_role("alert")).to_have_text("There is no row 9,999: this data has 25 rows")
    for typed in ("0", "-1", "1.5"):
        shown.locator("[data-goto]").fill(typed)
        shown.locator("[data-goto]").press("Enter")
        expect(shown.get_by_role("alert")).to_have_text(f"{typed} is no row: rows are counted from 1")
        expect(shown).to_contain_text("Rows 21 to 25 of 25")
    shown.locator("[data-goto]").fill("3")
    shown.locator("[data-goto]").press("Enter")
    expect(shown).to_contain_text("Rows 3 to 22 of 25")
    expect(shown.get_by_role("alert")).to_have_count(0)
    studio.choose_argument("dataset_train_split", "test")
    expect(shown).to_contain_text("Rows 1 to 20 of 25")


def test_big_splits_are_counted_in_the_background(studio: StudioPage, tmp_path: Path) -> None:
    # A packed file is not read through for the first look, however small it is.
    for split, count in (("train", 70), ("test", 45)):
        packed = gzip.compress(write(tmp_path / "plain" / f"{split}.jsonl", count, split).read_bytes())
        (tmp_path / "d").mkdir(exist_ok=True)
        (tmp_path / "d" / f"{split}.jsonl.gz").write_bytes(packed)
    studio.choose_dataset(str(tmp_path / "d"))
    shown = preview(studio)
    expect(shown).to_contain_text("Rows 1 to 20 of 70")
    press(studio, "next")
    expect(shown).to_contain_text("Rows 21 to 40 of 70")
    press(studio, "split:test")
    expect(shown).to_contain_text("Rows 1 to 20 of 45")
    expect(shown.get_by_role("cell", name="test 1", exact=True)).to_be_visible()


def test_a_second_press_counts_from_the_first(studio: StudioPage, tmp_path: Path) -> None:
    studio.choose_dataset(str(write(tmp_path / "a.jsonl", 200)))
    shown = preview(studio)
    expect(shown).to_contain_text("Rows 1 to 20 of 200")
    # Both presses are on their way before an answer is drawn.
    studio.page.evaluate("for (let n = 0; n < 3; n++) document.querySelector('#data-preview [data-page=next]').click()")
    expect(shown).to_contain_text("Rows 61 to 80 of 200")


def test_another_dataset_begins_at_its_first_row(studio: StudioPage, tmp_path: Path) -> None:
    studio.choose_dataset(str(write(tmp_path / "a.jsonl", 100)))
    expect(preview(studio)).to_contain_text("Rows 1 to 20 of 100")
    press(studio, "next")
    expect(preview(studio)).to_contain_text("Rows 21 to 40 of 100")
    studio.choose_dataset(str(write(tmp_path / "b.jsonl", 90, "other")))
    expect(preview(studio)).to_contain_text("Rows 1 to 20 of 90")
    expect(preview(studio).get_by_role("cell", name="other 1", exact=True)).to_be_visible()


def test_a_page_with_a_broken_row_says_so_and_the_next_goes_on(studio: StudioPage, tmp_path: Path) -> None:
    path = write(tmp_path / "big.jsonl", 800_000, "x" * 80)
    content = path.read_bytes()
    place = content.index(b'{"text": "' + b"x" * 80 + b' 70001"}')
    path.write_bytes(content[:place] + b"!" + content[place + 1 :])
    studio.choose_dataset(str(path))
    shown = preview(studio)
    expect(shown.get_by_role("cell", name="x" * 80 + " 1", exact=True)).to_be_visible()
    expect(shown).not_to_contain_text("Rows 1 to 20 of")
    shown.locator("[data-goto]").fill("70001")
    shown.locator("[data-goto]").press("Enter")
    expect(shown).to_contain_text("Line 70001 of")
    expect(shown).to_contain_text("big.jsonl is no JSON")
    press(studio, "next")
    expect(shown).to_contain_text("Rows 70,021 to 70,040")
    shown.locator("[data-goto]").fill("99999999")
    shown.locator("[data-goto]").press("Enter")
    expect(shown).to_contain_text("Rows 799,981 to 800,000 of 800,000", timeout=60_000)


def test_images_and_audio_are_named(studio: StudioPage, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    media = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    features = {"photo": {"_type": "Image"}, "voice": {"_type": "Audio"}, "text": {"_type": "Value", "dtype": "string"}}
    schema = pa.schema(
        [("photo", media), ("voice", media), ("text", pa.string())],
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    row = {"photo": {"bytes": b"123", "path": "cat.png"}, "voice": {"bytes": b"1234", "path": None}, "text": "x"}
    pq.write_table(pa.Table.from_pylist([row], schema=schema), tmp_path / "media.parquet")
    studio.choose_dataset(str(tmp_path / "media.parquet"))
    cells = preview(studio).locator("tbody td")
    until(studio.page, lambda: cells.count() == 3)
    expect(cells.nth(0)).to_have_text("image cat.png (3 bytes)")
    expect(cells.nth(1)).to_have_text("audio (4 bytes)")


def test_the_model_decides_whether_images_are_taken(studio: StudioPage, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sees = model_folder(tmp_path / "sees", config__json=json.dumps(CONFIG | {"model_type": "llava"}).encode())
    turns = [{"role": "user", "content": "What is it?"}, {"role": "assistant", "content": "A dot."}]
    rows = pa.Table.from_pylist([{"messages": turns, "image": {"bytes": b"123", "path": None}}] * 9)
    told = {"huggingface": json.dumps({"info": {"features": {"image": {"_type": "Image"}}}})}
    pq.write_table(rows.replace_schema_metadata(told), tmp_path / "seen.parquet")
    studio.choose_dataset(str(tmp_path / "seen.parquet"))
    verdict = preview(studio).locator(".ts-verdict")
    expect(verdict).to_contain_text("No: SFT would stop on this.")
    expect(preview(studio)).to_contain_text("reads text alone, and the data have a column image.")
    for model, words in ((str(sees), "Yes: SFT can learn from this"), ("assets/demo/model", "No: SFT would stop")):
        studio.tab("model")
        studio.box("model_name_or_path").fill(model)
        studio.box("model_name_or_path").press("Tab")
        studio.tab("data")
        expect(verdict).to_contain_text(words)
    studio.tab("model")
    studio.box("model_name_or_path").fill("nobody/knows")
    studio.tab("data")
    expect(verdict).to_contain_text("Not known")
