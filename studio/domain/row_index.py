"""Any rows of a text file without reading the others twice: where every so many of them begin, noted on the way."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, BinaryIO

from studio.domain.csv_text import CsvReader, csv_types
from studio.domain.row_text import Mark, Reader, TextReader, json_reader

_STRIDE = 1000  # rows between two marks, at first
_MARKS = 4096  # so many at most: then every other one is forgotten
_TYPED_ROWS = 200  # rows of a CSV that tell the types of its columns


class RowIndex:
    """The rows of one file. `total` is their number once the end has been seen, `decoded` says that all can be read.

    `format` is json, csv, tsv or text. What reads is given a function that opens the file anew, at its beginning.
    """

    def __init__(self, name: str, format: str) -> None:
        self.name, self.format = name, format
        self.total: int | None = None
        self.decoded = False
        self._marks, self._stride = [Mark()], _STRIDE
        self._types: dict[str, Callable[[str], Any]] | None = None
        self._lock = threading.Lock()

    def rows(self, open: Callable[[], BinaryIO], start: int = 0, written: bool = False) -> Iterator[dict[str, Any]]:
        """Rows from number `start` on, read as they are asked for; what lies before is skipped, not decoded.

        With `written` the cells of a csv are texts as they stand there.
        """
        if self.total is not None and start >= self.total:
            return
        types = self._column_types(open) if self.format in ("csv", "tsv") and not written else {}
        reader = self._reader(open, self._mark_before(start))
        reader.wanted = start
        for found in reader:
            if reader.seeks and reader.row % self._stride == 0:
                self._note(reader.mark())
            if reader.row > start:
                row = reader.cells(found)
                yield {name: _typed(cell, types.get(name)) for name, cell in row.items()} if types else row
        self.total, self.decoded = reader.row, self.decoded or start == 0

    def count(self, open: Callable[[], BinaryIO]) -> int:
        """How many rows there are, counted without decoding them."""
        if self.total is None:
            reader = self._reader(open, self._marks[-1])
            reader.wanted = 1 << 62
            for _ in reader:
                if reader.seeks and reader.row % self._stride == 0:
                    self._note(reader.mark())
            self.total = reader.row
        return self.total

    def _reader(self, open: Callable[[], BinaryIO], mark: Mark) -> Reader:
        file = open()
        try:
            return self._reader_of(file, mark)
        except BaseException:
            file.close()
            raise

    def _reader_of(self, file: BinaryIO, mark: Mark) -> Reader:
        if self.format in ("csv", "tsv"):
            return CsvReader(file, self.name, "\t" if self.format == "tsv" else ",", mark)
        if self.format == "json":
            return json_reader(file, self.name, mark)
        file.seek(mark.offset)
        return TextReader(file, self.name, mark)

    def _column_types(self, open: Callable[[], BinaryIO]) -> dict[str, Callable[[str], Any]]:
        if self._types is None:
            reader = self._reader(open, Mark())
            with reader.file:
                self._types = csv_types(reader.cells(found) for found in islice(reader, _TYPED_ROWS))
        return self._types

    def _mark_before(self, row: int) -> Mark:
        with self._lock:
            return self._marks[bisect_right(self._marks, (row, float("inf"))) - 1]

    def _note(self, mark: Mark) -> None:
        with self._lock:
            if mark.row <= self._marks[-1].row:
                return
            self._marks.append(mark)
            if len(self._marks) > _MARKS:
                self._marks = self._marks[::2]
                self._stride *= 2


def _typed(cell: Any, convert: Callable[[str], Any] | None) -> Any:
    if cell is None or convert is None:
        return cell
    try:
        return convert(cell)
    except ValueError:
        return cell
