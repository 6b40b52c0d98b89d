"""Checks of a recipe against the machine it would run on: devices, packages, paths, and who is signed in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from studio.domain.findings import Finding, Fix, finding
from studio.domain.recipe import Recipe

# What an option needs beyond the plain installation, and how it is installed.
_PACKAGES = {
    "load_in_4bit": ("bitsandbytes", 'pip install "trl-studio[quantization]"'),
    "load_in_8bit": ("bitsandbytes", 'pip install "trl-studio[quantization]"'),
    "use_vllm": ("vllm", 'pip install "trl-studio[vllm]"'),
    "use_liger_kernel": ("liger_kernel", "pip install liger-kernel"),
}
# The same for single values: (argument, how the value begins or ends, package, how it is installed).
_VALUE_PACKAGES = (
    ("optim", "8bit", "bitsandbytes", 'pip install "trl-studio[quantization]"'),
    ("optim", "paged_", "bitsandbytes", 'pip install "trl-studio[quantization]"'),
    ("attn_implementation", "flash_attention_2", "flash_attn", "pip install flash-attn"),
    ("attn_implementation", "flash_attention_3", "flash_attn_interface", "see the package's own page"),
)
_GPU_ONLY = ("load_in_4bit", "load_in_8bit", "use_vllm", "tf32", "fp16")
_MODELS = ("model_name_or_path", "teacher_model_name_or_path", "reward_model_name_or_path", "chat_template_path")
_FILES = ("accelerate_config", "config_file", "resume_from_checkpoint")


@dataclass(frozen=True)
class Surroundings:
    """What a check may know of the machine; there is none where the recipe is for elsewhere.

    `devices` is the number of GPUs (0: CPU only), `has_package` says whether a package can be imported, `missing`
    gives the words for a model's path that leads nowhere (or None), `device_ids` are the GPUs' numbers, `exists` says
    whether a file or folder is there, `profiles` are the accelerate profiles known by name, `signed_in` whether a
    Hugging Face token is set up, `cores` how many processor cores there are.
    """

    devices: int
    has_package: Callable[[str], bool]
    missing: Callable[[str], str | None]
    device_ids: tuple[int, ...] = ()
    exists: Callable[[str], bool] = lambda path: True
    profiles: tuple[str, ...] = ()
    signed_in: bool = True
    cores: int = 1


def machine_findings(recipe: Recipe, here: Surroundings) -> Iterator[Finding]:
    """What of the recipe this machine cannot do."""
    yield from _packages(recipe, here)
    if here.devices == 0:
        for name in _GPU_ONLY:
            if recipe.get(name) is True:
                fix = Fix("Switch it off", {name: False})
                yield finding("error", name, f"`{name}` needs a GPU, and this machine has none.", "", fix)
    yield from _devices(recipe, here)
    for name in _MODELS:
        value = recipe.get(name)
        words = here.missing(value) if isinstance(value, str) and value else None
        if words:
            yield finding("error", name, f"`{name}`: {words}", "TRL would take it for a name on the Hub.")
    yield from _missing_files(recipe, here)
    if recipe.get("push_to_hub") is True and not here.signed_in:
        yield finding(
            "error",
            "push_to_hub",
            "Nobody is signed in to Hugging Face here, so nothing can be pushed.",
            "The run would fail after training. Sign in with `hf auth login` in a terminal.",
            Fix("Do not push", {"push_to_hub": False}),
        )


def _packages(recipe: Recipe, here: Surroundings) -> Iterator[Finding]:
    for name, (package, cure) in _PACKAGES.items():
        if recipe.get(name) is True and not here.has_package(package):
            fix = Fix("Switch it off", {name: False})
            yield finding("error", name, f"`{name}` needs the package {package}.", f"Install it: {cure}", fix)
    for name, mark, package, cure in _VALUE_PACKAGES:
        value = recipe.get(name)
        if isinstance(value, str) and mark in value and not here.has_package(package):
            fix = Fix("Use TRL's default", {}, (name,))
            yield finding("error", name, f"`{name}: {value}` needs the package {package}.", f"Install it: {cure}", fix)
    profile = recipe.launch.get("accelerate_config")
    if isinstance(profile, str) and profile.startswith("zero") and not here.has_package("deepspeed"):
        yield finding(
            "error",
            "accelerate_config",
            f"The profile {profile} needs the package deepspeed.",
            'Install it: pip install "trl-studio[deepspeed]"',
            Fix("Use fsdp2", {"accelerate_config": "fsdp2"}),
        )
    functions = recipe.get("reward_funcs")
    if isinstance(functions, list) and "accuracy_reward" in functions and not here.has_package("math_verify"):
        yield finding("error", "reward_funcs", "`accuracy_reward` needs math-verify.", "pip install math-verify")


def _missing_files(recipe: Recipe, here: Surroundings) -> Iterator[Finding]:
    for name in _FILES:
        value = recipe.get(name)
        if not isinstance(value, str) or not value or value in here.profiles or here.exists(value):
            continue
        # TRL's own pages name the profiles by their files in its repository.
        stem = value.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".yaml").removesuffix(".yml")
        known = next((profile for profile in here.profiles if stem in (profile, f"deepspeed_{profile}")), None)
        if name == "accelerate_config" and known:
            fix = Fix(f"Use TRL's profile {known}", {name: known})
        else:
            fix = Fix(f"Leave {name} out", {}, (name,))
        yield finding("error", name, f"`{name}`: there is no {value} here.", "The run would stop when it starts.", fix)


def _devices(recipe: Recipe, here: Surroundings) -> Iterator[Finding]:
    processes, chosen = recipe.launch.get("num_processes"), recipe.launch.get("gpu_ids")
    if not isinstance(processes, int) or recipe.launch.get("num_machines"):
        processes = 1
    if 0 < here.devices < processes:
        yield finding(
            "error",
            "num_processes",
            f"{processes} processes for {here.devices} GPU{'s' if here.devices > 1 else ''}.",
            "Each process takes one.",
            Fix(f"Use {here.devices}", {"num_processes": here.devices}),
        )
    if here.devices == 0 and processes > 1:
        yield _many_on_a_cpu(processes, here.cores)
    if chosen is None or str(chosen) == "all":
        return
    if here.devices == 0 and not here.device_ids:
        yield finding("error", "gpu_ids", "There is no GPU here to choose.", "", Fix("Choose none", {}, ("gpu_ids",)))
        return
    yield from _absent(chosen, here)


def _many_on_a_cpu(processes: int, cores: int) -> Finding:
    fix = Fix("Run one process", {}, ("num_processes", "accelerate_config"))
    if processes > cores:
        why = (
            f"On a CPU each process needs a core of its own, and there are {cores}. For a machine with GPUs, export it."
        )
        return finding("error", "num_processes", f"{processes} processes, and no GPU here.", why, fix)
    why = "They share the processor's cores: useful to try a recipe out, not to be faster."
    return finding("warning", "num_processes", f"{processes} processes on a machine without a GPU.", why, fix)


def _absent(chosen: Any, here: Surroundings) -> Iterator[Finding]:
    wanted = [part.strip() for part in str(chosen).split(",")]
    absent = [part for part in wanted if not part.isdigit() or int(part) not in here.device_ids]
    if absent and here.device_ids:
        known = ", ".join(map(str, here.device_ids))
        fix = Fix("Use all", {}, ("gpu_ids",))
        yield finding("error", "gpu_ids", f"There is no GPU {absent[0]} here.", f"The GPUs are {known}.", fix)
