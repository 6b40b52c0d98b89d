"""The rewards of a recipe: named, weighed, changed, checked, tried, and carried wherever the recipe goes."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_access import ADA, BOB, access

from studio.adapters.builtin_rewards import built_in_rewards
from studio.adapters.home import Home
from studio.adapters.processes import ProcessId
from studio.domain import reward_library
from studio.domain.arguments import Catalog
from studio.domain.errors import StudioError
from studio.domain.recipe import Recipe
from studio.domain.reward_code import FILE_NAME, LINE, OWN_TEMPLATE, RewardFile, read_file, take_code, with_code
from studio.domain.reward_library import Pick
from studio.domain.reward_trial import samples_of, typed_completions
from studio.domain.rewards import (
    added,
    column_findings,
    functions_of,
    moved,
    picked,
    removed,
    renewed,
    rewards_of,
    settled,
    weighed,
    with_model,
    with_own_code,
)
from studio.service.access import Access
from studio.service.data import Inspection
from studio.service.library import Library
from studio.service.rewards import Ask
from studio.service.studio import Studio
from studio.ui import rewards_card
from studio.ui.form import Form
from studio.ui.kept import kept, restored
from studio.ui.page import Page

GRPO = Recipe("grpo", {"model_name_or_path": "assets/demo/model", "dataset_name": "assets/demo/grpo"})
OWN = '''import math


def answers_once(prompts, completions, answer, **kwargs):
    """1 where the answer stands in the completion once."""
    said = [one[-1]["content"] for one in completions]
    return [float(text.count(wanted) == 1) for text, wanted in zip(said, answer, strict=True)]


def raises(completions, **kwargs):
    return [1 / len(one[-1]["content"].replace(".", "")[:0]) for one in completions]


def short(completions, **kwargs):
    return [1.0]


async def gaps(completions, **kwargs):
    return [None if place else math.nan for place, _ in enumerate(completions)]


def endless(completions, **kwargs):
    while True:
        pass


def greedy(completions, **kwargs):
    return [float(len(bytearray(40_000_000_000)))] * len(completions)


def worded(completions, **kwargs):
    return ["good" for _ in completions]


def quits(completions, **kwargs):
    import os

    os._exit(0)
'''


@pytest.fixture
def studio(tmp_path: Path, catalog_folder: Path) -> Studio:
    home = tmp_path / "home"
    home.mkdir()
    (home / "cache").symlink_to(catalog_folder)
    return Studio(Home(home))


def own(catalog: Catalog, *names: str, code: str = OWN) -> Recipe:
    recipe = with_own_code(GRPO, code)
    for name in names:
        recipe = added(recipe, catalog, f"rewards.{name}")
    return recipe


# What there is ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["grpo", "rloo"])
def test_trls_own_are_those_of_the_installed_trl(method: str) -> None:
    from trl import rewards

    found = built_in_rewards(method)
    assert list(found)[:3] == ["accuracy_reward", "reasoning_accuracy_reward", "think_format_reward"]
    for name, one in found.items():
        function = getattr(rewards, name)
        assert one.about
        if one.settings:
            assert callable(function(**one.settings))
        else:
            code = function.__code__
            required = code.co_varnames[: code.co_argcount - len(function.__defaults__ or ())]
            assert one.needs == tuple(set(required) - {"completions"})
    assert found["get_soft_overlong_punishment"].settings == {"max_completion_len": 1280, "soft_punish_cache": 256}
    assert built_in_rewards("sft") == {}


def test_what_each_reward_is(catalog: Catalog, root: Path) -> None:
    recipe = own(catalog, "answers_once")
    recipe = picked(recipe, catalog, Pick("exact", "right_text"))
    recipe = added(added(recipe, catalog, "accuracy_reward"), catalog, "assets.demo.rewards.right_answer")
    recipe = with_model(added(recipe, catalog, "no_dot"), catalog, "org/score")
    module = (root / "assets" / "demo" / "rewards.py").read_text()
    sources = {"assets.demo.rewards": module}
    found = rewards_of(recipe, built_in_rewards("grpo"), sources.get)
    assert [(one.name, one.source, one.needs, one.messages, one.span) for one in found] == [
        ("score", "model", (), False, None),
        ("answers_once", "own", ("answer",), False, None),
        ("right_text", "library", ("answer",), False, (0, 1)),
        ("accuracy_reward", "trl", ("solution",), True, (0.0, 1.0)),
        ("right_answer", "module", ("answer",), False, None),
        ("no_dot", "unknown", (), False, None),
    ]
    assert found[1].about == "1 where the answer stands in the completion once."


# Changing --------------------------------------------------------------------------------------------------------


def test_weights_go_with_their_functions(catalog: Catalog) -> None:
    recipe = added(added(added(GRPO, catalog, "a.one"), catalog, "a.two"), catalog, "a.three")
    assert recipe.get("reward_weights") is None
    recipe = weighed(recipe, catalog, 1, 0.5)
    assert recipe.get("reward_weights") == [1.0, 0.5, 1.0]
    recipe = moved(recipe, catalog, 1, up=True)
    assert (functions_of(recipe), recipe.get("reward_weights")) == (["a.two", "a.one", "a.three"], [0.5, 1.0, 1.0])
    assert moved(recipe, catalog, 0, up=True) == recipe
    recipe = with_model(recipe, catalog, "org/score")
    assert recipe.get("reward_weights") == [1.0, 0.5, 1.0, 1.0]
    recipe = weighed(recipe, catalog, 0, 2.0)
    assert moved(recipe, catalog, 1, up=True) == recipe  # the model stays the first
    assert with_model(recipe, catalog, "org/other").get("reward_weights") == [2.0, 0.5, 1.0, 1.0]
    recipe = removed(recipe, catalog, 2)
    assert (functions_of(recipe), recipe.get("reward_weights")) == (["a.two", "a.three"], [2.0, 0.5, 1.0])
    recipe = removed(recipe, catalog, 0)
    assert (recipe.get("reward_model_name_or_path"), recipe.get("reward_weights")) == (None, [0.5, 1.0])
    recipe = removed(recipe, catalog, 0)
    assert (functions_of(recipe), recipe.get("reward_weights")) == (["a.three"], None)
    assert removed(recipe, catalog, 5) == recipe
    assert functions_of(removed(recipe, catalog, 0)) == []


def test_the_librarys_code_comes_and_goes_with_its_rewards(catalog: Catalog) -> None:
    recipe = with_own_code(GRPO, OWN)
    recipe = picked(picked(recipe, catalog, Pick("length", "good_length")), catalog, Pick("length", "good_length"))
    assert functions_of(recipe) == ["rewards.good_length", "rewards.good_length_2"]
    first, second = read_file(recipe.reward_code).picks
    recipe = settled(recipe, catalog, second, replace(second, name="brief", settings={"most": 5}))
    assert functions_of(recipe) == ["rewards.good_length", "rewards.brief"]
    assert read_file(recipe.reward_code).picks[1].get("most") == 5
    recipe = removed(recipe, catalog, 0)
    assert [pick.name for pick in read_file(recipe.reward_code).picks] == ["brief"]
    assert read_file(recipe.reward_code).own.rstrip() == OWN.rstrip()
    recipe = removed(recipe, catalog, 0)
    assert recipe.reward_code.rstrip() == OWN.rstrip()
    assert first.name == "good_length"


@pytest.fixture
def of_another_release(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """A recipe with two rewards of the library and own code, made by a release whose lengths were scored otherwise."""
    pieces = dict(reward_library._pieces())
    pieces["length_score"] = "def length_score(length: int, least: int, most: int) -> float:\n    return 0.25\n"
    with monkeypatch.context() as before:
        before.setattr(reward_library, "_pieces", lambda: pieces)
        recipe = picked(with_own_code(GRPO, OWN), catalog, Pick("length", "good_length", {"most": 7}))
        return picked(recipe, catalog, Pick("contains", "polite", {"wanted": ["please"]}))


def scored(recipe: Recipe, name: str) -> list[float]:
    namespace: dict[str, Any] = {}
    exec(recipe.reward_code, namespace)
    found: list[float] = namespace[name](completions=["one please"])
    return found


def test_code_of_another_release_stays_until_it_is_edited(of_another_release: Recipe, catalog: Catalog) -> None:
    recipe = of_another_release
    length, polite = rewards_of(recipe, {})
    assert (length.source, polite.source, length.other_release, polite.other_release) == (
        "library",
        "library",
        True,
        True,
    )
    assert length.pick is not None
    assert (length.pick.get("most"), length.about, length.span) == (7, length.pick.template.about, (0, 1))
    # What does not touch the library's rewards leaves their code as it is.
    for same in (weighed(recipe, catalog, 0, 0.5), moved(recipe, catalog, 0, up=False)):
        assert same.reward_code == recipe.reward_code
    other = with_own_code(recipe, OWN_TEMPLATE)
    assert other.reward_code.partition(LINE)[2] == recipe.reward_code.partition(LINE)[2]
    assert scored(other, "good_length") == [0.25]
    assert rewards_of(other, {})[0].other_release
    edited = settled(recipe, catalog, length.pick, replace(length.pick, settings={"most": 5}))
    for new in (edited, renewed(recipe), removed(recipe, catalog, 1), picked(recipe, catalog, Pick("json", "valid"))):
        assert scored(new, "good_length") == [1.0]
        assert not any(one.other_release for one in rewards_of(new, {}))
        assert read_file(new.reward_code).own.rstrip() == OWN.rstrip()
    assert [one.get("most") for one in read_file(edited.reward_code).picks[:1]] == [5]
    assert renewed(edited) == edited


def test_code_of_another_release_changed_by_hand_is_own_code(of_another_release: Recipe) -> None:
    code = of_another_release.reward_code
    for changed in (
        code.replace("return 0.25", "return 0.5"),
        code.replace('"most": 7', '"most": 8'),
        code + "\nX = 1\n",
    ):
        assert changed != code
        assert read_file(changed) == RewardFile(own=changed)
        assert [one.source for one in rewards_of(replace(of_another_release, reward_code=changed), {})] == ["own"] * 2


def test_code_of_another_release_goes_with_the_recipe(of_another_release: Recipe) -> None:
    code = of_another_release.reward_code
    assert read_file(code).text() == code
    assert take_code(with_code("reward_funcs: [rewards.polite]\n", code)) == ("reward_funcs: [rewards.polite]\n", code)


def test_the_card_tells_of_another_release(of_another_release: Recipe, tmp_path: Path) -> None:
    page, form = Page(Studio(Home(tmp_path / "home"))), Form(of_another_release)
    drawn = rewards_card._listed(page, form)
    assert 'data-reward="renew"' in drawn
    assert "It runs as it is, until a reward" in drawn
    assert 'data-change="setting"' in drawn  # its settings are there to edit
    form.recipe = rewards_card.changed(page, form, {"do": "renew"})
    assert 'data-reward="renew"' not in rewards_card._listed(page, form)
    assert scored(form.recipe, "good_length") == [1.0]


# What is wrong ---------------------------------------------------------------------------------------------------


def said(studio: Studio, recipe: Recipe, elsewhere: bool = False) -> list[tuple[str, str, str]]:
    found = studio.check(recipe, elsewhere)
    return [(one.level, one.where.name, one.message) for one in found if "reward" in str(one) and one.level != "note"]


def test_a_good_recipe_has_no_finding(studio: Studio, catalog: Catalog) -> None:
    recipe = picked(own(catalog, "answers_once"), catalog, Pick("exact", "right_text"))
    assert said(studio, recipe) == []


@pytest.mark.parametrize(
    ("names", "level", "where", "says"),
    [
        (["acuracy_reward"], "error", "reward_funcs", "TRL knows no reward function `acuracy_reward`"),
        (["rewards.answer_once"], "error", "reward_funcs", "rewards.py has no function `answer_once`"),
        (["nowhere.to.be_found"], "error", "reward_funcs", "There is no module `nowhere.to` here"),
        (["assets.demo.rewards.polite"], "warning", "reward_funcs", "assets/demo/rewards.py has no function `polite`"),
        (["get_soft_overlong_punishment"], "warning", "reward_funcs", "never punishes"),
        (["rewards.short", "rewards.short"], "warning", "reward_funcs", "Two rewards are called `short`"),
    ],
)
def test_functions_that_cannot_work(
    studio: Studio, catalog: Catalog, names: list[str], level: str, where: str, says: str
) -> None:
    recipe = with_own_code(GRPO, OWN)
    for name in names:
        recipe = added(recipe, catalog, name)
    (found,) = said(studio, recipe)
    assert found[:2] == (level, where)
    assert says in found[2]


FORMS = """import functools
import statistics

