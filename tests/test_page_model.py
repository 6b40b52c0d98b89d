"""The Model tab in a real browser: what is offered, facts that come by themselves, and every way they may not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from app_process import ROOT, AppProcess, app
from browser import Opened, open_page
from fakehub import FakeHub, Repo, running
from model_files import cached, llama, model_folder, run_folder, safetensors
from playwright.sync_api import Locator, expect
from studio_page import StudioPage

pytestmark = pytest.mark.browser

DEMO = ROOT / "assets/demo/model"
TEMPLATE = (DEMO / "chat_template.jinja").read_bytes()


@pytest.fixture(scope="module")
def hub() -> Iterator[FakeHub]:
    with running(FakeHub()) as served:
        yield served


@pytest.fixture(scope="module")
def shared_app(catalog_folder: Path, tmp_path_factory: pytest.TempPathFactory, hub: FakeHub) -> Iterator[AppProcess]:
    home = tmp_path_factory.mktemp("app") / "home"
    model_folder(run_folder(home, "whole-01", "finished") / "output", chat_template__jinja=TEMPLATE)
    output = run_folder(home, "lora-01", "finished") / "output"
    (output / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "assets/demo/model"}))
    (output / "adapter_model.safetensors").write_bytes(safetensors(a=[4]))
    cache = home / "huggingface/hub"
    cached(cache, "cached/whole", llama(chat_template__jinja=TEMPLATE))
    cached(cache, "cached/branch", llama(), ref="v2")
    with app(home, catalog_folder, HF_ENDPOINT=hub.url, HF_HUB_OFFLINE="0", HF_HUB_DISABLE_TELEMETRY="1") as started:
        yield started


@pytest.fixture(scope="module")
def browser_page(shared_app: AppProcess) -> Iterator[Opened]:
    with open_page(shared_app.url) as opened:
        yield opened


@pytest.fixture
def studio(browser_page: Opened, shared_app: AppProcess, hub: FakeHub) -> Iterator[StudioPage]:
    """The Model tab of a page just opened. Whatever a test does there, the console stays clean."""
    hub.faults.clear()
    page = browser_page.page
    if page.url != "about:blank":
        page.evaluate("localStorage.clear()")  # what the last test left in the form
    page.goto("about:blank")  # the page that is left complains of its own open requests
    browser_page.errors.clear()
    opened = StudioPage(browser_page, shared_app.url).open()
    opened.tab("model")
    yield opened
    assert browser_page.errors == []
    assert browser_page.external == []


def facts(studio: StudioPage) -> Locator:
    return studio.page.locator("#model-facts")


def offer(studio: StudioPage, words: str) -> Locator:
    return studio.page.locator("#model-offers [data-offer]", has_text=words)


def name(studio: StudioPage, text: str) -> None:
    """Types a model's name and presses Enter."""
    studio.box("model_name_or_path").fill(text)
    studio.box("model_name_or_path").press("Enter")


# What is here ----------------------------------------------------------------------------------------------------


def test_what_is_here_is_offered_filtered_and_chosen(studio: StudioPage) -> None:
    for words in ("whole-01", "lora-01", "cached/whole", "cached/branch", "Demo model"):
        expect(offer(studio, words)).to_be_visible()
    expect(offer(studio, "Demo model")).to_have_attribute("aria-pressed", "true")
    box = studio.box("model_name_or_path")
    box.fill("CACHED")
    expect(offer(studio, "whole-01")).to_have_count(0)
    expect(offer(studio, "cached/whole")).to_be_visible()
    box.fill("zzz")
    expect(studio.page.locator("#model-offers")).to_contain_text("No model here has that in its name.")
    box.fill("")
    offer(studio, "cached/branch").click()
    studio.wait_for("model_name_or_path", "cached/branch")
    studio.wait_for("model_revision", "v2")
    expect(box).to_have_value("cached/branch")
    expect(offer(studio, "cached/branch")).to_have_attribute("aria-pressed", "true")
    offer(studio, "whole-01").focus()
    studio.page.keyboard.press("Enter")
    studio.wait_for("model_revision", None)
    expect(box).to_have_value(re.compile("whole-01/output$"))
    expect(facts(studio)).to_contain_text("here already")


