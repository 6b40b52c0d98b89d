"""Prepared datasets: written whole or not at all, from every kind of file, with a record, and taken by the judge."""

from __future__ import annotations

import html
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from fakehub import FakeHub, Repo, running
from world_formats import FORMATS, Rows

from studio.adapters.datafiles import open_source
from studio.adapters.hub import HubClient
from studio.adapters.hubdownload import HubDownload
from studio.adapters.prepared import PreparedWriter, free_name, record_of
from studio.domain.dataset_types import judge
from studio.domain.errors import StudioError
from studio.domain.mapping import DataMapping
from studio.domain.recogniser import recognise
from studio.service.data import Inspection, inspect
from studio.service.mappings import Choice, draft
from studio.service.paths import Paths
from studio.service.preparing import Job, Order, Preparing, Unmapped, own_test, prepare
from studio.ui import before_after

GSM8K = [{"question": f"What is {n} and {n}?", "answer": f"Add them.\n#### {n + n}"} for n in range(3000)]


def write(folder: Path, name: str, rows: Rows) -> Path:
    """The rows as a file whose name tells its kind."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if name.endswith(".jsonl"):
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif name.endswith(".json"):
        path.write_text(json.dumps(rows))
    elif name.endswith(".csv"):
        lines = [",".join(rows[0]), *(",".join(json.dumps(cell) for cell in row.values()) for row in rows)]
        path.write_text("\n".join(lines) + "\n")
    elif name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=1000)
    else:
        table = pa.Table.from_pylist(rows)
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    return path


def mapping_of(path: Path, method: str) -> DataMapping:
    source = open_source(path)
    found = recognise(method, source.columns(), source.rows(n=20)).mapping
    assert found is not None
    return found


def order(path: Path, method: str, **more: Any) -> Order:
    mapping = more.pop("mapping", None) or mapping_of(path, method)
    return Order(more.pop("name", "made"), str(path), "", more.pop("train", "train"), mapping, method, **more)


def rows_of(folder: Path, split: str) -> Rows:
    return open_source(folder).rows(split, n=10_000)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "datasets"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("name", ["train.jsonl", "train.json", "train.csv", "train.parquet", "train.arrow"])
def test_every_kind_of_file_becomes_the_same_set(tmp_path: Path, home: Path, name: str) -> None:
    rows = [{key: cell.replace("\n", " ") for key, cell in row.items()} for row in GSM8K]
    made = prepare(order(write(tmp_path, name, rows), "sft", share=0.0), home)
    assert made == home / "made"
    assert sorted(os.listdir(home)) == ["made"]
    assert [row["completion"][0]["content"] for row in rows_of(made, "train")] == [row["answer"] for row in rows]
    assert open_source(made).splits == ("train",)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.05, 0.2, 0.5])
def test_the_share_that_is_held_out_is_exact_and_the_same_again(tmp_path: Path, home: Path, share: float) -> None:
    path = write(tmp_path, "train.jsonl", GSM8K)
    one, other = (prepare(order(path, "sft", share=share, name=name), home) for name in ("one", "other"))
    splits = open_source(one).splits
    assert splits == (("train", "test") if share else ("train",))
    test = rows_of(one, "test") if share else []
    assert abs(len(test) - 3000 * share) <= 1
    every = [row["prompt"][0]["content"] for row in [*rows_of(one, "train"), *test]]
    assert sorted(every) == sorted(row["question"] for row in GSM8K)
    assert not share or rows_of(other, "test") == test


def test_another_seed_holds_out_other_rows(tmp_path: Path, home: Path) -> None:
    path = write(tmp_path, "train.jsonl", GSM8K)
    one, other = (prepare(order(path, "sft", seed=seed, name=f"s{seed}"), home) for seed in (1, 2))
    assert rows_of(one, "test") != rows_of(other, "test")
    assert len(rows_of(one, "test")) == len(rows_of(other, "test")) == 150


def test_both_answers_of_a_pair_land_on_one_side(tmp_path: Path, home: Path) -> None:
    rows = [{"prompt": f"Why {n}?", "chosen": f"So {n}.", "rejected": f"No {n}."} for n in range(200)]
    made = prepare(order(write(tmp_path, "train.jsonl", rows), "kto", share=0.1), home)
    sides = [{str(row["prompt"]) for row in rows_of(made, split)} for split in ("train", "test")]
    assert len(sides[1]) == 20
    assert not sides[0] & sides[1]
    assert len(rows_of(made, "test")) == 40


def test_the_sources_own_split_is_tested_on(tmp_path: Path, home: Path) -> None:
    write(tmp_path, "set/train.jsonl", GSM8K[:50])
    write(tmp_path, "set/test.jsonl", GSM8K[50:60])
    made = prepare(order(tmp_path / "set", "grpo", test="test"), home)
    assert len(rows_of(made, "train")) == 50
    assert [row["solution"] for row in rows_of(made, "test")] == [str(n + n) for n in range(50, 60)]


@pytest.mark.parametrize(
    ("splits", "train", "test"),
    [
        (("train", "test"), "train", "test"),
        (("train", "validation"), "train", "validation"),
        (("train", "validation", "test"), "train", "test"),
        (("train_sft", "test_sft", "train_gen", "test_gen"), "train_sft", "test_sft"),
        (("train",), "train", ""),
        (("train", "extra"), "train", ""),
    ],
)
def test_which_split_is_the_one_to_test_on(splits: tuple[str, ...], train: str, test: str) -> None:
    assert own_test(splits, train) == test


def test_a_bad_row_stops_it_with_its_place_and_leaves_nothing(tmp_path: Path, home: Path) -> None:
    rows = [dict(row) for row in GSM8K]
    rows[2500]["answer"] = " "
    path = write(tmp_path, "train.jsonl", rows)
    with pytest.raises(Unmapped) as stopped:
        prepare(order(path, "sft"), home)
    where = stopped.value.finding.where
    assert (where.kind, where.name, where.row) == ("file", str(path), 2500)
    assert "`answer` is empty" in stopped.value.message
    assert stopped.value.message.startswith("Row 2,501 of train.jsonl cannot be mapped: ")
    assert os.listdir(home) == []


def test_bad_rows_are_left_out_and_counted_where_the_user_says_so(tmp_path: Path, home: Path) -> None:
    rows = [dict(row) for row in GSM8K]
    rows[7]["answer"] = rows[2500]["answer"] = " "
    path = write(tmp_path, "train.parquet", rows)
    job = Job(order(path, "sft", share=0.0, leave_out=True))
    made = prepare(job.order, home, job)
    assert len(rows_of(made, "train")) == 2998
    record = record_of(made)
    assert record is not None
    assert record["left_out"]["rows"] == 2
    assert record["left_out"]["why"] == {"`answer` is empty.": 2}
    assert [one["row"] for one in record["left_out"]["first"]] == [7, 2500]
    assert job.done == 3000


@pytest.mark.parametrize("format", ["jsonl", "parquet"])
def test_turns_that_are_left_out_are_counted_in_the_record(tmp_path: Path, home: Path, format: str) -> None:
    talk = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]
    more = {"role": "user", "content": "Thanks!"}
    rows = [{"chosen": [*talk, more] if n % 3 == 0 else talk, "rejected": [talk[0], {**talk[1], "content": "No."}]}
            for n in range(30)]  # fmt: skip
    path = write(tmp_path, f"train.{format}", rows)
    job = Job(order(path, "dpo", share=0.0))
    record = record_of(prepare(job.order, home, job))
    assert record is not None
    assert record["turns_left_out"]["rows"] == job.cut == 10
    assert "Of 10 rows the turns after the last answer were left out." in before_after.told(job)
    job.cut = 1
    assert "Of 1 row the turns after the last answer were left out." in before_after.told(job)
    assert rows_of(home / job.order.name, "train")[0]["chosen"] == talk[1:]


@pytest.mark.parametrize("format", ["jsonl", "parquet", "csv"])
def test_bad_answers_are_not_prepared_for_sft_and_counted(tmp_path: Path, home: Path, format: str) -> None:
    rows = [{"question": f"Why {n}?", "answer": f"So {n}.", "thumbs_up": n % 3 != 0} for n in range(1, 31)]
    path = write(tmp_path, f"train.{format}", rows)
    job = Job(order(path, "sft", share=0.0))
    record = record_of(prepare(job.order, home, job))
    assert record is not None
    assert (record["rows"], record["left_out"]["rows"]) == ({"train": 20}, 0)
    assert record["bad_answers"]["rows"] == job.passed == 10
    assert "10 left out since their answer is said to be bad." in before_after.told(job)
    learnt = rows_of(home / job.order.name, "train")
    assert [row["completion"][0]["content"] for row in learnt] == [row["answer"] for row in rows if row["thumbs_up"]]


def test_the_record_says_where_it_came_from_and_how(tmp_path: Path, home: Path) -> None:
    path = write(tmp_path, "train.jsonl", GSM8K[:100])
    made = prepare(order(path, "sft"), home)
    record = record_of(made)
    assert record is not None
    assert record["from"]["path"] == str(path)
    assert record["from"]["files"] == [{"path": str(path), "bytes": path.stat().st_size}]
    assert record["rows"] == {"train": 95, "test": 5}
    assert record["held_out"] == {"share": 0.05, "seed": 42}
    assert DataMapping.from_json(record["mapping"]) == mapping_of(path, "sft")
    again = prepare(order(path, "sft", mapping=DataMapping.from_json(record["mapping"]), name="again"), home)
    assert rows_of(again, "train") == rows_of(made, "train")


def test_nothing_half_written_is_ever_seen(tmp_path: Path, home: Path) -> None:
    path = write(tmp_path, "train.jsonl", GSM8K)
    path.write_text(path.read_text() + "{broken\n")
    with pytest.raises(StudioError, match="Line 3001"):
        prepare(order(path, "sft"), home)
    assert os.listdir(home) == []
    with PreparedWriter(home, "half") as writer:
        writer.add("train", pa.table({"text": ["a"]}))
        assert not (home / "half").exists()
    assert os.listdir(home) == []


def test_what_a_killed_studio_left_is_swept_away(home: Path) -> None:
    left, working = home / ".part-999999999-abc", home / f".part-{os.getpid()}-abc"
    for folder in (left, working):
        folder.mkdir()
    with PreparedWriter(home, "new") as writer:
        writer.add("train", pa.table({"text": ["a"]}))
        writer.finish({})
    assert not left.exists()
    assert working.exists()
    assert (home / "new/data/train-00000-of-00001.parquet").is_file()


def test_nothing_is_written_over(tmp_path: Path, home: Path) -> None:
    (home / "made").mkdir()
    path = write(tmp_path, "train.jsonl", GSM8K[:10])
    with pytest.raises(StudioError, match="something named made already"):
        prepare(order(path, "sft"), home)
    assert free_name(home, "made") == "made-2"
    for wanted in ("../up", "a b", ".hidden", "", "ünï"):
        name = free_name(home, wanted)
        assert (home / name).parent == home
        PreparedWriter(home, name).__exit__(None, None, None)
    with pytest.raises(StudioError, match="cannot name"):
        PreparedWriter(home, "../up")


@pytest.mark.parametrize("odd", [1500, 2048, 2700])
def test_a_column_that_changes_its_type_is_named(tmp_path: Path, home: Path, odd: int) -> None:
    rows = [{"prompt": f"Why {n}?", "extra": n if n < odd else "text"} for n in range(3000)]
    path = write(tmp_path, "train.jsonl", rows)
    mapping = mapping_of(path, "grpo")
    kept = DataMapping.from_json(
        {**mapping.to_json(), "roles": [*mapping.to_json()["roles"], {"role": "keep", "column": "extra"}]}
    )
    with pytest.raises(Unmapped, match="`extra` changes its type") as stopped:
        prepare(order(path, "grpo", mapping=kept, share=0.0), home)
    assert stopped.value.finding.where.row == odd
    assert os.listdir(home) == []


def test_a_mapping_that_fits_no_row_writes_nothing(tmp_path: Path, home: Path) -> None:
    path = write(tmp_path, "train.jsonl", [{"question": "Why?", "answer": ""}] * 5)
    mapping = mapping_of(write(tmp_path, "good.jsonl", GSM8K[:5]), "sft")
    with pytest.raises(StudioError, match="No row could be mapped"):
        prepare(order(path, "sft", mapping=mapping, leave_out=True), home)
    assert os.listdir(home) == []


@pytest.mark.parametrize("method", ["sft", "dpo", "kto", "grpo"])
@pytest.mark.parametrize("name", FORMATS)
def test_the_worlds_formats_are_prepared_and_taken(tmp_path: Path, home: Path, name: str, method: str) -> None:
    rows, wanted = FORMATS[name]
    if method not in wanted:
        return
    path = write(tmp_path, "train.jsonl", rows * 10)
    made = prepare(order(path, method), home)
    source = open_source(made)
    for split in source.splits:
        found = judge(method, source.columns(split), source.rows(split))
        assert found.verdict == "accept", found.findings


def test_calls_of_tools_that_come_late_have_a_place(tmp_path: Path, home: Path) -> None:
    talk, calling = FORMATS["sharegpt_roles"][0][0]["conversations"], FORMATS["openai_tools"][0][0]
    rows = [{"messages": talk, "tools": calling["tools"]} for _ in range(1500)] + [calling] * 10
    made = prepare(order(write(tmp_path, "train.jsonl", rows), "sft", share=0.0), home)
    read = rows_of(made, "train")
    assert read[0]["messages"] == talk
    assert read[-1]["messages"][1]["tool_calls"] == calling["messages"][1]["tool_calls"]
    source = open_source(made)
    assert judge("sft", source.columns(), read[-20:]).verdict == "accept"


def test_it_goes_on_in_the_background(tmp_path: Path, home: Path, wait_until: Callable[..., Any]) -> None:
    preparing = Preparing(home)
    path = write(tmp_path, "train.jsonl", GSM8K)
    job = preparing.start(order(path, "sft"), 3000)
    wait_until(lambda: job.ended)
    assert job.finding is None
    assert job.folder == home / "made"
    assert (job.done, job.rows) == (3000, {"train": 2850, "test": 150})
    bad = preparing.start(order(tmp_path / "train.jsonl", "sft", name="made"))
    wait_until(lambda: bad.ended)
    assert bad.finding is not None
    assert "already" in bad.finding.message


def test_a_share_of_few_rows_is_told_as_it_is(tmp_path: Path, home: Path) -> None:
    path = write(tmp_path, "train.jsonl", GSM8K[:3])
    job = Job(order(path, "sft", share=0.05))
    prepare(job.order, home, job)
    assert job.rows == {"train": 3}
    assert before_after.told(job).endswith(": 3 rows to train on, none to test on, since 5 % of so few came to none.")
    with pytest.raises(StudioError, match="all 3 rows that could be mapped are held out to test on") as caught:
        prepare(order(path, "sft", share=1.0, name="all"), home)
    assert "smaller share" in caught.value.hint
    broken = write(tmp_path, "broken.jsonl", [{"question": None, "answer": None}, *GSM8K[:1]])
    left = order(broken, "sft", mapping=mapping_of(path, "sft"), share=0.5, leave_out=True, name="one")
    with pytest.raises(StudioError, match="the only row that could be mapped is held out"):
        prepare(left, home)
    none = order(broken, "sft", mapping=mapping_of(path, "sft"), share=0.0, leave_out=True, name="none")
    write(tmp_path, "broken.jsonl", [{"question": None, "answer": None}])
    with pytest.raises(StudioError, match="No row could be mapped, so"):
        prepare(none, home)


def test_the_bar_never_jumps_back_without_a_word(tmp_path: Path, home: Path) -> None:
    """A type that a late row widens has all rows written again: what is drawn meanwhile says so first."""

    class Watched(Job):
        def __setattr__(self, name: str, value: Any) -> None:
            super().__setattr__(name, value)
            if name == "done" and hasattr(self, "_ended"):  # it is whole
                seen.append((value, before_after.LATE in html.unescape(before_after.progress(self))))

    seen: list[tuple[int, bool]] = []
    talk, calling = FORMATS["sharegpt_roles"][0][0]["conversations"], FORMATS["openai_tools"][0][0]
    rows = [{"messages": talk, "tools": calling["tools"]} for _ in range(5000)] + [calling] * 10
    job = Watched(order(write(tmp_path, "late.jsonl", rows), "sft", share=0.0), total=5010)
    prepare(job.order, home, job)
    back = [place for place in range(1, len(seen)) if seen[place][0] < seen[place - 1][0]]
    assert len(back) == 1
    assert all(said for _, said in seen[back[0] - 1 :])
    early = Watched(order(write(tmp_path, "early.jsonl", rows[:5000]), "sft", share=0.0, name="early"), total=5000)
    seen.clear()
    prepare(early.order, home, early)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert not any(said for _, said in seen)


def test_it_can_be_stopped(tmp_path: Path, home: Path) -> None:
    job = Job(order(write(tmp_path, "train.jsonl", GSM8K), "sft"))
    job.stop()
    with pytest.raises(StudioError, match="stopped"):
        prepare(job.order, home, job)
    assert os.listdir(home) == []


def test_names_come_from_the_data(tmp_path: Path, home: Path) -> None:
    preparing = Preparing(home)
    file = write(tmp_path, "maths/train.jsonl", GSM8K[:5])
    assert preparing.name_for(Inspection(str(file), "sft", "reject")) == "maths-sft"
    assert preparing.name_for(Inspection(str(tmp_path / "maths"), "grpo", "reject")) == "maths-grpo"
    assert preparing.name_for(Inspection("HuggingFaceH4/ultrafeedback", "dpo", "reject")) == "ultrafeedback-dpo"


# From the Hub ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hub() -> Iterator[FakeHub]:
    with running(FakeHub()) as served:
        yield served


def lines(rows: Rows) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def test_a_dataset_on_the_hub_is_fetched_and_its_size_said_before(tmp_path: Path, home: Path, hub: FakeHub) -> None:
    readme = b"---\nconfigs:\n- config_name: main\n  data_files:\n  - {split: train, path: main/train.jsonl}\n"
    readme += b"  - {split: test, path: main/test.jsonl}\n- config_name: other\n  data_files: other/train.jsonl\n---\n"
    files = {
        "README.md": readme,
        "main/train.jsonl": lines(GSM8K[:80]),
        "main/test.jsonl": lines(GSM8K[80:90]),
        "other/train.jsonl": lines(GSM8K),
    }
    hub.datasets["openai/sums"] = Repo(files=files)
    looked = Inspection("openai/sums", "sft", "reject", source="hub", config="main", split="train")
    cache = tmp_path / "cache"
    preparing, client = Preparing(home), HubDownload(hub.url, cache=cache)
    found = preparing.from_hub(looked, {"train", "test"}, client)
    assert found.size == len(files["main/train.jsonl"]) + len(files["main/test.jsonl"])
    mapping = mapping_of(write(tmp_path, "train.jsonl", GSM8K[:80]), "sft")
    job = Job(Order("sums", "openai/sums", "main", "train", mapping, "sft", test="test", download=found))
    made = prepare(job.order, home, job)
    assert job.rows == {"train": 80, "test": 10}
    assert job.fetched == found.size
    record = record_of(made)
    assert record is not None
    assert (record["from"]["hub"], record["from"]["commit"]) == ("openai/sums", found.listing.commit)
    assert not any("other" in request for request in hub.requests)
    assert preparing.from_hub(looked, {"train", "test"}, client).size == 0  # it is here now


def test_what_the_hub_refuses_is_said(tmp_path: Path, home: Path, hub: FakeHub) -> None:
    hub.datasets["gated/set"] = Repo(files={"train.jsonl": lines(GSM8K[:5])}, gated=True)
    preparing, client = Preparing(home), HubDownload(hub.url, cache=tmp_path / "cache")
    with pytest.raises(StudioError, match="does not know the dataset no/such"):
        preparing.from_hub(Inspection("no/such", "sft", "reject", split="train"), {"train"}, client)
    looked = Inspection("gated/set", "sft", "reject", split="train")
    found = preparing.from_hub(looked, {"train"}, client)
    mapping = mapping_of(write(tmp_path, "train.jsonl", GSM8K[:5]), "sft")
    with pytest.raises(StudioError, match="gated"):
        prepare(Order("x", "gated/set", "", "train", mapping, "sft", download=found), home)
    assert os.listdir(home) == []
    hub.datasets["no/data"] = Repo(files={"README.md": b"# Nothing\n", "../up.jsonl": b"{}"})
    with pytest.raises(StudioError, match="no/data holds no data files"):
        preparing.from_hub(Inspection("no/data", "sft", "reject", split="train"), {"train"}, client)
    nobody = HubDownload("http://127.0.0.1:9", cache=tmp_path / "cache")
    with pytest.raises(StudioError, match="does not give the dataset"):
        preparing.from_hub(looked, {"train"}, nobody)


# By TRL itself ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "format", "more"),
    [
        ("sft", "question_answer", {}),
        ("sft", "sharegpt_system", {"assistant_only_loss": True}),
        ("sft", "openai_json", {}),
        ("sft", "openai_tools", {}),
        ("dpo", "hh_rlhf", {}),
        ("dpo", "ultrafeedback_scored", {}),
        ("kto", "graded_solutions", {"per_device_train_batch_size": 2}),
        ("reward", "arena", {}),
    ],
)
def test_trl_trains_on_it(tmp_path: Path, home: Path, method: str, format: str, more: dict[str, Any]) -> None:
    made = prepare(order(write(tmp_path, "train.jsonl", FORMATS[format][0] * 5), method, share=0.2), home)
    values = {
        "model_name_or_path": str(Path(__file__).parent.parent / "assets/demo/model"),
        "dataset_name": str(made),
        "output_dir": "output",
        "max_steps": 2,
        "per_device_train_batch_size": 2,
        "eval_strategy": "steps",
        "eval_steps": 2,
        "save_strategy": "no",
        "report_to": "none",
        "use_cpu": True,
        "bf16": False,
        **more,
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(values))
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [str(Path(sys.executable).with_name("trl")), method, "--config", "recipe.yaml"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "eval_loss" in done.stdout + done.stderr


def test_what_the_page_shows_of_a_table_is_what_is_written(home: Path, tmp_path: Path) -> None:
    """Digits of a CSV stay as they are written, before, after and in the prepared file."""
    cells = ["0", "", "007", "1.50", "1e3", "12345678901234567890", "True", "12"]
    path = tmp_path / "a.csv"
    path.write_text("question,answer\n" + "".join(f"What is {n}?,{cell}\n" for n, cell in enumerate(cells)))
    looked = inspect(str(path), "grpo", Paths(tmp_path, tmp_path), HubClient())
    drafted = draft(looked, Choice(), {})
    assert drafted is not None
    shown = [row for _, some in drafted.proposal.tried for row in some]
    made = prepare(order(path, "grpo", mapping=drafted.proposal.mapping, share=0.0, leave_out=True), home)
    assert [row.get("solution") for row in shown] == [cell for cell in cells if cell]
    assert rows_of(made, "train") == shown
    html = before_after.words(looked, Choice(), drafted)
    assert "1.50" not in html
    assert html.count(">0<") == 2
    assert "as they are written" not in html  # the preview shows the same


def test_that_a_table_is_shown_as_numbers_and_taken_as_written_is_told(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("question,answer\n" + "".join(f"Who is {n}?,{n:03}\n" for n in range(100, 95, -1)))
    looked = inspect(str(path), "sft", Paths(tmp_path, tmp_path), HubClient())
    drafted = draft(looked, Choice(), {})
    assert drafted is not None
    assert "as they are written: 099, not 99." in before_after.words(looked, Choice(), drafted)


@pytest.mark.parametrize("viewer", [True, False])
def test_a_table_on_the_hub_is_shown_as_it_is_prepared(
    tmp_path: Path, home: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch, viewer: bool
) -> None:
    """The viewer tells 007 as 7.0: what is shown before and after are the cells of the file all the same."""
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    cells = ["0", "", "007", "1.50", "1e3", "12345678901234567890", "3", "12"]
    asked = "".join(f"What is {n}?,{cell}\n" for n, cell in enumerate(cells))
    text = f"question,answer\n{asked}" + "And last?,9\n" * 60
    types = {"question": "large_string", "answer": "float64"}
    features = [{"name": name, "type": {"dtype": dtype, "_type": "Value"}} for name, dtype in types.items()]
    told = [{"question": f"What is {n}?", "answer": float(cell) if cell else None} for n, cell in enumerate(cells)]
    entries = [{"row_idx": n, "row": row, "truncated_cells": []} for n, row in enumerate(told)]
    splits = {"default": {"train": (features, entries, len(cells) + 60)}} if viewer else {}
    name = f"org/table-{viewer}"
    hub.datasets[name] = Repo(files={"train.csv": text.encode()}, splits=splits)
    looked = inspect(name, "grpo", Paths(tmp_path, tmp_path), HubClient(hub.url, hub.viewer), rows=len(cells))
    assert [row["answer"] for row in looked.rows] == [row["answer"] for row in told]
    drafted = draft(looked, Choice(), {})
    assert drafted is not None
    assert drafted.proposal.mapping is not None
    shown = [row for _, some in drafted.proposal.tried for row in some]
    assert [row["solution"] for row in shown] == [cell for cell in cells if cell]
    download = Preparing(home).from_hub(looked, {"train"}, HubDownload(hub.url, cache=tmp_path / "cache"))
    mapping = drafted.proposal.mapping
    wanted = Order("table", name, "default", "train", mapping, "grpo", share=0.0, leave_out=True, download=download)
    made = prepare(wanted, home)
    assert rows_of(made, "train")[: len(shown)] == shown
    words = before_after.words(looked, Choice(), drafted)
    assert words.count(">0<") == 2  # and not 0.0
    assert "as they are written: 0, not 0.0." in words
