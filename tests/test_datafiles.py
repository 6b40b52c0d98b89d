"""Local data, against the datasets library: the same splits, the same rows, and words for what is broken."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import re
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from studio.adapters.datafiles import open_source
from studio.adapters.hub import HubClient
from studio.domain.columns import Column
from studio.domain.csv_text import NO_VALUE
from studio.domain.errors import StudioError
from studio.domain.split_names import splits_of
from studio.service.data import inspect, rejudged
from studio.service.paths import Paths
from studio.ui import pieces

ROWS = [{"text": f"row {n}", "n": n} for n in range(6)]
CHAT = [{"messages": [{"role": "user", "content": f"hi {n}"}, {"role": "assistant", "content": "yes"}]} for n in (1, 2)]


def jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def types(path: Path, split: str | None = None) -> dict[str, str]:
    return {column.name: column.type for column in open_source(path).columns(split)}


# --- the datasets library is the judge: each case is loaded by it, as TRL would, and by the studio

LOAD = """
import json, os, sys, tempfile, datasets
os.makedirs(os.environ["HF_HOME"], exist_ok=True)
datasets.disable_progress_bars()
answers = []
for values in json.load(open(sys.argv[1])):
    try:
        if "dataset_name" in values:
            loaded = datasets.load_dataset(values["dataset_name"], name=values.get("dataset_config"))
            splits = {str(split): loaded[split].to_list() for split in loaded}
        else:
            (one,) = values["datasets"]
            streams = values.get("streaming", False)
            # What was made of the same files before says the types of a stream: each has a cache of its own.
            cache = tempfile.mkdtemp(dir=os.environ["HF_HOME"]) if streams else None
            splits = {"train": list(datasets.load_dataset(**one, streaming=streams, cache_dir=cache))}
        answers.append(splits)
    except Exception as error:
        answers.append(repr(error)[:200])
plain = len(sys.argv) == 3
json.dump(answers, open(sys.argv[2], "w"), default=lambda cell: str(cell) if plain else [str(cell)])
"""


def loaded_by_datasets(cases: list[dict[str, Any]], folder: Path, *more: str) -> list[Any]:
    """What the library makes of each case; with one word `more`, cells that are none of JSON are no texts either."""
    (folder / "cases.json").write_text(json.dumps(cases))
    environment = {**os.environ, "HF_HOME": str(folder / "hf"), "HF_HUB_OFFLINE": "1"}
    line = [sys.executable, "-c", LOAD, str(folder / "cases.json"), str(folder / "answers.json"), *more]
    subprocess.run(line, env=environment, check=True, capture_output=True)
    answers: list[Any] = json.loads((folder / "answers.json").read_text())
    return answers


def saved_by_datasets(folder: Path) -> None:
    script = f"""
import datasets
rows = datasets.Dataset.from_list({CHAT!r})
rows.save_to_disk({str(folder / "one")!r})
datasets.DatasetDict(train=rows, test=rows.select([0])).save_to_disk({str(folder / "dict")!r})
mixed = datasets.Dataset.from_dict({{"m": [[{{"a": 1}}], [{{"b": "x"}}]], "c": [0, 1]}},
    features=datasets.Features({{"m": datasets.List(datasets.Json()), "c": datasets.ClassLabel(names=["u", "v"])}}))
