"""The commands for runs: `run`, `runs`, `show`, `stop` and `logs`."""

from __future__ import annotations

import argparse
import codecs
import json
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from studio.domain.findings import Finding, errors
from studio.domain.states import LIVE
from studio.terminal import print_findings, print_json, print_table, say

if TYPE_CHECKING:
    from studio.domain.recipe import Recipe
    from studio.service.studio import Studio

    Opened = Callable[[Studio, argparse.Namespace], tuple[Recipe, list[Finding]]]

_LOG_BYTES = 16 * 2**20  # of a log, at most
_PAUSE = 0.5  # seconds between two looks at a run


def add(
    command: Callable[..., argparse.ArgumentParser],
    recipe: Callable[[argparse.ArgumentParser], None],
    studio: Callable[..., Studio],
    opened: Opened,
) -> None:
    """Adds the commands to the parser that `command` makes subcommands of, with the program's own ways to a studio."""

    def reading(work: Callable[[argparse.Namespace, Studio], int]) -> Callable[[argparse.Namespace], int]:
        return lambda options: work(options, studio(options, True))

    run = command(
        "run",
        lambda options: _run(options, studio(options, False), opened),
        "Start a recipe on this machine; prints what was added to it, and the run's name.",
    )
    recipe(run)
    run.add_argument("--wait", action="store_true", help="stay until it has ended; exit code 0 only where it finished")
    runs = command("runs", reading(_runs), "List the runs, newest first.")
    runs.add_argument("--archived", action="store_true", help="those in the archive too")
    runs.add_argument("--json", action="store_true", help="print JSON")
    show = command("show", reading(_show), "Show one run.")
    show.add_argument("run", metavar="RUN", help="the run's name")
    show.add_argument("--json", action="store_true", help="print JSON")
    stop = command("stop", reading(_stop), "Ask a run to save a checkpoint and stop.")
    stop.add_argument("run", metavar="RUN", help="the run's name")
    stop.add_argument("--now", action="store_true", help="stop at once, without saving")
    logs = command("logs", reading(_logs), "Print a run's log.")
    logs.add_argument("run", metavar="RUN", help="the run's name")
    logs.add_argument("--follow", action="store_true", help="go on printing until the run has ended")


def _run(options: argparse.Namespace, studio: Studio, opened: Opened) -> int:
    recipe, said = opened(studio, options)
    # TRL's own config classes speak up within seconds of the start; asking them first would only add those seconds.
    found = studio.findings(recipe, said)
    print_findings(found, sys.stderr)
    if errors(found):
        return 1
    run, prepared = studio.start(recipe)
    for key, why in prepared.notes.items():
        say(f"added {key}: {json.dumps(prepared.recipe.get(key), default=str)}  # {why}")
    print(run.id, flush=True)
    return wait(studio, run.id) if options.wait else 0


def wait(studio: Studio, run_id: str) -> int:
    """Stays until the run has ended, saying how it goes on; 0 only where it finished."""
    said: object = None
    try:
        while True:
            shown = studio.runs.show(run_id)
            # A line for each state and each tenth of the steps: a log of days stays readable.
            now = (shown["state"], 10 * (shown["last_step"] or 0) // (shown["total_steps"] or 1))
            if now != said:
                say(progress(shown))
                said = now
            if shown["state"] not in LIVE:
                break
            time.sleep(_PAUSE)
    except KeyboardInterrupt:
        say(f"The run goes on. To stop it: trl-studio stop {run_id}")
        raise
    if shown["state"] != "finished":
        say(f"Why: trl-studio diagnose {run_id}")
    return 0 if shown["state"] == "finished" else 1


def _runs(options: argparse.Namespace, studio: Studio) -> int:
    rows = [row for row in studio.runs.list() if options.archived or not row["archived"]]
    if options.json:
        print_json(rows)
        return 0
    head = ("RUN", "METHOD", "STATE", "STARTED")
    print_table([head, *((row["id"], row["method"], progress(row), row["started"] or "") for row in rows)])
    return 0


def _show(options: argparse.Namespace, studio: Studio) -> int:
    shown = studio.runs.show(options.run)
    if options.json:
        print_json(shown)
        return 0
    ended = {name: value for name, value in shown["exit"].items() if value is not None}
    last = {name: value for name, value in shown["last_metrics"].items() if value is not None}
    rows = {**shown, "exit": ", ".join(f"{name} {value}" for name, value in ended.items()), "last_metrics": ""}
    print_table([(name, "" if value is None else str(value)) for name, value in rows.items()])
    print_table(
        [(f"  {name}", f"{value:.6g}" if isinstance(value, float) else str(value)) for name, value in last.items()]
    )
    return 0


def _stop(options: argparse.Namespace, studio: Studio) -> int:
    waiting = options.run in studio.queue.line()
    if studio.runs.stop(options.run, options.now):
        how = "does not start any more." if waiting else "stops now." if options.now else "stops when it has saved a "
        say(f"{options.run} {how}" + ("" if waiting or options.now else "checkpoint."))
    else:
        say(f"{options.run} has ended already.")
    return 0


def _logs(options: argparse.Namespace, studio: Studio) -> int:
    runs = studio.runs
    if not options.follow:
        text = runs.log(options.run, _LOG_BYTES)
        sys.stdout.write(text if not text or text.endswith("\n") else text + "\n")
        return 0
    path = runs.folders.get(options.run).folder / "train.log"
    place = max(path.stat().st_size - _LOG_BYTES, 0) if path.is_file() else 0
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while True:
        # Asked before reading, so that what was written last is still read.
        live = runs.is_live(options.run)
        if path.is_file():
            with path.open("rb") as file:
                file.seek(place)
                while piece := file.read(2**20):
                    place += len(piece)
                    sys.stdout.write(decoder.decode(piece))
            sys.stdout.flush()
        if not live:
            return 0
        time.sleep(_PAUSE)


def progress(shown: dict[str, Any]) -> str:
    """A run's state with its steps, in a few words."""
    step, total = shown["last_step"], shown["total_steps"]
    return str(shown["state"]) + (f" {step}/{total}" if step is not None and total else "")
