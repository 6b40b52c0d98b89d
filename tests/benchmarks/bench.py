"""Measures what the studio costs beside bare Gradio and bare TRL: `python tests/benchmarks/bench.py`.

Ratios within one run, so that the machine's speed cancels out: each figure is the median of several rounds in which
the studio and its yardstick take turns. Nothing else should be running meanwhile.
"""

# ruff: noqa: E402 - run as a script, it has to say first where the studio and the tests lie

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
sys.path += [str(ROOT), str(ROOT / "tests")]

import charts as long_runs
import mappings
import run_lists
from heads import by_datasets, write_files
from heads import by_studio as head_by_studio
from pages import edit_seconds, seconds_until_usable
from rows import ROWS, checked, mapped, preferences
from servers import ONE_BUTTON, gradio_server, studio_server
from trainers import STEPS, Timing, by_shell, by_studio

from studio.adapters.home import Home
from studio.service.studio import Studio

HEAVY = ("torch", "transformers", "trl", "datasets", "peft", "accelerate")


@dataclass(frozen=True)
class Figure:
    """One measured number, what it should be, and what it was made of."""

    name: str
    value: float
    unit: str
    target: str
    met: bool
    detail: str


def at_most(name: str, value: float, limit: float, unit: str, detail: str) -> Figure:
    return Figure(name, value, unit, f"≤ {limit:g}{unit}", value <= limit, detail)


def at_least(name: str, value: float, limit: float, unit: str, detail: str) -> Figure:
    return Figure(name, value, unit, f"≥ {limit:g}{unit}", value >= limit, detail)


def start(home: Path, rounds: int) -> list[Figure]:
    """Server start and what the idle server holds in memory."""
    ours, bare, sizes, native = [], [], [], set[str]()
    for _ in range(rounds):
        with gradio_server() as server:
            bare.append(server.seconds)
        with studio_server(home) as server:
            ours.append(server.seconds)
            sizes.append(server.resident())
            native |= {name for name in HEAVY if server.has_loaded(name)}
    detail = f"{_spread(ours)} s beside {_spread(bare)} s"
    return [
        at_most("server start / bare Gradio", statistics.median(ours) / statistics.median(bare), 1.5, "", detail),
        at_most("idle server, resident", statistics.median(sizes), 300, " MB", f"{_spread(sizes)} MB"),
        at_most(
            "training libraries in it", len(native), 0, "", ", ".join(sorted(native)) or "none of torch and its kin"
        ),
    ]


def page(home: Path, rounds: int) -> list[Figure]:
    """Navigation until the page can be used, beside a page with one button."""
    ours, bare = [], []
    with studio_server(home) as studio, gradio_server(ONE_BUTTON) as button:
        for server, card in ((studio, True), (button, False)):
            seconds_until_usable(server, card)  # the very first page of a server finds nothing prepared
        for _ in range(rounds):
            bare.append(seconds_until_usable(button, with_card=False))
            ours.append(seconds_until_usable(studio, with_card=True))
    more = statistics.median(ours) - statistics.median(bare)
    return [at_most("page usable, beyond an empty one", more, 1.5, " s", f"{_spread(ours)} s beside {_spread(bare)} s")]


def edit(home: Path, rounds: int) -> list[Figure]:
    """An edit until the YAML on the screen shows it."""
    with studio_server(home) as server:
        taken = edit_seconds(server, rounds)
        psutil.wait_procs(server.process.children(recursive=True), timeout=120)  # a worker looks at the model's layers
        after = server.resident()
    every = sorted(second for seconds in taken.values() for second in seconds)
    middle = "; ".join(f"{kind} {statistics.median(seconds):.3f}" for kind, seconds in taken.items())
    tail = every[min(round(0.95 * len(every)), len(every) - 1)]
    return [
        at_most("edit until the YAML shows it", statistics.median(every), 0.1, " s", f"medians: {middle}"),
        at_most("the same, 95th percentile", tail, 0.1, " s", f"of {len(every)} edits, slowest {every[-1]:.3f}"),
        at_most("server after it, resident", after, 300, " MB", "one page open"),
    ]


