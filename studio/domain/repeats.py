"""Warnings where TRL is silent: rows that are there twice, and an evaluation on what is trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from studio.domain.findings import Finding, Fix, Where
from studio.domain.seen_rows import AllRows

# The share of repeated rows that is worth a word, and the one that is worth a warning.
_NOTED, _WARNED = 0.01, 0.1
_FEW = 100  # rows of fewer are told by their number alone


def repeats(name: str, seen: AllRows, values: Mapping[str, Any]) -> Iterator[Finding]:
    """What is to be said of rows of the dataset `name` that are like others."""
    share = seen.repeated / seen.total if seen.total else 0
    if share >= _NOTED:
        why = "What is there more than once counts more than the rest."
        of_so_many = f" ({100 * share:.0f} %)" if seen.total >= _FEW else ""
        like = "are" if seen.repeated > 1 else "is"
        what = f"{seen.repeated:,} of the {seen.total:,} rows{of_so_many} {like} like an earlier one."
        yield Finding("warning" if share >= _WARNED else "note", Where("file", name), what, why)
    if seen.shared and _evaluates(values):
        what = f"{seen.shared:,} of the {seen.held_out:,} rows to evaluate on are trained on too."
        why = "The evaluation then looks better than the model is."
        yield Finding("warning", Where("argument", "dataset_test_split"), what, why)


def same_split(values: Mapping[str, Any]) -> Iterator[Finding]:
    """An evaluation on the very split that is trained on."""
    if not _evaluates(values) or values.get("datasets"):
        return
    train, test = values.get("dataset_train_split", "train"), values.get("dataset_test_split", "test")
    if train == test:
        what = f"The model is evaluated on the split it is trained on, {train}."
        why = "The evaluation then says nothing about what is new to it."
        fix = Fix("Do not evaluate", {}, ("eval_strategy", "eval_steps"))
        yield Finding("warning", Where("argument", "dataset_test_split"), what, why, fix)


def _evaluates(values: Mapping[str, Any]) -> bool:
    return values.get("eval_strategy", "no") not in ("no", None, False)
