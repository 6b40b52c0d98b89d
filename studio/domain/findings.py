"""Findings: what is wrong with a recipe, its data or its run, why it matters, and the change that cures it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Literal

Level = Literal["error", "warning", "note"]
RANK: dict[Level, int] = {"error": 0, "warning": 1, "note": 2}  # worst first
Kind = Literal["argument", "column", "machine", "log", "file"]


@dataclass(frozen=True)
class Where:
    """The place a Finding speaks of. `row` counts data rows from 0, `line` counts file lines from 1.

    Words name a row by its `row_name`, which counts from 1 as the page's pager does.
    """

    kind: Kind
    name: str
    row: int | None = None
    line: int | None = None

    def to_json(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class Fix:
    """Changes to a recipe that cure a Finding; `label` is what the *Apply* button says.

    `method` is another one to choose first, where the data suits that one.
    """

    label: str
    set: dict[str, Any] = field(default_factory=dict)
    unset: tuple[str, ...] = ()
    method: str | None = None

    def to_json(self) -> dict[str, Any]:
        plain = {"label": self.label, "set": self.set, "unset": list(self.unset)}
        return plain if self.method is None else {**plain, "method": self.method}


@dataclass(frozen=True)
class Finding:
    """One thing to know. Only an `error` keeps Start from starting."""

    level: Level
    where: Where
    message: str
    why: str = ""
    fix: Fix | None = None

    @property
    def mark(self) -> str:
        """A short name that this Finding has wherever it is told: two of the same words and fix share it."""
        said = json.dumps(self.to_json(), sort_keys=True, default=str)
        return hashlib.sha256(said.encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        """The documented form: `{level, where, message, why, fix}`."""
        return {
            "level": self.level,
            "where": self.where.to_json(),
            "message": self.message,
            "why": self.why,
            "fix": self.fix.to_json() if self.fix else None,
        }


def row_name(row: int) -> str:
    """What words call the data row that is number `row` counted from 0: `row 1` for the first, as the pager has it."""
    return f"row {row + 1:,}"


def beyond(rows: int) -> str:
    """Words for a place that comes somewhere after so many rows: ` after row 41`."""
    return f" after {row_name(rows - 1)}" if rows else f" in {row_name(0)} or later"


def finding(level: Level, name: str, message: str, why: str = "", fix: Fix | None = None) -> Finding:
    """A Finding about one argument."""
    return Finding(level, Where("argument", name), message, why, fix)


def errors(findings: list[Finding]) -> list[Finding]:
    """Those that keep a run from starting."""
    return [finding for finding in findings if finding.level == "error"]
