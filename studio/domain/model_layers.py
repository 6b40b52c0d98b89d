"""A model's modules as an adapter sees them: names, kinds and widths, told without its weights."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

LAYERS_FORMAT = 1


@dataclass(frozen=True)
class Module:
    """One module by its full name.

    `kind` is `linear`, `conv1d` (as GPT-2 has them), `embedding`, `convolution` (PEFT takes it, the studio does not
    count it), or empty for what LoRA cannot act on. `inputs` and `outputs` are its widths, `parameters` all it holds.
    """

    name: str
    kind: str
    inputs: int
    outputs: int
    parameters: int

    @property
    def is_linear(self) -> bool:
        return self.kind in ("linear", "conv1d")


@dataclass(frozen=True)
class Group:
    """The modules of one sort, as a choice of target modules names them: `name`, and where in a layer they stand."""

    name: str
    part: str
    modules: tuple[Module, ...]

    @property
    def is_attention(self) -> bool:
        return "attn" in self.part.lower() or "attention" in self.part.lower()


@dataclass(frozen=True, eq=False)
class Layers:
    """The modules of one built model.

    `total` counts its parameters, tied ones once; `head` is the output head's name and `score` that of a
    classification head, where there is one; `tensors` are parameters that stand in no linear or embedding module
    (the experts of a mixture), by full name.
    """

    total: int
    head: str | None
    score: str | None
    modules: tuple[Module, ...]
    tensors: Mapping[str, tuple[int, ...]]

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The linear modules by sort, in the model's order, without the heads: what a user chooses among."""
        rows = [one for one in self.modules if one.is_linear and one.name not in (self.head, self.score)]
        parts: dict[str, set[str]] = {}
        for one in rows:
            parts.setdefault(_last(one.name), set()).add(_part(one.name))
        sorts: dict[tuple[str, str], list[Module]] = {}
        for one in rows:
            last, part = _last(one.name), _part(one.name)
            # GPT-2 has a `c_proj` in its attention and one in its MLP: each gets the name that tells it apart.
            alone = len(parts[last]) == 1 or not one.name.endswith(f"{part}.{last}")
            sorts.setdefault((last if alone else f"{part}.{last}", part if not alone else ""), []).append(one)
        return tuple(Group(name, part or _part(found[0].name), tuple(found)) for (name, part), found in sorts.items())

    @cached_property
    def experts(self) -> tuple[str, ...]:
        """The tensors of three dimensions, as target parameters name them."""
        ends = (".".join(name.split(".")[-2:]) for name, shape in self.tensors.items() if len(shape) == 3)
        return tuple(dict.fromkeys(ends))


@dataclass(frozen=True, eq=False)
class ModelLayers:
    """What is known of a model's modules: as it is trained by most methods, and with a score, as a reward model is.

    `dtype` is what its weights are stored in, `quantized` how they are packed if so. `renamed` and `fused` say how
    PEFT rewrites the names of targets for this architecture; `scored` is None where there is no such variant.
    """

    model_type: str
    dtype: str
    quantized: str | None
    renamed: Mapping[str, str]
    fused: Mapping[str, tuple[str, ...]]
    causal: Layers
    scored: Layers | None

    def under(self, method: str) -> Layers | None:
        """The modules of the model that a method trains."""
        return self.scored if method == "reward" else self.causal

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ModelLayers:
        """Raises KeyError, TypeError or ValueError where `data` is no listing."""
        return cls(
            model_type=str(data["model_type"]),
            dtype=str(data["dtype"]),
            quantized=data["quantized"],
            renamed=dict(data["renamed"]),
            fused={name: tuple(parts) for name, parts in data["fused"].items()},
            causal=_layers(data["causal"]),
            scored=None if "error" in data["scored"] else _layers(data["scored"]),
        )


def _layers(data: Mapping[str, Any]) -> Layers:
    return Layers(
        total=int(data["total"]),
        head=data["head"],
        score=data["score"],
        modules=tuple(_module(row) for row in data["modules"]),
        tensors={name: tuple(shape) for name, shape in data["parameters"]},
    )


def _module(row: Sequence[Any]) -> Module:
    name, kind, inputs, outputs, parameters = row
    return Module(name, kind, inputs, outputs, parameters)


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _part(name: str) -> str:
    """What a module stands in, numbers left out: `self_attn` of `model.layers.0.self_attn.q_proj`."""
    above = [word for word in name.split(".")[:-1] if not re.fullmatch(r"\d+", word)]
    return above[-1] if above else ""
