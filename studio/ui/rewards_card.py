"""The rewards of GRPO and RLOO: those chosen with what each needs, its settings and its weight, and more to choose."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.domain import rewards as chosen
from studio.domain.errors import StudioError
from studio.domain.reward_code import MODULE, functions_in, read_file
from studio.domain.reward_library import TEMPLATES, Pick, Setting, problems_at, read_setting
from studio.domain.rewards import METHODS, OPTIONS, Reward
from studio.service.paths import hub_name
from studio.ui import model_search, pieces, reward_editor, reward_trial
from studio.ui.blocks import field_row
from studio.ui.events import QUIET, STARTING
from studio.ui.form import Form
from studio.ui.reward_columns import columns_of, fitting

if TYPE_CHECKING:
    from studio.ui.page import Page

# What is drawn anew keeps open what was open, and the cursor where it was. An older drawing never comes after a newer.
_SCRIPT = """
let newest = '', open = new Set(), added = Infinity;
const drawn = (value) => Number(/data-drawn="(\\d+)"/.exec(value ?? '')?.[1] ?? 0);
const mark = (found) => found?.dataset?.mark;
let focused = null;
element.addEventListener('focusin', (event) => { focused = mark(event.target) ?? null; });
element.addEventListener('focusout', () => setTimeout(() => {
  if (document.activeElement !== document.body && !element.contains(document.activeElement)) focused = null;
}, 0));
// The page is patched in place, which closes what one has opened: only one's own press counts.
element.addEventListener('click', (event) => {
  const one = event.target.closest('summary')?.parentElement;
  if (one) open[one.open ? 'delete' : 'add'](one.dataset.key);
}, true);
const restore = () => {
  const all = [...element.querySelectorAll('details')];
  if (added < all.length) { open.add(all.at(-1).dataset.key); added = Infinity; }
  for (const one of all) if (open.has(one.dataset.key)) one.open = true;
  if (focused && !element.contains(document.activeElement)) {
    element.querySelector(`[data-mark="${CSS.escape(focused)}"]`)?.focus({preventScroll: true});
  }
};
new MutationObserver(restore).observe(element, {childList: true, subtree: true});
element.addEventListener('toggle', (event) => {
  if (!event.target.open && open.has(event.target.dataset.key)) event.target.open = true;
}, true);
// A value that was refused gives way to the recipe's, unless one types on.
let sent = null;
const settle = () => {
  const field = sent && element.querySelector(`[data-mark="${CSS.escape(sent.mark)}"]`);
  if (field && 'defaultValue' in field && field.value === sent.value) field.value = field.defaultValue;
  sent = null;
};
watch('value', () => {
  if (drawn(props.value) < drawn(newest)) props.value = newest; else newest = props.value;
  requestAnimationFrame(settle);
});
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-reward]');
  if (!button) return;
  if (button.dataset.reward === 'pick') added = element.querySelectorAll('details').length;
  trigger('click', {do: button.dataset.reward, place: button.dataset.place, what: button.dataset.what});
});
element.addEventListener('change', (event) => {
  const field = event.target.closest('[data-change]');
  if (!field) return;
  const value = field.type === 'checkbox' ? field.checked : field.value;
  sent = field.type === 'checkbox' ? null : {mark: field.dataset.mark, value};
  trigger('click', {do: field.dataset.change, place: field.dataset.place, what: field.dataset.what, value});
});
"""
_SOURCES = {
    "model": "reward model",
    "trl": "TRL's own",
    "library": "library",
    "own": "own code",
    "module": "a module",
    "unknown": "unknown",
}

OTHER_RELEASE = (
    "The code of the library's rewards is not this release's; by its seal, which anybody can make, another release of "
    "the studio wrote it. It runs as it is, until a reward of the library is added, removed or changed: then all of "
    "them get this release's code."
)
RENEW = "Take this release's code now"


def build(page: Page) -> None:
    """The chosen rewards, what can be added, the reward model, own code, and a trial; for GRPO and RLOO only."""
    shown = page.start_form.recipe.method in METHODS
    with gr.Column(elem_classes="ts-card ts-sections", visible=shown, elem_id="rewards") as card:
        with gr.Column(elem_classes="ts-section"):
            gr.HTML(pieces.heading("Rewards"), apply_default_css=False)
            listed = page.html(
                partial(_listed, page), js_on_load=_SCRIPT, elem_id="arg-reward_funcs", elem_classes="ts-below"
            )
            with field_row("ts-below"):
                model = gr.Textbox(
                    _model(page.start_form),
                    label="Reward model",
                    info="A model with one score as output. It is the first reward.",
                    max_lines=1,
                    elem_id="arg-reward_model_name_or_path",
                )
                page.redrawn.append((model, _model))
                page.boxes.append(model)
            model_search.build(page, chosen.MODEL, "reward-offers", elem_classes="ts-below")
        editor = reward_editor.build(page)
        reward_trial.build(page)
    page.redrawn.append((card, lambda form: gr.update(visible=form.recipe.method in METHODS)))
    page.wiring.append(partial(_wire, page, listed, model, editor))


def _model(form: Form) -> str:
    return str(form.recipe.get(chosen.MODEL) or "")


def _wire(page: Page, listed: Any, model: Any, editor: Any) -> None:
    # What shows the same options elsewhere on the page.
    followers = list({id(one[0]): one for name in OPTIONS for one in page.following.get(name, [])}.values())
    outputs = [*page.summary_outputs, listed, model, *(component for component, _ in followers)]

    def drawn(form: Form, left_alone: Any = None) -> list[Any]:
        shown = gr.skip() if left_alone is model else _model(form)
        summary = page.summary(form)
        return [*summary, _listed(page, form), shown, *(draw(form) for _, draw in followers)]

    def act(form: Form, event: gr.EventData) -> list[Any]:
        try:
            with reward_editor.CHANGING:
                form.recipe = changed(page, form, event._data)
        except (StudioError, ValueError) as error:
            words = str(error)
            gr.Warning(pieces.text(f"{words[:1].upper()}{words[1:]}"), title="Not changed")
        return drawn(form)

    def type_model(value: str, form: Form) -> list[Any]:
        with reward_editor.CHANGING:
            form.recipe = chosen.with_model(form.recipe, page.catalog, hub_name(value))
        return drawn(form, left_alone=model)

    # Through the queue, for only that way what cannot be is said (Gradio 6.31).
    listed.click(act, [page.form], outputs, trigger_mode="multiple", **STARTING)
    typed = {"trigger_mode": "always_last", **QUIET}
    model.input(type_model, [model, page.form], outputs, **typed)
    # Facts about the model are found out once its box is left.
    model.blur(page.signal, None, page.learn, **QUIET)
    reward_editor.wire(page, editor, outputs, drawn)


def changed(page: Page, form: Form, asked: Mapping[str, Any]) -> Any:
    """The recipe after a press or an edit in the list. Raises ValueError or StudioError where that cannot be."""
    what, recipe, catalog = str(asked.get("do")), page.studio.rewards.taken_in(form.recipe), page.catalog
    value, named = asked.get("value"), str(asked.get("what") or "")
    place = int(asked["place"]) if str(asked.get("place") or "").isdigit() else -1
    if what == "pick" and named in TEMPLATES:
        template = TEMPLATES[named]
        return chosen.picked(recipe, catalog, Pick(named, template.function, fitting(form, named)))
    if what == "add":
        return chosen.added(recipe, catalog, named)
    if what == "remove":
        return chosen.removed(recipe, catalog, place)
    if what in ("up", "down"):
        return chosen.moved(recipe, catalog, place, what == "up")
    if what == "weight":
        return chosen.weighed(recipe, catalog, place, _weight(value))
    if what == "renew":
        return chosen.renewed(recipe)
    if what in ("setting", "name"):
        rewards = page.studio.rewards.of(recipe)
        pick = rewards[place].pick if 0 <= place < len(rewards) else None
        if pick is None:
            return recipe
        after = _renamed(recipe, pick, str(value)) if what == "name" else _set(pick, named, value)
        return chosen.settled(recipe, catalog, pick, after)
    return recipe


def _weight(value: Any) -> float:
    try:
        number = float(str(value).strip())
    except ValueError:
        number = float("nan")
    if not abs(number) < 1e9:
        raise ValueError("a weight is a number, such as 0.5")
    return number


def _set(pick: Pick, name: str, value: Any) -> Pick:
    setting = next((one for one in pick.template.settings if one.name == name), None)
    if setting is None:
        return pick
    return replace(pick, settings={**pick.settings, name: read_setting(setting, value)})


def _renamed(recipe: Any, pick: Pick, name: str) -> Pick:
    after = replace(pick, name=name.strip())
    wrong = [words for name, words in problems_at(after) if name == "name"]
    taken = {one.name for one in functions_in(recipe.reward_code)} - {pick.name}
    if after.name in taken:
        wrong = [f"There is a function `{after.name}` already."]
    if wrong:
        raise ValueError(wrong[0].replace("`", ""))
    return after


# Drawing ---------------------------------------------------------------------------------------------------------


def _listed(page: Page, form: Form) -> str:
    """The chosen rewards in TRL's order, and what can be added."""
    drawn = time.time_ns() // 1000  # taken before the form is read: the later one knows more
    if form.recipe.method not in METHODS:
        return f'<div data-drawn="{drawn}"></div>'
    known = page.studio.rewards.of(form.recipe)
    columns = columns_of(form)
    every = {column.name for one in form.looked for column in one.columns}
    rows = "".join(_row(place, one, known, columns, every) for place, one in enumerate(known))
    if not rows:
        rows = pieces.empty("Nothing scores the answers yet", "Add a reward below, or name a reward model.")
    below = f"{_renewal(known)}{_range(known)}{_offers(page, form, known)}"
    return f'<div class="ts-rewards" data-drawn="{drawn}">{rows}{below}</div>'


