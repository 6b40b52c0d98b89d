"""JSON files that are rare, alone and behind others: the datasets library says whether they load, and with texts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_datafiles import loaded_by_datasets

from studio.adapters import datapieces, jsonlists
from studio.adapters.databatches import batches
from studio.adapters.datapieces import Pieces
from studio.adapters.home import Home
from studio.domain.recipe import Recipe
from studio.service.studio import Studio

WORD = '"x"'
MARK = b"\xef\xbb\xbf"
ROWS = [{"text": "a", "n": 1}, {"text": "b", "n": 2}]
OBJECT = '{\n "text": "o",\n "n": 3\n}\n'


def _numbers(*cells: str) -> str:
    return ", ".join(f'{{"text": "t", "n": {cell}}}' for cell in cells)


FILES: dict[str, str | bytes] = {
    "list.json": json.dumps(ROWS),
    "keyless.json": "[{}, {}]",
    "keyless.jsonl": "{}\n{}\n",
    "keyless_first.jsonl": '{}\n{"text": "a"}\n',
    "lines.jsonl": "\n".join(map(json.dumps, ROWS)),
    "marked.json": MARK + json.dumps(ROWS).encode(),
    "marked.jsonl": MARK + "\n".join(map(json.dumps, ROWS)).encode(),
    "marked_space.json": MARK + b" " + json.dumps(ROWS).encode(),
    "marked_object.json": MARK + OBJECT.encode(),
    "space.json": " " + json.dumps(ROWS),
    "object.json": OBJECT,
    "object_words.json": OBJECT.replace("3", '"x"'),
    "object_mixed.json": OBJECT.replace("3", '["x", 1]'),
    "lists.json": json.dumps([{"text": "a", "n": ["x", "y"]}]),
    "mixed_lists.json": json.dumps([{"text": "a", "n": ["x", 1]}]),
    "mixed_lists.jsonl": json.dumps({"text": "a", "n": ["x", 1]}),
    "structs.json": json.dumps([{"text": "a", "n": {"k": "x"}}, {"text": "a", "n": {"k": "y"}}]),
    "mixed_structs.json": json.dumps([{"text": "a", "n": {"k": "x"}}, {"text": "a", "n": {"k": 1}}]),
    "mixed.json": json.dumps([{"text": "a", "n": "x"}, {"text": "b", "n": 1}]),
    "mixed_returns.jsonl": '{"text": "a", "n": "x"}\r\r\n{"text": "b", "n": 1}\r\r\n',
    "mixed_slash.jsonl": '{"text": "a", "n": {"a/b": "x"}}\n{"text": "a", "n": {"a/b": 1}}',
    "mixed_slash_top.json": '[{"text": "a", "n/m": "x"}, {"text": "a", "n/m": 1}]',
    "mixed_slash_unclear.jsonl": '{"text": "a", "n/m": "x", "n": {"m": "x"}}\n{"text": "a", "n/m": 1, "n": {"m": 1}}',
    "mixed_bracket.jsonl": '{"text": "a", "n": {"[]": "x"}}\n{"text": "a", "n": {"[]": 1}}',
    "mixed.jsonl": '{"text": "a", "n": "x"}\n{"text": "b", "n": 1}',
    # objects that do not stand one a line
    "spread.jsonl": "".join(json.dumps(row, indent=1) + "\n" for row in ROWS),
    "spread_blank.jsonl": "\n\n".join(json.dumps(row, indent=1) for row in ROWS),
    "spread_returns.jsonl": "\r\n".join(json.dumps(row, indent=1).replace("\n", "\r\n") for row in ROWS),
    "spread_space.jsonl": " " + "\n ".join(json.dumps(row, indent=1) for row in ROWS),
    "spread_marked.jsonl": MARK + "\n".join(json.dumps(row, indent=1) for row in ROWS).encode(),
    "spread_commas.jsonl": ",\n".join(json.dumps(row, indent=1) for row in ROWS),
    "spread_cut.jsonl": "\n".join(json.dumps(row, indent=1) for row in ROWS)[:-4],
    "spread_words.jsonl": OBJECT.replace("3", WORD) + OBJECT,
    "spread_lists.jsonl": OBJECT.replace("3", '["x", 1]') + OBJECT.replace("3", '["x", 1]'),
    "spread_structs.jsonl": OBJECT.replace("3", '{"k": 1}') + OBJECT.replace("3", '{"j": "x"}'),
    "spread_big.jsonl": OBJECT + OBJECT.replace("3", str(2**70)),
    "spread_then_lines.jsonl": OBJECT + json.dumps(ROWS[0]) + "\n" + json.dumps(ROWS[1]),
    "spread_then_list.jsonl": OBJECT + json.dumps(ROWS),
    "spread_then_word.jsonl": OBJECT + "x",
    "spread_nulls.jsonl": OBJECT.replace("3", "[null, 1]") * 2,
    "spread_later.jsonl": json.dumps(ROWS[0]) + "\n" + OBJECT,
    "spread_later_blank.jsonl": "\n" + json.dumps(ROWS[0]) + "\r\n\n" + OBJECT + json.dumps(ROWS[1]),
    "spread_later_words.jsonl": json.dumps(ROWS[0]) + "\n" + OBJECT.replace("3", WORD),
    "spread_later_structs.jsonl": '{"text": "a", "n": {"k": 1}}\n' + OBJECT.replace("3", '{"j": "x"}'),
    "spread_later_cut.jsonl": json.dumps(ROWS[0]) + "\n" + OBJECT[:-3],
    "spread_later_commas.jsonl": json.dumps(ROWS[0]) + ",\n" + OBJECT,
    "spread_later_joined.jsonl": json.dumps(ROWS[0]) + "\n" + json.dumps(ROWS[0]) + OBJECT * 2,
    "opened_later.jsonl": json.dumps(ROWS[0]) + '\n{"text": "o",\n"n": 3}\n' * 2,
    "opened_cut.jsonl": json.dumps(ROWS[0]) + '\n{"text": "o",\n' + json.dumps(ROWS[1]) + "\n",
    "opened.json": '{"text": "o",\n"n": 3}\n',
    "opened_twice.jsonl": '{"text": "o",\n"n": 3}\n' * 2,
    "object_space.json": " " + OBJECT,
    "object_nulls.json": OBJECT.replace("3", "[null, 1]"),
    "object_nulls_space.json": " " + OBJECT.replace("3", "[null, 1]"),
    "object_date_space.json": " " + OBJECT.replace("3", '"2024-01-01"'),
    "marked_object_space.json": MARK + b" " + OBJECT.encode(),
    "joined.jsonl": "".join(map(json.dumps, ROWS)),
    "joined_space.jsonl": " ".join(map(json.dumps, ROWS)) + "\n",
    "joined_tab.jsonl": json.dumps(ROWS[0]) + "\n" + "\t".join(map(json.dumps, ROWS)),
    "joined_later.jsonl": json.dumps(ROWS[0]) + "\n" + "".join(map(json.dumps, ROWS)) + "\n" + json.dumps(ROWS[1]),
    "joined_list.jsonl": json.dumps(ROWS[0]) + json.dumps(ROWS),
    "joined_words.jsonl": '{"text": "a", "n": 1}\n{"text": "a", "n": 1}{"text": "a", "n": "x"}',
    "joined_structs.jsonl": '{"text": "a", "n": {"k": 1}}\n{"text": "a", "n": {"k": 1}}{"text": "a", "n": {"j": 1}}',
    "joined_texts.jsonl": json.dumps({"text": '}{"', "n": 1}) + "\n" + json.dumps({"text": '{"a"}{"b"}', "n": 1}),
    "blank_structs.jsonl": '{"text": "a", "n": {"k": 1}}\n\n{"text": "a", "n": {"j": 1}}',
    "blank_mixed.jsonl": '{"text": "a", "n": 1}\n\n{"text": "a", "n": "x"}',
    "blank_first.jsonl": '\n{"text": "a", "n": {"k": 1}}\n{"text": "a", "n": {"j": 1}}',
    "word_behind.jsonl": '{"text": "a", "n": 1} x\n{"text": "a", "n": 1}',
    "number_behind.jsonl": '{"text": "a", "n": 1} 5\n{"text": "a", "n": 1}',
    "comma_lines.jsonl": ",\n".join(map(json.dumps, ROWS)),
    "list_twice.json": json.dumps(ROWS) * 2,
    "list_lines.json": json.dumps(ROWS) + "\n" + json.dumps(ROWS[0]),
    "list_word.json": json.dumps(ROWS) + "x",
    "list_comma.json": json.dumps(ROWS)[:-1] + ",]",
    "list_after.json": json.dumps(ROWS) + " \n\n",
    "list_empty.json": "[]\n",
    "list_empty_twice.json": "[][]",
    "space_twice.json": " " + json.dumps(ROWS) * 2,
    "texts_twice.json": '["a"]["b"]',
    # whole numbers of more than 64 bits
    "big.json": f"[{_numbers('1', str(2**64))}]",
    "bigger.json": f"[{_numbers('1', str(2**70))}]",
    "unsigned.json": f"[{_numbers('1', str(2**64 - 1))}]",
    "least.json": f"[{_numbers(str(-(2**63)))}]",
    "small.json": f"[{_numbers(str(-(2**63) - 1))}]",
    "big_inside.json": f'[{{"text": "a", "x": {{"y": [{2**70}]}}}}]',
    "big_halves.json": f"[{_numbers('1.5', str(2**70))}]",
    "big_decimal.json": f"[{_numbers('1.5', str(2**70) + '.5')}]",
    "long_decimal.json": f"[{_numbers('1.5', '0.1234567890123456789012345')}]",
    "big_power.json": f"[{_numbers('1.5', '1e30')}]",
    "big_power_whole.json": f"[{_numbers('1.5', str(2**70) + 'e2')}]",
    "big_text.json": f'[{{"text": "{2**70}"}}]',
    "big_space.json": f" [{_numbers('1', str(2**70))}]",
    "unsigned_space.json": f" [{_numbers('1', str(2**64 - 1))}]",
    "big_words.json": f"[{_numbers(WORD, str(2**70))}]",
    "big.jsonl": _numbers("1", str(2**70)).replace("}, ", "}\n"),
    "big_structs.jsonl": _numbers(f'{2**70}, "m": {{"k": 1}}', '1, "m": {"j": 1}').replace("}, ", "}\n"),
    "big_structs_words.jsonl": _numbers(f'{2**70}, "m": {{"k": 1}}', '1, "m": {"k": "x"}').replace("}, ", "}\n"),
    "big_words.jsonl": _numbers(WORD, str(2**70)).replace("}, ", "}\n"),
    "big_object.json": OBJECT.replace("3", str(2**70)),
    # lists of what is no object
    "texts.json": '["a", "b"]',
    "texts_null.json": '["a", null]',
    "null_texts.json": '[null, "a"]',
    "texts_number.json": '["a", 1]',
    "number_texts.json": '[1, "a"]',
    "numbers.json": "[1, 2]",
    "texts_halves.json": '["a", 0.5, true]',
    "texts_list.json": '["a", ["b"]]',
    "texts_object.json": '["a", {"b": 1}]',
    "lists_of_lists.json": '[["a"], ["b", "c"]]',
    "truths.json": "[true, false]",
    "brace.json": '["{", "b"]',
    "space_texts.json": ' ["a", "b"]',
    "space_texts_number.json": ' ["a", 1]',
    "object_text.json": '[{"text": "a"}, "b"]',
    "object_number.json": '[{"text": "a"}, 1]',
    "number_object.json": '[1, {"text": "a"}]',
    "no_keys.json": '[{}, {"text": "a"}]',
}
SPREAD = ("spread.", "spread_later", "spread_structs", "spread_words", "opened", "joined", "blank")
BEHIND = (*SPREAD, "marked", "object", "space.json", "mixed", "big", "texts", "number", "lists.json", "structs.json")
FIRST = ("list.json", "lines.jsonl", "mixed.json", "mixed.jsonl", "lists.json", "structs.json", "texts.json")
OWN = ("texts_number.json", "numbers.json", "object.json", "marked.json", "mixed_lists.json", "mixed_structs.json")
# Where the library stops at what says the types, it does so of a stream of another split as well.
OWN += ("marked.jsonl", "object_nulls.json", "spread_nulls.jsonl", "spread_words.jsonl")


def cases(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each file by itself, and behind others in a split and in the next one, loaded and streamed."""
    for name, content in FILES.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    asked: list[tuple[dict[str, list[str]], str]] = [({"train": [name]}, "train") for name in FILES]
    for first in (*FIRST, *OWN):
        behind = [name for name in FILES if name.startswith(BEHIND)] if first in FIRST[:2] else [*FIRST, *OWN]
        # Objects where lists were mixed are loaded as lists of their keys: the studio does not take that.
        for name in [one for one in behind if first != "mixed_lists.json" or "structs" not in one]:
            asked += [({"train": [first, name]}, "train"), ({"train": [first], "test": [name]}, "test")]
    for files, split in asked:
        found = {key: [str(folder / name) for name in names] for key, names in files.items()}
        entry = {"path": "json", "data_files": found, "split": split}
        yield f"{files} {split}", {"datasets": [entry]}
        yield f"{files} {split}, streamed", {"datasets": [entry], "streaming": True, "max_steps": 1}


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[dict[str, Any], str]]:
    """Each case and its verdict: the library loads rows of it, and the text is text."""
    folder = tmp_path_factory.mktemp("odd")
    found = dict(cases(folder))
    answers = loaded_by_datasets(list(found.values()), folder, "apart")
    taken = [
        not isinstance(answer, str)
        and len(answer["train"]) > 0
        and all(isinstance(row.get("text"), str) for row in answer["train"])
        for answer in answers
    ]
    return {name: (found[name], "accept" if one else "reject") for name, one in zip(found, taken, strict=True)}


