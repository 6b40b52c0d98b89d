"""A recipe under another method: what still applies is kept, what does not is put aside until a method takes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from studio.domain.arguments import Catalog
from studio.domain.findings import Finding
from studio.domain.overlay import is_shown
from studio.domain.recipe import Recipe
from studio.domain.recipe_yaml import unknown_key
from studio.domain.values import problem, read_value


@dataclass(frozen=True)
class Changed:
    """The recipe under its new method, the values kept `aside`, and the names of what went and of what came back.

    `understood` are keys that the method of before did not know.
    """

    recipe: Recipe
    aside: Mapping[str, Any]
    dropped: tuple[str, ...]
    back: tuple[str, ...]
    understood: tuple[str, ...] = ()

    def words(self, label: str) -> str:
        """What has happened, in a sentence or two; `` where nothing went or came."""
        said = [f"{label} does not take {', '.join(self.dropped)}: kept aside."] if self.dropped else []
        said += [f"Back again: {', '.join(self.back)}."] if self.back else []
        return " ".join(said)

    def still_open(self, opened: Iterable[Finding], catalog: Catalog) -> tuple[Finding, ...]:
        """What was found in the text that was opened, as it stands under this method."""
        unknown = self.recipe.unknown
        return tuple(
            unknown_key(catalog, self.recipe.method, found.where.name, unknown[found.where.name], found.where)
            if found.where.name in unknown
            else found
            for found in opened
            if found.where.name not in self.understood
        )


def changed_to(recipe: Recipe, aside: Mapping[str, Any], catalog: Catalog, method: str) -> Changed:
    """The recipe under `method`, with what of `aside` that one takes and shows."""
    moved, dropped = recipe.for_method(catalog, method)
    arguments = catalog.of(method)
    known = {name: read_value(arguments[name], value) for name, value in recipe.unknown.items() if name in arguments}
    moved = moved.with_changes(catalog, known, tuple(known))
    fitting = {
        name: value
        for name, value in aside.items()
        if name in arguments and name not in moved.values and problem(arguments[name], value) is None
    }
    whole = moved.with_changes(catalog, fitting)

    def in_effect(name: str) -> Any:
        argument = arguments.get(name) or catalog.launch.get(name)
        return whole.get(name, argument.effective_default if argument else None)

    hidden = tuple(name for name in fitting if not is_shown(name, method, in_effect))
    result = whole.with_changes(catalog, {}, hidden)
    # What is the new method's default need not be said there, and is wanted again when the method changes back.
    kept = {**aside, **recipe.values}
    left = {name: value for name, value in kept.items() if name not in result.values}
    back = tuple(name for name in fitting if name in result.values)
    return Changed(result, left, tuple(dropped), back, tuple(known))
