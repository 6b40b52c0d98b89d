"""Signing in: who one is afterwards, what the browser holds of it, and what other sites can do with it: nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from oauth_standin import CLIENT, SECRET, Provider, person, provider

from studio.adapters.space import SignIn, Space
from studio.domain.access import User
from studio.ui.signin import COOKIE, add_sign_in

HERE = "https://testserver"


@pytest.fixture
def hub() -> Iterator[Provider]:
    with provider(person("ada"), person("bob", ada="write")) as found:
        yield found


@contextmanager
def browser(hub: Provider, **space: object) -> Iterator[TestClient]:
    """A browser on a Space whose page says the user's name."""
    sign_in = SignIn(CLIENT, SECRET, "openid profile", hub.url)
    app = FastAPI()
    add_sign_in(app, Space("ada/studio", "ada", sign_in=sign_in, **space), lambda heading, words: heading + words)  # type: ignore[arg-type]

    @app.api_route("/", methods=["GET", "POST"])
    def front(request: Request) -> str:
        user = request.session.get("user")
        return user.name if isinstance(user, User) else "nobody"

    @app.get("/all")
    def everything(request: Request) -> str:
        return repr(request.session)

    with TestClient(app, base_url=HERE, follow_redirects=False) as client:
        yield client


def redirected(client: TestClient, hub: Provider, name: str) -> str:
    """Goes to the provider and says who one is; the address that it sends one back to."""
    place = client.get("/login/huggingface")
    assert place.status_code == 302
    query = dict(place.next_request.url.params) if place.next_request else {}
    assert query["redirect_uri"].endswith("/login/callback")
    hub.asked(query)
    codes = hub.codes.items()
    code = next(code for code, asked in codes if (asked["person"], asked["state"]) == (name, query["state"]))
    return f"/login/callback?code={code}&state={query['state']}"


def sign_in(client: TestClient, hub: Provider, name: str) -> None:
    done = client.get(redirected(client, hub, name))
    assert (done.status_code, done.headers["location"]) == (307, "/"), done.text


def test_signing_in_and_out(hub: Provider) -> None:
    with browser(hub) as client:
        assert client.get("/").json() == "nobody"
        assert COOKIE not in client.cookies
        sign_in(client, hub, "bob")
        assert client.get("/").json() == "bob"
        client.get("/logout")
        assert client.get("/").json() == "nobody"
        assert COOKIE not in client.cookies


def test_the_browser_holds_a_random_name_only(hub: Provider) -> None:
    with browser(hub) as client:
        path = redirected(client, hub, "ada")
        before = client.cookies[COOKIE]
        done = client.get(path)
        cookie = done.headers["set-cookie"]
        for limit in ("HttpOnly", "Secure", "SameSite=None", "Path=/"):
            assert limit in cookie
        assert client.cookies[COOKIE] != before, "a name from before the sign-in would let others in"
        token = hub.tokens["ada"]
        assert token not in str(done.headers) + done.text + client.get("/all").text


def test_a_name_from_before_is_worth_nothing(hub: Provider) -> None:
    with browser(hub) as client:
        path = redirected(client, hub, "ada")
        before = client.cookies[COOKIE]
        client.get(path)
        signed_in = client.cookies[COOKIE]
        client.get("/logout")
        for key in (before, signed_in, "guessed"):
            client.cookies.clear()
            assert client.get("/", headers={"cookie": f"{COOKIE}={key}"}).json() == "nobody"


@pytest.mark.parametrize("origin", ["https://evil.example", "https://testserver.evil.example", "null", "http://x"])
def test_pages_of_other_sites_act_for_nobody(hub: Provider, origin: str) -> None:
    with browser(hub, hosts=("ada-studio.hf.space",)) as client:
        client.get("/")
        place = client.get("/login/huggingface").headers["location"]
        assert "https%3A%2F%2Fada-studio.hf.space%2Flogin%2Fcallback" in place
    with browser(hub) as client:
        sign_in(client, hub, "ada")
        assert client.post("/", headers={"origin": origin}).json() == "nobody"
        assert client.post("/", headers={"origin": HERE}).json() == "ada"
        assert client.post("/").json() == "ada"


def test_the_space_is_known_by_all_its_names(hub: Provider) -> None:
    with browser(hub, hosts=("ada-studio.hf.space", "trl.example.org")) as client:
        client.get("/login/huggingface")
        for origin in ("https://trl.example.org", "https://ada-studio.hf.space"):
            assert "_state_" in client.get("/all", headers={"origin": origin}).text
        assert "_state_" not in client.get("/all", headers={"origin": "https://evil.example"}).text


def test_a_sign_in_that_fails_says_so(hub: Provider) -> None:
    with browser(hub) as client:
        state = redirected(client, hub, "ada").partition("state=")[2]
        forged = ("code=1&state=2", f"code=1&state={state}", f"error=access_denied&state={state}", "")
        for query in forged:
            done = client.get(f"/login/callback?{query}")
            assert done.status_code == 400
            assert "You are not signed in" in done.text
            assert client.get("/").json() == "nobody"


def test_an_answer_about_somebody_else_is_refused(hub: Provider) -> None:
    with browser(hub) as client:
        path = redirected(client, hub, "bob")
        hub.tokens["ada"] = hub.tokens["bob"] = "hf_same"  # the token is told to be ada's, the sign-in is bob's
        assert client.get(path).status_code == 400
        assert client.get("/").json() == "nobody"


def test_a_hub_that_is_away_says_so(hub: Provider) -> None:
    hub.port = 9
    with browser(hub) as client:
        done = client.get("/login/huggingface")
        assert done.status_code == 400
        assert "could not be reached" in done.text
