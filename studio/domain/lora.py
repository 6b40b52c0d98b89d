"""What a LoRA adapter is made of: which modules a choice hits, how many parameters it trains, how big its file is.

The rules are PEFT's own (0.21), read from its `inject_adapter`; the tests hold them against PEFT's counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from studio.domain.findings import Finding, Fix, finding
from studio.domain.lora_choice import ALL_LINEAR, Targets, Wanted
from studio.domain.lora_findings import half_fused, no_usual, nothing_hit, odd_tensor, remarks, unsuitable
from studio.domain.model_layers import Layers, ModelLayers, Module

# PEFT adds these to the modules trained in full where the task is SEQ_CLS.
_SCORE_NAMES = ("classifier", "score")
_EMBEDDINGS = ("embed_tokens", "lm_head")


@dataclass(frozen=True)
class Adapter:
    """What an adapter comes to. `trainable` and `size` (bytes of its tensors) are None where they cannot be known.

    `hit` are the names of the modules and tensors that it acts on, `why` says what keeps a number unknown.
    """

    trainable: int | None
    size: int | None
    hit: frozenset[str] = frozenset()
    why: str = ""
    findings: tuple[Finding, ...] = ()


@dataclass
class _Plan:
    """The targets as PEFT has them after its own rewriting; `ranks` has the rank of tensors that stand for several."""

    targets: Targets
    tensors: set[str]
    ranks: dict[str, int] = field(default_factory=dict)


class _Refused(Exception):
    """What PEFT or TRL would stop at, as a Finding."""

    def __init__(self, found: Finding) -> None:
        super().__init__(found.message)
        self.found = found


class _Uncounted(Exception):
    """What the studio cannot count, in words."""


@lru_cache(maxsize=64)
def adapter(model: ModelLayers, method: str, wanted: Wanted, usual: Targets) -> Adapter:
    """The adapter that PEFT would make; `usual` is PEFT's own choice of targets for the model's type."""
    layers = model.under(method)
    if layers is None:
        return Adapter(None, None, why=f"transformers has no variant of '{model.model_type}' that ends in a score.")
    if model.quantized not in (None, "bitsandbytes"):
        return Adapter(None, None, why=f"Its weights come packed ({model.quantized}): PEFT counts them once loaded.")
    try:
        return _adapter(model, layers, method, wanted, usual)
    except _Refused as refused:
        return Adapter(None, None, why=refused.found.message, findings=(refused.found,))
    except _Uncounted as reason:
        return Adapter(None, None, why=str(reason))


def _adapter(model: ModelLayers, layers: Layers, method: str, wanted: Wanted, usual: Targets) -> Adapter:
    saved = (*wanted.saved, *(_SCORE_NAMES if wanted.scores else ()))
    plan = _Plan(wanted.targets, set(wanted.tensors))
    if model.renamed and model.fused:
        plan = _rewritten(plan, model, layers, saved, wanted)
    if plan.targets is None:
        plan.targets = usual
    if wanted.targets is None and not plan.targets and not plan.tensors:
        raise _Refused(no_usual(model))
    modules = _matched(plan.targets, layers, saved, wanted.scores)
    tensors = _matched_tensors(plan.tensors, layers, {one.name for one in modules})
    if not modules and not tensors:
        raise _Refused(nothing_hit(wanted, layers))
    refused = unsuitable(modules, tensors, wanted)
    if refused is not None:
        raise _Refused(refused)
    if any(one.kind == "convolution" for one in modules):
        raise _Uncounted("Convolutions are among the targets; the studio does not count those.")
    kept = _kept(saved, layers, modules)

    lora = sum(wanted.rank * (one.inputs + one.outputs) for one in modules)
    for name, (count, width) in tensors.items():
        lora += plan.ranks.get(name.rpartition(".")[2], wanted.rank) * count * width
    magnitudes = sum(one.outputs for one in modules) if wanted.dora else 0
    full = sum(one.parameters for one in kept)
    base = _targeted_embeddings(plan.targets, modules)
    hit = frozenset([*(one.name for one in modules), *tensors])
    return Adapter(
        trainable=lora + magnitudes + full,
        size=_size(wanted, lora, magnitudes, full, base),
        hit=hit,
        why="" if wanted.weight_bytes else "The size hangs on the dtype that the weights are loaded in.",
        findings=tuple(remarks(model, method, wanted, modules, tensors)),
    )


def _size(wanted: Wanted, lora: int, magnitudes: int, full: int, base: int) -> int | None:
    if wanted.adapter_bytes is None or (wanted.weight_bytes is None and (full or base)):
        return None
    weight = wanted.weight_bytes or 0
    copied = 2 if wanted.quantized else weight
    magnitude = 4 if wanted.quantized else wanted.adapter_bytes
    return lora * wanted.adapter_bytes + magnitudes * magnitude + full * copied + base * weight


# Which modules PEFT takes ----------------------------------------------------------------------------------------


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        fix = Fix("Leave the targets out", {}, ("lora_target_modules",))
        raise _Refused(finding("error", "lora_target_modules", f"`{text}` is no pattern: {error}.", "", fix)) from None


def _excluded(saved: tuple[str, ...]) -> Callable[[str], bool]:
    """Whether a module stands in one that is trained in full: PEFT keeps adapters out of those."""
    patterns = [_pattern(rf"(^|.*\.){name}($|\..*)") for name in saved]
    return lambda name: any(pattern.match(name) for pattern in patterns)


def _chooser(targets: Targets, layers: Layers, scores: bool) -> Callable[[str], bool]:
    """Whether targets take a module, by its full name."""
    if isinstance(targets, str) and targets.lower() == ALL_LINEAR:
        left_out = layers.head if layers.head is not None else layers.score if scores else None
        linear = {one.name for one in layers.modules if one.is_linear and one.name != left_out}
        return linear.__contains__
    if isinstance(targets, str):
        pattern = _pattern(targets)
        return lambda name: pattern.fullmatch(name) is not None
    names = frozenset(targets or ())
    ends = tuple(f".{name}" for name in names)
    return lambda name: name in names or name.endswith(ends)


def matching(targets: Targets, layers: Layers) -> frozenset[str]:
    """The linear modules that targets name, by full name, whatever else is wrong with them."""
    try:
        chosen = _chooser(targets, layers, scores=False)
    except _Refused:
        return frozenset()
    return frozenset(one.name for group in layers.groups for one in group.modules if chosen(one.name))


def _matched(targets: Targets, layers: Layers, saved: tuple[str, ...], scores: bool) -> list[Module]:
    chosen, excluded = _chooser(targets, layers, scores), _excluded(saved)
    return [one for one in layers.modules if chosen(one.name) and not excluded(one.name)]


def _matched_tensors(wanted: set[str], layers: Layers, adapted: set[str]) -> dict[str, tuple[int, int]]:
    """The tensors that target parameters name: how many matrices each is, and its width at entry and exit together."""
    if not wanted:
        return {}
    ends = tuple(f".{name}" for name in wanted)
    found: dict[str, tuple[int, int]] = {}
    shapes = dict(layers.tensors) | {
        f"{one.name}.weight": (one.outputs, one.inputs) for one in layers.modules if one.is_linear
    }
    for name, shape in shapes.items():
        if name not in wanted and not name.endswith(ends):
            continue
        if len(shape) not in (2, 3):
            raise _Refused(odd_tensor(name, f"has {len(shape)} dimensions; PEFT takes 2 or 3"))
        if name.removesuffix(".weight") in adapted:
            raise _Refused(odd_tensor(name, "belongs to a module that is a target module too"))
        found[name] = (shape[0] if len(shape) == 3 else 1, shape[-1] + shape[-2])
    return found


def _kept(saved: tuple[str, ...], layers: Layers, adapted: list[Module]) -> list[Module]:
    """The modules that PEFT copies and trains in full."""
    if not saved:
        return []
    found = [one for one in layers.modules if one.name.endswith(saved)]
    names = tuple(f"{one.name}." for one in found)
    if any(one.name.startswith(names) for one in found):
        raise _Uncounted("Modules trained in full lie within each other: PEFT alone knows what becomes of that.")
    if {one.name for one in found} & {one.name for one in adapted}:
        raise _Uncounted("A module trained in full ends like a target module: PEFT alone knows what becomes of that.")
    return found


def _targeted_embeddings(targets: Targets, modules: list[Module]) -> int:
    """Weights of embeddings that PEFT saves with the adapter, since it changes them."""
    embeddings = [one for one in modules if one.name.rpartition(".")[2] in _EMBEDDINGS]
    if isinstance(targets, tuple) and not set(targets) & set(_EMBEDDINGS):
        return 0
    return sum(one.inputs * one.outputs for one in embeddings)


def _rewritten(plan: _Plan, model: ModelLayers, layers: Layers, saved: tuple[str, ...], wanted: Wanted) -> _Plan:
    """PEFT's rewriting for architectures whose experts are one tensor now, and were modules once."""
    targets, renamed = plan.targets, model.renamed
    if isinstance(targets, str):
        chosen, excluded = _chooser(targets, layers, wanted.scores), _excluded(saved)
        names = {one.name for one in layers.modules if chosen(one.name)}
        if targets.lower() == ALL_LINEAR:
            leaves = {name.rpartition(".")[2] for name in names} | set(renamed)
        else:
            inside = [name for name in layers.tensors if chosen(name)]
            leaves = {name.rpartition(".")[2] for name in [*names, *inside] if not excluded(name)}
            for old, new in renamed.items():
                holders = {name.rpartition(".")[0] for name in layers.tensors if name.rpartition(".")[2] == new}
                if any(chosen(f"{holder}.{old}") for holder in holders):
                    leaves.add(old)
        if not leaves:
            return plan
        targets = tuple(sorted(leaves))
    tensors, left = set(plan.tensors), list[str]()
    present = {new: set[str]() for new in model.fused}
    for target in targets or ():
        once = next((old for old in renamed if target == old or target.endswith(f".{old}")), None)
        if once is None:
            left.append(target)
            continue
        tensors.add(renamed[once])
        present.setdefault(renamed[once], set()).add(once)
    ranks = {}
    for new, parts in model.fused.items():
        if 0 < len(present[new]) < len(parts):
            raise _Refused(half_fused(sorted(present[new]), sorted(set(parts) - present[new]), new, wanted.targets))
        if len(present[new]) == len(parts) > 1:
            ranks[new] = wanted.rank * len(parts)
    return _Plan(tuple(left), tensors, ranks)
