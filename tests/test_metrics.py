"""The metrics store against the real trackio, and against generated stores of size, drift and damage."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from studio.adapters import metrics
from studio.adapters.metrics import MetricsStore, database_name, read_export
from studio.adapters.run_metrics import RunMetrics

REAL_RUN = """
import sys, trackio
project, run, first, last = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
trackio.init(project=project, name=run, resume="allow", auto_log_gpu=False, auto_log_cpu=False)
for step in range(first, last):
    loss = float("nan") if step == 3 else float("inf") if step == 4 else 1.0 / step
    trackio.log({"train/loss": loss, "train/rewards/margins": step / 10, "train/epoch": step / 100,
                 "train/global_step": step})
    if step % 5 == 0:
        trackio.log({"eval/loss": 2.0 / step, "train/epoch": step / 100, "train/global_step": step})
        trackio.log({"completions": trackio.Table(data=[[step, "a"]], columns=["step", "completion"])})
trackio.log_system({"cpu/utilization": 12.5})
trackio.finish()
"""


def trackio_environment(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "TRACKIO_DIR": str(folder),
        "TRACKIO_STORAGE_MODE": "sqlite",
        "TRACKIO_SQLITE_LOCKING_MODE": "normal",
        "TRACKIO_SQLITE_JOURNAL_MODE": "wal",
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(folder / "hf"),
    }


def real_run(folder: Path, project: str, run: str, first: int, last: int) -> None:
    arguments = [sys.executable, "-c", REAL_RUN, project, run, str(first), str(last)]
    done = subprocess.run(arguments, env=trackio_environment(folder), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def trackio_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that the real trackio wrote: two runs in one project, one of them resumed from step 7."""
    folder = tmp_path_factory.mktemp("trackio")
    real_run(folder, "my.project", "first", 1, 11)
    real_run(folder, "my.project", "other", 1, 4)
    real_run(folder, "my.project", "first", 8, 13)
    return folder


class Generated:
    """A store in trackio's layout, written directly."""

    def __init__(self, folder: Path, project: str = "p", columns: str = "step INTEGER, metrics TEXT") -> None:
        folder.mkdir(exist_ok=True)
        self.path = folder / database_name(project)
        self.connection = sqlite3.connect(self.path, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode=wal")
        shared = "id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT, timestamp TEXT, run_name TEXT"
        self.connection.execute(f"CREATE TABLE metrics ({shared}, {columns})")
        self.connection.execute(f"CREATE TABLE system_metrics ({shared}, metrics TEXT)")
        self.connection.execute("CREATE INDEX idx_metrics_run_step ON metrics(run_id, run_name)")
        self.connection.execute("PRAGMA user_version = 2")

    def log(self, run: str, steps: range, **values: Any) -> None:
        rows = [
            (run, run, "2026-01-01T00:00:00+00:00", step, json.dumps(_logged(step, values)).encode()) for step in steps
        ]
        self.connection.execute("BEGIN")
        self.connection.executemany(
            "INSERT INTO metrics (run_id, run_name, timestamp, step, metrics) VALUES (?, ?, ?, ?, ?)", rows
        )
        self.connection.execute("COMMIT")

    def log_raw(self, run: str, text: str) -> None:
        self.connection.execute(
            "INSERT INTO metrics (run_id, run_name, timestamp, step, metrics) VALUES (?, ?, '2026', 0, ?)",
            (run, run, text),
        )


def _logged(step: int, values: dict[str, Any]) -> dict[str, Any]:
    return {"train/loss": 1.0 / (step + 1), "train/global_step": step, **values}


@pytest.fixture
def generated(tmp_path: Path) -> Iterator[Generated]:
    store = Generated(tmp_path / "trackio")
    with closing(store.connection):
        yield store


def run_metrics(store: Generated, run: str = "r", export: Path | None = None) -> RunMetrics:
    return RunMetrics(MetricsStore(store.path.parent), "p", run, export)


# --- the real trackio


def test_database_name_is_trackios_own(tmp_path: Path) -> None:
    names = ["trl-studio", "my.model", "a b/c", "été_9", "...", "", "x-_y ", "registry", "MixedCase"]
    script = "import sys, json; from trackio.sqlite_storage import SQLiteStorage as s\n"
    script += "print(json.dumps([s.get_project_db_filename(n) for n in json.loads(sys.argv[1])]))"
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps(names)],
        env=trackio_environment(tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )
    assert [database_name(name) for name in names] == json.loads(done.stdout)


