"""Models: what the Hub and the local cache say, what is offered, and what is said of models that do not suit."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from fakehub import FakeHub, Repo, running, silent
from model_files import CONFIG, DEMO, cached, llama, look, model_folder, models, run_folder, safetensors

from studio.adapters.home import Home, shipped_root
from studio.adapters.hub import HubClient
from studio.adapters.hubcache import HubCache
from studio.domain.access import User
from studio.domain.model_facts import text_alone
from studio.domain.recipe import Recipe
from studio.service.access import Access
from studio.service.models import Models
from studio.service.paths import Paths
from studio.service.runs import Runs


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    with running(FakeHub()) as served:
        huggingface_hub.close_session()
        yield served
        huggingface_hub.close_session()


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    folder.mkdir()
    return folder


# The Hub ---------------------------------------------------------------------------------------------------------


def test_the_hub_is_asked_once_and_says_what_is_to_download(base: Path, hub: FakeHub) -> None:
    hub.models["org/m"] = Repo({"cardData": {"license": "mit"}}, llama(), sizes={"model.safetensors": 988_000_000})
    all_models = models(base, hub.url)
    assert all_models.known("org/m") is None
    assert all_models.download_text("org/m") == ""
    assert all_models.learn(" org/m ") is True
    asked = len(hub.requests)
    assert all_models.learn("org/m") is False
    assert len(hub.requests) == asked
    found = look(all_models.known("org/m"))
    small = len(hub.models["org/m"].files["config.json"]) + 2
    assert (found.place, found.on_disk, found.to_download) == ("hub", 0, 988_000_000 + small)  # not the .bin as well
    assert all_models.download_text("org/m") == "988 MB model"
    assert found.page == f"{hub.url}/org/m"
    assert all_models.learn("org/m", again=True) is False  # asked, and nothing is new
    assert len(hub.requests) > asked


def test_what_lies_in_the_cache_is_not_downloaded(base: Path, hub: FakeHub) -> None:
    files = llama()
    hub.models["org/m"] = Repo({}, files)
    # Another commit has the same weights: a content is downloaded once.
    weights = {"model.safetensors": files["model.safetensors"], "config.json": b'{"old": 1}'}
    cached(base / "cache", "org/m", weights, commit="b" * 40)
    all_models = models(base, hub.url)
    assert look(all_models.known("org/m")).place == "cache"  # before anybody was asked
    assert all_models.learn("org/m")
    found = look(all_models.known("org/m"))
    assert found.place == "hub"
    assert found.on_disk == len(files["model.safetensors"])
    assert found.to_download == len(files["config.json"]) + 2


def test_a_revision_is_a_model_of_its_own(base: Path, hub: FakeHub) -> None:
    other = llama(config__json=json.dumps({**CONFIG, "vocab_size": 77}).encode())
    hub.models["org/m"] = Repo({}, llama(), revisions={"v2": other})
    all_models = models(base, hub.url)
    assert all_models.learn("org/m")
    assert all_models.learn("org/m", "v2")
    seen = [look(all_models.known("org/m", revision)).facts for revision in ("main", "v2")]
    assert [facts.vocabulary for facts in seen if facts] == [9, 77]
    assert all_models.learn("org/m", "v3")
    gone = look(all_models.known("org/m", "v3"))
    assert "no such branch, tag or commit" in gone.why
    found = all_models.findings(Recipe("sft", {"model_name_or_path": "org/m", "model_revision": "v3"}))
    assert [finding.level for finding in found] == ["error"]


def test_a_gated_model_until_one_may_read_it(base: Path, hub: FakeHub) -> None:
    hub.models["org/g"] = Repo({}, llama(), gated=True)
    recipe = Recipe("sft", {"model_name_or_path": "org/g"})
    stranger = models(base, hub.url)
    assert stranger.learn("org/g")
    found = look(stranger.known("org/g"))
    assert found.facts is not None
    assert found.facts.barred
    assert found.kind == "unread"
    assert [finding.level for finding in stranger.findings(recipe)] == ["error"]
    assert [finding.level for finding in stranger.findings(recipe, elsewhere=True)] == ["warning"]
    friend = models(base, hub.url, "hf_good")
    assert friend.learn("org/g")
    allowed = look(friend.known("org/g")).facts
    assert allowed is not None
    assert (allowed.gated, allowed.barred, friend.findings(recipe)) == (True, False, [])


def test_a_name_that_the_hub_does_not_know(base: Path, hub: FakeHub) -> None:
    hub.datasets["org/rows"] = Repo()
    all_models = models(base, hub.url)
    for name, said in (("org/nothing", "does not know"), ("org/rows", "is a dataset"), ("a--b/c", "does not know")):
        assert all_models.learn(name)
        found = look(all_models.known(name))
        assert said in found.why
        assert (found.again, found.known_missing) == (False, True)
        assert all_models.findings(Recipe("sft", {"model_name_or_path": name}))[0].level == "error"


def test_no_hub_at_all(base: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # not listening: connections are refused
        all_models = models(base, f"http://127.0.0.1:{taken.getsockname()[1]}")
        assert all_models.learn("org/m")
        found = look(all_models.known("org/m"))
        assert "cannot be reached" in found.why
        assert "ask again" in found.cure
        assert (found.again, found.known_missing) == (True, False)
        assert all_models.findings(Recipe("sft", {"model_name_or_path": "org/m"})) == []
        assert all_models.learn("org/m") is False  # not again at once
        cached(base / "cache", "org/c", llama(), ref="main")
        assert all_models.learn("org/c")
        here = look(all_models.known("org/c"))
        assert (here.place, here.to_download, here.kind) == ("cache", 0, "base")
        assert "did not answer" in here.note


def test_a_hub_that_never_answers(base: Path) -> None:
    with silent() as url:
        all_models = models(base, url, patience=0.3)
        assert all_models.learn("org/m")
        assert "ask again" in look(all_models.known("org/m")).cure.casefold()


def test_what_one_may_see_another_may_not(base: Path, hub: FakeHub) -> None:
    hub.models["org/p"] = Repo({}, llama(), private=True)
    asking: list[User | None] = [None]

    class Sign(Access):
        def user(self) -> User | None:
            return asking[0]

    def token() -> str | None:
        return asking[0].token if asking[0] else None

    home = Home(base / "home").ensure()
    all_models = Models(
        lambda: Paths(base, shipped_root()), HubClient(hub.url, hub.url, token), HubCache(base / "cache"),
        lambda: Runs(home), Sign(),
    )  # fmt: skip
    asking[0] = User("ann", expires=1e12, token="hf_good")
    assert all_models.learn("org/p")
    assert look(all_models.known("org/p")).facts is not None
    asking[0] = None
    assert all_models.known("org/p") is None
    assert all_models.learn("org/p")
    assert look(all_models.known("org/p")).facts is None


# What is here ----------------------------------------------------------------------------------------------------


def test_what_is_offered(base: Path) -> None:
    home, cache = base / "home", base / "cache"
    all_models = models(base)
    assert [offer.kind for offer in all_models.offers()] == ["demo"]
    model_folder(run_folder(home, "whole-01", "finished") / "output")
    adapter = {
        "adapter_config.json": b'{"base_model_name_or_path": "org/base"}',
        "adapter_model.safetensors": safetensors(a=[1]),
    }
    output = run_folder(home, "lora-01", "finished") / "output"
    for file, content in adapter.items():
        (output / file).write_bytes(content)
    stopped = run_folder(home, "stopped-01", "interrupted")
    for step, complete in ((10, True), (20, False)):
        model_folder(stopped / f"output/checkpoint-{step}")
        if complete:
            (stopped / f"output/checkpoint-{step}/trainer_state.json").write_text("{}")
    run_folder(home, "failed-01", "failed")
    model_folder(run_folder(home, "broken-01", "finished") / "output", config__json=b"{")
    cached(cache, "org/whole", llama())
    cached(cache, "org/branch", llama(), ref="v2")
    cached(cache, "org/tokenizer-only", {"config.json": b"{}", "tokenizer.json": b"{}"})
    next((cached(cache, "org/torn", llama()) / "blobs").iterdir()).unlink()
    for junk in ("models--junk", "datasets--a--b/snapshots", "models--x--y/snapshots/file"):
        (cache / junk).mkdir(parents=True)
    (cache / "a-file").write_text("x")
    (cache / "models--x--y/refs").write_text("x")
    assert all_models.look_around()
    found = {offer.title: offer for offer in all_models.offers()}
    assert set(found) == {"whole-01", "lora-01", "org/whole", "org/branch", "Demo model"}
    assert found["whole-01"].id == str(home / "runs/whole-01/output")
    assert found["whole-01"].detail == "SFT · finished"
    assert found["whole-01"].used == 1767323045.0
    assert "adapter" in found["lora-01"].detail
    assert (found["org/branch"].revision, found["org/whole"].revision) == ("v2", "")
    assert found["org/whole"].size == sum(map(len, llama().values()))
    for offer in found.values():
        known = look(all_models.known(offer.id, offer.revision or "main"))
        assert known.facts is not None
        assert known.facts.trouble == ""
        assert known.to_download == 0
    assert all_models.look_around() is False


def test_a_complete_checkpoint_stands_in_for_a_missing_model(base: Path) -> None:
    stopped = run_folder(base / "home", "stopped-01", "interrupted")
    model_folder(stopped / "output/checkpoint-10")
    (stopped / "output/checkpoint-10/trainer_state.json").write_text("{}")
    all_models = models(base)
    assert all_models.look_around()
    offer = all_models.offers()[0]
    assert (offer.title, offer.id) == ("stopped-01", str(stopped / "output/checkpoint-10"))
    assert "step 10" in offer.detail


def test_no_cache_and_no_runs(base: Path) -> None:
    assert HubCache(base / "nowhere").models() == []
    assert HubCache(base / "nowhere").snapshot("org/m") is None
    assert HubCache(base / "nowhere").snapshot("not a name") is None
    assert HubCache(base / "nowhere").has("org/m", None, ["x"], {}) == set()


# What TRL makes of it --------------------------------------------------------------------------------------------


def test_whether_a_model_reads_text_alone(base: Path, hub: FakeHub) -> None:
    def alone(all_models: Models, name: str) -> bool | None:
        facts = look(all_models.known(name)).facts
        assert facts is not None
        return text_alone(facts, {"llava"})

    def config(**more: Any) -> bytes:
        return json.dumps(CONFIG | more).encode()

    unnamed = b'{"auto_map": {"AutoProcessor": "own.Processor"}}'
    odd: dict[str, dict[str, bytes | None]] = {
        "named": {"tokenizer_config__json": b'{"processor_class": "LlavaProcessor"}'},
        "own": {"tokenizer_config__json": unnamed},
        "own-code": {"config__json": config(auto_map={"AutoModel": "own.Model"})},
        "images": {"preprocessor_config__json": b"{}"},
        "processor": {"processor_config__json": b"{}"},
        "by-config": {"config__json": config(processor_class="LlavaProcessor")},
        "untold": {"config__json": config(model_type=None)},
        "no-weights": {"model__safetensors": None},
    }
    all_models = models(base, hub.url)
    for name, files in odd.items():
        model_folder(base / name, **files)
        assert alone(all_models, name) is None, name
    model_folder(base / "text")
    model_folder(base / "sees", config__json=config(model_type="llava"), preprocessor_config__json=b"{}")
    assert (alone(all_models, "text"), alone(all_models, "sees")) == (True, False)
    cached(base / "cache", "org/part", {"config.json": config(), "tokenizer_config.json": b"{}"})
    assert alone(all_models, "org/part") is None  # a processor may be what is not here
    hub.models["org/text"] = Repo({}, llama())
    hub.models["org/named"] = Repo({}, {**llama(), "tokenizer_config.json": b'{"processor_class": "LlavaProcessor"}'})
    hub.models["org/barred"] = Repo({}, llama(), gated=True)
    for name, told in (("org/text", True), ("org/named", None), ("org/barred", None)):
        assert all_models.learn(name)
        assert alone(all_models, name) is told, name


def test_an_adapter_is_no_start(base: Path) -> None:
    model_folder(
        base / "lora", config__json=None, model__safetensors=None,
        adapter_config__json=b'{"base_model_name_or_path": "assets/demo/model"}',
        adapter_model__safetensors=safetensors(a=[1]),
    )  # fmt: skip
    all_models = models(base)
    assert look(all_models.known("lora")).kind == "adapter"
    for method, said in (("sft", "Unrecognized model"), ("reward", "every weight frozen")):
        (found,) = all_models.findings(Recipe(method, {"model_name_or_path": "lora"}))
        assert found.level == "error"
        assert said in found.why
        assert found.fix is not None
        assert found.fix.set == {"model_name_or_path": "assets/demo/model"}
    # As a reward model transformers loads it on top of its base.
    assert all_models.findings(Recipe("grpo", {"reward_model_name_or_path": "lora"})) == []


def test_models_that_do_not_suit(base: Path) -> None:
    def config(**more: Any) -> bytes:
        return json.dumps(CONFIG | more).encode()

    model_folder(base / "bert", config__json=config(architectures=["BertModel"]))
    model_folder(
        base / "three",
        config__json=config(architectures=["LlamaForSequenceClassification"], id2label={"0": "a", "1": "b", "2": "c"}),
    )
    model_folder(base / "one", config__json=config(architectures=["LlamaForSequenceClassification"], num_labels=1))
    model_folder(base / "plain")
    all_models = models(base)

    def levels(method: str, **values: Any) -> list[str]:
        return [finding.level for finding in all_models.findings(Recipe(method, values))]

    assert levels("sft", model_name_or_path="bert") == ["warning"]
    assert levels("sft", model_name_or_path="one") == ["warning"]
    assert levels("reward", model_name_or_path="one") == []
    assert levels("grpo", model_name_or_path="plain", reward_model_name_or_path="one") == []
    assert levels("grpo", model_name_or_path="plain", reward_model_name_or_path="three") == ["error"]
    assert levels("grpo", model_name_or_path="plain", reward_model_name_or_path="plain") == ["warning"]
    assert levels("sft", reward_model_name_or_path="three", teacher_model_name_or_path="bert") == []
    assert levels("distillation", model_name_or_path="plain", teacher_model_name_or_path="bert") == ["warning"]
    assert look(all_models.known("one")).kind == "reward"
    assert look(all_models.known("three")).kind == "classifier"


def test_conversations_need_a_template(base: Path) -> None:
    model_folder(base / "plain")
    all_models = models(base)
    recipe = Recipe("sft", {"model_name_or_path": "plain"})
    assert all_models.findings(recipe) == []
    (found,) = all_models.findings(recipe, conversational=True)
    assert "chat_template_path" in found.why
    (found,) = all_models.findings(Recipe("dpo", {"model_name_or_path": "plain"}), conversational=True)
    assert "has no option for one" in found.why
    for source in ("assets/demo/model", str(DEMO / "chat_template.jinja")):
        cured = Recipe("sft", {"model_name_or_path": "plain", "chat_template_path": source})
        assert all_models.findings(cured, conversational=True) == []
        known = look(all_models.known("plain")).facts
        assert known is not None
        facts, where = all_models.templated(cured, known)
        assert (facts.template, where) == ((DEMO / "chat_template.jinja").read_text(), source)


def test_learning_from_the_assistant_alone_needs_marks(base: Path) -> None:
    model_folder(base / "m", chat_template__jinja=b"{% for m in messages %}{{ m.content }}{% endfor %}")
    all_models = models(base)
    recipe = Recipe("sft", {"model_name_or_path": "m", "assistant_only_loss": True})
    facts = look(all_models.known("m")).facts
    assert facts is not None
    assert all_models.findings(recipe, conversational=True) == []  # not known yet
    assert all_models.learn_template(facts)
    assert all_models.learn_template(facts) is False
    found, end = all_models.findings(recipe, conversational=True)
    assert found.where.name == "assistant_only_loss"
    assert (end.level, end.message) == ("warning", "The end token </s> does not end turns in this chat template.")
    assert found.fix is not None


def test_the_end_of_a_turn_has_to_be_marked(base: Path) -> None:
    turn = b"{% generation %}{{ m.content }}{% endgeneration %}</s>"
    model_folder(base / "m", chat_template__jinja=b"{% for m in messages %}" + turn + b"{% endfor %}")
    all_models = models(base)
    facts = look(all_models.known("m")).facts
    assert facts is not None
    assert all_models.learn_template(facts)
    recipe = Recipe("sft", {"model_name_or_path": "m", "assistant_only_loss": True})
    (found,) = all_models.findings(recipe, conversational=True)
    assert (found.level, found.where.name) == ("warning", "assistant_only_loss")
    assert "may not learn to stop" in found.why
    assert found.fix is not None
    assert all_models.findings(Recipe("sft", {"model_name_or_path": "m"}), conversational=True) == []


def test_tokens_that_the_tokenizer_does_not_have(base: Path) -> None:
    vocabulary = {"model": {"vocab": {"a": 0, "b": 1}}, "added_tokens": [{"content": "<end>"}], "post": "<else>"}
    model_folder(base / "m", tokenizer__json=json.dumps(vocabulary).encode())
    unigram = {"model": {"vocab": [["a", 0.0], ["b", -1.0]]}}
    model_folder(base / "u", tokenizer__json=json.dumps(unigram).encode())
    model_folder(base / "plain")  # nothing tells
    all_models = models(base)

    def absent(method: str, model: str, **values: str) -> list[str]:
        found = all_models.findings(Recipe(method, {"model_name_or_path": model, **values}))
        assert all(one.level == "error" and one.fix for one in found)
        return [one.where.name for one in found]

    for known in ("a", "<end>", "</s>"):
        assert absent("sft", "m", eos_token=known, pad_token=known) == []
    assert absent("sft", "m", eos_token="<else>", pad_token="<nope>") == ["eos_token", "pad_token"]
    assert absent("reward", "m", eos_token="<nope>") == ["eos_token"]
    assert absent("dpo", "m", pad_token="<nope>") == ["pad_token"]
    assert absent("sft", "u", eos_token="b") == absent("sft", "plain", eos_token="<nope>") == []
    assert absent("sft", "u", eos_token="c") == ["eos_token"]
    # The tokens of a template's model are added before TRL looks for the padding one, but not for the other.
    assert absent("sft", "m", eos_token="c", pad_token="c", chat_template_path="plain") == ["eos_token"]
    (base / "m" / "tokenizer.json").write_text(json.dumps({"model": {"vocab": {"<else>": 0}}}))
    assert absent("sft", "m", eos_token="<else>") == []


def test_the_end_token_has_to_end_turns(base: Path) -> None:
    template = b"{% for m in messages %}<|im_start|>{{ m.role }}: {{ m.content }}<|im_end|>\n{% endfor %}"
    special = json.dumps({"eos_token": "<|end|>", "additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    model_folder(base / "m", chat_template__jinja=template, tokenizer_config__json=special.encode())
    all_models = models(base)
    facts = look(all_models.known("m")).facts
    assert facts is not None
    assert all_models.learn_template(facts)
    recipe = Recipe("sft", {"model_name_or_path": "m"})
    assert all_models.findings(recipe) == []
    (found,) = all_models.findings(recipe, conversational=True)
    assert found.where.name == "eos_token"
    assert found.fix is not None
    assert found.fix.set == {"eos_token": "<|im_end|>"}
    cured = Recipe("sft", {"model_name_or_path": "m", **found.fix.set})
    assert all_models.findings(cured, conversational=True) == []
