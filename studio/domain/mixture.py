"""Mixtures of datasets as TRL's `datasets:` key has them: rows of each, what is held out, what TRL stumbles over."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from studio.domain.arguments import Argument
from studio.domain.dataset_cells import listed
from studio.domain.findings import Finding, Fix, Where, finding
from studio.domain.recipe import Recipe
from studio.domain.values import number_text, share_of, wrong_in_entries

BUILDERS = ("json", "csv", "parquet", "arrow", "text")
# What names a single dataset in a recipe, and means nothing beside a mixture: TRL calls its parts train and test.
SINGLE = ("dataset_name", "dataset_config", "dataset_train_split", "dataset_test_split", "dataset_streaming")

_BUILT = (
    "By a name or path of its own TRL loads what is on the Hub, or a folder of data files. A single file, or what "
    "`save_to_disk` wrote, is read as the `data_files` of json, csv, parquet, arrow or text."
)


def entries_of(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The datasets that a recipe mixes; none where it names a single one, or nothing that TRL takes."""
    found = values.get("datasets")
    return [dict(entry) for entry in found if isinstance(entry, Mapping)] if isinstance(found, list) else []


def own_files(entry: Mapping[str, Any] | None) -> dict[str, Any]:
    """Which files of a dataset an entry takes, as `load_dataset` is told it; empty where it takes what is usual."""
    return {key: entry[key] for key in ("data_files", "data_dir") if entry.get(key)} if entry else {}


def as_mixture(values: Mapping[str, Any]) -> dict[str, Any]:
    """The mixture of one that loads what `dataset_name` does; empty where nothing is named."""
    name = values.get("dataset_name")
    if not isinstance(name, str) or not name:
        return {}
    entry = {"path": name}
    if values.get("dataset_config"):
        entry["name"] = values["dataset_config"]
    entry["split"] = values.get("dataset_train_split") or "train"
    return {"datasets": [entry], **({"streaming": True} if values.get("dataset_streaming") is True else {})}


def as_single(values: Mapping[str, Any]) -> dict[str, Any]:
    """What loads a mixture of one by name alone; empty where it says more than a name can."""
    entries = entries_of(values)
    if len(entries) != 1 or values.get("test_split_size") is not None:
        return {}
    entry = {key: value for key, value in entries[0].items() if value is not None}
    split = entry.get("split", "train")
    # One fraction is a fraction of itself: TRL keeps all rows.
    if set(entry) - {"path", "name", "split", "fraction"} or entry.get("path") in BUILDERS:
        return {}
    if not isinstance(split, str) or not re.fullmatch(r"\w+(\.\w+)*", split):
        return {}
    single: dict[str, Any] = {"dataset_name": entry["path"]}
    single |= {"dataset_config": entry["name"]} if entry.get("name") else {}
    single |= {"dataset_train_split": split} if split != "train" else {}
    return single | ({"dataset_streaming": True} if values.get("streaming") is True else {})


def hold_out(values: Mapping[str, Any], size: float = 0.1) -> Fix | None:
    """Has a share of the rows held out for evaluation: for a single dataset by way of a mixture of one."""
    mixture = values if entries_of(values) else as_mixture(values)
    if not entries_of(mixture) or True in (mixture.get("streaming"), values.get("streaming")):
        return None
    changes = {"datasets": entries_of(mixture), "test_split_size": size}
    return Fix("Hold out a tenth of the rows", changes, tuple(name for name in SINGLE if name in values))


def by_builder(name: str, loads: Mapping[str, Any], values: Mapping[str, Any]) -> Finding:
    """What is wrong with files as `dataset_name`, where `loads` is the mixture of one that has them read."""
    changes = {**loads, **({"streaming": True} if values.get("dataset_streaming") is True else {})}
    unset = tuple(one for one in SINGLE if one in values and one != "dataset_test_split")
    return finding("error", "dataset_name", f"`dataset_name: {name}` cannot be loaded.", _BUILT,
                   Fix("Load it by `datasets`", changes, unset))  # fmt: skip


def entry_by_builder(entry: Mapping[str, Any], loads: Mapping[str, Any], values: Mapping[str, Any]) -> Finding:
    """The same of the path of a mixture's entry."""
    (built,) = entries_of(loads)
    kept = {key: value for key, value in entry.items() if key not in ("path", "name")}
    changed = [{**built, **kept} if one == entry else one for one in entries_of(values)]
    return finding("error", "datasets", f"`path: {entry['path']}` cannot be loaded.", _BUILT,
                   Fix("Name it as `data_files`", {"datasets": changed}))  # fmt: skip


