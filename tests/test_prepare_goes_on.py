"""Preparing data outlives the page that began it: the next page shows how far it is, stops it, takes the result."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from browser import loops_closed

from studio.adapters.home import Home
from studio.domain.recipe import Recipe
from studio.service import preparing
from studio.service.studio import Studio
from studio.ui.form import Form
from studio.ui.kept import kept, restored
from studio.ui.mapping_card import MappingCard
from studio.ui.page import Page

Wait = Callable[..., Any]
ROWS = [{"question": f"What is {n} and {n}?", "answer": f"Add them.\n#### {n + n}"} for n in range(60)]


@pytest.fixture(scope="module")
def page(catalog_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    home = tmp_path_factory.mktemp("home")
    shutil.copytree(catalog_folder, home / "cache")
    with loops_closed():
        built = Page(Studio(Home(home)))
        built.build()
        yield built


@pytest.fixture
def card(page: Page) -> MappingCard:
    owner = next(wire for wire in page.wiring if isinstance(getattr(wire, "__self__", None), MappingCard))
    found = owner.__self__  # type: ignore[attr-defined]
    assert isinstance(found, MappingCard)
    return found


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Jobs do their first half before it is opened, and the rest after."""
    opened = threading.Event()
    batches = preparing.databatches.batches

    def slowly(*values: Any) -> Iterator[Any]:
        for batch in batches(*values):
            yield batch
            assert opened.wait(60)

    monkeypatch.setattr(preparing.databatches, "batches", slowly)
    yield opened
    opened.set()


def opened_form(page: Page, tmp_path: Path) -> Form:
    file = tmp_path / "sums.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    form = Form(Recipe("sft"), drawn=True)
    form.choose_dataset(page.studio, str(file))
    return form


def reloaded(page: Page, form: Form) -> Form:
    """The form as the browser brings it back, with its data looked at."""
    found = restored(page.studio, json.loads(json.dumps(kept(form))))
    assert found is not None
    found.drawn = True
    assert found.see(page.studio)
    return found


def press(card: MappingCard, form: Form, name: str) -> list[Any]:
    said = {
        "name": name,
        "share": "5",
        "form": "messages",
        "threshold": None,
        "after": "####",
        "leave_out": False,
        "better": None,
        "code": None,
    }
    return card._prepare(*(said[one] for one in card.controls), form)


def shown(card: MappingCard, form: Form) -> dict[str, Any]:
    """What a page that is drawn anew shows of it."""
    drawn = {component: draw(form) for component, draw in card.drawn}
    timer = drawn[card.timer]  # anything else leaves it as it is
    goes_on = isinstance(timer, gr.Timer) and timer.active
    return {"told": drawn[card.progress], "goes on": goes_on, "button": drawn[card.button]["interactive"]}


def of(card: MappingCard, answer: list[Any], component: Any) -> Any:
    return answer[card.page.all_outputs.index(component)]


def test_after_a_reload_it_goes_on_and_its_result_is_taken(
    page: Page, card: MappingCard, gate: threading.Event, tmp_path: Path, wait_until: Wait
) -> None:
    form = opened_form(page, tmp_path)
    assert shown(card, form) == {"told": "", "goes on": False, "button": True}
    press(card, form, "kept-on")
    job = form.mapping.job
    assert job is not None
    later = reloaded(page, form)
    assert later.mapping.job is None
    found = shown(card, later)
    assert found["goes on"]
    assert not found["button"]
    assert "rows" in found["told"]
    assert 'data-mapping="stop"' in found["told"]
    assert "rows" in of(card, card._look(later), card.progress)
    gate.set()
    assert job.wait(60)
    card._look(later)
    assert later.recipe.get("dataset_name") == str(page.studio.preparing.folder / "kept-on")
    assert later.notice.startswith("Prepared as kept-on: ")
    # Whoever comes back to the same data later is not told again.
    again = opened_form(page, tmp_path)
    assert shown(card, again) == {"told": "", "goes on": False, "button": True}
    assert isinstance(of(card, card._look(again), card.timer), gr.Timer)
    assert "datasets" in again.recipe.values


def test_it_can_be_stopped_after_a_reload(page: Page, card: MappingCard, gate: threading.Event, tmp_path: Path) -> None:
    form = opened_form(page, tmp_path)
    press(card, form, "stopped")
    later = reloaded(page, form)
    assert shown(card, later)["goes on"]
    assert later.mapping.job is not None
    later.mapping.job.stop()
    gate.set()
    assert later.mapping.job.wait(60)
    answer = card._look(later)
    assert "It was stopped, and nothing was written." in of(card, answer, card.progress)
    assert not (page.studio.preparing.folder / "stopped").exists()
    assert shown(card, later)["button"]


def test_what_ended_while_no_page_was_open_is_told_once(
    page: Page, card: MappingCard, gate: threading.Event, tmp_path: Path
) -> None:
    form = opened_form(page, tmp_path)
    press(card, form, "ended")
    gate.set()
    assert form.mapping.job is not None
    assert form.mapping.job.wait(60)
    later = reloaded(page, form)
    assert shown(card, later)["goes on"]
    card._look(later)
    assert later.notice.startswith("Prepared as ended: ")


def test_other_data_and_another_method_have_nothing_to_do_with_it(
    page: Page, card: MappingCard, gate: threading.Event, tmp_path: Path
) -> None:
    form = opened_form(page, tmp_path)
    press(card, form, "elsewhere")
    (tmp_path / "other").mkdir()
    assert not shown(card, opened_form(page, tmp_path / "other"))["goes on"]
    grpo = Form(Recipe("grpo"), drawn=True)
    grpo.choose_dataset(page.studio, str(tmp_path / "sums.jsonl"))
    assert not shown(card, grpo)["goes on"]


def test_what_was_prepared_is_not_said_of_the_next_dataset(
    page: Page, card: MappingCard, gate: threading.Event, tmp_path: Path
) -> None:
    form = opened_form(page, tmp_path)
    press(card, form, "said-once")
    gate.set()
    assert form.mapping.job is not None
    assert form.mapping.job.wait(60)
    card._look(form)
    assert form.notice.startswith("Prepared as said-once: ")
    form.choose_dataset(page.studio, str(tmp_path / "sums.jsonl"))
    assert form.notice == ""
