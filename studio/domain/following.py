"""Values that follow other choices until the user says otherwise: the learning rate, and a reward adapter's task."""

from __future__ import annotations

from typing import Any

from studio.domain.arguments import Catalog
from studio.domain.recipe import Recipe

# "Higher learning rate (about 10x)": TRL's guide to PEFT, and the examples in its scripts (SFT 2e-5 and 2e-4).
LORA_RATE = 10
FOLLOWING = ("learning_rate", "lora_task_type")


def following(recipe: Recipe, catalog: Catalog) -> dict[str, Any]:
    """What the recipe's other values ask for: by name, the value that the studio sets where the user set none."""
    if recipe.get("use_peft") is not True:
        return {}
    wanted: dict[str, Any] = {}
    arguments = catalog.of(recipe.method)
    usual = arguments["learning_rate"].effective_default if "learning_rate" in arguments else None
    if isinstance(usual, float):
        wanted["learning_rate"] = float(f"{usual * LORA_RATE:.6g}")
    if recipe.method == "reward" and "lora_task_type" in arguments:
        wanted["lora_task_type"] = "SEQ_CLS"
    return wanted


def followed(recipe: Recipe, catalog: Catalog, before: frozenset[str]) -> tuple[Recipe, frozenset[str]]:
    """The recipe with what it asks for, and the names that the studio holds now.

    `before` are the names that it held so far: those are the studio's to change or to take back, all others are the
    user's.
    """
    wanted = {
        name: value for name, value in following(recipe, catalog).items() if name in before or name not in recipe.values
    }
    gone = tuple(name for name in before if name not in wanted)
    return recipe.with_changes(catalog, wanted, gone), frozenset(wanted)
