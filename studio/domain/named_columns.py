"""The columns of a dataset by what they are called, and by how their cells are read."""

from __future__ import annotations

from typing import Any

from studio.domain.column_readings import are_numbers, reading_of
from studio.domain.columns import Column, prevailing
from studio.domain.question_columns import Turns, explains, is_open, turns_of
from studio.domain.role_names import ANSWERING, NAMES

TURNS = ("messages", "json", "transcript")
_OPENING = (*NAMES["question"], *NAMES["context"], *NAMES["input"])  # names of what turns are that ask


class NamedColumns:
    """The columns of a dataset, and which of them have a role already."""

    def __init__(self, method: str, columns: list[Column], rows: list[dict[str, Any]]) -> None:
        self.method, self.rows = method, rows
        self.columns = [prevailing(column, (row.get(column.name) for row in rows)) for column in columns]
        self.readings = {column.name: reading_of(column, rows) for column in self.columns}
        self.found: dict[str, str] = {}  # column: role
        self.unclear: list[str] = []

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
        if role == "reasoning":
            fitting = [one for one in fitting if explains(one, self.rows)]
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

    def _turns(self, column: Column) -> Turns:
        return turns_of(column, self.readings[column.name], self.rows)

    def _asks(self, column: Column) -> bool:
        """Whether a column of an answer may hold the question too: not where the answer alone stands there."""
        told = self._turns(column)
        return not told or any(one["role"] == "user" for _, turns in told for one in turns)

    def _told(self) -> list[Column]:
        """The columns of turns that are no answers by their names."""
        spoken = [one for one in self.columns if self.readings[one.name] in TURNS]
        return [one for one in spoken if one.name not in self.found and one.name.casefold() not in ANSWERING]

    def _openings(self) -> list[Column]:
        """Those of them that ask: by their names, or since none of them ends with the assistant."""
        return [one for one in self._told() if one.name.casefold() in _OPENING or is_open(self._turns(one))]

    def _answers(self) -> list[Column]:
        return [one for one in self._called("answer") if self.readings[one.name] in ("text", "messages", "json")]

    def _whole_conversation(self) -> bool:
        """Whether turns under a name of conversations are answered in their own column."""
        named = [one for one in self._told() if one.name.casefold() in NAMES["conversation"]]
        return any(not is_open(self._turns(one)) for one in named)

    def _only_text(self) -> bool:
        return len(self._texts()) == 1

    def _texts(self) -> list[Column]:
        """The columns of texts, but for those in which nothing stands."""
        return [one for one in self.columns if one.type == "text" and self.readings[one.name] == "text"
                and any(str(row.get(one.name) or "").strip() for row in self.rows)]  # fmt: skip

    def _pair(self) -> list[Column]:
        both = [*self._called("chosen"), *self._called("rejected")]
        return [one for one in both if self.readings[one.name] in TURNS]
