"""Which splits and configurations a recipe asks of a dataset, and what is wrong where there are none such."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from studio.domain.errors import StudioError
from studio.domain.findings import Finding, Fix, Where, finding
from studio.domain.mixture import SINGLE, as_mixture, entries_of, hold_out

_NUMBER = r"-?\d+(?:_\d+)*"
_PART = re.compile(
    r"(?P<split>\w+(?:\.\w+)*)"
    rf"(?:\[(?:(?P<start>{_NUMBER})(?P<start_pct>%)?)?:(?:(?P<end>{_NUMBER})(?P<end_pct>%)?)?\]"
    r"(?:\((?P<rounding>closest|pct1_dropremainder)\))?)?"
)
_ALL = "all"  # all splits, behind one another
_KEYERROR = "TRL would stop with a KeyError after loading the data."


@dataclass(frozen=True)
class SplitPart:
    """Rows of a split as `train[10%:20%]` asks for them: from `start` to `end`, in percent or as numbers of rows.

    `dropping` leaves out what is no whole percent.
    """

    split: str
    start: int | None = None
    end: int | None = None
    percent: bool = False
    dropping: bool = False

    def bounds(self, count: int | None) -> tuple[int, int] | None:
        """The first row and the one behind the last, of `count`; None where that would have to be known and is not."""
        if count is None:
            start = self.start or 0
            known = self.end is not None and (start == self.end or 0 <= self.end < start)
            return (start, self.end or 0) if known else None
        first, last = self._place(self.start, 0, count), self._place(self.end, count, count)
        return first, last

    def _place(self, value: int | None, default: int, count: int) -> int:
        if value is None:
            return default
        if self.percent:
            value = value * (count // 100) if self.dropping else round(value * count / 100)
        return min(max(count + value, 0) if value < 0 else value, count)


def parts_of(spec: Any) -> tuple[SplitPart, ...]:
    """What an entry's `split` takes: `train`, `train[:10%]`, `train+test`. Raises StudioError where it is none."""
    pieces = str(spec).split("+")
    # The datasets library takes a space in front of a plus alone, and there only behind a slice.
    trimmed = [one.rstrip() if "[" in one and place < len(pieces) else one for place, one in enumerate(pieces, 1)]
    found = [_PART.fullmatch(one) for one in trimmed]
    if not all(found):
        raise StudioError(f"'{spec}' is no split and no slice of one.", "Write train, train[:10%] or train+test.")
    parts = []
    for match in filter(None, found):
        percent = bool(match["start_pct"] or match["end_pct"])
        start, end = (int(match[side]) if match[side] else None for side in ("start", "end"))
        if percent and max(abs(start or 0), abs(end or 0)) > 100:
            raise StudioError(f"'{spec}' asks for more than 100 % of a split.", "Write percents of at most 100.")
        if match["rounding"] and not percent:
            raise StudioError(f"'{spec}' rounds a number of rows.", f"Leave ({match['rounding']}) out.")
        parts.append(SplitPart(match["split"], start, end, percent, match["rounding"] == "pct1_dropremainder"))
    return tuple(parts)


def base_split(spec: Any) -> str:
    """The first split that an entry's `split` takes rows of: `train[:10%]` is of train."""
    match = _PART.match(str(spec or "train"))
    return match["split"] if match else str(spec)


def first_row(spec: Any, count: int | None) -> int | None:
    """The first of a split's `count` rows that `train[:10%]` and its like leave; None for a sum, or where unknown."""
    try:
        part, *more = parts_of(spec or "train")
    except StudioError:
        return None
    bounds = (0, None) if part.start is None else part.bounds(count)
    return None if more or bounds is None else bounds[0]


def ranges_taken(spec: Any, split: str, count: int | None) -> tuple[tuple[int, int], ...] | None:
    """From where to where an entry's `split` takes of the `count` rows of that split; None where that is not known.

    Each is the first row and the one behind the last, counted from 0. Of a split that it does not name there are none.
    """
    try:
        parts = parts_of(spec or "train")
    except StudioError:
        return None
    if any(part.split == _ALL for part in parts):
        return None if count is None else ((0, count),)
    bounds = [part.bounds(count) for part in parts if part.split == split]
    return None if None in bounds else tuple((first, last) for first, last in filter(None, bounds) if first < last)


def rows_taken(spec: Any, count: int | None) -> int | None:
    """How many of a split's `count` rows `train[:10%]` and its like leave; None where that is not known."""
    try:
        parts = parts_of(spec or "train")
    except StudioError:
        return None
    if count is None or {part.split for part in parts} != {parts[0].split} or parts[0].split == _ALL:
        return None
    return _rows(parts, parts[0].split, count)


def _rows(parts: Sequence[SplitPart], read: str, count: int | None) -> int | None:
    """The rows of all parts together, where `count` are those of the split `read` and of no other one is known."""
    bounds = [part.bounds(count if part.split == read else None) for part in parts]
    return None if None in bounds else sum(max(0, last - first) for first, last in filter(None, bounds))


# --- what is not there


