"""The first rows of big files: by the studio's own readers, and by `load_dataset` on the same file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
FORMATS = ("jsonl", "csv", "parquet")

# Both say the seconds after their imports, the rows, and by how many MB the process has grown to its greatest size
# (of its own: what getrusage tells is that of the process it was forked from, where that was bigger).
_OURS = """
import json, sys, time
import pyarrow.parquet
from studio.adapters.datafiles import open_source
grown = lambda: int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 1024
before, began = grown(), time.perf_counter()
source = open_source(sys.argv[1])
columns, rows = source.columns(), source.rows(n=100)
print(json.dumps([time.perf_counter() - began, len(rows), grown() - before]))
"""
_THEIRS = """
import json, sys, time
import datasets
datasets.disable_progress_bars()
grown = lambda: int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 1024
before, began = grown(), time.perf_counter()
kind = {"jsonl": "json"}.get(sys.argv[1].rsplit(".", 1)[1], sys.argv[1].rsplit(".", 1)[1])
rows = datasets.load_dataset(kind, data_files=sys.argv[1], split="train", cache_dir=sys.argv[2])[:100]
print(json.dumps([time.perf_counter() - began, len(rows["prompt"]), grown() - before]))
"""


class Head(NamedTuple):
    """Seconds until the first 100 rows are there, how many came, and the MB that it took."""

    seconds: float
    rows: int
    grown: float


def write_files(folder: Path, rows: int = 1_000_000) -> dict[str, Path]:
    """The same rows in each format: two columns of text and a number, about 400 bytes a row."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    words = [f"word{n * 7919 % 10007}" for n in range(4000)]
    texts = [" ".join(words[n : n + 22]) for n in range(3000)]
    paths = {kind: folder / f"rows.{kind}" for kind in FORMATS}
    with paths["jsonl"].open("w") as lines, paths["csv"].open("w") as table:
        table.write("prompt,completion,n\n")
        for n in range(rows):
            row = {"prompt": f"{n} {texts[n % 3000]}", "completion": f"{texts[n * 7 % 3000]} {n}", "n": n}
            lines.write(json.dumps(row) + "\n")
            table.write(f"{row['prompt']},{row['completion']},{n}\n")
    schema = pa.schema([("prompt", pa.string()), ("completion", pa.string()), ("n", pa.int64())])
    with pq.ParquetWriter(paths["parquet"], schema) as writer:
        for start in range(0, rows, 100_000):
            part = range(start, min(start + 100_000, rows))
            prompts, answers = [f"{n} {texts[n % 3000]}" for n in part], [f"{texts[n * 7 % 3000]} {n}" for n in part]
            columns = [prompts, answers, list(part)]
            writer.write_table(pa.table(columns, schema=schema))
    return paths


def by_studio(path: Path) -> Head:
    return _measured(_OURS, path)


def by_datasets(path: Path, cache: Path) -> Head:
    """With a cache of its own, as a file that was never loaded before has it."""
    return _measured(_THEIRS, path, cache)


def _measured(program: str, *arguments: Any) -> Head:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    line = [sys.executable, "-W", "ignore", "-c", program, *map(str, arguments)]
    done = subprocess.run(line, env=environment, check=True, capture_output=True, text=True)
    return Head(*json.loads(done.stdout.splitlines()[-1]))
