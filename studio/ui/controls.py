"""One function turns an argument of TRL into a control, and its value into what stands in the recipe, and back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import gradio as gr

from studio.domain.arguments import Argument, Catalog
from studio.domain.completion import PATHS
from studio.domain.overlay import OVERLAYS, Overlay, is_shown, overlay
from studio.domain.recipe import Recipe, in_effect
from studio.domain.typed_text import flow_text, read_structure
from studio.domain.values import number_text, read_value, share_of
from studio.service.paths import hub_name, repository

Kind = Literal["switch", "tristate", "choice", "integer", "number", "text", "list", "yaml"]

# TRL's help names the values of many texts: "Supported values are 'grpo', 'dapo', and 'vespo'."
_TOLD_VALUES = re.compile(r"(?:(?:Supported|Possible) values are:?|Must be one of)((?:[^.]|\.(?! ))*)")
_QUOTED = re.compile(r"'([A-Za-z_]\w*)'|`([a-z_]+)`(?= \(default\)|,|$)")
_BACKTICKED = re.compile(r"`([A-Za-z_]\w*)`")
_SUGGESTED = {
    "scale_rewards": ["group", "batch", "none"],
    "importance_sampling_level": ["token", "sequence"],
    "lora_task_type": ["CAUSAL_LM", "SEQ_CLS"],
    "lora_target_modules": ["all-linear"],
    "report_to": ["trackio", "wandb", "tensorboard", "mlflow", "none"],
    "gpu_ids": ["all"],
    "attn_implementation": ["sdpa", "eager", "flash_attention_2", "kernels-community/flash-attn2"],
}
# Plain words for values that do not speak for themselves.
_WORDS = {
    "hub_private_repo": {"": "owner's default", "true": "private", "false": "public"},
    "hub_strategy": {
        "end": "at the end",
        "every_save": "at each save too",
        "checkpoint": "at each save, with its checkpoint",
        "all_checkpoints": "at each save, with all checkpoints",
    },
}


@dataclass(frozen=True)
class Control:
    """A component of the page that edits one argument, under the methods that have it in this type."""

    name: str
    kind: Kind
    methods: frozenset[str]
    section: str
    component: Any

    def visible(self, recipe: Recipe, catalog: Catalog) -> bool:
        """Whether the control means anything for the recipe as it stands."""
        if recipe.method not in self.methods:
            return False
        return is_shown(self.name, recipe.method, lambda name: in_effect(recipe, catalog, name))


def kind_of(argument: Argument) -> Kind:
    """Which sort of control suits an argument's type."""
    types = set(argument.types)
    if types == {"boolean"}:
        return "tristate" if argument.optional and not isinstance(argument.default, bool) else "switch"
    if argument.choices and not any(atom.startswith("list") for atom in types):
        return "choice"
    if types <= {"integer"}:
        return "integer"
    if types <= {"number", "integer"}:
        return "number"
    if any(atom == "list[text]" for atom in types):
        return "list"
    if types <= {"text", "boolean", "integer"}:
        return "text"
    return "yaml"


def argument_named(catalog: Catalog, method: str, name: str) -> Argument | None:
    """TRL's argument or accelerate's option of that name, under a method."""
    return catalog.of(method).get(name) or catalog.launch.get(name)


def controls_of(
    catalog: Catalog, sections: tuple[str, ...]
) -> Iterator[tuple[str, list[tuple[str, Kind, frozenset[str]]]]]:
    """For each section: the arguments to draw, a control for each type that one has under some methods."""
    for section in sections:
        rows: list[tuple[str, Kind, frozenset[str]]] = []
        for name in dict.fromkeys(record.name for record in OVERLAYS if record.section == section):
            kinds: dict[Kind, set[str]] = {}
            for method in catalog.methods:
                argument = argument_named(catalog, method, name)
                if argument is not None:
                    kinds.setdefault(kind_of(argument), set()).add(method)
            rows += [(name, kind, frozenset(methods)) for kind, methods in kinds.items()]
        if rows:
            yield section, rows


def build(
    catalog: Catalog, name: str, kind: Kind, methods: frozenset[str], section: str, recipe: Recipe, elem_id: str
) -> Control:
    """Makes the component for an argument, inside whatever layout is open."""
    method = recipe.method if recipe.method in methods else next(m for m in catalog.methods if m in methods)
    argument = argument_named(catalog, method, name)
    if argument is None:
        raise KeyError(name)
    record = overlay(name, method)
    control = Control(name, kind, methods, section, None)
    label, info = words(argument, method)
    options: dict[str, Any] = {
        "label": label,
        "info": info,
        "value": shown(control, recipe, catalog) if recipe.method in methods else None,
        "visible": control.visible(recipe, catalog),
        "interactive": True,
        "elem_id": elem_id,
        "elem_classes": [
            *(["ts-advanced"] if record and record.advanced else []),
            *(["ts-wide"] if kind == "list" else []),
        ],
        "min_width": 160,
    }
    if name == "accelerate_config":
        offered = [("none", ""), *((profile, profile) for profile in catalog.profiles)]
        return Control(name, kind, methods, section, gr.Dropdown(offered, allow_custom_value=True, **options))
    return Control(name, kind, methods, section, _component(kind, argument, options))


