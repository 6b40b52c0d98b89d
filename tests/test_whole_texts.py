"""Half of a character, which JSON may hold and UTF-8 may not: whatever is to reach the page, the answer does."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from gradio import routes
from gradio.data_classes import JsonData

from studio.domain.plain_json import whole
from studio.domain.reward_trial import samples_of
from studio.ui.blocks import send_whole_texts

HALF = "a\ud83db"
WHOLE = "a\ufffdb"


@pytest.fixture(autouse=True)
def _patched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "orjson", orjson)  # so that what is put there goes with the test
    send_whole_texts()


@pytest.mark.parametrize(
    ("content", "sent"),
    [
        ({"data": [HALF, {"value": (HALF, 1)}], HALF: None}, {"data": [WHOLE, {"value": [WHOLE, 1]}], WHOLE: None}),
        (JsonData([HALF]), [WHOLE]),
        ({"x": JsonData({"y": HALF}), "z": HALF}, {"x": {"y": WHOLE}, "z": WHOLE}),
        ({"data": ["\U0001f600"]}, {"data": ["\U0001f600"]}),
    ],
)
def test_an_answer_with_half_of_a_character_is_sent(content: Any, sent: Any) -> None:
    assert json.loads(routes.ORJSONResponse(content).body) == sent
    assert json.loads(routes.ORJSONResponse._render_str(content)) == sent


def test_what_gradio_cannot_send_for_another_reason_is_told_as_before() -> None:
    with pytest.raises(TypeError, match="Dict key must be str"):
        routes.orjson.dumps({1: 2})
    assert routes.orjson.loads(b"[1]") == [1]


def test_completions_to_be_tried_are_whole() -> None:
    assert whole(HALF) == WHOLE
    assert whole({"a": [HALF, 1.5, None]}) == {"a": [WHOLE, 1.5, None]}
    rows = [{"answer": HALF}]
    assert [one.completion for one in (*samples_of(rows, (), "answer"), *samples_of(rows, [HALF], None))] == [WHOLE] * 2
