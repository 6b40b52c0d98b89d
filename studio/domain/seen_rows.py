"""The rows that a verdict is given on: the first few as they are, or all of a split, alike ones told together."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from studio.domain.cell_structure import Relation, loaded, parts, relations, structure
from studio.domain.columns import Column
from studio.domain.features import Feature
from studio.domain.findings import Finding

Row = dict[str, Any]
_UNSEEN = object()
_MOST = 2000  # structures of a column that are kept apart


@dataclass(frozen=True)
class Alike:
    """Cells that the rules cannot tell apart: one of them, the number of the first row with such, and how many.

    Where they were counted elsewhere, `among` says in which rows, and not `placed` ones lie anywhere from `row` on.
    """

    row: int
    count: int
    cell: Any
    among: str = ""
    placed: bool = True


class Seen(Protocol):
    """What the rules are given to look at. `total` rows of it, `whole` where that is every row of the split."""

    total: int
    whole: bool
    findings: tuple[Finding, ...]

    def cells(self, name: str) -> Iterator[Alike]:
        """The cells of a column, by the first row of each kind."""
        ...

    def knows(self, name: str) -> bool:
        """Whether the cells of a column are those of every row of the split."""
        ...

    def related(self, relation: Relation) -> list[Alike]:
        """The rows for which a relation holds."""
        ...


class FirstRows:
    """A few rows, the first being number `offset`. A row without a column's key was not seen whole there."""

    whole = False

    def __init__(self, rows: list[Row], offset: int = 0, findings: tuple[Finding, ...] = ()) -> None:
        self.findings = findings
        self._rows = rows
        self._offset = offset
        self.total = len(rows)

    def loaded(self, mixed: Iterable[str]) -> FirstRows:
        """The same rows as the datasets library reads them, where the cells of some columns are of several kinds."""
        names = list(mixed)
        rows = [{**row, **{name: loaded(row[name]) for name in names if name in row}} for row in self._rows]
        found = copy.copy(self)
        found._rows = rows
        return found

    def cells(self, name: str) -> Iterator[Alike]:
        for number, row in enumerate(self._rows, self._offset):
            cell = row.get(name, _UNSEEN)
            if cell is not _UNSEEN:
                yield Alike(number, 1, cell)

    def knows(self, name: str) -> bool:
        return False

    def related(self, relation: Relation) -> list[Alike]:
        one, other = relation.names
        found = []
        for number, row in enumerate(self._rows, self._offset):
            if one in row and other in row and relation.holds(row[one], row[other]):
                found.append(Alike(number, 1, (row[one], row[other])))
        return found


class AllRows:
    """Every row of a split, told in alike cells: bounded, however many rows there are.

    Filled with `add_cell` and `add_related`, by rising row number; `columns` are those that were looked into. `total`
    is how many rows were read, `findings` what was wrong with reading them; `repeated` rows are like an earlier one,
    and `shared` of the `held_out` rows, which are there to evaluate on, are like one of these. `failed` where looking
    ended for a reason that says nothing of the data. `begins` are the first rows of the split's files, `others` the
    rows of other splits that are loaded with it. `schema` are the columns that the datasets library makes, where the
    first rows did not say all of them, `features` its own types of the columns of a text file.
    """

    whole = True
    failed = False
    schema: tuple[Column, ...] = ()

    seconds = 0.0  # that looking took
    repeated = shared = held_out = 0
    begins: tuple[int, ...] = ()

    def __init__(self, columns: Iterable[str], total: int = 0, findings: tuple[Finding, ...] = ()) -> None:
        self.columns = tuple(columns)
        self.relations = tuple(relations(self.columns))
        self.total = total
        self.findings = findings
        self.others: dict[str, AllRows] = {}
        self.features: dict[str, Feature] = {}
        self._cells: dict[str, dict[Any, list[Any]]] = {name: {} for name in self.columns}
        self._parts: dict[str, set[Any]] = {name: set() for name in self.columns}
        self._related: dict[Relation, list[Any]] = {}

    def add_column(self, name: str) -> None:
        """A column that begins after the rows that were seen, which are null in it."""
        self.columns += (name,)
        self.relations = tuple(relations(self.columns))
        self._cells[name], self._parts[name] = {}, set()
        if self.total:
            self.add_cell(name, 0, self.total, None)

    def add_cell(self, name: str, row: int, count: int, cell: Any) -> None:
        """Counts cells of one structure, of which `cell` is the first, in row number `row`."""
        kept = self._cells[name]
        key = structure(cell, name)
        found = kept.get(key)
        if found is None and len(kept) >= _MOST:
            key = structure(cell, name, named=False)
            found = kept.get(key)
            if found is None and not set(parts(cell)) - self._parts[name]:
                # Another mixture of what has been seen already: its rules are those of the parts.
                found = next((one for other, one in kept.items() if other[:3] == key[:3]), None)  # type: ignore[index]
        if found is not None:
            found[0], found[1] = min(found[0], row), found[1] + count
            return
        kept[key] = [row, count, cell]
        self._parts[name].update(parts(cell))

    def add_related(self, relation: Relation, row: int, count: int, cells: Any) -> None:
        """Counts rows for which a relation holds, `row` being the first."""
        found = self._related.setdefault(relation, [row, 0, cells])
        found[0], found[1] = min(found[0], row), found[1] + count

    def cells(self, name: str) -> Iterator[Alike]:
        for row, count, cell in sorted(self._cells.get(name, {}).values(), key=lambda one: int(one[0])):
            yield Alike(row, count, cell)

    def knows(self, name: str) -> bool:
        return True

    def related(self, relation: Relation) -> list[Alike]:
        found = self._related.get(relation)
        return [Alike(*found)] if found else []
