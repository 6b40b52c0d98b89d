"""Chat templates, rendered in a child process that is killed where one takes too long: they are code of strangers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import studio

PATIENCE = 10.0  # seconds from the child's start; 0.6 of them are its imports
LARGEST = 400_000  # characters; the longest known template has 20,000


@dataclass(frozen=True)
class Rendered:
    """A chat template on an example: the conversation's `text`, and the `prompt` put behind a question.

    `marks` says whether the assistant's turns are marked for `assistant_only_loss`: `yes`, `patched` where TRL takes a
    marked twin of this template, `no`, or `` where it was not found out; `stops` whether its own marks take in what
    ends a turn: `yes`, `no`, or `` where that is not known. With a `trouble` the texts are empty.
    """

    text: str = ""
    prompt: str = ""
    system: bool = False
    marks: Literal["yes", "patched", "no", ""] = ""
    stops: Literal["yes", "no", ""] = ""
    trouble: str = ""


def render(template: str, tokens: Mapping[str, str], patience: float = PATIENCE) -> Rendered:
    """Renders `template` with the special `tokens` by name; a trouble instead of an exception, whatever happens."""
    if len(template) > LARGEST:
        return Rendered(trouble=f"The template has {len(template):,} characters, too many to try it out here.")
    root = Path(studio.__file__).resolve().parent.parent
    # No token, no Hub and no GPU for the child, and a working folder in which no other `transformers` lies.
    env = {name: value for name, value in os.environ.items() if name not in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")}
    env |= {"CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "template.json"
            file.write_text(json.dumps({"template": template, "tokens": dict(tokens)}), encoding="utf-8")
            done = subprocess.run(
                [sys.executable, "-m", "studio.worker", "template", str(file)],
                env=env, cwd=root, capture_output=True, text=True, timeout=patience, stdin=subprocess.DEVNULL,
            )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Rendered(trouble=f"The template did not come to an end within {patience:g} s.")
    except OSError as error:
        return Rendered(trouble=f"The example could not be made: {error.strerror or error}.")
    try:
        said = json.loads(done.stdout.splitlines()[-1])
        found = Rendered(said["text"], said["prompt"], said["system"], said["marks"], said["stops"])
    except (ValueError, LookupError, TypeError):
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return Rendered(trouble=f"The template could not be tried out: {last[:200]}")
    if said["error"]:
        return Rendered(marks=said["marks"], trouble=f"The template refuses the example: {said['error']}")
    return found
