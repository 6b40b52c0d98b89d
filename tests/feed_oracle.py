"""What TRL's own scripts feed the model: `python tests/feed_oracle.py CASES.json OUT.json` runs them up to training."""

from __future__ import annotations

import importlib
import json
import sys
import traceback
from pathlib import Path
from typing import Any


class Reached(Exception):
    """Training would begin now."""


def fed(trainer: Any, method: str) -> list[list[list[Any]]]:
    """For each example its sequences, each as ids and a mask of what is trained."""
    if method in ("grpo", "rloo", "distillation"):
        return [[[trainer._tokenize_prompts([row["prompt"]])[0][0], []]] for row in trainer.train_dataset]
    return [_sequences(trainer.data_collator([row]), method) for row in trainer.train_dataset]


def _sequences(batch: Any, method: str) -> list[list[Any]]:
    found = []
    for place, ids in enumerate(batch["input_ids"]):
        real = batch["attention_mask"][place].bool() if "attention_mask" in batch else ids >= 0
        if method == "sft":
            mask = batch["labels"][place] != -100
            assert (batch["labels"][place][mask] == ids[mask]).all()
        else:
            mask = batch["completion_mask"][place].bool() if "completion_mask" in batch else ids < 0
        found.append([ids[real].tolist(), mask[real].tolist()])
    return found


def check_batch(trainer: Any, method: str, every: list[list[list[Any]]]) -> None:
    """The first batch of the real loader holds nothing else than what was collated one by one."""
    batch = next(iter(trainer.get_train_dataloader()))
    if method in ("grpo", "rloo", "distillation"):
        known = [one[0][0] for one in every]
        assert all(ids in known for ids in trainer._tokenize_prompts([row["prompt"] for row in batch])[0])
        return
    if trainer.data_collator.__dict__.get("padding_free"):
        flat = [token for one in every for token in one[0][0]]
        assert batch["input_ids"].numel() <= len(flat)
        return
    known = [sequence for one in every for sequence in one]
    assert all(sequence in known for sequence in _sequences(batch, method))


def run(method: str, file: str) -> dict[str, Any]:
    """`trl METHOD --config FILE` in this process, stopped where it would train; TRL's refusal where it refuses."""
    import transformers

    caught: list[Any] = []

    def reached(self: Any, **_: Any) -> None:
        caught.append(self)
        raise Reached

    transformers.Trainer.train = reached
    script = importlib.import_module(f"trl.scripts.{method}")
    try:
        script.main(*script.make_parser().parse_args_and_config(["--config", file]))
    except Reached:
        every = fed(caught[0], method)
        check_batch(caught[0], method, every)
        return {"fed": every}
    except Exception as error:  # noqa: BLE001 - the refusal is the answer
        traceback.print_exc()
        return {"refusal": f"{type(error).__name__}: {error}"}
    raise AssertionError("the script ended without training")


if __name__ == "__main__":
    import datasets

    datasets.disable_progress_bars()
    cases = json.loads(Path(sys.argv[1]).read_text())
    answers = {name: run(method, file) for name, (method, file) in cases.items()}
    Path(sys.argv[2]).write_text(json.dumps(answers))
