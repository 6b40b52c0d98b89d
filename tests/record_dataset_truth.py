"""Runs TRL's own trainers over every shape of data and records which they take, in dataset_truth.json.

`python tests/record_dataset_truth.py [SHAPE ...]` takes about twenty minutes for all of them. TRL picks a column
out of a set to tell a conversation from text, so that what it makes of some data differs from process to process:
each shape is tried under several hash seeds, and one refusal is a refusal. Recipes that ask for splits and
configurations (loading_cases.py) are run by TRL's own scripts, once: `--loading` records them alone.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import datasets
import torch
import transformers
import trl
import trl.rewards
from dataset_shapes import ONLY, SHAPES, VALUES
from later_shapes import CHUNKS
from loading_cases import loading_cases, rows_for, written
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

METHODS = ("sft", "dpo", "grpo", "kto", "rloo", "reward", "distillation")
HASH_SEEDS = ("0", "2", "3", "25")  # which let TRL pick each of the columns that it may pick
TRUTH = Path(__file__).with_name("dataset_truth.json")
CHAT_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'assistant' %}"
    "{{ '<|im_start|>assistant\n' }}{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}"
    "{{ '\n' }}"
    "{% else %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def build_model(folder: Path) -> str:
    """A random two-layer model with a byte tokenizer and a chat template, saved under `folder`."""
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    vocabulary = {token: index for index, token in enumerate(specials + sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=specials[2],
        pad_token=specials[0],
        additional_special_tokens=specials[1:2],
    )
    fast.chat_template = CHAT_TEMPLATE
    fast.save_pretrained(folder)
    config = transformers.LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=512,
        eos_token_id=2,
        pad_token_id=0,
    )
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    return str(folder)


def score(completions: list[Any], **_: Any) -> list[float]:
    """A reward that any completion has."""
    return [float(len(str(completion))) for completion in completions]


def shared_values(output: Path) -> dict[str, Any]:
    """What every training is told, for one short pass over the rows on a CPU."""
    return {
        "output_dir": str(output),
        "use_cpu": True,
        "bf16": False,
        "report_to": "none",
        "per_device_train_batch_size": 2,
        "num_train_epochs": 1,
        "save_strategy": "no",
        "logging_strategy": "no",
        "disable_tqdm": True,
    }


def make_trainer(method: str, model: str, rows: Any, values: dict[str, Any], output: Path) -> Any:
    """The trainer of `method` as TRL's script builds it, for one pass over the rows."""
    shared = shared_values(output) | values
    short = {"max_completion_length": 4}
    if method in ("grpo", "rloo"):
        names = shared.pop("reward_funcs", [])
        functions = [getattr(trl.rewards, name) for name in names] or [score]
        config, trainer = {"grpo": (trl.GRPOConfig, trl.GRPOTrainer), "rloo": (trl.RLOOConfig, trl.RLOOTrainer)}[method]
        return trainer(
            model=model,
            reward_funcs=functions,
            args=config(**shared | short | {"per_device_train_batch_size": 4, "num_generations": 2}),
            train_dataset=rows,
        )
    if method == "distillation":
        arguments = trl.DistillationConfig(**shared, **short, teacher_model_name_or_path=model)
        return trl.DistillationTrainer(model=model, teacher_model=model, args=arguments, train_dataset=rows)
    config, trainer = {
        "sft": (trl.SFTConfig, trl.SFTTrainer),
        "dpo": (trl.DPOConfig, trl.DPOTrainer),
        "kto": (trl.KTOConfig, trl.KTOTrainer),
        "reward": (trl.RewardConfig, trl.RewardTrainer),
    }[method]
    return trainer(model=model, args=config(**shared), train_dataset=rows)


def verdict(method: str, model: str, shape: str, folder: Path) -> str:
    """`accept`, or the class and first words of what the trainer raised."""
    path = folder / f"{shape}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in SHAPES[shape]))
    try:
        reading: dict[str, Any] = {"chunksize": CHUNKS[shape]} if shape in CHUNKS else {}
        cache = str(folder / "cache")
        rows = datasets.load_dataset("json", data_files=str(path), split="train", cache_dir=cache, **reading)
        trainer = make_trainer(method, model, rows, VALUES.get(shape, {}), folder / "out")
        trainer.train()
    except Exception as error:  # noqa: BLE001 (whatever the trainer raises is the record)
        return f"{type(error).__name__}: {error}"[:120]
    return "accept"


