"""Numbers over columns of data: fingerprints of rows, to find repeated ones, and what statistics are made of."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from studio.adapters.datapieces import Pieces
from studio.adapters.fitting import Stopped
from studio.domain.columns import Column
from studio.domain.dataset_statistics import COUNTED_TO, LABELS, WORD, ColumnStatistics, Statistics, are_labels

MOST_PRINTS = 20_000_000  # rows; beyond it the fingerprints would take too much memory
_VALUES = 50  # different roles or labels of a column that are counted
_SPOKEN = {"messages": ("role", "content", "tool_calls"), "turns": ("from", "value")}  # what is counted of a message
_ODD = np.uint64(0x9E3779B97F4A7C15)

Prints = Any  # a numpy array of 64-bit numbers


def prints(columns: Mapping[str, Any], rows: int) -> Prints:
    """A number for each row: equal rows have equal ones, and others hardly ever."""
    found = np.zeros(rows, np.uint64)
    for name in sorted(columns):
        found = _mixed(found, _hashes(columns[name]))
    return found


def repeated(found: Sequence[Prints]) -> int:
    """How many rows are like an earlier one."""
    if not found:
        return 0
    whole = np.concatenate(found)
    whole.sort()  # in a tenth of the time that `np.unique` takes
    return int((whole[1:] == whole[:-1]).sum())


def shared(found: Sequence[Prints], others: Sequence[Prints]) -> int:
    """How many of the `others` are also among the rows found."""
    if not found or not others:
        return 0
    return int(np.isin(np.concatenate(others), np.concatenate(found)).sum())


def _mixed(one: Prints, other: Prints) -> Prints:
    return (one ^ (other + _ODD + (one << np.uint64(6)) + (one >> np.uint64(2)))) * _ODD


def _hashes(array: Any) -> Prints:
    import pandas

    if isinstance(array, list):
        texts = [json.dumps(cell, sort_keys=True, default=str) for cell in array]
        return pandas.util.hash_array(np.array([*texts, ""], object), categorize=False)[:-1]
    kind, test = array.type, pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return _hashes(array.storage)
    if test.is_null(kind):
        return np.zeros(len(array), np.uint64)
    if test.is_struct(kind):
        found = np.where(array.is_null().to_numpy(zero_copy_only=False), np.uint64(1), np.uint64(2))
        for values in array.flatten():
            found = _mixed(found, _hashes(values))
        return found
    if _is_list(kind):
        return _list_hashes(array)
    if test.is_nested(kind):
        return np.zeros(len(array), np.uint64)
    coded = array if test.is_dictionary(kind) else array.dictionary_encode()
    words = coded.dictionary
    if len(words) and (test.is_string(words.type) or test.is_large_string(words.type)):
        numbers = pandas.util.hash_array(np.asarray(words.to_pylist(), object), categorize=False)
    else:
        numbers = pandas.util.hash_array(np.array([*map(str, words.to_pylist()), ""], object), categorize=False)[:-1]
    places = pc.fill_null(coded.indices, len(words)).to_numpy(zero_copy_only=False)
    return np.append(numbers, np.uint64(3))[places]


def _list_hashes(array: Any) -> Prints:
    lengths = pc.fill_null(pc.list_value_length(array), -1).to_numpy(zero_copy_only=False).astype(np.int64)
    found = (lengths + 7).astype(np.uint64)
    full = np.flatnonzero(lengths > 0)
    if len(full):
        ends = np.cumsum(lengths[full])
        starts = ends - lengths[full]
        inside = _hashes(array.flatten())
        places = np.arange(len(inside)) - np.repeat(starts, lengths[full])
        weighed = inside * (np.uint64(2) * places.astype(np.uint64) + np.uint64(3))
        found[full] = _mixed(found[full], np.add.reduceat(weighed, starts))
    return found


def _is_list(kind: Any) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


# --- statistics


class _Counting:
    """One column, counted piece by piece."""

    def __init__(self, column: Column) -> None:
        self.column = column
        self.nulls = self.empties = 0
        self.lengths = np.zeros(COUNTED_TO + 1, np.int64)
        self.turns: dict[int, int] = {}
        self.words: dict[str, int] = {}
        self.texts: dict[str, int] | None = {}  # None once they are too long or too many to be labels

    def add(self, array: Any) -> None:
        if isinstance(array, list):
            spoken = _spoken(array, _SPOKEN.get(self.column.type, ()))
            array = pa.array([_as_text(cell) for cell in array], pa.string()) if spoken is None else spoken
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        kind, test = array.type, pa.types
        self.nulls += array.null_count if not test.is_null(kind) else len(array)
        if _is_text(kind):
            array = array.drop_null()
            self._measure(pc.utf8_length(array))
            self._labels(array)
        elif _is_list(kind) and test.is_struct(kind.value_type):
            self._conversations(array)
        elif _is_list(kind):
            self._measure(pc.list_value_length(array.drop_null()))
        elif test.is_boolean(kind) or test.is_integer(kind) or test.is_floating(kind):
            self._name(array)

    def _measure(self, lengths: Any, empties: int | None = None) -> None:
        counted = np.minimum(lengths.to_numpy(zero_copy_only=False).astype(np.int64), COUNTED_TO)
        self.empties += int((counted == 0).sum()) if empties is None else empties
        self.lengths += np.bincount(counted, minlength=COUNTED_TO + 1)

    def _labels(self, array: Any) -> None:
        if self.texts is None or self.lengths[WORD + 1 :].any():
            self.texts = None
            return
        found = array.value_counts()
        if len(found) <= LABELS:
            for entry in found.to_pylist():
                self.texts[entry["values"]] = self.texts.get(entry["values"], 0) + entry["counts"]
        if max(len(found), len(self.texts)) > LABELS:
            self.texts = None

    def _conversations(self, array: Any) -> None:
        array = array.drop_null()
        turns = pc.list_value_length(array)
        for entry in turns.value_counts().to_pylist():
            self.turns[entry["values"]] = self.turns.get(entry["values"], 0) + entry["counts"]
        items = array.flatten()
        fields = dict(zip([field.name for field in items.type], items.flatten(), strict=True))
        said = next((fields[name] for name in ("content", "value") if name in fields), None)
        if said is not None and _is_text(said.type):
            owners = np.repeat(np.arange(len(array)), turns.to_numpy(zero_copy_only=False))
            lengths = _sizes(said)
            hollow = lengths == 0
            if "tool_calls" in fields:  # which a message may have in place of content
                hollow &= _sizes(fields["tool_calls"]) == 0
            empty = (np.bincount(owners[hollow], minlength=len(array)) > 0) | (
                turns.to_numpy(zero_copy_only=False) == 0
            )
            whole = np.bincount(owners, lengths, minlength=len(array)).astype(np.int64)
            self._measure(pa.array(whole), int(empty.sum()))
        speakers = next((fields[name] for name in ("role", "from") if name in fields), None)
        if speakers is not None and _is_text(speakers.type):
            self._name(speakers)

    def _name(self, array: Any) -> None:
        for entry in array.value_counts().to_pylist():
            word = self._word(entry["values"])
            if word in self.words or len(self.words) < _VALUES:
                self.words[word] = self.words.get(word, 0) + entry["counts"]

    def _word(self, cell: Any) -> str:
        """A role or a label; the number of a label by its name, and nothing for -1, which stands for none."""
        labels = self.column.labels
        if labels and isinstance(cell, int) and -1 <= cell < len(labels):
            return labels[cell] if cell >= 0 else ""
        return _as_text(cell) or ""

    def told(self) -> ColumnStatistics:
        if self.texts and are_labels(self.texts):
            self.words = self.texts
        lengths = {place: int(self.lengths[place]) for place in np.flatnonzero(self.lengths).tolist()}
        return ColumnStatistics.of(self.column, self.nulls, self.empties, lengths, self.turns, self.words)


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _sizes(array: Any) -> Any:
    """How long each text or list is; of anything else 1, and of null 0."""
    if _is_text(array.type):
        sizes = pc.utf8_length(array)
    else:
        sizes = pc.list_value_length(array) if _is_list(array.type) else array.is_valid()
    return pc.fill_null(sizes.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)


def _spoken(cells: list[Any], names: tuple[str, ...]) -> Any:
    """Conversations whose messages differ in what they have, as Arrow holds them; None where they are none."""
    lists = all(cell is None or isinstance(cell, list) for cell in cells)
    if not names or not lists or not all(isinstance(message, dict) for cell in cells for message in cell or ()):
        return None
    kind = pa.list_(pa.struct([(name, pa.string()) for name in names]))
    said = [cell and [{name: _as_text(one.get(name) or None) for name in names} for one in cell] for cell in cells]
    return pa.array(said, kind)


def _as_text(cell: Any) -> str | None:
    if cell is None or isinstance(cell, str):
        return cell
    return json.dumps(cell, ensure_ascii=False, default=str)


def count_rows(columns: Iterable[Column], rows: Sequence[Mapping[str, Any]], whole: bool) -> Statistics:
    """Statistics over rows that are there already; `whole` says whether they are all there are."""
    counting = [_Counting(column) for column in columns if column.type not in ("image", "audio")]
    cells = {one.column.name: _array([row.get(one.column.name) for row in rows]) for one in counting}
    for one in counting:
        one.add(cells[one.column.name])
    return Statistics(len(rows), whole, repeated([prints(cells, len(rows))]), tuple(one.told() for one in counting))


def _array(cells: list[Any]) -> Any:
    """The cells as Arrow has them; those that differ in type stay as they are."""
    try:
        return pa.array(cells)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        return cells


def count(
    form: str,
    files: Sequence[Path],
    columns: Iterable[Column],
    most: int | None = None,
    heard: Callable[[int, float], None] = lambda rows, share: None,
) -> Statistics:
    """Statistics over all rows of a split, or over the first `most` of them; `heard` is told how far it has come."""
    known = [column for column in columns if column.type not in ("image", "audio")]
    counting = {column.name: _Counting(column) for column in known}
    size = None if most is None else 1 << 18 if form in ("json", "text") else most
    source = Pieces(form, files, known, list(counting), size)
    rows, found = 0, list[Prints]()
    whole = most is None
    try:
        for piece in source:
            taken = piece.rows if most is None else min(piece.rows, most - rows)
            part = {name: cells[:taken] for name, cells in piece.columns.items()}
            for name, cells in part.items():
                counting[name].add(cells)
            if rows + taken <= MOST_PRINTS:
                found.append(prints(part, taken))
            rows += taken
            heard(rows, source.share)
            if most is not None and rows >= most:
                whole = taken == piece.rows and source.share >= 1
                break
        else:
            whole = True
    except Stopped:
        whole = False  # what is wrong has its Finding; the numbers are those up to there
    told = tuple(one.told() for one in counting.values())
    return Statistics(rows, whole, repeated(found) if rows <= MOST_PRINTS else None, told)
