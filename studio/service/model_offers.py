"""Models that are here already: those of own runs, those in the local cache of the Hub, and the demo."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from studio.adapters.hubcache import CachedModel, HubCache
from studio.adapters.progress import is_complete, newest_checkpoint
from studio.domain.errors import StudioError
from studio.domain.hub_hits import unfit_here
from studio.domain.methods import method_named
from studio.domain.model_facts import ModelFacts, kind_of, parameters_text
from studio.domain.moments import moment
from studio.domain.states import LIVE
from studio.service.access import Access
from studio.service.paths import Paths
from studio.service.runs import Runs

_LOOKED = 15.0  # seconds for which what is here is taken to be the same
_RESULTS = 100  # runs, the newest first, whose models are offered
_DEMO = "assets/demo/model"
KINDS = {"result": "your run", "prepared": "prepared", "upload": "uploaded", "cached": "in the cache", "demo": "demo"}


@dataclass(frozen=True)
class Offer:
    """A model or dataset that is here: what the recipe would name (`id`, `revision` unless main), and how it is shown.

    `used` is when it was used or made last, in seconds of epoch; None where that says nothing. `unfit` says in a
    sentence why TRL cannot train it, or from it, `` where nothing is known against it; `scores` that it suits the
    method reward all the same.
    """

    id: str
    kind: Literal["result", "prepared", "upload", "cached", "demo"]
    title: str
    detail: str
    size: int
    used: float | None = None
    revision: str = ""
    unfit: str = ""
    scores: bool = False

    def unfit_for(self, method: str) -> str:
        """Why it does not suit a method, `` where nothing is known against it."""
        return "" if self.scores and method == "reward" else self.unfit

    @property
    def said(self) -> str:
        """What is searched through: its names, and what is said of it."""
        return f"{self.id} {self.title} {self.detail} {KINDS[self.kind]}"


class ModelOffers:
    """Finds the models that are here, for whoever asks; `facts_in` reads a model's folder."""

    def __init__(
        self,
        paths: Callable[[], Paths],
        cache: HubCache,
        runs: Callable[[], Runs],
        access: Access,
        facts_in: Callable[[Path], ModelFacts],
    ) -> None:
        self._paths, self._cache, self._runs, self._access, self._facts_in = paths, cache, runs, access, facts_in
        self._found: tuple[Offer, ...] | None = None
        self._looked = 0.0

    def known(self) -> tuple[Offer, ...]:
        """What was found when it was looked for last, and the demo."""
        return (*(self._found or ()), *self._demo()) if not self._access.refusal() else self._demo()

    def look_around(self) -> bool:
        """Looks for models, unless that was just done; whether there are others than before."""
        now = time.monotonic()
        if self._access.refusal() or (self._found is not None and now - self._looked < _LOOKED):
            return False
        self._looked = now
        found = (*self._results(), *map(self._cached, self._cache.models()))
        news, self._found = found != self._found, found
        return news

    def _cached(self, one: CachedModel) -> Offer:
        facts = replace(self._facts_in(one.folder), id=one.name)
        (unfit, scores), template = unfit_here(facts), "chat template" if facts.template else "no chat template"
        told = [parameters_text(facts), "" if unfit else template, facts.licence]
        told += [f"revision {one.revision}" if one.revision else ""]
        detail = " · ".join(filter(None, told))
        return Offer(one.name, "cached", one.name, detail, one.size, one.used, one.revision, unfit, scores)

    def _results(self) -> list[Offer]:
        """The models of own runs that have ended; the newest checkpoint where a run left no final model."""
        try:
            runs = self._runs().list(_RESULTS)
        except StudioError:
            return []
        offers = []
        for run in runs:
            if run["state"] in LIVE:
                continue
            output, step = Path(run["folder"]) / "output", ""
            if not _holds_model(output):
                checkpoint = newest_checkpoint(Path(run["folder"]))
                if checkpoint is None or not is_complete(checkpoint) or not _holds_model(checkpoint):
                    continue
                output, step = checkpoint, f"step {checkpoint.name.rpartition('-')[2]}"
            facts = self._facts_in(output)
            if facts.trouble:
                continue
            label = method_named(run["method"]).label if run["method"] else ""
            sort = "adapter" if kind_of(facts)[0] == "adapter" else ""
            detail = " · ".join(filter(None, (label, sort, step, run["state"])))
            size = sum(facts.sizes.values())
            unfit, scores = unfit_here(facts)
            seconds = _seconds(run["ended"])
            offers.append(Offer(str(output), "result", run["id"], detail, size, seconds, "", unfit, scores))
        return offers

    def _demo(self) -> tuple[Offer, ...]:
        """The tiny model that comes with the studio."""
        found = self._paths().find(_DEMO)
        if found is None or not found.is_dir():
            return ()
        size = sum(self._facts_in(found).sizes.values())
        return (Offer(_DEMO, "demo", "Demo model", "tiny, to try things out", size),)


def fitting(offers: Iterable[Offer], text: str) -> list[Offer]:
    """The offers that hold every word of a text, in their name or in what is said of them."""
    words = text.casefold().split()
    return [one for one in offers if all(word in one.said.casefold() for word in words)]


def _holds_model(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("config.json", "adapter_config.json"))


def _seconds(said: Any) -> float | None:
    then = moment(said)
    return None if then is None else then.timestamp()
