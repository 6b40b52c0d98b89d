"""What a recipe's checkpoints will take on the disk, as far as its model is known; nobody is asked for it."""

from __future__ import annotations

import shutil
from functools import partial

from studio.adapters.home import Home
from studio.domain.arguments import Catalog
from studio.domain.findings import Finding
from studio.domain.kept_checkpoints import Kept, disk_finding, kept
from studio.domain.lora_choice import weight_bytes
from studio.domain.model_facts import dtype_text, needed_files, weights_among
from studio.domain.recipe import Recipe, in_effect
from studio.service.layers import MODEL, RecipeLayers
from studio.service.models import Models, named_models


class Saving:
    """Sizes of checkpoints before there are any."""

    def __init__(self, home: Home, models: Models, layers: RecipeLayers) -> None:
        self._home, self._models, self._layers = home, models, layers

    def kept(self, recipe: Recipe, catalog: Catalog, steps: int | None = None) -> Kept | None:
        """What a run of the recipe keeps, of `steps` updates where that is known; None where its model is not."""
        get = partial(in_effect, recipe, catalog)
        named = next(((name, revision) for key, name, revision in named_models(recipe) if key == MODEL), None)
        look = self._models.known(*named) if named else None
        facts = look.facts if look is not None else None
        if facts is None:
            return None
        width = weight_bytes(get("dtype"), dtype_text(facts.dtype))
        weights, trained = None, facts.parameters
        if get("use_peft") is True:
            adapter = self._layers.adapter(recipe, catalog)
            weights, trained = (adapter.size, adapter.trainable) if adapter is not None else (None, None)
            width = 4 if get("load_in_4bit") is not True and get("load_in_8bit") is not True else 2
        elif width and trained:
            weights = width * trained
        if not weights or not trained or not width:
            return None
        heavy = weights_among(facts.files)
        # The tokenizer is saved with each; a few megabytes, of which an adapter can be a part only.
        beside = sum(facts.sizes.get(file, 0) for file in needed_files(facts.files) if file not in heavy)
        profile = str(recipe.launch.get("accelerate_config") or "")
        return kept(get, weights + beside, trained, width, steps, profile)

    def free(self) -> int | None:
        """The free bytes of the disk that runs lie on."""
        try:
            return shutil.disk_usage(self._home.root).free
        except OSError:
            return None

    def findings(self, recipe: Recipe, catalog: Catalog) -> list[Finding]:
        """A warning where the disk has no room for what will be kept."""
        found, free = self.kept(recipe, catalog), self.free()
        warning = disk_finding(found, free, partial(in_effect, recipe, catalog)) if found and free is not None else None
        return [warning] if warning else []
