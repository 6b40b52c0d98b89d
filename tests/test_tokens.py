"""The tokens shown before training are those that TRL's own scripts feed the model, with the same masks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from feed_cases import CASES, FEW, ROOT, recipes

from studio.adapters.home import Home
from studio.domain.recipe import Recipe
from studio.service import tokens
from studio.service.studio import Studio
from studio.service.tokens import Counted

Cases = dict[str, tuple[str, dict[str, Any]]]
REST = tuple(name for name in CASES if name not in FEW)
_MACHINE = {"use_cpu": True, "bf16": False, "activation_checkpointing": False, "report_to": "none"}


@dataclass(frozen=True)
class Answers:
    """What TRL's scripts feed the model, told by TRL itself, and what the studio says of the same recipes."""

    truth: dict[str, Any]
    counted: dict[str, Counted]


def ask(folder: Path, catalog_folder: Path, names: Iterable[str]) -> Answers:
    """Both for some cases, each in a process of its own."""
    cases = recipes(folder, names)
    return Answers(_by_trl(folder, cases), _by_the_studio(folder / "home", catalog_folder, cases))


def _by_trl(folder: Path, cases: Cases) -> dict[str, Any]:
    files = {}
    for number, (name, (method, values)) in enumerate(cases.items()):
        file = folder / f"case{number}.yaml"
        told = {**values, **_MACHINE, "output_dir": str(folder / "output")}
        file.write_text(yaml.safe_dump(told), encoding="utf-8")
        files[name] = (method, str(file))
    (folder / "cases.json").write_text(json.dumps(files))
    env = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(folder / "cache")}
    command = [sys.executable, str(ROOT / "tests/feed_oracle.py"), str(folder / "cases.json"), str(folder / "out.json")]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads((folder / "out.json").read_text())
    return found


def _by_the_studio(home: Path, catalog_folder: Path, cases: Cases) -> dict[str, Counted]:
    home.mkdir()
    (home / "cache").symlink_to(catalog_folder)
    studio = Studio(Home(home))
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tokens, "SHOWN", 200)
            return {
                name: studio.tokens.count(recipe, studio.recipes.look(recipe))
                for name, recipe in ((name, Recipe(*case)) for name, case in cases.items())
            }
    finally:
        studio.tokens.close()


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory, catalog_folder: Path) -> Answers:
    return ask(tmp_path_factory.mktemp("few"), catalog_folder, FEW)


@pytest.fixture(scope="module")
def rest(tmp_path_factory: pytest.TempPathFactory, catalog_folder: Path) -> Answers:
    return ask(tmp_path_factory.mktemp("rest"), catalog_folder, REST)


def _shown(counted: Counted) -> list[list[list[Any]]]:
    """Every example that reaches the model, in its order, as the oracle tells it."""
    fed = [sample for _, sample in sorted(counted.samples.items()) if not sample["dropped"]]
    return [[[part["ids"], [bool(bit) for bit in part["masks"]]] for part in sample["parts"]] for sample in fed]


def compare(name: str, answers: Answers) -> None:
    """Fails unless the studio shows exactly what TRL feeds, or the same refusal."""
    told, shown = answers.truth[name], answers.counted[name]
    assert shown.count is not None, shown.trouble
    if "refusal" in told:
        assert shown.count.refusal.split()[:6] == told["refusal"].split()[:6]
        return
    assert shown.count.refusal == ""
    expected = told["fed"]
    assert len(expected) > 0
    if CASES[name][0] in ("grpo", "rloo", "distillation"):
        assert [sample["parts"][0]["ids"] for sample in shown.samples.values()] == [one[0][0] for one in expected]
        return
    assert _shown(shown) == expected
    packs = CASES[name][3].get("packing")
    assert (shown.count.packed if packs else shown.count.kept) == len(expected)
    assert shown.count.tokens == sum(len(ids) for one in expected for ids, _ in one)
    assert shown.count.trained == sum(sum(mask) for one in expected for _, mask in one)
    if packs:
        lost = sum(sum(lengths) for lengths in shown.count.lengths.values()) - shown.count.tokens
        assert (shown.count.dropped, shown.count.cut > 0) == (0, lost > 0)


@pytest.mark.parametrize("name", FEW)
def test_ids_and_masks_are_trls(name: str, few: Answers) -> None:
    compare(name, few)


@pytest.mark.slow
@pytest.mark.parametrize("name", REST)
def test_ids_and_masks_are_trls_in_every_case(name: str, rest: Answers) -> None:
    compare(name, rest)


def test_the_cases_cover_cutting_dropping_and_refusal(few: Answers) -> None:
    assert len(CASES) > 40
    assert [name for name, told in few.truth.items() if "refusal" in told] == ["sft, no marks"]
    counts = {name: one.count for name, one in few.counted.items() if one.count is not None}
    for name in ("sft, some dropped", "dpo, some dropped", "kto, from pairs, some dropped", "reward, some dropped"):
        assert 0 < counts[name].dropped < counts[name].examples
    for name in ("sft, answers only, cut", "sft, text completions, cut", "dpo, end kept"):
        assert counts[name].cut > 0
    packed = counts["sft, packed"]
    assert packed.packed == packed.shown_of == len(few.truth["sft, packed"]["fed"]) < packed.examples
    assert counts["grpo"].room == 24


def test_texts_of_the_tokens_make_the_text(few: Answers) -> None:
    part = few.counted["sft"].samples[0]["parts"][0]
    turns = (
        "<|im_start|>user\nTell me the job of Toni.<|im_end|>\n",
        "<|im_start|>assistant\nToni is a judge.<|im_end|>\n",
    )
    assert "".join(part["texts"]) == "".join(turns)
    assert len(part["texts"]) == len(part["ids"]) == part["length"]
    special = [text for text, bit in zip(part["texts"], part["specials"], strict=True) if bit]
    assert special == ["<|im_start|>", "<|im_end|>"] * 2
