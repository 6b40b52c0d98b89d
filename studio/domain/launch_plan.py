"""What a launch really starts: how many processes, sharing what, by the recipe and accelerate's config together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import yaml

from studio.domain.recipe import Recipe

# accelerate's flags that choose a distributed type; a config file says it as `distributed_type`.
_BY_FLAG = {
    "multi_gpu": "MULTI_GPU",
    "use_fsdp": "FSDP",
    "use_deepspeed": "DEEPSPEED",
    "use_megatron_lm": "MEGATRON_LM",
}
_SHARED = {
    "FSDP": ("optimizer", "gradients", "weights"),
    "DEEPSPEED": ("optimizer", "gradients", "weights"),
    "MEGATRON_LM": ("weights",),
}
ALONE = ("NO", "MULTI_CPU")  # accelerate starts one process for these, whatever `num_processes` says


@dataclass(frozen=True)
class LaunchPlan:
    """`processes` is the number that really starts (None while the recipe's is no number), `asked` what it was told.

    `kind` is accelerate's distributed type and `shared` what the processes share beside the batch. `spread` is the
    number of GPUs that a single process would find: above 1, TRL lays the model over all of them, layer by layer.
    """

    kind: str
    processes: int | None
    asked: int | None
    shared: tuple[str, ...] = ()
    spread: int = 1


@lru_cache(maxsize=64)
def read_config(text: str) -> Mapping[str, Any] | str:
    """An accelerate config's text as a mapping, or what is wrong with it as the end of a sentence."""
    try:
        loaded = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        return "is no YAML" + (f" (line {mark.line + 1})" if mark is not None else "")
    if not isinstance(loaded, dict):
        return "holds no options of accelerate"
    if "distributed_type" not in loaded:
        return "says no `distributed_type`, which accelerate wants"
    return MappingProxyType({str(key): value for key, value in loaded.items()})


def launch_plan(recipe: Recipe, config: Mapping[str, Any] | None, devices: int) -> LaunchPlan:
    """What starts for the recipe: `config` is the accelerate config in effect, if any, `devices` the GPUs it may use.

    Mirrors `accelerate launch`: without a config several processes start only where there are several GPUs.
    """
    given = recipe.launch.get("num_processes", config.get("num_processes") if config else max(devices, 1))
    asked = given if isinstance(given, int) and not isinstance(given, bool) and given > 0 else None
    flagged = next((kind for flag, kind in _BY_FLAG.items() if flag in recipe.flags), None)
    if flagged is not None:
        kind = flagged
    elif config is not None:
        kind = str(config.get("distributed_type"))
    else:
        kind = "MULTI_GPU" if (asked or 1) > 1 and devices > 1 else "NO"
    if kind in ALONE:
        return LaunchPlan(kind, 1, asked, (), max(devices, 1))
    shared = _SHARED.get(kind, ())
    if kind == "DEEPSPEED":
        stage = _section(config, "deepspeed_config").get("zero_stage")
        shared = shared[:stage] if isinstance(stage, int) else shared
    return LaunchPlan(kind, asked, asked, shared)


def offload_options(config: Mapping[str, Any] | None) -> Mapping[str, str]:
    """The launch options that keep what the GPUs share in CPU memory; empty where accelerate would ignore them.

    Given at launch they win over the config's own (accelerate's `_validate_launch_command`).
    """
    kind = str(config.get("distributed_type")) if config else "NO"
    if kind == "FSDP":
        return {"fsdp_offload_params": "true"}
    deepspeed = _section(config, "deepspeed_config")
    if kind != "DEEPSPEED" or "deepspeed_config_file" in deepspeed:
        return {}
    stage = deepspeed.get("zero_stage")
    if stage == 3:
        return {"offload_optimizer_device": "cpu", "offload_param_device": "cpu"}
    return {"offload_optimizer_device": "cpu"} if stage == 2 else {}


def offloads(recipe: Recipe, config: Mapping[str, Any] | None) -> bool:
    """Whether a run would keep shared state in CPU memory, by the recipe or by the config itself."""
    own = {**_section(config, "fsdp_config"), **_section(config, "deepspeed_config")}
    options = offload_options(config)
    said = {name: str(recipe.launch.get(name, own.get(name))).lower() for name in options}
    return bool(options) and all(said[name] == value for name, value in options.items())


def without_offload(config: Mapping[str, Any] | None) -> Mapping[str, str]:
    """The launch options that take offloading back where the config itself asks for it; empty where it does not."""
    own = {**_section(config, "fsdp_config"), **_section(config, "deepspeed_config")}
    off = {"fsdp_offload_params": "false", "offload_optimizer_device": "none", "offload_param_device": "none"}
    return {name: off[name] for name, value in offload_options(config).items() if str(own.get(name)).lower() == value}


def changes_of(config: Mapping[str, Any]) -> list[str]:
    """What a config changes against a plain launch, in words: for the user's own, which works in silence."""
    said = []
    kind = str(config.get("distributed_type"))
    if kind not in ("NO", "None"):
        said.append(f"launches as {kind}")
    if config.get("use_cpu") is True:
        said.append("trains on the CPU, also where there is a GPU")
    if isinstance(config.get("num_machines"), int) and config["num_machines"] > 1:
        said.append(f"waits for {config['num_machines']} machines")
    ids = config.get("gpu_ids")
    if ids not in (None, "all", ""):
        said.append(f"uses only GPU {ids}")
    precision = config.get("mixed_precision")
    if precision not in (None, "no", False):
        said.append(f"mixed precision {precision} where bf16 and fp16 are off")
    if isinstance(config.get("dynamo_config"), Mapping) and config["dynamo_config"]:
        said.append("compiles the model (dynamo)")
    return said


def _section(config: Mapping[str, Any] | None, name: str) -> Mapping[str, Any]:
    found = config.get(name) if config else None
    return found if isinstance(found, Mapping) else {}
