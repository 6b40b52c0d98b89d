"""Reading YAML as people write it, compared with TRL's own parser: what it means, and what it only seems to mean."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.domain.arguments import Catalog
from studio.domain.checks import check
from studio.domain.errors import StudioError
from studio.domain.recipe import Recipe
from studio.domain.recipe_yaml import method_in_comments, read_yaml, write_yaml
from studio.domain.values import same
from tests.pasting import agrees_with_trl, parse_yaml, read

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*:DeprecationWarning", "ignore:.*:FutureWarning", "ignore::UserWarning"
)


@pytest.fixture(autouse=True)
def environment_as_before() -> Iterator[None]:
    """TRL's parser sets what `env:` holds."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


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
