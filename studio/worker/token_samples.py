"""Examples as TRL's collators hand them to the model: their tokens, as text, and which of them are trained."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

ROW = "studio_row"  # the column that says which row an example came from
_LONGEST = 700  # tokens of a sample that are shown as text
_AHEAD = 3  # texts before one, without which some tokenizers would not give its blank

Fed = dict[str, tuple[list[int], list[bool]]]


def whole_ids(method: str, example: dict[str, Any]) -> dict[str, list[int]]:
    """The sequences of an example before anything is cut, by name."""
    if method == "dpo":
        return {name: example["prompt_ids"] + example[f"{name}_ids"] for name in ("chosen", "rejected")}
    if method == "kto":
        return {"example": example["prompt_ids"] + example["completion_ids"]}
    if method == "reward":
        return {name: example[f"{name}_ids"] for name in ("chosen", "rejected")}
    return {"example": example["input_ids"]}


def fed(method: str, trainer: Any, example: dict[str, Any]) -> Fed:
    """The sequences of an example as the trainer's collator gives them to the model, and which tokens are trained.

    A reward model learns from a sequence as a whole: none of its tokens is trained by itself.
    """
    batch = trainer.data_collator([example])
    ids = batch["input_ids"].tolist()
    if method == "sft":
        size = len(example["input_ids"])  # without the padding to a multiple
        labels = batch["labels"][0, :size].tolist()
        return {"example": (ids[0][:size], [label != -100 for label in labels])}
    sizes = batch["attention_mask"].sum(dim=1).tolist()
    masks = batch["completion_mask"].tolist() if "completion_mask" in batch else [[0] * len(one) for one in ids]
    names = ("example",) if method == "kto" else ("chosen", "rejected")
    return {
        name: (ids[place][: sizes[place]], [bool(bit) for bit in masks[place][: sizes[place]]])
        for place, name in enumerate(names)
    }


def kept_places(whole: Any, cut: Any) -> dict[int, int]:
    """Which example of `cut` is which one of `whole`: what TRL drops leaves the order as it was."""
    if len(set(whole[ROW])) == len(whole):
        numbers = {row: number for number, row in enumerate(whole[ROW])}
        return {numbers[row]: place for place, row in enumerate(cut[ROW])}
    # KTO makes two examples of a pair, and may drop one of them.
    names, found, place = ("prompt_ids", "completion_ids"), {}, 0
    there = [tuple(map(tuple, one)) for one in zip(*(cut[name] for name in names), strict=True)]
    for number, ids in enumerate(zip(*(whole[name] for name in names), strict=True)):
        if place < len(there) and there[place] == tuple(map(tuple, ids)):
            found[number] = place
            place += 1
    return found


def sample(method: str, whole: Any, cut: Any, places: dict[int, int], number: int) -> dict[str, Any]:
    """Example `number` of those before the cut: as it is fed, or whole and marked as dropped."""
    before = whole.train_dataset[number]
    every = whole_ids(method, before)
    place = places.get(number)
    if place is None:
        shown: Fed = {name: (ids, [False] * len(ids)) for name, ids in every.items()}
    else:
        shown = fed(method, cut, cut.train_dataset[place])
    parts = [{**_part(whole, name, *both), "cut": len(every[name]) - len(both[0])} for name, both in shown.items()]
    return {"row": before.get(ROW), "dropped": place is None, "parts": parts}


def packed_sample(trainer: Any, packed: Any, number: int) -> dict[str, Any]:
    """A packed sequence: `starts` are the places at which its examples begin."""
    example = packed.train_dataset[number]
    ((name, both),) = fed("sft", packed, example).items()
    lengths = example.get("seq_lengths") or []
    starts = [0, *accumulate(lengths)][: len(lengths)]
    return {"row": None, "dropped": False, "parts": [{**_part(trainer, name, *both), "cut": 0, "starts": starts}]}


def prompt_sample(trainer: Any, ids: list[int], row: int) -> dict[str, Any]:
    """A prompt, of which nothing is trained: the answer to it is."""
    return {"row": row, "dropped": False, "parts": [{**_part(trainer, "prompt", ids, [False] * len(ids)), "cut": 0}]}


def eos_ids(trainer: Any) -> set[int]:
    """Every token that ends an answer, for the tokenizer or for the model when it generates."""
    told = trainer.model.generation_config.eos_token_id if trainer.model.generation_config else None
    every = {tokenizer_of(trainer).eos_token_id, *(told if isinstance(told, list) else [told])}
    return {one for one in every if one is not None}


def tokenizer_of(trainer: Any) -> Any:
    """The tokenizer, which a processor for images and text carries inside."""
    return getattr(trainer.processing_class, "tokenizer", trainer.processing_class)


def special_ids(trainer: Any) -> set[int]:
    """The tokens that are no text."""
    tokenizer = tokenizer_of(trainer)
    added = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    return added | set(tokenizer.all_special_ids)


def _part(trainer: Any, name: str, ids: list[int], trained: Sequence[bool]) -> dict[str, Any]:
    head = ids[:_LONGEST]
    specials = special_ids(trainer)
    return {
        "name": name,
        "length": len(ids),
        "trained": sum(trained),
        "ids": head,
        "texts": texts(tokenizer_of(trainer), head, specials),
        "masks": [int(bit) for bit in trained[:_LONGEST]],
        "specials": [int(one in specials) for one in head],
    }


def texts(tokenizer: Any, ids: list[int], specials: set[int]) -> list[str]:
    """The text of each token; of tokens that make one character together, the last has it."""
    said: list[str] = []
    starts = [0]  # where the last texts begin, and the tokens that have made none yet: never within a character
    for place, one in enumerate(ids):
        start = starts[-1]
        if one in specials:
            said.append(str(tokenizer.convert_ids_to_tokens(one)))
        else:
            before, now = (_decoded(tokenizer, ids[starts[0] : end]) for end in (start, place + 1))
            # Of bytes that are no text, some decoders spoil the characters before them too.
            fresh = now[len(before) :] if now.startswith(before) else _decoded(tokenizer, ids[start : place + 1])
            if fresh.endswith("\ufffd") and place + 1 < len(ids) and place - start < 4:
                said.append("")
                continue
            said.append(fresh)
        starts = [*starts, place + 1][-_AHEAD - 1 :]
    return said


def _decoded(tokenizer: Any, ids: list[int]) -> str:
    return str(tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))
