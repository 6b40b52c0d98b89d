"""Causes that lie in the recipe: unknown or unfit values, and combinations that TRL refuses."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import yaml

from studio.domain.evidence import Cause, Clue, cause, plain
from studio.domain.findings import Finding, Fix
from studio.domain.schedule import lacking


def _unknown(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    names = re.findall(r"--([\w-]+)", match[1])
    for name in dict.fromkeys(names or match[1].split()[:1]):
        near = clue.evidence.nearest(name)
        value = clue.evidence.recipe.unknown.get(name) if clue.evidence.recipe else None
        value = clue.evidence.value(name) if value is None else value
        fix = Fix(f"Leave {name} out", {}, (name,))
        if near and value is not None:
            fix = Fix(f"Use {near[0]}", {near[0]: value}, (name,))
        why = "It went to accelerate, which has no such option either."
        yield clue.finding(f"Neither TRL nor accelerate has an option {name}", why, fix)


def _bad_choice(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    name, value = match[1].strip("-").split("/")[-1].strip("-").replace("-", "_"), match[2]
    fix = Fix("Use TRL's default", {}, (name,))
    yield clue.finding(f"`{name}` cannot be {value}", "", fix)


def _bad_enum(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    kind = match[2]
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind).lower().removesuffix("_type") if kind else ""
    named = next((one for one in (f"{name}", f"{name}_type", f"lr_{name}", f"{name}_strategy", "lr_scheduler_type",
                                  "save_strategy", "eval_strategy", "logging_strategy", "optim", "hub_strategy")
                  if str(clue.evidence.value(one)).lower() == match[1].lower()), "")  # fmt: skip
    fix = Fix("Use TRL's default", {}, (named,)) if named else None
    if match[1] == "False" and named:
        fix = Fix('Write "no" with its quotes', {named: "no"})
    yield clue.finding(f"`{named or kind}` cannot be {match[1]}", "Unquoted, YAML reads no, off and yes as booleans."
                       if match[1] in ("False", "True") else "", fix)  # fmt: skip


def _precision(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    if re.search(r"tf32", match[0]):
        yield clue.finding("The device knows no TF32", "It came with Ampere.", Fix("Switch it off", {}, ("tf32",)))
    elif re.search(r"bf16|bfloat16", match[0], re.IGNORECASE):
        on_cpu = clue.evidence.value("use_cpu") is True or "/gpu" in match[0]
        fixed = {"bf16": False, "use_cpu": True} if on_cpu and not _has_gpu(clue) else {"bf16": False, "fp16": True}
        label = "Train on the CPU in 32 bits" if "use_cpu" in fixed else "Use float16"
        why = "TRL takes bfloat16 by itself. It needs a GPU of Ampere or later; older ones have float16, a CPU neither."
        yield clue.finding("The device has no bfloat16", why, Fix(label, fixed))
    else:
        fix = Fix("Do without", {"fp16": False})
        yield clue.finding("The device cannot train in float16", "A CPU trains in 32 bits here.", fix)


def _has_gpu(clue: Clue) -> bool:
    """Whether the log speaks of a GPU that is there, only too old."""
    return re.search(r"(Tesla|V100|T4|P100|GeForce|\bcuda:\d|NVIDIA \w+ has)", clue.evidence.log) is not None


def _groups(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    """The generation batch holds no whole groups of answers."""
    known = clue.evidence
    group = known.number("num_generations") or 8
    if "eval" in match[0]:
        group = known.number("num_generations_eval") or group
        batch = known.number("per_device_eval_batch_size") or 8
        needed = math.ceil(batch / group) * group
        fix = Fix(f"Use {needed}", {"per_device_eval_batch_size": needed})
        yield clue.finding(f"An evaluation batch holds no whole groups of {group} answers", "", fix)
        return
    batch, steps = known.number("per_device_train_batch_size") or 8, known.number("gradient_accumulation_steps") or 1
    size = known.recipe.get("generation_batch_size") if known.recipe else None
    if isinstance(size, int):
        unit = math.lcm(batch, group)
        needed = math.ceil(size / unit) * unit
        fix = Fix(f"Use {needed}", {"generation_batch_size": needed})
    else:
        needed = next(count for count in range(steps, steps * group + group + 1) if batch * count % group == 0)
        name = "steps_per_generation" if known.recipe and known.recipe.get("steps_per_generation") else ""
        name = name or "gradient_accumulation_steps"
        fix = Fix(f"Accumulate {needed} batches", {name: needed})
    why = "Answers to a prompt are judged against each other, so batch × accumulation has to hold whole groups of them."
    yield clue.finding(f"A batch holds no whole groups of {group} answers", why, fix)


def _weights(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    fix = Fix("Weigh all the same", {}, ("reward_weights",))
    yield clue.finding(f"There are {match[1]} reward weights for {match[2]} rewards", "TRL wants one each.", fix)


def _evaluation(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    known = clue.evidence
    steps = known.number("eval_steps")
    if "requires the save and eval strategy to match" in match[0]:
        if known.value("eval_strategy") in ("no", None, False):
            fix = Fix("Do not look for the best model", {}, ("load_best_model_at_end",))
            yield clue.finding("The best model is found by evaluating, which is off", "", fix)
            return
        fix = Fix("Save as often as evaluated", {"save_strategy": known.value("eval_strategy")}, ("save_steps",))
        if steps and known.value("eval_strategy") == "steps":
            fix = Fix("Save as often as evaluated", {"save_strategy": "steps", "save_steps": steps})
    else:
        fix = Fix("Save as often as evaluated", {"save_steps": known.value("eval_steps")})
    why = "The best model can only be kept where there is a checkpoint of each evaluation."
    yield clue.finding("Saving does not follow evaluation", why, fix)


def _schedule(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    example = lacking(str(clue.evidence.value("lr_scheduler_type")), {})
    fix = Fix("Use the schedule cosine", {"lr_scheduler_type": "cosine"})
    if example is not None:
        fix = Fix(f"Use {example}", {"lr_scheduler_kwargs": yaml.safe_load(example)})
    yield clue.finding("The schedule lacks what it has to be told", "`lr_scheduler_kwargs` says how far to fall.", fix)


def _resume_missing(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    fix = Fix("Start from the beginning", {}, ("resume_from_checkpoint",))
    place = clue.evidence.value("resume_from_checkpoint") or match[match.lastindex or 0]
    yield clue.finding(f"There is no checkpoint at {place}", "A folder checkpoint-... of a run that saved one.", fix)


def _resume_other(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    resumed = clue.evidence.value("resume_from_checkpoint")
    if resumed:
        fix = Fix("Start from the beginning", {}, ("resume_from_checkpoint",))
        why = "The model, or the adapter's rank and modules, have to be those that the checkpoint was made with."
        yield clue.finding("The checkpoint is of another model or adapter", why, fix)
    else:
        yield clue.finding("The weights do not fit the model's config", "The model's folder is put together wrongly.")


def _reward_count(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    why = f"It gave {match[2]} for {match[3]} answers. A list with a number for each is wanted: try it on its card."
    yield clue.finding(f"The reward function {match[1]} does not score every answer", why)


def _reward_raises(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    raised = clue.raised
    if raised is None or not raised.own or not clue.during("_calculate_rewards"):
        return
    path, _, line = raised.own.rpartition(":")
    place = f"line {line} of {path.rpartition('/')[2]}"
    why = f"It happened in {place}. The rewards are tried, and their code edited, on their card before a run."
    yield clue.finding("The reward function raised an error", why)


def _own_code(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    place = clue.raised.place if clue.raised else ""
    if "site-packages" not in place and place:
        path, _, line = place.rpartition(":")
        why = "Reward functions are written and tried on their card, before a run."
        yield clue.finding(f"{path.rpartition('/')[2]} is no valid Python at line {line}", why)


def _own_name(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    why = "One of TRL's own, or a function's path: `rewards.score` for the function `score` in rewards.py."
    yield clue.finding(f"There is no reward function {match[1] or match[2]}", why)


_NO_TEST = Fix("Train without evaluation", {}, ("eval_strategy", "eval_steps", "load_best_model_at_end"))

# Whatever a reward function raises looks like an error of something else.
REWARDS: tuple[Cause, ...] = (
    cause("reward-raises", r"^.", _reward_raises),
    cause("reward-code", r"^(?:SyntaxError|IndentationError|TabError)", _own_code),
)

VALUES: tuple[Cause, ...] = (
    cause("unknown-argument", r"unrecognized arguments: (.+)", _unknown, anywhere=True),
    cause(
        "bad-choice",
        r"error: argument (\S+): invalid (?:\w+ )?(?:choice|value): '?([^'\s(]+)'?",
        _bad_choice,
        anywhere=True,
    ),
    plain(
        "bad-yaml",
        r"^yaml\.(?:\w+\.)*(?:Scanner|Parser|Composer|Constructor)Error|must contain a YAML mapping",
        "recipe.yaml is no valid YAML",
        "Check the indentation and the quotes near the line that is named.",
    ),
    cause("bad-value", r"ValueError: '?([^'\n]+?)'? is not a valid (\w+), please select", _bad_enum),
    cause("bad-value-of-type", r"ValueError: '?([^'\n]+?)'? is not a valid (\w+)", _bad_enum),
    cause(
        "generation-groups",
        r"must be divisible by (?:the number of generations|num_generations|the global batch)"
        r"|global eval batch size",
        _groups,
    ),
    plain(
        "one-generation",
        r"requires at least 2 generations per prompt",
        "One answer to a prompt has nothing to be judged against",
        "",
        Fix("Use 8", {"num_generations": 8}),
    ),
    plain(
        "kto-batch",
        r"batch size must be > 1\. KTO",
        "KTO needs at least 2 examples a device",
        "It compares within the batch.",
        Fix("Use 2", {"per_device_train_batch_size": 2}),
    ),
    cause(
        "reward-weights",
        r"Number of reward weights \((\d+)\) must match number of reward functions \((\d+)\)",
        _weights,
    ),
    cause("reward-count", r"reward function '([^']+)' returned (\d+) rewards, but (\d+)", _reward_count),
    plain(
        "no-reward",
        r"No reward source provided|`?reward_funcs`? (is|are) required",
        "Nothing scores the answers",
        "Choose a reward on the Method tab, or a reward model.",
    ),
    cause(
        "no-reward-function",
        r"Could not load reward function '([^']+)'|module '[^']+' has no attribute '([^']+)'",
        _own_name,
    ),
    cause("save-and-evaluate", r"load_best_model_at_end requires the sav.*", _evaluation),
    plain(
        "no-evaluation-data",
        r"you didn't pass an `eval_dataset`|evaluation requires an eval_dataset",
        "There is nothing to evaluate on",
        "`eval_strategy` is on, and the data has no split for it.",
        _NO_TEST,
    ),
    plain(
        "plateau",
        r"(?:reduce_lr_on_plateau|greedy) requires an eval strategy",
        "The schedule needs evaluation",
        "",
        Fix("Evaluate every so many steps", {"eval_strategy": "steps"}),
    ),
    cause(
        "schedule",
        r"(?:min_lr|min_lr_rate|num_decay_steps|decay_type)[^\n]* (?:should|must) be|One of min_lr"
        r"|get_\w*schedule\w*\(\) missing",
        _schedule,
    ),
    cause(
        "precision",
        r"doesn't support bf16[^\n]*|bf16[^\n]*(?:not supported|requires)[^\n]*|fp16 [^\n]*(?:not supported|"
        r"requires)[^\n]*|--tf32 requires[^\n]*|fp16 mixed precision requires[^\n]*"
        r"|BFloat16 is not supported[^\n]*",
        _precision,
    ),
    plain(
        "quantized-without-adapter",
        r"cannot perform fine-tuning on purely quantized models",
        "Quantized weights cannot be trained by themselves",
        "",
        Fix("Train a LoRA adapter", {"use_peft": True}),
    ),
    plain(
        "quantized-without-gpu",
        r"No GPU found\. A GPU is needed for quantization|bitsandbytes.*(requires|needs).* GPU"
        r"|None of the available devices `available_devices",
        "4-bit and 8-bit weights need a GPU",
        "",
        Fix("Load the model as it is", {}, ("load_in_4bit", "load_in_8bit")),
    ),
    cause(
        "resume-missing",
        r"Can't find a valid checkpoint at (\S+)|No valid checkpoint found in output directory \((\S+)\)"
        r"|No such file or directory: '([^']*checkpoint-\d+[^']*)'",
        _resume_missing,
    ),
    cause(
        "resume-other",
        r"size mismatch for|Missing key\(s\) in state_dict|doesn't match the size of parameter group"
        r"|parameter group that doesn't match|loaded state dict",
        _resume_other,
    ),
    plain(
        "remote-code",
        r"contains custom code which must be executed|trust_remote_code=True",
        "The model comes with its own code, which is not run unasked",
        "Read the code in its repository first: it runs with your rights.",
        Fix("Trust the model's code", {"trust_remote_code": True}),
    ),
    plain(
        "unknown-architecture",
        r"model type `([^`]+)` but Transformers does not recognize this architecture",
        "The installed transformers does not know models of the kind {0}",
        "Upgrade it: `pip install --upgrade transformers`; the model's page says from which version on.",
    ),
    plain(
        "lora-targets",
        r"Target modules [^\n]* not found in the base model|No modules were targeted",
        "The model has no layers of the names that the adapter is to sit on",
        "",
        Fix("Use all linear layers", {"lora_target_modules": ["all-linear"]}),
    ),
    plain(
        "special-token",
        r"specified `(eos_token|pad_token)` \('([^']+)'\) is not found",
        "The tokenizer has no token {1}",
        "`{0}` has to be one of the model's own tokens.",
    ),
    plain(
        "padding-free",
        r"`padding_free=True` without packing",
        "`padding_free` with `max_length` needs packing",
        "",
        Fix("Switch packing on", {"packing": True}),
    ),
    plain(
        "teacher-vocabulary",
        r"student model has vocab_size|requires a shared vocabulary",
        "Teacher and student do not share a vocabulary",
        "Take a teacher of the same family.",
    ),
    plain(
        "no-weights",
        r"no file named [^\n]*(?:model\.safetensors|pytorch_model\.bin)",
        "The model's folder holds no weights",
        "A model's folder has a model.safetensors; an adapter's has not.",
    ),
    plain(
        "broken-weights",
        r"SafetensorError: Error while deserializing|incomplete metadata|HeaderTooLarge|MetadataIncomplete",
        "The model's weights are cut off",
        "A download or a copy was not finished: delete the file, and load it again.",
    ),
    plain(
        "no-tokenizer",
        r"Couldn't instantiate the backend tokenizer|Can't load tokenizer|Unable to load vocabulary",
        "The model's folder holds no tokenizer",
        "Copy the tokenizer's files of the base model into it.",
    ),
)
