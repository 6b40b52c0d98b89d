"""Reading command lines as documentation has them, compared with TRL's own parser."""

from __future__ import annotations

import ast
import importlib.resources
import json
import shlex
from typing import Any

import pytest

from studio.domain.arguments import Catalog
from studio.domain.checks import check
from studio.domain.command_reader import read_command
from studio.domain.errors import StudioError
from studio.domain.shell_text import looks_like_command, split_words
from studio.domain.values import same
from tests import trl_oracle
from tests.pasting import CONFIG, agrees_with_trl, read

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*:DeprecationWarning", "ignore:.*:FutureWarning", "ignore::UserWarning"
)

# Text, method, values, launch options, flags, environment: all as they are to be read, without any Finding.
PLAIN = "trl sft --model_name_or_path a/b --packing"
AB = {"model_name_or_path": "a/b", "packing": True}
COMMANDS: dict[str, tuple[str, str, dict[str, Any], dict[str, Any], tuple[str, ...], dict[str, str]]] = {
    "one line": (PLAIN, "sft", AB, {}, (), {}),
    "backslashes": ("trl sft \\\n  --model_name_or_path a/b \\\n  --packing\n", "sft", AB, {}, (), {}),
    "blanks behind a backslash": ("trl sft \\ \n --model_name_or_path a/b \\\t\n --packing", "sft", AB, {}, (), {}),
    "remark behind a backslash": (
        "trl sft \\ # SFT\n --model_name_or_path a/b \\  # it\n --packing", "sft", AB, {}, (), {}),
    "backslash at the very end": (PLAIN + " \\", "sft", AB, {}, (), {}),
    "windows line ends": ("trl sft \\\r\n  --model_name_or_path a/b \\\r\n  --packing\r\n", "sft", AB, {}, (), {}),
    "caret and backtick": ("trl sft ^\n --model_name_or_path a/b `\n --packing", "sft", AB, {}, (), {}),
    "no backslash at all": ("trl sft\n  --model_name_or_path a/b\n--packing\n", "sft", AB, {}, (), {}),
    "value on a line of its own": ("trl sft --packing --model_name_or_path\n    a/b\n", "sft", AB, {}, (), {}),
    "remarks": ("# train it\ntrl sft --model_name_or_path a/b --packing  # all of it\n# done\n", "sft", AB, {}, (), {}),
    "hash in a value": (
        "trl sft --run_name a#b --project '# c'", "sft", {"run_name": "a#b", "project": "# c"}, {}, (), {}),
    "prompt": (f"$ {PLAIN}", "sft", AB, {}, (), {}),
    "prompt of an environment": (f"(venv) $ {PLAIN}", "sft", AB, {}, (), {}),
    "notebook": (f"!{PLAIN}", "sft", AB, {}, (), {}),
    "notebook cell": (f"%%bash\n{PLAIN}", "sft", AB, {}, (), {}),
    "fence": (f"```bash\n{PLAIN}\n```\n", "sft", AB, {}, (), {}),
    "prose and fence": (f"**Full training:**\n\n```bash\n{PLAIN}\n```\nThis trains it.\n", "sft", AB, {}, (), {}),
    "heading with a colon": (f"Train:\n\n{PLAIN}\n", "sft", AB, {}, (), {}),
    "pip install before": (f"pip install -U trl\n\n{PLAIN}", "sft", AB, {}, (), {}),
    "pip install on the line": (f"pip install trl && {PLAIN}", "sft", AB, {}, (), {}),
    "uv pip install before": (f"uv pip install trl\n{PLAIN}", "sft", AB, {}, (), {}),
    "accelerate config before": (f"# once\naccelerate config\n\n# then\n{PLAIN}", "sft", AB, {}, (), {}),
    "tee": (f"{PLAIN} 2>&1 | tee log.txt", "sft", AB, {}, (), {}),
    "pipe without blanks": ("trl sft --packing --seed 2|tee log", "sft", {"packing": True, "seed": 2}, {}, (), {}),
    "pipe over two lines": (f"{PLAIN} 2>&1 | \\\n  tee log.txt\n", "sft", AB, {}, (), {}),
    "redirection": (f"{PLAIN} > log 2>&1 &", "sft", AB, {}, (), {}),
    "redirection in the middle": ("trl sft --model_name_or_path a/b &> log --packing", "sft", AB, {}, (), {}),
    "semicolon at the end": (f"{PLAIN};", "sft", AB, {}, (), {}),
    "nohup": (f"nohup {PLAIN} &", "sft", AB, {}, (), {}),
    "env": (f"/usr/bin/env A=1 {PLAIN}", "sft", AB, {}, (), {"A": "1"}),
    "assignments": (f"CUDA_VISIBLE_DEVICES=0,1 A='b c' {PLAIN}", "sft", AB, {}, (),
                    {"CUDA_VISIBLE_DEVICES": "0,1", "A": "b c"}),
    "exports": (f"export CUDA_VISIBLE_DEVICES=0\nexport A=\"b c\" B=2;\n{PLAIN}", "sft", AB, {}, (),
                {"CUDA_VISIBLE_DEVICES": "0", "A": "b c", "B": "2"}),
    "uv run": (f"uv run {PLAIN}", "sft", AB, {}, (), {}),
    "uv run with options": (f"uv run --with trl --no-sync {PLAIN}", "sft", AB, {}, (), {}),
    "path of trl": (f".venv/bin/{PLAIN}", "sft", AB, {}, (), {}),
    "windows path": ("C:\\venv\\Scripts\\trl.exe sft --model_name_or_path a/b --packing", "sft", AB, {}, (), {}),
    "glued": ("trl sft --model_name_or_path=a/b --packing=true", "sft", AB, {}, (), {}),
    "dashes": ("trl sft --model-name-or-path a/b --packing", "sft", AB, {}, (), {}),
    "said twice": ("trl sft --seed 1 --seed 2", "sft", {"seed": 2}, {}, (), {}),
    "boolean with a value": ("trl sft --packing False --bf16 no", "sft", {"packing": False, "bf16": False}, {}, (), {}),
    "negation": ("trl dpo --no_remove_unused_columns", "dpo", {"remove_unused_columns": False}, {}, (), {}),
    "negation with dashes": ("trl dpo --no-remove-unused-columns", "dpo", {"remove_unused_columns": False}, {}, (), {}),
    "abbreviations": ("trl sft --learning_rat 1e-3 --per_device_train_b 4 --no_remove_u", "sft",
                      {"learning_rate": 1e-3, "per_device_train_batch_size": 4, "remove_unused_columns": False},
                      {}, (), {}),
    "list": ("trl grpo --reward_funcs accuracy_reward my.own --reward_weights 1 0.5", "grpo",
             {"reward_funcs": ["accuracy_reward", "my.own"], "reward_weights": [1.0, 0.5]}, {}, (), {}),
    "JSON": ("""trl sft --model_init_kwargs '{"a": {"b": "2"}, "c": [1, "x"]}' --packing""", "sft",
             {"model_init_kwargs": {"a": {"b": 2}, "c": [1, "x"]}, "packing": True}, {}, (), {}),
    "null": ("trl sft --max_length None", "sft", {"max_length": None}, {}, (), {}),
    "quotes": ("trl sft --eos_token '<|im_end|>' --run_name \"it's \\\"a\\\"\"", "sft",
               {"eos_token": "<|im_end|>", "run_name": "it's \"a\""}, {}, (), {}),
    "dash in a value": ("trl sft --run_name=-x --weight_decay -0.1", "sft", {"run_name": "-x", "weight_decay": -0.1},
                        {}, (), {}),
    "launch options": ("trl sft --num_processes 4 --packing --mixed_precision bf16 --accelerate_config zero3", "sft",
                       {"packing": True}, {"num_processes": 4, "mixed_precision": "bf16", "accelerate_config": "zero3"},
                       (), {}),
    "launch flags": ("trl sft --multi_gpu --num_processes=2", "sft", {}, {"num_processes": 2}, ("multi_gpu",), {}),
    "config file of accelerate": ("trl sft --packing --config_file my.yaml", "sft", {"packing": True},
                                  {"config_file": "my.yaml"}, (), {}),
    "accelerate launch": ("accelerate launch --config_file x.yaml --num_processes 4 trl/scripts/sft.py --packing",
                          "sft", {"packing": True}, {"accelerate_config": "x.yaml", "num_processes": 4}, (), {}),
    "accelerate launch glued": ("accelerate launch --config_file=x.yaml --num-processes=4 sft.py --packing", "sft",
                                {"packing": True}, {"accelerate_config": "x.yaml", "num_processes": 4}, (), {}),
    "accelerate launch of examples": (
        "accelerate launch --config_file examples/accelerate_configs/multi_gpu.yaml trl/scripts/dpo.py --seed 1", "dpo",
        {"seed": 1}, {"accelerate_config": "examples/accelerate_configs/multi_gpu.yaml"}, (), {}),
    "accelerate launch -m": ("accelerate launch --multi_gpu -m trl.scripts.dpo --seed 1", "dpo", {"seed": 1}, {},
                             ("multi_gpu",), {}),
    "python": ("python trl/scripts/dpo.py --seed 1", "dpo", {"seed": 1}, {}, (), {}),
    "python with options": ("python3.11 -u -W ignore trl/scripts/dpo.py --seed 1", "dpo", {"seed": 1}, {}, (), {}),
    "python -m": ("python -m trl.scripts.sft --packing", "sft", {"packing": True}, {}, (), {}),
    "python on windows": ("python trl\\scripts\\sft.py --packing", "sft", {"packing": True}, {}, (), {}),
    "torchrun": ("torchrun --nproc_per_node 2 trl/scripts/sft.py --packing", "sft", {"packing": True},
                 {"num_processes": 2}, (), {}),
    "torchrun on machines": (
        "torchrun --nnodes=2 --nproc-per-node=8 --node_rank 1 --master_addr 10.0.0.1 --master_port 29500 sft.py", "sft",
        {}, {"num_machines": 2, "num_processes": 16, "machine_rank": 1, "main_process_ip": "10.0.0.1",
             "main_process_port": 29500}, (), {}),
    "torchrun alone": (
        "torchrun --nproc_per_node=gpu --standalone sft.py --packing", "sft", {"packing": True}, {}, (), {}),
    "torch.distributed.run": ("python -m torch.distributed.run --nproc_per_node 2 sft.py", "sft", {},
                              {"num_processes": 2}, (), {}),
    "config and overrides": ("trl sft --config a.yaml --learning_rate 1.0e-5 --num_processes 4", "sft",
                             {"learning_rate": 1e-5, "num_train_epochs": 2}, {"num_processes": 4}, (), {"A": "file"}),
    "config in a script": ("A=line accelerate launch sft.py --config=a.yaml", "sft",
                           {"learning_rate": 1e-4, "num_train_epochs": 2}, {"num_processes": 2}, (), {"A": "line"}),
}  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_as_documentation_has_them(catalog: Catalog, name: str) -> None:
    text, method, values, launch, flags, env = COMMANDS[name]
    assert looks_like_command(text)
    recipe, findings = read(text, catalog)
    assert findings == []
    assert recipe.method == method
    assert same(dict(recipe.values), values)
    assert same(dict(recipe.launch), launch)
    assert (recipe.flags, recipe.env, recipe.unknown) == (flags, env, {})


