"""Lists and mappings as people type them: JSON, YAML in its flow form, or plain items; and the reason where none is."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import yaml

from studio.domain.arguments import Argument

MOST_CHARACTERS = 20_000
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What stands in a pattern such as `.*\.(q|v)_proj` is no separator of items.
_PATTERN = re.compile(r"[\\^$*+?{}()|]")
_NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)[eE][-+]?[0-9]+")


class _Reader(yaml.SafeLoader):
    """YAML as people mean it: `1e-6` is a number, for which YAML 1.1 wants `1.0e-6`."""


class _Writer(yaml.SafeDumper):
    """Writes what `_Reader` reads: a text that looks like `1e-6` is quoted."""


for _kind in (_Reader, _Writer):
    _kind.add_implicit_resolver("tag:yaml.org,2002:float", _NUMBER, list("-+0123456789."))


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # Line breaks of any kind and invisible characters survive only as escapes.
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"')


_Writer.add_representer(str, _represent_text)


def read_structure(argument: Argument, text: str) -> Any:
    """The list or mapping that a typed text means; the text itself where the argument takes one.

    Raises ValueError with the end of a sentence that says why it can be read as none of them ("is no list: ...").
    """
    text = text.strip()
    if text[:1] in ("{", "["):
        value = _loaded(text, "mapping" if text[0] == "{" else "list")
    elif "text" in argument.types:
        return text
    elif "mapping" in argument.types:
        value = _loaded(text, "mapping")
    else:
        value = _loaded(text if text.startswith("- ") else f"[{text}]", "list")
    if "list[number]" in argument.types and isinstance(value, list):
        return [_number(item) for item in value]
    return value


def read_texts(text: str) -> list[str]:
    """The items of a typed list of texts: `[a, "b c"]`, `a, b`, or one a line. Raises ValueError."""
    text = text.strip()
    if text.startswith("[") and text.endswith("]"):
        loaded = _loaded(text, "list", as_typed=True)
        if not isinstance(loaded, list) or not all(isinstance(item, str) for item in loaded):
            raise ValueError("must be a list of texts: write [one, two]")
        return loaded
    if text.startswith("[") and "]" not in text:
        raise ValueError("is no list yet: the bracket is not closed")
    items = text.split("\n") if "\n" in text or _PATTERN.search(text) else text.split(",")
    return [item.strip() for item in items if item.strip()]


def read_environment(text: str) -> dict[str, str]:
    """Environment variables typed as `{NAME: value}`, or one `NAME: value` a line. Raises ValueError."""
    loaded = _loaded(text.strip(), "mapping", as_typed=True)
    if not isinstance(loaded, Mapping):
        raise ValueError("must be a mapping of names and values: write {NAME: value}")
    for name, value in loaded.items():
        if not _NAME.fullmatch(str(name)):
            raise ValueError(f"has a name that no environment variable can have: '{str(name)[:60]}'")
        if not isinstance(value, str):
            raise ValueError(f"must give one text for {name}")
    return {str(name): value for name, value in loaded.items()}


def flow_text(value: Any) -> str:
    """A list or mapping on one line, as `read_structure` and `read_texts` read it again."""
    text = yaml.dump(value, Dumper=_Writer, default_flow_style=True, width=10**9, allow_unicode=True, sort_keys=False)
    return str(text).strip()


def in_words(value: Any) -> str:
    """How a typed text was read, in a few words: "list of 2 numbers", "mapping of 1: use_cache"."""
    if isinstance(value, Mapping):
        keys = ", ".join(str(key) for key in value)
        return f"mapping of {len(value)}: {keys if len(keys) <= 80 else keys[:79] + '…'}"
    if isinstance(value, list):
        nouns = {_noun(item) for item in value}
        noun = nouns.pop() if len(nouns) == 1 else "value"
        return f"list of {len(value)} {noun}{'' if len(value) == 1 else 's'}"
    return f"the text {value}" if isinstance(value, str) else f"the {_noun(value)} {value}"


def _noun(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    return "text" if isinstance(value, str) else "mapping" if isinstance(value, Mapping) else "list"


def _number(item: Any) -> Any:
    """An item as a number where it is one: YAML takes `1e-6` for a text."""
    if isinstance(item, bool) or not isinstance(item, (int, float, str)):
        return item
    try:
        return float(item)
    except (ValueError, OverflowError):
        return item


def _loaded(text: str, noun: str, as_typed: bool = False) -> Any:
    """The text as JSON, else as YAML; with `as_typed` every single value stays the text that was typed."""
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"is too long to be typed here: {len(text):,} characters, {MOST_CHARACTERS:,} at most")
    try:
        loaded = _by_yaml(text, yaml.BaseLoader) if as_typed else _read(text)
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except yaml.YAMLError as error:
        raise ValueError(_reason(error, noun)) from None
    return _plain(loaded)


def _read(text: str) -> Any:
    try:
        return json.loads(text) if _is_json(text) else _by_yaml(text, _Reader)
    except ValueError as error:  # a month 13, a number of thousands of digits
        raise ValueError(f"holds what cannot be read: {str(error).split(';')[0].split(':')[0]}") from None


def _is_json(text: str) -> bool:
    # JSON comes first: YAML refuses its tabs, and takes its `1e-6` for a text. YAML has the rest: `{a: 1}`.
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _by_yaml(text: str, loader: type[Any]) -> Any:
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=loader)):
        raise yaml.YAMLError("an anchor (`*`) is for files: write the value out")
    return yaml.load(text, Loader=loader)


def _reason(error: yaml.YAMLError, noun: str) -> str:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or str(error).split("\n")[0]
    place = f" (line {mark.line + 1}, character {mark.column + 1})" if mark else ""
    return f"is no {noun} yet: {what}{place}"


def _plain(value: Any) -> Any:
    """The value where JSON could hold it. Raises ValueError for a date, a set and the like."""
    if isinstance(value, Mapping):
        return {_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise ValueError(f"holds a {type(value).__name__}, {str(value)[:40]}: quote it to make it a text")


def _key(key: Any) -> str:
    if isinstance(key, str):
        return key
    raise ValueError(f"has the key {key}, which is no text: quote it")
