"""Models: what is known of one at once, what the Hub is asked about it, and which are here already."""

from __future__ import annotations

import contextvars
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Container, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from studio.adapters import vocabulary
from studio.adapters.hub import HubClient, Unknown
from studio.adapters.hubcache import HubCache
from studio.adapters.models import local_facts, stamp
from studio.adapters.templates import Rendered, render
from studio.domain.findings import Finding, finding
from studio.domain.model_checks import TEMPLATED, model_findings, template_findings, unknown_tokens, with_images
from studio.domain.model_facts import (
    Kind,
    ModelFacts,
    kind_of,
    missing_shards,
    needed_files,
    size_text,
    weights_among,
)
from studio.domain.recipe import Recipe
from studio.service.access import Access
from studio.service.model_offers import ModelOffers, Offer
from studio.service.paths import HUB_NAME, Paths, looks_like_path
from studio.service.runs import Runs

FRESH = 600.0  # seconds for which an answer of the Hub stands
RETRY = 30.0  # seconds after which a question without an answer is asked again
_BASE = "model_name_or_path"
_KEPT = 256  # models, folders and templates that are remembered

# The arguments that name a model: that of its revision (none: always main), and the methods that load it (none: all).
_ARGUMENTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "model_name_or_path": ("model_revision", ()),
    "teacher_model_name_or_path": ("teacher_model_revision", ("distillation",)),
    "reward_model_name_or_path": ("", ("grpo", "rloo")),
}
# Of each argument that names a model, that of its revision; `` where there is none.
REVISIONS = {argument: revised for argument, (revised, _) in _ARGUMENTS.items()}
_CURES = {
    "offline": "Check the connection and ask again. A model that is here already needs no Hub.",
    "timeout": "Ask again in a moment. A model that is here already needs no Hub.",
    "not found": "A name is owner/name, as in the address of its page. Log in with `hf auth login` for private ones.",
    "gated": "Accept its conditions on its page, then log in with `hf auth login`.",
    "refused": "Log in with `hf auth login`, or ask its owner.",
}


@dataclass(frozen=True)
class ModelLook:
    """What is known of a model under a name and revision.

    `place` says where the facts come from: a `folder`, the local `cache`, the `hub`, or `` where there are none; then
    `why` says so in a sentence and `cure` what to do. `again` is true where asking again may help. `on_disk` and
    `to_download` are bytes of the files that a training reads, None where not told. `note` is what else to know, `page`
    the model's address on the Hub, `` for a folder.
    """

    name: str
    revision: str
    place: Literal["folder", "cache", "hub", ""]
    facts: ModelFacts | None = None
    why: str = ""
    cure: str = ""
    again: bool = False
    known_missing: bool = False
    on_disk: int | None = None
    to_download: int | None = None
    note: str = ""
    page: str = ""

    @property
    def kind(self) -> Kind:
        return kind_of(self.facts)[0] if self.facts else "none"

    @property
    def told(self) -> str:
        """What sort of model it is, and how that is told; `` without facts."""
        return kind_of(self.facts)[1] if self.facts else ""


@dataclass(frozen=True)
class _Asked:
    at: float
    answered: bool
    look: ModelLook


