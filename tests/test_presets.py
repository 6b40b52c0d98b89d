"""Every preset: taken by TRL and accelerate as it is, free of errors, and the same as the documented command."""

from __future__ import annotations

import ast
import importlib.resources
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from studio.domain.arguments import Catalog
from studio.domain.checks import check
from studio.domain.findings import errors
from studio.domain.methods import METHOD_NAMES
from studio.domain.recipe_yaml import read_yaml, write_yaml
from studio.domain.values import same
from studio.service.presets import PURPOSES, named, presets_in, purpose_of, read_preset, safe_name, size_of
from tests import trl_oracle

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*:DeprecationWarning", "ignore:.*:FutureWarning", "ignore::UserWarning"
)

FOLDER = Path(__file__).resolve().parent.parent / "presets"
FILES = sorted(FOLDER.glob("*.yaml"))
# What a preset may say otherwise than the command it is made from.
OWN = {"output_dir", "push_to_hub", "report_to"}

# The commands and the configuration file of TRL's documentation, as they stand there.
DOCUMENTED = {
    "sft": r"""
trl sft \
  --model_name_or_path Qwen/Qwen2-0.5B \
  --dataset_name trl-lib/Capybara \
  --learning_rate 2.0e-5 \
  --num_train_epochs 1 \
  --packing \
  --per_device_train_batch_size 2 \
  --gradient_accumulation_steps 8 \
  --eos_token '<|im_end|>' \
  --eval_strategy steps \
  --eval_steps 100 \
  --output_dir Qwen2-0.5B-SFT \
  --push_to_hub
""",
    "sft-lora": r"""
trl sft \
  --model_name_or_path Qwen/Qwen2-0.5B \
  --dataset_name trl-lib/Capybara \
  --learning_rate 2.0e-4 \
  --num_train_epochs 1 \
  --packing \
  --per_device_train_batch_size 2 \
  --gradient_accumulation_steps 8 \
  --eos_token '<|im_end|>' \
  --eval_strategy steps \
  --eval_steps 100 \
  --use_peft \
  --lora_r 32 \
  --lora_alpha 16 \
  --output_dir Qwen2-0.5B-SFT \
  --push_to_hub
""",
    "dpo": r"""
trl dpo \
  --dataset_name trl-lib/ultrafeedback_binarized \
  --model_name_or_path Qwen/Qwen2-0.5B-Instruct \
  --learning_rate 5.0e-7 \
  --num_train_epochs 1 \
  --per_device_train_batch_size 2 \
  --max_steps 1000 \
  --gradient_accumulation_steps 8 \
  --eval_strategy steps \
  --eval_steps 50 \
  --output_dir Qwen2-0.5B-DPO \
  --no_remove_unused_columns
""",
    "dpo-lora": r"""
trl dpo \
  --dataset_name trl-lib/ultrafeedback_binarized \
  --model_name_or_path Qwen/Qwen2-0.5B-Instruct \
  --learning_rate 5.0e-6 \
  --num_train_epochs 1 \
  --per_device_train_batch_size 2 \
  --max_steps 1000 \
  --gradient_accumulation_steps 8 \
  --eval_strategy steps \
  --eval_steps 50 \
  --output_dir Qwen2-0.5B-DPO \
  --no_remove_unused_columns \
  --use_peft \
  --lora_r 32 \
  --lora_alpha 16
""",
    "grpo": r"""
trl grpo \
  --model_name_or_path Qwen/Qwen2.5-0.5B \
  --dataset_name trl-lib/gsm8k \
  --reward_funcs accuracy_reward \
  --output_dir Qwen2-0.5B-GRPO \
  --push_to_hub
""",
    "rloo": r"""
trl rloo \
  --model_name_or_path Qwen/Qwen2.5-0.5B \
  --dataset_name trl-lib/tldr \
  --reward_model_name_or_path sentiment-analysis:nlptown/bert-base-multilingual-uncased-sentiment \
  --output_dir Qwen2-0.5B-RLOO \
  --push_to_hub
""",
    "reward": r"""
trl reward \
  --model_name_or_path Qwen/Qwen2-0.5B-Instruct \
  --dataset_name trl-lib/ultrafeedback_binarized \
  --output_dir Qwen2-0.5B-Reward \
  --per_device_train_batch_size 8 \
  --num_train_epochs 1 \
  --learning_rate 1.0e-5 \
  --eval_strategy steps \
  --eval_steps 50 \
  --max_length 2048
""",
    "reward-lora": r"""
trl reward \
  --model_name_or_path Qwen/Qwen2-0.5B-Instruct \
  --dataset_name trl-lib/ultrafeedback_binarized \
  --output_dir Qwen2-0.5B-Reward-LoRA \
  --per_device_train_batch_size 8 \
  --num_train_epochs 1 \
  --learning_rate 1.0e-4 \
  --eval_strategy steps \
  --eval_steps 50 \
  --max_length 2048 \
  --use_peft \
  --lora_task_type SEQ_CLS \
  --lora_r 32 \
  --lora_alpha 16
""",
}
DOCUMENTED_CONFIG = """
model_name_or_path: Qwen/Qwen2.5-0.5B
dataset_name: trl-lib/Capybara
learning_rate: 2.0e-5
num_train_epochs: 1
per_device_train_batch_size: 8
gradient_accumulation_steps: 2
output_dir: ./sft_output
use_peft: true
lora_r: 16
lora_alpha: 16
report_to: trackio
"""


