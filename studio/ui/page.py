"""The page: a form in tabs, the recipe card beside it, and the runs."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import gradio as gr

from studio.domain.errors import StudioError
from studio.domain.following import FOLLOWING
from studio.domain.methods import method_named
from studio.domain.overlay import depends
from studio.service.models import named_models
from studio.service.studio import Studio
from studio.ui import alerts, api, late_answers, pieces, space
from studio.ui.blocks import Blocks, field_row, only_news
from studio.ui.card import CARD_SCRIPT, card, rewards_code, shown_code, states
from studio.ui.controls import Control, argument_named, build, controls_of, is_worded_by_method, read, shown, words
from studio.ui.dataset_box import settled
from studio.ui.events import BUSY, QUIET, STARTING
from studio.ui.form import Form, first_form
from studio.ui.kept import STORAGE_KEY, STORAGE_WORD, kept, restored
from studio.ui.steps import next_step
from studio.ui.tabs import compute, data, launch, lora, method, model, options, recipes, runs, training
from studio.ui.words import say, translate

RELOAD = "<div data-reload></div>"  # what the page's script answers by loading the page again


class Page:
    """The components of one page and the handlers over the service.

    `controls` edit one argument each. `redrawn` are pairs of a component and the function that says what it shows for
    a form: a tab adds its own, and every change that may touch them draws them all again. `following` are those that
    an edit of one argument draws again by itself. `learning` are functions that find out what takes long about a form
    (a model's facts from the Hub): each says whether it has found anything new. `model_lists` are the search lists
    under boxes for models, `boxes` those for a text that finding out never changes, and so never writes.
    """

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.catalog = studio.arguments.get()
        self.start_form = first_form(studio)
        self.controls: list[Control] = []
        self.worded: set[str] = set()  # names of controls whose words differ by method
        self.redrawn: list[tuple[Any, Callable[[Form], Any]]] = []
        self.following: dict[str, list[tuple[Any, Callable[[Form], Any]]]] = {}
        self.learning: list[Callable[[Form], bool]] = [partial(Form.see, studio=studio)]
        self.model_lists: list[Any] = []
        self.boxes: list[Any] = []
        self.wiring: list[Callable[[], None]] = []  # run when every component is there
        self._signals = itertools.count(1)

    def build(self, translated: bool = True) -> gr.Blocks:
        """The whole page, with the labels of its components in the browser's language."""
        with Blocks(title="TRL Studio", fill_width=True, analytics_enabled=False) as blocks:
            api.add(self.studio)  # first: no handler of the page may take a verb's name
            self.form = gr.State(self.start_form)
            self.kept = gr.BrowserState(None, storage_key=STORAGE_KEY, secret=STORAGE_WORD)
            alerts.build(self.studio)
            self.top = gr.HTML(runs.top(self.studio), apply_default_css=False)
            self.tab_values = gr.HTML("", apply_default_css=False, elem_classes="ts-none")
            # Seen by nobody: an answer that gives one of them another number has what it says below follow.
            self.learn, self.late = gr.Number(visible=False), gr.Number(visible=False)
            with gr.Row(elem_classes="ts-wrap"):
                wrap = {"overflow_behavior": "wrap", "elem_classes": "ts-tabs"}
                with gr.Column(elem_classes="ts-main"), gr.Tabs(**wrap) as self.tabs:
                    for tab in (method, model, data, training, lora, compute, launch, options, recipes):
                        with gr.Tab(tab.TITLE, id=tab.ID):
                            tab.build(self)
                    with gr.Tab("Runs", id="runs"):
                        self.runs = runs.RunsTab(self)
                with gr.Column(elem_classes="ts-side"):
                    self.card = gr.HTML("", js_on_load=CARD_SCRIPT, apply_default_css=False, elem_id="recipe-card")
                    self.start = gr.Button("Start training", variant="primary", elem_id="start")
                    self.html(lambda form: space.note(self.studio))
            self._wire(blocks)
        blocks.show_progress_on(self.card, self.form)
        blocks.note_signatures()
        if translated:
            translate(blocks)
        return blocks

    # What tabs are made with -------------------------------------------------------------------------------------

    def section(
        self,
        names: tuple[str, ...],
        leave_out: tuple[str, ...] = (),
        headed: bool = True,
        below: Mapping[str, Callable[[], Any]] | None = None,
    ) -> None:
        """Draws the controls of some sections of the overlay: one card, a row for each section.

        `below` draws more under the fields of a section.
        """
        with gr.Column(elem_classes="ts-card ts-sections"):
            for section, rows in controls_of(self.catalog, names):
                wanted = [row for row in rows if row[0] not in leave_out]
                if not wanted:
                    continue
                look = "ts-section" if headed else "ts-section ts-plain"
                with gr.Column(elem_classes=look, visible=self._any_visible(wanted)) as group:
                    heading = gr.HTML(self._heading(section, self.start_form), apply_default_css=False, visible=headed)
                    with field_row():
                        made = [self.control(name, kind, methods, section) for name, kind, methods in wanted]
                    if below and section in below:
                        below[section]()
                self.redrawn.append((group, partial(self._group, made)))
                if section == "Method":
                    self.redrawn.append((heading, partial(self._heading, section)))

    def control(self, name: str, kind: Any, methods: frozenset[str], section: str) -> Control:
        """Draws the control of one argument."""
        # An argument whose type differs by method has a control for each; the first has the plain id.
        known = any(control.name == name for control in self.controls)
        elem_id = f"arg-{name}-{kind}" if known else f"arg-{name}"
        control = build(self.catalog, name, kind, methods, section, self.start_form.recipe, elem_id)
        self.controls.append(control)
        if is_worded_by_method(control, self.catalog):
            self.worded.add(control.name)
        return control

    def html(self, draw: Callable[[Form], str], follows: tuple[str, ...] = (), **options: Any) -> Any:
        """A piece of HTML that follows the form; with every edit of the arguments that it `follows`."""
        component = gr.HTML(draw(self.start_form), apply_default_css=False, **options)
        self.redrawn.append((component, draw))
        self.follow(component, draw, follows)
        return component

    def follow(self, component: Any, draw: Callable[[Form], Any], names: tuple[str, ...]) -> None:
        """Has `component` drawn again with every edit of one of the arguments `names`."""
        for name in names:
            self.following.setdefault(name, []).append((component, draw))

    def _heading(self, section: str, form: Form) -> str:
        name = method_named(form.recipe.method).label if section == "Method" else section
        return pieces.heading(name)

    def _any_visible(self, rows: list[Any]) -> bool:
        return any(self.start_form.recipe.method in methods for _, _, methods in rows)

    def _group(self, made: list[Control], form: Form) -> Any:
        return gr.update(visible=any(control.visible(form.recipe, self.catalog) for control in made))

    # What follows the form ---------------------------------------------------------------------------------------

    def summary(self, form: Form) -> list[Any]:
        """What every edit changes: card, Start, the values behind the tabs' names, and what the browser keeps."""
        if not form.drawn:
            # The studio was started anew, or so many pages are open that it has forgotten this one: the page loads
            # itself again, and gets its form from the browser.
            return [RELOAD, *[gr.skip()] * (len(self.summary_outputs) - 1)]
        drawn = time.time_ns() // 1000  # taken before the form is read: the later one knows more
        prepared = form.prepared(self.studio)
        label, tab = next_step(self.studio, form)
        number = len(self.studio.run_names())
        form.card = card(self.studio, form, prepared)
        return [
            f'<div data-drawn="{drawn}">{form.card}</div>',
            gr.update(value=label, variant="primary" if tab is None else "secondary", **space.link(self.studio.access)),
            states(self.studio, form, prepared.findings, number),
            kept(form),
        ]

    def everything(self, form: Form) -> list[Any]:
        """All that the form shows: after another method, an opened recipe, an applied fix."""
        summary = self.summary(form)
        late_answers.note(form)
        displayed = form.sent = form.displayed()
        values = [
            gr.update(
                value=shown(control, displayed, self.catalog),
                visible=control.visible(form.recipe, self.catalog),
                **self._words(control, form),
            )
            if form.recipe.method in control.methods
            else gr.update(visible=False)
            for control in self.controls
        ]
        return [*summary, *values, *(draw(form) for _, draw in self.redrawn), self.signal(), gr.skip()]

    def signal(self) -> int:
        """A new value for `learn`, which finds out what takes long, or for `late`, by which slow answers are mended.

        One event for each that many answers cause, and not one after each event: opening the page takes a time that
        grows with the number of events times that of components (Gradio 6.31).
        """
        return next(self._signals)

    def _words(self, control: Control, form: Form) -> dict[str, str]:
        """Label and hint where they are other ones under another method."""
        argument = argument_named(self.catalog, form.recipe.method, control.name)
        if argument is None or control.name not in self.worded:
            return {}
        label, info = words(argument, form.recipe.method)
        return {"label": str(say(label)), "info": info}

    def surroundings(self, form: Form, left_alone: Sequence[Any] = ()) -> list[Any]:
        """What a look at data draws: a control that is typed in meanwhile and those `left_alone` keep what they hold.

        The summary follows as an event of its own (`late`): this answer, which comes through the queue, may be
        overtaken by that to an edit, and must not take it back.
        """
        late_answers.note(form)
        shows = [
            gr.update(visible=control.visible(form.recipe, self.catalog))
            if _depends(control, "datasets", self.catalog.methods)
            else gr.skip()
            for control in self.controls
        ]
        drawn = [gr.skip() if component in left_alone else draw(form) for component, draw in self.redrawn]
        return [*[gr.skip()] * len(self.summary_outputs), *shows, *drawn, gr.skip(), self.signal()]

    def _wire_signals(self) -> None:
        outputs = [*self.summary_outputs, *(component for component, _ in self.redrawn)]
        again = partial(late_answers.drawn_again, self)
        inputs = [self.form, self.late]
        self.late.change(again, inputs, [*outputs, self.late], trigger_mode="always_last", **QUIET)
        # Nothing dims meanwhile: it runs whenever a box is left, and mostly finds nothing new.
        quietly = {**BUSY, "show_progress": "hidden"}
        values = [control.component for control in self.controls]
        mended = self.learn.change(
            partial(late_answers.mend, self), [self.form], values, trigger_mode="always_last", **QUIET
        )
        # What is asked for while it still finds out about an earlier state comes after it, and is not lost.
        mended.then(self._learn, [self.form], self.all_outputs, trigger_mode="always_last", **quietly)

    def _learn(self, form: Form) -> list[Any]:
        news = [find_out(form) for find_out in self.learning]
        nothing = [*[gr.skip()] * (len(self.all_outputs) - 1), self.signal()]
        return self.surroundings(form, self.boxes) if any(news) else nothing

    @property
    def summary_outputs(self) -> list[Any]:
        return [self.card, self.start, self.tab_values, self.kept]

    @property
    def all_outputs(self) -> list[Any]:
        return [
            *self.summary_outputs,
            *(control.component for control in self.controls),
            *(component for component, _ in self.redrawn),
            self.learn,
            self.late,
        ]

    # Events ------------------------------------------------------------------------------------------------------

    def _wire(self, blocks: gr.Blocks) -> None:
        for wire in self.wiring:
            wire()
        everything = {"inputs": [self.form], "outputs": self.all_outputs}
        for control in self.controls:
            if control.name in FOLLOWING and not any(depends(control.name, m, "use_peft") for m in control.methods):
                self.follow(control.component, partial(self._show, control), ("use_peft",))
        for control in self.controls:
            dependents = [other for other in self.controls if _depends(other, control.name, self.catalog.methods)]
            followers = [*self.following.get(control.name, [])]
            # A dropdown of many tells of typed values only as a change (Gradio 6.31).
            listen = control.component.change if control.kind == "list" else control.component.input
            listen(
                partial(self._edit, control, dependents, followers),
                [control.component, self.form],
                [
                    *self.summary_outputs,
                    *(other.component for other in dependents),
                    *(component for component, _ in followers),
                ],
                trigger_mode="always_last",
                **QUIET,
            )
        # Gradio 6.31 would drop a second click, or answer it with the first one's button.
        self.card.click(self._act, **everything, trigger_mode="multiple", **QUIET)
        self.card.input(self._look_at, [self.form], self.summary_outputs, trigger_mode="multiple", **QUIET)
        outputs = [*self.all_outputs, self.tabs, *self.runs.outputs]
        self.start.click(self._start, [self.form, self.card], outputs, **STARTING)
        self.runs.wire()
        self._wire_signals()
        blocks.load(self._load, [self.form, self.kept], [*self.all_outputs, *self.runs.outputs], **QUIET)

    def _load(self, form: Form, found: Any) -> list[Any]:
        form.drawn = True
        remembered = restored(self.studio, found)
        if remembered is not None:
            form.become(remembered)
        drawn = [*self.everything(form), *self.runs.first()]
        return [only_news(*pair) for pair in zip([*self.all_outputs, *self.runs.outputs], drawn, strict=True)]

    def _edit(
        self, control: Control, dependents: list[Control], followers: list[Any], value: Any, form: Form
    ) -> list[Any]:
        argument = argument_named(self.catalog, form.recipe.method, control.name)
        if control.kind == "list" and value == shown(control, form.displayed(), self.catalog):
            return [gr.skip()] * (len(self.summary_outputs) + len(dependents) + len(followers))
        if argument is not None:
            is_set, meant = read(control, argument, value)
            form.set(self.catalog, control.name, meant, is_set)
        shows = [self._show(other, form) for other in dependents]
        return [*self.summary(form), *shows, *(draw(form) for _, draw in followers)]

    def _show(self, control: Control, form: Form) -> Any:
        """Whether a control is seen; with its value where that follows others."""
        visible = control.visible(form.recipe, self.catalog)
        if control.name in FOLLOWING and form.recipe.method in control.methods:
            return gr.update(value=shown(control, form.displayed(), self.catalog), visible=visible)
        return gr.update(visible=visible)

    def _act(self, form: Form, event: gr.EventData) -> list[Any]:
        """A button inside the card: what it is for, what it shows, or a fix to apply."""
        what = str(event._data.get("do", ""))
        if what.startswith("apply:"):
            form.apply(self.studio, int(what.removeprefix("apply:")))
            return self.everything(form)
        if what.startswith("cure:"):
            form.apply_marked(self.studio, what.removeprefix("cure:"))
            return self.everything(form)
        if what in ("here", "elsewhere"):
            form.elsewhere = what == "elsewhere"
            return self.everything(form)
        if what in ("new", "undo"):
            (form.empty if what == "new" else form.undo)()
            return self.everything(form)
        if what == "tour":
            form.tour(self.studio)
            return self.everything(form)
        return [gr.skip()] * len(self.all_outputs)

    def _look_at(self, form: Form, event: gr.EventData) -> list[Any]:
        """The switch between YAML and command, which changes nothing else."""
        form.shown = "command" if event._data.get("do") == "command" else "yaml"
        return self.summary(form)

    def _start(self, form: Form, seen: str) -> list[Any]:
        """Starts what the card shows (`seen`); where the recipe has changed since, it is shown instead."""
        nothing = [gr.skip()] * len(self.all_outputs)
        if not form.drawn:
            return [*self.everything(form), gr.skip(), *self.runs.skip()]
        if form.box.looking:
            gr.Info("The dataset is still being looked at: one moment.")
        if not settled(form):
            gr.Info("The dataset's box holds a name that was not looked at: press Enter in it, then press Start again.")
            return [*nothing, gr.skip(), *self.runs.skip()]
        if form.see_changes(self.studio):
            gr.Info("The data has changed on disk: look at what is said of it now, and press Start again.")
            return [*self.everything(form), gr.skip(), *self.runs.skip()]
        if self._asks_about_models(form):
            nothing = self.surroundings(form, self.boxes)
        prepared = form.prepared(self.studio)
        _, tab = next_step(self.studio, form)
        if tab == "here":
            form.elsewhere = False
            return [*self.everything(form), gr.skip(), *self.runs.skip()]
        if tab in ("space", "recipe"):
            return [*nothing, gr.skip(), *self.runs.skip()]
        if tab is not None:
            return [*nothing, gr.update(selected=tab), *self.runs.skip()]
        if shown_code(form, prepared) not in seen or rewards_code(prepared) not in seen:
            gr.Info("The recipe is another one now, or its name was taken: look at it, and press Start again.")
            return [*self.everything(form), gr.skip(), *self.runs.skip()]
        try:
            run, _ = self.studio.start(form.recipe, name=prepared.recipe.get("run_name"), tags=form.tags)
        except StudioError as error:
            gr.Warning(pieces.code(str(error)), title="Not started")
            return [*self.everything(form), gr.skip(), *self.runs.skip()]
        form.recipe = form.recipe.with_changes(self.catalog, {}, ("run_name",))
        return [*self.everything(form), gr.update(selected="runs"), *self.runs.choose(run.id)]

    def _asks_about_models(self, form: Form) -> bool:
        """Asks the Hub about models of which nobody has heard yet, so that no run begins with one that is none."""
        models = self.studio.models
        if all(models.known(name, revision) for _, name, revision in named_models(form.recipe)):
            return False
        gr.Info("The Hub is asked about the model first.")
        return models.find_out(form.recipe)


def _depends(other: Control, name: str, methods: Any) -> bool:
    return any(depends(other.name, method, name) for method in other.methods & set(methods))
