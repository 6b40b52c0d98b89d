"""Columns of an Arrow schema, by the features that the datasets library wrote into it or else by its own types."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from studio.domain.columns import Column, column_of_feature, item_of, list_of
from studio.domain.features import Feature, declared

_NAMES = {"double": "float64", "float": "float32", "halffloat": "float16", "binary": "binary"}


def schema_columns(schema: Any) -> list[Column]:
    """The columns and their types."""
    written = _written(schema)
    return [
        column_of_feature(field.name, written[field.name])
        if field.name in written
        else _column_of_arrow(field.name, field.type)
        for field in schema
    ]


def schema_features(schema: Any, mixed: Collection[str] = ()) -> dict[str, Feature]:
    """The library's own types of the columns; None for the `mixed` ones, which keep JSON somewhere below."""
    written = _written(schema)
    return {
        field.name: None
        if field.name in mixed
        else declared(written[field.name])
        if field.name in written
        else _feature_of_arrow(field.type)
        for field in schema
    }


def _written(schema: Any) -> dict[str, Any]:
    """The features that the library wrote into a file."""
    if not schema.metadata or b"huggingface" not in schema.metadata:
        return {}
    features: dict[str, Any] = json.loads(schema.metadata[b"huggingface"]).get("info", {}).get("features") or {}
    return features


def _feature_of_arrow(kind: Any) -> Feature:
    import pyarrow

    test = pyarrow.types
    if test.is_struct(kind):
        return {field.name: _feature_of_arrow(field.type) for field in kind}
    if test.is_fixed_size_list(kind):
        return f"list of {kind.list_size}", _feature_of_arrow(kind.value_type)
    if test.is_list(kind) or test.is_large_list(kind):
        return "large list" if test.is_large_list(kind) else "list", _feature_of_arrow(kind.value_type)
    if isinstance(kind, pyarrow.BaseExtensionType):
        return "json" if kind.extension_name == "arrow.json" else None
    return _NAMES.get(str(kind), str(kind))


def _column_of_arrow(name: str, kind: Any) -> Column:
    import pyarrow

    test = pyarrow.types
    if test.is_dictionary(kind):
        return _column_of_arrow(name, kind.value_type)
    if test.is_struct(kind):
        return Column(name, "struct", tuple(_column_of_arrow(field.name, field.type) for field in kind))
    if test.is_list(kind) or test.is_large_list(kind) or test.is_fixed_size_list(kind):
        return list_of(name, _column_of_arrow("", kind.value_type))
    if isinstance(kind, pyarrow.BaseExtensionType):
        json_kind = kind.extension_name == "arrow.json"
        return Column(name, "json") if json_kind else _column_of_arrow(name, kind.storage_type)
    return column_of_feature(name, {"_type": "Value", "dtype": str(kind)})


def has_json(column: Column) -> bool:
    """Whether some of a column's cells are JSON text that the datasets library reads as what it says."""
    return "json" in column.type or any(has_json(field) for field in column.fields)


def decoded(array: Any, column: Column) -> list[Any]:
    """The cells of a column that keeps some of them as JSON text."""
    return [_as_json(cell, column) for cell in array.to_pylist()]


def _as_json(cell: Any, column: Column) -> Any:
    if column.type == "json" and isinstance(cell, str):
        try:
            return json.loads(cell)
        except ValueError:
            return cell
    if isinstance(cell, dict):
        below = {field.name: field for field in column.fields}
        return {key: _as_json(value, below[key]) if key in below else value for key, value in cell.items()}
    item = item_of(column)
    if isinstance(cell, list) and item is not None:
        return [_as_json(one, item) for one in cell]
    return cell


def type_words(arrow: str) -> str:
    """An Arrow type in our words."""
    if arrow.startswith(("list", "large_list")):
        return "a list"
    if arrow.startswith("struct"):
        return "an object"
    words = {"string": "text", "large_string": "text", "bool": "true or false", "null": "nothing", "double": "numbers"}
    return words.get(arrow, "whole numbers" if "int" in arrow else arrow)
