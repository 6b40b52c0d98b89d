"""Compute: the hardware that was found, how many processes, which profile, what precision."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.domain.epoch_steps import OF_A_STEP, epoch_of
from studio.domain.launch_plan import (
    ALONE,
    LaunchPlan,
    launch_plan,
    offload_options,
    offloads,
    read_config,
    without_offload,
)
from studio.domain.recipe import Recipe
from studio.service.launch import LaunchConfig
from studio.ui import pieces, queue_card
from studio.ui.blocks import field_row
from studio.ui.card import effective_batch, expected_steps
from studio.ui.controls import controls_of, shown
from studio.ui.events import QUIET
from studio.ui.form import Form
from studio.ui.hardware import MACHINE_SCRIPT, machine_card, readings
from studio.ui.profiles import CONTENT_SCRIPT, PROFILE_SCRIPT, config_text, own_config, profile_table

if TYPE_CHECKING:
    from studio.ui.page import Page

TITLE, ID = "Compute", "compute"
_PLANNING = (
    *OF_A_STEP,
    "gpu_ids",
    "accelerate_config",
    "use_cpu",
    "num_train_epochs",
    "max_steps",
    "packing",
    "max_length",
    "test_split_size",
)


def build(page: Page) -> None:
    """The machine, how its GPUs work together, what that means for a step, and precision."""
    page.html(_lead)

    def gpu_readings(_which: str) -> str:
        return readings(page.studio)

    machine = page.html(
        lambda form: machine_card(page.studio, form.recipe),
        follows=("gpu_ids", "use_cpu"),
        js_on_load=MACHINE_SCRIPT,
        server_functions=[gpu_readings],
        elem_id="machine",
    )
    queue_card.build(page)
    profile = ("accelerate_config",)
    own = page.html(partial(_own, page), profile, js_on_load=PROFILE_SCRIPT, elem_id="default-config")
    with gr.Column(elem_classes="ts-card ts-profiles"):
        table = page.html(partial(_table, page), profile, js_on_load=PROFILE_SCRIPT, elem_id="profiles")
        with field_row():
            _controls(page, "Launch", ("accelerate_config", "num_processes", "gpu_ids"))
        offload = gr.Checkbox(
            label="Offload to CPU memory", interactive=True, elem_id="offload", **_offload(page, page.start_form)
        )
        page.html(
            lambda form: config_text(_config(page, form)), profile, js_on_load=CONTENT_SCRIPT, elem_id="profile-text"
        )
    page.html(partial(_meaning, page), _PLANNING, elem_id="launch-plan")
    on_gpus = _precision(page)
    for component, draw, names in (
        (offload, partial(_offload_update, page), ("accelerate_config", "use_cpu")),
        (on_gpus, lambda form: gr.update(visible=_on_gpus(page, form)), ("use_cpu",)),
    ):
        page.redrawn.append((component, draw))
        page.follow(component, draw, names)
    page.wiring.append(partial(_wire, page, machine, (own, table), offload))


def _precision(page: Page) -> Any:
    """The card of precision and memory; its row for GPUs only."""
    with gr.Column(elem_classes="ts-card ts-precision"):
        page.html(partial(_abilities, page), ("use_cpu",), elem_id="abilities")
        with field_row():
            _controls(page, "Precision and memory", ("bf16", "activation_checkpointing", "use_cpu"))
        with field_row(visible=_on_gpus(page, page.start_form)) as on_gpus:
            _controls(page, "Precision and memory", ("tf32",))
            _controls(page, "Launch", ("mixed_precision",))
            _controls(page, "Precision and memory", ("fp16",))
    drawn = {control.name for control in page.controls}
    sections = ("Launch", "Precision and memory")
    rest = [row[0] for _, rows in controls_of(page.catalog, sections) for row in rows if row[0] not in drawn]
    if rest:
        page.section(sections, leave_out=tuple(drawn))
    return on_gpus


def _controls(page: Page, section: str, names: tuple[str, ...]) -> None:
    """Draws some controls of a section, in this order."""
    rows = {row[0]: row for _, rows in controls_of(page.catalog, (section,)) for row in rows}
    for name in names:
        if name in rows:
            page.control(*rows[name], section)


def _wire(page: Page, machine: Any, tables: tuple[Any, Any], offload: Any) -> None:
    def edited(name: str) -> tuple[list[Any], Any]:
        """What an edit of an argument draws, and how."""
        control = next(one for one in page.controls if one.name == name)
        followers = page.following.get(name, [])
        outputs = [*page.summary_outputs, control.component, *(component for component, _ in followers)]

        def draw(form: Form, value: Any) -> list[Any]:
            form.set(page.catalog, name, value, value is not None)
            summary = page.summary(form)
            return [*summary, shown(control, form.displayed(), page.catalog), *(draw(form) for _, draw in followers)]

        return outputs, draw

    gpu_outputs, set_gpus = edited("gpu_ids")
    profile_outputs, set_profile = edited("accelerate_config")

    def choose_gpus(form: Form, event: gr.EventData) -> list[Any]:
        known = {str(gpu.index) for gpu in page.studio.machine.gpus}
        chosen = [str(number) for number in event._data.get("gpus", []) if str(number) in known]
        every = set(chosen) == known or not chosen
        drawn: list[Any] = set_gpus(form, None if every else ",".join(chosen))
        return drawn

    def choose_profile(form: Form, event: gr.EventData) -> list[Any]:
        before = _config(page, form).options
        kept = offloads(form.recipe, before)
        name = str(event._data.get("profile", ""))
        config = read_config(page.catalog.profiles[name]) if name in page.catalog.profiles else None
        # Offloading is said in each kind of profile's own words.
        wanted = offload_options(config) if kept and not isinstance(config, str) else {}
        gone = tuple(option for option in offload_options(before) if option not in wanted)
        form.recipe = form.recipe.with_changes(page.catalog, wanted, gone)
        drawn: list[Any] = set_profile(form, name or None)
        return drawn

    def set_offload(wanted: bool, form: Form) -> list[Any]:
        config = _config(page, form).options
        options = offload_options(config)
        changes = options if wanted else without_offload(config)
        form.recipe = form.recipe.with_changes(page.catalog, changes, tuple(set(options) - set(changes)))
        return page.summary(form)

    every = {"trigger_mode": "multiple", **QUIET}
    machine.click(choose_gpus, [page.form], gpu_outputs, **every)
    for table in tables:
        table.click(choose_profile, [page.form], profile_outputs, **every)
    offload.input(set_offload, [offload, page.form], page.summary_outputs, trigger_mode="always_last", **QUIET)


# What is known ----------------------------------------------------------------------------------------------------


def _config(page: Page, form: Form) -> LaunchConfig:
    """The accelerate config in effect; a recipe for elsewhere meets nobody's default."""
    config = page.studio.recipes.launch_config(form.recipe)
    return LaunchConfig("none") if form.elsewhere and config.source == "default" else config


