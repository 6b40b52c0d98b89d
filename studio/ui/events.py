"""How the page's events are wired: quiet ones, busy ones, and handlers whose refusals become a message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from studio.domain.errors import StudioError
from studio.ui import pieces

# Handlers of the page itself: no API, no queue, nothing that dims the page while it works.
QUIET: dict[str, Any] = {"api_visibility": "private", "queue": False, "show_progress": "hidden"}
STARTING: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "concurrency_limit": 8}
BUSY: dict[str, Any] = {"api_visibility": "private", "show_progress": "minimal", "concurrency_limit": 8}


def guarded(handler: Callable[..., Any], fallback: Callable[..., Any]) -> Callable[..., Any]:
    """The handler, with a StudioError shown as a message and `fallback` drawn instead."""

    def run(*values: Any) -> Any:
        try:
            return handler(*values)
        except StudioError as error:
            gr.Warning(pieces.code(str(error)), title="That did not work")
            return fallback(*values)

    return run
