"""Who is let in by what a browser says: raw requests to a real app, as another site's page would send them."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from app_process import AppProcess, app

from studio.ui.origins import Origins

BODY = json.dumps({"data": [], "fn_index": 0, "session_hash": "x", "component_id": 0, "fn_name": "x"})
WAYS_IN = (
    "queue/join", "run/methods", "run/start", "api/start", "call/start", "call/v2/start", "component_server", "upload",
    "mcp", "mcp/", "mcp/messages/",
)  # fmt: skip


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, catalog_folder: Path) -> Iterator[AppProcess]:
    with app(tmp_path_factory.mktemp("origins"), catalog_folder) as started:
        yield started


def status(studio: AppProcess, method: str, path: str, body: str | None = None, **headers: str) -> int:
    """The status with which exactly this request is answered; `_` in a header's name stands for a dash."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    connection = http.client.HTTPConnection("127.0.0.1", studio.port, timeout=30)
    try:
        connection.putrequest(method, path, skip_host="Host" in given, skip_accept_encoding=True)
        for name, value in given.items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body.encode() if body is not None else None)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("path", WAYS_IN)
@pytest.mark.parametrize(
    "said",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:{port}"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://evil.example", "Host": "evil.example:{port}"},
        {"Host": "evil.example:{port}"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "evil.example", "Origin": "http://127.0.0.1:{port}"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"},
        {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "cors"},
    ],
    ids=str,
)
def test_another_sites_page_can_start_nothing(studio: AppProcess, path: str, said: dict[str, str]) -> None:
    headers = {name: value.format(port=studio.port) for name, value in said.items()}
    for kind in ("application/json", "text/plain"):
        assert status(studio, "POST", f"/gradio_api/{path}", BODY, Content_Type=kind, **headers) == 403
    asked = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "content-type"}
    assert status(studio, "OPTIONS", f"/gradio_api/{path}", **asked, **headers) == 403


@pytest.mark.parametrize("path", ["/", "/config", "/gradio_api/info", "/gradio_api/mcp/schema", "/theme.css"])
def test_another_sites_page_can_read_nothing(studio: AppProcess, path: str) -> None:
    assert status(studio, "GET", path, Host=f"evil.example:{studio.port}") == 403
    assert status(studio, "GET", path, Origin="http://evil.example") == 403
    assert status(studio, "GET", path, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors") == 403


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "LOCALHOST", "[::1]:{port}", "127.0.0.1"])
def test_the_page_itself_and_programs_are_let_in(studio: AppProcess, host: str) -> None:
    host = host.format(port=studio.port)
    own = {"Host": host, "Origin": f"http://{host}", "Sec_Fetch_Site": "same-origin", "Sec_Fetch_Mode": "cors"}
    assert status(studio, "POST", "/gradio_api/run/methods", BODY, Content_Type="application/json", **own) == 200
    assert status(studio, "POST", "/gradio_api/run/methods", BODY, Content_Type="application/json", Host=host) == 200
    assert status(studio, "GET", "/config", **own) == 200
    followed = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    assert status(studio, "GET", "/", Host=host, **followed) == 200, "a link to the page cannot be followed"


def test_no_page_is_stored_for_a_link(studio: AppProcess) -> None:
    for path in ("/gradio_api/deep_link", "/gradio_api/deep_link/"):
        assert status(studio, "GET", f"{path}?session_hash=x") == 404
        assert status(studio, "HEAD", f"{path}?session_hash=x") == 404
    assert status(studio, "GET", "/?deep_link=abc") == 200


def refusal(origins: Origins, path: str = "/", **headers: str) -> Any:
    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    found = origins.refusal({"type": "http", "path": path, "headers": given})
    return found and found.status


def test_names_of_the_server() -> None:
    home = Origins("studio.lan")
    assert refusal(home, host="studio.lan:7860") is None
    assert refusal(home, host="other.lan:7860") == 403
    assert refusal(home) is None, "a program of HTTP/1.0 gives no name"
    assert refusal(Origins("::1"), host="[::1]:7860") is None
    assert refusal(Origins("0.0.0.0", "secret"), host="studio.lan") is None, "the password guards it"
    assert refusal(Origins("0.0.0.0", "secret"), host="studio.lan", origin="http://evil.example") == 403


def test_behind_a_proxy_the_page_has_the_proxys_name() -> None:
    origins = Origins("127.0.0.1", "secret")
    proxied = {"host": "127.0.0.1:7860", "x_forwarded_host": "studio.example"}
    assert refusal(origins, **proxied, origin="https://studio.example") is None
    assert refusal(origins, **proxied, origin="https://evil.example") == 403


def test_on_a_space_anyone_may_ask() -> None:
    space = Origins("0.0.0.0", on_space=True)
    assert refusal(space, host="owner-studio.hf.space", origin="https://huggingface.co") is None
    assert refusal(space, "/gradio_api/deep_link", host="owner-studio.hf.space") == 404
