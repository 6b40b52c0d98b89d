"""Every row of data checked and counted: in the background for the page, at once for the command line, a file once."""

from __future__ import annotations

import contextvars
import hashlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from studio.adapters import datafiles
from studio.adapters.archives import stamp_of
from studio.adapters.hub import HubClient, Unknown
from studio.domain.cell_structure import LOOKED_INTO, tells_rows_apart
from studio.domain.columns import Column
from studio.domain.dataset_statistics import Statistics
from studio.domain.errors import StudioError
from studio.domain.findings import Finding, Where
from studio.domain.mixture import own_files
from studio.domain.seen_rows import AllRows
from studio.domain.told_rows import Told
from studio.service.background import Background, Heard, Progress
from studio.service.cached_copies import reopened
from studio.service.data import Inspection, rejudged
from studio.service.other_splits import in_order, saying_types
from studio.service.told_data import ask_viewer, is_told, with_told

Key = tuple[Any, ...]
_SAMPLE = 1000  # rows that statistics go by until all are counted
_REWARDED = ("grpo", "rloo")
_UNREAD = ("image", "audio", "other")  # cells that are long, and no text


@dataclass(frozen=True)
class _Job:
    """What is to be checked; `key` changes with the files."""

    key: Key
    form: str
    files: tuple[Path, ...]
    source: datafiles.DataSource
    split: str
    held_out: tuple[Path, ...]
    splits: Mapping[str, tuple[Path, ...]]  # all that are loaded, this one among them
    columns: Mapping[str, tuple[Column, ...]]  # of each other one
    types: tuple[Path, ...] | None  # the files that say those of a stream


@dataclass
class _Disk:
    """The files of a look as they were when it was first asked of them: a page asks again and again while it waits.

    With them goes all that is told of them, so that an answer from before they were looked at anew is never found.
    """

    source: datafiles.DataSource
    stamps: dict[Path, tuple[int, int]] = field(default_factory=dict)
    counted: dict[str, tuple[Key, datafiles.DataSource] | None] = field(default_factory=dict)
    jobs: tuple[Inspection | None, tuple[tuple[dict[str, Any], _Job], ...]] = (None, ())

    def stamp(self, files: Iterable[Path]) -> str:
        """What changes with any of the files; short, since thousands of them may lie in a folder."""
        told = hashlib.sha256()
        for file in files:
            if file not in self.stamps:
                self.stamps[file] = stamp_of(file)
            told.update(f"{file}\0{self.stamps[file]}\0".encode(errors="surrogateescape"))
        return told.hexdigest()


