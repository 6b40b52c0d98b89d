"""The rows that stand for a recipe's data where its tokens are counted: of each dataset by its share, from all over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from studio.adapters import datafiles
from studio.adapters.archives import stamp_of
from studio.adapters.hub import HubClient
from studio.domain.errors import StudioError
from studio.domain.plain_json import plain
from studio.domain.token_count import ALL
from studio.service.cached_copies import reopened
from studio.service.data import Inspection
from studio.service.first_rows import rows_as_loaded
from studio.service.mixing import Mix, Part, entry_source
from studio.service.paths import Paths
from studio.service.preview import chosen_files, hub_rows

_BLOCKS = 10  # places all over the data from which a sample is taken
_AT_ONCE = 100  # rows that the Hub tells at once
_OF_THE_HUB = 2_000  # rows that it is asked for at most

Row = dict[str, Any]


@dataclass(frozen=True)
class Share:
    """One dataset of those that are counted, and which rows of it: `rows` from `first` on, None where to the end."""

    looked: Inspection
    entry: Mapping[str, Any]
    first: int
    rows: int | None

    def identity(self) -> list[Any]:
        """What tells these data from others, and from themselves once they are written anew."""
        one = self.looked
        written = _written(one.files or (one.name,)) if one.source == "local" else one.num_rows
        columns = [column.name for column in one.columns]
        return [one.name, one.source, one.config, one.split, columns, self.entry, written]


class Taken(NamedTuple):
    """Rows that are counted, how the child is to read them, and how many the data have, where that is known by now."""

    rows: list[Row]
    kind: str
    total: int | None


def shares_of(mix: Mix, looked: Sequence[Inspection]) -> tuple[Share, ...]:
    """What is counted of each dataset, in their order; none where not all of them can be read."""
    if not looked or len(looked) != len(mix.parts) or not all(one.columns for one in looked):
        return ()
    return tuple(
        Share(one, part.entry, part.first or 0, part.gives) for one, part in zip(looked, mix.parts, strict=True)
    )


def against(mix: Mix, looked: Sequence[Inspection]) -> str:
    """Why no rows can be taken, in a sentence that says of a mixture which dataset it is; `` where they can."""
    several = len(mix.parts) > 1
    for one, part in zip(looked, mix.parts, strict=False):
        why = _unfit(one, one.name if several else "the data") or _unknown(one, part)
        if why:
            return why
    if len(looked) < max(1, len(mix.parts)):
        return "Tokens can be counted once the data can be read."
    if any(part.gives is None and part.entry.get("fraction") is not None for part in mix.parts):
        return "Tokens can be counted once each dataset has a `fraction` that is a share, or none has one."
    return ""


def _unfit(one: Inspection, named: str) -> str:
    if not one.columns:
        return f"Tokens can be counted once {named} can be read."
    if one.verdict == "reject":
        return f"Tokens can be counted once the method takes {named}."
    if any(column.type in ("image", "images") or column.name in ("image", "images") for column in one.columns):
        which = "" if named == "the data" else f" {named} has some."
        return f"Data with images are turned into tokens while they train, so they cannot be counted before.{which}"
    return ""


def _unknown(one: Inspection, part: Part) -> str:
    """Why it is not known which rows of a dataset are taken, or why those are none."""
    split = str(part.entry.get("split") or "train")
    if part.rows == 0:
        return f"`{split}` of {one.name} has no rows: choose another split, or a larger part of it."
    if part.first is None and one.num_rows is not None:
        return f"Tokens are counted of a split or of one part of it, as in `train[:10%]`: {one.name} takes `{split}`."
    if part.rows is None and ("[" in split or part.entry.get("fraction") is not None):
        return f"Which rows of {one.name} are taken hangs on how many it has: tokens can be counted once that is known."
    return ""


def rows_of(shares: Sequence[Share], number: int, paths: Paths, hub: HubClient) -> Taken:
    """About `number` rows, and how the child is to read them: as the datasets library reads json, or as told.

    They have the columns of all datasets, as after TRL has put one behind the other. Raises StudioError.
    """
    sized = list(zip(shares, _sizes(shares, number), strict=True))
    taken = [(share, size) for share, size in sized if size]
    names = dict.fromkeys(column.name for share, _ in taken for column in share.looked.columns)
    rows: list[Row] = []
    forms = set()
    counts = [share.rows for share, size in sized if not size]
    for share, size in taken:
        known = share.rows
        if share.looked.source == "local":
            source = _source(share.looked, paths)
            forms.add(source.format)
            split = share.looked.split if share.looked.split in source.splits else source.splits[0]
            told = rows_as_loaded(source, split, list(_spread(source, split, share, size)), share.looked.streams)
        else:
            forms.add("hub")
            told, known = _from_hub(share, size, hub)
        counts.append(known)
        # A column that is left out here may be one of another dataset, and then its cells are empty.
        own = {column.name for column in share.looked.columns}
        rows += [{name: plain(row.get(name)) if name in own else None for name in names} for row in told]
    if not rows:
        raise StudioError("There are no rows to count.", "Choose another split.")
    # Dates and numbers in texts are told by the library's own reader, where it reads the same format.
    total = None if None in counts else sum(count or 0 for count in counts)
    return Taken(rows, "json" if forms == {"json"} else "rows", total)


def countable(looked: Sequence[Inspection]) -> int:
    """Up to how many rows all of them are counted on demand: of the Hub's fewer, for it tells them in small pages."""
    return _OF_THE_HUB if any(one.source == "hub" for one in looked) else ALL


