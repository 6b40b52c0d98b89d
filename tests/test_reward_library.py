"""The studio's library of rewards: every score, and the file that is made of it, which needs nothing but Python."""

from __future__ import annotations

import ast
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from studio.domain import reward_scores as scores
from studio.domain.reward_code import (
    HEADER,
    LINE,
    OWN_TEMPLATE,
    RewardFile,
    code_findings,
    functions_in,
    parsed,
    read_file,
    take_code,
    with_code,
)
from studio.domain.reward_library import (
    LANGUAGES,
    TEMPLATES,
    Pick,
    problems,
    problems_at,
    read_setting,
    schema_problems,
)

Rewards = list[float | None]
ALL = tuple(Pick(kind, template.function) for kind, template in TEMPLATES.items())
# Files of rewards with every sort of the library, written by the releases before files were sealed.
FIRST = sorted((Path(__file__).parent / "first_rewards").glob("*.txt"))


def loaded(file: RewardFile) -> dict[str, Any]:
    """The functions of a generated file, as an import of it gives them."""
    names: dict[str, Any] = {"__name__": "rewards"}
    exec(compile(file.text(), "rewards.py", "exec"), names)
    return names


def given(kind: str, completions: list[Any], settings: dict[str, Any], **columns: Any) -> Rewards:
    """What a reward gives, called as TRL calls it."""
    pick = Pick(kind, "reward", settings)
    more = {"prompts": ["?"] * len(completions), "completion_ids": [[1] * len(str(one)) for one in completions]}
    found: Rewards = loaded(RewardFile((pick,)))["reward"](
        completions=completions, trainer_state=None, log_extra=print, log_metric=print, **{**more, **columns}
    )
    return found


# Scores ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "find", "found"),
    [
        ("12 and 30 make 42.", "last number", "42"),
        ("it costs $1,234.50 in all", "last number", "1,234.50"),
        ("5-3", "last number", "3"),
        ("x = -3", "last number", "-3"),
        ("x = \u22127", "last number", "-7"),
        ("none", "last number", None),
        ("so\n#### 72\nthat is it", "after the marker", "72"),
        ("#### 1\n#### 2", "after the marker", "2"),
        ("no mark", "after the marker", None),
        ("####", "after the marker", None),
        ("so it is 1/2.", "last number", "1/2"),
        ("take 1 1/2 cups", "last number", "1 1/2"),
        ("group 10 20/5", "last number", "20/5"),
        ("on 1/2/2024", "last number", "2024"),
        (r"so $-\dfrac{1}{2}$", "last number", "-1/2"),
        ("a loss of -$5 in all", "last number", "-$5"),
        (r"\boxed{\frac{1}{2}} or \boxed{a{b}c}", "boxed", "a{b}c"),
        (r"\boxed{open", "boxed", None),
        ("first\nlast \n\n", "last line", "last"),
        ("", "last line", None),
        ("  all of it ", "whole text", "all of it"),
        ("   ", "whole text", None),
    ],
)
def test_where_the_answer_is_found(text: str, find: str, found: str | None) -> None:
    assert scores.found_in(text, find, "####") == found


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *[("42", 42.0), ("1,234", 1234.0), ("$3.50", 3.5), ("10 %", 10.0), ("3/4", 0.75), ("-2e3", -2000.0)],
        *[("1 1/2", 1.5), ("-1 1/2", -1.5), ("10 20", None), ("10 20/5", None), ("1 234", 1234.0), ("1 / 2", 0.5)],
        *[("-$5", -5.0), ("$-5", -5.0), ("- 5", -5.0), ("3 \u20ac", 3.0), ("$1,234.50", 1234.5), ("9 %.", 9.0)],
        *[(r"\frac{1}{2}", 0.5), (r"-\dfrac12", -0.5), (r"1\tfrac{1}{2}", 1.5), (r"\$1{,}234", 1234.0), ("5/-2", -2.5)],
        *[("7.", 7.0), (".5", 0.5), ("1/0", None), ("42 apples", None), ("", None), ("-", None), ("1e999", None)],
    ],
)
def test_numbers_as_people_write_them(text: str, number: float | None) -> None:
    assert scores.number_of(text) == number


