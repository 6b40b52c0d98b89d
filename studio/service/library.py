"""The library of recipes: what can be opened, started from, kept as a preset, and compared with."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from studio.domain.arguments import Catalog
from studio.domain.chosen import chosen
from studio.domain.differences import Difference, differences
from studio.domain.errors import StudioError
from studio.domain.findings import Finding
from studio.domain.methods import method_named
from studio.domain.recipe import Recipe
from studio.domain.recipe_yaml import method_in_comments, read_yaml, write_yaml
from studio.domain.reward_code import take_code, with_code
from studio.domain.secrets import without_secrets
from studio.domain.shell_text import looks_like_command
from studio.service.presets import (
    Preset,
    file_name,
    named,
    one_line,
    problems_in,
    read_preset,
    remove_preset,
    with_head,
    write_preset,
)
from studio.service.rewards import reward_files, reward_text, with_file_beside
from studio.service.studio import Studio

LONGEST = 1_000_000  # bytes of a text to be opened; the longest recipe has some ten thousand
RUN_ONLY = ("run_name", "output_dir")


@dataclass(frozen=True)
class Source:
    """A text to be opened: `name` says in a sentence where it comes from."""

    text: str
    name: str


@dataclass(frozen=True)
class Comparison:
    """The differences between the form's recipe (here) and another one (there), which is called `title`."""

    title: str
    method: str
    rows: tuple[Difference, ...]


