"""The direction of imports, the size of files and functions, and the weight of what the web process loads."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = [ROOT / "app.py", *sorted((ROOT / "studio").rglob("*.py"))]
MODULES = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in FILES}

HEAVY = {"torch", "transformers", "trl", "datasets", "peft", "accelerate"}
COMMANDS = ("diagnose_command", "keeping_commands", "queue_commands", "run_commands", "search_command", "token_command")
# What each part may import of the others: downwards only.
BELOW = {
    "app": {"cli"},
    "__main__": {"cli"},
    "cli": {"ui", "service", "adapters", "domain", "terminal", *COMMANDS},
    "keeping_commands": {"service", "domain", "terminal", "run_commands"},
    "queue_commands": {"service", "adapters", "domain", "terminal", "run_commands"},
    "run_commands": {"service", "domain", "terminal"},
    "diagnose_command": {"service", "adapters", "domain", "terminal"},
    "search_command": {"service", "adapters", "domain", "terminal"},
    "token_command": {"service", "domain", "terminal"},
    "terminal": {"domain"},
    "ui": {"service", "adapters", "domain"},
    "service": {"adapters", "domain"},
    "adapters": {"domain"},
    "worker": {"domain"},
    "domain": set(),
    "": set(),
}
# Adapters do not import each other, except for those that own one thing together, a run's process, its metrics or the
# cells of data files: each may use those before it.
RUN_FAMILY = (
    "exitcode",
    "attempts",
    "locking",
    "progress",
    "checkpoints",
    "processes",
    "runs",
    "removing",
    "waiting",
    "supervisor",
    "launching",
)
METRICS_FAMILY = ("metrics", "run_metrics", "webhook", "ending")
FILES_FAMILY = ("archives", "packed", "dataschema", "arrowfiles", "datafiles", "rowless")
DATA_FAMILY = (
    *("archives", "packed", "dataschema", "cellcodes", "fitting", "jsonpieces", "jsonlists", "single_rows", "casting"),
    *("databatches", "csvframes", "datapieces", "datacounts", "wholecheck", "splitcheck"),
)
MAPPING_FAMILY = ("columntypes", "mapping_arrow")
FILE_LINES, FUNCTION_LINES, PARAMETERS = 400, 60, 8


def part_of(module: str) -> str:
    """`studio.ui.tabs.model` belongs to `ui`, `app` to `app`; the package itself, for its version and place, to ``."""
    names = module.split(".")
    return names[0] if names[0] != "studio" else names[1] if len(names) > 1 else ""


def imports(path: Path) -> Iterator[tuple[ast.stmt, str]]:
    """Every import anywhere in a file, lazy ones too, as the statement and the full name of a module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield node, whole if whole in MODULES.values() else str(node.module)


def at(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"


def loaded_by(program: str, *arguments: str) -> set[str]:
    """The top-level modules that a program has loaded at its end, in a process of its own."""
    program += "\nimport sys; print('\\n' + ' '.join({name.split('.')[0] for name in sys.modules}))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "GRADIO_ANALYTICS_ENABLED": "False"}
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def test_every_part_is_known_and_walked() -> None:
    assert {part_of(module) for module in MODULES.values()} == set(BELOW)
    assert len(FILES) > 60
    assert sum(1 for path in FILES for _, module in imports(path) if module.startswith("studio")) > 200


def test_imports_go_downwards() -> None:
    wrong = []
    for path, importer in MODULES.items():
        for node, module in imports(path):
            if module.split(".")[0] not in ("studio", "app"):
                continue
            here, there = part_of(importer), part_of(module)
            if there in ("", here) or there in BELOW[here]:
                continue
            wrong.append(f"{at(path, node)}: {here} imports {module}")
    assert wrong == []


def test_adapters_do_not_import_each_other() -> None:
    wrong = []
    for path, importer in MODULES.items():
        if part_of(importer) != "adapters":
            continue
        me = importer.rsplit(".", 1)[-1]
        family = next(
            (names for names in (RUN_FAMILY, METRICS_FAMILY, FILES_FAMILY, DATA_FAMILY, MAPPING_FAMILY) if me in names),
            (),
        )
        before = family[: family.index(me)] if family else ()
        wrong += [
            f"{at(path, node)}: {me} imports {module}"
            for node, module in imports(path)
            if part_of(module) == "adapters" and module.rsplit(".", 1)[-1] not in before
        ]
    assert wrong == []


def test_libraries_stay_where_they_belong() -> None:
    wrong = []
    for path, importer in MODULES.items():
        part = part_of(importer)
        for node, module in imports(path):
            top = module.split(".")[0]
            if top in ("gradio", "fastapi", "uvicorn") and part != "ui":
                wrong.append(f"{at(path, node)}: {top} outside studio/ui")
            if top in HEAVY and part != "worker":
                wrong.append(f"{at(path, node)}: {top} outside studio/worker")
            if part == "domain" and top not in {"studio", "yaml", *sys.stdlib_module_names}:
                wrong.append(f"{at(path, node)}: {top} in studio/domain")
            if part != "worker" and isinstance(node, ast.ImportFrom) and module == "importlib":
                wrong += [f"{at(path, node)}: {name.name}" for name in node.names if name.name == "import_module"]
        if part != "worker":  # importing by a name in a string would escape all of the above
            wrong += [
                f"{at(path, node)}: import_module"
                for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                if isinstance(node, ast.Attribute) and node.attr == "import_module"
            ]
    assert wrong == []


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(ROOT)) for path in FILES])
def test_a_file_is_small_and_says_what_it_is(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    first = (ast.get_docstring(tree) or "").split("\n\n")[0]
    assert first, "no docstring"
    assert "\n" not in first, "the docstring opens with one sentence on one line"
    assert first.rstrip("`")[-1] in ".:", first
    assert len(text.splitlines()) <= FILE_LINES
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            given = node.args
            names = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
            named = [name.arg for name in names if name is not None and name.arg not in ("self", "cls")]
            assert (node.end_lineno or 0) - node.lineno < FUNCTION_LINES, f"{node.name} is too long"
            assert len(named) <= PARAMETERS, f"{node.name} has too many parameters"


def test_the_page_loads_no_training_library(tmp_path: Path, catalog_folder: Path) -> None:
    (tmp_path / "cache").symlink_to(catalog_folder, target_is_directory=True)
    program = """
import sys
from pathlib import Path
from studio.adapters.home import Home
from studio.service.studio import Studio
from studio.ui.serve import gradio_app
assert gradio_app(Studio(Home(Path(sys.argv[1])))).routes
"""
    loaded = loaded_by(program, str(tmp_path))
    assert {"studio", "gradio", "pyarrow"} <= loaded, "the page was not built"
    assert loaded & HEAVY == set()


def test_the_command_line_and_the_supervisor_stay_light() -> None:
    heavy = HEAVY | {"gradio", "pandas", "pyarrow", "huggingface_hub"}
    assert loaded_by("import studio.cli") & heavy == set()
    assert loaded_by("import studio.service.studio") & heavy == set()
    # A supervisor and the reader of metrics need nothing but the standard library and psutil.
    alone = loaded_by("import studio.adapters.supervisor, studio.adapters.metrics")
    plain = loaded_by("pass")  # an editable install's own finders are loaded in every process
    foreign = {name for name in alone - plain - set(sys.stdlib_module_names) if "psutil" not in name}
    assert foreign == {"studio"}
