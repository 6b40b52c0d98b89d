"""Searching the Hub for models and datasets, by its own lists: one request a search."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypeVar

from studio.domain.hub_hits import DatasetHit, ModelHit, dataset_hit, model_hit
from studio.domain.hub_query import MOST, Query

_BOTH = ("gated", "private", "downloads", "likes", "lastModified", "cardData", "tags")
_OF_MODELS = (*_BOTH, "safetensors", "gguf", "config", "pipeline_tag", "library_name")
_OF_DATASETS = (*_BOTH, "mainSize")

Answer = TypeVar("Answer")


class Asks(Protocol):
    """Who asks the Hub: within a time, and with a word of why not instead of an exception."""

    def ask(self, question: Callable[[Any, Callable[[], float]], Answer], what: str) -> Any: ...


def is_offline() -> bool:
    """Whether the Hub is not to be asked at all (HF_HUB_OFFLINE)."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def find_models(hub: Asks, query: Query, method: str = "sft") -> Any:
    """Models that fit, as `ModelHit`s in the Hub's order; or what `hub` answers where there is no answer."""

    def question(api: Any, left: Callable[[], float]) -> list[ModelHit]:
        found = api.list_models(
            search=query.text or None,
            pipeline_tag=query.task or None,
            num_parameters=query.size or None,
            filter=query.filters or None,
            sort=query.sort or None,
            limit=MOST,
            expand=list(_OF_MODELS),
        )
        return [model_hit(info, method) for info in found]

    return hub.ask(question, "what you search for")


def find_datasets(hub: Asks, query: Query) -> Any:
    """Datasets that fit, as `DatasetHit`s in the Hub's order; or what `hub` answers where there is no answer."""

    def question(api: Any, left: Callable[[], float]) -> list[DatasetHit]:
        found = api.list_datasets(
            search=query.text or None,
            task_categories=query.task or None,
            size_categories=query.size or None,
            sort=query.sort or None,
            limit=MOST,
            expand=list(_OF_DATASETS),
        )
        return [dataset_hit(info) for info in found]

    return hub.ask(question, "what you search for")


def may_read(hub: Asks, kind: str, name: str) -> bool | None:
    """Whether this account may read the files of a model or dataset; None where that is not told."""
    answer = hub.ask(partial(_may_read, kind, name), name)
    return answer if isinstance(answer, bool) else None


def _may_read(kind: str, name: str, api: Any, left: Callable[[], float]) -> bool:
    from huggingface_hub import errors

    try:
        api.auth_check(name, repo_type=kind.removesuffix("s"))
    except errors.GatedRepoError:
        return False
    return True
