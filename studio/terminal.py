"""What the command line prints: Findings, tables and JSON on stdout, remarks on stderr."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from studio.domain.findings import RANK, Finding
from studio.domain.plain_json import plain


def print_findings(found: Iterable[Finding], stream: TextIO) -> None:
    """A line each, the worst first, with the reason and the change that cures it below."""
    for finding in sorted(found, key=lambda one: RANK[one.level]):
        number = finding.where.line
        line = f" (line {number})" if number and not finding.message.startswith(f"Line {number} of ") else ""
        place = finding.where.name
        before = "" if "/" in place and place in finding.message else f"{place}: "  # a long path is said once
        print(f"{finding.level}  {before}{finding.message}{line}", file=stream)
        if finding.why:
            print("       " + " ".join(finding.why.split()), file=stream)
        if finding.fix:
            print(f"       fix: {finding.fix.label}", file=stream)


def print_table(rows: Sequence[tuple[str, ...]]) -> None:
    """Columns as wide as their longest cell; the last one is cut at a terminal's edge."""
    if not rows:
        return
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]) - 1)]
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    for row in rows:
        line = "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        print(cut(line, room) if room else line)


def cut(text: str, width: int) -> str:
    """The text in `width` characters at most."""
    return text if len(text) <= width else text[: width - 1] + "…"


def print_json(data: Any) -> None:
    """JSON that every reader takes: nothing but ASCII, and no NaN."""
    print(json.dumps(plain(data), indent=2, allow_nan=False))


def say(text: str) -> None:
    """A line for people, beside what stdout is for."""
    print(text, file=sys.stderr, flush=True)
