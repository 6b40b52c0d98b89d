"""README.md: generated parts, fields, commands and links are those of the code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import readme
from run_lab import RunLab

from studio.adapters.home import Home
from studio.domain.arguments import Catalog
from studio.domain.findings import Finding, Where
from studio.domain.methods import METHODS
from studio.domain.states import STATES
from studio.service.search import Everywhere, Found
from studio.service.studio import Studio

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def documented(heading: str) -> set[str]:
    """The fields that the table below a heading names."""
    (section,) = re.findall(rf"^### `{heading}.*?(?=^#)", TEXT, re.DOTALL | re.MULTILINE)
    first_cells = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    return {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)}


def test_the_generated_parts_are_current() -> None:
    assert readme.refreshed(TEXT) == TEXT, "run: python tests/readme.py"


def test_a_stale_part_is_noticed() -> None:
    stale = TEXT.replace("| `trl-studio stop", "| `trl-studio halt")
    assert stale != TEXT
    assert readme.refreshed(stale) == TEXT
    with pytest.raises(ValueError, match="presets"):
        readme.refreshed(TEXT.replace("<!-- presets -->", ""))


def test_the_parts_hold_what_they_should() -> None:
    assert len(re.findall(r"`presets/[\w-]+\.yaml` \|$", TEXT, re.MULTILINE)) == len(list(ROOT.glob("presets/*.yaml")))
    for command in ("check", "convert", "arguments", "inspect", "search", "run", "runs", "show", "stop", "logs"):
        assert f"| `trl-studio {command}" in TEXT


def test_fields_of_the_json_interfaces(catalog: Catalog, tmp_path: Path) -> None:
    arguments = [one for method in catalog.methods for one in catalog.of(method).values()]
    assert documented("arguments") == {key for one in arguments for key in one.to_json()}
    assert documented("methods") == {key for method in METHODS for key in method.to_json()}
    assert documented("check") == set(Finding("note", Where("file", "x"), "").to_json())
    studio = Studio(Home(tmp_path))
    assert documented("inspect") == set(studio.inspect(str(ROOT / "assets/demo/sft"), "sft").to_json())
    assert documented("search") >= set(Everywhere((), Found()).to_json())
    RunLab(tmp_path).create("one")
    assert documented("runs") == set(studio.runs.show("one"))


def test_every_state_is_named() -> None:
    (row,) = re.findall(r"^\| `state` \| (.*)\|$", TEXT, re.MULTILINE)
    assert re.findall(r"`(\w+)`", row) == list(STATES)


def test_links_and_pictures_are_there() -> None:
    targets = [target for target in re.findall(r"\]\(([^)#]+)\)", TEXT) if "://" not in target]
    assert "assets/page.png" in targets
    assert [target for target in targets if not (ROOT / target).is_file()] == []


def test_ci_runs_the_command_that_stands_here() -> None:
    done = subprocess.run(["bash", str(ROOT / ".ci" / "run"), "--say"], capture_output=True, text=True, check=True)
    command = done.stdout.strip()
    assert command.startswith("pip install -e")
    assert command.endswith("&& pytest")
    assert f"```bash\n{command}\n```" in TEXT


def test_the_script_says_whether_it_is_current() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "tests" / "readme.py"), "--check"], timeout=120)
    assert done.returncode == 0
