"""Copies of the Hub's datasets on this machine: what is looked at, and maybe loaded, where the Hub does not answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from studio.adapters import datafiles
from studio.adapters.datafiles import DataSource
from studio.adapters.datasetcache import DatasetCache, PreparedCopy
from studio.adapters.hub import Unknown
from studio.adapters.hubcache import HubCache
from studio.adapters.hubsearch import is_offline
from studio.domain.errors import StudioError
from studio.domain.findings import Finding, Fix, Where
from studio.domain.mixture import entries_of
from studio.service.paths import Paths


@dataclass(frozen=True)
class Copy:
    """A copy: `prepared` says that the datasets library has made it, and loads it by the dataset's name."""

    source: DataSource
    folder: Path
    prepared: bool


def copy_of(name: str, config: str | None = None, paths: Paths | None = None) -> Copy | None:
    """The copy of a dataset that is here, as far as `paths` lets one look; None where there is none.

    Raises StudioError where its files cannot be read, or hold no such configuration.
    """
    made = DatasetCache()
    prepared = made.find(name, config)
    if prepared is None and config and (other := made.find(name)) is not None and _seen(other.folder, paths):
        raise StudioError(f"The cache has no configuration '{config}' of {name}.", f"It has {_names(other)}.")
    if prepared is not None and _seen(prepared.folder, paths):
        return Copy(source_of(prepared), prepared.folder, True)
    folder = HubCache().dataset(name)
    if folder is None or not _seen(folder, paths):
        return None
    return Copy(replace(datafiles.open_source(folder, config), path=Path(name), kind="copy"), folder, False)


def source_of(copy: PreparedCopy) -> DataSource:
    """The files of a prepared copy. Raises StudioError where they are gone."""
    if not copy.files:
        raise StudioError(f"There are no arrow files in {copy.folder}.", "Delete that folder and load it again.")
    return DataSource(Path(copy.name), "copy", "arrow", dict(copy.files), copy.configs, copy.config, copy.usual)


def reopened(name: str, config: str) -> DataSource:
    """The files of a copy that was looked at before. Raises StudioError where they are gone."""
    found = copy_of(name, config or None)
    if found is None:
        raise StudioError(f"The copy of {name} is not there any more.", "Look at the data again.")
    return found.source


def instead(why: Unknown, name: str, config: str | None, paths: Paths) -> tuple[DataSource, Finding] | None:
    """The copy of a dataset of which the Hub tells nothing, and a word of it; None where there is none.

    Raises StudioError where the copy is no good.
    """
    status = why.status or 0
    barred = why.reason in ("gated", "refused") or status in (401, 403, 404)
    if not barred and why.reason not in ("offline", "timeout", "trouble") and status != 429 and status < 500:
        return None  # the Hub has told what is wrong with it
    copy = copy_of(name, config, paths)
    if copy is None:
        return None
    reason = "the Hub is not asked (HF_HUB_OFFLINE)" if is_offline() else "the Hub gave no answer"
    said = why.message if barred else f"This is the cached copy: {reason}."
    return copy.source, _told_of(copy, said, stops=barred or is_offline())


def _told_of(copy: Copy, said: str, stops: bool) -> Finding:
    """That a copy is looked at, and whether a training would load it."""
    place = Where("argument", "dataset_name")
    if copy.prepared:
        said = said if said.startswith("This") else f"{said} This is the cached copy."
        return Finding(
            "warning", place, said, "A training that gets no answer from the Hub either loads the same copy."
        )
    fix = Fix("Train from the cached copy", {"dataset_name": str(copy.folder)})
    when = "TRL would stop" if stops else "If there is none when training starts either, TRL stops"
    why = f"{when}: by the name alone its loader takes no files from there. Name their folder, {copy.folder}."
    return Finding("error" if stops else "warning", place, said, why, fix)


def of_entry(told: Finding | None, entry: Mapping[str, Any], values: Mapping[str, Any]) -> Finding | None:
    """The same of a dataset that is an entry of a mixture."""
    if told is None or told.fix is None:
        return told
    named = {**entry, "path": told.fix.set["dataset_name"]}
    changed = [named if one == entry else one for one in entries_of(values)]
    return replace(told, where=Where("argument", "datasets"), fix=Fix(told.fix.label, {"datasets": changed}))


def _seen(folder: Path, paths: Paths | None) -> bool:
    return paths is None or paths.allows(folder)


def _names(copy: PreparedCopy) -> str:
    return ", ".join(copy.configs)
