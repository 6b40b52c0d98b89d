"""Method: a guide from what one has to one of TRL's training commands, and all there is to know of that one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.domain.columns import column_of
from studio.domain.methods import ANSWERS, METHODS, Answer, Method, answer_for, method_named
from studio.domain.recipe_yaml import entry_text
from studio.service.presets import Preset, named
from studio.ui import pieces
from studio.ui.events import BUSY, guarded
from studio.ui.form import Form

if TYPE_CHECKING:
    from studio.ui.page import Page

TITLE, ID = "Method", "method"
# A drawing takes the place of the one before, with the button in it that was pressed: its successor gets the focus.
_SCRIPT = """
let pressed = '';
const show = (panel, tries) => {
  const button = document.querySelector(`#recipes-switch [data-show="${panel}"]`);
  if (button) button.click(); else if (tries > 0) requestAnimationFrame(() => show(panel, tries - 1));
};
watch('value', () => requestAnimationFrame(() => {
  if (pressed && document.activeElement === document.body) element.querySelector(pressed)?.focus({preventScroll: true});
}));
element.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  const {answer, method, jump} = button.dataset;
  if (jump) {
    document.querySelector('button[role=tab][data-tab-id="recipes"]').click();
    show(jump, 120);
    return;
  }
  pressed = answer ? `[data-answer="${answer}"]` : method ? `[data-method="${method}"]` : '';
  trigger('click', {method: answer ?? method, preset: button.dataset.start, do: button.dataset.do});
});
"""


def build(page: Page) -> None:
    """What the model shall learn from, the seven methods, and the chosen one in full."""
    chooser = page.html(partial(_draw, page), js_on_load=_SCRIPT, elem_id="methods")
    page.wiring.append(partial(_wire, page, chooser))


def _wire(page: Page, chooser: Any) -> None:
    def choose(form: Form, event: gr.EventData) -> list[Any]:
        data = event._data
        if data.get("do") == "undo":
            form.undo()
        elif data.get("method"):
            form.choose_method(page.studio, str(data["method"]))
        elif data.get("preset"):
            form.use(page.studio, named(page.studio.recipes.presets(), str(data["preset"])))
        return page.everything(form)

    def chosen(form: Form, event: gr.EventData) -> list[Any]:
        shown: list[Any] = guarded(choose, lambda *values: page.everything(values[0]))(form, event)
        return shown

    chooser.click(chosen, [page.form], page.all_outputs, trigger_mode="multiple", **BUSY)


def _draw(page: Page, form: Form) -> str:
    chosen = method_named(form.recipe.method)
    listed = "".join(map(partial(_listed, chosen.name), METHODS))
    return (
        f"{_head()}{_question(chosen)}"
        f'<div class="ts-pick"><div class="ts-methods" role="group" aria-label="The seven methods">{listed}</div>'
        f'<div class="ts-about">{_aside(page, form)}{_about(chosen, page.studio.recipes.presets())}</div></div>'
    )


def _head() -> str:
    title = pieces.title(TITLE, "What you have for the model to learn from decides how it is trained.")
    return (
        f'<div class="ts-method-head"><div>{title}</div><div class="ts-actions">'
        f'<button type="button" class="ts-btn" data-jump="presets">{pieces.spoken("Presets")}</button>'
        f'<button type="button" class="ts-btn" data-jump="open">{pieces.spoken("Open a recipe")}</button></div></div>'
    )


def _question(chosen: Method) -> str:
    mine = answer_for(chosen.name)
    answers = "".join(_answer(answer, answer is mine) for answer in ANSWERS)
    return (
        f'<div class="ts-ask"><span class="ts-label" id="ask-label">{pieces.spoken("What do you have?")}</span>'
        f'<div class="ts-answers" role="group" aria-labelledby="ask-label">{answers}</div>'
        f'<p class="ts-hint" role="status">{pieces.spoken(mine.remark)}</p></div>'
    )


def _answer(answer: Answer, is_mine: bool) -> str:
    return (
        f'<button type="button" class="ts-chip" data-answer="{answer.methods[0]}" '
        f'aria-pressed="{str(is_mine).lower()}">{pieces.spoken(answer.words)}</button>'
    )


def _listed(chosen: str, method: Method) -> str:
    title = f"<span>{pieces.spoken(method.title)}</span>" if method.title != method.label else ""
    return (
        f'<button type="button" class="ts-method" data-method="{method.name}" '
        f'aria-pressed="{str(method.name == chosen).lower()}"><b>{pieces.text(method.label)}</b>{title}'
        f"<small>{pieces.spoken(method.purpose)}</small></button>"
    )


def _about(method: Method, presets: Iterable[Preset]) -> str:
    guide = method.guide
    rows = [
        ("Use it when", guide.when),
        ("Not when", guide.unless),
        ("Before it", guide.before),
        ("After it", guide.after),
    ]
    facts = "".join(f"<dt>{pieces.spoken(name)}</dt><dd>{pieces.text(words)}</dd>" for name, words in rows)
    watched = (name.replace("/", " ").replace("_", " ") for name in method.headline[:3])
    facts += f"<dt>{pieces.spoken('Watch')}</dt><dd>{', '.join(map(pieces.explained, watched))}</dd>"
    cost = f"<dt>{pieces.spoken('Cost')}</dt><dd><b>{pieces.text(guide.cost)}.</b> {pieces.text(guide.cost_why)}</dd>"
    return (
        f'<div class="ts-card"><div class="ts-head"><h2>{pieces.spoken(method.title)}</h2>'
        f'<a href="{method.link}" target="_blank" rel="noopener noreferrer">'
        f"{pieces.spoken('TRL documentation')}</a></div>"
        f"<p>{pieces.spoken(method.purpose)}</p><dl>{facts}{cost}</dl>"
        f"<h3>{pieces.spoken(method.data)}</h3>{_example(guide.example)}"
        f"{_starts(method, presets)}</div>"
    )


def _starts(method: Method, presets: Iterable[Preset]) -> str:
    """The method's presets, each a press away."""
    links = "".join(
        f'<li><button type="button" class="ts-link" data-start="{pieces.text(preset.key)}">'
        f"{pieces.text(preset.title)}</button> <span>{pieces.text(preset.hardware)}</span></li>"
        for preset in presets
        if preset.method == method.name
    )
    return f'<h3>{pieces.spoken("Start from a preset")}</h3><ul class="ts-starts">{links}</ul>' if links else ""


