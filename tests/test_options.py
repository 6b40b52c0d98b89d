"""All options through the service: every one of every method is described, edited, seen in the YAML, and reset."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
import yaml
from browser import loops_closed
from hypothesis import given
from hypothesis import strategies as st

from studio.adapters.home import Home
from studio.domain.arguments import Argument, Catalog
from studio.domain.methods import METHOD_NAMES, method_named
from studio.domain.recipe import Recipe
from studio.domain.typed_text import MOST_CHARACTERS, flow_text, in_words, read_environment, read_structure, read_texts
from studio.domain.values import same
from studio.service.options import Option, options_of, value_in, without_effect
from studio.service.studio import Studio
from studio.ui.form import Form
from studio.ui.page import Page
from studio.ui.steps import tab_of
from studio.ui.tabs.options import Options, kind, text_of, understood, value_problem

# A run on this machine always writes to `output` in its own folder.
SETTLED_HERE = {"output_dir"}
# accelerate offers one value, which is the default.
ONE_CHOICE = {"parallelism_config_cp_backend", "parallelism_config_sp_backend"}


@pytest.fixture(scope="module")
def page(catalog_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    home = tmp_path_factory.mktemp("home")
    shutil.copytree(catalog_folder, home / "cache")
    with loops_closed():
        built = Page(Studio(Home(home)))
        built.build()
        yield built


@pytest.fixture(scope="module")
def options(page: Page) -> Options:
    """The tab's own object, as its handlers know it."""
    found = next(draw for _, draw in page.redrawn if isinstance(getattr(draw, "__self__", None), Options))
    tab: Options = found.__self__  # type: ignore[attr-defined]
    return tab


def trial(option: Option) -> tuple[str, Any]:
    """What is typed or chosen, unlike the default, and what the recipe has to hold then."""
    argument, sort = option.argument, kind(option)
    if sort in ("switch", "tristate"):
        wanted = option.default is not True
        return str(wanted).lower(), wanted
    if argument.choices:
        chosen = next(choice for choice in argument.choices if choice != option.default)
        return (f"[{chosen}]", chosen) if sort == "list" else (str(chosen), chosen)
    if sort == "integer":
        return ("8", 8) if option.default == 7 else ("7", 7)
    if sort == "number":
        return "0.37", 0.37
    if sort == "list":
        return "[a, b]", ["a", "b"]
    if sort == "yaml":
        if option.place == "environment":
            return "{A: 1}", {"A": "1"}
        if "list[number]" in argument.types:
            return "[0.5, 2]", [0.5, 2.0]
        return ("[{path: a/b}]", [{"path": "a/b"}]) if option.name == "datasets" else ("{a: 1e-6}", {"a": 1e-6})
    return "a/b", "a/b"


def state_of(options: Options, form: Form) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(options.state(form))
    return said


# What is listed --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_every_argument_and_launch_option_is_listed_once(catalog: Catalog, method: str) -> None:
    rows = options_of(catalog, method)
    names = [row.name for row in rows]
    assert len(names) == len(set(names))
    assert set(names) == {*catalog.of(method), *catalog.launch, *catalog.flags, "env"}
    groups = list(dict.fromkeys(row.group for row in rows))
    assert groups[0] == method_named(method).label
    assert [row.group for row in rows] == sorted((row.group for row in rows), key=groups.index)
    # What both have is TRL's, as in a YAML.
    owners = {row.name: row.place for row in rows}
    assert owners["gradient_accumulation_steps"] == owners["debug"] == "argument"
    assert owners["env"] == "environment"


