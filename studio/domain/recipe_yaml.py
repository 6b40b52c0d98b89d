"""Recipe to YAML and back: grouped, commented, and read by every YAML reader as TRL reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import yaml

from studio.domain.arguments import Argument, Catalog
from studio.domain.errors import StudioError
from studio.domain.findings import Finding, Fix, Where
from studio.domain.methods import METHOD_NAMES, method_named
from studio.domain.overlay import SECTIONS, section_of
from studio.domain.recipe import Recipe
from studio.domain.values import number_text, problem, read_value

_LAUNCH_COMMENT = re.compile(r"^#.*?\b(?:trl\s+(?P<trl>[a-z]+)|(?P<script>[a-z]+)\.py)\b", re.MULTILINE)


_MOST_NODES = 100_000


# What options were called in earlier releases; their values mean the same under the new names.
RENAMED = {
    "evaluation_strategy": "eval_strategy",
    "max_seq_length": "max_length",
    "torch_dtype": "dtype",
    "warmup_ratio": "warmup_steps",
}


class _Dumper(yaml.SafeDumper):
    """SafeDumper that writes floats as `2.0e-05`, which YAML 1.1 and 1.2 both read as numbers."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_representer(
    float, lambda dumper, value: dumper.represent_scalar("tag:yaml.org,2002:float", number_text(value))
)


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # Line breaks of any kind, control and invisible characters survive only as escapes in double quotes.
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"')


_Dumper.add_representer(str, _represent_text)


def entry_text(key: str, value: Any) -> str:
    """One `key: value` of the YAML, with its line end."""
    if isinstance(value, (list, tuple)) and all(isinstance(item, (str, int, float, bool)) for item in value):
        value = list(value)
        text: str = yaml.dump(
            {key: value}, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=10**6, default_flow_style=None
        )
        return text
    return str(yaml.dump({key: value}, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=10**6))


def write_yaml(
    recipe: Recipe, catalog: Catalog, name: str = "recipe.yaml", notes: Mapping[str, str] | None = None
) -> str:
    """The YAML that `trl <method> --config` takes, opening with the command that launches it.

    `notes` are remarks set behind single keys. accelerate's store-true flags are not in it: no YAML can hold them.
    """
    sections: dict[str, list[tuple[str, Any]]] = {}
    for key, value in in_order(recipe, catalog):
        argument = catalog.of(recipe.method).get(key) or catalog.launch.get(key)
        section = _section(recipe, catalog, key) if argument is None else section_of(key, recipe.method, argument)
        sections.setdefault(section, []).append((key, value))
    lines = [f"# trl {recipe.method} --config {name}\n"]
    for section in [s for s in SECTIONS if s in sections]:
        title = method_named(recipe.method).label if section == "Method" else section
        lines.append(f"\n# {title}\n")
        for key, value in sections[section]:
            text = entry_text(key, value)
            note = (notes or {}).get(key)
            if note and text.count("\n") == 1:
                text = f"{text.rstrip()}  # {note}\n"
            lines.append(text)
    if recipe.env:
        lines.append("\n# Environment\n" + entry_text("env", dict(recipe.env)))
    return "".join(lines)


def in_order(recipe: Recipe, catalog: Catalog) -> list[tuple[str, Any]]:
    """Known keys in the catalogue's order, each unknown key behind the key that it followed when it was read."""
    known = {**recipe.values, **recipe.launch}
    rank = {name: place for place, name in enumerate((*catalog.of(recipe.method), *catalog.launch))}
    ordered = sorted(known, key=lambda key: rank.get(key, len(rank)))
    for key in recipe.unknown:
        before = _predecessor(recipe, key)
        ordered.insert(ordered.index(before) + 1 if before in ordered else 0, key)
    return [(key, known[key] if key in known else recipe.unknown[key]) for key in ordered]


def _predecessor(recipe: Recipe, key: str) -> str | None:
    place = recipe.order.index(key) if key in recipe.order else len(recipe.order)
    here = (*recipe.values, *recipe.launch, *recipe.unknown)
    return next((name for name in reversed(recipe.order[:place]) if name in here), None)


def _section(recipe: Recipe, catalog: Catalog, key: str) -> str:
    before = _predecessor(recipe, key)
    while before is not None and before in recipe.unknown:
        before = _predecessor(recipe, before)
    if before is None:
        return SECTIONS[0]
    argument = catalog.of(recipe.method).get(before) or catalog.launch.get(before)
    return section_of(before, recipe.method, argument)


def method_in_comments(text: str) -> str | None:
    """The method that a YAML's launching comment names (`# trl dpo --config x.yaml`), or None."""
    for match in _LAUNCH_COMMENT.finditer(text):
        name = match.group("trl") or match.group("script")
        if name in METHOD_NAMES:
            return name
    return None


