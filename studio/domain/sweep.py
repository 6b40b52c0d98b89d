"""A sweep: one recipe with a few values for up to two of its arguments, each pair of them a run."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from studio.domain.arguments import Argument
from studio.domain.errors import StudioError
from studio.domain.values import expected, problem, read_text

MOST_ARGUMENTS = 2
MOST_RUNS = 64
# What is one for all runs of a group, or names a single one.
_OF_ALL = ("run_name", "output_dir", "project", "report_to", "resume_from_checkpoint")


def read_values(argument: Argument, text: str) -> list[Any]:
    """The values of a list as people type it, `1e-5, 2e-5`, in TRL's own types. Raises StudioError."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    values: list[Any] = []
    for part in parts:
        value = read_one(argument, part)
        if value not in values:
            values.append(value)
    if not values:
        raise StudioError(f"{argument.name} has no values to try.", "Write the values as in: 1e-5, 2e-5")
    return values


def read_one(argument: Argument, text: str) -> Any:
    """A value as people type it, in TRL's own type. Raises StudioError where the argument does not take it."""
    try:
        value = read_text(argument, text)
        wrong = problem(argument, value)
    except ValueError:
        wrong = f"it takes {expected(argument)}, not {text!r}."
    if wrong:
        raise StudioError(
            f"{argument.name}: {wrong}", "All options, and `trl-studio arguments METHOD`, say what each takes."
        )
    return value


def combinations(asked: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Every pair of the values that are asked for, the first argument changing slowest. Raises StudioError."""
    if not 0 < len(asked) <= MOST_ARGUMENTS:
        raise StudioError(f"A sweep tries one or two arguments, not {len(asked)}.", "Choose the ones that matter most.")
    fixed = next((name for name in asked if name in _OF_ALL), None)
    if fixed is not None:
        raise StudioError(f"{fixed} cannot be tried out: the studio sets it for each run.", "Choose another argument.")
    found = [dict(zip(asked, values, strict=True)) for values in itertools.product(*asked.values())]
    if len(found) > MOST_RUNS:
        raise StudioError(f"These are {len(found)} runs.", f"A sweep starts {MOST_RUNS} at most: try fewer values.")
    return found


def group_name(base: str, taken: set[str]) -> str:
    """A name for the group that no other has, made of the run's name."""
    stem = re.sub(r"-\d+$", "", base) + "-sweep"
    return next(name for n in itertools.count(1) if (name := f"{stem}-{n:02}") not in taken)
