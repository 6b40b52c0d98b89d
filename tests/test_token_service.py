"""Counting as the studio does it: a child that stays and is ended where it hangs, tokenizers from near and far."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from fakehub import FakeHub, Repo, running, silent
from feed_cases import DEMO, data
from model_files import ROOT
from run_lab import wait_until
from token_desk import Desk, sft

from studio.adapters.hubcache import HubCache
from studio.adapters.tokens import TokenCounter
from studio.cli import main
from studio.domain.arguments import Catalog


@pytest.fixture(scope="module")
def counter() -> Iterator[TokenCounter]:
    """One child for all tests: its imports are what takes long."""
    made = TokenCounter()
    yield made
    made.close()


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return data(tmp_path_factory.mktemp("sets"))


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    folder.mkdir()
    return folder


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    with running(FakeHub()) as served:
        huggingface_hub.close_session()
        yield served
        huggingface_hub.close_session()


def twin(folder: Path, template: str | None = None, **config: Any) -> Path:
    """The demo model with another template or other words in its tokenizer's config."""
    folder.mkdir(parents=True)
    for file in (DEMO / "model").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    if template is not None:
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    told = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**told, **config}))
    return folder


def test_an_edit_is_followed_by_the_same_child(
    base: Path, counter: TokenCounter, sets: dict[str, Path], catalog: Catalog
) -> None:
    desk, recipe = Desk(base, counter), sft(sets["chats"])
    looked = desk.looked(recipe)
    assert desk.tokens.reason(recipe, looked) == ""
    assert desk.tokens.open_question(recipe, looked, 0) == ""  # nobody has asked yet
    desk.tokens.start(recipe, looked)
    first = desk.tokens.open_question(recipe, looked, 0)
    assert first
    told = desk.tokens.count(recipe, looked)
    assert told.count is not None
    assert (told.count.exact, told.count.rows, told.count.cut) == (True, 24, 0)
    assert desk.tokens.open_question(recipe, looked, 0) == ""
    child = counter._child
    assert child is not None
    other = recipe.with_changes(catalog, {"learning_rate": 1e-3})
    assert desk.tokens.known(other, looked) is told  # what does not decide how data are read leaves the count
    edited = recipe.with_changes(catalog, {"max_length": 28, "assistant_only_loss": True})
    assert desk.tokens.known(edited, looked) is None  # nothing stale
    assert desk.tokens.open_question(edited, looked, 0) not in ("", first)
    again = desk.tokens.count(edited, looked)
    assert again.count is not None
    assert again.count.cut > 12
    assert counter._child is child
    (found,) = desk.tokens.findings(edited, looked, catalog)
    assert found.fix is not None
    assert found.fix.set == {"max_length": 64}
    mended = edited.with_changes(catalog, found.fix.set)
    desk.tokens.count(mended, looked)
    assert desk.tokens.findings(mended, looked, catalog) == []


def test_examples_come_in_portions(base: Path, counter: TokenCounter, sets: dict[str, Path]) -> None:
    desk, recipe = Desk(base, counter), sft(sets["chats"])
    looked = desk.looked(recipe)
    desk.tokens.start(recipe, looked)
    assert sorted(desk.tokens.count(recipe, looked).samples) == list(range(8))
    assert desk.tokens.open_question(recipe, looked, 7) == ""
    assert desk.tokens.open_question(recipe, looked, 8) != ""
    told = desk.tokens.count(recipe, looked, first=20)
    assert sorted(told.samples) == [*range(8), *range(16, 24)]
    assert told.samples[20]["row"] == 20


