"""A small Hub on the loopback interface: enough of its HTTP for the real clients, with a log and faults on demand."""

from __future__ import annotations

import asyncio
import hashlib
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from viewer_numbers import viewer_statistics


@dataclass
class Repo:
    """A repository: what its info says, its files, and who may read it.

    `revisions` are the files of branches and tags other than main; `sizes` are told instead of the files' own.
    """

    info: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    revisions: dict[str, dict[str, bytes]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    gated: bool = False
    private: bool = False
    counted: int | None = None  # rows of each split that the viewer has statistics on; None: all that are here
    pending: tuple[str, ...] = ()  # configurations that the viewer has not prepared yet
    # dataset viewer: configuration -> split -> (features, rows, number of rows)
    splits: dict[str, dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]], int]]] = field(default_factory=dict)


class FakeHub:
    """Repositories by id, the requests that came, and faults: a path's beginning and the status that it then answers.

    Tokens `hf_good` may read what is gated and private; any other token or none may not. `accounts` has the answer to
    "who am I" by token; a token that is not there is refused. Lists are sifted and sorted as the real ones are told to
    be; `searches` has what came to them, `held` are words of a search that is answered only once they are taken out,
    and `hanging` are repositories of which the viewer and the API say nothing before that.
    """

    def __init__(self) -> None:
        self.models: dict[str, Repo] = {}
        self.datasets: dict[str, Repo] = {}
        self.requests: list[str] = []
        self.faults: dict[str, int] = {}
        self.sent = 0  # bytes of datasets' files
        self.accounts: dict[str, dict[str, Any]] = {}
        self.searches: list[dict[str, list[str]]] = []
        self.held: set[str] = set()
        self.hanging: set[str] = set()
        self.url = ""

    @property
    def viewer(self) -> str:
        return f"{self.url}/viewer"

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/viewer/{question}", self._viewer),
                Route("/api/whoami-v2", self._whoami),
                Route("/api/{kind}", self._list),
                Route("/api/{kind}/{name:path}/auth-check", self._auth_check),
                Route("/api/models/{name:path}", self._model_info),
                Route("/api/datasets/{name:path}", self._dataset_info),
                Route("/{owner}/{repo}/resolve/{revision}/{file:path}", self._file, methods=["GET", "HEAD"]),
                Route("/datasets/{owner}/{repo}/resolve/{revision}/{file:path}", self._data, methods=["GET", "HEAD"]),
            ]
        )

    def _fault(self, request: Request) -> Response | None:
        self.requests.append(f"{request.method} {request.url.path}")
        for path, status in self.faults.items():
            if request.url.path.startswith(path):
                return JSONResponse({"error": "fault"}, status)
        return None

    async def _hang(self, name: str) -> None:
        while name in self.hanging:
            await asyncio.sleep(0.02)

    def _may_read(self, request: Request) -> bool:
        return request.headers.get("authorization") == "Bearer hf_good"

    def _info(self, request: Request, repos: dict[str, Repo]) -> Response:
        name, _, revision = request.path_params["name"].partition("/revision/")
        repo = repos.get(name)
        if repo is None or (repo.private and not self._may_read(request)):
            return refusal(404, "RepoNotFound", "Repository not found")
        files = repo.files if revision in ("", "main") else repo.revisions.get(revision)
        if files is None:
            return refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        siblings: list[dict[str, Any]] = [{"rfilename": file} for file in files]
        if "blobs" in request.query_params:
            for one in siblings:
                content = files[one["rfilename"]]
                one |= {"size": repo.sizes.get(one["rfilename"], len(content)), "blobId": blob(content)}
        base = {"id": name, "gated": "manual" if repo.gated else False, "private": repo.private, "siblings": siblings}
        return JSONResponse(base | {"sha": blob(repr(sorted(files.items())).encode())} | repo.info)

    async def _list(self, request: Request) -> Response:
        fault = self._fault(request)
        if fault:
            return fault
        kind, asked = request.path_params["kind"], request.query_params
        self.searches.append({name: asked.getlist(name) for name in asked})
        while self.held & set(asked.getlist("search")):
            await asyncio.sleep(0.02)
        repos = {"models": self.models, "datasets": self.datasets}.get(kind)
        if repos is None:
            return refusal(404, "", "no such list")
        seen = [(name, repo) for name, repo in repos.items() if not repo.private or self._may_read(request)]
        found = [listed(name, repo) for name, repo in seen]
        found = [one for one in found if fits(one, asked)]
        order = asked.get("sort", "trendingScore")
        found.sort(key=lambda one: one.get(order) or 0, reverse=True)
        start, limit = int(asked.get("cursor", 0)), int(asked.get("limit", 1000))
        keep = {"_id", "id", *asked.getlist("expand")}
        page = [{key: value for key, value in one.items() if key in keep} for one in found[start : start + limit]]
        rest = urlencode([*((key, value) for key, value in asked.multi_items() if key != "cursor"), ("cursor", limit)])
        link = {"Link": f'<{self.url}/api/{kind}?{rest}>; rel="next"'} if start + limit < len(found) else {}
        return JSONResponse(page, headers=link)

    async def _auth_check(self, request: Request) -> Response:
        fault = self._fault(request)
        if fault:
            return fault
        repos = self.models if request.path_params["kind"] == "models" else self.datasets
        repo = repos.get(request.path_params["name"])
        if repo is None or (repo.private and not self._may_read(request)):
            return refusal(404, "RepoNotFound", "Repository not found")
        if repo.gated and not self._may_read(request):
            return refusal(403, "GatedRepo", "Access to this repository is restricted")
        return Response("OK")

    async def _whoami(self, request: Request) -> Response:
        fault = self._fault(request)
        if fault:
            return fault
        account = self.accounts.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        return JSONResponse(account) if account else refusal(401, "", "Invalid credentials in Authorization header")

    async def _model_info(self, request: Request) -> Response:
        await self._hang(request.path_params["name"])
        return self._fault(request) or self._info(request, self.models)

    async def _dataset_info(self, request: Request) -> Response:
        await self._hang(request.path_params["name"])
        return self._fault(request) or self._info(request, self.datasets)

    async def _file(self, request: Request) -> Response:
        fault = self._fault(request)
        if fault:
            return fault
        repo = self.models.get(f"{request.path_params['owner']}/{request.path_params['repo']}", Repo())
        if repo.gated and not self._may_read(request):
            return refusal(401, "GatedRepo", "Access to this model is restricted")
        revision = request.path_params["revision"]
        files = repo.files if revision == "main" else repo.revisions.get(revision, {})
        content = files.get(request.path_params["file"])
        if content is None:
            return refusal(404, "EntryNotFound", "Entry not found")
        commit = blob(repr(sorted(files.items())).encode())
        return Response(content, headers={"etag": f'"{blob(content)}"', "x-repo-commit": commit})

    async def _data(self, request: Request) -> Response:
        """A file of a dataset, or the range of it that is asked for, at the one commit that there is."""
        fault = self._fault(request)
        if fault:
            return fault
        repo = self.datasets.get(f"{request.path_params['owner']}/{request.path_params['repo']}", Repo())
        if (repo.gated or repo.private) and not self._may_read(request):
            return refusal(401, "GatedRepo", "Access to this dataset is restricted")
        content = repo.files.get(request.path_params["file"])
        if content is None:
            return refusal(404, "EntryNotFound", "Entry not found")
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("range", ""))
        if asked is None:
            self.sent += len(content)
            commit = blob(repr(sorted(repo.files.items())).encode())
            return Response(content, headers={"etag": f'"{blob(content)}"', "x-repo-commit": commit})
        start, stop = int(asked[1]), int(asked[2]) + 1
        if start >= len(content):
            return Response(status_code=416, headers={"content-range": f"bytes */{len(content)}"})
        part = content[start:stop]
        self.sent += len(part)
        told = f"bytes {start}-{start + len(part) - 1}/{len(content)}"
        return Response(part, 206, headers={"content-range": told, "accept-ranges": "bytes"})

    async def _viewer(self, request: Request) -> Response:
        fault = self._fault(request)
        if fault:
            return fault
        asked = request.query_params
        name = asked["dataset"]
        await self._hang(name)
        repo = self.datasets.get(name)
        if repo is None or ((repo.gated or repo.private) and not self._may_read(request)):
            signed = "authorization" in request.headers
            code = "ExternalAuthenticatedError" if signed else "ExternalUnauthenticatedError"
            return refusal(404 if signed else 401, code, "The dataset does not exist, or is not accessible.")
        question = request.path_params["question"]
        if question == "splits":
            known = [
                {"dataset": name, "config": config, "split": split}
                for config, splits in repo.splits.items()
                for split in splits
            ]
            pending = [{"dataset": name, "config": config} for config in repo.pending]
            return JSONResponse({"splits": known, "pending": pending, "failed": []})
        if question == "size":
            sizes = [
                {"config": asked["config"], "split": split, "num_rows": count}
                for split, (_, _, count) in repo.splits[asked["config"]].items()
            ]
            return JSONResponse({"size": {"splits": sizes}, "pending": [], "failed": [], "partial": False})
        if asked["config"] not in repo.splits or asked["split"] not in repo.splits[asked["config"]]:
            return refusal(404, "ConfigNotFound", "There is no such configuration or split.")
        features, rows, count = repo.splits[asked["config"]][asked["split"]]
        if question == "rows":
            start, length = int(asked["offset"]), int(asked["length"])
            if length > 100:
                return refusal(422, "InvalidParameter", "Parameter 'length' must not be greater than 100")
            part = {"features": features, "rows": rows[start : start + length], "num_rows_per_page": 100}
            return JSONResponse(part | {"num_rows_total": count, "partial": False})
        if question == "statistics":
            told = viewer_statistics(features, rows[: repo.counted])
            return JSONResponse({**told, "partial": repo.counted is not None})
        if question == "filter":
            return _filtered(asked, features, rows[: repo.counted], partial=repo.counted is not None)
        rows = rows[:100]
        answer = {"dataset": name, "features": features, "rows": rows, "truncated": False}
        return JSONResponse(answer) if question == "first-rows" else refusal(404, "", "no such question")


