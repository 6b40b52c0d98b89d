"""The studio as a Space: what is pushed, what its owner can do there, and what nobody else can."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requirements
import yaml
from app_process import ROOT, AppProcess, end_runs, environment, free_port, run_processes
from browser import Opened, open_page
from fakehub import FakeHub, running
from oauth_standin import Provider, person, provider
from packaging.requirements import Requirement
from playwright.sync_api import expect
from run_lab import RunLab
from space_lab import Caller, sign_in, space, space_environment
from starlette.requests import Request
from starlette.responses import Response
from studio_page import StudioPage, until

from studio.adapters.processes import ProcessId
from studio.adapters.runs import Run, RunFolders, last_attempt
from studio.domain.states import LIVE

README = (ROOT / "README.md").read_text(encoding="utf-8")
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


@pytest.fixture
def hub() -> Iterator[Provider]:
    with provider(person("ada"), person("bob", ada="read")) as found:
        yield found


# What is pushed --------------------------------------------------------------------------------------------------


def test_requirements_are_those_of_the_project() -> None:
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert text == requirements.requirements(PYPROJECT), "run: python tests/requirements.py"
    named = re.findall(r"^[\w-]+", text.replace(requirements.HEAD, ""), re.MULTILINE)
    assert {"gradio", "trl", "trackio", "authlib"} <= set(named)
    wanted = tomllib.loads(PYPROJECT)["project"]["dependencies"]
    assert len(named) == len(wanted) + 1


def test_a_stale_file_of_requirements_is_noticed() -> None:
    assert requirements.requirements(PYPROJECT.replace('"trackio>=0.43"', '"trackio>=9"')).count("trackio>=9") == 1
    done = subprocess.run([sys.executable, str(ROOT / "tests" / "requirements.py"), "--check"], timeout=60)
    assert done.returncode == 0


def test_front_matter() -> None:
    found = yaml.safe_load(README.split("---")[1])
    assert README.startswith("---\n")
    assert (ROOT / found["app_file"]).is_file()
    assert found["sdk"] == "gradio"
    # A Space installs this version whatever the requirements say.
    wanted = map(Requirement, tomllib.loads(PYPROJECT)["project"]["dependencies"])
    (gradio,) = (one for one in wanted if one.name == "gradio")
    assert gradio.specifier.contains(found["sdk_version"])
    assert found["python_version"] in ("3.11", "3.12", "3.13")
    assert found["license"] == tomllib.loads(PYPROJECT)["project"]["license"].lower()
    assert found["hf_oauth"] is True
    assert set(found["hf_oauth_scopes"]) == {"read-repos", "gated-repos", "contribute-repos"}
    assert found["hf_oauth_expiration_minutes"] == 480
    assert len(found["short_description"]) <= 60


# What others can have of it: nothing about runs ------------------------------------------------------------------


@pytest.fixture
def secret_runs(tmp_path: Path) -> Iterator[Path]:
    """A home with two runs; only the first one's name is ever sent."""
    home = tmp_path / "home"
    lab = RunLab(home)
    for name in ("first", "never-named"):
        run = lab.create(name, secret="canary-recipe")
        (run.folder / "train.log").write_text("canary-log\n")
        row = {"train/loss": 0.123321, "train/global_step": 1}
        (run.folder / "metrics.jsonl").write_text(f"{row}\n".replace("'", '"'))
        run.update(lambda record: record.update(tags=["canary-tag"]))
    yield home
    lab.close()


CANARIES = ("canary-log", "canary-tag", "never-named")


def test_no_request_of_others_gets_at_a_run(secret_runs: Path, catalog_folder: Path, hub: Provider) -> None:
    before = sorted(secret_runs.joinpath("runs").rglob("*"))
    with space(secret_runs, catalog_folder, hub) as started:
        for name in (None, "bob"):
            with Caller(started.url) as caller:
                if name:
                    caller.sign_in(hub, name)
                said = caller.everything("first")
                assert [word for word in (*CANARIES, "canary-recipe", "0.123321") if word in said] == []
                assert "Only the owner of this Space" in said
                assert "Sign out" in said if name else "Sign in" in said
        with Caller(started.url) as caller:
            caller.sign_in(hub, "ada")
            caller.http.headers["origin"] = "https://evil.example"  # a page of another site, in the owner's browser
            said = caller.everything("first")
            assert [word for word in (*CANARIES, "canary-recipe", "0.123321") if word in said] == []
            assert sorted(secret_runs.joinpath("runs").rglob("*")) == before
            del caller.http.headers["origin"]
            # The same questions of the owner's are answered: what was found above could have been.
            caller.session = "owner"
            said = caller.everything("first", leave_out=("start",))
            assert [word for word in CANARIES if word not in said] == []


