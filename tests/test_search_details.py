"""What `trl-studio search` and the API's verb tell of each hit: as much as the page, and no later than its patience."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from fakehub import FakeHub, running
from hub_shelf import fill, fill_unfit
from huggingface_hub.utils._http import default_client_factory
from model_files import CONFIG, cached, llama
from test_search import search

from studio.adapters.hub import HubClient, bound_requests
from studio.cli import main
from studio.domain.hub_query import Query


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    bound_requests(60)
    with running(fill_unfit(fill(FakeHub()))) as served:
        yield served
        huggingface_hub.close_session()
    huggingface_hub.set_client_factory(default_client_factory)


@pytest.fixture
def command(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """`trl-studio search` against the hub; what it prints."""
    monkeypatch.setattr("studio.service.studio.HubClient", partial(HubClient, hub.url, hub.viewer))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "datasets"))

    def said(*words: str) -> str:
        assert main(["search", *words, "--home", str(tmp_path / "home")]) == 0
        return capsys.readouterr().out

    return said


def by_name(printed: str) -> dict[str, Any]:
    told = json.loads(printed)
    assert (told["trouble"], told["late"]) == (None, [])
    return {one["id"]: one for one in told["hits"]}


def test_the_command_tells_what_the_page_does(command: Callable[..., str]) -> None:
    models = by_name(command("models", "mini", "--json"))
    gated, chat = models["org/mini-gated"], models["org/mini-chat"]
    assert (gated["access"], chat["template"], chat["changed"]) == (False, True, "2026-05-01T10:00:00+00:00")
    data = by_name(command("datasets", "pairs", "--json"))
    pairs = data["org/pairs"]
    assert (pairs["type"], pairs["rows"], pairs["configs"], pairs["splits"]) == (
        *("prompt-completion", 4321, ["default"], ["train", "test"]),
    )
    assert data["org/pairs-gated"]["access"] is False
    odd = by_name(command("datasets", "odd", "--json"))
    assert {name: bool(one["unfit"]) for name, one in odd.items()} == {name: name != "org/odd-files" for name in odd}
    lines = {line.split()[0]: line for line in command("datasets", "pairs").splitlines()}
    assert "prompt-completion · train, test · 70 downloads · 2026-04-01" in lines["org/pairs"]
    assert "gated, no access yet" in lines["org/pairs-gated"]
    assert "2 subsets" in lines["org/pairs-declared"]
    lines = {line.split()[0]: line for line in command("models", "mini").splitlines()}
    assert "bfloat16 · chat template · apache-2.0 · 900 downloads · 2026-05-01" in lines["org/mini-chat"]


def test_a_reward_model_suits_reward_alone(command: Callable[..., str], tmp_path: Path) -> None:
    judge = json.dumps(CONFIG | {"architectures": ["LlamaForSequenceClassification"]}).encode()
    cached(tmp_path / "cache", "org/judge-here", llama(config__json=judge))
    for method, suits in (("sft", False), ("reward", True)):
        told = json.loads(command("models", "judge", "--method", method, "--json"))
        assert [one["unfit"] == "" for one in (*told["here"], *told["hits"])] == [suits, suits]


def test_a_hub_that_hangs_after_its_list_keeps_nobody_waiting(hub: FakeHub, tmp_path: Path) -> None:
    one = search(tmp_path, hub.url, patience=1.5)
    hub.hanging.add("org/pairs")
    found = one.everywhere("datasets", Query("pairs"))
    told = {hit.id: hit for hit in found.found.hits}
    assert (found.late, found.found.line) == (("org/pairs",), "")
    assert told["org/pairs"].rows_about == "1K<n<10K"  # what the list said is still there
    assert told["org/pairs-gated"].access is False
    hub.hanging.clear()
    hub.faults["/org/mini-gated"] = hub.faults["/api/models/org/mini-gated"] = 503
    assert one.everywhere("models", Query("mini-gated")).late == ("org/mini-gated",)
