"""How an adapter is drawn: what it buys in numbers, and its targets as buttons with the model's own names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from studio.domain.arguments import Catalog
from studio.domain.lora import Adapter, matching
from studio.domain.lora_choice import ALL_LINEAR, Targets, as_argument, targets_of, weight_bytes
from studio.domain.model_facts import size_text
from studio.domain.model_layers import Group, Layers, ModelLayers
from studio.domain.recipe import in_effect
from studio.service.layers import adapter_on
from studio.ui import pieces
from studio.ui.form import Form

_TARGETS = "lora_target_modules"


def numbers(form: Form, catalog: Catalog, model: ModelLayers | str | None) -> str:
    """Trainable parameters, their share and the file's size; for full training those, and what LoRA would make."""
    if not isinstance(model, ModelLayers):
        return _unknown(model)
    layers = model.under(form.recipe.method)
    if layers is None:
        return _unknown(f"transformers has no variant of '{model.model_type}' that ends in a score.")
    whole = _full_size(form, catalog, model, layers)
    if form.recipe.get("use_peft") is not True:
        return _off(form, catalog, model, layers, whole)
    found = adapter_on(model, form.recipe, catalog)
    of = f"of {count(layers.total)}"
    if found.trainable is None:
        cure = " The recipe card has the cure." if found.findings else ""
        return _unknown(f"{found.why}{cure}", of)
    stats = [
        _stat("Trainable", count(found.trainable), of),
        _stat("Share of all", share(found.trainable, layers.total), ""),
        _stat("Adapter file", size_text(found.size) if found.size is not None else "unknown", ""),
        _stat("Acts on", pieces.count(len(found.hit)), f"of {pieces.count(_places(layers))} modules"),
    ]
    words = found.why or f"Full training would change all {count(layers.total)} and save {whole or 'as many'}."
    return f'<div class="ts-stats">{"".join(stats)}</div>{_bar(found.trainable, layers.total)}{_hint(words)}'


def _off(form: Form, catalog: Catalog, model: ModelLayers, layers: Layers, whole: str) -> str:
    stats = [_stat("Trainable", count(layers.total), "all of it"), _stat("Saved model", whole or "unknown", "")]
    usual = catalog.lora_targets.get(model.model_type) if not model.renamed else None
    targets = [ALL_LINEAR] if usual is None else None
    # What TRL's own settings make of it, whatever was set while LoRA was on.
    bare = {name: value for name, value in form.recipe.values.items() if not name.startswith(("lora_", "use_dora"))}
    extra: dict[str, Any] = {"use_peft": True}
    extra |= {_TARGETS: targets, "lora_dropout": 0.0} if targets else {}
    extra |= {"lora_task_type": "SEQ_CLS"} if form.recipe.method == "reward" else {}
    found = adapter_on(model, replace(form.recipe, values={**bare, **extra}), catalog)
    words = _offer(found, layers, "all linear layers" if targets else _listed(usual))
    return f'<div class="ts-stats">{"".join(stats)}</div>{_bar(1, 1)}{_hint(words)}'


def _offer(found: Adapter, layers: Layers, where: str) -> str:
    if found.trainable is None or found.size is None:
        return ""
    return (
        f"A LoRA adapter of rank 16 on {where} would train {count(found.trainable)} "
        f"({share(found.trainable, layers.total)}) and save {size_text(found.size)}."
    )


def pressed(form: Form, catalog: Catalog, model: ModelLayers, layers: Layers) -> frozenset[str]:
    """The names of the groups whose modules are all targets."""
    hit = _hit(form, catalog, model, layers)
    return frozenset(group.name for group in layers.groups if all(one.name in hit for one in group.modules))


def chips(form: Form, catalog: Catalog, model: ModelLayers | str | None) -> str:
    """The model's own linear modules as buttons, with the common choices as one press."""
    layers = model.under(form.recipe.method) if isinstance(model, ModelLayers) else None
    if not isinstance(model, ModelLayers) or layers is None:
        return ""
    if not layers.groups:
        return _hint("This model has no linear layers to act on.")
    hit = _hit(form, catalog, model, layers)
    parts: dict[str, list[Group]] = {}
    for group in layers.groups:
        parts.setdefault(group.part, []).append(group)
    rows = "".join(
        f'<div class="ts-targets" role="group" aria-label="Modules in {pieces.text(part)}">'
        f'<span class="ts-part">{pieces.text(part)}</span>{"".join(_chip(group, hit) for group in found)}</div>'
        for part, found in parts.items()
    )
    return f"{_choices(form, catalog, model, layers)}{rows}{_tensors(form, catalog, model, layers)}"


def _hit(form: Form, catalog: Catalog, model: ModelLayers, layers: Layers) -> frozenset[str]:
    targets = targets_of(form.recipe.get(_TARGETS))
    return matching(_usual(catalog, model) if targets is None else targets, layers)


def _usual(catalog: Catalog, model: ModelLayers) -> Targets:
    """PEFT's own choice; there is none in effect where it rewrites the targets (mixtures of experts)."""
    return () if model.renamed else catalog.lora_targets.get(model.model_type, ())


