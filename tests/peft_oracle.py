"""PEFT itself, asked in a child: what it makes of adapters on tiny models of many architectures.

`python peft_oracle.py CASES OUT`: each case has a config.json, a method, and the arguments of TRL's ModelConfig.
"""

from __future__ import annotations

import json
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

TINY = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 64}
GROUPED = {**TINY, "num_key_value_heads": 2}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}

# One config.json each; what is not said is the architecture's own default.
CONFIGS: dict[str, dict[str, Any]] = {
    "llama": {"model_type": "llama", "architectures": ["LlamaForCausalLM"], **GROUPED},
    "qwen2": {"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"], "tie_word_embeddings": True, **GROUPED},
    "gemma2": {"model_type": "gemma2", "architectures": ["Gemma2ForCausalLM"], "head_dim": 8, **GROUPED},
    "gpt2": {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_embd": 32, "n_layer": 2, "n_head": 4,
             "vocab_size": 64, "n_positions": 32},
    "opt": {"model_type": "opt", "architectures": ["OPTForCausalLM"], "ffn_dim": 48, "word_embed_proj_dim": 32,
            "max_position_embeddings": 32, **TINY},
    "bloom": {"model_type": "bloom", "architectures": ["BloomForCausalLM"], "hidden_size": 32, "n_layer": 2,
              "n_head": 4, "vocab_size": 64},
    "phi3": {"model_type": "phi3", "architectures": ["Phi3ForCausalLM"], "pad_token_id": 0, **GROUPED},
    "qwen3_moe": {"model_type": "qwen3_moe", "architectures": ["Qwen3MoeForCausalLM"], "head_dim": 8, **EXPERTS,
                  **GROUPED},
    "qwen2_moe": {"model_type": "qwen2_moe", "architectures": ["Qwen2MoeForCausalLM"],
                  "shared_expert_intermediate_size": 16, **EXPERTS, **GROUPED},
    "mixtral": {"model_type": "mixtral", "architectures": ["MixtralForCausalLM"], "num_local_experts": 4, **GROUPED},
}  # fmt: skip


def asked(case: dict[str, Any]) -> dict[str, Any]:
    """The counts and the bytes on disk, or the words with which PEFT refuses."""
    import torch
    import transformers
    from peft import get_peft_model
    from safetensors import safe_open
    from transformers import CONFIG_MAPPING, AutoModelForSequenceClassification
    from trl import ModelConfig, get_peft_config

    config = CONFIG_MAPPING[case["config"]["model_type"]].from_dict(case["config"])
    arguments = dict(case["arguments"])
    dtype = getattr(torch, arguments.pop("dtype", "float32"))
    if case["method"] == "reward":
        config.num_labels = 1
        model = AutoModelForSequenceClassification.from_config(config)
    else:
        model = getattr(transformers, case["config"]["architectures"][0])(config)
    try:
        adapted = get_peft_model(model.to(dtype), get_peft_config(ModelConfig(use_peft=True, **arguments)))
    except ValueError as error:
        return {"refused": str(error)}
    trainable, every = adapted.get_nb_trainable_parameters()
    with tempfile.TemporaryDirectory() as folder:
        adapted.save_pretrained(folder)
        file = Path(folder) / "adapter_model.safetensors"
        with file.open("rb") as handle:
            header = int.from_bytes(handle.read(8), "little")
        with safe_open(str(file), "pt") as opened:
            names = list(opened.keys())
        size = file.stat().st_size - 8 - header
    return {"trainable": trainable, "all": every, "size": size, "names": names}


def main(cases: str, out: str) -> None:
    from studio.worker.layers import layers

    answers = []
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        for case in json.loads(Path(cases).read_text(encoding="utf-8")):
            answers.append(asked(case))
        listed = {}
        for name, config in CONFIGS.items():
            (Path(folder) / "config.json").write_text(json.dumps(config), encoding="utf-8")
            listed[name] = layers(Path(folder) / "config.json")
    Path(out).write_text(json.dumps({"answers": answers, "layers": listed}), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
