"""Resuming: which checkpoints are whole, from which one a run goes on, and that it really does."""

from __future__ import annotations

import json
import struct
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from run_lab import RunLab, attempt_of, wait_until

from studio.adapters.checkpoints import checkpoints
from studio.adapters.home import Home
from studio.adapters.runs import Run
from studio.domain.errors import StudioError
from studio.service import runs as runs_module
from studio.service.resuming import changeable, chosen, pairs_in, read_changes, resumable, resume
from studio.service.studio import Studio


def safetensors(path: Path, size: int = 64) -> None:
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * size)


def torch_file(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("data.pkl", "x" * 100)


def checkpoint(run_folder: Path, step: int, total: int = 100, adapter: bool = False) -> Path:
    folder = run_folder / "output" / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    (folder / "trainer_state.json").write_text(json.dumps({"global_step": step, "max_steps": total}))
    safetensors(folder / ("adapter_model.safetensors" if adapter else "model.safetensors"))
    if adapter:
        (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 8}))
    for name in ("optimizer.pt", "scheduler.pt"):
        torch_file(folder / name)
    return folder


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-8])


def test_whole_checkpoints_are_told_from_others(tmp_path: Path) -> None:
    whole = checkpoint(tmp_path, 10)
    (whole / "rng_state.pth").write_bytes(b"x")
    (checkpoint(tmp_path, 20) / "checkpoint-is-incomplete.txt").touch()
    cut(checkpoint(tmp_path, 30) / "model.safetensors")
    (checkpoint(tmp_path, 40) / "model.safetensors").unlink()
    cut(checkpoint(tmp_path, 50) / "optimizer.pt")
    (checkpoint(tmp_path, 60) / "trainer_state.json").write_text("{")
    (checkpoint(tmp_path, 70) / "trainer_state.json").write_text('{"global_step": 7}')
    (checkpoint(tmp_path, 80) / "model.safetensors").write_bytes(b"")
    (checkpoint(tmp_path, 90) / "trainer_state.json").unlink()
    (tmp_path / "output" / "checkpoint-x").mkdir()
    (tmp_path / "output" / "runs").mkdir()
    found = {one.step: one for one in checkpoints(tmp_path)}
    assert list(found) == [90, 80, 70, 60, 50, 40, 30, 20, 10]
    assert [step for step, one in found.items() if not one.trouble] == [10]
    assert "not written to its end" in found[20].trouble
    assert "model.safetensors is cut short" in found[30].trouble
    assert "missing" in found[40].trouble
    assert "optimizer.pt is cut short" in found[50].trouble
    assert "trainer_state" in found[60].trouble
    assert "trainer_state" in found[70].trouble
    assert found[10].total == 100
    assert found[10].size > 200
    assert not found[10].bare
    assert not found[10].is_adapter
    assert checkpoints(tmp_path / "nowhere") == []


def test_shards_that_are_missing_are_missed(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path, 10)
    (folder / "model.safetensors").unlink()
    parts = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": parts}))
    safetensors(folder / parts["a"])
    assert "model-00002-of-00002.safetensors is missing" in checkpoints(tmp_path)[0].trouble
    safetensors(folder / parts["b"])
    assert checkpoints(tmp_path)[0].trouble == ""


def test_weights_without_an_optimizer_are_said_to_be_bare(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path, 10, adapter=True)
    (folder / "optimizer.pt").unlink()
    one = checkpoints(tmp_path)[0]
    assert (one.trouble, one.bare, one.is_adapter) == ("", True, True)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunLab]:
    lab = RunLab(tmp_path)
    program = tmp_path / "fake" / "trl.sh"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -S {tmp_path}/fake/bin/trl "$@"\n')
    program.chmod(0o755)
    monkeypatch.setattr(runs_module, "trl_program", lambda: str(program))
    yield lab
    lab.close()


def failed(lab: RunLab, **recipe: Any) -> Run:
    run = lab.start(**{"steps": 10, "crash_at": 5, **recipe})
    wait_until(lambda: run.state() == "failed")
    return run


