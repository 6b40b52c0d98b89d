"""Trains a tiny vision-language model on data with images by TRL's own trainers: `vision_oracle.py FOLDER < CASES`.

CASES is JSON, a list of method, row and values; it prints a list of what came of each: "", or what the trainer said.
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import datasets
import transformers
import trl
from PIL import Image

DEMO = Path(__file__).resolve().parent.parent / "assets/demo/model"
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' }}{% if message.content is string %}"
    "{{ message.content }}{% else %}{% for part in message.content %}"
    "{{ part.text if part.type == 'text' else '<image>' }}{% endfor %}{% endif %}{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TRAINERS = {
    "sft": (trl.SFTConfig, trl.SFTTrainer),
    "dpo": (trl.DPOConfig, trl.DPOTrainer),
    "kto": (trl.KTOConfig, trl.KTOTrainer),
}
SMALL = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2}


def build_model(folder: Path) -> None:
    """A random model that sees pictures of 28 by 28, with the demo's tokenizer."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(DEMO)
    tokenizer.add_tokens(["<image>"], special_tokens=True)
    transformers.LlavaProcessor(
        image_processor=transformers.CLIPImageProcessor(
            size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}
        ),
        tokenizer=tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        chat_template=TEMPLATE,
        num_additional_image_tokens=1,
    ).save_pretrained(folder)
    config = transformers.LlavaConfig(
        vision_config={"model_type": "clip_vision_model", "num_hidden_layers": 2, "image_size": 28, "patch_size": 14}
        | SMALL,
        text_config={"model_type": "llama", "vocab_size": len(tokenizer), "num_hidden_layers": 1} | SMALL,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    transformers.LlavaForConditionalGeneration(config).save_pretrained(folder)


def outcome(model: Path, method: str, row: dict[str, Any], values: dict[str, Any]) -> str:
    """What the trainer raises, in words, or nothing where it takes a step."""
    config, trainer = TRAINERS[method]
    rows = datasets.Dataset.from_list([{**row, "image": Image.new("RGB", (28, 28))}] * 4)
    shared = {"output_dir": str(model / "out"), "use_cpu": True, "bf16": False, "report_to": "none", "max_steps": 1}
    shared |= {"per_device_train_batch_size": 2, "save_strategy": "no"}
    try:
        trainer(model=str(model), args=config(**shared, **values), train_dataset=rows).train()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what is asked for
        return f"{type(error).__name__}: {error}"
    return ""


if __name__ == "__main__":
    place = Path(sys.argv[1])
    with contextlib.redirect_stdout(sys.stderr):
        build_model(place)
        found = [outcome(place, *case) for case in json.load(sys.stdin)]
    print(json.dumps(found))