def _example(row: Mapping[str, Any]) -> str:
    """One row of data, as the preview on the Data tab draws it."""
    columns = [column_of(name, [value]) for name, value in row.items()]
    head = "".join(
        f'<th scope="col">{pieces.text(column.name)}<small>{pieces.text(column.type)}</small></th>'
        for column in columns
    )
    cells = "".join(f"<td>{pieces.cell(value)}</td>" for value in row.values())
    return (
        '<div class="ts-scroll" tabindex="0" role="region" aria-label="One row of its data"><table class="ts-table">'
        f"<thead><tr>{head}</tr></thead><tbody><tr>{cells}</tr></tbody></table></div>"
    )


def _aside(page: Page, form: Form) -> str:
    """What the method does not take of what was chosen, and that it is not lost."""
    arguments = page.catalog.of(form.recipe.method)
    kept = {name: value for name, value in form.aside.items() if name not in arguments}
    if not kept:
        return ""
    label = method_named(form.recipe.method).label
    undo = pieces.undo() if form.before is not None else ""
    said = ", ".join(entry_text(name, value).strip() for name, value in kept.items())
    return (
        f'<div class="ts-finding note" role="status"><div><b>{label} does not take {pieces.text(", ".join(kept))}</b>'
        f"<small>Kept aside, and back with a method that takes it: {pieces.text(said)}</small></div>"
        f'<div class="ts-actions">{undo}</div></div>'
    )
