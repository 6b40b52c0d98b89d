"""Locks between processes, held by open files: gone with whoever held them, whatever ended him."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from studio.domain.errors import StudioError


def hold(path: Path) -> int | None:
    """Take the lock for as long as the returned descriptor is open; None where another holds it. Raises OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # held by another, or locks do not work on this file system
        os.close(descriptor)
        return None
    return descriptor


@contextmanager
def locked(path: Path, patience: float) -> Iterator[None]:
    """Hold the lock for a moment. Raises StudioError when it is not to be had within `patience` seconds."""
    give_up = time.monotonic() + patience
    while (descriptor := hold(path)) is None:
        if time.monotonic() > give_up:
            raise StudioError(
                f"{path} stays locked by another process.",
                "Try again; if it goes on, check that the studio's home is on a local disk.",
            )
        time.sleep(0.01)
    try:
        yield
    finally:
        os.close(descriptor)
