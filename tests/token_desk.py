"""Tokens over a folder and a Hub, for tests that count."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from feed_cases import DEMO
from model_files import NOWHERE, ROOT, models

from studio.adapters.hub import HubClient
from studio.adapters.hubcache import HubCache
from studio.adapters.tokens import TokenCounter
from studio.domain.recipe import Recipe
from studio.service.access import Access
from studio.service.data import Inspection, inspect_recipe
from studio.service.paths import Paths
from studio.service.tokens import KnownTokens, Tokens


class Desk:
    """Tokens over a folder and a Hub, with what a recipe's data look like."""

    def __init__(self, base: Path, counter: TokenCounter, url: str = NOWHERE, patience: float = 8) -> None:
        self.paths = Paths(base, ROOT)
        self.hub = HubClient(endpoint=url, viewer=f"{url}/viewer", patience=patience)
        self.models = models(base, url)
        cache = HubCache(base / "cache")
        self.tokens = Tokens(KnownTokens(counter), self.models, self.paths, self.hub, cache, Access())

    def looked(self, recipe: Recipe) -> list[Inspection]:
        return inspect_recipe(recipe.method, recipe.values, self.paths, self.hub)


def sft(rows: Path, model: Any = DEMO / "model", **values: Any) -> Recipe:
    return Recipe("sft", {"model_name_or_path": str(model), "dataset_name": str(rows), **values})
