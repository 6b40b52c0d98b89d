"""Checks of a recipe against the machine it would run on: devices, packages, paths, and who is signed in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from studio.domain.account import NOT_ASKED, Account, Repository
from studio.domain.findings import Finding, Fix, finding
from studio.domain.launch_plan import ALONE, launch_plan, offload_options
from studio.domain.push_checks import account_findings, tracker_findings
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

    `devices` is the number of GPUs that one run has (0: CPU only), `has_package` says whether a package can be
    imported, `missing` gives the words for a model's path that leads nowhere (or None), `device_ids` are the GPUs'
    numbers, `exists` says whether a file or folder is there, `profiles` are the accelerate profiles known by name,
    `cores` how many processor cores there are. `account` is who is signed in to Hugging Face, `repository` what is
    known of the one to push to. `older` names the GPUs that have no bfloat16 of their own, by number, `mixed` says
    that the GPUs are of different kinds, `unusable` why the installed torch cannot use them (a sentence, or empty).
    `accelerate` is the accelerate config in effect (a profile's, a file's, the user's default), or what is wrong with
    it as the end of a sentence.
    """

    devices: int
    has_package: Callable[[str], bool]
    missing: Callable[[str], str | None]
    device_ids: tuple[int, ...] = ()
    exists: Callable[[str], bool] = lambda path: True
    profiles: tuple[str, ...] = ()
    cores: int = 1
    account: Account = NOT_ASKED
    repository: Repository | None = None
    older: Mapping[int, str] = field(default_factory=dict)
    mixed: bool = False
    unusable: str = ""
    accelerate: Mapping[str, Any] | str | None = None


def machine_findings(recipe: Recipe, here: Surroundings) -> Iterator[Finding]:
    """What of the recipe this machine cannot do."""
    yield from _packages(recipe, here)
    if here.devices == 0:
        for name in _GPU_ONLY:
            if recipe.get(name) is True:
                fix = Fix("Switch it off", {name: False})
                yield finding("error", name, f"`{name}` needs a GPU, and this machine has none.", "", fix)
    else:
        yield from _gpu_abilities(recipe, here)
    yield from _devices(recipe, here)
    for name in _MODELS:
        value = recipe.get(name)
        words = here.missing(value) if isinstance(value, str) and value else None
        if words:
            yield finding("error", name, f"`{name}`: {words}", "TRL would take it for a name on the Hub.")
    yield from _missing_files(recipe, here)
    yield from _launch_config(recipe, here)
    yield from tracker_findings(recipe, here.has_package)
    yield from account_findings(recipe, here.account, here.repository)


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
    for name in ("accuracy_reward", "reasoning_accuracy_reward"):
        if isinstance(functions, list) and name in functions and not here.has_package("math_verify"):
            yield finding("error", "reward_funcs", f"`{name}` needs math-verify.", "pip install math-verify")


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


def _gpu_abilities(recipe: Recipe, here: Surroundings) -> Iterator[Finding]:
    """What the GPUs, or the torch that is to use them, cannot do."""
    if recipe.get("use_cpu") is True:
        return
    if here.unusable:
        fix = Fix("Train on the CPU", {"use_cpu": True, "bf16": False})
        yield finding("error", "use_cpu", here.unusable, "TRL would stop when it starts.", fix)
        return
    chosen = _chosen(recipe, here)
    old = [name for number, name in here.older.items() if number in chosen]
    if not old:
        return
    if recipe.get("tf32") is True:
        fix = Fix("Switch it off", {}, ("tf32",))
        why = "TF32 came with Ampere, and transformers refuses it on older GPUs."
        yield finding("error", "tf32", f"The {old[0]} knows no TF32.", why, fix)
    if recipe.get("fp16") is not True and recipe.get("bf16") is not False:
        why = "TRL takes bfloat16 by itself, which came with Ampere; on older GPUs it is only imitated, slowly."
        fix = Fix("Use float16", {"bf16": False, "fp16": True})
        yield finding("warning", "bf16", f"The {old[0]} has no bfloat16 of its own.", why, fix)


def _chosen(recipe: Recipe, here: Surroundings) -> tuple[int, ...]:
    """The numbers of the GPUs that the recipe may use; those that are not there are left out."""
    given = recipe.launch.get("gpu_ids")
    if given is None or str(given) == "all":
        return here.device_ids
    wanted = {part.strip() for part in str(given).split(",")}
    return tuple(number for number in here.device_ids if str(number) in wanted)


def _usable(recipe: Recipe, here: Surroundings) -> int:
    """How many GPUs the recipe may use: those it names, else what one run has here."""
    given = recipe.launch.get("gpu_ids")
    return here.devices if given is None or str(given) == "all" else len(_chosen(recipe, here)) or here.devices


