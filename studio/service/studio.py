"""The studio: one object over a home folder, with the product's verbs."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import studio
from studio.adapters.catalog import CatalogCache
from studio.adapters.home import Home
from studio.adapters.hub import HubClient
from studio.adapters.hubaccount import HubAccount
from studio.adapters.hubcache import HubCache
from studio.adapters.hubdownload import HubDownload
from studio.adapters.machine import GpuWatch, Machine, look, look_at_gpus
from studio.adapters.runs import Run
from studio.adapters.waiting import Queue
from studio.domain.checks import too_few_rows
from studio.domain.completion import MADE_ABSOLUTE, PROJECT
from studio.domain.errors import StudioError
from studio.domain.findings import RANK, Finding, Where, errors
from studio.domain.push_checks import leaves_this_machine
from studio.domain.recipe import Recipe
from studio.domain.turns import Gpus, Rules, gpus_in
from studio.service import data, preview, uploads
from studio.service.access import Access
from studio.service.account import Accounts
from studio.service.data import Inspection
from studio.service.dataset_offers import DatasetOffers
from studio.service.diagnosing import Diagnoses
from studio.service.layers import KnownLayers, RecipeLayers
from studio.service.loading import loaded_with
from studio.service.mixing import rows_to_learn_from
from studio.service.models import Models
from studio.service.preparing import Preparing
from studio.service.preview import RowsPage
from studio.service.recipes import Form, Prepared, Recipes, mint_name
from studio.service.rewards import Rewards
from studio.service.runs import Runs
from studio.service.saving import Saving
from studio.service.search import Search
from studio.service.tokens import KnownTokens, Tokens
from studio.service.whole_data import WholeData

# What TRL's config classes judge by the machine they run on: the studio's own checks have the right one in mind.
_BY_MACHINE = (
    "tf32",
    "fp16",
    "bf16",
    "fp16_full_eval",
    "bf16_full_eval",
    "deepspeed",
    "fsdp",
    "fsdp_config",
    "use_vllm",
)


class Studio:
    """What the page, the command line and the tests talk to.

    Raises StudioError where the home cannot be written, unless it is only to be read.
    """

    def __init__(self, home: Home, read_only: bool = False) -> None:
        self.home = home if read_only else home.ensure()
        self.arguments = CatalogCache(home.cache)
        self.hub = HubClient()
        self.accounts = Accounts(HubAccount())
        self.gpus = GpuWatch(look_at_gpus)
        self.access = Access()
        self._layers = KnownLayers(home.cache / "layers")
        self._tokens = KnownTokens()
        self._runs = Runs(home)
        self._queue = Queue(home.runs)
        self._preparing = Preparing(home.datasets)
        self._diagnoses = Diagnoses(self.arguments, lambda: self.machine.memory)
        self.whole = WholeData()

    def guarded(self, access: Access) -> Studio:
        """The same studio as people see it whom `access` tells apart: what one may not do raises StudioError."""
        seen = copy.copy(self)
        seen.access = access
        seen.hub = HubClient(token=access.token)
        if access.space is not None:
            seen.accounts = Accounts(HubAccount(token=access.pushing_token))
        for made in ("recipes", "models", "layers", "saving", "tokens", "rewards", "search"):
            seen.__dict__.pop(made, None)  # made anew when needed, with that access
        return seen

    @property
    def runs(self) -> Runs:
        """The runs. Raises StudioError where whoever asks may not see them: every verb of theirs goes this way."""
        self.access.require()
        return self._runs

    @property
    def queue(self) -> Queue:
        """Who waits for his turn. Raises StudioError where whoever asks may not see the runs."""
        self.access.require()
        return self._queue

    @property
    def preparing(self) -> Preparing:
        """Prepared datasets. Raises StudioError where whoever asks may not write here."""
        self.access.require()
        return self._preparing

    def hub_download(self) -> HubDownload:
        """The Hub's files of datasets, as whoever asks may read them."""
        return HubDownload(self.hub.endpoint, self.access.token())

    @cached_property
    def machine(self) -> Machine:
        return look()

    @cached_property
    def recipes(self) -> Recipes:
        return Recipes(self.home, self.arguments, self.hub, self.machine, self.accounts, self.access)

    @cached_property
    def models(self) -> Models:
        """What is known of models, and which are here already."""
        return Models(lambda: self.recipes.paths(), self.hub, HubCache(), lambda: self.runs, self.access)

    @cached_property
    def search(self) -> Search:
        """Models and datasets, here and on the Hub, by what people type."""
        datasets = DatasetOffers(lambda: self.recipes.paths(), self.home, HubCache(), self.access)
        return Search(self.hub, self.models, datasets, self.access)

    @cached_property
    def layers(self) -> RecipeLayers:
        """The modules of recipes' models, and what adapters on them come to."""
        return RecipeLayers(self._layers, self.models)

    @cached_property
    def saving(self) -> Saving:
        """What the checkpoints of recipes' runs will take on the disk."""
        return Saving(self.home, self.models, self.layers)

    @cached_property
    def tokens(self) -> Tokens:
        """What TRL makes of a sample of a recipe's data: its tokens, counted before training."""
        paths = self.recipes.paths()
        return Tokens(self._tokens, self.models, paths, self.hub, HubCache(), self.access)

    @cached_property
    def rewards(self) -> Rewards:
        """The rewards of recipes, and trials of them."""
        return Rewards(lambda: self.recipes.paths(), self.access)

    def run_name(self, recipe: Recipe) -> str:
        """The name that a run of this recipe would get now."""
        if self.access.refusal():
            return mint_name(recipe, set())
        # The metrics of a run whose folder was moved away are still under its name.
        logged = self._runs.store.names(str(recipe.get("project") or PROJECT))
        return mint_name(recipe, self.run_names() | logged)

    def run_names(self) -> set[str]:
        """The names of all runs; none for one who may not see them."""
        return set() if self.access.refusal() else self._runs.names()

    def prepare(self, recipe: Recipe, elsewhere: bool = False, base: Path | None = None) -> Prepared:
        """The recipe's texts and Findings, for this machine or for elsewhere. Does not look at the data."""
        return self.recipes.prepare(recipe, None if elsewhere else self.run_name(recipe), base)

    def check(
        self,
        recipe: Recipe,
        elsewhere: bool = False,
        base: Path | None = None,
        by_trl: bool = False,
        all_rows: bool = True,
    ) -> list[Finding]:
        """All Findings: of the recipe, its data and its models, as the page tells them once it has found all out.

        Of local data every row is looked at, of data on the Hub its viewer is asked about all, the Hub is asked about
        the models and the chat template tried out, unless `all_rows` is false. With `by_trl`, TRL's own config classes
        are asked too, the modules that LoRA trains are listed and a sample of the data is counted in tokens where all
        that lies here (some seconds each).
        """
        if not elsewhere and leaves_this_machine(recipe):
            self.recipes.learn_account(recipe)
        prepared = self.prepare(recipe, elsewhere, base)
        looked = self.recipes.look(recipe, base)
        if all_rows:
            self.models.find_out(recipe)
            seen = [self.whole.checked(one, recipe.values, self.hub) for one in looked]
            looked = list(data.all_rejudged(seen, recipe.method, recipe.values))
        if by_trl and recipe.get("use_peft") is True:
            self.layers.learn(recipe)
        findings = [*prepared.findings, *self.known(recipe, prepared, looked, elsewhere)]
        if by_trl and not errors(findings):
            with ThreadPoolExecutor(1) as pool:  # each waits for a process of its own
                asked = pool.submit(self.validate, prepared)
                if self._count(recipe, looked):
                    findings = [*prepared.findings, *self.known(recipe, prepared, looked, elsewhere)]
            findings += asked.result()
        findings += [note for one in looked if (note := one.in_part) and note not in findings]
        return sorted(findings, key=lambda finding: RANK[finding.level])

    def known(
        self, recipe: Recipe, prepared: Prepared, looked: Sequence[Inspection], elsewhere: bool = False
    ) -> list[Finding]:
        """What is known against a recipe's data, rewards, models, adapter, disk and tokens; nobody is asked for it."""
        found: list[Finding] = []
        for one in looked:  # what several datasets of a mixture have in common is said once
            found += [finding for finding in one.findings if finding not in found]
        catalog = self.arguments.get()
        completed = _completed(recipe, prepared)
        found = self.models.settled(found, recipe, catalog.processors)
        found += too_few_rows(completed, catalog, rows_to_learn_from(recipe.values, looked))
        found += self.rewards.findings(recipe, looked)
        found += (told := self.models.findings(recipe, any(one.holds_messages for one in looked), elsewhere))
        found += self.layers.findings(recipe, catalog)
        found += [] if elsewhere else self.saving.findings(completed, catalog)
        # What the template has told of the end of turns, the tokens of a sample would say again.
        ends = any(finding.where.name in ("eos_token", "assistant_only_loss") for finding in told)
        # Of an argument that is wrong by itself, neither.
        said = {finding.where.name for finding in errors(list(prepared.findings))} | ({"eos_token"} if ends else set())
        return found + [one for one in self.tokens.findings(recipe, looked, catalog) if one.where.name not in said]

    def _count(self, recipe: Recipe, looked: Sequence[Inspection]) -> bool:
        """Counts the tokens of a sample where nothing has to be fetched for it, and of all where it leaves nothing."""
        model = str(recipe.get("model_name_or_path") or "")
        if any(one.source != "local" for one in looked) or self.models.folder(model) is None:
            return False
        counted = self.tokens.count(recipe, looked)
        if counted.count is not None and counted.count.examples and not counted.count.kept:
            counted = self.tokens.count(recipe, looked, every=True)
        return counted.count is not None

    def findings(
        self,
        recipe: Recipe,
        opened: list[Finding],
        elsewhere: bool = False,
        by_trl: bool = False,
        base: Path | None = None,
        all_rows: bool = True,
    ) -> list[Finding]:
        """`check`, with what was found while the recipe was read (`opened`): of two errors of an argument, that."""
        said = {finding.where.name for finding in errors(opened)}
        more = self.check(recipe, elsewhere, base, by_trl and not said, all_rows)
        return opened + [finding for finding in more if finding.level != "error" or finding.where.name not in said]

    def validate(self, prepared: Prepared) -> list[Finding]:
        """What TRL's own config classes say to the recipe, asked in the worker."""
        values = {name: value for name, value in prepared.recipe.values.items() if name not in _BY_MACHINE}
        recipe = replace(prepared.recipe, values={**values, "use_cpu": True})
        text, _ = self.recipes.export(replace(recipe, env={}), "yaml")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "recipe.yaml"
            path.write_text(text, encoding="utf-8")
            # A file that the recipe names lies where the user stands, but a folder `trl` there is not the library (-P).
            command = [sys.executable, "-P", "-m", "studio.worker", "validate", str(path)]
            places = [str(Path(studio.__file__).resolve().parent.parent), os.environ.get("PYTHONPATH", "")]
            env = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": os.pathsep.join(filter(None, places))}
            done = subprocess.run(command, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        where = Where("argument", "recipe")
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            return [Finding("warning", where, "TRL's own checks could not be run.", last)]
        said = json.loads(done.stdout.splitlines()[-1])
        if said["message"] is None:
            return []
        return [Finding("error", where, f"TRL refuses the recipe: {said['message']}", "Its own config class says so.")]

    def start(
        self, recipe: Recipe, base: Path | None = None, name: str | None = None, tags: tuple[str, ...] = ()
    ) -> tuple[Run, Prepared]:
        """Starts the recipe on this machine. Raises StudioError with the first error that keeps it from starting."""
        self.access.require_start()
        if leaves_this_machine(recipe):
            self.recipes.learn_account(recipe)
        chosen = name or self.run_name(recipe)
        prepared = self.recipes.prepare(recipe, chosen, base)
        gpus = self.gpus_for(prepared.recipe)
        return self.runs.start(chosen, prepared, tags, self.access.environment(), gpus), prepared

    def gpus_for(self, recipe: Recipe) -> Gpus | None:
        """The GPUs that a run of the recipe waits for: () for the CPU, None for whichever set is free."""
        here = tuple(gpu.index for gpu in self.machine.gpus)
        if recipe.get("use_cpu") is True or not here:
            return ()
        named = gpus_in(recipe.launch.get("gpu_ids"))
        if named is not None:
            return named
        return None if self.queue.rules().sets else here

    def set_rules(self, rules: Rules) -> None:
        """How many runs go at once here, and on which GPUs; those that wait go by it too. Raises StudioError."""
        self.access.require_start()
        here = [gpu.index for gpu in self.machine.gpus]
        absent = next((gpu for one in rules.sets for gpu in one if gpu not in here), None)
        if absent is not None:
            there = f"The GPUs are {', '.join(map(str, here))}." if here else "There is none."
            raise StudioError(f"There is no GPU {absent} here.", there)
        self.queue.set_rules(rules)

    def diagnose(self, run_id: str) -> tuple[Finding, ...]:
        """Why a run failed, with the cures; of one that goes on or ended well, what its metrics warn of.

        Raises StudioError where there is no such run.
        """
        return self._diagnoses.of(self.runs, run_id)

    def inspect(
        self,
        name: str,
        method: str,
        config: str | None = None,
        split: str | None = None,
        values: Mapping[str, Any] | None = None,
        base: Path | None = None,
        all_rows: bool = False,
    ) -> Inspection:
        """A dataset by path or Hub name: columns, first rows, and TRL's verdict for the method.

        With `all_rows` every row of local data is looked at for it, and of data on the Hub its viewer is asked about
        all; else the first ones are looked at.
        """
        looked = data.inspect(name, method, self.recipes.paths(base), self.hub, values, config, split)
        if not all_rows:
            return looked
        return self.whole.checked(looked, loaded_with(values or {}, split, looked.values), self.hub)

    def under_model(self, looked: Inspection, recipe: Recipe) -> Inspection:
        """The inspection, with what the recipe's model decides of images, as far as that is known."""
        found = self.models.settled(list(looked.findings), recipe, self.arguments.get().processors)
        if found == list(looked.findings):
            return looked
        # Under a model that sees, its own processor wants a place for each image in prompts that are texts.
        taken = looked.by_model and looked.conversational
        verdict = "reject" if errors(found) else "accept" if taken else looked.verdict
        return replace(looked, findings=tuple(found), verdict=verdict)

    def rows(
        self, name: str, config: str, split: str, offset: int = 0, n: int = preview.PAGE_ROWS, base: Path | None = None
    ) -> RowsPage:
        """Rows `offset` to `offset + n` of any split of a dataset by path or Hub name, read where they lie."""
        return preview.rows(self.recipes.paths(base), self.hub, name, config, split, offset, n)

    def rows_of(self, looked: Inspection, split: str, offset: int) -> RowsPage:
        """A page of rows of a dataset that was looked at, one of a mixture too."""
        self.whole.look_anew(looked)
        return preview.rows_of(looked, self.recipes.paths(), self.hub, split, offset)

    def take_file(self, sent: Path) -> Path:
        """Keeps a file that was sent, whole, and says where it lies. Raises StudioError where it is not taken."""
        return uploads.take(sent, self.home, self.access)

    def convert(
        self, text: str, to: Form, method: str | None = None, base: Path | None = None, name: str = "the recipe"
    ) -> tuple[str, list[Finding]]:
        """A YAML or a command line as YAML or command, with what could not be understood or said."""
        recipe, findings = self.recipes.open(text, method, base, name)
        file = name if name.endswith((".yaml", ".yml")) else "recipe.yaml"
        exported, more = self.recipes.export(recipe, to, file)
        return exported, findings + more

    def open_checked(self, text: str, method: str | None, base: Path | None, name: str) -> tuple[Recipe, list[Finding]]:
        """`Recipes.open`, with a StudioError where the text is empty."""
        if not text.strip():
            raise StudioError(f"{name} is empty.", "It should hold a TRL YAML or a command line.")
        return self.recipes.open(text, method, base, name)


def _completed(recipe: Recipe, prepared: Prepared) -> Recipe:
    """The recipe with what the studio adds for this machine, under the accelerate profile that it names itself."""
    added = {name: prepared.recipe.get(name) for name, why in prepared.notes.items() if why != MADE_ABSOLUTE}
    processes = {name: added.pop(name) for name in ("num_processes",) if name in added}
    return replace(recipe, values={**added, **recipe.values}, launch={**processes, **recipe.launch})
