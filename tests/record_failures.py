"""Runs TRL into failures on this machine and records what it wrote and how it ended, in failures/NAME.json.

`python tests/record_failures.py [NAME ...]`. What is about processes, memory or metrics is started as the studio starts
a run, by its supervisor; the rest in forks of a process that has loaded TRL. Paths of this machine become placeholders,
the Hub that some talk to is the one of fakehub.py and is written as huggingface.co, and of the log the last 200 lines
are kept. Files that name a `source` were not recorded: what needs a GPU stands there as others have reported it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from failure_cases import CASES, DEMO, REWARDS, Case, base, copy_model
from fakehub import FakeHub, Repo, account, refusal, running
from forked_trl import TRL, load, trl_in
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from studio.adapters.launching import launch
from studio.adapters.metrics import read_export, shown_name
from studio.adapters.progress import readable
from studio.adapters.runs import Run, RunFolders, last_attempt
from studio.domain.states import LIVE, state_of


class RefusingHub(FakeHub):
    """A Hub that answers for what is not there, and for who may not write, as the real one does."""

    def app(self) -> Starlette:
        made = super().app()
        made.router.routes.insert(0, Route("/api/repos/create", self._create, methods=["POST"]))
        return made

    async def _create(self, request: Request) -> Response:
        if not request.headers.get("authorization"):
            return refusal(401, "", "Invalid username or password.")
        said = 'You don\'t have the rights to create a model under the namespace "someone"'
        return refusal(403, "", said)

    async def _file(self, request: Request) -> Response:
        known = f"{request.path_params['owner']}/{request.path_params['repo']}" in self.models
        return await super()._file(request) if known else refusal(401, "RepoNotFound", "Repository not found")


OUT = Path(__file__).with_name("failures")
LINES = 200
PATIENCE = 300.0


def recipe_text(case: Case, values: dict[str, Any], folder: Path) -> str:
    """recipe.yaml as the case has it, with this machine's paths."""
    text = case.text or yaml.safe_dump({key: value for key, value in values.items() if value is not None})
    return text.replace("MODEL", str(DEMO / "model")).replace("DATA", str(DEMO)).replace("HERE", str(folder))


def environment(case: Case, home: Path, hub: FakeHub) -> dict[str, str]:
    """What the trainer is started with: no token, no GPU, no Hub but the one of this machine."""
    set_here = {
        "HF_HOME": str(home / "huggingface"),
        "HF_HUB_OFFLINE": "0" if case.hub else "1",
        "HF_ENDPOINT": hub.url if case.hub else "http://127.0.0.1:9",
        "HF_HUB_DISABLE_IMPLICIT_TOKEN": "",
        "TRACKIO_DIR": str(home / "trackio"),
        "TRACKIO_STORAGE_MODE": "sqlite",
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",
        "COLUMNS": "120",
    }
    return {**set_here, **case.env}


def made(case: Case, values: dict[str, Any], home: Path) -> Run:
    """The case's run folder with all that lies in it; the recipe alone is new where a run went before in it."""
    folder = home / "runs" / "run"
    text = recipe_text(case, values, folder)
    if folder.exists():
        (folder / "recipe.yaml").write_text(text)
        return Run(folder)
    files = {"rewards.py": REWARDS, **case.files}
    if case.rows is not None:
        files["data/train.jsonl"] = "".join(json.dumps(row) + "\n" for row in case.rows)
    contents = {name: content.encode() for name, content in files.items()}
    run = RunFolders(home / "runs").create("run", case.method, text, None, contents)
    copy_model(case, folder / "model")
    return run


def supervised(case: Case, run: Run, home: Path, hub: FakeHub) -> tuple[str, dict[str, int | None] | None]:
    """The run at its end, started as the studio does; its outcome and its exit as the studio recorded them."""
    command = [str(TRL), case.method, "--config", "recipe.yaml"]
    if case.wrap:
        line = case.wrap.replace("PYTHON", sys.executable)
        shell = ["unshare", "-rm", "sh"] if "mount" in line else ["sh"]
        command = [*shell, "-c", line, "sh", *command]
    export: list[str] = []
    if case.metrics:
        export = [sys.executable, "-m", "studio.adapters.metrics", "export", str(home / "trackio"), "trl-studio"]
        export += ["run", "metrics.jsonl"]
    launch(run, command, environment(case, home, hub), at_end=export)
    give_up = time.monotonic() + PATIENCE
    while state_of(run.facts()) in LIVE:
        if time.monotonic() > give_up:
            run.request_stop("now")
        time.sleep(0.2)
    exit = run.facts().exit
    ended = {"code": exit.code, "signal": exit.signal} if exit else None
    return str(last_attempt(run.record()).get("outcome")), ended


