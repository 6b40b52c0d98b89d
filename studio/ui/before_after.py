"""How a mapping is drawn: its sentence, two rows before and after side by side, how far preparing is, and what came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from studio.domain.column_roles import ROLE_WORDS
from studio.domain.columns import visible
from studio.domain.findings import row_name
from studio.domain.mapping import Row
from studio.domain.methods import method_named
from studio.domain.model_facts import size_text
from studio.service.data import Inspection
from studio.service.mappings import Choice, Draft
from studio.service.preparing import LEAVE, Job
from studio.ui import pieces
from studio.ui.pieces import spoken

UNASKED = "In {count} of these rows the question is left out: the conversation beside it asks another one."
LATE = "A later row widened the type of a column: all rows are read first, then written from the beginning."
UNREAD = "The question may make no sense without {columns}, which the prompt does not hold."
CUT = "In {count} of these rows the turns after the last answer are left out: nobody answers them."
PASSED = "{count} of the {total} rows looked at are left out: their answer is said to be bad."
LEARNT = "In {count} of these rows the answer is said to be bad, and is learnt too: choose the column that says so."
WRITTEN = "Texts are taken from the CSV as they are written: {written}, not {read}."
ALONE = "The data has one answer a row."
RATING = "{method} learns from how each is rated: choose the column that holds thumbs or scores in the headers above."
SECOND = "{method} compares two, a better and a worse one: a second answer is needed beside it."
INSTEAD = "These can learn from such data:"
TOLD = (UNASKED, UNREAD, CUT, PASSED, LEARNT, WRITTEN)
_SHOWN = 2  # rows before and after


def words(looked: Inspection, choice: Choice, found: Draft) -> str:
    """All of the card that is read: the sentence, what needs no copy, and the rows."""
    return _sentence(looked, choice, found) + _own(found) + _sides(looked, found)


def _sentence(looked: Inspection, choice: Choice, found: Draft) -> str:
    """What is proposed, in one sentence, and what is left to decide in another."""
    proposal, label = found.proposal, method_named(looked.method).label
    roles = _grouped(proposal.roles)
    chosen = choice.roles is not None
    if found.instead:
        said = spoken(ALONE)
    elif proposal.mapping is None and not proposal.roles:
        said = spoken("Nothing is recognised. Choose in the headers above what each column is for.")
    else:
        said = f"{spoken('Chosen' if chosen else 'Recognised')} · {roles}"
    tried = len(proposal.tried) + len(proposal.bad)
    passed, every = len(proposal.passed), tried + len(proposal.passed)
    if found.instead:
        more = spoken(RATING if looked.method == "kto" else SECOND, method=label) + _switches(found)
    elif proposal.mapping is None:
        more = pieces.code(proposal.missing)
    elif proposal.bad:
        number, why = proposal.bad[0]
        count = f"{len(proposal.bad)} of the {every} rows looked at cannot be mapped"
        more = pieces.code(f"{count}. {row_name(number).capitalize()}: {str(why).rstrip('.')}.")
    elif not tried:
        more = ""
    else:
        more = spoken("{count} of {count} rows looked at make what {method} learns from: {type}.",
                      count=str(tried), method=label, type=proposal.mapping.target)  # fmt: skip
    if proposal.unclear:
        named = ", ".join(spoken(ROLE_WORDS[role]) for role in proposal.unclear)
        more += f" {spoken('To be chosen in the headers, since several columns may be it:')} {named}."
    if proposal.leaks:
        told = spoken("The prompt holds the answer in {count} of these rows.", count=str(len(proposal.leaks)))
        more += f" {told}"
    if proposal.unasked:
        count = str(len(proposal.unasked))
        more += f" {spoken(UNASKED, count=count)}"
    if proposal.unread:
        more += f" {spoken(UNREAD, columns=', '.join(proposal.unread))}"
    if passed:
        more += f" {spoken(PASSED, count=str(passed), total=str(every))}"
    if proposal.learnt:
        more += f" {spoken(LEARNT, count=str(len(proposal.learnt)))}"
    if proposal.cut:
        more += f" {spoken(CUT, count=str(len(proposal.cut)))}"
    more += _as_written(looked, found)
    tone = "ok" if proposal.sure and not proposal.cut and not proposal.learnt else "warn"
    reset = f' <button type="button" class="ts-btn quiet" data-mapping="reset">{spoken("As proposed")}</button>'
    again = reset if chosen else ""
    return f'<div class="ts-verdict {tone}" role="status"><b>{said}</b>{again}<small>{more}</small></div>'


def _switches(found: Draft) -> str:
    """The methods that can learn from data as it is, each as a button."""
    buttons = (
        f'<button type="button" class="ts-btn" data-mapping="method:{method}">'
        f"{spoken('Switch to {method}', method=method_named(method).label)}</button>"
        for method in found.instead
    )
    return f" {spoken(INSTEAD)} {' '.join(buttons)}"


def _as_written(looked: Inspection, found: Draft) -> str:
    """That what is mapped is written otherwise than the preview shows it, with the first such cell."""
    mapping = found.proposal.mapping
    if mapping is None or not found.proposal.tried:
        return ""
    both = zip(mapping.as_read(looked.rows, looked.written), looked.rows, strict=True)
    cells = ((said.get(name), row.get(name)) for said, row in both for name in mapping.columns())
    numbers = ((said, cell) for said, cell in cells if cell is not None and not isinstance(cell, str))
    other = next((pair for pair in numbers if str(pair[0]) != str(pair[1])), None)
    return f" {spoken(WRITTEN, written=str(other[0]), read=str(other[1]))}" if other else ""


def _grouped(roles: Mapping[str, str]) -> str:
    """The roles with their columns, in the order of the roles."""
    columns = {role: [name for name, other in roles.items() if other == role] for role in ROLE_WORDS}
    said = {
        role: ", ".join(f"<code>{pieces.text(visible(name))}</code>" for name in names)
        for role, names in columns.items()
    }
    return " · ".join(f"{spoken(ROLE_WORDS[role])} {names}" for role, names in said.items() if names)


def trouble(choice: Choice) -> str:
    """What the last try ended with; rows that cannot be mapped can be left out at a press."""
    if choice.trouble is None:
        return ""
    leave = LEAVE in choice.trouble.why
    words = spoken("Leave out such rows")
    button = f'<button type="button" class="ts-btn" data-mapping="leave">{words}</button>' if leave else ""
    return pieces.finding(choice.trouble) + (f'<div class="ts-actions">{button}</div>' if button else "")


def _own(found: Draft) -> str:
    """What needs no copy, said in TRL's own arguments."""
    if found.own is None:
        return ""
    said = ", ".join([*(f"{key}: {_plain(value)}" for key, value in found.own.set.items())] or found.own.unset)
    return (
        f'<div class="ts-own"><div><b>{spoken("No copy is needed: the recipe can say it.")}</b>'
        f'<div class="ts-hint"><code>{pieces.text(said)}</code></div></div>'
        f'<button type="button" class="ts-btn" data-mapping="own">{spoken("Apply")}</button></div>'
    )


