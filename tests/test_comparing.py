"""Runs side by side, found again, taken along and thrown away: through the command line, on real folders and stores."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from run_lab import RunLab, wait_until
from test_metrics import Generated, real_run, trackio_environment

from studio.adapters import removing
from studio.adapters.home import Home
from studio.adapters.lastvalues import LastValues
from studio.adapters.metrics import MetricsStore
from studio.adapters.runs import Run
from studio.domain.arguments import Catalog
from studio.domain.best import best, better
from studio.domain.differences import differing
from studio.domain.errors import StudioError
from studio.domain.recipe import Recipe
from studio.service.keeping import Keeping
from studio.service.runs import Runs
from studio.service.sifting import Sift, sifted
from studio.service.studio import Studio
from studio.ui import run_compare, run_list
from studio.ui.run_keeping import question
from tests.command_line import Trl, command_line

PROJECT = "trl-studio"
RECIPE = "# trl sft --config recipe.yaml\nmodel_name_or_path: m\ndataset_name: d\noutput_dir: output\n"


@pytest.fixture
def home(tmp_path: Path, catalog_folder: Path) -> Home:
    shutil.copytree(catalog_folder, tmp_path / "home" / "cache")
    return Home(tmp_path / "home").ensure()


@pytest.fixture
def store(home: Home) -> Iterator[Generated]:
    made = Generated(home.trackio, PROJECT)
    with closing(made.connection):
        yield made


@pytest.fixture
def trl_studio(home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Trl:
    return command_line(home.root, capsys, monkeypatch)


def ended(home: Home, name: str, more: str = "", method: str = "sft", **record: Any) -> Run:
    """A run that has finished after 100 s, with a model and two checkpoints."""
    text = RECIPE.replace("sft", method, 1) + f"run_name: {name}\n{more}"
    run = Runs(home).folders.create(name, method, text)
    attempt = {
        "number": 1,
        "started": "2026-01-01T00:00:00.000Z",
        "ended": "2026-01-01T00:01:40.000Z",
        "outcome": "finished",
        "exit": {"code": 0},
        "last_step": 9,
        "total_steps": 9,
    }
    run.update(lambda found: found.update({"attempts": [attempt], "starter": None, **record}))
    (run.folder / "train.log").write_text("Training completed.\n")
    for inside in ("model.safetensors", "training_args.bin", "checkpoint-5/model.safetensors", "checkpoint-9/x.json"):
        path = run.folder / "output" / inside
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(1000))
    return run


# Which way is better -----------------------------------------------------------------------------------------------


def test_better_is_said_of_what_has_a_goal_only() -> None:
    assert {name: better(name) for name in ("loss", "eval/loss", "aux_loss")} == dict.fromkeys(
        ("loss", "eval/loss", "aux_loss"), "min"
    )
    high = ("reward", "rewards/margins", "rewards/accuracies", "eval/rewards/margins", "mean_token_accuracy", "margin")
    assert [better(name) for name in high] == ["max"] * len(high)
    neither = ("learning_rate", "epoch", "grad_norm", "reward_std", "rewards/f/std", "rewards/rejected", "mean_reward")
    assert [better(name) for name in neither] == [None] * len(neither)
    assert best("loss", [1, 2, 3, 4], [2.0, 0.5, None, 0.5]) == (0.5, 2)
    assert best("reward", [1, 2], [-3.0, -1.0]) == (-1.0, 2)
    assert best("loss", [1], [None]) is None
    assert best("epoch", [1], [1.0]) is None


# Comparing ---------------------------------------------------------------------------------------------------------


def test_options_of_three_recipes(catalog: Catalog) -> None:
    recipes = [
        Recipe("sft", values={"seed": 1}),
        Recipe("sft", values={"seed": 2, "learning_rate": 2e-5}),  # which is TRL's own default
        Recipe("dpo", values={"seed": 1, "beta": 0.3}, env={"A": "1"}),
    ]
    rows = {row.name: [(side.value, side.origin) for side in row.sides] for row in differing(recipes, catalog)}
    assert rows["seed"] == [(1, "said"), (2, "said"), (1, "said")]
    assert rows["method"] == [("sft", "said"), ("sft", "said"), ("dpo", "said")]
    assert rows["beta"] == [(None, "absent"), (None, "absent"), (0.3, "said")]
    assert rows["A"] == [(None, "unset"), (None, "unset"), ("1", "said")]
    # Of DPO's own default only; the two SFT recipes mean the same.
    assert rows["learning_rate"][0] == rows["learning_rate"][1]
    assert next(iter(rows)) == "method"


def test_compare(trl_studio: Trl, home: Home, store: Generated) -> None:
    ended(home, "a", "learning_rate: 1.0e-4\n", tags=["base"])
    ended(home, "b", "learning_rate: 2.0e-4\nnum_train_epochs: 2\n")
    ended(home, "c", "learning_rate: 1.0e-4\n")
    for name, values in {"a": [3.0, 1.0, 2.0], "b": [4.0, 5.0]}.items():
        for step, loss in enumerate(values, 1):
            store.log(name, range(step, step + 1), **{"train/loss": loss, "train/rewards/margins": step / 10})
    said = trl_studio("compare", "a", "b", "c", "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert [(run["id"], run["state"], run["seconds"], run["tags"]) for run in found["runs"]] == [
        ("a", "finished", 100.0, ["base"]), ("b", "finished", 100.0, []), ("c", "finished", 100.0, []),
    ]  # fmt: skip
    options = {row["name"]: row["values"] for row in found["options"]}
    assert set(options) == {"learning_rate", "num_train_epochs"}
    assert [options["learning_rate"][name]["value"] for name in "abc"] == [1e-4, 2e-4, 1e-4]
    assert options["num_train_epochs"]["a"]["origin"] == "default"
    metrics = {one["name"]: one for one in found["metrics"]}
    assert metrics["loss"]["better"] == "min"
    assert metrics["loss"]["values"] == {
        "a": {"last": 2.0, "best": 1.0, "best_step": 2.0},
        "b": {"last": 5.0, "best": 4.0, "best_step": 1.0},
        "c": {"last": None, "best": None, "best_step": None},
    }
    assert metrics["rewards/margins"]["values"]["a"]["best"] == 0.3
    words = trl_studio("compare", "a", "b").out
    assert "learning_rate" in words
    assert "lowest" in words
    assert trl_studio("compare", "a", "a").code == 2
    assert "There is no run 'x'" in trl_studio("compare", "a", "x").err
    table = run_compare.drawn(run_compare.compare(Studio(home), ["a", "b"]))
    assert table.count("<code>learning_rate</code>") == 1
    assert "<b>1</b>" in table


def test_what_the_studio_added_is_compared_as_it_ran(trl_studio: Trl, home: Home) -> None:
    added = "use_cpu: true  # there is no GPU here, and TRL stops without this\n"
    ended(home, "a", added + "save_steps: 0.1  # a crash costs a tenth of the run at most\n")
    ended(home, "b", added + "save_steps: 500\n")
    found = json.loads(trl_studio("compare", "a", "b", "--json").out)["options"]
    # What is the same in both, and what only names a run, is no difference.
    assert [row["name"] for row in found] == ["save_steps"]
    assert found[0]["values"] == {"a": {"value": 0.1, "origin": "said"}, "b": {"value": 500, "origin": "default"}}
    row = next(line for line in trl_studio("compare", "a", "b").out.splitlines() if line.startswith("save_steps"))
    assert row.split() == ["save_steps", "0.1", "500", "(default)"]
    assert "<b>0.1</b>" in run_compare.drawn(run_compare.compare(Studio(home), ["a", "b"]))


def test_charts_of_several_runs(home: Home, store: Generated) -> None:
    for name in ("a", "b"):
        ended(home, name)
        store.log(name, range(1, 5), **{"eval/loss": 3.0})
    studio = Studio(home)
    first = run_compare.points(studio, ["a", "b"], None)
    charts = {chart.key: chart for chart in first.charts}
    assert {"loss", "eval/loss"} <= set(charts)
    assert [(line.label, line.tone, line.x) for line in charts["eval/loss"].series] == [
        ("a", 0, [1.0, 2.0, 3.0, 4.0]), ("b", 1, [1.0, 2.0, 3.0, 4.0]),
    ]  # fmt: skip
    assert first.done
    assert not first.reset
    store.log("b", range(5, 6))
    more = run_compare.points(studio, ["a", "b"], first.cursor)
    assert [[line.x for line in chart.series] for chart in more.charts] == [[[], [5.0]]]
    # A server that was started anew knows no cursor: everything again, for all of them.
    again = run_compare.points(Studio(home), ["a", "b"], {"a": 10**6, "b": 10**6})
    assert again.reset
    assert len(again.charts[0].series[0].x) == 4


# The list ----------------------------------------------------------------------------------------------------------


def test_runs_are_sifted_and_sorted(home: Home) -> None:
    ended(home, "one", tags=["paper"], created="2026-01-01T00:00:00.000Z")
    ended(home, "two", method="dpo", note="the long one", created="2026-01-02T00:00:00.000Z")
    ended(home, "three", archived=True)
    runs = Runs(home).list()

    def names(**told: Any) -> list[str]:
        return [run["id"] for run in sifted(runs, Sift.of(told))]

    assert sorted(names()) == ["one", "two"]
    assert sorted(names(archived=True)) == ["one", "three", "two"]
    assert names(text="PAPER") == ["one"]
    assert names(text="dpo long finished") == ["two"]
    assert names(text="paper long") == []
    assert names(order="run", down=False) == ["one", "two"]
    assert names(order="run", down=True) == ["two", "one"]
    assert names(order="__class__") == names()
    answer = run_list.answer(Studio(home), {"text": "o", "picked": ["one", "gone"], "limit": 1})
    assert answer["picked"] == ["one"]
    assert "data-more" in answer["html"]


def test_marks(trl_studio: Trl, home: Home) -> None:
    ended(home, "a")
    assert trl_studio("mark", "a", "--tag", " two  words ", "--tag", "x", "--tag", "x", "--note", "good").code == 0
    assert trl_studio("mark", "a", "--archive").code == 0
    shown = json.loads(trl_studio("show", "a", "--json").out)
    assert (shown["tags"], shown["note"], shown["archived"]) == (["two words", "x"], "good", True)
    assert trl_studio("runs", "--json").out == "[]\n"
    assert len(json.loads(trl_studio("runs", "--archived", "--json").out)) == 1
    assert trl_studio("mark", "a", "--unarchive", "--note", "").code == 0
    assert json.loads(trl_studio("runs", "--json").out)[0]["note"] == ""
    assert trl_studio("mark", "a").code == 2
    assert trl_studio("mark", "a", "--tag", "x" * 61).code == 2
    (home.runs / "a" / "run.json").write_text("{")
    assert "cannot be read" in trl_studio("mark", "a", "--note", "n").err
    assert (home.runs / "a" / "run.json").read_text() == "{"


def test_last_values_are_read_once(tmp_path: Path) -> None:
    asked: list[Path] = []

    def read(path: Path) -> dict[str, float | None]:
        asked.append(path)
        return {"loss": None}

    export = tmp_path / "metrics.jsonl"
    export.write_text("x")
    first = LastValues(tmp_path / "c" / "kept.json", read)
    assert first.of("a", export) == {"loss": None}
    assert first.of("gone", tmp_path / "none") is None
    first.keep({"a"})
    second = LastValues(tmp_path / "c" / "kept.json", read)
    assert second.of("a", export) == {"loss": None}
    assert len(asked) == 1
    export.write_text("changed")
    second.of("a", export)
    assert len(asked) == 2
    (tmp_path / "c" / "kept.json").write_text("[1")
    assert LastValues(tmp_path / "c" / "kept.json", read).of("a", export) == {"loss": None}


# Taking along ------------------------------------------------------------------------------------------------------


def test_metrics_as_csv(trl_studio: Trl, home: Home, store: Generated, tmp_path: Path) -> None:
    ended(home, "a")
    store.log("a", range(1, 3))
    store.log("a", range(3, 4), **{"train/loss": "NaN", "eval/loss": 2.5, "train/table": {"_value": []}})
    said = trl_studio("export", "a", "--csv")
    assert said.code == 0
    assert f"trackio show --project {PROJECT}" in said.err
    rows = list(csv.reader(io.StringIO(said.out)))
    assert rows[0] == ["step", "time", "loss", "eval/loss"]
    assert [(row[0], *row[2:]) for row in rows[1:]] == [("1", "0.5", ""), ("2", str(1 / 3), ""), ("3", "NaN", "2.5")]
    assert trl_studio("export", "a", "--csv", "--to", str(tmp_path / "x.csv")).code == 0
    assert (tmp_path / "x.csv").read_text() == said.out


@pytest.mark.parametrize("kind", ["csv", "zip"])
def test_no_folder_is_made_for_what_is_taken_along(trl_studio: Trl, home: Home, tmp_path: Path, kind: str) -> None:
    ended(home, "a")
    (tmp_path / "file").touch()
    for folder in (tmp_path / "no", tmp_path / "no" / "such", tmp_path / "file"):
        said = trl_studio("export", "a", f"--{kind}", "--to", str(folder / "x"))
        assert said.code == 2
        assert f"x cannot be written: there is no folder {folder}." in said.err
    assert not (tmp_path / "no").exists()


def corrupt(store: Generated, part: slice = slice(None)) -> bytes:
    """Writes random bytes over a metrics store or a part of it; what is in the file then."""
    store.connection.close()
    held = bytearray(store.path.read_bytes())
    held[part] = random.Random(0).randbytes(len(held[part]))
    store.path.write_bytes(held)
    return bytes(held)


def test_of_a_corrupt_store_the_runs_own_metrics_are_taken(trl_studio: Trl, home: Home, store: Generated) -> None:
    run = ended(home, "a")
    ended(home, "b")
    for name in ("a", "b"):
        store.log(name, range(1, 3))
    MetricsStore(home.trackio).export(PROJECT, "a", run.folder / "metrics.jsonl")
    whole = trl_studio("export", "a", "--csv").out
    corrupt(store)
    said = trl_studio("export", "a", "--csv")
    assert (said.code, said.out) == (0, whole)
    assert f"{PROJECT}.db is corrupt. The rows are those that metrics.jsonl" in said.err
    without = trl_studio("export", "b", "--csv")
    assert without.code == 2
    assert "it is unreadable" in without.err
    assert "Put a copy of that file back" in without.err


@pytest.mark.parametrize("output", [False, True])
def test_a_whole_run_as_zip(trl_studio: Trl, home: Home, store: Generated, tmp_path: Path, output: bool) -> None:
    run = ended(home, "a")
    store.log("a", range(1, 3))
    to = tmp_path / "a.zip"
    said = trl_studio("export", "a", "--zip", "--to", str(to), *(["--output"] if output else []))
    assert said.code == 0, said.err
    with zipfile.ZipFile(to) as archive:
        assert archive.testzip() is None
        names = set(archive.namelist())
        assert archive.read("a/recipe.yaml") == (run.folder / "recipe.yaml").read_bytes()
        # The store's rows, of a run that has exported none itself.
        assert len(archive.read("a/metrics.jsonl").splitlines()) == 2
    assert {"a/run.json", "a/train.log"} <= names
    assert ("a/output/checkpoint-5/model.safetensors" in names) is output
    assert "a/run.lock" not in names
    assert list(tmp_path.glob(".*.part")) == []


def test_no_zip_where_there_is_no_room(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trl_studio: Trl
) -> None:
    ended(home, "a")
    monkeypatch.setattr("studio.service.exporting.shutil.disk_usage", lambda path: SimpleNamespace(free=5))
    said = trl_studio("export", "a", "--zip", "--to", str(tmp_path / "a.zip"))
    assert said.code == 2
    assert "are free" in said.err
    assert not (tmp_path / "a.zip").exists()


# Throwing away -----------------------------------------------------------------------------------------------------


def count(store: Generated, run: str) -> int:
    return int(store.connection.execute("SELECT count(*) FROM metrics WHERE run_name = ?", (run,)).fetchone()[0])


def test_rm(trl_studio: Trl, home: Home, store: Generated) -> None:
    ended(home, "a")
    ended(home, "b")
    for name in ("a", "b"):
        store.log(name, range(5))
    asked = trl_studio("rm", "a")
    assert asked.code == 2
    assert "2 checkpoints and the trained model: " in asked.err
    assert "--yes" in asked.err
    assert (home.runs / "a").is_dir()
    assert trl_studio("rm", "a", "--yes").code == 0
    assert [entry.name for entry in home.runs.iterdir()] == ["b"]
    assert (count(store, "a"), count(store, "b")) == (0, 5)
    assert trl_studio("rm", "a", "--yes").code == 2
    ended(home, "a")
    assert json.loads(trl_studio("show", "a", "--json").out)["last_metrics"] == {}


def test_rm_of_a_held_store_leaves_everything(home: Home, store: Generated, monkeypatch: pytest.MonkeyPatch) -> None:
    ended(home, "a")
    store.log("a", range(5))
    monkeypatch.setattr("studio.adapters.metrics._EXPORT_LOCK_WAIT", 0.05)
    store.connection.execute("BEGIN IMMEDIATE")
    with pytest.raises(StudioError, match="could not be taken out"):
        Keeping(Runs(home)).remove("a")
    store.connection.execute("ROLLBACK")
    assert [entry.name for entry in home.runs.iterdir()] == ["a"]
    assert Runs(home).show("a")["state"] == "finished"
    assert count(store, "a") == 5


@pytest.mark.parametrize("part", [slice(None), slice(44, 48)])  # all of it, or the format's number
def test_rm_beside_a_corrupt_store(trl_studio: Trl, home: Home, store: Generated, part: slice) -> None:
    ended(home, "a")
    store.log("a", range(5))
    assert Keeping(Runs(home)).store_trouble("a") == ""
    noise = corrupt(store, part)
    assert f"{PROJECT}.db is corrupt." in question("a", Keeping(Runs(home)).store_trouble("a"))
    said = trl_studio("rm", "a", "--yes")
    assert said.code == 0, said.err
    assert f"The metrics store {store.path} is corrupt. What it holds of the run may still be there." in said.err
    assert list(home.runs.iterdir()) == []
    assert store.path.read_bytes() == noise


def test_a_live_run_is_not_deleted(tmp_path: Path) -> None:
    lab = RunLab(tmp_path)
    try:
        run = lab.start_waiting()
        with pytest.raises(StudioError, match="is training; it cannot be deleted"):
            removing.remove(run, lambda: pytest.fail("something was taken away"))
        assert run.state() == "training"
        (run.folder / "go").touch()
        wait_until(lambda: run.state() == "finished")
        removing.remove(run, lambda: None)
        assert lab.folders.list() == []
    finally:
        lab.close()


CRASH = """
import os, sys
from pathlib import Path
from studio.adapters import removing
from studio.adapters.runs import Run
removing.remove(Run(Path(sys.argv[1])), lambda: os._exit(9))
"""


@pytest.mark.parametrize("name_taken", [False, True])
def test_a_crash_in_between_is_cleared_up(home: Home, store: Generated, root: Path, name_taken: bool) -> None:
    run = ended(home, "a")
    store.log("a", range(5))
    done = subprocess.run([sys.executable, "-c", CRASH, str(run.folder)], env={**os.environ, "PYTHONPATH": str(root)})
    assert done.returncode == 9
    runs = Runs(home)
    assert runs.list() == []
    assert runs.names() == set()
    assert len(list(home.runs.iterdir())) == 1
    if name_taken:
        ended(home, "a")
    Keeping(runs).sweep()
    assert [entry.name for entry in home.runs.iterdir()] == (["a"] if name_taken else [])
    # The rows under a name that is another run's by now are that one's.
    assert count(store, "a") == (5 if name_taken else 0)


def test_the_real_trackio_does_not_know_the_run_any_more(tmp_path: Path) -> None:
    real_run(tmp_path, "p", "gone", 1, 7)
    real_run(tmp_path, "p", "stays", 1, 4)
    media = tmp_path / "media" / "p" / "gone"
    media.mkdir(parents=True)
    assert MetricsStore(tmp_path).remove("p", "gone") > 6
    assert not media.exists()
    script = "import json, trackio; a = trackio.Api(); print(json.dumps([r.name for r in a.runs('p')]))"
    said = subprocess.run(
        [sys.executable, "-c", script], env=trackio_environment(tmp_path), capture_output=True, text=True, check=True
    )
    assert json.loads(said.stdout.splitlines()[-1]) == ["stays"]
    with closing(sqlite3.connect(tmp_path / "p.db")) as connection:
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
            if "run_name" in columns:
                assert connection.execute(f"SELECT count(*) FROM {table} WHERE run_name = 'gone'").fetchone() == (0,)
    assert MetricsStore(tmp_path / "none").remove("p", "gone") == 0