def split_findings(name: str, splits: Sequence[str], values: Mapping[str, Any]) -> Iterator[Finding]:
    """The splits that a recipe asks of a single dataset and that it has not; `values` also say how it is loaded."""
    evaluates = values.get("eval_strategy", "no") not in ("no", None, False)
    wanted = {"dataset_train_split": values.get("dataset_train_split", "train")}
    if evaluates:
        wanted["dataset_test_split"] = values.get("dataset_test_split", "test")
    for argument, split in wanted.items():
        if split in splits:
            continue
        why, fix = _KEYERROR, _other_split(argument, splits, values)
        if isinstance(split, str) and base_split(split) in splits:
            why = f"It takes the name of a split alone: slices and sums are taken in `datasets`. {_KEYERROR}"
            if argument == "dataset_train_split":
                fix = _by_entry(split, values, evaluates) or fix
        what = f"{name} has no split '{split}'; it has {', '.join(splits)}."
        yield finding("error", argument, what, why, fix)


def _by_entry(split: str, values: Mapping[str, Any], evaluates: bool) -> Fix | None:
    """A part or a sum of splits as an entry of `datasets`, which takes them; what is evaluated on is held out of it."""
    mixture = as_mixture(values)
    try:
        parts_of(split)
    except StudioError:
        return None
    if not mixture or ("streaming" in mixture and (evaluates or "[" in split)):
        return None
    label = f"Take {split} in `datasets`" + (", a tenth held out to evaluate on" if evaluates else "")
    held = {"test_split_size": 0.1} if evaluates else {}
    return Fix(label, {**mixture, **held}, tuple(one for one in SINGLE if one in values))


def _other_split(argument: str, splits: Sequence[str], values: Mapping[str, Any]) -> Fix:
    """The likeliest split instead; where there is only one, a share of its rows held out for evaluation."""
    if argument == "dataset_train_split":
        return Fix(f"Train on {splits[0]}", {argument: splits[0]})
    others = [split for split in splits if split not in ("train", values.get("dataset_train_split"))]
    if others:
        return Fix(f"Evaluate on {others[0]}", {argument: others[0]})
    return hold_out(values) or Fix("Do not evaluate", {}, ("eval_strategy", "eval_steps"))


def config_findings(name: str, configs: Sequence[str], usual: str | None, named: Any, at: str) -> Iterator[Finding]:
    """That a dataset has several configurations and none is `named` where the recipe says so, at the argument `at`.

    `usual` is the one that is loaded then; "" where there is none, None where nobody knows.
    """
    if named or usual != "" or len(configs) < 2:
        return
    what = f"{name} has the configurations {', '.join(configs)}, and the recipe names none."
    if at == "datasets":
        why = "TRL would stop while loading the data. Say which as `name` of the entry."
        yield finding("error", at, what, why)
        return
    why = "TRL would stop while loading the data: none of them is the usual one."
    yield finding("error", at, what, why, Fix(f"Take {configs[0]}", {at: configs[0]}))


def entry_findings(
    name: str, entry: Mapping[str, Any], splits: Sequence[str], read: str, count: int | None, values: Mapping[str, Any]
) -> Iterator[Finding]:
    """What is wrong with the `split` of a mixture's entry: `count` are the rows of its split `read`."""
    spec = entry.get("split", "train")
    where = Where("argument", "datasets")
    if spec is None:
        yield Finding("error", where, f"The entry of {name} has an empty split.", "Leave `split` out, or name one.")
        return
    try:
        parts = parts_of(spec)
    except StudioError as error:
        yield Finding("error", where, f"The entry of {name} cannot be loaded: {error.message}", error.hint)
        return
    missing = next((part.split for part in parts if part.split not in splits), None)
    if missing is not None and spec != _ALL:
        what = f"{name} has no split '{missing}'; it has {', '.join(splits)}."
        yield Finding("error", where, what, f"TRL would stop while loading '{spec}'. Name one that is there.")
        return
    if values.get("streaming") is True:
        if "[" in str(spec):
            why = f"'{spec}' would stop the loading: a stream is read from its beginning to its end."
            fix = Fix("Do not stream", {}, ("streaming",))
            yield Finding("error", where, f"A slice of {name} cannot be taken of a stream.", why, fix)
        return
    yield from _too_few(name, spec, parts, read, count, len(entries_of(values)) == 1)


def _too_few(
    name: str, spec: Any, parts: Sequence[SplitPart], read: str, count: int | None, alone: bool
) -> Iterator[Finding]:
    where = Where("argument", "datasets")
    has = "" if count is None else f"{name} has {count:,} row{'' if count == 1 else 's'} in {read}."
    if any(part.dropping and part.split == read and count is not None and count < 100 for part in parts):
        why = "Whole percents take 100 rows at least. Leave (pct1_dropremainder) out."
        yield Finding("error", where, f"'{spec}' cannot be loaded. {has}", why)
        return
    bounds = [part.bounds(count if part.split == read else None) for part in parts]
    nothing = all(one is not None and one[0] == one[1] for one in bounds)
    # A slice that ends before it begins is loaded, as no rows: that stops TRL only where there are no others.
    if nothing or (alone and _rows(parts, read, count) == 0):
        why = "TRL would stop while loading the data. Ask for at least one row."
        yield Finding("error", where, f"'{spec}' takes no rows. {has}".strip(), why)
