"""The datasets library's own types of columns, which must be the same ones where datasets are put behind each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from studio.domain.columns import Column

# A type as the library has it: `string`, `large_string`, `int64`, `json`; a dict of them for an object; for lists a
# pair of their kind and the type of what they hold. None where it is not known.
Feature = Any
_LISTS = ("list", "large list")
_OF_JSON = {"text": "string", "integer": "int64", "number": "float64", "boolean": "bool", "json": "json"}
# Tables of text come by way of pandas: a column without a value holds its missing number.
_OF_CSV = {"text": "large_string", "integer": "int64", "number": "float64", "boolean": "bool", "null": "float64"}


@dataclass(frozen=True)
class Clash:
    """A column that two datasets have of types which the library does not put together."""

    column: str
    type: str
    other: str
    place: int  # of the other dataset


def declared(feature: Any) -> Feature:
    """The type that a feature stands for which the library has written down, in a file's metadata."""
    if isinstance(feature, list) and len(feature) == 1:
        return "list", declared(feature[0])
    if not isinstance(feature, Mapping):
        return None
    kind, inner = feature.get("_type"), feature.get("feature")
    if not isinstance(kind, str):
        return {str(key): declared(value) for key, value in feature.items()}
    if kind == "Sequence" and isinstance(inner, Mapping) and not isinstance(inner.get("_type"), str):
        return {str(key): ("list", declared(value)) for key, value in inner.items()}
    if kind in ("List", "Sequence", "LargeList"):
        length = feature.get("length", -1)
        name = "large list" if kind == "LargeList" else "list" if length in (-1, None) else f"list of {length}"
        return name, declared(inner)
    if kind == "Value":
        return str(feature.get("dtype"))
    return "json" if kind == "Json" else str({key: value for key, value in sorted(feature.items()) if key != "id"})


def as_loaded(features: Mapping[str, Feature], form: str) -> dict[str, Feature]:
    """The types that the dataset viewer tells, as the library loads them here from files of a format.

    The viewer has made parquet of a csv, whose texts the library reads as large ones.
    """
    return {name: "large_string" if (form, kind) == ("csv", "string") else kind for name, kind in features.items()}


def told_by(columns: Sequence[Column], form: str, whole: bool) -> dict[str, Feature]:
    """The types of a text file's columns, as far as its first rows tell them: those of objects hang on all rows.

    Where they are not the `whole` file only text is sure: numbers may turn out to be other ones.
    """
    words = _OF_CSV if form == "csv" else _OF_JSON
    words = words if whole else {"text": words["text"]}
    found: dict[str, Feature] = {}
    for column in columns:
        base, depth = column.type, 0
        while base.startswith("list<"):
            base, depth = base[5:-1], depth + 1
        feature: Feature = "null" if base == "null" and form != "csv" else words.get(base)
        for _ in range(depth if feature is not None else 0):
            feature = ("list", feature)
        found[column.name] = feature
    return found


def clash(datasets: Sequence[Mapping[str, Feature]], place: int) -> list[Clash]:
    """The columns of dataset number `place` that the library cannot put behind those of the others.

    The first dataset in which a column holds more than null says its type.
    """
    first: dict[str, tuple[Feature, int]] = {}
    for number, features in enumerate(datasets):
        for name, feature in features.items():
            if name not in first or _is_null(first[name][0]):
                first[name] = (feature, number)
    found = []
    for name, feature in datasets[place].items():
        other, number = first[name]
        if number != place and not _fit(other, feature):
            found.append(Clash(name, in_words(feature), in_words(other), number))
    return found


def _fit(one: Feature, other: Feature) -> bool:
    if one is None or other is None or "null" in (one, other):
        return True
    if isinstance(one, dict) and isinstance(other, dict):
        return all(_fit(one[name], other[name]) for name in one if name in other)
    if _is_null(one) or _is_null(other):
        return isinstance(one, tuple) and isinstance(other, tuple)
    return _same(one, other)


def _same(one: Feature, other: Feature) -> bool:
    """Whether they are equal, as far as they are known."""
    if one is None or other is None:
        return True
    if isinstance(one, dict) and isinstance(other, dict):
        return set(one) == set(other) and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return bool(one[0] == other[0]) and _same(one[1], other[1])
    return bool(one == other)


def _is_null(feature: Feature) -> bool:
    """Null, or lists of nothing but it."""
    return feature == "null" or (isinstance(feature, tuple) and feature[0] in _LISTS and _is_null(feature[1]))


def in_words(feature: Feature) -> str:
    """A type as the library would call it, for a sentence."""
    if isinstance(feature, dict):
        return "{" + ", ".join(f"{name}: {in_words(value)}" for name, value in feature.items()) + "}"
    if isinstance(feature, tuple):
        return f"{feature[0]} of {in_words(feature[1])}" if "of" not in feature[0] else f"{feature[0]} {feature[1]}"
    return "unknown" if feature is None else str(feature)
