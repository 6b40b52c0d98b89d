"""The editor of a mixture: its datasets with the rows that each gives, one to edit, and one more to add."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.domain.asked_splits import base_split
from studio.domain.data_layout import as_path
from studio.domain.errors import StudioError
from studio.domain.findings import errors
from studio.domain.mixture import SINGLE, as_mixture, as_single, entries_of
from studio.domain.values import number_text, share_of
from studio.service.mixing import Part, mix_of
from studio.service.paths import hub_name, unquoted
from studio.service.studio import Studio
from studio.ui import pieces
from studio.ui.blocks import field_row
from studio.ui.events import BUSY, guarded
from studio.ui.form import Form, dataset_text
from studio.ui.pager import FIRST_ROWS, Viewing

if TYPE_CHECKING:
    from studio.ui.page import Page

# A press on Add leaves the box where one types as it is: what the box does when it is left would come before it.
_SCRIPT = """
document.addEventListener('mousedown', (event) => {
  if (event.target.closest('#mixture-more')) event.preventDefault();
});
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-entry]');
  if (button) trigger('click', {entry: Number(button.dataset.entry), what: button.dataset.what});
});
"""
_FIELDS = (
    ("path", "Path or name", "A folder or name on the Hub; for files their format: json, csv, parquet, arrow."),
    ("name", "Subset of it", "Its configuration, where it has several."),
    ("split", "Split of it", "Also a part of one: train[:10%]."),
    ("columns", "Columns", "The ones to take, with commas between; none: all."),
    ("fraction", "Share", "Beside the other shares: 1 and 3 make 25 % and 75 %. For all datasets or none."),
    ("data_files", "Files", "A file or pattern; several with commas between."),
    ("data_dir", "Folder in it", "Where only a part of a folder is meant."),
)
MODEL = ("model_name_or_path", "model_revision")  # what may decide whether data is taken
_OPEN = "Edit its path, split and columns"
_SWITCHES = (("mixture-several", "Columns, parts and held-out rows"), ("mixture-single", "As a single dataset"))


def is_mixture(form: Form) -> bool:
    """Whether the recipe has datasets that the box for one cannot name."""
    return len(entries_of(form.recipe.values)) > 1


def build(page: Page) -> None:
    """One card: the list of the datasets, the fields of the chosen one, and the box for one more."""
    start = page.start_form
    with gr.Column(elem_classes="ts-card ts-mixture", visible=_has_data(start), elem_id="mixture-card") as card:
        draw = partial(_listed, page.studio)
        listed = page.html(draw, ("test_split_size", "streaming"), js_on_load=_SCRIPT, elem_id="mixture")
        page.follow(listed, lambda form: draw(form) if form.by_model else gr.skip(), MODEL)
        with field_row("ts-entry", visible=shows_fields(start)) as row:
            place = gr.Textbox(_place(start), label=" ", elem_id="mixture-place", elem_classes="ts-none")
            fields = [place, *(_field(page, *one) for one in _FIELDS)]
        with gr.Row(elem_classes="ts-actions-row ts-adding"):
            more = gr.Textbox(
                label="Add another dataset",
                placeholder="A name on the Hub, or a folder or file here",
                max_lines=1,
                elem_id="mixture-add",
            )
            press = gr.Button("Add", size="sm", elem_id="mixture-more")
            switches = [
                gr.Button(words, size="sm", elem_id=name, visible=_can(name, start)) for name, words in _SWITCHES
            ]
    page.boxes += fields
    page.redrawn += [
        (place, _place),
        (card, lambda form: gr.update(visible=_has_data(form))),
        (row, lambda form: gr.update(visible=shows_fields(form))),
        *((button, partial(_visible, name)) for button, (name, _) in zip(switches, _SWITCHES, strict=True)),
    ]
    page.wiring.append(partial(_wire, page, listed, fields, (more, press), switches))


def _has_data(form: Form) -> bool:
    """Whether there is a dataset that another one could be added to."""
    return bool(form.typed or entries_of(form.recipe.values))


def shows_fields(form: Form) -> bool:
    """Whether the fields of an entry are open: always where there are several, for one where they were asked for."""
    number = len(entries_of(form.recipe.values))
    return number > 1 or (number == 1 and form.detailed)


def _field(page: Page, key: str, label: str, info: str) -> Any:
    box = gr.Textbox(_shown(key, page.start_form), label=label, info=info, max_lines=1, elem_id=f"mixture-{key}")
    page.redrawn.append((box, partial(_shown, key)))
    return box


def chosen(form: Form) -> int:
    """The number of the dataset that is edited and whose rows are shown."""
    return max(0, min(form.viewing.entry, len(entries_of(form.recipe.values)) - 1))


def _place(form: Form) -> str:
    """Which dataset the fields show: what is typed in them goes there, whatever is chosen until it arrives."""
    return f"{chosen(form)} of {len(entries_of(form.recipe.values))}"


def _shown(key: str, form: Form, number: int | None = None) -> str:
    entries = entries_of(form.recipe.values)
    value = entries[chosen(form) if number is None else number].get(key) if entries else None
    if value is None:
        return ""
    if isinstance(value, dict):
        return ", ".join(f"{split}: {_joined(files)}" for split, files in value.items())
    return number_text(value) if isinstance(value, float) else _joined(value)


def _joined(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def meant(key: str, typed: str) -> Any:
    """What a field's text means in the recipe; None where nothing is typed. What is no number stays to be seen."""
    text = hub_name(typed) if key == "path" else typed.strip()
    if not text:
        return None
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if key == "columns":
        return parts
    if key == "data_files":
        parts = [unquoted(part) for part in parts]
        named = [re.fullmatch(r"(\w+): (.+)", part) for part in parts]
        if named and all(named):
            return {one[1]: one[2] for one in named if one}
        return parts if len(parts) > 1 else unquoted(text)
    if key == "fraction":
        share = share_of(text)
        return text if share is None else share
    return text


