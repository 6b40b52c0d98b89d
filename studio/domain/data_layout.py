"""What a folder of data is to the datasets library: its configurations, its splits and their files, by names alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from studio.domain.errors import StudioError
from studio.domain.findings import Finding, Where
from studio.domain.other_files import instead_of
from studio.domain.split_names import splits_of

# What the datasets library reads by file name; the formats are its builders' names.
FORMATS = {
    ".jsonl": "json",
    ".json": "json",
    ".ndjson": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".txt": "text",
}
ARCHIVE = ".zip"  # of a folder's archives these alone are loaded as what is in them
_ARCHIVES_ASKED = 10  # for the format of what is in them
# What it takes for data of other kinds, where a folder has more of them than of the above.
_FOREIGN = {".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".wav", ".mp3", ".flac", ".ogg", ".mp4", ".pdf", ".xml"}
_FOREIGN |= {ARCHIVE, ".tar", ".h5", ".hdf5", ".md", ".toml"}
_PREFERRED = (".csv", ".json", ".jsonl", ".arrow", ".parquet")  # the last of them wins a tie
# What lies beside data and is none, by its name without an ending.
_BESIDE = {"readme", "license", "licence", "notice", "requirements", "citation", "changelog", "metadata", "state"}
_BESIDE |= {"config", "dataset_info", "dataset_infos", "dataset_dict", "croissant", "schema"}
_NAMED = 4  # files that are named in a sentence
SUPPORTED = "Use jsonl, json, csv, tsv, parquet, arrow or txt files, or a folder of them."
IN_ARCHIVES = ("json", "csv", "text")  # the builders that read what is in archives
Inside = Callable[[str], Sequence[str]]


@dataclass(frozen=True)
class Layout:
    """The files of each split, below the folder, and their format; `config` is the chosen one of `configs`.

    `usual` is the one that is loaded where none is named, "" where one of several has to be. `left_out` says which
    files of data are not loaded, of other formats.
    """

    format: str
    files: Mapping[str, tuple[str, ...]]
    configs: tuple[str, ...] = ()
    config: str = ""
    usual: str = ""
    left_out: tuple[Finding, ...] = ()


def format_of(name: str) -> str | None:
    """The format that a file's name tells of, compressed or not."""
    suffixes = ["." + part.lower() for part in name.rsplit("/", 1)[-1].split(".")[1:]]
    return next((FORMATS[suffix] for suffix in reversed(suffixes) if suffix in FORMATS), None)


def script_in(name: str, files: Iterable[str]) -> str | None:
    """The Python script that would have to be run to load a folder or repository called `name`; None for none."""
    script = f"{name.rstrip('/').rsplit('/', 1)[-1]}.py"
    return script if script in files else None


def layout_of(
    place: str,
    files: Sequence[str],
    readme: str,
    wanted: str | None,
    own: Mapping[str, Any] | None = None,
    inside: Inside = lambda archive: (),
) -> Layout:
    """What `load_dataset` makes of a folder `place` with these files, by their paths below it with slashes.

    `wanted` is a configuration that the readme names, `own` the `data_files` and `data_dir` that stand in for all of
    those, `inside` tells the names in an archive. Raises StudioError, in words, where nothing can be loaded.
    """
    configs = {} if own else _configs(place, readme)
    usual = _usual(place, configs)
    if wanted and not own and wanted not in (configs or ("default",)):
        known = f"It has {', '.join(configs)}: name one of them." if configs else "It has none: leave the name out."
        raise StudioError(f"{place} has no configuration '{wanted}'.", known)
    config = (wanted or usual or next(iter(configs))) if configs else ""
    named = own or configs.get(config, {})
    base = str(named.get("data_dir") or "").strip("/")
    begin = f"{base}/" if base else ""
    below = [file.removeprefix(begin) for file in files if file.startswith(begin)]
    found = _named_files(place, below, named["data_files"], own is None) if "data_files" in named else splits_of(below)
    splits = {name: [begin + file for file in members] for name, members in found.items()}
    formats = {name: _most_common(members, inside) for name, members in splits.items()}
    if not splits or None in formats.values():
        raise StudioError(f"{place} holds no data files that can be read here.", instead_of(files) or SUPPORTED)
    if len(set(formats.values())) > 1:
        mixed = ", ".join(f"{name} of {form} ({splits[name][0]})" for name, form in formats.items())
        raise StudioError(f"The splits of {place} are of different formats: {mixed}.", "Use one format in a folder.")
    form = str(next(iter(formats.values())))
    kept = {
        name: tuple(file for file in members if is_archive(file) or format_of(file) == form)
        for name, members in splits.items()
    }
    _check_tables(place, [file for members in kept.values() for file in members if form == "csv"])
    return Layout(form, kept, tuple(configs), config, usual, _left_out(place, form, splits, kept))


def _left_out(
    place: str, form: str, splits: Mapping[str, list[str]], kept: Mapping[str, tuple[str, ...]]
) -> tuple[Finding, ...]:
    """A warning of files that look like data and are not loaded, since most are of another format."""
    loaded = {file for members in kept.values() for file in members}
    others = [file for members in splits.values() for file in members if format_of(file) and file not in loaded]
    others = [file for file in others if file.rsplit("/", 1)[-1].split(".")[0].casefold() not in _BESIDE]
    if not others:
        return ()
    what = f"Of {place} only {_listed(sorted(loaded))} ({form}) {'is' if len(loaded) == 1 else 'are'} loaded."
    why = (
        f"Of a folder one format is read. Left out: {_listed(others)}. "
        "Put those into a folder of their own, or add them as entries of `datasets`."
    )
    return (Finding("warning", Where("file", place), what, why),)


