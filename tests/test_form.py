"""The form of one page: what follows, what is put aside, what is taken back, and what the browser keeps of it."""

from __future__ import annotations

import copy
import json
import re
import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from browser import loops_closed
from model_files import ROOT

from studio.adapters.home import Home
from studio.domain.errors import StudioError
from studio.domain.recipe import Recipe
from studio.service.presets import named
from studio.service.studio import Studio
from studio.ui.card import card, expected_steps, shown_code
from studio.ui.dataset_box import settled
from studio.ui.form import Form, dataset_text
from studio.ui.kept import kept, restored
from studio.ui.page import Page
from studio.ui.run_actions import duplicate
from studio.ui.steps import next_field, next_step


@pytest.fixture
def studio(tmp_path: Path, catalog_folder: Path) -> Studio:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "cache").symlink_to(catalog_folder)
    return Studio(Home(tmp_path / "home"))


def test_the_learning_rate_follows_method_and_lora_until_the_user_sets_it(studio: Studio) -> None:
    catalog, form = studio.arguments.get(), Form(Recipe("sft"))
    form.set(catalog, "use_peft", True, True)
    assert form.recipe.get("learning_rate") == pytest.approx(2e-4)
    form.choose_method(studio, "dpo")
    assert form.recipe.get("learning_rate") == pytest.approx(1e-5)
    form.set(catalog, "use_peft", False, True)
    assert "learning_rate" not in form.recipe.values
    form.set(catalog, "use_peft", True, True)
    form.set(catalog, "learning_rate", 3e-5, True)
    form.set(catalog, "use_peft", False, True)
    assert form.recipe.get("learning_rate") == pytest.approx(3e-5)
    form.choose_method(studio, "reward")
    assert form.recipe.get("learning_rate") == pytest.approx(3e-5)


def test_a_reward_adapter_is_seq_cls_by_itself_and_only_there(studio: Studio) -> None:
    catalog, form = studio.arguments.get(), Form(Recipe("reward"))
    form.set(catalog, "use_peft", True, True)
    assert form.recipe.get("lora_task_type") == "SEQ_CLS"
    form.choose_method(studio, "sft")
    assert "lora_task_type" not in form.recipe.values
    form.choose_method(studio, "reward")
    form.set(catalog, "lora_task_type", "TOKEN_CLS", True)
    assert form.recipe.get("lora_task_type") == "TOKEN_CLS"


def test_a_duplicate_is_what_the_user_chose_and_no_more(studio: Studio) -> None:
    values = {"model_name_or_path": "a/model", "dataset_name": "b/data", "max_steps": 7, "report_to": ["wandb"]}
    prepared = studio.recipes.prepare(Recipe("sft", values), "first")
    studio.runs.folders.create("first", "sft", prepared.yaml)
    form = Form(Recipe("dpo"))
    duplicate(studio, form, "first")
    assert (form.recipe.method, dict(form.recipe.values), dict(form.recipe.launch)) == ("sft", values, {})
    assert form.recipe.non_default(studio.arguments.get()) == len(values)
    assert "run_name" not in studio.prepare(form.recipe, elsewhere=True).yaml
    assert studio.prepare(form.recipe).notes.keys() == prepared.notes.keys()
    with pytest.raises(StudioError, match="There is no run 'second'"):
        duplicate(studio, form, "second")


@pytest.mark.parametrize(("count", "said"), [(1, "1 line is this"), (2, "2 lines are this"), (0, "0 lines are this")])
def test_lines_of_this_machine_are_counted_in_words(studio: Studio, count: int, said: str) -> None:
    form = Form(Recipe("sft"))
    prepared = replace(studio.prepare(form.recipe), notes=dict.fromkeys("ab"[:count], "why"))
    assert said in card(studio, form, prepared)


