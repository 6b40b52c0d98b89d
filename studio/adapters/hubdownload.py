"""Datasets brought here from the Hub: which files a split is made of, how big they are, and their download."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

from studio.domain.errors import StudioError

Answer = TypeVar("Answer")
_HINT = "Look at the connection, or at what its page says, and try again."


@dataclass(frozen=True)
class Listing:
    """The files of a dataset's repository at one commit, with their sizes in bytes."""

    name: str
    commit: str
    files: dict[str, int]


@dataclass(frozen=True)
class HubDownload:
    """The Hub, for files of datasets; `endpoint` and `token` stand in for those of the environment,
    `cache` for the Hub's own folder here."""

    endpoint: str | None = None
    token: str | None = None
    cache: Path | None = None
    seconds: float = 8.0

    def listing(self, name: str) -> Listing:
        """The files of a dataset. Raises StudioError where the Hub does not tell."""
        from huggingface_hub import HfApi

        api = HfApi(endpoint=self.endpoint, token=self.token)
        info = _asked(name, lambda: api.dataset_info(name, files_metadata=True, timeout=self.seconds))
        files = {one.rfilename: int(one.size or 0) for one in info.siblings or ()}
        safe = {file: size for file, size in files.items() if _is_below(file)}
        return Listing(name, str(info.sha), safe)

    def skeleton(self, listing: Listing, folder: Path) -> Path:
        """A folder with the names of the files, empty, and the README as it is: its splits are told from that."""
        place = Path(tempfile.mkdtemp(dir=folder))
        for file in listing.files:
            (place / file).parent.mkdir(parents=True, exist_ok=True)
            (place / file).touch()
        if "README.md" in listing.files:
            (place / "README.md").write_bytes(self.fetch(listing, "README.md").read_bytes())
        return place

    def missing(self, listing: Listing, files: Iterable[str]) -> int:
        """How many bytes of these files are not in the cache yet."""
        from huggingface_hub import try_to_load_from_cache

        return sum(
            listing.files[file]
            for file in files
            if not isinstance(
                try_to_load_from_cache(listing.name, file, self.cache, listing.commit, repo_type="dataset"), str
            )
        )

    def fetch(self, listing: Listing, file: str) -> Path:
        """A file in the Hub's local cache, fetched where it is not there. Raises StudioError where it cannot be."""
        from huggingface_hub import hf_hub_download

        return Path(
            _asked(
                listing.name,
                lambda: hf_hub_download(
                    listing.name, file, repo_type="dataset", revision=listing.commit, endpoint=self.endpoint,
                    token=self.token, cache_dir=self.cache,
                ),
            )
        )  # fmt: skip


def _is_below(file: str) -> bool:
    path = PurePosixPath(file)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in file


def _asked(name: str, question: Callable[[], Answer]) -> Answer:
    """An answer of the Hub, or what went wrong in words."""
    import httpx2
    from huggingface_hub import errors

    try:
        return question()
    except errors.GatedRepoError:
        message = f"The dataset {name} is gated."
        raise StudioError(message, "Accept its conditions on its page on the Hub, and log in.") from None
    except errors.RepositoryNotFoundError:
        raise StudioError(f"The Hub does not know the dataset {name}, or it is private.", _HINT) from None
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, httpx2.HTTPError, ConnectionError) as error:
        raise StudioError(f"The Hub does not give the dataset {name} now: {_short(error)}.", _HINT) from None


def _short(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")[:160]
