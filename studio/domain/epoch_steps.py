"""Updates in an epoch, as the samplers of transformers' and TRL's trainers make batches of the data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from studio.domain.arguments import Catalog
from studio.domain.recipe import Recipe, in_effect
from studio.domain.token_count import TokenCount

ANSWERING = ("grpo", "rloo")  # several answers to each prompt
# The options that decide, for whatever shows a number of updates and follows them.
OF_A_STEP = (
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "num_processes",
    "dataloader_drop_last",
    "num_generations",
    "num_iterations",
    "steps_per_generation",
    "generation_batch_size",
)


@dataclass(frozen=True)
class Batching:
    """How examples become updates: `each` a device and batch, `times` batches an update, on `processes` devices.

    Where answers are sampled, a prompt has `generations` of them, `per_generation` batches are sampled at once, and
    each is learnt from `iterations` times.
    """

    each: int
    times: int = 1
    processes: int = 1
    drop_last: bool = False
    generations: int = 1
    per_generation: int = 1
    iterations: int = 1


def batching_of(recipe: Recipe, catalog: Catalog) -> Batching | None:
    """How the recipe has it; None while one of the numbers is none, or they do not go together."""

    def number(name: str) -> int | None:
        return _whole(in_effect(recipe, catalog, name))

    each, times = number("per_device_train_batch_size"), number("gradient_accumulation_steps")
    processes = _whole(recipe.launch.get("num_processes", 1))
    if each is None or times is None or processes is None:
        return None
    drop_last = in_effect(recipe, catalog, "dataloader_drop_last") is True
    if recipe.method not in ANSWERING:
        return Batching(each, times, processes, drop_last)
    group, again = number("num_generations"), number("num_iterations")
    # TRL's config makes each of the other, so what is in effect without a recipe is not what is with it.
    size, steps = recipe.get("generation_batch_size"), recipe.get("steps_per_generation")
    if size is not None:
        whole = _whole(size)
        steps = whole // (each * processes) if whole and steps is None and whole % (each * processes) == 0 else 0
    sampled = times if steps is None else _whole(steps)
    if group is None or again is None or sampled is None or each * processes * sampled % group:
        return None
    return Batching(each, times, processes, drop_last, group, sampled, again)


def steps_per_epoch(method: str, sequences: int, how: Batching) -> int:
    """Updates in an epoch of `sequences` examples, or packed sequences; 0 where they make no batch: TRL stops then.

    What is left behind the last whole batch is one more, unless `drop_last`; where a model answers while it trains,
    prompts are taken in whole batches only.
    """
    if method in ANSWERING:
        prompts = how.each * how.processes * how.per_generation // how.generations
        batches = sequences // prompts * how.per_generation * how.iterations
    elif method == "distillation":
        batches = sequences // (how.each * how.processes * how.times) * how.times
    elif how.drop_last:
        batches = sequences // how.each // how.processes
    else:
        batches = math.ceil(math.ceil(sequences / how.each) / how.processes)
    return math.ceil(batches / how.times)


def epoch_of(recipe: Recipe, catalog: Catalog, rows: int | None, sequences: int | None) -> int | None:
    """Updates in an epoch of `rows` rows; None where that cannot be known before TRL has read them.

    `sequences` are what TRL makes of the rows, where their tokens have been counted: some are dropped, or packed.
    """
    how = batching_of(recipe, catalog)
    number = sequences if sequences is not None else None if recipe.get("packing") is True else rows
    return steps_per_epoch(recipe.method, number, how) or None if how and number else None


def steps_either_way(count: TokenCount, recipe: Recipe, catalog: Catalog) -> dict[bool, int]:
    """Updates in an epoch of what was counted, without packing (False) and with it (True), as far as they are known."""
    how, packs = batching_of(recipe, catalog), recipe.get("packing") is True
    if how is None:
        return {}
    numbers = {way: count.sequences(way) for way in ((False, True) if count.packed is not None else (packs,))}
    made = {way: steps_per_epoch(count.method, number, how) for way, number in numbers.items() if number}
    return {way: steps for way, steps in made.items() if steps}


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