def _on_gpus(page: Page, form: Form) -> bool:
    """Whether the run may meet a GPU: what only a GPU can do is not offered without one."""
    return form.elsewhere or bool(page.studio.machine.gpus)


def _own(page: Page, form: Form) -> str:
    return own_config(_config(page, form), len(page.studio.machine.gpus))


def _table(page: Page, form: Form) -> str:
    own = _config(page, form).source == "default"
    return profile_table(page.catalog, form.recipe, own, form.elsewhere)


def _lead(form: Form) -> str:
    if form.elsewhere:
        return pieces.title(TITLE, "What a run uses on the machine that the YAML is for, and how its devices work.")
    return pieces.title(TITLE, "What a run uses on this machine, and how its devices work together.")


def _offload(page: Page, form: Form) -> dict[str, Any]:
    """The checkbox as it stands: shown only where accelerate would listen to it."""
    config = _config(page, form).options
    options = offload_options(config)
    offered = bool(options) and _on_gpus(page, form) and form.recipe.get("use_cpu") is not True
    what = "Optimizer state and weights wait" if len(options) == 2 else "Optimizer state waits"
    if "fsdp_offload_params" in options:
        what = "Weights, gradients and optimizer state wait"
    return {
        "value": offloads(form.recipe, config),
        "visible": offered,
        "info": f"{what} in the machine's memory: fits bigger models, several times slower.",
    }


def _offload_update(page: Page, form: Form) -> Any:
    return gr.update(**_offload(page, form))


# What this will mean ----------------------------------------------------------------------------------------------


