"""Serves the page: at once, with a waiting page until TRL's arguments have been listed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import gradio as gr
import uvicorn
from fastapi import FastAPI
from gradio.utils import get_upload_folder

from studio.adapters.hub import bound_requests
from studio.adapters.machine import has_package
from studio.adapters.space import Space
from studio.domain.errors import StudioError
from studio.service.access import Access
from studio.service.keeping import Keeping
from studio.service.messages import Messages
from studio.service.runs import Runs
from studio.service.studio import Studio
from studio.service.uploads import upload_limit
from studio.ui import pieces
from studio.ui.blocks import leave_events_plain, send_whole_texts
from studio.ui.origins import Origins, Refusal
from studio.ui.page import Page
from studio.ui.run_keeping import add_downloads
from studio.ui.signin import add_sign_in, current_user
from studio.ui.theme import TOKENS, launch_options

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

SECRETS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "OAUTH_CLIENT_SECRET")
_SESSIONS = 64  # pages whose form is kept in memory; the oldest one goes first
_ADOPT = 30.0  # seconds between two looks for runs that have lost their supervisor


def gradio_app(studio: Studio, password: str | None = None, space: Space | None = None) -> FastAPI:
    """The page as an ASGI application. Needs the catalogue, which is made first where there is none."""
    app = FastAPI()
    if space is not None:
        add_sign_in(app, space, _small_page)
        studio = studio.guarded(Access(space, current_user, (Path(get_upload_folder()),)))
    page = Page(studio)
    blocks = page.build()
    add_downloads(app, page.runs.keeping.exports)
    blocks.state_session_capacity = _SESSIONS
    leave_events_plain()
    send_whole_texts()
    mounted: FastAPI = gr.mount_gradio_app(
        app,
        blocks,
        path="",
        run_history=False,
        ssr_mode=False,
        footer_links=[],
        mcp_server=has_package("mcp"),
        auth=("studio", password) if password else None,
        max_file_size=upload_limit(),
        **launch_options(),
    )
    return mounted


class Door:
    """The ASGI application that answers from the first moment on: with a waiting page, then with the real one."""

    def __init__(
        self, studio: Studio, password: str | None = None, host: str = "127.0.0.1", space: Space | None = None
    ) -> None:
        self._studio = studio
        self._password = password
        self._space = space
        self._origins = Origins(host, password, on_space=space is not None)
        self._app: FastAPI | None = None
        self._failure: StudioError | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif refusal := self._origins.refusal(scope):
            await _refuse(refusal, scope, send)
        elif self._app is not None:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._wait_page(send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        async with contextlib.AsyncExitStack() as stack:
            if self._studio.arguments.ready() is not None:
                await self._open(stack)
                opening = None
            else:
                opening = asyncio.create_task(self._open(stack))
            await send({"type": "lifespan.startup.complete"})
            await receive()
            if opening is not None:
                opening.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await opening
        await send({"type": "lifespan.shutdown.complete"})

    async def _open(self, stack: contextlib.AsyncExitStack) -> None:
        """Builds the page, having the arguments listed first, and lets it in."""
        try:
            await asyncio.to_thread(self._studio.arguments.get)
            app = await asyncio.to_thread(gradio_app, self._studio, self._password, self._space)
        except StudioError as error:
            self._failure = error
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, the waiting page would wait for ever
            traceback.print_exc()
            why = f"The page could not be built: {type(error).__name__}: {error}"
            self._failure = StudioError(why, "The terminal says where. Installing the studio anew may help.")
            return
        await stack.enter_async_context(_running(app))
        self._app = app

    async def _wait_page(self, send: Send) -> None:
        body = waiting_page(self._failure).encode()
        headers = [(b"content-type", b"text/html; charset=utf-8"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@contextlib.asynccontextmanager
async def _running(app: FastAPI) -> AsyncIterator[None]:
    async with app.router.lifespan_context(app):
        yield


async def _refuse(refusal: Refusal, scope: Scope, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close"})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": f"{refusal.words}\n".encode()})


def waiting_page(failure: StudioError | None = None) -> str:
    """What is shown before the page is there: what it waits for, or why it will not come."""
    if failure is None:
        words = (
            "<h1>Getting to know your TRL</h1><p>The studio asks the installed TRL for every option of its seven "
            "commands. This is done once for each version and takes about 15 seconds; the page opens by itself.</p>"
        )
    else:
        said = "".join(f"<p>{pieces.text(sentence)}</p>" for sentence in (failure.message, failure.hint))
        words = f"<h1>The studio cannot start</h1>{said}"
    return _small_page_of(words, '<meta http-equiv="refresh" content="1">' if failure is None else "")


def _small_page(heading: str, sentence: str) -> str:
    """A page with a heading and a sentence of HTML, in the studio's look."""
    return _small_page_of(f"<h1>{heading}</h1><p>{sentence}</p>")


def _small_page_of(words: str, refresh: str = "") -> str:
    light = "".join(f"--{name}:{value[0]};" for name, value in TOKENS.items())
    dark = "".join(f"--{name}:{value[1]};" for name, value in TOKENS.items())
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>TRL Studio</title>{refresh}'
        f"<style>:root{{{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}"
        "body{margin:0;background:var(--bg);color:var(--ink);font:14px/1.5 Inter,'DejaVu Sans',sans-serif}"
        "header{padding:14px 28px;border-bottom:1px solid var(--line);background:var(--panel);font-weight:650}"
        "header i{color:var(--acc);font-style:normal}main{max-width:560px;margin:18vh auto 0;padding:0 28px}"
        "h1{font-size:20px;margin:0 0 6px}p{color:var(--sub);margin:0 0 10px}</style></head>"
        f'<body><header>TRL <i>Studio</i></header><main role="status">{words}</main></body></html>'
    )


def _tidy(runs: Runs) -> None:
    """Finishes what was half deleted, and takes over runs that have lost their supervisor, now and later on."""
    runs.adopt_all()
    Keeping(runs).sweep()
    while True:
        time.sleep(_ADOPT)
        runs.adopt_all()


def serve(studio: Studio, host: str, port: int, password: str | None = None, space: Space | None = None) -> None:
    """Serves until interrupted. Runs that lost their supervisor get a new one in the background."""
    if space is not None:
        # What the Space holds of its owner's is for his runs only: no visitor's question to the Hub is asked with it.
        for name in SECRETS:
            os.environ.pop(name, None)
    bound_requests()
    studio.runs.quick = True
    threading.Thread(target=_tidy, args=(studio.runs,), daemon=True, name="tidy").start()
    threading.Thread(target=Messages(studio.home).follow, args=(studio.runs,), daemon=True, name="messages").start()
    shown = f"[{host}]" if ":" in host else host
    print(f"TRL Studio: http://{shown}:{port}  (home: {studio.home.root})", flush=True)
    if password:
        print("Sign in as: studio", flush=True)
    config = uvicorn.Config(
        Door(studio, password, host, space), host=host, port=port, log_level="warning", timeout_graceful_shutdown=2
    )
    uvicorn.Server(config).run()
