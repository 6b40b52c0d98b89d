"""Reward models tried before a run: the scores are those that TRL's own trainer gives the same completions."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from model_files import DEMO, ROOT, safetensors

from studio.adapters.home import Home
from studio.domain.recipe import Recipe
from studio.service.rewards import Ask
from studio.service.studio import Studio

COMPLETIONS = ("The sun is yellow.", "No.", "The sky is blue, and the grass is green. Have a nice day!")
PROMPTS = ["What colour is the sun?", "What colour is the sky?"]
# A reward model of the demo's size with fixed weights, and TRL's own scores by it.
_ORACLE = """
import json, sys
import torch
from datasets import Dataset
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from trl import GRPOConfig, GRPOTrainer
base, place, asked = sys.argv[1:]
torch.manual_seed(1)
AutoModelForSequenceClassification.from_pretrained(base, num_labels=1, dtype=torch.float32).save_pretrained(place)
AutoTokenizer.from_pretrained(base).save_pretrained(place)
told = {"output_dir": place + "-run", "use_cpu": True, "bf16": False, "report_to": "none"}
config = GRPOConfig(**told, model_init_kwargs={"dtype": "float32"})
found = {}
for name, (prompts, completions) in json.load(open(asked)).items():
    rows = [{"prompt": one} for one in prompts]
    trainer = GRPOTrainer(base, reward_funcs=place, args=config, train_dataset=Dataset.from_list(rows))
    found[name] = trainer._calculate_rewards(rows, prompts, completions, None)[:, 0].tolist()
json.dump(found, open(asked, "w"))
"""


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[float]]]:
    """The model's folder, and what TRL makes of the completions to prompts as text and as messages."""
    folder = tmp_path_factory.mktemp("judge")
    asked: dict[str, Any] = {}
    pairs = [(prompt, completion) for prompt in PROMPTS for completion in COMPLETIONS]
    asked["text"] = [one for one, _ in pairs], [one for _, one in pairs]
    asked["messages"] = (
        [[{"role": "user", "content": one}] for one, _ in pairs],
        [[{"role": "assistant", "content": one}] for _, one in pairs],
    )
    file = folder / "asked.json"
    file.write_text(json.dumps(asked))
    command = [sys.executable, "-c", _ORACLE, str(DEMO), str(folder / "judge"), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / "judge", json.loads(file.read_text())


def trial(home: Path, model: Path, chat: bool) -> Any:
    rows = [{"prompt": [{"role": "user", "content": one}] if chat else one} for one in PROMPTS]
    home.mkdir(exist_ok=True)
    file = home / "rows.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    entry = {"path": "json", "data_files": str(file), "split": "train"}
    recipe = Recipe("grpo", {"datasets": [entry], "reward_model_name_or_path": str(model)})
    studio = Studio(Home(home / "home"))
    return studio.rewards.trial(recipe, studio.recipes.look(recipe), Ask(COMPLETIONS, rows=2))


@pytest.mark.parametrize("kind", ["text", "messages"])
def test_the_scores_are_trls(scored: tuple[Path, dict[str, list[float]]], tmp_path: Path, kind: str) -> None:
    model, told = scored
    found = trial(tmp_path, model, kind == "messages")
    assert found.findings == ()
    assert len(set(told[kind])) > 3
    assert found.outcomes[0].values == pytest.approx(told[kind], abs=1e-4)
    assert found.sums == pytest.approx(told[kind], abs=1e-4)


def test_a_model_without_a_score_head_is_not_tried(tmp_path: Path) -> None:
    found = trial(tmp_path, DEMO, True)
    (said,) = found.findings
    assert said.message == "`model` was not tried: it is no reward model."
    assert found.outcomes[0].values == (None,) * 6


def test_weights_that_are_absent_broken_or_too_big_are_told(tmp_path: Path) -> None:
    for name in ("absent", "broken", "big"):
        shutil.copytree(DEMO, tmp_path / name)
        (tmp_path / name / "model.safetensors").unlink()
    (tmp_path / "broken/model.safetensors").write_bytes(safetensors(a=[1])[:-2])
    with (tmp_path / "big/model.safetensors").open("wb") as file:
        file.truncate(2 << 30)
    (said,) = trial(tmp_path, tmp_path / "absent", True).findings
    assert said.message == "`absent` was not tried: its weights are not on this machine yet."
    (said,) = trial(tmp_path, tmp_path / "big", True).findings
    assert said.message == "`big` was not tried: it has 2.1 GB of weights."
    (said,) = trial(tmp_path, tmp_path / "broken", True).findings
    assert said.level == "error"
    assert said.message.startswith("`broken` raises: ")
