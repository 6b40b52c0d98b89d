"""Prepared datasets: a mapping carried out over all rows, in the background, into a folder that a recipe can name."""

from __future__ import annotations

import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import studio
from studio.adapters import databatches, datafiles
from studio.adapters.archives import size_of
from studio.adapters.columntypes import ColumnTypes
from studio.adapters.databatches import Batch
from studio.adapters.datafiles import DataSource
from studio.adapters.hubdownload import HubDownload, Listing
from studio.adapters.mapping_arrow import Mapped, MixedTypes, divided, map_batch, map_rows
from studio.adapters.prepared import PreparedWriter, free_name
from studio.domain.errors import StudioError
from studio.domain.findings import Finding, Where, row_name
from studio.domain.mapping import BadRow, DataMapping
from studio.domain.mixture import own_files
from studio.service.cached_copies import reopened
from studio.service.data import Inspection

SEED = 42
SHARE = 0.05  # held out where the source has no split for it
_NAMED = 20  # rows left out that the record names
_STOPPED, _AGAIN = "It was stopped, and nothing was written.", "Prepare it again when you like."
_BY_HAND = "Download it, and name its folder here."
LEAVE = "Leave out such rows"
BAD_ANSWER = "The label says that the answer is bad, or the score does: it is not learnt."
AFTER_ANSWER = "Turns after the last answer are left out: nobody answers them."
_TESTING = ("test", "validation", "valid", "val", "dev", "eval", "evaluation")


@dataclass(frozen=True)
class Order:
    """What is to be prepared: from which dataset, by which mapping, and under which name.

    `test` is a split of the source to test on, else a `share` of the train split's rows is held out, chosen by
    `seed`; with 0 there is none. `leave_out` says that rows that cannot be mapped are left out, and not a reason to
    stop. `copied` says that the source is the copy in a local cache of a dataset on the Hub.
    """

    name: str
    source: str
    config: str
    train: str
    mapping: DataMapping
    method: str
    test: str = ""
    share: float = SHARE
    seed: int = SEED
    leave_out: bool = False
    download: Download | None = None
    copied: bool = False


@dataclass(frozen=True)
class Download:
    """What of a dataset on the Hub has to be here before it can be prepared: `size` are the bytes still missing."""

    hub: HubDownload
    listing: Listing
    layout: DataSource
    files: dict[str, tuple[str, ...]]
    size: int

    def bring(self, splits: set[str], job: Job) -> DataSource:
        """Fetches the files of the splits, and gives the dataset as it lies here then."""
        here: dict[str, tuple[Path, ...]] = {}
        for split in sorted(splits & set(self.files)):
            found = []
            for file in self.files[split]:
                if job.stopped:
                    raise StudioError(_STOPPED, _AGAIN)
                missing = self.hub.missing(self.listing, [file])
                found.append(self.hub.fetch(self.listing, file))
                job.fetched += missing
            here[split] = tuple(found)
        first = next(iter(here.values()), ())
        return replace(self.layout, path=first[0].parent if first else self.layout.path, files=here)


@dataclass
class Job:
    """An order on its way: how far it is, and what came of it. `total` is None where the rows were not counted.

    `late` says that some type of a column was known too late: all rows are read to the end then, and written from the
    beginning. `cut` counts the rows whose conversation goes on after its last answer, which was left out, `passed`
    those that are not learnt, since a label or a score says that the answer is bad. `told` says that a page has been
    told of its end, and needs to hear of it no more.
    """

    order: Order
    total: int | None = None
    done: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    cut: int = 0
    passed: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    fetched: int = 0  # bytes, of `download.size`
    folder: Path | None = None
    finding: Finding | None = None
    late: bool = False
    told: bool = False
    began: float = field(default_factory=time.monotonic)
    _stop: threading.Event = field(default_factory=threading.Event, repr=False)
    _ended: threading.Event = field(default_factory=threading.Event, repr=False)

    @property
    def ended(self) -> bool:
        return self._ended.is_set()

    @property
    def stopped(self) -> bool:
        return self._stop.is_set()

    def stop(self) -> None:
        """Asks it to stop; nothing is kept then."""
        self._stop.set()

    def wait(self, seconds: float) -> bool:
        """Waits until it has ended, but no longer than this; whether it has."""
        return self._ended.wait(seconds)


class Unmapped(StudioError):
    """A row that cannot be mapped, with where it is."""

    def __init__(self, file: Path, row: int, why: BadRow, hint: str = f"{LEAVE}, or choose other columns.") -> None:
        what = f"{row_name(row).capitalize()} of {file.name} cannot be mapped: {_sentence(why)}"
        super().__init__(what, f"Nothing was written. {hint}")
        told = f"A row of {file.name} cannot be mapped: {_sentence(why)}"  # its number stands beside it
        self.finding = Finding("error", Where("file", str(file), row), told, self.hint)


