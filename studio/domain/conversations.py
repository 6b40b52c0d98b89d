"""Cells as conversations: messages, from and value, JSON in text and transcripts, each read into role and content."""

from __future__ import annotations

import json
import re
from typing import Any

from studio.domain.cell_structure import ROLES

Message = dict[str, Any]
BLANK = " \t\n\r\x0b\x0c"  # what a text that says nothing is made of
# What the world calls those who speak.
SPEAKERS = {
    **{role: role for role in ROLES},
    **dict.fromkeys(("human", "prompter", "customer", "instruction", "question"), "user"),
    **dict.fromkeys(
        ("gpt", "bot", "model", "ai", "chatgpt", "chatbot", "bing", "bard", "answer", "response"), "assistant"
    ),
    **dict.fromkeys(("function", "observation", "function_response", "tool_response"), "tool"),
}
# Who speaks where the assistant calls a tool: the text is the call, as JSON.
CALLING = ("function_call", "tool_call")
EXCHANGED = ("input", "output")  # the fields of what is asked and what is answered, in lists of both
_EXTRAS = ("tool_calls", "tool_call_id", "name", "reasoning_content", "thinking")
# Of two pairs of speakers a transcript has one: among Human and Assistant an `A:` is an option to choose.
_MARKS = {long: re.compile(rf"(?:^|\n\n)({pair}): ?") for long, pair in ((True, "Human|Assistant"), (False, "H|A"))}


class Unreadable(Exception):
    """A cell that cannot be read; the words follow "the column ..."."""


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def assistant(text: str) -> Message:
    return {"role": "assistant", "content": text}


def system(text: str) -> Message:
    return {"role": "system", "content": text}


def is_blank(text: str) -> bool:
    """Whether a text says nothing."""
    return not text.strip(BLANK)


def read_text(cell: Any) -> str:
    """A cell as text; "" where it is null. A number is written out, and so are true and false."""
    if cell is None:
        return ""
    if not isinstance(cell, (str, int, float)):
        raise Unreadable("holds no text")
    return cell if isinstance(cell, str) else str(cell)


def read_messages(cell: Any, reading: str) -> list[Message]:
    """A cell as messages, by its reading: messages (role and content, or from and value), json or transcript.

    In a list of texts, the reading alternating, user and assistant speak in turn; calls are those of tools, as JSON,
    with which the assistant answers.
    """
    if cell is None:
        raise Unreadable("is null")
    if reading == "json":
        cell = _parsed(cell)
        # One object around the list, as APIs write it.
        if isinstance(cell, dict):
            cell = next((cell[key] for key in ("messages", "conversations", "conversation") if key in cell), cell)
    elif reading == "calls":
        return [{"role": "assistant", "content": "", "tool_calls": _calls(cell)}]
    elif reading == "transcript":
        return read_transcript(cell)
    elif isinstance(cell, dict) and {"role", "from"} & set(cell):
        cell = [cell]  # one message
    if not isinstance(cell, (list, tuple)):
        raise Unreadable("holds no list of messages")
    if not cell:
        raise Unreadable("is empty")
    if all(isinstance(one, dict) and set(one) == set(EXCHANGED) for one in cell):
        return _alternating([one[key] for one in cell for key in EXCHANGED])
    return _alternating(cell) if reading == "alternating" else [_message(one) for one in cell]


def _alternating(texts: list[Any] | tuple[Any, ...]) -> list[Message]:
    if not all(isinstance(text, str) for text in texts):
        raise Unreadable("holds no list of texts")
    if any(map(is_blank, texts)):
        raise Unreadable("has a turn in which nothing is said")
    return [assistant(text) if place % 2 else user(text) for place, text in enumerate(texts)]


def _parsed(cell: Any) -> Any:
    if not isinstance(cell, str):
        raise Unreadable("holds no text with JSON in it")
    try:
        return json.loads(cell)
    except (ValueError, RecursionError) as error:
        raise Unreadable("is no JSON") from error


