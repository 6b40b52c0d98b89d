"""Signing in with Hugging Face on a Space: the browser holds a random name, all else stays in the server's memory."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from gradio.context import LocalContext
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection

from studio.adapters.space import SignIn, Space
from studio.domain.access import User, user_of

COOKIE = "trl-studio"
LOGIN, CALLBACK, LOGOUT = "/login/huggingface", "/login/callback", "/logout"
_SECONDS = 8 * 3600  # how long the Hub lets a sign-in last, where it does not say
_KEPT = 1000  # browsers; the one that signed in first goes first

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class Sessions:
    """ASGI middleware: gives each request its browser's session, a dictionary that lives here and is never sent.

    A request that a page of another site has made gets none, so that no such page can act in a visitor's name.
    """

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], hosts: tuple[str, ...] = ()) -> None:
        self._app = app
        self._hosts = frozenset(hosts)
        self._kept: OrderedDict[str, dict[str, Any]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        key = HTTPConnection(scope).cookies.get(COOKIE, "")
        known = {} if self._foreign(Headers(scope=scope)) else self._kept.get(key, {})
        session = scope["session"] = dict(known)

        async def answer(message: Any) -> None:
            if message["type"] == "http.response.start" and session != known:
                self._kept.pop(key, None)
                MutableHeaders(scope=message).append("set-cookie", self._keep(session))
            await send(message)

        await self._app(scope, receive, answer)

    def _foreign(self, headers: Headers) -> bool:
        origin = headers.get("origin")
        return origin is not None and urlsplit(origin).netloc not in {headers.get("host"), *self._hosts}

    def _keep(self, session: dict[str, Any]) -> str:
        """Keeps a session under a new name, and returns the cookie that says it."""
        # A Space is shown in a frame of another site, so the cookie has to be one that is sent there.
        limits = "Path=/; HttpOnly; Secure; SameSite=None"
        if not session:
            return f"{COOKIE}=; Max-Age=0; {limits}"
        key = secrets.token_urlsafe(32)
        self._kept[key] = session
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return f"{COOKIE}={key}; Max-Age={_SECONDS}; {limits}"


def current_user() -> User | None:
    """Who has sent the request that Gradio is answering in this thread; None outside of any."""
    request = LocalContext.request.get(None)
    # Gradio gives its handlers a request of its own around the server's, and its server functions the server's.
    scope = getattr(getattr(request, "request", request), "scope", None)
    user = scope.get("session", {}).get("user") if isinstance(scope, Mapping) else None
    return user if isinstance(user, User) else None


def add_sign_in(app: FastAPI, space: Space, page: Callable[[str, str], str]) -> None:
    """Adds sessions and, where the Space has a sign-in, its pages; before Gradio's own routes, which take all others.

    `page` makes a small page of a heading and a sentence.
    """
    app.add_middleware(Sessions, hosts=space.hosts)
    if space.sign_in is None:
        return
    client = _client(space.sign_in)

    def failed(words: str) -> HTMLResponse:
        link = f'<a href="{LOGIN}">Try again</a> or <a href="/">go on without</a>.'
        return HTMLResponse(page("You are not signed in", f"{words} {link}"), 400)

    @app.get(LOGIN)
    async def login(request: Request) -> Response:
        host = next(iter(space.hosts), None)
        back = f"https://{host}{CALLBACK}" if host else str(request.url_for("callback"))
        try:
            answer: Response = await client.authorize_redirect(request, back)
        except _trouble():
            return failed("Hugging Face could not be reached.")
        return answer

    @app.get(CALLBACK)
    async def callback(request: Request) -> Response:
        try:
            token = await client.authorize_access_token(request)
            claims = await client.userinfo(token=token)
        except _trouble():
            return failed("Hugging Face did not confirm it, or it took too long.")
        expires = float(token.get("expires_at") or time.time() + _SECONDS)
        user = user_of(claims, str(token["access_token"]), expires)
        if user is None or claims.get("sub") != token.get("userinfo", {}).get("sub"):
            return failed("Hugging Face did not say who you are.")
        request.session.clear()
        request.session["user"] = user
        return RedirectResponse("/")

    @app.get(LOGOUT)
    async def logout(request: Request) -> Response:
        request.session.clear()
        return RedirectResponse("/")


def _client(sign_in: SignIn) -> Any:
    from authlib.integrations.starlette_client import OAuth

    return OAuth().register(
        name="huggingface",
        client_id=sign_in.client_id,
        client_secret=sign_in.client_secret,
        client_kwargs={"scope": sign_in.scopes, "timeout": 10},
        server_metadata_url=f"{sign_in.provider}/.well-known/openid-configuration",
    )


def _trouble() -> tuple[type[Exception], ...]:
    """What goes wrong with a sign-in: refused, forged, too old, or nobody there."""
    import httpx2
    from authlib.common.errors import AuthlibBaseError
    from joserfc.errors import JoseError

    return AuthlibBaseError, JoseError, httpx2.HTTPError, ValueError, KeyError
