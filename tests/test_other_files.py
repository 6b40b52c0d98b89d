"""Files that people have in place of data files: what is said of them, and that what is said to do cures it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pandas
import pytest

from studio.adapters.hub import HubClient
from studio.domain.findings import Finding
from studio.service.data import Inspection, inspect, rejudged
from studio.service.paths import Paths

NOWHERE = HubClient("http://127.0.0.1:9")
ROWS = [("question", "answer"), ("What is 2?", "4"), ("Why?", "So, so."), ("Who, then?", "")]


def table(file: Path, sign: str, rows: list[tuple[str, str]]) -> Path:
    file.write_text("".join(sign.join(row) + "\n" for row in rows))
    return file


def looked(file: Path, method: str = "sft", **values: str) -> Inspection:
    return inspect(str(file), method, Paths(file.parent, file.parent), NOWHERE, values)


def only(found: Inspection) -> Finding:
    assert found.verdict == "reject"
    (finding,) = found.findings
    assert finding.level == "error"
    return finding


@pytest.mark.parametrize("rows", [ROWS[:2], ROWS, [ROWS[0], ROWS[3]], [ROWS[0], ROWS[2]]])
@pytest.mark.parametrize(("sign", "named"), [(";", "semicolons"), ("\t", "tabs")])
def test_a_table_that_is_separated_otherwise_says_so_alone(
    tmp_path: Path, rows: list[tuple[str, str]], sign: str, named: str
) -> None:
    file = table(tmp_path / "sums.csv", sign, rows)
    found = only(looked(file))
    assert found.message == f"The cells of {file} are separated by {named}, and the datasets library reads commas."
    assert found.fix is None
    assert only(rejudged(looked(file), "dpo", {})).message == found.message


def test_what_is_said_to_do_cures_it(tmp_path: Path) -> None:
    file = table(tmp_path / "sums.csv", ";", ROWS)
    pandas.read_csv(file, sep=";").to_csv(file, index=False)
    assert [column.name for column in looked(file).columns] == ["question", "answer"]
    tabs = table(tmp_path / "more.csv", "\t", ROWS)
    assert ".tsv" in only(looked(tabs)).why
    (tmp_path / "tabs").mkdir()
    assert [one.name for one in looked(tabs.rename(tmp_path / "tabs/more.tsv")).columns] == ["question", "answer"]


def test_a_column_alone_is_no_such_table(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('text\n"One; two"\n"Three; four"\n')
    assert looked(tmp_path / "a.csv").verdict == "accept"
    (tmp_path / "b.csv").write_text("text;more\nOne\nTwo; three\n")
    assert "separated" not in str(looked(tmp_path / "b.csv").findings)
    file = table(tmp_path / "c.csv", ";", ROWS[:2])
    chosen = looked(file, dataset_text_field="question;answer")
    assert [(one.level, "semicolons" in one.message) for one in chosen.findings] == [("warning", True)]


@pytest.mark.parametrize(
    ("name", "said", "cure"),
    [
        *((f"a{end}", "is a spreadsheet", "Save the sheet as CSV") for end in (".xlsx", ".XLS", ".ods")),
        *((f"a{end}", "is a document and no dataset", "as a row of a CSV") for end in (".docx", ".pdf")),
    ],
)
def test_sheets_and_documents_are_told_what_to_do_with(tmp_path: Path, name: str, said: str, cure: str) -> None:
    file = tmp_path / "in" / name
    file.parent.mkdir()
    with zipfile.ZipFile(file, "w") as packed:  # as those of today are
        packed.writestr("sheet.xml", "<a/>")
        packed.writestr("notes.txt", "One.\n")
    found = only(looked(file))
    assert said in found.message
    assert cure in found.why
    assert cure in only(looked(file.parent)).why
