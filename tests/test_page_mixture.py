"""The editor of a mixture, in a real browser: one more dataset, its share, and taken out again."""

from __future__ import annotations

import json
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


def test_a_share_that_is_no_number_is_cleared_alone(studio: StudioPage) -> None:
    studio.fresh().settle().tab("data")
    box = studio.page.get_by_label("Add another dataset")
    box.fill("assets/demo/distillation")
    box.press("Enter")
    expect(studio.page.locator(".ts-part-row")).to_have_count(2)
    share = studio.page.locator("#mixture-fraction input, #mixture-fraction textarea").first
    share.fill("half")
    share.press("Enter")
    wrong = studio.finding("Write a share such as 0.25 or 25 %.")
    wrong.get_by_role("button", name="Clear the share of entry 2").click()
    expect(wrong).to_have_count(0)
    expect(share).to_have_value("")
    assert [entry.get("fraction") for entry in studio.recipe()["datasets"]] == [None, None]
    share.fill("25 %")
    share.press("Enter")
    shares = [0.75, 0.25]
    until(studio.page, lambda: [entry.get("fraction") for entry in studio.recipe()["datasets"]] == shares, "the shares")
    studio.type("test_split_size", "10%")
    studio.wait_for("test_split_size", 0.1)


def test_what_is_left_in_the_box_is_added_once_or_said_to_be_not_added(studio: StudioPage, tmp_path: Path) -> None:
    for name in ("one", "two", "three", "four"):
        (tmp_path / f"{name}.jsonl").write_text('{"prompt": "a", "completion": "b"}\n' * 9)
    studio.fresh().settle().choose_dataset(str(tmp_path / "one.jsonl"))
    box, parts = studio.page.get_by_label("Add another dataset"), studio.page.locator(".ts-part-row")
    expect(parts).to_have_count(1)
    box.fill(str(tmp_path / "two.jsonl"))
    box.press("Tab")
    expect(parts).to_have_count(2)
    expect(box).to_have_value("")
    box.fill(str(tmp_path / "three.jsonl"))
    studio.page.locator("#mixture-more").click()
    expect(parts).to_have_count(3)
    expect(box).to_have_value("")
    box.fill(str(tmp_path / "four.jsonl"))
    box.press("Enter")
    box.press("Tab")  # Enter's answer is still to come
    expect(parts).to_have_count(4)
    expect(box).to_have_value("")
    assert len(studio.settle().recipe()["datasets"]) == 4
    missing = str(tmp_path / "none.jsonl")
    box.fill(missing)
    studio.page.locator("#mixture-more").click()
    said = studio.page.locator(".toast-body", has_text="was not added")
    expect(said).to_have_count(1)
    expect(box).to_have_value(missing)
    box.fill("")
    box.press("Tab")
    assert len(studio.settle().recipe()["datasets"]) == 4
    expect(said).to_have_count(1)


def test_the_fields_of_a_single_file_are_open_only_where_they_are_asked_for(studio: StudioPage, tmp_path: Path) -> None:
    for name in ("one", "two"):
        rows = "".join(json.dumps({"prompt": f"{name} {n}", "completion": "yes"}) + "\n" for n in range(30))
        (tmp_path / f"{name}.jsonl").write_text(rows)
    studio.fresh().settle().choose_dataset(str(tmp_path / "one.jsonl"))
    parts, path = studio.page.locator(".ts-part-row"), studio.page.locator("#mixture-path")
    expect(parts).to_contain_text("30 of 30 rows")
    expect(path).to_be_hidden()
    opener = parts.locator('[data-what="fields"]')
    expect(opener).to_have_text("Edit its path, split and columns")
    studio.settle()
    opener.click()
    expect(opener).to_have_attribute("aria-expanded", "true")
    expect(path).to_be_visible()
    expect(studio.page.locator("#mixture-place")).to_be_hidden()
    split = studio.page.locator("#mixture-split input, #mixture-split textarea").first
    split.fill("train[:10%]")
    split.press("Enter")
    expect(parts).to_contain_text("3 of 3 rows")
    until(studio.page, lambda: studio.recipe()["datasets"][0]["split"] == "train[:10%]", "the split")
    opener.click()
    expect(path).to_be_hidden()
    box = studio.page.get_by_label("Add another dataset")
    box.fill(str(tmp_path / "two.jsonl"))
    box.press("Enter")
    expect(parts).to_have_count(2)
    expect(path).to_be_visible()  # of several, one is always being looked at
    expect(opener).to_have_count(0)