def _row(place: int, reward: Reward, known: Sequence[Reward], columns: list[str], every: set[str]) -> str:
    named = pieces.text(reward.name)
    label = pieces.spoken(reward.pick.template.label) if reward.pick else pieces.spoken(_SOURCES[reward.source])
    about = pieces.spoken(reward.about) if reward.source in ("library", "model") else pieces.text(reward.about)
    ours = f'<span class="ts-role none">{label}</span>'
    first = 1 if known[0].source == "model" else 0
    buttons = ""
    if reward.source != "model":
        buttons += _button("up", place, "↑", f"{reward.name}: up", place <= first)
        buttons += _button("down", place, "↓", f"{reward.name}: down", place == len(known) - 1)
    buttons += _button("remove", place, "✕", f"{reward.name}: remove", False)
    weight = (
        f'<label class="ts-weight"><span>{pieces.spoken("Weight")}</span><input type="number" step="any" '
        f'value="{reward.weight:g}" data-change="weight" data-place="{place}" data-mark="weight-{place}" '
        f'aria-label="{named}: weight"></label>'
    )
    needs = f'<div class="ts-hint">{_needs(reward, every)}</div>'
    words = f'<div class="ts-reward-about">{about}</div>' if about else ""
    head = f'<div class="ts-reward-head"><b title="{pieces.text(reward.key)}">{named}</b>{ours}</div>'
    settings = _settings(place, reward.pick, columns) if reward.pick else ""
    return (
        f'<div class="ts-reward" data-name="{named}"><div>{head}{words}{needs}</div>{weight}'
        f'<div class="ts-reward-buttons">{buttons}</div>{settings}</div>'
    )


