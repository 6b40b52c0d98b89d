"""Run folders: written whole or not at all, safe under many writers, readable whatever happened to them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.adapters import runs as runs_module
from studio.adapters.exitcode import FILE_BYTES, read_exits, write_exits
from studio.adapters.locking import hold
from studio.adapters.processes import ProcessId, command_line, is_training_command, snapshot, tree_of
from studio.adapters.runs import SAFE_ID, Record, Run, RunFolders, last_attempt
from studio.domain.errors import StudioError

RECIPE = "model_name_or_path: tiny\r\n# é ✓\nlearning_rate: 2.0e-05"


@pytest.fixture
def folders(tmp_path: Path) -> RunFolders:
    return RunFolders(tmp_path / "home" / "runs")


def set_attempt(run: Run, **fields: object) -> None:
    def change(record: Record) -> None:
        record["attempts"] = [{"number": 1} | fields]

    run.update(change)


def me() -> ProcessId:
    found = ProcessId.of(os.getpid())
    assert found is not None
    return found


# Folders


def test_a_new_run_holds_what_it_was_given(folders: RunFolders) -> None:
    run = folders.create("sft-1", "sft", RECIPE, "use_cpu: true\n", {"templates/chat.jinja": b"{{ x }}"})
    assert (run.folder / "recipe.yaml").read_bytes() == RECIPE.encode()
    assert (run.folder / "accelerate.yaml").read_text() == "use_cpu: true\n"
    assert (run.folder / "templates" / "chat.jinja").read_bytes() == b"{{ x }}"
    record = run.record()
    assert (record["version"], record["id"], record["method"], record["attempts"]) == (1, "sft-1", "sft", [])
    assert record["created"].endswith("Z")
    assert folders.get("sft-1").state() == "queued"
    assert os.listdir(folders.runs) == ["sft-1"]


@pytest.mark.parametrize("name", ["a", "7", "_x", "sft-2026.11_a", "a" * 100])
def test_safe_names_are_taken(folders: RunFolders, name: str) -> None:
    assert folders.create(name, "sft", "").id == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".x", "-x", "a/b", "a\\b", "a b", "é", "x\n", "x.", "a" * 101, "../x", "a:b", "\0"]
)
def test_unsafe_names_are_refused(folders: RunFolders, name: str) -> None:
    with pytest.raises(StudioError):
        folders.create(name, "sft", "")
    with pytest.raises(StudioError):
        folders.get(name)
    assert not folders.runs.exists()


@given(st.text(max_size=110))
def test_a_safe_name_is_one_path_part(name: str) -> None:
    if SAFE_ID.fullmatch(name):
        assert (Path("/runs") / name).resolve() == Path("/runs", name)
        assert len(name) <= 100


def test_a_name_is_given_once(folders: RunFolders) -> None:
    folders.create("run", "sft", "first")
    with pytest.raises(StudioError, match="already"):
        folders.create("run", "dpo", "second")
    assert (folders.get("run").folder / "recipe.yaml").read_text() == "first"
    (folders.runs / "empty").mkdir()
    with pytest.raises(StudioError, match="already"):
        folders.create("empty", "sft", "")


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x", "c:x", "", "run.json"])
def test_files_stay_inside(folders: RunFolders, name: str) -> None:
    with pytest.raises(StudioError):
        folders.create("run", "sft", "", files={name: b""})
    assert folders.list() == []


def test_many_creators_of_one_name_make_one_run(folders: RunFolders) -> None:
    made: list[str] = []

    def create(text: str) -> None:
        try:
            folders.create("run", "sft", text)
        except StudioError:
            return
        made.append(text)

    threads = [threading.Thread(target=create, args=(str(number),)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert (folders.get("run").folder / "recipe.yaml").read_text() == made[0]
    assert os.listdir(folders.runs) == ["run"]


def test_a_full_disk_leaves_nothing_half_made(folders: RunFolders, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    write_whole = runs_module.write_whole

    def fill_up(path: Path, data: bytes) -> None:
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        written.append(path)
        write_whole(path, data)

    monkeypatch.setattr(runs_module, "write_whole", fill_up)
    with pytest.raises(StudioError, match="No space left"):
        folders.create("run", "sft", "", "use_cpu: true", {"a": b"", "b": b""})
    assert os.listdir(folders.runs) == []


def test_where_no_folder_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StudioError, match="could not be written"):
        RunFolders(tmp_path / "file" / "runs").create("run", "sft", "")


def test_list_is_newest_first_and_leaves_none_out(folders: RunFolders) -> None:
    for number, name in enumerate(["b", "c", "a", "spoilt"]):
        run = folders.create(name, "sft", "")
        run.update(lambda record, day=number: record.update(created=f"2026-01-0{day + 1}T00:00:00.000Z"))
    (folders.runs / "spoilt" / "run.json").write_text('{"version": 1, "id": "spo')
    os.utime(folders.runs / "spoilt" / "recipe.yaml", (2_000_000_000, 2_000_000_000))
    (folders.runs / "no run").mkdir()
    (folders.runs / "stray").mkdir()
    assert [run.id for run in folders.list()] == ["spoilt", "a", "c", "b"]
    assert RunFolders(folders.runs / "nowhere").list() == []


# Records


@pytest.mark.parametrize(
    "text", ["", "{", "null", "[]", '"x"', "[" * 100_000, '{"attempts": 3}', "\x00" * 100, '{"attempts": [', "é"]
)
def test_a_spoilt_record_is_readable(folders: RunFolders, text: str) -> None:
    run = folders.create("run", "sft", "")
    (run.folder / "run.json").write_bytes(text.encode("latin-1"))
    assert run.record() == {"id": "run", "method": None, "created": None, "attempts": [], "damaged": True}
    assert run.state() == "interrupted"
    assert not run.request_stop("now")
    write_exits(run.exits_path(1), {"started": "x", "launcher": {"code": 1}, "ended": "x"})
    (run.folder / "run.json").write_bytes(text.encode("latin-1"))
    assert run.state() == "failed"


WRONG = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=3), lambda x: st.lists(x, max_size=2))
KEYS = ["stop", "outcome", "exit", "trainers", "processes", "supervisor", "folder", "last_step", "started", "number"]


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), WRONG | st.dictionaries(st.sampled_from(["pid", "how", "code"]), WRONG)))
def test_no_record_is_too_strange_to_have_a_state(tmp_path_factory: pytest.TempPathFactory, attempt: Record) -> None:
    folder = tmp_path_factory.mktemp("strange")
    (folder / "run.json").write_text(json.dumps({"attempts": [attempt, 7]}))
    assert Run(folder).state() in ("interrupted", "finished", "failed", "stopped")


def test_updates_of_many_processes_are_all_kept(folders: RunFolders) -> None:
    run = folders.create("run", "sft", "")
    program = (
        "import sys; from pathlib import Path; from studio.adapters.runs import Run; run = Run(Path(sys.argv[1]))\n"
        "for n in range(25): run.update(lambda record: record.update(count=record.get('count', 0) + 1))"
    )
    root = Path(__file__).resolve().parent.parent
    writers = [subprocess.Popen([sys.executable, "-c", program, str(run.folder)], cwd=root) for _ in range(4)]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        seen.add(run.record().get("damaged"))  # a reader never meets half a record
    assert [writer.wait() for writer in writers] == [0] * 4
    assert run.record()["count"] == 100
    assert seen <= {None}
    assert not [name for name in os.listdir(run.folder) if name.endswith(".tmp")]


def test_a_lock_that_is_never_released_is_reported(folders: RunFolders) -> None:
    run = folders.create("run", "sft", "")
    held = hold(run.folder / "run.lock")
    assert held is not None
    with pytest.raises(StudioError, match="locked"):
        run.update(lambda record: None, patience=0.05)
    os.close(held)
    run.update(lambda record: record.update(x=1), patience=0.05)
    assert run.record()["x"] == 1


# Stop requests


def test_stop_requests_escalate_and_never_soften(folders: RunFolders) -> None:
    run = folders.create("run", "sft", "")
    assert not run.request_stop("save")
    set_attempt(run)
    assert run.request_stop("save")
    first = last_attempt(run.record())["stop"]
    assert first["how"] == "save"
    assert run.request_stop("save")
    assert last_attempt(run.record())["stop"] == first
    assert run.request_stop("now")
    assert run.request_stop("save")
    assert last_attempt(run.record())["stop"]["how"] == "now"


def test_racing_stop_requests_end_in_the_stronger(folders: RunFolders) -> None:
    run = folders.create("run", "sft", "")
    set_attempt(run)
    threads = [threading.Thread(target=run.request_stop, args=(how,)) for how in ("save", "now", "save", "now", "save")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert last_attempt(run.record())["stop"]["how"] == "now"


def test_an_ended_run_is_not_stopped(folders: RunFolders) -> None:
    run = folders.create("run", "sft", "")
    set_attempt(run, outcome="finished")
    assert not run.request_stop("now")
    set_attempt(run)
    write_exits(run.exits_path(1), {"launcher": {"code": 0}, "ended": "2026-01-01T00:00:00Z"})
    assert not run.request_stop("now")
    assert "stop" not in last_attempt(run.record())


# Identity


def test_a_process_is_known_by_more_than_its_pid() -> None:
    process = me()
    assert process.is_alive()
    assert ProcessId.from_json(process.to_json()) == process
    assert not ProcessId(process.pid, process.ticks + 1, process.boot).is_alive()
    assert not ProcessId(process.pid, process.ticks, "another boot").is_alive()
    assert not ProcessId(process.pid, process.ticks + 1, process.boot).send(9)


@pytest.mark.parametrize("value", [None, 7, [], {}, {"pid": 1}, {"pid": 1, "ticks": 1}, {"ticks": 1, "boot": ""}])
def test_what_is_no_identity(value: object) -> None:
    assert ProcessId.from_json(value) is None


@pytest.mark.parametrize("pid", [0, -1, True, "1", 1.0, None])
def test_what_is_no_pid(pid: object) -> None:
    assert ProcessId.from_json({"pid": pid, "ticks": 5, "boot": ""}) is None
    assert ProcessId.from_json({"pid": 5, "ticks": pid, "boot": ""}) is None


def test_a_zombie_is_not_alive() -> None:
    child = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    process = ProcessId.of(child.pid)
    assert process is not None
    assert process in tree_of([os.getpid()], snapshot())
    while not command_line(child.pid):  # empty for an instant while the program takes over the process
        assert child.poll() is None
    assert command_line(child.pid)[1:] == ["-S", "-c", "input()"]
    assert child.stdin is not None
    child.stdin.close()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, and not yet collected
    assert not process.is_alive()
    assert child.pid not in snapshot()
    child.wait()


def test_a_reused_pid_does_not_make_a_run_live(folders: RunFolders) -> None:
    run = folders.create("run", "sft", "")
    mine = me().to_json()
    recorded = {"started": "x", "folder": runs_module.folder_identity(run.folder)}
    set_attempt(run, **recorded, trainers=[mine])
    assert run.state() == "starting"
    set_attempt(run, **recorded, trainers=[mine | {"ticks": mine["ticks"] + 1}], supervisor=mine | {"boot": "earlier"})
    assert run.state() == "interrupted"


def test_a_copied_folder_has_no_processes(folders: RunFolders) -> None:
    run = folders.create("run", "sft", "")
    mine = me().to_json()
    set_attempt(run, started="x", folder=runs_module.folder_identity(run.folder), trainers=[mine], supervisor=mine)
    shutil.copytree(run.folder, folders.runs / "copy")
    assert (run.state(), folders.get("copy").state()) == ("starting", "interrupted")
    write_exits(folders.get("copy").exits_path(1), {"launcher": {"code": 1}, "ended": "x"})
    assert folders.get("copy").state() == "failed"
    os.rename(run.folder, folders.runs / "moved")
    assert folders.get("moved").state() == "starting"


@pytest.mark.parametrize(
    ("arguments", "training"),
    [
        (["python", "/venv/trl/scripts/sft.py", "--config", "recipe.yaml"], True),
        (["/usr/bin/python3.11", "-u", "/venv/trl/scripts/grpo.py"], True),
        (["python", "-X", "dev", "-W", "error", "-u", "C:\\venv\\trl\\scripts\\dpo.py"], True),
        (["python", "/venv/bin/trl", "sft", "--config", "recipe.yaml"], False),
        (["python", "-m", "torch.distributed.run", "/venv/trl/scripts/sft.py"], False),
        (["python", "/venv/bin/accelerate", "launch", "/venv/trl/scripts/sft.py"], False),
        (["tail", "-f", "/venv/trl/scripts/sft.py"], False),
        (["python", "-c", "pass", "/venv/trl/scripts/sft.py"], False),
        (["python"], False),
        ([], False),
    ],
)
def test_which_commands_train(arguments: list[str], training: bool) -> None:
    assert is_training_command(arguments) is training


# Exit files


def test_an_exit_file_keeps_its_size_and_its_latest_orphans(tmp_path: Path) -> None:
    path = tmp_path / "exit.1.json"
    assert read_exits(path) == {}
    orphans: list[object] = [{"pid": number, "ticks": 10**7, "code": 0, "signal": None} for number in range(500)]
    write_exits(path, {"launcher": {"code": 1}, "orphans": orphans})
    assert path.stat().st_size == FILE_BYTES
    kept = read_exits(path)["orphans"]
    assert isinstance(kept, list)
    assert 40 < len(kept) < 500
    assert kept[-1]["pid"] == 499
    write_exits(path, {"launcher": {"code": 2}})
    assert read_exits(path) == {"launcher": {"code": 2}}
    path.write_bytes(path.read_bytes()[:10])
    assert read_exits(path) == {}
