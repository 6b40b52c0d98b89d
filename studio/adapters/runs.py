"""Run folders: everything there is to know of a run, written whole or not at all and readable whatever happened."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from studio.adapters.attempts import key_of, listed, read_exit, stop_in, whole
from studio.adapters.exitcode import boot_id, read_exits, write_exits
from studio.adapters.locking import locked
from studio.adapters.processes import ProcessId, trainers_in
from studio.adapters.progress import Progress, checkpoint_steps, read_progress, read_tail
from studio.domain.errors import StudioError
from studio.domain.moments import moment
from studio.domain.states import LIVE, Exit, Facts, State, StopHow, deciding_exit, is_outcome, state_of

Record = dict[str, Any]

SAFE_ID = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?")
EXIT_NAME = re.compile(r"exit\.(\d+)\.json")
LOCK_PATIENCE = 10.0


def utc_now() -> str:
    """The time as run.json has it: ISO, UTC, milliseconds, Z."""
    return as_text(datetime.now(UTC))


def as_text(when: datetime) -> str:
    """A moment as run.json has it."""
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def folder_identity(folder: Path) -> dict[str, int]:
    """Device and inode: a moved folder keeps them, a copied one does not."""
    found = os.stat(folder)
    return {"device": found.st_dev, "inode": found.st_ino}


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file by one with `data`, so that a reader or a crash meets the old or the new one. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def last_attempt(record: Record) -> Record:
    """The attempt a record speaks of now; empty where it has none."""
    attempts = record["attempts"]
    return attempts[-1] if attempts else {}


class Run:
    """One run: its folder, and its name, which is the folder's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.id = folder.name

    def __repr__(self) -> str:
        return f"Run({self.id!r})"

    def record(self) -> Record:
        """What run.json says, with `id` and a list of `attempts` in any case.

        Where it cannot be read, `damaged` is true and the attempts are what the exit files know of them.
        """
        try:
            with open(f"{self.folder}/run.json", "rb") as file:
                found = json.loads(file.read())
        except (OSError, ValueError, RecursionError):
            found = None
        if isinstance(found, dict) and isinstance(found.get("attempts"), list):
            found["attempts"] = [attempt for attempt in found["attempts"] if isinstance(attempt, dict)]
            return {"id": self.id, "method": None, "created": None} | found
        names = [match for path in self._files() if (match := EXIT_NAME.fullmatch(path))]
        attempts: list[Record] = []
        for number in sorted(int(match[1]) for match in names):
            exits = read_exits(self.exits_path(number))
            attempts.append({"number": number, "started": exits.get("started"), "folder": exits.get("folder")})
        return {"id": self.id, "method": None, "created": None, "attempts": attempts, "damaged": True}

    def _files(self) -> list[str]:
        try:
            return os.listdir(self.folder)
        except OSError:
            return []

    def update(self, change: Callable[[Record], None], patience: float = LOCK_PATIENCE) -> Record:
        """Read, change and write run.json while nobody else does; the record as written.

        Raises StudioError when the lock is not to be had in `patience` seconds, OSError when the disk is full or gone.
        """
        with locked(self.folder / "run.lock", patience):
            record = self.record()
            change(record)
            write_whole(self.folder / "run.json", (json.dumps(record, indent=1) + "\n").encode())
        return record

    def exits(self, attempt: Record) -> Record:
        """The exit file of an attempt; {} where there is none yet."""
        return read_exits(self.exits_path(whole(attempt.get("number")) or 0))

    def exits_path(self, number: int) -> Path:
        """Where the exit codes of attempt `number` stand."""
        return self.folder / f"exit.{number}.json"

    def log_tail(self, max_bytes: int = 64 * 1024, attempt: Record | None = None) -> str:
        """The end of train.log as it stands there, carriage returns and all (see `progress.readable`).

        With `attempt` only what that one has written: nothing of the attempts before it.
        """
        start = whole((attempt or {}).get("log_start")) or 0
        return read_tail(self.folder / "train.log", max_bytes, start)

    def progress(self) -> Progress:
        """Steps and phase of the latest attempt, from the log's tail, the record and, failing both, a checkpoint."""
        attempt = last_attempt(self.record())
        return self.progress_of(attempt, ended=bool(attempt.get("outcome")))

    def progress_of(self, attempt: Record, ended: bool) -> Progress:
        """The progress of one attempt; `ended` takes a longer look, for an outcome may depend on it."""
        step, total = (whole(attempt.get(key)) for key in ("last_step", "total_steps"))
        if attempt.get("outcome"):
            return Progress(step, total)
        progress = read_progress(self.folder, whole(attempt.get("log_start")) or 0, Progress(step, total), ended)
        if ended and (progress.step is None or progress.total is None):
            return Progress(*checkpoint_steps(self.folder, attempt.get("checkpoint_before")), progress.phase)
        return progress

    def processes(self, attempt: Record) -> list[ProcessId]:
        """The live processes of an attempt's tree, as far as its record and its exit file know them.

        A copied folder has the record of processes that never worked in it: they are not its own.
        """
        if not self.is_here(attempt):
            return []
        exits = self.exits(attempt)
        recorded = [attempt.get("waiter"), attempt.get("launcher"), exits.get("waiter"), exits.get("launcher")]
        for key in ("trainers", "processes"):
            recorded += attempt[key] if isinstance(attempt.get(key), list) else []
        known = dict.fromkeys(process for value in recorded if (process := ProcessId.from_json(value)))
        return [process for process in known if process.is_alive()]

    def is_here(self, attempt: Record) -> bool:
        """Whether an attempt was started in this very folder: one that was copied is of the folder it came from."""
        where = attempt.get("folder")
        if where is None:
            return True  # rebuilt from an exit file, which does not say
        try:
            return bool(where == folder_identity(self.folder))
        except OSError:
            return False

    def supervisor(self, record: Record) -> ProcessId | None:
        """The live supervisor of the latest attempt, or whoever is about to start it."""
        attempt = last_attempt(record)
        if not self.is_here(attempt or record):
            return None
        said = (attempt.get("supervisor") or attempt.get("starter")) if attempt else record.get("starter")
        process = ProcessId.from_json(said)
        return process if process and process.is_alive() else None

    def note_exit(self, attempt: Record, ended: Record, launcher: ProcessId) -> None:
        """Writes down how a process of an attempt ended, where the one that should have was killed."""
        exits = self.exits(attempt)
        if ended["pid"] == launcher.pid:
            exits["launcher"] = ended | {"boot": launcher.boot}
        else:
            exits.setdefault("orphans", []).append(ended)
        with contextlib.suppress(OSError):  # then the outcome says less than it could, but nothing false
            write_exits(self.exits_path(attempt["number"]), exits)

    def last_sign(self, attempt: Record) -> str:
        """When an attempt was last heard of, in its log or by its supervisor: the end of one that nobody saw end."""
        signs = [said for key in ("started", "heartbeat") if (said := moment(attempt.get(key))) is not None]
        with contextlib.suppress(OSError):
            signs.append(datetime.fromtimestamp((self.folder / "train.log").stat().st_mtime, UTC))
        return as_text(max(signs)) if signs else utc_now()

    def exit(self, attempt: Record, gathered: bool = False) -> Exit | None:
        """How the trainer of an attempt ended, as far as the exit file can tell.

        `gathered`: the caller saw the whole tree end, where the file itself does not say so.
        """
        exits = self.exits(attempt)
        ended = {key_of(value): read_exit(value) for value in listed(exits.get("orphans"))}
        trainers = [ended.get(key_of(value)) for value in listed(attempt.get("trainers"))]
        return deciding_exit(read_exit(exits.get("launcher")), trainers, gathered or bool(exits.get("ended")))

    def facts(self, record: Record | None = None) -> Facts:
        """What is known of the latest attempt now, from the folder and the processes alone.

        `record` is what run.json says, for one who has just read it.
        """
        record = self.record() if record is None else record
        attempt = last_attempt(record)
        outcome, stop = attempt.get("outcome"), stop_in(attempt)
        if is_outcome(outcome):
            step, total = (whole(attempt.get(key)) for key in ("last_step", "total_steps"))
            return Facts(started=True, stop=stop, outcome=outcome, exit=read_exit(attempt.get("exit")), last_step=step,
                         total_steps=total)  # fmt: skip
        supervised = self.supervisor(record) is not None
        started = bool(attempt.get("started") or self.exits(attempt))
        exit = self.exit(attempt)
        alive = bool(self.processes(attempt))
        if started and not alive and exit is None and not supervised and _of_this_boot(attempt):
            # Supervisor and waiter may have been killed before they wrote down the trainer.
            alive = bool(trainers_in(self.folder))
        progress = self.progress_of(attempt, ended=not alive) if started else Progress()
        return Facts(started, supervised, alive, stop, None, exit, progress.step, progress.total, progress.phase)

    def state(self) -> State:
        """The run's state now."""
        return state_of(self.facts())

    def request_stop(self, how: StopHow) -> bool:
        """Write down that the run shall stop; False where it has ended, whoever saw it. The supervisor carries it out.

        "save" lets the trainer save and end; "now" does not, and overrides an earlier "save". Raises StudioError.
        """
        noted = False

        def ask(record: Record) -> None:
            nonlocal noted
            attempt = last_attempt(record)
            if not attempt or attempt.get("outcome") or self.exits(attempt).get("ended") or not self.is_here(attempt):
                return
            facts = self.facts(record)
            if facts.started and state_of(facts) not in LIVE:
                return
            noted = True
            if stop_in(attempt) is None or (how == "now" and stop_in(attempt) == "save"):
                attempt["stop"] = {"requested": utc_now(), "how": how}

        try:
            self.update(ask)
        except OSError as error:
            raise StudioError(
                f"The stop request for {self.id} could not be written: {error}.", "Free some disk space and try again."
            ) from error
        return noted


