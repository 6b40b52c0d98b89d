"""Which way a metric is better: of a loss the lower value, of an accuracy the higher, of most others neither."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

Better = Literal["min", "max"]

# A spread or a share of something is no success, whatever it is a spread of. Of answers that the trainer was given
# (chosen, rejected) neither way is better in itself: their margin says it. A reward model's own scores have no goal.
_NEITHER = ("std", "chosen", "rejected", "frac_reward", "profiling/", "clip_ratio", "logps", "logits")
_SCORES = ("min_reward", "mean_reward", "max_reward")
_LOWER = ("loss", "perplexity")
_HIGHER = ("reward", "accurac", "margin")


def better(metric: str) -> Better | None:
    """`min` or `max`, whichever of a metric's values is the best; None where neither is, as for a learning rate."""
    name = metric.removeprefix("eval/").removeprefix("eval_")
    if name in _SCORES or any(part in name for part in _NEITHER):
        return None
    if any(part in name for part in _LOWER):
        return "min"
    return "max" if any(part in name for part in _HIGHER) else None


def best(metric: str, x: Iterable[float], y: Iterable[float | None]) -> tuple[float, float] | None:
    """The best value of a metric and where it was reached first; None where no value is better than another."""
    way = better(metric)
    points = [(value, place) for place, value in zip(x, y, strict=True) if value is not None]
    if way is None or not points:
        return None
    sign = 1 if way == "min" else -1
    value, place = min(points, key=lambda point: (sign * point[0], point[1]))
    return value, place
