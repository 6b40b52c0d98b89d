"""The datasets of a mixture: where the files of each lie, what their rows come to, and whether they fit together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.adapters.archives import archived_format
from studio.adapters.datafiles import DataSource, open_files, open_source
from studio.domain.asked_splits import base_split, first_row, rows_taken
from studio.domain.data_layout import as_pattern, check_folder, format_of, matching
from studio.domain.errors import StudioError
from studio.domain.findings import Finding, errors
from studio.domain.mixture import BUILDERS, all_held_out, as_mixture, contributed, entries_of, held_out, no_rows
from studio.service.fitting_together import gaps, lacking, unaligned

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
    specs = [entry.get("split") for entry in entries]
    known = [_counted(one, spec) for one, spec in zip(looked, specs, strict=False)]
    known += [None] * (len(entries) - len(known))
    # Without a column there are no rows either.
    known = [0 if entry.get("columns") == [] else count for entry, count in zip(entries, known, strict=False)]
    rows = [rows_taken(spec, count) for spec, count in zip(specs, known, strict=False)]
    gives = contributed(rows, [entry.get("fraction") for entry in entries])
    total = None if None in gives or not gives else sum(count or 0 for count in gives)
    firsts = [first_row(spec, count) for spec, count in zip(specs, known, strict=False)]
    parts = tuple(Part(*one) for one in zip(entries, rows, gives, firsts, strict=True))
    return Mix(parts, total, held_out(total, size))


def _counted(looked: Inspection, spec: Any) -> int | None:
    """The rows of the split of which `spec` takes some; None where it was not there to be looked at."""
    there = (looked.read_split or looked.split) == base_split(spec)
    return looked.num_rows if looked.columns and there else None


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
            return _by_commas(open_files(_words(files), path, found_here))
        found = paths.find(str(folder)) if folder else None
        if found is None:
            raise StudioError(f"An entry of {path} names no file.", "Name its files as data_files.")
        return _by_commas(open_source(found))
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
    for split, members in chosen.items():
        if not members:
            raise StudioError(f"{base} has no file {_words(listed[split])}.", "Check the names in `data_files`.")
    first = next(file for members in chosen.values() for file in members)
    form = format_of(first.name) or archived_format(first) or "json"
    return open_files(f"{base}/{_words(files)}", form, chosen)


def _by_commas(source: DataSource) -> DataSource:
    """What an entry of a builder names. Raises StudioError for tabs, of which only a folder's name of a file tells."""
    if source.format == "csv" and source.tabbed and len(source.columns()) > 1:
        what = f"{source.tabbed} has tabs between its cells, and an entry of csv knows commas alone."
        why = "Each row would be one cell. Write the folder it is in as `path`, and the name there as `data_files`."
        raise StudioError(what, why)
    return source


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
    """The datasets of a mixture, each with what keeps it from being put together with the others.

    Behind the last one stands what is wrong with all of them together.
    """
    streams = values.get("streaming") is True
    mix = mix_of(values, looked) if entries_of(values) else None
    gives = [part.gives for part in mix.parts] if mix and not streams else []
    # The library leaves out a dataset without rows, whatever its columns are.
    used = [place for place in range(len(looked)) if gives[place : place + 1] != [0]]
    result = list(looked)
    for place, found in zip(used, unaligned([looked[place] for place in used], streams), strict=True):
        result[place] = _with(looked[place], found)
    missed = lacking([result[place] for place in used], values)
    every = {column.name for place in used for column in looked[place].columns}
    for number, place in enumerate(used):
        found = [missed[number]] if number in missed else list(gaps(result[place], every))
        result[place] = _with(result[place], found)
    nothing = all_held_out(mix.total, values.get("test_split_size")) if mix and not streams else None
    if mix and not streams and not any(errors(list(one.findings)) for one in result):
        nothing = nothing or no_rows(mix.total)
    if nothing and result:
        result[-1] = _with(result[-1], [nothing])
    return result


def _with(one: Inspection, found: Sequence[Finding]) -> Inspection:
    verdict = "reject" if errors(list(found)) else one.verdict
    return replace(one, verdict=verdict, findings=(*one.findings, *found))
