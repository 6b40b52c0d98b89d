"""Compute: the hardware that was found, how many processes, which profile, what precision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gradio as gr

from studio.adapters.machine import Machine
from studio.ui import pieces

if TYPE_CHECKING:
    from studio.ui.page import Page

TITLE, ID = "Compute", "compute"
PROFILES = {
    "single_gpu": "one GPU",
    "multi_gpu": "several GPUs, the model fits each",
    "fsdp1": "the model shared over GPUs, the older way",
    "fsdp2": "the model shared over GPUs",
    "zero1": "DeepSpeed: optimizer shared",
    "zero2": "DeepSpeed: optimizer and gradients shared",
    "zero3": "DeepSpeed: everything shared",
}


def build(page: Page) -> None:
    """The machine, then accelerate's launch options and precision."""
    gr.HTML(pieces.title(TITLE, "What this machine has, and how a run uses it."), apply_default_css=False)
    gr.HTML(_machine(page.studio.machine), apply_default_css=False, elem_id="machine")
    page.section(("Launch", "Precision and memory"))
    lines = "".join(
        f"<dt>{name}</dt><dd>{PROFILES.get(name, 'bundled with TRL')}</dd>" for name in page.catalog.profiles
    )
    gr.HTML(
        '<div class="ts-card"><div class="ts-head"><h3>TRL\'s profiles</h3></div>'
        f'<dl class="ts-kv">{lines}</dl><div class="ts-hint">Each asks for eight processes by itself; '
        "Processes above says how many there really are.</div></div>",
        apply_default_css=False,
    )


def _machine(machine: Machine) -> str:
    if not machine.gpus:
        return (
            '<div class="ts-card"><div class="ts-head"><h3>No GPU found</h3>'
            f'<span class="ts-hint">{pieces.text(machine.summary)}</span></div>'
            '<div class="ts-hint">The studio adds <code>use_cpu: true</code> and <code>bf16: false</code>: TRL expects '
            "a GPU with bfloat16 and stops without these two. Small models train well here; for bigger ones make the "
            "YAML for elsewhere.</div></div>"
        )
    rows = "".join(
        f'<tr><td><b>{gpu.index}</b></td><td>{pieces.text(gpu.name)}</td><td class="num">{_gib(gpu.used)} of '
        f'{_gib(gpu.memory)}</td><td class="num">{_unit(gpu.use, " %")}</td>'
        f'<td class="num">{_unit(gpu.temperature, " °C")}</td></tr>'
        for gpu in machine.gpus
    )
    return (
        '<div class="ts-card"><div class="ts-head"><h3>GPUs</h3></div><table class="ts-table"><thead><tr>'
        '<th scope="col">No.</th><th scope="col">Name</th><th scope="col" class="num">Memory used</th>'
        f'<th scope="col" class="num">Busy</th><th scope="col" class="num">Heat</th></tr></thead><tbody>{rows}</tbody>'
        "</table></div>"
    )


def _gib(size: int | None) -> str:
    return "–" if size is None else f"{size / 2**30:.0f} GB"


def _unit(value: int | None, unit: str) -> str:
    return "–" if value is None else f"{value}{unit}"
