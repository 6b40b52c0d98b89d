"""What the checkpoints of a run will take on its disk: how large each is, and how many are kept."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from studio.domain.findings import Finding, Fix, finding
from studio.domain.model_facts import size_text

# What an optimizer remembers of each trained parameter: so many numbers as wide as the parameter itself, or bytes of
# its own. From torch's and bitsandbytes' sources; what is not listed is not known, and not counted.
_NUMBERS = {
    **dict.fromkeys(("adamw_torch", "adamw_torch_fused", "adamw_torch_xla", "adamw_torch_npu_fused"), 2),
    **dict.fromkeys(("adagrad", "rmsprop"), 1),
    **dict.fromkeys(("sgd", "adafactor", "lomo", "adalomo"), 0),
}
_OWN_BYTES = {
    "adamw_torch_4bit": 1,
    **dict.fromkeys(("adamw_torch_8bit", "adamw_bnb_8bit", "adamw_8bit", "paged_adamw_8bit"), 2),
    **dict.fromkeys(("lion_8bit", "paged_lion_8bit", "rmsprop_bnb_8bit"), 1),
    **dict.fromkeys(("lion_32bit", "paged_lion_32bit", "rmsprop_bnb", "rmsprop_bnb_32bit"), 4),
    "paged_adamw_32bit": 8,
}
_SHARDED = 12  # bytes that ZeRO keeps of each trained parameter: float32 weights and the two averages of Adam
# The arguments that decide it.
DECIDING = (
    *("save_strategy", "save_steps", "save_total_limit", "save_only_model", "load_best_model_at_end", "optim", "dtype"),
    *("model_name_or_path", "model_revision", "use_peft", "num_train_epochs", "max_steps", "accelerate_config"),
)


@dataclass(frozen=True)
class Kept:
    """Checkpoints of a run on the disk, in bytes.

    `number` is how many are kept, None where that hangs on what is not known. `rotated` says that one more is there
    while it is written, before the oldest goes. `weights` and `state` (the optimizer's; None: unknown) make up each.
    """

    number: int | None
    weights: int
    state: int | None
    rotated: bool = False

    @property
    def each(self) -> int:
        return self.weights + (self.state or 0)

    @property
    def most(self) -> int | None:
        """The most that they take at any moment of the run; None where their number is not known."""
        return None if self.number is None else (self.number + self.rotated) * self.each


def kept(
    get: Callable[[str], Any], weights: int, trained: int, width: int, steps: int | None, profile: str = ""
) -> Kept:
    """What a recipe will keep; `get` gives the value in effect of an argument.

    `weights` are the bytes of what is saved as the model, `trained` its trained parameters and `width` the bytes of
    each; `steps` are the run's updates, where they are known. `profile` is accelerate's, by its name.
    """
    state = 0 if get("save_only_model") is True else _state(str(get("optim")), trained, width, profile)
    number, limit = _made(get, steps), get("save_total_limit")
    limited = type(limit) is int and limit > 0
    if limited:
        # transformers' `rotate_checkpoints` spares the best one and the newest.
        most = max(limit, 2) if get("load_best_model_at_end") is True else limit
        if number is None or number > most:
            return Kept(most, weights, state, rotated=True)
    return Kept(number, weights, state)


def disk_finding(found: Kept, free: int, get: Callable[[str], Any]) -> Finding | None:
    """A warning where the disk has no room for them."""
    if not found.number or found.most is None or found.most <= free:
        return None
    fix = None
    if get("save_total_limit") != 1 and found.number > 1:
        fix = Fix("Keep one checkpoint", {"save_total_limit": 1})
    elif get("save_only_model") is not True and found.state:
        fix = Fix("Save without the optimizer", {"save_only_model": True})
    return finding(
        "warning",
        "save_total_limit",
        f"The checkpoints will take about {size_text(found.most)}, and the disk of the runs has {size_text(free)} "
        "free.",
        "A run that meets a full disk ends there. Free some space, keep fewer, or save without the optimizer's state, "
        "from which a resumed run then has to start anew.",
        fix,
    )


def _state(optim: str, trained: int, width: int, profile: str) -> int | None:
    if profile.startswith("zero"):
        return _SHARDED * trained
    numbers = _NUMBERS.get(optim)
    own = _OWN_BYTES.get(optim)
    return trained * width * numbers if numbers is not None else trained * own if own is not None else None


def _made(get: Callable[[str], Any], steps: int | None) -> int | None:
    """How many checkpoints the run makes in all."""
    strategy, every, epochs = str(get("save_strategy")), get("save_steps"), get("num_train_epochs")
    if strategy == "no":
        return 0
    if strategy == "epoch":
        known = isinstance(epochs, (int, float)) and 0 < epochs < 1e6 and get("max_steps") in (None, -1)
        return math.ceil(epochs) if known else None
    if strategy != "steps" or not isinstance(every, (int, float)) or isinstance(every, bool) or every <= 0:
        return None
    if every < 1:
        # A share of the run; of a short one it is rounded up to whole steps.
        return math.ceil(steps / math.ceil(steps * every)) if steps else math.ceil(round(1 / every, 6))
    return math.ceil(steps / every) if steps else None
