"""TRL's own parser reads the exported YAML and the exported command into the very values of the recipe."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from studio.domain.arguments import Argument, Catalog
from studio.domain.command import write_command
from studio.domain.command_reader import read_command
from studio.domain.methods import METHOD_NAMES
from studio.domain.recipe import Recipe
from studio.domain.recipe_yaml import read_yaml, write_yaml
from studio.domain.values import flag_tokens, problem, read_value, same
from tests import trl_oracle

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*:DeprecationWarning", "ignore:.*:FutureWarning", "ignore::UserWarning"
)

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20) | st.sampled_from(
    [
        "",
        "-x",
        "--x",
        "--",
        "$(rm -rf /)",
        "`id`",
        "a'b",
        'a"b',
        "a\nb",
        "no",
        "on",
        "null",
        "1e5",
        "2024-01-01",
        "é漢",
        "# x",
        "a: b",
        "{",
        "a\\",
        "  ",
        "!",
        "&x",
        "*y",
        "- z",
        "'",
        '"',
        "~",
        "0x1f",
        "%s",
        "=",
        "a=b",
        "\t",
        "\u2028",
        "\x85",
    ]
)
NUMBER = st.floats(allow_nan=False, width=64) | st.integers(-(10**6), 10**6)
SCALAR = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
MAPPING = st.dictionaries(
    TEXT,
    st.recursive(
        SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=4
    ),
    max_size=3,
)
# Shrinking a recipe of 160 values takes minutes; the assertion names the argument anyway.
QUICK = settings(
    deadline=None,
    derandomize=True,
    database=None,
    print_blob=False,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
ATOMS: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXT,
    "integer": st.integers(-(10**9), 10**9),
    "number": NUMBER,
    "boolean": st.booleans(),
    "mapping": MAPPING,
    "list[text]": st.lists(TEXT, max_size=3),
    "list[number]": st.lists(NUMBER, max_size=3),
}


def values_of(argument: Argument) -> st.SearchStrategy[Any]:
    """Valid values of an argument, by its type and choices."""
    if "datasets" in argument.types:
        entry = st.fixed_dictionaries(
            {"path": st.sampled_from(["json", "trl-lib/Capybara"])},
            optional={
                "data_files": TEXT,
                "columns": st.lists(TEXT, max_size=2),
                "fraction": st.floats(0.1, 1),
                "split": TEXT,
            },
        )
        return st.lists(entry, max_size=2)
    options = [ATOMS[atom] for atom in argument.types]
    if argument.choices:
        options = [st.sampled_from(argument.choices)]
        options += [st.lists(st.sampled_from(argument.choices), max_size=2)] if "list[text]" in argument.types else []
        options += [st.booleans()] if "boolean" in argument.types else []
        options = options if "text" not in argument.types or "list[text]" not in argument.types else options[:2]
    if argument.optional:
        options.append(st.none())
    return st.one_of(options).filter(lambda value: problem(argument, value) is None)


def expected(argument: Argument, value: Any) -> Any:
    """The value as TRL's dataclass holds it; entries of `datasets` get the defaults of their dataclass."""
    if "datasets" in argument.types:
        blank = dict.fromkeys(argument.fields) | {"split": "train"}
        return [blank | entry for entry in value]
    return value


