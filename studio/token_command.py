"""`trl-studio tokens`: what TRL makes of a sample of a recipe's data, printed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from studio.domain.errors import StudioError
from studio.domain.findings import Finding, errors
from studio.domain.token_count import ALL, TokenCount, summary
from studio.terminal import print_findings, print_json, print_table

if TYPE_CHECKING:
    from studio.domain.recipe import Recipe
    from studio.service.studio import Studio

_ABOUT = "Count the tokens of a recipe's data as TRL would read them; exit code 1 where nothing could be learnt."


def add(
    command: Callable[[str, Any, str], argparse.ArgumentParser],
    recipe: Callable[[argparse.ArgumentParser], None],
    studio: Callable[[argparse.Namespace], Studio],
    opened: Callable[[Studio, argparse.Namespace], tuple[Recipe, list[Finding]]],
) -> None:
    """Adds the command, made with the program's own ways to a studio and a recipe."""

    def work(options: argparse.Namespace) -> int:
        made = studio(options)
        return _tokens(made, opened(made, options)[0], options.json, options.all)

    parser = command("tokens", work, _ABOUT)
    recipe(parser)
    parser.add_argument("--all", action="store_true", help=f"count all rows, up to {ALL:,}, instead of a sample")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _tokens(studio: Studio, recipe: Recipe, as_json: bool, every: bool) -> int:
    looked = studio.recipes.look(recipe)
    try:
        counted = studio.tokens.count(recipe, looked, every=every)
        if counted.count is None:
            raise StudioError("The tokens could not be counted.", counted.trouble)
        found = studio.tokens.findings(recipe, looked, studio.arguments.get())
    finally:
        studio.tokens.close()
    if as_json:
        print_json({**counted.count.to_json(), "findings": [one.to_json() for one in found]})
    else:
        _print(counted.count)
        print_findings(found, sys.stdout)
    return 1 if errors(found) or not counted.count.examples else 0


def _print(count: TokenCount) -> None:
    of = f" of {count.total:,}" if count.total is not None else ""
    rows = [("counted", f"all {count.rows:,} rows" if count.whole else f"a sample of {count.rows:,}{of} rows")]
    if count.held:
        rows.append(("held out", f"{count.held:,} rows, which totals leave out"))
    if count.total_tokens is not None:
        rows.append(("tokens in an epoch", f"{'' if count.exact else 'about '}{count.total_tokens:,}"))
    if count.tokens and count.trained:
        rows.append(("learnt", f"{100 * count.trained / count.tokens:.0f} % of the tokens"))
    for name, lengths in count.lengths.items():
        known = summary(lengths)
        rows.append((f"length ({name})", f"{known['min']} to {known['max']}, half of them up to {known['median']}"))
    for name, number in (("cut", count.cut), ("dropped", count.dropped)):
        if number:
            rows.append((name, f"{number:,} of {count.examples:,} examples"))
    if count.packed:
        rows.append(("packed", f"{count.packed:,} sequences instead of {count.kept:,}"))
    print_table(rows)
