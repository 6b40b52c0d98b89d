"""Pages that watch a run: each is sent what has changed, and many of them wait longer between two looks."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from browser import loops_closed
from run_lab import RunLab, let_go, wait_until
from test_metrics import Generated

from studio.adapters.home import Home
from studio.adapters.run_metrics import RunMetrics
from studio.service.studio import Studio
from studio.ui.page import Page
from studio.ui.tabs import runs as runs_tab
from studio.ui.tabs.runs import RunsTab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[RunLab]:
    lab = RunLab(tmp_path / "home")
    yield lab
    lab.close()


@pytest.fixture
def tab(lab: RunLab, catalog_folder: Path) -> RunsTab:
    home = Home(lab.folders.runs.parent)
    shutil.copytree(catalog_folder, home.cache, dirs_exist_ok=True)
    page = Page(Studio(home))
    with loops_closed():
        page.build()
    return page.runs


def look(tab: RunsTab, run: str | None, page: str = "one") -> list[Any]:
    request: Any = SimpleNamespace(session_hash=page)
    return tab._tick(run, request)


def test_a_page_is_sent_what_has_changed(lab: RunLab, tab: RunsTab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs_tab, "_SHARED", 0.0)
    run = lab.start_waiting()
    first = look(tab, "run")
    assert len(first) == len(tab.live_outputs)
    assert gr.skip() not in first
    again = look(tab, "run")
    assert again[tab.live_outputs.index(tab.title)] == gr.skip()
    assert again[tab.live_outputs.index(tab.detail)] == gr.skip()
    assert gr.skip() not in look(tab, "run", "another page")
    let_go(run)
    wait_until(lambda: run.state() == "finished")
    ended = look(tab, "run")
    assert "Finished" in ended[tab.live_outputs.index(tab.head)]
    assert ended[tab.live_outputs.index(tab.save)] == gr.update(visible=False, interactive=True)
    assert look(tab, None)[0] != gr.skip()  # another run, or none: all of it
    assert look(tab, None)[0] == gr.skip()
    for _ in range(runs_tab._WHOLE):
        if look(tab, None)[0] != gr.skip():
            return
    pytest.fail("what was lost on the way is never sent again")


def test_what_is_shared_is_a_copy_of_a_moment(lab: RunLab, tab: RunsTab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.start_waiting()
    drawn = []
    draw = tab.draw
    monkeypatch.setattr(tab, "draw", lambda run: drawn.append(run) or draw(run))
    one, two = look(tab, "run", "one"), look(tab, "run", "two")
    assert drawn == ["run"]
    assert one == two
    place = tab.live_outputs.index(tab.detail)
    one[place].pop("__type__")  # as Gradio does
    assert look(tab, "run", "three")[place] == gr.update(visible=True)


def test_many_pages_wait_longer(tab: RunsTab) -> None:
    assert tab.pause() == 1.0
    for number in range(50):
        look(tab, None, f"page {number}")
    assert tab.pause() == pytest.approx(50 / 8)
    assert tab.page.studio.access.space is None


def test_charts_of_a_long_run_that_has_ended_are_asked_for_until_all_of_it_is_there(
    lab: RunLab, tab: RunsTab, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = lab.start_waiting(project="p")
    let_go(run)
    wait_until(lambda: run.state() == "finished")
    home = tab.studio.home
    with closing(Generated(home.trackio).connection) as connection:
        store = Generated.__new__(Generated)
        store.connection = connection
        store.log("run", range(20_000))
    filling = threading.Event()
    whole = RunMetrics._fill

    def late(self: RunMetrics) -> None:
        filling.wait(60)
        whole(self)

    monkeypatch.setattr(RunMetrics, "_fill", late)
    tab.studio.runs.quick = True
    first = tab.points("run#1", None)
    assert not first.done
    assert 500 < len(first.charts[0].series[0].x) < 2001
    filling.set()
    tab.studio.runs.metrics(run).wait()
    then = tab.points("run#1", first.cursor)
    assert (then.done, then.reset) == (True, True)
    assert then.charts[0].series[0].x[-1] == 19_999.0
