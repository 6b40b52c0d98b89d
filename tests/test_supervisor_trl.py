"""The supervisor with TRL's own command on a tiny random model: a run to its end, and one stopped on its way."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from run_lab import RunLab, attempt_of, everyone, wait_until

from studio.adapters.launching import launch
from studio.adapters.progress import is_complete
from studio.adapters.runs import Run

TRL = [str(Path(sys.executable).parent / "trl"), "sft", "--config", "recipe.yaml"]
ENV = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}

# In a process of its own, for what the libraries warn of is not this suite's.
MAKE = """
import json, os, sys
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

os.chdir(sys.argv[1])
torch.manual_seed(0)
words = Tokenizer(models.BPE())
words.pre_tokenizer, words.decoder = pre_tokenizers.ByteLevel(), decoders.ByteLevel()
letters = pre_tokenizers.ByteLevel.alphabet()
words.train_from_iterator(["the cat sat on the mat"], trainers.BpeTrainer(
    vocab_size=280, special_tokens=["<eos>", "<pad>"], initial_alphabet=letters, show_progress=False))
tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<eos>", pad_token="<pad>")
tokenizer.save_pretrained("model")
Qwen2ForCausalLM(Qwen2Config(
    vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2,
    intermediate_size=32, tie_word_embeddings=True, eos_token_id=0, pad_token_id=1)).save_pretrained("model")
os.mkdir("data")
for split in ("train", "test"):
    with open(f"data/{split}.jsonl", "w") as file:
        file.writelines(json.dumps({"text": f"the cat {number} sat on the mat"}) + "\\n" for number in range(64))
"""


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("material")
    subprocess.run([sys.executable, "-c", MAKE, str(folder)], check=True)
    return folder


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[RunLab]:
    lab = RunLab(tmp_path)
    yield lab
    lab.close()


def start(lab: RunLab, material: Path, **more: object) -> Run:
    recipe = {
        "model_name_or_path": str(material / "model"), "dataset_name": str(material / "data"), "output_dir": "output",
        "per_device_train_batch_size": 2, "use_cpu": True, "bf16": False, "enable_jit_checkpoint": True,
    }  # fmt: skip
    run = lab.folders.create("run", "sft", json.dumps(recipe | more))
    launch(run, TRL, ENV)
    return run


@pytest.mark.slow
def test_trl_to_its_end(lab: RunLab, material: Path) -> None:
    run = start(lab, material, max_steps=60, eval_strategy="steps", eval_steps=20, per_device_eval_batch_size=1)
    seen: list[str] = []

    def look() -> bool:
        state = run.state()
        if seen[-1:] != [state]:
            seen.append(state)
        return bool(attempt_of(run)["outcome"])

    wait_until(look, 300)
    assert run.state() == "finished", run.log_tail()
    assert [state for state in seen if state in ("starting", "training")][:2] == ["starting", "training"]
    assert set(seen) <= {"queued", "starting", "training", "evaluating", "saving", "finished"}
    assert {"evaluating", "saving"} <= set(seen)
    attempt = attempt_of(run)
    assert (attempt["last_step"], attempt["total_steps"], len(attempt["trainers"])) == (60, 60, 1)
    assert everyone(run) == []


@pytest.mark.slow
def test_trl_is_stopped_and_saves(lab: RunLab, material: Path) -> None:
    run = start(lab, material, max_steps=100_000, save_strategy="no")
    wait_until(lambda: (run.progress().step or 0) > 5 and attempt_of(run)["trainers"], 300)
    assert run.request_stop("save")
    assert run.state() == "stopping"
    wait_until(lambda: attempt_of(run)["outcome"], 300)
    assert run.state() == "stopped", run.log_tail()
    attempt = attempt_of(run)
    assert attempt["exit"] == {"code": 0, "signal": None}
    assert "Training completed" in run.log_tail()
    (checkpoint,) = (run.folder / "output").glob("checkpoint-*")
    assert is_complete(checkpoint)
    # A request that arrives before the optimizer's step is saved before it, and the step is still done.
    assert attempt["last_step"] - int(checkpoint.name.split("-")[1]) in (0, 1)
    assert 5 < attempt["last_step"] < attempt["total_steps"] == 100_000
    assert everyone(run) == []
