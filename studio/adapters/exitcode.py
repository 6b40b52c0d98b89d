"""The tiny parent of a trainer: waits for it and for all it leaves behind, and writes their exit codes to a file.

Run as `python -I -S exitcode.py EXIT_FILE COMMAND...` with the standard library only, so that it stays near 10 MB and
outlives a killed supervisor. It is the subreaper of the trainer's tree: what loses its parent comes to it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time

Json = dict[str, object]

# The file is written once at this size and then over itself: a full disk cannot keep the exit code from it.
FILE_BYTES = 4096
RETRY_SECONDS = 30.0


def process_stat(pid: int) -> tuple[str, int, int] | None:
    """State letter, parent's pid and start ticks since boot of a process on Linux; None where there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        return None
    # The command name stands in parentheses and may hold anything, so count from the last one.
    fields = text[text.rfind(b")") + 2 :].split()
    return (fields[0].decode(), int(fields[1]), int(fields[19])) if len(fields) > 19 else None


def boot_id() -> str:
    """The kernel's name for this boot on Linux; empty elsewhere, where start times are absolute."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def identity(pid: int) -> Json:
    """Pid, start ticks and boot id; ticks are 0 where only psutil could tell them."""
    stat = process_stat(pid)
    return {"pid": pid, "ticks": stat[2] if stat else 0, "boot": boot_id()}


def become_subreaper() -> None:
    """Have orphaned descendants of this process come to it instead of init. Linux only; elsewhere they go to init."""
    if sys.platform == "linux":
        import ctypes

        pr_set_child_subreaper = 36
        ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)


def utc_now() -> str:
    """The time as ISO UTC, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def read_exits(path: str | os.PathLike[str]) -> Json:
    """The exit file: `waiter`, `launcher` (with `code` or `signal`), `orphans`, `ended`, ...; {} where unreadable."""
    for _ in range(3):  # it is overwritten in place: a read may meet a write halfway
        try:
            with open(path, "rb") as file:
                found = json.loads(file.read(FILE_BYTES).decode("utf-8"))
        except OSError:
            return {}
        except ValueError:
            time.sleep(0.005)
            continue
        return found if isinstance(found, dict) else {}
    return {}


def write_exits(path: str | os.PathLike[str], exits: Json) -> None:
    """Write the exit file in one piece of FILE_BYTES, over what is there. Raises OSError."""
    orphans = exits.get("orphans")
    text = json.dumps(exits).encode()
    while len(text) > FILE_BYTES and isinstance(orphans, list) and orphans:
        orphans.pop(0)
        text = json.dumps(exits).encode()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, text.ljust(FILE_BYTES))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_patiently(path: str, exits: Json) -> None:
    """`write_exits`, again and again for RETRY_SECONDS: nobody else knows what stands in it."""
    give_up = time.monotonic() + RETRY_SECONDS
    while True:
        try:
            return write_exits(path, exits)
        except OSError as error:
            if time.monotonic() > give_up:
                print(f"exit codes not written to {path}: {error}", file=sys.stderr, flush=True)
                return None
        time.sleep(0.5)


def reap(block: bool) -> Json | None:
    """Collect one ended child: `pid`, `ticks`, `code`, `signal`. None: none has ended. ChildProcessError: no child."""
    if sys.platform == "win32":
        raise ChildProcessError("Windows keeps no ended children")
    ticks = 0
    if sys.platform == "linux":
        seen = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT | (0 if block else os.WNOHANG))
        if seen is None:
            return None
        stat = process_stat(seen.si_pid)  # a zombie still has its start time; a recycled pid does not have this one
        ticks = stat[2] if stat else 0
        pid, status = os.waitpid(seen.si_pid, 0)
    else:
        pid, status = os.waitpid(-1, 0 if block else os.WNOHANG)
        if pid == 0:
            return None
    code = os.waitstatus_to_exitcode(status)
    return {"pid": pid, "ticks": ticks, "code": code if code >= 0 else None, "signal": -code if code < 0 else None}


def spawn(command: list[str]) -> int:
    """Start `command` with every signal as a fresh process has it, and return its pid. Raises OSError.

    A child inherits ignored signals, and a trainer that ignores SIGTERM cannot be asked to save.
    """
    if sys.platform == "win32":
        raise OSError("posix_spawn is not to be had")
    defaults = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
    return os.posix_spawnp(command[0], command, os.environ, setsigmask=[], setsigdef=defaults)


def wait_for_all(path: str, exits: Json, launcher: int) -> int:
    """Collect exits until no descendant is left; the launcher's, as a shell would say it."""
    said = 1
    orphans: list[Json] = []
    exits["orphans"] = orphans
    while True:
        try:
            ended = reap(block=True)
        except ChildProcessError:
            break
        if ended is None:
            continue
        if ended["pid"] == launcher:
            exits["launcher"] = ended | {"boot": boot_id()}
            code, number = ended["code"], ended["signal"]
            said = code if isinstance(code, int) else 128 + number if isinstance(number, int) else 1
        else:
            orphans.append(ended)
        write_patiently(path, exits)
    exits["ended"] = utc_now()
    write_patiently(path, exits)
    return said


def wait_on_windows(path: str, exits: Json, command: list[str]) -> int:
    """Start and wait where a process has no orphans to collect: the launcher's exit code alone. Raises OSError."""
    import subprocess

    code = subprocess.Popen(command).wait()
    exits["launcher"] = {"pid": 0, "ticks": 0, "boot": "", "code": code, "signal": None}
    exits["ended"] = utc_now()
    write_patiently(path, exits)
    return code


def main(arguments: list[str]) -> int:
    """Start the command, write who runs, wait, write how all ended."""
    path, command = arguments[0], arguments[1:]
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"):
        if hasattr(signal, name):
            with contextlib.suppress(OSError, ValueError):
                signal.signal(getattr(signal, name), signal.SIG_IGN)
    become_subreaper()
    here = os.stat(".")
    exits: Json = {
        "version": 1,
        "started": utc_now(),
        "folder": {"device": here.st_dev, "inode": here.st_ino},
        "waiter": identity(os.getpid()),
        "ended": None,
    }
    with contextlib.suppress(OSError):  # tried again at the end; the run itself does not depend on it
        write_exits(path, exits)
    try:
        if sys.platform == "win32":
            return wait_on_windows(path, exits, command)
        launcher = spawn(command)
    except OSError as error:
        print(f"{command[0]} could not be started: {error}", file=sys.stderr, flush=True)
        exits["launcher"] = {"pid": 0, "ticks": 0, "boot": "", "code": 127, "signal": None}
        exits["ended"] = utc_now()
        write_patiently(path, exits)
        return 127
    exits["launcher"] = identity(launcher)
    with contextlib.suppress(OSError):
        write_exits(path, exits)
    return wait_for_all(path, exits, launcher)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
