"""The metrics store: reads what trackio writes, row by row as it grows, and exports a run's rows to its folder."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from studio.domain.curves import is_number
from studio.domain.errors import StudioError

Kind = Literal["metrics", "system"]
# ok: read. absent: no file or no table yet. locked: a writer holds it, ask again. unreadable: not the schema we know.
State = Literal["ok", "absent", "locked", "unreadable"]

_TABLES: dict[Kind, str] = {"metrics": "metrics", "system": "system_metrics"}
_NOT_NUMBERS = {"NaN", "Infinity", "-Infinity"}  # trackio writes these floats as text
# What SQLite says of a file that it cannot make out; an unsupported format is a mere error.
_CORRUPT = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_LOCK_WAIT = 0.2
_EXPORT_LOCK_WAIT = 10.0
_NEWEST = 200  # of a sample, so that what goes on now is whole
_TAIL = 256 * 1024  # bytes at an export's end that hold a run's last values


@dataclass(frozen=True)
class Row:
    """One log call. `values` has trackio's keys; a NaN or infinity is None there and named in `gaps`."""

    id: int
    step: int
    time: str
    values: dict[str, Any]
    gaps: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Rows:
    """The rows after an id, and the id to ask from next.

    `restarted`: the store was replaced and `rows` are from its start. Not `complete`: `limit` left rows for later.
    """

    rows: list[Row]
    last_id: int
    state: State = "ok"
    restarted: bool = False
    complete: bool = True


@dataclass(frozen=True)
class Table:
    """A table that a trainer logged, such as GRPO's completions: the step, its name and its rows."""

    step: float
    name: str
    rows: list[dict[str, Any]]


def database_name(project: str) -> str:
    """The file that trackio keeps `project` in."""
    kept = "".join(letter for letter in project if letter.isalnum() or letter in "-_").rstrip()
    return f"{kept or 'default'}.db"


def shown_name(key: str) -> str:
    """A metric's name as TRL logs it: trackio's `train/` prefix goes, `eval/` stays."""
    return key.removeprefix("train/")


