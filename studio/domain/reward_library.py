"""The studio's own reward functions: what each is for, its settings, and the Python that it becomes in rewards.py."""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import keyword
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from studio.domain import reward_scores
from studio.domain.reward_scores import no_number

FINDS = ("last number", "after the marker", "boxed", "last line", "whole text")
LANGUAGES = tuple(sorted((*reward_scores.COMMON_WORDS, *reward_scores.SCRIPTS)))
# What TRL hands to every reward function; columns of these names never arrive.
GIVEN = ("prompts", "completions", "completion_ids", "trainer_state", "log_extra", "log_metric", "environments")
KEPT_BACK = ("prompt", "completion", "completion_ids")  # columns that TRL does not hand on
SCHEMA_WORDS = (
    *("type", "properties", "required", "items", "enum", "const", "pattern", "additionalProperties"),
    *("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"),
    *("title", "description", "$schema", "$id", "default", "examples"),  # which say nothing of a value
)
SettingKind = Literal["column", "text", "texts", "choice", "integer", "number", "switch", "schema"]
_LARGEST = 20_000  # characters of one setting
# Parts of the library as the first releases wrote them, which did not seal their files: what each hashes to.
_FIRST = (
    *("6d6fd918e3c40fe6", "07bd55c036568974", "07d4ad13d13b14eb", "dbe3a4d2c753912a", "ed8bf7cc97061a08"),
    *("2ac689bf5979ab80", "ba50ff54f6249f63", "7ebcf06a33ac0050", "024f9e4eb209a74b", "dfb3600c32a79d60"),
)


@dataclass(frozen=True)
class Setting:
    """One thing to settle of a reward; `only_with` names a choice and the value with which it means anything."""

    name: str
    label: str
    kind: SettingKind
    default: Any
    choices: tuple[str, ...] = ()
    only_with: tuple[tuple[str, ...], str] | None = None


@dataclass(frozen=True)
class Template:
    """A sort of reward: `function` is what it is called unless another name is chosen, `span` what it can give."""

    kind: str
    label: str
    about: str
    function: str
    span: tuple[float, float]
    settings: tuple[Setting, ...]


@dataclass(frozen=True)
class Pick:
    """A reward of the library with its settings, as the function `name` of rewards.py."""

    kind: str
    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def template(self) -> Template:
        return TEMPLATES[self.kind]

    def get(self, name: str) -> Any:
        """A setting's value, or its default."""
        default = next(one.default for one in self.template.settings if one.name == name)
        return self.settings.get(name, default)

    @property
    def column(self) -> str | None:
        """The column of the data that it reads; None for a sort that reads none."""
        return str(self.get("column")) if any(one.kind == "column" for one in self.template.settings) else None


_MARKED = (("find", "expected_find"), "after the marker")
_ANSWER = (
    Setting("column", "Column with the answer", "column", "answer"),
    Setting("find", "The answer in the completion", "choice", "last number", FINDS),
    Setting("expected_find", "The answer in the column", "choice", "whole text", FINDS),
    Setting("marker", "Marker", "text", "####", only_with=_MARKED),
)
_ALL = (
    Template(
        "numeric",
        "Right number",
        "1 where the number in the completion is the column's, else 0. Rows whose column has no number are left out.",
        "right_number",
        (0, 1),
        (*_ANSWER, Setting("tolerance", "Tolerance, as a share", "number", 1e-6)),
    ),
    Template(
        "exact",
        "Right answer",
        "1 where the text found in the completion is the column's, else 0. Rows with an empty column are left out.",
        "right_text",
        (0, 1),
        (
            _ANSWER[0],
            Setting("find", "The answer in the completion", "choice", "whole text", FINDS),
            *_ANSWER[2:],
            Setting("strict", "Capitals, spaces and punctuation count", "switch", False),
        ),
    ),
    Template(
        "contains",
        "Contains",
        "Whether texts of your choice stand in the completion.",
        "contains_text",
        (0, 1),
        (
            Setting("wanted", "Texts, one a line", "texts", ["</think>"]),
            Setting("count", "1 for", "choice", "all", ("all", "any", "share")),
            Setting("ignore_case", "Ignore capitals", "switch", True),
        ),
    ),
    Template(
        "pattern",
        "Regular expression",
        "1 where a regular expression of Python matches, else 0.",
        "matches_pattern",
        (0, 1),
        (
            Setting("pattern", "Regular expression", "text", r"^<answer>.+</answer>$"),
            Setting("place", "It matches", "choice", "whole text", ("whole text", "anywhere")),
            Setting("ignore_case", "Ignore capitals", "switch", False),
        ),
    ),
    Template(
        "json",
        "Valid JSON",
        "1 for JSON that fits the schema, 0.5 for other JSON, 0 for none.",
        "valid_json",
        (0, 1),
        (Setting("schema", "JSON schema", "schema", {"type": "object"}),),
    ),
    Template(
        "length",
        "Length",
        "1 for a length from the least to the most, falling to 0 at nothing and at twice the most.",
        "good_length",
        (0, 1),
        (
            Setting("unit", "Counted in", "choice", "words", ("words", "characters", "tokens")),
            Setting("least", "At least", "integer", 1),
            Setting("most", "At most", "integer", 200),
        ),
    ),
    Template(
        "language",
        "Language",
        "1 where the completion is in the language, else 0: told by its script, or by its commonest words.",
        "in_language",
        (0, 1),
        (Setting("language", "Language", "choice", "English", LANGUAGES),),
    ),
    Template(
        "repetition",
        "Repetition",
        "0 where no run of words comes twice, down to -1 where all do.",
        "no_repetition",
        (-1, 0),
        (Setting("size", "Words in a run", "integer", 3),),
    ),
)
TEMPLATES: Mapping[str, Template] = {one.kind: one for one in _ALL}


