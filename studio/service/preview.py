"""Pages of a dataset: any rows of any split, here or on the Hub, read where they lie and never loaded whole."""

from __future__ import annotations

import copy
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from studio.adapters import archives, datafiles
from studio.adapters.datafiles import NO_SCRIPTS, DataSource
from studio.adapters.hub import HubClient, Unknown
from studio.adapters.hubfiles import RepositoryFiles
from studio.adapters.hubviewer import rows_shown
from studio.adapters.rowless import rowless
from studio.domain.data_layout import layout_of, script_in, usual_config
from studio.domain.dataset_answers import DatasetHead, DatasetRepository, Rowless
from studio.domain.errors import StudioError
from studio.domain.features import as_loaded
from studio.domain.findings import Finding, Where
from studio.domain.mixture import own_files
from studio.service.cached_copies import copy_of
from studio.service.first_rows import loaded_rows, rows_as_loaded
from studio.service.mixing import entry_source
from studio.service.paths import HUB_NAME, Paths, looks_like_path

if TYPE_CHECKING:
    from studio.service.data import Inspection

PAGE_ROWS = 20
_README_BYTES = 256 << 10
_DECLARED = re.compile(r"^dataset_info:", re.MULTILINE)  # a README's own types, as which files are loaded
_READ = 200  # the status of what a repository's own files say
# Of the time that one answer may take: what the viewer gets, where the repository's files are asked after it.
_VIEWERS_SHARE = 0.6
_SAYS_NOTHING = ("unsupported", "not ready", "offline", "timeout", "trouble")

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class RowsPage:
    """Rows `offset` and on of a split; `total` is None where nobody knows how many there are.

    `finding` says why there are none.
    """

    name: str
    config: str
    split: str
    offset: int
    rows: tuple[dict[str, Any], ...] = ()
    total: int | None = None
    finding: Finding | None = None


def chosen_files(hub: HubClient, entry: Mapping[str, Any] | None) -> HubClient:
    """The client for an entry of a mixture that takes some files of its dataset: the viewer knows of no such choice."""
    files = own_files(entry)
    if not files:
        return hub
    chosen = copy.copy(hub)
    chosen.files = files
    return chosen


def local_rows(path: Path, config: str | None, split: str, offset: int, n: int = PAGE_ROWS) -> RowsPage:
    """Rows of a file or folder on this machine."""
    try:
        source = datafiles.open_source(path, config or None)
        return _page_of(source, str(path), split, offset, n)
    except StudioError as error:
        return _refused(str(path), config or "", split, offset, error)


def hub_rows(hub: HubClient, name: str, config: str, split: str, offset: int, n: int = PAGE_ROWS) -> RowsPage:
    """Rows of a dataset on the Hub: by the viewer, else from the repository's own files."""
    end = time.monotonic() + hub.patience
    if hub.files:
        found = _from_files(hub, name, config, lambda source: _page_of(source, name, split, offset, n), end)
        if isinstance(found, RowsPage):
            return found
        return RowsPage(name, config, split, offset, finding=Finding("warning", Where("file", name), found.message))
    told = rows_shown(hub, (name, config or "default", split), offset, n, hub.patience * _VIEWERS_SHARE)
    if not isinstance(told, Unknown):
        return RowsPage(name, config, split, offset, tuple(told.rows), told.num_rows)
    if told.reason in _SAYS_NOTHING or told.status == 404:
        found = _from_files(hub, name, config, lambda source: _page_of(source, name, split, offset, n), end)
        if isinstance(found, RowsPage):
            return found
        told = _clearer(told, found)
    wrong = Finding("warning", Where("file", name), told.message, "The rows before are still there.")
    return RowsPage(name, config, split, offset, finding=wrong)


