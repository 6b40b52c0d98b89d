"""The recipe: a method, the values that differ from TRL's defaults or that the user pinned, and how it is launched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from studio.domain.arguments import Catalog
from studio.domain.values import problem, same


@dataclass(frozen=True)
class Recipe:
    """One object between form, YAML and command line.

    `values` are TRL's arguments in TRL's names, `launch` accelerate's options that take a value (with
    `accelerate_config`), `flags` those that take none, `env` the environment variables of the YAML's `env:`.
    `unknown` holds keys that nothing takes, kept so that nothing is dropped in silence; `order` is the order in which
    keys came, `pinned` those that stay although they equal TRL's default. `reward_code` is the text of the rewards.py
    that lies beside the recipe, from which TRL imports reward functions.
    """

    method: str
    values: Mapping[str, Any] = field(default_factory=dict)
    launch: Mapping[str, Any] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    unknown: Mapping[str, Any] = field(default_factory=dict)
    order: tuple[str, ...] = ()
    pinned: frozenset[str] = frozenset()
    reward_code: str = ""

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a TRL argument or launch option that the recipe sets, else `default`."""
        if key in self.values:
            return self.values[key]
        return self.launch.get(key, default)

    def with_changes(
        self, catalog: Catalog, changes: Mapping[str, Any], unset: tuple[str, ...] = (), pin: bool = False
    ) -> Recipe:
        """The recipe with `changes` made and `unset` keys removed.

        A value that equals TRL's declared default leaves the recipe, unless it is pinned. A key that the method does
        not have goes to accelerate's options, to its flags, or to `unknown`.
        """
        arguments = catalog.of(self.method)
        values, launch, flags = dict(self.values), dict(self.launch), dict.fromkeys(self.flags)
        env, unknown, pinned = dict(self.env), dict(self.unknown), set(self.pinned)
        for key in unset:
            for holder in (values, launch, unknown):
                holder.pop(key, None)
            flags.pop(key, None)
            pinned.discard(key)
            if key == "env":
                env = {}
        for key, value in changes.items():
            if pin:
                pinned.add(key)
            if key == "env":
                env = {str(name): str(text) for name, text in (value or {}).items()}
            elif key in arguments:
                values[key] = value
                if same(value, arguments[key].default) and key not in pinned:
                    del values[key]
            elif key in catalog.launch:
                launch[key] = value
                if value is None or value == "":
                    del launch[key]
            elif key in catalog.flags:
                flags[key] = None
                if not value:
                    del flags[key]
            else:
                unknown[key] = value
        order = tuple(dict.fromkeys((*self.order, *changes)))
        return replace(
            self,
            values=values,
            launch=launch,
            flags=tuple(flags),
            env=env,
            unknown=unknown,
            order=order,
            pinned=frozenset(pinned),
        )

    def for_method(self, catalog: Catalog, method: str) -> tuple[Recipe, list[str]]:
        """The recipe under another method, and the names of the values that this one does not take."""
        arguments = catalog.of(method)
        dropped = [
            name for name, value in self.values.items() if name not in arguments or _unfit(catalog, method, name, value)
        ]
        kept = {name: value for name, value in self.values.items() if name not in dropped}
        moved = replace(self, method=method, values=kept)
        # A value that is the new method's default anyway need not be said.
        return moved.with_changes(catalog, kept), dropped

    def non_default(self, catalog: Catalog) -> int:
        """How many options differ from their defaults."""
        arguments = catalog.of(self.method)
        changed = [name for name, value in self.values.items() if not same(value, arguments[name].default)]
        return len(changed) + len(self.launch) + len(self.flags) + len(self.env) + len(self.unknown)


def in_effect(recipe: Recipe, catalog: Catalog, name: str) -> Any:
    """The value that a run of the recipe would see: its own, else TRL's effective default."""
    argument = catalog.of(recipe.method).get(name) or catalog.launch.get(name)
    return recipe.get(name, argument.effective_default if argument else None)


def _unfit(catalog: Catalog, method: str, name: str, value: Any) -> bool:
    return problem(catalog.of(method)[name], value) is not None
