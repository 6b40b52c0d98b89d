"""JSON whose types change between files and between splits: the datasets library says whether it loads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_datafiles import loaded_by_datasets

from studio.adapters import jsonlists
from studio.adapters.home import Home
from studio.adapters.hub import HubClient
from studio.domain.recipe import Recipe
from studio.service import preview
from studio.service.mixing import mix_of
from studio.service.paths import Paths
from studio.service.studio import Studio
from studio.service.token_rows import rows_of as rows_for_tokens
from studio.service.token_rows import shares_of

# The cells of a column in what is loaded first, and in what comes after it.
CELLS: dict[str, tuple[list[Any], list[Any]]] = {
    "text, integers": (["x"], [7]),
    "text, halves": (["x"], [0.5]),
    "text, truths": (["x"], [True]),
    "text, dates": (["x"], ["2024-01-01"]),
    "text, nulls": (["x"], [None]),
    "text, lists": (["x"], [[1]]),
    "text, objects": (["x"], [{"a": 1}]),
    "text, mixed": (["x", "y"], ["y", 7]),
    "text, mixed objects": (["x", "y"], ["y", {"a": 1}]),
    "text, a date and text": (["x", "y"], ["2024-01-01", "z"]),
    "integers, numerals": ([1], ["7"]),
    "integers, words": ([1], ["x"]),
    "integers, halves": ([1], [0.5]),
    "integers, whole floats": ([1], [2.0]),
    "integers, truths": ([1], [True]),
    "integers, dates": ([1], ["2024-01-01"]),
    "integers, mixed": ([1, 2], [3, "7"]),
    "integers, numbers": ([1, 2], [3, 0.5]),
    "halves, integers": ([0.5], [1]),
    "halves, big integers": ([0.5], [2**53 + 1]),
    "halves, numerals": ([0.5], ["0.25"]),
    "halves, words": ([0.5], ["x"]),
    "truths, true": ([True], ["true"]),
    "truths, words": ([True], ["x"]),
    "truths, integers": ([True], [7]),
    "truths, dates": ([True], ["2024-01-01"]),
    "dates, words": (["2024-01-01"], ["x"]),
    "dates, dates": (["2024-01-01"], ["2024-05-05"]),
    "dates, split seconds": (["2024-01-01"], ["2024-05-05T01:02:03.5"]),
    "dates, integers": (["2024-01-01"], [7]),
    "dates, truths": (["2024-01-01"], [True]),
    "dates and text, dates": (["2024-01-01", "x"], ["2024-01-01", "2024-01-02"]),
    "text inside, integers": ([{"a": "x"}], [{"a": 7}]),
    "integers inside, words": ([{"a": 1}], [{"a": "x"}]),
    "integers inside, numerals": ([{"a": 1}], [{"a": "7"}]),
    "text inside, dates": ([{"a": "x"}], [{"a": "2024-01-01"}]),
    "dates inside, text": ([{"a": "2024-01-01"}], [{"a": "x"}]),
    "text inside, objects": ([{"a": "x"}], [{"a": {"b": 1}}]),
    "text inside, lists": ([{"a": "x"}], [{"a": ["b"]}]),
    "objects, text": ([{"a": "x"}], ["x"]),
    "objects, more keys": ([{"a": "x"}], [{"a": "x", "b": 1}]),
    "objects, fewer keys": ([{"a": "x", "b": 1}], [{"a": "x"}]),
    "objects, other keys": ([{"a": 1}, {"a": 2}], [{"a": 1}, {"b": 1}]),
    "mixed keys, others": ([{"a": 1}, {"b": 1}], [{"c": "x"}, {"d": 1}]),
    "mixed, text": (["x", 1], ["y", "z"]),
    "mixed, objects": (["x", {"a": 1}], [{"b": 2}, "z"]),
    "lists of text, integers": ([["x"]], [[7]]),
    "lists of integers, words": ([[1]], [["x"]]),
    "lists of integers, numerals": ([[1]], [["7"]]),
    "lists, text": ([["x"]], ["x"]),
    "lists of objects": ([[{"a": "x"}]], [[{"a": 7}]]),
    "nulls, text": ([None], ["x"]),
    "nulls, lists": ([None], [[1]]),
    "empty lists, lists": ([[]], [[1]]),
    "lists, empty lists": ([["x"]], [[]]),
}
# Those whose cells are also put where the text to learn belongs.
AS_TEXT = ("text,", "mixed, text", "integers, words", "integers, numerals")


def cases(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each pair of cells, in lines and lists, in the files of a split and in splits before and behind each other."""
    for number, (name, pair) in enumerate(CELLS.items()):
        other = "jsonl json" if number % 2 else "json jsonl"
        for column in ("n", "text") if name.startswith(AS_TEXT) else ("n",):
            for forms in ("jsonl jsonl", other, "json json"):
                files = []
                for place, (form, cells) in enumerate(zip(forms.split(), pair, strict=True)):
                    rows = [{"text": f"t{n}", column: cell} for n, cell in enumerate(cells * 2)]
                    file = folder / f"{number}-{forms.replace(' ', '-')}-{column}-{place}.{form}"
                    file.write_text(json.dumps(rows) if form == "json" else "\n".join(map(json.dumps, rows)))
                    files.append(str(file))
                splits = dict(zip(("train", "test"), files, strict=True))
                asked = {"files": ({"train": files}, "train"), "before": (splits, "train")}
                asked |= {"behind": (splits, "test")}
                for kind, (found, split) in asked.items():
                    entry = {"path": "json", "data_files": found, "split": split}
                    yield f"{name} in {column}, {forms}, {kind}", {"datasets": [entry]}
                    streamed = {"datasets": [entry], "streaming": True, "max_steps": 1}
                    yield f"{name} in {column}, {forms}, {kind}, streamed", streamed


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[dict[str, Any], str]]:
    """Each case and its verdict: the library loads it, and the text is text."""
    folder = tmp_path_factory.mktemp("json")
    found = dict(cases(folder))
    answers = loaded_by_datasets(list(found.values()), folder, "apart")
    taken = [
        not isinstance(answer, str) and all(isinstance(row["text"], str) for row in answer["train"])
        for answer in answers
    ]
    return {name: (found[name], "accept" if one else "reject") for name, one in zip(found, taken, strict=True)}


