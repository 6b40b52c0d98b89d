"""The server: at once with a waiting page, then the real one; refusals in words; light, whatever is installed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from app_process import ROOT, WAITING, AppProcess, answer, app, environment, free_port, start_app

HEAVY = ("torch", "transformers", "trl", "datasets", "peft", "accelerate")


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., AppProcess]]:
    """Starts studios that are ended when the test is over."""
    running: list[AppProcess] = []

    def start(home: Path | None = None, *options: str, **more: Any) -> AppProcess:
        running.append(start_app(home or tmp_path / "home", *options, **more))
        return running[-1]

    yield start
    for one in running:
        if one.process.poll() is None:
            one.end(kill=True)


def run_app(*options: str, **env: str) -> subprocess.CompletedProcess[str]:
    """A studio that is expected to refuse: its exit code and what it said."""
    home = Path(options[options.index("--home") + 1])
    return subprocess.run(
        [sys.executable, str(ROOT / "app.py"), *options],
        env=environment(home, **env), cwd=ROOT, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_the_first_start_says_what_it_waits_for_and_opens_by_itself(started: Callable[..., AppProcess]) -> None:
    one = started()
    waiting = one.wait_for(WAITING, unwanted="")
    assert 'http-equiv="refresh"' in waiting
    assert "about 15 seconds" in waiting
    page = one.wait_for()
    assert "TRL Studio" in page
    assert list((one.home / "cache").glob("arguments-*.json"))


def test_a_catalogue_that_cannot_be_made_is_explained(started: Callable[..., AppProcess], tmp_path: Path) -> None:
    broken = tmp_path / "broken" / "torch"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('this torch is broken')\n")
    one = started(None, PYTHONPATH=str(broken.parent))
    text = one.wait_for("cannot start", unwanted="")
    assert "this torch is broken" in text
    assert "trl sft --help" in text
    assert "Traceback" not in text


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = run_app("--home", str(tmp_path), "--port", port)
    assert done.returncode != 0
    assert port in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


def test_other_machines_are_let_in_with_a_password_only(
    started: Callable[..., AppProcess], tmp_path: Path, catalog_folder: Path
) -> None:
    done = run_app("--home", str(tmp_path), "--host", "0.0.0.0", "--port", str(free_port()))
    assert done.returncode != 0
    assert "TRL_STUDIO_PASSWORD" in done.stderr
    home = tmp_path / "guarded"
    home.mkdir()
    (home / "cache").symlink_to(catalog_folder)
    one = started(home, "--host", "127.0.0.1", TRL_STUDIO_PASSWORD="sesame")
    one.wait_for()
    for path in ("config", "gradio_api/info"):
        assert answer(one.url + path)[0] == 401, path
    login = urllib.request.Request(one.url + "login", data=b"username=studio&password=wrong")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(login)
    refused.value.close()
    assert refused.value.code == 400
    login = urllib.request.Request(one.url + "login", data=b"username=studio&password=sesame")
    with urllib.request.urlopen(login) as reply:
        assert reply.status == 200


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX paths")
def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("a file, no folder")
    done = run_app("--home", str(in_the_way / "home"), "--port", str(free_port()))
    assert done.returncode != 0
    assert str(in_the_way) in done.stderr
    assert "--home" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux's /proc")
def test_the_server_is_light(tmp_path: Path, catalog_folder: Path) -> None:
    with app(tmp_path / "home", catalog_folder) as one:
        one.wait_for()
        maps = Path(f"/proc/{one.process.pid}/maps").read_text()
        loaded = {name for name in HEAVY if f"/site-packages/{name}/" in maps}
        assert loaded == set()
        assert psutil.Process(one.process.pid).memory_info().rss < 300 * 2**20
