"""Every row of local data checked: in the background for the page, at once for the command line, each file once."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from studio.adapters import datafiles
from studio.domain.cell_structure import LOOKED_INTO
from studio.domain.errors import StudioError
from studio.domain.findings import Finding, Where
from studio.domain.seen_rows import AllRows
from studio.service.data import Inspection, rejudged

Key = tuple[Any, ...]
_KEPT = 64  # results of files, each of some kilobytes


@dataclass(frozen=True)
class Progress:
    """How far a check has come: rows, and the share of the files from 0 to 1."""

    rows: int = 0
    share: float = 0.0


@dataclass(frozen=True)
class _Job:
    """What is to be checked; `key` changes with the files."""

    key: Key
    form: str
    files: tuple[Path, ...]
    source: datafiles.DataSource
    split: str


class WholeData:
    """Checks of whole splits, remembered for as long as the files stay as they are."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turn = threading.Lock()  # one at a time: each uses what cores there are
        self._done: OrderedDict[Key, AllRows] = OrderedDict()
        self._running: dict[Key, Progress] = {}

    def begin(self, looked: Inspection, values: Mapping[str, Any]) -> bool:
        """Starts checking all rows of local data in the background; whether there is an answer to come."""
        job = _job(looked, values)
        if job is None:
            return False
        with self._lock:
            if job.key in self._done:
                return looked.seen is not self._done[job.key]
            if job.key not in self._running:
                self._running[job.key] = Progress()
                threading.Thread(target=self._run, args=(job,), name="check-all-rows", daemon=True).start()
        return True

    def progress(self, looked: Inspection, values: Mapping[str, Any]) -> Progress | None:
        """How far a check in the background has come; None where none is running."""
        job = _job(looked, values)
        with self._lock:
            return self._running.get(job.key) if job else None

    def taken(self, looked: Inspection, values: Mapping[str, Any]) -> Inspection:
        """The inspection with the verdict on all rows, where that is known by now; the same one where it is not."""
        job = _job(looked, values)
        with self._lock:
            seen = self._done.get(job.key) if job else None
        return looked if seen is None or looked.seen is seen else with_all(looked, seen, values)

    def checked(
        self, looked: Inspection, values: Mapping[str, Any], heard: Callable[[int, float], None] | None = None
    ) -> Inspection:
        """The inspection with the verdict on all rows; where the data is not local, as it was."""
        job = _job(looked, values)
        if job is None:
            return looked
        with self._turn:
            with self._lock:
                seen = self._done.get(job.key)
            if seen is None:
                seen = _check(job, heard or (lambda rows, share: None))
                self._keep(job.key, seen)
        return with_all(looked, seen, values)

    def _run(self, job: _Job) -> None:
        def heard(rows: int, share: float) -> None:
            with self._lock:
                self._running[job.key] = Progress(rows, share)

        try:
            with self._turn:
                seen = _check(job, heard)
        except Exception as error:  # noqa: BLE001 - whatever it was, the page must not wait for ever
            seen = _failed(job, error)
        self._keep(job.key, seen)

    def _keep(self, key: Key, seen: AllRows) -> None:
        with self._lock:
            self._done[key] = seen
            self._done.move_to_end(key)
            while len(self._done) > _KEPT:
                self._done.popitem(last=False)
            self._running.pop(key, None)


def with_all(looked: Inspection, seen: AllRows, values: Mapping[str, Any]) -> Inspection:
    """The inspection, judged anew by all rows."""
    stopped = any(found.level == "error" for found in seen.findings)
    count = looked.num_rows if stopped else seen.total
    return rejudged(replace(looked, seen=seen, num_rows=count), looked.method, values)


def _job(looked: Inspection, values: Mapping[str, Any]) -> _Job | None:
    """What there is to check; None for data that is not local, or that could not even be opened."""
    if looked.source != "local" or not looked.columns:
        return None
    try:
        source = datafiles.open_source(looked.name, looked.config or None)
        split = looked.read_split if looked.read_split in source.splits else source.splits[0]
        files = tuple(Path(file) for file in looked.files) or source.files[split]
        stamps = tuple((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files)
    except (StudioError, OSError):
        return None
    field = values.get("dataset_text_field")
    wanted = (*LOOKED_INTO, *([field] if isinstance(field, str) and field not in LOOKED_INTO else []))
    names = {column.name for column in looked.columns}
    key = (source.format, stamps, tuple(name for name in wanted if name in names))
    return _Job(key, source.format, files, source, split)


def _check(job: _Job, heard: Callable[[int, float], None]) -> AllRows:
    from studio.adapters.wholecheck import check_all  # here, since Arrow takes a while to import

    begun = time.perf_counter()
    seen = check_all(job.form, job.files, job.source.columns(job.split), job.key[-1], heard)
    seen.seconds = time.perf_counter() - begun
    return seen


def _failed(job: _Job, error: Exception) -> AllRows:
    if isinstance(error, StudioError):
        wrong = Finding("error", Where("file", str(job.files[0])), error.message, error.hint)
    else:
        what = f"Not all rows of {job.files[0]} could be checked."
        wrong = Finding("warning", Where("file", str(job.files[0])), what, f"{type(error).__name__}: {error}")
    return AllRows((), 0, (wrong,))
