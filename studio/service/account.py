"""Who is signed in to Hugging Face, asked once and remembered for some minutes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from studio.adapters.hubaccount import HubAccount
from studio.domain.account import NOBODY, NOT_ASKED, Account, Repository

KEEP, RETRY = 300.0, 30.0  # seconds that an answer holds, and that a failure does
_MOST = 256  # answers that are remembered


class Accounts:
    """What is known of the account behind this machine's token; `learn` asks, everything else only reads.

    The token is never kept: a change of it makes what was known of the old one unknown.
    """

    def __init__(
        self, hub: HubAccount, keep: float = KEEP, retry: float = RETRY, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._hub = hub
        self._keep, self._retry = keep, retry
        self._clock = clock
        self._lock = threading.Lock()
        # By the token's mark: when it was asked, and the answer.
        self._accounts: dict[str, tuple[float, Account]] = {}
        self._repositories: dict[tuple[str, str], tuple[float, Repository]] = {}

    def known(self) -> Account:
        """The account as far as it is known, without asking: `nobody`, `not asked`, or the last answer."""
        mark = self._hub.mark()
        if mark is None:
            return NOBODY
        found = self._accounts.get(mark)
        return found[1] if found is not None else NOT_ASKED

    def repository(self, name: str) -> Repository | None:
        """What was last found out about a model repository; None where nobody has asked."""
        found = self._repositories.get((self._hub.mark() or "", self.known().whole(name)))
        return found[1] if found is not None else None

    def learn(self, repository: str | None = None, anew: bool = False) -> bool:
        """Asks for what is unknown or old: the account, and the repository that a push would go to.

        Takes up to some seconds; whether anything is known now that was not before.
        """
        mark = self._hub.mark()
        if mark is None:
            return False
        with self._lock:  # two pages that open at once ask once
            news = self._learn_account(mark, anew)
            return self._learn_repository(mark, repository, anew) or news if repository else news

    def _learn_account(self, mark: str, anew: bool) -> bool:
        before = self._accounts.get(mark)
        if before is not None and not anew and self._fresh(before[0], self._failed(before[1])):
            return False
        account = self._hub.who()
        _trim(self._accounts)
        self._accounts[mark] = (self._clock(), account)
        return before is None or before[1] != account

    def _learn_repository(self, mark: str, name: str, anew: bool) -> bool:
        account = self.known()
        whole = account.whole(name)
        if account.state != "known" or whole.count("/") != 1:
            return False
        before = self._repositories.get((mark, whole))
        if before is not None and not anew and self._fresh(before[0], before[1].state == "unknown"):
            return False
        found = self._hub.repository(whole)
        _trim(self._repositories)
        self._repositories[mark, whole] = (self._clock(), found)
        return before is None or before[1] != found

    def _fresh(self, asked: float, failed: bool) -> bool:
        return self._clock() - asked < (self._retry if failed else self._keep)

    @staticmethod
    def _failed(account: Account) -> bool:
        return account.state in ("unreachable", "refused", "nobody")


def _trim(answers: dict[Any, Any]) -> None:
    """Forgets the oldest answer where there are many: names are typed freely."""
    if len(answers) >= _MOST:
        del answers[next(iter(answers))]
