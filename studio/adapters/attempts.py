"""What the record of an attempt says, whoever wrote it: each value, or what stands for none."""

from __future__ import annotations

from typing import Any

from studio.domain.states import Exit, StopHow, is_stop

Record = dict[str, Any]


def stop_in(attempt: Record) -> StopHow | None:
    """The stop that an attempt's record asks for."""
    said = attempt.get("stop")
    how = said.get("how") if isinstance(said, dict) else None
    return how if is_stop(how) else None


def stronger(one: object, other: object) -> Record | None:
    """Of two stop requests the one that goes further; of equals the first."""
    asked = [stop for stop in (one, other) if isinstance(stop, dict) and stop_in({"stop": stop})]
    return max(asked, key=lambda stop: stop["how"] == "now", default=None)


def seconds_in(attempt: Record, key: str, usual: float) -> float:
    """A number of seconds that an attempt's record gives; the usual one where it gives none."""
    said = attempt.get(key)
    return said if isinstance(said, (int, float)) and not isinstance(said, bool) else usual


def read_exit(value: object) -> Exit | None:
    """An exit as a record holds it; None where it says neither code nor signal."""
    if not isinstance(value, dict):
        return None
    code, signal = whole(value.get("code")), whole(value.get("signal"))
    return None if code is None and signal is None else Exit(code, signal)


def whole(value: object) -> int | None:
    """A number, where it is a whole one."""
    return value if type(value) is int else None


def listed(value: object) -> list[Any]:
    """A list, empty for what is none."""
    return value if isinstance(value, list) else []


def key_of(value: object) -> tuple[object, object]:
    """What tells one process from another in a record."""
    return (value.get("pid"), value.get("ticks")) if isinstance(value, dict) else (None, None)
