"""What the studio adds to TRL's arguments: section, plain label and hint, bounds, and the condition that shows them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from studio.domain.arguments import Argument

SET, UNSET = "set at all", "not set"


@dataclass(frozen=True)
class Overlay:
    """The studio's words for one argument.

    `section` groups it in the YAML and on the page. `minimum` and `maximum` are inclusive unless `above` says that
    the minimum itself is not allowed. `shown_when` names an argument and the value (or values) with which this one
    means anything (SET and UNSET: with any, with none); `methods` limits the record to some methods. `advanced` ones
    are left out of a simple page.
    """

    name: str
    section: str
    label: str = ""
    hint: str = ""
    minimum: float | None = None
    maximum: float | None = None
    above: bool = False
    shown_when: tuple[str, Any] | None = None
    methods: tuple[str, ...] = ()
    advanced: bool = False


# In the order in which one thinks, which is the order in the YAML.
SECTIONS = (
    "Model",
    "Data",
    "Length of training",
    "Batch",
    "Learning rate",
    "Sequence",
    "Method",
    "Generation",
    "Rewards",
    "Teacher",
    "LoRA",
    "Quantization",
    "Evaluation",
    "Saving",
    "Logging",
    "Hub",
    "Precision and memory",
    "Training",
    "Launch",
)

_ONLINE = ("grpo", "rloo", "distillation")
_PREFERENCE = ("dpo", "kto")

OVERLAYS: tuple[Overlay, ...] = (
    Overlay("model_name_or_path", "Model", "Model", "A model's name on the Hub, or a folder on this machine."),
    Overlay("model_revision", "Model", "Revision", "Branch, tag or commit. A commit is always the same weights."),
    Overlay(
        "dtype",
        "Model",
        "Weights are loaded as",
        "float32 is TRL's default: exact, twice the memory of bfloat16. auto: as they were saved.",
    ),
    Overlay("attn_implementation", "Model", "Attention", "sdpa works everywhere; flash_attention_2 needs its package."),
    Overlay(
        "trust_remote_code",
        "Model",
        "Run code from the model's repository",
        "Off: it would run as you, with your files and tokens. Few models need it.",
    ),
    Overlay("dataset_name", "Data", "Dataset", "A dataset's name on the Hub, or a folder on this machine."),
    Overlay("dataset_config", "Data", "Subset", "The configuration of the dataset, where it has several."),
    Overlay("dataset_train_split", "Data", "Train split", "The rows to learn from."),
    Overlay("dataset_test_split", "Data", "Evaluation split", "The rows to measure on, where evaluation is on."),
    Overlay("datasets", "Data", "Datasets", "A mixture, or a file: path, data_files, split and more for each."),
    Overlay(
        "streaming", "Data", "Stream the datasets", "Read while training; needs steps.", shown_when=("datasets", SET)
    ),
    Overlay(
        "test_split_size",
        "Data",
        "Held out for evaluation",
        "Share or number of rows.",
        0,
        above=True,
        shown_when=("datasets", SET),
    ),
    Overlay(
        "dataset_streaming",
        "Data",
        "Stream the dataset",
        "Read while training; needs a number of steps.",
        shown_when=("datasets", UNSET),
    ),
    Overlay("dataset_text_field", "Data", "Text column", "The column that holds the text, for plain-text data."),
    Overlay("num_train_epochs", "Length of training", "Epochs", "How often the data is gone through.", 0, above=True),
    Overlay("max_steps", "Length of training", "Steps", "-1 goes by epochs; a number of steps overrides them.", -1),
    Overlay("per_device_train_batch_size", "Batch", "Batch per device", "Examples at once. Less needs less memory.", 1),
    Overlay("gradient_accumulation_steps", "Batch", "Accumulation", "Batches added up before each update.", 1),
    Overlay(
        "learning_rate",
        "Learning rate",
        "Learning rate",
        "How big each update is. With LoRA ten times TRL's default (its PEFT guide), until you set it.",
        0,
        above=True,
    ),
    Overlay("lr_scheduler_type", "Learning rate", "Schedule", "How the rate changes over the run."),
    Overlay("lr_scheduler_kwargs", "Learning rate", "Schedule options", "As {min_lr: 1e-6}.", advanced=True),
    Overlay("warmup_steps", "Learning rate", "Warmup", "Steps until the full rate; below 1 a share of the run.", 0),
    Overlay("weight_decay", "Learning rate", "Weight decay", "Pulls weights towards zero.", 0, advanced=True),
    Overlay(
        "max_grad_norm",
        "Learning rate",
        "Gradient clipping",
        "Larger gradients are scaled down to this norm.",
        0,
        advanced=True,
    ),
    Overlay(
        "optim",
        "Learning rate",
        "Optimizer",
        "The fused AdamW is fast; 8-bit and Adafactor save memory.",
        advanced=True,
    ),
    Overlay("max_length", "Sequence", "Longest sequence", "In tokens; longer examples are cut.", 1),
    Overlay("packing", "Sequence", "Packing", "Puts short examples together. Faster where they are short."),
    Overlay(
        "packing_strategy",
        "Sequence",
        "Packing strategy",
        "bfd keeps examples whole.",
        shown_when=("packing", True),
        advanced=True,
    ),
    Overlay("assistant_only_loss", "Sequence", "Learn from the assistant's turns only", "Needs conversations."),
    Overlay(
        "completion_only_loss",
        "Sequence",
        "Learn from the completion only",
        "On by itself where there is one.",
        advanced=True,
    ),
    Overlay(
        "eos_token",
        "Sequence",
        "Token that ends a turn",
        "Set it where the chat template's end differs.",
        advanced=True,
    ),
    Overlay(
        "chat_template_path",
        "Sequence",
        "Chat template",
        "A template file, or a model whose template to take.",
        advanced=True,
    ),
    Overlay("truncation_mode", "Sequence", "Cut at", "Which end of a longer example stays.", advanced=True),
    Overlay("padding_free", "Sequence", "No padding", "Examples in a row; needs Flash Attention.", advanced=True),
    Overlay("loss_type", "Method", "Loss", "What is minimised."),
    Overlay("loss_weights", "Method", "Loss weights", "One each where several losses are combined.", advanced=True),
    Overlay(
        "beta", "Method", "Beta", "How closely to stay to the starting model: higher is closer.", 0, methods=_PREFERENCE
    ),
    Overlay("beta", "Method", "KL weight (beta)", "0 needs no reference model.", 0, methods=("grpo", "rloo")),
    Overlay("beta", "Method", "Divergence (beta)", "0 forward KL, 1 reverse KL, between them JSD.", 0, 1),
    Overlay("desirable_weight", "Method", "Weight of good answers", "Raise it where good ones are rare.", 0),
    Overlay("undesirable_weight", "Method", "Weight of bad answers", "Raise it where bad ones are rare.", 0),
    Overlay("epsilon", "Method", "Clipping (epsilon)", "How far one update may move.", 0, advanced=True),
    Overlay("num_iterations", "Method", "Updates per batch of completions", "", 1, advanced=True),
    Overlay(
        "scale_rewards", "Method", "Scale rewards", "By the spread within a group, a batch, or not.", advanced=True
    ),
    Overlay(
        "center_rewards_coefficient",
        "Method",
        "Centre rewards",
        "A small number keeps them around zero.",
        advanced=True,
    ),
    Overlay("disable_dropout", "Method", "Switch dropout off", "", advanced=True),
    Overlay(
        "label_smoothing", "Method", "Label smoothing", "Share of pairs thought to be wrong.", 0, 0.5, advanced=True
    ),
    Overlay("f_divergence_type", "Method", "Divergence", "How far from the starting model is measured.", advanced=True),
    Overlay("precompute_ref_log_probs", "Method", "Reference computed first", "Saves its memory later.", advanced=True),
    Overlay("sync_ref_model", "Method", "Reference follows", "It moves towards the trained model.", advanced=True),
    Overlay(
        "ref_model_mixup_alpha", "Method", "By this share", "", 0, 1, shown_when=("sync_ref_model", True), advanced=True
    ),
    Overlay(
        "ref_model_sync_steps",
        "Method",
        "Every so many steps",
        "",
        1,
        shown_when=("sync_ref_model", True),
        advanced=True,
    ),
    Overlay("epsilon_high", "Method", "Upper clipping", "Empty: as the lower one.", 0, advanced=True),
    Overlay("importance_sampling_level", "Method", "Importance weights", "By token or by whole answer.", advanced=True),
    Overlay("mask_truncated_completions", "Method", "Leave cut answers out", "Of the loss.", advanced=True),
    Overlay("num_generations", "Generation", "Answers per prompt", "A group to compare; more is steadier.", 1),
    Overlay("max_completion_length", "Generation", "Longest answer", "In tokens.", 1),
    Overlay("temperature", "Generation", "Temperature", "Higher is more varied.", 0, above=True),
    Overlay(
        "top_p",
        "Generation",
        "Top p",
        "Sample from the likeliest tokens up to this share.",
        0,
        1,
        above=True,
        advanced=True,
    ),
    Overlay("top_k", "Generation", "Top k", "Sample from this many; 0 for all.", 0, advanced=True),
    Overlay("use_vllm", "Generation", "Generate with vLLM", "Much faster; needs a GPU and the vllm package."),
    Overlay(
        "vllm_mode",
        "Generation",
        "vLLM runs",
        "In this run's GPUs, or as a server.",
        shown_when=("use_vllm", True),
        advanced=True,
    ),
    Overlay("min_p", "Generation", "Min p", "Drops tokens below this share of the likeliest.", 0, 1, advanced=True),
    Overlay("repetition_penalty", "Generation", "Repetition penalty", "1 is none.", 0, above=True, advanced=True),
    Overlay("generation_batch_size", "Generation", "Answers at once", "Empty: batch × accumulation.", 1, advanced=True),
    Overlay(
        "vllm_gpu_memory_utilization",
        "Generation",
        "GPU memory for vLLM",
        "A share; the rest is for training.",
        0,
        1,
        above=True,
        shown_when=("vllm_mode", "colocate"),
        advanced=True,
    ),
    Overlay("vllm_server_host", "Generation", "vLLM host", "", shown_when=("vllm_mode", "server"), advanced=True),
    Overlay(
        "vllm_server_port", "Generation", "vLLM port", "", 1, 65535, shown_when=("vllm_mode", "server"), advanced=True
    ),
    Overlay("log_completions", "Generation", "Log completions", "Prints samples with their rewards."),
    Overlay("reward_funcs", "Rewards", "Reward functions", "TRL's by name, your own as module.function."),
    Overlay("reward_model_name_or_path", "Rewards", "Reward model", "A model with one score as output."),
    Overlay("reward_weights", "Rewards", "Reward weights", "One each, in the order: reward model, then functions."),
    Overlay("teacher_model_name_or_path", "Teacher", "Teacher", "The bigger model to learn from."),
    Overlay("teacher_model_revision", "Teacher", "Teacher's revision", "Branch, tag or commit.", advanced=True),
    Overlay("use_peft", "LoRA", "Train a LoRA adapter", "A small add-on instead of all weights: far less memory."),
    Overlay(
        "lora_r",
        "LoRA",
        "Rank",
        "How much it can learn: 8 to 32 for most tasks, more for much that is new.",
        1,
        shown_when=("use_peft", True),
    ),
    Overlay(
        "lora_alpha",
        "LoRA",
        "Alpha",
        "How strongly it acts: alpha ÷ rank. Often once or twice the rank.",
        1,
        shown_when=("use_peft", True),
    ),
    Overlay(
        "lora_dropout", "LoRA", "Dropout", "Against rote learning: 0 to 0.1.", 0, 0.99, shown_when=("use_peft", True)
    ),
    Overlay("use_rslora", "LoRA", "rsLoRA", "Alpha ÷ √rank: for ranks of 64 and more.", shown_when=("use_peft", True)),
    Overlay(
        "use_dora", "LoRA", "DoRA", "Learns magnitudes too: better at low ranks, slower.", shown_when=("use_peft", True)
    ),
    Overlay(
        "lora_target_modules",
        "LoRA",
        "Target modules",
        "Ends of module names, or one pattern for whole names. Empty: PEFT's own choice.",
        shown_when=("use_peft", True),
    ),
    Overlay(
        "lora_target_parameters",
        "LoRA",
        "Target parameters",
        "Tensors that are no module, such as a mixture's experts. Needs a dropout of 0.",
        shown_when=("use_peft", True),
    ),
    Overlay(
        "lora_modules_to_save",
        "LoRA",
        "Modules trained in full",
        "Copied whole into the adapter: lm_head and embed_tokens where new tokens are learnt.",
        shown_when=("use_peft", True),
    ),
    Overlay(
        "lora_task_type",
        "LoRA",
        "Task type",
        "CAUSAL_LM for text; SEQ_CLS for reward models, whose score head is then trained too.",
        shown_when=("use_peft", True),
    ),
    Overlay("load_in_4bit", "Quantization", "4-bit weights (QLoRA)", "Needs an NVIDIA GPU and bitsandbytes."),
    Overlay("load_in_8bit", "Quantization", "8-bit weights", "Needs an NVIDIA GPU and bitsandbytes."),
    Overlay(
        "bnb_4bit_quant_type",
        "Quantization",
        "4-bit type",
        "nf4 is made for weights; fp4 is the older one.",
        shown_when=("load_in_4bit", True),
    ),
    Overlay(
        "use_bnb_nested_quant",
        "Quantization",
        "Nested quantization",
        "Packs the scales too: 0.4 bits less a weight.",
        shown_when=("load_in_4bit", True),
    ),
    Overlay(
        "bnb_4bit_quant_storage",
        "Quantization",
        "Stored as",
        "Empty: uint8. FSDP wants the dtype of the other weights, bfloat16.",
        shown_when=("load_in_4bit", True),
    ),
    Overlay("eval_strategy", "Evaluation", "Evaluate", "Needs an evaluation split."),
    Overlay(
        "eval_steps",
        "Evaluation",
        "Every so many steps",
        "Empty: as often as metrics are logged.",
        0,
        above=True,
        shown_when=("eval_strategy", "steps"),
    ),
    Overlay(
        "per_device_eval_batch_size",
        "Evaluation",
        "Evaluation batch per device",
        "",
        1,
        shown_when=("eval_strategy", ("steps", "epoch")),
        advanced=True,
    ),
    Overlay("output_dir", "Saving", "Output folder", "For elsewhere; here it is `output` in the run's own folder."),
    Overlay("save_strategy", "Saving", "Save checkpoints", "", advanced=True),
    Overlay(
        "save_steps",
        "Saving",
        "Every so many steps",
        "Below 1 a share of the run.",
        0,
        shown_when=("save_strategy", "steps"),
    ),
    Overlay("save_total_limit", "Saving", "Checkpoints kept", "The newest ones; empty keeps all.", 1),
    Overlay(
        "enable_jit_checkpoint", "Saving", "Save when stopped", "A stopped run leaves a checkpoint.", advanced=True
    ),
    Overlay("resume_from_checkpoint", "Saving", "Resume from", "The folder of a checkpoint to go on from."),
    Overlay("seed", "Saving", "Seed", "The same seed gives the same run on the same machine.", 0),
    Overlay("logging_steps", "Logging", "Log every", "Steps between two points of the plots.", 0, above=True),
    Overlay("report_to", "Logging", "Trackers", "trackio draws the plots here; others as you like."),
    Overlay("run_name", "Logging", "Run name", "Letters, digits, dots and dashes."),
    Overlay(
        "project", "Logging", "Project", "Groups runs in trackers; here it is trl-studio unless you say otherwise."
    ),
    Overlay(
        "trackio_space_id",
        "Logging",
        "trackio Space",
        "Also logs live to this Space; the run stops where the Hub is out of reach.",
    ),
    Overlay(
        "trackio_static_space_id",
        "Hub",
        "Metrics on the Hub",
        "false publishes none; a name makes a public Space of them.",
        shown_when=("push_to_hub", True),
    ),
    Overlay("push_to_hub", "Hub", "Push the model to the Hub", "A repository of its own, with a model card."),
    Overlay("hub_model_id", "Hub", "Repository", "name or owner/name.", shown_when=("push_to_hub", True)),
    Overlay(
        "hub_private_repo",
        "Hub",
        "Who may see it",
        "Counts when the repository is made.",
        shown_when=("push_to_hub", True),
    ),
    Overlay("hub_strategy", "Hub", "When to push", "The end is pushed in any case.", shown_when=("push_to_hub", True)),
    Overlay("use_cpu", "Precision and memory", "Train on the CPU", "Also where there is a GPU."),
    Overlay("bf16", "Precision and memory", "bfloat16", "On by itself; needs an Ampere GPU or newer."),
    Overlay("fp16", "Precision and memory", "float16", "For older GPUs, with bfloat16 off."),
    Overlay("tf32", "Precision and memory", "TF32", "Faster float32 on Ampere GPUs and newer."),
    Overlay(
        "activation_checkpointing", "Precision and memory", "Activation checkpointing", "Less memory, 20 % slower."
    ),
    Overlay(
        "accelerate_config",
        "Launch",
        "Profile, or a file of your own",
        "One of those above, or the path of an accelerate config.",
    ),
    Overlay("num_processes", "Launch", "Processes", "Empty: one a GPU, and one without.", 1),
    Overlay("gpu_ids", "Launch", "GPUs by number", "As 0,2. Empty or all: every one."),
    Overlay(
        "mixed_precision", "Launch", "accelerate's precision", "Counts only where bfloat16 and float16 are both off."
    ),
)

_BY_OWNER = {
    "ModelConfig": "Model",
    "ScriptArguments": "Data",
    "DatasetMixtureConfig": "Data",
    "_BaseConfig": "Training",
    "TrainingArguments": "Training",
}


@cache
def overlay(name: str, method: str) -> Overlay | None:
    """The studio's record for an argument under a method, or None where TRL's own words stand alone."""
    for record in OVERLAYS:
        if record.name == name and (not record.methods or method in record.methods):
            return record
    return None


def section_of(name: str, method: str, argument: Argument | None) -> str:
    """The section of SECTIONS under which an argument stands; accelerate's options and unknown keys under Launch."""
    record = overlay(name, method)
    if record:
        return record.section
    if argument is None or argument.owner.startswith("accelerate"):
        return "Launch"
    if name.startswith("lora_"):
        return "LoRA"
    if name.startswith(("vllm_", "generation_", "use_vllm")):
        return "Generation"
    return _BY_OWNER.get(argument.owner, "Data" if argument.owner.endswith("ScriptArguments") else "Method")


def is_shown(name: str, method: str, get: Any) -> bool:
    """Whether the argument means anything with the recipe's other values; `get(name)` gives those."""
    record = overlay(name, method)
    if record is None or record.shown_when is None:
        return True
    other, wanted = record.shown_when
    if not is_shown(other, method, get):
        return False
    if wanted in (SET, UNSET):
        return bool(get(other)) is (wanted == SET)
    return get(other) in wanted if isinstance(wanted, tuple) else get(other) == wanted


def depends(name: str, method: str, other: str) -> bool:
    """Whether the argument is shown or not by what `other` says, directly or through one that is."""
    record = overlay(name, method)
    if record is None or record.shown_when is None:
        return False
    return record.shown_when[0] == other or depends(record.shown_when[0], method, other)


def bounds_problem(name: str, method: str, value: Any) -> str | None:
    """What is wrong with a number's size, as the end of a sentence, or None."""
    record = overlay(name, method)
    if record is None or isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if record.minimum is not None and (value < record.minimum or (record.above and value == record.minimum)):
        return f"must be {'above' if record.above else 'at least'} {record.minimum:g}, not {value:g}"
    if record.maximum is not None and value > record.maximum:
        return f"must be at most {record.maximum:g}, not {value:g}"
    return None