def _choices(form: Form, catalog: Catalog, model: ModelLayers, layers: Layers) -> str:
    targets = targets_of(form.recipe.get(_TARGETS))
    usual = _usual(catalog, model)
    attention = as_argument(group.name for group in layers.groups if group.is_attention)
    named = f"PEFT's default: {_listed(usual) if usual else 'none'}"
    offered = [
        ("all", "All linear", isinstance(targets, str) and targets.lower() == ALL_LINEAR, True),
        ("attention", "Attention only", targets == targets_of(attention), bool(attention)),
        ("default", named, targets is None, bool(usual)),
    ]
    buttons = "".join(
        f'<button type="button" data-lora="{what}" aria-pressed="{str(on).lower()}"{"" if there else " disabled"}>'
        f"{pieces.text(label)}</button>"
        for what, label, on, there in offered
    )
    return f'<div class="ts-seg ts-choices" role="group" aria-label="Common choices of targets">{buttons}</div>'


def _chip(group: Group, hit: frozenset[str]) -> str:
    on = sum(one.name in hit for one in group.modules)
    state = "true" if on == len(group.modules) else "mixed" if on else "false"
    first = group.modules[0]
    number = f"{on} of {len(group.modules)}" if state == "mixed" else f"{len(group.modules)}"
    return (
        f'<button type="button" class="ts-target" data-lora="module" data-name="{pieces.text(group.name)}" '
        f'aria-pressed="{state}" title="{first.inputs:,} → {first.outputs:,}, {number} of them">'
        f"{pieces.text(group.name)}<small>× {number}</small></button>"
    )


def _tensors(form: Form, catalog: Catalog, model: ModelLayers, layers: Layers) -> str:
    """The experts of a mixture, which are tensors of their own."""
    if not layers.experts:
        return ""
    given = form.recipe.get("lora_target_parameters")
    names = given if isinstance(given, list) else [given] if given else []
    acted_on = adapter_on(model, form.recipe, catalog).hit

    def chip(name: str) -> str:
        # PEFT adapts the experts for target modules too: for all linear layers, or the names they once had.
        adapted = any(one.endswith(f".{name}") for one in acted_on)
        state = "true" if name in names else "mixed" if adapted else "false"
        small = "<small>by the modules</small>" if state == "mixed" else ""
        return (
            f'<button type="button" class="ts-target" data-lora="tensor" data-name="{pieces.text(name)}" '
            f'aria-pressed="{state}">{pieces.text(name)}{small}</button>'
        )

    buttons = "".join(map(chip, layers.experts))
    return (
        '<div class="ts-targets" role="group" aria-label="Tensors of experts"><span class="ts-part">experts</span>'
        f"{buttons}</div>"
    )


# Words and figures -----------------------------------------------------------------------------------------------


def count(number: int) -> str:
    """Parameters for people: 4.40 M, 494 M, 7.62 B."""
    for unit, size in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            value = number / size
            return (
                f"{value:.2f} {unit}" if value < 10 else f"{value:.1f} {unit}" if value < 100 else f"{value:.0f} {unit}"
            )
    return str(number)


def share(part: int, total: int) -> str:
    """A part of a model with the part added to it, as PEFT says it: 0.89 %."""
    percent = 100 * part / (part + total)
    return f"{percent:.3f} %" if percent < 0.1 else f"{percent:.2f} %" if percent < 10 else f"{percent:.0f} %"


def _full_size(form: Form, catalog: Catalog, model: ModelLayers, layers: Layers) -> str:
    width = weight_bytes(in_effect(form.recipe, catalog, "dtype"), model.dtype)
    return size_text(layers.total * width) if width else ""


def _places(layers: Layers) -> int:
    return sum(len(group.modules) for group in layers.groups) + sum(len(s) > 1 for s in layers.tensors.values())


def _listed(targets: Targets) -> str:
    return ", ".join(targets) if isinstance(targets, tuple) else str(targets or "")


def _stat(name: str, value: str, small: str) -> str:
    tail = f" <small>{pieces.text(small)}</small>" if small else ""
    return f'<div class="ts-stat"><span>{pieces.term(name)}</span><b>{pieces.text(value)}{tail}</b></div>'


def _bar(part: int, total: int) -> str:
    percent = max(0.6, 100 * part / total)
    return f'<div class="ts-bar" aria-hidden="true"><i style="width:{min(percent, 100):.1f}%"></i></div>'


def _hint(words: str) -> str:
    return f'<div class="ts-hint">{pieces.text(words)}</div>' if words else ""


def _unknown(why: str | None, of: str = "") -> str:
    """No numbers: the space that they would take is kept, so that nothing jumps when they come."""
    words = why or "This model's layers are being read; the first time takes some seconds."
    stats = _stat("Trainable", "–", of) + _stat("Share of all", "–", "") + _stat("Adapter file", "–", "")
    return f'<div class="ts-stats">{stats}</div><div class="ts-bar" aria-hidden="true"></div>{_hint(words)}'
