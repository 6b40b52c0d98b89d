"""The last values of ended runs' metrics, kept in one file: a long list of runs must not read each run's points."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import threading
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

Values = dict[str, float | None]


class LastValues:
    """What `read` finds at the end of exported metrics, once for each state of such a file.

    The file of it is a cache: where it is lost or cannot be written, the exports are read again.
    """

    def __init__(self, path: Path, read: Callable[[Path], Values | None]) -> None:
        self._path, self._read = path, read
        self._known: dict[str, Any] | None = None
        self._fresh = False
        self._lock = threading.Lock()

    def of(self, run_id: str, export: Path) -> Values | None:
        """Each metric's last value in a run's `export`; None where there is no such file."""
        try:
            found = export.stat()
        except OSError:
            return None
        stamp = [found.st_mtime_ns, found.st_size]
        with self._lock:
            self._known = self._loaded() if self._known is None else self._known
            kept = self._known.get(run_id)
        if isinstance(kept, list) and len(kept) == 3 and kept[:2] == stamp and isinstance(kept[2], dict):
            return dict(kept[2])
        values = self._read(export)
        if values is not None:
            with self._lock:
                self._known[run_id] = [*stamp, values]
                self._fresh = True
        return values

    def keep(self, run_ids: Collection[str]) -> None:
        """Writes what is new; of runs that are not among `run_ids` nothing is kept."""
        with self._lock:
            if not self._fresh or self._known is None:
                return
            self._known = {name: kept for name, kept in self._known.items() if name in run_ids}
            self._fresh = False
            data = json.dumps(self._known, separators=(",", ":"))
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(data)
                os.replace(name, self._path)
            except OSError:
                os.unlink(name)

    def _loaded(self) -> dict[str, Any]:
        try:
            found = json.loads(self._path.read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}