# Changes to the form ---------------------------------------------------------------------------------------------


def _put(page: Page, form: Form, entries: list[dict[str, Any]], entry: int, **more: Any) -> None:
    """The recipe with these datasets; only those that are other ones than before are looked at."""
    unset = tuple(name for name in SINGLE if form.recipe.get(name) is not None)
    form.recipe = form.recipe.with_changes(page.catalog, {"datasets": entries, **more}, unset)
    for name in ("datasets", *unset):
        form.put_aside(page.catalog, name)
    form.typed = dataset_text(form.recipe)
    form.opened = tuple(found for found in form.opened if found.where.name not in ("datasets", *unset))
    form.viewing = Viewing(entry, asked=form.viewing.asked + 1)
    form.looked = tuple(page.studio.recipes.look(form.recipe, before=form.looked))


def add(page: Page, form: Form, typed: str) -> None:
    """One more dataset behind the others; a single one becomes a mixture. Raises StudioError where there is none."""
    name = hub_name(typed)
    found = page.studio.inspect(name, form.recipe.method, values=_without_data(form))
    wrong = errors(list(found.findings))
    if wrong and not found.columns and not found.splits:
        raise StudioError(f"{pieces.short_path(name)} was not added. {wrong[0].message}", wrong[0].why)
    new = entries_of(found.values) or entries_of(as_mixture({"dataset_name": name, **found.values}))
    if found.source == "local" and "dataset_name" in found.values:
        new[0]["path"] = name  # as it was typed: the recipe for elsewhere names no folder of this machine
    if found.columns and new[0].get("split") not in found.splits:
        new[0]["split"] = found.split
    mixture = dict(form.recipe.values) if entries_of(form.recipe.values) else as_mixture(form.recipe.values)
    entries = entries_of(mixture)
    if any(entry.get("fraction") is not None for entry in entries):
        new[0]["fraction"] = 1.0
    form.remember()
    form.notice = f"{pieces.short_path(name)} was added."
    stream = {"streaming": True} if mixture.get("streaming") is True else {}
    _put(page, form, [*entries, *new], len(entries), **stream)


def _without_data(form: Form) -> dict[str, Any]:
    """What another dataset is judged by: the recipe's values, without those that name its data."""
    return {name: value for name, value in form.recipe.values.items() if name not in (*SINGLE, "datasets")}


def take_prepared(page: Page, form: Form, folder: str) -> None:
    """The dataset whose rows are shown, as it was prepared: its split is train there, and a part of it that part."""
    entries, number = entries_of(form.recipe.values), chosen(form)
    old = entries[number]
    spec = str(old.get("split") or "train")
    kept = {"fraction": old["fraction"]} if old.get("fraction") is not None else {}
    entries[number] = {"path": folder, "split": "train" + spec.removeprefix(base_split(spec)), **kept}
    _put(page, form, entries, number)


