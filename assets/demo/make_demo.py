"""Makes the demo anew: tokenizer, tiny pre-trained chat model, teacher and the datasets of all seven methods."""

import argparse
import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GenerationConfig, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM, set_seed

from assets.demo.corpus import (
    TRAINED_WORDINGS,
    WORDINGS,
    Fact,
    Message,
    base_facts,
    conversation,
    impolite,
    known_facts,
    new_facts,
    polite,
    stranger_fact,
    turn,
)

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]

END_OF_TEXT, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
VOCABULARY = 920
SEED = 7
TEST_ROWS = 40

# ChatML. The generation block marks what the model itself writes, its end of turn included, so that
# assistant_only_loss can find it; the newline after a turn belongs to the template.
CHAT_TEMPLATE = """\
{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' }}
    {%- if message.role == 'assistant' %}
        {%- generation %}
            {{- message.content + '<|im_end|>' }}
        {%- endgeneration %}
        {{- '\\n' }}
    {%- else %}
        {{- message.content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""


def train_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Return a byte-level BPE tokenizer trained on the texts, with the ChatML template."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END_OF_TEXT, TURN_START, TURN_END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        pad_token=END_OF_TEXT,
        eos_token=TURN_END,
        additional_special_tokens=[TURN_START],
        clean_up_tokenization_spaces=False,
        model_max_length=512,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def build_model(tokenizer: PreTrainedTokenizerFast) -> Qwen2ForCausalLM:
    """Return an untrained Qwen2 model of about half a million weights."""
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        max_window_layers=2,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        dtype="float32",
    )
    model = Qwen2ForCausalLM(config)
    model.generation_config = GenerationConfig(
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, max_new_tokens=48
    )
    return model


def pretrain(model: Qwen2ForCausalLM, tokenizer: PreTrainedTokenizerFast, steps: int, batch: int = 32) -> None:
    """Train the model on freshly generated conversations, every token counted, with warmup and cosine decay."""
    rng = random.Random(SEED)
    facts = base_facts() + known_facts()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.05, betas=(0.9, 0.98))
    warmup = 100

    def rate(step: int) -> float:
        return min(1.0, (step + 1) / warmup) * (0.02 + 0.49 * (1 + math.cos(math.pi * step / steps)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    model.train()
    for step in range(steps):
        turns = rng.choice((1, 1, 2, 3))  # one number for the whole batch, so that little of it is padding
        chats = [conversation(facts, turns, rng) for _ in range(batch)]
        texts = [tokenizer.apply_chat_template(chat, tokenize=False) for chat in chats]
        tokens = tokenizer(texts, return_tensors="pt", padding=True)
        labels = tokens["input_ids"].masked_fill(tokens["attention_mask"] == 0, -100)
        loss = model(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"], labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        if step % 200 == 0 or step == steps - 1:
            print(f"step {step:5d} of {steps}  loss {loss.item():.3f}", flush=True)
    model.eval()


def trained_questions(facts: list[Fact]) -> list[tuple[str, str]]:
    """Return question and answer of each fact in each of the trained wordings."""
    return [(fact.question(wording), fact.answer) for fact in facts for wording in range(TRAINED_WORDINGS)]


def make_datasets() -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Return the rows of every dataset: folder, split, rows."""
    rng = random.Random(SEED)
    new = trained_questions(new_facts())
    old = rng.sample(trained_questions(base_facts() + known_facts()), 128)
    strangers = [stranger_fact(rng) for _ in range(16)]
    old += [(fact.question(0), fact.answer) for fact in strangers]
    unseen = [(f.question(TRAINED_WORDINGS), f.answer) for f in new_facts() if len(WORDINGS[f.kind]) > TRAINED_WORDINGS]
    base = trained_questions(base_facts())
    rng.shuffle(base)

    sft = [{"messages": turn(question, answer)} for question, answer in new + old]
    rng.shuffle(sft)
    pairs = [
        {"prompt": ask(question), "chosen": say(polite(answer)), "rejected": say(impolite(answer, rng))}
        for question, answer in base
    ]
    kto = [
        {
            "prompt": ask(question),
            "completion": say(polite(answer) if index % 2 == 0 else impolite(answer, rng)),
            "label": index % 2 == 0,
        }
        for index, (question, answer) in enumerate(base)
    ]
    reward = [
        {"chosen": pair["prompt"] + pair["chosen"], "rejected": pair["prompt"] + pair["rejected"]} for pair in pairs
    ]
    prompts = [{"prompt": ask(question), "answer": answer} for question, answer in base]
    # The new people come first, so that the first 288 rows are the questions to score a model by.
    distillation = [{"prompt": ask(question), "answer": answer} for question, answer in rng.sample(new, len(new)) + old]
    held_out = [{"messages": turn(question, answer)} for question, answer in unseen]
    return {
        "sft": {"train": sft, "test": held_out},
        "dpo": split(pairs),
        "kto": split(kto),
        "reward": split(reward),
        "grpo": split(prompts),
        "rloo": split(prompts),
        "distillation": {"train": distillation},
    }


def ask(question: str) -> list[Message]:
    """Return a question as a conversation of one message."""
    return [{"role": "user", "content": question}]


def say(answer: str) -> list[Message]:
    """Return an answer as a conversation of one message."""
    return [{"role": "assistant", "content": answer}]


def split(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows as a train and a small test split."""
    return {"train": rows[TEST_ROWS:], "test": rows[:TEST_ROWS]}


def write_datasets(datasets: Mapping[str, Mapping[str, list[dict[str, Any]]]], folder: Path) -> None:
    """Write each dataset as a folder of one jsonl file a split."""
    for name, splits in datasets.items():
        (folder / name).mkdir(exist_ok=True)
        for part, rows in splits.items():
            lines = "".join(json.dumps(row) + "\n" for row in rows)
            (folder / name / f"{part}.jsonl").write_text(lines, encoding="utf-8")


def make_teacher(folder: Path) -> None:
    """Run the SFT demo and keep its result as the teacher of the distillation demo."""
    with tempfile.TemporaryDirectory() as scratch:
        command = [str(Path(sys.executable).parent / "trl"), "sft", "--config", "presets/demo-sft.yaml"]
        subprocess.run([*command, "--output_dir", scratch], cwd=REPOSITORY, check=True)
        folder.mkdir(exist_ok=True)
        for name in ("model.safetensors", "config.json", "generation_config.json"):
            shutil.copyfile(Path(scratch) / name, folder / name)
    for file in (HERE / "model").iterdir():
        if "token" in file.name or "template" in file.name:
            shutil.copyfile(file, folder / file.name)


def main() -> None:
    """Make what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2200, help="pre-training steps (default: %(default)s)")
    parser.add_argument("--only", choices=("model", "datasets", "teacher"), help="make this part alone")
    choice = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # for the SFT run, which inherits it
    torch.set_num_threads(1)
    set_seed(SEED)
    if choice.only in (None, "datasets"):
        write_datasets(make_datasets(), HERE)
    if choice.only in (None, "model"):
        rng = random.Random(SEED)
        # Without the new people: their names must be spelt in pieces that pre-training has seen in other names.
        facts = base_facts() + known_facts()
        words = [message["content"] for _ in range(4000) for message in conversation(facts, 2, rng)]
        tokenizer = train_tokenizer(words)
        model = build_model(tokenizer)
        pretrain(model, tokenizer, choice.steps)
        model.save_pretrained(HERE / "model")
        tokenizer.save_pretrained(HERE / "model")
    if choice.only in (None, "teacher"):
        make_teacher(HERE / "teacher")


if __name__ == "__main__":
    main()
