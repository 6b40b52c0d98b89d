"""Failures to record: what each changes of a recipe that trains the demo, and of the model and data it reads.

`MODEL`, `DATA` and `HERE` in a value stand for the demo's model, the demo's folder and the run's own folder.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DEMO = Path(__file__).resolve().parent.parent / "assets" / "demo"
REWARDS = """import os

def length(completions, **kwargs):
    return [float(len(str(one))) for one in completions]

def flat(completions, **kwargs):
    return [1.0 for _ in completions]

def raises(completions, **kwargs):
    return [float(one["text"]) for one in completions]

def short(completions, **kwargs):
    return [1.0]

def second_rank_raises(completions, **kwargs):
    if os.environ.get("RANK") == "1":
        raise ValueError("the judge gave no score for 'Berlin'")
    return length(completions)

def killed(completions, **kwargs):
    os.kill(os.getpid(), 9)
"""
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """One failure: `values` over the method's base recipe (None takes a key out), or the whole `text` of recipe.yaml.

    `rows` become the dataset `HERE/data`, `model` changes a copy of the demo model at `HERE/model`, `files` lie in
    the run's folder. `hub` has it talk to a Hub on this machine, `env` is set for the trainer. `wrap` is a shell line
    that starts the trainer as "$@", `limit` is the memory that it may have, in bytes. `metrics` records its metric
    rows too. `first` are values of a run that goes before in the same folder, whose end does not matter.
    """

    name: str
    method: str = "sft"
    values: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    rows: Rows | None = None
    model: Callable[[Path], None] | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    hub: bool = False
    wrap: str = ""
    limit: int | None = None
    metrics: bool = False
    first: Mapping[str, Any] | None = None


def base(method: str) -> dict[str, Any]:
    """A recipe of the method that trains the demo for two steps."""
    values: dict[str, Any] = {
        "model_name_or_path": "MODEL",
        "dataset_name": f"DATA/{method}",
        "output_dir": "output",
        "max_steps": 2,
        "per_device_train_batch_size": 2,
        "use_cpu": True,
        "bf16": False,
        "report_to": "none",
        "save_strategy": "no",
        "logging_steps": 1,
        "activation_checkpointing": False,
    }
    if method in ("grpo", "rloo"):
        values |= {"reward_funcs": ["rewards.length"], "num_generations": 2, "max_completion_length": 8}
    if method == "distillation":
        values |= {"teacher_model_name_or_path": "DATA/teacher", "max_completion_length": 8}
    return values


def _config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def no_template(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()


def no_marks(folder: Path) -> None:
    path = folder / "chat_template.jinja"
    text = path.read_text()
    # A word more: TRL knows some templates by their text and puts the marks in itself.
    text = text.replace("{%- generation %}", "").replace("{%- endgeneration %}", "").replace("user", "user")
    path.write_text(text)


def own_code(folder: Path) -> None:
    code = {"AutoConfig": "configuration_own.OwnConfig", "AutoModelForCausalLM": "modeling_own.OwnModel"}
    _config(folder, model_type="own", architectures=["OwnModel"], auto_map=code)
    (folder / "configuration_own.py").write_text(
        "from transformers import Qwen2Config\n\n\nclass OwnConfig(Qwen2Config):\n    model_type = 'own'\n"
    )
    (folder / "modeling_own.py").write_text(
        "from transformers import Qwen2ForCausalLM\n\n\nclass OwnModel(Qwen2ForCausalLM):\n    pass\n"
    )


def new_architecture(folder: Path) -> None:
    _config(folder, model_type="brandnew9", architectures=["Brandnew9ForCausalLM"])


def cut_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()


def wider(folder: Path) -> None:
    """Other weights than the checkpoint has: a model of another width, with random numbers."""
    import transformers

    _config(folder, hidden_size=64, intermediate_size=96)
    (folder / "model.safetensors").unlink()
    config = transformers.AutoConfig.from_pretrained(folder)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)


def fewer_words(folder: Path) -> None:
    """A model that knows fewer tokens than its tokenizer gives out."""
    import transformers

    _config(folder, vocab_size=100)
    (folder / "model.safetensors").unlink()
    config = transformers.AutoConfig.from_pretrained(folder)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)


def _talk(question: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


QUESTIONS: Rows = [{"question": f"Where does {n} live?", "answer": f"{n} lives here."} for n in range(8)]
TALKS: Rows = [{"messages": _talk(f"Where does {n} live?", f"{n} lives here.")} for n in range(8)]
HERE_DATA = {"dataset_name": "HERE/data"}
SAVING = {"save_strategy": "steps", "save_steps": 1}
TWO = {"accelerate_config": "multi_gpu", "num_processes": 2}
FULL = 'mkdir -p output && mount -t tmpfs -o size=1m full output && exec "$@"'

_DATA = (
    Case("columns-sft", values=HERE_DATA, rows=QUESTIONS),
    Case("text-field-sft", values={**HERE_DATA, "dataset_text_field": "body"}, rows=[{"text": "So it is."}] * 8),
    Case("columns-dpo-no-rejected", "dpo", HERE_DATA, rows=[{"prompt": "Why?", "chosen": "So."}] * 8),
    Case("columns-dpo-pairs", "dpo", HERE_DATA, rows=[{"prompt": "Why?", "completion": "So."}] * 8),
    Case("columns-reward", "reward", HERE_DATA, rows=QUESTIONS),
    Case("columns-kto", "kto", HERE_DATA, rows=[{"prompt": "Why?", "completion": "So."}] * 8),
    Case("columns-grpo", "grpo", HERE_DATA, rows=QUESTIONS),
    Case("columns-rloo", "rloo", HERE_DATA, rows=QUESTIONS),
    Case("columns-distillation", "distillation", HERE_DATA, rows=QUESTIONS),
    Case("mixed-prompt-dpo", "dpo", HERE_DATA,
         rows=[{"prompt": "Why?", "chosen": _talk("Why?", "So.")[1:], "rejected": _talk("Why?", "No.")[1:]}] * 8),
    Case("sharegpt-keys-sft", values=HERE_DATA,
         rows=[{"messages": [{"from": "human", "value": "Why?"}, {"from": "gpt", "value": "So."}]}] * 8),
    Case("null-cell-sft", values=HERE_DATA, rows=[*[{"text": "So it is."}] * 7, {"text": None}]),
    Case("empty-conversation-sft", values=HERE_DATA, rows=[*TALKS[:7], {"messages": []}]),
    Case("no-split", values={"dataset_train_split": "learn"}),
    Case("no-eval-split", values={**HERE_DATA, "eval_strategy": "steps", "eval_steps": 1}, rows=TALKS),
    Case("no-config", values={"dataset_config": "english"}),
    Case("all-masked", values={**HERE_DATA, "max_length": 8, "completion_only_loss": True},
         rows=[{"prompt": "Where does the one whom we met last year live now?", "completion": " Here."}] * 16),
    Case("dataset-is-file", values={"dataset_name": "DATA/sft/train.jsonl"}),
    Case("dataset-folder-missing", values={"dataset_name": "HERE/nowhere"}),
    Case("bad-json-row", values=HERE_DATA, files={"data/train.jsonl": '{"text": "a"}\n{"text": "b"\n{"text"\n'}),
)  # fmt: skip
_MODELS = (
    Case("no-template", values={"model_name_or_path": "HERE/model"}, model=no_template),
    Case("no-marks", values={"model_name_or_path": "HERE/model", "assistant_only_loss": True}, model=no_marks),
    Case("own-code", values={"model_name_or_path": "HERE/model"}, model=own_code),
    Case("new-architecture", values={"model_name_or_path": "HERE/model"}, model=new_architecture),
    Case("cut-weights", values={"model_name_or_path": "HERE/model"}, model=cut_weights),
    Case("no-weights", values={"model_name_or_path": "HERE/model"}, model=no_weights),
    Case("no-tokenizer", values={"model_name_or_path": "HERE/model"}, model=no_tokenizer),
    Case("fewer-words", values={"model_name_or_path": "HERE/model"}, model=fewer_words),
    Case("model-folder-missing", values={"model_name_or_path": "HERE/nowhere"}),
    Case("lora-targets", values={"use_peft": True, "lora_target_modules": ["query_key_value"]}),
    Case("eos-token", values={"eos_token": "<|nothing|>"}),
    Case("teacher-words", "distillation", {"teacher_model_name_or_path": "HERE/model"}, model=fewer_words),
)  # fmt: skip
_HUB = (
    Case("hub-model-missing", values={"model_name_or_path": "someone/nothing"}, hub=True),
    Case("hub-model-gated", values={"model_name_or_path": "someone/gated"}, hub=True),
    Case("hub-dataset-missing", values={"dataset_name": "someone/nothing"}, hub=True),
    Case("hub-dataset-gated", values={"dataset_name": "someone/gated"}, hub=True),
    Case("hub-push-no-token", values={"push_to_hub": True, "hub_model_id": "someone/mine"}, hub=True),
    Case("hub-push-read-token", values={"push_to_hub": True, "hub_model_id": "someone/mine"}, hub=True,
         env={"HF_TOKEN": "hf_read"}),
    Case("no-network-model", values={"model_name_or_path": "someone/model"},
         env={"HF_ENDPOINT": "http://hub.invalid", "HF_HUB_OFFLINE": "0"}),
    Case("no-network-dataset", values={"dataset_name": "someone/data"},
         env={"HF_ENDPOINT": "http://hub.invalid", "HF_HUB_OFFLINE": "0"}),
    Case("offline-model", values={"model_name_or_path": "someone/model"}, env={"HF_HUB_OFFLINE": "1"}),
)  # fmt: skip
_PACKAGES = (
    Case("no-bitsandbytes", values={"load_in_4bit": True, "use_peft": True}),
    Case("no-bitsandbytes-optim", values={"optim": "adamw_8bit"}),
    Case("no-flash-attn", values={"attn_implementation": "flash_attention_2"}),
    Case("no-deepspeed", values={"accelerate_config": "zero2", "num_processes": 1}),
    Case("no-vllm", "grpo", {"use_vllm": True}),
    Case("no-liger", values={"use_liger_kernel": True}),
    Case("no-wandb", values={"report_to": ["wandb"]}, wrap='exec "$@"'),
)  # fmt: skip
_VALUES = (
    Case("unknown-argument", values={"learning_ratee": 1e-4}),
    Case("bad-yaml", text="model_name_or_path: MODEL\n  dataset_name: DATA/sft\nmax_steps: 2\n"),
    Case("bad-choice", values={"lr_scheduler_type": "cosinus"}),
    Case("bad-type", values={"learning_rate": "fast"}),
    Case("unquoted-no", values={"save_strategy": False}),
    Case("bf16-on-cpu", values={"use_cpu": None, "bf16": None}),
    Case("bf16-with-cpu", values={"bf16": True, "use_cpu": None}),
    Case("tf32-on-cpu", values={"tf32": True}),
    Case("kto-batch-of-one", "kto", {"per_device_train_batch_size": 1}),
    Case("eval-without-strategy", values={"load_best_model_at_end": True, **SAVING}),
    Case("best-mismatch", values={"load_best_model_at_end": True, "eval_strategy": "steps", "eval_steps": 2,
                                  "save_strategy": "epoch"}),
    Case("best-steps-mismatch", values={"load_best_model_at_end": True, "eval_strategy": "steps", "eval_steps": 2,
                                        "save_strategy": "steps", "save_steps": 3}),
    Case("resume-missing", values={"resume_from_checkpoint": "output/checkpoint-7"}),
    Case("resume-other-model", values={"resume_from_checkpoint": "HERE/output/checkpoint-1", "max_steps": 3,
                                       "model_name_or_path": "HERE/model"},
         model=wider, first=SAVING | {"max_steps": 1}),
    Case("resume-other-adapter", values={"resume_from_checkpoint": "HERE/output/checkpoint-1", "max_steps": 3,
                                         "use_peft": True, "lora_r": 8},
         first=SAVING | {"max_steps": 1, "use_peft": True, "lora_r": 4}),
    Case("schedule-without-kwargs", values={"lr_scheduler_type": "cosine_with_min_lr"}),
    Case("stream-without-steps", values={"dataset_streaming": True, "max_steps": None}),
    Case("assistant-only-on-text", values={**HERE_DATA, "assistant_only_loss": True},
         rows=[{"text": "So it is."}] * 8),
    Case("padding-free", values={"padding_free": True}),
    Case("output-is-file", values=SAVING, files={"output": "a file, no folder\n"}),
)  # fmt: skip
PACKED = """model_name_or_path: MODEL
dataset_name: DATA/sft
output_dir: output
max_steps: 2
use_cpu: true
bf16: false
report_to: none
packing: true
max_length: null
"""
_OPTIONS = (
    Case("packing-no-length", text=PACKED),
    Case("packing-strategy", values={"packing": True, "packing_strategy": "best"}),
    Case("truncation-mode", values={"truncation_mode": "middle"}),
    Case("loss-of-sft", values={"loss_type": "dtf"}),
    Case("loss-of-dpo", "dpo", {"loss_type": ["sigmoit"]}),
    Case("loss-of-grpo", "grpo", {"loss_type": "gprpo"}),
    Case("two-quantizations", values={"load_in_4bit": True, "load_in_8bit": True, "use_peft": True}),
    Case("adapter-on-head", "grpo", {"use_peft": True, "lora_target_modules": ["q_proj", "lm_head"]}),
    Case("found-batch", "grpo", {"auto_find_batch_size": True}),
    Case("batch-said-twice", "grpo", {"generation_batch_size": 8, "steps_per_generation": 2}),
    Case("no-reference", "grpo", {"sync_ref_model": True}),
    Case("reference-of-adapter", "dpo", {"sync_ref_model": True, "use_peft": True}),
    Case("loss-weights", "dpo", {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0]}),
    Case("exo-smoothing", "dpo", {"loss_type": ["exo_pair"]}),
    Case("divergence-of-loss", "dpo", {"loss_type": ["nca_pair"], "f_divergence_type": "js_divergence"}),
    Case("weighting-of-loss", "dpo", {"loss_type": ["aot"], "use_weighting": True}),
    Case("kto-order", "kto", {"train_sampling_strategy": "random"}),
    Case("precompute-stream", "kto", {"precompute_ref_log_probs": True, "dataset_streaming": True}),
    Case("sees-nothing", values=HERE_DATA, rows=[{**one, "images": ["a.png"]} for one in TALKS]),
    Case("no-experts", values={"router_aux_loss_coef": 0.01}),
    Case("beta-of-distillation", "distillation", {"beta": 2.0}),
    Case("no-teacher", "distillation", {"teacher_model_name_or_path": None}),
    Case("no-data", values={"dataset_name": None}),
    Case("fraction-of-some", values={"dataset_name": None, "datasets": [
        {"path": "json", "data_files": "DATA/sft/train.jsonl", "split": "train", "fraction": 0.5},
        {"path": "json", "data_files": "DATA/sft/train.jsonl", "split": "train"}]}),
    Case("completions-unlogged", "grpo", {"log_completions_hub_repo": "someone/said"}),
)  # fmt: skip
_REWARDS = (
    Case("generation-batch", "grpo", {"num_generations": 8, "per_device_train_batch_size": 3}),
    Case("generation-batch-size", "grpo", {"generation_batch_size": 10, "num_generations": 4}),
    Case("eval-groups", "grpo", {"num_generations": 3, "per_device_train_batch_size": 3, "eval_strategy": "steps",
                                 "per_device_eval_batch_size": 4}),
    Case("one-generation", "grpo", {"num_generations": 1}),
    Case("reward-raises", "grpo", {"reward_funcs": ["rewards.raises"]}),
    Case("reward-too-few", "grpo", {"reward_funcs": ["rewards.short"]}),
    Case("reward-no-module", "grpo", {"reward_funcs": ["judges.score"]}),
    Case("reward-no-function", "grpo", {"reward_funcs": ["rewards.score"]}),
    Case("reward-no-such-name", "grpo", {"reward_funcs": ["politeness"]}),
    Case("no-reward", "grpo", {"reward_funcs": None}),
    Case("reward-weights", "grpo", {"reward_weights": [1.0, 0.5]}),
    Case("reward-syntax", "grpo", {"reward_funcs": ["mine.score"]}, files={"mine.py": "def score(completions:\n"}),
)  # fmt: skip
_MACHINE = (
    Case("killed", "grpo", {"reward_funcs": ["rewards.killed"]}),
    Case("killed-rank", "grpo", {"reward_funcs": ["rewards.killed"], **TWO}),
    Case("cpu-memory", values={**HERE_DATA, "max_length": 1_000_000, "per_device_train_batch_size": 1,
                               "attn_implementation": "eager"},
         rows=[{"text": "It is so because it is so. " * 20_000}] * 2, limit=16 * 10**9),
    Case("disk-full", values=SAVING, wrap=FULL),
    Case("rank-raises", "grpo", {"reward_funcs": ["rewards.second_rank_raises"], **TWO}),
    Case("nobody-at-the-master", values={**TWO, "num_machines": 2, "machine_rank": 1, "main_process_ip": "127.0.0.1",
                                         "main_process_port": 29733, "rdzv_backend": "c10d",
                                         "rdzv_conf": "timeout=8,join_timeout=8,read_timeout=8"}),
)  # fmt: skip
_TRACKED = {"report_to": ["trackio"], "project": "trl-studio", "trackio_static_space_id": False}
_RUNNING = (
    Case("loss-nan", values={"learning_rate": 1e30, "max_steps": 8, **_TRACKED}, metrics=True),
    Case("loss-explodes", values={"learning_rate": 0.2, "max_steps": 40, "max_grad_norm": 0.0,
                                  "lr_scheduler_type": "constant", **_TRACKED}, metrics=True),
    Case("loss-zero", "distillation", {"teacher_model_name_or_path": "MODEL", "max_steps": 8, **_TRACKED},
         metrics=True),
    Case("reward-flat", "grpo", {"reward_funcs": ["rewards.flat"], "max_steps": 14, **_TRACKED}, metrics=True),
    Case("all-clipped", "grpo", {"max_completion_length": 2, "max_steps": 12, **_TRACKED}, metrics=True),
    Case("learns", values={"max_steps": 16, "learning_rate": 1e-3, **_TRACKED}, metrics=True),
)  # fmt: skip
CASES = (*_DATA, *_MODELS, *_HUB, *_PACKAGES, *_VALUES, *_OPTIONS, *_REWARDS, *_MACHINE, *_RUNNING)


def copy_model(case: Case, folder: Path) -> None:
    """The changed copy of the demo model, where the case has one."""
    if case.model is not None:
        shutil.copytree(DEMO / "model", folder)
        case.model(folder)
