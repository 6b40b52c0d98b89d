"""Rows out of text and JSON one by one, as the datasets library reads them, naming the line that is broken."""

from __future__ import annotations

import codecs
import io
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple, TextIO

from studio.domain.errors import StudioError

MAX_ROW = 32 << 20  # characters; a longer row is taken for a file of another kind
_CHUNK = 64 << 10
_JOINT = re.compile(rb'\}[ \t]*\{"')
_ARRAY = "The file is one JSON array: objects between [ and ], with commas between them."
_OBJECTS = "The file begins as one JSON object. Use one object a line, or one array of objects."


def broken(name: str, line: int, what: str, hint: str) -> StudioError:
    """What is wrong with a line of a file."""
    return StudioError(f"Line {line} of {name} {what}.", hint, name, line)


def not_utf8(name: str, error: UnicodeDecodeError, line: int | None = None) -> StudioError:
    """What is wrong with a file, or one line of it, that is no UTF-8."""
    where = name if line is None else f"Line {line} of {name}"
    return StudioError(f"{where} is no UTF-8 text: {error.reason}.", "Save it as UTF-8.", name, line)


def _json_line(line: bytes, name: str, number: int) -> dict[str, Any]:
    """The row in one line of a JSON file. Raises StudioError, with the line, where it is none."""
    hint = "Each line must be one JSON object, or the whole file one array of them."
    try:
        row = json.loads(line.decode("utf-8").rstrip("\r\n"))  # so that a text without an end is told as one
    except UnicodeDecodeError as error:
        raise not_utf8(name, error, number) from error
    except (ValueError, RecursionError) as error:
        raise broken(name, number, f"is no JSON: {_reason(error)}", hint) from error
    if not isinstance(row, dict):
        raise broken(name, number, "is JSON but no object", hint)
    return row


def _reason(error: Exception) -> str:
    what = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
    return what.removesuffix(" at").removesuffix(" starting")


class _Window:
    """The part of a text that is being decoded; the text begins `offset` bytes into its file, in its line `line`."""

    def __init__(self, text: TextIO, offset: int = 0, line: int = 1) -> None:
        self.file, self.line = text, line
        self.buffer, self.position, self.ended = "", 0, False
        self._dropped = offset

    @property
    def offset(self) -> int:
        """Where in the file the decoding stands, in bytes."""
        return self._dropped + len(self.buffer[: self.position].encode())

    def advance(self, to: int) -> None:
        self.line += self.buffer.count("\n", self.position, to)
        self.position = to

    def more(self) -> None:
        """Read on, twice as much each time that it was not enough, and drop what has been decoded."""
        self._dropped = self.offset
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


class TooBig(ValueError):
    """A whole number has no room in 64 bits, and the datasets library stops at one in JSON that it reads at once."""


def whole_number(digits: str) -> int:
    """A whole number of JSON. Raises TooBig."""
    number = int(digits)
    if len(digits) > 18 and not -(1 << 63) <= number < 1 << 64:
        raise TooBig(f"holds the number {digits[:40]}, and a whole number has at most 64 bits")
    return number


def _number(digits: str) -> float:
    whole_number(digits.replace("e", ".").replace("E", ".").split(".")[0])
    return float(digits)


def _array_rows(window: _Window, name: str, begun: bool, texts: bool | None) -> Iterator[dict[str, Any]]:
    """The rows of one JSON array; `begun` where the window stands behind one of its items.

    Each is an object, or where it is said to be of `texts` anything; where that is not known an object or a text.
    """
    decoder = json.JSONDecoder(parse_int=whole_number, parse_float=_number)
    if begun:
        goes_on = _goes_on(window, name)
    else:
        window.next_sign()
        window.advance(window.position + 1)
        goes_on = window.next_sign() != "]"
        window.advance(window.position + (not goes_on))
    while goes_on:
        value = _next_value(window, decoder, name, _ARRAY)
        if texts or (texts is None and isinstance(value, str)):
            value = {"text": value}
        if not isinstance(value, dict):
            raise broken(name, window.line, "has an item that is no object", _ARRAY)
        yield value
        goes_on = _goes_on(window, name)
    if window.next_sign():
        raise broken(name, window.line, "has something behind the end of the array", _ARRAY)


def _object_rows(window: _Window, name: str) -> Iterator[dict[str, Any]]:
    """The rows of JSON objects one after another, however they stand on lines."""
    decoder = json.JSONDecoder()
    while window.next_sign():
        line = window.line
        value = _next_value(window, decoder, name, _OBJECTS)
        if not isinstance(value, dict):
            raise broken(name, line, "is JSON but no object", _OBJECTS)
        yield value


