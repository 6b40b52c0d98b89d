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
    made.hub = HubClient(hub.url, hub.viewer, patience=60)  # however busy the machine is
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


# --- what the viewer tells of all rows


def checked(hub: FakeHub, studio: Studio, method: str, rows: list[Row], **more: Any) -> list[tuple[str, str]]:
    """What a check says of such data on the Hub, without the note of what it went by."""
    hub.datasets["org/d"] = shelved(rows, **more)
    found = of_the_data(studio.check(Recipe(method, {**MODEL, "dataset_name": "org/d"})))
    return [one for one in found if "rows of" not in one[1]]


def here(studio: Studio, tmp_path: Path, method: str, rows: list[Row]) -> list[tuple[str, str]]:
    """What a check says of the same rows in a file."""
    path = tmp_path / "local" / "train.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return of_the_data(studio.check(Recipe(method, {**MODEL, "dataset_name": str(path.parent)})))


def labelled(count: int, *bad: int) -> list[Row]:
    return [{"prompt": f"q{n}", "completion": f"a{n}", "label": n not in bad} for n in range(count)]


def pairs(count: int, **last: Any) -> list[Row]:
    rows = [{"prompt": f"q{n}", "chosen": f"good {n}", "rejected": f"bad {n}"} for n in range(count)]
    rows[-1] |= last
    return rows


# Findings over all rows that the viewer's numbers tell, and those of which it says nothing.
ALL_ROWS: dict[str, tuple[str, list[Row], list[tuple[str, str]]]] = {
    "a null": ("sft", texts(1000, 500), [("error", "`text` is null in row 501.")]),
    "nulls": ("sft", texts(600, 70, 80, 90), [("error", "`text` is null in row 71 and 2 more of the 600 rows.")]),
    "nulls among the first too": (
        "sft",
        texts(300, 3, 200),
        [("error", "`text` is null in row 4 and 1 more of the 300 rows.")],
    ),
    "none": ("sft", texts(300), []),
    "a pair": ("dpo", pairs(300, rejected=None), [("error", "`rejected` is null in row 300.")]),
    "a prompt": ("dpo", pairs(300, prompt=None), [("error", "`prompt` is null in row 300.")]),
    "all good": ("kto", labelled(300), [("warning", "All 300 rows are good.")]),
    "all bad": ("kto", labelled(300, *range(300)), [("warning", "All 300 rows are bad.")]),
    "one is bad": ("kto", labelled(300, 299), []),
    "a label": (
        "kto",
        [*labelled(300, 3), {"prompt": "q", "completion": "a", "label": None}],
        [("error", "`label` is None and not true or false in row 301.")],
    ),
}


@pytest.mark.parametrize("case", list(ALL_ROWS))
def test_a_check_says_what_it_says_of_the_same_rows_here(
    case: str, hub: FakeHub, studio: Studio, tmp_path: Path
) -> None:
    method, rows, wrong = ALL_ROWS[case]
    assert checked(hub, studio, method, rows) == wrong
    assert here(studio, tmp_path, method, rows) == wrong


def test_the_row_and_the_verdict_stand_in_the_inspection(hub: FakeHub, studio: Studio) -> None:
    hub.datasets["org/d"] = shelved(texts(1000, 500))
    first = studio.inspect("org/d", "sft")
    assert (first.verdict, first.looked_at) == (
        "accept",
        "Only the first 20 rows of 1,000 were looked at, on the Hub.",
    )
    told = studio.inspect("org/d", "sft", all_rows=True)
    (wrong,) = told.findings
    assert (told.verdict, wrong.where.name, wrong.where.row) == ("reject", "text", 500)
    counted = "The Hub's dataset viewer counted nulls and labels in all 1,000 rows."
    assert told.looked_at == f"{first.looked_at} {counted}"


def test_a_viewer_that_finds_no_rows_still_tells_that_there_are_nulls(hub: FakeHub, studio: Studio) -> None:
    hub.faults["/viewer/filter"] = 500
    assert checked(hub, studio, "sft", texts(300, 200)) == [("error", "`text` is null in 1 of the 300 rows.")]
    odd = [{'te"xt; --': None if n == 200 else f"t {n}"} for n in range(300)]
    hub.faults.clear()
    hub.datasets["org/d"] = shelved(odd)  # a name that it refuses in a question
    looked = studio.inspect("org/d", "sft", values={"dataset_text_field": 'te"xt; --'}, all_rows=True)
    assert [one.message for one in looked.findings] == ['`te"xt; --` is null in 1 of the 300 rows.']
    named = [{'te"xt': None if n == 200 else f"t {n}"} for n in range(300)]
    hub.datasets["org/d"] = shelved(named)
    looked = studio.inspect("org/d", "sft", values={"dataset_text_field": 'te"xt'}, all_rows=True)
    assert [one.message for one in looked.findings] == ['`te"xt` is null in row 201.']


def test_numbers_of_a_part_say_which(hub: FakeHub, studio: Studio) -> None:
    found = checked(hub, studio, "sft", texts(900, 200, 300), counted=400)
    assert found == [("error", "`text` is null in row 201 and 1 more of the first 400 rows.")]
    one_sided = checked(hub, studio, "kto", labelled(900, 800), counted=400)
    assert one_sided == [("note", "All 400 rows looked at are good.")]
    assert studio.inspect("org/d", "kto", all_rows=True).looked_at.endswith("labels in the first 400 rows.")


