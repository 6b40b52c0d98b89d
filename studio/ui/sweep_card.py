"""A sweep in the tab Launch: a few values for one or two options, each pair of them a run of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.domain.errors import StudioError
from studio.domain.methods import METHOD_NAMES
from studio.domain.sweep import read_values
from studio.service.sweeping import Sweep, planned, start_sweep
from studio.ui import pieces
from studio.ui.events import QUIET, STARTING
from studio.ui.form import Form
from studio.ui.theme import static_url

if TYPE_CHECKING:
    from studio.ui.page import Page

_EXAMPLES = ("learning_rate", "1e-5, 2e-5, 5e-5"), ("lora_r", "8, 16, 32")
_SHOWN = 8  # runs that are listed before they start
# What is said here, for the languages of the page.
WORDS = (
    *("Sweep", "Option", "Values", "Start {count} runs"),
    "A few values for one or two options: a run for each pair, one after the other, drawn together.",
    "and {count} more",
)


class SweepCard:
    """The card: two lines to type in, and what would come of them with the button that starts it."""

    def __init__(self, page: Page) -> None:
        self.page = page

        def names(request: Mapping[str, Any]) -> str:
            """The options of a method, for the list under the box."""
            method = str(request.get("method"))
            return json.dumps(sorted(page.catalog.of(method)) if method in METHOD_NAMES else [])

        script = f'<script src="{static_url("launch.js")}"></script>'  # each waits for its own only
        with gr.Column(elem_classes="ts-card ts-launch"):
            self.lines = gr.HTML(
                _frame(),
                js_on_load="tsSweep(element.querySelector('.ts-sweep'), {trigger, server});",
                head=script,
                server_functions=[names],
                apply_default_css=False,
                elem_id="sweep",
            )
            self.said = gr.HTML(
                "",
                js_on_load="tsSweepSaid(element, {props, trigger, watch});",
                head=script,
                apply_default_css=False,
                elem_id="sweep-said",
            )
        page.wiring.append(self._wire)

    def _wire(self) -> None:
        page = self.page
        self.lines.input(self._look, [page.form], self.said, trigger_mode="always_last", **QUIET)
        # Through the queue, for only that way what cannot be is said (Gradio 6.31).
        self.said.click(
            self._start, [page.form], [*page.summary_outputs, self.said, page.tabs, *page.runs.outputs], **STARTING
        )

    def _look(self, form: Form, event: gr.EventData) -> str:
        try:
            asked = self._asked(form, event._data.get("lines"))
            return drawn(planned(self.page.studio, form.recipe, asked)) if asked else ""
        except StudioError as error:
            return f'<p class="ts-hint wrong" role="status">{pieces.text(error)}</p>'

    def _start(self, form: Form, event: gr.EventData) -> list[Any]:
        page = self.page
        try:
            asked = self._asked(form, event._data.get("lines"))
            sweep = start_sweep(page.studio, form.recipe, asked, form.tags)
        except StudioError as error:
            gr.Warning(pieces.code(str(error)), title="Not started")
            return [*[gr.skip()] * len(page.summary_outputs), gr.skip(), gr.skip(), *page.runs.skip()]
        shown = page.runs.choose(sweep.runs[0][0])
        return [*page.summary(form), _started(sweep), gr.update(selected="runs"), *shown]

    def _asked(self, form: Form, lines: Any) -> dict[str, list[Any]]:
        """The values to try, by option, of what was typed. Raises StudioError."""
        method = form.recipe.method
        arguments = self.page.catalog.of(method)
        asked: dict[str, list[Any]] = {}
        for line in lines if isinstance(lines, list) else []:
            name, values = (str(part).strip() for part in (*line, "", "")[:2])
            if not name and not values:
                continue
            if name not in arguments:
                raise StudioError(
                    f"`trl {method}` has no option {name}." if name else "These values have no option.",
                    "Choose one from the list that opens under the box.",
                )
            if name in asked:
                raise StudioError(f"{name} is there twice.", "Write all its values in one line.")
            asked[name] = read_values(arguments[name], values)
        return asked


def drawn(runs: list[dict[str, Any]]) -> str:
    """The runs that would be started, and the button."""
    items = "".join(
        f"<li>{' '.join(f'<code>{pieces.text(name)}: {pieces.text(value)}</code>' for name, value in one.items())}</li>"
        for one in runs[:_SHOWN]
    )
    if len(runs) > _SHOWN:
        items += f'<li class="ts-hint">{pieces.spoken("and {count} more", count=len(runs) - _SHOWN)}</li>'
    start = pieces.spoken("Start {count} runs", count=len(runs))
    return f'<ol class="ts-sweep-runs">{items}</ol><button type="button" class="ts-btn" data-start>{start}</button>'


def _started(sweep: Sweep) -> str:
    """Nothing to see, but the script learns which runs to draw together."""
    return f'<i hidden data-group="{pieces.text(sweep.group)}"></i>'


def _frame() -> str:
    lead = "A few values for one or two options: a run for each pair, one after the other, drawn together."
    lines = "".join(
        f'<div class="line"><label><span>{pieces.spoken("Option")}</span>'
        f'<input type="text" list="sweep-options" data-sweep="name" placeholder="{name}" spellcheck="false"></label>'
        f"<label><span>{pieces.spoken('Values')}</span>"
        f'<input type="text" data-sweep="values" placeholder="{values}" spellcheck="false"></label></div>'
        for name, values in _EXAMPLES
    )
    return (
        f'<div class="ts-sweep ts-typed">{pieces.heading("Sweep")}<p class="ts-hint">{pieces.spoken(lead)}</p>{lines}'
        '<datalist id="sweep-options"></datalist></div>'
    )
