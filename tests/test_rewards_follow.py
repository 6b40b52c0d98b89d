"""Rewards that compare with a column once *Prepare and use* has given it another name."""

from __future__ import annotations

from typing import Any

import pytest

from studio.domain.arguments import Catalog
from studio.domain.column_roles import Settings, resolve
from studio.domain.columns import column_of
from studio.domain.mapped_rows import map_row
from studio.domain.mapping import DataMapping
from studio.domain.recipe import Recipe
from studio.domain.reward_code import read_file
from studio.domain.reward_library import Pick
from studio.domain.rewards import following, picked, with_own_code

ROWS = [{"question": f"What is {n} and {n}?", "answer": f"Add them.\n#### {n + n}"} for n in range(4)]
MARKED = {"column": "answer", "expected_find": "after the marker"}
PREPARED = ("prompt", "solution")


def mapping(after: str = "") -> DataMapping:
    columns = [column_of(name, (row[name] for row in ROWS)) for name in ROWS[0]]
    roles = {"question": "question", "answer": "solution"}
    made = resolve("grpo", roles, columns, list(ROWS), Settings(after=after)).mapping
    assert made is not None
    return made


def recipe_with(catalog: Catalog, **settings: Any) -> Recipe:
    recipe = picked(Recipe("grpo"), catalog, Pick("numeric", "right_number", settings))
    return with_own_code(picked(recipe, catalog, Pick("length", "good_length")), "def mine(answer, **kwargs): ...\n")


@pytest.mark.parametrize(
    ("after", "find"), [("####", "whole text"), ("", "after the marker"), ("=>", "after the marker")]
)
def test_a_reward_follows_its_column_and_what_was_cut_from_it(catalog: Catalog, after: str, find: str) -> None:
    before, how = recipe_with(catalog, **MARKED), mapping(after)
    recipe = following(before, catalog, how, PREPARED)
    pick, other = read_file(recipe.reward_code).picks
    assert (pick.column, pick.get("expected_find"), other.column) == ("solution", find, None)
    assert recipe.values == before.values
    assert read_file(recipe.reward_code).own == read_file(before.reward_code).own
    namespace: dict[str, Any] = {}
    exec(recipe.reward_code, namespace)
    rows = [map_row(how, row)[0] for row in ROWS]
    scores = namespace["right_number"](completions=["2", "2"], solution=[rows[1]["solution"], rows[2]["solution"]])
    assert scores == [1.0, 0.0]


def test_a_reward_stays_with_a_column_that_is_still_there(catalog: Catalog) -> None:
    recipe = recipe_with(catalog, **MARKED)
    assert following(recipe, catalog, mapping(), (*PREPARED, "answer")) is recipe
    assert following(recipe, catalog, DataMapping("prompt-only", ()), PREPARED) is recipe
    other = recipe_with(catalog, column="label")
    assert following(other, catalog, mapping(), PREPARED) is other
