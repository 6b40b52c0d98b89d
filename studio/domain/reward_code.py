"""The file rewards.py beside a recipe: own functions above, the library's below; written, read back, and looked at."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace

from studio.domain.findings import Finding, Where
from studio.domain.reward_library import GIVEN, TEMPLATES, Pick, function_source, is_of_the_first, library_source
from studio.domain.secrets import is_secret

FILE_NAME, MODULE = "rewards.py", "rewards"
LARGEST = 100_000  # characters
HEADER = '"""Reward functions of this recipe. TRL imports them as `rewards.NAME` from the folder that it works in."""\n'
LINE = "# From the studio's library of rewards. A change below this line makes all of it own code.\n"
OWN_TEMPLATE = '''"""Own reward functions: each gets all completions of a batch and returns one number for each."""


def ends_politely(prompts, completions, **kwargs):
    """1.0 for a completion that says thank you, else 0.0.

    `prompts` and `completions` are texts, or lists of messages where the prompts are messages. Every other column of
    the data comes under its own name: write `answer` as a parameter for a column `answer`. None leaves a row out.
    """
    rewards = []
    for completion in completions:
        text = completion if isinstance(completion, str) else completion[-1]["content"]
        rewards.append(1.0 if "thank you" in text.lower() else 0.0)
    return rewards
'''
_MADE_FROM = re.compile(r"^# library: (\w+) (\{.*\})\ndef (\w+)\(", re.MULTILINE)
# What tells code that another release of the studio wrote from code that was changed by hand; it keeps nobody from
# making one.
_SEAL = "# sha256 of what follows: "
_BESIDE = f"# {FILE_NAME}, to be saved beside this file:\n"


@dataclass(frozen=True)
class RewardFile:
    """What rewards.py is made of: rewards of the library, and own code.

    `written` is the library's part as another release of the studio wrote it, kept as it is; "" is this release's.
    """

    picks: tuple[Pick, ...] = ()
    own: str = ""
    written: str = ""

    @property
    def code(self) -> str:
        """The library's part."""
        return self.written or library_source(self.picks)

    def with_picks(self, picks: Iterable[Pick]) -> RewardFile:
        """The file with these rewards of the library, all in this release's code: parts of it they have in common."""
        return replace(self, picks=tuple(picks), written="")

    def text(self) -> str:
        """The whole file; `` where there is nothing in it."""
        own = self.own.rstrip() + "\n" if self.own.strip() else ""
        if not self.picks:
            return own
        return f"{own or HEADER}\n\n{LINE}{_sealed(self.code)}"


def _sealed(code: str) -> str:
    return f"{_SEAL}{hashlib.sha256(code.encode('utf-8', 'surrogatepass')).hexdigest()}\n\n{code}"


def read_file(text: str) -> RewardFile:
    """The parts of a rewards.py. A library part that was changed by hand is own code."""
    head, line, rest = text.partition(LINE)
    if not line:
        return RewardFile(own=text)
    own = "" if head.rstrip() + "\n" == HEADER else head
    picks = []
    for kind, settings, name in _MADE_FROM.findall(rest):
        if kind not in TEMPLATES:
            return RewardFile(own=text)
        try:
            picks.append(Pick(kind, name, json.loads(settings)))
        except ValueError:
            return RewardFile(own=text)
    sealed = rest.startswith(_SEAL)
    code = rest.partition("\n\n")[2] if sealed else rest.removeprefix("\n")
    found = RewardFile(tuple(picks), own)
    try:
        if code != found.code and (rest == _sealed(code) or (not sealed and is_of_the_first(code, picks))):
            found = replace(found, written=code)
            for pick in picks:  # settings of which this release can make nothing are none to edit
                function_source(pick)
        same = found.text() in (text, f"{head}{LINE}{_sealed(code)}") and rest in (_sealed(code), f"\n{code}")
    except (LookupError, TypeError, ValueError, AttributeError, SyntaxError, RecursionError, MemoryError):
        same = False
    return found if same and picks else RewardFile(own=text)


# In one text with the recipe ----------------------------------------------------------------------------------------


def with_code(yaml_text: str, code: str) -> str:
    """A recipe's text with rewards.py as a comment at its end, where a single text has to hold all."""
    if not code:
        return yaml_text
    lines = "".join(f"#   {line}\n" if line else "#\n" for line in code.removesuffix("\n").split("\n"))
    return f"{yaml_text.rstrip()}\n\n{_BESIDE}{lines}"