def test_rows_say_what_the_option_is(options: Options) -> None:
    rows = {row["name"]: row for row in json.loads(options.rows({"method": "dpo"}))}
    assert rows["beta"] | {"help": ""} == {
        "name": "beta",
        "group": "DPO",
        "kind": "number",
        "label": "Beta",
        "help": "",
        "type": "number",
        "text": "0.1",
        "default": "0.1",
    }
    assert rows["bf16"]["default"] == "on"
    assert rows["max_length"]["nullable"]
    assert rows["lr_scheduler_type"]["choices"][:2] == ["linear", "cosine"]
    assert rows["eval_strategy"]["formerly"] == ["evaluation_strategy"]
    assert rows["multi_gpu"]["kind"] == "switch"
    assert rows["hub_token"]["secret"]
    assert set(rows) == {option.name for option in options_of(options.catalog, "dpo")}


def test_deprecated_ones_name_what_replaces_them(options: Options) -> None:
    rows = {row["name"]: row for row in json.loads(options.rows({"method": "dpo"}))}
    deprecated = {name: row.get("instead") for name, row in rows.items() if row.get("deprecated")}
    assert deprecated["gradient_checkpointing_kwargs"] == "activation_checkpointing_kwargs"
    assert deprecated["gradient_checkpointing"] == "activation_checkpointing"
    assert rows["truncation_mode"]["partly"]
    assert "pad_token" in deprecated
    for name in filter(None, deprecated.values()):
        assert name in rows


# Every option, every method --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_every_option_reaches_the_recipe_and_leaves_it_again(page: Page, options: Options, method: str) -> None:
    form = Form(Recipe(method), elsewhere=True)
    tried = 0
    for name, option in options.of(method).items():
        if name in ONE_CHOICE:
            assert list(option.argument.choices) == [option.default]
            continue
        text, meant = trial(option)
        is_set, value = understood(option, text)
        assert is_set
        assert value_problem(option, method, value) is None, name
        options.apply(form, {"name": name, "text": text, "commit": True})
        prepared = form.prepared(page.studio)
        if option.place == "flag":
            assert prepared.accelerate is not None
            said = yaml.safe_load(prepared.accelerate)
            named = [found for found in prepared.findings if f"`--{name}`" in found.message]
            assert named or said != {"compute_environment": "LOCAL_MACHINE", "distributed_type": "NO"}, name
        else:
            assert same(yaml.safe_load(prepared.yaml)[name], meant), name
        assert state_of(options, form)["values"][name][:2] == [text_of(option, value), "set"]
        options.apply(form, {"name": name, "reset": True})
        assert replace(form.recipe, order=()) == Recipe(method), name
        tried += 1
    assert tried == len(options_of(page.catalog, method)) - len(ONE_CHOICE) > 270


@pytest.mark.parametrize("method", ["dpo", "rloo"])
def test_every_argument_reaches_the_recipe_for_this_machine(page: Page, options: Options, method: str) -> None:
    plain = Form(Recipe(method)).prepared(page.studio).yaml
    for name, option in options.of(method).items():
        if option.place == "argument" and name not in SETTLED_HERE:
            form = Form(Recipe(method))
            options.apply(form, {"name": name, "text": trial(option)[0], "commit": True})
            assert form.prepared(page.studio).yaml != plain, name


@pytest.mark.parametrize("method", ["sft", "grpo"])
def test_default_typed_again_is_no_change(page: Page, options: Options, method: str) -> None:
    form = Form(Recipe(method), elsewhere=True)
    for row in json.loads(options.rows({"method": method})):
        # What TRL fills in by itself stays in the recipe when it is said: `bf16: true`.
        argument = options.of(method)[row["name"]].argument
        if argument.default is None and argument.effective_default is not None:
            continue
        options.apply(form, {"name": row["name"], "text": row.get("text", ""), "commit": True})
        assert replace(form.recipe, order=()) == Recipe(method), row["name"]


NONSENSE = (
    "ten",
    "1e",
    "nan",
    "inf",
    "-",
    "{",
    "[1, ",
    '{"a": ',
    "}{",
    "<b onclick=x>&amp;",
    "ünï 💥",
    " ",
    "null",
    "\\",
    "'",
)


