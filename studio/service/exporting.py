"""Runs taken along: metrics as CSV, a whole run as a zip file, and the command that opens the same in trackio."""

from __future__ import annotations

import contextlib
import csv
import os
import secrets
import shlex
import shutil
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from studio.adapters.metrics import shown_name
from studio.adapters.runs import Run
from studio.domain.curves import is_number
from studio.domain.errors import StudioError
from studio.domain.model_facts import size_text
from studio.service.keeping import contents_of
from studio.service.runs import Runs

METRICS = "metrics.jsonl"
_NOT_OURS = ("run.lock",)  # what means something in the folder itself only
_PIECE = 2**20
_SPARE = 64 * 2**20  # bytes that stay free on the disk
_OLD = 24 * 3600.0  # seconds after which a file made for the page is taken away
# Weights are as good as random: packing them would take long and save nothing.
_PACKED = (".yaml", ".json", ".jsonl", ".log", ".txt", ".md", ".py", ".csv", ".jinja", ".html")
Heard = Callable[[int], None]


def trackio_line(runs: Runs, run_id: str) -> str:
    """The command that opens a run's data in trackio's own dashboard."""
    project = runs.project(runs.folders.get(run_id))
    return f"TRACKIO_DIR={shlex.quote(str(runs.home.trackio))} trackio show --project {shlex.quote(project)}"


def write_csv(runs: Runs, run_id: str, stream: TextIO) -> int:
    """Writes a run's metrics, a line for each log call, and returns how many those were. Raises StudioError.

    The columns are `step`, `time` and then TRL's names; NaN and infinities stand as `NaN`, `Infinity`, `-Infinity`.
    """
    run = runs.folders.get(run_id)
    rows = runs.store.all_rows(runs.project(run), run.id, run.folder / METRICS)
    names = dict.fromkeys(name for row in rows for name, value in row.values.items() if is_number(value))
    step = "train/global_step"
    names.pop(step, None)
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["step", "time", *map(shown_name, names)])
    for row in rows:
        cells = [row.gaps.get(name, row.values.get(name)) for name in names]
        numbers = [
            cell if is_number(cell) or name in row.gaps else None for name, cell in zip(names, cells, strict=True)
        ]
        # Profiling rows say no step of the trainer's; what trackio counts is not one.
        writer.writerow([row.values.get(step, ""), row.time, *("" if cell is None else cell for cell in numbers)])
    return len(rows)


def require_folder(to: Path) -> None:
    """Raises StudioError where there is no folder for the file `to`."""
    folder = to.absolute().parent
    if not folder.is_dir():
        raise StudioError(
            f"{to.name} cannot be written: there is no folder {folder}.", "Make it first, or choose another."
        )


