"""Files under odd names of splits, empty ones among others and broken packings: taken where the library loads them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_datafiles import loaded_by_datasets

from studio.adapters.home import Home
from studio.domain.recipe import Recipe
from studio.service.studio import Studio

GOOD = [{"text": "a"}] * 5
NULL = [{"text": "a"}, {"text": None}]
MORE = [{"text": "a", "more": 1}] * 5


def lines(path: Path, rows: list[dict[str, Any]]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def broken_packing(path: Path) -> str:
    text = "".join(json.dumps({"text": f"{n * 7919 % 1000} {n}"}) + "\n" for n in range(5000))
    packed = bytearray(gzip.compress(text.encode()))
    packed[3000:3030] = b"\xff" * 30
    path.write_bytes(packed)
    return str(path)


def cases(folder: Path) -> dict[str, dict[str, Any]]:
    """Recipes' values by name."""
    good, null, more = (lines(folder / f"{name}.jsonl", rows) for name, rows in
                        (("good", GOOD), ("null", NULL), ("more", MORE)))  # fmt: skip
    for split in ("train", "test"):
        lines(folder / "shards" / f"{split}-00000-of-00002.jsonl", [])
        lines(folder / "shards" / f"{split}-00001-of-00002.jsonl", GOOD)
    lines(folder / "empty" / "train.jsonl", GOOD)
    lines(folder / "empty" / "test.jsonl", [])
    for name, rows in (("train", GOOD), ("test", MORE)):
        (folder / "lists").mkdir(exist_ok=True)
        (folder / "lists" / f"{name}.json").write_text(json.dumps(rows))
    mixed = [{"text": "a", "n": 1}, {"text": "b", "n": "x"}]
    for name, begins in (("mixed", ""), ("spaced", " ")):
        lines(folder / name / "train.jsonl", mixed)
        (folder / name / "test.jsonl").write_text(begins + json.dumps(mixed))
    for name, commas, tabs in (("tables", "a", "b"), ("split tables", "train", "test")):
        (folder / name).mkdir()
        (folder / name / f"{commas}.csv").write_text("text,n\na,1\nb,2\n")
        (folder / name / f"{tabs}.tsv").write_text("text\tn\na\t1\nb\t2\n")
    entry = {"path": "json", "split": "a"}
    return {
        "null in the split": {"datasets": [{**entry, "data_files": {"a": null, "train": good}}]},
        "null in another": {"datasets": [{**entry, "data_files": {"a": good, "train": null}}]},
        "more in the first": {"datasets": [{**entry, "data_files": {"a": more, "b": good}}]},
        "empty first files": {"dataset_name": str(folder / "shards")},
        "empty split": {"dataset_name": str(folder / "empty")},
        "lists": {"dataset_name": str(folder / "lists")},
        "list after several kinds": {"dataset_name": str(folder / "mixed")},
        "spaced list after several kinds": {"dataset_name": str(folder / "spaced")},
        "commas and tabs": {"dataset_name": str(folder / "tables")},
        "commas and tabs in splits": {"dataset_name": str(folder / "split tables")},
        "no such file": {
            "datasets": [{"path": str(folder), "data_files": {"train": "good.jsonl", "test": "z*.jsonl"}}]
        },
        "broken packing": {"datasets": [{"path": "json", "data_files": broken_packing(folder / "c.jsonl.gz")}]},
    }


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[dict[str, Any], bool]]:
    """Each recipe's values, and whether the datasets library loads them."""
    folder = tmp_path_factory.mktemp("loaded")
    found = cases(folder)
    loaded = [
        {"datasets": [{"split": "train", **values["datasets"][0]}]} if "datasets" in values else values
        for values in found.values()
    ]
    answers = loaded_by_datasets(loaded, folder)
    told = [not isinstance(answer, str) for answer in answers]
    return {name: (found[name], loads) for name, loads in zip(found, told, strict=True)}


