"""Columns of an Arrow schema, by the features that the datasets library wrote into it or else by its own types."""

from __future__ import annotations

import json
from typing import Any

from studio.domain.columns import Column, column_of_feature, list_of


def schema_columns(schema: Any) -> list[Column]:
    """The columns and their types."""
    declared: dict[str, Any] = {}
    if schema.metadata and b"huggingface" in schema.metadata:
        declared = json.loads(schema.metadata[b"huggingface"]).get("info", {}).get("features") or {}
    return [
        column_of_feature(field.name, declared[field.name])
        if field.name in declared
        else _column_of_arrow(field.name, field.type)
        for field in schema
    ]


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