def _plain(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return f"columns: [{', '.join(value[0].get('columns', ()))}]"
    return str(value)


def _sides(looked: Inspection, found: Draft) -> str:
    """Two rows, before and after."""
    proposal = found.proposal
    if proposal.mapping is None or not proposal.tried:
        return ""
    read, before = proposal.mapping.columns(), proposal.mapping.as_read(looked.rows, looked.written)
    rows = "".join(
        f'<div class="ts-side-row before">{_cells({name: before[number].get(name) for name in read})}</div>'
        f'<div class="ts-side-row after">{"".join(_made(row) for row in made)}</div>'
        for number, made in proposal.tried[:_SHOWN]
    )
    return f'<div class="ts-sides"><h4>{spoken("Before")}</h4><h4>{spoken("After")}</h4>{rows}</div>'


def _made(row: Row) -> str:
    return f'<div class="ts-made">{_cells(row)}</div>'


def _cells(row: Mapping[str, Any]) -> str:
    cells = "".join(
        f"<dt>{pieces.text(visible(name))}</dt><dd>{pieces.cell(value)}</dd>" for name, value in row.items()
    )
    return f"<dl>{cells}</dl>"


def to_download(size: int) -> str:
    """What a press on the button will download."""
    told = spoken("{size} are downloaded from the Hub first. Press again to begin.", size=size_text(size))
    return f'<div class="ts-hint" role="status">{told}</div>'


def progress(job: Job) -> str:
    """How far a job is."""
    if job.order.download is not None and not job.done and job.fetched < job.order.download.size:
        return _bar(job.fetched / job.order.download.size, f"{size_text(job.fetched)} of "
                    f"{size_text(job.order.download.size)} downloaded")  # fmt: skip
    share = min(job.done / job.total, 1.0) if job.total else 0.0
    total = f" of {pieces.count(job.total)}" if job.total else ""
    left = sum(job.left_out.values())
    out = f" · {pieces.count(left)} left out" if left else ""
    late = f'<span class="ts-hint">{spoken(LATE)}</span>' if job.late else ""
    return _bar(share, f"{pieces.count(job.done)}{total} rows{out}") + late


def _bar(share: float, words: str) -> str:
    return (
        f'<div class="ts-bar"><i style="width:{share:.1%}"></i></div><div class="ts-hint" role="status">{words} '
        f'<button type="button" class="ts-btn quiet" data-mapping="stop">{spoken("Stop")}</button></div>'
    )


def told(job: Job) -> str:
    """What was prepared, for the recipe card."""
    test = f", {pieces.count(job.rows['test'])} to test on" if job.rows.get("test") else ""
    if not test and job.order.share > 0 and not job.order.test:
        test = f", none to test on, since {100 * job.order.share:g} % of so few came to none"
    left = sum(job.left_out.values())
    out = f", {pieces.count(left)} left out" if left else ""
    cut_rows = f"{pieces.count(job.cut)} row{'' if job.cut == 1 else 's'}"
    cut = f" Of {cut_rows} the turns after the last answer were left out." if job.cut else ""
    bad = f" {pieces.count(job.passed)} left out since their answer is said to be bad." if job.passed else ""
    return f"Prepared as {job.order.name}: {pieces.count(job.rows['train'])} rows to train on{test}{out}.{cut}{bad}"
