"""Codes for the cells of Arrow columns: of cells with one code the rules can tell none from another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from studio.domain.cell_structure import KEYS, NAMING, WORDED, Relation

Codes = Any  # a numpy array of whole numbers; numpy's own types say no more


def alike(array: Any, name: str) -> Iterator[tuple[int, int, Any]]:
    """For each code of a column: the place of its first cell, how many there are, and that cell."""
    if not len(array):
        return
    codes, count = _dense(_codes(array, name, top=True))
    places = np.zeros(count, np.int64)
    places[codes[::-1]] = np.arange(len(codes))[::-1]  # the first one is written last
    for place, number in zip(places.tolist(), np.bincount(codes, minlength=count).tolist(), strict=True):
        yield place, number, array[place].as_py()


def holding(relation: Relation, one: Any, other: Any) -> tuple[int, int, Any] | None:
    """The first row for which a relation of two columns holds, and how many there are; None where there is none."""
    if relation.quick == "equal":
        full = (_codes(one, "", top=True) > 0) & ~_empty(one)
        hits = _same(one, other) & full
    elif relation.quick == "strangers":
        hits = _strangers(relation, one, other)
    else:
        hits = np.zeros(len(one), bool)
        for place in range(len(one)):
            if relation.holds(one[place].as_py(), other[place].as_py()):
                hits[place] = True
                break
    places = np.flatnonzero(hits)
    if not len(places):
        return None
    first = int(places[0])
    return first, len(places), (one[first].as_py(), other[first].as_py())


# --- codes of one column


def _codes(array: Any, key: str, top: bool = False) -> Codes:
    """One code a cell; 0 is null. `key` is the name under which the cells stand."""
    kind, test = array.type, pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return _codes(array.storage, key, top)
    if test.is_null(kind):
        return np.zeros(len(array), np.int64)
    if test.is_dictionary(kind):
        return _codes(array.dictionary_decode(), key, top)
    if test.is_string(kind) or test.is_large_string(kind) or test.is_string_view(kind):
        if key in (WORDED if top else NAMING):
            return _whole(pc.fill_null(array.dictionary_encode().indices, -1)) + 1
        return np.sign(_whole(pc.fill_null(pc.binary_length(array), -1))) + 1
    if test.is_struct(kind):
        return _struct_codes(array)
    if test.is_list(kind) or test.is_large_list(kind) or test.is_fixed_size_list(kind):
        return _list_codes(array)
    if top and (test.is_boolean(kind) or test.is_integer(kind) or test.is_floating(kind)):
        numbers = pc.fill_null(pc.cast(array, pa.float64(), safe=False), 2.0).to_numpy(zero_copy_only=False)
        codes = np.full(len(array), 3, np.int64)
        codes[numbers == 0] = 1
        codes[numbers == 1] = 2
        return np.where(_nulls(array), 0, codes)
    return np.where(_nulls(array), 0, 1)


def _struct_codes(array: Any) -> Codes:
    codes = np.ones(len(array), np.int64)
    for field, values in zip(array.type, array.flatten(), strict=True):
        if field.name in KEYS:
            codes = _joined(codes, _codes(values, field.name))
    return np.where(_nulls(array), 0, codes + 1) if array.null_count else codes + 1


def _list_codes(array: Any) -> Codes:
    lengths = _whole(pc.fill_null(pc.list_value_length(array), -1))
    codes = np.sign(lengths) + 1
    items = array.flatten()
    full = np.flatnonzero(lengths > 0)
    if not len(full) or (pa.types.is_integer(items.type) and not items.null_count):
        return codes
    inside, count = _dense(_codes(items, ""))
    if count == 1:
        return codes
    ends = np.cumsum(lengths[full])
    starts = ends - lengths[full]
    found = _joined(_joined(inside[starts], inside[ends - 1]), _sets(inside, count, starts, ends))
    codes[full] = 2 + found
    return codes


def _sets(inside: Codes, count: int, starts: Codes, ends: Codes) -> Codes:
    """A code for the set of codes that each list holds."""
    if count <= 62:
        return np.bitwise_or.reduceat(np.left_shift(np.int64(1), inside), starts)
    known: dict[frozenset[int], int] = {}
    spans = zip(starts.tolist(), ends.tolist(), strict=True)
    return np.array([known.setdefault(frozenset(inside[a:b].tolist()), len(known)) for a, b in spans], np.int64)


def _joined(one: Codes, other: Codes) -> Codes:
    """A code for each pair of codes."""
    left, _ = _dense(one)
    right, count = _dense(other)
    return _dense(left * count + right)[0]


def _dense(codes: Codes) -> tuple[Codes, int]:
    """The same codes, numbered from 0 without gaps, and how many there are."""
    if not len(codes):
        return codes, 0
    low, high = int(codes.min()), int(codes.max())
    if high - low < 1 << 16:
        seen = np.bincount(codes - low) > 0
        return (np.cumsum(seen) - 1)[codes - low], int(seen.sum())
    coded = pa.array(codes).dictionary_encode()
    return _whole(coded.indices), len(coded.dictionary)


def _whole(array: Any) -> Codes:
    return array.to_numpy(zero_copy_only=False).astype(np.int64, copy=False)


def _nulls(array: Any) -> Any:
    return array.is_null().to_numpy(zero_copy_only=False)


# --- two columns


def _empty(array: Any) -> Any:
    """Which cells are empty texts, empty lists, false or zero."""
    kind, test = array.type, pa.types
    if test.is_string(kind) or test.is_large_string(kind):
        return _whole(pc.fill_null(pc.binary_length(array), 0)) == 0
    if test.is_list(kind) or test.is_large_list(kind):
        return _whole(pc.fill_null(pc.list_value_length(array), 0)) == 0
    return _codes(array, "", top=True) == 1 if pa.types.is_primitive(kind) else np.zeros(len(array), bool)


def _same(one: Any, other: Any) -> Any:
    """Which cells equal each other; null equals null."""
    test = pa.types
    nulls = _nulls(one), _nulls(other)
    both = nulls[0] & nulls[1]
    if test.is_null(one.type) or test.is_null(other.type):
        return both
    neither = ~nulls[0] & ~nulls[1]
    if test.is_struct(one.type) and test.is_struct(other.type):
        return both | (neither & _same_fields(one, other))
    if _is_list(one.type) and _is_list(other.type):
        return both | (neither & _same_lists(one, other))
    if any(test.is_nested(array.type) for array in (one, other)):
        return both
    try:
        equal = pc.fill_null(pc.equal(one, other), False).to_numpy(zero_copy_only=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return both
    return both | (neither & equal)


def _is_list(kind: Any) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _same_fields(one: Any, other: Any) -> Any:
    ours = dict(zip([field.name for field in one.type], one.flatten(), strict=True))
    theirs = dict(zip([field.name for field in other.type], other.flatten(), strict=True))
    same = np.ones(len(one), bool)
    for name in {*ours, *theirs}:
        nothing = pa.nulls(len(one))
        same &= _same(ours.get(name, nothing), theirs.get(name, nothing))
    return same


def _same_lists(one: Any, other: Any) -> Any:
    lengths = [_whole(pc.fill_null(pc.list_value_length(array), 0)) for array in (one, other)]
    same = lengths[0] == lengths[1]
    kept = np.flatnonzero(same & (lengths[0] > 0))
    if not len(kept):
        return same
    equal = _same(one.take(pa.array(kept)).flatten(), other.take(pa.array(kept)).flatten())
    ends = np.cumsum(lengths[0][kept])
    same[kept] = np.logical_and.reduceat(equal, ends - lengths[0][kept])
    return same


def _strangers(relation: Relation, one: Any, other: Any) -> Any:
    """Which texts or lists begin with nothing in common; where a first look cannot tell, each is asked alone."""
    text = all(pa.types.is_string(array.type) or pa.types.is_large_string(array.type) for array in (one, other))
    lists = _is_list(one.type) and _is_list(other.type)
    hits = np.zeros(len(one), bool)
    full = ~(_nulls(one) | _nulls(other) | _empty(one) | _empty(other))
    places = np.flatnonzero(full)
    if not (text or lists) or not len(places):
        return hits
    one, other = one.take(pa.array(places)), other.take(pa.array(places))
    if lists:
        hits[places] = ~_same(pc.list_element(one, 0), pc.list_element(other, 0))
        return hits
    first, second = (pc.utf8_slice_codeunits(array, 0, 1) for array in (one, other))
    differs = pc.not_equal(first, second).to_numpy(zero_copy_only=False)
    signs = first.dictionary_encode()
    blank = np.array([sign.as_py().isspace() for sign in signs.dictionary], bool)[_whole(signs.indices)]
    hits[places[differs]] = True
    for place in np.flatnonzero(~differs & blank).tolist():
        hits[places[place]] = relation.holds(one[place].as_py(), other[place].as_py())
    return hits
