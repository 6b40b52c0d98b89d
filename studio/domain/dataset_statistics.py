"""Statistics of a dataset: what people want to know of each column before they train on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from studio.domain.columns import Column

WORD = 40  # characters up to which a text that comes again and again is a label and no prose
LABELS = 1000  # different texts of a column up to which they may be labels
_FEW, _OFTEN = 10, 0.2  # different texts that are labels in any case; else their share of all, as the Hub's viewer says
QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.95, 1.0)
BARS = 24
COUNTED_TO = 1 << 16  # characters or items of a cell; longer cells are counted as this long


@dataclass(frozen=True)
class ColumnStatistics:
    """One column. `lengths` are the QUANTILES of its cells' lengths, `bars` a histogram of them.

    Lengths are in characters, of conversations all messages together; of lists of numbers in items. What is counted
    here is counted up to COUNTED_TO, what the Hub's viewer tells is exact. `turns` counts
    conversations by their number of messages, `words` roles or labels. A conversation is empty where a message of it
    is. None stands for what is not known.
    """

    name: str
    type: str
    nulls: int | None
    empties: int | None
    lengths: tuple[int | None, ...] = ()
    bars: tuple[int, ...] = ()
    turns: tuple[tuple[int, int | None], ...] = ()
    words: tuple[tuple[str, int], ...] = ()

    @classmethod
    def of(
        cls,
        column: Column,
        nulls: int,
        empties: int | None,
        lengths: Mapping[int, int],
        turns: Mapping[int, int],
        words: Mapping[str, int],
    ) -> ColumnStatistics:
        """From how many cells there are of each length."""
        used = sorted(lengths.items())
        most = sorted(words.items(), key=lambda one: -one[1])
        return cls(
            column.name,
            column.type,
            nulls,
            empties,
            _quantiles(used),
            _bars(used),
            tuple(sorted(turns.items())),
            tuple(most),
        )


def are_labels(words: Mapping[str, int]) -> bool:
    """Whether texts with their counts are labels: few that come again and again."""
    total, count = sum(words.values()), len(words)
    return count < total and (count <= _FEW or count <= _OFTEN * total)


@dataclass(frozen=True)
class Statistics:
    """Statistics of `rows` rows, `whole` where those are all; `repeated` of them are like an earlier one.

    `by_viewer` where they were not counted here, but told by the Hub's dataset viewer.
    """

    rows: int
    whole: bool
    repeated: int | None
    columns: tuple[ColumnStatistics, ...]
    by_viewer: bool = False


def _quantiles(used: list[tuple[int, int]]) -> tuple[int, ...]:
    total, passed = sum(count for _, count in used), 0
    found: list[int] = []
    if not total:
        return ()
    wanted = [min(int(share * total), total - 1) for share in QUANTILES]
    for length, count in used:
        while len(found) < len(wanted) and wanted[len(found)] < passed + count:
            found.append(length)
        passed += count
    return tuple(found)


def _bars(used: list[tuple[int, int]]) -> tuple[int, ...]:
    if not used:
        return ()
    longest, bars = used[-1][0], [0] * BARS
    for length, count in used:
        bars[min(length * BARS // (longest + 1), BARS - 1)] += count
    return tuple(bars)
