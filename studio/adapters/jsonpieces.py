"""JSON in pieces, as the datasets library reads it: the first says the types, and mixed cells become JSON text."""

from __future__ import annotations

import gzip
import io
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.json

from studio.domain.errors import StudioError
from studio.domain.findings import Finding, Where, row_name
from studio.domain.row_text import MAX_ROW, Reader, TooBig, json_reader, whole_number

Path = tuple[str | int, ...]  # the keys from a row down to a cell; 0 stands for every item of a list
Row = dict[str, Any]
_OPEN = re.compile(rb"[^}\s]\s*\n")
_LONG_NUMBER = re.compile(rb"[0-9]{19}")
_AT_ONCE = 64 << 10  # bytes of a packed file


class NullFirst(pa.ArrowInvalid):  # type: ignore[misc]
    """A list begins with null in the `place`th row of a piece, and nothing can be made of its `column` with that."""

    def __init__(self, column: str, place: int) -> None:
        super().__init__(f"{column} begins with null")
        self.column, self.place = column, place

    def finding(self, file: PurePath, row: int) -> Finding:
        """What is wrong in which row."""
        what = f"`{self.column}` has a list that begins with null in {row_name(row)}."
        why = (
            "The datasets library then wants the same types in each row, lists with whole numbers and others with "
            "decimals are two, and each row on a line of its own, no line blank: it stops there. Take the null out of "
            "the list."
        )
        return Finding("error", Where("file", str(file), row), what, why)


def pieces(file: BinaryIO, size: int, name: str) -> Iterator[bytes]:
    """A file in pieces of some `size` bytes that end with a line.

    Of a packed file that breaks off the whole lines come, before the EOFError. Raises StudioError for an endless line.
    """
    first = True
    while True:
        piece, broken = _read(file, size, name)
        if first:
            piece, first = piece.removeprefix(b"\xef\xbb\xbf"), False
        if broken is not None:
            whole = piece[: piece.rfind(b"\n") + 1]
            if whole:
                yield whole
            raise broken
        if not piece:
            return
        yield piece


def _read(file: BinaryIO, size: int, name: str) -> tuple[bytes, EOFError | None]:
    """Some `size` bytes and the rest of their last line, or what there is of them and what then went wrong."""
    if not isinstance(file, gzip.GzipFile):
        piece, rest = file.read(size), file.readline(MAX_ROW)
        if len(rest) == MAX_ROW and not rest.endswith(b"\n"):
            raise StudioError(f"{name} has a line that is too long.", "Use one row a line.")
        return piece + rest, None
    parts: list[bytes] = []
    held = 0
    try:
        while held < size and (part := file.read1(min(_AT_ONCE, size - held))):
            parts.append(part)
            held += len(part)
        while parts and not parts[-1].endswith(b"\n") and (part := file.readline(_AT_ONCE)):
            parts.append(part)
    except EOFError as error:
        return b"".join(parts), error
    return b"".join(parts), None


def goes_over_lines(piece: bytes) -> bool:
    """Whether a piece has lines that do not end as an object does; if none is broken, objects go on in the next."""
    open_ = piece.count(b"\n") - piece.count(b"}\n")
    return open_ > 0 and open_ != piece.count(b"}\r\n") and _OPEN.search(piece) is not None


def rows_of(piece: bytes, name: str, line: int) -> list[Row]:
    """The rows of a piece that begins with line `line` of the file. Raises StudioError, with the line that is wrong."""
    reader = _reader(piece, name, line)
    return [reader.cells(found) for found in reader]


def rows_in_lines(piece: bytes, name: str, line: int) -> list[Row] | None:
    """The rows of a piece, as `rows_of` has them; None where its lines are not one row each.

    The datasets library does not look into such a piece by itself, and takes what Arrow makes of it.
    """
    reader = _reader(piece, name, line)
    rows = [reader.cells(found) for found in reader]
    return rows if reader.even else None


def _reader(piece: bytes, name: str, line: int) -> Reader:
    reader = json_reader(io.BytesIO(piece), name)
    reader.line = line
    return reader