def test_a_real_run_is_read_with_gaps_and_tables(trackio_dir: Path) -> None:
    run = RunMetrics(MetricsStore(trackio_dir), "my.project", "first")
    assert run.refresh() == 15 + 3 + 3 + 2  # steps, evaluations, tables, the machine; both attempts
    assert run.state == "ok"
    loss = run.series("loss")
    assert loss.x == [float(step) for step in range(1, 13)]
    assert loss.y == [None if step in (3, 4) else 1.0 / step for step in range(1, 13)]
    assert (loss.points, loss.gaps) == (12, 2)
    assert run.series("eval/loss").x == [5.0, 10.0]
    assert run.last()["rewards/margins"] == 1.2
    assert run.last()["global_step"] == 12.0
    assert "global_step" not in run.names()
    assert [table.step for table in run.tables()] == [5.0, 10.0, 10.0]
    assert run.tables()[-1].rows == [{"step": 10, "completion": "a"}]
    assert run.system.last() == {"cpu/utilization": 12.5}
    assert run.refresh() == 0


def test_rows_name_their_gaps(trackio_dir: Path) -> None:
    rows = MetricsStore(trackio_dir).rows_after("my.project", "other").rows
    assert [row.gaps for row in rows] == [{}, {}, {"train/loss": "NaN"}]
    assert rows[2].values["train/loss"] is None


def test_export_round_trip_and_merge(trackio_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "run" / "metrics.jsonl"
    store = MetricsStore(trackio_dir)
    count = store.export("my.project", "first", out)
    rows, system = read_export(out)
    assert rows == store.rows_after("my.project", "first").rows
    assert system == store.system_rows_after("my.project", "first").rows
    assert count == len(rows) + len(system)
    # On another machine, with an empty store, the export alone shows the run; a run resumed there adds to it.
    copied = RunMetrics(MetricsStore(tmp_path / "elsewhere"), "my.project", "first", out)
    assert copied.refresh() == count
    assert copied.state == "absent"
    assert copied.series("loss").x == [float(step) for step in range(1, 13)]
    real_run(tmp_path / "elsewhere", "my.project", "first", 13, 15)
    assert copied.refresh() == 3
    assert copied.series("loss").x == [float(step) for step in range(1, 15)]
    assert MetricsStore(tmp_path / "elsewhere").export("my.project", "first", out) == count + 3
    # Where the store has all of them, the export adds nothing.
    assert RunMetrics(store, "my.project", "first", tmp_path / "none.jsonl").refresh() == count


def test_export_as_a_command(trackio_dir: Path, tmp_path: Path) -> None:
    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "studio.adapters.metrics", *arguments]
        root = Path(__file__).resolve().parent.parent
        return subprocess.run(line, cwd=root, capture_output=True, text=True, check=False)

    out = tmp_path / "metrics.jsonl"
    done = call("export", str(trackio_dir), "my.project", "other", str(out))
    assert (done.returncode, done.stderr) == (0, "")
    assert len(out.read_text().splitlines()) == 4
    assert call("export").returncode == 2
    nothing = call("export", str(trackio_dir), "my.project", "unknown", str(tmp_path / "unknown.jsonl"))
    assert nothing.returncode == 0
    assert not (tmp_path / "unknown.jsonl").exists()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "p.db").write_bytes(b"not a database, certainly" * 100)
    broken = call("export", str(tmp_path / "bad"), "p", "r", str(out))
    assert broken.returncode == 1
    assert "unreadable" in broken.stderr
    assert len(out.read_text().splitlines()) == 4


