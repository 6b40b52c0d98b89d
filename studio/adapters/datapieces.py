"""All rows of data files, piece by piece, as Arrow columns, and what would stop the datasets library on the way."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from studio.adapters import jsonpieces
from studio.adapters.archives import size_of
from studio.adapters.csvframes import frame_table, no_csv
from studio.adapters.dataschema import decoded, has_json, schema_columns, schema_features
from studio.adapters.fitting import STOPS, Misfit, Stopped, fitted, whole
from studio.adapters.jsonlists import SEVERAL, Layout, Part, WholeTypes, blocks, layout, parts, read_through, unread
from studio.adapters.jsonpieces import Mixed, NullFirst, encoded, first_mixed, goes_over_lines, pieces, rows_in_lines
from studio.adapters.packed import BROKEN, is_packed, not_whole, opened
from studio.adapters.single_rows import SingleRows
from studio.domain.columns import Column
from studio.domain.errors import StudioError
from studio.domain.features import Feature
from studio.domain.findings import Finding, Where, beyond, row_name

# The pieces in which the datasets library reads: the types of the first one hold for all.
JSON_BYTES = 10 << 20
CSV_ROWS = 10_000
_MARKED = "The datasets library takes it for broken lines then. Save it as UTF-8 without a mark."
_Read = Callable[[], tuple[Any, list[dict[str, Any]]]]  # a table, and its rows where cells are of several kinds
_BATCH_BYTES = 32 << 20


@dataclass(frozen=True)
class Piece:
    """Some rows in a row: each column an Arrow array, or a list of cells where they are of several kinds."""

    start: int
    rows: int
    columns: Mapping[str, Any]


class Pieces:
    """The rows of a split, from its files. `warnings` are what was found on the way and stops nothing.

    `columns` are the split's; only those that are `wanted` are handed out. `share` is how much has been read, 0 to 1.
    Of a split that is loaded `after` another one, that one says the types; where it is `loose`, each piece has its own.
    What `streams` reads each file by itself. `begins` are the first rows of its files.
    """

    def __init__(
        self,
        form: str,
        files: Sequence[Path],
        columns: Iterable[Column],
        wanted: Iterable[str],
        size: int | None = None,
        after: Pieces | None = None,
    ) -> None:
        self._form, self._files, self._size = form, files, size
        self._columns = {column.name: column for column in columns}
        self._wanted = tuple(wanted)
        # Text files have JSON text nowhere: their mixed cells are told from what is read.
        stored = self._wanted if form in ("parquet", "arrow") else ()
        self._json = {name for name in stored if name in self._columns and has_json(self._columns[name])}
        self._schema: Any = after._schema if after else None
        self._after = after
        self.streams: bool = after is not None and after.streams
        self.loose: bool = after is not None and after.loose
        self._varied: set[str] = set()
        self._mixed = Mixed(decoded=not self.loose)
        self._mixed.raw += after._mixed.raw if after else ()
        self._typed = self._schema is not None
        self._untyped = form == "csv" and not self._typed  # the library knows no types before it writes
        self._single: SingleRows | None = None
        self._read = 0  # bytes of files that were read whole
        self._all = sum(map(size_of, files)) or 1
        self.warnings: list[Finding] = []
        self.share = 0.0
        self.start = 0
        self.file = files[0] if files else Path()
        self.begins: list[int] = []

    def __iter__(self) -> Iterator[Piece]:
        """Raises Stopped where the loading would end."""
        read = {"json": self._jsons, "csv": self._csvs, "parquet": self._parquet, "arrow": self._arrow}
        for file in self._files:
            self.file, self._single = file, self._single or SingleRows()
            self.begins.append(self.start)
            if self.streams and self._after:  # of a stream each file is read by itself
                self._mixed = Mixed(decoded=not self.loose)
                self._mixed.raw += self._after._mixed.raw
            with self._told():
                yield from read.get(self._form, self._texts)()
            self._read += size_of(self.file)
        self.share = 1.0

    def schema(self, known: Sequence[Column]) -> tuple[Column, ...]:
        """The columns of JSON by all that was read, beside those that its first rows say; none in other formats."""
        if self._form != "json":
            return ()
        found: dict[str, Column] = {}
        if self._schema is not None:
            found = {column.name: column for column in schema_columns(self._schema)}
            found |= {name: Column(name, "json") for name in self._mixed.columns() & found.keys()}
        varied = {name: Column(name, "json") for name in self._varied}
        said = {column.name: column for column in known if column.type != "null" or column.name not in found}
        return tuple({**found, **said, **({**found, **varied} if self.loose else {})}.values())

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What goes wrong with a file, as the Finding that ends the reading."""
        try:
            yield
        except Misfit as error:
            raise Stopped(self._misfit(error)) from error
        except StudioError as error:
            what = error.message if error.line else f"{error.message.removesuffix('.')}{beyond(self.start)}."
            raise self._stop(what, error.hint, error.line) from error
        except BROKEN as error:
            raise self._cut(error) from error
        except UnicodeDecodeError as error:
            what = f"{self.file} is no UTF-8 text{beyond(self.start)}: {error.reason}."
            raise self._stop(what, "Save it as UTF-8.") from error
        except (pa.ArrowException, OSError) as error:
            what = f"{self.file} is broken{beyond(self.start)}: {jsonpieces.first_line(error)}."
            raise self._stop(what, "Download it again, or write it anew.") from error

    def _stop(self, message: str, why: str, line: int | None = None) -> Stopped:
        where = Where("file", str(self.file), None if line else self.start, line)
        return Stopped(Finding("error", where, message, why))

    def _cut(self, error: Exception) -> Stopped:
        """A packed file that breaks off: of lines it is known in which row, of others not."""
        reached = self._form == "json" and isinstance(error, EOFError) and self.start > 0
        where = Where("file", str(self.file), self.start if reached else None)
        told = not_whole(self.file)
        broken = f": it breaks off in {row_name(self.start)}." if reached else "."
        what = told.message.removesuffix(".") + broken
        return Stopped(Finding("error", where, what, told.hint))

    def _misfit(self, error: Misfit) -> Finding:
        before = "the split that is loaded before it has" if self._typed else "the first rows have"
        before = "what is loaded before it has" if self.streams else before
        return error.finding(self.file, self.start + error.place, before)

    def _piece(self, table: Any, raw: Mapping[str, list[Any]] | None = None) -> Piece:
        """A table as a piece, made to fit the first one."""
        if self._schema is None:
            self._schema = table.schema.remove_metadata()
        if self.loose:
            self._vary(table.schema)
        else:
            if self._single and self._untyped and not (self.streams or self._mixed.raw):
                self._single.add(table, self.file, self.start)
            table = fitted(table, self._schema, not self._untyped)  # where objects may become JSON in texts
        found: dict[str, Any] = {}
        held = set(table.column_names)  # made anew at each asking: of thousands of columns that takes long
        for name in self._wanted:
            if raw and name in raw:
                found[name] = raw[name]
            elif name in held:
                array = whole(table.column(name))
                found[name] = decoded(array, self._columns[name]) if name in self._json else array
        piece = Piece(self.start, table.num_rows, found)
        self.start += table.num_rows
        return piece

    def _vary(self, schema: Any) -> None:
        """Takes in the types of a piece that has its own."""
        known = {field.name: field.type for field in self._schema}
        for field in schema:
            before = known.get(field.name, pa.null())
            if pa.types.is_null(before):
                known[field.name] = field.type
            elif field.type != before and not pa.types.is_null(field.type):
                self._varied.add(field.name)
        self._schema = pa.schema(list(known.items()))

    def _passed(self, place: int) -> None:
        if not is_packed(self.file):
            self.share = min(1.0, (self._read + place) / self._all)

    # --- JSON

    def _jsons(self) -> Iterator[Piece]:
        found_as = layout(self.file)
        if found_as.one:
            yield from self._one_value(found_as)
            return
        with opened(self.file) as file:
            read = pieces(file, self._size or JSON_BYTES, str(self.file))
            for number, (piece, line, block) in enumerate(blocks(read)):
                found = self._json_piece(piece, line, self._is_first(number), found_as.spread, block)
                if number == 0 and self._marked_behind(found_as) and (self._mixed.raw or self._mixed.written):
                    raise self._stop(f"{self.file} begins with a byte order mark.", _MARKED)
                if found is not None:
                    yield found
                self._passed(file.tell())

    @property
    def features(self) -> dict[str, Feature]:
        """The library's own types of the columns, as far as what was read tells them."""
        if self._schema is None:
            return {}
        whole = {str(path[0]): len(path) == 1 for path in self._mixed.raw}
        found = schema_features(self._schema, [name for name, top in whole.items() if not top])
        return found | {name: "json" for name, top in whole.items() if top}

    def _is_first(self, number: int) -> bool:
        """Whether piece `number` of a file is the one whose types hold for all."""
        return not self._typed and (self.streams or self.file == self._files[0]) and number == 0

    def _marked_behind(self, found_as: Layout) -> bool:
        """Whether a file has a byte order mark that the library does not take away."""
        return found_as.marked and len(self.begins) > 1 and not self.streams

    def _one_value(self, found_as: Layout) -> Iterator[Piece]:
        """A file that the library reads whole: a list is lines to it, but one behind a space is a table of pandas."""
        listed, plain = found_as.listed, found_as.plain
        first = listed and self._is_first(0)
        if not listed and (self._mixed.raw or self._mixed.written):
            column = [*self._mixed.raw, *self._mixed.written][0][0]
            what = f"{self.file} is no objects in lines, and `{column}` has cells of several kinds before it."
            why = "The datasets library then reads objects in lines alone, or a list from the first byte on."
            raise self._stop(what, why, 1)
        if (found_as.marked and plain) or (listed and self._marked_behind(found_as)):
            raise self._stop(f"{self.file} begins with a byte order mark, and is a list.", _MARKED)
        if self._schema is None and (listed or plain):
            self._untyped = True
        rows = parts(self.file)
        begun = list(islice(rows, 2))
        some, more = begun[0][0] if begun else [], len(begun) > 1
        self._single = None if more else self._single
        if some and not more and not plain:
            text = encoded(some, ()) if listed else encoded(some, ()).replace(b"{", b"{\n", 1)
            made = self._made(lambda: (self._mixed.table(text, some, first), some))
            if not listed and (self._mixed.raw or self._mixed.written):
                raise self._stop(f"{self.file} is one object over several lines.", SEVERAL)
            yield made
        elif some:
            yield from self._in_parts(WholeTypes(self._mixed, first, dated=listed), plain, chain(begun, rows))

    def _in_parts(self, types: WholeTypes, plain: bool, once: Iterator[Part]) -> Iterator[Piece]:
        """The parts of a file that the library reads whole; where it is `plain` no cells may be of several kinds."""
        start, mixed = self.start, self._mixed
        for rows, share in once:
            before = len(mixed.written)
            try:
                found = types.add(rows)
            except NullFirst as error:
                raise Stopped(error.finding(self.file, start + error.place)) from error
            if found and plain:
                row = start + first_mixed(rows, found[0])
                what = f"`{found[0][0]}` changes its type in {row_name(row)}."
                raise Stopped(Finding("error", Where("file", str(self.file), row), what, STOPS))
            for path in mixed.written[before:]:
                self._warn_written(path, start + first_mixed(rows, path), "all rows of the file")
            start += len(rows)
            self._passed(share // 2)
            yield Piece(self.start, 0, {})  # so that it is heard how far this is
        kept = types.kept()
        for table in kept:
            yield self._piece(table)
        if self.start == start:  # those were all
            return
        for rows, share in islice(parts(self.file), len(kept), None):
            yield self._made(lambda rows=rows: (types.table(rows), rows))  # type: ignore[misc]
            self._passed((size_of(self.file) + share) // 2)

    def _json_piece(self, piece: bytes, line: int, first: bool, spread: bool, block: int) -> Piece | None:
        if not piece.strip():
            return None
        spread = spread or goes_over_lines(piece)
        mixed, name = self._mixed, str(self.file)
        known = bool(mixed.raw or mixed.written)
        rows = rows_in_lines(piece, name, line) if (first or known) and not spread else None
        if known and rows is None:
            read_through(self.file, self.start, piece)
            raise self._stop(f"{self.file} has objects that do not stand one a line.", SEVERAL, line)

        def read() -> tuple[Any, list[dict[str, Any]]]:
            try:
                return mixed.table(piece, rows, first, block if spread else None), rows or []
            except pa.ArrowInvalid as error:
                if spread:
                    read_through(self.file, self.start, piece)
                told = None if spread else rows_in_lines(piece, name, line)  # names the line where it is broken
                types = jsonpieces.changed(str(error)) is not None
                if told is None and (isinstance(error, NullFirst) or not (spread or types)):
                    raise  # of lines it is looked for the one that is not read
                if told is None:
                    raise Stopped(self._stop(*unread(self.file, error), line).finding, types) from error
                return mixed.table(piece, told, first, block if spread else None), told or []

        return self._made(read, piece, line)

    def _made(self, read: _Read, piece: bytes = b"", line: int | None = None) -> Piece:
        """What was read of JSON: a `piece` of lines from `line` on, or some of a value, with rows where cells mix."""
        before = len(self._mixed.written)
        try:
            table, rows = read()
        except NullFirst as error:
            raise Stopped(error.finding(self.file, self.start + error.place), types=True) from error
        except pa.ArrowInvalid as error:
            what = f"{self.file} is broken: {jsonpieces.first_line(error)}."
            unread = None if line is None else line + jsonpieces.first_unread(piece)
            raise self._stop(what, STOPS, unread) from error
        for path in self._mixed.written[before:]:
            self._warn_written(path, self.start + first_mixed(rows, path), f"{len(rows):,} rows around it")
        return self._piece(table, self._mixed.cells(rows))

    def _warn_written(self, path: tuple[str | int, ...], row: int, rows: str) -> None:
        message = f"`{path[0]}` changes its type in {row_name(row)}."
        if 0 in path and self._untyped and not self.streams and len(self.begins) > 1:
            raise Stopped(Finding("error", Where("file", str(self.file), row), message, STOPS))
        why = f"The datasets library then writes {rows} as JSON: texts get quotes around them."
        self.warnings.append(Finding("warning", Where("file", str(self.file), row), message, why))

    # --- the other formats

    def _csvs(self) -> Iterator[Piece]:
        import pandas

        separator = "\t" if ".tsv" in self.file.suffixes else ","
        with opened(self.file) as file:
            reader = pandas.read_csv(file, sep=separator, iterator=True, chunksize=self._size or CSV_ROWS)
            while True:
                try:
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore", pandas.errors.DtypeWarning)
                        frame = next(reader, None)
                except (pandas.errors.ParserError, pandas.errors.EmptyDataError) as error:
                    raise self._stop(*no_csv(self.file, self.start, str(error))) from error
                if frame is None:
                    return
                yield self._piece(frame_table(frame, self.file, self.start))
                self._passed(file.tell())

    def _texts(self) -> Iterator[Piece]:
        with io.TextIOWrapper(opened(self.file), encoding="utf-8") as file:
            while text := file.read(self._size or JSON_BYTES):
                lines = (text + file.readline()).removesuffix("\n").split("\n")
                yield self._piece(pa.table({"text": pa.array(lines, pa.string())}))

    def _parquet(self) -> Iterator[Piece]:
        import pyarrow.parquet

        with pyarrow.parquet.ParquetFile(self.file) as file:
            schema, count = file.schema_arrow, file.metadata.num_rows
            names = [name for name in self._wanted if name in schema.names]
            self._check_schema(schema)
            groups = [file.metadata.row_group(n) for n in range(file.metadata.num_row_groups)]
            size = sum(group.total_byte_size for group in groups) // max(count, 1)
            batch = self._size or min(max(_BATCH_BYTES // max(size, 1), 1000), 1 << 15)
            begun = self.start
            for group in range(len(groups)):  # one after the other, so that it is known where one is broken
                for part in file.iter_batches(batch_size=batch, columns=names, row_groups=[group]):
                    yield self._columns_of(pa.Table.from_batches([part]))
                    self.share = (self._read + (self.start - begun) / count * self.file.stat().st_size) / self._all

    def _arrow(self) -> Iterator[Piece]:
        with pa.memory_map(str(self.file)) as source:
            try:
                reader = pa.ipc.open_stream(source)
                schema: Any = reader.schema
                batches: Any = reader
            except (pa.ArrowInvalid, OSError):
                stored = pa.ipc.open_file(source)
                schema = stored.schema
                batches = (stored.get_batch(number) for number in range(stored.num_record_batches))
            self._check_schema(schema)
            names = [name for name in self._wanted if name in schema.names]
            for part in batches:
                yield self._columns_of(pa.Table.from_batches([part]).select(names))
                self._passed(source.tell())

    def _check_schema(self, schema: Any) -> None:
        """A file's own types against those of the first."""
        plain = schema.remove_metadata()
        if self._schema is None:
            self._schema = plain
        elif plain != self._schema:
            fitted(plain.empty_table(), self._schema)

    def _columns_of(self, table: Any) -> Piece:
        """Some columns of a file with a schema; those that it lacks are null."""
        wanted, held, found = set(self._wanted), set(table.column_names), {}
        schema = pa.schema([field for field in self._schema if field.name in wanted])
        there = fitted(table.select([name for name in schema.names if name in held]), schema)
        for name in schema.names:
            array = whole(there.column(name))
            found[name] = decoded(array, self._columns[name]) if name in self._json else array
        piece = Piece(self.start, table.num_rows, found)
        self.start += table.num_rows
        return piece
