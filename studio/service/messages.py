"""Messages to people who look elsewhere: where they go, a trial, and what the studio tells while a run goes on.

How a run ends is told by its supervisor, with or without a studio; that a loss is no number, or that nothing happens
any more, by a studio that is open.
"""

from __future__ import annotations

import threading
from urllib.parse import urlsplit

from studio.adapters import webhook
from studio.adapters.home import Home
from studio.domain.completion import PROJECT
from studio.domain.errors import StudioError
from studio.service.alerts import watched
from studio.service.runs import Runs

_PAUSE = 60.0  # seconds between two looks
_TITLES = {"nan": "The loss of {run} is no number any more", "stalled": "{run} has not gone on for a while"}


class Messages:
    """The webhook of one home."""

    def __init__(self, home: Home) -> None:
        self.home = home

    def goes_to(self) -> str:
        """The host that messages go to; `` for none. Never the address, which is a secret."""
        return urlsplit(webhook.address(self.home.root)).hostname or ""

    def keep(self, url: str) -> None:
        """Has messages go to `url`, to nobody without one. Raises StudioError where it is none."""
        webhook.keep_address(self.home.root, url.strip())

    def try_out(self) -> None:
        """Sends a message. Raises StudioError with what went wrong."""
        url = webhook.address(self.home.root)
        if not url:
            raise StudioError("There is no webhook.", "Give its address first.")
        wrong = webhook.tell(url, "info", "TRL Studio", "Runs will tell here how they ended.", PROJECT, "a trial")
        if wrong:
            raise StudioError(f"The message did not arrive: {wrong}", "Check the address.")

    def follow(self, runs: Runs, stop: threading.Event | None = None) -> None:
        """Tells of each trouble of a run once, until `stop` is set."""
        stop, told = stop or threading.Event(), set[tuple[str, str]]()
        while not stop.wait(_PAUSE):
            if url := webhook.address(self.home.root):
                self.tell_news(url, runs, told)

    def tell_news(self, url: str, runs: Runs, told: set[tuple[str, str]]) -> None:
        """Tells what has not been `told` of the runs that go on, and adds it there."""
        for run in watched(runs):
            for trouble in run["troubles"]:
                if (run["id"], trouble) not in told:
                    told.add((run["id"], trouble))
                    title = _TITLES[trouble].format(run=run["id"])
                    webhook.tell(url, "warn", title, f"at {run['share']} %", PROJECT, run["id"])
