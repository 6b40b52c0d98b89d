"""Moments as files tell them: whoever wrote them, in whatever form of ISO 8601."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(said: object) -> datetime | None:
    """An ISO time with its zone, UTC where it names none; None where it is no time."""
    try:
        found = datetime.fromisoformat(str(said).replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def seconds_since(said: object) -> float | None:
    """Seconds from an ISO time to now; None where there is no such time."""
    then = moment(said)
    return None if then is None else (datetime.now(UTC) - then).total_seconds()
