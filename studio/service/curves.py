"""Which metrics are drawn together, in what order and group, for a method."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

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