try:
    from statistics import mean as brought
except ImportError:
    brought = None


def _base(completions, k=1.0, **kwargs):
    return [k] * len(completions)


class Judge:
    def __call__(self, completions, **kwargs):
        return [2.0] * len(completions)


half = functools.partial(_base, k=0.5)
quick = lambda completions, **kwargs: [3.0] * len(completions)
judge = Judge()
strict = lambda completions: [1.0]
"""


def test_what_trl_takes_beside_functions(studio: Studio, catalog: Catalog, looked: list[Inspection]) -> None:
    recipe = own(catalog, "half", "quick", "judge", "brought", code=FORMS)
    assert said(studio, recipe) == []
    (found,) = said(studio, own(catalog, "strict", code=FORMS))
    assert found[2] == "`strict` takes no `**kwargs`."
    assert said(studio, own(catalog, "later", code="from math import *\n")) == []
    assert said(studio, own(catalog, "later", code="def __getattr__(name):\n    return print\n")) == []
    (found,) = said(studio, own(catalog, "completions", code=FORMS))
    assert "has no function `completions`" in found[2]
    trial = studio.rewards.trial(own(catalog, "half", "quick", "judge", code=FORMS), looked, Ask(COMPLETIONS, rows=1))
    assert [one.values for one in trial.outcomes] == [(0.5,) * 2, (3.0,) * 2, (2.0,) * 2]
    assert trial.findings == ()


def test_fixes_name_the_function_that_is_meant(studio: Studio, catalog: Catalog) -> None:
    recipe = added(own(catalog), catalog, "rewards.answer_once")
    (found,) = [one for one in studio.prepare(recipe).findings if one.level == "error"]
    assert found.fix is not None
    cured = recipe.with_changes(catalog, found.fix.set)
    assert functions_of(cured) == ["rewards.answers_once"]
    assert [one for one in studio.prepare(cured).findings if one.level == "error"] == []


def test_what_the_data_lacks(studio: Studio, catalog: Catalog) -> None:
    code = "def one(completions, source, **kwargs):\n    pass\ndef two(completions, completion, **kwargs):\n    pass\n"
    recipe = own(catalog, "one", "two", code=code)
    recipe = picked(recipe, catalog, Pick("numeric", "right_number", {"column": "solution"}))
    found = {one.message for one in studio.check(recipe) if one.level == "error"}
    assert found == {
        "`one` needs a column `source`, and the data has none.",
        "`two` asks for the column `completion`.",
        "`right_number` needs a column `solution`, and the data has none.",
    }
    assert column_findings(recipe, studio.rewards.of(recipe), []) == []
    dropped = own(catalog, "answers_once").with_changes(catalog, {"remove_unused_columns": True})
    assert [one.where.name for one in studio.check(dropped) if one.level == "error"] == ["remove_unused_columns"]


def test_broken_code_and_wrong_settings_keep_a_run_from_starting(studio: Studio, catalog: Catalog) -> None:
    broken = own(catalog, "f", code="def f(completions, **kwargs)\n    return []\n")
    (found,) = [one for one in studio.prepare(broken).findings if one.level == "error"]
    assert (found.where.kind, found.where.name, found.where.line) == ("file", FILE_NAME, 1)
    with pytest.raises(StudioError, match="Python cannot read"):
        studio.start(broken, name="broken")
    lacks = own(catalog, "f", code="\ndef f(completions):\n    return []\n")
    (found,) = [one for one in studio.prepare(lacks).findings if one.level == "error"]
    assert ("`**kwargs`" in found.message, found.where.line) == (True, 2)
    wrong = picked(GRPO, catalog, Pick("pattern", "matches", {"pattern": "("}))
    assert any("cannot be read" in one.message for one in studio.prepare(wrong).findings if one.level == "error")
    nothing = weighed(own(catalog, "short"), catalog, 0, 0.0)
    assert any("weigh nothing" in one.message for one in studio.prepare(nothing).findings)
    assert not studio.run_names()


# Carried along ---------------------------------------------------------------------------------------------------


def rewarded(catalog: Catalog) -> Recipe:
    recipe = picked(own(catalog, "answers_once", code=OWN_TEMPLATE + OWN), catalog, Pick("exact", "right_text"))
    return weighed(recipe, catalog, 1, 0.25)


def test_the_file_is_what_the_screen_shows(studio: Studio, catalog: Catalog) -> None:
    recipe = rewarded(catalog)
    for elsewhere in (False, True):
        prepared = studio.prepare(recipe, elsewhere)
        assert prepared.rewards == recipe.reward_code
        assert prepared.files[FILE_NAME] == recipe.reward_code.encode()
        assert "reward_weights: [1.0, 0.25]" in prepared.yaml
    other, _ = recipe.for_method(catalog, "sft")
    assert (studio.prepare(other).rewards, studio.prepare(GRPO).rewards) == (None, None)
    unused = recipe.with_changes(catalog, {"reward_funcs": ["think_format_reward"]})
    assert studio.prepare(unused).rewards is None


def test_one_text_of_a_recipe_holds_its_code(studio: Studio, catalog: Catalog) -> None:
    recipe = rewarded(catalog)
    text, _ = studio.recipes.export(recipe, "yaml")
    opened, findings = studio.recipes.open(text)
    assert (opened.reward_code, opened.values, findings) == (recipe.reward_code, recipe.values, [])


def test_a_run_folder_and_a_file_bring_their_code(studio: Studio, catalog: Catalog, tmp_path: Path) -> None:
    recipe, library = rewarded(catalog), Library(studio)
    prepared = studio.prepare(recipe)
    files = {name: data for name, data in prepared.files.items() if isinstance(data, bytes)}
    run = studio.runs.folders.create("one", "grpo", prepared.yaml, None, files)
    for typed in ("one", str(run.folder), str(run.folder / "recipe.yaml")):
        opened, _ = studio.recipes.open(library.source(typed).text)
        assert opened.reward_code == recipe.reward_code
        assert functions_of(opened) == functions_of(recipe)
    assert [row.name for row in library.compare(recipe, "run:one").rows] == []
    changed = with_own_code(recipe, OWN_TEMPLATE)
    assert [row.name for row in library.compare(changed, "run:one").rows] == [FILE_NAME]
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(run.folder / "recipe.yaml", alone)
    opened, _ = studio.recipes.open(library.source(str(alone)).text)
    assert opened.reward_code == ""
    assert any("rewards" in one.message for one in studio.prepare(opened).findings if one.level == "error")


def test_presets_and_the_browser_keep_the_code(studio: Studio, catalog: Catalog) -> None:
    recipe = rewarded(catalog)
    preset, _ = Library(studio).save(recipe, "My rewards")
    form = Form(Recipe("sft"))
    form.use(studio, preset)
    assert (form.recipe.reward_code, form.recipe.get("reward_weights")) == (recipe.reward_code, [1.0, 0.25])
    back = restored(studio, kept(form))
    assert back is not None
    assert back.recipe.reward_code == recipe.reward_code
    form.empty()
    assert form.recipe.reward_code == ""
    form.undo()
    assert form.recipe.reward_code == recipe.reward_code


def test_a_file_of_the_working_folder_is_taken_in(
    studio: Studio, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / FILE_NAME).write_text(OWN)
    monkeypatch.chdir(tmp_path)
    recipe = added(GRPO, catalog, "rewards.answers_once")
    prepared = studio.prepare(recipe)
    assert (prepared.files[FILE_NAME], prepared.rewards) == (tmp_path / FILE_NAME, OWN)
    taken = studio.rewards.taken_in(recipe)
    assert taken.reward_code == OWN
    assert studio.rewards.taken_in(GRPO).reward_code == ""
    # What the recipe holds comes before what lies there.
    assert studio.prepare(replace(taken, reward_code="def answers_once(**kwargs):\n    pass\n")).rewards != OWN


# Trying ----------------------------------------------------------------------------------------------------------

COMPLETIONS = ("The sun is yellow.", "The sun is yellow. The sun is yellow.")


@pytest.fixture
def looked(studio: Studio) -> list[Inspection]:
    return studio.recipes.look(GRPO)


def test_a_trial_calls_as_trl_does(studio: Studio, catalog: Catalog, looked: list[Inspection]) -> None:
    recipe = own(catalog, "answers_once", "gaps")
    recipe = picked(recipe, catalog, Pick("exact", "right_text", {"column": "answer"}))
    recipe = picked(recipe, catalog, Pick("length", "tokens", {"unit": "tokens", "least": 0, "most": 8}))
    recipe = added(recipe, catalog, "assets.demo.rewards.right_answer")
    recipe = added(recipe, catalog, "get_soft_overlong_punishment")
    recipe = with_model(weighed(recipe, catalog, 2, 0.5), catalog, "org/score")
    trial = studio.rewards.trial(recipe, looked, Ask(COMPLETIONS, rows=2))
    values = {one.reward.name: one.values for one in trial.outcomes}
    assert values["answers_once"] == (1.0, 0.0, 1.0, 0.0)
    assert values["right_text"] == values["right_answer"] == (1.0, 0.0, 1.0, 0.0)
    assert values["gaps"] == (None,) * 4
    assert values["get_soft_overlong_punishment"] == (0.0,) * 4
    assert values["tokens"][0] == 1.0 > (values["tokens"][1] or 0.0)  # the demo's own tokenizer counts
    assert values["score"] == (None,) * 4
    first = 1.0 + 0.5 + 1.0 + 1.0
    assert trial.sums[0] == pytest.approx(first)
    assert [(one.row, one.completion) for one in trial.samples[:2]] == [(0, COMPLETIONS[0]), (0, COMPLETIONS[1])]
    told = [(one.level, one.message) for one in trial.findings]
    assert ("note", "`score` was not tried: its weights are not on this machine yet.") in told
    assert ("warning", "`gaps` gives NaN for completion 1.") in told
    assert ("note", "`gaps` gives None for completions 2, 3, 4.") in told


def test_the_datas_own_answers_are_tried(studio: Studio, catalog: Catalog, looked: list[Inspection]) -> None:
    recipe = picked(GRPO, catalog, Pick("exact", "right_text", {"column": "answer"}))
    trial = studio.rewards.trial(recipe, looked, Ask(column="answer", rows=4))
    assert trial.sums == (1.0,) * 4
    assert trial.findings == ()


def line_of(text: str) -> int:
    return next(number for number, line in enumerate(OWN.split("\n"), 1) if text in line)


@pytest.mark.parametrize(
    ("name", "says", "at"),
    [
        ("raises", "`raises` raises: ZeroDivisionError", "1 / len"),
        ("short", "`short` returns 1 rewards for 2 completions.", "def short"),
        ("worded", "`worded` returns a str for completion 1.", "def worded"),
        ("greedy", "`greedy` raises: MemoryError", "bytearray"),
        ("quits", "`quits` ended its process.", "def quits"),
    ],
)
def test_errors_are_told_at_their_line(
    studio: Studio, catalog: Catalog, looked: list[Inspection], name: str, says: str, at: str
) -> None:
    trial = studio.rewards.trial(own(catalog, "answers_once", name), looked, Ask(COMPLETIONS, rows=1))
    (found,) = trial.findings
    assert found.level == "error"
    assert says in found.message
    assert (found.where.kind, found.where.name, found.where.line) == ("file", FILE_NAME, line_of(at))
    # The one before it is there all the same.
    assert trial.outcomes[0].values == (1.0, 0.0)
    assert not trial.outcomes[1].tried


def test_what_failed_when_it_was_tried_is_said_until_it_is_mended(
    studio: Studio, catalog: Catalog, looked: list[Inspection]
) -> None:
    recipe = own(catalog, "answers_once", "raises")
    assert studio.rewards.findings(recipe, looked) == []
    studio.rewards.trial(recipe, looked, Ask(COMPLETIONS, rows=1))
    (told,) = studio.rewards.findings(recipe, looked)
    assert (told.level, told.where.line) == ("warning", line_of("1 / len"))
    assert told.message.startswith("`raises` raises: ZeroDivisionError")
    assert told.message.endswith(", when it was tried.")
    assert studio.rewards.findings(own(catalog, "answers_once"), looked) == []  # it is left out
    mended = replace(recipe, reward_code=str(recipe.reward_code).replace("1 / len", "2 * len"))
    assert studio.rewards.findings(mended, looked) == []


def test_what_does_not_end_is_ended(
    studio: Studio, catalog: Catalog, looked: list[Inspection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.adapters.reward_trial.try_rewards.__defaults__", (1.0, 2**30))
    trial = studio.rewards.trial(own(catalog, "endless", "answers_once"), looked, Ask(COMPLETIONS, rows=1))
    ended, rest = trial.findings
    assert ended.message == "`endless` did not end within 1 s."
    assert ended.where.line in (line_of("while True"), line_of("while True") + 1)
    assert "was not tried" in rest.message


LEAVES = """import os, subprocess, sys, threading, time

