"""The updates of an epoch by TRL's own trainers: `python tests/steps_oracle.py CASES.json OUT.json` trains nothing.

A case is a method, a number of rows, a number of processes, and options. The trainer's own loader is made for each.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from studio.worker.stand_in import _CLASSES, trainer

MODEL = Path(__file__).resolve().parent.parent / "assets/demo/model"
_ROW = {
    "sft": {"text": "one two"},
    "dpo": {"prompt": "one", "chosen": " two", "rejected": " three"},
    "kto": {"prompt": "one", "completion": " two", "label": True},
    "reward": {"chosen": "one two", "rejected": "one three"},
}
_MACHINE = {"use_cpu": True, "bf16": False, "report_to": []}


def steps(made: Any, method: str, rows: int, processes: int, options: dict[str, Any]) -> int | str:
    """Updates in an epoch where `made`, a trainer, had been given these; TRL's refusal where it refuses."""
    config = getattr(importlib.import_module("trl"), _CLASSES[method][0])
    own = {"activation_checkpointing": False} if hasattr(made.args, "activation_checkpointing") else {}
    with _processes(processes):
        try:
            args = config(output_dir=made.args.output_dir, **_MACHINE, **own, **options)
            made.args, made._train_batch_size = args, args.train_batch_size
            made.create_accelerator_and_postprocess()
            assert made.accelerator.num_processes == args.world_size == processes
            for name in ("num_generations", "num_iterations"):
                if hasattr(args, name):
                    setattr(made, name, getattr(args, name))
            made.train_dataset = made.every_row.select(range(rows))
            return int(made.set_initial_training_values(args, made.get_train_dataloader())[1])
        except ValueError as error:
            return str(error)


@contextlib.contextmanager
def _processes(number: int) -> Iterator[None]:
    """As if so many processes had been launched, of which this is the first."""
    from accelerate import PartialState

    plain = PartialState.__init__

    def told(self: Any, *given: Any, **named: Any) -> None:
        plain(self, *given, **named)
        self._shared_state["num_processes"] = number

    PartialState.__init__ = told
    try:
        yield
    finally:
        PartialState.__init__ = plain


def main(cases: list[list[Any]]) -> list[int | str]:
    """The answers to all cases; one trainer is made for each method."""
    from datasets import Dataset, disable_progress_bars

    disable_progress_bars()
    answers, made = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for method, rows, processes, options in cases:
            if method not in made:
                data = Dataset.from_list([_ROW.get(method, {"prompt": "one"})] * 300)
                made[method] = trainer(method, {"max_completion_length": 8}, MODEL, data, Path(folder))
                made[method].every_row = made[method].train_dataset
            answers.append(steps(made[method], method, rows, processes, options))
    return answers


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(main(json.loads(Path(sys.argv[1]).read_text()))))
