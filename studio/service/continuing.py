"""Adapters to continue from: checkpoints of runs that trained one, and what a recipe says to take up from there."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.adapters.progress import CHECKPOINT, is_complete, newest_checkpoint
from studio.domain.arguments import Catalog
from studio.domain.errors import StudioError
from studio.domain.lora_choice import as_argument
from studio.domain.recipe import Recipe
from studio.domain.states import LIVE

ARGUMENT = "resume_from_checkpoint"
# By the names in adapter_config.json; what TRL has no argument for must be as PEFT has it by itself.
_TAKEN = {
    "r": "lora_r",
    "lora_alpha": "lora_alpha",
    "lora_dropout": "lora_dropout",
    "use_rslora": "use_rslora",
    "use_dora": "use_dora",
    "task_type": "lora_task_type",
}
_LISTS = {"target_parameters": "lora_target_parameters", "modules_to_save": "lora_modules_to_save"}
_UNTAKEN = ("rank_pattern", "alpha_pattern", "trainable_token_indices", "layers_to_transform", "lora_bias")
_SCORES = ("classifier", "score")


@dataclass(frozen=True)
class Resumable:
    """A checkpoint of a run with an adapter in it."""

    run: str
    folder: str
    step: int
    rank: int


def resumable(runs: Iterable[Mapping[str, Any]], method: str) -> list[Resumable]:
    """The newest adapter checkpoint of each ended run of a method; `runs` as the service describes them."""
    found = []
    for run in runs:
        folder = newest_checkpoint(Path(run["folder"]))
        if run["method"] != method or run["state"] in LIVE or folder is None or not is_complete(folder):
            continue
        told = _object(folder / "adapter_config.json")
        rank = told.get("r") if told.get("peft_type") == "LORA" else None
        if isinstance(rank, int):
            found.append(Resumable(run["id"], str(folder), int(folder.name.rpartition("-")[2]), rank))
    return found


def taken_up(folder: Path, recipe: Recipe, catalog: Catalog) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What a recipe has to say to train the adapter in `folder` further, and what it must not say.

    TRL can do so from a checkpoint only: it reads `trainer_state.json` and counts steps from there. So the same base
    model and the same shape of adapter are set, and the run is made as much longer as it was long.
    Raises StudioError where there is no such checkpoint.
    """
    folder = _checkpoint_in(folder)
    told = _object(folder / "adapter_config.json")
    if told.get("peft_type") != "LORA":
        raise StudioError(f"The adapter in {folder} is no LoRA adapter.", "TRL's arguments describe LoRA only.")
    odd = [name for name in _UNTAKEN if told.get(name)]
    if odd:
        raise StudioError(
            f"The adapter in {folder} has {', '.join(odd)}, which TRL has no argument for.",
            "It can be continued in Python only, with PEFT's own classes.",
        )
    values: dict[str, Any] = {"use_peft": True, ARGUMENT: str(folder)}
    base = told.get("base_model_name_or_path")
    if isinstance(base, str) and base:
        values["model_name_or_path"] = base
    values |= {ours: told[theirs] for theirs, ours in _TAKEN.items() if told.get(theirs) is not None}
    targets = told.get("target_modules")
    values["lora_target_modules"] = [targets] if isinstance(targets, str) else as_argument(sorted(targets or []))
    for theirs, ours in _LISTS.items():
        names = [
            name for name in told.get(theirs) or [] if name not in _SCORES or values["lora_task_type"] != "SEQ_CLS"
        ]
        values[ours] = list(dict.fromkeys(names))
    values |= _longer(_object(folder / "trainer_state.json"), recipe, catalog)
    empty = tuple(name for name, value in values.items() if value == [])
    return {name: value for name, value in values.items() if name not in empty}, empty


def _longer(state: Mapping[str, Any], recipe: Recipe, catalog: Catalog) -> dict[str, Any]:
    """Steps or epochs on top of those that are done: they are counted from the first run's start."""
    done, epochs = state.get("global_step"), state.get("epoch")
    arguments = catalog.of(recipe.method)
    steps = recipe.get("max_steps", arguments["max_steps"].effective_default)
    if isinstance(steps, int) and steps > 0:
        return {"max_steps": done + steps} if isinstance(done, int) and steps <= done else {}
    wanted = recipe.get("num_train_epochs", arguments["num_train_epochs"].effective_default)
    if isinstance(epochs, (int, float)) and isinstance(wanted, (int, float)) and wanted <= epochs:
        return {"num_train_epochs": math.ceil(epochs) + wanted}
    return {}


def _checkpoint_in(folder: Path) -> Path:
    """The folder itself, or the newest checkpoint in it. Raises StudioError where TRL could not go on from either."""
    inside = (
        [entry for entry in folder.glob("checkpoint-*") if CHECKPOINT.search(entry.name)] if folder.is_dir() else []
    )
    for one in [folder, *sorted(inside, key=lambda entry: -int(entry.name.rpartition("-")[2]))]:
        if (one / "adapter_config.json").is_file() and is_complete(one):
            return one
    if (folder / "adapter_config.json").is_file():
        raise StudioError(
            f"{folder} holds an adapter, but no trainer_state.json: TRL trains on from checkpoints only.",
            "Choose a folder checkpoint-… of the run that made it, or merge the adapter into its model first.",
        )
    raise StudioError(f"{folder} holds no adapter.", "It should be a folder with an adapter_config.json in it.")


def _object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
