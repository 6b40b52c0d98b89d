"""What of a cell the verdict may hang on: cells of equal structure are judged alike, whatever they say."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from studio.domain.columns import kind_of

# The keys of messages, turns and tool calls that the rules look at; what else an object holds changes nothing.
KEYS = ("role", "content", "from", "value", "tool_calls")
ROLES = ("system", "developer", "user", "assistant", "tool")
# Text that names something: the rules look at the word itself.
NAMING = ("role", "from")
# Columns of text whose own words decide: JSON or not.
WORDED = ("tools",)
LONGEST_NAME = 40  # characters of a role; what is longer is no role, and is told from others by nothing
QUESTIONS = ("question", "instruction", "query", "problem", "input")
# The columns that any method's rules look into; of the others they need no more than name and type.
LOOKED_INTO = (
    *("prompt", "completion", "chosen", "rejected", "messages", "conversations", "text", "label", "labels"),
    *("tools", "chat_template_kwargs", "input_ids", "chosen_ids", "rejected_ids"),
    *("chosen_input_ids", "rejected_input_ids", *QUESTIONS),
)


def structure(cell: Any, name: str = "", named: bool = True) -> Hashable:
    """A cell without what the rules never look at. `name` is the column's.

    Without `named` unusual roles are not told apart, so that there are few structures whatever the data.
    """
    if isinstance(cell, str):
        return ("tools", tools_in(cell)) if name in WORDED and cell else ("text", cell != "")
    if isinstance(cell, (bool, int, float)):
        return (type(cell).__name__, cell if cell in (0, 1) else "other")
    return _below(cell, "", named)


def _below(cell: Any, key: str, named: bool) -> Hashable:
    if isinstance(cell, str):
        told = key in NAMING and (named or cell in ROLES)
        return ("named", cell[:LONGEST_NAME]) if told else ("text", cell != "")
    if isinstance(cell, dict):
        return ("object", *((key, _below(cell[key], key, named)) for key in KEYS if cell.get(key) is not None))
    if isinstance(cell, (list, tuple)):
        items = [_below(item, "", named) for item in cell]
        return ("list", items[0], items[-1], frozenset(items)) if items else ("empty",)
    return kind_of(cell)


def parts(cell: Any) -> Iterable[Hashable]:
    """The structures of a list's items, each of which a rule may speak of."""
    return {_below(item, "", False) for item in cell} if isinstance(cell, (list, tuple)) else ()


@dataclass(frozen=True)
class Relation:
    """A question about two cells of one row; `quick` names it for those who can answer it for many rows at once.

    Of a relation that is `once` it matters only whether there is such a row at all.
    """

    names: tuple[str, str]
    quick: str
    holds: Callable[[Any, Any], bool]
    once: bool = False


def _equal(one: Any, other: Any) -> bool:
    return bool(one) and bool(one == other)


def _strangers(one: Any, other: Any) -> bool:
    """Both hold something, and begin with nothing that they have in common."""
    if isinstance(one, str) and isinstance(other, str):
        shared = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
        return bool(one) and bool(other) and all(sign.isspace() for sign, _ in shared)
    if isinstance(one, list) and isinstance(other, list):
        return bool(one) and bool(other) and bool(one[0] != other[0])
    return False


def _unsaid(asked: Any, told: Any) -> bool:
    """A question that is no part of an answer's text or messages."""
    if not asked or not told:
        return False
    said = told if isinstance(told, list) else [{"content": told}]
    texts = [str(message.get("content")) for message in said if isinstance(message, dict)]
    return not any(str(asked).strip() in text for text in texts)


EQUAL = Relation(("chosen", "rejected"), "equal", _equal)
STRANGERS = Relation(("chosen", "rejected"), "strangers", _strangers)


def unsaid(question: str, told: str) -> Relation:
    """Whether rows have a question that what is learnt, in the column `told`, does not repeat."""
    return Relation((question, told), "unsaid", _unsaid, once=True)


def relations(names: Iterable[str]) -> list[Relation]:
    """The questions that the rules may ask about rows with such columns."""
    known = set(names)
    asked = [name for name in QUESTIONS if name in known and "prompt" not in known]
    # What is looked into beside the usual columns is the one that dataset_text_field names.
    told = [name for name in known if name == "text" or name not in LOOKED_INTO]
    found = [unsaid(question, text) for text in told for question in asked]
    if not {"chosen", "rejected"} <= known:
        return found
    if "prompt" in known:
        return [EQUAL, *found]
    return [EQUAL, STRANGERS, *(unsaid(question, "chosen") for question in asked), *found]


def tools_in(text: str) -> str:
    """What a text of tools holds: `list` for what TRL takes, `other` for JSON that is none, `` for no JSON."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    return "other" if found and not isinstance(found, list) else "list"
