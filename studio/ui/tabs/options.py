"""All options: every argument of the installed TRL and every option of its launcher, searched as one types.

One component draws the whole list in the browser (`static/options.js`): 300 Gradio components would take seconds. What
the options are comes once a method from `rows`, what the recipe says of them with every change, as the component's
value. The page is asked to show an option, from anywhere, by

    document.dispatchEvent(new CustomEvent('ts-show-option', {detail: {name: 'learning_rate'}}))

(`page.js`), which opens the tab and the option's group, and puts the cursor into its control. A row has the attribute
`data-option="learning_rate"`, the box to search in the id `options-search`.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.domain.arguments import Catalog
from studio.domain.findings import Fix, finding
from studio.domain.methods import method_named
from studio.domain.overlay import bounds_problem
from studio.domain.recipe import in_effect
from studio.domain.rewards import OPTIONS as REWARD_OPTIONS
from studio.domain.typed_text import (
    MOST_CHARACTERS,
    flow_text,
    in_words,
    read_environment,
    read_structure,
    read_texts,
)
from studio.domain.values import number_text, problem, read_value, same
from studio.service.options import Option, options_of, value_in, without_effect
from studio.ui import pieces
from studio.ui.controls import Control, Kind, kind_of, read, suggestions
from studio.ui.events import QUIET
from studio.ui.form import Form, dataset_text
from studio.ui.theme import static_url

if TYPE_CHECKING:
    from studio.ui.page import Page

TITLE, ID = "All options", "options"

# What names data: it is looked at once it is typed. Other names lead to models, of which facts are found out.
_DATA = ("dataset_name", "datasets", "dataset_config", "dataset_train_split")
_LOOKED_UP = (*_DATA, "model_name_or_path", "teacher_model_name_or_path", "reward_model_name_or_path")
_SECRET = ("hub_token",)
_ENDLESS = {".inf": math.inf, "-.inf": -math.inf, ".nan": math.nan}  # as YAML writes them


class Options:
    """The tab: what its list shows, and what an edit in it does."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.catalog: Catalog = page.catalog
        self.of = cache(self._of)
        self.rows_text = cache(self._rows)
        page.html(self._lead)

        # Gradio marks the functions that the script may call, and a method takes no mark.
        def rows(request: dict[str, Any]) -> str:
            return self.rows(request)

        def check(request: dict[str, Any]) -> dict[str, str]:
            return self.check(request)

        self.list = gr.HTML(
            "",
            html_template='<div class="ts-options"></div>',
            js_on_load="tsOptions(element.querySelector('.ts-options'), {props, trigger, watch, server});",
            head=f'<script src="{static_url("options.js")}"></script>',
            server_functions=[rows, check],
            apply_default_css=False,
            elem_id="options-list",
        )
        page.redrawn.append((self.list, self.state))
        page.follow(self.list, self.state, tuple({*REWARD_OPTIONS, *(control.name for control in page.controls)}))
        page.wiring.append(self._wire)

    def _of(self, method: str) -> dict[str, Option]:
        return {option.name: option for option in options_of(self.catalog, method)}

    def _lead(self, form: Form) -> str:
        label = method_named(form.recipe.method).label
        return pieces.title(
            TITLE, "Everything that {method} can be told, as TRL and accelerate describe it.", method=label
        )

    # What never changes ------------------------------------------------------------------------------------------

    def rows(self, request: Mapping[str, Any]) -> str:
        """What the options of a method are, as JSON for the script."""
        return self.rows_text(str(request["method"]))

    def _rows(self, method: str) -> str:
        return json.dumps([_row(option) for option in self.of(method).values()], separators=(",", ":"))

    def check(self, request: Mapping[str, Any]) -> dict[str, str]:
        """How a text that is being typed is read, or what is wrong with it; nothing is changed."""
        method = str(request["method"])
        option = self.of(method).get(str(request["name"]))
        if option is None:
            return {"problem": "", "meant": "", "unread": ""}
        try:
            is_set, value = understood(option, str(request["text"]))
        except ValueError as error:
            return {"problem": str(error), "meant": "", "unread": "yes"}
        wrong = value_problem(option, method, value) if is_set else None
        return {"problem": wrong or "", "meant": in_words(value) if is_set and not wrong else "", "unread": ""}

    # What the recipe says ----------------------------------------------------------------------------------------

    def state(self, form: Form, echo: int | None = None) -> str:
        """What differs from the defaults, what is wrong and what has no effect, as JSON for the script.

        `echo` is the number of the edit that is answered.
        """
        drawn = time.time_ns() // 1000  # taken before the form is read: the later one knows more
        recipe, method = form.recipe, form.recipe.method
        added = {} if form.elsewhere else form.added
        values: dict[str, tuple[str, str, str]] = {}
        idle: dict[str, str] = {}
        for name, option in self.of(method).items():
            is_set, value = value_in(recipe, option)
            if is_set:
                here = added.get(name, value)
                values[name] = (
                    text_of(option, value),
                    "held" if name in form.held else "set",
                    "" if same(here, value) else text_of(option, here),
                )
            elif name in added:
                values[name] = (text_of(option, added[name]), "added", "")
            why = without_effect(name, method, partial(in_effect, recipe, self.catalog))
            if why:
                idle[name] = why
        said: dict[str, tuple[str, str]] = {}
        for found in form.findings:
            if found.where.kind == "argument" and found.level != "note":
                said.setdefault(found.where.name, (found.level, found.message))
        aside = {name: text_of(self.of(method)[name], value) for name, value in form.aside.items() if name in idle}
        return json.dumps(
            {
                "method": method,
                "drawn": drawn,
                "echo": echo,
                "values": values,
                "said": said,
                "idle": idle,
                "aside": aside,
            },
            separators=(",", ":"),
        )

    # Edits -------------------------------------------------------------------------------------------------------

    def _wire(self) -> None:
        page = self.page
        # The script sends one edit after the other itself: none is dropped, none overtakes another.
        self.list.input(self._edit, [page.form], [*page.summary_outputs, self.list], trigger_mode="multiple", **QUIET)
        # Over a hundred components are made anew by an answer that only may change them (Gradio 6.31): they follow
        # when the tab is left, which the script tells.
        self.list.blur(page.everything, [page.form], page.all_outputs, trigger_mode="always_last", **QUIET)
        self.list.submit(page.signal, None, page.learn, trigger_mode="always_last", **QUIET)

    def _edit(self, form: Form, event: gr.EventData) -> list[Any]:
        """Edits from the list: what they change in the recipe."""
        sent = event._data
        for edit in sent["edits"] if sent["method"] == form.recipe.method else []:
            self.apply(form, edit)
        return [*self.page.summary(form), self.state(form, int(sent["number"])) if form.drawn else gr.skip()]

    def apply(self, form: Form, edit: Mapping[str, Any]) -> None:
        """Makes one edit: `{name, text, commit}` or `{name, reset}`.

        A text that cannot be read waits, until it is left as it is (`commit`): then it stands in the recipe as a text
        where that can hold it, and a Finding says in any case what is wrong with it.
        """
        option = self.of(form.recipe.method).get(str(edit["name"]))
        if option is None:
            return
        is_set, value, wrong, kept = False, None, "", False
        if not edit.get("reset"):
            text = str(edit["text"])
            try:
                is_set, value = understood(option, text)
            except ValueError as error:
                if not edit.get("commit"):
                    return
                is_set, value, wrong = True, text.strip(), str(error)
                kept = option.place == "environment" or len(text) > MOST_CHARACTERS
                if kept:
                    is_set, value = value_in(form.recipe, option)
        if option.place == "launch" and same(value, option.argument.default):
            is_set = False  # accelerate takes no `false`, and its own defaults need not be said
        form.set(self.catalog, option.name, value, is_set)
        form.aside = {name: kept for name, kept in form.aside.items() if name != option.name}
        if option.name in _DATA:
            form.typed, form.looked, form.unseen = dataset_text(form.recipe), (), True
        if kept or (wrong and not value_problem(option, form.recipe.method, value)):
            why = f"{option.name} stays as it was until this can be read." if kept else ""
            fix = Fix("Use TRL's default", {}, (option.name,))
            form.opened += (finding("error", option.name, f"`{option.name}` {wrong}.", why, fix),)