def test_sorted_data_are_sampled_from_all_over_and_counted_whole_on_demand(
    base: Path, counter: TokenCounter, catalog: Catalog
) -> None:
    rows = base / "sorted"
    rows.mkdir()
    lines = [json.dumps({"text": "sun " * (1 + number // 20)}) for number in range(1200)]
    (rows / "train.jsonl").write_text("\n".join(lines) + "\n")
    desk, recipe = Desk(base, counter), sft(rows)
    looked = desk.looked(recipe)
    sample = desk.tokens.count(recipe, looked).count
    assert sample is not None
    assert (sample.rows, sample.total, sample.exact) == (500, 1200, False)
    desk.tokens.start(recipe, looked, every=True)
    assert desk.tokens.wants_all(recipe, looked)
    every = desk.tokens.count(recipe, looked, every=True).count
    assert every is not None
    assert (every.rows, every.exact) == (1200, True)
    assert sample.total_tokens is not None
    assert every.total_tokens is not None
    assert abs(sample.total_tokens / every.total_tokens - 1) < 0.05
    best = desk.tokens.best(recipe, looked)
    assert best is not None
    assert best.count == every
    assert not desk.tokens.wants_all(recipe.with_changes(catalog, {"max_length": 9}), looked)


def test_an_end_token_that_ends_no_turn_is_found_with_the_right_one(
    base: Path, counter: TokenCounter, sets: dict[str, Path], catalog: Catalog
) -> None:
    model = twin(base / "endless", eos_token="<|endoftext|>")
    (model / "generation_config.json").unlink()
    told = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**told, "eos_token_id": 0}))
    desk, recipe = Desk(base, counter), sft(sets["chats"], model, assistant_only_loss=True)
    looked = desk.looked(recipe)
    desk.tokens.count(recipe, looked)
    (found, *notes) = desk.tokens.findings(recipe, looked, catalog)
    assert [one.where.name for one in notes] == ["packing"]
    assert found.message == "No turn ends with `<|endoftext|>`."
    assert found.fix is not None
    mended = recipe.with_changes(catalog, found.fix.set)
    assert mended.get("eos_token") == "<|im_end|>"
    desk.tokens.count(mended, looked)
    assert desk.tokens.findings(mended, looked, catalog) == notes


def test_a_template_that_never_ends_is_ended_and_the_next_count_works(
    base: Path, counter: TokenCounter, sets: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    desk = Desk(base, counter)
    good, bad = sft(sets["chats"]), sft(sets["chats"], twin(base / "endless", loop))
    assert desk.tokens.count(good, desk.looked(good)).count is not None
    child = counter._child
    assert child is not None
    with monkeypatch.context() as patch:
        patch.setattr(counter, "patience", 2.0)
        told = desk.tokens.count(bad, desk.looked(bad))
    assert told.count is None
    assert "took more than 2 s" in told.trouble
    assert child.poll() is not None
    other = sft(sets["texts"])
    assert desk.tokens.count(other, desk.looked(other)).count is not None


def test_a_template_that_refuses_is_said_for_every_method(
    base: Path, counter: TokenCounter, sets: dict[str, Path], catalog: Catalog
) -> None:
    desk = Desk(base, counter)
    broken, strict = twin(base / "broken", "{{ }} }"), twin(base / "strict", "{{ raise_exception('No such role.') }}")
    reward = {"reward_funcs": ["think_format_reward"]}
    for method, rows, model, level, words in (
        ("sft", "chats", broken, "error", "TemplateSyntaxError"), ("sft", "chats", strict, "error", "No such role."),
        ("grpo", "prompts", broken, "error", "TemplateSyntaxError"),
        ("grpo", "prompts", strict, "warning", "No such role."),  # TRL reads prompts while it trains
    ):  # fmt: skip
        told = sft(sets[rows], model)
        recipe = replace(told, method=method, values=dict(told.values) | (reward if method == "grpo" else {}))
        looked = desk.looked(recipe)
        counted = desk.tokens.count(recipe, looked)
        assert counted.count is not None, counted.trouble
        assert words in counted.count.refusal
        (found,) = desk.tokens.findings(recipe, looked, catalog)
        assert (found.level, found.where.name) == (level, "dataset_name")
    unpacked = sft(sets["chats"], packing=True, max_length=None)
    counted = desk.tokens.count(unpacked, desk.looked(unpacked))
    assert counted.count is not None
    assert "`max_length` can't be `None`" in counted.count.refusal
    (found,) = desk.tokens.findings(unpacked, desk.looked(unpacked), catalog)
    assert (found.level, found.where.name) == ("error", "max_length")


def test_what_is_wrong_with_a_tokenizer_is_named(
    base: Path, counter: TokenCounter, sets: dict[str, Path], catalog: Catalog
) -> None:
    desk = Desk(base, counter)
    torn, none, own = (twin(base / name) for name in ("torn", "none", "own"))
    (torn / "tokenizer.json").write_text("{not json")
    for file in none.iterdir():
        if file.name not in ("config.json", "generation_config.json", "model.safetensors"):
            file.unlink()
    told = json.loads((own / "tokenizer_config.json").read_text())
    named = {"tokenizer_class": "Own", "auto_map": {"AutoTokenizer": ["own.Own", None]}}
    (own / "tokenizer_config.json").write_text(json.dumps({**told, **named}))
    (own / "own.py").write_text("raise SystemExit\n")
    # transformers has a tokenizer of its own for the demo's kind of model, and takes that.
    config = json.loads((own / "config.json").read_text())
    (own / "config.json").write_text(json.dumps({**config, "model_type": "llama"}))
    for model, words in (
        (torn, "tokenizer.json of the model cannot be read"), (none, "holds no tokenizer"), (own, "code of others"),
    ):  # fmt: skip
        recipe = sft(sets["chats"], model)
        looked = desk.looked(recipe)
        counted = desk.tokens.count(recipe, looked)
        assert counted.count is not None, counted.trouble
        assert words in counted.count.tokenizer
        (found,) = desk.tokens.findings(recipe, looked, catalog)
        assert (found.level, found.why) == ("warning", counted.count.tokenizer)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads the child's environment")
def test_the_child_knows_no_token(base: Path, sets: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    own = TokenCounter()
    try:
        child, _ = own._launched()
        # It reads as empty for the moment in which the kernel puts the new program in place.
        env = wait_until(Path(f"/proc/{child.pid}/environ").read_bytes)
        assert b"hf_secret" not in env
        assert b"HF_HUB_OFFLINE=1" in env
        assert os.environ["HF_TOKEN"] == "hf_secret"
    finally:
        own.close()
    assert child.poll() is not None


def _files(commit: bool = True) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (DEMO / "model").iterdir()}


def test_a_tokenizer_of_the_hub_is_fetched_without_the_weights(
    base: Path, counter: TokenCounter, sets: dict[str, Path], hub: FakeHub
) -> None:
    hub.models["org/demo"] = Repo({}, _files())
    desk, recipe = Desk(base, counter, hub.url), sft(sets["chats"], "org/demo")
    looked = desk.looked(recipe)
    told = desk.tokens.count(recipe, looked)
    assert told.count is not None, told.trouble
    assert told.count.exact
    here = HubCache(base / "cache").snapshot("org/demo")
    assert here is not None
    assert {"tokenizer.json", "chat_template.jinja", "config.json"} <= {one.name for one in here.iterdir()}
    assert not (here / "model.safetensors").exists()
    asked = len(hub.requests)
    desk.tokens.count(replace(recipe, values={**recipe.values, "max_length": 30}), looked)
    assert len(hub.requests) == asked  # from the cache, once it is there


def test_a_tokenizer_that_cannot_be_had_is_said_calmly(
    base: Path, counter: TokenCounter, sets: dict[str, Path], hub: FakeHub
) -> None:
    hub.models["org/shut"] = Repo({}, _files(), gated=True)
    hub.models["org/broken"] = Repo({}, _files())
    hub.faults["/org/broken/resolve/main/tokenizer.json"] = 503
    desk = Desk(base, counter, hub.url)
    for name, words in (("org/shut", "gated"), ("org/broken", "fetched"), ("org/none", "does not know")):
        recipe = sft(sets["chats"], name)
        told = desk.tokens.count(recipe, desk.looked(recipe))
        assert told.count is None
        assert words in told.trouble
    with silent() as url:
        far = Desk(base / "far", counter, url, patience=1)
        recipe = sft(sets["chats"], "org/slow")
        told = far.tokens.count(recipe, far.looked(recipe))
    assert told.count is None
    assert "tokenizer of org/slow" in told.trouble


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_name_or_path": None}, "choose one on the Model tab"),
        ({"dataset_name": "nowhere/to/be"}, "once the data can be read"),
        ({"dataset_name": None}, "once the data can be read"),
        ({"model_name_or_path": "/nowhere"}, "need the model's tokenizer"),
    ],
)
def test_what_is_missing_is_said(
    base: Path, counter: TokenCounter, sets: dict[str, Path], changes: dict[str, Any], words: str
) -> None:
    desk, recipe = Desk(base, counter), sft(sets["chats"])
    values = {name: value for name, value in {**recipe.values, **changes}.items() if value is not None}
    recipe = replace(recipe, values=values)
    looked = desk.looked(recipe)
    assert words in desk.tokens.reason(recipe, looked)
    assert desk.tokens.count(recipe, looked).count is None
    assert desk.tokens.open_question(recipe, looked, 0) == ""


