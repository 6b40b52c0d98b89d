"""The arithmetic of adapters, held against PEFT itself on tiny models of many architectures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import peft_oracle
import pytest

from studio.adapters.layers import LayerListings
from studio.domain.arguments import Catalog
from studio.domain.errors import StudioError
from studio.domain.lora import adapter, matching
from studio.domain.lora_choice import Wanted, as_argument, targets_of, wanted
from studio.domain.model_layers import ModelLayers
from studio.domain.recipe import Recipe
from studio.service.continuing import resumable, taken_up
from studio.service.layers import KnownLayers, adapter_on

ROOT = Path(__file__).resolve().parent.parent
ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
EVERYWHERE: list[dict[str, Any]] = [
    {},
    {"lora_target_modules": ["all-linear"]},
    {"lora_target_modules": ["all-linear"], "lora_r": 3, "lora_dropout": 0.0},
    {"lora_target_modules": ["all-linear"], "lora_dropout": 0.0, "dtype": "bfloat16"},
    {"lora_target_modules": ["all-linear"], "use_dora": True},
    {"lora_modules_to_save": ["embed_tokens"]},
]
PICKED: list[tuple[str, str, dict[str, Any]]] = [
    ("llama", "sft", {"lora_target_modules": ATTENTION}),
    ("llama", "sft", {"lora_target_modules": ["q_proj"]}),
    ("llama", "sft", {"lora_target_modules": [r".*\.q_proj"]}),
    ("llama", "sft", {"lora_target_modules": [r".*\.layers\.1\..*(q|v)_proj"], "use_dora": True}),
    ("llama", "sft", {"lora_target_modules": ["q_proj", "nowhere"]}),
    ("llama", "sft", {"lora_target_modules": ["nowhere", "neither"]}),
    ("llama", "sft", {"lora_target_modules": ["q_proj", "mlp"]}),
    ("llama", "sft", {"lora_target_modules": ["embed_tokens", "q_proj"]}),
    ("llama", "sft", {"lora_target_modules": ["embed_tokens", "q_proj"], "use_dora": True, "dtype": "bfloat16"}),
    ("llama", "sft", {"lora_modules_to_save": ["lm_head", "embed_tokens"], "dtype": "bfloat16"}),
    ("llama", "sft", {"lora_modules_to_save": ["mlp"], "lora_target_modules": ["all-linear"]}),
    ("llama", "sft", {"lora_target_parameters": ["q_proj.weight"], "lora_dropout": 0.0}),
    ("llama", "sft", {"lora_target_parameters": ["o_proj.weight"], "lora_dropout": 0.0}),
    ("llama", "sft", {"lora_target_parameters": ["o_proj.weight"]}),
    ("qwen2", "sft", {"lora_modules_to_save": ["lm_head"], "lora_target_modules": ["all-linear"]}),
    ("qwen2", "sft", {"lora_target_modules": ["model.layers.0.self_attn.q_proj", "v_proj"]}),
    ("gpt2", "sft", {"lora_target_modules": ["c_attn", "attn.c_proj"], "use_dora": True}),
    ("gpt2", "sft", {"lora_target_modules": ["c_attn", "c_proj"]}),
    ("opt", "sft", {"lora_target_modules": ["fc1", "out_proj"], "lora_r": 5}),
    ("qwen3_moe", "sft", {"lora_target_modules": ATTENTION}),
    ("qwen3_moe", "sft", {"lora_target_modules": ["gate_proj", "q_proj"], "lora_dropout": 0.0}),
    ("qwen3_moe", "sft", {"lora_target_modules": ["gate_proj", "up_proj", "q_proj"], "lora_dropout": 0.0}),
    ("qwen3_moe", "sft", {"lora_target_modules": ["gate_proj", "up_proj", "down_proj"], "lora_dropout": 0.05}),
    ("qwen3_moe", "sft", {"lora_target_modules": [r".*\.q_proj"], "lora_dropout": 0.0}),
    ("qwen3_moe", "sft", {"lora_target_modules": [r".*\.(gate|up)_proj"], "lora_dropout": 0.0}),
    ("qwen3_moe", "sft", {"lora_target_parameters": ["experts.down_proj"], "lora_dropout": 0.0}),
    ("qwen3_moe", "sft", {"lora_target_parameters": ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"],
                          "lora_dropout": 0.0, "lora_target_modules": ["q_proj", "v_proj"]}),
    ("mixtral", "sft", {"lora_target_modules": ["w1", "w3", "w2", "q_proj"], "lora_dropout": 0.0}),
    ("llama", "reward", {"lora_task_type": "SEQ_CLS"}),
    ("llama", "reward", {"lora_task_type": "SEQ_CLS", "lora_target_modules": ["all-linear"], "use_dora": True}),
    ("qwen2", "reward", {"lora_task_type": "SEQ_CLS", "lora_target_modules": ["all-linear"], "dtype": "bfloat16"}),
    ("gpt2", "reward", {"lora_task_type": "SEQ_CLS", "lora_r": 4}),
    ("opt", "reward", {"lora_task_type": "SEQ_CLS", "lora_target_modules": ["all-linear"]}),
]  # fmt: skip
CASES = [(name, "sft", arguments) for name in peft_oracle.CONFIGS for arguments in EVERYWHERE] + PICKED


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """PEFT's answers to all cases, and the layers as the worker lists them: one child, torch imported once."""
    folder = tmp_path_factory.mktemp("peft")
    cases = [
        {"config": peft_oracle.CONFIGS[name], "method": method, "arguments": arguments}
        for name, method, arguments in CASES
    ]
    (folder / "cases.json").write_text(json.dumps(cases), encoding="utf-8")
    command = [sys.executable, peft_oracle.__file__, str(folder / "cases.json"), str(folder / "out.json")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    answers: dict[str, Any] = json.loads((folder / "out.json").read_text(encoding="utf-8"))
    return answers


@pytest.fixture(scope="module")
def models(truth: dict[str, Any]) -> dict[str, ModelLayers]:
    return {name: ModelLayers.from_json(listed) for name, listed in truth["layers"].items()}


def asked_for(arguments: dict[str, Any], catalog: Catalog) -> Wanted:
    defaults = catalog.of("sft")
    found = wanted(lambda name: arguments.get(name, defaults[name].effective_default), None, "float32")
    assert isinstance(found, Wanted)
    return found


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda n: f"{CASES[n][0]}-{CASES[n][1]}-{n}")
def test_counts_and_bytes_are_those_of_peft(
    number: int, truth: dict[str, Any], models: dict[str, ModelLayers], catalog: Catalog
) -> None:
    name, method, arguments = CASES[number]
    said = truth["answers"][number]
    model = models[name]
    found = adapter(model, method, asked_for(arguments, catalog), catalog.lora_targets.get(model.model_type))
    if "refused" in said:
        assert found.trainable is None, f"PEFT refuses {arguments}: {said['refused']}"
        assert [one.level for one in found.findings] == ["error"]
        return
    assert found.trainable == said["trainable"], (arguments, found, said["names"])
    layers = model.under(method)
    assert layers is not None
    assert layers.total + found.trainable == said["all"]
    assert found.size == said["size"], arguments
    assert not [one for one in found.findings if one.level == "error"]


