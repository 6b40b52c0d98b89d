"""The list under a box for a model or a dataset: what is here at once, and what the Hub finds as one types.

What is here comes as the component's value, drawn with the form; what the Hub finds is asked for by the list's own
script (`static/search.js`), which waits for a pause in typing and draws no answer but that to the newest question.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from anyio.to_thread import run_sync

from studio.domain.errors import StudioError
from studio.domain.hub_hits import DatasetHit, ModelHit
from studio.domain.hub_query import (
    DATASET_SIZES,
    DATASET_TASKS,
    LIBRARIES,
    LICENCES,
    MODEL_SIZES,
    MODEL_TASKS,
    SORTS,
    query_from,
)
from studio.domain.model_facts import parameter_count, size_text
from studio.service.model_offers import KINDS, Offer, fitting
from studio.service.paths import hub_name
from studio.service.search import LINES, Found, Kind, Search
from studio.ui import pieces

if TYPE_CHECKING:
    from studio.ui.form import Form
    from studio.ui.page import Page

_IN_SIGHT, _ROW = 6, 30  # offers before one has to scroll, and the height of one in pixels
# Threads of the search's own, so that a slow Hub never keeps the page waiting: for lists, and for what is asked of one.
_LISTS = anyio.CapacityLimiter(8)
_MORE = anyio.CapacityLimiter(4)
_NONE = {"models": "No model here has that in its name.", "datasets": "No dataset here has that in its name."}


def build(
    page: Page,
    kind: Kind,
    box: str,
    here: Callable[[Form], str],
    follows: tuple[str, ...] = (),
    brief: bool = False,
    **options: Any,
) -> Any:
    """The list for the box with the id `box`; a click says what was chosen as its `offer` and `revision`.

    A `brief` one shows what is here only while it is open.
    """

    async def find(request: dict[str, Any]) -> dict[str, Any]:
        return await run_sync(partial(_find, page.studio.search, kind, request), limiter=_LISTS)

    async def more(request: dict[str, Any]) -> str:
        return await run_sync(partial(_more, page.studio.search, kind, str(request.get("name"))), limiter=_MORE)

    page.learning.append(lambda form: page.studio.search.look_around(kind))
    return page.html(
        here,
        follows,
        html_template=_frame(kind, box, brief),
        js_on_load="tsSearch(element.querySelector('.ts-search'), {props, trigger, watch, server});",
        server_functions=[find, more],
        **options,
    )


def _find(search: Search, kind: Kind, request: dict[str, Any]) -> dict[str, Any]:
    """What the Hub finds, as the script draws it: the hits, and a line about them."""
    try:
        query = query_from(kind, {**request, "text": hub_name(str(request.get("text") or ""))})
    except StudioError as error:
        return {"hits": "", "status": pieces.text(error.message), "off": False}
    found = search.on_hub(kind, query, str(request.get("method") or "sft"), bool(request.get("again")))
    return {"hits": "".join(map(hit_row, found.hits)), "status": status(found), "off": found.why == "off"}


def _more(search: Search, kind: Kind, name: str) -> str:
    """A hit's row with what was found out since; `` where nothing is known of it."""
    hit = search.more(kind, name)
    return _inside(hit) if hit is not None else ""


def status(found: Found) -> str:
    """The line about a search: how much was found, or why nothing."""
    if not found.asked:
        return ""
    if found.why:
        again = f' <button type="button" class="ts-btn" data-search="again">{pieces.spoken("Ask again")}</button>'
        values = {"status": found.status} if "{status}" in LINES[found.why] else {}
        return pieces.spoken(LINES[found.why], **values) + (again if found.again else "")
    if not found.hits:
        return pieces.spoken("Nothing on the Hub fits.")
    return pieces.spoken("{count} found", count=len(found.hits))


# The frame: what is always there -------------------------------------------------------------------------------------