def remove(page: Page, form: Form, entry: int) -> None:
    """Takes a dataset out; the last one that is left becomes a single one where a name says it all."""
    entries = entries_of(form.recipe.values)
    if not 0 <= entry < len(entries):
        return
    form.remember()
    form.notice = f"{pieces.short_path(entries.pop(entry).get('path'))} was taken out."
    if not entries:
        form.recipe = form.recipe.with_changes(page.catalog, {}, ("datasets", "streaming", "test_split_size"))
        form.typed, form.looked, form.viewing = "", (), FIRST_ROWS
        form.put_aside(page.catalog, "datasets")
        return
    _put(page, form, entries, max(0, min(entry, len(entries) - 1)))
    if as_single(form.recipe.values):
        switch(page, form)


def edit(page: Page, form: Form, place: str, typed: tuple[str, ...]) -> bool:
    """What is typed in the fields of the dataset at a place; whether that changed anything."""
    entries = entries_of(form.recipe.values)
    number, _, count = place.partition(" of ")
    before, form.entered = form.entered, ()
    if not entries or count != str(len(entries)) or before == (place, *typed):
        return False  # it was taken out meanwhile, another one came, or a box is left in which Enter was pressed
    entry, changed = int(number), False
    for (key, _, _), text in zip(_FIELDS, typed, strict=True):
        if text.strip() == _shown(key, form, entry):
            continue
        value, changed = meant(key, text), True
        entries[entry] = {name: old for name, old in entries[entry].items() if name != key or value is not None}
        if value is not None:
            entries[entry][key] = value
        if key == "fraction" and len(entries) > 1:
            _share_all(entries, entry)
    if changed:
        form.entered = (place, *typed)
        _put(page, form, entries, chosen(form))
    return changed


def _share_all(entries: list[dict[str, Any]], changed: int) -> None:
    """TRL wants a share of all datasets or of none: the first one that is typed, or taken away, speaks for all."""
    others = [entry for number, entry in enumerate(entries) if number != changed]
    left = entries[changed].get("fraction")
    if isinstance(left, float) and all("fraction" not in entry for entry in others):
        rest = (1 - left) / len(others) if 0 < left < 1 else 1.0
        for entry in others:
            entry["fraction"] = round(rest, 4)
    elif left is None:
        for entry in others:
            entry.pop("fraction", None)


def switch(page: Page, form: Form) -> None:
    """A single dataset as a mixture of one, which says more, or back."""
    single, mixture = as_single(form.recipe.values), as_mixture(form.recipe.values)
    if single:
        unset = tuple(name for name in ("datasets", "streaming") if name in form.recipe.values)
        form.recipe = form.recipe.with_changes(page.catalog, single, unset)
        form.put_aside(page.catalog, "datasets")
        form.typed, form.viewing = dataset_text(form.recipe), FIRST_ROWS
        form.looked = tuple(page.studio.recipes.look(form.recipe))
    elif mixture and not entries_of(form.recipe.values):
        entries = mixture.pop("datasets")
        form.detailed = True  # it was asked for so that more can be said of it
        _put(page, form, entries, 0, **mixture)


def _can(name: str, form: Form) -> bool:
    values = form.recipe.values
    if name == "mixture-single":
        return bool(as_single(values))
    return not entries_of(values) and bool(as_mixture(values))


def _visible(name: str, form: Form) -> Any:
    return gr.update(visible=_can(name, form))


# What is drawn ---------------------------------------------------------------------------------------------------


def _listed(studio: Studio, form: Form) -> str:
    values = form.recipe.values
    if not entries_of(values):
        return ""
    mix = mix_of(values, form.looked)
    verdicts = [studio.under_model(one, form.recipe).verdict for one in form.looked] + [""] * len(mix.parts)
    rows = "".join(_row(number, part, mix.total, verdicts[number], form) for number, part in enumerate(mix.parts))
    words = "Rows in all: {total}"
    if mix.split is not None:
        sums = pieces.spoken(
            "Rows to learn from: {train}, held out for evaluation: {test}",
            train=pieces.count(mix.split[0]),
            test=pieces.count(mix.split[1]),
        )
    elif mix.total is not None:
        sums = pieces.spoken(words, total=pieces.count(mix.total))
    else:
        sums = pieces.spoken("How many rows that are is not known.")
    # Of one dataset, its own line says how many rows it gives.
    head, told = (pieces.heading("Mixture"), True) if len(mix.parts) > 1 else ("", mix.split is not None)
    hint = f'<div class="ts-hint">{sums}</div>' if told else ""
    return f'{head}<div class="ts-parts">{rows}</div>{hint}'


