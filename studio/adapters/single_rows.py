"""Files of one row each: the datasets library puts them together before it makes their types alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from studio.adapters.dataschema import type_words
from studio.adapters.fitting import Stopped
from studio.domain.findings import Finding, Where, row_name

_MOST = 1000  # rows that it holds back, as long as one comes after the other
_WHY = (
    "The datasets library puts files of one row each together as they are, and stops where their columns differ. "
    "Write the rows into one file, or give every file the same columns in the same order."
)


class SingleRows:
    """Tables as they come from files whose types nothing has told yet (lists of JSON, CSV)."""

    def __init__(self) -> None:
        self._schema: Any = None
        self._held = 0

    def add(self, table: Any, file: Path, row: int) -> None:
        """Takes the next table in, which begins with `row`. Raises Stopped where it is no more put together."""
        if table.num_rows != 1:
            self._schema = None
            return
        self._held = self._held + 1 if self._schema is not None else 1
        if self._schema is None or self._held > _MOST:
            self._schema, self._held = table.schema, 1
        elif not table.schema.equals(self._schema):
            raise Stopped(_unlike(table.schema, self._schema, file, row))


def _unlike(schema: Any, before: Any, file: Path, row: int) -> Finding:
    if schema.names == before.names:
        name = next(one.name for one in schema if one.type != before.field(one.name).type)
        found, wanted = (type_words(str(one.field(name).type)) for one in (schema, before))
        what = f"`{name}` changes its type in {row_name(row)}: {found}, after {wanted}."
    elif set(schema.names) == set(before.names):
        what = f"The columns stand in another order in {row_name(row)} than before it."
    else:
        what = f"The columns of {row_name(row)} are others than before it."
    return Finding("error", Where("file", str(file), row), what, _WHY)
