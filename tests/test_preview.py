"""Pages of datasets: local ones, those the Hub's viewer serves, and from a repository's files where it is silent."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakehub import FakeHub, Repo, running, silent

from studio.adapters.hub import HubClient, Unknown
from studio.domain.dataset_answers import DatasetHead
from studio.service.data import inspect, inspect_recipe
from studio.service.paths import Paths
from studio.service.preview import RowsPage, hub_head, hub_rows, local_rows, rows_of

TEXT = {"dtype": "string", "_type": "Value"}
ROWS = [{"text": f"row {n} " + "x" * 200, "n": n} for n in range(20_000)]


def lines(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def parquet(rows: list[dict[str, Any]], group: int) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink, row_group_size=group, compression="none", use_dictionary=False)
    return sink.getvalue()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    with running(FakeHub()) as served:
        huggingface_hub.close_session()
        yield served
        huggingface_hub.close_session()


def client(hub: FakeHub, token: str | None = None) -> HubClient:
    return HubClient(hub.url, hub.viewer, token)


def head(hub: FakeHub, name: str, config: str | None = None, split: str | None = None, **options: Any) -> DatasetHead:
    found = hub_head(client(hub, **options), name, config, split)
    assert isinstance(found, DatasetHead), found
    return found


# --- the viewer


def test_pages_by_the_viewer(hub: FakeHub) -> None:
    features = [{"feature_idx": 0, "name": "n", "type": {"dtype": "int64", "_type": "Value"}}]
    rows = [{"row_idx": n, "row": {"n": n}, "truncated_cells": []} for n in range(500)]
    hub.datasets["org/d"] = Repo(splits={"default": {"train": (features, rows, 500)}})
    page = hub_rows(client(hub), "org/d", "default", "train", 480, 30)
    assert ([row["n"] for row in page.rows], page.total, page.finding) == (list(range(480, 500)), 500, None)
    assert hub_rows(client(hub), "org/d", "default", "train", 600).rows == ()
    assert [request for request in hub.requests if "resolve" in request] == []


# --- the repository's own files, by ranges


def repository(kind: str) -> Repo:
    """A dataset with a train split of 20,000 rows, about 5 MB, and a small test split."""
    some = ROWS[:7]
    files: dict[str, dict[str, bytes]] = {
        "jsonl": {"train.jsonl": lines(ROWS), "test.jsonl": lines(some)},
        "json": {"train.json": json.dumps(ROWS).encode(), "test.json": json.dumps(some).encode()},
        "csv": {
            "train.csv": b"text,n\n" + b"".join(f"{row['text']},{row['n']}\n".encode() for row in ROWS),
            "test.csv": b"text,n\n" + b"".join(f"{row['text']},{row['n']}\n".encode() for row in some),
        },
        "parquet": {
            "data/train-00000-of-00001.parquet": parquet(ROWS, 2000),
            "data/test-00000-of-00001.parquet": parquet(some, 10),
        },
        "one group": {"train.parquet": parquet(ROWS, 20_000), "test.parquet": parquet(some, 10)},
        "gz": {"train.jsonl.gz": gzip.compress(lines(ROWS)), "test.jsonl.gz": gzip.compress(lines(some))},
    }
    return Repo(files={**files[kind], "README.md": b"# Some data\n"})


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "parquet", "one group", "gz"])
def test_pages_from_files_where_the_viewer_says_nothing(hub: FakeHub, kind: str) -> None:
    hub.datasets["org/d"] = repository(kind)
    hub.faults["/viewer"] = 500
    found = head(hub, "org/d")
    assert (found.configs, found.split, found.splits) == (("default",), "train", {"default": ("train", "test")})
    assert {column.name: column.type for column in found.columns} == {"text": "text", "n": "integer"}
    assert found.rows == ROWS[:20]
    assert found.num_rows == (20_000 if kind in ("parquet", "one group") else None)
    whole = max(len(content) for content in hub.datasets["org/d"].files.values())
    assert hub.sent < (whole * 0.7 if kind != "gz" else whole * 3), "of the file, only its beginning"
    for split, offset, rows in (("train", 20, ROWS[20:40]), ("train", 19_990, ROWS[19_990:]), ("test", 0, ROWS[:7])):
        page = hub_rows(client(hub), "org/d", found.config, split, offset)
        assert page.finding is None, page.finding
        assert list(page.rows) == rows
    if kind != "gz":
        assert hub_rows(client(hub), "org/d", found.config, "train", 19_990).total == 20_000


@pytest.mark.parametrize("viewer", [True, False])
def test_files_of_a_repository_that_are_not_loaded_are_told(hub: FakeHub, viewer: bool) -> None:
    features = [{"feature_idx": 0, "name": "n", "type": {"dtype": "int64", "_type": "Value"}}]
    rows = [{"row_idx": n, "row": {"n": n}, "truncated_cells": []} for n in range(5)]
    files = {"a.jsonl": lines(ROWS[:5]), "b.jsonl": lines(ROWS[5:9]), "more.csv": b"text,n\nx,1\n"}
    hub.datasets["org/d"] = Repo(files=files, splits={"default": {"train": (features, rows, 5)}} if viewer else {})
    if not viewer:
        hub.faults["/viewer"] = 500
    (told,) = head(hub, "org/d").left_out
    assert told.level == "warning"
    assert "Left out: more.csv" in told.why


def test_the_address_of_a_dataset_is_its_name(hub: FakeHub, tmp_path: Path) -> None:
    hub.datasets["org/d"] = Repo(files={"a.jsonl": lines(ROWS[:5])})
    looked = inspect("https://huggingface.co/datasets/org/d", "sft", Paths(tmp_path, tmp_path), client(hub))
    assert (looked.name, looked.verdict, looked.values) == ("org/d", "accept", {"dataset_name": "org/d"})


def test_arrow_files_of_a_repository(hub: FakeHub) -> None:
    table, sink = pa.Table.from_pylist(ROWS[:500]), io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=100)
    hub.datasets["org/d"] = Repo(files={"data-00000-of-00001.arrow": sink.getvalue()})
    assert head(hub, "org/d").rows == ROWS[:20]
    assert list(hub_rows(client(hub), "org/d", "default", "train", 490).rows) == ROWS[490:500]


def test_configurations_that_a_readme_names(hub: FakeHub) -> None:
    readme = b"---\nconfigs:\n- config_name: en\n  data_files: en/*.jsonl\n- config_name: fr\n  data_dir: fr\n---\n"
    files = {"README.md": readme, "en/a.jsonl": lines(ROWS[:3]), "fr/train.jsonl": lines(ROWS[3:6])}
    hub.datasets["org/d"] = Repo(files={**files, "fr/test.jsonl": lines(ROWS[6:8])})
    hub.faults["/viewer"] = 501
    found = head(hub, "org/d")
    assert (found.configs, found.config, found.rows) == (("en", "fr"), "en", ROWS[:3])
    french = head(hub, "org/d", "fr", "test")
    assert (french.splits["fr"], french.rows) == (("train", "test"), ROWS[6:8])
    assert list(hub_rows(client(hub), "org/d", "fr", "train", 1).rows) == ROWS[4:6]
    wrong = hub_head(client(hub), "org/d", "de", None)
    assert isinstance(wrong, Unknown)
    assert "no configuration 'de'" in wrong.message


def test_files_that_an_entry_of_a_mixture_names(hub: FakeHub) -> None:
    """The viewer shows the usual ones, which are not what would be loaded."""
    readme = b"---\nconfigs:\n- config_name: en\n  data_files: en/*.jsonl\n---\n"
    files = {"README.md": readme, "en/a.jsonl": lines(ROWS[:3]), "fr/x.jsonl": lines(ROWS[3:6])}
    features = [{"feature_idx": 0, "name": "text", "type": {"dtype": "string", "_type": "Value"}}]
    told = [{"row_idx": 0, "row": {"text": "usual"}, "truncated_cells": []}]
    hub.datasets["org/d"] = Repo(
        files={**files, "fr/train.csv": b"text,n\nhello,1\n"}, splits={"en": {"train": (features, told, 1)}}
    )
    paths = Paths(Path("/nowhere"), Path("/nowhere"))

    def entry(**more: Any) -> Any:
        values = {"datasets": [{"path": "org/d", **more}]}
        return inspect_recipe("sft", values, paths, client(hub))[0]

    assert [row["text"] for row in entry().rows] == ["usual"]
    chosen = entry(data_files="fr/x.jsonl")
    assert list(chosen.rows) == ROWS[3:6]
    assert list(rows_of(chosen, paths, client(hub), "train", 1).rows) == ROWS[4:6]
    assert list(entry(data_files="x.jsonl", data_dir="fr").rows) == ROWS[3:6]
    assert entry(data_files={"test": ["en/*.jsonl"]}, split="test").rows == tuple(ROWS[:3])
    assert [row["text"] for row in entry(data_dir="fr", data_files="*.csv").rows] == ["hello"]
    wrong = entry(data_files="de/x.jsonl")
    assert (wrong.verdict, wrong.rows) == ("reject", ())
    assert "org/d has no file de/x.jsonl" in wrong.findings[0].message


def test_a_private_dataset_that_the_viewer_does_not_serve(hub: FakeHub) -> None:
    hub.datasets["org/p"] = Repo(private=True, files={"train.jsonl": lines(ROWS[:5])})
    hub.faults["/viewer"] = 404
    assert head(hub, "org/p", token="hf_good").rows == ROWS[:5]
    assert isinstance(hub_head(client(hub), "org/p", None, None), Unknown)


# --- what is refused, and what is not known


def looked(hub: FakeHub, name: str) -> Any:
    return inspect(name, "sft", Paths(Path("/nowhere"), Path("/nowhere")), client(hub))


def test_a_dataset_that_wants_its_code_run_is_refused(hub: FakeHub, tmp_path: Path) -> None:
    features = [{"feature_idx": 0, "name": "text", "type": TEXT}]
    rows = {"default": {"train": (features, [{"row_idx": 0, "row": {"text": "x"}, "truncated_cells": []}], 1)}}
    hub.datasets["org/scripted"] = Repo(
        files={"scripted.py": b"import os", "train.jsonl": lines(ROWS[:2])}, splits=rows
    )
    hub.datasets["org/other"] = Repo(files={"tools.py": b"", "train.jsonl": lines(ROWS[:2])}, splits=rows)
    found = looked(hub, "org/scripted")
    assert found.verdict == "reject"
    assert "by running scripted.py" in found.findings[0].message
    assert "runs none" in found.findings[0].message
    assert looked(hub, "org/other").verdict == "accept"
    hub.faults["/viewer"] = 500
    assert "by running scripted.py" in looked(hub, "org/scripted").findings[0].message
    folder = tmp_path / "scripted"
    folder.mkdir()
    (folder / "scripted.py").write_text("import os")
    (folder / "train.jsonl").write_bytes(lines(ROWS[:2]))
    here = inspect(str(folder), "sft", Paths(tmp_path, tmp_path), client(hub))
    assert here.verdict == "reject"
    assert "scripted.py" in here.findings[0].message
    assert "runs none" in here.findings[0].why


def asked(hub: FakeHub, **values: Any) -> Any:
    (found,) = inspect_recipe("sft", values, Paths(Path("/nowhere"), Path("/nowhere")), client(hub))
    return found


def shown(*splits: str) -> dict[str, Any]:
    features = [{"feature_idx": 0, "name": "text", "type": TEXT}]
    return {split: (features, [{"row_idx": 0, "row": {"text": split}, "truncated_cells": []}], 1) for split in splits}


def test_splits_and_configurations_that_the_hub_has_not(hub: FakeHub) -> None:
    hub.datasets["org/d"] = Repo(splits={"default": shown("train", "dev"), "raw": shown("all")})
    found = asked(
        hub, dataset_name="org/d", dataset_train_split="nope", dataset_test_split="test", eval_strategy="steps"
    )
    assert (found.verdict, [row["text"] for row in found.rows]) == ("reject", ["train"])
    train, test = found.findings
    assert train.message == "org/d has no split 'nope'; it has train, dev."
    assert (train.where.name, train.fix.set) == ("dataset_train_split", {"dataset_train_split": "train"})
    assert (test.where.name, test.fix.set) == ("dataset_test_split", {"dataset_test_split": "dev"})
    found = asked(hub, dataset_name="org/d", dataset_config="nope")
    assert found.verdict == "reject"
    assert found.findings[0].message == "There is no configuration of org/d named nope: there is default, raw."
    found = asked(hub, datasets=[{"path": "org/d", "split": "train[:10%]+nope"}])
    assert [one.message for one in found.findings] == ["org/d has no split 'nope'; it has train, dev."]
    found = asked(hub, datasets=[{"path": "org/d", "split": "train[5:]"}])
    assert [one.message for one in found.findings] == ["'train[5:]' takes no rows. org/d has 1 row in train."]
    assert asked(hub, datasets=[{"path": "org/d", "split": "train+dev"}]).verdict == "accept"
    # What the viewer is still preparing may be there.
    hub.datasets["org/d"].pending = ("nope",)
    hub.faults = {"/api/datasets/": 503}
    assert asked(hub, dataset_name="org/d", dataset_config="nope").verdict == "unknown"


def test_a_configuration_that_has_to_be_named_on_the_hub(hub: FakeHub) -> None:
    readme = b"---\nconfigs:\n- config_name: en\n  data_dir: en\n- config_name: fr\n  data_dir: fr\n---\n"
    hub.datasets["org/d"] = Repo(
        files={"README.md": readme}, splits={"en": shown("train"), "fr": shown("train", "dev")}
    )
    found = asked(hub, dataset_name="org/d")
    assert found.verdict == "reject"
    (wrong,) = found.findings
    assert wrong.message == "org/d has the configurations en, fr, and the recipe names none."
    assert wrong.fix.set == {"dataset_config": "en"}
    assert asked(hub, dataset_name="org/d", dataset_config="fr").verdict == "accept"
    assert looked(hub, "org/d").verdict == "accept"  # by itself, what is shown is what a recipe would name
    assert looked(hub, "org/d").values == {"dataset_name": "org/d", "dataset_config": "en"}
    assert asked(hub, datasets=[{"path": "org/d"}]).verdict == "reject"
    assert asked(hub, datasets=[{"path": "org/d", "name": "en"}]).verdict == "accept"
    # The usual one is the one that is loaded, and so the one that is shown.
    hub.datasets["org/d"].files["README.md"] = readme.replace(b"dir: fr", b"dir: fr\n  default: true")
    found = asked(hub, dataset_name="org/d")
    assert (found.verdict, found.config, found.splits) == ("accept", "fr", ("train", "dev"))
    hub.faults = {"/api/datasets/": 503}
    assert asked(hub, dataset_name="org/d").verdict == "accept"  # nobody can tell: no reason to stop


def test_broken_files_of_a_repository_are_named(hub: FakeHub) -> None:
    hub.faults["/viewer"] = 500
    hub.datasets["org/cut"] = Repo(files={"train.parquet": parquet(ROWS[:100], 10)[:-20]})
    hub.datasets["org/bad"] = Repo(files={"train.jsonl": b'{"text": "a"}\n{"text": \n'})
    hub.datasets["org/mixed"] = Repo(files={"train.jsonl": lines(ROWS[:1]), "test.csv": b"a\n1\n"})
    hub.datasets["org/images"] = Repo(files={"a.png": b"x", "b.png": b"x"})
    words = {
        "org/cut": "train.parquet is broken",
        "org/bad": "Line 2 of train.jsonl is no JSON",
        "org/mixed": "test of csv (test.csv)",
        "org/images": "holds no data files",
    }
    for name, said in words.items():
        found = looked(hub, name)
        assert found.verdict == "reject", name
        assert said in found.findings[0].message, name
        assert "open" not in found.findings[0].why, name
    hub.faults["/api/datasets/"] = 503
    unsure = looked(hub, "org/images")
    assert (unsure.verdict, unsure.findings[0].level) == ("unknown", "warning")
    assert unsure.findings[0].why == "The verdict is open until it can be read."


def test_names_that_are_none(hub: FakeHub, tmp_path: Path) -> None:
    for name in ("../secret", "my data", "a/../b", "org/da ta", "größe/x", "org/d\u0000", "-x/y"):
        found = inspect(name, "sft", Paths(tmp_path, tmp_path), client(hub))
        assert found.verdict == "reject", name
        (wrong,) = found.findings
        assert wrong.level == "error"
        assert name in f"{wrong.where.name} {wrong.message}"
    assert hub.requests == []


def test_nobody_answers(hub: FakeHub) -> None:
    with silent() as url:
        page = hub_rows(HubClient(url, url, patience=0.6), "org/d", "default", "train", 20)
    assert page.rows == ()
    assert page.finding is not None
    assert page.finding.level == "warning"
    huggingface_hub.close_session()
    with silent() as url:  # the viewer alone is silent: the files answer
        hub.datasets["org/d"] = Repo(files={"train.jsonl": lines(ROWS[:50])})
        mixed = HubClient(hub.url, url, patience=3)
        assert list(hub_rows(mixed, "org/d", "default", "train", 45).rows) == ROWS[45:50]
        found = hub_head(mixed, "org/d", None, None)
        assert isinstance(found, DatasetHead)
        assert found.rows == ROWS[:20]


def test_viewer_and_files_share_the_time_of_one_question(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float | None] = []

    def read_dataset(self: HubClient, name: str, work: Any, patience: float | None = None) -> Unknown:
        given.append(patience)
        return Unknown("timeout", "The files took too long.")

    monkeypatch.setattr(HubClient, "read_dataset", read_dataset)
    with silent() as url:
        hub_rows(HubClient(hub.url, url, patience=1.0), "org/d", "default", "train", 20)
        hub_head(HubClient(hub.url, url, patience=1.0), "org/d", None, None)
    assert len(given) == 2
    assert all(patience is not None and 0 < patience <= 0.4 + 1e-3 for patience in given)


# --- here


def test_local_pages_and_what_is_wrong_with_one(tmp_path: Path) -> None:
    content = lines(ROWS[:100]) + b"{broken\n" + lines(ROWS[101:300])
    (tmp_path / "a.jsonl").write_bytes(content)
    good = local_rows(tmp_path / "a.jsonl", None, "train", 40)
    assert (list(good.rows), good.offset, good.finding) == (ROWS[40:60], 40, None)
    bad = local_rows(tmp_path / "a.jsonl", None, "train", 100)
    assert isinstance(bad, RowsPage)
    assert bad.finding is not None
    assert "Line 101 of" in bad.finding.message
    assert "a.jsonl" in bad.finding.message
    later = local_rows(tmp_path / "a.jsonl", None, "train", 120)
    assert later.rows[0] == ROWS[120]
