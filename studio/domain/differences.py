"""What differs between two recipes: by section, with defaults in effect, so that a default written out is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from studio.domain.arguments import Catalog
from studio.domain.overlay import SECTIONS, section_of
from studio.domain.recipe import Recipe
from studio.domain.values import same

# Where a value comes from: the recipe says it, TRL's default holds, nothing holds, or the method has no such option.
Origin = Literal["said", "default", "unset", "absent"]


@dataclass(frozen=True)
class Side:
    """An option in one of the two recipes: the value in effect, and where it comes from."""

    value: Any
    origin: Origin


@dataclass(frozen=True)
class Difference:
    """An option that has another value here than there."""

    section: str
    name: str
    here: Side
    there: Side


@dataclass(frozen=True)
class Row:
    """An option that does not have one value in all of several recipes: a side for each, in their order."""

    section: str
    name: str
    sides: tuple[Side, ...]


def differing(
    recipes: Sequence[Recipe],
    catalog: Catalog,
    leave_out: tuple[str, ...] = (),
    alike: Callable[[str, str], bool] = lambda left, right: False,
) -> list[Row]:
    """`differences` of any number of recipes, with the value in effect in each of them."""
    found: dict[tuple[bool, str], Difference] = {}
    for other in recipes[1:]:
        for one in differences(recipes[0], other, catalog, leave_out, alike):
            # What is not equal everywhere differs from the first somewhere.
            found.setdefault((one.section == "Environment", one.name), one)
    names = dict.fromkeys(name for recipe in recipes for name in (*catalog.of(recipe.method), *catalog.launch))
    places = {name: place for place, name in enumerate(names)}
    rows = [
        Row(one.section, one.name, tuple(_told(recipe, catalog, one) for recipe in recipes)) for one in found.values()
    ]
    return sorted(rows, key=lambda row: (_place(row.section, row.name), places.get(row.name, len(places))))


def _told(recipe: Recipe, catalog: Catalog, one: Difference) -> Side:
    """What a recipe says to an option that others say something else to."""
    if one.section == "Environment":
        return _variable(recipe.env, one.name)
    if one.name == "method":
        return Side(recipe.method, "said")
    if one.name == "rewards.py":
        return _code(recipe)
    return _side(recipe, catalog, one.name)


def differences(
    here: Recipe,
    there: Recipe,
    catalog: Catalog,
    leave_out: tuple[str, ...] = (),
    alike: Callable[[str, str], bool] = lambda left, right: False,
) -> list[Difference]:
    """Every option whose value in effect differs, in the order of the YAML; the method first.

    `leave_out` are options not to be compared; `alike` says whether two different texts mean the same thing (a
    relative and an absolute path of one file).
    """
    found = []
    if here.method != there.method:
        found.append(Difference("Method", "method", Side(here.method, "said"), Side(there.method, "said")))
    said = {name for one in (here, there) for name in (*one.values, *one.launch, *one.flags, *one.unknown)}
    declared = dict.fromkeys((*catalog.of(here.method), *catalog.of(there.method)))
    # Two methods differ in their defaults as well; of what nobody has said only that counts.
    names = dict.fromkeys([*declared, *catalog.launch, *catalog.flags, *sorted(said)])
    for name in names:
        if name in leave_out or (name not in said and not _both(name, here, there, catalog)):
            continue
        left, right = _side(here, catalog, name), _side(there, catalog, name)
        if not _equal(left, right, alike):
            found.append(Difference(_section(name, here, there, catalog), name, left, right))
    if here.reward_code != there.reward_code:
        found.append(Difference("Rewards", "rewards.py", _code(here), _code(there)))
    found += _environments(here.env, there.env)
    return sorted(found, key=lambda one: _place(one.section, one.name))


def _place(section: str, name: str) -> int:
    """Where an option stands among the differences: the method first, then section by section."""
    return -1 if name == "method" else (*SECTIONS, "Environment", "Unknown").index(section)


def _code(recipe: Recipe) -> Side:
    return Side(recipe.reward_code or None, "said" if recipe.reward_code else "unset")


def _both(name: str, here: Recipe, there: Recipe, catalog: Catalog) -> bool:
    """Whether an option that neither recipe names is one of both methods, and those are two."""
    return here.method != there.method and name in catalog.of(here.method) and name in catalog.of(there.method)


def _side(recipe: Recipe, catalog: Catalog, name: str) -> Side:
    argument = catalog.of(recipe.method).get(name)
    if argument is not None:
        value = recipe.values.get(name, argument.default)
        if same(value, argument.default):
            return Side(argument.effective_default, "default")
        return Side(value, "said")
    if name in recipe.launch:
        return Side(recipe.launch[name], "said")
    if name in recipe.flags:
        return Side(True, "said")
    if name in recipe.unknown:
        return Side(recipe.unknown[name], "said")
    known = name in catalog.launch or name in catalog.flags
    return Side(None, "unset" if known or not _declared(name, catalog) else "absent")


def _declared(name: str, catalog: Catalog) -> bool:
    return any(name in arguments for arguments in catalog.methods.values())


def _equal(left: Side, right: Side, alike: Callable[[str, str], bool]) -> bool:
    if "absent" in (left.origin, right.origin):
        # What the other method does not have at all matters only where it was said.
        return "said" not in (left.origin, right.origin)
    return _same(left.value, right.value, alike)


def _same(left: Any, right: Any, alike: Callable[[str, str], bool]) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return left == right or alike(left, right)
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(_same(a, b, alike) for a, b in zip(left, right, strict=True))
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(_same(left[key], right[key], alike) for key in left)
    # One text and a list of that one text mean the same to options that take both.
    if isinstance(left, list) != isinstance(right, list):
        left, right = (one if isinstance(one, list) else [one] for one in (left, right))
        return _same(left, right, alike)
    return same(left, right)


def _section(name: str, here: Recipe, there: Recipe, catalog: Catalog) -> str:
    for recipe in (here, there):
        argument = catalog.of(recipe.method).get(name)
        if argument is not None:
            return section_of(name, recipe.method, argument)
    if name in catalog.launch:
        return section_of(name, here.method, catalog.launch[name])
    return "Launch" if name in catalog.flags else "Unknown"


def _environments(here: Mapping[str, str], there: Mapping[str, str]) -> list[Difference]:
    return [
        Difference("Environment", name, _variable(here, name), _variable(there, name))
        for name in dict.fromkeys((*here, *there))
        if here.get(name) != there.get(name)
    ]


def _variable(env: Mapping[str, str], name: str) -> Side:
    return Side(env[name], "said") if name in env else Side(None, "unset")