def _button(what: str, place: int, sign: str, words: str, off: bool) -> str:
    return (
        f'<button type="button" class="ts-btn quiet" data-reward="{what}" data-place="{place}" '
        f'data-mark="{what}-{place}" aria-label="{pieces.text(words)}"{" disabled" if off else ""}>{sign}</button>'
    )


def _needs(reward: Reward, every: set[str]) -> str:
    """What the reward needs of the data, what of that is there, and what it can give."""
    said = []
    for name in reward.needs:
        sign = "" if not every else " ✓" if name in every else " ✕"
        said.append(pieces.spoken("needs the column {name}", name=f"{name}{sign}"))
    if reward.messages:
        said.append(pieces.spoken("needs prompts that are messages"))
    if reward.span is not None:
        least, most = (f"{value:g}".replace("-", "−") for value in reward.span)
        said.append(pieces.spoken("gives {least} to {most}", least=least, most=most))
    return " · ".join(said)


def _renewal(known: Sequence[Reward]) -> str:
    """What becomes of library code that another release wrote, and the way to this release's."""
    if not any(one.other_release for one in known):
        return ""
    said = f'<span class="ts-hint">{pieces.spoken(OTHER_RELEASE)}</span>'
    button = f'<button type="button" class="ts-btn" data-reward="renew">{pieces.spoken(RENEW)}</button>'
    return f'<div class="ts-targets">{said}{button}</div>'


def _range(known: Sequence[Reward]) -> str:
    """What the weighted sum can come to, where that is known of all rewards."""
    spans = [reward.span for reward in known]
    if len(known) < 2 or None in spans:
        return ""
    ends = [sorted((one.weight * one.span[0], one.weight * one.span[1])) for one in known if one.span is not None]
    least, most = (f"{sum(pair[side] for pair in ends):g}".replace("-", "−") for side in (0, 1))
    return f'<div class="ts-hint">{pieces.spoken("Weighted sum: {least} to {most}", least=least, most=most)}</div>'


