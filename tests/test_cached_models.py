"""Models in the local cache of the Hub: what each is said to be, and why it does not suit."""

from __future__ import annotations

import json
from pathlib import Path

from model_files import CONFIG, cached, llama, models

from studio.ui.search_list import here


def test_cached_models_say_what_decides_and_why_they_do_not_suit(tmp_path: Path) -> None:
    def config(name: str) -> bytes:
        return json.dumps(CONFIG | {"architectures": [name]}).encode()

    cache, card = tmp_path / "cache", b"---\nlicense: mit\n---\n# hello"
    cached(cache, "org/chat", llama(README__md=card, chat_template__jinja=b"{{ messages }}"))
    cached(cache, "org/base", llama(), ref="v2")
    cached(cache, "org/bert", llama(config__json=config("BertModel")))
    cached(cache, "org/judge", llama(config__json=config("LlamaForSequenceClassification")))
    cached(cache, "org/cut", llama(model__safetensors=b"x" * 99))
    cached(cache, "org/gguf", {"model-Q4.gguf": b"GGUF"})
    cached(cache, "org/gguf-too", {"model-Q4.gguf": b"GGUF", "config.json": config("LlamaForCausalLM")})
    lora = {"adapter_config.json": b'{"base_model_name_or_path": "org/chat"}', "adapter_model.safetensors": b"x"}
    cached(cache, "org/lora", lora)
    all_models = models(tmp_path)
    all_models.look_around()
    found = {offer.id: offer for offer in all_models.offers() if offer.kind == "cached"}
    assert {name: one.unfit for name, one in found.items()} == {
        "org/chat": "",
        "org/base": "",
        "org/bert": "BertModel writes no text: TRL trains models that do.",
        "org/judge": "A classifier or reward model: it writes no text.",
        "org/cut": "model.safetensors cannot be read: it does not begin as safetensors do.",
        "org/gguf": "GGUF files, made for running a model; TRL trains from safetensors.",
        "org/gguf-too": "GGUF files, made for running a model; TRL trains from safetensors.",
        "org/lora": "Only an adapter: start from org/chat.",
    }
    assert found["org/chat"].detail == "10 · float32 · chat template · mit"
    assert found["org/base"].detail == "10 · float32 · no chat template · revision v2"
    assert (found["org/judge"].unfit_for("reward"), found["org/judge"].unfit_for("sft") != "") == ("", True)
    assert found["org/bert"].unfit_for("reward")
    drawn = {method: here("models", found.values(), "", None, method) for method in ("sft", "reward")}
    assert (drawn["sft"].count("ts-offer unfit"), drawn["reward"].count("ts-offer unfit")) == (6, 5)
    assert "Only an adapter: start from org/chat." in drawn["sft"]
