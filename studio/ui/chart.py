"""Live charts of a run's metrics: one component for every metric, fed by small incremental reads.

The page asks once a second while the charts are on the screen, and stops when the run is over. It sends

    {"run": "<value of the component>", "cursor": null | <what the last reply said>}

and `fetch(run, cursor)` answers with a `Reply`, which travels as this JSON:

    {"charts": [{"key": "loss", "title": "Loss", "unit": "", "group": "Headline", "smooth": true,
                 "series": [{"name": "loss", "label": "train", "kind": "train", "x": [10, 20], "y": [2.31, null]},
                            {"name": "eval/loss", "label": "eval", "kind": "eval", "x": [20], "y": [2.2]}]}],
     "axes": [{"name": "epoch", "of": "", "x": [10, 20], "y": [0.1, 0.2]}],
     "cursor": {"row": 4711}, "done": false, "reset": false,
     "empty": "The first point appears after 10 steps.", "error": "", "pause": 1.0}

- With `cursor` null everything is asked for: send it thinned to about 2,000 points a series. Later replies hold new
  points only; series and charts without any may be left out, ones not seen before may be added at any time.
- `cursor` is the server's own: any JSON, sent back as it came. Where it is not known any more (server restarted, run
  resumed from scratch) answer with everything and `reset=True`.
- `axes` say where a step is otherwise: in epochs, tokens or (epoch seconds of) time; new points only, for the series
  named `of` or for all. What they hold is offered to draw over. A series `over` "time" has its x in epoch seconds.
- `x` ascends within a series. A point at or before the last one replaces what it overtakes, so that a resumed run draws
  over the steps it repeats. NaN and infinities become gaps.
- Charts are drawn in the order in which they came first; send them with empty series to keep their place. `group` is
  the segment that shows them: "Headline" or else the first is shown first, and "All" shows every chart.
- `pause` is how many times longer than usual the page waits before it asks again: where many watch, all wait.
- `done` ends the polling: the run has ended and every point is in. Give the component a new value to start again.
"""

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import gradio as gr

from studio.domain.errors import StudioError
from studio.ui.theme import static_url

Cursor = Any

_SCRIPTS = ("uplot/uPlot.iife.min.js", "series.js", "axes.js", "chart.js", "board.js")  # in this order


@dataclass(frozen=True, slots=True)
class Series:
    """One line: new points only, except in the first reply. An `eval` line is dashed and never smoothed.

    `tone` is the place of its colour, the same in every chart that has the line; without it the chart chooses.
    `over` says what its x is.
    """

    name: str
    label: str
    kind: Literal["train", "eval"] = "train"
    x: list[float] = field(default_factory=list)
    y: list[float | None] = field(default_factory=list)
    tone: int | None = None
    over: Literal["step", "time"] = "step"


@dataclass(frozen=True, slots=True)
class Axis:
    """Where each step `x` is on another axis: new points only; of the series named `of`, or of all without one."""

    name: str
    of: str = ""
    x: list[float] = field(default_factory=list)
    y: list[float | None] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Chart:
    """One small plot, found again by its key; `smooth=False` for what has no noise, such as the learning rate."""

    key: str
    title: str
    series: list[Series]
    unit: str = ""
    group: str = "Headline"
    smooth: bool = True


@dataclass(frozen=True, slots=True)
class Reply:
    """What `fetch` answers; see the module's text."""

    charts: list[Chart]
    cursor: Cursor
    done: bool = False
    reset: bool = False
    empty: str = "The first point appears after the first logged step."
    error: str = ""
    axes: list[Axis] = field(default_factory=list)
    pause: float = 1.0


def to_json(reply: Reply) -> str:
    """Return the reply as the JSON that the page reads, NaN and infinities as null."""
    charts = [asdict(chart) for chart in reply.charts]
    for chart in charts:
        for series in chart["series"]:
            series["y"] = _gaps(series["y"])
    axes = [asdict(axis) for axis in reply.axes]
    head = {name: getattr(reply, name) for name in ("cursor", "done", "reset", "empty", "error", "pause")}
    return json.dumps({"charts": charts, "axes": axes, **head}, allow_nan=False, separators=(",", ":"))


def charts(
    fetch: Callable[[str, Cursor], Reply],
    *,
    value: str | None = None,
    no_run: str = "Choose a run to see its charts.",
    elem_id: str | None = None,
) -> gr.HTML:
    """Return the live grid of charts; its value is the run to draw, None for no run.

    `fetch` runs in Gradio's thread pool, not in the queue; a `StudioError` is shown above the charts and asked again.
    """

    def points(request: dict[str, Any]) -> str:
        try:
            return to_json(fetch(str(request["run"]), request.get("cursor")))
        except StudioError as error:
            message = f"{error.message} {error.hint}".strip()
            return to_json(Reply([], request.get("cursor"), error=message))

    scripts = "".join(f'<script src="{static_url(name)}"></script>' for name in _SCRIPTS)
    return gr.HTML(
        value=value,
        html_template='<div class="ts-charts"></div>',
        js_on_load="tsCharts(element.querySelector('.ts-charts'), props, server.points, watch);",
        head=scripts,
        server_functions=[points],
        apply_default_css=False,
        elem_id=elem_id,
        elem_classes="ts-charts-block",
        no_run=no_run,
    )


def _gaps(values: Iterable[float | None]) -> list[float | None]:
    return [value if value is not None and math.isfinite(value) else None for value in values]