def no_columns(name: str, entry: Mapping[str, Any], values: Mapping[str, Any]) -> Finding:
    """What becomes of an entry that selects none of its columns: it gives no rows."""
    entries = entries_of(values)
    kept = {key: value for key, value in entry.items() if key != "columns"}
    fix = Fix("Take all columns", {"datasets": [kept if one == entry else one for one in entries]})
    what = f"The entry of {name} selects no columns."
    shares = any(one.get("fraction") is not None for one in entries)  # of which none may have too few rows
    if shares or values.get("streaming") is True or all(one.get("columns") == [] for one in entries):
        why = "TRL would stop at the first row: there is nothing in it. Leave `columns` out, or name some."
        return finding("error", "datasets", what, why, fix)
    why = "It adds no rows to the mixture. Leave `columns` out, or name some."
    return finding("warning", "datasets", what, why, fix)


def selection_findings(
    name: str, entry: Mapping[str, Any], names: Sequence[str], values: Mapping[str, Any]
) -> Iterator[Finding]:
    """What is wrong with the columns that an entry selects, of those that there are (`names`)."""
    columns = entry.get("columns")
    if not isinstance(columns, list):
        return
    if not columns:
        yield no_columns(name, entry, values)
    for column in columns:
        if not isinstance(column, str) or column not in names:
            message = f"There is no column '{column}' to select."
            yield Finding("error", Where("column", str(column)), message, f"{name} has {listed(names)}.")
    once = [one for place, one in enumerate(columns) if one not in columns[:place]]
    if len(once) < len(columns):
        twice = next(one for one in once if columns.count(one) > 1)
        mended = [{**one, "columns": once} if one == entry else one for one in entries_of(values)]
        fix = Fix("Name each column once", {"datasets": mended})
        why = "TRL would stop at the first row, or before: the rows would have columns of the same name."
        yield finding("error", "datasets", f"The entry of {name} selects `{twice}` more than once.", why, fix)


# --- rows


def contributed(counts: Sequence[int | None], fractions: Sequence[Any]) -> list[int | None]:
    """The rows of each dataset in the mixture, as TRL takes them: as many as no dataset has too few for."""
    if all(fraction is None for fraction in fractions):
        return list(counts)
    if not _are_shares(fractions) or None in counts:
        return [None] * len(counts)
    known = [count or 0 for count in counts]
    weights = [fraction / sum(fractions) for fraction in fractions]
    total = min(count / weight for count, weight in zip(known, weights, strict=True) if weight > 0)
    return [round(weight * total) for weight in weights]


def held_out(total: int | None, size: Any) -> tuple[int, int] | None:
    """The rows to learn from and those held out; None where nothing is held out, or it is not known how much."""
    if total is None or not _is_size(size):
        return None
    test = math.ceil(total * size) if isinstance(size, float) else int(size)
    return (total - test, test) if 0 < test < total else None


def all_held_out(total: int | None, size: Any) -> Finding | None:
    """That `size` leaves none of `total` rows to learn from; None where it leaves some, or is no size to begin with."""
    if not total or not _is_size(size) or held_out(total, size) is not None:
        return None
    test = math.ceil(total * size) if isinstance(size, float) else int(size)
    what = f"`test_split_size: {size}` holds out {test:,} of {total:,} row{'' if total == 1 else 's'}."
    why = "None would be left to learn from: TRL would stop with a ValueError after loading the data."
    tenth = Fix("Hold out a tenth", {"test_split_size": 0.1}) if total > 1 else None
    return finding("error", "test_split_size", what, why, tenth)


def no_rows(total: int | None) -> Finding | None:
    """That a mixture comes to no rows at all; None where it has some, or it is not known."""
    if total != 0:
        return None
    what = "The mixture has no rows: its slices, fractions and columns leave none."
    why = "TRL takes as many rows as no dataset has too few for, and stops where there are none to learn from."
    return finding("error", "datasets", what, why)


def _are_shares(fractions: Sequence[Any]) -> bool:
    numbers = [one for one in fractions if isinstance(one, (int, float)) and not isinstance(one, bool) and one >= 0]
    return len(numbers) == len(fractions) and sum(numbers) > 0


def _is_size(size: Any) -> bool:
    if isinstance(size, bool) or not isinstance(size, (int, float)):
        return False
    return 0 < size < 1 if isinstance(size, float) else size > 0


# --- what TRL stumbles over


