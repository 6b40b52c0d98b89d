"""Runs thrown away: out of the list in one step, then removed, and whatever a crash left of that is cleared away."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from studio.adapters.locking import hold, locked
from studio.adapters.runs import LOCK_PATIENCE, Run
from studio.domain.errors import StudioError
from studio.domain.states import LIVE

# No run's name holds a tilde, so no folder that is just being made looks like this.
_AWAY = re.compile(r"\.removed~(?P<id>[^~]+)~[0-9a-f]{8}")


def remove(run: Run, forget: Callable[[], None]) -> None:
    """Remove a run's folder with all that is in it; `forget` takes away what is kept of the run elsewhere.

    The folder is renamed first: until then nothing has happened, and where `forget` fails it gets its name back.
    Raises StudioError where the run is live or cannot be removed.
    """
    # Windows renames no folder with an open file in it, so the lock cannot be held there meanwhile.
    guard = contextlib.nullcontext() if sys.platform == "win32" else locked(run.folder / "run.lock", LOCK_PATIENCE)
    away = run.folder.with_name(f".removed~{run.id}~{secrets.token_hex(4)}")
    try:
        with guard:
            state = run.state()
            if state in LIVE:
                raise StudioError(f"The run '{run.id}' is {state}; it cannot be deleted.", "Stop it first.")
            os.rename(run.folder, away)
            try:
                forget()
            except BaseException:
                os.rename(away, run.folder)
                raise
            _clear(away)
    except FileNotFoundError:
        raise StudioError(f"There is no run '{run.id}' any more.", "It was deleted meanwhile.") from None
    except OSError as error:
        raise StudioError(
            f"The run '{run.id}' could not be deleted: {error.strerror or error}.", f"Look at the folder {run.folder}."
        ) from error


def sweep(runs: Path, forget: Callable[[Run], None]) -> None:
    """Finish what a crash has left half removed; `forget` is given such a run in the folder that it lies in now."""
    try:
        names = os.listdir(runs)
    except OSError:
        return
    for name in names:
        found = _AWAY.fullmatch(name)
        if found is None:
            continue
        try:
            lock = hold(runs / name / "run.lock")
        except OSError:
            continue
        if lock is None:
            continue  # somebody is at it
        try:
            # Another run may have got the name since: what is kept under it is then that one's.
            if not (runs / found["id"]).exists():
                run = Run(runs / name)
                run.id = found["id"]
                forget(run)
            with contextlib.suppress(StudioError, OSError):
                _clear(runs / name)
        except StudioError:
            continue
        finally:
            os.close(lock)


def _clear(away: Path) -> None:
    """Remove a folder that is out of the list, the lock last: as long as that is there, no other clears it too."""
    failed: list[str] = []

    def note(function: object, path: str, error: object) -> None:
        failed.append(path)

    for entry in list(os.scandir(away)):
        if entry.name == "run.lock":
            continue
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, onerror=note)
        else:
            try:
                os.unlink(entry.path)
            except OSError:
                failed.append(entry.path)
    if failed:
        raise StudioError(
            f"The run is deleted, but not all of its files are: {len(failed)} could not be removed.",
            f"Remove the folder {away} yourself.",
        )
    shutil.rmtree(away, onerror=note)
