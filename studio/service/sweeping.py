"""Sweeps: a set of queued runs of one recipe with different values, which share a group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from studio.domain.arguments import Catalog
from studio.domain.errors import StudioError
from studio.domain.findings import errors
from studio.domain.overlay import is_shown
from studio.domain.recipe import Recipe
from studio.domain.sweep import combinations, group_name

if TYPE_CHECKING:
    from studio.service.studio import Studio


@dataclass(frozen=True)
class Sweep:
    """A group of runs: its name, which is a tag of each of them, and the runs with what is theirs, in order."""

    group: str
    runs: tuple[tuple[str, Mapping[str, Any]], ...]


def planned(studio: Studio, recipe: Recipe, asked: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """What is each run's, of those that the values asked for make. Raises StudioError where one makes no difference."""
    catalog = studio.arguments.get()
    unknown = next((name for name in asked if name not in catalog.of(recipe.method)), None)
    if unknown is not None:
        raise StudioError(f"`trl {recipe.method}` has no option {unknown}.", "Choose one that the method has.")
    found = combinations(asked)
    for values in found:
        in_effect = partial(_in_effect, recipe.with_changes(catalog, values), catalog)
        idle = next((name for name in values if not is_shown(name, recipe.method, in_effect)), None)
        if idle is not None:
            raise StudioError(f"{idle} has no effect in this recipe.", "All runs would be the same: set what it needs.")
    return found


def start_sweep(
    studio: Studio, recipe: Recipe, asked: Mapping[str, Sequence[Any]], tags: tuple[str, ...] = ()
) -> Sweep:
    """Starts a run for each pair of the values asked for; they wait for their turns, the first ones first.

    Nothing is started where one of the recipes could not run. Raises StudioError.
    """
    studio.access.require_start()
    catalog = studio.arguments.get()
    wanted = [
        (values, recipe.with_changes(catalog, values, ("run_name",))) for values in planned(studio, recipe, asked)
    ]
    base = studio.run_name(recipe)
    for values, one in wanted:
        wrong = errors(list(studio.recipes.prepare(one, base).findings))
        if wrong:
            said = ", ".join(f"{name} {value}" for name, value in values.items())
            raise StudioError(f"With {said}: {wrong[0].message}", wrong[0].why)
    group = group_name(base, {tag for run in studio.runs.list() for tag in run["tags"]})
    begun = []
    for number, (values, one) in enumerate(wanted, 1):
        run, _ = studio.start(one, name=f"{group}-{number:02}", tags=(group, *tags))
        begun.append((run.id, values))
    return Sweep(group, tuple(begun))


def _in_effect(recipe: Recipe, catalog: Catalog, name: str) -> Any:
    argument = catalog.of(recipe.method).get(name) or catalog.launch.get(name)
    return recipe.get(name, argument.effective_default if argument else None)
