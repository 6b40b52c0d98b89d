"""Tokens: planted ones are used by a run and stand nowhere but in the environment of its processes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from app_process import AppProcess, app, run_processes
from browser import Opened, open_page
from oauth_standin import Provider, person, provider
from playwright.sync_api import expect
from space_lab import sign_in, space
from studio_page import StudioPage, until

from studio.adapters.processes import ProcessId
from studio.adapters.runs import Run, last_attempt

pytestmark = pytest.mark.browser

CANARY = "hf_canaryOfTheEnvironment123456789"
TABS = ("method", "model", "data", "training", "lora", "compute", "launch", "runs")


@pytest.fixture
def hub() -> Iterator[Provider]:
    with provider(person("ada")) as found:
        yield found


def found_in(folder: Path, words: list[str]) -> list[str]:
    """The files below a folder that hold one of the words."""
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and any(word.encode() in path.read_bytes() for word in words)
    ]


def told(process: ProcessId, what: str) -> str:
    """The arguments (`cmdline`) or the environment (`environ`) of a process; `` where it has gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process.pid}/{what}").read_bytes().decode(errors="replace").replace("\0", " ")
    return ""


@contextlib.contextmanager
def recorded(url: str, har: Path) -> Iterator[Opened]:
    """A page whose every request and answer is written down."""
    with open_page("about:blank") as opened:
        browser = opened.page.context.browser
        assert browser is not None
        context = browser.new_context(record_har_path=har, record_har_content="embed")
        yield Opened(context.new_page())
        context.close()  # writes the file


def start_a_run(studio: StudioPage, home: Path) -> Run:
    """Looks at everything there is, and starts a short run."""
    for tab in TABS:
        studio.tab(tab)
    studio.tab("training")
    studio.type("max_steps", "4")
    studio.wait_for("max_steps", 4)
    name = studio.recipe()["run_name"]
    expect(studio.start).to_have_text("Start training")
    studio.start.click()
    expect(studio.page.locator("#run-title")).to_contain_text(name)
    return Run(home / "runs" / name)


def watch(studio: StudioPage, run: Run, started: AppProcess, words: list[str], used: str) -> None:
    """Follows the run to its end, and looks at the processes on the way."""
    supervisor = ProcessId.from_json(last_attempt(run.record())["supervisor"])
    assert supervisor is not None
    until(studio.page, lambda: last_attempt(run.record())["trainers"], "a trainer", 180)
    here = [supervisor, *run_processes(run)]
    app_itself = ProcessId.of(started.process.pid)
    assert app_itself is not None
    for process in (*here, app_itself):
        assert [word for word in words if word in told(process, "cmdline")] == []
    (trainer,) = (ProcessId.from_json(one) for one in last_attempt(run.record())["trainers"])
    assert trainer is not None
    assert f"HF_TOKEN={used} " in told(trainer, "environ"), "the run should have had it"
    expect(studio.page.locator("#run-head .ts-state")).to_have_text("Finished", timeout=240_000)
    expect(studio.page.locator("#run-log")).to_contain_text("4/4")


def held(opened: Opened) -> str:
    """All that the browser keeps."""
    storage = opened.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    return str(storage) + json.dumps(opened.page.context.cookies())


def test_a_token_of_this_machine_is_seen_nowhere(tmp_path: Path, catalog_folder: Path) -> None:
    home, har = tmp_path / "home", tmp_path / "page.har"
    with app(home, catalog_folder, HF_TOKEN=CANARY) as started:
        with recorded(started.url, har) as opened:
            studio = StudioPage(opened, started.url).open()
            run = start_a_run(studio, home)
            watch(studio, run, started, [CANARY], CANARY)
            assert CANARY not in held(opened)
        assert found_in(home, [run.id]), "the search finds what is there"
        assert found_in(home, [CANARY]) == []
        text = har.read_text(encoding="utf-8")
        assert run.id in text
        assert CANARY not in text


@pytest.mark.slow
@pytest.mark.parametrize("secret", ["", CANARY], ids=["sign-in", "secret"])
def test_the_owners_tokens_are_seen_nowhere_on_a_space(
    tmp_path: Path, catalog_folder: Path, hub: Provider, secret: str
) -> None:
    home, har = tmp_path / "home", tmp_path / "page.har"
    more = {"HF_TOKEN": secret} if secret else {}
    with space(home, catalog_folder, hub, **more) as started:
        url = f"http://localhost:{started.port}/"
        with recorded(url, har) as opened:
            StudioPage(opened, url).open()
            sign_in(opened.page, "ada")
            studio = StudioPage(opened, url).open()
            run = start_a_run(studio, home)
            words = [hub.tokens["ada"], CANARY, hub.environment()["OAUTH_CLIENT_SECRET"]]
            watch(studio, run, started, words, secret or hub.tokens["ada"])
            assert [word for word in words if word in held(opened)] == []
        assert found_in(home, words) == []
        text = har.read_text(encoding="utf-8")
        assert run.id in text
        assert [word for word in words if word in text] == []
