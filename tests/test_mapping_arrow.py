"""Mappings row by row and whole batches at once: the same rows come out, the judge takes them, no answer is asked."""

from __future__ import annotations

import gzip
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_dataset_types import columns_of
from world_formats import FORMATS

from studio.adapters import databatches
from studio.adapters.mapping_arrow import Mapped, MixedTypes, _Whole, map_batch, map_rows
from studio.domain.column_roles import BAD, GOOD
from studio.domain.dataset_types import judge
from studio.domain.errors import StudioError
from studio.domain.mapping import DataMapping, Source
from studio.domain.methods import METHOD_NAMES
from studio.domain.recogniser import recognise

METHOD_OF = {
    "language modeling": "sft",
    "prompt-completion": "sft",
    "preference": "dpo",
    "unpaired preference": "kto",
    "prompt-only": "grpo",
}
TEXT = st.one_of(st.none(), st.text(max_size=12), st.sampled_from(["", " \n", "\x1c", "\u2003", "Why?", "So it is."]))
ASKING, ANSWERING = ("system", "question", "context"), ("reasoning", "answer", "chosen", "rejected", "solution", "text")
PLAIN = {
    "language modeling": [("text",)],
    "prompt-completion": [
        ("question", "answer"), ("system", "question", "answer"), ("question", "context", "answer"),
        ("system", "question", "context", "reasoning", "answer"), ("question", "chosen"),
    ],
    "preference": [("question", "chosen", "rejected"), ("system", "question", "chosen", "rejected")],
    "unpaired preference": [("question", "answer", "label"), ("system", "question", "reasoning", "answer", "label")],
    "prompt-only": [("question",), ("question", "solution"), ("system", "question", "solution", "keep")],
}  # fmt: skip


@st.composite
def plain_case(draw: st.DrawFn) -> tuple[DataMapping, pa.RecordBatch]:
    """A mapping of plain columns, and a batch of any texts that it may meet."""
    target = draw(st.sampled_from(sorted(PLAIN)))
    roles = draw(st.sampled_from(PLAIN[target]))
    count = draw(st.integers(0, 6))
    kind = draw(st.sampled_from([pa.string(), pa.large_string()]))
    cells: dict[str, pa.Array] = {}
    for role in roles:
        if role == "label":
            cells[role] = pa.array([draw(st.sampled_from([True, False, None])) for _ in range(count)], pa.bool_())
        elif role == "keep":
            cells[role] = pa.array(list(range(count)), pa.int64())
        else:
            marked = [draw(TEXT) for _ in range(count)]
            cells[role] = pa.array(marked, kind)
    form = "text" if target == "language modeling" else draw(st.sampled_from(["messages", "text"]))
    sources = tuple((role, Source(f"the {role}", "value" if role in ("label", "keep") else "text")) for role in roles)
    words = (GOOD, BAD) if "label" in roles else ((), ())
    mapping = DataMapping(target, sources, form, good=words[0], bad=words[1])
    return mapping, pa.RecordBatch.from_pydict({f"the {role}": column for role, column in cells.items()})


def by_rows(mapping: DataMapping, batch: pa.RecordBatch) -> Mapped:
    return map_rows(mapping, iter(batch.to_pylist()))


def same(one: Mapped, other: Mapped) -> None:
    assert one.table.to_pylist() == other.table.to_pylist()
    assert one.origin.tolist() == other.origin.tolist()
    assert [(number, str(why)) for number, why in one.bad] == [(number, str(why)) for number, why in other.bad]


@settings(max_examples=250, deadline=None)
@given(plain_case())
def test_whole_batches_become_what_their_rows_become(case: tuple[DataMapping, pa.RecordBatch]) -> None:
    mapping, batch = case
    assert _Whole(mapping, batch).fits(), "these are mapped as wholes"
    same(map_batch(mapping, batch), by_rows(mapping, batch))


