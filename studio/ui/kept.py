"""What the browser keeps of a form, so that a reload, a closed tab or a restarted studio loses nothing; no secrets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from studio.domain.methods import METHOD_NAMES
from studio.domain.recipe import Recipe
from studio.domain.secrets import without_secrets
from studio.service.studio import Studio
from studio.ui.form import Form, dataset_text

VERSION = 1
STORAGE_KEY = "trl-studio-form"
# Gradio encrypts what it keeps; a fixed word lets the next start of the studio read it. It guards nothing secret.
STORAGE_WORD = "trl-studio"


def kept(form: Form) -> dict[str, Any]:
    """The form as JSON: what the user chose, without tokens and without what can be found out again."""
    recipe, _ = without_secrets(form.recipe)
    return {
        "version": VERSION,
        "method": recipe.method,
        "values": dict(recipe.values),
        "launch": dict(recipe.launch),
        "flags": list(recipe.flags),
        "env": dict(recipe.env),
        "unknown": dict(recipe.unknown),
        "order": list(recipe.order),
        "pinned": sorted(recipe.pinned),
        "reward_code": recipe.reward_code,
        "held": sorted(form.held),
        "demo": sorted(form.demo),
        "elsewhere": form.elsewhere,
        "typed": form.typed,
        "tags": list(form.tags),
        "shown": form.shown,
        "preset": form.preset,
    }


def restored(studio: Studio, found: Any) -> Form | None:
    """The form that a browser kept; None where it kept none, or nothing that can be read.

    A key that the installed TRL does not know any more stays, as one that nothing takes. Data is not looked at yet.
    """
    if not isinstance(found, dict) or found.get("version") != VERSION or found.get("method") not in METHOD_NAMES:
        return None
    groups = [found.get(name) for name in ("values", "launch", "unknown")]
    changes = {str(key): value for group in groups if isinstance(group, dict) for key, value in group.items()}
    flags = dict.fromkeys(_texts(found.get("flags")), True)
    pinned = frozenset(_texts(found.get("pinned")))
    env = found.get("env")
    catalog = studio.arguments.get()
    bare = Recipe(str(found["method"]), pinned=pinned)
    recipe = bare.with_changes(catalog, {**changes, **flags, "env": env if isinstance(env, dict) else {}})
    # A value that equals TRL's default and was kept all the same is not lost either.
    values = {name: value for name, value in changes.items() if name in catalog.of(recipe.method)}
    recipe = replace(recipe, values=values, order=tuple(_texts(found.get("order"))))
    if isinstance(found.get("reward_code"), str):
        recipe = replace(recipe, reward_code=found["reward_code"])
    form = Form(recipe, elsewhere=found.get("elsewhere") is True, tags=tuple(_texts(found.get("tags"))))
    form.typed = str(found.get("typed") or dataset_text(recipe))
    form.shown = "command" if found.get("shown") == "command" else "yaml"
    form.preset = found["preset"] if isinstance(found.get("preset"), str) else None
    form.held = frozenset(_texts(found.get("held"))) & frozenset(recipe.values)
    form.demo = {name: recipe.values[name] for name in _texts(found.get("demo")) if name in recipe.values}
    form.unseen = bool(recipe.get("dataset_name") or recipe.get("datasets"))
    return form


def _texts(found: Any) -> list[str]:
    return [item for item in found if isinstance(item, str)] if isinstance(found, list) else []
