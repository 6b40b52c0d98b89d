"""The library of recipes: saved and broken presets, what can be opened, and what is compared."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from studio.adapters.home import Home
from studio.domain.arguments import Catalog
from studio.domain.completion import complete
from studio.domain.errors import StudioError
from studio.domain.recipe import Recipe
from studio.domain.recipe_yaml import read_yaml, write_yaml
from studio.service.access import Access
from studio.service.library import LONGEST, Library
from studio.service.presets import presets_in, problems_in
from studio.service.studio import Studio

PRESETS = Path(__file__).resolve().parent.parent / "presets"


@pytest.fixture(scope="module")
def shared_studio(catalog_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Studio:
    home = tmp_path_factory.mktemp("library")
    shutil.copytree(catalog_folder, home / "cache")
    return Studio(Home(home))


@pytest.fixture
def library(shared_studio: Studio) -> Iterator[Library]:
    """A library whose user has no presets and no runs."""
    yield Library(shared_studio)
    for folder in (shared_studio.home.presets, shared_studio.home.runs):
        shutil.rmtree(folder)
        folder.mkdir()


RECIPE = Recipe("dpo", values={"model_name_or_path": "a/Model-7B", "use_peft": True, "load_in_4bit": True, "beta": 0.2})


def test_a_saved_preset_is_there_at_once_and_opens_as_the_same_recipe(library: Library, catalog: Catalog) -> None:
    saved, left_out = library.save(RECIPE, "  Support   answers: 7B ")
    assert (saved.title, saved.size, saved.purpose, saved.own) == ("Support answers: 7B", "7B", "QLoRA", True)
    assert left_out == ()
    assert saved.path.name == "support-answers-7b.yaml"
    lines = saved.text().splitlines()
    assert lines[0] == "# trl dpo --config support-answers-7b.yaml"
    assert library.presets()[0] == saved
    again, findings = read_yaml(saved.text(), catalog)
    assert (again.method, again.values, findings) == ("dpo", RECIPE.values, [])
    assert not list(saved.path.parent.glob(".*"))


def test_a_preset_holds_no_secrets_no_flags_and_no_runs_name(library: Library) -> None:
    values = {**RECIPE.values, "hub_token": "verysecret", "run_name": "x-01"}
    saved, left_out = library.save(Recipe("dpo", values=values, flags=("multi_gpu",), env={"MY_TOKEN": "s3cret"}), "a")
    assert left_out == ("hub_token", "MY_TOKEN", "multi_gpu")
    assert not any(word in saved.text() for word in ("verysecret", "s3cret", "multi_gpu", "run_name", "accelerate"))
    assert yaml.safe_load(saved.text()) == dict(RECIPE.values)


def test_no_preset_is_overwritten_without_a_word(library: Library) -> None:
    library.save(RECIPE, "Mine")
    with pytest.raises(StudioError, match=r"preset in mine\.yaml already"):
        library.save(Recipe("sft"), "MINE")
    assert library.presets()[0].method == "dpo"
    library.save(Recipe("sft"), "MINE", overwrite=True)
    assert [(one.title, one.method) for one in library.presets() if one.own] == [("MINE", "sft")]


@pytest.mark.parametrize(
    ("title", "file"),
    [
        ("../../etc/passwd", "etc-passwd.yaml"),
        ("a/b\\c", "a-b-c.yaml"),
        ("two\nlines: yes\u2028three", "two-lines-yes-three.yaml"),
        ("日本語", "preset.yaml"),
        ("..", "preset.yaml"),
        ("<b>bold</b>", "b-bold-b.yaml"),
        ("run", "run.yaml"),
    ],
)
def test_names_that_are_no_file_names(library: Library, shared_studio: Studio, title: str, file: str) -> None:
    saved, _ = library.save(RECIPE, title)
    assert saved.path == shared_studio.home.presets / file
    assert yaml.safe_load(saved.text()) == dict(RECIPE.values)
    assert saved.title == " ".join(title.split())


@pytest.mark.parametrize("title", ["", "   ", "\0\x07", "x" * 81])
def test_no_name_and_too_long_a_name(library: Library, title: str) -> None:
    with pytest.raises(StudioError, match="name"):
        library.save(RECIPE, title)
    assert [one for one in library.presets() if one.own] == []


def test_a_folder_that_cannot_be_written(library: Library, shared_studio: Studio) -> None:
    folder = shared_studio.home.presets
    folder.rmdir()
    folder.write_text("a file in its place")
    try:
        with pytest.raises(StudioError, match="cannot be written"):
            library.save(RECIPE, "x")
    finally:
        folder.unlink()
        folder.mkdir()


def test_own_presets_can_be_removed_and_those_of_the_studio_not(library: Library) -> None:
    saved, _ = library.save(RECIPE, "sft")  # called as one of the studio's
    assert {one.key for one in library.presets() if one.name == "sft"} == {"sft", "own:sft"}
    with pytest.raises(StudioError, match="came with the studio"):
        library.remove("sft")
    assert library.remove("own:sft") == saved
    assert not saved.path.exists()
    with pytest.raises(StudioError, match="no preset"):
        library.remove("own:sft")


def test_strangers_on_a_space_keep_remove_and_see_nothing(
    library: Library, shared_studio: Studio, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run_of(shared_studio, catalog, RECIPE)
    library.save(RECIPE, "Mine")
    monkeypatch.setattr(Access, "refusal", lambda self: StudioError("Only the owner may.", ""))
    for forbidden in (lambda: library.save(RECIPE, "x"), lambda: library.remove("own:mine")):
        with pytest.raises(StudioError, match="Only the owner"):
            forbidden()
    assert library.problems() == []
    assert {key.partition(":")[0] for _, key in library.others()} == {"defaults", "preset"}
    assert "preset:own:mine" not in dict(library.others()).values()
    assert library.source("some-run-01").text == "some-run-01"
    with pytest.raises(StudioError, match="no file or folder"):
        library.source(str(folder))


def test_presets_broken_by_hand_are_said_and_harm_nobody(library: Library, shared_studio: Studio) -> None:
    folder = shared_studio.home.presets
    (folder / "binary.yaml").write_bytes(b"\xff\xfe\0\x01")
    (folder / "broken.yaml").write_text("# trl sft --config broken.yaml\nseed: [1,\n")
    (folder / "nobody.yaml").write_text("seed: 1\n")
    (folder / "long.yaml").write_text("# trl sft --config long.yaml\n" + "# x\n" * 100_000)
    (folder / "folder.yaml").mkdir()
    (folder / "good.yml").write_text("# trl kto --config good.yml\n# Title: Good\nseed: 1\n")
    said = {Path(found.where.name).name: found.message for found in library.problems()}
    assert set(said) == {"binary.yaml", "broken.yaml", "nobody.yaml", "long.yaml", "folder.yaml"}
    assert "which method" in said["nobody.yaml"]
    assert "no YAML" in said["broken.yaml"]
    assert "Good" in [one.title for one in library.presets() if one.own]
    assert problems_in(PRESETS) == []
    assert len(presets_in(PRESETS)) == 22


def run_of(studio: Studio, catalog: Catalog, recipe: Recipe, name: str = "some-run-01") -> Path:
    """A run's folder with a recipe as the studio writes it."""
    completed = complete(recipe, catalog, name, 0, lambda path: None)
    folder = studio.home.runs / name
    folder.mkdir()
    (folder / "recipe.yaml").write_text(write_yaml(completed.recipe, catalog, notes=completed.notes))
    return folder


