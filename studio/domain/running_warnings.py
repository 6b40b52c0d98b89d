"""Warnings while a run goes on: what its latest metrics say that hardly ever gets better by itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from studio.domain.findings import Finding, Fix, Where

RECENT = 50  # rows that are looked at
_FLAT = 10  # rows without any spread of the rewards
_REPEATED = 3  # rows that have to agree before a warning
_EXPLODED = 3.0  # times the least loss so far
_CLIPPED = 0.95  # share of answers that reached the limit
WATCHED = (
    *("loss", "grad_norm", "reward", "reward_std", "frac_reward_zero_std"),
    *("completions/clipped_ratio", "completions/mean_length"),
)
Value = Callable[[str], Any]


def running_warnings(rows: Sequence[Mapping[str, Any]], method: str, value: Value = lambda name: None) -> list[Finding]:
    """What the newest rows of a run's metrics warn of, the worst first; `rows` oldest first, named as TRL logs them.

    A NaN may stand there as a float or as text. `value` gives the run's value of an option, TRL's default included.
    """
    recent = [row for row in rows if "loss" in row or "reward" in row][-RECENT:]
    broken = list(_not_a_number(recent, value))
    return broken or [
        *_exploding(recent, value),
        *_zero(recent, method),
        *_flat(recent, value),
        *_clipped(recent, value),
        *_empty(recent),
    ]


def number(value: Any) -> float | None:
    """A logged value as a float, NaN and infinity included; None where there is none."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _series(rows: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    return [found for row in rows if name in row and (found := number(row[name])) is not None]


def _warning(name: str, message: str, why: str, fix: Fix | None = None) -> Finding:
    return Finding("warning", Where("log", name), message, why, fix)


def _step(row: Mapping[str, Any]) -> str:
    step = number(row.get("global_step"))
    return f" at step {step:,.0f}" if step is not None else ""


def _slower(value: Value, by: float = 10.0) -> Fix | None:
    rate = number(value("learning_rate"))
    if not rate or not math.isfinite(rate):
        return None
    # Beyond 1 a rate is no rate: a tenth of it would not help.
    slower = rate / by if rate <= 0.1 else 1e-4
    return Fix(f"Use the learning rate {slower:.1e}", {"learning_rate": float(f"{slower:.3g}")})


def _not_a_number(rows: Sequence[Mapping[str, Any]], value: Value) -> Iterator[Finding]:
    for name, said in (("loss", "loss"), ("grad_norm", "gradient")):
        bad = [row for row in rows if (found := number(row.get(name))) is not None and not math.isfinite(found)]
        # In float16 single steps overflow and are left out, which is no harm.
        if bad and (name == "loss" or (len(bad) >= _REPEATED and rows[-1] in bad)):
            why = "The weights are spoilt from there on: stop it. Mostly the learning rate is too high"
            why += ", or float16 overflows." if value("fp16") is True else "."
            filtered = " The loss is then logged as 0." if name == "grad_norm" else ""
            message = f"The {said} is no number since{_step(bad[0]) or ' some steps'}."
            yield _warning(name, message.replace("since at", "since"), why + filtered, _slower(value))
            return


def _exploding(rows: Sequence[Mapping[str, Any]], value: Value) -> Iterator[Finding]:
    losses = _series(rows, "loss")
    if len(losses) < 2 * _REPEATED or min(losses) <= 0:
        return
    latest = median(losses[-_REPEATED:])
    least = min(losses[:-_REPEATED])
    # Rewards' losses swing around zero, and a loss that began high and fell again learns.
    if latest > _EXPLODED * least and latest > losses[0] and latest - least > 1.0:
        message = f"The loss rose from {least:.3g} to {latest:.3g}."
        fix = _slower(value)
        if value("max_grad_norm") in (0, 0.0):
            message += " Gradients are not clipped."
        yield _warning("loss", message, "It forgets what it knew: stop it, and use a lower learning rate.", fix)


def _zero(rows: Sequence[Mapping[str, Any]], method: str) -> Iterator[Finding]:
    losses, norms = _series(rows, "loss")[-_REPEATED:], _series(rows, "grad_norm")[-_REPEATED:]
    if len(losses) < _REPEATED or any(losses) or any(norms):
        return
    if method in ("grpo", "rloo"):  # their loss is zero by construction at times: rewards tell
        return
    why = {
        "distillation": "Teacher and student agree on every word: are they the same model?",
        "sft": "Nothing of the examples is learnt: answers are cut off by `max_length`, or masked.",
    }.get(method, "Nothing is learnt: is there any difference between the answers?")
    yield _warning("loss", "The loss is exactly zero, and so is the gradient.", why)


def _flat(rows: Sequence[Mapping[str, Any]], value: Value) -> Iterator[Finding]:
    spread = _series(rows, "reward_std")[-_FLAT:]
    same = _series(rows, "frac_reward_zero_std")[-_FLAT:]
    without_spread = len(spread) == _FLAT and max(spread) < 1e-6
    # The groups' own spread is told apart from that of the whole batch, where TRL logs it.
    if not (without_spread or (len(same) == _FLAT and min(same) == 1.0)):
        return
    rewards = _series(rows, "reward")[-_FLAT:]
    at = f" All get {rewards[-1]:.3g}." if rewards and max(rewards) - min(rewards) < 1e-6 else ""
    why = (
        f"{at} Answers are judged against the others of their group: where all get the same, nothing is learnt. Try "
        "the reward on the Rewards card; a higher temperature makes answers differ."
    )
    yield _warning("reward_std", f"For {_FLAT} steps every answer of a group had the same reward.", why.strip())


def _clipped(rows: Sequence[Mapping[str, Any]], value: Value) -> Iterator[Finding]:
    shares = _series(rows, "completions/clipped_ratio")[-_REPEATED * 2 :]
    if len(shares) < _REPEATED * 2 or min(shares) < _CLIPPED:
        return
    length = value("max_completion_length")
    fix = None
    if type(length) is int and length > 0:
        fix = Fix(f"Let answers be {2 * length} tokens long", {"max_completion_length": 2 * length})
    why = "An answer that is cut off is judged for what it did not get to say. A base model may never end by itself."
    yield _warning("completions/clipped_ratio", "Nearly every answer is cut off at its limit.", why, fix)


def _empty(rows: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    lengths = _series(rows, "completions/mean_length")[-_REPEATED:]
    if len(lengths) >= _REPEATED and max(lengths) <= 1.0:
        why = "The model ends at once. Is the chat template its own, and the prompt in the form that it knows?"
        yield _warning("completions/mean_length", "The answers are empty.", why)
