"""Processes and who they are: identity beyond a pid, trees, training processes in them, signals that cannot stray."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.adapters.exitcode import boot_id, process_stat

LINUX = sys.platform == "linux"
SIGKILL: int = getattr(signal, "SIGKILL", signal.SIGTERM)

# A training process runs one of TRL's own scripts; torchrun, accelerate and `trl` name it later on their command line.
INTERPRETER = re.compile(r"(^|[/\\])(python|pypy)[\w.]*$")
TRAINER_SCRIPT = re.compile(r"(^|[/\\])trl[/\\]scripts[/\\]\w+\.py$")

Snapshot = dict[int, tuple[int, int]]
"""Every process that is not a zombie: pid to (parent's pid, start ticks)."""


@dataclass(frozen=True)
class ProcessId:
    """A process and no other: pid, start time in clock ticks, and the boot it belongs to.

    On Linux ticks count from boot and `boot` is the kernel's boot id, so that neither a reused pid nor a changed clock
    deceives. Elsewhere ticks are hundredths of a second since 1970 as psutil tells them, and `boot` is empty.
    """

    pid: int
    ticks: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> ProcessId | None:
        """The process that has `pid` now; None where there is none or it is a zombie."""
        if LINUX:
            stat = process_stat(pid)
            return cls(pid, stat[2], boot_id()) if stat and stat[0] not in "ZX" else None
        import psutil

        try:
            process = psutil.Process(pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return None
            return cls(pid, round(process.create_time() * 100), "")
        except psutil.Error:
            return None

    @classmethod
    def from_json(cls, value: object) -> ProcessId | None:
        """The identity as a record holds it; None for anything else, also where ticks are not known."""
        if not isinstance(value, dict):
            return None
        pid, ticks, boot = value.get("pid"), value.get("ticks"), value.get("boot")
        if not (type(pid) is int and type(ticks) is int and isinstance(boot, str)) or pid <= 0 or ticks <= 0:
            return None
        return cls(pid, ticks, boot)

    def to_json(self) -> dict[str, Any]:
        return {"pid": self.pid, "ticks": self.ticks, "boot": self.boot}

    def is_alive(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        return ProcessId.of(self.pid) == self

    def send(self, number: int) -> bool:
        """Signal this very process; False where it is gone. On Windows every signal ends it. Raises PermissionError."""
        if sys.platform != "linux":
            import psutil

            if not self.is_alive():
                return False
            try:
                psutil.Process(self.pid).send_signal(number)
            except psutil.NoSuchProcess:
                return False
            return True
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            # The handle is bound to one process: compare after opening, and the signal cannot reach a successor.
            if not self.is_alive():
                return False
            signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)
        return True


def snapshot() -> Snapshot:
    """All processes of this machine that this user can see, in one pass."""
    seen: Snapshot = {}
    if LINUX:
        for name in os.listdir("/proc"):
            stat = process_stat(int(name)) if name.isdigit() else None
            if stat and stat[0] not in "ZX":
                seen[int(name)] = (stat[1], stat[2])
        return seen
    import psutil

    for process in psutil.process_iter(["ppid", "create_time", "status"]):
        if process.info["status"] != psutil.STATUS_ZOMBIE and process.info["create_time"]:
            seen[process.pid] = (process.info["ppid"] or 0, round(process.info["create_time"] * 100))
    return seen


def tree_of(roots: Iterable[int], seen: Snapshot) -> list[ProcessId]:
    """Those of `roots` that live and all their descendants, parents before children."""
    boot = boot_id()
    children: dict[int, list[int]] = {}
    for pid, (parent, _) in seen.items():
        children.setdefault(parent, []).append(pid)
    found: dict[int, ProcessId] = {}
    waiting = [pid for pid in roots if pid in seen]
    while waiting:
        pid = waiting.pop(0)
        if pid not in found:
            found[pid] = ProcessId(pid, seen[pid][1], boot)
            waiting += children.get(pid, [])
    return list(found.values())


def command_line(pid: int) -> list[str]:
    """The process's arguments; empty where it is gone or not ours to read."""
    if LINUX:
        try:
            raw = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return []
        return raw.rstrip(b"\0").decode("utf-8", "replace").split("\0") if raw else []
    import psutil

    try:
        return list(psutil.Process(pid).cmdline())
    except psutil.Error:
        return []


def is_training_command(arguments: Sequence[str], script: re.Pattern[str] = TRAINER_SCRIPT) -> bool:
    """Whether `arguments` start a training script: the interpreter, its own options at most, then the script."""
    if not arguments or not INTERPRETER.search(arguments[0]):
        return False
    rest = list(arguments[1:])
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option in ("-m", "-c", "-"):
            return False
        if option in ("-X", "-W") and rest:
            rest.pop(0)
    return bool(rest) and script.search(rest[0]) is not None


def trainers_among(tree: Sequence[ProcessId], seen: Snapshot) -> list[ProcessId]:
    """The training processes (one a rank) of a tree.

    Data loader workers are forks with the command line of their trainer, so only the topmost of a line counts.
    """
    running = {process.pid for process in tree if is_training_command(command_line(process.pid))}

    def below_another(pid: int) -> bool:
        parent = seen[pid][0] if pid in seen else 0
        while parent in seen and parent > 1:
            if parent in running:
                return True
            parent = seen[parent][0]
        return False

    return [process for process in tree if process.pid in running and not below_another(process.pid)]


def trainers_in(folder: Path) -> list[ProcessId]:
    """Training processes that work in `folder`, found without any record. Linux only; elsewhere none are found."""
    if not LINUX:
        return []
    try:
        wanted = os.stat(folder)
    except OSError:
        return []
    seen = snapshot()
    tree = []
    for pid, (_, ticks) in seen.items():
        try:
            here = os.stat(f"/proc/{pid}/cwd")
        except OSError:
            continue
        if (here.st_dev, here.st_ino) == (wanted.st_dev, wanted.st_ino):
            tree.append(ProcessId(pid, ticks, boot_id()))
    return trainers_among(tree, seen)


def kill_all(processes: Iterable[ProcessId]) -> None:
    """SIGKILL to each of these very processes, in the order given; those gone or not ours to end are passed over."""
    for process in processes:
        with contextlib.suppress(PermissionError):
            process.send(SIGKILL)


def end_below(pid: int, seconds: float = 10.0) -> None:
    """SIGKILL to all that a process of ours has started, until nothing of that is left; the process itself lives on."""
    until = time.monotonic() + seconds
    while below := tree_of([pid], snapshot())[1:]:
        kill_all(below)
        if time.monotonic() > until:
            break  # what waits for a disk that does not answer
        time.sleep(0.01)