class MetricsStore:
    """trackio's SQLite files in one folder, opened read-only for each read, so that a trainer is never kept waiting."""

    def __init__(self, trackio_dir: Path) -> None:
        self.trackio_dir = trackio_dir

    def path(self, project: str) -> Path:
        return self.trackio_dir / database_name(project)

    def rows_after(self, project: str, run_name: str, last_id: int = 0, limit: int | None = None) -> Rows:
        """A run's logged rows with an id beyond `last_id`, oldest first; never raises for what the file is like."""
        return self.read("metrics", project, run_name, last_id, limit)

    def system_rows_after(self, project: str, run_name: str, last_id: int = 0, limit: int | None = None) -> Rows:
        """The machine's rows (CPU, memory, disk, GPU) of a run beyond `last_id`, likewise."""
        return self.read("system", project, run_name, last_id, limit)

    def read(
        self, kind: Kind, project: str, run_name: str, last_id: int, limit: int | None, wait: float = _LOCK_WAIT
    ) -> Rows:
        """The rows of one table, waiting up to `wait` seconds for a lock."""
        path = self.path(project)
        if not path.is_file():
            return Rows([], last_id, "absent")
        try:
            with closing(_connect(path, wait)) as connection:
                return _select(connection, _TABLES[kind], run_name, last_id, limit)
        except sqlite3.OperationalError as error:
            # A file that trackio has just made has no table yet; Spaces and slow disks lock it for a moment.
            state: State = "locked" if "locked" in str(error) or "busy" in str(error) else "absent"
            return Rows([], last_id, state)
        except (sqlite3.DatabaseError, ValueError):
            return Rows([], last_id, "unreadable")

    def count(self, project: str, run_name: str) -> int:
        """How many rows a run has logged; 0 where that cannot be said."""
        try:
            with closing(_connect(self.path(project), _LOCK_WAIT)) as connection:
                counted = connection.execute("SELECT count(*) FROM metrics WHERE run_name = ?", (run_name,))
                return int(counted.fetchone()[0])
        except sqlite3.Error:
            return 0

    def names(self, project: str) -> set[str]:
        """The names of the runs that the store has rows of; none where that cannot be said."""
        try:
            with closing(_connect(self.path(project), 0)) as connection:
                return {str(name) for (name,) in connection.execute("SELECT DISTINCT run_name FROM configs")}
        except sqlite3.Error:
            return set()

    def is_corrupt(self, project: str) -> bool:
        """Whether the file is there and no whole database, which no waiting mends; all of it is looked at."""
        try:
            with closing(_connect(self.path(project), _LOCK_WAIT)) as connection:
                return bool(connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",))
        except sqlite3.Error as error:
            return getattr(error, "sqlite_errorcode", 0) & 0xFF in _CORRUPT

    def sample(self, project: str, run_name: str, count: int) -> list[Row]:
        """About `count` of a run's rows, evenly spread, and the newest ones; none where they cannot be read."""
        try:
            with closing(_connect(self.path(project), _LOCK_WAIT)) as connection:
                return list(_sample(connection, run_name, count))
        except (sqlite3.Error, ValueError):
            return []

    def export(self, project: str, run_name: str, path: Path) -> int:
        """Write all rows of a run to `path` as JSON lines, atomically, and return how many the file now holds.

        Rows that an earlier export holds and the store does not (a run continued on another machine) are kept.
        Raises StudioError where the store cannot be read; the earlier file is then untouched.
        """
        rows = self._all(project, run_name, path)
        if rows:
            # The metrics come last, so that a list of runs finds their last values at the file's end.
            _write_lines(path, sorted(rows, key=lambda entry: entry[0] != "system"))
        return len(rows)

    def all_rows(self, project: str, run_name: str, export: Path) -> list[Row]:
        """A run's logged rows: what only its export holds, then the store's; of an unreadable store the export's alone.

        Raises StudioError where the store is locked, or where there is no export instead of it.
        """
        return [row for kind, row in self._all(project, run_name, export, or_saved=True) if kind == "metrics"]

    def _all(self, project: str, run_name: str, export: Path, or_saved: bool = False) -> list[tuple[Kind, Row]]:
        saved = list(exported(export))
        live: list[tuple[Kind, Row]] = []
        for kind in _TABLES:
            found = self.read(kind, project, run_name, 0, None, _EXPORT_LOCK_WAIT)
            if found.state == "unreadable" and or_saved and saved:
                return saved
            if found.state in ("locked", "unreadable"):
                raise StudioError(
                    f"The metrics of run '{run_name}' in {self.path(project)} could not be read: it is {found.state}.",
                    "Export them again later, or look at them with `trackio show`."
                    if found.state == "locked"
                    else "Put a copy of that file back, or move it away: trackio then begins a new one.",
                )
            live += [(kind, row) for row in found.rows]
        present = {(kind, row.id, row.time) for kind, row in live}
        return [(kind, row) for kind, row in saved if (kind, row.id, row.time) not in present] + live

    def remove(self, project: str, run_name: str) -> int:
        """Take a run out of the store, out of every table of trackio's or out of none; how many rows those were.

        A corrupt store stays as it is. Raises StudioError where another holds it for long, or it cannot be written.
        """
        path = self.path(project)
        if not path.is_file():
            return 0
        try:
            # `trackio.Run.delete` does the same for the newest of the runs with a name, and takes seconds to import.
            with closing(sqlite3.connect(path, timeout=_EXPORT_LOCK_WAIT)) as connection, connection:
                connection.execute("BEGIN IMMEDIATE")
                count = sum(_delete(connection, run_name))
        except sqlite3.Error as error:
            if self.is_corrupt(project):
                return 0
            raise StudioError(
                f"The metrics of run '{run_name}' could not be taken out of {path}: {error}.",
                "Try again when no other program uses that file.",
            ) from None
        # Pictures and tables that were logged as files lie beside the store, a folder for each run.
        shutil.rmtree(self.trackio_dir / "media" / path.stem / run_name, ignore_errors=True)
        return count


def _connect(path: Path, wait: float) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=wait)


