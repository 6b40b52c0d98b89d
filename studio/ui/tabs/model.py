"""Model: which one, what it is, and how it is loaded."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.domain.methods import method_named
from studio.ui import pieces
from studio.ui.controls import hub_name
from studio.ui.form import Form

if TYPE_CHECKING:
    from studio.ui.page import Page

TITLE, ID = "Model", "model"


def build(page: Page) -> None:
    """The model's name, a card of facts about it, and how it is loaded."""
    page.html(_lead)
    page.section(("Model",), headed=False)
    facts = page.html(partial(_local, page), elem_id="model-facts")
    with gr.Row(elem_classes="ts-actions-row"):
        look = gr.Button("Look at the model", size="sm", elem_id="model-look")
    page.section(("Teacher",))
    page.wiring.append(partial(_wire, page, facts, look))


def _wire(page: Page, facts: Any, look: Any) -> None:
    from studio.ui.page import BUSY

    def show(typed: str | None, form: Form) -> str:
        # The box's own text: the edit that brings it into the form may still be on its way.
        name = hub_name(typed or "")
        return _facts(page, name) if name else _local(page, form)

    box = next(control.component for control in page.controls if control.name == "model_name_or_path")
    gr.on([box.submit, box.blur, look.click], show, [box, page.form], [facts], **BUSY)


def _local(page: Page, form: Form) -> str:
    """The facts of a model on this machine; one on the Hub is only asked about when the user looks."""
    name = form.recipe.get("model_name_or_path")
    if not isinstance(name, str) or not name:
        return pieces.empty("No model yet", "Type its name on the Hub, or a folder on this machine.")
    if page.studio.recipes.paths().find(name) is None:
        return f'<div class="ts-hint">{pieces.text(name)} would be taken from the Hub.</div>'
    return _facts(page, name)


def _lead(form: Form) -> str:
    label = method_named(form.recipe.method).label
    return pieces.title(TITLE, f"{label} starts from this model and leaves it as it is: the result is a new one.")


def _facts(page: Page, name: str) -> str:
    known = page.studio.model_facts(name)
    if isinstance(known, str):
        return f'<div class="ts-card"><div class="ts-hint">{pieces.text(known)}</div></div>'
    parameters = known.parameters
    size = f"{parameters / 1e9:.2f} B" if parameters and parameters >= 1e8 else f"{(parameters or 0) / 1e6:.2f} M"
    rows = [
        ("Architecture", known.architecture or ""),
        ("Parameters", size + (f" · {known.dtype}" if known.dtype else "") if parameters else ""),
        ("Context", f"{pieces.count(known.context)} tokens" if known.context else ""),
        ("Vocabulary", pieces.count(known.vocabulary)),
        ("Licence", known.licence or ""),
        ("Chat template", "yes: it knows turns" if known.template else "none: a base model, as it seems"),
        ("Access", "gated: ask for it on its page" if known.gated else ""),
        ("Quantized", known.quantized or ""),
    ]
    return f'<div class="ts-card"><div class="ts-head"><h3>{pieces.text(name)}</h3></div>{pieces.facts(rows)}</div>'
