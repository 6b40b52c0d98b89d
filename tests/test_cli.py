"""The command line: what it prints where, its exit codes, and that nothing ever ends in a traceback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from datasets import Dataset, Image
from model_files import CONFIG, model_folder

from studio import run_commands
from studio.domain.arguments import Catalog
from studio.domain.methods import METHOD_NAMES
from tests.command_line import GOOD, ROOT, Trl, command_line, written


@pytest.fixture
def home(tmp_path: Path, catalog_folder: Path) -> Path:
    """A home that has the catalogue already."""
    shutil.copytree(catalog_folder, tmp_path / "home" / "cache")
    return tmp_path / "home"


@pytest.fixture
def trl_studio(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Trl:
    return command_line(home, capsys, monkeypatch)


# In general --------------------------------------------------------------------------------------------------------


def test_help_names_every_command(trl_studio: Trl) -> None:
    said = trl_studio("--help")
    assert said.code == 0
    for name in ("check", "convert", "arguments", "inspect", "run", "runs", "show", "stop", "logs"):
        assert f"    {name} " in said.out
        own = trl_studio(name, "--help")
        assert own.code == 0
        assert "--home" in own.out
    assert trl_studio("--version").out.startswith("trl-studio 0")


@pytest.mark.usefixtures("trl_studio")
def test_no_command_but_the_page_loads_anything_heavy(tmp_path: Path) -> None:
    """Help, checks, lists of runs: neither Gradio nor torch, nor any other of the big ones."""
    recipe = written(tmp_path, GOOD)
    program = (
        "import sys\nfrom studio.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "print(' '.join(sorted({name.split('.')[0] for name in sys.modules})), file=sys.stderr)\n"
    )
    heavy = {"gradio", "torch", "trl", "transformers", "datasets", "peft", "accelerate", "pandas"}
    for words, more in (
        (["--help"], {"pyarrow", "yaml", "psutil"}),
        (["runs"], set()),
        (["check", recipe, "--quick"], set()),
    ):
        done = subprocess.run(
            [sys.executable, "-c", program, *words], cwd=ROOT, capture_output=True, text=True, check=True
        )
        loaded = set(done.stderr.splitlines()[-1].split())
        assert "studio" in loaded
        assert loaded & (heavy | more) == set(), words


def test_home_before_and_behind_the_command(trl_studio: Trl, tmp_path: Path) -> None:
    look = ["inspect", "assets/demo/sft", "--method", "sft"]
    for number, words in enumerate((["--home", "{}", *look], [*look, "--home", "{}"])):
        folder = tmp_path / f"home{number}"
        assert trl_studio(*(word.format(folder) for word in words)).code == 0
        assert (folder / "runs").is_dir()


def test_a_home_that_cannot_be_written(trl_studio: Trl, tmp_path: Path) -> None:
    file = written(tmp_path, "x", "file")
    for folder in (file, f"{file}/below", "/proc/nowhere", "nul\0l"):
        said = trl_studio("inspect", "assets/demo/sft", "--method", "sft", "--home", folder)
        assert said.code == 2
        assert said.err.startswith("error: ")
        assert said.out == ""


@pytest.mark.parametrize(
    "words",
    [["bogus"], ["check"], ["arguments", "ppo"], ["convert", "x", "--to", "json"], ["--port", "0"], ["--port", "x"]],
)
def test_a_wrong_call(trl_studio: Trl, words: list[str]) -> None:
    said = trl_studio(*words)
    assert said.code == 2
    assert "error: " in said.err
    assert said.out == ""


def test_interrupted_and_broken(trl_studio: Trl, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*given: object) -> int:
        raise KeyboardInterrupt

    def break_down(*given: object) -> int:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(run_commands, "_runs", interrupt)
    assert trl_studio("runs") == (130, "", "")
    monkeypatch.setattr(run_commands, "_runs", break_down)
    said = trl_studio("runs")
    assert said.code == 2
    assert "ZeroDivisionError: by zero" in said.err
    monkeypatch.setenv("TRL_STUDIO_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        trl_studio("runs")


@pytest.mark.usefixtures("trl_studio")
def test_a_reader_that_leaves() -> None:
    """`trl-studio arguments sft --json | head -1`"""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "studio", "arguments", "sft", "--json"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "[\n"
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(60) == 141


# Recipes -----------------------------------------------------------------------------------------------------------


def test_check_of_a_good_recipe(trl_studio: Trl) -> None:
    assert trl_studio("check", "presets/demo-sft.yaml", "--quick", "--json") == (0, "[]\n", "")
    said = trl_studio("check", "presets/demo-sft.yaml", "--quick")
    assert (said.code, said.err) == (0, "")
    assert "Nothing keeps it from running" in said.out


def test_check_for_people(trl_studio: Trl) -> None:
    text = GOOD + "learning_rat: 2.0e-05\nsave_strategy: no\nper_device_train_batch_size: 0\n"
    said = trl_studio("check", "-", "--quick", given=text.encode())
    assert said.code == 1
    lines = said.out.splitlines()
    assert lines[0].startswith(
        "error  learning_rat: `learning_rat` is no option of `trl sft`; did you mean `learning_rate`"
    )
    assert lines[0].endswith("(line 5)")
    assert lines[1].startswith("       TRL hands it on")
    assert lines[2] == "       fix: Use learning_rate"
    assert lines[-1] == "3 errors."
    # What reading has said of a key is not said again by the checks.
    assert sum(line.startswith("error  save_strategy") for line in lines) == 1


def test_check_for_programs(trl_studio: Trl, tmp_path: Path) -> None:
    path = written(tmp_path, GOOD.replace("assets/demo/sft", "assets/demo/dpo") + "eval_strategy: steps\n")
    said = trl_studio("check", path, "--json", "--quick")
    assert said.code == 1
    found = json.loads(said.out)
    assert all(set(each) == {"level", "where", "message", "why", "fix"} for each in found)
    assert "column" in {each["where"]["kind"] for each in found if each["level"] == "error"}
    # By a name for it, from the method on the command line, and as a command line.
    assert trl_studio("check", path, "--json", "--quick", "--method", "dpo").code == 0
    command = written(tmp_path, "trl sft --model_name_or_path assets/demo/model --dataset_name assets/demo/sft", "c.sh")
    assert trl_studio("check", command, "--quick").code == 0


def test_check_asks_trl_too(trl_studio: Trl, tmp_path: Path) -> None:
    """What only TRL's own config classes know; unless --quick."""
    path = written(tmp_path, GOOD + "dataloader_prefetch_factor: 2\n")
    assert trl_studio("check", path, "--quick").code == 0
    said = trl_studio("check", path)
    assert said.code == 1
    assert "TRL refuses the recipe: --dataloader_prefetch_factor can only be set when" in said.out


