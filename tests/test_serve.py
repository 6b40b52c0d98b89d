"""Serving: the waiting page, why it would not come, who is let in, and how light the server stays."""

from __future__ import annotations

import http.cookiejar
import json
import socket
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import psutil
import pytest
from app_process import ROOT, WAITING, AppProcess, answer, app, environment, start_app

HEAVY = ("torch", "transformers", "trl", "datasets", "peft", "accelerate")
MEGABYTES_AT_REST = 300


@pytest.fixture
def empty_home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def refused(tmp_path: Path, *options: str, home: Path | None = None, **env: str) -> str:
    """What `app.py` says when it does not start; its exit code has to be 2, its words no traceback."""
    place = home or tmp_path / "home"
    command = [sys.executable, str(ROOT / "app.py"), "--home", str(place), *options]
    done = subprocess.run(
        command, env=environment(tmp_path, **env), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


# Coming up -------------------------------------------------------------------------------------------------------


def test_a_waiting_page_is_there_while_the_arguments_are_listed(empty_home: Path) -> None:
    started = start_app(empty_home)
    try:
        text = started.wait_for(WAITING, unwanted="")
        assert list((empty_home / "cache").glob("arguments-*.json")) == []
        assert 'http-equiv="refresh"' in text
        assert "gradio_config" not in text
        text = started.wait_for("gradio_config")
        assert list((empty_home / "cache").glob("arguments-*.json")) != []
    finally:
        started.end(kill=True)


def test_why_the_arguments_could_not_be_listed_is_on_the_page(empty_home: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken" / "trl"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('<broken> on purpose')\n")
    started = start_app(empty_home, PYTHONPATH=str(broken.parent))
    try:
        text = started.wait_for("The studio cannot start")
        assert "&lt;broken&gt; on purpose" in text
        assert "trl sft --help" in text
        assert 'http-equiv="refresh"' not in text
    finally:
        started.end(kill=True)


def test_a_damaged_list_of_arguments_is_made_again(empty_home: Path, catalog_folder: Path) -> None:
    (empty_home / "cache").mkdir(parents=True)
    name = next(catalog_folder.glob("arguments-*.json")).name
    (empty_home / "cache" / name).write_text('{"methods": ')
    started = start_app(empty_home)
    try:
        started.wait_for("gradio_config")
        json.loads((empty_home / "cache" / name).read_text())
    finally:
        started.end(kill=True)


# Refusing --------------------------------------------------------------------------------------------------------


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refused(tmp_path, "--port", str(port))
    assert str(port) in said
    assert "--port" in said


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_the_page_is_not_opened_to_others_without_a_password(tmp_path: Path, host: str) -> None:
    assert "TRL_STUDIO_PASSWORD" in refused(tmp_path, "--host", host)


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    said = refused(tmp_path, home=tmp_path / "file" / "home")
    assert str(tmp_path / "file" / "home") in said
    assert "--home" in said


# With a password -------------------------------------------------------------------------------------------------


def test_with_a_password_nothing_is_served_before_the_login(empty_home: Path, catalog_folder: Path) -> None:
    with app(empty_home, catalog_folder, TRL_STUDIO_PASSWORD="open sesame") as started:
        for path in ("config", "monitoring", "gradio_api/info", f"gradio_api/file={__file__}"):
            assert answer(started.url + path)[0] == 401, path
        for path in ("gradio_api/run/predict", "gradio_api/queue/join", "gradio_api/component_server"):
            assert posted(started.url + path) == 401, path
        assert login(started, "wrong") is False
        assert login(started, "open sesame") is True


def posted(url: str) -> int:
    """The status with which a handler's call is answered."""
    body = json.dumps({"data": [], "fn_index": 0, "session_hash": "x", "component_id": 0, "fn_name": "x"}).encode()
    request = urllib.request.Request(url, body, {"content-type": "application/json"}, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def login(started: AppProcess, password: str) -> bool:
    """Whether the password opens the page."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    form = urllib.parse.urlencode({"username": "studio", "password": password}).encode()
    try:
        with opener.open(started.url + "login", form, timeout=10):
            pass
        with opener.open(started.url + "config", timeout=10) as reply:
            return bool(reply.status == 200)
    except urllib.error.HTTPError as error:
        with error:
            return error.code not in (400, 401)


# Staying light ---------------------------------------------------------------------------------------------------


def test_the_server_stays_light(empty_home: Path, catalog_folder: Path) -> None:
    with app(empty_home, catalog_folder) as started:
        process = psutil.Process(started.process.pid)
        mapped = {Path(found.path).as_posix() for found in process.memory_maps()}
        assert [path for path in mapped if "/torch/" in path] == []
        assert process.memory_info().rss < MEGABYTES_AT_REST * 1e6
        assert process.children() == []


def test_serving_imports_nothing_heavy(empty_home: Path, catalog_folder: Path) -> None:
    program = (
        "import sys, warnings; warnings.simplefilter('ignore')\n"
        "from pathlib import Path\n"
        "from studio.adapters.home import Home\n"
        "from studio.service.studio import Studio\n"
        "from studio.ui.serve import gradio_app\n"
        "gradio_app(Studio(Home(Path(sys.argv[1]))))\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    (empty_home / "cache").parent.mkdir(parents=True)
    (empty_home / "cache").symlink_to(catalog_folder)
    done = subprocess.run(
        [sys.executable, "-c", program, str(empty_home)],
        cwd=ROOT, env=environment(empty_home), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stdout + done.stderr
