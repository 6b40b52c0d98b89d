"""Mixtures of datasets, with TRL's own `get_dataset` as the judge: what it takes, how many rows it makes of each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from failure_cases import DEMO

from studio.adapters.home import Home
from studio.adapters.hub import HubClient
from studio.domain.arguments import Catalog
from studio.domain.asked_splits import first_row, rows_taken
from studio.domain.checks import check
from studio.domain.findings import errors
from studio.domain.mixture import as_mixture, as_single, contributed, held_out, hold_out
from studio.domain.recipe import Recipe
from studio.domain.values import share_of
from studio.service.data import all_rejudged, inspect_recipe
from studio.service.mixing import mix_of, rows_to_learn_from
from studio.service.paths import Paths
from studio.service.preview import rows_of
from studio.service.studio import Studio
from studio.ui.form import Form
from studio.ui.mixture import _FIELDS
from studio.ui.whole_check import take

TRL = """
import json, sys
import datasets
from trl.scripts.utils import DatasetMixtureConfig, get_dataset
datasets.disable_progress_bars()
answers = []
for values in json.load(open(sys.argv[1])):
    try:
        if "datasets" in values:
            made = get_dataset(DatasetMixtureConfig(**values))
        else:
            made = datasets.load_dataset(values["dataset_name"], name=values.get("dataset_config"))
        next(iter(made["train" if "train" in made else next(iter(made))]))  # as every trainer of TRL does
        answers.append({part: len(made[part]) if hasattr(made[part], "__len__") else None for part in made})
    except Exception as error:
        answers.append(repr(error)[:200])
