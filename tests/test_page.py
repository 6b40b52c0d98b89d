"""The form in a real browser: every tab, opening recipes, data, what is wrong and its cure, and what is exported."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from app_process import ROOT, AppProcess, app
from browser import Opened, open_page
from playwright.sync_api import expect
from studio_page import FORM_TABS, StudioPage, until

pytestmark = pytest.mark.browser

ARTIFACTS = Path(__file__).resolve().parent / "artifacts"
ESSENTIALS = {
    "method": ("What do you have?", "Supervised fine-tuning", "What is the capital of Peru?", "TRL documentation"),
    "model": ("Model", "Weights are loaded as", "Here already, no download"),
    "data": ("Dataset", "Train split", "Rows 1 to 20 of 432", "Yes: SFT can learn from this"),
    "training": ("Epochs", "Batch per device", "Learning rate", "Evaluate", "Save checkpoints"),
    "lora": ("Train a LoRA adapter", "4-bit weights"),
    "compute": ("Processes", "bfloat16", "TRL's profiles"),
    "launch": ("Tags", "Run name", "Seed", "Push the model to the Hub"),
    "options": ("Everything that SFT can be told", "learning_rate", "The initial learning rate", "Non-default"),
    "recipes": ("Save this recipe as a preset", "DPO with LoRA"),
    "runs": ("No run yet",),
}
SFT = "# trl sft --config x.yaml\nmodel_name_or_path: a/b\ndataset_name: assets/demo/sft\n"


@pytest.fixture(scope="module")
def shared_app(catalog_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppProcess]:
    with app(tmp_path_factory.mktemp("app") / "home", catalog_folder) as started:
        yield started


@pytest.fixture(scope="module")
def browser_page(shared_app: AppProcess) -> Iterator[Opened]:
    with open_page(shared_app.url) as opened:
        opened.page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=shared_app.url.rstrip("/"))
        yield opened


@pytest.fixture
def studio(browser_page: Opened, shared_app: AppProcess) -> Iterator[StudioPage]:
    """A page just opened. Whatever a test does there, the console stays clean and nothing leaves this machine."""
    yield StudioPage(browser_page, shared_app.url).fresh()
    assert browser_page.errors == []
    assert browser_page.external == []


# First look -----------------------------------------------------------------------------------------------------


def test_first_open_holds_the_demo_ready_to_start(studio: StudioPage) -> None:
    expect(studio.start).to_have_text("Start training")
    recipe = studio.recipe()
    assert recipe["dataset_name"] == str(ROOT / "assets/demo/sft")
    assert recipe["model_name_or_path"] == str(ROOT / "assets/demo/model")
    assert studio.text().startswith("# trl sft --config recipe.yaml\n")
    expect(studio.card.locator(".ts-finding")).to_have_count(0)
    expect(studio.card).to_contain_text("432 rows")
    expect(studio.card).to_contain_text("16 × 1 × 1 = 16")


def test_every_tab_shows_its_essentials(studio: StudioPage) -> None:
    for tab, words in ESSENTIALS.items():
        studio.tab(tab)
        shown = studio.page.locator("[role=tabpanel]:visible").first
        for word in words:
            expect(shown).to_contain_text(word)
    assert set(ESSENTIALS) >= {*FORM_TABS, "runs"}
    names = studio.page.eval_on_selector_all("button[role=tab]", "all => all.map(e => e.dataset.tabId)")
    assert set(names) == set(ESSENTIALS)


def test_facts_of_the_model_and_the_machine(studio: StudioPage) -> None:
    studio.tab("model")
    facts = studio.page.locator("#model-facts")
    expect(facts).to_contain_text("Qwen2ForCausalLM")
    expect(facts).to_contain_text("It has a chat template")
    studio.type("model_name_or_path", "somebody/some-model")
    studio.box("model_name_or_path").blur()
    expect(facts).not_to_contain_text("Qwen2ForCausalLM")
    studio.tab("compute")
    expect(studio.page.locator("#machine .ts-head, #machine .ts-table").first).to_be_visible()


# Typing ---------------------------------------------------------------------------------------------------------


def test_typed_pasted_deleted_and_filled_texts_reach_the_recipe(studio: StudioPage) -> None:
    studio.switch("elsewhere")
    studio.tab("training")
    box, keyboard = studio.box("learning_rate"), studio.page.keyboard
    studio.type("learning_rate", "5e-4")
    studio.wait_for("learning_rate", 5e-4)
    studio.page.evaluate("navigator.clipboard.writeText('0.125')")
    box.focus()
    keyboard.press("ControlOrMeta+a")
    keyboard.press("ControlOrMeta+v")
    studio.wait_for("learning_rate", 0.125)
    keyboard.press("Backspace")
    studio.wait_for("learning_rate", 0.12)
    box.fill("0.75")
    studio.wait_for("learning_rate", 0.75)
    keyboard.press("ControlOrMeta+a")
    keyboard.press("Delete")
    studio.wait_for("learning_rate", None)
    studio.box("max_steps").fill("12")
    studio.wait_for("max_steps", 12)
    studio.box("max_steps").fill("")
    studio.wait_for("max_steps", None)


def test_a_text_where_a_number_belongs_is_named_and_cured(studio: StudioPage) -> None:
    studio.tab("training")
    studio.type("learning_rate", "quick")
    studio.wait_for("learning_rate", "quick")
    wrong = studio.finding("learning_rate")
    expect(wrong).to_have_class(re.compile("error"))
    expect(studio.start).to_have_text("Settle 1 question in Training")
    studio.tab("method")
    studio.start.click()
    expect(studio.page.locator('button[role=tab][data-tab-id="training"]')).to_have_attribute("aria-selected", "true")
    expect(studio.box("learning_rate")).to_have_value("quick")
    wrong.get_by_role("button", name="Use TRL's default").click()
    studio.wait_for("learning_rate", None)
    expect(studio.box("learning_rate")).to_have_value("2.0e-05")
    expect(wrong).to_have_count(0)
    expect(studio.start).to_have_text("Start training")


def test_questions_lead_from_tab_to_tab_until_all_are_settled(studio: StudioPage) -> None:
    studio.tab("model")
    studio.box("model_name_or_path").fill("")
    expect(studio.start).to_have_text("Choose a model")
    studio.choose_dataset("")
    studio.start.click()
    expect(studio.control("model_name_or_path")).to_be_visible()
    studio.box("model_name_or_path").fill("assets/demo/model")
    expect(studio.start).to_have_text("Choose a dataset")
    studio.choose_dataset("assets/demo/sft")
    expect(studio.start).to_have_text("Start training")


# Methods --------------------------------------------------------------------------------------------------------


def test_the_demo_follows_the_method(studio: StudioPage) -> None:
    for method in ("dpo", "grpo", "kto", "rloo", "reward", "distillation", "sft"):
        studio.choose_method(method)
        studio.wait_for("dataset_name", str(ROOT / "assets/demo" / method))
        assert studio.text().startswith(f"# trl {method} ")
        expect(studio.start).to_have_text("Start training")
        expect(studio.card.locator(".ts-finding.error")).to_have_count(0)


def test_what_another_method_does_not_take_is_said(studio: StudioPage) -> None:
    studio.open_text(f"{SFT}packing: true\n")
    studio.wait_for("packing", True)
    studio.choose_method("dpo")
    studio.wait_for("packing", None)
    expect(studio.card).to_contain_text("DPO does not take packing: kept aside.")
    assert studio.recipe()["model_name_or_path"] == "a/b"
    studio.tab("data")
    expect(studio.page.locator("#data-preview")).to_contain_text("No: DPO would stop on this.")


# Opening --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "# trl dpo --config x.yaml\nmodel_name_or_path: a/b\ndataset_name: assets/demo/dpo\nbeta: 0.25\n",
        "trl dpo \\\n  --model_name_or_path a/b \\\n  --dataset_name assets/demo/dpo \\\n  --beta 0.25\n",
        "accelerate launch --num_processes 1 trl/scripts/dpo.py --model_name_or_path a/b "
        "--dataset_name assets/demo/dpo --beta 0.25",
    ],
    ids=["yaml", "command", "accelerate"],
)
def test_recipes_of_every_kind_open(studio: StudioPage, text: str) -> None:
    studio.open_text(text)
    studio.wait_for("beta", 0.25)
    expect(studio.card).to_contain_text("Opened: the form holds that recipe now.")
    studio.switch("elsewhere")
    shown = {key: value for key, value in studio.recipe().items() if key != "num_processes"}
    assert shown == {"model_name_or_path": "a/b", "dataset_name": "assets/demo/dpo", "beta": 0.25}
    studio.tab("training")
    expect(studio.box("beta")).to_have_value("0.25")
    studio.tab("data")
    expect(studio.page.locator("#dataset input, #dataset textarea").first).to_have_value("assets/demo/dpo")
    expect(studio.page.locator("#data-preview")).to_contain_text("Yes: DPO")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("just some words", "not a mapping of options"),
        ("learning_rate: [1,", "YAML"),
        ("- a\n- b\n", "not a mapping of options"),
        ("trl sft --config '<b>bold</b>.yaml'", "<b>bold</b>.yaml"),
    ],
)
def test_what_is_no_recipe_gives_a_message_and_changes_nothing(studio: StudioPage, text: str, message: str) -> None:
    before = studio.text()
    studio.open_text(text)
    expect(studio.page.get_by_test_id("toast-text").first).to_contain_text(message)
    assert studio.text() == before
    expect(studio.page.locator("#open-text textarea")).to_have_value(text)


def test_every_preset_opens_and_says_what_its_file_says(studio: StudioPage) -> None:
    files = sorted((ROOT / "presets").glob("*.yaml"))
    assert len(files) >= 20
    studio.switch("elsewhere")
    for file in files:
        text = file.read_text("utf-8")
        method = text.split()[2]
        said = yaml.safe_load(text)
        studio.use_preset(file.stem)
        until(studio.page, lambda said=said: _agree(said, studio.recipe()), file.name)  # type: ignore[misc]
        assert studio.text().startswith(f"# trl {method} "), file.name
        wrong = studio.card.locator(".ts-finding.error").all_inner_texts()
        assert wrong == [], file.name


def _agree(said: dict[str, object], shown: dict[str, object]) -> bool:
    """Whether the YAML on the screen has what the file says; what makes a demo run on a CPU may be left out."""
    left_out = {"output_dir", "use_cpu", "bf16"} if str(said.get("model_name_or_path")).startswith("assets/") else set()
    return all(shown.get(key) == value for key, value in said.items() if key not in left_out)


def test_an_unknown_key_is_shown_with_the_one_that_was_meant(studio: StudioPage) -> None:
    studio.open_text(f"{SFT}lerning_rate: 0.01\n")
    found = studio.finding("lerning_rate")
    expect(found).to_contain_text("learning_rate")
    found.get_by_role("button").click()
    studio.wait_for("learning_rate", 0.01)
    studio.wait_for("lerning_rate", None)
    expect(found).to_have_count(0)


# Data -----------------------------------------------------------------------------------------------------------


def test_data_by_path_by_folder_and_what_is_wrong_with_it(studio: StudioPage, tmp_path: Path) -> None:
    preview = studio.page.locator("#data-preview")
    good, bad, folder = tmp_path / "good.jsonl", tmp_path / "bad.jsonl", tmp_path / "folder"
    good.write_text('{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho 1"}]}\n')
    bad.write_text('{"question": "Hi", "reply": "Ho"}\n')
    folder.mkdir()
    (folder / "train.jsonl").write_text(good.read_text())
    studio.choose_dataset(str(good))
    expect(preview).to_contain_text("Ho 1")
    expect(preview).to_contain_text("Yes: SFT can learn from this")
    until(studio.page, lambda: studio.recipe().get("datasets", [{}])[0].get("data_files") == str(good))
    assert "dataset_name" not in studio.recipe()
    studio.choose_dataset(str(folder))
    studio.wait_for("dataset_name", str(folder))
    studio.wait_for("datasets", None)
    studio.choose_dataset(str(bad))
    expect(preview).to_contain_text("No: SFT would stop on this.")
    expect(studio.card.locator(".ts-finding.error").first).to_be_visible()
    expect(studio.start).to_have_text(re.compile("Settle . questions? in Data"))
    studio.choose_dataset(str(tmp_path / "nowhere.jsonl"))
    expect(preview).to_contain_text("nowhere.jsonl")
    expect(studio.start).to_have_text(re.compile("Settle . questions? in Data"))


def test_the_last_name_counts_where_two_are_typed_in_a_row(studio: StudioPage) -> None:
    studio.choose_dataset("somebody/some-data")
    studio.choose_dataset("assets/demo/dpo")
    studio.wait_for("dataset_name", str(ROOT / "assets/demo/dpo"))
    expect(studio.page.locator("#dataset input, #dataset textarea").first).to_have_value("assets/demo/dpo")
    expect(studio.page.locator("#data-preview")).to_contain_text("No: SFT would stop on this.")


def test_splits_and_subset_reach_the_recipe(studio: StudioPage) -> None:
    studio.switch("elsewhere")
    studio.tab("data")
    studio.choose_argument("dataset_train_split", "test")
    studio.wait_for("dataset_train_split", "test")
    expect(studio.page.locator("#data-preview")).to_contain_text("of 72")
    studio.choose_argument("dataset_train_split", "train")
    studio.wait_for("dataset_train_split", None)
    studio.choose_argument("dataset_test_split", "train")
    studio.wait_for("dataset_test_split", "train")
    box = studio.box("dataset_config")
    box.fill("main")
    box.press("Enter")
    studio.wait_for("dataset_config", "main")


def test_an_uploaded_file_is_kept_in_the_home_and_used(
    studio: StudioPage, shared_app: AppProcess, tmp_path: Path
) -> None:
    large, file = tmp_path / "large.jsonl", tmp_path / "mine.csv"
    large.touch()
    os.truncate(large, 5_200_000_000)  # a file with a hole takes no room
    file.write_text("text\nHello there\nGood bye\n")
    studio.tab("data")
    before = studio.recipe()

    def send(path: Path) -> None:
        with studio.page.expect_file_chooser() as chooser:
            studio.page.locator("#data-upload").click()
        chooser.value.set_files(path)

    send(large)
    refused = studio.page.get_by_role("alert").filter(has_text="large.jsonl has 5.2 GB, and at most 5.0 GB are taken.")
    expect(refused).to_contain_text("set TRL_STUDIO_UPLOAD_GB higher")
    assert studio.recipe() == before
    send(file)
    expect(refused).to_have_count(0)
    expect(studio.page.locator("#data-preview")).to_contain_text("Good bye")
    kept = until(studio.page, lambda: studio.recipe().get("datasets", [{}])[0].get("data_files"))
    assert Path(kept).is_relative_to(shared_app.home)
    assert Path(kept).read_text() == file.read_text()


# What leaves the page -------------------------------------------------------------------------------------------


def test_for_elsewhere_holds_only_what_was_chosen(studio: StudioPage) -> None:
    here = studio.recipe()
    assert here["output_dir"] == "output"
    assert {"run_name", "project", "report_to"} <= set(here)
    studio.switch("elsewhere")
    studio.wait_for("run_name", None)
    there = studio.recipe()
    added = {"use_cpu", "bf16", "run_name", "project", "output_dir", "report_to", "num_processes"}
    assert added & set(there) == set()
    assert [value for value in there.values() if str(value).startswith("/")] == []
    expect(studio.start).to_have_text("See it for this machine, to start here")
    studio.start.click()
    expect(studio.start).to_have_text("Start training")
    assert studio.recipe() == here


@pytest.mark.parametrize("place", ["here", "elsewhere"])
@pytest.mark.parametrize("shown", ["yaml", "command"])
def test_copy_and_download_deliver_the_text_on_the_screen(studio: StudioPage, place: str, shown: str) -> None:
    studio.switch(place)
    studio.switch(shown)
    text = studio.text()
    assert text.startswith("# trl sft" if shown == "yaml" else "trl sft")
    studio.press("copy")
    expect(studio.card.locator('[data-do="copy"]')).to_have_text("Copied")
    assert studio.page.evaluate("navigator.clipboard.readText()") == text
    with studio.page.expect_download() as download:
        studio.press("download")
    assert download.value.suggested_filename == ("recipe.yaml" if shown == "yaml" else "train.sh")
    assert Path(download.value.path()).read_text("utf-8") == text


def test_the_command_opens_as_the_recipe_that_it_came_from(studio: StudioPage) -> None:
    studio.switch("elsewhere")
    recipe = studio.recipe()
    studio.switch("command")
    command = studio.text()
    studio.open_text(command)
    expect(studio.card).to_contain_text("Opened: the form holds that recipe now.")
    studio.switch("yaml")
    until(studio.page, lambda: studio.recipe() == recipe, "the same recipe")


# Looks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1280, 800])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_tab_scrolls_sideways(studio: StudioPage, width: int, dark: bool) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    page = studio.page
    try:
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme="dark" if dark else "light")
        studio.open()
        for tab in ESSENTIALS:
            studio.tab(tab)
            if tab != "runs" and width == 1280:
                expect(studio.start).to_be_in_viewport(ratio=1)
                page.evaluate("scrollTo(0, document.scrollingElement.scrollHeight)")
                expect(studio.start).to_be_in_viewport(ratio=1)
                page.evaluate("scrollTo(0, 0)")
            page.screenshot(path=ARTIFACTS / f"{tab}-{width}-{'dark' if dark else 'light'}.png")
            sizes = page.evaluate("[document.scrollingElement.scrollWidth, document.scrollingElement.clientWidth]")
            assert sizes[0] <= sizes[1], tab
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", background)[:3])) < 384) is dark
    finally:
        page.set_viewport_size({"width": 1280, "height": 1000})
        page.emulate_media(color_scheme="light")


def test_light_and_dark_by_the_button_are_remembered(studio: StudioPage) -> None:
    button = studio.page.locator("[data-ts-theme]")
    button.click()
    expect(studio.page.locator("body.dark")).to_have_count(1)
    studio.open()
    expect(studio.page.locator("body.dark")).to_have_count(1)
    studio.page.locator("[data-ts-theme]").click()
    expect(studio.page.locator("body.dark")).to_have_count(0)
    studio.page.evaluate("localStorage.clear()")
