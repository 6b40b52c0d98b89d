"""Recognises the world's formats of data: proposes which column plays which role for a method, and how surely."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from studio.domain.column_roles import (
    Resolved,
    Settings,
    pair_of,
    rated_fields,
    reading_of,
    resolve,
    says_good_or_bad,
    winner_words,
)
from studio.domain.columns import Column, column_of
from studio.domain.dataset_types import judge
from studio.domain.mapped_rows import map_row
from studio.domain.mapping import BadRow, DataMapping, Row, final_answer

# What the world calls the columns of each role, in lower case.
_NAMES = {
    "system": ("system", "system_prompt", "system_message", "sys_prompt"),
    "question": (
        *("prompt", "question", "instruction", "query", "problem", "user", "human", "user_prompt", "user_message"),
        *("prompt_text", "history", "task"),
    ),
    "context": ("context", "passage"),
    "reasoning": ("reasoning", "rationale", "cot", "chain_of_thought", "thinking", "thought", "reasoning_content"),
    "answer": (
        *("completion", "response", "answer", "output", "assistant", "reply", "generated_solution", "model_answer"),
        *("model_response", "bot", "target", "generation", "solution", "ground_truth"),
    ),
    "conversation": ("messages", "conversations", "conversation", "dialogue", "dialog", "chat", "turns"),
    "chosen": (
        *(
            "chosen",
            "preferred",
            "better",
            "chosen_response",
            "response_chosen",
            "chosen_answer",
            "positive",
            "accepted",
        ),
        *("better_response", "good", "win"),
    ),
    "rejected": (
        *("rejected", "dispreferred", "worse", "rejected_response", "response_rejected", "rejected_answer", "negative"),
        *("worse_response", "bad", "lose", "unpreferred"),
    ),
    "winner": (
        *("winner", "preference", "preferred", "better", "better_response_id", "choice", "label", "labels", "verdict"),
        *("preferred_response", "winning"),
    ),
    "label": (
        *("label", "labels", "thumbs", "thumbs_up", "thumb", "feedback", "is_good", "liked", "vote", "is_correct"),
        *("correct", "is_chosen", "rating", "reaction", "good"),
    ),
    "score": ("score", "rating", "overall_score", "reward", "quality", "stars", "label"),
    "answers": ("responses", "answers", "completions", "generations", "candidates", "outputs"),
    "scores": ("scores", "ratings", "rewards", "rating"),
    "solution": ("solution", "final_answer", "expected_answer", "ground_truth", "gold", "gold_answer"),
    "text": ("text", "content", "document", "body", "article", "story", "code", "raw_text", "raw_content"),
    "tools": ("tools", "functions"),
}
_ANSWERING = {*_NAMES["answer"], *_NAMES["chosen"], *_NAMES["rejected"], *_NAMES["solution"], *_NAMES["reasoning"]}
_SPOKEN = ("text", "messages", "json", "transcript")
_NUMBERS = ("integer", "number")
_TELLING = 24  # characters of an answer that are no chance in a prompt
_MARK = "####"  # before the final answer, as in GSM8K


@dataclass(frozen=True)
class Proposal:
    """What is proposed, or chosen, for a dataset: a role for some columns, and the mapping that they make.

    `tried` are pairs of a first row's number and the rows that it becomes, `bad` those that cannot be mapped, with
    why; `unclear` names roles that more than one column might play, `leaks` the rows whose prompt holds their answer.
    `better` is how scores are read, as in Resolved. `sure` says that nothing is left to decide.
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
    better: str | None = None
    sure: bool = False


def recognise(method: str, columns: Iterable[Column], rows: list[dict[str, Any]]) -> Proposal:
    """Which roles the columns seem to play for a method; a role that two might play is left to the user."""
    found = _Finder(method, list(columns), rows)
    roles, unclear = found.roles()
    settings = Settings(after=final_mark(roles, rows))
    proposal = propose(method, roles, found.columns, rows, settings)
    return replace(proposal, unclear=unclear, sure=proposal.sure and not unclear)


