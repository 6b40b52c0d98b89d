"""Whether the datasets of a mixture fit together: columns of one type, and none that the method misses in one."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from studio.domain.columns import Column
from studio.domain.dataset_types import judge
from studio.domain.features import Clash, Feature, clash
from studio.domain.findings import Finding, Where
from studio.domain.mixed_rows import MixedRows

if TYPE_CHECKING:
    from studio.service.data import Inspection

# What TRL looks for in the first row, and leaves aside in all where it is null there.
_BY_FIRST_ROW = ("messages", "conversations")
_COPY = "A copy that *Prepare and use* makes of {name} holds text as string"


def _features(one: Inspection, streams: bool) -> dict[str, Feature]:
    """The library's own types of a dataset's columns, as far as they are known."""
    known = {**one.features, **(one.seen.features if one.seen is not None and one.seen.features else {})}
    if streams and one.form == "csv":  # a stream of it has the types of its cells in Python
        known = {name: "string" if kind == "large_string" else kind for name, kind in known.items()}
    return {column.name: known.get(column.name) for column in one.columns}


def unaligned(looked: Sequence[Inspection], streams: bool) -> list[list[Finding]]:
    """For each dataset that gives rows, why it cannot be put behind the others."""
    features = [_features(one, streams) for one in looked]
    found = []
    for place, one in enumerate(looked):
        told = {wrong.column: _unlike(looked, one, wrong) for wrong in clash(features, place)}
        for name, said in _by_kind(looked, features, place):
            told.setdefault(name, said)
        found.append(list(told.values()))
    return found


def _unlike(looked: Sequence[Inspection], one: Inspection, wrong: Clash) -> Finding:
    """Two columns of which the library's own types differ, in the plainest words that tell them apart."""
    other = looked[wrong.place]
    types = _types(one, wrong.column), _types(other, wrong.column)
    if types[0] != types[1] and "json" not in types[0] + types[1]:
        return _of_two_kinds(wrong.column, (one.name, types[0]), (other.name, types[1]))
    why = "TRL would stop after loading: a column has one type in all datasets."
    large = "large_string" in (wrong.type, wrong.other)
    csv = next((each.name for each in (one, other) if large and each.form == "csv"), "")
    cure = f"{_COPY.format(name=csv)}, as files of JSON do." if csv else "Write one of them anew with the other's type."
    return Finding(
        "error",
        Where("column", wrong.column),
        f"'{wrong.column}' is {wrong.type} in {one.name} and {wrong.other} in {other.name}.",
        f"{why} {cure} Or leave it out by `columns`, if nothing is learnt from it.",
    )


def _of_two_kinds(name: str, one: tuple[str, str], other: tuple[str, str]) -> Finding:
    return Finding(
        "error",
        Where("column", name),
        f"'{name}' is {one[1]} in {one[0]} and {other[1]} in {other[0]}.",
        "TRL would stop after loading: a column has one type in all datasets. Leave it out by `columns`.",
    )


def _types(one: Inspection, name: str) -> str:
    return next((column.type for column in one.columns if column.name == name), "null")


def _by_kind(
    looked: Sequence[Inspection], features: Sequence[Mapping[str, Feature]], place: int
) -> Iterator[tuple[str, Finding]]:
    """The columns whose own types are not known of both, by what they hold."""
    one = looked[place]
    for column in one.columns:
        before = _first_with(looked[:place], column.name)
        if column.type == "null" or before is None:
            continue
        other, number = before
        if features[place][column.name] is not None and features[number][column.name] is not None:
            continue
        if column.type != other.type and "json" not in column.type + other.type:
            wrong = _of_two_kinds(column.name, (one.name, column.type), (looked[number].name, other.type))
            yield column.name, wrong
        elif _shape(column) != _shape(other):
            yield (
                column.name,
                Finding(
                    "warning",
                    Where("column", column.name),
                    f"The cells of '{column.name}' have other keys in {one.name} than in {looked[number].name}.",
                    "TRL stops after loading where two datasets differ in them.",
                ),
            )


def _first_with(looked: Sequence[Inspection], name: str) -> tuple[Column, int] | None:
    for number, one in enumerate(looked):
        for column in one.columns:
            if column.name == name and column.type != "null":
                return column, number
    return None


def _shape(column: Column) -> Any:
    """A column's type with those of its parts, in whatever order they come."""
    return column.type, frozenset((part.name, _shape(part)) for part in column.fields)


# --- what one of them lacks


def lacking(looked: Sequence[Inspection], values: Mapping[str, Any]) -> dict[int, Finding]:
    """For datasets that lack a column which TRL then needs in every row: that, by their place."""
    parts = [number for number, one in enumerate(looked) if one.columns]
    names = {number: {column.name for column in looked[number].columns} for number in parts}
    if not parts or all(one == names[parts[0]] for one in names.values()):
        return {}
    columns: dict[str, Column] = {}
    for number in parts:
        for column in looked[number].columns:
            if column.name not in columns or columns[column.name].type == "null":
                columns[column.name] = column
    if not values.get("test_split_size"):  # rows that are split in two are shuffled before
        for name in _BY_FIRST_ROW:
            if name not in names[parts[0]]:
                columns.pop(name, None)
    rows = MixedRows([(looked[number].evidence(values), names[number]) for number in parts])
    judged = judge(looked[0].method, columns.values(), rows, values)
    found: dict[int, Finding] = {}
    for wrong in judged.findings:
        without = [number for number in parts if wrong.where.name not in names[number]]
        if wrong.level != "error" or wrong.where.kind != "column" or len(without) == len(parts):
            continue
        for number in without:
            if looked[number].verdict != "reject" and not _does_without(wrong.where.name, names[number], values):
                other = next(looked[one] for one in parts if wrong.where.name in names[one])
                found.setdefault(number, _lacks(looked[number], other, wrong.where.name))
    return found


def _does_without(name: str, names: Collection[str], values: Mapping[str, Any]) -> bool:
    """Whether rows without messages are taken as text: once the first row is a conversation, TRL asks each anew."""
    if name not in _BY_FIRST_ROW or values.get("test_split_size"):
        return False
    return str(values.get("dataset_text_field") or "text") in names or (name == "conversations" and "messages" in names)


def _lacks(one: Inspection, other: Inspection, name: str) -> Finding:
    return Finding(
        "error",
        Where("column", name),
        f"{one.name} has no `{name}`, which {other.name} has: TRL would stop at its rows.",
        f"A column that one dataset of a mixture lacks is null in its rows, and TRL needs `{name}` in every row then. "
        "Prepare one of them as the other is, or leave the column out of the other by `columns` if it can do without.",
    )


def gaps(one: Inspection, every: set[str]) -> Iterator[Finding]:
    """A warning of columns that the other datasets have, and that stop nothing."""
    absent = sorted(every - {column.name for column in one.columns})
    if absent and one.columns:
        yield Finding(
            "warning",
            Where("column", absent[0]),
            f"{one.name} has no {', '.join(absent[:4])}, which other datasets of the mixture have.",
            "TRL fills the gap with empty cells. `columns` takes the same ones of each.",
        )
