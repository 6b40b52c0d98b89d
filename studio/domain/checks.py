"""Checks of a recipe before it costs time: every Finding at once, mirroring what TRL refuses only after loading."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from studio.domain.arguments import Catalog
from studio.domain.findings import Finding, Fix, finding
from studio.domain.machine_checks import Surroundings, machine_findings
from studio.domain.methods import method_named
from studio.domain.mixture import mixture_findings, wrong_mixture
from studio.domain.overlay import bounds_problem, is_shown, overlay
from studio.domain.push_checks import push_findings
from studio.domain.recipe import Recipe
from studio.domain.schedule import lacking
from studio.domain.values import problem, read_value, same


def check(recipe: Recipe, catalog: Catalog, here: Surroundings | None = None) -> list[Finding]:
    """All that is wrong with a recipe, worst first. Says nothing of the data: that is `dataset_types`' part."""
    findings = [*_values(recipe, catalog), *_needed(recipe), *_combinations(recipe, catalog), *push_findings(recipe)]
    if here is not None:
        findings += machine_findings(recipe, here)
    rank = {"error": 0, "warning": 1, "note": 2}
    return sorted(findings, key=lambda finding: rank[finding.level])


def _values(recipe: Recipe, catalog: Catalog) -> Iterator[Finding]:
    arguments = catalog.of(recipe.method)
    for name, value in recipe.values.items():
        wrong = problem(arguments[name], value)
        if wrong and name == "datasets":
            yield wrong_mixture(value, wrong, arguments[name])
        elif wrong:
            fix = Fix("Use TRL's default", {}, (name,))
            if wrong.startswith("must be a list"):
                fix = Fix(f"Use the list [{str(value)[:60]}]", {name: [value]})
            yield finding("error", name, f"`{name}` {wrong}.", arguments[name].help, fix)
        elif (wrong := bounds_problem(name, recipe.method, value)) is not None:
            yield finding(
                "error", name, f"`{name}` {wrong}.", arguments[name].help, Fix("Use TRL's default", {}, (name,))
            )
        elif arguments[name].deprecation and not same(value, arguments[name].default):
            yield finding("note", name, f"`{name}` is deprecated.", arguments[name].deprecation)
    for name, value in recipe.launch.items():
        option = catalog.launch[name]
        wrong = None if value is None else problem(option, read_value(option, value))
        wrong = wrong or bounds_problem(name, recipe.method, value)
        if value is None:
            wrong = "is empty: accelerate would read the word None"
        elif "boolean" in option.types and same(value, False) and option.default is False:
            wrong = "cannot be false: accelerate reads any text as true; leave it out"
        if wrong:
            yield finding("error", name, f"`{name}` {wrong}.", option.help, Fix(f"Leave {name} out", {}, (name,)))


def _needed(recipe: Recipe) -> Iterator[Finding]:
    if not recipe.get("model_name_or_path"):
        yield finding("error", "model_name_or_path", "No model is chosen.", "A name on the Hub or a folder.")
    if not recipe.get("dataset_name") and not recipe.get("datasets"):
        yield finding("error", "dataset_name", "No dataset is chosen.", "A name on the Hub, a folder or a file.")
    elif recipe.get("dataset_name") and recipe.get("datasets"):
        yield finding(
            "warning",
            "dataset_name",
            "`dataset_name` is ignored, because `datasets` is set.",
            "TRL takes the mixture.",
            Fix("Leave dataset_name out", {}, ("dataset_name",)),
        )
    if recipe.get("max_steps") == 0:
        why = "transformers would make one step and call the run finished. -1 goes by epochs."
        yield finding(
            "error", "max_steps", "0 steps: nothing would be trained.", why, Fix("Go by epochs", {}, ("max_steps",))
        )
    if recipe.method == "distillation" and not recipe.get("teacher_model_name_or_path"):
        yield finding("error", "teacher_model_name_or_path", "No teacher is chosen.", "Distillation learns from one.")
    if recipe.method in ("grpo", "rloo"):
        functions = recipe.get("reward_funcs") or []
        models = [recipe.get("reward_model_name_or_path")] if recipe.get("reward_model_name_or_path") else []
        if not functions and not models:
            yield finding(
                "error",
                "reward_funcs",
                "Nothing scores the answers.",
                f"{recipe.method.upper()} reinforces what a reward function or a reward model scores high.",
            )
        weights = recipe.get("reward_weights")
        if isinstance(weights, list) and isinstance(functions, list) and len(weights) != len(functions) + len(models):
            count = len(functions) + len(models)
            yield finding(
                "error",
                "reward_weights",
                f"There are {len(weights)} reward weights for {count} rewards.",
                "TRL wants one each: the reward model first, then the functions.",
                Fix("Weigh all the same", {"reward_weights": [1.0] * count}),
            )


