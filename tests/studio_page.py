"""What people do on the studio's page, for tests: look at the recipe, change tabs, type, choose, open a text."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import yaml
from browser import PATIENCE, Opened
from playwright.sync_api import Locator, Page, expect

FORM_TABS = ("method", "model", "data", "training", "lora", "compute", "launch", "options")
QUIET = 1.0  # seconds without a request, after which no further one follows by itself


def until(page: Page, condition: Callable[[], Any], what: str = "it", seconds: float = PATIENCE) -> Any:
    """What `condition` returns once that is true; the browser goes on meanwhile."""
    give_up = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < give_up, f"{what} did not come"
        page.wait_for_timeout(25)
    return found


class StudioPage:
    """The studio in a browser's page."""

    def __init__(self, opened: Opened, url: str) -> None:
        self.opened = opened
        self.page = opened.page
        self.url = url

    def open(self) -> StudioPage:
        """The page from anew, at its first tab."""
        if self.page.url.startswith(self.url):
            self.page.evaluate("sessionStorage.removeItem('ts-tab')")
        self.page.goto(self.url)
        expect(self.card.locator("pre.ts-code").first).to_be_visible()
        return self

    def fresh(self) -> StudioPage:
        """The page as a first visit shows it: whatever a test before has left in the browser is forgotten."""
        self.page.goto("about:blank")  # the page that is left complains of its own open requests
        self.page.goto(f"{self.url}theme.css")
        self.page.evaluate("localStorage.clear(); sessionStorage.clear()")
        self.opened.errors.clear()
        return self.open()

    def settle(self) -> StudioPage:
        """Waits until every event, and what follows it by itself, has been answered."""
        quiet_since = time.monotonic()

        def quiet() -> bool:
            nonlocal quiet_since
            if self.opened.waiting:
                quiet_since = time.monotonic()
            return time.monotonic() - quiet_since > QUIET

        until(self.page, quiet, "an end of the page's requests", 3 * PATIENCE)
        return self

    # The recipe card

    @property
    def card(self) -> Locator:
        return self.page.locator("#recipe-card")

    @property
    def start(self) -> Locator:
        return self.page.locator("#start")

    def text(self) -> str:
        """The text of the card's YAML or command, with the line break at its end that a file has."""
        shown = self.card.locator("pre.ts-code").first.text_content()
        return f"{shown}\n"

    def recipe(self) -> dict[str, Any]:
        """The YAML on the screen, read as TRL would."""
        found = yaml.safe_load(self.text())
        return found if isinstance(found, dict) else {}

    def press(self, what: str) -> None:
        """Presses the card's button `what`: copy, download, apply:0 and more."""
        self.card.locator(f'[data-do="{what}"]').click()

    def switch(self, what: str) -> None:
        """Has the card show the recipe for `here` or `elsewhere`, as `yaml` or `command`."""
        if not self.card.locator(f'[data-do="{what}"][aria-pressed="true"]').is_visible():
            self.press(what)
            expect(self.card.locator(f'[data-do="{what}"][aria-pressed="true"]')).to_be_visible()

    def finding(self, words: str) -> Locator:
        """The card's Finding that says `words`."""
        return self.card.locator(".ts-finding", has_text=words)

    def wait_for(self, key: str, value: Any) -> None:
        """Waits until the YAML on the screen says `key: value`; None: does not say the key."""
        until(self.page, lambda: self.recipe().get(key) == value, f"{key}: {value!r} (now {self.recipe().get(key)!r})")

    # The form

    def tab(self, name: str) -> None:
        """Opens a tab, as a click on its name does."""
        button = self.page.locator(f'button[role=tab][data-tab-id="{name}"]')
        button.click()
        expect(button).to_have_attribute("aria-selected", "true")

    def control(self, name: str) -> Locator:
        return self.page.locator(f"#arg-{name}")

    def box(self, name: str) -> Locator:
        """Where one types in the control of an argument."""
        return self.control(name).locator("input, textarea").first

    def type(self, name: str, text: str) -> None:
        """Clears the box of an argument and types into it, key by key."""
        box = self.box(name)
        box.fill("")
        box.press_sequentially(text)

    def choose(self, name: str, label: str) -> None:
        """Chooses from a dropdown, with the mouse."""
        choose(self.page.locator(f"#{name}"), label)

    def choose_argument(self, name: str, label: str) -> None:
        self.choose(f"arg-{name}", label)

    def choose_method(self, name: str) -> None:
        self.tab("method")
        self.page.locator(f'[data-method="{name}"]').click()
        expect(self.page.locator(f'[data-method="{name}"]')).to_have_attribute("aria-pressed", "true")

    def choose_dataset(self, name: str) -> None:
        """Types a dataset's name and presses Enter."""
        self.tab("data")
        box = self.page.locator("#dataset input, #dataset textarea").first
        box.fill(name)
        box.press("Enter")

    def panel(self, name: str) -> None:
        """Opens the tab of recipes and there a panel: presets, open or compare."""
        self.tab("recipes")
        button = self.page.locator(f'#recipes-switch [data-show="{name}"]')
        button.click()
        expect(button).to_have_attribute("aria-pressed", "true")

    def open_text(self, text: str) -> None:
        """Pastes a recipe into its box and opens it."""
        self.panel("open")
        self.page.locator("#open-text textarea").fill(text)
        self.page.locator("#open-button").click()

    def use_preset(self, key: str) -> None:
        """Fills the form from a preset: a file's name, with `own:` before it where it is the user's."""
        self.panel("presets")
        card = self.page.locator(f'#presets [data-preset="{key}"]')
        card.click()
        expect(card).to_have_attribute("aria-pressed", "true")


def choose(dropdown: Locator, label: str) -> None:
    """Chooses from a dropdown by its shown label."""
    dropdown.locator("input").click()
    dropdown.get_by_role("option", name=label, exact=True).click()
