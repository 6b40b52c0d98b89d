"""Models on this machine: their facts from config, tokenizer files and the heads of their weights."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import yaml

from studio.domain.model_facts import (
    ModelFacts,
    missing_shards,
    needed_files,
    processor_in,
    template_in,
    tokens_in,
    told_by_config,
    weights_among,
)

_HEADER_LIMIT = 100 << 20  # bytes; what the safetensors library allows
_SMALL_FILE = 16 << 20  # bytes of a JSON file that is read whole
_HEAD = 1 << 20  # bytes of tokenizer.json in which its added tokens stand, before the vocabulary


class Unreadable(Exception):
    """A file is there and cannot be read as what it should be; the text says why."""


def local_facts(folder: Path) -> ModelFacts:
    """What a model's folder says of it; no weights are read, only the header of each safetensors file.

    What keeps it from being loaded stands in `trouble`; nothing is raised.
    """
    names = _names(folder)
    trouble = ""
    config: dict[str, Any] = {}
    adapter: dict[str, Any] = {}
    for name, into in (("config.json", config), ("adapter_config.json", adapter)):
        try:
            into.update(_json(folder / name))
        except Unreadable as error:
            trouble = trouble or f"{name} cannot be read: {error}."
    tokenizer, told = _tokenizer(folder)
    counts, broken = _weights(folder, names)
    named, marks = tokens_in(tokenizer)
    return ModelFacts(
        id=folder.name,
        **{**told_by_config(config), "dtype": _stored(counts) or told_by_config(config)["dtype"]},
        parameters=sum(counts.values()) or None,
        gated=False,
        private=False,
        licence=_licence(folder / "README.md"),
        task=None,
        template=template_in(told),
        files=names,
        config=config,
        sizes={name: _size(folder / name) for name in needed_files(names)},
        tokens=named,
        marks=tuple(dict.fromkeys((*marks, *_added(folder / "tokenizer.json")))),
        processor=processor_in(tokenizer),
        adapts=base if isinstance(base := adapter.get("base_model_name_or_path"), str) else None,
        trouble=trouble or broken,
    )


def stamp(folder: Path) -> tuple[int, ...]:
    """Changes whenever the files of a model's folder are written, added or removed."""
    telling = (".json", ".jinja", ".safetensors", ".bin")
    try:
        found = [folder.stat(), *(entry.stat() for entry in sorted(folder.iterdir()) if entry.suffix in telling)]
    except OSError:
        return ()
    return tuple(value for one in found for value in (one.st_mtime_ns, one.st_size))


def _names(folder: Path) -> tuple[str, ...]:
    try:
        return tuple(sorted(entry.name for entry in folder.iterdir() if entry.is_file()))
    except OSError:
        return ()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _json(path: Path) -> dict[str, Any]:
    """A JSON object; empty where there is no such file. Raises Unreadable."""
    try:
        if path.stat().st_size > _SMALL_FILE:
            raise Unreadable("it is far too long")
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise Unreadable(error.strerror or str(error)) from None
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"it is no JSON ({error})") from None
    if not isinstance(found, dict):
        raise Unreadable("it holds no JSON object")
    return found


def _lenient(path: Path) -> dict[str, Any]:
    """A JSON object of a file that a training can do without; empty where it cannot be read."""
    try:
        return _json(path)
    except Unreadable:
        return {}


def _tokenizer(folder: Path) -> tuple[dict[str, Any], Any]:
    """tokenizer_config.json, and the chat template as told there or in a file of its own, which comes first."""
    tokenizer = _lenient(folder / "tokenizer_config.json")
    try:
        return tokenizer, (folder / "chat_template.jinja").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return tokenizer, tokenizer.get("chat_template") or _lenient(folder / "chat_template.json").get("chat_template")


def _added(path: Path) -> list[str]:
    """The special tokens of a tokenizer.json, from its beginning: the vocabulary behind them may take megabytes."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            head = file.read(_HEAD)
        start = head.index('"added_tokens"')
        found, _ = json.JSONDecoder().raw_decode(head, head.index("[", start))
    except (OSError, ValueError, RecursionError):
        return []
    tokens = [entry for entry in found if isinstance(entry, dict) and entry.get("special")]
    return [token["content"] for token in tokens if isinstance(token.get("content"), str)]


def _licence(readme: Path) -> str | None:
    """The licence that a model card's front matter names."""
    try:
        with readme.open(encoding="utf-8", errors="replace") as file:
            head = file.read(1 << 16)
        match = re.match(r"---\n(.*?)\n---", head, re.DOTALL)
        card = yaml.safe_load(match.group(1)) if match else None
    except (OSError, yaml.YAMLError):
        return None
    told = card.get("license") if isinstance(card, dict) else None
    return told if isinstance(told, str) else None


def _weights(folder: Path, names: tuple[str, ...]) -> tuple[dict[str, int], str]:
    """Parameters by dtype, and what is wrong with the files of weights."""
    files = weights_among(names)
    lost = missing_shards(names)
    if lost:
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        return {}, f"{lost[0]}{more} is missing: the weights are not complete."
    if not files:
        return {}, "There are no weights in it: no model.safetensors and no pytorch_model.bin."
    counts: dict[str, int] = {}
    for name in files:
        if not name.endswith(".safetensors"):
            continue
        try:
            found = _parameters(folder / name)
        except Unreadable as error:
            return {}, f"{name} cannot be read: {error}."
        for dtype, number in found.items():
            counts[dtype] = counts.get(dtype, 0) + number
    return counts, ""


def _parameters(file: Path) -> dict[str, int]:
    """Parameters by dtype, from a safetensors file's header. Raises Unreadable where it is broken or cut short."""
    try:
        with file.open("rb") as handle:
            length = int.from_bytes(handle.read(8), "little")
            if not 0 < length < _HEADER_LIMIT:
                raise Unreadable("it does not begin as safetensors do")
            header = json.loads(handle.read(length))
    except OSError as error:
        raise Unreadable(error.strerror or str(error)) from None
    except (ValueError, RecursionError):
        raise Unreadable("its header is broken or cut off") from None
    counts: dict[str, int] = {}
    end = 0
    try:
        for name, entry in header.items():
            if name != "__metadata__":
                counts[entry["dtype"]] = counts.get(entry["dtype"], 0) + math.prod(entry["shape"])
                end = max(end, entry["data_offsets"][1])
    except (AttributeError, LookupError, TypeError):
        raise Unreadable("its header does not say what is in it") from None
    there = _size(file)
    if there != 8 + length + end:
        raise Unreadable(f"it has {there:,} bytes where its header promises {8 + length + end:,}; copy it again")
    return counts


def _stored(counts: dict[str, int]) -> str | None:
    return max(counts, key=counts.__getitem__) if counts else None
