"""Local data: the first rows, columns and splits of files and folders, and what TRL needs to load them."""

from __future__ import annotations

import difflib
import json
from collections.abc import Hashable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO, cast

from studio.adapters.archives import (
    archive_elsewhere,
    archive_kind,
    archived_format,
    members,
    place_of,
    size_of,
    unfolded,
)
from studio.adapters.arrowfiles import Files, Footer, LocalFiles, arrow_rows, batches, footer
from studio.adapters.dataschema import schema_columns, schema_features
from studio.adapters.packed import BROKEN, is_packed, not_whole, unpacked
from studio.domain.columns import Column, column_of
from studio.domain.data_layout import (
    SUPPORTED,
    Layout,
    as_pattern,
    check_folder,
    format_of,
    is_archive,
    layout_of,
    script_in,
)
from studio.domain.errors import StudioError
from studio.domain.features import Feature, told_by
from studio.domain.findings import Finding
from studio.domain.other_files import refuse
from studio.domain.row_index import RowIndex

_SAMPLE_ROWS = 200
_HEAD_ROWS = 20  # of the sample, kept to be shown
_SAMPLE_BYTES = 32 << 20
_COUNTED_BYTES = 64 << 20  # files of text that come to this size at most are read through to count their rows
NO_SCRIPTS = "Datasets that are loaded by a script are refused: TRL's loader runs none. Use one in data files."
_LOCAL = LocalFiles()