def _number(recipe: Recipe, catalog: Catalog, name: str) -> Any:
    argument = catalog.of(recipe.method).get(name)
    value = recipe.values.get(name, argument.effective_default if argument else None)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _precision(recipe: Recipe) -> Iterator[Finding]:
    get = recipe.get
    if get("bf16") is True and get("fp16") is True:
        fix = Fix("Use bf16 only", {"fp16": False})
        yield finding("error", "fp16", "bf16 and fp16 are both on.", "transformers takes one of them.", fix)
    if get("load_in_4bit") is True and get("load_in_8bit") is True:
        fix = Fix("Use 4-bit", {"load_in_8bit": False})
        yield finding("error", "load_in_8bit", "4-bit and 8-bit are both on.", "A model is loaded in one of them.", fix)
    if (get("load_in_4bit") is True or get("load_in_8bit") is True) and get("use_peft") is not True:
        yield finding(
            "error",
            "use_peft",
            "Quantized weights cannot be trained without LoRA.",
            "transformers refuses: only an adapter on top of them learns.",
            Fix("Train a LoRA adapter", {"use_peft": True}),
        )


def _of_the_method(recipe: Recipe, catalog: Catalog) -> Iterator[Finding]:
    get = recipe.get
    if (
        recipe.method == "sft"
        and get("padding_free") is True
        and get("packing") is not True
        and get("max_length", 1024) is not None
    ):
        yield finding(
            "error",
            "padding_free",
            "`padding_free` with `max_length` needs packing.",
            "TRL refuses it after the model is loaded.",
            Fix("Switch packing on", {"packing": True}),
        )
    yield from _packs_without_length(recipe)
    if recipe.method == "kto" and _number(recipe, catalog, "per_device_train_batch_size") == 1:
        yield finding(
            "error",
            "per_device_train_batch_size",
            "KTO needs at least 2 examples a device.",
            "It estimates the KL divergence from mismatched pairs within a batch.",
            Fix("Use 2", {"per_device_train_batch_size": 2}),
        )
    if recipe.method == "reward" and get("use_peft") is True and get("lora_task_type", "CAUSAL_LM") != "SEQ_CLS":
        yield finding(
            "warning",
            "lora_task_type",
            "A reward model's adapter is of task type SEQ_CLS.",
            "With another type the score head is not trained with it.",
            Fix("Use SEQ_CLS", {"lora_task_type": "SEQ_CLS"}),
        )


def _packs_without_length(recipe: Recipe) -> Iterator[Finding]:
    """SFT packs into sequences of `max_length`, what it trains on and, unless told otherwise, what it evaluates on."""
    get = recipe.get
    options = get("dataset_kwargs")
    prepared = isinstance(options, Mapping) and options.get("skip_prepare_dataset")
    if recipe.method != "sft" or get("max_length", 1024) is not None or prepared:
        return
    evaluates = get("eval_strategy", "no") not in ("no", None, False)
    name = "packing" if get("packing") is True else "eval_packing" if evaluates and get("eval_packing") is True else ""
    if name:
        fix = Fix("Use TRL's default", {}, ("max_length",))
        why = "It says how long the sequences become. TRL refuses it after the model is loaded."
        yield finding("error", "max_length", f"`{name}` needs a `max_length`.", why, fix)


def _combinations(recipe: Recipe, catalog: Catalog) -> Iterator[Finding]:
    """Combinations that TRL or transformers refuse, most of them only after the model is loaded."""
    get = recipe.get
    yield from _precision(recipe)
    yield from _of_the_method(recipe, catalog)
    yield from _best_model(recipe)
    yield from _schedule(recipe)
    yield from _without_effect(recipe, catalog)
    steps = _number(recipe, catalog, "max_steps")
    if (get("streaming") is True or get("dataset_streaming") is True) and steps is not None and steps < 1:
        yield finding(
            "error",
            "max_steps",
            "A streamed dataset needs a number of steps.",
            "It has no length, so epochs cannot be counted.",
            Fix("Train 1,000 steps", {"max_steps": 1000}),
        )
    if get("push_to_hub") is True and get("hub_token"):
        yield finding(
            "error",
            "hub_token",
            "A token stands in the recipe.",
            "Whoever gets the file gets the account; sign in with `hf auth login` instead.",
            Fix("Take it out", {}, ("hub_token",)),
        )
    yield from _generations(recipe, catalog)
    yield from mixture_findings(recipe)


