"""The studio as a Space of ada's, on this machine: its environment, and programs that call it as whoever they are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from app_process import AppProcess, app
from oauth_standin import Provider
from playwright.sync_api import Page, expect

PRESET = Path(__file__).resolve().parent.parent / "presets" / "demo-sft.yaml"


def space_environment(provider: Provider) -> dict[str, str]:
    """What the Hub tells a Space, which listens on this machine only."""
    return {
        "SYSTEM": "spaces",
        "SPACE_ID": "ada/studio",
        "SPACE_AUTHOR_NAME": "ada",
        "GRADIO_SERVER_NAME": "127.0.0.1",
        **provider.environment(),
    }


@contextmanager
def space(home: Path, catalog_folder: Path, provider: Provider, **env: str) -> Iterator[AppProcess]:
    """The running Space."""
    with app(home, catalog_folder, **{**space_environment(provider), **env}) as started:
        yield started


def sign_in(page: Page, name: str) -> None:
    """Signs in at the provider that the browser is at, or that the page's link leads to."""
    if "/oauth/authorize" not in page.url:
        page.get_by_role("link", name="Sign in", exact=True).click()
    page.wait_for_url("**/oauth/authorize**")
    page.get_by_text(f"Continue as {name}").click()
    expect(page.locator(".ts-top")).to_contain_text(name)


class Caller:
    """A program that talks to the Space over HTTP, as somebody or as nobody; it knows no page."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=60)
        self.session = "caller"

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def sign_in(self, provider: Provider, name: str) -> None:
        """Signs in as a browser would; the cookie is for https, and sent all the same."""
        place = self.http.get("/login/huggingface")
        query = {key: values[0] for key, values in parse_qs(urlsplit(place.headers["location"]).query).items()}
        self._keep(place)
        provider.asked(query)
        codes = provider.codes.items()
        code = next(code for code, asked in codes if (asked["person"], asked["state"]) == (name, query["state"]))
        done = self.http.get("/login/callback", params={"code": code, "state": query["state"]})
        assert done.status_code == 307, done.text
        self._keep(done)

    def _keep(self, answer: httpx.Response) -> None:
        self.http.headers["cookie"] = answer.headers["set-cookie"].partition(";")[0]

    def config(self) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get("/config").json()
        return found

    def call(self, event: Mapping[str, Any], data: list[Any], event_data: Any) -> str:
        """What a handler answers, asked as Gradio's own page asks it."""
        trigger = (event.get("targets") or [[None]])[0][0]
        body = {
            "data": data, "event_data": event_data, "fn_index": event["id"], "session_hash": self.session,
            "trigger_id": trigger,
        }  # fmt: skip
        if not event.get("queue", True):
            return self.http.post("/gradio_api/run/predict", json=body).text
        joined = self.http.post("/gradio_api/queue/join", json=body)
        said = []
        with self.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": self.session}) as stream:
            for line in stream.iter_lines():
                said.append(line)
                if "process_completed" in line or "close_stream" in line:
                    break
        return joined.text + "".join(said)

    def serve(self, component: int, name: str, data: Any) -> str:
        """What a component's server function answers."""
        body = {"data": data, "component_id": component, "fn_name": name, "session_hash": self.session}
        return self.http.post("/gradio_api/component_server", json=body).text

    def everything(self, run: str, leave_out: tuple[str, ...] = ()) -> str:
        """All that can be had about a run and everything else: every handler, endpoint and server function, once.

        Of the controls that edit one argument each, which all have the same handler, only the first.
        """
        config = self.config()
        controls = [one["id"] for one in config["components"] if str(one["props"].get("elem_id")).startswith("arg-")]
        values = {one["id"]: one["props"].get("value") for one in config["components"]}
        # Opening the page comes first, as it does for a browser.
        events = sorted(config["dependencies"], key=lambda one: ("load" not in str(one["targets"]), one["id"]))
        given = {"run": run, "runs": [run], "recipe": PRESET.read_text(), "method": "sft", "name": "assets/demo/sft"}
        pressed = {**given, "do": "yaml", "id": run, "key": f"run:{run}", "value": run}
        answers = [json.dumps(config)]
        named = self.http.get("/gradio_api/info").json()["named_endpoints"]
        for event in events:
            endpoint = named.get(f"/{event['api_name']}") if event.get("api_name") else None
            edited = {target for target, _ in event["targets"]} & set(controls[1:])
            if event.get("api_name") in leave_out or not event.get("backend_fn", True) or edited:
                continue
            data = [values.get(component) for component in event["inputs"]]
            if endpoint is not None:
                data = [
                    given.get(one["parameter_name"], one.get("parameter_default")) for one in endpoint["parameters"]
                ]
            answers.append(self.call(event, data, pressed))
        for one in config["components"]:
            for name in one["props"].get("server_fns") or ():
                answers.append(self.serve(one["id"], name, {**pressed, "run": f"{run}#1", "cursor": None}))
        return "\n".join(answers)
