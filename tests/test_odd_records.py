"""Records that somebody has spoilt, copied or left alone: nothing false is said, and one spoils nothing for others."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from run_lab import RunLab, attempt_of, everyone, identity, kill, let_go, wait_until

from studio.adapters.home import Home
from studio.adapters.launching import adopt, launch, stop
from studio.adapters.metrics import MetricsStore
from studio.adapters.processes import snapshot, tree_of
from studio.adapters.runs import Run, last_attempt
from studio.cli import main
from studio.domain.checks import check
from studio.domain.moments import moment
from studio.domain.recipe import Recipe
from studio.service.sifting import _VALUES, Sift, sifted
from studio.service.studio import Studio
from studio.ui import run_list
from studio.ui.tabs.runs import _head

ODD: list[Any] = [5, -1, 1e300, True, None, "", "x", "2026-01-01", "120", [], [1], {}, {"a": 1}]
OF_THE_RUN = ("version", "id", "method", "created", "tags", "note", "archived", "starter", "folder")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[RunLab]:
    lab = RunLab(tmp_path)
    yield lab
    lab.close()


def spoil(run: Run, key: str, value: Any) -> None:
    def change(record: dict[str, Any]) -> None:
        (record if key in OF_THE_RUN else last_attempt(record))[key] = value

    run.update(change)


def test_no_odd_value_keeps_the_other_runs_from_being_listed(
    lab: RunLab, catalog_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = lab.folders.runs.parent
    (home / "cache").symlink_to(catalog_folder, target_is_directory=True)
    run = lab.start("odd", steps=2)
    wait_until(lambda: run.state() == "finished")
    shutil.copytree(run.folder, lab.folders.runs / "other")
    studio = Studio(Home(home))
    whole = (run.folder / "run.json").read_bytes()
    for key in (*OF_THE_RUN, *attempt_of(run)):
        for value in ODD:
            (run.folder / "run.json").write_bytes(whole)
            spoil(run, key, value)
            shown = studio.runs.list()
            assert {one["id"] for one in shown} == {"odd", "other"}, (key, value)
            for order in _VALUES:
                assert len(sifted(shown, Sift(order=order, archived=True))) == 2, (key, value)
            for one in shown:
                assert run_list.label(one["method"]) is not None
                assert "ts-card" in _head(one, "", ""), (key, value)
            studio.diagnose("odd")
            assert main(["--home", str(home), "runs", "--archived"]) == 0, (key, value)
            assert main(["--home", str(home), "show", "odd"]) == 0, (key, value)
            said = capsys.readouterr()
            assert "should not have happened" not in said.out + said.err


def test_a_copy_is_nobodys_and_stops_nobody(lab: RunLab) -> None:
    run = lab.start_waiting()
    copied = Run(lab.folders.runs / "copied")
    shutil.copytree(run.folder, copied.folder)
    before = (copied.folder / "run.json").read_bytes()
    assert not adopt(copied, {})
    for how in ("save", "now"):
        assert not stop(copied, how, {})  # type: ignore[arg-type]
    time.sleep(2)
    assert (copied.folder / "run.json").read_bytes() == before
    assert run.state() == "training"
    assert copied.state() == "interrupted"
    let_go(run)
    wait_until(lambda: run.state() == "finished")


def test_numbers_that_are_none_do_not_end_the_supervisor(lab: RunLab) -> None:
    run = lab.start_waiting()
    for key, value in (("grace", "120"), ("linger", None), ("at_end_timeout", "x"), ("last_step", "4")):
        spoil(run, key, value)
    supervisor = identity(run, "supervisor")
    assert stop(run, "save", {})
    wait_until(lambda: run.state() == "stopped")
    wait_until(lambda: attempt_of(run)["outcome"] == "stopped")
    assert not supervisor.is_alive() or supervisor == identity(run, "supervisor")


def vanish(run: Run) -> None:
    """All processes of a run are killed, its supervisor first."""
    kill(identity(run, "supervisor"))
    for process in everyone(run):
        for pid in tree_of([process.pid], snapshot()):
            kill(pid)
    wait_until(lambda: run.state() == "interrupted")


def test_what_was_interrupted_stays_so_when_somebody_asks_it_to_stop(lab: RunLab) -> None:
    run = lab.start_waiting()
    vanish(run)
    assert not stop(run, "save", {})
    assert run.state() == "interrupted"
    assert attempt_of(run)["stop"] is None


def test_the_end_of_a_run_that_nobody_saw_end_is_when_it_was_last_heard_of(lab: RunLab) -> None:
    run = lab.start_waiting()
    vanish(run)
    last = run.last_sign(attempt_of(run))
    time.sleep(2.5)
    assert adopt(run, {})
    wait_until(lambda: attempt_of(run)["outcome"] == "interrupted")
    ended, heard = moment(attempt_of(run)["ended"]), moment(last)
    assert ended is not None
    assert heard is not None
    assert abs((ended - heard).total_seconds()) < 1.5


def test_one_that_never_began_is_told_so_and_can_be_taken_out(lab: RunLab, catalog_folder: Path) -> None:
    (lab.folders.runs.parent / "cache").symlink_to(catalog_folder, target_is_directory=True)
    studio = Studio(Home(lab.folders.runs.parent))
    first, second = lab.create("first", steps=3, wait_at=1), lab.create("second", steps=3)
    for run in (first, second):
        launch(run, lab.command, {}, queue={"gpus": []})
    wait_until(lambda: first.state() == "training")
    kill(identity(second, "supervisor"))
    (said,) = studio.diagnose("second")
    assert "It never began" in said.message
    shown = studio.runs.show("second")
    assert "it waits on once a studio is started again" in _head(shown, "", "")
    assert studio.runs.stop("second")
    wait_until(lambda: second.state() == "stopped")
    assert "taken out of the queue before it began" in _head(studio.runs.show("second"), "", "")
    let_go(first)


def test_a_supervisor_that_was_lost_is_replaced_by_the_server_that_is_there(
    lab: RunLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = Studio(Home(lab.folders.runs.parent)).runs
    run, done = lab.start_waiting(), lab.start("done", steps=1)
    wait_until(lambda: done.state() == "finished")
    assert {one["id"] for one in runs.list()} == {"run", "done"}
    assert runs.adopt_all() == set()
    kill(identity(run, "supervisor"))
    assert runs.adopt_all() == {"run"}
    let_go(run)
    wait_until(lambda: attempt_of(run)["outcome"] == "finished")


@pytest.mark.parametrize(
    ("more", "words", "never"),
    [
        ({"state": "interrupted", "started": "2026-01-01T00:00:00Z"}, "vanished without a word", "Resume goes on"),
        ({"state": "stopped", "started": "2026-01-01T00:00:00Z"}, "stopped on request", "checkpoints lie"),
        ({"state": "stopping", "stop": "now", "started": "2026-01-01T00:00:00Z"}, "without saving", "by force"),
        ({"state": "stopping", "stop": "save"}, "is taken out of the queue", "saves a checkpoint"),
        ({"state": "failed", "started": "2026-01-01T00:00:00Z"}, "an exit that nobody saw", "None"),
    ],
)
def test_the_sentence_under_the_numbers_promises_nothing(
    more: dict[str, Any], words: str, never: str, tmp_path: Path
) -> None:
    run: dict[str, Any] = {"id": "r", "method": "sft", "folder": str(tmp_path), "last_step": None, "total_steps": None}
    run |= {"started": None, "ended": None, "seconds": None, "queued": None, "stop": None, "force_in": 100, "doing": ""}
    run |= {"exit": {"code": None, "signal": None}, "last_metrics": {}} | more
    drawn = _head(run, "", "")
    assert words in drawn
    assert never not in drawn
    (tmp_path / "output" / "checkpoint-5").mkdir(parents=True)
    if more["state"] in ("interrupted", "stopped"):
        assert never in _head(run, "", "")


def test_no_steps_are_none(catalog: Any) -> None:
    found = [one for one in check(Recipe("sft", {"max_steps": 0}), catalog) if one.where.name == "max_steps"]
    assert [(one.level, one.fix.unset if one.fix else ()) for one in found] == [("error", ("max_steps",))]
    assert not [one for one in check(Recipe("sft", {"max_steps": -1}), catalog) if one.where.name == "max_steps"]


def test_a_name_that_the_metrics_store_knows_is_not_given_again(tmp_path: Path, catalog_folder: Path) -> None:
    import sqlite3

    (tmp_path / "cache").symlink_to(catalog_folder, target_is_directory=True)
    studio = Studio(Home(tmp_path))
    recipe = Recipe("sft", {"dataset_name": "a/words"})
    assert studio.run_name(recipe) == "words-sft-01"
    store = MetricsStore(tmp_path / "trackio")
    store.trackio_dir.mkdir(exist_ok=True)
    assert store.names("trl-studio") == set()
    with sqlite3.connect(store.path("trl-studio")) as connection:
        connection.execute("CREATE TABLE configs (run_id TEXT, run_name TEXT, config TEXT)")
        connection.execute("INSERT INTO configs VALUES ('1', 'words-sft-01', '{}')")
    connection.close()
    assert studio.run_name(recipe) == "words-sft-02"
