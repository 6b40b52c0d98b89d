"""What the charts of a long run cost: until the first one is there, each further look, and fifty pages that watch."""

from __future__ import annotations

import itertools
import json
import sqlite3
import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
from browser import open_page
from playwright.sync_api import Request
from run_lab import RunLab
from servers import Server
from test_metrics import Generated

from studio.adapters.home import Home
from studio.service.studio import Studio
from studio.ui.chart import to_json
from studio.ui.tabs.runs import RunsTab

Asked = tuple[str, dict[str, Any]]
PAGES, WATCHED, OPENING = 50, 20.0, 20.0  # pages, seconds for which they watch, and those before that do not count
_NAMES = (
    *("loss", "grad_norm", "learning_rate", "entropy", "mean_token_accuracy", "num_tokens", "epoch"),
    *("rewards/chosen", "rewards/rejected", "rewards/margins"),
)
_WATCH = """
(() => {
  addEventListener('pointerdown', () => { window.pressedAt = performance.now(); }, true);
  const look = () => {
    const chart = document.querySelector('#run-charts .ts-chart canvas')?.closest('.ts-chart');
    if (chart && Number(chart.dataset.draws) > 0) window.drawnAt = performance.now();
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})();
"""


@contextmanager
def long_run(home: Path, rows: int) -> Iterator[tuple[Home, Generated]]:
    """A home with a run that goes on and has logged `rows` rows of ten metrics, and its store."""
    made = Home(home)
    lab = RunLab(home)
    try:
        with closing(_store(made, rows).connection) as connection:
            lab.start_waiting(project="p")
            store = Generated.__new__(Generated)
            store.connection, store.path = connection, made.trackio / "p.db"
            yield made, store
    finally:
        lab.close()


def _store(home: Home, rows: int) -> Generated:
    store = Generated(home.trackio)
    for first in range(0, rows, 50_000):
        logged = []
        for step in range(first, min(rows, first + 50_000)):
            values = {f"train/{name}": 1 / (step + place) for place, name in enumerate(_NAMES, 1)}
            text = json.dumps({**values, "train/global_step": step})
            logged.append(("run", "run", f"2026-01-01T00:00:{step % 60:02}+00:00", step, text.encode()))
        store.connection.execute("BEGIN")
        store.connection.executemany(
            "INSERT INTO metrics (run_id, run_name, timestamp, step, metrics) VALUES (?, ?, ?, ?, ?)", logged
        )
        store.connection.execute("COMMIT")
    return store


def seconds_to_first_chart(server: Server) -> float:
    """From the press on the tab to the frame with a drawn chart, by a studio that has not read the run yet."""
    with open_page("about:blank") as opened:
        page = opened.page
        page.add_init_script(_WATCH)
        page.goto(server.url)
        page.locator("#recipe-card pre.ts-code").first.wait_for()
        page.wait_for_timeout(1000)
        page.get_by_role("tab", name="Runs").click()
        page.wait_for_function("window.drawnAt", timeout=60_000)
        return float(page.evaluate("window.drawnAt - window.pressedAt")) / 1000


@dataclass(frozen=True)
class Looks:
    """Server time in milliseconds: of the first look, of those after it; and seconds until all rows were there."""

    first: float
    again: float
    whole: float


def looks(home: Home, store: Generated, rows: int, count: int = 20) -> Looks:
    """The charts' reads as the page asks for them, with one more row each time."""
    studio = Studio(home)
    studio.runs.quick = True
    tab = cast(Any, SimpleNamespace(studio=studio, pause=lambda: 1.0))

    def look(cursor: Any) -> tuple[Any, float]:
        began = time.process_time()
        reply = RunsTab.points(tab, "run#1", cursor)
        to_json(reply)
        return reply.cursor, (time.process_time() - began) * 1000

    began = time.perf_counter()
    cursor, first = look(None)
    studio.runs.metrics(studio.runs.folders.get("run")).wait()
    whole = time.perf_counter() - began
    cursor, _ = look(cursor)
    again = []
    for step in range(rows, rows + count):
        store.log("run", range(step, step + 1), **{f"train/{name}": 0.5 for name in _NAMES})
        time.sleep(0.6)  # longer than looks are shared
        cursor, taken = look(cursor)
        again.append(taken)
    return Looks(first, statistics.median(again), whole)


