"""Datasets that are here already: prepared and uploaded ones, those in the local cache of the Hub, and the demos."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path

from studio.adapters import datafiles
from studio.adapters.archives import size_of
from studio.adapters.home import Home
from studio.adapters.hubcache import HubCache
from studio.domain.dataset_types import judge
from studio.domain.errors import StudioError
from studio.domain.methods import METHOD_NAMES
from studio.service.access import Access
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
        self._lock = threading.Lock()
        self._found: tuple[Offer, ...] = ()
        self._looked: float | None = None
        # What is told of a file or folder, by its place and the newest change in it.
        self._told: OrderedDict[tuple[Path, float], tuple[str, int]] = OrderedDict()

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
            if offer is not None:
                yield offer

    def _cached(self) -> Iterator[Offer]:
        for one in self._cache.datasets():
            yield Offer(one.name, "cached", one.name, "", one.size, one.used)

    def _demos(self) -> Iterator[Offer]:
        folder = self._paths().find(_DEMOS)
        for path in _entries(folder) if folder is not None else ():
            if (path / "train.jsonl").is_file():
                offer = self._offer(path, f"{_DEMOS}/{path.name}", "demo", f"Demo data: {path.name}")
                if offer is not None:
                    yield offer

    def _offer(self, path: Path, name: str, kind: str, title: str) -> Offer | None:
        """A file or folder of data as an offer; None where nothing can be read there."""
        changed = _changed(path)
        try:
            if (path, changed) not in self._told:
                self._told[path, changed] = _told(path)
                while len(self._told) > 4 * _MOST:
                    self._told.popitem(last=False)
        except (StudioError, OSError):
            return None
        detail, size = self._told[path, changed]
        used = None if kind == "demo" else changed
        return Offer(name, kind, title, detail, size, used)  # type: ignore[arg-type]


def _told(path: Path) -> tuple[str, int]:
    """What is said of a dataset in a line, and its bytes. Raises StudioError where it cannot be read."""
    source = datafiles.open_source(path)
    columns, rows = source.columns(), source.rows(n=_ROWS)
    verdicts = (judge(method, columns, rows) for method in METHOD_NAMES)
    kind = next((one.type for one in verdicts if one.verdict == "accept"), "")
    count = source.num_rows()
    size = sum(size_of(file) for files in source.files.values() for file in files)
    rows_text = "" if count is None else f"{count:,} row{'' if count == 1 else 's'}"
    return " · ".join(filter(None, (kind, rows_text))), size


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
