"""What a diagnosis goes by: a run's log, its exit and its recipe; and a clue in the log that a Finding is made from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from studio.domain.findings import Finding, Fix, Level, Where
from studio.domain.log_errors import Raised
from studio.domain.recipe import Recipe
from studio.domain.states import Exit, StopHow

LOG = "train.log"
_QUOTED = 240  # characters of a line


@dataclass(frozen=True)
class Evidence:
    """What is known of a run that ended badly.

    `log` is its text as a terminal would show it, whose first line is line `first_line` of train.log. `recipe` is None
    where it cannot be read, `defaults` are TRL's effective defaults by name, `nearest` gives the options closest to a
    key that TRL does not know. `memory` is the machine's, in bytes; None where it is not known.
    """

    log: str
    recipe: Recipe | None = None
    exit: Exit | None = None
    stop: StopHow | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
    nearest: Callable[[str], list[str]] = lambda key: []
    first_line: int = 1
    memory: int | None = None

    @property
    def method(self) -> str:
        return self.recipe.method if self.recipe else ""

    def value(self, name: str) -> Any:
        """What the run had for an option: the recipe's value, else TRL's default."""
        default = self.defaults.get(name)
        return self.recipe.get(name, default) if self.recipe else default

    def number(self, name: str) -> int | None:
        """The same, where it is a whole number above zero."""
        found = self.value(name)
        return found if type(found) is int and found > 0 else None

    def has(self, name: str) -> bool:
        """Whether the run's method takes the option; where nothing is known of TRL's options, it may."""
        return not self.defaults or name in self.defaults


@dataclass(frozen=True)
class Clue:
    """A line of the log (counted from 0) that tells a cause; `raised` is the exception that it belongs to."""

    evidence: Evidence
    line: int
    quote: str
    raised: Raised | None = None
    above: tuple[str, ...] = ()  # the lines before it, the nearest last

    def at(self, part: str) -> Clue:
        """The same clue at the line of a message that holds `part`."""
        if self.raised is None:
            return self
        for number, line in enumerate(self.raised.text.split("\n")):
            if part in line:
                return replace(self, line=self.line + number, quote=line)
        return self

    def during(self, *names: str) -> bool:
        """Whether one of these functions stands in the traceback right above."""
        return any(re.search(rf", in ({'|'.join(names)})\b", line) for line in self.above)

    def finding(self, said: str, why: str = "", fix: Fix | None = None, level: Level = "error") -> Finding:
        """A Finding at the clue's line, which it quotes."""
        return Finding(level, self.where, f"{said}: `{quoted(self.quote)}`", why, fix)

    def besides(self, said: str, why: str = "", fix: Fix | None = None) -> Finding:
        """One more way to cure what another Finding has told, without the quote."""
        return Finding("note", self.where, said, why, fix)

    @property
    def where(self) -> Where:
        return Where("log", LOG, line=self.evidence.first_line + self.line)


Teller = Callable[[re.Match[str], Clue], Iterable[Finding]]


@dataclass(frozen=True)
class Cause:
    """One cause by name: the pattern that an exception's text shows it by, and what it tells.

    With `anywhere` any line of the log is looked at, not only exceptions.
    """

    name: str
    pattern: re.Pattern[str]
    tell: Teller
    anywhere: bool = False


def cause(name: str, pattern: str, tell: Teller, anywhere: bool = False) -> Cause:
    """A cause that code tells."""
    return Cause(name, re.compile(pattern, re.DOTALL if not anywhere else 0), tell, anywhere)


def plain(name: str, pattern: str, said: str, why: str, fix: Fix | None = None, anywhere: bool = False) -> Cause:
    """A cause that always has the same words; `{0}` in them stands for the pattern's first group."""

    def tell(match: re.Match[str], clue: Clue) -> Iterable[Finding]:
        groups = [group or "" for group in match.groups()]
        yield clue.finding(said.format(*groups), why.format(*groups), fix)

    return cause(name, pattern, tell, anywhere)


def quoted(line: str) -> str:
    """A line of the log as a message quotes it: without the marks that code is set by, and cut where it is long."""
    text = " ".join(line.strip().replace("`", "'").split())
    return text if len(text) <= _QUOTED else text[: _QUOTED - 1] + "…"
