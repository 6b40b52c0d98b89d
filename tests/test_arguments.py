"""The catalogue of arguments is what the installed TRL and accelerate declare, option by option, and is made once."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from studio.adapters import catalog as catalog_module
from studio.adapters.catalog import CatalogCache, installed_versions
from studio.domain.arguments import ATOMS, Argument, Catalog
from studio.domain.errors import StudioError
from studio.domain.methods import METHOD_NAMES
from studio.domain.overlay import OVERLAYS, SECTIONS, section_of
from studio.domain.values import problem, same
from studio.worker.__main__ import _write

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*:DeprecationWarning", "ignore:.*:FutureWarning", "ignore::UserWarning"
)


def invocations(help_text: str) -> list[list[str]]:
    """The option strings of each option that a help text lists."""
    heads = re.findall(r"^ {2}(-.*?)(?: {2,}.*)?$", help_text, re.MULTILINE)
    return [re.findall(r"(?<![\w-])--?[\w-]+", head.split(" {")[0]) for head in heads]


@pytest.fixture(scope="module")
def parsers() -> dict[str, Any]:
    """TRL's own parsers."""
    return {
        name: importlib.import_module(f"trl.scripts.{name}").make_parser(prog=f"trl {name}") for name in METHOD_NAMES
    }


@pytest.fixture(scope="module")
def helps(parsers: dict[str, Any]) -> dict[str, str]:
    """What `trl <method> --help` prints, on lines wide enough for every sentence."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "100000"
    try:
        return {name: parser.format_help() for name, parser in parsers.items()}
    finally:
        os.environ.pop("COLUMNS") if before is None else os.environ.update(COLUMNS=before)


# Against the libraries' own help -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_every_option_of_the_help_and_no_other(catalog: Catalog, helps: dict[str, str], method: str) -> None:
    names: set[str] = set()
    negations: set[str] = set()
    for strings in invocations(helps[method]):
        if "--help" in strings:
            continue
        plain = {string.lstrip("-").replace("-", "_") for string in strings}
        assert len(plain) == 1, strings
        name = plain.pop()
        (negations if name.startswith("no_") else names).add(name)
    arguments = catalog.of(method)
    assert names == set(arguments)
    assert negations == {a.flag.negation.lstrip("-") for a in arguments.values() if a.flag.negation}
    assert len(names) > 150


def test_the_real_command_prints_the_same(catalog: Catalog, helps: dict[str, str]) -> None:
    """`trl sft --help`, as a user types it."""
    trl = Path(sys.executable).with_name("trl")
    env = {**os.environ, "COLUMNS": "100000", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run([trl, "sft", "--help"], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == helps["sft"]
    assert len([s for s in invocations(done.stdout) if not s[0].startswith("--no_")]) == len(catalog.of("sft")) + 1


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_the_defaults_are_those_that_the_help_shows(
    catalog: Catalog, parsers: dict[str, Any], helps: dict[str, str], method: str
) -> None:
    compared = 0
    for action in parsers[method]._actions:
        if action.dest == "help" or action.option_strings[0].startswith("--no_"):
            continue
        argument = catalog.of(method)[action.dest]
        # TRL's parser converts a text default, as it does a text from the command line.
        shown = action.type(action.default) if isinstance(action.default, str) and action.type else action.default
        shown = getattr(shown, "value", shown)
        assert same(argument.default, shown), action.dest
        # The same in print, where it is printed.
        part = re.search(rf"^ {{2}}{action.option_strings[0]}[ ,](.*(?:\n {{3,}}.*)*)", helps[method], re.MULTILINE)
        assert part is not None
        text = " ".join(part[1].split())
        printed = re.search(r"\(default: (.*)\)$", text)
        if printed:
            compared += 1
            assert printed[1] == str(action.default)
        assert " ".join(argument.help.split()) in text, action.dest
    assert compared > 100


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_choices_and_owners(catalog: Catalog, parsers: dict[str, Any], method: str) -> None:
    for action in parsers[method]._actions:
        if action.dest in catalog.of(method) and action.choices:
            assert list(catalog.of(method)[action.dest].choices) == list(action.choices), action.dest
    owners = {argument.owner for argument in catalog.of(method).values()}
    assert {"ModelConfig", "DatasetMixtureConfig", "TrainingArguments"} <= owners
    assert catalog.of(method)["model_name_or_path"].owner == "ModelConfig"
    assert catalog.of(method)["dataset_name"].owner == "ScriptArguments"
    assert catalog.of(method)["max_steps"].owner == "TrainingArguments"


def test_accelerates_launch_options(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Option by option against `accelerate launch --help`, which shows all where nothing else is on its line."""
    from accelerate.commands.launch import launch_command_parser

    monkeypatch.setattr(sys, "argv", ["accelerate", "launch"])
    parser = launch_command_parser()
    shown = [strings for strings in invocations(parser.format_help()) if "--help" not in strings]
    named = [next(string for string in strings if string.startswith("--")) for strings in shown]
    listed = [name.lstrip("-").replace("-", "_") for name in named]
    assert len(listed) > 100
    assert sorted(listed) == sorted({*catalog.launch, *catalog.flags} - {"accelerate_config"})
    for action in parser._actions:
        for string in action.option_strings:
            name = string.lstrip("-").replace("-", "_")
            if name in listed:
                assert (name in catalog.flags) == (action.nargs == 0), name
                assert (name in catalog.launch) == (action.nargs != 0), name
                assert list({**catalog.launch, **catalog.flags}[name].choices) == list(action.choices or ()), name
    assert catalog.launch["num_processes"].types == ("integer",)
    assert "bf16" in catalog.launch["mixed_precision"].choices
    assert set(catalog.flags) > {"multi_gpu", "cpu", "use_fsdp", "use_deepspeed"}
    assert set(catalog.profiles) == {"single_gpu", "multi_gpu", "fsdp1", "fsdp2", "zero1", "zero2", "zero3"}