def test_thin_spaces_and_units_of_latex() -> None:
    for text, number in (
        (r"\boxed{10,\!080}", 10080), (r"\boxed{10\,080}", 10080), (r"\boxed{12\text{ cm}^2}", 12),
        (r"\boxed{3\,5}", None), (r"\boxed{1{,}000{,}000}", 1_000_000),
    ):  # fmt: skip
        assert scores.number_of(scores.boxed_in(text)) == number, text


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *[("That makes 1 000 000.", 1_000_000), ("-12 345 678 in all", -12_345_678), ("1 000 000.5 m", 1_000_000.5)],
        *[("It is 1\u202f000.", 1000), ("It is 12\u00a0345\u00a0678 €", 12_345_678), ("3\u202f400/2", 1700)],
        # One group after an ordinary space is more likely a number of its own: as before.
        *[("step 2 100 apples", 100), ("It is 3 400.", 400), ("rows 7 and 1 234", 234)],
        # Numbers in a row, and groups that are none.
        *[("7 8 100 200 300", 300), ("2024 100 200", 200), ("1 000 000 5", 5), ("1 000 00", 0), ("1 0000 000", 0)],
        *[("1234 000 000", 0), ("0.5 000 000", 0), ("1,234 567 890", 890), ("1 000,5", 5), ("1\u00a0000\u00a00", 0)],
        *[("2 1 1/2", 1.5), ("10 20/5", 4.0)],
    ],
)
def test_thousands_set_apart_by_spaces(text: str, number: float) -> None:
    assert scores.number_found(text, "last number", "") == number


def test_right_numbers() -> None:
    settings = {"column": "answer", "find": "last number", "expected_find": "after the marker"}
    answer = ["2 + 2 = 4\n#### 4", "#### 1,000", "no number"]
    completions = ["It is 4.", "999", "4"]
    assert given("numeric", completions, settings, answer=answer) == [1.0, 0.0, None]
    assert given("numeric", ["about 3.14"], {"tolerance": 0.01}, answer=[3.1416]) == [1.0]
    assert given("numeric", ["about 3.14"], {"tolerance": 0.0001}, answer=[3.1416]) == [0.0]
    assert given("numeric", ["nothing"], {}, answer=[None]) == [None]
    boxed = {"find": "boxed", "expected_find": "boxed"}
    assert given("numeric", [r"so \boxed{42 km}", "42"], boxed, answer=[r"\boxed{42}"] * 2) == [1.0, 0.0]


@pytest.mark.parametrize(
    ("completion", "answer", "settings", "score"),
    [
        ("The answer is 1/2", "1/2", {}, 1.0),
        ("The answer is 0.5", "1/2", {}, 1.0),
        ("it is 5.5", "1 1/2", {}, 0.0),
        ("take 1 1/2", "1 1/2", {}, 1.0),
        ("1020", "10 20", {}, None),
        ("#### 3/4 cups", "3/4", {"find": "after the marker"}, 1.0),
        ("a loss of -$5", "-$5", {}, 1.0),
        (r"\boxed{\frac{1}{2}}", "1/2", {"find": "boxed"}, 1.0),
        (r"\boxed{\frac{1}{2}\text{ cups}}", "0.5", {"find": "boxed"}, 1.0),
        (r"\boxed{2}", r"\boxed{\frac{1}{2}}", {"find": "boxed", "expected_find": "boxed"}, 0.0),
        (r"\boxed{\frac{\pi}{2}}", "2", {"find": "boxed"}, 0.0),
        (r"\boxed{2^{10}}", "10", {"find": "boxed"}, 0.0),
        (r"\boxed{42^\circ}", "42", {"find": "boxed"}, 1.0),
        ("50%", "50%", {}, 1.0),
        ("about 6.02e23", "6.02e23", {}, 1.0),
    ],
)
def test_fractions_currencies_and_formulas(
    completion: str, answer: str, settings: dict[str, Any], score: float | None
) -> None:
    assert given("numeric", [completion], settings, answer=[answer]) == [score]


def test_long_texts_take_no_time() -> None:
    begun = time.monotonic()
    for part in ("1,", "1", "1 ", "1/", "1 1/1 ", "-$", r"\frac{", r"\frac{1", "1e"):
        scores.number_found(part * 20_000, "last number", "")
        scores.number_of(part * 20_000)
    assert time.monotonic() - begun < 10


