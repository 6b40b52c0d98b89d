"""What the studio adds to a recipe that runs on this machine: visibly, before Start, where nothing was said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from studio.domain.arguments import Catalog
from studio.domain.launch_plan import ALONE, launch_plan
from studio.domain.recipe import Recipe

PROJECT = "trl-studio"
MADE_ABSOLUTE = "made absolute"  # the run works in a folder of its own
PATHS = (
    "model_name_or_path",
    "teacher_model_name_or_path",
    "reward_model_name_or_path",
    "dataset_name",
    "chat_template_path",
    "resume_from_checkpoint",
    "deepspeed",
    "fsdp_config",
)
_LAUNCH_PATHS = ("accelerate_config", "config_file", "deepspeed_config_file")
_SAVING = ("save_strategy", "save_steps", "load_best_model_at_end")


@dataclass(frozen=True)
class Completed:
    """A recipe made ready for this machine; `notes` says of each added or changed key why it is there."""

    recipe: Recipe
    notes: Mapping[str, str] = field(default_factory=dict)


def complete(
    recipe: Recipe,
    catalog: Catalog,
    run_name: str,
    devices: int,
    absolute: Callable[[str], str | None],
    config: Mapping[str, Any] | None = None,
) -> Completed:
    """The recipe as this machine runs it.

    `devices` is the number of GPUs (0: CPU only) that the run will use, `absolute` gives the absolute path of a
    relative one that exists, else None; `config` is the accelerate config in effect.
    """
    whole = complete_run(recipe, catalog, run_name)
    values: dict[str, Any] = {}
    launch: dict[str, Any] = {}
    notes = dict(whole.notes)
    if devices == 0:
        if "use_cpu" not in recipe.values:
            values["use_cpu"], notes["use_cpu"] = True, "there is no GPU here, and TRL stops without this"
        if "bf16" not in recipe.values and not recipe.get("fp16"):
            values["bf16"], notes["bf16"] = False, "on a CPU TRL refuses its default"
        if "accelerate_config" in recipe.launch and "mixed_precision" not in recipe.launch:
            launch["mixed_precision"] = "no"
            notes["mixed_precision"] = "the profile's bf16 is for GPUs"
    if "num_processes" not in recipe.launch:
        alone = config is not None and launch_plan(recipe, config, devices).kind in ALONE
        launch["num_processes"] = 1 if alone else max(devices, 1)
        here = "the profile starts one" if alone else "one a GPU"
        notes["num_processes"] = here if devices else "the CPU runs one"
    for key, value in _absolute_paths(recipe, absolute).items():
        (launch if key in _LAUNCH_PATHS else values)[key] = value
        notes[key] = MADE_ABSOLUTE
    return Completed(whole.recipe.with_changes(catalog, {**values, **launch}, pin=True), notes)


def complete_run(recipe: Recipe, catalog: Catalog, run_name: str) -> Completed:
    """The recipe with what every attempt of a run of that name has, on whichever machine."""
    values: dict[str, Any] = {}
    notes: dict[str, str] = {}

    def add(key: str, value: Any, why: str) -> None:
        if key not in recipe.values:
            values[key] = value
            notes[key] = why

    values["report_to"] = _trackers(recipe.get("report_to"))
    if values["report_to"] != recipe.get("report_to"):
        notes["report_to"] = "the studio draws its plots from trackio"
    add("project", PROJECT, "groups the studio's runs")
    if recipe.get("run_name") != run_name:
        values["run_name"] = run_name
        notes["run_name"] = "the run's folder, and its name in trackers"
    if recipe.get("output_dir") != "output":
        values["output_dir"] = "output"
        notes["output_dir"] = "inside the run's folder"
    add("enable_jit_checkpoint", True, "a stopped run leaves a checkpoint")
    if not any(key in recipe.values for key in _SAVING):
        add("save_steps", 0.1, "a crash costs a tenth of the run at most")
        # Who only says how many are kept has said nothing of how often.
        add("save_total_limit", 2, "the newest two are kept")
    if recipe.get("push_to_hub"):
        add("hub_model_id", repository_name(recipe), "TRL would call it output")
    # Only a push, or the end of live logging to a Space, would publish: elsewhere the line would say nothing, and no
    # flag can say it.
    if recipe.get("push_to_hub") or recipe.get("trackio_space_id"):
        add("trackio_static_space_id", False, "a push publishes no metrics")
    return Completed(recipe.with_changes(catalog, values, pin=True), notes)


def _trackers(given: Any) -> Any:
    """The user's trackers with trackio among them."""
    if not isinstance(given, (str, list, type(None))):
        return given  # no tracker at all, which the checks say
    names = [given] if isinstance(given, str) else list(given or [])
    if "all" in names or "trackio" in names:
        return given
    names = [name for name in names if name != "none"]
    return ["trackio", *names] if names else "trackio"


def repository_name(recipe: Recipe) -> str:
    """A name for the repository on the Hub: the model's with the method's behind it."""
    model = str(recipe.get("model_name_or_path") or "model").rstrip("/").rsplit("/", 1)[-1]
    return f"{model}-{recipe.method.upper()}"


def _absolute_paths(recipe: Recipe, absolute: Callable[[str], str | None]) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    for key in (*PATHS, *_LAUNCH_PATHS):
        value = recipe.get(key)
        if isinstance(value, str) and value:
            path = absolute(value)
            if path and path != value:
                changed[key] = path
    entries = recipe.get("datasets")
    if isinstance(entries, list):
        moved = [_entry(entry, absolute) if isinstance(entry, Mapping) else entry for entry in entries]
        if moved != entries:
            changed["datasets"] = moved
    return changed


def _entry(entry: Mapping[str, Any], absolute: Callable[[str], str | None]) -> dict[str, Any]:
    """One dataset of a mixture with its paths made absolute."""

    def moved(value: Any) -> Any:
        if isinstance(value, str):
            return absolute(value) or value
        if isinstance(value, list):
            return [moved(item) for item in value]
        if isinstance(value, Mapping):
            return {name: moved(item) for name, item in value.items()}
        return value

    # `path: json` names a builder, not a folder that happens to be called so.
    builder = entry.get("path") in ("json", "csv", "parquet", "arrow", "text")
    keys = ("data_files", "data_dir") if builder else ("path", "data_files", "data_dir")
    return {name: moved(value) if name in keys else value for name, value in entry.items()}
