"""Datasets: where one is, its columns and first rows, and whether TRL takes it for a method."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from studio.adapters import datafiles
from studio.adapters.archives import tar_among
from studio.adapters.hub import HubClient, Unknown
from studio.adapters.rowless import rowless
from studio.domain.asked_splits import base_split, config_findings, entry_findings
from studio.domain.columns import Column, column_of
from studio.domain.dataset_answers import Rowless
from studio.domain.dataset_types import Verdict
from studio.domain.errors import StudioError
from studio.domain.features import Feature
from studio.domain.findings import Finding, Where, errors
from studio.domain.methods import METHOD_NAMES
from studio.domain.mixture import (
    BUILDERS,
    entries_of,
    entry_by_builder,
    own_files,
    selection_findings,
)  # fmt: skip
from studio.domain.repeats import repeats, same_split
from studio.domain.seen_rows import AllRows, FirstRows, Seen
from studio.domain.switching import judge
from studio.domain.told_rows import Told, ToldRows
from studio.service import preview
from studio.service.cached_copies import instead, of_entry
from studio.service.first_rows import is_listed, loaded_rows
from studio.service.loading import alone, by_commas, loaded_with, unloadable
from studio.service.mixing import aligned, entry_source
from studio.service.other_splits import OtherSplit, beside, findings_of_others
from studio.service.paths import HUB_NAME, Paths, hub_name, looks_like_path


@dataclass(frozen=True)
class Inspection:
    """What is known of a dataset for a method: `source` is `local`, `hub` or `` where nothing could be read.

    `values` is what a recipe says to load it, `entry` the one of a mixture that it is; `rows` are the first ones and
    `num_rows` is None where not told. `seen` is what was seen of all rows, None where only the first ones were looked
    at; `read_split` the split they are of, `files` its files where they are more than those of `name`. `usual` is the
    configuration that is loaded where none is named: "" where there is none, None where nobody knows. `left_out` tells
    of files that lie there and are not loaded, `rowless` of those and of splits in which there are no rows, `others`
    are the splits of local data that are loaded beside it. `features` are the datasets library's own types of the
    columns, as far as they are known without reading on, `form` the builder's name of its files, "" for not known.
    `conversational` is whether the method learns from messages, None where that is not known, or hangs on what is
    wrong. `written` are the rows of a csv with their cells as they stand there, `tar` is an archive among the files
    that is no stream. `unlike` is what of the first rows stops the loading, of another type than what is loaded before.
    `listed` is whether its first file is a JSON list, `streams` whether it was looked at as a stream is read. `copied`
    says that it is the cached copy of one on the Hub, which did not answer. `kept` is remembered of its files until the
    next look, whatever is judged of this one. `viewed` is whether the Hub's dataset viewer serves it, `told` what that
    has told of all rows. `by_model` says that nothing but the model is left to decide, `names` are
    all columns where `columns` are the selected ones.
    """

    name: str
    method: str
    verdict: str
    type: str = ""
    source: str = ""
    config: str = ""
    configs: tuple[str, ...] = ()
    split: str = ""
    splits: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    rows: tuple[dict[str, Any], ...] = ()
    num_rows: int | None = None
    findings: tuple[Finding, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    entry: Mapping[str, Any] | None = None
    seen: AllRows | None = field(default=None, repr=False, compare=False)
    read_split: str = ""
    files: tuple[str, ...] = ()
    usual: str | None = None
    left_out: tuple[Finding, ...] = ()
    rowless: Rowless = field(default_factory=Rowless)
    others: tuple[OtherSplit, ...] = field(default=(), repr=False)
    features: Mapping[str, Feature] = field(default_factory=dict, repr=False)
    form: str = ""
    conversational: bool | None = None
    written: tuple[dict[str, Any], ...] = field(default=(), repr=False, compare=False)
    kept: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    tar: str = ""
    unlike: Finding | None = None
    listed: bool = False
    streams: bool = False
    copied: Finding | None = None
    viewed: bool = False
    told: Told | None = field(default=None, repr=False, compare=False)
    by_model: bool = False
    names: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether every row was looked at."""
        return self.seen is not None and not self.seen.failed and self.seen.total == self.num_rows

    @property
    def holds_messages(self) -> bool:
        """Whether a chat template is needed, as far as it is known: of data that is refused, by any of its columns."""
        if self.conversational is None and self.verdict == "reject":
            return any(column.type == "messages" for column in self.columns)
        return self.conversational is True

    @property
    def looked_at(self) -> str:
        """What the verdict goes by, in a sentence: all rows, or which of them."""
        if self.num_rows == 0:
            return "There are no rows to look at."
        if self.seen is not None and not self.seen.failed:
            if self.whole:
                return f"All {self.seen.total:,} rows checked in {self.seen.seconds:.1f} s."
            if self.seen.total:
                return f"{self.seen.total:,} rows were checked, up to what stops the loading."
        if not self.rows:
            return "No rows could be looked at."
        where = ", on the Hub" if self.source == "hub" else ""
        whole = f" of {self.num_rows:,}" if self.num_rows is not None else ""
        told = f" {self.told.sentence}" if self.told else ""
        return f"Only the first {len(self.rows):,} rows{whole} were looked at{where}.{told}"

    @property
    def in_part(self) -> Finding | None:
        """A note that the verdict on data of the Hub does not go by all rows, where it does not."""
        if self.source != "hub" or not self.columns or self.num_rows in (0, len(self.rows)):
            return None
        why = "What is wrong in the others alone is not told here, and may stop the run."
        return Finding("note", Where("file", self.name), self.looked_at, why)

    def evidence(self, values: Mapping[str, Any] | None = None) -> Seen:
        """What the verdict goes by: all rows where they were seen, in all columns that count; else the first."""
        seen, field = self.seen, (values or {}).get("dataset_text_field")
        unseen = seen and field not in seen.columns and any(column.name == field for column in self.columns)
        if seen is not None and seen.columns and not unseen:
            return seen
        if self.told is not None:
            return ToldRows(list(self.rows), self.told)
        return FirstRows(list(self.rows), findings=seen.findings if seen else ())

    def to_json(self) -> dict[str, Any]:
        """The documented form of `trl-studio inspect --json`."""
        return {
            "dataset": self.name,
            "method": self.method,
            "verdict": self.verdict,
            "type": self.type or None,
            "source": self.source or None,
            "config": self.config or None,
            "configs": list(self.configs),
            "split": self.split or None,
            "splits": list(self.splits),
            "rows": self.num_rows,
            "checked": self.seen.total if self.seen and not self.seen.failed else len(self.rows),
            # Without the seconds: the same data give the same answer.
            "looked_at": f"All {self.num_rows:,} rows were checked." if self.whole and self.rows else self.looked_at,
            "columns": [{"name": column.name, "type": column.type} for column in self.columns],
            "findings": [finding.to_json() for finding in self.findings],
            "values": dict(self.values),
        }


