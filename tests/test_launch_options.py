"""accelerate's options: what takes a value travels in the YAML, what takes none in accelerate.yaml, and both arrive."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from studio.domain.accelerate_file import accelerate_file
from studio.domain.arguments import Argument, Catalog
from studio.domain.command import write_command
from studio.domain.command_reader import read_command
from studio.domain.recipe import Recipe
from studio.domain.recipe_yaml import read_yaml, write_yaml
from tests import trl_oracle

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


def launch_arguments(words: list[str]) -> Any:
    """What accelerate's launch parser makes of the words that TRL hands on."""
    from accelerate.commands.launch import launch_command_parser

    return launch_command_parser().parse_args([*words, "script.py"])


def merged(words: list[str]) -> Any:
    """The launch arguments with the config file laid under them, as accelerate launches."""
    from accelerate.commands.launch import _validate_launch_command

    return _validate_launch_command(launch_arguments(words))[0]


def sample(option: Argument) -> Any:
    """One valid value of an option that takes one."""
    if option.choices:
        return option.choices[-1]
    return {"integer": 3, "number": 0.5, "boolean": True}.get(option.types[0], "some text")


def test_every_option_with_a_value_arrives_from_yaml_and_from_the_command(catalog: Catalog, tmp_path: Path) -> None:
    # A profile and its file are tested below; these two are read by converters of accelerate's own.
    apart = {"accelerate_config", "config_file", "fp8_override_linear_precision", "vm"}
    # What TRL calls by the same name is TRL's, as is `env` in a YAML.
    apart |= {"env", *catalog.of("sft")}
    for name, option in catalog.launch.items():
        if name in apart:
            continue
        recipe = Recipe("sft", launch={name: sample(option)})
        path = tmp_path / f"{name}.yaml"
        path.write_text(write_yaml(recipe, catalog), encoding="utf-8")
        _, from_yaml = trl_oracle.parse("sft", ["--config", str(path)])
        command = write_command(recipe, catalog)
        assert not command.uses_config, (name, command.reasons)
        _, from_flags = trl_oracle.parse("sft", shlex.split(command.text.replace(" \\\n  ", " "))[2:])
        left, right = launch_arguments(from_yaml), launch_arguments(from_flags)
        # Floats are spelt alike in both, texts may differ in quoting only.
        assert getattr(left, name) == getattr(right, name), name
        assert getattr(left, name) in (sample(option), str(sample(option))), name
        assert dict(read_yaml(path.read_text(), catalog)[0].launch) == dict(recipe.launch)
        assert dict(read_command(command.text, catalog)[0].launch) == dict(recipe.launch)
    assert len(set(catalog.launch) - apart) > 90


@pytest.mark.parametrize(
    ("flags", "launch"),
    [
        (("multi_gpu",), {"num_processes": 2}),
        (("use_fsdp",), {"num_processes": 2, "fsdp_version": "2"}),
        (("use_deepspeed",), {"num_processes": 2, "zero_stage": 2}),
        (
            ("multi_gpu", "dynamo_use_fullgraph", "dynamo_use_dynamic"),
            {"num_processes": 2, "dynamo_backend": "inductor"},
        ),
        (("cpu",), {"num_processes": 1}),
        (("use_megatron_lm",), {"num_processes": 2}),
    ],
)
def test_flags_go_into_accelerate_yaml_and_mean_the_same(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...], launch: dict[str, Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = Recipe("sft", launch=launch, flags=flags)
    said, _ = (
        trl_oracle.parse("sft", shlex.split(write_command(recipe, catalog).text.replace(" \\\n  ", " "))[2:]),
        None,
    )
    by_flags = merged(said[1])

    lean, text, findings = accelerate_file(recipe, catalog)
    assert findings == []
    assert text is not None
    assert lean.flags == ()
    assert lean.launch["accelerate_config"] == "accelerate.yaml"
    (tmp_path / "accelerate.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "recipe.yaml").write_text(write_yaml(lean, catalog), encoding="utf-8")
    _, rest = trl_oracle.parse("sft", ["--config", str(tmp_path / "recipe.yaml")])
    from trl.cli.accelerate_config import resolve_accelerate_config_argument

    by_file = merged(resolve_accelerate_config_argument(rest))
    names = ("multi_gpu", "use_fsdp", "use_deepspeed", "use_megatron_lm", "num_processes", "dynamo_use_fullgraph",
             "dynamo_use_dynamic", "dynamo_backend", "zero_stage", "fsdp_version")  # fmt: skip
    for name in names:
        assert getattr(by_file, name) == getattr(by_flags, name), name
    assert (by_file.cpu or by_file.use_cpu) == (by_flags.cpu or getattr(by_flags, "use_cpu", False))


def test_flags_are_laid_over_the_profile_that_was_chosen(catalog: Catalog) -> None:
    recipe = Recipe("sft", launch={"accelerate_config": "fsdp2", "num_processes": 2}, flags=("dynamo_use_dynamic",))
    _, text, findings = accelerate_file(recipe, catalog)
    assert findings == []
    config = yaml.safe_load(text or "")
    assert config["distributed_type"] == "FSDP"
    assert config["fsdp_config"]["fsdp_version"] == 2
    assert config["dynamo_config"] == {"dynamo_use_dynamic": True}


def test_what_no_file_can_say_is_said(catalog: Catalog) -> None:
    recipe = Recipe("sft", flags=("quiet", "multi_gpu"))
    _, _, findings = accelerate_file(recipe, catalog)
    assert {(found.level, found.where.name) for found in findings} == {("warning", "quiet"), ("error", "num_processes")}


def test_a_flag_in_a_yaml_is_taken_out_of_it(catalog: Catalog) -> None:
    recipe, findings = read_yaml("# trl sft --config x.yaml\nmulti_gpu: true\nnum_processes: 2\n", catalog)
    assert recipe.flags == ("multi_gpu",)
    assert [(found.level, found.where.name, found.where.line) for found in findings] == [("warning", "multi_gpu", 2)]
    lean, text, _ = accelerate_file(recipe, catalog)
    assert "multi_gpu" not in write_yaml(lean, catalog)
    assert yaml.safe_load(text or "")["distributed_type"] == "MULTI_GPU"


def test_no_option_of_accelerate_abbreviates_one_of_trl(catalog: Catalog) -> None:
    """TRL's parser would swallow such a flag; the command then has to be the `--config` form."""
    for name in {*catalog.launch, *catalog.flags}:
        if any(own.startswith(name) for own in catalog.of("sft")):
            assert write_command(Recipe("sft", launch={name: "x"}), catalog).uses_config
