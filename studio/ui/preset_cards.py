"""Presets as cards: searched and sifted in the browser, the user's own first and with a way to remove them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from studio.domain.findings import Finding
from studio.domain.methods import METHOD_NAMES, method_named
from studio.service.presets import PURPOSES, Preset
from studio.ui import pieces

# What is typed and chosen stays over every drawing; so does the focus. Removing takes a second press.
CARDS_SCRIPT = """
const asked = {words: '', method: '', size: '', purpose: ''};
let pressed = '';
const sift = () => {
  const words = asked.words.toLowerCase().split(/\\s+/).filter(Boolean);
  let shown = 0;
  for (const card of element.querySelectorAll('.ts-preset')) {
    const fits = words.every((word) => card.dataset.bywords.includes(word))
      && ['method', 'size', 'purpose'].every((name) => !asked[name] || card.dataset[`by${name}`] === asked[name]);
    card.hidden = !fits;
    shown += fits ? 1 : 0;
  }
  for (const group of element.querySelectorAll('.ts-preset-group'))
    group.hidden = !group.querySelector('.ts-preset:not([hidden])');
  const nothing = element.querySelector('.ts-nothing');
  if (nothing) nothing.hidden = shown > 0;
};
const restore = () => {
  for (const field of element.querySelectorAll('[data-ask]'))
    if (document.activeElement !== field) field.value = asked[field.dataset.ask];
  sift();
  if (pressed && document.activeElement === document.body) element.querySelector(pressed)?.focus({preventScroll: true});
};
// The first press on Remove asks; the question outlives the cards being drawn anew.
let armed = null;
const arm = () => {
  for (const button of element.querySelectorAll('[data-remove]')) {
    const asked = button.dataset.remove === armed;
    if (asked === button.classList.contains('stop')) continue;
    button.classList.toggle('stop', asked);
    button.textContent = window.tsSay(asked ? 'Remove it?' : 'Remove');
  }
};
watch('value', () => requestAnimationFrame(() => { restore(); arm(); }));
element.addEventListener('input', (event) => {
  const field = event.target.closest('[data-ask]');
  if (field) { asked[field.dataset.ask] = field.value; sift(); }
});
element.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  const {preset, remove} = button.dataset;
  if ('clear' in button.dataset) {
    for (const name of Object.keys(asked)) asked[name] = '';
    restore();
    element.querySelector('[data-ask=words]').focus();
  } else if (remove && armed !== remove) {
    armed = remove;
    arm();
    setTimeout(() => { armed = null; arm(); }, 5000);
  } else {
    pressed = preset ? `[data-preset="${CSS.escape(preset)}"]` : '[data-ask=words]';
    trigger('click', {preset, remove, do: button.dataset.do});
  }
});
"""


def preset_cards(presets: Sequence[Preset], chosen: str | None, problems: Iterable[Finding], notice: str) -> str:
    """The whole panel: what to sift by, a notice, and the cards in groups."""
    own = [preset for preset in presets if preset.own]
    demos = [preset for preset in presets if preset.is_demo]
    others = [preset for preset in presets if not preset.own and not preset.is_demo]
    groups = (
        ("Yours", own),
        ("Demos: a tiny model learns something in a minute, on any machine", demos),
        ("For real models", others),
    )
    drawn = "".join(_group(title, found, chosen) for title, found in groups if found)
    return (
        f"{_sieve(presets)}{notice}{pieces.findings(problems)}{drawn}"
        f'<div class="ts-nothing" hidden><div class="ts-empty"><b>{pieces.spoken("No preset fits")}</b><span>'
        f'<button type="button" class="ts-btn" data-clear>{pieces.spoken("Show all")}</button></span></div></div>'
    )


def _sieve(presets: Sequence[Preset]) -> str:
    methods = [(name, method_named(name).label) for name in METHOD_NAMES if any(p.method == name for p in presets)]
    sizes = sorted({preset.size for preset in presets if preset.size}, key=_weights)
    purposes = [name for name in PURPOSES if any(preset.purpose == name for preset in presets)]
    return (
        '<div class="ts-sieve"><input type="search" data-ask="words" placeholder="Search presets" '
        'aria-label="Search presets" autocomplete="off">'
        + _select("method", "Any method", methods)
        + _select("size", "Any size", [(size, size) for size in sizes])
        + _select("purpose", "Any purpose", [(purpose, purpose) for purpose in purposes])
        + "</div>"
    )


def _select(name: str, everything: str, options: Iterable[tuple[str, str]]) -> str:
    choices = "".join(f'<option value="{pieces.text(key)}">{pieces.text(label)}</option>' for key, label in options)
    return (
        f'<select data-ask="{name}" aria-label="{name.capitalize()}"><option value="">{everything}</option>'
        f"{choices}</select>"
    )


def _weights(size: str) -> float:
    """How many weights a size such as `0.5B` stands for; sizes that say none come last."""
    try:
        return float(size[:-1]) * {"K": 1e3, "M": 1e6, "B": 1e9}[size[-1].upper()]
    except (ValueError, KeyError, IndexError):
        return float("inf")


def _group(title: str, presets: Iterable[Preset], chosen: str | None) -> str:
    cards = "".join(_card(preset, preset.key == chosen) for preset in presets)
    head = f"<h3>{pieces.spoken(title)}</h3>"
    return f'<section class="ts-preset-group">{head}<div class="ts-presets">{cards}</div></section>'


def _card(preset: Preset, is_chosen: bool) -> str:
    label = method_named(preset.method).label
    facts = [label, preset.size, preset.purpose]
    words = " ".join([preset.title, preset.name, preset.method, preset.remarks, preset.hardware, *facts]).lower()
    data = {"words": words, "method": preset.method, "size": preset.size, "purpose": preset.purpose}
    attributes = " ".join(f'data-by{name}="{pieces.text(value)}"' for name, value in data.items())
    remarks = f'<p title="{pieces.text(preset.remarks)}">{pieces.text(preset.remarks)}</p>' if preset.remarks else ""
    meant = f"For {preset.hardware}" if preset.hardware else ""
    remove = (
        f'<button type="button" class="ts-btn" data-remove="{pieces.text(preset.key)}">'
        f"{pieces.spoken('Remove')}</button>"
        if preset.own
        else ""
    )
    return (
        f'<div class="ts-preset" {attributes}><button type="button" data-preset="{pieces.text(preset.key)}" '
        f'aria-pressed="{str(is_chosen).lower()}"><b>{pieces.text(preset.title)}</b>'
        f"<span>{pieces.text(' · '.join(fact for fact in facts if fact))}</span>{remarks}"
        f"<small>{pieces.text(meant)}</small></button>{remove}</div>"
    )
