"""The command line: `trl-studio` starts the page, its subcommands do the same work without one."""

from __future__ import annotations

import argparse
import ipaddress
import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from studio import (
    __version__,
    diagnose_command,
    keeping_commands,
    queue_commands,
    run_commands,
    search_command,
    token_command,
)
from studio.domain.columns import visible
from studio.domain.errors import StudioError
from studio.domain.findings import Finding, errors
from studio.domain.methods import METHOD_NAMES, METHODS
from studio.service.paths import unquoted
from studio.terminal import cut, print_findings, print_json, print_table, say

if TYPE_CHECKING:
    from studio.domain.recipe import Recipe
    from studio.service.studio import Studio

PASSWORD = "TRL_STUDIO_PASSWORD"


class _Help(NamedTuple):
    home: str = "folder of runs, metrics and presets (default: TRL_STUDIO_HOME, else the user's data folder)"
    method: str = "the method, where the recipe's first comment does not name it"
    recipe: str = "a TRL YAML or a file with a command line; `-` reads standard input"
    json: str = "print JSON"


HELP = _Help()


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; whatever goes wrong ends in words on stderr, never in a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(argv)
    try:
        code: int = options.work(options)
        sys.stdout.flush()
        return code
    except StudioError as error:
        return _failed(error)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # Whoever read the output has gone; Python's own flush at exit must not fail over it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        if os.environ.get("TRL_STUDIO_TRACEBACK"):
            raise
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return _failed(StudioError(f"This should not have happened: {what}", "TRL_STUDIO_TRACEBACK=1 shows where."))


def _failed(error: StudioError) -> int:
    say(f"error: {error.message}")
    if error.hint:
        say(f"       {error.hint}")
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="trl-studio", description="A training studio for TRL. Without a command: the page."
    )
    parser.add_argument("--version", action="version", version=f"trl-studio {__version__}")
    parser.add_argument("--home", help=HELP.home, metavar="FOLDER")
    parser.add_argument("--host", help="address the page listens on (default: 127.0.0.1)")
    parser.add_argument("--port", type=_port, help="port the page listens on (default: 7860)")
    parser.set_defaults(work=_page)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    home = argparse.ArgumentParser(add_help=False)
    # SUPPRESS keeps the subcommand from overwriting a --home that stood before it.
    home.add_argument("--home", default=argparse.SUPPRESS, help=HELP.home, metavar="FOLDER")

    def command(name: str, work: Any, about: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = commands.add_parser(name, parents=[home], help=about, description=about)
        made.set_defaults(work=work)
        return made

    check = command("check", _check, "Say what is wrong with a recipe; exit code 1 where it could not run.")
    _recipe(check)
    check.add_argument("--json", action="store_true", help=HELP.json)
    check.add_argument("--elsewhere", action="store_true", help="check it as for another machine")
    check.add_argument(
        "--quick", action="store_true", help="first rows only; no template is tried, no token counted, TRL not asked"
    )
    convert = command("convert", _convert, "Turn a YAML into a command line, or a command line into YAML.")
    _recipe(convert)
    convert.add_argument("--to", required=True, choices=("yaml", "command", "config-command"), help="the form wanted")
    methods = command("methods", _methods, "List the training methods.")
    methods.add_argument("--json", action="store_true", help=HELP.json)
    arguments = command("arguments", _arguments, "List all options of `trl METHOD`, as the installed TRL has them.")
    arguments.add_argument("method", metavar="METHOD", choices=METHOD_NAMES, help=", ".join(METHOD_NAMES))
    arguments.add_argument("--json", action="store_true", help=HELP.json)
    about = "Show a dataset and whether a method takes it; exit code 1 where it does not."
    inspect = command("inspect", _inspect, about)
    inspect.add_argument("dataset", metavar="DATASET", help="a name on the Hub, or the path of a folder or file")
    inspect.add_argument("--method", required=True, choices=METHOD_NAMES, help="the method that is to take it")
    inspect.add_argument("--config", help="the dataset's configuration")
    inspect.add_argument("--split", help="the split to look at")
    inspect.add_argument("--recipe", metavar="RECIPE.yaml", help="judge it with this recipe's options")
    inspect.add_argument("--json", action="store_true", help=HELP.json)
    token_command.add(command, _recipe, _studio, _open)
    search_command.add(command, _studio)
    run_commands.add(command, _recipe, _studio, _open)
    queue_commands.add(command, _recipe, _studio, _open)
    keeping_commands.add(command, _studio)
    diagnose_command.add(command, lambda options: _for_reading(_studio(options, True)))
    return parser


def _recipe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="RECIPE.yaml", help=HELP.recipe)
    parser.add_argument("--method", choices=METHOD_NAMES, help=HELP.method)


def _port(text: str) -> int:
    if text.isdigit() and 0 < int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"'{text}' is no port; choose one from 1 to 65535")


# The page ----------------------------------------------------------------------------------------------------------


def _page(options: argparse.Namespace) -> int:
    from studio.adapters.space import space_here

    password = os.environ.get(PASSWORD) or None
    space = space_here()
    usual = space.listen if space else ("127.0.0.1", 7860)
    host, port = options.host or usual[0], options.port or usual[1]
    _free(host, port, protected=password is not None or space is not None)
    studio = _studio(options)
    # Gradio takes seconds to import, so everything that can be said without it has been said by now.
    from studio.ui.serve import serve

    serve(studio, host, port, password, space)
    return 0


