"""The rewards of recipes: what they are, what a run's folder needs of them, what is wrong, and a trial of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from studio.adapters.builtin_rewards import built_in_rewards
from studio.adapters.machine import has_package
from studio.adapters.processes import end_below
from studio.adapters.reward_trial import try_rewards
from studio.domain.arguments import Catalog
from studio.domain.errors import StudioError
from studio.domain.findings import Finding
from studio.domain.recipe import Recipe
from studio.domain.reward_code import FILE_NAME, LARGEST, MODULE, read_file, take_code, with_code
from studio.domain.reward_trial import Sample, Trial, arguments_for, judged, samples_of
from studio.domain.rewards import METHODS, BuiltIn, Reward, column_findings, functions_of, reward_findings, rewards_of
from studio.service.access import Access
from studio.service.data import Inspection
from studio.service.paths import Paths

_MOST_FAILED = 200
Files = dict[str, Path | bytes]
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


@dataclass(frozen=True)
class Ask:
    """What a trial is made with: the completions typed, or the column whose cells are the completions."""

    typed: Sequence[str] = ()
    column: str | None = None
    rows: int = 5


def rewards_in(recipe: Recipe, paths: Paths) -> list[Reward]:
    """The rewards of a recipe with what is known of each; none where the method takes none."""
    if recipe.method not in METHODS:
        return []
    return rewards_of(recipe, built_in_rewards(recipe.method), partial(_source, paths))


def reward_files(recipe: Recipe, paths: Paths) -> Files:
    """What the run's folder has to hold for the reward functions that are named as `module.function`.

    The recipe's own rewards.py comes before one that lies here.
    """
    files: Files = {}
    for name in functions_of(recipe) if recipe.method in METHODS else ():
        module = name.rpartition(".")[0]
        if module == MODULE and recipe.reward_code:
            files[FILE_NAME] = recipe.reward_code.encode()
            continue
        found = _file(paths, module)
        if found is not None:
            files[module.replace(".", "/") + ".py"] = found
    return files


def reward_text(files: Mapping[str, Path | bytes]) -> str | None:
    """The text of the rewards.py that goes into the run's folder; None where none does."""
    found = files.get(FILE_NAME)
    if found is None:
        return None
    try:
        return (found if isinstance(found, bytes) else found.read_bytes()).decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def code_findings(recipe: Recipe, catalog: Catalog, paths: Paths, here: bool) -> list[Finding]:
    """What is wrong with the rewards and their code; `here` says that the run is to be on this machine."""
    if recipe.method not in METHODS:
        return []
    arguments = catalog.of(recipe.method)

    def in_effect(name: str) -> Any:
        argument = arguments.get(name)
        return recipe.values.get(name, argument.effective_default if argument else None)

    built_in = built_in_rewards(recipe.method)
    known = rewards_of(recipe, built_in, partial(_source, paths))
    return reward_findings(recipe, known, built_in, in_effect, has_package if here else None)


