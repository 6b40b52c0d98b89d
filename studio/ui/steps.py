"""What is still to settle: the tab and the field for each Finding, and the words of Start, which name the next step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.domain.arguments import Catalog
from studio.domain.findings import Finding, errors
from studio.domain.overlay import overlay, section_of
from studio.service.studio import Studio
from studio.ui import space
from studio.ui.controls import argument_named

if TYPE_CHECKING:
    from studio.ui.form import Form

TABS = ("method", "model", "data", "training", "lora", "compute", "launch", "options")
_TAB_OF_SECTION = {
    "Model": "model",
    "Teacher": "model",
    "Data": "data",
    "LoRA": "lora",
    "Quantization": "lora",
    "Precision and memory": "compute",
    "Launch": "compute",
    "Hub": "launch",
    "Logging": "launch",
    "Saving": "training",
}
_TAB_OF_NAME = {
    **dict.fromkeys(("seed", "output_dir", "resume_from_checkpoint"), "launch"),
    "rewards.py": "training",
}
_PLACES = {
    "rewards.py": "training:reward-code",
    "reward_weights": "training:reward_funcs",
    **dict.fromkeys(("dataset_name", "datasets"), "data:dataset"),
}


def tab_of(catalog: Catalog, method: str, found: Finding) -> str:
    """The tab on which a Finding is settled."""
    name = found.where.name
    if found.where.kind != "column" and name in _TAB_OF_NAME:
        return _TAB_OF_NAME[name]
    if found.where.kind in ("column", "file"):
        return "data" if found.where.kind == "column" or "accelerate" not in name else "compute"
    argument = argument_named(catalog, method, name)
    if overlay(name, method) is None and (argument or name in catalog.flags):
        return "options"  # what no other tab has
    if argument is None and found.where.kind == "argument" and name != "env":
        return "recipe"  # nothing on the page holds it: its Finding on the recipe card does
    return _TAB_OF_SECTION.get(section_of(name, method, argument), "training") if argument else "training"


def place_of(catalog: Catalog, method: str, found: Finding) -> str:
    """Where on the page a Finding is settled, as `tab:argument`; empty where nothing on the page settles it."""
    name = found.where.name
    if found.where.kind == "column":
        return "data:data-preview"
    if name in _PLACES:
        return _PLACES[name]
    if found.where.kind != "argument" or argument_named(catalog, method, name) is None:
        return ""
    return f"{tab_of(catalog, method, found)}:{name}"


def next_field(catalog: Catalog, form: Form) -> str:
    """Where the next missing step is taken, as `tab:argument`; empty where nothing is missing."""
    if form.elsewhere:
        return ""
    wrong = errors(list(form.findings))
    missing = [found for found in wrong if found.where.name in ("model_name_or_path", "dataset_name")]
    first = next(iter(missing or wrong), None)
    return (place_of(catalog, form.recipe.method, first) or "recipe:finding") if first else ""


def next_step(studio: Studio, form: Form) -> tuple[str, str | None]:
    """What the Start button says, and the tab it leads to; None where it starts."""
    catalog = studio.arguments.get()
    if (barred := space.barred(studio.access)) is not None:
        return barred[0], "space"
    if form.elsewhere:
        return "See it for this machine, to start here", "here"
    if not form.recipe.get("model_name_or_path"):
        return "Choose a model", "model"
    if not form.recipe.get("dataset_name") and not form.recipe.get("datasets"):
        return "Choose a dataset", "data"
    wrong = errors(list(form.findings))
    if wrong:
        tab = tab_of(catalog, form.recipe.method, wrong[0])
        here = [found for found in wrong if tab_of(catalog, form.recipe.method, found) == tab]
        label = {"lora": "LoRA", "options": "All options"}.get(tab, tab.capitalize())
        return f"Settle {len(here)} {'question' if len(here) == 1 else 'questions'} in {label}", tab
    return "Start training", None