# What is told of each ----------------------------------------------------------------------------------------------

TYPES = {
    ("sft", "learning_rate"): "number",
    ("sft", "max_steps"): "integer",
    ("sft", "num_train_epochs"): "number",
    ("sft", "max_length"): "integer | null",
    ("sft", "packing"): "boolean",
    ("sft", "bf16"): "boolean | null",
    ("sft", "run_name"): "text | null",
    ("sft", "eval_strategy"): "text",
    ("sft", "report_to"): "text | list[text] | null",
    ("sft", "model_init_kwargs"): "mapping | text | null",
    ("sft", "lora_target_modules"): "list[text] | null",
    ("sft", "datasets"): "datasets",
    ("sft", "torch_compile"): "boolean",
    ("sft", "include_num_input_tokens_seen"): "boolean",
    ("sft", "loss_type"): "text",
    ("dpo", "loss_type"): "list[text]",
    ("dpo", "loss_weights"): "list[number] | null",
    ("grpo", "reward_funcs"): "list[text] | null",
    ("grpo", "reward_weights"): "list[number] | null",
    ("distillation", "teacher_model_name_or_path"): "text | null",
}


def test_types_are_told_apart(catalog: Catalog) -> None:
    found = {(method, name): catalog.of(method)[name].type for method, name in TYPES}
    assert found == TYPES
    assert catalog.of("sft")["save_strategy"].choices == ("no", "steps", "epoch", "best")
    assert catalog.of("sft")["datasets"].fields[:2] == ("path", "name")


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_every_default_is_a_value_of_its_type(catalog: Catalog, method: str) -> None:
    for name, argument in catalog.of(method).items():
        assert set(argument.types) <= set(ATOMS), name
        for value in (argument.default, argument.effective_default):
            empty = value is None or (value == [] and "text" in argument.types)
            assert empty or problem(argument, value) is None or "mapping" in argument.types, (name, value)
        assert Argument.from_json(json.loads(json.dumps(argument.to_json()))) == argument


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_defaults_in_effect(catalog: Catalog, parsers: dict[str, Any], method: str) -> None:
    """What a config built by TRL without any setting holds."""
    arguments = catalog.of(method)
    assert (arguments["bf16"].default, arguments["bf16"].effective_default) == (None, True)
    config = next(kind for kind in parsers[method].dataclass_types if kind.__name__.endswith("Config")
                  and hasattr(kind, "num_train_epochs"))(use_cpu=True)  # fmt: skip
    for name in ("learning_rate", "bf16", "fp16", "logging_steps", "gradient_checkpointing", "save_strategy", "optim",
                 "per_device_train_batch_size", "remove_unused_columns", "report_to", "eval_steps"):  # fmt: skip
        held = getattr(config, name)
        assert same(arguments[name].effective_default, getattr(held, "value", held)), name
    assert arguments["use_cpu"].effective_default is False
    assert arguments["dataloader_pin_memory"].effective_default is True