def test_sources_pasted_as_a_path_or_a_runs_name(library: Library, shared_studio: Studio, catalog: Catalog) -> None:
    folder = run_of(shared_studio, catalog, RECIPE)
    for typed in (str(folder), f' "{folder}/" \n', "some-run-01"):
        source = library.source(typed)
        assert source.name == "The recipe of some-run-01"
        assert yaml.safe_load(source.text) == dict(RECIPE.values)
    file = library.source(str(PRESETS / "dpo.yaml"))
    assert (file.name, file.text) == ("dpo.yaml", (PRESETS / "dpo.yaml").read_text())
    for text in ("learning_rate: 0.1", "trl sft --packing", "trl-lib/Capybara", "presets", ""):
        assert library.source(text).text == text


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("/nowhere/at/all", "no file or folder"),
        ("missing.yaml", "no file or folder"),
        (str(PRESETS), r"holds no recipe\.yaml"),
        ("x" * (LONGEST + 1), "has 1.0 MB"),
        ("a\0b", "no text in UTF-8"),
    ],
)
def test_sources_that_lead_nowhere(library: Library, typed: str, message: str) -> None:
    with pytest.raises(StudioError, match=message):
        library.source(typed)


def test_files_that_are_no_text(library: Library, tmp_path: Path) -> None:
    picture, long = tmp_path / "picture.yaml", tmp_path / "long.txt"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    long.write_bytes(b"x" * 10_000_000)
    marked = tmp_path / "marked.yaml"
    marked.write_bytes(b"\xef\xbb\xbf# trl sft --config a.yaml\nseed: 1\n")
    with pytest.raises(StudioError, match=r"picture\.yaml is no text"):
        library.file(picture)
    with pytest.raises(StudioError, match=r"long\.txt has 10\.0 MB"):
        library.file(long)
    assert library.file(marked).text.startswith("# trl sft")


def test_comparing_with_defaults_presets_and_runs(library: Library, shared_studio: Studio, catalog: Catalog) -> None:
    run_of(shared_studio, catalog, RECIPE)
    keys = dict(library.others())
    assert next(iter(keys.values())) == "defaults"
    assert keys["Run: some-run-01"] == "run:some-run-01"
    assert keys["Preset: DPO: prefer the better of two answers"] == "preset:dpo"
    against_run = library.compare(RECIPE, "run:some-run-01")
    assert (against_run.title, against_run.rows) == ("some-run-01", ())
    against_defaults = library.compare(RECIPE, "defaults")
    assert [row.name for row in against_defaults.rows] == ["model_name_or_path", "beta", "use_peft", "load_in_4bit"]
    demo, _ = read_yaml((PRESETS / "demo-sft.yaml").read_text(), catalog)
    whole = demo.with_changes(catalog, {"dataset_name": str(PRESETS.parent / "assets/demo/sft")})
    assert library.compare(whole, "preset:demo-sft").rows == ()
    with pytest.raises(StudioError):
        library.compare(RECIPE, "run:../../etc")
    with pytest.raises(StudioError, match="no preset"):
        library.compare(RECIPE, "preset:gone")
