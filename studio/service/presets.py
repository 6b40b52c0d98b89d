"""Presets: recipes in YAML files that `trl` takes as they are, shipped with the studio or saved by the user."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from studio.domain.errors import StudioError
from studio.domain.methods import METHOD_NAMES
from studio.domain.recipe_yaml import method_in_comments


@dataclass(frozen=True)
class Preset:
    """One preset: `name` is its file's, `title` and `remarks` come from its comments."""

    name: str
    method: str
    title: str
    remarks: str
    path: Path
    own: bool = False

    @property
    def is_demo(self) -> bool:
        return self.name.startswith("demo-")

    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")


def presets_in(folder: Path, own: bool = False) -> list[Preset]:
    """The presets of a folder, the demos first, in the methods' order. A file that names no method is left out."""
    found = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            preset = read_preset(path, own)
        except (OSError, UnicodeDecodeError):
            continue
        if preset:
            found.append(preset)
    return sorted(found, key=lambda preset: (not preset.is_demo, METHOD_NAMES.index(preset.method), preset.name))


def read_preset(path: Path, own: bool = False) -> Preset | None:
    """A preset file's head, or None where no launching comment names its method."""
    text = path.read_text(encoding="utf-8")
    method = method_in_comments(text)
    if method is None:
        return None
    head = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        head.append(line.lstrip("# ").rstrip())
    title = next((line.removeprefix("Title:").strip() for line in head if line.startswith("Title:")), path.stem)
    remarks = " ".join(line for line in head if line and not line.startswith(("Title:", "trl ")))
    return Preset(path.stem, method, title, remarks, path, own)


def named(presets: list[Preset], name: str) -> Preset:
    """The preset of that name. Raises StudioError where there is none."""
    for preset in presets:
        if preset.name == name:
            return preset
    raise StudioError(f"There is no preset '{name}'.", "Choose one of " + ", ".join(p.name for p in presets) + ".")


def safe_name(text: str) -> str:
    """A text as a name for files and runs: letters, digits, dots and dashes, at most 80 characters."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-._")[:80] or "run"
