"""The rewards of a recipe: what each is, what it needs of the data, its weight; how they change, and what is wrong."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from studio.domain.arguments import Catalog
from studio.domain.findings import Finding, Fix, Where, finding
from studio.domain.mapping import DataMapping
from studio.domain.recipe import Recipe
from studio.domain.reward_code import FILE_NAME, MODULE, Function, code_findings, functions_in, may_have, read_file
from studio.domain.reward_library import KEPT_BACK, Pick, problems

METHODS = ("grpo", "rloo")
FUNCTIONS, WEIGHTS, MODEL = "reward_funcs", "reward_weights", "reward_model_name_or_path"
OPTIONS = (FUNCTIONS, WEIGHTS, MODEL)
_MARKED = "after the marker"  # of the library's ways to find an answer
Source = Literal["model", "trl", "library", "own", "module", "unknown"]
# What TRL's own functions can give; TRL says it nowhere but in their documentation.
_SPANS = {
    "accuracy_reward": (0.0, 1.0),
    "reasoning_accuracy_reward": (0.0, 1.0),
    "think_format_reward": (0.0, 1.0),
    "get_soft_overlong_punishment": (-1.0, 0.0),
}


@dataclass(frozen=True)
class BuiltIn:
    """A reward function that TRL knows by name: the columns it needs, whether it needs messages, TRL's settings."""

    name: str
    about: str = ""
    needs: tuple[str, ...] = ()
    messages: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Reward:
    """One reward of a recipe: `key` as TRL is told it, `needs` the columns without which it stops.

    `span` is the least and the most it can give, None where nobody knows; `pick` its settings where it is the
    library's, `other_release` that its code is not what this release writes for it; `function` what is known of it
    from its code, `read` whether that code could be read here, `named` whether it gives the name to something, a
    function or not: what `functools.partial` makes, or an import.
    """

    key: str
    source: Source
    weight: float = 1.0
    about: str = ""
    needs: tuple[str, ...] = ()
    messages: bool = False
    span: tuple[float, float] | None = None
    pick: Pick | None = None
    other_release: bool = False
    function: Function | None = None
    read: bool = False
    named: bool = False

    @property
    def name(self) -> str:
        """What it is called in TRL's metrics."""
        return self.key.rstrip("/").rpartition("/" if self.source == "model" else ".")[2]


def functions_of(recipe: Recipe) -> list[str]:
    """The reward functions as the recipe names them."""
    given = recipe.get(FUNCTIONS)
    return [str(name) for name in given] if isinstance(given, list) else [given] if isinstance(given, str) else []


def keys_of(recipe: Recipe) -> list[str]:
    """What scores, in TRL's order: the reward model first, then the functions."""
    model = recipe.get(MODEL)
    return [*([model] if isinstance(model, str) and model else []), *functions_of(recipe)]


def weights_of(recipe: Recipe) -> list[float]:
    """The weight of each reward; 1.0 for those of which the recipe says none, or no number."""
    given = recipe.get(WEIGHTS)
    said = list(given) if isinstance(given, list) else []
    number = len(keys_of(recipe))
    weights = [float(one) if isinstance(one, (int, float)) and not isinstance(one, bool) else 1.0 for one in said]
    return [*weights[:number], *[1.0] * (number - len(weights))]


def rewards_of(
    recipe: Recipe, built_in: Mapping[str, BuiltIn], source: Callable[[str], str | None] = lambda module: None
) -> list[Reward]:
    """The rewards of a recipe; `source` gives the code of a module that lies here."""
    has_model = len(keys_of(recipe)) > len(functions_of(recipe))
    found = []
    for place, (key, weight) in enumerate(zip(keys_of(recipe), weights_of(recipe), strict=True)):
        if has_model and place == 0:
            found.append(Reward(key, "model", weight, "A model with one score as its output."))
        elif key in built_in:
            one = built_in[key]
            found.append(Reward(key, "trl", weight, one.about, one.needs, one.messages, _SPANS.get(key)))
        else:
            found.append(replace(_of_code(recipe, key, source), weight=weight))
    return found


