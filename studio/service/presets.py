"""Presets: recipes in YAML files that `trl` takes as they are, shipped with the studio or saved by the user."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from studio.adapters.runs import write_whole
from studio.domain.errors import StudioError
from studio.domain.findings import Finding, Where
from studio.domain.methods import METHOD_NAMES
from studio.domain.recipe import Recipe
from studio.domain.recipe_yaml import method_in_comments, read_mapping

PURPOSES = ("Try it out", "Full fine-tuning", "LoRA", "QLoRA", "Several GPUs")
_LABELS = ("Title", "Size", "Purpose", "Hardware")
_SIZE = re.compile(r"(?<![A-Za-z0-9.])(\d+(?:\.\d+)?)\s?([bm])(?![A-Za-z0-9])", re.IGNORECASE)
_LONGEST = 256 * 1024  # bytes of a preset; a recipe has a few thousand
_LONGEST_TITLE = 80


@dataclass(frozen=True)
class Preset:
    """One preset: `name` is its file's; the rest comes from the comments at its head.

    `size` is the model's number of weights ("0.5B"), `purpose` one of PURPOSES, `hardware` what it is meant for; an
    own preset may lack any of them.
    """

    name: str
    method: str
    title: str
    remarks: str
    path: Path
    own: bool = False
    size: str = ""
    purpose: str = ""
    hardware: str = ""

    @property
    def is_demo(self) -> bool:
        return self.name.startswith("demo-") and not self.own

    @property
    def key(self) -> str:
        """Tells it from every other one: an own file may be called as one of the studio's is."""
        return f"own:{self.name}" if self.own else self.name

    def text(self) -> str:
        """Its YAML. Raises StudioError where it cannot be read."""
        try:
            return self.path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise StudioError(f"The preset {self.path} cannot be read: {error}.", "Was it moved or changed?") from None


def presets_in(folder: Path, own: bool = False) -> list[Preset]:
    """The presets of a folder, the demos first, in the methods' order. What is none is left out: see `problems_in`."""
    found = []
    for path in _files(folder):
        try:
            preset = read_preset(path, own)
        except (OSError, UnicodeDecodeError):
            continue
        if preset:
            found.append(preset)
    return sorted(found, key=lambda preset: (not preset.is_demo, METHOD_NAMES.index(preset.method), preset.name))


def problems_in(folder: Path) -> list[Finding]:
    """What is wrong with files of a folder of presets: unreadable, broken, or without a method."""
    found = []
    for path in _files(folder):
        where = Where("file", str(path))
        try:
            if path.stat().st_size > _LONGEST:
                found.append(Finding("warning", where, f"{path.name} is too long for a preset.", "It is left out."))
                continue
            preset = read_preset(path, own=True)
            read_mapping(path.read_text(encoding="utf-8"), path.name)
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
            found.append(Finding("warning", where, f"{path.name} cannot be read: {why}.", f"It lies in {folder}."))
        except StudioError as error:
            found.append(Finding("warning", where, error.message, f"{error.hint} It lies in {folder}."))
        else:
            if preset is None:
                why = f"Begin it with a line such as `# trl sft --config {path.name}`. It lies in {folder}."
                found.append(Finding("warning", where, f"{path.name} does not say which method it is for.", why))
    return found


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.y*ml") if not path.name.startswith("."))


def read_preset(path: Path, own: bool = False) -> Preset | None:
    """A preset file's head, or None where no launching comment names its method. Raises OSError, UnicodeDecodeError."""
    with path.open(encoding="utf-8") as file:
        text = file.read(_LONGEST)
    method = method_in_comments(text)
    if method is None:
        return None
    head = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        head.append(line.lstrip("# ").rstrip())
    said = {label: line.removeprefix(f"{label}:").strip() for line in head for label in _LABELS if _says(line, label)}
    kept = [line for line in head if line and not line.startswith("trl ") and not any(_says(line, x) for x in _LABELS)]
    title = said.pop("Title", "") or path.stem
    more = {label.lower(): text for label, text in said.items()}
    return Preset(path.stem, method, title, " ".join(kept), path, own, **more)