def build(page: Page) -> None:
    """The list of all options."""
    Options(page)


def kind(option: Option) -> Kind:
    """Which sort of control an option has."""
    return "switch" if option.place == "flag" else kind_of(option.argument)


def _row(option: Option) -> dict[str, Any]:
    """What the script is told of an option; what is empty is left out."""
    argument, sort = option.argument, kind(option)
    row = {
        "name": option.name,
        "group": option.group,
        "kind": sort,
        "label": option.label,
        "help": argument.help,
        "type": "flag" if option.place == "flag" else argument.type,
        "text": text_of(option, option.default) if sort != "tristate" else "",
        "default": _in_words(option.default, text_of(option, option.default)),
        "choices": [str(choice) for choice in argument.choices] if sort in ("choice", "list") else [],
        "offered": suggestions(argument) if sort in ("text", "list") else [],
        "nullable": option.place == "argument" and argument.optional and option.default is not None,
        "deprecated": option.deprecated,
        "partly": option.partly,
        "instead": option.replaced_by,
        "formerly": list(option.formerly),
        "looks": option.name in _LOOKED_UP,
        "secret": option.name in _SECRET,
    }
    return {key: value for key, value in row.items() if value not in ("", [], False, None)}


def _in_words(default: Any, text: str) -> str:
    if isinstance(default, bool):
        return "on" if default else "off"
    return "none" if default is None or default == [] else text or "empty"


