"""A pasted text as the studio opens it, and whether TRL's own parser makes the same of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from studio.domain.arguments import Catalog
from studio.domain.command_reader import read_command
from studio.domain.findings import Finding
from studio.domain.recipe import Recipe
from studio.domain.recipe_yaml import read_yaml
from studio.domain.shell_text import looks_like_command
from studio.domain.values import same
from tests import trl_oracle

CONFIG = "# trl sft --config a.yaml\nlearning_rate: 1.0e-04\nnum_train_epochs: 2\nnum_processes: 2\nenv:\n  A: file\n"


def read(text: str, catalog: Catalog, method: str | None = None) -> tuple[Recipe, list[Finding]]:
    """As the studio opens a pasted text."""
    if looks_like_command(text):
        return read_command(text, catalog, method, lambda name: CONFIG)
    return read_yaml(text, catalog, method)


def agrees_with_trl(catalog: Catalog, recipe: Recipe, fields: dict[str, Any], rest: list[str]) -> None:
    """The recipe's values are TRL's, all others are defaults there, and what TRL hands on are the launch options."""
    for name, argument in catalog.of(recipe.method).items():
        wanted = recipe.values.get(name, argument.default)
        if "datasets" in argument.types:
            wanted = [dict.fromkeys(argument.fields) | {"split": "train"} | entry for entry in wanted]
        found = fields[name]
        assert same(found, wanted) or (found in ([], None) and wanted in ([], None)), (name, found, wanted)
    handed_on = [word.partition("=")[0] for word in rest if word.startswith("--")]
    names = sorted(word.lstrip("-").replace("-", "_") for word in handed_on)
    assert names == sorted([*recipe.launch, *recipe.unknown, *recipe.flags])


def parse_yaml(tmp_path: Path, method: str, text: str) -> tuple[dict[str, Any], list[str]]:
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return trl_oracle.parse(method, ["--config", str(path)])