def _says(line: str, label: str) -> bool:
    return line.startswith(f"{label}:")


def named(presets: Iterable[Preset], name: str) -> Preset:
    """The preset of that key or name. Raises StudioError where there is none."""
    known = list(presets)
    for preset in [*(one for one in known if one.key == name), *(one for one in known if one.name == name)]:
        return preset
    raise StudioError(f"There is no preset '{name}'.", "Choose one of " + ", ".join(p.name for p in known) + ".")


def safe_name(text: str) -> str:
    """A text as a name for files and runs: letters, digits, dots and dashes, at most 80 characters."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-._")[:80] or "run"


def size_of(recipe: Recipe) -> str:
    """The number of weights that the model's name tells, as "0.5B"; `` where it tells none."""
    found = _SIZE.findall(str(recipe.get("model_name_or_path") or "").rsplit("/", 1)[-1].replace("_", "-"))
    return f"{found[0][0]}{found[0][1].upper()}" if found else ""


def purpose_of(recipe: Recipe) -> str:
    """What sort of training a recipe is, as one of PURPOSES."""
    processes = recipe.launch.get("num_processes")
    if isinstance(processes, int) and processes > 1:
        return "Several GPUs"
    if recipe.get("use_peft") is True:
        return "QLoRA" if recipe.get("load_in_4bit") is True or recipe.get("load_in_8bit") is True else "LoRA"
    return "Full fine-tuning"


def one_line(text: str) -> str:
    """A title as a YAML comment can hold it: one line of characters that show. Raises StudioError for none or many."""
    title = "".join(char for char in " ".join(text.split()) if char.isprintable())
    if not title:
        raise StudioError("A preset needs a name.", "Type what it is for, as `Support answers, 7B QLoRA`.")
    if len(title) > _LONGEST_TITLE:
        raise StudioError(f"The name has {len(title)} characters.", f"Use {_LONGEST_TITLE} at most.")
    return title


def file_name(title: str) -> str:
    """The file's name for a title, without its ending."""
    stem = safe_name(title).lower()
    return "preset" if stem == "run" and title.lower() != "run" else stem


def with_head(yaml_text: str, title: str, recipe: Recipe) -> str:
    """A recipe's YAML with a preset's title, size and purpose behind its first line."""
    first, _, rest = yaml_text.partition("\n")
    facts = [("Title", title), ("Size", size_of(recipe)), ("Purpose", purpose_of(recipe))]
    return "\n".join([first, *(f"# {label}: {text}" for label, text in facts if text), rest])


def write_preset(folder: Path, name: str, text: str, overwrite: bool = False) -> Path:
    """Writes `<folder>/<name>.yaml` whole. Raises StudioError where one is there already, or it cannot be written."""
    path = folder / f"{name}.yaml"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # On some file systems A.yaml and a.yaml are one file.
        if not overwrite and any(other.name.lower() == path.name.lower() for other in folder.iterdir()):
            raise StudioError(f"You have a preset in {path.name} already.", "Choose another name, or replace that one.")
        write_whole(path, text.encode())
    except OSError as error:
        raise StudioError(
            f"{path} cannot be written: {error.strerror or error}.", "Make room there, or let the studio write to it."
        ) from None
    return path


def remove_preset(preset: Preset) -> None:
    """Removes an own preset's file. Raises StudioError for one of the studio's, or where it cannot be removed."""
    if not preset.own:
        raise StudioError(f"'{preset.title}' came with the studio and stays.", "Only your own can be removed.")
    try:
        preset.path.unlink(missing_ok=True)
    except OSError as error:
        raise StudioError(f"{preset.path} cannot be removed: {error.strerror}.", "Is the folder read-only?") from None
