"""Lists a model's modules from its config.json alone: built without weights, so that PEFT's own view of it is known."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# PEFT's own names for what these are; whatever else a layer is, LoRA refuses it.
LINEAR, CONV1D, EMBEDDING, OTHER_ADAPTED = "linear", "conv1d", "embedding", "convolution"
_HEADS = ("score", "classifier")


def layers(config_file: Path) -> dict[str, Any]:
    """The modules of the model that TRL would build from this config, and of its variant with a score.

    `error` says, in words for people, why there is none. Raises whatever transformers raises for a broken config.
    """
    told = json.loads(config_file.read_text(encoding="utf-8"))
    from transformers import CONFIG_MAPPING, __version__

    kind = str(told.get("model_type"))
    if kind not in CONFIG_MAPPING:
        own = " Its code comes with its repository, which the studio does not run." if told.get("auto_map") else ""
        return {"error": f"transformers {__version__} does not know the architecture '{kind}'.{own}"}
    config = CONFIG_MAPPING[kind].from_dict(told)
    renamed, fused = _conversion(kind)
    return {
        "model_type": kind,
        "dtype": str(told.get("dtype") or told.get("torch_dtype") or "float32").removeprefix("torch."),
        "quantized": (told.get("quantization_config") or {}).get("quant_method"),
        "renamed": renamed,
        "fused": fused,
        "causal": _variant(_causal_class(told), config),
        "scored": _scored(kind, told),
    }


def _causal_class(told: Mapping[str, Any]) -> Any:
    """The class that TRL picks: the first architecture that the config names, else the one for text."""
    import transformers

    named = next(iter(told.get("architectures") or ()), "")
    return getattr(transformers, named, None) or transformers.AutoModelForCausalLM


def _scored(kind: str, told: Mapping[str, Any]) -> dict[str, Any]:
    from transformers import CONFIG_MAPPING, AutoModelForSequenceClassification

    config = CONFIG_MAPPING[kind].from_dict(dict(told))
    config.num_labels = 1
    try:
        return _variant(AutoModelForSequenceClassification, config)
    except ValueError:
        return {"error": f"transformers has no variant of '{kind}' that ends in a score."}


def _variant(kind: Any, config: Any) -> dict[str, Any]:
    import torch

    with warnings.catch_warnings(), torch.device("meta"):
        warnings.simplefilter("ignore")
        model = kind.from_config(config) if hasattr(kind, "from_config") else kind._from_config(config)
    output = model.get_output_embeddings()
    modules = [_module(name, module) for name, module in model.named_modules() if name]
    known = {row[0] for row in modules if row[1] in (LINEAR, CONV1D, EMBEDDING)}
    return {
        "total": sum(parameter.numel() for parameter in model.parameters()),
        "head": next((name for name, module in model.named_modules() if module is output), None) if output else None,
        "score": next((name for name in _HEADS if getattr(model, name, None) is not None), None),
        "modules": modules,
        "parameters": [
            [name, list(parameter.shape)]
            for name, parameter in model.named_parameters()
            if name.rpartition(".")[0] not in known
        ],
    }


def _module(name: str, module: Any) -> list[Any]:
    """Its name, what it is to PEFT, its width at the entry and at the exit, and how many parameters it holds."""
    import torch.nn as nn
    from transformers.pytorch_utils import Conv1D

    count = sum(parameter.numel() for parameter in module.parameters())
    if isinstance(module, nn.Embedding):
        return [name, EMBEDDING, module.num_embeddings, module.embedding_dim, count]
    if isinstance(module, nn.Linear):
        return [name, LINEAR, module.in_features, module.out_features, count]
    if isinstance(module, Conv1D):
        return [name, CONV1D, *module.weight.shape, count]
    convolution = isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.MultiheadAttention))
    return [name, OTHER_ADAPTED if convolution else "", 0, 0, count]


def _conversion(kind: str) -> tuple[dict[str, str], dict[str, list[str]]]:
    """How PEFT rewrites target names for architectures whose experts transformers 5 stores as one tensor."""
    from peft.utils import transformers_weight_conversion as conversion
    from transformers.conversion_mapping import get_checkpoint_conversion_mapping

    family = conversion._MODEL_TO_CONVERSION_PATTERN.get(kind)
    renamed = conversion._MOE_TARGET_MODULE_MAPPING.get(family)
    fused = conversion._MOE_FUSED_TARGETS.get(family)
    if not renamed or not fused or get_checkpoint_conversion_mapping(kind) is None:
        return {}, {}
    return dict(renamed), {name: list(parts) for name, parts in fused.items()}