def recipe_with(catalog: Catalog, **values: Any) -> Recipe:
    return Recipe("sft").with_changes(catalog, {"model_name_or_path": "a/b", "use_peft": True, **values})


@pytest.mark.parametrize("number", [n for n in range(len(CASES)) if CASES[n][1] == "sft"])
def test_the_cures_lead_to_an_adapter_that_starts(
    number: int, models: dict[str, ModelLayers], catalog: Catalog
) -> None:
    name, _, arguments = CASES[number]
    recipe = recipe_with(catalog, **arguments)
    for _ in range(4):
        found = adapter_on(models[name], recipe, catalog)
        if not found.findings:
            break
        fix = found.findings[0].fix
        assert fix is not None, found.findings[0]
        recipe = recipe.with_changes(catalog, fix.set, fix.unset)
    assert not found.findings
    assert found.trainable


def test_head_as_target_is_what_trl_refuses(models: dict[str, ModelLayers], catalog: Catalog) -> None:
    found = adapter_on(models["llama"], recipe_with(catalog, lora_target_modules=["q_proj", "lm_head"]), catalog)
    assert [(one.level, one.where.name) for one in found.findings] == [("error", "lora_target_modules")]
    assert found.findings[0].fix is not None
    assert found.findings[0].fix.set == {"lora_target_modules": [r".*\.q_proj"]}


