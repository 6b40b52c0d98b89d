"""Zip and tar archives of data files: taken where the datasets library loads them, with its rows, else refused."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakehub import FakeHub, Repo, running
from test_datafiles import loaded_by_datasets
from test_preparing import order

from studio.adapters.databatches import Batch, batches
from studio.adapters.datafiles import open_source
from studio.adapters.home import Home
from studio.adapters.hub import HubClient
from studio.adapters.prepared import record_of
from studio.adapters.wholecheck import check_all
from studio.domain.columns import Column
from studio.domain.errors import StudioError
from studio.domain.recipe import Recipe
from studio.service.data import inspect
from studio.service.mixing import mix_of
from studio.service.paths import Paths
from studio.service.preparing import prepare
from studio.service.studio import Studio
from studio.service.token_rows import rows_of as rows_for_tokens
from studio.service.token_rows import shares_of

Files = dict[str, bytes]


def lines(*texts: str) -> bytes:
    return "".join(json.dumps({"text": text}) + "\n" for text in texts).encode()


def zipped(files: Files, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


def tarred(files: Files, mode: str = "w", links: tuple[str, ...] = ()) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for name in links:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/hostname"
            archive.addfile(entry)
    return made.getvalue()


def locked(archive: bytes) -> bytes:
    """The archive, whose file says that it needs a password."""
    made = bytearray(archive)
    made[made.index(b"PK\x03\x04") + 6] |= 1
    made[made.index(b"PK\x01\x02") + 8] |= 1
    return bytes(made)


def damaged(archive: bytes) -> bytes:
    made = bytearray(archive)
    made[200:220] = b"\xff" * 20
    return bytes(made)


def parquet() -> bytes:
    made = io.BytesIO()
    pq.write_table(pa.table({"text": ["a"]}), made)
    return made.getvalue()


CSV, TSV = b"text,n\na,1\nb,2\n", b"text\tn\na,x\t1\n"
A, B = zipped({"a.jsonl": lines("x", "y")}), zipped({"b.jsonl": lines("b"), "a.jsonl": lines("a")})
NESTED = {"d/b.jsonl": lines("b"), "a.jsonl": lines("a"), "c/e/f.jsonl": lines("f"), "c.jsonl": lines("c")}
HIDDEN = {"a.jsonl": lines("a"), ".h.jsonl": b"h", "__MACOSX/._a.jsonl": b"\x00\x05", "__x.jsonl": b"u", ".d/z": b"z"}
MANY = {"a.jsonl": lines(*map(str, range(3000)))}

# The content of each archive, and what is said of it: "" where it is loaded.
ARCHIVES: dict[str, tuple[bytes, str]] = {
    "one.zip": (A, ""),
    "two.zip": (B, ""),
    "train.jsonl.zip": (A, ""),
    "UP.ZIP": (A, ""),
    "a [1]?.zip": (A, ""),
    "by its bytes.jsonl": (A, ""),
    "nested.zip": (zipped({"d/": b"", **NESTED}), ""),
    "hidden.zip": (zipped(HIDDEN), ""),
    "array.zip": (zipped({"a.json": b'[{"text": "a"}, {"text": "b"}]'}), ""),
    "csv.zip": (zipped({"a.csv": CSV, "b.csv": CSV}), ""),
    "tsv.zip": (zipped({"a.tsv": TSV}), ""),
    "txt.zip": (zipped({"a.txt": b"one\ntwo\n", "b.txt": b"three"}), ""),
    "splits.zip": (zipped({"train.jsonl": lines("a"), "test.jsonl": lines("t")}), ""),
    "some empty.zip": (zipped({"a.jsonl": b"", "b.jsonl": lines("b")}), ""),
    "signs.zip": (zipped({"a #?*%20é~.jsonl": lines("a")}), ""),
    "bzip2.zip": (zipped(MANY, zipfile.ZIP_BZIP2), ""),
    "lzma.zip": (zipped(MANY, zipfile.ZIP_LZMA), ""),
    "junk before.zip": (b"junk" + A, ""),
    "leads out too.zip": (zipped({"../a.jsonl": lines("a"), "b.jsonl": lines("b")}), ""),
    "x.tar": (tarred({f"./{name}": content for name, content in NESTED.items()}), ""),
    "x.tgz": (tarred(NESTED, "w:gz"), ""),
    "x.tar.gz": (tarred(HIDDEN, "w:gz"), ""),
    "x.tar.bz2": (tarred({"a.csv": CSV}, "w:bz2"), ""),
    "x.tar.xz": (tarred(MANY, "w:xz"), ""),
    "leads out.tar": (tarred({"../a.jsonl": lines("a"), "b.jsonl": lines("b")}), ""),
    "text beside.zip": (zipped({"a.jsonl": lines("a"), "b.jsonl": lines("b"), "r.txt": b"hi"}), "r.txt is no JSON"),
    "csv beside.zip": (zipped({"a.jsonl": lines("a"), "b.csv": CSV}), "b.csv is no JSON"),
    "card beside.zip": (zipped({"a.jsonl": lines("a"), "README.md": b"# hi"}), "README.md is no JSON"),
    "parquet.zip": (zipped({"a.parquet": parquet()}), "reads no parquet"),
    "packed.zip": (zipped({"a.jsonl.gz": gzip.compress(lines("a"))}), "a.jsonl.gz in {} is packed itself"),
    "twice.zip": (zipped({"a.zip": A}), "a.zip in {} is packed itself"),
    "twice.tar": (tarred({"a.zip": A}), "a.zip in {} is packed itself"),
    "leads out.zip": (zipped({"../a.jsonl": lines("a")}), "holds no files that are loaded"),
    "from the root.zip": (zipped({"/a.jsonl": lines("a"), "b.jsonl": lines("b")}), "/a.jsonl in {} has '/' in"),
    "backslash.zip": (zipped({"a\\b.jsonl": lines("a")}), "has '\\' in its name"),
    "bracket.zip": (zipped({"a[1].jsonl": lines("a")}), "a[1].jsonl in {} has '[' in its name"),
    "colons.zip": (zipped({"a::b.jsonl": lines("a")}), "has '::' in its name"),
    "empty.zip": (zipped({}), "holds no files that are loaded"),
    "no rows.zip": (zipped({"a.jsonl": b""}), "holds no rows"),
    "locked.zip": (locked(A), "a.jsonl in {} is locked with a password"),
    "damaged.zip": (damaged(zipped(MANY)), "a.jsonl cannot be unpacked: {} is broken"),
    "cut.zip": (A[:-10], "is no whole zip file"),
    "text.zip": (lines("a"), "is no whole zip file"),
    "cut.tar": (tarred(MANY)[:2000], "is no whole tar file"),
}  # fmt: skip
CARD = (
    b"---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: a.zip\n"
    b"  - split: test\n    path: b.zip\n---\n"
)
# The files of each folder, and what is said of it.
FOLDERS: dict[str, tuple[Files, str]] = {
    "one": ({"data.zip": A}, ""),
    "two": ({"a.zip": A, "b.zip": B}, ""),
    "splits": ({"train.zip": A, "test.zip": B}, ""),
    "named": ({"train.jsonl.zip": A, "test.jsonl.zip": B}, ""),
    "folders": ({"train/d.zip": A, "test/d.zip": B}, ""),
    "shard": ({"data/train-00000-of-00001.zip": A}, ""),
    "card": ({"README.md": CARD, "a.zip": A, "b.zip": B}, ""),
    "splits within": ({"data.zip": ARCHIVES["splits.zip"][0]}, ""),
    "plain beside": ({"data.zip": B, "x.jsonl": lines("x")}, ""),
    "fewer beside": ({"a.zip": ARCHIVES["csv.zip"][0], "b.zip": ARCHIVES["csv.zip"][0], "c.json": lines("c")}, ""),
    "csv": ({"data.zip": ARCHIVES["csv.zip"][0]}, ""),
    "tsv": ({"data.zip": ARCHIVES["tsv.zip"][0]}, ""),
    "txt": ({"data.zip": ARCHIVES["txt.zip"][0]}, ""),
    "nested": ({"data.zip": zipped(NESTED)}, ""),
    "tar by name": ({"x.jsonl.tar.gz": tarred({"a.jsonl": lines("a")}, "w:gz")}, ""),
    "other format": ({"data.zip": ARCHIVES["csv.zip"][0], "x.jsonl": lines("x")}, "a.csv is no JSON"),
    "parquet beside": ({"data.zip": zipped({"a.parquet": parquet()}), "b.parquet": parquet()}, "reads no parquet"),
    "no ending": ({"data.zip": zipped({"a": lines("a")})}, "no data files"),
    "upper": ({"data.ZIP": A}, "no data files"),
    "broken": ({"data.zip": b"nope"}, "is no whole zip file"),
}


def written(folder: Path, files: Files) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def entry(path: str, files: Any) -> dict[str, Any]:
    return {"datasets": [{"path": path, "data_files": files, "split": "train"}]}


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[dict[str, Any], str, Any]]:
    """Each recipe's values, what is said of them, and the rows that the datasets library loads or its error."""
    folder = tmp_path_factory.mktemp("archives")
    found: dict[str, tuple[dict[str, Any], str]] = {}
    lone = written(folder / "lone", {name: content for name, (content, _) in ARCHIVES.items()})
    for name, (_, said) in ARCHIVES.items():
        try:
            values = open_source(lone / name).recipe_values()
        except StudioError:
            values = entry("json" if "parquet" not in name else "parquet", str(lone / name))
        found[name] = values, said.format(lone / name)
    for name, (files, said) in FOLDERS.items():
        found[f"folder {name}"] = {"dataset_name": str(written(folder / "many" / name, files))}, said
    one, two, plain = (str(lone / name) for name in ("one.zip", "two.zip", "text.jsonl"))
    Path(plain).write_bytes(lines("plain"))
    found["split by split"] = entry("json", {"train": one, "test": two}), ""
    found["archive and file"] = entry("json", [one, plain]), ""
    found["of a folder"] = entry(str(folder / "many" / "tsv"), "data.zip"), ""
    found["a pattern"] = entry("json", str(folder / "many" / "two" / "*.zip")), ""
    found["a folder's"] = (
        {"datasets": [{"path": "json", "data_dir": str(folder / "many" / "one"), "split": "train"}]},
        "",
    )
    for name in ("tabs.tsv", "tsv.zip"):
        (lone / "tabs.tsv").write_bytes(TSV)
        found[f"{name} by commas"] = entry("csv", str(lone / name)), "has tabs between its cells"
    answers = loaded_by_datasets([values for values, _ in found.values()], folder)
    return {name: (*found[name], answer) for name, answer in zip(found, answers, strict=True)}  # type: ignore[misc]


