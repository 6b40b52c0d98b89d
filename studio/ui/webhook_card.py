"""The webhook in the tab Launch: where it is told how runs end. Its address is typed once and never shown again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.domain.errors import StudioError
from studio.service.messages import Messages
from studio.ui import pieces
from studio.ui.theme import static_url

if TYPE_CHECKING:
    from studio.ui.page import Page

# What is said here, for the languages of the page.
WORDS = (
    *("Webhook", "Save", "Send a test", "Remove", "Address", "A message was sent."),
    "Slack, Discord or any address that takes JSON is told how each run ended, also when the studio is closed.",
    "It is told how each run ended, also when the studio is closed: {host}",
)


def build(page: Page) -> None:
    """The card: an address to type, or the host it leads to with a trial and a way to be rid of it."""
    studio = page.studio

    def webhook(request: dict[str, Any]) -> dict[str, Any]:
        try:
            studio.access.require_start()
            return answer(Messages(studio.home), request)
        except StudioError as error:
            return {"error": f"{error.message} {error.hint}".strip()}

    with gr.Column(elem_classes="ts-card ts-launch"):
        gr.HTML(
            f'{pieces.heading("Webhook")}<div class="ts-webhook ts-typed"></div>'
            '<p class="ts-hint said" role="status"></p>',
            js_on_load="tsWebhook(element.querySelector('.ts-webhook'), {server});",
            head=f'<script src="{static_url("launch.js")}"></script>',
            server_functions=[webhook],
            apply_default_css=False,
            elem_id="webhook",
        )


def answer(messages: Messages, request: Mapping[str, Any]) -> dict[str, Any]:
    """What the card's script asks for: `show`, `keep` an address (`` for none) or `try` it. Raises StudioError."""
    said = ""
    if request.get("do") == "keep":
        messages.keep(str(request.get("url") or ""))
    elif request.get("do") == "try":
        messages.try_out()
        said = "A message was sent."
    host = messages.goes_to()
    return {"html": _set(host) if host else _UNSET, "said": said}


def _set(host: str) -> str:
    line = pieces.spoken("It is told how each run ended, also when the studio is closed: {host}", host=host)
    return f'<p class="ts-hint">{line}</p>{_button("try", "Send a test")}{_button("remove", "Remove")}'


def _button(what: str, words: str) -> str:
    return f'<button type="button" class="ts-btn" data-webhook="{what}">{pieces.spoken(words)}</button>'


_LEAD = "Slack, Discord or any address that takes JSON is told how each run ended, also when the studio is closed."
_UNSET = (
    f'<p class="ts-hint">{pieces.spoken(_LEAD)}</p><label><span>{pieces.spoken("Address")}</span>'
    '<input type="password" autocomplete="off" spellcheck="false" placeholder="https://" data-webhook-url></label>'
    f"{_button('keep', 'Save')}"
)
