"""Files that are sent to the studio: taken whole or refused in words, and kept beside what has the same name."""

from __future__ import annotations

import filecmp
import os
import re
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

from studio.adapters.home import Home
from studio.domain.errors import StudioError
from studio.service.access import Access

SETTING = "TRL_STUDIO_UPLOAD_GB"
_USUAL_GB = 5.0
# What patterns of files are made of: the datasets library takes names for patterns.
_PATTERN_SIGNS = re.compile(r"[*?\[\]{}!\x00-\x1f\x7f/\\:]")
_LONGEST = 120  # characters of a name


def upload_limit(env: Mapping[str, str] = os.environ) -> int:
    """The bytes that one file may have, by the setting. Raises StudioError where it is no number."""
    said = env.get(SETTING, "").strip()
    try:
        size = float(said or _USUAL_GB)
    except ValueError:
        size = -1.0
    if not 0 < size < 1e6:
        raise StudioError(f"{SETTING} is '{said}', and it has to be a number of gigabytes.", "For example 5, or 0.5.")
    return round(size * 1e9)


def take(sent: Path, home: Home, access: Access, limit: int | None = None) -> Path:
    """Where a file that was sent lies from now on: it is moved. Raises StudioError where it is not taken, and stays.

    On a Space the files of others than its owner stay where they were put; only they know the names.
    """
    most = upload_limit() if limit is None else limit
    try:
        size = sent.stat().st_size
        if size == 0:
            raise StudioError(f"{sent.name} is empty.", "Choose a file with data in it.")
        if size > most:
            hint = f"Put it in a folder on this machine and type its path, or set {SETTING} higher."
            raise StudioError(f"{sent.name} has {_gb(size)} GB, and at most {_gb(most)} GB are taken.", hint)
        if access.refusal() is not None:
            return sent
        folder = home.datasets / "uploads"
        folder.mkdir(parents=True, exist_ok=True)
        if sent.stat().st_dev != folder.stat().st_dev and shutil.disk_usage(folder).free < size:
            raise StudioError(f"There is no room for {sent.name} in {folder}.", "Make room in the home folder.")
        return _kept(sent, folder, safe_file_name(sent.name))
    except OSError as error:
        said = error.strerror or str(error)
        raise StudioError(f"{sent.name} could not be kept: {said}.", "Make room in the home folder.") from error


def safe_file_name(name: str) -> str:
    """A file's name without the signs that would make a pattern or a path of it; its endings stay."""
    plain = _PATTERN_SIGNS.sub("_", name.replace("\\", "/").rsplit("/", 1)[-1]).strip().lstrip(".")
    stem, dot, endings = plain.partition(".")
    return f"{(stem or 'data')[:_LONGEST]}{dot}{endings[-40:]}"


def _kept(sent: Path, folder: Path, name: str) -> Path:
    """The file under its name, or with a number in it where another one has that name already."""
    stem, dot, endings = name.partition(".")
    part = folder / f".{uuid.uuid4().hex}.part"
    try:
        # A second copy of some gigabytes would stay where it was sent to until the machine starts anew.
        shutil.move(sent, part)
        for number in range(1, 10_000):
            target = folder / (name if number == 1 else f"{stem}-{number}{dot}{endings}")
            if target.is_file() and filecmp.cmp(part, target, shallow=False):
                return target
            try:
                os.link(part, target)  # unlike a rename, it never takes the place of another file
                return target
            except FileExistsError:
                continue
            except OSError:  # a file system without links
                if not target.exists():
                    os.rename(part, target)
                    return target
    finally:
        part.unlink(missing_ok=True)
    raise StudioError(f"There are too many files called {name} in {folder}.", "Give it another name.")


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f}" if size >= 1e8 else f"{size / 1e9:.3g}"
