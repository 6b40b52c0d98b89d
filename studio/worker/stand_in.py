"""TRL's own trainers around a stand-in for the model: what they make of data, without a model's weights."""

from __future__ import annotations

import dataclasses
import importlib
import json
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# The options that decide how a trainer reads data, in whatever TRL has them. All others are left at their defaults:
# they are about machines, models and updates, and would cost time here.
READING = (
    "dataset_text_field",
    "dataset_kwargs",
    "eos_token",
    "pad_token",
    "chat_template_path",
    "chat_template_kwargs",
    "completion_only_loss",
    "assistant_only_loss",
    "seed",
)
LENGTHS = (
    "max_length",
    "max_prompt_length",
    "max_completion_length",
    "truncation_mode",
    "packing",
    "packing_strategy",
    "padding_free",
    "pad_to_multiple_of",
    "shuffle_dataset",
)
GENERATING = ("grpo", "rloo", "distillation")
_CLASSES = {
    "sft": ("SFTConfig", "SFTTrainer"),
    "dpo": ("DPOConfig", "DPOTrainer"),
    "kto": ("KTOConfig", "KTOTrainer"),
    "reward": ("RewardConfig", "RewardTrainer"),
    "grpo": ("GRPOConfig", "GRPOTrainer"),
    "rloo": ("RLOOConfig", "RLOOTrainer"),
    "distillation": ("DistillationConfig", "DistillationTrainer"),
}


def trainer(method: str, values: Mapping[str, Any], model: Path, dataset: Any, folder: Path) -> Any:
    """TRL's trainer of a method, as the script of `trl METHOD` makes it, with a stand-in for `model`.

    It has prepared the dataset: tokens, masks, truncation and packing are all TRL's. The tokenizer is loaded by TRL
    itself from the folder `model`. Raises whatever TRL raises.
    """
    config, kind = (getattr(importlib.import_module("trl"), name) for name in _CLASSES[method])
    known = {field.name for field in dataclasses.fields(config)}
    given = {name: values[name] for name in (*READING, *LENGTHS) if name in values and name in known}
    # A reference model would be loaded by its name; none is needed to read data.
    own = {"beta": 0.0} if method in ("grpo", "rloo") else {}
    machine = {"use_cpu": True, "bf16": False, "report_to": [], "disable_tqdm": True, "save_strategy": "no"}
    machine |= {"activation_checkpointing": False} if "activation_checkpointing" in known else {}
    more: dict[str, Any] = {}
    if method in ("dpo", "kto"):
        more["ref_model"] = _stand_in(model)
    elif method == "distillation":
        more["teacher_model"] = _stand_in(model)
    elif method in ("grpo", "rloo"):
        more["reward_funcs"] = [_no_reward]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        args = config(output_dir=str(folder), **machine, **own, **given)
        return kind(
            model=_stand_in(model, scored=method == "reward"), args=args, train_dataset=dataset, **more
        )  # fmt: skip


def _no_reward(completions: list[Any], **_: Any) -> list[float]:
    return [0.0] * len(completions)


def _stand_in(model: Path, scored: bool = False) -> Any:
    """A model of a few thousand weights with the vocabulary, the special tokens and the name of the real one."""
    import torch
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification

    text = _text_config(model)
    tokens = {name: text.get(name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    config = LlamaConfig(
        vocab_size=int(text.get("vocab_size") or 32_000), hidden_size=4, intermediate_size=4, num_hidden_layers=1,
        num_attention_heads=1, num_key_value_heads=1, max_position_embeddings=64, **tokens,
    )  # fmt: skip
    if scored:
        config.num_labels = 1
    with torch.random.fork_rng():
        made = (LlamaForSequenceClassification if scored else LlamaForCausalLM)(config)
    if (model / "generation_config.json").is_file():
        made.generation_config = GenerationConfig.from_pretrained(model)
    made.config._name_or_path = str(model)
    return made


def context(model: Path) -> int | None:
    """How many tokens the model was made for, by its config."""
    text = _text_config(model)
    found = text.get("max_position_embeddings") or text.get("n_positions")
    return int(found) if isinstance(found, int) else None


def _text_config(model: Path) -> dict[str, Any]:
    told = _object(model / "config.json")
    inner = told.get("text_config")
    return inner if isinstance(inner, dict) else told


def _object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


class Remarks(logging.Handler):
    """Gathers what TRL warns of while it prepares data."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())