def _goes_on(window: _Window, name: str) -> bool:
    """Whether another item follows; raises StudioError where the array is not closed either."""
    sign = window.next_sign()
    if sign not in (",", "]"):
        what = "should have a comma" if sign else "is the last, and the array is not closed"
        raise broken(name, window.line, what, _ARRAY)
    window.advance(window.position + 1)
    return sign == ","


def _next_value(window: _Window, decoder: json.JSONDecoder, name: str, hint: str) -> Any:
    window.next_sign()
    while True:
        try:
            value, end = decoder.raw_decode(window.buffer, window.position)
        except TooBig as error:
            raise broken(name, window.line, str(error), "Write it as text, or leave it out.") from None
        except RecursionError:
            raise broken(name, window.line, "begins what is nested too deeply", hint) from None
        except json.JSONDecodeError as error:
            # An item that goes on beyond the window fails at its end, or in a string that has no end yet.
            cut = error.msg.startswith("Unterminated") or error.pos >= len(window.buffer) - 16
            if cut and len(window.buffer) - window.position > MAX_ROW:
                what = f"Line {window.line} of {name} begins an object that is too big to be one row."
                raise StudioError(what, hint, name, window.line) from error
            if window.ended or not cut:
                line = window.line + window.buffer.count("\n", window.position, error.pos)
                what = (
                    "is the last, and the file ends in the middle"
                    if window.ended and cut
                    else f"is no JSON: {_reason(error)}"
                )
                raise broken(name, line, what, hint) from error
            window.more()
            continue
        if end == len(window.buffer) and not window.ended:
            window.more()
            continue
        window.advance(end)
        return value


# --- readers: each yields what a row is made of, and may begin wherever another one has stood


class Mark(NamedTuple):
    """Where a row begins: its number from 0, the bytes before it, and its line from 1."""

    row: int = 0
    offset: int = 0
    line: int = 1


class Reader(ABC):
    """What rows are made of as they stand in a file: its lines, from `mark` on. Iterating closes the file."""

    seeks = True  # whether another reader can begin behind what was yielded last
    wanted = 0  # rows before this one need not be decoded
    even = True  # whether each line so far has been one row

    def __init__(self, file: BinaryIO, name: str, mark: Mark = Mark()) -> None:  # noqa: B008 (it cannot be changed)
        self.file, self.name = file, name
        self.row, self._offset, self.line = mark

    def mark(self) -> Mark:
        """Where the next row begins."""
        return Mark(self.row, self._offset, self.line)

    def __iter__(self) -> Iterator[Any]:
        with self.file:
            for line in self._lines():
                if self._is_row(line):
                    self.row += 1
                    yield line

    @abstractmethod
    def cells(self, found: Any) -> dict[str, Any]:
        """The row that was found last. Raises StudioError, with the line, where it is broken."""

    def _is_row(self, line: bytes) -> bool:
        return bool(line.strip())

    def _lines(self) -> Iterator[bytes]:
        for line in iter(lambda: self.file.readline(MAX_ROW), b""):
            if len(line) == MAX_ROW and not line.endswith(b"\n"):
                raise StudioError(f"{self.name} has a line that is too long.", "Use one row a line.")
            self._offset += len(line)
            self.line += 1
            yield line


class LineReader(Reader):
    """One object a line; where a line has several, as where files were joined without a line end, each is a row.

    From the first object on that goes over several lines they are read however they stand.
    """

    _spread: ObjectsReader | None = None
    _searched = False  # a line that is none of an object's is broken

    def __iter__(self) -> Iterator[Any]:
        for line in super().__iter__():
            if line[-2:] != b"}\n" and self._opens(line):
                begins = Mark(self.row - 1, self._offset - len(line), self.line - 1)
                self.file.seek(begins.offset)
                self._spread, self.even, self.seeks = ObjectsReader(self.file, self.name, begins), False, True
                for row in self._spread:
                    self.row = self._spread.row
                    yield row
                return
            objects = _several(line) if line.find(b'{"', 1) > 0 and _JOINT.search(line) else []
            if len(objects) < 2:
                yield line
                continue
            self.even, self.row = False, self.row - 1
            for place, found in enumerate(objects, 1):
                self.row += 1
                self.seeks = place == len(objects)
                yield found

    def mark(self) -> Mark:
        return super().mark() if self._spread is None else self._spread.mark()

    def cells(self, found: Any) -> dict[str, Any]:
        return _json_line(found, self.name, self.line - 1) if self._spread is None else self._spread.cells(found)

    def _opens(self, line: bytes) -> bool:
        """Whether a line begins an object that goes on behind it."""
        text = line.strip()
        if self._searched or (text.startswith(b"{") and text.endswith(b"}")):
            return False
        self._searched, place = True, self.file.tell()
        spread = not _has_lines(line + self.file.read(_CHUNK))
        self.file.seek(place)
        return spread

    def _is_row(self, line: bytes) -> bool:
        full = bool(line.strip())
        self.even = self.even and full and not line.endswith(b"\r\r\n")  # to the library that ends two lines
        return full


