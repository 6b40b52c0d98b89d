"""Lists every argument of TRL's seven training commands and of `accelerate launch`, as installed."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import importlib.resources
import inspect
import re
import types
import typing
import warnings
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from studio.domain.arguments import Argument, Catalog, Flag
from studio.domain.methods import METHOD_NAMES

_PLAIN = {str: "text", int: "integer", float: "number", bool: "boolean"}
_DEPRECATED = re.compile(r"[^.]*\bdeprecated\b.*", re.IGNORECASE | re.DOTALL)
# Command-line options of accelerate that are no options of a launch, or that TRL's own parser takes first.
_NOT_LAUNCH = {"help", "training_script", "training_script_args"}


def catalog(versions: Mapping[str, str]) -> Catalog:
    """The catalogue of what is installed. Imports torch and takes some seconds, once for all seven methods."""
    launch, flags = _launch_options()
    return Catalog(
        methods={method: arguments(method) for method in METHOD_NAMES},
        launch=launch,
        flags=flags,
        profiles=_profiles(),
        versions=dict(versions),
        lora_targets=_lora_targets(),
        processors=_processors(),
    )


def arguments(method: str) -> dict[str, Argument]:
    """Every option of `trl <method>`, by name, in the order of its parser."""
    module = importlib.import_module(f"trl.scripts.{method}")
    # The parser's constructor overwrites the field types, so the hints are read from the annotations.
    parser = module.make_parser(prog=f"trl {method}")
    actions: dict[str, argparse.Action] = {}
    negations: dict[str, str] = {}
    for action in parser._actions:
        if isinstance(action, argparse._StoreFalseAction):
            negations[action.dest] = action.option_strings[0]
        elif action.dest != "help":
            actions[action.dest] = action
    listed: dict[str, Argument] = {}
    for dataclass in parser.dataclass_types:
        hints = typing.get_type_hints(dataclass)
        effective = _effective_defaults(dataclass)
        for field in dataclasses.fields(dataclass):
            if field.init:
                action = actions[field.name]
                listed[field.name] = _argument(
                    field, hints[field.name], action, negations.get(field.name), dataclass, effective
                )
    return listed


def _argument(
    field: dataclasses.Field[Any],
    hint: Any,
    action: argparse.Action,
    negation: str | None,
    dataclass: type,
    effective: Mapping[str, Any],
) -> Argument:
    members = list(typing.get_args(hint)) if typing.get_origin(hint) in (typing.Union, types.UnionType) else [hint]
    optional = type(None) in members
    atoms: list[str] = []
    choices: list[Any] = []
    for member in members:
        if member is type(None):
            continue
        if isinstance(member, type) and issubclass(member, Enum):
            choices = [item.value for item in member]
            atom = "text"
        elif typing.get_origin(member) is typing.Literal:
            literals = list(typing.get_args(member))
            atom = _PLAIN[type(literals[0])]
            # A literal beside free text narrows nothing.
            if str not in members:
                choices = literals
        else:
            atom = _atom(member)
            inner = typing.get_args(member)
            if inner and isinstance(inner[0], type) and issubclass(inner[0], Enum):
                choices = [item.value for item in inner[0]]
        if atom not in atoms:
            atoms.append(atom)
    flag = _flag(action, negation)
    default, in_effect = _plain(action.default), _plain(effective.get(field.name, action.default))
    if flag.reads == "boolean" and "text" in atoms:
        # argparse converts text defaults too, so not even YAML can say a text here.
        atoms.remove("text")
        default, in_effect = (_switched(action, value) for value in (default, in_effect))
    help_text = (field.metadata.get("help") or "").replace("%%", "%").strip()
    return Argument(
        name=field.name,
        types=tuple(atoms),
        optional=optional or default is None,
        default=default,
        effective_default=in_effect,
        choices=tuple(choices or action.choices or ()),
        help=help_text,
        owner=_owner(dataclass, field.name),
        flag=flag,
        deprecation=_deprecation(help_text),
        fields=_entry_fields(field.name, members),
        json_text=field.name in getattr(dataclass, "_VALID_DICT_FIELDS", ()),
        required=bool(action.required),
    )


def _switched(action: argparse.Action, value: Any) -> Any:
    """A default as the parser converts it: `no` is false to it."""
    converter: Any = action.type
    return converter(value) if isinstance(value, str) else value


def _atom(member: Any) -> str:
    if member in _PLAIN:
        return _PLAIN[member]
    origin = typing.get_origin(member) or member
    inner = typing.get_args(member)
    if origin is dict or dataclasses.is_dataclass(origin):
        return "mapping"
    if origin in (list, tuple):
        if inner and dataclasses.is_dataclass(inner[0]):
            return "datasets"
        return "list[number]" if inner and inner[0] is float else "list[text]"
    raise TypeError(f"an argument type that the studio does not know: {member!r}")


def _flag(action: argparse.Action, negation: str | None) -> Flag:
    converter: Any = action.type
    # TRL wraps the converter of an optional argument so that `None` and `null` are read too, and keeps its name.
    name = getattr(converter, "__name__", "")
    by_choice = getattr(converter, "__qualname__", "").startswith("make_choice_type")
    if by_choice or action.choices is not None or (isinstance(converter, type) and issubclass(converter, Enum)):
        reads = "choice"
    elif name in ("string_to_bool", "str_to_bool"):
        reads = "boolean"
    else:
        reads = {"str": "text", "int": "integer", "float": "number", "": "text"}.get(name, "nothing")
    null_words = "_accept_none" in getattr(converter, "__qualname__", "")
    many = action.nargs == "+"
    return Flag(reads=reads, many=many, bare=action.nargs == "?", negation=negation, null_words=null_words)


def _entry_fields(name: str, members: list[Any]) -> tuple[str, ...]:
    for member in members:
        inner = typing.get_args(member)
        if inner and dataclasses.is_dataclass(inner[0]):
            return tuple(field.name for field in dataclasses.fields(inner[0]))
    return ()


def _owner(dataclass: type, name: str) -> str:
    """The class that defines the argument, or that last gave it another default."""
    for candidate in dataclass.__mro__:
        if name in inspect.get_annotations(candidate):
            return candidate.__name__
    return dataclass.__name__


def _deprecation(help_text: str) -> str:
    match = _DEPRECATED.search(help_text)
    return match.group(0).strip() if match else ""


def _effective_defaults(dataclass: Any) -> dict[str, Any]:
    """What each field becomes when nothing is set; on a machine without a GPU only `use_cpu` has to be."""
    given = {"use_cpu": True} if "use_cpu" in dataclass.__dataclass_fields__ else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        built = dataclass(**given)
    values = {field.name: getattr(built, field.name) for field in dataclasses.fields(dataclass) if field.init}
    for name in given:
        values.pop(name)
    # These two follow `use_cpu`, which a run on a GPU does not set.
    values.pop("dataloader_pin_memory", None)
    return values


def _plain(value: Any) -> Any:
    """The value as JSON and YAML can hold it."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return str(value)


