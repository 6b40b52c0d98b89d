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
LABELLED: Rows = [{"prompt": f"Where is {n}?", "completion": f" In {n}.", "label": n % 2 == 0} for n in range(4)]


def lines(rows: Rows) -> str:
    """Rows as JSON lines."""
    return "".join(json.dumps(row) + "\n" for row in rows)


def changed(rows: Rows, row: int, **cells: Any) -> str:
    """The rows as JSON lines, with other cells in one of them."""
    return lines([{**one, **cells} if place == row else one for place, one in enumerate(rows)])


def table(rows: Rows, **types: pa.DataType) -> pa.Table:
    """The rows as a table, some columns of a type of their own."""
    made = pa.Table.from_pylist(rows)
    return made.cast(pa.schema([pa.field(field.name, types.get(field.name, field.type)) for field in made.schema]))


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
    "csv_more_columns": ("sft", {"train.csv": "text\na\nb\n", "test.csv": "text,more\na,1\n"}, {}),
}


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
    return found