def _frame(kind: Kind, box: str, brief: bool) -> str:
    models = kind == "models"
    tasks, sizes = (MODEL_TASKS, MODEL_SIZES) if models else (DATASET_TASKS, DATASET_SIZES)
    rows = [
        _select("task", "Task", "Any task", {task: task.replace("-", " ") for task in tasks}, said=False),
        _select("size", "Size", "Any size", sizes),
    ]
    if models:
        rows.append(_select("library", "Library", "Any library", {one: one for one in LIBRARIES}, said=False))
        rows.append(_select("licence", "Licence", "Any licence", {one: one for one in LICENCES}, said=False))
    rows.append(_select("sort", "Order", SORTS[""], {key: words for key, words in SORTS.items() if key}))
    return (
        f'<div class="ts-search" data-kind="{kind}" data-box="{box}"{" data-brief" if brief else ""}>'
        '<div class="here"></div>'
        '<div class="hub"><div class="bar">'
        f'<button type="button" class="toggle" data-search="toggle" aria-expanded="false">'
        f"{pieces.spoken('Search the Hub')}</button>"
        '<span class="status ts-hint" role="status"></span>'
        f'<button type="button" class="sift" data-search="filters" aria-expanded="false" hidden>'
        f"{pieces.spoken('Filters')}</button></div>"
        f'<div class="filters" hidden>{"".join(rows)}</div>'
        '<div class="hits" role="group" aria-label="On the Hub" hidden></div>'
        '<span class="ts-sr told" role="status"></span></div></div>'
    )


def _select(name: str, label: str, any_of: str, choices: dict[str, str], said: bool = True) -> str:
    options = [f'<option value="" data-say="{pieces.text(any_of)}">{pieces.text(any_of)}</option>']
    for value, words in choices.items():
        spoken = f' data-say="{pieces.text(words)}"' if said else ""
        options.append(f'<option value="{pieces.text(value)}"{spoken}>{pieces.text(words)}</option>')
    return (
        f'<label><span class="ts-sr">{pieces.spoken(label)}</span>'
        f'<select data-filter="{name}">{"".join(options)}</select></label>'
    )


# What the Hub has ----------------------------------------------------------------------------------------------------


def hit_row(hit: ModelHit | DatasetHit) -> str:
    """A hit as a button; `data-open` where a question of its own may tell more."""
    open_ = " data-open" if hit.has_more else ""
    name = pieces.text(hit.id)
    return (
        f'<button type="button" class="ts-hit{" unfit" if hit.unfit else ""}" data-offer="{name}" data-revision=""'
        f'{open_} title="{name}" tabindex="-1">{_inside(hit)}</button>'
    )


def _inside(hit: ModelHit | DatasetHit) -> str:
    parts = _model_parts(hit) if isinstance(hit, ModelHit) else _dataset_parts(hit)
    told = " · ".join(part for part in parts if part)
    numbers = [
        f"<i>{pieces.spoken('{count} downloads', count=pieces.rough(hit.downloads))}</i>"
        if hit.downloads
        else "<i></i>",
        f"<i>{pieces.spoken('{count} likes', count=pieces.rough(hit.likes))}</i>" if hit.likes else "<i></i>",
        f"<i>{pieces.ago(hit.changed)}</i>" if hit.changed else "<i></i>",
    ]
    return (
        f"<b>{pieces.text(hit.id)}</b><span>{_access(hit)}</span>{''.join(numbers)}"
        f"<small>{told}</small>{_unfit(hit.unfit)}"
    )


def _unfit(why: str) -> str:
    """Why something does not suit, as hits and what is here have it; `` where nothing is known against it."""
    said = f'<em><span class="ts-sr">{pieces.spoken("Does not suit:")} </span>{pieces.text(why)}</em>'
    return said if why else ""


def _access(hit: ModelHit | DatasetHit) -> str:
    if hit.private:
        return pieces.spoken("private")
    if not hit.gated:
        return ""
    words = {None: "gated", True: "gated, you have access", False: "gated, no access yet"}
    return f'<mark class="{"shut" if hit.access is False else ""}">{pieces.spoken(words[hit.access])}</mark>'


