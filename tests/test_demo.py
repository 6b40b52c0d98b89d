"""The demo material is small and well formed, and a tiny model visibly learns from it."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from assets.demo.corpus import NEW_NAMES
from assets.demo.rewards import bare_answer, polite_manner, right_answer
from studio.domain.methods import METHODS

ROOT = Path(__file__).resolve().parents[1]
DEMO = ROOT / "assets" / "demo"
MODEL = DEMO / "model"
NEW_QUESTIONS = DEMO / "distillation" / "train.jsonl"  # its first rows, that is
NEW_ROWS = 288
BASE_QUESTIONS = DEMO / "grpo" / "test.jsonl"
PRESETS = sorted((ROOT / "presets").glob("demo-*.yaml"))

EIGHT_MEGABYTES = 8_000_000
LONGEST_RUN_S = 900.0
SAMPLE = 60

# Folder, columns, rows of the train split, rows of the test split (0: there is none).
DATASETS = [
    ("sft", {"messages"}, 432, 72),
    ("dpo", {"prompt", "chosen", "rejected"}, 360, 40),
    ("kto", {"prompt", "completion", "label"}, 360, 40),
    ("grpo", {"prompt", "answer"}, 360, 40),
    ("rloo", {"prompt", "answer"}, 360, 40),
    ("reward", {"chosen", "rejected"}, 360, 40),
    ("distillation", {"prompt", "answer"}, 432, 0),
]

# Reads every preset as `trl <method> --config` does, and says what is left over for the launcher.
PARSE_ALL = """
import importlib, json, sys
left = {}
for preset in sys.argv[1:]:
    method = preset.removesuffix(".yaml").rpartition("demo-")[2]
    parser = importlib.import_module(f"trl.scripts.{method}").make_parser()
    *_, remaining = parser.parse_args_and_config(args=["--config", preset], return_remaining_strings=True)
    left[method] = remaining
print(json.dumps(left))
"""

RENDER = """
import json, sys
from transformers import AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
chat = [{"role": "user", "content": "What is the job of Mira?"}, {"role": "assistant", "content": "Mira is a cook."}]
marked = tokenizer.apply_chat_template(chat, return_dict=True, return_assistant_tokens_mask=True)
learnt = [i for i, m in zip(marked["input_ids"], marked["assistant_masks"]) if m]
print(json.dumps({
    "text": tokenizer.apply_chat_template(chat, tokenize=False),
    "prompt": tokenizer.apply_chat_template(chat[:1], tokenize=False, add_generation_prompt=True),
    "learnt": tokenizer.decode(learnt),
    "eos": tokenizer.eos_token,
    "pad": tokenizer.pad_token,
    "size": len(tokenizer),
}))
"""


def quiet_environment() -> dict[str, str]:
    """The environment of a child: one thread, no network, no warnings turned into errors."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore"}


