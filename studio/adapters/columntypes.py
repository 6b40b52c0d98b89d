"""The Arrow types of columns that are made batch by batch: such that every cell comes back as it was, or JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

_EXACT = 2**53  # whole numbers up to this one are numbers with a fraction too, without a loss
_INT64, _UINT64 = 2**63, 2**64
_LONG = re.compile(r"\d{19}")


class Mixed(Exception):
    """Cells that have no type in common."""


class Unwritable(Exception):
    """Cells that no file can hold: for the place of each, why, in words that follow the column's name."""

    def __init__(self, places: dict[int, str]) -> None:
        super().__init__(places)
        self.places = places


class ColumnTypes:
    """What is known of the columns' types so far, over all batches.

    `late` says that a column turned out to be of a wider type than it was given before: what was made until then has
    to be made again, now that the types are known.
    """

    def __init__(self) -> None:
        self.late = False
        self._known: dict[str, Any] = {}

    def known(self, name: str) -> Any:
        """The type of a column so far; null where nothing is known."""
        import pyarrow

        return self._known.get(name, pyarrow.null())

    def settle(self, name: str, found: Any) -> Any:
        """The type for cells of a `found` one in a column. Raises Mixed where it has cells of another kind."""
        before = self._known.get(name)
        wider = found if before is None else united(before, found)
        self._known[name] = wider
        if before is not None and _written(before) != _written(wider):
            self.late = True
        return _written(wider)

    def column(self, name: str, cells: list[Any]) -> Any:
        """Cells in Python as a column. Raises Mixed and Unwritable."""
        import pyarrow

        with _unwritable_named(cells):
            kind = self.settle(name, type_of(cells))
            try:
                return array_of(cells, kind)
            except pyarrow.ArrowInvalid:  # a whole number that is none with a fraction too
                return array_of(cells, self.settle(name, pyarrow.json_()))

    def retyped(self, name: str, column: Any) -> Any:
        """A column of Arrow in the type that its cells before have, or a wider one. Raises Mixed and Unwritable."""
        import pyarrow

        kind = self.settle(name, column.type)
        if column.type.equals(kind):
            return column
        if not _holds_json(kind):
            try:
                return column.cast(kind)
            except pyarrow.ArrowInvalid:
                kind = self.settle(name, pyarrow.json_())
        cells = column.to_pylist()
        with _unwritable_named(cells):
            return array_of(cells, kind)


@contextmanager
def _unwritable_named(cells: list[Any]) -> Iterator[None]:
    """Where cells cannot be written, which ones: to look for them beforehand would take long."""
    import pyarrow

    try:
        yield
    except pyarrow.ArrowException:
        raise
    except (ValueError, OverflowError) as error:
        as_json = not isinstance(error, (UnicodeEncodeError, OverflowError))
        places = {place: why for place, cell in enumerate(cells) if (why := unwritable(cell, as_json))}
        if not places:
            raise
        raise Unwritable(places) from None


def _written(kind: Any) -> Any:
    """A column without a value is taken for text: something has to be said."""
    import pyarrow

    return pyarrow.string() if pyarrow.types.is_null(kind) else kind


def array_of(cells: list[Any], kind: Any) -> Any:
    """Cells as an array of a type that `type_of` or `united` gave for them."""
    import pyarrow

    if is_json(kind):
        return _json_array([None if cell is None else _text(cell) for cell in cells])
    if pyarrow.types.is_list(kind) and is_json(kind.value_type):
        texts = [None if cell is None else [None if one is None else _text(one) for one in cell] for cell in cells]
        lists = pyarrow.array(texts, pyarrow.list_(pyarrow.string()))
        objects = pyarrow.ExtensionArray.from_storage(pyarrow.json_(), lists.values)
        return pyarrow.ListArray.from_arrays(lists.offsets, objects, mask=lists.is_null())
    return pyarrow.array(cells, type=kind)


def _json_array(texts: list[str | None]) -> Any:
    import pyarrow

    # The datasets library reads Arrow's type for JSON as objects; text it would leave text.
    return pyarrow.ExtensionArray.from_storage(pyarrow.json_(), pyarrow.array(texts, pyarrow.string()))


def _text(cell: Any) -> str:
    try:
        text = json.dumps(cell, ensure_ascii=False, allow_nan=False)
    except TypeError:  # as a date, which JSON has not
        raise Mixed from None
    if _LONG.search(text) and unwritable(cell):
        raise OverflowError("a whole number of more than 64 bits")
    return text


def is_json(kind: Any) -> bool:
    """Whether a type is Arrow's for JSON."""
    return getattr(kind, "extension_name", "") == "arrow.json"


def _holds_json(kind: Any) -> bool:
    import pyarrow

    if pyarrow.types.is_struct(kind):
        return any(_holds_json(field.type) for field in kind)
    return _holds_json(kind.value_type) if _is_list(kind) else is_json(kind)


def _is_list(kind: Any) -> bool:
    import pyarrow

    return bool(pyarrow.types.is_list(kind) or pyarrow.types.is_large_list(kind))


# --- of cells in Python