def test_check_says_what_the_page_says(trl_studio: Trl, tmp_path: Path) -> None:
    """Of the model, its chat template and the tokens of the data: what nothing but a start would have told."""
    shutil.copytree("assets/demo/model", tmp_path / "m")
    data = tmp_path / "chat.jsonl"
    turns = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]
    data.write_text(json.dumps({"messages": turns}) + "\n")
    text = f"# trl sft\nmodel_name_or_path: {tmp_path / 'm'}\nuse_cpu: true\n"
    text += f"datasets: [{{path: json, data_files: {data}}}]\n"

    def said(more: str = "", *words: str) -> set[tuple[str, str, str]]:
        found = json.loads(trl_studio("check", written(tmp_path, text + more), "--json", *words).out)
        return {(each["level"], each["where"]["name"], each["message"]) for each in found}

    short = "max_length: 1\nassistant_only_loss: true\n"
    assert said(short, "--quick") == set()
    assert ("error", "max_length", "Nothing is left to learn from.") in said(short)
    packs = json.loads(trl_studio("check", written(tmp_path, text + "packing: true\nmax_length: null\n"), "--json").out)
    assert [each["message"] for each in packs] == ["`packing` needs a `max_length`."]  # said by the check, and once
    absent = ("error", "eos_token", f"The tokenizer of …/{tmp_path.name}/m has no token <nope>.")
    assert said("eos_token: <nope>\n", "--quick") == {absent}
    template = tmp_path / "m" / "chat_template.jinja"
    template.write_text("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}")
    level, name, message = said().pop()
    assert (level, name) == ("warning", "eos_token")
    assert message.endswith("does not end turns in this chat template.")
    unmarked = ("error", "assistant_only_loss", "The chat template does not mark the assistant's turns.")
    assert unmarked in said("assistant_only_loss: true\n")
    template.unlink()
    ((level, name, message),) = said("", "--quick")
    assert (level, name) == ("error", "model_name_or_path")
    assert message.endswith("/m has no chat template, and the data are conversations.")


