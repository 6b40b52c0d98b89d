"""Which metrics are drawn together, in what order and group, for a method."""

from __future__ import annotations

import itertools
import re
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from studio.adapters.run_metrics import RunMetrics
from studio.domain.methods import METHOD_NAMES, method_named

# The first group with a word that a metric's name holds has it.
_GROUPS = (
    ("Timing", ("profiling/",)),
    ("Rewards", ("reward", "logps", "logits", "margin", "accuracy", "kl")),
    ("Lengths", ("completions", "num_tokens", "length", "clip_ratio", "frac_reward")),
    ("Evaluation", ("eval/",)),
)
_PLAIN = ("learning_rate", "epoch", "num_tokens")
_HIDDEN = ("global_step", "epoch")
# What is drawn of the machine, of all that trackio notes: title, unit, and the names with the label of each line.
_HARDWARE = (
    ("GPU use", "%", re.compile(r"gpu/(\d+)/utilization")),
    ("GPU memory", "GiB", re.compile(r"gpu/(\d+)/allocated_memory")),
    ("GPU power", "W", re.compile(r"gpu/(\d+)/power")),
    ("GPU temperature", "°C", re.compile(r"gpu/(\d+)/temp")),
    ("CPU use", "%", re.compile(r"cpu/(utilization)")),
    ("Memory in use", "GiB", re.compile(r"memory/(used)")),
    ("Disk read", "MiB/s", re.compile(r"disk/(read)_mb_per_sec")),
    ("Disk write", "MiB/s", re.compile(r"disk/(write)_mb_per_sec")),
)
_PACE = 20  # logged steps of which the pace is the mean


@dataclass(frozen=True)
class Plot:
    """One chart: `lines` are (metric, label, kind); an evaluation of the same metric is drawn with it, dashed."""

    key: str
    title: str
    lines: tuple[tuple[str, str, Literal["train", "eval"]], ...]
    group: str
    smooth: bool


def grouped(names: Iterable[str], method: str) -> list[Plot]:
    """The plots for the metrics that a run has logged, its method's headline first."""
    present = [name for name in names if name not in _HIDDEN]
    headline = list(method_named(method).headline) if method in METHOD_NAMES else ["loss"]
    headline += [name for name in ("loss", "learning_rate", "grad_norm") if name not in headline]
    train = [name for name in present if not name.startswith("eval/")]
    ordered = [name for name in headline if name in train] + [name for name in train if name not in headline]
    plots = [_plot(name, headline, f"eval/{name}" in present) for name in ordered]
    drawn = {line[0] for plot in plots for line in plot.lines}
    rest = [name for name in present if name not in drawn]
    return plots + [Plot(name, _title(name), ((name, "eval", "eval"),), "Evaluation", False) for name in rest]


@dataclass(frozen=True)
class Hardware:
    """One chart of the machine, over time: `lines` are (metric, label)."""

    title: str
    unit: str
    lines: tuple[tuple[str, str], ...]


def hardware(names: Iterable[str]) -> list[Hardware]:
    """The plots of the machine's metrics, one line for each GPU."""
    known, plots = list(names), []
    for title, unit, pattern in _HARDWARE:
        found = [(name, match[1]) for name in known if (match := pattern.fullmatch(name))]
        lines = [(name, f"GPU {label}" if label.isdigit() else title) for name, label in sorted(found)]
        if lines:
            plots.append(Hardware(title, unit, tuple(lines)))
    return plots


def news(metrics: RunMetrics, cursor: Any) -> dict[str, Any]:
    """What came after `cursor` (None for all): `{cursor, reset, series, axes, system}`, each as `Curves.since` has it.

    The three go together: where one is to begin anew, all do.
    """
    known = cursor if isinstance(cursor, dict) else {}
    parts = {"series": metrics, "axes": metrics.axes, "system": metrics.system}
    found = {name: curves.since(_ordinal(known.get(name))) for name, curves in parts.items()}
    reset = cursor is not None and known is not cursor
    reset = reset or any(_ordinal(known.get(name)) and one["reset"] for name, one in found.items())
    if reset:
        found = {name: curves.since(0) for name, curves in parts.items()}
    return {
        "cursor": {name: one["cursor"] for name, one in found.items()},
        "reset": reset,
        **{name: one["series"] for name, one in found.items()},
    }


def _ordinal(said: Any) -> int:
    return said if isinstance(said, int) and said > 0 else 0


def pace(metrics: RunMetrics) -> tuple[float | None, float | None]:
    """Steps and tokens a second over the last logged steps; None where that cannot be said."""
    rows = metrics.axes.recent(("time", "tokens"), _PACE)
    steps, tokens = [], []
    for first, last in itertools.pairwise(rows):
        seconds = last.get("time", 0.0) - first.get("time", 0.0)
        if seconds > 0:
            steps.append((last["global_step"] - first["global_step"]) / seconds)
            tokens.append((last.get("tokens", 0.0) - first.get("tokens", 0.0)) / seconds)
    # The median: the pause before a run was resumed is none of its pace.
    fast = statistics.median(tokens) if tokens else 0.0
    return statistics.median(steps) if steps else None, fast if fast > 0 else None


def _plot(name: str, headline: list[str], evaluated: bool) -> Plot:
    lines: list[tuple[str, str, Literal["train", "eval"]]] = [(name, "train", "train")]
    if evaluated:
        lines.append((f"eval/{name}", "eval", "eval"))
    return Plot(name, _title(name), tuple(lines), _group(name, headline), name not in _PLAIN)


def _group(name: str, headline: list[str]) -> str:
    if name in headline[:6]:
        return "Headline"
    for group, words in _GROUPS:
        if any(word in name for word in words):
            return group
    return "More"


def _title(name: str) -> str:
    return name.replace("eval/", "").replace("/", ": ").replace("_", " ").capitalize()
