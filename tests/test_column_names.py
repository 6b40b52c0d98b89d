"""Names of columns as they are told: those that can be selected, and those with blanks that nobody sees."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from studio.adapters.hub import HubClient
from studio.domain.columns import column_of, visible
from studio.domain.dataset_types import judge
from studio.domain.findings import Finding
from studio.service.data import inspect_recipe
from studio.service.paths import Paths
from studio.ui import preview_table

ROWS = [{"prompt": f"Why {n}?", "completion": "So.", "note": "x"} for n in range(4)]


def looked(folder: Path, **entry: Any) -> tuple[Finding, ...]:
    file = folder / "a.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    values = {"datasets": [{"path": "json", "data_files": str(file), **entry}]}
    (found,) = inspect_recipe("sft", values, Paths(folder, folder), HubClient("http://127.0.0.1:9"))
    return found.findings


@pytest.mark.parametrize("columns", [["prompt", "completion", "nope"], ["nope"]])
def test_a_column_that_is_not_there_is_told_with_those_that_are(tmp_path: Path, columns: list[str]) -> None:
    wrong = next(one for one in looked(tmp_path, columns=columns) if one.where.name == "nope")
    assert wrong.message == "There is no column 'nope' to select."
    assert wrong.why.endswith("a.jsonl has `prompt`, `completion` and `note`.")
    assert not [one for one in looked(tmp_path, columns=["prompt", "completion"]) if one.level == "error"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("prompt ", "with a blank at its end"),
        (" prompt", "with a blank at its beginning"),
        ("\tprompt ", "with blanks"),
    ],
)
def test_blanks_around_a_name_are_shown_and_told(name: str, said: str) -> None:
    rows = [{name: "Why?", "completion": "So."}]
    columns = [column_of(one, [row[one] for row in rows]) for one in rows[0]]
    for method in ("grpo", "sft", "kto"):
        wrong = next(one for one in judge(method, columns, rows).findings if "There is no column" in one.message)
        assert f'`"{name}"`' in wrong.message
        assert f'`"{name}"` is there, {said}' in wrong.why
    drawn = re.sub("<.*?>", "|", preview_table.table(columns, rows, {}, "", "sft", {}))
    assert f"|&quot;{name}&quot;|" in drawn
    assert "|completion|" in drawn


def test_a_name_is_shown_as_it_is_where_it_can_be_seen() -> None:
    assert [visible(name) for name in ("prompt", "my prompt", "prompt ", "")] == [
        "prompt",
        "my prompt",
        '"prompt "',
        '""',
    ]
    columns = [column_of("note ", ["x"]), column_of("completion", ["x"])]
    wrong = judge("grpo", columns, [{"note ": "x", "completion": "x"}]).findings[0]
    assert "is there, with" not in wrong.why