def hub_head(
    hub: HubClient, name: str, config: str | None, split: str | None, n: int = PAGE_ROWS
) -> DatasetHead | Unknown:
    """A dataset's configurations, splits, columns and first rows: by the viewer, else from the repository's files.

    One that a script would load is refused, whatever the viewer shows of it.
    """
    end = time.monotonic() + hub.patience
    if hub.files:
        return _from_files(hub, name, config, lambda source: _head_of(source, name, split, n), end)
    told = hub.dataset_head(name, config, split, n, hub.patience * _VIEWERS_SHARE)
    if isinstance(told, DatasetHead):
        beside = hub.read_dataset(name, partial(_beside, told), hub.patience * (1 - _VIEWERS_SHARE))
        if not isinstance(beside, DatasetHead):  # in silence, what only the repository could have told is not known
            return beside if beside.status == _READ else told
        # The viewer's first configuration need not be the one that is loaded.
        if not config and beside.usual and beside.usual != told.config:
            other = hub.dataset_head(name, beside.usual, split, n, max(0.1, end - time.monotonic()))
            if isinstance(other, DatasetHead):
                beside = replace(other, usual=beside.usual, form=beside.form)
                # Whether its types are declared hangs on the configuration: of a csv they may be others then.
                beside = replace(beside, features={} if beside.form == "csv" else other.features)
        return _as_written(hub, beside, end)
    if told.reason not in _SAYS_NOTHING:
        return told
    found = _from_files(hub, name, config, lambda source: _head_of(source, name, split, n), end)
    return _clearer(told, found) if isinstance(found, Unknown) else found


def _as_written(hub: HubClient, told: DatasetHead, end: float) -> DatasetHead:
    """What the viewer told, with the rows of a csv as they stand in its file: the viewer has numbers in their place."""
    if told.form != "csv":
        return told
    count = len(told.rows)
    found = _from_files(hub, told.name, told.config, lambda source: source.written(told.split, count), end)
    return told if isinstance(found, Unknown) else replace(told, written=tuple(found))


def _beside(told: DatasetHead, found: DatasetRepository) -> DatasetHead | Unknown:
    """What the viewer told, with what only the repository does: the usual configuration, files that are not loaded.

    A script is refused.
    """
    script = script_in(told.name, found.files)
    if script:
        return _script(told.name, script)
    with suppress(StudioError):  # the viewer shows what the names of the files do not tell
        readme = _readme(found, RepositoryFiles(found))
        layout = layout_of(told.name, found.files, readme, told.config)
        types = as_loaded(told.features, "" if _DECLARED.search(readme) else layout.format)
        told = replace(told, left_out=layout.left_out, form=layout.format, features=types)
    if len(told.configs) < 2 or "default" in told.configs:
        return replace(told, usual="default" if "default" in told.configs else told.config)
    try:
        return replace(told, usual=usual_config(told.name, _readme(found, RepositoryFiles(found))))
    except StudioError as error:
        return Unknown("unsupported", str(error), _READ)


def _from_files(
    hub: HubClient, name: str, config: str | None, read: Callable[[DataSource], Answer], end: float
) -> Answer | Unknown:
    """What `read` makes of the repository's files, in what time the viewer has left of one question's."""

    def work(found: DatasetRepository) -> Answer | Unknown:
        script = script_in(name, found.files)
        if script:
            return _script(name, script)
        try:
            return read(_opened(found, config, hub.files))
        except archives.UnreadError as error:
            return Unknown("unsupported", str(error))
        except StudioError as error:
            # What the files themselves say is known for sure, as an answer of the Hub is.
            return Unknown("unsupported", str(error), _READ, file=error.file, line=error.line)

    return hub.read_dataset(name, work, max(0.1, end - time.monotonic()))


def _opened(found: DatasetRepository, config: str | None, own: Mapping[str, Any]) -> DataSource:
    place = RepositoryFiles(found)
    layout = layout_of(
        found.name, found.files, _readme(found, place), config or None, own or None, archives.archive_elsewhere
    )
    return datafiles.in_repository(found.name, layout, place)


def _readme(found: DatasetRepository, place: RepositoryFiles) -> str:
    if "README.md" not in found.files:
        return ""
    text, _ = place.fetch("README.md", 0, _README_BYTES)
    return text.decode("utf-8", "replace")


