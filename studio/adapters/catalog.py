"""The catalogue of arguments on disk: made once for each set of installed versions, by the worker in a child."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import threading
from pathlib import Path

import studio
from studio.domain.arguments import CATALOG_FORMAT, Catalog
from studio.domain.errors import StudioError

PACKAGES = ("trl", "transformers", "accelerate", "peft")


def installed_versions() -> dict[str, str]:
    """Versions of the libraries that the catalogue depends on, without importing them.

    Raises StudioError where one is not installed.
    """
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            raise StudioError(f"The package '{package}' is not installed.", f"Run: pip install {package}") from None
    return versions


class CatalogCache:
    """Reads the catalogue from `folder`, and has it made there where the installed versions have none yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.versions = installed_versions()
        key = json.dumps([CATALOG_FORMAT, self.versions], sort_keys=True)
        self.path = folder / f"arguments-{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"
        self._catalog: Catalog | None = None
        self._failure: StudioError | None = None
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def ready(self) -> Catalog | None:
        """The catalogue if it has been made, without waiting. A damaged file counts as none and is made again."""
        if self._catalog is None and self.path.exists():
            try:
                self._catalog = Catalog.from_json(json.loads(self.path.read_text(encoding="utf-8")))
            except (ValueError, KeyError, TypeError, OSError):
                self._catalog = None
        return self._catalog

    def failure(self) -> StudioError | None:
        """Why the last attempt to make it failed, or None."""
        return self._failure

    def start(self) -> None:
        """Has it made in the background, once; `ready` and `failure` tell how it went."""
        if self.ready() is None and self._thread is None:
            self._thread = threading.Thread(target=self._make_quietly, daemon=True, name="arguments")
            self._thread.start()

    def get(self) -> Catalog:
        """The catalogue, made first where there is none. Raises StudioError where that fails."""
        with self._lock:
            found = self.ready()
            if found is None:
                self._make()
                found = self.ready()
        if found is None:
            raise StudioError("The list of TRL's arguments could not be read back.", f"Remove {self.path}.")
        return found

    def _make_quietly(self) -> None:
        try:
            self.get()
            self._failure = None
        except StudioError as error:
            self._failure = error
        finally:
            self._thread = None

    def _make(self) -> None:
        versions = json.dumps(self.versions)
        command = [sys.executable, "-m", "studio.worker", "arguments", str(self.path.absolute()), versions]
        # Listing needs no device, no network and no second thread; a GPU stays free for training.
        env = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}
        # `-m` looks in the working folder first; one that holds a `trl` or a `datasets` must not be taken for them.
        folder = Path(studio.__file__).resolve().parent.parent
        done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise StudioError(
                f"TRL's arguments could not be listed: {last}",
                "Check that `trl sft --help` works in this environment.",
            )
