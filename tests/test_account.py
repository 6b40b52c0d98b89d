"""Who is signed in and what may be pushed: the real client against a small Hub, and the Findings that come of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from fakehub import FakeHub, Repo, account, dripping, running, scope, silent
from huggingface_hub import constants

from studio.adapters.home import Home
from studio.adapters.hub import bound_requests
from studio.adapters.hubaccount import HubAccount
from studio.domain.account import NOBODY, Account, Repository, account_from, repository_name, repository_problem
from studio.domain.arguments import Catalog
from studio.domain.checks import check
from studio.domain.errors import StudioError
from studio.domain.findings import Finding
from studio.domain.machine_checks import Surroundings
from studio.domain.recipe import Recipe
from studio.service.account import KEEP, RETRY, Accounts
from studio.service.studio import Studio

SECRET = "hf_averysecrettoken"


@pytest.fixture(autouse=True)
def client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The bounded client of the web process, nobody's token, and a Hub that nothing keeps from being asked."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_OIDC_RESOURCE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    bound_requests()
    yield
    huggingface_hub.set_client_factory(huggingface_hub.utils._http.default_client_factory)


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with running(FakeHub()) as served:
        served.accounts[SECRET] = account("ada", orgs={"acme": "write", "readers": "read", "lab": "contributor"})
        yield served


def sign_in(monkeypatch: pytest.MonkeyPatch, token: str = SECRET) -> None:
    monkeypatch.setenv("HF_TOKEN", token)


# The adapter ----------------------------------------------------------------------------------------------------


def test_nobody_is_asked_where_nobody_is_signed_in(hub: FakeHub) -> None:
    asked = HubAccount(hub.url)
    assert asked.mark() is None
    assert asked.who() == NOBODY
    assert hub.requests == []


def test_a_writer_may_write_to_his_own_and_to_organisations_that_let_him(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(monkeypatch)
    who = HubAccount(hub.url).who()
    assert (who.state, who.name, who.role, who.token) == ("known", "ada", "write", "ada's laptop")
    assert who.owners == ("ada", "acme", "lab")
    assert who.place == "in HF_TOKEN"
    assert (who.may_write("model"), who.may_write("Acme/x"), who.may_write("readers/x")) == (True, True, False)
    assert SECRET not in repr(who)


def test_the_token_that_hf_auth_login_keeps_is_found(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = HubAccount(hub.url)
    (tmp_path / "token").write_text(SECRET)
    first = asked.mark()
    assert first is not None
    assert SECRET not in first
    assert asked.who().name == "ada"
    assert asked.who().place == "kept by hf auth login"
    sign_in(monkeypatch, "hf_another")
    assert asked.mark() not in (None, first)


def test_a_token_given_by_a_function_stands_in_for_the_machines(hub: FakeHub) -> None:
    given: list[str | None] = [None]
    asked = HubAccount(hub.url, token=lambda: given[0])
    assert asked.mark() is None
    given[0] = SECRET
    assert asked.mark() is not None
    assert asked.who().name == "ada"


@pytest.mark.parametrize(
    ("granted", "owners", "repositories", "model", "acme", "single"),
    [
        ([], (), (), False, False, False),
        ([scope("user", "ada", "repo.content.read")], (), (), False, False, False),
        ([scope("user", "ada", "repo.content.read", "repo.write")], ("ada",), (), True, False, False),
        ([scope("org", "acme", "repo.write")], ("acme",), (), False, True, False),
        ([scope("org", "strangers", "repo.write")], (), (), False, False, False),
        ([scope("model", "team/one", "repo.write")], (), ("team/one",), False, False, True),
        ([scope("model", "", "repo.write")], (), (), None, None, None),
        ([scope("dataset", "ada/data", "repo.write")], (), (), False, False, False),
    ],
)
def test_a_fine_grained_token_may_write_where_it_says_so(
    hub: FakeHub,
    monkeypatch: pytest.MonkeyPatch,
    granted: list[dict[str, Any]],
    owners: tuple[str, ...],
    repositories: tuple[str, ...],
    model: bool | None,
    acme: bool | None,
    single: bool | None,
) -> None:
    fine = {"canReadGatedRepos": True, "global": ["discussion.write"], "scoped": granted}
    hub.accounts[SECRET] = account("ada", "fineGrained", {"acme": "admin"}, fineGrained=fine)
    sign_in(monkeypatch)
    who = HubAccount(hub.url).who()
    assert (who.role, who.owners, who.repositories) == ("fine-grained", owners, repositories)
    assert (who.may_write("m"), who.may_write("acme/m"), who.may_write("team/one")) == (model, acme, single)


@pytest.mark.parametrize("answer", [{"name": "ada", "auth": None, "orgs": "none"}, {"name": "ada", "auth": {}}])
def test_what_the_hub_does_not_tell_stays_unknown(answer: dict[str, Any]) -> None:
    who = account_from(answer)
    assert who.role == "unknown"
    assert who.may_write("model") is None


def test_an_expired_token_is_refused_and_a_fault_is_no_refusal(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in(monkeypatch, "hf_expired")
    assert HubAccount(hub.url).who().state == "refused"
    sign_in(monkeypatch)
    for status in (429, 500):
        hub.faults["/api/whoami-v2"] = status
        who = HubAccount(hub.url).who()
        assert who.state == "unreachable"
        assert who.why


def test_a_hub_that_is_not_there_or_says_nothing_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in(monkeypatch)
    assert HubAccount("http://127.0.0.1:9").who().state == "unreachable"
    for broken in (silent, dripping):
        with broken() as url:
            asked = HubAccount(url, patience=0.3)
            began = time.monotonic()
            assert asked.who().state == "unreachable"
            assert asked.repository("ada/x").state == "unknown"
            assert time.monotonic() - began < 30


def test_the_real_client_is_told_to_stay_offline(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    sign_in(monkeypatch)
    who = HubAccount(hub.url).who()
    assert (who.state, who.why) == ("unreachable", "The Hub cannot be reached from here.")
    assert hub.requests == []


def test_repositories_are_there_or_free(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in(monkeypatch)
    hub.models["ada/old"] = Repo()
    asked = HubAccount(hub.url)
    assert asked.repository("ada/old") == Repository("ada/old", "there", False)
    assert asked.repository("ada/new") == Repository("ada/new", "free")
    hub.faults["/api/models/"] = 503
    assert asked.repository("ada/old").state == "unknown"


# The service ----------------------------------------------------------------------------------------------------


def test_answers_are_kept_and_failures_asked_again_sooner(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    accounts = Accounts(HubAccount(hub.url), clock=lambda: now[0])
    assert accounts.known() == NOBODY
    assert accounts.learn() is False
    sign_in(monkeypatch)
    assert accounts.known().state == "not asked"
    assert accounts.learn() is True
    assert accounts.known().name == "ada"
    assert accounts.learn() is False
    assert len(hub.requests) == 1
    now[0] = KEEP + 1
    assert accounts.learn() is False  # asked, and nothing new
    assert len(hub.requests) == 2
    assert accounts.learn(anew=True) is False
    assert len(hub.requests) == 3
    hub.faults["/api/whoami-v2"] = 500
    assert accounts.learn(anew=True) is True
    hub.faults.clear()
    now[0] += RETRY / 2
    assert accounts.learn() is False
    now[0] += RETRY
    assert accounts.learn() is True
    assert accounts.known().state == "known"


def test_another_token_is_another_account(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.accounts["hf_bob"] = account("bob", "read")
    accounts = Accounts(HubAccount(hub.url))
    sign_in(monkeypatch)
    accounts.learn()
    sign_in(monkeypatch, "hf_bob")
    assert accounts.known().state == "not asked"
    accounts.learn()
    assert accounts.known().name == "bob"
    monkeypatch.delenv("HF_TOKEN")
    assert accounts.known() == NOBODY


def test_a_repository_is_asked_for_under_the_accounts_own_name(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.models["ada/old"] = Repo()
    accounts = Accounts(HubAccount(hub.url))
    sign_in(monkeypatch)
    assert accounts.repository("old") is None
    assert accounts.learn("old") is True
    assert accounts.repository("old") == accounts.repository("ada/old") == Repository("ada/old", "there")
    before = len(hub.requests)
    assert accounts.learn("old") is False
    assert accounts.learn("a/b/c") is False
    assert len(hub.requests) == before


def test_start_asks_before_anything_starts(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, catalog_folder: Path
) -> None:
    home = Home(tmp_path / "home")
    home.root.mkdir()
    (home.root / "cache").symlink_to(catalog_folder)
    studio = Studio(home)
    studio.accounts = Accounts(HubAccount(hub.url))
    sign_in(monkeypatch)
    pushed = {"push_to_hub": True, "hub_model_id": "openai/gpt", "model_name_or_path": "a/b", "dataset_name": "c/d"}
    recipe = Recipe("sft", pushed)
    assert [one.message for one in studio.prepare(recipe).findings if one.level == "error"] == []
    with pytest.raises(StudioError, match="ada may not write to openai"):
        studio.start(recipe)
    assert not list(home.runs.glob("*"))
    assert "ada may not write to openai." in [one.message for one in studio.check(recipe)]
    hub.requests.clear()
    studio.check(recipe, elsewhere=True)
    assert [request for request in hub.requests if "whoami" in request] == []


# Findings -------------------------------------------------------------------------------------------------------

ADA = Account("known", "ada", "write", owners=("ada", "acme"), place="in HF_TOKEN")


def found(catalog: Catalog, who: Account, repository: Repository | None = None, **values: Any) -> list[Finding]:
    recipe = Recipe("sft", {"model_name_or_path": "a/b", "dataset_name": "c/d", **values})
    here = Surroundings(1, lambda package: True, lambda value: None, (0,), account=who, repository=repository)
    # That a repository means nothing without a push is a note of its own.
    return [finding for finding in check(recipe, catalog, here) if finding.level != "note"]


@pytest.mark.parametrize(
    ("who", "values", "level", "words"),
    [
        (NOBODY, {}, "error", "Nobody is signed in"),
        (Account("refused", place="in HF_TOKEN"), {}, "error", "refuses the token"),
        (Account("unreachable", why="The Hub cannot be reached."), {}, "warning", "could not be asked"),
        (Account("known", "ada", "read"), {}, "error", "may only read"),
        (ADA, {"hub_model_id": "openai/x"}, "error", "ada may not write to openai."),
        (Account("known", "ada", "fine-grained"), {"hub_model_id": "x"}, "error", "ada may not write to ada."),
    ],
)
def test_what_an_account_may_not_do_is_found(
    catalog: Catalog, who: Account, values: dict[str, Any], level: str, words: str
) -> None:
    findings = found(catalog, who, push_to_hub=True, **values)
    assert [finding.level for finding in findings if words in finding.message] == [level]
    assert all(finding.why and finding.fix for finding in findings)
    recipe = Recipe("sft", {"push_to_hub": True, **values})
    fix = next(finding.fix for finding in findings if words in finding.message)
    assert fix is not None
    cured = recipe.with_changes(catalog, fix.set, fix.unset)
    assert found(catalog, who, **cured.values) == []
    assert found(catalog, who, **values) == []  # without a push nobody minds


@pytest.mark.parametrize(
    ("who", "values"),
    [
        (ADA, {}),
        (ADA, {"hub_model_id": "acme/x"}),
        (ADA, {"hub_private_repo": True, "hub_model_id": "x"}),
        (Account("not asked"), {"hub_model_id": "openai/x"}),
        (Account("known", "ada", "unknown", owners=("ada",)), {"hub_model_id": "ada/x"}),
        (Account("known", "ada", "fine-grained", partial=True), {"hub_model_id": "team/x"}),
        (Account("known", "ada", "fine-grained", repositories=("team/x",)), {"hub_model_id": "team/x"}),
    ],
)
def test_what_is_allowed_or_unknown_is_left_alone(catalog: Catalog, who: Account, values: dict[str, Any]) -> None:
    assert found(catalog, who, push_to_hub=True, **values) == []


def test_somebody_elses_repository_is_named(catalog: Catalog) -> None:
    there = Repository("openai/x", "there")
    findings = found(catalog, ADA, there, push_to_hub=True, hub_model_id="openai/x")
    assert [finding.message for finding in findings] == ["ada may not write to openai: openai/x is somebody else's."]
    assert findings[0].fix is not None
    assert findings[0].fix.set == {"hub_model_id": "ada/x"}


@pytest.mark.parametrize(
    ("name", "words", "cure"),
    [
        ("https://huggingface.co/ada/my-model", "an address", "ada/my-model"),
        ("ada/my model", "a blank", "ada/my-model"),
        ("ada/models/mine", "3 parts", "ada/models"),
        ("ada/", "lacks", "ada"),
        ("/mine", "lacks", "mine"),
        ("ada/<b>x</b>", "3 parts", "ada/b-x"),
        ("ada/--x", "cannot be a name", "ada/x"),
        ("ada/x.git", "cannot be a name", "ada/x"),
        ("ada/mödel", "the sign ö", "ada/m-del"),
        ("ada/" + "x" * 100, "longer than 96", "ada/" + "x" * 92),
    ],
)
def test_a_name_that_the_hub_would_not_take(catalog: Catalog, name: str, words: str, cure: str) -> None:
    for here in (None, ADA):
        recipe = Recipe("sft", {"model_name_or_path": "a/b", "dataset_name": "c/d"})
        recipe = recipe.with_changes(catalog, {"push_to_hub": True, "hub_model_id": name})
        around = None if here is None else Surroundings(1, lambda _: True, lambda _: None, (0,), account=here)
        findings = check(recipe, catalog, around)
        assert len(findings) == 1
        assert words in findings[0].message
        assert findings[0].fix is not None
        assert findings[0].fix.set == {"hub_model_id": cure}
    assert repository_problem(cure) is None


@pytest.mark.parametrize("name", ["", " ", "///", "🙂"])
def test_a_name_of_nothing_has_no_nearest_one(name: str) -> None:
    assert repository_problem(name) is not None
    assert repository_problem(repository_name(name)) is not None


def test_our_rule_for_names_is_the_clients(catalog: Catalog) -> None:
    names = ("a", "a/b", "a--b", "a..b", "-a", "a.", "a/b/c", "a b", "x.git", "a/b.git", "A_b-c.d/e", "é", "a" * 97)
    for name in names:
        try:
            huggingface_hub.utils.validate_repo_id(name)
            theirs = True
        except huggingface_hub.errors.HFValidationError:
            theirs = False
        assert (repository_problem(name) is None) is theirs, name


def test_live_metrics_need_a_hub_that_takes_them(catalog: Catalog) -> None:
    values = {"report_to": "trackio", "trackio_space_id": "ada/metrics"}
    for who in (NOBODY, Account("refused"), Account("unreachable", why="Away."), Account("known", "ada", "read")):
        findings = found(catalog, who, **values)
        assert [finding.where.name for finding in findings] == ["trackio_space_id"]
        assert findings[0].level == "error"
    assert found(catalog, ADA, **values) == []
    assert found(catalog, NOBODY, report_to="wandb", trackio_space_id="ada/metrics") == []


def test_a_private_push_publishes_no_metrics(catalog: Catalog) -> None:
    values = {"push_to_hub": True, "hub_private_repo": True, "report_to": "trackio"}
    findings = found(catalog, ADA, **values)
    assert [finding.where.name for finding in findings] == ["trackio_static_space_id"]
    assert findings[0].fix is not None
    assert found(catalog, ADA, **values, **findings[0].fix.set) == []
    assert found(catalog, ADA, **{**values, "report_to": "none"}) == []


def test_trackers_need_their_packages(catalog: Catalog) -> None:
    recipe = Recipe("sft", {"model_name_or_path": "a/b", "dataset_name": "c/d"})
    here = Surroundings(1, lambda package: package in ("trackio", "tensorboardX"), lambda value: None, (0,))

    def said(trackers: Any) -> list[tuple[str, Any]]:
        findings = check(recipe.with_changes(catalog, {"report_to": trackers}), catalog, here)
        return [(finding.message, finding.fix.set if finding.fix else None) for finding in findings]

    assert said(["trackio", "tensorboard"]) == said("all") == said("none") == []
    assert said(["trackio", "wandb"]) == [("The tracker wandb needs its package.", {"report_to": ["trackio"]})]
    assert said("wanb")[0][0] == "There is no tracker `wanb`."