def test_rows_and_steps_are_those_of_all_that_is_trained_on(studio: Studio) -> None:
    catalog, form = studio.arguments.get(), Form(Recipe("sft"))

    def said(**values: object) -> tuple[str, ...]:
        form.recipe = Recipe("sft", {"per_device_train_batch_size": 4, "num_train_epochs": 2, **values})
        form.looked = tuple(studio.recipes.look(form.recipe))
        form.typed = dataset_text(form.recipe)
        drawn = card(studio, form, form.prepared(studio))
        return tuple(re.findall(rf"<dt>.*?{name}.*?</dt><dd>(.*?)</dd>", drawn)[0] for name in ("Data", "Length"))

    one, other = {"path": "assets/demo/sft"}, {"path": "assets/demo/distillation", "split": "train[:25%]"}
    assert said(dataset_name="assets/demo/sft") == ("assets/demo/sft · train · 432 rows", "2 epochs · 216 steps")
    assert said(datasets=[one, other]) == ("2 datasets · 540 rows", "2 epochs · 270 steps")
    assert said(datasets=[one, other], test_split_size=40) == ("2 datasets · 500 rows", "2 epochs · 250 steps")
    assert said(datasets=[other])[0].endswith("distillation · train[:25%] · 108 rows")
    assert said(datasets=[one, {"path": "no/where"}]) == ("2 datasets", "2 epochs")
    assert expected_steps(form, form.recipe, catalog) is None
    assert said(datasets=[one, other], max_steps=27)[1] == "27 steps · 0.2 epochs"
    few = [{"path": "assets/demo/distillation", "split": "train[:4]"}]
    whole = {"per_device_train_batch_size": 16, "max_steps": 8}
    assert said(datasets=few, **whole) == ("assets/demo/distillation · train[:4] · 4 rows", "8 steps · 8 epochs")
    assert said(datasets=few, **whole, packing=True)[1] == "8 steps"  # what it packs is known once it is counted


def test_what_is_hidden_is_not_in_the_recipe_and_comes_back_with_what_hid_it(studio: Studio) -> None:
    catalog, form = studio.arguments.get(), Form(Recipe("grpo"))
    form.set(catalog, "use_vllm", True, True)
    form.set(catalog, "vllm_mode", "server", True)
    form.set(catalog, "vllm_server_port", 9000, True)
    form.set(catalog, "use_vllm", False, True)
    assert not {"vllm_mode", "vllm_server_port"} & set(form.recipe.values)
    form.set(catalog, "use_vllm", True, True)
    assert form.recipe.get("vllm_mode") == "server"
    assert form.recipe.get("vllm_server_port") == 9000


def test_an_opened_recipe_keeps_what_has_no_effect_and_says_so(studio: Studio) -> None:
    form = Form(Recipe("sft"))
    form.open(studio, "model_name_or_path: a/b\ndataset_name: c/d\nlora_r: 64\nlora_alpha: 8\n# trl sft\n")
    assert form.recipe.get("lora_r") == 64
    told = [found for found in form.prepared(studio).findings if "no effect" in found.message]
    assert len(told) == 1
    assert told[0].fix is not None
    assert set(told[0].fix.unset) == {"lora_r", "lora_alpha"}


def test_a_new_recipe_is_empty_and_can_be_taken_back(studio: Studio) -> None:
    form = Form(Recipe("sft"), drawn=True)
    form.use(studio, named(studio.recipes.presets(), "demo-dpo"))
    before = kept(form)
    form.empty()
    assert form.drawn
    assert form.recipe.method == "dpo"
    assert not form.recipe.values
    assert next_field(studio.arguments.get(), form) == ""  # nothing is judged before it is drawn
    form.prepared(studio)
    assert next_field(studio.arguments.get(), form) == "model:model_name_or_path"
    assert next_step(studio, form)[0] == "Choose a model"
    form.undo()
    assert kept(form) == before
    assert form.looked


@pytest.mark.parametrize("preset", ["demo-sft", "demo-grpo", "sft-fsdp2", "dpo-qlora", "distillation"])
def test_the_browser_gives_the_same_recipe_back(studio: Studio, preset: str) -> None:
    form = Form(Recipe("sft"), tags=("one", "two"))
    form.use(studio, named(studio.recipes.presets(), preset))
    form.set(studio.arguments.get(), "seed", 7, True)
    form.elsewhere = True
    back = restored(studio, json.loads(json.dumps(kept(form))))
    assert back is not None
    assert back.recipe == form.recipe
    assert (back.typed, back.tags, back.elsewhere, back.preset) == (form.typed, form.tags, True, preset)
    assert back.prepared(studio).yaml == form.prepared(studio).yaml
    assert back.unseen
    assert back.see(studio)
    assert not back.see(studio)


def test_the_browser_keeps_no_secret(studio: Studio) -> None:
    values = {"hub_token": "hf_canary", "eos_token": "<|im_end|>", "push_to_hub": True}
    form = Form(Recipe("sft", values=values, env={"HF_TOKEN": "hf_canary", "WANDB_API_KEY": "canary", "A": "b"}))
    text = json.dumps(kept(form))
    assert "canary" not in text
    assert "<|im_end|>" in text
    assert '"A": "b"' in text


