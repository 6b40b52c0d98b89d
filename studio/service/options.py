"""All options of a method, as one list: TRL's arguments, accelerate's options and flags, and the environment."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from studio.domain.arguments import Argument, Catalog
from studio.domain.methods import method_named
from studio.domain.overlay import overlay
from studio.domain.overlay_record import SET, UNSET
from studio.domain.recipe import Recipe
from studio.domain.recipe_yaml import RENAMED

Place = Literal["argument", "launch", "flag", "environment"]

ENVIRONMENT = Argument(
    name="env",
    types=("mapping",),
    optional=True,
    default=None,
    effective_default=None,
    choices=(),
    help="Environment variables that the run is started with, as names and texts.",
    owner="env",
)
_GROUPS = {
    "_BaseConfig": "All TRL trainers",
    "ModelConfig": "Model and LoRA",
    "DatasetMixtureConfig": "Data and script",
    "TrainingArguments": "Training (transformers)",
    "env": "Environment",
}
_LAUNCH = "Launch (accelerate)"
# Groups of accelerate's own help that are about launching in general; the others are about one way of it.
_GENERAL = (
    "profile",
    "options",
    "Hardware Selection",
    "Resource Selection",
    "Training Paradigm",
    "Distributed GPUs",
    "MPI",
)
_ORDER = (
    "All TRL trainers",
    "Model and LoRA",
    "Data and script",
    "Training (transformers)",
    "Environment",
    _LAUNCH,
)
# Arguments that mean nothing without another one, beyond those that the overlay knows.
_FAMILIES = (
    ("lora_", "use_peft"),
    ("vllm_", "use_vllm"),
    ("hub_", "push_to_hub"),
    ("bnb_4bit_", "load_in_4bit"),
)


@dataclass(frozen=True)
class Option:
    """One row of *All options*.

    `group` is its owner in plain words, `place` where a recipe keeps it. `deprecated` is the sentence that says so,
    `replaced_by` the argument that it names, `partly` whether only one of its values is deprecated. `formerly` are
    names that it had in earlier releases.
    """

    argument: Argument
    group: str
    place: Place
    label: str = ""
    replaced_by: str = ""
    formerly: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.argument.name

    @property
    def deprecated(self) -> str:
        return self.argument.deprecation

    @property
    def partly(self) -> bool:
        return " value is deprecated" in self.deprecated

    @property
    def default(self) -> Any:
        """What holds where nothing is set: as declared, and where that is null as TRL fills it in."""
        argument = self.argument
        if self.place == "flag":
            return False
        return argument.effective_default if argument.default is None else argument.default


def options_of(catalog: Catalog, method: str) -> list[Option]:
    """Every option of `method` in its groups: the method's own first, the launcher's last.

    Where TRL and accelerate have an option of the same name, it is TRL's, as in a YAML.
    """
    arguments = catalog.of(method)
    aliases = _aliases(arguments)
    rows = [
        _option(replace(argument, deprecation=aliases.get(argument.name, argument.deprecation)), method, catalog)
        for argument in arguments.values()
    ]
    rows.append(Option(ENVIRONMENT, _GROUPS["env"], "environment", "Environment variables"))
    taken = {*arguments, "env"}
    rows += [_option(one, method, catalog, "launch") for one in catalog.launch.values() if one.name not in taken]
    rows += [_option(one, method, catalog, "flag") for one in catalog.flags.values() if one.name not in taken]
    order = {name: place for place, name in enumerate((method_named(method).label, *_ORDER))}
    return sorted(rows, key=lambda row: (order.get(row.group, len(order)), row.group))


def _aliases(arguments: Mapping[str, Argument]) -> dict[str, str]:
    """What is deprecated and does not say so: the switch beside a deprecated `..._kwargs` (gradient checkpointing)."""
    found = {}
    for name, argument in arguments.items():
        alias = re.match(r"Deprecated alias of `(\w+)_kwargs`", argument.deprecation)
        old = name.removesuffix("_kwargs")
        if alias and old != name and old in arguments and alias[1] in arguments:
            found[old] = f"Deprecated alias of `{alias[1]}`."
    return found


def _option(argument: Argument, method: str, catalog: Catalog, place: Place = "argument") -> Option:
    record = overlay(argument.name, method)
    arguments = catalog.of(method)
    named = re.findall(r"`(\w+)[`=]", argument.deprecation)
    return Option(
        argument,
        _group(argument.owner, method),
        place,
        record.label if record else "",
        next((name for name in named if name in arguments and name != argument.name), ""),
        tuple(old for old, new in RENAMED.items() if new == argument.name and old not in arguments),
    )


def _group(owner: str, method: str) -> str:
    if owner.startswith("accelerate"):
        words = owner.partition(": ")[2].removesuffix(" Arguments")
        return _LAUNCH if words in _GENERAL else f"Launch: {'parallelism' if words == 'ParallelismConfig' else words}"
    if owner.endswith("ScriptArguments"):
        return "Data and script"
    return _GROUPS.get(owner, method_named(method).label)


def value_in(recipe: Recipe, option: Option) -> tuple[bool, Any]:
    """Whether a recipe sets the option, and to what."""
    name = option.name
    if option.place == "environment":
        return bool(recipe.env), dict(recipe.env)
    if option.place == "flag":
        return name in recipe.flags, name in recipe.flags
    holder = recipe.values if option.place == "argument" else recipe.launch
    return name in holder, holder.get(name)


def without_effect(name: str, method: str, get: Callable[[str], Any]) -> str:
    """Why the option changes nothing now ("`use_peft` is off"), or nothing; `get` gives the values in effect."""
    condition = _condition(name, method)
    if condition is None:
        return ""
    other, wanted = condition
    deeper = without_effect(other, method, get)
    if deeper:
        return deeper
    value = get(other)
    if wanted in (SET, UNSET):
        return "" if bool(value) is (wanted == SET) else f"`{other}` is {'not set' if wanted == SET else 'set'}"
    if value in wanted if isinstance(wanted, tuple) else value == wanted:
        return ""
    if isinstance(wanted, bool):
        return f"`{other}` is {'off' if wanted else 'on'}"
    return f"`{other}` is {'not set' if value is None else value}"


def _condition(name: str, method: str) -> tuple[str, Any] | None:
    record = overlay(name, method)
    if record is not None and record.shown_when is not None:
        return record.shown_when
    return next(((other, True) for prefix, other in _FAMILIES if name.startswith(prefix)), None)