mixed.to_parquet({str(folder / "mixed.parquet")!r})
"""
    environment = {**os.environ, "HF_HOME": str(folder / "hf"), "HF_HUB_OFFLINE": "1"}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, capture_output=True)


def make_files(folder: Path) -> list[Path]:
    """A file of each kind, and folders in each layout."""
    saved_by_datasets(folder)
    table = pa.Table.from_pylist(ROWS)
    pq.write_table(table, folder / "rows.parquet", row_group_size=2)
    with pa.OSFile(str(folder / "stream.arrow"), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    with pa.OSFile(str(folder / "file.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    jsonl(folder / "rows.jsonl", ROWS)
    jsonl(folder / "ragged.jsonl", [{"a": 1}, {"b": "x"}, {"a": 2, "b": None}])
    (folder / "array.json").write_text(json.dumps(ROWS, indent=2))
    (folder / "texts.json").write_text(json.dumps(["one", "two"]))
    (folder / "object.json").write_text(json.dumps({"a": [1, 2], "b": "x"}, indent=1))
    (folder / "rows.csv").write_text(
        'text,n,ok,score\n"a, b",1,True,0.5\nNone,2,False,\n"two\nlines",3,True,1\nshort,4\n'
    )
    (folder / "rows.tsv").write_text("text\tn\na b\t1\nc\t2\n")
    (folder / "lines.txt").write_text("one\n\nthree\n")
    with gzip.open(folder / "rows.jsonl.gz", "wt") as file:
        file.write("".join(json.dumps(row) + "\n" for row in ROWS))
    with bz2.open(folder / "rows.jsonl.bz2", "wt") as file:
        file.write("".join(json.dumps(row) + "\n" for row in ROWS))
    (folder / "rows.csv.xz").write_bytes(lzma.compress(b"text,n\na,1\nb,2\n"))
    jsonl(folder / "a [1]*?.jsonl", ROWS)
    jsonl(folder / "in [2]" / "within.jsonl", ROWS)
    (folder / "tabs [3].tsv").write_text("text\tn\na b\t1\n")
    one, two = ROWS[:2], ROWS[2:3]
    layouts: dict[str, dict[str, list[dict[str, Any]]]] = {
        "plain": {"train.jsonl": one, "test.jsonl": two},
        "words": {"my-training-set.jsonl": one, "dev.jsonl": two, "x_eval.jsonl": two, "notes.jsonl": two},
        "folders": {"train/a.jsonl": one, "train/b.jsonl": two, "valid/a.jsonl": two, "other.jsonl": two},
        "unnamed": {"part1.jsonl": one, "sub/part2.jsonl": two},
        "hidden": {"train.jsonl": one, ".cache/train.jsonl": two, "__old__/test.jsonl": two},
        "close": {"training2.jsonl": one, "latest.jsonl": two, "contest.jsonl": two},
        "dated": {"data/train-2024.jsonl": one, "data/test 1.jsonl": two},
    }
    for name, files in layouts.items():
        for file, rows in files.items():
            jsonl(folder / name / file, rows)
    for shard in ("train-00000-of-00002", "train-00001-of-00002", "extra-00000-of-00001"):
        (folder / "sharded" / "data").mkdir(parents=True, exist_ok=True)
        pq.write_table(table, folder / "sharded" / "data" / f"{shard}.parquet")
    (folder / "packed").mkdir()
    for split, opened in (("train", lzma.open), ("test", bz2.open)):
        with opened(folder / "packed" / f"{split}.jsonl.{'xz' if split == 'train' else 'bz2'}", "wt") as file:
            file.write("".join(json.dumps(row) + "\n" for row in ROWS))
    jsonl(folder / "card" / "a" / "first.jsonl", one)
    jsonl(folder / "card" / "b" / "second.jsonl", two)
    (folder / "card" / "README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: a/*.jsonl\n"
        "  - split: validation\n    path: [b/second.jsonl]\n---\n# A card\n"
    )
    jsonl(folder / "cards" / "en" / "train.jsonl", one)
    jsonl(folder / "cards" / "fr" / "train.jsonl", two)
    (folder / "cards" / "README.md").write_text(
        "---\nconfigs:\n- config_name: en\n  data_files: en/*.jsonl\n- config_name: fr\n  data_dir: fr\n---\n"
    )
    names = ["rows.parquet", "stream.arrow", "file.arrow", "rows.jsonl", "ragged.jsonl", "array.json", "texts.json"]
    names += ["object.json", "rows.csv", "rows.tsv", "lines.txt", "rows.jsonl.gz", "mixed.parquet", "one", "dict"]
    names += ["rows.jsonl.bz2", "rows.csv.xz", "a [1]*?.jsonl", "in [2]/within.jsonl", "tabs [3].tsv", "packed"]
    return [folder / name for name in (*names, *layouts, "sharded", "card", "cards")]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, Any]]:
    """For each file and folder: what the datasets library loads by our recipe values, and what we read."""
    folder = tmp_path_factory.mktemp("data")
    paths = make_files(folder)
    sources = [(path.name, open_source(path)) for path in paths]
    sources.append(("cards fr", open_source(folder / "cards", "fr")))
    theirs = loaded_by_datasets([source.recipe_values() for _, source in sources], folder)
    ours = [{split: source.rows(split, 1000) for split in source.splits} for _, source in sources]
    counts = [{split: source.num_rows(split) for split in source.splits} for _, source in sources]
    for (name, _), mine, count in zip(sources, ours, counts, strict=True):
        assert count == {split: len(rows) for split, rows in mine.items()}, name
    return {name: (their, mine) for (name, _), their, mine in zip(sources, theirs, ours, strict=True)}


def test_everything_is_read_as_the_datasets_library_reads_it(compared: dict[str, tuple[Any, Any]]) -> None:
    assert len(compared) == 32
    for name, (theirs, ours) in compared.items():
        assert ours == theirs, name


def test_splits_of_folders(compared: dict[str, tuple[Any, Any]]) -> None:
    splits = {name: list(ours) for name, (_, ours) in compared.items()}
    assert splits["plain"] == ["train", "test"]
    assert splits["words"] == ["train", "validation", "test"]
    assert splits["folders"] == ["train", "validation"]
    assert splits["unnamed"] == splits["one"] == ["train"]
    assert splits["sharded"] == ["train", "extra"]
    assert splits["card"] == ["train", "validation"]
    assert splits["dict"] == ["train", "test"]


def test_missing_values_are_those_of_pandas() -> None:
    from pandas._libs.parsers import STR_NA_VALUES

    assert set(NO_VALUE) == STR_NA_VALUES


# --- columns


def test_columns_of_each_kind(tmp_path: Path) -> None:
    assert types(jsonl(tmp_path / "chat.jsonl", CHAT)) == {"messages": "messages"}
    mixed = [
        {"a": 1, "b": [1], "c": {"d": "x"}, "e": None, "f": [{"from": "human", "value": "x"}], "g": "x", "h": [[1]]},
        {"a": 1.5, "b": [], "c": {"k": 1}, "e": None, "f": [], "g": 3, "h": [["x"]]},
    ]
    source = open_source(jsonl(tmp_path / "mixed.jsonl", mixed))
    columns = {column.name: column for column in source.columns()}
    expected = {"a": "number", "b": "list<integer>", "c": "struct", "e": "null", "f": "turns", "g": "json"}
    assert {name: columns[name].type for name in expected} == expected
    assert columns["h"].type == "list<list<json>>"
    assert columns["c"].field_names == ("d", "k")
    assert columns["f"].fields == (Column("from", "text"), Column("value", "text"))
    (tmp_path / "t.csv").write_text("text,n,score,ok,gap\nx,1,0.5,True,\ny,2,1,false,\n")
    expected = {"text": "text", "n": "integer", "score": "number", "ok": "boolean", "gap": "null"}
    assert types(tmp_path / "t.csv") == expected


def test_columns_of_a_schema(tmp_path: Path) -> None:
    saved_by_datasets(tmp_path)
    assert types(tmp_path / "mixed.parquet") == {"m": "list<json>", "c": "integer"}
    assert open_source(tmp_path / "mixed.parquet").rows() == [{"m": [{"a": 1}], "c": 0}, {"m": [{"b": "x"}], "c": 1}]
    assert types(tmp_path / "one") == {"messages": "messages"}
    features = {"img": {"_type": "Image"}, "s": {"_type": "Sequence", "feature": {"_type": "Value", "dtype": "int8"}}}
    schema = pa.schema(
        [("img", pa.struct([("bytes", pa.binary()), ("path", pa.string())])), ("s", pa.list_(pa.int8()))],
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    table = pa.Table.from_pylist([{"img": {"bytes": b"123", "path": "a.png"}, "s": [1]}], schema=schema)
    pq.write_table(table, tmp_path / "img.parquet")
    source = open_source(tmp_path / "img.parquet")
    assert [column.type for column in source.columns()] == ["image", "list<integer>"]
    assert source.rows() == [{"img": {"bytes": "(3 bytes)", "path": "a.png"}, "s": [1]}]
    plain = pa.table({"t": pa.array([0], pa.timestamp("s")), "d": pa.array(["x"]).dictionary_encode(), "b": [True]})
    pq.write_table(plain, tmp_path / "plain.parquet")
    assert types(tmp_path / "plain.parquet") == {"t": "other", "d": "text", "b": "boolean"}
    json.dumps(open_source(tmp_path / "plain.parquet").rows())


def test_offsets_go_through_files_and_row_groups(tmp_path: Path) -> None:
    rows = [{"n": n} for n in range(50)]
    for part in range(5):
        jsonl(tmp_path / "lines" / f"train-{part}.jsonl", rows[part * 10 : part * 10 + 10])
        (tmp_path / "parquet").mkdir(exist_ok=True)
        table = pa.Table.from_pylist(rows[part * 10 : part * 10 + 10])
        pq.write_table(table, tmp_path / "parquet" / f"train-{part}.parquet", row_group_size=3)
    (tmp_path / "a.csv").write_text("n\n" + "".join(f"{n}\n" for n in range(50)))
    for name in ("lines", "parquet", "a.csv"):
        source = open_source(tmp_path / name)
        for offset, n in ((0, 3), (8, 5), (19, 1), (29, 14), (48, 10), (60, 5)):
            assert source.rows(n=n, offset=offset) == rows[offset : offset + n], (name, offset)
        assert source.num_rows() == 50


# --- size


def test_the_head_of_a_big_file_is_all_that_is_read(tmp_path: Path) -> None:
    text = "x" * 2000
    with (tmp_path / "big.jsonl").open("w") as lines, (tmp_path / "big.json").open("w") as array:
        array.write("[")
        for n in range(20_000):
            row = json.dumps({"text": text, "n": n})
            lines.write(row + "\n")
            array.write(row + ("," if n < 19_999 else "]"))
    for name in ("big.jsonl", "big.json"):
        tracemalloc.start()
        source = open_source(tmp_path / name)
        assert source.rows(n=20)[19]["n"] == 19
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4_000_000, name  # of a file of 40 MB
    assert open_source(tmp_path / "big.jsonl").num_rows() == 20_000


def test_long_items_of_an_array_are_whole(tmp_path: Path) -> None:
    rows = [{"text": 'ü"\\\n' * 60_000}, {"text": "short"}, {"n": [1.5] * 40_000}]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    assert open_source(tmp_path / "a.json").rows() == [
        {"text": rows[0]["text"], "n": None},
        {"text": "short", "n": None},
        {"text": None, "n": rows[2]["n"]},
    ]


# --- what is broken: each names the file and where it can the line


def broken(path: Path, text: str | bytes) -> str:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(StudioError) as caught:
        open_source(path).rows(n=1000)
    assert str(path.name) in caught.value.message
    assert caught.value.hint
    return caught.value.message


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.jsonl", '{"a": 1}\n{"a": \n{"a": 3}\n', "Line 2"),
        ("a.jsonl", '{"a": 1}\n\n[1]\n', "Line 3"),
        ("a.jsonl", '{"a": 1}\nnot json', "Line 2"),
        ("a.jsonl", "", "empty"),
        ("a.jsonl", "\n\n", "no rows"),
        ("a.jsonl", b'{"a": "\xe9"}\n', "no UTF-8"),
        ("a.json", '[{"a": 1},\n {"a": 2}\n {"a": 3}]', "Line 3"),
        ("a.json", '[{"a": 1},\n {"a": ]', "Line 2"),
        ("a.json", '[{"a": 1},\n {"a": 2}', "Line 2"),
        ("a.json", '[{"a": 1},\n {"a": "tex', "ends in the middle"),
        ("a.json", '[1, {"text": "a"}]', "no object"),
        ("a.json", '[{"a": 1}' + "," + "\n" * 200_000 + "{]", "Line 200001"),
        ("a.json", '{\n"a": 1,\n', "Line 3"),
        ("a.csv", "a,b\n1,2\n3,4,5\n", "Line 3"),
        ("a.csv", 'a,b\n"x\ny",2\n3,4,5\n', "Line 4"),
        ("a.csv", "a,b\n", "no rows"),
        ("a.csv", "\n", "no header"),
        ("a.parquet", b"PAR1 and then nothing", "broken"),
        ("a.arrow", b"no arrow at all", "broken"),
        ("a.jsonl.gz", b"no gzip", "gzip"),
        ("a.jsonl.xz", b"no xz", "xz"),
        ("a.docx", "x", "a document and no dataset"),
        ("a.doc1", "x", "no data file"),
        ("a.zip", "x", "a.zip is no whole zip file."),
        ("a.7z", "x", "no data file"),
    ],
)
def test_broken_files(tmp_path: Path, name: str, text: str | bytes, words: str) -> None:
    assert words in broken(tmp_path / name, text)


def test_truncated_files(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "whole.parquet")
    assert "broken" in broken(tmp_path / "cut.parquet", (tmp_path / "whole.parquet").read_bytes()[:-9])
    packed = gzip.compress(("".join(json.dumps({"a": n}) + "\n" for n in range(9000))).encode())
    assert "gzip" in broken(tmp_path / "cut.jsonl.gz", packed[: len(packed) // 2])


def test_a_folder_whose_path_is_a_pattern_is_refused(tmp_path: Path) -> None:
    jsonl(tmp_path / "in [1]" / "train.jsonl", ROWS)
    with pytest.raises(StudioError, match=r"in \[1\] cannot be loaded") as caught:
        open_source(tmp_path / "in [1]")
    assert "Rename the folder" in caught.value.hint
    answers = loaded_by_datasets([{"dataset_name": str(tmp_path / "in [1]")}], tmp_path)
    assert "Error" in str(answers[0])


def test_a_packing_that_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "train.jsonl.zst").write_bytes(b"\x28\xb5\x2f\xfd")
    with pytest.raises(StudioError, match=r"train.jsonl.zst is packed as zstd") as caught:
        open_source(tmp_path / "d").columns()
    assert caught.value.hint == "Unpack it."


def test_words_of_what_is_broken(tmp_path: Path) -> None:
    """A place is said once, and a sentence ends once."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a"}\n{"text": "b\x01"}\n')
    (found,) = inspect(str(path), "sft", Paths(tmp_path, tmp_path), HubClient()).findings
    assert found.message.endswith("is no JSON: Invalid control character.")
    assert re.sub(r"<[^>]+>", "", pieces.finding(found)).count("ine 2") == 1
    pq.write_table(pa.table({"text": ["x" * 50] * 5000}), tmp_path / "cut.parquet", use_dictionary=False)
    content = bytearray((tmp_path / "cut.parquet").read_bytes())
    content[100:200] = bytes(100)
    (tmp_path / "cut.parquet").write_bytes(content)
    looked = inspect(str(tmp_path / "cut.parquet"), "sft", Paths(tmp_path, tmp_path), HubClient())
    (found,) = looked.findings
    assert "is broken: " in found.message
    assert ".." not in found.message
    assert "Download it again" in found.why
    assert looked.looked_at == "No rows could be looked at."
    looked = inspect("~nobody-at-all/x.jsonl", "sft", Paths(tmp_path, tmp_path), HubClient())
    assert looked.findings[0].message == "~nobody-at-all/x.jsonl is in the home folder of a user who is not here."


