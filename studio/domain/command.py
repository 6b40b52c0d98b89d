"""Recipe to command line: `trl <method> ...` where flags can say everything, else `trl <method> --config`."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Any

from studio.domain.arguments import Argument, Catalog
from studio.domain.recipe import Recipe
from studio.domain.recipe_yaml import in_order
from studio.domain.values import flag_tokens, number_text

_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


@dataclass(frozen=True)
class Command:
    """A command line for a shell. `reasons` says, option by option, why flags could not say the recipe."""

    text: str
    reasons: tuple[str, ...] = ()

    @property
    def uses_config(self) -> bool:
        return bool(self.reasons)


def write_command(recipe: Recipe, catalog: Catalog, config: str = "recipe.yaml") -> Command:
    """The recipe as one command, an option a line; the `--config` form where flags cannot say it, and why."""
    words: list[list[str]] = []
    reasons: list[str] = []
    arguments = catalog.of(recipe.method)
    for name, value in in_order(recipe, catalog):
        argument = arguments.get(name) if name in recipe.values else None
        if argument is not None:
            tokens = flag_tokens(argument, value)
            why = _why(argument, value)
        else:
            tokens = None if _swallowed(name, arguments) else launch_tokens(name, value)
            why = "its value cannot be handed to accelerate as a flag"
        if tokens is None:
            reasons.append(f"`{name}`: {why}")
        else:
            words.append(tokens)
    words += [[f"--{name}"] for name in recipe.flags]
    reasons += [f"`env`: no shell takes a variable named {name}" for name in recipe.env if not _ENV_NAME.match(name)]
    reasons += [f"`env`: {name} holds a NUL character" for name, text in recipe.env.items() if "\0" in text]
    if reasons:
        return Command(config_command(recipe, config), tuple(reasons))
    prefix = "".join(f"{name}={shlex.quote(text)} " for name, text in recipe.env.items())
    lines = [f"{prefix}trl {recipe.method}", *(" ".join(shlex.quote(word) for word in option) for option in words)]
    return Command(" \\\n  ".join(lines))


def config_command(recipe: Recipe, config: str = "recipe.yaml") -> str:
    """`trl <method> --config <file>`, quoted for a shell."""
    return f"trl {recipe.method} --config {shlex.quote(config)}"


def launch_tokens(name: str, value: Any) -> list[str] | None:
    """An option of accelerate as words, or None where it cannot be said."""
    if value is None or isinstance(value, (dict, list)):
        return None
    text = number_text(value) if isinstance(value, float) else str(value)
    if "\0" in text or not text:
        return None
    if text.startswith("-"):
        # TRL looks for the profile as a word of its own.
        return None if name == "accelerate_config" else [f"--{name}={text}"]
    return [f"--{name}", text]


def _swallowed(name: str, arguments: Any) -> bool:
    """Whether TRL's parser would take the option for an abbreviation of one of its own."""
    return any(own.startswith(name) for own in arguments)


def _why(argument: Argument, value: Any) -> str:
    if "datasets" in argument.types:
        return "a mixture of datasets can only be written in YAML"
    if value is None:
        return "flags cannot say null here"
    if argument.flag.reads == "nothing":
        return "its flag reads no value"
    if isinstance(value, bool):
        return f"its flag would read the text '{value}'"
    if isinstance(value, list):
        return "its flag cannot say this list"
    if isinstance(value, dict):
        return "its flag would convert texts inside that look like numbers"
    return "its flag would read another value"
