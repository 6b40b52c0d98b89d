"""A dataset's cells against what a trainer needs of them: each problem a Finding with its column and row."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from studio.domain.cell_structure import ROLES, Relation, are_tools, token_marks, tools_in
from studio.domain.columns import Column, kind_of, visible
from studio.domain.conversations import is_json_messages
from studio.domain.findings import Finding, Fix, Level, Where, row_name
from studio.domain.seen_rows import Alike, FirstRows, Row, Seen

# The columns that TRL looks at, in no order that it promises, to tell a conversation from text.
SPEAKING = ("prompt", "chosen", "rejected", "completion", "messages")
KIND_WORDS = {
    "text": "text",
    "messages": "messages (a list of role and content)",
    "turns": "a conversation with from and value",
    "list": "a list that holds no messages",
    "empty": "an empty list",
    "struct": "a single object where a list of messages belongs",
    "null": "nothing",
    "integer": "numbers",
    "number": "numbers",
    "boolean": "true or false",
}
_LISTS_OF_IDS = ("list<integer>", "list<list<integer>>", "list<null>")  # the last where each is empty
# What TRL itself gives the chat template, and may not be given twice.
_TEMPLATE_ARGUMENTS = (
    *("tokenize", "return_dict", "conversation", "conversations", "messages"),
    *("processing_class", "input", "self"),
)


_UNLIKE = {
    "json": "cells of several kinds",
    "other": "what is neither text nor messages",
    "image": "images",
    "audio": "sound",
}
_NAMED = 20  # columns of a dataset that are named in a sentence
_OPEN = "It is not known what TRL makes of it. All cells should be text, or lists of role and content."
_NO_TEXT = "TRL would stop: it learns from text alone."
_TIMES = (
    f"{_NO_TEXT} Where JSON holds nothing but dates in a column, the datasets library "
    "makes times of them. In a copy that is prepared by a mapping they stay text."
)
_DATES = (
    "Where JSON holds nothing but dates in a column, the datasets library makes times of them, and TRL would stop. "
    "All rows tell. In a copy that is prepared by a mapping they stay text."
)
# What Arrow makes a time of where it reads JSON.
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d(?::\d\d(?::\d\d)?)?(?:Z|[+-]\d\d(?::?\d\d)?)?)?")


def is_date(cell: Any) -> bool:
    """Whether a cell is a text that says a date, to the second at most."""
    return isinstance(cell, str) and _DATE.fullmatch(cell) is not None


class Cells:
    """The columns and the seen rows of a dataset, and the findings that checking them has brought so far.

    A few rows are counted from `offset`. What the rules say of one cell holds for all that are alike.
    """

    def __init__(
        self, columns: Iterable[Column], seen: list[Row] | Seen, values: Mapping[str, Any], offset: int = 0
    ) -> None:
        self.columns = {column.name: column for column in columns}
        mixed = [name for name, column in self.columns.items() if column.type == "json"]
        some = FirstRows(seen, offset) if isinstance(seen, list) else seen
        self.seen: Seen = some.loaded(mixed) if isinstance(some, FirstRows) and mixed else some
        self.values = values
        self.findings: list[Finding] = list(self.seen.findings)
        self.unsure = False
        self.images = False  # whether the model decides

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def cells(self, name: str) -> Iterator[Alike]:
        """The cells of a column, with their rows."""
        return self.seen.cells(name)

    def kind(self, name: str) -> str:
        """What the column mostly is: the kind of its first cell that holds something, else what its type says."""
        declared = self.columns[name].type
        for one in self.cells(name):
            found = kind_of(one.cell)
            if found not in ("null", "empty"):
                # A time or bytes are shown as text, and are none.
                return declared if declared == "other" and found == "text" else found
        if "json" in declared:
            return "json"
        return "list" if declared.startswith("list<") else declared

    def add(
        self, level: Level, name: str, message: str, why: str = "", row: int | None = None, fix: Fix | None = None
    ) -> None:
        self.findings.append(Finding(level, Where("column", name, row), message, why, fix))

    def add_rows(self, level: Level, name: str, rows: list[Alike], what: str, why: str) -> None:
        """One finding for a problem of several rows: `what` happens "in row 3"; nothing where there are no rows."""
        if not rows:
            return
        first = min((one.row for one in rows if one.placed), default=None)
        count, among = sum(one.count for one in rows), next((one.among for one in rows if one.among), "")
        of = among or (f"{self.seen.total:,} rows" if self.seen.whole else f"{self.seen.total:,} rows looked at")
        if first is None:
            self.add(level, name, f"`{name}` {what} in {count:,} of the {of}.", why)
            return
        more = f" and {count - 1:,} more of the {of}" if count > 1 else ""
        self.add(level, name, f"`{name}` {what} in {row_name(first)}{more}.", why, first)

    # --- columns

    def same_kind(self, names: Iterable[str], beside: Iterable[str] = ()) -> str:
        """The one kind, text or messages, that all of these columns have; "" (and an error) where they have not.

        `beside` are columns that are not needed, but that TRL may take to tell the kind of the others by.
        """
        kinds = {name: self.kind(name) for name in names}
        if self._unlike_text(kinds):
            return ""
        wrong = {name: kind for name, kind in kinds.items() if kind not in ("text", "messages")}
        for name, kind in wrong.items():
            self._wrong_kind(name, kind)
        if wrong:
            return ""
        texts = [name for name, kind in kinds.items() if kind == "text"]
        chats = [name for name, kind in kinds.items() if kind == "messages"]
        if texts and chats:
            self.add(
                "error",
                texts[0],
                f"{quoted(texts)} {_hold(texts)} text but {quoted(chats)} {_hold(chats)} messages.",
                "TRL needs all of them as text or all of them as lists of role and content. Turn the text into "
                "messages in a prepared copy.",
            )
            return ""
        kind = "text" if texts else "messages"
        self._check_beside(kind, [name for name in beside if name in self and name not in kinds])
        return kind

    def _unlike_text(self, kinds: Mapping[str, str]) -> bool:
        """Whether some of these columns are of a kind that may be neither text nor messages, and why."""
        odd = {name: kind for name, kind in kinds.items() if kind in _UNLIKE}
        for name, kind in odd.items():
            first = next((one for one in self.cells(name) if one.cell is not None), None)
            if kind != "other" or first is None or isinstance(first.cell, (dict, list)):
                self.unsure = True
                self.add("warning", name, f"`{name}` holds {_UNLIKE[kind]}.", _OPEN)
            else:
                time = isinstance(first.cell, date) or is_date(first.cell)
                what, why = (
                    ("a time", _TIMES) if time else (_UNLIKE[kind], "TRL would stop: it learns from text alone.")
                )
                self.add("error", name, f"`{name}` holds {what} in {row_name(first.row)}.", why, first.row)
        for name, kind in kinds.items():
            if kind == "text" and not odd and not self.seen.whole and self._all_dates(name):
                self.unsure = True
                self.add("warning", name, f"`{name}` holds a date in every row looked at.", _DATES)
        return bool(odd)

    def _all_dates(self, name: str) -> bool:
        """Whether every cell of a column that was seen is a text that Arrow reads from JSON as a time."""
        cells = [one.cell for one in self.cells(name) if one.cell is not None]
        return bool(cells) and all(is_date(cell) for cell in cells)

    def _check_beside(self, kind: str, names: list[str]) -> None:
        why = "TRL tells text from messages by any one of these columns, another one from run to run. "
        for name in names:
            other = self.kind(name)
            if kind == "messages" and other != "messages":
                self.add(
                    "error", name, f"`{name}` is not used, and holds no messages as the others do.", why + "It stops."
                )
            elif kind == "text" and other == "messages":
                end = "The texts are then learnt without their end."
                self.add(
                    "warning", name, f"`{name}` is not used, and holds messages where the others hold text.", why + end
                )
        self.check_hollow(names)

    def check_hollow(self, names: Iterable[str]) -> None:
        """Columns that are not used, but that TRL may look into to tell text from messages."""
        why = "TRL looks for a first message in one of these columns, another one from run to run, and stops at none."
        for name in names:
            hollow = self.where(name, lambda cell: isinstance(cell, list) and not cell)
            self.add_rows("error", name, hollow, "is not used, and is an empty list", why)

    def _wrong_kind(self, name: str, kind: str) -> None:
        why = "It must hold text, or messages: a list of objects with role and content."
        if kind == "turns":
            why = "TRL understands from and value only in a column named `conversations`, and only for SFT. " + why
        if kind == "null":
            why = "Every cell that was looked at is null. " + why
        self.add("error", name, f"`{name}` holds {KIND_WORDS.get(kind, kind)}.", why, self._first_of(name, kind))

    def _first_of(self, name: str, kind: str) -> int | None:
        return next((one.row for one in self.cells(name) if kind_of(one.cell) == kind), None)

    # --- cells

    def check(
        self, name: str, kind: str, empty: Level = "error", null: Level = "error", also: tuple[str, ...] = ()
    ) -> None:
        """Each cell of a column against its kind; `empty` is how bad an empty text or list of messages is.

        Kinds that may stand beside it are `also` taken.
        """
        wrong: dict[str, list[Alike]] = {}
        nulls: list[Alike] = []
        empties: list[Alike] = []
        for one in self.cells(name):
            found = kind_of(one.cell)
            if found == "null":
                nulls.append(one)
            elif one.cell == ("" if kind == "text" else []):
                empties.append(one)
            elif found != kind and found not in also:  # an empty list among texts too, and an empty text among lists
                wrong.setdefault(found, []).append(one)
        stops = "One such cell stops the run, after the model has been loaded."
        self.add_rows(null, name, nulls, "is null", stops)
        self.add_rows(
            empty, name, empties, "is empty", stops if empty == "error" else "There is nothing to learn in it."
        )
        for found, rows in wrong.items():
            what = KIND_WORDS.get(found, found).partition(" where ")[0]
            words = f"holds {what} and not {KIND_WORDS[kind]}"
            self.add_rows("error", name, rows, words, stops)
        if kind in ("messages", "turns"):
            self._check_messages(name, kind)
        elif kind == "text":
            self._check_written(name)

    def _check_written(self, name: str) -> None:
        """Messages that are written out as text, by the first cell that says something."""
        first = next((one for one in self.cells(name) if isinstance(one.cell, str) and one.cell), None)
        if first is not None and is_json_messages(first.cell):
            why = "The model would see brackets and quotes. Have the messages put into a prepared copy."
            what = f"`{name}` holds JSON text of messages; TRL would train on the text as written."
            self.add("warning", name, what, why, first.row)

    def _check_messages(self, name: str, kind: str) -> None:
        problems: dict[str, list[Alike]] = {}
        strange: dict[str, list[Alike]] = {}
        for one in self.cells(name):
            if kind_of(one.cell) != kind:
                continue
            for message in one.cell:
                if kind == "turns" and isinstance(message, dict):  # TRL renames the two, and then takes it as a message
                    message = {"role": message.get("from"), "content": message.get("value")}
                problem = _message_problem(message)
                rows = problems.setdefault(problem, [])
                if problem == "" and message["role"] not in ROLES:
                    rows = strange.setdefault(message["role"], [])
                if one not in rows[-1:]:
                    rows.append(one)
        problems.pop("", None)
        for problem, rows in problems.items():
            if problem == "blocks":
                self.unsure = True
                words = "has a message whose content is a list of blocks"
                self.add_rows("warning", name, rows, words, "Not every chat template takes blocks; many stop the run.")
            elif problem == "call":
                self.unsure = True
                words = "has a message that calls a tool and has no content"
                self.add_rows("warning", name, rows, words, "Not every chat template takes it without.")
            elif problem == "silent":
                words = "has a message with empty content"
                self.add_rows("warning", name, rows, words, "The model learns to say nothing there.")
            else:
                words = f"has a message {problem}"
                self.add_rows("error", name, rows, words, "The chat template cannot write it, and the run stops.")
        for role, rows in strange.items():
            words = f"has a message of the role '{role}'"
            why = f"Chat templates know {quoted(ROLES)}; another role is refused or written as it stands."
            self.add_rows("warning", name, rows, words, why)

    def where(self, name: str, test: Callable[[Any], bool]) -> list[Alike]:
        """The rows whose cell in this column passes the test, which may go by nothing but the cell's `structure`."""
        return [one for one in self.cells(name) if test(one.cell)]

    def related(self, relation: Relation) -> list[Alike]:
        """The rows for which a relation of two columns holds."""
        return self.seen.related(relation)

    # --- columns that every conversation may have beside it

    def check_chat_extras(self, chat: bool, said: Iterable[str] = ()) -> None:
        """`tools` as JSON, `chat_template_kwargs` in every row: what else the chat template is given, where it is used.

        `said` are the template's arguments that TRL gives by itself in this method.
        """
        if "tools" in self:
            bad = self.where("tools", lambda cell: isinstance(cell, str) and tools_in(cell) == "")
            self.add_rows("error", "tools", bad, "is no JSON", "TRL reads text in `tools` as JSON, and stops.")
            odd = [*self.where("tools", _no_tools)] if chat else []
            self.add_rows(
                "error", "tools", odd, "is no list of tools", "TRL takes a list of objects, also for one tool."
            )
        if "chat_template_kwargs" in self:
            nulls = self.where("chat_template_kwargs", lambda cell: not isinstance(cell, dict))
            why = "TRL unpacks it for every row, and stops at one without."
            self.add_rows("error", "chat_template_kwargs", nulls, "is no object", why)
            keys = self.columns["chat_template_kwargs"].field_names if chat else ()
            twice = [key for key in keys if key in (*_TEMPLATE_ARGUMENTS, *said)]
            if twice:
                what = f"`chat_template_kwargs` has {quoted(twice)}, which TRL gives the chat template already."
                self.add("error", "chat_template_kwargs", what, "It stops at an argument that is given twice.")

    def check_ids(self, name: str) -> None:
        """A column of token ids: a list of integers in every row."""

        def wrong(cell: Any) -> bool:
            if not isinstance(cell, list):
                return True
            inside = [item for part in cell for item in (part if isinstance(part, list) else [part])]
            return not all(isinstance(item, int) and not isinstance(item, bool) for item in inside)

        rows = self.where(name, wrong)
        self.add_rows("error", name, rows, "is no list of token ids", "One such cell stops the run.")
        if name != "labels":  # there -100 masks, and TRL minds no other number below 0 either
            below = self.where(name, lambda cell: _integers(cell) and token_marks(cell)[0])
            self.add_rows("error", name, below, "has a negative number", "No token has such a number, and TRL stops.")
        if not self.seen.total and self.columns[name].type not in _LISTS_OF_IDS:
            self.add("error", name, f"`{name}` holds {self.columns[name].type} and not lists of token ids.")

    def check_numbers(self, names: Iterable[str]) -> None:
        """Columns of numbers that go into a tensor as they are."""
        for name in names:
            if name not in self:
                continue
            lists = self.where(name, lambda cell: isinstance(cell, list))
            self.unsure |= bool(lists)
            self.add_rows("warning", name, lists, "is a list", "TRL takes lists only where all have the same length.")
            wrong = self.where(name, lambda cell: not isinstance(cell, (bool, int, float, list)))
            why = f"TRL reads a column `{name}` as numbers, and stops at anything else. Rename it, or leave it out."
            self.add_rows("error", name, wrong, "is no number", why)
            if not self.seen.total and self.columns[name].type in ("text", "null", "struct"):
                self.add("error", name, f"`{name}` holds {self.columns[name].type} and not numbers.", why)


