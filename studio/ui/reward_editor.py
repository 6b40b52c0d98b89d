"""Own reward functions in an editor: read by Python's grammar as one types, never run here."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.domain.findings import Finding
from studio.domain.reward_code import LARGEST, OWN_TEMPLATE, functions_in, parsed, read_file
from studio.domain.rewards import with_own_code
from studio.ui import pieces
from studio.ui.events import QUIET
from studio.ui.form import Form

if TYPE_CHECKING:
    from studio.ui.page import Page

# Presses in quick succession are answered at the same time: none may go by the recipe that another one is changing.
CHANGING = threading.Lock()


def build(page: Page) -> tuple[Any, Any, Any]:
    """The editor, what is said of its text, and the button that begins one."""
    with gr.Column(elem_classes="ts-section ts-whole", elem_id="reward-code"):
        gr.HTML(pieces.heading("Own code"), apply_default_css=False)
        with gr.Column(elem_classes="ts-below"):
            page.html(_hint)
            code = gr.Code(
                _own(page.start_form), language="python", lines=6, max_lines=24, label="Own code", show_label=False,
                interactive=True, elem_id="reward-editor", buttons=[],
            )  # fmt: skip
            said = page.html(_said, elem_id="reward-code-said")
            begin = gr.Button("Start from an example", size="sm", elem_id="reward-template")
    page.redrawn.append((code, _given))
    page.redrawn.append((begin, _offered))
    return code, said, begin


def wire(page: Page, parts: tuple[Any, Any, Any], outputs: list[Any], drawn: Callable[..., list[Any]]) -> None:
    """Has every edit go into the recipe; `drawn` draws what stands for it elsewhere, in `outputs`."""
    code, said, begin = parts

    def edit(text: str | None, form: Form) -> list[Any]:
        with CHANGING:
            if len(text or "") <= LARGEST:  # a longer one is told of, and not kept
                form.recipe = with_own_code(page.studio.rewards.taken_in(form.recipe), text or "")
            form.editing = _own(form)
        return [*drawn(form), _said_of(text or ""), _offered(form)]

    def start(form: Form) -> list[Any]:
        with CHANGING:
            form.recipe = with_own_code(page.studio.rewards.taken_in(form.recipe), OWN_TEMPLATE)
            form.editing = _own(form)
        return [*drawn(form), _said(form), _offered(form), form.editing]

    code.input(edit, [code, page.form], [*outputs, said, begin], trigger_mode="always_last", **QUIET)
    begin.click(start, [page.form], [*outputs, said, begin, code], **QUIET)


def _own(form: Form) -> str:
    return read_file(form.recipe.reward_code).own


def _given(form: Form) -> Any:
    """The code for the editor where it holds another one; what is being typed is left alone."""
    own = _own(form)
    if own == form.editing:
        return gr.skip()
    form.editing = own
    return own


def _offered(form: Form) -> Any:
    return gr.update(visible=not _own(form).strip())


def _hint(form: Form) -> str:
    words = "Every function here can be a reward. It is run by a trial and by the run, for the machine's owner only."
    return f'<div class="ts-hint">{pieces.spoken(words)}</div>'


def _said(form: Form) -> str:
    return _said_of(_own(form))


def _said_of(code: str) -> str:
    """What the code holds, or why Python cannot read it."""
    if not code.strip():
        return ""
    tree = parsed(code)
    if isinstance(tree, Finding):
        return pieces.finding(tree)
    found = functions_in(code)
    if not found:
        return f'<div class="ts-hint">{pieces.spoken("There is no function in it yet.")}</div>'
    named = ", ".join(f"{one.name} ({one.line})" for one in found)
    return f'<div class="ts-hint">✓ {pieces.spoken("Functions, with their lines: {names}", names=named)}</div>'