@dataclass(frozen=True)
class DataSource:
    """A file or folder that has been recognised. `format` is the datasets library's builder.

    `kind`: file; folder; dataset (one `Dataset.save_to_disk`); copy (of one on the Hub, by whose name it is loaded);
    `config` is the chosen one of a folder's `configs`
    (its README names them), "" where there are none; `usual` the one that is loaded where none is named, `left_out`
    that files of a folder are not loaded.
    """

    path: Path
    kind: str
    format: str
    files: dict[str, tuple[Path, ...]]
    configs: tuple[str, ...] = ()
    config: str = ""
    usual: str = ""
    place: Files = field(default=_LOCAL, repr=False)
    left_out: tuple[Finding, ...] = ()
    # What has been read of files, so that one look opens none twice; other files or another look begin anew.
    _known: dict[Hashable, Any] = field(init=False, default_factory=dict, repr=False, compare=False)

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(self.files)

    @property
    def tabbed(self) -> Path | None:
        """The first file whose name tells of tabs between its cells."""
        return next((file for members in self.files.values() for file in members if ".tsv" in file.suffixes), None)

    def columns(self, split: str | None = None) -> list[Column]:
        """The columns and their types: from the file's schema, or told from its first rows (json, csv)."""
        files = self._files(split)
        if ("columns", files) not in self._known:
            self._known["columns", files] = self._told_columns(files)
        return list(self._known["columns", files])

    def _told_columns(self, files: tuple[Path, ...]) -> list[Column]:
        first, *more = files
        with _readable(first):
            if self.format in ("parquet", "arrow"):
                return schema_columns(self._footer(first).schema)
        sample: list[dict[str, Any]] = []
        for file in (first, *(more if self.format in ("json", "text") else ())):  # a csv without a header is none
            with _readable(file):
                sample = list(self._sample(file))
            if sample:
                break
        if not sample:
            raise StudioError(f"{first} holds no rows.", "Choose a file with data in it.", str(first))
        self._known["head", files] = sample[:_HEAD_ROWS]
        names = dict.fromkeys(name for row in sample for name in row)
        return [column_of(name, (row.get(name) for row in sample)) for name in names]

    def features(self, split: str, columns: list[Column], count: int | None) -> dict[str, Feature]:
        """The datasets library's own types of a split's `columns`, as far as its first rows or its schema tell them.

        Where those are all of `count` rows they tell more.
        """
        if self.format in ("parquet", "arrow"):
            with _readable(file := self._files(split)[0]):
                return schema_features(self._footer(file).schema)
        return told_by(columns, self.format, count is not None and count <= _SAMPLE_ROWS)

    def rows(self, split: str | None = None, n: int = 20, offset: int = 0) -> list[dict[str, Any]]:
        """Rows `offset` to `offset + n` of a split, of which alone is read; a column that a row lacks is None.

        A column that begins after the first rows is there where one of these has it.
        """
        names, files = self._names(split), self._files(split)
        head = self._known.get(("head", files), ())
        found = head[:n] if offset == 0 and len(head) >= n else list(islice(self._iterate(split, offset), n))
        if found:
            self._known["some", files] = True
        names = list(dict.fromkeys(chain(names, *found)))
        return [{name: row.get(name) for name in names} for row in found]

    def written(self, split: str, n: int) -> list[dict[str, Any]]:
        """The first rows of a split of csv with their cells as they are written; none of other formats."""
        found: list[dict[str, Any]] = []
        for file in self._files(split) if self.format == "csv" else ():
            with _readable(file):
                found += islice(self._index(file).rows(partial(_binary, self.place, file), 0, True), n - len(found))
            if len(found) >= n:
                break
        return found

    def num_rows(self, split: str | None = None, through: bool = False) -> int | None:
        """How many rows a split has; None where it takes to read big files `through`, and that is not wanted."""
        files = self._files(split)
        if not self.place.local and len(files) > 1:
            return None
        big = False
        if self.place.local and self.format not in ("parquet", "arrow"):
            with _readable(files[0]):
                big = sum(map(size_of, files)) > _COUNTED_BYTES
        counts = [self._count(file, through, big) for file in files]
        return None if None in counts else sum(cast("list[int]", counts))

    def has_rows(self, split: str) -> bool:
        """Whether a split has any rows."""
        return ("some", self._files(split)) in self._known or next(self._iterate(split, 0), None) is not None

    def heads(self, split: str, n: int) -> list[tuple[Path, list[dict[str, Any]]]]:
        """The first `n` rows of a split of text, by the files that they are in."""
        key = "heads", self._files(split), n
        if key not in self._known:
            found: list[tuple[Path, list[dict[str, Any]]]] = []
            for file in self._files(split):
                with _readable(file):
                    some = list(islice(self._text_rows(file), n))
                found += [(file, some)] if some else []
                n -= len(some)
                if n <= 0:
                    break
            self._known[key] = found
        return list(self._known[key])

    def is_list(self, file: Path) -> bool:
        """Whether a file of JSON is one list."""
        if ("list", file) not in self._known:
            with _readable(file), _binary(self.place, file) as opened:
                begins = opened.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()
            self._known["list", file] = begins.startswith(b"[")
        return bool(self._known["list", file])

    def first_group(self, file: Path) -> int | None:
        """The rows of the first row group of a parquet file; None where it has none, and in other formats."""
        if self.format != "parquet":
            return None
        with _readable(file):
            return self._footer(file).first_group

    def _footer(self, file: Path) -> Footer:
        if ("footer", file) not in self._known:
            self._known["footer", file] = footer(self.place, file, self.format)
        found: Footer = self._known["footer", file]
        return found

    def recipe_values(self) -> dict[str, Any]:
        """The recipe's values with which `trl` loads this: a folder by name, files as a mixture of one."""
        path = str(self.path) if self.kind == "copy" else str(self.path.resolve())
        pattern = as_pattern(path)
        if self.kind == "dataset":
            return {"datasets": [{"path": "arrow", "data_files": f"{pattern}/*.arrow", "split": "train"}]}
        if self.kind in ("folder", "copy"):
            values: dict[str, Any] = {"dataset_name": path}
            return values | {"dataset_config": self.config} if self.config not in ("", "default") else values
        if self.tabbed:
            # As `csv` it would be read with commas: only as a file of its folder does the name tell of tabs.
            folder, name = str(self.path.resolve().parent), as_pattern(self.path.name)
            return {"datasets": [{"path": folder, "data_files": name, "split": "train"}]}
        return {"datasets": [{"path": self.format, "data_files": pattern, "split": "train"}]}

    def _files(self, split: str | None) -> tuple[Path, ...]:
        name = split or next(iter(self.files))
        if name not in self.files:
            known = ", ".join(self.files)
            raise StudioError(f"{self.path} has no split '{name}'.", f"It has {known}.")
        return self.files[name]

    def _names(self, split: str | None) -> list[str]:
        """The columns' names; where one of the first rows is broken, those of the rows before it."""
        names: dict[str, None] = {}
        try:
            return [column.name for column in self.columns(split)]
        except StudioError:
            file = self._files(split)[0]
            with suppress(StudioError), _readable(file):
                for row in self._sample(file) if self.format in ("json", "csv", "text") else ():
                    names |= dict.fromkeys(row)
            if not names:
                raise
        return list(names)

    def _iterate(self, split: str | None, offset: int) -> Iterator[dict[str, Any]]:
        skip = offset
        for file in self._files(split):
            with _readable(file):
                if self.format in ("parquet", "arrow"):
                    count = self._count(file) or 0
                    if skip < count:
                        yield from arrow_rows(self.place, file, self.format, skip)
                else:
                    yield from self._text_rows(file, skip)
                    count = self._index(file).total or 0  # it is known now: the end has been seen
                skip = max(0, skip - count)

    def _index(self, file: Path) -> RowIndex:
        form = "tsv" if self.format == "csv" and ".tsv" in file.suffixes else self.format
        return _index_of(file, form, self.place.stamp(file))

    def _text_rows(self, file: Path, start: int = 0) -> Iterator[dict[str, Any]]:
        return self._index(file).rows(partial(_binary, self.place, file), start)

    def _sample(self, file: Path) -> Iterator[dict[str, Any]]:
        size = 0
        for row in islice(self._text_rows(file), _SAMPLE_ROWS):
            yield row
            size += sum(len(cell) if isinstance(cell, str) else 64 for cell in row.values())
            if size > _SAMPLE_BYTES:
                return

    def _count(self, file: Path, through: bool = False, big: bool = False) -> int | None:
        with _readable(file):
            if self.format == "parquet":
                return self._footer(file).rows
            if self.format == "arrow":
                return sum(int(batch.num_rows) for batch in batches(self.place, file))
            index = self._index(file)
            if through:
                return index.count(partial(_binary, self.place, file))
            if big or not self.place.local or is_packed(file) or index.decoded:
                return index.total
            return sum(1 for _ in self._text_rows(file))


