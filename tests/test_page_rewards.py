"""The rewards of GRPO and RLOO in a real browser: chosen, weighed, settled, written and tried."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from app_process import AppProcess, app
from browser import open_page
from PIL import Image
from playwright.sync_api import Locator, expect
from studio_page import StudioPage, until

pytestmark = [pytest.mark.browser, pytest.mark.slow]
LONG = 120_000  # ms: a trial starts a process of its own
MANNERS = ["assets.demo.rewards.polite_manner", "assets.demo.rewards.right_answer"]


@pytest.fixture(scope="module")
def shared_app(catalog_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppProcess]:
    with app(tmp_path_factory.mktemp("rewards") / "home", catalog_folder) as started:
        yield started


@pytest.fixture
def studio(shared_app: AppProcess) -> Iterator[StudioPage]:
    """The GRPO demo on the Training tab, in a browser of its own."""
    with open_page(shared_app.url) as opened:
        page = StudioPage(opened, shared_app.url).open()
        page.choose_method("grpo")
        page.wait_for("reward_funcs", MANNERS)
        page.tab("training")
        expect(page.page.locator("#rewards")).to_be_visible()
        yield page
        assert opened.errors == []
        assert opened.external == []


def reward(studio: StudioPage, name: str) -> Locator:
    return studio.page.locator(f'.ts-reward[data-name="{name}"]')


def add(studio: StudioPage, what: str, name: str) -> None:
    studio.page.locator(f'#rewards [data-reward="{what}"][data-what="{name}"]').click()


def code_beside(studio: StudioPage) -> str:
    found = studio.card.locator('pre[data-name="rewards.py"]')
    return (found.text_content() or "") if found.count() else ""


def write(studio: StudioPage, text: str) -> None:
    """Replaces what the editor holds, key by key for its first letters."""
    box = studio.page.locator("#reward-editor .cm-content")
    box.click()
    studio.page.keyboard.press("ControlOrMeta+a")
    studio.page.keyboard.insert_text(text)


def test_rewards_are_chosen_weighed_and_taken_away(studio: StudioPage) -> None:
    add(studio, "pick", "exact")
    add(studio, "add", "think_format_reward")
    studio.wait_for("reward_funcs", [*MANNERS, "rewards.right_text", "think_format_reward"])
    assert "def right_text(" in code_beside(studio)
    weight = reward(studio, "right_text").locator(".ts-weight input")
    weight.fill("0.5")
    weight.press("Tab")
    studio.wait_for("reward_weights", [1.0, 1.0, 0.5, 1.0])
    reward(studio, "right_text").locator('[data-reward="up"]').click()
    studio.wait_for("reward_weights", [1.0, 0.5, 1.0, 1.0])
    studio.wait_for("reward_funcs", [MANNERS[0], "rewards.right_text", MANNERS[1], "think_format_reward"])
    studio.box("reward_model_name_or_path").fill("org/score")
    studio.wait_for("reward_weights", [1.0, 1.0, 0.5, 1.0, 1.0])
    expect(reward(studio, "score")).to_contain_text("reward model")
    reward(studio, "score").locator('[data-reward="remove"]').click()
    studio.wait_for("reward_model_name_or_path", None)
    expect(studio.box("reward_model_name_or_path")).to_have_value("")
    reward(studio, "right_text").locator('[data-reward="remove"]').click()
    studio.wait_for("reward_weights", None)
    assert code_beside(studio) == ""


def test_settings_change_the_file_on_the_card(studio: StudioPage) -> None:
    add(studio, "pick", "exact")
    row = reward(studio, "right_text")
    column = row.locator('[data-what="column"]')
    expect(column).to_be_visible()  # a new reward's settings are open
    expect(column).to_have_value("answer")
    expect(row.locator('[data-what="marker"]')).to_have_count(0)
    row.locator('[data-what="find"]').select_option("after the marker")
    expect(row.locator('[data-what="marker"]')).to_be_visible()
    until(studio.page, lambda: "find='after the marker'" in code_beside(studio), "the setting")
    row.locator('[data-what="marker"]').fill("")
    row.locator('[data-what="marker"]').press("Tab")
    expect(studio.finding("The marker is empty")).to_be_visible()
    row.locator('[data-what="find"]').select_option("whole text")
    expect(studio.finding("The marker is empty")).to_have_count(0)
    name = row.locator('[data-change="name"]')
    name.fill("polite_manner class")
    name.press("Tab")
    expect(studio.page.get_by_text("is no name for a function")).to_be_visible()
    name = row.locator('[data-change="name"]')
    name.fill("says_it")
    name.press("Tab")
    studio.wait_for("reward_funcs", [*MANNERS, "rewards.says_it"])
    until(studio.page, lambda: "def says_it(" in code_beside(studio), "the name")


def test_a_value_that_is_refused_gives_way_to_the_recipes(studio: StudioPage) -> None:
    add(studio, "pick", "pattern")
    row = reward(studio, "matches_pattern")
    weight = row.locator('[data-change="weight"]')
    weight.fill("0.50")
    weight.press("Tab")
    until(studio.page, lambda: studio.recipe().get("reward_weights", [])[-1:] == [0.5], "the weight")
    expect(weight).to_have_value("0.5")
    weight.fill("")
    weight.press("Tab")
    expect(studio.page.get_by_text("A weight is a number, such as 0.5")).to_be_visible()
    expect(weight).to_have_value("0.5")
    weight.focus()
    weight.press("ControlOrMeta+a")
    studio.page.keyboard.type("1e400")
    weight.press("Tab")
    expect(weight).to_have_value("0.5")
    # What cannot work is said below its own field.
    pattern = row.locator('[data-what="pattern"]')
    pattern.fill("")
    pattern.press("Tab")
    below = row.locator('label:has([data-what="pattern"]) .ts-wrong')
    expect(below).to_have_text("The regular expression is empty.")
    expect(pattern).to_have_attribute("aria-invalid", "true")
    expect(studio.finding("The regular expression is empty")).to_be_visible()
    pattern.fill("a+")
    pattern.press("Tab")
    expect(below).to_have_count(0)
    add(studio, "pick", "contains")
    other = reward(studio, "contains_text")
    wanted = other.locator('[data-what="wanted"]')
    wanted.fill("")
    wanted.press("Tab")
    expect(other.locator('label:has([data-what="wanted"]) .ts-wrong')).to_have_text("There is no text to look for.")


def test_a_trial_of_no_rows_is_refused_in_words(studio: StudioPage, shared_app: AppProcess) -> None:
    studio.page.locator("#trial-rows input").fill("0")
    studio.page.locator("#trial-button").click()
    expect(studio.page.get_by_text("A trial takes 1 to 20 rows.")).to_be_visible()
    assert "Traceback" not in shared_app.log.read_text()
    assert "minimum value" not in shared_app.log.read_text()


def test_own_code_is_read_as_one_types(studio: StudioPage) -> None:
    studio.page.locator("#reward-template").click()
    told = studio.page.locator("#reward-code-said")
    expect(told).to_contain_text("ends_politely (4)")
    add(studio, "add", "rewards.ends_politely")
    studio.wait_for("reward_funcs", [*MANNERS, "rewards.ends_politely"])
    write(studio, "def ends_politely(completions, **kwargs)\n    return []\n")
    expect(told).to_contain_text("Python cannot read the code")
    expect(told).to_contain_text("line 1")
    expect(studio.start).to_have_text("Settle 1 question in Training")
    write(studio, "def kindly(completions, **kwargs):\n    return [0.0 for _ in completions]\n")
    expect(told).to_contain_text("kindly (1)")
    found = studio.finding("rewards.py has no function `ends_politely`".replace("`", ""))
    expect(found).to_be_visible()
    reward(studio, "ends_politely").locator('[data-reward="remove"]').click()
    add(studio, "add", "rewards.kindly")
    studio.wait_for("reward_funcs", [*MANNERS, "rewards.kindly"])
    assert code_beside(studio).startswith("def kindly(")
    # A reload finds it where it was.
    studio.open()
    studio.tab("training")
    expect(studio.page.locator("#reward-editor .cm-content")).to_contain_text("def kindly")
    expect(reward(studio, "kindly")).to_be_visible()


def test_rewards_are_tried_before_any_training(studio: StudioPage) -> None:
    page = studio.page
    write(studio, "def halves(completions, **kwargs):\n    return [1 / 0 for _ in completions]\n")
    add(studio, "add", "rewards.halves")
    add(studio, "pick", "contains")
    row = reward(studio, "contains_text")
    row.locator('[data-what="wanted"]').fill("yellow\nnice day")
    row.locator('[data-what="count"]').select_option("share")
    until(studio.page, lambda: "count='share'" in code_beside(studio), "the setting")
    page.locator("#trial-rows input").fill("1")
    page.locator("#trial-text textarea").fill("Sure! The sun is yellow. Have a nice day!\n---\nThe sun is yellow.")
    page.locator("#trial-button").click()
    table = page.locator("#trial-result table")
    expect(table).to_be_visible(timeout=LONG)
    expect(table.locator("tbody tr")).to_have_count(2)
    cells = table.locator("tbody tr").nth(1).locator("td").all_text_contents()
    assert cells[2:] == ["The sun is yellow.", "1.5", "0", "1", "–", "0.5"]
    told = page.locator("#trial-result .ts-finding.error")
    expect(told).to_contain_text("halves raises: ZeroDivisionError")
    expect(told).to_contain_text("line 2")
    expect(studio.finding("halves raises: ZeroDivisionError")).to_contain_text("when it was tried")
    studio.choose("trial-source", "answer")
    reward(studio, "halves").locator('[data-reward="remove"]').click()
    expect(reward(studio, "halves")).to_have_count(0)
    page.locator("#trial-button").click()
    expect(table.locator("tbody tr")).to_have_count(1, timeout=LONG)
    expect(page.locator("#trial-result .ts-finding")).to_have_count(0)


def test_other_methods_have_no_rewards(studio: StudioPage) -> None:
    add(studio, "pick", "length")
    studio.wait_for("reward_funcs", [*MANNERS, "rewards.good_length"])
    studio.choose_method("rloo")
    studio.tab("training")
    expect(studio.page.locator("#rewards")).to_be_visible()
    studio.choose_method("sft")
    studio.tab("training")
    expect(studio.page.locator("#rewards")).to_be_hidden()
    assert code_beside(studio) == ""


def test_an_error_with_half_of_a_character_leaves_the_page_alive(studio: StudioPage) -> None:
    page = studio.page
    write(studio, "def odd(completions, **kwargs):\n    raise ValueError('one \\ud800 half')\n")
    add(studio, "add", "rewards.odd")
    studio.wait_for("reward_funcs", [*MANNERS, "rewards.odd"])
    page.locator("#trial-text textarea").fill("hello")
    page.locator("#trial-button").click()
    told = page.locator("#trial-result .ts-finding.error")
    expect(told).to_contain_text("odd raises: ValueError: one \ufffd half", timeout=LONG)
    add(studio, "pick", "length")
    studio.wait_for("reward_funcs", [*MANNERS, "rewards.odd", "rewards.good_length"])


def test_a_ticked_box_looks_ticked_in_both_themes(studio: StudioPage) -> None:
    add(studio, "pick", "contains")
    box = reward(studio, "contains_text").locator('[data-what="ignore_case"]')
    expect(box).to_be_checked()
    for dark in (False, True):
        studio.page.emulate_media(color_scheme="dark" if dark else "light")
        expect(studio.page.locator("body.dark")).to_have_count(int(dark))
        looks = {}
        for ticked in (True, False):
            box.set_checked(ticked)
            until(studio.page, lambda t=ticked: f"ignore_case={t}" in code_beside(studio), "the setting")
            studio.page.mouse.move(0, 0)
            # Its middle, and of that the share of pixels that have the colour of something.
            shot = Image.open(io.BytesIO(box.screenshot())).convert("HSV").resize((16, 16)).crop((3, 3, 13, 13))
            looks[ticked] = sum(value > 90 for value in shot.getchannel("S").tobytes())
        assert looks[True] > 50 > 10 > looks[False], (dark, looks)


@pytest.mark.parametrize("width", [1280, 800])
def test_a_long_word_leaves_the_scores_in_sight(studio: StudioPage, width: int) -> None:
    page = studio.page
    page.set_viewport_size({"width": width, "height": 1000})
    page.locator("#trial-rows input").fill("1")
    page.locator("#trial-text textarea").fill("a" * 3000 + "\n---\nshort " * 2)
    page.locator("#trial-button").click()
    table = page.locator("#trial-result table")
    expect(table).to_be_visible(timeout=LONG)
    region = page.locator("#trial-result .ts-scroll")
    assert region.evaluate("one => one.scrollWidth - one.clientWidth") <= 0
    table.locator("summary").first.click()
    assert region.evaluate("one => one.scrollWidth - one.clientWidth") <= 0
