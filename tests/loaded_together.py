"""Data that is loaded together with other data: splits beside the one trained on, datasets of a mixture.

loaded_together_truth.json has what TRL's own scripts make of each case; record_loaded_together.py runs them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
from dataset_shapes import assistant, user

Rows = list[dict[str, Any]]
EVALUATED = {"eval_strategy": "steps", "eval_steps": 1}

TEXT: Rows = [{"text": f"The sea is calm at {n}."} for n in range(4)]
CHAT: Rows = [{"messages": [user(f"Where is {n}?"), assistant(f"In {n}.")]} for n in range(4)]
PAIRS: Rows = [{"prompt": f"Where is {n}?", "chosen": f" In {n}.", "rejected": " Away."} for n in range(4)]
NUMBERS: Rows = [{"text": n} for n in range(4)]
LABELLED: Rows = [{"prompt": f"Where is {n}?", "completion": f" In {n}.", "label": n % 2 == 0} for n in range(4)]


def lines(rows: Rows) -> str:
    """Rows as JSON lines."""
    return "".join(json.dumps(row) + "\n" for row in rows)


def changed(rows: Rows, row: int, **cells: Any) -> str:
    """The rows as JSON lines, with other cells in one of them."""
    return lines([{**one, **cells} if place == row else one for place, one in enumerate(rows)])


def listed(rows: Rows) -> str:
    """Rows as one JSON list."""
    return json.dumps(rows, indent=1)


def table(rows: Rows, **types: pa.DataType) -> pa.Table:
    """The rows as a table, some columns of a type of their own."""
    made = pa.Table.from_pylist(rows)
    return made.cast(pa.schema([pa.field(field.name, types.get(field.name, field.type)) for field in made.schema]))


def _with(rows: Rows, **cells: Any) -> Rows:
    return [{**row, **cells} for row in rows]


def _files(first: str, second: str) -> dict[str, str]:
    """The files of one split."""
    return {f"train-0000{n}-of-00002.json": text for n, text in enumerate((first, second))}


# Each folder of a single dataset: the method, its files, and what the recipe says besides.
SPLITS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "eval_good": ("sft", {"train.jsonl": lines(TEXT), "test.jsonl": lines(TEXT)}, EVALUATED),
    "eval_null": ("sft", {"train.jsonl": lines(TEXT), "test.jsonl": changed(TEXT, 2, text=None)}, EVALUATED),
    "null_no_eval": ("sft", {"train.jsonl": lines(TEXT), "test.jsonl": changed(TEXT, 2, text=None)}, {}),
    "eval_null_of_another_split": (
        "sft",
        {"train.jsonl": lines(TEXT), "test.jsonl": lines(TEXT), "validation.jsonl": changed(TEXT, 1, text=None)},
        EVALUATED,
    ),
    "eval_no_messages": ("sft", {"train.jsonl": lines(CHAT), "test.jsonl": changed(CHAT, 2, messages=[])}, EVALUATED),
    "eval_numbers": ("sft", {"train.jsonl": lines(TEXT), "test.jsonl": lines([{"text": 1}, {"text": 2}])}, EVALUATED),
    "eval_lacks": ("dpo", {"train.jsonl": lines(PAIRS), "test.jsonl": lines([{"prompt": "a"}])}, EVALUATED),
    "eval_chosen": ("dpo", {"train.jsonl": lines(PAIRS), "test.jsonl": changed(PAIRS, 1, chosen=None)}, EVALUATED),
    "eval_label": ("kto", {"train.jsonl": lines(LABELLED), "test.jsonl": changed(LABELLED, 1, label=None)}, EVALUATED),
    "eval_streamed": (
        "sft",
        {"train.jsonl": lines(TEXT), "test.jsonl": changed(TEXT, 2, text=None)},
        {**EVALUATED, "dataset_streaming": True, "max_steps": 1},
    ),
    "other_column": ("sft", {"train.jsonl": lines(TEXT), "test.jsonl": lines([{"content": "a"}])}, {}),
    "more_columns": ("sft", {"train.jsonl": lines(TEXT), "test.jsonl": changed(TEXT, 3, more=1)}, {}),
    "more_columns_streamed": (
        "sft",
        {"train.jsonl": lines(TEXT), "test.jsonl": changed(TEXT, 3, more=1)},
        {"dataset_streaming": True, "max_steps": 1},
    ),
    "more_columns_of_the_first": (
        "sft",
        {"train.jsonl": changed(TEXT, 3, more=1), "test.jsonl": lines(TEXT)},
        {"dataset_train_split": "test"},
    ),
    "fewer_columns": ("sft", {"train.jsonl": changed(TEXT, 3, more=1), "test.jsonl": lines(TEXT)}, {}),
    "other_type": ("sft", {"train.jsonl": lines(CHAT), "test.jsonl": lines([{"messages": "a"}])}, {}),
    "more_keys": (
        "sft",
        {
            "train.jsonl": lines(CHAT),
            "test.jsonl": lines([{"messages": [{**user("a"), "name": "b"}, {**assistant("c"), "name": "d"}]}]),
        },
        {},
    ),
    "mixed_in_the_first": (
        "sft",
        {
            "train.jsonl": lines([{**row, "more": n if n else "a"} for n, row in enumerate(TEXT)]),
            "test.jsonl": changed(TEXT, 0, more={"a": 1}),
        },
        {},
    ),
    "broken": ("sft", {"train.jsonl": lines(TEXT), "test.jsonl": '{"text": "a"}\n{broken\n'}, {}),
    "empty": ("sft", {"train.jsonl": lines(TEXT), "test.jsonl": ""}, {}),
    "empty_csv": ("sft", {"train.csv": "text\na\nb\n", "test.csv": "text\n"}, {}),
    "cut": ("sft", {"train.parquet": table(TEXT), "test.parquet": "PAR1"}, {}),
    "parquet_more_columns": (
        "sft",
        {"train.parquet": table(TEXT), "test.parquet": table([{**row, "more": 1} for row in TEXT])},
        {},
    ),
    "parquet_widths": ("sft", {"train.parquet": table(TEXT), "test.parquet": table(TEXT, text=pa.large_string())}, {}),
    "list_text_numbers": ("sft", {"train.json": listed(TEXT), "test.json": listed(NUMBERS)}, EVALUATED),
    "list_numbers_text": ("sft", {"train.json": listed(NUMBERS), "test.json": listed(TEXT)}, {}),
    "list_learns_numbers": (
        "sft",
        {"train.json": listed(TEXT), "test.json": listed(NUMBERS)},
        {"dataset_train_split": "test"},
    ),
    "list_halves": ("sft", {"train.json": listed(_with(TEXT, n=1)), "test.json": listed(_with(TEXT, n=0.5))}, {}),
    "list_numerals": ("sft", {"train.json": listed(_with(TEXT, n=1)), "test.json": listed(_with(TEXT, n="7"))}, {}),
    "list_words": ("sft", {"train.json": listed(_with(TEXT, n=1)), "test.json": listed(_with(TEXT, n="x"))}, {}),
    "list_keys": (
        "sft",
        {"train.json": listed(_with(TEXT, n={"a": 1})), "test.json": listed(_with(TEXT, n={"a": "x"}))},
        {},
    ),
    "list_messages": ("sft", {"train.json": listed(CHAT), "test.json": listed([{"messages": "a"}])}, {}),
    "lines_list": ("sft", {"train.jsonl": lines(TEXT), "test.json": listed(NUMBERS)}, EVALUATED),
    "list_lines": ("sft", {"train.json": listed(TEXT), "test.jsonl": lines(NUMBERS)}, EVALUATED),
    "list_behind_space": ("sft", {"train.json": "\n" + listed(TEXT), "test.json": "\n" + listed(NUMBERS)}, EVALUATED),
    "files_numbers": ("sft", _files(lines(TEXT), lines(NUMBERS)), {}),
    "files_lists": ("sft", _files(listed(TEXT), listed(NUMBERS)), {}),
    "files_numbers_first": ("sft", _files(lines(NUMBERS), lines(TEXT)), {}),
    "files_truths": ("sft", _files(lines(TEXT), lines([{"text": True}])), {}),
    "files_dates": ("sft", _files(lines(TEXT), lines([{"text": "2024-01-01"}])), {}),
    "files_objects": ("sft", _files(lines(TEXT), lines([{"text": {"a": 1}}])), {}),
    "files_objects_of_lists": ("sft", _files(listed(TEXT), listed([{"text": {"a": 1}}])), {}),
    "files_lists_in_text": ("sft", _files(lines(TEXT), lines([{"text": ["a"]}])), {}),
    "files_mixed": ("sft", _files(lines(TEXT), lines([{"text": "a"}, {"text": 7}])), {}),
    "files_words": ("sft", _files(lines(_with(TEXT, n=1)), lines(_with(TEXT, n="x"))), {}),
    "files_more_keys": ("sft", _files(listed(_with(TEXT, n={"a": 1})), listed(_with(TEXT, n={"b": 1}))), {}),
    "files_contents": ("sft", _files(lines(CHAT), lines([{"messages": [user("a"), assistant(7)]}])), {}),
    "csv_more_columns": ("sft", {"train.csv": "text\na\nb\n", "test.csv": "text,more\na,1\n"}, {}),
}

IDS: Rows = [{"input_ids": [40 + n, 41, 42]} for n in range(4)]
ASKED: Rows = [{"prompt": f"Where is {n}?", "completion": f" In {n}."} for n in range(4)]
ASKED_CHAT: Rows = [{"prompt": [user(f"Where is {n}?")], "completion": [assistant(f"In {n}.")]} for n in range(4)]
IMPLICIT: Rows = [{"chosen": f"Where is {n}? In {n}.", "rejected": f"Where is {n}? Away."} for n in range(4)]
TEXT_CSV = "text\na line\nanother one\n"


# Each mixture: the method, the file of each dataset with what its entry says, and what the recipe says besides.
MIXTURES: dict[str, tuple[str, list[tuple[str, Any, dict[str, Any]]], dict[str, Any]]] = {
    "csv_jsonl": ("sft", [("a.csv", TEXT_CSV, {}), ("b.jsonl", lines(TEXT), {})], {}),
    "jsonl_csv": ("sft", [("a.jsonl", lines(TEXT), {}), ("b.csv", TEXT_CSV, {})], {}),
    "csv_csv": ("sft", [("a.csv", TEXT_CSV, {}), ("b.csv", TEXT_CSV, {})], {}),
    "txt_jsonl": ("sft", [("a.txt", "a line\nanother\n", {}), ("b.jsonl", lines(TEXT), {})], {}),
    "parquet_jsonl": ("sft", [("a.parquet", table(TEXT), {}), ("b.jsonl", lines(TEXT), {})], {}),
    "parquet_csv": ("sft", [("a.parquet", table(TEXT), {}), ("b.csv", TEXT_CSV, {})], {}),
    "large_jsonl": ("sft", [("a.parquet", table(TEXT, text=pa.large_string()), {}), ("b.jsonl", lines(TEXT), {})], {}),
    "large_csv": ("sft", [("a.parquet", table(TEXT, text=pa.large_string()), {}), ("b.csv", TEXT_CSV, {})], {}),
    "widths": (
        "sft",
        [("a.parquet", table(_with(TEXT, id=1), id=pa.int32()), {}), ("b.jsonl", lines(_with(TEXT, id=1)), {})],
        {},
    ),
    "widths_left_out": (
        "sft",
        [
            ("a.parquet", table(_with(TEXT, id=1), id=pa.int32()), {"columns": ["text"]}),
            ("b.jsonl", lines(_with(TEXT, id=1)), {"columns": ["text"]}),
        ],
        {},
    ),
    "halves": ("sft", [("a.jsonl", lines(_with(TEXT, n=1)), {}), ("b.jsonl", lines(_with(TEXT, n=0.5)), {})], {}),
    "nothing": ("sft", [("a.jsonl", lines(_with(TEXT, n=None)), {}), ("b.jsonl", lines(_with(TEXT, n=0.5)), {})], {}),
    "csv_nothing": ("sft", [("a.csv", "text,n\na,\nb,\n", {}), ("b.csv", "text,n\na,x\nb,y\n", {})], {}),
    "csv_gap": ("sft", [("a.csv", "text,n\na,1\nb,\n", {}), ("b.csv", "text,n\na,1\nb,2\n", {})], {}),
    "dates": (
        "sft",
        [("a.jsonl", lines(_with(TEXT, n="2024-01-01")), {}), ("b.jsonl", lines(_with(TEXT, n="x")), {})],
        {},
    ),
    "lists_of_nothing": (
        "sft", [("a.jsonl", lines(_with(TEXT, n=[])), {}), ("b.jsonl", lines(_with(TEXT, n=[1])), {})], {},
    ),
    "lists_beside_text": (
        "sft", [("a.jsonl", lines(_with(TEXT, n=[])), {}), ("b.jsonl", lines(_with(TEXT, n="x")), {})], {},
    ),
    "objects": (
        "sft", [("a.jsonl", lines(_with(TEXT, n={"a": 1})), {}), ("b.jsonl", lines(_with(TEXT, n={"b": 1})), {})], {},
    ),
    "objects_of_other_types": (
        "sft", [("a.jsonl", lines(_with(TEXT, n={"a": 1})), {}), ("b.jsonl", lines(_with(TEXT, n={"a": "x"})), {})], {},
    ),
    "more_keys_of_messages": (
        "sft",
        [
            ("a.jsonl", lines(CHAT), {}),
            ("b.jsonl", lines([{"messages": [{**turn, "name": "b"} for turn in row["messages"]]} for row in CHAT]), {}),
        ],
        {},
    ),
    "messages_in_another_order": (
        "sft",
        [
            ("a.jsonl", lines(CHAT), {}),
            ("b.jsonl", lines([{"messages": [dict(reversed(m.items())) for m in r["messages"]]} for r in CHAT]), {}),
        ],
        {},
    ),
    "mixed_cells": (
        "sft",
        [
            ("a.jsonl", lines(_with(TEXT, n="x")), {}),
            ("b.jsonl", lines([{**row, "n": n or "a"} for n, row in enumerate(TEXT)]), {}),
        ],
        {},
    ),
    "dpo_csv": (
        "dpo",
        [("a.csv", "prompt,chosen,rejected\nWho?, I., You.\nHow?, So., No.\n", {}), ("b.jsonl", lines(PAIRS), {})],
        {},
    ),
    "text_messages": ("sft", [("a.jsonl", lines(TEXT), {}), ("b.jsonl", lines(CHAT), {})], {}),
    "messages_text": ("sft", [("a.jsonl", lines(CHAT), {}), ("b.jsonl", lines(TEXT), {})], {}),
    "text_both": ("sft", [("a.jsonl", lines(TEXT), {}), ("b.jsonl", lines(_with(CHAT, text="a")), {})], {}),
    "both_text": ("sft", [("a.jsonl", lines(_with(CHAT, text="a")), {}), ("b.jsonl", lines(TEXT), {})], {}),
    "asked_messages": ("sft", [("a.jsonl", lines(ASKED_CHAT), {}), ("b.jsonl", lines(CHAT), {})], {}),
    "messages_asked": ("sft", [("a.jsonl", lines(CHAT), {}), ("b.jsonl", lines(ASKED_CHAT), {})], {}),
    "asked_text": ("sft", [("a.jsonl", lines(ASKED), {}), ("b.jsonl", lines(TEXT), {})], {}),
    "text_ids": ("sft", [("a.jsonl", lines(TEXT), {}), ("b.jsonl", lines(IDS), {})], {}),
    "text_none_of_messages": (
        "sft", [("a.jsonl", lines(TEXT), {"fraction": 1}), ("b.jsonl", lines(CHAT), {"fraction": 0})], {},
    ),
    "reward_prompts": ("reward", [("a.jsonl", lines(PAIRS), {}), ("b.jsonl", lines(IMPLICIT), {})], {}),
    "dpo_prompts": ("dpo", [("a.jsonl", lines(IMPLICIT), {}), ("b.jsonl", lines(PAIRS), {})], {}),
    "kto_pairs": ("kto", [("a.jsonl", lines(PAIRS), {}), ("b.jsonl", lines(LABELLED), {})], {}),
    "kto_implicit": ("kto", [("a.jsonl", lines(IMPLICIT), {}), ("b.jsonl", lines(LABELLED), {})], {}),
    "tools": ("sft", [("a.jsonl", lines(_with(CHAT, tools="[]")), {}), ("b.jsonl", lines(CHAT), {})], {}),
    "template_kwargs": (
        "sft",
        [("a.jsonl", lines(_with(CHAT, chat_template_kwargs={"a": True})), {}), ("b.jsonl", lines(CHAT), {})],
        {},
    ),
    "unused": ("dpo", [("a.jsonl", lines(_with(PAIRS, id=1)), {}), ("b.jsonl", lines(PAIRS), {})], {}),
    "no_columns": ("sft", [("a.jsonl", lines(TEXT), {"columns": []})], {}),
    "columns_twice": ("sft", [("a.jsonl", lines(TEXT), {"columns": ["text", "text"]})], {}),
    "columns_twice_of_one": (
        "sft",
        [("a.jsonl", lines(TEXT), {}), ("b.parquet", table(TEXT), {"columns": ["text", "text"]})],
        {},
    ),
    "columns_twice_streamed": (
        "sft",
        [("a.jsonl", lines(TEXT), {"columns": ["text", "text"]})],
        {"streaming": True, "max_steps": 1},
    ),
    "another_column_twice": (
        "dpo",
        [("a.jsonl", lines(_with(PAIRS, id=1)), {"columns": ["prompt", "chosen", "rejected", "id", "id"]})],
        {},
    ),
    "no_columns_of_one": ("sft", [("a.jsonl", lines(TEXT), {}), ("b.jsonl", lines(TEXT), {"columns": []})], {}),
    "streamed_csv": (
        "sft",
        [("a.csv", TEXT_CSV, {}), ("b.jsonl", lines(TEXT), {})],
        {"streaming": True, "max_steps": 2},
    ),
    "eval_of_one": (
        "sft", [("a.jsonl", changed(TEXT, 2, text=None), {})], {**EVALUATED, "test_split_size": 2},
    ),
}  # fmt: skip
_BUILDERS = {".csv": "csv", ".txt": "text", ".jsonl": "json", ".parquet": "parquet"}


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        path.write_text(content)
    else:
        pyarrow.parquet.write_table(content, path)


def cases(folder: Path) -> dict[str, tuple[str, dict[str, Any]]]:
    """Each case's method and what its recipe says of the data, which is written below `folder`."""
    found = {}
    for name, (method, files, values) in SPLITS.items():
        for file, content in files.items():
            _write(folder / name / file, content)
        found[name] = (method, {"dataset_name": str(folder / name), **values})
    for name, (method, parts, values) in MIXTURES.items():
        entries = []
        for file, content, more in parts:
            place = folder / name / file
            _write(place, content)
            entries.append({"path": _BUILDERS[place.suffix], "data_files": str(place), **more})
        found[name] = (method, {"datasets": entries, **values})
    return found
