"""Every check of a recipe: what it says, that its fix cures it, and that TRL agrees where TRL can be asked cheaply."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.domain.arguments import Catalog
from studio.domain.checks import Surroundings, check, too_few_rows
from studio.domain.completion import complete
from studio.domain.findings import Finding
from studio.domain.methods import METHOD_NAMES
from studio.domain.recipe import Recipe
from studio.domain.recipe_yaml import read_yaml, write_yaml
from tests import trl_oracle

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*:DeprecationWarning", "ignore:.*:FutureWarning", "ignore::UserWarning"
)

COMPLETE: dict[str, dict[str, Any]] = {
    "grpo": {"reward_funcs": ["think_format_reward"]},
    "rloo": {"reward_funcs": ["think_format_reward"]},
    "distillation": {"teacher_model_name_or_path": "a/teacher"},
}
GPUS = Surroundings(2, lambda package: True, lambda value: None, (0, 1))
CPU = Surroundings(0, lambda package: True, lambda value: None)
BARE = Surroundings(2, lambda package: False, lambda value: None, (0, 1))


def recipe(catalog: Catalog, method: str, values: dict[str, Any], launch: dict[str, Any] | None = None) -> Recipe:
    """A recipe that is complete but for what the test is about."""
    whole = {"model_name_or_path": "a/model", "dataset_name": "a/data", **COMPLETE.get(method, {}), **values}
    return Recipe(method, values={k: v for k, v in whole.items() if v != "absent"}, launch=launch or {})


def about(findings: list[Finding], name: str) -> list[Finding]:
    return [finding for finding in findings if finding.where.name == name]


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_a_complete_recipe_has_no_findings(catalog: Catalog, method: str) -> None:
    for here in (None, GPUS, CPU, BARE):
        assert check(recipe(catalog, method, {}), catalog, here) == []


# Method, values, launch options, surroundings; the argument and level of the Finding, words of it, and whether it
# comes with a fix.
CASES: list[tuple[str, dict[str, Any], dict[str, Any], Surroundings | None, str, str, str, bool]] = [
    ("sft", {"learning_rate": "ten"}, {}, None, "learning_rate", "error", "must be a number", True),
    ("sft", {"max_steps": 1.5}, {}, None, "max_steps", "error", "a whole number", True),
    ("sft", {"seed": None}, {}, None, "seed", "error", "may not be empty", True),
    ("sft", {"packing": 1}, {}, None, "packing", "error", "true or false", True),
    ("sft", {"learning_rate": math.nan}, {}, None, "learning_rate", "error", "not nan", True),
    ("sft", {"log_level": "bogus"}, {}, None, "log_level", "error", "must be one of", True),
    ("sft", {"save_strategy": False}, {}, None, "save_strategy", "error", "must be one of", True),
    ("sft", {"model_init_kwargs": "{"}, {}, None, "model_init_kwargs", "error", "is no JSON", True),
    ("sft", {"learning_rate": -1.0}, {}, None, "learning_rate", "error", "above 0", True),
    ("sft", {"num_train_epochs": 0}, {}, None, "num_train_epochs", "error", "above 0", True),
    ("sft", {"per_device_train_batch_size": 0}, {}, None, "per_device_train_batch_size", "error", "at least 1", True),
    ("grpo", {"top_p": 1.5}, {}, None, "top_p", "error", "at most 1", True),
    ("distillation", {"beta": 1.5}, {}, None, "beta", "error", "at most 1", True),
    ("grpo", {"reward_funcs": "accuracy_reward"}, {}, None, "reward_funcs", "error", "[accuracy_reward]", True),
    ("sft", {"pad_token": "<pad>"}, {}, None, "pad_token", "note", "is deprecated", False),
    ("sft", {"datasets": [{"name": "x"}], "dataset_name": "absent"}, {}, None, "datasets", "error", "`path`", False),
    ("sft", {"datasets": [{"path": "a", "rows": 3}], "dataset_name": "absent"}, {}, None, "datasets", "error",
     "no key 'rows'", True),
    ("sft", {"datasets": [{"path": "json", "data_files": 5}], "dataset_name": "absent"}, {}, None, "datasets", "error",
     "as `data_files`", True),
    ("sft", {"datasets": [{"path": "a", "fraction": True}], "dataset_name": "absent"}, {}, None, "datasets", "error",
     "takes a number as `fraction`", True),
    ("sft", {"datasets": ["a/b"], "dataset_name": "absent"}, {}, None, "datasets", "error", "entry 1", True),
    ("sft", {}, {"num_processes": "many"}, None, "num_processes", "error", "a whole number", True),
    ("sft", {}, {"num_processes": 0}, None, "num_processes", "error", "at least 1", True),
    ("sft", {}, {"mixed_precision": "half"}, None, "mixed_precision", "error", "must be one of", True),
    ("sft", {}, {"num_processes": None}, None, "num_processes", "error", "is empty", True),
    ("sft", {"model_name_or_path": "absent"}, {}, None, "model_name_or_path", "error", "No model", False),
    ("sft", {"dataset_name": "absent"}, {}, None, "dataset_name", "error", "No dataset", False),
    ("sft", {"datasets": [{"path": "a"}]}, {}, None, "dataset_name", "warning", "is ignored", True),
    ("distillation", {"teacher_model_name_or_path": "absent"}, {}, None, "teacher_model_name_or_path", "error",
     "No teacher", False),
    ("grpo", {"reward_funcs": "absent"}, {}, None, "reward_funcs", "error", "Nothing scores", False),
    ("rloo", {"reward_funcs": []}, {}, None, "reward_funcs", "error", "Nothing scores", False),
    ("grpo", {"reward_weights": [1.0, 0.5]}, {}, None, "reward_weights", "error", "2 reward weights for 1", True),
    ("rloo", {"reward_weights": [1.0], "reward_model_name_or_path": "a/reward"}, {}, None, "reward_weights", "error",
     "1 reward weights for 2", True),
    ("sft", {"bf16": True, "fp16": True}, {}, None, "fp16", "error", "both on", True),
    ("sft", {"load_in_4bit": True, "load_in_8bit": True, "use_peft": True}, {}, None, "load_in_8bit", "error",
     "both on", True),
    ("sft", {"load_in_4bit": True}, {}, None, "use_peft", "error", "without LoRA", True),
    ("dpo", {"load_in_8bit": True}, {}, None, "use_peft", "error", "without LoRA", True),
    ("sft", {"padding_free": True}, {}, None, "padding_free", "error", "needs packing", True),
    ("sft", {"packing": True, "max_length": None}, {}, None, "max_length", "error", "`packing` needs", True),
    ("sft", {"packing": True, "eval_packing": False, "max_length": None}, {}, None, "max_length", "error",
     "`packing` needs", True),
    ("sft", {"eval_packing": True, "eval_strategy": "epoch", "max_length": None}, {}, None, "max_length", "error",
     "`eval_packing` needs", True),
    ("kto", {"per_device_train_batch_size": 1}, {}, None, "per_device_train_batch_size", "error", "at least 2", True),
    ("reward", {"use_peft": True}, {}, None, "lora_task_type", "warning", "SEQ_CLS", True),
    ("sft", {"load_best_model_at_end": True}, {}, None, "eval_strategy", "error", "which is off", True),
    ("sft", {"load_best_model_at_end": True, "eval_strategy": "epoch"}, {}, None, "save_strategy", "error",
     "follows evaluation", True),
    ("sft", {"streaming": True}, {}, None, "max_steps", "error", "number of steps", True),
    ("sft", {"dataset_streaming": True}, {}, None, "max_steps", "error", "number of steps", True),
    ("sft", {"push_to_hub": True, "hub_token": "hf_x"}, {}, None, "hub_token", "error", "token", True),
    ("grpo", {"num_generations": 1}, {}, None, "num_generations", "error", "at least 2", True),
    ("grpo", {"num_generations": 1, "per_device_train_batch_size": 3}, {}, None, "num_generations", "error",
     "at least 2", True),
    ("grpo", {"num_generations": 1, "per_device_train_batch_size": 3, "steps_per_generation": 3}, {}, None,
     "num_generations", "error", "at least 2", True),
    ("grpo", {"per_device_train_batch_size": 3}, {}, None, "num_generations", "error", "3 × 1 = 3", True),
    ("rloo", {"per_device_train_batch_size": 3, "steps_per_generation": 3}, {}, None, "num_generations", "error",
     "3 × 3 = 9", True),
    ("grpo", {"generation_batch_size": 12}, {}, None, "generation_batch_size", "error", "12 answers", True),
    ("grpo", {"generation_batch_size": 8}, {"num_processes": 4}, None, "generation_batch_size", "error", "8 × 4", True),
    ("grpo", {"generation_batch_size": 8}, {"accelerate_config": "zero2"}, None, "generation_batch_size", "error",
     "8 × 8", True),
    ("grpo", {"generation_batch_size": 8, "steps_per_generation": 1}, {}, None, "steps_per_generation", "error",
     "is set too", True),
    ("grpo", {"eval_strategy": "steps", "per_device_eval_batch_size": 3}, {}, None, "per_device_eval_batch_size",
     "error", "groups of 8", True),
    ("grpo", {"eval_strategy": "steps", "num_generations_eval": 3}, {}, None, "per_device_eval_batch_size", "error",
     "groups of 3", True),
    ("sft", {"datasets": [{"path": "a", "fraction": 0.5}, {"path": "b"}], "dataset_name": "absent"}, {}, None,
     "datasets", "error", "`fraction`", True),
    ("sft", {"datasets": [{"path": "a"}], "dataset_name": "absent", "eval_strategy": "steps"}, {}, None,
     "test_split_size", "error", "no evaluation split", True),
    ("sft", {"load_in_4bit": True, "use_peft": True}, {}, BARE, "load_in_4bit", "error", "bitsandbytes", True),
    ("sft", {"load_in_8bit": True, "use_peft": True}, {}, BARE, "load_in_8bit", "error", "bitsandbytes", True),
    ("grpo", {"use_vllm": True}, {}, BARE, "use_vllm", "error", "vllm", True),
    ("sft", {"use_liger_kernel": True}, {}, BARE, "use_liger_kernel", "error", "liger_kernel", True),
    ("sft", {}, {"accelerate_config": "zero3"}, BARE, "accelerate_config", "error", "deepspeed", True),
    ("grpo", {"reward_funcs": ["accuracy_reward"]}, {}, BARE, "reward_funcs", "error", "math-verify", False),
    *[("grpo", {name: True, "use_peft": True}, {}, CPU, name, "error", "has none", True)
      for name in ("load_in_4bit", "load_in_8bit", "use_vllm", "tf32", "fp16")],
    ("sft", {}, {"num_processes": 4}, GPUS, "num_processes", "error", "4 processes for 2 GPUs", True),
    ("sft", {}, {"gpu_ids": "0,7"}, GPUS, "gpu_ids", "error", "no GPU 7", True),
    ("sft", {}, {"gpu_ids": "first"}, GPUS, "gpu_ids", "error", "no GPU first", True),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[4]}-{case[6]}".replace(" ", "-"))
def test_each_finding_and_its_fix(catalog: Catalog, case: tuple[Any, ...]) -> None:
    method, values, launch, here, name, level, words, fixable = case
    given_recipe = recipe(catalog, method, values, launch)
    found = [finding for finding in about(check(given_recipe, catalog, here), name) if finding.level == level]
    assert len(found) == 1
    assert words in found[0].message
    assert found[0].message.endswith(".")
    assert (found[0].fix is not None) == fixable
    if found[0].fix is None:
        return
    fix = found[0].fix
    cured = given_recipe.with_changes(catalog, fix.set, fix.unset)
    assert cured.unknown == {}
    assert about(check(cured, catalog, here), name) == []
    # The cure brings no other illness, and takes no dataset away.
    before = {finding.message for finding in check(given_recipe, catalog, here)}
    new = [f for f in check(cured, catalog, here) if f.level == "error" and f.message not in before]
    assert new == []


def test_what_is_fine_is_not_complained_about(catalog: Catalog) -> None:
    fine: list[tuple[str, dict[str, Any], dict[str, Any], Surroundings | None]] = [
        ("sft", {"padding_free": True, "max_length": None}, {}, None),
        ("sft", {"padding_free": True, "packing": True}, {}, None),
        ("sft", {"eval_packing": True, "max_length": None}, {}, None),
        ("sft", {"packing": True, "max_length": None, "dataset_kwargs": {"skip_prepare_dataset": True}}, {}, None),
        ("dpo", {"padding_free": True}, {}, None),  # TRL says so and pads
        ("kto", {"per_device_train_batch_size": 2}, {}, None),
        ("reward", {"use_peft": True, "lora_task_type": "SEQ_CLS"}, {}, None),
        ("sft", {"load_best_model_at_end": True, "eval_strategy": "epoch", "save_strategy": "best"}, {}, None),
        ("sft", {"dataset_streaming": True, "max_steps": 5}, {}, None),
        ("grpo", {"generation_batch_size": 16, "num_generations": 4}, {}, None),
        ("grpo", {"generation_batch_size": 64}, {"accelerate_config": "zero2"}, None),
        ("grpo", {"reward_weights": [1.0, 2.0], "reward_model_name_or_path": "a/reward"}, {}, None),
        ("sft", {"datasets": [{"path": "a"}], "dataset_name": "absent", "test_split_size": 0.1,
                 "eval_strategy": "steps"}, {}, None),
        ("sft", {}, {"gpu_ids": "0,1"}, GPUS),
        ("sft", {}, {"gpu_ids": "all"}, GPUS),
        ("sft", {}, {"num_processes": 16, "num_machines": 8}, GPUS),
        ("sft", {}, {"accelerate_config": "zero3"}, GPUS),
        ("sft", {"fp16": True}, {}, GPUS),
    ]  # fmt: skip
    for method, values, launch, here in fine:
        assert check(recipe(catalog, method, values, launch), catalog, here) == [], (method, values)


def test_worst_first(catalog: Catalog) -> None:
    values = {"pad_token": "x", "datasets": [{"path": "a"}], "learning_rate": "ten"}
    levels = [finding.level for finding in check(recipe(catalog, "sft", values), catalog)]
    assert levels == ["error", "warning", "note"]


def test_a_path_that_leads_nowhere(catalog: Catalog) -> None:
    here = Surroundings(1, lambda package: True, lambda value: "there is no folder." if value == "./x" else None, (0,))
    for name in ("model_name_or_path", "chat_template_path"):
        found = check(recipe(catalog, "sft", {name: "./x"}), catalog, here)
        assert [(f.level, f.where.name) for f in found] == [("error", name)]
        assert "there is no folder" in found[0].message


# Asking TRL --------------------------------------------------------------------------------------------------------


def refused(tmp_path: Path, catalog: Catalog, wanted: Recipe) -> str:
    """TRL's own words against the recipe's YAML, as `trl <method>` would say them; empty where it takes it."""
    path = tmp_path / "recipe.yaml"
    values = {**wanted.values, "use_cpu": True, "bf16": False}
    path.write_text(write_yaml(Recipe(wanted.method, values=values), catalog), encoding="utf-8")
    try:
        trl_oracle.parse(wanted.method, ["--config", str(path)], validate=True)
    except ValueError as error:
        return str(error) or "refused"
    return ""


@pytest.mark.parametrize("method", ["grpo", "rloo"])
@pytest.mark.parametrize("steps_name", ["gradient_accumulation_steps", "steps_per_generation"])
def test_groups_as_trl_counts_them(catalog: Catalog, tmp_path: Path, method: str, steps_name: str) -> None:
    """Over a grid: an error if and only if TRL refuses, and the number proposed is the smallest that TRL takes."""
    wrong = 0
    for batch, count, group in itertools.product((1, 2, 3, 4, 6), (1, 2, 3), (1, 2, 3, 4, 6, 8)):
        values = {"per_device_train_batch_size": batch, steps_name: count, "num_generations": group}
        given_recipe = recipe(catalog, method, values)
        found = check(given_recipe, catalog)
        said = refused(tmp_path, catalog, given_recipe)
        assert bool(found) == bool(said), (values, found, said)
        if found:
            wrong += 1
            fix = found[0].fix
            assert fix is not None
            cured = given_recipe.with_changes(catalog, fix.set, fix.unset, pin=True)
            assert refused(tmp_path, catalog, cured) == "", (values, fix)
            if group > 1:
                smallest = next(n for n in itertools.count(count) if batch * n % group == 0)
                assert fix.set == {steps_name: smallest}
    assert wrong > 20


@pytest.mark.parametrize("method", ["grpo", "rloo"])
def test_generation_batches_as_trl_counts_them(catalog: Catalog, tmp_path: Path, method: str) -> None:
    wrong = 0
    for batch, size, group, evaluated in itertools.product((2, 3), (2, 6, 8, 12), (2, 4), (None, 3, 4)):
        values: dict[str, Any] = {"per_device_train_batch_size": batch, "num_generations": group}
        values["generation_batch_size"] = size
        if evaluated:
            values |= {"eval_strategy": "steps", "per_device_eval_batch_size": evaluated}
        given_recipe = recipe(catalog, method, values)
        found = check(given_recipe, catalog)
        assert bool(found) == bool(refused(tmp_path, catalog, given_recipe)), (values, found)
        wrong += bool(found)
        for each in found:
            assert each.fix is not None
            given_recipe = given_recipe.with_changes(catalog, each.fix.set, each.fix.unset, pin=True)
        assert refused(tmp_path, catalog, given_recipe) == "", (values, found)
    assert wrong > 10


@pytest.mark.parametrize("method", ["grpo", "rloo", "distillation"])
def test_rows_that_fill_no_batch(catalog: Catalog, tmp_path: Path, method: str) -> None:
    """An error if and only if TRL's own sampler hands out nothing, and with the fix it does."""
    from trl.trainer.utils import RepeatSampler

    def handed_out(wanted: Recipe, rows: int, processes: int) -> int:
        def get(name: str) -> Any:
            return wanted.get(name) or catalog.of(method)[name].effective_default

        steps = wanted.get("steps_per_generation") or get("gradient_accumulation_steps")
        group = 1 if method == "distillation" else get("num_generations")
        answers = wanted.get("generation_batch_size") or get("per_device_train_batch_size") * processes * steps
        return len(RepeatSampler(range(rows), mini_repeat_count=group, batch_size=answers // group))

    few = 0
    ways = ["gradient_accumulation_steps", "steps_per_generation", "generation_batch_size"]
    cases = itertools.product((2, 8), (1, 3, 4), (2, 4, 8), (1, 2), (1, 3, 7, 20), ways[: 1 if method[0] == "d" else 3])
    for batch, count, group, processes, rows, way in cases:
        given_values = {"per_device_train_batch_size": batch, way: count * (16 if way == ways[2] else 1)}
        given_values |= {"num_generations": group} if method != "distillation" else {}
        wanted = recipe(catalog, method, given_values, {"num_processes": processes})
        if check(wanted, catalog):
            continue
        found = too_few_rows(wanted, catalog, rows)
        assert bool(found) == (handed_out(wanted, rows, processes) == 0), (given_values, processes, rows)
        few += bool(found)
        if found and found[0].fix:
            cured = wanted.with_changes(catalog, found[0].fix.set, found[0].fix.unset, pin=True)
            assert check(cured, catalog) == too_few_rows(cured, catalog, rows) == [], (given_values, found)
            assert handed_out(cured, rows, processes) > 0
        assert processes > 1 or not found or found[0].fix or way == ways[2] or batch < group, (given_values, rows)
    assert few > 5
    default = recipe(catalog, method, {})
    assert too_few_rows(default, catalog, None) == too_few_rows(default, catalog, 8) == []


def test_errors_that_trl_shares(catalog: Catalog, tmp_path: Path) -> None:
    """What TRL's config classes refuse is an error here, and what the fix makes of it they take."""
    shared: list[tuple[str, dict[str, Any]]] = [
        ("sft", {"load_in_4bit": True, "load_in_8bit": True, "use_peft": True}),
        ("sft", {"load_best_model_at_end": True}),
        ("dpo", {"load_best_model_at_end": True, "eval_strategy": "epoch"}),
        ("distillation", {"beta": 1.5}),
        ("grpo", {"generation_batch_size": 8, "steps_per_generation": 1}),
        ("sft", {"warmup_steps": -1}),
        ("sft", {"log_level": "bogus"}),
        ("sft", {"logging_steps": 0}),
        ("sft", {"optim": "bogus"}),
    ]
    for method, values in shared:
        wanted = recipe(catalog, method, values)
        found = [finding for finding in check(wanted, catalog) if finding.level == "error"]
        if values != {"log_level": "bogus"}:  # TRL takes that from YAML and fails later
            assert refused(tmp_path, catalog, wanted), values
        assert len(found) == 1, (values, found)
        assert found[0].fix is not None
        cured = wanted.with_changes(catalog, found[0].fix.set, found[0].fix.unset)
        assert check(cured, catalog) == []
        assert refused(tmp_path, catalog, cured) == "", (values, found[0].fix)


WEIRD = st.sampled_from(
    [
        None,
        True,
        False,
        0,
        1,
        -1,
        1.5,
        math.nan,
        math.inf,
        "",
        "x",
        "no",
        "{",
        "1",
        [],
        ["x"],
        [1],
        [None],
        {},
        {"a": 1},
    ]
) | st.dates().map(lambda day: day)


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_no_value_brings_a_check_down(catalog: Catalog, method: str) -> None:
    """Whatever stands in a YAML, checking it says so instead of failing; and what it calls fine can be written."""
    names = sorted({*catalog.of(method), *catalog.launch})
    # All that any check looks at, several at once.
    looked_at = [
        "reward_funcs", "reward_weights", "reward_model_name_or_path", "num_generations", "generation_batch_size",
        "steps_per_generation", "per_device_train_batch_size", "gradient_accumulation_steps", "eval_strategy",
        "save_strategy", "load_best_model_at_end", "datasets", "dataset_name", "streaming", "max_steps",
        "num_processes", "accelerate_config", "gpu_ids", "report_to", "output_dir", "push_to_hub",
        "model_name_or_path", "packing", "padding_free", "max_length", "use_peft", "per_device_eval_batch_size",
        "num_generations_eval", "eval_packing", "lora_task_type", "num_machines", "chat_template_path",
    ]  # fmt: skip
    chosen = st.dictionaries(st.sampled_from([n for n in looked_at if n in names]), WEIRD, min_size=1, max_size=8)
    seen: set[str] = set()

    @settings(deadline=None, derandomize=True, database=None, max_examples=70, suppress_health_check=list(HealthCheck))
    @given(chosen | st.dictionaries(st.sampled_from(names), WEIRD, min_size=1, max_size=8))
    def run(given_values: dict[str, Any]) -> None:
        values = {name: value for name, value in given_values.items() if name in catalog.of(method)}
        launch = {name: value for name, value in given_values.items() if name not in values}
        for here in (None, GPUS, CPU, BARE):
            wanted = Recipe(method, values=values, launch=launch)
            for finding in check(wanted, catalog, here):
                assert finding.message
                seen.add(finding.where.name)
                if finding.fix:
                    wanted.with_changes(catalog, finding.fix.set, finding.fix.unset)
        for devices in (0, 2):
            whole = complete(Recipe(method, values=values, launch=launch), catalog, "a-run", devices, lambda path: None)
            read_yaml(write_yaml(whole.recipe, catalog), catalog)

    run()
    assert len(seen) > 20
