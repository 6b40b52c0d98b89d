"""Going on with a run that has ended: from which checkpoint, with what changed, as a new attempt in the same folder."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from studio.adapters.checkpoints import Checkpoint, checkpoints
from studio.domain.checks import check
from studio.domain.completion import complete_run
from studio.domain.errors import StudioError
from studio.domain.findings import errors
from studio.domain.methods import METHOD_NAMES
from studio.domain.recipe import Recipe
from studio.domain.recipe_yaml import write_yaml
from studio.domain.states import LIVE
from studio.domain.sweep import read_one

if TYPE_CHECKING:
    from studio.adapters.runs import Run
    from studio.service.studio import Studio

ARGUMENT = "resume_from_checkpoint"
_REMARK = re.compile(r"^(\w+): .*?  # (.+)$", re.MULTILINE)
# What a checkpoint holds, or what decides which rows the steps that are done have seen.
FIXED = (
    *("model_name_or_path", "model_revision", "dataset_name", "dataset_config", "dataset_train_split", "datasets"),
    *("use_peft", "lora_r", "lora_target_modules", "lora_target_parameters", "lora_modules_to_save", "lora_task_type"),
    *("use_dora", "load_in_4bit", "load_in_8bit", "optim", "output_dir", "run_name", "project", "seed", "data_seed"),
    *("teacher_model_name_or_path", "per_device_train_batch_size", "packing", ARGUMENT),
)


def resumable(run: Run) -> list[Checkpoint]:
    """The run's whole checkpoints, newest first; none where it is still going."""
    return [] if run.state() in LIVE else [one for one in checkpoints(run.folder) if not one.trouble]


def chosen(run: Run, name: str | None = None) -> Checkpoint:
    """The checkpoint of that name or step, or the newest whole one. Raises StudioError where there is none."""
    found = checkpoints(run.folder)
    if name is None:
        whole = [one for one in found if not one.trouble]
        if whole:
            return whole[0]
        why = f"{found[0].name}: {found[0].trouble}." if found else "It saved none."
        raise StudioError(
            f"The run '{run.id}' has no checkpoint to resume from. {why}",
            "Start it again from the beginning: Duplicate, or `trl-studio run` with its recipe.yaml.",
        )
    wanted = name.rstrip("/").rsplit("/", 1)[-1]
    one = next((one for one in found if wanted in (one.name, str(one.step))), None)
    if one is None:
        there = ", ".join(one.name for one in found) or "none"
        raise StudioError(f"The run '{run.id}' has no checkpoint '{name}'.", f"It has {there}.")
    if one.trouble:
        raise StudioError(f"{one.name} is none to resume from: {one.trouble}.", "Choose an older one.")
    return one


def resume(
    studio: Studio,
    run_id: str,
    checkpoint: str | None = None,
    changes: Mapping[str, Any] | None = None,
    unset: Iterable[str] = (),
) -> tuple[Run, Checkpoint]:
    """Starts a run again from a checkpoint of its own (a name, a step, or None for the newest).

    `changes` and `unset` change its recipe where that may change. The recipe of before is kept as recipe.N.yaml.
    Raises StudioError where the run is going, has no such checkpoint, or could not go on so.
    """
    studio.access.require_start()
    run = studio.runs.folders.get(run_id)
    if run.state() in LIVE:
        raise StudioError(f"The run '{run_id}' is still going.", "Stop it first.")
    start = chosen(run, checkpoint)
    fixed = [name for name in (*(changes or {}), *unset) if is_fixed(name)]
    if fixed:
        raise StudioError(
            f"{fixed[0]} cannot change from one attempt to the next: the checkpoint was made with what it was.",
            "Start a new run with it: Duplicate.",
        )
    catalog = studio.arguments.get()
    text = studio.runs.recipe_text(run_id)
    told, _ = studio.open_checked(text, None, run.folder, "recipe.yaml")
    recipe = told.with_changes(catalog, {**(changes or {}), ARGUMENT: f"output/{start.name}"}, tuple(unset))
    _require_match(recipe, start, {*(changes or {}), *unset})
    paths = studio.recipes.paths(run.folder)
    wrong = errors(check(recipe, catalog, studio.recipes.surroundings(paths, recipe)))
    if wrong:
        raise StudioError(wrong[0].message, wrong[0].why)
    again = complete_run(recipe, catalog, run.id)
    # What the studio added is told by its remarks, which stay where nothing else was said since.
    said = {*(changes or {}), *unset, ARGUMENT}
    notes = {name: note for name, note in _REMARK.findall(text) if name not in said} | dict(again.notes)
    written = write_yaml(again.recipe, catalog, notes=notes)
    studio.runs.again(run, written, studio.gpus_for(again.recipe), studio.access.environment())
    return run, start


def is_fixed(name: str) -> bool:
    """Whether an argument stays what it was from one attempt to the next."""
    return name in FIXED or name.startswith("lora_")


def changeable(studio: Studio, run_id: str) -> dict[str, Any]:
    """The arguments that may change, each with its value in the run's recipe (None: not set). Raises StudioError."""
    recipe, _ = studio.recipes.open(studio.runs.recipe_text(run_id), None, None, "recipe.yaml")
    arguments = studio.arguments.get().of(recipe.method)
    return {name: recipe.values.get(name) for name in sorted(arguments) if not is_fixed(name)}


def pairs_in(texts: Iterable[str]) -> list[tuple[str, str]]:
    """Changes as they are typed in a line, `NAME=VALUE` each. Raises StudioError for a text that is none."""
    listed = list(texts)
    for text in listed:
        if "=" not in text:
            raise StudioError(f"'{text}' changes nothing.", "Write it as in: max_steps=1000")
    return [(name.strip(), value) for name, _, value in (text.partition("=") for text in listed)]


def read_changes(studio: Studio, run_id: str, typed: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The values that are typed for options of the run's method, in TRL's own types. Raises StudioError."""
    method = studio.runs.show(run_id)["method"]
    arguments = studio.arguments.get().of(method) if method in METHOD_NAMES else {}
    changes: dict[str, Any] = {}
    for name, value in typed:
        if name not in arguments:
            raise StudioError(
                f"`trl {method}` has no option {name}." if name else "A value stands there without its option.",
                "`trl-studio arguments METHOD` lists them.",
            )
        if name in changes:
            raise StudioError(f"{name} is there twice.", "Give it once.")
        changes[name] = read_one(arguments[name], value)
    return changes


def _require_match(recipe: Recipe, start: Checkpoint, changed: set[str]) -> None:
    if start.is_adapter != (recipe.get("use_peft") is True):
        raise StudioError(
            f"{start.name} holds {'an adapter' if start.is_adapter else 'a whole model'}, and the recipe trains "
            f"{'a whole model' if start.is_adapter else 'an adapter'}.",
            "The recipe in the run's folder was changed: set use_peft as it was.",
        )
    steps = recipe.get("max_steps")
    total = steps if isinstance(steps, int) and steps > 0 else None
    if total is None and not changed & {"max_steps", "num_train_epochs"}:
        total = start.total
    if total is not None and start.step >= total:
        raise StudioError(
            f"{start.name} is at the last of {total} steps: nothing would be left to train.",
            "Raise max_steps or num_train_epochs, as in: trl-studio resume RUN --set max_steps=1000",
        )
