"""Statistics, repeated rows, and rows that are both learnt and evaluated on."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dataset_shapes import assistant, user
from datasets import ClassLabel, Dataset, Features, Value
from fakehub import FakeHub, Repo, running, silent
from run_lab import wait_until

from studio.adapters.datacounts import count, prints, repeated, shared
from studio.adapters.datafiles import open_source
from studio.adapters.home import Home
from studio.adapters.hub import HubClient
from studio.domain.columns import Column, column_of
from studio.domain.dataset_statistics import BARS, ColumnStatistics, Statistics
from studio.domain.findings import Finding
from studio.domain.recipe import Recipe
from studio.service import whole_data
from studio.service.data import Inspection, inspect, rejudged
from studio.service.paths import Paths
from studio.service.studio import Studio
from studio.service.whole_data import WholeData
from studio.ui import data_statistics, preview_table
from studio.ui.form import Form

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


def test_labels_are_told_with_their_counts(tmp_path: Path) -> None:
    """As the Hub's viewer has them: texts that are few and short, and the names of a ClassLabel."""
    size = 4000
    cells = {
        "label": [("good", "bad", "good", None)[n % 4] for n in range(size)],
        "topic": [f"topic {n % 700}" for n in range(size)],
        "id": [f"id {n}" for n in range(size)],
        "once": [f"text {n % 900}" for n in range(size)],
        "prose": ["a long sentence that comes again and again" if n else "short" for n in range(size)],
        "kind": [(0, 1, 0, -1)[n % 4] for n in range(size)],
    }
    names = Features({**{name: Value("string") for name in cells}, "kind": ClassLabel(names=["dull", "bright"])})
    Dataset.from_dict(cells, features=names).to_parquet(tmp_path / "a.parquet")
    write(tmp_path / "a.jsonl", [{name: cells[name][n] for name in cells} for n in range(size)])
    for name in ("a.jsonl", "a.parquet"):
        told = {one.name: one for one in counted(tmp_path / name).columns}
        assert told["label"].words == (("good", 2000), ("bad", 1000)), name
        assert (len(told["topic"].words), told["topic"].words[0]) == (700, ("topic 0", 6)), name
        assert [told[one].words for one in ("id", "once", "prose")] == [(), (), ()], name
        assert (told["label"].nulls, told["label"].type) == (1000, "text")
    assert told["kind"].words == (("dull", 2000), ("bright", 1000), ("", 1000))
    drawn = data_statistics._row(told["kind"], size) + data_statistics._row(told["label"], size)
    assert "dull 2,000, bright 1,000, – 1,000" in drawn
    assert "good 2,000, bad 1,000" in drawn
    sorts = pa.table({"sort": pa.array(["a", "b", "a", None]).dictionary_encode()})
    pq.write_table(sorts, tmp_path / "sorts.parquet")
    (sort,) = counted(tmp_path / "sorts.parquet").columns
    assert (sort.nulls, sort.words) == (1, (("a", 2), ("b", 1)))
    alone = counted(write(tmp_path / "alone.jsonl", [{"text": "one"}, {"text": "two"}])).columns[0]
    assert alone.words == ()  # what comes once is no label


def test_a_label_that_comes_late_ends_the_counting(tmp_path: Path) -> None:
    """Memory stays bounded: what has too many values, or a long one, is none from there on."""
    rows = [{"many": "a", "long": "b"}] * 300_000 + [{"many": f"a {n}", "long": "b" * (1 + n)} for n in range(1200)]
    many, long = counted(write(tmp_path / "late.jsonl", rows)).columns
    assert (many.words, long.words) == ((), ())


