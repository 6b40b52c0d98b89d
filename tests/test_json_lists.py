"""JSON lines whose lists begin with null, which Arrow misreads: read and refused as the datasets library does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from studio.adapters.datafiles import open_source
from studio.adapters.wholecheck import check_all
from studio.domain.dataset_types import judge

_LOAD = """
import json, sys, datasets
for name in sys.argv[2:]:
    try:
        found = datasets.load_dataset("json", data_files=name, split="train", cache_dir=sys.argv[1]).to_list()
    except Exception as error:
        found = type(error).__name__
    print(json.dumps(found))
"""
# Of each: the rows' `meta` as JSON; what the datasets library does with a file of them is asked.
CASES = {
    "texts": ['[null, "b"]', '[null, "b"]', '[null, "b"]'],
    "objects": ['[null, {"a": "b"}]', '[{"a": "c"}]', "null"],
    "empty lists": ['[null, "b"]', "[]", "[null]"],
    "lists in lists": ['[[null, "b"]]', "[[]]", "[]"],
    "in an object": ['{"k": [null, "b"]}', '{"k": ["c"]}', '{"k": null}'],
    "other numbers": ["[null, 1]", "[null, 2.5]", "[3]"],
    "both numbers": ["[null, 1, 2.5]", "[null, 2.5, 1]", "[3.5]"],
    "other keys": ['[null, {"a": 1}]', '[{"a": 2.5}]', "[]"],
    "null later": ['["a"]', '[null, "b"]', '["c", null]'],
    "a blank line": ['[null, "b"]', "", '["c"]'],
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, object]]:
    """Each case's file, and the rows that the datasets library loads from it, or the name of its error."""
    folder = tmp_path_factory.mktemp("lists")
    files = []
    for number, cells in enumerate(CASES.values()):
        lines = [f'{{"text": "row {place}", "meta": {cell}}}' if cell else "" for place, cell in enumerate(cells)]
        files.append(folder / f"{number}.jsonl")
        files[-1].write_text("\n".join(lines) + "\n")
    command = [sys.executable, "-c", _LOAD, str(folder / "cache"), *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    return {name: (file, answer) for name, file, answer in zip(CASES, files, answers, strict=True)}


@pytest.mark.parametrize("case", list(CASES))
def test_lists_that_begin_with_null(case: str, told: dict[str, tuple[Path, object]]) -> None:
    file, loaded = told[case]
    source = open_source(file)
    seen = check_all(source.format, source.files["train"], source.columns(), ("text", "meta"))
    found = judge("sft", source.columns(), seen)
    assert found.verdict == ("accept" if isinstance(loaded, list) else "reject"), (loaded, found.findings)
    if isinstance(loaded, list):
        assert seen.total == len(loaded) == 3
        return
    (error,) = found.findings
    assert error.message == "`meta` has a list that begins with null in row 1."
    assert "broken" not in error.message + error.why
    assert error.where.to_json() == {"kind": "file", "name": str(file), "row": 0}


def test_a_list_that_begins_with_null_is_told_far_down_in_a_list(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    cells = [None] * 10_000 + [[None, 1], [None, 2.5], [3]]
    file.write_text(json.dumps([{"text": "a", "meta": cell} for cell in cells]))
    seen = check_all("json", [file], open_source(file).columns(), ("text", "meta"))
    (error,) = seen.findings
    assert error.message == "`meta` has a list that begins with null in row 10,001."
    assert error.where.row == 10_000


def test_a_message_that_is_null_is_no_broken_file(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    row = {"messages": [None, {"role": "user", "content": "b"}]}
    file.write_text(f"{json.dumps(row)}\n" * 3)
    source = open_source(file)
    found = judge("sft", source.columns(), check_all("json", [file], source.columns(), ("messages",)))
    assert found.verdict == "reject"
    assert [one.message for one in found.findings] == ["`messages` holds a list that holds no messages."]
