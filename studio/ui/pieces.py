"""Small pieces of HTML that every tab draws the same way: Findings, tables, messages, YAML, empty states."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from studio.domain.findings import Finding, row_name
from studio.domain.moments import seconds_since
from studio.ui.glossary import MEANINGS

MAPPING = "data:mapping"  # where columns are given their roles
NULL, EMPTY = "null", "empty"  # what stands in a cell of nothing, as the statistics count them
WORDS = (NULL, EMPTY)
_LONG = 220  # characters of a cell that are shown before it folds


def text(value: object) -> str:
    """Any value as text that is safe in HTML."""
    return html.escape(str(value), quote=True)


def spoken(english: str, **values: Any) -> str:
    """Words that the page's script says in the browser's language; `{name}` in them stands for a value.

    A value is shown as it is, in every language.
    """
    filled = english.format(**values) if values else english
    given = f' data-with="{text(json.dumps(values, ensure_ascii=False))}"' if values else ""
    return f'<span data-say="{text(english)}"{given}>{text(filled)}</span>'


def term(english: str) -> str:
    """A term of the page in the browser's language, with what it means where the mouse rests on it."""
    return explained(english, spoken(english))


def explained(name: str, shown: str = "") -> str:
    """A term as `shown` (as it is, without that), with what it means where the mouse rests on it."""
    meaning, shown = MEANINGS.get(name.capitalize(), MEANINGS.get(name)), shown or text(name)
    return f'<abbr title="{text(meaning)}">{shown}</abbr>' if meaning else shown


def title(name: str, lead: str, **values: Any) -> str:
    """A tab's title and the sentence that says what it is for; `values` fill the sentence."""
    return f'<h1 class="ts-title">{spoken(name)}</h1><p class="ts-lead">{spoken(lead, **values)}</p>'


def heading(name: str) -> str:
    """The name of a section or a card."""
    return f'<div class="ts-head"><h3>{term(name)}</h3></div>'


def undo() -> str:
    """The button that takes the last larger change back."""
    return f'<button type="button" class="ts-btn" data-do="undo">{spoken("Undo")}</button>'


def empty(what: str, next_step: str) -> str:
    """An empty state, which names the next action."""
    return f'<div class="ts-empty"><b>{spoken(what)}</b>{spoken(next_step)}</div>'


def finding(found: Finding, index: int | None = None, place: str = "", actions: str = "") -> str:
    """One Finding; with `index` its fix gets an *Apply* button that reports that number.

    `place` is where it is settled, as `tab:argument`: a button leads there. `actions` are buttons of another kind.
    """
    buttons = actions
    if found.fix is not None and index is not None:
        buttons = _fixing(f"apply:{index}", found.fix.label)
    if place:
        look, words = ("ts-btn", "Map the columns") if place == MAPPING else ("ts-btn quiet", "Show")
        buttons += f'<button type="button" class="{look}" data-go="{text(place)}">{spoken(words)}</button>'
    button = f'<div class="ts-actions">{buttons}</div>' if buttons else ""
    why = f"<small>{code(found.why)}</small>" if found.why else ""
    return (
        f'<div class="ts-finding {found.level}"><div><b><span class="ts-sr">{found.level}: </span>'
        f"{code(found.message)}{_unsaid(found)}</b>{why}</div>{button}</div>"
    )


def _unsaid(found: Finding) -> str:
    """The row and the line of a Finding, where its message does not say them."""
    row, line, message = found.where.row, found.where.line, found.message.replace(",", "")
    names = {}
    if row is not None:
        names[row_name(row)] = rf"row {row + 1}|after row {row}"
    if line is not None:
        names[f"line {line}"] = f"line {line}"
    said = (name for name, words in names.items() if not re.search(rf"\b({words})\b", message, re.I))
    return "".join(f" ({name})" for name in said)


def findings(all_found: Iterable[Finding], first: int = 0, place: Callable[[Finding], str] = lambda found: "") -> str:
    """Findings in a row; buttons number them from `first`, and lead to the `place` of each."""
    return "".join(finding(found, first + number, place(found)) for number, found in enumerate(all_found))


def findings_of_form(all_found: Iterable[Finding], place: Callable[[Finding], str] = lambda found: "") -> str:
    """Findings beside what they speak of: the recipe card hears their buttons, which name them by their `mark`."""
    drawn = ((one, _fixing(f"cure:{one.mark}", one.fix.label) if one.fix else "") for one in all_found)
    return "".join(finding(one, None, place(one), button) for one, button in drawn)


def _fixing(what: str, label: str) -> str:
    return f'<button type="button" class="ts-btn" data-do="{what}">{code(label)}</button>'


