"""The local cache of the Hugging Face Hub: which models and datasets lie there, and which files of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.domain.model_facts import missing_shards, weights_among


@dataclass(frozen=True)
class CachedModel:
    """A model in the cache, with weights in `folder`: `revision` is `` for main, `size` in bytes, `used` in seconds.

    Weights may be such as only run a model, GGUF.
    """

    name: str
    folder: Path
    revision: str
    size: int
    used: float


@dataclass(frozen=True)
class CachedDataset:
    """A dataset of which data files are in the cache, in `folder`: `size` in bytes, `used` in epoch seconds."""

    name: str
    folder: Path
    size: int
    used: float


class HubCache:
    """The cache in `folder`; without one, where huggingface_hub keeps it for this user."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    @property
    def folder(self) -> Path:
        from huggingface_hub import constants

        return self._folder or Path(constants.HF_HUB_CACHE)

    def models(self) -> list[CachedModel]:
        """The models that are here whole, those used last first. Walks the cache: not for every edit."""
        models = []
        for repo in self._repos("model"):
            whole = [revision for revision in repo.revisions if _is_whole(revision)]
            whole = whole or [revision for revision in repo.revisions if _holds_gguf(revision)]
            # The branch that is loaded by default, else the newest of what else is there.
            best = max(whole, key=lambda one: ("main" in one.refs, one.last_modified), default=None)
            if best is not None:
                revision = "" if "main" in best.refs else next(iter(sorted(best.refs)), best.commit_hash)
                models.append(
                    CachedModel(repo.repo_id, best.snapshot_path, revision, best.size_on_disk, repo.last_accessed)
                )
        return sorted(models, key=lambda model: -model.used)

    def datasets(self) -> list[CachedDataset]:
        """The datasets of which files lie here, those used last first. Walks the cache, as `models` does."""
        found = []
        for repo in self._repos("dataset"):
            filled = [one for one in repo.revisions if any(_is_data(file.file_name) for file in one.files)]
            best = max(filled, key=lambda one: ("main" in one.refs, one.last_modified), default=None)
            if best is not None:
                found.append(CachedDataset(repo.repo_id, best.snapshot_path, best.size_on_disk, repo.last_accessed))
        return sorted(found, key=lambda one: -one.used)

    def dataset(self, name: str) -> Path | None:
        """The folder with the files of a dataset that are here, of main where those are; None where none are."""
        from huggingface_hub.file_download import repo_folder_name

        repo = self.folder / repo_folder_name(repo_id=name, repo_type="dataset")
        try:
            main = repo / "snapshots" / (repo / "refs" / "main").read_text(encoding="utf-8").strip()
        except (OSError, ValueError):
            main = repo
        try:
            others = sorted((repo / "snapshots").iterdir(), key=lambda one: -one.stat().st_mtime)
            places = [main, *others] if main.parent.name == "snapshots" else others
            return next((one for one in places if any(_is_data(file.name) for file in one.rglob("*"))), None)
        except OSError:
            return None

    def _repos(self, kind: str) -> list[Any]:
        from huggingface_hub import scan_cache_dir
        from huggingface_hub.errors import CacheNotFound

        try:
            return [repo for repo in scan_cache_dir(self.folder).repos if repo.repo_type == kind]
        except (CacheNotFound, OSError, ValueError):
            return []

    def snapshot(self, name: str, revision: str = "main") -> Path | None:
        """The folder that holds what is cached of a model's revision; None where nothing of it is."""
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError

        for file in ("config.json", "adapter_config.json"):
            try:
                found = try_to_load_from_cache(name, file, cache_dir=self.folder, revision=revision)
            except (HFValidationError, OSError, ValueError):
                return None
            if isinstance(found, str):
                return Path(found).parent
        return None

    def has(self, name: str, commit: str | None, files: Iterable[str], blobs: Mapping[str, str]) -> set[str]:
        """Which of a commit's `files` need no download; a content of another commit that is the same one counts."""
        from huggingface_hub.file_download import repo_folder_name

        repo = self.folder / repo_folder_name(repo_id=name, repo_type="model")
        there = set()
        for file in files:
            places = [repo / "snapshots" / commit / file] if commit else []
            places += [repo / "blobs" / blobs[file]] if blobs.get(file) else []
            if any(_exists(place) for place in places):
                there.add(file)
        return there


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _is_data(name: str) -> bool:
    return not name.startswith(".") and name.lower() not in ("readme.md", "license", "license.txt")


def _is_whole(revision: Any) -> bool:
    names = [file.file_path.relative_to(revision.snapshot_path).as_posix() for file in revision.files]
    configured = "config.json" in names or "adapter_config.json" in names
    return configured and bool(weights_among(names)) and not missing_shards(names)


def _holds_gguf(revision: Any) -> bool:
    return any(file.file_name.endswith(".gguf") for file in revision.files)
