"""The statistics card of the Data tab: rows, nulls, lengths, turns and labels of each column, of a sample or of all."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.domain.cell_structure import LOOKED_INTO
from studio.domain.columns import visible
from studio.domain.dataset_statistics import COUNTED_TO, ColumnStatistics, Statistics
from studio.service.data import Inspection
from studio.service.studio import Studio
from studio.ui import mapping_card, pieces, whole_check
from studio.ui.events import QUIET
from studio.ui.form import Form
from studio.ui.preview_table import MORE, first_of

if TYPE_CHECKING:
    from studio.ui.page import Page

_REFRESH = 0.5  # seconds between two looks at a count that is running
_MOST = 40  # columns that are shown
TITLE, BUTTON = "Statistics", "Count all rows"
SAMPLE = "Of the first {count} rows."
ALL = "Of all {count} rows."
COUNTING = "All rows are being counted: {share} %"
REPEATED = "{count} rows are like an earlier one."
BY_VIEWER = "Of all {count} rows, by the Hub's dataset viewer."
FIRST_BY_VIEWER = "Of the first {count} rows, by the Hub's dataset viewer, which counts no more of data as big as this."
UNTOLD = "It does not tell of repeated rows, of roles, nor of types inside cells."
ASKING = "The Hub's dataset viewer is asked about all rows."
_NOTHING = "The Hub's dataset viewer has no numbers on all rows of this data. These are of the first ones."
REFUSED = {
    "not ready": "The Hub's dataset viewer has not counted all rows yet. These are of the first ones; try again later.",
    "timeout": "The Hub's dataset viewer did not answer in time. These are of the first rows; try again later.",
    "offline": "The Hub's dataset viewer cannot be reached. These are of the first rows; try again later.",
    "refused": "The Hub's dataset viewer does not let you read all rows: log in. These are of the first ones.",
}
HEADS = ("Column", "Null", "Empty", "Length: shortest, median, 95 %, longest", "Lengths", "Turns", "Roles and values")
_OF_THE_HUB = (BY_VIEWER, FIRST_BY_VIEWER, UNTOLD, ASKING, _NOTHING, *REFUSED.values())
WORDS = (TITLE, SAMPLE, ALL, COUNTING, REPEATED, MORE, *HEADS, *_OF_THE_HUB)


def build(page: Page) -> None:
    """The card, a button that counts all rows, and a timer that runs while they are counted."""
    draw = partial(_cards, page.studio)
    with gr.Column(elem_classes="ts-card ts-statistics", visible=False) as card:
        shown = page.html(draw, elem_id="data-statistics")
        with gr.Row(elem_classes="ts-actions-row"):
            button = gr.Button(BUTTON, size="sm", elem_id="data-count")
    timer = gr.Timer(_REFRESH, active=False)
    page.redrawn.append((card, lambda form: gr.update(visible=bool(_known(page.studio, form)))))
    page.redrawn.append((button, lambda form: gr.update(visible=_is_sample(page.studio, form))))
    page.wiring.append(partial(_wire, page, button, timer, shown))


def _wire(page: Page, button: Any, timer: Any, shown: Any) -> None:
    outputs = [shown, button, timer]
    everything = page.all_outputs
    drawn_here = [everything.index(shown), everything.index(button)]

    def drawn(form: Form) -> list[Any]:
        waiting = any(page.studio.whole.counting(one) for one in form.looked)
        offered = not waiting and _is_sample(page.studio, form)
        return [_cards(page.studio, form), gr.update(visible=offered), gr.Timer(active=waiting)]

    def count(form: Form) -> list[Any]:
        for one in form.looked:
            page.studio.whole.count(one, page.studio.hub, form.recipe.values)
        return drawn(form)

    def look(form: Form) -> list[Any]:
        updates = drawn(form)  # before: what is told after this is taken at the next look
        judged = form.drawn and whole_check.take(page.studio, form)  # by what the viewer told of the Hub's data
        found = page.surroundings(form, page.boxes) if judged else [gr.skip()] * len(everything)
        for place, update in zip(drawn_here, updates[:-1], strict=True):
            found[place] = update
        return [*found, updates[-1]]

    button.click(count, [page.form], outputs, **QUIET)
    timer.tick(look, [page.form], [*everything, timer], **QUIET)


def _known(studio: Studio, form: Form) -> list[tuple[Inspection, Statistics]]:
    if not form.drawn:
        return []
    found = [(one, studio.whole.statistics(one)) for one in form.looked]
    return [(one, statistics) for one, statistics in found if statistics is not None]


def _is_sample(studio: Studio, form: Form) -> bool:
    return any(not statistics.whole and not statistics.by_viewer for _, statistics in _known(studio, form))


def _cards(studio: Studio, form: Form) -> str:
    known = _known(studio, form)
    cards = [
        (_name(looked) if len(form.looked) > 1 else "") + _card(studio, form, looked, statistics)
        for looked, statistics in known
    ]
    return pieces.heading(TITLE) + "".join(cards) if cards else ""


def _card(studio: Studio, form: Form, looked: Inspection, found: Statistics) -> str:
    said = _said(studio, looked, found)
    if len(found.columns) > _MOST:
        said.append(pieces.spoken(MORE, count=pieces.count(len(found.columns) - _MOST)))
    numeric = {"Null", "Empty"}
    head = "".join(
        f'<th scope="col"{" class=num" if name in numeric else ""}>{pieces.spoken(name)}</th>' for name in HEADS
    )
    read = {*LOOKED_INTO, *(mapping_card.shown_roles(form, looked) or {})}
    body = "".join(_row(column, found.rows, found.by_viewer) for column in first_of(found.columns, read, _MOST))
    table = f'<table class="ts-table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    label = f"{TITLE}: {looked.name}" if len(form.looked) > 1 else TITLE
    region = f'<div class="ts-scroll" tabindex="0" role="region" aria-label="{pieces.text(label)}">{table}</div>'
    return f'{region}<div class="ts-hint" role="status">{" ".join(said)}</div>'


def _name(looked: Inspection) -> str:
    """Which dataset of a mixture a table is of: one may be there twice, by several splits or configurations."""
    split = (looked.entry or {}).get("split") or looked.split
    part = " · ".join(str(one) for one in (looked.config, split) if one and one != "default")
    return f'<div class="ts-hint ts-of"><b>{pieces.place(looked.name)}</b> {pieces.text(part)}</div>'


def _said(studio: Studio, looked: Inspection, found: Statistics) -> list[str]:
    """Which rows the numbers are of, and what of all rows is to come or cannot be had."""
    running, refused = studio.whole.counting(looked), studio.whole.refused(looked)
    whole, part = (BY_VIEWER, FIRST_BY_VIEWER) if found.by_viewer else (ALL, SAMPLE)
    said = [pieces.spoken(whole if found.whole else part, count=pieces.count(found.rows))]
    if found.by_viewer:
        said.append(pieces.spoken(UNTOLD))
    if found.repeated:
        said.append(pieces.spoken(REPEATED, count=pieces.count(found.repeated)))
    if running is not None and looked.source == "hub":
        said.append(pieces.spoken(ASKING))
    elif running is not None:
        said.append(pieces.spoken(COUNTING, share=f"{100 * running.share:.0f}"))
    elif refused is not None:
        said.append(pieces.spoken(REFUSED.get(refused.reason, _NOTHING)))
    return said


def _row(column: ColumnStatistics, rows: int, exact: bool = False) -> str:
    lengths = ""
    if column.lengths:
        shortest, _, median, _, most, longest = column.lengths
        told = (shortest, median, most, longest)
        lengths = ", ".join(_length(number, exact) for number in told)
    cells = (
        f"{pieces.text(visible(column.name))}<small>{pieces.text(column.type)}</small>",
        _counted(column.nulls, rows),
        _counted(column.empties, rows),
        lengths,
        _bars(column.bars),
        _turns(column),
        _words(column),
    )
    places = (' class="num"' if place in (1, 2) else "" for place in range(len(cells)))
    return "<tr>" + "".join(f"<td{how}>{cell}</td>" for how, cell in zip(places, cells, strict=True)) + "</tr>"


def _length(number: int | None, exact: bool) -> str:
    """A length; one that was counted no further (it is not `exact`) as that and more."""
    if number is None:
        return "–"
    return pieces.count(number) if exact or number < COUNTED_TO else f"≥ {pieces.count(COUNTED_TO)}"


def _counted(number: int | None, rows: int) -> str:
    """A number that should be 0, so that any other stands out; a dash where it is not known."""
    if number:
        return f"<b>{pieces.count(number)}</b>"
    return f'<span class="ts-hint">{"–" if number is None or not rows else 0}</span>'


def _bars(bars: tuple[int, ...]) -> str:
    """A histogram as small as a word."""
    tallest = max(bars, default=0)
    if not tallest:
        return ""
    drawn = "".join(
        f'<rect x="{place * 4}" y="{24 - height}" width="3" height="{height}"></rect>'
        for place, number in enumerate(bars)
        if (height := max(1 if number else 0, round(24 * number / tallest)))
    )
    size = f'viewBox="0 0 {len(bars) * 4} 24" width="{len(bars) * 4}" height="24"'
    return f'<svg class="ts-bars" {size} aria-hidden="true">{drawn}</svg>'


def _turns(column: ColumnStatistics) -> str:
    if not column.turns:
        return ""
    low, high = column.turns[0][0], column.turns[-1][0]
    return str(low) if low == high else f"{low}–{high}"


def _words(column: ColumnStatistics) -> str:
    """Roles, or the values of labels, the most frequent first, where they are few."""
    if not column.words or (len(column.words) > 12 and column.type in ("integer", "number")):
        return ""
    shown = [f"{pieces.text(word or '–')} {pieces.count(number)}" for word, number in column.words[:6]]
    return ", ".join(shown) + (" …" if len(column.words) > 6 else "")
