"""Every row of all splits that are loaded together looked at, the one that is trained on among them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from studio.adapters.archives import size_of
from studio.adapters.datapieces import Pieces
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
    chained: bool = True,
) -> AllRows:
    """All rows of the split that is `trained` on, with those of the others, in the order in which they are loaded.

    Where they are `chained` the first split says the types of all. Else each has its own, and its own `columns`.
    """
    sizes = {split: sum(map(size_of, files)) for split, files in splits.items()}
    whole, read = sum(sizes.values()) or 1, 0
    chain: list[Pieces] | None = [] if chained else None
    found: dict[str, AllRows] = {}
    for split, files in splits.items():

        def told(rows: int, share: float, before: int = read, size: int = sizes[split]) -> None:
            heard(rows, (before + share * size) / whole)

        known = columns[trained] if chained else columns.get(split, columns[trained])
        beside = held_out if split == trained else ()
        found[split] = check_all(form, files, known, wanted, told, held_out=beside, chain=chain)
        read += sizes[split]
    seen = found.pop(trained)
    seen.others = found
    return seen
