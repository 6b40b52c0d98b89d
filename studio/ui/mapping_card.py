"""The mapping's card: what the columns become, before and after, and the button that prepares the data and uses it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.domain.column_roles import MANY, Settings
from studio.domain.errors import StudioError
from studio.domain.findings import Finding
from studio.domain.methods import METHOD_NAMES
from studio.domain.mixture import own_files
from studio.domain.verdict_words import beside_winner
from studio.service.data import Inspection
from studio.service.mappings import Choice, Draft, draft, key_of
from studio.service.preparing import Job, Order
from studio.ui import before_after, pieces, reward_columns
from studio.ui.blocks import field_row
from studio.ui.events import BUSY, QUIET
from studio.ui.form import Form
from studio.ui.mixture import take_prepared
from studio.ui.pager import looked_at
from studio.ui.words import say

if TYPE_CHECKING:
    from studio.ui.page import Page

_REFRESH = 0.5  # seconds between two looks at a job
_FROM, _UP_TO = "Good from this score", "Good up to this number"
WORDS = (_FROM, _UP_TO, *before_after.TOLD)
_SHARES = (("1 %", "1"), ("5 %", "5"), ("10 %", "10"), ("20 %", "20"))
_SCRIPT = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-mapping]');
  if (button) trigger('click', {do: button.dataset.mapping});
});
"""


