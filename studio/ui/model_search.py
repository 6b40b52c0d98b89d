"""The search list under each box that names a model: the one that is trained, the teacher, the reward model."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.domain import rewards
from studio.service.model_offers import Offer
from studio.service.models import REVISIONS, named_models
from studio.ui import search_list
from studio.ui.events import QUIET
from studio.ui.form import Form
from studio.ui.reward_editor import CHANGING

if TYPE_CHECKING:
    from studio.ui.page import Page


def build(page: Page, argument: str, elem_id: str, brief: bool = True, **options: Any) -> None:
    """The list for the box of `argument`; a `brief` one shows what is here only once it is asked."""
    follows = tuple(filter(None, (argument, REVISIONS[argument])))
    draw = partial(_offers, page, argument, brief)
    page.model_lists.append(
        search_list.build(page, "models", f"arg-{argument}", draw, follows, brief, elem_id=elem_id, **options)
    )


def wire(page: Page) -> None:
    """Has what is chosen in any of the lists fill its box and the recipe."""

    def choose(form: Form, event: gr.EventData) -> list[Any]:
        argument = str(event._data.get("box", "")).removeprefix("arg-")
        if argument in REVISIONS:
            take(page, form, argument, str(event._data.get("offer", "")), str(event._data.get("revision", "")))
        return page.everything(form)

    clicks = [one.click for one in page.model_lists]
    gr.on(clicks, choose, [page.form], page.all_outputs, trigger_mode="multiple", **QUIET)


def take(page: Page, form: Form, argument: str, name: str, revision: str) -> None:
    """The chosen model into the recipe, with its revision where the recipe can say one."""
    if not name:
        return
    if argument == rewards.MODEL:
        with CHANGING:
            form.recipe = rewards.with_model(form.recipe, page.catalog, name)
        return
    form.set(page.catalog, argument, name, True)
    form.set(page.catalog, REVISIONS[argument], revision, bool(revision))


def _offers(page: Page, argument: str, brief: bool, form: Form) -> str:
    models = page.studio.models
    name, revision = next(((name, rev) for one, name, rev in named_models(form.recipe) if one == argument), ("", ""))
    look = models.known(name, revision) if name else None
    # All of them once what is typed names a model.
    typed = "" if look is not None and look.facts is not None else name
    # A reward model is one as reward training makes it, whatever method it serves.
    wanted_for = "reward" if argument == rewards.MODEL else form.recipe.method
    chosen, offers = (name, revision) if name else None, _sayable(argument, models.offers())
    return search_list.here("models", offers, typed, chosen, wanted_for, argument if brief else "")


def _sayable(argument: str, offers: tuple[Offer, ...]) -> list[Offer]:
    """The offers that the recipe can name: without an argument for it, only the main revision."""
    return [one for one in offers if REVISIONS[argument] or not one.revision]
