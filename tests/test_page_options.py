"""All options in a real browser: found as one types, edited with the right control, and the recipe follows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from app_process import AppProcess, app
from browser import Opened, open_page
from playwright.sync_api import APIResponse, Locator, Route, expect
from studio_page import StudioPage, until
from test_options import ONE_CHOICE, trial

from studio.domain.arguments import Catalog
from studio.service.options import Option, options_of
from studio.ui.tabs.options import kind

pytestmark = pytest.mark.browser

EACH_KIND = {
    "switch": ("precompute_ref_log_probs", "multi_gpu", "megatron_lm_no_load_optim"),
    "tristate": ("bf16", "hub_private_repo"),
    "choice": ("lr_scheduler_type", "dynamo_mode"),
    "integer": ("max_length", "num_processes"),
    "number": ("beta", "megatron_lm_gradient_clipping"),
    "text": ("hub_revision", "trackio_static_space_id", "fsdp_transformer_layer_cls_to_wrap"),
    "list": ("loss_type", "lora_target_modules", "debug"),
    "yaml": ("loss_weights", "model_init_kwargs", "datasets", "env"),
}


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
    """A page with the list open, over a recipe for elsewhere; the console stays clean."""
    page = fresh(browser_page, shared_app)
    page.switch("elsewhere")
    page.tab("options")
    expect(row(page, "learning_rate")).to_be_visible()
    yield page
    assert browser_page.errors == []
    assert browser_page.external == []


def fresh(opened: Opened, shared_app: AppProcess) -> StudioPage:
    """The page as at a first visit."""
    # On another page of the same server, what the browser keeps of the form is forgotten.
    opened.page.goto(f"{shared_app.url}theme.css")
    opened.page.evaluate("localStorage.clear()")
    opened.errors.clear()
    return StudioPage(opened, shared_app.url).open()


def row(studio: StudioPage, name: str) -> Locator:
    return studio.page.locator(f'[data-option="{name}"]')


def box(studio: StudioPage, name: str) -> Locator:
    return row(studio, name).locator(".edit input, .edit select, .edit textarea")


def said(studio: StudioPage, name: str) -> Locator:
    return row(studio, name).locator(".said")


def search(studio: StudioPage, words: str) -> None:
    studio.page.locator("#options-search").fill(words)


def open_all(studio: StudioPage) -> None:
    button = studio.page.locator("[data-fold]")
    if button.get_attribute("data-fold") == "open":
        button.click()


def found(studio: StudioPage) -> list[str]:
    """The names of the rows that are shown."""
    names: list[str] = studio.page.eval_on_selector_all(
        "[data-option]", "all => all.filter(e => e.offsetParent).map(e => e.dataset.option)"
    )
    return names


def enter(studio: StudioPage, option: Option, text: str) -> None:
    """Makes the control of an option hold `text`, as a person would."""
    control = box(studio, option.name)
    if kind(option) == "switch":
        control.set_checked(text == "true")
    elif kind(option) in ("tristate", "choice"):
        control.select_option(text)
    else:
        control.fill(text)


def accelerate_file(studio: StudioPage) -> dict[str, Any]:
    """The accelerate.yaml that the card shows beside the recipe; empty where it shows none."""
    shown = """document.querySelector('#recipe-card pre[data-name="accelerate.yaml"]')?.textContent ?? ''"""
    return dict(yaml.safe_load(studio.page.evaluate(shown)) or {})


# Finding ---------------------------------------------------------------------------------------------------------


def test_search_by_name_and_by_help(studio: StudioPage, catalog: Catalog) -> None:
    total = len(options_of(catalog, "sft"))
    count = studio.page.locator("#options-count")
    expect(count).to_have_text(f"{total} options")
    expect(count).to_have_attribute("role", "status")
    search(studio, "dataset_num_pr")
    expect(count).to_have_text(f"1 of {total}")
    assert found(studio) == ["dataset_num_proc"]
    search(studio, "--dataset-num-proc")
    assert found(studio) == ["dataset_num_proc"]
    search(studio, "learning rate")
    assert "learning_rate" in found(studio)
    search(studio, "evaluation_strategy")
    assert found(studio) == ["eval_strategy"]
    expect(row(studio, "eval_strategy")).to_contain_text("formerly evaluation_strategy")
    search(studio, "two machines that never met")
    expect(studio.page.locator("#options-list .ts-empty")).to_be_visible()
    assert found(studio) == []
    search(studio, "")
    expect(count).to_have_text(f"{total} options")


def test_match_further_down_in_the_help_is_shown(studio: StudioPage) -> None:
    search(studio, "every_n_layers")
    expect(row(studio, "activation_checkpointing_kwargs").locator(".rest")).to_be_visible()
    search(studio, "activation_checkpointing_kwargs")
    more = row(studio, "activation_checkpointing_kwargs").locator(".more")
    expect(more).to_have_attribute("aria-expanded", "false")
    more.click()
    expect(row(studio, "activation_checkpointing_kwargs").locator(".rest")).to_be_visible()


def test_groups_open_and_close(studio: StudioPage, catalog: Catalog) -> None:
    groups = list(dict.fromkeys(option.group for option in options_of(catalog, "sft")))
    headings = studio.page.locator("#options-list h3 button")
    expect(headings).to_have_count(len(groups))
    assert [text.split("\n")[0].strip() for text in headings.locator("> span").all_inner_texts()] == groups
    expect(headings.nth(0)).to_have_attribute("aria-expanded", "true")
    headings.nth(0).click()
    expect(headings.nth(0)).to_have_attribute("aria-expanded", "false")
    assert found(studio) == []
    open_all(studio)
    assert len(found(studio)) == len(options_of(catalog, "sft"))


def test_filter_shows_what_differs(studio: StudioPage) -> None:
    open_all(studio)
    recipe = set(studio.recipe())
    studio.page.locator('[data-filter="set"]').click()
    assert set(found(studio)) == recipe
    studio.switch("here")
    expect(row(studio, "project")).to_contain_text("added for this machine")
    expect(row(studio, "project").locator(".reset")).to_be_hidden()
    assert {*recipe, "project", "num_processes", "use_cpu"} <= set(found(studio))


def test_keyboard_and_labels(studio: StudioPage) -> None:
    open_all(studio)
    nameless = studio.page.eval_on_selector_all(
        "#options-list .edit input, #options-list .edit select, #options-list .edit textarea",
        "all => all.filter(e => !e.getAttribute('aria-label').includes(e.closest('[data-option]').dataset.option))",
    )
    assert nameless == []
    expect(studio.page.get_by_label("learning_rate, Learning rate")).to_be_visible()
    search(studio, "lora_r")
    studio.page.locator("#options-search").press("Enter")
    expect(box(studio, found(studio)[0])).to_be_focused()


# Editing ---------------------------------------------------------------------------------------------------------


def try_option(studio: StudioPage, option: Option) -> None:
    """Edits a control, sees the recipe say so, or the row why not; resets it, and sees the recipe as it was."""
    name = option.name
    text, meant = trial(option)
    before = studio.recipe().get(name)
    enter(studio, option, text)
    reset = row(studio, name).locator(".reset")
    if option.place == "flag":
        expect(reset).to_be_visible()
        file = accelerate_file(studio)
        changed = file != {"compute_environment": "LOCAL_MACHINE", "distributed_type": "NO"}
        assert changed or "accelerate's command line" in (said(studio, name).text_content() or ""), name
        reset.click()
        until(studio.page, lambda: accelerate_file(studio) == {}, f"{name} out of accelerate.yaml")
    else:
        studio.wait_for(name, meant)
        reset.click()
        studio.wait_for(name, None)
        if before is not None:
            enter(studio, option, str(before))
            studio.wait_for(name, before)
    expect(row(studio, name)).not_to_have_class(re.compile("changed")) if before is None else None


def empty_dpo(studio: StudioPage) -> None:
    """A new recipe of DPO, with every group open."""
    studio.choose_method("dpo")
    studio.press("new")
    until(studio.page, lambda: studio.recipe() == {}, "an empty recipe")
    studio.tab("options")
    expect(row(studio, "beta")).to_be_visible()
    open_all(studio)


def test_a_control_of_each_kind(studio: StudioPage, catalog: Catalog) -> None:
    empty_dpo(studio)
    options = {option.name: option for option in options_of(catalog, "dpo")}
    for sort, names in EACH_KIND.items():
        for name in names:
            assert kind(options[name]) == sort
            try_option(studio, options[name])
    assert studio.recipe() == {}


@pytest.mark.slow
def test_every_control_in_the_browser(studio: StudioPage, catalog: Catalog) -> None:
    empty_dpo(studio)
    options = {option.name: option for option in options_of(catalog, "dpo")}
    assert found(studio) == list(options)
    for name, option in options.items():
        if name in ONE_CHOICE:
            assert box(studio, name).locator("option").all_inner_texts() == [option.default]
        else:
            try_option(studio, option)
    assert studio.recipe() == {}


def test_number_stays_as_typed_and_nonsense_is_named_in_its_row(studio: StudioPage) -> None:
    control = box(studio, "learning_rate")
    control.fill("")
    control.press_sequentially("1e-6")
    studio.wait_for("learning_rate", 1e-6)
    control.blur()
    expect(control).to_have_value("1e-6")
    control.fill("quick <b>x</b>")
    studio.wait_for("learning_rate", "quick <b>x</b>")
    expect(said(studio, "learning_rate")).to_contain_text("must be a number, not the text 'quick <b>x</b>'")
    expect(said(studio, "learning_rate").locator("b")).to_have_count(0)
    expect(control).to_have_attribute("aria-invalid", "true")
    studio.finding("learning_rate").get_by_role("button", name="Use TRL's default").click()
    expect(control).to_have_value("2.0e-05")
    expect(said(studio, "learning_rate")).to_be_empty()
    control.fill("nan")
    expect(said(studio, "learning_rate")).to_contain_text("not nan")
    row(studio, "learning_rate").locator(".reset").click()
    studio.wait_for("learning_rate", None)
    control.fill("")
    control.blur()
    expect(control).to_have_value("2.0e-05")


def test_mapping_is_checked_as_one_types(studio: StudioPage) -> None:
    control, words = box(studio, "model_init_kwargs"), said(studio, "model_init_kwargs")
    control.fill('{"use_cache": ')
    expect(words).to_contain_text("is no mapping yet")
    assert "model_init_kwargs" not in studio.recipe()
    control.fill('{"use_cache": false}')
    expect(words).to_have_text("mapping of 1: use_cache")
    studio.wait_for("model_init_kwargs", {"use_cache": False})
    control.fill('{"use_cache": ')
    expect(words).to_contain_text("is no mapping yet")
    assert studio.recipe()["model_init_kwargs"] == {"use_cache": False}
    # Left like that it is no longer what the recipe says: Start waits, and says why.
    control.blur()
    studio.wait_for("model_init_kwargs", '{"use_cache":')
    expect(studio.finding("model_init_kwargs")).to_have_class(re.compile("error"))
    expect(control).to_have_value('{"use_cache": ')
    control.fill("{a: '<img src=x onerror=alert(1)>', ü: 💥}")
    studio.wait_for("model_init_kwargs", {"a": "<img src=x onerror=alert(1)>", "ü": "💥"})
    expect(row(studio, "model_init_kwargs").locator("img")).to_have_count(0)


def test_text_that_the_recipe_cannot_hold_keeps_start_from_starting(studio: StudioPage) -> None:
    search(studio, "environment variables of")
    search(studio, "")
    open_all(studio)
    box(studio, "env").fill("{A: 1}")
    studio.wait_for("env", {"A": "1"})
    box(studio, "env").fill("{A: 1")
    box(studio, "env").blur()
    expect(studio.finding("env")).to_contain_text("stays as it was")
    assert studio.recipe()["env"] == {"A": "1"}
    box(studio, "hub_revision").fill("x" * 30_000)
    expect(said(studio, "hub_revision")).to_contain_text("too long")
    box(studio, "hub_revision").blur()
    expect(studio.finding("hub_revision")).to_contain_text("too long")
    assert "hub_revision" not in studio.recipe()


def test_condition_is_said_and_what_was_set_comes_back(studio: StudioPage) -> None:
    open_all(studio)
    expect(row(studio, "lora_r").locator(".idle")).to_have_text("Has no effect while use_peft is off.")
    box(studio, "use_peft").check()
    expect(row(studio, "lora_r").locator(".idle")).to_be_empty()
    expect(row(studio, "learning_rate")).to_have_class(re.compile("changed"))
    box(studio, "lora_r").fill("64")
    studio.wait_for("lora_r", 64)
    box(studio, "use_peft").uncheck()
    studio.wait_for("lora_r", None)
    expect(row(studio, "lora_r").locator(".idle")).to_contain_text("Your 64 is kept")
    box(studio, "use_peft").check()
    studio.wait_for("lora_r", 64)
    expect(box(studio, "lora_r")).to_have_value("64")


def test_edits_in_one_moment_all_arrive(studio: StudioPage) -> None:
    open_all(studio)
    names = {"max_steps": "11", "logging_steps": "3", "seed": "7", "save_total_limit": "4", "eval_delay": "2"}
    studio.page.evaluate(
        """names => { for (const [name, text] of Object.entries(names)) {
            const box = document.querySelector(`[data-option="${name}"] input`);
            box.value = text; box.dispatchEvent(new Event('input', {bubbles: true})); } }""",
        names,
    )
    for name, text in names.items():
        studio.wait_for(name, int(text))


# The other tabs --------------------------------------------------------------------------------------------------


def test_edits_show_on_the_other_tabs_and_theirs_here(studio: StudioPage) -> None:
    open_all(studio)
    box(studio, "max_steps").fill("17")
    box(studio, "use_peft").check()
    studio.wait_for("use_peft", True)
    studio.wait_for("max_steps", 17)
    studio.tab("training")
    expect(studio.box("max_steps")).to_have_value("17")
    studio.tab("lora")
    expect(studio.control("lora_r")).to_be_visible()
    expect(studio.control("use_peft").locator("input")).to_be_checked()
    studio.tab("training")
    studio.box("max_steps").fill("23")
    studio.wait_for("max_steps", 23)
    studio.tab("options")
    expect(box(studio, "max_steps")).to_have_value("23")
    studio.choose_method("dpo")
    studio.tab("options")
    expect(row(studio, "loss_weights")).to_be_attached()
    expect(row(studio, "packing")).to_have_count(0)
    open_all(studio)
    expect(box(studio, "max_steps")).to_have_value(re.compile(r"\d+"))


def test_asked_for_an_option_the_list_shows_it(studio: StudioPage) -> None:
    studio.switch("here")
    open_all(studio)
    box(studio, "adam_epsilon").fill("small")
    expect(said(studio, "adam_epsilon")).to_contain_text("must be a number")
    expect(studio.start).to_have_text("Settle 1 question in All options")
    studio.page.locator("[data-fold]").click()
    search(studio, "lora")
    studio.tab("model")
    studio.start.click()
    expect(box(studio, "adam_epsilon")).to_be_focused()
    expect(studio.page.locator("#options-search")).to_have_value("")
    search(studio, "gradient_checkpointing_kwargs")
    row(studio, "gradient_checkpointing_kwargs").locator(".jump").click()
    expect(box(studio, "activation_checkpointing_kwargs")).to_be_focused()


def test_asked_before_it_was_ever_opened(browser_page: Opened, shared_app: AppProcess) -> None:
    studio = fresh(browser_page, shared_app)
    studio.page.evaluate("document.dispatchEvent(new CustomEvent('ts-show-option', {detail: {name: 'adam_beta1'}}))")
    expect(box(studio, "adam_beta1")).to_be_focused()
    assert browser_page.errors == []


def test_an_answer_that_comes_late_takes_nothing_back(studio: StudioPage) -> None:
    open_all(studio)
    studio.tab("training")
    held: list[tuple[Route, APIResponse]] = []
    studio.page.route("**/run/predict*", lambda route: held.append((route, route.fetch())), times=1)
    studio.box("max_steps").fill("11")
    until(studio.page, lambda: held)
    studio.tab("options")
    box(studio, "gradient_accumulation_steps").fill("3")
    studio.wait_for("gradient_accumulation_steps", 3)
    route, response = held[0]
    with studio.page.expect_response("**/run/predict*"):
        route.fulfill(response=response)
    studio.page.evaluate("new Promise((done) => setTimeout(done, 300))")  # for what must not happen
    expect(box(studio, "gradient_accumulation_steps")).to_have_value("3")
    expect(row(studio, "gradient_accumulation_steps")).to_have_class(re.compile("changed"))
    assert studio.recipe()["max_steps"] == 11
    expect(box(studio, "max_steps")).to_have_value("11")
