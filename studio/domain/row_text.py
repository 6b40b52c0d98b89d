"""Rows out of JSON and CSV, one after the other, as the datasets library reads them, naming the line that is broken."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

from studio.domain.errors import StudioError

MAX_ROW = 32 << 20  # characters; a longer row is taken for a file of another kind
_CHUNK = 64 << 10
# What pandas reads as a missing value, and the datasets library with it: the word None in a CSV is no text.
NO_VALUE = frozenset(
    {"", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA"}
    | {"NULL", "NaN", "None", "n/a", "nan", "null"}
)
_TRUE, _FALSE = {"True", "TRUE", "true"}, {"False", "FALSE", "false"}
_INTEGER = re.compile(r"\s*[+-]?\d{1,18}\s*")
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")


def _broken(name: str, line: int, what: str, hint: str) -> StudioError:
    return StudioError(f"Line {line} of {name} {what}.", hint)


def json_rows(file: BinaryIO, name: str) -> Iterator[dict[str, Any]]:
    """The rows of a JSON file: one object a line, one array of objects (or of texts), or one object, which is one row.

    Closes the file. Raises StudioError, with the line, at the first row that is broken.
    """
    with io.TextIOWrapper(file, encoding="utf-8-sig", newline="\n") as text:
        try:
            first = text.read(_CHUNK)
            if first.lstrip()[:1] == "[":
                yield from _array_rows(text, first, name)
            else:
                yield from _line_rows(_lines(text, first, name), name)
        except UnicodeDecodeError as error:
            raise _not_utf8(name, error) from error


def _not_utf8(name: str, error: UnicodeDecodeError) -> StudioError:
    return StudioError(f"{name} is no UTF-8 text: {error.reason}.", "Save it as UTF-8.")


def _lines(text: io.TextIOWrapper, head: str, name: str) -> Iterator[str]:
    """The lines of a file of which `head` has been read; the last may lack its end."""
    rest = head
    while rest:
        *whole, rest = rest.split("\n")
        yield from whole
        if len(rest) > MAX_ROW:
            raise StudioError(f"{name} has a line that is too long for a row.", "Use one JSON object a line.")
        more = text.readline(MAX_ROW)
        if not more:
            yield rest
            return
        rest += more


def _line_rows(lines: Iterator[str], name: str) -> Iterator[dict[str, Any]]:
    hint = "Each line must be one JSON object, or the whole file one array of them."
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            if number == 1 and line.strip() == "{":
                yield _single_object(line, lines, name)
                return
            raise _broken(name, number, f"is no JSON: {_reason(error)}", hint) from error
        if not isinstance(row, dict):
            raise _broken(name, number, "is JSON but no object", hint)
        yield row


def _single_object(first: str, lines: Iterator[str], name: str) -> dict[str, Any]:
    text = first
    for line in lines:
        text += "\n" + line
        if len(text) > MAX_ROW:
            raise StudioError(f"{name} holds one object that is too big to be one row.", "Use one object a line.")
    try:
        row: dict[str, Any] = json.loads(text)
    except json.JSONDecodeError as error:
        hint = "The file begins as one JSON object. Use one object a line, or one array of objects."
        raise _broken(name, error.lineno, f"is no JSON: {_reason(error)}", hint) from error
    return row


def _reason(error: Exception) -> str:
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)


class _Window:
    """The part of a text that is being decoded, and the number of its first line."""

    def __init__(self, text: io.TextIOWrapper, head: str) -> None:
        self.file, self.buffer, self.position, self.line, self.ended = text, head, 0, 1, False

    def advance(self, to: int) -> None:
        self.line += self.buffer.count("\n", self.position, to)
        self.position = to

    def more(self) -> None:
        """Read on, twice as much each time that it was not enough, and drop what has been decoded."""
        kept = self.buffer[self.position :]
        new = self.file.read(max(_CHUNK, len(kept)))
        self.ended = not new
        self.buffer, self.position = kept + new, 0

    def next_sign(self) -> str:
        """The next character that is no space; "" at the end of the file."""
        while True:
            rest = re.compile(r"\S").search(self.buffer, self.position)
            if rest:
                self.advance(rest.start())
                return rest.group()
            self.advance(len(self.buffer))
            if self.ended:
                return ""
            self.more()


def _array_rows(text: io.TextIOWrapper, head: str, name: str) -> Iterator[dict[str, Any]]:
    window = _Window(text, head)
    hint = "The file is one JSON array: objects between [ and ], with commas between them."
    decoder = json.JSONDecoder()
    window.next_sign()
    window.advance(window.position + 1)
    between = window.next_sign() == "]"
    while not between:
        value = _next_value(window, decoder, name, hint)
        if isinstance(value, str):
            value = {"text": value}
        if not isinstance(value, dict):
            raise _broken(name, window.line, "has an item that is no object", hint)
        yield value
        sign = window.next_sign()
        if sign not in (",", "]"):
            what = "should have a comma" if sign else "is the last, and the array is not closed"
            raise _broken(name, window.line, what, hint)
        between = sign == "]"
        window.advance(window.position + 1)


def _next_value(window: _Window, decoder: json.JSONDecoder, name: str, hint: str) -> Any:
    window.next_sign()
    while True:
        try:
            value, end = decoder.raw_decode(window.buffer, window.position)
        except json.JSONDecodeError as error:
            # An item that goes on beyond the window fails at its end, or in a string that has no end yet.
            cut = error.msg.startswith("Unterminated") or error.pos >= len(window.buffer) - 16
            if window.ended or not cut or len(window.buffer) - window.position > MAX_ROW:
                line = window.line + window.buffer.count("\n", window.position, error.pos)
                what = (
                    "is the last, and the file ends in the middle"
                    if window.ended and cut
                    else f"is no JSON: {error.msg}"
                )
                raise _broken(name, line, what, hint) from error
            window.more()
            continue
        if end == len(window.buffer) and not window.ended:
            window.more()
            continue
        window.advance(end)
        return value


# --- CSV


def csv_rows(file: BinaryIO, name: str, separator: str = ",") -> Iterator[dict[str, str | None]]:
    """The rows of a CSV file as texts, None for a missing value; a line with too few cells is filled with None.

    Closes the file. Raises StudioError, with the line, where there is no header or a line has more cells than it.
    """
    csv.field_size_limit(MAX_ROW)
    with io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text, delimiter=separator)
        try:
            header = _header(next(reader, []), name)
            for cells in reader:
                if cells:
                    yield _csv_row(header, cells, name, reader.line_num)
        except csv.Error as error:
            raise _broken(name, reader.line_num, f"is no CSV: {error}", "Save the table as CSV in UTF-8.") from error
        except UnicodeDecodeError as error:
            raise _not_utf8(name, error) from error


def _csv_row(header: list[str], cells: list[str], name: str, line: int) -> dict[str, str | None]:
    if len(cells) > len(header):
        what = f"has {len(cells)} cells, and the header has {len(header)}"
        hint = 'A cell with commas or line breaks must stand in double quotes: "like, this".'
        raise _broken(name, line, what, hint)
    values = [None if cell in NO_VALUE else cell for cell in cells]
    return dict(zip(header, values + [None] * (len(header) - len(values)), strict=True))


def _header(cells: list[str], name: str) -> list[str]:
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
