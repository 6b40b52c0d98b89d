"""Every word that the page shows in other languages: collected from the page as it is built and drawn."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from typing import Any

import gradio as gr

from studio.domain.columns import column_of
from studio.domain.findings import Finding, Where
from studio.domain.hub_hits import DatasetHit, ModelHit
from studio.domain.mapping import DataMapping
from studio.domain.methods import METHOD_NAMES
from studio.domain.recipe import Recipe
from studio.domain.reward_library import LANGUAGES, TEMPLATES
from studio.domain.states import STATES
from studio.service.data import Inspection
from studio.service.mappings import Choice, draft, key_of
from studio.service.model_offers import Offer
from studio.service.preparing import LEAVE, Job, Order
from studio.service.search import LINES, Found
from studio.service.studio import Studio
from studio.ui import (
    before_after,
    card,
    data_statistics,
    diagnosis_card,
    mapping_card,
    pager,
    pieces,
    preview_table,
    queue_card,
    rewards_card,
    run_actions,
    run_compare,
    run_keeping,
    run_list,
    run_samples,
    search_list,
    sweep_card,
    webhook_card,
    whole_check,
)
from studio.ui.form import Form
from studio.ui.page import Page
from studio.ui.tabs import training
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
# What is said of tokens once they have been counted.
_OF_TOKENS = (
    *("Count all rows", "Counting. The first count loads TRL, which takes some seconds.", "This cannot be counted:"),
    *("Counted", "Tokens in an epoch", "Learnt", "Steps in an epoch", "Cut", "Dropped", "Prompts", "Example"),
    *("Better answer", "Worse answer", "next example", "underlined", "is learnt", "framed", "is a special token"),
    "TRL refuses this recipe, so nothing is learnt from it.",
    "A reward model gives the whole a score: no token is learnt by itself.",
    "The model continues from here; what it writes is what it learns from.",
)
# What is said of rewards once some are chosen and tried.
_OF_REWARDS = (
    *("reward model", "TRL's own", "library", "own code", "unknown", "A model with one score as its output."),
    *("Settings", "Called", "needs the column {name}", "needs prompts that are messages", "gives {least} to {most}"),
    *("Weighted sum: {least} to {most}", "There is no function in it yet.", "Functions, with their lines: {names}"),
    *("Own code", "Prompt", "Completion", "Sum", "rewards.py, beside it"),
    *(rewards_card.OTHER_RELEASE, rewards_card.RENEW),
)
_OF_A_RUN = ("Run", "Method", "State", "Step", "Last", "Started", "Time left", "Took", "Log")
# What is said of rows that were turned to, and of a mixture.
_OF_ROWS = ("Rows {first} to {last}", "Rows {first} to {last} cannot be read", "No rows here")
_OF_A_MIXTURE = (
    *("Mixture", "Remove", "{rows} of {all} rows", "rows not known", "Rows in all: {total}"),
    *("Rows to learn from: {train}, held out for evaluation: {test}", "How many rows that are is not known."),
    "Edit its path, split and columns",
)


def _of_a_search() -> set[str]:
    """What is said of hits and of a Hub that does not answer."""
    whole = {"rows": 5, "configs": ("a", "b"), "downloads": 1, "likes": 1}
    hits = [
        *(ModelHit("a/b", 1, gated=True, access=access, unfit="x") for access in (None, True, False)),
        *(ModelHit("a/b", private=True, template=template) for template in (True, False)),
        *(DatasetHit("a/b", **{**whole, "type": kind}) for kind in ("", "x")),
    ]
    founds = [*(Found(why=why, status=503) for why in LINES), Found(), Found((hits[0],))]
    drawn = [*map(search_list.hit_row, hits), *map(search_list.status, founds)]
    drawn += [search_list.here(kind, (), "", None, "sft") for kind in ("models", "datasets")]
    drawn += [search_list.here("models", [Offer("a", "demo", "a", "", 1)], "", None, "sft")]
    return {html.unescape(found) for one in drawn for found in _SAID.findall(one)}


def page_words(studio: Studio) -> set[str]:
    """The keys of the languages, for all methods and states of the form."""
    page = Page(studio)
    blocks = page.build(translated=False)
    of_parts = {*_OF_A_RUN, *_OF_AN_ADAPTER, *_OF_TOKENS, *_OF_REWARDS, *_OF_ROWS, *_OF_A_MIXTURE}
    of_parts |= {*_of_the_library(), *_of_a_search(), *whole_check.WORDS, *data_statistics.WORDS, *run_actions.WORDS}
    of_parts |= {*run_list.WORDS, *run_compare.WORDS, *run_keeping.WORDS, *diagnosis_card.WORDS}
    of_parts |= {*run_samples.WORDS, *sweep_card.WORDS, *webhook_card.WORDS, *queue_card.WORDS, *training.WORDS}
    of_parts |= {*card.WORDS, *mapping_card.WORDS, *pager.WORDS, *pieces.WORDS}
    words = {*SCRIPTED, *of_parts, *(state.capitalize() for state in STATES)}
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
            drawn = _text(block.value) + _text(getattr(block, "html_template", ""))
            words |= {html.unescape(found) for found in _SAID.findall(drawn)}
    for form in _forms(studio):
        for drawn in page.everything(form):
            words |= {_word(drawn["label"])} if isinstance(drawn, dict) and "label" in drawn else set()
            words |= {html.unescape(found) for found in _SAID.findall(_text(drawn))}
    words |= {html.unescape(found) for drawn in _mappings() for found in _SAID.findall(drawn)}
    drawn_runs = [*page.runs.draw(None), run_list.answer(studio, {})["html"]]
    words |= {html.unescape(found) for drawn in drawn_runs for found in _SAID.findall(_text(drawn))}
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


def _mappings() -> Iterator[str]:
    """Data to be mapped, as each method draws it: recognised, chosen, unclear, without a copy, and what went wrong."""
    asked = [{"question": f"Why {n}?", "answer": f"So {n}."} for n in range(4)]
    long = "It is so because it has always been so."
    shapes = (
        [{"question": f"Why? {long}", "answer": long}],
        asked,
        [{"a": 1}],
        [{"content": "It is."}],
        [{**row, "response": "No."} for row in asked],
    )
    for method in METHOD_NAMES:
        for rows in shapes:
            columns = tuple(column_of(name, (row[name] for row in rows)) for name in rows[0])
            looked = Inspection("x", method, "reject", columns=columns, rows=tuple(rows), split="train")
            for roles in (None, {"question": "question"}):
                choice = Choice(key_of(looked), roles)
                found = draft(looked, choice, {})
                assert found is not None
                yield before_after.words(looked, choice, found)
                yield preview_table.table(columns, rows, {}, "", method, found.proposal.roles)
    order = Order("x", "x", "", "train", DataMapping("prompt-only", ()), "sft")
    yield before_after.progress(Job(order, total=10, done=5, late=True))
    bad = Finding("error", Where("file", "x", 3), "Row 3 of x cannot be mapped.", LEAVE)
    yield before_after.trouble(Choice(trouble=bad))
    yield pieces.finding(bad, place=pieces.MAPPING)
    yield before_after.to_download(1)


def _of_the_library() -> Iterator[str]:
    """What the settings of every reward of the library say."""
    for template in TEMPLATES.values():
        yield from (template.label, template.about)
        for setting in template.settings:
            yield from (setting.label, *(choice for choice in setting.choices if choice not in LANGUAGES))


def _word(label: str) -> str:
    """A label as it is, or the key in it that Gradio's page translates."""
    return str(json.loads(label.removeprefix("__i18n__"))["key"]) if label.startswith("__i18n__") else label


def _text(drawn: Any) -> str:
    if isinstance(drawn, dict):
        drawn = drawn.get("value")
    return drawn if isinstance(drawn, str) else ""
