"""Codes for the cells of Arrow columns: of cells with one code the rules can tell none from another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from studio.domain.cell_structure import KEYS, MASKED, NAMING, ROLES, TOKENS, WORDED, Relation

_ASKED = 1000  # rows of a piece at most for a question that one row answers
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
        hits = _same(one, other) & ~_nulls(one)
    elif relation.quick == "strangers":
        hits = _strangers(relation, one, other)
    elif relation.quick == "unanswered":
        hits = _unanswered(one, other)
    elif relation.quick in ("uneven", "fewer"):
        hits = _uneven(one, other, relation.quick == "fewer")
    else:
        hits = np.zeros(len(one), bool)
        for place in _worth_asking(relation, one, other):
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
        return _token_codes(array) if top and key in TOKENS else _list_codes(array)
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


def _token_codes(array: Any) -> Codes:
    """Codes of lists of token ids or marks: by what is below 0, masked, or 0 among them."""
    items = array.flatten()
    if not (pa.types.is_integer(items.type) or pa.types.is_boolean(items.type)):
        return _list_codes(array)
    lengths = _whole(pc.fill_null(pc.list_value_length(array), -1))
    codes = np.sign(lengths) + 1
    full = np.flatnonzero(lengths > 0)
    if not len(full):
        return codes
    numbers, nulls = _whole(pc.fill_null(items, False if pa.types.is_boolean(items.type) else 0)), _nulls(items)
    starts = np.cumsum(lengths[full]) - lengths[full]
    tests = (numbers < 0, (numbers != MASKED) & ~nulls, numbers != 0, nulls)
    found = [np.logical_or.reduceat(test, starts).astype(np.int64) << place for place, test in enumerate(tests)]
    codes[full] = 2 + np.bitwise_or.reduce(found)
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


def _worth_asking(relation: Relation, one: Any, other: Any) -> list[int]:
    """The rows for which a relation may hold, as far as is looked for it."""
    if relation.quick != "left open":
        if relation.quick != "unsaid":
            return list(range(min(len(one), _ASKED)))
        return [int(place) for place in np.flatnonzero(~(_nulls(one) | _nulls(other)))[:_ASKED]]
    if not _is_text(one.type) or (_is_text(other.type) and not other.null_count):
        return []
    ended = pc.fill_null(pc.ends_with(one, ">"), False).to_numpy(zero_copy_only=False)
    return [int(place) for place in np.flatnonzero(ended & (_nulls(other) | (not _is_text(other.type))))]


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _unanswered(one: Any, other: Any) -> Any:
    """Which pairs of conversations hold messages, and none of the assistant or of an unknown role."""
    (some, asking), (more, also) = _askers(one), _askers(other)
    return (some | more) & asking & also


def _askers(array: Any) -> tuple[Any, Any]:
    """Which cells hold messages, and which hold none of another role than those that ask."""
    some, asking = np.zeros(len(array), bool), np.ones(len(array), bool)
    if not _is_list(array.type) or not pa.types.is_struct(array.type.value_type):
        return some, asking
    items = array.flatten()
    names = [field.name for field in items.type]
    name = next((name for name in ("role", "from") if name in names), None)
    lengths = _whole(pc.fill_null(pc.list_value_length(array), 0))
    full = np.flatnonzero(lengths > 0)
    if not len(full):
        return some, asking
    starts = np.cumsum(lengths[full]) - lengths[full]
    there = ~_nulls(items)
    known = np.zeros(len(items), bool)
    if name is not None:
        roles = pc.struct_field(items, name)
        if _is_text(roles.type):
            allowed = pa.array([role for role in ROLES if role != "assistant"], roles.type)
            known = pc.is_in(roles, value_set=allowed).to_numpy(zero_copy_only=False)
    some[full] = np.logical_or.reduceat(there, starts)
    asking[full] = np.logical_and.reduceat(known | ~there, starts)
    return some, asking


def _uneven(ids: Any, marks: Any, fewer: bool) -> Any:
    """Which lists of token ids have another number of marks, or fewer, of which some count."""
    hits = np.zeros(len(ids), bool)
    text = _is_text(marks.type)
    if not _is_list(ids.type) or not (_is_list(marks.type) or text) or pa.types.is_nested(ids.type.value_type):
        return hits
    lengths = _whole(pc.fill_null(pc.list_value_length(ids), -1))
    others = _whole(pc.fill_null(pc.utf8_length(marks) if text else pc.list_value_length(marks), -1))
    full = np.flatnonzero(others > 0)
    if not len(full) or (not text and not pa.types.is_primitive(marks.type.value_type)):
        return hits
    counting = np.zeros(len(marks), bool)
    if text:
        counting[full] = True
    else:
        numbers = pc.fill_null(pc.cast(marks.flatten(), pa.float64()), 0 if fewer else 1).to_numpy(zero_copy_only=False)
        starts = np.cumsum(others[full]) - others[full]
        counting[full] = np.logical_or.reduceat(numbers != (0 if fewer else MASKED), starts)
    return counting & (lengths >= 0) & ((lengths > others) if fewer else (lengths != others))


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
