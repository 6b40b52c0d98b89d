"""Why a run failed: each recorded failure has its cause told, the line that shows it quoted, and its cure."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from studio.domain.arguments import Catalog
from studio.domain.diagnosis import diagnose, diagnosed
from studio.domain.evidence import Evidence, quoted
from studio.domain.findings import Finding
from studio.domain.log_errors import likeliest, raised_in
from studio.domain.recipe import Recipe
from studio.domain.states import Exit

FAILURES = Path(__file__).with_name("failures")
NO = None  # no change of the recipe cures it for sure
NO_TEST = ["eval_strategy", "eval_steps", "load_best_model_at_end"]
NO_PUSH = ["push_to_hub", "hub_model_id", "hub_strategy", "hub_private_repo"]
START_ANEW: dict[str, Any] = {"unset": ["resume_from_checkpoint"]}
MIN_RATE = {"set": {"lr_scheduler_kwargs": {"min_lr_rate": 0.1}}}
ON_CPU = {"set": {"bf16": False, "use_cpu": True}}
HALF = {"set": {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 2}}
FILE = {
    "set": {"datasets": [{"path": "json", "data_files": "/home/me/demo/sft/train.jsonl"}]},
    "unset": ["dataset_name"],
}

# name: (cause, words of the line that shows it, the first cure: `set` and `unset`)
EXPECTED: dict[str, tuple[str, str, dict[str, Any] | None]] = {
    # the data
    "columns-sft": ("missing-column", "KeyError: 'text'", NO),
    "text-field-sft": ("missing-column", "KeyError: 'body'", {"unset": ["dataset_text_field"]}),
    "columns-dpo-no-rejected": ("missing-column", "KeyError: 'rejected'", NO),
    "columns-dpo-pairs": ("missing-column", "KeyError: 'chosen'", NO),
    "columns-reward": ("missing-column", "KeyError: 'chosen'", NO),
    "columns-kto": ("missing-column", "Column 'label' doesn't exist", NO),
    "columns-grpo": ("missing-column", "KeyError: 'prompt'", NO),
    "columns-rloo": ("missing-column", "KeyError: 'prompt'", NO),
    "columns-distillation": ("missing-column", "KeyError: 'prompt'", NO),
    "mixed-prompt-dpo": ("columns-of-two-kinds", "'list' object has no attribute 'endswith'", NO),
    "sharegpt-keys-sft": ("unexpected-columns", "No columns in the dataset match", NO),
    "null-cell-sft": ("empty-cell", "'NoneType' object has no attribute 'endswith'", NO),
    "empty-conversation-sft": ("empty-conversation", "IndexError: list index out of range", NO),
    "no-split": ("missing-column", "KeyError: 'learn'", {"unset": ["dataset_train_split"]}),
    "no-eval-split": ("missing-column", "KeyError: 'test'", {"unset": NO_TEST}),
    "no-config": ("no-config", "BuilderConfig 'english' not found", {"unset": ["dataset_config"]}),
    "all-masked": ("no-examples", "got num_samples=0", {"set": {"max_length": 1024}}),
    "dataset-is-file": ("data-file-missing", "Couldn't find any data file", FILE),
    "dataset-folder-missing": ("data-file-missing", "Couldn't find any data file", NO),
    "bad-json-row": ("broken-file", "Trailing data", NO),
    # the model
    "no-template": (
        "no-chat-template",
        "tokenizer.chat_template is not set",
        {"set": {"chat_template_path": "Qwen/Qwen3-0.6B"}},
    ),
    "no-marks": ("no-generation-marks", "not training-compatible", {"unset": ["assistant_only_loss"]}),
    "own-code": ("remote-code", "contains custom code", {"set": {"trust_remote_code": True}}),
    "new-architecture": ("unknown-architecture", "does not recognize this architecture", NO),
    "cut-weights": ("broken-weights", "SafetensorError", NO),
    "no-weights": ("no-weights", "no file named model.safetensors", NO),
    "no-tokenizer": ("no-examples", "got num_samples=0", NO),
    "fewer-words": ("token-out-of-vocabulary", "index out of range in self", NO),
    "model-folder-missing": ("not-on-the-hub", "Repo id must be in the form", NO),
    "lora-targets": (
        "lora-targets",
        "Target modules query_key_value not found",
        {"set": {"lora_target_modules": ["all-linear"]}},
    ),
    "eos-token": ("special-token", "The specified 'eos_token' ('<|nothing|>')", NO),
    "teacher-words": ("teacher-vocabulary", "requires a shared vocabulary", NO),
    # the Hub
    "hub-model-missing": ("not-on-the-hub", "is not a local folder and is not a valid model identifier", NO),
    "hub-model-gated": ("gated", "gated repo", NO),
    "hub-dataset-missing": ("not-on-the-hub", "RepositoryNotFoundError: 404 Client Error", NO),
    "hub-dataset-gated": ("gated", "is a gated dataset", NO),
    "hub-push-no-token": ("no-token", "Invalid username or password", {"unset": NO_PUSH}),
    "hub-push-read-token": ("may-not-write", "403", {"unset": NO_PUSH}),
    "no-network-model": ("no-network", "couldn't connect to", NO),
    "no-network-dataset": ("no-network", "Couldn't reach 'someone/data' on the Hub", NO),
    "offline-model": ("offline", "outgoing traffic has been disabled", NO),
    # packages
    "no-bitsandbytes": ("package", "requires bitsandbytes", {"unset": ["load_in_4bit"]}),
    "no-bitsandbytes-optim": ("package", "You need to install 'bitsandbytes'", {"unset": ["optim"]}),
    "no-flash-attn": ("package", "FlashAttention2 has been toggled on", {"unset": ["attn_implementation"]}),
    "no-vllm": ("package", "vLLM is not available", {"unset": ["use_vllm"]}),
    "no-liger": ("package", "pip install liger-kernel", {"unset": ["use_liger_kernel"]}),
    "no-deepspeed": ("package", "eepspeed", {"unset": ["accelerate_config"]}),
    "no-wandb": ("package", "wandb", {"set": {"report_to": "none"}}),
    # the recipe
    "unknown-argument": (
        "unknown-argument",
        "unrecognized arguments: --learning_ratee",
        {"set": {"learning_rate": 0.0001}, "unset": ["learning_ratee"]},
    ),
    "bad-yaml": ("bad-yaml", "ScannerError", NO),
    "bad-choice": ("bad-value", "cosinus is not a valid SchedulerType", {"unset": ["lr_scheduler_type"]}),
    "bad-type": ("bad-choice", "invalid float value: 'fast'", {"unset": ["learning_rate"]}),
    "unquoted-no": ("bad-value", "False is not a valid SaveStrategy", {"set": {"save_strategy": "no"}}),
    "bf16-on-cpu": ("precision", "doesn't support bf16/gpu", ON_CPU),
    "bf16-with-cpu": ("precision", "doesn't support bf16/gpu", ON_CPU),
    "tf32-on-cpu": ("precision", "--tf32 requires Ampere", {"unset": ["tf32"]}),
    "kto-batch-of-one": ("kto-batch", "batch size must be > 1", {"set": {"per_device_train_batch_size": 2}}),
    "eval-without-strategy": (
        "save-and-evaluate",
        "requires the save and eval strategy to match",
        {"unset": ["load_best_model_at_end"]},
    ),
    "best-mismatch": (
        "save-and-evaluate",
        "requires the save and eval strategy to match",
        {"set": {"save_strategy": "steps", "save_steps": 2}},
    ),
    "best-steps-mismatch": ("save-and-evaluate", "round multiple of the evaluation steps", {"set": {"save_steps": 2}}),
    "resume-missing": ("resume-missing", "Can't find a valid checkpoint at output/checkpoint-7", START_ANEW),
    "resume-other-model": ("resume-other", "size mismatch for model.embed_tokens.weight", START_ANEW),
    "resume-other-adapter": ("resume-other", "size mismatch for base_model", START_ANEW),
    "schedule-without-kwargs": ("schedule", "One of min_lr or min_lr_rate should be set", MIN_RATE),
    "stream-without-steps": ("streaming-without-steps", "max_steps has to be specified", {"set": {"max_steps": 1000}}),
    "assistant-only-on-text": (
        "assistant-only-on-text",
        "the dataset is not conversational",
        {"unset": ["assistant_only_loss"]},
    ),
    "padding-free": ("padding-free", "When 'padding_free=True' without packing", {"set": {"packing": True}}),
    "output-is-file": ("folder-is-file", "File exists: 'output'", NO),
    # options that do not go together
    "packing-no-length": ("packing-without-length", "When packing is enabled", {"set": {"max_length": 1024}}),
    "packing-strategy": ("unknown-choice", "Invalid packing strategy 'best'", {"unset": ["packing_strategy"]}),
    "truncation-mode": ("unknown-choice", "Unsupported truncation mode: middle", {"unset": ["truncation_mode"]}),
    "loss-of-sft": ("unknown-choice", "Invalid 'loss_type' dtf passed", {"unset": ["loss_type"]}),
    "loss-of-dpo": ("unknown-choice", "Unknown loss type: sigmoit", {"unset": ["loss_type"]}),
    "loss-of-grpo": ("unknown-choice", "Unknown loss type: gprpo", {"unset": ["loss_type"]}),
    "two-quantizations": ("two-quantizations", "You can't use 8 bit and 4 bit", {"unset": ["load_in_8bit"]}),
    "adapter-on-head": (
        "adapter-on-head",
        "Applying a PEFT adapter to 'lm_head' is not supported",
        {"set": {"lora_target_modules": ["all-linear"]}},
    ),
    "found-batch": ("found-batch", "auto_find_batch_size is not supported", {"unset": ["auto_find_batch_size"]}),
    "batch-said-twice": ("batch-said-twice", "can not be both configured", {"unset": ["steps_per_generation"]}),
    "no-reference": ("no-reference", "'sync_ref_model=True' while 'beta=0.0'", {"unset": ["sync_ref_model"]}),
    "reference-of-adapter": ("no-reference", "while using a PEFT model", {"unset": ["sync_ref_model"]}),
    "loss-weights": ("loss-weights", "Got 1 weights for 2 loss types", {"unset": ["loss_weights"]}),
    "exo-smoothing": ("exo-smoothing", "Label smoothing must be greater", {"set": {"label_smoothing": 0.001}}),
    "divergence-of-loss": ("divergence-of-loss", "is only supported for", {"unset": ["f_divergence_type"]}),
    "weighting-of-loss": ("weighting-of-loss", "WPO-style weighting", {"unset": ["use_weighting"]}),
    "kto-order": (
        "kto-order",
        "train_sampling_strategy='sequential'",
        {"set": {"train_sampling_strategy": "sequential"}},
    ),
    "precompute-stream": ("precompute-stream", "with IterableDataset", {"unset": ["precompute_ref_log_probs"]}),
    "sees-nothing": ("sees-nothing", "appears to be vision-related", NO),
    "no-experts": ("no-experts", "is not a Mixture-of-Experts model", {"unset": ["router_aux_loss_coef"]}),
    "beta-of-distillation": ("beta-of-distillation", "beta must be in [0.0, 1.0], got 2.0", {"unset": ["beta"]}),
    "no-teacher": ("no-teacher", "A teacher model is required", NO),
    "no-data": ("no-data", "Either 'datasets' or 'dataset_name' must be provided", NO),
    "fraction-of-some": ("fraction-of-some", "must be set for either all datasets", NO),
    "completions-unlogged": ("completions-unlogged", "log_completions is False", {"set": {"log_completions": True}}),
    # rewards and generation
    "generation-batch": (
        "generation-groups",
        "must be divisible by num_generations (8)",
        {"set": {"gradient_accumulation_steps": 8}},
    ),
    "generation-batch-size": (
        "generation-groups",
        "must be divisible by num_generations (4)",
        {"set": {"generation_batch_size": 12}},
    ),
    "eval-groups": ("generation-groups", "The global eval batch size", {"set": {"per_device_eval_batch_size": 6}}),
    "one-generation": ("one-generation", "requires at least 2 generations", {"set": {"num_generations": 8}}),
    "reward-raises": ("reward-raises", "TypeError: list indices must be integers or slices, not str", NO),
    "reward-too-few": ("reward-count", "returned 1 rewards, but 2 were expected", NO),
    "reward-no-module": ("own-module", "No module named 'judges'", NO),
    "reward-no-function": ("no-reward-function", "module 'rewards' has no attribute 'score'", NO),
    "reward-no-such-name": ("no-reward-function", "Could not load reward function 'politeness'", NO),
    "no-reward": ("no-reward", "No reward source provided", NO),
    "reward-weights": ("reward-weights", "Number of reward weights (2)", {"unset": ["reward_weights"]}),
    "reward-syntax": ("reward-code", "SyntaxError", NO),
    # the machine and its processes
    "killed": ("killed", "died with <Signals.SIGKILL: 9>", HALF),
    "killed-rank": ("killed", "Signal 9 (SIGKILL) received", HALF),
    "cpu-memory": ("cpu-memory", "DefaultCPUAllocator", {"set": {"activation_checkpointing": True}}),
    "disk-full": ("disk-full", "No space left on device", {"set": {"save_total_limit": 1}}),
    "rank-raises": ("reward-raises", "ValueError: the judge gave no score for 'Berlin'", NO),
    "nobody-at-the-master": (
        "rendezvous",
        "Rendezvous",
        {
            "unset": [
                *("num_machines", "machine_rank", "main_process_ip"),
                *("main_process_port", "rdzv_backend", "rdzv_conf"),
            ]
        },
    ),
    # reported by others, since they need a GPU or two machines
    "gpu-memory": (
        "gpu-memory",
        "CUDA out of memory",
        {"set": {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2}},
    ),
    "gpu-memory-grpo": ("gpu-memory", "CUDA out of memory", {"set": {"max_completion_length": 512}}),
    "gpu-memory-loading": (
        "gpu-memory",
        "CUDA out of memory",
        {"set": {"use_peft": True, "load_in_4bit": True}, "unset": ["load_in_8bit"]},
    ),
    "gpu-memory-evaluating": ("gpu-memory", "CUDA out of memory", {"set": {"per_device_eval_batch_size": 8}}),
    "gpu-memory-ranks": (
        "gpu-memory",
        "[rank0]: torch.OutOfMemoryError",
        {"set": {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2}},
    ),
    "port-in-use": ("port-in-use", "name: EADDRINUSE", NO),
    "nccl": ("nccl", "NCCL error in", {"set": {"env": {"NCCL_DEBUG": "INFO"}}}),
    "nccl-timeout": ("nccl-timeout", "Watchdog caught collective operation timeout", {"set": {"ddp_timeout": 3600}}),
    "gpu-rank-killed": (
        "killed",
        "Signal 9 (SIGKILL) received",
        {"set": {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2}},
    ),
    "bf16-old-gpu": ("precision", "doesn't support bf16/gpu", {"set": {"bf16": False, "fp16": True}}),
    "tf32-old-gpu": ("precision", "--tf32 requires Ampere", {"unset": ["tf32"]}),
    "device-assert": ("token-out-of-vocabulary", "device-side assert triggered", NO),
    "vllm-memory": (
        "vllm-memory",
        "No available memory for the cache blocks",
        {"set": {"vllm_gpu_memory_utilization": 0.2}},
    ),
}


def recorded(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FAILURES / f"{name}.json").read_text(encoding="utf-8"))
    return found


def evidence(found: dict[str, Any], catalog: Catalog, first_line: int = 1) -> Evidence:
    """What the studio would have known of a recorded failure."""
    method, said = found["method"], found["recipe"] if isinstance(found["recipe"], dict) else {}
    recipe = Recipe(method).with_changes(catalog, said)
    defaults = {name: argument.effective_default for name, argument in catalog.of(method).items()}
    return Evidence(
        "\n".join(found["log"]),
        recipe,
        Exit(**found["exit"]) if found["exit"] else None,
        defaults=defaults,
        nearest=lambda key: catalog.nearest(method, key),
        first_line=first_line,
    )


def test_every_record_has_its_expectation() -> None:
    failed = {path.stem for path in FAILURES.glob("*.json") if recorded(path.stem)["outcome"] == "failed"}
    assert failed == set(EXPECTED)
    really = [name for name in failed if "source" not in recorded(name)]
    assert len(really) >= 60, "failures that TRL really ran into"


@pytest.mark.parametrize("name", EXPECTED)
def test_the_cause_the_line_and_the_cure(name: str, catalog: Catalog) -> None:
    found = recorded(name)
    cause, words, cure = EXPECTED[name]
    told = diagnosed(evidence(found, catalog, first_line=1001))
    assert told[0][0] == cause, told
    first: Finding = told[0][1]
    assert first.level == "error"
    assert first.where.kind == "log"
    assert first.where.line is not None
    line = found["log"][first.where.line - 1001]
    assert words in quoted(line) or words in line.replace("`", "'")
    assert quoted(line) in first.message, "the message quotes the line"
    fix = first.fix
    assert (None if fix is None else {"set": fix.set, "unset": list(fix.unset)}) == (
        None if cure is None else {"set": {}, "unset": [], **cure}
    )


@pytest.mark.parametrize("name", EXPECTED)
def test_a_cure_is_a_recipe_that_differs(name: str, catalog: Catalog) -> None:
    """Every change can be made: it names options that there are, or takes away what is in the recipe."""
    known = evidence(recorded(name), catalog)
    assert known.recipe is not None
    for finding in diagnose(known):
        if finding.fix is None:
            continue
        assert finding.fix.label
        changed = known.recipe.with_changes(catalog, finding.fix.set, finding.fix.unset)
        assert changed != known.recipe, finding.fix
        assert set(changed.unknown) <= set(known.recipe.unknown)
        names = {*catalog.of(known.method), *catalog.launch, "env", "accelerate_config", *known.recipe.unknown}
        assert {*finding.fix.set, *finding.fix.unset} <= names


def test_memory_is_saved_in_steps(catalog: Catalog) -> None:
    fixes = [finding.fix for finding in diagnose(evidence(recorded("gpu-memory"), catalog)) if finding.fix]
    assert [list(fix.set) for fix in fixes] == [
        ["per_device_train_batch_size", "gradient_accumulation_steps"],
        ["activation_checkpointing"],
        ["use_peft"],
        ["max_length"],
    ]


def test_memory_that_cannot_be_saved_is_said(catalog: Catalog) -> None:
    found = recorded("gpu-memory")
    found["recipe"] |= {"per_device_train_batch_size": 1, "activation_checkpointing": True, "use_peft": True,
                        "load_in_4bit": True, "max_length": 64}  # fmt: skip
    (only,) = diagnose(evidence(found, catalog))
    assert only.fix is None
    assert "smaller model" in only.why


@pytest.mark.parametrize("batch", [3, 5, 6, 12])
def test_a_smaller_batch_learns_from_as_many(catalog: Catalog, batch: int) -> None:
    found = recorded("gpu-memory")
    found["recipe"] |= {"per_device_train_batch_size": batch, "gradient_accumulation_steps": 2}
    fix = diagnose(evidence(found, catalog))[0].fix
    assert fix is not None
    smaller, steps = fix.set["per_device_train_batch_size"], fix.set["gradient_accumulation_steps"]
    assert smaller <= batch / 2
    assert smaller * steps == batch * 2


# What nobody foresaw ---------------------------------------------------------------------------------------------


def test_an_unknown_error_is_told_with_its_place(catalog: Catalog) -> None:
    found = recorded("rank-raises")
    found["log"] = [line.replace("_calculate_rewards", "_do_something_new") for line in found["log"]]
    (only,) = diagnose(evidence(found, catalog))
    assert "runs/run/rewards.py:17" in only.message
    assert "the judge gave no score" in only.message
    assert "process 1" in only.message
    assert only.where.line is not None
    assert "the judge gave no score" in found["log"][only.where.line - 1]


def test_a_log_without_an_error_gives_its_last_words() -> None:
    (only,) = diagnose(Evidence("Loading weights\n\n100%|###| 3/3\n", Recipe("sft"), Exit(1)))
    assert "exit code 1" in only.message
    assert "3/3" in only.message
    assert "Loading weights" in only.why
    (empty,) = diagnose(Evidence("", Recipe("sft"), Exit(127)))
    assert "the log is empty" in empty.message


@pytest.mark.parametrize(
    ("exit", "words"), [(Exit(None, 11), "SIGSEGV"), (Exit(139), "SIGSEGV"), (Exit(None, 6), "SIGABRT")]
)
def test_signals_are_named(exit: Exit, words: str) -> None:
    (only,) = diagnose(Evidence("Loading\n", Recipe("sft"), exit))
    assert words in only.message


@pytest.mark.parametrize("exit", [Exit(None, 9), Exit(137)])
def test_a_kill_that_nobody_asked_for_is_the_kernels(exit: Exit) -> None:
    first = diagnose(Evidence("Loading\n", Recipe("sft"), exit, memory=8 * 2**30))[0]
    assert "8 GiB" in first.message
    asked = diagnose(Evidence("Loading\n", Recipe("sft"), exit, stop="now"))[0]
    assert "memory" not in asked.message


def test_a_port_on_one_machine_is_found_by_the_launcher(catalog: Catalog) -> None:
    found = recorded("port-in-use")
    del found["recipe"]["num_machines"]
    fix = diagnose(evidence(found, catalog))[0].fix
    assert fix is not None
    assert fix.set == {"main_process_port": 0}


# Reading a log ---------------------------------------------------------------------------------------------------


def test_exceptions_are_found_with_line_place_and_rank() -> None:
    log = recorded("rank-raises")["log"]
    first = likeliest(log)[0]
    assert first.rank == 1
    assert first.own.endswith("rewards.py:17")
    assert log[first.line] == "[rank1]: ValueError: the judge gave no score for 'Berlin'"
    assert any(one.wrapped for one in raised_in(log))


def test_a_thread_and_a_warning_are_no_cause() -> None:
    log = [
        "Exception in thread Thread-3 (watch):",
        "Traceback (most recent call last):",
        '  File "x.py", line 1, in run',
        "KeyError: 'text'",
        "x.py:3: FutureWarning: this will change",
        "Traceback (most recent call last):",
        '  File "y.py", line 2, in <module>',
        "ZeroDivisionError: division by zero",
        "Exception ignored in: <function f>",
        "Traceback (most recent call last):",
        "OSError: gone",
    ]
    assert [one.type for one in likeliest(log)] == ["ZeroDivisionError", "OSError", "KeyError"]


def test_records_hold_nothing_of_the_machine_that_made_them() -> None:
    for path in FAILURES.glob("*.json"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"/(tmp|opt|work|root)/(?!x\b)", text), path.name
        assert len(recorded(path.stem)["log"]) <= 200
