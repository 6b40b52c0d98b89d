"""Searching for models and datasets: what is here at once, what the Hub finds within seconds, or a word of why not."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Literal

from studio.adapters.hub import HubClient, Unknown
from studio.adapters.hubsearch import find_datasets, find_models, is_offline, may_read
from studio.domain.hub_hits import DatasetHit, ModelHit
from studio.domain.hub_query import Query
from studio.domain.model_facts import dtype_text
from studio.service.access import Access
from studio.service.dataset_offers import DatasetOffers
from studio.service.model_offers import Offer, fitting
from studio.service.models import Models
from studio.service.paths import looks_like_path
from studio.service.preview import hub_head

Kind = Literal["models", "datasets"]
Hit = ModelHit | DatasetHit

FRESH = 120.0  # seconds for which what the Hub has found stands
PAUSE, LONG_PAUSE = 5.0, 60.0  # seconds without a question after one without an answer, and after "fewer requests"
_AT_ONCE = 6  # hits of which more is asked side by side
_KEPT = 512  # searches and hits that are remembered
# Why nothing came of a search, for people; `{status}` is that of HTTP.
LINES = {
    "off": "Offline mode is on (HF_HUB_OFFLINE), so the Hub is not searched.",
    "offline": "The Hub cannot be reached.",
    "timeout": "The Hub did not answer in time.",
    "refused": "The Hub refuses the token that is set up here: log in again.",
    "no token": "The Hub answers only those who are logged in: log in first.",
    "limited": "The Hub asks for fewer searches: try again in a minute.",
    "busy": "The Hub has no answer right now (status {status}).",
    "unsupported": "The Hub's address has no search (status {status}).",
    "trouble": "The Hub's answer was not understood.",
}


@dataclass(frozen=True)
class Found:
    """What came of a search on the Hub: hits, or `why` (a key of LINES) with the `status` of HTTP.

    `asked` is false where nothing was searched for: too few letters, or a path.
    """

    hits: tuple[Hit, ...] = ()
    why: str = ""
    status: int | None = None
    asked: bool = True

    @property
    def line(self) -> str:
        """Why there is no answer, in a sentence; `` where there is one."""
        return LINES[self.why].format(status=self.status) if self.why else ""

    @property
    def again(self) -> bool:
        """Whether asking again may help."""
        return self.why not in ("", "off")


@dataclass(frozen=True)
class Everywhere:
    """What is here and what the Hub has found for a method: the answer of `trl-studio search` and of the verb.

    `late` are the hits of which the Hub did not tell more in time.
    """

    here: tuple[Offer, ...]
    found: Found
    method: str = "sft"
    late: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The documented form: `trouble` is `null` where the Hub has answered."""
        told = ("id", "kind", "title", "detail", "size")
        offers = [
            {
                **{name: getattr(one, name) for name in told},
                "unfit": one.unfit_for(self.method),
                "revision": one.revision or None,
            }
            for one in self.here
        ]
        return {
            "here": offers,
            "hits": [hit.to_json() for hit in self.found.hits],
            "late": list(self.late),
            "trouble": self.found.line or None,
        }


