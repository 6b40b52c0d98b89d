"""The number of a row in words is the one that the page's pager has for it, and a line's is the one in the file."""

from __future__ import annotations

import gzip
import html
import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from studio.adapters.datafiles import open_source
from studio.adapters.home import Home
from studio.adapters.wholecheck import check_all
from studio.domain.findings import Finding, Where, beyond, row_name
from studio.domain.recipe import Recipe
from studio.domain.recogniser import recognise
from studio.service.mappings import Choice, draft
from studio.service.preparing import Order, Unmapped, prepare
from studio.service.studio import Studio
from studio.ui import before_after, pager, pieces
from studio.ui.form import Form

Rows = list[dict[str, Any]]


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(Home(tmp_path / "home"))


def write(path: Path, rows: Rows) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=10)
    elif path.suffix == ".csv":
        path.write_text(
            "\n".join([",".join(rows[0]), *(",".join(f"{cell or ''}" for cell in one.values()) for one in rows)])
        )
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def plainly(drawn: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", drawn))


def at_the_row(studio: Studio, path: Path, number: str) -> tuple[dict[str, Any], str]:
    """The row that comes first where one goes to row `number` in the pager, and what the pager says then."""
    looked = studio.inspect(str(path), "sft")
    form = Form(Recipe("sft"), looked=(looked,), drawn=True)
    target = pager.target(f"row:{number}", pager.page_of(form, looked))
    assert target is not None
    page = studio.rows_of(looked, *target)
    form.viewing = pager.Viewing(page=page, of=looked.rows)
    return page.rows[0], plainly(pager.bar(form, looked))


def numbers(words: str) -> list[str]:
    return [number.replace(",", "") for number in re.findall(r"\brow ([\d,]*\d)", words, re.I)]


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.parquet"])
@pytest.mark.parametrize("late", [0, 4, 1234])
def test_the_row_of_a_null_cell_is_the_pagers(studio: Studio, tmp_path: Path, name: str, late: int) -> None:
    rows: Rows = [{"prompt": f"ask {n}", "completion": "say"} for n in range(1300)]
    rows[late]["completion"] = None
    path = write(tmp_path / name, rows)
    (error,) = [one for one in studio.inspect(str(path), "sft", all_rows=True).findings if one.level == "error"]
    (number,) = numbers(plainly(pieces.finding(error)))
    assert (number, error.where.row) == (str(late + 1), late)
    row, said = at_the_row(studio, path, number)
    assert row == {"prompt": f"ask {late}", "completion": None}
    assert f"Rows {late + 1:,} to " in said


def test_the_row_that_cannot_be_mapped_is_the_pagers(studio: Studio, tmp_path: Path) -> None:
    rows: Rows = [{"question": f"What is {n}?", "answer": f"It is {n}."} for n in range(1300)]
    mapping = recognise("sft", open_source(write(tmp_path / "a.jsonl", rows)).columns(), rows[:20]).mapping
    assert mapping is not None
    rows[1234]["answer"] = ""
    path = write(tmp_path / "a.jsonl", rows)
    with pytest.raises(Unmapped) as stopped:
        prepare(Order("made", str(path), "", "train", mapping, "sft"), tmp_path / "home")
    for words in (stopped.value.message, plainly(pieces.finding(stopped.value.finding))):
        assert numbers(words) == ["1235"]
    assert at_the_row(studio, path, "1235")[0]["answer"] == ""
    rows[7]["answer"] = ""
    looked = studio.inspect(str(write(path, rows)), "sft")
    choice = Choice({"question": "question", "answer": "answer"})
    drafted = draft(looked, choice, {})
    assert drafted is not None
    assert numbers(plainly(before_after.words(looked, choice, drafted))) == ["8"]
    assert at_the_row(studio, path, "8")[0]["answer"] == ""


# --- what is wrong somewhere behind the rows that were read


def stops(path: Path, size: int | None = None) -> Finding:
    source = open_source(path)
    seen = check_all(source.format, source.files["train"], source.columns(), ("text",), size=size)
    (error,) = [one for one in seen.findings if one.level == "error"]
    return error


def test_rows_that_were_read_are_those_before_what_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    texts = [f"text {n} {n * 7919}" for n in range(5000)]
    pq.write_table(pa.table({"text": texts}), path, row_group_size=1000, compression="none", use_dictionary=False)
    whole = path.read_bytes()
    for group, words in ((0, "in row 1 or later"), (3, "after row 3,000")):
        begin = pq.ParquetFile(path).metadata.row_group(group).column(0).data_page_offset
        path.write_bytes(whole[:begin] + bytes(200) + whole[begin + 200 :])
        error = stops(path)
        path.write_bytes(whole)
        assert f" is broken {words}: " in error.message
        assert error.where.row == 1000 * group, "the first row that was not read"
        assert plainly(pieces.finding(error)).count("row ") == error.message.count("row "), (
            "its number is not said twice"
        )


def test_a_packed_file_breaks_off_in_the_row_behind_those_that_were_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    lines = [json.dumps({"text": f"{n} {n * 7919 % 10007}"}) for n in range(5000)]
    path.write_bytes(gzip.compress("\n".join(lines).encode())[:-4000])
    error = stops(path, 1000)
    read = 0
    with gzip.open(path, "rt") as file, suppress(EOFError):
        while file.readline().endswith("\n"):
            read += 1
    (number,) = numbers(error.message)
    assert int(number) - 1 in range(read, 5000)
    assert error.where.row == int(number) - 1


def test_text_that_is_no_utf8_comes_after_the_rows_that_were_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"text\n" + b"abc\n" * 20_000 + b"\xff\n")
    error = stops(path)
    assert error.message == f"{path} is no UTF-8 text after row 20,000: invalid start byte."
    assert "(row" not in plainly(pieces.finding(error))


@pytest.mark.parametrize("bad", ['{"text": "a", "text": "b"}', '{"text": "a\\ud800"}'])
@pytest.mark.parametrize("size", [None, 40])
def test_what_only_arrow_refuses_is_told_with_its_line(tmp_path: Path, bad: str, size: int | None) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a"}\n' * 9 + f"\n{bad}\n" + '{"text": "c"}\n')
    error = stops(path, size)
    assert (error.where.row, error.where.line) == (None, 11)
    assert numbers(error.message) == [], "Arrow's own number counts from nothing, in its own blocks"
    assert plainly(pieces.finding(error)).count("(line 11)") == 1


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("`text` is null in row 1,235.", ""),
        ("Row 1235 is bad.", ""),
        ("It is broken after row 1,234: so.", ""),
        ("`text` is null.", " (row 1,235)"),
        ("`text` is null in row 1,234 and others.", " (row 1,235)"),
        ("`text` is null in row 123.", " (row 1,235)"),
    ],
)
def test_a_number_that_the_words_do_not_say_stands_behind_them(message: str, shown: str) -> None:
    found = Finding("error", Where("file", "a", 1234), message)
    assert plainly(pieces.finding(found)) == f"error: {message}{shown}".replace("`", "")


def test_words_count_from_one() -> None:
    assert [row_name(0), row_name(69_999)] == ["row 1", "row 70,000"]
    assert [beyond(0), beyond(41)] == [" in row 1 or later", " after row 41"]