class Listening(FakeHub):
    """A Hub that remembers in whose name it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def _fault(self, request: Request) -> Response | None:
        self.names.append(request.headers.get("authorization", "nobody"))
        return super()._fault(request)


def test_the_hub_is_asked_in_the_name_of_whoever_asks(tmp_path: Path, catalog_folder: Path, hub: Provider) -> None:
    with running(Listening()) as asked:
        places = {"HF_ENDPOINT": asked.url, "TRL_STUDIO_VIEWER": asked.viewer, "HF_HUB_OFFLINE": "0"}
        with space(tmp_path / "home", catalog_folder, hub, HF_TOKEN="hf_of_the_space", **places) as started:
            for name in ("nobody", "bob", "ada", "nobody"):
                with Caller(started.url) as caller:
                    if name != "nobody":
                        caller.sign_in(hub, name)
                    del asked.names[:]
                    caller.http.post("/gradio_api/run/inspect", json={"data": ["lab/data", "sft", "", ""]})
                    expected = f"Bearer {hub.tokens[name]}" if name in hub.tokens else "nobody"
                    assert set(asked.names) == {expected}


# In a browser ----------------------------------------------------------------------------------------------------


def use_as_visitor(opened: Opened, url: str) -> None:
    """Builds and exports a recipe, and is led to a Space of one's own."""
    studio = StudioPage(opened, url).open()
    page = studio.page
    expect(studio.start).to_have_text("Sign in to train")
    expect(page.locator("#start-note")).to_contain_text("Only the owner of this Space, ada")
    studio.start.click()
    sign_in(page, "bob")
    studio = StudioPage(opened, url).open()
    expect(studio.start).to_have_text("Duplicate this Space to train")
    expect(studio.start).to_have_attribute("href", "https://huggingface.co/spaces/ada/studio?duplicate=true")
    expect(page.locator("#start-note")).to_contain_text("You are signed in as bob")
    studio.tab("training")
    studio.type("learning_rate", "0.0042")
    studio.wait_for("learning_rate", 0.0042)
    studio.switch("elsewhere")
    with page.expect_download() as download:
        studio.press("download")
    assert "learning_rate: 0.0042" in Path(download.value.path()).read_text()
    studio.tab("runs")
    expect(page.locator("#runs-list")).to_contain_text("Only the owner of this Space, ada")
    expect(page.locator("#run-head")).to_have_count(0)
    page.get_by_role("link", name="Sign out").click()
    expect(page.locator(".ts-top")).to_contain_text("Sign in")
    expect(page.locator(".ts-top")).not_to_contain_text("bob")
    # The page that came after signing out is at the tab that was left: it is there only then.
    expect(page.locator('button[role=tab][data-tab-id="runs"]')).to_have_attribute("aria-selected", "true")


def start_as_owner(opened: Opened, url: str, home: Path) -> Run:
    """Signs in and starts the demo."""
    studio = StudioPage(opened, url).open()
    sign_in(studio.page, "ada")
    studio = StudioPage(opened, url).open()
    studio.tab("method")
    studio.switch("here")  # the browser has kept what the visitor did
    expect(studio.start).to_have_text("Start training")
    note = studio.page.locator("#start-note")
    expect(note).to_contain_text("Sleep or a restart of this Space ends it")
    expect(note).to_contain_text(re.compile(r"ends at \d\d:\d\d UTC, in 7 h 5\d min"))
    name = studio.recipe()["run_name"]
    studio.start.click()
    expect(studio.page.locator("#run-title")).to_contain_text(name)
    return Run(home / "runs" / name)


