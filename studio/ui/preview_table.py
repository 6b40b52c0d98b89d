"""The preview's table: first rows of a dataset, with each column's type and its role, chosen in the column's header."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

from studio.domain.column_roles import ROLE_WORDS, roles_of
from studio.domain.columns import Column, visible
from studio.domain.dataset_statistics import ColumnStatistics
from studio.ui.pieces import cell, count, spoken, text

Named = TypeVar("Named", Column, ColumnStatistics)

_SHOWN = 60  # columns that are drawn: hundreds of them would weigh more than all the page
MORE = "{count} more columns are not shown."
# A role that was chosen is told to the page; a table that is drawn anew gives the focus back to the same header.
SCRIPT = """
{
  let last = null;
  element.addEventListener('change', (event) => {
    const select = event.target.closest('select[data-role-of]');
    if (!select) return;
    last = select.dataset.roleOf;
    trigger('input', {column: last, role: select.value});
  });
  element.addEventListener('focusin', (event) => { if (!event.target.closest('select[data-role-of]')) last = null; });
  document.addEventListener('pointerdown', () => { last = null; }, true);
  new MutationObserver(() => {
    // Gradio mends the page where it differs: what was chosen by hand would stand against what the server says.
    for (const select of element.querySelectorAll('select[data-chosen]')) {
      if (select.told === select.dataset.chosen) continue;
      select.told = select.value = select.dataset.chosen;
    }
    if (last === null || (document.activeElement && document.activeElement !== document.body)) return;
    const again = [...element.querySelectorAll('select[data-role-of]')].find((one) => one.dataset.roleOf === last);
    again?.focus({preventScroll: true});
  }).observe(element, {childList: true, subtree: true, attributes: true, attributeFilter: ['data-chosen']});
}
"""


def table(
    columns: Sequence[Column],
    rows: Sequence[Mapping[str, Any]],
    used: Mapping[str, str],
    note: str,
    method: str = "",
    roles: Mapping[str, str] | None = None,
) -> str:
    """First rows of a dataset. `used` says what TRL makes of the columns as they are.

    With a `method` each header has a choice of its roles; `roles` are those of a mapping, where one is proposed or
    chosen. Of very many columns the first are shown, and those that have a role or that the method reads.
    """
    drawn = first_of(columns, {*(roles or {}), *(name for name, role in used.items() if name == role)}, _SHOWN)
    left = len(columns) - len(drawn)
    head = "".join(
        f'<th scope="col"{_numeric(column)}>{text(visible(column.name))}<small>{text(column.type)}</small>'
        f"{_choice(column.name, method, used, roles) if method else _tag(column.name, used)}</th>"
        for column in drawn
    )
    body = "".join(
        "<tr>"
        + "".join(f"<td{_numeric(column)}>{cell(row.get(column.name), column.type)}</td>" for column in drawn)
        + "</tr>"
        for row in rows
    )
    return (
        '<div class="ts-card"><div class="ts-scroll" tabindex="0" role="region" aria-label="First rows of the dataset">'
        f'<table class="ts-table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        f'<div class="ts-hint">{text(note)}{" · " + spoken(MORE, count=count(left)) if left else ""}</div></div>'
    )


def first_of(columns: Sequence[Named], before: Collection[str], most: int) -> list[Named]:
    """At most so many columns, in their order: those `before` the others, then the first."""
    order = sorted(range(len(columns)), key=lambda place: columns[place].name not in before)
    return [columns[place] for place in sorted(order[:most])]


def _numeric(column: Column) -> str:
    return ' class="num"' if column.type in ("integer", "number") else ""


def _tag(name: str, used: Mapping[str, str]) -> str:
    return f'<span class="ts-role{"" if name in used else " none"}">{text(used.get(name, "not used"))}</span>'


def _choice(name: str, method: str, used: Mapping[str, str], roles: Mapping[str, str] | None) -> str:
    """The choice of a column's role. Without a mapping its first item is what TRL reads the column as."""
    chosen = (roles or {}).get(name, "")
    if roles is None and name in used:
        first = f'<option value="">{text(used[name])}</option>'
    else:
        first = f'<option value="" data-say="not used">{text("not used")}</option>'
    offered = "".join(
        f'<option value="{role}" data-say="{text(ROLE_WORDS[role])}"{" selected" if role == chosen else ""}>'
        f"{text(ROLE_WORDS[role])}</option>"
        for role in roles_of(method)
    )
    active = chosen or (roles is None and name in used)
    return (
        f'<span class="ts-role-choice{"" if active else " none"}"><select data-role-of="{text(name)}" '
        f'data-chosen="{text(chosen)}" '
        f'aria-label="Role of {text(visible(name))}">{first}{offered}</select></span>'
    )
