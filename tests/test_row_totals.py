"""How many rows big local files have: found out in the background, and told by the pager once it is known."""

from __future__ import annotations

import csv
import gzip
import html
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from studio.adapters import datafiles
from studio.adapters.home import Home
from studio.domain.recipe import Recipe
from studio.service.data import Inspection
from studio.service.studio import Studio
from studio.ui import pager, whole_check
from studio.ui.form import Form

Wait = Callable[..., Any]


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Studio:
    monkeypatch.setattr(datafiles, "_COUNTED_BYTES", 1000)  # what is larger is big
    return Studio(Home(tmp_path / "home"))


def written(folder: Path, form: str, **rows: int) -> Path:
    folder.mkdir()
    for split, count in rows.items():
        with (folder / f"{split}.{form}").open("w", newline="") as file:
            if form == "csv":
                table = csv.writer(file)
                # A cell with line breaks: rows are not lines.
                table.writerows([["prompt", "completion"], *([f"ask\n{n}", "say"] for n in range(count))])
            else:
                file.writelines(json.dumps({"prompt": f"ask {n}", "completion": "say"}) + "\n" for n in range(count))
    return folder


def shown_at(studio: Studio, looked: Inspection, split: str, offset: int = 0) -> Form:
    """A form whose page of rows has been turned to, as the pager does."""
    page = studio.rows_of(looked, split, offset)
    viewing = pager.Viewing(page=page, of=looked.rows)
    return Form(Recipe("sft"), looked=(looked,), viewing=viewing, drawn=True)


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_the_check_of_all_rows_tells_their_number(studio: Studio, tmp_path: Path, form: str, wait_until: Wait) -> None:
    looked = studio.inspect(str(written(tmp_path / "d", form, train=3456)), "sft")
    assert looked.num_rows is None
    page = shown_at(studio, looked, "train", 40)
    assert "3,456" not in said_plainly(page)
    wait_until(lambda: not studio.whole.begin(looked, {}) or studio.whole.taken(looked, {}) is not looked)
    page.looked = (studio.whole.taken(looked, {}),)
    assert page.looked[0].num_rows == 3456
    assert "Rows 41 to 60 of 3,456" in said_plainly(page)


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_another_split_is_counted_once_it_is_shown(studio: Studio, tmp_path: Path, form: str, wait_until: Wait) -> None:
    looked = studio.inspect(str(written(tmp_path / "d", form, train=200, test=2345)), "sft")
    page = shown_at(studio, looked, "test")
    assert not whole_check.count(studio, page)
    assert whole_check._counting(studio, page)
    wait_until(lambda: whole_check.count(studio, page), "the number of rows")
    assert "Rows 1 to 20 of 2,345" in said_plainly(page)
    assert not whole_check._counting(studio, page)
    # What has been counted is known to every later page.
    assert studio.rows_of(looked, "test", 2340).total == 2345
    with (tmp_path / "d" / f"test.{form}").open("a") as file:
        file.write("one,more\n" if form == "csv" else '{"prompt": "one", "completion": "more"}\n')
    page = shown_at(studio, looked, "test")
    wait_until(lambda: not whole_check._counting(studio, page) or whole_check.count(studio, page), "the new number")
    assert "of 2,346" in said_plainly(page)


def test_a_file_that_cannot_be_counted_is_asked_once(studio: Studio, tmp_path: Path, wait_until: Wait) -> None:
    folder = written(tmp_path / "d", "jsonl", train=200, test=9000)
    packed = gzip.compress((folder / "test.jsonl").read_bytes())
    (folder / "test.jsonl").unlink()
    (folder / "test.jsonl.gz").write_bytes(packed[: len(packed) // 2])  # its end is missing
    looked = studio.inspect(str(folder), "sft")
    page = shown_at(studio, looked, "test")
    wait_until(lambda: not whole_check._counting(studio, page), "an end of the count")
    assert "Rows 1 to 20" in said_plainly(page)


def test_a_part_of_a_split_and_data_elsewhere_are_not_counted(studio: Studio, tmp_path: Path) -> None:
    looked = studio.inspect(str(written(tmp_path / "d", "jsonl", train=200)), "sft")
    assert not studio.whole.count_rows(looked, "no such split")
    assert not studio.whole.count_rows(replace(looked, source="hub"), "train")


@pytest.mark.parametrize(
    ("spec", "split", "said", "way"),
    [
        ("train", "train", "", ""),
        ("train[:]", "train", "", ""),
        ("train[50%:75%]", "train", "Of these, the recipe takes rows 21\N{EN DASH}30 (train[50%:75%])", "row:21"),
        ("train[:10]", "train", "Of these, the recipe takes rows 1\N{EN DASH}10 (train[:10])", ""),
        ("train[:3]+train[-2:]", "train", "takes rows 1\N{EN DASH}3, 39\N{EN DASH}40 (train[:3]+train[-2:])", ""),
        ("train+test[:1]", "test", "Of these, the recipe takes rows 1\N{EN DASH}1 (train+test[:1])", ""),
        ("train[:9]", "test", "The recipe takes no rows of test: it takes train[:9]", ""),
        ("all", "test", "", ""),
        ("nonsense[", "train", "The recipe takes nonsense[", ""),
    ],
)
def test_the_part_that_a_recipe_takes(tmp_path: Path, spec: str, split: str, said: str, way: str) -> None:
    folder = written(tmp_path / "d", "jsonl", train=40, test=5)
    studio = Studio(Home(tmp_path / "home"))
    recipe = Recipe("sft", {"datasets": [{"path": str(folder), "split": spec}]})
    (looked,) = studio.recipes.look(recipe)
    page = shown_at(studio, looked, split)
    words = said_plainly(page)
    assert said in words
    assert ("recipe takes" in words) is bool(said)
    assert ("Show them" in words) is bool(way)
    assert (f'data-page="{way}"' in pager.bar(page, looked)) is bool(way) or not way


def said_plainly(form: Form) -> str:
    """The pager's words, with the numbers in their places."""
    (looked,) = form.looked
    return html.unescape(re.sub(r"<[^>]+>", " ", pager.bar(form, looked)))
