"""The first rows of JSON as they are loaded: the types of the first file hold for the files and splits after it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from studio.adapters.archives import size_of
from studio.adapters.datafiles import DataSource
from studio.domain.errors import StudioError
from studio.domain.findings import Finding

_SAMPLE_ROWS = 200  # of the split that says the types
Row = dict[str, Any]


def is_listed(source: DataSource) -> bool:
    """Whether the first file of JSON is a list. Of a stream no rows then say the types of others."""
    files = source.files[source.splits[0]] if source.format == "json" else ()
    first = next((file for file in files if not source.place.local or size_of(file)), None)
    return first is not None and source.is_list(first)


def rows_as_loaded(source: DataSource, split: str, rows: list[Row], streams: bool = False) -> list[Row]:
    """Rows from anywhere in a split with their cells as they are loaded, as far as the first rows tell that."""
    lead = source.splits[0]
    alone = split == lead and len(source.files[split]) == 1
    if source.format != "json" or alone or (streams and is_listed(source)):
        return rows
    first = list[Row]()
    with suppress(StudioError):  # what is wrong with that split is told of it
        first = next((some for _, some in source.heads(lead, _SAMPLE_ROWS)), [])
    from studio.adapters.casting import alike_cast

    return alike_cast(first, rows) if first else rows


def loaded_rows(
    source: DataSource, split: str, n: int, lead: str | None = None, streams: bool = False
) -> tuple[list[Row], Finding | None]:
    """The first rows of a split, and what of them stops the loading as it is of another type than what comes before.

    `lead` is the split that is loaded first, where that counts. What cannot be told from the first rows is left as it
    is in the file.
    """
    rows, lead = source.rows(split, n), lead or split
    loose = streams and lead == split and is_listed(source)
    if source.format != "json" or (len(source.files[split]) == 1 and lead == split and not loose):
        return rows, None
    heads, asked, start, first = source.heads(split, n), n, 0, list[Row]()
    singles = list[tuple[Path, list[Row]]]()
    if loose:
        first = []
    elif lead == split:
        objects = bool(heads) and not source.is_list(heads[0][0])  # else they come before any type is known
        if not objects:
            singles = heads[:-1] if len(rows) == n else heads  # of the last one more rows may follow
        first, heads = (heads[0][1], heads[1:]) if heads else ([], [])
        start = len(first)
    else:
        objects, asked = True, _SAMPLE_ROWS
        with suppress(StudioError):  # what is wrong with that split is told of it
            first = next((some for _, some in source.heads(lead, asked)), [])
    if not heads or not (first or loose):
        return rows, None
    # Here, since Arrow takes a while to import.
    from studio.adapters.casting import cast_rows, unlike_singles, written_rows

    if loose:
        cells, wrong = written_rows(heads), None
    else:
        cells, wrong = cast_rows(first, heads, start, objects)
        wrong = wrong or unlike_singles(singles)
    loaded = [row | cells.get(number, {}) for number, row in enumerate(rows)]
    return loaded, wrong if len(first) < asked else None