def inspect(
    name: str,
    method: str,
    paths: Paths,
    hub: HubClient,
    values: Mapping[str, Any] | None = None,
    config: str | None = None,
    split: str | None = None,
    rows: int = 20,
) -> Inspection:
    """Looks at a dataset named by path or by its name on the Hub, as `method` with the recipe's `values` would."""
    given, name = dict(values or {}), hub_name(name)
    where = Where("file", name)
    found = paths.find(name)
    if found is None and looks_like_path(name):
        return _refused(name, method, where, _opened(name, paths))
    if found is not None:
        return _local(str(found), method, given, config, split, rows)
    if not HUB_NAME.fullmatch(name):
        odd = StudioError(f"'{name}' is no name on the Hub and nothing on this machine.", "A name is owner/name.")
        return _refused(name, method, where, odd)
    head = preview.hub_head(hub, name, config or None, split or None, rows)
    if isinstance(head, Unknown) and head.reason == "not found" and head.status is None and split:
        # The split may be what is not there: the others are worth showing, and their names worth knowing.
        head = preview.hub_head(hub, name, config or None, None, rows)
    if isinstance(head, Unknown):
        try:
            copied = None if hub.files else instead(head, name, config or None, paths)
        except StudioError as error:
            return _refused(name, method, where, error)
        if copied is not None:
            return _opened_source(copied[0], method, given, split, rows, copied[1])
        where = replace(where, name=f"{name}/{head.file}" if head.file else name, line=head.line)
        known = head.reason == "not found" or (head.reason == "unsupported" and head.status is not None)
        if known:
            wrong = Finding("error", where, head.message, "TRL could not load it either.")
        else:
            wrong = Finding("warning", where, head.message, "The verdict is open until it can be read.")
        verdict = "reject" if known else "unknown"
        return Inspection(name, method, verdict, findings=(wrong,), values={"dataset_name": name})
    judged = judge(method, head.columns, head.rows, given)
    chosen = {"dataset_name": name}
    if head.config not in ("", "default"):
        chosen["dataset_config"] = head.config
    return _judged(
        Inspection(
            name, method, "", "", "hub", head.config, head.configs, head.split, head.splits.get(head.config, ()),
            tuple(head.columns), tuple(head.rows), head.num_rows, (), chosen, usual=head.usual,
            left_out=head.left_out, rowless=head.rowless, form=head.form, written=head.written,
            features=head.features if head.form else {}, viewed=head.viewed,
        ),
        judged, loaded_with(given, split, chosen),
    )  # fmt: skip


