"""What a trainer's log and checkpoints tell: the step reached, the steps to go, and what the trainer is at."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from studio.domain.states import Phase

TAIL_BYTES = 64 * 1024
ENDED_TAIL_BYTES = 1024 * 1024  # after the last step a push to the Hub may have drawn a lot of bars
STATE_BYTES = 64 * 1024 * 1024

# transformers' bars carry no description, unlike all others in the log. tqdm moves the cursor up again after a bar
# that is nested in another: the bar of an evaluation inside the training bar, whatever their totals.
BAR = re.compile(r"(?:^|[\r\n]) *\d+%\|[^|\r\n]*\| *(\d+)/(\d+) \[[^\]\r\n]*\](\x1b(?:\[A?)?)?")
# Of all other bars: what is done, of how much, and the time left, as tqdm writes them (430M/988M, 1200/5000).
OTHER_BAR = re.compile(
    r"(?:^|[\r\n])(?P<what>[^:\r\n|%]{2,80}?): +\d+%\|[^|\r\n]*\| *(?P<done>[^\s/]+)/(?P<all>\S+)"
    r" \[[\d:]+<(?P<left>[\d:?]+)(?P<speed>[^\]\r\n]*)"
)
LOGGED = re.compile(r"\{'(?:(?P<tested>eval_)|(?P<ended>train_runtime')|(?P<trained>loss'|reward'))")
COMPLETED = "Training completed."
CHECKPOINT = re.compile(r"checkpoint-(\d+)$")
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Progress:
    """Optimizer steps done and to do (None: not known) and what the trainer is at."""

    step: int | None = None
    total: int | None = None
    phase: Phase = "starting"


def read_tail(path: Path, max_bytes: int, start: int = 0) -> str:
    """The last `max_bytes` of a file at most, none of them before offset `start`, as text; empty where unreadable.

    A tail that starts in the middle of a line, or of a bar's writing, is cut back to the next one.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            first = start if 0 <= start <= size else 0
            offset = max(first, size - max_bytes)
            file.seek(offset)
            text = file.read(max_bytes).decode("utf-8", "replace")
    except OSError:
        return ""
    begin = re.search(r"[\r\n]", text) if offset > first else None
    return text[begin.start() :] if begin else text


def readable(text: str) -> str:
    """Log text as a terminal would leave it: each line's last writing over the carriage returns, no cursor moves."""
    lines = []
    for line in text.replace("\r\n", "\n").split("\n"):
        writings = [part.rstrip() for part in ESCAPE.sub("", line).split("\r")]
        lines.append(next((part for part in reversed(writings) if part), ""))
    return "\n".join(lines)


def progress_in(text: str, known: Progress) -> Progress:
    """Read a log's tail; `known` supplies what the tail no longer holds."""
    step, total, phase = known.step, known.total, known.phase
    if step is not None and phase == "starting":
        phase = "training"  # it was seen to train, and somebody has emptied the log since
    marks: list[tuple[int, Phase]] = []
    for bar in BAR.finditer(text):
        done, of = int(bar[1]), int(bar[2])
        at_end = bar.end() == len(text)
        if bar[3] or (at_end and total is not None and of != total):
            marks.append((bar.start(), "evaluating" if done < of else "training"))
        else:
            step, total = done, of
            marks.append((bar.start(), "training"))
    for logged in LOGGED.finditer(text):
        marks.append((logged.start(), "saving" if logged["ended"] else "training"))
    if marks:
        phase = max(marks, key=lambda mark: mark[0])[1]
    ended = max((logged.start() for logged in LOGGED.finditer(text) if logged["ended"]), default=-1)
    if max(ended, text.rfind(COMPLETED)) >= 0:  # the bar is drawn once more after this line
        phase = "saving"
    return Progress(step, total, phase)


def doing_in(text: str) -> str:
    """What a trainer that has not begun to train is at, by the last bar in its log: with what is done and time left.

    Downloads count in bytes, tokenizing in rows. `` where no bar says so.
    """
    bars = list(OTHER_BAR.finditer(text))
    if not bars:
        return ""
    last = bars[-1]
    what = last["what"].strip()
    if last["done"] == last["all"]:
        return f"{what}: done"
    bytes_of = "B" if "B/s" in last["speed"] else ""
    left = "" if "?" in last["left"] else f", {last['left']} left"
    return f"{what}: {last['done']}{bytes_of} of {last['all']}{bytes_of}{left}"


def read_progress(folder: Path, log_start: int, known: Progress, ended: bool = False) -> Progress:
    """The progress of the attempt whose log starts at byte `log_start` of `train.log` in the run folder."""
    text = read_tail(folder / "train.log", ENDED_TAIL_BYTES if ended else TAIL_BYTES, log_start)
    progress = progress_in(text, known)
    if progress.phase == "training" and _is_being_written(newest_checkpoint(folder), progress.step):
        return Progress(progress.step, progress.total, "saving")
    return progress


def newest_checkpoint(folder: Path) -> Path | None:
    """The checkpoint with the highest step in `output/`, complete or not."""
    try:
        inside = list((folder / "output").iterdir())
    except OSError:
        return None
    found = [(int(match[1]), path) for path in inside if (match := CHECKPOINT.match(path.name))]
    return max(found, default=(0, None), key=lambda pair: pair[0])[1]


def is_complete(checkpoint: Path) -> bool:
    """Whether the trainer wrote this checkpoint to its end."""
    return (checkpoint / "trainer_state.json").is_file() and not (checkpoint / "checkpoint-is-incomplete.txt").exists()


def _is_being_written(checkpoint: Path | None, step: int | None) -> bool:
    # An older checkpoint that a crash left incomplete does not have the step of now.
    return checkpoint is not None and checkpoint.name == f"checkpoint-{step}" and not is_complete(checkpoint)


def checkpoint_steps(folder: Path, before: str | None) -> tuple[int | None, int | None]:
    """Steps done and to do as the newest checkpoint has them: the way to know without progress bars in the log.

    `before` is the newest one's name from before the attempt, which says nothing of it.
    """
    checkpoint = newest_checkpoint(folder)
    if checkpoint is None or checkpoint.name == before:
        return None, None
    try:
        path = checkpoint / "trainer_state.json"
        state = json.loads(path.read_text(encoding="utf-8")) if path.stat().st_size < STATE_BYTES else None
    except (OSError, ValueError):
        return None, None
    done, total = (state.get("global_step"), state.get("max_steps")) if isinstance(state, dict) else (None, None)
    return (done if type(done) is int else None), (total if type(total) is int else None)
