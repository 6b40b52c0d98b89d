"""All rows of data files in batches, with the file and row at which each begins; memory is bounded by one batch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO

from studio.adapters.packed import BROKEN, not_whole, opened
from studio.domain.csv_text import csv_rows, csv_types
from studio.domain.errors import StudioError
from studio.domain.row_text import MAX_ROW, Mark, json_rows

ROWS = 8192  # of a batch at most
_BYTES = 16 << 20  # of a batch at most, unless it is one row
_READ_ROWS = 1024  # that are read of parquet at once: few, as a long text may lie there once for many rows
_BUFFER = 1 << 20  # bytes of a parquet column that are read at once
_TEXT_ROWS = 4096
_TEXT_SIZE = 8 << 20  # characters of a batch of text, at most by one row more
_SAMPLE_ROWS = 200  # that tell the types of a CSV


@dataclass(frozen=True)
class Batch:
    """Some rows of a file: an Arrow record batch, or rows in Python where the file is of text. `first` is from 0."""

    file: Path
    first: int
    arrow: Any = None
    rows: tuple[dict[str, Any], ...] = ()

    @property
    def count(self) -> int:
        return len(self.rows) if self.arrow is None else int(self.arrow.num_rows)


def batches(
    files: Iterable[Path],
    form: str,
    columns: Iterable[str] | None = None,
    decoded: frozenset[str] = frozenset(),
    texts: frozenset[str] = frozenset(),
) -> Iterator[Batch]:
    """The rows of files of one format (a builder's name), of some `columns` alone where they are given.

    `decoded` are columns that hold JSON as text; `texts` those whose cells a CSV is to give as they are written, where
    it gives numbers otherwise. Raises StudioError, with the file, where one is broken.
    """
    import pyarrow

    wanted = None if columns is None else list(columns)
    for file in files:
        try:
            if form in ("parquet", "arrow"):
                for batch in _arrow_batches(file, form, wanted):
                    yield batch if not decoded else _decoded(batch, decoded)
            elif form == "json" and _has_lines(file):
                yield from _json_batches(file, wanted)
            else:
                yield from (_gathered(batch, wanted) for batch in _text_batches(file, form, texts))
        except BROKEN as error:
            raise not_whole(file) from error
        except pyarrow.ArrowException as error:
            raise StudioError(
                f"{file} is broken: {str(error).rstrip('.')}.", "Download it again, or write it anew."
            ) from error
        except OSError as error:
            raise StudioError(f"{file} cannot be read: {error.strerror or error}.", "Check its disk.") from error


def _arrow_batches(file: Path, form: str, columns: list[str] | None) -> Iterator[Batch]:

    first = 0
    for batch in _parquet_batches(file, columns) if form == "parquet" else _stored_batches(file, columns):
        yield Batch(file, first, batch)
        first += batch.num_rows


def _stored_batches(file: Path, columns: list[str] | None) -> Iterator[Any]:
    """The rows of an arrow file: views of it."""
    import pyarrow

    with pyarrow.memory_map(str(file)) as source:
        try:
            reader = pyarrow.ipc.open_stream(source)
        except (pyarrow.ArrowInvalid, OSError):
            opened = pyarrow.ipc.open_file(source)
            reader = (opened.get_batch(number) for number in range(opened.num_record_batches))
        for whole in reader:
            kept = whole if columns is None else whole.select([name for name in columns if name in whole.schema.names])
            yield from _portions(kept)


def _parquet_batches(file: Path, columns: list[str] | None) -> Iterator[Any]:
    """The rows of a parquet file, of whose row groups one may be all of it: small reads, put together again."""
    import pyarrow
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(file, buffer_size=_BUFFER, pre_buffer=False) as opened:
        names = opened.schema_arrow.names
        there = names if columns is None else [name for name in columns if name in names]
        held: list[Any] = []
        for group in range(opened.metadata.num_row_groups):
            size = max(1, min(_READ_ROWS, _BYTES // max(_row_bytes(opened.metadata.row_group(group), there), 1)))
            for batch in opened.iter_batches(batch_size=size, row_groups=[group], columns=there):
                weight = sum(map(_weight, held)) + _weight(batch)
                if held and (weight > _BYTES or sum(one.num_rows for one in held) + batch.num_rows > ROWS):
                    yield from _portions(_joined(held))
                    held = []
                held.append(batch)
        if held:
            yield from _portions(_joined(held))


def _row_bytes(group: Any, columns: list[str]) -> int:
    """About how many bytes a row of a row group has in some columns, as far as its head tells."""
    stored = (group.column(number) for number in range(group.num_columns))
    sizes = [one.total_uncompressed_size for one in stored if one.path_in_schema.split(".")[0] in columns]
    return int(sum(sizes) // max(group.num_rows, 1))


def _joined(held: list[Any]) -> Any:
    import pyarrow

    return held[0] if len(held) == 1 else pyarrow.Table.from_batches(held).combine_chunks()


def _weight(batch: Any) -> int:
    """About the bytes of a batch's cells: of cells that are named by number, each as long as they are on average."""
    import pyarrow

    total = 0
    for column in batch.columns:
        if pyarrow.types.is_dictionary(column.type) and isinstance(column, pyarrow.DictionaryArray):
            each = column.dictionary.nbytes // max(1, len(column.dictionary))
            total += column.indices.nbytes + each * len(column)
        else:
            total += column.nbytes
    return int(total)


def _portions(batch: Any) -> Iterator[Any]:
    """Rows in parts that are neither of too many rows nor of too many bytes, unless one row alone is."""
    count = batch.num_rows
    if count <= ROWS and (count <= 1 or _weight(batch) <= _BYTES):
        yield batch
        return
    half = ROWS if count > ROWS else count // 2
    for start in range(0, count, half):
        yield from _portions(batch.slice(start, half))


def _decoded(batch: Batch, names: frozenset[str]) -> Batch:
    rows = batch.arrow.to_pylist()
    for row in rows:
        for name in names & row.keys():
            row[name] = _from_json(row[name])
    return Batch(batch.file, batch.first, rows=tuple(rows))


def _from_json(cell: Any) -> Any:
    if isinstance(cell, list):
        return [_from_json(one) for one in cell]
    try:
        return json.loads(cell) if isinstance(cell, str) else cell
    except ValueError:
        return cell


def _has_lines(file: Path) -> bool:
    """Whether a JSON file has an object in each line."""
    with opened(file) as binary:
        try:
            return isinstance(json.loads(binary.readline(MAX_ROW)), dict)
        except ValueError:
            return False


def _json_batches(file: Path, columns: list[str] | None) -> Iterator[Batch]:
    """Lines of JSON by Arrow's reader where the cells are plain, which is much faster, else in Python."""
    from studio.adapters.jsonpieces import goes_over_lines, pieces, rows_of

    first, line = 0, 1
    with opened(file) as binary:
        for piece in pieces(binary, _TEXT_SIZE, str(file)):
            if goes_over_lines(piece):  # its last object may go on in the next one
                begins = Mark(first, binary.tell() - len(piece), line)
                yield from (_gathered(batch, columns) for batch in _text_batches(file, "json", begins=begins))
                return
            arrow = _plain(piece, columns)
            if arrow is not None:
                for start in range(0, arrow.num_rows, ROWS):
                    yield Batch(file, first + start, arrow.slice(start, ROWS))
                first += arrow.num_rows
            else:
                rows = rows_of(piece, str(file), line)
                for start in range(0, len(rows), _TEXT_ROWS):
                    yield Batch(file, first + start, rows=tuple(rows[start : start + _TEXT_ROWS]))
                first += len(rows)
            line += piece.count(b"\n")


def _plain(piece: bytes, columns: list[str] | None) -> Any:
    """The columns of a piece, where each cell in them is a text, a whole number, a truth value or none; else None.

    Arrow would make a date of a text that looks like one, and give objects the keys of their neighbours.
    """
    import pyarrow

    from studio.adapters.jsonpieces import read_piece

    try:
        table = read_piece(piece)
    except pyarrow.ArrowException:
        return None
    kept = table if columns is None else table.select([name for name in columns if name in table.schema.names])
    return kept.combine_chunks() if _are_plain(kept) else None


def _are_plain(table: Any) -> bool:
    import pyarrow

    told = (pyarrow.types.is_string, pyarrow.types.is_int64, pyarrow.types.is_boolean, pyarrow.types.is_null)
    return bool(table.num_columns) and all(any(is_one(kind) for is_one in told) for kind in table.schema.types)


def _gathered(batch: Batch, columns: list[str] | None) -> Batch:
    """Rows as columns where their cells are plain: those are mapped as wholes."""
    import pyarrow

    names = list(dict.fromkeys(name for row in batch.rows for name in row))
    kept = names if columns is None else [name for name in columns if name in names]
    try:
        table = pyarrow.table({name: [row.get(name) for row in batch.rows] for name in kept})
    except (pyarrow.ArrowException, TypeError, ValueError, OverflowError):
        return batch
    return Batch(batch.file, batch.first, table) if _are_plain(table) else batch


def _text_batches(
    file: Path, form: str, texts: frozenset[str] = frozenset(), begins: Mark | None = None
) -> Iterator[Batch]:
    begins = begins or Mark()
    first, size, kept = begins.row, 0, []
    with opened(file) as binary:
        for row in _text_rows(binary, file, form, texts, begins):
            kept.append(row)
            size += _size(row)
            if len(kept) >= _TEXT_ROWS or size >= _TEXT_SIZE:
                yield Batch(file, first, rows=tuple(kept))
                first, size, kept = first + len(kept), 0, []
    if kept:
        yield Batch(file, first, rows=tuple(kept))


def _size(cell: Any) -> int:
    """About how many characters a cell is of."""
    if isinstance(cell, dict):
        return sum(map(_size, cell.values()))
    if isinstance(cell, list):
        return sum(map(_size, cell))
    return len(cell) if isinstance(cell, str) else 16


def _text_rows(
    binary: BinaryIO, file: Path, form: str, texts: frozenset[str], begins: Mark
) -> Iterator[dict[str, Any]]:
    if form == "json":
        yield from json_rows(binary, str(file), begins)
    elif form == "text":
        for line in binary:
            yield {"text": line.decode("utf-8", "replace").rstrip("\r\n")}
    else:
        rows = csv_rows(binary, str(file), "\t" if ".tsv" in file.suffixes else ",")
        ahead = list(islice(rows, _SAMPLE_ROWS))
        types = {name: convert for name, convert in csv_types(ahead).items() if name not in texts}
        for row in chain(ahead, rows):
            yield {name: _typed(cell, types.get(name, str)) for name, cell in row.items()}


def _typed(cell: str | None, convert: Callable[[str], Any]) -> Any:
    try:
        return None if cell is None else convert(cell)
    except ValueError:
        return cell