@pytest.mark.parametrize("part", [jsonlists.PART_ROWS, 1])
def test_the_verdict_is_what_the_library_makes_of_it(
    part: int, known: dict[str, tuple[dict[str, Any], str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long list is read in parts, which must not be seen."""
    monkeypatch.setattr(jsonlists, "PART_ROWS", part)
    studio = Studio(Home(tmp_path / "home"))
    assert {verdict for _, verdict in known.values()} == {"accept", "reject"}
    wrong = []
    for name, (values, verdict) in known.items():
        if part == 1 and "json json" not in name:
            continue
        (first,) = studio.recipes.look(Recipe("sft", values))
        whole = studio.whole.checked(first, values)
        # Of texts that all say dates the first look leaves open what they are.
        dates, how = name.startswith("text, dates in text"), name.removesuffix(", streamed").rsplit(", ", 1)[1]
        said = "unknown" if dates and how == "behind" else verdict
        said = "accept" if dates and name.endswith("json json, files, streamed") else said
        if (first.verdict, whole.verdict) != (said, verdict):
            wrong.append((name, verdict, first.verdict, whole.verdict))
    assert wrong == []


def test_what_does_not_fit_is_named_with_its_row(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps([{"text": "a", "n": 1}] * 3))
    (tmp_path / "b.json").write_text(json.dumps([{"text": "a", "n": 2}, {"text": "a", "n": "x"}]))
    files = [str(tmp_path / "a.json"), str(tmp_path / "b.json")]
    values = {"datasets": [{"path": "json", "data_files": {"train": files}, "split": "train"}]}
    studio = Studio(Home(tmp_path / "home"))
    (first,) = studio.recipes.look(Recipe("sft", values))
    whole = studio.whole.checked(first, values)
    for looked in (first, whole):
        (found,) = [one for one in looked.findings if one.level == "error"]
        assert found.where.name == files[1], found
        assert "`n` changes its type in row" in found.message
        assert found.where.row in (3, 4)


SPREAD: list[tuple[Any, Any]] = [("x", 1), ("x", True), (0.5, "0.25"), ({"a": "x"}, {"a": 1})]


def spread_out(folder: Path) -> Iterator[dict[str, Any]]:
    """Recipes of files whose cells are of another type than those of the first one."""
    for number, (one, other) in enumerate(SPREAD):
        for form in ("jsonl", "json"):
            files = []
            for name, cell in (("a", one), ("b", other), ("c", other)):
                rows = [{"text": f"{name} {row}", "n": cell} for row in range(400)]
                files.append(folder / f"{name}{number}.{form}")
                files[-1].write_text(json.dumps(rows) if form == "json" else "\n".join(map(json.dumps, rows)))
            first, second, third = map(str, files)
            for split in ("train", "test"):
                entry = {"path": "json", "data_files": {"train": [first, second], "test": third}, "split": split}
                yield {"datasets": [entry]}
                yield {"datasets": [entry], "streaming": True, "max_steps": 1}


def test_tokens_and_later_pages_are_of_cells_as_they_are_loaded(tmp_path: Path) -> None:
    """Of rows all over the files, so that rows of several of them lie beside each other."""
    recipes = list(spread_out(tmp_path))
    studio = Studio(Home(tmp_path / "home"))
    hub, paths = HubClient("http://127.0.0.1:9"), Paths(tmp_path, tmp_path)
    for values, answer in zip(recipes, loaded_by_datasets(recipes, tmp_path), strict=True):
        looked = studio.recipes.look(Recipe("sft", values))
        counted = rows_for_tokens(shares_of(mix_of(values, looked), looked), 100, paths, hub).rows
        assert len(counted) == 100
        assert [row for row in counted if row not in answer["train"]] == [], values
        page = preview.rows_of(looked[0], paths, hub, values["datasets"][0]["split"], 390)
        assert list(page.rows) == answer["train"][390 : 390 + len(page.rows)], values