def _filtered(asked: Any, features: list[dict[str, Any]], rows: list[dict[str, Any]], partial: bool) -> Response:
    """The viewer's answer to `/filter`, of whose SQL this one knows `"column" IS NULL`; the rows keep their numbers."""
    where, start, length = asked["where"], int(asked["offset"]), int(asked["length"])
    if re.search(r";|--|/\*|\*/", where):
        return refusal(422, "InvalidParameter", "Parameter 'where' contains invalid symbols")
    named = re.fullmatch(r'"((?:[^"]|"")+)" IS NULL', where)
    column = named[1].replace('""', '"') if named else None
    if column not in {feature["name"] for feature in features}:
        return refusal(422, "InvalidParameter", "Parameter 'where' is invalid")
    found = [row for row in rows if row["row"][column] is None]
    part = {"features": features, "rows": found[start : start + length], "num_rows_per_page": 100}
    return JSONResponse(part | {"num_rows_total": len(found), "partial": partial})


def listed(name: str, repo: Repo) -> dict[str, Any]:
    """What a list tells of a repository: what its info says, with the tags that follow from that."""
    about = {"_id": name, "id": name, "gated": "manual" if repo.gated else False, "private": repo.private, **repo.info}
    licence = (about.get("cardData") or {}).get("license")
    tags = [about.get("library_name"), about.get("pipeline_tag"), licence and f"license:{licence}"]
    return {**about, "tags": [*filter(None, tags), *about.get("tags", [])]}


