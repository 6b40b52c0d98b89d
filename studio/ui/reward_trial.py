"""Rewards tried on the page: on sample rows with typed completions or the data's own answers, as a table."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.domain.errors import StudioError
from studio.domain.reward_trial import Outcome, Trial, typed_completions
from studio.service.rewards import Ask
from studio.ui import pieces
from studio.ui.blocks import field_row
from studio.ui.events import BUSY, guarded
from studio.ui.form import Form

if TYPE_CHECKING:
    from studio.ui.page import Page

_TYPED = "typed below"
_MOST_ROWS = 20


def build(page: Page) -> None:
    """What to try the rewards on, the button, and what came of it."""
    with gr.Column(elem_classes="ts-section", elem_id="reward-trial"):
        gr.HTML(pieces.heading("Try it"), apply_default_css=False)
        with field_row("ts-below"):
            source = gr.Dropdown(
                [_TYPED], value=_TYPED, label="Completions", info="Yours, or what stands in a column of the data.",
                interactive=True, elem_id="trial-source", min_width=160,
            )  # fmt: skip
            rows = gr.Number(
                3, label="Rows", precision=0, info="The first ones of the data.",
                elem_id="trial-rows", min_width=110,
            )  # fmt: skip
            typed = gr.Textbox(
                label="Your completions",
                info="Each is tried on every row. A line of --- stands between two.",
                lines=3,
                max_lines=10,
                elem_id="trial-text",
                elem_classes="ts-wide",
            )
        with gr.Row(elem_classes="ts-actions-row ts-below"):
            button = gr.Button("Try the rewards", size="sm", elem_id="trial-button")
        page.html(partial(_refused, page), elem_classes="ts-below")
        result = gr.HTML("", apply_default_css=False, elem_id="trial-result", elem_classes="ts-below")
    page.redrawn.append((source, _sources))
    page.wiring.append(partial(_wire, page, (source, rows, typed, button, result)))


def _sources(form: Form) -> Any:
    """The columns that hold texts or messages, beside what is typed."""
    kinds = ("text", "messages", "integer", "number")
    columns = [
        column.name
        for one in form.looked[:1]
        for column in one.columns
        if column.name != "prompt" and (column.type in kinds or column.type.startswith(("list", "messages")))
    ]
    return gr.update(choices=[_TYPED, *columns])


def _refused(page: Page, form: Form) -> str:
    refusal = page.studio.rewards.refusal()
    return "" if refusal is None else f'<div class="ts-hint">{pieces.text(refusal)}</div>'


def _wire(page: Page, parts: tuple[Any, ...]) -> None:
    source, rows, typed, button, result = parts

    def attempt(column: str | None, number: float | None, text: str, form: Form) -> list[Any]:
        chosen = None if column in (None, "", _TYPED) else column
        if number is None or not 1 <= number <= _MOST_ROWS:
            raise StudioError(f"A trial takes 1 to {_MOST_ROWS} rows.", "Set Rows to a number of these.")
        ask = Ask(typed_completions(text), chosen, int(number))
        trial = page.studio.rewards.trial(form.recipe, form.looked, ask)
        return [drawn(trial, form), page.signal()]  # what failed is said in the recipe's card too

    inputs = [source, rows, typed, page.form]
    button.click(guarded(attempt, lambda *values: [gr.skip(), gr.skip()]), inputs, [result, page.learn], **BUSY)


def drawn(trial: Trial, form: Form) -> str:
    """Findings, and a row a completion with what each reward gave and the weighted sum."""
    head = "".join(_head(one) for one in trial.outcomes)
    looked = [row for one in form.looked for row in one.rows]
    body = "".join(_row(trial, place, looked) for place in range(len(trial.samples)))
    names = "".join(f'<th scope="col">{pieces.spoken(name)}</th>' for name in ("Prompt", "Completion"))
    total = f'<th scope="col" class="num">{pieces.spoken("Sum")}</th>'
    return (
        f'<div role="status">{pieces.findings(trial.findings)}<div class="ts-scroll" tabindex="0" role="region" '
        'aria-label="What the rewards give"><table class="ts-table ts-tried"><thead><tr>'
        '<th scope="col" class="num">#</th>'
        f"{names}{total}{head}</tr></thead><tbody>{body}</tbody></table></div></div>"
    )


def _head(one: Outcome) -> str:
    return f'<th scope="col" class="num">{pieces.text(one.reward.name)}<small>× {one.reward.weight:g}</small></th>'


def _row(trial: Trial, place: int, looked: list[Any]) -> str:
    sample = trial.samples[place]
    prompt = looked[sample.row].get("prompt")
    asked = (
        prompt[-1].get("content") if isinstance(prompt, list) and prompt and isinstance(prompt[-1], dict) else prompt
    )
    values = "".join(f'<td class="num">{_value(one.values[place])}</td>' for one in trial.outcomes)
    return (
        f'<tr><td class="num">{place + 1}</td><td>{pieces.cell(asked)}</td><td>{pieces.cell(sample.completion)}</td>'
        f'<td class="num"><b>{_value(trial.sums[place])}</b></td>{values}</tr>'
    )


def _value(number: float | None) -> str:
    return "–" if number is None else pieces.text(pieces.metric(number).replace("-", "−", 1))
