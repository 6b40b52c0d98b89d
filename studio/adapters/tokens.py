"""Samples as tokens, told by the worker in a child that stays for the next edit, and is killed where it hangs."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import studio

PATIENCE = 120.0  # seconds for an answer
STARTING = 300.0  # seconds for the libraries, which take ten to import where nothing else goes on
IDLE = 300.0  # seconds without a question after which the child gives its memory back


class TokenCounter:
    """One child at a time, for one question at a time. It ends with this process, whatever ends that."""

    def __init__(self, patience: float = PATIENCE, idle: float = IDLE) -> None:
        self.patience, self.idle = patience, idle
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._timer: threading.Timer | None = None
        self._used = 0.0

    def ask(self, asked: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The worker's answer to a question about `rows`; `trouble` in it says in a sentence why there is none."""
        with self._lock:
            try:
                return self._answer(dict(asked), rows)
            except _Gone as error:
                self._end()
                return {"trouble": str(error)}
            except (OSError, ValueError) as error:
                self._end()
                return {"trouble": f"The tokens could not be counted: {error}."}
            finally:
                self._used = time.monotonic()
                self._watch()

    def close(self) -> None:
        """Ends the child."""
        with self._lock:
            self._end()

    def _answer(self, asked: dict[str, Any], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        child, folder = self._started()
        written = folder / f"{asked['key']}.jsonl"
        if not written.exists():
            written.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        answer = folder / "answer.json"
        answer.unlink(missing_ok=True)
        line = json.dumps({**asked, "rows": str(written), "answer": str(answer)}) + "\n"
        assert child.stdin is not None
        try:
            child.stdin.write(line.encode())
            child.stdin.flush()
        except BrokenPipeError:
            raise _Gone(f"The tokens could not be counted: {self._last_words()}") from None
        self._wait(child, self.patience, "Counting")
        found: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
        return found

    def _started(self) -> tuple[subprocess.Popen[bytes], Path]:
        if self._child is not None and self._child.poll() is None and self._folder is not None:
            return self._child, Path(self._folder.name)
        self._end()
        child, place = self._launched()
        self._wait(child, STARTING, "Loading TRL")
        return child, place

    def _launched(self) -> tuple[subprocess.Popen[bytes], Path]:
        self._folder = tempfile.TemporaryDirectory(prefix="trl-studio-tokens-")
        place = Path(self._folder.name)
        # No token, no Hub and no GPU for the child, and a working folder in which no other `trl` lies.
        env = {name: value for name, value in os.environ.items() if name not in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")}
        env |= {"CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        env |= {"TOKENIZERS_PARALLELISM": "false", "HF_TOKEN_PATH": os.devnull, "ACCELERATE_USE_CPU": "true"}
        with (place / "log").open("wb") as log:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "studio.worker", "tokens"],
                env=env, cwd=Path(studio.__file__).resolve().parent.parent,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip
        return self._child, place

    def _wait(self, child: subprocess.Popen[bytes], seconds: float, what: str) -> None:
        """Waits for the child's next line."""
        said: list[bytes] = []
        assert child.stdout is not None
        pipe = child.stdout
        # On a thread of its own, for not every platform can wait on a pipe for a while; it ends with the child.
        reader = threading.Thread(target=lambda: said.append(pipe.readline()), name="tokens", daemon=True)
        reader.start()
        reader.join(seconds)
        if reader.is_alive():
            child.kill()
            reader.join()
            raise _Gone(f"{what} took more than {seconds:g} s, so it was ended.")
        if not said or not said[0]:
            raise _Gone(f"The tokens could not be counted: {self._last_words()}")

    def _last_words(self) -> str:
        assert self._folder is not None
        with (Path(self._folder.name) / "log").open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 4000))
            lines = log.read().decode("utf-8", "replace").strip().splitlines()
        return (lines or ["the child process ended without a word"])[-1][:200]

    def _watch(self) -> None:
        """Has the child ended once nobody has asked for a while."""
        if self._child is None or self._timer is not None:
            return
        self._timer = threading.Timer(self.idle, self._give_back)
        self._timer.daemon = True
        self._timer.start()

    def _give_back(self) -> None:
        with self._lock:
            self._timer = None
            if time.monotonic() - self._used >= self.idle:
                self._end()
            self._watch()

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
            child.wait()
        folder, self._folder = self._folder, None
        if folder is not None:
            folder.cleanup()


class _Gone(Exception):
    """The child gave no answer."""
