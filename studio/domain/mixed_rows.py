"""The rows of several datasets put behind each other, as the rules see them: what one of them lacks is null."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from studio.domain.cell_structure import Relation
from studio.domain.findings import Finding
from studio.domain.seen_rows import Alike, Seen


class MixedRows:
    """What was seen of several datasets, each with the names of its columns, as of one."""

    def __init__(self, parts: Sequence[tuple[Seen, Collection[str]]]) -> None:
        self._parts = parts
        self.total = sum(seen.total for seen, _ in parts)
        self.whole = all(seen.whole for seen, _ in parts)
        self.findings: tuple[Finding, ...] = ()

    def cells(self, name: str) -> Iterator[Alike]:
        before = 0
        for seen, names in self._parts:
            if name in names:
                yield from (replace(one, row=before + one.row) for one in seen.cells(name))
            elif seen.total:
                yield Alike(before, seen.total, None)
            before += seen.total

    def knows(self, name: str) -> bool:
        return all(seen.knows(name) for seen, names in self._parts if name in names)

    def related(self, relation: Relation) -> list[Alike]:
        found, before = list[Alike](), 0
        for seen, names in self._parts:
            if set(relation.names) <= set(names):
                found += [replace(one, row=before + one.row) for one in seen.related(relation)]
            before += seen.total
        return found