def test_the_newest_whole_checkpoint_is_taken_or_the_one_named(lab: RunLab) -> None:
    run = failed(lab)
    with pytest.raises(StudioError, match=r"has no checkpoint to resume from\. It saved none"):
        chosen(run)
    checkpoint(run.folder, 2)
    checkpoint(run.folder, 4)
    cut(checkpoint(run.folder, 5) / "model.safetensors")
    assert chosen(run).name == "checkpoint-4"
    assert chosen(run, "2").name == chosen(run, "output/checkpoint-2/").name == "checkpoint-2"
    assert [one.step for one in resumable(run)] == [4, 2]
    with pytest.raises(StudioError, match=r"is none to resume from: model\.safetensors is cut short"):
        chosen(run, "checkpoint-5")
    with pytest.raises(StudioError, match="has no checkpoint '3'"):
        chosen(run, "3")


def test_another_attempt_runs_in_the_same_folder_and_the_recipe_of_before_is_kept(lab: RunLab) -> None:
    run = failed(lab)
    before = (run.folder / "recipe.yaml").read_text()
    log = (run.folder / "train.log").stat().st_size
    runs = runs_module.Runs(Home(lab.folders.runs.parent))
    again = json.dumps({"steps": 10, "resume_from_checkpoint": "output/checkpoint-4"})
    runs.again(run, again, ())
    wait_until(lambda: run.state() == "finished")
    assert (run.folder / "recipe.1.yaml").read_text() == before
    assert (run.folder / "recipe.yaml").read_text() == again
    record = run.record()
    assert [attempt["recipe"] for attempt in record["attempts"]] == ["recipe.1.yaml", "recipe.yaml"]
    assert [attempt["outcome"] for attempt in record["attempts"]] == ["failed", "finished"]
    assert attempt_of(run)["log_start"] == log
    assert runs.show(run.id)["attempts"] == 2


def test_a_run_that_is_going_is_not_resumed_and_keeps_its_recipe(lab: RunLab) -> None:
    run = lab.start_waiting()
    checkpoint(run.folder, 2)
    before = (run.folder / "recipe.yaml").read_bytes()
    assert resumable(run) == []
    runs = runs_module.Runs(Home(lab.folders.runs.parent))
    with pytest.raises(StudioError, match="already going"):
        runs.again(run, "{}", ())
    assert (run.folder / "recipe.yaml").read_bytes() == before


RECIPE = """# trl sft --config recipe.yaml
model_name_or_path: {model}
dataset_name: {data}
max_steps: {steps}
output_dir: output
use_cpu: true
bf16: false
report_to: none
"""