@pytest.mark.parametrize(
    ("case", "loads", "said"),
    [
        ("null in the split", True, ["`text` is null in row 2."]),
        ("null in another", True, []),
        ("more in the first", True, []),
        ("empty first files", True, []),
        ("empty split", False, ["test.jsonl holds no rows: 'test' is empty."]),
        ("lists", False, ["In the split test: `more` begins in row 1, and the split that is loaded before it"]),
        ("list after several kinds", True, []),
        ("spaced list after several kinds", False, ["is no objects in lines, and `n` has cells of several kinds"]),
        ("commas and tabs", False, ["are of two kinds: a.csv has commas between its cells, and b.tsv tabs."]),
        ("commas and tabs in splits", False, ["train.csv has commas between its cells, and test.tsv tabs."]),
        ("no such file", False, ["has no file z*.jsonl."]),
        ("broken packing", False, ["is no whole gzip file"]),
    ],
)
def test_what_is_loaded_is_accepted(
    case: str, loads: bool, said: list[str], known: dict[str, tuple[dict[str, Any], bool]], tmp_path: Path
) -> None:
    values, loaded = known[case]
    assert loaded is loads
    studio = Studio(Home(tmp_path / "home"))
    first = studio.recipes.look(Recipe("sft", values))
    (whole,) = [studio.whole.checked(one, values) for one in first]
    errors = [found.message for found in whole.findings if found.level == "error"]
    assert [words in error for words, error in zip(said, errors, strict=True)] == [True] * len(said), errors
    assert whole.verdict == ("reject" if said else "accept")


def test_objects_after_texts_are_written_as_the_library_does(tmp_path: Path) -> None:
    lines(tmp_path / "d" / "a.jsonl", [{"text": "one"}] * 2)
    cells = [{"a": "1/2 é\u2028", "b": 1.0, "c": [1, 2]}, None, {"b": 0.00000012, "c": None}, {"a": "\n"}]
    lines(tmp_path / "d" / "b.jsonl", [{"text": cell} for cell in cells])
    values = {"dataset_name": str(tmp_path / "d")}
    (answer,) = loaded_by_datasets([values], tmp_path)
    assert not isinstance(answer, str)
    studio = Studio(Home(tmp_path / "home"))
    (looked,) = studio.recipes.look(Recipe("sft", values))
    assert list(looked.rows) == answer["train"]
    assert studio.whole.checked(looked, values).num_rows == 6


def test_a_stream_does_not_mind_the_files_that_it_never_reads(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    pq.write_table(pa.table({"text": ["a", "b"]}), tmp_path / "d" / "train.parquet")
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "d" / "test.parquet")
    studio, name = Studio(Home(tmp_path / "home")), str(tmp_path / "d")
    for values, verdict in (
        ({"dataset_name": name}, "reject"),
        ({"dataset_name": name, "dataset_streaming": True}, "accept"),
        ({"datasets": [{"path": name}], "streaming": True}, "accept"),
        ({"dataset_name": name, "dataset_streaming": True, "eval_strategy": "steps"}, "reject"),
    ):
        (looked,) = studio.recipes.look(Recipe("sft", values))
        assert looked.verdict == verdict, values
        assert len([one for one in looked.findings if one.level == "error"]) == (verdict == "reject")


def test_odd_values_of_a_recipe_are_told(tmp_path: Path) -> None:
    name = lines(tmp_path / "d" / "train.jsonl", GOOD)
    studio = Studio(Home(tmp_path / "home"))
    odd: list[dict[str, Any]] = [
        {"dataset_name": str(tmp_path / "d"), "dataset_train_split": ["train"]},
        {"dataset_name": str(tmp_path / "d"), "dataset_test_split": ["x"], "eval_strategy": "steps"},
        {"datasets": [{"path": "json", "data_files": name, "columns": [{"a": 1}]}]},
    ]
    for values in odd:
        (looked,) = studio.recipes.look(Recipe("sft", values))
        assert looked.verdict == "reject", values