json.dump(answers, open(sys.argv[2], "w"))
"""


def write(path: Path, count: int, **more: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({"text": f"text {n}", **more}) + "\n" for n in range(count)))


def cases(folder: Path) -> dict[str, dict[str, Any]]:
    """Recipes' values by name; the files that they load are written."""
    for name, count, more in (
        ("a", 100, {}), ("b", 37, {"extra": "e"}), ("whole", 10, {"n": 1}), ("half", 10, {"n": 0.5}),
        ("none", 10, {"n": None}), ("d/train", 50, {}), ("d/test", 9, {}), ("d/sub/train", 4, {}),
        ("only/train", 30, {}),
    ):  # fmt: skip
        write(folder / f"{name}.jsonl", count, **more)
    write(folder / "p" / "part-1.jsonl", 5)
    write(folder / "p" / "part-2.jsonl", 6)

    def file(name: str, **more: Any) -> dict[str, Any]:
        return {"path": "json", "data_files": str(folder / f"{name}.jsonl"), **more}

    a, b = file("a"), file("b")
    pair = {"train": str(folder / "a.jsonl"), "test": str(folder / "p" / "part-1.jsonl")}
    return {
        "one": {"datasets": [a]},
        "two": {"datasets": [a, b]},
        "columns": {"datasets": [a, {**b, "columns": ["text"]}]},
        "no such column": {"datasets": [{**a, "columns": ["nothing"]}]},
        "halves": {"datasets": [{**a, "fraction": 0.5}, {**b, "fraction": 0.5}]},
        "shares": {"datasets": [{**a, "fraction": 7}, {**b, "fraction": 3}]},
        "thirds": {"datasets": [{**a, "fraction": 1}, {**b, "fraction": 1}, {**file("none"), "fraction": 1}]},
        "none of one": {"datasets": [{**a, "fraction": 0}, {**b, "fraction": 3}]},
        "none of any": {"datasets": [{**a, "fraction": 0}, {**b, "fraction": 0.0}]},
        "some without": {"datasets": [{**a, "fraction": 0.5}, b]},
        "alone": {"datasets": [{**a, "fraction": 0.3}]},
        "tenth": {"datasets": [a], "test_split_size": 0.1},
        "rounded": {"datasets": [b], "test_split_size": 0.033},
        "rows": {"datasets": [a], "test_split_size": 10},
        "rows with a point": {"datasets": [a], "test_split_size": 10.0},
        "all of it": {"datasets": [a], "test_split_size": 1.0},
        "nothing held": {"datasets": [a], "test_split_size": 0},
        "all rows held": {"datasets": [{**a, "split": "train[:10]"}], "test_split_size": 10},
        "all rows held but one": {"datasets": [{**a, "split": "train[:10]"}], "test_split_size": 9},
        "more rows held than there are": {"datasets": [a, b], "test_split_size": 1000000},
        "the only row held": {"datasets": [{**a, "split": "train[:1]"}], "test_split_size": 0.1},
        "nearly all held": {"datasets": [{**a, "split": "train[:10]"}], "test_split_size": 0.95},
        "shares and held": {"datasets": [{**a, "fraction": 0.5}, {**b, "fraction": 0.5}], "test_split_size": 0.25},
        "backwards": {"datasets": [{**a, "split": "train[5:3]"}, {**b, "columns": ["text"]}]},
        "none of both": {"datasets": [{**a, "split": "train[5:3]", "fraction": 0.5}, {**b, "fraction": 0.5}]},
        "none of both held": {
            "datasets": [{**a, "split": "train[5:3]", "fraction": 0.5}, {**b, "fraction": 0.5}],
            "test_split_size": 0.1,
        },
        "backwards alone": {"datasets": [{**a, "split": "train[5:3]"}], "test_split_size": 0.1},
        "too small a share": {
            "datasets": [{**a, "split": "train[:1]", "fraction": 0.5}, {**b, "split": "train[:1]", "fraction": 0.5}],
        },
        "no columns": {"datasets": [{**a, "columns": []}, b]},
        "no columns held": {"datasets": [{**a, "columns": []}, b], "test_split_size": 0.1},
        "no columns shares": {"datasets": [{**a, "columns": [], "fraction": 0.5}, {**b, "fraction": 0.5}]},
        "no columns alone": {"datasets": [{**a, "columns": []}]},
        "stream": {"datasets": [a], "streaming": True},
        "stream held": {"datasets": [a], "streaming": True, "test_split_size": 0.1},
        "stream part": {"datasets": [{**a, "split": "train[:10]"}], "streaming": True},
        "stream shares": {"datasets": [{**a, "fraction": 1}], "streaming": True},
        "types": {"datasets": [file("whole"), file("half")]},
        "types and none": {"datasets": [file("whole"), file("none")]},
        "slices": {"datasets": [{**a, "split": "train[:10%]"}, {**b, "split": "train[5:]"}]},
        "rounded down": {"datasets": [{**a, "split": "train[:33%](pct1_dropremainder)"}, b]},
        "odd slices": {"datasets": [{**b, "split": "train[10%:35%]"}, {**a, "split": "train[-7:]"}]},
        "pattern": {"datasets": [{"path": "json", "data_files": str(folder / "p" / "part-*.jsonl")}]},
        "list": {"datasets": [{"path": "json", "data_files": [str(folder / "p" / f"part-{n}.jsonl") for n in (1, 2)]}]},
        "files by split": {"datasets": [{"path": "json", "data_files": pair, "split": "test"}]},
        "no such split": {"datasets": [{**a, "split": "dev"}]},
        "no such file": {"datasets": [file("nowhere")]},
        "folder": {"datasets": [{"path": str(folder / "d"), "split": "test"}]},
        "folder without it": {"datasets": [{"path": str(folder / "only"), "split": "test"}]},
        "part of a folder": {"datasets": [{"path": str(folder / "d"), "data_dir": "sub"}]},
        "folder of files": {"datasets": [{"path": "json", "data_dir": str(folder / "only")}]},
        "file of a folder": {"datasets": [{"path": str(folder), "data_files": "a.jsonl"}]},
        "held out of a folder": {"datasets": [{"path": str(folder / "only")}], "test_split_size": 0.1},
    }


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[dict[str, Any], Any]]:
    """The recipes' values, and what TRL makes of them: the rows of each part, or its error."""
    folder = tmp_path_factory.mktemp("mixtures")
    known = cases(folder / "data")
    (folder / "cases.json").write_text(json.dumps(list(known.values())))
    environment = {**os.environ, "HF_HOME": str(folder / "hf"), "HF_HUB_OFFLINE": "1"}
    line = [sys.executable, "-W", "ignore", "-c", TRL, str(folder / "cases.json"), str(folder / "answers.json")]
    subprocess.run(line, env=environment, check=True, capture_output=True)
    answers = json.loads((folder / "answers.json").read_text())
    return {name: (values, answer) for (name, values), answer in zip(known.items(), answers, strict=True)}