@pytest.fixture
def studio(tmp_path: Path, catalog_folder: Path) -> Studio:
    """A studio whose list of arguments has been made."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "cache").symlink_to(catalog_folder, target_is_directory=True)
    return Studio(Home(tmp_path / "home"))


@pytest.fixture
def ended(studio: Studio) -> Run:
    """A run that came to step 6 of 6 and stopped, as its folder tells it."""
    root = Path(__file__).resolve().parent.parent / "assets" / "demo"
    text = RECIPE.format(model=root / "model", data=root / "sft", steps=6)
    run = studio.runs.folders.create("ended", "sft", text)
    run.update(lambda record: record["attempts"].append({"number": 1, "outcome": "stopped", "started": "2026-01-01"}))
    for step in (2, 4, 6):
        checkpoint(run.folder, step, total=6)
    return run


@pytest.mark.parametrize(
    ("checkpoint_name", "changes", "said"),
    [
        (None, {}, "at the last of 6 steps"),
        ("4", {"max_steps": 4}, "at the last of 4 steps"),
        ("4", {"learning_rate": "fast"}, "learning_rate"),
        ("4", {"model_name_or_path": "other"}, "model_name_or_path cannot change"),
        ("4", {"lora_r": 4}, "lora_r cannot change"),
        ("9", {}, "has no checkpoint '9'"),
    ],
)
def test_what_could_not_go_on_is_refused_and_nothing_changes(
    studio: Studio, ended: Run, checkpoint_name: str | None, changes: dict[str, Any], said: str
) -> None:
    before = {path.name: path.read_bytes() for path in ended.folder.iterdir() if path.is_file()}
    with pytest.raises(StudioError, match=said):
        resume(studio, "ended", checkpoint_name, changes)
    assert {path.name: path.read_bytes() for path in ended.folder.iterdir() if path.is_file()} == before


def test_changes_are_read_as_trl_reads_them(studio: Studio, ended: Run) -> None:
    read = read_changes(studio, "ended", pairs_in(["max_steps=8", " learning_rate =1e-5", "report_to=wandb"]))
    assert read == {"max_steps": 8, "learning_rate": 1e-5, "report_to": "wandb"}
    for wrong, said in (("max_steps", "changes nothing"), ("steps=8", "no option steps"), ("max_steps=a", "takes")):
        with pytest.raises(StudioError, match=said):
            read_changes(studio, "ended", pairs_in([wrong]))
    with pytest.raises(StudioError, match="there twice"):
        read_changes(studio, "ended", pairs_in(["max_steps=8", "max_steps=9"]))
    may = changeable(studio, "ended")
    assert may["max_steps"] == 6
    assert not {"seed", "optim", "lora_r", "dataset_name"} & set(may)


def test_an_adapter_does_not_go_on_as_a_whole_model(studio: Studio, ended: Run) -> None:
    checkpoint(ended.folder, 5, total=6, adapter=True)
    with pytest.raises(StudioError, match="holds an adapter, and the recipe trains a whole model"):
        resume(studio, "ended", "5")


def test_what_was_changed_is_no_more_said_to_be_the_studios(studio: Studio, ended: Run, lab: RunLab) -> None:
    path = ended.folder / "recipe.yaml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("report_to: none", "report_to: trackio  # as it was")
        + "enable_jit_checkpoint: true  # a stopped run leaves a checkpoint\n"
        + "save_steps: 0.1  # a crash costs a tenth of the run at most\n"
        + "save_total_limit: 2  # the newest two are kept\n"
        + "project: trl-studio  # groups the studio's runs\n"
        + "resume_from_checkpoint: /a/b  # made absolute\n",
        encoding="utf-8",
    )
    changes = {"enable_jit_checkpoint": False, "save_steps": 2, "report_to": "none", "trackio_space_id": "me/plots"}
    resume(studio, "ended", "4", changes, ("save_total_limit",))
    wait_until(lambda: ended.state() == "failed")
    lines = path.read_text(encoding="utf-8").splitlines()
    # As for a new run: the plots' tracker comes back, and what is pushed publishes no metrics.
    assert {
        "enable_jit_checkpoint: false",
        "save_steps: 2",
        "report_to: trackio  # the studio draws its plots from trackio",
        "project: trl-studio  # groups the studio's runs",
        "resume_from_checkpoint: output/checkpoint-4",
        "trackio_static_space_id: false  # a push publishes no metrics",
    } <= set(lines)
    assert not [line for line in lines if line.startswith("save_total_limit")]


@pytest.mark.slow
def test_trl_goes_on_at_the_right_step(studio: Studio) -> None:
    root = Path(__file__).resolve().parent.parent / "assets" / "demo"
    text = RECIPE.format(model=root / "model", data=root / "sft", steps=6) + "save_steps: 2\nlogging_steps: 1\n"
    recipe, _ = studio.open_checked(text.replace("report_to: none\n", ""), "sft", None, "recipe.yaml")
    run, _ = studio.start(recipe, name="short")
    wait_until(lambda: run.state() == "finished", 300)
    cut(run.folder / "output" / "checkpoint-6" / "model.safetensors")
    _, start = resume(studio, "short", None, {"max_steps": 8})
    assert start.name == "checkpoint-4"
    wait_until(lambda: run.state() == "finished", 300)
    shown = studio.runs.show("short")
    assert (shown["last_step"], shown["attempts"]) == (8, 2)
    steps = studio.runs.metrics(run).since(0)["series"]["loss"]["x"]
    assert list(steps) == [1, 2, 3, 4, 5, 6, 7, 8]
    again, before = studio.runs.recipe_text("short"), (run.folder / "recipe.1.yaml").read_text(encoding="utf-8")
    assert "resume_from_checkpoint: output/checkpoint-4" in again
    added = [line for line in before.splitlines() if "  # " in line]
    assert added
    assert [line for line in again.splitlines() if "  # " in line] == added
