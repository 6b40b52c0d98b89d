"""The Hub adapter: the real clients against a local Hub, and servers that refuse, fail, drip or never answer."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from fakehub import FakeHub, Repo, blob, dripping, running, silent

from studio.adapters import hub as adapter
from studio.adapters.hub import DatasetHead, HubClient, ModelFacts, Unknown, bound_requests
from studio.domain.columns import Column
from studio.domain.dataset_types import judge

TEXT = {"dtype": "string", "_type": "Value"}
MESSAGES = {"feature": {"role": TEXT, "content": TEXT}, "_type": "List"}
OLD_MESSAGES = [{"content": TEXT, "role": TEXT}]
CHAT = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]


def features(**types: Any) -> list[dict[str, Any]]:
    return [{"feature_idx": index, "name": name, "type": kind} for index, (name, kind) in enumerate(types.items())]


def entries(*rows: dict[str, Any], cut: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    return [{"row_idx": index, "row": row, "truncated_cells": list(cut)} for index, row in enumerate(rows)]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    with running(FakeHub()) as served:
        huggingface_hub.close_session()
        yield served
        huggingface_hub.close_session()


def client(hub: FakeHub, token: str | None = None) -> HubClient:
    return HubClient(hub.url, hub.viewer, token)


def unknown(answer: object, reason: str) -> Unknown:
    assert isinstance(answer, Unknown), answer
    assert answer.reason == reason, answer
    assert answer.message
    assert "Error" not in answer.message
    return answer


# --- datasets


def test_the_head_of_a_dataset(hub: FakeHub) -> None:
    chats = (features(messages=OLD_MESSAGES, source=TEXT), entries({"messages": CHAT, "source": "x"}), 1234)
    hub.datasets["org/chats"] = Repo(
        splits={"default": {"test": chats, "train": chats}, "raw": {"all": (features(text=TEXT), [], 0)}}
    )
    head = client(hub).dataset_head("org/chats")
    assert isinstance(head, DatasetHead)
    assert (head.configs, head.config, head.split) == (("default", "raw"), "default", "train")
    assert head.splits["default"] == ("test", "train")
    assert head.columns[0] == Column("messages", "messages", (Column("content", "text"), Column("role", "text")))
    assert (head.rows, head.num_rows, head.partial) == ([{"messages": CHAT, "source": "x"}], 1234, False)
    assert judge("sft", head.columns, head.rows).verdict == "accept"
    other = client(hub).dataset_head("org/chats", config="raw")
    assert isinstance(other, DatasetHead)
    assert (other.split, other.rows, other.num_rows) == ("all", [], 0)
    assert len(hub.requests) == 6


def test_a_cell_that_was_cut_short_is_not_taken_for_text(hub: FakeHub) -> None:
    cut = entries({"messages": '[{"role": "user", "conte', "text": "a beg"}, cut=("messages", "text"))
    whole = entries({"messages": CHAT, "text": "b"})
    rows = (features(messages=MESSAGES, text=TEXT), cut + whole, 2)
    hub.datasets["org/long"] = Repo(splits={"default": {"train": rows}})
    head = client(hub).dataset_head("org/long")
    assert isinstance(head, DatasetHead)
    assert head.rows == [{"text": "a beg"}, {"messages": CHAT, "text": "b"}]
    assert judge("sft", head.columns, head.rows).verdict == "accept"
    assert judge("sft", head.columns, head.rows[:1]).verdict == "accept"


def test_wanted_parts_that_are_not_there(hub: FakeHub) -> None:
    hub.datasets["org/d"] = Repo(splits={"en": {"validation": (features(text=TEXT), [], 0)}})
    head = client(hub).dataset_head("org/d")
    assert isinstance(head, DatasetHead)
    assert (head.config, head.split) == ("en", "validation")
    assert "there is en" in unknown(client(hub).dataset_head("org/d", config="fr"), "not found").message
    assert "there is validation" in unknown(client(hub).dataset_head("org/d", split="train"), "not found").message
    hub.datasets["org/none"] = Repo()
    unknown(client(hub).dataset_head("org/none"), "not ready")


def test_datasets_that_may_not_be_read(hub: FakeHub) -> None:
    rows = {"default": {"train": (features(text=TEXT), entries({"text": "x"}), 1)}}
    hub.datasets["org/gated"] = Repo(gated=True, splits=rows)
    hub.datasets["org/private"] = Repo(private=True, splits=rows)
    assert "accept its conditions" in unknown(client(hub).dataset_head("org/gated"), "gated").message
    unknown(client(hub, "hf_other").dataset_head("org/gated"), "gated")
    unknown(client(hub).dataset_head("org/private"), "not found")
    unknown(client(hub).dataset_head("org/nowhere"), "not found")
    for name in ("org/gated", "org/private"):
        assert isinstance(client(hub, "hf_good").dataset_head(name), DatasetHead)


def test_the_token_of_the_login_is_used(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {"default": {"train": (features(text=TEXT), entries({"text": "x"}), 1)}}
    hub.datasets["org/gated"] = Repo(gated=True, splits=rows)
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    assert isinstance(client(hub).dataset_head("org/gated"), DatasetHead)


@pytest.mark.parametrize(("status", "reason"), [(500, "not ready"), (503, "not ready"), (501, "unsupported")])
def test_a_viewer_in_trouble(hub: FakeHub, status: int, reason: str) -> None:
    hub.datasets["org/d"] = Repo(splits={"default": {"train": (features(text=TEXT), [], 7)}})
    for path in ("/viewer/splits", "/viewer/first-rows"):
        hub.faults = {path: status}
        assert unknown(client(hub).dataset_head("org/d"), reason).status == status
    hub.faults = {"/viewer/size": status}
    head = client(hub).dataset_head("org/d")
    assert isinstance(head, DatasetHead)
    assert head.num_rows is None
    hub.faults = {"/viewer": 429}
    assert "fewer requests" in unknown(client(hub).dataset_head("org/d"), "not ready").message


def test_the_viewers_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRL_STUDIO_VIEWER", raising=False)
    assert HubClient().viewer == "https://datasets-server.huggingface.co"
    monkeypatch.setenv("TRL_STUDIO_VIEWER", "http://127.0.0.1:1/dss/")
    assert HubClient().viewer == "http://127.0.0.1:1/dss"
    assert HubClient(viewer="http://x").viewer == "http://x"


# --- models

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "max_position_embeddings": 8192,
    "vocab_size": 49152,
    "dtype": "bfloat16",
}


def llama(**changes: Any) -> Repo:
    info = {
        "config": {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "chat_template_jinja": "{{ x }}"},
        "safetensors": {"parameters": {"BF16": 134_515_008}, "total": 134_515_008},
        "cardData": {"license": "apache-2.0"},
        "pipeline_tag": "text-generation",
        "tags": ["license:apache-2.0"],
    }
    return Repo(info, {"config.json": json.dumps(CONFIG).encode(), "model.safetensors": b""}, **changes)


def test_the_facts_of_a_model(hub: FakeHub) -> None:
    hub.models["org/small"] = llama()
    facts = client(hub).model_facts("org/small")
    assert isinstance(facts, ModelFacts)
    assert facts == ModelFacts(
        id="org/small",
        architecture="LlamaForCausalLM",
        model_type="llama",
        parameters=134_515_008,
        dtype="BF16",
        context=8192,
        vocabulary=49152,
        quantized=None,
        gated=False,
        private=False,
        licence="apache-2.0",
        task="text-generation",
        template="{{ x }}",
        files=("config.json", "model.safetensors"),
        config=CONFIG,
        commit=facts.commit,
        sizes={"config.json": len(json.dumps(CONFIG)), "model.safetensors": 0},
        blobs={"config.json": blob(json.dumps(CONFIG).encode()), "model.safetensors": blob(b"")},
        processor="",
    )
    assert len(facts.commit or "") == 40


def test_a_model_of_which_little_is_told(hub: FakeHub) -> None:
    tokenizer = json.dumps({"chat_template": "{{ messages }}"}).encode()
    vision = {"text_config": {"max_position_embeddings": 4096, "vocab_size": 32000}, "torch_dtype": "float16"}
    vision["quantization_config"] = {"quant_method": "gptq"}
    files = {"config.json": json.dumps(vision).encode(), "tokenizer_config.json": tokenizer}
    hub.models["org/bare"] = Repo({"tags": ["license:mit"]}, files)
    facts = client(hub).model_facts("org/bare")
    assert isinstance(facts, ModelFacts)
    assert (facts.parameters, facts.architecture, facts.licence) == (None, None, "mit")
    assert (facts.context, facts.vocabulary, facts.dtype) == (4096, 32000, "float16")
    assert (facts.template, facts.quantized) == ("{{ messages }}", "gptq")
    hub.models["org/odd"] = Repo({}, {"config.json": b"{broken", "tokenizer_config.json": b"[]"})
    odd = client(hub).model_facts("org/odd")
    assert isinstance(odd, ModelFacts)
    assert (odd.config, odd.template) == ({}, None)


def test_a_revision_has_facts_of_its_own(hub: FakeHub) -> None:
    other = {**CONFIG, "vocab_size": 7, "auto_map": {"AutoConfig": "x.py"}}
    hub.models["org/two"] = llama(revisions={"v2": {"config.json": json.dumps(other).encode()}})
    main, second = client(hub).model_facts("org/two"), client(hub).model_facts("org/two", "v2")
    assert isinstance(main, ModelFacts)
    assert isinstance(second, ModelFacts)
    assert (main.vocabulary, second.vocabulary) == (49152, 7)
    assert (main.own_code, second.own_code) == (False, True)
    assert main.commit != second.commit
    gone = unknown(client(hub).model_facts("org/two", "v3"), "not found")
    assert "v3" in gone.message
    assert "branch, tag or commit" in gone.message


def test_tokens_and_templates_wherever_they_are_told(hub: FakeHub) -> None:
    tokenizer = {
        "bos_token": "<s>",
        "eos_token": {"content": "</s>", "lstrip": False},
        "pad_token": None,
        "added_tokens_decoder": {"3": {"content": "<|x|>", "special": True}, "4": {"content": "no", "special": False}},
        "chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}],
    }
    files = {"config.json": b"{}", "tokenizer_config.json": json.dumps(tokenizer).encode()}
    hub.models["org/t"] = Repo({}, files)
    facts = client(hub).model_facts("org/t")
    assert isinstance(facts, ModelFacts)
    assert (facts.template, dict(facts.tokens)) == ("d", {"bos_token": "<s>", "eos_token": "</s>"})
    assert facts.marks == ("<s>", "</s>", "<|x|>")
    hub.models["org/t"].files["chat_template.jinja"] = b"file"
    facts = client(hub).model_facts("org/t")
    assert isinstance(facts, ModelFacts)
    assert facts.template == "file"
    hub.models["org/a"] = Repo({}, {"adapter_config.json": b'{"base_model_name_or_path": "org/t"}'})
    adapter = client(hub).model_facts("org/a")
    assert isinstance(adapter, ModelFacts)
    assert adapter.adapts == "org/t"


def test_a_dataset_is_no_model(hub: FakeHub) -> None:
    hub.datasets["org/rows"] = Repo()
    assert "is a dataset" in unknown(client(hub).model_facts("org/rows"), "not found").message


def test_models_that_may_not_be_read(hub: FakeHub) -> None:
    hub.models["org/gated"] = llama(gated=True)
    facts = client(hub).model_facts("org/gated")  # its metadata are public, its files are not
    assert isinstance(facts, ModelFacts)
    assert (facts.gated, facts.parameters, facts.config, facts.context) == (True, 134_515_008, {}, None)
    allowed = client(hub, "hf_good").model_facts("org/gated")
    assert isinstance(allowed, ModelFacts)
    assert allowed.context == 8192
    hub.models["org/private"] = llama(private=True)
    unknown(client(hub).model_facts("org/private"), "not found")
    unknown(client(hub).model_facts("org/nowhere"), "not found")
    unknown(client(hub).model_facts("no/such/id"), "not found")
    hub.faults = {"/api/models": 500}
    assert unknown(client(hub).model_facts("org/gated"), "not ready").status == 500
    hub.faults = {"/org/gated/resolve": 500}
    assert unknown(client(hub, "hf_good").model_facts("org/gated"), "not ready").status == 500


# --- no network, and worse


def test_nobody_there(hub: FakeHub) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # not listening: connections are refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        unknown(HubClient(url, url).dataset_head("org/d"), "offline")
        unknown(HubClient(url, url).model_facts("org/m"), "offline")


def test_a_server_that_never_answers(hub: FakeHub) -> None:
    with silent() as url:
        asked = HubClient(url, url, patience=0.5)
        unknown(asked.dataset_head("org/d"), "timeout")
        unknown(asked.model_facts("org/m"), "timeout")
        # The viewer says no, and the Hub that should tell why is silent.
        unknown(HubClient(url, hub.viewer, patience=1).dataset_head("org/nowhere"), "timeout")


def test_a_server_that_drips(hub: FakeHub) -> None:
    with dripping() as url:
        unknown(HubClient(url, url, patience=0.5).dataset_head("org/d"), "timeout")


def test_a_slow_name_server(monkeypatch: pytest.MonkeyPatch, hub: FakeHub) -> None:
    from threading import Event

    asked, ended = Event(), Event()

    def slow(*_: Any, **__: Any) -> Any:
        asked.set()
        ended.wait(60)
        raise OSError("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    unknown(HubClient("http://hub.invalid", "http://hub.invalid", patience=0.3).model_facts("org/m"), "timeout")
    assert asked.is_set()
    ended.set()


def test_answers_that_are_no_answers(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeHub, "viewer", property(lambda self: f"{self.url}/api/models/org/small?"))
    hub.models["org/small"] = llama()
    assert "KeyError" in unknown(HubClient(hub.url, hub.viewer).dataset_head("org/d"), "trouble").detail


STOCK = """
import sys
sys.path.insert(0, sys.argv[2])
import huggingface_hub
from huggingface_hub.errors import OfflineModeIsEnabled
from studio.adapters.hub import HubClient, bound_requests
bound_requests(0.5)
api = huggingface_hub.HfApi(endpoint=sys.argv[1])
for call in (lambda: list(api.list_models(search="x", limit=3)), lambda: api.model_info("org/m"),
             lambda: api.dataset_info("org/m"), lambda: api.whoami(token="hf_x"),
             lambda: huggingface_hub.hf_hub_download("org/m", "config.json", endpoint=sys.argv[1])):
    try:
        call()
        print("answered")
    except (OfflineModeIsEnabled, huggingface_hub.errors.LocalEntryNotFoundError) as error:
        print("offline")
