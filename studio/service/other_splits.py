"""The splits beside the one that is trained on: TRL loads them all the same, and may evaluate on one of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.adapters.archives import size_of
from studio.adapters.datafiles import DataSource
from studio.domain.asked_splits import parts_of
from studio.domain.columns import Column
from studio.domain.dataset_types import judge
from studio.domain.errors import StudioError
from studio.domain.findings import Finding, Where
from studio.domain.seen_rows import AllRows, FirstRows
from studio.service.first_rows import loaded_rows

if TYPE_CHECKING:
    from studio.service.data import Inspection

_FIRST = 20  # rows that are looked at until all are
_SAMPLED = 200  # rows that tell the columns of a text file
_MOST = 8  # splits whose first rows are looked at
_LOADED = "The datasets library loads every split of the data, also those that nothing is learnt from."


@dataclass(frozen=True)
class OtherSplit:
    """A split beside the one that was looked at, its columns and first rows; `trouble` says why there are none.

    `unlike` is what of them does not go with the types of the split that is loaded first.
    """

    name: str
    form: str
    files: tuple[Path, ...]
    columns: tuple[Column, ...] = ()
    rows: tuple[dict[str, Any], ...] = ()
    trouble: StudioError | None = None
    empty: bool = False
    unlike: Finding | None = None


def beside(source: DataSource, read: str) -> tuple[OtherSplit, ...]:
    """The splits of local data beside the one that is `read`, each with its first rows."""
    names = [name for name in source.splits if name != read]
    found = []
    for place, name in enumerate(names):
        one = OtherSplit(name, source.format, source.files[name])
        found.append(_headed(source, one) if place < _MOST else one)
    return tuple(found)


def _headed(source: DataSource, one: OtherSplit) -> OtherSplit:
    try:
        columns, (rows, _) = source.columns(one.name), loaded_rows(source, one.name, _FIRST)
        unlike = None
        if source.format == "json":
            _, unlike = loaded_rows(source, one.name, _FIRST, source.splits[0])
        return replace(one, columns=tuple(columns), rows=tuple(rows), empty=not rows, unlike=unlike)
    except StudioError as error:
        return replace(one, empty=True) if _is_empty(source, one) else replace(one, trouble=error)


def _is_empty(source: DataSource, one: OtherSplit) -> bool:
    """Whether a split whose columns could not be told has no rows, and is not broken."""
    try:
        return all(size_of(file) == 0 for file in one.files) or not source.has_rows(one.name)
    except (StudioError, OSError):
        return False


# --- which of them count


def judged_too(looked: Inspection, values: Mapping[str, Any]) -> frozenset[str]:
    """The other splits whose rows the method is given: to evaluate on, or as a part of a sum in a mixture."""
    if looked.entry is None:
        evaluates = values.get("eval_strategy", "no") not in ("no", None, False)
        names = {str(values.get("dataset_test_split", "test"))} if evaluates else set()
    else:
        try:
            names = {part.split for part in parts_of(looked.entry.get("split") or "train")}
        except StudioError:
            names = set()
        if "all" in names:
            names |= set(looked.splits)
    return frozenset(name for name in names if name != looked.read_split)


def to_check(looked: Inspection, values: Mapping[str, Any]) -> tuple[OtherSplit, ...]:
    """The other splits that can stop a run: those that are loaded."""
    if not streams_split(looked, values):
        return looked.others
    wanted = judged_too(looked, values)
    return tuple(one for one in looked.others if one.name in wanted)


def in_order(looked: Inspection, files: Sequence[Path], values: Mapping[str, Any]) -> dict[str, tuple[Path, ...]]:
    """The files of all splits to check, as they are loaded: the first split says the types of those behind it."""
    others = {one.name: one.files for one in to_check(looked, values)}
    order = [*(name for name in looked.splits if name in others or name == looked.read_split)]
    if looked.read_split not in order:
        order.append(looked.read_split)
    return {name: others.get(name, tuple(files)) for name in order}


def streams_split(looked: Inspection, values: Mapping[str, Any]) -> bool:
    """Whether a recipe reads the split as a stream, and no other one than it asks for."""
    return values.get("dataset_streaming" if looked.entry is None else "streaming") is True


def chained(looked: Inspection, values: Mapping[str, Any]) -> bool:
    """Whether the types of the first split hold for the others: those of a stream only where it begins with lines."""
    return not streams_split(looked, values) or (looked.form == "json" and not looked.listed)


def saying_types(looked: Inspection, files: Sequence[Path], values: Mapping[str, Any]) -> tuple[Path, ...] | None:
    """The files whose first rows say the types of a stream; none where no rows do, None where it is no stream."""
    if not streams_split(looked, values):
        return None
    if not chained(looked, values):
        return ()
    first = next((one for one in looked.others if one.name == looked.splits[0]), None)
    return first.files if first is not None else tuple(files)


# --- what is wrong with them


def findings_of_others(
    looked: Inspection, values: Mapping[str, Any], known: Sequence[Finding]
) -> tuple[list[Finding], bool]:
    """What stops a run in the splits that are not trained on, and whether it is open for a row to evaluate on.

    What is `known` of the split that is trained on, and of no row of it, is not said again.
    """
    said = {found.message for found in known if found.where.row is None}
    judged, found, unsure = judged_too(looked, values), list[Finding](), False
    for one in to_check(looked, values):
        seen = looked.seen.others.get(one.name) if looked.seen is not None else None
        wrong = list(_loading(looked, one, seen, values))
        if not wrong and one.name in judged and (seen is not None or one.columns):
            more, open_ = _rows(looked, one, seen, values)
            wrong, unsure = [told for told in more if told.message not in said], unsure or open_
        found += [_placed(looked, one, seen, told) for told in wrong]
    return found, unsure


def _loading(looked: Inspection, one: OtherSplit, seen: AllRows | None, values: Mapping[str, Any]) -> Iterator[Finding]:
    """Why a split cannot be loaded."""
    where = Where("file", str(one.files[0]))
    broken = [found for found in seen.findings if found.level == "error"] if seen is not None else []
    if (one.empty or (seen is not None and not seen.total)) and not broken:
        if _stops_empty(looked, one) and not _told_rowless(looked, one):
            yield Finding("error", where, "There are no rows.", f"{_LOADED} It stops at an empty one: take it away.")
    elif seen is not None:
        yield from broken
    elif one.trouble is not None:
        yield Finding("error", where, one.trouble.message, f"{_LOADED} {one.trouble.hint}")
    elif chained(looked, values):
        yield from [one.unlike] if one.unlike else _strange(looked, one)


def _stops_empty(looked: Inspection, one: OtherSplit) -> bool:
    """Of a mixture only the split that an entry names is opened, but all are read."""
    bare = one.form == "csv" and all(size_of(file) == 0 for file in one.files)
    return looked.entry is None or bare or one.form == "parquet"


def _told_rowless(looked: Inspection, one: OtherSplit) -> bool:
    """Whether it is told elsewhere that a split, or one of its files, has no rows."""
    files = {found.where.name for found in looked.rowless.files}
    splits = {name for name, _ in looked.rowless.splits} if looked.entry is None else set()
    return one.name in splits or any(str(file) in files for file in one.files)


def _strange(looked: Inspection, one: OtherSplit) -> Iterator[Finding]:
    """A column that the first split lacks, as far as the first rows can tell."""
    first = looked.splits[:1] == (looked.read_split,)
    whole = one.form in ("parquet", "arrow") or (looked.num_rows is not None and looked.num_rows <= _SAMPLED)
    if not first or not whole or (looked.entry or {}).get("columns"):
        return
    names = {column.name for column in looked.columns}
    strange = next((column.name for column in one.columns if column.name not in names), None)
    if strange is not None:
        what = f"There is a column `{strange}`, and {looked.read_split} has none."
        why = f"{_LOADED} They must have the columns of the first one."
        yield Finding("error", Where("file", str(one.files[0])), what, why)


def _rows(
    looked: Inspection, one: OtherSplit, seen: AllRows | None, values: Mapping[str, Any]
) -> tuple[list[Finding], bool]:
    columns = looked.columns if chained(looked, values) else one.columns
    judged = judge(looked.method, columns, _as_loaded(one, columns) if seen is None else seen, values)
    return [
        found for found in judged.findings if found.level == "error"
    ], judged.verdict == "unknown" and not judged.by_model


def _as_loaded(one: OtherSplit, columns: Sequence[Column]) -> FirstRows:
    """The first rows of a split as far as it is known what becomes of them: a column that it lacks is null."""
    own = {column.name: column.type for column in one.columns}
    sure = [column.name for column in columns if own.get(column.name, "null") in (column.type, "null")]
    return FirstRows([{name: row.get(name) for name in sure} for row in one.rows])


def _placed(looked: Inspection, one: OtherSplit, seen: AllRows | None, found: Finding) -> Finding:
    """The finding with the split and the file in which it is."""
    where = found.where
    if where.kind != "file":
        where = Where("file", _file_of(looked, one, seen, where.row), where.row)
    return replace(found, where=where, message=f"In the split {one.name}: {found.message}", fix=None)


def _file_of(looked: Inspection, one: OtherSplit, seen: AllRows | None, row: int | None) -> str:
    if len(one.files) == 1:
        return str(one.files[0])
    if seen is None or row is None or len(seen.begins) != len(one.files):
        return looked.name
    return str([file for file, begin in zip(one.files, seen.begins, strict=True) if begin <= row][-1])