@settings(max_examples=150, deadline=None)
@given(plain_case())
def test_mapped_rows_are_taken_and_hold_no_answer_in_the_prompt(case: tuple[DataMapping, pa.RecordBatch]) -> None:
    mapping, batch = case
    method = METHOD_OF[mapping.target]
    mapped = map_batch(mapping, batch)
    rows = mapped.table.to_pylist()
    if not rows:
        return
    assert judge(method, columns_of(rows), rows).verdict == "accept"
    for row, number in zip(rows, mapped.origin.tolist(), strict=True):
        # The prompt is made of what asks, and of nothing else: it is the same whatever the answers are.
        source = batch.slice(number, 1).to_pylist()[0]
        for role in ANSWERING:
            if f"the {role}" in source:
                source[f"the {role}"] = f"another {role}"
        others = map_rows(mapping, iter([source])).table.to_pylist()
        assert [one.get("prompt") for one in others] == [row.get("prompt")]


# Speakers that Python's own reading of names knows, or does not, and Arrow's might judge differently.
ODD = ("assistant\u00a0", "bot\x1c", "\x1fuser", "USER\x85", "\u2003gpt", "a\u0130", "\u212aI", "a\u017fsistant")
turn = st.fixed_dictionaries(
    {
        "from": st.sampled_from(["human", "gpt", "system", " User", "Assistant", "narrator", "", None, *ODD]),
        "value": st.one_of(st.none(), st.sampled_from(["", "Hi", " "]), st.text(max_size=5)),
    }
)
TURNS = pa.list_(pa.struct([("from", pa.string()), ("value", pa.string())]))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.none(), st.lists(turn, max_size=4)), max_size=5), st.integers(0, 2))
def test_turns_become_messages_in_whole_batches_too(cells: list[Any], skipped: int) -> None:
    mapping = DataMapping("language modeling", (("conversation", Source("talk", "messages")),))
    batch = pa.RecordBatch.from_pydict({"talk": pa.array(cells, TURNS)}).slice(skipped)
    assert _Whole(mapping, batch).fits()
    same(map_batch(mapping, batch), by_rows(mapping, batch))


@pytest.mark.parametrize("method", METHOD_NAMES)
@pytest.mark.parametrize("name", FORMATS)
def test_the_worlds_formats_as_arrow_become_what_they_become_as_rows(name: str, method: str) -> None:
    rows = FORMATS[name][0]
    mapping = recognise(method, columns_of(rows), rows).mapping
    if mapping is None:
        return
    batch = pa.Table.from_pylist(rows).combine_chunks().to_batches()[0]
    read = batch.to_pylist()  # Arrow gives every object all fields
    if "tools" in name:
        mapped = map_batch(mapping, batch)
        said = mapped.table.to_pylist()[0]["messages" if method == "sft" else "prompt"]
        assert json.loads(said[0])["role"] == "user"
        return
    same(map_batch(mapping, batch), map_rows(mapping, iter(read)))


@pytest.mark.parametrize("who", ODD)
def test_speakers_in_odd_spelling_are_judged_alike(who: str) -> None:
    mapping = DataMapping("language modeling", (("conversation", Source("talk", "messages")),))
    plain = [{"from": "human", "value": "Why?"}, {"from": "gpt", "value": "So."}]
    for turns in ([plain[0], {"from": who, "value": "So."}], [{"from": who, "value": "Why?"}, plain[1]]):
        batch = pa.RecordBatch.from_pydict({"talk": pa.array([plain, turns, plain], TURNS)})
        same(map_batch(mapping, batch), by_rows(mapping, batch))


def test_a_batch_of_another_kind_is_mapped_row_by_row() -> None:
    mapping = DataMapping("prompt-completion", (("question", Source("a")), ("answer", Source("b"))))
    batch = pa.RecordBatch.from_pydict({"a": ["Why?", "When?"], "b": [1, None]})
    assert not _Whole(mapping, batch).fits()
    mapped = map_batch(mapping, batch)
    assert mapped.table.to_pylist()[0]["completion"] == [{"role": "assistant", "content": "1"}]
    assert [(number, str(why)) for number, why in mapped.bad] == [(1, "`b` is null")]


