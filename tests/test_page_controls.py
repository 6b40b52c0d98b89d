"""No control changes nothing: every one of them, under every method, is edited and seen in the recipe, and undone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
import yaml
from app_process import ROOT, AppProcess, app
from browser import loops_closed, open_page
from playwright.sync_api import APIResponse, Route
from studio_page import StudioPage, choose, until

from studio.adapters.home import Home
from studio.domain.arguments import Argument
from studio.domain.methods import METHOD_NAMES
from studio.domain.overlay import OVERLAYS, SET, UNSET, overlay
from studio.domain.recipe import Recipe
from studio.service.studio import Studio
from studio.ui.controls import Control, argument_named
from studio.ui.form import Form
from studio.ui.late_answers import drawn_again
from studio.ui.page import Page
from studio.ui.steps import TABS

# Values with which other controls are shown: those are tried with it in place.
CONDITIONS: dict[str, list[Any]] = {}
for record in OVERLAYS:
    if record.shown_when and record.shown_when[1] not in (SET, UNSET):
        wanted = record.shown_when[1]
        values = CONDITIONS.setdefault(record.shown_when[0], [])
        values += [wanted[0] if isinstance(wanted, tuple) else wanted]
# Where a run on this machine writes is not for the recipe to say: always `output` in the run's own folder.
SETTLED_HERE = {"output_dir"}


@pytest.fixture(scope="module")
def page(catalog_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    home = tmp_path_factory.mktemp("home")
    shutil.copytree(catalog_folder, home / "cache")
    with loops_closed():
        built = Page(Studio(Home(home)))
        built.build()
        yield built


@pytest.fixture(scope="module")
def shared_app(catalog_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppProcess]:
    with app(tmp_path_factory.mktemp("app") / "home", catalog_folder) as started:
        yield started


def argument_of(page: Page, method: str, control: Control) -> Argument:
    found = argument_named(page.catalog, method, control.name)
    assert found is not None
    return found


def trial(control: Control, argument: Argument) -> tuple[Any, Any]:
    """What the component is given, unlike the default, and what the YAML has to say then."""
    default = argument.effective_default
    if control.kind == "switch":
        return default is not True, default is not True
    if control.kind == "tristate":
        return ("false", False) if default is True else ("true", True)
    if control.kind == "choice":
        chosen = next(choice for choice in argument.choices if choice != default)
        return chosen, chosen
    if control.kind == "integer":
        return (7, 7) if default != 7 else (8, 8)
    if control.kind == "number":
        return "0.37", 0.37
    if control.kind == "list":
        return ["a", "b"], ["a", "b"]
    if control.kind == "yaml":
        return "[0.5, 2]", [0.5, 2]
    return "a/b", "a/b"


def untouched(control: Control, argument: Argument) -> Any:
    """What the component holds when nothing is set."""
    if control.kind == "switch":
        return argument.effective_default is True
    if control.kind == "choice" and not (argument.optional and argument.default is None):
        return argument.effective_default
    return {"integer": None, "list": []}.get(control.kind, "")


def test_an_edit_that_overtakes_a_slow_answer_is_drawn_again(page: Page) -> None:
    form = Form(Recipe("sft"), drawn=True)
    number = len(page.summary_outputs)
    pieces = [component for component, _ in page.redrawn]
    table = next(place for place, one in enumerate(pieces) if getattr(one, "elem_id", None) == "profiles")
    page.summary(form)
    page.surroundings(form)
    quiet = drawn_again(page, form, 0)[number:]
    assert all(one == gr.skip() for one in quiet)
    slow = page.surroundings(form)[-len(pieces) - 2 : -2]
    form.set(page.catalog, "accelerate_config", "zero2", True)
    *again, signal = drawn_again(page, form, 0)[number:]
    assert again[table] != slow[table]
    assert len(again) == len(pieces)
    typed = [place for place, one in enumerate(pieces) if isinstance(one, gr.Textbox)]
    assert typed
    assert all(again[place] == gr.skip() for place in typed)
    # What was drawn in its place may be overtaken itself: it is looked at again, and drawn where it was.
    assert all(one == gr.skip() for one in drawn_again(page, form, signal)[number:])
    form.set(page.catalog, "accelerate_config", "zero3", True)
    *third, last = drawn_again(page, form, signal)[number:]
    assert third[table] not in (again[table], slow[table])
    assert last > signal
    # Of two late answers the older one may come last.
    page.surroundings(form)
    assert drawn_again(page, form, 0)[number:][table] == third[table]


def test_an_answer_draws_the_box_of_the_dataset_only_where_it_holds_something_else(page: Page) -> None:
    form = Form(Recipe("sft"), typed="before/this", drawn=True)
    place = [getattr(one, "elem_id", None) for one in page.all_outputs].index("dataset")
    assert page.surroundings(form)[place] == "before/this"
    # Another name is typed while this answer is on its way: it would be put back.
    form.choose_method(page.studio, "kto")
    assert page.everything(form)[place] == gr.skip()
    form.empty()
    assert page.everything(form)[place] == ""
    form.undo()
    assert page.everything(form)[place] == "before/this"
    # Typed, but not entered: what the box holds is not known.
    form.typing, form.boxed = True, None
    assert page.everything(form)[place] == gr.skip()
    form.empty()
    assert page.everything(form)[place] == ""


# Every method, through the handler that the component calls -----------------------------------------------------


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_every_control_reaches_the_recipe_and_leaves_it_again(page: Page, method: str) -> None:
    controls = [control for control in page.controls if method in control.methods]
    assert len(controls) > 40
    for control in controls:
        argument = argument_of(page, method, control)
        value, said = trial(control, argument)
        there, here = Form(Recipe(method), elsewhere=True), Form(Recipe(method))
        before = {form.elsewhere: form.prepared(page.studio).yaml for form in (there, here)}
        for form in (there, here):
            page._edit(control, [], [], value, form)
        assert yaml.safe_load(there.prepared(page.studio).yaml)[control.name] == said, control.name
        assert here.prepared(page.studio).yaml != before[False] or control.name in SETTLED_HERE, control.name
        page._edit(control, [], [], untouched(control, argument), there)
        assert there.prepared(page.studio).yaml == before[True], control.name


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_every_control_can_be_seen(page: Page, method: str) -> None:
    for control in page.controls:
        if method in control.methods:
            recipe = Recipe(method, condition_of(control.name, method))
            assert control.visible(recipe, page.catalog), control.name


def condition_of(name: str, method: str) -> dict[str, Any]:
    """The values with which the control of an argument is shown."""
    record = overlay(name, method)
    if record is None or record.shown_when is None or record.shown_when[1] == UNSET:
        return {}
    other, value = record.shown_when
    meant = "something" if value == SET else value[0] if isinstance(value, tuple) else value
    return condition_of(other, method) | {other: meant}


# Two methods, with mouse and keyboard ---------------------------------------------------------------------------


def set_in_browser(studio: StudioPage, control: Control, value: Any) -> None:
    """Makes the component hold `value`, as a person would."""
    here = studio.page.locator(f"#{control.component.elem_id}")
    box = here.locator("input, textarea").first
    if control.kind == "switch":
        box.set_checked(value)
    elif control.kind in ("tristate", "choice"):
        labels = {shown_value: label for label, shown_value in control.component.choices}
        choose(here, labels[value])
    elif control.kind == "list":
        if here.locator(".remove-all").is_visible():
            here.locator(".remove-all").click()
        for item in value:
            box.press_sequentially(item)
            box.press("Enter")
        box.press("Escape")
    elif box.get_attribute("role") == "combobox":
        box.fill("")
        box.press_sequentially(value)
        box.press("Enter")
    else:
        box.fill("")
        box.press_sequentially("" if value is None else str(value))


def try_in_browser(studio: StudioPage, page: Page, method: str, control: Control, left: dict[str, Control]) -> None:
    """Edits a control, sees the YAML say so, undoes it, sees the YAML say it no more."""
    argument = argument_of(page, method, control)
    value, said = trial(control, argument)
    set_in_browser(studio, control, value)
    studio.wait_for(control.name, said)
    set_in_browser(studio, control, untouched(control, argument))
    studio.wait_for(control.name, None)
    for condition in dict.fromkeys(CONDITIONS.get(control.name, ())):
        if condition == argument.effective_default:
            continue
        try_all_shown(studio, page, method, left)  # what is shown with the value that it has now
        set_in_browser(studio, control, condition)
        studio.wait_for(control.name, condition)
        studio.page.wait_for_timeout(100)  # for what appears by it


@pytest.mark.browser
@pytest.mark.parametrize("method", ["sft", pytest.param("grpo", marks=pytest.mark.slow)])
def test_every_control_in_the_browser(page: Page, shared_app: AppProcess, method: str) -> None:
    left = {control.component.elem_id: control for control in page.controls if method in control.methods}
    assert len(left) > 50
    with open_page(shared_app.url) as opened:
        studio = StudioPage(opened, shared_app.url).open()
        studio.choose_method(method)
        studio.switch("elsewhere")
        for tab in TABS:
            studio.tab(tab)
            if tab == "training":
                studio.page.locator('[data-level="advanced"]').click()
            try_all_shown(studio, page, method, left)
        # Of a single file the recipe makes `datasets`, which have options of their own.
        studio.choose_dataset(str(next((ROOT / "assets/demo" / method).glob("train.jsonl"))))
        until(studio.page, lambda: "datasets" in studio.recipe())
        until(studio.page, lambda: _shown(studio, left))
        try_all_shown(studio, page, method, left)
        assert sorted(left) == []
        assert opened.errors == []
        assert opened.external == []


def try_all_shown(studio: StudioPage, page: Page, method: str, left: dict[str, Control]) -> None:
    """Tries the controls of the open tab, and those that appear by it."""
    while shown := _shown(studio, left):
        for elem_id in shown:
            if elem_id in left:
                try_in_browser(studio, page, method, left.pop(elem_id), left)
        studio.page.wait_for_timeout(100)  # for what appears by the last one


def _shown(studio: StudioPage, left: dict[str, Control]) -> list[str]:
    """The controls of the open tab that have not been tried yet."""
    found = studio.page.eval_on_selector_all("[id^=arg-]", "all => all.filter(e => e.offsetParent).map(e => e.id)")
    return [elem_id for elem_id in found if elem_id in left]


@pytest.mark.browser
def test_an_answer_that_comes_late_takes_nothing_back(shared_app: AppProcess) -> None:
    with open_page(shared_app.url) as opened:
        studio = StudioPage(opened, shared_app.url).open()
        studio.tab("training")
        held: list[tuple[Route, APIResponse]] = []
        opened.page.route("**/run/predict*", lambda route: held.append((route, route.fetch())), times=1)
        studio.box("max_steps").fill("11")
        until(studio.page, lambda: held)
        studio.box("gradient_accumulation_steps").fill("3")
        studio.wait_for("gradient_accumulation_steps", 3)
        route, response = held[0]
        with opened.page.expect_response("**/run/predict*"):
            route.fulfill(response=response)
        studio.page.evaluate("new Promise((done) => setTimeout(done, 300))")  # for what must not happen
        assert studio.recipe()["max_steps"] == 11
        assert studio.recipe()["gradient_accumulation_steps"] == 3
