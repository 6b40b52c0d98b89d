"""The datasets of a mixture: where the files of each lie, what their rows come to, and whether they fit together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.adapters.datafiles import DataSource, open_files, open_source
from studio.domain.asked_splits import first_row, rows_taken
from studio.domain.columns import Column
from studio.domain.data_layout import as_pattern, check_folder, format_of, matching
from studio.domain.errors import StudioError
from studio.domain.findings import Finding, Where
from studio.domain.mixture import BUILDERS, all_held_out, as_mixture, contributed, entries_of, held_out, no_rows

if TYPE_CHECKING:
    from studio.service.data import Inspection
    from studio.service.paths import Paths


@dataclass(frozen=True)
class Part:
    """One dataset of a mixture: the rows of its split, and those that it gives to the mixture; None: not known.

    Those begin with row `first` of the split; None where they do not follow one another, or it is not known.
    """

    entry: Mapping[str, Any]
    rows: int | None
    gives: int | None
    first: int | None = 0


@dataclass(frozen=True)
class Mix:
    """What a recipe's mixture comes to: its parts, all rows, and those to learn from and held out."""

    parts: tuple[Part, ...]
    total: int | None
    split: tuple[int, int] | None


def mix_of(values: Mapping[str, Any], looked: Sequence[Inspection]) -> Mix:
    """The rows of a recipe's mixture, by what is known of its datasets; a single dataset is a mixture of one."""
    entries = entries_of(values)
    size = values.get("test_split_size") if entries else None  # of a dataset by name, nothing is held out
    entries = entries or entries_of(as_mixture(values))
    known = [_rows(one) for one in looked]
    known += [None] * (len(entries) - len(known))
    specs = [entry.get("split") for entry in entries]
    rows = [rows_taken(spec, count) for spec, count in zip(specs, known, strict=False)]
    gives = contributed(rows, [entry.get("fraction") for entry in entries])
    total = None if None in gives or not gives else sum(count or 0 for count in gives)
    firsts = [first_row(spec, count) for spec, count in zip(specs, known, strict=False)]
    parts = tuple(Part(*one) for one in zip(entries, rows, gives, firsts, strict=True))
    return Mix(parts, total, held_out(total, size))


def _rows(one: Inspection) -> int | None:
    """The rows of a dataset's split: none of it where an entry selects no columns, None where it cannot be read."""
    if one.entry is not None and one.entry.get("columns") == [] and one.splits:
        return 0
    return one.num_rows if one.columns else None


def rows_to_learn_from(values: Mapping[str, Any], looked: Sequence[Inspection]) -> int | None:
    """The rows of all that a recipe trains on, without those held out; None where not all are known."""
    mix = mix_of(values, looked)
    return mix.split[0] if mix.split else mix.total


def entry_source(entry: Mapping[str, Any], paths: Paths) -> DataSource | None:
    """Where an entry's own files lie on this machine; None where its path alone says it, or it is on the Hub.

    Raises StudioError where it names files that are not here.
    """
    path, files, folder = str(entry.get("path") or ""), entry.get("data_files"), entry.get("data_dir")
    listed = files if isinstance(files, Mapping) else {"train": files}
    if path in BUILDERS:
        if files:
            found_here = {str(split): tuple(_here(named, paths)) for split, named in listed.items()}
            return open_files(_words(files), path, found_here)
        found = paths.find(str(folder)) if folder else None
        if found is None:
            raise StudioError(f"An entry of {path} names no file.", "Name its files as data_files.")
        return open_source(found)
    found = paths.find(path)
    if found is None or not found.is_dir() or not (files or folder):
        return None
    base = found / str(folder or "")
    check_folder(str(base))
    if not files:
        return open_source(base)
    names = [file.relative_to(base).as_posix() for file in base.rglob("*") if file.is_file()]
    chosen = {
        str(split): tuple(base / name for pattern in _each(named) for name in matching(pattern, names))
        for split, named in listed.items()
    }
    form = next((format_of(file.name) for members in chosen.values() for file in members), None) or "json"
    return open_files(f"{base}/{_words(files)}", form, chosen)


def _each(files: Any) -> list[str]:
    return [str(one) for one in (files if isinstance(files, list) else [files])]


def _words(files: Any) -> str:
    if isinstance(files, Mapping):
        files = next(iter(files.values()), "")
    return str(files[0] if isinstance(files, list) and files else files)


def _here(files: Any, paths: Paths) -> list[Path]:
    """The files on this machine that names or patterns name."""
    found = []
    for pattern in _each(files):
        place = paths.find(pattern)
        if place is None:
            raise StudioError(f"There is no file {pattern}.", "Check the path, or use the file from its own place.")
        named = sorted(map(Path, glob(str(place))))
        if not named:
            why = f"The datasets library takes the brackets in it for a pattern. Write {as_pattern(str(place))}."
            raise StudioError(f"The file {place} cannot be loaded.", why)
        found += named
    return found


def aligned(looked: list[Inspection], values: Mapping[str, Any]) -> list[Inspection]:
    """The datasets of a mixture, each with what keeps it from being put behind those before it.

    Behind the last one stands what is wrong with all of them together.
    """
    seen: dict[str, tuple[Column, str]] = {}
    every: set[str] = set()
    result = []
    for one in looked:
        wrong = tuple(_clashes(one, seen))
        for column in one.columns:
            if column.type != "null":
                seen.setdefault(column.name, (column, one.name))
        every |= {column.name for column in one.columns}
        verdict = "reject" if wrong else one.verdict
        result.append(replace(one, verdict=verdict, findings=(*one.findings, *wrong)))
    result = [replace(one, findings=(*one.findings, *_gaps(one, every))) for one in result]
    mix = mix_of(values, looked) if entries_of(values) and values.get("streaming") is not True else None
    nothing = all_held_out(mix.total, values.get("test_split_size")) if mix else None
    if mix and not any(found.level == "error" for one in result for found in one.findings):
        nothing = nothing or no_rows(mix.total)
    if nothing:
        result[-1] = replace(result[-1], verdict="reject", findings=(*result[-1].findings, nothing))
    return result


def _clashes(one: Inspection, seen: Mapping[str, tuple[Column, str]]) -> Iterator[Finding]:
    for column in one.columns:
        if column.type == "null" or column.name not in seen:
            continue
        other, name = seen[column.name]
        if column.type != other.type and "json" not in column.type + other.type:
            yield Finding(
                "error",
                Where("column", column.name),
                f"'{column.name}' is {column.type} in {one.name} and {other.type} in {name}.",
                "TRL would stop after loading: a column has one type in all datasets. Leave it out by `columns`.",
            )
        elif _shape(column) != _shape(other):
            yield Finding(
                "warning",
                Where("column", column.name),
                f"The cells of '{column.name}' have other keys in {one.name} than in {name}.",
                "TRL stops after loading where two datasets differ in them.",
            )


def _shape(column: Column) -> Any:
    """A column's type with those of its parts, in whatever order they come."""
    return column.type, frozenset((part.name, _shape(part)) for part in column.fields)


def _gaps(one: Inspection, every: set[str]) -> Iterator[Finding]:
    absent = sorted(every - {column.name for column in one.columns})
    if absent and one.columns:
        yield Finding(
            "warning",
            Where("column", absent[0]),
            f"{one.name} has no {', '.join(absent[:4])}, which other datasets of the mixture have.",
            "TRL fills the gap with empty cells. `columns` takes the same ones of each.",
        )