def _free(host: str, port: int, protected: bool) -> None:
    """Raises StudioError where the page may not or cannot listen there."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise StudioError(
            f"There is no address '{host}': {error.strerror}.", "Leave --host out for 127.0.0.1."
        ) from None
    if not protected and not (host and ipaddress.ip_address(str(address[0]).split("%")[0]).is_loopback):
        raise StudioError(
            f"On {host} others could reach the page, start training and read your files.",
            f"Set a password in the environment variable {PASSWORD}, or leave --host out.",
        )
    with socket.socket(family, kind) as listener:
        if os.name != "nt":
            # A port that a server has just left counts as free, as it does for the page's own server.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError as error:
            raise StudioError(
                f"The page cannot listen on port {port} of {host}: {error.strerror}.",
                f"Choose another port, for example --port {port + 1 if port < 65535 else 7860}.",
            ) from None


# Recipes -----------------------------------------------------------------------------------------------------------


def _check(options: argparse.Namespace) -> int:
    studio = _studio(options)
    recipe, opened = _open(studio, options)
    try:
        found = studio.findings(recipe, opened, options.elsewhere, not options.quick, all_rows=not options.quick)
    finally:
        studio.tokens.close()
    if options.json:
        print_json([finding.to_json() for finding in found])
    else:
        print_findings(found, sys.stdout)
        count = len(errors(found))
        print(f"{count} error{'s' if count > 1 else ''}." if count else "Nothing keeps it from running.")
    return 1 if errors(found) else 0


def _convert(options: argparse.Namespace) -> int:
    studio = _studio(options)
    text, name = _text(options.recipe)
    _catalog(studio)
    if not text.strip():
        raise StudioError(f"{name} is empty.", "It should hold a TRL YAML or a command line.")
    converted, found = studio.convert(text, options.to, options.method, None, name)
    print_findings(found, sys.stderr)
    sys.stdout.write(converted if converted.endswith("\n") else converted + "\n")
    return 0


def _methods(options: argparse.Namespace) -> int:
    if options.json:
        print_json([method.to_json() for method in METHODS])
        return 0
    print_table([("METHOD", "NAME", "FOR"), *((method.name, method.title, method.purpose) for method in METHODS)])
    return 0


def _arguments(options: argparse.Namespace) -> int:
    arguments = _catalog(_studio(options)).arguments.get().of(options.method)
    if options.json:
        print_json([argument.to_json() for argument in arguments.values()])
        return 0
    rows = [("NAME", "TYPE", "DEFAULT", "HELP")]
    for argument in arguments.values():
        kind = " | ".join(map(str, argument.choices)) or argument.type
        default = "" if argument.effective_default is None else json.dumps(argument.effective_default, default=str)
        rows.append((argument.name, cut(kind, 34), cut(default, 20), " ".join(argument.help.split())))
    print_table(rows)
    return 0


def _inspect(options: argparse.Namespace) -> int:
    studio = _studio(options)
    recipe = None
    if options.recipe:
        text, name = _text(options.recipe)
        recipe = _catalog(studio).open_checked(text, options.method, None, name)[0]
    values = recipe.values if recipe else None
    looked = studio.inspect(options.dataset, options.method, options.config, options.split, values, all_rows=True)
    if recipe and looked.verdict == "unknown" and looked.by_model:
        studio.models.find_out(recipe)
        looked = studio.under_model(looked, recipe)
    if options.json:
        print_json(looked.to_json())
        return 1 if looked.verdict == "reject" else 0
    where = ", ".join(part for part in (looked.source, looked.config, looked.split) if part)
    count = "" if looked.num_rows is None else f", {looked.num_rows:,} rows"
    print(f"{looked.name} ({where}{count})" if where else looked.name)
    print(f"{looked.verdict} for {options.method}" + (f": {looked.type}" if looked.type else ""))
    print_table([(f"  {visible(column.name)}", column.type) for column in looked.columns])
    if looked.columns:
        print(looked.looked_at)
    print_findings(looked.findings, sys.stdout)
    return 1 if looked.verdict == "reject" else 0


# What several of them need -----------------------------------------------------------------------------------------


def _studio(options: argparse.Namespace, read_only: bool = False) -> Studio:
    from studio.adapters.home import home_folder
    from studio.adapters.space import home_on_space
    from studio.service.studio import Studio

    return Studio(home_folder(options.home or home_on_space()), read_only)


def _catalog(studio: Studio) -> Studio:
    """Has the arguments listed where that has not been done yet, and says so: it takes some seconds."""
    if studio.arguments.ready() is None:
        say("Listing the arguments of the installed TRL, once: about ten seconds.")
        studio.arguments.get()
    return studio


def _for_reading(studio: Studio) -> Studio:
    """`_catalog`, for a command that can do without: a full disk must not keep one from looking."""
    try:
        return _catalog(studio)
    except StudioError as error:
        say(f"It goes on without them. {error.message}")
        return studio


def _text(name: str) -> tuple[str, str]:
    """The text of a file, or of standard input for `-`, and what to call it. Raises StudioError."""
    name = unquoted(name)
    called = "standard input" if name == "-" else name
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).expanduser().read_bytes()
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise StudioError(f"{called} is no text in UTF-8.", "It should hold a TRL YAML or a command line.") from None
    except (OSError, ValueError, RuntimeError) as error:
        raise StudioError(
            f"{called} cannot be read: {getattr(error, 'strerror', None) or error}.", "Check the path."
        ) from None
    return text, called


def _open(studio: Studio, options: argparse.Namespace) -> tuple[Recipe, list[Finding]]:
    text, name = _text(options.recipe)
    return _catalog(studio).open_checked(text, options.method, None, name)