def _launch_options() -> tuple[dict[str, Argument], dict[str, Argument]]:
    from accelerate.commands.launch import launch_command_parser

    parser = launch_command_parser()
    owners = {id(action): group.title for group in parser._action_groups for action in group._group_actions}
    valued: dict[str, Argument] = {}
    flags: dict[str, Argument] = {}
    for action in parser._actions:
        if action.dest in _NOT_LAUNCH:
            continue
        long = next(option for option in action.option_strings if option.startswith("--"))
        takes_value = action.nargs != 0
        name = long.lstrip("-").replace("-", "_")
        converter: Any = action.type
        reads = _PLAIN.get(converter, "boolean" if converter is not None else "text")
        listed = Argument(
            name=name,
            types=(reads if takes_value else "boolean",),
            optional=True,
            default=_plain(action.default),
            effective_default=_plain(action.default),
            choices=tuple(action.choices or ()),
            help=(action.help or "").replace("%%", "%").strip(),
            owner=f"accelerate: {owners.get(id(action), 'options')}",
            # accelerate's own converter for true and false reads any text; it is shown as a boolean.
            flag=Flag(reads="text" if reads == "boolean" else reads, bare=not takes_value),
            deprecation=_deprecation(action.help or ""),
        )
        (valued if takes_value else flags)[name] = listed
    valued["accelerate_config"] = Argument(
        name="accelerate_config",
        types=("text",),
        optional=True,
        default=None,
        effective_default=None,
        choices=(),
        help="One of the accelerate profiles that TRL bundles, or the path of an accelerate config file.",
        owner="accelerate: profile",
    )
    return valued, flags


def _profiles() -> dict[str, str]:
    folder = importlib.resources.files("trl.accelerate_configs")
    names = sorted(Path(entry.name).stem for entry in folder.iterdir() if entry.name.endswith(".yaml"))
    return {name: folder.joinpath(f"{name}.yaml").read_text(encoding="utf-8") for name in names}


def _lora_targets() -> dict[str, str | tuple[str, ...]]:
    """Which modules PEFT adapts where a recipe names none, by model type."""
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as targets

    return {kind: named if isinstance(named, str) else tuple(named) for kind, named in targets.items()}


def _processors() -> frozenset[str]:
    """The model types for which transformers makes a processor, of images or sound, and not a tokenizer alone."""
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING_NAMES

    return frozenset(PROCESSOR_MAPPING_NAMES)