def _of_code(recipe: Recipe, key: str, source: Callable[[str], str | None]) -> Reward:
    module, _, name = key.rpartition(".")
    if module == MODULE and recipe.reward_code:
        file = read_file(recipe.reward_code)
        pick = next((one for one in file.picks if one.name == name), None)
        if pick is not None:
            needs = (pick.column,) if pick.column is not None else ()
            about, span, other = pick.template.about, pick.template.span, bool(file.written)
            return Reward(key, "library", 1.0, about, needs, span=span, pick=pick, other_release=other)
        code: str | None = recipe.reward_code
        kind: Source = "own"
    else:
        code, kind = source(module) if module else None, "module" if module else "unknown"
    function = next((one for one in functions_in(code or "") if one.name == name), None)
    if function is None:
        return Reward(key, kind, read=code is not None, named=may_have(code or "", name))
    return Reward(key, kind, 1.0, function.about, function.needs, function=function, read=True, named=True)


# Changing them ---------------------------------------------------------------------------------------------------


def with_rewards(recipe: Recipe, catalog: Catalog, keys: Sequence[str], weights: Sequence[float], model: str) -> Recipe:
    """The recipe with these functions, and a weight each, the model's first where there is one."""
    changes: dict[str, Any] = {}
    unset = []
    plain = all(weight == 1.0 for weight in weights)
    for name, value in ((FUNCTIONS, list(keys)), (MODEL, model), (WEIGHTS, [] if plain else list(weights))):
        if value:
            changes[name] = value
        else:
            unset.append(name)
    return recipe.with_changes(catalog, changes, tuple(unset))


def added(recipe: Recipe, catalog: Catalog, key: str) -> Recipe:
    """The recipe with one more function, of weight 1."""
    keys, weights = functions_of(recipe), weights_of(recipe)
    return with_rewards(recipe, catalog, [*keys, key], [*weights, 1.0], _model(recipe))


def removed(recipe: Recipe, catalog: Catalog, place: int) -> Recipe:
    """The recipe without its reward number `place`, the model being the first; its code and its weight go with it."""
    keys, weights, model = keys_of(recipe), weights_of(recipe), _model(recipe)
    if not 0 <= place < len(keys):
        return recipe
    gone = keys.pop(place)
    weights.pop(place)
    if model and place == 0:
        return with_rewards(recipe, catalog, keys, weights, "")
    left = with_rewards(recipe, catalog, keys[1:] if model else keys, weights, model)
    parts = read_file(recipe.reward_code)
    kept = tuple(pick for pick in parts.picks if f"{MODULE}.{pick.name}" != gone or gone in keys)
    return replace(left, reward_code=parts.with_picks(kept).text()) if kept != parts.picks else left


def moved(recipe: Recipe, catalog: Catalog, place: int, up: bool) -> Recipe:
    """The recipe with a function one place up or down, its weight with it; the model stays the first."""
    keys, weights, model = keys_of(recipe), weights_of(recipe), _model(recipe)
    first, other = (1 if model else 0), place - 1 if up else place + 1
    if not (first <= place < len(keys) and first <= other < len(keys)):
        return recipe
    keys[place], keys[other] = keys[other], keys[place]
    weights[place], weights[other] = weights[other], weights[place]
    return with_rewards(recipe, catalog, keys[first:], weights, model)


def weighed(recipe: Recipe, catalog: Catalog, place: int, weight: float) -> Recipe:
    """The recipe with another weight for one reward."""
    weights = weights_of(recipe)
    if not 0 <= place < len(weights):
        return recipe
    weights[place] = weight
    return with_rewards(recipe, catalog, functions_of(recipe), weights, _model(recipe))


def with_model(recipe: Recipe, catalog: Catalog, model: str) -> Recipe:
    """The recipe with this reward model, or without one; the functions keep their weights."""
    weights = weights_of(recipe)[1 if _model(recipe) else 0 :]
    own = weights_of(recipe)[:1] if _model(recipe) else [1.0]
    return with_rewards(recipe, catalog, functions_of(recipe), [*(own if model else []), *weights], model)


def picked(recipe: Recipe, catalog: Catalog, pick: Pick) -> Recipe:
    """The recipe with one more reward of the library, under a name that is free."""
    taken = {one.name for one in functions_in(recipe.reward_code)}
    name, number = pick.name, 2
    while name in taken:
        name, number = f"{pick.name}_{number}", number + 1
    parts = read_file(recipe.reward_code)
    whole = replace(recipe, reward_code=parts.with_picks((*parts.picks, replace(pick, name=name))).text())
    return added(whole, catalog, f"{MODULE}.{name}")