# Python up to 3.11 takes no abbreviation of an option that is also spelt with dashes, and negations are among them.
FOR_TRL = {
    name: case for name, case in COMMANDS.items() if case[0].startswith("trl ") and "config a.yaml" not in case[0]
}


@pytest.mark.parametrize("name", FOR_TRL)
def test_commands_are_read_as_trl_reads_them(catalog: Catalog, name: str) -> None:
    text, method, *_ = FOR_TRL[name]
    from transformers.training_args import _convert_str_dict

    recipe, _ = read(text, catalog)
    fields, rest = trl_oracle.parse(method, split_words(text)[2:])
    for key in ("model_init_kwargs", "lr_scheduler_kwargs"):
        if isinstance(fields[key], str):  # the config class does this with it
            fields[key] = _convert_str_dict(json.loads(fields[key]))
    agrees_with_trl(catalog, recipe, fields, rest)


def test_every_unambiguous_abbreviation_is_read_as_trl_reads_it(catalog: Catalog) -> None:
    """All options of sft but for their last letter: what TRL takes is taken, and for the same option."""
    taken = 0
    for name, argument in catalog.of("sft").items():
        if argument.flag.reads == "nothing" or argument.flag.many or len(name) < 4:
            continue
        value = {"integer": "3", "number": "0.5", "boolean": "true", "text": "x"}.get(argument.flag.reads)
        words = [f"--{name[:-1]}", value if value is not None else str(argument.choices[0])]
        try:
            fields, rest = trl_oracle.parse("sft", words)
        except ValueError:
            continue  # ambiguous there
        recipe, _ = read_command(shlex.join(["trl", "sft", *words]), catalog)
        if not rest:
            taken += 1
            agrees_with_trl(catalog, recipe, fields, rest)
    assert taken > 100


