"""From a raw file to data that TRL takes, in a real browser: roles in the headers, before and after, one button."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from app_process import AppProcess, app
from axe_playwright_python.sync_playwright import Axe
from browser import Opened, open_page
from playwright.sync_api import Locator, expect
from studio_page import StudioPage, until

from studio.adapters.datafiles import open_source
from studio.adapters.prepared import record_of

pytestmark = [pytest.mark.browser, pytest.mark.slow]

_RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}
ROWS = [{"question": f"What is {n} and {n}?", "answer": f"Add them.\n#### {n + n}"} for n in range(60)]


@pytest.fixture(scope="module")
def shared_app(catalog_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppProcess]:
    with app(tmp_path_factory.mktemp("app") / "home", catalog_folder) as started:
        yield started


@pytest.fixture(scope="module")
def browser_page(shared_app: AppProcess) -> Iterator[Opened]:
    with open_page(shared_app.url) as opened:
        yield opened


@pytest.fixture
def studio(browser_page: Opened, shared_app: AppProcess) -> Iterator[StudioPage]:
    yield StudioPage(browser_page, shared_app.url).fresh()
    assert browser_page.errors == []
    assert browser_page.external == []


def write(folder: Path, rows: list[dict[str, object]], name: str = "train.jsonl") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / name


def role(studio: StudioPage, column: str) -> Locator:
    return studio.page.get_by_label(f"Role of {column}", exact=True)


def card(studio: StudioPage) -> Locator:
    return studio.page.locator("#mapping")


def preview(studio: StudioPage) -> Locator:
    return studio.page.locator("#data-preview")


def prepare(studio: StudioPage) -> None:
    studio.page.get_by_role("button", name="Prepare and use").click()


def test_from_a_raw_file_to_data_that_is_taken(studio: StudioPage, shared_app: AppProcess, tmp_path: Path) -> None:
    studio.choose_dataset(str(write(tmp_path / "sums", ROWS)))
    expect(preview(studio)).to_contain_text("No: SFT would stop on this.")
    expect(role(studio, "question")).to_have_value("question")
    expect(role(studio, "answer")).to_have_value("answer")
    expect(card(studio)).to_contain_text("20 of 20 rows looked at make what SFT learns from: prompt-completion.")
    after = card(studio).locator(".ts-side-row.after")
    expect(after).to_have_count(2)
    expect(after.first).to_contain_text("userWhat is 0 and 0?")
    expect(after.first).to_contain_text("assistantAdd them.")
    # The Finding on the recipe leads there.
    studio.card.get_by_role("button", name="Map the columns").click()
    expect(card(studio)).to_be_in_viewport()
    expect(studio.page.locator("#mapping-name input, #mapping-name textarea").first).to_have_value("sums-sft")
    prepare(studio)
    expect(preview(studio)).to_contain_text("Yes: SFT can learn from this (prompt-completion).")
    expect(card(studio)).to_be_hidden()
    made = shared_app.home / "datasets/sums-sft"
    studio.wait_for("dataset_name", str(made))
    assert "datasets" not in studio.recipe()
    expect(studio.card).to_contain_text("Prepared as sums-sft: 57 rows to train on, 3 to test on.")
    expect(studio.start).to_have_text("Start training")
    record = record_of(made)
    assert record is not None
    assert record["rows"] == {"train": 57, "test": 3}
    assert open_source(made).splits == ("train", "test")


def test_what_is_prepared_again_after_an_undo_has_the_next_free_name(
    studio: StudioPage, shared_app: AppProcess, tmp_path: Path
) -> None:
    studio.choose_dataset(str(write(tmp_path / "twice", ROWS)))
    name = studio.page.locator("#mapping-name input, #mapping-name textarea").first
    expect(name).to_have_value("twice-sft")
    prepare(studio)
    studio.wait_for("dataset_name", str(shared_app.home / "datasets/twice-sft"))
    studio.settle().press("undo")
    expect(name).to_have_value("twice-sft-2")
    prepare(studio)
    studio.wait_for("dataset_name", str(shared_app.home / "datasets/twice-sft-2"))
    expect(studio.card).to_contain_text("Prepared as twice-sft-2: 57 rows to train on, 3 to test on.")


def test_the_solution_is_kept_for_the_rewards_and_not_asked(studio: StudioPage, tmp_path: Path) -> None:
    studio.choose_method("grpo")
    studio.choose_dataset(str(write(tmp_path / "rewarded", ROWS)))
    expect(role(studio, "answer")).to_have_value("solution")
    after = card(studio).locator(".ts-side-row.after").first
    expect(after).to_contain_text("solution")
    expect(after).not_to_contain_text("Add them.")
    studio.tab("training")
    studio.page.locator('#rewards [data-reward="pick"][data-what="numeric"]').click()
    added = studio.page.locator('.ts-reward[data-name="right_number"]')
    expect(added).to_contain_text("needs the column answer ✓")
    studio.tab("data")
    prepare(studio)
    expect(preview(studio)).to_contain_text("Yes: GRPO can learn from this (prompt-only).")
    expect(studio.card).to_contain_text("The rewards that compare with it read the column solution now.")
    studio.tab("training")
    expect(added).to_contain_text("needs the column solution ✓")
    expect(studio.finding("`right_number` needs")).to_have_count(0)


def test_one_answer_a_row_is_said_and_the_method_that_learns_from_it_is_a_press_away(
    studio: StudioPage, tmp_path: Path
) -> None:
    studio.choose_method("dpo")
    studio.choose_dataset(str(write(tmp_path / "alone", ROWS)))
    expect(card(studio)).to_contain_text("The data has one answer a row.")
    card(studio).get_by_role("button", name="Switch to SFT").click()
    expect(card(studio)).to_contain_text("20 of 20 rows looked at make what SFT learns from: prompt-completion.")
    expect(role(studio, "answer")).to_have_value("answer")


def test_roles_are_chosen_by_keyboard_and_the_focus_stays(studio: StudioPage, tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"a": f"Why {n}?", "b": f"Because {n}."} for n in range(12)]
    studio.choose_dataset(str(write(tmp_path / "plain", rows)))
    expect(card(studio)).to_contain_text("Nothing is recognised.")
    expect(studio.page.get_by_role("button", name="Prepare and use")).to_be_hidden()
    role(studio, "a").focus()
    studio.page.keyboard.type("Que")
    expect(role(studio, "a")).to_have_value("question")
    expect(card(studio)).to_contain_text("Which column holds the answer?")
    expect(role(studio, "a")).to_be_focused()
    studio.page.keyboard.press("Tab")
    expect(role(studio, "b")).to_be_focused()
    studio.page.keyboard.type("Answer")
    expect(role(studio, "b")).to_have_value("answer")
    expect(card(studio)).to_contain_text("12 of 12 rows looked at make what SFT learns from")
    # What one column alone can be moves to the one chosen last.
    role(studio, "a").select_option("answer")
    expect(role(studio, "b")).to_have_value("")
    expect(card(studio)).to_contain_text("Which column holds the question?")
    card(studio).get_by_role("button", name="As proposed").click()
    expect(card(studio)).to_contain_text("Nothing is recognised.")


def test_rows_that_cannot_be_mapped_stop_it_or_are_left_out(
    studio: StudioPage, shared_app: AppProcess, tmp_path: Path
) -> None:
    rows: list[dict[str, object]] = [dict(row) for row in ROWS]
    rows[41]["answer"] = ""
    studio.choose_dataset(str(write(tmp_path / "holes", rows)))
    expect(card(studio)).to_contain_text("20 of 20 rows looked at")
    prepare(studio)
    trouble = card(studio).locator(".ts-finding.error")
    expect(trouble).to_contain_text("A row of train.jsonl cannot be mapped: answer is empty. (row 42)")
    assert not (shared_app.home / "datasets/holes-sft").exists()
    card(studio).get_by_role("button", name="Leave out such rows").click()
    expect(trouble).to_have_count(0)
    expect(card(studio).get_by_label("Leave out rows that cannot be mapped")).to_be_checked()
    prepare(studio)
    expect(studio.card).to_contain_text("56 rows to train on, 3 to test on, 1 left out.")
    expect(preview(studio)).to_contain_text("Yes: SFT can learn from this")


def test_what_needs_no_copy_is_said_in_trls_own_arguments(studio: StudioPage, tmp_path: Path) -> None:
    studio.press("new")  # the demo learns from conversations alone
    expect(studio.start).to_have_text("Choose a model")
    rows: list[dict[str, object]] = [{"content": f"It is {n}.", "body": f"No {n}."} for n in range(12)]
    studio.choose_dataset(str(write(tmp_path / "texts", rows)))
    expect(card(studio)).to_contain_text("To be chosen in the headers, since several columns may be it: Text.")
    role(studio, "content").select_option("text")
    expect(card(studio)).to_contain_text("No copy is needed: the recipe can say it.")
    card(studio).get_by_role("button", name="Apply").click()
    studio.wait_for("dataset_text_field", "content")
    expect(preview(studio)).to_contain_text("Yes: SFT can learn from this")
    expect(card(studio)).to_be_hidden()


def test_columns_are_selected_where_the_others_stand_in_the_way(studio: StudioPage, tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]
    rows: list[dict[str, object]] = [{"prompt": f"Why {n}?", "messages": turns} for n in range(12)]
    path = write(tmp_path / "both", rows)
    studio.choose_dataset(str(path.parent))
    expect(role(studio, "messages")).to_have_value("conversation")
    card(studio).get_by_role("button", name="Apply").click()
    wanted = [{"path": str(path.parent), "split": "train", "columns": ["messages"]}]
    until(studio.page, lambda: studio.recipe().get("datasets") == wanted, "the selection")
    expect(preview(studio)).to_contain_text("Yes: SFT can learn from this")
    assert yaml.safe_load(studio.text())["datasets"] == wanted


def test_the_tab_is_accessible_and_fits(studio: StudioPage, tmp_path: Path) -> None:
    path = write(tmp_path / "looks", [{**row, "score": 1, "comment": "x" * 300} for row in ROWS])
    studio.choose_dataset(str(path))
    expect(card(studio)).to_contain_text("20 of 20 rows looked at")
    for width in (1280, 800):
        studio.page.set_viewport_size({"width": width, "height": 1000})
        assert studio.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        for dark in (False, True):
            studio.page.emulate_media(color_scheme="dark" if dark else "light")
            expect(studio.page.locator("body.dark")).to_have_count(int(dark))
            for part in ("#data-preview", "#mapping"):
                found = Axe().run(studio.page, part, _RULES)
                assert found.response["violations"] == [], found.generate_report()
    studio.page.set_viewport_size({"width": 1280, "height": 1000})
    studio.page.emulate_media(color_scheme="light")


def test_which_of_two_numbers_is_better_is_asked_where_their_name_does_not_say(
    studio: StudioPage, tmp_path: Path
) -> None:
    studio.choose_method("kto")
    rows: list[dict[str, object]] = [
        {"prompt": f"Why {n}?", "answers": [{"answer": f"No {n}.", "x": 9}, {"answer": f"So {n}.", "x": 2}]}
        for n in range(12)
    ]
    studio.choose_dataset(str(write(tmp_path / "numbered", rows)))
    expect(card(studio)).to_contain_text("Is a higher or a lower number the better one in x?")
    expect(studio.page.locator("#mapping-threshold")).to_be_hidden()
    prepare = card(studio).get_by_role("button", name="Prepare and use")
    better = card(studio).get_by_label("Better is")
    better.click()
    studio.page.get_by_role("option", name="the lower number").click()
    expect(card(studio)).to_contain_text("Scores need a number up to which an answer counts as good.")
    expect(prepare).to_be_disabled()
    card(studio).get_by_label("Good up to this number").fill("5")
    expect(card(studio)).to_contain_text("12 of 12 rows looked at make what KTO learns from")
    made = card(studio).locator(".ts-side-row.after").first.locator(".ts-made")
    expect(made.nth(0)).to_contain_text("No 0.")
    expect(made.nth(0)).to_contain_text("false")
    expect(made.nth(1)).to_contain_text("true")
    expect(prepare).to_be_enabled()


def test_which_answer_a_number_means_is_asked_before_anything_is_prepared(studio: StudioPage, tmp_path: Path) -> None:
    studio.choose_method("dpo")
    rows: list[dict[str, object]] = [
        {"prompt": f"Why {n}?", "response_1": f"No {n}.", "response_2": f"So {n}.", "label": 1} for n in range(12)
    ]
    studio.choose_dataset(str(write(tmp_path / "coded", rows)))
    expect(card(studio)).to_contain_text("Which values of label mean that response_1 or response_2 is better?")
    prepare = card(studio).get_by_role("button", name="Prepare and use")
    expect(prepare).to_be_disabled()
    card(studio).get_by_label("Which is better").click()
    studio.page.get_by_role("option", name="0: A, 1: B").click()
    expect(card(studio)).to_contain_text("12 of 12 rows looked at make what DPO learns from")
    expect(card(studio).locator(".ts-side-row.after").first).to_contain_text("So 0.")
    expect(prepare).to_be_enabled()
