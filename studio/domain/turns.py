"""Whose turn it is: which of the runs that wait for a machine's GPUs may start now."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from studio.domain.errors import StudioError

Gpus = tuple[int, ...]  # numbers of GPUs as the driver counts them; () is the CPU

_SET = re.compile(r"[0-9]{1,4}(,[0-9]{1,4})*")


@dataclass(frozen=True)
class Rules:
    """How many runs at once on the same GPUs (or on the CPU), and the sets of GPUs that are handed out.

    With `sets`, a run that asks for no GPU in particular gets the first set that is free. Without, it asks for all.
    """

    at_once: int = 1
    sets: tuple[Gpus, ...] = ()

    def share(self, here: int) -> int:
        """How many of the `here` GPUs a run may count on that names none: of sets that differ, the smallest."""
        return min((len(one) for one in self.sets), default=here) if here else 0


@dataclass(frozen=True)
class Place:
    """One run in the queue: its place in the order, the GPUs it asks for (None: any set), and whether it has begun."""

    id: str
    order: float
    gpus: Gpus | None
    going: bool = False


def turns(places: Iterable[Place], rules: Rules) -> dict[str, Gpus]:
    """The waiting runs that may start now, in their order, each with its GPUs.

    First come, first served: one that waits for several GPUs keeps later ones from the one that is free already. Runs
    on other GPUs go on beside it.
    """
    places = list(places)
    used: Counter[int] = Counter()
    for one in places:
        if one.going:
            used.update(_keys(one.gpus or ()))
    found: dict[str, Gpus] = {}
    for one in sorted((one for one in places if not one.going), key=lambda one: (one.order, one.id)):
        asked = [one.gpus] if one.gpus is not None else list(rules.sets) or [()]
        free = next((gpus for gpus in asked if all(used[key] < rules.at_once for key in _keys(gpus))), None)
        if free is not None:
            found[one.id] = free
        used.update(_keys(free if free is not None else asked[0]))
    return found


def moved(places: Iterable[Place], run_id: str, to: int) -> dict[str, float]:
    """New orders for the waiting runs, with `run_id` at index `to` of the line; 0 is next. Only changes are named."""
    line = sorted((one for one in places if not one.going), key=lambda one: (one.order, one.id))
    mine = next((one for one in line if one.id == run_id), None)
    if mine is None:
        return {}
    orders = sorted(one.order for one in line)
    if len(set(orders)) < len(orders):
        orders = [float(n) for n in range(len(line))]
    line.remove(mine)
    line.insert(max(0, to), mine)
    return {one.id: order for one, order in zip(line, orders, strict=True) if one.order != order}


def gpus_in(text: object) -> Gpus | None:
    """The GPUs that `gpu_ids` names, as accelerate reads it; None for "all", for none and for what is no list."""
    parts = [part.strip() for part in str(text if text is not None else "").split(",") if part.strip()]
    return tuple(sorted({int(part) for part in parts})) if parts and all(part.isdigit() for part in parts) else None


def sets_in(words: Iterable[str]) -> tuple[Gpus, ...]:
    """The sets of GPUs as they are typed, `0,1 2,3`; `all` alone is none. Raises StudioError for what is no set."""
    listed = list(words)
    if listed == ["all"]:
        return ()
    for one in listed:
        if not _SET.fullmatch(one):
            raise StudioError(f"'{one}' is no set of GPUs.", "Name their numbers, as in: 0,1 2,3")
    return tuple(tuple(int(gpu) for gpu in one.split(",")) for one in listed)


def _keys(gpus: Gpus) -> Gpus:
    return gpus or (-1,)  # the CPU is one more thing that is used
