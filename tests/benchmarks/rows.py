"""All rows of a million preferences: the studio's check beside a `datasets.map` that looks at the same cells."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[2]
ROWS, AT_ONCE = 1_000_000, 20_000
_WORDS = ("the", "sky", "over", "a", "sea", "is", "blue", "and", "grey", "at", "night", "when", "no", "wind", "comes")

# The time that counts is that of the looking alone: imports and, for `datasets`, the loading come before it.
_MAPPED = """
import sys, time, datasets
datasets.disable_progress_bars()
data = datasets.load_dataset("parquet", data_files=sys.argv[1], split="train", cache_dir=sys.argv[2])

def look(row):
    for name in ("prompt", "chosen", "rejected"):
        messages = row[name]
        if not isinstance(messages, list) or not messages:
            raise ValueError(name)
        for message in messages:
            if not isinstance(message["role"], str) or not isinstance(message["content"], str):
                raise ValueError(name)

begun = time.perf_counter()
data.map(look)
print(time.perf_counter() - begun)
"""
_CHECKED = """
import sys, time
from pathlib import Path
from studio.adapters.datafiles import open_source
from studio.adapters.wholecheck import check_all
from studio.domain.cell_structure import LOOKED_INTO
from studio.domain.dataset_types import judge
source = open_source(sys.argv[1])
columns = source.columns()
begun = time.perf_counter()
seen = check_all(source.format, source.files["train"], columns, LOOKED_INTO)
found = judge("dpo", columns, seen)
assert found.verdict == "accept" and seen.total == int(sys.argv[2]), found
print(time.perf_counter() - begun)
"""


def preferences(path: Path, rows: int = ROWS) -> Path:
    """A parquet file of preferences as conversations, no two alike."""

    def said(role: str, text: str) -> list[dict[str, str]]:
        return [{"role": role, "content": text}]

    writer = None
    for start in range(0, rows, AT_ONCE):
        made = []
        for n in range(start, min(start + AT_ONCE, rows)):
            text = " ".join(_WORDS[(n * step) % len(_WORDS)] for step in range(1, 25))
            asked, good, bad = said("user", f"{n}: {text}?"), said("assistant", text), said("assistant", f"No {text}")
            made.append({"prompt": asked, "chosen": good, "rejected": bad})
        table = pa.Table.from_pylist(made)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()
    return path


def mapped(path: Path, cache: Path) -> float:
    """Seconds that `datasets.map` takes to look at every cell."""
    return _seconds(_MAPPED, str(path), str(cache))


def checked(path: Path, rows: int = ROWS) -> float:
    """Seconds that the studio takes for its verdict on every row."""
    return _seconds(_CHECKED, str(path), str(rows))


def _seconds(program: str, *arguments: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], check=True, capture_output=True, text=True, cwd=ROOT
    )
    return float(done.stdout.splitlines()[-1])