def test_names_that_peft_would_ignore_in_silence_are_said(models: dict[str, ModelLayers], catalog: Catalog) -> None:
    recipe = recipe_with(catalog, lora_target_modules=["q_proj", "v_proj", "c_attn"], lora_modules_to_save=["nothing"])
    found = adapter_on(models["llama"], recipe, catalog)
    assert [(one.level, one.where.name) for one in found.findings] == [
        ("warning", "lora_target_modules"),
        ("warning", "lora_modules_to_save"),
    ]
    assert [one.fix.set if one.fix else None for one in found.findings] == [
        {"lora_target_modules": ["q_proj", "v_proj"]},
        {},
    ]


def test_one_name_is_a_pattern_and_several_are_ends() -> None:
    assert targets_of(None) is None
    assert targets_of(["q_proj"]) == "q_proj"
    assert targets_of(["q_proj", "v_proj"]) == ("q_proj", "v_proj")
    assert targets_of([]) == ()
    assert as_argument(["q_proj"]) == [r".*\.q_proj"]
    assert as_argument(["all-linear"]) == ["all-linear"]
    assert as_argument(["a", "b"]) == ["a", "b"]


@pytest.mark.parametrize("name", list(peft_oracle.CONFIGS))
def test_every_group_alone_is_said_by_its_name(name: str, models: dict[str, ModelLayers]) -> None:
    layers = models[name].causal
    assert layers.groups
    assert len({group.name for group in layers.groups}) == len(layers.groups)
    for group in layers.groups:
        assert matching(targets_of(as_argument([group.name])), layers) == {one.name for one in group.modules}


def test_groups_tell_attention_and_mlp_apart(models: dict[str, ModelLayers]) -> None:
    groups = {group.name: group.is_attention for group in models["gpt2"].causal.groups}
    assert groups == {"c_attn": True, "attn.c_proj": True, "c_fc": False, "mlp.c_proj": False}
    assert models["qwen3_moe"].causal.experts == ("experts.gate_up_proj", "experts.down_proj")


def test_what_cannot_be_counted_is_not_guessed(models: dict[str, ModelLayers], catalog: Catalog) -> None:
    recipe = recipe_with(catalog)
    packed = adapter_on(_replaced(models["llama"], quantized="gptq"), recipe, catalog)
    assert (packed.trainable, packed.size) == (None, None)
    assert "gptq" in packed.why
    unscored = adapter_on(_replaced(models["llama"], scored=None), replace(recipe, method="reward"), catalog)
    assert unscored.trainable is None
    odd = adapter_on(models["llama"], recipe_with(catalog, lora_r="many"), catalog)
    assert "many" in odd.why
    # A dtype that only the weights tell: the parameters are known, the file is not where weights are copied.
    strange = _replaced(models["llama"], dtype="float8_e4m3fn")
    copied = adapter_on(strange, recipe_with(catalog, dtype="auto", lora_modules_to_save=["lm_head"]), catalog)
    assert copied.trainable
    assert copied.size is None
    assert copied.why


