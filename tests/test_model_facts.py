"""Facts of models in folders, whole and broken, and what is told by names and files alone."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from model_files import DEMO, ROOT, look, model_folder, models, safetensors

from studio.adapters.models import local_facts
from studio.domain.model_facts import (
    ModelFacts,
    kind_of,
    missing_shards,
    needed_files,
    parameters_text,
    size_text,
    told_by_config,
)
from studio.domain.recipe import Recipe


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    folder.mkdir()
    return folder


# Folders ---------------------------------------------------------------------------------------------------------


def test_the_demo_model_as_the_card_shows_it(base: Path) -> None:
    found = look(models(base).known("assets/demo/model"))
    assert (found.place, found.kind, found.to_download) == ("folder", "chat", 0)
    assert found.facts is not None
    assert parameters_text(found.facts) == "0.51 M · float32"
    assert (found.facts.context, found.facts.vocabulary) == (512, 920)
    assert {"<|im_start|>", "<|im_end|>", "<|endoftext|>"} == set(found.facts.marks)
    assert found.facts.tokens["eos_token"] == "<|im_end|>"
    files = ("model.safetensors", "tokenizer.json", "config.json")
    assert found.on_disk is not None
    assert found.on_disk > sum((DEMO / name).stat().st_size for name in files)


def test_a_folder_is_read_again_when_its_files_change(base: Path) -> None:
    folder, all_models = model_folder(base / "m"), models(base)
    assert look(all_models.known("m")).kind == "base"
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    assert look(all_models.known("m")).kind == "chat"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"config__json": b"{broken"}, "config.json cannot be read: it is no JSON"),
        ({"config__json": b"[1]"}, "config.json cannot be read: it holds no JSON object"),
        ({"config__json": b"\xff\xfe"}, "config.json cannot be read"),
        ({"model__safetensors": b"junk"}, "model.safetensors cannot be read"),
        ({"model__safetensors": b""}, "does not begin as safetensors do"),
        ({"model__safetensors": (2**63).to_bytes(8, "little")}, "does not begin as safetensors do"),
        ({"model__safetensors": safetensors(a=[9])[:30]}, "header is broken or cut off"),
        ({"model__safetensors": safetensors(a=[9])[:-1]}, "copy it again"),
        ({"model__safetensors": (9).to_bytes(8, "little") + b'{"a": {}}'}, "does not say what is in it"),
        ({"model__safetensors": None}, "no weights"),
        (
            {"model__safetensors": None, "model-00001-of-00003.safetensors": safetensors(a=[1])},
            "model-00002-of-00003.safetensors and 1 more is missing",
        ),
    ],
)
def test_what_cannot_be_loaded_is_said(base: Path, files: dict[str, bytes | None], said: str) -> None:
    model_folder(base / "m", **files)
    found = look(models(base).known("./m"))
    assert found.facts is not None
    assert said in found.facts.trouble
    findings = models(base).findings(Recipe("sft", {"model_name_or_path": "./m"}))
    assert [finding.level for finding in findings] == ["error"]
    assert said in findings[0].why


def test_odd_values_in_a_config_do_no_harm(base: Path) -> None:
    odd = {
        "architectures": "Llama", "text_config": [1], "vocab_size": "9", "max_position_embeddings": True,
        "quantization_config": 3, "dtype": 7, "id2label": 2, "auto_map": None,
    }  # fmt: skip
    assert set(told_by_config(odd).values()) == {None}
    card = b"---\nlicense: [\n---\n"
    tokenizer = b'{"chat_template": [1, {}], "eos_token": [1], "added_tokens_decoder": [2], "extra_special_tokens": 4}'
    model_folder(
        base / "m", config__json=json.dumps(odd).encode(), README__md=card, tokenizer_config__json=tokenizer,
        tokenizer__json=b'{"added_tokens": [1, {"special": true}, {"special": true, "content": "<x>"}], "model',
        chat_template__json=b"[]",
    )  # fmt: skip
    facts = local_facts(base / "m")
    assert (facts.architecture, facts.licence, facts.template, facts.marks) == (None, None, None, ("<x>",))
    assert facts.parameters == 10
    (base / "m/README.md").write_text("---\nlicense: mit\n---\n# A model\n")
    assert local_facts(base / "m").licence == "mit"


@pytest.mark.parametrize(
    ("name", "said", "cure"),
    [
        ("./nowhere", "There is no folder", "config.json"),
        ("/no/such/place", "There is no folder", "config.json"),
        ("empty", "holds no model: there is no config.json", "owner/name"),
        ("file.bin", "is a file; choose the model's folder", "owner/name"),
        ("template.jinja", "is a file; choose the model's folder", "owner/name"),
        ("two words", "is no name on the Hub", "without blanks"),
        ("https://example.com/a/b/c", "is an address", "owner/name"),
        ("ftp://x", "is an address", "owner/name"),
        ("a/b\0c", "no name on the Hub", "without blanks"),
        ("-x", "is no name on the Hub", "without blanks"),
    ],
)
def test_what_is_no_model_is_said_at_once(base: Path, name: str, said: str, cure: str) -> None:
    (base / "empty").mkdir()
    for file in ("file.bin", "template.jinja"):
        (base / file).write_text("x")
    all_models = models(base)
    found = look(all_models.known(name))
    assert found.facts is None
    assert said in found.why
    assert cure in found.cure
    assert all_models.learn(name) is False  # nobody is asked
    assert all_models.download_text(name) == ""


# Pure ------------------------------------------------------------------------------------------------------------


def test_the_files_that_a_training_reads() -> None:
    shards = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    repo = [*shards, "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json", "config.json",
            "tokenizer.json", "tokenizer.model", "merges.txt", "vocab.json", "chat_template.jinja", "README.md",
            "eval.json", "original/consolidated.00.pth", "consolidated.safetensors", "model.fp16.safetensors",
            "onnx/model.onnx", "additional_chat_templates/tool_use.jinja", "training_args.bin"]  # fmt: skip
    wanted = {*shards, "model.safetensors.index.json", "config.json", "tokenizer.json", "tokenizer.model", "merges.txt",
              "vocab.json", "chat_template.jinja", "additional_chat_templates/tool_use.jinja"}  # fmt: skip
    assert set(needed_files(repo)) == wanted
    assert needed_files(["model.safetensors", *shards])[0] == "model.safetensors"
    assert "pytorch_model.bin" in needed_files(["pytorch_model.bin", "config.json"])
    assert needed_files(["adapter_model.safetensors", "adapter_config.json"])
    assert missing_shards(shards) == ()
    assert missing_shards(shards[1:]) == (shards[0],)


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({"id": "Qwen/Qwen2.5-0.5B-Instruct", "template": "x"}, "chat", "knows turns"),
        ({"id": "google/gemma-3-1b-it", "template": "x"}, "chat", "knows turns"),
        ({"id": "Qwen/Qwen3-0.6B", "template": "x"}, "chat", "does not say"),
        ({"id": "Qwen/Qwen3-0.6B-Base", "template": "x"}, "base", "by its name"),
        ({"id": "gpt2"}, "base", "no chat template"),
        ({"files": ("adapter_config.json",), "adapts": "a/b"}, "adapter", "on top of a/b"),
        ({"files": ("x.gguf",), "architecture": None}, "gguf", "safetensors"),
        ({"files": ("unet.safetensors",)}, "none", "no config.json"),
        ({"architecture": "WhisperModel"}, "other", "writes no text"),
    ],
)
def test_the_kind_of_a_model(changes: dict[str, Any], kind: str, said: str) -> None:
    facts = ModelFacts(
        "a/b", "LlamaForCausalLM", "llama", None, None, None, None, None, False, False, None, None, None,
        files=("config.json",),
    )  # fmt: skip
    found = kind_of(dataclasses.replace(facts, **changes))
    assert found[0] == kind
    assert said in found[1]


def test_sizes_for_people() -> None:
    sizes = [size_text(size) for size in (0, 1, 999, 12_345, 2_051_240, 988_097_824, 15_231_233_024, 140_000_000_000)]
    assert sizes == ["0 kB", "1 kB", "1 kB", "12 kB", "2.1 MB", "988 MB", "15.2 GB", "140 GB"]


def test_importing_the_adapters_imports_no_library() -> None:
    program = "import sys; sys.path.insert(0, sys.argv[1]); import studio.service.models\n"
    program += "print(sorted({'huggingface_hub', 'transformers', 'pyarrow', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program, str(ROOT)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_copy_of_the_demo_is_the_demo(base: Path) -> None:
    shutil.copytree(DEMO, base / "copy")
    mine, theirs = look(models(base).known("copy")).facts, look(models(base).known("assets/demo/model")).facts
    assert mine is not None
    assert theirs is not None
    assert dataclasses.replace(mine, id=theirs.id) == theirs
