"""The webhook: a real server is told how runs ended, by a supervisor without a studio, and of trouble meanwhile."""

from __future__ import annotations

import json
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from run_lab import RunLab, attempt_of, let_go, wait_until

from studio.adapters import webhook
from studio.adapters.home import Home
from studio.domain.errors import StudioError
from studio.service import messages
from studio.service.messages import Messages
from studio.service.runs import Runs
from studio.ui import webhook_card


@contextmanager
def listening() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """An address that takes messages, with a secret in it, and what it was told."""
    told: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200 if "canary" in self.path else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/canary", told
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[RunLab]:
    lab = RunLab(tmp_path / "home")
    yield lab
    lab.close()


@pytest.mark.parametrize("code", [0, 7])
def test_a_supervisor_tells_how_its_run_ended(lab: RunLab, code: int) -> None:
    home = Home(lab.folders.runs.parent).ensure()
    with listening() as (url, told):
        Messages(home).keep(url)
        at_end = [sys.executable, "-m", "studio.adapters.ending", str(home.root), "p", "run"]
        run = lab.start_waiting(at_end=at_end, exit_code=code)
        let_go(run)
        wait_until(lambda: run.state() in ("finished", "failed"))
        assert [one["run"] for one in told] == ["run"]
        assert told[0]["title"] == ("run has failed" if code else "run has finished")
        assert told[0]["level"] == ("error" if code else "info")
        assert told[0]["text"].startswith("step ")
        assert ("exit code" in told[0]["text"]) is (code == 7)  # the launcher's own
        # Its address is in no file of the run's.
        assert not any(b"canary" in path.read_bytes() for path in run.folder.rglob("*") if path.is_file())
        assert attempt_of(run)["outcome"] == run.state()


def test_an_address_is_kept_for_its_owner_and_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path).ensure()
    kept = Messages(home)
    for wrong in ("hooks.example.org/x", "ftp://a/b", "https://", "http://[::1"):
        with pytest.raises(StudioError, match="no address"):
            kept.keep(wrong)
    with pytest.raises(StudioError, match="no webhook"):
        kept.try_out()
    kept.keep(" https://hooks.example.org/services/canary \n")
    assert kept.goes_to() == "hooks.example.org"
    assert stat.S_IMODE((tmp_path / webhook.FILE).stat().st_mode) == 0o600
    assert "canary" not in str(webhook_card.answer(kept, {"do": "show"}))
    monkeypatch.setenv(webhook.VARIABLE, "https://other.example.org/")
    assert kept.goes_to() == "hooks.example.org"
    webhook_card.answer(kept, {"do": "keep", "url": ""})
    assert kept.goes_to() == "other.example.org"
    monkeypatch.delenv(webhook.VARIABLE)
    assert kept.goes_to() == ""


def test_a_trial_says_whether_it_arrived(tmp_path: Path) -> None:
    kept = Messages(Home(tmp_path).ensure())
    with listening() as (url, told):
        kept.keep(url)
        assert webhook_card.answer(kept, {"do": "try"})["said"] == "A message was sent."
        assert told[0]["title"] == "TRL Studio"
        kept.keep(url.replace("canary", "secret"))
        with pytest.raises(StudioError, match="404") as refused:
            kept.try_out()
        assert "secret" not in str(refused.value)
    with pytest.raises(StudioError, match="did not arrive"):  # nobody is there any more
        kept.try_out()


def test_trouble_is_told_once(lab: RunLab, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(lab.folders.runs.parent).ensure()
    troubles = [{"id": "run", "troubles": ["nan"], "share": 40}]
    monkeypatch.setattr(messages, "watched", lambda runs: troubles)
    told: set[tuple[str, str]] = set()
    with listening() as (url, heard):
        for _ in range(2):
            Messages(home).tell_news(url, Runs(home), told)
        assert [one["title"] for one in heard] == ["The loss of run is no number any more"]
        assert heard[0]["level"] == "warn"
        troubles[0]["troubles"] = ["nan", "stalled"]
        Messages(home).tell_news(url, Runs(home), told)
        assert [one["title"] for one in heard][1:] == ["run has not gone on for a while"]