def test_the_studio_takes_what_trl_takes_and_counts_as_it_does(
    judged: dict[str, tuple[dict[str, Any], Any]], catalog: Catalog, tmp_path: Path
) -> None:
    assert sum(isinstance(answer, str) for _, answer in judged.values()) >= 11
    paths = Paths(tmp_path, tmp_path)
    for name, (values, answer) in judged.items():
        looked = inspect_recipe("sft", values, paths, HubClient())
        recipe = Recipe("sft", values={"model_name_or_path": "a/b", "max_steps": 5, **values})
        wrong = errors(check(recipe, catalog)) + errors([found for one in looked for found in one.findings])
        assert bool(wrong) == isinstance(answer, str), (name, answer, wrong)
        assert (all(one.verdict == "accept" for one in looked) and not wrong) == (not isinstance(answer, str)), name
        if isinstance(answer, str) or values.get("streaming"):
            continue
        mix = mix_of(values, looked)
        told = {"train": mix.total} if mix.split is None else dict(zip(("train", "test"), mix.split, strict=True))
        assert told == answer, name


def test_more_rows_held_out_than_there_are_are_told_with_the_numbers(tmp_path: Path) -> None:
    (entry,) = cases(tmp_path)["one"]["datasets"]
    values = {"datasets": [{**entry, "split": "train[:10]"}] * 2, "test_split_size": 200}
    looked = inspect_recipe("sft", values, Paths(tmp_path, tmp_path), HubClient())
    assert [one.verdict for one in looked] == ["accept", "reject"]
    (wrong,) = errors([found for one in looked for found in one.findings])
    assert (wrong.where.name, wrong.message) == (
        "test_split_size", "`test_split_size: 200` holds out 200 of 20 rows.",
    )  # fmt: skip
    assert wrong.fix is not None
    fewer = all_rejudged(looked, "sft", {**values, **wrong.fix.set})
    assert [one.verdict for one in fewer] == ["accept", "accept"]
    assert mix_of({**values, **wrong.fix.set}, fewer).split == (18, 2)


def test_a_changed_share_reads_no_data_again(tmp_path: Path) -> None:
    values = cases(tmp_path)["two"]
    paths = Paths(tmp_path, tmp_path)
    looked = inspect_recipe("sft", values, paths, HubClient())
    for file in tmp_path.glob("*.jsonl"):
        file.unlink()
    shared = {"datasets": [{**entry, "fraction": 0.5} for entry in values["datasets"]]}
    again = inspect_recipe("sft", shared, paths, HubClient(), looked)
    assert [part.gives for part in mix_of(shared, again).parts] == [37, 37]
    assert [one.verdict for one in again] == ["accept", "accept"]
    assert len(all_rejudged(again, "sft", shared)[0].findings) == len(again[0].findings)
    assert [one.verdict for one in all_rejudged(again, "dpo", shared)] == ["reject", "reject"]


def test_rows_of_several_files_are_paged_through(tmp_path: Path) -> None:
    values = cases(tmp_path)["pattern"]
    paths = Paths(tmp_path, tmp_path)
    (looked,) = inspect_recipe("sft", values, paths, HubClient())
    assert looked.num_rows == 11
    page = rows_of(looked, paths, HubClient(), "train", 3)
    assert [row["text"] for row in page.rows] == [f"text {n}" for n in (3, 4, 0, 1, 2, 3, 4, 5)]
    assert page.total == 11


def test_a_single_dataset_becomes_a_mixture_and_back() -> None:
    singles: list[dict[str, Any]] = [
        {"dataset_name": "org/d"},
        {"dataset_name": "org/d", "dataset_config": "en", "dataset_train_split": "dev"},
        {"dataset_name": "data/folder", "dataset_streaming": True},
    ]
    for values in singles:
        assert as_single(as_mixture(values)) == values
    assert as_mixture({}) == {}
    more: list[dict[str, Any]] = [
        {"datasets": [{"path": "json", "data_files": "a.jsonl"}]},
        {"datasets": [{"path": "a"}, {"path": "b"}]},
        {"datasets": [{"path": "a", "columns": ["x"]}]},
        {"datasets": [{"path": "a", "split": "train[:5]"}]},
        {"datasets": [{"path": "a"}], "test_split_size": 0.1},
    ]
    assert [as_single(values) for values in more] == [{}] * 5


