"""Columns of a dataset and their types, in words of our own: text, messages, list<integer>, image, json, ..."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

# null, text, integer, number, boolean, messages, turns, struct, image, audio, json, other, and list<...> of them.
# messages: a list of {role, content}; turns: a list of {from, value}; json: cells of several kinds in one column.


@dataclass(frozen=True)
class Column:
    """A column's name and type; `fields` are the nested columns of a struct, or of the structs in a list.

    `labels` are the names that its whole numbers stand for, where the datasets library keeps them beside it.
    """

    name: str
    type: str
    fields: tuple[Column, ...] = ()
    labels: tuple[str, ...] = field(default=(), compare=False)

    @property
    def field_names(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.fields)

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "type": self.type, "fields": [field.to_json() for field in self.fields]}


def visible(name: str) -> str:
    """A column's name as it is shown: in quotes where blanks begin or end it, which nobody would see."""
    return name if name and name == name.strip() else f'"{name}"'


def list_of(name: str, item: Column) -> Column:
    """The column whose cells are lists of `item`: chat messages are told by their fields."""
    if item.type == "struct":
        names = set(item.field_names)
        if "role" in names and names & {"content", "tool_calls"}:
            return Column(name, "messages", item.fields)
        if {"from", "value"} <= names:
            return Column(name, "turns", item.fields)
    return Column(name, f"list<{item.type}>", item.fields)


def item_of(column: Column) -> Column | None:
    """What the lists of a column hold; None for a column of no lists."""
    if column.type in ("messages", "turns"):
        return Column("", "struct", column.fields)
    if not column.type.startswith("list<"):
        return None
    return Column("", column.type[5:-1], column.fields)


def column_of(name: str, cells: Iterable[Any]) -> Column:
    """The column that holds these Python values, as JSON or CSV gives them."""
    found = Column(name, "null")
    for cell in cells:
        found = _both(found, _column_of_cell(name, cell))
    return found


def prevailing(column: Column, cells: Iterable[Any]) -> Column:
    """A column of mixed cells as most of them have it, so that the others are odd cells of it; else as it is."""
    if "json" not in column.type:
        return column
    said = [(_column_of_cell(column.name, cell), cell) for cell in cells if cell not in (None, "", [])]
    kinds = Counter("number" if one.type == "integer" else one.type for one, _ in said)
    kind, count = next(iter(kinds.most_common(1)), ("", 0))
    if not count or count * 2 <= len(said) or "json" in kind:
        return column
    alike = (cell for one, cell in said if one.type == kind or (kind, one.type) == ("number", "integer"))
    return column_of(column.name, alike)


def _column_of_cell(name: str, cell: Any) -> Column:
    if cell is None:
        return Column(name, "null")
    if isinstance(cell, bool):
        return Column(name, "boolean")
    if isinstance(cell, int):
        return Column(name, "integer")
    if isinstance(cell, float):
        return Column(name, "number")
    if isinstance(cell, str):
        return Column(name, "text")
    if isinstance(cell, dict):
        return Column(name, "struct", tuple(_column_of_cell(str(key), value) for key, value in cell.items()))
    if isinstance(cell, (list, tuple)):
        return list_of(name, column_of("", cell))
    return Column(name, "other")


def _both(one: Column, other: Column) -> Column:
    """The column that takes the cells of both."""
    if one == other or other.type == "null":
        return one
    if one.type == "null":
        return replace(other, name=one.name)
    if {one.type, other.type} == {"integer", "number"}:
        return Column(one.name, "number")
    items = item_of(one), item_of(other)
    if items[0] and items[1]:
        return list_of(one.name, _both(items[0], items[1]))
    if one.type == other.type == "struct":
        theirs = {field.name: field for field in other.fields}
        merged = tuple(_both(field, theirs.pop(field.name, Column("", "null"))) for field in one.fields)
        return Column(one.name, "struct", merged + tuple(theirs.values()))
    return Column(one.name, "json")


def column_of_feature(name: str, feature: Any) -> Column:
    """The column of a feature as the datasets library writes it in JSON, in a file's metadata or from the Hub."""
    if isinstance(feature, list) and len(feature) == 1:
        return list_of(name, column_of_feature("", feature[0]))
    if not isinstance(feature, dict):
        return Column(name, "other")
    kind = feature.get("_type")
    inner = feature.get("feature")
    if not isinstance(kind, str):  # a struct, or one that has a field of that name
        return Column(name, "struct", tuple(column_of_feature(key, value) for key, value in feature.items()))
    if kind in ("List", "LargeList", "Sequence"):
        if kind == "Sequence" and isinstance(inner, dict) and not isinstance(inner.get("_type"), str):
            # The older way to write a struct of lists.
            lists = tuple(list_of(key, column_of_feature("", value)) for key, value in inner.items())
            return Column(name, "struct", lists)
        return list_of(name, column_of_feature("", inner))
    if kind == "Value":
        return Column(name, _scalar(str(feature.get("dtype"))))
    if kind == "ClassLabel":
        names = feature.get("names")
        return Column(name, "integer", labels=tuple(map(str, names)) if isinstance(names, list) else ())
    return Column(name, {"Json": "json", "Image": "image", "Audio": "audio"}.get(kind, "other"))


def _scalar(dtype: str) -> str:
    if dtype in ("string", "large_string", "string_view"):
        return "text"
    if dtype in ("bool", "boolean"):
        return "boolean"
    if dtype.startswith(("int", "uint")):
        return "integer"
    if dtype.startswith(("float", "double", "half", "decimal")):
        return "number"
    return "null" if dtype == "null" else "other"


def kind_of(cell: Any) -> str:
    """What a cell is to TRL: text, messages, turns, empty (a list without items), null, or another kind's name."""
    if isinstance(cell, (list, tuple)):
        if not cell:
            return "empty"
        first = cell[0]
        if isinstance(first, dict) and "role" in first:
            return "messages"
        if isinstance(first, dict) and "from" in first and "value" in first:
            return "turns"
        return "list"
    return _column_of_cell("", cell).type


def without_text(columns: Iterable[Column]) -> str:
    """Why there is nothing in the columns to learn text from; `` where some may hold text."""
    known = list(columns)
    kinds = ("integer", "number", "boolean", "null", "image", "audio", "video")
    if not known or not all(_innermost(column.type) in kinds for column in known):
        return ""
    named = ", ".join(f"{column.name} ({column.type})" for column in known[:4])
    return f"No column holds text: {named}{', ...' if len(known) > 4 else ''}."


def _innermost(kind: str) -> str:
    return kind.replace("list<", "").rstrip(">")
