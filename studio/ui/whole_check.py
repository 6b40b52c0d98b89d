"""The check of all rows on the page: what was looked at, in words under the preview, and its answer once there."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.service.data import Inspection
from studio.service.studio import Studio
from studio.ui import pager, pieces
from studio.ui.events import QUIET
from studio.ui.form import Form

if TYPE_CHECKING:
    from studio.ui.page import Page

_REFRESH = 0.5  # seconds between two looks at a check that is running
DONE = "All {count} rows checked in {seconds} s."
RUNNING = "The first {count} rows were checked. All rows are being checked: {share} %"
STOPPED = "{count} rows were checked, up to what stops the loading."
FIRST = "Only the first {count} rows were looked at."
REMOTE = "Only the first {count} rows were looked at; the others lie on the Hub."
TOLD = "Only the first {count} rows were looked at; nulls and labels were counted by the Hub in {total} rows."
WORDS = (DONE, RUNNING, STOPPED, FIRST, REMOTE, TOLD)


def build(page: Page, preview: Any, draw_preview: Callable[[Form], str]) -> None:
    """A line under the preview; a timer that runs while a check does, or while the rows that are shown are counted."""
    draw = partial(_line, page.studio)
    line = page.html(draw, elem_id="data-whole")
    timer = gr.Timer(_REFRESH, active=False)
    ticks = lambda form: gr.Timer(active=_waits(page.studio, form))  # noqa: E731
    page.redrawn.append((timer, ticks))
    page.follow(timer, ticks, ("dataset_text_field", "eval_strategy"))
    page.wiring.append(partial(_wire, page, timer, {line: draw, preview: draw_preview}))
    page.wiring.append(partial(pager.wire, page, preview, draw_preview, timer, ticks))


def _wire(page: Page, timer: Any, drawn: dict[Any, Callable[[Form], str]]) -> None:
    line, preview = drawn

    def look(form: Form) -> list[Any]:
        if form.drawn and take(page.studio, form):
            # Drawn while one may have begun to type: a box that took its old text back would be read as another name.
            return page.surroundings(form, page.boxes)
        shown: list[Any] = [gr.skip()] * len(page.all_outputs)
        if form.drawn:
            shown[page.all_outputs.index(line)] = drawn[line](form)
        if form.drawn and count(page.studio, form):
            shown[page.all_outputs.index(preview)] = drawn[preview](form)
        if not _waits(page.studio, form):  # an older answer that came late may have set it going
            shown[page.all_outputs.index(timer)] = gr.Timer(active=False)
        return shown

    timer.tick(look, [page.form], page.all_outputs, **QUIET)


def take(studio: Studio, form: Form) -> bool:
    """Judges the form's data by all rows where they have been checked by now; whether there was such an answer."""
    before, values = form.looked, form.recipe.values
    taken = tuple(studio.whole.taken(one, values) for one in before)
    # Another dataset, method or value that came meanwhile has its own answer, which is still to come.
    if all(one is old for one, old in zip(taken, before, strict=True)) or form.looked is not before:
        return False
    form.looked = taken
    form.judge_again()  # of a mixture also whether its datasets fit together
    return True


def count(studio: Studio, form: Form) -> bool:
    """Tells how many rows there are in the split that is shown, where that is known only now; whether it was so."""
    looked = pager.looked_at(form)
    shown = pager.page_of(form, looked) if looked is not None else None
    if looked is None or shown is None or shown.total is not None:
        return False
    total = studio.whole.total(looked, shown.split)
    if total is not None:
        pager.count(form, total)
    return total is not None


def _waits(studio: Studio, form: Form) -> bool:
    """Whether an answer is to come, of the check or of the count."""
    return _begun(studio, form) or _counting(studio, form)


def _counting(studio: Studio, form: Form) -> bool:
    """Has the split that is shown counted, where nobody knows its number of rows; whether an answer is to come.

    Asked once the check is over, which counts by the way: two of them would read the same files at once.
    """
    looked = pager.looked_at(form) if form.drawn else None
    shown = pager.page_of(form, looked) if looked is not None else None
    if looked is None or shown is None or shown.total is not None or shown.finding is not None:
        return False
    return studio.whole.count_rows(looked, shown.split) or studio.whole.total(looked, shown.split) is not None


def _begun(studio: Studio, form: Form) -> bool:
    """Has all rows of the form's data checked; whether an answer is to come."""
    waiting = [studio.whole.begin(one, form.recipe.values) for one in form.looked if form.drawn]
    return any(waiting)


def _line(studio: Studio, form: Form) -> str:
    _begun(studio, form)
    several = len(form.looked) > 1
    said = [
        (f"<b>{pieces.place(one.name)}</b> " if several else "") + _said(studio, form, one)
        for one in form.looked
        if one.columns
    ]
    return f'<div class="ts-hint ts-whole" role="status">{"<br>".join(said)}</div>' if said else ""


def _said(studio: Studio, form: Form, looked: Inspection) -> str:
    first = pieces.count(len(looked.rows))
    running = studio.whole.progress(looked, form.recipe.values)
    if running is not None:
        return pieces.spoken(RUNNING, count=first, share=f"{100 * running.share:.0f}")
    if looked.seen is not None and looked.whole:
        return pieces.spoken(DONE, count=pieces.count(looked.seen.total), seconds=f"{looked.seen.seconds:.1f}")
    if looked.seen is not None and looked.seen.columns and looked.seen.total:
        return pieces.spoken(STOPPED, count=pieces.count(looked.seen.total))
    if looked.told is not None:
        return pieces.spoken(TOLD, count=first, total=pieces.count(looked.told.statistics.rows))
    return pieces.spoken(REMOTE if looked.source == "hub" else FIRST, count=first)