def fits(one: dict[str, Any], asked: Any) -> bool:
    """Whether a repository is among what is asked for."""
    units = {"K": 1e3, "M": 1e6, "B": 1e9}
    count = (one.get("safetensors") or {}).get("total")
    limits = dict(part.split(":") for part in asked.get("num_parameters", "").split(",") if part)
    bounds = {side: float(text[:-1]) * units[text[-1]] for side, text in limits.items()}
    return (
        all(word.lower() in one["id"].lower() for word in asked.getlist("search"))
        and all(tag in one["tags"] for tag in asked.getlist("filter"))
        and asked.get("pipeline_tag") in (None, one.get("pipeline_tag"))
        and (not bounds or count is not None)
        and bounds.get("min", 0) <= (count or 0) <= bounds.get("max", float("inf"))
    )


def blob(content: bytes) -> str:
    """What the Hub and the local cache call a content; also a commit, in this Hub."""
    return hashlib.sha1(content).hexdigest()


def account(name: str, role: str = "write", orgs: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """What the Hub answers to "who am I": `orgs` has the role in each organisation, `more` goes to the token's part."""
    token = {"displayName": f"{name}'s laptop", "role": role, "createdAt": "2026-01-01T00:00:00.000Z", **more}
    members = [{"type": "org", "name": org, "roleInOrg": its_role} for org, its_role in (orgs or {}).items()]
    auth = {"type": "access_token", "accessToken": token}
    return {"type": "user", "id": "1", "name": name, "fullname": name.title(), "orgs": members, "auth": auth}


def scope(kind: str, name: str, *permissions: str) -> dict[str, Any]:
    """One entry of a fine-grained token: what it may do with a user's, an organisation's or a repository's things."""
    return {"entity": {"_id": "6", "type": kind, "name": name}, "permissions": list(permissions)}


def refusal(status: int, code: str, message: str) -> Response:
    """An error as the Hub words it: the headers are what the client goes by."""
    return JSONResponse({"error": message}, status, headers={"X-Error-Code": code, "X-Error-Message": message})


@contextmanager
def running(hub: FakeHub) -> Iterator[FakeHub]:
    """The hub served on a free port of the loopback interface, on a thread of this process."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        hub.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(hub.app(), log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            while not server.started:
                thread.join(0.01)
                if not thread.is_alive():
                    raise RuntimeError("the local hub did not start")
            yield hub
        finally:
            server.should_exit = True
            thread.join(10)


@contextmanager
def silent() -> Iterator[str]:
    """The URL of a server that takes connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(32)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def dripping() -> Iterator[str]:
    """The URL of a server that sends a header's letters, one by one, for as long as it is asked."""
    ended = threading.Event()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        listener.settimeout(0.1)

        def drip(connection: socket.socket) -> None:
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                while not ended.wait(0.05):
                    try:
                        connection.sendall(b"x")
                    except OSError:
                        return

        def accept() -> None:
            while not ended.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                threading.Thread(target=drip, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            ended.set()
            thread.join(10)