def code(message: str) -> str:
    """A sentence with what stands in backticks set as code."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", text(message))


def yaml_code(source: str) -> str:
    """YAML with its keys and comments marked, as the recipe card shows it."""
    lines = []
    for line in source.rstrip("\n").split("\n"):
        if line.lstrip().startswith("#"):
            lines.append(f'<span class="c">{text(line)}</span>')
            continue
        match = re.match(r"^(\s*(?:- )?)([\w.-]+)(:.*)$", line)
        if not match:
            lines.append(text(line))
            continue
        value, mark, comment = match.group(3).partition("  # ")
        tail = f'<span class="c">{text(mark + comment)}</span>' if mark else ""
        lines.append(f'{text(match.group(1))}<span class="k">{text(match.group(2))}</span>{text(value)}{tail}')
    return "\n".join(lines)


def facts(rows: Sequence[tuple[str, str]]) -> str:
    """A short list of facts; empty ones are left out."""
    cells = "".join(f"<dt>{term(name)}</dt><dd>{text(value)}</dd>" for name, value in rows if value)
    return f'<dl class="ts-kv">{cells}</dl>'


def cell(value: Any, kind: str = "") -> str:
    """One cell: conversations as conversations, long texts folded, images and audio by name; `kind` is its column's."""
    if value is None or value == "":
        return hollow(value)
    medium = next((one for one in ("image", "audio") if one in kind), None)
    if medium:
        listed = isinstance(value, list) and kind.startswith("list")
        return "".join(f'<span class="ts-msg">{_medium(medium, one)}</span>' for one in (value if listed else [value]))
    if isinstance(value, list) and value and all(isinstance(turn, dict) for turn in value):
        turns = [(turn.get("role") or turn.get("from"), turn.get("content", turn.get("value"))) for turn in value]
        if all(role is not None for role, _ in turns):
            shown = "".join(f'<span class="ts-msg"><b>{text(role)}</b>{_turn(said)}</span>' for role, said in turns[:6])
            more = f'<span class="ts-hint">and {len(turns) - 6} more turns</span>' if len(turns) > 6 else ""
            return shown + more
    return folded(_plain(value))


def hollow(value: str | None) -> str:
    """What stands for a cell that shows nothing: a null, or a text without a sign."""
    return f'<span class="ts-hint">{spoken(NULL if value is None else EMPTY)}</span>'


def _medium(name: str, value: Any) -> str:
    """An image or a recording in words: what it is called, and how big it is."""
    first = value[0] if isinstance(value, list) and value else value
    told = first if isinstance(first, Mapping) else {}
    size = f"{told['width']} × {told['height']}" if "width" in told and "height" in told else told.get("bytes")
    file = str(told.get("path") or "").rsplit("/", 1)[-1]
    more = " ".join(text(part) for part in (file, size) if part)
    return f'<span class="ts-role none">{name}</span> {more}'.rstrip()


def _turn(content: Any) -> str:
    return hollow(content) if content is None or content == "" else folded(_said(content))


def _said(content: Any) -> str:
    """What a turn says: text, and in its place the name of an image or a recording."""
    if not isinstance(content, list) or not all(isinstance(part, dict) and "type" in part for part in content):
        return _plain(content)
    return " ".join(str(part.get("text") or "") if part["type"] == "text" else f"({part['type']})" for part in content)


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    return json.dumps(value, ensure_ascii=False, default=str)


def json_text(value: Any) -> str:
    """A value as JSON that people read and edit."""
    return json.dumps(value, ensure_ascii=False, indent=2)


def folded(value: str) -> str:
    """Text that opens on a click where it is long."""
    if len(value) <= _LONG:
        return text(value)
    return f"<details><summary>{text(value[:_LONG])}…</summary>{text(value[_LONG : _LONG * 20])}</details>"


def short_path(path: Any) -> str:
    """A long path by its last two folders, anything else as it is; at most 60 characters."""
    whole = str(path or "")
    parts = [part for part in whole.split("/") if part]
    shortened = "…/" + "/".join(parts[-2:]) if whole.startswith(("/", "~")) and len(parts) > 2 else whole
    return shortened if len(shortened) <= 60 else shortened[:28] + "…" + shortened[-30:]


def place(path: str) -> str:
    """A path in a sentence: short, the whole of it on hover."""
    return f'<span title="{text(path)}">{text(short_path(path))}</span>'


def count(number: int | float | None) -> str:
    """A number for people: 62,135; `` for none."""
    return "" if number is None else f"{number:,.0f}"


def rough(number: int) -> str:
    """A number for people where its size is enough: 940, 12 k, 1.3 M."""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.1f} {unit}" if number < 10 * size else f"{number / size:,.0f} {unit}"
    return str(number)


def pace(steps: float | None, tokens: float | None) -> str:
    """How fast training goes: `2.4 steps/s · 12 k tokens/s`, or `41 s/step`; `` where that is not known."""
    if not steps:
        return ""
    said = f"{steps:.2g} steps/s" if steps >= 0.1 else f"{1 / steps:,.0f} s/step"
    return f"{said} <small>{rough(round(tokens))} tokens/s</small>" if tokens else said


def metric(value: float | None) -> str:
    """A metric's value in four digits at most."""
    if value is None:
        return "–"
    if value != 0 and (abs(value) < 0.001 or abs(value) >= 100_000):
        return f"{value:.2e}"
    return f"{value:.4g}"


def duration(seconds: float) -> str:
    """A length of time for people: 40 s, 4 min, 2 h 10 min."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" if whole >= 600 else f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def ago(moment: str | None) -> str:
    """A moment as people say it, with the exact time on hover."""
    seconds = seconds_since(moment)
    if seconds is None:
        return "–"
    said = "just now" if seconds < 5 else f"{duration(seconds)} ago" if seconds < 86_400 else str(moment)[:10]
    return f'<time datetime="{text(moment)}" title="{text(moment)}">{said}</time>'
