"""Splits and files of data in which there are no rows: the datasets library stops while loading them."""

from __future__ import annotations

from studio.adapters.datafiles import DataSource
from studio.domain.dataset_answers import Rowless
from studio.domain.errors import StudioError
from studio.domain.findings import Finding, Where

_NO_GROUP = "The datasets library takes the size of its first part for all and stops, whatever rows come after it. "
_NO_ROWS = "The datasets library makes no split of no rows: TRL would stop while loading the data. "
_MOST = 100  # files of a split that are opened
_CURE = "Leave it out, or write it anew with the rows that belong there."


def rowless(source: DataSource, split: str | None = None) -> Rowless:
    """What of a source, or of one split, holds no rows. What cannot be read is told elsewhere."""
    files: list[Finding] = []
    splits: list[tuple[str, Finding]] = []
    for name in source.splits if split is None else (split,):
        try:
            # Of what is on the Hub one file is asked, since each takes its time.
            asked = source.files[name][: _MOST if source.place.local else 1]
            stops = [file for file in asked if source.first_group(file) == 0]
            empty = not source.has_rows(name)
        except StudioError:
            continue
        for file in stops:
            what = f"{file} begins with a row group of no rows."
            files.append(Finding("error", Where("file", str(file)), what, _NO_GROUP + _CURE))
        if empty and not stops:
            first, *more = source.files[name]
            what = f"{first} holds no rows" if not more else f"{first} and {len(more):,} more files hold no rows"
            wrong = Finding("error", Where("file", str(first)), f"{what}: '{name}' is empty.", _NO_ROWS + _CURE)
            splits.append((name, wrong))
    return Rowless(tuple(files), tuple(splits))