def test_what_is_loaded_is_accepted_with_its_rows(
    cases: dict[str, tuple[dict[str, Any], str, Any]], tmp_path: Path
) -> None:
    studio, wrong = Studio(Home(tmp_path / "home")), []
    for name, (values, said, answer) in cases.items():
        looked = studio.recipes.look(Recipe("sft", values))
        (whole,) = [studio.whole.checked(one, values) for one in looked]
        errors = [found.message for found in whole.findings if found.level == "error"]
        if isinstance(answer, str) or said:
            one_cell = not isinstance(answer, str) and "text\tn" in answer["train"][0]  # loaded, and of no use
            good = (
                (isinstance(answer, str) or one_cell)
                and whole.verdict == "reject"
                and any(said in error for error in errors)
            )
        else:
            good = whole.verdict == "accept" and whole.num_rows == len(answer["train"]) and not errors
            good = good and list(whole.rows) == answer["train"][:20]
        if not good:
            wrong.append((name, said, answer if isinstance(answer, str) else "loaded", whole.verdict, errors))
    assert wrong == []
    assert len(cases) > 60


def test_all_splits_of_folders_are_the_librarys(cases: dict[str, tuple[dict[str, Any], str, Any]]) -> None:
    looked = 0
    for name, (values, said, answer) in cases.items():
        if "dataset_name" in values and not said:
            source = open_source(values["dataset_name"])
            assert {split: source.rows(split, 100) for split in source.splits} == answer, name
            looked += 1
    assert looked > 12


