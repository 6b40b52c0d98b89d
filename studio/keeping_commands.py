"""The commands on runs that are there: `compare`, `mark`, `export` and `rm`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.domain.errors import StudioError
from studio.domain.model_facts import size_text
from studio.terminal import cut, print_json, print_table, say

if TYPE_CHECKING:
    from studio.domain.differences import Side
    from studio.service.comparing import Metric, RunComparison
    from studio.service.studio import Studio

_WIDE = 34  # characters of a cell

Open = Callable[[argparse.Namespace, bool], "Studio"]


def add(command: Callable[..., argparse.ArgumentParser], studio: Open) -> None:
    """Adds the commands to the parser that `command` makes subcommands of."""
    about = "Show how runs differ: in their recipes, and in what came of them."
    compare = command("compare", lambda options: _compare(options, studio(options, True)), about)
    compare.add_argument("runs", metavar="RUN", nargs="+", help="names of runs, two or more")
    compare.add_argument("--json", action="store_true", help="print JSON")
    about = "Write tags and a note to a run, or put it into the archive."
    mark = command("mark", lambda options: _mark(options, studio(options, True)), about)
    mark.add_argument("run", metavar="RUN", help="the run's name")
    mark.add_argument("--tag", action="append", help="a word to find it by, in place of those it has (may be repeated)")
    mark.add_argument("--note", help="a text about it, in place of what is there")
    place = mark.add_mutually_exclusive_group()
    place.add_argument("--archive", action="store_true", help="leave it out of lists")
    place.add_argument("--unarchive", action="store_true", help="have it in lists again")
    about = "Write a run's metrics as CSV, or the whole run as a zip file."
    export = command("export", lambda options: _export(options, studio(options, True)), about)
    export.add_argument("run", metavar="RUN", help="the run's name")
    kind = export.add_mutually_exclusive_group(required=True)
    kind.add_argument("--csv", action="store_true", help="the metrics, to standard output without --to")
    kind.add_argument("--zip", action="store_true", help="its folder, to RUN.zip without --to")
    export.add_argument("--to", metavar="FILE", help="the file to write")
    export.add_argument("--output", action="store_true", help="with checkpoints and model in the zip file")
    about = "Delete a run for good: its folder with all checkpoints, and its metrics."
    rm = command("rm", lambda options: _rm(options, studio(options, True)), about)
    rm.add_argument("run", metavar="RUN", help="the run's name")
    rm.add_argument("--yes", action="store_true", help="without asking")


# Comparing ---------------------------------------------------------------------------------------------------------


def _compare(options: argparse.Namespace, studio: Studio) -> int:
    from studio.service.comparing import compare

    if studio.arguments.ready() is None:
        say("Listing the arguments of the installed TRL, once: about ten seconds.")
    found = compare(studio, options.runs)
    if options.json:
        print_json(found.to_json())
        return 0
    head = tuple(run["id"] for run in found.runs)
    print_table([("RUN", *head), *_about(found)])
    print()
    if found.rows:
        print_table([("OPTION", *head), *((row.name, *map(_side, row.sides)) for row in found.rows)])
    else:
        print("The recipes do not differ.")
    if found.metrics:
        print()
        print_table([("METRIC", *head), *(line for metric in found.metrics for line in _lines(metric))])
    return 0


def _about(found: RunComparison) -> list[tuple[str, ...]]:
    rows = []
    for name, told in (("method", "method"), ("state", "state"), ("steps", "last_step"), ("seconds", "seconds")):
        rows.append((name, *(_number(run[told]) for run in found.runs)))
    rows.append(("tags", *(", ".join(run["tags"]) for run in found.runs)))
    return rows


def _side(side: Side) -> str:
    if side.origin in ("absent", "unset") or side.value is None:
        return "no such option" if side.origin == "absent" else "not set"
    value = cut(" ".join(str(side.value).split()), _WIDE)
    return f"{value} (default)" if side.origin == "default" else value


def _lines(metric: Metric) -> list[tuple[str, ...]]:
    lines = [(metric.name, *(_number(value.last) for value in metric.values))]
    if metric.better:
        word = "lowest" if metric.better == "min" else "highest"
        best = [f"{_number(one.best)} at {_number(one.step)}" if one.best is not None else "" for one in metric.values]
        lines.append((f"  {word}", *best))
    return lines


def _number(value: Any) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


# Keeping -----------------------------------------------------------------------------------------------------------


def _mark(options: argparse.Namespace, studio: Studio) -> int:
    from studio.service.keeping import Keeping

    archived = True if options.archive else False if options.unarchive else None
    if options.tag is None and options.note is None and archived is None:
        raise StudioError("Nothing is to be written.", "Give --tag, --note, --archive or --unarchive.")
    shown = Keeping(studio.runs).mark(options.run, options.tag, options.note, archived)
    rows = [("tags", ", ".join(shown["tags"])), ("note", shown["note"]), ("archived", str(shown["archived"]).lower())]
    print_table(rows)
    return 0


def _export(options: argparse.Namespace, studio: Studio) -> int:
    from studio.service import exporting
    from studio.service.keeping import Keeping

    runs = studio.runs
    if options.zip:
        to = Path(options.to or f"{options.run}.zip").expanduser()
        runs.folders.get(options.run)
        size = exporting.zip_run(runs, options.run, to.absolute(), options.output)
        say(f"{to}: {size_text(size)}" + ("" if options.output else ", without checkpoints and model (--output)"))
    elif options.to:
        to = Path(options.to).expanduser()
        exporting.require_folder(to)
        try:
            with to.open("w", encoding="utf-8", newline="") as file:
                count = exporting.write_csv(runs, options.run, file)
        except OSError as error:
            raise StudioError(f"{options.to} cannot be written: {error.strerror}.", "Check the path.") from None
        say(f"{options.to}: {count} rows")
    else:
        exporting.write_csv(runs, options.run, sys.stdout)
    if options.csv and (trouble := Keeping(runs).store_trouble(options.run)):
        say(f"{trouble} The rows are those that metrics.jsonl in the run's folder holds.")
    say(f"The same data in trackio: {exporting.trackio_line(runs, options.run)}")
    return 0


def _rm(options: argparse.Namespace, studio: Studio) -> int:
    from studio.service.keeping import Keeping

    keeping = Keeping(studio.runs)
    found = keeping.contents(options.run)
    if not options.yes:
        if studio.runs.is_live(options.run):
            raise StudioError(f"The run '{options.run}' is still going; it cannot be deleted.", "Stop it first.")
        say(f"This deletes {options.run} for good, {found.words}.")
        if not sys.stdin.isatty():
            raise StudioError("Nothing was deleted.", "Say --yes where nobody can be asked.")
        if input("Delete it? [y/N] ").strip().lower() not in ("y", "yes"):
            say("Nothing was deleted.")
            return 1
    trouble = keeping.store_trouble(options.run)
    keeping.sweep()
    keeping.remove(options.run)
    if trouble:
        say(f"{trouble} What it holds of the run may still be there.")
    say(f"{options.run} is deleted: {found.words}.")
    return 0