def settled(recipe: Recipe, catalog: Catalog, before: Pick, after: Pick) -> Recipe:
    """The recipe with a reward of the library under other settings, or another name."""
    parts = read_file(recipe.reward_code)
    picks = tuple(after if one.name == before.name else one for one in parts.picks)
    old, new = f"{MODULE}.{before.name}", f"{MODULE}.{after.name}"
    keys = [new if key == old else key for key in functions_of(recipe)]
    whole = replace(recipe, reward_code=parts.with_picks(picks).text())
    return with_rewards(whole, catalog, keys, weights_of(recipe), _model(recipe))


def following(recipe: Recipe, catalog: Catalog, mapping: DataMapping, columns: Collection[str]) -> Recipe:
    """The recipe once its data were prepared by a mapping: rewards that compared with the solution's column still do.

    `columns` are those of the prepared data: a reward whose column is still among them stays with it.
    """
    solution = mapping.source("solution")
    if solution is None or solution.column in columns or "solution" not in columns:
        return recipe
    for pick in read_file(recipe.reward_code).picks:
        if pick.column == solution.column:
            settings = {**pick.settings, "column": "solution"}
            if mapping.after and pick.get("marker") == mapping.after and pick.get("expected_find") == _MARKED:
                settings["expected_find"] = "whole text"  # the marker was taken away with what stood before it
            recipe = settled(recipe, catalog, pick, replace(pick, settings=settings))
    return recipe


def renewed(recipe: Recipe) -> Recipe:
    """The recipe with the library's rewards as this release writes them."""
    parts = read_file(recipe.reward_code)
    return replace(recipe, reward_code=parts.with_picks(parts.picks).text()) if parts.written else recipe


def with_own_code(recipe: Recipe, code: str) -> Recipe:
    """The recipe with other own code; the library's part stays."""
    return replace(recipe, reward_code=replace(read_file(recipe.reward_code), own=code).text())


def _model(recipe: Recipe) -> str:
    model = recipe.get(MODEL)
    return model if isinstance(model, str) else ""


# What is wrong ---------------------------------------------------------------------------------------------------


def reward_findings(
    recipe: Recipe,
    rewards: Sequence[Reward],
    built_in: Mapping[str, BuiltIn],
    in_effect: Callable[[str], Any],
    has_package: Callable[[str], bool] | None = None,
) -> list[Finding]:
    """What is wrong with the rewards and their code; the data aside, see `column_findings`.

    `has_package` says what can be imported on the machine of the run; None where that is another one.
    """
    found: list[Finding] = []
    if any(one.source in ("library", "own") for one in rewards):
        found += code_findings(recipe.reward_code)
    broken = any(one.where.name == FILE_NAME and one.level == "error" for one in found)
    for reward in rewards:
        if reward.source == "unknown":
            found.append(_unknown(recipe, reward, built_in))
        elif reward.source == "module" and not reward.read:
            found += _elsewhere(reward, has_package)
        elif reward.read and not reward.named and not broken:
            found.append(_absent(recipe, reward))
        elif reward.function is not None and not reward.function.takes_all:
            where = _at(reward)
            why = "TRL hands over more than it names: prompts, every column and more. Add `**kwargs`."
            found.append(Finding("error", where, f"`{reward.name}` takes no `**kwargs`.", why))
        if reward.pick is not None:
            found += [finding("error", FUNCTIONS, f"{reward.name}: {words}") for words in problems(reward.pick)]
    names = [reward.name for reward in rewards]
    for name in sorted({name for name in names if names.count(name) > 1}):
        why = "Their metrics have one name, so their plots would be mixed up."
        found.append(finding("warning", FUNCTIONS, f"Two rewards are called `{name}`.", why))
    if rewards and not any(reward.weight for reward in rewards):
        found.append(finding("error", WEIGHTS, "All rewards weigh nothing.", "Nothing would be learnt."))
    return [*found, *_overlong(rewards, built_in, in_effect)]


def _at(reward: Reward) -> Where:
    if reward.source == "own" and reward.function is not None:
        return Where("file", FILE_NAME, line=reward.function.line)
    return Where("argument", FUNCTIONS)


