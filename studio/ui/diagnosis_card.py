"""Why a run failed, on the Runs tab: its Findings, each with a button that takes the cure into the form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.domain.errors import StudioError
from studio.domain.findings import Finding, Fix, Where
from studio.domain.states import LIVE
from studio.service.library import Library
from studio.ui import pieces
from studio.ui.form import Form
from studio.ui.steps import next_step, tab_of

if TYPE_CHECKING:
    from studio.ui.page import Page

WORDS = ("Why it failed", "What warns", "Apply and rerun", "Apply and edit", "Edit the recipe")
# A button names its run: the tab may show another one by the time that the press arrives.
SCRIPT = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-do]'), card = event.target.closest('[data-of]');
  if (button && card) trigger('click', {do: button.dataset.do, run: card.dataset.of});
});
"""


def diagnosis(run: dict[str, Any], found: Sequence[Finding]) -> str:
    """The card under a run's head; empty where there is nothing to say."""
    if not found:
        return ""
    ended = run["state"] in ("failed", "interrupted")
    # What goes on is edited for the next run all the same, but nobody is sent away from it.
    edit = "" if run["state"] in LIVE else _button("edit", "Edit the recipe", "ts-btn quiet")
    rows = "".join(_row(one, number, ended) for number, one in enumerate(found))
    title = pieces.spoken(WORDS[0] if ended else WORDS[1])
    return (
        f'<div class="ts-diagnosis" data-of="{pieces.text(run["id"])}" role="status">'
        f'<div class="ts-head"><h3>{title}</h3>{edit}</div>{rows}</div>'
    )


def _row(found: Finding, number: int, ended: bool) -> str:
    if found.fix is None:
        return pieces.finding(found)
    said = f'<span class="ts-hint">{pieces.text(found.fix.label)}</span>'
    rerun = _button(f"rerun:{number}", "Apply and rerun", "ts-btn") if ended else ""
    edit = _button(f"apply:{number}", "Apply and edit", "ts-btn quiet" if ended else "ts-btn")
    return pieces.finding(found, actions=said + rerun + edit)


def _button(what: str, words: str, look: str) -> str:
    return f'<button type="button" class="{look}" data-do="{what}">{pieces.spoken(words)}</button>'


def take_up(page: Page, run_id: str, what: str, form: Form) -> tuple[list[Any], Any, str | None]:
    """The run's recipe in the form, with the cure of Finding `what` (`apply:N`, `rerun:N`; `edit`: as it ran).

    What the page then shows, the tab that it turns to, and the new run where one was started: where something is
    missing, or may not be, the form shows it instead. A StudioError is said, and nothing changes.
    """
    do, _, place = what.partition(":")
    try:
        found = page.studio.diagnose(run_id)
        number = int(place) if place.isdigit() else -1
        fix = found[number].fix if 0 <= number < len(found) else None
        source = Library(page.studio).run(run_id)
        form.open(page.studio, source.text, source.name)
        if fix is not None:
            form.cure(page.studio, fix)
    except StudioError as error:
        gr.Warning(pieces.code(str(error)), title="That did not work")
        return page.everything(form), gr.skip(), None
    form.opening = ""
    form.notice = f"The form holds the recipe of {run_id}" + (f": {fix.label}." if fix else ".")
    started = _started(page, run_id, form) if do == "rerun" and fix is not None else None
    drawn = page.everything(form)
    return drawn, gr.update(selected="runs" if started else _tab(page, form, fix)), started


def _started(page: Page, run_id: str, form: Form) -> str | None:
    """The run that was started from the form, with the tags of the one before; None where that cannot be."""
    form.elsewhere = False
    _, missing = next_step(page.studio, form)
    if missing is not None:
        gr.Info("Something is missing before it can run again: the recipe card says what.", title="Not started")
        return None
    try:
        run, _ = page.studio.start(form.recipe, tags=tuple(page.studio.runs.show(run_id)["tags"]))
    except StudioError as error:
        gr.Warning(pieces.code(str(error)), title="Not started")
        return None
    return run.id


def _tab(page: Page, form: Form, fix: Fix | None) -> str:
    """Where the change can be seen; what no tab has is seen on the recipe card, beside all of them."""
    name = next(iter({**(fix.set if fix else {}), **dict.fromkeys(fix.unset if fix else ())}), "")
    if not name:
        return "training"
    tab = tab_of(page.catalog, form.recipe.method, Finding("note", Where("argument", name), ""))
    return "training" if tab == "recipe" else tab
