"""The pager under a dataset's rows: page by page, to a row by its number, and to another split."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.domain.asked_splits import ranges_taken
from studio.service.data import Inspection
from studio.service.preview import PAGE_ROWS, RowsPage
from studio.ui import pieces
from studio.ui.events import BUSY

if TYPE_CHECKING:
    from studio.ui.form import Form
    from studio.ui.page import Page

# A number that was typed counts once it is left or Enter is pressed. Where the keyboard was, it is again.
# Answers may overtake each other on their way here: an older drawing never takes the place of a newer one.
SCRIPT = """
let back = '', newest = '';
const drawn = (value) => Number(/data-drawn="(\\d+)"/.exec(value ?? '')?.[1] ?? 0);
const turn = (to) => {
  back = to.startsWith('row:') ? '[data-goto]' : `[data-page="${to}"]`;
  trigger('click', {page: to});
};
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-page]');
  if (button && !button.disabled && button.getAttribute('aria-pressed') !== 'true') turn(button.dataset.page);
});
element.addEventListener('change', (event) => {
  if (event.target.matches('[data-goto]') && event.target.value) turn('row:' + event.target.value);
});
watch('value', () => {
  if (drawn(props.value) < drawn(newest)) { props.value = newest; return; }
  newest = props.value;
  if (!back) return;
  const wanted = back;
  back = '';
  requestAnimationFrame(() => {
    if (document.activeElement === document.body) element.querySelector(wanted)?.focus({preventScroll: true});
  });
});
"""
# What is said where a recipe takes a part of the rows.
WORDS = (
    *("The recipe takes {split}", "The recipe takes no rows of {shown}: it takes {split}", "Show them"),
    "Of these, the recipe takes rows {rows} ({split})",
    *("{typed} is no row: rows are counted from 1", "There is no row {typed}: this data has {total} rows"),
    "There is no row {typed}: these are the last ones",
)


@dataclass(frozen=True)
class Viewing:
    """Which rows a page shows: of the recipe's dataset number `entry`, `page` where others than the first were asked.

    `of` are the first rows of the dataset that the page belongs to: once that was looked at anew, it is over.
    `asked` numbers the questions: an answer to an older one is not shown. `typed` is the number of a row that was
    asked for and that there is not.
    """

    entry: int = 0
    page: RowsPage | None = None
    of: tuple[dict[str, Any], ...] | None = None
    asked: int = 0
    typed: str = ""


FIRST_ROWS = Viewing()


def dated(draw: Callable[[Form], str]) -> Callable[[Form], str]:
    """What `draw` draws, with the moment before it read the form: of two drawings the later one knows more."""

    def drawn(form: Form) -> str:
        moment = time.time_ns() // 1000
        return f'<div data-drawn="{moment}">{draw(form)}</div>'

    return drawn


def looked_at(form: Form) -> Inspection | None:
    """The dataset whose rows are shown; None where nothing was looked at."""
    return form.looked[min(form.viewing.entry, len(form.looked) - 1)] if form.looked else None


def page_of(form: Form, looked: Inspection) -> RowsPage:
    """The rows of a dataset that are shown: its first ones, until others are asked for."""
    viewing = form.viewing
    if viewing.page is not None and viewing.of is looked.rows:
        # All rows of the split that was looked at may have been counted since the page was read.
        counted = looked.num_rows if viewing.page.split == looked.split else None
        return viewing.page if viewing.page.total is not None else replace(viewing.page, total=counted)
    return RowsPage(looked.name, looked.config, looked.split, 0, looked.rows[:PAGE_ROWS], looked.num_rows)


def count(form: Form, total: int) -> None:
    """Keeps how many rows there are in the split that is shown."""
    looked = looked_at(form)
    if looked is not None:
        form.viewing = replace(form.viewing, page=replace(page_of(form, looked), total=total), of=looked.rows)


def bar(form: Form, looked: Inspection) -> str:
    """The pager: where in the split one is, the ways to go on, and what is wrong with these rows."""
    shown = page_of(form, looked)
    last = shown.offset + len(shown.rows)
    known = shown.total is not None
    ended = last >= shown.total if shown.total is not None else len(shown.rows) < PAGE_ROWS and not shown.finding
    words: dict[str, Any] = {"first": pieces.count(shown.offset + 1), "last": pieces.count(last)}
    if shown.finding is not None:
        words = {"first": words["first"], "last": pieces.count(shown.offset + PAGE_ROWS)}
        said = pieces.spoken("Rows {first} to {last} cannot be read", **words)
    elif not shown.rows:
        said = pieces.spoken("No rows here")
    elif known:
        said = pieces.spoken("Rows {first} to {last} of {total}", **words, total=pieces.count(shown.total))
    else:
        said = pieces.spoken("Rows {first} to {last}", **words)
    most = f' max="{shown.total}"' if shown.total else ""
    goto = (
        f'<label class="ts-hint">{pieces.spoken("Go to row")} <input type="number" min="1"{most} data-goto></label>'
        if shown.offset or not ended
        else ""
    )
    wrong = pieces.finding(shown.finding) if shown.finding is not None else ""
    missed = _missed(form.viewing, looked, shown)
    return (
        f'<div class="ts-pager" role="group" aria-label="Rows"><span class="ts-num" role="status">{said}</span>'
        f"{_button('previous', 'Previous', shown.offset > 0)}{_button('next', 'Next', not ended)}{goto}"
        f"{_splits(looked, shown.split)}</div>{missed}{_taken(looked, shown)}{wrong}"
    )


def _missed(viewing: Viewing, looked: Inspection, shown: RowsPage) -> str:
    """What is wrong with the number of a row that was typed."""
    typed = viewing.typed
    if not typed or viewing.of is not looked.rows:
        return ""
    if not _is_row(typed):
        said = pieces.spoken("{typed} is no row: rows are counted from 1", typed=typed)
    elif shown.total is not None:
        total = pieces.count(shown.total)
        said = pieces.spoken("There is no row {typed}: this data has {total} rows", typed=_number(typed), total=total)
    else:
        said = pieces.spoken("There is no row {typed}: these are the last ones", typed=_number(typed))
    return f'<div class="ts-pager ts-hint" role="alert">{said}</div>'


def _is_row(typed: str) -> bool:
    return typed.isdecimal() and int(typed) > 0


def _number(typed: str) -> str:
    return pieces.count(int(typed)) if len(typed) < 16 else typed


def _taken(looked: Inspection, shown: RowsPage) -> str:
    """Which of the rows the recipe takes, where that is not simply the split that was looked at."""
    spec = str((looked.entry or {}).get("split") or looked.split)
    ranges = ranges_taken(spec, shown.split, shown.total)
    if spec == shown.split or ranges == ((0, shown.total),):
        return ""
    way = ""
    if ranges is None:
        said = pieces.spoken("The recipe takes {split}", split=spec)
    elif not ranges:
        said = pieces.spoken("The recipe takes no rows of {shown}: it takes {split}", shown=shown.split, split=spec)
    else:
        words = ", ".join(f"{pieces.count(first + 1)}\N{EN DASH}{pieces.count(last)}" for first, last in ranges)
        said = pieces.spoken("Of these, the recipe takes rows {rows} ({split})", rows=words, split=spec)
        seen = range(shown.offset, shown.offset + max(1, len(shown.rows)))
        if not any(first in seen or first < seen.start < last for first, last in ranges):
            way = _button(f"row:{ranges[0][0] + 1}", "Show them", True)
    return f'<div class="ts-pager ts-hint" role="note"><span>{said}</span>{way}</div>'


def _button(to: str, words: str, possible: bool) -> str:
    state = "" if possible else " disabled"
    return f'<button type="button" class="ts-btn" data-page="{to}"{state}>{pieces.spoken(words)}</button>'


def _splits(looked: Inspection, shown: str) -> str:
    if len(looked.splits) < 2:
        return ""
    buttons = "".join(
        f'<button type="button" data-page="split:{pieces.text(split)}" aria-pressed="{str(split == shown).lower()}">'
        f"{pieces.text(split)}</button>"
        for split in looked.splits[:8]
    )
    return f'<div class="ts-seg" role="group" aria-label="Split to look at">{buttons}</div>'


def target(to: str, shown: RowsPage) -> tuple[str, int] | None:
    """The split and the first row that a press asks for; None where it asks for nothing."""
    kind, _, value = to.partition(":")
    if kind == "split" and value:
        return value, 0
    if kind == "previous":
        return shown.split, max(0, shown.offset - PAGE_ROWS)
    if kind == "next":
        return shown.split, shown.offset + PAGE_ROWS
    if kind == "row" and _is_row(value) and int(value) < 1 << 53:
        return shown.split, int(value) - 1
    return None


def wire(page: Page, preview: Any, draw: Callable[[Form], str], timer: Any, ticks: Callable[[Form], Any]) -> None:
    """Has the pager in `preview` turn its pages; `draw` draws the preview, `ticks` sets `timer` going where need be."""

    # Gradio looks the annotations up to know the event, and `Form` is none of this module's names.
    def turn(form: Any, event: gr.EventData) -> Any:
        looked = looked_at(form)
        if looked is None:
            return gr.skip(), gr.skip()
        shown = page_of(form, looked)
        to = str(event._data.get("page", ""))
        typed = to.removeprefix("row:") if to.startswith("row:") else ""
        wanted = target(to, shown)
        if wanted is None and not typed:
            return gr.skip(), gr.skip()
        if wanted is None:
            form.viewing = replace(form.viewing, page=shown, of=looked.rows, typed=typed)
            return draw(form), gr.skip()
        split, offset = wanted
        # The place is taken at once: a second press counts from there, and an answer that comes late is told by it.
        asked = form.viewing.asked + 1
        place = replace(shown, split=split, offset=offset)
        form.viewing = replace(form.viewing, page=place, of=looked.rows, asked=asked, typed="")
        found = page.studio.rows_of(looked, split, offset)
        now = looked_at(form)
        if form.viewing.asked != asked or now is None or now.rows is not looked.rows:
            return gr.skip(), gr.skip()
        beyond = found.finding is None and not found.offset <= offset < found.offset + max(1, len(found.rows))
        form.viewing = replace(form.viewing, page=found, typed=typed if beyond else "")
        return draw(form), ticks(form)

    preview.click(turn, [page.form], [preview, timer], **{**BUSY, "show_progress": "hidden"}, trigger_mode="multiple")
