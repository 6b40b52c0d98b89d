"""Whether a tokenizer on this machine knows a token, from its files: none of them is loaded as a tokenizer."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

_LARGEST = 64 << 20  # bytes of a file that is read whole
# Where tokens stand beside the vocabulary itself.
_BESIDE = ("tokenizer_config.json", "added_tokens.json", "special_tokens_map.json")


def knows(folder: Path, token: str) -> bool | None:
    """Whether the vocabulary of a model's folder has the token; None where its files do not tell."""
    stamps = []
    for name in ("tokenizer.json", "vocab.json", *_BESIDE):
        try:
            told = (folder / name).stat()
        except OSError:
            continue
        stamps.append((name, told.st_mtime_ns, told.st_size))
    return _knows(folder, tuple(stamps), token)


@lru_cache(256)
def _knows(folder: Path, stamps: tuple[tuple[str, int, int], ...], token: str) -> bool | None:
    names = [name for name, _, size in stamps if size <= _LARGEST]
    main = next((name for name in names if name in ("tokenizer.json", "vocab.json")), None)
    if main is None:
        return None  # a sentencepiece model, which only its own library reads
    try:
        read = {name: json.loads((folder / name).read_text(encoding="utf-8")) for name in names}
    except (OSError, ValueError, RecursionError):
        return None
    if any(_named(token, read[name]) for name in _BESIDE if name in read):
        return True
    if main == "vocab.json":
        return token in read[main] if isinstance(read[main], dict) else None
    return _in_tokenizer(token, read[main])


def _in_tokenizer(token: str, told: Any) -> bool | None:
    if not isinstance(told, dict) or not isinstance(model := told.get("model"), dict):
        return None
    if _named(token, told.get("added_tokens")):
        return True
    known = model.get("vocab")
    if isinstance(known, list):  # Unigram: pairs of a token and its weight
        return any(isinstance(pair, list) and bool(pair) and pair[0] == token for pair in known)
    return token in known if isinstance(known, dict) else None


def _named(token: str, told: Any) -> bool:
    """Whether the token stands anywhere below, as a name or as a text."""
    if isinstance(told, dict):
        return token in told or any(_named(token, value) for key, value in told.items() if key != "chat_template")
    if isinstance(told, list):
        return any(_named(token, value) for value in told)
    return bool(told == token)
