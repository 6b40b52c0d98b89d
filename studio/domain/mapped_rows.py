"""Rows through a mapping: what each of TRL's types is made of, and why a row cannot be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from studio.domain.conversations import (
    Message,
    Unreadable,
    assistant,
    before_answer,
    is_blank,
    last_answer,
    read_messages,
    read_text,
    system,
    user,
)
from studio.domain.mapping import MADE, BadRow, DataMapping, Row, Source, final_answer, number, reasoned, word
from studio.domain.options import written
from studio.domain.verdict_words import NEITHER


def map_row(mapping: DataMapping, row: Mapping[str, Any]) -> list[Row]:
    """The rows that one row becomes: one, or for an unpaired preference one for each answer. Raises BadRow.

    A row that is passed over, since its answer is a bad one to learn, becomes none.
    """
    return map_telling(mapping, row)[0]


def map_telling(mapping: DataMapping, row: Mapping[str, Any]) -> tuple[list[Row], bool]:
    """The same, and whether turns of a conversation that follow its last answer are left out. Raises BadRow."""
    cells = _Cells(mapping, row)
    if mapping.picks and not cells.label():
        return [], False
    return _BUILD[mapping.target](cells), cells.cut


def is_unasked(mapping: DataMapping, row: Mapping[str, Any]) -> bool:
    """Whether a row that can be mapped has a question of its own that the conversations beside it do not hold."""
    return _Cells(mapping, row).unasked()


class _Cells:
    """One row through a mapping."""

    def __init__(self, mapping: DataMapping, row: Mapping[str, Any]) -> None:
        self.mapping, self.row = mapping, row
        self.cut = False  # whether turns after the last answer were left out

    def has(self, role: str) -> bool:
        return self.mapping.source(role) is not None

    def cell(self, source: Source) -> Any:
        return self.row.get(source.column)

    def _said(self, source: Source) -> str:
        """A cell as text; "" where it is null."""
        try:
            if source.reading == "options":
                return written(self.cell(source), source.text)
            return read_text(self.cell(source))
        except Unreadable as error:
            raise BadRow(str(error), source.column) from None

    def text(self, role: str, needed: bool = True) -> str:
        """The text of a role; "" where it is not needed and there is none."""
        source = self.mapping.source(role)
        if source is None:
            if needed:
                raise BadRow(f"There is no column for the role {role}.")
            return ""
        said = self._said(source)
        if is_blank(said):
            if needed:
                raise BadRow("is empty" if self.cell(source) is not None else "is null", source.column)
            return ""
        return said

    def messages(self, source: Source) -> list[Message]:
        try:
            return read_messages(self.cell(source), source.reading)
        except Unreadable as error:
            raise BadRow(str(error), source.column) from None

    # --- what is asked

    def asked(self) -> list[Message]:
        """The messages of the prompt, of the roles that ask alone."""
        head = [system(said)] if (said := self.text("system", needed=False)) else []
        source = self.mapping.source("question")
        if source is None:
            return head
        if source.reading == "text":
            return [*head, user(self.question())]
        try:
            turns = before_answer(self.messages(source))
        except Unreadable as error:
            raise BadRow(str(error), source.column) from None
        return self.with_context(turns if turns[0]["role"] == "system" else [*head, *turns])

    def with_context(self, turns: list[Message]) -> list[Message]:
        """The context after the last question of the user, where nothing that is said holds it already."""
        context = self.text("context", needed=False)
        if not context or any(context.strip() in one["content"] for one in turns):
            return turns
        place = max(number for number, one in enumerate(turns) if one["role"] == "user")
        told = {**turns[place], "content": f"{turns[place]['content']}\n\n{context}"}
        return [*turns[:place], told, *turns[place + 1 :]]

    def question(self) -> str:
        context = self.text("context", needed=False)
        return f"{self.text('question')}\n\n{context}" if context else self.text("question")

    def asked_text(self) -> str:
        said = self.text("system", needed=False)
        return f"{said}\n\n{self.question()}" if said else self.question()

    # --- what is answered

    def answer_text(self, role: str) -> str:
        said = self.text(role)
        reasoning = self.text("reasoning", needed=False) if role == "answer" else ""
        return reasoned(reasoning, said) if reasoning else said

    def spoken(self, role: str) -> tuple[list[Message], list[Message]]:
        """What stands before an answer in its own column, and the answer."""
        source = self.mapping.source(role)
        if source is None or source.reading == "text":
            return [], [assistant(self.answer_text(role))]
        turns = self.messages(source)
        try:
            place = last_answer(turns)
        except Unreadable as error:
            raise BadRow(str(error), source.column) from None
        self.cut = self.cut or place < len(turns) - 1
        return turns[:place], [turns[place]]

    def prompt_for(self, before: list[Message], role: str) -> list[Message]:
        """The prompt: what stands before the answer where somebody asks there, else the question's own column.

        Of a question's column that ends with what stands there, all is asked.
        """
        asked = self.asked()
        if any(message["role"] == "user" for message in before):
            if asked[-len(before) :] == before:
                return asked
            head = [turn for turn in asked[:1] if turn["role"] == "system" and before[0]["role"] != "system"]
            return self.with_context(head + before)
        if not any(message["role"] == "user" for message in asked):
            source = self.mapping.source(role)
            raise BadRow("has no question before the answer", source.column if source else "")
        place = 1 if asked[0]["role"] == "system" else 0
        if place and before[:1] == asked[:1]:
            before = before[1:]
        if place and any(message["role"] == "system" for message in before):
            source = self.mapping.source(role)
            raise BadRow("has a system message of its own beside that column", source.column if source else "")
        return [*asked[:place], *before, *asked[place:]]

    def unasked(self) -> bool:
        """Whether the question's column says something that the prompt, made of an answer's own column, does not."""
        role = next((one for one in ("chosen", "answer a", "answer", "conversation") if self.has(one)), "")
        if not role or not self.has("question") or self.is_text:
            return False
        before, _ = self.spoken(_sides(self)[0] if role == "answer a" else role)
        said = [one["content"].strip() for one in self.prompt_for(before, role)]
        source = self.mapping.source("question")
        if source is None or source.reading == "text":
            questions = [self.text("question").strip()]
        else:
            turns = before_answer(self.messages(source))
            questions = [one["content"].strip() for one in turns if one["role"] == "user"]
        # A prompt may be written as a transcript, or in a template, around what is asked.
        return not all(any(one in asked or asked in one for one in said if one) for asked in questions)

    def prompted(self, role: str) -> tuple[list[Message], list[Message]]:
        """Prompt and answer of a role."""
        before, said = self.spoken(role)
        return self.prompt_for(before, role), said

    def rated(self) -> list[tuple[str, Any]]:
        """The answers of the row that have a score, with their merit: the higher, the better."""
        found: list[tuple[str, Any]] = []
        for source in self.mapping.sources("rated"):
            cell = self.cell(source)
            for one in cell if isinstance(cell, list) else [cell]:
                if isinstance(one, dict):
                    found.append((one.get(source.text), one.get(source.score)))  # type: ignore[arg-type]
        for answers, scores in zip(self.mapping.sources("answers"), self.mapping.sources("scores"), strict=False):
            texts, numbers = self.cell(answers), self.cell(scores)
            if answers.reading != "list":  # one in each column
                texts, numbers = [self._said(answers)], [numbers]
            if not isinstance(texts, list) or not isinstance(numbers, list) or len(texts) != len(numbers):
                raise BadRow(f"and `{scores.column}` are not lists of one length", answers.column)
            found += zip(texts, numbers, strict=True)
        scored = [(said, score) for said, cell in found if (score := number(cell)) is not None]
        kept = [(said, score) for said, score in scored if isinstance(said, str) and not is_blank(said)]
        if not kept:
            raise BadRow("There is no answer with a score.")
        if self.mapping.target == "unpaired preference" and len(kept) < len(found):
            # Each answer becomes a row of its own here, and none is to be lost in silence.
            raise BadRow(f"{len(found) - len(kept)} of the {len(found)} answers have no score or no text.")
        return [(said, self.merit(score)) for said, score in kept]

    def merit(self, score: Any) -> Any:
        """A score turned so that the higher one is better."""
        if not self.mapping.lower_is_better:
            return score
        return not score if isinstance(score, bool) else -score

    def is_good(self, merit: Any) -> bool:
        threshold = self.mapping.threshold
        if isinstance(merit, bool) or threshold is None:
            return bool(merit)
        return bool(merit >= self.merit(threshold))

    def label(self) -> bool:
        """Thumbs up or down."""
        if (source := self.mapping.source("score")) is not None:
            score = number(self.cell(source))
            if score is None:
                raise BadRow("is no number", source.column)
            return self.is_good(self.merit(score))
        source = self.mapping.source("label")
        if source is None:
            raise BadRow("There is no column for the role label.")
        said = word(self.cell(source))
        if said in self.mapping.good or said in self.mapping.bad:
            return said in self.mapping.good
        raise BadRow(f"is {self.cell(source)!r}, which says neither good nor bad", source.column)

    def kept(self) -> Row:
        """Columns that go along as they are: tools for the chat template, and what rewards may look at."""
        named = [(source.column if role == "keep" else role, source) for role, source in self.mapping.roles
                 if role in ("keep", "tools")]  # fmt: skip
        return {name: self.cell(source) for name, source in named if name not in MADE}

    @property
    def is_text(self) -> bool:
        return self.mapping.form == "text"


# --- one for each of TRL's types


def _language_modeling(cells: _Cells) -> list[Row]:
    if cells.has("text"):
        return [{"text": cells.text("text")}]
    source = cells.mapping.source("conversation")
    if source is None:
        raise BadRow("There is no column for the role conversation.")
    turns = cells.messages(source)
    try:
        last_answer(turns)
    except Unreadable as error:
        raise BadRow(str(error), source.column) from None
    said = cells.text("system", needed=False)
    if said and turns[0]["role"] != "system":
        turns = [system(said), *turns]
    return [{"messages": turns, **cells.kept()}]


def _prompt_completion(cells: _Cells) -> list[Row]:
    if cells.has("rated") or cells.has("answers"):
        said, merit = max(cells.rated(), key=lambda one: one[1])
        if merit is False or (cells.mapping.threshold is not None and not cells.is_good(merit)):
            raise BadRow("No answer is good enough to learn from.")
        prompt, answer = cells.prompt_for([], "question"), [assistant(said)]
    else:
        role = "answer" if cells.has("answer") else _sides(cells)[0]
        if cells.is_text:
            return [{"prompt": cells.asked_text(), "completion": cells.answer_text(role)}]
        prompt, answer = cells.prompted(role)
    if cells.is_text:
        return [{"prompt": cells.asked_text(), "completion": answer[0]["content"]}]
    return [{"prompt": prompt, "completion": answer, **cells.kept()}]


def _pair(cells: _Cells) -> tuple[Any, Any, Any]:
    """Prompt, better and worse answer."""
    if cells.has("rated") or cells.has("answers"):
        scored = cells.rated()
        best, worst = max(scored, key=lambda one: one[1]), min(scored, key=lambda one: one[1])
        if best[1] == worst[1]:
            raise BadRow("No two answers differ in their score.")
        if cells.is_text:
            return cells.asked_text(), best[0], worst[0]
        return cells.prompt_for([], "question"), [assistant(best[0])], [assistant(worst[0])]
    better, worse = _sides(cells)
    if cells.is_text:
        return cells.asked_text(), cells.answer_text(better), cells.answer_text(worse)
    (before, good), (other, bad) = cells.spoken(better), cells.spoken(worse)
    if before != other:
        before, good, bad = _parted(cells, before + good, other + bad, worse)
    return cells.prompt_for(before, better), good, bad


def _sides(cells: _Cells) -> tuple[str, str]:
    """The roles of the better and the worse answer."""
    winners = cells.mapping.sources("winner")
    if not winners:
        return "chosen", "rejected"
    source, said = winners[0], word(cells.cell(winners[0]))
    if len(winners) > 1:  # each is 1 where its answer is the better one
        marked = [one.column for one in winners if word(cells.cell(one)) in ("1", "true")]
        said = marked[0] if len(marked) == 1 else ""
        if said not in (*cells.mapping.first, *cells.mapping.second):
            others = ", ".join(f"`{one.column}`" for one in winners[1:])
            raise BadRow(f"and {others} do not say which answer is better", source.column)
    if said in cells.mapping.first:
        return "answer a", "answer b"
    if said in cells.mapping.second:
        return "answer b", "answer a"
    means = "so neither answer is the better one" if said in NEITHER else "which does not say which answer is better"
    raise BadRow(f"is {cells.cell(source)!r}, {means}", source.column)


def _parted(cells: _Cells, one: list[Message], other: list[Message], role: str) -> tuple[Any, Any, Any]:
    """Two conversations at the point where they part."""
    shared = 0
    while shared < min(len(one), len(other)) and one[shared] == other[shared]:
        shared += 1
    good, bad = one[shared:], other[shared:]
    if not good or not bad or good[0]["role"] != "assistant" or bad[0]["role"] != "assistant":
        source = cells.mapping.source(role)
        raise BadRow("parts from the better answer where the user speaks", source.column if source else "")
    return one[:shared], good, bad


def _preference(cells: _Cells) -> list[Row]:
    prompt, better, worse = _pair(cells)
    if better == worse:
        raise BadRow("Both answers are the same.")
    return [{"prompt": prompt, "chosen": better, "rejected": worse, **cells.kept()}]


def _unpaired(cells: _Cells) -> list[Row]:
    mapping = cells.mapping
    if cells.has("rated") or cells.has("answers"):
        asked: Any = cells.asked_text() if cells.is_text else cells.prompt_for([], "question")
        answers = [
            (said if cells.is_text else [assistant(said)], cells.is_good(merit)) for said, merit in cells.rated()
        ]
        return [{"prompt": asked, "completion": said, "label": good} for said, good in answers]
    if mapping.source("label") or mapping.source("score"):
        role = "conversation" if cells.has("conversation") else "answer"
        if cells.is_text:
            prompt, answer = cells.asked_text(), cells.answer_text(role)
        else:
            prompt, answer = cells.prompted(role)  # type: ignore[assignment]
        return [{"prompt": prompt, "completion": answer, "label": cells.label()}]
    prompt, better, worse = _pair(cells)
    if better == worse:
        raise BadRow("Both answers are the same.")
    return [
        {"prompt": prompt, "completion": better, "label": True},
        {"prompt": prompt, "completion": worse, "label": False},
    ]


def _prompt_only(cells: _Cells) -> list[Row]:
    source = cells.mapping.source("conversation")
    prompt: Any
    if source is not None:
        try:
            turns = cells.messages(source)
            prompt = before_answer(turns)
        except Unreadable as error:
            raise BadRow(str(error), source.column) from None
        said = cells.text("system", needed=False)
        prompt = [system(said), *prompt] if said and prompt[0]["role"] != "system" else prompt
    elif cells.is_text:
        prompt = cells.asked_text()
    elif cells.has("chosen"):
        prompt = _pair(cells)[0]  # what both answer to
    else:
        prompt = cells.prompt_for([], "question")
    row = {"prompt": prompt, **cells.kept()}
    if cells.has("solution"):
        row["solution"] = final_answer(cells.text("solution"), cells.mapping.after)
    return [row]


_BUILD: dict[str, Callable[[_Cells], list[Row]]] = {
    "language modeling": _language_modeling,
    "prompt-completion": _prompt_completion,
    "preference": _preference,
    "unpaired preference": _unpaired,
    "prompt-only": _prompt_only,
}
