"""Runs: the list, and one run with its state, numbers, live charts, log and Stop."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.adapters.progress import newest_checkpoint
from studio.domain.errors import StudioError
from studio.domain.methods import METHOD_NAMES, method_named
from studio.domain.states import LIVE
from studio.service.curves import grouped, hardware, news, pace
from studio.service.runs import run_method
from studio.service.sifting import headline
from studio.service.studio import Studio
from studio.ui import pieces, run_list, run_samples, space
from studio.ui.chart import Axis, Chart, Reply, Series, charts
from studio.ui.diagnosis_card import SCRIPT as DIAGNOSIS_SCRIPT
from studio.ui.diagnosis_card import diagnosis, take_up
from studio.ui.events import BUSY, QUIET
from studio.ui.form import Form
from studio.ui.run_actions import RunActions
from studio.ui.run_compare import RunCompare
from studio.ui.run_keeping import RunKeeping
from studio.ui.run_list import label, state

if TYPE_CHECKING:
    from studio.ui.page import Page

_REFRESH = 2.5  # seconds between two looks at the runs' folders
_SHARED = 1.0  # seconds for which what one page draws is sent to others
_WATCHING = 10.0  # seconds since its last look for which a page counts as one that watches
_FEW = 8  # pages that need not wait
_WHOLE = 15  # every so many looks, all is sent
_KEPT = 256  # of pages and runs, of which is known what they were sent
_LOG_LINES = 60
_SENTENCES = {
    "queued": "waits for its turn · goes on when this page is closed",
    "starting": "loading libraries, model and data · goes on when this page is closed",
    "training": "goes on when this page is closed",
    "evaluating": "goes on when this page is closed",
    "saving": "goes on when this page is closed",
    "stopping": "saves a checkpoint where it can, then ends",
}


class RunsTab:
    """The tab's components; `outputs` are what choosing a run draws."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.studio = page.studio
        self._lock = threading.Lock()
        self._drawn: dict[str | None, tuple[float, list[Any]]] = {}  # for all pages, for a moment
        self._told: dict[str, tuple[float, str | None, int, list[Any]]] = {}  # by session: when, run, how often, what
        self.chosen = gr.State(None)
        self.list = run_list.build(self.studio, self.pause)
        self.compare = RunCompare(page)
        with gr.Column(visible=False) as self.detail:
            with gr.Row(elem_classes="ts-titlebar"):
                self.title = gr.HTML("", apply_default_css=False, elem_id="run-title")
                self.save = gr.Button("Stop and save", size="sm", variant="stop", elem_id="stop-save")
                self.now = gr.Button("Stop now", size="sm", variant="stop", elem_id="stop-now")
            self.actions = RunActions(page)
            self.head = gr.HTML("", apply_default_css=False, elem_id="run-head")
            self.why = gr.HTML("", js_on_load=DIAGNOSIS_SCRIPT, apply_default_css=False, elem_id="run-why")
            self.charts = charts(self.points, elem_id="run-charts")
            self.samples = run_samples.build(page)
            self.keeping = RunKeeping(page)
            self.log = gr.HTML("", apply_default_css=False, elem_id="run-log")
        self.timer = gr.Timer(_REFRESH)

    @property
    def live_outputs(self) -> list[Any]:
        """What follows a run by itself."""
        shown = [self.detail, self.title, self.save, self.now, self.actions.row, self.head, self.why, self.log]
        return [self.page.top, self.list, *shown]

    @property
    def outputs(self) -> list[Any]:
        return [self.chosen, self.charts, self.samples, self.keeping.card, *self.live_outputs]

    def skip(self) -> list[Any]:
        return [gr.skip()] * len(self.outputs)

    def first(self) -> list[Any]:
        """What a page shows when it opens: the newest run."""
        runs = [] if self.studio.access.refusal() else self.studio.runs.folders.list()
        return self.choose(runs[0].id if runs else None)

    def choose(self, run_id: str | None) -> list[Any]:
        return [run_id, self._chart_value(run_id), run_id, run_id, *self.draw(run_id)]

    def wire(self) -> None:
        """Choosing, stopping, and the look every few seconds (only while the page is visible)."""
        self.actions.wire()
        self.list.click(self._clicked, None, self.outputs, **QUIET)
        self.compare.wire(self.list)
        self.keeping.card.click(self.first, None, self.outputs, **QUIET)
        self.timer.tick(self._tick, [self.chosen], self.live_outputs, **QUIET)
        outputs = [*self.page.all_outputs, self.page.tabs, *self.outputs]
        self.why.click(self._take_up, [self.page.form], outputs, trigger_mode="multiple", **BUSY)
        said = {**QUIET, "queue": True, "concurrency_limit": 8}  # Gradio shows messages of queued handlers only
        self.save.click(lambda run: self._stop(run, now=False), [self.chosen], self.live_outputs, **said)
        self.now.click(lambda run: self._stop(run, now=True), [self.chosen], self.live_outputs, **said)

    def _clicked(self, event: gr.EventData) -> list[Any]:
        return self.choose(str(event._data["run"]))

    def _stop(self, run_id: str | None, now: bool) -> list[Any]:
        if run_id is not None:
            try:
                stopping = self.studio.runs.stop(run_id, now)
                if not stopping:
                    gr.Info("The run has ended already.")
            except StudioError as error:
                gr.Warning(pieces.code(str(error)), title="Not stopped")
        return self.draw(run_id)

    def _chart_value(self, run_id: str | None) -> str | None:
        if run_id is None:
            return None
        try:
            return f"{run_id}#{self.studio.runs.show(run_id)['attempts']}"
        except StudioError:
            return None

    def draw(self, run_id: str | None) -> list[Any]:
        """Title, buttons, head and log, as they are now; the list draws itself, and is told which run is shown."""
        if self.studio.access.refusal():
            nothing = [gr.update(visible=False), *[gr.skip()] * 7]
            return [top(self.studio), "", *nothing]
        runs = self.studio.runs.list()
        shown = next((run for run in runs if run["id"] == run_id), None)
        if shown is None and run_id is not None:
            try:
                shown = self.studio.runs.show(run_id)
            except StudioError:
                shown = None
        if shown is None:
            return [top(self.studio, runs), "", gr.update(visible=False), *[gr.skip()] * 7]
        live = shown["state"] in LIVE
        log = self.studio.runs.log(shown["id"])
        return [
            top(self.studio, runs),
            run_id,
            gr.update(visible=True),
            _title(shown),
            gr.update(visible=live, interactive=shown["stop"] is None),
            gr.update(visible=live, interactive=shown["stop"] != "now"),
            self.actions.draw(shown),
            _head(shown, self.studio.runs.time_left(shown), self._pace(shown)),
            self._why(shown),
            _log(log),
        ]

    def _tick(self, run_id: str | None, request: gr.Request) -> list[Any]:
        """What is another one than at the page's last look; now and then all of it, should one have been lost.

        Fifty pages that watch a run draw it once a second, and are sent what has changed.
        """
        drawn = self._shared(run_id)
        session = str(request.session_hash)
        with self._lock:
            _, known, count, before = self._told.pop(session, (0.0, None, 0, drawn))
            self._told[session] = time.monotonic(), run_id, count + 1 if known == run_id else 1, drawn
            while len(self._told) > _KEPT:
                self._told.pop(next(iter(self._told)))
        whole = known != run_id or count % _WHOLE == 0
        # A copy of each: Gradio writes into updates.
        return [
            (dict(new) if isinstance(new, dict) else new) if whole or new != old else gr.skip()
            for new, old in zip(drawn, before, strict=True)
        ]

    def pause(self) -> float:
        """How many times longer than usual pages wait before they ask again: the longer, the more of them there are."""
        now = time.monotonic()
        with self._lock:
            watching = sum(now - moment < _WATCHING for moment, *_ in self._told.values())
        return max(1.0, watching / _FEW)

    def _shared(self, run_id: str | None) -> list[Any]:
        """What `draw` says, for a moment the same for all pages; on a Space not all may see the same."""
        if self.studio.access.space is not None:
            return self.draw(run_id)
        moment, drawn = self._drawn.get(run_id, (0.0, []))
        if time.monotonic() - moment > _SHARED:
            drawn = self.draw(run_id)
            with self._lock:
                self._drawn[run_id] = time.monotonic(), drawn
                while len(self._drawn) > _KEPT:
                    self._drawn.pop(next(iter(self._drawn)))
        return drawn

    def _pace(self, shown: dict[str, Any]) -> str:
        try:
            steps, tokens = pace(self.studio.runs.metrics(self.studio.runs.folders.get(shown["id"])))
        except StudioError:  # its folder was removed this very moment
            return ""
        return pieces.pace(steps, tokens)

    def _why(self, shown: dict[str, Any]) -> str:
        try:
            return diagnosis(shown, self.studio.diagnose(shown["id"]))
        except StudioError:  # its folder was removed this very moment
            return ""

    def _take_up(self, form: Form, event: gr.EventData) -> list[Any]:
        drawn, tab, started = take_up(self.page, str(event._data["run"]), str(event._data["do"]), form)
        return [*drawn, tab, *(self.choose(started) if started else self.skip())]

    def points(self, value: str, cursor: Any) -> Reply:
        """The chart's read: what is new since `cursor`, grouped for the run's method."""
        run = self.studio.runs.folders.get(value.partition("#")[0])
        # Asked first: rows that came before the end are then in the read below.
        live = self.studio.runs.describe(run)["state"] in LIVE
        metrics = self.studio.runs.metrics(run, now=not live)
        ended = not live and metrics.is_whole  # asked before the read, too
        new = news(metrics, cursor)
        fresh, all_of_it = new["series"], cursor is None or new["reset"]
        drawn = []
        for plot in grouped(metrics.names(), run_method(run)):
            series = [Series(name, label, kind, **fresh.get(name, {})) for name, label, kind in plot.lines]
            if all_of_it or any(one.x for one in series):
                drawn.append(Chart(plot.key, plot.title, series, group=plot.group, smooth=plot.smooth))
        for machine in hardware(metrics.system.names()):
            lines = [Series(name, label, over="time", **new["system"].get(name, {})) for name, label in machine.lines]
            if all_of_it or any(one.x for one in lines):
                drawn.append(Chart(machine.lines[0][0], machine.title, lines, machine.unit, "Hardware", smooth=False))
        empty = "The first point appears with the first logged step." if live else "This run logged no metrics."
        axes = [Axis(name, **points) for name, points in new["axes"].items()]
        return Reply(drawn, new["cursor"], done=ended, reset=new["reset"], empty=empty, axes=axes, pause=self.pause())