def words(argument: Argument, method: str) -> tuple[str, str]:
    """Label and hint of an argument under a method: ours where there are some, else TRL's name and help."""
    record = overlay(argument.name, method)
    return record.label if record and record.label else argument.name, hint(argument, record)


def is_worded_by_method(control: Control, catalog: Catalog) -> bool:
    """Whether the label or the hint of a control is another one under another method."""
    found = ((argument_named(catalog, method, control.name), method) for method in control.methods)
    return len({words(argument, method) for argument, method in found if argument is not None}) > 1


def hint(argument: Argument, record: Overlay | None) -> str:
    """Our plain words where there are some, else TRL's help, cut at a sentence."""
    if record and record.hint:
        return record.hint
    first = argument.help.split(". ")[0].rstrip(".")
    return first[:160] + ("." if first else "")


def _component(kind: Kind, argument: Argument, options: dict[str, Any]) -> Any:
    if kind == "switch":
        return gr.Checkbox(**options)
    if kind == "tristate":
        return gr.Dropdown(choices=_tristate(argument), **options)
    if kind == "choice":
        blank = [("default", "")] if argument.optional and argument.default is None else []
        words = _WORDS.get(argument.name, {})
        named = [(words.get(choice, str(choice)), choice) for choice in argument.choices]
        return gr.Dropdown(choices=blank + named, **options)
    if kind == "integer":
        # Without a precision: a fraction stays to be seen, and the check says that it is no whole number.
        return gr.Number(**options)
    if kind == "list":
        choices = [str(choice) for choice in argument.choices] or suggestions(argument)
        return gr.Dropdown(choices=choices, multiselect=True, allow_custom_value=True, **options)
    if kind == "text" and suggestions(argument):
        return gr.Dropdown(choices=["", *suggestions(argument)], allow_custom_value=True, **options)
    return gr.Textbox(max_lines=1 if kind != "yaml" else 4, **options)


def suggestions(argument: Argument) -> list[str]:
    """Values to offer beside what can be typed: ours, or those that TRL's help names."""
    if argument.name in _SUGGESTED:
        return _SUGGESTED[argument.name]
    told = _TOLD_VALUES.search(argument.help)
    quoted = [first or second for first, second in _QUOTED.findall(told.group(1))] if told else []
    if len(quoted) > 1:
        return list(dict.fromkeys(quoted))
    named = _BACKTICKED.findall(argument.help) if "Supported values" in argument.help else []
    return [
        name for name in dict.fromkeys(named) if name != argument.name and "len" not in name and "cache" not in name
    ]


def _tristate(argument: Argument) -> list[tuple[str, str]]:
    if argument.name in _WORDS:
        return [(label, value) for value, label in _WORDS[argument.name].items()]
    default = argument.effective_default
    words = "on" if default is True else "off" if default is False else "unset"
    return [(f"default ({words})", ""), ("on", "true"), ("off", "false")]


def shown(control: Control, recipe: Recipe, catalog: Catalog) -> Any:
    """What the control displays for the recipe: the value set, else the default in effect."""
    argument = argument_named(catalog, recipe.method, control.name)
    if argument is None:
        return None
    is_set = control.name in recipe.values or control.name in recipe.launch
    value = recipe.get(control.name) if is_set else argument.effective_default
    kind = control.kind
    if kind == "tristate":
        return "" if not is_set or value is None else str(value).lower()
    if kind == "switch":
        return value is True
    if kind == "choice":
        return value if value in argument.choices else ""
    if kind == "integer":
        return value if isinstance(value, int) and not isinstance(value, bool) else None
    if kind == "list":
        return (
            [str(item) for item in value]
            if isinstance(value, list)
            else [str(value)]
            if value not in (None, "")
            else []
        )
    if value is None or value == []:
        return ""
    if isinstance(value, float):
        return number_text(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, dict)):
        return flow_text(value)
    return str(value)


def read(control: Control, argument: Argument, value: Any) -> tuple[bool, Any]:
    """What the control's value means: whether anything is set, and the recipe's value.

    Text that is no number stays text: the checks say what is wrong with it.
    """
    kind = control.kind
    if isinstance(value, str):
        value = hub_name(value) if control.name in PATHS else repository(value)
        if control.name == "test_split_size" and "%" in value and (share := share_of(value)) is not None:
            return True, share
    if value is None or value == "" or value == []:
        return False, None
    if kind == "tristate":
        return True, value == "true"
    if kind == "integer":
        whole = isinstance(value, float) and value.is_integer()
        return True, int(value) if whole else value
    if kind == "number":
        text = str(value).strip()
        if re.fullmatch(r"[+-]?\d+", text):
            return True, int(text)
        return True, read_value(argument, text)
    if kind == "list":
        items = [str(item).strip() for item in (value if isinstance(value, list) else [value]) if str(item).strip()]
        if "list[number]" in argument.types and "list[text]" not in argument.types:
            return bool(items), items
        single = "text" in argument.types and len(items) == 1
        return bool(items), items[0] if single else items
    if kind == "yaml":
        return True, _structure(argument, str(value))
    if "boolean" in argument.types and str(value).lower() in ("true", "false"):
        return True, str(value).lower() == "true"
    if "integer" in argument.types and re.fullmatch(r"[+-]?\d{1,18}", str(value)):
        return True, int(value)
    return True, value


def _structure(argument: Argument, text: str) -> Any:
    try:
        return read_structure(argument, text)
    except ValueError:
        return text
