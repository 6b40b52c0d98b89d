"""The recipe card: what will run, as facts, as YAML or command, with what is wrong and what to do."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from studio.domain.arguments import Catalog
from studio.domain.epoch_steps import epoch_of
from studio.domain.findings import Finding, errors
from studio.domain.methods import method_named
from studio.domain.mixture import entries_of
from studio.domain.recipe import Recipe, in_effect
from studio.service.models import named_models
from studio.service.recipes import Prepared
from studio.service.studio import Studio
from studio.ui import pieces
from studio.ui.form import Form
from studio.ui.mapping_card import mapped_at
from studio.ui.steps import next_field, place_of, tab_of
from studio.ui.theme import TabState, tab_states

# What is said here of how many lines there are, for the languages of the page.
WORDS = ("{lines} line is this machine's, marked in the YAML.", "{lines} lines are this machine's, marked in the YAML.")
# Delegated, so that it works for whatever the card holds later. Copy and download need no server.
# What a Finding beside the data offers (`cure:MARK`) is done here too, as its twin on the card would do it.
# Answers may overtake each other on their way here: an older drawing never takes the place of a newer one.
CARD_SCRIPT = """
let newest = '';
const drawn = (value) => Number(/data-drawn="(\\d+)"/.exec(value ?? '')?.[1] ?? 0);
watch('value', () => { if (drawn(props.value) < drawn(newest)) props.value = newest; else newest = props.value; });
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-do]');
  if (!button) return;
  const what = button.dataset.do, code = element.querySelector('pre.ts-code');
  if (what === 'copy') {
    const before = button.innerHTML;
    const done = () => {
      button.textContent = window.tsSay('Copied');
      setTimeout(() => { button.innerHTML = before; }, 1500);
    };
    navigator.clipboard.writeText(code.textContent + '\\n').then(done, () => {
      const range = document.createRange(); range.selectNodeContents(code);
      const selection = getSelection(); selection.removeAllRanges(); selection.addRange(range);
    });
  } else if (what.startsWith('download')) {
    const source = what === 'download' ? code : element.querySelector(`pre[data-name="${what.slice(9)}"]`);
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([source.textContent + '\\n'], {type: 'text/plain'}));
    link.download = source.dataset.name; link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  } else {
    trigger(what === 'yaml' || what === 'command' ? 'input' : 'click', {do: what});
  }
});
document.addEventListener('click', (event) => {
  const button = event.target.closest('[data-do^="cure:"]');
  if (button) trigger('click', {do: button.dataset.do});
});
"""


def card(studio: Studio, form: Form, prepared: Prepared) -> str:
    """The whole card as HTML."""
    catalog = studio.arguments.get()
    recipe = prepared.recipe
    total = len(catalog.of(recipe.method))
    count = pieces.spoken("{some} of {all} options set", some=form.recipe.non_default(catalog), all=total)
    head = (
        f'<div class="ts-head"><h2>{pieces.spoken("Recipe")}</h2><span class="ts-hint">{count}</span>'
        f"{_button('new', 'New recipe')}</div>"
    )
    facts = pieces.facts(
        [
            ("Method", _method(form.recipe)),
            ("Model", pieces.short_path(form.recipe.get("model_name_or_path")) or "none yet"),
            ("Data", _data(form)),
            ("Batch", _batch(recipe, catalog)),
            ("Length", _length(form, recipe, catalog, studio.tokens.sequences(form.recipe, form.looked))),
            ("Hardware", "another machine" if form.elsewhere else _hardware(studio, recipe)),
            ("Download", _download(studio, recipe)),
        ]
    )
    places = mapped_at(form, partial(place_of, catalog, form.recipe.method))
    parts = [_code(form, prepared), pieces.findings(prepared.findings, place=places)]
    if errors(list(prepared.findings)):
        parts.reverse()  # what has to be settled comes before what will run
    return (
        f'<div class="ts-card" data-next="{pieces.text(next_field(catalog, form))}">{head}{facts}'
        f"{_switch(form, prepared)}{_notice(form)}"
        '<button type="button" data-do="tour" hidden></button></div>'
        f"{''.join(parts)}"
    )


def _button(what: str, words: str, look: str = "ts-btn") -> str:
    return f'<button type="button" class="{look}" data-do="{what}">{pieces.spoken(words)}</button>'


def _choice(what: str, words: str, pressed: bool) -> str:
    """One half of a switch."""
    told = str(pressed).lower()
    return f'<button type="button" data-do="{what}" aria-pressed="{told}">{pieces.spoken(words)}</button>'


def _notice(form: Form) -> str:
    """What a larger change has done, with the way back."""
    if not form.notice:
        return ""
    back = _button("undo", "Undo", "ts-btn quiet") if form.before else ""
    return f'<div class="ts-notice" role="status"><span>{pieces.text(form.notice)}</span>{back}</div>'


def _switch(form: Form, prepared: Prepared) -> str:
    """What the YAML is for, and what that changes."""
    count = len(prepared.notes)
    words = (
        pieces.spoken("Only what you chose, for a cluster or a colleague.")
        if form.elsewhere
        else pieces.spoken(WORDS[0 if count == 1 else 1], lines=count)
    )
    return (
        '<div class="ts-switch"><div class="ts-seg" role="group" aria-label="What the YAML is for">'
        f"{_choice('here', 'For this machine', not form.elsewhere)}"
        f'{_choice("elsewhere", "For elsewhere", form.elsewhere)}</div><div class="ts-hint">{words}</div></div>'
    )


def _download(studio: Studio, recipe: Recipe) -> str:
    """What has to be downloaded before the first step, as far as it is known."""
    parts = []
    for argument, name, revision in named_models(recipe):
        size = studio.models.download_text(name, revision)
        if size:
            parts.append(size if argument == "model_name_or_path" else f"{size} ({pieces.short_path(name)})")
    return ", ".join(parts)


def shown_code(form: Form, prepared: Prepared) -> str:
    """The recipe's text as the card shows it."""
    return pieces.yaml_code(prepared.yaml) if form.shown == "yaml" else pieces.text(prepared.command)


