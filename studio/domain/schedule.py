"""The learning rate over the steps of a run, as transformers' schedules give it; drawn before anything has run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

# The names are transformers' `SchedulerType`, the formulas those of its `optimization` module (5.23).
BY_RESULT = {
    "reduce_lr_on_plateau": "It falls whenever the evaluation stops getting better.",
    "greedy": "It rises and falls with the evaluation.",
}
_NEEDED: dict[str, tuple[tuple[str, ...], str]] = {
    "cosine_with_min_lr": (("min_lr", "min_lr_rate"), "{min_lr_rate: 0.1}"),
    "cosine_warmup_with_min_lr": (("min_lr", "min_lr_rate"), "{min_lr_rate: 0.1}"),
    "warmup_stable_decay": (("num_decay_steps",), "{num_decay_steps: 100}"),
}


def lacking(name: str, options: Mapping[str, Any]) -> str | None:
    """Which options a schedule stops without, as an example of `lr_scheduler_kwargs`, or None."""
    needed = _NEEDED.get(name)
    return needed[1] if needed and not any(options.get(key) is not None for key in needed[0]) else None


def warmup_of(warmup: float, total: int) -> int:
    """Steps of warmup: below 1 a share of the run (`TrainingArguments.get_warmup_steps`)."""
    return int(warmup) if warmup >= 1 else math.ceil(total * warmup)


def rates(
    name: str, peak: float, total: int, warmup: int, options: Mapping[str, Any], points: int = 120
) -> list[tuple[int, float]] | None:
    """Pairs of step and learning rate over `total` steps, `points` of them at most.

    None where the rate depends on results, or where the options are missing or wrong.
    """
    if total < 1 or peak <= 0:
        return None
    steps = sorted({round(place * total / points) for place in range(points + 1)} | {min(warmup, total)})
    try:
        factor = _factor(name, peak, total, warmup, options)
        return None if factor is None else [(step, peak * factor(step)) for step in steps]
    except (ArithmeticError, KeyError, TypeError, ValueError):
        return None  # options that transformers would refuse as well


def _factor(
    name: str, peak: float, total: int, warmup: int, options: Mapping[str, Any]
) -> Callable[[int], float] | None:
    """The share of the peak rate at a step."""
    if name in BY_RESULT or lacking(name, options):
        return None
    if name == "constant":
        return lambda step: 1.0
    if name == "warmup_stable_decay":
        return _stable_decay(total, warmup, options)
    after = _after_warmup(name, peak, total, warmup, options)
    if after is None:
        return None
    if name == "cosine_warmup_with_min_lr":
        start = options.get("warmup_lr_rate")

        def rising(step: int) -> float:
            if start is None:
                return (step + 1) / max(1, warmup)
            return float(start) + (1 - float(start)) * step / max(1, warmup - 1)

        return lambda step: rising(step) if step < warmup else after(step)
    return lambda step: step / max(1, warmup) if step < warmup else after(step)


def _after_warmup(
    name: str, peak: float, total: int, warmup: int, options: Mapping[str, Any]
) -> Callable[[int], float] | None:
    rest = max(1, total - warmup)
    waves = options.get("num_cycles")

    def cosine(progress: float, cycles: float) -> float:
        return 0.5 * (1 + math.cos(math.pi * cycles * 2 * progress))

    if name == "constant_with_warmup":
        return lambda step: 1.0
    if name == "linear":
        return lambda step: max(0.0, (total - step) / rest)
    if name == "cosine":
        return lambda step: max(0.0, cosine((step - warmup) / rest, 0.5 if waves is None else float(waves)))
    if name == "cosine_with_restarts":
        cycles = 1 if waves is None else waves

        def restarting(step: int) -> float:
            progress = (step - warmup) / rest
            return 0.0 if progress >= 1 else max(0.0, cosine((cycles * progress) % 1.0, 0.5))

        return restarting
    if name == "polynomial":
        end, power = float(options.get("lr_end", 1e-7)), float(options.get("power", 1.0))
        return lambda step: ((peak - end) * (1 - (step - warmup) / rest) ** power + end) / peak
    if name == "inverse_sqrt":
        scale = options.get("timescale") or warmup or 10_000
        return lambda step: 1.0 / math.sqrt((step + scale - warmup) / scale)
    if name in ("cosine_with_min_lr", "cosine_warmup_with_min_lr"):
        least = options.get("min_lr_rate")
        floor = float(options["min_lr"]) / peak if least is None else float(least)
        ahead = 1 if name == "cosine_warmup_with_min_lr" else 0
        width = 0.5 if waves is None else float(waves)
        return lambda step: max(0.0, cosine((step - warmup + ahead) / rest, width) * (1 - floor) + floor)
    return None


def _stable_decay(total: int, warmup: int, options: Mapping[str, Any]) -> Callable[[int], float]:
    decay = int(options["num_decay_steps"])
    given = options.get("num_stable_steps")
    stable = total - warmup - decay if given is None else int(given)
    floor, waves = float(options.get("min_lr_ratio", 0)), float(options.get("num_cycles", 0.5))
    rise, fall = options.get("warmup_type", "linear"), options.get("decay_type", "cosine")

    def factor(step: int) -> float:
        if step < warmup:
            up = step / max(1, warmup)
            shapes = {"linear": up, "cosine": 0.5 * (1 - math.cos(math.pi * up)), "1-sqrt": 1 - math.sqrt(1 - up)}
            return shapes[rise] * (1 - floor) + floor
        if step < warmup + stable:
            return 1.0
        if step < warmup + stable + decay:
            down = (step - warmup - stable) / max(1, decay)
            shapes = {
                "linear": 1 - down,
                "cosine": 0.5 * (1 + math.cos(math.pi * waves * 2 * down)),
                "1-sqrt": 1 - math.sqrt(down),
            }
            return max(0.0, shapes[fall] * (1 - floor) + floor)
        return floor

    return factor
