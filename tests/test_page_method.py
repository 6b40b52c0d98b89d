"""Method and recipes in a real browser: the guide, what a change of method keeps, opening, presets, comparing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from app_process import ROOT, AppProcess, app
from browser import Opened, open_page
from playwright.sync_api import Locator, expect
from studio_page import StudioPage, choose, until

from studio.domain.methods import ANSWERS, METHOD_NAMES, method_named

pytestmark = pytest.mark.browser

SFT = "# trl sft --config x.yaml\nmodel_name_or_path: a/b\ndataset_name: assets/demo/sft\n"


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
    """A page just opened, by a browser that remembers nothing; its console stays clean, and it asks nobody else."""
    browser_page.page.evaluate("localStorage.clear(); sessionStorage.clear()")
    browser_page.page.goto("about:blank")
    browser_page.errors.clear()
    yield StudioPage(browser_page, shared_app.url).open()
    assert browser_page.errors == []
    assert browser_page.external == []


def about(studio: StudioPage) -> Locator:
    return studio.page.locator(".ts-about")


# Method ---------------------------------------------------------------------------------------------------------


def test_what_one_has_leads_to_a_method(studio: StudioPage) -> None:
    for answer in (*ANSWERS[1:], ANSWERS[0]):
        button = studio.page.get_by_role("button", name=answer.words, exact=True)
        button.click()
        expect(button).to_have_attribute("aria-pressed", "true")
        chosen = answer.methods[0]
        expect(studio.page.locator(f'[data-method="{chosen}"]')).to_have_attribute("aria-pressed", "true")
        expect(studio.page.locator(".ts-ask")).to_contain_text(answer.remark)
        until(studio.page, lambda chosen=chosen: studio.text().startswith(f"# trl {chosen} "))  # type: ignore[misc]


def test_every_method_says_all_there_is_to_know(studio: StudioPage) -> None:
    for name in METHOD_NAMES:
        method = method_named(name)
        studio.choose_method(name)
        expect(about(studio).locator("h2")).to_have_text(method.title)
        for words in (method.guide.when, method.guide.unless, method.guide.before, method.guide.cost_why):
            expect(about(studio)).to_contain_text(words)
        expect(about(studio).get_by_role("link")).to_have_attribute("href", method.link)
        heads = about(studio).locator("thead th")
        assert [head.split("\n")[0] for head in heads.all_inner_texts()] == list(method.guide.example)
        expect(about(studio).locator(".ts-msg").first).to_be_visible()


def test_the_keyboard_keeps_its_place(studio: StudioPage) -> None:
    button = studio.page.locator('[data-method="kto"]')
    button.focus()
    studio.page.keyboard.press("Enter")
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(button).to_be_focused()
    studio.page.keyboard.press("Tab")
    expect(studio.page.locator('[data-method="rloo"]')).to_be_focused()


def test_what_a_method_does_not_take_comes_back_with_one_that_does(studio: StudioPage) -> None:
    studio.open_text(f"{SFT}packing: true\nmax_length: 512\n")
    studio.wait_for("packing", True)
    studio.choose_method("dpo")
    studio.wait_for("packing", None)
    assert studio.recipe()["max_length"] == 512
    expect(about(studio)).to_contain_text("DPO does not take packing")
    expect(about(studio)).to_contain_text("packing: true")
    studio.choose_method("sft")
    studio.wait_for("packing", True)
    expect(studio.card).to_contain_text("Back again: packing.")
    expect(about(studio).locator(".ts-finding")).to_have_count(0)


def test_a_change_of_method_can_be_undone(studio: StudioPage) -> None:
    studio.open_text(f"{SFT}packing: true\n")
    studio.wait_for("packing", True)
    before = studio.text()
    studio.choose_method("kto")
    studio.wait_for("packing", None)
    about(studio).get_by_role("button", name="Undo").click()
    until(studio.page, lambda: studio.text() == before, "the form of before")
    expect(studio.page.locator('[data-method="sft"]')).to_have_attribute("aria-pressed", "true")


def test_a_method_s_presets_are_a_press_away(studio: StudioPage) -> None:
    studio.choose_method("reward")
    about(studio).get_by_role("button", name="Reward model with LoRA: learn to score answers").click()
    studio.wait_for("lora_task_type", "SEQ_CLS")
    assert studio.recipe()["use_peft"] is True


def test_data_of_another_method_offers_to_switch(studio: StudioPage) -> None:
    studio.open_text(SFT.replace("demo/sft", "demo/dpo"))
    found = studio.finding("There is no column")
    found.get_by_role("button", name="Switch to DPO").click()
    until(studio.page, lambda: studio.text().startswith("# trl dpo "))
    expect(found).to_have_count(0)
    studio.tab("data")
    expect(studio.page.locator("#data-preview")).to_contain_text("Yes: DPO")


# Opening --------------------------------------------------------------------------------------------------------


def test_the_quiet_buttons_lead_to_the_panels(studio: StudioPage) -> None:
    studio.page.get_by_role("button", name="Open a recipe").click()
    expect(studio.page.locator("#open-text textarea")).to_be_visible()
    studio.tab("method")
    studio.page.get_by_role("button", name="Presets", exact=True).first.click()
    expect(studio.page.locator('#presets [data-preset="dpo-lora"]')).to_be_visible()
    expect(studio.page.locator("#open-text textarea")).to_be_hidden()


def test_what_was_opened_is_summed_up_and_nothing_is_lost(studio: StudioPage) -> None:
    studio.open_text(f"{SFT}lerning_rate: 0.01\nxyzzy: 7\nseed: 3\n")
    result = studio.page.locator("#opened")
    expect(result.locator("h3")).to_have_text("The pasted text was opened as SFT: 3 options; 2 not understood")
    expect(result).to_contain_text("did you mean learning_rate")
    expect(result).to_contain_text("xyzzy is no option of trl sft")
    assert studio.recipe()["xyzzy"] == 7
    studio.finding("lerning_rate").get_by_role("button", name="Use learning_rate").click()
    studio.wait_for("learning_rate", 0.01)
    expect(result.locator("h3")).to_contain_text("1 not understood")
    result.get_by_role("button", name="Leave it out").click()
    studio.wait_for("xyzzy", None)
    expect(result.locator(".ts-finding")).to_have_count(0)
    result.get_by_role("button", name="Undo").click()
    studio.wait_for("seed", 0)
    assert studio.recipe()["dataset_name"].endswith("assets/demo/sft")
    assert "xyzzy" not in studio.recipe()


def test_a_model_card_a_run_s_folder_and_a_path(studio: StudioPage, shared_app: AppProcess, tmp_path: Path) -> None:
    card = (
        f"---\nlicense: mit\n---\n\n# Card\n\n```bash\ntrl dpo --dataset_name {ROOT}/assets/demo/dpo --beta 0.3\n```\n"
    )
    studio.open_text(card)
    studio.wait_for("beta", 0.3)
    folder = shared_app.home / "runs" / "earlier-01"
    folder.mkdir()
    ran = "# trl kto --config recipe.yaml\ndataset_name: assets/demo/kto\nbeta: 0.4\n"
    ran += "output_dir: output  # inside the run's folder\n"
    (folder / "recipe.yaml").write_text(ran)
    studio.switch("elsewhere")
    for typed in ("earlier-01", str(folder)):
        studio.open_text(SFT)
        studio.wait_for("model_name_or_path", "a/b")
        studio.open_text(typed)
        studio.wait_for("beta", 0.4)
        assert studio.recipe() == {"dataset_name": "assets/demo/kto", "beta": 0.4}
        expect(studio.page.locator("#opened")).to_contain_text("The recipe of earlier-01 was opened as KTO: 2 options")
    studio.open_text(str(tmp_path))
    expect(studio.page.get_by_test_id("toast-text").first).to_contain_text("holds no recipe.yaml")


def test_files_are_chosen_and_dropped(studio: StudioPage, tmp_path: Path) -> None:
    studio.panel("open")
    file = tmp_path / "train.sh"
    file.write_text("#!/bin/bash\ntrl sft --dataset_name assets/demo/sft --seed 11\n")
    studio.page.locator("#recipes-open input[type=file]").set_input_files(file)
    studio.wait_for("seed", 11)
    expect(studio.page.locator("#opened")).to_contain_text("train.sh was opened as SFT: 2 options")
    drop = """(panel, text) => {
      const held = new DataTransfer();
      held.items.add(new File([text], 'dropped.yaml', {type: 'text/plain'}));
      panel.dispatchEvent(new DragEvent('drop', {dataTransfer: held, bubbles: true, cancelable: true}));
    }"""
    studio.page.locator("#recipes-open").evaluate(drop, f"{SFT}seed: 12\n")
    studio.wait_for("seed", 12)
    expect(studio.page.locator("#opened")).to_contain_text("dropped.yaml was opened as SFT")
    before = studio.text()
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"\x89PNG\0\0")
    studio.page.locator("#recipes-open input[type=file]").set_input_files(picture)
    expect(studio.page.get_by_test_id("toast-text").first).to_contain_text("no text in UTF-8")
    assert studio.text() == before


# Presets --------------------------------------------------------------------------------------------------------


def shown(studio: StudioPage) -> list[str]:
    cards = studio.page.locator("#presets [data-preset]:visible")
    return [str(key) for key in cards.evaluate_all("all => all.map(one => one.dataset.preset)")]


def test_presets_are_sifted_by_words_method_size_and_purpose(studio: StudioPage) -> None:
    studio.panel("presets")
    assert len(shown(studio)) == len(list((ROOT / "presets").glob("*.yaml")))
    ask = studio.page.locator("[data-ask=words]")
    ask.fill("7b  QLORA")
    assert shown(studio) == ["sft-qlora", "dpo-qlora"]
    studio.page.locator("[data-ask=method]").select_option("dpo")
    assert shown(studio) == ["dpo-qlora"]
    studio.use_preset("dpo-qlora")
    studio.wait_for("load_in_4bit", True)
    assert shown(studio) == ["dpo-qlora"]  # a new drawing forgets nothing
    expect(ask).to_have_value("7b  QLORA")
    ask.fill("nothing like it")
    assert shown(studio) == []
    studio.page.get_by_role("button", name="Show all").click()
    studio.page.locator("[data-ask=purpose]").select_option("Several GPUs")
    assert shown(studio) == ["sft-2gpu", "sft-fsdp2"]
    studio.page.locator("[data-ask=size]").select_option("7B")
    assert shown(studio) == ["sft-fsdp2"]


def test_a_preset_can_be_taken_back(studio: StudioPage) -> None:
    before = studio.text()
    studio.use_preset("kto")
    until(studio.page, lambda: studio.text().startswith("# trl kto "))
    studio.page.locator("#presets").get_by_role("button", name="Undo").click()
    until(studio.page, lambda: studio.text() == before, "the form of before")


def test_a_preset_is_saved_used_replaced_and_removed(studio: StudioPage, shared_app: AppProcess) -> None:
    studio.open_text(f"{SFT}seed: 21\nhub_token: hf_secret\n")
    studio.wait_for("seed", 21)
    studio.panel("presets")
    name, said = (
        studio.page.locator("#preset-name input, #preset-name textarea").first,
        studio.page.locator("#preset-said"),
    )
    name.fill("My <b>try</b>")
    studio.page.locator("#preset-save").click()
    expect(said).to_contain_text("Saved as")
    expect(said).to_contain_text("hub_token")
    file = shared_app.home / "presets" / "my-b-try-b.yaml"
    assert yaml.safe_load(file.read_text()) == {
        "model_name_or_path": "a/b",
        "dataset_name": "assets/demo/sft",
        "seed": 21,
    }
    card = studio.page.locator('#presets [data-preset="own:my-b-try-b"]')
    expect(card.locator("b")).to_have_text("My <b>try</b>")
    studio.page.locator("#preset-save").click()
    expect(said).to_contain_text("already")
    studio.choose_method("kto")
    studio.panel("presets")
    studio.page.locator("#preset-replace").click()
    expect(said).to_contain_text("Saved as")
    assert file.read_text().startswith("# trl kto ")
    studio.open()
    studio.use_preset("own:my-b-try-b")
    studio.wait_for("seed", 21)
    remove = studio.page.locator('[data-remove="own:my-b-try-b"]')
    remove.click()
    expect(remove).to_have_text("Remove it?")
    assert file.exists()
    remove.click()
    expect(card).to_have_count(0)
    assert not file.exists()


def test_a_preset_broken_by_hand_is_said(studio: StudioPage, shared_app: AppProcess) -> None:
    file = shared_app.home / "presets" / "broken.yaml"
    file.write_text("# trl sft --config broken.yaml\nseed: [1,\n")
    try:
        studio.panel("presets")
        expect(studio.page.locator("#presets .ts-finding")).to_contain_text("broken.yaml is no YAML")
        before = studio.text()
        studio.page.locator('#presets [data-preset="own:broken"]').click()
        expect(studio.page.get_by_test_id("toast-text").first).to_contain_text("broken.yaml is no YAML")
        assert studio.text() == before
    finally:
        file.unlink()


# Comparing ------------------------------------------------------------------------------------------------------


def test_the_recipe_compared_with_a_preset_defaults_and_itself(studio: StudioPage) -> None:
    studio.use_preset("dpo")
    studio.wait_for("learning_rate", 5e-7)
    studio.panel("compare")
    table = studio.page.locator("#compared")
    expect(table).to_contain_text("Nothing to compare with yet")
    choose(studio.page.locator("#compare-with"), "Preset: DPO with LoRA: prefer the better of two answers")
    expect(table).to_contain_text("4 differences")
    assert table.locator("tbody th").all_inner_texts() == ["learning_rate", "use_peft", "lora_r", "lora_alpha"]
    studio.tab("training")
    studio.type("learning_rate", "5e-6")
    studio.wait_for("learning_rate", 5e-6)
    studio.tab("recipes")
    expect(table).to_contain_text("3 differences")
    choose(studio.page.locator("#compare-with"), "Preset: DPO: prefer the better of two answers")
    expect(table).to_contain_text("1 difference ·")
    studio.use_preset("dpo")
    studio.panel("compare")
    expect(table).to_contain_text("No differences")