def test_the_scripts_of_trl_document_readable_commands(catalog: Catalog) -> None:
    """Every command in the installed scripts' own docstrings is read without a Finding, as TRL's parser reads it."""
    count = 0
    for method in catalog.methods:
        source = importlib.resources.files("trl.scripts").joinpath(f"{method}.py").read_text(encoding="utf-8")
        for block in (ast.get_docstring(ast.parse(source)) or "").split("```bash")[1:]:
            recipe, findings = read("```bash" + block.split("```")[0] + "```", catalog)
            assert findings == []
            fields, rest = trl_oracle.parse(method, split_words(block.split("```")[0])[2:])
            agrees_with_trl(catalog, recipe, fields, rest)
            assert rest == []
            count += 1
    assert count >= 8


REFUSED = {
    "": "no command",
    "\n# nothing\n": "no command",
    "trl": "followed by nothing",
    "trl ppo --seed 1": "'ppo'",
    "trl env": "'env'",
    "python train.py --seed 1": "'train.py'",
    "python": "no script",
    "accelerate config": "'accelerate'",
    "accelerate launch --num_processes 2": "which method",
    "trl sft --run_name 'a": "quote",
    "trl sft --seed 1; echo done": "more than one",
    "trl sft --seed 1 && trl dpo --seed 2": "more than one",
    "trl sft --seed 1\ntrl dpo --seed 2": "more than one",
    "cd folder && trl sft --seed 1": "changes the folder",
    "trl sft --model_name_or_path <model> --seed 1": "'<model>'",
    "make train": "'make'",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_training_command(catalog: Catalog, text: str) -> None:
    with pytest.raises(StudioError) as error:
        read_command(text, catalog, None, lambda name: CONFIG)
    assert REFUSED[text] in str(error.value)
    assert error.value.hint


def test_a_command_of_another_method_or_without_its_file(catalog: Catalog) -> None:
    with pytest.raises(StudioError, match="trains dpo, not sft"):
        read_command("trl dpo --seed 1", catalog, "sft")
    with pytest.raises(StudioError, match=r"a\.yaml"):
        read_command("trl dpo --config a.yaml", catalog)

    def missing(name: str) -> str:
        raise StudioError(f"{name} is not there.", "Look again.")

    with pytest.raises(StudioError, match=r"a\.yaml is not there"):
        read_command("trl dpo --config a.yaml", catalog, None, missing)


def test_unknown_keys_are_errors_with_a_guess(catalog: Catalog) -> None:
    recipe, findings = read("trl sft --seed 1 --learning_ratee 1.0e-5 --bogus --packing --max_seq_length 512", catalog)
    assert recipe.unknown == {"learning_ratee": "1.0e-5", "bogus": True, "max_seq_length": "512"}
    assert same(dict(recipe.values), {"seed": 1, "packing": True})
    assert [(finding.level, finding.where.name) for finding in findings] == [
        ("error", "learning_ratee"), ("error", "bogus"), ("error", "max_seq_length")
    ]  # fmt: skip
    assert "did you mean `learning_rate`" in findings[0].message
    assert "did you mean `max_length`" in findings[2].message
    assert "did you mean" not in findings[1].message
    left_out = findings[1].fix
    assert left_out is not None
    assert (left_out.set, left_out.unset) == ({}, ("bogus",))
    fix = findings[0].fix
    assert fix is not None
    assert same(fix.set, {"learning_rate": 1e-5})
    cured = recipe.with_changes(catalog, fix.set, fix.unset)
    assert cured.get("learning_rate") == 1e-5
    assert list(cured.unknown) == ["bogus", "max_seq_length"]


def test_wrong_values_are_kept_and_said(catalog: Catalog) -> None:
    recipe, findings = read("trl sft --seed ten --eval_strategy often --packing maybe --model_name_or_path a "
                            "--dataset_name b --max_steps", catalog)  # fmt: skip
    assert [finding.message for finding in findings] == ["`--max_steps` has no value."]
    assert {f.where.name for f in check(recipe, catalog) if f.level == "error"} == {"seed", "eval_strategy", "packing"}
    recipe, findings = read("trl sft --packing word --seed 1 stray words", catalog)
    assert [(f.level, f.where.name) for f in findings] == [("warning", "stray"), ("warning", "words")]


def test_switches_that_trl_does_not_negate(catalog: Catalog) -> None:
    """`--no_packing` is no flag of TRL, whose default is false anyway; what is meant is clear."""
    recipe, findings = read("trl sft --no_packing --no-bf16", catalog)
    assert same(dict(recipe.values), {"packing": False, "bf16": False})
    assert [(f.level, f.where.name) for f in findings] == [("note", "packing"), ("note", "bf16")]


@pytest.mark.parametrize("value", ["$HOME/out", "${SCRATCH}/out", "$(pwd)/out", "`pwd`/out"])
def test_shell_variables_are_pointed_out(catalog: Catalog, value: str) -> None:
    recipe, findings = read(f'trl sft --output_dir "{value}"', catalog)
    assert recipe.get("output_dir") == value
    assert [(f.level, f.where.name) for f in findings] == [("warning", "output_dir")]


def test_yaml_and_commands_are_told_apart() -> None:
    for text in (
        "# trl sft --config x.yaml\nseed: 1\n",
        "seed: 1\n# trl sft --seed 2\n",
        "trl-lib: 1\n",
        "python: 3\n",
        "run_name: a && trl sft --seed 1\n",
        "{seed: 1}\n",
        "- trl sft\n",
        "",
        "words about trl sft and more",
        "---\nseed: 1\n",
    ):
        assert not looks_like_command(text), text
    for text in ("trl", "accelerate config", "torchrun x.py", "  trl sft", "A=1 python x.py"):
        assert looks_like_command(text), text