def test_images_under_a_model_of_text_alone(trl_studio: Trl, tmp_path: Path) -> None:
    """What `trl sft` says of it: the dataset appears to be vision-related."""
    data = tmp_path / "seen.parquet"
    turns = [{"role": "user", "content": "What is it?"}, {"role": "assistant", "content": "A dot."}]
    picture = {"bytes": b"\x89PNG", "path": None}
    rows = Dataset.from_dict({"messages": [turns] * 2, "image": [picture] * 2})
    rows.cast_column("image", Image()).to_parquet(data)
    use = f"use_cpu: true\ndatasets: [{{path: parquet, data_files: {data}}}]\n"

    def told(model: str) -> tuple[int, set[tuple[str, str, str]]]:
        said = trl_studio("check", written(tmp_path, f"# trl sft\nmodel_name_or_path: {model}\n{use}"), "--json")
        found = json.loads(said.out)
        return said.code, {(each["level"], each["where"]["name"], each["message"]) for each in found}

    code, found = told("assets/demo/model")
    message = "…/demo/model reads text alone, and the data have a column `image`."
    assert (code, ("error", "model_name_or_path", message) in found) == (1, True)
    assert not [one for one in found if one[1] == "image"]
    code, found = told("nobody/knows")  # the Hub is out of reach
    open_ = ("warning", "image", "`image` makes this data for a vision-language model.")
    assert (code, open_ in found) == (0, True)
    sees = model_folder(tmp_path / "sees", config__json=json.dumps(CONFIG | {"model_type": "llava"}).encode())
    for model, verdict in (("assets/demo/model", "reject"), ("nobody/knows", "unknown"), (sees, "accept")):
        recipe = written(tmp_path, f"model_name_or_path: {model}\n")
        said = trl_studio("inspect", str(data), "--method", "sft", "--recipe", recipe, "--json")
        assert (said.code, json.loads(said.out)["verdict"]) == (int(verdict == "reject"), verdict)


def test_check_for_another_machine(trl_studio: Trl, tmp_path: Path) -> None:
    """What this machine has not got is no matter there, neither to the studio nor to TRL's classes."""
    path = written(
        tmp_path,
        "# trl sft\nmodel_name_or_path: a/model\ndataset_name: a/data\ntf32: true\nnum_processes: 64\nenv: {A: b}\n",
    )
    said = trl_studio("check", path, "--elsewhere", "--json")
    assert said.code == 0
    assert {each["level"] for each in json.loads(said.out)} == {"warning"}  # the Hub is out of reach


def test_convert_there_and_back(trl_studio: Trl, tmp_path: Path) -> None:
    command = trl_studio("convert", "presets/dpo-lora.yaml", "--to", "command")
    assert (command.code, command.err) == (0, "")
    assert command.out.startswith("trl dpo \\\n")
    back = trl_studio("convert", "-", "--to", "yaml", given=command.out.encode())
    assert (back.code, back.err) == (0, "")
    assert yaml.safe_load(back.out) == yaml.safe_load((ROOT / "presets" / "dpo-lora.yaml").read_text(encoding="utf-8"))
    assert (
        trl_studio("convert", "presets/dpo.yaml", "--to", "config-command").out == "trl dpo --config presets/dpo.yaml\n"
    )
    # A recipe that flags cannot say in full.
    path = written(tmp_path, "# trl sft\ndatasets:\n- path: a/b\n")
    said = trl_studio("convert", path, "--to", "command")
    assert said.code == 0
    assert said.out == f"trl sft --config {path}\n"
    assert said.err.startswith("note  datasets: ")


def test_convert_keeps_what_nobody_knows(trl_studio: Trl) -> None:
    text = b"seed: 1\nbogus: {a: 2024-01-01}\nlearning_rate: 1e-5\n"
    said = trl_studio("convert", "-", "--method", "sft", "--to", "yaml", given=text)
    assert said.code == 0
    assert said.err.startswith("error  bogus: ")
    assert said.out.index("seed: 1") < said.out.index("bogus:")
    assert "learning_rate: 1.0e-05\n" in said.out


