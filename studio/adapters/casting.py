"""Some rows of JSON cast as the datasets library casts them on loading: to the types of those that come first."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa

from studio.adapters.fitting import Misfit, Stopped, fitted
from studio.adapters.jsonpieces import Mixed, encoded, make_of
from studio.adapters.single_rows import SingleRows
from studio.domain.findings import Finding

Row = dict[str, Any]
_BEFORE = "what is loaded before it has"


def cast_rows(
    first: Sequence[Row], files: Sequence[tuple[Path, list[Row]]], start: int, objects: bool
) -> tuple[dict[int, Row], Finding | None]:
    """The cells of the rows of some files that become others, by the rows' numbers, which go on from `start`.

    With it comes what stops the loading: cells that no cast makes fit to those of the `first` rows. `objects` says that
    those may stand in a column of text. What is no table of Arrow's is left as it is.
    """
    mixed, found = Mixed(), dict[int, Row]()
    try:
        schema = mixed.table(encoded(first, ()), list(first), True).schema
        for file, rows in files:
            table = mixed.table(encoded(rows, ()), rows, False)
            try:
                cast = fitted(table, schema, objects)
            except Misfit as error:
                return found, error.finding(file, start + error.place, _BEFORE)
            for name in table.column_names:
                have, want = table.schema.field(name).type, schema.field(name).type
                other = have != want or any(path[0] == name for path in mixed.written)
                # Texts that say times are told as such when all rows are looked at.
                if other and name not in mixed.columns() and "timestamp" not in f"{have} {want}":
                    for number, cell in enumerate(cast.column(name).to_pylist(), start):
                        found.setdefault(number, {})[name] = cell
            start += len(rows)
    except pa.ArrowException:
        return found, None
    return found, None


def unlike_singles(files: Sequence[tuple[Path, list[Row]]]) -> Finding | None:
    """What stops the loading of lists of one row each, where no types are known before they are written."""
    mixed, single, start = Mixed(), SingleRows(), 0
    with suppress(pa.ArrowException):
        for file, rows in files:
            table = mixed.table(encoded(rows, ()), rows, start == 0)
            if mixed.raw:  # which the library loads as JSON
                return None
            try:
                single.add(table, file, start)
            except Stopped as error:
                return error.finding
            start += len(rows)
    return None


def alike_cast(first: Sequence[Row], rows: Sequence[Row]) -> list[Row]:
    """Rows from anywhere in files behind the `first` rows, each as if it were in a piece with rows that are alike."""
    groups: dict[Any, list[int]] = {}
    for number, row in enumerate(rows):
        groups.setdefault(make_of(row), []).append(number)
    found = list(rows)
    for numbers in groups.values():
        cells, _ = cast_rows(first, [(Path(), [rows[number] for number in numbers])], 0, True)
        for place, more in cells.items():
            found[numbers[place]] = rows[numbers[place]] | more
    return found


def written_rows(files: Sequence[tuple[Path, list[Row]]]) -> dict[int, Row]:
    """The cells of rows that are written as JSON since they are of several kinds, where no types hold for others."""
    found, start = dict[int, Row](), 0
    with suppress(pa.ArrowException):
        for _, rows in files:
            mixed = Mixed(decoded=False)  # each file is read by itself
            table = mixed.table(encoded(rows, ()), rows, True)
            for name in {str(path[0]) for path in mixed.written} & set(table.column_names):
                for number, cell in enumerate(table.column(name).to_pylist(), start):
                    found.setdefault(number, {})[name] = cell
            start += len(rows)
    return found
