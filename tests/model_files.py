"""Models for tests: small folders, a local cache of the Hub, runs that have ended, and who asks about them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fakehub import blob

from studio.adapters.home import Home, shipped_root
from studio.adapters.hub import HubClient
from studio.adapters.hubcache import HubCache
from studio.service.models import ModelLook, Models
from studio.service.paths import Paths
from studio.service.runs import Runs

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "assets/demo/model"
CONFIG = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 9}
NOWHERE = "http://127.0.0.1:9"


def safetensors(**shapes: list[int]) -> bytes:
    """A file of float32 zeros in safetensors' format."""
    header, end = {}, 0
    for name, shape in shapes.items():
        size = 4
        for length in shape:
            size *= length
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    told = json.dumps(header).encode()
    return len(told).to_bytes(8, "little") + told + bytes(end)


def model_folder(folder: Path, **files: bytes | None) -> Path:
    """A small model's folder; files by name with `__` for the dot, None leaves one out."""
    folder.mkdir(parents=True, exist_ok=True)
    usual: dict[str, bytes | None] = {
        "config.json": json.dumps(CONFIG).encode(),
        "model.safetensors": safetensors(a=[2, 3], b=[4]),
        "tokenizer_config.json": b'{"eos_token": "</s>"}',
    }
    for name, content in (usual | {name.replace("__", "."): content for name, content in files.items()}).items():
        if content is not None:
            (folder / name).write_bytes(content)
    return folder


def cached(cache: Path, name: str, files: dict[str, bytes], commit: str = "a" * 40, ref: str = "main") -> Path:
    """Files of a model in a local cache, as huggingface_hub lays them out; the repository's folder."""
    repo = cache / f"models--{name.replace('/', '--')}"
    for folder in ("blobs", "refs", f"snapshots/{commit}"):
        (repo / folder).mkdir(parents=True, exist_ok=True)
    (repo / "refs" / ref).write_text(commit)
    for file, content in files.items():
        (repo / "blobs" / blob(content)).write_bytes(content)
        (repo / "snapshots" / commit / file).symlink_to(repo / "blobs" / blob(content))
    return repo


def llama(**more: bytes) -> dict[str, bytes]:
    """The files of a small model on the Hub."""
    files = {"config.json": json.dumps(CONFIG).encode(), "tokenizer_config.json": b"{}", "README.md": b"# hello"}
    files |= {"model.safetensors": safetensors(a=[10]), "pytorch_model.bin": b"x" * 99, "original.pth": b"x" * 9}
    return files | {name.replace("__", "."): content for name, content in more.items()}


def models(base: Path, url: str = NOWHERE, token: str | None = None, patience: float = 3.0, **more: Any) -> Models:
    """Models as a user in `base` has them, with the cache in `base/cache` and the home in `base/home`."""
    home = Home(base / "home").ensure()
    hub = HubClient(url, url, token, patience)
    return Models(lambda: Paths(base, shipped_root()), hub, HubCache(base / "cache"), lambda: Runs(home), **more)


def look(found: ModelLook | None) -> ModelLook:
    assert found is not None
    return found


def run_folder(home: Path, name: str, outcome: str | None, ended: str = "2026-01-02T03:04:05.000Z") -> Path:
    """A run's folder as a supervisor leaves it."""
    folder = home / "runs" / name
    (folder / "output").mkdir(parents=True)
    (folder / "recipe.yaml").write_text("# trl sft --config recipe.yaml\nmodel_name_or_path: a/b\n")
    attempt = {"number": 1, "started": ended, "ended": ended, "outcome": outcome, "exit": {"code": 0, "signal": None}}
    (folder / "run.json").write_text(json.dumps({"id": name, "method": "sft", "created": ended, "attempts": [attempt]}))
    return folder
