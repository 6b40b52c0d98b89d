"""What the studio adds to TRL's arguments: section, plain label and hint, bounds, and the condition that shows them."""

from __future__ import annotations

from functools import cache
from typing import Any

from studio.domain.arguments import Argument
from studio.domain.overlay_record import SET, UNSET, Overlay
from studio.domain.overlay_table import OVERLAYS

__all__ = ["OVERLAYS", "SECTIONS", "Overlay", "bounds_problem", "depends", "is_shown", "overlay", "section_of"]

# In the order in which one thinks, which is the order in the YAML.
SECTIONS = (
    "Model",
    "Data",
    "Length of training",
    "Batch",
    "Learning rate",
    "Sequence",
    "Method",
    "Generation",
    "Rewards",
    "Teacher",
    "LoRA",
    "Quantization",
    "Evaluation",
    "Saving",
    "Logging",
    "Hub",
    "Precision and memory",
    "Training",
    "Launch",
)

_BY_OWNER = {
    "ModelConfig": "Model",
    "ScriptArguments": "Data",
    "DatasetMixtureConfig": "Data",
    "_BaseConfig": "Training",
    "TrainingArguments": "Training",
}


@cache
def overlay(name: str, method: str) -> Overlay | None:
    """The studio's record for an argument under a method, or None where TRL's own words stand alone."""
    for record in OVERLAYS:
        if record.name == name and (not record.methods or method in record.methods):
            return record
    return None


def section_of(name: str, method: str, argument: Argument | None) -> str:
    """The section of SECTIONS under which an argument stands; accelerate's options and unknown keys under Launch."""
    record = overlay(name, method)
    if record:
        return record.section
    if argument is None or argument.owner.startswith("accelerate"):
        return "Launch"
    if name.startswith("lora_"):
        return "LoRA"
    if name.startswith(("vllm_", "generation_", "use_vllm")):
        return "Generation"
    return _BY_OWNER.get(argument.owner, "Data" if argument.owner.endswith("ScriptArguments") else "Method")


def is_shown(name: str, method: str, get: Any) -> bool:
    """Whether the argument means anything with the recipe's other values; `get(name)` gives those."""
    record = overlay(name, method)
    if record is None or record.shown_when is None:
        return True
    other, wanted = record.shown_when
    if not is_shown(other, method, get):
        return False
    if wanted in (SET, UNSET):
        return bool(get(other)) is (wanted == SET)
    return get(other) in wanted if isinstance(wanted, tuple) else get(other) == wanted


def depends(name: str, method: str, other: str) -> bool:
    """Whether the argument is shown or not by what `other` says, directly or through one that is."""
    record = overlay(name, method)
    if record is None or record.shown_when is None:
        return False
    return record.shown_when[0] == other or depends(record.shown_when[0], method, other)


def bounds_problem(name: str, method: str, value: Any) -> str | None:
    """What is wrong with a number's size, as the end of a sentence, or None."""
    record = overlay(name, method)
    if record is None or isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if record.minimum is not None and (value < record.minimum or (record.above and value == record.minimum)):
        return f"must be {'above' if record.above else 'at least'} {record.minimum:g}, not {value:g}"
    if record.maximum is not None and value > record.maximum:
        return f"must be at most {record.maximum:g}, not {value:g}"
    return None