def _code(form: Form, prepared: Prepared) -> str:
    is_yaml = form.shown == "yaml"
    body = shown_code(form, prepared)
    name = "recipe.yaml" if is_yaml else "train.sh"
    why = ""
    if not is_yaml and prepared.command_reasons:
        more = "" if form.elsewhere else " What the studio adds for this machine is among it: see it for elsewhere."
        reasons = pieces.code("; ".join(prepared.command_reasons))
        why = (
            f'<div class="ts-hint">It reads recipe.yaml beside it, for flags cannot say it all: {reasons}.{more}</div>'
        )
    beside = ""
    if prepared.accelerate:
        beside += _beside("accelerate.yaml, beside it", "accelerate.yaml", pieces.yaml_code(prepared.accelerate))
    if prepared.rewards:
        beside += _beside("rewards.py, beside it", "rewards.py", rewards_code(prepared))
    return (
        '<div class="ts-card ts-recipe"><div class="ts-head"><div class="ts-seg" role="group" aria-label="Shown as">'
        f"{_choice('yaml', 'YAML', is_yaml)}{_choice('command', 'Command', not is_yaml)}</div>"
        f'<div class="ts-actions">{_button("copy", "Copy")}{_button("download", "Download")}</div></div>'
        f'<pre class="ts-code" tabindex="0" data-name="{name}">{body}</pre>{why}{beside}</div>'
    )


def rewards_code(prepared: Prepared) -> str:
    """The text of rewards.py as the card shows it; `` where there is none."""
    return pieces.text((prepared.rewards or "").removesuffix("\n"))


def _beside(words: str, name: str, body: str) -> str:
    """A file that belongs beside the recipe."""
    head = f'<div class="ts-head"><h3>{pieces.spoken(words)}</h3>{_button(f"download-{name}", "Download")}</div>'
    return f'{head}<pre class="ts-code" tabindex="0" data-name="{name}">{body}</pre>'


def _method(recipe: Recipe) -> str:
    label = method_named(recipe.method).label
    if recipe.get("use_peft") is True:
        quantized = (
            ", 4-bit" if recipe.get("load_in_4bit") is True else ", 8-bit" if recipe.get("load_in_8bit") is True else ""
        )
        return f"{label}, LoRA r {recipe.get('lora_r', 16)}{quantized}"
    return label


