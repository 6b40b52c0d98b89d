"""Servers for the benchmarks: the studio and an empty Gradio page, each a process of its own on a free port."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
EMPTY = """
import sys, gradio as gr
with gr.Blocks() as page:
    pass
page.launch(server_port=int(sys.argv[1]), quiet=True)
"""
# The least page that one can wait for.
ONE_BUTTON = """
import sys, gradio as gr
with gr.Blocks() as page:
    gr.Button("Start", elem_id="start")
page.launch(server_port=int(sys.argv[1]), quiet=True)
"""


@dataclass(frozen=True)
class Server:
    """A server that has answered; `seconds` from the start of its process to the first HTTP 200."""

    port: int
    process: psutil.Process
    seconds: float

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def resident(self) -> float:
        """Resident memory of the process and its children in megabytes (10^6 bytes)."""
        return sum(one.memory_info().rss for one in [self.process, *self.process.children(recursive=True)]) / 1e6

    def has_loaded(self, name: str) -> bool:
        """Whether a native library of that name is mapped into the process."""
        return any(f"/{name}/" in mapped.path for mapped in self.process.memory_maps())


@contextmanager
def studio_server(home: Path) -> Iterator[Server]:
    """`python app.py` over a home; its list of arguments has been made, unless the waiting page is wanted."""
    port = free_port()
    with _server([str(ROOT / "app.py"), "--home", str(home), "--port", str(port)], port) as server:
        yield server


@contextmanager
def gradio_server(program: str = EMPTY) -> Iterator[Server]:
    """A bare Gradio app: `EMPTY` or `ONE_BUTTON`."""
    port = free_port()
    with _server(["-c", program, str(port)], port) as server:
        yield server


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def _server(arguments: list[str], port: int) -> Iterator[Server]:
    env = {**os.environ, "GRADIO_ANALYTICS_ENABLED": "False", "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryFile() as log:
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            while not _answers(port):
                if process.poll() is not None or time.perf_counter() - began > 120:
                    log.seek(0)
                    raise RuntimeError("the server does not answer: " + log.read().decode(errors="replace")[-2000:])
                time.sleep(0.01)
            yield Server(port, psutil.Process(process.pid), time.perf_counter() - began)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
