"""A mapping applied to Arrow batches: whole columns at once where cells are plain text or turns, else row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from studio.adapters.columntypes import ColumnTypes, Mixed, Unwritable, first_odd, unwritable
from studio.domain.conversations import BLANK, CALLING, SPEAKERS
from studio.domain.mapped_rows import map_row, map_telling
from studio.domain.mapping import MADE, BadRow, DataMapping, Source

_SLICE = 1000  # rows that are turned into Python at once
_TEXTS = ("system", "question", "context", "reasoning", "answer", "chosen", "rejected", "solution", "text")


@dataclass(frozen=True)
class Mapped:
    """What a batch has become: a table, for each of its rows the number of the batch's row, and the rows left out.

    `cut` is how many of the batch's rows lost turns that follow the last answer, `passed` how many are not learnt,
    since their answer is a bad one.
    """

    table: Any
    origin: Any
    bad: tuple[tuple[int, BadRow], ...] = ()
    cut: int = 0
    passed: int = 0


class MixedTypes(Exception):
    """A column with cells of several types: which one, and the number of the batch's row where that shows."""

    def __init__(self, column: str, row: int) -> None:
        super().__init__(column, row)
        self.column, self.row = column, row


def map_batch(mapping: DataMapping, batch: Any, types: ColumnTypes | None = None) -> Mapped:
    """The rows of a record batch or table through a mapping; a row that cannot be mapped is left out, and named.

    `types` are those of all batches' columns so far. Raises MixedTypes.
    """
    types = types or ColumnTypes()
    whole = _Whole(mapping, batch)
    if not whole.fits():
        return map_rows(mapping, _python_rows(batch, mapping.columns()), types)
    import numpy

    fine = whole.fine()
    bad = []
    for number in numpy.flatnonzero(~fine).tolist():
        row = {name: batch.column(name)[number].as_py() for name in mapping.columns() if name in batch.schema.names}
        try:
            map_row(mapping, row)
        except BadRow as why:
            bad.append((number, why))
        else:  # it is written in a way that only the reader of single rows knows
            return map_rows(mapping, _python_rows(batch, mapping.columns()), types)
    origin = numpy.flatnonzero(fine)
    try:
        table = _settled(whole.made(fine), origin, types) if origin.size else _nothing()
    except Unwritable:  # row by row they are left out
        return map_rows(mapping, _python_rows(batch, mapping.columns()), types)
    return Mapped(table, origin, tuple(bad))


def map_rows(mapping: DataMapping, rows: Iterable[dict[str, Any]], types: ColumnTypes | None = None) -> Mapped:
    """The same for rows in Python."""
    every, types = list(rows), types or ColumnTypes()
    odd: dict[int, BadRow] = {}
    while True:
        try:
            return _mapped(mapping, every, types, odd)
        except _OddRows as found:  # they are left out too, and named by their own column
            for number, why in found.rows.items():
                said = ((name, unwritable(cell)) for name, cell in every[number].items())
                odd[number] = next((BadRow(words, name) for name, words in said if words), why)


class _OddRows(Exception):
    """Rows that became something that no file can hold."""

    def __init__(self, rows: dict[int, BadRow]) -> None:
        super().__init__(rows)
        self.rows = rows


def _mapped(mapping: DataMapping, rows: list[dict[str, Any]], types: ColumnTypes, odd: dict[int, BadRow]) -> Mapped:
    import numpy

    made: list[dict[str, Any]] = []
    origin: list[int] = []
    bad: list[tuple[int, BadRow]] = []
    cut = passed = 0
    for number, row in enumerate(rows):
        try:
            if number in odd:
                raise odd[number]
            became, is_cut = map_telling(mapping, row)
        except BadRow as why:
            bad.append((number, why))
            continue
        made += became
        cut += is_cut
        passed += not became
        origin += [number] * len(became)
    return Mapped(_table(made, origin, types), numpy.array(origin, dtype="int64"), tuple(bad), cut, passed)


