"""Launch: the run's name, tags, seed, trackers, and where the model goes when it is done."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.ui import pieces
from studio.ui.form import Form

if TYPE_CHECKING:
    from studio.ui.page import Page

TITLE, ID = "Launch", "launch"


def build(page: Page) -> None:
    """Name and tags, then logging, output and the Hub."""
    gr.HTML(
        pieces.title(TITLE, "What the run is called, what it reports to, and where its model goes."),
        apply_default_css=False,
    )
    with gr.Group(elem_classes="ts-card"), gr.Row(elem_classes="ts-fields"):
        tags = gr.Dropdown(
            [],
            value=[],
            multiselect=True,
            allow_custom_value=True,
            label="Tags",
            info="Words to find the run by. Kept in its folder; no part of the YAML.",
            elem_id="tags",
        )
        page.redrawn.append((tags, lambda form: list(form.tags)))
    page.section(("Logging",))
    every = frozenset(page.catalog.methods)
    with gr.Group(elem_classes="ts-card"), gr.Row(elem_classes="ts-fields"):
        page.control("output_dir", "text", every, "Saving")
        page.control("seed", "integer", every, "Saving")
        page.control("resume_from_checkpoint", "text", every, "Saving")
    page.section(("Hub",))
    gr.HTML(_account(page.studio.signed_in()), apply_default_css=False)
    page.wiring.append(partial(_wire, page, tags))


def _wire(page: Page, tags: Any) -> None:
    from studio.ui.page import QUIET

    def change(chosen: list[str] | None, form: Form) -> None:
        form.tags = tuple(dict.fromkeys(tag.strip() for tag in chosen or [] if tag.strip()))

    # A dropdown of many tells of typed values only as a change (Gradio 6.31).
    tags.change(change, [tags, page.form], None, trigger_mode="always_last", **QUIET)


def _account(signed_in: bool) -> str:
    words = (
        "A Hugging Face token is set up on this machine: a run may push with it."
        if signed_in
        else "Nobody is signed in to Hugging Face here. To push, run <code>hf auth login</code> in a terminal."
    )
    return f'<div class="ts-hint ts-account">{words}</div>'
