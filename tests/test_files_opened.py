"""How often one look at data opens its files, and that a page which waits for the check of all rows opens none."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from studio.adapters import datafiles
from studio.adapters.home import Home
from studio.service.studio import Studio

Wait = Callable[..., Any]
ROW = {"prompt": "ask", "completion": "say"}


def folder_of(folder: Path, form: str, files: int, splits: tuple[str, ...], rows: int) -> Path:
    folder.mkdir()
    for split in splits:
        for number in range(files):
            path = folder / f"{split}-{number:05d}-of-{files:05d}.{form}"
            if form == "parquet":
                pq.write_table(pa.Table.from_pylist([ROW] * rows), path)
            elif form == "csv":
                path.write_text("prompt,completion\n" + "ask,say\n" * rows)
            else:
                path.write_text((json.dumps(ROW) + "\n") * rows)
    return folder


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The names of files by how often they were opened since, and how often any was asked for its size and time."""
    found: Counter[str] = Counter()
    own_open, own_stat, own_parquet = io.open, Path.stat, pq.ParquetFile.__init__

    def count_open(path: Path, *args: Any, **more: Any) -> Any:
        found[path.name] += 1
        return own_open(path, *args, **more)

    def count_parquet(self: Any, source: Any, *args: Any, **more: Any) -> None:
        found[Path(source).name] += 1
        own_parquet(self, source, *args, **more)

    def count_stat(path: Path, *args: Any, **more: Any) -> Any:
        found["stat"] += 1
        return own_stat(path, *args, **more)

    monkeypatch.setattr(Path, "open", count_open)
    monkeypatch.setattr(Path, "stat", count_stat)
    monkeypatch.setattr(pq.ParquetFile, "__init__", count_parquet)
    return found


@pytest.mark.parametrize(
    ("form", "most"),
    [
        ("parquet", 2),  # its end, and its rows
        ("jsonl", 3),  # its columns with the first rows, whether it is one list, and its number of rows
        ("csv", 5),  # its types, its columns, its number of rows, and its cells as they are written
    ],
)
def test_a_look_opens_no_file_over_and_over(tmp_path: Path, opened: Counter[str], form: str, most: int) -> None:
    folder = folder_of(tmp_path / "data", form, 1, ("train", "test", "validation"), 30)
    opened.clear()
    looked = Studio(Home(tmp_path / "home")).inspect(str(folder), "sft")
    assert (looked.verdict, looked.num_rows, len(looked.others)) == ("accept", 30, 2)
    counts = {name: count for name, count in opened.items() if name.endswith(form)}
    assert len(counts) == 3
    assert max(counts.values()) <= most, counts


def test_the_ends_of_many_files_are_read_once(tmp_path: Path, opened: Counter[str]) -> None:
    folder = folder_of(tmp_path / "data", "parquet", 40, ("train", "test"), 30)
    opened.clear()
    assert Studio(Home(tmp_path / "home")).inspect(str(folder), "sft").num_rows == 40 * 30
    counts = {name: count for name, count in opened.items() if name.endswith("parquet")}
    assert (len(counts), sum(counts.values())) == (80, 80 + 2)  # of each split's first file also its rows


def test_a_page_that_waits_looks_at_no_file(tmp_path: Path, opened: Counter[str], wait_until: Wait) -> None:
    studio, values = Studio(Home(tmp_path / "home")), {"eval_strategy": "steps", "learning_rate": 1e-4}
    folder = folder_of(tmp_path / "data", "jsonl", 12, ("train", "test"), 2)
    looked = studio.inspect(str(folder), "sft")
    studio.whole.begin(looked, values)
    studio.whole.statistics(looked)
    studio.whole.count_rows(looked, "test")
    wait_until(lambda: studio.whole.taken(looked, values) is not looked and studio.whole.total(looked, "test"))
    opened.clear()
    for _ in range(3):
        studio.whole.begin(looked, values)
        assert studio.whole.progress(looked, values) is None
        assert studio.whole.taken(looked, values).whole
        assert studio.whole.counting(looked) is None
        assert studio.whole.statistics(looked) is not None
        assert studio.whole.total(looked, "test") == 24
    assert not opened
    # Judged anew the look is the same one: its files need not be looked at either.
    changed = studio.whole.taken(looked, values)
    studio.whole.begin(changed, {**values, "learning_rate": 1.0})
    assert not opened


def test_a_new_look_sees_that_files_have_changed(tmp_path: Path) -> None:
    studio = Studio(Home(tmp_path / "home"))
    folder = folder_of(tmp_path / "data", "jsonl", 3, ("train",), 2)
    before = studio.inspect(str(folder), "sft", all_rows=True)
    assert (before.verdict, before.num_rows) == ("accept", 6)
    last = sorted(folder.iterdir())[-1]
    last.write_text(json.dumps({**ROW, "completion": None}) + "\n")
    assert studio.whole.taken(before, {}) is before  # what was told is of the files as they were
    after = studio.inspect(str(folder), "sft", all_rows=True)
    assert (after.verdict, after.num_rows) == ("reject", 5)
    assert studio.whole.checked(before, {}).num_rows == 5  # one who waits for all rows waits for those of now
    last.write_text((json.dumps(ROW) + "\n") * 4)
    assert studio.rows_of(before, "train", 0).total == 8
    assert studio.whole.total(before, "train") is None  # as it was counted before
    (folder / "train-more.jsonl").write_text(json.dumps(ROW) + "\n")
    assert studio.inspect(str(folder), "sft", all_rows=True).num_rows == 9


def test_many_files_are_not_all_read_to_be_counted(
    tmp_path: Path, opened: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(tmp_path / "data", "jsonl", 10, ("train",), 30)
    size = sum(file.stat().st_size for file in folder.iterdir())
    monkeypatch.setattr(datafiles, "_COUNTED_BYTES", size - 1)  # each of them is much smaller
    opened.clear()
    assert datafiles.open_source(folder).num_rows("train") is None
    assert not [name for name in opened if name.endswith("jsonl")]
    monkeypatch.setattr(datafiles, "_COUNTED_BYTES", size)
    assert datafiles.open_source(folder).num_rows("train") == 300
