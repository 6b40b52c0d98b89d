"""The LoRA tab in a real browser: numbers that follow every edit, targets by the model's own names, continuing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from app_process import ROOT, AppProcess, app
from browser import open_page
from playwright.sync_api import Locator, expect
from run_lab import RunLab, wait_until
from studio_page import PATIENCE, StudioPage

pytestmark = pytest.mark.browser
LONG = 90_000  # ms: the first look at a model imports the libraries


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lora") / "home"


@pytest.fixture(scope="module")
def shared_app(catalog_folder: Path, home: Path) -> Iterator[AppProcess]:
    with app(home, catalog_folder) as started:
        yield started


@pytest.fixture
def studio(shared_app: AppProcess) -> Iterator[StudioPage]:
    """A browser of its own for each test: none finds the form that another has left."""
    with open_page(shared_app.url) as opened:
        yield StudioPage(opened, shared_app.url).open()
        assert opened.errors == []
        assert opened.external == []


def numbers(studio: StudioPage) -> Locator:
    return studio.page.locator("#lora-numbers")


def target(studio: StudioPage, name: str) -> Locator:
    return studio.page.locator(f'#lora-targets [data-name="{name}"]')


def switched_on(studio: StudioPage) -> StudioPage:
    """LoRA on, with the numbers there."""
    studio.tab("lora")
    expect(numbers(studio)).to_contain_text("all of it", timeout=LONG)
    studio.control("use_peft").locator("input").check()
    expect(numbers(studio)).to_contain_text("14.3 k of 512 k")
    return studio


def test_off_says_what_full_training_takes_and_what_lora_would(studio: StudioPage) -> None:
    studio.tab("lora")
    expect(numbers(studio)).to_contain_text("512 k all of it", timeout=LONG)
    expect(numbers(studio)).to_contain_text("rank 16 on q_proj, v_proj would train 14.3 k (2.72 %) and save 57 kB")
    expect(studio.page.locator("#lora-targets button")).to_have_count(0)
    expect(studio.control("lora_r")).to_be_hidden()


def test_numbers_follow_every_edit(studio: StudioPage) -> None:
    switched_on(studio)
    expect(numbers(studio)).to_contain_text("57 kB")
    studio.type("lora_r", "8")
    expect(numbers(studio)).to_contain_text("7.17 k of 512 k")
    expect(numbers(studio)).to_contain_text("29 kB")
    studio.control("use_dora").locator("input").check()
    expect(numbers(studio)).to_contain_text("7.55 k of 512 k")
    studio.control("use_peft").locator("input").uncheck()
    expect(numbers(studio)).to_contain_text("512 k all of it")
    studio.wait_for("use_peft", None)


def test_targets_are_pressed_by_their_own_names(studio: StudioPage) -> None:
    switched_on(studio)
    expect(target(studio, "q_proj")).to_have_attribute("aria-pressed", "true")
    expect(target(studio, "gate_proj")).to_have_attribute("aria-pressed", "false")
    target(studio, "gate_proj").click()
    studio.wait_for("lora_target_modules", ["q_proj", "v_proj", "gate_proj"])
    expect(studio.control("lora_target_modules")).to_contain_text("gate_proj")
    expect(numbers(studio)).to_contain_text("6 of 14 modules")
    target(studio, "gate_proj").click()
    target(studio, "v_proj").click()
    studio.wait_for("lora_target_modules", [r".*\.q_proj"])
    expect(numbers(studio)).to_contain_text("2 of 14 modules")
    expect(studio.card.locator(".ts-finding.error")).to_have_count(0)
    expect(target(studio, "v_proj")).to_be_focused()


def test_common_choices_are_one_press(studio: StudioPage) -> None:
    switched_on(studio)
    for what, value in (("all", ["all-linear"]), ("attention", ["q_proj", "k_proj", "v_proj", "o_proj"])):
        button = studio.page.locator(f"[data-lora={what}]")
        button.click()
        studio.wait_for("lora_target_modules", value)
        expect(button).to_have_attribute("aria-pressed", "true")
    studio.page.locator("[data-lora=default]").click()
    studio.wait_for("lora_target_modules", None)
    expect(numbers(studio)).to_contain_text("4 of 14 modules")


def test_a_single_name_is_caught_with_its_cure(studio: StudioPage) -> None:
    switched_on(studio)
    box = studio.box("lora_target_modules")
    box.fill("q_proj")
    box.press("Enter")
    found = studio.finding("is read as a pattern for whole names")
    expect(found).to_be_visible()
    expect(numbers(studio)).to_contain_text("The recipe card has the cure")
    found.locator("[data-do^=apply]").click()
    studio.wait_for("lora_target_modules", [r".*\.q_proj"])
    expect(numbers(studio)).to_contain_text("2 of 14 modules")


def test_reward_counts_the_score_head(studio: StudioPage) -> None:
    switched_on(studio)
    studio.choose_method("reward")
    studio.settle().tab("lora")
    studio.control("use_peft").locator("input").check()
    studio.wait_for("lora_task_type", "SEQ_CLS")
    expect(numbers(studio)).to_contain_text("14.5 k of 512 k")  # 128 more than the same adapter on text


def test_quantization_says_what_it_needs_and_stays_for_elsewhere(studio: StudioPage) -> None:
    studio.tab("lora")
    control = studio.control("load_in_4bit")
    expect(control).to_contain_text("Needs an NVIDIA GPU and the package bitsandbytes: neither is here.")
    expect(control.locator("input")).to_be_disabled()
    studio.switch("elsewhere")
    expect(control.locator("input")).to_be_enabled()
    control.locator("input").check()
    expect(studio.control("bnb_4bit_quant_type")).to_be_visible()


def test_unknown_model_is_said_calmly(studio: StudioPage) -> None:
    studio.tab("model")
    studio.type("model_name_or_path", "nobody/unknown-model")
    studio.tab("lora")
    expect(numbers(studio)).to_contain_text("cannot be reached", timeout=LONG)
    studio.control("use_peft").locator("input").check()
    expect(studio.page.locator("#lora-targets button")).to_have_count(0)


def test_an_adapter_of_a_run_is_continued_with_one_press(studio: StudioPage, home: Path) -> None:
    folder = left_by_a_run(home)
    studio.page.goto("about:blank")  # the page that is left complains of its own open requests
    studio.opened.errors.clear()
    studio.open()
    studio.tab("lora")
    offer = studio.page.locator("#lora-continue [data-continue]").first
    expect(offer).to_contain_text("step 4 · rank 8")
    offer.click()
    studio.wait_for("resume_from_checkpoint", str(folder))
    recipe = studio.recipe()
    assert (recipe["lora_r"], recipe["max_steps"], recipe["use_peft"]) == (8, 240, True)
    expect(studio.page.locator("#lora-continue")).to_contain_text("Goes on from")
    studio.page.locator("#lora-continue button").click()
    studio.wait_for("resume_from_checkpoint", None)
    box = studio.page.locator("#lora-continue-folder input, #lora-continue-folder textarea").first
    box.fill(str(home / "nowhere"))
    box.press("Enter")
    expect(studio.page.get_by_text("There is no folder")).to_be_visible(timeout=PATIENCE * 1000)


def left_by_a_run(home: Path) -> Path:
    """A checkpoint with an adapter, in the folder of a run that has ended."""
    lab = RunLab(home)
    run = lab.start("sft-09", steps=2)
    wait_until(lambda: run.state() == "finished")
    lab.close()
    folder = run.folder / "output" / "checkpoint-4"
    folder.mkdir(parents=True, exist_ok=True)
    told = {
        "peft_type": "LORA",
        "r": 8,
        "lora_alpha": 16,
        "task_type": "CAUSAL_LM",
        "target_modules": ["q_proj", "o_proj"],
        "base_model_name_or_path": str(ROOT / "assets/demo/model"),
    }
    (folder / "adapter_config.json").write_text(json.dumps(told), encoding="utf-8")
    (folder / "trainer_state.json").write_text('{"global_step": 4, "epoch": 0.1}', encoding="utf-8")
    return folder
