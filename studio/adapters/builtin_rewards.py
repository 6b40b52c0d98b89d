"""TRL's own reward functions, read from the source of the installed TRL without importing it."""

from __future__ import annotations

import ast
import importlib.util
from functools import cache
from pathlib import Path

from studio.domain.reward_library import GIVEN
from studio.domain.rewards import BuiltIn

_REGISTRY = "reward_funcs_registry"


@cache
def built_in_rewards(method: str) -> dict[str, BuiltIn]:
    """What `trl METHOD` takes by name as `reward_funcs`, in its order; {} where its source says none."""
    spec = importlib.util.find_spec("trl")
    if spec is None or spec.origin is None:
        return {}
    root = Path(spec.origin).parent
    registry = _registry(_tree(root / "scripts" / f"{method}.py"))
    rewards = [_tree(path) for path in sorted((root / "rewards").glob("*.py"))]
    return {name: _described(name, value, rewards) for name, value in registry.items()}


def _tree(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):
        return ast.Module([], [])


def _registry(tree: ast.Module) -> dict[str, ast.expr]:
    """The entries of the dictionary by which TRL's script looks names up."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Dict)
            and any(isinstance(target, ast.Name) and target.id == _REGISTRY for target in node.targets)
        ):
            pairs = zip(node.value.keys, node.value.values, strict=True)
            return {str(key.value): value for key, value in pairs if isinstance(key, ast.Constant)}
    return {}


def _described(name: str, value: ast.expr, trees: list[ast.Module]) -> BuiltIn:
    called = value.func if isinstance(value, ast.Call) else value
    settings = {}
    if isinstance(value, ast.Call):
        settings = {
            one.arg: one.value.value for one in value.keywords if one.arg and isinstance(one.value, ast.Constant)
        }
    function = _function(called.id if isinstance(called, ast.Name) else name, trees)
    if function is None:
        return BuiltIn(name, settings=settings)
    about = " ".join((ast.get_docstring(function) or "").split("\n\n")[0].split(" - ")[0].split())
    if isinstance(value, ast.Call):  # a factory: what it makes is handed the completions' tokens
        return BuiltIn(name, _sentence(about), settings=settings)
    arguments = function.args
    required = [one.arg for one in arguments.args[: len(arguments.args) - len(arguments.defaults)]]
    needs = tuple(one for one in required if one not in GIVEN)
    annotation = next((one.annotation for one in arguments.args if one.arg == "completions"), None)
    messages = annotation is not None and "dict" in ast.unparse(annotation)
    return BuiltIn(name, _sentence(about), needs, messages, settings)


def _function(name: str, trees: list[ast.Module]) -> ast.FunctionDef | None:
    for tree in trees:
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name == name:
                return node
    return None


def _sentence(text: str) -> str:
    """The first sentence, without the words that open each of TRL's docstrings."""
    first = text.split(". ")[0].rstrip(".:")
    first = first.removeprefix("Reward function that ")
    return f"{first[:1].upper()}{first[1:]}." if first else ""
