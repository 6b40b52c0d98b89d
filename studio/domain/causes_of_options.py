"""Causes that are options which do not go together, or whose value the trainer does not know."""

from __future__ import annotations

import re
from collections.abc import Iterator

from studio.domain.evidence import Cause, Clue, cause, plain
from studio.domain.findings import Finding, Fix

# What a trainer says of a value that it does not know, and the option that has it.
_CHOICES = {
    r"Invalid packing strategy '([^']*)'": "packing_strategy",
    r"Unsupported truncation mode: (\w+)": "truncation_mode",
    r"Invalid `loss_type` (\S+) passed": "loss_type",
    r"Unknown loss type: (\w+)": "loss_type",
    r"Unknown f_divergence_type: (\w+)": "f_divergence_type",
    r"Unknown importance sampling level: (\w+)": "importance_sampling_level",
    r"Unknown vLLM importance sampling level: (\w+)": "vllm_importance_sampling_mode",
    r"Invalid multi_objective_aggregation: (\w+)": "multi_objective_aggregation",
    r"Invalid value for scale_rewards: (\w+)": "scale_rewards",
    r"Invalid `dtype` passed to the config[^\n]*got (\S+?)\.?$": "dtype",
}
_IMAGES = "The data has a column `image` or `images`. Leave it out by `columns`, or take a model that sees."


