"""One record of what the studio adds to an argument of TRL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SET, UNSET = "set at all", "not set"


@dataclass(frozen=True)
class Overlay:
    """The studio's words for one argument.

    `section` groups it in the YAML and on the page. `minimum` and `maximum` are inclusive unless `above` says that
    the minimum itself is not allowed. `shown_when` names an argument and the value (or values) with which this one
    means anything (SET and UNSET: with any, with none); `methods` limits the record to some methods. `advanced` ones
    are left out of a simple page.
    """

    name: str
    section: str
    label: str = ""
    hint: str = ""
    minimum: float | None = None
    maximum: float | None = None
    above: bool = False
    shown_when: tuple[str, Any] | None = None
    methods: tuple[str, ...] = ()
    advanced: bool = False