def _short(name: str) -> str:
    """A name in a sentence: whatever was typed, the sentence stays one."""
    return name if len(name) <= 80 else f"{name[:79]}…"


def _unknown(recipe: Recipe, reward: Reward, built_in: Mapping[str, BuiltIn]) -> Finding:
    near = difflib.get_close_matches(reward.key, built_in, 1)
    why = f"TRL knows {', '.join(f'`{name}`' for name in built_in)}; own functions are `module.function`."
    fix = _instead(recipe, reward.key, near[0] if near else None)
    return finding("error", FUNCTIONS, f"TRL knows no reward function `{_short(reward.key)}`.", why, fix)


def _absent(recipe: Recipe, reward: Reward) -> Finding:
    own = reward.source == "own"
    known = [one.name for one in functions_in(recipe.reward_code)] if own else []
    near = difflib.get_close_matches(reward.name, known, 1)
    fix = _instead(recipe, reward.key, f"{MODULE}.{near[0]}" if near else None)
    why = "TRL would stop with an AttributeError before it loads the model."
    file = FILE_NAME if own else reward.key.rpartition(".")[0].replace(".", "/") + ".py"
    # A module may make its functions in ways that are only seen when it is run.
    level: Literal["error", "warning"] = "error" if own else "warning"
    return finding(level, FUNCTIONS, f"{_short(file)} has no function `{_short(reward.name)}`.", why, fix)


def _elsewhere(reward: Reward, has_package: Callable[[str], bool] | None) -> Iterable[Finding]:
    """A module that does not lie here: what is installed may hold it."""
    module = reward.key.rpartition(".")[0]
    if has_package is None or has_package(module.split(".")[0]):
        return
    file = module.replace(".", "/") + ".py"
    write = "Write it in the rewards' own code, or open" if module == MODULE else "Open"
    why = f"TRL imports it from the run's folder. {write} the recipe in the folder where {_short(file)} lies."
    yield finding("error", FUNCTIONS, f"There is no module `{_short(module)}` here, for `{_short(reward.name)}`.", why)


def _instead(recipe: Recipe, key: str, other: str | None) -> Fix | None:
    """The change of one function for another."""
    if other is None or other in functions_of(recipe):
        return None
    return Fix(f"Use {other}", {FUNCTIONS: [other if one == key else one for one in functions_of(recipe)]})


def _overlong(
    rewards: Iterable[Reward], built_in: Mapping[str, BuiltIn], in_effect: Callable[[str], Any]
) -> Iterable[Finding]:
    """A punishment for length that no completion is long enough for."""
    for reward in rewards:
        settings = built_in[reward.key].settings if reward.source == "trl" else {}
        most, soft = settings.get("max_completion_len"), settings.get("soft_punish_cache")
        limit = in_effect("max_completion_length")
        if isinstance(most, int) and isinstance(soft, int) and isinstance(limit, int) and limit <= most - soft:
            why = f"It begins beyond {most - soft} tokens, and `max_completion_length` is {limit}: it is always 0."
            yield finding("warning", FUNCTIONS, f"`{reward.key}` never punishes.", why)


def column_findings(recipe: Recipe, rewards: Sequence[Reward], columns: Sequence[str]) -> list[Finding]:
    """What the rewards need and the data lacks. TRL's own functions are judged with the dataset."""
    found = []
    if not columns:
        return []
    needy = [reward for reward in rewards if reward.needs]
    for reward in needy:
        for name in reward.needs:
            if name in KEPT_BACK and reward.pick is None:
                why = "TRL passes on every column but prompt, completion and completion_ids."
                found.append(Finding("error", _at(reward), f"`{reward.name}` asks for the column `{name}`.", why))
            elif name not in columns and reward.source != "trl":
                has = ", ".join(f"`{one}`" for one in columns if one not in KEPT_BACK) or "nothing but the prompt"
                words = f"`{reward.name}` needs a column `{name}`, and the data has none."
                why = f"TRL would stop at the first batch. It passes on {has}."
                found.append(Finding("error", _at(reward), words, why))
    if needy and recipe.get("remove_unused_columns") is True:
        fix = Fix("Keep the columns", {}, ("remove_unused_columns",))
        why = "TRL takes away every column but the prompt, so the rewards get none."
        found.append(finding("error", "remove_unused_columns", "The rewards' columns are removed.", why, fix))
    return found
