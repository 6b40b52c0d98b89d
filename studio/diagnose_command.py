"""The command `diagnose`: why a run failed and what cures it, or what warns while it runs, as lines or as JSON."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from studio.domain.states import LIVE
from studio.terminal import print_findings, print_json

if TYPE_CHECKING:
    from studio.service.studio import Studio


def add(command: Callable[..., argparse.ArgumentParser], studio: Callable[[argparse.Namespace], Studio]) -> None:
    """Adds the command to the parser that `command` makes subcommands of."""

    def work(options: argparse.Namespace) -> int:
        return _diagnose(options, studio(options))

    diagnose = command("diagnose", work, "Say why a run failed and what cures it, or what warns while it runs.")
    diagnose.add_argument("run", metavar="RUN", help="the run's name")
    diagnose.add_argument("--json", action="store_true", help="print JSON")


def _diagnose(options: argparse.Namespace, studio: Studio) -> int:
    found = studio.diagnose(options.run)
    if options.json:
        print_json([finding.to_json() for finding in found])
        return 0
    print_findings(found, sys.stdout)
    if not found:
        state = studio.runs.show(options.run)["state"]
        print(f"It is {state}, and nothing warns." if state in LIVE else f"It has {state}; there is nothing to say.")
    return 0
