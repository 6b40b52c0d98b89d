"""Reading what people paste: YAML and command lines as documentation has them, compared with TRL's own parser."""

from __future__ import annotations

import ast
import importlib.resources
import json
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from studio.domain.arguments import Catalog
from studio.domain.checks import check
from studio.domain.command_reader import read_command
from studio.domain.errors import StudioError
from studio.domain.findings import Finding
from studio.domain.recipe import Recipe
from studio.domain.recipe_yaml import method_in_comments, read_yaml, write_yaml
from studio.domain.shell_text import looks_like_command, split_words
from studio.domain.values import same
from tests import trl_oracle

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*:DeprecationWarning", "ignore:.*:FutureWarning", "ignore::UserWarning"
)

CONFIG = "# trl sft --config a.yaml\nlearning_rate: 1.0e-04\nnum_train_epochs: 2\nnum_processes: 2\nenv:\n  A: file\n"


@pytest.fixture(autouse=True)
def environment_as_before() -> Iterator[None]:
    """TRL's parser sets what `env:` holds."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def read(text: str, catalog: Catalog, method: str | None = None) -> tuple[Recipe, list[Finding]]:
    """As the studio opens a pasted text."""
    if looks_like_command(text):
        return read_command(text, catalog, method, lambda name: CONFIG)
    return read_yaml(text, catalog, method)


def agrees_with_trl(catalog: Catalog, recipe: Recipe, fields: dict[str, Any], rest: list[str]) -> None:
    """The recipe's values are TRL's, all others are defaults there, and what TRL hands on are the launch options."""
    for name, argument in catalog.of(recipe.method).items():
        wanted = recipe.values.get(name, argument.default)
        if "datasets" in argument.types:
            wanted = [dict.fromkeys(argument.fields) | {"split": "train"} | entry for entry in wanted]
        found = fields[name]
        assert same(found, wanted) or (found in ([], None) and wanted in ([], None)), (name, found, wanted)
    handed_on = [word.partition("=")[0] for word in rest if word.startswith("--")]
    names = sorted(word.lstrip("-").replace("-", "_") for word in handed_on)
    assert names == sorted([*recipe.launch, *recipe.unknown, *recipe.flags])


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
    assert findings[1].fix is None
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


# YAML --------------------------------------------------------------------------------------------------------------


def parse_yaml(tmp_path: Path, method: str, text: str) -> tuple[dict[str, Any], list[str]]:
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return trl_oracle.parse(method, ["--config", str(path)])


YAMLS: dict[str, tuple[str, str]] = {
    "plain": ("sft", "model_name_or_path: a/b\nlearning_rate: 2.0e-5\nuse_peft: true\nreport_to: trackio\n"),
    "comments and blank lines": ("sft", "# a: b\n\nseed: 1  # why\n\n\n# end\n"),
    "quotes": ("sft", "run_name: 'it''s'\nproject: \"a\\tb\"\neos_token: <|im_end|>\n"),
    "flow": ("sft", "{seed: 1, report_to: [wandb, trackio]}\n"),
    "lists": ("grpo", "reward_funcs:\n- accuracy_reward\n- my.own\nreward_weights: [1, 0.5]\n"),
    "dictionaries": ("sft", "model_init_kwargs:\n  a: {b: '2'}\nlr_scheduler_kwargs: {num_cycles: 2}\n"),
    "numbers in quotes": ("sft", "seed: '3'\nlearning_rate: '1e-5'\npacking: 'yes'\n"),
    "a number without a dot": ("sft", "learning_rate: 1e-5\n"),
    "null": ("sft", "max_length: null\nrun_name: ~\neval_steps:\n"),
    "mixture": ("sft", "datasets:\n  - path: json\n    data_files: a.jsonl\n    split: train[:10]\n"
                       "  - path: a/b\n    name: en\n    columns: [messages]\n    fraction: 0.5\nstreaming: true\n"),
    "launch options": ("sft", "num_processes: 2\nmixed_precision: bf16\nseed: 1\nmain_process_port: 29501\n"),
    "profile": ("sft", "accelerate_config: fsdp2\nnum_processes: 4\n"),
    "environment": ("sft", "env:\n  A_NUMBER: 1\n  A_TEXT: x y\nseed: 1\n"),
    "anchors": ("sft", "output_dir: &x out\nrun_name: *x\n"),
    "merge": ("sft", "<<: {seed: 3}\npacking: true\n"),
    "block text": ("sft", "run_name: >-\n  a\n  b\nproject: |-\n  c\n  d\n"),
    "byte order mark and windows line ends": ("sft", "\ufeffseed: 1\r\npacking: true\r\n"),
    "document marks": ("sft", "---\nseed: 1\n...\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", YAMLS)
def test_yaml_is_read_as_trl_reads_it(catalog: Catalog, tmp_path: Path, name: str) -> None:
    method, text = YAMLS[name]
    recipe, findings = read(text, catalog, method)
    assert findings == []
    agrees_with_trl(catalog, recipe, *parse_yaml(tmp_path, method, text))
    for key, value in recipe.env.items():
        assert os.environ[key] == value
    # And again from the studio's own writing of it.
    written = write_yaml(recipe, catalog)
    agrees_with_trl(catalog, recipe, *parse_yaml(tmp_path, method, written))
    assert method_in_comments(written) == method


def test_the_method_stands_in_the_launching_comment(catalog: Catalog) -> None:
    for line in ("# trl dpo --config x.yaml", "# Run with: `trl dpo --config x.yaml`",
                 "# accelerate launch trl/scripts/dpo.py --config x.yaml"):  # fmt: skip
        assert read(f"{line}\nseed: 1\n", catalog)[0].method == "dpo"
    assert read("# trl dpo\nseed: 1\n", catalog, "sft")[0].method == "sft"
    with pytest.raises(StudioError, match="which method"):
        read("# trl ppo --config x.yaml\nseed: 1\n", catalog)


def test_what_is_no_recipe(catalog: Catalog) -> None:
    levels = zip("abcdefg", "bcdefgh", strict=True)
    bomb = "a: &a [x, x]\n" + "".join(f"{k}: &{k} [{', '.join([f'*{j}'] * 9)}]\n" for j, k in levels)
    for text, words in {
        "- seed: 1\n": "is a list",
        "just words\n": "is a single value",
        "42\n": "is a single value",
        "seed: [1\n": "is no YAML",
        "\tseed: 1\n": "is no YAML",
        "seed:\t- 1\n": "is no YAML",
        "a: 1\n---\nb: 2\n": "is no YAML",
        "a: b: c\n": "is no YAML",
        "a: @x\n": "is no YAML",
        "seed: !!python/object:os.system x\n": "is no YAML",
        "\x00": "is no YAML",
        "run_name: 2024-02-31\n": "no YAML reader takes",
        "a: &x [1, *x]\n": "endless",
        bomb: "endless",
        "a: " + "[" * 5000: "nested too deeply",
        "? [a]\n: b\n": "is no YAML",
    }.items():  # fmt: skip
        with pytest.raises(StudioError) as error:
            read_yaml(text, catalog, "sft", "x.yaml")
        assert str(error.value).startswith("x.yaml")
        assert words in str(error.value), text[:40]
        assert error.value.hint
    with pytest.raises(StudioError, match="in line 3"):
        read_yaml("seed: 1\npacking: true\n\tx: 1\n", catalog, "sft")


def test_nothing_at_all(catalog: Catalog) -> None:
    recipe, findings = read_yaml("# trl sft\n", catalog)
    assert (recipe.values, findings) == ({}, [])
    assert {finding.where.name for finding in check(recipe, catalog)} == {"model_name_or_path", "dataset_name"}


def test_yaml_that_says_something_else_than_it_looks(catalog: Catalog) -> None:
    """Unquoted words that YAML reads as booleans, dates and numbers where TRL wants a text."""
    for line, wanted in {
        "save_strategy: no": "no",
        "run_name: 2024-01-01": "2024-01-01",
        "run_name: 5": "5",
        "run_name: 1_000": "1_000",
        "run_name: yes": "yes",
        "output_dir: 0x1F": "0x1F",
        "project: 1.10": "1.10",
    }.items():
        recipe, findings = read(f"seed: 1\n{line}\n", catalog, "sft")
        key = line.split(":")[0]
        assert [(f.level, f.where.name, f.where.line) for f in findings] == [("error", key, 2)]
        assert findings[0].fix is not None
        assert recipe.with_changes(catalog, findings[0].fix.set).values[key] == wanted
    # `on` would be a text, but none that evaluation knows.
    _, findings = read("eval_strategy: on\n", catalog, "sft")
    assert [(f.level, f.fix) for f in findings] == [("error", None)]
    # And words that may be booleans where they stand.
    assert read("torch_compile: off\npacking: no\n", catalog, "sft")[1] == []


def test_keys_that_stand_twice(catalog: Catalog, tmp_path: Path) -> None:
    text = "seed: 1\npacking: true\nseed: 2\n"
    recipe, findings = read(text, catalog, "sft")
    assert [(f.level, f.where.name, f.where.line) for f in findings] == [("warning", "seed", 3)]
    agrees_with_trl(catalog, recipe, *parse_yaml(tmp_path, "sft", text))


def test_keys_that_are_no_text(catalog: Catalog) -> None:
    for line, key in {"no: 1": "False", "1: x": "1", "null: 2": "None", "2024-01-01: x": "2024-01-01"}.items():
        recipe, findings = read(f"seed: 1\n{line}\n", catalog, "sft")
        assert list(recipe.unknown) == [key]
        assert [(f.level, f.where.name) for f in findings] == [("error", key)]


def test_hyphenated_and_negated_keys_are_not_taken(catalog: Catalog, tmp_path: Path) -> None:
    """TRL hands them to accelerate, which stops: an error with the right name."""
    text = "logging-steps: 5\nno_remove_unused_columns: true\n"
    _, findings = read(text, catalog, "sft")
    _, rest = parse_yaml(tmp_path, "sft", text)
    assert [word for word in rest if word.startswith("--")] == ["--logging-steps", "--no_remove_unused_columns"]
    assert [(f.level, f.where.name, f.where.line) for f in findings] == [
        ("error", "logging-steps", 1), ("error", "no_remove_unused_columns", 2)
    ]  # fmt: skip
    assert findings[0].fix is not None
    assert findings[0].fix.set == {"logging_steps": 5}
    assert findings[0].fix.unset == ("logging-steps",)
    assert "remove_unused_columns" in findings[1].message


def test_flags_of_accelerate_in_a_yaml(catalog: Catalog) -> None:
    recipe, findings = read("multi_gpu: true\nuse_fsdp: false\nseed: 1\n", catalog, "sft")
    assert recipe.flags == ("multi_gpu",)
    assert [(f.level, f.where.name) for f in findings] == [("warning", "multi_gpu"), ("warning", "use_fsdp")]


def test_environment_of_another_shape(catalog: Catalog) -> None:
    assert read("env:\n", catalog, "sft") == (Recipe("sft", order=("env",), pinned=frozenset({"env"})), [])
    for text in ("env: 3\n", "env: [A=1]\n", "env: A=1\n"):
        recipe, findings = read(text, catalog, "sft")
        assert recipe.env == {}
        assert [(f.level, f.where.name) for f in findings] == [("error", "env")]


def test_unknown_keys_stay_where_they_were(catalog: Catalog) -> None:
    """Each behind the known key that it followed, its value as it was; nothing is dropped in silence."""
    text = (
        "# trl sft --config x.yaml\nfirst_of_all: 1\nmodel_name_or_path: a/b\nbehind_model: {a: [1, x]}\n"
        "learning_rate: 2.0e-05\nbehind_rate: 'no'\nalso_behind_rate: null\n"
        "num_processes: 2\nbehind_launch: 2024-01-01\n"
    )
    recipe, findings = read(text, catalog)
    assert [f.where.name for f in findings if f.level == "error"] == [
        "first_of_all", "behind_model", "behind_rate", "also_behind_rate", "behind_launch"
    ]  # fmt: skip
    written = write_yaml(recipe, catalog)
    again, _ = read_yaml(written, catalog)
    assert same(dict(again.unknown), dict(recipe.unknown))
    keys = [line.split(":")[0] for line in written.splitlines() if line and line[0] not in "# -"]
    assert keys == [
        "first_of_all", "model_name_or_path", "behind_model", "learning_rate", "behind_rate", "also_behind_rate",
        "num_processes", "behind_launch",
    ]  # fmt: skip


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
