"""Data on the Hub judged by what its dataset viewer tells of all rows, within the patience of one question."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from studio.adapters.hub import HubClient, Unknown
from studio.adapters.hubviewer import null_row, statistics_told
from studio.domain.asked_splits import base_split
from studio.domain.cell_structure import LOOKED_INTO
from studio.domain.dataset_statistics import Statistics
from studio.domain.mixture import own_files
from studio.domain.told_rows import Told
from studio.service.data import Inspection, rejudged

_PLACED = 3  # columns for which the row of a null is asked


def ask_viewer(looked: Inspection, hub: HubClient, values: Mapping[str, Any]) -> Told | Unknown:
    """What the viewer tells of all rows; where a column that counts has nulls later on, the row of one too."""
    if own_files(looked.entry):
        return Unknown("unsupported", "The dataset viewer counts a dataset as it is, not some of its files.")
    end, split = time.monotonic() + hub.patience, (looked.name, looked.config, looked.split)
    told = statistics_told(hub, split, looked.columns)
    if isinstance(told, Unknown):
        return told
    rows: dict[str, int] = {}
    for name in list(_null_later(looked, told, values))[:_PLACED]:
        row = null_row(hub, split, name, max(0.1, end - time.monotonic()))
        if isinstance(row, Unknown):  # the verdict does without
            break
        if row is not None:
            rows[name] = row
    return Told(told, rows)


def _null_later(looked: Inspection, told: Statistics, values: Mapping[str, Any]) -> Iterator[str]:
    """The columns that TRL looks into with nulls in later rows only."""
    nulls = {column.name for column in told.columns if column.nulls}
    for name in dict.fromkeys((values.get("dataset_text_field"), *LOOKED_INTO)):
        if name in nulls and all(row.get(name, "") is not None for row in looked.rows):
            yield str(name)


def is_told(looked: Inspection) -> bool:
    """Whether the viewer can tell more of the data than was seen: it is not asked where it showed nothing."""
    split = (looked.entry or {}).get("split")
    sliced = split is not None and split != base_split(split)  # a bad row may not be among those that are taken
    return looked.viewed and not own_files(looked.entry) and not sliced and looked.num_rows not in (0, len(looked.rows))


def with_told(looked: Inspection, told: Told | Unknown | None, values: Mapping[str, Any]) -> Inspection:
    """The inspection judged anew by what the viewer told; the same one where that is nothing, or nothing new."""
    if not isinstance(told, Told) or looked.told is told or not is_told(looked):
        return looked
    return rejudged(replace(looked, told=told), looked.method, values)
