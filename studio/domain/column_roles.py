"""Roles that a column can play for a method, what they are called, and what of them makes one of TRL's types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

from studio.domain.column_readings import are_calls, better_of, source_of
from studio.domain.columns import Column, prevailing
from studio.domain.mapping import MADE, DataMapping, Source
from studio.domain.options import first_mark
from studio.domain.verdict_words import BAD, GOOD, codes, marked_winners, says_good_or_bad, winner_words

Sources = tuple[tuple[str, Source], ...]
# Each role with the words of its choice in a column's header.
ROLE_WORDS = {
    "system": "System",
    "question": "Question",
    "context": "Context",
    "reasoning": "Reasoning",
    "answer": "Answer",
    "conversation": "Conversation",
    "text": "Text",
    "chosen": "Better answer",
    "rejected": "Worse answer",
    "answer a": "Answer A",
    "answer b": "Answer B",
    "winner": "Which is better",
    "rated": "Answer with score",
    "answers": "Answers",
    "scores": "Scores",
    "label": "Thumbs up or down",
    "score": "Score",
    "solution": "Solution",
    "tools": "Tools",
    "keep": "For rewards",
}
_ASKED = ("system", "question", "context")
_PAIRED = ("chosen", "rejected", "answer a", "answer b", "winner", "rated", "answers", "scores")
_OFFERED = {
    "sft": (
        *(*_ASKED, "reasoning", "answer", "conversation", "text", "label", "score", "chosen"),
        *("answer a", "answer b", "winner", "rated", "answers", "scores", "tools"),
    ),
    "dpo": (*_ASKED, *_PAIRED, "tools"),
    "reward": (*_ASKED, *_PAIRED, "tools"),
    "kto": (*_ASKED, "reasoning", "answer", "conversation", "label", "score", *_PAIRED),
    "grpo": (*_ASKED, "conversation", "chosen", "rejected", "solution", "keep", "tools"),
    "rloo": (*_ASKED, "conversation", "chosen", "rejected", "solution", "keep", "tools"),
    "distillation": (*_ASKED, "conversation", "chosen", "rejected", "tools"),
}
MANY = ("rated", "answers", "scores", "keep")  # roles of more than one column
_SCORED = ("rated", "scores", "score")
_NO_WINNER = "Two answers and the column that says which is better are needed."


@dataclass(frozen=True)
class Settings:
    """What roles alone do not say: the form of texts, the threshold of scores, and the mark before final answers.

    `better` is the better one of two scores, `higher` or `lower`; "" goes by what their names say. `code` are the two
    values of a column that says which answer is better, as A/B.
    """

    form: str = "messages"
    threshold: float | None = None
    after: str = ""
    better: str = ""
    code: str = ""


@dataclass(frozen=True)
class Resolved:
    """The mapping that chosen roles come to; without one, `missing` says what is still to be chosen, in words.

    `needs_threshold` says that scores are among the roles, of which good ones are to be told from bad ones. `better`
    is how scores are read, `higher` or `lower`: "" where that is to be chosen, None where there are no scores. `codes`
    are what the values of a winner's column may mean, where they do not tell themselves.
    """

    mapping: DataMapping | None = None
    missing: str = ""
    needs_threshold: bool = False
    better: str | None = None
    codes: tuple[str, ...] = ()


def roles_of(method: str) -> tuple[str, ...]:
    """The roles that a column can play for a method."""
    return _OFFERED[method]


def resolve(
    method: str,
    roles: Mapping[str, str],
    columns: Iterable[Column],
    rows: list[dict[str, Any]],
    settings: Settings | None = None,
) -> Resolved:
    """The mapping for a role of each column (`roles`), read as the first rows show that they are written."""
    chosen = settings or Settings()
    known = {one.name: prevailing(one, (row.get(one.name) for row in rows)) for one in columns}
    played = {name: role for name, role in roles.items() if name in known and role in _OFFERED[method]}
    once = [role for role in played.values() if role not in MANY and role != "winner"]
    twice = next((role for role in once if once.count(role) > 1), None)
    if twice:
        return Resolved(missing=_only_one(twice))
    sources: list[tuple[str, Source]] = []
    for name, role in played.items():
        if role == "keep" and name in MADE:
            what = f"`{name}` has a meaning of its own for TRL, and is not kept under that name: choose another role."
            return Resolved(missing=what)
        source = source_of(known[name], role, rows)
        if source is None and role == "context" and known[name].type.startswith(("list<", "struct")):
            first = _first_option(name, played, rows)
            if first is None:
                return Resolved(missing=f"The answers do not say which of the options in `{name}` they mean.")
            source = Source(name, "options", first)
        if source is None:
            return Resolved(missing=f"`{name}` cannot be {ROLE_WORDS[role]}: it holds {known[name].type}.")
        if role == "answer" and "tools" in played.values() and are_calls(known[name], rows):
            source = Source(name, "calls")
        sources.append((role, source))
    order, places = list(ROLE_WORDS), list(known)
    sources.sort(key=lambda one: (order.index(one[0]), places.index(one[1].column)))
    sources, missing = _with_scores(sources)
    if missing:
        return Resolved(missing=missing)
    numbers = [source.score or source.column for role, source in sources if role in _SCORED]
    if not numbers:
        return _resolved(method, tuple(sources), rows, chosen)
    ways = {chosen.better or better_of(name) for name in numbers}
    if len(ways) > 1 or "" in ways:
        named = ", ".join(f"`{name}`" for name in dict.fromkeys(numbers))
        return Resolved(missing=f"Is a higher or a lower number the better one in {named}?", better="")
    better = ways.pop()
    read = tuple(
        (role, replace(source, better=better if better == "lower" and role in _SCORED else ""))
        for role, source in sources
    )
    return replace(_resolved(method, read, rows, chosen), better=better)


def _first_option(name: str, played: Mapping[str, str], rows: list[dict[str, Any]]) -> str | None:
    """The mark of the first of several options, as the column of answers names them."""
    answer = next((column for column, role in played.items() if role in ("answer", "solution")), None)
    full = [row for row in rows if row.get(name) and (answer is None or row.get(answer) not in (None, ""))]
    return first_mark([row[name] for row in full], [row[answer] for row in full] if answer else [])


def _only_one(role: str) -> str:
    return f"Two columns are {ROLE_WORDS[role]}; one can be."


def _with_scores(sources: list[tuple[str, Source]]) -> tuple[list[tuple[str, Source]], str]:
    """The sources with the scores of several answers in the order of these, or what is missing."""
    answers, scores = ([one for role, one in sources if role == name] for name in ("answers", "scores"))
    if not answers or not scores or (len(answers) == len(scores) == 1 and answers[0].reading == scores[0].reading):
        return sources, ""
    if any(one.reading == "list" for one in (*answers, *scores)):
        return sources, "Lists of answers and scores are one column each; else each answer and score has its own."
    if len(answers) != len(scores):
        what = f"{len(answers)} columns are answers, and {len(scores)} are scores"
        return sources, f"{what}: each answer has a score of its own."
    marks = [_marks_of([one.column for one in some]) for some in (answers, scores)]
    if set(marks[0]) == set(marks[1]):
        scores = [scores[marks[1].index(mark)] for mark in marks[0]]
    return [*(one for one in sources if one[0] != "scores"), *(("scores", one) for one in scores)], ""


def _marks_of(names: list[str]) -> list[str]:
    """What tells names apart that are otherwise alike: 0 and 1 of response_0 and response_1."""
    folded = [name.casefold() for name in names]
    begin = _alike(folded)
    end = _alike([name[begin:][::-1] for name in folded])
    return [name[begin : len(name) - end] for name in folded]


def _alike(names: list[str]) -> int:
    """How many characters all names begin with."""
    return sum(1 for _ in takewhile(lambda signs: len(set(signs)) == 1, zip(*names, strict=False)))


def _resolved(method: str, sources: Sources, rows: list[dict[str, Any]], chosen: Settings) -> Resolved:
    have = dict(sources)
    target, missing = _target(method, have)
    if missing:
        return Resolved(missing=missing)
    scored = "score" in have or (target == "unpaired preference" and _numeric_scores(sources, rows))
    if scored and chosen.threshold is None:
        lower = any(source.better == "lower" for source in have.values())
        bound = "up to" if lower else "from"
        return Resolved(missing=f"Scores need a number {bound} which an answer counts as good.", needs_threshold=True)
    winners = [source.column for role, source in sources if role == "winner"]
    first, second, asked, possible = _winning(have, winners, rows, chosen)
    if asked:
        return Resolved(missing=asked, codes=possible)
    if "label" in have and not says_good_or_bad(have["label"].column, rows):
        return Resolved(missing=f"The values of `{have['label'].column}` do not say good or bad.")
    texts = all(source.reading in ("text", "value", "rated", "list", "options") for _, source in sources)
    form = chosen.form if texts and target != "language modeling" else "messages"
    mapping = DataMapping(
        target,
        _without_idle(target, sources),
        "text" if "text" in have else form,
        first,
        second,
        GOOD if "label" in have else (),
        BAD if "label" in have else (),
        chosen.threshold if scored else None,
        chosen.after if "solution" in have else "",
    )
    return Resolved(mapping, needs_threshold=scored, codes=possible)


def _winning(
    have: Mapping[str, Source], winners: list[str], rows: list[dict[str, Any]], chosen: Settings
) -> tuple[tuple[str, ...], tuple[str, ...], str, tuple[str, ...]]:
    """The words for the first and for the second answer, what is to be asked for them, and what they may be."""
    if not {"answer a", "answer b", "winner"} <= set(have):
        return (), (), "", ()
    one, other, winner = have["answer a"].column, have["answer b"].column, winners[0]
    if len(winners) > 1:
        marked = marked_winners(one, other, winners, rows)
        return ((marked[0],), (marked[1],), "", ()) if marked else ((), (), _only_one("winner"), ())
    told = winner_words(one, other, winner, rows)
    if told is not None:
        return told[0], told[1], "", ()
    possible = codes(winner, rows)
    if chosen.code in possible:
        first, _, second = chosen.code.partition("/")
        return (first,), (second,), "", possible
    if possible:
        return (), (), f"Which values of `{winner}` mean that `{one}` or `{other}` is better?", possible
    return (), (), f"The values of `{winner}` do not say which answer they mean.", ()


def _without_idle(target: str, sources: Sources) -> Sources:
    """Roles that say nothing for a target are left out of its mapping."""
    idle = {"language modeling": ("question", "context"), "unpaired preference": ("tools",)}.get(target, ())
    return tuple(one for one in sources if one[0] not in idle)


def _target(method: str, have: Mapping[str, Source]) -> tuple[str, str]:
    """TRL's type that these roles make for a method, or what is missing for one."""
    asked = "question" in have
    if method in ("grpo", "rloo", "distillation"):
        return _prompt_target(have)
    if method == "sft":
        return _sft_target(have)
    if method == "kto" and ("label" in have or "score" in have):
        if "conversation" in have:
            return "unpaired preference", ""
        return _asked("unpaired preference", have, "answer")
    pairs = {"dpo": "preference", "reward": "preference", "kto": "unpaired preference"}[method]
    if "rated" in have or {"answers", "scores"} <= set(have):
        return (pairs, "") if asked else ("", "Which column holds the question?")
    if {"answer a", "answer b", "winner"} <= set(have):
        return _asked(pairs, have, "answer a")
    if {"chosen", "rejected"} <= set(have):
        return _asked(pairs, have, "chosen")
    if method == "kto" and "answer" in have:
        return "", "Which column says whether the answer was good?"
    if "answer a" in have or "answer b" in have or "winner" in have:
        return "", _NO_WINNER
    if "chosen" in have or "rejected" in have:
        return "", "Which column holds the " + ("worse" if "chosen" in have else "better") + " answer?"
    if method == "kto":
        return "", "Which column rates the answers, by thumbs or scores? A better and a worse answer do as well."
    return "", "Which columns hold the better and the worse answer?"