def test_what_stays_together_keeps_the_number_of_its_row() -> None:
    mapping = DataMapping(
        "unpaired preference", (("question", Source("a")), ("chosen", Source("b")), ("rejected", Source("c")))
    )
    batch = pa.RecordBatch.from_pydict({"a": ["Why?", "", "When?"], "b": ["x", "y", "z"], "c": ["q", "r", "s"]})
    mapped = map_batch(mapping, batch)
    assert mapped.origin.tolist() == [0, 0, 2, 2]
    assert [row["label"] for row in mapped.table.to_pylist()] == [True, False, True, False]
    assert all(one <= other for one, other in pairwise(mapped.origin.tolist()))


# Lines of JSON ----------------------------------------------------------------------------------------------------

LINES: dict[str, list[str]] = {
    "plain": [
        '{"q": "a", "a": "b", "n": 1, "ok": true}',
        '{"q": null, "a": ""}',
        "",
        '{"a": "x", "q": "y", "n": null}',
    ],
    "dates": ['{"q": "2024-01-01", "a": "2024-01-01T10:00:00Z"}'] * 3,
    "numbers": ['{"q": "a", "a": 1}', '{"q": "a", "a": 2.5}', '{"q": "a", "a": 12345678901234567890}'],
    "two kinds": ['{"q": "a", "a": "b"}', '{"q": "a", "a": 5}', '{"q": 7, "a": true}'],
    "objects": ['{"q": "a", "a": {"x": 1}}', '{"q": "a", "a": {"y": 2}}', '{"q": ["a"], "a": "b"}'],
    "other columns": ['{"q": "a", "a": "b", "m": {"x": 1.5}}', '{"q": "c", "a": "d", "m": [1, "2"]}'],
    "other columns of dates": ['{"q": "a", "a": "b", "when": "2024-01-01"}'] * 2,
    "twice": ['{"q": "a", "a": "b", "q": "c"}'],
    "halves": ['{"q": "\\ud83d", "a": "é😀\\u0000"}'],
}


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize("packed", [False, True])
def test_lines_of_json_are_the_same_rows_by_either_reader(
    name: str, packed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databatches, "_TEXT_SIZE", 60)  # bytes: several pieces
    text = "\n".join(LINES[name] * 7)
    file = tmp_path / ("rows.jsonl.gz" if packed else "rows.jsonl")
    file.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    columns = ["a", "q"]
    found, place = [], 0
    for batch in databatches.batches([file], "json", columns):
        assert batch.first == place
        rows = batch.rows if batch.arrow is None else batch.arrow.to_pylist()
        found += [{name: row.get(name) for name in columns} for row in rows]
        place += batch.count
    wanted = [json.loads(line) for line in text.splitlines() if line]
    assert found == [{name: row.get(name) for name in columns} for row in wanted]
    assert [{name: type(cell) for name, cell in row.items()} for row in found] == [
        {name: type(row.get(name)) for name in columns} for row in wanted
    ]


def test_a_broken_line_is_named_by_its_number_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databatches, "_TEXT_SIZE", 200)
    file = tmp_path / "rows.jsonl"
    lines = [f'{{"q": "{n}"}}' for n in range(1000)]
    lines[700] = '{"q": '
    file.write_text("\n".join(lines))
    with pytest.raises(StudioError, match=r"[Ll]ine 701"):
        list(databatches.batches([file], "json", ["q"]))


