"""Warnings while a run goes on: read from metrics that real runs logged, and silent where a run learns."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from studio.domain.curves import Curves
from studio.domain.running_warnings import RECENT, WATCHED, running_warnings

FAILURES = Path(__file__).with_name("failures")


def rows(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FAILURES / f"{name}.json").read_text(encoding="utf-8"))["metrics"]
    return found


def warned(name: str, method: str, **values: Any) -> list[tuple[str, dict[str, Any]]]:
    """The metric and the change of each warning; the same for rows as logged and as the studio keeps them."""
    logged = rows(name)
    kept, step = Curves(), 0.0
    for row in logged:
        plain = {key: None if value in ("NaN", "Infinity", "-Infinity") else value for key, value in row.items()}
        step = row.get("global_step", step)
        kept.add(step, plain)
    found = running_warnings(logged, method, values.get)
    again = running_warnings(kept.recent(WATCHED, RECENT), method, values.get)
    assert [(one.where.name, one.fix) for one in found] == [(one.where.name, one.fix) for one in again]
    assert all(one.level == "warning" for one in found)
    return [(one.where.name, one.fix.set if one.fix else {}) for one in found]


@pytest.mark.parametrize(
    ("name", "method", "values", "expected"),
    [
        ("loss-nan", "sft", {"learning_rate": 1e30}, [("grad_norm", {"learning_rate": 1e-4})]),
        ("loss-explodes", "sft", {"learning_rate": 0.05}, [("loss", {"learning_rate": 0.005})]),
        ("loss-zero", "distillation", {}, [("loss", {})]),
        ("reward-flat", "grpo", {"max_completion_length": 512}, [("reward_std", {})]),
        (
            "all-clipped",
            "grpo",
            {"max_completion_length": 2},
            [("completions/clipped_ratio", {"max_completion_length": 4})],
        ),
        ("learns", "sft", {"learning_rate": 1e-3}, []),
    ],
)
def test_real_metrics(
    name: str, method: str, values: dict[str, Any], expected: list[tuple[str, dict[str, Any]]]
) -> None:
    found = warned(name, method, **values)
    # Answers of a demo that are cut at 8 tokens are told too, which is right.
    assert [one for one in found if one[0] != "completions/clipped_ratio" or one in expected] == expected


def test_the_first_bad_step_is_named() -> None:
    (found,) = running_warnings(rows("loss-nan"), "sft")
    assert "since step 2" in found.message
    assert "logged as 0" in found.why


@pytest.mark.parametrize("bad", [math.nan, "NaN", math.inf, "Infinity"])
def test_a_loss_that_is_no_number(bad: Any) -> None:
    (found,) = running_warnings([{"loss": 1.0, "global_step": 1}, {"loss": bad, "global_step": 2}], "sft")
    assert found.where.name == "loss"
    assert "step 2" in found.message


def test_float16_may_leave_out_single_steps() -> None:
    steps: list[dict[str, Any]] = [{"loss": 1.0, "grad_norm": 2.0, "global_step": n} for n in range(20)]
    steps[3]["grad_norm"] = math.inf
    assert running_warnings(steps, "sft") == []


def test_nothing_is_said_too_early() -> None:
    for name, method in (("reward-flat", "grpo"), ("loss-explodes", "sft")):
        assert running_warnings(rows(name)[:3], method) == []
    assert running_warnings([], "sft") == []


def test_a_loss_of_zero_means_nothing_under_grpo() -> None:
    steps = [{"loss": 0.0, "grad_norm": 0.0, "reward": 1.0 + n, "reward_std": 0.5, "global_step": n} for n in range(20)]
    assert running_warnings(steps, "grpo") == []
    assert [one.where.name for one in running_warnings(steps, "dpo")] == ["loss"]


def test_empty_answers() -> None:
    steps = [{"reward": 0.1 * n, "completions/mean_length": 1.0, "global_step": n} for n in range(5)]
    (found,) = running_warnings(steps, "grpo")
    assert found.where.name == "completions/mean_length"