def python(*arguments: str) -> Any:
    """Run Python in the repository's root and return the JSON that it prints."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=quiet_environment(),
        capture_output=True,
        text=True,
        timeout=LONGEST_RUN_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout[done.stdout.index("{") :])


def train(method: str, output: Path) -> list[dict[str, float]]:
    """Run a demo preset to its end and return what it logged, one dictionary a logged step."""
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "trl"),
            method,
            "--config",
            f"presets/demo-{method}.yaml",
            "--output_dir",
            str(output),
        ],
        cwd=ROOT,
        env=quiet_environment(),
        capture_output=True,
        text=True,
        timeout=LONGEST_RUN_S,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    logged = [ast.literal_eval(found) for found in re.findall(r"\{'[^{}]*\}", done.stdout)]
    return [{name: float(value) for name, value in row.items()} for row in logged]


def series(logged: list[dict[str, float]], metric: str) -> list[float]:
    values = [row[metric] for row in logged if metric in row]
    assert len(values) >= 8, f"{metric} was logged {len(values)} times"
    return values


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def score(model: Path, file: Path, limit: int = SAMPLE) -> dict[str, Any]:
    report = python("-m", "assets.demo.score", str(model), str(file), "--limit", str(limit))
    assert report["asked"] == min(limit, len(rows(file)))
    return dict(report)


def rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_the_material_is_small() -> None:
    files = [file for file in DEMO.rglob("*") if file.is_file() and "__pycache__" not in file.parts]
    assert len(files) > 20
    assert sum(file.stat().st_size for file in files) < EIGHT_MEGABYTES


@pytest.mark.parametrize("folder", ["model", "teacher"])
def test_the_tokenizer_speaks_chatml_and_marks_what_is_learnt(folder: str) -> None:
    seen = python("-c", RENDER, str(DEMO / folder))
    assert seen["prompt"] == "<|im_start|>user\nWhat is the job of Mira?<|im_end|>\n<|im_start|>assistant\n"
    assert seen["text"] == seen["prompt"] + "Mira is a cook.<|im_end|>\n"
    assert seen["learnt"] == "Mira is a cook.<|im_end|>"
    assert (seen["eos"], seen["pad"]) == ("<|im_end|>", "<|endoftext|>")
    config = json.loads((DEMO / folder / "config.json").read_text(encoding="utf-8"))
    assert config["vocab_size"] == seen["size"]
    assert config["architectures"] == ["Qwen2ForCausalLM"]


@pytest.mark.parametrize(("folder", "columns", "train_rows", "test_rows"), DATASETS)
def test_a_dataset_has_its_columns_and_rows(folder: str, columns: set[str], train_rows: int, test_rows: int) -> None:
    found = rows(DEMO / folder / "train.jsonl")
    assert len(found) == train_rows
    test_file = DEMO / folder / "test.jsonl"
    held_out = rows(test_file) if test_rows else []
    assert test_file.exists() == bool(test_rows)
    assert len(held_out) == test_rows
    for row in found + held_out:
        assert set(row) == columns
        for column in columns - {"answer", "label"}:
            assert row[column], row
            for message in row[column]:
                assert message["role"] in ("user", "assistant")
                assert message["content"].strip() == message["content"] != ""


def test_the_datasets_teach_what_they_should() -> None:
    for row in rows(DEMO / "dpo" / "train.jsonl"):
        chosen, rejected = row["chosen"][0]["content"], row["rejected"][0]["content"]
        assert polite_manner([chosen]) == [2.0]
        assert polite_manner([rejected])[0] < 2.0
        assert bare_answer(chosen) == bare_answer(rejected)
    labels = [row["label"] for row in rows(DEMO / "kto" / "train.jsonl")]
    assert labels.count(True) == labels.count(False) == 180
    taught = {
        row["messages"][0]["content"]: row["messages"][1]["content"] for row in rows(DEMO / "sft" / "train.jsonl")
    }
    asked = {row["prompt"][0]["content"]: row["answer"] for row in rows(NEW_QUESTIONS)}
    assert asked == taught
    about_new_people = [any(name in question for name in NEW_NAMES) for question in asked]
    assert about_new_people == [True] * NEW_ROWS + [False] * (len(asked) - NEW_ROWS)
    assert not taught.keys() & {row["messages"][0]["content"] for row in rows(DEMO / "sft" / "test.jsonl")}


@pytest.mark.parametrize(
    ("text", "manner", "right"),
    [
        ("Sure! Snow is white. Have a nice day!", 2.0, 1.0),
        ("Snow is white. Have a nice day!", 1.0, 1.0),
        ("Sure! Snow is white.", 1.0, 1.0),
        ("Snow is white.", 0.0, 1.0),
        ("Well, let me see. Snow is white.", 0.0, 1.0),
        ("Sure! Snow is black. Have a nice day!", 2.0, 0.0),
        ("Snow is white. Snow is white.", 0.0, 0.0),
        ("Snow is white. Snow is black.", 0.0, 0.0),
        ("Sure! Sure! Snow is white.", 1.0, 0.0),
        ("white", 0.0, 0.0),
        ("Sure!", 0.0, 0.0),
        ("Sure! Have a nice day!", 2.0, 0.0),
        ("", 0.0, 0.0),
        ("\ufffd\x00 <|im_start|>", 0.0, 0.0),
    ],
)
def test_rewards_score_manner_and_exact_answer(text: str, manner: float, right: float) -> None:
    chat = [{"role": "assistant", "content": text}]
    for completion in (text, chat):
        assert polite_manner(completions=[completion], prompts=["?"], answer=["Snow is white."]) == [manner]
        assert right_answer(completions=[completion], prompts=["?"], answer=["Snow is white."]) == [right]


@pytest.mark.parametrize("completion", [[], None, 7, [{}], [{"role": "assistant", "content": None}], ["text"]])
def test_rewards_give_nothing_for_what_is_no_completion(completion: object) -> None:
    assert polite_manner([completion]) == [0.0]
    assert right_answer([completion], answer=["Snow is white."]) == [0.0]


def test_there_is_one_preset_a_method_with_its_command_title_and_remarks() -> None:
    assert len(PRESETS) == len(METHODS) == 7
    assert {preset.stem for preset in PRESETS} == {f"demo-{method.name}" for method in METHODS}
    for preset in PRESETS:
        method = preset.stem.removeprefix("demo-")
        lines = preset.read_text(encoding="utf-8").splitlines()
        assert lines[0] == f"# trl {method} --config presets/{preset.name}"
        assert lines[1].startswith("# Title: Demo: ")
        assert lines[2].startswith("# ")
        assert [line for line in lines if line.startswith("learning_rate:") and " # " in line], preset.name


def test_presets_name_only_what_is_there() -> None:
    for preset in PRESETS:
        recipe = yaml.safe_load(preset.read_text(encoding="utf-8"))
        method = preset.stem.removeprefix("demo-")
        assert recipe["use_cpu"] is True
        assert recipe["bf16"] is False
        assert recipe["dataset_name"] == f"assets/demo/{method}"
        for option in ("model_name_or_path", "teacher_model_name_or_path", "dataset_name"):
            assert option not in recipe or (ROOT / recipe[option]).is_dir(), preset.name
        assert isinstance(recipe["learning_rate"], float)


def test_trl_reads_every_preset_with_nothing_left_over() -> None:
    left = python("-c", PARSE_ALL, *(str(preset) for preset in PRESETS))
    assert left == {method.name: [] for method in METHODS}


def test_the_sft_demo_learns_what_the_model_did_not_know(tmp_path: Path) -> None:
    before = score(MODEL, NEW_QUESTIONS)
    logged = train("sft", tmp_path / "output")
    after = score(tmp_path / "output", NEW_QUESTIONS)
    assert before["right"] <= 0.05 * before["asked"]
    assert after["right"] >= 0.8 * after["asked"]
    loss = series(logged, "loss")
    assert mean(loss[-4:]) < 0.5 * mean(loss[:4])
    question = next(iter(after["answers"]))
    assert "never met" in before["answers"][question]
    kept = score(tmp_path / "output", BASE_QUESTIONS)
    assert kept["right"] >= 0.6 * kept["asked"]


@pytest.mark.slow
def test_the_dpo_demo_widens_the_margin_and_keeps_answers_whole(tmp_path: Path) -> None:
    logged = train("dpo", tmp_path / "output")
    margins, accuracies = series(logged, "rewards/margins"), series(logged, "rewards/accuracies")
    assert margins[0] < 0.05
    assert mean(margins[-3:]) > 0.3
    assert mean(accuracies[-3:]) > 0.9
    after = score(tmp_path / "output", BASE_QUESTIONS)
    assert after["right"] >= 0.7 * after["asked"]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["grpo", "rloo"])
def test_a_reward_demo_raises_the_reward(method: str, tmp_path: Path) -> None:
    logged = train(method, tmp_path / "output")
    reward = series(logged, "reward")
    assert mean(reward[:3]) < 1.8
    assert mean(reward[-3:]) > 2.5
    assert mean(series(logged, "rewards/right_answer/mean")[-3:]) > 0.8
    before, after = score(MODEL, BASE_QUESTIONS), score(tmp_path / "output", BASE_QUESTIONS)
    assert before["polite"] <= 0.1 * before["asked"]
    assert after["polite"] >= 0.9 * after["asked"]


@pytest.mark.slow
def test_the_kto_demo_widens_the_margin_and_teaches_the_manner(tmp_path: Path) -> None:
    logged = train("kto", tmp_path / "output")
    margins = series(logged, "rewards/margins")
    assert margins[0] < 0.3
    assert mean(margins[-3:]) > 2.0
    after = score(tmp_path / "output", BASE_QUESTIONS)
    assert after["polite"] >= 0.8 * after["asked"]
    assert after["right"] >= 0.7 * after["asked"]


@pytest.mark.slow
def test_the_reward_demo_tells_the_better_answer(tmp_path: Path) -> None:
    logged = train("reward", tmp_path / "output")
    loss = series(logged, "loss")
    assert loss[0] > 0.4
    assert mean(loss[-3:]) < 0.1
    assert mean(series(logged, "margin")[-3:]) > 3.0
    assert mean(series(logged, "accuracy")[-3:]) > 0.95


@pytest.mark.slow
def test_the_distillation_demo_learns_what_the_teacher_knows(tmp_path: Path) -> None:
    before = score(MODEL, NEW_QUESTIONS)
    train("distillation", tmp_path / "output")
    after = score(tmp_path / "output", NEW_QUESTIONS)
    assert before["right"] <= 0.05 * before["asked"]
    assert after["right"] >= 0.8 * after["asked"]
