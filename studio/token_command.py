"""`trl-studio tokens`: what TRL makes of a sample of a recipe's data, printed."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from studio.domain.epoch_steps import steps_either_way
from studio.domain.errors import StudioError
from studio.domain.findings import Finding, errors
from studio.domain.token_count import ALL, TokenCount, bars, summary
from studio.terminal import print_findings, print_json, print_table

if TYPE_CHECKING:
    from studio.domain.recipe import Recipe
    from studio.service.studio import Studio

_ABOUT = "Count the tokens of a recipe's data as TRL would read them; exit code 1 where nothing could be learnt."

_WIDTH = 40  # characters of the longest bar


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
        catalog = studio.arguments.get()
        found = studio.tokens.findings(recipe, looked, catalog)
    finally:
        studio.tokens.close()
    steps, packs = steps_either_way(counted.count, recipe, catalog), recipe.get("packing") is True
    if as_json:
        either = {"now": steps.get(packs), "without_packing": steps.get(False), "with_packing": steps.get(True)}
        more = {"steps_per_epoch": either, "findings": [one.to_json() for one in found]}
        print_json({**counted.count.to_json(), **more})
    else:
        _print(counted.count, steps, packs)
        print_findings(found, sys.stdout)
    return 1 if errors(found) or not counted.count.examples else 0


def _print(count: TokenCount, steps: Mapping[bool, int], packs: bool) -> None:
    of = f" of {count.total:,}" if count.total is not None else ""
    about = "" if count.exact else "about "
    rows = [("counted", f"all {count.rows:,} rows" if count.whole else f"a sample of {count.rows:,}{of} rows")]
    if count.held:
        rows.append(("held out", f"{count.held:,} rows, which totals leave out"))
    if count.total_tokens is not None:
        rows.append(("tokens in an epoch", f"{about}{count.total_tokens:,}"))
    if packs in steps:
        other = f" ({about}{steps[not packs]:,} {'without' if packs else 'with'} packing)" if len(steps) > 1 else ""
        rows.append(("steps in an epoch", f"{about}{steps[packs]:,}{other}"))
    if count.tokens and count.trained:
        rows.append(("learnt", f"{100 * count.trained / count.tokens:.0f} % of the tokens"))
    for name, lengths in count.lengths.items():
        known = summary(lengths)
        rows.append((f"length ({name})", f"{known['min']} to {known['max']}, half of them up to {known['median']}"))
    for name, number in (("cut", count.cut), ("dropped", count.dropped)):
        if number:
            share = f"{100 * count.share(number):.0f} %" if count.share(number) >= 0.01 else "less than 1 %"
            rows.append((name, f"{number:,} of {count.examples:,} examples, {share}"))
    if count.packed:
        rows.append(("packed", f"{count.packed:,} sequences instead of {count.kept:,}"))
    print_table(rows)
    for name, lengths in count.lengths.items():
        _print_histogram(name, lengths, count)


def _print_histogram(name: str, lengths: tuple[int, ...], count: TokenCount) -> None:
    """How many examples are how long, with a mark at the length that is held against them."""
    drawn = bars(lengths, count.reach)
    tallest, limit = max((number for *_, number in drawn), default=0), count.limit
    if not tallest:
        return
    wide, most = len(f"{count.reach:,}"), len(f"{tallest:,}")
    held = f"{'max_length' if count.room is None else 'left for prompts'} {limit:,}" if limit is not None else ""
    rows = [(f"tokens ({name})", f"{held} is beyond" if limit is not None and limit > count.reach else "")]
    for low, high, number in drawn:
        bar = "#" * math.ceil(_WIDTH * number / tallest)
        mark = f"  < {held}" if limit is not None and low <= limit <= high else ""
        rows.append((f"{low:>{wide},} to {high:>{wide},}", f"{number:>{most},} {bar}{mark}"))
    print_table(rows)