@pytest.mark.parametrize(
    "text", [*NONSENSE, "1" * 5000, "[" * 3000, "x" * (MOST_CHARACTERS + 1), "[*a]", "{a: 2024-01-01}"]
)
def test_nonsense_never_breaks_the_page(page: Page, options: Options, text: str) -> None:
    for name, option in options.of("grpo").items():
        if kind(option) in ("switch", "tristate", "choice"):
            continue
        form = Form(Recipe("grpo"), elsewhere=True)
        said = options.check({"method": "grpo", "name": name, "text": text})
        options.apply(form, {"name": name, "text": text, "commit": False})
        if said["unread"]:
            assert said["problem"]
            assert not value_in(form.recipe, option)[0], name  # it waits
        options.apply(form, {"name": name, "text": text, "commit": True})
        prepared = form.prepared(page.studio)
        is_set, value = value_in(form.recipe, option)
        assert is_set is (name in state_of(options, form)["values"])
        if said["problem"]:
            findings = [found for found in form.findings if found.where.name == name]
            assert [found.level for found in findings][:1] == ["error"], name
            assert all(len(found.message) < 400 for found in findings), name
        if option.place != "environment" and is_set:
            assert name in (yaml.safe_load(prepared.yaml) or {}), name
            # What the box shows then is what it was given.
            shown = text_of(option, value)
            assert said["unread"] or ".nan" in shown or same(understood(option, shown)[1], value), name


def test_number_that_is_none_is_named_where_it_stands(page: Page, options: Options) -> None:
    form = Form(Recipe("sft"), elsewhere=True)
    options.apply(form, {"name": "learning_rate", "text": "quick", "commit": False})
    form.prepared(page.studio)
    state = state_of(options, form)
    assert state["values"]["learning_rate"] == ["quick", "set", ""]
    assert state["said"]["learning_rate"][0] == "error"
    found = next(found for found in form.findings if found.where.name == "learning_rate")
    assert tab_of(page.catalog, "sft", found) == "training"
    options.apply(form, {"name": "logging_nan_inf_filter", "text": "false", "commit": True})
    options.apply(form, {"name": "adam_epsilon", "text": "small", "commit": True})
    form.prepared(page.studio)
    found = next(found for found in form.findings if found.where.name == "adam_epsilon")
    assert tab_of(page.catalog, "sft", found) == "options"


# What else the list says -----------------------------------------------------------------------------------------


def test_added_for_this_machine_is_told_from_what_the_user_set(page: Page, options: Options) -> None:
    form = Form(Recipe("sft", values={"report_to": ["wandb"], "max_steps": 5}))
    form.prepared(page.studio)
    values = state_of(options, form)["values"]
    assert values["max_steps"] == ["5", "set", ""]
    assert values["project"] == ["trl-studio", "added", ""]
    assert values["num_processes"][1] == "added"
    assert values["report_to"] == ["[wandb]", "set", "[trackio, wandb]"]
    form.elsewhere = True
    assert set(state_of(options, form)["values"]) == {"report_to", "max_steps"}


def test_default_can_be_said_over_what_is_added(page: Page, options: Options) -> None:
    form = Form(Recipe("sft"))
    form.prepared(page.studio)
    assert form.added["enable_jit_checkpoint"] is True
    options.apply(form, {"name": "enable_jit_checkpoint", "text": "false", "commit": True})
    assert "enable_jit_checkpoint: false" in form.prepared(page.studio).yaml
    assert state_of(options, form)["values"]["enable_jit_checkpoint"] == ["false", "set", ""]
    options.apply(form, {"name": "enable_jit_checkpoint", "reset": True})
    assert "enable_jit_checkpoint: true" in form.prepared(page.studio).yaml


