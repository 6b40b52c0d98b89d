"""Splits and datasets that are loaded together; loaded_together_truth.json is what TRL's own scripts made of each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from loaded_together import EVALUATED, PAIRS, TEXT, cases, changed, lines, table

from studio.adapters.home import Home
from studio.domain.findings import Finding
from studio.domain.mapping import DataMapping, Source
from studio.domain.recipe import Recipe
from studio.service.data import Inspection, all_rejudged, inspect_recipe
from studio.service.preparing import Order, prepare
from studio.service.studio import Studio
from studio.ui.form import Form
from studio.ui.whole_check import take

TRUTH: dict[str, str] = json.loads(Path(__file__).with_name("loaded_together_truth.json").read_text())
# What only all rows can tell.
LATER = {"other_type", "more_keys", "dates", "objects_of_other_types", "more_keys_of_messages"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("together")


@pytest.fixture(scope="module")
def known(folder: Path) -> dict[str, tuple[str, dict[str, Any]]]:
    return cases(folder / "data")


@pytest.fixture(scope="module")
def studio(folder: Path) -> Studio:
    return Studio(Home(folder / "home"))


def judged(studio: Studio, method: str, values: dict[str, Any]) -> tuple[list[Inspection], list[Inspection]]:
    """A recipe's data by its first rows, and by all."""
    first = inspect_recipe(method, values, studio.recipes.paths(), studio.hub)
    seen = [studio.whole.checked(one, values) for one in first]
    return first, list(all_rejudged(seen, method, values))


def wrong(looked: list[Inspection]) -> list[Finding]:
    return [found for one in looked for found in one.findings if found.level == "error"]


def test_every_case_was_recorded(known: dict[str, Any]) -> None:
    assert set(TRUTH) == set(known)


@pytest.mark.parametrize("case", TRUTH)
def test_the_verdict_is_trls(case: str, known: dict[str, Any], studio: Studio) -> None:
    first, whole = judged(studio, *known[case])
    accepted = TRUTH[case] == "accept"
    assert all(one.verdict == "accept" for one in whole) == accepted, (TRUTH[case], wrong(whole))
    assert bool(wrong(whole)) != accepted
    if accepted or case not in LATER:
        assert all(one.verdict == "accept" for one in first) == accepted, (TRUTH[case], wrong(first))
    said = [found.message for found in wrong(whole)]
    assert len(said) == len(set(said))


# --- the splits of one dataset


@pytest.mark.parametrize(
    ("case", "said", "file", "row"),
    [
        ("eval_null", "In the split test: `text` is null in row 3.", "test.jsonl", 2),
        ("eval_label", "In the split test: `label` is None and not true or false in row 2.", "test.jsonl", 1),
        ("more_columns", "In the split test: `more` begins in row 4,", "test.jsonl", 3),
        ("other_type", "In the split test: `messages` changes its type in row 1:", "test.jsonl", 0),
        ("empty", "{test.jsonl} holds no rows: 'test' is empty.", "test.jsonl", None),
        ("cut", "In the split test: ", "test.parquet", 0),
    ],
)
def test_what_is_wrong_in_another_split_names_its_file_and_row(
    case: str, said: str, file: str, row: int | None, known: dict[str, Any], studio: Studio
) -> None:
    method, values = known[case]
    (error,) = wrong(judged(studio, method, values)[1])
    assert error.message.startswith(said.replace("{test.jsonl}", error.where.name)), error
    assert (error.where.kind, error.where.name) == ("file", str(Path(values["dataset_name"]) / file))
    assert error.where.row == row


def test_a_broken_line_of_another_split_is_named(known: dict[str, Any], studio: Studio) -> None:
    (error,) = wrong(judged(studio, *known["broken"])[1])
    assert "Line 2 of" in error.message
    assert error.where.line == 2


def test_what_is_wrong_with_both_splits_is_said_once(tmp_path: Path, studio: Studio) -> None:
    for split in ("train", "test"):
        (tmp_path / f"{split}.jsonl").write_text(lines([{"question": "a"}] * 3))
    for looked in judged(studio, "dpo", {"dataset_name": str(tmp_path), **EVALUATED}):
        assert len(wrong(looked)) == 1


def test_a_row_in_the_second_file_of_a_split_is_placed_there(tmp_path: Path, studio: Studio) -> None:
    (tmp_path / "train.jsonl").write_text(lines(PAIRS))
    (tmp_path / "test-00000-of-00002.jsonl").write_text(lines(PAIRS))
    (tmp_path / "test-00001-of-00002.jsonl").write_text(changed(PAIRS, 1, chosen=None))
    (error,) = wrong(judged(studio, "dpo", {"dataset_name": str(tmp_path), **EVALUATED})[1])
    assert error.message == "In the split test: `chosen` is null in row 6."
    assert (Path(error.where.name).name, error.where.row) == ("test-00001-of-00002.jsonl", 5)


