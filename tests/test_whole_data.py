"""The verdict over all rows: the rules of the first rows, at Arrow speed, and words for what would stop the loading."""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dataset_shapes import ASK, BAD, CHAT_ASK, CHAT_BAD, CHAT_GOOD, GOOD, SHAPES, VALUES, assistant, user
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from later_shapes import CHUNKS
from test_dataset_types import DEPENDS, TRUTH

from studio.adapters.datafiles import open_source
from studio.adapters.home import Home
from studio.adapters.wholecheck import check_all
from studio.domain.cell_structure import LOOKED_INTO
from studio.domain.dataset_types import Verdict, judge
from studio.domain.findings import Finding
from studio.domain.seen_rows import AllRows
from studio.service.studio import Studio

Row = dict[str, Any]
LATE = 70_000  # the row, counted from 0, in which the flaw stands


def write(path: Path, rows: list[Row]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def look(path: Path, size: int | None = None, *more: str) -> AllRows:
    source = open_source(path)
    return check_all(source.format, source.files["train"], source.columns(), (*LOOKED_INTO, *more), size=size)


def verdict(path: Path, method: str, size: int | None = None, **values: Any) -> Verdict:
    source = open_source(path)
    field = values.get("dataset_text_field", "text")
    return judge(method, source.columns(), look(path, size, field), values)


def the_error(found: Verdict) -> Finding:
    assert found.verdict == "reject"
    (error,) = [finding for finding in found.findings if finding.level == "error"]
    return error


# --- TRL is the judge


@pytest.fixture(scope="module")
def shape_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("shapes")
    return {shape: write(folder / f"{shape}.jsonl", rows) for shape, rows in SHAPES.items()}


@pytest.mark.parametrize("shape", list(SHAPES))
def test_the_verdict_over_all_rows_is_trls(shape: str, shape_files: dict[str, Path]) -> None:
    path, values = shape_files[shape], VALUES.get(shape, {})
    seen = look(path, CHUNKS.get(shape), values.get("dataset_text_field", "text"))
    columns = open_source(path).columns()
    for method, recorded in TRUTH[shape].items():
        found = judge(method, columns, seen, values)
        truth = "accept" if recorded == "accept" else "reject"
        allowed = {truth, "unknown"} if shape in DEPENDS else {truth}
        assert found.verdict in allowed, (method, recorded, found.findings)
        assert (found.verdict == "reject") == any(finding.level == "error" for finding in found.findings)


# --- a bad cell in row 70,001 is as bad as in row 1


def rows_of(kind: str) -> Callable[[int], Row]:
    return {
        "text": lambda n: {"text": f"The sky is blue {n}."},
        "chat": lambda n: {"messages": [user(f"What is {n}?"), assistant("It is.")]},
        "preference": lambda n: {"prompt": f"What is {n}?", "chosen": " It is.", "rejected": " No."},
        "pairs": lambda n: {"prompt": CHAT_ASK[0], "chosen": CHAT_GOOD[0], "rejected": CHAT_BAD[0]},
        "labelled": lambda n: {"prompt": f"What is {n}?", "completion": "It is.", "label": n % 2 == 0},
    }[kind]


FLAWS: list[tuple[str, str, Row, str]] = [
    ("sft", "text", {"text": None}, "`text` is null in row {row}."),
    ("sft", "chat", {"messages": []}, "`messages` is empty in row {row}."),
    ("sft", "chat", {"messages": None}, "`messages` is null in row {row}."),
    (
        "sft",
        "chat",
        {"messages": [user("a"), assistant(None)]},
        "`messages` has a message without content in row {row}.",
    ),
    ("sft", "chat", {"messages": [user("a"), {"role": None, "content": "b"}]}, "message without a role in row {row}."),
    ("dpo", "preference", {"chosen": None}, "`chosen` is null in row {row}."),
    ("dpo", "pairs", {"rejected": []}, "`rejected` is empty in row {row}."),
    ("reward", "pairs", {"chosen": None}, "`chosen` is null in row {row}."),
    ("kto", "labelled", {"label": None}, "in row {row}."),
    ("grpo", "preference", {"prompt": None}, "`prompt` is null in row {row}."),
]


@pytest.mark.parametrize(("method", "kind", "flaw", "words"), FLAWS)
@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_a_flaw_far_down_is_found(tmp_path: Path, method: str, kind: str, flaw: Row, words: str, form: str) -> None:
    make = rows_of(kind)
    for row in (0, 2500):
        rows = [make(n) for n in range(3000)]
        schema = pa.Table.from_pylist(rows[:10]).schema
        rows[row] = {**rows[row], **flaw}
        path = tmp_path / f"data{row}.{form}"
        if form == "jsonl":
            write(path, rows)
        else:
            pq.write_table(pa.Table.from_pylist(rows, schema=schema), path, row_group_size=700)
        error = the_error(verdict(path, method, 20_000 if form == "jsonl" else 700))
        assert error.message.endswith(words.format(row=f"{row + 1:,}")), error
        assert error.where.row == row


def test_rows_are_counted_over_all(tmp_path: Path) -> None:
    make = rows_of("preference")
    rows = [make(n) for n in range(30_000)]
    for n in range(1000, 30_000, 1000):
        rows[n]["chosen"] = rows[n]["rejected"]
    path = write(tmp_path / "a.jsonl", rows)
    (equal,) = verdict(path, "dpo", 200_000).findings
    assert equal.message == "`chosen` equals `rejected` in row 1,001 and 28 more of the 30,000 rows."
    labelled = [{**rows_of("labelled")(n), "label": True} for n in range(3000)]
    (sided,) = verdict(write(tmp_path / "b.jsonl", labelled), "kto").findings
    assert (sided.level, sided.message) == ("warning", "All 3,000 rows are good.")


# --- what is alike is judged alike

TEXTS = st.sampled_from(["", " ", "a", " a", "  b", "a b", "\u2003x"])
ROLES = st.sampled_from(["user", "assistant", "system", "bot", None])
MESSAGE = st.fixed_dictionaries({"role": ROLES, "content": st.one_of(st.none(), TEXTS)})
CELLS: dict[str, st.SearchStrategy[Any]] = {
    "text": st.one_of(st.none(), TEXTS),
    "messages": st.one_of(st.none(), st.lists(st.one_of(MESSAGE, st.none()), max_size=3)),
    "numbers": st.one_of(st.none(), st.sampled_from([0, 1, 2, -1])),
    "halves": st.one_of(st.none(), st.sampled_from([0.0, 1.0, 0.5, float("nan")])),
    "bools": st.one_of(st.none(), st.booleans()),
    "ids": st.one_of(st.none(), st.lists(st.sampled_from([None, 0, 1, 9, -1, -100]), max_size=3)),
    "marks": st.lists(st.sampled_from([0, 1, -100]), max_size=3),
    "turns": st.lists(st.fixed_dictionaries({"from": ROLES, "value": st.one_of(st.none(), TEXTS)}), max_size=3),
}
LAYOUTS = [
    ("sft", {"text": "text"}),
    ("sft", {"messages": "messages"}),
    ("sft", {"conversations": "turns"}),
    ("sft", {"prompt": "messages", "completion": "messages"}),
    ("sft", {"input_ids": "ids", "labels": "ids"}),
    ("dpo", {"chosen": "text", "rejected": "text"}),
    ("dpo", {"chosen": "messages", "rejected": "messages"}),
    ("dpo", {"prompt": "text", "chosen": "text", "rejected": "text"}),
    ("reward", {"question": "text", "chosen": "text", "rejected": "text"}),
    ("kto", {"prompt": "text", "completion": "text", "label": "halves"}),
    ("kto", {"prompt": "text", "completion": "text", "label": "numbers"}),
    ("kto", {"prompt": "messages", "completion": "messages", "label": "bools"}),
    ("grpo", {"prompt": "messages"}),
    ("sft", {"messages": "messages", "tools": "text"}),
    ("sft", {"messages": "messages", "conversations": "turns"}),
    ("sft", {"prompt": "text", "completion": "text", "text": "text"}),
    ("sft", {"prompt": "text", "completion": "text", "conversations": "turns", "messages": "messages"}),
    ("sft", {"input_ids": "marks", "labels": "marks"}),
    ("sft", {"input_ids": "marks", "assistant_masks": "marks"}),
    ("sft", {"input_ids": "ids", "assistant_masks": "text"}),
    ("sft", {"text": "text", "labels": "marks"}),
    ("sft", {"messages": "messages", "assistant_masks": "ids"}),
    ("dpo", {"prompt": "messages", "chosen": "messages", "rejected": "messages", "messages": "messages"}),
    ("reward", {"chosen_ids": "marks", "rejected_ids": "ids", "margin": "halves"}),
    ("kto", {"prompt": "text", "chosen": "text", "rejected": "text", "label": "numbers", "ref_logps": "halves"}),
    ("grpo", {"prompt": "text", "completion": "text", "question": "text"}),
]


@pytest.mark.parametrize(("method", "layout"), LAYOUTS, ids=str)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_all_rows_are_judged_as_if_each_were_looked_at(
    method: str, layout: dict[str, str], data: st.DataObject, tmp_path: Path
) -> None:
    row = st.fixed_dictionaries({name: CELLS[kind] for name, kind in layout.items()})
    rows = data.draw(st.lists(row, min_size=1, max_size=12))
    path = tmp_path / "a.parquet"
    schema = pa.schema([(name, ARROW[kind]) for name, kind in layout.items()])
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
    source = open_source(path)
    for values in ({}, {"assistant_only_loss": True}) if method == "sft" else ({},):
        each = judge(method, source.columns(), source.rows(n=100), values)
        whole = judge(method, source.columns(), look(path, 5), values)
        if not any(words in one.message for one in whole.findings for words in ONLY_OF_ALL):
            assert whole.verdict == each.verdict
        assert told(whole.findings) == told(each.findings)


# What can be said only of all rows: that each is so, and nothing is left.
ONLY_OF_ALL = ("leaves nothing to learn", "`chosen_ids` is empty")


def told(findings: Iterable[Finding]) -> set[tuple[str, str, int | None]]:
    kept = [one for one in findings if not any(words in one.message for words in ONLY_OF_ALL)]
    places = {(one.level, one.where.name, one.where.row) for one in kept}
    return {place for place in places if place[1] != "label" or place[2] is not None}


ARROW = {
    "text": pa.string(),
    "messages": pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])),
    "turns": pa.list_(pa.struct([("from", pa.string()), ("value", pa.string())])),
    "numbers": pa.int64(),
    "halves": pa.float64(),
    "bools": pa.bool_(),
    "ids": pa.list_(pa.int64()),
    "marks": pa.list_(pa.int64()),
}


