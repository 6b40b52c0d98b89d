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
# Columns whose cells are what one asks, if nothing else is: TRL reads none of them. `Prompt` is no `prompt` either.
_ASKING = ("question", "instruction", "query", "problem", "input", "prompt_text", "prompt")
_ABOUT = ("user", "task", "context", "title")  # which may as well only name or describe


def _spelt(names: Iterable[str]) -> tuple[str, ...]:
    known = [way for name in names for way in (name, name.capitalize(), name.title(), name.upper())]
    return tuple(dict.fromkeys(way for way in known if way != "prompt"))


ABOUT = _spelt(_ABOUT)
QUESTIONS = (*_spelt(_ASKING), *ABOUT)
# Lists of token ids, or of a mark for each token.
TOKENS = (
    *("input_ids", "labels", "assistant_masks", "completion_mask"),
    *("chosen_ids", "rejected_ids", "chosen_input_ids", "rejected_input_ids"),
)
MASKED = -100  # the label of a token that is not learnt
# Numbers that TRL's collators put into tensors beside the tokens, for which methods.
NUMBERS = {
    "reward": ("margin",),
    "dpo": ("ref_chosen_logps", "ref_rejected_logps"),
    "kto": ("ref_logps", "ref_KL_logps"),
}
# Columns that say of an answer whether it is good.
JUDGING = ("label", "thumbs_up", "is_good", "is_correct", "correct", "liked", "is_chosen")
# The columns that any method's rules look into; of the others they need no more than name and type.
LOOKED_INTO = (
    *("prompt", "completion", "chosen", "rejected", "messages", "conversations", "text", *JUDGING),
    *("tools", "chat_template_kwargs", *TOKENS, *(name for names in NUMBERS.values() for name in names), *QUESTIONS),
)
# Names of columns that only number the rows.
_NUMBERING = ("id", "ids", "idx", "index", "uid", "uuid", "guid", "row", "key", "__index_level_0__")


def tells_rows_apart(name: str) -> bool:
    """Whether rows that differ in this column alone are two: not where it only numbers them."""
    plain = name.lower()
    return plain not in _NUMBERING and not plain.endswith(("_id", "_idx", "_index", "_uuid"))


def structure(cell: Any, name: str = "", named: bool = True) -> Hashable:
    """A cell without what the rules never look at. `name` is the column's.

    Without `named` unusual roles are not told apart, so that there are few structures whatever the data.
    """
    if isinstance(cell, str):
        return ("tools", tools_in(cell)) if name in WORDED and cell else ("text", cell != "")
    if isinstance(cell, (bool, int, float)):
        return (type(cell).__name__, cell if cell in (0, 1) else "other")
    if name in TOKENS and isinstance(cell, (list, tuple)) and cell:
        kinds = {type(item) for item in cell if item is not None}
        if kinds == {int} or kinds == {bool}:
            return ("tokens", kinds == {bool}, None in cell, *token_marks(item for item in cell if item is not None))
    return _below(cell, "", named)


def token_marks(cell: Iterable[int]) -> tuple[bool, bool, bool]:
    """Whether some are negative, whether some are not what masks, whether some are not 0."""
    known = set(cell)
    return any(one < 0 for one in known), bool(known - {MASKED}), bool(known - {0})


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
    return one is not None and bool(one == other)


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
    texts = _texts(told)
    return not all(any(question.strip() in text for text in texts) for question in _texts(asked))


def _unsaid_words(asked: Any, told: Any) -> bool:
    """The same of a text that is long enough to be a question, and no name."""
    return (not isinstance(asked, str) or len(asked.split()) > 2) and _unsaid(asked, told)


def _texts(cell: Any) -> list[str]:
    """What a text says, or what messages or turns say."""
    said = cell if isinstance(cell, list) else [{"content": cell}]
    return [str(one.get("content", one.get("value"))) for one in said if isinstance(one, dict)]


def speakers(cell: Any) -> set[Any]:
    """The roles in a cell of messages or turns."""
    said = cell if isinstance(cell, (list, tuple)) else ()
    return {one.get("role", one.get("from")) for one in said if isinstance(one, dict)}


