"""MCP through a real client and a real app: the same verbs as tools, and who is let in."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from app_process import ROOT, AppProcess, app

pytest.importorskip("mcp", reason='MCP needs: pip install "trl-studio[mcp]"')

import httpx
from gradio_client import Client
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, TextContent
from oauth_standin import person, provider
from space_lab import Caller, space

from studio.domain.methods import METHOD_NAMES
from studio.ui.api import VERBS

DEMO = (ROOT / "presets" / "demo-sft.yaml").read_text(encoding="utf-8")
PATIENCE = 120.0


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, catalog_folder: Path) -> Iterator[AppProcess]:
    with app(tmp_path_factory.mktemp("mcp"), catalog_folder) as started:
        yield started


@asynccontextmanager
async def session(url: str, **headers: str) -> AsyncIterator[ClientSession]:
    """An initialized session with the server at `url`, sent with further headers."""
    async with (
        httpx.AsyncClient(headers=headers, follow_redirects=True, timeout=30) as http,
        streamable_http_client(f"{url}gradio_api/mcp/", http_client=http) as (reader, writer, _),
        ClientSession(reader, writer) as opened,
    ):
        await opened.initialize()
        yield opened


def told(result: CallToolResult) -> Any:
    """The JSON in a tool's answer, which is one text."""
    assert not result.isError, result.content
    (content,) = result.content
    assert isinstance(content, TextContent)
    return json.loads(content.text)


def refused(result: CallToolResult) -> str:
    """The sentence with which a tool says no."""
    assert result.isError
    (content,) = result.content
    assert isinstance(content, TextContent)
    assert "Traceback" not in content.text
    return content.text


def with_session(studio: AppProcess, work: Callable[[ClientSession], Awaitable[None]]) -> None:
    async def run() -> None:
        async with session(studio.url) as opened:
            await work(opened)

    asyncio.run(run())


def test_the_tools_are_the_verbs(studio: AppProcess) -> None:
    async def work(mcp: ClientSession) -> None:
        tools = (await mcp.list_tools()).tools
        assert [tool.name for tool in tools] == list(VERBS)
        for tool in tools:
            assert len(tool.description or "") > 20, tool.name
            for name, schema in tool.inputSchema["properties"].items():
                assert schema.get("description"), f"{tool.name} does not say what {name} is"
                assert {"type", "enum", "oneOf"} & schema.keys(), f"{tool.name} does not say what type {name} has"
        schemas = {tool.name: tool.inputSchema for tool in tools}
        assert schemas["check"]["required"] == ["recipe"]
        assert schemas["stop"]["properties"]["now"]["type"] == "boolean"
        assert "request" not in json.dumps(schemas["start"]["properties"]), "what only the server knows is asked for"

    with_session(studio, work)


def test_what_can_be_asked_without_a_run(studio: AppProcess) -> None:
    async def work(mcp: ClientSession) -> None:
        assert [one["name"] for one in told(await mcp.call_tool("methods", {}))] == list(METHOD_NAMES)
        found = told(await mcp.call_tool("check", {"recipe": "learning_rat: 1\n", "method": "sft"}))
        assert {"error"} == {one["level"] for one in found}
        assert found[0]["fix"]["set"] == {"learning_rate": 1}
        assert told(await mcp.call_tool("runs", {})) == []
        assert "no run 'nobody'" in refused(await mcp.call_tool("show", {"run": "nobody"}))
        assert "no name for a run" in refused(await mcp.call_tool("logs", {"run": "../../etc"}))
        assert "no YAML" in refused(await mcp.call_tool("check", {"recipe": "{{{"}))
        assert refused(await mcp.call_tool("check", {"recipe": 5}))
        assert refused(await mcp.call_tool("load", {}))

    with_session(studio, work)


def test_a_run_is_started_shown_and_stopped(studio: AppProcess) -> None:
    async def work(mcp: ClientSession) -> None:
        begun = told(await mcp.call_tool("start", {"recipe": DEMO, "tags": ["mcp"]}))
        name = begun["run"]["id"]
        assert (studio.home / "runs" / name / "recipe.yaml").is_file()
        assert told(await mcp.call_tool("show", {"run": name}))["tags"] == ["mcp"]
        assert told(await mcp.call_tool("stop", {"run": name, "now": True}))["stopping"] is True
        give_up = time.monotonic() + PATIENCE
        while (state := told(await mcp.call_tool("show", {"run": name}))["state"]) != "stopped":
            assert time.monotonic() < give_up, state
            await asyncio.sleep(0.1)

    with_session(studio, work)


def test_with_a_password_the_tools_ask_for_it(tmp_path: Path, catalog_folder: Path) -> None:
    async def tools(url: str, **headers: str) -> int:
        async with session(url, **headers) as opened:
            return len((await opened.list_tools()).tools)

    with app(tmp_path / "home", catalog_folder, TRL_STUDIO_PASSWORD="open sesame") as started:
        assert asyncio.run(tools(started.url, Authorization="Bearer open sesame")) == len(VERBS)
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        accept = {"accept": "application/json, text/event-stream"}
        for more in ({}, {"authorization": "Bearer wrong"}, {"authorization": "open sesame"}):
            for path in ("", "/", "/schema", "/sse", "/messages/?session_id=1", "/http/"):
                with httpx.Client(headers={**accept, **more}) as http:
                    answers = [http.post(f"{started.url}gradio_api/mcp{path}", json=body)]
                    answers.append(http.get(f"{started.url}gradio_api/mcp{path}"))
                assert [answer.status_code for answer in answers] == [401, 401], path
        client = Client(started.url, auth=("studio", "open sesame"), verbose=False, analytics_enabled=False)
        assert len(client.predict(api_name="/methods")) == len(METHOD_NAMES)
        client.close()


def test_on_a_space_only_its_owners_tools_see_runs(tmp_path: Path, catalog_folder: Path) -> None:
    async def ask(url: str, **headers: str) -> None:
        async with session(url, **headers) as opened:
            (runs,) = [tool.name for tool in (await opened.list_tools()).tools if tool.name.endswith("runs")]
            assert len(told(await opened.call_tool(runs.replace("runs", "methods"), {}))) == len(METHOD_NAMES)
            answer = await opened.call_tool(runs, {})
            if headers:
                assert told(answer) == []
                return
            assert "Only the owner of this Space" in refused(answer)
            for verb, values in (("start", {"recipe": DEMO}), ("stop", {"run": "x"}), ("logs", {"run": "x"})):
                said = refused(await opened.call_tool(runs.replace("runs", verb), values))
                assert "Only the owner of this Space" in said, verb

    with provider(person("ada")) as hub, space(tmp_path / "home", catalog_folder, hub) as started:
        asyncio.run(ask(started.url))
        with Caller(started.url) as owner:
            owner.sign_in(hub, "ada")
            asyncio.run(ask(started.url, cookie=owner.http.headers["cookie"]))