def _settings(place: int, pick: Pick, columns: list[str]) -> str:
    marks = f'data-change="name" data-place="{place}" data-mark="name-{place}"'
    name = (
        f'<label class="ts-setting"><span>{pieces.spoken("Called")}</span>'
        f'<input type="text" value="{pieces.text(pick.name)}" {marks}>{_wrong(pick, "name")}</label>'
    )
    counting = [one for one in pick.template.settings if _counts(pick, one)]
    fields = "".join(_field(place, pick, one, columns, _wrong(pick, one.name)) for one in counting)
    is_open = " open" if problems_at(pick) else ""
    return (
        f'<details data-key="{pieces.text(pick.name)}"{is_open}><summary>{pieces.spoken("Settings")}'
        f'</summary><div class="ts-settings">{fields}{name}</div></details>'
    )


def _wrong(pick: Pick, name: str) -> str:
    """What is wrong with a setting, to stand below its field."""
    told = (words for setting, words in problems_at(pick) if setting == name)
    return "".join(f'<span class="ts-hint ts-wrong">{pieces.code(words)}</span>' for words in told)


def _counts(pick: Pick, setting: Setting) -> bool:
    """Whether a setting means anything with the others."""
    return setting.only_with is None or any(pick.get(name) == setting.only_with[1] for name in setting.only_with[0])


def _field(place: int, pick: Pick, setting: Setting, columns: list[str], wrong: str) -> str:
    value = pick.get(setting.name)
    marks = f'data-change="setting" data-place="{place}" data-what="{setting.name}" data-mark="{setting.name}-{place}"'
    marks += ' aria-invalid="true"' if wrong else ""
    label = f"<span>{pieces.spoken(setting.label)}</span>"
    if setting.kind == "switch":
        ticked = " checked" if value else ""
        return f'<label class="ts-setting ts-tick"><input type="checkbox" {marks}{ticked}>{label}</label>'
    if setting.kind == "choice" or (setting.kind == "column" and columns):
        offered = setting.choices or tuple(dict.fromkeys([*columns, value]))
        said = setting.kind == "choice" and setting.name != "language"
        options = "".join(_option(str(one), one == value, said) for one in offered)
        return f'<label class="ts-setting">{label}<select {marks}>{options}</select>{wrong}</label>'
    if setting.kind in ("texts", "schema"):
        words = "\n".join(value) if setting.kind == "texts" else pieces.json_text(value)
        area = f'<textarea rows="3" spellcheck="false" {marks}>{pieces.text(words)}</textarea>'
        return f'<label class="ts-setting ts-broad">{label}{area}{wrong}</label>'
    kind = "number" if setting.kind in ("integer", "number") else "text"
    step = ' step="any" min="0"' if kind == "number" else ""
    shown = f"{value:g}" if setting.kind == "number" else value
    broad = " ts-broad" if setting.name == "pattern" else ""
    given = f'value="{pieces.text(shown)}" spellcheck="false"'
    return f'<label class="ts-setting{broad}">{label}<input type="{kind}"{step} {given} {marks}>{wrong}</label>'


def _option(name: str, is_chosen: bool, said: bool) -> str:
    say = f' data-say="{pieces.text(name)}"' if said else ""
    return f'<option value="{pieces.text(name)}"{" selected" if is_chosen else ""}{say}>{pieces.text(name)}</option>'


def _offers(page: Page, form: Form, known: Sequence[Reward]) -> str:
    """What can be added: from the library, TRL's own, and functions of the own code."""
    used = {reward.key for reward in known}
    library = "".join(_chip("pick", one.kind, pieces.spoken(one.label), one.about) for one in TEMPLATES.values())
    built_in = page.studio.rewards.built_in(form.recipe.method).values()
    trl = "".join(_chip("add", one.name, pieces.text(one.name), one.about) for one in built_in if one.name not in used)
    functions = functions_in(read_file(form.recipe.reward_code).own)
    free = [one for one in functions if f"{MODULE}.{one.name}" not in used]
    own = "".join(_chip("add", f"{MODULE}.{one.name}", pieces.text(one.name), one.about) for one in free)
    rows = [("Library", library), ("TRL's own", trl), ("Own code", own)]
    return "".join(
        f'<div class="ts-targets"><span class="ts-part">{pieces.spoken(name)}</span>{chips}</div>'
        for name, chips in rows
        if chips
    )


def _chip(what: str, name: str, words: str, about: str) -> str:
    return (
        f'<button type="button" class="ts-target" data-reward="{what}" data-what="{pieces.text(name)}" '
        f'title="{pieces.text(about)}">+ {words}</button>'
    )
