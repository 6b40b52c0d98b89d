"""Listings of models' modules on disk: made once for each config and set of versions, by the worker in a child."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import studio
from studio.domain.model_layers import LAYERS_FORMAT

_SECONDS = 180  # on a slow disk the libraries alone take half a minute to import


class LayerListings:
    """Reads listings from `folder`, and has them made there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._versions = {name: importlib.metadata.version(name) for name in ("transformers", "peft")}

    def key(self, config: Mapping[str, Any]) -> str:
        """A name for what is listed of a config."""
        text = json.dumps([LAYERS_FORMAT, self._versions, config], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    def read(self, key: str) -> dict[str, Any] | None:
        """The listing, or None where there is none that can be read."""
        return _object(self.folder / f"{key}.json")

    def make(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Has the listing for a config made, which takes some seconds; `error` in it says why there is none.

        What fails is not kept: the next version of a library, or the next try, may do better.
        """
        # Nothing is loaded and nobody asked; a GPU stays free for training.
        env = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}
        # `-m` looks in the working folder first; one that holds a `peft` must not be taken for the library.
        place = Path(studio.__file__).resolve().parent.parent
        with tempfile.TemporaryDirectory() as folder:
            told, out = Path(folder) / "config.json", Path(folder) / "layers.json"
            told.write_text(json.dumps(config), encoding="utf-8")
            command = [sys.executable, "-m", "studio.worker", "layers", str(told), str(out)]
            options: dict[str, Any] = {"capture_output": True, "text": True, "stdin": subprocess.DEVNULL}
            try:
                done = subprocess.run(command, env=env, cwd=place, timeout=_SECONDS, **options)
            except subprocess.TimeoutExpired:
                return {"error": f"transformers took more than {_SECONDS} s to build it."}
            if done.returncode != 0:
                last = (done.stderr.strip().splitlines() or ["no message"])[-1]
                return {"error": f"transformers cannot build it from its config.json: {last[:200]}"}
            found = _object(out) or {"error": "The listing could not be read back."}
        if "error" not in found:
            _keep(self.folder / f"{self.key(config)}.json", found)
        return found


def _object(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _keep(path: Path, listing: Mapping[str, Any]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(listing, file)
        os.replace(temporary, path)
    except OSError:
        return  # a full disk costs the next page some seconds, and nothing else
