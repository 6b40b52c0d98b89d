"""What the world calls the columns of each role."""

from __future__ import annotations

import re
from collections.abc import Collection

# In lower case.
NAMES = {
    "system": ("system", "system_prompt", "system_message", "sys_prompt"),
    "question": (
        *("prompt", "question", "instruction", "query", "problem", "user", "human", "user_prompt", "user_message"),
        *("prompt_text", "history", "task"),
    ),
    "context": ("context", "passage"),
    # The question where nothing else is, else its context.
    "input": ("input", "inputs", "inputs_pretokenized"),
    "reasoning": (
        "reasoning",
        "rationale",
        "cot",
        "chain_of_thought",
        "thinking",
        "thought",
        "reasoning_content",
        "complex_cot",
        "think",
        "thoughts",
    ),
    "answer": (
        *("completion", "response", "answer", "output", "assistant", "reply", "generated_solution", "model_answer"),
        *("model_response", "bot", "target", "generation", "solution", "ground_truth"),
        *("targets", "targets_pretokenized", "correct_answer", "correct answer", "answerkey", "answer_key"),
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
        *("response_j", "better_response", "good", "win"),
    ),
    "rejected": (
        *("rejected", "dispreferred", "worse", "rejected_response", "response_rejected", "rejected_answer", "negative"),
        *("response_k", "worse_response", "bad", "lose", "unpreferred"),
    ),
    "winner": (
        *("winner", "preference", "preferred", "better", "better_response_id", "choice", "label", "labels", "verdict"),
        *("preferred_response", "winning"),
    ),
    "label": (
        *("label", "labels", "thumbs", "thumbs_up", "thumb", "feedback", "is_good", "liked", "vote", "is_correct"),
        *("correct", "is_chosen", "rating", "reaction", "good", "is_safe", "response_label", "response_harm_label"),
    ),
    "score": ("score", "rating", "overall_score", "reward", "quality", "stars", "label", "helpfulness"),
    "answers": ("responses", "answers", "completions", "generations", "candidates", "outputs"),
    "scores": ("scores", "ratings", "rewards", "rating"),
    "solution": ("solution", "final_answer", "expected_answer", "ground_truth", "gold", "gold_answer"),
    "text": ("text", "content", "document", "body", "article", "story", "code", "raw_text", "raw_content"),
    "tools": ("tools", "functions"),
    "summary": ("highlights", "summary", "tldr", "abstract"),  # an answer to the text beside it
}
# Lists of texts of two who speak in turn: `turns` is not among them, since benchmarks have nothing but questions there.
TURN_LISTS = (
    *(name for name in NAMES["conversation"] if name != "turns"),
    "dialogs",
    "dialogues",
    "utterances",
    "data",
)
# Words that end the name of a column that tells of a row where it is from, or of what kind.
_ABOUT = frozenset(
    {"id", "ids", "uid", "uuid", "guid", "idx", "index", "key", "hash", "sha", "md5", "source", "src", "origin", "url"}
    | {"urls", "uri", "link", "href", "domain", "host", "name", "username", "author", "title", "path", "file"}
    | {"filename", "date", "time", "timestamp", "at", "year", "category", "subcategory", "topic", "subject", "type"}
    | {
        "kind",
        "tag",
        "tags",
        "lang",
        "language",
        "locale",
        "country",
        "license",
        "licence",
        "split",
        "subset",
        "config",
    }
    | {"dataset", "model", "version", "status", "level", "difficulty", "email", "gender", "label", "class", "meta"}
    | {"metadata"}
)
_LONGEST_MARK = 64  # characters of one word, as hashes have them
_UNSPACED = "\u0e00"  # from these letters on there are scripts without spaces between words
ANSWERING = {*NAMES["answer"], *NAMES["chosen"], *NAMES["rejected"], *NAMES["solution"], *NAMES["reasoning"]}
# Words in the names of several columns that hold an answer each.
ANSWER_WORDS = frozenset(
    {"answer", "response", "completion", "output", "generation", "reply", "candidate", "solution", "continuation"}
)
_MARK = re.compile(r"(?:(?<=[\W_])|^)([a-h])(?=[\W_]|$)|(\d+)|(?<=[a-z])([A-H])(?=[\W_]|$)")


def numbered(names: Collection[str], words: Collection[str] = ()) -> list[dict[str, str]]:
    """Columns that are told apart by a number or a letter alone, each by that: of those with one of the `words`."""
    found: dict[str, dict[str, str]] = {}
    for name in names:
        marks = list(_MARK.finditer(name if re.search("[a-z]", name) else name.casefold()))
        marks = marks or list(_MARK.finditer(name.casefold()))
        if len(marks) == 1:
            stem = (name[: marks[0].start()] + name[marks[0].end() :]).casefold()
            if not words or set(words) & set(re.split(r"[\W_]+", stem)):
                found.setdefault(stem, {})[marks[0][0].casefold()] = name
    return [dict(sorted(one.items())) for one in found.values() if len(one) > 1]


def is_about(name: str) -> bool:
    """Whether a column's name says that it tells of its row, and is nothing to learn by itself."""
    words = [word for word in re.split(r"[\W_\d]+|(?<=[a-z])(?=[A-Z])", name) if word]
    return bool(words) and words[-1].casefold() in _ABOUT


def is_mark(text: str) -> bool:
    """Whether a text is no more than an id, an address or one word."""
    text = text.strip()
    if len(text.split()) > 1:
        return False
    return "://" in text[:_LONGEST_MARK] or (len(text) <= _LONGEST_MARK and all(sign < _UNSPACED for sign in text))


def known_names() -> set[str]:
    """Names that say another role than text."""
    others = ("text", "answer", "summary", "input")
    return {name for role, names in NAMES.items() if role not in others for name in names}
