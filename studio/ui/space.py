"""What the page says on a Space: who has signed in, who may train, until when, and what a restart costs."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from studio.service.access import Access
from studio.service.studio import Studio
from studio.ui import pieces
from studio.ui.signin import LOGIN, LOGOUT


def chip(access: Access) -> str:
    """Who has signed in, for the page's header; empty where nobody can."""
    if access.space is None or access.space.sign_in is None:
        return ""
    user = access.user()
    if user is None:
        return f'<a class="ts-chip" href="{LOGIN}" target="_blank" data-ts-signin>Sign in</a>'
    return (
        f'<span class="ts-chip" title="Signed in with Hugging Face">{pieces.text(user.name)}</span>'
        f'<a class="ts-chip" href="{LOGOUT}">Sign out</a>'
    )


def barred(access: Access) -> tuple[str, str | None] | None:
    """What the Start button says to one who may not start, and where it leads; None for one who may."""
    if access.space is None or access.start_refusal() is None:
        return None
    if access.refusal() is None:
        return "ZeroGPU cannot train: export the recipe", None
    if access.user() is None and access.space.sign_in is not None and not access.space.zero_gpu:
        return "Sign in to train", LOGIN
    return "Duplicate this Space to train", access.space.duplicate_url


def link(access: Access) -> dict[str, str | None]:
    """Where the Start button leads instead of starting, as Gradio's Button takes it."""
    found = barred(access)
    return {"link": found[1] if found else None, "link_target": "_blank"}


def note(studio: Studio) -> str:
    """What stands below Start: that a run goes on, and on a Space what may end it and whose sign-in it has."""
    space = studio.access.space
    if space is None:
        return _hint([pieces.spoken("Goes on when this page is closed.")])
    refusal = studio.access.start_refusal()
    if refusal is not None:
        copy = f'<a href="{pieces.text(space.duplicate_url)}" target="_blank">Duplicate this Space</a>'
        hint = pieces.text(refusal.hint).replace("Duplicate this Space", copy)
        return _hint([pieces.text(refusal.message), hint])
    lasts = space.disk is not None and studio.home.root.is_relative_to(space.disk)
    left = "its files stay" if lasts else "only what it has pushed to the Hub stays"
    return _hint(
        [
            pieces.spoken("Goes on when this page is closed."),
            f"Sleep or a restart of this Space ends it, and {left}.",
            _sign_in(studio.access),
        ]
    )


def no_runs(access: Access) -> str:
    """What the list of runs says to one who may not see them."""
    refusal = access.refusal()
    if refusal is None:
        return ""
    return pieces.title("Runs", "Every run of this Space, for its owner.") + pieces.empty(refusal.message, refusal.hint)


def _sign_in(access: Access) -> str:
    """Whose sign-in a run has on the Hub, and until when."""
    if access.space is not None and access.space.token:
        return "It pushes with this Space's secret HF_TOKEN."
    user = access.user()
    if user is None:
        return ""
    until = datetime.fromtimestamp(user.expires, UTC)
    left = pieces.duration(max(0.0, user.expires - time.time()))
    return (
        f'It pushes with your sign-in, which ends at <time datetime="{until.isoformat(timespec="seconds")}">'
        f"{until:%H:%M} UTC</time>, in {left}. A longer run needs a secret HF_TOKEN in the Space's settings."
    )


def _hint(sentences: list[str]) -> str:
    return f'<div class="ts-hint ts-center" id="start-note">{" ".join(filter(None, sentences))}</div>'
