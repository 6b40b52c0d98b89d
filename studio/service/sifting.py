"""Which runs a list shows, and in what order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from studio.domain.methods import METHOD_NAMES, method_named

Shown = Mapping[str, Any]
Order = Literal["run", "method", "state", "step", "last", "started"]


@dataclass(frozen=True)
class Sift:
    """What a list is asked for: words, an order, and whether archived runs are among it."""

    text: str = ""
    order: Order = "started"
    down: bool = True
    archived: bool = False

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Sift:
        """From what a page says; what makes no sense counts as not said."""
        order: Order = next((one for one in _VALUES if one == told.get("order")), "started")
        text = str(told.get("text") or "")[:200]
        return cls(text, order, told.get("down") is not False, told.get("archived") is True)


def sifted(runs: Iterable[Shown], sift: Sift) -> list[Shown]:
    """The runs, as the service describes them, that hold every word, in the order asked for; unknown values last."""
    words = sift.text.lower().split()
    listed = [run for run in runs if sift.archived or not run["archived"]]
    found = [run for run in listed if all(word in _text(run) for word in words)]
    value = _VALUES[sift.order]
    known = [run for run in found if value(run) is not None]
    known.sort(key=value, reverse=sift.down)
    return known + [run for run in found if value(run) is None]


def headline(run: Shown) -> tuple[str, float | None]:
    """The metric that tells most of a run, and its last value."""
    names = method_named(run["method"]).headline if run["method"] in METHOD_NAMES else ("loss",)
    name = next((name for name in names if name in run["last_metrics"]), names[0])
    return name, run["last_metrics"].get(name)


def _text(run: Shown) -> str:
    """What a word may be found in: name, method, state, tags and note."""
    return " ".join([run["id"], run["method"], run["state"], *run["tags"], run["note"]]).lower()


_VALUES: dict[Order, Callable[[Shown], Any]] = {
    "run": lambda run: run["id"],
    "method": lambda run: run["method"],
    "state": lambda run: run["state"],
    "step": lambda run: run["last_step"],
    "last": lambda run: headline(run)[1],
    "started": lambda run: run["started"] or run["created"],
}
