"""Search on the page, in a real browser: found as one types, by keys and mouse, and calm where the Hub is not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from app_process import ROOT, AppProcess, app
from browser import Opened, open_page
from fakehub import FakeHub, running, silent
from hub_shelf import fill
from playwright.sync_api import Locator, expect
from studio_page import StudioPage, until

pytestmark = [pytest.mark.browser, pytest.mark.slow]
DEMO = ROOT / "assets/demo/model"  # as the recipe for this machine has it
_BOXES = {
    "model": ("model_name_or_path", "model"),
    "teacher": ("teacher_model_name_or_path", "model"),
    "reward": ("reward_model_name_or_path", "training"),
}


@pytest.fixture(scope="module")
def hub() -> Iterator[FakeHub]:
    with running(fill(FakeHub())) as served:
        yield served


@pytest.fixture(scope="module")
def shared_app(catalog_folder: Path, tmp_path_factory: pytest.TempPathFactory, hub: FakeHub) -> Iterator[AppProcess]:
    home = tmp_path_factory.mktemp("search") / "home"
    (home / "datasets" / "uploads").mkdir(parents=True)
    row = json.dumps({"prompt": "hi", "completion": "ho"})
    (home / "datasets" / "uploads" / "own-pairs.jsonl").write_text(f"{row}\n{row}\n")
    here = {"HF_ENDPOINT": hub.url, "TRL_STUDIO_VIEWER": hub.viewer, "HF_HUB_OFFLINE": "0"}
    with app(home, catalog_folder, HF_HUB_DISABLE_TELEMETRY="1", **here) as started:
        yield started


@pytest.fixture(scope="module")
def browser_page(shared_app: AppProcess) -> Iterator[Opened]:
    with open_page(shared_app.url) as opened:
        yield opened


@pytest.fixture
def studio(browser_page: Opened, shared_app: AppProcess, hub: FakeHub) -> Iterator[StudioPage]:
    """A page just opened. Whatever a test does there, the console stays clean and nothing leaves the machine."""
    hub.faults.clear()
    hub.held.clear()
    yield StudioPage(browser_page, shared_app.url).fresh()
    assert browser_page.errors == []
    assert browser_page.external == []


class List:
    """The list under a box: of the `model`, the `teacher`, the `reward` model or the `data`."""

    def __init__(self, studio: StudioPage, which: str) -> None:
        argument, tab = _BOXES.get(which, ("", "data"))
        studio.tab(tab)
        self.root = studio.page.locator(f"#{which}-offers" if argument else "#dataset-search")
        self.box = studio.box(argument) if argument else studio.page.locator("#dataset :is(input, textarea)")
        expect(self.button("Search the Hub")).to_be_visible()

    def type(self, text: str) -> None:
        self.box.fill("")
        self.box.press_sequentially(text)

    def hit(self, name: str) -> Locator:
        return self.root.locator(f'.ts-hit[data-offer="{name}"]')

    def here(self, words: str) -> Locator:
        return self.root.locator(".ts-offer", has_text=words)

    def button(self, words: str) -> Locator:
        return self.root.get_by_role("button", name=words)

    @property
    def hits(self) -> Locator:
        return self.root.locator(".ts-hit")

    @property
    def status(self) -> Locator:
        return self.root.locator(".status")


def test_a_model_is_found_as_one_types_and_fills_the_form(studio: StudioPage, hub: FakeHub) -> None:
    found = List(studio, "model")
    asked = len(hub.searches)
    found.type("org/mini")
    expect(found.hits).to_have_count(7)
    expect(found.status).to_have_text("7 found")
    assert len(hub.searches) - asked <= 3  # not one for each of eight keys
    for words in ("0.49 B parameters · bfloat16 · apache-2.0 · chat template", "900 downloads", "2026-05-01"):
        expect(found.hit("org/mini-chat")).to_contain_text(words)
    expect(found.hit("org/mini-lora")).to_contain_text("Only an adapter: start from org/mini-chat.")
    expect(found.hit("org/mini-gguf")).to_contain_text("TRL trains from safetensors")
    expect(found.hit("org/mini-gated")).to_contain_text("gated, no access yet")  # found out later, by itself
    found.hit("org/mini-chat").click()
    expect(found.box).to_have_value("org/mini-chat")
    studio.wait_for("model_name_or_path", "org/mini-chat")
    expect(found.hits).to_have_count(0)
    expect(studio.page.locator("#model-facts")).to_contain_text("Chat template")


def test_by_keys_alone(studio: StudioPage) -> None:
    found = List(studio, "model")
    found.type("mini-")
    expect(found.hits).to_have_count(7)
    found.box.press("ArrowDown")
    found.box.press("ArrowDown")
    expect(found.hit("org/mini-base")).to_have_class(re.compile("current"))
    expect(found.root.locator(".told")).to_contain_text("org/mini-base")
    found.box.press("ArrowUp")
    found.box.press("ArrowUp")  # past the first: none is chosen
    expect(found.root.locator(".current")).to_have_count(0)
    found.box.press("ArrowDown")
    found.box.press("Escape")
    expect(found.root.locator(".current")).to_have_count(0)
    expect(found.hits).to_have_count(7)
    found.box.press("Escape")
    expect(found.hits).to_have_count(0)
    expect(found.box).to_have_value("mini-")
    found.box.press("ArrowDown")  # opens it again: with what most people take
    expect(found.hits.first).to_contain_text("org/mini-chat")
    found.box.press("ArrowDown")
    found.box.press("Enter")
    studio.wait_for("model_name_or_path", "org/mini-chat")
    expect(found.box).to_be_focused()


def test_a_teacher_is_found_under_its_own_box(studio: StudioPage) -> None:
    studio.choose_method("distillation")
    found, trained = List(studio, "teacher"), studio.recipe().get("model_name_or_path")
    expect(found.here("Demo model")).to_be_hidden()  # takes no room until it is asked
    found.type("org/mini")
    expect(found.hits).to_have_count(7)
    found.hit("org/mini-chat").click()
    expect(found.box).to_have_value("org/mini-chat")
    studio.wait_for("teacher_model_name_or_path", "org/mini-chat")
    expect(found.hits).to_have_count(0)
    expect(studio.page.locator("#model-others")).to_contain_text("0.49 B")
    assert studio.recipe().get("model_name_or_path") == trained
    found.type("demo")
    studio.wait_for("teacher_model_name_or_path", "demo")
    found.here("Demo model").click()
    expect(found.box).to_have_value("assets/demo/model")
    studio.wait_for("teacher_model_name_or_path", str(DEMO))


def test_a_reward_model_is_found_under_its_own_box(studio: StudioPage) -> None:
    studio.choose_method("grpo")
    found = List(studio, "reward")
    found.type("org/mini")
    expect(found.hits).to_have_count(7)
    expect(found.hit("org/mini-judge")).not_to_have_class(re.compile("unfit"))  # a classifier is what is wanted here
    expect(found.hit("org/mini-gguf")).to_have_class(re.compile("unfit"))
    found.hit("org/mini-judge").click()
    expect(found.box).to_have_value("org/mini-judge")
    studio.wait_for("reward_model_name_or_path", "org/mini-judge")
    expect(studio.page.locator('.ts-rewards [data-name="mini-judge"]')).to_contain_text("reward model")
    found.button("Search the Hub").click()
    expect(found.here("Demo model")).to_be_visible()
    found.box.press("ArrowDown")
    found.box.press("Enter")
    expect(found.box).to_have_value("assets/demo/model")
    studio.wait_for("reward_model_name_or_path", str(DEMO))


def test_filters_and_order(studio: StudioPage, hub: FakeHub) -> None:
    found = List(studio, "model")
    found.button("Search the Hub").click()
    expect(found.hits).to_have_count(7)
    expect(found.root.locator(".filters")).to_be_hidden()
    found.button("Filters").click()
    found.root.get_by_label("Licence").select_option("mit")
    expect(found.hits).to_have_count(1)
    found.root.get_by_label("Licence").select_option("")
    found.root.get_by_label("Size").select_option("max:1B")
    expect(found.hits).to_have_count(2)
    found.root.get_by_label("Task").select_option("text-classification")
    expect(found.hits).to_have_count(1)
    found.root.get_by_label("Library").select_option("peft")
    expect(found.status).to_have_text("Nothing on the Hub fits.")
    found.root.get_by_label("Order").select_option("likes")
    until(studio.page, lambda: hub.searches[-1].get("sort") == ["likes"], "the order")
    # The box has not been left: what is typed there is not looked up yet.
    expect(studio.page.locator("#model-facts")).not_to_contain_text("does not know")
    found.button("Filters").click()
    expect(found.root.locator(".filters")).to_be_hidden()


def test_a_late_answer_does_not_overwrite_a_newer_one(studio: StudioPage, hub: FakeHub) -> None:
    found = List(studio, "model")
    hub.held.add("mini-c")
    found.type("mini-c")
    until(studio.page, lambda: hub.searches and hub.searches[-1].get("search") == ["mini-c"], "the first question")
    found.type("mini-b")
    expect(found.hits).to_have_count(1)
    expect(found.hit("org/mini-base")).to_be_visible()
    with studio.page.expect_response(lambda answer: "component_server" in answer.url and "mini-chat" in answer.text()):
        hub.held.clear()
    expect(found.hits).to_have_count(1)
    expect(found.hit("org/mini-base")).to_be_visible()


def test_the_page_works_on_while_the_hub_hangs(studio: StudioPage, hub: FakeHub) -> None:
    found = List(studio, "model")
    hub.held |= {"hang-1", "hang-12", "hang-123"}
    for text in ("hang-1", "hang-12", "hang-123"):
        found.type(text)
        until(studio.page, lambda text=text: hub.searches[-1].get("search") == [text], text)  # type: ignore[misc]
    expect(found.status).to_have_text("Searching the Hub")
    expect(found.root.locator(".here")).to_contain_text("No model here has that in its name.")
    studio.tab("training")
    studio.type("max_steps", "77")
    studio.wait_for("max_steps", 77)
    hub.held.clear()


def test_a_dataset_is_found_here_and_on_the_hub(studio: StudioPage) -> None:
    found = List(studio, "data")
    expect(found.here("own-pairs.jsonl")).to_be_hidden()
    found.type("pairs")
    expect(found.hits).to_have_count(4)
    expect(found.here("own-pairs.jsonl")).to_contain_text("prompt-completion · 2 rows")
    expect(found.root.locator(".ts-offer")).to_have_count(1)
    expect(found.hit("org/pairs-declared")).to_contain_text(
        "preference · 62,135 rows · 226 MB · 2 subsets · train, test"
    )
    expect(found.hit("org/pairs-sounds")).to_contain_text("It holds audio, no text.")
    expect(found.hit("org/pairs")).to_contain_text("prompt-completion · 4,321 rows")  # from the viewer, later
    expect(found.hit("org/pairs-gated")).to_contain_text("gated, no access yet")
    found.hit("org/pairs").click()
    expect(found.box).to_have_value("org/pairs")
    studio.wait_for("dataset_name", "org/pairs")
    expect(studio.page.locator("#data-preview")).to_contain_text("Rows 1 to 1 of 4,321")
    found.type("own")
    expect(found.here("own-pairs.jsonl")).to_be_visible()
    found.box.press("ArrowDown")
    found.box.press("Enter")
    expect(found.box).to_have_value(re.compile("own-pairs.jsonl$"))
    expect(studio.page.locator("#data-preview")).to_contain_text("Rows 1 to 2 of 2")


def test_a_hub_in_trouble_is_one_calm_line(studio: StudioPage, hub: FakeHub) -> None:
    found = List(studio, "data")
    hub.faults["/api/datasets"] = 503
    found.type("pairs-")
    expect(found.status).to_contain_text("The Hub has no answer right now (status 503).")
    expect(found.here("own-pairs.jsonl")).to_have_count(0)
    found.type("own")
    expect(found.here("own-pairs.jsonl")).to_be_visible()
    found.type("pairs-")
    hub.faults.clear()
    found.button("Ask again").click()
    expect(found.hits).to_have_count(3)


def test_a_hub_that_never_answers(browser_page: Opened, tmp_path: Path, catalog_folder: Path) -> None:
    with silent() as url, app(tmp_path, catalog_folder, HF_ENDPOINT=url, HF_HUB_OFFLINE="0") as started:
        found = List(StudioPage(browser_page, started.url).fresh(), "model")
        found.type("demo")
        expect(found.here("Demo model")).to_be_visible()
        expect(found.status).to_contain_text("The Hub did not answer in time.")
        expect(found.here("Demo model")).to_be_visible()
        browser_page.page.goto("about:blank")


def test_offline_mode_says_so_and_keeps_what_is_here(
    browser_page: Opened, tmp_path: Path, catalog_folder: Path
) -> None:
    with app(tmp_path, catalog_folder) as started:
        studio = StudioPage(browser_page, started.url).fresh()
        found = List(studio, "data")
        found.type("demo")
        expect(found.status).to_have_text("Offline mode is on (HF_HUB_OFFLINE), so the Hub is not searched.")
        expect(found.here("Demo data: sft")).to_be_visible()
        expect(found.root.locator(".hits")).to_be_hidden()
        found.here("Demo data: dpo").click()
        expect(found.box).to_have_value("assets/demo/dpo")
        expect(studio.page.locator("#data-preview")).to_contain_text("Rows 1 to 20 of")
        assert browser_page.errors == []
        browser_page.page.goto("about:blank")
