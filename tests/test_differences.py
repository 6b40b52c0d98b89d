"""Two recipes compared by their values in effect, a run's recipe without its additions, and a change of method."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.domain.arguments import Catalog
from studio.domain.changing import changed_to
from studio.domain.chosen import chosen
from studio.domain.completion import complete
from studio.domain.differences import Difference, Side, differences
from studio.domain.methods import METHOD_NAMES
from studio.domain.overlay import SECTIONS
from studio.domain.recipe import Recipe
from studio.domain.recipe_yaml import read_yaml, write_yaml
from studio.domain.secrets import is_secret, without_secrets

PRESETS = Path(__file__).resolve().parent.parent / "presets"


def preset(name: str, catalog: Catalog) -> Recipe:
    return read_yaml((PRESETS / f"{name}.yaml").read_text(encoding="utf-8"), catalog)[0]


def names(rows: list[Difference]) -> list[str]:
    return [row.name for row in rows]


# Differences ----------------------------------------------------------------------------------------------------


def test_a_preset_and_its_variant(catalog: Catalog) -> None:
    rows = differences(preset("dpo", catalog), preset("dpo-lora", catalog), catalog)
    assert names(rows) == ["learning_rate", "use_peft", "lora_r", "lora_alpha"]
    assert rows[0] == Difference("Learning rate", "learning_rate", Side(5e-7, "said"), Side(5e-6, "said"))
    assert rows[1].here == Side(False, "default")
    assert [row.section for row in rows] == ["Learning rate", "LoRA", "LoRA", "LoRA"]


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_every_default_written_out_is_no_difference(catalog: Catalog, method: str) -> None:
    arguments = catalog.of(method)
    declared = Recipe(method, values={name: argument.default for name, argument in arguments.items()})
    in_effect = Recipe(method, values={name: argument.effective_default for name, argument in arguments.items()})
    assert differences(Recipe(method), declared, catalog) == []
    assert differences(in_effect, Recipe(method), catalog) == []


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ({"num_train_epochs": 3}, {"num_train_epochs": 3.0}),
        ({"report_to": "trackio"}, {"report_to": ["trackio"]}),
        ({"bf16": True}, {}),
        ({"learning_rate": 0.00002}, {"learning_rate": 2e-5}),
        ({"model_init_kwargs": {"a": 1}}, {"model_init_kwargs": {"a": 1.0}}),
    ],
)
def test_equal_in_effect(catalog: Catalog, left: dict[str, Any], right: dict[str, Any]) -> None:
    assert differences(Recipe("sft", values=left), Recipe("sft", values=right), catalog) == []


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ({"packing": True}, {"packing": False}),
        ({"report_to": ["trackio"]}, {"report_to": ["trackio", "wandb"]}),
        ({"seed": 1}, {"seed": 2}),
        ({"model_init_kwargs": {"a": 1}}, {"model_init_kwargs": {"a": True}}),
        ({"eos_token": "x"}, {}),
    ],
)
def test_unequal_in_effect(catalog: Catalog, left: dict[str, Any], right: dict[str, Any]) -> None:
    assert names(differences(Recipe("sft", values=left), Recipe("sft", values=right), catalog)) == list(left)


def test_launch_flags_environment_and_unknown_keys_count(catalog: Catalog) -> None:
    here = Recipe("sft", launch={"num_processes": 2}, flags=("multi_gpu",), env={"A": "1"}, unknown={"lerning": 3})
    rows = differences(here, Recipe("sft", env={"A": "2", "B": "x"}), catalog)
    found = {row.name: (row.section, row.here, row.there) for row in rows}
    assert found == {
        "num_processes": ("Launch", Side(2, "said"), Side(None, "unset")),
        "multi_gpu": ("Launch", Side(True, "said"), Side(None, "unset")),
        "A": ("Environment", Side("1", "said"), Side("2", "said")),
        "B": ("Environment", Side(None, "unset"), Side("x", "said")),
        "lerning": ("Unknown", Side(3, "said"), Side(None, "unset")),
    }


def test_another_method_comes_first_with_what_it_brings(catalog: Catalog) -> None:
    rows = differences(Recipe("sft", values={"packing": True, "seed": 7}), Recipe("dpo"), catalog)
    assert rows[0] == Difference("Method", "method", Side("sft", "said"), Side("dpo", "said"))
    found = {row.name: row for row in rows}
    assert found["packing"].there.origin == "absent"
    assert found["learning_rate"].here == Side(2e-5, "default")
    assert found["learning_rate"].there == Side(1e-6, "default")
    assert found["seed"].there == Side(42, "default")
    assert len(rows) < 12  # what only one of them has, and nobody set, is no difference


def test_paths_that_mean_the_same_are_the_same(catalog: Catalog) -> None:
    left, right = (Recipe("sft", values={"dataset_name": name}) for name in ("demo", "/home/demo"))
    assert names(differences(left, right, catalog)) == ["dataset_name"]
    assert differences(left, right, catalog, alike=lambda a, b: a in b or b in a) == []
    assert differences(left, right, catalog, leave_out=("dataset_name",)) == []


@given(
    left=st.sampled_from(sorted(path.stem for path in PRESETS.glob("*.yaml"))),
    right=st.sampled_from(sorted(path.stem for path in PRESETS.glob("*.yaml"))),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_comparison_turned_round_says_the_same(catalog: Catalog, left: str, right: str) -> None:
    there, back = (
        differences(one, other, catalog)
        for one, other in (
            (preset(left, catalog), preset(right, catalog)),
            (preset(right, catalog), preset(left, catalog)),
        )
    )
    assert {(row.name, repr(row.here), repr(row.there)) for row in there} == {
        (row.name, repr(row.there), repr(row.here)) for row in back
    }
    assert (there == []) is (left == right)
    known = [row.section for row in there[1:] if row.section in SECTIONS]
    assert known == sorted(known, key=SECTIONS.index)


# A run's recipe -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(path.stem for path in PRESETS.glob("*.yaml")))
@pytest.mark.parametrize("devices", [0, 2])
def test_what_the_studio_added_is_taken_out_of_a_runs_recipe(catalog: Catalog, name: str, devices: int) -> None:
    recipe = preset(name, catalog)
    completed = complete(recipe, catalog, "some-run-01", devices, lambda path: None)
    text = write_yaml(completed.recipe, catalog, notes=completed.notes)
    ran, _ = read_yaml(text, catalog)
    mine = chosen(ran, text, catalog)
    wanted = recipe.with_changes(catalog, {}, ("output_dir", "run_name"))
    assert (dict(mine.values), dict(mine.launch)) == (dict(wanted.values), dict(wanted.launch))
    assert len(ran.values) > len(mine.values)


def test_other_trackers_stay_when_the_studios_own_is_taken_out(catalog: Catalog) -> None:
    recipe = Recipe("sft", values={"report_to": ["wandb"]})
    completed = complete(recipe, catalog, "x-01", 0, lambda path: None)
    text = write_yaml(completed.recipe, catalog, notes=completed.notes)
    mine = chosen(read_yaml(text, catalog)[0], text, catalog)
    assert mine.values == {"report_to": ["wandb"]}


# Another method -------------------------------------------------------------------------------------------------


def test_what_a_method_does_not_take_waits_for_one_that_does(catalog: Catalog) -> None:
    recipe = Recipe("grpo", values={"use_vllm": True, "vllm_mode": "server", "seed": 7, "learning_rate": 2e-5})
    there = changed_to(recipe, {}, catalog, "sft")
    assert there.dropped == ("use_vllm", "vllm_mode")
    assert there.recipe.values == {"seed": 7}  # 2e-5 is what SFT does by itself
    assert there.words("SFT") == "SFT does not take use_vllm, vllm_mode: kept aside."
    back = changed_to(there.recipe, there.aside, catalog, "grpo")
    assert (dict(back.recipe.values), dict(back.aside), back.dropped) == (dict(recipe.values), {}, ())
    assert set(back.back) == {"use_vllm", "vllm_mode", "learning_rate"}


def test_keys_that_the_other_method_knows_are_understood(catalog: Catalog) -> None:
    recipe, opened = read_yaml("beta: '0.3'\nxyzzy: 1\n", catalog, "sft")
    assert [found.where.name for found in opened] == ["beta", "xyzzy"]
    changed = changed_to(recipe, {}, catalog, "dpo")
    assert (dict(changed.recipe.values), dict(changed.recipe.unknown)) == ({"beta": 0.3}, {"xyzzy": 1})
    (left,) = changed.still_open(opened, catalog)
    assert left.message.startswith("`xyzzy` is no option of `trl dpo`")
    assert left.where.line == 2


def test_what_means_nothing_as_things_stand_stays_aside(catalog: Catalog) -> None:
    changed = changed_to(Recipe("sft"), {"lora_r": 64, "seed": "text"}, catalog, "dpo")
    assert (dict(changed.recipe.values), dict(changed.aside)) == ({}, {"lora_r": 64, "seed": "text"})
    assert changed.words("DPO") == ""


@pytest.mark.parametrize("method", METHOD_NAMES)
@pytest.mark.parametrize("name", ["sft-lora", "dpo-qlora", "grpo", "kto", "rloo", "reward-lora", "distillation"])
def test_there_and_back_again_loses_nothing(catalog: Catalog, name: str, method: str) -> None:
    recipe = preset(name, catalog)
    there = changed_to(recipe, {}, catalog, method)
    back = changed_to(there.recipe, there.aside, catalog, recipe.method)
    assert (dict(back.recipe.values), dict(back.aside)) == (dict(recipe.values), {})


# Secrets --------------------------------------------------------------------------------------------------------


def test_secrets_are_told_by_name_and_by_look(catalog: Catalog) -> None:
    token = "hf_" + "a" * 30
    for name, value in (("hub_token", "x"), ("api_key", "x"), ("x", token), ("model_init_kwargs", {"token": "x"})):
        assert is_secret(name, value)
    assert not any(is_secret(name) for name in ("eos_token", "seed"))
    assert not is_secret("include_num_input_tokens_seen", True)
    assert not is_secret("eos_token", "<end>")
    secret = [name for method in METHOD_NAMES for name in catalog.of(method) if is_secret(name, "text")]
    assert set(secret) == {"hub_token"}
    recipe = Recipe("sft", values={"hub_token": "x", "seed": 1}, env={"WANDB_API_KEY": "k", "A": "b"})
    bare, left_out = without_secrets(recipe)
    assert (bare.values, bare.env, left_out) == ({"seed": 1}, {"A": "b"}, ("hub_token", "WANDB_API_KEY"))