def ended(case: Case, values: dict[str, Any], home: Path, hub: FakeHub) -> tuple[str, dict[str, int | None] | None]:
    """The run of these values at its end: outcome and exit."""
    run = made(case, values, home)
    if needs_processes(case):
        return supervised(case, run, home, hub)
    code = trl_in(run.folder, case.method, case.limit)
    return "finished" if code == 0 else "failed", {"code": code, "signal": None}


def needs_processes(case: Case) -> bool:
    """Whether it is about processes, or about what is set around them: forks of one would not do."""
    return bool(case.wrap or case.metrics or "num_processes" in case.values)


def anonymous(text: str, home: Path, hub: FakeHub) -> str:
    """The text without this machine's paths, names and ports."""
    prefix = Path(sys.prefix)
    places = [
        (str(home / "runs" / "run"), "/home/me/runs/run"),
        (str(home), "/home/me"),
        (str(DEMO), "/home/me/demo"),
        (str(prefix), "/venv"),
        (str(Path(os.__file__).resolve().parent), "/usr/lib/python3"),
        (str(DEMO.parents[1]), "/home/me/studio"),
        (hub.url, "https://huggingface.co"),
        (socket.gethostname(), "machine"),
    ]
    for here, there in places:
        text = text.replace(here, there)
    # Whatever else was told to the editable install, the library of the studio is none of the log's.
    return re.sub(r"/tmp/[\w.-]+", "/tmp/x", text)


def record(case: Case, hub: FakeHub, home: Path) -> dict[str, Any]:
    """What came of a case: recipe, exit as the studio knows it, log, and its metric rows where they count."""
    values = {**base(case.method), **case.values, **({"run_name": "run"} if case.metrics else {})}
    log, begin = home / "runs" / "run" / "train.log", 0
    if case.first is not None:
        ended(case, {**base(case.method), **case.first}, home, hub)
        begin = log.stat().st_size
    outcome, exit = ended(case, values, home, hub)
    text = readable(log.read_bytes()[begin:].decode("utf-8", "replace"))
    recipe = anonymous(recipe_text(case, values, log.parent), home, hub)
    found: dict[str, Any] = {
        "method": case.method,
        "recipe": recipe if case.text else yaml.safe_load(recipe),
        "outcome": outcome,
        "exit": exit,
        "log": anonymous(text, home, hub).rstrip("\n").split("\n")[-LINES:],
    }
    if case.metrics:
        rows, _ = read_export(log.with_name("metrics.jsonl"))
        shown = [{shown_name(key): value for key, value in {**row.values, **row.gaps}.items()} for row in rows]
        found["metrics"] = [
            {key: value for key, value in row.items() if not isinstance(value, (dict, list))} for row in shown
        ]
    return found


def write(case: Case, hub: FakeHub, home: Path) -> None:
    """Records one case, in an empty home, into its file."""
    began = time.monotonic()
    found = {"name": case.name, "made_with": f"trl {version('trl')}", **record(case, hub, home)}
    (OUT / f"{case.name}.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    last = next((line for line in reversed(found["log"]) if line.strip()), "")
    print(f"{case.name}: {found['outcome']} {time.monotonic() - began:.0f} s | {last[:150]}", flush=True)
    shutil.rmtree(home / "runs")


def main(names: list[str]) -> None:
    """Records the cases of these names, or all; those with the same environment in a process that forks for each."""
    OUT.mkdir(exist_ok=True)
    hub = RefusingHub()
    hub.models["someone/gated"] = Repo(files={"config.json": b"{}"}, gated=True)
    hub.datasets["someone/gated"] = Repo(files={"train.jsonl": b"{}"}, gated=True)
    hub.accounts["hf_read"] = account("someone", "read")
    known = {case.name: case for case in CASES}
    with running(hub), tempfile.TemporaryDirectory() as name:
        home = Path(name).resolve()
        groups: dict[str, list[Case]] = {}
        for case in [known[one] for one in names] if names else CASES:
            if needs_processes(case):
                write(case, hub, home)
            else:
                groups.setdefault(json.dumps(environment(case, home, hub)), []).append(case)
        for env, cases in groups.items():
            pid = os.fork()
            if pid == 0:
                os.environ.update(json.loads(env))
                load()
                for case in cases:
                    write(case, hub, home)
                os._exit(0)
            os.waitpid(pid, 0)


if __name__ == "__main__":
    main(sys.argv[1:])
