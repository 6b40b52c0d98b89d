"""Data as JSON that every reader takes: keys are texts, numbers finite, and what JSON has no form for is a text."""

from __future__ import annotations

import math
import re
from typing import Any

# Half of a pair that makes one character of UTF-16. JSON can say it, `"\\ud83d"`, and UTF-8 cannot.
_HALF = re.compile("[\ud800-\udfff]")


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


def whole(data: Any) -> Any:
    """The same data with a `\ufffd` for each half of a character in its texts: with one of those nothing can be sent.

    What is neither a text nor a dict, list or tuple of some stays what it is.
    """
    if isinstance(data, str):
        return _HALF.sub("\ufffd", data)
    if isinstance(data, dict):
        return {whole(key): whole(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [whole(value) for value in data]
    return data