class Mixed:
    """What is known of cells of several kinds in one place: `raw` ones were seen in the first piece.

    Those stay what they are, where they are `decoded`. In a later piece the types are fixed, and such cells are written
    out as JSON text.
    """

    def __init__(self, decoded: bool = True) -> None:
        self._decoded = decoded
        self.raw: list[Path] = []
        self.written: list[Path] = []

    def table(self, piece: bytes, rows: list[Row] | None, first: bool, block: int | None = None) -> Any:
        """A piece as an Arrow table, its mixed cells as JSON text. Raises ArrowException where it is no such thing.

        It is read in blocks of so many bytes where it is said of how many.
        """
        unlike = _mixed_objects(rows) if first and rows is not None else []
        if unlike and not (_LONG_NUMBER.search(piece) and _too_big(piece)):
            self.add(unlike, first)
        known = [*self.raw, *self.written]
        if known and _LONG_NUMBER.search(piece):
            _check_numbers(piece)
        text = encoded(rows or [], known) if known else piece
        while True:
            try:
                return read_piece(text, block=block)
            except pa.ArrowInvalid as error:
                path = changed(str(error), rows or ())
                if rows is None or path is None or path in known:
                    raise
                self.add([path], first)
                if _LONG_NUMBER.search(piece):
                    _check_numbers(piece)
                known = [*self.raw, *self.written]
                text = encoded(rows, known)

    def add(self, paths: Iterable[Path], first: bool) -> None:
        """Notes where cells are of several kinds."""
        kept = self.raw if first and self._decoded else self.written
        kept += [path for path in paths if path not in kept]

    def columns(self) -> set[str]:
        """The columns with cells of several kinds in the first piece."""
        return {str(path[0]) for path in self.raw}

    def cells(self, rows: list[Row]) -> dict[str, list[Any]]:
        """The cells of those columns as they come back from JSON text."""
        raw: dict[str, list[Any]] = {}
        for path in self.raw:
            name = str(path[0])
            cells = raw.get(name) or [row.get(name) for row in rows]
            raw[name] = [loaded(cell, path[1:]) for cell in cells]
        return raw


def _check_numbers(piece: bytes) -> None:
    """Raises ArrowInvalid where a piece whose cells are written anew holds a number that the library cannot read."""
    error = _too_big(piece)
    if error is not None:
        raise pa.ArrowInvalid(f"it {error}")


def _too_big(piece: bytes) -> TooBig | None:
    """What is wrong with the first number in a piece that the library cannot read by itself, as Arrow can."""
    try:
        for line in piece.splitlines():
            json.loads(line, parse_int=whole_number)
    except TooBig as error:
        return error
    return None