# Settings --------------------------------------------------------------------------------------------------------


def read_setting(setting: Setting, typed: Any) -> Any:
    """What a value from the page or a file means. Raises ValueError, in words, where it cannot be that setting."""
    if len(str(typed)) > _LARGEST:
        raise ValueError(f"{setting.label} is too long")
    if setting.kind == "switch":
        return typed in (True, "true", "on")
    if setting.kind in ("integer", "number"):
        return _number(setting, typed)
    if setting.kind == "choice":
        if typed not in setting.choices:
            raise ValueError(f"{setting.label} is one of {', '.join(setting.choices)}")
        return typed
    if setting.kind == "texts":
        lines = typed if isinstance(typed, list) else str(typed).split("\n")
        return [str(line).strip("\r") for line in lines if str(line).strip()]
    if setting.kind == "schema":
        try:
            return json.loads(typed, parse_constant=no_number) if isinstance(typed, str) else typed
        except (ValueError, RecursionError) as error:
            raise ValueError(f"the schema is no JSON: {error}") from None
    return str(typed)


def _number(setting: Setting, typed: Any) -> Any:
    try:
        number = float(str(typed).strip())
    except ValueError:
        number = float("nan")
    if not 0 <= number < 1e9 or (setting.kind == "integer" and number != int(number)):
        what = "a whole number" if setting.kind == "integer" else "a number"
        raise ValueError(f"{setting.label} is {what}, 0 or more")
    return int(number) if setting.kind == "integer" else number


def problems(pick: Pick) -> list[str]:
    """What keeps a reward from working, in sentences; the data aside."""
    return [words for _, words in problems_at(pick)]


def problems_at(pick: Pick) -> list[tuple[str, str]]:
    """The same, each with the setting that it is about, or `name`."""
    found = []
    get = pick.get
    if not pick.name.isidentifier() or keyword.iskeyword(pick.name):
        found.append(("name", f"`{pick.name}` is no name for a function of Python."))
    elif pick.name in _pieces():
        found.append(("name", f"`{pick.name}` is taken by a part of the library: choose another name."))
    if pick.column in KEPT_BACK:
        found.append(("column", f"TRL hands the column `{pick.column}` to no reward function: choose another one."))
    if pick.kind == "contains" and not get("wanted"):
        found.append(("wanted", "There is no text to look for."))
    if pick.kind in ("numeric", "exact") and "after the marker" in (get("find"), get("expected_find")):
        found += [] if get("marker") else [("marker", "The marker is empty.")]
    if pick.kind == "pattern" and not get("pattern"):
        found.append(("pattern", "The regular expression is empty."))
    elif pick.kind == "pattern":
        found += [("pattern", words) for words in _pattern_problems("The regular expression", get("pattern"))]
    if pick.kind == "length" and get("least") > get("most"):
        found.append(("most", f"At least {get('least')} is more than at most {get('most')}."))
    if pick.kind == "repetition" and get("size") < 1:
        found.append(("size", "A run has one word at least."))
    if pick.kind == "json":
        found += [("schema", words) for words in _schema_told(get("schema"))]
    return found


def _schema_told(schema: Any) -> list[str]:
    try:
        found = schema_problems(schema)
        json.dumps(schema, allow_nan=False)
    except RecursionError:
        return ["The schema is nested too deeply."]
    except ValueError:
        return [*found, "The schema holds a number that is not finite, which JSON has no form for."]
    return found


def _pattern_problems(what: str, pattern: str) -> list[str]:
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        return [f"{what} cannot be read: {error}."]
    return []


