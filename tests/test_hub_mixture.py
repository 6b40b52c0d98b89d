"""Datasets of the Hub put behind each other: whether their columns fit, as the datasets library itself says."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakehub import FakeHub, Repo, running

from studio.adapters.hub import HubClient
from studio.domain.findings import errors
from studio.service.data import inspect_recipe
from studio.service.paths import Paths

TALK = [{"role": "user", "content": "Why?"}]
# Each the cells of a column and its types in two datasets.
TYPES: dict[str, tuple[tuple[list[Any], pa.DataType], tuple[list[Any], pa.DataType]]] = {
    "the same": (([1], pa.int64()), ([2], pa.int64())),
    "int32": (([1], pa.int32()), ([2], pa.int64())),
    "float": (([1], pa.int64()), ([2.5], pa.float64())),
    "float32": (([1.5], pa.float32()), ([2.5], pa.float64())),
    "large text": ((["a"], pa.string()), (["b"], pa.large_string())),
    "text and number": ((["a"], pa.string()), ([1], pa.int64())),
    "null": (([None], pa.null()), ([1], pa.int64())),
    "lists": (([["a"]], pa.list_(pa.string())), ([["b"]], pa.list_(pa.string()))),
    "lists of others": (([["a"]], pa.list_(pa.string())), ([[1]], pa.list_(pa.int64()))),
    "lists of small numbers": (([[1]], pa.list_(pa.int32())), ([[1]], pa.list_(pa.int64()))),
    "large lists": (([["a"]], pa.list_(pa.string())), ([["b"]], pa.large_list(pa.string()))),
    "objects": (
        ([{"a": 1}], pa.struct({"a": pa.int64()})),
        ([{"a": 1}], pa.struct({"a": pa.int64()})),
    ),
    "objects of other keys": (
        ([{"a": 1}], pa.struct({"a": pa.int64()})),
        ([{"b": 1}], pa.struct({"b": pa.int64()})),
    ),
    "objects of other numbers": (
        ([{"a": 1}], pa.struct({"a": pa.int64()})),
        ([{"a": 1}], pa.struct({"a": pa.int32()})),
    ),
    "times": (([0], pa.timestamp("s")), ([0], pa.timestamp("ms"))),
}


@pytest.fixture(scope="module")
def hub() -> Iterator[FakeHub]:
    with running(FakeHub()) as served:
        yield served


def put(hub: FakeHub, name: str, data: Any, file: str, content: bytes, readme: str = "") -> None:
    """A dataset of the library's onto the Hub, of which the viewer tells the features."""
    told = data.features.to_dict()
    features = [{"feature_idx": n, "name": column, "type": told[column]} for n, column in enumerate(told)]
    rows = [{"row_idx": n, "row": {"text": row["text"]}, "truncated_cells": []} for n, row in enumerate(data)]
    files = {file: content, **({"README.md": readme.encode()} if readme else {})}
    hub.datasets[name] = Repo(files=files, splits={"default": {"train": (features, rows, len(rows))}})


def says(hub: FakeHub, folder: Path) -> list[str]:
    """The errors of a mixture of both datasets."""
    values = {"datasets": [{"path": "org/one", "split": "train"}, {"path": "org/other", "split": "train"}]}
    looked = inspect_recipe("sft", values, Paths(folder, folder), HubClient(hub.url, hub.viewer))
    assert [one.source for one in looked] == ["hub", "hub"]
    return [found.message for one in looked for found in errors(list(one.findings))]


def fits(*parts: Any) -> bool:
    """What the library says."""
    import datasets

    try:
        datasets.concatenate_datasets(list(parts))
    except (ValueError, TypeError, pa.ArrowException):
        return False
    return True


@pytest.mark.parametrize("kind", TYPES)
def test_the_verdict_on_columns_is_the_librarys(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    import datasets

    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    parts = []
    for name, (cells, type_) in zip(("org/one", "org/other"), TYPES[kind], strict=True):
        table = pa.table({"text": ["So it is."], "x": pa.array(cells, type_)})
        kept = io.BytesIO()
        pq.write_table(table, kept)
        (tmp_path / "a.parquet").write_bytes(kept.getvalue())
        parts.append(
            datasets.Dataset.from_parquet(str(tmp_path / "a.parquet"), cache_dir=str(tmp_path / name.replace("/", "-")))
        )
        put(hub, name, parts[-1], "train.parquet", kept.getvalue())
    assert (says(hub, tmp_path) == []) is fits(*parts)


@pytest.mark.parametrize("declared", [True, False])
def test_texts_of_a_table_are_large_unless_its_readme_says_so(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, declared: bool
) -> None:
    """The viewer tells `string` of a csv, as it has made parquet of it; the library reads `large_string`."""
    import datasets

    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    readme = "---\ndataset_info:\n  features:\n  - name: text\n    dtype: string\n---\n" if declared else ""
    folder = tmp_path / "csv"
    folder.mkdir()
    (folder / "train.csv").write_text("text\nSo it is.\n")
    if readme:
        (folder / "README.md").write_text(readme)
    csv = datasets.load_dataset(str(folder), split="train", cache_dir=str(tmp_path / "cache"))
    other = datasets.Dataset.from_dict({"text": ["It is."]})
    put(hub, "org/one", other, "train.csv", (folder / "train.csv").read_bytes(), readme)
    put(hub, "org/other", other, "train.jsonl", b'{"text": "It is."}\n')
    assert fits(csv, other) is declared
    assert (says(hub, tmp_path) == []) is declared
