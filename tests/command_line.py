"""A command line run in the test's own process, in the checkout, with no Hub in reach and nothing of the user's own."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from studio import cli

ROOT = Path(__file__).resolve().parent.parent
GOOD = "# trl sft --config x.yaml\nmodel_name_or_path: assets/demo/model\ndataset_name: assets/demo/sft\nseed: 1\n"


class Said(NamedTuple):
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


Trl = Callable[..., Said]


def command_line(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Trl:
    """`trl-studio` for a home, as a function of its words and of the bytes `given` on standard input."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("TRL_STUDIO_HOME", str(home))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("TRL_STUDIO_VIEWER", "http://127.0.0.1:9")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("TRL_STUDIO_PASSWORD", raising=False)
    monkeypatch.delenv("TRL_STUDIO_TRACEBACK", raising=False)

    def run(*words: str, given: bytes = b"") -> Said:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        capsys.readouterr()
        try:
            code = cli.main(words)
        except SystemExit as exit:  # argparse's own
            code = int(exit.code or 0)
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Said(code, captured.out, captured.err)

    return run


def in_a_process(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """The same as a user starts it."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default"}
    command = [sys.executable, "-P", "-m", "studio", *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, **options)


def written(folder: Path, text: str, name: str = "recipe.yaml") -> str:
    """The path of a new file with that text."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)
