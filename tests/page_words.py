"""Every word that the page shows in other languages: collected from the page as it is built and drawn."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from typing import Any

import gradio as gr

from studio.domain.methods import METHOD_NAMES
from studio.domain.recipe import Recipe
from studio.domain.states import STATES
from studio.service.studio import Studio
from studio.ui import data_statistics, whole_check
from studio.ui.form import Form
from studio.ui.page import Page
from studio.ui.theme import STATIC
from studio.ui.tour import STEPS

_SAID = re.compile(r'data-say="([^"]*)"')
_IN_SCRIPTS = re.compile(r"\bsay\(\s*'([^']+)'")
# What the page's scripts say by way of a condition or a list; the rest is found in them.
SCRIPTED = (
    *("Start training", "Choose a model", "Choose a dataset", "See it for this machine, to start here"),
    *("Settle {count} question in {tab}", "Settle {count} questions in {tab}", "Copied"),
    *("Tour", "End the tour", "Close", "Back", "Done", "Next", "Begin"),
    *("on", "off", "more", "less", "Open all", "Close all", "A value is deprecated.", "Deprecated."),
    *("Try another word, or part of a name.", "Everything is at its default."),
    *("Shortcuts", "Start", "Open a tab", "Search", "Next tab, with the focus on one", "This list"),
)
# What is said of an adapter once the model's layers are known, and of a run.
_OF_AN_ADAPTER = ("Trainable", "Share of all", "Adapter file", "Acts on", "Saved model")
_OF_A_RUN = ("Run", "Method", "State", "Step", "Last", "Started", "Time left", "Took", "Log")


def page_words(studio: Studio) -> set[str]:
    """The keys of the languages, for all methods and states of the form."""
    page = Page(studio)
    blocks = page.build(translated=False)
    words = {
        *SCRIPTED,
        *whole_check.WORDS,
        *data_statistics.WORDS,
        *_OF_A_RUN,
        *_OF_AN_ADAPTER,
        *(state.capitalize() for state in STATES),
    }
    for script in STATIC.glob("*.js"):
        words |= set(_IN_SCRIPTS.findall(script.read_text(encoding="utf-8")))
    words |= {step.title for step in STEPS} | {step.text for step in STEPS}
    for block in blocks.blocks.values():
        if block.get_block_name() == "api":
            continue
        for name in ("label", "placeholder", *(("value",) if isinstance(block, gr.Button) else ())):
            held = getattr(block, name, None)
            if isinstance(held, str) and held.strip():
                words.add(held)
        if isinstance(block, gr.HTML):
            words |= {html.unescape(found) for found in _SAID.findall(_text(block.value))}
    for form in _forms(studio):
        for drawn in page.everything(form):
            words |= {_word(drawn["label"])} if isinstance(drawn, dict) and "label" in drawn else set()
            words |= {html.unescape(found) for found in _SAID.findall(_text(drawn))}
    words |= {html.unescape(found) for drawn in page.runs.draw(None) for found in _SAID.findall(_text(drawn))}
    return words


def _forms(studio: Studio) -> Iterator[Form]:
    """A form of every method: empty and with its demo, for here and for elsewhere, as YAML and as command."""
    presets = studio.recipes.presets()
    for method in METHOD_NAMES:
        for demo in (False, True):
            for elsewhere in (False, True):
                form = Form(Recipe(method), drawn=True, elsewhere=elsewhere, shown="command" if elsewhere else "yaml")
                if demo:
                    form.use(studio, next(one for one in presets if one.is_demo and one.method == method))
                    form.recipe = form.recipe.with_changes(studio.arguments.get(), {"use_peft": True})
                else:
                    form.empty()
                yield form


def _word(label: str) -> str:
    """A label as it is, or the key in it that Gradio's page translates."""
    return str(json.loads(label.removeprefix("__i18n__"))["key"]) if label.startswith("__i18n__") else label


def _text(drawn: Any) -> str:
    if isinstance(drawn, dict):
        drawn = drawn.get("value")
    return drawn if isinstance(drawn, str) else ""
