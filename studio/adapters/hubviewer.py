"""The Hub's dataset viewer on one split: any of its rows, those with a null, and statistics over all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from studio.domain.columns import Column, column_of_feature
from studio.domain.dataset_answers import DatasetRows, row_of
from studio.domain.dataset_statistics import Statistics
from studio.domain.viewer_statistics import statistics_of


class Views(Protocol):
    """Who asks the viewer: within a time, and with a word of why not instead of an exception."""

    def view(
        self, question: str, read: Callable[[Any], Any], what: str, patience: float | None = None, **asked: str | int
    ) -> Any: ...


def rows_shown(
    hub: Views, split: tuple[str, str, str], offset: int, n: int, patience: float | None = None
) -> DatasetRows | Any:
    """Rows `offset` to `offset + n` (at most 100) of a split (dataset, configuration, split); or why there are none."""

    def read(found: Any) -> DatasetRows:
        columns = [column_of_feature(feature["name"], feature["type"]) for feature in found["features"]]
        told = [row_of(entry, columns) for entry in found["rows"]]
        return DatasetRows(told, found.get("num_rows_total"), bool(found.get("partial")))

    asked: dict[str, Any] = {**_asked(split), "offset": offset, "length": min(n, 100)}
    return hub.view("rows", read, f"these rows of {split[0]}", patience, **asked)


def statistics_told(hub: Views, split: tuple[str, str, str], columns: Iterable[Column]) -> Statistics | Any:
    """Statistics over all rows of a split, or over as many as the viewer counts; or what `hub` answers instead."""
    what = f"all rows of {split[0]}"
    return hub.view("statistics", lambda found: statistics_of(found, columns), what, **_asked(split))


def null_row(hub: Views, split: tuple[str, str, str], column: str, patience: float) -> int | Any | None:
    """The number of a row of a split that is null in a column, None where there is none; or what `hub` answers."""

    def read(found: Any) -> int | None:
        return int(found["rows"][0]["row_idx"]) if found["rows"] else None

    quoted = column.replace('"', '""')
    asked: dict[str, Any] = {**_asked(split), "where": f'"{quoted}" IS NULL', "offset": 0, "length": 1}
    return hub.view("filter", read, f"the rows of {split[0]}", patience, **asked)


def _asked(split: tuple[str, str, str]) -> dict[str, Any]:
    return dict(zip(("dataset", "config", "split"), split, strict=True))
