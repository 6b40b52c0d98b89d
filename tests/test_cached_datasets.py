"""Datasets in the local caches without a Hub: what is offered, shown and judged is what the datasets library loads."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from fakehub import FakeHub, Repo, running
from model_files import NOWHERE

from studio.adapters.datafiles import open_source
from studio.adapters.datasetcache import DatasetCache
from studio.adapters.home import Home, shipped_root
from studio.adapters.hub import HubClient
from studio.adapters.hubcache import HubCache
from studio.domain.columns import Column, without_text
from studio.domain.mapping import DataMapping, Source
from studio.service.access import Access
from studio.service.data import Inspection, all_rejudged, inspect, inspect_recipe
from studio.service.dataset_offers import DatasetOffers
from studio.service.model_offers import Offer
from studio.service.paths import Paths
from studio.service.preparing import Order, prepare
from studio.service.preview import rows_of
from studio.service.whole_data import WholeData

SHA = "a" * 40
MAPPING = DataMapping("language modeling", (("text", Source("text")),))
# What the installed library does with each name where nobody answers; written once, by the library itself.
LOADED = """
import json, sys, datasets
for name, config in json.loads(sys.argv[1]):
    try:
        found = datasets.load_dataset(name, config)
        told = {split: [one.num_rows, one[0]["text"]] for split, one in found.items()}
    except Exception as error:
        told = type(error).__name__
    print("TOLD " + json.dumps(told))
"""
PREPARED = """
import sys, datasets
class Made(datasets.GeneratorBasedBuilder):
    VERSION = datasets.Version("0.0.0")
    BUILDER_CONFIGS = [datasets.BuilderConfig(name=name) for name in ("default", "other", "late")]
    def _info(self):
        return datasets.DatasetInfo(features=datasets.Features({"text": datasets.Value("string")}))
    def _split_generators(self, manager):
        return [datasets.SplitGenerator(split, gen_kwargs={"start": n}) for n, split in ((0, "train_sft"), (9, "test"))]
    def _generate_examples(self, start):
        yield from ((i, {"text": f"{self.config.name} {i}"}) for i in range(start, 12))
for name, config, commit in (("org/MyMade", "default", "a"), ("org/two", "default", "b"), ("org/two", "other", "b"),
                             ("org/later", "default", "c"), ("org/later", "late", "d")):
    Made(config_name=config, dataset_name=name.split("/")[1], repo_id=name, hash=commit * 40).download_and_prepare()
datasets.load_dataset("json", data_files=sys.argv[1])
"""


def rows(text: str, count: int) -> str:
    return "".join(json.dumps({"text": f"{text} {number}"}) + "\n" for number in range(count))


def put(cache: Path, name: str, files: dict[str, str]) -> Path:
    """Files of a dataset in the Hub's cache; their folder."""
    repo = cache / f"datasets--{name.replace('/', '--')}"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(SHA)
    for file, text in files.items():
        place = repo / "snapshots" / SHA / file
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return repo / "snapshots" / SHA


@pytest.fixture(scope="module")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A HF_HOME as a user has it: files in the Hub's cache, and what the library itself has prepared."""
    home = tmp_path_factory.mktemp("hf")
    put(
        home / "hub", "org/files", {"data/train.jsonl": rows("a", 30), "data/test.jsonl": rows("b", 2), "README.md": ""}
    )
    put(home / "hub", "org/pictures", {"a.png": "x", "b.png": "y"})
    put(home / "hub", "org/only-read", {"README.md": "x"})
    put(home / "hub", "org/MyMade", {"data/train.jsonl": rows("newer", 3)})
    (home / "own.jsonl").write_text(rows("own", 3))
    python(home, PREPARED, str(home / "own.jsonl"))
    return home