@pytest.mark.parametrize("part", [jsonlists.PART_ROWS, 1])
def test_the_verdict_is_what_the_library_makes_of_it(
    part: int, known: dict[str, tuple[dict[str, Any], str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonlists, "PART_ROWS", part)
    studio = Studio(Home(tmp_path / "home"))
    wrong = []
    for name, (values, verdict) in known.items():
        (first,) = studio.recipes.look(Recipe("sft", values))
        whole = studio.whole.checked(first, values)
        # What stops a file as a whole is told when all of it is read.
        if whole.verdict != verdict or first.verdict not in (verdict, "accept"):
            wrong.append((name, verdict, first.verdict, whole.verdict))
    assert wrong == []


@pytest.mark.parametrize(
    ("cells", "reads"),
    [
        ([1, 2, None, 3], 1),
        ([None, {"a": 1}, {"a": 2}, None], 1),
        ([None, "x", "2024-01-01", "y"], 2),
        ([1, 2, 0.5, 3], 2),
        ([1, "x", 2, "y"], 2),
    ],
)
@pytest.mark.parametrize("room", [jsonlists.KEPT_BYTES, 24, 0])
def test_a_list_is_read_again_only_where_its_types_change(
    cells: list[Any], reads: int, room: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows are the same, whether its parts were kept or not."""
    file, begun = tmp_path / "a.json", []
    file.write_text(
        json.dumps([{"text": f"t{n}"} | ({} if cell is None else {"n": cell}) for n, cell in enumerate(cells)])
    )

    def loaded() -> list[Any]:
        pieces = [piece for piece in Pieces("json", [file], (), ("text", "n")) if piece.rows]
        found = [piece.columns["n"] for piece in pieces]
        return [cell for one in found for cell in (one if isinstance(one, list) else one.to_pylist())]

    whole = loaded()
    monkeypatch.setattr(jsonlists, "PART_ROWS", 1)
    monkeypatch.setattr(jsonlists, "KEPT_BYTES", room)
    monkeypatch.setattr(datapieces, "parts", lambda path: begun.append(path) or jsonlists.parts(path))
    assert loaded() == whole
    assert len(begun) == (reads if room > 24 else 2)


@pytest.mark.parametrize("indents", [(None, None), (1, 1), (None, 1)])
@pytest.mark.parametrize("count", [90, 600, 900, 3000, 3500, 4500])
def test_objects_over_several_lines_may_be_cut(indents: tuple[int | None, ...], count: int, tmp_path: Path) -> None:
    """The library has Arrow read such a file in blocks that end with a line: they may cut through an object."""
    rows = [{"text": f"t{n}", "more": ["x" * 3000]} for n in range(count)]
    file = tmp_path / "a.jsonl"
    written = [json.dumps(row, indent=indents[n % 2]) for n, row in enumerate(rows)]
    file.write_text(("\n" * any(indents)).join(written))
    values = {"datasets": [{"path": "json", "data_files": str(file)}]}
    (loaded,) = loaded_by_datasets([values], tmp_path, "apart")
    studio = Studio(Home(tmp_path / "home"))
    seen = studio.whole.checked(studio.recipes.look(Recipe("sft", values))[0], values)
    assert (seen.verdict, seen.num_rows) == ("reject" if isinstance(loaded, str) else "accept", count)
    assert [row["text"] for batch in batches([file], "json") for row in batch.rows] == [row["text"] for row in rows]
    if seen.verdict == "reject":
        (error,) = [finding for finding in seen.findings if finding.level == "error"]
        assert str(file) in error.message
        assert "Put each object on a line of its own." in str(error.why)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{"text": "a"}\n{"text": "b",\n{"text": "c"}\n', 2),
        ('{"text": "b",\n{"text": "c"}\n', 1),
        ('{"text": "a"}\n{"text": "b", "n":\n{"text": "c"}\n{"text": "d"}\n', 2),
        ('{"text": "a"}\n{\n"text": "b"\n"n": 1\n}\n', 4),
        ('{"text": "a"}\n\n{\n"text": "b"\n}\nx\n', 6),
        ('{"text": "a"}\n{\n"text": "b"', 3),
    ],
)
def test_the_broken_line_is_named_where_objects_go_over_several(text: str, line: int, tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(text)
    values = {"datasets": [{"path": "json", "data_files": str(file)}]}
    studio = Studio(Home(tmp_path / "home"))
    seen = studio.whole.checked(studio.recipes.look(Recipe("sft", values))[0], values)
    assert {found.where.line for found in seen.findings if found.level == "error"} == {line}
