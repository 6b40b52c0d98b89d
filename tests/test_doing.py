"""What a run is at before it trains, as the bars in its log say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from studio.adapters.progress import doing_in

RECORDED = sorted((Path(__file__).parent / "failures").glob("*.json"))


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("", ""),
        ("Loading libraries\n 40%|####      | 4/10 [00:01<00:02,  2.0it/s]", ""),
        (
            "\rmodel.safetensors:   0%|          | 0.00/988M [00:00<?, ?B/s]"
            "\rmodel.safetensors:  43%|####3     | 430M/988M [00:12<00:15, 36.5MB/s]",
            "model.safetensors: 430MB of 988MB, 00:15 left",
        ),
        (
            "Loading weights: 100%|##########| 14/14 [00:00<00:00, 16485.19it/s]\n"
            "Tokenizing train dataset:  24%|##4       | 1200/5000 [00:02<00:06, 580.12 examples/s]",
            "Tokenizing train dataset: 1200 of 5000, 00:06 left",
        ),
        (
            "\rTokenizing train dataset:   0%|          | 0/5000 [00:00<?, ? examples/s]",
            "Tokenizing train dataset: 0 of 5000",
        ),
        ("Loading weights: 100%|##########| 14/14 [00:00<00:00, 16485.19it/s]\n", "Loading weights: done"),
    ],
)
def test_the_last_bar_says_what_is_done_and_what_is_left(log: str, said: str) -> None:
    assert doing_in(log) == said


def test_trls_own_logs_say_it() -> None:
    said = {
        doing_in("\n".join(json.loads(path.read_text(encoding="utf-8"))["log"])).partition(":")[0] for path in RECORDED
    }
    assert "Loading weights" in said
    assert any(one.startswith("Tokenizing") for one in said)