def parsed(path: Path, method: str, validate: bool = False) -> tuple[dict[str, Any], list[str]]:
    return trl_oracle.parse(method, ["--config", str(path)], validate)


def words_of(command: str) -> list[str]:
    return shlex.split(command.replace("\\\n", " "))


def different(left: dict[str, Any], right: dict[str, Any]) -> set[str]:
    assert left.keys() == right.keys()
    return {name for name in left if not same(left[name], right[name])}


def test_they_are_all_there() -> None:
    assert len(FILES) == 22
    presets = presets_in(FOLDER)
    assert {preset.path for preset in presets} == set(FILES)
    assert [preset.is_demo for preset in presets] == [True] * 7 + [False] * 15
    assert {preset.method for preset in presets if preset.is_demo} == set(METHOD_NAMES)
    assert {preset.method for preset in presets if not preset.is_demo} == set(METHOD_NAMES)
    assert len({preset.title for preset in presets}) == len(presets)
    assert named(presets, "sft-qlora").method == "sft"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_opens_with_its_command_and_says_what_it_is(path: Path) -> None:
    preset = read_preset(path)
    assert preset is not None
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == f"# trl {preset.method} --config presets/{path.name}"
    assert lines[1] == f"# Title: {preset.title}"
    assert 5 < len(preset.title) < 60
    assert [line.partition(":")[0] for line in lines[2:5]] == ["# Size", "# Purpose", "# Hardware"]
    assert len(preset.remarks) > 20
    assert preset.remarks.endswith(".")
    assert preset.is_demo or all(len(line) <= 120 for line in lines)
    assert safe_name(path.stem) == path.stem


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_its_size_and_purpose_are_those_of_its_recipe(catalog: Catalog, path: Path) -> None:
    preset = read_preset(path)
    assert preset is not None
    recipe, _ = read_yaml(path.read_text(encoding="utf-8"), catalog)
    if preset.is_demo:
        assert (preset.size, preset.purpose) == ("0.5M", "Try it out")
    else:
        assert (preset.size, preset.purpose) == (size_of(recipe), purpose_of(recipe))
    assert preset.purpose in PURPOSES
    assert ("GPUs" in preset.hardware) is (preset.purpose == "Several GPUs")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_its_numbers_are_numbers_to_every_yaml_reader(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "push_to_hub" not in text
    for key, value in yaml.safe_load(text).items():
        line = next(line for line in text.splitlines() if line.startswith(f"{key}:"))
        if isinstance(value, float):
            assert re.match(rf"{key}: \d+\.\d+(e[+-]\d\d)?( |$)", line), line
        if "learning_rate" in key:
            assert isinstance(value, float)
            assert "#" in line or path.stem in ("rloo", "grpo"), "a remark belongs behind every learning rate"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_trl_and_accelerate_take_it_as_it_is(path: Path) -> None:
    """TRL's parser leaves nothing but accelerate's options, and accelerate's own parser takes those."""
    from accelerate.commands.launch import launch_command_parser
    from trl.cli.accelerate_config import resolve_accelerate_config_argument

    preset = read_preset(path)
    assert preset is not None
    _, rest = parsed(path, preset.method)
    given = yaml.safe_load(path.read_text(encoding="utf-8"))
    launched = launch_command_parser().parse_args([*resolve_accelerate_config_argument(rest), "script.py", "--x"])
    assert launched.training_script == "script.py"
    if "num_processes" in given:
        assert launched.num_processes == given["num_processes"]
        assert Path(launched.config_file).stem == given["accelerate_config"]
    else:
        assert rest == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_trls_config_classes_take_it(path: Path, tmp_path: Path) -> None:
    """With TRL's own checks run, as on a machine without a GPU."""
    preset = read_preset(path)
    assert preset is not None
    here = tmp_path / path.name
    text = path.read_text(encoding="utf-8")
    here.write_text(text if "use_cpu:" in text else f"{text}\nuse_cpu: true\n", encoding="utf-8")
    fields, _ = parsed(here, preset.method, validate=True)
    assert fields["model_name_or_path"] == yaml.safe_load(text)["model_name_or_path"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_studio_opens_it_without_an_error(catalog: Catalog, path: Path) -> None:
    recipe, findings = read_yaml(path.read_text(encoding="utf-8"), catalog)
    assert findings == []
    assert recipe.unknown == {}
    assert errors(check(recipe, catalog)) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_its_values_survive_the_studio(catalog: Catalog, path: Path, tmp_path: Path) -> None:
    """Preset to recipe to YAML: the same to TRL, launch options included."""
    recipe, _ = read_yaml(path.read_text(encoding="utf-8"), catalog)
    again = tmp_path / "recipe.yaml"
    again.write_text(write_yaml(recipe, catalog), encoding="utf-8")
    fields, rest = parsed(path, recipe.method)
    fields_again, rest_again = parsed(again, recipe.method)
    assert different(fields, fields_again) == set()
    assert sorted(rest) == sorted(rest_again)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_it_means_the_documented_command(name: str) -> None:
    """TRL's parser reads preset and command into the same values."""
    words = words_of(DOCUMENTED[name])
    fields, rest = trl_oracle.parse(words[1], words[2:])
    preset, left = parsed(FOLDER / f"{name}.yaml", words[1])
    assert rest == left == []
    otherwise = different(fields, preset)
    if name == "rloo":
        # The documented value is no model's name to TRL 1.16, and the model in it has five scores.
        assert "reward_model_name_or_path" in otherwise
        otherwise.remove("reward_model_name_or_path")
    assert otherwise <= OWN
    assert preset["push_to_hub"] is False
    assert preset["output_dir"] == fields["output_dir"]


def test_it_means_the_documented_configuration_file(tmp_path: Path) -> None:
    documented = tmp_path / "sft_config.yaml"
    documented.write_text(DOCUMENTED_CONFIG, encoding="utf-8")
    assert parsed(documented, "sft") == parsed(FOLDER / "sft-config.yaml", "sft")


@pytest.mark.parametrize("name", ["kto", "distillation"])
def test_it_means_the_command_of_trls_own_script(name: str) -> None:
    """The first command in the docstring of the installed `trl/scripts/<name>.py`."""
    source = importlib.resources.files("trl.scripts").joinpath(f"{name}.py").read_text(encoding="utf-8")
    command = (ast.get_docstring(ast.parse(source)) or "").split("```bash")[1].split("```")[0]
    fields, rest = trl_oracle.parse(name, words_of(command)[2:])
    preset, left = parsed(FOLDER / f"{name}.yaml", name)
    assert rest == left == []
    assert different(fields, preset) <= OWN


# Variants: what they change about the preset they are made from, and nothing besides.
VARIANTS = {
    "sft-qlora": ("sft-lora", {"model_name_or_path", "load_in_4bit", "lora_target_modules", "output_dir"}),
    "dpo-qlora": ("dpo-lora", {"model_name_or_path", "load_in_4bit", "lora_target_modules", "output_dir"}),
    "sft-2gpu": ("sft", {"gradient_accumulation_steps"}),
    "sft-fsdp2": ("sft", {"model_name_or_path", "learning_rate", "gradient_accumulation_steps", "output_dir"}),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_changes_what_it_is_for(name: str) -> None:
    original, changed = VARIANTS[name]
    fields, _ = parsed(FOLDER / f"{name}.yaml", name.split("-")[0])
    before, _ = parsed(FOLDER / f"{original}.yaml", name.split("-")[0])
    assert different(before, fields) == changed
    given = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    processes = given.get("num_processes", 1)
    # However many GPUs, an update sees as many examples.
    assert fields["gradient_accumulation_steps"] * processes == before["gradient_accumulation_steps"]
    if "qlora" in name:
        assert fields["use_peft"] is fields["load_in_4bit"] is True
        assert fields["lora_target_modules"] == ["all-linear"]
    else:
        assert given["accelerate_config"] == {"sft-2gpu": "multi_gpu", "sft-fsdp2": "fsdp2"}[name]
