"""The queue's rules in the tab Compute: how many runs at once, and the sets of GPUs that are handed out to them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.domain.errors import StudioError
from studio.domain.turns import Rules, sets_in
from studio.ui import pieces
from studio.ui.events import STARTING
from studio.ui.form import Form

if TYPE_CHECKING:
    from studio.ui.page import Page

_SCRIPT = """
const said = (name) => element.querySelector(`[name="${name}"]`)?.value ?? '';
const save = () => trigger('click', {at_once: said('at_once'), sets: said('sets')});
element.addEventListener('click', (event) => { if (event.target.closest('[data-save]')) save(); });
element.addEventListener('keydown', (event) => { if (event.key === 'Enter' && event.target.matches('input')) save(); });
"""
_LEAD = (
    "A run that finds the machine busy waits for its turn, also when the studio is closed. For all runs here, no part "
    "of a recipe."
)
_SETS = "Each run gets the first set that is free, and starts a process for each GPU of it; empty is one set of all."
# What is said here, for the languages of the page.
WORDS = ("Queue", "Runs at once", "Sets of GPUs", "Save", _LEAD, _SETS)


def build(page: Page) -> None:
    """The card; who may not start runs is shown none."""
    card = page.html(partial(_card, page), js_on_load=_SCRIPT, elem_id="queue-rules")

    def save(form: Form, event: gr.EventData) -> list[Any]:
        try:
            page.studio.set_rules(read(event._data))
        except StudioError as error:
            gr.Warning(pieces.code(str(error)), title="Not saved")
            return [gr.skip()] * len(page.all_outputs)
        form.prepared(page.studio)  # how many processes start hangs on it
        gr.Info("Also runs that wait already go by it.", title="Saved")
        return page.surroundings(form)

    # Through the queue, for only that way what cannot be is said (Gradio 6.31).
    page.wiring.append(lambda: card.click(save, [page.form], page.all_outputs, **STARTING))


def read(typed: Any) -> Rules:
    """The rules that were typed. Raises StudioError."""
    at_once = str(typed.get("at_once", "")).strip() or "1"
    if not at_once.isascii() or not at_once.isdigit():
        raise StudioError(f"'{at_once}' is no number of runs.", "Type a whole number from 1 on.")
    return Rules(int(at_once[:9]), sets_in(str(typed.get("sets", "")).split()))


def _card(page: Page, form: Form) -> str:
    if form.elsewhere or page.studio.access.refusal():
        return ""
    rules = page.studio.queue.rules()
    sets = " ".join(",".join(map(str, one)) for one in rules.sets)
    fields = (
        f'<label><span>{pieces.spoken("Runs at once")}</span><input name="at_once" type="number" min="1" max="64" '
        f'step="1" value="{rules.at_once}"></label>'
    )
    more = ""
    if len(page.studio.machine.gpus) > 1 or sets:
        fields += (
            f'<label class="wide"><span>{pieces.spoken("Sets of GPUs")}</span><input name="sets" type="text" '
            f'value="{sets}" placeholder="0,1 2,3" autocomplete="off" spellcheck="false"></label>'
        )
        more = f'<p class="ts-hint">{pieces.spoken(_SETS)}</p>'
    return (
        f'<div class="ts-card">{pieces.heading("Queue")}<p class="ts-hint">{pieces.spoken(_LEAD)}</p>'
        f'<div class="ts-typed ts-queue">{fields}<button type="button" class="ts-btn" data-save>'
        f"{pieces.spoken('Save')}</button></div>{more}</div>"
    )
