"""Tokens of mixtures and of parts of a split: the rows that are counted are those that TRL trains on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import yaml
from datasets.arrow_reader import ReadInstruction
from fakehub import FakeHub, Repo, running
from feed_cases import DEMO, data
from model_files import ROOT
from token_desk import Desk

from studio.adapters.tokens import TokenCounter
from studio.domain.arguments import Catalog
from studio.domain.asked_splits import first_row, rows_taken
from studio.domain.recipe import Recipe
from studio.service.mixing import mix_of, rows_to_learn_from
from studio.service.token_rows import countable, rows_of, shares_of

SPLITS = ("train", "train[:100]", "train[10%:20%]", "train[:33%]", "train[-7%:]", "train[5:-5]", "train[:10%]",
          "train[10:20%]", "train[-30:]", "train[1_0:]", "train[:]", "train[99%:]", "train[-1%:]", "train[:999]",
          "train[20:10]", "train[:33%](pct1_dropremainder)", "train[:12%](closest)", "train[-150%:]",
          "train[:10](closest)")  # fmt: skip


@pytest.fixture(scope="module")
def counter() -> Iterator[TokenCounter]:
    made = TokenCounter()
    yield made
    made.close()


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return data(tmp_path_factory.mktemp("sets"))


@pytest.fixture
def desk(tmp_path: Path, counter: TokenCounter) -> Desk:
    return Desk(tmp_path, counter)


def texts(file: Path, name: str, number: int, **more: Any) -> dict[str, Any]:
    """An entry whose rows say which one of which data they are; later ones are longer."""
    lines = [{"text": f"{name} {row}" + " sun" * (row // 20), **more} for row in range(number)]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return {"path": "json", "data_files": str(file)}


def mixed(*entries: dict[str, Any], **values: Any) -> Recipe:
    return Recipe("sft", {"model_name_or_path": str(DEMO / "model"), "datasets": list(entries), **values})


def sampled(desk: Desk, recipe: Recipe, number: int = 500) -> list[dict[str, Any]]:
    looked = desk.looked(recipe)
    assert desk.tokens.reason(recipe, looked) == ""
    return rows_of(shares_of(mix_of(recipe.values, looked), looked), number, desk.paths, desk.hub)[0]


def markers(rows: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(name, int(row)) for name, row in (line["text"].split()[:2] for line in rows)]


def test_a_mixture_counts_as_one_file_of_all_its_rows(desk: Desk, sets: dict[str, Path], tmp_path: Path) -> None:
    both = tmp_path / "both.jsonl"
    both.write_bytes(b"".join((sets[name] / "train.jsonl").read_bytes() for name in ("chats", "several")))
    options = {"assistant_only_loss": True, "max_length": 44}
    parts = mixed({"path": str(sets["chats"])}, {"path": str(sets["several"]), "split": "train"}, **options)
    whole = mixed({"path": "json", "data_files": str(both)}, **options)
    told, expected = (desk.tokens.count(one, desk.looked(one)) for one in (parts, whole))
    assert told.count is not None, told.trouble
    assert (told.count.rows, told.count.total, told.count.exact) == (47, 47, True)
    assert told.count.cut > 0
    assert told == expected


def test_a_mixture_is_sampled_in_proportion_and_from_all_over(desk: Desk, tmp_path: Path) -> None:
    many, few = texts(tmp_path / "a.jsonl", "many", 3000), texts(tmp_path / "b.jsonl", "few", 600, note="n")
    one = texts(tmp_path / "c.jsonl", "one", 1)
    rows = sampled(desk, mixed(many, few, one))
    found = markers(rows)
    assert Counter(name for name, _ in found) == {"many": 416, "few": 83, "one": 1}
    assert [name for name, _ in found] == ["many"] * 416 + ["few"] * 83 + ["one"]
    assert len(set(found)) == len(found)
    for name, last in (("many", 2999), ("few", 599)):
        places = [row for told, row in found if told == name]
        assert (places[0], places[-1]) == (0, last)
        assert abs(sum(places) / len(places) / last - 0.5) < 0.02
    assert [row["note"] for row in rows] == [None] * 416 + ["n"] * 83 + [None]
    fewer = {**few, "columns": ["text"]}
    assert [list(row) for row in sampled(desk, mixed(many, fewer), 5)] == [["text"]] * 5
    none = sampled(desk, mixed({**many, "fraction": 1}, {**few, "fraction": 0}))
    assert (list(none[0]), len(none)) == (["text"], 500)  # nor are there the columns of what gives no rows
    shares = markers(sampled(desk, mixed({**many, "fraction": 1}, {**few, "fraction": 1}), 20_000))
    assert shares == [("many", row) for row in range(600)] + [("few", row) for row in range(600)]


def test_all_rows_of_all_datasets_are_counted_on_demand(desk: Desk, tmp_path: Path) -> None:
    recipe = mixed(texts(tmp_path / "a.jsonl", "many", 1200), texts(tmp_path / "b.jsonl", "few", 300))
    looked = desk.looked(recipe)
    sample, every = (desk.tokens.count(recipe, looked, every=every).count for every in (False, True))
    assert sample is not None
    assert every is not None
    assert (sample.rows, sample.total, sample.exact) == (500, 1500, False)
    assert (every.rows, every.total, every.exact, every.total_tokens) == (1500, 1500, True, every.tokens)
    each = [mixed(entry) for entry in recipe.values["datasets"]]
    alone = [desk.tokens.count(one, desk.looked(one), every=True).count for one in each]
    assert every.tokens == sum(one.tokens for one in alone if one is not None)
    assert sample.total_tokens is not None
    assert abs(sample.total_tokens / every.tokens - 1) < 0.05
    assert desk.tokens.sequences(recipe, looked) == rows_to_learn_from(recipe.values, looked) == 1500


@pytest.mark.parametrize("count", [1, 37, 99, 100, 137, 250, 1001])
def test_a_part_of_a_split_is_the_datasets_librarys(count: int) -> None:
    ends = ["", *(f"{number}%" for number in range(-100, 101))]
    every = (*SPLITS, *(f"train[{first}:{last}]" for first in ends[::7] for last in ends[::3]))
    refused = set()
    for split in every:
        first, rows = first_row(split, count), rows_taken(split, count)
        try:
            (wanted,) = ReadInstruction.from_spec(split).to_absolute({"train": count})
        except ValueError:
            assert not rows, split
            refused.add(split)
        else:
            assert rows == max(0, wanted.to - wanted.from_), split
            assert first == wanted.from_ or not rows, split
    few = {"train[:33%](pct1_dropremainder)"} if count < 100 else set()
    assert refused == {"train[-150%:]", "train[:10](closest)"} | few


@pytest.mark.parametrize("split", ["train[:100]", "train[10%:20%]", "train[-33%:]", "train[250:]"])
def test_a_part_of_a_split_is_sampled_alone(desk: Desk, tmp_path: Path, split: str) -> None:
    entry, other = texts(tmp_path / "a.jsonl", "a", 1237), texts(tmp_path / "b.jsonl", "b", 40)
    recipe = mixed(other, {**entry, "split": split})
    (wanted,) = ReadInstruction.from_spec(split).to_absolute({"train": 1237})
    inside = range(wanted.from_, wanted.to)
    for number in (60, 20_000):
        found = [row for name, row in markers(sampled(desk, recipe, number)) if name == "a"]
        assert (found[0], found[-1]) == (inside[0], inside[-1])
        assert set(found) <= set(inside)
    assert found == list(inside)


def test_a_part_alone_has_its_own_rows_and_steps(desk: Desk, tmp_path: Path) -> None:
    recipe = mixed({**texts(tmp_path / "a.jsonl", "a", 1237), "split": "train[10%:20%]"})
    looked = desk.looked(recipe)
    told = desk.tokens.count(recipe, looked).count
    assert told is not None
    assert (told.rows, told.total, told.exact) == (123, 123, True)
    assert desk.tokens.sequences(recipe, looked) == rows_to_learn_from(recipe.values, looked) == 123


def test_what_is_held_out_is_left_out_of_totals_as_trl_leaves_it_out(desk: Desk, tmp_path: Path) -> None:
    a, b = texts(tmp_path / "a.jsonl", "a", 61), texts(tmp_path / "b.jsonl", "b", 37)
    recipe = mixed({**a, "split": "train[:90%]"}, b, test_split_size=0.1)
    looked = desk.looked(recipe)
    told = desk.tokens.count(recipe, looked).count
    assert told is not None
    assert (told.rows, told.total, told.held, told.whole, told.exact) == (92, 92, 10, True, False)
    assert told.total_tokens == round(told.tokens * 82 / 92)
    assert desk.tokens.sequences(recipe, looked) == rows_to_learn_from(recipe.values, looked) == 82
    file, answer = tmp_path / "recipe.yaml", tmp_path / "answer.json"
    machine = {"use_cpu": True, "bf16": False, "report_to": "none", "output_dir": str(tmp_path / "output")}
    file.write_text(yaml.safe_dump({**recipe.values, **machine}))
    (tmp_path / "cases.json").write_text(json.dumps({"held": ("sft", str(file))}))
    env = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(tmp_path / "made")}
    line = [sys.executable, str(ROOT / "tests/feed_oracle.py"), str(tmp_path / "cases.json"), str(answer)]
    done = subprocess.run(line, env=env, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(json.loads(answer.read_text())["held"]["fed"]) == 82  # of TRL's own trainer


def test_a_share_that_changes_is_counted_anew_and_one_that_is_held_out_without_a_press(
    desk: Desk, tmp_path: Path, catalog: Catalog
) -> None:
    recipe = mixed(texts(tmp_path / "a.jsonl", "a", 30), texts(tmp_path / "b.jsonl", "b", 10))
    looked = desk.looked(recipe)
    desk.tokens.start(recipe, looked)
    first = desk.tokens.open_question(recipe, looked, 0)
    assert first
    desk.tokens.count(recipe, looked)
    held = recipe.with_changes(catalog, {"test_split_size": 4})
    assert desk.tokens.known(held, looked) is None
    assert desk.tokens.open_question(held, looked, 0) not in ("", first)
    assert desk.tokens.sequences(held, looked) is None
    desk.tokens.count(held, looked)
    assert desk.tokens.sequences(held, looked) == 36


def test_the_dataset_at_fault_is_named(desk: Desk, sets: dict[str, Path], tmp_path: Path) -> None:
    good, other = {"path": str(sets["chats"])}, texts(tmp_path / "b.jsonl", "b", 5)
    pictures = tmp_path / "pictures.jsonl"
    pictures.write_text(json.dumps({"messages": [{"role": "user", "content": "x"}], "image": "a.png"}) + "\n")
    prompts = {"path": str(sets["prompts"])}
    for entry, words in (
        ({"path": "json", "data_files": "nowhere.jsonl"}, "once nowhere.jsonl can be read"),
        (prompts, f"once the method takes {sets['prompts']}."),
        ({"path": "json", "data_files": str(pictures)}, f"{pictures} has some"),
        ({**other, "split": "train[5:]"}, "once the method takes"),
        ({**other, "split": "train[4:2]"}, "`train[4:2]` of"),
        ({**other, "split": "train+train"}, "b.jsonl takes `train+train`"),
        ({**other, "fraction": 0.5}, "that is a share, or none has one"),
    ):
        recipe = mixed(good, entry)
        looked = desk.looked(recipe)
        assert words in desk.tokens.reason(recipe, looked)
        assert desk.tokens.count(recipe, looked).count is None
        assert desk.tokens.open_question(recipe, looked, 0) == ""


def test_data_of_the_hub_have_totals_once_they_are_read(
    tmp_path: Path, counter: TokenCounter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with running(FakeHub()) as served:
        huggingface_hub.close_session()
        lines = "".join(json.dumps({"text": f"far {n}"}) + "\n" for n in range(203))
        served.datasets["org/far"] = Repo({}, {"train.jsonl": lines.encode()})
        desk = Desk(tmp_path, counter, served.url)
        for recipe, held in ((mixed({"path": "org/far"}), 0), (mixed({"path": "org/far"}, test_split_size=20), 20)):
            # As of a file that is too large to be counted when it is looked at.
            looked = [replace(one, num_rows=None) for one in desk.looked(recipe)]
            told = desk.tokens.count(recipe, looked).count
            assert told is not None
            assert (told.rows, told.total, told.held, told.whole) == (203, 203, held, True)
            assert told.total_tokens == round(told.tokens * (203 - held) / 203)
        huggingface_hub.close_session()


def test_rows_of_the_hub_stand_beside_those_of_files(
    tmp_path: Path, counter: TokenCounter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    features = [{"feature_idx": 0, "name": "text", "type": {"dtype": "string", "_type": "Value"}}]
    told = [{"row_idx": n, "row": {"text": f"far {n}"}, "truncated_cells": []} for n in range(4000)]
    with running(FakeHub()) as served:
        huggingface_hub.close_session()
        served.datasets["org/far"] = Repo(splits={"default": {"train": (features, told, 4000)}})
        desk = Desk(tmp_path, counter, served.url)
        far, near = {"path": "org/far", "split": "train[50%:]"}, texts(tmp_path / "a.jsonl", "near", 1000)
        found = markers(sampled(desk, mixed(far, near)))
        assert Counter(name for name, _ in found) == {"far": 333, "near": 167}
        # In pages of a hundred at most, from the first row of the part to its last.
        places = [row for name, row in found if name == "far"]
        assert (places[0], places[-1], len(set(places))) == (2000, 3999, 333)
        assert abs(sum(places) / 333 - 3000) < 30
        recipe = mixed(far, near)
        counted = desk.tokens.count(recipe, desk.looked(recipe))
        assert counted.count is not None, counted.trouble
        assert (counted.count.rows, counted.count.total, counted.count.refusal) == (500, 3000, "")
        assert countable(desk.looked(recipe)) == 2000
        small = mixed({"path": "org/far", "split": "train[:1250]"})
        whole = desk.tokens.count(small, desk.looked(small), every=True).count
        assert whole is not None
        assert (whole.whole, whole.rows) == (True, 1250)
        served.faults["/viewer/rows"] = 503
        served.faults["/api/datasets"] = 503
        again = desk.tokens.count(mixed(far), desk.looked(mixed(far)))
        assert "org/far" in again.trouble
        huggingface_hub.close_session()