def _replaced(model: ModelLayers, **changes: Any) -> ModelLayers:
    return ModelLayers(**{**vars(model), **changes})


def test_quantized_weights_halve_the_file(models: dict[str, ModelLayers], catalog: Catalog) -> None:
    plain = adapter_on(models["llama"], recipe_with(catalog), catalog)
    packed = adapter_on(models["llama"], recipe_with(catalog, load_in_4bit=True), catalog)
    assert plain.size is not None
    assert packed.size == plain.size // 2
    assert adapter_on(_replaced(models["llama"], quantized="bitsandbytes"), recipe_with(catalog), catalog) == packed


# Listings -------------------------------------------------------------------------------------------------------


def test_a_listing_is_made_once_and_again_where_it_is_broken(tmp_path: Path) -> None:
    config = peft_oracle.CONFIGS["llama"]
    layers = KnownLayers(tmp_path)
    assert layers.known(config) is None
    assert layers.learn(config) is True
    assert layers.learn(config) is False
    again = KnownLayers(tmp_path).known(config)
    assert isinstance(again, ModelLayers)
    assert again.causal.total == again.causal.total > 0
    (file,) = tmp_path.glob("*.json")
    file.write_text(file.read_text(encoding="utf-8")[:100], encoding="utf-8")
    assert KnownLayers(tmp_path).known(config) is None
    file.write_text('{"model_type": "llama"}', encoding="utf-8")
    assert isinstance(KnownLayers(tmp_path).known(config), str)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"model_type": "never_heard_of"}, "never_heard_of"),
        ({"model_type": "mine", "auto_map": {"AutoModel": "mine.Model"}}, "its repository"),
        ({}, "does not know"),
        ({"model_type": "llama", "hidden_size": "wide"}, "cannot build it"),
    ],
)
def test_what_cannot_be_built_is_said_and_not_kept(tmp_path: Path, config: dict[str, Any], words: str) -> None:
    found = LayerListings(tmp_path).make(config)
    assert words in found["error"]
    assert list(tmp_path.iterdir()) == []


# An adapter to continue from ------------------------------------------------------------------------------------


def checkpoint(folder: Path, step: int = 5, **adapter_config: Any) -> Path:
    """A run's checkpoint as PEFT and transformers leave it, without its weights."""
    place = folder / "output" / f"checkpoint-{step}"
    place.mkdir(parents=True)
    told = {"peft_type": "LORA", "base_model_name_or_path": "base/model", "r": 8, "lora_alpha": 4, "lora_dropout": 0.1,
            "use_rslora": True, "use_dora": False, "task_type": "CAUSAL_LM", "target_modules": ["v_proj", "q_proj"],
            "modules_to_save": None, "target_parameters": None, **adapter_config}  # fmt: skip
    (place / "adapter_config.json").write_text(json.dumps(told), encoding="utf-8")
    (place / "trainer_state.json").write_text(json.dumps({"global_step": step, "epoch": 1.0}), encoding="utf-8")
    return place


def test_taking_up_sets_model_shape_and_checkpoint(tmp_path: Path, catalog: Catalog) -> None:
    place = checkpoint(tmp_path)
    recipe = recipe_with(catalog, max_steps=5, lora_modules_to_save=["lm_head"])
    values, empty = taken_up(place, recipe, catalog)
    assert values == {
        "use_peft": True, "resume_from_checkpoint": str(place), "model_name_or_path": "base/model", "lora_r": 8,
        "lora_alpha": 4, "lora_dropout": 0.1, "use_rslora": True, "use_dora": False, "lora_task_type": "CAUSAL_LM",
        "lora_target_modules": ["q_proj", "v_proj"], "max_steps": 10,
    }  # fmt: skip
    assert set(empty) == {"lora_target_parameters", "lora_modules_to_save"}
    assert taken_up(tmp_path / "output", recipe, catalog)[0] == values