class Preparing:
    """The jobs of one studio."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    def name_for(self, looked: Inspection) -> str:
        """A free name for what is prepared from a dataset."""
        path = Path(looked.name)
        plain = path.name.split(".")[0] if path.is_file() else path.name
        if path.is_file() and plain in ("train", "test", "data", "dataset", "validation"):
            plain = f"{path.parent.name}-{plain}" if plain != "train" else path.parent.name
        return free_name(self.folder, f"{plain}-{looked.method}")

    def from_hub(self, looked: Inspection, splits: set[str], hub: HubDownload) -> Download:
        """What has to be fetched for these splits of a dataset on the Hub. Raises StudioError where that is unclear."""
        if own_files(looked.entry):
            raise StudioError(f"Of {looked.name} the entry takes some files only.", _BY_HAND)
        listing = hub.listing(looked.name)
        with tempfile.TemporaryDirectory() as folder:
            place = hub.skeleton(listing, Path(folder))
            try:
                layout = datafiles.open_source(place, looked.config if looked.config != "default" else None)
            except StudioError as error:
                # Paths of the skeleton say nothing to anybody.
                raise StudioError(error.message.replace(str(place), looked.name), error.hint) from None
            files = {
                split: tuple(file.relative_to(place).as_posix() for file in found)
                for split, found in layout.files.items()
            }
        absent = next((split for split in splits if split not in files), None)
        if absent is not None:
            raise StudioError(f"{looked.name} has no files of its own for the split '{absent}'.", _BY_HAND)
        size = hub.missing(listing, [file for split in splits for file in files[split]])
        return Download(hub, listing, layout, files, size)

    def start(self, order: Order, total: int | None = None) -> Job:
        """Starts an order in the background. Raises StudioError where another one of that name is on its way."""
        with self._lock:
            running = self.jobs.get(order.name)
            if running is not None and not running.ended:
                raise StudioError(f"{order.name} is being prepared already.", "Wait for it, or choose another name.")
            job = self.jobs[order.name] = Job(order, total)
        threading.Thread(target=self._run, args=(job,), daemon=True, name=f"prepare-{order.name}").start()
        return job

    def for_data(self, looked: Inspection) -> Job | None:
        """The job for a dataset and method that goes on, or of whose end nobody has been told; the newest one."""
        wanted = (looked.name, looked.config, looked.split, looked.method)
        with self._lock:
            jobs = sorted(self.jobs.values(), key=lambda job: -job.began)
        orders = ((job, (job.order.source, job.order.config, job.order.train, job.order.method)) for job in jobs)
        return next((job for job, order in orders if order == wanted and not job.told), None)

    def _run(self, job: Job) -> None:
        where = Where("file", job.order.source)
        try:
            job.folder = prepare(job.order, self.folder, job)
        except Unmapped as error:
            job.finding = error.finding
        except StudioError as error:
            job.finding = Finding("error", where, error.message, error.hint)
        except Exception as error:  # noqa: BLE001 - a thread has nobody above it who would tell
            job.finding = Finding("error", where, f"Preparing stopped: {type(error).__name__}: {error}.")
        finally:
            job._ended.set()


def own_test(splits: tuple[str, ...], train: str) -> str:
    """The source's own split to test on; `` where it has none."""
    others = [split for split in splits if split != train]
    matching = [train.replace("train", word) for word in _TESTING if "train" in train]
    named = [split for split in [*matching, *_TESTING] if split in others]
    return named[0] if named else ""


def prepare(order: Order, folder: Path, job: Job | None = None) -> Path:
    """Carries out an order, with the memory of a batch. Raises StudioError, and then leaves nothing behind."""
    job = job or Job(order)
    splits = {"train": order.train, **({"test": order.test} if order.test else {})}
    if order.download is not None:
        source = order.download.bring(set(splits.values()), job)
    elif order.copied:
        source = reopened(order.source, order.config)
    else:
        source = datafiles.open_source(order.source, order.config or None)
    absent = next((split for split in splits.values() if split not in source.splits), None)
    if absent is not None:
        raise StudioError(f"{order.source} has no split '{absent}'.", f"It has {', '.join(source.splits)}.")
    types, made = ColumnTypes(), None
    while made is None:
        # Only the rows tell the types, and maybe the last of them: from the beginning again where it was so.
        job.done, job.left_out, job.cut, job.passed, types.late = 0, Counter(), 0, 0, False
        made = _prepared(order, source, folder, job, types)
    return made


