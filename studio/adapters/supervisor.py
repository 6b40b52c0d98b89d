"""The supervisor: one light process a run that starts the trainer when its turn has come and records the end.

Run as `python -m studio.adapters.supervisor RUN_FOLDER`; `studio.adapters.launching` does so. It outlives the page and
the web server. SIGTERM to it (a machine shutting down) means stop and save, SIGUSR1 stop now; it ignores the rest.
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from studio.adapters import exitcode
from studio.adapters.attempts import read_exit, seconds_in, stop_in, stronger
from studio.adapters.locking import hold
from studio.adapters.processes import ProcessId, kill_all, snapshot, trainers_among, trainers_in, tree_of
from studio.adapters.runs import Record, Run, last_attempt, utc_now
from studio.adapters.waiting import Turn, handed_gpus, waits
from studio.domain.errors import StudioError
from studio.domain.states import Exit, StopHow, outcome_of

TICK = 0.5  # seconds between two looks
STEADY = 2.0  # the same for the process tree, once the trainer is found and nobody wants it stopped
HEARTBEAT = 5.0
GRACE = 120.0  # from "save" to SIGKILL
LINGER = 60.0  # what trainer and launcher leave behind may take this long
AT_END = 60.0  # the command at the end may take this long
KEEP_TRYING = 60.0  # to write the final record on a full disk
ALREADY = 3  # exit code: the run has a supervisor

NO_PROCESS = ProcessId(0, 0, "")


class Supervisor:
    """Follows the latest attempt of one run. `begin` once, then `tick` with a steady clock until it returns True."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.me = ProcessId.of(os.getpid()) or NO_PROCESS
        self.asked: StopHow | None = None  # by a signal
        self.good: Record = {"attempts": []}  # the record as last read or written whole
        self.said: Record = {}  # what this supervisor has to say of the attempt, also while it cannot be written
        self.unwritten = False
        self.waiter = self.launcher = NO_PROCESS
        self.waiter_process: subprocess.Popen[bytes] | None = None
        self.waiter_code: int | None = None
        self.turn: Turn | None = None  # while the run waits for it
        self.withdrawn = self.seen_alive = False  # stopped before it was started; a process of it was met
        self.parental = False  # this process started the waiter, so whatever loses its parent comes here
        self.trainers: dict[ProcessId, Record] = {}
        self.others: set[ProcessId] = set()
        self.workers: set[ProcessId] = set()  # seen below a trainer
        self.tree: list[ProcessId] = []
        self.seen_file: tuple[int, ...] = ()
        self.seen_log = -1
        self.next_look = self.next_beat = 0.0
        self.stop_since: float | None = None
        self.idle_since: float | None = None
        self.gone_since: float | None = None
        self.at_end: subprocess.Popen[bytes] | None = None

    def begin(self, ready: Callable[[], None] = lambda: None) -> bool:
        """Take the attempt over, call `ready`, and start its trainer unless that was done before.

        False where there is nothing to follow. Raises StudioError or OSError where the record cannot be written.
        """
        earlier: Record = {}

        def claim(record: Record) -> None:
            attempt = last_attempt(record)
            if attempt and not attempt.get("outcome") and self.run.is_here(attempt):
                earlier.update(copy.deepcopy(attempt))
                attempt["supervisor"] = self.me.to_json()

        self.good = self.run.update(claim)
        ready()
        if not earlier:
            return False
        exits = self.run.exits(earlier)
        if waits(earlier) and not exits:
            self.turn = Turn(self.run)
        elif earlier.get("supervisor") or earlier.get("started") or exits:
            self._take_over(earlier)
        elif stop_in(earlier):
            self.withdrawn = True
        else:
            self._start(earlier)
        return True

    def tick(self, now: float) -> bool:
        """Look and act once. `now` is in seconds on a clock that only goes forward. True: all is recorded."""
        if self.turn is not None and self.asked == "save":
            return True  # the machine goes down: whoever takes the run over has it wait again
        self._reap()
        self._read_requests()
        if self.turn is not None and not self._may_start(self.turn, now):
            return False
        if self.gone_since is None:
            self._look(now)
            self._read_progress(ended=not self.tree)
            if self.tree:
                self.seen_alive = True
                self._follow_stop(now)
                self._clear_leftovers(now)
                if self.unwritten or now >= self.next_beat:
                    self._write(now)
                return False
            self._reap()
            self._conclude(now)
        return self._finish(now)

    # The attempt

    @property
    def attempt(self) -> Record:
        """The attempt as the file had it, with what this supervisor has to say of it."""
        return last_attempt(self.good) | self.said

    def _may_start(self, turn: Turn, now: float) -> bool:
        """Starts the run if its turn has come; False while it waits on."""
        self.withdrawn = stop_in(self.attempt) is not None
        if not self.withdrawn and not turn.come(now):
            return False
        self.turn = None
        if not self.withdrawn:
            self._read_requests()
            self._start(self.attempt)
        return True

    def _start(self, attempt: Record) -> None:
        """Start the waiter, which starts the trainer; both write to train.log and nothing is piped."""
        path = self.run.exits_path(attempt["number"])
        try:
            path.unlink(missing_ok=True)
            with (self.run.folder / "train.log").open("ab") as log:
                self.said["started"] = utc_now()
                self.waiter_process = subprocess.Popen(
                    [sys.executable, "-I", "-S", exitcode.__file__, path.name, *attempt["command"]],
                    cwd=self.run.folder, env={**os.environ, **handed_gpus(attempt)},
                    stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                )  # fmt: skip
        except OSError as error:
            print(f"The trainer could not be started: {error}", flush=True)
            self.waiter_code = 126
            return
        self.parental = True
        self.waiter = ProcessId.of(self.waiter_process.pid) or ProcessId(self.waiter_process.pid, 0, "")
        self.said["waiter"] = self.waiter.to_json()
        self.unwritten = True

    def _take_over(self, attempt: Record) -> None:
        """Follow a tree whose supervisor was killed, also one that he had no time to write down."""
        exits = self.run.exits(attempt)
        self.waiter = ProcessId.from_json(attempt.get("waiter") or exits.get("waiter")) or NO_PROCESS
        if exits and not attempt.get("started"):
            self.said["started"] = exits.get("started")
        for record in attempt.get("trainers") or []:
            if process := ProcessId.from_json(record):
                self.trainers[process] = record
        self.others = set(self.run.processes(attempt)) - set(self.trainers)
        self.workers = set(self.others)
        for process in trainers_in(self.run.folder):
            if process not in self.workers:
                self.trainers.setdefault(process, process.to_json())

    def _read_requests(self) -> None:
        try:
            found = os.stat(self.run.folder / "run.json")
            seen: tuple[int, ...] = (found.st_mtime_ns, found.st_size, found.st_ino)
        except OSError:
            seen = ()
        if seen != self.seen_file:
            self.seen_file = seen
            record = self.run.record()
            if not record.get("damaged"):
                self.good = record
            else:
                self.unwritten = True  # somebody spoilt it: put it right
        if self.asked:
            how, self.asked = self.asked, None
            self.said["stop"] = stronger(last_attempt(self.good).get("stop"), {"requested": utc_now(), "how": how})
            self.unwritten = True

    def _write(self, now: float) -> bool:
        def change(record: Record) -> None:
            stop = last_attempt(record).get("stop")
            if record.get("damaged"):
                record.clear()
                record.update(copy.deepcopy(self.good))
            attempt = last_attempt(record)
            stop = stronger(stop, stronger(attempt.get("stop"), self.said.get("stop")))
            attempt |= self.said | {"heartbeat": utc_now(), "stop": stop}

        self.next_beat = now + HEARTBEAT
        self.said["trainers"] = list(self.trainers.values())
        self.said["processes"] = [one.to_json() for one in sorted(self.others, key=lambda one: one.pid)]
        try:
            self.good = self.run.update(change, patience=1.0)
        except (OSError, StudioError) as error:
            if not self.unwritten:
                print(f"run.json not written, trying on: {error}", flush=True)
            self.unwritten = True
            return False
        self.unwritten = False
        return True

    # The tree

    def _reap(self) -> None:
        """Collect ended children: the waiter, and where it was killed what it would have collected."""
        while True:
            try:
                ended = exitcode.reap(block=False)
            except ChildProcessError:
                return
            if ended is None:
                return
            if ended["pid"] == self.waiter.pid:
                self.waiter_code = ended["code"] if isinstance(ended["code"], int) else None
            elif self.gone_since is None:
                self.run.note_exit(self.attempt, ended, self.launcher)

    def _look(self, now: float) -> None:
        """Find the tree, and write down who is in it while parents still show where each came from."""
        leading = [process for process in (self.waiter, self.launcher, *self.trainers) if process in self.tree]
        calm = self.trainers and self.idle_since is None and stop_in(self.attempt) is None
        if calm and now < self.next_look and leading and all(process.is_alive() for process in leading):
            return
        self.next_look = now + STEADY
        if self.launcher is NO_PROCESS:
            self.launcher = ProcessId.from_json(self.run.exits(self.attempt).get("launcher")) or NO_PROCESS
            if self.launcher is not NO_PROCESS:
                self.said["launcher"] = self.launcher.to_json()
                self.unwritten = True
        seen = snapshot()
        recorded = {self.waiter, self.launcher, *self.trainers, *self.others}
        roots = [process.pid for process in recorded if seen.get(process.pid, (0, 0))[1] == process.ticks]
        if self.parental and self.waiter.pid not in roots:
            roots.append(self.me.pid)  # what the waiter would have collected is now a child of this process
        self.tree = [process for process in tree_of(roots, seen) if process != self.me]
        for process in trainers_among(self.tree, seen):
            # A data loader worker that lost its trainer looks like one, but for where it was seen before.
            orphan = self.trainers and seen[process.pid][0] in (1, self.me.pid, self.waiter.pid)
            if process not in self.trainers and process not in self.workers and not orphan:
                self.trainers[process] = process.to_json()
                self.unwritten = True
        self.workers = self.workers & set(self.tree) | set(tree_of([process.pid for process in self.trainers], seen))
        others = set(self.tree) - {self.waiter, self.launcher} - set(self.trainers)
        self.unwritten = self.unwritten or others != self.others
        self.others = others

    def _read_progress(self, ended: bool) -> None:
        try:
            size = (self.run.folder / "train.log").stat().st_size
        except OSError:
            return
        if size == self.seen_log and not ended:
            return
        self.seen_log = size
        progress = self.run.progress_of(self.attempt, ended)
        self.said |= {"last_step": progress.step, "total_steps": progress.total}

    # The end

    def _follow_stop(self, now: float) -> None:
        """The ladder: SIGTERM to each rank once, and after the grace period SIGKILL to the whole tree.

        The launcher gets none: it would die of it at once and take nobody along.
        """
        attempt = self.attempt
        how = stop_in(attempt)
        if how is None:
            return
        if self.stop_since is None:
            self.stop_since = now
        if how == "now" or not self.trainers or now - self.stop_since >= seconds_in(attempt, "grace", GRACE):
            # Not the waiter: it ends when its children have, and says how.
            kill_all(process for process in self.tree if process != self.waiter)
            return
        total = attempt.get("total_steps")
        if total is not None and (attempt.get("last_step") or 0) >= total:
            return  # it is writing the final model, and SIGTERM would no longer be caught
        for trainer, record in self.trainers.items():
            if not record.get("signalled") and trainer in self.tree:
                with contextlib.suppress(PermissionError):
                    trainer.send(signal.SIGTERM)
                record["signalled"] = utc_now()
                self.unwritten = True

    def _clear_leftovers(self, now: float) -> None:
        """End what neither launcher nor trainers took along, so that a run ends at all."""
        launched = read_exit(self.run.exits(self.attempt).get("launcher")) or Exit()
        active = self.launcher in self.tree or any(trainer in self.tree for trainer in self.trainers)
        if active or self.launcher is NO_PROCESS or not (self.trainers or launched.code is not None):
            self.idle_since = None
            return
        if self.idle_since is None:
            self.idle_since = now
        if now - self.idle_since >= seconds_in(self.attempt, "linger", LINGER):
            kill_all([process for process in self.tree if process != self.waiter] or self.tree)

    def _conclude(self, now: float) -> None:
        """Nothing lives any more: settle the outcome, and start the command for the end."""
        self.gone_since = now
        if self.waiter_process:
            self.waiter_process.poll()
        attempt = self.attempt
        exit = self.run.exit(attempt, gathered=self.parental)
        if exit is None and not self.run.exits(attempt) and self.waiter_code is not None:
            # The exit file could never be written; the waiter says the same as a shell would.
            code = self.waiter_code
            exit = Exit(code=code) if code < 128 else Exit(signal=code - 128)
        stop = stop_in(attempt)
        outcome = outcome_of(exit, stop, attempt.get("last_step"), attempt.get("total_steps"))
        if exit is None and stop and (self.withdrawn or self.stop_since is not None):
            outcome = "stopped"  # carried out here, where nobody could collect an exit
        ended = utc_now() if self.seen_alive or self.withdrawn else self.run.last_sign(attempt)
        self.said |= {"ended": ended, "outcome": outcome, "exit": vars(exit) if exit else None}
        if attempt.get("at_end"):
            try:
                end = {**os.environ, "TRL_STUDIO_ENDED": json.dumps(self.said)}
                self.at_end = subprocess.Popen(
                    attempt["at_end"], cwd=self.run.folder, env=end, stdin=subprocess.DEVNULL, start_new_session=True
                )
            except OSError as error:
                print(f"{attempt['at_end'][0]} could not be started: {error}", flush=True)

    def _finish(self, now: float) -> bool:
        assert self.gone_since is not None
        waited = now - self.gone_since
        if self.at_end and self.at_end.poll() is None:
            if waited < seconds_in(self.attempt, "at_end_timeout", AT_END):
                return False
            print("the command at the end took too long", flush=True)
            kill_all(tree_of([self.at_end.pid], snapshot()))
        self.at_end = None
        self.others.clear()
        return self._write(now) or waited >= KEEP_TRYING + seconds_in(self.attempt, "at_end_timeout", AT_END)


