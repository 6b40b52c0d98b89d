"""LoRA: a small adapter instead of all weights, and quantized weights below it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gradio as gr

from studio.ui import pieces

if TYPE_CHECKING:
    from studio.ui.page import Page

TITLE, ID = "LoRA", "lora"


def build(page: Page) -> None:
    """The adapter, then quantization."""
    gr.HTML(
        pieces.title(TITLE, "A small adapter learns while the model stays as it is: far less memory, small results."),
        apply_default_css=False,
    )
    page.section(("LoRA", "Quantization"))