def _head_of(source: DataSource, name: str, split: str | None, n: int) -> DatasetHead | Unknown:
    chosen = split or ("train" if "train" in source.splits else source.splits[0])
    if chosen not in source.splits:
        return Unknown("not found", f"There is no split of {name} named {chosen}: there is {', '.join(source.splits)}.")
    splits = dict.fromkeys(source.configs or ("default",), source.splits)
    columns, (rows, _) = source.columns(chosen), loaded_rows(source, chosen, n)
    config = source.config or "default"
    count, lacking = source.num_rows(chosen), Rowless() if rows else rowless(source, chosen)
    told = DatasetHead(name, config, chosen, splits, columns, rows, count, usual=source.usual)
    return replace(
        told, left_out=source.left_out, rowless=lacking, form=source.format, written=tuple(source.written(chosen, n))
    )


def _page_of(source: DataSource, name: str, split: str, offset: int, n: int, streams: bool = False) -> RowsPage:
    rows = source.rows(split, n, offset)
    rows = rows_as_loaded(source, split, rows, streams) if source.place.local else rows
    try:
        total = source.num_rows(split)
    except StudioError:  # a broken row elsewhere has its own Finding, and these can be shown
        total = None
    return RowsPage(name, source.config, split, offset, tuple(rows), total)


def _script(name: str, script: str) -> Unknown:
    return Unknown("unsupported", f"The dataset {name} would be loaded by running {script}. {NO_SCRIPTS}", _READ)


def _clearer(viewer: Unknown, files: Unknown) -> Unknown:
    """Of two answers that there are no rows, the one that says more: the Hub knows its repositories best."""
    return files if files.reason not in ("offline", "timeout", "trouble") or viewer.reason == "trouble" else viewer


def _refused(name: str, config: str, split: str, offset: int, error: StudioError) -> RowsPage:
    return RowsPage(
        name, config, split, offset, finding=Finding("error", Where("file", name), error.message, error.hint)
    )


def rows(paths: Paths, hub: HubClient, name: str, config: str, split: str, offset: int, n: int = PAGE_ROWS) -> RowsPage:
    """Rows of a dataset named by path or by its name on the Hub; beyond its end, those of its last page."""
    found = paths.find(name)
    if found is None and (looks_like_path(name) or not HUB_NAME.fullmatch(name)):
        odd = StudioError(f"{name} is no dataset that can be read.", "Name a file or folder here, or one on the Hub.")
        return _refused(name, config, split, offset, odd)

    def read(start: int) -> RowsPage:
        if found is not None:
            return replace(local_rows(found, config, split, start, n), name=name)
        page = hub_rows(hub, name, config, split, start, n)
        return page if page.finding is None or hub.files else copied_rows(paths, page, n)

    return _last_at_most(read, offset, n)


def copied_rows(paths: Paths, page: RowsPage, n: int = PAGE_ROWS) -> RowsPage:
    """Rows of the copy in a local cache, in place of a page for which the Hub has no answer; else that page."""
    with suppress(StudioError):
        copy = copy_of(page.name, page.config or None, paths)
        if copy is not None and page.split in copy.source.splits:
            return _page_of(copy.source, page.name, page.split, page.offset, n)
    return page


def rows_of(looked: Inspection, paths: Paths, hub: HubClient, split: str, offset: int) -> RowsPage:
    """Rows of a dataset that was looked at; one of a mixture may be several files."""
    try:
        source = entry_source(looked.entry, paths) if looked.entry is not None else None
    except StudioError as error:
        return _refused(looked.name, looked.config, split, offset, error)
    if looked.copied:  # nobody waits for a silent Hub at each page
        first = RowsPage(looked.name, looked.config, split, 0, finding=looked.copied)
        return _last_at_most(lambda start: copied_rows(paths, replace(first, offset=start)), offset, PAGE_ROWS)
    if source is None:
        return rows(paths, chosen_files(hub, looked.entry), looked.name, looked.config, split, offset)

    def read(start: int) -> RowsPage:
        chosen = split if split in source.splits else source.splits[0]
        try:
            return _page_of(source, looked.name, chosen, start, PAGE_ROWS, looked.streams)
        except StudioError as error:
            return _refused(looked.name, looked.config, split, start, error)

    return replace(_last_at_most(read, offset, PAGE_ROWS), split=split)


def _last_at_most(read: Callable[[int], RowsPage], offset: int, n: int) -> RowsPage:
    page = read(offset)
    if page.total and offset >= page.total and page.finding is None:
        return read((page.total - 1) // n * n)
    return page
