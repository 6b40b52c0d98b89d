"""Recipes that ask for splits and configurations, there or not; dataset_truth.json has what TRL makes of each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.ipc
from dataset_shapes import SHAPES, Rows
from datasets import Dataset, DatasetDict

_EVALUATED = {"eval_strategy": "steps", "eval_steps": 1}
_STREAMED = {"streaming": True, "max_steps": 1}
FILES = ("rows.jsonl", "rows.json", "rows.csv", "rows.tsv", "rows.parquet", "rows.arrow", "rows.txt")


def rows_for(method: str) -> Rows:
    """Rows that the method takes, so that only the loading can fail."""
    return SHAPES["text" if method == "sft" else "preference_chat"]


def written(folder: Path, rows: Rows) -> Path:
    """Folders of these rows: two splits, one, two configurations with and without a usual one."""
    splits = {"a.jsonl": "", "b.jsonl": ""}
    files: dict[str, Any] = {
        "both": {"train.jsonl": "", "test.jsonl": ""},
        "alone": {"train.jsonl": ""},
        "held": {"test.jsonl": ""},
        "configs": splits | {"README.md": _readme(("en", "a.jsonl", ""), ("fr", "b.jsonl", ""))},
        "usual": splits | {"README.md": _readme(("en", "a.jsonl", ""), ("fr", "b.jsonl", "  default: true\n"))},
        "named": splits | {"README.md": _readme(("default", "a.jsonl", ""), ("fr", "b.jsonl", ""))},
        "single": splits | {"README.md": _readme(("en", "a.jsonl", ""))},
        "twice": splits | {"README.md": _readme(("default", "a.jsonl", ""), ("fr", "b.jsonl", "  default: true\n"))},
    }
    data = "".join(json.dumps(row) + "\n" for row in rows)
    for name, members in files.items():
        (folder / name).mkdir(parents=True)
        for file, text in members.items():
            (folder / name / file).write_text(text or data)
    for file in FILES:
        _write_file(folder / file, data, Dataset.from_list(rows))
    Dataset.from_list(rows).save_to_disk(folder / "saved")
    DatasetDict(train=Dataset.from_list(rows)).save_to_disk(folder / "saved_splits")
    return folder


def _write_file(place: Path, data: str, rows: Dataset) -> None:
    if place.suffix == ".parquet":
        rows.to_parquet(place)
    elif place.suffix == ".arrow":
        with pyarrow.OSFile(str(place), "wb") as out, pyarrow.ipc.new_stream(out, rows.data.schema) as writer:
            writer.write_table(rows.data.table)
    elif place.suffix in (".csv", ".tsv"):
        place.write_text("text\na line\nanother one\n")
    else:
        place.write_text(data)


def _readme(*configs: tuple[str, str, str]) -> str:
    entries = (f"- config_name: {name}\n  data_files: {file}\n{more}" for name, file, more in configs)
    return f"---\nconfigs:\n{''.join(entries)}---\n"


def loading_cases(folder: Path) -> dict[str, dict[str, Any]]:
    """What each recipe says of its data, by the case's name, where the data is `written` in `folder`."""

    def single(name: str, **more: Any) -> dict[str, Any]:
        return {"dataset_name": str(folder / name), **more}

    def mixture(*splits: str, of: str = "both", **more: Any) -> dict[str, Any]:
        return {"datasets": [{"path": str(folder / of), "split": split, **more} for split in splits]}

    def builder(path: str, files: str) -> dict[str, Any]:
        return {"datasets": [{"path": path, "data_files": str(folder / files), "split": "train"}]}

    return {
        "split": single("both"),
        "split_missing": single("both", dataset_train_split="nope"),
        "split_usual_missing": single("held"),
        "split_other": single("held", dataset_train_split="test"),
        "split_slice": single("both", dataset_train_split="train[:50%]"),
        "split_sum": single("both", dataset_train_split="train+test"),
        "split_streamed_missing": single("both", dataset_streaming=True, max_steps=1, dataset_train_split="nope"),
        "split_unused": single("both", dataset_test_split="nope"),
        "eval_split": single("both", **_EVALUATED),
        "eval_split_missing": single("both", dataset_test_split="nope", **_EVALUATED),
        "eval_split_usual_missing": single("alone", **_EVALUATED),
        "eval_split_slice": single("both", dataset_test_split="test[:2]", **_EVALUATED),
        "config": single("configs", dataset_config="fr"),
        "config_missing": single("configs", dataset_config="nope"),
        "config_unnamed": single("configs"),
        "config_usual": single("usual"),
        "config_default": single("named"),
        "config_single": single("single"),
        "config_two_usual": single("twice"),
        "config_two_usual_named": single("twice", dataset_config="fr"),
        "config_of_a_plain_folder": single("both", dataset_config="nope"),
        "config_default_of_a_plain_folder": single("both", dataset_config="default"),
        "entry": mixture("test"),
        "entry_missing": mixture("nope"),
        "entry_null": {"datasets": [{"path": str(folder / "both"), "split": None}]},
        "entry_without": {"datasets": [{"path": str(folder / "both")}]},
        "entry_second_missing": mixture("train", "nope"),
        "entry_slice": mixture("train[:50%]"),
        "entry_slice_missing": mixture("nope[:50%]"),
        "entry_slice_beyond": mixture("train[:100]"),
        "entry_slice_over_all": mixture("train[:101%]"),
        "entry_slice_backwards": mixture("train[3:1]"),
        "entry_slice_backwards_of_two": mixture("train[3:1]", "test"),
        "entry_slice_of_none": mixture("train[2:2]", "test"),
        "entry_slice_behind_the_end": mixture("train[9:]", "test"),
        "entry_slice_of_the_last": mixture("train[-2:]"),
        "entry_slice_to_all": mixture("train[:100%]"),
        "entry_slice_below_all": mixture("train[-101%:]"),
        "entry_slice_broken": mixture("train[:2"),
        "entry_slice_rounded": mixture("train[:50%](closest)"),
        "entry_slice_oddly_rounded": mixture("train[:50%](up)"),
        "entry_slice_rounded_rows": mixture("train[:2](closest)"),
        "entry_slice_spaced": mixture("train[:2] "),
        "entry_slice_dropping": mixture("train[:50%](pct1_dropremainder)"),
        "entry_slice_empty": mixture("train[:0]"),
        "entry_slice_empty_of_two": mixture("train[:0]", "test"),
        "entry_slice_rounded_to_nothing": mixture("train[:10%]"),
        "entry_slice_mixed_units": mixture("train[1:50%]"),
        "entry_sum": mixture("train+test"),
        "entry_sum_sliced": mixture("train[:1] + test[-2:]"),
        "entry_sum_spaced": mixture("train[:1] +test[-2:]"),
        "entry_sum_spaced_names": mixture("train +test"),
        "entry_sum_mixed_units": mixture("train[:50%]+test[:1]"),
        "entry_sum_missing": mixture("train+nope"),
        "entry_sum_empty": mixture("train[:0]+test[:0]"),
        "entry_sum_half_empty": mixture("train[:0]+test"),
        "entry_sum_empty_backwards": mixture("train[3:1]+test[:0]"),
        "entry_all": mixture("all"),
        "entry_all_sliced": mixture("all[:2]"),
        "entry_streamed": mixture("train") | _STREAMED,
        "entry_streamed_slice": mixture("train[:2]") | _STREAMED,
        "entry_streamed_sum": mixture("train+test") | _STREAMED,
        "entry_streamed_all": mixture("all") | _STREAMED,
        "entry_streamed_missing": mixture("nope") | _STREAMED,
        "entry_config": mixture("train", of="configs"),
        "entry_config_missing": mixture("train", of="configs", name="nope"),
        "entry_config_named": mixture("train", of="configs", name="en"),
        "entry_config_usual": mixture("train", of="usual"),
        "entry_builder_split_missing": {
            "datasets": [{"path": "json", "data_files": str(folder / "both" / "train.jsonl"), "split": "nope"}]
        },
        **{f"file_{name.split('.')[1]}": single(name) for name in FILES},
        "file_streamed": single("rows.jsonl", dataset_streaming=True, max_steps=1),
        "file_by_its_builder": builder("json", "rows.jsonl"),
        "file_of_an_entry": mixture("train", of="rows.jsonl"),
        "saved": single("saved"),
        "saved_by_its_builder": builder("arrow", "saved/*.arrow"),
        "saved_of_an_entry": mixture("train", of="saved"),
        "saved_splits": single("saved_splits"),
        "mixture_train_split": mixture("train") | {"dataset_train_split": "nope"},
        "mixture_eval_without": mixture("train") | _EVALUATED,
        "mixture_eval": mixture("train") | _EVALUATED | {"test_split_size": 2},
        "mixture_beside_a_name": mixture("train") | single("both", dataset_train_split="train"),
    }
