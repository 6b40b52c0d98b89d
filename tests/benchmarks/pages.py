"""What a person in front of the page waits for: until it can be used, and until an edit is in the YAML."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from browser import open_page
from playwright.sync_api import Page
from servers import Server

# Times are taken inside the page, from one of its frames to another, so that no driver's delay is in them.
_WATCH = """
(() => {
  const text = (selector) => document.querySelector(selector)?.textContent.trim() ?? '';
  const looks = (selector) => document.querySelector(selector)?.checkVisibility() ?? false;
  const look = () => {
    if (looks('#start') && (CARD ? text('#recipe-card pre.ts-code') : true)) window.usableAt = performance.now();
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
  const began = (event) => { if (event.isTrusted) window.editedAt = performance.now(); };
  for (const name of ['keydown', 'pointerdown']) addEventListener(name, began, true);
  window.expectLine = (pattern) => {
    window.shownAt = null;
    const wanted = new RegExp(pattern, 'm');
    const seen = () => {
      if (wanted.test(document.querySelector('#recipe-card pre.ts-code')?.textContent ?? '')) {
        window.shownAt = performance.now();
      } else requestAnimationFrame(seen);
    };
    requestAnimationFrame(seen);
  };
})();
"""
_PATIENCE = 60_000  # milliseconds


def seconds_until_usable(server: Server, with_card: bool) -> float:
    """From navigation to a visible Start button and, `with_card`, a recipe; in a new browser without any cache."""
    with open_page("about:blank") as opened:
        opened.page.add_init_script(_WATCH.replace("CARD", str(with_card).lower()))
        opened.page.goto(server.url)
        opened.page.wait_for_function("window.usableAt", timeout=_PATIENCE)
        seconds = float(opened.page.evaluate("window.usableAt")) / 1000
        if opened.errors:
            raise RuntimeError(f"the page reported errors: {opened.errors}")
        return seconds


def edit_seconds(server: Server, rounds: int) -> dict[str, list[float]]:
    """From the key or the mouse button to the frame that shows the YAML with it, for three kinds of control."""
    taken: dict[str, list[float]] = {"number": [], "switch": [], "choice": []}
    with open_page("about:blank") as opened:
        page = opened.page
        page.add_init_script(_WATCH.replace("CARD", "true"))
        page.goto(server.url)
        page.wait_for_function("window.usableAt", timeout=_PATIENCE)
        for kind, seconds in _edits(page, rounds):
            taken[kind].append(seconds)
    return taken


def _edits(page: Page, rounds: int) -> Iterator[tuple[str, float]]:
    page.get_by_role("tab", name="Training").click()
    rate = page.locator("#arg-learning_rate").locator("input, textarea").first
    # TRL's own default would not stand in the YAML, so none of the values written here is one.
    for number in range(rounds):
        rate.fill("0.00")
        page.wait_for_timeout(300)
        digit = str(3 + number % 6)
        pattern = rf"^learning_rate: (0\.00{digit}|{digit}\.0e-0?3)\b"
        yield "number", _timed(page, pattern, partial(rate.press, digit))
    schedule = page.locator("#arg-lr_scheduler_type input").first
    for number in range(rounds):
        wanted = ("constant", "cosine", "polynomial")[number % 3]
        schedule.click()
        option = page.get_by_role("option", name=wanted, exact=True)
        option.wait_for()
        yield "choice", _timed(page, rf"^lr_scheduler_type: {wanted}\b", option.click)
    page.get_by_role("tab", name="LoRA").click()
    switch = page.locator("#arg-use_peft input").first
    for number in range(rounds):
        on = number % 2 == 0
        pattern = r"^use_peft: true" if on else r"^(?![\s\S]*\nuse_peft: true)# trl"
        yield "switch", _timed(page, pattern, switch.click)


def _timed(page: Page, pattern: str, edit: Callable[[], object]) -> float:
    page.evaluate("(pattern) => window.expectLine(pattern)", pattern)
    edit()
    page.wait_for_function("window.shownAt", timeout=_PATIENCE)
    seconds = float(page.evaluate("window.shownAt - window.editedAt")) / 1000
    page.wait_for_timeout(150)
    return seconds