def test_right_answers_in_texts_and_messages() -> None:
    chat = [[{"role": "assistant", "content": "The sun is yellow."}], [{"role": "assistant", "content": "blue"}]]
    assert given("exact", chat, {}, answer=["the sun  is yellow", "red"]) == [1.0, 0.0]
    assert given("exact", ["Yellow"], {"strict": True}, answer=["yellow"]) == [0.0]
    assert given("exact", ["a\nyes"], {"find": "last line"}, answer=["Yes!"]) == [1.0]
    assert given("exact", ["!", "?"], {}, answer=["?", "?"]) == [0.0, 1.0]
    assert given("exact", ["yes", ""], {}, answer=["", "yes"]) == [None, 0.0]
    # A name that no parameter can have is read from what comes by name.
    assert given("exact", ["yes"], {"column": "right answer"}, **{"right answer": ["yes"]}) == [1.0]
    assert given("exact", ["yes"], {"column": "class"}, **{"class": ["yes"]}) == [1.0]


def test_texts_and_patterns() -> None:
    wanted = ["Sure", "day"]
    texts = ["sure, a nice day", "sure", "no"]
    assert given("contains", texts, {"wanted": wanted}) == [1.0, 0.0, 0.0]
    assert given("contains", texts, {"wanted": wanted, "count": "any"}) == [1.0, 1.0, 0.0]
    assert given("contains", texts, {"wanted": wanted, "count": "share"}) == [1.0, 0.5, 0.0]
    assert given("contains", texts, {"wanted": wanted, "count": "any", "ignore_case": False}) == [1.0, 0.0, 0.0]
    pattern = {"pattern": r"<a>.+</a>"}
    assert given("pattern", ["<a>x\ny</a>", "so <a>x</a>"], pattern) == [1.0, 0.0]
    assert given("pattern", ["so <A>x</A>"], {**pattern, "place": "anywhere", "ignore_case": True}) == [1.0]


SCHEMA = {
    "type": "object",
    "required": ["name", "tags"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 1, "pattern": "^[a-z]"},
        "tags": {"type": "array", "maxItems": 2, "items": {"enum": ["a", "b"]}},
        "age": {"type": ["integer", "null"], "minimum": 0},
    },
}


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ('{"name": "ada", "tags": ["a"]}', 1.0),
        ('Here it is:\n```json\n{"name": "ada", "tags": []}\n```', 1.0),
        ('{"name": "ada", "tags": ["a"], "age": null}', 1.0),
        ('{"name": "ada"}', 0.5),
        ('{"name": "Ada", "tags": []}', 0.5),
        ('{"name": "ada", "tags": ["c"]}', 0.5),
        ('{"name": "ada", "tags": ["a", "b", "a"]}', 0.5),
        ('{"name": "ada", "tags": [], "age": -1}', 0.5),
        ('{"name": "ada", "tags": [], "age": true}', 0.5),
        ('{"name": "ada", "tags": [], "more": 1}', 0.5),
        ("[]", 0.5),
        ("{name: ada}", 0.0),
        ("", 0.0),
        ("[" * 100_000, 0.0),
    ],
)
def test_json_against_a_schema(text: str, score: float) -> None:
    assert given("json", [text], {"schema": SCHEMA}) == [score]
    assert schema_problems(SCHEMA) == []


FENCE = "```"
OBJECT: dict[str, Any] = {"type": "object"}


@pytest.mark.parametrize(
    ("text", "schema", "score"),
    [
        ('{"a": NaN}', OBJECT, 0.0),
        ("-Infinity", {}, 0.0),
        ("1.0", {"type": "integer"}, 1.0),
        ("1.5", {"type": "integer"}, 0.5),
        ("true", {"type": "integer"}, 0.5),
        ("true", {"enum": [1]}, 0.5),
        ("1", {"const": True}, 0.5),
        ("1.0", {"const": 1}, 1.0),
        ("[true]", {"enum": [[1], {"a": 1}]}, 0.5),
        ('{"a": true}', {"const": {"a": True}}, 1.0),
        ('{"a": "x"}', {"additionalProperties": {"type": "integer"}}, 0.5),
        ('{"a": 1, "b": "x"}', {"additionalProperties": {"type": "integer"}, "properties": {"b": {}}}, 1.0),
        ('{"a": "x"}', {"additionalProperties": True}, 1.0),
        (f'{FENCE}JSON\n{{"a": 1}}\n{FENCE}', OBJECT, 1.0),
        (f'{FENCE}json {{"a": 1}}{FENCE}', OBJECT, 1.0),
        (f'{FENCE}{{"a": 1}}{FENCE}', OBJECT, 1.0),
        (f'{FENCE}\n{{"a": 1}}{FENCE}', OBJECT, 1.0),
        (f'{FENCE}python\nx = 1\n{FENCE}\nand\n{FENCE}json\n{{"a": 1}}\n{FENCE}', OBJECT, 1.0),
        (f'{FENCE}python\nx = 1\n{FENCE}\nand\n{FENCE}\n{{"a": 1}}\n{FENCE}', OBJECT, 1.0),
        (f"{FENCE}python\n1\n{FENCE}", {}, 0.0),
        (f'{FENCE}json\n{{"a": 1}}', OBJECT, 0.0),
        (f'{{"a": "{FENCE}json {FENCE}"}}', OBJECT, 1.0),
    ],
)
def test_json_as_the_standards_have_it(text: str, schema: dict[str, Any], score: float) -> None:
    assert given("json", [text], {"schema": schema}) == [score]
    assert schema_problems(schema) == []