def test_however_mixed_the_rows_little_is_kept(tmp_path: Path) -> None:
    """A column of ever new roles and mixtures of messages stays bounded, and its flaw is found."""
    rows = [{"messages": [user("a"), {"role": f"r{n}", "content": "x"}, assistant("b")]} for n in range(9000)]
    rows.append({"messages": [user("a"), assistant(None)]})
    seen = look(write(tmp_path / "a.jsonl", rows))
    assert sum(1 for _ in seen.cells("messages")) < 5000
    assert sum(one.count for one in seen.cells("messages")) == 9001
    error = the_error(judge("sft", open_source(tmp_path / "a.jsonl").columns(), seen))
    assert error.where.row == 9000


# --- what would stop the loading


def late(make: Callable[[int], str], wrong: str) -> str:
    lines = [make(n) for n in range(LATE)]
    return "".join(f"{line}\n" for line in (*lines, wrong, make(LATE + 1)))


def test_broken_json_far_down(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(late(lambda n: json.dumps({"text": f"row {n}"}), '{"text": "row'))
    error = the_error(verdict(path, "sft", 100_000))
    assert error.message.startswith(f"Line {LATE + 1} of {path} is no JSON")
    assert (error.where.name, error.where.line) == (str(path), LATE + 1)


def test_a_whole_number_of_more_than_64_bits(tmp_path: Path) -> None:
    rows = "".join(f"a{n},b,{10**25 if n == LATE else n}\n" for n in range(LATE + 10))
    path = tmp_path / "a.csv"
    path.write_text("prompt,completion,n\n" + rows)
    error = the_error(verdict(path, "sft"))
    assert (error.where.name, error.where.row) == (str(path), LATE)
    assert error.message.startswith(f"`n` holds {10**25} in row {LATE + 1:,}, and ")
    (error,) = [one for one in look(path, 100_000).findings if one.level == "error"]
    assert error.where.row == LATE


def test_a_packed_file_that_is_cut_short_names_the_row(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    packed = gzip.compress("".join(json.dumps({"text": f"{n} {hash(str(n))}"}) + "\n" for n in range(5000)).encode())
    path.write_bytes(packed[:-4000])
    whole = 0
    with gzip.open(path) as file, suppress(EOFError):
        while file.readline():
            whole += 1
    for size in (None, 1000):
        seen = look(path, size)
        (error,) = [one for one in seen.findings if one.level == "error"]
        assert seen.total == error.where.row, "the rows before it were looked at"
        assert whole <= seen.total < 5000
        assert f"breaks off in row {seen.total + 1:,}." in error.message
    csv_file = tmp_path / "a.csv.gz"
    csv_file.write_bytes(gzip.compress(("text\n" + "abcdef\n" * 90_000).encode())[:-50])
    (error,) = [one for one in look(csv_file).findings if one.level == "error"]
    assert error.where.row is None


def test_a_check_that_fails_says_nothing_of_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> AllRows:
        raise RuntimeError("no such thing")

    monkeypatch.setattr("studio.adapters.splitcheck.check_all", fail)
    path = write(tmp_path / "a.jsonl", [{"text": "a"}, {"text": "b"}])
    looked = Studio(Home(tmp_path / "home")).inspect(str(path), "sft", all_rows=True)
    assert (looked.num_rows, looked.whole, looked.to_json()["checked"]) == (2, False, 2)
    assert looked.looked_at == "Only the first 2 rows of 2 were looked at."
    assert [one.message for one in looked.findings] == [f"Not all rows of {path} could be checked."]
    (tmp_path / "two").mkdir()
    write(tmp_path / "two" / "a.jsonl", [{"text": "a"}])
    write(tmp_path / "two" / "b.jsonl", [{"text": ["b"]}])
    looked = Studio(Home(tmp_path / "home")).inspect(str(tmp_path / "two"), "sft", all_rows=True)
    assert looked.verdict == "reject"  # by the first rows
    assert "`text` changes its type in row 2: a list, after text." in [one.message for one in looked.findings]


@pytest.mark.parametrize("form", ["jsonl", "json"])
def test_a_column_that_begins_late_is_there(tmp_path: Path, form: str) -> None:
    rows: list[Row] = [{"prompt": f"q{n}", "completion": "a", "none": None} for n in range(30_000)]
    rows[25_000] |= {"image": "a.png", "extra": 1, "none": "some"}
    path = write(tmp_path / "a.jsonl", rows)
    if form == "json":
        path = tmp_path / "a.json"
        path.write_text(json.dumps(rows))
    made = Studio(Home(tmp_path / "home"))
    first = made.inspect(str(path), "sft")
    assert ([column.name for column in first.columns], first.verdict) == (["prompt", "completion", "none"], "accept")
    looked = made.inspect(str(path), "sft", all_rows=True)
    assert {column.name: column.type for column in looked.columns} == {
        "prompt": "text",
        "completion": "text",
        "none": "text",
        "image": "text",
        "extra": "integer",
    }
    assert looked.verdict == "unknown", "of a model of images"
    assert made.rows_of(looked, "train", 24_990).rows[10] == rows[25_000]
    for field, late in (("extra", {"text": "b"}), ("text", {"question": "b"})):
        path = write(tmp_path / "b.jsonl", [{"text": "a"}] * 20_000 + [{"text": "a", **late, "extra": "c"}])
        looked = made.inspect(str(path), "sft", values={"dataset_text_field": field}, all_rows=True)
        words = {"extra": "`extra` is null in row 1", "text": "`question` is not used"}[field]
        assert looked.findings[0].message.startswith(words), looked.findings


def test_late_columns_are_in_a_preference_too(tmp_path: Path) -> None:
    rows: list[Row] = [{"prompt": "q", "chosen": "a", "rejected": "b"} for _ in range(20_000)]
    path = write(tmp_path / "a.jsonl", [*rows, {**rows[0], "tools": "no JSON"}])
    looked = Studio(Home(tmp_path / "home")).inspect(str(path), "dpo", all_rows=True)
    (error,) = [one for one in looked.findings if one.level == "error"]
    assert (error.where.row, error.message) == (20_000, "`tools` is no JSON in row 20,001.")


# TRL's seven trainers each stop at a time where a text belongs.
@pytest.mark.parametrize(
    ("method", "dated", "texts"),
    [
        ("sft", ("prompt", "completion"), ()),
        ("sft", ("completion",), ("prompt",)),
        ("sft", ("text",), ()),
        ("dpo", ("chosen", "rejected"), ("prompt",)),
        ("dpo", ("prompt",), ("chosen", "rejected")),
        ("kto", ("prompt",), ("completion",)),
        ("reward", ("chosen", "rejected"), ()),
        ("grpo", ("prompt",), ()),
        ("rloo", ("prompt",), ()),
        ("distillation", ("prompt",), ()),
    ],
)
def test_lines_of_nothing_but_dates_become_times(
    tmp_path: Path, method: str, dated: tuple[str, ...], texts: tuple[str, ...]
) -> None:
    stamps = ["2024-01-01", "2024-01-01T10:00:00Z", "2024-01-02 10:00"]
    rows = [dict.fromkeys(dated, stamp) | {name: f"{name} {stamp}" for name in texts} for stamp in stamps]
    rows = [row | ({"label": True} if method == "kto" else {}) for row in rows]
    path = write(tmp_path / "a.jsonl", rows)
    found = verdict(path, method)
    told = [(one.where.name, one.where.row) for one in found.findings if one.level == "error"]
    assert (found.verdict, told) == ("reject", [(name, 0) for name in dated])
    assert all("stay text" in one.why for one in found.findings if one.level == "error")
    write(path, [*rows, rows[0] | dict.fromkeys(dated, "2024-01-01T10:00:00.5")])
    assert verdict(path, method).verdict == "accept", "with one that is no date to Arrow all are texts"


def test_dates_in_a_list_of_objects_become_times_too(tmp_path: Path) -> None:
    rows: list[Row] = [{"prompt": "2024-01-01", "completion": "2024-01-01 10:00"} for _ in range(12_000)]
    path = tmp_path / "a.json"
    for more, text, verdict in (
        ([], "{}", "reject"), ([{"prompt": "a", "completion": "b"}], "{}", "accept"), ([], " {}", "accept"),
    ):  # fmt: skip
        path.write_text(text.format(json.dumps([*rows, *more])))
        looked = Studio(Home(tmp_path / "home")).inspect(str(path), "sft", all_rows=True)
        assert looked.verdict == verdict, (text, looked.findings)


def test_a_list_behind_a_space_names_the_row_that_changes(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(" " + json.dumps([{"text": "a", "n": 1}] * 10_005 + [{"text": "b", "n": "x"}]))
    error = the_error(verdict(path, "sft"))
    assert error.message == "`n` changes its type in row 10,006."
    assert error.where.row == 10_005


def test_ragged_csv_far_down(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("prompt,completion\n" + late(lambda n: f"ask {n},say", "ask,say,more"))
    error = the_error(verdict(path, "sft"))
    assert error.message == f"Line {LATE + 2} of {path} has 3 cells, and the header has 2."
    assert error.where.line == LATE + 2


def test_a_parquet_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist([rows_of("text")(n) for n in range(50_000)]), path, row_group_size=10_000)
    whole = path.read_bytes()
    middle = len(whole) // 2
    # The end of the file, which tells where all the rest lies, is there.
    path.write_bytes(whole[:middle] + bytes(2000) + whole[middle + 2000 :])
    error = the_error(verdict(path, "sft"))
    assert str(path) in error.message
    assert error.where.row is not None
    assert 0 < error.where.row < 50_000
    assert f"broken after row {error.where.row:,}: " in error.message


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        (
            "a.jsonl",
            late(lambda n: json.dumps({"text": f"row {n}"}), '{"text": "x", "more": 1}'),
            "`more` begins in row",
        ),
        (
            "a.jsonl",
            late(lambda n: json.dumps({"text": f"row {n}"}), '{"text": ["x"]}'),
            "`text` changes its type in row",
        ),
        ("a.csv", "text,label\n" + late(lambda n: f"row {n},{n % 2}", "row,maybe"), "`label` changes its type in row"),
    ],
)
def test_a_column_that_changes_midway(tmp_path: Path, name: str, text: str, words: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    size = 100_000 if name.endswith("jsonl") else None
    found = verdict(path, "sft", size)
    (told,) = [one for one in found.findings if one.message.startswith(words)]
    assert told.message.split(" row ")[1].startswith(f"{LATE + 1:,}"), told
    assert told.where.to_json() == {"kind": "file", "name": str(path), "row": LATE}


def test_two_thousand_columns(tmp_path: Path) -> None:
    row = {f"c{n}": n for n in range(2000)}
    path = write(tmp_path / "a.jsonl", [{**row, "text": "a"}, {**row, "text": None}])
    assert the_error(verdict(path, "sft")).message == "`text` is null in row 2."
    found = verdict(write(tmp_path / "b.jsonl", [row, row]), "sft")
    assert len(the_error(found).message) < 2000


def test_every_format_is_read_alike(tmp_path: Path) -> None:
    rows: list[Row] = [
        {"prompt": ask, "chosen": good, "rejected": bad} for ask, good, bad in zip(ASK, GOOD, BAD, strict=True)
    ]
    rows[2]["chosen"] = None
    table = pa.Table.from_pylist(rows)
    write(tmp_path / "a.jsonl", rows)
    with gzip.open(tmp_path / "b.jsonl.gz", "wt") as packed:
        packed.write((tmp_path / "a.jsonl").read_text())
    (tmp_path / "c.json").write_text(json.dumps(rows, indent=1))
    for name, mark in (("d.csv", ","), ("e.tsv", "\t")):
        with (tmp_path / name).open("w") as file:
            writer = csv.writer(file, delimiter=mark)
            writer.writerows([list(rows[0]), *(list(row.values()) for row in rows)])
    pq.write_table(table, tmp_path / "f.parquet", row_group_size=1)
    with pa.OSFile(str(tmp_path / "g.arrow"), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table, max_chunksize=1)
    with pa.OSFile(str(tmp_path / "h.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as stream:
        stream.write_table(table)
    folder = tmp_path / "i"
    folder.mkdir()
    for part in range(2):
        write(folder / f"train-{part}.jsonl", rows[part * 2 : part * 2 + 2])
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len(names) == 9
    for name in names:
        error = the_error(verdict(tmp_path / name, "dpo"))
        assert error.message == "`chosen` is null in row 3.", name
    (tmp_path / "j.txt").write_text("one\n\nthree\n")
    (empty,) = verdict(tmp_path / "j.txt", "sft").findings
    assert empty.message == "`text` is empty in row 2."


# --- the service and the command line


def studio(*words: str, home: Path) -> tuple[int, str]:
    line = [sys.executable, "-m", "studio", *words, "--home", str(home)]
    done = subprocess.run(line, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_inspect_looks_at_all_rows(tmp_path: Path) -> None:
    rows = [rows_of("text")(n) for n in range(500)]
    path = write(tmp_path / "a.jsonl", rows)
    code, said = studio("inspect", str(path), "--method", "sft", home=tmp_path / "home")
    assert code == 0
    assert "All 500 rows checked in" in said
    write(path, [*rows, {"text": None}])
    code, said = studio("inspect", str(path), "--method", "sft", "--json", home=tmp_path / "home")
    told = json.loads(said)
    assert (code, told["verdict"], told["checked"]) == (1, "reject", 501)
    assert [one["message"] for one in told["findings"]] == ["`text` is null in row 501."]


@pytest.mark.parametrize("method", ["grpo", "rloo", "distillation"])
def test_lists_of_images_that_are_all_empty_are_none(method: str, tmp_path: Path) -> None:
    """As `trl grpo`, `rloo` and `distillation` train on them, under a model of text alone too."""
    rows = [{"prompt": [{"role": "user", "content": f"Why {n}?"}], "images": []} for n in range(40)]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    studio = Studio(Home(tmp_path / "home"))
    assert studio.inspect(str(path), method).verdict == "unknown"  # of the first rows alone
    seen = studio.inspect(str(path), method, all_rows=True)
    assert (seen.verdict, [found for found in seen.findings if "image" in found.message]) == ("accept", [])
    path.write_text(path.read_text() + json.dumps({**rows[0], "images": ["a.png"]}) + "\n")
    assert studio.inspect(str(path), method, all_rows=True).verdict == "unknown"
