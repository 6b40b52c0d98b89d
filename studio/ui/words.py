"""The page's words in other languages: English is the key, a file for each language holds the rest."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import gradio as gr

LANGUAGES = ("zh-CN", "es", "fr", "de", "ja")
_FOLDER = Path(__file__).parent / "languages"
# What of a component may hold words: Gradio's page translates these properties.
_PROPERTIES = ("label", "value", "placeholder")


@cache
def dictionary(language: str) -> dict[str, str]:
    """Every word of the page in a language, by its English."""
    words: dict[str, str] = json.loads((_FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    return words


@cache
def translations() -> gr.I18n:
    """All languages, as Gradio's page chooses among them by the browser's own; English is what a key says itself."""
    return gr.I18n(en={}, **{language: dictionary(language) for language in LANGUAGES})


def say(english: str) -> Any:
    """A word that a component shows, as Gradio translates it; in English where no language has it."""
    return translations()(english) if english in dictionary(LANGUAGES[0]) else english


def translate(blocks: gr.Blocks) -> None:
    """Has Gradio translate the labels, tabs and buttons of a page that has been built."""
    for block in blocks.blocks.values():
        # What Gradio makes for the parameters of an API endpoint is never seen.
        for name in _PROPERTIES if block.get_block_name() != "api" else ():
            held = getattr(block, name, None)
            if isinstance(held, str) and (name != "value" or isinstance(block, gr.Button)):
                setattr(block, name, say(held))