def test_a_label_with_a_name_is_told_by_the_number_of_the_first_rows(hub: FakeHub, studio: Studio) -> None:
    label = {"_type": "ClassLabel", "names": ["down", "up"]}
    features = [{"feature_idx": n, "name": name, "type": TEXT} for n, name in enumerate(("prompt", "completion"))]
    features.append({"feature_idx": 2, "name": "label", "type": label})
    for last, said in (
        (1, [("warning", "All 300 rows are good.")]),
        (0, [("note", "All 20 rows looked at are good.")]),
    ):
        rows = [{**row, "label": last if n == 299 else 1} for n, row in enumerate(labelled(300))]
        hub.datasets[f"org/{last}"] = Repo(splits={"default": {"train": (features, entries(*rows), 300)}})
        looked = studio.inspect(f"org/{last}", "kto", all_rows=True)
        assert of_the_data(list(looked.findings)) == said


def test_the_viewer_is_asked_only_for_what_it_can_tell(hub: FakeHub, studio: Studio) -> None:
    def asked() -> list[str]:
        found = [one.rpartition("/")[2] for one in hub.requests if one.startswith("GET /viewer/")]
        hub.requests.clear()
        return [one for one in found if one in ("statistics", "filter")]

    assert checked(hub, studio, "sft", texts(300, 200)) != []
    assert asked() == ["statistics", "filter"]
    assert checked(hub, studio, "sft", texts(310)) == []
    assert asked() == ["statistics"]
    studio.check(Recipe("sft", {**MODEL, "dataset_name": "org/d"}), all_rows=False)
    assert asked() == []
    assert checked(hub, studio, "sft", texts(20)) == []  # all were looked at
    assert asked() == []
    hub.datasets["org/d"] = shelved(texts(320, 200))
    part = {**MODEL, "datasets": [{"path": "org/d", "split": "train[:100]"}]}
    assert of_the_data(studio.check(Recipe("sft", part)))[0][0] == "note"  # the null is not among them
    assert asked() == []
    whole = {**MODEL, "datasets": [{"path": "org/d"}]}
    assert of_the_data(studio.check(Recipe("sft", whole)))[0] == ("error", "`text` is null in row 201.")
    assert asked() == ["statistics", "filter"]
    hub.datasets["org/files"] = Repo(files=hub.datasets["org/d"].files)
    hub.faults["/viewer"] = 500
    studio.check(Recipe("sft", {**MODEL, "dataset_name": "org/files"}))
    assert asked() == []  # it showed nothing of it


def test_a_viewer_without_numbers_is_asked_anew_the_next_time(hub: FakeHub, studio: Studio) -> None:
    hub.faults["/viewer/statistics"] = 500
    assert checked(hub, studio, "sft", texts(300, 200)) == []
    hub.faults.clear()
    assert checked(hub, studio, "sft", texts(300, 200)) == [("error", "`text` is null in row 201.")]


# --- files that are broken


LINES = b"".join(b'{"text": "hello %d"}\n' % n for n in range(100))
BROKEN: dict[str, tuple[str, bytes, int | None, str]] = {
    "json": (
        "data/train.jsonl",
        LINES[:200] + b'{"text": broken\n' + LINES[200:],
        11,
        "Line 11 of data/train.jsonl is",
    ),
    "ragged": ("train.csv", b"a,b\n1,2\n1,2,3,4\n", 3, "Line 3 of train.csv has 4 cells, and the header has 2."),
    "no utf-8": ("train.jsonl", b'{"text": "a"}\n{"text": "\xff"}\n', 2, "Line 2 of train.jsonl is no UTF-8 text"),
    "cut": ("train.parquet", b"PAR1" + b"x" * 4000, None, "train.parquet is broken"),
    "empty": ("train.jsonl", b"", None, "train.jsonl holds no rows."),
    "no gzip": ("train.jsonl.gz", b"\x1f\x8bnothing", None, "train.jsonl.gz is no whole gzip file."),
}


@pytest.mark.parametrize("case", list(BROKEN))
def test_a_finding_on_a_broken_file_names_file_and_line(case: str, hub: FakeHub, studio: Studio) -> None:
    file, content, line, said = BROKEN[case]
    hub.datasets["org/d"] = Repo(files={file: content})
    (wrong,) = studio.inspect("org/d", "sft").findings
    assert wrong.message.startswith(said)
    place = {"kind": "file", "name": f"org/d/{file}"}
    assert wrong.to_json()["where"] == (place if line is None else {**place, "line": line})


@pytest.mark.parametrize("case", list(BROKEN))
def test_the_same_file_here_is_told_the_same(case: str, studio: Studio, tmp_path: Path) -> None:
    file, content, line, _ = BROKEN[case]
    path = tmp_path / "data" / Path(file).name
    path.parent.mkdir()
    path.write_bytes(content)
    (wrong,) = studio.inspect(str(path), "sft").findings
    assert (wrong.where.name, wrong.where.line) == (str(path), line)