def _listed(files: Sequence[str]) -> str:
    more = len(files) - _NAMED
    return ", ".join(files[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _check_tables(place: str, files: Sequence[str]) -> None:
    """Raises StudioError where some tables have tabs between their cells and others commas: all are read in one way."""
    known = [file for file in files if not is_archive(file)]
    tabs = [".tsv" in _endings([file]) for file in known]
    if True in tabs and False in tabs:
        named = f"{known[tabs.index(False)]} has commas between its cells, and {known[tabs.index(True)]} tabs"
        raise StudioError(f"The tables of {place} are of two kinds: {named}.", "Use one kind in a folder.")


def is_archive(name: str) -> bool:
    """Whether a folder's file is loaded as what is in it."""
    return name.endswith(ARCHIVE)


def common_format(names: Iterable[str]) -> str | None:
    """The format of what is in archives, by most of the endings there; None where that is none that is read."""
    return FORMATS.get(next((ending for ending, _ in Counter(_endings(names)).most_common(1)), ""))


def _endings(files: Iterable[str]) -> Iterable[str]:
    return ("." + part.lower() for file in files for part in file.rsplit("/", 1)[-1].split(".")[1:])


def _most_common(files: Sequence[str], inside: Inside) -> str | None:
    counts = Counter(_endings(files))
    counts.pop(".feather", 0)  # it knows these only by the builder's name
    known = [suffix for suffix in counts if suffix in FORMATS or suffix in _FOREIGN]
    rank = {suffix: place for place, suffix in enumerate(_PREFERRED, 1)}
    best = max(known, key=lambda suffix: (counts[suffix], rank.get(suffix, 0)), default="")
    if best == ARCHIVE:
        archives = [file for file in files if is_archive(file)][:_ARCHIVES_ASKED]
        return common_format(name for archive in archives for name in inside(archive))
    return FORMATS.get(best)


def _configs(place: str, readme: str) -> dict[str, dict[str, Any]]:
    """The configurations that a README.md declares, as those of datasets on the Hub do."""
    if not readme.startswith("---\n") or "\n---" not in readme[4:]:
        return {}
    try:
        card = yaml.safe_load(readme[4 : readme.index("\n---", 3)])
    except yaml.YAMLError as error:
        raise StudioError(f"The head of {place}/README.md is no YAML.", "Mend it, or take the README away.") from error
    declared = card.get("configs") if isinstance(card, dict) else None
    entries = [entry for entry in declared or [] if isinstance(entry, dict) and "config_name" in entry]
    return {str(entry["config_name"]): entry for entry in entries}


def usual_config(place: str, readme: str) -> str | None:
    """The configuration that is loaded where none is named; "" for none, None where the readme declares none at all.

    Raises StudioError where it cannot be understood.
    """
    configs = _configs(place, readme)
    return _usual(place, configs) if configs else None


def _usual(place: str, configs: Mapping[str, Mapping[str, Any]]) -> str:
    usual = [name for name, one in configs.items() if len(configs) == 1 or name == "default" or one.get("default")]
    if len(usual) > 1:
        what = f"{place}/README.md has several default configurations: {', '.join(usual)}."
        raise StudioError(what, "Leave `default: true` to one of them, and call no other one default.")
    return usual[0] if usual else ""


def _named_files(place: str, files: Sequence[str], data_files: Any, by_readme: bool) -> dict[str, list[str]]:
    if isinstance(data_files, dict):
        patterns = dict(data_files)
    elif isinstance(data_files, list) and all(isinstance(entry, dict) for entry in data_files):
        patterns = {entry.get("split", "train"): entry.get("path", []) for entry in data_files}
    else:
        patterns = {"train": data_files}
    splits: dict[str, list[str]] = {}
    for split, wanted in patterns.items():
        each = wanted if isinstance(wanted, list) else [wanted]
        found = [file for pattern in each for file in matching(str(pattern), files)]
        if not found:
            if not by_readme:
                raise StudioError(f"{place} has no file {wanted}.", f"It has {', '.join(files[:5])}.")
            message = f"The README of {place} names {wanted} for the split {split}, and there is no such file."
            raise StudioError(message, "Download all files of the dataset.")
        splits[str(split)] = found
    return splits


def _one_of(part: str) -> str:
    """`[abc]` of a pattern as an expression; "" for any other part."""
    if len(part) < 3 or part[0] != "[":
        return ""
    inner = part[1:-1].replace("\\", "\\\\").replace("[", "\\[")
    return f"[^{inner[1:]}]" if inner[0] in "!^" else f"[{inner}]"


def as_pattern(path: str) -> str:
    """A path as `data_files` that name this very file: the datasets library takes every such text for a pattern."""
    return re.sub(r"[*?\[]", r"[\g<0>]", path)


def as_path(pattern: str) -> str:
    """The path that `as_pattern` made a pattern of."""
    return re.sub(r"\[([*?\[])\]", r"\1", pattern)


def check_folder(place: str) -> None:
    """Raises StudioError for a folder whose files the library does not find, for it takes the path for a pattern."""
    if re.search(r"\[[^\]]+\]", place):
        why = "The datasets library takes the brackets in its path for a pattern. Rename the folder without them."
        raise StudioError(f"{place} cannot be loaded.", why)


def matching(pattern: str, files: Iterable[str]) -> list[str]:
    """The files that a pattern names: `*` within a folder's name, `**` over folders."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]]+\])", pattern.removeprefix("./"))
    signs = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    expression = "".join(signs.get(part) or _one_of(part) or re.escape(part) for part in parts)
    return sorted(file for file in files if re.fullmatch(expression, file))
