"""A real browser for tests: finds Chromium, opens a page, keeps what went wrong on it."""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from unittest import mock
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import ConsoleMessage, Page, Request, expect, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# Seconds for anything that takes a moment: a machine may be slow and busy, and where all is well nobody waits so long.
PATIENCE = 60.0
expect.set_options(timeout=PATIENCE * 1000)
# Requests of Gradio's page that end with the answer to an event; its heartbeat never ends.
_ANSWERED = ("/run/predict", "/queue/join", "/queue/data")
# What Gradio's page says of answers that it still waited for when it was loaded again or left.
_CUT_OFF = ("AbortError: signal is aborted without reason", "Unexpected error Connection errored out")


@dataclass
class Opened:
    """A page, the errors of its console and scripts, the requests that left this machine, and the open ones."""

    page: Page
    errors: list[str] = field(default_factory=list)
    external: list[str] = field(default_factory=list)
    waiting: set[Request] = field(default_factory=set)


def watched(page: Page) -> Opened:
    """A page of which it is noted what goes wrong on it and what it still waits for."""
    opened = Opened(page)
    page.set_default_timeout(PATIENCE * 1000)

    def note_console(message: ConsoleMessage) -> None:
        if message.type == "error" and not any(words in message.text for words in _CUT_OFF):
            opened.errors.append(message.text)

    def note_request(request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in ("127.0.0.1", "localhost"):
            opened.external.append(request.url)
        if parts.path.endswith(_ANSWERED):
            opened.waiting.add(request)

    page.on("console", note_console)
    page.on("pageerror", lambda error: opened.errors.append(str(error)))
    page.on("request", note_request)
    page.on("requestfinished", lambda request: opened.waiting.discard(request))
    page.on("requestfailed", lambda request: opened.waiting.discard(request))
    return opened


def chromium_path() -> str:
    """Return the path of an installed Chromium or Chrome; skip the test where there is none."""
    found = next((path for path in map(shutil.which, _NAMES) if path), None)
    if found is None:
        pytest.skip("needs a browser: apt-get install chromium")
    return found


@contextmanager
def loops_closed() -> Iterator[None]:
    """Close the event loops that Gradio opens and leaves while an app is built and launched inside this block.

    Their ResourceWarning would fail whatever test happens to run when they are collected.
    """
    made: list[asyncio.AbstractEventLoop] = []
    original = asyncio.new_event_loop

    def noted() -> asyncio.AbstractEventLoop:
        made.append(original())
        return made[-1]

    with mock.patch("asyncio.new_event_loop", noted):
        yield
    for loop in made:
        if not loop.is_running():
            loop.close()


@contextmanager
def open_page(
    url: str, width: int = 1280, dark: bool = False, height: int = 1000, locale: str = "en-US"
) -> Iterator[Opened]:
    """Open `url` in a fresh profile, `width` pixels wide, with the system's light or dark preference."""
    path = chromium_path()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_FLAGS)
        page = browser.new_page(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            locale=locale,
        )
        opened = watched(page)
        page.goto(url)
        try:
            yield opened
        finally:
            browser.close()