@pytest.mark.slow
def test_the_command_prints_what_the_page_shows(
    tmp_path: Path, catalog_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "cache").symlink_to(catalog_folder)
    recipe = str(ROOT / "presets/demo-sft.yaml")
    assert main(["tokens", recipe, "--json", "--home", str(home)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["rows"], told["exact"], told["total_tokens"], told["findings"]) == (432, True, 13_655, [])
    assert told["lengths"]["example"]["max"] == 38
    assert main(["tokens", recipe, "--home", str(home)]) == 0
    said = capsys.readouterr().out
    assert "24 % of the tokens" in said
    assert re.search(r"steps in an epoch +27 \(8 with packing\)\n", said)
    assert told["steps_per_epoch"] == {"now": 27, "without_packing": 27, "with_packing": 8}
    drawn = re.findall(r"^ *(\d+) to +(\d+) +(\d+) *(#*)$", said, re.MULTILINE)
    histogram = told["histogram"]["example"]
    assert [tuple(map(int, bar[:3])) for bar in drawn] == [tuple(bar.values()) for bar in histogram]
    assert sum(bar["count"] for bar in histogram) == 432
    assert max(drawn, key=lambda bar: int(bar[2]))[3] == "#" * 40
    assert "max_length 128 is beyond" in said
    text = Path(recipe).read_text(encoding="utf-8")
    assert text.count("max_length: 128") == 1
    short = tmp_path / "short.yaml"
    short.write_text(text.replace("max_length: 128", "max_length: 25\npacking: true"), encoding="utf-8")
    assert main(["tokens", str(short), "--json", "--home", str(home)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["limit"] == 25
    assert main(["tokens", str(short), "--home", str(home)]) == 0
    said = capsys.readouterr().out
    assert re.search(rf"steps in an epoch +{told['steps_per_epoch']['with_packing']} \(26 without packing\)\n", said)
    assert re.search(r"25 to 27 +4 #  < max_length 25\n", said)
    plain = tmp_path / "plain.yaml"
    plain.write_text(text.replace("max_length: 128", "max_length: 25"), encoding="utf-8")
    assert main(["tokens", str(plain), "--home", str(home)]) == 0
    said = capsys.readouterr().out
    assert re.search(r"cut +406 of 432 examples, 94 %\n", said)
    assert re.search(r"dropped +26 of 432 examples, 6 %\n", said)