def rejudged(looked: Inspection, method: str, values: Mapping[str, Any]) -> Inspection:
    """The same dataset under another method or other values, without reading it again."""
    empty = looked.rows and (looked.entry or {}).get("columns") is None  # objects without keys
    if not looked.columns and not empty:
        if looked.entry is None or not looked.splits:
            return replace(looked, method=method)
        none = replace(looked, method=method, verdict="accept", findings=())  # it selects none
        return _of_mixture(none, looked.entry, values)
    own = values if looked.entry is None else alone(values, looked.entry)
    judged = judge(method, looked.columns, looked.evidence(own), own)
    found = _judged(replace(looked, method=method, findings=()), judged, own)
    return found if looked.entry is None else _of_mixture(found, looked.entry, values)


def all_rejudged(looked: Iterable[Inspection], method: str, values: Mapping[str, Any]) -> tuple[Inspection, ...]:
    """All datasets of a recipe under another method or other values, and how they fit together."""
    return tuple(aligned([rejudged(one, method, values) for one in looked], values))


def inspect_recipe(
    method: str, values: Mapping[str, Any], paths: Paths, hub: HubClient, before: Iterable[Inspection] = ()
) -> list[Inspection]:
    """Looks at every dataset that a recipe loads; none where it names none. Those looked at `before` are not anew."""
    entries = values.get("datasets")
    if isinstance(entries, list) and entries:
        known = [one for one in before if one.entry is not None and one.columns and one.streams == _streams(values)]
        looked = []
        for entry in entries_of(values):
            same = next((one for one in known if _loads(one.entry or {}) == _loads(entry)), None)
            if same is None:
                looked.append(_entry(entry, method, paths, hub, values))
            else:
                looked.append(rejudged(replace(same, entry=entry), method, values))
        return aligned(looked, values)
    name = values.get("dataset_name")
    if not isinstance(name, str) or not name:
        return []
    config, split = _text(values.get("dataset_config")), values.get("dataset_train_split", "train")
    return [rejudged(inspect(name, method, paths, hub, values, config, split), method, values)]