@pytest.mark.parametrize(
    "found",
    [
        None,
        7,
        "text",
        {},
        {"version": 99, "method": "sft"},
        {"version": 1, "method": "ppo"},
        {"version": 1},
        [],
    ],
)
def test_what_is_no_form_of_ours_is_left_alone(studio: Studio, found: object) -> None:
    assert restored(studio, found) is None


def test_a_form_of_another_trl_keeps_what_is_not_known_any_more(studio: Studio) -> None:
    found = kept(Form(Recipe("sft", values={"max_steps": 5})))
    found["values"] = {"max_steps": "many", "gone_option": 3}
    found |= {"flags": "no list", "env": 5, "pinned": [1], "typed": None, "tags": {}}
    back = restored(studio, found)
    assert back is not None
    assert back.recipe.unknown == {"gone_option": 3}
    assert any(found.where.name == "max_steps" for found in back.prepared(studio).findings)


def test_a_form_that_was_never_drawn_stays_undrawn_through_copies(studio: Studio) -> None:
    form = Form(Recipe("sft"))
    assert not copy.deepcopy(form).drawn
    form.drawn = True
    form.become(Form(Recipe("dpo")))
    assert form.drawn
    assert form.recipe.method == "dpo"


def findings_drawn(studio: Studio, method: str, data: Path) -> list[str]:
    """The Findings on the recipe's card as they are drawn, once this data was chosen and all its rows looked at."""
    form = Form(Recipe(method))
    form.choose_dataset(studio, str(data))
    form.looked = tuple(studio.whole.checked(one, form.recipe.values) for one in form.looked)
    return card(studio, form, form.prepared(studio)).split('<div class="ts-finding ')[1:]


def test_columns_are_mapped_from_where_they_are_missed(studio: Studio, tmp_path: Path) -> None:
    data = tmp_path / "rows.jsonl"
    rows = [{"prompt": f"Why {n}?", "response": f"So {n}."} for n in range(40)]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (missing,) = [one for one in findings_drawn(studio, "sft", data) if "There is no column" in one]
    assert "Switch to GRPO" in missing
    assert "Map the columns" in missing
    # A mapping has the question learnt; it does nothing about rows that are there twice.
    pairs = [{"question": f"Why {n % 20}?", "chosen": f"So {n % 20}.", "rejected": "No."} for n in range(40)]
    data.write_text("".join(json.dumps(row) + "\n" for row in pairs))
    drawn = findings_drawn(studio, "dpo", data)
    (twice,) = [one for one in drawn if "like an earlier one" in one]
    assert "Map the columns" not in twice
    mapped = [one for one in drawn if "Map the columns" in one]
    assert mapped
    assert all("warning" in one and "question" in one for one in mapped), mapped


def test_the_dataset_that_was_chosen_last_counts(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long another one takes to be looked at; until then the form is not settled."""
    for name in ("slow", "quick"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"text": name}) + "\n")
    asked, answer, inspect = threading.Event(), threading.Event(), studio.inspect

    def slowly(name: str, *more: Any, **named: Any) -> Any:
        if "slow" in name:
            asked.set()
            assert answer.wait(60)
        return inspect(name, *more, **named)

    monkeypatch.setattr(studio, "inspect", slowly)
    form = Form(Recipe("sft"))
    waiting = threading.Thread(target=form.choose_dataset, args=(studio, str(tmp_path / "slow.jsonl")))
    waiting.start()
    assert asked.wait(60)
    assert not settled(form, 0.1)
    form.choose_dataset(studio, str(tmp_path / "quick.jsonl"))
    answer.set()
    waiting.join(60)
    assert settled(form, 0.1)
    assert [one.rows[0]["text"] for one in form.looked] == ["quick"]
    assert dataset_text(form.recipe).endswith("quick.jsonl")
    form.typing = True  # and nobody hears of it
    assert not settled(form, 5)


def test_start_looks_again_at_data_that_changed_on_disk(studio: Studio, tmp_path: Path) -> None:
    with loops_closed():
        page = Page(studio)
        page.build()
    form = Form(Recipe("sft"), drawn=True)
    form.use(studio, named(studio.recipes.presets(), "demo-sft"))
    data = shutil.copytree(ROOT / "assets" / "demo" / "sft", tmp_path / "data")
    form.choose_dataset(studio, str(data))
    page.everything(form)
    assert next_step(studio, form) == ("Start training", None)
    (data / "train.jsonl").write_text(json.dumps({"messages": "none"}) + "\n")
    page._start(form, shown_code(form, form.prepared(studio)))
    assert not studio.run_names()
    assert form.looked[0].verdict == "reject"
    assert next_step(studio, form)[1] == "data"
