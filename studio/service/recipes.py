"""Recipes: opened from text, checked, completed for this machine, and exported."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from studio.adapters.catalog import CatalogCache
from studio.adapters.home import Home, shipped_root
from studio.adapters.hub import HubClient
from studio.adapters.machine import Machine, default_accelerate_config, has_package
from studio.adapters.waiting import Queue
from studio.domain.accelerate_file import accelerate_file
from studio.domain.arguments import Catalog
from studio.domain.checks import check
from studio.domain.command import config_command, write_command
from studio.domain.command_reader import read_command
from studio.domain.completion import complete, repository_name
from studio.domain.data_layout import as_path
from studio.domain.errors import StudioError
from studio.domain.findings import Finding, Where
from studio.domain.launch_plan import LaunchPlan, launch_plan
from studio.domain.machine_checks import Surroundings
from studio.domain.recipe import Recipe
from studio.domain.recipe_yaml import read_yaml, write_yaml
from studio.domain.reward_code import take_code, with_code
from studio.domain.shell_text import looks_like_command
from studio.domain.training_text import training_text
from studio.service.access import Access
from studio.service.account import Accounts
from studio.service.data import Inspection, inspect_recipe
from studio.service.launch import LaunchConfig, default_finding, launch_config
from studio.service.paths import Paths
from studio.service.presets import Preset, presets_in, safe_name
from studio.service.rewards import code_findings, reward_files, reward_text

Form = Literal["yaml", "command", "config-command"]


@dataclass(frozen=True)
class Prepared:
    """A recipe ready to be read or run: the very texts, what was added and why, and what is wrong.

    `files` are what the run folder needs besides, by relative path (reward modules), `rewards` is the text of the
    rewards.py among them.
    """

    recipe: Recipe
    yaml: str
    command: str
    command_reasons: tuple[str, ...]
    accelerate: str | None
    notes: Mapping[str, str]
    files: Mapping[str, Path | bytes]
    findings: tuple[Finding, ...]
    rewards: str | None = None


class Recipes:
    """All that is done with a recipe before it runs."""

    def __init__(
        self,
        home: Home,
        catalog: CatalogCache,
        hub: HubClient,
        machine: Machine,
        accounts: Accounts,
        access: Access | None = None,
    ) -> None:
        self.home = home
        self._catalog = catalog
        self._hub = hub
        self.machine = machine
        self._accounts = accounts
        self._access = access or Access()

    @property
    def catalog(self) -> Catalog:
        return self._catalog.get()

    def paths(self, base: Path | None = None) -> Paths:
        """Resolves paths as a user in `base` (default: the working folder) means them."""
        shipped = shipped_root()
        return Paths(base or Path.cwd(), shipped, self._access.readable(shipped))

    def presets(self) -> list[Preset]:
        """The presets that come with the studio, then the user's own."""
        own = [] if self._access.refusal() else presets_in(self.home.presets, own=True)
        return presets_in(shipped_root() / "presets") + own

    def open(
        self, text: str, method: str | None = None, base: Path | None = None, name: str = "the recipe"
    ) -> tuple[Recipe, list[Finding]]:
        """The recipe that a pasted or uploaded text means: YAML, or a command line as found in documentation.

        Of a document with code blocks (a model card) the block that trains is read. Raises StudioError where there is
        neither.
        """
        text, code = take_code(text)
        if code:
            recipe, findings = self.open(text, method, base, name)
            return replace(recipe, reward_code=code), findings
        document = training_text(text, name)
        if not looks_like_command(document.text):
            recipe, findings = read_yaml(document.text, self.catalog, method, name)
            return recipe, findings + document.notes(name)
        folder = base or Path.cwd()

        def read_file(config: str) -> str:
            if len(document.yamls) == 1:  # documentation shows the file, then the command that reads it
                return document.yamls[0]
            try:
                path = folder / Path(config).expanduser()
                if not self.paths(base).allows(path):
                    raise PermissionError(0, "files of this Space are its owner's")
                return path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise StudioError(
                    f"The command reads '{config}', which cannot be read: {getattr(error, 'strerror', error)}.",
                    "Open that YAML instead, or paste the command without --config.",
                ) from None

        recipe, findings = read_command(document.text, self.catalog, method, read_file)
        return recipe, findings + document.notes(name)

    def export(self, recipe: Recipe, form: Form, name: str = "recipe.yaml") -> tuple[str, list[Finding]]:
        """The recipe as text; Findings say what the form cannot hold, and where it fell back to `--config`."""
        catalog = self.catalog
        if form == "yaml":
            rest, accelerate, findings = accelerate_file(recipe, catalog, self._accelerate_base(recipe))
            text = write_yaml(rest, catalog, name)
            if accelerate is not None:
                shown = "".join(f"#   {line}\n" for line in accelerate.splitlines()[1:])
                text += f"\n# accelerate.yaml, to be saved beside this file:\n{shown}"
            return with_code(text, reward_text(reward_files(recipe, self.paths())) or ""), findings
        if form == "config-command":
            return config_command(recipe, name) + "\n", []
        command = write_command(recipe, catalog, name)
        notes = [
            Finding("note", Where("argument", reason.split("`")[1]), f"No flag can say {reason}.", "Use the YAML.")
            for reason in command.reasons
        ]
        return command.text + "\n", notes

    def prepare(
        self, recipe: Recipe, run_name: str | None, base: Path | None = None, devices: int | None = None
    ) -> Prepared:
        """The recipe for this machine under `run_name`, or for elsewhere where that is None; data is not looked at."""
        catalog, paths = self.catalog, self.paths(base)
        notes: Mapping[str, str] = {}
        whole, files = recipe, reward_files(recipe, paths)
        if run_name is not None:
            count = self._devices(recipe) if devices is None else devices
            config = self.launch_config(recipe, base).options
            completed = complete(recipe, catalog, run_name, count, paths.absolute, config)
            whole, notes = completed.recipe, completed.notes
        here = self.surroundings(paths, whole) if run_name is not None else None
        findings = check(whole, catalog, here)
        findings += self._machine_notes(recipe) if run_name is not None else _local_only(recipe, paths)
        findings += code_findings(whole, catalog, paths, here=run_name is not None)
        lean, accelerate, more = accelerate_file(whole, catalog, self._accelerate_base(whole))
        command = write_command(whole, catalog)
        return Prepared(
            lean,
            write_yaml(lean, catalog, notes=notes),
            command.text,
            command.reasons,
            accelerate,
            notes,
            files,
            tuple(findings + more),
            reward_text(files),
        )

    def look(self, recipe: Recipe, base: Path | None = None, before: Iterable[Inspection] = ()) -> list[Inspection]:
        """What the recipe's datasets are and whether its method takes them; those of `before` are not read again."""
        return inspect_recipe(recipe.method, recipe.values, self.paths(base), self._hub, before)

    def surroundings(self, paths: Paths, recipe: Recipe) -> Surroundings:
        """What checks of the recipe may know of this machine, and of who is signed in on it."""
        ids = tuple(gpu.index for gpu in self.machine.gpus)
        repository = recipe.get("hub_model_id") if recipe.get("push_to_hub") is True else None
        return Surroundings(
            devices=self._share(),
            has_package=has_package,
            missing=paths.missing_model,
            device_ids=ids,
            exists=lambda value: paths.find(value) is not None,
            profiles=tuple(self.catalog.profiles),
            cores=self.machine.cores,
            account=self._accounts.known(),
            repository=self._accounts.repository(repository) if isinstance(repository, str) else None,
            older=self.machine.older,
            mixed=self.machine.mixed,
            unusable=self.machine.unusable,
            accelerate=launch_config(recipe, self.catalog.profiles, paths, default_accelerate_config()).config,
        )

    def launch_config(self, recipe: Recipe, base: Path | None = None) -> LaunchConfig:
        """The accelerate config that a run of the recipe on this machine would go by."""
        return launch_config(recipe, self.catalog.profiles, self.paths(base), default_accelerate_config())

    def launch_plan(self, recipe: Recipe) -> LaunchPlan:
        """What a run of the recipe on this machine would start."""
        return launch_plan(recipe, self.launch_config(recipe).options, self._devices(recipe))

    def learn_account(self, recipe: Recipe, anew: bool = False) -> bool:
        """Asks the Hub who is signed in, and for the repository of a push; some seconds. Whether there is news."""
        name = recipe.get("hub_model_id", repository_name(recipe)) if recipe.get("push_to_hub") is True else None
        return self._accounts.learn(name if isinstance(name, str) else None, anew)

    def _devices(self, recipe: Recipe) -> int:
        """How many GPUs a run of this recipe would use: those chosen, else all."""
        if recipe.get("use_cpu") is True:
            return 0
        chosen = recipe.launch.get("gpu_ids")
        if chosen not in (None, "all") and self.machine.gpus:
            return len(str(chosen).split(","))
        return self._share()

    def _share(self) -> int:
        """How many GPUs a run may count on that names none: those of a set, where the queue hands out sets."""
        return Queue(self.home.runs).rules().share(len(self.machine.gpus))

    def _accelerate_base(self, recipe: Recipe) -> str | None:
        """The text of the user's own accelerate config file where the recipe's flags have to be written into one."""
        path = recipe.launch.get("accelerate_config")
        if not recipe.flags or not isinstance(path, str) or path in self.catalog.profiles:
            return None
        found = self.paths().find(path)
        return found.read_text(encoding="utf-8") if found and found.is_file() else None

    def _machine_notes(self, recipe: Recipe) -> list[Finding]:
        config = self.launch_config(recipe)
        usable = config.source == "default" and config.options is not None
        return [default_finding(config, self._devices(recipe))] if usable else []