class MappingCard:
    """The card's components, and what pressing and choosing in it does."""

    def __init__(self, page: Page, preview: Any, draw_preview: Callable[[Form], str]) -> None:
        self.page, self.preview = page, preview
        form = page.start_form
        with gr.Column(elem_classes="ts-card ts-mapping", visible=self._offered(form), elem_id="mapping") as self.card:
            self.words = page.html(_words, js_on_load=_SCRIPT, elem_id="mapping-words")
            with gr.Column(elem_classes="ts-mapping-fields", visible=self._can_prepare(form)) as self.fields:
                with field_row():
                    self.controls = self._controls()
                self.progress = gr.HTML("", js_on_load=_SCRIPT, apply_default_css=False, elem_id="mapping-progress")
                with gr.Row(elem_classes="ts-actions-row"):
                    self.button = gr.Button(
                        "Prepare and use", size="sm", variant="secondary", elem_id="mapping-prepare"
                    )
                    self.controls["leave_out"] = gr.Checkbox(
                        label="Leave out rows that cannot be mapped",
                        container=False,
                        interactive=True,
                        elem_id="mapping-leave",
                    )
        self.timer = gr.Timer(_REFRESH, active=False)
        self.drawn: list[tuple[Any, Callable[[Form], Any]]] = [
            (self.preview, draw_preview),
            (self.words, _words),
            (self.card, lambda form: gr.update(visible=self._offered(form))),
            (self.fields, lambda form: gr.update(visible=self._can_prepare(form))),
            (self.progress, self._told),
            # It is put out by its own look alone: a drawing from before the press may come after it.
            (self.timer, lambda form: gr.Timer(active=True) if self._goes_on(form) else gr.skip()),
            (self.button, lambda form: gr.update(interactive=self._is_ready(form))),
            *((control, partial(self._shown, name)) for name, control in self.controls.items()),
        ]
        page.redrawn += [pair for pair in self.drawn if pair[0] not in (self.preview, self.words)]
        page.wiring.append(self._wire)

    def _controls(self) -> dict[str, Any]:
        plain = {"interactive": True, "min_width": 110}
        return {
            "name": gr.Textbox(label="Name of the prepared set", max_lines=1, elem_id="mapping-name", **plain),
            "share": gr.Dropdown(
                list(_SHARES), value="5", label="Held out to test on", allow_custom_value=True, elem_id="mapping-share",
                **plain,
            ),
            "form": gr.Dropdown(
                [("messages", "messages"), ("plain text", "text")], value="messages", label="Texts become",
                elem_id="mapping-form", **plain,
            ),
            "better": gr.Dropdown(
                [("the higher number", "higher"), ("the lower number", "lower")], value=None, label="Better is",
                elem_id="mapping-better", **plain,
            ),
            "code": gr.Dropdown([], value=None, label="Which is better", elem_id="mapping-code", **plain),
            "threshold": gr.Number(label=_FROM, value=None, elem_id="mapping-threshold", **plain),
            "after": gr.Textbox(label="The solution follows", max_lines=1, elem_id="mapping-after", **plain),
        }  # fmt: skip

    # --- what it shows

    def _offered(self, form: Form) -> bool:
        found = draft_of(form)
        return found is not None and found.offered

    def _can_prepare(self, form: Form) -> bool:
        found = draft_of(form)
        return (
            found is not None
            and found.offered
            and (
                found.proposal.mapping is not None
                or found.proposal.needs_threshold
                or found.proposal.better == ""
                or bool(found.proposal.codes)
            )
        )

    def _is_ready(self, form: Form) -> bool:
        """Whether the button may be pressed: there is a mapping, and it is not carried out already."""
        found = draft_of(form)
        return found is not None and found.proposal.mapping is not None and not self._goes_on(form)

    def _shown(self, name: str, form: Form) -> Any:
        """A control as it stands."""
        found, choice = draft_of(form), form.mapping
        if found is None or not found.offered:
            return gr.skip()
        settings, mapping = found.proposal.settings, found.proposal.mapping
        if name == "name":
            choice.proposed = self._free_name(form)
            return gr.update(value=choice.name or choice.proposed)
        if name == "share":
            own = [(split, f"split:{split}") for split in found.tests]
            alone = len(form.looked) == 1
            return gr.update(choices=[*own, *_SHARES, ("none", "0")], value=found.share, visible=alone)
        if name == "form":
            return gr.update(value=settings.form, visible=mapping is not None and mapping.may_be_text)
        if name == "threshold":
            label = say(_UP_TO if found.proposal.better == "lower" else _FROM)
            return gr.update(value=settings.threshold, visible=found.proposal.needs_threshold, label=label)
        if name == "better":
            return gr.update(value=found.proposal.better or None, visible=found.proposal.better is not None)
        if name == "code":
            means = [(f"{one}: A, {other}: B", f"{one}/{other}")
                     for one, other in (code.split("/") for code in found.proposal.codes)]  # fmt: skip
            return gr.update(choices=means, value=settings.code or None, visible=bool(means))
        if name == "after":
            solved = mapping is not None and mapping.source("solution") is not None
            return gr.update(value=settings.after, visible=solved)
        return gr.update(value=choice.leave_out)

    def _free_name(self, form: Form) -> str:
        try:
            looked = looked_at(form)
            return self.page.studio.preparing.name_for(looked) if looked is not None else ""
        except StudioError:
            return ""

    def _goes_on(self, form: Form) -> bool:
        """Whether the form's data is being prepared: from this page, or from the one that was loaded before it."""
        found, choice, looked = draft_of(form), form.mapping, looked_at(form)
        if found is not None and looked is not None and choice.job is None and not choice.sought:
            choice.sought = True
            if self.page.studio.access.refusal() is None:  # a Space's visitors prepare nothing there
                choice.job = self.page.studio.preparing.for_data(looked)
        return found is not None and choice.job is not None

    def _told(self, form: Form) -> str:
        """How far preparing is, or what it ended with."""
        job = form.mapping.job if self._goes_on(form) else None
        return before_after.progress(job) if job is not None else before_after.trouble(form.mapping)

    # --- what pressing does

    def _wire(self) -> None:
        page, outputs = self.page, [component for component, _ in self.drawn]
        self.preview.input(self._choose_role, [page.form], outputs, trigger_mode="multiple", **QUIET)
        controls = list(self.controls.values())
        changes = [control.input if not isinstance(control, gr.Textbox) else control.blur for control in controls]
        changes += [control.submit for control in controls if isinstance(control, gr.Textbox)]
        told = [self.words, self.fields, self.controls["threshold"], self.button]
        gr.on(changes, self._settle, [*controls, page.form], told, trigger_mode="always_last", **QUIET)
        self.words.click(self._act, [page.form], page.all_outputs, trigger_mode="multiple", **QUIET)
        leave = self.controls["leave_out"]
        self.progress.click(self._press, [page.form], [leave, self.progress], trigger_mode="multiple", **QUIET)
        quietly = {**BUSY, "show_progress": "hidden"}
        told = [self.progress, self.button, self.timer]
        self.button.click(self._prepare, [*controls, page.form], told, **quietly)
        self.timer.tick(self._look, [page.form], page.all_outputs, **QUIET)

    def _draw(self, form: Form) -> list[Any]:
        return [draw(form) for _, draw in self.drawn]

    def _choose_role(self, form: Form, event: gr.EventData) -> list[Any]:
        """A role chosen in a header. What only one column can be is taken from the one that was it."""
        column, role = str(event._data.get("column", "")), str(event._data.get("role", ""))
        found = draft_of(form)
        if found is None:
            return [gr.skip()] * len(self.drawn)
        form.mapping.roles = with_role(found, form.mapping, column, role)
        if form.mapping.settings is not None:  # which of two numbers is better was said of those of before
            form.mapping.settings = replace(form.mapping.settings, better="", code="")
        form.mapping.trouble = None
        return self._draw(form)

    def _settle(self, *values: Any) -> list[Any]:
        form: Form = values[-1]
        self._take(values)
        threshold = {key: value for key, value in self._shown("threshold", form).items() if key != "value"}
        ready = gr.update(interactive=self._is_ready(form))
        return [_words(form), gr.update(visible=self._can_prepare(form)), threshold, ready]

    def _take(self, values: tuple[Any, ...]) -> None:
        """What stands in the controls, into the form."""
        form: Form = values[-1]
        found, choice = draft_of(form), form.mapping
        if found is None:
            return
        said = dict(zip(self.controls, values, strict=False))
        name = str(said["name"] or "").strip()
        choice.name = name if name and name != choice.proposed else None  # a proposal goes on to the next free one
        choice.share = str(said["share"] or "0")
        choice.leave_out = bool(said["leave_out"])
        better = str(said["better"] or "")
        if better == (found.proposal.better or ""):
            better = found.proposal.settings.better  # what is shown by a name is not chosen, and goes with the name
        after, code = str(said["after"] or ""), str(said["code"] or "")
        settings = Settings(str(said["form"] or "messages"), said["threshold"], after, better, code)
        if settings != found.proposal.settings:
            choice.settings = settings

    def _act(self, form: Form, event: gr.EventData) -> list[Any]:
        what, found = str(event._data.get("do", "")), draft_of(form)
        if what == "own" and found is not None and found.own is not None:
            form.remember()
            form.recipe = form.recipe.with_changes(self.page.catalog, found.own.set, found.own.unset)
            form.looked = tuple(self.page.studio.recipes.look(form.recipe))
            form.mapping = Choice()
            form.judge_again()
            form.notice = "The recipe says it in TRL's own arguments; no copy was needed."
        elif what.removeprefix("method:") in METHOD_NAMES:
            form.change_method(self.page.catalog, what.removeprefix("method:"))
        elif what == "reset":
            form.mapping = Choice()
        else:
            return [gr.skip()] * len(self.page.all_outputs)
        return self.page.everything(form)

    def _press(self, form: Form, event: gr.EventData) -> list[Any]:
        """A button beside the progress: stop it, or leave out what it stumbled over."""
        what, choice = event._data.get("do"), form.mapping
        if what == "stop" and choice.job is not None:
            choice.job.stop()
        if what != "leave":
            return [gr.skip(), gr.skip()]
        choice.leave_out, choice.trouble = True, None
        return [gr.update(value=True), ""]

    def _prepare(self, *values: Any) -> list[Any]:
        """Has the data prepared in the background, whatever becomes of the page; the timer looks how far that is."""
        form: Form = values[-1]
        self._take(values)
        choice = form.mapping
        choice.trouble = choice.job = None
        try:
            order, total = self._ordered(form)
            if order.download is not None and order.download.size > choice.agreed:
                # How much is to be downloaded is said before it is.
                choice.agreed = order.download.size
                return [before_after.to_download(order.download.size), gr.skip(), gr.skip()]
            choice.job = self.page.studio.preparing.start(order, total)
        except StudioError as error:
            gr.Warning(pieces.code(str(error)), title="Not prepared")
            return ["", gr.skip(), gr.skip()]
        return [self._told(form), gr.update(interactive=False), gr.Timer(active=True)]

    def _look(self, form: Form) -> list[Any]:
        """How far preparing is, or what came of it."""
        outputs = self.page.all_outputs
        shown: list[Any] = [gr.skip()] * len(outputs)
        job = form.mapping.job if form.drawn and self._goes_on(form) else None
        if job is not None and job.ended:
            return self._finish(form, job)
        if job is not None:
            shown[outputs.index(self.progress)] = before_after.progress(job)
        else:  # an older answer that came late may have set it going
            shown[outputs.index(self.timer)] = gr.Timer(active=False)
        return shown

    def _ordered(self, form: Form) -> tuple[Order, int | None]:
        found, looked = draft_of(form), looked_at(form)
        if found is None or looked is None or found.proposal.mapping is None:
            missing = found.proposal.missing if found else ""
            raise StudioError("The columns do not make a mapping yet.", missing or "Choose what they are for.")
        if own_files(looked.entry) and len(looked.files) > 1:
            raise StudioError("Several files stand in this entry.", "Put them into a folder, and choose that.")
        choice = form.mapping
        preparing = self.page.studio.preparing
        # Of a mixture rows are held out together, by test_split_size.
        test, share = held_out(choice.share or found.share) if len(form.looked) == 1 else ("", 0.0)
        hub = None
        if looked.source == "hub":
            hub = preparing.from_hub(looked, {looked.split, test} - {""}, self.page.studio.hub_download())
        order = Order(
            choice.name or preparing.name_for(looked), looked.name, looked.config, looked.split,
            found.proposal.mapping, looked.method, test, share, leave_out=choice.leave_out,
            download=hub, copied=looked.copied is not None,
        )  # fmt: skip
        return order, looked.num_rows

    def _finish(self, form: Form, job: Job) -> list[Any]:
        """The recipe points at what was prepared, or the card says why nothing was."""
        job.told, form.mapping.job, form.mapping.trouble = True, None, job.finding
        if job.folder is None:
            return self.page.surroundings(form)
        form.remember()
        if len(form.looked) > 1:
            take_prepared(self.page, form, str(job.folder))
            form.mapping, form.notice = Choice(), before_after.told(job)
            return self.page.everything(form)
        stale = ("dataset_train_split", "dataset_test_split", "dataset_text_field", "dataset_config", "datasets")
        form.recipe = form.recipe.with_changes(self.page.catalog, {}, stale)
        form.choose_dataset(self.page.studio, str(job.folder))
        form.mapping = Choice()
        form.notice = before_after.told(job) + reward_columns.follow(self.page, form, job.order.mapping)
        return self.page.everything(form)


