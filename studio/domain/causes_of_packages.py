"""Causes that are packages: what is not installed, the very line that installs it, and the values that do without."""

from __future__ import annotations

import re
from collections.abc import Iterator

from studio.domain.evidence import Cause, Clue, cause
from studio.domain.findings import Finding, Fix

# How what is missing is installed, by the name that it is imported by, and the values that do without it.
_INSTALLED = {
    "bitsandbytes": 'pip install "trl-studio[quantization]"',
    "flash_attn": "pip install flash-attn --no-build-isolation",
    "flash_attn_3": "pip install flash-attn-3",
    "vllm": 'pip install "trl-studio[vllm]"',
    "deepspeed": 'pip install "trl-studio[deepspeed]"',
    "liger_kernel": "pip install liger-kernel",
    "math_verify": "pip install math-verify",
    "peft": "pip install peft",
    "wandb": "pip install wandb",
    "tensorboard": "pip install tensorboard",
    "tensorboardX": "pip install tensorboard",
    "mlflow": "pip install mlflow",
    "comet_ml": "pip install comet_ml",
    "swanlab": "pip install swanlab",
    "trackio": "pip install trackio",
    "kernels": "pip install kernels",
    "PIL": "pip install Pillow",
    "torchvision": "pip install torchvision",
    "torchcodec": "pip install torchcodec",
    "sentencepiece": "pip install sentencepiece",
    "tiktoken": "pip install tiktoken",
    "jmespath": "pip install jmespath",
    "galore_torch": "pip install galore-torch",
    "apollo_torch": "pip install apollo-torch",
    "torchao": "pip install torchao",
}
_WITHOUT = {
    "bitsandbytes": ("load_in_4bit", "load_in_8bit", "optim"),
    "flash_attn": ("attn_implementation",),
    "flash_attn_3": ("attn_implementation",),
    "vllm": ("use_vllm", "vllm_mode"),
    "deepspeed": ("accelerate_config", "deepspeed"),
    "liger_kernel": ("use_liger_kernel",),
    "kernels": ("attn_implementation",),
    "wandb": ("report_to",),
    "tensorboard": ("report_to",),
    "mlflow": ("report_to",),
    "swanlab": ("report_to",),
    "comet_ml": ("report_to",),
}
_SPELT = {
    "flashattention2": "flash_attn", "flash-attn": "flash_attn", "flash attention 2": "flash_attn",
    "flash_attention_2": "flash_attn", "flash_attention_3": "flash_attn_3", "flash attention 3": "flash_attn_3",
    "flashattention3": "flash_attn_3", "liger-kernel": "liger_kernel", "math-verify": "math_verify",
    "flash_attn_2": "flash_attn", "flash attention": "flash_attn", "pillow": "PIL",
}  # fmt: skip


def _package(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    package = _named(clue.raised.text if clue.raised else clue.quote)
    if not package:
        return
    how = _INSTALLED.get(package, f"pip install {package.replace('_', '-')}")
    known = clue.evidence
    used = [name for name in _WITHOUT.get(package, ()) if known.recipe is not None and known.recipe.get(name)]
    if package == "bitsandbytes" and "optim" in used and "bit" not in str(known.value("optim")):
        used.remove("optim")
    fix = None
    if used == ["report_to"]:
        trackers = known.value("report_to")
        left = [name for name in trackers if name != package] if isinstance(trackers, list) else []
        fix = Fix(f"Report without {package}", {"report_to": left or "none"})
    elif used:
        fix = Fix(f"Do without {package}", {}, tuple(used))
    words = f"Install it where the studio runs: `{how}`"
    yield clue.finding(f"The package {package} is not installed", words, fix)


def _named(text: str) -> str:
    """The package that a message speaks of first, as it is imported."""
    spelt = {key.lower(): key for key in _INSTALLED} | _SPELT
    found = [(at, spelt[key]) for key in spelt if (at := text.lower().find(key)) >= 0]
    if found:
        return min(found, key=lambda one: (one[0], -len(one[1])))[1]
    asked = re.search(r"pip install (?:-\S+ )*[\"'`]?([\w-]+)|was found for ([\w-]+)|module named '([\w-]+)", text)
    return next((group for group in asked.groups() if group), "") if asked else ""


def _own_module(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    """A module that cannot be imported: a reward function's, or a package's."""
    module = match[1]
    functions = clue.evidence.value("reward_funcs")
    wanted = functions if isinstance(functions, list) else [functions]
    if any(isinstance(one, str) and one.rpartition(".")[0].split(".")[0] == module.split(".")[0] for one in wanted):
        left = [one for one in wanted if not str(one).startswith(f"{module}.")]
        fix = Fix(f"Do without {module}", {"reward_funcs": left}) if left else None
        why = "It is looked for in the run's folder, and among the installed packages."
        yield clue.finding(f"There is no module {module} with the reward function", why, fix)
    else:
        yield from _package(match, clue)


PACKAGES: tuple[Cause, ...] = (
    cause("own-module", r"ModuleNotFoundError: No module named '([^']+)'", _own_module),
    cause(
        "package",
        r"(?:pip install|not installed|be installed|need to install|is not available|No package metadata was found)",
        _package,
    ),
)