def supervise(folder: Path, ready: Callable[[], None]) -> int:
    """Be the supervisor of the run in `folder` until it has ended; the exit code. `ready` is called once recorded."""
    os.chdir(folder)
    held = hold(Path("supervisor.lock"))  # for as long as this process lives
    if held is None:
        print(f"{folder} has a supervisor already.", flush=True)
        return ALREADY
    supervisor = Supervisor(Run(Path()))  # the working folder, wherever it may be moved to

    def ask(number: int, _frame: object) -> None:
        supervisor.asked = "save" if number == signal.SIGTERM and supervisor.asked != "now" else "now"

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":
        signal.signal(signal.SIGUSR1, ask)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGQUIT, signal.SIG_IGN)
    exitcode.become_subreaper()
    trouble = ""
    if not supervisor.begin(ready):
        return 0
    while True:
        try:
            if supervisor.tick(time.monotonic()):
                return 0
        except Exception as error:  # noqa: BLE001 - neither a full disk nor an odd record must end it
            if repr(error) != trouble:  # the log would fill
                traceback.print_exc()
            trouble = repr(error)
        time.sleep(TICK)


def main(arguments: list[str]) -> int:
    """`python -m studio.adapters.supervisor RUN_FOLDER`: returns once the supervisor, detached, has recorded itself."""
    folder = Path(arguments[0]).resolve()
    if sys.platform == "win32":
        return supervise(folder, lambda: None)
    receiver, sender = os.pipe()
    if child := os.fork():
        os.close(sender)
        if os.read(receiver, 1):
            return 0
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) or 1
    os.close(receiver)
    os.setsid()
    # Whoever started this may have given up meanwhile: then the write fails, and nothing is started.
    return supervise(folder, lambda: os.close(sender) if os.write(sender, b"1") else None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
