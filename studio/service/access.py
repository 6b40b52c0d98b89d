"""Who may do what: everything where the studio runs at home, and on a Space what its owner alone may do."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from studio.adapters.space import Space
from studio.domain.access import User
from studio.domain.errors import StudioError

README_SAYS = "Its README has to say `hf_oauth: true`."


def nobody() -> User | None:
    """Nobody has signed in."""
    return None


class Access:
    """What whoever asks right now may do.

    `who` says who that is; without a `space` it is never asked, and everything is allowed. `uploads` are folders that
    others' files may be read from: what they have sent themselves lies there, under names that cannot be guessed.
    """

    def __init__(
        self, space: Space | None = None, who: Callable[[], User | None] = nobody, uploads: tuple[Path, ...] = ()
    ) -> None:
        self.space = space
        self._who = who
        self._uploads = uploads

    def user(self) -> User | None:
        """Who has signed in, as long as that lasts."""
        user = self._who() if self.space else None
        return user if user is not None and user.expires > time.time() else None

    def refusal(self) -> StudioError | None:
        """Why whoever asks may not start, stop or see runs; None where that is allowed."""
        if self.space is None:
            return None
        user = self.user()
        if user is not None and user.may_train(self.space.owner):
            return None
        hint = "Duplicate this Space to train in your own."
        if user is not None:
            hint = f"You are signed in as {user.name}. {hint}"
        elif self.space.sign_in is None:
            hint = f"Nobody can sign in here: {README_SAYS[0].lower()}{README_SAYS[1:]}"
        else:
            hint = f"Sign in if that is you. {hint}"
        return StudioError(f"Only the owner of this Space, {self.space.owner}, may start, stop or see its runs.", hint)

    def start_refusal(self) -> StudioError | None:
        """Why whoever asks may not start a run; None where that is allowed."""
        if self.space is not None and self.space.zero_gpu:
            return StudioError(
                "No run can train on ZeroGPU: it lends a GPU to single calls of a minute or so.",
                "Export the recipe, or move this Space to other hardware in its settings.",
            )
        return self.refusal()

    def require(self) -> None:
        """Raises StudioError where whoever asks may not start, stop or see runs."""
        refusal = self.refusal()
        if refusal is not None:
            raise refusal

    def require_start(self) -> None:
        """Raises StudioError where whoever asks may not start a run."""
        refusal = self.start_refusal()
        if refusal is not None:
            raise refusal

    def readable(self, shipped: Path) -> tuple[Path, ...] | None:
        """The folders that whoever asks may name files of; None for all that this process can read."""
        if self.refusal() is None:
            return None
        return (shipped / "assets", shipped / "presets", *self._uploads)

    def token(self) -> str | None:
        """What questions to the Hub are asked with, on a Space; None without a sign-in there."""
        user = self.user()
        return user.token or None if user else None

    def pushing_token(self) -> str | None:
        """What a run of whoever asks would push with, on a Space; None where none would."""
        return None if self.refusal() else self.environment().get("HF_TOKEN")

    def environment(self) -> dict[str, str]:
        """What a run of whoever starts it gets in its environment and nowhere else."""
        if self.space is None:
            return {}
        token = self.space.token or self.token()
        # The key of the Space's own sign-in is none of a trainer's business.
        return {"OAUTH_CLIENT_SECRET": "", **({"HF_TOKEN": token} if token else {})}
