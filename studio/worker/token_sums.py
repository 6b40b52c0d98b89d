"""The numbers of a tokenised sample: lengths before the cut, and what of it reaches the model after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from studio.worker.token_samples import eos_ids, fed, special_ids, tokenizer_of, whole_ids

_ENDS_OF = 100  # examples that are looked through for the token that ends a turn


def counted(method: str, whole: Any, cut: Any, places: Mapping[int, int], values: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers of `whole` (a trainer before the cut) and of `cut`; `places` says which example is which.

    `cut` are examples that lose tokens, `untaught` those that reach the model with nothing to train, `ends` how many
    of `ends_of` hold an end token in what they teach, `closing` the special token with which most of them end.
    """
    lengths: dict[str, list[int]] = {}
    beginnings = []
    tokens = trained = untaught = shortened = 0
    for number, example in enumerate(whole.train_dataset):
        every = whole_ids(method, example)
        for name, ids in every.items():
            lengths.setdefault(name, []).append(len(ids))
            beginnings.append(ids[:2])
        if number not in places:
            continue
        fed_now = fed(method, cut, cut.train_dataset[places[number]])
        taught = sum(sum(mask) for _, mask in fed_now.values())
        tokens += sum(len(ids) for ids, _ in fed_now.values())
        shortened += any(len(ids) < len(every[name]) for name, (ids, _) in fed_now.items())
        trained += taught
        untaught += taught == 0 and method != "reward"
    told: dict[str, Any] = {
        "examples": len(whole.train_dataset),
        "kept": len(cut.train_dataset),
        "cut": shortened,
        "lengths": lengths,
        "tokens": tokens,
        "trained": trained,
        "untaught": untaught,
        "double_bos": double_bos(whole, beginnings),
        "max_length": cut.args.max_length,
    }
    return told | _endings(method, whole) | _packing(method, whole, cut, values)


def packed_sums(whole: Any, packed: Any) -> dict[str, Any]:
    """The same numbers where `packed`, a trainer that packs, makes sequences of the examples of `whole`.

    No example is dropped; of one longer than `max_length` the strategy bfd takes the beginning, the others all of it.
    """
    limit, strategy = packed.args.max_length, packed.args.packing_strategy
    tokens = trained = kept = shortened = untaught = 0
    for example in packed.train_dataset:
        ((ids, mask),) = fed("sft", packed, example).values()
        tokens += len(ids)
        trained += sum(mask)
    for example in whole.train_dataset:
        ((ids, mask),) = fed("sft", whole, example).values()
        beyond = strategy == "bfd" and len(ids) > limit
        # Where a sequence knows its examples, the first token of each, or of each piece, has nothing before it.
        taught = mask if strategy == "wrapped" else [bit and place % limit for place, bit in enumerate(mask)]
        kept += bool(ids)
        shortened += beyond
        untaught += not any(taught[:limit] if beyond else taught)
    told = {"kept": kept, "cut": shortened, "tokens": tokens, "trained": trained, "untaught": untaught}
    return told | {"packed": len(packed.train_dataset), "packed_tokens": tokens}


def double_bos(trainer: Any, sequences: list[list[int]]) -> int:
    """How many sequences begin with the token of a beginning twice."""
    bos = tokenizer_of(trainer).bos_token_id
    return 0 if bos is None else sum(1 for ids in sequences if ids[:2] == [bos, bos])


def _endings(method: str, whole: Any) -> dict[str, Any]:
    """Whether what is taught ever ends as generation does."""
    eos, specials, tokenizer = eos_ids(whole), special_ids(whole), tokenizer_of(whole)
    closing: Counter[int] = Counter()
    ends = 0
    some = whole.train_dataset.take(min(_ENDS_OF, len(whole.train_dataset)))
    for example in some:
        every = fed(method, whole, example).values()
        taught = [one for ids, mask in every for one, bit in zip(ids, mask, strict=True) if bit or method == "reward"]
        ends += any(one in eos for one in taught)
        closing.update([one for one in taught if one in specials][-1:])
    return {
        "ends": ends,
        "ends_of": len(some),
        "eos": str(tokenizer.eos_token or ""),
        "closing": str(tokenizer.convert_ids_to_tokens(closing.most_common(1)[0][0])) if closing else "",
    }


def _packing(method: str, whole: Any, cut: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """How many sequences packing would make of the sample, by TRL's own strategy."""
    if method != "sft" or not cut.args.max_length:
        return {}
    from trl import pack_dataset

    columns = whole.train_dataset.select_columns(["input_ids", "labels"])
    packed = pack_dataset(columns, cut.args.max_length, values.get("packing_strategy") or cut.args.packing_strategy)
    return {"packed": len(packed), "packed_tokens": sum(map(len, packed["input_ids"]))}
