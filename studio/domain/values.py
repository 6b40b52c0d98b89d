"""Values of arguments: what TRL makes of a YAML value or a flag's text, and what it would stumble over."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from studio.domain.arguments import Argument

_TRUE = ("yes", "true", "t", "y", "1")
_FALSE = ("no", "false", "f", "n", "0")
_NOUNS = {
    "text": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "mapping": "a mapping",
    "list[text]": "a list of texts",
    "list[number]": "a list of numbers",
    "datasets": "a list of datasets",
}


# What an entry of `datasets` takes, where loading it would stumble over anything else.
_ENTRY_KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    "path": ((str,), "a text"),
    "name": ((str,), "a text"),
    "data_dir": ((str,), "a text"),
    "data_files": ((str, list, dict), "a text, a list or a mapping of splits"),
    "split": ((str,), "a text"),
    "columns": ((list,), "a list of texts"),
    "fraction": ((int, float), "a number"),
}


def share_of(text: str) -> float | None:
    """A share as people write it, `0.25`, `25%` or `25 %`; None where the text is no number."""
    number = text.strip().removesuffix("%").rstrip()
    try:
        # In decimals: 7 % is 0.07, and not a float beside it.
        share = float(Decimal(number) / 100) if text.rstrip().endswith("%") else float(number)
    except (ValueError, ArithmeticError):
        return None
    return share if math.isfinite(share) else None


def same(left: Any, right: Any) -> bool:
    """Equality that tells true from 1 and takes 1 for 1.0, in lists and mappings too."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right, strict=True))
    return bool(left == right)


def expected(argument: Argument) -> str:
    """What the argument takes, in words: "a whole number or nothing"."""
    if argument.choices and "boolean" not in argument.types:
        return "one of " + ", ".join(str(choice) for choice in argument.choices)
    nouns = [_NOUNS[atom] for atom in argument.types]
    return " or ".join([*nouns, *(["nothing"] if argument.optional else [])])


def read_text(argument: Argument, text: str) -> Any:
    """What TRL's parser makes of `text`, as a flag or as a YAML string. Raises ValueError where it refuses."""
    flag = argument.flag
    if flag.null_words and text.lower() in ("none", "null"):
        return None
    if flag.reads == "integer":
        return int(text)
    if flag.reads == "number":
        return float(text)
    if flag.reads == "boolean":
        if text.lower() in _TRUE:
            return True
        if text.lower() in _FALSE:
            return False
        raise ValueError(text)
    if flag.reads == "choice":
        for choice in argument.choices:
            if str(choice) == text:
                return choice
        raise ValueError(text)
    if flag.reads == "nothing":
        raise ValueError(text)
    return text


def read_value(argument: Argument, value: Any) -> Any:
    """A YAML value as TRL reads it: text where a number belongs is converted, as argparse does with string defaults.

    What TRL would refuse comes back unchanged; `problem` says what is wrong with it.
    """
    if isinstance(value, tuple):
        value = list(value)
    if isinstance(value, str) and not argument.flag.many and argument.flag.reads not in ("text", "nothing"):
        try:
            return read_text(argument, value)
        except ValueError:
            return value
    return value


def problem(argument: Argument, value: Any) -> str | None:
    """What is wrong with the value, as the end of a sentence ("must be a whole number, not 'ten'"), or None."""
    if value is None:
        return None if argument.optional else f"may not be empty: it takes {expected(argument)}"
    if not any(_matches(atom, value) for atom in argument.types):
        if isinstance(value, str) and any(atom.startswith("list") for atom in argument.types):
            return f"must be a list: write [{_cut(value)}]"
        return f"must be {expected(argument)}, not {_shown(value)}"
    if any(isinstance(item, float) and math.isnan(item) for item in (value if isinstance(value, list) else [value])):
        return "must be a number, not nan"
    if argument.json_text and isinstance(value, str) and value.startswith(("{", "[")):
        try:
            read_json(value)
        except ValueError as error:
            return f"is no JSON: {error}"
        except RecursionError:
            return "is nested too deeply"
    if argument.choices:
        items = value if isinstance(value, list) else [value]
        wrong = [item for item in items if not isinstance(item, bool) and item not in argument.choices]
        if wrong and not ("text" in argument.types and isinstance(value, dict)):
            return f"must be {expected(argument)}, not {_shown(wrong[0])}"
    if "datasets" in argument.types:
        return _datasets_problem(argument, value)
    return None


def _datasets_problem(argument: Argument, entries: list[Any]) -> str | None:
    return next((wrong for _, _, wrong in _wrong_in_entries(argument, entries)), None)


def wrong_in_entries(argument: Argument, value: Any) -> tuple[int, Any] | None:
    """The number of the entry of `datasets` that `problem` speaks of, from 0, and its key; None where it is of none."""
    if "datasets" not in argument.types or not isinstance(value, list):
        return None
    return next(((number - 1, key) for number, key, _ in _wrong_in_entries(argument, value)), None)


