"""Files of a repository on the Hub as if they lay here: parts of them are fetched as they are read."""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import PurePath
from typing import Any, BinaryIO, cast

from studio.domain.dataset_answers import DatasetRepository

_BLOCK = 128 << 10
_AHEAD = 4 << 20  # as much at once where a file is read on and on
_KEPT = 8  # parts of a file that are kept, for what goes back and forth


class RepositoryFiles:
    """The files of one commit, opened by their paths in the repository."""

    local = False

    def __init__(self, found: DatasetRepository) -> None:
        self.found = found
        self._parts: dict[str, Parts] = {}

    def open(self, file: PurePath) -> BinaryIO:
        """A file, of which nothing has been fetched yet but what was read of it before."""
        path = file.as_posix()
        parts = self._parts.setdefault(path, Parts(lambda start, stop: self.fetch(path, start, stop)))
        return cast(BinaryIO, io.BufferedReader(RangedFile(parts)))

    def fetch(self, file: str, start: int, stop: int) -> tuple[bytes, int]:
        """Bytes of a file: what there is of them, and the file's size."""
        from huggingface_hub import get_session

        headers = {**self.found.headers, "range": f"bytes={start}-{stop - 1}", "accept-encoding": "identity"}
        options: dict[str, Any] = {"headers": headers, "timeout": self.found.left(), "follow_redirects": True}
        with get_session().stream("GET", self.found.url(file), **options) as response:
            told = response.headers.get("content-range", "").rpartition("/")[2]
            if response.status_code == 416:  # nothing begins there
                return b"", int(told or 0)
            response.raise_for_status()
            begin = start if response.status_code == 206 else 0  # a server without ranges sends all from the start
            found = bytearray()
            for chunk in response.iter_bytes():
                found += chunk
                if begin + len(found) >= stop:
                    break
            return bytes(found[start - begin : stop - begin]), int(told or response.headers["content-length"])

    def stamp(self, file: PurePath) -> Hashable:
        return self.found.name, self.found.commit


class Parts:
    """What has been fetched of a file: `fetch(start, stop)` gives what there is of it, and the file's size."""

    def __init__(self, fetch: Callable[[int, int], tuple[bytes, int]]) -> None:
        self._fetch = fetch
        self._size: int | None = None
        self._parts: OrderedDict[int, bytes] = OrderedDict()
        self._ahead = _BLOCK

    @property
    def size(self) -> int:
        """The bytes of the whole file."""
        if self._size is None:
            self._load(0, _BLOCK)
        return self._size or 0

    def at(self, position: int, wanted: int) -> bytes:
        """Bytes from a position on: as many as are at hand, at least one before the end of the file."""
        if self._size is not None and position >= self._size:
            return b""
        held = self._holding(position)
        if held is None:
            goes_on = position > 0 and self._holding(position - 1) is not None
            self._ahead = min(self._ahead * 2, _AHEAD) if goes_on else _BLOCK
            self._load(position, max(self._ahead, wanted))
            held = position
        if held not in self._parts:
            return b""
        self._parts.move_to_end(held)
        return self._parts[held][position - held : position - held + wanted]

    def _holding(self, position: int) -> int | None:
        return next((start for start, part in self._parts.items() if start <= position < start + len(part)), None)

    def _load(self, start: int, count: int) -> None:
        part, self._size = self._fetch(start, start + count)
        if part:
            self._parts[start] = part
        while len(self._parts) > _KEPT:
            self._parts.popitem(last=False)


class RangedFile(io.RawIOBase):
    """A file that is fetched in parts, as far as it is read."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position}.get(whence)
        self._position = (self._parts.size if base is None else base) + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        found = self._parts.at(self._position, len(view))
        view[: len(found)] = found
        self._position += len(found)
        return len(found)
