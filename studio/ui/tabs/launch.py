"""Launch: the run's name, tags, seed, trackers, and where the model goes when it is done."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.adapters.machine import has_package
from studio.domain.completion import repository_name
from studio.domain.push_checks import TRACKERS, trackers_of
from studio.service.presets import safe_name
from studio.ui import pieces, webhook_card
from studio.ui.blocks import field_row
from studio.ui.controls import controls_of, shown
from studio.ui.events import BUSY, QUIET
from studio.ui.form import Form
from studio.ui.signedin import SIGNED_IN_SCRIPT, account_words, push_words
from studio.ui.sweep_card import SweepCard

if TYPE_CHECKING:
    from studio.ui.page import Page

TITLE, ID = "Launch", "launch"
_TRACKERS = {
    "trackio": "draws the plots here; kept on this machine, needs no account",
    "wandb": "wants <code>wandb login</code> or WANDB_API_KEY first",
    "tensorboard": "writes files into the output folder",
    "mlflow": "goes where MLFLOW_TRACKING_URI says",
}
_OF_THE_HUB = ("push_to_hub", "hub_model_id", "hub_private_repo", "hub_strategy", "trackio_static_space_id")
_OF_THE_TRACKERS = ("report_to", "project", "logging_steps", "trackio_space_id")


def build(page: Page) -> None:
    """Name and tags, then trackers, then the Hub."""
    gr.HTML(
        pieces.title(TITLE, "What the run is called, what it reports to, and where its model goes."),
        apply_default_css=False,
    )
    every = frozenset(page.catalog.methods)
    with gr.Column(elem_classes="ts-card ts-launch"):
        _heading("Run")
        with field_row():
            page.control("run_name", "text", every, "Logging")
            tags = _tags(page)
            page.control("seed", "integer", every, "Saving")
            page.control("resume_from_checkpoint", "text", every, "Saving")
        with field_row(visible=page.start_form.elsewhere) as elsewhere:
            page.control("output_dir", "text", every, "Saving")
        page.redrawn.append((elsewhere, lambda form: gr.update(visible=form.elsewhere)))
        page.html(partial(_named, page), ("run_name",), elem_id="run-named")
    with gr.Column(elem_classes="ts-card ts-launch"):
        _heading("Tracking")
        with field_row():
            _controls(page, "Logging", _OF_THE_TRACKERS)
        page.html(_tracked, ("report_to",), elem_id="trackers")
    webhook_card.build(page)
    with gr.Column(elem_classes="ts-card ts-launch"):
        with gr.Row(elem_classes="ts-titlebar"):
            _heading("Hugging Face Hub")
            ask = gr.Button("Ask again", size="sm", elem_id="account-ask")
        page.html(partial(_account, page), elem_id="account")
        with field_row():
            _controls(page, "Hub", _OF_THE_HUB)
        box = next(control.component for control in page.controls if control.name == "hub_model_id")
        page.follow(box, lambda form: gr.update(placeholder=repository_name(form.recipe)), ("model_name_or_path",))
        target = page.html(
            partial(_target, page),
            ("push_to_hub", "hub_model_id", "hub_private_repo"),
            js_on_load=SIGNED_IN_SCRIPT,
            elem_id="push-target",
        )
    SweepCard(page)
    drawn = {control.name for control in page.controls}
    left = [row for _, rows in controls_of(page.catalog, ("Logging", "Hub")) for row in rows if row[0] not in drawn]
    if left:
        page.section(("Logging", "Hub"), leave_out=tuple(drawn))
    page.learning.append(lambda form: page.studio.recipes.learn_account(form.recipe))
    page.wiring.append(partial(_wire, page, tags, target, ask))


def _heading(name: str) -> None:
    gr.HTML(pieces.heading(name), apply_default_css=False)


def _controls(page: Page, section: str, names: tuple[str, ...]) -> None:
    """Draws some controls of a section, in this order."""
    rows = {row[0]: row for _, rows in controls_of(page.catalog, (section,)) for row in rows}
    for name in names:
        if name in rows:
            page.control(*rows[name], section)


def _tags(page: Page) -> Any:
    tags = gr.Dropdown(
        [],
        value=[],
        multiselect=True,
        allow_custom_value=True,
        label="Tags",
        info="Words to find the run by. Kept in its folder; no part of the YAML.",
        elem_id="tags",
        min_width=160,
    )
    page.redrawn.append((tags, lambda form: list(form.tags)))
    return tags


def _wire(page: Page, tags: Any, target: Any, ask: Any) -> None:
    recipes, catalog = page.studio.recipes, page.catalog
    controls = {control.name: control for control in page.controls}
    push, name, metrics = controls["push_to_hub"], controls["hub_model_id"], controls["trackio_static_space_id"]
    followers = page.following.get("hub_model_id", [])

    def change(chosen: list[str] | None, form: Form) -> None:
        form.tags = tuple(dict.fromkeys(tag.strip() for tag in chosen or [] if tag.strip()))

    def choose_owner(form: Form, event: gr.EventData) -> list[Any]:
        """The repository under another of the names that the account may write to."""
        owner = str(event._data.get("owner", ""))
        if owner in page.studio.accounts.known().owners:
            last = str(form.recipe.get("hub_model_id") or repository_name(form.recipe)).rpartition("/")[2]
            form.set(catalog, "hub_model_id", f"{owner}/{last}", True)
        summary = page.summary(form)
        return [*summary, shown(name, form.displayed(), catalog), *(draw(form) for _, draw in followers)]

    def ask_again(form: Form) -> list[Any]:
        recipes.learn_account(form.recipe, anew=True)
        return page.surroundings(form)

    def look_up(pushed: bool, typed: str | None, form: Form) -> list[Any]:
        # The boxes' own values: the edits that bring them into the form may still be on their way.
        changes = {"push_to_hub": pushed is True} | ({"hub_model_id": typed.strip()} if typed and typed.strip() else {})
        news = recipes.learn_account(form.recipe.with_changes(catalog, changes))
        drawn = page.surroundings(form) if news else [gr.skip()] * len(page.all_outputs)
        # What the studio adds to a push is shown as a placeholder: a box may be typed in meanwhile.
        if pushed and not form.elsewhere:
            for box, words in ((name.component, repository_name(form.recipe)), (metrics.component, "false")):
                drawn[page.all_outputs.index(box)] = gr.update(placeholder=words)
        return drawn

    # A dropdown of many tells of typed values only as a change (Gradio 6.31).
    tags.change(change, [tags, page.form], None, trigger_mode="always_last", **QUIET)
    chosen = [*page.summary_outputs, name.component, *(component for component, _ in followers)]
    owned = target.click(choose_owner, [page.form], chosen, trigger_mode="multiple", **QUIET)
    # A press while an older answer is on its way is not dropped: the token may be another one by now.
    ask.click(ask_again, [page.form], page.all_outputs, trigger_mode="always_last", **BUSY)
    boxes = [push.component, name.component, page.form]
    last = {"trigger_mode": "always_last", **BUSY}
    owned.then(look_up, boxes, page.all_outputs, **BUSY)
    typed = [push.component.input, name.component.blur, name.component.submit]
    gr.on(typed, look_up, boxes, page.all_outputs, **last)


def _named(page: Page, form: Form) -> str:
    """Under which name and in which folder the run will be kept."""
    typed = form.recipe.get("run_name")
    if form.elsewhere:
        return '<p class="ts-hint">There the run has the name as typed; without one the tracker makes one up.</p>'
    name = page.studio.run_name(form.recipe)
    why = ""
    if isinstance(typed, str) and typed and typed != name:
        plain = safe_name(typed)
        why = "That name is taken. " if plain != name else ""
        why = f"Names hold letters, digits, dots and dashes. {why}" if plain != typed else why
    folder = page.studio.home.runs / name
    return (
        f'<p class="ts-hint" role="status">{why}The run will be called <b>{pieces.text(name)}</b> and kept in '
        f"{pieces.place(str(folder))}, its checkpoints and model in <code>output</code> there.</p>"
    )


def _tracked(form: Form) -> str:
    """The trackers: which are chosen, and which could be."""
    chosen = trackers_of(form.recipe)
    here = [] if form.elsewhere or "trackio" in chosen or "all" in chosen else ["trackio"]
    chosen = [name for name in (*here, *chosen) if name not in ("none", "all")]
    names = dict.fromkeys([*(name for name in chosen if name in TRACKERS), *_TRACKERS])
    rows = "".join(_tracker(name, name in chosen) for name in names)
    return f'<div class="ts-scroll"><table class="ts-table ts-trackers"><tbody>{rows}</tbody></table></div>'


def _tracker(name: str, chosen: bool) -> str:
    packages = TRACKERS[name]
    installed = not packages or any(has_package(package) for package in packages)
    state = "installed" if installed else f"<code>pip install {packages[0].replace('_', '-')}</code>"
    used = '<span class="ts-role">used</span>' if chosen else ""
    return f"<tr><td><b>{name}</b> {used}</td><td>{_TRACKERS.get(name, '')}</td><td>{state}</td></tr>"


def _account(page: Page, form: Form) -> str:
    return account_words(page.studio.accounts.known(), page.studio.access.space)


def _target(page: Page, form: Form) -> str:
    accounts = page.studio.accounts
    name = str(form.recipe.get("hub_model_id") or repository_name(form.recipe))
    return push_words(accounts.known(), form.recipe, name, accounts.repository(name))
