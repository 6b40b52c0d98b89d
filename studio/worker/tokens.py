"""Counts a sample's tokens as TRL would read it, and shows which of them are trained; stays to answer the next edit."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from studio.worker.refusals import refuses, trouble, words
from studio.worker.stand_in import GENERATING, READING, Remarks, context, trainer
from studio.worker.token_samples import ROW, kept_places, packed_sample, prompt_sample, sample
from studio.worker.token_sums import counted, double_bos, packed_sums

_MEMORY = 8 << 30  # bytes of data that a stranger's tokenizer and template may take
_KEPT = 3  # tokenised samples that are kept for the next edit
_UNCUT = {"max_length": None, "packing": False, "padding_free": False, "shuffle_dataset": False}


def serve() -> None:
    """Answers the requests on stdin, a JSON object a line, until that ends: each into the file that it names.

    A line on stdout says that the libraries are there, and one that an answer is.
    """
    # What the libraries print is nobody's answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    requests, sys.stdin = sys.stdin, open(os.devnull, encoding="utf-8")  # noqa: SIM115 - nobody may ask the user
    import datasets
    from trl import SFTTrainer  # noqa: F401 - most of what takes long, before the first request

    datasets.disable_progress_bars()
    _limit()
    with tempfile.TemporaryDirectory(prefix="tokens-") as folder:
        counter = Counter(Path(folder))
        _say(answers)
        for line in requests:
            asked = json.loads(line)
            try:
                answer = counter.count(asked)
            except MemoryError:
                answer = {"trouble": "It takes more memory than a sample may."}
            except Exception as error:  # noqa: BLE001 - whatever a library raises becomes an answer
                answer = {"trouble": words(error)}
            Path(asked["answer"]).write_text(json.dumps(answer), encoding="utf-8")
            _say(answers)


def _say(answers: TextIO) -> None:
    answers.write("done\n")
    answers.flush()


class Counter:
    """Tokenises samples in `folder`, and keeps the last ones."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._rows: dict[str, Any] = {}
        self._whole: dict[str, _Whole] = {}
        self._done: dict[str, tuple[dict[str, Any], Any]] = {}

    def count(self, asked: dict[str, Any]) -> dict[str, Any]:
        """What is told of the sample in `asked`: `method`, `values`, `model`, `rows` (a file), `kind`, `key`, `first`.

        Lengths are those before anything is cut; `samples` are `shown` ones from `first` on, as they reach the model.
        """
        key = json.dumps([asked[name] for name in ("method", "values", "model", "stamp", "key")], sort_keys=True)
        if key not in self._done:
            rows = self._read(asked)
            try:
                whole = self._tokenised(asked, rows)
                prompts = asked["method"] in GENERATING
                done = self._prompts(whole, rows) if prompts else self._sequences(asked, whole, rows)
            except MemoryError:
                raise
            except Exception as error:  # noqa: BLE001 - TRL's refusal, or the tokenizer's
                refused = {"refusal": words(error), "refuses": refuses(error, asked["kind"])}
                return {"rows": len(rows), "examples": 0, "tokenizer": trouble(Path(asked["model"])), **refused}
            _keep(self._done, key, done)
        told, show = self._done[key]
        shown = range(asked["first"], min(asked["first"] + asked["shown"], told["shown_of"]))
        return {**told, "samples": [show(place) for place in shown]}

    def _sequences(self, asked: dict[str, Any], whole: _Whole, rows: Any) -> tuple[dict[str, Any], Any]:
        """The numbers of a sample that is trained on, and how one of its examples is shown."""
        method, values, model = asked["method"], dict(asked["values"]), Path(asked["model"])
        if whole.refusal:
            values["assistant_only_loss"] = False
        again = whole.trainer.train_dataset if method in ("sft", "reward") else rows
        # In the order of the file, so that a sample is the row that one sees above it.
        plain = {**values, "packing": False, "shuffle_dataset": False}
        if values.get("max_length", 0) is not None:
            plain["padding_free"] = False  # without packing TRL takes it for uncut examples only
        cut = trainer(method, plain, model, again, self.folder / "out")
        places = kept_places(whole.trainer.train_dataset, cut.train_dataset)
        told = {**whole.told(len(rows), model), **counted(method, whole.trainer, cut, places, values)}
        if method == "sft" and values.get("packing") and not whole.refusal:
            packed = trainer(method, values, model, again, self.folder / "out")
            told |= {"unpacked": told["kept"], **packed_sums(whole.trainer, packed)}
            told["shown_of"] = len(packed.train_dataset)
            return told, partial(packed_sample, whole.trainer, packed)
        told["shown_of"] = len(whole.trainer.train_dataset)
        return told, partial(sample, method, whole.trainer, cut, places)

    def _prompts(self, whole: _Whole, rows: Any) -> tuple[dict[str, Any], Any]:
        """Prompts are tokenised when they are answered, by a method of the trainer."""
        ids: list[list[int]] = []
        for start in range(0, len(rows), 256):
            ids += whole.trainer._tokenize_prompts(rows[start : start + 256]["prompt"])[0]
        told = whole.told(len(rows), Path(whole.model)) | {
            "examples": len(ids),
            "kept": len(ids),
            "lengths": {"prompt": [len(one) for one in ids]},
            "tokens": sum(map(len, ids)),
            "room": whole.trainer.max_completion_length or 0,
            "double_bos": double_bos(whole.trainer, ids),
            "shown_of": len(ids),
        }
        return told, lambda place: prompt_sample(whole.trainer, ids[place], place)

    def _read(self, asked: dict[str, Any]) -> Any:
        """The sample as the datasets library has it, each row with its number."""
        if asked["key"] not in self._rows:
            from datasets import Dataset, load_dataset

            file = asked["rows"]
            if asked["kind"] == "json":
                places = {"cache_dir": str(self.folder / "cache"), "keep_in_memory": True}
                rows = load_dataset("json", data_files=file, split="train", **places)
            else:
                with open(file, encoding="utf-8") as lines:
                    rows = Dataset.from_list([json.loads(line) for line in lines])
            _keep(self._rows, asked["key"], rows.add_column(ROW, list(range(len(rows)))))
        return self._rows[asked["key"]]

    def _tokenised(self, asked: dict[str, Any], rows: Any) -> _Whole:
        """The trainer with the sample as tokens, before anything is cut."""
        method, model = asked["method"], Path(asked["model"])
        names = (*READING, "max_completion_length") if method in GENERATING else READING
        values = {name: asked["values"][name] for name in names if name in asked["values"]}
        key = json.dumps([method, values, asked["model"], asked["stamp"], asked["key"]], sort_keys=True)
        if key not in self._whole:
            refusal = ""
            with _listening() as remarks:
                try:
                    made = trainer(method, {**values, **_UNCUT}, model, rows, self.folder / "out")
                except Exception as error:
                    if method != "sft" or not values.get("assistant_only_loss"):
                        raise
                    refusal = words(error)
                    values["assistant_only_loss"] = False
                    made = trainer(method, {**values, **_UNCUT}, model, rows, self.folder / "out")
            _keep(self._whole, key, _Whole(made, str(model), refusal, list(dict.fromkeys(remarks))[:5]))
        return self._whole[key]


@dataclass(frozen=True)
class _Whole:
    """A tokenised sample before the cut: its trainer, why TRL refuses the recipe, and what TRL remarks."""

    trainer: Any
    model: str
    refusal: str
    remarks: list[str]

    def told(self, rows: int, model: Path) -> dict[str, Any]:
        return {"rows": rows, "refusal": self.refusal, "remarks": self.remarks, "context": context(model)}


def _keep(into: dict[str, Any], key: str, value: Any) -> None:
    into[key] = value
    while len(into) > _KEPT:
        into.pop(next(iter(into)))


@contextlib.contextmanager
def _listening() -> Iterator[list[str]]:
    remarks, logger = Remarks(), logging.getLogger("trl")
    logger.addHandler(remarks)
    try:
        yield remarks.said
    finally:
        logger.removeHandler(remarks)


def _limit() -> None:
    """Keeps this process from taking the machine's memory, where the platform can."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
