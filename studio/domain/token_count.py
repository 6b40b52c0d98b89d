"""Tokens of a sample: how long its examples are, what a recipe's lengths make of them, and what is wrong with it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from studio.domain.findings import Finding, Fix, finding

ALL = 20_000  # rows up to which all of them are counted on demand
_MANY = 0.05  # share of examples that lose tokens from which on it is worth a warning
_SHORT = 6  # examples that would fit into one sequence, from which on packing is worth a word
_STEP = 64  # lengths are proposed in multiples of this


@dataclass(frozen=True)
class TokenCount:
    """What TRL makes of `rows` rows of `total` (None: not known), as examples; `held` of these are held out.

    `lengths` are tokens before anything is cut, by name (`chosen` and `rejected` for pairs); `cut` of the `kept`
    examples lose some to `max_length`, the others are dropped. `tokens` reach the model, `trained` of them are
    learnt, packed where the recipe packs. `packed` is how many sequences packing makes of them, or would make, of
    `packed_tokens`; `unpacked` how many examples a recipe that packs would keep without. For methods that generate,
    `room` is what a generation may take. `refusal` is what TRL says where it refuses the recipe; it `refuses` so
    `always`, or where it reads these `rows`, or `` where that is not sure. `tokenizer` is why that cannot be loaded.
    """

    method: str
    rows: int
    total: int | None
    examples: int
    kept: int = 0
    cut: int = 0
    lengths: Mapping[str, tuple[int, ...]] = field(default_factory=dict, repr=False)
    tokens: int = 0
    trained: int = 0
    untaught: int = 0
    double_bos: int = 0
    max_length: int | None = None
    room: int | None = None
    context: int | None = None
    packed: int | None = None
    packed_tokens: int = 0
    unpacked: int | None = None
    ends: int = 0
    ends_of: int = 0
    eos: str = ""
    closing: str = ""
    refusal: str = ""
    refuses: str = ""
    tokenizer: str = ""
    remarks: tuple[str, ...] = ()
    shown_of: int = 0
    held: int = 0

    @classmethod
    def from_json(cls, method: str, total: int | None, told: Mapping[str, Any], held: int = 0) -> TokenCount:
        """What the worker told."""
        names = set(cls.__dataclass_fields__) - {"method", "total", "held", "lengths", "remarks"}
        lengths = {name: tuple(each) for name, each in told.get("lengths", {}).items()}
        remarks = tuple(told.get("remarks", ()))
        known = {name: told[name] for name in names & set(told)}
        return cls(method=method, total=total, held=held, lengths=lengths, remarks=remarks, **known)

    def to_json(self) -> dict[str, Any]:
        """The documented form of `trl-studio tokens --json`."""
        plain = {name: value for name, value in vars(self).items() if name not in ("lengths", "shown_of")}
        return {
            **plain,
            "remarks": list(self.remarks),
            "exact": self.exact,
            "dropped": self.dropped,
            "cut_share": self.share(self.cut),
            "dropped_share": self.share(self.dropped),
            "total_tokens": self.total_tokens,
            "limit": self.limit,
            "lengths": {name: summary(each) for name, each in self.lengths.items()},
            "histogram": {
                name: [dict(zip(("from", "to", "count"), bar, strict=True)) for bar in bars(each, self.reach)]
                for name, each in self.lengths.items()
            },
        }

    @property
    def whole(self) -> bool:
        """Whether all rows were counted."""
        return self.total is not None and self.rows >= self.total

    @property
    def exact(self) -> bool:
        """Whether those are what is trained on: TRL draws by chance what it holds out."""
        return self.whole and not self.held

    @property
    def dropped(self) -> int:
        return self.examples - self.kept

    @property
    def limit(self) -> int | None:
        """The length that the lengths are held against: `max_length`, or what generation leaves of the context."""
        if self.room is not None:
            return self.context - self.room if self.context else None
        return self.max_length

    @property
    def reach(self) -> int:
        """Where a histogram of the lengths ends: at the longest, or at the limit where that is not far beyond."""
        longest = max((max(each, default=0) for each in self.lengths.values()), default=0)
        return max(longest, self.limit) if self.limit and 0 < self.limit <= 3 * longest else longest

    def share(self, number: int) -> float:
        """A number of the examples as a part of 1."""
        return number / self.examples if self.examples else 0.0

    @property
    def beyond(self) -> int:
        """How many prompts leave no room for a whole generation."""
        return sum(length > self.limit for length in self.lengths.get("prompt", ())) if self.limit is not None else 0

    @property
    def total_tokens(self) -> int | None:
        """Tokens that reach the model in an epoch: counted where `exact`, else estimated from the sample."""
        return self._scaled(self.tokens)

    def sequences(self, packing: bool) -> int | None:
        """What batches are made of in an epoch: examples that are kept, or packed sequences."""
        if packing and self.packed is None:
            return None
        plain = self.kept if self.unpacked is None else self.unpacked
        return self._scaled(self.packed if packing and self.packed is not None else plain)

    def _scaled(self, number: int) -> int | None:
        if self.total is None or not self.rows:
            return None
        return number if self.exact else round(number * (self.total - self.held) / self.rows)


def summary(lengths: tuple[int, ...]) -> dict[str, float]:
    """Shortest, middle, 95 of 100, longest and mean."""
    ordered = sorted(lengths)
    if not ordered:
        return {}
    return {
        "min": ordered[0],
        "median": ordered[len(ordered) // 2],
        "p95": ordered[min(len(ordered) - 1, math.ceil(0.95 * len(ordered)) - 1)],
        "max": ordered[-1],
        "mean": round(sum(ordered) / len(ordered), 1),
    }


def bins(lengths: tuple[int, ...], top: int, number: int = 32) -> list[int]:
    """How many lengths fall into each of `number` equal parts of 1 to `top`; longer ones into the last."""
    counts = [0] * number
    for length in lengths:
        counts[min(number - 1, max(0, (length - 1) * number // max(top, 1)))] += 1
    return counts


def bars(lengths: tuple[int, ...], top: int, number: int = 16) -> list[tuple[int, int, int]]:
    """The same for a table: from which length to which, and how many have one of them."""
    number = min(number, top)
    edges = [-(-place * top // number) for place in range(number + 1)] if number else []
    counts = bins(lengths, top, number) if number else []
    return [(low + 1, high, count) for low, high, count in zip(edges, edges[1:], counts, strict=False)]


def fitting_length(count: TokenCount, share: float = 0.99) -> int | None:
    """A `max_length` that leaves `share` of the examples whole; None where the model's context allows none larger."""
    longest = sorted(max(each) for each in zip(*count.lengths.values(), strict=True))
    if not longest or count.max_length is None:
        return None
    wanted = longest[min(len(longest) - 1, math.ceil(share * len(longest)) - 1)]
    length = math.ceil(wanted / _STEP) * _STEP
    if count.context:
        length = min(length, count.context)
    return length if length > count.max_length else None