def test_plain_lines_of_json_go_through_arrow_and_others_do_not(tmp_path: Path) -> None:
    for name, lines in LINES.items():
        (tmp_path / "rows.jsonl").write_text("\n".join(lines))
        found = list(databatches.batches([tmp_path / "rows.jsonl"], "json", ["a", "q"]))
        by_arrow = all(one.arrow is not None for one in found)
        assert by_arrow is (name in ("plain", "other columns of dates")), name


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rows.csv", 'q,a\n"one, two",three\n,\n"a\nb","say ""x"""\n' * 1),
        ("rows.csv", "q,n,ok\na,1,true\nb,2,false\n"),
        ("rows.csv", "q,n\na,1.5\nb,2\n"),
        ("rows.tsv", "q\ta\nx\ty\n"),
        ("rows.json", '[{"q": "a", "a": "b"}, {"q": null}, {"a": "c", "q": "d", "m": {"x": 1}}]'),
        ("rows.json", '[{"q": ["a"]}, {"q": "b"}]'),
        ("rows.txt", "a\nb\n\nc"),
    ],
)
def test_other_texts_are_the_same_rows_gathered_or_not(name: str, text: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    form = {".csv": "csv", ".tsv": "csv", ".json": "json", ".txt": "text"}[file.suffix]
    wanted = [row for batch in databatches._text_batches(file, form) for row in batch.rows]
    names = list(dict.fromkeys(name for row in wanted for name in row))
    found = [
        {name: row.get(name) for name in names}
        for batch in databatches.batches([file], form)
        for row in (batch.rows if batch.arrow is None else batch.arrow.to_pylist())
    ]
    assert found == [{name: row.get(name) for name in names} for row in wanted]
    assert [list(map(type, row.values())) for row in found] == [
        [type(row.get(name)) for name in names] for row in wanted
    ]


@pytest.mark.parametrize("mark", [0, 1])
def test_marks_of_reasoning_stay_single_in_whole_batches_too(mark: int) -> None:
    cells = {"q": ["Why?"] * 3, "r": ["Hm.", "<think>Hm.</think>", None], "a": ["So.", "So.", "<think>Hm.</think>So."]}
    batch = pa.RecordBatch.from_pydict({name: said[mark:] for name, said in cells.items()})
    roles = (("question", Source("q")), ("reasoning", Source("r")), ("answer", Source("a")))
    mapping = DataMapping("prompt-completion", roles)
    same(map_batch(mapping, batch), by_rows(mapping, batch))
    assert all(str(row["completion"]).count("<think>") == 1 for row in map_batch(mapping, batch).table.to_pylist())


def test_calls_of_tools_that_are_written_out_are_read_row_by_row() -> None:
    said = [{"from": "human", "value": "Hi"}, {"from": "Function_Call ", "value": '{"name": "weather"}'}]
    broken = [{"from": "human", "value": "Hi"}, {"from": "function_call", "value": "weather"}]
    mapping = DataMapping("language modeling", (("conversation", Source("c", "messages")),))
    batch = pa.RecordBatch.from_pydict({"c": pa.array([said, broken], TURNS)})
    mapped = map_batch(mapping, batch)
    assert mapped.origin.tolist() == [0]
    assert [number for number, _ in mapped.bad] == [1]


def test_a_cell_that_no_file_can_hold_is_named_before_a_change_of_type() -> None:
    mapping = DataMapping("prompt-only", (("question", Source("q")), ("keep", Source("k"))))
    rows = [{"q": "a?", "k": 1}, {"q": "b?", "k": 1 << 70}, {"q": "c?", "k": 2}]
    mapped = map_rows(mapping, rows)
    assert list(mapped.origin) == [0, 2]
    ((number, why),) = mapped.bad
    assert (number, why.column) == (1, "k")
    with pytest.raises(MixedTypes) as caught:
        map_rows(mapping, [*rows, {"q": "d?", "k": "x"}])
    assert (caught.value.column, caught.value.row) == ("k", 3)


def test_cells_that_are_named_by_number_weigh_as_long_as_they_are(tmp_path: Path) -> None:
    """Of a few long texts that all rows share, the whole list of them comes with each part of a batch."""
    texts = pa.DictionaryArray.from_arrays(pa.array([n % 2 for n in range(3000)]), pa.array(["a" * 5000, "b" * 5000]))
    schema = pa.schema([("t", texts.type)])
    with pa.OSFile(str(tmp_path / "a.arrow"), "wb") as file, pa.ipc.new_stream(file, schema) as out:
        out.write_table(pa.table({"t": texts}))
    found = list(databatches.batches([tmp_path / "a.arrow"], "arrow"))
    assert sum(one.arrow.num_rows for one in found) == 3000
    assert len(found) <= 4