def build(page: Page, preview: Any, draw_preview: Callable[[Form], str]) -> MappingCard:
    """The card below the preview."""
    return MappingCard(page, preview, draw_preview)


def draft_of(form: Form) -> Draft | None:
    """The mapping of the dataset whose rows are shown; what was chosen for another one is forgotten."""
    looked = looked_at(form)
    if looked is None:
        return None
    if form.mapping.key != key_of(looked):
        form.mapping = Choice(key_of(looked))
    found = draft(looked, form.mapping, form.recipe.values)
    # What TRL's own arguments say holds for all datasets of a mixture.
    return replace(found, own=None) if found is not None and len(form.looked) > 1 else found


def shown_roles(form: Form, looked: Inspection) -> Mapping[str, str] | None:
    """The roles that the preview's headers show; None where the columns stand as TRL reads them."""
    found = draft_of(form)
    return found.proposal.roles if found is not None and found.offered else None


def mapped_at(form: Form, place: Callable[[Finding], str]) -> Callable[[Finding], str]:
    """Where Findings are settled: what is wrong with columns at the mapping, where one is offered."""
    found = draft_of(form)
    offered = found is not None and found.offered and bool(found.proposal.roles)
    looked = looked_at(form)
    of_columns = {one.level for one in looked.findings if one.where.kind == "column"} if offered and looked else set()
    # Warnings alone have a mapping offered where it settles them; beside errors it is there for those.
    level = "error" if "error" in of_columns else "warning"

    def where(finding: Finding) -> str:
        here = offered and finding.where.kind == "column" and finding.level == level
        return pieces.MAPPING if here else place(finding)

    return where


def with_role(found: Draft, choice: Choice, column: str, role: str) -> dict[str, str]:
    """The roles once a column has another one."""
    roles = dict(found.proposal.roles if choice.roles is None else choice.roles)
    roles.pop(column, None)
    if role:
        if role not in MANY:
            apart = {name for name in roles if role == "winner" and beside_winner(name, column)}
            roles = {name: other for name, other in roles.items() if other != role or name in apart}
        roles[column] = role
    return roles


def held_out(said: str) -> tuple[str, float]:
    """The split to test on, and the share to hold out; of the two one. Raises StudioError where it is neither."""
    if said.startswith("split:"):
        return said.removeprefix("split:"), 0.0
    try:
        share = float(said.strip().rstrip("%").replace(",", ".")) / 100
    except ValueError:
        share = -1.0
    if not 0 <= share <= 0.5:
        raise StudioError(f"'{said}' is no share to hold out.", "Type hundredths, from 0 to 50.")
    return "", share


def _words(form: Form) -> str:
    found, looked = draft_of(form), looked_at(form)
    return before_after.words(looked, form.mapping, found) if looked and found is not None and found.offered else ""
