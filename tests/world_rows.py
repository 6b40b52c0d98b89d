"""What the rows of formats are made of: questions, good and poor answers, and the ways to write them down."""

from __future__ import annotations

from typing import Any

Rows = list[dict[str, Any]]

ASKED = ("Name three primary colours.", "What is 12 times 7?", "Why is the sky blue?", "Write a line about rain.")
GOOD = ("Red, blue and yellow.", "84", "Short waves scatter more.", "Rain drums softly on the tin roof.")
POOR = ("Purple.", "74", "Because it is.", "It rains.")
PAIRS = ("dpo", "reward", "kto")
SYSTEM = "You are a helpful assistant."


def rows_of(**columns: Any) -> Rows:
    """Rows of columns: a list has a cell for each row, a function makes it of a row's number, the rest is repeated."""
    count = len(ASKED)
    made = {
        name: [cells(n) for n in range(count)] if callable(cells) else list(cells) if isinstance(cells, (list, tuple))
        else [cells] * count
        for name, cells in columns.items()
    }  # fmt: skip
    return [dict(zip(made, cells, strict=True)) for cells in zip(*made.values(), strict=True)]


def human(n: int, answer: tuple[str, ...] = GOOD, asks: str = "human", tells: str = "gpt") -> list[dict[str, str]]:
    return [{"from": asks, "value": ASKED[n]}, {"from": tells, "value": answer[n]}]


def turns(n: int, answer: tuple[str, ...] = GOOD, head: str = "") -> list[dict[str, str]]:
    said = [{"role": "user", "content": ASKED[n]}, {"role": "assistant", "content": answer[n]}]
    return [{"role": "system", "content": head}, *said] if head else said


def transcript(n: int, answer: tuple[str, ...] = GOOD) -> str:
    begun = "\n\nHuman: Hello\n\nAssistant: Hi, what can I do for you?"
    return f"{begun}\n\nHuman: {ASKED[n]}\n\nAssistant: {answer[n]}"


def history(n: int) -> list[dict[str, str]]:
    """Turns that end with a question, to which the answer stands elsewhere."""
    before = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello, what can I do for you?"}]
    return [*before, {"role": "user", "content": ASKED[n]}]


def rated(n: int) -> list[dict[str, Any]]:
    return [
        {"model": "a", "response": POOR[n], "overall_score": 3.0},
        {"model": "b", "response": GOOD[n], "overall_score": 8.5},
        {"model": "c", "response": f"{GOOD[n]} Perhaps.", "overall_score": 6.0},
    ]


def graded(text: tuple[str, ...], right: bool) -> Any:
    return lambda n: {"is_correct": right, "solution": text[n]}


TOOL = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}]
CALL = [{"type": "function", "function": {"name": "weather", "arguments": "{}"}}]


def calling(n: int) -> list[dict[str, Any]]:
    return [
        {"role": "user", "content": ASKED[n]},
        {"role": "assistant", "content": None, "tool_calls": CALL},
        {"role": "tool", "content": "sunny", "name": "weather"},
        {"role": "assistant", "content": GOOD[n]},
    ]


def calling_humans(n: int) -> list[dict[str, Any]]:
    return [
        {"from": "human", "value": ASKED[n]},
        {"from": "function_call", "value": '{"name": "weather", "arguments": {"city": "Lima"}}'},
        {"from": "observation", "value": "sunny"},
        {"from": "gpt", "value": GOOD[n]},
    ]


def mark(n: int) -> str:
    return f"id-{n:04d}"


def page(n: int) -> str:
    return f"https://example.org/q/{n}"


def logged(n: int) -> list[dict[str, Any]]:
    """A conversation as the logs of a chat keep it."""
    about = {"country": "US", "hashed_ip": "x", "language": "English", "redacted": False, "toxic": False}
    return [{**about, **one, "timestamp": None, "turn_identifier": 101} for one in turns(n)]
