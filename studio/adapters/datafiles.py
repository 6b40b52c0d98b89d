"""Local data: the first rows, columns and splits of files and folders, and what TRL needs to load them."""

from __future__ import annotations

import difflib
import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO, cast

import yaml

from studio.domain.columns import Column, column_of, column_of_feature, list_of
from studio.domain.errors import StudioError
from studio.domain.row_text import csv_rows, csv_types, json_rows
from studio.domain.split_names import splits_of

# What the datasets library reads by file name; the formats are its builders' names.
_FORMATS = {
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
# What it takes for data of other kinds, where a folder has more of them than of the above.
_FOREIGN = {".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".wav", ".mp3", ".flac", ".ogg", ".mp4", ".pdf", ".xml"}
_FOREIGN |= {".zip", ".tar", ".h5", ".hdf5", ".md", ".toml"}
_SAMPLE_ROWS = 200
_SAMPLE_BYTES = 32 << 20
_COUNTED_BYTES = 64 << 20  # files of text up to this size are read through to count their rows
_PREFERRED = (".csv", ".json", ".jsonl", ".arrow", ".parquet")  # the last of them wins a tie
_SUPPORTED = "Use jsonl, json, csv, tsv, parquet, arrow or txt files, or a folder of them."


@dataclass(frozen=True)
class DataSource:
    """A file or folder that has been recognised. `format` is the datasets library's builder.

    `kind`: file; folder; dataset (one `Dataset.save_to_disk`); `config` is the chosen one of a folder's `configs`
    (its README names them), "" where there are none.
    """

    path: Path
    kind: str
    format: str
    files: dict[str, tuple[Path, ...]]
    configs: tuple[str, ...] = ()
    config: str = ""

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(self.files)

    def columns(self, split: str | None = None) -> list[Column]:
        """The columns and their types: from the file's schema, or told from its first rows (json, csv)."""
        file = self._files(split)[0]
        with _readable(file):
            if self.format in ("parquet", "arrow"):
                return _schema_columns(_schema(file, self.format))
            sample = list(self._sample(file))
        if not sample:
            raise StudioError(f"{file} holds no rows.", "Choose a file with data in it.")
        names = dict.fromkeys(name for row in sample for name in row)
        return [column_of(name, (row.get(name) for row in sample)) for name in names]

    def rows(self, split: str | None = None, n: int = 20, offset: int = 0) -> list[dict[str, Any]]:
        """Rows `offset` to `offset + n` of a split; a column that a row lacks is None, as when TRL loads it."""
        names = [column.name for column in self.columns(split)]
        return [{name: row.get(name) for name in names} for row in islice(self._iterate(split, offset), n)]

    def num_rows(self, split: str | None = None) -> int | None:
        """How many rows a split has; None where finding out would mean reading big files through."""
        counts = [self._count(file) for file in self._files(split)]
        return None if None in counts else sum(cast("list[int]", counts))

    def recipe_values(self) -> dict[str, Any]:
        """The recipe's values with which `trl` loads this: a folder by name, files as a mixture of one."""
        path = str(self.path.resolve())
        if self.kind == "dataset":
            return {"datasets": [{"path": "arrow", "data_files": f"{path}/*.arrow", "split": "train"}]}
        if self.kind == "folder":
            values: dict[str, Any] = {"dataset_name": path}
            return values | {"dataset_config": self.config} if self.config not in ("", "default") else values
        if ".tsv" in self.path.suffixes:
            # As `csv` it would be read with commas: only as a file of its folder does the name tell of tabs.
            folder = {"path": str(self.path.resolve().parent), "data_files": self.path.name, "split": "train"}
            return {"datasets": [folder]}
        return {"datasets": [{"path": self.format, "data_files": path, "split": "train"}]}

    def _files(self, split: str | None) -> tuple[Path, ...]:
        name = split or next(iter(self.files))
        if name not in self.files:
            known = ", ".join(self.files)
            raise StudioError(f"{self.path} has no split '{name}'.", f"It has {known}.")
        return self.files[name]

    def _iterate(self, split: str | None, offset: int) -> Iterator[dict[str, Any]]:
        skip = offset
        for file in self._files(split):
            with _readable(file):
                if self.format in ("parquet", "arrow"):
                    count = self._count(file) or 0
                    if skip < count:
                        yield from _arrow_rows(file, self.format, skip)
                    skip = max(0, skip - count)
                    continue
                for row in self._text_rows(file):
                    if skip:
                        skip -= 1
                    else:
                        yield row

    def _text_rows(self, file: Path) -> Iterator[dict[str, Any]]:
        with _binary(file) as binary:
            if self.format == "json":
                yield from json_rows(binary, str(file))
            elif self.format == "text":
                for line in iter(lambda: binary.readline(_SAMPLE_BYTES), b""):
                    yield {"text": line.decode("utf-8", "replace").rstrip("\r\n")}
            else:
                rows = csv_rows(binary, str(file), "\t" if ".tsv" in file.suffixes else ",")
                ahead = list(islice(rows, _SAMPLE_ROWS))
                types = csv_types(ahead)
                yield from (_typed(row, types) for row in chain(ahead, rows))

    def _sample(self, file: Path) -> Iterator[dict[str, Any]]:
        size = 0
        for row in islice(self._text_rows(file), _SAMPLE_ROWS):
            yield row
            size += sum(len(cell) if isinstance(cell, str) else 64 for cell in row.values())
            if size > _SAMPLE_BYTES:
                return

    def _count(self, file: Path) -> int | None:
        with _readable(file):
            if self.format == "parquet":
                return int(_parquet(file).metadata.num_rows)
            if self.format == "arrow":
                return sum(int(batch.num_rows) for batch in _batches(file))
            if file.stat().st_size > _COUNTED_BYTES or file.suffix == ".gz":
                return None
            return sum(1 for _ in self._text_rows(file))


def open_source(path: str | Path, config: str | None = None) -> DataSource:
    """Recognise a file or folder of data. Raises StudioError, in words, where it is none that TRL could load."""
    place = Path(path).expanduser()
    with _readable(place):
        if not place.exists():
            raise _missing(place)
        if place.is_file():
            return _open_file(place)
        if (place / "state.json").is_file():
            return _open_dataset(place)
        return _open_folder(place, config)


def _missing(place: Path) -> StudioError:
    parent = next(folder for folder in place.absolute().parents if folder.is_dir())
    wanted = place.absolute().relative_to(parent).parts[0]
    names = sorted(entry.name for entry in parent.iterdir())
    close = difflib.get_close_matches(wanted, names, n=3, cutoff=0.5)
    hint = f"In {parent} there is {', '.join(close)}." if close else f"Look in {parent}, which has no '{wanted}'."
    return StudioError(f"There is no file or folder {place}.", hint)


def _format_of(name: str) -> str | None:
    """The format that a file's name tells of, compressed or not."""
    suffixes = ["." + part.lower() for part in name.split(".")[1:]]
    return next((_FORMATS[suffix] for suffix in reversed(suffixes) if suffix in _FORMATS), None)


def _open_file(place: Path) -> DataSource:
    if place.stat().st_size == 0:
        raise StudioError(f"{place} is empty.", "Choose a file with data in it.")
    found = _format_of(place.name)
    if found is None or place.suffix in (".zip", ".tar", ".zst", ".bz2", ".xz"):
        raise StudioError(f"{place} is no data file that can be read here.", f"{_SUPPORTED} Unpack archives first.")
    return DataSource(place, "file", found, {"train": (place,)})


def _open_dataset(place: Path) -> DataSource:
    try:
        state = json.loads((place / "state.json").read_text(encoding="utf-8"))
        names = [entry["filename"] for entry in state["_data_files"]]
    except (ValueError, KeyError, TypeError) as error:
        raise StudioError(f"{place / 'state.json'} is broken.", "Save the dataset again with save_to_disk.") from error
    files = tuple(place / name for name in names)
    absent = next((file for file in files if not file.is_file()), None)
    if absent or not files:
        what = f"{absent} is missing" if absent else f"{place} holds no data"
        raise StudioError(f"{what}.", "Save the dataset again with save_to_disk.")
    return DataSource(place, "dataset", "arrow", {"train": files})


def _open_folder(place: Path, wanted: str | None) -> DataSource:
    configs = _readme_configs(place)
    if wanted and wanted not in configs:
        known = f"It has {', '.join(configs)}." if configs else "It names none in a README.md."
        raise StudioError(f"{place} has no configuration '{wanted}'.", known)
    config = wanted or ("default" if "default" in configs else next(iter(configs), ""))
    named = configs.get(config, {})
    if "data_files" in named:
        splits = _named_files(place, named["data_files"])
    else:
        base = place / str(named.get("data_dir") or "")
        below = [file.relative_to(base).as_posix() for file in base.rglob("*") if file.is_file()]
        splits = {name: [base / file for file in files] for name, files in splits_of(below).items()}
    formats = {name: _most_common(files) for name, files in splits.items()}
    if not splits or None in formats.values():
        raise StudioError(f"{place} holds no data files that can be read here.", _SUPPORTED)
    if len(set(formats.values())) > 1:
        mixed = ", ".join(f"{name} of {form}" for name, form in formats.items())
        raise StudioError(f"The splits of {place} are of different formats: {mixed}.", "Use one format in a folder.")
    form = str(next(iter(formats.values())))
    kept = {name: tuple(file for file in files if _format_of(file.name) == form) for name, files in splits.items()}
    return DataSource(place, "folder", form, kept, tuple(configs), config)


def _most_common(files: list[Path]) -> str | None:
    counts = Counter("." + part.lower() for file in files for part in file.name.split(".")[1:])
    counts.pop(".feather", 0)  # it knows these only by the builder's name
    known = [suffix for suffix in counts if suffix in _FORMATS or suffix in _FOREIGN]
    rank = {suffix: place for place, suffix in enumerate(_PREFERRED, 1)}
    best = max(known, key=lambda suffix: (counts[suffix], rank.get(suffix, 0)), default="")
    return _FORMATS.get(best)


def _readme_configs(place: Path) -> dict[str, dict[str, Any]]:
    """The configurations that a folder's README.md declares, as datasets that were downloaded from the Hub do."""
    readme = place / "README.md"
    text = readme.read_text(encoding="utf-8", errors="replace") if readme.is_file() else ""
    if not text.startswith("---\n") or "\n---" not in text[4:]:
        return {}
    try:
        card = yaml.safe_load(text[4 : text.index("\n---", 3)])
    except yaml.YAMLError as error:
        raise StudioError(f"The head of {readme} is no YAML.", "Mend it, or take the README away.") from error
    declared = card.get("configs") if isinstance(card, dict) else None
    entries = [entry for entry in declared or [] if isinstance(entry, dict) and "config_name" in entry]
    return {str(entry["config_name"]): entry for entry in entries}


def _named_files(place: Path, data_files: Any) -> dict[str, list[Path]]:
    if isinstance(data_files, dict):
        patterns = dict(data_files)
    elif isinstance(data_files, list) and all(isinstance(entry, dict) for entry in data_files):
        patterns = {entry.get("split", "train"): entry.get("path", []) for entry in data_files}
    else:
        patterns = {"train": data_files}
    splits: dict[str, list[Path]] = {}
    for split, wanted in patterns.items():
        each = wanted if isinstance(wanted, list) else [wanted]
        found = [file for pattern in each for file in sorted(place.glob(str(pattern))) if file.is_file()]
        if not found:
            message = f"The README of {place} names {wanted} for the split {split}, and there is no such file."
            raise StudioError(message, "Download all files of the dataset.")
        splits[str(split)] = found
    return splits


# --- files


@contextmanager
def _readable(place: Path) -> Iterator[None]:
    """What goes wrong with a file, in words."""
    import pyarrow

    try:
        yield
    except PermissionError as error:
        raise StudioError(f"{place} may not be read.", "Ask for the right to read it, or copy it.") from error
    except (gzip.BadGzipFile, EOFError) as error:
        raise StudioError(f"{place} is no whole gzip file.", "Download or pack it again.") from error
    except pyarrow.ArrowException as error:
        raise StudioError(f"{place} is broken: {error}.", "Download it again, or write it anew.") from error
    except OSError as error:
        raise StudioError(f"{place} cannot be read: {error.strerror or error}.", "Check the disk it is on.") from error


def _binary(file: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(file, "rb")) if file.suffix == ".gz" else file.open("rb")


def _typed(row: dict[str, str | None], types: dict[str, Callable[[str], Any]]) -> dict[str, Any]:
    return {name: None if cell is None else _value(cell, types.get(name, str)) for name, cell in row.items()}


def _value(cell: str, convert: Callable[[str], Any]) -> Any:
    try:
        return convert(cell)
    except ValueError:
        return cell


def _parquet(file: Path) -> Any:
    import pyarrow.parquet

    return pyarrow.parquet.ParquetFile(file)


def _batches(file: Path) -> Iterator[Any]:
    """The record batches of an arrow file, of either kind, mapped and not read."""
    import pyarrow

    with pyarrow.memory_map(str(file)) as source:
        try:
            reader = pyarrow.ipc.open_stream(source)
        except (pyarrow.ArrowInvalid, OSError):
            opened = pyarrow.ipc.open_file(source)
            reader = (opened.get_batch(number) for number in range(opened.num_record_batches))
        yield from reader


def _schema(file: Path, form: str) -> Any:
    if form == "parquet":
        return _parquet(file).schema_arrow
    import pyarrow

    with pyarrow.memory_map(str(file)) as source:
        try:
            return pyarrow.ipc.open_stream(source).schema
        except (pyarrow.ArrowInvalid, OSError):
            return pyarrow.ipc.open_file(source).schema


def _arrow_rows(file: Path, form: str, skip: int) -> Iterator[dict[str, Any]]:
    columns = {column.name: column for column in _schema_columns(_schema(file, form))}
    batches = _parquet_batches(file, skip) if form == "parquet" else _skipped(_batches(file), skip)
    for batch in batches:
        for start in range(0, batch.num_rows, 100):
            for row in batch.slice(start, 100).to_pylist():
                yield {name: _plain(cell, columns[name].type) for name, cell in row.items()}


def _parquet_batches(file: Path, skip: int) -> Iterator[Any]:
    opened = _parquet(file)
    groups = list(range(opened.metadata.num_row_groups))
    while groups and skip >= opened.metadata.row_group(groups[0]).num_rows:
        skip -= opened.metadata.row_group(groups.pop(0)).num_rows
    return _skipped(opened.iter_batches(batch_size=100, row_groups=groups), skip)


def _skipped(batches: Iterator[Any], skip: int) -> Iterator[Any]:
    for batch in batches:
        if skip < batch.num_rows:
            yield batch.slice(skip)
        skip = max(0, skip - batch.num_rows)


def _plain(cell: Any, kind: str) -> Any:
    """A cell as JSON would have it: JSON columns decoded, bytes and times as a few words."""
    if "json" in kind and isinstance(cell, str):
        return json.loads(cell)
    if isinstance(cell, dict):
        return {name: _plain(value, "") for name, value in cell.items()}
    if isinstance(cell, (list, tuple)):
        return [_plain(value, kind) for value in cell]
    if isinstance(cell, bytes):
        return f"({len(cell):,} bytes)"
    return cell if cell is None or isinstance(cell, (str, bool, int, float)) else str(cell)


def _schema_columns(schema: Any) -> list[Column]:
    declared: dict[str, Any] = {}
    if schema.metadata and b"huggingface" in schema.metadata:
        declared = json.loads(schema.metadata[b"huggingface"]).get("info", {}).get("features") or {}
    return [
        column_of_feature(field.name, declared[field.name])
        if field.name in declared
        else _column_of_arrow(field.name, field.type)
        for field in schema
    ]


def _column_of_arrow(name: str, kind: Any) -> Column:
    import pyarrow

    test = pyarrow.types
    if test.is_dictionary(kind):
        return _column_of_arrow(name, kind.value_type)
    if test.is_struct(kind):
        return Column(name, "struct", tuple(_column_of_arrow(field.name, field.type) for field in kind))
    if test.is_list(kind) or test.is_large_list(kind) or test.is_fixed_size_list(kind):
        return list_of(name, _column_of_arrow("", kind.value_type))
    if isinstance(kind, pyarrow.BaseExtensionType):
        json_kind = kind.extension_name == "arrow.json"
        return Column(name, "json") if json_kind else _column_of_arrow(name, kind.storage_type)
    return column_of_feature(name, {"_type": "Value", "dtype": str(kind)})
