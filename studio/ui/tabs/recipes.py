"""Recipes: presets to start from and to save, any recipe to open, and what differs from another one."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.domain.differences import Difference, Side
from studio.domain.errors import StudioError
from studio.domain.findings import Finding, Where
from studio.domain.methods import METHOD_NAMES, method_named
from studio.domain.recipe_yaml import entry_text
from studio.service.library import Comparison, Library
from studio.service.presets import named
from studio.ui import pieces
from studio.ui.events import BUSY, QUIET, guarded
from studio.ui.form import Form
from studio.ui.preset_cards import CARDS_SCRIPT, preset_cards

if TYPE_CHECKING:
    from studio.ui.page import Page

TITLE, ID = "Recipes", "recipes"
_PANELS = (("presets", "Presets"), ("open", "Open"), ("compare", "Compare"))
# The panels change in the browser alone; comparing is drawn anew, since the recipe may have changed.
_SWITCH = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-show]');
  if (!button) return;
  element.closest('#recipes').dataset.shown = button.dataset.show;
  for (const other of element.querySelectorAll('[data-show]')) other.setAttribute('aria-pressed', other === button);
  if (button.dataset.show === 'compare') trigger('click', {});
});
"""
# What is dropped goes the way of a chosen file: a file itself, or the recipe.yaml of a run's folder.
_DROP = """
const panel = element.closest('#recipes-open');
const send = (file) => {
  const input = panel.querySelector('#open-file input[type=file], input[type=file]'), held = new DataTransfer();
  held.items.add(file);
  input.files = held.files;
  input.dispatchEvent(new Event('change', {bubbles: true}));
};
panel.addEventListener('dragover', (event) => { event.preventDefault(); panel.classList.add('over'); });
panel.addEventListener('dragleave', () => panel.classList.remove('over'));
panel.addEventListener('drop', (event) => {
  panel.classList.remove('over');
  const item = event.dataTransfer.items?.[0], entry = item?.webkitGetAsEntry?.();
  if (entry?.isDirectory) {
    event.preventDefault();
    entry.getFile('recipe.yaml', {}, (found) => found.file(send), () => trigger('click', {folder: entry.name}));
  } else if (event.dataTransfer.files[0]) {
    event.preventDefault();
    send(event.dataTransfer.files[0]);
  }
});
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-do]');
  if (button) trigger('click', {do: button.dataset.do});
});
"""
_READS = (
    "A TRL YAML; a `trl ...`, `accelerate launch ...` or `python ...` line; a whole model card; the name of a run; the "
    "path of a file or of a run's folder. A file or folder can be dropped here too."
)
_TAKEN = "already"


def build(page: Page) -> None:
    """Three panels, of which one is shown."""
    gr.HTML(
        pieces.title(TITLE, "Start from one that works, open your own, or see how two of them differ."),
        apply_default_css=False,
    )
    library = Library(page.studio)
    with gr.Column(elem_id="recipes"):
        switch = gr.HTML(_switch(), js_on_load=_SWITCH, apply_default_css=False, elem_id="recipes-switch")
        with gr.Column(elem_id="recipes-presets", elem_classes="ts-panel"):
            cards = _presets(page, library)
        with gr.Column(elem_id="recipes-open", elem_classes="ts-panel"):
            _open(page, library)
        with gr.Column(elem_id="recipes-compare", elem_classes="ts-panel"):
            _compare(page, library, switch, cards)


def _switch() -> str:
    buttons = "".join(
        f'<button type="button" data-show="{key}" aria-pressed="{str(key == "presets").lower()}">{label}</button>'
        for key, label in _PANELS
    )
    return f'<div class="ts-seg" role="group" aria-label="Recipes">{buttons}</div>'


# Presets --------------------------------------------------------------------------------------------------------


def _presets(page: Page, library: Library) -> Any:
    with gr.Group(elem_classes="ts-card"):
        with gr.Row(elem_classes="ts-save"):
            name = gr.Textbox(
                label="Save this recipe as a preset",
                placeholder="What it is for",
                max_lines=1,
                elem_id="preset-name",
            )
            save = gr.Button("Save", size="sm", elem_id="preset-save")
            overwrite = gr.Button("Replace it", size="sm", visible=False, elem_id="preset-replace")
        said = gr.HTML("", visible=False, apply_default_css=False, elem_id="preset-said")
    cards = page.html(partial(_cards, library), js_on_load=CARDS_SCRIPT, elem_id="presets")
    page.wiring.append(partial(_wire_presets, page, library, cards))
    page.wiring.append(partial(_wire_saving, page, library, (name, save, overwrite, said), cards))
    return cards