class Search:
    """Finds models and datasets, for whoever asks: what one may see, another may not."""

    def __init__(
        self,
        hub: HubClient,
        models: Models,
        datasets: DatasetOffers,
        access: Access,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hub, self._models, self._datasets, self._access, self._clock = hub, models, datasets, access, clock
        self._lock = threading.Lock()
        self._found: OrderedDict[tuple[Any, ...], tuple[float, Found]] = OrderedDict()
        self._hits: OrderedDict[tuple[str, str, str], Hit] = OrderedDict()
        self._paused: dict[str, tuple[float, Found]] = {}

    # --- what is here

    def look_around(self, kind: Kind) -> bool:
        """Looks for what is here; whether there is other than before."""
        return self._models.look_around() if kind == "models" else self._datasets.look_around()

    def here(self, kind: Kind, text: str = "") -> list[Offer]:
        """What is here and holds every word of `text`, as far as it has been looked for."""
        return fitting(self._models.offers() if kind == "models" else self._datasets.known(), text)

    def everywhere(self, kind: Kind, query: Query, method: str = "sft") -> Everywhere:
        """What is here and what the Hub finds and tells of each hit, after some seconds at most."""
        end = time.monotonic() + self._hub.patience
        found = self.on_hub(kind, query, method)
        hits = self._all_more(kind, found.hits, end)
        self.look_around(kind)
        late = tuple(hit.id for hit in found.hits if hit.has_more and hits.get(hit.id, hit) == hit)
        full = replace(found, hits=tuple(hits.get(hit.id, hit) for hit in found.hits))
        return Everywhere(tuple(self.here(kind, query.text)), full, method, late)

    def _all_more(self, kind: Kind, hits: Iterable[Hit], end: float) -> dict[str, Hit]:
        """The hits that questions of their own tell more of, as far as there is an answer by `end`."""
        waiting: SimpleQueue[str] = SimpleQueue()
        answers: dict[str, Hit] = {}
        for hit in hits:
            if hit.has_more:
                waiting.put(hit.id)

        def work() -> None:
            with suppress(Empty):
                while time.monotonic() < end:
                    name = waiting.get_nowait()
                    told = self.more(kind, name)
                    if told is not None:
                        answers[name] = told

        # With the caller's context, which says who asks; and nobody waits for one that a silent Hub keeps.
        number = min(_AT_ONCE, waiting.qsize())
        threads = [Thread(target=copy_context().run, args=(work,), name="more", daemon=True) for _ in range(number)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
        return dict(answers)

    # --- the Hub

    def on_hub(self, kind: Kind, query: Query, method: str = "sft", again: bool = False) -> Found:
        """What the Hub finds, after some seconds at most. `again` asks also where it was silent a moment ago."""
        if query.is_empty or looks_like_path(query.text):
            return Found(asked=False)
        if is_offline():
            return Found(why="off")
        user, now = self._user(), self._clock()
        key = (user, kind, query, method)
        with self._lock:
            known, paused = self._found.get(key), self._paused.get(user)
        if known is not None and now - known[0] < FRESH:
            return known[1]
        if paused is not None and now < paused[0] and not again:
            return paused[1]
        answer = find_models(self._hub, query, method) if kind == "models" else find_datasets(self._hub, query)
        if isinstance(answer, Unknown):
            found = _why(answer, self._hub.has_token)
            rest = LONG_PAUSE if found.why == "limited" else PAUSE
            with self._lock:
                self._paused[user] = (self._clock() + rest, found)
                while len(self._paused) > _KEPT:
                    del self._paused[next(iter(self._paused))]
            return found
        found = Found(tuple(answer))
        with self._lock:
            self._paused.pop(user, None)
            _remember(self._found, key, (self._clock(), found))
            for hit in found.hits:
                _remember(self._hits, (user, kind, hit.id), hit)
        return found

    def more(self, kind: Kind, name: str) -> Hit | None:
        """A hit of an earlier search with what takes requests of its own: access, chat template, a dataset's type."""
        key = (self._user(), kind, name)
        with self._lock:
            hit = self._hits.get(key)
        if hit is None:
            return None
        more = self._model(hit) if isinstance(hit, ModelHit) else self._dataset(hit)
        with self._lock:
            _remember(self._hits, key, more)
        return more

    def _model(self, hit: ModelHit) -> ModelHit:
        self._models.learn(hit.id)
        look = self._models.known(hit.id)
        if look is None or look.facts is None:
            return hit
        facts = look.facts
        return replace(
            hit,
            parameters=hit.parameters or facts.parameters,
            dtype=hit.dtype or (dtype_text(facts.dtype) or None),
            access=not facts.barred if hit.gated else None,
            template=hit.template if facts.barred else bool(facts.template),
        )

    def _dataset(self, hit: DatasetHit) -> DatasetHit:
        if hit.gated and hit.access is None:
            hit = replace(hit, access=may_read(self._hub, "datasets", hit.id))
        if hit.access is False or hit.unfit or (hit.type is not None and hit.rows is not None):
            return hit
        head = hub_head(self._hub, hit.id, None, None)
        if isinstance(head, Unknown):
            # What the files themselves say stands; where nobody has answered, there is only no more to tell yet.
            against = head.reason in ("unsupported", "not found")
            return replace(hit, unfit=head.message) if against else replace(hit, note=head.message)
        more = replace(
            hit,
            rows=head.num_rows if hit.rows is None else hit.rows,
            configs=head.configs,
            splits=head.splits.get(head.config, ()),
        )
        return more.seen(head.columns, head.rows)

    def _user(self) -> str:
        user = self._access.user()
        return user.name if user else ""


def _why(answer: Unknown, with_token: bool) -> Found:
    status = answer.status
    if status in (401, 403):
        return Found(why="refused" if with_token else "no token", status=status)
    if status == 429:
        return Found(why="limited", status=status)
    if status is not None and status >= 500:
        return Found(why="busy", status=status)
    if status is not None:
        return Found(why="unsupported", status=status)
    return Found(why=answer.reason if answer.reason in LINES else "trouble")


def _remember(into: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    into[key] = value
    into.move_to_end(key)
    while len(into) > _KEPT:
        into.popitem(last=False)
