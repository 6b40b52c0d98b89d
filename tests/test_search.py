"""Search: the real client against a local Hub, what each hit tells, and every way in which a Hub may not answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import huggingface_hub
import pytest
from fakehub import FakeHub, running, silent
from hub_shelf import fill
from huggingface_hub.utils._http import default_client_factory
from model_files import cached, llama, models

from studio.adapters.home import Home, shipped_root
from studio.adapters.hub import HubClient, bound_requests
from studio.adapters.hubcache import HubCache
from studio.adapters.space import SignIn, Space
from studio.cli import main
from studio.domain.access import User
from studio.domain.columns import Column
from studio.domain.errors import StudioError
from studio.domain.hub_hits import DatasetHit, ModelHit, card_columns
from studio.domain.hub_query import DATASET_SIZES, MODEL_SIZES, Query, query_from
from studio.service.access import Access
from studio.service.dataset_offers import DatasetOffers
from studio.service.paths import Paths
from studio.service.search import LINES, Found, Search

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Requests as the web process makes them, in nobody's name."""
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    bound_requests(60)
    yield
    huggingface_hub.set_client_factory(default_client_factory)


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with running(fill(FakeHub())) as served:
        yield served
        huggingface_hub.close_session()  # else the server waits for the connection that is kept


class Clock:
    """A clock that stands until it is put forward."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def search(
    base: Path,
    url: str,
    token: str | None = None,
    access: Access | None = None,
    clock: Clock | None = None,
    patience: float = 60,
) -> Search:
    """A search over the hub at `url`, with cache and home below `base`."""
    access = access or Access()
    client = HubClient(url, f"{url}/viewer", access.token if access.space else token, patience)
    paths = Paths(base, shipped_root())
    datasets = DatasetOffers(lambda: paths, Home(base / "home"), HubCache(base / "cache"), access)
    return Search(client, models(base, url, token, patience), datasets, access, clock or Clock())


def hits(found: Found) -> dict[str, ModelHit | DatasetHit]:
    assert found.line == ""
    return {hit.id: hit for hit in found.hits}


# What hits tell --------------------------------------------------------------------------------------------------


def test_models_by_what_decides(hub: FakeHub, tmp_path: Path) -> None:
    found = hits(search(tmp_path, hub.url).on_hub("models", Query("mini", sort="downloads")))
    assert list(found)[:3] == ["org/mini-chat", "org/mini-base", "org/mini-gated"]
    chat, gated = found["org/mini-chat"], found["org/mini-gated"]
    assert isinstance(chat, ModelHit)
    assert isinstance(gated, ModelHit)
    assert (chat.parameters, chat.dtype, chat.licence, chat.template) == (494_000_000, "bfloat16", "apache-2.0", True)
    assert (chat.downloads, chat.likes, chat.changed) == (900, 3, "2026-05-01T10:00:00+00:00")
    assert (chat.gated, gated.gated, gated.access, gated.template, gated.unfit) == (False, True, None, None, "")
    assert "org/mini-secret" not in found
    assert len(hub.requests) == 1  # one request a search
    assert hub.searches[0]["limit"] == ["20"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("org/mini-lora", "Only an adapter: start from org/mini-chat."),
        ("org/mini-gguf", "GGUF files, made for running a model; TRL trains from safetensors."),
        ("org/mini-judge", "A classifier or reward model: it writes no text."),
        ("org/mini-pictures", "A model of diffusers: it makes pictures, no text."),
        ("org/mini-chat", ""),
        ("org/mini-base", ""),
    ],
)
def test_what_does_not_suit_is_there_with_the_reason(hub: FakeHub, tmp_path: Path, name: str, reason: str) -> None:
    found = hits(search(tmp_path, hub.url).on_hub("models", Query("mini")))
    assert found[name].unfit == reason


def test_a_classifier_suits_the_reward_method(hub: FakeHub, tmp_path: Path) -> None:
    found = hits(search(tmp_path, hub.url).on_hub("models", Query("judge"), "reward"))
    assert found["org/mini-judge"].unfit == ""


def test_filters_are_the_hubs_own(hub: FakeHub, tmp_path: Path) -> None:
    one = search(tmp_path, hub.url)
    names = {
        size: set(hits(one.on_hub("models", Query("mini", size=size)))) for size in MODEL_SIZES
    }  # every size is understood
    assert names["max:1B"] == {"org/mini-chat", "org/mini-judge"}
    assert names["min:4B,max:10B"] == {"org/mini-base"}
    assert names["min:40B"] == set()
    assert set(hits(one.on_hub("models", Query(library="peft")))) == {"org/mini-lora"}
    assert set(hits(one.on_hub("models", Query("mini", licence="mit")))) == {"org/mini-base"}
    assert set(hits(one.on_hub("models", Query("mini", task="text-classification")))) == {"org/mini-judge"}
    assert next(iter(hits(one.on_hub("models", Query("mini", sort="likes"))))) == "org/mini-base"
    one.on_hub("models", Query("mini", sort="last_modified"))
    assert hub.searches[-1]["sort"] == ["lastModified"]
    for size in DATASET_SIZES:
        one.on_hub("datasets", Query(size=size))
        assert hub.searches[-1]["filter"] == [f"size_categories:{size}"]
    found = hits(one.on_hub("datasets", Query(task="question-answering", size="1K<n<10K")))
    assert set(found) == {"org/pairs"}


def test_datasets_by_what_their_readme_declares(hub: FakeHub, tmp_path: Path) -> None:
    found = hits(search(tmp_path, hub.url).on_hub("datasets", Query("pairs")))
    one, bare = found["org/pairs-declared"], found["org/pairs"]
    assert isinstance(one, DatasetHit)
    assert isinstance(bare, DatasetHit)
    assert (one.rows, one.size, one.configs, one.splits) == (62_135, 226_000_000, ("main", "hard"), ("train", "test"))
    assert (one.type, one.licence, one.columns) == ("preference", "mit", ("chosen", "rejected", "label"))
    assert {"dpo", "reward"} <= set(one.methods)
    assert (bare.rows, bare.rows_about, bare.task, bare.type) == (None, "1K<n<10K", "question-answering", None)
    assert found["org/pairs-sounds"].unfit == "It holds audio, no text."
    assert len(hub.requests) == 1


def test_features_as_a_readme_writes_them() -> None:
    told = [
        {"name": "a", "dtype": "string"},
        {"name": "b", "sequence": "int64"},
        {"name": "c", "list": [{"name": "from", "dtype": "string"}, {"name": "value", "dtype": "string"}]},
        {"name": "d", "struct": [{"name": "x", "dtype": "float32"}]},
        {"name": "e", "dtype": {"class_label": {"names": {"0": "n"}}}},
        {"name": "f", "dtype": "image"},
        {"name": "g", "list": {"name": "x", "dtype": "bool"}},
        {"name": "h"},
    ]
    kinds = [column.type for column in card_columns(told)]
    assert kinds == ["text", "list<integer>", "turns", "struct", "integer", "image", "list<boolean>", "other"]
    assert card_columns(told)[3] == Column("d", "struct", (Column("x", "number"),))
    for odd in (None, "text", [None], [{"dtype": "string"}], {"a": 1}):
        assert card_columns(odd) == []


def test_what_takes_more_requests_comes_later(hub: FakeHub, tmp_path: Path) -> None:
    one = search(tmp_path, hub.url)
    assert one.more("datasets", "org/pairs") is None  # nobody has found it yet
    one.on_hub("datasets", Query("pairs"))
    one.on_hub("models", Query("mini"))
    pairs, gated = one.more("datasets", "org/pairs"), one.more("datasets", "org/pairs-gated")
    assert isinstance(pairs, DatasetHit)
    assert isinstance(gated, DatasetHit)
    assert (pairs.type, pairs.rows, pairs.splits, pairs.configs) == (
        *("prompt-completion", 4321, ("train", "test"), ("default",)),
    )
    assert (gated.access, gated.type) == (False, None)
    barred, base = one.more("models", "org/mini-gated"), one.more("models", "org/mini-chat")
    assert isinstance(barred, ModelHit)
    assert isinstance(base, ModelHit)
    assert (barred.access, barred.template) == (False, None)
    assert (base.access, base.template) == (None, True)
    asked = len(hub.requests)
    one.more("datasets", "org/pairs")
    assert len(hub.requests) == asked  # what is known is not asked again


def test_an_account_with_access(hub: FakeHub, tmp_path: Path) -> None:
    one = search(tmp_path, hub.url, token="hf_good")
    assert "org/mini-secret" in hits(one.on_hub("models", Query("mini")))
    one.on_hub("datasets", Query("pairs"))
    model, data = one.more("models", "org/mini-gated"), one.more("datasets", "org/pairs-gated")
    assert isinstance(model, ModelHit)
    assert isinstance(data, DatasetHit)
    assert (model.access, model.template) == (True, False)
    assert (data.access, data.type, data.rows) == (True, "prompt-completion", 4321)


def test_on_a_space_everybody_searches_with_his_own_token(hub: FakeHub, tmp_path: Path) -> None:
    asking: list[User | None] = [None]
    space = Space("ada/studio", "ada", sign_in=SignIn("client", "secret"), token="hf_good")
    one = search(tmp_path, hub.url, access=Access(space, lambda: asking[0]))
    assert "org/mini-secret" not in hits(one.on_hub("models", Query("mini")))
    asking[0] = User("bob", {}, 9e12, "hf_good")
    assert "org/mini-secret" in hits(one.on_hub("models", Query("mini")))
    asking[0] = User("eve", {}, 9e12, "hf_other")
    assert "org/mini-secret" not in hits(one.on_hub("models", Query("mini")))


# Trouble ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "why"),
    [
        *((401, "refused"), (403, "refused"), (404, "unsupported"), (410, "unsupported"), (429, "limited")),
        *((500, "busy"), (502, "busy"), (503, "busy"), (504, "busy")),
    ],
)
@pytest.mark.parametrize("kind", ["models", "datasets"])
def test_a_hub_that_refuses_or_fails(hub: FakeHub, tmp_path: Path, status: int, why: str, kind: str) -> None:
    hub.faults[f"/api/{kind}"] = status
    one = search(tmp_path, hub.url, token="hf_old")
    found = one.on_hub("models" if kind == "models" else "datasets", Query("mini"))
    assert (found.why, found.status, found.hits) == (why, status, ())
    assert found.line
    assert "Error" not in found.line
    assert hub.requests == [f"GET /api/{kind}"]  # and it is not asked again and again


@pytest.mark.parametrize("status", [401, 403])
def test_who_has_no_token_is_told_to_log_in_and_not_that_it_is_refused(
    hub: FakeHub, tmp_path: Path, status: int
) -> None:
    hub.faults["/api/models"] = status
    found = search(tmp_path, hub.url).on_hub("models", Query("mini"))
    assert (found.why, found.line) == ("no token", "The Hub answers only those who are logged in: log in first.")
    nobody = Access(Space("ada/studio", "ada", sign_in=SignIn("client", "secret"), token="hf_good"), lambda: None)
    assert search(tmp_path, hub.url, access=nobody).on_hub("models", Query("mini")).why == "no token"


def test_a_refusing_hub_is_left_alone_for_a_while(hub: FakeHub, tmp_path: Path) -> None:
    clock = Clock()
    one = search(tmp_path, hub.url, clock=clock)
    hub.faults["/api/models"] = 429
    assert one.on_hub("models", Query("mini")).why == "limited"
    hub.faults.clear()
    for text in ("min", "mini", "mini-"):
        assert one.on_hub("models", Query(text)).why == "limited"
    assert one.on_hub("datasets", Query("pairs")).why == "limited"
    assert len(hub.requests) == 1
    assert hits(one.on_hub("models", Query("mini"), again=True))
    assert hits(one.on_hub("models", Query("chat")))  # it answers again
    hub.faults["/api/models"] = 503
    assert one.on_hub("models", Query("base")).why == "busy"
    hub.faults.clear()
    clock.now += 6
    assert hits(one.on_hub("models", Query("base")))


def test_an_answer_stands_for_a_while(hub: FakeHub, tmp_path: Path) -> None:
    clock = Clock()
    one = search(tmp_path, hub.url, clock=clock)
    first = one.on_hub("models", Query("mini"))
    assert one.on_hub("models", Query("mini")) is first
    assert len(hub.requests) == 1
    clock.now += 121
    assert one.on_hub("models", Query("mini")) is not first


def test_nobody_there_and_nobody_who_answers(hub: FakeHub, tmp_path: Path) -> None:
    absent = search(tmp_path, NOWHERE).on_hub("models", Query("mini"))
    assert (absent.why, absent.again) == ("offline", True)
    with silent() as url:
        one = search(tmp_path, url, patience=0.3)
        for kind in ("models", "datasets"):
            assert one.on_hub(kind, Query("mini"), again=True).why == "timeout"  # type: ignore[arg-type]


def test_an_answer_that_is_no_list(hub: FakeHub, tmp_path: Path) -> None:
    hub.models["org/odd"] = type(hub.models["org/mini-chat"])({"safetensors": {"nothing": 1}, "tags": []})
    found = search(tmp_path, hub.url).on_hub("models", Query("odd"))
    assert (found.why, found.line) == ("trouble", LINES["trouble"])


def test_in_offline_mode_nobody_is_asked(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    found = search(tmp_path, hub.url).on_hub("models", Query("mini"))
    assert (found.why, found.again, hub.requests) == ("off", False, [])


def test_what_is_no_search_is_not_asked(hub: FakeHub, tmp_path: Path) -> None:
    one = search(tmp_path, hub.url)
    for text in ("", "m", "/home/x", "./data", "~/x", "a/b/c"):
        assert one.on_hub("models", Query(text)) == Found(asked=False)
    assert hub.requests == []


def test_queries_from_outside() -> None:
    told = {"text": " qwen ", "size": "max:1B", "sort": "likes", "library": None, "other": 1}
    assert query_from("models", told) == Query("qwen", size="max:1B", sort="likes")
    for kind, wrong in (("models", {"size": "huge"}), ("models", {"sort": "up"}), ("datasets", {"licence": "mit"})):
        with pytest.raises(StudioError):
            query_from(kind, wrong)


# What is here ----------------------------------------------------------------------------------------------------


def test_what_is_here_is_found_without_a_hub(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "datasets" / "uploads").mkdir(parents=True)
    (home / "datasets" / "uploads" / "shop.jsonl").write_text(
        "".join(json.dumps({"prompt": "hi", "completion": "ho"}) + "\n" for _ in range(3))
    )
    (home / "datasets" / "uploads" / "broken.parquet").write_bytes(b"no")
    prepared = home / "datasets" / "mapped-pairs"
    prepared.mkdir()
    (prepared / "train.jsonl").write_text('{"prompt": "a", "chosen": "b", "rejected": "c"}\n')
    cache = tmp_path / "cache"
    cached(cache, "org/mini-here", llama())
    snapshot = cache / "datasets--org--cached-pairs" / "snapshots" / ("c" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "train.jsonl").write_text('{"prompt": "a", "completion": "b"}\n' * 2)
    (cache / "datasets--org--cached-pairs" / "refs").mkdir()
    (cache / "datasets--org--cached-pairs" / "refs" / "main").write_text("c" * 40)
    one = search(tmp_path, NOWHERE)
    assert one.here("datasets") == []
    assert one.look_around("datasets") is True
    assert one.look_around("datasets") is False
    found = {offer.title: offer for offer in one.here("datasets")}
    assert found["shop.jsonl"].kind == "upload"
    assert found["shop.jsonl"].detail == "prompt-completion · 3 rows"
    assert (found["mapped-pairs"].kind, found["mapped-pairs"].detail) == ("prepared", "preference · 1 row")
    # Of files in the Hub's cache the library loads none by the dataset's name: what is offered is their folder.
    assert (found["org/cached-pairs"].kind, found["org/cached-pairs"].id) == ("cached", str(snapshot))
    assert found["org/cached-pairs"].detail == "prompt-completion · 2 rows"
    assert "broken.parquet" not in found
    assert found["Demo data: sft"].id == "assets/demo/sft"
    assert [offer.title for offer in one.here("datasets", "PAIRS")] == ["mapped-pairs", "org/cached-pairs"]
    assert [offer.title for offer in one.here("datasets", "preference mapped")] == ["mapped-pairs"]
    one.look_around("models")
    assert "org/mini-here" in [offer.title for offer in one.here("models", "mini")]
    assert one.on_hub("models", Query("mini")).why == "offline"


def test_others_on_a_space_see_the_demos_only(tmp_path: Path) -> None:
    (tmp_path / "home" / "datasets").mkdir(parents=True)
    (tmp_path / "home" / "datasets" / "secret.jsonl").write_text('{"text": "x"}\n')
    asking: list[User | None] = [None]
    one = search(tmp_path, NOWHERE, access=Access(Space("ada/studio", "ada"), lambda: asking[0]))
    one.look_around("datasets")
    assert {offer.kind for offer in one.here("datasets")} == {"demo"}
    asking[0] = User("ada", {}, 9e12, "hf_x")
    assert "secret.jsonl" in [offer.title for offer in one.here("datasets")]


# The command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def command(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """`trl-studio search` against the hub, with a home and a cache of its own."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    return lambda *words: main(["search", *words, "--home", str(tmp_path / "home")])


def test_the_command(command: Callable[..., int], hub: FakeHub, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("models", "mini", "--size", "max:1B", "--sort", "downloads") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:4] for line in lines[:2]] == [
        ["NAME", "WHERE", "SIZE", "MORE"],
        ["org/mini-chat", "Hub", "0.49", "B"],
    ]
    assert command("datasets", "dpo", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["id"] for one in told["here"]] == ["assets/demo/dpo"]
    assert (told["hits"], told["trouble"]) == ([], None)
    assert command("datasets", "pairs", "--json") == 0
    hit = json.loads(capsys.readouterr().out)["hits"][1]
    assert (hit["id"], hit["rows"], hit["type"]) == ("org/pairs-declared", 62_135, "preference")
    hub.faults["/api/models"] = 429
    assert command("models", "demo") == 1
    shown = capsys.readouterr()
    assert "assets/demo/model" in shown.out
    assert shown.err == f"{LINES['limited']}\n"
    assert command("models", "--size", "huge") == 2
    assert "'huge' is no size of models." in capsys.readouterr().err