def test_a_conversation_with_an_empty_message_is_counted_as_empty(tmp_path: Path) -> None:
    call = {"type": "function", "function": {"name": "f", "arguments": "{}"}}
    chats: list[list[Row]] = [
        [user("a"), assistant("b")],
        [user("a"), assistant("")],
        [user(""), assistant("")],
        [user("a"), {"role": "assistant", "content": None}],
        [],
    ]
    rows: list[Row] = [
        {"messages": chat, "told": [{"from": "human", "value": chat and chat[0]["content"]}]} for chat in chats
    ]
    rows[4]["told"] = [{"from": "human", "value": "x"}]
    messages, told = counted(write(tmp_path / "a.jsonl", rows)).columns
    assert (messages.empties, told.empties) == (4, 1)
    assert messages.lengths == (0, 0, 1, 1, 2, 2)
    used = [user("a"), {"role": "assistant", "content": "", "tool_calls": [call]}, assistant("so")]
    (calls,) = counted(write(tmp_path / "b.jsonl", [{"messages": used}, {"messages": chats[1]}])).columns
    assert (calls.empties, calls.turns, calls.lengths[-1]) == (1, ((2, 1), (3, 1)), 3)  # a call stands for content
    assert dict(calls.words) == {"user": 2, "assistant": 3}


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


def told(folder: Path, data: Path, method: str = "sft", **values: Any) -> list[Finding]:
    studio = Studio(Home(folder / "home"))
    return list(studio.inspect(str(data), method, values=values, all_rows=True).findings)


def test_rows_that_rewards_tell_apart_are_no_repetition(tmp_path: Path) -> None:
    rows = [{"id": n, "doc_id": n, "prompt": "Guess a number.", "solution": {"is": str(n)}} for n in range(100)]
    data = write(tmp_path / "solved.jsonl", rows)
    assert told(tmp_path, data, "grpo") == []
    (same,) = told(tmp_path, data, "distillation")
    assert same.message == "99 of the 100 rows (99 %) are like an earlier one."
    (same,) = told(tmp_path, write(tmp_path / "same.jsonl", [{**row, "solution": {"is": "1"}} for row in rows]), "rloo")
    assert same.message == "99 of the 100 rows (99 %) are like an earlier one."


def test_repeated_rows_and_a_leak_are_told(tmp_path: Path) -> None:
    rows = [{"text": f"row {n}"} for n in range(1000)]
    assert told(tmp_path, write(tmp_path / "clean.jsonl", rows)) == []
    (few,) = told(tmp_path, write(tmp_path / "few.jsonl", [*rows[:1] * 2, rows[1]]))
    assert (few.level, few.message) == ("warning", "1 of the 3 rows is like an earlier one.")
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


