"""Data without rows: the studio refuses exactly what the datasets library does not load, and says which file it is."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakehub import FakeHub, Repo, running
from test_datafiles import loaded_by_datasets

from studio.adapters.home import Home
from studio.adapters.hub import HubClient
from studio.domain.methods import METHOD_NAMES
from studio.service.data import inspect
from studio.service.paths import Paths
from studio.service.studio import Studio

FULL = pa.table({"prompt": ["a", "b"], "completion": ["c", "d"]})
NONE = FULL.slice(0, 0)
LINE = '{"prompt": "a", "completion": "b"}\n'


def parquet(*groups: pa.Table) -> bytes:
    """A parquet file of these row groups."""
    held = io.BytesIO()
    with pq.ParquetWriter(held, FULL.schema) as writer:
        for group in groups:
            writer.write_table(group)
    return held.getvalue()


def arrow(*batches: pa.Table) -> bytes:
    held = io.BytesIO()
    with pa.ipc.new_stream(held, FULL.schema) as writer:
        for batch in batches:
            writer.write_table(batch)
    return held.getvalue()


# Files by their names; a single one is loaded by itself, more as a folder. The file that the Finding names, or "".
CASES: dict[str, tuple[dict[str, bytes | str], str]] = {
    "no row groups": ({"a.parquet": parquet()}, "a.parquet"),
    "an empty row group": ({"a.parquet": parquet(NONE)}, "a.parquet"),
    "an empty row group before rows": ({"a.parquet": parquet(NONE, FULL)}, "a.parquet"),
    "an empty row group behind rows": ({"a.parquet": parquet(FULL, NONE)}, ""),
    "arrow": ({"a.arrow": arrow()}, "a.arrow"),
    "json": ({"a.json": "[]"}, "a.json"),
    "csv": ({"a.csv": "prompt,completion\n"}, "a.csv"),
    "one file of several": ({"train-0.parquet": parquet(FULL), "train-1.parquet": parquet(NONE)}, "train-1.parquet"),
    "the first of several": ({"train-0.parquet": parquet(NONE), "train-1.parquet": parquet(FULL)}, "train-0.parquet"),
    "one of no groups": ({"train-0.parquet": parquet(FULL), "train-1.parquet": parquet()}, ""),
    "all of several": ({"train-0.parquet": parquet(), "train-1.parquet": parquet()}, "train-0.parquet"),
    "arrow beside rows": ({"train-0.arrow": arrow(FULL), "train-1.arrow": arrow()}, ""),
    "another split": ({"train.parquet": parquet(FULL), "test.parquet": parquet()}, "test.parquet"),
    "an empty group of another": ({"train.parquet": parquet(FULL), "test.parquet": parquet(NONE)}, "test.parquet"),
    "another split of lines": ({"train.jsonl": LINE, "test.jsonl": "\n\n"}, "test.jsonl"),
    "lines behind lines": ({"train-0.jsonl": LINE, "train-1.jsonl": ""}, ""),
    "all there": ({"train.parquet": parquet(FULL), "test.parquet": parquet(FULL)}, ""),
}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    found = {}
    for case, (files, _) in CASES.items():
        folder = tmp_path_factory.mktemp("data")
        for name, content in files.items():
            (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        found[case] = folder / next(iter(files)) if len(files) == 1 else folder
    return found


@pytest.fixture(scope="module")
def loaded(places: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    builders = {".parquet": "parquet", ".arrow": "arrow", ".json": "json", ".csv": "csv"}
    values: list[dict[str, Any]] = []
    for place in places.values():
        entry = {"path": builders.get(place.suffix), "data_files": str(place), "split": "train"}
        values.append({"datasets": [entry]} if place.is_file() else {"dataset_name": str(place)})
    return dict(zip(places, loaded_by_datasets(values, tmp_path_factory.mktemp("loaded")), strict=True))


@pytest.mark.parametrize("case", CASES)
def test_what_cannot_be_loaded_is_refused(
    case: str, places: dict[str, Path], loaded: dict[str, Any], tmp_path: Path
) -> None:
    named = CASES[case][1]
    assert isinstance(loaded[case], str) == bool(named), loaded[case]
    for all_rows in (False, True):
        looked = Studio(Home(tmp_path / "home")).inspect(str(places[case]), "sft", all_rows=all_rows)
        errors = [finding for finding in looked.findings if finding.level == "error"]
        assert looked.verdict == ("reject" if named else "accept"), looked.findings
        assert [Path(error.where.name).name for error in errors] == ([named] if named else [])
        assert all(named in error.message and error.why for error in errors)


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_no_rows_are_refused_by_every_method(method: str, tmp_path: Path) -> None:
    columns = {"prompt": ["a"], "completion": ["b"], "label": [True], "chosen": ["c"], "rejected": ["d"]}
    pq.write_table(pa.table(columns).slice(0, 0), tmp_path / "zero.parquet")
    looked = Studio(Home(tmp_path / "home")).inspect(str(tmp_path / "zero.parquet"), method, all_rows=True)
    assert looked.verdict == "reject"
    assert looked.looked_at == "There are no rows to look at."


def test_a_stream_makes_no_split_that_is_not_asked_for(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.jsonl").write_text(LINE)
    (tmp_path / "data" / "test.jsonl").write_text("\n\n")
    studio = Studio(Home(tmp_path / "home"))
    for values, verdict in (
        ({}, "reject"),
        ({"dataset_streaming": True}, "accept"),
        ({"dataset_streaming": True, "eval_strategy": "epoch"}, "reject"),
    ):
        looked = studio.inspect(str(tmp_path / "data"), "sft", values=values)
        assert looked.verdict == verdict, (values, looked.findings)


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with running(FakeHub()) as started:
        yield started


def test_the_hub(hub: FakeHub, tmp_path: Path) -> None:
    hub.datasets["org/zero"] = Repo(files={"train.parquet": parquet(NONE)})
    hub.datasets["org/none"] = Repo(files={"train.parquet": parquet()})
    for name in ("org/zero", "org/none"):
        client = HubClient(hub.url, hub.viewer, None, patience=60)  # a busy machine takes its time
        looked = inspect(name, "sft", Paths(tmp_path, tmp_path), client)
        (wrong,) = looked.findings
        assert (looked.verdict, wrong.level, wrong.where.name) == ("reject", "error", "train.parquet")


def test_json_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(parquet(NONE))
    told = Studio(Home(tmp_path / "home")).inspect(str(tmp_path / "a.parquet"), "sft").to_json()
    assert json.loads(json.dumps(told))["findings"][0]["where"]["kind"] == "file"