def test_what_has_no_effect_says_why_and_what_was_set_comes_back(page: Page, options: Options) -> None:
    form = Form(Recipe("grpo"), elsewhere=True)
    idle = state_of(options, form)["idle"]
    assert idle["lora_r"] == idle["lora_target_parameters"] == "`use_peft` is off"
    assert idle["vllm_server_host"] == "`use_vllm` is off"
    assert idle["eval_steps"] == "`eval_strategy` is no"
    assert idle["streaming"] == "`datasets` is not set"
    assert "use_peft" not in idle
    options.apply(form, {"name": "use_peft", "text": "true", "commit": True})
    options.apply(form, {"name": "lora_r", "text": "64", "commit": True})
    assert "lora_r" not in state_of(options, form)["idle"]
    options.apply(form, {"name": "use_peft", "text": "false", "commit": True})
    assert state_of(options, form)["aside"]["lora_r"] == "64"
    assert "lora_r" not in form.prepared(page.studio).yaml
    # Said while it means nothing, it is in the recipe all the same, and the newer word holds.
    options.apply(form, {"name": "lora_r", "text": "8", "commit": True})
    assert "lora_r: 8" in form.prepared(page.studio).yaml
    assert state_of(options, form)["values"]["lora_r"][0] == "8"
    options.apply(form, {"name": "use_peft", "text": "true", "commit": True})
    assert form.recipe.get("lora_r") == 8


def test_conditions_of_conditions(catalog: Catalog) -> None:
    said = {"use_vllm": True, "vllm_mode": "colocate"}
    assert without_effect("vllm_server_host", "grpo", said.get) == "`vllm_mode` is colocate"
    assert without_effect("vllm_server_host", "grpo", {"use_vllm": True, "vllm_mode": "server"}.get) == ""
    assert without_effect("dataset_streaming", "sft", {"datasets": [1]}.get) == "`datasets` is set"


def test_null_can_be_said_where_the_default_is_none(options: Options) -> None:
    form = Form(Recipe("sft"), elsewhere=True)
    options.apply(form, {"name": "max_length", "text": "null", "commit": True})
    assert form.recipe.values == {"max_length": None}
    assert state_of(options, form)["values"]["max_length"] == ["null", "set", ""]
    options.apply(form, {"name": "save_total_limit", "text": "null", "commit": True})
    assert "save_total_limit" not in form.recipe.values


def test_edit_here_shows_on_the_other_tabs_and_the_other_way_round(page: Page, options: Options) -> None:
    form = Form(Recipe("sft"), elsewhere=True, drawn=True)
    edits = [{"name": "max_steps", "text": "12", "commit": True}, {"name": "use_peft", "text": "true", "commit": True}]
    *summary, own = options._edit(form, gr.EventData(None, {"number": 3, "method": "sft", "edits": edits}))
    assert len(summary) == len(page.summary_outputs)
    assert form.recipe.get("max_steps") == 12
    said = json.loads(own)
    assert said["echo"] == 3
    assert said["values"]["max_steps"] == ["12", "set", ""]
    # What the tab's own `blur` asks for when it is left.
    everything = dict(zip(page.all_outputs, page.everything(form), strict=True))
    values = {control.name: everything[control.component] for control in page.controls if "sft" in control.methods}
    assert values["max_steps"]["value"] == 12
    assert values["use_peft"]["value"] is True
    assert values["lora_r"]["visible"] is True
    assert json.loads(everything[options.list])["values"] == said["values"]
    assert options.list in {component for component, _ in page.following["learning_rate"]}


def test_page_that_the_server_has_forgotten_is_loaded_again(page: Page, options: Options) -> None:
    event = gr.EventData(None, {"number": 1, "method": "sft", "edits": [{"name": "max_steps", "text": "12"}]})
    summary, *_, own = options._edit(Form(Recipe("sft")), event)
    assert "data-reload" in summary
    assert own == gr.skip()