def read_mapping(text: str, name: str) -> tuple[dict[str, Any], dict[str, yaml.Node], list[Finding]]:
    """A YAML mapping with the node of each value, for lines and spelling. Raises StudioError where it is none."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        _measure(root, name)
        data = yaml.safe_load(text)
    except RecursionError:
        raise StudioError(f"{name} is nested too deeply.", "A recipe has a few levels at most.") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark else ""
        what = getattr(error, "problem", None) or str(error).split("\n")[0]
        raise StudioError(f"{name} is no YAML: {what}{line}.", "Mend that line, or paste the file again.") from None
    except ValueError as error:
        raise StudioError(f"{name} holds a value that no YAML reader takes: {error}.", "Quote it.") from None
    if data is None:
        return {}, {}, []
    if not isinstance(data, dict) or not isinstance(root, yaml.MappingNode):
        kind = "a list" if isinstance(data, list) else "a single value"
        raise StudioError(
            f"{name} is {kind}, not a mapping of options.", "TRL wants lines like `learning_rate: 2.0e-05`."
        )
    nodes: dict[str, yaml.Node] = {}
    findings: list[Finding] = []
    for key_node, value_node in root.value:
        key = str(key_node.value)
        if key in nodes:
            where = Where("argument", key, line=key_node.start_mark.line + 1)
            findings.append(
                Finding(
                    "warning", where, f"`{key}` stands there twice.", "YAML readers take the last one, as TRL does."
                )
            )
        nodes[key] = value_node
    return {str(key): value for key, value in data.items()}, nodes, findings


def _measure(root: yaml.Node | None, name: str) -> None:
    """Raises StudioError for a text whose anchors unfold into something endless, or nearly so."""
    open_nodes, count = [root] if root else [], 0
    while open_nodes:
        node = open_nodes.pop()
        count += 1
        if count > _MOST_NODES:
            raise StudioError(f"{name} is endless: its anchors (`&`, `*`) go in circles.", "Write the values out.")
        if isinstance(node, yaml.MappingNode):
            open_nodes += [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            open_nodes += node.value


def read_yaml(
    text: str, catalog: Catalog, method: str | None = None, name: str = "the recipe"
) -> tuple[Recipe, list[Finding]]:
    """The recipe that a TRL YAML means, with all that is wrong with it.

    `method` comes first, else the launching comment decides. Raises StudioError where the text is no YAML mapping or
    no method is known. Values are read as TRL reads them; what the file says explicitly stays in the recipe.
    """
    data, nodes, findings = read_mapping(text, name)
    method = method or method_in_comments(text)
    if method is None:
        raise StudioError(
            f"{name} does not say which method it is for.",
            "Name one, or open the file with a line such as `# trl sft --config recipe.yaml`.",
        )
    arguments = catalog.of(method)
    recipe = Recipe(method, order=tuple(data), pinned=frozenset(data))
    values: dict[str, Any] = {}
    launch: dict[str, Any] = {}
    env: dict[str, str] = {}
    unknown: dict[str, Any] = {}
    flags: list[str] = []
    for key, value in data.items():
        # A key that YAML merges in (`<<`) or reads as something else (`no`) has no node of that name.
        node = nodes.get(key)
        where = Where("argument", key, line=node.start_mark.line + 1 if node else None)
        if key == "env":
            env, wrong = _environment(value, where)
            findings += wrong
        elif key in arguments:
            values[key] = read_value(arguments[key], value)
            findings += _spelling(arguments[key], value, node, where)
        elif key in catalog.launch:
            launch[key] = value
        elif key in catalog.flags:
            findings.append(_flag_in_yaml(key, value, where))
            if value:
                flags.append(key)
        else:
            unknown[key] = value
            findings.append(unknown_key(catalog, method, key, value, where))
    return replace(recipe, values=values, launch=launch, flags=tuple(flags), env=env, unknown=unknown), findings


def unknown_key(catalog: Catalog, method: str, key: str, value: Any, where: Where) -> Finding:
    """The Finding for a key that neither TRL nor accelerate takes, with the nearest names and the likeliest as fix."""
    renamed = RENAMED.get(key, "")
    close = [renamed] if renamed in catalog.of(method) else catalog.nearest(method, key)
    message = f"`{key}` is no option of `trl {method}`" + (
        f"; did you mean {' or '.join(f'`{name}`' for name in close)}?" if close else "."
    )
    fix = Fix("Leave it out", {}, (key,))
    if close:
        target = catalog.of(method).get(close[0])
        read = read_value(target, value) if target else value
        if target is None or problem(target, read) is None:
            fix = Fix(f"Use {close[0]}", {close[0]: read}, (key,))
    return Finding(
        "error", where, message, "TRL hands it on to accelerate, which stops with 'unrecognized arguments'.", fix
    )


def _environment(value: Any, where: Where) -> tuple[dict[str, str], list[Finding]]:
    if value is None:
        return {}, []
    if not isinstance(value, dict):
        return {}, [Finding("error", where, "`env` must be a mapping of names and values.", "TRL refuses it.")]
    return {str(name): str(text) for name, text in value.items()}, []


def _flag_in_yaml(key: str, value: Any, where: Where) -> Finding:
    return Finding(
        "warning",
        where,
        f"`{key}` is a flag of accelerate's command line, which no YAML can hold.",
        f"`{key}: {str(value).lower()}` would break the launch; the studio writes it to accelerate.yaml instead.",
    )


def _spelling(argument: Argument, value: Any, node: yaml.Node | None, where: Where) -> list[Finding]:
    """Texts that YAML reads as something else: `no`, `on`, a date, a number."""
    key, types = argument.name, argument.types
    if "text" not in types or isinstance(value, (str, dict, list)) or value is None:
        return []
    if node is None or not isinstance(node.value, str):
        return []
    if (isinstance(value, bool) and "boolean" in types) or (isinstance(value, int) and "integer" in types):
        return []
    return [
        Finding(
            "error",
            where,
            f"`{key}: {node.value}` is not a text: YAML reads it as {type(value).__name__}.",
            "Quote it, so that TRL gets the text.",
            None if problem(argument, node.value) else Fix(f'Write "{node.value}"', {key: node.value}),
        )
    ]
