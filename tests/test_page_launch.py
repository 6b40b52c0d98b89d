"""The Launch tab in a real browser: names, trackers, who is signed in, and a push that is checked before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from app_process import AppProcess, app
from browser import Opened, open_page
from fakehub import FakeHub, Repo, account, running
from playwright.sync_api import Locator, expect
from studio_page import StudioPage

pytestmark = pytest.mark.browser

WRITER, READER = "hf_writersecret", "hf_readersecret"


@pytest.fixture(scope="module")
def hub() -> Iterator[FakeHub]:
    with running(FakeHub()) as served:
        served.accounts[WRITER] = account("ada", orgs={"acme": "write", "readers": "read"})
        served.accounts[READER] = account("bob", "read")
        served.models["ada/taken"] = Repo()
        served.models["openai/gpt"] = Repo()
        yield served


@pytest.fixture(scope="module")
def hub_app(catalog_folder: Path, tmp_path_factory: pytest.TempPathFactory, hub: FakeHub) -> Iterator[AppProcess]:
    """A studio that reaches a Hub; its token lies where `hf auth login` puts it."""
    home = tmp_path_factory.mktemp("launch") / "home"
    with app(home, catalog_folder, HF_ENDPOINT=hub.url, HF_HUB_OFFLINE="0") as started:
        yield started


@pytest.fixture(scope="module")
def browser_page(hub_app: AppProcess) -> Iterator[Opened]:
    with open_page(hub_app.url) as opened:
        yield opened


@pytest.fixture
def studio(browser_page: Opened, hub_app: AppProcess, hub: FakeHub) -> Iterator[StudioPage]:
    sign_in(hub_app, None)
    hub.faults.clear()
    page = StudioPage(browser_page, hub_app.url).fresh()
    page.tab("launch")
    yield page
    assert browser_page.errors == []
    assert browser_page.external == []
    for secret in (WRITER, READER):
        assert secret not in page.page.content()
        assert secret not in page.text()
        assert secret not in hub_app.said()


def sign_in(hub_app: AppProcess, token: str | None) -> None:
    """As `hf auth login` leaves it; None: nobody."""
    file = hub_app.home / "huggingface" / "token"
    file.parent.mkdir(parents=True, exist_ok=True)
    if token is None:
        file.unlink(missing_ok=True)
    else:
        file.write_text(token)


def who(studio: StudioPage) -> Locator:
    return studio.page.locator("#account")


def target(studio: StudioPage) -> Locator:
    return studio.page.locator("#push-target")


def push(studio: StudioPage) -> None:
    studio.box("push_to_hub").check()
    studio.wait_for("push_to_hub", True)


# The run --------------------------------------------------------------------------------------------------------


def test_the_run_is_named_and_its_folder_said(studio: StudioPage, hub_app: AppProcess) -> None:
    named = studio.page.locator("#run-named")
    expect(named).to_contain_text("The run will be called sft-01")
    expect(studio.page.locator("#arg-output_dir")).to_be_hidden()
    studio.box("run_name").fill("my run/1 <b>x</b>")
    studio.wait_for("run_name", "my-run-1-b-x-b")
    expect(named).to_contain_text("Names hold letters, digits, dots and dashes.")
    expect(named).to_contain_text("my-run-1-b-x-b")
    taken = hub_app.home / "runs" / "taken"
    taken.mkdir(parents=True)
    (taken / "run.json").write_text(json.dumps({"id": "taken", "attempts": []}))
    try:
        studio.box("run_name").fill("taken")
        studio.wait_for("run_name", "taken-01")
        expect(named).to_contain_text("That name is taken. The run will be called taken-01")
    finally:
        (taken / "run.json").unlink()
        taken.rmdir()
    studio.switch("elsewhere")
    expect(studio.page.locator("#arg-output_dir")).to_be_visible()
    studio.wait_for("run_name", "taken")


def test_tags_are_kept_as_they_are_typed(studio: StudioPage) -> None:
    box = studio.page.locator("#tags input").first
    for tag in ("<img src=x onerror=alert(1)>", "first try"):
        box.press_sequentially(tag)
        box.press("Enter")
    expect(studio.page.locator("#tags")).to_contain_text("<img src=x onerror=alert(1)>")
    assert "img" not in studio.text()
    expect(studio.page.locator("#tags img")).to_have_count(0)


def test_trackers_that_are_not_installed_are_found_before(studio: StudioPage) -> None:
    expect(studio.page.locator("#trackers")).to_contain_text("trackio used")
    box = studio.box("report_to")
    box.press_sequentially("mlflow")
    box.press("Enter")
    box.press("Escape")
    found = studio.finding("The tracker mlflow needs its package.")
    expect(found).to_contain_text("pip install mlflow")
    expect(studio.page.locator("#trackers")).to_contain_text("mlflow used")
    found.get_by_role("button", name="Leave mlflow out").click()
    expect(found).to_have_count(0)
    expect(studio.start).to_have_text("Start training")


# The Hub --------------------------------------------------------------------------------------------------------


def test_without_a_sign_in_it_says_how(studio: StudioPage, hub_app: AppProcess) -> None:
    expect(who(studio)).to_contain_text("Nobody is signed in to Hugging Face here.")
    expect(who(studio)).to_contain_text("hf auth login")
    assert "trackio_static_space_id" not in studio.recipe()
    push(studio)
    expect(studio.finding("Nobody is signed in to Hugging Face here")).to_be_visible()
    expect(studio.start).to_have_text("Settle 1 question in Launch")
    assert studio.recipe()["trackio_static_space_id"] is False
    sign_in(hub_app, WRITER)
    studio.page.locator("#account-ask").click()
    expect(who(studio)).to_contain_text("Signed in as ada with a token that may write")
    expect(studio.start).to_have_text("Start training")
    studio.box("push_to_hub").uncheck()
    studio.wait_for("trackio_static_space_id", None)


def test_a_writer_chooses_among_the_names_he_may_write_to(studio: StudioPage, hub_app: AppProcess) -> None:
    sign_in(hub_app, WRITER)
    studio.fresh()
    studio.tab("launch")
    expect(who(studio)).to_contain_text("It may write to ada, acme.")
    push(studio)
    expect(target(studio)).to_contain_text("ada/model-SFT will be made")
    expect(studio.box("hub_model_id")).to_have_attribute("placeholder", "model-SFT")
    owner = target(studio).get_by_role("button", name="acme")
    owner.click()
    studio.wait_for("hub_model_id", "acme/model-SFT")
    expect(studio.box("hub_model_id")).to_have_value("acme/model-SFT")
    expect(owner).to_have_attribute("aria-pressed", "true")
    expect(owner).to_be_focused()
    studio.choose_argument("hub_private_repo", "private")
    studio.wait_for("hub_private_repo", True)
    expect(target(studio)).to_contain_text("acme/model-SFT will be made, private")
    studio.box("hub_model_id").fill("ada/taken")
    studio.box("hub_model_id").blur()
    expect(target(studio)).to_contain_text("ada/taken is there already, public")
    expect(studio.start).to_have_text("Start training")


def test_names_that_cannot_be_pushed_to(studio: StudioPage, hub_app: AppProcess) -> None:
    sign_in(hub_app, WRITER)
    studio.fresh()
    studio.tab("launch")
    push(studio)
    box = studio.box("hub_model_id")
    box.fill("openai/gpt")
    box.blur()
    found = studio.finding("openai/gpt is somebody else's.")
    expect(found).to_contain_text("ada may not write to openai")
    found.get_by_role("button", name="Push to ada/gpt").click()
    studio.wait_for("hub_model_id", "ada/gpt")
    for typed, words in (("my model", "has a blank in it"), ("a/b/c", "3 parts"), ("<b>x</b>", "sign <")):
        box.fill(typed)
        expect(studio.finding(words)).to_be_visible()
    box.fill("https://huggingface.co/ada/new-model")
    studio.wait_for("hub_model_id", "ada/new-model")
    expect(studio.start).to_have_text("Start training")


def test_a_token_that_may_only_read(studio: StudioPage, hub_app: AppProcess) -> None:
    sign_in(hub_app, READER)
    studio.fresh()
    studio.tab("launch")
    expect(who(studio)).to_contain_text("Signed in as bob with a token that may only read")
    push(studio)
    found = studio.finding("The token of this machine may only read.")
    expect(found).to_contain_text("huggingface.co/settings/tokens")
    found.get_by_role("button", name="Do not push").click()
    studio.wait_for("push_to_hub", None)
    expect(studio.start).to_have_text("Start training")


def test_a_token_that_the_hub_refuses_and_a_hub_that_is_away(
    studio: StudioPage, hub_app: AppProcess, hub: FakeHub
) -> None:
    sign_in(hub_app, "hf_expired")
    push(studio)
    studio.page.locator("#account-ask").click()
    expect(who(studio)).to_contain_text("Hugging Face refuses the token kept by hf auth login")
    expect(studio.finding("Hugging Face refuses the token of this machine.")).to_be_visible()
    sign_in(hub_app, WRITER + "x")
    hub.faults["/api/whoami-v2"] = 503
    studio.page.locator("#account-ask").click()
    expect(who(studio)).to_contain_text("The Hub answered with status 503.")
    expect(studio.finding("Whether the push is allowed could not be asked.")).to_be_visible()
    expect(studio.start).to_have_text("Start training")
