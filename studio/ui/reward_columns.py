"""The columns that rewards compare with: those of the data, the one that fits, and its name once data were prepared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from studio.domain.mapping import DataMapping
from studio.domain.reward_library import KEPT_BACK
from studio.domain.rewards import METHODS, following
from studio.ui import reward_editor
from studio.ui.form import Form

if TYPE_CHECKING:
    from studio.ui.page import Page


def fitting(form: Form, kind: str) -> dict[str, Any]:
    """Settings that suit the data that was looked at: the column that looks most like the answer."""
    columns = columns_of(form)
    if kind not in ("numeric", "exact") or not columns:
        return {}
    likely = ("answer", "solution", "label", "target", "expected", "ground_truth", "reference", "output")
    found = {"column": next((name for name in likely if name in columns), columns[0])}
    first = next((row.get(found["column"]) for one in form.looked for row in one.rows), None)
    if "####" in str(first):
        found["expected_find"] = "after the marker"
    elif "\\boxed{" in str(first):
        found["expected_find"] = "boxed"
    return found


def columns_of(form: Form) -> list[str]:
    """The columns that TRL hands to reward functions."""
    return [column.name for one in form.looked[:1] for column in one.columns if column.name not in KEPT_BACK]


def follow(page: Page, form: Form, mapping: DataMapping) -> str:
    """Has rewards compare with the column that the solution is in once data were prepared; says so, `` where none."""
    if form.recipe.method not in METHODS or not form.looked:
        return ""
    with reward_editor.CHANGING:
        before = page.studio.rewards.taken_in(form.recipe)
        after = following(before, page.catalog, mapping, columns_of(form))
        if after is before:
            return ""
        form.recipe = after
    form.judge_again()
    return " The rewards that compare with it read the column solution now."