def _wrong_in_entries(argument: Argument, entries: list[Any]) -> Iterator[tuple[int, Any, str]]:
    """The number of each entry in which something is wrong, counted from 1, the key that it is, and what is wrong."""
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, Mapping):
            yield number, "path", f"must list mappings with a `path` each; entry {number} is {_shown(entry)}"
            continue
        if not entry.get("path"):
            yield number, "path", f"needs a `path` in entry {number}"
        for key in entry:
            if key not in argument.fields:
                knows = ", ".join(argument.fields)
                yield number, key, f"has no key '{key}' (entry {number}); it knows {knows}"
        for key, (kinds, noun) in _ENTRY_KINDS.items():
            value = entry.get(key)
            if value is not None and (isinstance(value, bool) or not isinstance(value, kinds)):
                yield number, key, f"takes {noun} as `{key}`, not {_shown(value)} (entry {number})"


def _matches(atom: str, value: Any) -> bool:
    if isinstance(value, bool):
        return atom == "boolean"
    if atom == "text":
        return isinstance(value, str)
    if atom == "integer":
        return isinstance(value, int)
    if atom == "number":
        return isinstance(value, (int, float))
    if atom == "mapping":
        return isinstance(value, Mapping)
    if atom in ("list[text]", "list[number]"):
        inner = atom[5:-1]
        return isinstance(value, list) and all(_matches(inner, item) for item in value)
    return atom == "datasets" and isinstance(value, list)


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return f"the text '{_cut(value)}'"
    return _cut(str(value).lower() if isinstance(value, bool) else str(value))


def _cut(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def number_text(value: float) -> str:
    """A float that YAML 1.1, YAML 1.2 and every shell reader take for a float: `2.0e-05`, `1.0`, `.inf`."""
    if math.isinf(value):
        return ".inf" if value > 0 else "-.inf"
    if math.isnan(value):
        return ".nan"
    text = repr(value)
    if "e" in text:
        mantissa, exponent = text.split("e")
        if "." not in mantissa:
            mantissa += ".0"
        sign = "-" if exponent.startswith("-") else "+"
        return f"{mantissa}e{sign}{exponent.lstrip('+-').zfill(2)}"
    return text


def flag_tokens(argument: Argument, value: Any) -> list[str] | None:
    """The command-line words that make TRL's parser read this value, or None where no flag can say it."""
    flag, name = argument.flag, f"--{argument.name}"
    if value is None:
        return [name, "None"] if flag.null_words and not flag.many else None
    if isinstance(value, bool):
        if flag.reads != "boolean":
            return None
        if value:
            return [name] if flag.bare else [name, "true"]
        return [flag.negation] if flag.negation else [name, "false"]
    if flag.many:
        return _many_tokens(argument, value)
    text = _flag_text(argument, value)
    if text is None or "\0" in text or text == "--":
        return None
    # A word that starts with a dash is taken for an option unless it is glued to its own.
    return [f"{name}={text}"] if text.startswith("-") else [name, text]


def _many_tokens(argument: Argument, value: Any) -> list[str] | None:
    if not isinstance(value, list) or not value:
        return None
    texts = [_flag_text(argument, item) for item in value]
    if any(text is None or "\0" in text or text == "--" for text in texts):
        return None
    words = [text for text in texts if text is not None]
    if any(word.startswith("-") for word in words):
        return [f"--{argument.name}={words[0]}"] if len(words) == 1 else None
    return [f"--{argument.name}", *words]


def _flag_text(argument: Argument, value: Any) -> str | None:
    reads = argument.flag.reads
    if isinstance(value, bool) or reads == "nothing":
        return None
    if reads in ("integer", "number") and isinstance(value, (int, float)):
        if isinstance(value, float):
            return None if reads == "integer" or math.isnan(value) else number_text(value).replace(".inf", "inf")
        return str(value)
    if reads == "choice":
        return str(value) if value in argument.choices else None
    if reads == "text":
        if isinstance(value, str):
            return value
        if isinstance(value, Mapping) and argument.json_text:
            return _json_text(value)
    return None


def _json_text(value: Mapping[str, Any]) -> str | None:
    """JSON that transformers turns back into this very mapping, or None: it converts texts that look like numbers."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):
        return None
    return text if same(read_json(text), value) else None


def read_json(text: str) -> dict[str, Any]:
    """A mapping given as JSON text, as transformers reads it (`TrainingArguments.__post_init__`).

    Raises ValueError where the text is no JSON mapping.
    """
    data = json.loads(text)
    if not isinstance(data, dict):
        raise ValueError("not a mapping")
    return _converted(data)


def _converted(value: dict[str, Any]) -> dict[str, Any]:
    # What transformers.training_args._convert_str_dict does to the mapping and the mappings inside it.
    def convert(item: Any) -> Any:
        if isinstance(item, dict):
            return _converted(item)
        if isinstance(item, str):
            if item.lower() in ("true", "false"):
                return item.lower() == "true"
            if item.isdigit():
                return int(item)
            if item.replace(".", "", 1).isdigit():
                return float(item)
        return item

    return {key: convert(item) for key, item in value.items()}