def read_piece(piece: bytes, schema: Any = None, block: int | None = None) -> Any:
    """Lines of JSON as an Arrow table, of the types of a `schema` where one is given.

    Raises ArrowException where they are none, or of several kinds. A block of bytes ends with a line, so it may cut
    through an object over several.
    """
    parsing = pyarrow.json.ParseOptions(explicit_schema=schema)
    size = block or max(len(piece) // 8, 1 << 20)
    while True:
        try:
            options = pyarrow.json.ReadOptions(block_size=size)
            table = pyarrow.json.read_json(io.BytesIO(piece), read_options=options, parse_options=parsing)
            break
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            if size >= len(piece) or not ("straddling" in str(error) or "JSON conversion to" in str(error)):
                raise
            size *= 2  # a row was longer than a block
    try:
        table.validate()
    except pa.ArrowInvalid:
        return _row_by_row(piece, table)
    return table


def first_unread(piece: bytes) -> int:
    """How many lines come before the first one that Arrow does not read even by itself; 0 where it reads each."""
    return _unread(piece.split(b"\n"), 0) or 0


def _unread(lines: list[bytes], before: int) -> int | None:
    text = b"\n".join(lines)
    if not text.strip():
        return None
    try:
        read_piece(text)
    except pa.ArrowInvalid:
        half = len(lines) // 2
        if half == 0:
            return before
        found = _unread(lines[:half], before)
        return _unread(lines[half:], before + half) if found is None else found
    return None


def _row_by_row(piece: bytes, table: Any) -> Any:
    """The table that the datasets library makes of a piece that Arrow misread: of each row by itself, put together.

    Arrow loses count of the items where the first list of a column begins with null. Raises NullFirst where the library
    stops there: the rows by themselves are of several types then, or a line is blank or no row.
    """
    try:
        rows = [json.loads(line) for line in piece.splitlines()]
        schemas: dict[Any, Any] = {}
        for row in rows:
            made = make_of(row)
            if made not in schemas:  # a table of each row would take a hundred times as long
                schemas[made] = pa.Table.from_pylist([row]).schema
        schema = pa.unify_schemas(list(schemas.values()), promote_options="default")
        return pa.Table.from_pylist(rows, schema=schema)
    except (ValueError, TypeError, OverflowError, pa.ArrowException):
        name = next(name for name in table.column_names if not _is_valid(table.column(name)))
        firsts = (place for place, row in enumerate(rows_of(piece, "", 1)) if _begins_with_null(row.get(name)))
        raise NullFirst(name, next(firsts, 0)) from None


def make_of(cell: Any) -> Any:
    """What tells the Arrow type of a cell: cells that are alike in it have the same."""
    if isinstance(cell, dict):
        return tuple((key, make_of(value)) for key, value in cell.items())
    if isinstance(cell, list):
        return list, tuple(dict.fromkeys(map(make_of, cell)))
    return type(cell)


def _is_valid(column: Any) -> bool:
    try:
        column.validate()
    except pa.ArrowInvalid:
        return False
    return True


def _begins_with_null(cell: Any) -> bool:
    if isinstance(cell, dict):
        return any(map(_begins_with_null, cell.values()))
    return isinstance(cell, list) and bool(cell) and (cell[0] is None or any(map(_begins_with_null, cell)))


def changed(error: str, rows: Iterable[Row] = ()) -> Path | None:
    """The place whose cells Arrow found to be of several kinds; None where it stopped at something else.

    Arrow tells no / and no [] in a key from those that part keys: there are `rows` to find the place in.
    """
    if "Column(" not in error or ") changed from" not in error:
        return None
    place = error.split("Column(", 1)[1].rsplit(") changed from", 1)[0]
    if rows and ("/" in place[1:] or place == "/[]"):
        found = {path for row in rows for path in _told_so(row, place)}
        return found.pop() if len(found) == 1 else None
    return tuple(0 if part == "[]" else part for part in place.strip("/").split("/")) or None


def _told_so(cell: Any, place: str) -> Iterator[Path]:
    """The paths in a cell that Arrow calls by the name of a place."""
    if not place:
        yield ()
    elif isinstance(cell, dict):
        for key, value in cell.items():
            if f"{place}/".startswith(f"/{key}/"):
                yield from ((key, *path) for path in _told_so(value, place[len(key) + 1 :]))
    elif isinstance(cell, list) and f"{place}/".startswith("/[]/"):
        for item in cell:
            yield from ((0, *path) for path in _told_so(item, place[3:]))


def encoded(rows: Iterable[Row], paths: Iterable[Path]) -> bytes:
    """Rows as lines of JSON, the cells in some places as JSON text."""
    for path in paths:
        rows = [_write(row, path) for row in rows]
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode("utf-8", "surrogatepass")


def _write(cell: Any, path: Path) -> Any:
    if cell is None:
        return None
    if not path:
        return cell if isinstance(cell, str) and _is_json(cell) else json.dumps(cell, ensure_ascii=False)
    if path[0] == 0:
        return [_write(item, path[1:]) for item in cell] if isinstance(cell, list) else cell
    return {**cell, path[0]: _write(cell.get(path[0]), path[1:])} if isinstance(cell, dict) else cell


def loaded(cell: Any, path: Path) -> Any:
    """A cell as it comes back from JSON text: a text that is JSON by itself is no text any more."""
    if cell is None:
        return None
    if not path:
        return json.loads(cell) if isinstance(cell, str) and _is_json(cell) else cell
    if path[0] == 0:
        return [loaded(item, path[1:]) for item in cell] if isinstance(cell, list) else cell
    return {**cell, path[0]: loaded(cell.get(path[0]), path[1:])} if isinstance(cell, dict) else cell


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _mixed_objects(rows: list[Row]) -> list[Path]:
    """Where objects have different keys, or objects and lists stand beside other cells."""
    found: list[Path] = []
    waiting: list[tuple[Path, list[Any]]] = [((), list(rows))]
    while waiting:
        path, cells = waiting.pop(0)
        if all(isinstance(cell, dict) for cell in cells):
            if path and (not cells[0] or any(cell.keys() != cells[0].keys() for cell in cells)):
                found.append(path)
                continue
            for key in {key for cell in cells for key in cell}:
                below = [cell[key] for cell in cells if cell.get(key) is not None]
                if below:
                    waiting.append(((*path, key), below))
        elif all(isinstance(cell, list) for cell in cells):
            items = [item for cell in cells for item in cell if item is not None]
            if items:
                waiting.append(((*path, 0), items))
        elif any(isinstance(cell, (dict, list)) for cell in cells):
            found.append(path)
    return found


def first_mixed(rows: list[Row], path: Path) -> int:
    """The first row whose cell in a place is of another kind than those before."""
    seen: set[type] = set()
    for place, row in enumerate(rows):
        kinds = {float if type(cell) is int else type(cell) for cell in _cells(row, path) if cell is not None}
        if (seen and kinds - seen) or len(kinds) > 1:
            return place
        seen |= kinds
    return 0


def _cells(cell: Any, path: Path) -> Iterator[Any]:
    if not path:
        yield cell
    elif path[0] == 0 and isinstance(cell, list):
        for item in cell:
            yield from _cells(item, path[1:])
    elif isinstance(cell, dict):
        yield from _cells(cell.get(str(path[0])), path[1:])
    elif cell is not None:
        yield cell


def first_line(error: object) -> str:
    """What went wrong with a piece, for a sentence; without Arrow's number of the row, which is that within a block."""
    said = str(error).strip().splitlines() or [type(error).__name__]
    return re.sub(r" in row \d+$", "", said[0].rstrip(".")).rstrip(".")