def test_fences_that_never_close_take_no_time() -> None:
    begun = time.monotonic()
    for text in ("```json" + " \n" * 200_000, "```" + "\n" * 200_000, "```" * 200_001, "``` " * 200_001):
        assert scores.json_score(text, {}) == 0.0
    assert time.monotonic() - begun < 10


def test_lengths() -> None:
    words = {"unit": "words", "least": 2, "most": 4}
    assert given("length", ["", "a", "a b", "a b c d", "a b c d e f", "a " * 9], words) == [0, 0.5, 1, 1, 0.5, 0]
    assert given("length", ["abc"], {"unit": "characters", "least": 3, "most": 3}) == [1.0]
    assert given("length", ["four"], {"unit": "tokens", "least": 0, "most": 2}) == [0.0]
    assert given("length", ["你好吗"], {"unit": "words", "least": 3, "most": 3}) == [1.0]


SAID = {
    "Arabic": "الشمس صفراء اليوم",
    "Chinese": "今天太阳是黄色的",
    "Dutch": "De zon is geel en het is een mooie dag",
    "English": "The sun is yellow and it is a nice day.",
    "French": "Le soleil est jaune et il fait beau dans la ville.",
    "German": "Die Sonne ist gelb, und es wird ein schöner Tag.",
    "Greek": "Ο ήλιος είναι κίτρινος",
    "Hebrew": "השמש צהובה היום",
    "Hindi": "सूरज आज पीला है",
    "Italian": "Il sole è giallo e la giornata è bella come non mai",
    "Japanese": "今日の太陽は黄色いです",
    "Korean": "오늘 태양은 노란색입니다",
    "Portuguese": "O sol é amarelo e não está frio para um dia de maio",
    "Russian": "Сегодня солнце жёлтое",
    "Spanish": "El sol es amarillo y hace un buen día en la ciudad",
    "Thai": "ดวงอาทิตย์เป็นสีเหลือง",
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_languages_are_told_apart(language: str) -> None:
    texts = [SAID[name] for name in LANGUAGES]
    assert given("language", texts, {"language": language}) == [float(name == language) for name in LANGUAGES]
    assert given("language", ["", "42", "xyzzy"], {"language": language}) == [0.0, 0.0, 0.0]


def test_repetition() -> None:
    texts = ["one two three four", "no no no no", "short", "我很好我很好"]
    assert given("repetition", texts, {"size": 2}) == pytest.approx([0.0, -2 / 3, 0.0, -0.4])


# The file --------------------------------------------------------------------------------------------------------


def test_the_file_reads_back_as_what_it_was_made_of() -> None:
    file = RewardFile(ALL, OWN_TEMPLATE)
    text = file.text()
    back = read_file(text)
    assert [(pick.kind, pick.name) for pick in back.picks] == [(pick.kind, pick.name) for pick in ALL]
    assert back.own.rstrip() == OWN_TEMPLATE.rstrip()
    assert back.text() == text
    assert code_findings(text) == []
    assert {pick.name for pick in ALL} <= {one.name for one in functions_in(text)}


def test_the_file_needs_nothing_but_python(tmp_path: Path) -> None:
    (tmp_path / "rewards.py").write_text(RewardFile(ALL).text(), encoding="utf-8")
    code = "import rewards, sys; print(rewards.good_length(completions=['a b'])); print('studio' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-W", "error", "-c", f"import sys; sys.path.insert(0, '.')\n{code}"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.stdout.split("\n")[:2], done.stderr) == (["[1.0]", "False"], "")