ROWS = [{"question": f"What is {n} and {n}?", "answer": str(n + n)} for n in range(3000)]
TEXT = "".join(json.dumps(row) + "\n" for row in ROWS).encode()


def packed_rows(folder: Path, kind: str) -> Path:
    """All rows in two files of one archive."""
    middle = TEXT.index(b"\n", len(TEXT) // 2) + 1
    files = {"part/b.jsonl": TEXT[middle:], "a.jsonl": TEXT[:middle]}
    path = folder / f"rows.{kind}"
    path.write_bytes(zipped(files) if kind == "zip" else tarred(files, "w" if kind == "tar" else "w:gz"))
    return path


def taken(batch: Batch) -> list[dict[str, Any]]:
    return list(batch.rows) if batch.arrow is None else list(batch.arrow.to_pylist())


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_an_archive_is_paged_counted_and_prepared(tmp_path: Path, kind: str) -> None:
    path = packed_rows(tmp_path, kind)
    source = open_source(path)
    for offset in (0, 1490, 2990, 20):
        assert source.rows("train", 20, offset) == ROWS[offset : offset + 20]
    assert [row for batch in batches(source.files["train"], "json") for row in taken(batch)] == ROWS
    studio = Studio(Home(tmp_path / "home"))
    looked = studio.recipes.look(Recipe("sft", source.recipe_values()))
    shares = shares_of(mix_of(source.recipe_values(), looked), looked)
    found = rows_for_tokens(shares, 100, Paths(tmp_path, tmp_path), HubClient("http://127.0.0.1:9")).rows
    assert len(found) == 100
    assert all(row in ROWS for row in found)
    (tmp_path / "made").mkdir()
    made = prepare(order(path, "sft", share=0.1), tmp_path / "made")
    prepared = open_source(made)
    texts = [row["completion"][0]["content"] for split in prepared.splits for row in prepared.rows(split, 3000)]
    assert sorted(texts) == sorted(row["answer"] for row in ROWS)
    record = record_of(made)
    assert record is not None
    assert [one["path"] for one in record["from"]["files"]] == [f"{path}/a.jsonl", f"{path}/part/b.jsonl"]


def test_nothing_is_written_where_a_name_leads_out(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "rows.zip"
    path.write_bytes(ARCHIVES["leads out too.zip"][0])
    source = open_source(path)
    assert source.rows("train") == [{"text": "b"}]
    (found,) = source.left_out
    assert found.message == f"../a.jsonl in {path} is not loaded."
    with pytest.raises((StudioError, OSError)):
        source.place.open(path / "../a.jsonl")
    assert sorted(str(one.relative_to(tmp_path)) for one in tmp_path.rglob("*")) == ["in", "in/rows.zip"]


def test_a_link_in_a_tar_is_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "rows.tar"
    path.write_bytes(tarred({"b.jsonl": lines("b")}, links=("a.jsonl",)))
    with pytest.raises(StudioError, match=r"a\.jsonl in .*rows\.tar is a link"):
        open_source(path)


def test_what_is_far_bigger_unpacked_takes_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.jsonl", "w") as member:
        member.write(b'{"text": "a"}\n{"text": "')
        for _ in range(400):
            member.write(b" " * (1 << 20))
    assert path.stat().st_size < 1 << 20
    studio, values = Studio(Home(tmp_path / "home")), entry("json", str(path))
    tracemalloc.start()
    (looked,) = studio.recipes.look(Recipe("sft", values))
    with pytest.raises(StudioError, match=r"a\.jsonl has a line that is too long"):
        list(batches([path / "a.jsonl"], "json"))
    seen = check_all("json", [path / "a.jsonl"], [Column("text", "text")], ["text"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    said = [found.message for found in (*looked.findings, *seen.findings) if found.level == "error"]
    begins = f"{path}/a.jsonl has a line that is too long"
    assert said == [f"{begins}.", f"{begins} in row 1 or later."]
    assert peak < 200 << 20


def test_an_archive_with_something_beside_its_data_is_told_by_name(tmp_path: Path) -> None:
    path = tmp_path / "rows.zip"
    path.write_bytes(ARCHIVES["card beside.zip"][0])
    with pytest.raises(StudioError, match=r"of no format that is read here: README\.md, a\.jsonl") as caught:
        open_source(path)
    assert caught.value.hint == "Pack files of jsonl, json, csv or txt, and nothing beside them."


@pytest.mark.parametrize("files", [{"data.zip": A}, {"a.jsonl": lines("a"), "b.jsonl": lines("b"), "c.zip": A}])
def test_an_archive_on_the_hub_leaves_the_verdict_open(tmp_path: Path, files: Files) -> None:
    with running(FakeHub()) as hub:
        hub.datasets["org/d"] = Repo(files=files)
        hub.faults["/viewer"] = 500
        found = inspect("org/d", "sft", Paths(tmp_path, tmp_path), HubClient(hub.url, hub.viewer))
    assert found.verdict == "unknown"
    (wrong,) = found.findings
    assert ".zip is an archive, and those are read on this machine alone. Download the dataset" in wrong.message


@pytest.mark.parametrize(("kind", "verdict"), [("zip", "accept"), ("tar", "reject"), ("tar.gz", "reject")])
def test_a_tar_is_no_stream(tmp_path: Path, kind: str, verdict: str) -> None:
    path = packed_rows(tmp_path, kind).rename(tmp_path / f"rows.jsonl.{kind}")
    made = written(tmp_path / "d", {"train.jsonl" + f".{kind}": path.read_bytes()})
    studio = Studio(Home(tmp_path / "home"))
    columns = {"columns": ["answer"]}
    for values in (
        {"dataset_name": str(made), "dataset_streaming": True, "dataset_text_field": "answer"},
        {"datasets": [{"path": "json", "data_files": str(path)} | columns], "streaming": True,
         "dataset_text_field": "answer"},
    ):  # fmt: skip
        (looked,) = studio.recipes.look(Recipe("sft", values))
        assert looked.verdict == verdict, looked.findings
        assert [found.message for found in looked.findings if found.level == "error"] == [
            f"{one} is a tar, which is loaded whole or not at all."
            for one in ([path if "datasets" in values else made / f"train.jsonl.{kind}"] if verdict == "reject" else [])
        ]
        whole = {key: value for key, value in values.items() if "streaming" not in key}
        (looked,) = studio.recipes.look(Recipe("sft", whole))
        assert looked.verdict == "accept", looked.findings
