"""Files that are packed as wholes, as the datasets library opens them: gzip, bzip2 and xz."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import BinaryIO, cast

from studio.adapters.archives import open_file, place_of
from studio.domain.errors import StudioError

# What is raised of a file that ends too early or was never packed; bzip2 raises a plain OSError.
BROKEN = (gzip.BadGzipFile, EOFError, lzma.LZMAError, zlib.error, zipfile.BadZipFile, tarfile.TarError)
_NAMES = {".gz": "gzip", ".bz2": "bzip2"}
_CLOSED = {".zst": "zstd", ".lz4": "lz4", ".7z": "7z", ".rar": "rar"}


class _Closing:
    """Closes the packed file with what comes out of it."""

    raw: BinaryIO

    def close(self) -> None:
        super().close()  # type: ignore[misc]
        self.raw.close()


class _Gzip(_Closing, gzip.GzipFile):
    pass


class _Bzip2(_Closing, bz2.BZ2File):
    pass


class _Xz(_Closing, lzma.LZMAFile):
    pass


_OPENED: dict[str, Callable[[BinaryIO], _Gzip | _Bzip2 | _Xz]] = {
    ".gz": lambda raw: _Gzip(fileobj=raw, mode="rb"),
    ".bz2": _Bzip2,
    ".xz": _Xz,
}


def is_packed(file: PurePath) -> bool:
    """Whether a file has to be unpacked while it is read: where it is at says nothing of how much is left."""
    return file.suffix in _OPENED


def unpacked(file: PurePath, raw: BinaryIO) -> BinaryIO:
    """What is packed in a file that was opened as `raw`, and is closed with it; any other file as it is.

    Raises StudioError for one that is packed in a way that is not read here.
    """
    if file.suffix in _CLOSED:
        raw.close()
        raise StudioError(f"{file} is packed as {_CLOSED[file.suffix]}, which is not read here.", "Unpack it.")
    opener = _OPENED.get(file.suffix)
    if opener is None:
        return raw
    opened = opener(raw)
    opened.raw = raw
    return cast(BinaryIO, opened)


def opened(file: Path) -> BinaryIO:
    """A file on this machine, or in an archive here, opened to be read as the datasets library does."""
    return unpacked(file, open_file(file))


def not_whole(file: PurePath) -> StudioError:
    """What is said of a packed file whose end is missing, or that is none."""
    archive = place_of(Path(file))
    if archive != file:
        return StudioError(f"{file} cannot be unpacked: {archive} is broken.", "Download or pack it again.")
    name = _NAMES.get(file.suffix) or file.suffix.lstrip(".") or "packed"
    return StudioError(f"{file} is no whole {name} file.", "Download or pack it again.", str(file))
