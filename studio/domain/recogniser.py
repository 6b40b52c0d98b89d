"""Recognises the world's formats of data: proposes which column plays which role for a method, and how surely."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from studio.domain.column_readings import judging
from studio.domain.column_roles import (
    Resolved,
    Settings,
    resolve,
)
from studio.domain.columns import Column, column_of
from studio.domain.dataset_types import judge
from studio.domain.finder import Finder
from studio.domain.mapped_rows import is_unasked, map_telling
from studio.domain.mapping import BadRow, DataMapping, Row, Source, final_answer, word
from studio.domain.options import written
from studio.domain.question_columns import TELLING, answers_of, left_out
from studio.domain.verdict_words import BAD

_MARK = "####"  # before the final answer, as in GSM8K


@dataclass(frozen=True)
class Proposal:
    """What is proposed, or chosen, for a dataset: a role for some columns, and the mapping that they make.

    `tried` are pairs of a first row's number and the rows that it becomes, `bad` those that cannot be mapped, with
    why; `unclear` names roles that more than one column might play, `leaks` the rows whose prompt holds their answer,
    `unasked` those whose question is left out, since the conversations beside it ask something else, `cut` those whose
    conversation goes on after its last answer, which is left out. `passed` are rows that are left out since their
    answer is a bad one, `learnt` those that are learnt though a label says so. `unread` are columns beside the question
    without which it may make no sense, as options to choose from.
    `better` and `codes` are as in Resolved. `sure` says that nothing is left to decide.
    """

    roles: Mapping[str, str] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)
    mapping: DataMapping | None = None
    missing: str = ""
    needs_threshold: bool = False
    unclear: tuple[str, ...] = ()
    tried: tuple[tuple[int, tuple[Row, ...]], ...] = ()
    bad: tuple[tuple[int, BadRow], ...] = ()
    leaks: tuple[int, ...] = ()
    unasked: tuple[int, ...] = ()
    cut: tuple[int, ...] = ()
    passed: tuple[int, ...] = ()
    learnt: tuple[int, ...] = ()
    unread: tuple[str, ...] = ()
    better: str | None = None
    codes: tuple[str, ...] = ()
    sure: bool = False


def recognise(
    method: str, columns: Iterable[Column], rows: list[dict[str, Any]], written: Sequence[Row] = ()
) -> Proposal:
    """Which roles the columns seem to play for a method; a role that two might play is left to the user.

    `written` are the rows of a csv as they stand there.
    """
    found = Finder(method, list(columns), rows)
    roles, unclear = found.roles()
    settings = Settings(after=final_mark(roles, rows))
    proposal = propose(method, roles, found.columns, rows, settings, written)
    return replace(proposal, unclear=unclear, sure=proposal.sure and not unclear)


def propose(
    method: str,
    roles: Mapping[str, str],
    columns: Iterable[Column],
    rows: list[dict[str, Any]],
    settings: Settings | None = None,
    written: Sequence[Row] = (),
) -> Proposal:
    """What these roles come to, tried on the first rows and shown to the judge.

    `written` are the rows of a csv as they stand there.
    """
    settings = settings or Settings()
    resolved: Resolved = resolve(method, roles, columns, rows, settings)
    proposal = Proposal(
        dict(roles), settings, resolved.mapping, resolved.missing, resolved.needs_threshold,
        better=resolved.better, codes=resolved.codes,
    )  # fmt: skip
    if resolved.mapping is None:
        return proposal
    tried: list[tuple[int, tuple[Row, ...]]] = []
    bad: list[tuple[int, BadRow]] = []
    cut: list[int] = []
    passed: list[int] = []
    read = resolved.mapping.as_read(rows, written)
    for number, row in enumerate(read):
        try:
            made, is_cut = map_telling(resolved.mapping, row)
            if not made:
                passed.append(number)
                continue
            tried.append((number, tuple(made)))
            cut += [number] if is_cut else []
        except BadRow as why:
            bad.append((number, why))
    context = resolved.mapping.source("context")
    leaks = tuple(n for n, made in tried if any(_tells_its_answer(one, read[n], context) for one in made))
    unread = left_out(resolved.mapping, list(columns), read)
    unasked = tuple(number for number, _ in tried if is_unasked(resolved.mapping, read[number]))
    sure = bool(tried) and not bad and not leaks and not unasked and not unread
    sure = sure and verdict(method, [row for _, made in tried for row in made]) == "accept"
    learnt = _learnt_though_bad(resolved.mapping, columns, read, [number for number, _ in tried])
    return replace(
        proposal, tried=tuple(tried), bad=tuple(bad), leaks=leaks, unasked=unasked, cut=tuple(cut),
        passed=tuple(passed), learnt=learnt, unread=unread, sure=sure,
    )  # fmt: skip


def _learnt_though_bad(
    mapping: DataMapping, columns: Iterable[Column], rows: list[Row], tried: list[int]
) -> tuple[int, ...]:
    """The rows that SFT learns like the others, though a column that is left aside says that their answer is bad."""
    if not any(mapping.source(role) for role in ("answer", "conversation")) or mapping.picks:
        return ()
    if mapping.target not in ("prompt-completion", "language modeling"):
        return ()
    names = [one.name for one in judging(columns, rows)]
    return tuple(number for number in tried if any(word(rows[number].get(name)) in BAD for name in names))


def _tells_its_answer(row: Row, before: Row, context: Source | None) -> bool:
    """Whether the prompt of a row holds an answer of it; short ones may stand there by chance.

    Of a prompt alone the answers are those of the row that it is made of. Of options to choose from one is the answer.
    """
    answers = [said for name in ("completion", "chosen", "rejected", "solution") for said in _texts(row.get(name))]
    answers += answers_of(before) if set(row) & {"completion", "chosen"} == set() else []
    asked = _texts(row.get("prompt"))
    if context is not None and context.reading == "options":
        offered = written(before.get(context.column), context.text)
        asked = [said.removesuffix(offered) for said in asked]
    return any(len(answer) >= TELLING and answer in said for said in asked for answer in answers)


def _texts(cell: Any) -> list[str]:
    """What a text or messages say."""
    said = [one.get("content") for one in cell] if isinstance(cell, list) else [cell]
    return [text.strip() for text in said if isinstance(text, str)]


def verdict(method: str, rows: list[Row]) -> str:
    """What the judge says to rows that a mapping made."""
    names = dict.fromkeys(name for row in rows for name in row)
    columns = [column_of(name, (row.get(name) for row in rows)) for name in names]
    return judge(method, columns, rows).verdict


def final_mark(roles: Mapping[str, str], rows: list[dict[str, Any]]) -> str:
    """The mark before final answers, where every solution that was looked at has it."""
    column = next((name for name, role in roles.items() if role == "solution"), None)
    texts = [row.get(column) for row in rows if row.get(column)] if column else []
    marked = [text for text in texts if isinstance(text, str) and final_answer(text, _MARK) not in ("", text)]
    return _MARK if texts and len(marked) == len(texts) else ""
