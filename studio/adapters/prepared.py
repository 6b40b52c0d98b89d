"""Prepared datasets: parquet files of a train and a test split in a folder that appears whole, or not at all."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from studio.domain.errors import StudioError

RECORD = "prepared.json"
NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}")
_PART = re.compile(r"\.part-(\d+)-")
_GROUP = 16384  # rows of a parquet row group, or fewer where they are long
_GROUP_BYTES = 32 << 20


def free_name(folder: Path, wanted: str) -> str:
    """A name that no prepared dataset has: the one that is wanted, or with a number behind it."""
    base = re.sub(r"[^\w.-]+", "-", wanted).strip("-._") or "data"
    base = base[:80] if base[0].isascii() and base[0].isalnum() else f"data-{base[:70]}"
    names = [base, *(f"{base}-{number}" for number in range(2, 1000))]
    return next(name for name in names if not (folder / name).exists())


def record_of(folder: Path) -> dict[str, Any] | None:
    """What is known of where a prepared dataset came from; None where the folder is none."""
    try:
        found = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


class PreparedWriter:
    """Writes a prepared dataset into `folder` under `name`; as a context, what was not finished is taken away.

    Raises StudioError where the name cannot be used or the disk is full.
    """

    def __init__(self, folder: Path, name: str) -> None:
        if not NAME.fullmatch(name):
            raise StudioError(f"'{name}' cannot name a prepared set.", "Use letters, digits, dots, dashes and _.")
        self.place = folder / name
        if self.place.exists():
            raise StudioError(f"There is something named {name} already.", f"It lies in {folder}. Choose another name.")
        self._name = name
        self._files: dict[str, _SplitFile] = {}
        _sweep(folder)
        with _in_words(folder):
            self._part = Path(tempfile.mkdtemp(prefix=f".part-{os.getpid()}-", dir=folder))
            (self._part / "data").mkdir()

    def __enter__(self) -> PreparedWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files.values():
            file.abandon()
        shutil.rmtree(self._part, ignore_errors=True)

    def add(self, split: str, table: Any) -> None:
        """More rows of a split, in columns of the types that its rows before had."""
        if table.num_rows:
            with _in_words(self.place):
                if split not in self._files:
                    self._files[split] = _SplitFile(self._part / "data" / f"{split}-00000-of-00001.parquet")
                self._files[split].add(table)

    def counts(self) -> dict[str, int]:
        """How many rows each split has so far."""
        return {split: file.count for split, file in self._files.items()}

    def finish(self, record: Mapping[str, Any]) -> Path:
        """Closes the files, writes the record beside them, and lets the folder appear under its name."""
        with _in_words(self.place):
            for file in self._files.values():
                file.close()
            text = json.dumps(record, indent=1, ensure_ascii=False)
            (self._part / RECORD).write_text(text + "\n", encoding="utf-8")
            for written in (self._part / RECORD, *(self._part / "data").iterdir()):
                with written.open("rb") as opened:
                    os.fsync(opened.fileno())
            if self.place.exists():
                message = f"There is something named {self._name} already."
                raise StudioError(message, "Choose another name; nothing was written over.")
            self._part.chmod(0o755)
            self._part.rename(self.place)
        return self.place


class _SplitFile:
    """One parquet file, written in groups of rows."""

    def __init__(self, path: Path) -> None:
        self.path, self.count = path, 0
        self._writer: Any = None
        self.schema: Any = None
        self._held: list[Any] = []

    def add(self, table: Any) -> None:
        if self.schema is None:
            self.schema = table.schema
        if not table.schema.equals(self.schema):  # to cast them could lose fields of objects in silence
            raise ValueError(f"{self.path.name} has other columns than these rows.")
        self.count += table.num_rows
        self._held.append(table)
        if sum(one.num_rows for one in self._held) >= _GROUP or sum(one.nbytes for one in self._held) >= _GROUP_BYTES:
            self._write()

    def _write(self) -> None:
        import pyarrow
        import pyarrow.parquet

        if self._writer is None:
            # Texts hardly repeat: a dictionary of them would cost time and memory, one of roles saves both.
            roles = [name for name in _leaves(self.schema) if name.endswith(".role")]
            self._writer = pyarrow.parquet.ParquetWriter(self.path, self.schema, use_dictionary=roles or False)
        if self._held:
            self._writer.write_table(pyarrow.concat_tables(self._held))
            self._held = []

    def close(self) -> None:
        self._write()
        self._writer.close()
        self._writer = None

    def abandon(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def _leaves(schema: Any) -> list[str]:
    """The paths of a schema's columns as parquet names them."""
    import pyarrow

    def below(name: str, kind: Any) -> list[str]:
        if pyarrow.types.is_struct(kind):
            return [leaf for field in kind for leaf in below(f"{name}.{field.name}", field.type)]
        if pyarrow.types.is_list(kind) or pyarrow.types.is_large_list(kind):
            return below(f"{name}.list.element", kind.value_type)
        return [name]

    return [leaf for field in schema for leaf in below(field.name, field.type)]


def _sweep(folder: Path) -> None:
    """Takes away what a process that is gone has left unfinished."""
    for left in folder.glob(".part-*"):
        match = _PART.match(left.name)
        if match and not psutil.pid_exists(int(match[1])):
            shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _in_words(place: Path) -> Iterator[None]:
    """What goes wrong while writing, in words."""
    try:
        yield
    except OSError as error:
        why = error.strerror or error
        raise StudioError(f"{place} could not be written: {why}.", "Make room in the home folder.") from None