def _launch_config(recipe: Recipe, here: Surroundings) -> Iterator[Finding]:
    """What does not fit the accelerate config in effect."""
    profile = recipe.launch.get("accelerate_config")
    if isinstance(here.accelerate, str):
        name = "accelerate_config" if profile else "config_file"
        fix = Fix(f"Leave {name} out", {}, (name,)) if name in recipe.launch else None
        fix = fix or Fix("Use TRL's profile single_gpu", {"accelerate_config": "single_gpu"})
        file = profile or recipe.launch.get("config_file") or "your default accelerate config"
        yield finding("error", name, f"{file} {here.accelerate}.", "accelerate would stop when it starts.", fix)
        return
    yield from _idle_offload(recipe, here.accelerate)
    devices = 0 if recipe.get("use_cpu") is True else _usable(recipe, here)
    plan = launch_plan(recipe, here.accelerate, devices)
    ids = str(recipe.launch.get("gpu_ids", "all"))
    if here.accelerate is not None and plan.kind == "MULTI_GPU" and ids.isdigit():
        fix = Fix("Use the profile single_gpu", {"accelerate_config": "single_gpu"}, ("num_processes",))
        why = "accelerate refuses to launch for several GPUs with one."
        yield finding("error", "gpu_ids", f"Only GPU {ids} is chosen, and the profile is for several.", why, fix)
    if here.accelerate is not None and plan.kind in ALONE and devices > 0 and (plan.asked or 1) > 1:
        fix = Fix("Use the profile multi_gpu", {"accelerate_config": "multi_gpu"})
        message = f"{plan.asked} processes are asked for, and this profile starts one."
        yield finding("error", "num_processes", message, "It is for one GPU, whatever num_processes says.", fix)
    elif plan.kind in ALONE and plan.spread > 1:
        first = _chosen(recipe, here)[0] if _chosen(recipe, here) else 0
        yield finding(
            "warning",
            "num_processes",
            f"One process would find {plan.spread} GPUs.",
            "TRL lays the model over all of them, layer by layer, so that one works at a time; a model that fits one "
            "GPU it refuses.",
            Fix(f"Use GPU {first} alone", {"gpu_ids": str(first)}),
        )


def _idle_offload(recipe: Recipe, config: Mapping[str, Any] | None) -> Iterator[Finding]:
    """Offloading that is asked for where accelerate does not listen."""
    heard = offload_options(config)
    for name in ("fsdp_offload_params", "offload_optimizer_device", "offload_param_device"):
        said = str(recipe.launch.get(name, "none")).lower()
        if name not in heard and said in ("true", "cpu", "nvme"):
            why = "accelerate listens to it with a profile that shares it over the GPUs, as fsdp2, zero2 and zero3 do."
            yield finding("note", name, f"`{name}` does nothing here.", why, Fix(f"Leave {name} out", {}, (name,)))


def _devices(recipe: Recipe, here: Surroundings) -> Iterator[Finding]:
    processes, chosen = recipe.launch.get("num_processes"), recipe.launch.get("gpu_ids")
    if not isinstance(processes, int) or recipe.launch.get("num_machines"):
        processes = 1
    wrong = list(_absent(chosen, here)) if chosen is not None and str(chosen) != "all" else []
    usable = _usable(recipe, here)
    if 0 < usable < processes and not wrong:
        plural = "s" if usable > 1 else ""
        yield finding(
            "error",
            "num_processes",
            f"{processes} processes for {usable} GPU{plural}.",
            "Each process takes one.",
            Fix(f"Use {usable}", {"num_processes": usable}),
        )
    if here.devices == 0 and processes > 1:
        yield _many_on_a_cpu(recipe, processes, here)
    if chosen is None or str(chosen) == "all":
        return
    if here.devices == 0 and not here.device_ids:
        yield finding("error", "gpu_ids", "There is no GPU here to choose.", "", Fix("Choose none", {}, ("gpu_ids",)))
        return
    yield from wrong
    if here.mixed and "CUDA_DEVICE_ORDER" not in recipe.env:
        yield finding(
            "warning",
            "gpu_ids",
            "The GPUs are of different kinds, and CUDA numbers them its own way.",
            "It counts the fastest first; the numbers here are the driver's.",
            Fix("Number them as here", {"env": {**recipe.env, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}}),
        )


def _many_on_a_cpu(recipe: Recipe, processes: int, here: Surroundings) -> Finding:
    fix = Fix("Run one process", {}, ("num_processes", "accelerate_config"))
    if processes > here.cores:
        cores = f"there are {here.cores}" if here.cores > 1 else "there is one"
        why = f"On a CPU each process needs a core of its own, and {cores}. For a machine with GPUs, export it."
        return finding("error", "num_processes", f"{processes} processes, and no GPU here.", why, fix)
    config = here.accelerate if not isinstance(here.accelerate, str) else None
    if launch_plan(recipe, config, 0).kind in ALONE:
        why = "accelerate starts several on a CPU only with a profile for several: multi_gpu does it."
        message = f"Without a GPU one process starts, not {processes}."
        return finding("warning", "num_processes", message, why, fix)
    why = "They share the processor's cores: useful to try a recipe out, not to be faster."
    return finding("warning", "num_processes", f"{processes} processes on a machine without a GPU.", why, fix)


def _absent(chosen: Any, here: Surroundings) -> Iterator[Finding]:
    wanted = [part.strip() for part in str(chosen).split(",")]
    fix = Fix("Use all", {}, ("gpu_ids",))
    known = ", ".join(map(str, here.device_ids))
    absent = [part for part in wanted if not part.isdigit() or int(part) not in here.device_ids]
    if absent and here.device_ids:
        message = f"There is no GPU {absent[0]} here." if absent[0] else f"`gpu_ids: {chosen}` lacks a number."
        yield finding("error", "gpu_ids", message, f"The GPUs are {known}.", fix)
    elif len(set(wanted)) < len(wanted):
        once = ",".join(dict.fromkeys(wanted))
        message = f"`gpu_ids: {chosen}` names a GPU twice."
        yield finding("error", "gpu_ids", message, "", Fix(f"Use {once}", {"gpu_ids": once}))
