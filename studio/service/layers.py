"""What is known of the modules of models: at once for those listed before, in some seconds for others."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from studio.adapters.layers import LayerListings
from studio.domain.arguments import Catalog
from studio.domain.findings import Finding
from studio.domain.lora import Adapter, adapter
from studio.domain.lora_choice import wanted
from studio.domain.model_layers import ModelLayers
from studio.domain.recipe import Recipe
from studio.service.models import Models, named_models

MODEL = "model_name_or_path"


class KnownLayers:
    """Modules by config, in memory and below `folder`; for all who use the studio, since a config tells no secret."""

    def __init__(self, folder: Path) -> None:
        self._listings = LayerListings(folder)
        self._known: dict[str, ModelLayers | str] = {}
        self._lock = threading.Lock()

    def known(self, config: Mapping[str, Any]) -> ModelLayers | str | None:
        """The modules; a sentence on why there are none; None where nobody has looked yet."""
        key = self._listings.key(config)
        if key not in self._known:
            listed = self._listings.read(key)
            if listed is None:
                return None
            self._known[key] = _read(listed)
        return self._known[key]

    def learn(self, config: Mapping[str, Any]) -> bool:
        """Has them listed, which takes some seconds; whether anything new is known."""
        with self._lock:
            before = self.known(config)
            if isinstance(before, ModelLayers):
                return False
            found = _read(self._listings.make(config))
            self._known[self._listings.key(config)] = found
            return found != before


def _read(listed: Mapping[str, Any]) -> ModelLayers | str:
    if "error" in listed:
        return str(listed["error"])
    try:
        return ModelLayers.from_json(listed)
    except (KeyError, TypeError, ValueError):
        return "What was listed of it cannot be read back."


class RecipeLayers:
    """The modules of the models that recipes name, and the adapters that the recipes would train on them."""

    def __init__(self, layers: KnownLayers, models: Models) -> None:
        self._layers = layers
        self._models = models

    def known(self, recipe: Recipe) -> ModelLayers | str | None:
        """The modules of the recipe's model; a sentence on why nothing can be told; None: nobody has looked yet."""
        config = self._config(recipe)
        return self._layers.known(config) if isinstance(config, dict) else config

    def learn(self, recipe: Recipe) -> bool:
        """Looks, which takes some seconds, and asks the Hub where the model lies there; whether anything is new."""
        name, revision = _named(recipe)
        news = self._models.learn(name, revision) if name else False
        config = self._config(recipe)
        return (self._layers.learn(config) if isinstance(config, dict) else False) or news

    def adapter(self, recipe: Recipe, catalog: Catalog) -> Adapter | None:
        """The adapter that a run of the recipe would train; None where the model's modules are not known."""
        model = self.known(recipe)
        return adapter_on(model, recipe, catalog) if isinstance(model, ModelLayers) else None

    def findings(self, recipe: Recipe, catalog: Catalog) -> list[Finding]:
        """What is wrong with the recipe's targets, as far as it is known; nobody is asked."""
        found = self.adapter(recipe, catalog) if recipe.get("use_peft") is True else None
        return list(found.findings) if found else []

    def _config(self, recipe: Recipe) -> dict[str, Any] | str | None:
        name, revision = _named(recipe)
        if not name:
            return "No model is chosen yet."
        look = self._models.known(name, revision)
        if look is None:
            return None
        if look.facts is None:
            return f"{look.why} {look.cure}".strip()
        if look.facts.adapts and not look.facts.config:
            return f"{name} is an adapter. Its numbers are those of the model below it, {look.facts.adapts}."
        return look.facts.config or f"{name} has no config.json that could be read."


def adapter_on(model: ModelLayers, recipe: Recipe, catalog: Catalog) -> Adapter:
    """The adapter that a recipe would train on a model whose modules are known."""
    arguments = catalog.of(recipe.method)

    def get(name: str) -> Any:
        argument = arguments.get(name)
        return recipe.values.get(name, argument.effective_default if argument else None)

    if model.quantized == "bitsandbytes":
        recipe = recipe.with_changes(catalog, {"load_in_4bit": True})  # TRL sees it like this, whatever is said
    profile = recipe.launch.get("accelerate_config")
    found = wanted(get, str(profile) if profile else None, model.dtype)
    if isinstance(found, str):
        return Adapter(None, None, why=found)
    return adapter(model, recipe.method, found, catalog.lora_targets.get(model.model_type))


def _named(recipe: Recipe) -> tuple[str, str]:
    """The model's name and revision; `` where the recipe names none."""
    return next(((name, revision) for key, name, revision in named_models(recipe) if key == MODEL), ("", "main"))
