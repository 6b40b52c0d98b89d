"""The first rows of data on the Hub, with what its dataset viewer tells of all others: nulls, and what labels say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from studio.domain.dataset_statistics import ColumnStatistics, Statistics
from studio.domain.seen_rows import Alike, FirstRows, Row

# Of numbers with a point the viewer counts what is no number among the nulls, and of the rest it measures little.
_NULLS_TOLD = ("text", "messages", "turns", "boolean", "integer")
_TRUTHS = {"true": True, "false": False}


@dataclass(frozen=True)
class Told:
    """The viewer's statistics of a split, with the first row that is null in a column, where it told that too."""

    statistics: Statistics
    null_rows: Mapping[str, int] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """The rows that were counted, as a sentence calls them."""
        rows = self.statistics.rows
        return f"{rows:,} rows" if self.statistics.whole else f"first {rows:,} rows"

    @property
    def sentence(self) -> str:
        """What the verdict goes by beside the first rows."""
        rows = f"all {self.words}" if self.statistics.whole else f"the {self.words}"
        return f"The Hub's dataset viewer counted nulls and labels in {rows}."


class ToldRows(FirstRows):
    """The first rows, and the cells of later ones as far as the viewer's numbers tell what they are."""

    def __init__(self, rows: list[Row], told: Told) -> None:
        super().__init__(rows)
        self._told = told
        self._columns = {column.name: column for column in told.statistics.columns}

    def cells(self, name: str) -> Iterator[Alike]:
        shown = list(super().cells(name))
        yield from shown
        column = self._columns.get(name)
        if column is not None:
            yield from self._later(column, [one.cell for one in shown])

    def knows(self, name: str) -> bool:
        known = sum(one.count for one in self.cells(name))
        return self._told.statistics.whole and known == self._told.statistics.rows

    def _later(self, column: ColumnStatistics, shown: list[Any]) -> Iterator[Alike]:
        told = self._told
        if column.nulls and (column.type in _NULLS_TOLD or column.type.startswith("list<")):
            row, count = told.null_rows.get(column.name), column.nulls - shown.count(None)
            if count > 0:
                yield Alike(row or len(shown), count, None, told.words, placed=row is not None)
        for cell, total in _values(column, shown):
            count = total - sum(type(one) is type(cell) and one == cell for one in shown)
            if count > 0:
                yield Alike(len(shown), count, cell, told.words, placed=False)


def _values(column: ColumnStatistics, shown: list[Any]) -> Iterator[tuple[Any, int]]:
    """What the cells of a column of labels hold, each with its number; nothing where the numbers do not tell."""
    counts = {word: count for word, count in column.words if word}
    if column.type == "boolean" and set(counts) <= set(_TRUTHS):
        yield from ((_TRUTHS[word], count) for word, count in counts.items())
    elif column.type == "integer" and len(counts) == 1:
        # Where a label has a name the viewer tells that, and the first rows its number.
        first = next((cell for cell in shown if isinstance(cell, int)), None)
        if first is not None:
            yield first, next(iter(counts.values()))
