"""Counts and bytes of the page as it goes over the wire: bounds that a change may not cross unnoticed."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import open_page
from playwright.sync_api import CDPSession, Page, Request
from servers import Server, studio_server

# Measured: 1,272 kB in 80 requests, 427 components, 210 events, 778 kB of config (five languages: 210 kB of it).
WIRE_BYTES = 1_400_000
UNPACKED_BYTES = 2_450_000
REQUESTS = 100
COMPONENTS = 430
EVENTS = 220
CONFIG_BYTES = 790_000
EDIT_BYTES = 25_000

_LOADED = "document.querySelector('#recipe-card pre.ts-code')?.textContent.trim()"


@pytest.fixture(scope="module")
def server(catalog_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("home")
    (home / "cache").symlink_to(catalog_folder, target_is_directory=True)
    with studio_server(home) as server:
        yield server


@pytest.fixture(scope="module")
def config(server: Server) -> tuple[int, dict[str, Any]]:
    """The size of `/config` in bytes, and what it says."""
    with urllib.request.urlopen(server.url + "config") as answer:
        body = answer.read()
    return len(body), json.loads(body)


def test_components_and_events(config: tuple[int, dict[str, Any]]) -> None:
    size, said = config
    assert 100 < len(said["components"]) <= COMPONENTS
    assert 50 < len(said["dependencies"]) <= EVENTS
    assert size <= CONFIG_BYTES


def test_every_event_shows_its_progress_in_one_place(config: tuple[int, dict[str, Any]]) -> None:
    """Otherwise each edit writes a loading status into every component that any event has ever filled."""
    wide = [event["id"] for event in config[1]["dependencies"] if len(event["show_progress_on"] or "all of them") != 1]
    assert wide == []


def test_an_edit_sends_its_own_value_only(config: tuple[int, dict[str, Any]]) -> None:
    edits = [event for event in config[1]["dependencies"] if event["targets"] and event["targets"][0][1] == "input"]
    assert len(edits) > 40
    sent = [len(event["inputs"]) for event in edits]
    assert max(sent) <= 3
    assert sent.count(2) > 40


@pytest.mark.browser
def test_page_and_edit_over_the_wire(server: Server) -> None:
    with open_page("about:blank") as opened:
        page = opened.page
        cdp = page.context.new_cdp_session(page)
        traffic = Traffic(page, cdp)
        page.goto(server.url)
        page.wait_for_function(_LOADED)
        page.wait_for_load_state("load")
        assert 100_000 < traffic.wire <= WIRE_BYTES
        assert 100_000 < traffic.unpacked <= UNPACKED_BYTES
        assert 10 < len(traffic.requests) <= REQUESTS
        assert page.evaluate("Object.getPrototypeOf(window.gradio_config.dependencies) !== Array.prototype")

        page.get_by_role("tab", name="Training").click()
        rate = page.locator("#arg-learning_rate").locator("input, textarea").first
        rate.fill("0.00")
        page.wait_for_function(f"!/learning_rate: 2/.test({_LOADED})")
        traffic.wait_until_quiet(page)  # what opening the page has asked for is its own
        traffic.clear()
        rate.press("7")
        page.wait_for_function(rf"/learning_rate: (0\.007|7\.0e-0?3)/.test({_LOADED})")
        # A second edit comes after all that the first one may have sent.
        switch = page.get_by_role("tab", name="LoRA")
        switch.click()
        page.locator("#arg-use_peft input").first.click()
        page.wait_for_function(f"/use_peft: true/.test({_LOADED})")
        posts = [request for request in traffic.requests if request.method == "POST" and "data" in sent(request)]
        edits = [sent(request)["data"] for request in posts if sent(request)["data"]]
        assert ["0.007", None] in edits
        assert [True, None] in edits
        assert traffic.wire <= 2 * EDIT_BYTES
        assert opened.errors == []


class Traffic:
    """What a page has asked for, and the bytes that came."""

    def __init__(self, page: Page, cdp: CDPSession) -> None:
        self.clear()
        page.on("request", lambda request: self.requests.append(request))
        cdp.on("Network.loadingFinished", lambda event: self._add(event["encodedDataLength"], 0))
        cdp.on("Network.dataReceived", lambda event: self._add(0, event["dataLength"]))
        cdp.send("Network.enable")

    def clear(self) -> None:
        self.requests: list[Request] = []
        self.wire = self.unpacked = 0

    def wait_until_quiet(self, page: Page) -> None:
        """Waits until two seconds, in which the runs are looked at once, have brought next to nothing."""
        before = -1
        while self.wire - before > 5_000 or before < 0:
            before = self.wire
            page.wait_for_timeout(2_500)

    def _add(self, wire: int, unpacked: int) -> None:
        self.wire += wire
        self.unpacked += unpacked


def sent(request: Request) -> dict[str, Any]:
    body = json.loads(request.post_data or "{}")
    return body if isinstance(body, dict) else {}