def test_defaults_differ_by_method(catalog: Catalog) -> None:
    rates = {method: catalog.of(method)["learning_rate"].default for method in METHOD_NAMES}
    assert rates["dpo"] < rates["sft"] < rates["reward"]
    assert catalog.of("grpo")["steps_per_generation"].effective_default == 1


def test_deprecations_are_found(catalog: Catalog) -> None:
    found = {name for method in METHOD_NAMES for name, a in catalog.of(method).items() if a.deprecation}
    said = {name for method in METHOD_NAMES for name, a in catalog.of(method).items() if "deprecated" in a.help.lower()}
    assert found == said
    assert {"use_liger_kernel", "pad_token", "gradient_checkpointing_kwargs"} <= found
    assert "learning_rate" not in found
    for name in ("use_liger_kernel", "pad_token"):
        assert "eprecated" in catalog.of("sft")[name].deprecation


def test_the_studios_words_are_about_arguments_that_exist(catalog: Catalog) -> None:
    """An overlay record for an option that no method and no launch has would be a copied list gone stale."""
    known = {name for method in METHOD_NAMES for name in catalog.of(method)} | set(catalog.launch)
    # What transformers renames is in either list by turns.
    assert {record.name for record in OVERLAYS} - known <= {"activation_checkpointing"}
    for method in METHOD_NAMES:
        for name, argument in catalog.of(method).items():
            assert section_of(name, method, argument) in SECTIONS
    for record in OVERLAYS:
        if record.shown_when:
            assert record.shown_when[0] in known


def test_the_model_types_that_have_a_processor(catalog: Catalog) -> None:
    """Of these TRL takes images; of the demo's it takes none."""
    from transformers import AutoProcessor, ProcessorMixin
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING_NAMES

    assert catalog.processors == set(PROCESSOR_MAPPING_NAMES)
    demo = Path(__file__).parents[1] / "assets/demo/model"
    assert not isinstance(AutoProcessor.from_pretrained(demo), ProcessorMixin)
    assert json.loads((demo / "config.json").read_text())["model_type"] not in catalog.processors


def test_nearest_names(catalog: Catalog) -> None:
    for wrong, right in {
        "learning_rat": "learning_rate",
        "--learning-rate": "learning_rate",
        "batch_size": "per_device_train_batch_size",
        "epochs": "num_train_epochs",
        "max_seq_length": "max_length",
        "lora_rank": "lora_r",
        "num_process": "num_processes",
        "LEARNING_RATE": "learning_rate",
    }.items():
        assert right in catalog.nearest("sft", wrong), wrong
    assert catalog.nearest("sft", "bogus") == []
    with pytest.raises(StudioError, match="no method 'ppo'"):
        catalog.of("ppo")


# The cache ---------------------------------------------------------------------------------------------------------


