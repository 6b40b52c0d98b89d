"""A mapping of many rows by the studio and by `datasets.map`, each in a process of its own that weighs itself."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROWS = 1_000_000

_MAKE = """
import random, sys
import pyarrow, pyarrow.parquet
rows, path = int(sys.argv[1]), sys.argv[2]
words = "the sky is blue and rain falls on tin roofs while children count apples by the old mill".split()
chosen = random.Random(0)
said = [" ".join(chosen.choices(words, k=chosen.randrange(8, 40))) for _ in range(5000)]
schema = pyarrow.schema([("system_prompt", "string"), ("question", "string"), ("response", "string")])
with pyarrow.parquet.ParquetWriter(path, schema) as writer:
    for start in range(0, rows, 50_000):
        count = min(50_000, rows - start)
        texts = [[f"{start + n} {said[chosen.randrange(5000)]}" for n in range(count)] for _ in range(2)]
        writer.write_table(pyarrow.table([["Be brief."] * count, *texts], schema=schema))
"""
_LINES = """
import json, sys
import pyarrow.parquet
with open(sys.argv[2], "w", encoding="utf-8") as file:
    for batch in pyarrow.parquet.ParquetFile(sys.argv[1]).iter_batches():
        file.writelines(json.dumps(row) + "\\n" for row in batch.to_pylist())
"""
# The highest resident size is Linux's own count (kB), not that of resource.getrusage, which begins with the one of the
# process that started this one; what the imports alone take is taken off.
_WEIGH = """
import json, sys, time
from pathlib import Path
def size(): return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 1024
"""
_STUDIO = (
    _WEIGH
    + """
import pyarrow.parquet, pyarrow.compute, numpy
from studio.adapters.datafiles import open_source
from studio.domain.recogniser import recognise
from studio.service.preparing import Order, prepare
source, out = sys.argv[1], Path(sys.argv[2])
before = size()
began = time.perf_counter()
opened = open_source(source)
proposal = recognise("sft", opened.columns(), opened.rows(n=20))
assert proposal.sure, proposal
prepare(Order("mapped", source, "", "train", proposal.mapping, "sft", share=0.0), out)
print(json.dumps({"seconds": time.perf_counter() - began, "more": size() - before}))
"""
)
_DATASETS = (
    _WEIGH
    + """
import datasets
datasets.disable_progress_bars()
source, out, batched = sys.argv[1], sys.argv[2], sys.argv[3] == "batched"
before = size()
began = time.perf_counter()
loaded = datasets.load_dataset(sys.argv[4], data_files=source, split="train", cache_dir=out)
def one(row):
    prompt = [{"role": "system", "content": row["system_prompt"]}, {"role": "user", "content": row["question"]}]
    return {"prompt": prompt, "completion": [{"role": "assistant", "content": row["response"]}]}
def many(rows):
    made = [one(dict(zip(rows, cells))) for cells in zip(*rows.values())]
    return {name: [row[name] for row in made] for name in ("prompt", "completion")}
loaded.map(many if batched else one, batched=batched, remove_columns=loaded.column_names)
print(json.dumps({"seconds": time.perf_counter() - began, "more": size() - before}))
"""
)


@dataclass(frozen=True)
class Mapping:
    """Seconds from the file to the mapped file, and the megabytes that this took beyond the imports."""

    seconds: float
    more: float


def make(folder: Path, rows: int = ROWS) -> Path:
    """A parquet file of that many rows of a system prompt, a question and a response."""
    path = folder / "rows.parquet"
    subprocess.run([sys.executable, "-c", _MAKE, str(rows), str(path)], check=True)
    return path


def as_lines(source: Path) -> Path:
    """The same rows as lines of JSON, beside that file."""
    path = source.with_suffix(".jsonl")
    subprocess.run([sys.executable, "-c", _LINES, str(source), str(path)], check=True)
    return path


def _timed(program: str, *arguments: str) -> Mapping:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return Mapping(**json.loads(done.stdout.splitlines()[-1]))


def by_studio(source: Path, out: Path) -> Mapping:
    """Recognised, mapped and written by the studio, as *Prepare and use* does."""
    return _timed(_STUDIO, str(source), str(out))


def by_datasets(source: Path, out: Path, batched: bool) -> Mapping:
    """Loaded and mapped by the datasets library, which writes its own cache."""
    form = "json" if source.suffix == ".jsonl" else "parquet"
    return _timed(_DATASETS, str(source), str(out), "batched" if batched else "single", form)
