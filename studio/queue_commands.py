"""The commands `queue`, `resume` and `sweep`: who waits for his turn, going on, and many runs of one recipe."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from studio.domain.errors import StudioError
from studio.domain.findings import errors
from studio.domain.sweep import read_values
from studio.domain.turns import Rules, sets_in
from studio.run_commands import wait
from studio.terminal import print_findings, print_json, print_table, say

if TYPE_CHECKING:
    from studio.run_commands import Opened
    from studio.service.studio import Studio


def add(
    command: Callable[..., argparse.ArgumentParser],
    recipe: Callable[[argparse.ArgumentParser], None],
    studio: Callable[[argparse.Namespace, bool], Studio],
    opened: Opened,
) -> None:
    """Adds the commands to the parser that `command` makes subcommands of."""

    def queued(options: argparse.Namespace) -> int:
        looks = not options.move and options.at_once is None and options.gpus is None
        return _queue(options, studio(options, looks))

    queue = command("queue", queued, "List the runs that wait for their turn, next first.")
    queue.add_argument("--move", nargs=2, metavar=("RUN", "PLACE"), help="put a waiting run at a place; 1 is next")
    queue.add_argument("--at-once", type=int, metavar="N", help="how many runs at once on the same GPUs, or on the CPU")
    queue.add_argument(
        "--gpus", nargs="+", metavar="0,1", help="sets of GPUs to hand out, one run each; `all` for one set of all"
    )
    queue.add_argument("--json", action="store_true", help="print JSON")
    about = "Go on with a run that has ended, from its newest checkpoint; it waits for its turn like a new one."
    resume = command("resume", lambda options: _resume(options, studio(options, options.list)), about)
    resume.add_argument("run", metavar="RUN", help="the run's name")
    resume.add_argument("--checkpoint", metavar="C", help="a checkpoint's name or step (default: the newest whole one)")
    resume.add_argument("--list", action="store_true", help="list the run's checkpoints instead")
    resume.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="change an option of TRL's")
    resume.add_argument("--wait", action="store_true", help="stay until it has ended; exit code 0 if it finished")
    about = "Start a run for each value of up to two options; they wait for their turns and share a tag."
    sweep = command("sweep", lambda options: _sweep(options, studio(options, False), opened), about)
    recipe(sweep)
    sweep.add_argument(
        "--set", action="append", required=True, metavar="NAME=V1,V2", help="an option of TRL's and the values to try"
    )


def _queue(options: argparse.Namespace, studio: Studio) -> int:
    queue = studio.queue
    if options.at_once is not None or options.gpus is not None:
        old = queue.rules()
        sets = old.sets if options.gpus is None else sets_in(options.gpus)
        studio.set_rules(Rules(old.at_once if options.at_once is None else options.at_once, sets))
    if options.move:
        run, place = options.move
        if not place.isdigit() or place == "0":
            raise StudioError(f"'{place}' is no place in the queue.", "Give a number; 1 is next.")
        queue.move(run, int(place) - 1)
    rules, line = queue.rules(), queue.line()
    if options.json:
        print_json({"at_once": rules.at_once, "gpus": [list(one) for one in rules.sets], "waiting": line})
        return 0
    gpus = " ".join(",".join(map(str, one)) for one in rules.sets) or "all as one set"
    say(f"{rules.at_once} at once; GPUs: {gpus}")
    if line:
        print_table([("PLACE", "RUN"), *((str(n), run) for n, run in enumerate(line, 1))])
    else:
        say("Nothing waits.")
    return 0


def _resume(options: argparse.Namespace, studio: Studio) -> int:
    from studio.adapters.checkpoints import checkpoints
    from studio.domain.model_facts import size_text
    from studio.service.resuming import pairs_in, read_changes, resume

    if options.list:
        found = checkpoints(studio.runs.folders.get(options.run).folder)
        rows = [(one.name, str(one.step), size_text(one.size), one.trouble or "whole") for one in found]
        print_table([("CHECKPOINT", "STEP", "SIZE", "STATE"), *rows])
        return 0
    run, start = resume(
        studio, options.run, options.checkpoint, read_changes(studio, options.run, pairs_in(options.set))
    )
    say(f"{run.id} goes on from {start.name}.")
    return wait(studio, run.id) if options.wait else 0


def _sweep(options: argparse.Namespace, studio: Studio, opened: Opened) -> int:
    from studio.service.sweeping import start_sweep

    recipe, said = opened(studio, options)
    found = studio.findings(recipe, said)
    print_findings(found, sys.stderr)
    if errors(found):
        return 1
    arguments = studio.arguments.get().of(recipe.method)
    asked: dict[str, list[Any]] = {}
    for text in options.set:
        name, sign, values = text.partition("=")
        if not sign or name not in arguments:
            raise StudioError(f"'{text}' tries nothing out.", "Write it as in: --set learning_rate=1e-5,2e-5")
        asked[name] = read_values(arguments[name], values)
    sweep = start_sweep(studio, recipe, asked)
    say(f"{len(sweep.runs)} runs with the tag {sweep.group}.")
    for run, values in sweep.runs:
        print(run, *(f"{name}={value}" for name, value in values.items()), flush=True)
    return 0
