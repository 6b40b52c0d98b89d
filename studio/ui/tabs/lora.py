"""LoRA: a small adapter instead of all weights, with what it buys in numbers, and quantized weights below it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.adapters.machine import Machine, has_package
from studio.domain.lora_choice import ALL_LINEAR, as_argument
from studio.domain.model_layers import ModelLayers
from studio.service.paths import hub_name
from studio.ui import adapter_card, continue_card, late_answers, pieces
from studio.ui.blocks import field_row
from studio.ui.controls import Control, controls_of, shown
from studio.ui.events import BUSY, QUIET
from studio.ui.form import Form

if TYPE_CHECKING:
    from studio.ui.page import Page

TITLE, ID = "LoRA", "lora"
_MODEL = "model_name_or_path"
_TARGETS, _TENSORS = "lora_target_modules", "lora_target_parameters"
_CHOSEN = (_TARGETS, _TENSORS)
_SECTIONS = (
    ("Adapter", ("use_peft",)),
    ("Size", ("lora_r", "lora_alpha", "lora_dropout", "use_rslora", "use_dora")),
    ("Where it acts", _CHOSEN),
)
_PLACED = tuple(name for _, names in _SECTIONS for name in names)
_QUANTIZED = ("load_in_4bit", "load_in_8bit")
# What the numbers follow.
_COUNTED = (
    _MODEL, "model_revision",
    "use_peft", "lora_r", "lora_dropout", "use_dora", _TARGETS, _TENSORS, "lora_modules_to_save", "lora_task_type",
    "dtype", "accelerate_config", *_QUANTIZED,
)  # fmt: skip
_SCRIPT = """
let pressed = null;
const key = (button) => button.dataset.lora + ' ' + (button.dataset.name || '');
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-lora]');
  if (!button) return;
  pressed = key(button);
  trigger('click', {what: button.dataset.lora, name: button.dataset.name || ''});
});
// Drawing anew takes the button away that the keyboard stands on: its successor gets the focus.
new MutationObserver(() => {
  if (pressed === null || document.activeElement !== document.body) return;
  const same = [...element.querySelectorAll('[data-lora]')].find((button) => key(button) === pressed);
  if (same) { same.focus({preventScroll: true}); pressed = null; }
}).observe(element, {childList: true, subtree: true});
"""


def build(page: Page) -> None:
    """The switch with its numbers, the adapter's size and place, quantization, and an adapter to continue from."""
    gr.HTML(
        pieces.title(TITLE, "A small adapter learns while the model stays as it is: far less memory, small results."),
        apply_default_css=False,
    )
    rows = {row[0]: row for _, found in controls_of(page.catalog, ("LoRA",)) for row in found}
    rest = tuple(name for name in rows if name not in _PLACED)
    chips: list[Any] = []
    numbers = partial(page.html, partial(_numbers, page), _COUNTED, elem_id="lora-numbers", elem_classes="ts-below")

    def draw_chips() -> None:
        chips.append(
            page.html(
                partial(_chips, page), _COUNTED, js_on_load=_SCRIPT, elem_id="lora-targets", elem_classes="ts-below"
            )
        )

    below: dict[str, Callable[[], Any]] = {"Adapter": numbers, "Where it acts": draw_chips}
    with gr.Column(elem_classes="ts-card ts-sections"):
        for title, names in (*_SECTIONS, ("Also trained", rest)):
            _section(page, title, [rows[name] for name in names if name in rows], below.get(title))
    page.section(("Quantization",))
    for control in page.controls:
        if control.name in _QUANTIZED:
            control.component.info = quantization_hint(page.studio.machine)
            page.redrawn.append((control.component, partial(_usable, page, control)))
    continue_card.build(page)
    page.learning.append(partial(_find_out, page))
    page.wiring.append(partial(_wire, page, chips[0]))


def _section(page: Page, title: str, rows: list[Any], below: Callable[[], Any] | None) -> None:
    """One row of the card: what it is about, its controls, and what is drawn under them."""
    with gr.Column(elem_classes="ts-section") as group:
        gr.HTML(pieces.heading(title), apply_default_css=False)
        if below is not None and title == "Where it acts":
            below()  # what is chosen with the mouse comes before what is typed
        with field_row():
            made = [page.control(name, kind, methods, "LoRA") for name, kind, methods in rows]
        if below is not None and title != "Where it acts":
            below()

    def seen(form: Form) -> Any:
        return gr.update(visible=any(control.visible(form.recipe, page.catalog) for control in made))

    group.visible = seen(page.start_form)["visible"]
    page.redrawn.append((group, seen))
    if title != "Adapter":
        page.follow(group, seen, ("use_peft",))