def _delete(connection: sqlite3.Connection, run_name: str) -> Iterator[int]:
    """Deletes a run's rows table by table, however many tables there are: how many, for each."""
    for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        columns = {row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')}
        if "run_name" in columns:
            yield connection.execute(f'DELETE FROM "{table}" WHERE run_name = ?', (run_name,)).rowcount
        if "producer_run_name" in columns:  # what the run has made stays, made by nobody that is known
            cleared = ", ".join(
                f"{name} = NULL" for name in ("producer_run_id", "producer_run_name") if name in columns
            )
            connection.execute(f'UPDATE "{table}" SET {cleared} WHERE producer_run_name = ?', (run_name,))


# The unary plus keeps SQLite from choosing its index over runs: by row id it reads the new rows and nothing else.
_AFTER = (
    "SELECT id, {step}, timestamp, metrics FROM {table} WHERE id > ? AND id <= ? AND +run_name = ? ORDER BY id LIMIT ?"
)


def _select(connection: sqlite3.Connection, table: str, run_name: str, last_id: int, limit: int | None) -> Rows:
    columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
    if not columns:
        return Rows([], last_id, "absent")
    if not {"id", "timestamp", "run_name", "metrics"} <= columns:
        return Rows([], last_id, "unreadable")
    newest = connection.execute(f"SELECT max(id) FROM {table}").fetchone()[0] or 0
    restarted = newest < last_id
    first = 0 if restarted else last_id
    query = _AFTER.format(table=table, step="step" if "step" in columns else "0")
    found = connection.execute(query, (first, newest, run_name, -1 if limit is None else limit)).fetchall()
    complete = limit is None or len(found) < limit
    rows = [row for row in (_row(*cells) for cells in found) if row]
    if found and not rows:
        return Rows([], last_id, "unreadable")
    # Where no row is left behind, go on from the newest of all runs: other runs' rows are then not scanned again.
    return Rows(rows, newest if complete else int(found[-1][0]), "ok", restarted, complete)


def _sample(connection: sqlite3.Connection, run_name: str, count: int) -> Iterator[Row]:
    ids = [
        found[0] for found in connection.execute("SELECT id FROM metrics WHERE run_name = ? ORDER BY id", (run_name,))
    ]
    chosen = {*ids[:: max(1, len(ids) // count)], *ids[-_NEWEST:]}
    query = "SELECT id, 0, timestamp, metrics FROM metrics WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id"
    for cells in connection.execute(query, (json.dumps(sorted(chosen)),)):
        if row := _row(*cells):
            yield row


def _row(row_id: int, step: int, time: str, metrics: bytes | str) -> Row | None:
    """A table's row; None for one whose metrics are no JSON object."""
    try:
        logged = json.loads(metrics)
    except ValueError:
        return None
    if not isinstance(logged, dict):
        return None
    gaps = {name: value for name, value in logged.items() if isinstance(value, str) and value in _NOT_NUMBERS}
    return Row(int(row_id), int(step), str(time), logged | dict.fromkeys(gaps) if gaps else logged, gaps)


def _write_lines(path: Path, rows: Iterable[tuple[Kind, Row]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            for kind, row in rows:
                line = {"kind": kind, **vars(row)}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(name)
        raise


def exported(path: Path) -> Iterator[tuple[Kind, Row]]:
    """The rows of an export, oldest first; a line that is broken (a disk that was full) ends them."""
    try:
        file = path.open(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return
    with file:
        for line in file:
            entry = _entry(line)
            if entry is None:
                return
            yield entry


def sampled_export(path: Path, count: int) -> Iterator[tuple[Kind, Row]]:
    """About `count` rows of an export, evenly spread over the file, and its last ones."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            places = [*range(0, size, max(1, size // count)), max(0, size - _TAIL)]
            for place in places:
                file.seek(place)
                if place:
                    file.readline()  # from its middle on
                lines = file.readlines() if place == places[-1] else [file.readline()]
                for line in lines:
                    if entry := _entry(line.decode("utf-8", "replace")):
                        yield entry
    except OSError:
        return


def _entry(line: str) -> tuple[Kind, Row] | None:
    """A line of an export; None for a broken one."""
    try:
        saved = json.loads(line)
        kind: Kind = "system" if saved["kind"] == "system" else "metrics"
        return kind, Row(saved["id"], saved["step"], saved["time"], saved["values"], saved.get("gaps", {}))
    except (ValueError, KeyError, TypeError):
        return None


def read_export(path: Path) -> tuple[list[Row], list[Row]]:
    """The metric rows and the machine rows of an exported `metrics.jsonl`; both empty where there is no such file."""
    rows: dict[Kind, list[Row]] = {"metrics": [], "system": []}
    for kind, row in exported(path):
        rows[kind].append(row)
    return rows["metrics"], rows["system"]


def last_exported(path: Path) -> dict[str, float | None] | None:
    """Each metric's last value, from the end of an exported `metrics.jsonl`; None where there is no such file."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return None
    last: dict[str, float | None] = {}
    for line in lines[1:] if size > _TAIL else lines:
        try:
            saved = json.loads(line)
            if saved["kind"] == "metrics":
                last.update((name, value) for name, value in saved["values"].items() if is_number(value))
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return {shown_name(name): value for name, value in last.items()}


def main(arguments: Sequence[str]) -> int:
    """`export TRACKIO_DIR PROJECT RUN OUT`: 0 when written, 1 when the store could not be read, 2 for a wrong call."""
    if len(arguments) != 5 or arguments[0] != "export":
        print("usage: python -m studio.adapters.metrics export TRACKIO_DIR PROJECT RUN OUT", file=sys.stderr)
        return 2
    folder, project, run_name, out = arguments[1:]
    try:
        count = MetricsStore(Path(folder)).export(project, run_name, Path(out))
    except (StudioError, OSError) as error:
        print(f"The metrics were not exported. {error}", file=sys.stderr)
        return 1
    print(f"{count} rows of {run_name} in {out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
