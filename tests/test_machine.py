"""The machine as its driver tells of it, what a launch really starts on it, and what it cannot do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fake_smi import FakeSmi, gpu

from studio.adapters import machine as adapter
from studio.adapters.home import Home
from studio.adapters.machine import Gpu, GpuWatch, Machine, default_accelerate_config, look, look_at_gpus
from studio.domain.arguments import Catalog
from studio.domain.checks import check
from studio.domain.completion import complete
from studio.domain.errors import StudioError
from studio.domain.findings import Finding
from studio.domain.launch_plan import (
    changes_of,
    launch_plan,
    offload_options,
    offloads,
    read_config,
    without_offload,
)
from studio.domain.machine_checks import Surroundings
from studio.domain.recipe import Recipe
from studio.domain.turns import Rules
from studio.service.studio import Studio

GIB = 2**30


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSmi:
    """An NVIDIA driver's tool first on the PATH, without GPUs yet."""
    monkeypatch.setenv("PATH", str(tmp_path / "smi"), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return FakeSmi(tmp_path / "smi")


# What the driver tells ------------------------------------------------------------------------------------------


def test_what_the_driver_tells_is_read(smi: FakeSmi) -> None:
    smi.set(
        [gpu(0, memory_used=31240, utilization_gpu=97, temperature_gpu=61), gpu(1, name="Tesla T4", compute_cap="7.5")]
    )
    found = look()
    assert found.kind == "nvidia"
    first = found.gpus[0]
    assert (first.index, first.name, first.memory, first.used) == (0, "NVIDIA A100-SXM4-80GB", 80 * GIB, 31240 * 2**20)
    assert (first.use, first.temperature, first.capability, first.uuid) == (97, 61, 8.0, "GPU-00000000")
    assert found.older == {1: "Tesla T4"}
    assert found.mixed
    assert found.summary == "2 × NVIDIA A100-SXM4-80GB · 80 GB"


def test_what_it_does_not_tell_is_none(smi: FakeSmi) -> None:
    smi.set([gpu(0, memory_total=None, memory_used=None, utilization_gpu=None, temperature_gpu=None, compute_cap=None)])
    assert look_at_gpus() == (Gpu(0, "NVIDIA A100-SXM4-80GB", uuid="GPU-00000000"),)


def test_an_old_driver_that_knows_no_capability_still_tells_the_rest(smi: FakeSmi) -> None:
    old = gpu(0)
    del old["compute_cap"]
    smi.set([old])
    (found,) = look_at_gpus()
    assert (found.memory, found.capability) == (80 * GIB, None)
    assert look().older == {}


def test_no_gpu_and_a_broken_driver_are_a_cpu(smi: FakeSmi) -> None:
    assert look().kind in ("cpu", "amd", "apple")
    (smi.folder / "nvidia-smi").write_text("#!/bin/sh\necho 'Failed to initialize NVML: Driver mismatch'\nexit 18\n")
    assert [found for found in look_at_gpus() if found.uuid] == []


@pytest.mark.parametrize(
    ("visible", "seen"),
    [("", []), ("1", [1]), ("0,2", [0, 2]), ("GPU-00000002", [2]), ("GPU-", []), ("9", []), ("-1", [])],
)
def test_only_the_gpus_that_this_process_may_use_count(
    smi: FakeSmi, monkeypatch: pytest.MonkeyPatch, visible: str, seen: list[int]
) -> None:
    smi.set([gpu(number) for number in range(3)])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [found.index for found in look_at_gpus()] == seen


def test_amd_is_read_from_the_kernel(tmp_path: Path) -> None:
    card = tmp_path / "card0" / "device"
    (card / "hwmon" / "hwmon3").mkdir(parents=True)
    for name, text in {
        "mem_info_vram_total": str(64 * GIB),
        "mem_info_vram_used": str(5 * GIB),
        "gpu_busy_percent": "42",
        "product_name": "AMD Instinct MI210",
        "hwmon/hwmon3/temp1_input": "51000",
    }.items():
        (card / name).write_text(text + "\n")
    (tmp_path / "card1" / "device").mkdir(parents=True)
    assert adapter._amd(tmp_path) == (Gpu(0, "AMD Instinct MI210", 64 * GIB, 5 * GIB, 42, 51),)


@pytest.mark.parametrize(
    ("text", "build"),
    [
        ("cuda: Optional[str] = '13.0'\nhip: Optional[str] = None\n", "cuda"),
        ("cuda: Optional[str] = None\nhip: Optional[str] = '6.2'\n", "rocm"),
        ("cuda = None\nhip = None\n", "cpu"),
        ("", ""),
    ],
)
def test_what_torch_was_built_for_is_told_without_importing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, build: str
) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (tmp_path / "torch" / "version.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert adapter.torch_build() == build


def test_gpus_that_the_installed_torch_cannot_use_are_said(catalog: Catalog) -> None:
    here = Machine("nvidia", (Gpu(0, "NVIDIA L4"),), 8, GIB, "Linux", "cpu")
    assert here.unusable == "The installed torch is built for CPUs only, so it cannot use the NVIDIA L4."
    assert Machine("nvidia", here.gpus, 8, GIB, "Linux", "cuda").unusable == ""
    assert Machine("nvidia", here.gpus, 8, GIB, "Linux").unusable == ""
    assert Machine("apple", here.gpus, 8, GIB, "Darwin", "cpu").unusable == ""
    (found,) = [one for one in of(catalog, unusable=here.unusable) if one.level == "error"]
    assert found.fix is not None
    assert of(catalog, unusable=here.unusable, **found.fix.set) == []


def test_the_driver_is_asked_once_for_all_who_look_at_once(smi: FakeSmi) -> None:
    smi.set([gpu(0)])
    now = [0.0]
    watch = GpuWatch(look_at_gpus, keep=2.0, clock=lambda: now[0])
    assert watch.last() == ()
    for _ in range(5):
        assert watch.gpus()[0].use == 0
    assert smi.asked == 1
    smi.set([gpu(0, utilization_gpu=88)])
    now[0] = 1.9
    assert watch.gpus()[0].use == 0
    now[0] = 2.0
    assert watch.gpus()[0].use == watch.last()[0].use == 88
    smi.set([])
    now[0] = 9.0
    assert watch.gpus()[0].use == 88  # the driver says nothing: the last readings stand


# What a launch starts -------------------------------------------------------------------------------------------


def plan_of(catalog: Catalog, profile: str | None, devices: int, **launch: Any) -> tuple[str, int | None, int]:
    config = read_config(catalog.profiles[profile]) if profile else None
    assert not isinstance(config, str)
    plan = launch_plan(Recipe("sft", launch=launch), config, devices)
    return plan.kind, plan.processes, plan.spread


@pytest.mark.parametrize(
    ("profile", "devices", "launch", "wanted"),
    [
        (None, 0, {}, ("NO", 1, 1)),
        (None, 0, {"num_processes": 2}, ("NO", 1, 1)),
        (None, 1, {}, ("NO", 1, 1)),
        (None, 4, {}, ("MULTI_GPU", 4, 1)),
        (None, 4, {"num_processes": 1}, ("NO", 1, 4)),
        (None, 4, {"num_processes": 2}, ("MULTI_GPU", 2, 1)),
        ("single_gpu", 4, {"num_processes": 4}, ("NO", 1, 4)),
        ("multi_gpu", 0, {"num_processes": 2}, ("MULTI_GPU", 2, 1)),
        ("multi_gpu", 4, {}, ("MULTI_GPU", 8, 1)),
        ("fsdp2", 4, {"num_processes": 4}, ("FSDP", 4, 1)),
        ("zero3", 4, {"num_processes": 0}, ("DEEPSPEED", None, 1)),
        (None, 4, {"num_processes": "many"}, ("NO", 1, 4)),
    ],
)
def test_how_many_processes_really_start(
    catalog: Catalog, profile: str | None, devices: int, launch: dict[str, Any], wanted: tuple[str, int | None, int]
) -> None:
    assert plan_of(catalog, profile, devices, **launch) == wanted


def test_what_the_processes_share_by_profile(catalog: Catalog) -> None:
    shared = {}
    for name, text in catalog.profiles.items():
        config = read_config(text)
        assert not isinstance(config, str)
        shared[name] = len(launch_plan(Recipe("sft"), config, 2).shared)
    assert shared == {"single_gpu": 0, "multi_gpu": 0, "zero1": 1, "zero2": 2, "zero3": 3, "fsdp1": 3, "fsdp2": 3}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [1,", "is no YAML (line 1)"),
        ("just words", "holds no options"),
        ("", "holds no options"),
        ("num_processes: 2\n", "says no `distributed_type`"),
    ],
)
def test_a_file_that_is_no_config_is_named(catalog: Catalog, text: str, words: str) -> None:
    config = read_config(text)
    assert isinstance(config, str)
    assert words in config
    (found,) = [
        one for one in of(catalog, {"accelerate_config": "mine.yaml"}, accelerate=config) if one.level == "error"
    ]
    assert found.message == f"mine.yaml {config}."
    assert found.fix is not None
    assert found.fix.unset == ("accelerate_config",)


