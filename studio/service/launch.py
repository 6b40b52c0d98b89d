"""The accelerate config that a run goes by: a profile of TRL's, a file of the user's, or his own default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from studio.domain.findings import Finding, Fix, Where
from studio.domain.launch_plan import changes_of, read_config
from studio.domain.recipe import Recipe
from studio.service.paths import Paths


@dataclass(frozen=True)
class LaunchConfig:
    """Which accelerate config is in effect; `config` is what it says, or what is wrong with it, or None without one.

    `name` is the profile's, or the file's path.
    """

    source: Literal["profile", "file", "default", "none"]
    name: str = ""
    text: str = ""
    config: Mapping[str, Any] | str | None = None

    @property
    def options(self) -> Mapping[str, Any] | None:
        """What it says, where it can be read."""
        return None if isinstance(self.config, str) else self.config


def launch_config(recipe: Recipe, profiles: Mapping[str, str], paths: Paths, default: Path | None) -> LaunchConfig:
    """The config that `accelerate launch` would read for the recipe; `default` is the user's own, if there is one."""
    named = recipe.launch.get("accelerate_config", recipe.launch.get("config_file"))
    if isinstance(named, str) and named in profiles:
        return LaunchConfig("profile", named, profiles[named], read_config(profiles[named]))
    if isinstance(named, str) and named:
        found = paths.find(named)
        if found is None or not found.is_file():
            return LaunchConfig("file", named)  # the checks say that there is none
        return _from_file("file", found)
    return _from_file("default", default) if default is not None else LaunchConfig("none")


def _from_file(source: Literal["file", "default"], path: Path) -> LaunchConfig:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return LaunchConfig(source, str(path), "", "is no text")
    except OSError as error:
        return LaunchConfig(source, str(path), "", f"cannot be read: {error.strerror}")
    return LaunchConfig(source, str(path), text, read_config(text))


def default_finding(default: LaunchConfig, gpus: int) -> Finding:
    """What the user's own default config does to a run, and how it is kept out."""
    profile = "multi_gpu" if gpus > 1 else "single_gpu"
    said = changes_of(default.options) if default.options else []
    why = f"accelerate reads {default.name} wherever no profile is chosen" + (f": {', '.join(said)}." if said else ".")
    return Finding(
        "warning",
        Where("file", default.name),
        "Your own default accelerate config shapes this run.",
        why,
        Fix(f"Use the profile {profile} instead", {"accelerate_config": profile}),
    )