def test_edits_of_another_method_and_of_no_option_change_nothing(page: Page, options: Options) -> None:
    form = Form(Recipe("sft"), elsewhere=True, drawn=True)
    for method, name in (("dpo", "beta"), ("sft", "beta"), ("sft", "<script>")):
        edits = [{"name": name, "text": "1", "commit": True}]
        options._edit(form, gr.EventData(None, {"number": 1, "method": method, "edits": edits}))
    assert form.recipe == Recipe("sft")
    assert options.check({"method": "sft", "name": "<script>", "text": "1"})["problem"] == ""


def test_dataset_named_here_is_looked_at_later(page: Page, options: Options) -> None:
    form = Form(Recipe("sft"), elsewhere=True)
    options.apply(form, {"name": "dataset_name", "text": "https://huggingface.co/datasets/a/b", "commit": True})
    assert form.recipe.get("dataset_name") == form.typed == "a/b"
    assert form.unseen
    assert form.looked == ()


# Texts as people type them ---------------------------------------------------------------------------------------


def argument(*types: str) -> Argument:
    return Argument("x", types, True, None, None, (), "", "")


@pytest.mark.parametrize(
    ("types", "text", "value", "words"),
    [
        (("list[number]",), "1e-6, 2", [1e-6, 2.0], "list of 2 numbers"),
        (("list[number]",), "[1]", [1.0], "list of 1 number"),
        (("mapping", "text"), '{\n\t"lr": 1e-6}', {"lr": 1e-6}, "mapping of 1: lr"),
        (("mapping", "text"), "{a: 1e-6, b: '1e-6', c: [x, null]}", {"a": 1e-6, "b": "1e-6", "c": ["x", None]}, ""),
        (("mapping", "text"), "configs/ds.json", "configs/ds.json", "the text configs/ds.json"),
        (("mapping",), "a: 1\nb: true", {"a": 1, "b": True}, "mapping of 2: a, b"),
        (("datasets",), "- path: a\n- path: b", [{"path": "a"}, {"path": "b"}], "list of 2 mappings"),
        (("datasets",), "path: a", [{"path": "a"}], ""),
    ],
)
def test_lists_and_mappings(types: tuple[str, ...], text: str, value: Any, words: str) -> None:
    read = read_structure(argument(*types), text)
    assert same(read, value)
    assert in_words(read) == (words or in_words(value))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{a: ", "is no mapping yet"),
        ("[1, ", "is no list yet"),
        ("{a: &b 1, c: *b}", "anchor"),
        ("{a: 2024-01-01}", "quote it"),
        ("{1: a}", "quote it"),
        ("{a: 2024-13-45}", "cannot be read"),
        ("[" * 5000, "nested too deeply"),
        ("[" + "1" * 5000 + "]", "cannot be read"),
        ("{a: !!python/name:os.system }", "is no mapping yet"),
        ("[" + "1," * MOST_CHARACTERS + "]", "too long"),
    ],
)
def test_what_cannot_be_read_says_why(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_structure(argument("mapping", "text"), text)


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("a, b", ["a", "b"]),
        ("[a, no, 1e-3, 'x, y']", ["a", "no", "1e-3", "x, y"]),
        ("a, b\nc", ["a, b", "c"]),
        (r".*\.(q|v)_proj{1,2}", [r".*\.(q|v)_proj{1,2}"]),
        ("all-linear", ["all-linear"]),
        (" ", []),
    ],
)
def test_lists_of_texts(text: str, items: list[str]) -> None:
    assert read_texts(text) == items
    assert read_texts(flow_text(items)) == items


def test_environment() -> None:
    assert read_environment("{A: 1, B: true}") == {"A": "1", "B": "true"}
    assert read_environment("A: x\nB: 1e-3") == {"A": "x", "B": "1e-3"}
    for text in ("A=1", "{1A: 2}", "{A: [1]}", "{A: "):
        with pytest.raises(ValueError, match=r"must|name|no mapping yet"):
            read_environment(text)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=8), PLAIN, max_size=3))
def test_what_is_shown_is_read_as_what_it_was(value: dict[str, Any]) -> None:
    assert same(read_structure(argument("mapping"), flow_text(value)), value)
