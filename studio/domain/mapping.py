"""A mapping: which column plays which role, and what TRL's type is made of them, row by row; plain data in JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from studio.domain.errors import StudioError

Row = dict[str, Any]
TARGETS = ("language modeling", "prompt-completion", "preference", "unpaired preference", "prompt-only")
READINGS = ("text", "messages", "json", "transcript", "alternating", "calls", "rated", "list", "value", "options")
# Roles that a model answers to: nothing of any other role may come into a prompt.
ASKING = ("system", "question", "context")
# Names that TRL gives a meaning of its own: no column is kept under one of them.
MADE = frozenset(
    {"prompt", "completion", "messages", "text", "chosen", "rejected", "label", "solution", "conversations"}
    | {"prompts", "completions", "completion_ids", "prompt_ids", "input_ids", "labels", "image", "images"}
)


@dataclass(frozen=True)
class Source:
    """A column and how its cells are read. `rated` ones are objects with an answer in `text` and its `score`.

    Of `options` to choose from, `text` is the mark of the first one; "" where they have marks of their own.

    Of scores the higher one is better, or where `better` says so the lower one, as of ranks.
    """

    column: str
    reading: str = "text"
    text: str = ""
    score: str = ""
    better: str = ""


@dataclass(frozen=True)
class DataMapping:
    """How rows become those of `target`, one of TRL's types.

    `roles` are pairs of a role and its source; `rated`, `keep`, `answers` and `scores` may occur more than once, the
    n-th score is that of the n-th answer. `form` is messages or text. `first` and `second` are the words of a `winner`
    column, or where several are winners the names of those that are 1 for either answer; `good` and `bad` are those of
    a `label`; a score from `threshold` on counts as good, or up to it where lower ones are better. Of a
    solution only what follows the last `after` is kept.
    """

    target: str
    roles: tuple[tuple[str, Source], ...]
    form: str = "messages"
    first: tuple[str, ...] = ()
    second: tuple[str, ...] = ()
    good: tuple[str, ...] = ()
    bad: tuple[str, ...] = ()
    threshold: float | None = None
    after: str = ""

    def source(self, role: str) -> Source | None:
        return next((source for name, source in self.roles if name == role), None)

    def sources(self, role: str) -> list[Source]:
        return [source for name, source in self.roles if name == role]

    @property
    def lower_is_better(self) -> bool:
        """Whether its scores are the better the lower they are."""
        return any(source.better == "lower" for _, source in self.roles)

    @property
    def picks(self) -> bool:
        """Whether it learns from good answers alone, and passes over rows whose label or score says bad."""
        judged = any(role in ("label", "score") for role, _ in self.roles)
        return judged and self.target in ("language modeling", "prompt-completion")

    @property
    def may_be_text(self) -> bool:
        """Whether its rows may be plain texts as well as messages."""
        plain = all(source.reading in ("text", "value", "rated", "list", "options") for _, source in self.roles)
        return plain and self.target != "language modeling"

    def columns(self) -> list[str]:
        """The columns that it reads, each once."""
        return list(dict.fromkeys(source.column for _, source in self.roles))

    def as_text(self) -> frozenset[str]:
        """Columns whose cells a CSV gives as they are written, 007 and 1.50, and not as the numbers they would be."""
        return frozenset(one.column for _, one in self.roles if one.reading not in ("value", "rated", "list"))

    def as_read(self, rows: Sequence[Row], written: Sequence[Row]) -> list[Row]:
        """Rows as they are mapped, where `written` are those of a CSV as they stand there; none for other data."""
        if len(written) != len(rows):
            return list(rows)
        texts = self.as_text()
        return [
            {**row, **{name: cell for name, cell in said.items() if name in texts and name in row}}
            for row, said in zip(rows, written, strict=True)
        ]

    def to_json(self) -> dict[str, Any]:
        """The documented form, without what is empty."""
        plain = {name: value for name, value in asdict(self).items() if value not in ((), "", None)}
        plain["roles"] = [
            {"role": role, **{key: value for key, value in asdict(source).items() if value}}
            for role, source in self.roles
        ]
        return {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}

    @staticmethod
    def from_json(plain: Mapping[str, Any]) -> DataMapping:
        """The mapping of such an object. Raises StudioError where it is none."""
        try:
            roles = tuple(
                (str(one["role"]), Source(**{key: str(one[key]) for key in one if key != "role"}))
                for one in plain["roles"]
            )
            words = {name: tuple(map(str, plain.get(name, ()))) for name in ("first", "second", "good", "bad")}
            made = DataMapping(
                str(plain["target"]), roles, str(plain.get("form", "messages")), **words,
                threshold=plain.get("threshold"), after=str(plain.get("after", "")),
            )  # fmt: skip
        except (KeyError, TypeError) as error:
            raise StudioError("This is no mapping.", "It has a target and roles.") from error
        if made.target not in TARGETS or any(source.reading not in READINGS for _, source in roles):
            raise StudioError("This mapping has a target or a reading that is not known.", f"Use {', '.join(TARGETS)}.")
        return made


@dataclass(frozen=True)
class BadRow(Exception):
    """A row that cannot be mapped: why, in words that follow a column's name, and the column."""

    why: str
    column: str = field(default="")

    def __str__(self) -> str:
        return f"`{self.column}` {self.why}" if self.column else self.why


def word(cell: Any) -> str:
    """A label or winner as a word that can be looked up: true, 1, model_a; "" for null."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip().casefold()


def number(cell: Any) -> bool | int | float | None:
    """A score, also where it is written out as text; None where it is none."""
    if isinstance(cell, str):
        try:
            cell = float(cell)
        except ValueError:
            return None
    return cell if isinstance(cell, (bool, int, float)) and cell - cell == 0 else None


def final_answer(text: str, after: str) -> str:
    """What follows the last mark of the final answer; the whole text where there is no mark."""
    return text.rpartition(after)[2].strip() if after and after in text else text


def reasoned(reasoning: str, answer: str) -> str:
    """An answer after what led to it, as reasoning models write it; marks that stand there already stay single."""
    if reasoning.strip().startswith("<think>"):
        reasoning = reasoning.strip().removeprefix("<think>").removesuffix("</think>").strip()
    if answer.lstrip().startswith("<think>") and reasoning in answer:
        return answer
    return f"<think>\n{reasoning}\n</think>\n\n{answer}"