def share_of_a_core(server: Server, store: Generated, rows: int) -> tuple[float, float]:
    """The share of a core that the server takes while fifty pages watch the run, and requests a second.

    One page in a browser is watched for what it asks; fifty sessions then ask the same as often as it would
    (static/board.js and runs.js). The run logs ten metrics every other second.
    """
    with _logging(store, rows):
        asked = _requests_of_a_page(server)
    with ThreadPoolExecutor(PAGES) as sessions:
        # What opening a page costs is another figure.
        watching = [sessions.submit(_watch, asked, number, OPENING + WATCHED) for number in range(PAGES)]
        with _logging(store, rows + 1000):
            time.sleep(OPENING)
            before, started = _cpu(server), time.monotonic()
            time.sleep(WATCHED)
            share = (_cpu(server) - before) / (time.monotonic() - started)
        count = sum(one.result() for one in watching)
    return share, count / WATCHED


def _watch(asked: dict[str, Asked], number: int, seconds: float) -> int:
    """Asks like a page for so long; how many requests that were, but for the first ones."""
    session, count, idle = f"watcher{number:04}", 0, 0
    began = time.monotonic()
    due = dict.fromkeys(asked, began + number / PAGES)
    cursor: Any = None
    with httpx.Client(timeout=60) as client:
        while time.monotonic() < began + seconds:
            name = min(due, key=due.__getitem__)
            time.sleep(max(0.0, due[name] - time.monotonic()))
            url, body = asked[name]
            body = body | {"session_hash": session} if "session_hash" in body else body
            if name == "points":
                body = body | {"data": {"run": body["data"]["run"], "cursor": cursor}}
            answer = client.post(url, json=body).raise_for_status().json()
            count += time.monotonic() > began + OPENING
            wait = {"points": 1.0, "rows": 3.0, "states": 5.0}.get(name, 2.5)
            if name == "points":
                reply = json.loads(answer)
                cursor, idle = reply["cursor"], 0 if reply["charts"] else idle + 1
                wait *= reply["pause"] * min(1 + idle, 3)
            elif name == "rows":
                wait *= answer["pause"]
            due[name] = time.monotonic() + wait
    return count


@contextmanager
def _logging(store: Generated, first: int) -> Iterator[None]:
    """Meanwhile a trainer logs a row every other second."""
    stop = threading.Event()

    def log() -> None:
        # Its own connection: SQLite's belong to the thread that made them.
        other = Generated.__new__(Generated)
        with closing(sqlite3.connect(store.path, isolation_level=None)) as other.connection:
            for step in itertools.count(first):
                other.log("run", range(step, step + 1), **{f"train/{name}": 0.5 for name in _NAMES})
                if stop.wait(2.0):
                    return

    thread = threading.Thread(target=log, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _requests_of_a_page(server: Server) -> dict[str, Asked]:
    """What a page that watches a run asks again and again: where, and what it sends."""
    asked: dict[str, Asked] = {}
    with open_page("about:blank") as opened:
        page = opened.page
        page.goto(server.url)
        page.locator("#recipe-card pre.ts-code").first.wait_for()
        page.get_by_role("tab", name="Runs").click()
        page.locator("#run-charts .ts-chart canvas").first.wait_for()
        page.wait_for_timeout(15_000)  # all rows are read, and the page is told to begin anew

        def note(request: Request) -> None:
            if request.method == "POST" and request.post_data:
                body = json.loads(request.post_data)
                asked[str(body.get("fn_name", "tick"))] = request.url, body

        page.on("request", note)
        page.wait_for_timeout(12_000)
    return asked


def _cpu(server: Server) -> float:
    spent = server.process.cpu_times()
    return float(spent.user + spent.system)