def _model_parts(hit: ModelHit) -> list[str]:
    size = f"{parameter_count(hit.parameters)} {pieces.spoken('parameters')}" if hit.parameters else ""
    template = "" if hit.template is None else pieces.spoken("chat template" if hit.template else "no chat template")
    return [
        size,
        pieces.text(hit.dtype or ""),
        pieces.text(hit.quantized or ""),
        pieces.text(hit.licence) if hit.licence else pieces.spoken("no licence named"),
        template,
        pieces.text((hit.task or "").replace("-", " ")),
    ]


def _dataset_parts(hit: DatasetHit) -> list[str]:
    rows = pieces.spoken("{count} rows", count=f"{hit.rows:,}") if hit.rows is not None else ""
    if not rows and hit.rows_about in DATASET_SIZES:
        rows = pieces.spoken(DATASET_SIZES[hit.rows_about])
    kind = "" if hit.type is None else pieces.text(hit.type) if hit.type else pieces.spoken("columns to be mapped")
    return [
        kind,
        rows,
        size_text(hit.size) if hit.size else "",
        pieces.spoken("{count} subsets", count=len(hit.configs)) if len(hit.configs) > 1 else "",
        pieces.text(", ".join(hit.splits[:4])),
        pieces.text(hit.licence or ""),
        pieces.text(hit.note),
    ]


# What is here --------------------------------------------------------------------------------------------------------


def here(
    kind: Kind, offers: Iterable[Offer], typed: str, chosen: tuple[str, str] | None, method: str, brief: str = ""
) -> str:
    """What is here, as buttons: those that hold every word typed, all where `typed` is empty.

    `chosen` is the id and revision that the recipe holds, `method` what it is wanted for; `brief` names a
    list that takes no room unless it is open.
    """
    every = list(offers)
    found = fitting(every, typed)
    picked = next((one for one in every if (one.id, one.revision or "main") == chosen), None)
    if picked in found[_IN_SIGHT:]:
        found.sort(key=lambda one: one is not picked)
    bare = "" if chosen else " data-bare"  # nothing is chosen yet: what there is to choose from stays in sight
    # As high as the whole list, so that nothing below it jumps while one types.
    space = f'style="min-height: {_ROW * min(len(every), _IN_SIGHT) + 26}px"' if kind == "models" and not brief else ""
    head = f'<div class="ts-offers" data-wanted-for="{pieces.text(method)}"{bare} {space}>'
    if not found:
        return f'{head}<div class="ts-hint">{pieces.spoken(_NONE[kind])}</div></div>'
    rows = "".join(_offer(one, one is picked, method) for one in found)
    label = f"{brief or kind}-here"
    return (
        f'{head}<div class="ts-hint" id="{label}">{pieces.spoken("Here already, no download")}</div>'
        f'<div class="ts-offer-list" role="group" aria-labelledby="{label}">{rows}</div></div>'
    )


def _offer(one: Offer, chosen: bool, method: str) -> str:
    when = ""
    if one.used is not None:
        when = pieces.ago(datetime.fromtimestamp(one.used, UTC).isoformat(timespec="seconds"))
    size, unfit = size_text(one.size) if one.size else "", one.unfit_for(method)
    name, revision = pieces.text(one.id), pieces.text(one.revision)
    return (
        f'<button type="button" class="ts-offer{" unfit" if unfit else ""}" data-offer="{name}" '
        f'data-revision="{revision}" title="{name}" aria-pressed="{str(chosen).lower()}">'
        f"<b>{pieces.text(one.title)}</b><span>{KINDS[one.kind]}</span>"
        f"<small>{pieces.text(one.detail)}</small><i>{size}</i><i>{when}</i>{_unfit(unfit)}</button>"
    )
