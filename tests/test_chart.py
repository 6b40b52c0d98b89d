import json
import math
import re
from collections.abc import Iterator
from typing import Any

import gradio as gr
import httpx
import pytest
from browser import Opened, loops_closed, open_page
from playwright.sync_api import Page

from studio.domain.errors import StudioError
from studio.ui.chart import Axis, Chart, Reply, Series, charts, to_json
from studio.ui.theme import STATIC, TOKENS, TabState, css, launch_options, static_url, tab_states


class Feed:
    """A run that grows when the test says so, and remembers what it was asked and what it sent."""

    def __init__(self) -> None:
        self.upto = 40
        self.done = False
        self.fails = False
        self.asked: list[tuple[str, Any]] = []
        self.sent: list[int] = []

    def __call__(self, run: str, cursor: Any) -> Reply:
        self.asked.append((run, cursor))
        if self.fails:
            raise StudioError("The metrics of this run cannot be read.", "Look at the log.")
        if run == "quiet":
            return Reply([], 0, empty="The first point appears after 10 steps.")
        since = 0 if cursor is None else cursor["step"]
        steps = list(range(since + 1, self.upto + 1))
        self.sent.append(len(steps))
        loss = [math.nan if step == 20 else 2 + math.exp(-step / 20) for step in steps]
        evals = [step for step in steps if step % 10 == 0]
        reply = [
            Chart(
                "loss",
                "Loss",
                [
                    Series("loss", "train", "train", list(map(float, steps)), list(loss)),
                    Series("eval/loss", "eval", "eval", list(map(float, evals)), [2.5 for _ in evals]),
                ],
            ),
            Chart("lr", "Learning rate", [Series("lr", "lr", "train", list(map(float, steps)), [3e-5] * len(steps))]),
            Chart("gpu", "GPU", [Series("g", "GPU 0", "train", [1.0], [41.0])], unit="GB", group="Hardware"),
        ]
        axes = [
            Axis("epoch", x=list(map(float, steps)), y=[step / 40 for step in steps]),
            Axis("time", x=list(map(float, steps)), y=[1e9 + 90.0 * step for step in steps]),
        ]
        return Reply(reply, {"step": self.upto}, done=self.done, axes=axes)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, Feed]]:
    feed = Feed()
    with loops_closed():
        with gr.Blocks() as demo:
            with gr.Tabs():
                with gr.Tab("Other", id="other"):
                    run = gr.Textbox("first", label="Run", elem_id="run")
                with gr.Tab("Charts", id="charts"):
                    grid = charts(feed, value="first")
            run.submit(lambda name: name or None, run, grid, api_visibility="private")
        options = {"run_history": False, "ssr_mode": False, "inbrowser": False, **launch_options()}
        _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **options)
        yield url, feed
        demo.close()


@pytest.fixture
def shown(served: tuple[str, Feed]) -> Iterator[tuple[Opened, Feed]]:
    url, feed = served
    feed.__init__()  # type: ignore[misc]
    with open_page(url) as opened:
        opened.page.click("button[data-tab-id=charts]")
        opened.page.wait_for_selector(".ts-chart[data-chart=loss] canvas")
        yield opened, feed


def wait_for_points(page: Page, count: int, chart: str = "loss") -> None:
    page.wait_for_selector(f".ts-chart[data-chart={chart}][data-points='{count}']")


def drawn_colours(page: Page) -> set[str]:
    """Return the colours that the loss chart's canvas holds as opaque pixels, as #rrggbb."""
    found = page.evaluate(
        """() => {
          const canvas = document.querySelector(".ts-chart[data-chart=loss] canvas");
          const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
          const seen = new Set();
          for (let i = 0; i < pixels.length; i += 4)
            if (pixels[i + 3] === 255)
              seen.add("#" + [0, 1, 2].map((k) => pixels[i + k].toString(16).padStart(2, "0")).join(""));
          return [...seen];
        }"""
    )
    return set(found)


def shown_range(page: Page) -> list[list[int]]:
    """Return the x range of each drawn chart, in whole steps."""
    ranges: list[list[int]] = page.evaluate(
        """() => document.querySelector(".ts-charts").board.charts
          .filter((chart) => chart.plot)
          .map((chart) => [chart.plot.scales.x.min, chart.plot.scales.x.max].map(Math.round))"""
    )
    return ranges


