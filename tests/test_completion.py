"""What the studio adds for this machine, and that a recipe for elsewhere carries nothing of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from studio.adapters.home import Home
from studio.domain.arguments import Catalog
from studio.domain.completion import complete
from studio.domain.recipe import Recipe
from studio.service.recipes import mint_name
from studio.service.studio import Studio


def completed(catalog: Catalog, values: dict[str, Any], devices: int = 0, **launch: Any) -> dict[str, Any]:
    recipe = Recipe("sft", values=values, launch=launch)
    done = complete(recipe, catalog, "the-run", devices, lambda path: None)
    return {**done.recipe.values, **done.recipe.launch}


def test_a_bare_recipe_gets_what_a_run_here_needs(catalog: Catalog) -> None:
    assert completed(catalog, {}) == {
        "report_to": "trackio",
        "project": "trl-studio",
        "run_name": "the-run",
        "output_dir": "output",
        "enable_jit_checkpoint": True,
        "save_steps": 0.1,
        "save_total_limit": 2,
        "use_cpu": True,
        "bf16": False,
        "num_processes": 1,
    }


def test_on_gpus_neither_cpu_nor_precision_is_touched(catalog: Catalog) -> None:
    values = completed(catalog, {}, devices=2)
    assert "use_cpu" not in values
    assert "bf16" not in values
    assert values["num_processes"] == 2


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (None, "trackio"),
        ("none", "trackio"),
        ("trackio", "trackio"),
        ("wandb", ["trackio", "wandb"]),
        (["wandb", "tensorboard"], ["trackio", "wandb", "tensorboard"]),
        (["trackio", "wandb"], ["trackio", "wandb"]),
        ("all", "all"),
    ],
)
def test_trackio_joins_the_users_trackers(catalog: Catalog, given: Any, wanted: Any) -> None:
    values = {} if given is None else {"report_to": given}
    assert completed(catalog, values)["report_to"] == wanted


def test_what_the_user_said_stays(catalog: Catalog) -> None:
    said = {"enable_jit_checkpoint": False, "save_strategy": "epoch", "project": "mine", "bf16": True}
    values = completed(catalog, said, num_processes=4)
    assert {name: values[name] for name in said} == said
    assert "save_steps" not in values
    assert values["num_processes"] == 4


def test_how_many_are_kept_says_nothing_of_how_often(catalog: Catalog) -> None:
    values = completed(catalog, {"save_total_limit": 5})
    assert (values["save_steps"], values["save_total_limit"]) == (0.1, 5)


def test_a_push_gets_a_repository_of_its_own_name(catalog: Catalog) -> None:
    values = completed(catalog, {"push_to_hub": True, "model_name_or_path": "Qwen/Qwen2-0.5B"})
    assert values["hub_model_id"] == "Qwen2-0.5B-SFT"


@pytest.mark.parametrize("values", [{"push_to_hub": True}, {"trackio_space_id": "ada/metrics"}])
def test_only_what_goes_to_the_hub_is_kept_from_publishing_metrics(catalog: Catalog, values: dict[str, Any]) -> None:
    assert completed(catalog, values)["trackio_static_space_id"] is False
    assert completed(catalog, {**values, "trackio_static_space_id": "ada/all"})["trackio_static_space_id"] == "ada/all"
    assert "trackio_static_space_id" not in completed(catalog, {})


def test_without_a_push_flags_can_say_it_all(studio: Studio) -> None:
    """Nothing that the studio adds needs a YAML, so that the command on the card is one of flags."""
    values = {"model_name_or_path": "a/b", "dataset_name": "c/d"}
    assert studio.prepare(Recipe("sft", values=values)).command_reasons == ()
    pushed = studio.prepare(Recipe("sft", values={**values, "push_to_hub": True}))
    assert [reason for reason in pushed.command_reasons if "trackio_static_space_id" in reason]


def test_a_profile_on_a_cpu_is_not_left_with_bf16(catalog: Catalog) -> None:
    assert completed(catalog, {}, accelerate_config="multi_gpu")["mixed_precision"] == "no"


@pytest.fixture
def studio(tmp_path: Path, catalog_folder: Path) -> Studio:
    home = tmp_path / "home"
    home.mkdir()
    (home / "cache").symlink_to(catalog_folder)
    return Studio(Home(home))


def test_relative_paths_become_absolute_here_and_stay_elsewhere(studio: Studio, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.jsonl").write_text('{"text": "a"}\n')
    (tmp_path / "template.jinja").write_text("{{ messages }}")
    (tmp_path / "my_rewards.py").write_text("def one(completions, **kwargs):\n    return [1.0] * len(completions)\n")
    values = {
        "model_name_or_path": "Qwen/Qwen2-0.5B",
        "dataset_name": "data",
        "chat_template_path": "template.jinja",
        "datasets": [{"path": "json", "data_files": ["data/train.jsonl"]}, {"path": "trl-lib/Capybara"}],
    }
    recipe = Recipe("sft", values=values)
    here = studio.prepare(recipe, base=tmp_path).recipe
    assert here.get("model_name_or_path") == "Qwen/Qwen2-0.5B"
    assert here.get("dataset_name") == str(tmp_path / "data")
    assert here.get("chat_template_path") == str(tmp_path / "template.jinja")
    assert here.get("datasets") == [
        {"path": "json", "data_files": [str(tmp_path / "data" / "train.jsonl")]},
        {"path": "trl-lib/Capybara"},
    ]
    there = studio.prepare(recipe, elsewhere=True, base=tmp_path)
    assert dict(there.recipe.values) == values
    assert dict(there.recipe.launch) == {}
    assert str(tmp_path) not in there.yaml
    assert str(tmp_path) not in there.command

    rewarded = Recipe("grpo", values={"reward_funcs": ["my_rewards.one", "accuracy_reward"]})
    assert studio.prepare(rewarded, base=tmp_path).files == {"my_rewards.py": tmp_path / "my_rewards.py"}


def test_names_are_free_and_say_what_runs() -> None:
    recipe = Recipe("dpo", values={"dataset_name": "trl-lib/UltraFeedback Binarized"})
    assert mint_name(recipe, set()) == "ultrafeedback-binarized-dpo-01"
    assert mint_name(recipe, {"ultrafeedback-binarized-dpo-01"}) == "ultrafeedback-binarized-dpo-02"
    named = Recipe("dpo", values={"run_name": "my run"})
    assert mint_name(named, set()) == "my-run"
    assert mint_name(named, {"my-run"}) == "my-run-01"
    assert mint_name(Recipe("sft", values={"run_name": "../../etc"}), set()) == "etc"


def test_every_addition_is_explained_in_the_yaml(studio: Studio) -> None:
    prepared = studio.prepare(Recipe("sft", values={"model_name_or_path": "a/b", "dataset_name": "c/d"}))
    for key, why in prepared.notes.items():
        line = next(line for line in prepared.yaml.splitlines() if line.startswith(f"{key}:"))
        assert line.endswith(f"# {why}")
