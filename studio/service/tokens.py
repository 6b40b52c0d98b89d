"""Tokens before training: what TRL makes of a sample of the recipe's data, counted in the worker and remembered."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from studio.adapters.hub import HubClient, Unknown
from studio.adapters.hubcache import HubCache
from studio.adapters.models import stamp
from studio.adapters.tokens import TokenCounter
from studio.domain.arguments import Catalog
from studio.domain.errors import StudioError
from studio.domain.findings import Finding
from studio.domain.mixture import entries_of, held_out
from studio.domain.model_checks import TEMPLATED
from studio.domain.model_facts import needed_files, weights_among
from studio.domain.plain_json import plain
from studio.domain.recipe import Recipe
from studio.domain.token_count import ALL, TokenCount, token_findings
from studio.service.access import Access
from studio.service.data import Inspection
from studio.service.mixing import mix_of
from studio.service.models import Models, named_models
from studio.service.paths import Paths
from studio.service.token_rows import Share, Taken, against, rows_of, shares_of

SAMPLE = 500  # rows that are counted at once
SHOWN = 8  # examples that are shown as text at a time
_LARGEST = 64 << 20  # bytes of a tokenizer that are fetched
_KEPT = 64  # counts that are remembered
# What decides how a sample is read; everything else of a recipe leaves a count as it is.
DECIDING = (
    "dataset_text_field", "dataset_kwargs", "eos_token", "pad_token", "chat_template_path", "chat_template_kwargs",
    "completion_only_loss", "assistant_only_loss", "max_length", "max_prompt_length", "max_completion_length",
    "truncation_mode", "packing", "packing_strategy", "padding_free", "pad_to_multiple_of", "shuffle_dataset", "seed",
)  # fmt: skip
NAMING = ("model_name_or_path", "model_revision")
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "tokenizer_config.json")


@dataclass(frozen=True)
class Counted:
    """A count with the examples that are shown of it, from number `first` on; `trouble` says why there is none."""

    count: TokenCount | None = None
    samples: Mapping[int, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    trouble: str = ""


@dataclass(frozen=True)
class _Wanted:
    """A question for the worker: which rows are counted, by which model's tokenizer, under which values."""

    shares: tuple[Share, ...]
    total: int | None  # rows of the data, of which `held` are held out for evaluation, by `test_split_size`
    held: int
    test_size: Any
    method: str
    model: tuple[str, str]  # name and revision
    values: Mapping[str, Any]
    rows: int
    sample: str  # names the sample: its data, model and method
    rows_key: str  # names its rows
    key: str  # names the whole question


class KnownTokens:
    """Counts in memory, and the child that makes them; for all who use the studio, under keys that tell who asked."""

    def __init__(self, counter: TokenCounter | None = None) -> None:
        self.counter = counter or TokenCounter()
        self.lock = threading.Lock()
        self.counts: OrderedDict[str, Counted] = OrderedDict()
        self.asked: set[str] = set()  # samples that somebody wanted to have counted
        self.whole: set[str] = set()  # questions of which somebody wanted all rows
        self.rows: OrderedDict[str, Taken] = OrderedDict()

    def keep(self, key: str, counted: Counted) -> None:
        with self.lock:
            self.counts[key] = counted
            self.counts.move_to_end(key)
            while len(self.counts) > _KEPT:
                self.counts.popitem(last=False)


