"""Work of some seconds done once for each state of the files it goes by: in the background, or while one waits."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
Heard = Callable[[int, float], None]
_KEPT = 64  # results, each of some kilobytes


@dataclass(frozen=True)
class Progress:
    """How far something has come: rows, and the share of the files from 0 to 1."""

    rows: int = 0
    share: float = 0.0


class Background(Generic[T]):
    """Results by key. One is worked on at a time, since each uses what cores there are."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._done: OrderedDict[Hashable, T] = OrderedDict()
        self._running: dict[Hashable, Progress] = {}

    def begin(self, key: Hashable, work: Callable[[Heard], T]) -> None:
        """Starts the work in a thread, unless it has been done or is being done. It must not raise."""
        with self._lock:
            if key in self._done or key in self._running:
                return
            self._running[key] = Progress()
        threading.Thread(target=self.now, args=(key, work), name="all-rows", daemon=True).start()

    def done(self, key: Hashable) -> T | None:
        """The result, where there is one by now."""
        with self._lock:
            return self._done.get(key)

    def forget(self, key: Hashable) -> None:
        """Has the work done anew when it is begun the next time."""
        with self._lock:
            self._done.pop(key, None)

    def progress(self, key: Hashable) -> Progress | None:
        """How far the work has come; None where it is not being done."""
        with self._lock:
            return self._running.get(key)

    def now(self, key: Hashable, work: Callable[[Heard], T]) -> T:
        """The result, waited for."""

        def heard(rows: int, share: float) -> None:
            with self._lock:
                self._running[key] = Progress(rows, share)

        with self._turn:
            found = self.done(key)
            try:
                if found is None:
                    found = work(heard)
            finally:
                with self._lock:
                    self._running.pop(key, None)
                    if found is not None:
                        self._done[key] = found
                        self._done.move_to_end(key)
                    while len(self._done) > _KEPT:
                        self._done.popitem(last=False)
        return found
