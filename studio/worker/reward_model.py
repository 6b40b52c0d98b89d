"""Scores completions by a reward model as TRL's trainer does, where the model lies here and is small enough."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

_MOST_BYTES = 1 << 30  # of weights: twice that as 32-bit numbers is what a trial may take of memory
_AT_ONCE = 4  # completions in one pass

Told = dict[str, Any]
Scores = Callable[[Mapping[str, Any]], Told]


def scorer() -> Callable[[str], Scores]:
    """What makes a model's name or folder into the function that scores by it; the long imports are done here."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    from trl.data_utils import apply_chat_template

    def load(place: str) -> Scores:
        model, said = AutoModelForSequenceClassification.from_pretrained(
            place, num_labels=1, dtype=torch.float32, local_files_only=True, output_loading_info=True
        )
        if said["missing_keys"]:
            why = "Its files hold no score head, so a run would begin with random scores. Train a reward model first."
            return lambda given: {"trouble": "untried", "what": "it is no reward model.", "why": why}
        model.eval()
        tokenizer = AutoTokenizer.from_pretrained(place, local_files_only=True)
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        model.config.get_text_config().pad_token_id = tokenizer.pad_token_id

        def score(given: Mapping[str, Any]) -> Told:
            pairs = list(zip(given["prompts"], given["completions"], strict=True))
            if pairs and isinstance(pairs[0][0], list):
                texts = [apply_chat_template({"messages": [*one, *other]}, tokenizer)["text"] for one, other in pairs]
            else:
                texts = [one + other for one, other in pairs]
            values: list[float] = []
            for start in range(0, len(texts), _AT_ONCE):
                some = tokenizer(
                    text=texts[start : start + _AT_ONCE], return_tensors="pt", padding=True, padding_side="right",
                    add_special_tokens=False,
                )  # fmt: skip
                with torch.inference_mode():
                    values += model(**some).logits[:, 0].tolist()
            return {"values": values}

        return score

    return load


def absent(place: str) -> Told | None:
    """Why a model is not tried here: its weights are not on this machine, or too big for it; None where it can be."""
    from huggingface_hub import try_to_load_from_cache

    folder = Path(place)
    if not folder.is_dir():
        found = None if folder.is_absolute() else try_to_load_from_cache(place, "config.json")
        folder = Path(found).parent if isinstance(found, str) else folder
    weights = [file for kind in ("*.safetensors", "*.bin") for file in folder.glob(kind)]
    if not weights:
        why = "A run downloads it. The sum leaves it out."
        return {"trouble": "untried", "what": "its weights are not on this machine yet.", "why": why}
    size = sum(file.stat().st_size for file in weights)
    if size > _MOST_BYTES:
        why = f"A trial runs on the CPU, with at most {_MOST_BYTES >> 30} GB of weights. The sum leaves it out."
        return {"trouble": "untried", "what": f"it has {size / 1e9:.1f} GB of weights.", "why": why}
    return None