def divided(mapped: Mapped, held: Callable[[int], bool]) -> tuple[Any, Any]:
    """The table in two: rows that are not held out and those that are. Rows that came from one row stay together."""
    import numpy
    import pyarrow

    places, back = numpy.unique(mapped.origin, return_inverse=True)
    out = numpy.array([held(place) for place in places.tolist()], dtype=bool)[back]
    return mapped.table.filter(pyarrow.array(~out)), mapped.table.filter(pyarrow.array(out))


def _python_rows(batch: Any, names: list[str]) -> Iterator[dict[str, Any]]:
    kept = batch.select([name for name in names if name in batch.schema.names])
    for start in range(0, kept.num_rows, _SLICE):
        yield from kept.slice(start, _SLICE).to_pylist()


def _table(rows: list[dict[str, Any]], origin: list[int], types: ColumnTypes) -> Any:
    """Mapped rows as a table. Columns have the types that all batches share, however little a batch holds."""
    import pyarrow

    columns = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        cells, known = [row.get(name) for row in rows], types.known(name)
        try:
            columns[name] = types.column(name, cells)
        except Mixed:
            # What no file can hold is left out first: the others may be of one type.
            odd = {origin[place]: BadRow(why, name) for place, cell in enumerate(cells) if (why := unwritable(cell))}
            if odd:
                raise _OddRows(odd) from None
            raise MixedTypes(name, origin[first_odd(cells, known)]) from None
        except Unwritable as found:
            raise _OddRows({origin[place]: BadRow(why, name) for place, why in found.places.items()}) from None
    return pyarrow.table(columns)


def _settled(table: Any, origin: Any, types: ColumnTypes) -> Any:
    """A table with its columns in the types that all batches share."""
    for place, name in enumerate(table.schema.names):
        column, known = table.column(name), types.known(name)
        try:
            wider = types.retyped(name, column)
        except Mixed:
            raise MixedTypes(name, int(origin[first_odd(column.to_pylist(), known)])) from None
        if wider is not column:
            table = table.set_column(place, name, wider)
    return table


def _nothing() -> Any:
    import pyarrow

    return pyarrow.table({})


