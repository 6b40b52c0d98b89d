"""The Hugging Face account behind this machine's token: who it is, and whether a repository is there already."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from studio.domain.account import NOBODY, Account, Repository, account_from

PATIENCE = 8.0  # seconds for one question, whatever the network does

Answer = TypeVar("Answer")


class HubAccount:
    """Questions about the signed-in account, each answered within `patience` seconds and never with an exception.

    `endpoint` is the Hub's base URL; without it HF_ENDPOINT says, and else the public one is asked. `token` is called
    for the token at each question; without it, it is the one that is set up on this machine.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        patience: float = PATIENCE,
        token: Callable[[], str | None] | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.patience = patience
        self._token = token

    def mark(self) -> str | None:
        """A word that changes with the token, and None where there is none; nobody is asked and no token is told."""
        found = self._place()
        if found is None:
            return None
        place, what = found
        return hashlib.sha256(f"{place}\0{what}".encode()).hexdigest()[:16]

    def who(self) -> Account:
        """The account as the Hub tells it; `unreachable` or `refused` where it does not."""
        found = self._place()
        if found is None:
            return NOBODY
        place, given = found[0], self._token() if self._token else None
        silent = Account("unreachable", why=f"The Hub took more than {self.patience:g} s to answer.")
        account = self._within(partial(self._who, given), _explained, silent)
        return account if account.state == "nobody" else replace(account, place=place)

    def repository(self, name: str) -> Repository:
        """Whether the model repository `owner/name` is there, as far as this machine's token lets one see."""
        unknown, token = Repository(name, "unknown"), self._token() if self._token else None

        def failed(error: Exception) -> Repository:
            from huggingface_hub import errors

            hidden = isinstance(error, errors.GatedRepoError)
            missing = isinstance(error, errors.RepositoryNotFoundError) and not hidden
            return Repository(name, "free" if missing else "there" if hidden else "unknown")

        def ask(left: Callable[[], float]) -> Repository:
            from huggingface_hub import HfApi

            info = HfApi(endpoint=self.endpoint, token=token).model_info(name, timeout=left(), expand=["private"])
            return Repository(info.id, "there", bool(info.private))

        return self._within(ask, failed, unknown)

    def _place(self) -> tuple[str, str] | None:
        """Where the token stands, and something that changes when it does; None where there is no token."""
        if self._token is None:
            return _token_place()
        token = self._token()
        return ("of your sign-in here", token) if token else None

    def _who(self, given: str | None, left: Callable[[], float]) -> Account:
        from huggingface_hub import HfApi, constants, get_session, get_token

        token = given or get_token()
        if token is None:
            return NOBODY
        endpoint = HfApi(endpoint=self.endpoint).endpoint or constants.ENDPOINT
        # As HfApi.whoami does it, which takes no time limit.
        headers = {"authorization": f"Bearer {token}"}
        response = get_session().get(f"{endpoint}/api/whoami-v2", headers=headers, timeout=left())
        response.raise_for_status()
        answer = response.json()
        if not isinstance(answer, dict) or not answer.get("name"):
            return Account("unreachable", why="The Hub's answer was not understood.")
        return account_from(answer)

    def _within(
        self,
        question: Callable[[Callable[[], float]], Answer],
        failed: Callable[[Exception], Answer],
        silent: Answer,
    ) -> Answer:
        """The question's answer, on a thread of its own so that not even a slow name server makes anybody wait."""
        end = time.monotonic() + self.patience
        answers: list[Answer] = []

        def work() -> None:
            try:
                answers.append(question(lambda: max(0.1, end - time.monotonic())))
            except Exception as error:  # noqa: BLE001 (whatever a library raises becomes an answer here)
                answers.append(failed(error))

        thread = threading.Thread(target=work, name="hub-account", daemon=True)
        thread.start()
        thread.join(self.patience)
        return answers[0] if answers else silent


def _token_place() -> tuple[str, str] | None:
    """Where the token stands that huggingface_hub would use, and something that changes when it does."""
    from huggingface_hub import constants

    if os.environ.get("HF_OIDC_RESOURCE"):
        return "exchanged for this machine's own identity", "oidc"
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        token = os.environ.get(name, "").strip()
        if token:
            return f"in {name}", token
    path = Path(constants.HF_TOKEN_PATH)
    try:
        told = path.stat()
    except OSError:
        return None
    return ("kept by hf auth login", f"{told.st_mtime_ns} {told.st_size}") if told.st_size else None


def _explained(error: Exception) -> Account:
    """What any of the libraries' exceptions means to the user."""
    response: Any = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    if status in (401, 403):
        return Account("refused")
    if status == 429:
        return Account("unreachable", why="The Hub asks for fewer requests: try again in a few minutes.")
    if isinstance(status, int):
        return Account("unreachable", why=f"The Hub answered with status {status}.")
    return Account("unreachable", why="The Hub cannot be reached from here.")