def _sizes(shares: Sequence[Share], number: int) -> list[int]:
    """How many rows are taken of each dataset: in proportion to those it has, and at least one."""
    most = [_OF_THE_HUB if share.looked.source == "hub" else number for share in shares]
    counts = [share.rows for share in shares if share.rows is not None]
    if len(counts) < len(shares):  # how much of the mixture they are is not known: they count alike
        alike = number // len(shares)
        return [min(alike, top, share.rows or alike) for top, share in zip(most, shares, strict=True)]
    total = sum(counts)
    number = min(number, total, *(top * total // count for top, count in zip(most, counts, strict=True) if count))
    ends = [0]
    sizes = []
    for count in counts:
        ends.append(ends[-1] + count)
        size = number * ends[-1] // total - number * ends[-2] // total
        sizes.append(max(size, min(1, count)))
    return sizes


def _source(looked: Inspection, paths: Paths) -> datafiles.DataSource:
    if looked.copied:
        return reopened(looked.name, looked.config)
    source = entry_source(looked.entry, paths) if looked.entry is not None else None
    place = paths.find(looked.name) if source is None else None
    if source is None and place is None:
        raise StudioError(f"{looked.name} is not there any more.", "Look at the data again.")
    return source or datafiles.open_source(str(place), looked.config or None)


def _spread(source: datafiles.DataSource, split: str, share: Share, number: int) -> Iterator[Row]:
    """`number` rows from places all over a share, so that sorted data do not mislead; the first ones of huge files."""
    if share.rows is None or share.rows <= number:
        yield from source.rows(split, number, share.first)
        return
    for first, length in _places(share, number, min(_BLOCKS, number)):
        yield from source.rows(split, length, first)


def _places(share: Share, number: int, blocks: int) -> Iterator[tuple[int, int]]:
    """Where `number` rows of a share are taken in so many blocks: the first row of each, and how many."""
    free = max(0, (share.rows or 0) - number)
    for block in range(blocks):
        begin, end = number * block // blocks, number * (block + 1) // blocks
        yield share.first + begin + free * block // max(1, blocks - 1), end - begin


def _from_hub(share: Share, number: int, hub: HubClient) -> tuple[list[Row], int | None]:
    """Rows as the Hub tells them, in pages from all over the data; of one that says no more, those that came.

    Beside them how many the share has: some data tell that only once they are read.
    """
    one, known = share.looked, share.rows
    rows: list[Row] = []
    chosen = chosen_files(hub, share.entry)
    for first, length in _places(share, number, -(-number // _AT_ONCE)):
        page = hub_rows(chosen, one.name, one.config, one.split, first, length)
        if page.finding is not None and not rows:
            raise StudioError(page.finding.message, "The count can wait for it.")
        if page.finding is not None:
            break
        if share.rows is None and page.total is not None:
            known = max(0, page.total - share.first)
        # A cell that was cut short is left out by the client: its row would be counted wrongly.
        rows += [row for row in page.rows if all(column.name in row for column in one.columns)]
        if share.rows is None and known is not None and first - share.first + length >= known:
            break
    return rows, known


def _written(names: Sequence[str]) -> list[int]:
    """Changes whenever one of the files, or of a folder's, is written."""
    found = []
    try:
        for place in map(Path, names):
            files = sorted(islice(place.rglob("*"), 1000)) if place.is_dir() else [place]
            found += [value for one in files for value in stamp_of(one)]
    except OSError:
        return []
    return found
