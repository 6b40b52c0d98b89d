"""Checkpoints of a run: which of them are whole, what they take, and why one is none to resume from."""

from __future__ import annotations

import json
import os
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.adapters.progress import CHECKPOINT, STATE_BYTES, is_complete

_WEIGHTS = ("model.safetensors", "adapter_model.safetensors", "pytorch_model.bin", "adapter_model.bin")
_INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
_HEADER = 100 * 1024 * 1024  # bytes; safetensors' own limit for the header


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint folder of a run: optimizer `step` of `total`, its size in bytes, `trouble` if it is not whole.

    `bare`: weights without the optimizer's state, from which TRL would go on with a new one.
    """

    name: str
    step: int
    total: int | None
    size: int
    trouble: str = ""
    bare: bool = False
    is_adapter: bool = False


def checkpoints(folder: Path) -> list[Checkpoint]:
    """The checkpoints in the `output` of a run folder, newest first."""
    try:
        inside = [path for path in (folder / "output").iterdir() if CHECKPOINT.match(path.name) and path.is_dir()]
    except OSError:
        return []
    return sorted((_read(path) for path in inside), key=lambda found: -found.step)


def _read(folder: Path) -> Checkpoint:
    match = CHECKPOINT.match(folder.name)
    step = int(match[1]) if match else 0
    state = _object(folder / "trainer_state.json")
    total = state.get("max_steps")
    return Checkpoint(
        folder.name,
        step,
        total if type(total) is int else None,
        _size(folder),
        _trouble(folder, state, step),
        bare=not any(path.name.startswith(("optimizer", "global_step")) for path in _files(folder)),
        is_adapter=(folder / "adapter_config.json").is_file(),
    )


def _trouble(folder: Path, state: dict[str, Any], step: int) -> str:
    if not is_complete(folder):
        return "it was not written to its end"
    if state.get("global_step") != step:
        return "its trainer_state.json cannot be read, or is that of another step"
    names = {path.name for path in _files(folder)}
    weights = [name for name in _WEIGHTS if name in names]
    for index in _INDEXES:
        if index in names:
            parts = _object(folder / index).get("weight_map")
            weights += sorted(set(parts.values())) if isinstance(parts, dict) else []
    if not weights and not any(name.startswith(("global_step", "pytorch_model_fsdp")) for name in names):
        return "the weights are missing"
    for name in weights:
        if name not in names:
            return f"{name} is missing"
        if not _is_whole(folder / name):
            return f"{name} is cut short"
    for name in ("optimizer.pt", "scheduler.pt"):
        if name in names and not zipfile.is_zipfile(folder / name):
            return f"{name} is cut short"
    return ""


def _is_whole(path: Path) -> bool:
    """Whether a file of weights is as long as it says; torch's own are zip archives, with their table at the end."""
    if path.suffix != ".safetensors":
        return zipfile.is_zipfile(path)
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if not 0 < length < _HEADER:
                return False
            header = json.loads(file.read(length))
        ends = [told["data_offsets"][1] for name, told in header.items() if name != "__metadata__"]
        return bool(path.stat().st_size == 8 + length + max(ends, default=0))
    except (OSError, ValueError, struct.error, KeyError, TypeError, IndexError, AttributeError):
        return False


def _files(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _size(folder: Path) -> int:
    return sum(os.path.getsize(path) for path in folder.rglob("*") if path.is_file())


def _object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes()) if path.stat().st_size < STATE_BYTES else None
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