class FakeWorker:
    """Stands in for the worker: writes the catalogue that was made once for all tests, and counts its calls."""

    def __init__(self, made: Path) -> None:
        self.made, self.calls, self.returncode = made, 0, 0
        self.ready = threading.Event()
        self.ready.set()

    def run(self, command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        assert command[1:4] == ["-m", "studio.worker", "arguments"]
        self.calls += 1
        assert self.ready.wait(30)
        if self.returncode == 0:
            _write(Path(command[4]), json.loads(self.made.read_text(encoding="utf-8")))
        return subprocess.CompletedProcess(command, self.returncode, "", "Traceback\nImportError: no torch\n")


@pytest.fixture
def worker(catalog_folder: Path, monkeypatch: pytest.MonkeyPatch) -> FakeWorker:
    fake = FakeWorker(next(catalog_folder.glob("*.json")))
    monkeypatch.setattr(subprocess, "run", fake.run)
    return fake


def test_it_is_made_once_for_a_set_of_versions(
    worker: FakeWorker, tmp_path: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert CatalogCache(tmp_path).ready() is None
    assert CatalogCache(tmp_path).get() == catalog
    again = CatalogCache(tmp_path)
    assert again.ready() == catalog
    assert again.get() is again.get()
    assert worker.calls == 1
    newer = {**installed_versions(), "trl": "99.0"}
    monkeypatch.setattr(catalog_module, "installed_versions", lambda: newer)
    assert CatalogCache(tmp_path).ready() is None
    CatalogCache(tmp_path).get()
    assert worker.calls == 2
    assert len(list(tmp_path.glob("*.json"))) == 2


def test_the_versions_are_those_that_are_installed(catalog: Catalog) -> None:
    import trl

    assert catalog.versions == installed_versions()
    assert catalog.versions["trl"] == trl.__version__


@pytest.mark.parametrize("damage", ["", "{", "[]", "null", '{"format": 1}', '"x"', "truncated", "older", "binary"])
def test_a_damaged_file_is_made_again(worker: FakeWorker, tmp_path: Path, catalog: Catalog, damage: str) -> None:
    cache = CatalogCache(tmp_path)
    text = worker.made.read_text(encoding="utf-8")
    whole = {"truncated": text[: len(text) // 2], "older": text.replace('"format": ', '"format": 1', 1)}.get(
        damage, damage
    )
    cache.path.write_bytes(b"\xff\xfe\x00" if damage == "binary" else whole.encode())
    assert cache.ready() is None
    assert cache.get() == catalog
    assert worker.calls == 1
    assert CatalogCache(tmp_path).ready() == catalog


def test_two_at_once(worker: FakeWorker, tmp_path: Path, catalog: Catalog) -> None:
    """Two that share an object have it made once; two processes write it twice, each whole."""
    worker.ready.clear()
    shared, other = CatalogCache(tmp_path), CatalogCache(tmp_path)
    found: list[Catalog] = []
    threads = [
        threading.Thread(target=lambda cache=cache: found.append(cache.get())) for cache in (shared, shared, other)
    ]
    for thread in threads:
        thread.start()
    worker.ready.set()
    for thread in threads:
        thread.join(60)
    assert found == [catalog] * 3
    assert worker.calls in (1, 2)
    assert list(tmp_path.glob("*.part")) == []


def test_a_reader_meets_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    path, stop = tmp_path / "sub" / "catalogue.json", threading.Event()
    _write(path, ["0"] * 5000)

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            _write(path, [str(number)] * 5000)

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    try:
        for _ in range(300):
            read = json.loads(path.read_text(encoding="utf-8"))
            assert len(read) == 5000
            assert len(set(read)) == 1
    finally:
        stop.set()
        for writer in writers:
            writer.join(60)
    assert [entry.name for entry in path.parent.iterdir()] == ["catalogue.json"]


def test_made_in_the_background(worker: FakeWorker, tmp_path: Path, catalog: Catalog, wait_until: Any) -> None:
    worker.ready.clear()
    cache = CatalogCache(tmp_path)
    cache.start()
    cache.start()
    assert cache.ready() is None
    worker.ready.set()
    assert wait_until(cache.ready, "the catalogue") == catalog
    assert cache.failure() is None
    assert worker.calls == 1


def test_a_failure_is_said_and_can_be_mended(
    worker: FakeWorker, tmp_path: Path, catalog: Catalog, wait_until: Any
) -> None:
    worker.returncode = 1
    cache = CatalogCache(tmp_path)
    with pytest.raises(StudioError, match="ImportError: no torch") as error:
        cache.get()
    assert "trl sft --help" in error.value.hint
    cache.start()
    assert "no torch" in str(wait_until(cache.failure, "the failure"))
    worker.returncode = 0
    assert cache.get() == catalog


def test_a_package_that_is_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(catalog_module, "PACKAGES", ("trl", "no-such-package-anywhere"))
    with pytest.raises(StudioError, match="no-such-package-anywhere"):
        CatalogCache(tmp_path)


def test_the_worker_is_not_misled_by_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, catalog: Catalog
) -> None:
    """A folder that holds `trl.py`, `datasets.py` and `json.py`, as many a project does. Makes it for real."""
    for name in ("trl", "datasets", "yaml", "json"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('not this one')\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert CatalogCache(Path("cache")).get() == catalog
    shutil.rmtree("cache")