def text_of(option: Option, value: Any) -> str:
    """A value as the option's control holds it."""
    if value is None:
        return "" if option.default is None else "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return number_text(value)
    if isinstance(value, (list, tuple)):
        return flow_text(list(value)) if value else ""
    if isinstance(value, Mapping):
        return flow_text(dict(value))
    text = str(value)
    if kind(option) == "list" and _items(text) != [text]:
        return flow_text([text])  # as a single item: it would be read as several
    return text


def _items(text: str) -> list[str]:
    try:
        return read_texts(text)
    except ValueError:
        return []


def understood(option: Option, text: str) -> tuple[bool, Any]:
    """What a typed or chosen text means: whether anything is set, and the recipe's value.

    Raises ValueError with the end of a sentence where it cannot be read (yet). A text that is no number is no such
    case: it stays, and the checks say what is wrong with it, as on the other tabs.
    """
    argument, sort = option.argument, kind(option)
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"is too long to be typed here: {len(text):,} characters, {MOST_CHARACTERS:,} at most")
    if sort == "switch":
        return True, text == "true"
    if not text.strip():
        return False, None
    if option.place == "environment":
        return True, read_environment(text)
    if text.strip() == "null" and argument.optional:
        return option.default is not None, None
    if sort == "yaml":
        return True, read_structure(argument, text)
    value: Any = text
    if sort == "choice":
        value = next((choice for choice in argument.choices if str(choice) == text), text)
    elif sort == "integer":
        value = _whole(text.strip())
    elif sort == "number" and (len(text) > 100 or text.strip() in _ENDLESS):
        return True, _ENDLESS.get(text.strip(), text)
    elif sort == "list":
        value = read_texts(text)
    return read(Control(option.name, sort, frozenset(), "", None), argument, value)


def _whole(text: str) -> Any:
    """A text as the component for whole numbers would send it: a number where it is one."""
    if re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        return int(text)
    if re.fullmatch(r"[+-]?([0-9]{1,40}\.?[0-9]{0,40}|\.[0-9]{1,40})([eE][+-]?[0-9]{1,3})?", text):
        return float(text)
    return text


def value_problem(option: Option, method: str, value: Any) -> str | None:
    """What is wrong with a value, as the end of a sentence, or None."""
    if option.place in ("flag", "environment"):
        return None
    if option.place == "launch":
        value = read_value(option.argument, value)
    return problem(option.argument, value) or bounds_problem(option.name, method, value)