print(HubClient(sys.argv[1], sys.argv[1]).model_facts("org/m").reason)
print("threads", __import__("threading").active_count())
"""


def stock_calls(url: str, folder: Path, **environment: str) -> list[str]:
    """The library's own calls in a process of their own: one that hung would end this test."""
    root = str(Path(__file__).resolve().parent.parent)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    line = [sys.executable, "-c", STOCK, url, root]
    done = subprocess.run(
        line,
        env={**inherited, "HF_HOME": str(folder / "hf"), **environment},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1]


def test_bounded_requests_end_for_every_call_of_the_library(tmp_path: Path) -> None:
    with silent() as url:
        assert stock_calls(url, tmp_path) == ["offline"] * 5 + ["timeout", "threads 1"]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        gone = f"http://127.0.0.1:{taken.getsockname()[1]}"
        assert stock_calls(gone, tmp_path) == ["offline"] * 5 + ["offline", "threads 1"]


def test_offline_by_setting(tmp_path: Path, hub: FakeHub) -> None:
    assert stock_calls(hub.url, tmp_path, HF_HUB_OFFLINE="1") == ["offline"] * 5 + ["offline", "threads 1"]
    assert hub.requests == []


def test_bounded_requests_still_answer(hub: FakeHub) -> None:
    hub.models["org/small"] = llama()
    from huggingface_hub.utils._http import default_client_factory

    bound_requests(5)
    try:
        assert isinstance(client(hub).model_facts("org/small"), ModelFacts)
        assert huggingface_hub.HfApi(endpoint=hub.url).model_info("org/small").id == "org/small"
    finally:
        huggingface_hub.set_client_factory(default_client_factory)


def test_importing_the_adapter_imports_no_library() -> None:
    root = str(Path(adapter.__file__).parent.parent.parent)
    script = "import sys; sys.path.insert(0, sys.argv[1]); import studio.adapters.hub\n"
    script += "print('huggingface_hub' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script, root], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