def test_an_adapter_is_named_as_such_and_its_base_model_taken(studio: StudioPage) -> None:
    expect(offer(studio, "lora-01")).to_contain_text("adapter")
    offer(studio, "lora-01").click()
    expect(facts(studio)).to_contain_text("Only a LoRA adapter: what was learnt on top of assets/demo/model.")
    found = studio.finding("is only an adapter")
    expect(found).to_have_class(re.compile("error"))
    expect(studio.start).to_have_text("Settle 1 question in Model")
    found.get_by_role("button", name="Start from its base model").click()
    studio.wait_for("model_name_or_path", str(DEMO))
    expect(found).to_have_count(0)


# Facts -----------------------------------------------------------------------------------------------------------


def test_facts_of_the_demo_are_there_without_asking(studio: StudioPage, hub: FakeHub) -> None:
    for words in ("0.51 M · float32", "512 tokens", "920 tokens", "Qwen2ForCausalLM", "2.1 MB, here already"):
        expect(facts(studio)).to_contain_text(words)
    template = studio.page.locator("#model-template")
    expect(template.locator("pre")).to_contain_text(
        "<|im_start|>user\nWhy is the sky blue?<|im_end|>", use_inner_text=True
    )
    expect(template.locator("pre .ts-token").first).to_have_text("<|im_start|>")
    expect(template).to_contain_text("It marks the assistant's turns, so SFT can learn from them alone.")
    assert not any("assets" in request for request in hub.requests)


@pytest.mark.parametrize("leave", ["Enter", "Tab"])
def test_a_model_on_the_hub_is_looked_up_by_itself(studio: StudioPage, hub: FakeHub, leave: str) -> None:
    model = f"org/big-{leave.lower()}-Instruct"
    info = {
        "safetensors": {"parameters": {"BF16": 494_000_000}, "total": 494_000_000},
        "cardData": {"license": "apache-2.0"},
    }
    files = llama(chat_template__jinja=b"<s>{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}")
    hub.models[model] = Repo(info, files, sizes={"model.safetensors": 988_000_000})
    studio.type("model_name_or_path", model)
    expect(facts(studio)).to_contain_text("looked up when you leave the box")
    assert not any(model in request for request in hub.requests)
    studio.page.keyboard.press(leave)
    expect(facts(studio)).to_contain_text("988 MB to download")
    expect(offer(studio, "whole-01")).to_be_visible()  # the name is whole: nothing is filtered any more
    for words in ("Chat model", "0.49 B · bfloat16", "LlamaForCausalLM", "apache-2.0"):
        expect(facts(studio)).to_contain_text(words)
    expect(facts(studio).get_by_role("link")).to_have_attribute("href", f"{hub.url}/{model}")
    template = studio.page.locator("#model-template")
    expect(template.locator("pre")).to_contain_text("user: Why is the sky blue?")
    expect(template).to_contain_text("SFT cannot learn from them alone")


def test_that_the_hub_is_asked_is_said_until_it_answers(studio: StudioPage, hub: FakeHub) -> None:
    """Also where the last edit is answered only after the box was left."""
    hub.models["org/waits"] = Repo({}, llama())
    hub.hanging.add("org/waits")
    try:
        studio.type("model_name_or_path", "org/waits")
        studio.page.keyboard.press("Enter")
        studio.wait_for("model_name_or_path", "org/waits")
        expect(facts(studio)).to_contain_text("Asking the Hub about it.")
        studio.page.wait_for_timeout(1000)
        expect(facts(studio)).to_contain_text("Asking the Hub about it.")
    finally:
        hub.hanging.clear()
    expect(facts(studio)).to_contain_text("to download")


def test_an_opened_recipe_brings_its_models_facts(studio: StudioPage, hub: FakeHub) -> None:
    hub.models["org/opened"] = Repo({}, llama(), revisions={"v9": llama(config__json=b'{"vocab_size": 4711}')})
    studio.open_text(
        "# trl sft --config x.yaml\nmodel_name_or_path: org/opened\nmodel_revision: v9\ndataset_name: assets/demo/sft\n"
    )
    studio.tab("model")
    expect(facts(studio)).to_contain_text("4,711 tokens")
    box = studio.box("model_revision")
    box.fill("v10")
    box.press("Enter")
    expect(facts(studio)).to_contain_text("no such branch, tag or commit")
    expect(studio.finding("no such branch, tag or commit")).to_be_visible()


