"""Models on this machine: their facts from config, tokenizer files and the heads of their weights."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from studio.domain.model_facts import ModelFacts


def local_facts(folder: Path) -> ModelFacts:
    """What a model's folder says of it; no weights are read, only the header of each safetensors file."""
    config = _json(folder / "config.json")
    tokenizer = _json(folder / "tokenizer_config.json")
    text = config.get("text_config") or {}
    counts: dict[str, int] = {}
    for file in sorted(folder.glob("*.safetensors")):
        for dtype, number in _parameters(file).items():
            counts[dtype] = counts.get(dtype, 0) + number
    template = folder / "chat_template.jinja"
    told = (
        template.read_text(encoding="utf-8", errors="replace") if template.is_file() else tokenizer.get("chat_template")
    )
    quantization = config.get("quantization_config") or {}
    names = tuple(sorted(entry.name for entry in folder.iterdir() if entry.is_file()))
    return ModelFacts(
        id=folder.name,
        architecture=next(iter(config.get("architectures") or ()), None),
        model_type=config.get("model_type"),
        parameters=sum(counts.values()) or None,
        dtype=max(counts, key=counts.__getitem__) if counts else config.get("dtype") or config.get("torch_dtype"),
        context=config.get("max_position_embeddings") or text.get("max_position_embeddings"),
        vocabulary=config.get("vocab_size") or text.get("vocab_size"),
        quantized=quantization.get("quant_method"),
        gated=False,
        private=False,
        licence=None,
        task=None,
        template=told if isinstance(told, str) else json.dumps(told) if told else None,
        files=names,
        config=config,
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _parameters(file: Path) -> dict[str, int]:
    """Parameters by dtype, from a safetensors file's header; nothing where it is broken."""
    try:
        with file.open("rb") as handle:
            size = int.from_bytes(handle.read(8), "little")
            header = json.loads(handle.read(size)) if size < 100 << 20 else {}
    except (OSError, ValueError):
        return {}
    counts: dict[str, int] = {}
    for name, entry in header.items():
        if name != "__metadata__" and isinstance(entry, dict):
            dtype = str(entry.get("dtype"))
            counts[dtype] = counts.get(dtype, 0) + math.prod(entry.get("shape") or [1])
    return counts
