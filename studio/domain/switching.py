"""The verdict on a dataset, with the method that can learn from it offered where the chosen one lacks a column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from studio.domain import dataset_types
from studio.domain.columns import Column
from studio.domain.dataset_types import Verdict
from studio.domain.findings import Fix
from studio.domain.methods import METHOD_NAMES, method_named
from studio.domain.seen_rows import Row, Seen


def judge(
    method: str,
    columns: Iterable[Column],
    rows: list[Row] | Seen,
    values: Mapping[str, Any] | None = None,
    offset: int = 0,
) -> Verdict:
    """`dataset_types.judge`; of a missing column the Finding offers to switch to a method that needs none."""
    known = list(columns)
    verdict = dataset_types.judge(method, known, rows, values, offset)
    names = {column.name for column in known}
    for place, found in enumerate(verdict.findings):
        # Only what has no cure yet, and only a missing column: a bad cell is no reason to train otherwise.
        if found.level == "error" and found.fix is None and found.where.kind == "column" and _lacks(found, names):
            better = _suited(method, known, rows, values)
            if better is None:
                break
            fix = Fix(f"Switch to {method_named(better).label}", method=better)
            findings = (*verdict.findings[:place], replace(found, fix=fix), *verdict.findings[place + 1 :])
            return replace(verdict, findings=findings)
    return verdict


def _lacks(found: Any, names: set[str]) -> bool:
    return found.where.row is None and found.where.name not in names


def _suited(method: str, columns: list[Column], rows: list[Row] | Seen, values: Mapping[str, Any] | None) -> str | None:
    """The method that makes the most of such data: one that uses a verdict or a pair comes before SFT and prompts."""
    fitting = [
        other
        for other in METHOD_NAMES
        if other != method and dataset_types.judge(other, columns, rows, values).verdict == "accept"
    ]
    label = any(column.name == "label" for column in columns)
    order = ("kto", "dpo", "sft") if label else ("dpo", "sft", "kto")
    return next((name for name in (*order, *METHOD_NAMES) if name in fitting), None)
