"""TRL's own parser, asked in this process: what it makes of a YAML or of a command line."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import io
import warnings
from collections.abc import Iterator
from enum import Enum
from typing import Any


@contextlib.contextmanager
def unvalidated(parser: Any) -> Iterator[None]:
    """Builds the dataclasses without their checks, so that every argument may have any value of its type."""
    checked = [kind for kind in parser.dataclass_types if kind.__name__ != "DatasetMixtureConfig"]
    originals = {kind: kind.__post_init__ for kind in checked if hasattr(kind, "__post_init__")}
    for kind in originals:
        kind.__post_init__ = lambda self: None
    try:
        yield
    finally:
        for kind, original in originals.items():
            kind.__post_init__ = original


def parse(method: str, argv: list[str], validate: bool = False) -> tuple[dict[str, Any], list[str]]:
    """The fields of TRL's dataclasses after parsing `argv`, and the words left for accelerate.

    Raises ValueError with argparse's message where TRL refuses.
    """
    parser = importlib.import_module(f"trl.scripts.{method}").make_parser(prog=f"trl {method}")
    errors = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stderr(errors):
        warnings.simplefilter("ignore")
        try:
            with contextlib.nullcontext() if validate else unvalidated(parser):
                *parsed, rest = parser.parse_args_and_config(argv, return_remaining_strings=True)
        except SystemExit:
            raise ValueError(errors.getvalue().strip().splitlines()[-1]) from None
    fields: dict[str, Any] = {}
    for part in parsed:
        for field in dataclasses.fields(part):
            if field.init:
                fields[field.name] = plain(getattr(part, field.name))
    return fields, rest


def plain(value: Any) -> Any:
    """Enums, tuples and dataclasses as plain values, to compare with a recipe's."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return value
