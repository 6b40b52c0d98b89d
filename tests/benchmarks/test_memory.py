"""Pages that were opened and closed cost the server nothing: it forgets the oldest ones."""

from __future__ import annotations

import json
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import Server, studio_server

PAGES, ADDED = 200, 20  # pages opened twice, megabytes that the second time may add


@pytest.fixture(scope="module")
def server(catalog_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("home")
    (home / "cache").symlink_to(catalog_folder, target_is_directory=True)
    with studio_server(home) as server:
        yield server


def open_pages(server: Server, load: int, count: int) -> None:
    """What a browser's page sends when it opens: the page's load event, in a session of its own."""
    for _ in range(count):
        body = {"data": [None, None], "fn_index": load, "session_hash": uuid.uuid4().hex, "event_data": None}
        request = urllib.request.Request(
            f"{server.url}gradio_api/run/predict", json.dumps(body).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request) as answer:
            assert b"max_steps" in answer.read()


@pytest.mark.slow
def test_pages_that_were_closed_are_forgotten(server: Server) -> None:
    with urllib.request.urlopen(f"{server.url}config") as answer:
        events = json.loads(answer.read())["dependencies"]
    load = next(event["id"] for event in events if any(what == "load" for _, what in event["targets"]))
    open_pages(server, load, PAGES)
    before = server.resident()
    open_pages(server, load, PAGES)
    added = server.resident() - before
    print(f"{PAGES} more pages added {added:.1f} MB to {before:.0f} MB")
    assert added < ADDED
