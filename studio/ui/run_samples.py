"""Generated samples in the Runs tab: what the model writes as it is trained, and the rewards it gets for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.domain.errors import StudioError
from studio.service.samples import Samples, samples
from studio.service.studio import Studio
from studio.ui import pieces
from studio.ui.run_list import SCRIPT

if TYPE_CHECKING:
    from studio.ui.page import Page

_ROWS = 40
_ORDERS = {"logged": "as logged", "best": "highest reward first", "worst": "lowest reward first"}
# What is said here, for the languages of the page.
WORDS = (
    *("Samples", "Prompt", "Completion", "Advantage", "Step", "Order", *_ORDERS.values()),
    "The first samples come with the first logged step.",
    "This run logged no samples.",
    "Log completions, in Training, shows here what a model writes and its rewards.",
    "The first {shown} of {all}.",
)


def build(page: Page) -> gr.HTML:
    """The card below a run's charts; its value is the run."""

    def table(request: dict[str, Any]) -> dict[str, Any]:
        return answer(page.studio, request)

    return gr.HTML(
        None,
        html_template="<div></div>",
        js_on_load="tsPolled(element.firstElementChild, {props, watch, server});",
        head=SCRIPT,
        server_functions=[table],
        apply_default_css=False,
        elem_id="run-samples",
    )


def answer(studio: Studio, request: Mapping[str, Any]) -> dict[str, Any]:
    """What the page's script asks for: a run's card, for a step and in an order where one was chosen."""
    order = request.get("order")
    try:
        step = float(str(request.get("step")))
    except ValueError:
        step = None
    try:
        found = samples(studio.runs, str(request.get("value")), step, order if order in _ORDERS else "logged")
    except StudioError:  # the run is gone: its card goes too
        return {"html": "", "again": False}
    if found is None:
        return {"html": "", "again": False}
    return {"html": drawn(found, str(order)), "again": found.live}


def drawn(found: Samples, order: str = "logged") -> str:
    """The card: one step's samples with a column for each reward, or what to do to have some."""
    if not found.steps:
        came = "The first samples come with the first logged step." if found.live else "This run logged no samples."
        said = came if found.wanted else "Log completions, in Training, shows here what a model writes and its rewards."
        return f'<div class="ts-card">{pieces.heading("Samples")}<p class="ts-hint">{pieces.spoken(said)}</p></div>'
    rewards, others = found.rewards, found.others
    shown = found.rows[:_ROWS]
    few = pieces.spoken("The first {shown} of {all}.", shown=len(shown), all=len(found.rows))
    note = f'<p class="ts-hint">{few}</p>' if len(shown) < len(found.rows) else ""
    head = _head(pieces.spoken("Prompt")) + _head(pieces.spoken("Completion"))
    head += "".join(_head(pieces.text(name), number=True) for name in rewards)
    head += _head(pieces.spoken("Advantage"), number=True) + "".join(_head(pieces.text(name)) for name in others)
    body = "".join(_line(row, rewards, others) for row in shown)
    return (
        f'<div class="ts-card"><div class="ts-samples-bar">{pieces.heading("Samples")}{_choices(found, order)}</div>'
        '<div class="ts-scroll ts-samples-rows" tabindex="0" role="region" aria-label="Samples">'
        f'<table class="ts-table ts-samples"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        f"{note}</div>"
    )


def _choices(found: Samples, order: str) -> str:
    steps = "".join(
        f'<option value="{step:g}"{_selected(step == found.step)}>{step:,.0f}</option>'
        for step in reversed(found.steps)
    )
    orders = "".join(
        f'<option value="{name}"{_selected(name == order)} data-say="{words}">{words}</option>'
        for name, words in _ORDERS.items()
    )
    return (
        f'<span class="ts-asks"><label>{pieces.spoken("Step")}'
        f'<select class="ts-select" data-ask="step">{steps}</select></label>'
        f'<label>{pieces.spoken("Order")}<select class="ts-select" data-ask="order">{orders}</select></label></span>'
    )


def _selected(is_chosen: bool) -> str:
    return " selected" if is_chosen else ""


def _head(words: str, number: bool = False) -> str:
    return f'<th scope="col"{_numeric(number)}>{words}</th>'


def _line(row: Mapping[str, Any], rewards: tuple[str, ...], others: tuple[str, ...]) -> str:
    cells = f"<td>{pieces.cell(row.get('prompt'))}</td><td>{_written(row.get('completion'))}</td>"
    for name in (*rewards, "advantage"):
        value = row.get(name)
        cells += f"<td{_numeric(True)}>{pieces.metric(value if isinstance(value, (int, float)) else None)}</td>"
    return f"<tr>{cells}{''.join(f'<td>{pieces.cell(row.get(name))}</td>' for name in others)}</tr>"


def _written(completion: Any) -> str:
    """A completion: of a conversation only what was said, where the model said one thing."""
    if isinstance(completion, list) and len(completion) == 1 and isinstance(completion[0], dict):
        completion = completion[0].get("content", completion)
    if completion in ("", None):
        return pieces.hollow("")
    return pieces.cell(completion)


def _numeric(number: bool) -> str:
    return ' class="num"' if number else ""
