"""The `accelerate.yaml` beside a recipe: what only accelerate's command line can say, as its config file has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import yaml

from studio.domain.arguments import Catalog
from studio.domain.findings import Finding, Fix, Where
from studio.domain.recipe import Recipe

FILE_NAME = "accelerate.yaml"
# accelerate's distributed types, by the flag that chooses one (accelerate.commands.launch).
_TYPES = {
    "multi_gpu": "MULTI_GPU",
    "tpu": "XLA",
    "use_deepspeed": "DEEPSPEED",
    "use_fsdp": "FSDP",
    "use_megatron_lm": "MEGATRON_LM",
}
_DYNAMO = ("dynamo_use_fullgraph", "dynamo_use_dynamic", "dynamo_use_regional_compilation")
_NESTED = {**dict.fromkeys(_DYNAMO, "dynamo_config"), "fp8_use_autocast_during_eval": "fp8_config"}
_PLAIN = {"cpu": "use_cpu", "tpu_cluster": "tpu_use_cluster"}


def accelerate_file(
    recipe: Recipe, catalog: Catalog, base: str | None = None
) -> tuple[Recipe, str | None, list[Finding]]:
    """The recipe without its store-true flags, and the text of the file that says them instead.

    `base` is the text of the user's own config file where the recipe names one; a profile of TRL's is looked up. The
    text is None where the recipe has no flags. Findings name the flags that no file can say.
    """
    if not recipe.flags:
        return recipe, None, []
    profile = recipe.launch.get("accelerate_config")
    if base is None and isinstance(profile, str) and profile in catalog.profiles:
        base = catalog.profiles[profile]
    config: dict[str, Any] = dict(yaml.safe_load(base) or {}) if base else {}
    config.setdefault("compute_environment", "LOCAL_MACHINE")
    config.setdefault("distributed_type", "NO")
    findings: list[Finding] = []
    for flag in recipe.flags:
        if flag in _TYPES:
            config["distributed_type"] = _TYPES[flag]
        elif flag in _PLAIN:
            config[_PLAIN[flag]] = True
        elif flag in _NESTED:
            nested = dict(config.get(_NESTED[flag]) or {})
            nested[flag] = True
            config[_NESTED[flag]] = nested
        elif flag == "use_parallelism_config":
            config["parallelism_config"] = _parallelism(recipe.launch)
        else:
            findings.append(_only_as_flag(flag))
    if config["distributed_type"] not in ("NO", "XLA") and "num_processes" not in {**config, **recipe.launch}:
        findings.append(
            Finding(
                "error",
                Where("argument", "num_processes"),
                "`num_processes` is not set.",
                "An accelerate config file needs it: accelerate counts devices only for flags.",
                Fix("Use two processes", {"num_processes": 2}),
            )
        )
    text = f"# Read by accelerate: {FILE_NAME} stands beside the recipe.\n" + yaml.safe_dump(config, sort_keys=False)
    launch = {**recipe.launch, "accelerate_config": FILE_NAME}
    return replace(recipe, flags=(), launch=launch), text, findings


def _parallelism(launch: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in launch.items() if name.startswith("parallelism_config_")} or {
        "parallelism_config_dp_replicate_size": 1
    }


def _only_as_flag(flag: str) -> Finding:
    return Finding(
        "warning",
        Where("argument", flag),
        f"`--{flag}` can only be said on accelerate's command line.",
        "accelerate reads it neither from a YAML nor from its config file; use the command.",
        Fix(f"Leave {flag} out", {}, (flag,)),
    )