def top(studio: Studio, runs: list[dict[str, Any]] | None = None) -> str:
    """The page's header: brand, machine, what is going on."""
    states = [run["state"] for run in runs] if runs is not None else []
    going = sum(state in LIVE and state != "queued" for state in states)
    waiting = states.count("queued")
    said = [f"{going} training"] if going else []
    said += [f"{waiting} queued"] if waiting else []
    chip = f'<span class="ts-chip"><span class="ts-dot live"></span>{" · ".join(said)}</span>' if said else ""
    return (
        f'<div class="ts-top"><span class="ts-brand">TRL <i>Studio</i></span>'
        f'<span class="ts-chip">{pieces.text(studio.machine.summary)}</span>{chip}<span class="ts-spacer"></span>'
        f"{space.chip(studio.access)}"
        f'<button type="button" class="ts-chip" data-ts-tour>{pieces.spoken("First fine-tune")}</button>'
        '<button type="button" class="ts-chip" data-ts-keys aria-label="Shortcuts">?</button>'
        '<button type="button" class="ts-chip" data-ts-theme aria-label="Light or dark">'
        '<span class="ts-moon"></span></button></div>'
    )


def _title(run: dict[str, Any]) -> str:
    lead = f"{pieces.text(label(run['method']))} · this machine · {pieces.place(run['folder'])}"
    return f'<h1 class="ts-title">{pieces.text(run["id"])}</h1><p class="ts-lead">{lead}</p>'