class WholeData:
    """Checks and statistics of whole splits, remembered for as long as the files stay as they are.

    How they are is found out once for a look, and anew with another look, a page of rows or a count that is asked for,
    and a check that is waited for. Whether they have changed since is told where a run is to start.
    """

    def __init__(self) -> None:
        self._checks: Background[AllRows] = Background()
        self._counts: Background[Statistics | StudioError] = Background()
        self._totals: Background[int | StudioError] = Background()
        self._samples: Background[Statistics | StudioError] = Background()
        self._told: Background[Told | Unknown] = Background()

    def look_anew(self, looked: Inspection) -> None:
        """Has the next question look at the files again, since they may have changed."""
        looked.kept.clear()

    def outdated(self, looked: Inspection) -> bool:
        """Whether the files of local data are others than when they were first asked of; False where nobody did."""
        disk = looked.kept.get("disk")
        if not isinstance(disk, _Disk):
            return False
        try:
            others = _opened(looked).files != disk.source.files
            return others or any(stamp_of(file) != stamp for file, stamp in list(disk.stamps.items()))
        except (StudioError, OSError):
            return True

    def begin(self, looked: Inspection, values: Mapping[str, Any]) -> bool:
        """Starts checking all rows of local data in the background; whether there is an answer to come.

        Of data on the Hub the viewer is asked by `count`, and what it then told is such an answer.
        """
        job = _job(looked, values)
        if job is None:
            return self.taken(looked, values) is not looked
        self._checks.begin(job.key, partial(_check, job))
        done = self._checks.done(job.key)
        return done is None or done is not looked.seen

    def progress(self, looked: Inspection, values: Mapping[str, Any]) -> Progress | None:
        """How far a check in the background has come; None where none is running."""
        job = _job(looked, values)
        return self._checks.progress(job.key) if job else None

    def taken(self, looked: Inspection, values: Mapping[str, Any]) -> Inspection:
        """The inspection with the verdict on all rows, where that is known by now; the same one where it is not."""
        if looked.source == "hub":
            return with_told(looked, self._told.done(_hub_key(looked)), values)
        job = _job(looked, values)
        seen = self._checks.done(job.key) if job else None
        return looked if seen is None or looked.seen is seen else with_all(looked, seen, values)

    def checked(self, looked: Inspection, values: Mapping[str, Any], hub: HubClient | None = None) -> Inspection:
        """The inspection with the verdict on all rows; of data on the Hub as far as its viewer tells of them."""
        if looked.source == "hub":
            if hub is not None and is_told(looked):
                self._ask_again(looked)
                self._told.now(_hub_key(looked), lambda heard: ask_viewer(looked, hub, values))
            return self.taken(looked, values)
        self.look_anew(looked)
        job = _job(looked, values)
        return looked if job is None else with_all(looked, self._checks.now(job.key, partial(_check, job)), values)

    # --- how many rows

    def count_rows(self, looked: Inspection, split: str) -> bool:
        """Starts counting the rows of a split of local data in the background; whether an answer is to come."""
        found = _files_of(looked, split)
        if found is None:
            return False
        key, source = found
        self._totals.begin(key, partial(_total, source))
        return self._totals.done(key) is None

    def total(self, looked: Inspection, split: str) -> int | None:
        """How many rows a split has, where they have been counted in the background."""
        found = _files_of(looked, split)
        total = self._totals.done(found[0]) if found else None
        return total if isinstance(total, int) else None

    # --- statistics

    def count(self, looked: Inspection, hub: HubClient, values: Mapping[str, Any] | None = None) -> None:
        """Starts counting all rows in the background: of data on the Hub its dataset viewer is asked, once a call."""
        if looked.source == "hub":
            self._ask_again(looked)
            context = contextvars.copy_context()  # that says whose token it is
            self._told.begin(_hub_key(looked), lambda heard: context.run(ask_viewer, looked, hub, values or {}))
            return
        self.look_anew(looked)
        job = _job(looked, {})
        if job is not None:
            self._counts.begin((*job.key[:-1], None), partial(_count, job, None))

    def counting(self, looked: Inspection) -> Progress | None:
        """How far the count of all rows has come; None where none is running."""
        if looked.source == "hub":
            return self._told.progress(_hub_key(looked))
        job = _job(looked, {})
        return self._counts.progress((*job.key[:-1], None)) if job else None

    def _ask_again(self, looked: Inspection) -> None:
        if self.refused(looked) is not None:
            self._told.forget(_hub_key(looked))

    def refused(self, looked: Inspection) -> Unknown | None:
        """Why the Hub's viewer told nothing of all rows, where it was asked in vain."""
        told = self._told.done(_hub_key(looked)) if looked.source == "hub" else None
        return told if isinstance(told, Unknown) else None

    def statistics(self, looked: Inspection) -> Statistics | None:
        """Statistics over all rows where those have been counted, else over the first ones, which of data elsewhere are
        those that are shown; None where there are none."""
        job = _job(looked, {})
        if job is None:
            return self._of_the_hub(looked)
        found = self._counts.done((*job.key[:-1], None))
        if found is None:
            found = self._samples.now((*job.key[:-1], _SAMPLE), partial(_count, job, _SAMPLE))
        if not isinstance(found, Statistics):
            return None
        return replace(found, whole=True) if found.rows == looked.num_rows else found

    def _of_the_hub(self, looked: Inspection) -> Statistics | None:
        if looked.source != "hub" or not looked.rows:
            return None
        told = self._told.done(_hub_key(looked))
        if isinstance(told, Told):
            return told.statistics
        found = self._samples.now(_hub_key(looked), partial(_count_shown, looked))
        return found if isinstance(found, Statistics) else None