def test_taking_up_keeps_what_is_long_enough_and_counts_epochs(tmp_path: Path, catalog: Catalog) -> None:
    place = checkpoint(
        tmp_path, target_modules=["c_attn"], task_type="SEQ_CLS", modules_to_save=["classifier", "score"]
    )
    assert "max_steps" not in taken_up(place, recipe_with(catalog, max_steps=20), catalog)[0]
    values, empty = taken_up(place, recipe_with(catalog, num_train_epochs=1), catalog)
    assert values["num_train_epochs"] == 2
    assert values["lora_target_modules"] == [r".*\.c_attn"]
    assert "lora_modules_to_save" in empty


def test_what_trl_cannot_take_up_is_refused_in_words(tmp_path: Path, catalog: Catalog) -> None:
    recipe = recipe_with(catalog)
    with pytest.raises(StudioError, match="no adapter"):
        taken_up(tmp_path, recipe, catalog)
    place = checkpoint(tmp_path / "a")
    (place / "trainer_state.json").unlink()
    with pytest.raises(StudioError, match="checkpoints only"):
        taken_up(place, recipe, catalog)
    with pytest.raises(StudioError, match="no LoRA adapter"):
        taken_up(checkpoint(tmp_path / "b", peft_type="IA3"), recipe, catalog)
    with pytest.raises(StudioError, match="rank_pattern"):
        taken_up(checkpoint(tmp_path / "c", rank_pattern={"q_proj": 4}), recipe, catalog)


def test_only_ended_runs_of_the_method_with_an_adapter_are_offered(tmp_path: Path) -> None:
    runs = []
    for name, method, state in (("a", "sft", "finished"), ("b", "dpo", "finished"), ("c", "sft", "training")):
        checkpoint(tmp_path / name)
        runs.append({"id": name, "method": method, "state": state, "folder": str(tmp_path / name)})
    (tmp_path / "d" / "output" / "checkpoint-3").mkdir(parents=True)
    runs.append({"id": "d", "method": "sft", "state": "finished", "folder": str(tmp_path / "d")})
    assert [(one.run, one.step, one.rank) for one in resumable(runs, "sft")] == [("a", 5, 8)]


@pytest.mark.slow
def test_trl_trains_an_adapter_further_from_what_taking_up_sets(tmp_path: Path, catalog: Catalog) -> None:
    first = recipe_with(
        catalog, model_name_or_path=str(ROOT / "assets/demo/model"), dataset_name=str(ROOT / "assets/demo/sft"),
        max_steps=3, per_device_train_batch_size=4, max_length=64, learning_rate=0.002, use_cpu=True, bf16=False,
        report_to="none", logging_steps=1, lora_r=4, lora_target_modules=["q_proj", "k_proj"],
        output_dir=str(tmp_path / "output"),
    )  # fmt: skip
    _train(first, tmp_path, catalog)
    bare = recipe_with(catalog, **{k: v for k, v in first.values.items() if not k.startswith("lora_")})
    values, empty = taken_up(tmp_path / "output", bare, catalog)
    second = bare.with_changes(catalog, {**values, "output_dir": str(tmp_path / "further")}, empty)
    _train(second, tmp_path, catalog)
    state = json.loads((tmp_path / "further/checkpoint-6/trainer_state.json").read_text(encoding="utf-8"))
    assert [row["step"] for row in state["log_history"] if "loss" in row] == [1, 2, 3, 4, 5, 6]
    told = json.loads((tmp_path / "further/adapter_config.json").read_text(encoding="utf-8"))
    assert (told["r"], sorted(told["target_modules"])) == (4, ["k_proj", "q_proj"])


def _train(recipe: Recipe, folder: Path, catalog: Catalog) -> None:
    from studio.domain.recipe_yaml import write_yaml

    (folder / "recipe.yaml").write_text(write_yaml(recipe, catalog), encoding="utf-8")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-m", "trl.scripts.sft", "--config", str(folder / "recipe.yaml")]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
