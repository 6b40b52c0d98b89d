"""Cells of prepared columns come back as they were, or the row that has no place is named: never a field is lost."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.adapters import databatches
from studio.adapters.columntypes import ColumnTypes, Mixed, Unwritable, is_json
from studio.adapters.datafiles import open_source
from studio.domain.dataset_types import judge
from studio.domain.mapping import DataMapping, Source
from studio.service.preparing import Job, Order, Unmapped, prepare

KEPT = DataMapping("prompt-only", (("question", Source("q")), ("keep", Source("extra", "value"))))
TOOLS = DataMapping(
    "prompt-only", (("conversation", Source("messages", "messages")), ("tools", Source("tools", "value")))
)
ANSWERED = DataMapping("prompt-completion", (("question", Source("q")), ("answer", Source("a"))))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "datasets"
    folder.mkdir()
    return folder


def lines(folder: Path, rows: list[dict[str, Any]], name: str = "train.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def kept(cells: list[Any]) -> list[dict[str, Any]]:
    return [{"q": f"Why {number}?", "extra": cell} for number, cell in enumerate(cells)]


def made(path: Path, home: Path, mapping: DataMapping = KEPT, **more: Any) -> Path:
    return prepare(Order("made", str(path), "", "train", mapping, "grpo", **{"share": 0.0, **more}), home)


def loaded(folder: Path) -> Any:
    """A prepared set as TRL gets it."""
    return datasets.load_dataset(str(folder), cache_dir=str(folder.parent.parent / "cache"))


def tool(name: str, *arguments: str) -> dict[str, Any]:
    properties = {argument: {"type": "string"} for argument in arguments}
    parameters = {"type": "object", "properties": properties}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


def turns(number: int) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"Why {number}?"}, {"role": "assistant", "content": "So."}]


@pytest.mark.parametrize("late", [1, 3000, 5999])
def test_tools_keep_their_own_arguments(tmp_path: Path, home: Path, late: int) -> None:
    one, other = [tool("weather", "city")], [tool("stock", "ticker", "day")]
    rows = [{"messages": turns(n), "tools": one if n < late or n % 2 else other} for n in range(6000)]
    rows[-1]["tools"] = other
    folder = made(lines(tmp_path, rows), home, TOOLS, share=0.1)
    read = loaded(folder)
    assert read["train"].features == read["test"].features
    found = {row["prompt"][0]["content"]: row["tools"] for split in read.values() for row in split}
    assert found == {row["messages"][0]["content"]: row["tools"] for row in rows}
    source = open_source(folder)
    assert source.rows(n=1)[0]["tools"] == one
    assert judge("grpo", source.columns(), source.rows()).verdict == "accept"


@pytest.mark.parametrize(
    "cells",
    [
        [{"a": 1}] * 5000 + [{"a": 1, "tests": "assert True"}] * 5000,
        [{"a": {"b": 1}}, {"a": {"b": "x"}}] * 10,
        [{"low": 0}, {"low": 0.5}, {}] * 10,
        [[1, 2], [0.5], [], None] * 10,
        [None] * 4200 + [["x"]],
        [[]] * 4200 + [[["x"], [1]]],
        [{"a": None}] * 4200 + [{"a": {"b": [1]}}],
        [{"a": 1}, [1, "x"], "text", 3, None] * 10,
        [3] * 9000 + [0.5],
        [0.5] * 4200 + [3, 2**60 + 1],
        [2**63 + 1] * 5,
        [2**63 + 1] * 5000 + [-1] * 5000,
        [None] * 4200 + [True],
        [None] * 20,
    ],
    ids=range(14),
)
def test_kept_cells_come_back_as_they_were(tmp_path: Path, home: Path, cells: list[Any]) -> None:
    folder = made(lines(tmp_path, kept(cells)), home)
    assert loaded(folder)["train"]["extra"][:] == cells
    assert [row["extra"] for row in open_source(folder).rows(n=len(cells))] == cells


def test_parquet_files_whose_objects_differ_are_joined_without_a_loss(tmp_path: Path, home: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    cells = [[{"a": 1, "b": "x"}] * 3, [{"a": 1, "c": 0.5}] * 3]
    for number, part in enumerate(cells):
        pq.write_table(pa.Table.from_pylist(kept(part)), folder / f"train-{number}.parquet")
    assert loaded(made(folder, home))["train"]["extra"][:] == cells[0] + cells[1]


def test_an_object_of_parquet_that_json_cannot_hold_is_a_row_to_leave_out(tmp_path: Path, home: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    for number, part in enumerate([[{"a": 1.5}, {"a": float("nan")}], [{"b": 2}]]):
        pq.write_table(pa.Table.from_pylist(kept(part)), folder / f"train-{number}.parquet")
    with pytest.raises(Unmapped, match="JSON does not have") as stopped:
        made(folder, home)
    assert (Path(stopped.value.finding.where.name).name, stopped.value.finding.where.row) == ("train-0.parquet", 1)


def test_the_sources_own_test_split_has_the_same_types(tmp_path: Path, home: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    lines(folder, kept([{"a": 1}] * 5))
    lines(folder, kept([{"b": 0.5}] * 5), "test.jsonl")
    job = Job(Order("made", str(folder), "", "train", KEPT, "grpo", test="test"))
    read = loaded(prepare(job.order, home, job))
    assert read["train"].features == read["test"].features
    assert read["test"]["extra"][:] == [{"b": 0.5}] * 5
    assert (job.done, job.rows) == (10, {"train": 5, "test": 5})


@pytest.mark.parametrize(
    ("cells", "row"),
    [
        ([1] * 5000 + [True] * 10, 5000),
        ([True] * 5000 + [0] * 10, 5000),
        ([1] * 4096 + [True] * 10 + [1], 4096),
        ([1] * 4100 + ["x"] + [1] * 10, 4100),
        (["x"] * 5000 + [0.5], 5000),
        ([None] * 10 + [1] * 5000 + [None, "x"], 5011),
    ],
    ids=range(6),
)
def test_the_first_cell_of_another_type_is_named(tmp_path: Path, home: Path, cells: list[Any], row: int) -> None:
    with pytest.raises(Unmapped, match="`extra` changes its type here") as stopped:
        made(lines(tmp_path, kept(cells)), home)
    assert stopped.value.finding.where.row == row
    assert os.listdir(home) == []


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        (10**30, "more than 64 bits"),
        ({"a": [10**30]}, "more than 64 bits"),
        ({"b": float("nan")}, "JSON does not have"),
    ],
)
def test_a_kept_cell_that_no_file_can_hold_is_a_row_to_leave_out(
    tmp_path: Path, home: Path, odd: Any, why: str
) -> None:
    plain = {"a": 1} if isinstance(odd, dict) else 1
    path = lines(tmp_path, kept([plain] * 4200 + [odd, plain]))
    with pytest.raises(Unmapped, match=f"`extra` .*{why}") as stopped:
        made(path, home)
    assert stopped.value.finding.where.row == 4200
    assert loaded(made(path, home, leave_out=True))["train"]["extra"][:] == [plain] * 4201


def test_half_a_character_is_a_row_to_leave_out(tmp_path: Path, home: Path) -> None:
    rows = [{"q": f"Why {number}?", "a": "So."} for number in range(60)]
    rows[33]["a"] = "So \ud83d."
    path = lines(tmp_path, rows)
    with pytest.raises(Unmapped, match="`a` holds half a character") as stopped:
        made(path, home, ANSWERED)
    assert stopped.value.finding.where.row == 33
    assert len(loaded(made(path, home, ANSWERED, leave_out=True))["train"]) == 59


def back(cell: Any, kind: Any) -> Any:
    """A cell of a written array as the datasets library gives it."""
    if is_json(kind):
        return None if cell is None else json.loads(cell)
    return [back(one, kind.value_type) for one in cell] if pa.types.is_list(kind) and cell is not None else cell


scalar = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3)
)
nested = st.recursive(
    scalar,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from("abc"), below, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(nested, min_size=1, max_size=4), min_size=1, max_size=4))
def test_any_cells_come_back_or_are_refused(batches: list[list[Any]]) -> None:
    types = ColumnTypes()
    for _ in range(4):
        types.late, arrays = False, []
        try:
            arrays = [types.column("x", batch) for batch in batches]
        except (Mixed, Unwritable):
            return  # both are told with the row
        if not types.late:
            break
    assert not types.late
    assert all(array.type.equals(arrays[0].type) for array in arrays)
    for array, batch in zip(arrays, batches, strict=True):
        assert [back(cell, array.type) for cell in array.to_pylist()] == batch


def test_answers_of_a_csv_are_the_cells_as_written(tmp_path: Path, home: Path) -> None:
    said = ["0", "12", "007", "1.50", "1e3", "12345678901234567890", "True", " 5"]
    path = tmp_path / "train.csv"
    path.write_text("q,a,extra\n" + "".join(f"Why {n}?,{cell},{n}\n" for n, cell in enumerate([*said, ""])))
    mapping = DataMapping("prompt-only", (*KEPT.roles, ("solution", Source("a"))))
    read = loaded(made(path, home, mapping, leave_out=True))["train"]
    assert read["solution"][:] == said
    assert read["extra"][:] == list(range(len(said))), "what is kept is what TRL would see"


@pytest.mark.parametrize("form", ["parquet", "arrow"])
@pytest.mark.parametrize("dictionary", [False, True])
def test_batches_of_long_cells_are_of_few_rows(tmp_path: Path, form: str, dictionary: bool) -> None:
    same = "x" * 50_000
    table = pa.table(
        {"q": [f"{n}" for n in range(3000)], "a": [same if dictionary else f"{n}{same}" for n in range(3000)]}
    )
    path = tmp_path / f"train.{form}"
    if form == "parquet":
        pq.write_table(table, path, use_dictionary=dictionary)
    else:
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    place = 0
    for batch in databatches.batches([path], form, ["a", "q"]):
        assert batch.first == place
        assert batch.arrow.nbytes <= 17 << 20
        assert batch.arrow.column("q").to_pylist() == [f"{n}" for n in range(place, place + batch.count)]
        place += batch.count
    assert place == 3000
