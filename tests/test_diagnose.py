"""Diagnosis of runs in a home: read from their folders, kept until they change, and printed by the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from studio.adapters.home import Home
from studio.adapters.runs import Run, utc_now
from studio.cli import main
from studio.domain.errors import StudioError
from studio.service import diagnosing
from studio.service.studio import Studio

FAILURES = Path(__file__).with_name("failures")
EARLIER = "an earlier attempt\nMemoryError: of the attempt before\n"


@pytest.fixture
def studio(tmp_path: Path, catalog_folder: Path) -> Studio:
    (tmp_path / "cache").symlink_to(catalog_folder, target_is_directory=True)
    return Studio(Home(tmp_path))


def ended(studio: Studio, name: str, run_id: str = "run", earlier: str = "", **attempt: Any) -> Run:
    """A run whose folder holds a recorded failure, as its supervisor would have left it."""
    found = json.loads((FAILURES / f"{name}.json").read_text(encoding="utf-8"))
    text = f"# trl {found['method']} --config recipe.yaml\n{yaml.safe_dump(found['recipe'])}"
    run = studio.runs.folders.create(run_id, found["method"], text)
    (run.folder / "train.log").write_text(earlier + "\n".join(found["log"]) + "\n", encoding="utf-8")
    how: dict[str, Any] = {
        "exit": found["exit"],
        "outcome": found["outcome"],
        "ended": utc_now(),
        "log_start": len(earlier.encode()),
    }
    run.update(lambda record: record["attempts"].append({"number": 1, "started": utc_now()} | how | attempt))
    rows = [
        {"kind": "metrics", "id": number, "step": number, "time": utc_now(), "gaps": gaps(row),
         "values": {f"train/{key}": value for key, value in row.items() if key not in gaps(row)}
         | {"train/global_step": row.get("global_step", 0)} | dict.fromkeys(f"train/{key}" for key in gaps(row))}
        for number, row in enumerate(found.get("metrics", []), 1)
    ]  # fmt: skip
    if rows:
        (run.folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return run


def gaps(row: dict[str, Any]) -> dict[str, str]:
    return {key: value for key, value in row.items() if value in ("NaN", "Infinity", "-Infinity")}


def test_the_line_is_that_of_the_whole_log(studio: Studio) -> None:
    run = ended(studio, "kto-batch-of-one", earlier=EARLIER)
    (found,) = studio.diagnose("run")
    lines = (run.folder / "train.log").read_text().split("\n")
    assert found.where.line is not None
    assert "batch size must be > 1. KTO" in lines[found.where.line - 1]
    assert found.fix is not None
    assert found.fix.set == {"per_device_train_batch_size": 2}


def test_only_the_end_of_a_long_log_is_read(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosing, "_READ", 20_000)
    run = ended(studio, "kto-batch-of-one", earlier="0123456789\n" * 10_000, log_start=0)
    (found,) = studio.diagnose("run")
    lines = (run.folder / "train.log").read_text().split("\n")
    assert found.where.line is not None
    assert found.where.line > 10_000
    assert "KTO will not work" in lines[found.where.line - 1]


def test_it_is_kept_until_the_run_changes(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    run = ended(studio, "kto-batch-of-one")
    made: list[str] = []
    original = diagnosing.diagnose
    monkeypatch.setattr(diagnosing, "diagnose", lambda evidence: made.append(evidence.log) or original(evidence))
    assert studio.diagnose("run") == studio.diagnose("run")
    assert len(made) == 1
    with (run.folder / "train.log").open("a", encoding="utf-8") as log:
        log.write("OSError: [Errno 28] No space left on device\n")
    assert "disk is full" in studio.diagnose("run")[0].message
    assert len(made) == 2


def test_a_run_that_ended_well_tells_what_its_metrics_warn_of(studio: Studio) -> None:
    ended(studio, "loss-nan")
    (found,) = studio.diagnose("run")
    assert found.level == "warning"
    assert "since step 2" in found.message
    assert found.fix is not None
    assert found.fix.set == {"learning_rate": 0.0001}
    ended(studio, "learns", "other")
    assert studio.diagnose("other") == ()


def test_one_who_was_stopped_is_not_told_why(studio: Studio) -> None:
    ended(studio, "killed", outcome="stopped", stop={"requested": utc_now(), "how": "now"})
    assert studio.diagnose("run") == ()


def test_an_interrupted_run_is_told_as_such(studio: Studio) -> None:
    run = ended(studio, "learns", outcome="interrupted", exit=None)
    (run.folder / "train.log").write_text("Loading weights\n 10%|#| 1/10\n")
    (found,) = studio.diagnose("run")
    assert "vanished" in found.message
    assert "1/10" in found.message


def test_a_damaged_run_is_diagnosed_all_the_same(studio: Studio) -> None:
    run = ended(studio, "kto-batch-of-one")
    (run.folder / "recipe.yaml").write_bytes(b"\xff\xfe: no text")
    assert "KTO needs at least 2" in studio.diagnose("run")[0].message
    (run.folder / "train.log").unlink()
    assert "the log is empty" in studio.diagnose("run")[0].message
    with pytest.raises(StudioError):
        studio.diagnose("nothing")


@pytest.mark.parametrize("start", [-5, 10**9, 1.5, True, "0", None])
def test_a_start_of_the_log_that_is_none_is_its_beginning(studio: Studio, start: Any) -> None:
    ended(studio, "kto-batch-of-one", log_start=start)
    expected = ended(studio, "kto-batch-of-one", "other", log_start=0)
    assert studio.diagnose("run") == studio.diagnose(expected.id) != ()


def test_the_command_says_and_prints_it(studio: Studio, capsys: pytest.CaptureFixture[str]) -> None:
    ended(studio, "unknown-argument")
    home = str(studio.home.root)
    assert main(["diagnose", "run", "--home", home]) == 0
    out = capsys.readouterr().out
    assert "has an option learning_ratee" in out
    assert "fix: Use learning_rate" in out
    assert "(line 91)" in out
    assert main(["diagnose", "run", "--home", home, "--json"]) == 0
    (said,) = json.loads(capsys.readouterr().out)
    assert said["where"] == {"kind": "log", "name": "train.log", "line": 91}
    assert said["fix"]["set"] == {"learning_rate": 0.0001}
    ended(studio, "learns", "fine")
    assert main(["diagnose", "fine", "--home", home]) == 0
    assert "nothing to say" in capsys.readouterr().out
    assert main(["diagnose", "nothing", "--home", home]) == 2
    assert "There is no run 'nothing'" in capsys.readouterr().err