def _cards(library: Library, form: Form) -> str:
    notice = ""
    presets = library.presets()
    used = next((preset for preset in presets if preset.key == form.preset), None)
    if used is not None and form.before is not None and used.title in form.notice:
        notice = (
            f'<div class="ts-finding note" role="status"><div><b>The form was filled from "{pieces.text(used.title)}"'
            f'</b></div><div class="ts-actions">{pieces.undo()}</div></div>'
        )
    return preset_cards(presets, form.preset, library.problems(), notice)


def _wire_presets(page: Page, library: Library, cards: Any) -> None:
    def act(form: Form, event: gr.EventData) -> list[Any]:
        data = event._data
        if data.get("do") == "undo":
            form.undo()
        elif data.get("remove"):
            library.remove(str(data["remove"]))
        elif data.get("preset"):
            form.use(page.studio, named(library.presets(), str(data["preset"])))
        return page.everything(form)

    def acted(form: Form, event: gr.EventData) -> list[Any]:
        shown: list[Any] = guarded(act, lambda *values: page.everything(values[0]))(form, event)
        return shown

    cards.click(acted, [page.form], page.all_outputs, trigger_mode="multiple", **BUSY)


def _wire_saving(page: Page, library: Library, parts: tuple[Any, Any, Any, Any], cards: Any) -> None:
    name, save, overwrite, said = parts
    outputs = [said, overwrite, cards]

    def keep(replaces: bool, title: str, form: Form) -> list[Any]:
        try:
            preset, left_out = library.save(form.recipe, title, overwrite=replaces)
        except StudioError as error:
            taken = _TAKEN in error.message
            return [gr.update(value=_wrong(error), visible=True), gr.update(visible=taken), gr.skip()]
        words = f"Saved as {pieces.place(str(preset.path))}."
        if left_out:
            words += f" Left out, since a preset holds neither secrets nor flags: {pieces.text(', '.join(left_out))}."
        form.preset = preset.key
        shown = gr.update(value=f'<div class="ts-hint" role="status">{words}</div>', visible=True)
        return [shown, gr.update(visible=False), _cards(library, form)]

    gr.on([save.click, name.submit], partial(keep, False), [name, page.form], outputs, **QUIET)
    overwrite.click(partial(keep, True), [name, page.form], outputs, **QUIET)
    name.input(lambda: [gr.update(visible=False)] * 2, None, [said, overwrite], **QUIET)


def _wrong(error: StudioError) -> str:
    found = Finding("error", Where("file", "preset"), error.message, error.hint)
    return f'<div role="alert">{pieces.finding(found)}</div>'


# Opening --------------------------------------------------------------------------------------------------------


def _open(page: Page, library: Library) -> None:
    with gr.Group(elem_classes="ts-card"):
        pasted = gr.Textbox(
            label="Recipe", info=_READS.replace("`", ""), lines=8, max_lines=20, elem_id="open-text", container=True
        )
        with gr.Row(elem_classes="ts-actions-row"):
            read = gr.Button("Open it", size="sm", elem_id="open-button")
            upload = gr.UploadButton("Choose a file", size="sm", elem_id="open-file")
    result = page.html(partial(_opened, page), js_on_load=_DROP, elem_id="opened")
    page.wiring.append(partial(_wire_opening, page, library, (pasted, read, upload, result)))


def _opened(page: Page, form: Form) -> str:
    """What became of the text that was opened: how much was understood, and what was not."""
    if not form.opening:
        return ""
    recipe = form.recipe
    known = {*recipe.values, *recipe.launch, *recipe.flags, "env"}
    odd = [found for found in form.opened if found.level != "note" and found.where.name not in known]
    rest = f"; {len(odd)} not understood" if odd else ""
    words = pieces.text(form.opening + rest)
    left = f'<div class="ts-hint">{pieces.text(form.notice)}</div>' if form.notice.startswith("Read as") else ""
    undo = pieces.undo() if form.before is not None else ""
    # The card shows them too, and numbers them all: a button here means the same as its twin there.
    numbers = {(found.where.name, found.message): place for place, found in enumerate(form.findings)}
    findings = "".join(pieces.finding(one, numbers.get((one.where.name, one.message))) for one in form.opened)
    return f'<div class="ts-card" role="status"><div class="ts-head"><h3>{words}</h3>{undo}</div>{left}{findings}</div>'


