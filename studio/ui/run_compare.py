"""Runs side by side in the Runs tab: one set of charts with a line for each run, and the table of what differs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.domain.differences import Side
from studio.domain.errors import StudioError
from studio.domain.recipe_yaml import entry_text
from studio.domain.states import LIVE
from studio.service.comparing import Metric, RunComparison, compare
from studio.service.curves import grouped, news
from studio.service.runs import run_method
from studio.service.studio import Studio
from studio.ui import pieces
from studio.ui.chart import Axis, Chart, Reply, Series, charts
from studio.ui.events import QUIET
from studio.ui.run_list import SCRIPT, label, state

if TYPE_CHECKING:
    from studio.ui.page import Page

# What is said here, for the languages of the page.
WORDS = (
    *("Comparison", "Method", "State", "Step", "Took", "Tags", "lowest", "highest", "at step {step}"),
    *("What differs", "What came of it", "The recipes do not differ.", "not set", "no such option", "default"),
)


class RunCompare:
    """The area below the list; `choose` are the outputs of ticking runs there."""

    def __init__(self, page: Page) -> None:
        self.studio = page.studio

        def table(request: dict[str, Any]) -> dict[str, Any]:
            return self._drawn(request)

        with gr.Column(visible=False, elem_id="run-compare") as self.area:
            self.charts = charts(self.points, elem_id="compare-charts")
            self.table = gr.HTML(
                None,
                html_template="<div></div>",
                js_on_load="tsPolled(element.firstElementChild, {props, watch, server});",
                head=SCRIPT,
                server_functions=[table],
                apply_default_css=False,
                elem_id="compare-table",
            )

    def wire(self, ticked: gr.HTML) -> None:
        """Ticking runs in the list shows them."""
        ticked.input(self._choose, None, [self.area, self.table, self.charts], **QUIET)

    def _choose(self, event: gr.EventData) -> list[Any]:
        names = [str(name) for name in event._data.get("runs") or []]
        value = json.dumps(names) if len(names) > 1 else None
        return [gr.update(visible=value is not None), value, value]

    def _drawn(self, request: dict[str, Any]) -> dict[str, Any]:
        """The table as the page's script wants it; asked for again as long as one of the runs goes on."""
        try:
            found = compare(self.studio, _names(str(request.get("value"))))
        except StudioError as error:
            return {"html": f'<div class="ts-empty" role="alert">{pieces.text(error)}</div>', "again": False}
        return {"html": drawn(found), "again": any(run["state"] in LIVE for run in found.runs)}

    def points(self, value: str, cursor: Any) -> Reply:
        """The charts' read: what is new of each run since `cursor`, a chart for each metric."""
        self.studio.access.require()
        return points(self.studio, _names(value), cursor)


def _names(value: str) -> list[str]:
    """The runs that a request names, as JSON. Raises StudioError where it names none."""
    try:
        names = json.loads(value)
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise StudioError("These are no names of runs.", "Choose them in the list.")
    return names


def points(studio: Studio, names: Sequence[str], cursor: Any) -> Reply:
    """What the charts of several runs draw; `cursor` holds that of each run."""
    runs = [studio.runs.folders.get(name) for name in names]
    live = any(run.state() in LIVE for run in runs)  # asked first: rows before the end are then in the read below
    known = cursor if isinstance(cursor, dict) else {}
    metrics = [studio.runs.metrics(run, now=not live) for run in runs]
    ended = not live and all(found.is_whole for found in metrics)
    fresh_of = [news(found, known.get(run.id)) for run, found in zip(runs, metrics, strict=True)]
    first = not known
    reset = not first and any(new["reset"] for new in fresh_of)
    if reset:
        fresh_of = [news(found, None) for found in metrics]
    every = dict.fromkeys(name for found in metrics for name in found.names())
    methods = {run_method(run) for run in runs}
    drawn = []
    for plot in grouped(every, methods.pop() if len(methods) == 1 else ""):
        for name, _, kind in plot.lines:
            # An evaluation has a chart of its own: the lines of a chart are the runs.
            fresh = [new["series"].get(name, {}) for new in fresh_of]
            series = [Series(run.id, run.id, tone=place, **fresh[place]) for place, run in enumerate(runs)]
            words = f"{plot.title} (eval)" if kind == "eval" else plot.title
            if first or reset or any(one.x for one in series):
                drawn.append(Chart(name, words, series, group=plot.group, smooth=plot.smooth and kind == "train"))
    cursors = {run.id: new["cursor"] for run, new in zip(runs, fresh_of, strict=True)}
    axes = [
        Axis(name, run.id, **points)
        for run, new in zip(runs, fresh_of, strict=True)
        for name, points in new["axes"].items()
    ]
    return Reply(drawn, cursors, done=ended, reset=reset, empty="These runs have logged no metrics yet.", axes=axes)