def _data(form: Form) -> str:
    entries = entries_of(form.recipe.values)
    rows = f" · {pieces.count(form.rows)} rows" if form.rows is not None else ""
    if len(entries) > 1:
        return f"{len(entries)} datasets{rows}"
    if not form.typed:
        return "none yet"
    split = entries[0].get("split") if entries else form.recipe.get("dataset_train_split")
    return f"{pieces.short_path(form.typed)} · {split or 'train'}{rows}"


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def effective_batch(recipe: Recipe, catalog: Catalog) -> tuple[int, int, int] | None:
    """Batch per device, accumulation and processes; None while one of them is no number."""
    parts = [
        _whole(in_effect(recipe, catalog, name))
        for name in ("per_device_train_batch_size", "gradient_accumulation_steps")
    ]
    processes = _whole(recipe.launch.get("num_processes", 1))
    if parts[0] is None or parts[1] is None or processes is None:
        return None
    return parts[0], parts[1], processes


def _batch(recipe: Recipe, catalog: Catalog) -> str:
    parts = effective_batch(recipe, catalog)
    return f"{parts[0]} × {parts[1]} × {parts[2]} = {parts[0] * parts[1] * parts[2]}" if parts else "–"


def expected_steps(form: Form, recipe: Recipe, catalog: Catalog, sequences: int | None = None) -> int | None:
    """Updates of the whole run, as far as they can be known before it: said, or from the number of rows.

    `sequences` are what TRL makes of the rows, where their tokens have been counted: some are dropped, or packed.
    """
    steps = _whole(in_effect(recipe, catalog, "max_steps"))
    if steps:
        return steps
    epochs, epoch = in_effect(recipe, catalog, "num_train_epochs"), epoch_of(recipe, catalog, form.rows, sequences)
    if epoch is None or not isinstance(epochs, (int, float)) or not 0 < epochs < 1e6:
        return None
    return math.ceil(epoch * epochs)


def _length(form: Form, recipe: Recipe, catalog: Catalog, sequences: int | None) -> str:
    """Steps and epochs, as far as the number of rows is known."""
    steps = _whole(in_effect(recipe, catalog, "max_steps"))
    epochs = in_effect(recipe, catalog, "num_train_epochs")
    if steps:
        epoch = epoch_of(recipe, catalog, form.rows, sequences)
        passed = f" · {_epochs(steps / epoch)} epochs" if epoch else ""
        return f"{pieces.count(steps)} steps{passed}"
    if not isinstance(epochs, (int, float)):
        return "–"
    shown = f"{epochs:g} epoch{'' if epochs == 1 else 's'}"
    known = expected_steps(form, recipe, catalog, sequences)
    return shown + (f" · {pieces.count(known)} steps" if known else "")


def _epochs(number: float) -> str:
    return pieces.count(round(number)) if number >= 100 else f"{number:.2g}"


def _hardware(studio: Studio, recipe: Recipe) -> str:
    return "CPU" if recipe.get("use_cpu") is True else studio.machine.summary


def _of_the_model(studio: Studio, recipe: Recipe) -> TabState:
    """A tick for a model of which something is known, a question mark for a mere name."""
    named = next((one for one in named_models(recipe) if one[0] == "model_name_or_path"), None)
    if named is None:
        return TabState("to choose", "warn")
    look = studio.models.known(named[1], named[2])
    return TabState("✓") if look is not None and look.facts is not None else TabState("?", "plain")


def _of_the_data(form: Form) -> TabState:
    if not form.typed:
        return TabState("to choose", "warn")
    return TabState("✓") if form.looked and form.looked[0].columns else TabState("?", "plain")


def states(studio: Studio, form: Form, findings: tuple[Finding, ...], runs: int) -> str:
    """The short values behind the tabs' names: one glance says how far one is."""
    catalog, recipe = studio.arguments.get(), form.recipe
    open_questions: dict[str, int] = {}
    for found in findings:
        if found.level == "error":
            tab = tab_of(catalog, recipe.method, found)
            open_questions[tab] = open_questions.get(tab, 0) + 1
    shown = {
        "method": TabState(method_named(recipe.method).label),
        "model": _of_the_model(studio, recipe),
        "data": _of_the_data(form),
        "lora": TabState(f"r {recipe.get('lora_r', 16)}" if recipe.get("use_peft") is True else "off", "plain"),
        "runs": TabState(str(runs), "plain"),
    }
    shown |= {tab: TabState(f"▲ {number}", "warn") for tab, number in open_questions.items()}
    if recipe.get("datasets") and "data" not in open_questions:
        shown["data"] = TabState("✓")
    return tab_states(shown)
