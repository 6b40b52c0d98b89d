"""What charts draw of a run: groups of metrics, the machine's, what is new of all of them together, and the pace."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.adapters.metrics import MetricsStore
from studio.adapters.run_metrics import RunMetrics
from studio.service.curves import hardware, news, pace
from studio.ui import pieces


@pytest.fixture
def metrics(tmp_path: Path) -> RunMetrics:
    return RunMetrics(MetricsStore(tmp_path), "p", "r")


def test_the_machine_has_a_line_for_each_gpu() -> None:
    names = ["cpu/0/utilization", "cpu/utilization", "gpu/1/utilization", "gpu/0/utilization", "gpu/0/total_memory"]
    plots = hardware([*names, "memory/used", "network/sent_bytes"])
    assert [(plot.title, plot.lines) for plot in plots] == [
        ("GPU use", (("gpu/0/utilization", "GPU 0"), ("gpu/1/utilization", "GPU 1"))),
        ("CPU use", (("cpu/utilization", "CPU use"),)),
        ("Memory in use", (("memory/used", "Memory in use"),)),
    ]
    assert hardware([]) == []


def test_news_come_together_and_begin_anew_together(metrics: RunMetrics) -> None:
    empty = news(metrics, None)
    assert empty == {
        "cursor": {"series": 0, "axes": 0, "system": 0},
        "reset": False,
        "series": {},
        "axes": {},
        "system": {},
    }
    metrics.add(1, {"loss": 2.0})
    metrics.axes.add(1, {"time": 100.0})
    first = news(metrics, empty["cursor"])
    assert not first["reset"]
    assert first["series"] == {"loss": {"x": [1], "y": [2.0]}}
    assert first["axes"] == {"time": {"x": [1], "y": [100.0]}}
    metrics.system.add(105.0, {"cpu/utilization": 3.0})
    more = news(metrics, first["cursor"])
    assert (more["reset"], more["series"], list(more["system"])) == (False, {}, ["cpu/utilization"])
    metrics.axes.clear()
    again = news(metrics, more["cursor"])
    assert again["reset"]
    assert list(again["series"]) == ["loss"]
    for stranger in (7, "x", {"series": 10**9}):  # of another version, or from before a restart
        assert news(metrics, stranger)["reset"]


def test_the_pace_is_that_of_the_last_steps_without_pauses(metrics: RunMetrics) -> None:
    assert pace(metrics) == (None, None)
    moment = 0.0
    for step in range(10, 60, 10):
        moment += 9000.0 if step == 40 else 5.0  # stopped, and resumed hours later
        metrics.axes.add(step, {"time": moment, "tokens": step * 100.0})
    assert pace(metrics) == (2.0, 200.0)


@pytest.mark.parametrize(
    ("steps", "tokens", "said"),
    [
        (None, None, ""),
        (2.44, None, "2.4 steps/s"),
        (0.025, None, "40 s/step"),
        (2.0, 12_345.0, "2 steps/s <small>12 k tokens/s</small>"),
    ],
)
def test_a_pace_is_said_for_people(steps: float | None, tokens: float | None, said: str) -> None:
    assert pieces.pace(steps, tokens) == said