def zip_run(runs: Runs, run_id: str, to: Path, output: bool, heard: Heard = lambda done: None) -> int:
    """Writes a run's folder to the zip file `to`, piece by piece; returns that file's size.

    Without `output` checkpoints and model stay out. `heard` is told the bytes done. Raises StudioError where there is
    not enough room, or something cannot be read; `to` is then not there, or as it was.
    """
    run = runs.folders.get(run_id)
    found = contents_of(run.folder)
    wanted = found.size if output else found.size - found.output
    part = to.with_name(f".{to.name}.{secrets.token_hex(4)}.part")
    require_folder(to)
    try:
        free = shutil.disk_usage(to.parent).free
        if free < wanted + _SPARE:
            raise StudioError(
                f"The zip file needs up to {size_text(wanted)}, and {size_text(free)} are free in {to.parent}.",
                "Make room there" + (", or leave the output out." if output else "."),
            )
        with zipfile.ZipFile(part, "w") as archive:
            _put_all(archive, runs, run, output, heard)
        size = part.stat().st_size
        os.replace(part, to)
    except OSError as error:
        raise StudioError(
            f"The zip file of '{run_id}' could not be written: {error.strerror or error}.",
            "Check the path and the disk.",
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return size


def _put_all(archive: zipfile.ZipFile, runs: Runs, run: Run, output: bool, heard: Heard) -> None:
    done = 0
    for place, folders, names in os.walk(run.folder):
        inside = Path(place).relative_to(run.folder)
        if not inside.parts and not output:
            folders[:] = [name for name in folders if name != "output"]
        for name in sorted(names):
            path = Path(place) / name
            if not path.is_file() or (not inside.parts and (name in _NOT_OURS or name.startswith("."))):
                continue
            done = _put(archive, path, str(Path(run.id) / inside / name), done, heard)
    if not (run.folder / METRICS).is_file():
        # A run that goes on has not exported its metrics yet.
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / METRICS
            if runs.store.export(runs.project(run), run.id, path):
                _put(archive, path, str(Path(run.id) / METRICS), done, heard)


def _put(archive: zipfile.ZipFile, path: Path, name: str, done: int, heard: Heard) -> int:
    """Writes one file into the archive, and returns the bytes done by then; one that is gone meanwhile is left out."""
    try:
        source = path.open("rb")
    except FileNotFoundError:
        return done
    with source:
        # Times before 1980 exist on disks and not in zip files.
        moment = time.localtime(max(path.stat().st_mtime, 315_619_200.0))
        entry = zipfile.ZipInfo(name, moment[:6])
        entry.compress_type = zipfile.ZIP_DEFLATED if path.suffix in _PACKED else zipfile.ZIP_STORED
        entry.external_attr = 0o644 << 16
        with archive.open(entry, "w", force_zip64=True) as target:
            while piece := source.read(_PIECE):
                target.write(piece)
                done += len(piece)
                heard(done)
    return done


@dataclass
class Job:
    """A file being made for the page: bytes done of `total`, then `path`, or in `error` why there is none."""

    name: str
    total: int = 0
    done: int = 0
    path: Path | None = None
    error: str = ""

    def to_json(self) -> dict[str, Any]:
        """As the page's script reads it."""
        share = 1.0 if self.path else min(0.99, self.done / self.total) if self.total else 0.0
        return {"ready": self.path is not None, "share": share, "error": self.error}


class Exports:
    """Files made in the background in one folder, found again by a word that cannot be guessed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._jobs: dict[str, Job] = {}

    def begin(self, runs: Runs, run_id: str, kind: str, output: bool = False) -> str:
        """Starts on a run's `csv` or `zip`; the word for `job`. Raises StudioError where there is no such run."""
        self._clear()
        found = contents_of(runs.folders.get(run_id).folder)
        word = secrets.token_urlsafe(24)
        job = Job(f"{run_id}.{kind}", found.size if output else found.size - found.output)
        self._jobs[word] = job
        threading.Thread(target=self._make, args=(job, word, runs, run_id, output), daemon=True, name="export").start()
        return word

    def job(self, word: str) -> Job | None:
        """What has become of it; None for a word that means nothing here, or nothing any more."""
        return self._jobs.get(word)

    def _make(self, job: Job, word: str, runs: Runs, run_id: str, output: bool) -> None:
        path = self.folder / f"{word}-{job.name}"

        def heard(done: int) -> None:
            job.done = done

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if job.name.endswith(".zip"):
                zip_run(runs, run_id, path, output, heard)
            else:
                with path.open("w", encoding="utf-8", newline="") as stream:
                    write_csv(runs, run_id, stream)
            job.path = path
        except StudioError as error:
            job.error = f"{error.message} {error.hint}".strip()
        except OSError as error:
            job.error = f"The file could not be written: {error.strerror or error}."

    def _clear(self) -> None:
        """Takes away what was made a day ago, by an earlier studio too."""
        old = time.time() - _OLD
        with contextlib.suppress(OSError):
            for path in list(self.folder.iterdir()):
                if path.stat().st_mtime < old:
                    path.unlink(missing_ok=True)
        for word, job in list(self._jobs.items()):
            if job.path is not None and not job.path.exists():
                del self._jobs[word]
