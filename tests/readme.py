"""Writes the generated parts of README.md from the code: `python tests/readme.py`.

`--check` writes nothing and says by its exit code whether they are current. A part stands between `<!-- NAME -->` and
`<!-- /NAME -->`.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from studio.cli import _parser  # noqa: E402 - run as a script, it has to say first where the studio lies
from studio.domain.methods import METHODS  # noqa: E402
from studio.service.presets import presets_in  # noqa: E402

README = ROOT / "README.md"


def methods() -> str:
    """The seven methods: what each is for and the data it takes."""
    rows = [(f"`{one.name}`", one.title, one.purpose, one.data) for one in METHODS]
    return _table(("Method", "Name", "For", "Data"), rows)


def commands() -> str:
    """Every command of the program, with its options and its own sentence about itself."""
    parser = _parser()
    (subcommands,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    rows = [(f"`{_usage('trl-studio', parser)}`", "Serve the page.")]
    for name, command in subcommands.choices.items():
        rows.append((f"`{_usage(f'trl-studio {name}', command)}`", str(command.description)))
    return _table(("Command", "What it does"), rows)


def presets() -> str:
    """Every preset that comes with the studio."""
    found = presets_in(ROOT / "presets")
    rows = [(one.title, one.method, one.size, one.purpose, one.hardware, f"`presets/{one.path.name}`") for one in found]
    return _table(("Preset", "Method", "Model", "Purpose", "Meant for", "File"), rows)


def tree() -> str:
    """Every module with the first sentence of its docstring."""
    files = [ROOT / "app.py", *sorted((ROOT / "studio").rglob("*.py"), key=lambda path: (path.parent, path.name))]
    lines: list[tuple[str, str]] = []
    for path in files:
        sentence = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0]
        place = path.relative_to(ROOT)
        depth = "  " * (len(place.parts) - 1)
        if path.name == "__init__.py":
            lines.append((f"{depth[2:]}{place.parent.name}/", sentence))
        else:
            lines.append((f"{depth}{path.name}", sentence))
    width = max(len(name) for name, _ in lines)
    return "```text\n" + "\n".join(f"{name.ljust(width)}  {said}".rstrip() for name, said in lines) + "\n```"


PARTS: dict[str, Callable[[], str]] = {"methods": methods, "commands": commands, "presets": presets, "tree": tree}


def refreshed(text: str) -> str:
    """The README with every part made anew. Raises ValueError where a part is missing."""
    for name, make in PARTS.items():
        opening, closing = f"<!-- {name} -->", f"<!-- /{name} -->"
        if (text.count(opening), text.count(closing)) != (1, 1):
            raise ValueError(f"README.md needs exactly one part {opening} ... {closing}")
        before, _, rest = text.partition(opening)
        text = f"{before}{opening}\n\n{make()}\n\n{closing}{rest.partition(closing)[2]}"
    return text


def _usage(program: str, parser: argparse.ArgumentParser) -> str:
    words = [program]
    for action in parser._actions:
        if isinstance(action, (argparse._HelpAction, argparse._VersionAction, argparse._SubParsersAction)):
            continue
        name = action.option_strings[-1] if action.option_strings else ""
        if name == "--home":
            continue  # every command takes it
        value = action.metavar or action.dest.upper()
        if action.choices and name != "--method":
            value = value if action.metavar else "|".join(map(str, action.choices))
        word = " ".join(part for part in (name, "" if action.nargs == 0 else str(value)) if part)
        words.append(word if action.required else f"[{word}]")
    return " ".join(words)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="Refresh the generated parts of README.md.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where it is out of date")
    options = parser.parse_args()
    old = README.read_text(encoding="utf-8")
    new = refreshed(old)
    if options.check:
        return 0 if new == old else 1
    README.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
