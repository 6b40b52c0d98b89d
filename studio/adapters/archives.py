"""Archives of data files: which of the files in a zip or tar the datasets library loads, each read as it stands there.

A file in an archive has the path of the archive with its own behind it: `rows.zip/part/a.jsonl`. None is unpacked.
"""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Hashable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from posixpath import normpath
from typing import IO, Any, BinaryIO, cast

from studio.domain.data_layout import IN_ARCHIVES, common_format
from studio.domain.errors import StudioError
from studio.domain.findings import Finding, Where

_ZIPS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_TARS = (".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
_PACKED = (".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip", ".tar", ".tgz", ".7z", ".rar")
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_NO_FILES = b"PK\x05\x06" + bytes(18)  # a whole zip
_LOCKED = 1  # the bit that says so
_UNPACK = "Unpack the archive, and choose the folder or the files."
_HEAD = 265  # bytes: behind them a tar has said that it is one


@dataclass(frozen=True)
class Listing:
    """What is in an archive: the files that are loaded, in that order, and the names of those that are passed over."""

    kind: str
    files: dict[str, Any]  # to what the archive's own module says of each
    passed: tuple[str, ...]


def archive_kind(file: Path, by_name: bool = False) -> str:
    """`zip` or `tar` for an archive on this machine, by its name or its first bytes as the library tells; else ``.

    Where it is to be told `by_name`, a file whose name is none of an archive is not opened.
    """
    if (by_name and not file.name.lower().endswith((".zip", *_TARS))) or not file.is_file():
        return ""
    with file.open("rb") as opened:
        head = opened.read(_HEAD)
    if file.name.lower().endswith(".zip") or head.startswith(_ZIPS):
        return "zip"
    if head[257:262] == b"ustar" or (file.name.endswith(_TARS) and tarfile.is_tarfile(file)):
        return "tar"
    return ""


def members(file: Path) -> list[Path]:
    """The files in an archive that are loaded, in that order. Raises StudioError where it cannot be loaded."""
    return [file / name for name in _listed(file).files]


def passed_over(file: Path) -> tuple[str, ...]:
    """The names in an archive that lead out of it, or are written in an odd way: the library passes them over."""
    return _listed(file).passed


def archived_format(file: Path) -> str | None:
    """The format of what is in an archive; None where it is none, or of no format that is read."""
    return common_format(one.name for one in members(file)) if archive_kind(file) else None


def unfolded(
    files: dict[str, tuple[Path, ...]], form: str, by_name: bool = False
) -> tuple[dict[str, tuple[Path, ...]], tuple[Finding, ...]]:
    """The files with what is in them where they are archives, and warnings of what is passed over there.

    Of a folder, which may hold thousands of files, archives are told `by_name`. Raises StudioError for an archive that
    is not loaded.
    """
    found: dict[str, tuple[Path, ...]] = {}
    passed: list[Finding] = []
    for split, named in files.items():
        kept: list[Path] = []
        for file in named:
            if not archive_kind(file, by_name):
                kept.append(file)
                continue
            if form not in IN_ARCHIVES:
                what = f"{file} is an archive, from which the datasets library reads no {form}."
                raise StudioError(what, "Unpack it, and choose the folder.")
            kept += members(file)
            passed += [_passed(file, name) for name in passed_over(file)]
        found[split] = tuple(kept)
    return found, tuple(passed)


def _passed(archive: Path, name: str) -> Finding:
    what = f"{name} in {archive} is not loaded."
    why = "The datasets library passes over names with dots or nothing for a folder. Pack it under a plain name."
    return Finding("warning", Where("file", str(archive)), what, why)


class UnreadError(StudioError):
    """What may well be loaded and is not read here, so that nothing is known of it."""


def archive_elsewhere(name: str) -> Sequence[str]:
    """Raises UnreadError for an archive in a repository."""
    what = f"{name} is an archive, and those are read on this machine alone."
    raise UnreadError(what, "Download the dataset, and choose its folder.")


def open_file(file: Path) -> BinaryIO:
    """A file here or in an archive, opened to be read."""
    found = _in_archive(file)
    if found is None:
        return file.open("rb")
    archive, name = found
    listing = _listed(archive)
    if name not in listing.files:
        raise StudioError(f"{archive} has no file {name}.", "Choose the archive again.")
    with ExitStack() as held:
        entry = listing.files[name]
        if listing.kind == "zip":
            # The list of thousands of files is read once: this is an archive of none that is given the other's content.
            bare = held.enter_context(zipfile.ZipFile(io.BytesIO(_NO_FILES)))
            bare.fp = held.enter_context(archive.open("rb"))
            inner = bare.open(entry)
        else:
            inner = cast(IO[bytes], held.enter_context(tarfile.open(archive)).extractfile(entry))
        held.callback(inner.close)
        return cast(BinaryIO, io.BufferedReader(_Member(inner, held.pop_all()), 1 << 16))


def size_of(file: Path) -> int:
    """The bytes of a file here or in an archive, where it is as big as it is unpacked."""
    found = _in_archive(file)
    if found is None:
        return file.stat().st_size
    entry = _listed(found[0]).files.get(found[1])
    return int(entry.file_size if isinstance(entry, zipfile.ZipInfo) else entry.size if entry else 0)


def stamp_of(file: Path) -> tuple[int, int]:
    """What changes with a file's content, or with that of the archive it is in."""
    found = _in_archive(file)
    status = (found[0] if found else file).stat()
    return status.st_mtime_ns, status.st_size


def place_of(file: Path) -> Path:
    """The file on this machine that a file is, or is in."""
    found = _in_archive(file)
    return found[0] if found else file


def tar_among(files: Iterable[Path]) -> Path | None:
    """The first tar that one of the files is in: the library reads none as a stream."""
    archives = dict.fromkeys(found[0] for file in files if (found := _in_archive(file)) is not None)
    return next((archive for archive in archives if archive_kind(archive) == "tar"), None)


class _Member(io.RawIOBase):
    """A file in an archive, which is closed with it."""

    def __init__(self, inner: IO[bytes], held: ExitStack) -> None:
        self._inner, self._held = inner, held

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        found = self._inner.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def seek(self, place: int, whence: int = 0) -> int:
        return self._inner.seek(place, whence)

    def close(self) -> None:
        if not self.closed:
            self._held.close()
        super().close()


def _in_archive(file: Path) -> tuple[Path, str] | None:
    """The archive that a path leads into, and the name there."""
    if file.exists():
        return None
    archive = next((parent for parent in file.parents if parent.is_file()), None)
    return None if archive is None else (archive, file.relative_to(archive).as_posix())


def _listed(archive: Path) -> Listing:
    return _listing(archive, stamp_of(archive))


@lru_cache(maxsize=32)
def _listing(archive: Path, stamp: Hashable) -> Listing:
    """What is in an archive as it is now."""
    kind = archive_kind(archive)
    try:
        found = _in_zip(archive) if kind == "zip" else _in_tar(archive)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise StudioError(f"{archive} is no whole {kind} file.", "Download or pack it again.") from error
    files = {name: found[name] for name in sorted(found, key=_order) if _counts(name)}
    passed = tuple(name for name in files if _odd(name, kind))
    files = {name: entry for name, entry in files.items() if name not in passed}
    if not files:
        raise StudioError(f"{archive} holds no files that are loaded.", "Pack data files into it, by plain names.")
    for name, entry in files.items():
        _check(archive, name, entry)
    return Listing(kind, files, passed)


def _in_zip(archive: Path) -> dict[str, Any]:
    with zipfile.ZipFile(archive) as opened:  # of two by one name the last is read
        return {entry.filename: entry for entry in opened.infolist() if not entry.is_dir()}


def _in_tar(archive: Path) -> dict[str, Any]:
    with tarfile.open(archive) as opened:
        return {normpath(entry.name): entry for entry in opened if not entry.isdir()}


def _order(name: str) -> tuple[tuple[bool, str], ...]:
    """The library takes a folder's own files by name, and then what is in its folders."""
    *folders, last = name.split("/")
    return (*((True, folder) for folder in folders), (False, last))


def _counts(name: str) -> bool:
    """Whether a file is neither hidden nor in a hidden folder."""
    return not any(part.startswith((".", "__")) and part not in (".", "..") for part in name.split("/"))


def _odd(name: str, kind: str) -> bool:
    parts = name.split("/")
    return ".." in parts or "." in parts or "" in parts[1:] or (kind == "tar" and parts[0] == "")


def _check(archive: Path, name: str, entry: Any) -> None:
    """Raises StudioError for a file that keeps its archive from being loaded."""
    what, cure = "", _UNPACK
    if isinstance(entry, zipfile.ZipInfo):
        sign = next((one for one in ("\\", "[", "]", "::") if one in name), "/" if name.startswith("/") else "")
        if entry.flag_bits & _LOCKED:
            what, cure = "is locked with a password, which the datasets library cannot be told", _UNPACK
        elif entry.compress_type not in _METHODS:
            what, cure = "is packed in a way that is not read", "Pack the archive again, as plain zip."
        elif sign:
            what, cure = f"has '{sign}' in its name, with which the datasets library does not find it", "Rename it."
    elif not entry.isreg():
        what = "is a link and no file of data"
    if not what and name.lower().endswith(_PACKED):
        what = "is packed itself, and the datasets library unpacks but once"
    if what:
        raise StudioError(f"{name} in {archive} {what}.", cure)
