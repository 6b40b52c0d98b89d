"""What PEFT or TRL would stop at, or leave out in silence, in an adapter's targets: as Findings with their cures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from studio.domain.findings import Finding, Fix, finding
from studio.domain.lora_choice import ALL_LINEAR, Targets, Wanted, as_argument
from studio.domain.model_layers import Layers, ModelLayers, Module


def no_usual(model: ModelLayers) -> Finding:
    """PEFT would have to choose the targets, and has no choice for this architecture."""
    # All linear layers take in the experts of a mixture, which know no dropout.
    values = {"lora_target_modules": [ALL_LINEAR], **({"lora_dropout": 0.0} if model.renamed else {})}
    return finding(
        "error",
        "lora_target_modules",
        f"PEFT has no target modules of its own for '{model.model_type}'.",
        "It stops after the model is loaded, and asks for `lora_target_modules`.",
        Fix("Use all linear layers", values),
    )


def nothing_hit(wanted: Wanted, layers: Layers) -> Finding:
    """The targets match nothing."""
    targets = wanted.targets
    if isinstance(targets, str) and any(one.name.endswith(f".{targets}") for one in layers.modules):
        return finding(
            "error",
            "lora_target_modules",
            f"`{targets}` alone is read as a pattern for whole names, and matches none.",
            "TRL hands a single name to PEFT as a pattern; two names or more are a list of endings.",
            Fix(f"Use the pattern for {targets}", {"lora_target_modules": as_argument([targets])}),
        )
    said = targets if isinstance(targets, str) else ", ".join(targets or wanted.tensors)
    message = f"No module of this model is called {said}." if said else "The adapter has nothing to act on."
    fix = Fix("Use all linear layers", {"lora_target_modules": [ALL_LINEAR]})
    return finding("error", "lora_target_modules", message, "PEFT stops after the model is loaded.", fix)


def half_fused(given: list[str], missing: list[str], tensor: str, targets: Targets) -> Finding:
    """Some of the modules that PEFT turns into one tensor are targets, and some are not."""
    return finding(
        "error",
        "lora_target_modules",
        f"{' and '.join(given)} cannot be adapted without {' and '.join(missing)}.",
        f"In this architecture they are one tensor, `{tensor}`.",
        Fix(f"Add {', '.join(missing)}", {"lora_target_modules": [*targets, *missing]})
        if isinstance(targets, tuple)
        else None,
    )


def odd_tensor(name: str, what: str) -> Finding:
    """A target parameter that PEFT refuses; `what` is wrong with it, as the end of a sentence."""
    fix = Fix("Leave target parameters out", {}, ("lora_target_parameters",))
    return finding("error", "lora_target_parameters", f"`{name}` {what}.", "PEFT stops after loading.", fix)


def unsuitable(modules: list[Module], tensors: Mapping[str, Any], wanted: Wanted) -> Finding | None:
    """What is among the targets that LoRA cannot act on as the recipe wants it, or None."""
    odd = next((one for one in modules if not one.kind), None)
    if odd is not None:
        short = odd.name.rpartition(".")[2]
        why = "It acts on linear layers, embeddings and convolutions; PEFT stops after loading."
        fix = _without(wanted.targets, [short])
        return finding("error", "lora_target_modules", f"LoRA cannot act on `{short}`.", why, fix)
    if not tensors:
        return None
    first = next(iter(tensors))
    if wanted.dora:
        why = f"DoRA works on modules only, and {first} is a tensor of its own."
        fix = Fix("Switch DoRA off", {"use_dora": False})
        return finding("error", "use_dora", "DoRA and target parameters do not go together.", why, fix)
    if wanted.dropout:
        why = f"{first} is a tensor of its own, for which PEFT knows no dropout; it stops after loading."
        fix = Fix("Set dropout to 0", {"lora_dropout": 0.0})
        return finding("error", "lora_dropout", "This choice of targets needs a dropout of 0.", why, fix)
    return None


def remarks(
    model: ModelLayers, method: str, wanted: Wanted, modules: list[Module], tensors: Mapping[str, Any]
) -> Iterator[Finding]:
    """What else is to be said about an adapter that PEFT would make."""
    layers = model.under(method) or model.causal
    if method != "reward" and layers.head in {one.name for one in modules}:
        why = "TRL computes the loss from its weights directly, and refuses an adapter on them after loading."
        fix = _without(wanted.targets, ["lm_head"])
        yield finding("error", "lora_target_modules", f"The output head {layers.head} cannot be a target.", why, fix)
    every = [one.name for one in layers.modules]
    targets = wanted.targets if isinstance(wanted.targets, tuple) else ()
    named: dict[str, tuple[tuple[str, ...], list[str]]] = {
        "lora_target_modules": (targets, [*every, *tensors, *model.renamed]),
        "lora_target_parameters": (wanted.tensors, [*tensors]),
        "lora_modules_to_save": (wanted.saved, every),
    }
    for argument, (given, there) in named.items():
        absent = [name for name in given if not any(one == name or one.endswith(f".{name}") for one in there)]
        if argument == "lora_modules_to_save":  # PEFT goes by the mere end of a name here
            absent = [name for name in absent if not any(one.endswith(name) for one in there)]
        if absent:
            left = [name for name in given if name not in absent]
            value = as_argument(left) if argument == "lora_target_modules" else left
            fix = Fix(f"Take {', '.join(absent)} out", {argument: value} if left else {}, () if left else (argument,))
            why = "PEFT leaves such names out in silence."
            yield finding("warning", argument, f"Nothing in this model is called {', '.join(absent)}.", why, fix)


def _without(targets: Targets, names: list[str]) -> Fix:
    """The targets without some names; every linear layer where nothing would be left, or a pattern was given."""
    left = [name for name in targets if name not in names] if isinstance(targets, tuple) else []
    if left:
        return Fix(f"Take {', '.join(names)} out", {"lora_target_modules": as_argument(left)})
    return Fix("Use all linear layers", {"lora_target_modules": [ALL_LINEAR]})
