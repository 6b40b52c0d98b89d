"""Files of one row each, whose types nothing has told yet: the datasets library says whether it loads them."""

from __future__ import annotations

import csv
import json
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from test_datafiles import loaded_by_datasets

from studio.adapters.fitting import Stopped
from studio.adapters.home import Home
from studio.adapters.single_rows import SingleRows
from studio.domain.recipe import Recipe
from studio.service.studio import Studio

# One row beside its text; `turned` has its columns in another order, `more` one more of them.
ROWS: dict[str, dict[str, Any]] = {
    "whole": {"text": "a", "x": 1},
    "half": {"text": "a", "x": 0.5},
    "words": {"text": "a", "x": "b"},
    "nothing": {"text": "a", "x": None},
    "truth": {"text": "a", "x": True},
    "turned": {"x": "b", "text": "a"},
    "more": {"text": "a", "x": "b", "y": "c"},
}
LISTS: dict[str, dict[str, Any]] = {
    "texts": {"text": "a", "x": ["b"]},
    "no texts": {"text": "a", "x": []},
    "object": {"text": "a", "x": {"y": 1}},
}
# How many rows each file has; the last file has the other row, once.
SHAPES = {"both alone": (1,), "alone, many, alone": (1, 3), "many, alone, alone": (3, 1)}


def write(file: Path, rows: list[dict[str, Any]]) -> None:
    if file.suffix == ".csv":
        with file.open("w", newline="") as opened:
            writer = csv.DictWriter(opened, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    else:
        file.write_text(json.dumps(rows))


def cases(folder: Path) -> dict[str, dict[str, Any]]:
    """Recipes by what their files hold."""
    found = {}
    for form in ("json", "csv"):
        known = ROWS if form == "csv" else ROWS | LISTS
        for (one, row), (other, last), (shape, counts) in product(known.items(), known.items(), SHAPES.items()):
            if one == other and shape != "both alone":
                continue
            files = []
            for number, rows in enumerate([*([row] * count for count in counts), [last]]):
                files.append(folder / f"{form} {one} {other} {shape} {number}.{form}")
                write(files[-1], rows)
            entry = {"path": form, "data_files": {"train": list(map(str, files))}, "split": "train"}
            found[f"{form}: {one}, {other}, {shape}"] = {"datasets": [entry]}
    return found


def test_the_verdict_is_what_the_library_makes_of_it(tmp_path: Path) -> None:
    found = cases(tmp_path)
    studio, wrong, seen = Studio(Home(tmp_path / "home")), [], set()
    for (name, values), answer in zip(found.items(), loaded_by_datasets(list(found.values()), tmp_path), strict=True):
        verdict = "reject" if isinstance(answer, str) else "accept"
        (first,) = studio.recipes.look(Recipe("sft", values))
        whole = studio.whole.checked(first, values)
        # The types of a CSV are told once all rows have been read.
        told = {whole.verdict} if name.startswith("csv") else {first.verdict, whole.verdict}
        if told != {verdict}:
            wrong.append((name, verdict, told))
        seen.add(verdict)
    assert wrong == []
    assert seen == {"accept", "reject"}


@pytest.mark.parametrize(
    ("row", "last", "message"),
    [
        ("half", "whole", "`x` changes its type in row 2: whole numbers, after numbers."),
        ("words", "whole", "`x` changes its type in row 2: whole numbers, after text."),
        ("words", "turned", "The columns stand in another order in row 2 than before it."),
        ("more", "words", "The columns of row 2 are others than before it."),
    ],
)
def test_what_is_unlike_is_named_with_file_and_row(tmp_path: Path, row: str, last: str, message: str) -> None:
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    for file, name in zip(files, (row, last), strict=True):
        write(file, [ROWS[name]])
    values = {"datasets": [{"path": "json", "data_files": list(map(str, files)), "split": "train"}]}
    studio = Studio(Home(tmp_path / "home"))
    (first,) = studio.recipes.look(Recipe("sft", values))
    for looked in (first, studio.whole.checked(first, values)):
        (found,) = [one for one in looked.findings if one.level == "error"]
        assert (found.where.name, found.where.row) == (str(files[1]), 1)
        assert found.message == message


def test_a_thousand_rows_are_held_back_and_no_more() -> None:
    whole, half = pa.table({"x": [1]}), pa.table({"x": [0.5]})
    single = SingleRows()
    for row in range(1000):
        single.add(whole, Path("a.json"), row)
    single.add(half, Path("b.json"), 1000)
    with pytest.raises(Stopped):
        single.add(whole, Path("a.json"), 1001)