class Models:
    """What is known of models, for whoever asks: what one may see, another may not."""

    def __init__(
        self,
        paths: Callable[[], Paths],
        hub: HubClient,
        cache: HubCache,
        runs: Callable[[], Runs],
        access: Access | None = None,
    ) -> None:
        self._paths, self._hub, self._cache = paths, hub, cache
        self._access = access or Access()
        self._lock = threading.Lock()
        self._trying = threading.BoundedSemaphore(2)
        self._asked: OrderedDict[tuple[str, str, str], _Asked] = OrderedDict()
        self._folders: OrderedDict[Path, tuple[tuple[int, ...], ModelFacts]] = OrderedDict()
        self._rendered: OrderedDict[tuple[Any, ...], Rendered] = OrderedDict()
        self._offers = ModelOffers(paths, cache, runs, self._access, self._facts_in)

    # --- one model

    def known(self, name: str, revision: str = "main") -> ModelLook | None:
        """What is known at once: of a folder, of what the Hub has told, of the local cache; None: the Hub must tell."""
        name = name.strip()
        here = self._here(name, revision)
        if here is not None:
            return here
        with self._lock:
            asked = self._asked.get(self._key(name, revision))
        return asked.look if asked else self._cached(name, revision)

    def learn(self, name: str, revision: str = "main", again: bool = False) -> bool:
        """Asks the Hub about a model, some seconds at most, unless that is known; whether there is anything new.

        `again` asks in any case.
        """
        name = name.strip()
        if not name or self._here(name, revision) is not None:
            return False
        key = self._key(name, revision)
        with self._lock:
            asked = self._asked.get(key)
        if asked and not again and time.monotonic() - asked.at < (FRESH if asked.answered else RETRY):
            return False
        before = self.known(name, revision)
        answer = self._hub.model_facts(name, None if revision == "main" else revision)
        if isinstance(answer, Unknown):
            look = self._unanswered(name, revision, answer)
        else:
            look = self._told(name, revision, answer)
        _remember(self._lock, self._asked, key, _Asked(time.monotonic(), not isinstance(answer, Unknown), look))
        return look != before

    def download_text(self, name: str, revision: str = "main") -> str:
        """What loading the model would download, for people: `988 MB model`; `` where nothing, or nothing is known."""
        look = self.known(name, revision) if name else None
        return f"{size_text(look.to_download)} model" if look and look.to_download else ""

    def _key(self, name: str, revision: str) -> tuple[str, str, str]:
        user = self._access.user()
        return (user.name if user else "", name, revision)

    def _here(self, name: str, revision: str) -> ModelLook | None:
        """What the machine alone can say of a name; None for a name on the Hub."""
        if "://" in name:
            cure = "Type owner/name, as it stands in the address of its page on the Hub."
            return ModelLook(name, revision, "", why=f"{name} is an address, and no model's name.", cure=cure)
        paths = self._paths()
        found = paths.find(name)
        if found is None:
            if not looks_like_path(name) and HUB_NAME.fullmatch(name):
                return None
            return ModelLook(name, revision, "", why=_sentence(paths.missing_model(name) or ""), cure=_cure(name))
        wrong = paths.missing_model(name)
        if wrong is None and not found.is_dir():
            wrong = f"{found} is a file; choose the model's folder."
        if wrong:
            return ModelLook(name, revision, "", why=_sentence(wrong), cure=_cure(name))
        facts = self._facts_in(found)
        on_disk = sum(facts.sizes.values())
        return ModelLook(name, revision, "folder", facts, on_disk=on_disk, to_download=0)

    def _facts_in(self, folder: Path) -> ModelFacts:
        """The facts of a folder, read again only where its files have changed."""
        now = stamp(folder)
        with self._lock:
            kept = self._folders.get(folder)
        if kept is None or kept[0] != now:
            kept = (now, local_facts(folder))
            _remember(self._lock, self._folders, folder, kept)
        return kept[1]

    def _cached(self, name: str, revision: str) -> ModelLook | None:
        """What the local cache holds of a model; None where it holds nothing, or is somebody else's."""
        folder = None if self._access.refusal() else self._cache.snapshot(name, revision)
        if folder is None:
            return None
        facts = replace(self._facts_in(folder), id=name)
        on_disk, page = sum(facts.sizes.values()), self._hub.page(name)
        if weights_among(facts.files) and not missing_shards(facts.files):
            return ModelLook(name, revision, "cache", facts, on_disk=on_disk, to_download=0, page=page)
        facts = replace(facts, trouble="")
        note = "Only a part of it is in the local cache; the rest would be downloaded."
        return ModelLook(name, revision, "cache", facts, on_disk=on_disk, note=note, page=page)

    def _told(self, name: str, revision: str, facts: ModelFacts) -> ModelLook:
        """What the Hub has told, with how much of it is in the local cache."""
        needed = [file for file in needed_files(facts.files) if file in facts.sizes]
        there = self._cache.has(name, facts.commit, needed, facts.blobs) if not self._access.refusal() else set()
        sizes = {file: facts.sizes[file] for file in needed}
        on_disk = sum(size for file, size in sizes.items() if file in there)
        to_download = sum(sizes.values()) - on_disk if sizes else None
        page = self._hub.page(name)
        return ModelLook(name, revision, "hub", facts, on_disk=on_disk, to_download=to_download, page=page)

    def _unanswered(self, name: str, revision: str, why: Unknown) -> ModelLook:
        """Without an answer: what the local cache says of it, else the reason and what to do."""
        absent = why.reason in ("not found", "unsupported")
        again = not absent
        cached = self._cached(name, revision)
        if cached is not None:
            reason = why.message if absent else "The Hub did not answer."
            note = f"{cached.note} {reason} This is what the local cache says.".strip()
            return replace(cached, note=note, again=again)
        cure = _CURES.get(why.reason, "Ask again in a moment.")
        if why.message.endswith("Data tab."):
            cure = "Choose a model here."
        page = self._hub.page(name) if why.reason == "gated" else ""
        return ModelLook(name, revision, "", why=why.message, cure=cure, again=again, known_missing=absent, page=page)

    def findings(self, recipe: Recipe, conversational: bool = False, elsewhere: bool = False) -> list[Finding]:
        """What is wrong with the recipe's models, as far as it is known; nobody is asked, so an edit can afford it.

        `conversational` says that the data are conversations, which a chat template has to put into text.
        """
        found: list[Finding] = []
        for argument, name, revision in named_models(recipe):
            look = self.known(name, revision)
            if look is None or (look.facts is None and not look.known_missing):
                continue
            if look.facts is None:
                found.append(finding("error", argument, look.why, look.cure))
                continue
            found += model_findings(argument, name, look.facts, recipe.method, recipe.values, elsewhere)
            if argument == _BASE and not found:
                facts, _ = self.templated(recipe, look.facts)
                tried = self.template(facts)
                text, marks, stops = (tried.text, tried.marks, tried.stops) if tried else ("", "", "")
                unknown = list(unknown_tokens(name, recipe.method, recipe.values, partial(self._knows, name, revision)))
                absent = {one.where.name for one in unknown}
                values = {key: value for key, value in recipe.values.items() if key not in absent}
                about = (recipe.method, values, conversational)
                found += [*unknown, *template_findings(name, facts, marks, *about, text, stops)]
        return found

    def settled(self, found: list[Finding], recipe: Recipe, processors: Container[str]) -> list[Finding]:
        """Findings of the recipe's data, with what its model decides of images, as far as that is known."""
        name, revision = next(((name, rev) for one, name, rev in named_models(recipe) if one == _BASE), ("", ""))
        look = self.known(name, revision) if name else None
        if look is None or look.facts is None:
            return found
        return with_images(found, name, look.facts, recipe.method, processors)

    def _knows(self, name: str, revision: str, token: str) -> bool | None:
        """Whether the model's tokenizer has a token; None where its files are not here, or do not tell."""
        folder = self.folder(name, revision)
        return vocabulary.knows(folder, token) if folder is not None else None

    def folder(self, name: str, revision: str = "main") -> Path | None:
        """Where the model's files lie on this machine for whoever asks, or some of them; None where none do."""
        if self._here(name, revision) is not None:
            return self._paths().find(name)
        return None if self._access.refusal() else self._cache.snapshot(name, revision)

    # --- chat templates

    def templated(self, recipe: Recipe, facts: ModelFacts) -> tuple[ModelFacts, str]:
        """The model's facts with the chat template that training takes, and where from; `` where it is its own."""
        source = recipe.get("chat_template_path")
        if recipe.method not in TEMPLATED or not isinstance(source, str) or not source:
            return facts, ""
        file = self._paths().find(source)
        if file is not None and file.is_file():
            try:
                return replace(facts, template=file.read_text(encoding="utf-8", errors="replace")), source
            except OSError:
                return replace(facts, template=None), source
        look = self.known(source)
        if look is None or look.facts is None:
            return replace(facts, template=None, files=()), source  # not known: nothing is said of it
        other = look.facts
        return replace(facts, template=other.template, tokens=other.tokens, marks=facts.marks + other.marks), source

    def template(self, facts: ModelFacts) -> Rendered | None:
        """The model's chat template on an example; None where it has not been tried out yet."""
        with self._lock:
            return self._rendered.get(_template_key(facts))

    def learn_template(self, facts: ModelFacts) -> bool:
        """Tries the model's chat template out, in a child process that is given 10 s; whether that is news."""
        if facts.template is None or self.template(facts) is not None:
            return False
        with self._trying:  # each takes a process, and memory with a mean template
            if self.template(facts) is None:
                _remember(self._lock, self._rendered, _template_key(facts), render(facts.template, facts.tokens))
        return True

    def find_out(self, recipe: Recipe) -> bool:
        """Asks the Hub about every model that the recipe names and tries the chat template out; whether that is news.

        Of models on this machine nobody is asked; it takes the seconds of the slowest answer.
        """
        named = {(name, revision) for _, name, revision in named_models(recipe)}
        source = recipe.get("chat_template_path")
        if isinstance(source, str) and source and recipe.method in TEMPLATED:
            named.add((source, "main"))
        # Side by side, for each may take seconds; with the caller's context, which says who asks.
        with ThreadPoolExecutor(4, thread_name_prefix="models") as pool:
            asked = [
                pool.submit(contextvars.copy_context().run, self.learn, name, revision) for name, revision in named
            ]
            news = [one.result() for one in asked]
        first = next(((name, rev) for argument, name, rev in named_models(recipe) if argument == _BASE), None)
        look = self.known(*first) if first else None
        if look is not None and look.facts is not None:
            news.append(self.learn_template(self.templated(recipe, look.facts)[0]))
        return any(news)

    # --- what is here

    def offers(self) -> tuple[Offer, ...]:
        """Models that need no Hub, as far as they have been looked for: own results, the local cache, the demo."""
        return self._offers.known()

    def look_around(self) -> bool:
        """Looks for models of own runs and in the local cache; whether there are others than before."""
        return self._offers.look_around()


def named_models(recipe: Recipe) -> Iterator[tuple[str, str, str]]:
    """The models that a recipe loads: argument, name and revision."""
    for argument, (revised, methods) in _ARGUMENTS.items():
        name, revision = recipe.get(argument), recipe.get(revised)
        if isinstance(name, str) and name.strip() and (not methods or recipe.method in methods):
            yield argument, name, revision if isinstance(revision, str) and revision else "main"


def _remember(lock: threading.Lock, into: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    with lock:
        into[key] = value
        into.move_to_end(key)
        while len(into) > _KEPT:
            into.popitem(last=False)


def _template_key(facts: ModelFacts) -> tuple[Any, ...]:
    return (facts.template, *sorted(facts.tokens.items()))


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] if words[:1].isalpha() and not words.startswith("~") else words


def _cure(name: str) -> str:
    if looks_like_path(name):
        return "Type the folder that holds the model's config.json, or a name on the Hub: owner/name."
    return "A name on the Hub is owner/name, without blanks; a folder is given by its path."