@pytest.mark.parametrize(
    ("method", "rows"),
    [
        ("kto", [{"prompt": f"p {n % 150}", "response": f"r {n}", "rating": n % 5} for n in range(300)]),
        ("dpo", [{"conversation_a": f"a {n}", "conversation_b": "b", "winner": "a"} for n in range(300)]),
    ],
)
def test_rows_are_not_called_alike_by_columns_that_the_method_does_not_take(
    method: str, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    data = write(tmp_path / "rows.jsonl", rows)
    looked = Studio(Home(tmp_path / "home")).inspect(str(data), method, all_rows=True)
    assert (looked.verdict, looked.whole) == ("reject", True)
    assert not [found.message for found in looked.findings if "like an earlier" in found.message]


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


def test_a_sample_that_is_all_there_is_is_no_sample(tmp_path: Path) -> None:
    studio = Studio(Home(tmp_path / "home"))
    path = write(tmp_path / "a.jsonl", [{"text": f"row {n}"} for n in range(1000)])
    found = studio.whole.statistics(studio.inspect(str(path), "sft", all_rows=True))
    assert found is not None
    assert (found.rows, found.whole) == (1000, True)


def test_files_that_changed_since_they_were_looked_at_are_told(tmp_path: Path) -> None:
    studio = Studio(Home(tmp_path / "home"))
    path = write(tmp_path / "folder" / "a.jsonl", [{"text": "one"}])
    looked = studio.inspect(str(path.parent), "sft")
    assert not studio.whole.outdated(looked)  # nothing was asked of the files yet
    assert studio.whole.begin(looked, {})
    assert not studio.whole.outdated(looked)
    assert not studio.whole.outdated(rejudged(looked, "dpo", {}))
    write(path.parent / "b.jsonl", [{"text": "two"}])
    assert studio.whole.outdated(looked)
    studio.whole.look_anew(looked)
    assert studio.whole.begin(looked, {})
    assert not studio.whole.outdated(looked)
    write(path, [{"text": "another"}])
    assert studio.whole.outdated(rejudged(looked, "dpo", {}))
    path.unlink()
    assert studio.whole.outdated(looked)


def test_an_answer_on_the_way_is_not_remembered_beyond_a_look_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Page timer and edits ask in threads of their own."""
    studio = Studio(Home(tmp_path / "home"))
    path = write(tmp_path / "a.jsonl", [{"text": "one"}])
    looked = studio.inspect(str(path), "sft")
    asked = whole_data.in_order

    def meanwhile(*known: Any) -> Any:
        monkeypatch.setattr(whole_data, "in_order", asked)
        found = asked(*known)
        write(path, [{"text": "one"}, {"text": "two"}])
        assert studio.whole.checked(looked, {}).num_rows == 2
        return found

    studio.whole.count_rows(looked, "train")  # the files are as they were
    monkeypatch.setattr(whole_data, "in_order", meanwhile)
    studio.whole.begin(looked, {})
    assert studio.whole.taken(looked, {}).num_rows == 2


def test_longer_lengths_than_are_counted_are_told_as_so_long_or_more(tmp_path: Path) -> None:
    rows = [{"text": "x" * length} for length in (10, 300_000, 70_000, 65_535)]
    (text,) = counted(write(tmp_path / "long.jsonl", rows)).columns
    drawn = data_statistics._row(text, 4)
    assert "<td>10, ≥ 65,536, ≥ 65,536, ≥ 65,536</td>" in drawn
    (near,) = counted(write(tmp_path / "near.jsonl", rows[3:])).columns
    assert "<td>65,535, 65,535, 65,535, 65,535</td>" in data_statistics._row(near, 1)
    told = replace(text, lengths=(10, None, 70_000, None, None, 300_000))  # the Hub's viewer counts all
    assert "<td>10, 70,000, –, 300,000</td>" in data_statistics._row(told, 4, exact=True)


def test_a_null_and_an_empty_text_are_told_apart_in_the_preview() -> None:
    def shown(cell: Any) -> str:
        drawn = preview_table.table([column_of("a", [cell, "x"])], [{"a": cell}], {}, "")
        return re.sub(r"<.*?>", "", drawn.partition("<tbody>")[2].partition("</tbody>")[0])

    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": ""}]
    assert [shown(cell) for cell in (None, "", " ", 0, turns)] == ["null", "empty", " ", "0", "userHiassistantempty"]


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


# --- all rows of data on the Hub, by its viewer


def feature(name: str, kind: Any) -> dict[str, Any]:
    return {"feature_idx": 0, "name": name, "type": kind}


def text_of(name: str) -> dict[str, Any]:
    return feature(name, {"_type": "Value", "dtype": "string"})


ROLES = {"role": {"_type": "Value", "dtype": "string"}, "content": {"_type": "Value", "dtype": "string"}}
FEATURES = [
    text_of("text"),
    text_of("source"),
    feature("messages", {"_type": "List", "feature": ROLES}),
    feature("label", {"_type": "Value", "dtype": "bool"}),
    feature("score", {"_type": "Value", "dtype": "int64"}),
    feature("many", {"_type": "Value", "dtype": "int32"}),
    feature("share", {"_type": "Value", "dtype": "float64"}),
    feature("kind", {"_type": "ClassLabel", "names": ["good", "bad"]}),
    feature("ids", {"_type": "List", "feature": {"_type": "Value", "dtype": "int64"}}),
    feature("about", {"a": {"_type": "Value", "dtype": "string"}}),
]


def on_the_hub(count: int = 300) -> list[Row]:
    rows: list[Row] = [
        {
            "text": "x" * (n + 1),
            "source": ("web", "book", "")[n % 3],
            "messages": [user("a"), assistant("b")] * (1 + n % 2),
            "label": n % 4 == 0,
            "score": n % 5,
            "many": n,
            "share": n / 7,
            "kind": n % 2,
            "ids": list(range(n % 50)),
            "about": {"a": "b"},
        }
        for n in range(count)
    ]
    rows[7] |= {"text": None, "label": None, "kind": -1}
    return rows


def shelved(rows: list[Row], total: int | None = None, **more: Any) -> Repo:
    entries = [{"row_idx": n, "row": row, "truncated_cells": []} for n, row in enumerate(rows)]
    return Repo(splits={"default": {"train": (FEATURES, entries, total or len(rows))}}, **more)


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with running(FakeHub()) as served:
        yield served


def looked_at(hub: FakeHub, **options: Any) -> tuple[Inspection, HubClient]:
    asked = HubClient(hub.url, hub.viewer, **options)
    nowhere = Paths(Path("/nowhere"), Path("/nowhere"))
    return inspect("org/d", "sft", nowhere, asked), asked


def told_of_all(whole: WholeData, looked: Inspection, asked: HubClient) -> Statistics:
    whole.count(looked, asked)
    wait_until(lambda: whole.counting(looked) is None)
    found = whole.statistics(looked)
    assert found is not None
    return found


def test_the_viewer_tells_of_all_rows_of_the_hub(hub: FakeHub) -> None:
    hub.datasets["org/d"] = shelved(on_the_hub())
    (looked, asked), whole = looked_at(hub), WholeData()
    sample = whole.statistics(looked)
    assert sample is not None
    assert (sample.rows, sample.whole, sample.by_viewer) == (20, False, False)
    assert not any("statistics" in request for request in hub.requests)  # nobody asked for all rows
    found = told_of_all(whole, looked, asked)
    assert (found.rows, found.whole, found.by_viewer, found.repeated) == (300, True, True, None)
    told = {one.name: one for one in found.columns}
    assert list(told) == [one["name"] for one in FEATURES]
    text = told["text"]
    assert (text.nulls, text.empties, text.lengths) == (1, 0, (1, None, 151, None, None, 300))
    assert (len(text.bars), sum(text.bars)) == (10, 299)
    assert (told["source"].empties, told["source"].words) == (100, (("web", 100), ("book", 100), ("", 100)))
    assert told["source"].lengths == (0, 0, 3, 4, 4, 4)
    assert (told["messages"].turns, told["messages"].lengths) == (((2, 150), (4, 150)), ())
    assert dict(told["label"].words) == {"true": 75, "false": 224, "": 1}
    assert dict(told["score"].words) == {str(n): 60 for n in range(5)}
    assert (told["many"].words, told["share"].words) == ((), ())
    assert (dict(told["kind"].words), told["kind"].type) == ({"good": 150, "bad": 149, "": 1}, "integer")
    assert (told["ids"].empties, told["ids"].lengths[-1]) == (None, 49)
    assert (told["about"].nulls, told["about"].empties) == (None, None)
    before = len(hub.requests)
    assert told_of_all(whole, looked, asked) is found  # what is known is not asked again
    assert len(hub.requests) == before


def test_the_numbers_of_the_viewer_are_those_counted_here(hub: FakeHub, tmp_path: Path) -> None:
    rows = on_the_hub()
    hub.datasets["org/d"] = shelved(rows)
    (looked, asked), whole = looked_at(hub), WholeData()
    here = {one.name: one for one in counted(write(tmp_path / "a.jsonl", rows)).columns}
    for one in told_of_all(whole, looked, asked).columns:
        mine = here[one.name]
        if one.name not in ("about", "kind"):  # of labels the viewer has the names and files here the numbers
            assert one.nulls == mine.nulls, one.name
            assert one.empties in (None, mine.empties), one.name
        for told, own in zip(one.lengths, mine.lengths, strict=False):  # of two in the middle it takes the mean
            assert told is None or abs(told - own) <= 1, (one.name, one.lengths, mine.lengths)
        if one.name in ("label", "score", "source"):
            assert dict(one.words) == dict(mine.words)
        if one.name == "messages":
            assert one.turns == mine.turns


def test_a_viewer_that_counts_a_part_says_so(hub: FakeHub) -> None:
    hub.datasets["org/d"] = shelved(on_the_hub(), total=9_000, counted=200)
    (looked, asked), whole = looked_at(hub), WholeData()
    found = told_of_all(whole, looked, asked)
    assert (found.rows, found.whole, found.by_viewer) == (200, False, True)


@pytest.mark.parametrize(
    ("status", "reason"),
    [(404, "not found"), (500, "not ready"), (503, "not ready"), (501, "unsupported"), (403, "refused")],
)
def test_without_the_viewer_the_first_rows_stay(hub: FakeHub, status: int, reason: str) -> None:
    hub.datasets["org/d"] = shelved(on_the_hub())
    (looked, asked), whole = looked_at(hub), WholeData()
    hub.faults["/viewer/statistics"] = status
    found = told_of_all(whole, looked, asked)
    assert (found.rows, found.by_viewer) == (20, False)
    refused = whole.refused(looked)
    assert refused is not None
    assert refused.reason == reason
    hub.faults.clear()
    assert told_of_all(whole, looked, asked).rows == 300  # asked again, it tells
    assert whole.refused(looked) is None


def test_a_viewer_that_does_not_answer_or_talks_nonsense(hub: FakeHub) -> None:
    hub.datasets["org/d"] = shelved(on_the_hub())
    (looked, asked), whole = looked_at(hub), WholeData()
    with silent() as url:
        begun = time.monotonic()
        assert told_of_all(whole, looked, HubClient(url, url, patience=0.5)).rows == 20
        assert time.monotonic() - begun < 5
    refused = whole.refused(looked)
    assert refused is not None
    assert refused.reason == "timeout"
    assert told_of_all(whole, looked, HubClient("http://127.0.0.1:1", "http://127.0.0.1:1")).rows == 20
    refused = whole.refused(looked)
    assert refused is not None
    assert refused.reason == "offline"
    assert told_of_all(whole, looked, HubClient(hub.url, f"{hub.url}/api/datasets/org/d?x=")).rows == 20
    refused = whole.refused(looked)
    assert refused is not None
    assert refused.reason == "trouble"
    assert told_of_all(whole, looked, asked).rows == 300


def test_thousands_of_columns_are_drawn_in_part_and_counted_in_seconds(tmp_path: Path, catalog_folder: Path) -> None:
    wide = [{**{f"c{n}": f"v {n}" for n in range(1998)}, "question": f"q {row}", "answer": "a"} for row in range(20)]
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "cache").symlink_to(catalog_folder)
    studio = Studio(Home(tmp_path / "home"))
    form = Form(Recipe("sft"), drawn=True)
    form.choose_dataset(studio, str(write(tmp_path / "wide.jsonl", wide)))
    (looked,) = form.looked
    roles = {"question": "question", "answer": "answer"}
    drawn = preview_table.table(looked.columns, looked.rows, {"c1990": "c1990"}, "", "sft", roles)
    heads = re.findall(r'data-role-of="(\w+)"', drawn)
    assert heads == [*(f"c{n}" for n in range(57)), "c1990", "question", "answer"]
    assert drawn.count("<td") == 20 * 60
    assert "1,940 more columns are not shown." in drawn
    begun = time.process_time()
    cards = data_statistics._cards(studio, form)
    assert time.process_time() - begun < 20  # 45 where the names of all columns were made anew for each of them
    assert cards.count("<tr>") == 41
    assert "<td>question<small>" in cards
    assert "1,960 more columns are not shown." in cards


def test_the_statistics_of_a_mixture_say_of_which_dataset_they_are(tmp_path: Path, catalog_folder: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "cache").symlink_to(catalog_folder)
    studio = Studio(Home(tmp_path / "home"))
    data = write(tmp_path / "a" / "train.jsonl", [{"text": f"row {n}"} for n in range(20)])
    write(tmp_path / "b" / "train.jsonl", [{"text": f"other {n}"} for n in range(20)])
    entries = [
        {"path": "json", "data_files": str(data), "split": "train[:5]"},
        {"path": "json", "data_files": str(data), "split": "train[5:]"},
        {"path": str(tmp_path / "b"), "split": "train"},
    ]
    form = Form(Recipe("sft", {"datasets": entries}), drawn=True)
    form.looked = tuple(studio.recipes.look(form.recipe))
    cards = data_statistics._cards(studio, form)
    named = re.findall(r'<b><span title="([^"]*)">[^<]*</span></b> ([^<]*)<', cards)
    assert named == [(str(data), "train[:5]"), (str(data), "train[5:]"), (str(tmp_path / "b"), "train")]
    form.looked = form.looked[:1]
    assert "<b><span title" not in data_statistics._cards(studio, form)