def _stat(name: str, value: str) -> str:
    return f'<div class="ts-stat"><span>{pieces.term(name)}</span><b>{value}</b></div>'


def _head(run: dict[str, Any], left: str, speed: str) -> str:
    """Six numbers, a bar, and the sentence that calms or explains."""
    step, total, metrics = run["last_step"], run["total_steps"], run["last_metrics"]
    name, value = headline(run)
    second = "eval/loss" if "eval/loss" in metrics else _second(run, name)
    of = f" <small>of {pieces.count(total)}</small>" if total else ""
    live = run["state"] in LIVE
    stats = [
        _stat("State", state(run["state"])),
        _stat("Step", (pieces.count(step) or "–") + of),
        _stat(_words(name), pieces.metric(value)),
        _stat(_words(second), pieces.metric(metrics.get(second))),
        _stat("Time left", (left if run["state"] in ("training", "evaluating") else "") or "–")
        if live
        else _stat("Took", _took(run)),
        _stat("Speed", speed or "–"),
    ]
    share = min(100.0, 100 * (step or 0) / total) if total else 0.0
    return (
        f'<div class="ts-card"><div class="ts-stats">{"".join(stats)}</div>'
        f'<div class="ts-bar" role="progressbar" aria-label="Progress" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{share:.0f}"><i style="width:{share:.1f}%"></i></div>'
        f'<div class="ts-hint">{_sentence(run)}</div></div>'
    )


