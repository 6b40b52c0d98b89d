"""Messages about runs wherever one is on the page, and in the title of its tab; the script is static/alerts.js."""

from __future__ import annotations

import json
from typing import Any

import gradio as gr

from studio.domain.errors import StudioError
from studio.service.alerts import watched
from studio.service.studio import Studio
from studio.ui.theme import static_url


def build(studio: Studio) -> gr.HTML:
    """The place where messages appear. What it asks for runs in Gradio's thread pool, not in the queue."""

    def states(_: Any) -> str:
        try:
            return json.dumps(watched(studio.runs))
        except StudioError:  # whoever asks may not see the runs
            return "[]"

    return gr.HTML(
        html_template='<div class="ts-toasts" role="status"></div>',
        js_on_load="tsAlerts(element.querySelector('.ts-toasts'), server.states);",
        head=f'<script src="{static_url("alerts.js")}"></script>',
        server_functions=[states],
        apply_default_css=False,
        elem_id="alerts",
    )