def test_the_file_holds_only_what_is_used() -> None:
    text = RewardFile((Pick("contains", "polite", {"wanted": ["please"]}),)).text()
    assert text.startswith(HEADER)
    tree = ast.parse(text)
    assert ast.get_docstring(tree)
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert names == ["text_of", "contains_score", "polite"]
    assert all(ast.get_docstring(node) for node in tree.body if isinstance(node, ast.FunctionDef))
    assert "import re" not in text


def test_what_was_changed_by_hand_is_own_code() -> None:
    text = RewardFile((Pick("length", "good_length"),), OWN_TEMPLATE).text()
    for changed in (
        text.replace("most=200", "most=100"),
        text.replace('"most": 200', '"most": 100'),
        text.replace("# library: length", "# library: no_such"),
        text + "\nX = 1\n",
        text.replace("sha256 of what follows: ", "sha256 of what follows: 0"),
    ):
        assert changed != text
        assert read_file(changed) == RewardFile(own=changed)
        assert read_file(changed).text() == changed
    assert read_file(LINE) == RewardFile(own=LINE)


@pytest.mark.parametrize("file", FIRST, ids=[file.stem for file in FIRST])
def test_files_of_the_first_releases_are_the_librarys(file: Path) -> None:
    """Files as earlier commits wrote them, without a seal: they are known, run as they are, and have their settings."""
    assert len(FIRST) == 2
    text = file.read_text(encoding="utf-8")
    found = read_file(text)
    assert [(pick.kind, pick.name) for pick in found.picks] == [(pick.kind, pick.name) for pick in ALL]
    assert text.endswith(f"{LINE}\n{found.written}")
    assert found.picks[0].get("tolerance") == 1e-6
    assert read_file(found.text()) == found  # sealed once it is written again
    new = found.with_picks(found.picks)
    assert (new.written, read_file(new.text())) == ("", new)
    for changed in (
        text.replace("return float(all(found)", "return float(any(found)"),
        text.replace("import re\n", "import re\nimport os\n"),
        text.replace("    lines = text", "    # lines = text"),
        text.replace('"tolerance": 1e-06', '"tolerance": 1e-05'),
        text.replace("            tolerance=1e-06,\n", "            tolerance=1e-05,\n"),
        text.replace(f"{LINE}\n", f"{LINE}\n# by hand\n"),
        f"{text}\nX = 1\n",
        f"{text}{'(' * 5000}",
    ):
        assert changed != text
        assert read_file(changed) == RewardFile(own=changed)


@pytest.mark.parametrize("evil", ['"] + [__import__("os")', "a\nimport os", "'''", "\\", "{}", "\u2028"])
def test_settings_stay_values(evil: str) -> None:
    picks = (
        Pick("exact", "one", {"column": evil, "marker": evil}),
        Pick("contains", "two", {"wanted": [evil]}),
        Pick("pattern", "three", {"pattern": evil}),
        Pick("json", "four", {"schema": {"const": evil}}),
    )
    text = RewardFile(picks).text()
    assert read_file(text) == RewardFile(
        tuple(Pick(p.kind, p.name, s.settings) for p, s in zip(picks, read_file(text).picks, strict=True))
    )
    constants = {node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)}
    assert evil in constants
    calls = {
        node.func.id
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert "__import__" not in calls


def test_one_text_holds_recipe_and_code() -> None:
    code = RewardFile(ALL, OWN_TEMPLATE).text()
    recipe = "# trl grpo --config recipe.yaml\n\nreward_funcs: [rewards.good_length]\n"
    whole = with_code(recipe, code)
    assert take_code(whole) == (recipe, code)
    assert take_code(whole.replace("\n", "\r\n")) == (recipe, code)
    assert take_code(recipe) == (recipe, "")
    assert with_code(recipe, "") == recipe
    assert all(line.startswith("#") or not line for line in whole.removeprefix(recipe).split("\n"))


# What is wrong ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "settings", "says"),
    [
        ("exact", {"column": "completion"}, "hands the column"),
        ("numeric", {"find": "after the marker", "marker": ""}, "marker is empty"),
        ("contains", {"wanted": []}, "no text to look for"),
        ("pattern", {"pattern": "(open"}, "cannot be read"),
        ("length", {"least": 5, "most": 2}, "more than at most"),
        ("repetition", {"size": 0}, "one word at least"),
        ("pattern", {"pattern": ""}, "The regular expression is empty"),
        ("json", {"schema": []}, "is an object"),
        ("json", {"schema": {"oneOf": []}}, "`oneOf` of the schema is not looked at"),
        ("json", {"schema": {"properties": {"a": {"type": "float"}}}}, "`float` is no type"),
        ("json", {"schema": {"pattern": "("}}, "`pattern` of the schema cannot be read"),
        ("json", {"schema": {"required": [["a"]]}}, "`required` of the schema is a list of names"),
        ("json", {"schema": {"additionalProperties": 1}}, "is an object"),
        ("json", {"schema": {"additionalProperties": {"type": "float"}}}, "`float` is no type"),
        ("json", {"schema": {"minimum": float("nan")}}, "not finite"),
        ("json", {"schema": {"items": {"minimum": "1"}}}, "`minimum` of the schema is a number"),
    ],
)
def test_settings_that_cannot_work_are_told(kind: str, settings: dict[str, Any], says: str) -> None:
    found = problems(Pick(kind, "reward", settings))
    assert len(found) == 1
    assert says in found[0]
    about = [setting for setting, _ in problems_at(Pick(kind, "reward", settings))]
    assert about[0] in {one.name for one in TEMPLATES[kind].settings}