def propose(
    method: str,
    roles: Mapping[str, str],
    columns: Iterable[Column],
    rows: list[dict[str, Any]],
    settings: Settings | None = None,
) -> Proposal:
    """What these roles come to, tried on the first rows and shown to the judge."""
    settings = settings or Settings()
    resolved: Resolved = resolve(method, roles, columns, rows, settings)
    proposal = Proposal(
        dict(roles), settings, resolved.mapping, resolved.missing, resolved.needs_threshold, better=resolved.better
    )
    if resolved.mapping is None:
        return proposal
    tried: list[tuple[int, tuple[Row, ...]]] = []
    bad: list[tuple[int, BadRow]] = []
    for number, row in enumerate(rows):
        try:
            tried.append((number, tuple(map_row(resolved.mapping, row))))
        except BadRow as why:
            bad.append((number, why))
    leaks = tuple(number for number, made in tried if any(map(_tells_its_answer, made)))
    sure = bool(tried) and not bad and not leaks
    sure = sure and verdict(method, [row for _, made in tried for row in made]) == "accept"
    return replace(proposal, tried=tuple(tried), bad=tuple(bad), leaks=leaks, sure=sure)


def _tells_its_answer(row: Row) -> bool:
    """Whether the prompt of a row holds an answer of it; short ones may stand there by chance."""
    answers = [said for name in ("completion", "chosen", "rejected", "solution") for said in _texts(row.get(name))]
    return any(len(answer) >= _TELLING and answer in said for said in _texts(row.get("prompt")) for answer in answers)


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


