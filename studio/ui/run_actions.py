"""What one can do with the run that is shown: its place in the queue, resuming it, and a new one like it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.adapters.checkpoints import Checkpoint, checkpoints
from studio.adapters.progress import newest_checkpoint
from studio.domain.errors import StudioError
from studio.domain.model_facts import size_text
from studio.domain.states import LIVE
from studio.service.library import Library
from studio.service.resuming import changeable, read_changes, resume
from studio.service.studio import Studio
from studio.ui import pieces
from studio.ui.events import STARTING
from studio.ui.run_list import SCRIPT

if TYPE_CHECKING:
    from studio.ui.page import Page

_STAYS = "What the checkpoint was made with stays: model, data, adapter, optimizer, batch and seed."
# What is said here, for the languages of the page.
WORDS = (
    "Next, as soon as the machine is free.",
    "Place {place} of {all} in the queue.",
    "Move to the front",
    "Let the next one go first",
    "How many at once",
    "Checkpoint",
    "Resume",
    "With changes",
    "Option",
    "Value",
    _STAYS,
    "Duplicate",
    "It saved no checkpoint to resume from.",
    "Stop and save writes a checkpoint first, for which it has two minutes.",
    "Stop now loses {steps} steps.",
    "Stopping and saving also pushes to the Hub.",
)
_EXAMPLES = ("num_train_epochs", "5"), ("learning_rate", "1e-5")
# What names a run, or where it went on from: a new one has its own.
_OWN = ("run_name", "resume_from_checkpoint", "hub_model_id")


class RunActions:
    """The row of actions under a run's name; `draw` says what it holds for a run as `Runs.show` describes it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.studio = page.studio

        def changeable_now(run: str) -> str:
            """What may change in a run that is resumed, each as it is now: words for the boxes."""
            try:
                found = changeable(page.studio, str(run))
            except StudioError:  # it was removed this moment
                found = {}
            return json.dumps({name: "" if value is None else str(value) for name, value in found.items()})

        self.row = gr.HTML(
            "",
            js_on_load="tsRunActions(element, {trigger, server});",
            head=SCRIPT,
            server_functions=[changeable_now],
            apply_default_css=False,
            elem_id="run-actions",
        )

    def wire(self) -> None:
        page = self.page
        outputs = [*page.all_outputs, page.tabs, *page.runs.outputs]
        # Through the queue, for only that way what cannot be is said (Gradio 6.31).
        self.row.click(self._act, [page.form], outputs, **STARTING)

    def draw(self, run: dict[str, Any]) -> str:
        state = run["state"]
        if state == "queued":
            return _frame(self._waiting(run))
        if state in LIVE:
            return _frame(_cost_of_stopping(run))
        return _frame(_going_on(run))

    def _waiting(self, run: dict[str, Any]) -> str:
        line = self.studio.queue.line()
        if run["id"] not in line:
            return ""
        place = line.index(run["id"])
        before = (
            pieces.spoken("Next, as soon as the machine is free.")
            if place == 0
            else pieces.spoken("Place {place} of {all} in the queue.", place=place + 1, all=len(line))
        )
        moves = _button("first", run, "Move to the front") if place else ""
        moves += _button("later", run, "Let the next one go first") if place < len(line) - 1 else ""
        rules = (
            '<button type="button" class="ts-btn quiet" data-go="compute:queue-rules">'
            f"{pieces.spoken('How many at once')}</button>"
        )
        return f'<span class="ts-hint">{before}</span>{moves}{rules}'

    def _act(self, form: Any, event: gr.EventData) -> list[Any]:
        act, run_id = str(event._data.get("act", "")), str(event._data.get("run", ""))
        page, nothing = self.page, [gr.skip()] * len(self.page.all_outputs)
        try:
            if act == "duplicate":
                duplicate(self.studio, form, run_id)
                return [*page.everything(form), gr.update(selected="method"), *page.runs.skip()]
            if act == "resume":
                changes = read_changes(self.studio, run_id, _typed(event._data.get("changes")))
                _, start = resume(self.studio, run_id, str(event._data.get("checkpoint") or "") or None, changes)
                changed = "".join(f", {name}: {value}" for name, value in changes.items())
                gr.Info(f"It goes on from {start.name}{pieces.text(changed)}.", title="Resumed")
            elif act in ("first", "later"):
                line = self.studio.queue.line()
                place = line.index(run_id) if run_id in line else 0
                self.studio.queue.move(run_id, 0 if act == "first" else place + 1)
        except StudioError as error:
            gr.Warning(pieces.code(str(error)), title="Not done")
        return [*nothing, gr.skip(), *page.runs.choose(run_id)]


