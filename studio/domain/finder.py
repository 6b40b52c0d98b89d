"""The columns of a dataset, looked through for the roles that a method knows."""

from __future__ import annotations

from typing import Any

from studio.domain.column_readings import (
    are_calls,
    are_numbers,
    better_of,
    is_list_as_text,
    judging,
    may_mark,
    rated_fields,
    reading_of,
    says_little,
)
from studio.domain.columns import Column, prevailing
from studio.domain.conversations import Message, Unreadable, read_messages
from studio.domain.role_names import ANSWER_WORDS, ANSWERING, NAMES, TURN_LISTS, known_names, numbered
from studio.domain.verdict_words import codes, is_number_code, marked_winners, pair_of, winner_words

_SPOKEN = ("text", "messages", "json", "transcript")
_TURNS = ("messages", "json", "transcript")
_OPENING = (*NAMES["question"], *NAMES["context"], "input")  # names of what turns are that ask
_NUMBERS = ("integer", "number")


class Finder:
    """The columns of a dataset, looked through for each role."""

    def __init__(self, method: str, columns: list[Column], rows: list[dict[str, Any]]) -> None:
        self.method, self.rows = method, rows
        self.columns = [prevailing(column, (row.get(column.name) for row in rows)) for column in columns]
        self.readings = {column.name: reading_of(column, rows) for column in self.columns}
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
        if self._openings() and self._answers() and not self._whole_conversation():
            self._continued()
        elif self._conversation():
            self._take("system", "text")
            self._take("tools")
            self._label()
        elif self._has("rejected") and self._take("chosen", *_SPOKEN):
            self._ask(questions_of="chosen")
        elif self._calling():
            self._ask()
            self._take("tools")
            self._label()
        elif self._speaking("answer"):
            self._ask()
            self._take("reasoning", "text")
            if "question" not in self.found.values() and self._only_text():
                self.found = {}
                self._text()
            else:
                self._label()
        elif ("answer" not in self.unclear and self._rated()) or ("answer" not in self.unclear and self._best()):
            self._ask()
        elif not self._summed_up():
            self._text()

    def _calling(self) -> bool:
        """An answer that is made of calls of the tools beside it, written out as JSON."""
        known = (*self._called("answer"), *self._called("answers")) if self._called("tools") else ()
        calls = [one for one in known if are_calls(one, self.rows)]
        if len(calls) == 1:
            self.found[calls[0].name] = "answer"
        return len(calls) == 1

    def _best(self) -> bool:
        """Two answers of which one is said to be better, or several with a score each."""
        found, unclear = dict(self.found), self.unclear
        self.unclear = []
        if self._compared() and {"winner", "scores"} & set(self.found.values()):
            return True
        self.found, self.unclear = found, unclear
        return False

    def _continued(self) -> None:
        """Turns that ask, with what is answered to them in a column of its own."""
        opening, answers = self._openings(), self._answers()
        if len(answers) == 1 and any(self._answered(column, answers[0]) for column in opening):
            self.unclear.append("answer")  # the last turn is one too, and another one
        else:
            self._speaking("answer")
        self._ask()
        if any(column.name not in self.found for column in opening):
            self.unclear.append("question")
        self._take("reasoning", "text")
        self._take("tools")
        self._label()

    def _label(self) -> None:
        """What says which answers are good: the others are not to be learnt."""
        clear = [one for one in judging(self.columns, self.rows) if one.name not in self.found]
        if len(clear) == 1:
            self.found[clear[0].name] = "label"
        elif clear:
            self.unclear.append("label")

    def _preferences(self) -> None:
        if self.method == "kto" and self._thumbs():
            return
        alone, self.unclear = self.unclear, []
        if self._has("chosen") and self._has("rejected"):
            self._take("chosen", *_SPOKEN)
            self._take("rejected", *_SPOKEN)
        elif not self._compared():
            self._rated()
        if not {"chosen", "answer a", "rated", "answers"} & set(self.found.values()):
            self.unclear = [*alone, *self.unclear]  # what stood in the way of an answer that stands alone
        self._ask(questions_of="chosen")
        self._take("tools")

    def _thumbs(self) -> bool:
        """An answer that stands alone, with a thumb or a score."""
        if self._has("chosen") and self._has("rejected"):
            return False
        answer = self._speaking("answer") or self._conversation()
        clear = [one for one in judging(self.columns, self.rows) if one.name not in self.found]
        if answer and len(clear) == 1:
            self.found[clear[0].name] = "label"
        elif answer and len(clear) > 1:
            self.unclear.append("label")
        elif answer and not self._take("score", types=("integer", "number"), written="text"):
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
            if not self._conversation() and "conversation" not in self.unclear:
                self._answered_twice()
            self._take("system", "text")
        if self.method != "distillation":
            self._solution()
        self._take("tools")

    def _answered_twice(self) -> None:
        """Conversations that end with either of two answers: what both answer to is the prompt."""
        pair = [
            one for role in ("chosen", "rejected") for one in self._called(role) if self.readings[one.name] in _TURNS
        ]
        if len(pair) == 2 and self._take("chosen", *_TURNS):
            self._take("rejected", *_TURNS)

    def _solution(self) -> None:
        """What rewards compare with; the model does not see it."""
        kinds = ("text", "integer", "number", "boolean")
        named = [column for column in self._called("solution") if column.type in kinds]
        others = [column for column in self._called("answer") if column.type in kinds]
        every = {column.name: column for column in [*named, *others] if column.name not in self.found}
        if len(every) == 1:
            self.found[next(iter(every))] = "solution"
        elif every:
            self.unclear.append("solution")

    # --- for each role

    def _called(self, role: str) -> list[Column]:
        names = NAMES[role]
        return [one for one in self.columns if one.name.casefold() in names and one.name not in self.found]

    def _has(self, role: str) -> bool:
        return any(self.readings[column.name] for column in self._called(role))

    def _take(self, role: str, *readings: str, types: tuple[str, ...] = (), written: str = "") -> bool:
        """Gives a role to the one column that may play it; where there are several, to none.

        Columns of the type `written` may play it where they hold numbers.
        """
        fitting = self._called(role)
        if readings:
            fitting = [one for one in fitting if self.readings[one.name] in readings]
        if types:
            fitting = [
                one for one in fitting
                if one.type in types or (one.type == written and are_numbers(one, self.rows))
            ]  # fmt: skip
        if len(fitting) == 1:
            self.found[fitting[0].name] = role
            return True
        if fitting:
            self.unclear.append(role)
        return False

    def _speaking(self, role: str) -> bool:
        if self._take(role, "text", "messages", "json"):
            return True
        if role in self.unclear or not self._called("question"):
            return False
        return self._take(role, types=("boolean",))  # the answers are yes and no

    def _ask(self, questions_of: str = "") -> bool:
        """The question with what belongs to it. `input` is the question where nothing else is, else its context."""
        known = [one for one in self._called("question") if self.readings[one.name] in ("text", "messages", "json")]
        inputs = [one for one in self.columns if one.name.casefold() == "input" and self.readings[one.name] == "text"]
        inputs = [one for one in inputs if one.name not in self.found]
        spoken = [name for name, role in self.found.items() if role == questions_of]
        carried = any(self.readings[name] != "text" for name in spoken)
        opening = self._openings() if self.found else []
        if len(known) > 1:
            self.unclear.append("question")
            return False
        if known:
            self.found[known[0].name] = "question"
        elif inputs and not carried:
            self.found[inputs.pop().name] = "question"
        elif len(opening) == 1 and not carried:
            self.found[opening[0].name] = "question"
        elif not carried:
            self._transcripts()
        if not carried and "question" not in self.found.values():
            return False
        self._take("system", "text")
        contexts = [one for one in self._called("context") if self.readings[one.name] == "text"]
        contexts += inputs if known or not carried else []
        if len(contexts) == 1:
            self.found[contexts[0].name] = "context"
        elif contexts:
            self.unclear.append("context")
        return "question" in self.found.values()

    def _transcripts(self) -> None:
        """A prompt that is a transcript, under a name of a question or of a conversation."""
        names = (*NAMES["question"], *NAMES["conversation"], "text")
        told = [c for c in self.columns if c.name.casefold() in names and self.readings[c.name] == "transcript"]
        if len(told) == 1 and told[0].name not in self.found:
            self.found[told[0].name] = "question"

    # --- conversations

    def _told(self) -> list[Column]:
        """The columns of turns that are no answers by their names."""
        spoken = [one for one in self.columns if self.readings[one.name] in _TURNS]
        return [one for one in spoken if one.name not in self.found and one.name.casefold() not in ANSWERING]

    def _openings(self) -> list[Column]:
        """Those of them that ask: by their names, or since none of them ends with the assistant."""
        return [one for one in self._told() if one.name.casefold() in _OPENING or self._is_open(one)]

    def _answers(self) -> list[Column]:
        return [one for one in self._called("answer") if self.readings[one.name] in ("text", "messages", "json")]

    def _whole_conversation(self) -> bool:
        """Whether turns under a name of conversations are answered in their own column."""
        named = [one for one in self._told() if one.name.casefold() in NAMES["conversation"]]
        return any(not self._is_open(one) for one in named)

    def _turns(self, column: Column) -> list[tuple[dict[str, Any], list[Message]]]:
        found = []
        for row in self.rows:
            try:
                found.append((row, read_messages(row.get(column.name), str(self.readings[column.name]))))
            except Unreadable:
                continue
        return found

    def _is_open(self, column: Column) -> bool:
        told = self._turns(column)
        return bool(told) and all(turns[-1]["role"] != "assistant" for _, turns in told)

    def _answered(self, column: Column, answer: Column) -> bool:
        """Whether turns end with an answer that is not the one of the answer's column."""
        ends = [(row.get(answer.name), turns[-1]) for row, turns in self._turns(column)]
        others = [(said, turn) for said, turn in ends if turn["role"] == "assistant" and said is not None]
        return any(isinstance(said, str) and turn["content"].strip() != said.strip() for said, turn in others)

    def _conversation(self) -> bool:
        """The one column that holds conversations, by its name or else by its cells."""
        spoken = self._told()
        named = [one for one in spoken if one.name.casefold() in NAMES["conversation"]]
        fitting = named or spoken
        if len(fitting) == 1:
            self.found[fitting[0].name] = "conversation"
            return True
        if fitting:
            self.unclear.append("conversation")
            return False
        return self._listed()

    def _listed(self) -> bool:
        """A list of texts in which two speak in turn, where nothing else is asked or answered."""
        lists = [one for one in self.columns if one.type == "list<text>" and one.name.casefold() in TURN_LISTS]
        cells = [cell for row in self.rows for one in lists if (cell := row.get(one.name))]
        spoken = len(lists) == 1 and sum(len(cell) > 1 for cell in cells) * 2 > len(cells)
        if not spoken or self._called("question") or self._called("answer"):
            return False
        self.found[lists[0].name] = "conversation"
        return True

    def _compared(self) -> bool:
        """Two answers, and a column that says which is better."""
        pairs = [
            pair for pair in pair_of([column.name for column in self.columns if column.type not in _NUMBERS])
            if all(self.readings[name] in _SPOKEN for name in pair)
            and not any(part in pair[0].casefold() for part in ("model_", "judge", "_id"))
            and not any(is_list_as_text(name, self.rows) for name in pair)
        ]  # fmt: skip
        if len(pairs) != 1:
            if self._scored():
                return True
            self.unclear += ["answer a"] if pairs else []
            return False
        one, other = pairs[0]
        named = self._called("winner")
        telling = [c for c in named if winner_words(one, other, c.name, self.rows) is not None]
        marks = may_mark(self.columns)
        if not telling and marked_winners(one, other, marks, self.rows) is not None:
            self.found |= {one: "answer a", other: "answer b", **dict.fromkeys(marks, "winner")}
            return True
        if not telling and self._scored():
            return True
        if not telling and len(named) == 1 and any(map(is_number_code, codes(named[0].name, self.rows))):
            telling = named  # numbers mean the two answers; which is which is to be asked
        self.found |= {one: "answer a", other: "answer b"}
        if len(telling) == 1:
            self.found[telling[0].name] = "winner"
        else:
            self.unclear.append("winner")
        return True

    def _scored(self) -> bool:
        """Several answers and as many scores, each in a column of its own: response_0, response_1, score_0, score_1."""
        texts = [one for one in self.columns if one.type == "text" and self.readings[one.name] == "text"]
        numbers = [one for one in self.columns if not one.type.startswith("list<") and are_numbers(one, self.rows)]
        said = numbered([one.name for one in texts if one not in numbers], ANSWER_WORDS)
        graded = numbered([one.name for one in numbers if better_of(one.name)])
        pairs = [(names, scores) for names in said for scores in graded if list(names) == list(scores)]
        if len(pairs) != 1:
            self.unclear += ["scores"] if pairs else []
            return False
        names, scores = pairs[0]
        self.found |= {**dict.fromkeys(names.values(), "answers"), **dict.fromkeys(scores.values(), "scores")}
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
            return self._take("scores", types=("list<integer>", "list<number>"), written="list<text>") and lists
        return False

    def _only_text(self) -> bool:
        return sum(self.readings[column.name] == "text" and column.type == "text" for column in self.columns) == 1

    def _texts(self) -> list[Column]:
        return [one for one in self.columns if one.type == "text" and self.readings[one.name] == "text"]

    def _summed_up(self) -> bool:
        """A text with its summary, which is what is asked for."""
        known = (*NAMES["text"], *NAMES["conversation"])
        told = [one for one in self._texts() if one.name.casefold() in known]
        sums = [one for one in self._called("summary") if one in self._texts()]
        if not sums or not told:
            return False
        if len(told) == len(sums) == 1 and not self._called("question"):
            self.found |= {told[0].name: "question", sums[0].name: "answer"}
        else:
            self.unclear += ["question"] * (len(told) > 1) + ["answer"]
        return True

    def _text(self) -> None:
        texts = self._texts()
        named = [one for one in texts if one.name.casefold() in NAMES["text"]]
        fitting = named or ([] if any(one.name.casefold() in known_names() for one in texts) else texts)
        if not named and len(fitting) == 1 and says_little(fitting[0], self.columns, self.rows):
            return
        if len(fitting) == 1:
            self.found[fitting[0].name] = "text"
        elif fitting:
            self.unclear.append("text")