def test_a_base_model_and_conversations(studio: StudioPage, hub: FakeHub) -> None:
    hub.models["org/plain-base"] = Repo({}, llama())
    name(studio, "org/plain-base")
    expect(facts(studio)).to_contain_text("Base model: no chat template")
    expect(studio.page.locator("#model-template")).to_be_hidden()
    found = studio.finding("has no chat template, and the data are conversations")
    expect(found).to_be_visible()
    studio.open_text(
        "# trl sft --config x.yaml\nmodel_name_or_path: org/plain-base\ndataset_name: assets/demo/sft\n"
        "chat_template_path: assets/demo/model\n"
    )
    studio.tab("model")
    expect(found).to_have_count(0)
    expect(studio.page.locator("#model-template")).to_contain_text("from assets/demo/model")


def test_teacher_and_reward_model_have_their_facts(studio: StudioPage, hub: FakeHub) -> None:
    hub.models["org/score"] = Repo({}, llama(), sizes={"model.safetensors": 5_000_000_000})
    others = studio.page.locator("#model-others")
    expect(others).to_be_hidden()
    studio.choose_method("distillation")
    studio.tab("model")
    expect(others).to_contain_text("0.51 M · float32")
    studio.open_text(
        "# trl grpo --config x.yaml\nmodel_name_or_path: assets/demo/model\ndataset_name: assets/demo/grpo\n"
        "reward_model_name_or_path: org/score\n"
    )
    studio.tab("model")
    expect(others).to_contain_text("Reward model org/score")
    expect(others).to_contain_text("5.0 GB to download")
    expect(studio.finding("org/score is no reward model")).to_be_visible()


# What may go wrong -----------------------------------------------------------------------------------------------


def test_a_gated_model_until_access_is_given(studio: StudioPage, hub: FakeHub) -> None:
    hub.models["org/gated"] = Repo({}, llama(), gated=True)
    name(studio, "org/gated")
    expect(facts(studio)).to_contain_text("gated: accept its conditions on its page, then log in")
    expect(studio.finding("org/gated is gated")).to_have_class(re.compile("error"))
    hub.models["org/gated"].gated = False
    facts(studio).get_by_role("button", name="Ask again").click()
    expect(facts(studio)).to_contain_text("LlamaForCausalLM")
    expect(studio.finding("org/gated is gated")).to_have_count(0)


def test_a_hub_in_trouble_until_it_answers(studio: StudioPage, hub: FakeHub) -> None:
    hub.models["org/later"] = Repo({}, llama())
    hub.faults["/api/models"] = 503
    name(studio, "org/later")
    expect(facts(studio)).to_contain_text("no answer yet")
    expect(studio.card.locator(".ts-finding.error")).to_have_count(0)
    name(studio, "cached/whole")
    expect(facts(studio)).to_contain_text("The Hub did not answer. This is what the local cache says.")
    expect(facts(studio)).to_contain_text("LlamaForCausalLM")
    hub.faults.clear()
    name(studio, "org/later")
    expect(facts(studio)).to_contain_text("no answer yet")  # remembered: it is not asked again at once
    facts(studio).get_by_role("button", name="Ask again").click()
    expect(facts(studio)).to_contain_text("LlamaForCausalLM")


def test_what_is_no_model_is_said_in_words(studio: StudioPage, hub: FakeHub, tmp_path: Path) -> None:
    hub.datasets["org/rows"] = Repo()
    model_folder(tmp_path / "broken", config__json=b"{")
    (tmp_path / "bare").mkdir()
    for typed, said in (
        ("org/nothing", "The Hub does not know the model org/nothing"),
        ("org/rows", "org/rows is a dataset on the Hub"),
        ("https://example.com/x", "is an address"),
        ("two words", "is no name on the Hub"),
        ("<b>x</b>/<i>y", "<b>x</b>/<i>y"),
        (str(tmp_path / "nowhere"), "There is no folder"),
        (str(tmp_path / "bare"), "there is no config.json in it"),
    ):
        name(studio, typed)
        expect(facts(studio)).to_contain_text(said)
        expect(facts(studio).locator("b, i")).to_have_count(0)
        expect(studio.page.locator("#model-template")).to_be_hidden()
    name(studio, str(tmp_path / "broken"))
    expect(studio.finding("cannot be loaded")).to_contain_text("config.json cannot be read")
    studio.box("model_name_or_path").fill("")
    expect(facts(studio)).to_contain_text("No model yet")
    expect(studio.start).to_have_text("Choose a model")


def test_an_edit_after_enter_reaches_the_recipe(studio: StudioPage) -> None:
    name(studio, "assets/demo/model")
    studio.box("model_name_or_path").press("Backspace")
    studio.wait_for("model_name_or_path", "assets/demo/mode")