def take_code(text: str) -> tuple[str, str]:
    """A recipe's text without the rewards.py that stands in it as a comment, and that file's text."""
    plain = text.replace("\r\n", "\n")
    before, beside, after = plain.partition(_BESIDE)
    if not beside:
        return text, ""
    code = []
    lines = after.split("\n")
    while lines and (lines[0].startswith("#   ") or lines[0].rstrip() == "#"):
        code.append(lines.pop(0)[4:])
    rest = "\n".join(lines)
    return before.rstrip() + "\n" + rest, "\n".join(code).rstrip("\n") + "\n" if code else ""


# Looking at it, never running it ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Function:
    """A function of some code: the columns that it cannot do without, and the first line of what it says of itself."""

    name: str
    line: int
    needs: tuple[str, ...]
    about: str
    takes_all: bool


def parsed(code: str) -> ast.Module | Finding:
    """The code as Python sees it, or what keeps Python from reading it."""
    if len(code) > LARGEST:
        why = f"It has {len(code):,} characters, and {LARGEST:,} are the most that a recipe holds."
        return Finding("error", Where("file", FILE_NAME), "The code is too long.", why)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd escapes and the like: the run will say so
            return ast.parse(code)
    except SyntaxError as error:
        where = Where("file", FILE_NAME, line=error.lineno or 1)
        words = (error.msg or "it cannot be read")[:200]
        return Finding("error", where, f"Python cannot read the code: {words}.", (error.text or "").strip()[:200])
    except (ValueError, RecursionError, MemoryError) as error:
        words = str(error) or "it is nested too deeply"
        return Finding("error", Where("file", FILE_NAME), f"Python cannot read the code: {words}.")


def functions_in(code: str) -> list[Function]:
    """The functions that a reward may be, in their order; none where the code cannot be read."""
    tree = parsed(code)
    if isinstance(tree, Finding):
        return []
    found = {}
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not node.name.startswith("_"):
            about = (ast.get_docstring(node) or "").strip().split("\n")[0]
            found[node.name] = _function(node.name, node, about)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
            for one in node.targets:
                if isinstance(one, ast.Name) and not one.id.startswith("_"):
                    found[one.id] = _function(one.id, node.value)
    return list(found.values())


def _function(name: str, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, about: str = "") -> Function:
    given = node.args
    positional = [*given.posonlyargs, *given.args]
    required = positional[: len(positional) - len(given.defaults)]
    required += [one for one, default in zip(given.kwonlyargs, given.kw_defaults, strict=True) if default is None]
    needs = tuple(one.arg for one in required if one.arg not in GIVEN)
    return Function(name, node.lineno, needs, about, given.kwarg is not None)


def names_in(code: str) -> set[str]:
    """Every name that the code gives something to at its outermost level: functions, classes, imports, values."""
    tree = parsed(code)
    names: set[str] = set()
    waiting: list[ast.AST] = [tree] if isinstance(tree, ast.Module) else []
    while waiting:  # what stands in an `if` or a `try` is no less the module's
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        else:
            waiting += ast.iter_child_nodes(node)
    return names


def may_have(code: str, name: str) -> bool:
    """Whether code that runs may have given something to a name: also by `import *`, or as it is asked for."""
    return not names_in(code).isdisjoint({name, "*", "__getattr__"})


def code_findings(code: str) -> list[Finding]:
    """What is wrong with a rewards.py as a text."""
    tree = parsed(code)
    if isinstance(tree, Finding):
        return [tree]
    found = []
    where = Where("file", FILE_NAME)
    parts = read_file(code)
    if parts.picks:
        below = names_in(parts.code) - {"Any", "json", "math", "re"}
        twice = sorted(names_in(parts.own) & below)
        if twice:
            why = "The library's part stands below and would replace it: give your own another name."
            found.append(Finding("error", where, f"`{twice[0]}` is in the library's part too.", why))
    for number, line in enumerate(code.split("\n"), 1):
        if is_secret("", line):
            why = "Whoever gets the recipe gets the account. Read it from the environment: os.environ."
            found.append(Finding("warning", Where("file", FILE_NAME, line=number), "A token stands in the code.", why))
    return found


def lacking_kwargs(functions: Iterable[Function]) -> list[Function]:
    """Functions that take no `**kwargs`: TRL hands over more than they name, and they stop at it."""
    return [function for function in functions if not function.takes_all]
