"""What becomes of runs afterwards: tags and a note, out of sight in the archive, or deleted for good."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from studio.adapters import removing
from studio.adapters.progress import CHECKPOINT
from studio.adapters.runs import Record, Run
from studio.domain.errors import StudioError
from studio.domain.model_facts import size_text
from studio.service.runs import Runs

_MODEL = re.compile(r"(adapter_|pytorch_)?model[\w.-]*\.(safetensors|bin)")
LONGEST_NOTE = 10_000
LONGEST_TAG = 60


@dataclass(frozen=True)
class Contents:
    """What a run's folder holds; sizes in bytes, `output` is what checkpoints and model have of `size`."""

    size: int = 0
    output: int = 0
    files: int = 0
    checkpoints: int = 0
    model: bool = False

    @property
    def words(self) -> str:
        """All that goes with the run, for one who is about to delete it."""
        parts = ["recipe", "log", "metrics"]
        if self.checkpoints:
            parts.append(f"{self.checkpoints} checkpoint{'s' if self.checkpoints > 1 else ''}")
        if self.model:
            parts.append("the trained model")
        return f"{', '.join(parts[:-1])} and {parts[-1]}: {self.files} files, {size_text(self.size)}"

    def to_json(self) -> dict[str, Any]:
        """As the command line and the page tell it."""
        return asdict(self)


class Keeping:
    """What one may do with runs that are there."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    def mark(
        self,
        run_id: str,
        tags: Iterable[str] | None = None,
        note: str | None = None,
        archived: bool | None = None,
    ) -> dict[str, Any]:
        """Writes down what is given of a run's tags, note and place; the run as `show` has it. Raises StudioError."""
        run = self._runs.folders.get(run_id)
        words = None if tags is None else list(dict.fromkeys(word for tag in tags if (word := " ".join(tag.split()))))
        if any(len(word) > LONGEST_TAG for word in words or ()):
            raise StudioError(f"A tag has {LONGEST_TAG} letters at most.", "Write what is longer into the note.")
        if note is not None and len(note) > LONGEST_NOTE:
            raise StudioError(f"The note has {len(note):,} letters; {LONGEST_NOTE:,} are kept.", "Shorten it.")

        def write(record: Record) -> None:
            if record.get("damaged"):
                raise StudioError(f"The record of '{run_id}' cannot be read.", f"Look at {run.folder / 'run.json'}.")
            given = {"tags": words, "note": None if note is None else note.strip(), "archived": archived}
            record.update({key: value for key, value in given.items() if value is not None})

        try:
            run.update(write)
        except OSError as error:
            raise StudioError(
                f"The record of '{run_id}' could not be written: {error.strerror or error}.", "Free some disk space."
            ) from None
        return self._runs.describe(run)

    def contents(self, run_id: str) -> Contents:
        """What the run's folder holds. Raises StudioError where there is none."""
        return contents_of(self._runs.folders.get(run_id).folder)

    def store_trouble(self, run_id: str) -> str:
        """What is to be said of the run's metrics store where that is corrupt; `` for a sound one."""
        project = self._runs.project(self._runs.folders.get(run_id))
        store = self._runs.store
        return f"The metrics store {store.path(project)} is corrupt." if store.is_corrupt(project) else ""

    def remove(self, run_id: str) -> Contents:
        """Deletes a run for good, folder and metrics; what that was. Raises StudioError, for a live run too.

        A corrupt metrics store is no hindrance: what it holds of the run may stay there.
        """
        run = self._runs.folders.get(run_id)
        found = contents_of(run.folder)
        removing.remove(run, partial(self._runs.forget, run_id, self._runs.project(run)))
        return found

    def sweep(self) -> None:
        """Finishes deleting what a crash has left half deleted."""
        removing.sweep(self._runs.home.runs, self._forget)

    def _forget(self, run: Run) -> None:
        self._runs.forget(run.id, self._runs.project(run))


def contents_of(folder: Path) -> Contents:
    """What lies in a run's folder; links are counted, not followed."""
    size = output = files = 0
    model = False
    checkpoints = set()
    for place, _, names in os.walk(folder):
        inside = Path(place).relative_to(folder).parts
        for name in names:
            try:
                length = os.lstat(os.path.join(place, name)).st_size
            except OSError:
                continue
            files += 1
            size += length
            output += length if inside[:1] == ("output",) else 0
            model |= inside == ("output",) and _MODEL.fullmatch(name) is not None
        if len(inside) == 2 and inside[0] == "output" and CHECKPOINT.match(inside[1]):
            checkpoints.add(inside[1])
    return Contents(size, output, files, len(checkpoints), model)