def test_the_whole_row_of_a_dataset_is_lit_where_there_are_several(studio: StudioPage) -> None:
    studio.fresh().settle().tab("data")
    studio.page.locator("#mixture-several").click()
    rows, box = studio.page.locator(".ts-part-row"), studio.page.get_by_label("Add another dataset")
    colour, clear = "row => getComputedStyle(row).backgroundColor", "rgba(0, 0, 0, 0)"
    expect(rows).to_have_count(1)
    studio.settle()
    rows.locator(".ts-part-choice").hover()
    assert {rows.evaluate(colour), rows.locator(".ts-part-choice").evaluate(colour)} == {clear}
    box.fill("assets/demo/distillation")
    box.press("Enter")
    expect(rows).to_have_count(2)
    studio.settle()
    first, second = rows.nth(0), rows.nth(1)
    expect(second.locator('[aria-pressed="true"]')).to_have_count(1)
    before = second.evaluate(colour)
    assert clear == first.evaluate(colour) != before
    first.locator(".ts-part-choice").hover()
    assert clear != first.evaluate(colour) != before


def test_nothing_at_the_end_of_a_narrow_page_lies_under_start(studio: StudioPage) -> None:
    studio.page.set_viewport_size({"width": 800, "height": 1000})
    studio.tab("data")
    studio.page.evaluate("window.scrollTo(0, document.documentElement.scrollHeight)")
    start = studio.page.locator("#start").bounding_box()
    last = studio.page.locator("#recipe-card").bounding_box()
    assert start is not None
    assert last is not None
    assert last["y"] + last["height"] < start["y"]
    inside = "element => getComputedStyle(element).paddingBottom"
    room = studio.page.locator(".ts-wrap").evaluate(inside)
    assert float(room.removesuffix("px")) >= 1000 - start["y"]


def test_words_beside_buttons_stay_readable_on_a_phone(studio: StudioPage, tmp_path: Path) -> None:
    (tmp_path / "pairs.jsonl").write_text('{"prompt": "a", "completion": "b"}\n' * 9)
    studio.fresh().settle().choose_dataset(str(tmp_path / "pairs.jsonl"))
    found = studio.page.locator("#data-preview .ts-finding", has_text="assistant_only_loss needs conversations")
    expect(found.get_by_role("button")).to_have_count(2)
    try:
        for width in (420, 1000):
            studio.page.set_viewport_size({"width": width, "height": 1000})
            for words in (found.locator("> div").first, studio.page.locator(".ts-part-choice")):
                box = words.bounding_box()
                assert box is not None
                assert box["width"] > 200
            assert studio.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    finally:
        studio.page.set_viewport_size({"width": 1280, "height": 1000})


def test_columns_of_one_dataset_of_a_mixture_are_mapped(studio: StudioPage, tmp_path: Path) -> None:
    rows = [
        {"instruction": f"Say {n}.", "context": "", "response": f"It is {n}.", "category": "open_qa"} for n in range(40)
    ]
    (tmp_path / "dolly.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    turns = [
        {
            "prompt": [{"role": "user", "content": f"Say {n}."}],
            "completion": [{"role": "assistant", "content": f"So: {n}."}],
        }
        for n in range(30)
    ]
    (tmp_path / "turns.jsonl").write_text("".join(json.dumps(row) + "\n" for row in turns))
    studio.fresh().settle().choose_dataset(str(tmp_path / "turns.jsonl"))
    box = studio.page.get_by_label("Add another dataset")
    box.fill(str(tmp_path / "dolly.jsonl"))
    box.press("Enter")
    parts = studio.page.locator(".ts-part-row")
    expect(parts).to_have_count(2)
    studio.settle()
    split = studio.page.locator("#mixture-split input, #mixture-split textarea").first
    split.fill("train[:50%]")
    split.press("Enter")
    expect(parts.nth(1)).to_contain_text("20 of 20 rows")
    card = studio.page.locator("#mapping")
    expect(card).to_contain_text("Question")
    expect(studio.page.locator("#mapping-share")).to_be_hidden()
    chosen = studio.page.locator('#data-preview select[data-role-of="response"]')
    expect(chosen).to_have_attribute("data-chosen", "answer")
    studio.settle()
    studio.page.locator("#mapping-prepare").click()

    until(
        studio.page,
        lambda: "datasets" in Path(str(studio.recipe()["datasets"][1].get("path"))).parts,
        "the prepared dataset",
    )
    first, second = studio.recipe()["datasets"]
    assert first["data_files"] == str(tmp_path / "turns.jsonl")
    assert second["split"] == "train[:50%]"
    assert set(second) == {"path", "split"}
    expect(parts.nth(1)).to_contain_text("20 of 20 rows")
    expect(studio.page.locator("#data-preview .ts-verdict")).to_contain_text("Yes")