@pytest.mark.parametrize("name", ["two words", "1st", "class", "", "text_of", "import os"])
def test_names_that_no_function_can_have(name: str) -> None:
    assert problems(Pick("length", name))
    assert problems(Pick("length", "good_length")) == []


def test_what_is_typed_into_settings() -> None:
    settings = {one.name: one for template in TEMPLATES.values() for one in template.settings}
    assert read_setting(settings["most"], " 12 ") == 12
    assert read_setting(settings["tolerance"], "1e-3") == 0.001
    assert read_setting(settings["wanted"], "a\r\n\nb") == ["a", "b"]
    assert read_setting(settings["schema"], '{"type": "array"}') == {"type": "array"}
    assert read_setting(settings["strict"], True) is True
    for name, typed in (("most", "1.5"), ("most", "-1"), ("tolerance", "nan"), ("count", "some"), ("schema", "{")):
        with pytest.raises(ValueError):
            read_setting(settings[name], typed)
    with pytest.raises(ValueError, match="too long"):
        read_setting(settings["pattern"], "x" * 30_000)


@pytest.mark.parametrize(
    ("code", "line", "says"),
    [
        ("x = 1\ndef f(:\n", 2, "invalid syntax"),
        ("def f():\nreturn 1\n", 2, "indented block"),
        ("x = '\0'", None, "null bytes"),
        ("(" * 5000, None, ""),
        ("x" * 200_000, None, "too long"),
    ],
)
def test_code_that_python_cannot_read(code: str, line: int | None, says: str) -> None:
    (found,) = code_findings(code)
    assert found.level == "error"
    assert says in found.message
    assert line is None or found.where.line == line
    assert functions_in(code) == []


def test_code_is_looked_at_and_never_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    code = f"open({str(mark)!r}, 'w').close()\ndef f(completions, **kwargs):\n    return []\n"
    assert [one.name for one in functions_in(code)] == ["f"]
    assert code_findings(code) == []
    assert not mark.exists()


def test_own_functions_and_what_they_need() -> None:
    code = (
        "def one(prompts, completions, answer, level=1, *, source, **kwargs):\n    'First line.\\n\\nMore.'\n"
        "async def two(completions):\n    pass\ndef _helper(x):\n    pass\n"
        "class Three:\n    def four(self):\n        pass\n"
    )
    one, two = functions_in(code)
    assert (one.name, one.line, one.needs, one.about, one.takes_all) == (
        "one",
        1,
        ("answer", "source"),
        "First line.",
        True,
    )
    assert (two.name, two.needs, two.takes_all) == ("two", (), False)


def test_own_names_do_not_replace_the_librarys() -> None:
    file = RewardFile((Pick("length", "good_length"),), "def text_of(x):\n    return x\n")
    (found,) = code_findings(file.text())
    assert "`text_of`" in found.message
    token = f'KEY = "hf_{"a" * 30}"\n'
    (told,) = code_findings(token)
    assert (told.level, told.where.line) == ("warning", 1)
    assert not isinstance(parsed(token), type(told))