SLEEP = [sys.executable, "-c", "import time; time.sleep(300)"]


def leaves(completions, **kwargs):
    first = subprocess.Popen(SLEEP, start_new_session=True)
    # One more, of nobody's: its parent ends at once.
    again = f"import subprocess as s; print(s.Popen({SLEEP!r}, start_new_session=True, stdout=-3, stderr=-3).pid)"
    second = subprocess.run([sys.executable, "-c", again], capture_output=True, text=True, env={})
    threading.Thread(target=time.sleep, args=(100,)).start()
    with open(PLACE, "w") as file:
        file.write(f"{first.pid} {second.stdout}")
    return [1.0] * len(completions)


def leaves_and_quits(completions, **kwargs):
    leaves(completions)
    os._exit(0)


def leaves_and_signals(completions, **kwargs):
    leaves(completions)
    import signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    return [1.0] * len(completions)


def leaves_and_stays(completions, **kwargs):
    leaves(completions)
    time.sleep(300)
"""


@pytest.mark.parametrize("name", ["leaves", "leaves_and_quits", "leaves_and_stays", "leaves_and_signals"])
def test_nothing_that_code_has_started_is_left(
    studio: Studio, catalog: Catalog, looked: list[Inspection], tmp_path: Path, monkeypatch: Any, name: str
) -> None:
    monkeypatch.setattr("studio.adapters.reward_trial.try_rewards.__defaults__", (10.0, 2**30))
    code = LEAVES + f"\n\nPLACE = {str(tmp_path / 'pids')!r}\n"
    begun = time.monotonic()
    trial = studio.rewards.trial(own(catalog, name, code=code), looked, Ask(COMPLETIONS, rows=1))
    assert time.monotonic() - begun < 90
    pids = [int(word) for word in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 2
    assert [pid for pid in pids if ProcessId.of(pid) is not None] == []
    words = [one.message for one in trial.findings]
    if name in ("leaves", "leaves_and_signals"):
        assert (trial.sums, words) == ((1.0, 1.0), [])
    else:
        assert words == [f"`{name}` " + ("ended its process." if "quits" in name else "did not end within 10 s.")]


def test_code_that_cannot_be_imported_is_told(studio: Studio, catalog: Catalog, looked: list[Inspection]) -> None:
    code = "import no_such_package\n\n\ndef f(completions, **kwargs):\n    return []\n"
    trial = studio.rewards.trial(own(catalog, "f", code=code), looked, Ask(COMPLETIONS, rows=1))
    (found,) = trial.findings
    assert "`f` cannot be imported: ModuleNotFoundError" in found.message
    assert found.where.line == 1


def test_what_there_is_nothing_to_try_on(studio: Studio, catalog: Catalog, looked: list[Inspection]) -> None:
    recipe = own(catalog, "short")
    for given, seen, says in (
        (recipe, [], "no rows"),
        (GRPO, looked, "no reward"),
        (recipe, studio.recipes.look(replace(GRPO, values={"dataset_name": "assets/demo/sft"})), "no column `prompt`"),
    ):
        with pytest.raises(StudioError, match=says):
            studio.rewards.trial(given, seen, Ask(COMPLETIONS))


def test_typed_completions_and_cells() -> None:
    assert typed_completions("one\nmore\n---\n\ntwo\n --- \n") == ["one\nmore", "two", ""]
    rows: list[dict[str, Any]] = [{"a": [{"role": "assistant", "content": "said"}], "b": None}]
    assert [one.completion for one in (*samples_of(rows, (), "a"), *samples_of(rows, (), "b"))] == ["said", ""]
    assert len(samples_of(rows * 30, ("x", "y"), None)) == 40


# Whose code is run -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("user", [None, BOB])
def test_on_a_space_code_is_run_for_nobody_but_its_owner(
    studio: Studio, catalog: Catalog, looked: list[Inspection], tmp_path: Path, user: Any
) -> None:
    mark = tmp_path / "ran"
    code = f"open({str(mark)!r}, 'w').close()\ndef f(completions, **kwargs):\n    return [1.0] * len(completions)\n"
    recipe = own(catalog, "f", code=code)
    seen = studio.guarded(access(user))
    with pytest.raises(StudioError, match="Only the owner of this Space may have code run"):
        seen.rewards.trial(recipe, looked, Ask(COMPLETIONS))
    with pytest.raises(StudioError, match="Only the owner"):
        seen.start(recipe, name="one")
    # Building, checking and exporting look at the code and do not run it.
    assert seen.prepare(recipe, elsewhere=True).rewards == code
    assert [one for one in seen.check(recipe) if one.level == "error"] == []
    assert not mark.exists()
    assert not studio.run_names()


def test_the_owner_may_try(studio: Studio, catalog: Catalog, looked: list[Inspection]) -> None:
    recipe = own(catalog, "answers_once")
    for who in (Access(), access(ADA)):
        assert studio.guarded(who).rewards.trial(recipe, looked, Ask(COMPLETIONS, rows=1)).sums == (1.0, 0.0)


def test_others_read_no_module_of_the_space(studio: Studio, catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "secret.py").write_text("def f(completions, **kwargs):\n    'canary'\n")
    recipe = added(GRPO, catalog, "secret.f")
    seen = studio.guarded(access(BOB))
    paths = seen.recipes.paths(tmp_path)
    assert seen.recipes.prepare(recipe, None, tmp_path).files == {}
    assert paths.find("secret.py") is None
