"""What one open page edits: a recipe, what it is for, and what was found out about its data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from studio.domain.arguments import Catalog
from studio.domain.changing import changed_to
from studio.domain.completion import MADE_ABSOLUTE
from studio.domain.data_layout import as_path
from studio.domain.dataset_rules import waits_for_model
from studio.domain.errors import StudioError
from studio.domain.findings import RANK, Finding, Fix, Where
from studio.domain.following import followed
from studio.domain.methods import method_named
from studio.domain.overlay import depends, is_shown
from studio.domain.recipe import Recipe, in_effect
from studio.service.data import Inspection, all_rejudged
from studio.service.mappings import Choice
from studio.service.mixing import rows_to_learn_from
from studio.service.paths import hub_name
from studio.service.presets import Preset
from studio.service.recipes import Prepared
from studio.service.studio import Studio
from studio.ui.dataset_box import DatasetBox
from studio.ui.pager import FIRST_ROWS, Viewing


@dataclass
class Form:
    """One page's recipe. Copied for each page; it holds no truth about runs.

    `looked` is what is known of the recipe's datasets, `opened` what an opened file could not say, `typed` the text in
    the box for the dataset, `shown` the form in which the card shows the recipe. `preset` is the key of the one it came
    from, `opening` says what was opened instead, `compared` names what it is compared with, `demo` are that preset's
    values where it is a demo; `added` is what the studio adds for this machine, `held` the names of the values that
    follow others (`following`) and that the user has not set himself, `aside` those that mean nothing as things stand,
    kept until they do. `drawn` says that the page has been drawn from this form: where it has not, the server has
    forgotten what the page shows. `unseen` says that its data is still to be looked at, `viewing` which rows of it are,
    `typing` that its dataset is being typed and `words` what of it, `boxed` what its box holds as far as is known,
    `detailed` that the fields of its one entry were asked for, `mapping` what was chosen to map it by, `example` the
    one whose tokens are shown, `before` is the form that a larger change replaced, `card` the card last drawn, `sent`
    what the controls were last given, `surrounded` the forms that late answers may have been drawn from, `again` the
    signal and the form of what was last drawn in their place, `editing` the own code of rewards that its editor holds,
    `asked` the model whose box was left, so that the Hub is asked about it, `box` what happens to the dataset's box,
    `entered` what was last taken from the fields of a mixture's dataset.
    """

    recipe: Recipe
    elsewhere: bool = False
    looked: tuple[Inspection, ...] = ()
    opened: tuple[Finding, ...] = ()
    typed: str = ""
    shown: str = "yaml"
    notice: str = ""
    tags: tuple[str, ...] = ()
    preset: str | None = None
    opening: str = ""
    compared: str = ""
    demo: Mapping[str, Any] = field(default_factory=dict)
    added: Mapping[str, Any] = field(default_factory=dict)
    held: frozenset[str] = frozenset()
    aside: Mapping[str, Any] = field(default_factory=dict)
    drawn: bool = False
    unseen: bool = False
    example: int = 0
    typing: bool = False
    words: str = ""
    boxed: str | None = None
    detailed: bool = False
    viewing: Viewing = FIRST_ROWS
    mapping: Choice = field(default_factory=Choice, repr=False)
    findings: tuple[Finding, ...] = field(default=(), repr=False)
    before: Form | None = field(default=None, repr=False)
    card: str = field(default="", repr=False)
    sent: Recipe | None = field(default=None, repr=False)
    surrounded: tuple[tuple[float, Form], ...] = field(default=(), repr=False)
    again: tuple[int, Form] | None = field(default=None, repr=False)
    editing: str = ""
    asked: str = ""
    box: DatasetBox = field(default_factory=DatasetBox, repr=False, compare=False)
    entered: tuple[str, ...] = ()

    @property
    def rows(self) -> int | None:
        """The rows of all that is trained on, without those held out; None where not all are known."""
        return rows_to_learn_from(self.recipe.values, self.looked)

    @property
    def by_model(self) -> bool:
        """Whether the model decides whether its data is taken."""
        return any(waits_for_model(found) for one in self.looked for found in one.findings)

    def as_drawn(self) -> Form:
        """The form as pieces of the page are drawn from it, to be compared with a later one."""
        return replace(
            self, before=None, findings=(), card="", sent=None, surrounded=(), again=None, boxed=None, entered=()
        )

    def become(self, other: Form) -> None:
        """Takes all that `other` holds; the page stays the one that it is."""
        kept = self.drawn, self.surrounded, self.again, self.editing, self.boxed, self.box, self.entered
        for one in fields(self):
            setattr(self, one.name, getattr(other, one.name))
        self.drawn, self.surrounded, self.again, self.editing, self.boxed, self.box, self.entered = kept

    def remember(self) -> None:
        """Keeps the form as it is, for `undo`; called before a change that replaces what the user made."""
        self.before = replace(self, before=None)

    def undo(self) -> None:
        """Takes back the last larger change with all that came after it; once more, and it is there again."""
        if self.before is not None:
            undone = replace(self, before=None)
            self.become(self.before)
            self.before = undone
            self.notice = "Taken back, with the edits since. Undo brings them back."

    def empty(self) -> None:
        """A new recipe: the method stays, everything else is TRL's default."""
        self.remember()
        self.become(Form(Recipe(self.recipe.method), elsewhere=self.elsewhere, shown=self.shown, before=self.before))
        self.notice = "A new recipe: everything is TRL's default."

    def tour(self, studio: Studio) -> None:
        """The SFT demo for the tour, unless the form holds it; the way back is kept."""
        demo = next((preset for preset in studio.recipes.presets() if preset.is_demo and preset.method == "sft"), None)
        if demo is None or (self.demo and self.recipe.values == self.demo and self.recipe.method == "sft"):
            self.elsewhere = False
            return
        self.remember()
        before, self.elsewhere = self.before, False
        self.use(studio, demo)
        self.before, self.notice = before, "The form holds the demo of the tour now."

    def see(self, studio: Studio) -> bool:
        """Looks at data that was not looked at yet; whether there was any."""
        if not self.unseen:
            return False
        self.unseen = False
        self.looked = tuple(studio.recipes.look(self.recipe))
        return True

    def see_changes(self, studio: Studio) -> bool:
        """Looks at local data again whose files have changed since; whether there was any."""
        if not any(map(studio.whole.outdated, self.looked)):
            return False
        self.looked = tuple(studio.recipes.look(self.recipe))
        return True

    def follow(self, catalog: Catalog) -> None:
        """Has the values that follow others do so, after any change."""
        self.recipe, self.held = followed(self.recipe, catalog, self.held)

    def put_aside(self, catalog: Catalog, changed: str) -> None:
        """Takes what `changed` has made meaningless out of the recipe, and gives it back once it means something."""
        arguments = catalog.of(self.recipe.method)
        while True:
            recipe = self.recipe
            hidden: dict[str, Any] = {}
            back: dict[str, Any] = {}
            for name in (*recipe.values, *recipe.launch, *self.aside):
                if not depends(name, recipe.method, changed):
                    continue
                shown = is_shown(name, recipe.method, partial(in_effect, recipe, catalog))
                if shown and name in self.aside and (name in arguments or name in catalog.launch):
                    back[name] = self.aside[name]
                elif not shown and name not in self.aside:
                    hidden[name] = recipe.get(name)
            if not hidden and not back:
                return
            # What comes back may bring back more, and so again.
            self.recipe = recipe.with_changes(catalog, back, tuple(hidden))
            self.aside = {name: value for name, value in {**self.aside, **hidden}.items() if name not in back}

    def set(self, catalog: Catalog, name: str, value: Any, is_set: bool) -> None:
        """One control was edited."""
        if is_set:
            # Over what the studio would add here, TRL's own default has to be said.
            self.recipe = self.recipe.with_changes(
                catalog, {name: value}, pin=not self.elsewhere and name in self.added
            )
        else:
            self.recipe = self.recipe.with_changes(catalog, {}, (name,))
        self.held -= {name}
        self.put_aside(catalog, name)
        if name == "use_peft":
            self.follow(catalog)
        self.opened = tuple(found for found in self.opened if found.where.name != name)
        self.judge_again()

    def judge_again(self) -> None:
        """The verdict on the data that was looked at, under the recipe as it is now."""
        self.looked = all_rejudged(self.looked, self.recipe.method, self.recipe.values)

    def choose_method(self, studio: Studio, method: str) -> None:
        """Another method. Where the form holds a demo, the method's own demo takes its place, whose data suits it."""
        if method == self.recipe.method:
            return
        demo = next((p for p in studio.recipes.presets() if p.is_demo and p.method == method), None)
        if demo is not None and is_demo(self.recipe):
            self.use(studio, demo)
            self.notice = f"The form holds the {method_named(method).label} demo now."
        else:
            self.change_method(studio.arguments.get(), method)

    def change_method(self, catalog: Catalog, method: str) -> None:
        """The recipe under another method: what still applies is kept, what does not is put aside and said."""
        self.remember()
        if self.held:
            self.recipe, self.held = self.recipe.with_changes(catalog, {}, tuple(self.held)), frozenset()
        changed = changed_to(self.recipe, self.aside, catalog, method)
        self.recipe, self.aside = changed.recipe, changed.aside
        self.opened = changed.still_open(self.opened, catalog)
        self.follow(catalog)
        self.notice = changed.words(method_named(method).label)
        self.judge_again()

    def choose_dataset(self, studio: Studio, name: str, config: str | None = None) -> None:
        """Another dataset, by name or path: looked at, and written into the recipe as TRL can load it."""
        wanted = self.typed = hub_name(name)
        self.detailed = False
        if self.notice.startswith("Prepared as "):  # that was the one before
            self.notice = ""
        catalog = studio.arguments.get()
        keys = ("dataset_name", "datasets", "dataset_config")
        if not wanted:
            self.recipe, self.looked = self.recipe.with_changes(catalog, {}, keys), ()
            return
        split = self.recipe.get("dataset_train_split", "train")
        self.box.looking.append(wanted)
        try:
            found = studio.inspect(wanted, self.recipe.method, config, split, self.recipe.values)
        finally:
            self.box.looking.remove(wanted)
        if self.typed != wanted:  # another one was chosen while this one was looked at
            return
        values = dict(found.values) or {"dataset_name": wanted}
        if config and not found.columns:
            values["dataset_config"] = config  # what could not be found stays to be seen beside its Finding
        # A relative path stays as it was typed: the recipe for elsewhere must not carry this machine's folders.
        if values.get("dataset_name") and found.source == "local":
            values["dataset_name"] = wanted
        self.recipe = self.recipe.with_changes(catalog, values, tuple(key for key in keys if key not in values))
        self.looked = (found,)
        self.judge_again()

    def open(self, studio: Studio, text: str, name: str = "the text", base: Path | None = None) -> None:
        """Fills the form from a YAML or a command line. Raises StudioError where it is neither."""
        self.notice = ""
        try:
            recipe, findings = studio.open_checked(text, None, base, name)
        except StudioError as error:
            if "which method" not in error.message:
                raise
            recipe, findings = studio.open_checked(text, self.recipe.method, base, name)
            label = method_named(self.recipe.method).label
            self.notice = f"Read as {label}, the method chosen on the first tab: the text names none."
        self.remember()
        self.recipe, self.opened, self.demo, self.held = recipe, tuple(findings), {}, frozenset()
        self.preset, self.aside, self.typed, self.typing = None, {}, dataset_text(recipe), False
        number = len(recipe.values) + len(recipe.launch) + len(recipe.flags) + len(recipe.env)
        options = f"{number} option{'' if number == 1 else 's'}"
        self.opening = f"{name} was opened as {method_named(recipe.method).label}: {options}"
        self.looked = tuple(studio.recipes.look(recipe, base))

    def use(self, studio: Studio, preset: Preset) -> None:
        """Fills the form from a preset; a demo's without what only makes its file run by itself."""
        self.open(studio, preset.text(), preset.path.name)
        self.opened = tuple(found for found in self.opened if found.level == "error")
        self.preset, self.opening = preset.key, ""
        self.notice = f'The form was filled from the preset "{preset.title}".'
        if preset.is_demo:
            bare = replace(self.recipe, pinned=frozenset())
            self.recipe = bare.with_changes(studio.arguments.get(), {}, ("output_dir", "use_cpu", "bf16"))
            self.demo = dict(self.recipe.values)

    def displayed(self) -> Recipe:
        """The recipe as the controls show it: with what the studio adds for this machine."""
        if self.elsewhere or not self.added:
            return self.recipe
        values = {name: value for name, value in self.added.items() if name != "num_processes"}
        return replace(self.recipe, values={**values, **self.recipe.values})

    def launched(self) -> Recipe:
        """The recipe with the number of processes that the studio adds for this machine."""
        added = self.added.get("num_processes") if not self.elsewhere else None
        if added is None or "num_processes" in self.recipe.launch:
            return self.recipe
        return replace(self.recipe, launch={**self.recipe.launch, "num_processes": added})

    def apply(self, studio: Studio, index: int) -> None:
        """Makes the change that a Finding proposes."""
        fix = self.findings[index].fix if index < len(self.findings) else None
        if fix is not None:
            self.cure(studio, fix)

    def apply_marked(self, studio: Studio, mark: str) -> None:
        """Makes the change of the Finding with that mark; nothing where it is said no more."""
        data = [found for one in self.looked for found in studio.under_model(one, self.recipe).findings]
        tokens = studio.tokens.findings(self.recipe, self.looked, studio.arguments.get())
        marked = next((one for one in (*self.findings, *data, *tokens) if one.mark == mark), None)
        if marked is not None and marked.fix is not None:
            self.cure(studio, marked.fix)

    def cure(self, studio: Studio, fix: Fix) -> None:
        """Makes a change, and all that follows from it."""
        if fix.method is not None:
            self.change_method(studio.arguments.get(), fix.method)
        self.recipe = self.recipe.with_changes(studio.arguments.get(), fix.set, fix.unset)
        settled = {*fix.set, *fix.unset}
        self.held -= settled
        for name in settled:
            self.put_aside(studio.arguments.get(), name)
        if "use_peft" in settled:
            self.follow(studio.arguments.get())
        self.opened = tuple(found for found in self.opened if found.where.name not in settled)
        if settled & {"dataset_name", "datasets", "dataset_config", "dataset_train_split"}:
            self.typed, self.typing = dataset_text(self.recipe), False
            self.looked = tuple(studio.recipes.look(self.recipe))
        self.judge_again()

    def prepared(self, studio: Studio) -> Prepared:
        """The recipe's texts with every Finding: of the recipe, its data, and of what was opened."""
        prepared = studio.prepare(self.recipe, self.elsewhere)
        known = {(found.where.name, found.message) for found in prepared.findings}
        more = self._demo_numbers()
        more += studio.known(self.recipe, prepared, self.looked, self.elsewhere)
        more += [found for found in self.opened if (found.where.name, found.message) not in known]
        self.findings = tuple(sorted([*prepared.findings, *more], key=lambda found: RANK[found.level]))
        if not self.elsewhere:
            self.added = {
                name: prepared.recipe.get(name) for name, why in prepared.notes.items() if why != MADE_ABSOLUTE
            }
        return replace(prepared, findings=self.findings)

    def _demo_numbers(self) -> list[Finding]:
        """A warning where another model is trained with the numbers that suit the tiny demo model."""
        model = self.recipe.get("model_name_or_path")
        if not self.demo or model in (None, "", self.demo.get("model_name_or_path")):
            return []
        # What names data or rewards is no number of the demo's; the rest was chosen for half a million parameters.
        named = ("model_name_or_path", "teacher_model_name_or_path", "dataset_name", "reward_funcs")
        left = [
            name for name, value in self.demo.items() if name not in named and self.recipe.values.get(name) == value
        ]
        if not left:
            return []
        why = f"{', '.join(left)} were chosen for half a million parameters: they would spoil a real model."
        fix = Fix("Use TRL's defaults", {}, tuple(left))
        return [Finding("warning", Where("argument", left[0]), "These numbers suit the tiny demo model.", why, fix)]


def dataset_text(recipe: Recipe) -> str:
    """What the box for the dataset says for a recipe: its name, or the file of a single entry."""
    entries = recipe.get("datasets")
    if isinstance(entries, list) and len(entries) == 1 and isinstance(entries[0], dict):
        files = entries[0].get("data_files")
        return as_path(files) if isinstance(files, str) else str(entries[0].get("path") or "")
    if isinstance(entries, list) and entries:
        return ""
    return str(recipe.get("dataset_name") or "")


def first_form(studio: Studio) -> Form:
    """What a page holds when it is opened first: the demo of the first method, ready to start."""
    presets = studio.recipes.presets()
    form = Form(Recipe("sft"))
    demo = next((preset for preset in presets if preset.name == "demo-sft"), None)
    if demo is None:
        return form
    try:
        form.use(studio, demo)
        form.notice = ""
    except StudioError as error:
        form.notice = str(error)
    form.before = None
    return form


def is_demo(recipe: Recipe) -> bool:
    """Whether the recipe trains the demo model on demo data, as far as its names tell."""
    names = (recipe.get("model_name_or_path"), recipe.get("dataset_name"))
    return all(isinstance(name, str) and name.startswith("assets/demo/") for name in names)
