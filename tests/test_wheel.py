"""The wheel: built, installed without its dependencies, and used from an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout as a wheel, made by the installed build backend without asking a registry."""
    folder = tmp_path_factory.mktemp("wheel")
    run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)], folder)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the installed package, with its program in `bin`."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(folder)]
    run([*pip, str(wheel)], folder)
    return folder


def run(command: list[str], folder: Path, **environment: str) -> str:
    """What a command prints, run in `folder`; fails with what it said where it fails."""
    known = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    env = {**known, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_WARN_SCRIPT_LOCATION": "1", **environment}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def trl_studio(installed: Path, folder: Path, *arguments: str) -> str:
    """The installed program, which finds its own package before any checkout."""
    program = [sys.executable, str(installed / "bin" / "trl-studio")]
    return run([*program, *arguments], folder, PYTHONPATH=str(installed), TRL_STUDIO_HOME=str(folder / "home"))


def shipped(tree: str) -> set[str]:
    """The files of a folder of the checkout, by path; what Python has compiled is not among them."""
    found = {path.relative_to(ROOT).as_posix() for path in (ROOT / tree).rglob("*") if path.is_file()}
    return {name for name in found if "__pycache__" not in name}


def test_it_carries_what_the_studio_needs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        presets = {name for name in names if name.startswith("studio/presets/")}
        model = "studio/assets/demo/model/model.safetensors"
        assert archive.getinfo(model).file_size == (ROOT / "assets/demo/model/model.safetensors").stat().st_size
    assert {name.removeprefix("studio/") for name in presets} == {
        f"presets/{p.name}" for p in ROOT.glob("presets/*.yaml")
    }
    assert len(presets) > 15
    assert {f"studio/{name}" for name in shipped("assets/demo")} <= names
    assert shipped("studio") <= names
    assert any(name.startswith("studio/ui/static/") for name in names)
    assert not [name for name in names if "__pycache__" in name or name.startswith("tests/")]
    assert {name.split("/")[0] for name in names} == {"studio"}


def test_it_stays_small(wheel: Path) -> None:
    assert wheel.stat().st_size < 12_000_000


def test_it_runs_from_an_empty_folder(installed: Path, tmp_path: Path, catalog_folder: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "cache").symlink_to(catalog_folder, target_is_directory=True)
    assert "trl-studio" in trl_studio(installed, tmp_path, "--help")
    preset = installed / "studio" / "presets" / "demo-sft.yaml"
    command = trl_studio(installed, tmp_path, "convert", str(preset), "--to", "command")
    assert command.startswith("trl sft")
    assert "--model_name_or_path assets/demo/model" in command
    said = trl_studio(installed, tmp_path, "check", str(preset), "--quick")
    assert "Nothing keeps it from running." in said


def test_it_finds_its_own_demo(installed: Path, tmp_path: Path) -> None:
    program = """
from pathlib import Path
from studio.adapters.home import shipped_root
from studio.service.paths import Paths
print(Paths(Path.cwd(), shipped_root()).absolute("assets/demo/model"))
"""
    found = run([sys.executable, "-c", program], tmp_path, PYTHONPATH=str(installed)).strip()
    assert Path(found) == installed / "studio" / "assets" / "demo" / "model"
    assert (Path(found) / "config.json").is_file()
