"""Asks a model the questions of a demo dataset and counts the answers that are right, and those that are polite."""

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from assets.demo.rewards import polite_manner, right_answer

BATCH = 64
LONGEST_ANSWER = 32


def questions(file: Path, limit: int) -> list[tuple[str, str]]:
    """Return question and expected answer of the first rows of a jsonl file that has `prompt` and `answer`."""
    rows: list[dict[str, Any]] = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()[:limit]]
    return [(row["prompt"][-1]["content"], row["answer"]) for row in rows]


def answers(model_folder: Path, asked: list[str]) -> list[str]:
    """Return the model's likeliest answer to each question; always the same ones, as nothing is drawn at random."""
    tokenizer = AutoTokenizer.from_pretrained(model_folder, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32).eval()
    given: list[str] = []
    for start in range(0, len(asked), BATCH):
        chats = [[{"role": "user", "content": question}] for question in asked[start : start + BATCH]]
        tokens = tokenizer.apply_chat_template(
            chats, add_generation_prompt=True, padding=True, return_tensors="pt", return_dict=True
        )
        with torch.inference_mode():
            written = model.generate(**tokens, do_sample=False, max_new_tokens=LONGEST_ANSWER)
        given += tokenizer.batch_decode(written[:, tokens["input_ids"].shape[1] :], skip_special_tokens=True)
    return given


def main() -> None:
    """Print one JSON object: how many were asked, right, fully polite, and every answer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="folder of the model")
    parser.add_argument("file", type=Path, help="jsonl file with the columns prompt and answer")
    parser.add_argument("--limit", type=int, default=1000, help="ask the first so many (default: %(default)s)")
    choice = parser.parse_args()
    torch.set_num_threads(1)
    pairs = questions(choice.file, choice.limit)
    given = answers(choice.model, [question for question, _ in pairs])
    right = right_answer(given, [answer for _, answer in pairs])
    report = {
        "asked": len(pairs),
        "right": int(sum(right)),
        "polite": sum(manner == 2.0 for manner in polite_manner(given)),
        "answers": {question: text for (question, _), text in zip(pairs, given, strict=True)},
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