def _row(number: int, part: Part, total: int | None, verdict: str, form: Form) -> str:
    entry, name = part.entry, dataset_text_of(part.entry)
    more = " · ".join(str(entry[key]) for key in ("name", "split") if entry.get(key))
    sign = {"accept": "ok", "reject": "error"}.get(verdict, "note")
    words = {"ok": "Can be learned from", "error": "Would stop the run", "note": "Not known yet"}[sign]
    gives = pieces.spoken("rows not known")
    if part.gives is not None:
        gives = pieces.spoken("{rows} of {all} rows", rows=pieces.count(part.gives), all=pieces.count(part.rows))
    share = f" · {100 * part.gives / total:.0f} %" if part.gives is not None and total and len(form.looked) > 1 else ""
    several = len(entries_of(form.recipe.values)) > 1
    pressed = str(number == chosen(form) and several).lower()
    return (
        '<div class="ts-part-row"><button type="button" class="ts-part-choice" '
        f'data-entry="{number}" data-what="choose" aria-pressed="{pressed}">'
        f'<i class="ts-sign {sign}" title="{words}"></i>'
        f"<b>{pieces.place(name)}</b>"
        f'<small>{pieces.text(more)}</small><span class="ts-num">{gives}{share}</span></button>'
        f"{'' if several else _opener(number, form)}"
        f'<button type="button" class="ts-btn quiet" data-entry="{number}" data-what="remove">'
        f"{pieces.spoken('Remove')}</button></div>"
    )


def _opener(number: int, form: Form) -> str:
    """What opens and closes the fields of the one dataset."""
    return (
        f'<button type="button" class="ts-btn quiet" data-entry="{number}" data-what="fields" '
        f'aria-expanded="{str(form.detailed).lower()}">{pieces.spoken(_OPEN)}</button>'
    )


def dataset_text_of(entry: Any) -> str:
    """What an entry is called: its file, else its path."""
    files = entry.get("data_files")
    if isinstance(files, dict):
        files = next(iter(files.values()), None)
    if isinstance(files, list):
        files = files[0] if len(files) == 1 else f"{files[0]} and {len(files) - 1} more" if files else None
    return as_path(str(files or entry.get("path") or ""))


# Events ----------------------------------------------------------------------------------------------------------


def _wire(page: Page, listed: Any, fields: list[Any], more: Any, switches: list[Any]) -> None:
    def press(form: Form, event: gr.EventData) -> list[Any]:
        entry, what = event._data.get("entry"), event._data.get("what")
        if not isinstance(entry, int):
            return [gr.skip()] * len(page.all_outputs)
        if what == "remove":
            remove(page, form, entry)
            return page.everything(form)
        if what == "fields":
            form.detailed = not form.detailed
            return page.surroundings(form)
        form.viewing = Viewing(entry, asked=form.viewing.asked + 1)
        return page.surroundings(form)

    def typed_in(place: str, *given: Any) -> list[Any]:
        form: Form = given[-1]
        if not edit(page, form, place, given[:-1]):
            return [gr.skip()] * len(page.all_outputs)
        # The fields hold what was typed, and perhaps more by now.
        drawn = page.surroundings(form)
        return [gr.skip() if one in fields else new for one, new in zip(page.all_outputs, drawn, strict=True)]

    def adding(typed: str, form: Form) -> list[Any]:
        if not typed.strip():
            return [gr.skip()] * (1 + len(page.all_outputs))
        add(page, form, typed)
        return ["", *page.everything(form)]

    def not_added(*values: Any) -> list[Any]:
        return [gr.skip(), *page.everything(values[-1])]

    def switched(form: Form) -> list[Any]:
        switch(page, form)
        return page.everything(form)

    def unchanged(*values: Any) -> list[Any]:
        return page.everything(values[-1])

    options = {"outputs": page.all_outputs, "trigger_mode": "multiple", **BUSY}
    listed.click(press, [page.form], **options)
    last = {"outputs": page.all_outputs, "trigger_mode": "always_last", **BUSY}
    left = [listen for box in fields[1:] for listen in (box.submit, box.blur)]
    gr.on(left, guarded(typed_in, unchanged), [*fields, page.form], **last)
    # The box is emptied by its own answer alone: others may come while the next name is being typed.
    with_box = {**last, "outputs": [more[0], *page.all_outputs]}
    box, button = more
    gr.on([box.submit, box.blur, button.click], guarded(adding, not_added), [box, page.form], **with_box)
    gr.on([one.click for one in switches], guarded(switched, unchanged), [page.form], **last)
