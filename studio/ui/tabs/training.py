"""Training: how long, how fast, on what batches, and what the method itself asks for."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.domain.arguments import Catalog
from studio.domain.epoch_steps import OF_A_STEP
from studio.domain.kept_checkpoints import DECIDING as SAVING
from studio.domain.kept_checkpoints import Kept
from studio.domain.methods import method_named
from studio.domain.model_facts import size_text
from studio.domain.overlay import OVERLAYS
from studio.domain.recipe import in_effect
from studio.domain.schedule import BY_RESULT, lacking, rates, warmup_of
from studio.ui import pieces, rewards_card
from studio.ui.card import effective_batch, expected_steps
from studio.ui.form import Form

if TYPE_CHECKING:
    from studio.ui.page import Page

TITLE, ID = "Training", "training"
FIRST = ("Length of training", "Batch", "Learning rate")
THEN = ("Generation", "Method", "Sequence", "Evaluation", "Saving")
ELSEWHERE = ("output_dir", "seed", "resume_from_checkpoint")  # on other tabs
ADVANCED = tuple(
    dict.fromkeys(
        record.name
        for record in OVERLAYS
        if record.advanced and record.section in (*FIRST, *THEN) and record.name not in ELSEWHERE
    )
)
_OF_THE_LENGTH = ("num_train_epochs", "max_steps", "packing", "max_length", "test_split_size")
_OF_THE_RATE = ("learning_rate", "lr_scheduler_type", "warmup_steps", "lr_scheduler_kwargs", "use_peft")
_OF_AN_ADAPTER = ("lora_r", "lora_target_modules", "use_dora", "load_in_4bit", "load_in_8bit")
# What is said here, for the languages of the page.
WORDS = (
    "A checkpoint takes about {size}: {weights} of weights and {state} of what the optimizer remembers.",
    "A checkpoint takes about {size}.",
    "A checkpoint takes {size} of weights; what this optimizer remembers is known once it has saved.",
    "The newest {number} are kept: {all}, and {most} while the next one is written.",
    "All {number} are kept: {all}.",
    "All are kept.",
    "One is kept.",
    "No checkpoint is written.",
    "{free} are free.",
)
_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 560, 96, 4, 4


def build(page: Page) -> None:
    """The essentials of the chosen method in groups, with the rest of them behind *Advanced*."""
    with gr.Row(elem_classes="ts-titlebar"):
        page.html(_lead)
        page.html(partial(_levels, page.catalog), follows=ADVANCED, elem_id="training-level")
    with gr.Column(elem_id="training-form", elem_classes="ts-levels"):
        page.section(FIRST, below={"Batch": partial(_batches, page), "Learning rate": partial(_picture, page)})
        rewards_card.build(page)
        page.section(THEN, leave_out=ELSEWHERE, below={"Saving": partial(_disk, page)})


def _lead(form: Form) -> str:
    method = method_named(form.recipe.method)
    return pieces.title(
        TITLE, "The essentials of {method}. What is left alone keeps TRL's default.", method=method.label
    )


def _levels(catalog: Catalog, form: Form) -> str:
    """The switch between Simple and Advanced, which the browser remembers (page.js), and what Simple leaves out."""
    arguments = catalog.of(form.recipe.method)
    hidden = [name for name in ADVANCED if name in arguments and name in form.recipe.values]
    said = pieces.spoken("{count} non-default in Advanced", count=len(hidden)) if hidden else ""
    return (
        f'<div class="ts-levelbar"><span class="ts-hint ts-when-simple">{said}</span>'
        '<div class="ts-seg" role="group" aria-label="How much is shown">'
        f'<button type="button" data-level="simple" aria-pressed="true">{pieces.spoken("Simple")}</button>'
        f'<button type="button" data-level="advanced" aria-pressed="false">{pieces.spoken("Advanced")}</button>'
        "</div></div>"
    )


def _batches(page: Page) -> Any:
    return page.html(partial(_batch_words, page), follows=(*OF_A_STEP, *_OF_THE_LENGTH), elem_classes="ts-below")


def _batch_words(page: Page, form: Form) -> str:
    """What the numbers above mean together, in one line."""
    catalog = page.catalog
    recipe = form.launched()
    batch = effective_batch(recipe, catalog)
    if batch is None:
        return ""
    each, times, processes = batch
    words = f"{pieces.count(each * times * processes)} examples make one update"
    sequences = page.studio.tokens.sequences(form.recipe, form.looked)
    steps = expected_steps(form, recipe, catalog, sequences)
    rows = form.rows
    if rows is not None:
        words += f" · {pieces.count(rows)} rows"
    if steps:
        words += f" · {pieces.count(steps)} updates in all"
    return f'<div class="ts-hint">{words}</div>'


def _disk(page: Page) -> Any:
    follows = tuple(dict.fromkeys((*SAVING, *_OF_AN_ADAPTER, *OF_A_STEP, *_OF_THE_LENGTH)))
    return page.html(partial(_disk_words, page), follows=follows, elem_id="disk-kept", elem_classes="ts-below")


def _disk_words(page: Page, form: Form) -> str:
    """What the checkpoints will take, as far as the model is known."""
    recipe, studio = form.displayed(), page.studio
    steps = expected_steps(form, form.launched(), page.catalog, studio.tokens.sequences(form.recipe, form.looked))
    found = studio.saving.kept(recipe, page.catalog, steps)
    if found is None:
        return ""
    free = None if form.elsewhere else studio.saving.free()
    words = pieces.spoken("No checkpoint is written.") if found.number == 0 else f"{_size(found)} {_number_kept(found)}"
    if free is not None and found.number != 0:
        words += f" {pieces.spoken('{free} are free.', free=size_text(free))}"
    return f'<div class="ts-hint">{words}</div>'


def _size(found: Kept) -> str:
    size, weights = size_text(found.each), size_text(found.weights)
    if found.state is None:
        return pieces.spoken(
            "A checkpoint takes {size} of weights; what this optimizer remembers is known once it has saved.", size=size
        )
    if not found.state:
        return pieces.spoken("A checkpoint takes about {size}.", size=size)
    return pieces.spoken(
        "A checkpoint takes about {size}: {weights} of weights and {state} of what the optimizer remembers.",
        size=size,
        weights=weights,
        state=size_text(found.state),
    )


def _number_kept(found: Kept) -> str:
    if found.number is None or found.most is None:
        return pieces.spoken("All are kept.")
    every = size_text(found.number * found.each)
    if found.number == 1 and not found.rotated:
        return pieces.spoken("One is kept.")
    if not found.rotated:
        return pieces.spoken("All {number} are kept: {all}.", number=pieces.count(found.number), all=every)
    return pieces.spoken(
        "The newest {number} are kept: {all}, and {most} while the next one is written.",
        number=pieces.count(found.number),
        all=every,
        most=size_text(found.most),
    )


def _picture(page: Page) -> Any:
    follows = (*_OF_THE_RATE, *OF_A_STEP, *_OF_THE_LENGTH)
    return page.html(partial(_schedule, page), follows=follows, elem_id="schedule-picture", elem_classes="ts-below")


def _schedule(page: Page, form: Form) -> str:
    """The learning rate over the steps, as a small picture with its peak and its end."""
    recipe, catalog = form.displayed(), page.catalog
    name = str(in_effect(recipe, catalog, "lr_scheduler_type") or "linear")
    peak, warmup = (in_effect(recipe, catalog, key) for key in ("learning_rate", "warmup_steps"))
    options = in_effect(recipe, catalog, "lr_scheduler_kwargs") or {}
    if not _number(peak) or not _number(warmup) or not isinstance(options, dict):
        return '<div class="ts-hint">The schedule is drawn once its numbers can be read.</div>'
    if name in BY_RESULT:
        return f'<div class="ts-hint">{BY_RESULT[name]}</div>'
    lacks = lacking(name, options)
    if lacks:
        return f'<div class="ts-hint">{name} needs Schedule options, such as <code>{pieces.text(lacks)}</code>.</div>'
    known = expected_steps(form, form.launched(), catalog, page.studio.tokens.sequences(form.recipe, form.looked))
    # Without a number of steps the shape is drawn over a thousand, and its axis says no number.
    total = known or max(1000, 4 * int(warmup))
    points = rates(name, float(peak), total, warmup_of(float(warmup), total), options)
    if points is None:
        return '<div class="ts-hint">This schedule cannot be drawn with these options.</div>'
    return _drawing(points, known)


def _drawing(points: list[tuple[int, float]], known: int | None) -> str:
    last, top = points[-1][0], max(rate for _, rate in points)
    across, up = (_WIDTH - 2 * _LEFT) / last, (_HEIGHT - 2 * _BOTTOM) / top
    line = " ".join(f"{_LEFT + step * across:.1f},{_HEIGHT - _BOTTOM - rate * up:.1f}" for step, rate in points)
    area = f"{_LEFT},{_HEIGHT - _BOTTOM} {line} {_LEFT + last * across:.1f},{_HEIGHT - _BOTTOM}"
    end = f"step {pieces.count(last)}" if known else "end"
    words = f"Learning rate: at most {pieces.metric(top)}, {pieces.metric(points[-1][1])} at the {end}."
    return (
        f'<figure class="ts-schedule" role="img" aria-label="{pieces.text(words)}">'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" aria-hidden="true">'
        f'<polygon points="{area}"/><polyline points="{line}"/></svg>'
        f"<figcaption><span>0</span><span>highest {pieces.metric(top)}</span><span>{end}</span></figcaption></figure>"
    )


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < float("inf")
