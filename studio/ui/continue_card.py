"""An adapter to continue from: the checkpoints of own runs, and a folder; sets what TRL needs to train it further."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.domain.errors import StudioError
from studio.domain.methods import method_named
from studio.service.continuing import ARGUMENT, resumable, taken_up
from studio.ui import pieces
from studio.ui.blocks import field_row
from studio.ui.events import BUSY, guarded
from studio.ui.form import Form

if TYPE_CHECKING:
    from studio.ui.page import Page

_OFFERED = 6
_SCRIPT = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-continue]');
  if (button) trigger('click', {folder: button.dataset.continue});
});
"""


def build(page: Page) -> None:
    """What the recipe continues from, checkpoints to choose among, and a box for a folder."""
    with gr.Column(elem_classes="ts-card ts-sections"), gr.Column(elem_classes="ts-section"):
        gr.HTML(pieces.heading("Continue from an adapter"), apply_default_css=False)
        offered = page.html(partial(_offered, page), (ARGUMENT,), js_on_load=_SCRIPT, elem_id="lora-continue")
        with field_row("ts-below"):
            folder = gr.Textbox(
                label="A checkpoint's folder",
                info="The folder of a checkpoint, or of a run's output with checkpoints in it. Press Enter.",
                max_lines=1,
                elem_id="lora-continue-folder",
            )
    page.wiring.append(partial(_wire, page, offered, folder))


def _wire(page: Page, offered: Any, folder: Any) -> None:
    def take(name: str, form: Form) -> list[Any]:
        if not name.strip():
            return page.everything(form)
        place = page.studio.recipes.paths().find(name.strip())
        if place is None:
            raise StudioError(f"There is no folder {name.strip()}.", "Type the path of a checkpoint's folder.")
        values, empty = taken_up(Path(place), form.recipe, page.catalog)
        form.remember()
        for key, value in [("use_peft", True), *((key, None) for key in empty), *values.items()]:
            form.set(page.catalog, key, value, value is not None)
        form.notice = "The form holds that adapter's model and shape now; the run goes on where it ended."
        return page.everything(form)

    def press(form: Form, event: gr.EventData) -> list[Any]:
        chosen = str(event._data.get("folder", ""))
        if chosen:
            return take(chosen, form)
        form.set(page.catalog, ARGUMENT, None, False)
        return page.everything(form)

    def unchanged(*values: Any) -> list[Any]:
        return page.everything(next(value for value in values if isinstance(value, Form)))

    # Handlers with event data need it by annotation, which a wrapper would hide.
    def guarded_press(form: Form, event: gr.EventData) -> list[Any]:
        found: list[Any] = guarded(press, unchanged)(form, event)
        return found

    options = {"trigger_mode": "multiple", **BUSY}
    offered.click(guarded_press, [page.form], page.all_outputs, **options)
    folder.submit(guarded(take, unchanged), [folder, page.form], page.all_outputs, **BUSY)


def _offered(page: Page, form: Form) -> str:
    current = form.recipe.get(ARGUMENT)
    if isinstance(current, str) and current:
        return (
            f'<div class="ts-goes-on"><span>Goes on from <b>{pieces.place(current)}</b>: adapter, optimizer and step '
            'are taken up, and its rhythm of logging and saving stays.</span><button type="button" class="ts-btn" '
            f'data-continue="">{pieces.spoken("Start anew instead")}</button></div>'
        )
    try:
        found = resumable(page.studio.runs.list(30), form.recipe.method)
    except StudioError:
        found = []
    label = method_named(form.recipe.method).label
    words = (
        "TRL takes an adapter up from a checkpoint: base model, shape, optimizer and step as they were, on the same "
        "data. For other data or another method, merge the adapter into its model first, and train a new one on that."
    )
    rows = "".join(
        f'<button type="button" class="ts-btn" data-continue="{pieces.text(one.folder)}">{pieces.text(one.run)}'
        f"<small>step {pieces.count(one.step)} · rank {one.rank}</small></button>"
        for one in found[:_OFFERED]
    )
    none = "" if rows else f'<div class="ts-hint">No {pieces.text(label)} run here has left an adapter yet.</div>'
    listed = f'<div class="ts-targets">{rows}</div>' if rows else none
    return f'{listed}<div class="ts-hint">{words}</div>'