class _Finder:
    """The columns of a dataset, looked through for each role."""

    def __init__(self, method: str, columns: list[Column], rows: list[dict[str, Any]]) -> None:
        self.method, self.columns, self.rows = method, columns, rows
        self.readings = {column.name: reading_of(column, rows) for column in columns}
        self.found: dict[str, str] = {}  # column: role
        self.unclear: list[str] = []

    def roles(self) -> tuple[dict[str, str], tuple[str, ...]]:
        if self.method in ("grpo", "rloo", "distillation"):
            self._prompts()
        elif self.method == "sft":
            self._demonstrations()
        else:
            self._preferences()
        return self.found, tuple(dict.fromkeys(self.unclear))

    # --- for each kind of method

    def _demonstrations(self) -> None:
        if self._conversation():
            self._take("system", "text")
            self._take("tools")
        elif self._has("rejected") and self._take("chosen", *_SPOKEN):
            self._ask(questions_of="chosen")
        elif self._speaking("answer"):
            self._ask()
            self._take("reasoning", "text")
            if "question" not in self.found.values() and self._only_text():
                self.found = {}
                self._text()
        elif "answer" not in self.unclear and self._rated():
            self._ask()
        else:
            self._text()

    def _preferences(self) -> None:
        if self.method == "kto" and self._thumbs():
            return
        if self._has("chosen") and self._has("rejected"):
            self._take("chosen", *_SPOKEN)
            self._take("rejected", *_SPOKEN)
        elif not self._compared():
            self._rated()
        self._ask(questions_of="chosen")
        self._take("tools")

    def _thumbs(self) -> bool:
        """An answer that stands alone, with a thumb or a score."""
        if self._has("chosen") and self._has("rejected"):
            return False
        answer = self._speaking("answer") or self._conversation()
        labels = [c for c in self._called("label") if c.type in ("boolean", "integer", "number", "text")]
        clear = [c for c in labels if says_good_or_bad(c.name, self.rows) and any(self._cells(c))]
        if answer and len(clear) == 1:
            self.found[clear[0].name] = "label"
        elif answer and len(clear) > 1:
            self.unclear.append("label")
        elif answer and not self._take("score", types=("integer", "number")):
            self.found = {}
            return False
        elif not answer:
            return False
        if "conversation" not in self.found.values():
            self._ask()
            self._take("reasoning", "text")
        return True

    def _prompts(self) -> None:
        asked = self._ask()
        if not asked and "question" not in self.unclear:
            self._conversation()
            self._take("system", "text")
        if self.method != "distillation":
            self._solution()
        self._take("tools")

    def _solution(self) -> None:
        """What rewards compare with; the model does not see it."""
        named = [column for column in self._called("solution") if column.type in ("text", "integer", "number")]
        others = [column for column in self._called("answer") if column.type in ("text", "integer", "number")]
        every = {column.name: column for column in [*named, *others] if column.name not in self.found}
        if len(every) == 1:
            self.found[next(iter(every))] = "solution"
        elif every:
            self.unclear.append("solution")

    # --- for each role

    def _called(self, role: str) -> list[Column]:
        names = _NAMES[role]
        return [one for one in self.columns if one.name.casefold() in names and one.name not in self.found]

    def _has(self, role: str) -> bool:
        return any(self.readings[column.name] for column in self._called(role))

    def _cells(self, column: Column) -> list[Any]:
        return [cell for row in self.rows if (cell := row.get(column.name)) not in (None, "")] or [None]

    def _take(self, role: str, *readings: str, types: tuple[str, ...] = ()) -> bool:
        """Gives a role to the one column that may play it; where there are several, to none."""
        fitting = self._called(role)
        if readings:
            fitting = [one for one in fitting if self.readings[one.name] in readings]
        if types:
            fitting = [one for one in fitting if one.type in types]
        if len(fitting) == 1:
            self.found[fitting[0].name] = role
            return True
        if fitting:
            self.unclear.append(role)
        return False

    def _speaking(self, role: str) -> bool:
        return self._take(role, "text", "messages", "json")

    def _ask(self, questions_of: str = "") -> bool:
        """The question with what belongs to it. `input` is the question where nothing else is, else its context."""
        known = [one for one in self._called("question") if self.readings[one.name] in ("text", "messages", "json")]
        inputs = [one for one in self.columns if one.name.casefold() == "input" and self.readings[one.name] == "text"]
        inputs = [one for one in inputs if one.name not in self.found]
        spoken = [name for name, role in self.found.items() if role == questions_of]
        carried = any(self.readings[name] != "text" for name in spoken)
        if len(known) > 1:
            self.unclear.append("question")
            return False
        if known:
            self.found[known[0].name] = "question"
        elif inputs and not carried:
            self.found[inputs.pop().name] = "question"
        elif not carried:
            return self._transcripts()
        self._take("system", "text")
        contexts = [one for one in self._called("context") if self.readings[one.name] == "text"] + inputs
        if len(contexts) == 1 and known:
            self.found[contexts[0].name] = "context"
        elif contexts and known:
            self.unclear.append("context")
        return bool(known) or "question" in self.found.values()

    def _transcripts(self) -> bool:
        """A prompt that is a transcript, under a name of a question or of a conversation."""
        names = (*_NAMES["question"], *_NAMES["conversation"], "text")
        told = [c for c in self.columns if c.name.casefold() in names and self.readings[c.name] == "transcript"]
        if len(told) != 1 or told[0].name in self.found:
            return False
        self.found[told[0].name] = "question"
        return True

    def _conversation(self) -> bool:
        """The one column that holds conversations, by its name or else by its cells."""
        spoken = [one for one in self.columns if self.readings[one.name] in ("messages", "json", "transcript")]
        spoken = [one for one in spoken if one.name not in self.found and one.name.casefold() not in _ANSWERING]
        named = [one for one in spoken if one.name.casefold() in _NAMES["conversation"]]
        fitting = named or spoken
        if len(fitting) == 1:
            self.found[fitting[0].name] = "conversation"
            return True
        if fitting:
            self.unclear.append("conversation")
        return False

    def _compared(self) -> bool:
        """Two answers, and a column that says which is better."""
        pairs = [
            pair for pair in pair_of([column.name for column in self.columns if column.type not in _NUMBERS])
            if all(self.readings[name] in _SPOKEN for name in pair)
            and not any(part in pair[0].casefold() for part in ("model_", "judge", "_id"))
        ]  # fmt: skip
        if len(pairs) != 1:
            self.unclear += ["answer a"] if pairs else []
            return False
        one, other = pairs[0]
        telling = [c for c in self._called("winner") if winner_words(one, other, c.name, self.rows) is not None]
        self.found |= {one: "answer a", other: "answer b"}
        if len(telling) == 1:
            self.found[telling[0].name] = "winner"
        else:
            self.unclear.append("winner")
        return True

    def _rated(self) -> bool:
        """Answers with their scores: objects that hold both, or two lists."""
        rated = [column for column in self.columns if rated_fields(column) is not None]
        shapes = {(column.type, rated_fields(column)) for column in rated}
        if rated and len(shapes) == 1:
            self.found |= {column.name: "rated" for column in rated}
            return True
        if rated:
            self.unclear.append("rated")
            return False
        if any(c.type == "list<text>" for c in self._called("answers")) and self._called("scores"):
            lists = self._take("answers", types=("list<text>",))
            return self._take("scores", types=("list<integer>", "list<number>")) and lists
        return False

    def _only_text(self) -> bool:
        return sum(self.readings[column.name] == "text" and column.type == "text" for column in self.columns) == 1

    def _text(self) -> None:
        texts = [one for one in self.columns if one.type == "text" and self.readings[one.name] == "text"]
        named = [one for one in texts if one.name.casefold() in _NAMES["text"]]
        fitting = named or ([] if any(one.name.casefold() in _known_names() for one in texts) else texts)
        if len(fitting) == 1:
            self.found[fitting[0].name] = "text"
        elif fitting:
            self.unclear.append("text")


def _known_names() -> set[str]:
    """Names that say another role than text."""
    return {name for role, names in _NAMES.items() if role not in ("text", "answer") for name in names}
