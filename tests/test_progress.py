"""Reading a trainer's log and checkpoints: the step reached and what the trainer is at."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from studio.adapters.exitcode import write_exits
from studio.adapters.progress import Progress, progress_in, read_tail, readable
from studio.adapters.runs import Run, RunFolders


def attempt(run: Run, **fields: object) -> None:
    run.update(lambda record: record.update(attempts=[{"number": 1} | fields]))


START = (
    "\rLoading weights: 100%|####| 14/14 [00:00<00:00, 1.2it/s]\n\rMap:  50%|##  | 100/200 [00:00<00:00, 1 examples/s]"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (START, Progress()),
        (START + "\n\r  0%|          | 0/40 [00:00<?, ?it/s]", Progress(0, 40, "training")),
        ("\r 25%|██▌       | 10/40 [00:00<00:00, 66.14it/s]", Progress(10, 40, "training")),
        # Writing a checkpoint draws bars of its own.
        ("\r 25%|██▌  | 10/40 [00:00<00:00, 6it/s]\n\rWriting model shards:   0%|     | 0/1 [00:00<?, ?it/s]\x1b[A",
         Progress(10, 40, "training")),
        # An evaluation is nested, also one of as many steps.
        ("\r 50%|█████     | 20/40 [00:00<00:00, 20it/s]\n\r  0%|          | 0/8 [00:00<?, ?it/s]\x1b[A",
         Progress(20, 40, "evaluating")),
        ("\r 50%|█████     | 20/40 [00:00<00:00, 20it/s]\n\r  50%|          | 20/40 [00:00<?, ?it/s]\x1b",
         Progress(20, 40, "evaluating")),
        ("\r 10%|█         | 4/40 [00:00<00:00, 20it/s]\n\r100%|██| 40/40 [00:00<?, ?it/s]\x1b[A\n\r   \r\x1b[A",
         Progress(4, 40, "training")),
        ("\r 50%|█  | 20/40 [00:00<1, 20it/s]\n\r  0%|   | 0/8 [00:00<?, ?it/s]\x1b[A\r\n\r \r\x1b[A{'eval_loss': 5}\n",
         Progress(20, 40, "training")),
        # The end.
        ("\r100%|██| 40/40 [00:01<00:00, 42it/s]\r    \r{'train_runtime': '1'}\n\r100%|██| 40/40 [00:01<00:00, 3it/s]",
         Progress(40, 40, "saving")),
        ("✅ Training completed.\n\rWriting model shards:   0%|  | 0/1 [00:00<?, ?it/s]", Progress(phase="saving")),
        # Without bars.
        ("{'loss': '5.6', 'epoch': '0.1'}\n", Progress(None, None, "training")),
        ("{'reward': '1', 'epoch': '0.1'}\n{'train_runtime': '5'}\n", Progress(None, None, "saving")),
    ],
)  # fmt: skip
def test_what_a_log_tells(text: str, expected: Progress) -> None:
    assert progress_in(text, Progress()) == expected


def test_a_long_evaluation_does_not_hide_the_step() -> None:
    text = "".join(f"\n\r 10%|#  | {done}/9000 [00:00<?, ?it/s]\x1b[A" for done in range(2000))
    assert progress_in(text, Progress(20, 40)) == Progress(20, 40, "evaluating")


def test_a_tail_begins_at_a_line_and_in_its_attempt(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_bytes(b"first\n 10%|# | 1/9 [x]\r 20%|# | 2/9 [x]\nlast")
    assert read_tail(log, 1000) == "first\n 10%|# | 1/9 [x]\r 20%|# | 2/9 [x]\nlast"
    assert read_tail(log, 30) == "\r 20%|# | 2/9 [x]\nlast"
    assert read_tail(log, 1000, start=6).startswith(" 10%")
    assert read_tail(log, 1000, start=-5) == read_tail(log, 1000)
    assert read_tail(tmp_path / "none", 10) == ""


def test_a_readable_log_shows_what_a_terminal_would() -> None:
    text = "a\r\n\r  0%|  | 0/40\r 50%|# | 20/40\r          \r{'loss': '5'}\n\r100%|##| 40/40\x1b[A\ndone"
    assert readable(text) == "a\n{'loss': '5'}\n100%|##| 40/40\ndone"


def test_a_checkpoint_tells_the_steps_where_the_log_has_no_bars(tmp_path: Path) -> None:
    run = RunFolders(tmp_path).create("run", "sft", "")
    (run.folder / "train.log").write_text("{'loss': '5.6', 'epoch': '0.1'}\n")
    for step in (2, 10):
        (run.folder / "output" / f"checkpoint-{step}").mkdir(parents=True)
        state = run.folder / "output" / f"checkpoint-{step}" / "trainer_state.json"
        state.write_text(json.dumps({"global_step": step, "max_steps": 40}))
    attempt(run, started="x")
    write_exits(run.exits_path(1), {"launcher": {"code": 0}, "ended": "x"})
    assert run.facts().last_step == 10
    assert run.state() == "stopped"
    attempt(run, started="x", checkpoint_before="checkpoint-10")  # then it says nothing of this attempt
    assert run.facts().last_step is None


def test_a_checkpoint_that_is_being_written_is_saving(tmp_path: Path) -> None:
    run = RunFolders(tmp_path).create("run", "sft", "")
    (run.folder / "train.log").write_text("\r 25%|#  | 10/40 [00:00<00:00, 6it/s]")
    attempt(run)
    (run.folder / "output" / "checkpoint-9").mkdir(parents=True)
    assert run.progress().phase == "training"  # an old one that was never completed
    newest = run.folder / "output" / "checkpoint-10"
    newest.mkdir()
    assert run.progress().phase == "saving"
    (newest / "trainer_state.json").write_text("{}")
    assert run.progress().phase == "training"
    (newest / "checkpoint-is-incomplete.txt").write_text("")
    assert run.progress().phase == "saving"
