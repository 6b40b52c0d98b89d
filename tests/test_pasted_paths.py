"""Paths as file managers and shells copy them: in quotes, or as an address of a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from studio.adapters.home import Home
from studio.adapters.hub import HubClient
from studio.cli import main
from studio.domain.arguments import Catalog
from studio.domain.recipe import Recipe
from studio.service.data import inspect
from studio.service.paths import Paths, hub_name, unquoted
from studio.service.studio import Studio
from studio.ui.controls import Control, read
from studio.ui.form import Form
from studio.ui.mixture import meant

WAYS = ("{}", '"{}"', "'{}'", " '{}' ", "“{}”", "file://{}", "file://localhost{}", '"file://{}"', "FILE://{}")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A file whose name an address writes otherwise."""
    file = tmp_path / "two words ü.jsonl"
    file.write_text("".join(json.dumps({"text": f"Text {n}."}) + "\n" for n in range(4)))
    return file


def pasted(way: str, path: Path) -> str:
    return way.format(path.as_uri().removeprefix("file://") if "//" in way.casefold() else path)


@pytest.mark.parametrize("way", WAYS)
def test_a_path_is_read_as_it_was_copied(data: Path, way: str) -> None:
    typed = pasted(way, data)
    assert hub_name(typed) == str(data)
    looked = inspect(typed, "sft", Paths(data.parent, data.parent), HubClient("http://127.0.0.1:9"))
    assert (looked.verdict, looked.num_rows) == ("accept", 4)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (r'"C:\data\a.jsonl"', r"C:\data\a.jsonl"), ("'owner/name'", "owner/name"), ("a'b", "a'b"), ('"', '"'),
        ('""', '""'), ("'a", "'a"), ('"https://huggingface.co/datasets/a/b"', "a/b"), ("file.jsonl", "file.jsonl"),
        ("file://server/share/a", "file://server/share/a"), ("file", "file"),
    ],
)  # fmt: skip
def test_quotes_alone_are_taken_away(text: str, meant: str) -> None:
    assert hub_name(text) == meant


def test_boxes_of_the_page_take_them(data: Path, tmp_path: Path, catalog_folder: Path, catalog: Catalog) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "cache").symlink_to(catalog_folder)
    form = Form(Recipe("sft"), drawn=True)
    form.choose_dataset(Studio(Home(tmp_path / "home")), f"'{data}'")
    assert form.typed == str(data)
    assert form.looked[0].num_rows == 4
    box = Control("model_name_or_path", "text", frozenset({"sft"}), "Model", None)
    assert read(box, catalog.of("sft")["model_name_or_path"], f'"{tmp_path}"') == (True, str(tmp_path))
    token = Control("eos_token", "text", frozenset({"sft"}), "Data", None)
    assert read(token, catalog.of("sft")["eos_token"], "'end'") == (True, "'end'")
    assert meant("path", f"'{data}'") == meant("data_files", data.as_uri()) == str(data)
    assert meant("data_files", f"'{data}', b.json") == [str(data), "b.json"]
    assert meant("data_files", "train: a.json, test: b.json") == {"train": "a.json", "test": "b.json"}


def test_the_command_line_takes_them(
    data: Path, tmp_path: Path, catalog_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "cache").symlink_to(catalog_folder)
    home = ("--home", str(tmp_path / "home"))
    assert main(["inspect", data.as_uri(), "--method", "sft", *home]) == 0
    recipe = tmp_path / "a recipe.yaml"
    recipe.write_text(f"dataset_name: {data}\n")
    capsys.readouterr()
    assert main(["convert", recipe.as_uri(), "--method", "sft", "--to", "yaml", *home]) == 0
    assert str(data) in capsys.readouterr().out
    assert unquoted(f"'{recipe}'") == str(recipe)