def test_a_writer_in_another_process_is_seen_as_it_writes(tmp_path: Path, wait_until: Any) -> None:
    script = REAL_RUN.replace("trackio.finish()", "sys.stdin.readline()\ntrackio.finish()")
    line = [sys.executable, "-c", script, "p", "live", "1", "4"]
    with subprocess.Popen(
        line, env=trackio_environment(tmp_path), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as writer:
        run = RunMetrics(MetricsStore(tmp_path), "p", "live")
        wait_until(lambda: run.refresh() >= 0 and len(run.series("loss").x) == 3, "three steps in the store")
        assert writer.poll() is None
        assert writer.stdin is not None
        writer.stdin.write(b"\n")
        writer.stdin.close()
        assert writer.wait(60) == 0


# --- size: rows and statements are counted, not seconds


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The SQLite instructions of each read since the list was last cleared, in units of 100."""
    done: list[int] = []
    connect = metrics._connect

    def counted(path: Path, wait: float) -> sqlite3.Connection:
        connection = connect(path, wait)
        place = len(done)
        done.append(0)

        def tick() -> int:
            done[place] += 1
            return 0

        connection.set_progress_handler(tick, 100)
        return connection

    monkeypatch.setattr(metrics, "_connect", counted)
    return done


def test_a_poll_of_a_long_run_reads_only_what_is_new(generated: Generated, work: list[int]) -> None:
    generated.log("r", range(30_000))
    run = run_metrics(generated)
    assert run.refresh() == 30_000
    whole = sum(work)
    work.clear()
    assert run.refresh() == 0
    generated.log("r", range(30_000, 30_020))
    assert run.refresh() == 20
    assert whole > 1000
    assert sum(work) < whole / 100
    assert run.series("loss").points == 30_020


def test_other_runs_rows_are_scanned_once(generated: Generated, work: list[int]) -> None:
    generated.log("r", range(10))
    run = run_metrics(generated)
    assert run.refresh() == 10
    generated.log("busy", range(30_000))
    run.refresh()
    work.clear()
    assert run.refresh() == 0
    assert sum(work) < 10


def test_the_row_id_is_searched_and_not_an_index_of_runs(generated: Generated) -> None:
    query = metrics._AFTER.format(table="metrics", step="step")
    plan = generated.connection.execute(f"EXPLAIN QUERY PLAN {query}", (1, 9, "r", -1)).fetchall()
    assert "INTEGER PRIMARY KEY (rowid>? AND rowid<?)" in plan[0][3]


def test_limits_come_in_batches(generated: Generated) -> None:
    generated.log("r", range(25))
    store = MetricsStore(generated.path.parent)
    first = store.rows_after("p", "r", 0, limit=10)
    assert ([row.step for row in first.rows], first.last_id, first.complete) == (list(range(10)), 10, False)
    rest = store.rows_after("p", "r", first.last_id, limit=100)
    assert ([row.step for row in rest.rows], rest.last_id, rest.complete) == (list(range(10, 25)), 25, True)


# --- what a store can be like


def test_missing_file_and_missing_table(tmp_path: Path) -> None:
    store = MetricsStore(tmp_path)
    assert store.rows_after("p", "r", 7) == metrics.Rows([], 7, "absent")
    sqlite3.connect(store.path("p")).close()
    assert store.rows_after("p", "r", 7) == metrics.Rows([], 7, "absent")
    with closing(sqlite3.connect(store.path("p"))) as empty, empty:
        empty.execute("CREATE TABLE other (id INTEGER)")
    assert store.rows_after("p", "r", 7).state == "absent"


def test_a_locked_store_gives_nothing_new_and_keeps_its_place(tmp_path: Path) -> None:
    store = Generated(tmp_path / "trackio")
    store.log("r", range(3))
    run = run_metrics(store)
    assert run.refresh() == 3
    store.connection.execute("PRAGMA journal_mode=delete")
    store.log("r", range(3, 6))
    store.connection.execute("BEGIN EXCLUSIVE")
    assert MetricsStore(store.path.parent).rows_after("p", "r", 3) == metrics.Rows([], 3, "locked")
    assert run.refresh() == 0
    assert run.state == "locked"
    store.connection.execute("COMMIT")
    assert run.refresh() == 3
    assert run.state == "ok"
    store.connection.close()


def test_a_newer_schema_with_the_same_columns_is_read(generated: Generated) -> None:
    generated.connection.execute("ALTER TABLE metrics ADD COLUMN color TEXT")
    generated.connection.execute("PRAGMA user_version = 9")
    generated.log("r", range(3))
    assert run_metrics(generated).refresh() == 3


def test_an_unknown_schema_falls_back_to_the_export(tmp_path: Path) -> None:
    known = Generated(tmp_path / "known")
    known.log("r", range(4))
    out = tmp_path / "metrics.jsonl"
    MetricsStore(tmp_path / "known").export("p", "r", out)
    known.connection.close()
    drifted = Generated(tmp_path / "drifted", columns="step INTEGER, payload TEXT")
    drifted.connection.close()
    run = run_metrics(drifted, export=out)
    assert run.refresh() == 4
    assert run.state == "unreadable"
    assert run.series("loss").x == [0.0, 1.0, 2.0, 3.0]


def test_damage(generated: Generated, tmp_path: Path) -> None:
    generated.log("r", range(2))
    generated.log_raw("r", "{broken")
    generated.log("r", range(2, 4))
    generated.log_raw("b", "{broken")
    generated.log_raw("b", "[1, 2]")
    run = run_metrics(generated)
    assert run.refresh() == 4  # one broken row hides no others
    assert run_metrics(generated, "b").refresh() == 0
    assert MetricsStore(generated.path.parent).rows_after("p", "b").state == "unreadable"
    (tmp_path / "p.db").write_bytes(b"SQLite format 3\x00" + b"\xff" * 4000)
    assert MetricsStore(tmp_path).rows_after("p", "r", 5) == metrics.Rows([], 5, "unreadable")


def test_a_broken_export_keeps_its_good_lines(generated: Generated, tmp_path: Path) -> None:
    generated.log("r", range(3))
    out = tmp_path / "metrics.jsonl"
    MetricsStore(generated.path.parent).export("p", "r", out)
    out.write_text(out.read_text()[:-20])
    assert [row.step for row in read_export(out)[0]] == [0, 1]
    assert read_export(tmp_path / "none.jsonl") == ([], [])


def test_a_failed_export_leaves_the_earlier_one(
    generated: Generated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generated.log("r", range(3))
    out = tmp_path / "out" / "metrics.jsonl"
    store = MetricsStore(generated.path.parent)
    store.export("p", "r", out)
    before = out.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    generated.log("r", range(3, 6))
    with pytest.raises(OSError, match="No space left"):
        store.export("p", "r", out)
    assert out.read_bytes() == before
    assert os.listdir(out.parent) == ["metrics.jsonl"]


def test_a_replaced_store_is_read_from_its_start(tmp_path: Path) -> None:
    first = Generated(tmp_path / "trackio")
    first.log("r", range(9))
    run = run_metrics(first)
    run.refresh()
    cursor = run.since()["cursor"]
    first.connection.close()
    for path in first.path.parent.iterdir():
        path.unlink()
    second = Generated(tmp_path / "trackio")
    second.log("r", range(2))
    assert run.refresh() == 2
    assert run.series("loss").x == [0.0, 1.0]
    news = run.since(cursor)
    assert news["reset"] is True
    assert news["series"]["loss"]["x"] == [0.0, 1.0]
    second.connection.close()


def test_rows_without_a_step_belong_to_the_step_last_seen(generated: Generated) -> None:
    generated.log_raw("r", json.dumps({"profiling/generate": 0.5}))
    generated.log("r", range(4, 5))
    generated.log_raw("r", json.dumps({"profiling/generate": 0.25, "note": "text", "flag": True}))
    run = run_metrics(generated)
    run.refresh()
    assert run.series("profiling/generate").x == [0.0, 4.0]
    assert run.names() == ["profiling/generate", "loss"]


# --- long runs


def test_the_first_look_at_a_long_run_is_a_sample_and_all_of_it_follows(generated: Generated) -> None:
    generated.log("r", range(20_000), **{"train/epoch": 1.0})
    generated.log("r", range(777, 778), **{"train/rare": 3.0})  # a resumed run says step 777 again
    generated.log("r", range(778, 20_000))
    run = RunMetrics(MetricsStore(generated.path.parent), "p", "r", quick=True)
    assert 1000 <= run.refresh() < 2000
    assert run.last()["global_step"] == 19_999.0
    cursor = run.since(0)["cursor"]
    run.wait()
    assert run.series("loss", 50_000).x == [float(step) for step in range(20_000)]
    assert run.series("rare").x == [777.0]
    assert run.since(cursor)["reset"]
    assert run.axes.series("time").points == 20_000
    generated.log("r", range(20_000, 20_003))
    assert run.refresh() == 3
    assert run_metrics(generated).refresh() == 40_000 - 778 + 1 + 3 - 0


def test_a_long_run_is_sampled_from_its_export_where_the_store_has_it_no_more(
    generated: Generated, tmp_path: Path
) -> None:
    generated.log("r", range(20_000), **{"train/filler": "x" * 100})
    out = tmp_path / "metrics.jsonl"
    store = MetricsStore(generated.path.parent)
    assert store.export("p", "r", out) == 20_000
    store.remove("p", "r")
    run = RunMetrics(store, "p", "r", out, quick=True)
    assert 900 <= run.refresh() < 5000
    assert run.last()["global_step"] == 19_999.0
    run.wait()
    assert run.series("loss", 50_000).points == 20_000


def test_axes_say_where_a_step_is_otherwise(generated: Generated) -> None:
    generated.log("r", range(1, 3), **{"train/epoch": 0.5, "train/num_tokens": 64})
    generated.log("r", range(2, 3), **{"eval/loss": 1.0, "train/epoch": 0.9})  # what comes after it is no other place
    run = run_metrics(generated)
    run.refresh()
    assert run.axes.recent(("epoch", "tokens"), 5) == [
        {"global_step": 1.0, "epoch": 0.5, "tokens": 64.0},
        {"global_step": 2.0, "epoch": 0.5, "tokens": 64.0},
    ]
    assert run.axes.series("time").y == [1767225600.0, 1767225600.0]
