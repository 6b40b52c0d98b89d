"""Starting supervisors: for a new attempt, for a run whose supervisor was killed, and to carry out a stop."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import studio
from studio.adapters.processes import ProcessId
from studio.adapters.progress import newest_checkpoint
from studio.adapters.runs import Record, Run, folder_identity, last_attempt, utc_now
from studio.adapters.supervisor import ALREADY, AT_END, GRACE, LINGER
from studio.adapters.waiting import Queue
from studio.domain.errors import StudioError
from studio.domain.states import LIVE, StopHow, state_of

PATIENCE = 60.0  # for a supervisor to record itself, on a machine that is busy


def launch(
    run: Run,
    command: Sequence[str],
    env: Mapping[str, str],
    *,
    at_end: Sequence[str] = (),
    at_end_timeout: float = AT_END,
    grace: float = GRACE,
    linger: float = LINGER,
    queue: Mapping[str, Any] | None = None,
) -> None:
    """Add an attempt to a run and start it under a supervisor of its own; returns when that has recorded itself.

    `command` is the trainer's (`["/.../trl", "sft", "--config", "recipe.yaml"]`), started in the run folder with `env`
    laid over this process's environment. `at_end` is a command that the supervisor runs there after the trainer's end
    and before the final record. Times are in seconds: `grace` from "save" to SIGKILL, `linger` for what trainer and
    launcher leave behind. With `queue` it waits for its turn; `gpus` in it are those it asks for (`turns.Place`).
    Raises StudioError where the run is live or the supervisor does not start.
    """

    line = Queue(run.folder.parent) if queue is not None else None

    def add(record: Record) -> None:
        if record["attempts"] and state_of(run.facts()) in LIVE:
            raise StudioError(f"The run '{run.id}' is already going.", "Stop it first, or start another one.")
        starter = ProcessId.of(os.getpid())
        log, checkpoint = run.folder / "train.log", newest_checkpoint(run.folder)
        record["attempts"].append({
            "number": max((n for a in record["attempts"] if type(n := a.get("number")) is int), default=0) + 1,
            "recipe": "recipe.yaml", "command": list(command), "at_end": list(at_end), "at_end_timeout": at_end_timeout,
            "grace": grace, "linger": linger, "queued": utc_now(), "started": None,
            "starter": starter.to_json() if starter else None, "folder": folder_identity(run.folder),
            "supervisor": None, "waiter": None, "launcher": None, "trainers": [], "processes": [], "stop": None,
            "queue": {**queue, "order": line.last_order() + 1} if line and queue is not None else None,
            "ended": None, "exit": None, "outcome": None, "heartbeat": None, "last_step": None, "total_steps": None,
            "log_start": log.stat().st_size if log.exists() else 0,
            "checkpoint_before": checkpoint.name if checkpoint else None,
        })  # fmt: skip

    def give_up(record: Record) -> None:
        last_attempt(record).update({"outcome": "failed", "ended": utc_now()})

    try:
        with line.locked() if line else contextlib.nullcontext():
            run.update(add)
        code, said = _start_supervisor(run, env)
        if code != 0:
            run.update(give_up)
    except OSError as error:
        raise StudioError(
            f"The run '{run.id}' could not be started: {error}.", "Free some disk space and try again."
        ) from error
    if code != 0:
        raise StudioError(
            f"The supervisor of '{run.id}' failed to start: {said}", f"See {run.folder / 'supervisor.log'}."
        )


def adopt(run: Run, env: Mapping[str, str]) -> bool:
    """Give a run a supervisor again that has lost its own; False where it has one, has ended, or was never started.

    The new one follows the trainer from where it is and records the end, also one that came meanwhile. Raises
    StudioError where it does not start.
    """
    record = run.record()
    attempt = last_attempt(record)
    if not attempt or record.get("damaged") or attempt.get("outcome") or run.supervisor(record):
        return False
    if not run.is_here(attempt):  # a copy: what it speaks of goes on elsewhere, and has its own supervisor
        return False
    try:
        code, said = _start_supervisor(run, env)
    except OSError as error:
        raise StudioError(f"The run '{run.id}' could not be taken over: {error}.", "Free some disk space.") from error
    if code not in (0, ALREADY):
        raise StudioError(f"No supervisor for '{run.id}': {said}", f"See {run.folder / 'supervisor.log'}.")
    return code == 0


def stop(run: Run, how: StopHow, env: Mapping[str, str]) -> bool:
    """Have a run stopped, with a new supervisor where its own is gone; False where it has ended already.

    Where the request cannot be written (a full disk) the supervisor is told by a signal. Raises StudioError.
    """
    try:
        noted = run.request_stop(how)
    except StudioError:
        supervisor = ProcessId.from_json(last_attempt(run.record()).get("supervisor"))
        number = signal.SIGTERM if how == "save" else getattr(signal, "SIGUSR1", None)
        if supervisor is None or number is None or not supervisor.send(number):
            raise
        return True
    if noted:
        adopt(run, env)
    return noted


def _start_supervisor(run: Run, env: Mapping[str, str]) -> tuple[int, str]:
    """Its exit code once it has recorded itself (0) or failed, and the last it said. Raises OSError."""
    log = run.folder / "supervisor.log"
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
    with log.open("ab") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "studio.adapters.supervisor", str(run.folder.resolve())],
            # `-m` looks in the working folder first, so the environment that the trainer inherits stays as it is.
            cwd=Path(studio.__file__).resolve().parent.parent, env={**os.environ, **env},
            stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
            start_new_session=True, creationflags=flags,
        )  # fmt: skip
    code = _when_recorded(run, process)
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return code, next((line for line in reversed(lines) if line.strip()), "it said nothing.")


def _when_recorded(run: Run, process: subprocess.Popen[bytes]) -> int:
    if sys.platform != "win32":
        # The process started here is gone as soon as the supervisor, its child, has recorded itself.
        try:
            return process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return 1
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        said = ProcessId.from_json(last_attempt(run.record()).get("supervisor"))
        if said and said.pid == process.pid:
            process.returncode = 0  # it goes on by itself: nobody here waits for it
            return 0
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(timeout=0.05) or 1
    process.kill()
    return 1