def _unanswered(prompt: Any, completion: Any) -> bool:
    """Neither of two lists of messages has one of the assistant, nor of a role that nobody knows."""
    roles = speakers(prompt) | speakers(completion)
    return bool(roles) and roles <= set(ROLES) - {"assistant"}


def _uneven(ids: Any, labels: Any) -> bool:
    """There are other labels than tokens, and some of them count."""
    return _flat(ids) and _flat(labels) and len(ids) != len(labels) and set(labels) not in (set(), {MASKED})


def _fewer(ids: Any, masks: Any) -> bool:
    """There are fewer marks than tokens, and some of them count."""
    return _flat(ids) and (isinstance(masks, str) or _flat(masks)) and len(ids) > len(masks) and any(masks)


def _flat(cell: Any) -> bool:
    return isinstance(cell, list) and not any(isinstance(item, (list, dict)) for item in cell)


def _fits(told: Any, marks: Any) -> bool:
    """There may be as many marks as tokens; hardly where there are fewer marks than words."""
    if not isinstance(marks, (list, str)) or not marks:
        return False
    words = sum(len(text.split()) for text in _texts(told))
    return len(marks) >= min(words, FEW)


def _left_open(told: Any, completion: Any) -> bool:
    """A text that ends like one with an end-of-sequence token, for which TRL looks into what is no text."""
    return isinstance(told, str) and told.endswith(">") and not isinstance(completion, str)


FEW = 16  # marks; from so many on they may be cut to the length of the tokens
EQUAL = Relation(("chosen", "rejected"), "equal", _equal)
STRANGERS = Relation(("chosen", "rejected"), "strangers", _strangers)
UNANSWERED = Relation(("prompt", "completion"), "unanswered", _unanswered)
UNEVEN = Relation(("input_ids", "labels"), "uneven", _uneven)
FEWER = {name: Relation(("input_ids", name), "fewer", _fewer) for name in ("assistant_masks", "completion_mask")}


def unsaid(question: str, told: str) -> Relation:
    """Whether rows have a question that what is learnt, in the column `told`, does not repeat."""
    return Relation((question, told), "unsaid", _unsaid_words if question in ABOUT else _unsaid, once=True)


def fits(told: str, marks: str) -> Relation:
    """Whether in some row there may be a mark for each token of what is learnt."""
    return Relation((told, marks), "fits", _fits, once=True)


def left_open(told: str) -> Relation:
    """Whether TRL may look for the end of a completion that is no text, since the text has its end already."""
    return Relation((told, "completion"), "left open", _left_open, once=True)


def relations(names: Iterable[str]) -> list[Relation]:
    """The questions that the rules may ask about rows with such columns."""
    known = set(names)
    asked = [name for name in QUESTIONS if name in known]
    # What is looked into beside the usual columns is the one that dataset_text_field names.
    texts = [name for name in known if name == "text" or name not in LOOKED_INTO]
    told = ["prompt"] if "prompt" in known else [*texts, *(name for name in ("messages", "chosen") if name in known)]
    found = [unsaid(name, text) for text in told for name in asked if text == "chosen" or name not in ABOUT]
    found += [one for one in (EQUAL, UNANSWERED, UNEVEN, *FEWER.values()) if set(one.names) <= known]
    if {"chosen", "rejected"} <= known and "prompt" not in known:
        found.append(STRANGERS)
    if "completion" in known:
        found += [left_open(text) for text in texts]
    if "input_ids" not in known:
        learnt = [*texts, *(name for name in ("messages", "conversations", "completion") if name in known)]
        marked = [name for name in ("labels", *FEWER) if name in known]
        found += [fits(name, marks) for name in learnt for marks in marked]
    return found


def tools_in(text: str) -> str:
    """What a text of tools holds: `list` for what TRL takes, `other` for JSON that is none, `` for no JSON."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    return "list" if are_tools(found) else "other"


def are_tools(found: Any) -> bool:
    """Whether a chat template is given these as tools without a stop: a list of objects, or nothing."""
    return (
        found is None or found in ("", {}) or (isinstance(found, list) and all(isinstance(one, dict) for one in found))
    )


def loaded(cell: Any) -> Any:
    """A cell of a column with cells of several kinds: the datasets library reads text there as JSON where it is."""
    if not isinstance(cell, str):
        return cell
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        return cell
