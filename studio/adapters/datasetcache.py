"""The datasets library's own cache: what it has prepared of datasets on the Hub, and loads where the Hub is silent."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FROM_HUB = re.compile(r"hf://datasets/([\w.-]+/[\w.-]+|[\w.-]+)@")


@dataclass(frozen=True)
class PreparedCopy:
    """One configuration of a dataset as it was prepared: the arrow files and the rows of each split.

    `configs` are all that are there of the dataset. `usual` is the one that is loaded where none is named, "" where the
    library asks for one. `size` is in bytes, `used` in seconds of epoch.
    """

    name: str
    config: str
    folder: Path
    files: Mapping[str, tuple[Path, ...]]
    rows: Mapping[str, int]
    size: int
    used: float
    configs: tuple[str, ...]
    usual: str


class DatasetCache:
    """The cache in `folder`; without one, where the datasets library keeps it for this user."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    @property
    def folder(self) -> Path:
        from huggingface_hub import constants

        told = os.environ.get("HF_DATASETS_CACHE") or Path(constants.HF_HOME) / "datasets"
        return self._folder or Path(told).expanduser()

    def copies(self) -> list[PreparedCopy]:
        """The copies that are loaded by name: of each dataset the configuration that was prepared last."""
        found: list[PreparedCopy] = []
        for place in _folders(self.folder):
            told = _prepared(place)
            name = next(filter(None, (_name(place, info) for _, info in told)), None)
            copy = self._copy(name, None, told) if name is not None else None
            found += [copy] if copy is not None else []
        return sorted(found, key=lambda one: -one.used)

    def find(self, name: str, config: str | None = None) -> PreparedCopy | None:
        """The copy that the library loads by a name, of a configuration or without one; the newest of several."""
        owner, _, own = name.rpartition("/")
        place = self.folder / "___".join(filter(None, (owner, _snake_case(own))))
        return self._copy(name, config, _prepared(place))

    def _copy(self, name: str, config: str | None, told: list[tuple[Path, dict[str, Any]]]) -> PreparedCopy | None:
        # As the library's own `_find_hash_in_cache` chooses.
        newest = max((one for one in told if config in (None, one[0].parts[-3])), key=_changed, default=None)
        if newest is None:
            return None
        folder, info = newest
        latest = max(told, key=_changed)[0]
        beside = {one.parts[-3] for one, _ in told if one.parts[-2:] == latest.parts[-2:]}
        usual = latest.parts[-3] if len(beside) == 1 else ""
        splits = info["splits"]
        files = {split: _files(folder, split) for split in splits}
        return PreparedCopy(
            name, folder.parts[-3], folder, {split: found for split, found in files.items() if found},
            {split: int(one.get("num_examples") or 0) for split, one in splits.items()},
            sum(_size(file) for found in files.values() for file in found), _changed(newest),
            tuple(sorted({one.parts[-3] for one, _ in told})), usual,
        )  # fmt: skip


def _prepared(place: Path) -> list[tuple[Path, dict[str, Any]]]:
    """The folders of a dataset in which all is prepared that its configuration has, and what they say of it."""
    found = []
    for folder in (three for one in _folders(place) for two in _folders(one) for three in _folders(two)):
        try:
            info = json.loads((folder / "dataset_info.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        splits = info.get("splits") if isinstance(info, dict) else None
        # A configuration's folder has more than its name where only some files were asked for.
        if isinstance(splits, dict) and splits and info.get("config_name") == folder.parts[-3]:
            found.append((folder, info))
    return found


def _name(place: Path, info: dict[str, Any]) -> str | None:
    """The name on the Hub that was asked for; None for files of this machine, of which the library keeps copies too."""
    sources = info.get("download_checksums")
    told = next(filter(None, map(_FROM_HUB.match, sources if isinstance(sources, dict) else ())), None)
    owner, parted, own = place.name.partition("___")
    if told is not None and _snake_case(told[1].rpartition("/")[2]) == (own or owner):
        return told[1]
    return f"{owner}/{own}" if parted else None


def _files(folder: Path, split: str) -> tuple[Path, ...]:
    shard = re.compile(rf".+-{re.escape(split)}(-\d{{5}}-of-\d{{5}})?\.arrow")
    try:
        return tuple(sorted(file for file in folder.iterdir() if shard.fullmatch(file.name)))
    except OSError:
        return ()


def _snake_case(name: str) -> str:
    """The name as the library writes it in its cache."""
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    return re.sub(r"([a-z\d])([A-Z])", r"\1_\2", name).lower()


def _folders(place: Path) -> Iterator[Path]:
    try:
        yield from sorted(entry for entry in place.iterdir() if entry.is_dir())
    except OSError:
        return


def _changed(one: tuple[Path, Any]) -> float:
    try:
        return one[0].stat().st_mtime
    except OSError:
        return 0.0


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