class Library:
    """All that is done with recipes that lie somewhere. What one may not see or do raises StudioError."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    @property
    def _catalog(self) -> Catalog:
        return self._studio.arguments.get()

    # Opening -----------------------------------------------------------------------------------------------------

    def source(self, typed: str, name: str = "The pasted text") -> Source:
        """What was pasted; where that is a run's id, or the path of a run's folder or of a file, what lies there.

        Raises StudioError where it is too long, no text, or a path that leads to no recipe.
        """
        if len(typed) > LONGEST or "\0" in typed:
            raise _unfit(name, typed.encode())
        line = typed.strip().strip("'\"")
        if not line or "\n" in line or len(line) > 1000 or looks_like_command(line):
            return Source(typed, name)
        if line in self._studio.run_names():
            return self.run(line)
        found = self._studio.recipes.paths().find(line)
        if found is None or (found.is_dir() and not re.search(r"[/\\~.]", line)):
            if re.match(r"[~./\\]|[A-Za-z]:[\\/]", line) or re.fullmatch(r"\S+\.(ya?ml|sh|txt|md|json)", line):
                raise StudioError(f"There is no file or folder {line}.", "Check the path, or paste what the file says.")
            return Source(typed, name)
        if found.is_dir():
            return self._folder(found)
        source = self.file(found)
        return replace(source, text=with_file_beside(source.text, found.parent))

    def file(self, path: Path) -> Source:
        """The text of a file. Raises StudioError where it is none, too long, or cannot be read."""
        try:
            if path.stat().st_size > LONGEST:
                raise _unfit(path.name, b"", path.stat().st_size)
            data = path.read_bytes()
            if b"\0" in data:
                raise _unfit(path.name, data)
            return Source(data.decode("utf-8-sig"), path.name)
        except OSError as error:
            raise StudioError(f"{path} cannot be read: {error.strerror or error}.", "Choose another file.") from None
        except UnicodeDecodeError:
            raise _unfit(path.name, b"\0") from None

    def _folder(self, folder: Path) -> Source:
        recipe = folder / "recipe.yaml"
        if not recipe.is_file():
            hint = "A run's folder has a recipe.yaml, made when the run was started."
            raise StudioError(f"The folder {folder} holds no recipe.yaml.", hint)
        name = f"The recipe of {folder.name}"
        if method_in_comments(self.file(recipe).text) is None:
            return Source(with_file_beside(self.file(recipe).text, folder), name)
        mine = self._of_run(folder)
        return Source(with_code(write_yaml(mine, self._catalog), mine.reward_code), name)

    def run(self, run_id: str) -> Source:
        """A run's recipe without what was added for its machine, as a text. Raises StudioError."""
        return self._folder(self._studio.runs.folders.get(run_id).folder)

    def of_run(self, run_id: str) -> Recipe:
        """What the user chose for a run, without what was added for its machine. Raises StudioError."""
        return self._of_run(self._studio.runs.folders.get(run_id).folder)

    def as_it_ran(self, run_id: str) -> Recipe:
        """A run's recipe with what was added for its machine. Raises StudioError."""
        return self._as_it_ran(self._studio.runs.folders.get(run_id).folder)[0]

    def _of_run(self, folder: Path) -> Recipe:
        """A run's recipe without what was added for its machine."""
        recipe, text = self._as_it_ran(folder)
        return chosen(recipe, text, self._catalog)

    def _as_it_ran(self, folder: Path) -> tuple[Recipe, str]:
        """The recipe in a run's folder, with the files beside it that it reads, and the text of its YAML."""
        text = self.file(folder / "recipe.yaml").text
        recipe, _ = read_yaml(text, self._catalog, None, f"recipe.yaml of {folder.name}")
        recipe = replace(recipe, reward_code=take_code(with_file_beside(text, folder))[1])
        beside = folder / str(recipe.launch.get("accelerate_config") or "")
        if "accelerate_config" in recipe.launch and beside.is_file():
            recipe = replace(recipe, launch={**recipe.launch, "accelerate_config": str(beside)})
        return recipe, text

    # Presets -----------------------------------------------------------------------------------------------------

    def presets(self) -> list[Preset]:
        """All presets, the user's own first."""
        return sorted(self._studio.recipes.presets(), key=lambda preset: not preset.own)

    def problems(self) -> list[Finding]:
        """What is wrong with files in the user's folder of presets."""
        return [] if self._studio.access.refusal() else problems_in(self._studio.home.presets)

    def save(self, recipe: Recipe, title: str, overwrite: bool = False) -> tuple[Preset, tuple[str, ...]]:
        """Keeps the recipe, as for elsewhere, as a preset; the names of what no preset holds (secrets, flags).

        Raises StudioError where the name is taken, or it cannot be written.
        """
        self._studio.access.require()
        title = one_line(title)
        name = file_name(title)
        bare, left_out = without_secrets(recipe)
        bare = replace(bare.with_changes(self._catalog, {}, ("run_name",)), flags=())
        yaml_text = write_yaml(bare, self._catalog, f"{name}.yaml")
        code = reward_text(reward_files(bare, self._studio.recipes.paths()))
        text = with_head(with_code(yaml_text, code or ""), title, bare)
        path = write_preset(self._studio.home.presets, name, text, overwrite)
        saved = read_preset(path, own=True)
        if saved is None:
            raise StudioError(f"{path} was changed while it was written.", "Save it again.")
        return saved, (*left_out, *recipe.flags)

    def remove(self, key: str) -> Preset:
        """Removes an own preset. Raises StudioError where there is none of that key, or it is not the user's."""
        self._studio.access.require()
        preset = named(self._studio.recipes.presets(), key)
        remove_preset(preset)
        return preset

    # Comparing ---------------------------------------------------------------------------------------------------

    def others(self) -> list[tuple[str, str]]:
        """What a recipe can be compared with, as label and key: TRL's defaults, presets, runs (the newest first)."""
        found = [("TRL's defaults", "defaults")]
        found += [(f"Preset: {preset.title}", f"preset:{preset.key}") for preset in self.presets()]
        if not self._studio.access.refusal():
            found += [(f"Run: {run.id}", f"run:{run.id}") for run in self._studio.runs.folders.list()]
        return found

    def compare(self, recipe: Recipe, key: str) -> Comparison:
        """How the recipe differs from what `key` names. Raises StudioError where that is not there any more."""
        kind, _, name = key.partition(":")
        leave_out: tuple[str, ...] = ()
        if kind == "defaults":
            there, title = Recipe(recipe.method), f"TRL's defaults for {method_named(recipe.method).label}"
        elif kind == "preset":
            preset = named(self._studio.recipes.presets(), name)
            there, _ = self._studio.recipes.open(preset.text(), None, None, preset.path.name)
            title = preset.title
        else:
            there, title = self.of_run(name), name
            leave_out = RUN_ONLY
        rows = differences(recipe, there, self._catalog, leave_out, self.alike)
        return Comparison(title, there.method, tuple(rows))

    def alike(self, left: str, right: str) -> bool:
        """Whether two texts are paths of the same file."""
        paths = self._studio.recipes.paths()
        found = paths.find(left)
        return found is not None and found == paths.find(right)


def _unfit(name: str, data: bytes, size: int | None = None) -> StudioError:
    length = len(data) if size is None else size
    if length > LONGEST:
        return StudioError(
            f"{name} has {length / 1e6:.1f} MB.", "A recipe has some thousand characters: a YAML, or a command."
        )
    return StudioError(f"{name} is no text in UTF-8.", "Choose a YAML, a text with a command, or a model card.")
