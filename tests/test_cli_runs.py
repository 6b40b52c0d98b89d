"""The command line on runs and the page: a real run from file to log, stopping, ports and passwords."""

from __future__ import annotations

import json
import shutil
import socket
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from studio import run_commands
from studio.adapters.home import home_folder
from studio.service.studio import Studio
from tests.command_line import GOOD, ROOT, Trl, command_line, in_a_process, written

DEMO = ROOT / "presets" / "demo-sft.yaml"


@pytest.fixture
def home(tmp_path: Path, catalog_folder: Path) -> Path:
    """A home that has the catalogue already."""
    shutil.copytree(catalog_folder, tmp_path / "home" / "cache")
    return tmp_path / "home"


@pytest.fixture
def trl_studio(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Trl:
    return command_line(home, capsys, monkeypatch)


# Runs --------------------------------------------------------------------------------------------------------------


def test_no_runs(trl_studio: Trl) -> None:
    assert trl_studio("runs", "--json") == (0, "[]\n", "")
    for command in ("show", "stop", "logs"):
        said = trl_studio(command, "nobody")
        assert said.code == 2
        assert "There is no run 'nobody'" in said.err
    assert trl_studio("show", "../x").code == 2


def test_a_recipe_with_errors_does_not_start(trl_studio: Trl, tmp_path: Path, home: Path) -> None:
    for text in (
        GOOD + "learning_rat: 1.0\n",
        GOOD.replace("assets/demo/sft", "assets/demo/dpo"),
        GOOD + "tf32: true\n",
    ):
        said = trl_studio("run", written(tmp_path, text))
        assert (said.code, said.out) == (1, "")
        assert said.err.startswith("error  ")
    assert list((home / "runs").iterdir()) == []


@pytest.fixture
def a_few_steps(tmp_path: Path) -> str:
    """The demo of SFT, cut short."""
    recipe = yaml.safe_load(DEMO.read_text(encoding="utf-8")) | {
        "max_steps": 3,
        "eval_strategy": "no",
        "logging_steps": 1,
    }
    return written(tmp_path, "# trl sft --config x.yaml\n" + yaml.safe_dump(recipe), "few.yaml")


@pytest.fixture
def nothing_left(trl_studio: Trl) -> Iterator[None]:
    """Whatever happens, no run goes on after the test."""
    yield
    for row in json.loads(trl_studio("runs", "--json").out):
        trl_studio("stop", row["id"], "--now")
        trl_studio("logs", row["id"], "--follow")


def test_run_wait_and_what_is_left_of_it(trl_studio: Trl, a_few_steps: str, home: Path, nothing_left: None) -> None:
    """A real run of three steps, from the file to its log."""
    said = trl_studio("run", a_few_steps, "--wait")
    assert said.code == 0, said.err
    assert len(said.out.split()) == 1
    name = said.out.strip()
    added = [line for line in said.err.splitlines() if line.startswith("added ")]
    assert any(line.startswith('added report_to: "trackio"  # ') for line in added)
    assert all("  # " in line for line in added)
    assert said.err.splitlines()[-1] == "finished 3/3"
    shown = json.loads(trl_studio("show", name, "--json").out)
    assert {"id", "method", "state", "started", "ended", "exit", "folder", "last_step", "last_metrics"} <= set(shown)
    assert (shown["id"], shown["method"], shown["state"], shown["last_step"]) == (name, "sft", "finished", 3)
    assert shown["exit"] == {"code": 0, "signal": None}
    assert Path(shown["folder"]) == home / "runs" / name
    assert shown["last_metrics"]["loss"] > 0
    listed = json.loads(trl_studio("runs", "--json").out)
    assert [(row["id"], row["state"], row["exit"]) for row in listed] == [
        (name, "finished", {"code": 0, "signal": None})
    ]
    assert name in trl_studio("runs").out
    assert "finished" in trl_studio("show", name).out
    log = trl_studio("logs", name)
    assert "Training completed." in log.out
    assert "\r" not in log.out
    assert "Training completed." in trl_studio("logs", name, "--follow").out
    stopped = trl_studio("stop", name)
    assert (stopped.code, stopped.out) == (0, "")
    assert "has ended already" in stopped.err


def test_a_run_that_is_stopped(
    trl_studio: Trl, a_few_steps: str, tmp_path: Path, nothing_left: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`run` returns at once; `logs --follow` ends with the run; waiting for a stopped run is no success."""
    text = Path(a_few_steps).read_text(encoding="utf-8").replace("max_steps: 3", "max_steps: 100000")
    said = trl_studio("run", written(tmp_path, text, "long.yaml"))
    assert said.code == 0, said.err
    name = said.out.strip()
    assert json.loads(trl_studio("show", name, "--json").out)["state"] in ("queued", "starting", "training")
    assert trl_studio("stop", name, "--now").err == f"{name} stops now.\n"
    assert trl_studio("logs", name, "--follow").code == 0
    assert json.loads(trl_studio("show", name, "--json").out)["state"] == "stopped"
    assert run_commands.wait(Studio(home_folder()), name) == 1


# The page ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, str | None]]:
    """What the page would be served with: a stand-in, so that Gradio is not even imported."""
    calls: list[tuple[str, int, str | None]] = []
    module = types.ModuleType("studio.ui.serve")

    def serve(studio: Any, host: str, port: int, password: str | None, space: Any) -> None:
        assert space is None
        assert studio.arguments.ready() is not None
        calls.append((host, port, password))

    module.serve = serve  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "studio.ui.serve", module)
    return calls


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_the_page_is_served(trl_studio: Trl, served: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    assert trl_studio("--port", str(port)) == (0, "", "")
    assert trl_studio("--port", str(port), "--host", "localhost").code == 0
    monkeypatch.setenv("TRL_STUDIO_PASSWORD", "secret")
    assert trl_studio("--port", str(port), "--host", "0.0.0.0").code == 0
    assert served == [("127.0.0.1", port, None), ("localhost", port, None), ("0.0.0.0", port, "secret")]


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_no_page_for_others_without_a_password(
    trl_studio: Trl, served: list[Any], host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for password in (None, ""):
        if password is not None:
            monkeypatch.setenv("TRL_STUDIO_PASSWORD", password)
        said = trl_studio("--host", host, "--port", str(free_port()))
        assert said.code == 2
        assert "TRL_STUDIO_PASSWORD" in said.err
    assert served == []


def test_a_host_that_does_not_exist(trl_studio: Trl, served: list[Any]) -> None:
    said = trl_studio("--host", "no.such.host.invalid")
    assert said.code == 2
    assert "no.such.host.invalid" in said.err
    assert served == []


def test_a_port_in_use(trl_studio: Trl, served: list[Any], home: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        said = trl_studio("--port", str(port))
        assert said.code == 2
        assert f"port {port}" in said.err
        assert "--port" in said.err.splitlines()[1]
        assert served == []
        # As a process, with the real page behind it: said before anything big is loaded.
        done = in_a_process("--port", str(port), cwd=home)
        assert done.returncode == 2
        assert f"port {port}" in done.stderr
        assert "Traceback" not in done.stderr
        assert done.stdout == ""
