"""The tokens shown before training are those that TRL's own scripts feed the model, with the same masks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from feed_cases import CASES, ROOT, recipes

from studio.adapters.home import Home
from studio.domain.recipe import Recipe
from studio.service import tokens
from studio.service.studio import Studio
from studio.service.tokens import Counted

_MACHINE = {"use_cpu": True, "bf16": False, "activation_checkpointing": False, "report_to": "none"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("feed")


@pytest.fixture(scope="module")
def cases(folder: Path) -> dict[str, tuple[str, dict[str, Any]]]:
    return recipes(folder)


@pytest.fixture(scope="module")
def truth(folder: Path, cases: dict[str, tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """What TRL's scripts feed the model, for every case, told by TRL itself in a process of its own."""
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
    assert len(found) == len(CASES) > 40
    return found


@pytest.fixture(scope="module")
def counted(
    tmp_path_factory: pytest.TempPathFactory, catalog_folder: Path, cases: dict[str, tuple[str, dict[str, Any]]]
) -> Iterator[dict[str, Counted]]:
    """What the studio tells of every case."""
    home = tmp_path_factory.mktemp("home")
    (home / "cache").symlink_to(catalog_folder)
    studio = Studio(Home(home))
    told = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokens, "SHOWN", 200)
        for name, (method, values) in cases.items():
            recipe = Recipe(method, values)
            told[name] = studio.tokens.count(recipe, studio.recipes.look(recipe))
    yield told
    studio.tokens.close()


def _shown(counted: Counted) -> list[list[list[Any]]]:
    """Every example that reaches the model, in its order, as the oracle tells it."""
    fed = [sample for _, sample in sorted(counted.samples.items()) if not sample["dropped"]]
    return [[[part["ids"], [bool(bit) for bit in part["masks"]]] for part in sample["parts"]] for sample in fed]


@pytest.mark.parametrize("name", CASES)
def test_ids_and_masks_are_trls(name: str, truth: dict[str, Any], counted: dict[str, Counted]) -> None:
    told, shown = truth[name], counted[name]
    assert shown.count is not None, shown.trouble
    if "refusal" in told:
        assert shown.count.refusal.split()[:6] == told["refusal"].split()[:6]
        return
    assert shown.count.refusal == ""
    expected = told["fed"]
    if CASES[name][0] in ("grpo", "rloo", "distillation"):
        assert [sample["parts"][0]["ids"] for sample in shown.samples.values()] == [one[0][0] for one in expected]
        return
    assert _shown(shown) == expected
    assert shown.count.trained == sum(sum(mask) for one in expected for _, mask in one) or CASES[name][3].get("packing")
    assert shown.count.kept == len(expected) or CASES[name][3].get("packing")


def test_the_cases_cover_cutting_dropping_and_refusal(truth: dict[str, Any], counted: dict[str, Counted]) -> None:
    refused = [name for name, told in truth.items() if "refusal" in told]
    assert refused == ["sft, no marks"]
    counts = {name: one.count for name, one in counted.items() if one.count is not None}
    for name in ("sft, some dropped", "dpo, some dropped", "kto, from pairs, some dropped", "reward, some dropped"):
        assert 0 < counts[name].dropped < counts[name].examples
    for name in ("sft, answers only, cut", "sft, end kept", "dpo, cut", "dpo, end kept", "kto, cut"):
        assert counts[name].cut > 0
    packed = counts["sft, packed"]
    assert packed.packed == packed.shown_of == len(truth["sft, packed"]["fed"]) < packed.examples
    assert counts["grpo"].room == 24


def test_texts_of_the_tokens_make_the_text(counted: dict[str, Counted]) -> None:
    part = counted["sft"].samples[0]["parts"][0]
    said = "".join(part["texts"])
    assert (
        said
        == "<|im_start|>user\nTell me the job of Toni.<|im_end|>\n<|im_start|>assistant\nToni is a judge.<|im_end|>\n"
    )
    assert len(part["texts"]) == len(part["ids"]) == part["length"]
    assert [text for text, special in zip(part["texts"], part["specials"], strict=True) if special] == [
        *("<|im_start|>", "<|im_end|>") * 2
    ]
