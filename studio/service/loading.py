"""What a dataset is loaded with, and what cannot be loaded so: parts that are not there, no rows, what is no stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from studio.domain.asked_splits import base_split, config_findings, split_findings
from studio.domain.dataset_types import Verdict
from studio.domain.findings import Finding, Level, Where
from studio.domain.mixture import SINGLE, by_builder
from studio.domain.other_files import other_separator, wrong_separator
from studio.service.other_splits import judged_too, streams_split

if TYPE_CHECKING:
    from studio.service.data import Inspection


def loaded_with(values: Mapping[str, Any], split: str | None, found: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe's values where a dataset is looked at by itself: with the split asked for, the configuration `found`."""
    more = {"dataset_train_split": split, "dataset_config": found.get("dataset_config")}
    others = {name: value for name, value in values.items() if name != "dataset_name"}
    return {**others, **{name: value for name, value in more.items() if value}}


def alone(values: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    """What one dataset of a mixture is judged by: the recipe's values, without what the mixture is asked for."""
    kept = {name: value for name, value in values.items() if name not in (*SINGLE, "datasets", "eval_strategy")}
    return {**kept, "dataset_train_split": base_split(entry.get("split"))}


def by_commas(looked: Inspection, judged: Verdict) -> Verdict:
    """The verdict on a table of one column for the library, since its cells are separated by something else.

    What columns are missing has that one reason, and is not said beside it.
    """
    names = [column.name for column in looked.columns]
    of_commas = len(names) == 1 and looked.form in ("csv", "") and ".tsv" not in looked.name
    sign = other_separator(names, [row.get(names[0]) for row in looked.rows]) if of_commas else ""
    if not sign:
        return judged
    level: Level = "error" if judged.verdict == "reject" else "warning"
    found = Finding(level, Where("file", looked.name), *wrong_separator(looked.name, sign))
    rest = [one for one in judged.findings if one.where.kind != "column"]
    return replace(judged, findings=(found, *rest))


def unloadable(looked: Inspection, values: Mapping[str, Any]) -> list[Finding]:
    """What stops the loading, whatever the method."""
    found = [*_not_there(looked, values), *_rowless(looked, values), *_no_stream(looked, values)]
    found += [looked.copied] if looked.copied else []
    seen = looked.seen is not None and not looked.seen.failed  # which says it of all rows
    return [*found, looked.unlike] if looked.unlike and not seen else found


def _not_there(looked: Inspection, values: Mapping[str, Any]) -> list[Finding]:
    """What a recipe asks of a single dataset and that it has not; of a mixture, each entry is asked for its own."""
    if not looked.splits or looked.entry is not None or values.get("datasets"):
        return []
    if "datasets" in looked.values:
        name = values.get("dataset_name")
        return [by_builder(str(name), looked.values, values)] if name else []
    loaded = {**looked.values, **values}
    return [
        *config_findings(looked.name, looked.configs, looked.usual, values.get("dataset_config"), "dataset_config"),
        *split_findings(looked.name, looked.splits, loaded),
    ]


def _rowless(looked: Inspection, values: Mapping[str, Any]) -> list[Finding]:
    """What stops the loading since there are no rows. Of a mixture's entry, its own split has a Finding elsewhere."""
    streams = streams_split(looked, values)  # else all splits are made, whichever are asked for
    asked = {looked.split, looked.read_split, *judged_too(looked, values)}
    of = {str(file): one.name for one in looked.others for file in one.files}
    found = [one for one in looked.rowless.files if not streams or of.get(one.where.name, looked.split) in asked]
    if looked.entry is not None:
        return found
    found += [finding for split, finding in looked.rowless.splits if not streams or split in asked]
    if looked.num_rows == 0 and not found:
        what = f"{looked.name} has no rows in '{looked.split}'."
        why = "TRL would stop while loading the data. Choose a split with rows in it."
        found.append(Finding("error", Where("file", looked.name), what, why))
    return found


def _no_stream(looked: Inspection, values: Mapping[str, Any]) -> list[Finding]:
    """What stops the loading since it is asked for as a stream."""
    if not looked.tar or not streams_split(looked, values):
        return []
    what = f"{looked.tar} is a tar, which is loaded whole or not at all."
    return [Finding("error", Where("file", looked.tar), what, "Leave streaming off, or pack the files as zip.")]
