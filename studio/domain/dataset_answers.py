"""What the Hub tells of a dataset: its first rows, some later ones, the files of its repository."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from studio.domain.columns import Column
from studio.domain.features import Feature
from studio.domain.findings import Finding


@dataclass(frozen=True)
class Rowless:
    """What of a dataset is without rows: `files` beside which nothing can be loaded, and whole splits by name."""

    files: tuple[Finding, ...] = ()
    splits: tuple[tuple[str, Finding], ...] = ()


@dataclass(frozen=True)
class DatasetHead:
    """A dataset's first rows. `splits` has the splits of each configuration; `num_rows` is None where not told.

    A cell that the viewer cut short is left out of its row, except in text columns, where its beginning stays.
    `usual` is the configuration that is loaded where none is named; "" for none, None where nobody knows. `left_out`
    tells of files that are not loaded, `rowless` of files and splits without rows. `form` is the builder's name of its
    files, "" where nobody knows, `written` the rows of a csv with their cells as they stand there. `features` are the
    datasets library's own types of the columns, as far as they are told. `viewed` where the dataset viewer told it all.
    """

    name: str
    config: str
    split: str
    splits: dict[str, tuple[str, ...]]
    columns: list[Column]
    rows: list[dict[str, Any]]
    num_rows: int | None
    partial: bool = False
    usual: str | None = None
    left_out: tuple[Finding, ...] = ()
    rowless: Rowless = field(default_factory=Rowless)
    form: str = ""
    written: tuple[dict[str, Any], ...] = ()
    features: dict[str, Feature] = field(default_factory=dict)
    viewed: bool = False

    @property
    def configs(self) -> tuple[str, ...]:
        return tuple(self.splits)


@dataclass(frozen=True)
class DatasetRows:
    """Some rows of a split, by the dataset viewer; `num_rows` is None where it did not tell."""

    rows: list[dict[str, Any]]
    num_rows: int | None
    partial: bool = False


@dataclass(frozen=True)
class DatasetRepository:
    """A dataset's files as they are at one commit, and what is needed to read them by ranges.

    `url` gives the address of one, `left` the seconds that are left to read in.
    """

    name: str
    commit: str
    files: tuple[str, ...]
    url: Callable[[str], str]
    headers: dict[str, str]
    left: Callable[[], float]


def row_of(entry: dict[str, Any], columns: list[Column]) -> dict[str, Any]:
    """A row as the dataset viewer tells it, without the cells that it cut short and that are no text."""
    texts = {column.name for column in columns if column.type == "text"}
    cut = set(entry.get("truncated_cells") or ()) - texts
    return {name: cell for name, cell in entry["row"].items() if name not in cut}
