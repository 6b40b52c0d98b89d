"""Data with one answer a row, under methods that need more of each: what is asked for, and who can learn from it."""

from __future__ import annotations

from typing import Any

import pytest

from studio.domain.columns import column_of
from studio.service.data import Inspection
from studio.service.mappings import Choice, Draft, draft, key_of
from studio.ui import before_after

SUMS = [{"question": f"What is {n} and {n}?", "answer": f"Add them.\n#### {n + n}"} for n in range(6)]
TALKS = [
    {"messages": [{"role": "user", "content": f"Why {n}?"}, {"role": "assistant", "content": "So."}]} for n in range(6)
]
RATED = [{**row, "thumbs": n % 2 == 0} for n, row in enumerate(SUMS)]
BOTH = [{"prompt": row["question"], "chosen": row["answer"], "rejected": "No."} for row in SUMS]


def drafted(method: str, rows: list[dict[str, Any]], roles: dict[str, str] | None = None) -> tuple[Draft, str]:
    columns = tuple(column_of(name, (row[name] for row in rows)) for name in rows[0])
    looked = Inspection("x", method, "reject", columns=columns, rows=tuple(rows), split="train")
    choice = Choice(key_of(looked), roles)
    found = draft(looked, choice, {})
    assert found is not None
    return found, before_after.words(looked, choice, found)


@pytest.mark.parametrize("method", ["kto", "dpo", "reward"])
@pytest.mark.parametrize("rows", [SUMS, TALKS], ids=["columns", "conversations"])
def test_what_is_missing_beside_one_answer_is_said_and_who_can_learn(method: str, rows: list[dict[str, Any]]) -> None:
    found, words = drafted(method, rows)
    assert found.instead == ("sft", "grpo")
    assert "The data has one answer a row." in words
    assert ("how each is rated" if method == "kto" else "a second answer is needed") in words
    assert 'data-mapping="method:sft"' in words
    assert "Which column" not in words


def test_the_rating_alone_is_left_to_choose_for_kto() -> None:
    assert dict(drafted("kto", SUMS)[0].proposal.roles) == {"question": "question", "answer": "answer"}
    rows = [{**row, "felt": "good" if n % 2 else "bad"} for n, row in enumerate(SUMS)]
    found, words = drafted("kto", rows, {"question": "question", "answer": "answer", "felt": "label"})
    assert found.proposal.mapping is not None
    assert "one answer a row" not in words


@pytest.mark.parametrize(
    ("method", "rows", "roles"),
    [
        ("kto", RATED, None),
        ("dpo", BOTH, None),
        ("dpo", SUMS, {"answer": "chosen"}),
        ("sft", SUMS, None),
        ("dpo", [{"a": 1}], None),
    ],
)
def test_nothing_is_said_of_it_where_there_is_more_or_less(
    method: str, rows: list[dict[str, Any]], roles: dict[str, str] | None
) -> None:
    found, words = drafted(method, rows, roles)
    assert found.instead == ()
    assert "one answer a row" not in words


def test_kto_asks_for_a_rating_before_it_speaks_of_pairs() -> None:
    assert drafted("kto", [{"a": 1}])[0].proposal.missing.startswith("Which column rates the answers")