@pytest.mark.parametrize(
    ("entry", "words", "label", "mended"),
    [
        ({"path": "b", "fraction": "half"}, "the text 'half'", "Clear the share of entry 2", {"path": "b"}),
        ({"path": "b", "fraction": "25 %"}, "the text '25 %'", "Use 0.25", {"path": "b", "fraction": 0.25}),
        ({"path": "b", "rows": 3}, "no key 'rows'", "Leave rows out of entry 2", {"path": "b"}),
        ({"path": "b", "columns": "x"}, "a list of texts", "Leave columns out of entry 2", {"path": "b"}),
        ("b", "mappings", "Write it as the path of entry 2", {"path": "b"}),
        ({"fraction": 0.5}, "needs a `path`", None, None),
        ({"path": 5}, "a text as `path`", None, None),
    ],
)
def test_what_is_wrong_in_one_entry_is_mended_without_the_loss_of_the_others(
    catalog: Catalog, entry: Any, words: str, label: str | None, mended: dict[str, Any] | None
) -> None:
    recipe = Recipe("sft", {"model_name_or_path": "m", "datasets": [{"path": "a"}, entry]})
    (wrong,) = [found for found in check(recipe, catalog) if words in found.message]
    assert (wrong.fix.label if wrong.fix else None) == label
    if "half" in words:
        assert wrong.why == "Write a share such as 0.25 or 25 %."
    if wrong.fix is not None:
        cured = recipe.with_changes(catalog, wrong.fix.set, wrong.fix.unset)
        assert cured.values["datasets"] == [{"path": "a"}, mended]


def test_shares_as_people_write_them() -> None:
    written = ("0.25", " 25% ", "7 %", "1e-2", "abc", "half", "%", "nan", "inf", "")
    assert [share_of(text) for text in written] == [0.25, 0.25, 0.07, 0.01, *[None] * 6]


def test_rows_of_a_split_that_is_not_there_are_not_known(tmp_path: Path) -> None:
    (entry,) = cases(tmp_path)["one"]["datasets"]
    paths = Paths(tmp_path, tmp_path)
    values: dict[str, Any] = {"datasets": [entry, {**entry, "split": "nosplit"}]}
    looked = inspect_recipe("sft", values, paths, HubClient())
    mix = mix_of(values, looked)
    assert [part.gives is None for part in mix.parts] == [False, True]
    assert [part.rows is None for part in mix.parts] == [False, True]
    assert mix.total is None
    (tmp_path / "seven").mkdir()
    (tmp_path / "seven" / "train.jsonl").write_text('{"text": "a"}\n' * 7)
    single = {"dataset_name": str(tmp_path / "seven")}
    for split, rows in (("train", 7), ("nosplit", None)):
        values = {**single, "dataset_train_split": split}
        assert rows_to_learn_from(values, inspect_recipe("sft", values, paths, HubClient())) == rows


@pytest.mark.parametrize(
    ("split", "evaluates", "label", "rows"),
    [
        ("train[:10%]", False, "Take train[:10%] in `datasets`", 20),
        ("train[:10%]", True, "Take train[:10%] in `datasets`, a tenth held out to evaluate on", 18),
        ("train[50:]+train[:10]", False, "Take train[50:]+train[:10] in `datasets`", 160),
        ("train[:10%", False, "Train on train", 200),
    ],
)
def test_a_part_of_a_split_is_offered_as_an_entry(
    tmp_path: Path, catalog: Catalog, split: str, evaluates: bool, label: str, rows: int
) -> None:
    (tmp_path / "train.jsonl").write_text('{"text": "a"}\n' * 200)
    paths, more = Paths(tmp_path, tmp_path), {"eval_strategy": "steps", "eval_steps": 5} if evaluates else {}
    recipe = Recipe("sft", {"dataset_name": str(tmp_path), "dataset_train_split": split, **more})
    looked = inspect_recipe("sft", recipe.values, paths, HubClient())
    fixes = [one.fix for one in looked[0].findings if one.where.name == "dataset_train_split" and one.fix]
    assert [fix.label for fix in fixes] == [label]
    cured = recipe.with_changes(catalog, fixes[0].set, fixes[0].unset)
    again = inspect_recipe("sft", cured.values, paths, HubClient())
    assert [errors(list(one.findings)) for one in again] == [[]]
    assert rows_to_learn_from(cured.values, again) == rows


