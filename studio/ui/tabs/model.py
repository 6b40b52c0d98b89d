"""Model: which one, what it is, and how it is loaded."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.adapters.machine import Machine, has_package
from studio.domain.methods import method_named
from studio.service.models import named_models
from studio.service.paths import hub_name
from studio.ui import model_card, model_search, pieces
from studio.ui.events import BUSY, QUIET
from studio.ui.form import Form

if TYPE_CHECKING:
    from studio.ui.page import Page

TITLE, ID = "Model", "model"
_BOX, _TEACHER = "model_name_or_path", "teacher_model_name_or_path"
_ASKED_BY = (_BOX, "model_revision")
_LOADING = ("model_revision", "dtype", "attn_implementation", "trust_remote_code")
_TITLES = {_TEACHER: "Teacher", "reward_model_name_or_path": "Reward model"}
_SCRIPT = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-model-do]');
  if (button) trigger('click', {do: button.dataset.modelDo});
});
"""


def build(page: Page) -> None:
    """The model's name with what is here, a card of facts about it, and how it is loaded."""
    page.html(_lead)
    offers = partial(model_search.build, page, _BOX, "model-offers", brief=False)
    page.section(("Model",), leave_out=_LOADING, headed=False, below={"Model": offers})
    facts = page.html(partial(_facts, page, asked=True), js_on_load=_SCRIPT, elem_id="model-facts")
    page.follow(facts, partial(_facts, page, asked=False), _ASKED_BY)
    page.html(partial(_template, page), (*_ASKED_BY, "chat_template_path"), elem_id="model-template")
    page.section(("Model",), leave_out=(_BOX,), headed=False)
    teachers = partial(model_search.build, page, _TEACHER, "teacher-offers")
    page.section(("Teacher",), below={"Teacher": teachers})
    others = (_TEACHER, "teacher_model_revision", "reward_model_name_or_path")
    page.html(partial(_others, page), others, elem_id="model-others")
    attention = next(control for control in page.controls if control.name == "attn_implementation")
    attention.component.info = attention_hint(page.studio.machine)
    page.learning.append(partial(_find_out, page))
    page.wiring.append(partial(_wire, page, facts))
    page.wiring.append(partial(model_search.wire, page))


def _wire(page: Page, facts: Any) -> None:
    def leave(typed: str | None, form: Form) -> list[Any]:
        # The box's own text: the edit that brings it into the form may still be on its way, and is left to that, for
        # a click into the list may have chosen another one meanwhile. What is known, the edit has drawn.
        name, (_, revision) = hub_name(typed or ""), _named(form)
        form.asked = name  # for an edit that is answered after this
        unknown = name and page.studio.models.known(name, revision) is None
        return [model_card.waiting(name, asked=True) if unknown else gr.skip(), page.signal()]

    def ask(form: Form, again: bool) -> list[Any]:
        if again:
            name, revision = _named(form)
            page.studio.models.learn(name, revision, again=True)
        return [_facts(page, form, asked=True), page.signal()]

    box, revision = (next(control.component for control in page.controls if control.name == name) for name in _ASKED_BY)
    # A box that is left once more, while the answer to the first time is on its way, holds another name by now.
    last = {"outputs": [facts, page.learn], "trigger_mode": "always_last", **QUIET}
    gr.on([box.submit, box.blur], leave, [box, page.form], **last)
    gr.on([revision.submit, revision.blur], partial(ask, again=False), [page.form], **last)
    facts.click(partial(ask, again=True), [page.form], [facts, page.learn], trigger_mode="multiple", **BUSY)


def _find_out(page: Page, form: Form) -> bool:
    """Asks the Hub about every model that the recipe names, and tries the chat template out."""
    return page.studio.models.find_out(form.recipe)


def _named(form: Form) -> tuple[str, str]:
    """The model's name and revision, as the recipe has them; `` where there is none."""
    revision = form.recipe.get("model_revision")
    named = {argument: name for argument, name, _ in named_models(form.recipe)}
    return named.get(_BOX, ""), revision if isinstance(revision, str) and revision else "main"


def _lead(form: Form) -> str:
    label = method_named(form.recipe.method).label
    lead = "{method} starts from this model and leaves it as it is: the result is a new one."
    return pieces.title(TITLE, lead, method=label)


def _facts(page: Page, form: Form, asked: bool) -> str:
    name, revision = _named(form)
    if not name:
        return model_card.empty()
    look = page.studio.models.known(name, revision)
    return model_card.model(look) if look is not None else model_card.waiting(name, asked or form.asked == name)


def _template(page: Page, form: Form) -> str:
    models = page.studio.models
    name, revision = _named(form)
    look = models.known(name, revision) if name else None
    if look is None or look.facts is None:
        return ""
    facts, source = models.templated(form.recipe, look.facts)
    return model_card.template(facts, models.template(facts), source, form.recipe.method)


def _others(page: Page, form: Form) -> str:
    """What is known of the teacher and of the reward model, where the method loads one."""
    shown = "".join(
        model_card.compact(_TITLES[argument], page.studio.models.known(name, revision), name)
        for argument, name, revision in named_models(form.recipe)
        if argument in _TITLES
    )
    return f'<div class="ts-card">{shown}</div>' if shown else ""


def attention_hint(machine: Machine) -> str:
    """What this machine has for attention, in a line."""
    if machine.kind in ("cpu", "apple"):
        why = "this machine has none" if machine.kind == "cpu" else "this is an Apple one"
        return f"Empty takes sdpa, which works here. Flash attention needs an NVIDIA or AMD GPU, and {why}."
    if has_package("flash_attn"):
        return "Empty takes sdpa. flash_attention_2 is installed here: faster, and less memory on long texts."
    ready = " kernels-community/flash-attn2 works through the kernels package." if has_package("kernels") else ""
    return f"Empty takes sdpa, which works here. flash_attention_2 needs flash-attn, which is not installed.{ready}"
