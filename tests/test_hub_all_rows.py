"""Data on the Hub of which only the first rows are looked at: what the verdict goes by, and what the viewer adds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import written
from fakehub import FakeHub, Repo, running
from hub_shelf import TEXT, entries

from studio.adapters.home import Home
from studio.adapters.hub import HubClient
from studio.domain.findings import Finding
from studio.domain.recipe import Recipe
from studio.service.studio import Studio

ROOT = Path(__file__).resolve().parent.parent
Row = dict[str, Any]
TYPES = {"label": {"dtype": "bool", "_type": "Value"}}
MODEL = {"model_name_or_path": str(ROOT / "assets" / "demo" / "model"), "use_cpu": True, "bf16": False}


def shelved(rows: list[Row], **more: Any) -> Repo:
    """A dataset as the viewer shows it, with the file that it is of."""
    features = [{"feature_idx": n, "name": name, "type": TYPES.get(name, TEXT)} for n, name in enumerate(rows[0])]
    file = "".join(json.dumps(row) + "\n" for row in rows).encode()
    return Repo(
        files={"train.jsonl": file}, splits={"default": {"train": (features, entries(*rows), len(rows))}}, **more
    )


def texts(count: int, *nulls: int) -> list[Row]:
    return [{"text": None if n in nulls else f"hello number {n}"} for n in range(count)]


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with running(FakeHub()) as served:
        yield served


@pytest.fixture
def studio(hub: FakeHub, tmp_path: Path, catalog_folder: Path) -> Studio:
    made = Studio(Home(homed(tmp_path, catalog_folder)))
    made.hub = HubClient(hub.url, hub.viewer)
    return made


def homed(folder: Path, cache: Path) -> Path:
    (folder / "home").mkdir()
    (folder / "home" / "cache").symlink_to(cache)
    return folder / "home"


def of_the_data(found: list[Finding]) -> list[tuple[str, str]]:
    return [(one.level, one.message) for one in found if one.where.kind in ("column", "file")]


def trl_studio(hub: FakeHub, home: Path, *words: str) -> tuple[int, str]:
    """The command as a user starts it, with this Hub for the public one."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "HF_ENDPOINT": hub.url, "TRL_STUDIO_VIEWER": hub.viewer}
    line = [sys.executable, "-P", "-m", "studio", *words, "--home", str(home)]
    done = subprocess.run(line, cwd=ROOT, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout


# --- what the verdict goes by


@pytest.mark.parametrize("quick", [True, False])
def test_a_check_says_that_only_the_first_rows_were_looked_at(hub: FakeHub, studio: Studio, quick: bool) -> None:
    hub.datasets["org/d"] = shelved(texts(1000))
    hub.faults["/viewer/statistics"] = 501
    recipe = Recipe("sft", {**MODEL, "dataset_name": "org/d"})
    found = studio.check(recipe, all_rows=not quick)
    assert of_the_data(found) == [("note", "Only the first 20 rows of 1,000 were looked at, on the Hub.")]
    (note,) = [one for one in found if one.where.kind == "file"]
    assert note.where.name == "org/d"


def test_a_check_that_looked_at_all_says_nothing(hub: FakeHub, studio: Studio) -> None:
    hub.datasets["org/d"] = shelved(texts(20))
    assert of_the_data(studio.check(Recipe("sft", {**MODEL, "dataset_name": "org/d"}))) == []


def test_the_commands_say_it(hub: FakeHub, tmp_path: Path, catalog_folder: Path) -> None:
    hub.datasets["org/d"] = shelved(texts(1000))
    hub.faults["/viewer"] = 500  # of its files alone nobody knows how many rows there are
    home = homed(tmp_path, catalog_folder)
    sentence = "Only the first 20 rows were looked at, on the Hub."
    code, said = trl_studio(hub, home, "inspect", "org/d", "--method", "sft", "--json")
    assert (code, json.loads(said)["looked_at"]) == (0, sentence)
    recipe = written(tmp_path, f"# trl sft\n{json.dumps({**MODEL, 'dataset_name': 'org/d'})}\n")
    code, said = trl_studio(hub, home, "check", recipe, "--quick", "--json")
    assert code == 0
    assert [one["message"] for one in json.loads(said) if one["level"] == "note"] == [sentence]
    code, said = trl_studio(hub, home, "check", recipe, "--quick")
    assert (code, f"note  org/d: {sentence}" in said) == (0, True)
