"""A run's tags, note and files in the Runs tab: written down, archived, taken along, or deleted for good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr
from fastapi import FastAPI, HTTPException
from fastapi.responses import FileResponse

from studio.domain.errors import StudioError
from studio.domain.model_facts import size_text
from studio.domain.states import LIVE
from studio.service.exporting import Exports, trackio_line
from studio.service.keeping import LONGEST_NOTE, Keeping
from studio.ui import pieces
from studio.ui.run_list import SCRIPT

if TYPE_CHECKING:
    from studio.ui.page import Page

EXPORTS = "exports"  # the path below which files made for the page are fetched
# What is said here, for the languages of the page.
WORDS = (
    *("Notes and files", "Tags", "Note", "separated by commas", "Archive", "Take out of the archive", "Delete"),
    *("Metrics as CSV", "Whole run as zip", "With checkpoints and model: {size}", "Delete for good", "Keep it"),
    *("This deletes {what}.", "A run that goes on cannot be deleted.", "This opens the same data in trackio:"),
)


class RunKeeping:
    """The card below a run's charts. Its value is the run; a click says that the run is gone."""

    def __init__(self, page: Page) -> None:
        self.studio = page.studio
        self.exports = Exports(page.studio.home.cache / EXPORTS)

        def keep(request: dict[str, Any]) -> dict[str, Any]:
            return self.keep(request)

        self.card = gr.HTML(
            None,
            html_template='<div class="ts-keeping"></div>',
            js_on_load="tsKeeping(element.firstElementChild, {props, trigger, watch, server});",
            head=SCRIPT,
            server_functions=[keep],
            apply_default_css=False,
            elem_id="run-keeping",
        )

    def keep(self, request: dict[str, Any]) -> dict[str, Any]:
        """What the card's script asks for, by the name in `do`; `error` holds why it was not done."""
        work = {
            "show": self._show,
            "mark": self._mark,
            "ask": self._ask,
            "delete": self._delete,
            "export": self._export,
            "job": self._job,
        }.get(str(request.get("do")))
        if work is None:
            return {"error": "There is no such thing to do."}
        try:
            return work(str(request.get("run") or ""), request)
        except StudioError as error:
            return {"error": f"{error.message} {error.hint}".strip()}

    def _show(self, run_id: str, request: dict[str, Any]) -> dict[str, Any]:
        runs = self.studio.runs
        return {"html": card(runs.show(run_id), Keeping(runs).contents(run_id).output, trackio_line(runs, run_id))}

    def _mark(self, run_id: str, request: dict[str, Any]) -> dict[str, Any]:
        tags, note, archived = (request.get(name) for name in ("tags", "note", "archived"))
        Keeping(self.studio.runs).mark(
            run_id,
            str(tags).split(",") if tags is not None else None,
            str(note) if note is not None else None,
            archived if isinstance(archived, bool) else None,
        )
        return self._show(run_id, request) if isinstance(archived, bool) else {}

    def _ask(self, run_id: str, request: dict[str, Any]) -> dict[str, Any]:
        """What would be deleted, before it is."""
        keeping = Keeping(self.studio.runs)
        return {"html": question(f"{run_id}, {keeping.contents(run_id).words}", keeping.store_trouble(run_id))}

    def _delete(self, run_id: str, request: dict[str, Any]) -> dict[str, Any]:
        keeping = Keeping(self.studio.runs)
        keeping.sweep()
        keeping.remove(run_id)
        return {"gone": True}

    def _export(self, run_id: str, request: dict[str, Any]) -> dict[str, Any]:
        kind = "zip" if request.get("kind") == "zip" else "csv"
        return {"job": self.exports.begin(self.studio.runs, run_id, kind, request.get("output") is True)}

    def _job(self, run_id: str, request: dict[str, Any]) -> dict[str, Any]:
        word = str(request.get("job"))
        job = self.exports.job(word)
        if job is None:
            return {"error": "The file is not there any more. Export it again."}
        return {**job.to_json(), "url": f"{EXPORTS}/{word}"}


def add_downloads(app: FastAPI, exports: Exports) -> None:
    """Serves the files made for the page, each to whoever has its word: the page alone is told that."""

    async def fetch(word: str) -> FileResponse:
        job = exports.job(word)
        if job is None or job.path is None:
            raise HTTPException(404)
        return FileResponse(job.path, filename=job.name, headers={"cache-control": "no-store"})

    app.add_api_route(f"/{EXPORTS}/{{word}}", fetch, include_in_schema=False)


def card(run: dict[str, Any], output: int, trackio: str) -> str:
    """The fields and buttons for a run as `Runs.show` describes it; `output` are the bytes of checkpoints and model."""
    tags, note = pieces.text(", ".join(run["tags"])), pieces.text(run["note"])
    archive = "Take out of the archive" if run["archived"] else "Archive"
    live = run["state"] in LIVE
    remove = (
        f'<span class="ts-hint">{pieces.spoken("A run that goes on cannot be deleted.")}</span>'
        if live
        else f'<button type="button" class="ts-btn stop" data-keep="ask">{pieces.spoken("Delete")}</button>'
    )
    with_output = pieces.spoken("With checkpoints and model: {size}", size=size_text(output))
    return (
        f'<div class="ts-card"{" data-live" if live else ""}>{pieces.heading("Notes and files")}<div class="fields">'
        f"<label>{pieces.spoken('Tags')} <small>{pieces.spoken('separated by commas')}</small>"
        f'<input type="text" data-mark="tags" value="{tags}"></label>'
        f"<label>{pieces.spoken('Note')}"
        f'<textarea rows="2" maxlength="{LONGEST_NOTE}" data-mark="note">{note}</textarea></label></div>'
        '<div class="ts-actions">'
        f'<button type="button" class="ts-btn" data-keep="csv">{pieces.spoken("Metrics as CSV")}</button>'
        f'<button type="button" class="ts-btn" data-keep="zip">{pieces.spoken("Whole run as zip")}</button>'
        f'<label class="with"><input type="checkbox" data-output> {with_output}</label><span class="ts-spacer"></span>'
        f'<button type="button" class="ts-btn" data-keep="archive" data-archived="{str(run["archived"]).lower()}">'
        f"{pieces.spoken(archive)}</button>{remove}</div>"
        '<div class="asked"></div><div class="ts-hint said" role="status"></div>'
        f'<div class="ts-hint">{pieces.spoken("This opens the same data in trackio:")} '
        f"<code>{pieces.text(trackio)}</code></div></div>"
    )


def question(what: str, trouble: str = "") -> str:
    """What is asked before a run is deleted; `trouble` is the metrics store's."""
    said = pieces.spoken("This deletes {what}.", what=what)
    more = f'<div class="ts-hint">{pieces.text(trouble)}</div>' if trouble else ""
    return (
        f'<div class="ts-finding error" role="alert"><div><b>{said}</b>{more}</div>'
        f'<div class="ts-actions"><button type="button" class="ts-btn stop" data-keep="delete">'
        f'{pieces.spoken("Delete for good")}</button><button type="button" class="ts-btn" data-keep="leave">'
        f"{pieces.spoken('Keep it')}</button></div></div>"
    )
