"""The list of runs: searched, sorted and ticked in the page, asked for anew every few seconds by its own script."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from studio.domain.methods import METHOD_NAMES, method_named
from studio.service.sifting import Shown, Sift, headline, sifted
from studio.service.studio import Studio
from studio.ui import pieces, space
from studio.ui.theme import static_url

PAGE = 100  # rows at first, and with every press on "Show more"
_MOST = 5000
_TOGETHER = 64  # runs that are compared with one press
# Gradio waits for a component's own scripts only, so each that needs this one names it.
SCRIPT = f'<script src="{static_url("runs.js")}"></script>'
_COLUMNS = (("run", "Run"), ("method", "Method"), ("state", "State"), ("step", "Step"), ("last", "Last"))
_NUMBERS = ("step", "last")
# What is said here, for the languages of the page.
WORDS = (
    *("Run", "Method", "State", "Step", "Last", "Started", "Search", "Archived too", "Show more", "archived"),
    "Compare these {count}",
    *("{shown} of {all} runs", "Tick two or more to compare them.", "No run fits", "Search for something else."),
)


def build(studio: Studio, pause: Callable[[], float]) -> gr.HTML:
    """The list. Its value is the run that is shown below it; a click says another one, an input the ticked ones.

    `pause` says how many times longer than usual the page waits before it asks again.
    """

    def rows(request: dict[str, Any]) -> dict[str, Any]:
        return {**answer(studio, request), "pause": pause()}

    return gr.HTML(
        "",
        html_template=_FRAME,
        js_on_load="tsRuns(element.querySelector('.ts-runlist'), {props, trigger, watch, server});",
        head=SCRIPT,
        server_functions=[rows],
        apply_default_css=False,
        elem_id="runs-list",
    )


def answer(studio: Studio, request: dict[str, Any]) -> dict[str, Any]:
    """What the list's script draws: the rows, and which of the ticked runs are still there."""
    if studio.access.refusal():
        return {"html": space.no_runs(studio.access), "bare": True, "picked": [], "found": []}
    runs = studio.runs.list()
    if not runs:
        return {"html": _none(), "bare": True, "picked": [], "found": []}
    there = {run["id"] for run in runs}
    picked = [name for name in request.get("picked") or [] if name in there]
    limit = request.get("limit")
    limit = min(max(limit, 1), _MOST) if isinstance(limit, int) else PAGE
    sift = Sift.of(request)
    shown = sifted(runs, sift)
    drawn = table(shown, limit, sift, str(request.get("chosen") or ""), len(runs))
    found = [run["id"] for run in shown] if len(shown) <= _TOGETHER else []
    return {"html": drawn, "bare": False, "picked": picked, "found": found}


def title() -> str:
    """What stands above the list."""
    return pieces.title("Runs", "Every run of this machine, kept in its own folder.")


def _none() -> str:
    return title() + pieces.empty(
        "No run yet", "Press Start training beside the form: the demo takes less than a minute."
    )


def table(found: Sequence[Shown], limit: int, sift: Sift, chosen: str, of: int) -> str:
    """The first `limit` of the runs `found`, as a table; there are `of` runs in all."""
    if not found:
        return pieces.empty("No run fits", "Search for something else.")
    heads = "".join(_head(key, name, sift) for key, name in (*_COLUMNS, ("started", "Started")))
    rows = "".join(_row(run, run["id"] == chosen) for run in found[:limit])
    more = ""
    if len(found) > limit:
        more = f'<button type="button" class="ts-btn quiet" data-more>{pieces.spoken("Show more")}</button>'
    if sift.text and 1 < len(found) <= _TOGETHER:
        together = pieces.spoken("Compare these {count}", count=len(found))
        more += f'<button type="button" class="ts-btn quiet" data-together>{together}</button>'
    counted = pieces.spoken("{shown} of {all} runs", shown=min(limit, len(found)), all=of)
    return (
        '<div class="ts-scroll" tabindex="0" role="region" aria-label="Runs"><table class="ts-table"><thead><tr>'
        f"<td></td>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
        f'<div class="ts-hint">{counted} · {pieces.spoken("Tick two or more to compare them.")} {more}</div>'
    )


def _head(key: str, name: str, sift: Sift) -> str:
    sorted_so = f' aria-sort="{"descending" if sift.down else "ascending"}"' if key == sift.order else ""
    number = ' class="num"' if key in _NUMBERS else ""
    return (
        f'<th scope="col"{number}{sorted_so}><button type="button" class="ts-sort" data-sort="{key}">'
        f"{pieces.spoken(name)}</button></th>"
    )


def _row(run: Shown, chosen: bool) -> str:
    name, value = headline(run)
    tags = "".join(_tag(tag) for tag in run["tags"])
    if run["archived"]:
        tags += f' <span class="ts-role none">{pieces.spoken("archived")}</span>'
    note = f"<small>{pieces.text(run['note'][:120])}</small>" if run["note"] else ""
    last = f"{pieces.text(name)} {pieces.metric(value)}" if value is not None else "–"
    step = pieces.count(run["last_step"]) or "–"
    step += f" of {pieces.count(run['total_steps'])}" if run["total_steps"] else ""
    run_id = pieces.text(run["id"])
    return (
        f'<tr class="{"on" if chosen else ""}"><td><input type="checkbox" data-pick="{run_id}" '
        f'aria-label="Compare {run_id}"></td><td>'
        f'<button type="button" class="ts-link" data-run="{run_id}">{run_id}</button>{tags}{note}</td>'
        f"<td>{pieces.text(label(run['method']))}</td><td>{state(run['state'])}</td>"
        f'<td class="num">{step}</td><td class="num">{last}</td>'
        f"<td>{pieces.ago(run['started'] or run['created'])}</td></tr>"
    )


def _tag(tag: str) -> str:
    named = pieces.text(tag)
    return f' <button type="button" class="ts-role none ts-tag" data-tag="{named}">{named}</button>'


def label(method: str) -> str:
    """A method's name for people."""
    return method_named(method).label if method in METHOD_NAMES else "–"


def state(name: str) -> str:
    """A run's state, with its colour."""
    return f'<span class="ts-state {name}">{pieces.spoken(name.capitalize())}</span>'


_FRAME = (
    f'<div class="ts-runlist"><div class="head">{title()}'
    f'<div class="sift" hidden><label>{pieces.spoken("Search")} <input type="search" id="runs-search"></label>'
    f'<label><input type="checkbox" data-archived> {pieces.spoken("Archived too")}</label></div></div>'
    '<div class="ts-card ts-runs rows" hidden></div><div class="bare" hidden></div></div>'
)