def with_file_beside(text: str, folder: Path) -> str:
    """A recipe's text with the rewards.py that lies beside it, where it names functions of one."""
    beside = folder / FILE_NAME
    if not re.search(rf"\b{MODULE}\.[A-Za-z_]", text) or take_code(text)[1]:
        return text
    try:
        if beside.stat().st_size > LARGEST:
            return text
        return with_code(text, beside.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return text


def _file(paths: Paths, module: str) -> Path | None:
    if not _MODULE.fullmatch(module):
        return None
    found = paths.find(module.replace(".", "/") + ".py")
    return found if found is not None and found.is_file() else None


def _source(paths: Paths, module: str) -> str | None:
    found = _file(paths, module)
    try:
        return found.read_text(encoding="utf-8") if found is not None else None
    except (OSError, UnicodeDecodeError):
        return None


class Rewards:
    """The rewards of the recipes of whoever asks."""

    def __init__(self, paths: Callable[[], Paths], access: Access) -> None:
        self._paths = paths
        self._access = access
        self._failed: dict[tuple[str, str | None], Finding] = {}  # by name and code: what the last trial said

    def built_in(self, method: str) -> dict[str, BuiltIn]:
        """TRL's own reward functions for a method."""
        return built_in_rewards(method) if method in METHODS else {}

    def of(self, recipe: Recipe) -> list[Reward]:
        """The rewards of a recipe, in TRL's order."""
        return rewards_in(recipe, self._paths())

    def findings(self, recipe: Recipe, looked: Sequence[Inspection]) -> list[Finding]:
        """What the rewards need and the datasets that were looked at lack."""
        known = self.of(recipe)
        found: list[Finding] = []
        for one in looked if known else ():
            found += column_findings(recipe, known, [column.name for column in one.columns])
        failed = (self._failed.get((one.key, recipe.reward_code)) for one in known)
        return _once([*found, *filter(None, failed)])

    def taken_in(self, recipe: Recipe) -> Recipe:
        """The recipe with the rewards.py of the working folder in it, where it names that and has none of its own."""
        if recipe.reward_code or not any(name.startswith(f"{MODULE}.") for name in functions_of(recipe)):
            return recipe
        text = _source(self._paths(), MODULE)
        return replace(recipe, reward_code=text) if text and len(text) <= LARGEST else recipe

    def refusal(self) -> StudioError | None:
        """Why whoever asks may not have code run; None where that is allowed."""
        refusal = self._access.refusal()
        if refusal is None:
            return None
        return StudioError("Only the owner of this Space may have code run on it.", refusal.hint)

    def trial(self, recipe: Recipe, looked: Sequence[Inspection], ask: Ask) -> Trial:
        """The rewards on samples of the data, in a child process. Raises StudioError.

        Code of the recipe is run for whoever owns the machine, and for nobody else.
        """
        refusal = self.refusal()
        if refusal is not None:
            raise refusal
        rows = [dict(row) for one in looked for row in one.rows][: max(ask.rows, 1)]
        if not rows:
            raise StudioError("There are no rows to try the rewards on.", "Choose a dataset on the Data tab first.")
        if "prompt" not in rows[0]:
            raise StudioError("The data has no column `prompt`.", "Rewards judge answers to prompts.")
        known = self.of(recipe)
        if not known:
            raise StudioError("There is no reward to try.", "Add one first.")
        samples = samples_of(rows, ask.typed, ask.column)
        trial = judged(known, samples, self._called(recipe, known, rows, samples))
        self._remember(recipe, trial)
        return trial

    def _remember(self, recipe: Recipe, trial: Trial) -> None:
        """Keeps what failed, until it is tried again or its code is another one."""
        for one in trial.outcomes:
            key = one.reward.key, recipe.reward_code
            self._failed.pop(key, None)
            if one.wrong is not None:
                why = "The run would stop there too. Mend it and try it again, or leave it out."
                message = f"{one.wrong.message.rstrip('.')}, when it was tried."
                self._failed[key] = replace(one.wrong, level="warning", message=message, why=why)
        while len(self._failed) > _MOST_FAILED:
            self._failed.pop(next(iter(self._failed)), None)

    def _called(
        self, recipe: Recipe, functions: Sequence[Reward], rows: list[dict[str, Any]], samples: list[Sample]
    ) -> list[dict[str, Any]]:
        built_in, paths = built_in_rewards(recipe.method), self._paths()
        files: dict[str, bytes] = {}
        for name, found in reward_files(recipe, paths).items():
            try:
                files[name] = found if isinstance(found, bytes) else found.read_bytes()
            except OSError as error:
                raise StudioError(f"{found!s} cannot be read: {error.strerror}.", "Check the path.") from None
        texts = {name: data.decode("utf-8", "replace") for name, data in files.items()}
        listed = []
        for one in functions:
            settings = dict(built_in[one.key].settings) if one.key in built_in else {}
            text = texts.get(one.key.rpartition(".")[0].replace(".", "/") + ".py", "")
            is_model, counts = one.source == "model", _counts_tokens(one, text, settings)
            key = (paths.absolute(one.key) or one.key) if is_model else one.key
            listed.append(
                {"key": key, "model": is_model, "built_in": one.key in built_in, "settings": settings, "tokens": counts}
            )
        model = recipe.get("model_name_or_path")
        place = paths.absolute(str(model)) or str(model) if model else None
        task = {
            **arguments_for(rows, samples),
            "functions": listed,
            "model": place if any(one["tokens"] for one in listed) else None,
            "state": any("trainer_state" in text for text in texts.values()),
        }
        return try_rewards(task, files, self._access.environment(), end_below)


def _counts_tokens(reward: Reward, text: str, settings: Mapping[str, Any]) -> bool:
    """Whether a function reads the completions' tokens, as far as its code tells."""
    if reward.source == "trl":
        return bool(settings)  # what TRL makes of settings counts tokens
    if reward.pick is not None:
        return reward.pick.kind == "length" and reward.pick.get("unit") == "tokens"
    own = read_file(text).own if reward.source == "own" else text
    return "completion_ids" in own


def _once(findings: list[Finding]) -> list[Finding]:
    """Each Finding once: several datasets may lack the same column."""
    return [one for place, one in enumerate(findings) if one not in findings[:place]]