def python(home: Path, program: str, *words: str, **more: str) -> str:
    """What a program says that runs with these caches and no Hub, or with the one that `more` names."""
    env = {"PATH": "/usr/bin:/bin", "HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "HOME": str(home), **more}
    ran = subprocess.run([sys.executable, "-c", program, *words], env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.fixture
def here(caches: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(caches / "hub"))
    monkeypatch.setenv("HF_DATASETS_CACHE", str(caches / "datasets"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return tmp_path


@pytest.fixture
def look(here: Path) -> Callable[..., Inspection]:
    def looked(name: str, config: str | None = None, split: str | None = None, **values: Any) -> Inspection:
        asked = {"dataset_name": name, "dataset_config": config, **values}
        asked |= {"dataset_train_split": split} if split else {}
        return inspect(name, "sft", Paths(here, here), HubClient(NOWHERE, NOWHERE), asked, config, split)

    return looked


def offered(base: Path) -> dict[str, Offer]:
    paths = Paths(base, shipped_root())
    found = DatasetOffers(lambda: paths, Home(base / "home"), HubCache(), Access())
    found.look_around()
    return {one.title: one for one in found.known() if one.kind == "cached"}


def test_what_is_offered_is_loaded(here: Path, caches: Path, look: Callable[..., Inspection]) -> None:
    """The truth is the library's, of each name in the box, of names typed by hand, and of names with configurations."""
    offers = offered(here)
    assert set(offers) == {"org/files", "org/pictures", "org/MyMade", "org/two", "org/later"}
    asked: list[tuple[str, str | None]] = [(one.id, None) for one in offers.values() if not one.unfit]
    asked += [("org/files", None), ("org/my_made", None), ("org/only-read", None), ("org/two", "other")]
    asked += [("org/two", "default"), ("org/later", "default"), ("org/later", "late"), ("org/later", "nope")]
    lines = [line for line in python(caches, LOADED, json.dumps(asked)).splitlines() if line.startswith("TOLD ")]
    assert len(lines) == len(asked)
    for (name, config), line in zip(asked, lines, strict=True):
        loads = json.loads(line.removeprefix("TOLD "))
        found = look(name, config, "test" if isinstance(loads, dict) else None)
        if isinstance(loads, str):
            assert found.verdict != "accept", (name, config, loads)
            continue
        assert (found.verdict, set(found.splits)) == ("accept", set(loads)), (name, config, found.findings)
        assert [found.num_rows, found.rows[0]["text"]] == loads["test"], (name, config)


def test_offers_say_what_decides(here: Path, caches: Path) -> None:
    offers = offered(here)
    made = offers["org/MyMade"]
    assert (made.id, made.detail) == ("org/MyMade", "language modeling · 15 rows · train_sft, test")
    assert made.size > 0
    assert offers["org/two"].detail == "language modeling · 15 rows · 2 subsets · train_sft, test"
    files = offers["org/files"]
    assert files.id == str(caches / "hub/datasets--org--files/snapshots" / SHA)
    assert files.detail == "language modeling · 30 rows · train, test"
    assert offers["org/pictures"].unfit.startswith(offers["org/pictures"].id)
    assert not any(one.unfit for name, one in offers.items() if name != "org/pictures")


def test_a_name_whose_files_alone_are_cached(
    here: Path, caches: Path, look: Callable[..., Inspection], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = look("org/files")
    folder = str(caches / "hub/datasets--org--files/snapshots" / SHA)
    assert (found.verdict, found.num_rows, found.columns) == ("reject", 30, (Column("text", "text"),))
    (told,) = found.findings
    assert (told.level, told.message) == ("error", "This is the cached copy: the Hub is not asked (HF_HUB_OFFLINE).")
    assert told.fix is not None
    assert told.fix.set == {"dataset_name": folder}
    assert look(folder).verdict == "accept"
    (entry,) = inspect_recipe(
        "sft", {"datasets": [{"path": "org/files"}]}, Paths(here, here), HubClient(NOWHERE, NOWHERE)
    )
    cures = [one.fix.set for one in entry.findings if one.fix]
    assert cures == [{"datasets": [{"path": folder}]}]
    # Where the Hub is only silent, it may have an answer by the time of the training.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    silent = look("org/files")
    (told,) = silent.findings
    assert (silent.verdict, told.level) == ("accept", "warning")
    assert told.message == "This is the cached copy: the Hub gave no answer."


def test_a_hub_that_refuses_or_knows_no_such_name(here: Path, caches: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library takes a prepared copy whatever the Hub answers, and never files by a name alone."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(here / "token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    names = ("org/MyMade", "org/files")
    for gated in (False, True):
        hub = FakeHub()
        if gated:
            hub.datasets |= {name: Repo({}, {"train.jsonl": b"{}"}, gated=True) for name in names}
        with running(hub):
            online = {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0"}
            said = python(caches, LOADED, json.dumps([(name, None) for name in names]), **online)
            told = [json.loads(line.removeprefix("TOLD ")) for line in said.splitlines() if line.startswith("TOLD ")]
            assert [isinstance(one, dict) for one in told] == [True, False], told
            client = HubClient(hub.url, hub.viewer, patience=60)
            made, files = (
                inspect(name, "sft", Paths(here, here), client, {"dataset_train_split": "test"}, None, "test")
                for name in names
            )
            huggingface_hub.close_session()
        assert (made.verdict, files.verdict, files.num_rows) == ("accept", "reject", 2)
        assert "This is the cached copy." in made.findings[-1].message
        assert [one.fix.label for one in files.findings if one.fix] == ["Train from the cached copy"]


def test_a_copy_is_paged_and_checked_whole_and_judged_again(here: Path, look: Callable[..., Inspection]) -> None:
    paths, nobody = Paths(here, here), HubClient(NOWHERE, NOWHERE)
    for name, split, count in (("org/MyMade", "train_sft", 12), ("org/files", "train", 30)):
        found = look(name, None, split)
        page = rows_of(found, paths, nobody, split, 10)
        assert (page.finding, page.total, page.rows[0]["text"].endswith(" 10")) == (None, count, True)
        assert rows_of(found, paths, nobody, "test", 0).total in (2, 3)
        whole = WholeData().checked(found, {"dataset_name": name, "dataset_train_split": split})
        assert (whole.whole, whole.num_rows) == (True, count)
        kept = prepare(Order(split, name, found.config, split, MAPPING, "sft", "test", copied=True), here)
        assert open_source(kept).num_rows() == count
        (again,) = all_rejudged([whole], "dpo", {"dataset_name": name, "dataset_train_split": split})
        assert again.verdict == "reject"
        assert any("cached copy" in one.message for one in again.findings)


def test_on_a_space_nobody_sees_the_owners_caches(here: Path, caches: Path) -> None:
    within = Paths(here, here, (here,))
    for name in ("org/files", "org/MyMade"):
        found = inspect(name, "sft", within, HubClient(NOWHERE, NOWHERE))
        assert (found.verdict, found.columns) == ("unknown", ())


def test_no_cache(tmp_path: Path) -> None:
    assert DatasetCache(tmp_path / "none").copies() == []
    assert DatasetCache(tmp_path / "none").find("a/b") is None
    assert HubCache(tmp_path / "none").dataset("a/b") is None


def test_columns_without_text() -> None:
    picture, label = Column("image", "image"), Column("label", "integer")
    assert without_text([picture, label]) == "No column holds text: image (image), label (integer)."
    assert without_text([picture, Column("caption", "text")]) == ""
    assert without_text([Column("chat", "messages")]) == without_text([]) == ""