def _wire(page: Page, chips: Any) -> None:
    controls = [control for control in page.controls if control.name in _CHOSEN]
    followers = list({id(one): (one, draw) for name in _CHOSEN for one, draw in page.following[name]}.values())

    def choose(form: Form, event: gr.EventData) -> list[Any]:
        _choose(page, form, str(event._data.get("what", "")), str(event._data.get("name", "")))
        values = [gr.update(value=shown(control, form.displayed(), page.catalog)) for control in controls]
        return [*page.summary(form), *values, *(draw(form) for _, draw in followers)]

    outputs = [*page.summary_outputs, *(one.component for one in controls), *(one for one, _ in followers)]
    chips.click(choose, [page.form], outputs, trigger_mode="multiple", **QUIET)

    def look(typed: str | None, form: Form) -> list[Any]:
        # The box's own text: the edit that brings it into the form may still be on its way.
        name = hub_name(typed or "")
        if name != (form.recipe.get(_MODEL) or ""):
            form.set(page.catalog, _MODEL, name, bool(name))
        page.studio.layers.learn(form.recipe)
        late_answers.note(form)
        return [*(draw(form) for _, draw in followers), page.signal()]

    box = next(control.component for control in page.controls if control.name == _MODEL)
    tab = next(tab for tab in page.tabs.children if getattr(tab, "id", None) == ID)
    # The figures say themselves that they are on their way: nothing else needs to dim.
    quiet = {**BUSY, "show_progress": "hidden"}
    tab.select(look, [box, page.form], [*(component for component, _ in followers), page.late], **quiet)


def _choose(page: Page, form: Form, what: str, name: str) -> None:
    """A button among the targets was pressed."""
    model = page.studio.layers.known(form.recipe)
    layers = model.under(form.recipe.method) if isinstance(model, ModelLayers) else None
    if not isinstance(model, ModelLayers) or layers is None:
        return
    if what == "tensor":
        given = form.recipe.get(_TENSORS)
        names = list(given) if isinstance(given, list) else [given] if given else []
        names = [one for one in names if one != name] if name in names else [*names, name]
        form.set(page.catalog, _TENSORS, names, bool(names))
        return
    chosen = adapter_card.pressed(form, page.catalog, model, layers)
    wanted = {
        "all": [ALL_LINEAR],
        "attention": as_argument(group.name for group in layers.groups if group.is_attention),
        "module": as_argument(
            group.name for group in layers.groups if (group.name in chosen) is not (group.name == name)
        ),
    }.get(what, [])
    form.set(page.catalog, _TARGETS, wanted, bool(wanted))


def _find_out(page: Page, form: Form) -> bool:
    """Lists the model's modules where they are asked for; without LoRA, opening this tab does it."""
    return form.recipe.get("use_peft") is True and page.studio.layers.learn(form.recipe)


def _numbers(page: Page, form: Form) -> str:
    return adapter_card.numbers(form, page.catalog, page.studio.layers.known(form.recipe))


def _chips(page: Page, form: Form) -> str:
    if form.recipe.get("use_peft") is not True:
        return ""
    return adapter_card.chips(form, page.catalog, page.studio.layers.known(form.recipe))


def quantization_hint(machine: Machine) -> str:
    """What 4-bit and 8-bit weights need, and whether it is here."""
    words = {
        (True, True): "both are here",
        (True, False): "the GPU is here, the package is not",
        (False, True): "the package is here, such a GPU is not",
        (False, False): "neither is here",
    }
    return f"Needs an NVIDIA GPU and the package bitsandbytes: {words[machine.kind == 'nvidia', _packed()]}."


def _packed() -> bool:
    return has_package("bitsandbytes")


def _usable(page: Page, control: Control, form: Form) -> Any:
    """Off and out of reach here: greyed. For elsewhere, or where it is on, it can be switched."""
    here = page.studio.machine.kind == "nvidia" and _packed()
    return gr.update(interactive=here or form.elsewhere or form.recipe.get(control.name) is True)
