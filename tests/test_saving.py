"""What checkpoints will take on the disk, held against what TRL really writes."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from failure_cases import DEMO

from studio.adapters.home import Home
from studio.domain.arguments import Catalog
from studio.domain.kept_checkpoints import Kept, disk_finding, kept
from studio.domain.recipe import Recipe, in_effect
from studio.service.studio import Studio

TESTS = Path(__file__).resolve().parent
BASE: dict[str, Any] = {
    "model_name_or_path": str(DEMO / "model"),
    "dataset_name": str(DEMO / "sft"),
    "use_cpu": True,
    "bf16": False,
    "max_steps": 6,
    "per_device_train_batch_size": 1,
    "report_to": "none",
    "output_dir": "output",
}
LORA = {"use_peft": True, "lora_target_modules": ["all-linear"], "lora_dropout": 0.0}
CASES: dict[str, dict[str, Any]] = {
    "share": {"save_steps": 0.4, "save_total_limit": 2},
    "half as wide": {"dtype": "bfloat16", "save_steps": 4},
    "no optimizer": {"save_only_model": True, "save_steps": 3},
    "adapter": {**LORA, "save_steps": 2, "save_total_limit": 1},
    "momentum-free": {"optim": "sgd", "save_steps": 5},
    "factored": {"optim": "adafactor", "save_steps": 6},
    "one average": {"optim": "rmsprop", "save_steps": 6},
    "sums": {"optim": "adagrad", "save_steps": 6},
    "none": {"save_strategy": "no"},
}
_CHILD = """
import sys, json, pathlib
from forked_trl import load, trl_in
load()
folders = map(pathlib.Path, sys.argv[1:])
print(json.dumps([trl_in(folder, "sft") for folder in folders]))
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of each case by TRL's own command, by the folder it wrote into."""
    base = tmp_path_factory.mktemp("saving")
    folders = {}
    for number, (name, more) in enumerate(CASES.items()):
        folders[name] = base / str(number)
        folders[name].mkdir()
        (folders[name] / "recipe.yaml").write_text(yaml.safe_dump(BASE | more))
    asked = [sys.executable, "-c", _CHILD, *map(str, folders.values())]
    done = subprocess.run(asked, cwd=TESTS, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [0] * len(CASES), done.stdout + done.stderr
    return folders


def learnt(studio: Studio, recipe: Recipe) -> Recipe:
    studio.models.learn(str(recipe.get("model_name_or_path")))
    if recipe.get("use_peft") is True:
        studio.layers.learn(recipe)
    return recipe


@pytest.mark.parametrize("name", CASES)
def test_as_trl_saves_it(name: str, trained: dict[str, Path], tmp_path: Path, catalog_folder: Path) -> None:
    (tmp_path / "cache").symlink_to(catalog_folder, target_is_directory=True)
    studio = Studio(Home(tmp_path))
    recipe = learnt(studio, Recipe("sft", BASE | CASES[name]))
    said = studio.saving.kept(recipe, studio.arguments.get(), steps=6)
    assert said is not None
    there = sorted((trained[name] / "output").glob("checkpoint-*"))
    assert said.number == len(there)
    for folder in there:
        size = sum(file.stat().st_size for file in folder.rglob("*"))
        # What is beside the weights (the schedule, random states, this tiny model's names) is some 60 kB.
        assert said.state is not None
        assert 0.9 * said.each < size < 1.1 * said.each + 60_000


def getter(catalog: Catalog, **values: Any) -> Any:
    return partial(in_effect, Recipe("sft", values), catalog)


@pytest.mark.parametrize(
    ("values", "steps", "number", "rotated"),
    [
        ({"save_steps": 0.1, "save_total_limit": 2}, None, 2, True),
        ({"save_steps": 0.1}, None, 10, False),
        ({"save_steps": 0.3}, 100, 4, False),
        ({"save_steps": 0.3}, None, 4, False),
        ({"save_steps": 0.1}, 3, 3, False),
        ({"save_steps": 100}, None, None, False),
        ({"save_steps": 100}, 1000, 10, False),
        ({"save_steps": 100, "save_total_limit": 20}, 1000, 10, False),
        ({"save_steps": 100, "save_total_limit": 1, "load_best_model_at_end": True}, 1000, 2, True),
        ({"save_strategy": "epoch", "num_train_epochs": 2.5}, None, 3, False),
        ({"save_strategy": "epoch", "max_steps": 100}, None, None, False),
        ({"save_strategy": "best"}, None, None, False),
        ({"save_strategy": "best", "save_total_limit": 3}, None, 3, True),
        ({"save_strategy": "no", "save_total_limit": 3}, None, 0, False),
        ({"save_steps": "often"}, 100, None, False),
    ],
)
def test_how_many_are_kept(
    values: dict[str, Any], steps: int | None, number: int | None, rotated: bool, catalog: Catalog
) -> None:
    found = kept(getter(catalog, **values), 1000, 250, 4, steps)
    assert (found.number, found.rotated) == (number, rotated)
    assert found.each == 3000


def test_what_optimizers_remember(catalog: Catalog) -> None:
    def state(optim: str, width: int = 4, profile: str = "") -> int | None:
        return kept(getter(catalog, optim=optim), 1000, 250, width, None, profile).state

    assert state("adamw_torch_fused", width=2) == 1000
    assert state("paged_adamw_8bit") == 500
    assert state("paged_adamw_32bit", width=2) == 2000
    assert state("apollo_adamw") is None
    assert state("adamw_torch", width=2, profile="zero3") == 3000


def test_a_disk_without_room_is_said_before(catalog: Catalog) -> None:
    found = Kept(2, 1000, 2000, rotated=True)
    assert found.most == 9000
    assert disk_finding(found, 9000, getter(catalog)) is None
    warning = disk_finding(found, 8999, getter(catalog))
    assert warning is not None
    assert "9 kB" in warning.message
    assert warning.fix is not None
    assert warning.fix.set == {"save_total_limit": 1}
    one = Kept(1, 1000, 2000, rotated=True)
    again = disk_finding(one, 5000, getter(catalog, save_total_limit=1))
    assert again is not None
    assert again.fix is not None
    assert again.fix.set == {"save_only_model": True}
    bare = disk_finding(Kept(1, 1000, 0), 10, getter(catalog, save_total_limit=1, save_only_model=True))
    assert bare is not None
    assert bare.fix is None
    assert disk_finding(Kept(None, 1000, 0), 10, getter(catalog)) is None


def test_a_model_that_is_not_known_is_not_guessed(tmp_path: Path, catalog_folder: Path) -> None:
    (tmp_path / "cache").symlink_to(catalog_folder, target_is_directory=True)
    studio = Studio(Home(tmp_path))
    catalog = studio.arguments.get()
    assert studio.saving.kept(Recipe("sft", {}), catalog) is None
    assert studio.saving.kept(Recipe("sft", {"model_name_or_path": "some/model"}), catalog) is None
    assert studio.saving.findings(Recipe("sft", {"model_name_or_path": "some/model"}), catalog) == []