def loading_verdict(method: str, model: str, values: dict[str, Any], folder: Path) -> str:
    """`accept`, or the class and first words of what `trl METHOD` stops with where its recipe says these values."""
    online = {"max_completion_length": 4, "per_device_train_batch_size": 4, "num_generations": 2}
    more: dict[str, Any] = {
        "grpo": online | {"reward_funcs": ["think_format_reward"], "per_device_eval_batch_size": 4},
        "rloo": online | {"reward_funcs": ["think_format_reward"], "per_device_eval_batch_size": 4},
        "distillation": {"max_completion_length": 4, "teacher_model_name_or_path": model},
    }.get(method, {})
    recipe = folder / "recipe.yaml"
    recipe.write_text(json.dumps({"model_name_or_path": model, **shared_values(folder / "out"), **more, **values}))
    script = importlib.import_module(f"trl.scripts.{method}")
    try:
        script.main(*script.make_parser().parse_args_and_config(["--config", str(recipe)]))
    except Exception as error:  # noqa: BLE001 (whatever the script raises is the record)
        return f"{type(error).__name__}: {error}".replace(str(folder), "…")[:120]
    return "accept"


def record_loading() -> dict[str, dict[str, str]]:
    """The verdicts on recipes that ask for splits and configurations."""
    found: dict[str, dict[str, str]] = {}
    with tempfile.TemporaryDirectory() as name:
        model = build_model(Path(name) / "model")
        for method in METHODS:
            folder = Path(name) / method
            # What was made of another method's rows must not be taken for these: it goes by the folder's last name.
            datasets.config.HF_DATASETS_CACHE = folder / "cache"
            for case, values in loading_cases(written(folder / "data", rows_for(method))).items():
                found.setdefault(case, {})[method] = loading_verdict(method, model, values, folder)
    return found


def record(shapes: list[str]) -> dict[str, dict[str, str]]:
    """The verdicts of this process on these shapes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = build_model(folder / "model")
        return {
            shape: {method: verdict(method, model, shape, folder) for method in ONLY.get(shape, METHODS)}
            for shape in shapes
        }


def in_a_process(seed: str, *wanted: str) -> dict[str, dict[str, str]]:
    """The verdicts of a process of its own on these shapes, or on `--loading`."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.json"
        environment = {**os.environ, "PYTHONHASHSEED": seed, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
        line = [sys.executable, __file__, "--one-process", str(out), *wanted]
        subprocess.run(line, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        found: dict[str, dict[str, str]] = json.loads(out.read_text())
    return found


def main(shapes: list[str]) -> None:
    """One process a hash seed, and what they found together."""
    known: dict[str, dict[str, dict[str, str]]] = json.loads(TRUTH.read_text()) if shapes else {}
    wanted = [shape for shape in shapes or SHAPES if shape != "--loading"]
    truth, merged = known.get("shapes", {}), dict[str, dict[str, str]]()
    for seed in HASH_SEEDS if wanted else ():
        for shape, verdicts in in_a_process(seed, *wanted).items():
            kept = merged.setdefault(shape, {})
            for method, found in verdicts.items():
                if kept.get(method, "accept") == "accept":
                    kept[method] = found
        print(f"hash seed {seed}: {len(wanted)} shapes", flush=True)
    truth |= merged
    loading = known["loading"] if shapes and "--loading" not in shapes else in_a_process("0", "--loading")
    made_with = {module.__name__: module.__version__ for module in (trl, transformers, datasets)}
    ordered = {shape: truth[shape] for shape in SHAPES if shape in truth}
    told = {"made_with": made_with, "shapes": ordered, "loading": loading}
    TRUTH.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")


def one_process(wanted: list[str]) -> dict[str, dict[str, str]]:
    """What this process is asked to record."""
    datasets.disable_progress_bars()
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    return record_loading() if wanted == ["--loading"] else record(wanted)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one-process"]:
        Path(sys.argv[2]).write_text(json.dumps(one_process(sys.argv[3:])))
    else:
        main(sys.argv[1:])