def _prepared(order: Order, source: DataSource, folder: Path, job: Job, types: ColumnTypes) -> Path | None:
    """The folder with everything written; None where a column's type was known too late for that."""
    splits = {"train": order.train, **({"test": order.test} if order.test else {})}
    held = _held_out(order.share, order.seed) if not order.test and order.share > 0 else None
    named: list[dict[str, Any]] = []
    with PreparedWriter(folder, order.name) as writer:
        for split, name in splits.items():
            for batch, mapped in _mapped(order, source, name, job, named, types):
                if not types.late:
                    sides = {split: mapped.table}
                    if split == "train" and held is not None:
                        before = job.done
                        rest, out = divided(mapped, lambda row, before=before: held(before + row))  # type: ignore[misc]
                        sides = {"train": rest, "test": out}
                    for side, table in sides.items():
                        writer.add(side, table)
                job.done += batch.count
        if job.stopped:  # while the last rows were written
            raise StudioError(_STOPPED, _AGAIN)
        if types.late:
            return None
        job.rows = writer.counts()
        if not job.rows.get("train"):
            raise _nothing_to_train_on(order, job.rows.get("test", 0))
        return writer.finish(_record(order, source, job, named))


def _nothing_to_train_on(order: Order, held: int) -> StudioError:
    if not held or order.test:
        return StudioError("No row could be mapped, so nothing was written.", "Choose other columns.")
    every = f"all {held} rows that could be mapped are" if held > 1 else "the only row that could be mapped is"
    what = f"No row is left to train on: {every} held out to test on."
    return StudioError(what, "Nothing was written. Hold out a smaller share, or none.")


def _of_two_types(batch: Batch, mixed: MixedTypes) -> Unmapped:
    why = "changes its type here; all rows of a column must be of one type"
    return Unmapped(batch.file, batch.first + mixed.row, BadRow(why, mixed.column), "Leave out the column, or mend it.")


def _mapped(
    order: Order, source: DataSource, split: str, job: Job, named: list[dict[str, Any]], types: ColumnTypes
) -> Iterator[tuple[Batch, Mapped]]:
    """The batches of a split, and what each becomes."""
    columns = source.columns(split)
    decoded = frozenset(column.name for column in columns if "json" in column.type)
    wanted = order.mapping.columns()
    texts = order.mapping.as_text()
    for batch in databatches.batches(source.files[split], source.format, wanted, decoded & set(wanted), texts):
        if job.stopped:
            raise StudioError(_STOPPED, _AGAIN)
        try:
            if batch.arrow is not None:
                mapped = map_batch(order.mapping, batch.arrow, types)
            else:
                mapped = map_rows(order.mapping, batch.rows, types)
        except MixedTypes as mixed:
            raise _of_two_types(batch, mixed) from None
        job.late = job.late or types.late
        job.cut += mapped.cut
        job.passed += mapped.passed
        for number, why in mapped.bad:
            if not order.leave_out:
                raise Unmapped(batch.file, batch.first + number, why)
            job.left_out[_sentence(why)] += 1
            if len(named) < _NAMED:
                named.append({"file": str(batch.file), "row": batch.first + number, "why": _sentence(why)})
        if mapped.table.num_rows:
            yield batch, mapped
        else:
            job.done += batch.count


def _sentence(why: BadRow) -> str:
    text = str(why)
    return text if text.endswith(".") else f"{text}."


def _held_out(share: float, seed: int) -> Callable[[int], bool]:
    """Says of each row, asked in order, whether it is held out: in every stretch of 1/share rows one, at random."""
    chosen = random.Random(seed)
    state = {"stretch": 0, "next": -1}

    def step() -> None:
        place = int((state["stretch"] + chosen.random()) / share)
        state["stretch"] += 1
        state["next"] = max(place, state["next"] + 1)

    step()

    def held(row: int) -> bool:
        while row > state["next"]:
            step()
        return row == state["next"]

    return held


def _record(order: Order, source: DataSource, job: Job, named: list[dict[str, Any]]) -> dict[str, Any]:
    """Where a prepared dataset came from, and how."""
    splits = {"train": order.train, **({"test": order.test} if order.test else {})}
    files = [file for split in dict.fromkeys(splits.values()) for file in source.files[split]]
    held = {} if order.test else {"share": order.share, "seed": order.seed}
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "studio": studio.__version__,
        "method": order.method,
        "from": {
            **({"hub": order.source, "commit": order.download.listing.commit} if order.download else {}),
            "path": str(source.path.resolve()),
            **({"config": source.config} if source.config else {}),
            "splits": splits,
            "files": [{"path": str(file), "bytes": size_of(file)} for file in files],
        },
        "mapping": order.mapping.to_json(),
        "held_out": held,
        "rows": job.rows,
        "left_out": {"rows": sum(job.left_out.values()), "why": dict(job.left_out.most_common(10)), "first": named},
        "turns_left_out": {"rows": job.cut, "why": AFTER_ANSWER} if job.cut else {},
        "bad_answers": {"rows": job.passed, "why": BAD_ANSWER} if job.passed else {},
    }
