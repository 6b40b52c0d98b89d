"""Every row of all splits that are loaded together looked at, the one that is trained on among them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from studio.adapters.archives import size_of
from studio.adapters.datapieces import Pieces
from studio.adapters.fitting import Stopped
from studio.adapters.wholecheck import check_all
from studio.domain.columns import Column
from studio.domain.seen_rows import AllRows


def check_splits(
    form: str,
    splits: Mapping[str, Sequence[Path]],
    trained: str,
    columns: Mapping[str, Iterable[Column]],
    wanted: Iterable[str],
    heard: Callable[[int, float], None],
    held_out: Sequence[Path] = (),
    types: Sequence[Path] | None = None,
) -> AllRows:
    """All rows of the split that is `trained` on, with those of the others, in the order in which they are loaded.

    The first split says the types of all. Of streams the first rows of the files `types` do; where there are none, each
    split has its own `columns`.
    """
    sizes = {split: sum(map(size_of, files)) for split, files in splits.items()}
    whole, read = sum(sizes.values()) or 1, 0
    known = list(columns[trained])
    chain = list[Pieces]() if types is None else None
    try:
        first = _first_piece(form, types) if types is not None and form == "json" else None
    except Stopped as error:
        return AllRows((), 0, (error.finding,))
    found: dict[str, AllRows] = {}
    for split, files in splits.items():

        def told(rows: int, share: float, before: int = read, size: int = sizes[split]) -> None:
            heard(rows, (before + share * size) / whole)

        own = columns.get(split, known) if types == () else known
        beside = held_out if split == trained else ()
        before = [first] if first is not None else chain
        found[split] = check_all(form, files, own, wanted, told, held_out=beside, chain=before)
        read += sizes[split]
    seen = found.pop(trained)
    seen.others = found
    return seen


def _first_piece(form: str, files: Sequence[Path]) -> Pieces:
    """The reader of a split whose first rows alone are read, as they say the types of what is streamed.

    Where they do not, as there are no files of lines, it is `loose`. Raises Stopped where the library stops at them.
    """
    source = Pieces(form, files, (), ())
    try:
        next((piece for piece in source if piece.rows), None)
    except Stopped as error:
        if error.types:
            raise
    source.loose, source.streams = not source.features, True
    return source