def trainer(home: Path, rounds: int) -> list[Figure]:
    """A run started by the studio beside the same YAML from a shell."""
    ours: list[Timing] = []
    shell: list[Timing] = []
    for number in range(rounds):
        # Who goes first alternates: the second one finds files in the system's cache.
        for studio in (number % 2 == 0, number % 2 == 1):
            (ours if studio else shell).append(by_studio(home) if studio else by_shell(home, number))
    first, first_shell = [one.first_loss for one in ours], [one.first_loss for one in shell]
    speed, speed_shell = [one.steps_per_second for one in ours], [one.steps_per_second for one in shell]
    # Round by round, so that what slows the machine down for a while slows both.
    later = [mine / theirs for mine, theirs in zip(first, first_shell, strict=True)]
    slower = [theirs / mine for mine, theirs in zip(speed, speed_shell, strict=True)]
    began = f"{_spread(first)} s beside {_spread(first_shell)} s"
    before = f"of it before trl was a process {_spread([one.before for one in ours])} s"
    steps = f"{_spread(speed)} steps/s beside {_spread(speed_shell)}, {STEPS} steps"
    return [
        at_most("Start to first loss / shell", statistics.median(later), 1.1, "", f"{began}; {before}"),
        at_most("seconds per step / shell", statistics.median(slower), 1.1, "", steps),
    ]


def mapping(home: Path, rounds: int) -> list[Figure]:
    """A rename and restructure of a million rows beside `datasets.map`, a row at a time and in batches."""
    source = mappings.make(home)
    return _mapping(home, source, "", rounds) + _mapping(home, mappings.as_lines(source), " of jsonl", rounds)


def _mapping(home: Path, source: Path, form: str, rounds: int) -> list[Figure]:
    taken: dict[str, list[mappings.Mapping]] = {"studio": [], "single": [], "batched": []}
    for number in range(rounds):
        for kind, measured in taken.items():
            with tempfile.TemporaryDirectory(dir=home) as out:
                if kind == "studio":
                    measured.append(mappings.by_studio(source, Path(out)))
                elif kind == "batched" or number == 0:  # minutes: once is enough
                    measured.append(mappings.by_datasets(source, Path(out), batched=kind == "batched"))
    seconds = {kind: [one.seconds for one in measured] for kind, measured in taken.items()}
    ours = statistics.median(seconds["studio"])
    third = round(1 / 3, 3)
    return [
        at_most(
            f"mapping {mappings.ROWS:,} rows{form} / datasets.map{words}",
            ours / statistics.median(seconds[kind]), third, "",
            f"{_spread(seconds['studio'])} s beside {_spread(seconds[kind])} s",
        )
        for kind, words in (("single", ""), ("batched", " in batches"))
    ] + [
        at_most(f"memory it takes more{form}", max(one.more for one in taken["studio"]), 500, " MB",
                f"datasets.map in batches {max(one.more for one in taken['batched']):.0f} MB"),
    ]  # fmt: skip


def heads(home: Path, rounds: int) -> list[Figure]:
    """The first 100 rows of a million beside `load_dataset` on the same file, and the memory that it takes."""
    figures = []
    for kind, path in write_files(home).items():
        ours, theirs = [], []
        for number in range(rounds):
            theirs.append(by_datasets(path, home / f"cache-{kind}-{number}"))
            shutil.rmtree(home / f"cache-{kind}-{number}", ignore_errors=True)
            ours.append(head_by_studio(path))
        faster = [other.seconds / mine.seconds for mine, other in zip(ours, theirs, strict=True)]
        taken = f"{_spread([one.seconds for one in ours])} s beside {_spread([one.seconds for one in theirs])} s"
        size = max(one.grown for one in ours)
        figures += [
            at_least(f"first 100 rows of {kind}, times faster", statistics.median(faster), 20, "", taken),
            at_most(f"the same, memory for {kind}", size, 150, " MB", f"a file of {path.stat().st_size / 1e6:.0f} MB"),
        ]
        path.unlink()
    return figures