def type_of(cells: Iterable[Any]) -> Any:
    """The type in which all cells come back as they were: JSON for objects with different keys. Raises Mixed.

    Raises OverflowError where a whole number is too big for every type.
    """
    import pyarrow

    there = [cell for cell in cells if cell is not None]
    kinds = set(map(type, there))
    if not kinds:
        return pyarrow.null()
    if kinds == {dict}:
        return _struct_of(there)
    if kinds == {list}:
        try:
            inner = type_of(one for cell in there for one in cell)
        except Mixed:
            inner = pyarrow.json_()
        return pyarrow.list_(pyarrow.json_() if _holds_json(inner) else inner)
    if kinds & {dict, list}:
        return pyarrow.json_()
    return _plain_type(there, kinds)


def _struct_of(cells: list[dict[str, Any]]) -> Any:
    import pyarrow

    keys = cells[0].keys()
    if not keys or any(cell.keys() != keys for cell in cells):
        return pyarrow.json_()
    fields = []
    for key in keys:
        below = [cell[key] for cell in cells]
        try:
            kind = type_of(below)
        except Mixed:
            return pyarrow.json_()
        if _holds_json(kind) or {int, float} <= set(map(type, below)):
            return pyarrow.json_()
        fields.append((key, kind))
    return pyarrow.struct(fields)


def _plain_type(cells: list[Any], kinds: set[type]) -> Any:
    import pyarrow

    if kinds == {str}:
        return pyarrow.string()
    if kinds == {bool}:
        return pyarrow.bool_()
    if kinds <= {int, float}:
        whole = [cell for cell in cells if type(cell) is int]
        low, high = min(whole, default=0), max(whole, default=0)
        if low < -_INT64 or high >= _UINT64:
            raise OverflowError("a whole number of more than 64 bits")
        if float in kinds:
            return pyarrow.float64() if max(-low, high) <= _EXACT else pyarrow.json_()
        if high < _INT64:
            return pyarrow.int64()
        return pyarrow.uint64() if low >= 0 else pyarrow.json_()
    if len(kinds) > 1:
        raise Mixed
    try:
        return pyarrow.array(cells).type
    except (pyarrow.ArrowException, TypeError, ValueError):
        raise Mixed from None


def first_odd(cells: Iterable[Any], known: Any) -> int:
    """The place of the first cell that has no type in common with those before it, of a `known` type the first."""
    for place, cell in enumerate(cells):
        try:
            known = united(known, type_of([cell]))
            if _holds_json(known):
                _text(cell)
        except (Mixed, OverflowError, ValueError):
            return place
    return 0


def unwritable(cell: Any, as_json: bool = False) -> str:
    """Why no file can hold a cell, in words that follow the column's name; "" where one can.

    `as_json` says that the column is one of JSON.
    """
    if isinstance(cell, str):
        try:
            cell.encode()
        except UnicodeEncodeError:
            return "holds half a character (a lone surrogate), which no file of text can hold"
    elif isinstance(cell, int) and not -_INT64 <= cell < _UINT64:
        return "holds a whole number of more than 64 bits, which no column can hold"
    elif as_json and isinstance(cell, float) and (cell != cell or abs(cell) == float("inf")):
        return "holds a number that JSON does not have (NaN, or one without end)"
    elif isinstance(cell, (dict, list, tuple)):
        below = [*cell, *cell.values()] if isinstance(cell, dict) else cell
        return next((why for one in below if (why := unwritable(one, as_json))), "")
    return ""


# --- of types


def united(one: Any, other: Any) -> Any:
    """The type that holds the cells of both as they are, JSON where no other does. Raises Mixed where none does."""
    import pyarrow

    types = pyarrow.types
    if one.equals(other) or types.is_null(other):
        return one
    if types.is_null(one):
        return other
    if is_json(one) or is_json(other):
        return pyarrow.json_()
    if _is_list(one) and _is_list(other):
        try:
            inner = united(one.value_type, other.value_type)
        except Mixed:
            inner = pyarrow.json_()
        if _holds_json(inner):
            return pyarrow.list_(pyarrow.json_())
        return (pyarrow.large_list if types.is_large_list(one) or types.is_large_list(other) else pyarrow.list_)(inner)
    if types.is_struct(one) and types.is_struct(other):
        return _united_structs(one, other)
    if any(types.is_nested(kind) for kind in (one, other)):
        return pyarrow.json_()
    return _united_plain(one, other)


def _united_structs(one: Any, other: Any) -> Any:
    import pyarrow

    mine, its = ({field.name: field.type for field in kind} for kind in (one, other))
    if mine.keys() != its.keys():
        return pyarrow.json_()
    fields = []
    for name, kind in mine.items():
        try:
            both = united(kind, its[name])
        except Mixed:
            return pyarrow.json_()
        of_numbers = pyarrow.types.is_integer(kind) is not pyarrow.types.is_integer(its[name])
        if _holds_json(both) or (pyarrow.types.is_floating(both) and of_numbers):
            return pyarrow.json_()
        fields.append((name, both))
    return pyarrow.struct(fields)


def _united_plain(one: Any, other: Any) -> Any:
    import pyarrow

    types, schemas = pyarrow.types, [pyarrow.schema([("a", kind)]) for kind in (one, other)]
    if all(map(types.is_integer, (one, other))) and types.is_uint64(one) is not types.is_uint64(other):
        return pyarrow.json_()
    try:
        both = pyarrow.unify_schemas(schemas, promote_options="permissive").field("a").type
    except (pyarrow.ArrowException, TypeError):
        raise Mixed from None
    if types.is_binary(both) or types.is_large_binary(both):
        raise Mixed  # bytes are no text
    return both
