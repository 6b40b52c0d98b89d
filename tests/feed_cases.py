"""Recipes and small data for which the studio's tokens are compared with what TRL feeds the model."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "assets/demo"
Row = dict[str, Any]


def _demo(method: str, number: int = 24) -> list[Row]:
    with (DEMO / method / "train.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line, _ in zip(lines, range(number), strict=False)]


def _turns(row: Row) -> list[Row]:
    turns: list[Row] = row["messages"]
    return turns


def data(folder: Path) -> dict[str, Path]:
    """Datasets in folders, by name."""
    chats = _demo("sft")
    pairs, thumbs = _demo("dpo"), _demo("kto")
    answered = [{"prompt": _turns(row)[:1], "completion": _turns(row)[1:]} for row in chats]
    plain = [
        {"prompt": row["prompt"][0]["content"] + " ", "completion": row["completion"][0]["content"]} for row in answered
    ]
    long = {"role": "user", "content": "What is the colour of the sun? " * 12}
    tool = {"type": "function", "function": {"name": "now", "description": "The time.", "parameters": {}}}
    several = [{"messages": _turns(one) + _turns(two)} for one, two in pairwise(chats)]
    texts = [f"{row['prompt']}{row['completion']}" for row in plain]
    made: dict[str, Iterable[Row]] = {
        "chats": chats,
        "long": [{"messages": [long, *_turns(row)[1:]]} if place % 3 == 0 else row for place, row in enumerate(chats)],
        "several": several,
        "answered": answered,
        "plain": plain,
        "texts": [{"text": text} for text in texts],
        "bodies": [{"body": text, "title": "x"} for text in texts],
        "sharegpt": [
            {"conversations": [{"from": turn["role"], "value": turn["content"]} for turn in _turns(row)]}
            for row in chats
        ],
        "tools": [{**row, "tools": [tool]} for row in chats],
        "ids": [{"input_ids": list(range(5, 9 + place))} for place in range(12)],
        "pairs": pairs,
        "implicit": [
            {"chosen": row["prompt"] + row["chosen"], "rejected": row["prompt"] + row["rejected"]} for row in pairs
        ],
        "long pairs": [{**row, "prompt": [long]} if place % 4 == 0 else row for place, row in enumerate(pairs)],
        "text pairs": [
            {"prompt": "Say it: ", "chosen": row["chosen"][0]["content"], "rejected": row["rejected"][0]["content"]}
            for row in pairs
        ],
        "thumbs": thumbs,
        "prompts": _demo("grpo"),
        "text prompts": [{"prompt": row["prompt"]} for row in plain],
    }
    found = {}
    for name, rows in made.items():
        place = folder / name.replace(" ", "-")
        place.mkdir(parents=True)
        (place / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        found[name] = place
    return found


def models(folder: Path) -> dict[str, Path]:
    """The demo model, and twins of it with other templates."""
    found = {"demo": DEMO / "model"}
    template = (DEMO / "model/chat_template.jinja").read_text(encoding="utf-8")
    unmarked = template.replace("{%- generation %}", "").replace("{%- endgeneration %}", "")
    for name, text in (("unmarked", unmarked), ("shouting", template.replace("<|im_start|>", "<|im_start|>>"))):
        place = folder / name
        place.mkdir(parents=True)
        for file in (DEMO / "model").iterdir():
            (place / file.name).write_bytes(file.read_bytes())
        (place / "chat_template.jinja").write_text(text, encoding="utf-8")
        found[name] = place
    return found


# name: method, data (a part of one, and several with a plus), model, values
CASES: dict[str, tuple[str, str, str, Row]] = {
    "sft": ("sft", "chats", "demo", {}),
    "sft, answers only": ("sft", "several", "demo", {"assistant_only_loss": True}),
    "sft, answers only, cut": ("sft", "several", "demo", {"assistant_only_loss": True, "max_length": 44}),
    "sft, some dropped": ("sft", "long", "demo", {"assistant_only_loss": True, "max_length": 40}),
    "sft, end kept": ("sft", "long", "demo", {"max_length": 40, "truncation_mode": "keep_end"}),
    "sft, packed": ("sft", "several", "demo", {"assistant_only_loss": True, "max_length": 200, "packing": True}),
    "sft, packed and split": (
        "sft", "long", "demo", {"max_length": 64, "packing": True, "packing_strategy": "bfd_split"},
    ),
    "sft, packed and wrapped": (
        "sft", "chats", "demo", {"max_length": 50, "packing": True, "packing_strategy": "wrapped"},
    ),
    "sft, shuffled and packed": (
        "sft", "chats", "demo", {"max_length": 100, "packing": True, "shuffle_dataset": True, "seed": 7},
    ),
    "sft, no limit": ("sft", "long", "demo", {"max_length": None}),
    "sft, padding free": ("sft", "chats", "demo", {"max_length": None, "padding_free": True}),
    "sft, padded": ("sft", "chats", "demo", {"pad_to_multiple_of": 16}),
    "sft, completions": ("sft", "answered", "demo", {}),
    "sft, completions and prompts": ("sft", "answered", "demo", {"completion_only_loss": False}),
    "sft, both masks": ("sft", "answered", "demo", {"assistant_only_loss": True}),
    "sft, text completions": ("sft", "plain", "demo", {}),
    "sft, text completions, all": ("sft", "plain", "demo", {"completion_only_loss": False, "max_length": 12}),
    "sft, text completions, cut": ("sft", "plain", "demo", {"max_length": 12}),
    "sft, text": ("sft", "texts", "demo", {"max_length": 15}),
    "sft, text elsewhere": ("sft", "bodies", "demo", {"dataset_text_field": "body"}),
    "sft, from and value": ("sft", "sharegpt", "demo", {"max_length": 30}),
    "sft, tools": ("sft", "tools", "demo", {}),
    "sft, tokens": ("sft", "ids", "demo", {"max_length": 9}),
    "sft, another end": ("sft", "texts", "demo", {"eos_token": "<|endoftext|>"}),
    "sft, template file": ("sft", "chats", "demo", {"chat_template_path": "TEMPLATE"}),
    "sft, template of another": ("sft", "chats", "unmarked", {"chat_template_path": "MODEL", "max_length": 40}),
    "sft, no marks": ("sft", "chats", "unmarked", {"assistant_only_loss": True}),
    "sft, mixed": ("sft", "chats[5:15]+several[-30%:]", "demo", {"assistant_only_loss": True, "max_length": 50}),
    "sft, mixed with gaps": ("sft", "chats+tools", "demo", {}),
    "dpo, mixed": ("dpo", "pairs[:25%]+long pairs[3:9]", "demo", {"max_length": 60}),
    "dpo": ("dpo", "pairs", "demo", {}),
    "dpo, cut": ("dpo", "pairs", "demo", {"max_length": 33}),
    "dpo, some dropped": ("dpo", "long pairs", "demo", {"max_length": 60}),
    "dpo, end kept": ("dpo", "long pairs", "demo", {"max_length": 60, "truncation_mode": "keep_end"}),
    "dpo, implicit prompt": ("dpo", "implicit", "demo", {}),
    "dpo, text": ("dpo", "text pairs", "demo", {"max_length": 10}),
    "kto": ("kto", "thumbs", "demo", {}),
    "kto, cut": ("kto", "thumbs", "demo", {"max_length": 33}),
    "kto, from pairs": ("kto", "pairs", "demo", {}),
    "kto, from pairs, some dropped": ("kto", "long pairs", "demo", {"max_length": 60}),
    "reward": ("reward", "implicit", "demo", {}),
    "reward, some dropped": ("reward", "long pairs", "demo", {"max_length": 60}),
    "reward, template file": ("reward", "pairs", "demo", {"chat_template_path": "TEMPLATE"}),
    "grpo": ("grpo", "prompts", "demo", {"max_completion_length": 24}),
    "grpo, text": ("grpo", "text prompts", "demo", {}),
    "rloo": ("rloo", "prompts", "demo", {}),
    "distillation": ("distillation", "prompts", "demo", {}),
}  # fmt: skip


# These show every kind of cut, mask and refusal; the others take longer.
FEW = (
    *("sft", "sft, answers only, cut", "sft, some dropped", "sft, packed", "sft, text completions, cut"),
    *("sft, template file", "sft, no marks", "dpo, some dropped", "dpo, end kept", "kto, from pairs, some dropped"),
    *("reward, some dropped", "grpo", "distillation", "sft, mixed", "sft, mixed with gaps"),
)


def _loaded(rows: str, placed: dict[str, Path]) -> Row:
    if rows in placed:
        return {"dataset_name": str(placed[rows])}
    parts = [part.partition("[") for part in rows.split("+")]
    return {"datasets": [{"path": str(placed[name]), "split": f"train{sign}{rest}"} for name, sign, rest in parts]}


def recipes(folder: Path, names: Iterable[str]) -> dict[str, tuple[str, Row]]:
    """The method and the values of some cases, with files and folders in `folder`."""
    placed, named = data(folder / "data"), models(folder / "models")
    found = {}
    for name in names:
        method, rows, model, values = CASES[name]
        given = {"model_name_or_path": str(named[model]), **_loaded(rows, placed), **values}
        if "chat_template_path" in given:
            places = {"TEMPLATE": named["shouting"] / "chat_template.jinja", "MODEL": named["shouting"]}
            given["chat_template_path"] = str(places[given["chat_template_path"]])
        if method in ("grpo", "rloo"):
            given |= {"reward_funcs": ["assets.demo.rewards.polite_manner"]}
        elif method == "distillation":
            given |= {"teacher_model_name_or_path": str(DEMO / "teacher")}
        found[name] = (method, given)
    return found
