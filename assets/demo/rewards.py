"""The demo's reward functions for GRPO and RLOO: one for a friendly manner, one for the right answer."""

from collections.abc import Sequence
from typing import Any

OPENING = "Sure! "
CLOSING = " Have a nice day!"

# What may stand around an answer without making it another answer.
OPENINGS = (OPENING, "Well, let me see. ")
CLOSINGS = (CLOSING, " I think so.")


def polite_manner(completions: Sequence[Any], **kwargs: Any) -> list[float]:
    """Give each completion one point for opening with "Sure!" and one for closing with "Have a nice day!".

    Args:
        completions: what the model wrote: texts, or conversations (lists of messages with a `content`).
        **kwargs: the other columns and trainer state that TRL passes; not needed here.

    Returns:
        One reward from 0.0 to 2.0 a completion.
    """
    texts = [completion_text(completion) for completion in completions]
    return [float(text.startswith(OPENING)) + float(text.endswith(CLOSING)) for text in texts]


def right_answer(completions: Sequence[Any], answer: Sequence[str], **kwargs: Any) -> list[float]:
    """Give each completion one point where it says exactly the expected answer, whatever its manner.

    The comparison is exact: a model that lists every answer it knows, or says the right one twice, gets nothing.

    Args:
        completions: what the model wrote: texts, or conversations (lists of messages with a `content`).
        answer: the dataset's `answer` column, one full sentence a completion.
        **kwargs: the other columns and trainer state that TRL passes; not needed here.

    Returns:
        One reward, 0.0 or 1.0, a completion.
    """
    return [
        float(bare_answer(completion_text(completion)) == expected)
        for completion, expected in zip(completions, answer, strict=True)
    ]


def completion_text(completion: Any) -> str:
    """Return the text of a completion, given as text or as a conversation; anything else counts as empty."""
    if isinstance(completion, str):
        return completion
    if isinstance(completion, list) and completion and isinstance(completion[-1], dict):
        content = completion[-1].get("content")
        return content if isinstance(content, str) else ""
    return ""


def bare_answer(text: str) -> str:
    """Return the text without one known opening and one known closing."""
    for opening in OPENINGS:
        if text.startswith(opening):
            text = text[len(opening) :]
            break
    for closing in CLOSINGS:
        if text.endswith(closing):
            text = text[: -len(closing)]
            break
    return text