def test_nan_and_infinity_travel_as_gaps() -> None:
    reply = Reply([Chart("a", "A", [Series("a", "a", x=[1, 2, 3], y=[math.nan, math.inf, 0.5])])], cursor=7)
    assert json.loads(to_json(reply))["charts"][0]["series"][0]["y"] == [None, None, 0.5]


def test_stylesheet_uses_only_tokens_that_exist() -> None:
    text = css() + (STATIC / "chart.js").read_text("utf-8")
    used = set(re.findall(r"var\(--ts-([a-z0-9-]+)\)", text)) - {"sign"}
    assert used
    assert used <= set(TOKENS)


def test_static_files_stay_small_and_licensed() -> None:
    files = [path for path in STATIC.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 500_000
    assert {"inter-OFL.txt", "jetbrains-mono-OFL.txt", "LICENSE"} <= {path.name for path in files}
    assert len([path for path in files if path.suffix == ".woff2"]) == 5


def test_tab_state_cannot_leave_its_quotes() -> None:
    html = tab_states({"lora": TabState('r 32"}</style><b>'), "data": TabState("", "warn")})
    assert html.count("</style>") == 1
    assert "<b>" not in html
    assert "data-tab-id" in html
    assert '"data"' not in html


@pytest.mark.browser
def test_points_are_drawn_and_only_new_ones_travel(shown: tuple[Opened, Feed]) -> None:
    opened, feed = shown
    page = opened.page
    wait_for_points(page, 44)
    assert drawn_colours(page) >= {TOKENS["acc"][0], TOKENS["warn"][0]}
    assert feed.asked[0] == ("first", None)
    feed.upto = 50
    wait_for_points(page, 55)
    assert feed.asked[-1][1] in ({"step": 40}, {"step": 50})
    assert [count for count in feed.sent if count] == [40, 10]
    last = float(page.get_attribute(".ts-chart[data-chart=loss]", "data-last") or "nan")
    assert last == pytest.approx(2 + math.exp(-50 / 20))
    label = page.get_attribute(".ts-chart[data-chart=loss] [role=img]", "aria-label")
    assert label == "Loss: train 2.08 at step 50, falling; eval 2.50 at step 50, level"
    assert page.inner_text(".ts-chart[data-chart=lr] .ts-last") == "3.00e-05"
    assert opened.errors == []
    assert opened.external == []


@pytest.mark.browser
def test_theme_switch_redraws_in_the_other_colours(shown: tuple[Opened, Feed]) -> None:
    opened, _ = shown
    page = opened.page
    before = int(page.get_attribute(".ts-chart[data-chart=loss]", "data-draws") or 0)
    page.evaluate("document.body.classList.add('dark')")
    page.wait_for_function(f"Number(document.querySelector('[data-chart=loss]').dataset.draws) > {before}")
    colours = drawn_colours(page)
    assert TOKENS["acc"][1] in colours
    assert TOKENS["acc"][0] not in colours


@pytest.mark.browser
def test_zoom_holds_for_all_charts_while_points_arrive(shown: tuple[Opened, Feed]) -> None:
    opened, feed = shown
    page = opened.page
    page.locator("[data-chart=loss]").scroll_into_view_if_needed()
    box = page.locator("[data-chart=loss] .u-over").bounding_box()
    assert box is not None

    def at(step: int) -> float:
        """Where a step of the 40 lies on the screen: in its middle, so that a pixel more or less is the same step."""
        return float(box["x"] + box["width"] * (step - 1) / 39)

    page.mouse.move(at(11), box["y"] + 40)
    page.mouse.down()
    page.mouse.move(at(21), box["y"] + 50, steps=4)
    page.mouse.up()
    zoom = "11-21"
    page.wait_for_selector(f".ts-charts[data-zoom='{zoom}']")
    feed.upto = 60
    wait_for_points(page, 66)
    assert page.get_attribute(".ts-charts", "data-zoom") == zoom
    assert shown_range(page) == [[11, 21], [11, 21]]
    page.dblclick("[data-chart=lr] .u-over")
    page.wait_for_selector(".ts-charts[data-zoom='']")
    assert shown_range(page) == [[1, 60], [1, 60]]


@pytest.mark.browser
def test_another_run_starts_afresh_and_no_run_asks_nothing(shown: tuple[Opened, Feed]) -> None:
    opened, feed = shown
    page = opened.page

    def choose(run: str) -> None:
        page.click("button[data-tab-id=other]")
        page.fill("#run textarea", run)
        page.press("#run textarea", "Enter")
        page.click("button[data-tab-id=charts]")

    feed.upto = 30
    choose("second")
    page.wait_for_selector(".ts-charts[data-run=second][data-state=live]")
    wait_for_points(page, 33)
    assert ("second", None) in feed.asked
    choose("quiet")
    page.wait_for_selector(".ts-charts[data-run=quiet][data-state=empty]")
    assert page.inner_text(".ts-charts-note") == "The first point appears after 10 steps."
    choose("")
    page.wait_for_selector(".ts-charts[data-state=none]")
    assert page.inner_text(".ts-charts-note") == "Choose a run to see its charts."
    assert page.locator(".ts-chart").count() == 0


@pytest.mark.browser
def test_charts_are_drawn_over_epochs_or_time_and_the_browser_remembers(shown: tuple[Opened, Feed]) -> None:
    opened, feed = shown
    page = opened.page
    by = page.locator("select[data-set=x]")
    assert by.locator("option").all_inner_texts() == ["step", "epoch", "time"]  # nobody said tokens
    assert shown_range(page) == [[1, 40], [1, 40]]
    by.select_option("time")
    page.wait_for_function("document.querySelector('.ts-charts').board.x === 'time'")
    assert shown_range(page) == [[0, 39 * 90], [0, 39 * 90]]
    label = page.get_attribute(".ts-chart[data-chart=loss] [role=img]", "aria-label")
    assert label == "Loss: train 2.14 at time 58:30, falling; eval 2.50 at time 58:30, level"
    feed.upto = 41
    wait_for_points(page, 45)
    assert shown_range(page) == [[0, 40 * 90], [0, 40 * 90]]
    page.reload()
    page.click("button[data-tab-id=charts]")
    page.wait_for_selector(".ts-chart[data-chart=loss] canvas")
    assert by.input_value() == "time"
    by.select_option("epoch")
    page.click("text=Show as table")
    assert page.locator("[data-chart=loss] tbody tr").first.inner_text().split()[0] == "1.02"


@pytest.mark.browser
def test_arithmetic_of_the_axes(shown: tuple[Opened, Feed]) -> None:
    page = shown[0].page
    found = page.evaluate(
        """(() => {
          const axes = new tsAxes();
          axes.take([{name: 'tokens', of: 'a', x: [10, 20, 30], y: [100, 200, 300]},
                     {name: 'tokens', of: 'b', x: [10, 20, 30], y: [5, 10, 4]},
                     {name: 'time', of: '', x: [10, 20], y: [1000, 1100]}]);
          const at = (name, series) => axes.over(name, series);
          return {
            names: axes.names(),
            between: at('tokens', {name: 'a', x: [5, 10, 15, 25, 99], over: 'step'}),
            resumed: at('tokens', {name: 'b', x: [10, 20, 30], over: 'step'}),
            nobody: at('epoch', {name: 'a', x: [10], over: 'step'}),
            machine: at('step', {name: 'gpu', x: [900, 1000, 1050, 1200], over: 'time'}),
            seconds: at('time', {name: 'gpu', x: [900, 1050], over: 'time'}),
            said: [0, 59.6, 61, 3600, 3725].map((value) => axes.place('time', value)),
          };
        })()"""
    )
    assert found == {
        "names": ["step", "tokens", "time"],
        "between": [100, 100, 150, 250, 300],
        "resumed": [5, 10, 14],
        "nobody": None,
        "machine": [10, 10, 15, 20],
        "seconds": [-100, 50],
        "said": ["0:00", "1:00", "1:01", "1:00:00", "1:02:05"],
    }


@pytest.mark.browser
def test_polling_ends_with_the_run(shown: tuple[Opened, Feed]) -> None:
    opened, feed = shown
    feed.done = True
    opened.page.wait_for_selector(".ts-charts[data-state=done]")
    asked = len(feed.asked)
    opened.page.wait_for_timeout(2500)
    assert len(feed.asked) == asked


@pytest.mark.browser
def test_hidden_tab_is_not_polled_and_goes_on_where_it_was(shown: tuple[Opened, Feed]) -> None:
    opened, feed = shown
    page = opened.page
    page.click("button[data-tab-id=other]")
    page.wait_for_selector(".ts-charts", state="hidden")
    asked = len(feed.asked)
    feed.upto = 70
    page.wait_for_timeout(2500)
    assert len(feed.asked) <= asked + 1
    page.click("button[data-tab-id=charts]")
    wait_for_points(page, 77)
    assert len([cursor for _, cursor in feed.asked if cursor is None]) <= 2


@pytest.mark.browser
def test_failing_read_says_so_and_keeps_the_charts(shown: tuple[Opened, Feed]) -> None:
    opened, feed = shown
    feed.fails = True
    opened.page.wait_for_selector(".ts-charts[data-state=error]")
    assert opened.page.inner_text(".ts-charts-note") == "The metrics of this run cannot be read. Look at the log."
    assert opened.page.locator(".ts-chart canvas").count() == 2
    feed.fails = False
    opened.page.wait_for_selector(".ts-charts[data-state=live]")
    assert opened.errors == []


@pytest.mark.browser
def test_table_groups_and_settings_are_kept(shown: tuple[Opened, Feed]) -> None:
    opened, _ = shown
    page = opened.page
    page.click("text=Show as table")
    rows = page.locator("[data-chart=loss] tbody tr")
    assert rows.first.inner_text().split() == ["40", "2.14", "2.50"]
    assert page.locator("[data-chart=loss] [role=img]").count() == 0
    page.click("text=All 3")
    assert page.inner_text("[data-chart=gpu] .ts-last") == "41.0 GB"
    page.reload()
    page.click("button[data-tab-id=charts]")
    page.wait_for_selector("[data-chart=loss] tbody tr")
    assert page.get_attribute("[data-set=table]", "aria-pressed") == "true"


@pytest.mark.browser
def test_arithmetic_of_the_series(shown: tuple[Opened, Feed]) -> None:
    page = shown[0].page
    overtaken = page.evaluate(
        """(() => {
          const s = {x: [1, 2, 3, 4], y: [1, 2, 3, 4]};
          tsSeries.append(s, [3, 4, 5], [30, 40, 50]);
          return s;
        })()"""
    )
    assert overtaken == {"x": [1, 2, 3, 4, 5], "y": [1, 2, 30, 40, 50]}
    thinned = page.evaluate(
        """(() => {
          const x = Array.from({length: 12000}, (_, i) => i), y = x.map((i) => (i === 777 ? -9 : i === 778 ? 9 : 0));
          const s = {x: [], y: []};
          tsSeries.append(s, x, y);
          return {n: s.x.length, low: Math.min(...s.y), high: Math.max(...s.y), last: s.x.at(-1)};
        })()"""
    )
    assert thinned["n"] < 8000
    assert (thinned["low"], thinned["high"], thinned["last"]) == (-9, 9, 11999)
    assert page.evaluate("tsSeries.smoothed([4, null, 4], 0.9)") == [pytest.approx(4), None, pytest.approx(4)]
    assert page.evaluate("[0, 18400, 0.93, 3.2e-5, 842, null].map(tsSeries.number)") == [
        *("0", "18,400", "0.930", "3.20e-05", "842", "–"),
    ]
    assert page.evaluate("tsSeries.logTicks(0.9, 2.4)") == [1, 1.5, 2]
    assert page.evaluate("tsSeries.logTicks(0.015, 3)") == [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2]


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True])
def test_fonts_and_theme_come_from_this_machine(served: tuple[str, Feed], dark: bool) -> None:
    url, _ = served
    with open_page(url, width=800, dark=dark) as opened:
        opened.page.wait_for_selector("#run")
        assert opened.page.evaluate("document.fonts.load('14px Inter').then((faces) => faces.length)") == 1
        assert opened.page.evaluate("document.fonts.load('12px \"JetBrains Mono\"').then((faces) => faces.length)") == 1
        background = opened.page.evaluate(
            "getComputedStyle(document.querySelector('.gradio-container')).backgroundColor"
        )
        red, green, blue = (int(TOKENS["bg"][dark][i : i + 2], 16) for i in (1, 3, 5))
        assert background == f"rgb({red}, {green}, {blue})"
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= 800
        assert opened.external == []
        assert opened.errors == []


def test_static_files_are_served_with_a_version(served: tuple[str, Feed]) -> None:
    url, _ = served
    address = static_url("fonts/inter-latin-wght-normal.woff2")
    assert re.search(r"\?v=[0-9a-f]{8}$", address)
    answer = httpx.get(url + address)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "font/woff2"
    assert "inter-latin-wght-normal.woff2" in httpx.get(url + "theme.css").text
