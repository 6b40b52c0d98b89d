"""Parquet and arrow files, here or in a repository: their schema, their batches and their rows from any one on."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, BinaryIO, Protocol

from studio.adapters.archives import open_file, stamp_of
from studio.adapters.dataschema import schema_columns

_BUFFER = 1 << 20  # bytes of a parquet column that are read at once
_BATCH_BYTES = 8 << 20  # of decoded rows


class Files(Protocol):
    """Where files are read from: this machine, or a repository by ranges. `stamp` changes with a file's content."""

    @property
    def local(self) -> bool: ...

    def open(self, file: PurePath) -> BinaryIO: ...

    def stamp(self, file: PurePath) -> Hashable: ...


class LocalFiles:
    """The files of this machine."""

    local = True

    def open(self, file: PurePath) -> BinaryIO:
        return open_file(Path(file))

    def stamp(self, file: PurePath) -> Hashable:
        return stamp_of(Path(file))


def parquet(place: Files, file: Path) -> Any:
    """A parquet file, opened to be read by and by."""
    import pyarrow.parquet

    # By default it would read whole row groups ahead, and one may be all of a big file.
    source, buffer = (str(file), _BUFFER) if place.local else (place.open(file), _BUFFER // 8)
    return pyarrow.parquet.ParquetFile(source, buffer_size=buffer, pre_buffer=False)


@contextmanager
def _arrow(place: Files, file: Path) -> Iterator[tuple[Any, Iterator[Any]]]:
    """The schema and the record batches of an arrow file, of either kind; here mapped and not read."""
    import pyarrow

    with pyarrow.memory_map(str(file)) if place.local else pyarrow.PythonFile(place.open(file)) as source:
        try:
            reader = pyarrow.ipc.open_stream(source)
            yield reader.schema, iter(reader)
            return
        except (pyarrow.ArrowInvalid, OSError):
            source.seek(0)
            opened = pyarrow.ipc.open_file(source)
        yield opened.schema, (opened.get_batch(number) for number in range(opened.num_record_batches))


def batches(place: Files, file: Path) -> Iterator[Any]:
    """The record batches of an arrow file."""
    with _arrow(place, file) as (_, batches):
        yield from batches


@dataclass(frozen=True)
class Footer:
    """What the end of a parquet or arrow file tells: its schema, and of parquet its rows and those of its groups."""

    schema: Any
    rows: int | None = None
    first_group: int | None = None  # None where there is no group


def footer(place: Files, file: Path, form: str) -> Footer:
    """What a file tells without its cells being read."""
    if form == "parquet":
        opened = parquet(place, file)
        found = opened.metadata
        first = int(found.row_group(0).num_rows) if found.num_row_groups else None
        return Footer(opened.schema_arrow, int(found.num_rows), first)
    with _arrow(place, file) as (schema, _):
        return Footer(schema)


def arrow_rows(place: Files, file: Path, form: str, skip: int) -> Iterator[dict[str, Any]]:
    """The rows of a parquet or arrow file from number `skip` on, as JSON would have them."""
    if form == "parquet":
        opened = parquet(place, file)
        yield from _plain_rows(opened.schema_arrow, _parquet_batches(opened, skip, place.local))
    else:
        with _arrow(place, file) as (schema, batches):
            yield from _plain_rows(schema, _skipped(batches, skip))


def _plain_rows(schema: Any, batches: Iterator[Any]) -> Iterator[dict[str, Any]]:
    columns = {column.name: column for column in schema_columns(schema)}
    for batch in batches:
        for start in range(0, batch.num_rows, 20):
            for row in batch.slice(start, 20).to_pylist():
                yield {name: _plain(cell, columns[name].type) for name, cell in row.items()}


def _parquet_batches(opened: Any, skip: int, threads: bool) -> Iterator[Any]:
    groups = list(range(opened.metadata.num_row_groups))
    while groups and skip >= opened.metadata.row_group(groups[0]).num_rows:
        skip -= opened.metadata.row_group(groups.pop(0)).num_rows
    if not groups:
        return iter(())
    first = opened.metadata.row_group(groups[0])
    size = max(1, min(1000 if skip else 100, _BATCH_BYTES * first.num_rows // max(first.total_byte_size, 1)))
    # Threads over a Python file can keep the interpreter from ending.
    return _skipped(opened.iter_batches(batch_size=size, row_groups=groups, use_threads=threads), skip)


def _skipped(batches: Iterator[Any], skip: int) -> Iterator[Any]:
    for batch in batches:
        if skip < batch.num_rows:
            yield batch.slice(skip)
        skip = max(0, skip - batch.num_rows)


def _plain(cell: Any, kind: str) -> Any:
    """A cell as JSON would have it: JSON columns decoded, bytes and times as a few words."""
    if "json" in kind and isinstance(cell, str):
        return json.loads(cell)
    if isinstance(cell, dict):
        return {name: _plain(value, "") for name, value in cell.items()}
    if isinstance(cell, (list, tuple)):
        return [_plain(value, kind) for value in cell]
    if isinstance(cell, bytes):
        return f"({len(cell):,} bytes)"
    return cell if cell is None or isinstance(cell, (str, bool, int, float)) else str(cell)
