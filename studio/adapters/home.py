"""The studio's home folder and the files that come with the studio: where everything lives."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import platformdirs

import studio
from studio.domain.errors import StudioError

VARIABLE = "TRL_STUDIO_HOME"


@dataclass(frozen=True)
class Home:
    """The folders below one home; nothing here is made before it is needed, except by `ensure`."""

    root: Path

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def trackio(self) -> Path:
        return self.root / "trackio"

    @property
    def datasets(self) -> Path:
        return self.root / "datasets"

    @property
    def presets(self) -> Path:
        return self.root / "presets"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    def ensure(self) -> Home:
        """Makes the folders. Raises StudioError where the home cannot be written or the disk is full."""
        try:
            for folder in (self.runs, self.trackio, self.datasets, self.presets, self.cache):
                folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root) as file:
                file.write(b"x" * 4096)
        except OSError as error:
            raise StudioError(
                f"The home folder {self.root} cannot be written: {error.strerror or error}.",
                f"Choose another with --home FOLDER or {VARIABLE}, or make room there.",
            ) from None
        return self


def home_folder(given: str | Path | None = None) -> Home:
    """The home that was asked for, else TRL_STUDIO_HOME, else the platform's user data folder."""
    chosen = given or os.environ.get(VARIABLE) or platformdirs.user_data_path("trl-studio")
    return Home(Path(chosen).expanduser().absolute())


def shipped_root() -> Path:
    """The folder that holds `presets/` and `assets/`: the checkout, or the installed package."""
    package = Path(studio.__file__).resolve().parent
    return package if (package / "presets").is_dir() else package.parent
