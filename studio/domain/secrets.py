"""Tokens and passwords in a recipe: found by name or look, so that nothing that is kept or shown holds them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from studio.domain.recipe import Recipe

_NAME = re.compile(
    r"(^|_)((hub|push_to_hub|auth|access|api|hf)_token|token|api_?key|secret|password|passwd)$", re.IGNORECASE
)
_VARIABLE = re.compile(r"TOKEN|KEY|SECRET|PASSWORD|PASSWD", re.IGNORECASE)
_LOOK = re.compile(r"\bhf_[A-Za-z0-9]{20,}")
# Tokens of text, and no secrets: options whose names end as one does.
_OF_TEXT = ("eos_token", "pad_token", "bos_token", "unk_token", "sep_token", "cls_token", "mask_token", "image_token")


def is_secret(name: str, value: Any = None) -> bool:
    """Whether an option or a key inside one is a secret, by its name or by what its value looks like."""
    if _NAME.search(name) and name not in _OF_TEXT and not isinstance(value, (bool, type(None))):
        return True
    if isinstance(value, str):
        return bool(_LOOK.search(value))
    if isinstance(value, Mapping):
        return any(is_secret(str(key), inner) for key, inner in value.items())
    return isinstance(value, (list, tuple)) and any(is_secret("", item) for item in value)


def without_secrets(recipe: Recipe) -> tuple[Recipe, tuple[str, ...]]:
    """The recipe without its secrets, and the names of what was taken out."""
    groups = (recipe.values, recipe.launch, recipe.unknown)
    named = {name for group in groups for name, value in group.items() if is_secret(name, value)}
    variables = {name for name, text in recipe.env.items() if _VARIABLE.search(name) or is_secret(name, text)}
    values, launch, unknown = ({k: v for k, v in group.items() if k not in named} for group in groups)
    env = {name: text for name, text in recipe.env.items() if name not in variables}
    bare = replace(recipe, values=values, launch=launch, unknown=unknown, env=env)
    return bare, (*sorted(named), *sorted(variables))