def duplicate(studio: Studio, form: Any, run_id: str) -> None:
    """Takes the recipe of a run into the form, for a new run under a name of its own. Raises StudioError."""
    source = Library(studio).run(run_id)
    form.open(studio, source.text, source.name)
    form.recipe = form.recipe.with_changes(studio.arguments.get(), {}, _OWN)
    form.notice = f"The recipe of {run_id}, for a new run."


def _going_on(run: dict[str, Any]) -> str:
    found = checkpoints(Path(run["folder"]))
    whole = [one for one in found if not one.trouble]
    parts = []
    if whole and run["state"] != "finished":
        options = "".join(
            f'<option value="{pieces.text(one.name)}">{pieces.text(_named(one))}</option>' for one in whole
        )
        label = pieces.spoken("Checkpoint")
        parts.append(
            f'<label class="ts-from"><span>{label}</span><select class="ts-select">{options}</select></label>'
            f"{_button('resume', run, 'Resume')}"
        )
    parts.append(_button("duplicate", run, "Duplicate"))
    if whole and run["state"] != "finished":
        parts.append(_with_changes(run))
    broken = [one for one in found if one.trouble]
    if broken and run["state"] != "finished":
        parts.append(f'<span class="ts-hint">{pieces.text(broken[0].name)}: {pieces.text(broken[0].trouble)}</span>')
    elif not whole and run["state"] != "finished":
        parts.append(f'<span class="ts-hint">{pieces.spoken("It saved no checkpoint to resume from.")}</span>')
    return "".join(parts)


def _with_changes(run: dict[str, Any]) -> str:
    lines = "".join(
        f'<div class="line"><label><span>{pieces.spoken("Option")}</span><input type="text" list="resume-options" '
        f'placeholder="{name}" spellcheck="false" autocomplete="off"></label><label><span>{pieces.spoken("Value")}'
        f'</span><input type="text" placeholder="{value}" spellcheck="false" autocomplete="off"></label></div>'
        for name, value in _EXAMPLES
    )
    said = pieces.text(run["id"])
    return (
        f'<details class="ts-changes ts-typed" data-of="{said}"><summary>{pieces.spoken("With changes")}</summary>'
        f'<p class="ts-hint">{pieces.spoken(_STAYS)}</p>{lines}<datalist id="resume-options"></datalist></details>'
    )


def _typed(lines: Any) -> list[tuple[str, str]]:
    """The lines that hold something, as pairs of an option and its value."""
    pairs = [(str(one[0]), str(one[1])) for one in lines or [] if isinstance(one, list) and len(one) == 2]
    return [pair for pair in pairs if any(pair)]


def _named(one: Checkpoint) -> str:
    of = f" of {one.total:,}" if one.total else ""
    bare = ", without the optimizer's state" if one.bare else ""
    return f"step {one.step:,}{of} · {size_text(one.size)}{bare}"


def _cost_of_stopping(run: dict[str, Any]) -> str:
    if run["stop"] is not None or run["last_step"] is None:
        return ""
    newest = newest_checkpoint(Path(run["folder"]))
    since = run["last_step"] - (int(newest.name.rpartition("-")[2]) if newest else 0)
    saves = pieces.spoken("Stop and save writes a checkpoint first, for which it has two minutes.")
    loses = pieces.spoken("Stop now loses {steps} steps.", steps=f"{max(since, 0):,}")
    pushes = f" {pieces.spoken('Stopping and saving also pushes to the Hub.')}" if run.get("pushes") else ""
    return f'<span class="ts-hint">{saves} {loses}{pushes}</span>'


def _button(act: str, run: dict[str, Any], label: str) -> str:
    said = pieces.spoken(label)
    return f'<button type="button" class="ts-btn" data-act="{act}" data-of="{pieces.text(run["id"])}">{said}</button>'


def _frame(inside: str) -> str:
    return f'<div class="ts-run-actions">{inside}</div>' if inside else ""