def _message(one: Any) -> Message:
    if not isinstance(one, dict):
        raise Unreadable("has a message that is no object with role and content")
    said = one.get("role") if one.get("role") is not None else one.get("from")
    speaker = said.strip().casefold() if isinstance(said, str) else ""
    if speaker in CALLING:
        return {
            "role": "assistant",
            "content": "",
            "tool_calls": _calls(one.get("value") if one.get("value") is not None else one.get("content")),
        }
    role = SPEAKERS.get(speaker)
    if role is None:
        named = f"of the role {said!r}, which is not known" if isinstance(said, str) else "without a role"
        raise Unreadable(f"has a message {named}")
    content = one.get("content") if one.get("content") is not None else one.get("value")
    if isinstance(content, list):
        content = _joined(content)
    extras = {key: one[key] for key in _EXTRAS if one.get(key)}
    if content is None and "tool_calls" in extras:
        content = ""
    if not isinstance(content, str):
        raise Unreadable("has a message without text")
    if role == "assistant" and is_blank(content) and "tool_calls" not in extras:
        raise Unreadable("has a message in which the assistant says nothing")
    return {"role": role, "content": content, **extras}


def _calls(cell: Any) -> list[dict[str, Any]]:
    """The calls of tools that a message writes out: one, or several in a list."""
    try:
        told = json.loads(cell) if isinstance(cell, str) else cell
    except (ValueError, RecursionError):
        told = None
    every = told if isinstance(told, list) else [told]
    named = [one for one in every if isinstance(one, dict) and isinstance(one.get("name"), str)]
    if not named or len(named) < len(every):
        raise Unreadable("has a call of a tool that is no JSON with name and arguments")
    return [
        {"type": "function", "function": {"name": one["name"], "arguments": one.get("arguments", {})}} for one in named
    ]


def _joined(blocks: list[Any]) -> str:
    """The text of a message that is written in blocks."""
    texts = [block.get("text") if isinstance(block, dict) else block for block in blocks]
    if not all(isinstance(text, str) for text in texts):
        raise Unreadable("has a message with more than text in it")
    return "\n".join(str(text) for text in texts)


def read_transcript(cell: Any) -> list[Message]:
    """A transcript of Human: and Assistant: as messages."""
    if not isinstance(cell, str):
        raise Unreadable("holds no text")
    parts = _marks(cell).split(cell)
    if len(parts) < 3 or not is_blank(parts[0]):
        raise Unreadable("is no transcript of Human: and Assistant:")
    turns: list[Message] = []
    for who, said in zip(parts[1::2], parts[2::2], strict=True):
        role = "user" if who[0] == "H" else "assistant"
        turns.append({"role": role, "content": said.strip(BLANK)})
    if turns[-1]["role"] == "assistant" and not turns[-1]["content"]:
        turns.pop()  # the mark after which the model is to speak
    if not turns or any(not turn["content"] for turn in turns):
        raise Unreadable("has a turn in which nothing is said")
    return turns


def _marks(text: str) -> re.Pattern[str]:
    """The marks of those who speak in a transcript, by the one that it begins with."""
    return _MARKS[text.lstrip(BLANK).startswith(("Human:", "Assistant:"))]


def is_transcript(text: str) -> bool:
    """Whether a text is a transcript in which both speak."""
    found = {match[0] for match in _marks(text).findall(text)}
    return text.lstrip(BLANK).startswith(("Human:", "H:")) and {"H", "A"} <= found


def is_json_messages(text: str) -> bool:
    """Whether a text holds messages as JSON."""
    if not text.lstrip(BLANK).startswith(("[", "{")):
        return False
    try:
        return bool(read_messages(text, "json"))
    except Unreadable:
        return False


def is_json_calls(text: str) -> bool:
    """Whether a text holds calls of tools as JSON."""
    if not text.lstrip(BLANK).startswith(("[", "{")):
        return False
    try:
        return bool(_calls(text)) and '"arguments"' in text
    except Unreadable:
        return False


def last_answer(messages: list[Message]) -> int:
    """The place of the last message of the assistant; raises Unreadable where it never speaks."""
    for place in range(len(messages) - 1, -1, -1):
        if messages[place]["role"] == "assistant":
            return place
    raise Unreadable("has no answer of the assistant in it")


def before_answer(messages: list[Message]) -> list[Message]:
    """What a model would be asked with: everything before the last answer, or all of it where it ends with a question.

    An answer that no question follows is never left in, whatever else follows it: only calls of tools stay with the
    tools' replies, after which the model is to speak.
    """
    asked = max((number for number, one in enumerate(messages) if one["role"] == "user"), default=None)
    if asked is None:
        raise Unreadable("has no question of the user before the answer")
    for place in range(asked + 1, len(messages)):
        called = "tool_calls" in messages[place] and any(one["role"] == "tool" for one in messages[place + 1 :])
        if messages[place]["role"] == "assistant" and not called:
            return messages[:place]
    return messages