class RunFolders:
    """All runs: the folders below `runs`."""

    def __init__(self, runs: Path) -> None:
        self.runs = runs
        self._created_at: dict[tuple[str, int], str] = {}  # by name and inode: a record says the same for ever

    def create(
        self,
        run_id: str,
        method: str,
        recipe_text: str,
        accelerate_text: str | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> Run:
        """Make the folder of a new run, all of it or nothing.

        `recipe_text` becomes recipe.yaml byte for byte; `files` are further contents by relative path. Raises
        StudioError for an id that is taken or no safe folder name, and where the disk does not take it.
        """
        folder = self._folder(run_id)
        taken = StudioError(f"There is a run '{run_id}' already.", "Give this one another name.")
        if os.path.lexists(folder):
            raise taken
        contents = {_inside(name): data for name, data in (files or {}).items()}
        contents["recipe.yaml"] = recipe_text.encode()
        if accelerate_text is not None:
            contents["accelerate.yaml"] = accelerate_text.encode()
        temporary = None
        try:
            self.runs.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(prefix=f".{run_id}.", dir=self.runs))
            temporary.chmod(0o755)
            starter = ProcessId.of(os.getpid())
            record = {
                "version": 1, "id": run_id, "method": method, "created": utc_now(), "attempts": [],
                "starter": starter.to_json() if starter else None, "folder": folder_identity(temporary),
            }  # fmt: skip
            contents |= {"run.json": (json.dumps(record, indent=1) + "\n").encode(), "run.lock": b""}
            for name, data in contents.items():
                (temporary / name).parent.mkdir(parents=True, exist_ok=True)
                write_whole(temporary / name, data)
            os.rename(temporary, folder)
        except OSError as error:
            if temporary is not None:
                shutil.rmtree(temporary, ignore_errors=True)
            if os.path.lexists(folder):
                raise taken from error
            raise StudioError(
                f"The folder of run '{run_id}' could not be written in {self.runs}: {error.strerror or error}.",
                "Free some space or make the folder writable, then start again.",
            ) from error
        return Run(folder)

    def get(self, run_id: str) -> Run:
        """The run of that name. Raises StudioError where there is none."""
        folder = self._folder(run_id)
        if not folder.is_dir():
            raise StudioError(f"There is no run '{run_id}' in {self.runs}.", "Choose one of the runs listed.")
        return Run(folder)

    def list(self, created: Callable[[Run], Any] = lambda run: run.record().get("created")) -> list[Run]:
        """All runs, newest first, also those whose run.json cannot be read; `created` is asked once of each."""
        try:
            with os.scandir(self.runs) as entries:
                names = sorted((entry.name, entry.inode()) for entry in entries)
        except OSError:
            return []
        known, self._created_at = self._created_at, {}
        found = []
        for key in names:
            if not SAFE_ID.fullmatch(key[0]):
                continue
            run = Run(self.runs / key[0])
            if key in known:
                self._created_at[key] = known[key]
                found.append((known[key], run))
            elif any(os.path.isfile(f"{run.folder}/{file}") for file in ("run.json", "recipe.yaml")):
                found.append((self._created(run, key, created(run)), run))
        return [run for _, run in sorted(found, key=lambda pair: pair[0], reverse=True)]

    def _created(self, run: Run, key: tuple[str, int], said: object) -> str:
        if isinstance(said, str) and said:
            self._created_at[key] = said
            return said
        with contextlib.suppress(OSError):
            # The recipe is written once; the folder's own time changes with every checkpoint and every repair.
            return datetime.fromtimestamp((run.folder / "recipe.yaml").stat().st_mtime, UTC).isoformat()
        return ""

    def _folder(self, run_id: str) -> Path:
        if not isinstance(run_id, str) or not SAFE_ID.fullmatch(run_id):
            raise StudioError(
                f"'{run_id}' is no name for a run.",
                "Use up to 100 letters, digits, dots, dashes and underscores, not a dot or dash first nor a dot last.",
            )
        return self.runs / run_id


def _of_this_boot(attempt: Record) -> bool:
    # Looking through all processes is worth it only where they can still be there.
    said = attempt.get("supervisor") or attempt.get("waiter")
    return not isinstance(said, dict) or said.get("boot") == boot_id()


def _inside(name: str) -> str:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.parts or ":" in name or path.parts[0] == "run.json":
        raise StudioError(f"'{name}' cannot be a file of a run folder.", "Give a path inside the folder.")
    return str(path)