def _second(run: dict[str, Any], first: str) -> str:
    names = method_named(run["method"]).headline if run["method"] in METHOD_NAMES else ()
    present = [name for name in names if name != first and name in run["last_metrics"]]
    return present[0] if present else next((name for name in names if name != first), "learning_rate")


def _words(metric: str) -> str:
    return metric.replace("/", " ").replace("_", " ").capitalize()


def _took(run: dict[str, Any]) -> str:
    return pieces.duration(run["seconds"]) if run["seconds"] is not None else "–"


def _sentence(run: dict[str, Any]) -> str:
    """What goes on, or how it ended and what is left of it."""
    state, began = run["state"], run["started"] is not None
    since = f"started {pieces.ago(run['started'])}"
    if state == "queued":
        return f"queued {pieces.ago(run['queued'])} · {_SENTENCES[state]}"
    if state == "stopping":
        return _stopping(run)
    if state == "starting" and run["doing"]:
        return f"{since} · {pieces.text(run['doing'])} · goes on when this page is closed"
    if state in LIVE:
        return f"{since} · {_SENTENCES[state]}"
    ended, there = f"ended {pieces.ago(run['ended'])}", pieces.place(run["folder"] + "/output")
    if state == "finished":
        return f"{ended} · the model lies in {there}"
    if state == "failed":
        code, signal = run["exit"]["code"], run["exit"]["signal"]
        how = f"signal {signal}" if signal else f"exit code {code}" if code is not None else "an exit that nobody saw"
        return f"{ended} with {how}"
    kept = newest_checkpoint(Path(run["folder"])) is not None
    if state == "stopped":
        if not began:
            return f"{ended}, taken out of the queue before it began"
        return f"{ended}, stopped on request" + (f" · checkpoints lie in {there}" if kept else "")
    if not began:
        return "it waited for its turn when its supervisor vanished · it waits on once a studio is started again"
    vanished = "its processes vanished without a word: the machine was restarted, or they were killed"
    return vanished + (" · Resume goes on" if kept else "")


def _stopping(run: dict[str, Any]) -> str:
    if run["started"] is None:
        return "is taken out of the queue"
    if run["stop"] == "now":
        return "its processes are being ended, without saving"
    if run["force_in"] is None:
        return _SENTENCES["stopping"]
    left = pieces.duration(max(run["force_in"], 0))
    return f"{_SENTENCES['stopping']} · ended by force in {left} if it does not"


def _log(log: str) -> str:
    lines = log.splitlines()[-_LOG_LINES:]
    body = pieces.text("\n".join(lines)) if lines else "The log is empty so far."
    return (
        f'<div class="ts-card">{pieces.heading("Log")}'
        f'<div class="ts-logbox" tabindex="0" role="region" aria-label="The end of the log">'
        f'<pre class="ts-code log">{body}</pre></div></div>'
    )
