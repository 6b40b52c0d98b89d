"""The box for the dataset's name, where typing, looks that take long and answers that come late overtake each other."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from studio.ui.form import Form

_TAKEN = 1.0  # seconds in which a box that was left has been heard of
_ON_ITS_WAY = 5.0  # seconds that an answer may take to the page


@dataclass
class DatasetBox:
    """What answers have put into the box and what was chosen in it; `looking` are datasets that are being looked at.

    An answer that was drawn before a name was typed may come after it, and takes its place in the box: what is read
    there when the box is left is nothing that anybody chose.
    """

    looking: list[str] = field(default_factory=list)
    _put: tuple[str, float] = ("", float("-inf"))
    _late: str | None = None

    def put(self, text: str) -> str:
        """Notes that an answer puts a text there."""
        self._put = text, time.monotonic()
        return text

    def meant(self, held: str, typed: str) -> str:
        """What was typed, where an answer has just taken its place; else what the box holds."""
        text, at = self._put
        return typed if typed and held == text and time.monotonic() - at < _ON_ITS_WAY else held

    def choose(self) -> None:
        """Notes that a name was chosen: what was put there just before may be on its way still."""
        text, at = self._put
        self._late = text if time.monotonic() - at < _ON_ITS_WAY else None

    def was_overtaken(self, text: str) -> bool:
        """Whether a text is there because an answer came late; asked once."""
        late, self._late = self._late, None
        return text == late


def settled(form: Form, seconds: float = 10.0) -> bool:
    """Waits until a dataset that is being looked at is known, and a name just typed is taken; whether it is so."""
    begun = time.monotonic()
    while form.box.looking or form.typing:
        passed = time.monotonic() - begun
        if passed > seconds or (passed > _TAKEN and not form.box.looking):
            return False
        time.sleep(0.05)
    return True
