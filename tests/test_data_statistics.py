"""Statistics, repeated rows, and rows that are both learnt and evaluated on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dataset_shapes import assistant, user

from studio.adapters.datacounts import count, prints, repeated, shared
from studio.adapters.datafiles import open_source
from studio.adapters.home import Home
from studio.domain.columns import Column
from studio.domain.dataset_statistics import BARS, ColumnStatistics, Statistics
from studio.domain.findings import Finding
from studio.service.data import Inspection
from studio.service.studio import Studio
from studio.service.whole_data import WholeData

Row = dict[str, Any]


def write(path: Path, rows: list[Row]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def counted(path: Path, most: int | None = None) -> Statistics:
    source = open_source(path)
    return count(source.format, source.files["train"], source.columns(), most)


def test_columns_are_counted(tmp_path: Path) -> None:
    rows: list[Row] = [
        {"text": "x" * n, "label": n % 2 == 0, "chat": [user("ab"), assistant("cde")]} for n in range(100)
    ]
    rows[3] = {"text": None, "label": None, "chat": []}
    rows[4]["chat"] = [user("ab"), assistant("c"), user("de")]
    found = counted(write(tmp_path / "a.jsonl", rows))
    assert (found.rows, found.whole, found.repeated) == (100, True, 0)
    text, label, chat = found.columns
    assert (text.nulls, text.empties) == (1, 1)  # of the first row nothing is said
    assert text.lengths == (0, 25, 50, 75, 95, 99)
    assert (len(text.bars), sum(text.bars)) == (BARS, 99)
    assert dict(label.words) == {"true": 50, "false": 49, "": 1}
    assert chat.turns == ((0, 1), (2, 98), (3, 1))
    assert dict(chat.words) == {"user": 100, "assistant": 99}
    assert (chat.empties, chat.lengths[-1]) == (1, 5)


def test_a_sample_is_the_first_rows(tmp_path: Path) -> None:
    rows = [{"text": f"row {n}"} for n in range(5000)]
    write(tmp_path / "a.jsonl", rows)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "b.parquet")
    for name in ("a.jsonl", "b.parquet"):
        sample = counted(tmp_path / name, 1000)
        assert (sample.rows, sample.whole) == (1000, False), name
        assert counted(tmp_path / name).rows == 5000
    assert counted(write(tmp_path / "c.jsonl", rows[:50]), 1000).whole


@pytest.mark.parametrize("column", ["text", "messages", "numbers", "nested", "nothing"])
def test_equal_rows_have_equal_prints(column: str) -> None:
    cells: dict[str, list[Any]] = {
        "text": ["a", "b", "", None, "ab"],
        "messages": [[user("a"), assistant("b")], [user("b"), assistant("a")], [], None, [user("a")]],
        "numbers": [1, 2, 0, None, -1],
        "nested": [[["a"], ["b"]], [["a", "b"]], [[]], [], None],
        "nothing": [None] * 5,
    }
    array = pa.array(cells[column] * 2)
    found = prints({"x": array}, 10)
    assert found[:5].tolist() == found[5:].tolist()
    assert len(set(found.tolist())) == (1 if column == "nothing" else 5)
    assert repeated([found]) == (9 if column == "nothing" else 5)
    assert shared([found[:2]], [found[5:]]) == (5 if column == "nothing" else 2)


def told(folder: Path, data: Path, **values: Any) -> list[Finding]:
    studio = Studio(Home(folder / "home"))
    return list(studio.inspect(str(data), "sft", values=values, all_rows=True).findings)


def test_repeated_rows_and_a_leak_are_told(tmp_path: Path) -> None:
    rows = [{"text": f"row {n}"} for n in range(1000)]
    assert told(tmp_path, write(tmp_path / "clean.jsonl", rows)) == []
    (twice,) = told(tmp_path, write(tmp_path / "twice.jsonl", rows + rows[:200]))
    assert (twice.level, twice.message) == ("warning", "200 of the 1,200 rows (17 %) are like an earlier one.")
    (some,) = told(tmp_path, write(tmp_path / "some.jsonl", rows + rows[:20]))
    assert some.level == "note"
    folder = tmp_path / "both"
    write(folder / "train.jsonl", rows)
    write(folder / "test.jsonl", [*rows[:30], *({"text": f"new {n}"} for n in range(70))])
    assert told(tmp_path, folder) == []
    (leak,) = told(tmp_path, folder, eval_strategy="steps")
    assert leak.message == "30 of the 100 rows to evaluate on are trained on too."
    (same,) = told(tmp_path, folder, eval_strategy="steps", dataset_test_split="train")
    assert same.message == "The model is evaluated on the split it is trained on, train."
    assert same.fix is not None


def test_what_is_remembered_goes_with_the_files(tmp_path: Path) -> None:
    studio = Studio(Home(tmp_path / "home"))
    path = write(tmp_path / "a.jsonl", [{"text": f"row {n}"} for n in range(3000)])
    looked = studio.inspect(str(path), "sft")
    assert looked.seen is None
    first = studio.whole.statistics(looked)
    assert first is not None
    assert (first.rows, first.whole) == (1000, False)
    whole = studio.whole.checked(looked, {})
    assert whole.looked_at.startswith("All 3,000 rows checked in")
    assert studio.whole.taken(looked, {}).seen is whole.seen  # not looked at twice
    assert studio.whole.begin(whole, {}) is False
    write(path, [{"text": f"row {n}"} for n in range(2000)] + [{"text": None}])
    assert studio.whole.taken(whole, {}) is whole  # an answer on other rows is not taken for one on these
    assert studio.whole.checked(whole, {}).verdict == "reject"


def test_columns_without_lengths_have_none() -> None:
    from studio.domain.columns import Column

    bare = ColumnStatistics.of(Column("x", "integer"), 0, 0, {}, {}, {"1": 3})
    assert (bare.lengths, bare.bars) == ((), ())


def test_rows_of_the_hub_are_counted_as_they_are_shown() -> None:
    columns = (Column("messages", "conversation"), Column("label", "boolean"), Column("mixed", "string"))
    said = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo yo"}]
    rows = ({"messages": said, "label": True, "mixed": 1}, *[{"messages": None, "label": False, "mixed": "x"}] * 2)
    looked = Inspection("a/b", "sft", "accept", source="hub", columns=columns, rows=rows, num_rows=3000)
    found = WholeData().statistics(looked)
    assert found is not None
    assert (found.rows, found.whole, found.repeated) == (3, False, 1)
    told = {one.name: one for one in found.columns}
    assert (told["messages"].nulls, told["messages"].turns, told["messages"].lengths[0]) == (2, ((2, 1),), 7)
    assert told["messages"].words == (("user", 1), ("assistant", 1))
    assert told["label"].words == (("false", 2), ("true", 1))
    assert WholeData().statistics(replace(looked, rows=())) is None
    assert WholeData().statistics(replace(looked, source="")) is None