def test_a_missing_path_names_its_neighbours(tmp_path: Path) -> None:
    jsonl(tmp_path / "preferences.jsonl", ROWS)
    with pytest.raises(StudioError, match="There is no file") as caught:
        open_source(tmp_path / "preference.jsonl")
    assert "preferences.jsonl" in caught.value.hint
    with pytest.raises(StudioError) as caught:
        open_source(tmp_path / "nowhere" / "deep" / "x.jsonl")
    assert str(tmp_path) in caught.value.hint


@pytest.mark.skipif(os.name != "posix", reason="rights are told otherwise elsewhere")
def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = jsonl(tmp_path / "secret.jsonl", ROWS)
    path.chmod(0)
    if os.access(path, os.R_OK):  # root may read everything: let the system say no

        def refuse(*_: Any, **__: Any) -> Any:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(StudioError, match="may not be read"):
        open_source(path).rows()


def test_folders_that_cannot_be_loaded(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(StudioError, match="holds no data files"):
        open_source(tmp_path / "empty")
    jsonl(tmp_path / "mixed" / "train.jsonl", ROWS)
    (tmp_path / "mixed" / "test.csv").write_text("a\n1\n")
    with pytest.raises(StudioError, match=r"different formats: train of json \(train.jsonl\), test of csv"):
        open_source(tmp_path / "mixed")
    jsonl(tmp_path / "images" / "metadata.jsonl", ROWS)
    for name in ("a.png", "b.png"):
        (tmp_path / "images" / name).write_bytes(b"x")
    with pytest.raises(StudioError, match="holds no data files"):
        open_source(tmp_path / "images")
    saved_by_datasets(tmp_path)
    next((tmp_path / "one").glob("*.arrow")).unlink()
    with pytest.raises(StudioError, match="is missing"):
        open_source(tmp_path / "one")
    with pytest.raises(StudioError, match="no split 'dev'"):
        open_source(jsonl(tmp_path / "a.jsonl", ROWS)).rows("dev")
    with pytest.raises(StudioError, match="no configuration 'x'"):
        open_source(tmp_path / "dict", "x")


def test_files_of_a_folder_that_are_not_loaded_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    jsonl(folder / "a.jsonl", ROWS)
    (folder / "b.csv").write_text("text,n\nrow,1\n")
    pq.write_table(pa.Table.from_pylist(ROWS[:2]), folder / "c.parquet")
    (loaded,) = loaded_by_datasets([{"dataset_name": str(folder)}], tmp_path)
    assert loaded == {"train": ROWS[:2]}
    source = open_source(folder)
    assert source.rows() == ROWS[:2]
    (told,) = source.left_out
    assert (told.level, told.message) == ("warning", f"Of {folder} only c.parquet (parquet) is loaded.")
    assert "Left out: a.jsonl, b.csv." in told.why
    looked = inspect(str(folder), "sft", Paths(tmp_path, tmp_path), HubClient())
    assert told in looked.findings
    assert told in rejudged(looked, "sft", {"max_length": 5}).findings
    jsonl(folder / "d.jsonl", ROWS)
    assert open_source(folder).left_out[0].message == f"Of {folder} only a.jsonl, d.jsonl (json) are loaded."


def test_what_lies_beside_data_is_not_told(tmp_path: Path) -> None:
    jsonl(tmp_path / "d" / "a.jsonl", ROWS)
    jsonl(tmp_path / "d" / "b.jsonl", ROWS)
    for name in ("README.md", "LICENSE", "LICENSE.txt", "requirements.txt", "logo.png", "metadata.csv", ".x.csv"):
        (tmp_path / "d" / name).write_text("x")
    assert open_source(tmp_path / "d").left_out == ()
    for name in ("dataset_infos.json", "dataset_info.json", "config.json", "state.json.bak"):
        (tmp_path / "p").mkdir(exist_ok=True)
        (tmp_path / "p" / name).write_text("{}")
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "p" / "train.parquet")
    assert open_source(tmp_path / "p").left_out == ()


def test_split_names_alone() -> None:
    assert splits_of([]) == {}
    assert splits_of(["README.md", ".git/x", "data.csv"]) == {"train": ["data.csv"]}
    assert splits_of(["test/x.csv", "train.csv"]) == {"test": ["test/x.csv"]}
    assert splits_of(["trainer.csv", "atest.csv"]) == {"train": ["atest.csv", "trainer.csv"]}