def _loads(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What of an entry decides which rows it has."""
    return {key: value for key, value in entry.items() if key != "fraction" and value is not None}


def _entry(
    entry: Mapping[str, Any], method: str, paths: Paths, hub: HubClient, values: Mapping[str, Any]
) -> Inspection:
    """One dataset of a mixture: a builder with files, or a name. Its rows are `num_rows` of its split."""
    split, own = base_split(entry.get("split")), alone(values, entry)
    try:
        source = entry_source(entry, paths)
    except StudioError as error:
        named = str(entry.get("data_files") or entry.get("data_dir") or entry.get("path"))
        return replace(_refused(named, method, Where("file", named), error), entry=entry)
    if source is not None:
        looked = _opened_source(source, method, own, split, 20)
        looked = replace(looked, files=tuple(map(str, source.files.get(looked.read_split, ()))))
    else:
        chosen = preview.chosen_files(hub, entry)
        looked = inspect(str(entry.get("path")), method, paths, chosen, own, _text(entry.get("name")), split)
        looked = replace(looked, copied=of_entry(looked.copied, entry, values))
    looked = replace(looked, entry=entry)
    columns = entry.get("columns")
    if isinstance(columns, list) and looked.columns:
        kept = tuple(column for column in looked.columns if column.name in columns)
        shown = tuple({column.name: row.get(column.name) for column in kept} for row in looked.rows)
        looked = replace(looked, columns=kept, rows=shown, names=tuple(column.name for column in looked.columns))
    return rejudged(looked, method, values)


def _of_mixture(looked: Inspection, entry: Mapping[str, Any], values: Mapping[str, Any]) -> Inspection:
    """The inspection, with what is wrong with its entry in the mixture."""
    read = looked.read_split or looked.split
    # Of files without rows it has been told which they are.
    count = looked.num_rows if looked.num_rows or not looked.rowless.files else None
    findings = [
        *looked.findings,
        *config_findings(looked.name, looked.configs, looked.usual, entry.get("name"), "datasets"),
        *entry_findings(looked.name, entry, looked.splits, read, count, values),
    ]
    if "datasets" in looked.values and entry.get("path") not in BUILDERS and not own_files(entry):
        findings.append(entry_by_builder(entry, looked.values, values))
    names = looked.names or [column.name for column in looked.columns]
    findings += selection_findings(looked.name, entry, names, values)
    wrong = any(found.level == "error" for found in findings)
    return replace(looked, verdict="reject" if wrong else looked.verdict, findings=tuple(findings))


def _streams(values: Mapping[str, Any]) -> bool:
    return True in (values.get("streaming"), values.get("dataset_streaming"))


def _text(value: Any) -> str | None:
    """A value that has to be a text; anything else has its own Finding and is left aside here."""
    return value if isinstance(value, str) else None


def _local(
    name: str, method: str, values: Mapping[str, Any], config: str | None, split: str | None, rows: int
) -> Inspection:
    try:
        source = datafiles.open_source(name, config)
    except StudioError as error:
        return _refused(name, method, Where("file", name), error)
    return _opened_source(source, method, values, split, rows)


def _opened_source(
    source: datafiles.DataSource, method: str, values: Mapping[str, Any], split: str | None, rows: int,
    copied: Finding | None = None,
) -> Inspection:  # fmt: skip
    name = str(source.path)
    try:
        chosen = split if split in source.splits else source.splits[0]
        streams, listed = _streams(values), is_listed(source)
        loose = streams and listed  # else the first split of JSON says the types of all
        lead = chosen if source.format != "json" or loose else source.splits[0]
        columns = source.columns(lead)
        (head, unlike), written = loaded_rows(source, chosen, rows, lead, streams), source.written(chosen, rows)
        if loose:  # cells of several kinds are JSON text, which nobody reads
            mixed = [column.name for column in columns if "json" in column.type]
            columns = [column_of(c.name, (row[c.name] for row in head)) if c.name in mixed else c for c in columns]
    except StudioError as error:
        return _refused(name, method, Where("file", name), error)
    count = None
    with suppress(StudioError):  # what is broken further on has its Finding when all rows are checked
        count = source.num_rows(chosen)
    features = source.features(lead, columns, count if lead == chosen else None)
    others = beside(source, chosen)  # first: a split whose rows were seen is not opened again to tell that it has some
    looked = Inspection(
        name, method, "", "", "local", source.config, source.configs, chosen, source.splits, tuple(columns),
        tuple(head), count, (), source.recipe_values(), None, None, chosen, usual=source.usual,
        left_out=source.left_out, rowless=rowless(source), others=others, features=features,
        form=source.format, written=tuple(written), unlike=unlike, listed=listed, streams=streams, copied=copied,
        tar=str(tar_among(file for files in source.files.values() for file in files) or ""),
    )  # fmt: skip
    return _judged(looked, judge(method, columns, head, values), loaded_with(values, split, looked.values))


def _judged(looked: Inspection, judged: Verdict, values: Mapping[str, Any]) -> Inspection:
    """The inspection with the verdict on rows and columns, and on the splits that the recipe will ask for."""
    judged, missing = by_commas(looked, judged), unloadable(looked, values)
    kind = judged.type
    if judged.verdict == "reject":
        # What the data is does not hang on the method that refused it.
        others = (judge(method, looked.columns, looked.evidence()) for method in METHOD_NAMES)
        kind = next((other.type for other in others if other.verdict == "accept"), "")
    elsewhere, unsure = findings_of_others(looked, values, judged.findings)
    verdict = "reject" if errors([*missing, *elsewhere]) else judged.verdict
    verdict = "unknown" if unsure and verdict == "accept" else verdict
    # Only columns that some method takes were compared: where these are others, rows that differ would seem alike.
    alike = repeats(looked.name, looked.seen, values) if looked.seen and judged.verdict != "reject" else ()
    more = [*missing, *elsewhere, *looked.left_out, *alike, *same_split(values)]
    told = replace(looked, type=kind, conversational=judged.conversational, findings=(*judged.findings, *more))
    return replace(told, verdict=verdict, by_model=judged.by_model and not unsure)


def _opened(name: str, paths: Paths) -> StudioError:
    if not paths.allows(paths.base / name):
        return StudioError(f"{name} would lie on this Space, whose files are its owner's.", "Name one on the Hub.")
    try:
        datafiles.open_source(paths.base / Path(name).expanduser())
    except StudioError as error:
        return error
    except RuntimeError:
        return StudioError(f"{name} is in the home folder of a user who is not here.", "Check the name after the ~.")
    return StudioError(f"{name} cannot be read.", "Check the path.")


def _refused(name: str, method: str, where: Where, error: StudioError) -> Inspection:
    where = replace(where, name=error.file or where.name, line=error.line)
    wrong = Finding("error", where, error.message, error.hint)
    return Inspection(name, method, "reject", source="local", findings=(wrong,), values={"dataset_name": name})
