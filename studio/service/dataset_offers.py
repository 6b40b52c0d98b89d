"""Datasets that are here already: prepared and uploaded ones, those in local caches of the Hub, and the demos."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from studio.adapters import datafiles
from studio.adapters.archives import size_of
from studio.adapters.datafiles import DataSource
from studio.adapters.datasetcache import DatasetCache, PreparedCopy
from studio.adapters.home import Home
from studio.adapters.hubcache import HubCache
from studio.domain.columns import without_text
from studio.domain.dataset_types import judge
from studio.domain.errors import StudioError
from studio.domain.methods import METHOD_NAMES
from studio.service.access import Access
from studio.service.cached_copies import source_of
from studio.service.model_offers import Offer
from studio.service.paths import Paths

_LOOKED = 15.0  # seconds for which what is here is taken to be the same
_MOST = 100  # prepared and uploaded ones, the newest first, that are offered
_ROWS = 20  # first rows that tell a dataset's type
_DEMOS = "assets/demo"


class DatasetOffers:
    """Finds the datasets that are here, for whoever asks."""

    def __init__(self, paths: Callable[[], Paths], home: Home, cache: HubCache, access: Access) -> None:
        self._paths, self._home, self._cache, self._access = paths, home, cache, access
        self._made = DatasetCache()
        self._lock = threading.Lock()
        self._found: tuple[Offer, ...] = ()
        self._looked: float | None = None
        # What is told of a file or folder, by its place and the newest change in it.
        self._told: OrderedDict[tuple[Path, float], Told] = OrderedDict()

    def known(self) -> tuple[Offer, ...]:
        """What was found when it was looked for last: the demos, and of those who may see it what is in the home."""
        return tuple(one for one in self._found if one.kind == "demo" or not self._access.refusal())

    def look_around(self) -> bool:
        """Looks for datasets, unless that was just done; whether there are others than before."""
        with self._lock:
            now = time.monotonic()
            if self._looked is not None and now - self._looked < _LOOKED:
                return False
            self._looked = now
            found = (*self._own(), *self._cached(), *self._demos())
            news, self._found = found != self._found, found
            return news

    def _own(self) -> Iterator[Offer]:
        uploads = self._home.datasets / "uploads"
        own = [(path, "prepared") for path in _entries(self._home.datasets) if path != uploads]
        own += [(path, "upload") for path in _entries(uploads)]
        for path, kind in sorted(own, key=lambda one: -_changed(one[0]))[:_MOST]:
            offer = self._offer(path, str(path), "prepared" if kind == "prepared" else "upload", path.name)
            if not offer.unfit:
                yield offer

    def _cached(self) -> Iterator[Offer]:
        """What the datasets library has prepared, by its name, and the folders of other files in the Hub's cache."""
        others, named = [], {}
        for one in self._cache.datasets()[:_MOST]:
            copy = self._made.find(one.name)
            if copy is None:
                others.append(one)
            else:
                named[copy.folder] = one.name  # the library writes names in small letters
        for copy in self._made.copies()[:_MOST]:
            yield self._copy(copy, named.get(copy.folder, copy.name))
        for one in others:
            offer = self._offer(one.folder, str(one.folder), "cached", one.name, one.used)
            yield replace(offer, size=one.size)

    def _copy(self, copy: PreparedCopy, name: str) -> Offer:
        told = self._tell(copy.folder, lambda: told_of(source_of(copy), sum(copy.rows.values())))
        return Offer(name, "cached", name, told.detail, copy.size, copy.used, unfit=told.unfit)

    def _demos(self) -> Iterator[Offer]:
        folder = self._paths().find(_DEMOS)
        for path in _entries(folder) if folder is not None else ():
            if (path / "train.jsonl").is_file():
                yield self._offer(path, f"{_DEMOS}/{path.name}", "demo", f"Demo data: {path.name}")

    def _offer(self, path: Path, name: str, kind: str, title: str, used: float | None = None) -> Offer:
        """A file or folder of data as an offer."""
        told = self._tell(path, lambda: told_of(datafiles.open_source(path)))
        used = None if kind == "demo" else used or _changed(path)
        return Offer(name, kind, title, told.detail, told.size, used, unfit=told.unfit)  # type: ignore[arg-type]

    def _tell(self, path: Path, read: Callable[[], Told]) -> Told:
        """What is told of a place, read again only where something in it has changed."""
        key = path, _changed(path)
        if key not in self._told:
            try:
                self._told[key] = read()
            except StudioError as error:
                self._told[key] = Told("", 0, error.message)
            except OSError:
                self._told[key] = Told("", 0, f"{path} cannot be read.")
            while len(self._told) > 4 * _MOST:
                self._told.popitem(last=False)
        return self._told[key]


@dataclass(frozen=True)
class Told:
    """What is said of a dataset in a line, its bytes, and why it does not suit, `` where nothing is against it."""

    detail: str
    size: int
    unfit: str = ""


def told_of(source: DataSource, count: int | None = None) -> Told:
    """What is told of data by their columns and first rows. Raises StudioError where they cannot be read."""
    columns, rows = source.columns(), source.rows(n=_ROWS)
    verdicts = (judge(method, columns, rows) for method in METHOD_NAMES)
    kind = next((one.type for one in verdicts if one.verdict == "accept"), "")
    count = source.num_rows() if count is None else count
    size = sum(size_of(file) for files in source.files.values() for file in files)
    rows_text = "" if count is None else f"{count:,} row{'' if count == 1 else 's'}"
    subsets = f"{len(source.configs)} subsets" if len(source.configs) > 1 else ""
    splits = ", ".join(source.splits[:4]) if len(source.splits) > 1 else ""
    unfit = "" if kind else without_text(columns)
    return Told(" · ".join(filter(None, (kind, rows_text, subsets, splits))), size, unfit)


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith((".", "_")))
    except OSError:
        return []


def _changed(path: Path) -> float:
    try:
        inside = [entry.stat().st_mtime for entry in path.iterdir()] if path.is_dir() else []
        return max([path.stat().st_mtime, *inside])
    except OSError:
        return 0.0
