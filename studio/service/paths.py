"""Paths in recipes: made absolute before a run, and named in words where they lead nowhere."""

from __future__ import annotations

import difflib
import glob
import re
from pathlib import Path
from urllib.request import url2pathname

_HUB_ADDRESS = re.compile(r"https?://(?:huggingface\.co|hf\.co)/(?:datasets/)?(?P<name>[\w.-]+/[\w.-]+)/?(?:tree/.*)?")
_FILE_ADDRESS = re.compile(r"file:(?://(?:localhost)?)?(?P<path>/[^/].*)", re.IGNORECASE)
_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "`": "`"}
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?", re.ASCII)


class Paths:
    """Resolves what a recipe names: relative to `base` first (where the user stands), then to what the studio ships.

    With `within` only what lies in one of those folders is found: nobody looks around in somebody else's machine.
    """

    def __init__(self, base: Path, shipped: Path, within: tuple[Path, ...] | None = None) -> None:
        self.base = base
        self.shipped = shipped
        self._within = None if within is None else tuple(folder.resolve() for folder in within)

    def allows(self, path: Path) -> bool:
        """Whether a path may be looked at."""
        if self._within is None:
            return True
        try:
            return any(path.resolve().is_relative_to(folder) for folder in self._within)
        except (OSError, RuntimeError, ValueError):
            return False

    def absolute(self, value: str) -> str | None:
        """The absolute path of something that exists, else None."""
        found = self.find(value)
        return str(found) if found else None

    def find(self, value: str) -> Path | None:
        """What `value` names on this machine: a file, a folder, or a glob that matches; None for a name on the Hub."""
        if not value or "\0" in value:
            return None
        try:
            path = Path(value).expanduser()
            for candidate in [path] if path.is_absolute() else [self.base / path, self.shipped / path]:
                if not self.allows(candidate):
                    continue
                if candidate.exists():
                    return candidate.absolute()
                if glob.has_magic(value) and next(glob.iglob(str(candidate)), None) is not None:
                    return candidate.absolute()
        except (OSError, RuntimeError, ValueError):
            return None
        return None

    def missing_model(self, value: str) -> str | None:
        """What is wrong with a model named by path, in words; None where it is fine or a name on the Hub."""
        found = self.find(value)
        if found is None:
            if HUB_NAME.fullmatch(value):
                return None
            if not looks_like_path(value):
                return f"'{value}' is no name on the Hub and nothing on this machine."
            return self._nothing_there(value)
        if found.is_file():
            return None if found.suffix in (".jinja", ".gguf") else f"{found} is a file; choose the model's folder."
        if not (found / "config.json").is_file() and not (found / "adapter_config.json").is_file():
            if (found / "tokenizer_config.json").is_file():
                return None
            return f"the folder {found} holds no model: there is no config.json in it."
        return None

    def _nothing_there(self, value: str) -> str:
        path = Path(value).expanduser()
        path = path if path.is_absolute() else self.base / path
        if not self.allows(path):
            return f"{value} would lie on this Space, whose files are its owner's."
        parent = next((folder for folder in path.parents if folder.is_dir()), None)
        if parent is None:
            return f"there is no folder {path}."
        wanted = path.relative_to(parent).parts[0]
        try:
            names = [entry.name for entry in parent.iterdir()]
        except OSError:
            names = []
        close = difflib.get_close_matches(wanted, names, n=2, cutoff=0.6)
        return f"there is no folder {path}." + (f" In {parent} there is {' and '.join(close)}." if close else "")


def looks_like_path(value: str) -> bool:
    """Whether a text can only be a path: a name on the Hub is `name` or `owner/name`."""
    return value.startswith(("/", "./", "../", "~", ".\\", "..\\")) or value.count("/") > 1 or "\\" in value


def hub_name(text: str) -> str:
    """What was typed for a place, as `unquoted`; the address of a repository on the Hub becomes its name."""
    return repository(unquoted(text))


def repository(text: str) -> str:
    """A text without blanks around it; the address of a repository on the Hub becomes its name."""
    match = _HUB_ADDRESS.fullmatch(text.strip())
    return match.group("name") if match else text.strip()


def unquoted(text: str) -> str:
    """A path as file managers and shells copy it, in quotes or as an address, as it is; anything else stays."""
    told = text.strip()
    if len(told) > 2 and told[0] in _QUOTES and told.endswith(_QUOTES[told[0]]):
        told = told[1:-1].strip()
    address = _FILE_ADDRESS.fullmatch(told)
    return url2pathname(address.group("path")) if address else told