# The table -----------------------------------------------------------------------------------------------------------


def drawn(found: RunComparison) -> str:
    """All that differs, and what came of it, a column for each run."""
    signs = "".join(
        f'<th scope="col"><i class="ts-tone" data-tone="{place % 5}" data-dash="{place // 5 % 3}"></i> '
        f"{pieces.text(run['id'])}</th>"
        for place, run in enumerate(found.runs)
    )
    body = "".join(_line_of(pieces.spoken(name), cells) for name, cells in _about(found))
    body += _section("What differs", len(found.runs))
    if found.rows:
        body += "".join(_line_of(_code(row.name), [_side(side) for side in row.sides]) for row in found.rows)
    else:
        body += f'<tr><td colspan="{len(found.runs) + 1}">{pieces.spoken("The recipes do not differ.")}</td></tr>'
    if found.metrics:
        body += _section("What came of it", len(found.runs))
        body += "".join(_line_of(_code(metric.name), _values(metric)) for metric in found.metrics)
    return (
        f'<div class="ts-card">{pieces.heading("Comparison")}'
        '<div class="ts-scroll" tabindex="0" role="region" aria-label="Comparison">'
        f'<table class="ts-table ts-compared"><thead><tr><td></td>{signs}</tr></thead><tbody>{body}</tbody></table>'
        "</div></div>"
    )


def _about(found: RunComparison) -> list[tuple[str, list[str]]]:
    runs = found.runs
    return [
        ("Method", [pieces.text(label(run["method"])) for run in runs]),
        ("State", [state(run["state"]) for run in runs]),
        ("Step", [pieces.count(run["last_step"]) or "–" for run in runs]),
        ("Took", [pieces.duration(run["seconds"]) if run["seconds"] is not None else "–" for run in runs]),
        ("Tags", [pieces.text(", ".join(run["tags"])) for run in runs]),
    ]


def _section(name: str, columns: int) -> str:
    return f'<tr class="opens"><th scope="rowgroup" colspan="{columns + 1}">{pieces.spoken(name)}</th></tr>'


def _line_of(head: str, cells: list[str]) -> str:
    return f'<tr><th scope="row">{head}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def _code(name: str) -> str:
    return f"<code>{pieces.text(name)}</code>"


def _side(side: Side) -> str:
    if side.origin == "absent" or side.value is None:
        return (
            f'<span class="ts-hint">{pieces.spoken("no such option" if side.origin == "absent" else "not set")}</span>'
        )
    words = side.value if isinstance(side.value, str) else entry_text("v", side.value).removeprefix("v:").strip()
    shown = pieces.place(words) if words.startswith("/") else pieces.folded(words)
    if side.origin == "default":
        return f'{shown} <span class="ts-hint">{pieces.spoken("default")}</span>'
    return f"<b>{shown}</b>"


def _values(metric: Metric) -> list[str]:
    """The last value of each run and its best one; the best of them all stands out."""
    reached = [value.best for value in metric.values if value.best is not None]
    top = None if not reached else min(reached) if metric.better == "min" else max(reached)
    word = pieces.spoken("lowest" if metric.better == "min" else "highest")
    cells = []
    for value in metric.values:
        cell = pieces.metric(value.last)
        if value.best is not None:
            best = pieces.metric(value.best)
            best = f"<b>{best}</b>" if value.best == top else best
            step = pieces.spoken("at step {step}", step=pieces.count(value.step))
            cell += f' <span class="ts-hint">{word} {best} {step}</span>'
        cells.append(cell)
    return cells
