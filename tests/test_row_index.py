"""Pages of text files: any rows by the marks noted on the way, the same as by reading the file through."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from studio.domain.errors import StudioError
from studio.domain.row_index import RowIndex

ODD = [
    "",
    "plain",
    '}{"',
    '"{"a": "b"} {"c"',
    "ü€😀",
    'say "hi"',
    "a,b",
    "two\nlines",
    "tab\there",
    "a\r\nb",
    "[",
    "]",
    "null",
]


def json_lines(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(
        b"\n" * (n % 7 == 3) + json.dumps(row, ensure_ascii=n % 2 == 0).encode() + b"\n" for n, row in enumerate(rows)
    )


def json_spread(rows: list[dict[str, Any]]) -> bytes:
    """Objects over several lines each."""
    return "\n".join(json.dumps(row, ensure_ascii=False, indent=n % 3) for n, row in enumerate(rows)).encode()


def json_turns(rows: list[dict[str, Any]]) -> bytes:
    """Lines, and behind them objects over several."""
    half = len(rows) // 2
    return json_lines(rows[:half]) + json_spread(rows[half:])


def json_joined(rows: list[dict[str, Any]]) -> bytes:
    """Lines of which some hold several objects."""
    ends = ("\n", "", " ", "\n", "\n")
    return "".join(json.dumps(row, ensure_ascii=False) + ends[n % 5] for n, row in enumerate(rows)).encode()


def json_array(rows: list[dict[str, Any]]) -> bytes:
    return (
        "[" + " ,\n".join(json.dumps(row, ensure_ascii=False, indent=n % 3 or None) for n, row in enumerate(rows)) + "]"
    ).encode()


def table(rows: list[dict[str, Any]], separator: str = ",", end: str = "\r\n") -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=separator, lineterminator=end)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def make(rows: list[dict[str, Any]]) -> dict[str, tuple[str, bytes]]:
    """Every kind of text file with the same rows."""
    return {
        "lines": ("json", json_lines(rows)),
        "lines with a mark": ("json", b"\xef\xbb\xbf" + json_lines(rows)),
        "spread": ("json", json_spread(rows)),
        "spread with a mark": ("json", b"\xef\xbb\xbf" + json_spread(rows)),
        "joined": ("json", json_joined(rows)),
        "turns": ("json", json_turns(rows)),
        "turns with a mark": ("json", b"\xef\xbb\xbf" + json_turns(rows)),
        "array": ("json", json_array(rows)),
        "array with a mark": ("json", b"\xef\xbb\xbf" + json_array(rows)),
        "csv": ("csv", table(rows)),
        "csv of unix": ("csv", b"\xef\xbb\xbf" + table(rows, end="\n")),
        "tsv": ("tsv", table(rows, "\t")),
    }


def rows_of(count: int) -> list[dict[str, Any]]:
    chosen = random.Random(1)
    return [{"n": n, "text": chosen.choice(ODD) + " " * (n % 50), "end": f"e{n}"} for n in range(count)]


KINDS = list(make(rows_of(1)))


@pytest.mark.parametrize("kind", KINDS)
def test_any_rows_are_those_of_the_whole_file(kind: str) -> None:
    rows = rows_of(5500)
    form, content = make(rows)[kind]
    if form != "json":  # what pandas reads as nothing is nothing
        for row in rows:
            row["text"] = None if row["text"] in ("", "null") else row["text"]
    opened: BinaryIO | Any = partial(io.BytesIO, content)
    index = RowIndex("a", form)
    chosen = random.Random(2)
    starts = [5400, 0, *(chosen.randrange(5600) for _ in range(20)), 999, 1000, 1001, 5499, 5500]
    for start in starts:
        found = index.rows(opened, start)
        assert [row for row, _ in zip(found, range(7), strict=False)] == rows[start : start + 7], start
    assert index.total == 5500 == RowIndex("a", form).count(opened)
    assert list(index.rows(opened)) == rows
    assert index.decoded


def test_what_lies_before_a_mark_is_not_read_again() -> None:
    content = json_lines([{"n": n, "pad": "x" * 100} for n in range(50_000)])
    counted = Counted(content)
    index = RowIndex("a", "json")
    next(index.rows(lambda: counted.opened(), 40_000))
    assert counted.read > 4_000_000
    counted.read = 0
    assert next(index.rows(lambda: counted.opened(), 40_500))["n"] == 40_500
    assert counted.read < 400_000


class Counted:
    """A file that says how much of it was read."""

    def __init__(self, content: bytes) -> None:
        self.content, self.read = content, 0

    def opened(self) -> BinaryIO:
        return io.BufferedReader(_Raw(self), 8192)  # type: ignore[return-value]


class _Raw(io.RawIOBase):
    def __init__(self, counted: Counted) -> None:
        self.counted, self.inner = counted, io.BytesIO(counted.content)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.inner.seek(offset, whence)

    def readinto(self, buffer: Any) -> int:
        count = self.inner.readinto(buffer)
        self.counted.read += count
        return count


def test_marks_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.domain.row_index._STRIDE", 2)
    monkeypatch.setattr("studio.domain.row_index._MARKS", 16)
    content = json_lines([{"n": n} for n in range(3000)])
    index = RowIndex("a", "json")
    assert index.count(lambda: io.BytesIO(content)) == 3000
    assert len(index._marks) <= 17
    for start in (0, 1, 1234, 2998, 2999):
        assert next(index.rows(lambda: io.BytesIO(content), start)) == {"n": start}


def test_a_broken_line_far_down_is_named_when_its_page_is_read() -> None:
    lines = [json.dumps({"n": n}) for n in range(100_000)]
    lines[70_000] = '{"n": '
    content = "\n".join(lines).encode()
    index = RowIndex("big.jsonl", "json")
    found = index.rows(lambda: io.BytesIO(content), 69_999)
    assert next(found) == {"n": 69_999}
    with pytest.raises(StudioError, match=r"Line 70001 of big.jsonl is no JSON"):
        next(found)
    assert next(index.rows(lambda: io.BytesIO(content), 70_001)) == {"n": 70_001}
    assert index.count(lambda: io.BytesIO(content)) == 100_000
    assert not index.decoded


def test_broken_rows_after_a_mark_name_their_line() -> None:
    ragged = b"a,b\n" + b'"x\ny",2\n' * 3000 + b"1,2,3\n"
    index = RowIndex("a.csv", "csv")
    next(index.rows(lambda: io.BytesIO(ragged), 2500))
    with pytest.raises(StudioError, match=r"Line 6002 of a.csv has 3 cells"):
        list(index.rows(lambda: io.BytesIO(ragged), 2990))
    latin = b'{"a": "x"}\n' * 2500 + b'{"a": "\xe9"}\n'
    with pytest.raises(StudioError, match=r"Line 2501 of a.jsonl is no UTF-8"):
        list(RowIndex("a.jsonl", "json").rows(lambda: io.BytesIO(latin), 2400))
    array = b"[\n" + b'{"a": 1},\n' * 2500 + b'{"a": 1}\n{"a": 2}]'
    index = RowIndex("a.json", "json")
    next(index.rows(lambda: io.BytesIO(array), 2400))
    with pytest.raises(StudioError, match=r"Line 2503 of a.json should have a comma"):
        list(index.rows(lambda: io.BytesIO(array), 2450))


def test_a_table_of_an_old_mac_is_read() -> None:
    content = b"n,text\r" + b"".join(b"%d,t%d\r" % (n, n) for n in range(3000))
    index = RowIndex("a.csv", "csv")
    for start in (2100, 0, 2999):
        assert next(index.rows(lambda: io.BytesIO(content), start)) == {"n": start, "text": f"t{start}"}


def test_packed_files_have_pages_too(tmp_path: Path) -> None:
    from studio.adapters.datafiles import open_source

    with gzip.open(tmp_path / "a.jsonl.gz", "wb") as file:
        file.write(json_lines([{"n": n} for n in range(3000)]))
    source = open_source(tmp_path / "a.jsonl.gz")
    assert source.num_rows() is None
    assert source.rows(n=2, offset=2998) == [{"n": 2998}, {"n": 2999}]
    assert source.rows(n=5, offset=1500)[0] == {"n": 1500}
    assert source.rows(n=5, offset=2998) == [{"n": 2998}, {"n": 2999}]
    assert source.num_rows() == 3000