def test_turning_the_evaluation_on_judges_its_rows_without_reading_anew(
    known: dict[str, Any], studio: Studio, catalog_folder: Path
) -> None:
    """On the page: the first rows at once, all of them once they were looked at in the background."""
    method, values = known["null_no_eval"]
    looked = inspect_recipe(method, values, studio.recipes.paths(), studio.hub)
    form = Form(Recipe(method, {**values, **EVALUATED}), looked=tuple(looked))
    form.judge_again()
    assert [one.verdict for one in form.looked] == ["reject"]
    studio.whole.checked(form.looked[0], form.recipe.values)
    assert take(studio, form)
    (error,) = wrong(list(form.looked))
    assert error.message == "In the split test: `text` is null in row 3."
    assert form.looked[0].whole


def test_the_other_splits_of_an_entry_are_loaded_too(tmp_path: Path, studio: Studio) -> None:
    """As TRL's `get_dataset` did it: it loaded `train` and stopped at the broken rows of `test` beside it."""
    (tmp_path / "train.jsonl").write_text(lines(TEXT))
    (tmp_path / "test.jsonl").write_text(changed(TEXT, 3, more=1))
    named = {split: str(tmp_path / f"{split}.jsonl") for split in ("train", "test")}
    for entry in ({"path": str(tmp_path)}, {"path": "json", "data_files": named}):
        (error,) = wrong(judged(studio, "sft", {"datasets": [entry]})[1])
        assert error.message.startswith("In the split test: `more` begins in row 4")
    both = [{"path": str(tmp_path), "split": "train+test"}]
    (tmp_path / "test.jsonl").write_text(changed(TEXT, 3, text=None))
    (error,) = wrong(judged(studio, "sft", {"datasets": both})[1])
    assert error.message == "In the split test: `text` is null in row 4."
    alone = {"datasets": [{"path": "json", "data_files": str(tmp_path / "train.jsonl")}]}
    assert wrong(judged(studio, "sft", alone)[1]) == []


def test_a_split_of_parquet_is_read_by_the_types_of_the_first(tmp_path: Path, studio: Studio) -> None:
    pyarrow.parquet.write_table(table(TEXT), tmp_path / "train.parquet")
    rows = [{"text": None if n == 7 else f"text {n}"} for n in range(30)]
    pyarrow.parquet.write_table(table(rows, text=pyarrow.large_string()), tmp_path / "test.parquet", row_group_size=4)
    (error,) = wrong(judged(studio, "sft", {"dataset_name": str(tmp_path), **EVALUATED})[1])
    assert (error.message, error.where.row) == ("In the split test: `text` is null in row 8.", 7)


# --- the datasets of a mixture


@pytest.mark.parametrize(
    ("case", "place", "said"),
    [
        ("csv_jsonl", 1, "'text' is string in {b.jsonl} and large_string in {a.csv}."),
        ("jsonl_csv", 1, "'text' is large_string in {b.csv} and string in {a.jsonl}."),
        ("large_jsonl", 1, "'text' is string in {b.jsonl} and large_string in {a.parquet}."),
        ("widths", 1, "'id' is int64 in {b.jsonl} and int32 in {a.parquet}."),
        ("halves", 1, "'n' is number in {b.jsonl} and integer in {a.jsonl}."),
        ("csv_gap", 1, "'n' is integer in {b.csv} and number in {a.csv}."),
        ("dates", 1, "'n' is string in {b.jsonl} and timestamp[s] in {a.jsonl}."),
        ("text_messages", 1, "{b.jsonl} has no `text`, which {a.jsonl} has: TRL would stop at its rows."),
        ("asked_text", 0, "{a.jsonl} has no `text`, which {b.jsonl} has: TRL would stop at its rows."),
        ("dpo_prompts", 0, "{a.jsonl} has no `prompt`, which {b.jsonl} has: TRL would stop at its rows."),
        ("template_kwargs", 1, "{b.jsonl} has no `chat_template_kwargs`, which {a.jsonl} has: TRL would stop at its "
         "rows."),
        ("no_columns", 0, "The entry of {a.jsonl} selects no columns."),
    ],
)  # fmt: skip
def test_what_keeps_datasets_apart_names_both_of_them(
    case: str, place: int, said: str, known: dict[str, Any], studio: Studio
) -> None:
    method, values = known[case]
    _, whole = judged(studio, method, values)
    for entry in values["datasets"]:
        said = said.replace("{" + Path(entry["data_files"]).name + "}", entry["data_files"])
    assert said in [found.message for found in wrong([whole[place]])]
    assert not wrong(whole[:place])


def test_the_copy_that_cures_a_table_is_of_the_type_that_the_others_have(
    tmp_path: Path, known: dict[str, Any], studio: Studio
) -> None:
    method, values = known["dpo_csv"]
    table_of, other = values["datasets"]
    error = wrong(judged(studio, method, values)[1])[0]
    assert f"A copy that *Prepare and use* makes of {table_of['data_files']} holds text as string" in error.why
    roles = (("question", Source("prompt")), ("chosen", Source("chosen")), ("rejected", Source("rejected")))
    mapping = DataMapping("preference", roles, form="text")
    copy = prepare(Order("made", table_of["data_files"], "", "train", mapping, method), tmp_path)
    _, whole = judged(studio, method, {"datasets": [{"path": str(copy)}, other]})
    assert [one.verdict for one in whole] == ["accept", "accept"]