def token_findings(
    count: TokenCount, values: Mapping[str, Any], takes: frozenset[str] = frozenset()
) -> Iterator[Finding]:
    """What is wrong with how the recipe's `values` have the sample read; `takes` are the method's options."""
    if count.tokenizer:
        message = "The model's tokenizer cannot be loaded from here."
        yield finding("warning", "model_name_or_path", message, count.tokenizer)
        return
    if count.refusal:
        yield _refused(count, values)
        return
    if not count.examples:
        return
    yield from _lost(count, values)
    if count.double_bos:
        why = "The data or the chat template writes it, and the tokenizer adds it once more. Take it out of the data."
        yield finding("warning", "dataset_name", f"{_share(count.double_bos, count)} begin with two start tokens.", why)
    if count.ends_of and not count.ends:
        yield _endless(count, takes)
    if count.untaught:
        why = "Every token of them is masked: they cost time and teach nothing."
        yield finding("warning", "dataset_name", f"{_share(count.untaught, count)} have nothing to learn from.", why)
    if count.beyond and count.limit is not None:
        why = (
            f"The model reads {count.context:,} tokens, and `max_completion_length` sets {count.room:,} of them aside."
        )
        message = f"{_share(count.beyond, count)} leave no room for a whole answer."
        yield finding("warning", "max_completion_length", message, why, _less_room(count))
    if "packing" in takes and count.packed and not values.get("packing") and not values.get("padding_free"):
        short = count.kept / count.packed
        if short >= _SHORT:
            why = f"Packing would put about {short:.0f} of them into one sequence of {count.max_length:,} tokens."
            fix = Fix("Pack them", {"packing": True})
            yield finding("note", "packing", "The examples are short for `max_length`.", why, fix)


