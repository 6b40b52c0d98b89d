"""Tokens on the Data tab in a real browser: asked for once, then followed through every edit that decides."""

from __future__ import annotations

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
def studio(catalog_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioPage]:
    """One page for all tests, in their order: the child that counts is started once."""
    home = tmp_path_factory.mktemp("tokens") / "home"
    with app(home, catalog_folder) as running, open_page(running.url) as opened:
        yield StudioPage(opened, running.url).open()
        assert opened.errors == []
        assert opened.external == []


def tokens(studio: StudioPage) -> Locator:
    return studio.page.locator("#tokens")


def fact(studio: StudioPage, name: str) -> Locator:
    return tokens(studio).locator(f"dt:has(:text-is('{name}')) + dd")


def test_nothing_is_counted_before_it_is_asked_for(studio: StudioPage) -> None:
    studio.tab("data")
    expect(tokens(studio)).to_contain_text("See what the model will read")
    expect(tokens(studio).locator("pre")).to_have_count(0)


def test_a_press_counts_and_shows_an_example_as_it_is_masked(studio: StudioPage) -> None:
    tokens(studio).locator("[data-tokens-do=count]").click()
    expect(tokens(studio)).to_contain_text("Counting.")
    expect(fact(studio, "Counted")).to_have_text("all 432 rows", timeout=LONG)
    expect(fact(studio, "Steps in an epoch")).to_have_text("27 (8 with packing)")
    text = tokens(studio).locator("pre.ts-tokentext")
    expect(text.locator("mark.ts-learnt")).to_have_text("Toni is a judge.<|im_end|>")
    expect(text.locator(".ts-token")).to_have_text(["<|im_start|>", "<|im_end|>"] * 2)
    expect(tokens(studio).locator(".ts-lengths")).to_have_attribute(
        "aria-label",
        "Lengths in tokens: examples: 27 to 38 tokens, half of them up to 32. max_length 128, beyond the right edge.",
    )
    expect(tokens(studio).locator(".ts-lengths rect")).not_to_have_count(0)


def test_examples_are_leafed_through(studio: StudioPage) -> None:
    expect(tokens(studio).locator("[data-tokens-do='example:-1']")).to_be_disabled()
    for number in range(1, 9):  # the ninth is fetched, the others are there
        tokens(studio).locator(f"[data-tokens-do='example:{number}']").last.click()
        expect(tokens(studio).locator(".ts-example h3")).to_have_text(f"Example {number + 1}", timeout=LONG)
    tokens(studio).locator("[data-tokens-do='example:7']").click()
    expect(tokens(studio).locator(".ts-example h3")).to_have_text("Example 8")


def test_an_edit_elsewhere_is_followed_and_its_fix_cures_it(studio: StudioPage) -> None:
    studio.tab("training")
    studio.type("max_length", "30")
    found = studio.finding("of 432 examples are cut")
    expect(found).to_be_visible(timeout=LONG)
    found.locator("button", has_text="Set max_length to 64").click()
    studio.wait_for("max_length", 64)
    expect(found).to_have_count(0)
    studio.tab("data")
    expect(fact(studio, "Counted")).to_have_text("all 432 rows", timeout=LONG)
    expect(fact(studio, "Cut")).to_have_count(0)


def test_packing_shows_sequences_with_their_seams(studio: StudioPage) -> None:
    studio.tab("training")
    box = studio.control("packing").locator("input")
    if not box.is_visible():
        studio.page.locator('[data-level="advanced"]').click()
    box.check()
    studio.tab("data")
    expect(tokens(studio).locator(".ts-example h3")).to_contain_text("Sequence", timeout=LONG)
    expect(tokens(studio).locator(".ts-seam").first).to_have_text("next example")
    expect(fact(studio, "Steps in an epoch")).to_have_text("14 (27 without packing)")
    expect(studio.page.locator("#recipe-card")).to_contain_text("240 steps · 17 epochs")
    studio.tab("compute")
    expect(studio.page.locator("#launch-plan")).to_contain_text("432 rows: 14 updates an epoch, 240 in the whole run.")


def test_a_mixture_is_counted_with_the_rows_that_are_held_out(studio: StudioPage) -> None:
    studio.tab("data")
    box = studio.page.get_by_label("Add another dataset")
    box.fill("assets/demo/sft")
    box.press("Enter")
    parts = studio.page.locator(".ts-part-row")
    expect(parts).to_have_count(2)
    split = studio.page.locator("#mixture-split input, #mixture-split textarea").first
    split.fill("train[:12]")
    split.press("Enter")
    expect(parts.nth(1)).to_contain_text("12 of 12 rows")
    expect(studio.page.locator("#recipe-card")).to_contain_text("2 datasets · 444 rows")
    tokens(studio).locator("[data-tokens-do=count]").click()
    expect(fact(studio, "Counted")).to_have_text("all 444 rows", timeout=LONG)
    studio.type("test_split_size", "44")
    held = "all 444 rows; totals leave out the 44 that are held out"
    expect(fact(studio, "Counted")).to_have_text(held, timeout=LONG)
    expect(studio.page.locator("#recipe-card")).to_contain_text("2 datasets · 400 rows")
    expect(fact(studio, "Steps in an epoch")).to_contain_text("about 25 without packing")
    studio.press("undo")


def test_another_method_reads_its_own_data(studio: StudioPage) -> None:
    studio.choose_method("dpo")
    studio.tab("data")
    press = tokens(studio).locator("[data-tokens-do=count]")
    press.click()
    expect(tokens(studio).locator("pre.ts-tokentext")).to_have_count(2, timeout=LONG)
    expect(tokens(studio).locator(".ts-fed b")).to_have_text(["Better answer", "Worse answer"])
    expect(tokens(studio).locator("mark.ts-learnt")).not_to_have_count(0)
    expect(tokens(studio).locator("rect.second")).not_to_have_count(0)