@pytest.mark.slow
def test_the_plan_and_the_offloading_are_accelerates(catalog: Catalog, tmp_path: Path) -> None:
    """accelerate's own reading of a launch: which launcher it takes, and that what is said at launch wins."""
    cases = []
    for name, text in catalog.profiles.items():
        (tmp_path / f"{name}.yaml").write_text(text)
        config = read_config(text)
        assert not isinstance(config, str)
        for options in ({}, dict(offload_options(config))):
            words = [word for key, value in options.items() for word in (f"--{key}", value)]
            cases.append(
                [name, ["--config_file", str(tmp_path / f"{name}.yaml"), "--num_processes", "2", *words, "x.py"]]
            )
    script = (
        "import json, sys\n"
        "from accelerate.commands.launch import _validate_launch_command, launch_command_parser\n"
        "from accelerate.utils.launch import prepare_deepspeed_cmd_env, prepare_multi_gpu_env\n"
        "for name, words in json.loads(sys.argv[1]):\n"
        "    args, defaults, _ = _validate_launch_command(launch_command_parser().parse_args(words))\n"
        "    env, args.deepspeed_fields_from_accelerate_config = {}, ''\n"
        "    kind = [k for k in ('use_deepspeed', 'use_fsdp', 'multi_gpu') if getattr(args, k)]\n"
        "    if args.use_deepspeed: env = prepare_deepspeed_cmd_env(args)[1]\n"
        "    elif kind: env = prepare_multi_gpu_env(args)\n"
        "    said = {k: v for k, v in env.items() if 'OFFLOAD' in k and 'NVME' not in k and 'ACTIVATION' not in k}\n"
        "    print(json.dumps([name, kind, args.num_processes, said]))\n"
    )
    done = subprocess.run([sys.executable, "-c", script, json.dumps(cases)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    kinds = {"MULTI_GPU": ["multi_gpu"], "FSDP": ["use_fsdp"], "DEEPSPEED": ["use_deepspeed"], "NO": []}
    fsdp, optimizer, weights = (
        "FSDP_OFFLOAD_PARAMS",
        "ACCELERATE_DEEPSPEED_OFFLOAD_OPTIMIZER_DEVICE",
        "ACCELERATE_DEEPSPEED_OFFLOAD_PARAM_DEVICE",
    )
    with_offload = {
        "fsdp1": {fsdp: "true"},
        "fsdp2": {fsdp: "true"},
        "zero2": {optimizer: "cpu", weights: "none"},
        "zero3": {optimizer: "cpu", weights: "cpu"},
    }
    for name, kind, processes, _ in told:
        assert kind == kinds[plan_of(catalog, name, 2)[0]], name
        assert processes == 2
    assert {name: said for name, _, _, said in told[1::2] if name in with_offload} == with_offload
    assert {name for name, _, _, said in told[::2] if "true" in said.values() or "cpu" in said.values()} == set()


def test_offloading_is_offered_where_it_takes_effect_and_taken_back(catalog: Catalog) -> None:
    offered = {}
    for name, text in catalog.profiles.items():
        config = read_config(text)
        assert not isinstance(config, str)
        offered[name] = dict(offload_options(config))
        recipe = Recipe("sft", launch={"accelerate_config": name})
        assert not offloads(recipe, config)
        if offered[name]:
            assert offloads(recipe.with_changes(catalog, offered[name]), config)
            assert without_offload(config) == {}
    both = {"offload_optimizer_device": "cpu", "offload_param_device": "cpu"}
    assert {name: options for name, options in offered.items() if options} == {
        "fsdp1": {"fsdp_offload_params": "true"},
        "fsdp2": {"fsdp_offload_params": "true"},
        "zero2": {"offload_optimizer_device": "cpu"},
        "zero3": both,
    }
    own = {"distributed_type": "FSDP", "fsdp_config": {"fsdp_offload_params": True}}
    assert offloads(Recipe("sft"), own)
    assert not offloads(Recipe("sft", launch=dict(without_offload(own))), own)
    assert offload_options({"distributed_type": "DEEPSPEED", "deepspeed_config": {"deepspeed_config_file": "x"}}) == {}


def test_a_profile_for_one_gpu_is_completed_with_one_process(catalog: Catalog) -> None:
    config = read_config(catalog.profiles["single_gpu"])
    assert not isinstance(config, str)
    recipe = Recipe("sft", launch={"accelerate_config": "single_gpu"})
    done = complete(recipe, catalog, "run", 4, lambda path: None, config)
    assert done.recipe.launch["num_processes"] == 1
    assert done.notes["num_processes"] == "the profile starts one"


# What does not fit ----------------------------------------------------------------------------------------------


def of(catalog: Catalog, launch: dict[str, Any] | None = None, **more: Any) -> list[Finding]:
    """Findings on four GPUs, unless `more` says otherwise; what the recipe has as values goes there too."""
    around = {name: more.pop(name) for name in list(more) if name in Surroundings.__dataclass_fields__}
    settings = {"devices": 4, "device_ids": (0, 1, 2, 3), "has_package": lambda package: True, **around}
    recipe = Recipe("sft", {"model_name_or_path": "a/b", "dataset_name": "c/d", **more}, launch=launch or {})
    return check(recipe, catalog, Surroundings(missing=lambda value: None, **settings))


def profile(catalog: Catalog, name: str) -> Any:
    return read_config(catalog.profiles[name])


@pytest.mark.parametrize(
    ("launch", "around", "level", "words"),
    [
        ({"gpu_ids": "9"}, {}, "error", "There is no GPU 9 here."),
        ({"gpu_ids": "0,,2"}, {}, "error", "lacks a number"),
        ({"gpu_ids": "0,0"}, {}, "error", "names a GPU twice"),
        ({"gpu_ids": "-1"}, {}, "error", "There is no GPU -1"),
        ({"num_processes": 4, "gpu_ids": "0,2"}, {}, "error", "4 processes for 2 GPUs."),
        ({"num_processes": 0}, {}, "error", "at least 1"),
        ({"num_processes": -1}, {}, "error", "at least 1"),
        ({"num_processes": 10**9}, {}, "error", "1000000000 processes for 4 GPUs."),
        ({"num_processes": 1}, {}, "warning", "One process would find 4 GPUs."),
        ({"num_processes": 2}, {"devices": 0, "device_ids": (), "cores": 8}, "warning", "one process starts, not 2"),
        ({"num_processes": 10**9}, {"devices": 0, "device_ids": ()}, "error", "and no GPU here"),
        ({"gpu_ids": "0"}, {"mixed": True, "device_ids": (0, 1)}, "warning", "CUDA numbers them its own way"),
    ],
)
def test_choices_that_do_not_fit_the_machine(
    catalog: Catalog, launch: dict[str, Any], around: dict[str, Any], level: str, words: str
) -> None:
    findings = of(catalog, launch, **around)
    (found,) = [one for one in findings if words in one.message]
    assert found.level == level
    assert found.fix is not None
    recipe = Recipe("sft", launch=launch).with_changes(catalog, found.fix.set, found.fix.unset)
    again = check(
        Recipe("sft", {"model_name_or_path": "a/b", "dataset_name": "c/d"}, recipe.launch, env=recipe.env),
        catalog,
        Surroundings(
            missing=lambda value: None,
            **{"devices": 4, "device_ids": (0, 1, 2, 3), "has_package": lambda package: True, **around},
        ),
    )
    assert [one.message for one in again if words in one.message] == []


@pytest.mark.parametrize(
    ("name", "launch", "level", "words"),
    [
        ("multi_gpu", {"gpu_ids": "2"}, "error", "Only GPU 2 is chosen"),
        ("single_gpu", {"num_processes": 4}, "error", "4 processes are asked for, and this profile starts one."),
        ("single_gpu", {"num_processes": 1}, "warning", "One process would find 4 GPUs."),
        ("single_gpu", {"num_processes": 1, "gpu_ids": "3"}, "", ""),
        ("multi_gpu", {"num_processes": 2, "gpu_ids": "0,3"}, "", ""),
        ("fsdp2", {"num_processes": 4}, "", ""),
    ],
)
def test_profiles_and_the_gpus_chosen_go_together(
    catalog: Catalog, name: str, launch: dict[str, Any], level: str, words: str
) -> None:
    findings = of(catalog, {"accelerate_config": name, **launch}, accelerate=profile(catalog, name))
    assert [(one.level, one.message) for one in findings if words in one.message and one.level != "note"] == (
        [(level, findings[0].message)] if level else []
    )


def test_older_gpus_want_float16(catalog: Catalog) -> None:
    old = {"older": {1: "Tesla T4"}}
    (found,) = of(catalog, {"gpu_ids": "0,1", "num_processes": 2}, **old)
    assert (found.level, found.message) == ("warning", "The Tesla T4 has no bfloat16 of its own.")
    assert found.fix is not None
    assert of(catalog, {"gpu_ids": "0,1", "num_processes": 2}, **old, **found.fix.set) == []
    assert of(catalog, {"gpu_ids": "0,2", "num_processes": 2}, **old) == []
    errors = [one.where.name for one in of(catalog, tf32=True, bf16=False, **old) if one.level == "error"]
    assert errors == ["tf32"]


# The user's own default config ----------------------------------------------------------------------------------


def test_the_users_own_config_is_read_named_and_kept_out_by_a_profile(
    tmp_path: Path, catalog_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    assert default_accelerate_config() is None
    own = tmp_path / "hf" / "accelerate" / "default_config.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("distributed_type: FSDP\nuse_cpu: true\nnum_machines: 2\ngpu_ids: '1'\nnum_processes: 2\n")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "cache").symlink_to(catalog_folder)
    studio = Studio(Home(tmp_path / "home"))
    recipe = Recipe("sft", {"model_name_or_path": "a/b", "dataset_name": "c/d"})
    (found,) = [one for one in studio.prepare(recipe).findings if one.where.kind == "file"]
    assert found.level == "warning"
    for words in ("FSDP", "on the CPU", "2 machines", "GPU 1"):
        assert words in found.why
    assert found.fix is not None
    kept_out = recipe.with_changes(studio.arguments.get(), found.fix.set)
    assert [one for one in studio.prepare(kept_out).findings if one.where.kind == "file"] == []
    assert studio.recipes.launch_config(kept_out).source == "profile"
    assert [one for one in studio.prepare(recipe, elsewhere=True).findings if one.where.kind == "file"] == []
    own.write_text("- a list\n")
    wrong = [one.message for one in studio.prepare(recipe).findings if one.level == "error"]
    assert "your default accelerate config holds no options of accelerate." in wrong


def test_a_plain_config_changes_nothing() -> None:
    assert changes_of({"distributed_type": "NO", "gpu_ids": "all", "mixed_precision": "no", "num_machines": 1}) == []


# Sets that the queue hands out ----------------------------------------------------------------------------------


def test_a_run_starts_a_process_for_each_gpu_of_the_set_that_it_gets(
    smi: FakeSmi, tmp_path: Path, catalog_folder: Path
) -> None:
    smi.set([gpu(number) for number in range(4)])
    (tmp_path / "cache").symlink_to(catalog_folder, target_is_directory=True)
    studio = Studio(Home(tmp_path))
    recipe = Recipe("sft", {"model_name_or_path": "a/b", "dataset_name": "c/d"})
    assert studio.prepare(recipe).recipe.launch["num_processes"] == 4
    studio.set_rules(Rules(2, ((0, 1), (2, 3))))
    assert studio.prepare(recipe).recipe.launch["num_processes"] == 2
    assert studio.gpus_for(recipe) is None
    chosen = recipe.with_changes(studio.arguments.get(), {"gpu_ids": "0,1,2"})
    assert studio.prepare(chosen).recipe.launch["num_processes"] == 3
    four = recipe.with_changes(studio.arguments.get(), {"num_processes": 4})
    said = [found for found in studio.prepare(four).findings if found.where.name == "num_processes"]
    assert [(found.level, found.message) for found in said] == [("error", "4 processes for 2 GPUs.")]
    with pytest.raises(StudioError, match="There is no GPU 4 here"):
        studio.set_rules(Rules(sets=((3, 4),)))
    with pytest.raises(StudioError, match="two sets"):
        studio.set_rules(Rules(sets=((0, 1), (1,))))
    assert studio.queue.rules() == Rules(2, ((0, 1), (2, 3)))
