"""Points for a chart: appended, replaced when a run is resumed, thinned with their peaks, and with their gaps."""

from __future__ import annotations

import json

import pytest

from studio.domain import curves as curves_module
from studio.domain.curves import Curves, thinned


def test_a_chart_that_only_appends_ends_with_the_whole_series() -> None:
    curves = Curves()
    drawn: dict[str, dict[float, float | None]] = {}
    cursor = 0
    steps = [*range(1, 50), *range(30, 80), *range(79, 90)]  # resumed from 30, then from 79
    for count, step in enumerate(steps):
        curves.add(step, {"loss": float(count), **({"eval/loss": float(count)} if step % 10 == 0 else {})})
        if count % 7 == 0 or count == len(steps) - 1:
            news = curves.since(cursor)
            cursor = news["cursor"]
            drawn = {} if news["reset"] else drawn
            for name, points in news["series"].items():
                old = {x: y for x, y in drawn.get(name, {}).items() if x < points["x"][0]}
                drawn[name] = old | dict(zip(points["x"], points["y"], strict=True))
    for name in curves.names():
        series = curves.series(name)
        assert list(drawn[name]) == series.x == sorted(series.x)
        assert list(drawn[name].values()) == series.y
    assert curves.since(cursor) == {"cursor": cursor, "reset": False, "series": {}}


def test_a_page_that_slept_gets_a_thinned_whole() -> None:
    curves = Curves()
    curves.add(0, {"loss": 1.0})
    cursor = curves.since()["cursor"]
    for step in range(1, 5000):
        curves.add(step, {"loss": float(step == 2222)})
    news = curves.since(cursor, max_points=300)
    assert news["reset"] is True
    assert len(news["series"]["loss"]["x"]) <= 300
    assert 2222.0 in news["series"]["loss"]["x"]
    assert curves.since(10**9)["reset"] is True  # a cursor from before the server was restarted


@pytest.mark.parametrize("count", [1, 5, 299, 300, 301, 4001, 20_000])
def test_thinning_keeps_ends_peaks_and_gaps(count: int) -> None:
    values = [float((i * 7919) % 997) for i in range(count)]
    values[count // 3] = 1e6
    values[count // 2] = -1e6
    if count > 10:
        values[count // 5] = float("nan")
    kept = list(thinned(values, 300))
    assert len(kept) <= 300
    assert kept == sorted(set(kept))
    assert {0, count - 1, count // 2} <= set(kept)
    if count > 10:
        assert {count // 3, count // 5} <= set(kept)


def test_gaps_survive_to_the_chart_as_json() -> None:
    curves = Curves()
    for step, value in enumerate([1.0, None, 2.0]):
        curves.add(step, {"loss": value})
    assert json.loads(json.dumps(curves.since(), allow_nan=False))["series"]["loss"]["y"] == [1.0, None, 2.0]
    assert curves.last() == {"loss": 2.0}


def test_a_curve_of_millions_of_points_keeps_its_peaks_and_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curves_module, "_MOST", 1000)
    curves = Curves()
    for step in range(20_000):
        curves.add(step, {"loss": 5.0 if step == 777 else float(step % 7) / 10})
    series = curves.series("loss", 5000)
    assert series.points <= 1001
    assert series.x == sorted(set(series.x))
    assert (series.x[0], series.x[-1]) == (0.0, 19_999.0)
    assert dict(zip(series.x, series.y, strict=True))[777.0] == 5.0


def test_a_chart_begins_anew_with_points_that_were_taken_over() -> None:
    sample, whole = Curves(), Curves()
    for step in range(0, 100, 10):
        sample.add(step, {"loss": float(step)})
    for step in range(100):
        whole.add(step, {"loss": float(step)})
    cursor = sample.since(0)["cursor"]
    sample.take_over(whole)
    news = sample.since(cursor)
    assert news["reset"]
    assert news["series"]["loss"]["x"] == [float(step) for step in range(100)]
    sample.add(100, {"loss": 1.0})
    assert sample.since(news["cursor"])["series"] == {"loss": {"x": [100], "y": [1.0]}}