def parse_yaml(method: str, text: str) -> tuple[dict[str, Any], list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recipe.yaml"
        path.write_text(text, encoding="utf-8")
        return trl_oracle.parse(method, ["--config", str(path)])


def assert_same(catalog: Catalog, recipe: Recipe, fields: dict[str, Any], by_flags: bool) -> None:
    for name, argument in catalog.of(recipe.method).items():
        wanted = expected(argument, recipe.values.get(name, read_value(argument, argument.default)))
        found = fields[name]
        if by_flags and isinstance(wanted, dict) and isinstance(found, str):
            found = json.loads(found)  # what the config class does with it
        assert same(found, wanted) or (found in ([], None) and wanted in ([], None)), (name, found, wanted)


def differing(left: Recipe, right: Recipe) -> dict[str, tuple[Any, Any]]:
    """The values in which two recipes differ."""
    missing = object()
    names = {*left.values, *right.values}
    pairs = {name: (left.values.get(name, missing), right.values.get(name, missing)) for name in names}
    return {name: pair for name, pair in pairs.items() if not same(*pair)}


def check(catalog: Catalog, recipe: Recipe) -> None:
    for name, value in recipe.values.items():
        assert problem(catalog.of(recipe.method)[name], value) is None, (name, value)
    text = write_yaml(recipe, catalog)
    fields, rest = parse_yaml(recipe.method, text)
    assert rest == []
    assert_same(catalog, recipe, fields, by_flags=False)
    again, findings = read_yaml(text, catalog)
    assert findings == []
    assert differing(again, recipe) == {}

    command = write_command(recipe, catalog)
    if command.uses_config:
        assert command.text == f"trl {recipe.method} --config recipe.yaml"
        return
    words = shlex.split(command.text.replace(" \\\n  ", " "))
    fields, rest = trl_oracle.parse(recipe.method, words[2:])
    assert rest == []
    assert_same(catalog, recipe, fields, by_flags=True)
    back, findings = read_command(command.text, catalog)
    assert [finding for finding in findings if finding.level == "error"] == []
    assert differing(back, recipe) == {}


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_every_argument_survives_yaml_and_command(catalog: Catalog, method: str) -> None:
    """All arguments of the method at once, each with a random valid value, many times over."""
    arguments = catalog.of(method)
    said: set[str] = set()

    @settings(QUICK, max_examples=20)
    @given(values=st.fixed_dictionaries({name: values_of(argument) for name, argument in arguments.items()}))
    def run(values: dict[str, Any]) -> None:
        check(catalog, Recipe(method, values=values))
        # The same without what no flag can say, so that the command itself is read back.
        sayable = {name: value for name, value in values.items() if flag_tokens(arguments[name], value) is not None}
        assert not write_command(Recipe(method, values=sayable), catalog).uses_config
        check(catalog, Recipe(method, values=sayable))
        said.update(sayable)

    run()
    # Datasets, null and odd lists are for YAML; nearly all else was said by flags at least once.
    assert len(said) > 0.9 * len(arguments)


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_a_few_arguments_together(catalog: Catalog, method: str) -> None:
    arguments = catalog.of(method)
    few = st.sets(st.sampled_from(sorted(arguments)), min_size=1, max_size=4)

    @settings(QUICK, max_examples=10)
    @given(values=few.flatmap(lambda names: st.fixed_dictionaries({n: values_of(arguments[n]) for n in sorted(names)})))
    def run(values: dict[str, Any]) -> None:
        check(catalog, Recipe(method, values=values))

    run()


@settings(QUICK, max_examples=40)
@given(texts=st.lists(TEXT.filter(lambda text: "\0" not in text), min_size=1, max_size=12), env=TEXT)
def test_texts_survive_a_real_shell(catalog: Catalog, texts: list[str], env: str) -> None:
    """The exported command, run by a real shell with a stand-in for `trl` that prints the words it was given."""
    names = [name for name, a in catalog.of("sft").items() if a.types == ("text",) and not a.choices][: len(texts)]
    values = dict(zip(names, texts, strict=False))
    recipe = Recipe("sft", values=values, env={"A_TEXT": env})
    command = write_command(recipe, catalog)
    if command.uses_config:
        assert "--" in texts
        return
    with tempfile.TemporaryDirectory() as folder:
        stand_in = Path(folder) / "trl"
        stand_in.write_text('#!/bin/sh\nprintf "%s\\0" "$A_TEXT" "$@"\n', encoding="utf-8")
        stand_in.chmod(0o755)
        path = f"{folder}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(["sh", "-c", command.text], env={"PATH": path, "LC_ALL": "C.UTF-8"}, capture_output=True)
    assert done.returncode == 0, done.stderr
    words = done.stdout.decode("utf-8").split("\0")[:-1]
    assert words[0] == env
    fields, rest = trl_oracle.parse("sft", words[2:])
    assert rest == []
    assert {name: fields[name] for name in values} == values


def test_validated_configs_are_equal_too(catalog: Catalog) -> None:
    """With TRL's own checks run: the config built from YAML equals the one built from flags."""
    values = {
        "model_name_or_path": "a/b", "dataset_name": "c d", "use_cpu": True, "bf16": False, "learning_rate": 2e-05,
        "max_steps": 7, "lr_scheduler_kwargs": {"num_cycles": 2}, "report_to": "none", "eval_strategy": "steps",
        "gradient_checkpointing": False, "max_length": None, "lora_target_modules": ["q_proj", "v_proj"],
    }  # fmt: skip
    recipe = Recipe("sft", values=values)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recipe.yaml"
        path.write_text(write_yaml(recipe, catalog), encoding="utf-8")
        by_yaml, _ = trl_oracle.parse("sft", ["--config", str(path)], validate=True)
    command = write_command(recipe, catalog)
    assert not command.uses_config
    by_flags, _ = trl_oracle.parse("sft", shlex.split(command.text.replace(" \\\n  ", " "))[2:], validate=True)
    assert by_yaml == by_flags
    assert by_yaml["learning_rate"] == 2e-05
    assert by_yaml["lr_scheduler_kwargs"] == {"num_cycles": 2}


def test_floats_are_floats_to_every_reader(catalog: Catalog) -> None:
    for value in (2e-05, 5e-324, 1e22, 0.1, 3.0, 1e-07, 123456789.125):
        text = write_yaml(Recipe("sft", values={"learning_rate": value}), catalog)
        line = next(line for line in text.splitlines() if line.startswith("learning_rate"))
        assert yaml.safe_load(line) == {"learning_rate": value}
        shown = line.split(": ")[1]
        # YAML 1.2's core schema and JSON want a dot or an exponent with digits; 1.1 wants both with a sign.
        assert float(shown) == value
        assert "." in shown
