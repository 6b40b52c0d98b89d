"""Files that are sent: whole or not at all, never over another one, and loaded by the datasets library afterwards."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_archives import tarred, zipped

from studio.adapters.datafiles import open_source
from studio.adapters.home import Home
from studio.adapters.space import Space
from studio.domain.errors import StudioError
from studio.service.access import Access
from studio.service.uploads import SETTING, safe_file_name, take, upload_limit

ROWS = b'{"text": "a"}\n{"text": "b"}\n'


def sent(folder: Path, name: str, content: bytes = ROWS) -> Path:
    path = folder / "sent" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").ensure()


def kept(home: Home) -> list[str]:
    return sorted(path.name for path in (home.datasets / "uploads").iterdir())


def test_the_same_name_twice_keeps_both(home: Home, tmp_path: Path) -> None:
    first = take(sent(tmp_path, "data.jsonl"), home, Access())
    again = take(sent(tmp_path, "data.jsonl"), home, Access())
    other = take(sent(tmp_path, "data.jsonl", b'{"text": "other"}\n'), home, Access())
    assert first == again
    assert (first.name, other.name) == ("data.jsonl", "data-2.jsonl")
    assert (first.read_bytes(), other.read_bytes()) == (ROWS, b'{"text": "other"}\n')
    assert take(sent(tmp_path, "data.jsonl", b'{"text": "other"}\n'), home, Access()) == other
    assert kept(home) == ["data-2.jsonl", "data.jsonl"]


def test_what_is_too_big_or_empty_is_refused_in_words(home: Home, tmp_path: Path) -> None:
    big = sent(tmp_path, "big.jsonl")
    os.truncate(big, 300_000_000)  # a file with a hole takes no room
    with pytest.raises(StudioError, match=r"big.jsonl has 0.3 GB, and at most 0.2 GB") as caught:
        take(big, home, Access(), 200_000_000)
    assert SETTING in caught.value.hint
    with pytest.raises(StudioError, match=r"nothing.csv is empty"):
        take(sent(tmp_path, "nothing.csv", b""), home, Access())
    assert not (home.datasets / "uploads").exists() or kept(home) == []
    assert upload_limit({}) == 5_000_000_000
    assert upload_limit({SETTING: "0.5"}) == 500_000_000
    for wrong in ("many", "0", "-1", "nan"):
        with pytest.raises(StudioError, match=SETTING):
            upload_limit({SETTING: wrong})


def test_a_file_that_cannot_be_copied_whole_leaves_nothing(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(source: Path, target: Path) -> None:
        Path(target).write_bytes(Path(source).read_bytes()[:5])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "move", half)
    path = sent(tmp_path, "data.jsonl")
    with pytest.raises(StudioError, match=r"data.jsonl could not be kept: No space left"):
        take(path, home, Access())
    assert kept(home) == []
    assert path.read_bytes() == ROWS


def test_what_is_taken_is_on_the_disk_once(home: Home, tmp_path: Path) -> None:
    path = sent(tmp_path, "data.jsonl")
    assert take(path, home, Access()).read_bytes() == ROWS
    assert not path.exists()


def test_the_file_of_a_visitor_stays_where_only_he_knows_it(home: Home, tmp_path: Path) -> None:
    visitor = Access(Space("owner/space", "owner"))
    path = sent(tmp_path, "data.jsonl")
    assert take(path, home, visitor) == path
    assert not (home.datasets / "uploads").exists()


def test_names() -> None:
    assert safe_file_name("../../etc/passwd") == "passwd"
    assert safe_file_name("..\\x.jsonl") == "x.jsonl"
    assert safe_file_name("my data (1).jsonl") == "my data (1).jsonl"
    assert safe_file_name("größe 数据.csv.gz") == "größe 数据.csv.gz"
    assert safe_file_name("a[1]*{2}?.jsonl") == "a_1___2__.jsonl"
    assert safe_file_name(".jsonl") == "jsonl"
    assert len(safe_file_name("x" * 500 + ".jsonl")) < 150


def test_the_datasets_library_loads_what_was_taken(home: Home, tmp_path: Path) -> None:
    """Odd names and every packing: the recipe that the studio writes for each is loaded, as TRL would."""
    table = b"text\tn\na b\t1\n"
    contents = {
        "my data (1).jsonl": ROWS,
        "größe 数据.ndjson": ROWS,
        "a[1]*.jsonl": ROWS,
        "it's.csv": b"text\na\nb\n",
        "tabs.tsv": table,
        "packed.tsv.gz": gzip.compress(table),
        "packed.jsonl.gz": gzip.compress(ROWS),
        "packed.jsonl.bz2": bz2.compress(ROWS),
        "packed.csv.xz": lzma.compress(b"text\na\nb\n"),
        "packed.csv.gz": gzip.compress(b"text\na\nb\n"),
        "list.json": b'[{"text": "a"}]',
        "lines.txt": b"one\ntwo\n",
        "my rows [2].zip": zipped({"part/a.jsonl": ROWS, "b.jsonl": ROWS}),
        "tabs.zip": zipped({"a.tsv": table}),
        "rows.tar.gz": tarred({"a.jsonl": ROWS}, "w:gz"),
    }
    sources = [open_source(take(sent(tmp_path, name, content), home, Access())) for name, content in contents.items()]
    recipes = [source.recipe_values()["datasets"][0] for source in sources]
    script = """
import json, sys, datasets
datasets.disable_progress_bars()
print(json.dumps([datasets.load_dataset(**one).to_list() for one in json.loads(sys.argv[1])]))
"""
    environment = {**os.environ, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1"}
    line = [sys.executable, "-W", "ignore", "-c", script, json.dumps(recipes)]
    done = subprocess.run(line, env=environment, check=True, capture_output=True, text=True)
    loaded = json.loads(done.stdout.splitlines()[-1])
    assert loaded == [source.rows() for source in sources]
    assert len(loaded) == len(contents)
