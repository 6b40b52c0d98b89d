"""Whose requests are let in: those of the studio's own page and of programs, not those of other sites' pages."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from typing import Any, NamedTuple

MCP_PATH = "/gradio_api/mcp"
# Stores all that a page holds on disk, for a link that nothing here makes.
_CLOSED = "/gradio_api/deep_link"


class Refusal(NamedTuple):
    """The status and the sentence with which a request is answered."""

    status: int
    words: str


class Origins:
    """The rule for one server, which listens on `host` and may ask for a password.

    A page of any site, opened in the browser of whoever runs the studio, can send requests to this machine's ports:
    under its own name, or under one that it has made to point here. Browsers say so, in headers that pages cannot
    change; programs send none of them. On a Space anyone may come from anywhere, and only signing in counts.
    """

    def __init__(self, host: str, password: str | None = None, on_space: bool = False) -> None:
        self._host = host.lower()
        self._password = password
        self._on_space = on_space

    def refusal(self, scope: Mapping[str, Any]) -> Refusal | None:
        """Why a request (an ASGI scope) is turned away; None where it may come in."""
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if scope["path"].rstrip("/") == _CLOSED:
            return Refusal(404, "There are no links to a page's contents here.")
        if not self._on_space:
            if not self._knows(headers.get("host", self._host)):
                words = "The studio answers to this machine's own names only, such as 127.0.0.1 and localhost."
                return Refusal(403, f"{words} To reach it by another one, set TRL_STUDIO_PASSWORD.")
            if _from_another_site(headers):
                return Refusal(403, "The studio takes no requests from another site's page.")
        if self._password and scope["path"].startswith(MCP_PATH) and not self._signed(headers):
            return Refusal(401, "MCP asks for the password here: send it as the header `Authorization: Bearer ...`.")
        return None

    def _knows(self, host: str) -> bool:
        """Whether the server is asked by a name of its own; with a password, which no other site has, any will do."""
        if self._password:
            return True
        name = _name(host)
        if name in (self._host, "localhost") or name.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return False

    def _signed(self, headers: Mapping[str, str]) -> bool:
        given = headers.get("authorization", "").encode("latin-1", "replace")
        return hmac.compare_digest(given, f"Bearer {self._password}".encode())


def _from_another_site(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that another site's page has sent this; following a link from there is no such thing."""
    origin = headers.get("origin")
    if origin is not None:
        # A proxy before the server may have given it another name; a page cannot, without asking here first.
        own = {headers.get("host", "").lower(), headers.get("x-forwarded-host", "").lower()}
        return origin.lower().partition("://")[2] not in own - {""}
    elsewhere = headers.get("sec-fetch-site") in ("cross-site", "same-site")
    return elsewhere and headers.get("sec-fetch-mode") != "navigate"


def _name(host: str) -> str:
    """The name or address in a Host header, without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower() if host.count(":") < 2 else host.lower()