def _meaning(page: Page, form: Form) -> str:
    recipe = form.launched()
    plan = _plan(page, form, recipe)
    known = plan is not None and plan.processes is not None
    counted = replace(recipe, launch={**recipe.launch, "num_processes": plan.processes if plan and known else 1})
    parts = effective_batch(counted, page.catalog)
    if parts is None or (plan is not None and not known):
        return _card("", '<p class="ts-hint">Batch, accumulation and processes are whole numbers from 1 on.</p>')
    batch, accumulation, processes = parts
    total = batch * accumulation * processes
    what = "answers" if recipe.method in ("grpo", "rloo") else "examples"
    figures = [(processes, "process" if processes == 1 else "processes")] if known else []
    figures += [
        (batch, "on each device"),
        (accumulation, "accumulation"),
    ]
    shown_parts = '<span class="ts-sign">×</span>'.join(_figure(number, words) for number, words in figures)
    result = _figure(total, f"{what} an update" if known else f"{what} an update and GPU")
    lines = [_length_words(page, form, counted) if known else "", _plan_words(page, form, plan)]
    hints = "".join(f'<p class="ts-hint">{line}</p>' for line in lines if line)
    return _card(f'{shown_parts}<span class="ts-sign">=</span>{result}', hints)


def _card(figures: str, hints: str) -> str:
    return (
        f'<div class="ts-card">{pieces.heading("What this will mean")}'
        f'<div class="ts-stats ts-sum" role="status">{figures}</div>{hints}</div>'
    )


def _figure(number: int, words: str) -> str:
    return f'<div class="ts-stat"><b>{pieces.count(number)}</b><span>{words}</span></div>'


def _plan(page: Page, form: Form, recipe: Recipe) -> LaunchPlan | None:
    """What starts; None where it depends on a machine that is not known."""
    if not form.elsewhere:
        return page.studio.recipes.launch_plan(recipe)
    config = _config(page, form).options
    asked = recipe.launch.get("num_processes", config.get("num_processes") if config else None)
    return launch_plan(recipe, config, asked) if isinstance(asked, int) else None


def _length_words(page: Page, form: Form, recipe: Recipe) -> str:
    rows = form.rows
    if rows is None:
        return "How many updates that is can be said once the dataset's rows are known."
    sequences = page.studio.tokens.sequences(form.recipe, form.looked)
    if recipe.get("packing") is True and sequences is None:
        return (
            f"{pieces.count(rows)} rows; packing puts short ones together, so the number of updates shows at the start."
        )
    epoch = epoch_of(recipe, page.catalog, rows, sequences)
    whole = expected_steps(form, recipe, page.catalog, sequences)
    words = f"{pieces.count(rows)} rows"
    words += f": {pieces.count(epoch)} updates an epoch" if epoch else ""
    return words + (f", {pieces.count(whole)} in the whole run." if whole else ".")


def _plan_words(page: Page, form: Form, plan: LaunchPlan | None) -> str:
    """Which devices, and what each of them holds."""
    if plan is None:
        return "One process starts for each GPU that is found there, unless Processes says how many."
    gpus = page.studio.machine.gpus
    on_cpu = not form.elsewhere and (not gpus or form.recipe.get("use_cpu") is True)
    if plan.kind in ALONE:
        if on_cpu:
            return "One process on the processor."
        if plan.spread > 1:
            return f"One process lays the model over {plan.spread} GPUs, of which one works at a time."
        return "One process on one GPU."
    where = "on the processor" if on_cpu else "one a GPU"
    if plan.processes == 1:
        return f"One process {'on the processor' if on_cpu else 'on one GPU'}, which shares with nobody."
    if not plan.shared:
        return f"{plan.processes} processes, {where}: each holds the whole model and takes its share of the batch."
    shared = ", ".join(plan.shared[:-1]) + f" and {plan.shared[-1]}" if len(plan.shared) > 1 else plan.shared[0]
    return f"{plan.processes} processes, {where}: they share {shared}, and each takes its part of the batch."


# Precision --------------------------------------------------------------------------------------------------------


def _abilities(page: Page, form: Form) -> str:
    """What this machine's hardware says to the switches below."""
    machine = page.studio.machine
    if form.elsewhere:
        words = "TRL trains in bfloat16 by itself. GPUs older than Ampere (2020) want float16 instead."
    elif not machine.gpus or form.recipe.get("use_cpu") is True:
        words = "On a processor float32 is the sure choice: the studio writes <code>bf16: false</code>."
    elif machine.older:
        name = pieces.text(next(iter(machine.older.values())))
        words = f"The {name} is older than Ampere: it imitates bfloat16, slowly. float16 is its fast format."
    elif machine.kind == "nvidia" and machine.gpus[0].capability is not None:
        words = f"The {pieces.text(machine.gpus[0].name)} has bfloat16 and TF32."
    else:
        words = "TRL trains in bfloat16 by itself. TF32 is NVIDIA's."
    return f'{pieces.heading("Precision and memory")}<p class="ts-hint">{words}</p>'