def rows(home: Path, rounds: int) -> list[Figure]:
    """The verdict on a million rows beside a `datasets.map` that looks at the same cells."""
    path = preferences(home / "preferences.parquet")
    ours, theirs = [], []
    for number in range(rounds):
        ours.append(checked(path))
        theirs.append(mapped(path, home / f"cache{number}"))
    faster = statistics.median(slow / quick for slow, quick in zip(theirs, ours, strict=True))
    detail = f"{ROWS:,} rows in {_spread(ours)} s beside {_spread(theirs)} s"
    return [at_least("datasets.map / check of all rows", faster, 10, "", detail)]


def run_list(home: Path, rounds: int) -> list[Figure]:
    """The list of a thousand ended runs: by a studio that has just been started, and again."""
    made = run_lists.make(home)
    run_lists.seconds(made)  # the very first one reads the end of each run's metrics
    first, again = zip(*(run_lists.seconds(made) for _ in range(rounds)), strict=True)
    return [
        at_most("list of 1,000 runs, just started", statistics.median(first), 0.3, " s", f"{_spread(first)} s"),
        at_most("the same again", statistics.median(again), 0.1, " s", f"{_spread(again)} s"),
    ]


def charts(home: Path, rounds: int) -> list[Figure]:
    """A run that goes on with 100,000 and with a million logged rows, and fifty pages that watch it."""
    figures, first = [], []
    for rows in (100_000, 1_000_000):
        with long_runs.long_run(home / f"rows{rows}", rows) as (made, store):
            shutil.copytree(home / "cache", made.cache, dirs_exist_ok=True)
            for _ in range(rounds):
                with studio_server(made.root) as server:
                    first.append(long_runs.seconds_to_first_chart(server))
            looks = long_runs.looks(made, store, rows)
            limit = 1 if rows == 100_000 else 5
            detail = f"{_spread(first)} s; {looks.first:.0f} ms of it the server's; all rows after {looks.whole:.1f} s"
            figures += [
                at_most(f"first chart of {rows:,} rows", statistics.median(first), limit, " s", detail),
                at_most(f"each further look, {rows:,} rows", looks.again, 5, " ms", "one new row of ten metrics"),
            ]
            first.clear()
            if rows == 100_000:
                with studio_server(made.root) as server:
                    share, requests = long_runs.share_of_a_core(server, store, rows + 1000)
                detail = f"{requests:.0f} requests a second"
                figures.append(at_most("fifty pages that watch, share of a core", share, 0.25, "", detail))
    return figures


MEASURED: dict[str, tuple[Callable[[Path, int], list[Figure]], int]] = {
    "start": (start, 5),
    "page": (page, 7),
    "edit": (edit, 20),
    "trainer": (trainer, 5),
    "mapping": (mapping, 3),
    "heads": (heads, 3),
    "rows": (rows, 3),
    "runs": (run_list, 5),
    "charts": (charts, 3),
}


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def _table(figures: Iterable[Figure]) -> str:
    rows = [("figure", "measured", "target", "", "of")]
    for one in figures:
        rows.append((one.name, f"{one.value:.3g}{one.unit}", one.target, "met" if one.met else "MISSED", one.detail))
    widths = [max(len(row[place]) for row in rows) for place in range(4)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in rows
    )


def main() -> int:
    """Prints the table; exit code 1 where a target was missed."""
    parser = argparse.ArgumentParser(description="What the studio costs beside bare Gradio and bare TRL.")
    parser.add_argument("--only", choices=MEASURED, action="append", help="one of them (may be given again)")
    parser.add_argument("--rounds", type=int, help="of each; for edits, of each kind of control")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        Studio(Home(home)).arguments.get()  # listed once for each set of versions, not at each start
        for chosen in options.only or MEASURED:
            measure, rounds = MEASURED[chosen]
            print(f"measuring {chosen} ...", file=sys.stderr, flush=True)
            figures += measure(home, options.rounds or rounds)
    print(json.dumps([asdict(one) for one in figures], indent=2) if options.json else _table(figures))
    return 0 if all(one.met for one in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
