"""What pandas reads of a csv, as Arrow columns, or in words why the datasets library would stop at it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow as pa

from studio.adapters.fitting import Misfit, Stopped
from studio.adapters.jsonpieces import first_line
from studio.domain.findings import Finding, Where, beyond, row_name


def frame_table(frame: Any, file: Path, start: int) -> Any:
    """Some rows of a file, from row `start` on, as an Arrow table. Raises Misfit or Stopped where they are none."""
    try:
        return pa.Table.from_pandas(frame)
    except OverflowError:
        raise _too_big(frame, file, start) from None
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        for name in frame.columns:
            kinds: dict[type, int] = {}
            for place, cell in enumerate(frame[name].dropna().items()):
                kinds.setdefault(type(cell[1]), place)
            if len(kinds) > 1:
                raise Misfit(str(name), max(kinds.values()), "another type", "one type") from None
        raise


def _too_big(frame: Any, file: Path, start: int) -> Stopped:
    """The first whole number that no column of numbers holds; pandas leaves such a column as Python's own."""
    cells = (
        (place, str(name), cell)
        for name in frame.columns
        if frame[name].dtype == object
        for place, cell in enumerate(frame[name])
        if isinstance(cell, int) and not -(1 << 63) <= cell < 1 << 63
    )
    first = min(cells, key=lambda one: one[0], default=None)
    if first is None:
        what = f"{file} holds numbers that no column of numbers holds."
        return Stopped(Finding("error", Where("file", str(file), start), what, "Write them as text."))
    place, name, cell = first
    row = start + place
    message = f"`{name}` holds {cell} in {row_name(row)}, and a whole number has at most 64 bits."
    why = "The datasets library stops there with an OverflowError. Leave the column out of the file."
    return Stopped(Finding("error", Where("file", str(file), row), message, why))


def no_csv(file: Path, start: int, error: str) -> tuple[str, str, int | None]:
    """What is wrong with a file that pandas does not read, what to do, and in which line it is."""
    found = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", error)
    if not found:
        return f"{file} is no CSV{beyond(start)}: {first_line(error)}.", "Save the table as CSV in UTF-8.", None
    hint = 'A cell with commas or line breaks must stand in double quotes: "like, this".'
    return f"Line {found[2]} of {file} has {found[3]} cells, and the header has {found[1]}.", hint, int(found[2])
