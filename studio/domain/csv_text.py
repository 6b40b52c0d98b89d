"""Rows out of CSV one by one, as the datasets library reads them, naming the line that is broken."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

from studio.domain.errors import StudioError
from studio.domain.other_files import other_separator, wrong_separator
from studio.domain.row_text import MAX_ROW, Mark, Reader, broken, not_utf8

# What pandas reads as a missing value, and the datasets library with it: the word None in a CSV is no text.
NO_VALUE = frozenset(
    {"", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA"}
    | {"NULL", "NaN", "None", "n/a", "nan", "null"}
)
_TRUE, _FALSE = {"True", "TRUE", "true"}, {"False", "FALSE", "false"}
_INTEGER = re.compile(r"\s*[+-]?\d{1,18}\s*")
_LONE_RETURN = re.compile(rb"(?<=\r)(?!\n)")
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")


class CsvReader(Reader):
    """The rows of a CSV file as texts, None for a missing value; a line with too few cells is filled with None."""

    def __init__(self, file: BinaryIO, name: str, separator: str = ",", mark: Mark = Mark()) -> None:  # noqa: B008
        file.seek(3 if file.read(3) == codecs.BOM_UTF8 else 0)
        super().__init__(file, name, Mark(0, file.tell(), 1))
        csv.field_size_limit(MAX_ROW)
        self._back = b""
        self._rows = csv.reader(self._decoded(), delimiter=separator)
        try:
            self._header = _header(next(self._rows, []), name)
        except csv.Error as error:
            raise self._no_csv(error) from error
        if mark.offset:
            file.seek(mark.offset)
            self.row, self._offset, self.line = mark
            self._rows = csv.reader(self._decoded(), delimiter=separator)

    def __iter__(self) -> Iterator[Any]:
        with self.file:
            try:
                yield from self._skipped()
                for cells in self._rows:
                    if cells:
                        self.row += 1
                        yield cells
            except csv.Error as error:
                raise self._no_csv(error) from error

    def cells(self, found: Any) -> dict[str, Any]:
        return _csv_row(self._header, found, self.name, self.line - 1)

    def _skipped(self) -> Iterator[None]:
        """The rows before `wanted`: a line without quotes is one, whatever is in it."""
        while self.row < self.wanted and (line := self.file.readline(MAX_ROW)):
            quoted, lone = b'"' in line or len(line) == MAX_ROW, line.find(b"\r", 0, -2) >= 0
            if quoted or lone:
                self._back = line
                if lone:
                    return
                if not next(self._rows, None):
                    continue
            else:
                self._offset += len(line)
                self.line += 1
                if not line.rstrip(b"\r\n"):
                    continue
            self.row += 1
            yield None

    def _no_csv(self, error: csv.Error) -> StudioError:
        return broken(self.name, self.line - 1, f"is no CSV: {error}", "Save the table as CSV in UTF-8.")

    def _decoded(self) -> Iterator[str]:
        """Line by line, just as far as the rows were read: a lone carriage return ends a line too."""
        while line := self._back or self.file.readline(MAX_ROW):
            self._back = b""
            if len(line) == MAX_ROW and not line.endswith(b"\n"):
                raise StudioError(f"{self.name} has a line that is too long.", "Use one row a line.")
            for part in _LONE_RETURN.split(line) if b"\r" in line else (line,):
                self._offset += len(part)
                self.line += 1
                try:
                    yield part.decode("utf-8")
                except UnicodeDecodeError as error:
                    raise not_utf8(self.name, error, self.line - 1) from error


def csv_rows(file: BinaryIO, name: str, separator: str = ",") -> Iterator[dict[str, str | None]]:
    """The rows of a CSV file as texts. Closes it. Raises StudioError, with the line, where one has too many cells."""
    reader = CsvReader(file, name, separator)
    return (reader.cells(found) for found in reader)


def _csv_row(header: list[str], cells: list[str], name: str, line: int) -> dict[str, str | None]:
    """One row as texts, None for a missing value. Raises StudioError, with the line, where it has too many cells."""
    if len(cells) > len(header):
        sign = other_separator(header, [",".join(cells)])
        if sign:
            raise StudioError(*wrong_separator(name, sign), name, line)
        what = f"has {len(cells)} cells, and the header has {len(header)}"
        hint = 'A cell with commas or line breaks must stand in double quotes: "like, this".'
        raise broken(name, line, what, hint)
    values = [None if cell in NO_VALUE else cell for cell in cells]
    return dict(zip(header, values + [None] * (len(header) - len(values)), strict=True))


def _header(cells: list[str], name: str) -> list[str]:
    """The names of the columns, each one once. Raises StudioError where there are none."""
    if not cells:
        raise StudioError(f"{name} has no header.", "The first line of a CSV names its columns.")
    names: list[str] = []
    for number, cell in enumerate(cells):
        unique = cell or f"Unnamed: {number}"
        count = names.count(unique)
        names.append(f"{unique}.{count}" if count else unique)
    return names


def csv_types(rows: Iterable[dict[str, str | None]]) -> dict[str, Callable[[str], Any]]:
    """How to turn the texts of each column into values, told from some rows as pandas tells it."""
    kinds: dict[str, set[str]] = {}
    for row in rows:
        for name, cell in row.items():
            kinds.setdefault(name, set()).add(_kind(cell))
    return {name: _converter(found) for name, found in kinds.items()}


def _kind(cell: str | None) -> str:
    if cell is None:
        return "none"
    if cell in _TRUE | _FALSE:
        return "boolean"
    if _INTEGER.fullmatch(cell):
        return "integer"
    return "number" if _NUMBER.fullmatch(cell) else "text"


def _converter(kinds: set[str]) -> Callable[[str], Any]:
    if kinds <= {"boolean", "none"}:
        return lambda cell: cell in _TRUE
    if kinds == {"integer"}:
        return int
    if kinds <= {"integer", "number", "none"}:
        return float
    return str