def _refused(count: TokenCount, values: Mapping[str, Any]) -> Finding:
    said = count.refusal.partition(": ")[2] or count.refusal
    if values.get("assistant_only_loss") is True and count.examples:
        fix = Fix("Learn from the whole text", {"assistant_only_loss": False})
        return finding("error", "assistant_only_loss", "Every token would be masked.", f"TRL stops: {said}", fix)
    if values.get("packing") is True and "max_length" in values and values["max_length"] is None:
        return finding("error", "max_length", "`packing` needs a `max_length`.", f"TRL stops: {said}")
    # A streamed row is read when it is its turn, and one that is held out perhaps never.
    every = count.exact and not values.get("streaming") and not values.get("dataset_streaming")
    level: Any = "error" if count.refuses == "always" or (count.refuses == "rows" and every) else "warning"
    what = "data" if every else "sample"
    return finding(level, "dataset_name", f"TRL stops while it reads the {what}.", f"It says: {count.refusal}")


def _lost(count: TokenCount, values: Mapping[str, Any]) -> Iterator[Finding]:
    """Examples that `max_length` takes away, in whole or in part."""
    if count.max_length is None or not count.dropped + count.cut:
        return
    length = fitting_length(count)
    fix = Fix(f"Set max_length to {length}", {"max_length": length}) if length else None
    room = "" if fix or count.context is None else f" The model reads {count.context:,} tokens at most."
    if count.dropped == count.examples:
        why = f"`max_length` is {count.max_length:,}: TRL drops examples of which nothing to learn is left.{room}"
        level: Any = "error" if count.whole else "warning"
        yield finding(level, "max_length", "Nothing is left to learn from.", why, fix)
    elif count.dropped:
        reason = "TRL leaves out what is longer" if count.method == "reward" else "nothing to learn is left of them"
        why = f"`max_length` is {count.max_length:,}, and {reason}.{room}"
        yield finding("warning", "max_length", f"{_share(count.dropped, count)} are dropped.", why, fix)
    if count.cut >= _MANY * count.examples and count.dropped < count.examples:
        end = "beginning" if values.get("truncation_mode") == "keep_end" and not values.get("packing") else "end"
        why = f"`max_length` is {count.max_length:,}: their {end} is cut off, with what it teaches.{room}"
        fix = None if count.dropped else fix
        yield finding("warning", "max_length", f"{_share(count.cut, count)} are cut.", why, fix)


def _endless(count: TokenCount, takes: frozenset[str]) -> Finding:
    fix = None
    if "eos_token" in takes and count.closing and count.closing != count.eos:
        fix = Fix(f"End with {count.closing}", {"eos_token": count.closing})
    named = f"`{count.eos}`" if count.eos else "an end token"
    why = f"The model would not learn to stop: what it learns from never holds {named}, at which generation ends."
    name = "eos_token" if "eos_token" in takes else "model_name_or_path"
    return finding("warning", name, f"No turn ends with {named}.", why, fix)


def _less_room(count: TokenCount) -> Fix | None:
    longest = max(count.lengths.get("prompt", (0,)))
    left = (count.context or 0) - longest
    return Fix(f"Set max_completion_length to {left}", {"max_completion_length": left}) if left >= _STEP else None


def _share(number: int, count: TokenCount) -> str:
    of = f"{count.examples:,} examples" if count.whole else f"a sample of {count.examples:,}"
    percent = 100 * number / count.examples
    said = "Less than 1 %" if percent < 1 else f"{percent:.0f} %"
    return f"{said} of {of}" if count.whole else f"{said} of the examples, in {of},"
