"""The check of all rows on the page: what was looked at, in words under the preview, and its answer once there."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.service.data import Inspection
from studio.service.studio import Studio
from studio.ui import pieces
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
WORDS = (DONE, RUNNING, STOPPED, FIRST, REMOTE)


def build(page: Page) -> None:
    """A line under the preview; a timer that runs while a check does."""
    draw = partial(_line, page.studio)
    line = page.html(draw, elem_id="data-whole")
    timer = gr.Timer(_REFRESH, active=False)
    page.redrawn.append((timer, lambda form: gr.Timer(active=_begun(page.studio, form))))
    page.follow(timer, lambda form: gr.Timer(active=_begun(page.studio, form)), ("dataset_text_field", "eval_strategy"))
    page.wiring.append(partial(_wire, page, timer, line, draw))


def _wire(page: Page, timer: Any, line: Any, draw: Any) -> None:
    def look(form: Form) -> list[Any]:
        if form.drawn and take(page.studio, form):
            return page.surroundings(form)
        shown: list[Any] = [gr.skip()] * len(page.all_outputs)
        if form.drawn:
            shown[page.all_outputs.index(line)] = draw(form)
        if not _begun(page.studio, form):  # an older answer that came late may have set it going
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
    return True


def _begun(studio: Studio, form: Form) -> bool:
    """Has all rows of the form's data checked; whether an answer is to come."""
    waiting = [studio.whole.begin(one, form.recipe.values) for one in form.looked if form.drawn]
    return any(waiting)


def _line(studio: Studio, form: Form) -> str:
    _begun(studio, form)
    said = [_said(studio, form, one) for one in form.looked if one.columns]
    return f'<div class="ts-hint ts-whole" role="status">{"<br>".join(said)}</div>' if said else ""


def _said(studio: Studio, form: Form, looked: Inspection) -> str:
    first = pieces.count(len(looked.rows))
    running = studio.whole.progress(looked, form.recipe.values)
    if running is not None:
        return pieces.spoken(RUNNING, count=first, share=f"{100 * running.share:.0f}")
    if looked.seen is not None and looked.whole:
        return pieces.spoken(DONE, count=pieces.count(looked.seen.total), seconds=f"{looked.seen.seconds:.1f}")
    if looked.seen is not None and looked.seen.columns:
        return pieces.spoken(STOPPED, count=pieces.count(looked.seen.total))
    return pieces.spoken(REMOTE if looked.source == "hub" else FIRST, count=first)
