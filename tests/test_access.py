"""Who may do what: the rule, what the environment says of a Space, and the service that keeps to both."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from oauth_standin import person
from run_lab import RunLab

from studio.adapters.home import Home
from studio.adapters.space import SignIn, Space, home_on_space, is_local_disk, space_here
from studio.domain.access import User, user_of
from studio.domain.errors import StudioError
from studio.service.access import Access
from studio.service.studio import Studio

ROOT = Path(__file__).resolve().parent.parent
LATER = time.time() + 3600
SPACE = Space("ada/studio", "ada", sign_in=SignIn("client", "secret"))
ADA = User("ada", {}, LATER, "hf_ada")
BOB = User("bob", {"ada": "read", "lab": "admin"}, LATER, "hf_bob")


def access(user: User | None, space: Space = SPACE) -> Access:
    return Access(space, lambda: user)


# The rule --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "owner", "may"),
    [
        (User("ada"), "ada", True),
        (User("bob"), "ada", False),
        (User("bob", {"lab": "admin"}), "lab", True),
        (User("bob", {"lab": "write"}), "lab", True),
        (User("bob", {"lab": "contributor"}), "lab", False),
        (User("bob", {"lab": "read"}), "lab", False),
        (User("bob", {"lab": ""}), "lab", False),
        (User("bob", {"lab": "admin"}), "ada", False),
        (User("", {"": "admin"}), "", False),
    ],
)
def test_owners_admins_and_writers_may_train(user: User, owner: str, may: bool) -> None:
    assert user.may_train(owner) is may


def test_who_the_hub_names() -> None:
    claims = person("bob", lab="write", school="read")
    assert user_of(claims, "hf_1", 5.0) == User("bob", {"lab": "write", "school": "read"}, 5.0, "hf_1")
    assert user_of({}, "hf_1", 5.0) is None
    odd = {"preferred_username": "bob", "orgs": [None, {"roleInOrg": "admin"}]}
    assert user_of(odd, "", 5.0) == User("bob", {}, 5.0)


def test_a_name_that_anybody_may_choose_is_no_identity() -> None:
    claims = {**person("eve", evils="admin"), "name": "ada"}
    claims["orgs"][0]["name"] = "ada"
    found = user_of(claims, "hf_1", LATER)
    assert found is not None
    assert not found.may_train("ada")


def test_secrets_are_in_no_text() -> None:
    space = Space("ada/studio", "ada", sign_in=SignIn("client", "secret-1"), token="secret-2")
    for text in (repr(User("ada", token="secret-3")), repr(space), str(space.sign_in), f"{space}"):
        assert "secret" not in text.replace("client_secret", "")


# What the environment says ---------------------------------------------------------------------------------------

ON_A_SPACE = {"SYSTEM": "spaces", "SPACE_ID": "lab/studio", "SPACE_HOST": "lab-studio.hf.space, trl.example.org"}


def test_elsewhere_is_no_space() -> None:
    assert space_here({}) is None
    assert space_here({"SPACE_ID": "lab/studio"}) is None
    assert space_here({"SYSTEM": "spaces"}) is None
    assert home_on_space({}) is None


def test_a_space_by_its_environment(tmp_path: Path) -> None:
    bare = space_here(ON_A_SPACE, tmp_path / "none")
    assert bare == Space("lab/studio", "lab", ("lab-studio.hf.space", "trl.example.org"))
    assert bare.duplicate_url == "https://huggingface.co/spaces/lab/studio?duplicate=true"
    more = {"SPACE_AUTHOR_NAME": "ada", "SPACES_ZERO_GPU": "true", "HF_TOKEN": "hf_1"}
    signing = {"OAUTH_CLIENT_ID": "client", "OAUTH_CLIENT_SECRET": "secret"}
    listening = {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": "8000"}
    full = space_here({**ON_A_SPACE, **more, **signing, **listening}, tmp_path / "none")
    assert full is not None
    assert (full.owner, full.zero_gpu, full.token, full.listen) == ("ada", True, "hf_1", ("127.0.0.1", 8000))
    assert full.sign_in == SignIn("client", "secret", "openid profile", "https://huggingface.co")


@pytest.mark.parametrize(
    ("kind", "good"), [("ext4", True), ("overlay", True), ("xfs", True), ("fuse.hf-mount", False), ("nfs4", False)]
)
def test_buckets_and_network_shares_are_no_home(tmp_path: Path, kind: str, good: bool) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"overlay / overlay rw 0 0\nsource {tmp_path} {kind} rw 0 0\n")
    assert is_local_disk(tmp_path, mounts) is good


def test_a_folder_that_is_no_mount_does_not_last(tmp_path: Path) -> None:
    assert not is_local_disk(tmp_path)
    assert not is_local_disk(tmp_path / "absent")
    assert home_on_space(ON_A_SPACE, tmp_path) is None


# What one may do -------------------------------------------------------------------------------------------------


def test_at_home_everything_is_allowed() -> None:
    here = Access()
    assert (here.refusal(), here.start_refusal(), here.readable(ROOT)) == (None, None, None)
    assert here.environment() == {}


@pytest.mark.parametrize(
    ("user", "says"),
    [(None, "Sign in if that is you"), (BOB, "You are signed in as bob"), (User("ada", {}, 1.0, "old"), "Sign in")],
)
def test_others_are_refused_in_words(user: User | None, says: str) -> None:
    refusal = access(user).refusal()
    assert refusal is not None
    assert "ada" in refusal.message
    assert says in refusal.hint
    assert "Duplicate this Space" in refusal.hint
    with pytest.raises(StudioError):
        access(user).require_start()


def test_a_space_without_a_sign_in_is_closed_and_says_why() -> None:
    refusal = access(None, Space("ada/studio", "ada")).refusal()
    assert refusal is not None
    assert "hf_oauth: true" in refusal.hint


def test_nobody_trains_on_zero_gpu() -> None:
    space = Space("ada/studio", "ada", zero_gpu=True, sign_in=SPACE.sign_in)
    assert access(ADA, space).refusal() is None
    with pytest.raises(StudioError, match="ZeroGPU"):
        access(ADA, space).require_start()


def test_whose_token_a_run_gets() -> None:
    assert access(ADA).environment()["HF_TOKEN"] == "hf_ada"
    secret = Space("ada/studio", "ada", sign_in=SPACE.sign_in, token="hf_secret")
    assert access(ADA, secret).environment()["HF_TOKEN"] == "hf_secret"
    assert access(ADA).environment()["OAUTH_CLIENT_SECRET"] == ""
    # A visitor's questions to the Hub are asked in the visitor's name, never in the owner's.
    assert access(BOB, secret).token() == "hf_bob"
    assert access(None, secret).token() is None
    assert access(BOB, secret).pushing_token() is None


# The service -----------------------------------------------------------------------------------------------------


@pytest.fixture
def whole(tmp_path: Path, catalog_folder: Path) -> Studio:
    shutil.copytree(catalog_folder, tmp_path / "home" / "cache")
    studio = Studio(Home(tmp_path / "home"))
    RunLab(tmp_path / "home").create("one")
    return studio


@pytest.mark.parametrize("user", [None, BOB])
def test_the_service_refuses_all_about_runs(whole: Studio, user: User | None) -> None:
    seen = whole.guarded(access(user))
    recipe, _ = seen.recipes.open((ROOT / "presets" / "demo-sft.yaml").read_text(), "sft")
    with pytest.raises(StudioError, match="Only the owner"):
        seen.start(recipe)
    with pytest.raises(StudioError, match="Only the owner"):
        _ = seen.runs
    assert seen.run_names() == set()
    assert whole.run_names() == {"one"}
    assert list(whole.home.runs.iterdir()) == [whole.home.runs / "one"]


def test_the_owner_sees_and_starts(whole: Studio) -> None:
    seen = whole.guarded(access(ADA))
    assert [run["id"] for run in seen.runs.list()] == ["one"]
    assert seen.run_names() == {"one"}


def test_others_build_check_and_export(whole: Studio) -> None:
    seen = whole.guarded(access(None))
    recipe, _ = seen.recipes.open((ROOT / "presets" / "demo-sft.yaml").read_text(), "sft")
    assert [found for found in seen.check(recipe) if found.level == "error"] == []
    assert "dataset_name" in seen.prepare(recipe, elsewhere=True).yaml
    assert seen.inspect("assets/demo/sft", "sft").verdict == "accept"


def test_others_do_not_look_around_in_the_space(whole: Studio, tmp_path: Path) -> None:
    private = tmp_path / "private.jsonl"
    private.write_text('{"text": "canary"}\n')
    model = tmp_path / "private-model"
    model.mkdir()
    (model / "config.json").write_text('{"model_type": "canary"}')
    config = tmp_path / "private.yaml"
    config.write_text("learning_rate: 0.123\n")
    preset = whole.home.presets / "mine.yaml"
    preset.write_text("# Mine\n# trl sft --config mine.yaml\nlearning_rate: 0.123\n")
    owner, other = whole.guarded(access(ADA)), whole.guarded(access(BOB))
    link = ROOT / "assets" / ".." / ".." / tmp_path.relative_to("/") / "private.jsonl"
    for name in (str(private), str(link), str(whole.home.runs / "one"), f"{tmp_path}/*.jsonl", "~/x", "/etc/passwd"):
        looked = other.inspect(name, "sft")
        assert (looked.verdict, looked.rows) == ("reject", ()), name
        assert "canary" not in str(looked.to_json())
    assert owner.inspect(str(private), "sft").rows[0]["text"] == "canary"
    assert (other.recipes.paths().find(str(model)), owner.recipes.paths().find(str(model))) == (None, model)
    assert "private-model" not in str(other.recipes.paths().missing_model(str(tmp_path / "privat-model")))
    assert owner.recipes.open(f"trl sft --config {config}", "sft")[0].get("learning_rate") == 0.123
    with pytest.raises(StudioError, match="its owner's"):
        other.recipes.open(f"trl sft --config {config}", "sft")
    assert "mine" in [one.name for one in owner.recipes.presets()]
    assert "mine" not in [one.name for one in other.recipes.presets()]


def test_what_others_have_uploaded_is_theirs_to_use(whole: Studio, tmp_path: Path) -> None:
    uploads = tmp_path / "uploads"
    (uploads / "a1b2").mkdir(parents=True)
    (uploads / "a1b2" / "train.jsonl").write_text('{"text": "mine"}\n')
    seen = whole.guarded(Access(SPACE, lambda: BOB, (uploads,)))
    assert seen.inspect(str(uploads / "a1b2" / "train.jsonl"), "sft").verdict == "accept"