class Tokens:
    """Counts of samples under recipes, as whoever asks may see their data and models."""

    def __init__(
        self, known: KnownTokens, models: Models, paths: Paths, hub: HubClient, cache: HubCache, access: Access
    ) -> None:
        self._known, self._models, self._paths = known, models, paths
        self._hub, self._cache, self._access = hub, cache, access

    def reason(self, recipe: Recipe, looked: Sequence[Inspection]) -> str:
        """Why nothing can be counted as things stand, in a sentence; `` where it can."""
        if not recipe.get("model_name_or_path"):
            return "Tokens are those of a model: choose one on the Model tab."
        why = against(mix_of(recipe.values, looked), looked)
        if why:
            return why
        name, revision = self._model(recipe)
        look = self._models.known(name, revision)
        if look is not None and look.facts is None:
            return f"Tokens need the model's tokenizer. {look.why}"
        return ""

    def known(self, recipe: Recipe, looked: Sequence[Inspection], every: bool = False) -> Counted | None:
        """The count under the recipe as it is now; None where it has not been made, or has gone."""
        wanted = self._wanted(recipe, looked, every)
        with self._known.lock:
            return self._known.counts.get(wanted.key) if wanted else None

    def best(self, recipe: Recipe, looked: Sequence[Inspection]) -> Counted | None:
        """The count of all rows where there is one, else of a sample."""
        if not self._known.counts:
            return None  # every edit asks, and most forms have never been counted
        return self.known(recipe, looked, every=True) or self.known(recipe, looked)

    def sequences(self, recipe: Recipe, looked: Sequence[Inspection]) -> int | None:
        """What TRL makes of the rows for batches, where that has been counted: examples, or packed sequences."""
        counted = self.best(recipe, looked)
        count = counted.count if counted else None
        return count.sequences(recipe.get("packing") is True) if count and not count.refusal else None

    def start(self, recipe: Recipe, looked: Sequence[Inspection], every: bool = False) -> None:
        """Says that the sample is to be counted, now and after every edit; with `every` all rows, this once."""
        wanted = self._wanted(recipe, looked, every)
        if wanted is None:
            return
        with self._known.lock:
            self._known.asked.add(wanted.sample)
            if every:
                self._known.whole.add(wanted.key)
            before = self._known.counts.get(wanted.key)
            if before is not None and before.count is None:
                del self._known.counts[wanted.key]  # it failed: it is tried again

    def wants_all(self, recipe: Recipe, looked: Sequence[Inspection]) -> bool:
        """Whether all rows are to be counted under the recipe as it is."""
        wanted = self._wanted(recipe, looked, every=True) if self._known.whole else None
        return wanted is not None and wanted.key in self._known.whole

    def open_question(self, recipe: Recipe, looked: Sequence[Inspection], example: int) -> str:
        """What is still to be counted, or read for that example to be shown, as a key; `` where nothing is."""
        wanted = self._wanted(recipe, looked, self.wants_all(recipe, looked)) if self._known.asked else None
        if wanted is None or wanted.sample not in self._known.asked:
            return ""
        with self._known.lock:
            counted = self._known.counts.get(wanted.key)
        if counted is None:
            return wanted.key
        number = min(example, counted.count.shown_of - 1) if counted.count else -1
        return "" if number < 0 or number in counted.samples else f"{wanted.key}:{number // SHOWN}"

    def count(self, recipe: Recipe, looked: Sequence[Inspection], every: bool = False, first: int = 0) -> Counted:
        """Counts, which takes seconds; `first` is an example to be shown too. A trouble instead of an exception.

        `every` counts all rows, where they are not too many.
        """
        reason = self.reason(recipe, looked)
        wanted = self._wanted(recipe, looked, every) if not reason else None
        if wanted is None:
            return Counted(trouble=reason or "The data or the model cannot be named.")
        with self._known.lock:
            before = self._known.counts.get(wanted.key)
        number = 0
        if before is not None:
            number = min(first, before.count.shown_of - 1) if before.count else -1
            if number < 0 or number in before.samples:
                return before
        counted = self._counted(wanted, number - number % SHOWN, before)
        self._known.keep(wanted.key, counted)
        return counted

    def findings(self, recipe: Recipe, looked: Sequence[Inspection], catalog: Catalog) -> list[Finding]:
        """What a count that has been made says against the recipe; nothing is counted for it."""
        counted = self.best(recipe, looked)
        if counted is None or counted.count is None:
            return []
        found = token_findings(counted.count, recipe.values, frozenset(catalog.of(recipe.method)))
        return [one for one in found if not self._said(one, recipe)]

    def close(self) -> None:
        """Ends the process that counts; the next count starts another."""
        self._known.counter.close()

    # --- the question

    def _said(self, found: Finding, recipe: Recipe) -> bool:
        """Whether the look at the chat template has said the same already."""
        look = self._models.known(*self._model(recipe)) if found.where.name == "assistant_only_loss" else None
        if look is None or look.facts is None:
            return False
        tried = self._models.template(self._models.templated(recipe, look.facts)[0])
        return tried is not None and tried.marks == "no"

    def _model(self, recipe: Recipe) -> tuple[str, str]:
        named = {argument: (name, revision) for argument, name, revision in named_models(recipe)}
        return named.get("model_name_or_path", ("", "main"))

    def _wanted(self, recipe: Recipe, looked: Sequence[Inspection], every: bool = False) -> _Wanted | None:
        mix = mix_of(recipe.values, looked)
        shares = shares_of(mix, looked)
        if not shares or not recipe.get("model_name_or_path"):
            return None
        user = self._access.user()
        values = {name: plain(recipe.values[name]) for name in DECIDING if name in recipe.values}
        about = [user.name if user else "", recipe.method, self._model(recipe), *(one.identity() for one in shares)]
        rows, held = ALL if every else SAMPLE, mix.split[1] if mix.split else 0
        sample = _digest(about)
        rows_key = _digest([sample, [(one.first, one.rows) for one in shares], rows])
        size = recipe.get("test_split_size") if entries_of(recipe.values) else None
        key = _digest([rows_key, values, held if mix.total is not None else size])
        model = self._model(recipe)
        return _Wanted(shares, mix.total, held, size, recipe.method, model, values, rows, sample, rows_key, key)

    # --- the answer

    def _counted(self, wanted: _Wanted, first: int, before: Counted | None) -> Counted:
        try:
            folder = self._tokenizer(*wanted.model)
            values = self._resolved(wanted)
            taken = self._rows(wanted)
        except StudioError as error:
            return Counted(trouble=f"{error.message} {error.hint}".strip())
        asked = {
            "method": wanted.method,
            "values": values,
            "model": str(folder),
            "stamp": stamp(folder),
            "kind": taken.kind,
            "key": wanted.rows_key,
            "first": first,
            "shown": SHOWN,
        }
        told = self._known.counter.ask(asked, taken.rows)
        if "trouble" in told:
            return Counted(trouble=str(told["trouble"]))
        samples = dict(before.samples) if before else {}
        samples |= {first + place: one for place, one in enumerate(told.get("samples", ()))}
        total, held = wanted.total, wanted.held
        if total is None and taken.total is not None:  # of the Hub's data it may be known once they are read
            total, (_, held) = taken.total, held_out(taken.total, wanted.test_size) or (0, 0)
        return Counted(TokenCount.from_json(wanted.method, total, told, held), samples)

    def _tokenizer(self, name: str, revision: str) -> Path:
        """The folder with a model's tokenizer: its own, or that in the local cache, brought there where need be."""
        look = self._models.known(name, revision)
        if look is not None and look.place == "folder":
            found = self._paths.find(name)
            if found is None:
                raise StudioError(f"There is no folder {name} any more.", "Choose the model again.")
            return found
        if self._access.refusal():
            raise StudioError("Only the owner of this Space has tokens counted with models from the Hub.", "")
        here = self._cache.snapshot(name, revision)
        if here is not None and any((here / file).is_file() for file in _TOKENIZERS):
            return here
        if look is None:
            self._models.learn(name, revision)
            look = self._models.known(name, revision)
        if look is None or look.facts is None or look.place != "hub":
            why = look.why if look is not None else "The Hub has not told of it."
            raise StudioError(f"The tokenizer of {name} is not here. {why}", look.cure if look is not None else "")
        facts = look.facts
        if facts.barred:
            raise StudioError(f"{name} is gated, so its tokenizer may not be read.", "Log in with `hf auth login`.")
        weights = weights_among(facts.files)
        files = [file for file in needed_files(facts.files) if file not in weights]
        if sum(facts.sizes.get(file, 0) for file in files) > _LARGEST:
            raise StudioError(f"The tokenizer of {name} is too large to be fetched for a count.", "")
        brought = self._hub.fetch(name, None if revision == "main" else revision, files, self._cache.folder)
        here = self._cache.snapshot(name, revision)
        if isinstance(brought, Unknown) or here is None:
            why = brought.message if isinstance(brought, Unknown) else "It could not be kept."
            raise StudioError(f"The tokenizer of {name} could not be fetched. {why}", "The count can wait for it.")
        return here

    def _resolved(self, wanted: _Wanted) -> dict[str, Any]:
        """The values as the child can use them: what names a place is one on this machine."""
        values = dict(wanted.values)
        source = values.get("chat_template_path")
        if isinstance(source, str) and source and wanted.method in TEMPLATED:
            file = self._paths.find(source)
            values["chat_template_path"] = str(file or self._tokenizer(source, "main"))
        return values

    def _rows(self, wanted: _Wanted) -> Taken:
        """The rows of a sample, kept for the next count of them."""
        with self._known.lock:
            kept = self._known.rows.get(wanted.rows_key)
        told = kept or rows_of(wanted.shares, wanted.rows, self._paths, self._hub)
        with self._known.lock:
            self._known.rows[wanted.rows_key] = told
            while len(self._known.rows) > 3:
                self._known.rows.popitem(last=False)
        return told


def _digest(about: Any) -> str:
    return hashlib.sha256(json.dumps(about, sort_keys=True, default=str).encode()).hexdigest()[:24]
