"""A stand-in for the Hub's sign-in: an OpenID provider on a loopback port, with people who need no password."""

from __future__ import annotations

import base64
import json
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "space-client", "space-secret"
HOURS = 8


def person(name: str, **roles: str) -> dict[str, Any]:
    """What the Hub tells of somebody: user names are unique, display names are anybody's choice."""
    organisations = [
        {"sub": f"org-{org}", "name": org.title(), "preferred_username": org, "isEnterprise": False, "roleInOrg": role}
        for org, role in roles.items()
    ]
    return {
        "sub": f"sub-{name}",
        "name": name.title(),
        "preferred_username": name,
        "profile": f"https://huggingface.co/{name}",
        "picture": "https://huggingface.co/avatars/none.svg",
        "isPro": False,
        "orgs": organisations,
    }


@dataclass
class Provider:
    """A running provider: `people` may sign in, `tokens` are those that it has given out, by the person's name."""

    port: int
    people: Mapping[str, Mapping[str, Any]]
    lasts: float = HOURS * 3600
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one"}))
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        """What a Space gets from the Hub for its sign-in."""
        return {
            "OAUTH_CLIENT_ID": CLIENT,
            "OAUTH_CLIENT_SECRET": SECRET,
            "OAUTH_SCOPES": "openid profile read-repos contribute-repos",
            "OPENID_PROVIDER_URL": self.url,
        }

    def metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/oauth/authorize",
            "token_endpoint": f"{self.url}/oauth/token",
            "userinfo_endpoint": f"{self.url}/oauth/userinfo",
            "jwks_uri": f"{self.url}/oauth/jwks",
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
        }

    def asked(self, query: Mapping[str, str]) -> str:
        """The page on which one says who one is."""
        links = []
        for name in self.people:
            code = secrets.token_urlsafe(8)
            self.codes[code] = {**query, "person": name}
            back = f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"
            links.append(f'<p><a href="{escape(back)}">Continue as {escape(name)}</a></p>')
        refuse = f"{query['redirect_uri']}?{urlencode({'error': 'access_denied', 'state': query['state']})}"
        return f'<h1>Sign in</h1>{"".join(links)}<p><a href="{escape(refuse)}">Refuse</a></p>'

    def exchanged(self, form: Mapping[str, str]) -> dict[str, Any] | None:
        """The tokens for a code; None where the code or the client is not the right one."""
        found = self.codes.pop(form.get("code", ""), None)
        if found is None or form.get("redirect_uri") != found["redirect_uri"]:
            return None
        name = found["person"]
        token = self.tokens.setdefault(name, f"hf_oauth_canary_{name}_{secrets.token_hex(8)}")
        now = int(time.time())
        claims = {**self.people[name], "iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 300}
        claims |= {"nonce": found["nonce"]} if "nonce" in found else {}
        return {
            "access_token": token,
            "token_type": "bearer",
            "expires_in": int(self.lasts),
            "scope": found["scope"],
            "id_token": jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.key),
        }


@contextmanager
def provider(*people: Mapping[str, Any], lasts: float = HOURS * 3600) -> Iterator[Provider]:
    """A provider for as long as the block runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    found = Provider(server.server_port, {one["preferred_username"]: one for one in people}, lasts)
    server.found = found  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    @property
    def provider(self) -> Provider:
        found: Provider = self.server.found  # type: ignore[attr-defined]
        return found

    def do_GET(self) -> None:
        path, query = urlsplit(self.path).path, {k: v[0] for k, v in parse_qs(urlsplit(self.path).query).items()}
        if path == "/.well-known/openid-configuration":
            self._json(self.provider.metadata())
        elif path == "/oauth/jwks":
            self._json({"keys": [self.provider.key.as_dict(private=False)]})
        elif path == "/oauth/authorize" and query.get("client_id") == CLIENT:
            self._answer(200, "text/html", self.provider.asked(query))
        elif path == "/oauth/userinfo":
            token = self.headers.get("authorization", "").removeprefix("Bearer ")
            names = [name for name, given in self.provider.tokens.items() if given == token]
            self._json(dict(self.provider.people[names[0]])) if names else self._answer(401, "text/plain", "who?")
        else:
            self._answer(404, "text/plain", "nothing here")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        form = {key: values[0] for key, values in parse_qs(body).items()}
        known = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        given = self.headers.get("authorization") == f"Basic {known}" or form.get("client_secret") == SECRET
        found = self.provider.exchanged(form) if given and urlsplit(self.path).path == "/oauth/token" else None
        if found is None:
            self._json({"error": "invalid_grant"}, 400)
        else:
            self._json(found)

    def _json(self, value: Any, status: int = 200) -> None:
        self._answer(status, "application/json", json.dumps(value))

    def _answer(self, status: int, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""
