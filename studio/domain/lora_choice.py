"""The adapter that a recipe asks for, as TRL hands it to PEFT."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

ALL_LINEAR = "all-linear"
_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}

Targets = str | tuple[str, ...] | None


@dataclass(frozen=True)
class Wanted:
    """The adapter that a recipe asks for.

    `targets` is None where PEFT's own choice for the model's type is taken, a text where TRL hands PEFT a pattern (or
    `all-linear`), else names. `tensors` are the target parameters, `saved` the modules trained in full.
    `weight_bytes` is how many bytes a weight of the loaded model takes, None where that is not known;
    `adapter_bytes` the same for one of the adapter.
    """

    rank: int = 16
    targets: Targets = None
    tensors: tuple[str, ...] = ()
    saved: tuple[str, ...] = ()
    dora: bool = False
    scores: bool = False
    dropout: bool = True
    quantized: bool = False
    weight_bytes: int | None = 4
    adapter_bytes: int | None = 4


def wanted(get: Callable[[str], Any], profile: str | None, stored: str) -> Wanted | str:
    """What a recipe asks for, or a sentence on what in it is no number or name.

    `get` gives the value in effect of an argument, `profile` is accelerate's, `stored` the dtype that the model's
    weights are stored in.
    """
    rank = get("lora_r")
    if not isinstance(rank, int) or isinstance(rank, bool) or rank < 1:
        return f"The rank {rank!r} is no whole number above 0."
    quantized = get("load_in_4bit") is True or get("load_in_8bit") is True
    weight = weight_bytes(get("dtype"), stored)
    # TRL turns an adapter on quantized weights into bfloat16, and leaves it in the weights' dtype under ZeRO-3.
    adapter = 2 if quantized else weight if profile == "zero3" else 4
    return Wanted(
        rank=rank,
        targets=targets_of(get("lora_target_modules")),
        tensors=_names(get("lora_target_parameters")),
        saved=_names(get("lora_modules_to_save")),
        dora=get("use_dora") is True,
        scores=get("lora_task_type") == "SEQ_CLS",
        dropout=get("lora_dropout") not in (0, None),
        quantized=quantized,
        weight_bytes=weight,
        adapter_bytes=adapter,
    )


def weight_bytes(dtype: Any, stored: str) -> int | None:
    """Bytes of each weight of a model that TRL loads as `dtype` from what is stored; None where that is not known."""
    return _BYTES.get(stored if dtype == "auto" else "float32" if dtype is None else str(dtype))


def targets_of(value: Any) -> Targets:
    """What TRL hands PEFT: a single name becomes a text, and a text is a pattern for the whole name of a module."""
    if isinstance(value, str):
        return value or None
    names = _names(value)
    if not names:
        return None if value is None else ()
    return names[0] if len(names) == 1 else names


def as_argument(names: Iterable[str]) -> list[str]:
    """The value of `lora_target_modules` that means exactly these names: a single one has to be a pattern."""
    listed = list(names)
    return [rf".*\.{re.escape(listed[0])}"] if len(listed) == 1 and listed[0] != ALL_LINEAR else listed


def _names(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(str(name) for name in value) if isinstance(value, (list, tuple)) else ()