def _prompt_target(have: Mapping[str, Source]) -> tuple[str, str]:
    pair = [role for role in ("chosen", "rejected") if role in have]
    if "conversation" in have and ("question" in have or pair):
        return "", "A question or a conversation: choose one of the two."
    if len(pair) == 1:
        return "", "The better and the worse answer show what both answer to: choose both columns, or none."
    if pair and "question" not in have and any(have[role].reading == "text" for role in pair):
        return "", "Which column holds the question?"
    return (
        ("prompt-only", "")
        if {"question", "conversation", *pair} & set(have)
        else ("", "Which column holds the question?")
    )


def _sft_target(have: Mapping[str, Source]) -> tuple[str, str]:
    known = ("text", "conversation", "answer", "chosen", "answer a", "rated", "answers")
    ways = [role for role in known if role in have]
    if len(ways) > 1:
        return "", f"{ROLE_WORDS[ways[0]]} or {ROLE_WORDS[ways[1]].lower()}: choose one of the two to learn from."
    if not ways:
        words = "Which column holds the answer?" if "question" in have else "Which columns are to be learnt from?"
        return "", words
    if ways[0] in ("text", "conversation"):
        return "language modeling", ""
    if ways[0] == "answer a" and not {"answer b", "winner"} <= set(have):
        return "", _NO_WINNER
    if ways[0] == "answers" and "scores" not in have:
        return "", "Which column holds the scores of the answers?"
    if ways[0] in ("rated", "answers"):
        return ("prompt-completion", "") if "question" in have else ("", "Which column holds the question?")
    return _asked("prompt-completion", have, ways[0])


def _asked(target: str, have: Mapping[str, Source], answer: str) -> tuple[str, str]:
    """The target where the question is in a column of its own, or stands before the answer in its column."""
    if answer not in have:
        return "", "Which column holds the answer?"
    if "question" in have or have[answer].reading != "text":
        return target, ""
    return "", "Which column holds the question?"


def _numeric_scores(sources: Iterable[tuple[str, Source]], rows: list[dict[str, Any]]) -> bool:
    for role, source in sources:
        cells = [row.get(source.column) for row in rows]
        if role == "scores":
            return True
        if role == "rated":
            ones = [one for cell in cells for one in (cell if isinstance(cell, list) else [cell])]
            scores = [one.get(source.score) for one in ones if isinstance(one, dict)]
            if any(score is not None and not isinstance(score, bool) for score in scores):
                return True
    return False
