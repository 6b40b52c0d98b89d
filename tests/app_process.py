"""The real app as a process: `python app.py` on a free loopback port, over a home of its own, ended by its own pid."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from studio.adapters.processes import ProcessId, kill_all, snapshot, tree_of
from studio.adapters.runs import Run, RunFolders, last_attempt

ROOT = Path(__file__).resolve().parent.parent
_NOT_OURS = ("TRL_STUDIO_HOME", "TRL_STUDIO_PASSWORD", "HF_TOKEN", "HF_TOKEN_PATH", "PYTHONWARNINGS")
WAITING = "Getting to know your TRL"  # words of the page that stands in until the catalogue is there
_PATIENCE = 90.0


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def environment(home: Path, **more: str) -> dict[str, str]:
    """What a studio of the tests is started with: one thread, no Hub, no token, and nobody's own accelerate config."""
    kept = {name: value for name, value in os.environ.items() if name not in _NOT_OURS}
    nowhere = "http://127.0.0.1:9"
    return {
        **kept,
        "HF_HOME": str(home / "huggingface"),
        "HF_ENDPOINT": nowhere,
        "TRL_STUDIO_VIEWER": nowhere,
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONUNBUFFERED": "1",
        **more,
    }


def answer(url: str, timeout: float = 5.0) -> tuple[int, str]:
    """Status and text of what is served at `url`; status 0 where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as reply:
            return int(reply.status), reply.read().decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode("utf-8", "replace")
    except OSError:
        return 0, ""


@dataclass
class AppProcess:
    """A running studio: where its home and page are, its process, and what it said."""

    home: Path
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def said(self) -> str:
        """All that it wrote on stdout and stderr."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_for(self, words: str = "", unwanted: str = WAITING) -> str:
        """The page's text once it is served, holds `words` and does not hold `unwanted`."""
        give_up = time.monotonic() + _PATIENCE
        while True:
            status, text = answer(self.url)
            if status == 200 and words in text and not (unwanted and unwanted in text):
                return text
            assert self.process.poll() is None, f"the app ended with {self.process.returncode}: {self.said()}"
            assert time.monotonic() < give_up, f"no page came: {status} {text[:300]} {self.said()}"
            time.sleep(0.05)

    def end(self, kill: bool = False) -> int:
        """Ends exactly this process, with SIGTERM or SIGKILL, and returns its exit code."""
        if kill:
            self.process.kill()
        else:
            self.process.terminate()
        return self.process.wait(timeout=30)


def start_app(home: Path, *options: str, port: int | None = None, **env: str) -> AppProcess:
    """Starts `python app.py --home HOME --port PORT`; does not wait for it. `env` is laid over its environment."""
    home.mkdir(parents=True, exist_ok=True)
    chosen = port or free_port()
    log = home / f"app-{chosen}.log"
    command = [sys.executable, str(ROOT / "app.py"), "--home", str(home), "--port", str(chosen), *options]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment(home, **env), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    return AppProcess(home, chosen, process, log)


@contextmanager
def app(home: Path, catalog_folder: Path | None = None, **env: str) -> Iterator[AppProcess]:
    """A studio whose page is there: with the catalogue of `catalog_folder` it opens at once. Its runs end with it."""
    if catalog_folder is not None:
        shutil.copytree(catalog_folder, home / "cache", dirs_exist_ok=True)
    started = start_app(home, **env)
    try:
        started.wait_for()
        yield started
    finally:
        if started.process.poll() is None:
            started.end(kill=True)
        end_runs(home)


def run_processes(run: Run) -> list[ProcessId]:
    """Every living process of a run, its supervisor among them."""
    attempt = last_attempt(run.record())
    supervisor = ProcessId.from_json(attempt.get("supervisor"))
    mine = [supervisor] if supervisor and supervisor.is_alive() else []
    return [*mine, *run.processes(attempt)]


def end_runs(home: Path) -> None:
    """Ends what is left of a home's runs, by the process ids that they recorded."""
    for run in RunFolders(home / "runs").list():
        left = run_processes(run)
        kill_all(tree_of([process.pid for process in left], snapshot()))
