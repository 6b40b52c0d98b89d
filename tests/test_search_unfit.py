"""Datasets that a list of the Hub says little of: why one does not suit, or why nothing is known of it yet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest
from fakehub import FakeHub, running
from hub_shelf import fill_unfit
from huggingface_hub.utils._http import default_client_factory
from test_search import search

from studio.adapters.hub import bound_requests
from studio.domain.hub_hits import DatasetHit
from studio.domain.hub_query import Query
from studio.service.search import Search
from studio.ui.search_list import hit_row


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    bound_requests(60)
    with running(fill_unfit(FakeHub())) as served:
        yield served
        huggingface_hub.close_session()
    huggingface_hub.set_client_factory(default_client_factory)


def more(one: Search, name: str) -> DatasetHit:
    found = one.more("datasets", name)
    assert isinstance(found, DatasetHit)
    return found


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("org/odd-script", "would be loaded by running odd-script.py"),
        ("org/odd-script-shown", "would be loaded by running odd-script-shown.py"),
        ("org/odd-pictures", "No column holds text: image (image), label (integer)."),
        ("org/odd-bare", "no data file"),
        ("org/odd-pdf", "no data file"),
        ("org/odd-ids", "No column holds text: id (integer), score (number)."),
        ("org/odd-files", ""),
    ],
)
def test_why_a_dataset_does_not_suit(hub: FakeHub, tmp_path: Path, name: str, reason: str) -> None:
    one = search(tmp_path, hub.url)
    one.on_hub("datasets", Query("odd"))
    found = more(one, name)
    assert (reason in found.unfit, bool(found.unfit), found.note) == (True, bool(reason), "")
    assert ("△" in hit_row(found) or "Does not suit:" in hit_row(found)) == bool(reason)
    asked = len(hub.requests)
    assert more(one, name) == found
    if reason:
        assert len(hub.requests) == asked


def test_a_dataset_of_which_nobody_tells(hub: FakeHub, tmp_path: Path) -> None:
    one = search(tmp_path, hub.url)
    one.on_hub("datasets", Query("odd"))
    hub.faults |= {"/viewer": 503, "/api/datasets/": 503}
    found = more(one, "org/odd-files")
    assert (found.unfit, found.type) == ("", None)
    assert "status 503" in found.note
    assert found.note in hit_row(found)
    hub.faults.clear()
    again = more(one, "org/odd-files")
    assert (again.note, again.type) == ("", "prompt-completion")
