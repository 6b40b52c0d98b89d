"""Writes requirements.txt from pyproject.toml, since a Space reads no pyproject: `python tests/requirements.py`.

`--check` writes nothing and says by its exit code whether it is current.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "requirements.txt"
HEAD = "# Made from pyproject.toml by tests/requirements.py: what a Hugging Face Space installs.\n"


def requirements(pyproject: str) -> str:
    """What a Space installs: the dependencies, and those of the extra `space`."""
    project = tomllib.loads(pyproject)["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["space"]]
    return HEAD + "".join(f"{one}\n" for one in sorted(wanted, key=str.lower))


def main() -> int:
    parser = argparse.ArgumentParser(description="Refresh requirements.txt.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where it is out of date")
    options = parser.parse_args()
    new = requirements((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    if options.check:
        return 0 if FILE.is_file() and FILE.read_text(encoding="utf-8") == new else 1
    FILE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
