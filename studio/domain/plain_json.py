"""Data as JSON that every reader takes: keys are texts, numbers finite, and what JSON has no form for is a text."""

from __future__ import annotations

import math
from typing import Any


def plain(data: Any) -> Any:
    """The same data of nothing but dicts, lists, texts, numbers, booleans and None.

    Numbers that are not finite become None; a path, a date or whatever else JSON cannot hold becomes its text.
    """
    if isinstance(data, dict):
        return {str(key): plain(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [plain(value) for value in data]
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    return data if data is None or isinstance(data, (str, int)) else str(data)