def _best_model(recipe: Recipe) -> Iterator[Finding]:
    """Keeping the best model needs an evaluation to tell it by, and a checkpoint at each."""
    get = recipe.get
    if get("load_best_model_at_end") is True and get("eval_strategy", "no") == "no":
        fix = Fix("Evaluate and save every so many steps", {"eval_strategy": "steps", "save_strategy": "steps"})
        yield finding("error", "eval_strategy", "The best model is found by evaluating, which is off.", "", fix)
    elif get("load_best_model_at_end") is True and get("save_strategy", "steps") not in (get("eval_strategy"), "best"):
        yield finding(
            "error",
            "save_strategy",
            "The best model can only be kept where saving follows evaluation.",
            "transformers refuses other rhythms than the same for both.",
            Fix("Save as often as evaluated", {"save_strategy": get("eval_strategy")}, ("save_steps",)),
        )


def _schedule(recipe: Recipe) -> Iterator[Finding]:
    """Schedules that transformers refuses to make, after the model is loaded."""
    name, options = str(recipe.get("lr_scheduler_type", "linear")), recipe.get("lr_scheduler_kwargs") or {}
    example = lacking(name, options) if isinstance(options, Mapping) else None
    if example is not None:
        meant = {**options, **yaml.safe_load(example)}
        yield finding(
            "error",
            "lr_scheduler_kwargs",
            f"The schedule {name} needs `lr_scheduler_kwargs`.",
            f"It has to be told how far to fall, for instance {example}.",
            Fix(f"Use {example}", {"lr_scheduler_kwargs": meant}),
        )
    if name == "reduce_lr_on_plateau" and recipe.get("eval_strategy", "no") in ("no", None, False):
        fix = Fix("Evaluate every so many steps", {"eval_strategy": "steps"})
        why = "It lowers the rate where evaluation stops getting better; transformers refuses it without."
        yield finding("error", "eval_strategy", f"The schedule {name} needs evaluation.", why, fix)


def _without_effect(recipe: Recipe, catalog: Catalog) -> Iterator[Finding]:
    """Values of an opened recipe that mean nothing as its other values stand."""

    def in_effect(name: str) -> Any:
        argument = catalog.of(recipe.method).get(name) or catalog.launch.get(name)
        return recipe.get(name, argument.effective_default if argument else None)

    idle: dict[str, list[str]] = {}
    for name in (*recipe.values, *recipe.launch):
        record = overlay(name, recipe.method)
        if record and record.shown_when and not is_shown(name, recipe.method, in_effect):
            idle.setdefault(record.shown_when[0], []).append(name)
    for other, names in idle.items():
        said = ", ".join(f"`{name}`" for name in names)
        verb = "has" if len(names) == 1 else "have"
        fix = Fix("Leave out", {}, tuple(names))
        yield finding("note", names[0], f"{said} {verb} no effect.", f"As `{other}` stands.", fix)


def _generations(recipe: Recipe, catalog: Catalog) -> Iterator[Finding]:
    """GRPO and RLOO: the batch must hold whole groups (checked by TRL without saying which number would do)."""
    if recipe.method not in ("grpo", "rloo"):
        return
    size, steps = recipe.get("generation_batch_size"), recipe.get("steps_per_generation")
    if size is not None and steps is not None:
        fix = Fix("Go by generation_batch_size", {}, ("steps_per_generation",))
        why = "Each follows from the other; TRL refuses both."
        yield finding("error", "steps_per_generation", "`generation_batch_size` is set too.", why, fix)
        return
    steps_name = "gradient_accumulation_steps" if steps is None else "steps_per_generation"
    batch = _number(recipe, catalog, "per_device_train_batch_size")
    count = _number(recipe, catalog, steps_name)
    group = _number(recipe, catalog, "num_generations")
    # What is no positive whole number has its Finding already.
    if not all(isinstance(number, int) and number > 0 for number in (batch, count, group)):
        return
    if group < 2:
        label, needed = method_named(recipe.method).label, _whole_groups(batch, count, 8)
        fix = Fix("Use 8", {"num_generations": 8} | ({steps_name: needed} if needed != count and size is None else {}))
        why = "An answer is judged against the others of its group."
        yield finding("error", "num_generations", f"{label} needs at least 2 answers per prompt.", why, fix)
    elif size is None and batch * count % group:
        needed = _whole_groups(batch, count, group)
        what = "Accumulate" if steps is None else "Generate for"
        yield finding(
            "error",
            "num_generations",
            f"A batch of {batch} × {count} = {batch * count} holds no whole groups of {group} answers.",
            "TRL refuses it when it starts; it does not count the processes, for it has not launched them by then.",
            Fix(f"{what} {needed} batches", {steps_name: needed}),
        )
    elif isinstance(size, int) and size > 0:
        processes = _processes(recipe, catalog)
        unit = math.lcm(batch * processes, group)
        if size % unit:
            needed = math.ceil(size / unit) * unit
            yield finding(
                "error",
                "generation_batch_size",
                f"{size} answers at once are no whole batches of {batch} × {processes}, or no whole groups of {group}.",
                "TRL refuses it when it starts.",
                Fix(f"Use {needed}", {"generation_batch_size": needed}),
            )
    yield from _evaluated_groups(recipe, catalog, group)


