"""The columns of a dataset, looked through for the roles that a method knows."""

from __future__ import annotations

from studio.domain import compared_columns
from studio.domain.column_readings import (
    are_calls,
    judging,
    may_mark,
    rated_fields,
    says_little,
)
from studio.domain.compared_columns import SPOKEN
from studio.domain.named_columns import TURNS, NamedColumns
from studio.domain.question_columns import (
    are_turns,
    asking,
    final,
    is_answered,
    is_answered_apart,
    is_learnt_from,
    is_tag,
    options_of,
    says_more,
    tells,
    worked,
)
from studio.domain.role_names import ANSWER_WORDS, NAMES, TURN_LISTS, known_names, numbered
from studio.domain.verdict_words import codes, is_number_code, marked_winners, winner_words


class Finder(NamedColumns):
    """The columns of a dataset, looked through for each role."""

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
        elif self._has("rejected") and self._take("chosen", *SPOKEN):
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
        if len(answers) == 1 and any(is_answered_apart(self._turns(one), answers[0].name) for one in opening):
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
            self._take("chosen", *SPOKEN)
            self._take("rejected", *SPOKEN)
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
        asked = not self._within() and self._ask()
        if not asked and "question" not in self.unclear:
            if not self._conversation() and "conversation" not in self.unclear:
                self._answered_twice()
            self._take("system", "text")
        if self.method != "distillation":
            self._solution()
        self._take("tools")

    def _within(self) -> bool:
        """Whether the question is part of the one conversation beside it, before whose answer more is said."""
        asks, told = self._called("question"), self._told()
        if len(asks) != 1 or len(told) != 1 or self.readings[asks[0].name] != "text":
            return False
        return says_more(self._turns(told[0]), asks[0].name)

    def _answered_twice(self) -> None:
        """Conversations that end with either of two answers: what both answer to is the prompt."""
        if len(self._pair()) == 2 and self._take("chosen", *TURNS):
            self._take("rejected", *TURNS)

    def _solution(self) -> None:
        """What rewards compare with; the model does not see it."""
        kinds = ("text", "integer", "number", "boolean")
        named = [column for column in self._called("solution") if column.type in kinds]
        others = [column for column in self._called("answer") if column.type in kinds]
        every = {column.name: column for column in [*named, *others] if column.name not in self.found}
        one = final(list(every.values()), self.rows)
        if len(every) == 1 or one is not None:
            self.found[one.name if one is not None else next(iter(every))] = "solution"
        elif every:
            self.unclear.append("solution")

    # --- for each role

    def _speaking(self, role: str) -> bool:
        whole = worked(self._answers(), self.rows)
        if role == "answer" and whole is not None:
            self.found[whole.name] = role
            return True
        if self._take(role, "text", "messages", "json"):
            return True
        told = [one for one in self._texts() if one.name.casefold() in ("code", "label") and tells(one, self.rows)]
        if role not in self.unclear and len(told) == 1 and self._called("question"):
            self.found[told[0].name] = role
            return True
        if role in self.unclear or not self._called("question"):
            return False
        return self._take(role, types=("boolean",))  # the answers are yes and no

    def _ask(self, questions_of: str = "") -> bool:
        """The question with what belongs to it. `input` is the question where nothing else is, else its context."""
        inputs = [one for one in self._called("input") if self.readings[one.name] == "text"]
        inputs = [one for one in inputs if not is_answered(one.name, self.rows)]
        known = [one for one in self._called("question") if self.readings[one.name] in ("text", "messages", "json")]
        known = asking(known, self.rows, bool(inputs or self._told() or self._pair()))
        if inputs and not known:
            known = [one for one in self._texts() if one.name.casefold() == "definition"]
        spoken = [one for one in self.columns if self.found.get(one.name) == questions_of]
        carried = any(self.readings[one.name] != "text" and self._asks(one) for one in spoken)
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
            self._context_asks()
        if not carried and "question" not in self.found.values():
            return False
        self._take("system", "text")
        contexts = [one for one in self._called("context") if self.readings[one.name] == "text"]
        contexts = [one for one in contexts if not is_tag(one, self.rows)]
        contexts += inputs if known or not carried else []
        if known and not contexts and any(one.name.casefold() in NAMES["answer"] for one in self.columns):
            contexts = [one for one in self._texts() if one.name.casefold() in ("article", "document", "story")]
            contexts = [one for one in contexts if one.name not in self.found]
        if known and not contexts:
            contexts = options_of(known[0].name, self.columns, self.rows)
        if len(contexts) == 1:
            self.found[contexts[0].name] = "context"
        elif contexts:
            self.unclear.append("context")
        return "question" in self.found.values()

    def _context_asks(self) -> None:
        """A context that is answered with nothing else that asks: it is the question."""
        asks = [one for one in self._texts() if one.name.casefold() == "context" and not is_tag(one, self.rows)]
        answered = set(self.found.values()) & {"answer", "chosen", "answer a"} or self._called("answer")
        if "question" not in self.found.values() and len(asks) == 1 and answered:
            self.found[asks[0].name] = "question"

    def _transcripts(self) -> None:
        """A prompt that is a transcript, under a name of a question or of a conversation."""
        names = (*NAMES["question"], *NAMES["conversation"], "text")
        told = [c for c in self.columns if c.name.casefold() in names and self.readings[c.name] == "transcript"]
        if len(told) == 1 and told[0].name not in self.found:
            self.found[told[0].name] = "question"

    # --- conversations

    def _conversation(self) -> bool:
        """The one column that holds conversations, by its name or else by its cells."""
        spoken = self._told()
        if self.method in ("sft", "kto"):
            apart = bool(self._compared_names() or self._has("chosen") or any(map(rated_fields, self.columns)))
            spoken = [one for one in spoken if is_learnt_from(self._turns(one), apart)]
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
        cells = [cell for row in self.rows for one in lists if isinstance(cell := row.get(one.name), list) and cell]
        spoken = len(lists) == 1 and sum(len(cell) > 1 for cell in cells) * 2 > len(cells)
        if not spoken or self._called("question") or self._called("answer"):
            return False
        self.found[lists[0].name] = "conversation"
        return True

    def _compared_names(self) -> bool:
        """Whether several columns of texts hold an answer each."""
        return bool(numbered([one.name for one in self._texts()], ANSWER_WORDS))

    def _compared(self) -> bool:
        """Two answers, and a column that says which is better."""
        pairs = compared_columns.pairs(self.columns, self.readings, self.rows)
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
        if not telling and not compared_columns.are_answers(pairs[0], self.columns):
            return False
        self.found |= {one: "answer a", other: "answer b"}
        if len(telling) == 1:
            self.found[telling[0].name] = "winner"
        else:
            self.unclear.append("winner")
        return True

    def _scored(self) -> bool:
        """Several answers and as many scores, each in a column of its own: response_0, response_1, score_0, score_1."""
        pairs = compared_columns.scored(self.columns, self.readings, self.rows)
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
        texts = [] if are_turns(self.columns, self.rows) else self._texts()
        named = [one for one in texts if one.name.casefold() in NAMES["text"]]
        fitting = named or ([] if any(one.name.casefold() in known_names() for one in texts) else texts)
        if not named and len(fitting) == 1 and says_little(fitting[0], self.columns, self.rows):
            return
        if len(fitting) == 1:
            self.found[fitting[0].name] = "text"
        elif fitting:
            self.unclear.append("text")