def variables(process: ProcessId) -> dict[str, str]:
    """The environment that a process was started with."""
    raw = Path(f"/proc/{process.pid}/environ").read_bytes().decode()
    return dict(entry.split("=", 1) for entry in raw.split("\0") if "=" in entry)


def check_environment(run: Run, hub: Provider, opened: Opened) -> None:
    """The trainer has the owner's sign-in in its environment, and trackio's settings for a Space."""
    until(opened.page, lambda: len(last_attempt(run.record())["trainers"]) > 0, "a trainer", 120)
    (trainer,) = (ProcessId.from_json(one) for one in last_attempt(run.record())["trainers"])
    assert trainer is not None
    found = variables(trainer)
    assert found["HF_TOKEN"] == hub.tokens["ada"]
    assert found["OAUTH_CLIENT_SECRET"] == ""
    assert found["TRACKIO_SQLITE_LOCKING_MODE"] == "normal"
    assert found["TRACKIO_SQLITE_JOURNAL_MODE"] == "wal"


def check_quiet(opened: Opened) -> None:
    """No script failed, and others were asked only what Gradio's page of any Space asks: the Hub, and for its fonts."""
    # Leaving a page breaks its streams off, and without a network Gradio says that the Hub knows no such Space.
    known = ("Failed to load resource", "Space not found", "AbortError", "Connection errored out")
    assert [error for error in opened.errors if not any(words in error for words in known)] == []
    asked = {urlsplit(url).hostname for url in opened.external}
    assert asked <= {"huggingface.co", "fonts.googleapis.com", "fonts.gstatic.com"}


@pytest.mark.browser
def test_owner_and_visitor(tmp_path: Path, catalog_folder: Path, hub: Provider) -> None:
    home = tmp_path / "home"
    with space(home, catalog_folder, hub) as started:
        url = f"http://localhost:{started.port}/"
        with open_page(url) as opened:
            use_as_visitor(opened, url)
            assert RunFolders(home / "runs").list() == []
            run = start_as_owner(opened, url, home)
            check_environment(run, hub, opened)
            opened.page.locator("#stop-now").click()
            until(opened.page, lambda: not run_processes(run), "the end", 60)
            check_quiet(opened)


@pytest.mark.browser
@pytest.mark.slow
def test_as_it_is_pushed(tmp_path: Path, hub: Provider) -> None:
    """The tracked files in a folder, their requirements in an environment of their own, and a run to its end."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    app_folder, home = tmp_path / "app", tmp_path / "home"
    for name in filter(lambda name: (ROOT / name).is_file(), listed.stdout.splitlines()):
        (app_folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, app_folder / name)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    gradio = f"gradio=={yaml.safe_load(README.split('---')[1])['sdk_version']}"
    install = [str(python), "-m", "pip", "install", "--quiet", gradio, "-r", "requirements.txt"]
    subprocess.run(install, cwd=app_folder, check=True)
    port = free_port()
    env = environment(home, **space_environment(hub), GRADIO_SERVER_PORT=str(port), TRL_STUDIO_HOME=str(home))
    env = {name: value for name, value in env.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    env["PATH"] = f"{python.parent}{os.pathsep}{env['PATH']}"
    home.mkdir()
    with (home / "app.log").open("wb") as log:
        process = subprocess.Popen(
            [str(python), "app.py"], cwd=app_folder, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    started = AppProcess(home, port, process, home / "app.log")
    try:
        started.wait_for()
        url = f"http://localhost:{port}/"
        with open_page(url) as opened:
            use_as_visitor(opened, url)
            run = start_as_owner(opened, url, home)
            check_environment(run, hub, opened)
            # trackio alone would keep its database locked on a Space: the page reads it while the run goes.
            chart = opened.page.locator('#run-charts .ts-chart[data-chart="loss"]').first
            expect(chart).to_have_attribute("data-points", re.compile("[1-9]"), timeout=300_000)
            assert run.state() in LIVE
            state = opened.page.locator("#run-head .ts-state")
            expect(state).to_have_text("Finished", timeout=300_000)
            assert (run.folder / "output" / "model.safetensors").is_file()
            check_quiet(opened)
    finally:
        started.end(kill=True)
        end_runs(home)