def test_shares_are_relative_to_one_another_as_the_page_says() -> None:
    told = next(info for key, _, info in _FIELDS if key == "fraction")
    assert "1 and 3 make 25 % and 75 %" in told
    assert contributed([400, 400], [1, 3]) == [133, 400]
    assert contributed([400, 400], [0.25, 0.75]) == [133, 400]


def test_arithmetic_of_rows() -> None:
    assert rows_taken("train", None) is None
    specs = [f"train[{part}]" for part in (":10%", "50:", "-30:", "10:20", "90%:", ":999", "20:10")]
    assert [rows_taken(spec, 200) for spec in specs] == [20, 150, 30, 10, 20, 200, 0]
    assert [first_row(spec, 200) for spec in specs[:6]] == [0, 50, 170, 10, 180, 0]
    assert rows_taken("train+test", 200) is None
    assert rows_taken("train+train[:5]", 200) == 205
    assert first_row("train+train[:5]", 200) is None
    assert (first_row("train", None), first_row("train[-5:]", None)) == (0, None)
    assert contributed([100, None], [0.5, 0.5]) == [None, None]
    assert contributed([100, 50], ["x", 1]) == [None, None]
    assert held_out(None, 0.1) is None
    assert held_out(10, 1) == (9, 1)


def test_an_evaluation_without_a_split_offers_to_hold_rows_out(tmp_path: Path, catalog: Catalog) -> None:
    write(tmp_path / "only" / "train.jsonl", 40)
    values = {"dataset_name": str(tmp_path / "only"), "eval_strategy": "steps", "dataset_test_split": "test"}
    paths = Paths(tmp_path, tmp_path)
    (looked,) = inspect_recipe("sft", values, paths, HubClient())
    (wrong,) = errors(list(looked.findings))
    assert wrong.fix is not None
    assert wrong.fix.label == "Hold out a tenth of the rows"
    cured = Recipe("sft", values=values).with_changes(catalog, wrong.fix.set, wrong.fix.unset)
    (looked,) = inspect_recipe("sft", cured.values, paths, HubClient())
    assert (looked.verdict, errors(list(looked.findings))) == ("accept", [])
    assert mix_of(cured.values, [looked]).split == (36, 4)
    assert "dataset_name" not in cured.values
    assert hold_out({"dataset_name": "a/b", "dataset_streaming": True}) is None
    several = hold_out({"datasets": [{"path": "a"}, {"path": "b"}]})
    assert several is not None
    assert several.set["test_split_size"] == 0.1


def test_datasets_that_do_not_fit_together_are_told_also_once_all_rows_were_seen(
    tmp_path: Path, catalog_folder: Path
) -> None:
    (tmp_path / "cache").symlink_to(catalog_folder, target_is_directory=True)
    studio = Studio(Home(tmp_path))
    turns = [{"prompt": [{"role": "user", "content": "x"}], "completion": [{"role": "assistant", "content": "y"}]}]
    for name, rows in (("turns", turns * 9), ("texts", [{"prompt": "x", "completion": "y"}] * 9)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    entries = [{"path": "json", "data_files": str(tmp_path / f"{name}.jsonl")} for name in ("turns", "texts")]
    recipe = Recipe("sft", {"model_name_or_path": str(DEMO / "model"), "datasets": entries})
    said = [found.message for found in studio.check(recipe) if found.level == "error"]
    assert len(said) == 2, said
    assert all("is text in" in one and "messages in" in one for one in said)
    form = Form(recipe, looked=tuple(studio.recipes.look(recipe)))
    for one in form.looked:
        studio.whole.checked(one, recipe.values)
    assert take(studio, form)
    assert [one.verdict for one in form.looked] == ["accept", "reject"]
    assert [one.whole for one in form.looked] == [True, True]