def _choice(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    for pattern, option in _CHOICES.items():
        found = re.search(pattern, match[0], re.MULTILINE)
        if found is not None:
            why = "The error names what it can be." if "one of" in match[0] or "re '" in match[0] else ""
            yield clue.finding(f"`{option}` cannot be {found[1]}", why, Fix("Use TRL's default", {}, (option,)))


def _reference(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    """A reference model is to follow the trained one, where there is none that could."""
    fix = Fix("Leave the reference as it is", {}, ("sync_ref_model",))
    if "beta=0.0" in match[0]:
        why = "`beta` is 0, so the answers are compared with no reference, and there is nothing to keep in step."
    elif "precompute" in match[0]:
        why = "`precompute_ref_log_probs` asks the reference once, before training, so it has to stay the same."
    else:
        why = "With an adapter the reference is the model without it, which does not change."
    yield clue.finding("`sync_ref_model` has no reference model to change", why, fix)


def _seeing(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    """An option that does not go with images."""
    options = ("packing", "padding_free", "assistant_only_loss", "truncation_mode", "precompute_ref_log_probs")
    said = match[0].lower().replace("-", "_").replace("padding_free training", "padding_free")
    option = next(one for one in options if one in said)
    yield clue.finding(f"`{option}` does not go with images", "", Fix("Do without", {}, (option,)))


OPTIONS: tuple[Cause, ...] = (
    plain(
        "packing-without-length",
        r"When packing is enabled, `max_length` can't be `None`",
        "Packing fills rows of `max_length` tokens, and it is null",
        "",
        Fix("Pack to 1,024 tokens", {"max_length": 1024}),
    ),
    cause("unknown-choice", "|".join(f"(?:{re.sub(r'[(](?![?])', '(?:', one)})[^\\n]*" for one in _CHOICES), _choice),
    plain(
        "found-batch",
        r"auto_find_batch_size is not supported by",
        "The batch cannot be made smaller while it runs: it has to hold whole groups of answers",
        "Where memory ends, lower `per_device_train_batch_size` by hand.",
        Fix("Keep the batch as it is", {}, ("auto_find_batch_size",)),
    ),
    plain(
        "batch-said-twice",
        r"'generation_batch_size' and 'steps_per_generation' can not be both",
        "`generation_batch_size` and `steps_per_generation` say the same thing in two ways",
        "",
        Fix("Go by the batch size", {}, ("steps_per_generation",)),
    ),
    cause("no-reference", r"sync_ref_model=True`[^\n]*(?:beta=0\.0|PEFT model|precompute_ref_log_probs)", _reference),
    plain(
        "loss-weights",
        r"`loss_weights` must have the same length as `loss_type`[^\n]*Got (\d+) weights for (\d+)",
        "There are {0} loss weights for {1} losses",
        "TRL wants one each.",
        Fix("Weigh all the same", {}, ("loss_weights",)),
    ),
    plain(
        "exo-smoothing",
        r"Label smoothing must be greater than 0\.0 when using 'exo_pair'",
        "The loss exo_pair needs some label smoothing",
        "",
        Fix("Use 0.001", {"label_smoothing": 0.001}),
    ),
    plain(
        "divergence-of-loss",
        r"`f_divergence_type='([^']*)'` is only supported for",
        "The loss does not go with the divergence {0}",
        "",
        Fix("Use TRL's default", {}, ("f_divergence_type",)),
    ),
    plain(
        "weighting-of-loss",
        r"WPO-style weighting is not implemented for",
        "`use_weighting` does not go with the losses aot and aot_unpaired",
        "They sort the answers, so the weights would go to others.",
        Fix("Do not weigh", {}, ("use_weighting",)),
    ),
    plain(
        "kto-order",
        r"requires `train_sampling_strategy='sequential'`",
        "This loss of KTO takes the rows in their order",
        "It compares each with its neighbours.",
        Fix("Take them in order", {"train_sampling_strategy": "sequential"}),
    ),
    plain(
        "precompute-stream",
        r"`precompute_ref_log_probs=True` is not supported with IterableDataset",
        "The reference cannot be asked beforehand of data that is streamed",
        "",
        Fix("Ask it while training", {}, ("precompute_ref_log_probs",)),
    ),
    cause(
        "not-with-images",
        r"(?:Packing is not supported|Padding-free training is yet not supported|Assistant-only loss|"
        r"truncation_mode='keep_end' is not supported|`precompute_ref_log_probs=True` is not supported)"
        r" for vision[^\n]*",
        _seeing,
    ),
    plain("sees-nothing", r"dataset appears to be vision-related", "The model does not see images", _IMAGES),
    plain(
        "image-marks",
        r"Number of images provided \((\d+)\) does not match number of image placeholders \((\d+)\)",
        "A row has {0} images, and its messages have places for {1}",
        "Each image has a place of its own in the messages.",
    ),
    plain(
        "two-quantizations",
        r"can't use 8 bit and 4 bit precision at the same time",
        "A model is loaded in 4 bits or in 8, not in both",
        "",
        Fix("Load it in 4 bits", {}, ("load_in_8bit",)),
    ),
    plain(
        "adapter-on-head",
        r"Applying a PEFT adapter to `lm_head` is not supported"
        r"|cast_lm_head_to_fp32=True` is not supported when the lm_head carries",
        "An adapter on the head would not be trained",
        "This trainer reads the head's weights themselves.",
        Fix("Use all linear layers but the head", {"lora_target_modules": ["all-linear"]}),
    ),
    plain(
        "gpus-in-one-process",
        r"does not support `nn\.DataParallel`",
        "Several GPUs are visible to one process",
        "Choose `multi_gpu` for accelerate on the Compute tab, or make one GPU visible by CUDA_VISIBLE_DEVICES.",
    ),
    plain(
        "no-experts",
        r"`router_aux_loss_coef` is set to \S+ but (\S+) is not a Mixture-of-Experts",
        "The model has no experts to share the work between",
        "",
        Fix("Do without", {}, ("router_aux_loss_coef",)),
    ),
    plain(
        "beta-of-distillation",
        r"beta must be in \[0\.0, 1\.0\], got (\S+?)\.?$",
        "`beta` cannot be {0}: it goes from 0 to 1",
        "",
        Fix("Use TRL's default", {}, ("beta",)),
    ),
    plain(
        "no-teacher",
        r"A teacher model is required for distillation",
        "There is no teacher to learn from",
        "`teacher_model_name_or_path` names it, on the Method tab.",
    ),
    plain(
        "no-data",
        r"Either `datasets` or `dataset_name` must be provided",
        "The recipe names no dataset",
        "Choose one on the Data tab.",
    ),
    plain(
        "fraction-of-some",
        r"`fraction` must be set for either all datasets",
        "Some datasets of the mixture have a `fraction`, and some have none",
        "Give all of them one, or none.",
    ),
    plain(
        "fraction-of-stream",
        r"`fraction` is not supported with streaming",
        "A share cannot be taken of datasets that are streamed",
        "",
        Fix("Do not stream", {}, ("streaming",)),
    ),
    plain(
        "several-outputs",
        r"The model has `num_labels=(\d+)`, but reward models require",
        "The model gives {0} numbers, and a reward is one",
        "Take a model that was made for text generation, or a reward model with one output.",
    ),
    plain(
        "completions-unlogged",
        r"log_completions_hub_repo is set, but log_completions is False",
        "Completions are to be uploaded that are not kept",
        "",
        Fix("Keep them", {"log_completions": True}),
    ),
    plain(
        "clipping-by-vllm",
        r"vllm_importance_sampling_clip_m(?:in|ax)` or|vllm_importance_sampling_clip_min \(\S+\) must be less than",
        "The bounds of `vllm_importance_sampling_clip_min` and `_max` do not fit",
        "",
        Fix("Use TRL's default", {}, ("vllm_importance_sampling_clip_min", "vllm_importance_sampling_clip_max")),
    ),
    plain(
        "last-role",
        r"Invalid role in the last message: (\w+)",
        "A prompt ends with a message of the role {0}",
        "The last message of a prompt is the user's, a tool's or the beginning of an answer.",
    ),
)  # fmt: skip
