"""Answers that an edit overtakes on their way to the page: what they take back is drawn again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.ui.controls import shown
from studio.ui.form import Form

if TYPE_CHECKING:
    from studio.ui.page import Page

_LATE = 20.0  # seconds that an answer may be on its way


def note(form: Form) -> None:
    """Remembers what an answer is drawn from that edits may overtake."""
    form.surrounded = (*form.surrounded[-7:], (time.monotonic(), form.as_drawn()))


def drawn_again(page: Page, form: Form, number: int | None) -> list[Any]:
    """The summary where it is another one now, and all that was drawn where an edit came meanwhile.

    The slow answer, whose signal is `number`, is on the page by now: if it was drawn before an edit whose answer
    overtook it, it has taken back what that showed. Which of the late answers came last is not known, so all of them
    count. What is drawn here can be overtaken in turn: it sends a signal of its own, and is looked at once more.
    """
    before = form.card
    summary = page.summary(form)
    if form.card == before:
        # Drawing the same card again would take it from under the mouse.
        summary = [gr.skip()] * len(summary)
    if not _overtaken(form, number):
        return [*summary, *[gr.skip()] * len(page.redrawn), gr.skip()]
    signal = page.signal()
    form.again = signal, form.as_drawn()
    # What one may be typing in is left alone.
    typed = (gr.Textbox, gr.Code)
    drawn = [gr.skip() if isinstance(component, typed) else draw(form) for component, draw in page.redrawn]
    return [*summary, *drawn, signal]


def _overtaken(form: Form, number: int | None) -> bool:
    now, late = form.as_drawn(), time.monotonic() - _LATE
    if form.again is not None and form.again[0] == number:
        return form.again[1] != now
    return any(drawn != now for moment, drawn in form.surrounded if moment > late)


def mend(page: Page, form: Form) -> list[Any]:
    """Draws again what was edited while the answer to a larger change was on its way, and was overwritten by it."""
    sent, form.sent = form.sent, None
    now = form.displayed()
    if sent is None or sent == now or sent.method != now.method:
        return [gr.skip()] * len(page.controls)
    drawn = []
    for control in page.controls:
        old, new = (shown(control, one, page.catalog) for one in (sent, now))
        hidden = control.visible(sent, page.catalog) != control.visible(now, page.catalog)
        seen = {"visible": control.visible(form.recipe, page.catalog)} if hidden else {}
        drawn.append(gr.update(**seen, **({"value": new} if old != new else {})) if seen or old != new else gr.skip())
    return drawn
