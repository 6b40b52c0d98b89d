"""JSON that is one value: the datasets library reads it whole, here it comes in parts whose types are told first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from studio.adapters.archives import size_of
from studio.adapters.jsonpieces import Mixed, Row, changed, encoded, first_line, read_piece
from studio.adapters.jsonpieces import Path as Place
from studio.adapters.packed import is_packed, opened
from studio.domain.row_text import ArrayReader, ObjectsReader, json_reader, json_rows

PART_ROWS = 10_000
KEPT_BYTES = 64 << 20  # of parts that need not be read again
_MARK = b"\xef\xbb\xbf"
_BLOCK = (10 << 20) // 32
_SPREAD = "Put each object on a line of its own."
SEVERAL = f"The datasets library reads it line by line where cells are of several kinds, and stops. {_SPREAD}"
_CUT = f"The datasets library reads such a file in blocks, and stops where one cuts through an object. {_SPREAD}"


Part = tuple[list[Row], int]


def parts(file: Path) -> Iterator[Part]:
    """The rows of a file in parts of which each has room in memory, and up to which of its bytes it was read."""
    size = size_of(file)
    with opened(file) as binary:
        rows = json_rows(binary, str(file))
        while some := list(islice(rows, PART_ROWS)):
            yield some, size if binary.closed or is_packed(file) else binary.tell()


class Layout(NamedTuple):
    """What a JSON file is to the library."""

    one: bool = False  # one value, which it reads whole
    spread: bool = False  # objects that do not stand one a line
    listed: bool = False  # a list from the first byte on
    plain: bool = False  # a list behind a space
    marked: bool = False  # a byte order mark comes first


def layout(file: Path) -> Layout:
    """How a JSON file is laid out. Raises StudioError, with the line, for one that begins broken."""
    with opened(file) as binary:
        marked = binary.read(len(_MARK)) == _MARK
        binary.seek(0)
        reader = json_reader(binary, str(file))
        if isinstance(reader, ArrayReader):
            return Layout(one=True, listed=reader.texts is not None, plain=reader.texts is None, marked=marked)
        if not isinstance(reader, ObjectsReader):
            return Layout(marked=marked)
        one = len(list(islice(reader, 2))) == 1
    return Layout(one, spread=not one, marked=marked)


def blocks(pieces: Iterable[bytes]) -> Iterator[tuple[bytes, int, int]]:
    """The pieces of a file, each with its first line and in how many bytes at a time the library has Arrow read it."""
    line, block = 1, _BLOCK
    for piece in pieces:
        block = len(piece) if len(piece) // 8 > block else block  # it stays so for what comes after
        yield piece, line, block
        line += piece.count(b"\n")


def read_through(file: Path, before: int, piece: bytes) -> None:
    """Reads a file's objects as far as a piece that begins with row `before` may have them.

    Raises StudioError, with the line, where they are broken.
    """
    seen, most = 0, before + piece.count(b"{")
    for rows, _ in parts(file):
        seen += len(rows)
        if seen > most:
            return


def unread(file: Path, error: Exception) -> tuple[str, str]:
    """Why Arrow does not read what are objects, though not one a line: what is wrong, and why."""
    place = changed(str(error))
    if place and place[0]:
        return f"`{place[0]}` changes its type in objects that do not stand one a line.", SEVERAL
    return f"{file} has objects that do not stand one a line, and is not read: {first_line(error)}.", _CUT


class WholeTypes:
    """The types that hold for all parts of a value, as they are when it is read at once.

    `first` says that its types hold for what comes after it, so that objects of different keys are mixed cells. Where
    `dated` is false texts stay texts, though they say times.
    """

    def __init__(self, mixed: Mixed, first: bool, dated: bool) -> None:
        self._mixed, self._first, self._dated = mixed, first, dated
        self._kind: Any = None
        self._kept: list[Any] = []
        self._room = KEPT_BYTES

    def add(self, rows: list[Row]) -> list[Place]:
        """Takes the types of a part in. Returns where its cells are of several kinds, or of others than before."""
        known = [*self._mixed.raw, *self._mixed.written]
        table = self._mixed.table(encoded(rows, ()), rows, self._first)
        self._room -= table.nbytes
        if self._room >= 0:
            self._kept.append(table)
        unlike: list[Place] = []
        kind = pa.struct(list(table.schema.remove_metadata()))
        self._kind = kind if self._kind is None else self._joined(self._kind, kind, (), unlike)
        self._mixed.add(unlike, self._first)
        return [path for path in (*self._mixed.raw, *self._mixed.written) if path not in known]

    def kept(self) -> list[Any]:
        """The first parts as tables of the types of all, as far as they had those at once and there was room."""
        found: list[Any] = []
        kind = self._kind if self._dated else _undated(self._kind)
        tables, self._kept = () if self._mixed.raw or self._mixed.written else self._kept, []
        for table in tables:
            held = {name: table.column(name) for name in table.column_names}
            nothing = pa.nulls(table.num_rows)
            cells = [held.get(field.name, nothing) for field in kind]
            if any(one.type not in (field.type, pa.null()) for one, field in zip(cells, kind, strict=True)):
                break
            columns = [
                one if one.type == field.type else pa.nulls(table.num_rows, field.type)
                for one, field in zip(cells, kind, strict=True)
            ]
            found.append(pa.Table.from_arrays(columns, schema=pa.schema(list(kind))))
        return found

    def table(self, rows: list[Row]) -> Any:
        """A part as an Arrow table of the types of all parts."""
        kind = self._kind if self._dated else _undated(self._kind)
        return read_piece(encoded(rows, [*self._mixed.raw, *self._mixed.written]), pa.schema(list(kind)))

    def _joined(self, one: Any, other: Any, path: Place, unlike: list[Place]) -> Any:
        """The type of cells of two types in one place; where there is none, they are written as text."""
        if one == other or pa.types.is_null(other):
            return one
        if pa.types.is_null(one):
            return other
        if pa.types.is_struct(one) and pa.types.is_struct(other):
            fields, more = ({field.name: field.type for field in kind} for kind in (one, other))
            if not (path and self._first and fields.keys() != more.keys()):
                for name, kind in more.items():
                    fields[name] = self._joined(fields.get(name, pa.null()), kind, (*path, name), unlike)
                return pa.struct(list(fields.items()))
        if pa.types.is_list(one) and pa.types.is_list(other):
            return pa.list_(self._joined(one.value_type, other.value_type, (*path, 0), unlike))
        for narrow, wide in ((pa.types.is_int64, pa.float64()), (pa.types.is_timestamp, pa.string())):
            if (narrow(one) and other == wide) or (narrow(other) and one == wide):
                return wide
        unlike.append(path)
        return pa.string()


def _undated(kind: Any) -> Any:
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, _undated(field.type)) for field in kind])
    if pa.types.is_list(kind):
        return pa.list_(_undated(kind.value_type))
    return pa.string() if pa.types.is_timestamp(kind) else kind
