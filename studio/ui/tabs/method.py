"""Method: which of TRL's training commands, and where to start from."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.domain.errors import StudioError
from studio.domain.methods import METHODS
from studio.service.presets import named
from studio.ui import pieces
from studio.ui.form import Form

if TYPE_CHECKING:
    from studio.ui.page import Page

TITLE, ID = "Method", "method"
_SCRIPT = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-method]');
  if (button) trigger('click', {method: button.dataset.method});
});
"""


def build(page: Page) -> None:
    """The seven methods as cards, presets, and a box that takes any TRL YAML or command."""
    gr.HTML(pieces.title(TITLE, "What the model shall learn from decides how it is trained."), apply_default_css=False)
    cards = page.html(_cards, js_on_load=_SCRIPT, elem_id="methods")
    with gr.Group(elem_classes="ts-card"):
        gr.HTML('<div class="ts-head"><h3>Start from</h3></div>', apply_default_css=False)
        with gr.Row(elem_classes="ts-fields"):
            presets = page.studio.recipes.presets()
            choices = [(preset.title, preset.name) for preset in presets]
            preset = gr.Dropdown(
                choices,
                value=page.start_form.preset,
                label="Preset",
                info="Demos run here in a minute; the others are for real models.",
                elem_id="preset",
            )
        page.redrawn.append((preset, lambda form: form.preset))
        with gr.Accordion("Open a recipe", open=False, elem_id="open-recipe"):
            pasted = gr.Textbox(
                label="YAML or command",
                info="Any TRL YAML, or a `trl ...`, `accelerate launch ...` or `python ...` line from documentation.",
                lines=6,
                max_lines=16,
                elem_id="open-text",
            )
            with gr.Row(elem_classes="ts-actions-row"):
                read = gr.Button("Open it", size="sm", elem_id="open-button")
                upload = gr.UploadButton("Choose a file", size="sm", file_types=[".yaml", ".yml", ".sh", ".txt"])
    page.wiring.append(partial(_wire, page, cards, preset, (pasted, read, upload)))


def _wire(page: Page, cards: Any, preset: Any, opening: tuple[Any, Any, Any]) -> None:
    from studio.ui.page import BUSY, QUIET, guarded

    pasted, read, upload = opening
    draw = page.everything

    def choose(form: Form, event: gr.EventData) -> list[Any]:
        form.choose_method(page.studio, str(event._data["method"]))
        return draw(form)

    def use(name: str | None, form: Form) -> list[Any]:
        if not name:
            return draw(form)
        form.use(page.studio, named(page.studio.recipes.presets(), name))
        return draw(form)

    def open_text(text: str, form: Form) -> list[Any]:
        form.open(page.studio, text, "The pasted text")
        form.preset, form.notice = None, form.notice or "Opened: the form holds that recipe now."
        return draw(form)

    def open_file(path: str, form: Form) -> list[Any]:
        try:
            content = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise StudioError(
                f"{Path(path).name} is no text file.", "Choose a YAML, or a file with a command."
            ) from None
        form.open(page.studio, content, Path(path).name)
        form.preset, form.notice = None, form.notice or f"Opened: the form holds {Path(path).name} now."
        return draw(form)

    def unchanged(*values: Any) -> list[Any]:
        return draw(values[-1])

    last = {"trigger_mode": "always_last", **BUSY}
    for event in (
        cards.click(choose, [page.form], page.all_outputs, **QUIET),
        preset.input(guarded(use, unchanged), [preset, page.form], page.all_outputs, **last),
        read.click(guarded(open_text, unchanged), [pasted, page.form], page.all_outputs, **BUSY),
        upload.upload(guarded(open_file, unchanged), [upload, page.form], page.all_outputs, **BUSY),
    ):
        page.learn(event)


def _cards(form: Form) -> str:
    return '<div class="ts-methods">' + "".join(map(partial(_card, form.recipe.method), METHODS)) + "</div>"


def _card(chosen: str, method: Any) -> str:
    pressed = str(method.name == chosen).lower()
    title = f"<span>{pieces.text(method.title)}</span>" if method.title != method.label else ""
    return (
        f'<button type="button" class="ts-method" data-method="{method.name}" aria-pressed="{pressed}">'
        f"<b>{pieces.text(method.label)}</b>{title}"
        f"<p>{pieces.text(method.purpose)}</p><small>{pieces.text(method.data)}</small></button>"
    )