def _no_tools(cell: Any) -> bool:
    return tools_in(cell) == "other" if isinstance(cell, str) else not are_tools(cell)


def _integers(cell: Any) -> bool:
    return isinstance(cell, list) and bool(cell) and all(type(item) is int for item in cell)


def _message_problem(message: Any) -> str:
    """What is wrong with one message, in words that follow "a message"; "" where nothing is."""
    if not isinstance(message, dict):
        return "that is no object with role and content"
    content = message.get("content")
    if not isinstance(message.get("role"), str):
        return "without a role"
    if message.get("tool_calls"):
        return "" if isinstance(content, str) else "call"
    if content is None:
        return "without content"
    if isinstance(content, list):
        return "blocks"
    if not isinstance(content, str):
        return "whose content is no text"
    return "silent" if content == "" and message["role"] == "assistant" else ""


def _hold(names: list[str]) -> str:
    return "holds" if len(names) == 1 else "hold"


def quoted(names: Iterable[str]) -> str:
    """Names for a sentence: `a`, `b` and `c`."""
    ticked = [f"`{visible(name)}`" for name in names]
    return " and ".join([", ".join(ticked[:-1]), ticked[-1]] if len(ticked) > 1 else ticked)


def listed(names: Sequence[str]) -> str:
    """The columns of a dataset in a sentence; the first ones of very many."""
    more = len(names) - _NAMED
    if more > 0:
        return f"{', '.join(f'`{visible(name)}`' for name in names[:_NAMED])} and {more:,} more"
    return quoted(names) or "no columns"