def _several(line: bytes) -> list[bytes]:
    """The objects that stand on a line, as they are written there; none where it holds anything else."""
    found: list[bytes] = []
    try:
        text = line.decode("utf-8").strip()
        while text:
            value, end = json.JSONDecoder().raw_decode(text)
            if not isinstance(value, dict):
                return []
            found.append(text[:end].encode())
            text = text[end:].lstrip()
    except (ValueError, RecursionError):
        return []
    return found


class TextReader(Reader):
    """Every line as it is."""

    def cells(self, found: Any) -> dict[str, Any]:
        return {"text": found.decode("utf-8", "replace").rstrip("\r\n")}

    def _is_row(self, line: bytes) -> bool:
        return True


class ObjectsReader(Reader):
    """JSON objects one after another, however they stand on lines: one over several, or several on one."""

    even = False

    def __iter__(self) -> Iterator[Any]:
        with io.TextIOWrapper(self.file, encoding="utf-8", newline="\n") as text:
            self._window = _Window(text, self._offset, self.line)
            try:
                for row in self._rows():
                    self.row += 1
                    yield row
            except UnicodeDecodeError as error:
                raise not_utf8(self.name, error) from error

    def _rows(self) -> Iterator[dict[str, Any]]:
        return _object_rows(self._window, self.name)

    def cells(self, found: Any) -> dict[str, Any]:
        row: dict[str, Any] = found
        return row

    def mark(self) -> Mark:
        return Mark(self.row, self._window.offset, self._window.line)


class ArrayReader(ObjectsReader):
    """One array of objects, or of texts."""

    texts: bool | None = None

    def _rows(self) -> Iterator[dict[str, Any]]:
        return _array_rows(self._window, self.name, self.row > 0, self.texts)


def json_reader(file: BinaryIO, name: str, mark: Mark = Mark()) -> Reader:  # noqa: B008
    """The reader of a JSON file: one object a line, objects that stand otherwise, or one array."""
    head = file.read(_CHUNK)
    bom = 3 if head.startswith(codecs.BOM_UTF8) else 0
    start = mark if mark.offset else Mark(0, bom, 1)
    text = head[bom:]
    begins = text.lstrip()[:1]
    if begins == b"{" and b"\n" not in text.lstrip():
        text += file.readline(MAX_ROW)
    file.seek(start.offset)
    if begins == b"[":
        array = ArrayReader(file, name, start)
        if text.startswith(b"["):  # the library tells it by this
            array.texts = b"{" not in text[:100].split(b'"', 1)[0]
        return array
    return (LineReader if _has_lines(text) else ObjectsReader)(file, name, start)


def _has_lines(text: bytes) -> bool:
    """Whether a text that begins with an object has that alone on its line, be it broken."""
    line, _, rest = text.lstrip().partition(b"\n")
    try:
        first = line.decode("utf-8").strip()
        value, end = json.JSONDecoder().raw_decode(first)
    except json.JSONDecodeError as error:
        begun = first.startswith("{") and not error.msg.startswith("Unterminated") and error.pos >= len(first)
        if begun and first[-1] in ":,":  # a line that was cut off ends so too
            return not _goes_well(text)
        return not (begun and (first[-1] in "{[" or rest.lstrip()[:1] in (b",", b"}", b"]")))
    except (ValueError, RecursionError):
        return True
    return not (isinstance(value, dict) and first[end:].lstrip().startswith("{"))


def _goes_well(text: bytes) -> bool:
    """Whether the first object of a text is whole, or may become so behind the end of a text that was not read on."""
    begun = text.decode("utf-8", "replace").lstrip()
    try:
        json.JSONDecoder().raw_decode(begun)
    except json.JSONDecodeError as error:
        return len(text) >= _CHUNK and (error.msg.startswith("Unterminated") or error.pos >= len(begun) - 16)
    except RecursionError:
        return False
    return True


def json_rows(file: BinaryIO, name: str, mark: Mark = Mark()) -> Iterator[dict[str, Any]]:  # noqa: B008
    """The rows of a JSON file from `mark` on. Closes it. Raises StudioError, with the line, where one is broken."""
    reader = json_reader(file, name, mark)
    return (reader.cells(found) for found in reader)


# --- CSV