class _Whole:
    """A batch whose columns are mapped as wholes."""

    def __init__(self, mapping: DataMapping, batch: Any) -> None:
        import pyarrow
        import pyarrow.compute

        self.mapping, self.batch = mapping, batch
        self.arrow, self.compute = pyarrow, pyarrow.compute

    def column(self, source: Source) -> Any:
        found = self.batch.column(source.column)
        chunked = isinstance(found, self.arrow.ChunkedArray)
        return found.combine_chunks() if chunked else found

    def text(self, role: str) -> Any:
        source = self.mapping.source(role)
        return None if source is None else self.column(source).cast(self.arrow.string())

    # --- whether it can be done so

    def fits(self) -> bool:
        """Whether every role is plain: text in text columns, a boolean label, or one column of turns."""
        mapping, names = self.mapping, set(self.batch.schema.names)
        if any(source.column not in names for _, source in mapping.roles):
            return False
        roles = {role for role, _ in mapping.roles}
        if mapping.target == "language modeling" and roles == {"conversation"}:
            source = mapping.source("conversation")
            plain = source is not None and source.reading == "messages" and self._turn_fields(source) is not None
            return plain and not self._calls_tools()
        asked = "question" in roles or mapping.target == "language modeling"
        wanted = {
            "language modeling": {"text"},
            "prompt-completion": {"answer"} if "answer" in roles else {"chosen"},
            "preference": {"chosen", "rejected"},
            "unpaired preference": {"answer", "label"},
            "prompt-only": set(),
        }[mapping.target]
        known = wanted | {"system", "question", "context"} if asked and wanted != {"text"} else wanted
        known = known | ({"reasoning"} if "answer" in wanted else set())
        if mapping.target == "prompt-only":
            known = known | {"keep"} | (set() if mapping.after else {"solution"})
        plain = asked and wanted <= roles <= known and all(self._plain(role, source) for role, source in mapping.roles)
        return plain and not self._thinks()

    def _calls_tools(self) -> bool:
        """Whether a speaker is one whose text is a call of a tool, which rows alone are read for."""
        return bool(self.compute.any(self.compute.is_in(self._named(), self.arrow.array(CALLING))).as_py())

    def _thinks(self) -> bool:
        """Whether marks of reasoning stand in the cells already, which rows alone are read for."""
        if self.mapping.source("reasoning") is None:
            return False
        found = (self.compute.match_substring(self.text(role), "<think>") for role in ("reasoning", "answer"))
        return any(self.compute.any(one).as_py() for one in found)

    def _plain(self, role: str, source: Source) -> bool:
        kind = self.batch.schema.field(source.column).type
        if role == "keep":
            return True
        if role == "label":
            return bool(self.arrow.types.is_boolean(kind))
        text = self.arrow.types.is_string(kind) or self.arrow.types.is_large_string(kind)
        return source.reading == "text" and role in _TEXTS and bool(text)

    def _turn_fields(self, source: Source) -> tuple[str, str] | None:
        """The fields of speaker and text, where turns hold nothing else."""
        types, kind = self.arrow.types, self.batch.schema.field(source.column).type
        if not types.is_list(kind) or not types.is_struct(kind.value_type):
            return None
        fields = {field.name: field.type for field in kind.value_type}
        if not all(types.is_string(one) or types.is_large_string(one) for one in fields.values()):
            return None
        pairs = (("role", "content"), ("from", "value"))
        return next((pair for pair in pairs if set(pair) == set(fields)), None)

    # --- which rows can be mapped

    def _said(self, texts: Any) -> Any:
        trimmed = self.compute.utf8_trim(texts, characters=BLANK)
        return self.compute.fill_null(self.compute.not_equal(trimmed, ""), False)

    def fine(self) -> Any:
        """For each row whether it can be mapped."""
        import numpy

        mapping = self.mapping
        if mapping.source("conversation") is not None:
            return self._conversations_fine()
        fine = numpy.ones(self.batch.num_rows, dtype=bool)
        for role in ("question", "answer", "chosen", "rejected", "text", "solution"):
            if (texts := self.text(role)) is not None:
                fine &= self._mask(self._said(texts))
        label = mapping.source("label")
        if label is not None:
            fine &= self._mask(self.column(label).is_valid())
        if mapping.target == "preference":
            same = self.compute.equal(self.text("chosen"), self.text("rejected"))
            fine &= ~self._mask(self.compute.fill_null(same, False))
        return fine

    def _mask(self, array: Any) -> Any:
        return array.to_numpy(zero_copy_only=False).astype(bool)

    def _conversations_fine(self) -> Any:
        import numpy

        lists, speakers, said = self._turns()
        known = self._mask(self.compute.is_valid(speakers)) & self._mask(said.is_valid())
        assistant = self._mask(self.compute.fill_null(self.compute.equal(speakers, "assistant"), False))
        wrong = ~known | (assistant & ~self._mask(self._said(said)))
        parents = self.compute.list_parent_indices(lists).to_numpy(zero_copy_only=False)
        rows = self.batch.num_rows
        bad = numpy.bincount(parents[wrong], minlength=rows) > 0
        answered = numpy.bincount(parents[assistant], minlength=rows) > 0
        return ~bad & answered

    def _turns(self) -> tuple[Any, Any, Any]:
        """The lists, and of all their turns the speakers as TRL names them (null where not known) and the texts."""
        source = self.mapping.source("conversation")
        assert source is not None
        _, what = self._turn_fields(source) or ("", "")
        lists = self.column(source)
        turns = lists.flatten()
        named = self._named()
        names = self.arrow.array(list(SPEAKERS))
        roles = self.arrow.array(list(SPEAKERS.values()))
        speakers = roles.take(self.compute.index_in(named, names))
        return lists, speakers, turns.field(what).cast(self.arrow.string())

    def _named(self) -> Any:
        """What the speakers of all turns are called."""
        source = self.mapping.source("conversation")
        assert source is not None
        who, _ = self._turn_fields(source) or ("", "")
        called = self.column(source).flatten().field(who).cast(self.arrow.string())
        # Only what is plainly a speaker's name is known here: others are left to the reader of single rows.
        return self.compute.ascii_lower(self.compute.utf8_trim(called, characters=BLANK))

    # --- what they become

    def made(self, fine: Any) -> Any:
        """The table of the rows that are fine."""
        if not fine.all():
            self.batch = self.batch.filter(self.arrow.array(fine))
        mapping, table = self.mapping, self.arrow.table
        if mapping.source("text") is not None:
            return table({"text": self.text("text")})
        if mapping.source("conversation") is not None:
            lists, speakers, said = self._turns()
            turns = self.arrow.StructArray.from_arrays([speakers, said], names=["role", "content"])
            return table({"messages": self.arrow.ListArray.from_arrays(_offsets(lists), turns)})
        return table({"prompt": self._prompt(), **self._answers()})

    def _answers(self) -> dict[str, Any]:
        mapping = self.mapping
        if mapping.target == "preference":
            return {role: self._spoken(self.text(role)) for role in ("chosen", "rejected")}
        if mapping.target == "prompt-only":
            kept = [source for source in mapping.sources("keep") if source.column not in MADE]
            columns = {source.column: self.column(source) for source in kept}
            return columns if mapping.source("solution") is None else {**columns, "solution": self.text("solution")}
        answer = self.text("answer") if mapping.source("answer") is not None else self.text("chosen")
        reasoning = self.text("reasoning")
        if reasoning is not None:
            thought = self._joined("<think>\n", reasoning, "\n</think>\n\n", answer)
            answer = self.compute.if_else(self._said(reasoning), thought, answer)
        row = {"completion": self._spoken(answer)}
        label = mapping.source("label")
        return row if label is None else {**row, "label": self.column(label)}

    def _joined(self, *parts: Any) -> Any:
        return self.compute.binary_join_element_wise(*parts, "")

    def _spoken(self, texts: Any) -> Any:
        """Answers as they are, or each as a message of the assistant."""
        return texts if self.mapping.form == "text" else self._single("assistant", texts)

    def _single(self, role: str, texts: Any) -> Any:
        import numpy

        offsets = self.arrow.array(numpy.arange(len(texts) + 1, dtype="int32"))
        return self.arrow.ListArray.from_arrays(offsets, self._messages(self._same(role, len(texts)), texts))

    def _same(self, word: str, count: int) -> Any:
        return self.arrow.repeat(self.arrow.scalar(word), count)

    def _messages(self, roles: Any, texts: Any) -> Any:
        return self.arrow.StructArray.from_arrays([roles, texts], names=["role", "content"])

    def _prompt(self) -> Any:
        """The prompts, of the roles that ask alone."""
        import numpy

        question, context, system = self.text("question"), self.text("context"), self.text("system")
        if context is not None:
            both = self._joined(question, "\n\n", context)
            question = self.compute.if_else(self._said(context), both, question)
        if self.mapping.form == "text":
            if system is None:
                return question
            return self.compute.if_else(self._said(system), self._joined(system, "\n\n", question), question)
        if system is None:
            return self._single("user", question)
        count = len(question)
        led = self._mask(self._said(system))
        ends = numpy.cumsum(led + 1)
        places = numpy.empty(int(ends[-1]) if count else 0, dtype="int64")
        places[ends - 1] = numpy.arange(count) + count  # each question after its system message
        places[ends[led] - 2] = numpy.flatnonzero(led)
        texts = self.arrow.concat_arrays([system, question]).take(self.arrow.array(places))
        roles = self.arrow.array(["system", "user"]).take(self.arrow.array((places >= count).astype("int64")))
        offsets = self.arrow.array(numpy.concatenate([[0], ends]).astype("int32"))
        return self.arrow.ListArray.from_arrays(offsets, self._messages(roles, texts))


def _offsets(lists: Any) -> Any:
    """The offsets of lists into their flattened values, from 0; none is null here."""
    import numpy
    import pyarrow

    lengths = pyarrow.compute.list_value_length(lists).to_numpy(zero_copy_only=False)
    return pyarrow.array(numpy.concatenate([[0], numpy.cumsum(lengths)]).astype("int32"))