def with_all(looked: Inspection, seen: AllRows, values: Mapping[str, Any]) -> Inspection:
    """The inspection, judged anew by all rows."""
    stopped = seen.failed or any(found.level == "error" for found in seen.findings)
    count = looked.num_rows if stopped else seen.total
    columns, selected = seen.schema or looked.columns, (looked.entry or {}).get("columns")
    if isinstance(selected, list):
        columns = tuple(column for column in columns if column.name in selected)
    return rejudged(replace(looked, seen=seen, num_rows=count, columns=columns), looked.method, values)


def _hub_key(looked: Inspection) -> Key:
    """What tells a split on the Hub from others, and from what it was."""
    columns = tuple((column.name, column.type) for column in looked.columns)
    files = str(own_files(looked.entry))
    return "hub", looked.name, files, looked.config, looked.split, looked.num_rows, len(looked.rows), columns


def _files_of(looked: Inspection, split: str) -> tuple[Key, datafiles.DataSource] | None:
    """The files of a split of local data, as their key and to be read; None where there are none."""
    if looked.source != "local":
        return None
    try:
        disk = _disk(looked)
        if split in disk.counted:
            return disk.counted[split]
        files = disk.source.files.get(split, ())
        if looked.files:  # those that are read of a mixture's entry
            files = tuple(map(Path, looked.files)) if split == looked.split else ()
        key = disk.source.format, disk.stamp(files)
    except (StudioError, OSError):
        return None
    disk.counted[split] = (key, replace(disk.source, files={split: files})) if files else None
    return disk.counted[split]


def _disk(looked: Inspection) -> _Disk:
    """The look's files. Raises StudioError where they are gone."""
    known = looked.kept.get("disk")
    if isinstance(known, _Disk):
        return known
    found: _Disk = looked.kept.setdefault("disk", _Disk(_opened(looked)))
    return found


def _opened(looked: Inspection) -> datafiles.DataSource:
    if looked.files:  # of a mixture, one may be any files; elsewhere the name says which
        return datafiles.open_files(looked.name, looked.form, {looked.split: tuple(map(Path, looked.files))})
    if looked.copied:
        return reopened(looked.name, looked.config)
    return datafiles.open_source(looked.name, looked.config or None)


def _job(looked: Inspection, values: Mapping[str, Any]) -> _Job | None:
    """What there is to check; None for data that is not local, or that could not even be opened.

    It is remembered for the inspection: any change of the recipe makes another one of the same look.
    """
    if looked.source != "local" or not looked.columns:
        return None
    try:
        disk = _disk(looked)
        of, jobs = disk.jobs
        jobs = jobs if of is looked else ()
        known = next((job for asked, job in jobs if asked == values), None)
        if known is None:
            known = _new_job(looked, values, disk)
            # Statistics and the check ask with different values in turn.
            disk.jobs = looked, ((dict(values), known), *jobs[:3])
        return known
    except (StudioError, OSError):
        return None


