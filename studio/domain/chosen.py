"""What the user chose of a recipe that ran: without what the studio had added for the machine and the run."""

from __future__ import annotations

import re

from studio.domain.arguments import Catalog
from studio.domain.completion import complete
from studio.domain.recipe import Recipe

_NOTED = re.compile(r"^(?P<key>\w+): .*?  # (?P<note>.+)$", re.MULTILINE)
_OF_THE_RUN = ("run_name", "output_dir")


def chosen(recipe: Recipe, text: str, catalog: Catalog) -> Recipe:
    """The recipe of a run as a starting point for another one.

    `text` is the run's YAML, in which the studio has noted what it added: those notes are believed where it would add
    the same again. Paths that it made absolute stay so. The run's name and folder are left out.
    """
    noted = {match["key"]: match["note"] for match in _NOTED.finditer(text)}
    bare = recipe.with_changes(catalog, {}, (*noted, *_OF_THE_RUN))
    added: set[str] = set(_OF_THE_RUN)
    for devices in (0, 1):
        notes = complete(bare, catalog, "", devices, lambda path: None).notes
        added |= {key for key, note in noted.items() if notes.get(key) == note}
    trackers = recipe.get("report_to")
    mine = recipe.with_changes(catalog, {}, tuple(added))
    if "report_to" in added and isinstance(trackers, list):
        others = [name for name in trackers if name != "trackio"]
        mine = mine.with_changes(catalog, {"report_to": others})
    return mine