def _local_only(recipe: Recipe, paths: Paths) -> list[Finding]:
    """A note for each path that a recipe for elsewhere names and that lies on this machine."""
    files = [entry.get("data_files") for entry in recipe.get("datasets") or [] if isinstance(entry, Mapping)]
    named = {"datasets": next((file for file in files if isinstance(file, str)), None)}
    named |= {key: recipe.get(key) for key in ("model_name_or_path", "dataset_name", "teacher_model_name_or_path")}
    notes = []
    for key, value in named.items():
        if isinstance(value, str) and paths.find(value) is not None:
            why = "Copy it to where the YAML will run, and change the path there."
            notes.append(Finding("note", Where("argument", key), f"{value} lies on this machine.", why))
    return notes


def mint_name(recipe: Recipe, taken: set[str]) -> str:
    """A run name that is free: what the user typed, else dataset and method, with a number behind it."""
    typed = recipe.get("run_name")
    if isinstance(typed, str) and typed:
        stem = safe_name(typed)
        if stem not in taken:
            return stem
        stem = re.sub(r"-\d+$", "", stem)
    else:
        data = recipe.get("dataset_name") or _first_file(recipe.get("datasets")) or "run"
        last = safe_name(str(data).rstrip("/").rsplit("/", 1)[-1].split(".")[0]).lower()
        stem = last if recipe.method in last else f"{last}-{recipe.method}"
    number = 1
    while f"{stem}-{number:02d}" in taken:
        number += 1
    return f"{stem}-{number:02d}"


def _first_file(entries: object) -> str | None:
    if isinstance(entries, list) and entries and isinstance(entries[0], Mapping):
        files = entries[0].get("data_files")
        return as_path(files) if isinstance(files, str) else str(entries[0].get("path") or "") or None
    return None


def without_output(recipe: Recipe) -> Recipe:
    """The recipe as a starting point for another run: no run name and no folder of the old one."""
    values = {name: value for name, value in recipe.values.items() if name not in ("run_name", "output_dir")}
    return replace(recipe, values=values)