def _wire_opening(page: Page, library: Library, parts: tuple[Any, Any, Any, Any]) -> None:
    pasted, read, upload, result = parts

    def open_text(text: str, form: Form) -> list[Any]:
        source = library.source(text)
        form.open(page.studio, source.text, source.name)
        form.notice = form.notice or "Opened: the form holds that recipe now."
        return page.everything(form)

    def open_file(path: str, form: Form) -> list[Any]:
        source = library.file(Path(path))
        form.open(page.studio, source.text, source.name)
        form.notice = form.notice or f"Opened: the form holds {source.name} now."
        return page.everything(form)

    def other(form: Form, event: gr.EventData) -> list[Any]:
        what = str(event._data.get("do", ""))
        if what == "undo":
            form.undo()
        elif what.startswith("apply:"):
            form.apply(page.studio, int(what.removeprefix("apply:")))
        elif event._data.get("folder"):
            folder = StudioError(f"The folder {event._data['folder']} holds no recipe.yaml.", "A run's folder has one.")
            gr.Warning(pieces.text(folder), title="That did not work")
        return page.everything(form)

    def unchanged(*values: Any) -> list[Any]:
        return page.everything(values[-1])

    read.click(guarded(open_text, unchanged), [pasted, page.form], page.all_outputs, **BUSY)
    upload.upload(guarded(open_file, unchanged), [upload, page.form], page.all_outputs, **BUSY)
    result.click(other, [page.form], page.all_outputs, **BUSY)


# Comparing ------------------------------------------------------------------------------------------------------


def _compare(page: Page, library: Library, switch: Any, cards: Any) -> None:
    other = gr.Dropdown(
        [], label="Compare this recipe with", value=None, interactive=True, elem_id="compare-with", filterable=True
    )
    page.redrawn.append((other, lambda form: gr.update(choices=library.others(), value=form.compared or None)))
    table = page.html(partial(_compared, page, library), elem_id="compared")
    page.wiring.append(partial(_wire_comparing, page, library, (other, table, switch, cards)))


def _wire_comparing(page: Page, library: Library, parts: tuple[Any, Any, Any, Any]) -> None:
    other, table, switch, cards = parts
    draw = partial(_compared, page, library)

    def choose(key: str | None, form: Form) -> str:
        form.compared = key or ""
        return draw(form)

    def again(form: Form) -> list[Any]:
        return [gr.update(choices=library.others(), value=form.compared or None), draw(form)]

    other.input(choose, [other, page.form], table, trigger_mode="always_last", **QUIET)
    switch.click(again, [page.form], [other, table], **QUIET)
    # The recipe may have been edited on other tabs since, and files put into the folder of presets.
    tab = next((one for one in page.tabs.children if getattr(one, "id", None) == ID), None)
    if isinstance(tab, gr.Tab):
        draw_all = [other, table, cards]
        tab.select(lambda form: [*again(form), _cards(library, form)], [page.form], draw_all, **QUIET)


def _compared(page: Page, library: Library, form: Form) -> str:
    if not form.compared:
        return pieces.empty("Nothing to compare with yet", "Choose TRL's defaults, a preset or a run.")
    try:
        found = library.compare(form.recipe, form.compared)
    except StudioError as error:
        return _wrong(error)
    if not found.rows:
        return pieces.empty("No differences", "This recipe trains the same way.")
    return _table(found)


def _table(found: Comparison) -> str:
    number = len(found.rows)
    sections = ["", *(row.section for row in found.rows)]
    body = "".join(_row(row, row.section != above) for above, row in zip(sections, found.rows, strict=False))
    head = "".join(f'<th scope="col">{pieces.text(name)}</th>' for name in ("Option", "This recipe", found.title))
    return (
        '<div class="ts-card"><div class="ts-scroll" tabindex="0" role="region" aria-label="Differences">'
        f'<table class="ts-table ts-differences"><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>'
        f'</div><div class="ts-hint">{number} difference{"" if number == 1 else "s"} · what nobody set counts with '
        "TRL's default</div></div>"
    )


def _row(row: Difference, opens: bool) -> str:
    """One option; the first of a section bears its name."""
    here, there = (_value(row.name, side) for side in (row.here, row.there))
    section = f"<td>{pieces.text(row.section)}</td>" if opens else "<td></td>"
    option = f'<th scope="row"><code>{pieces.text(row.name)}</code></th>'
    return f"<tr{' class=opens' if opens else ''}>{section}{option}<td>{here}</td><td>{there}</td></tr>"


def _value(name: str, side: Side) -> str:
    if side.origin == "absent":
        return '<span class="ts-hint">no such option</span>'
    if side.value is None:
        return '<span class="ts-hint">not set</span>'
    if name == "method" and side.value in METHOD_NAMES:
        return f"<b>{pieces.text(method_named(side.value).label)}</b>"
    plain = isinstance(side.value, str)
    words = side.value if plain else entry_text("v", side.value).removeprefix("v:").strip()
    shown = pieces.place(words) if words.startswith("/") else pieces.folded(words)
    return f'{shown} <span class="ts-hint">default</span>' if side.origin == "default" else f"<b>{shown}</b>"
