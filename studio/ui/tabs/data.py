"""Data: which dataset, its first rows, and whether the method can learn from it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.domain.findings import RANK, Finding
from studio.domain.methods import method_named
from studio.domain.mixture import entries_of
from studio.service.data import Inspection
from studio.service.paths import hub_name
from studio.ui import (
    data_statistics,
    mapping_card,
    mixture,
    pager,
    pieces,
    preview_table,
    search_list,
    token_card,
    whole_check,
)
from studio.ui.blocks import field_row
from studio.ui.events import BUSY, QUIET, guarded
from studio.ui.form import Form

if TYPE_CHECKING:
    from studio.ui.page import Page

TITLE, ID = "Data", "data"
_SPLITS = (
    ("dataset_config", "Subset"),
    ("dataset_train_split", "Train split"),
    ("dataset_test_split", "Evaluation split"),
)
_KNOWN = {
    "sft": ("messages", "conversations", "text", "prompt", "completion", "input_ids", "tools", "images", "image"),
    "dpo": ("prompt", "chosen", "rejected", "tools", "images", "image"),
    "kto": ("prompt", "completion", "label", "chosen", "rejected"),
    "reward": ("prompt", "chosen", "rejected", "tools"),
}


def build(page: Page) -> None:
    """One box for a name, a folder or a file; the preview; the verdict."""
    page.html(_lead)
    single = gr.Column(elem_classes="ts-card", visible=not mixture.is_mixture(page.start_form))
    page.redrawn.append((single, lambda form: gr.update(visible=not mixture.is_mixture(form))))
    with single:
        with field_row():
            name = gr.Textbox(
                page.start_form.typed,
                label="Dataset",
                info="A name on the Hub, or a folder or file here (jsonl, json, csv, parquet, arrow, zip).",
                max_lines=1,
                scale=3,
                elem_id="dataset",
            )
            page.redrawn.append((name, _typed))
            page.boxes.append(name)
            choosers = [_chooser(page, key, label) for key, label in _SPLITS]
        found = search_list.build(page, "datasets", "dataset", partial(_here, page), elem_id="dataset-search")
    with gr.Row(elem_classes="ts-actions-row"):
        look = gr.Button("Look at the data", size="sm", elem_id="data-look")
        upload = gr.UploadButton("Use a file", size="sm", elem_id="data-upload")
    mixture.build(page)
    draw = pager.dated(partial(_preview, page))
    preview = page.html(draw, js_on_load=preview_table.SCRIPT + pager.SCRIPT, elem_id="data-preview")
    page.follow(preview, lambda form: draw(form) if form.by_model else gr.skip(), mixture.MODEL)
    whole_check.build(page, preview, draw)
    mapping_card.build(page, preview, draw)
    data_statistics.build(page)
    token_card.build(page)
    page.section(("Data",), leave_out=("dataset_name", "datasets", *(key for key, _ in _SPLITS)))
    page.wiring.append(partial(_wire, page, name, choosers, (look, upload)))
    page.wiring.append(partial(_wire_search, page, name, found))


def _chooser(page: Page, key: str, label: str) -> Any:
    chooser = gr.Dropdown(
        label=label,
        allow_custom_value=True,
        interactive=True,
        min_width=110,
        elem_id=f"arg-{key}",
        visible=not entries_of(page.start_form.recipe.values),
        **_choices(key, page.start_form),
    )
    # What a mixture takes of each dataset is said in its entry.
    shows = lambda form: gr.update(visible=not entries_of(form.recipe.values), **_choices(key, form))  # noqa: E731
    page.redrawn.append((chooser, shows))
    return chooser


def _choices(key: str, form: Form) -> dict[str, Any]:
    """What a chooser offers and shows for the dataset that was looked at."""
    looked = form.looked[0] if form.looked else None
    if key == "dataset_config":
        offered = list(looked.configs) if looked else []
        value = form.recipe.get(key) or (looked.config if looked else "")
    else:
        offered = list(looked.splits) if looked else []
        value = form.recipe.get(key) or ("train" if key == "dataset_train_split" else "test")
    return {"choices": list(dict.fromkeys([*offered, str(value)])), "value": str(value)}


def _wire(page: Page, name: Any, choosers: list[Any], buttons: tuple[Any, Any]) -> None:
    look, upload = buttons

    def typing(form: Form) -> None:
        form.typing, form.boxed = True, None

    def leave(typed: str, form: Form) -> list[Any]:
        form.boxed = typed
        # A box that was left as it was says nothing: what it shows may be older than an answer on its way.
        nothing = [gr.skip()] * len(page.all_outputs)
        if not form.typing:
            return nothing
        if form.box.was_overtaken(typed) and form.typed != hub_name(typed):
            form.typing = False
            nothing[page.all_outputs.index(name)] = _typed(form)  # the name that was chosen comes back
            return nothing
        return choose(typed, form)

    def choose(held: str, form: Form) -> list[Any]:
        typed = form.box.meant(held, form.words if form.typing else "")
        form.typing, form.boxed = False, held
        if hub_name(typed) == form.typed and form.looked:
            return [gr.skip()] * len(page.all_outputs)
        form.box.choose()
        form.choose_dataset(page.studio, typed)
        return page.surroundings(form, left_alone=[name] if form.typed == held else [])

    def look_again(typed: str, form: Form) -> list[Any]:
        form.boxed = typed
        if entries_of(form.recipe.values):
            form.looked = tuple(page.studio.recipes.look(form.recipe))
            return page.surroundings(form, left_alone=[name])
        form.choose_dataset(page.studio, typed, form.recipe.get("dataset_config"))
        return page.surroundings(form, left_alone=[name])

    def change(key: str, value: str | None, form: Form) -> list[Any]:
        form.set(page.catalog, key, value, bool(value))
        if key != "dataset_test_split" and form.recipe.get("dataset_name"):
            form.choose_dataset(page.studio, form.typed, form.recipe.get("dataset_config"))
        return page.surroundings(form, left_alone=[name])

    def take_file(path: str, form: Form) -> list[Any]:
        kept = page.studio.take_file(Path(path))
        form.choose_dataset(page.studio, str(kept))
        return page.everything(form)

    def unchanged(*values: Any) -> list[Any]:
        return page.everything(values[-1])

    # A name that is typed while another one is looked up must not be lost: the last one counts.
    last = {"outputs": page.all_outputs, "trigger_mode": "always_last", **BUSY}
    name.input(typing, [page.form], None, **QUIET)
    name.submit(guarded(choose, unchanged), [name, page.form], **last)
    name.blur(guarded(leave, unchanged), [name, page.form], **last)
    look.click(guarded(look_again, unchanged), [name, page.form], page.all_outputs, **BUSY)
    upload.upload(guarded(take_file, unchanged), [upload, page.form], page.all_outputs, **BUSY)
    for (key, _), chooser in zip(_SPLITS, choosers, strict=True):
        chooser.input(guarded(partial(change, key), unchanged), [chooser, page.form], **last)


def _wire_search(page: Page, name: Any, found: Any) -> None:
    def take(offer: str, form: Form) -> list[Any]:
        form.typing = False
        form.choose_dataset(page.studio, offer)
        return page.surroundings(form)

    def choose(form: Form, event: gr.EventData) -> list[Any]:
        kept = guarded(take, lambda _, form: page.everything(form))
        drawn: list[Any] = kept(str(event._data.get("offer", "")), form)
        return drawn

    def narrow(typed: str, form: Form) -> str:
        form.words = typed
        return _offers(page, form, typed)

    # What is typed narrows what is here at once; the list asks the Hub by itself.
    name.input(narrow, [name, page.form], [found], trigger_mode="always_last", **QUIET)
    found.click(choose, [page.form], page.all_outputs, trigger_mode="multiple", **BUSY)


def _typed(form: Form) -> Any:
    """What the box shows; it is left alone where it holds that already: one may be typing there when this comes."""
    if form.typing or form.boxed == form.typed:
        return gr.skip()
    form.boxed = form.typed
    return form.box.put(form.typed)


def _here(page: Page, form: Form) -> str:
    """What is here: narrowed by what is being typed, also where it was found only after that."""
    return _offers(page, form, form.words if form.typing else "")


def _offers(page: Page, form: Form, typed: str = "") -> str:
    chosen = (form.typed, "main") if form.typed else None
    return search_list.here("datasets", page.studio.search.here("datasets"), typed, chosen, form.recipe.method)


def _lead(form: Form) -> str:
    method = method_named(form.recipe.method)
    return pieces.title(TITLE, method.data)


def _preview(page: Page, form: Form) -> str:
    if not form.looked:
        return pieces.empty(
            "No dataset yet", "Type its name on the Hub, or the path of a folder or file, and press Enter."
        )
    looked = pager.looked_at(form)
    return _looked(page.studio.under_model(looked, form.recipe), form) if looked else ""


_UNREAD = "Not known yet: the data could not be read from here."


def _looked(looked: Inspection, form: Form) -> str:
    label = method_named(looked.method).label
    verdicts = {
        "accept": ("ok", f"Yes: {label} can learn from this" + (f" ({looked.type})." if looked.type else ".")),
        "reject": ("error", f"No: {label} would stop on this."),
        "unknown": ("note", "Not known: what is seen of the data does not decide it." if looked.columns else _UNREAD),
    }
    tone, words = verdicts[looked.verdict]
    verdict = f'<div class="ts-verdict {tone}" role="status"><b>{pieces.text(words)}</b></div>'
    table = ""
    if looked.columns:
        place = "this machine" if looked.source == "local" else "Hub"
        rows, roles = pager.page_of(form, looked).rows, mapping_card.shown_roles(form, looked)
        table = preview_table.table(looked.columns, rows, _roles(looked, form), place, looked.method, roles)
        table += pager.bar(form, looked)
    found = pieces.findings_of_form(_worth_saying(looked), mapping_card.mapped_at(form, lambda finding: ""))
    # A refusal is read first; a yes may stand below what it speaks of.
    return verdict + found + table if looked.verdict == "reject" else table + verdict + found


def _worth_saying(looked: Inspection) -> list[Finding]:
    worst_first = sorted(looked.findings, key=lambda found: RANK[found.level])
    return [found for found in worst_first if found.level != "note" or looked.verdict != "accept"]


def _roles(looked: Inspection, form: Form) -> dict[str, str]:
    """What the method does with each column."""
    method = looked.method
    if method in ("grpo", "rloo", "distillation"):
        rest = "not used" if method == "distillation" else "to rewards"
        roles = {column.name: "prompt" if column.name == "prompt" else rest for column in looked.columns}
        return {name: role for name, role in roles.items() if role != "not used"}
    known = (*_KNOWN[method], str(form.recipe.get("dataset_text_field", "text")))
    return {column.name: column.name for column in looked.columns if column.name in known}