@lru_cache(maxsize=64)
def _index_of(file: Path, form: str, stamp: Hashable) -> RowIndex:
    """The index of a file as it is now, kept for its next pages."""
    return RowIndex(str(file), form)


def open_files(name: str, form: str, files: dict[str, tuple[Path, ...]]) -> DataSource:
    """Files that a recipe lists for each split. Raises StudioError where there are none, or of another kind."""
    every = [file for members in files.values() for file in members if place_of(file) == file]
    odd = next((file for file in every if format_of(file.name) not in (form, None) and form != "text"), None)
    if odd is not None or not any(files.values()):
        raise StudioError(f"{odd} is no file of {form}." if odd else f"{name} names no file that is here.", SUPPORTED)
    found, passed = unfolded(files, form)
    return DataSource(Path(name), "files", form, found, left_out=passed)


def in_repository(name: str, layout: Layout, place: Files) -> DataSource:
    """The data in files of a repository on the Hub, which are read by ranges."""
    return _laid_out(Path(name), Path(), layout, place)


def _laid_out(path: Path, base: Path, found: Layout, place: Files) -> DataSource:
    files = {split: tuple(base / file for file in members) for split, members in found.files.items()}
    named = (found.configs, found.config, found.usual)
    if not place.local:
        archive = next((file for every in files.values() for file in every if is_archive(file.name)), None)
        if archive is not None:
            archive_elsewhere(str(archive))
        return DataSource(path, "folder", found.format, files, *named, place, found.left_out)
    files, passed = unfolded(files, found.format, by_name=True)
    return DataSource(path, "folder", found.format, files, *named, place, (*found.left_out, *passed))


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


def _open_file(place: Path) -> DataSource:
    refuse(str(place))
    if place.stat().st_size == 0:
        raise StudioError(f"{place} is empty.", "Choose a file with data in it.")
    found = archived_format(place) or format_of(place.name)
    if ".tsv" in place.suffixes:
        check_folder(str(place.resolve().parent))
    if found is None and archive_kind(place):
        names = ", ".join(file.relative_to(place).as_posix() for file in members(place)[:4])
        what = f"{place} is an archive whose files are of no format that is read here: {names}."
        raise StudioError(what, "Pack files of jsonl, json, csv or txt, and nothing beside them.")
    if found is None or place.suffix in (".zst", ".lz4", ".7z", ".rar"):
        raise StudioError(f"{place} is no data file that can be read here.", f"{SUPPORTED} Unpack other archives.")
    files, passed = unfolded({"train": (place,)}, found)
    return DataSource(place, "file", found, files, left_out=passed)


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
    check_folder(str(place))
    files = [file.relative_to(place).as_posix() for file in place.rglob("*") if file.is_file()]
    script = script_in(place.name, files)
    if script:
        raise StudioError(f"{place} would be loaded by running {place / script}.", NO_SCRIPTS)

    def inside(archive: str) -> list[str]:
        return [file.name for file in members(place / archive)]

    readme = place / "README.md"
    text = readme.read_text(encoding="utf-8", errors="replace") if readme.is_file() else ""
    return _laid_out(place, place, layout_of(str(place), files, text, wanted, inside=inside), _LOCAL)


# --- files


@contextmanager
def _readable(place: Path) -> Iterator[None]:
    """What goes wrong with a file, in words."""
    import pyarrow

    try:
        yield
    except PermissionError as error:
        raise StudioError(f"{place} may not be read.", "Ask for the right to read it, or copy it.") from error
    except BROKEN as error:
        raise not_whole(place) from error
    except pyarrow.ArrowException as error:
        raise _broken(place, error) from error
    except OSError as error:
        if error.errno is None:  # it is Arrow that says so, and the disk has no part in it
            raise _broken(place, error) from error
        raise StudioError(f"{place} cannot be read: {error.strerror or error}.", "Check the disk it is on.") from error


def _broken(place: Path, error: Exception) -> StudioError:
    what = f"{place} is broken: {str(error).rstrip('.')}."
    return StudioError(what, "Download it again, or write it anew.", str(place))


def _binary(place: Files, file: Path) -> BinaryIO:
    return unpacked(file, place.open(file))
