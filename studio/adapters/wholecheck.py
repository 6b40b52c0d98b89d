"""Every row of a split looked at, at the speed of Arrow: what the rules need to know of all cells, in little room."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from studio.adapters.cellcodes import alike, holding
from studio.adapters.datacounts import MOST_PRINTS, prints, repeated, shared
from studio.adapters.datapieces import Piece, Pieces
from studio.adapters.fitting import Stopped
from studio.domain.columns import Column
from studio.domain.findings import Finding
from studio.domain.seen_rows import AllRows


def check_all(
    form: str,
    files: Sequence[Path],
    columns: Iterable[Column],
    wanted: Iterable[str],
    heard: Callable[[int, float], None] = lambda rows, share: None,
    size: int | None = None,
    held_out: Sequence[Path] = (),
    chain: list[Pieces] | None = None,
) -> AllRows:
    """All rows of a split's files, told in alike cells. Where the datasets library would stop, it stops too.

    `wanted` are the columns to look into; `heard` is told rows and share after each piece, and may raise to end it;
    `size` is that of a piece, for JSON and text in bytes, else in rows. `held_out` are files to evaluate on. `chain`
    has the readers of the splits that are loaded before, whose types hold for this one; its own is put behind them.
    """
    known, asked_for = list(columns), list(wanted)
    kept = set(asked_for)
    names = [column.name for column in known if column.name in kept]
    seen = AllRows(names)
    # Where a file has no schema, columns may begin in any row.
    told = asked_for if form == "json" else names
    source = Pieces(form, files, known, told, size, chain[-1] if chain else None)
    if chain is not None:
        chain.append(source)
    stopped: list[Finding] = []
    printed: list[Any] = []
    asked, answered = set(seen.relations), set(seen.relations)
    try:
        for piece in source:
            for name in piece.columns:
                if name not in seen.columns:
                    seen.add_column(name)
                    asked |= set(seen.relations) - answered
                    answered |= set(seen.relations)
            _add(seen, piece, asked)
            if seen.total < MOST_PRINTS:
                printed.append(prints(piece.columns, piece.rows))
            seen.total = piece.start + piece.rows
            heard(seen.total, source.share)
    except Stopped as error:
        stopped.append(error.finding)
    seen.findings = (*stopped, *source.warnings)
    seen.begins = tuple(source.begins)
    seen.schema = source.schema(known)
    seen.features = source.features if form not in ("parquet", "arrow") else {}  # those have them in their schema
    if seen.total <= MOST_PRINTS:
        seen.repeated = repeated(printed)
        others = _prints(Pieces(form, held_out, known, seen.columns, size)) if held_out and not stopped else []
        seen.shared, seen.held_out = shared(printed, others), sum(len(one) for one in others)
    return seen


def _prints(source: Pieces) -> list[Any]:
    """The rows of other files, as far as they can be read: what is wrong with those is for who trains on them."""
    found: list[Any] = []
    try:
        for piece in source:
            found.append(prints(piece.columns, piece.rows))
            if source.start > MOST_PRINTS:
                return []
    except Stopped:
        return found
    return found


def _add(seen: AllRows, piece: Piece, asked: set[Any]) -> None:
    """Adds a piece to what was seen; a relation that has been answered once and for all is asked no more."""
    for name, cells in piece.columns.items():
        if isinstance(cells, list):
            for place, cell in enumerate(cells):
                seen.add_cell(name, piece.start + place, 1, cell)
        else:
            for place, count, cell in alike(cells, name):
                seen.add_cell(name, piece.start + place, count, cell)
    for relation in list(asked):
        one, other = (piece.columns.get(name) for name in relation.names)
        if one is None or other is None:
            continue
        if isinstance(one, list) or isinstance(other, list):
            pairs = zip(_listed(one), _listed(other), strict=True)
            found = [(place, pair) for place, pair in enumerate(pairs) if relation.holds(*pair)]
            answer = (found[0][0], len(found), found[0][1]) if found else None
        else:
            answer = holding(relation, one, other)
        if answer is not None:
            seen.add_related(relation, piece.start + answer[0], answer[1], answer[2])
            if relation.once:
                asked.discard(relation)


def _listed(cells: Any) -> list[Any]:
    return cells if isinstance(cells, list) else list(cells.to_pylist())
