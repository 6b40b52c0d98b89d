"""Blocks, rows and answers without what Gradio (6.31) does over and over for each page and each answer."""

from __future__ import annotations

import copy
import inspect
from typing import Any

import gradio as gr
import orjson
from gradio import routes
from gradio.routes import templates, toorjson
from markupsafe import Markup

from studio.domain.plain_json import whole

# An array of another kind is none that Svelte makes reactive. The list of events never changes.
_PLAIN = (
    "(() => { const events = window.gradio_config?.dependencies;"
    " if (Array.isArray(events)) Object.setPrototypeOf(events, (class extends Array {}).prototype); })()"
)


def field_row(*classes: str, visible: bool = True) -> gr.Row:
    """A row for controls. Gradio would wrap those in a Form of their own, which is one element more for nothing."""
    row = gr.Row(elem_classes=["ts-fields", *classes], visible=visible)
    row.allow_expected_parents = False
    return row


class Blocks(gr.Blocks):  # type: ignore[misc]
    """Blocks whose events may have many outputs, of which most answers change few."""

    async def postprocess_data(self, block_fn: Any, predictions: Any, state: Any) -> list[Any]:
        """What goes to the page, of an answer with a value for each output of `block_fn`.

        Gradio makes each component anew for which an answer holds `gr.skip()`, and describes it to the session: a
        tenth of a second for the form. What is skipped is left out here.
        """
        outputs, skipped = block_fn.outputs, gr.skip()
        if not isinstance(predictions, (list, tuple)) or not len(predictions) == len(outputs) > 1:
            drawn: list[Any] = await super().postprocess_data(block_fn, predictions, state)
            return drawn
        kept = [n for n, value in enumerate(predictions) if not (isinstance(value, dict) and value == skipped)]
        sent: list[Any] = [skipped] * len(outputs)
        if kept:
            fewer, values = copy.copy(block_fn), [predictions[n] for n in kept]
            fewer.outputs = [outputs[n] for n in kept]
            answer = await super().postprocess_data(fewer, values if len(values) > 1 else values[0], state)
            for n, value in zip(kept, answer, strict=True):
                sent[n] = value
        return sent

    def get_config_file(self) -> Any:
        """What the page is told of its components, without an example input for each, which nothing of it reads."""
        config = super().get_config_file()
        for component in config["components"]:
            component.pop("example_inputs", None)
        return config

    def show_progress_on(self, busy: gr.HTML, quiet: gr.State) -> None:
        """Has every event show its progress on one component: on `busy`, or on `quiet`, which nobody sees.

        Gradio's page would otherwise write a loading status into every output of every event that ever ran, at each
        new event: 100 ms and more of an edit, for the 150 components that opening the page has filled.
        """
        for event in self.fns.values():
            event.show_progress_on = [busy if event.show_progress == "minimal" else quiet]

    def note_signatures(self) -> None:
        """Notes on the constructors of all components what `inspect.signature` says of them.

        Gradio asks for it whenever it makes or describes a component: for each when a page opens, and for each that an
        answer changes. That was half of the server's time. `__signature__` is what `inspect` looks for first.
        """
        for kind in {base for block in self.blocks.values() for base in type(block).__mro__}:
            made: Any = vars(kind).get("__init__")
            while inspect.isfunction(made):
                made.__signature__ = inspect.signature(made)  # type: ignore[attr-defined]
                made = getattr(made, "__wrapped__", None)


def leave_events_plain() -> None:
    """Has the page keep its list of events out of Svelte's reactive state.

    When a page opens, Gradio goes through all events for each component, twice: 150,000 looks through proxies, a
    seventh of the time until the page can be used. The config stands in the page as a script, which one statement more
    follows; without it the page works as well, and is slower.
    """

    def written(value: Any) -> Markup:
        is_config = isinstance(value, dict) and "dependencies" in value
        return Markup("{}; {}").format(toorjson(value), Markup(_PLAIN)) if is_config else toorjson(value)

    templates.env.filters["toorjson"] = written


class _WholeTexts:
    """The module orjson, for Gradio: what it refuses for half of a character is written without that half."""

    def __getattr__(self, name: str) -> Any:
        return getattr(orjson, name)

    def dumps(self, content: Any, default: Any = None, option: int | None = None) -> bytes:
        try:
            return orjson.dumps(content, default, option)
        except TypeError as error:
            if "surrogates" not in str(error):
                raise
            other = default and (lambda value: whole(default(value)))
            return orjson.dumps(whole(content), other, option)


def send_whole_texts() -> None:
    """Has every answer reach the page, whatever is in it: data, completions, errors of somebody's code, logs.

    JSON may hold half of a character (`"\\ud83d"`), and so may any text of Python. Gradio cannot send it, and an answer
    that cannot be sent takes the page's connection with it: nothing works until the page is loaded anew.
    """
    routes.orjson = _WholeTexts()


def only_news(component: Any, answer: Any) -> Any:
    """Of what a page that has just been opened is to show, what it was not built with: its parts are drawn once."""
    if not isinstance(answer, dict) or answer.get("__type__") != "update":
        return gr.skip() if getattr(component, "value", None) == answer else answer
    return {key: value for key, value in answer.items() if key == "__type__" or _attribute(component, key) != value}


def _attribute(component: Any, name: str) -> Any:
    return getattr(component, name, only_news)  # itself stands for what no answer says