def schema_problems(schema: Any) -> list[str]:
    """What of a JSON schema is wrong or not looked at."""
    if not isinstance(schema, Mapping):
        return ['A schema is an object, such as {"type": "object"}.']
    found = [f"`{word}` of the schema is not looked at: leave it out." for word in schema if word not in SCHEMA_WORDS]
    types = schema.get("type", [])
    known = ("object", "array", "string", "boolean", "null", "integer", "number")
    listed = types if isinstance(types, list) else [types]
    found += [f"`{one}` is no type of JSON." for one in listed if one not in known]
    properties = schema.get("properties", {})
    if not isinstance(properties, Mapping):
        return [*found, "`properties` of the schema is an object."]
    more = schema.get("additionalProperties", True)
    inner = [*properties.values(), *([schema["items"]] if "items" in schema else [])]
    inner += [] if isinstance(more, bool) else [more]
    for word, kind in (("required", list), ("enum", list), ("pattern", str)):
        if word in schema and not isinstance(schema[word], kind):
            found.append(f"`{word}` of the schema is a {'list' if kind is list else 'text'}.")
    names = schema.get("required", [])
    if isinstance(names, list) and not all(isinstance(name, str) for name in names):
        found.append("`required` of the schema is a list of names.")
    if isinstance(schema.get("pattern"), str):
        found += _pattern_problems("`pattern` of the schema", schema["pattern"])
    for word in ("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"):
        if word in schema and (isinstance(schema[word], bool) or not isinstance(schema[word], (int, float))):
            found.append(f"`{word}` of the schema is a number.")
    return [*found, *(one for part in inner for one in schema_problems(part))]


# The Python that it becomes ---------------------------------------------------------------------------------------


def function_source(pick: Pick) -> str:
    """The function of a reward, below a comment that says what it was made from."""
    settings = {one.name: pick.get(one.name) for one in pick.template.settings}
    head = f"# library: {pick.kind} {json.dumps(settings)}\n"
    column = pick.column
    tokens = pick.kind == "length" and settings["unit"] == "tokens"
    named = column if column and column.isidentifier() and not keyword.iskeyword(column) else None
    named = None if named in (*GIVEN, "completion", "cell") else named
    parameters = ["completions: list[Any]"]
    parameters += ["completion_ids: list[list[int]]"] if tokens else []
    parameters += [f"{named}: list[Any]"] if named else []
    optional = " | None" if column is not None else ""
    over = "completion in completions"
    if tokens:
        over = "ids in completion_ids"
    elif column is not None:
        cells = named or f"kwargs[{column!r}]"
        over = f"completion, cell in zip(completions, {cells}, strict=True)"
    score, arguments = _call(pick, settings, tokens)
    lines = "".join(f"            {argument},\n" for argument in arguments)
    return (
        f"{head}def {pick.name}({', '.join(parameters)}, **kwargs: Any) -> list[float{optional}]:\n"
        f"    {_docstring(pick)}\n    return [\n        {score}(\n{lines}        )\n        for {over}\n    ]\n"
    )


def _docstring(pick: Pick) -> str:
    return f'"""{pick.template.label}: {pick.template.about}"""'


def _call(pick: Pick, settings: Mapping[str, Any], tokens: bool) -> tuple[str, list[str]]:
    """The name of the score and its arguments, as source."""
    rest = {name: value for name, value in settings.items() if name not in ("column", "unit")}
    given = [f"{name}={value!r}" for name, value in rest.items()]
    first = "text_of(completion)"
    if pick.kind == "length":
        first = "len(ids)" if tokens else f"length_of({first}, {settings['unit']!r})"
    return f"{pick.kind}_score", [first, *(["cell"] if pick.column is not None else []), *given]


@cache
def _pieces() -> Mapping[str, str]:
    """Every function and table of the scores by its name, as source."""
    source = inspect.getsource(reward_scores)
    found = {}
    for node in ast.parse(source).body:
        text = ast.get_source_segment(source, node) or ""
        if isinstance(node, ast.FunctionDef):
            found[node.name] = text
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = text
    return found


def _used(source: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}


def library_source(picks: Iterable[Pick]) -> str:
    """Imports, the parts of the library that are used, and a function for each reward."""
    functions = [function_source(pick) for pick in picks]
    pieces = _pieces()
    names = _used("\n".join(functions))
    while True:
        more = set().union(names, *(_used(pieces[name]) for name in names if name in pieces))
        if more == names:
            break
        names = more
    modules = "".join(f"import {module}\n" for module in ("json", "math", "re") if module in names)
    parts = [pieces[name] + "\n" for name in pieces if name in names]
    return f"{modules}from typing import Any\n\n" + "\n\n".join([*parts, *functions])


def is_of_the_first(code: str, picks: Iterable[Pick]) -> bool:
    """Whether code was written for these rewards by one of the first releases. Raises SyntaxError and its like."""
    functions = {pick.name: function_source(pick) for pick in picks}
    modules, parts = "", []
    for node in ast.parse(code).body:
        text = ast.get_source_segment(code, node) or ""
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            modules += f"{text}\n"
        elif not isinstance(node, ast.FunctionDef) or node.name not in functions:
            parts.append(f"{text}\n")
    ours = {f"{text}\n" for text in _pieces().values()}
    known = all(part in ours or hashlib.sha256(part[:-1].encode()).hexdigest()[:16] in _FIRST for part in parts)
    plain = set(modules.splitlines()) <= {"import json", "import math", "import re", "from typing import Any"}
    return known and plain and code == f"{modules}\n" + "\n\n".join([*parts, *functions.values()])