def _new_job(looked: Inspection, values: Mapping[str, Any], disk: _Disk) -> _Job:
    source = disk.source
    if looked.files:  # they are of the split that an entry names, whatever it is called
        source = replace(source, files={looked.read_split or "train": tuple(map(Path, looked.files))})
    split = looked.read_split if looked.read_split in source.splits else source.splits[0]
    files = source.files[split]
    held_out = () if looked.files else _held_out(source, split, values)
    asked = replace(looked, read_split=split)
    splits, types = in_order(asked, files, values), saying_types(asked, files, values)
    others = tuple((name, disk.stamp(members)) for name, members in splits.items() if name != split)
    named = values.get("dataset_text_field")
    wanted = (*LOOKED_INTO, *([named] if isinstance(named, str) and named not in LOOKED_INTO else []))
    names = {column.name for column in looked.columns}
    if looked.method in _REWARDED:  # rewards read every column, so rows that differ in any are no repetition
        first = looked.rows[0] if looked.rows else names  # columns that begin later make no other question of it
        told = [column for column in looked.columns if column.name in first]
        more = [column.name for column in told if not any(kind in column.type for kind in _UNREAD)]
        wanted = (*wanted, *(name for name in more if name not in wanted and tells_rows_apart(name)))
    if looked.method == "distillation" and Column("images", "list<null>") in looked.columns:
        wanted = (*wanted, "images")  # lists that are all empty are no images
    # In JSON a column may begin in any row, and an entry may leave some out.
    selected = (looked.entry or {}).get("columns")
    late = () if source.format != "json" else selected if isinstance(selected, list) else wanted
    wanted = tuple(name for name in wanted if name in names or name in late)
    place, said = tuple(splits).index(split), None if types is None else disk.stamp(types)
    key = (source.format, len(files), disk.stamp((*files, *held_out)), others, place, said, wanted)
    columns = {one.name: one.columns for one in looked.others if one.columns}
    return _Job(key, source.format, files, source, split, held_out, splits, columns, types)


def _held_out(source: datafiles.DataSource, split: str, values: Mapping[str, Any]) -> tuple[Path, ...]:
    """The files that a recipe evaluates on; none where it does not, or where that is the same split."""
    if values.get("eval_strategy", "no") in ("no", None, False):
        return ()
    other = str(values.get("dataset_test_split", "test"))
    return () if other == split else source.files.get(other, ())


def _check(job: _Job, heard: Heard) -> AllRows:
    from studio.adapters.splitcheck import check_splits  # here, since Arrow takes a while to import

    begun = time.perf_counter()
    try:
        columns = {**job.columns, job.split: job.source.columns(job.split)}
        seen = check_splits(job.form, job.splits, job.split, columns, job.key[-1], heard, job.held_out, job.types)
    except StudioError as error:
        return AllRows((), 0, (Finding("error", Where("file", str(job.files[0])), error.message, error.hint),))
    except Exception as error:  # noqa: BLE001 - whatever it was, nobody must wait for ever
        what = f"Not all rows of {job.files[0]} could be checked."
        why = f"The verdict goes by the first rows. What went wrong: {error!r}."
        failed = AllRows((), 0, (Finding("warning", Where("file", str(job.files[0])), what, why),))
        failed.failed = True
        return failed
    seen.seconds = time.perf_counter() - begun
    return seen


def _total(source: datafiles.DataSource, heard: Heard) -> int | StudioError:
    try:
        return source.num_rows(through=True) or 0
    except StudioError as error:
        return error
    except Exception as error:  # noqa: BLE001 - whatever it was, nobody must wait for ever
        return StudioError(f"The rows of {source.path} could not be counted: {error!r}.")


def _count_shown(looked: Inspection, heard: Heard = lambda rows, share: None) -> Statistics | StudioError:
    from studio.adapters.datacounts import count_rows  # here, since Arrow takes a while to import

    try:
        return count_rows(looked.columns, looked.rows, looked.num_rows == len(looked.rows))
    except Exception as error:  # noqa: BLE001 - statistics are no reason to fail
        return StudioError(f"{looked.name} could not be counted: {error!r}.")


def _count(job: _Job, most: int | None, heard: Heard = lambda rows, share: None) -> Statistics | StudioError:
    from studio.adapters.datacounts import count

    try:
        return count(job.form, job.files, job.source.columns(job.split), most, heard)
    except StudioError as error:
        return error
    except Exception as error:  # noqa: BLE001 - whatever it was, nobody must wait for ever
        return StudioError(f"{job.files[0]} could not be counted: {error!r}.")
