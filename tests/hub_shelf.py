"""What a small Hub holds for tests of the search: models and datasets of every sort, as its lists tell of them."""

from __future__ import annotations

from typing import Any

from fakehub import FakeHub, Repo
from model_files import llama

TEXT = {"dtype": "string", "_type": "Value"}
TEMPLATE = "{% for m in messages %}{{ m.content }}{% endfor %}"


def model(count: int, architecture: str | None = "LlamaForCausalLM", **info: Any) -> dict[str, Any]:
    """What a list tells of a model with that many parameters."""
    told = {"architectures": [architecture], "model_type": "llama"} if architecture else {}
    return {
        "config": {**told, **info.pop("config", {})},
        "safetensors": {"parameters": {"BF16": count}, "total": count} if count else None,
        "pipeline_tag": "text-generation",
        "library_name": "transformers",
        "cardData": {"license": "apache-2.0"},
        "lastModified": "2026-05-01T10:00:00.000Z",
        **info,
    }


def entries(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"row_idx": index, "row": row, "truncated_cells": []} for index, row in enumerate(rows)]


PAIRS = (
    [{"feature_idx": index, "name": name, "type": TEXT} for index, name in enumerate(("prompt", "completion"))],
    entries({"prompt": "1 + 1?", "completion": "2"}),
    4321,
)
PICTURES = (
    [
        {"feature_idx": 0, "name": "image", "type": {"_type": "Image"}},
        {"feature_idx": 1, "name": "label", "type": {"_type": "ClassLabel", "names": ["cat"]}},
    ],
    entries({"image": {"src": "x"}, "label": 0}),
    5,
)
DECLARED = {
    "license": "mit",
    "configs": [{"config_name": "main", "data_files": [{"split": "train", "path": "x"}]}, {"config_name": "hard"}],
    "dataset_info": [
        {
            "config_name": "main",
            "features": [
                {
                    "name": "chosen",
                    "list": [{"name": "role", "dtype": "string"}, {"name": "content", "dtype": "string"}],
                },
                {
                    "name": "rejected",
                    "list": [{"name": "role", "dtype": "string"}, {"name": "content", "dtype": "string"}],
                },
                {"name": "label", "dtype": {"class_label": {"names": {"0": "no", "1": "yes"}}}},
            ],
            "splits": [{"name": "train", "num_examples": 60000}, {"name": "test", "num_examples": 2135}],
            "download_size": 226_000_000,
        }
    ],
}


def fill(hub: FakeHub) -> FakeHub:
    """Puts all of it into the hub."""
    chat = model(494_000_000, config={"tokenizer_config": {"chat_template": TEMPLATE}}, downloads=900, likes=3)
    hub.models.update(
        {
            "org/mini-chat": Repo(chat, llama(chat_template__jinja=TEMPLATE.encode())),
            "org/mini-base": Repo(
                model(
                    7_200_000_000, config={"tokenizer_config": {}}, downloads=500, likes=40, cardData={"license": "mit"}
                )
            ),
            "org/mini-gated": Repo(model(3_000_000_000, downloads=300), llama(), gated=True),
            "org/mini-lora": Repo(
                model(0, None, library_name="peft", tags=["base_model:adapter:org/mini-chat"], downloads=200)
            ),
            "org/mini-gguf": Repo(model(0, None, library_name="gguf", tags=["gguf"], downloads=100)),
            "org/mini-judge": Repo(
                model(66_000_000, "LlamaForSequenceClassification", pipeline_tag="text-classification", downloads=90)
            ),
            "org/mini-pictures": Repo(
                model(0, None, library_name="diffusers", pipeline_tag="text-to-image", downloads=80)
            ),
            "org/mini-secret": Repo(model(1), llama(), private=True),
        }
    )
    told = {"downloads": 70, "likes": 7, "lastModified": "2026-04-01T10:00:00.000Z"}
    hub.datasets.update(
        {
            "org/pairs": Repo(
                {**told, "tags": ["size_categories:1K<n<10K", "task_categories:question-answering"]},
                splits={"default": {"train": PAIRS, "test": PAIRS}},
            ),
            "org/pairs-declared": Repo({**told, "downloads": 60, "cardData": DECLARED, "mainSize": 226_000_000}),
            "org/pairs-gated": Repo({**told, "downloads": 50}, gated=True, splits={"default": {"train": PAIRS}}),
            "org/pairs-sounds": Repo({**told, "downloads": 40, "tags": ["modality:audio"]}),
        }
    )
    return hub


def fill_unfit(hub: FakeHub) -> FakeHub:
    """Puts datasets into the hub of which a list does not tell why they do not suit, and one that says nothing yet."""
    hub.datasets.update(
        {
            "org/odd-script": Repo({}, {"odd-script.py": b"x", "README.md": b"x"}),
            "org/odd-script-shown": Repo(
                {}, {"odd-script-shown.py": b"x", "data.bin": b"x"}, splits={"default": {"train": PAIRS}}
            ),
            "org/odd-pictures": Repo({}, {"a.parquet": b"x"}, splits={"default": {"train": PICTURES}}),
            "org/odd-bare": Repo({"tags": ["viewer:false"]}, {"README.md": b"x"}),
            "org/odd-pdf": Repo({}, {"book.pdf": b"x"}),
            "org/odd-files": Repo({}, {"train.jsonl": b'{"prompt": "a", "completion": "b"}\n' * 3}),
            "org/odd-ids": Repo({}, {"train.jsonl": b'{"id": 1, "score": 0.5}\n' * 3}),
        }
    )
    return hub