def wrong_mixture(value: Any, wrong: str, argument: Argument) -> Finding:
    """What is `wrong` with the value of `datasets`; its fix takes nothing else away, least of all the datasets."""
    message, why, fix = f"`datasets` {wrong}.", argument.help, None
    if isinstance(value, Mapping):
        fix = Fix("Make it a list of one", {"datasets": [value]})
    number, key = wrong_in_entries(argument, value) or (0, "")
    if key == "path" and isinstance(value[number], str):
        named = [{"path": entry} if place == number else entry for place, entry in enumerate(value)]
        fix = Fix(f"Write it as the path of entry {number + 1}", {"datasets": named})
    elif key and key != "path":
        kept = {name: given for name, given in value[number].items() if name != key}
        fix = Fix(f"Leave {key} out of entry {number + 1}")
        if key == "fraction":
            share = share_of(str(value[number][key]))
            why, fix = "Write a share such as 0.25 or 25 %.", Fix(f"Clear the share of entry {number + 1}")
            if share is not None:
                kept, fix = {**value[number], key: share}, Fix(f"Use {number_text(share)}")
        entries = [kept if place == number else entry for place, entry in enumerate(value)]
        fix = replace(fix, set={"datasets": entries})
    return finding("error", "datasets", message, why, fix)


def mixture_findings(recipe: Recipe) -> Iterator[Finding]:
    """What is wrong with a mixture as such, whatever its data is like."""
    values, entries = recipe.values, entries_of(recipe.values)
    if not entries:
        return
    yield from _fractions(values, entries)
    yield from _held_out(values)
    evaluates = values.get("eval_strategy", "no") not in ("no", None, False)
    for name, part in (("dataset_train_split", "train"), ("dataset_test_split", "test")):
        given = values.get(name)
        if given not in (None, part) and (part == "train" or evaluates):
            yield finding(
                "error",
                name,
                f"A mixture has no part '{given}': TRL calls its rows train, and those held out test.",
                "TRL would stop with a KeyError after loading the data.",
                Fix(f"Leave {name} out", {}, (name,)),
            )
    if evaluates and not values.get("test_split_size"):
        streams = values.get("streaming") is True
        yield finding(
            "error",
            "test_split_size",
            "Evaluation is on, and this data has no evaluation split.",
            "TRL stops with a KeyError after loading, unless a share of the rows is held out.",
            Fix("Do not evaluate", {}, ("eval_strategy", "eval_steps"))
            if streams
            else Fix("Hold out a tenth", {"test_split_size": 0.1}),
        )


def _fractions(values: Mapping[str, Any], entries: list[dict[str, Any]]) -> Iterator[Finding]:
    shares = [entry.get("fraction") for entry in entries]
    odd = any(isinstance(share, bool) or not isinstance(share, (int, float, type(None))) for share in shares)
    if odd or all(share is None for share in shares):
        return  # what is no number at all has a Finding of its own
    without = [{key: value for key, value in entry.items() if key != "fraction"} for entry in entries]
    take_all = Fix("Take all rows of each", {"datasets": without})
    if any(share is None for share in shares):
        yield finding(
            "error",
            "datasets",
            "Some datasets have a `fraction` and some have none.",
            "TRL wants all or none.",
            take_all,
        )
    elif values.get("streaming") is True:
        why = "TRL stops: it cannot know how many rows a stream has."
        yield finding("error", "datasets", "A `fraction` of a stream cannot be taken.", why, take_all)
    elif not _are_shares(shares):
        why = "TRL makes shares of them, which have to be 0 or more, and together more than 0."
        yield finding("error", "datasets", "The fractions are no shares of a mixture.", why, take_all)
    elif len(entries) == 1:
        why = "TRL makes shares of the fractions: one alone is all of it. `split: train[:10%]` takes a part."
        yield finding("note", "datasets", "A fraction of a single dataset takes all its rows.", why, take_all)


def _held_out(values: Mapping[str, Any]) -> Iterator[Finding]:
    size = values.get("test_split_size")
    if size is None:
        return
    if values.get("streaming") is True:
        yield finding(
            "error",
            "test_split_size",
            "No rows of a stream can be held out.",
            "TRL would stop with an AttributeError after opening the data.",
            Fix("Do not stream", {}, ("streaming",)),
        )
    elif isinstance(size, float) and not 0 < size < 1:
        whole = size.is_integer() and size > 1
        yield finding(
            "error",
            "test_split_size",
            f"{size:g} is no share of the rows to hold out.",
            "A fraction lies between 0 and 1; a number of rows is written without a point.",
            Fix(f"Hold out {size:.0f} rows", {"test_split_size": int(size)})
            if whole
            else Fix("Hold out a tenth", {"test_split_size": 0.1}),
        )
