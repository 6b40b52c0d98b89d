"""Asks TRL's own parser and config classes about a recipe: what they would say after the imports, said before."""

from __future__ import annotations

import contextlib
import importlib
import io
import warnings

from studio.domain.recipe_yaml import method_in_comments


def refusal(path: str) -> str | None:
    """The message with which TRL refuses the YAML at `path`, or None where its configs can be built."""
    with open(path, encoding="utf-8") as file:
        method = method_in_comments(file.read())
    parser = importlib.import_module(f"trl.scripts.{method}").make_parser(prog=f"trl {method}")
    said = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stderr(said):
        warnings.simplefilter("ignore")
        try:
            parser.parse_args_and_config(["--config", path], return_remaining_strings=True)
        except SystemExit:
            return said.getvalue().strip().splitlines()[-1]
        except Exception as error:  # noqa: BLE001 - whatever TRL raises is its answer
            return f"{error}" or type(error).__name__
    return None
