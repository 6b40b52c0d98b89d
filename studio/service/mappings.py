"""What a dataset would become by a mapping: proposed or chosen, tried on its first rows, and said without a copy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from studio.domain.column_roles import Settings, roles_of
from studio.domain.columns import Column, column_of
from studio.domain.findings import Finding, Fix
from studio.domain.mapping import DataMapping, Row
from studio.domain.recogniser import Proposal, final_mark, propose, recognise
from studio.domain.switching import judge
from studio.service.data import Inspection
from studio.service.preparing import SHARE, Job, own_test

Key = tuple[str, str, str, str]
_COMPARING = ("kto", "dpo", "reward")  # methods that learn from more than one answer to a question
_ALONE = {"system", "question", "context", "reasoning", "answer", "conversation", "tools"}


@dataclass
class Choice:
    """What the user has chosen for one dataset and method; what is None stands as it is proposed.

    `proposed` is the name that was shown where none is chosen, `share` what is held out, in hundredths, or
    `split:NAME` for one of the source's own splits. `job` is the one that goes on, which an earlier page may have
    started (it is `sought` once), and `trouble` the Finding that the last one ended with.
    """

    key: Key = ("", "", "", "")
    roles: dict[str, str] | None = None
    settings: Settings | None = None
    name: str | None = None
    proposed: str = ""
    share: str | None = None
    leave_out: bool = False
    job: Job | None = None
    trouble: Finding | None = None
    sought: bool = False
    agreed: int = 0  # bytes to be downloaded that were said
    _known: tuple[Any, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Draft:
    """A mapping as it stands: `offered` says that it is worth showing, `own` says it in TRL's own arguments.

    `instead` are the methods that can learn from such data, where a row has one answer and the method needs more.
    """

    proposal: Proposal
    offered: bool
    own: Fix | None = None
    share: str = ""
    tests: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()


def key_of(looked: Inspection) -> Key:
    return (looked.name, looked.config, looked.split, looked.method)


def draft(looked: Inspection, choice: Choice, values: Mapping[str, Any]) -> Draft | None:
    """What is proposed or chosen for a dataset; None where nothing of it is known."""
    if not looked.columns or not looked.rows:
        return None
    roles = dict(choice.roles) if choice.roles is not None else None
    asked = (roles, choice.settings, choice.share)
    if not choice._known or choice._known[0] is not looked or choice._known[1] != asked:
        choice._known = (looked, asked, _drafted(looked, choice, values))
    found: Draft = choice._known[2]
    return found


def _drafted(looked: Inspection, choice: Choice, values: Mapping[str, Any]) -> Draft:
    rows = list(looked.rows)
    proposal = recognise(looked.method, looked.columns, rows, looked.written)
    if choice.roles is not None or choice.settings is not None:
        unclear = proposal.unclear if choice.roles is None else ()
        roles = proposal.roles if choice.roles is None else choice.roles
        settings = choice.settings or Settings(after=final_mark(roles, rows))
        changed = propose(looked.method, roles, looked.columns, rows, settings, looked.written)
        proposal = replace(changed, unclear=unclear, sure=changed.sure and not unclear)
    proposal, instead = _answered_once(looked, proposal, chosen=choice.roles is not None)
    own = _own_words(looked, proposal, values)
    test = own_test(looked.splits, looked.split)
    share = choice.share or (f"split:{test}" if test else f"{SHARE * 100:g}")
    others = tuple(split for split in looked.splits if split != looked.split)
    offered = choice.roles is not None or _is_worth_it(looked, proposal)
    return Draft(proposal, offered, own, share, others, instead)


def _answered_once(looked: Inspection, proposal: Proposal, chosen: bool) -> tuple[Proposal, tuple[str, ...]]:
    """Of data with one answer a row, where the method needs more: what is recognised, and who can learn from it."""
    if looked.method not in _COMPARING or proposal.mapping is not None or proposal.unclear:
        return proposal, ()
    if not _ALONE.issuperset(proposal.roles.values()):
        return proposal, ()
    rows = list(looked.rows)
    by_sft, by_grpo = (recognise(method, looked.columns, rows, looked.written) for method in ("sft", "grpo"))
    if by_sft.mapping is None or not {"answer", "conversation"} & set(by_sft.roles.values()):
        return proposal, ()
    if looked.method == "kto" and not chosen:  # the rating alone is left to choose
        roles = {name: role for name, role in by_sft.roles.items() if role in roles_of("kto")}
        proposal = propose("kto", roles, looked.columns, rows, proposal.settings, looked.written)
    return proposal, ("sft", "grpo") if by_grpo.mapping is not None else ("sft",)


def _is_worth_it(looked: Inspection, proposal: Proposal) -> bool:
    """Whether TRL would stop at the columns, or would take them with warnings that a mapping settles."""
    said = [found.level for found in looked.findings if found.where.kind == "column"]
    if "error" in said:
        return True
    if "warning" not in said or proposal.mapping is None:
        return False
    if any(source.reading == "json" for _, source in proposal.mapping.roles):
        return True  # TRL would learn the text as it is written, or show it to the model
    if not proposal.sure:
        return False
    if proposal.mapping.source("text") is not None:
        return False  # texts are learnt as they are: without the column that a warning is of, it is not settled
    made = [row for _, rows in proposal.tried for row in rows]
    left = judge(looked.method, _columns(made), made, {}).findings
    return sum(found.level == "warning" for found in left) < said.count("warning")


def _columns(rows: Iterable[Row]) -> list[Column]:
    every = list(rows)
    names = dict.fromkeys(name for row in every for name in row)
    return [column_of(name, (row.get(name) for row in every)) for name in names]


def _own_words(looked: Inspection, proposal: Proposal, values: Mapping[str, Any]) -> Fix | None:
    """The change to the recipe that does what the mapping would do without a copy; None where there is none."""
    mapping = proposal.mapping
    if mapping is None or proposal.bad or not proposal.tried or mapping.picks:
        return None
    method, rows = looked.method, list(looked.rows)
    text = mapping.source("text")
    if text is not None and text.reading == "text":
        named = {**values, "dataset_text_field": text.column}
        if judge(method, looked.columns, rows, named).verdict == "accept":
            plain = text.column == "text"
            change = Fix(f"Learn from `{text.column}`", {} if plain else {"dataset_text_field": text.column})
            return replace(change, unset=("dataset_text_field",)) if plain else change
    return _selected(looked, proposal, mapping, values)


def _selected(looked: Inspection, proposal: Proposal, mapping: DataMapping, values: Mapping[str, Any]) -> Fix | None:
    """Columns that are right as they are, and only to be told from the others."""
    for number, made in proposal.tried:
        source = looked.rows[number]
        if len(made) != 1 or any(source.get(name) != cell for name, cell in made[0].items()):
            return None
    names = list(proposal.tried[0][1][0])
    kept = [column for column in looked.columns if column.name in names]
    shown = [{name: row.get(name) for name in names} for row in looked.rows]
    if judge(looked.method, kept, shown, values).verdict != "accept":
        return None
    entries = looked.values.get("datasets")
    entry = dict(entries[0]) if isinstance(entries, list) and entries else {"path": looked.values.get("dataset_name")}
    if looked.values.get("dataset_config"):
        entry["name"] = looked.values["dataset_config"]
    entry["split"], entry["columns"] = entry.get("split", looked.split or "train"), names
    words = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    unset = ("dataset_name", "dataset_config", "dataset_train_split")
    return Fix(f"Load {words} alone", {"datasets": [entry]}, unset)
