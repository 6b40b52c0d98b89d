"""Arrow columns made to fit the types of the first piece of a dataset, as the datasets library does on loading."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from studio.adapters.dataschema import type_words
from studio.domain.findings import Finding, Where, row_name

STOPS = "The datasets library takes the types of the first part for all rows, and stops there."


@dataclass
class Misfit(Exception):
    """A column that cannot be made to fit: the loading stops there. `place` is the row within the piece."""

    column: str
    place: int
    found: str
    wanted: str

    def finding(self, file: Path, row: int, before: str) -> Finding:
        """What is wrong in which row; `before` says what has the types, and that it has them."""
        where = Where("file", str(file), row)
        if self.wanted == "no such column":
            message = f"`{self.column}` begins in {row_name(row)}, and {before} no such column."
            return Finding("error", where, message, f"{STOPS} Give every row the same keys.")
        found, wanted = type_words(self.found), type_words(self.wanted)
        message = f"`{self.column}` changes its type in {row_name(row)}: {found}, after {wanted}."
        return Finding("error", where, message, STOPS)


@dataclass
class Stopped(Exception):
    """The loading would end here; that of a stream already where its `types` are asked for."""

    finding: Finding
    types: bool = False


def fitted(table: Any, schema: Any, objects: bool = True) -> Any:
    """The table with the columns and types of `schema`. Raises Misfit, with the first row that does not fit.

    A column of `objects` may be written as JSON where the schema has text.
    """
    names, held = set(schema.names), set(table.column_names)
    for name in table.column_names:
        if name not in names:
            place = _first(table.column(name), lambda part: part.null_count == len(part))
            raise Misfit(name, place, "a column", "no such column")
    arrays = []
    for field in schema:
        if field.name not in held:
            arrays.append(pa.nulls(table.num_rows, field.type))
            continue
        array = whole(table.column(field.name))
        try:
            arrays.append(_fit(array, field.type, objects))
        except _Unfit as error:
            place = _first(array, partial(_fits, field.type, objects))
            raise Misfit(field.name, place, error.found, error.wanted) from None
    return pa.Table.from_arrays(arrays, names=schema.names)


def whole(column: Any) -> Any:
    """A column of a table as one array."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.nulls(0, column.type)


class _Unfit(Exception):
    def __init__(self, found: Any, wanted: Any) -> None:
        super().__init__()
        self.found, self.wanted = str(found), str(wanted)


def _fit(array: Any, kind: Any, top: bool) -> Any:
    have, test = array.type, pa.types
    if isinstance(array, pa.ExtensionArray):
        return _fit(array.storage, kind, top)
    if isinstance(kind, pa.BaseExtensionType):
        return _fit(array, kind.storage_type, top)
    if have == kind:
        return array
    if test.is_null(have):
        return pa.nulls(len(array), kind)
    if test.is_struct(have):
        return _fit_struct(array, kind, top)
    if _is_list(have):
        if not _is_list(kind):
            raise _Unfit(have, kind)
        make = pa.LargeListArray if test.is_large_list(kind) else pa.ListArray
        whole_list = array if not array.offset else pa.concat_arrays([array])
        values = _fit(whole_list.values, kind.value_type, False)
        return make.from_arrays(whole_list.offsets.cast(_offsets(kind)), values, mask=whole_list.is_null())
    if test.is_nested(kind) or test.is_null(kind):
        raise _Unfit(have, kind)
    try:
        return array.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise _Unfit(have, kind) from None


def _fit_struct(array: Any, kind: Any, top: bool) -> Any:
    if top and pa.types.is_string(kind):
        import pandas

        # As the datasets library writes them, with every / escaped and no spaces.
        lines = array.to_pandas(types_mapper=pandas.ArrowDtype).to_json(orient="records", lines=True).splitlines()
        return pa.array([None if line == "null" else line for line in lines if line], kind)
    names = [field.name for field in array.type]
    if not pa.types.is_struct(kind) or set(names) - {field.name for field in kind}:
        raise _Unfit(array.type, kind)
    given = dict(zip(names, array.flatten(), strict=True))
    nothing = pa.nulls(len(array))
    fields = [_fit(given.get(field.name, nothing), field.type, False) for field in kind]
    return pa.StructArray.from_arrays(fields, fields=list(kind), mask=array.is_null())


def _is_list(kind: Any) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _offsets(kind: Any) -> Any:
    return pa.int64() if pa.types.is_large_list(kind) else pa.int32()


def _fits(kind: Any, objects: bool, part: Any) -> bool:
    """Whether cells that were read by themselves would have fitted."""
    try:
        _fit(pa.array(part.to_pylist()), kind, objects)
    except (_Unfit, pa.ArrowInvalid, pa.ArrowTypeError):
        return False
    return True


def _first(array: Any, fits: Callable[[Any], bool]) -> int:
    """The first row with which the cells up to it no longer fit."""
    low, high = 0, len(array) - 1
    while low < high:
        middle = (low + high) // 2
        if fits(array.slice(low, middle + 1 - low)):
            low = middle + 1
        else:
            high = middle
    return low