def test_texts_that_cannot_be_read(trl_studio: Trl, tmp_path: Path) -> None:
    binary, empty = tmp_path / "binary.yaml", written(tmp_path, "", "empty.yaml")
    binary.write_bytes(b"\xff\xfe\x00\x01")
    blank = written(tmp_path, " \n\t\n", "blank.yaml")
    listed = written(tmp_path, "- a\n", "list.yaml")
    broken = written(tmp_path, "a: [\n", "broken.yaml")
    nameless = written(tmp_path, "seed: 1\n", "nameless.yaml")
    for path in (str(binary), empty, blank, listed, broken, nameless, str(tmp_path), str(tmp_path / "no.yaml"), "a\0b"):
        for words in (["check", path], ["convert", path, "--to", "yaml"], ["run", path],
                      ["inspect", "assets/demo/sft", "--method", "sft", "--recipe", path]):  # fmt: skip
            if words[0] == "inspect" and path == nameless:
                continue
            said = trl_studio(*words)
            assert said.code == 2, words
            assert said.err.startswith("error: "), words
            assert said.out == ""
    assert "directory" in trl_studio("check", str(tmp_path)).err.lower()
    assert "standard input is empty" in trl_studio("check", "-").err
    # A byte order mark is no damage.
    marked = tmp_path / "marked.yaml"
    marked.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert trl_studio("check", str(marked), "--quick").code == 0


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_arguments(trl_studio: Trl, catalog: Catalog, method: str) -> None:
    said = trl_studio("arguments", method, "--json")
    assert (said.code, said.err) == (0, "")
    rows = json.loads(said.out)
    assert [row["name"] for row in rows] == list(catalog.of(method))
    for row in rows:
        assert {"name", "type", "default", "effective_default", "choices", "help", "owner"} <= set(row)
    by_name = {row["name"]: row for row in rows}
    assert (by_name["bf16"]["default"], by_name["bf16"]["effective_default"]) == (None, True)
    assert by_name["eval_strategy"]["choices"] == ["no", "steps", "epoch"]
    table = trl_studio("arguments", method).out.splitlines()
    assert len(table) == len(rows) + 1
    assert table[0].split() == ["NAME", "TYPE", "DEFAULT", "HELP"]


def test_the_list_is_made_with_a_word(trl_studio: Trl, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first time takes seconds, which is said once, beside the JSON."""
    made = next((home / "cache").glob("*.json")).read_text(encoding="utf-8")

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        Path(command[4]).write_text(made, encoding="utf-8")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    shutil.rmtree(home / "cache")
    said = trl_studio("arguments", "sft", "--json")
    assert len(json.loads(said.out)) > 100
    assert len(said.err.splitlines()) == 1
    assert "seconds" in said.err
    assert trl_studio("arguments", "sft").err == ""


def test_inspect(trl_studio: Trl, tmp_path: Path) -> None:
    said = trl_studio("inspect", "assets/demo/sft", "--method", "sft", "--json")
    assert (said.code, said.err) == (0, "")
    found = json.loads(said.out)
    assert (found["verdict"], found["type"]) == ("accept", "language modeling")
    assert [column["name"] for column in found["columns"]] == ["messages"]
    assert found["findings"] == []
    refused = trl_studio("inspect", "assets/demo/sft", "--method", "dpo", "--json")
    assert refused.code == 1
    found = json.loads(refused.out)
    assert found["verdict"] == "reject"
    assert found["findings"][0]["level"] == "error"
    unknown = trl_studio("inspect", "some/data", "--method", "sft", "--json")
    assert (unknown.code, json.loads(unknown.out)["verdict"]) == (0, "unknown")
    for_people = trl_studio("inspect", "assets/demo/sft", "--method", "dpo", "--split", "test")
    assert for_people.code == 1
    assert "reject for dpo" in for_people.out
    assert "error  chosen: " in for_people.out
    # With a recipe that reads another column.
    data = written(tmp_path, '{"body": "one"}\n{"body": "two"}\n', "train.jsonl")
    assert trl_studio("inspect", data, "--method", "sft").code == 1
    recipe = written(tmp_path, "dataset_text_field: body\n")
    assert trl_studio("inspect", data, "--method", "sft", "--recipe", recipe).code == 0


@pytest.mark.parametrize(
    ("method", "line"),
    [
        ("grpo", "reward_funcs: 5"),
        ("grpo", "reward_funcs: [{}]"),
        ("sft", "dataset_config: [x]"),
        ("sft", "dataset_config: {a: b}"),
        ("sft", "dataset_train_split: 5"),
        ("sft", "dataset_name: 5"),
        ("sft", "datasets: [{path: json, data_files: 5, name: {a: b}}]"),
        ("sft", "datasets: 5"),
        ("sft", "report_to: 5"),
        ("sft", "env: [1]"),
        ("sft", "output_dir: 2024-01-01"),
        ("sft", "num_processes: [1]"),
        ("sft", "gpu_ids: {a: 1}"),
    ],
)
def test_values_of_the_wrong_kind_are_findings(trl_studio: Trl, method: str, line: str) -> None:
    """However odd, a value is checked together with the data and said to be wrong."""
    text = f"model_name_or_path: assets/demo/model\ndataset_name: assets/demo/{method}\n{line}\n"
    said = trl_studio("check", "-", "--method", method, "--quick", "--json", given=text.encode())
    assert said.err == ""
    assert said.code == 1
    assert line.split(":")[0] in {each["where"]["name"] for each in json.loads(said.out) if each["level"] == "error"}