def too_few_rows(recipe: Recipe, catalog: Catalog, rows: int | None) -> list[Finding]:
    """Methods that have whole batches answered: of fewer `rows` than the prompts of one, they train nothing.

    TRL counts no batches then, and stops with words about `max_steps`. Of a stream it does not know the rows.
    """
    streamed = recipe.get("streaming") is True or recipe.get("dataset_streaming") is True
    if recipe.method not in ("grpo", "rloo", "distillation") or not rows or streamed:
        return []
    grouped = recipe.method != "distillation"
    own = grouped and recipe.get("steps_per_generation") is not None
    steps_name = "steps_per_generation" if own else "gradient_accumulation_steps"
    batch = _number(recipe, catalog, "per_device_train_batch_size")
    count = _number(recipe, catalog, steps_name)
    group = _number(recipe, catalog, "num_generations") if grouped else 1
    size = recipe.get("generation_batch_size") if grouped else None
    # What is no positive whole number, or holds no whole groups, has its Finding already.
    if not all(isinstance(number, int) and number > 0 for number in (batch, count, group, size or 1)):
        return []
    processes = _processes(recipe, catalog)
    prompts, rest = divmod(size or batch * processes * count, group)
    if rest or rows >= prompts:
        return []
    what = f"{rows:,} {'rows are' if rows > 1 else 'row is'} less than one batch of {prompts:,} prompts."
    answers = f", {group} answers to each" if grouped else ""
    why = (
        f"{method_named(recipe.method).label} takes {prompts:,} prompts at a time{answers}, and leaves out what "
        f"fills no batch: nothing would be trained. Take {prompts:,} rows or more, or a smaller batch."
    )
    if size:
        unit = math.lcm(batch * processes, group)
        changes = {"generation_batch_size": rows * group // unit * unit} if rows * group >= unit else {}
    else:
        changes = _smaller(batch, count, group, rows * group // processes, steps_name)
    said = ", ".join(f"{name} {number}" for name, number in changes.items())
    fix = Fix(f"Use {said}", dict(changes)) if changes else None
    return [finding("error", next(iter(changes), "per_device_train_batch_size"), what, why, fix)]


def _smaller(batch: int, count: int, group: int, most: int, steps_name: str) -> dict[str, int]:
    """What makes batches of `most` answers at most, in whole groups; nothing where that cannot be."""
    for fewer in range(min(count, most // batch), 0, -1):
        if batch * fewer % group == 0:
            return {steps_name: fewer}
    fitting = min(batch, most) // group * group
    changes = {"per_device_train_batch_size": fitting, steps_name: 1}
    if count == 1:
        del changes[steps_name]
    return changes if fitting else {}


def _evaluated_groups(recipe: Recipe, catalog: Catalog, group: int) -> Iterator[Finding]:
    batch, own = _number(recipe, catalog, "per_device_eval_batch_size"), recipe.get("num_generations_eval")
    group = own if isinstance(own, int) and own > 0 else group
    if recipe.get("eval_strategy", "no") in ("no", None, False) or not isinstance(batch, int) or batch < 1:
        return
    if batch % group:
        needed = math.ceil(batch / group) * group
        yield finding(
            "error",
            "per_device_eval_batch_size",
            f"An evaluation batch of {batch} holds no whole groups of {group} answers.",
            "TRL refuses it when it starts.",
            Fix(f"Use {needed}", {"per_device_eval_batch_size": needed}),
        )


def _whole_groups(batch: int, count: int, group: int) -> int:
    """The smallest number of batches, `count` at least, that holds whole groups."""
    step = group // math.gcd(group, batch)
    return math.ceil(count / step) * step


def _processes(recipe: Recipe, catalog: Catalog) -> int:
    """How many processes the launch starts: as the recipe says, else its profile, else one."""
    given = recipe.launch.get("num_processes")
    if given is None:
        profile = catalog.profiles.get(str(recipe.launch.get("accelerate_config")), "")
        match = re.search(r"^num_processes: (\d+)$", profile, re.MULTILINE)
        given = int(match[1]) if match else 1
    return given if isinstance(given, int) and given > 0 else 1
