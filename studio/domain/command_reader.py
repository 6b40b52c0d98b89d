"""Command line to recipe: any `trl`, `accelerate launch` or `python script.py` line as found in documentation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from studio.domain.arguments import Argument, Catalog
from studio.domain.errors import StudioError
from studio.domain.findings import Finding, Where
from studio.domain.methods import METHOD_NAMES
from studio.domain.recipe import Recipe
from studio.domain.recipe_yaml import read_yaml, unknown_key
from studio.domain.shell_text import split_words
from studio.domain.values import read_json, read_text

_ASSIGNMENT = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)=(?P<value>.*)\Z", re.DOTALL)
_TORCHRUN = {
    "nproc_per_node": "num_processes",
    "nnodes": "num_machines",
    "node_rank": "machine_rank",
    "master_addr": "main_process_ip",
    "master_port": "main_process_port",
}
_TORCHRUN_FLAGS = ("--standalone", "--no_python", "--no-python", "--run_path", "--run-path")
_UV_VALUED = ("--with", "--extra", "--group", "--python", "-p", "--project", "--directory", "--env-file")
_SHELL = re.compile(r"\$(?:[A-Za-z_]|[({])|`")
_PYTHON = re.compile(r"python(\d(\.\d+)?)?(\.exe)?\Z")


def read_command(
    text: str,
    catalog: Catalog,
    method: str | None = None,
    read_file: Callable[[str], str] | None = None,
) -> tuple[Recipe, list[Finding]]:
    """The recipe that a command line means, with all that is wrong with it.

    `read_file` reads the YAML that `--config` names and may raise StudioError. Raises StudioError where the text is
    no command line that trains, or names no method.
    """
    words = split_words(text)
    reading = _Reading(catalog)
    rest = _opening(words, reading)
    if method is not None and reading.method not in (None, method):
        raise StudioError(f"The command trains {reading.method}, not {method}.", f"Read it as {reading.method}.")
    reading.method = reading.method or method
    if reading.method is None:
        raise StudioError(
            "The command does not say which method it trains.", f"Choose one of {', '.join(METHOD_NAMES)}."
        )
    config, rest = _config(rest)
    recipe = Recipe(reading.method)
    findings: list[Finding] = []
    if config is not None:
        if read_file is None:
            raise StudioError(f"The command reads '{config}', which cannot be read from here.", "Open that file too.")
        recipe, findings = read_yaml(read_file(config), catalog, reading.method, config)
    reading.options(rest)
    return _merged(recipe, reading, catalog), findings + reading.findings


@dataclass
class _Reading:
    """What has been read so far."""

    catalog: Catalog
    method: str | None = None
    env: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    launch: dict[str, Any] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    unknown: dict[str, Any] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def options(self, words: list[str], launch_only: bool = False) -> None:
        """Reads options: TRL's first, then accelerate's, as TRL itself does."""
        source = _Peekable(words)
        while source:
            word = source.take()
            if not word.startswith("-") or word == "-":
                self._stray(word)
                continue
            if word == "--":
                continue
            name, glued, text = word.lstrip("-").partition("=")
            name = name.replace("-", "_")
            arguments = {} if launch_only or self.method is None else self.catalog.of(self.method)
            argument, negated = _resolve(name, arguments)
            if argument is not None:
                self._argument(argument, negated, text if glued else None, source)
            else:
                self._launch(name, text if glued else None, source)

    def _argument(self, argument: Argument, negated: bool, glued: str | None, source: _Peekable) -> None:
        name = argument.name
        self.order.append(name)
        if negated:
            self.values[name] = False
            return
        texts = [glued] if glued is not None else source.values(many=argument.flag.many)
        where = Where("argument", name)
        if not texts:
            if "boolean" in argument.types:
                self.values[name] = True
            else:
                self.findings.append(Finding("error", where, f"`--{name}` has no value.", f"It takes {argument.type}."))
            return
        if any(_SHELL.search(text) for text in texts):
            self.findings.append(_shell_word(name, " ".join(texts)))
        if argument.flag.many:
            self.values[name] = [self._text(argument, text) for text in texts]
        else:
            self.values[name] = self._text(argument, texts[0])

    def _text(self, argument: Argument, text: str) -> Any:
        if "mapping" in argument.types and text.startswith("{"):
            try:
                return read_json(text)
            except ValueError:
                return text
        try:
            return read_text(argument, text)
        except ValueError:
            # Checked later like any other value, with the words for its type.
            return text

    def _launch(self, name: str, glued: str | None, source: _Peekable) -> None:
        options = {**self.catalog.launch, **self.catalog.flags}
        match, _ = _resolve(name, options)
        if match is None and name.startswith("no_") and self.method:
            # Documentation writes `--no_x` for every switch; TRL declares it only where the default is true.
            own = self.catalog.of(self.method).get(name[3:])
            if own is not None and "boolean" in own.types:
                self.values[own.name] = False
                self.order.append(own.name)
                self.findings.append(
                    Finding(
                        "note",
                        Where("argument", own.name),
                        f"`--{name}` is no flag of the installed TRL; read as `{own.name}: false`.",
                        f"TRL's default for `{own.name}` is {str(own.effective_default).lower()}.",
                    )
                )
                return
        if match is not None and match.name in self.catalog.flags:
            self.flags.append(match.name)
            return
        texts = [glued] if glued is not None else source.values(many=False)
        if match is not None:
            self.order.append(match.name)
            self.launch[match.name] = _launch_value(match, texts[0]) if texts else True
            return
        self.order.append(name)
        self.unknown[name] = texts[0] if texts else True
        method = self.method or METHOD_NAMES[0]
        self.findings.append(unknown_key(self.catalog, method, name, self.unknown[name], Where("argument", name)))

    def _stray(self, word: str) -> None:
        self.findings.append(
            Finding(
                "warning",
                Where("argument", word),
                f"'{word}' belongs to no option and is left out.",
                "A quote or a dash may be missing before it.",
            )
        )


def _shell_word(name: str, text: str) -> Finding:
    return Finding(
        "warning",
        Where("argument", name),
        f"`{name}` is taken as it stands: '{text}'.",
        "A shell would have put a value in place of what follows the $; a YAML does not.",
    )


class _Peekable:
    """Words to be read one by one, or as the values of an option."""

    def __init__(self, words: list[str]) -> None:
        self._words = list(words)

    def __bool__(self) -> bool:
        return bool(self._words)

    def __iter__(self) -> Iterator[str]:
        return iter(self._words)

    def take(self) -> str:
        return self._words.pop(0)

    def values(self, many: bool) -> list[str]:
        """The words up to the next option; at most one unless `many`."""
        taken: list[str] = []
        while self._words and (many or not taken) and _is_value(self._words[0]):
            taken.append(self.take())
        return taken


def _is_value(word: str) -> bool:
    # As argparse has it: a dash opens an option, unless the word is a negative number or holds a space.
    if not word.startswith("-") or word == "-" or re.match(r"-\d+$|-\d*\.\d+$", word):
        return True
    return " " in word and not re.match(r"--[A-Za-z][\w-]*=", word)


def _resolve(name: str, options: Mapping[str, Argument]) -> tuple[Argument | None, bool]:
    """The option that `--name` means, exactly or as the one it abbreviates, and whether it is its negation."""
    if name in options:
        return options[name], False
    negations = {o.flag.negation.lstrip("-"): o for o in options.values() if o.flag.negation}
    if name in negations:
        return negations[name], True
    candidates = [(o, False) for key, o in options.items() if key.startswith(name)]
    candidates += [(o, True) for key, o in negations.items() if key.startswith(name)]
    return candidates[0] if len(candidates) == 1 else (None, False)


def _launch_value(option: Argument, text: str) -> Any:
    if option.types == ("boolean",) and text in ("True", "true"):
        return True
    try:
        return {"integer": int, "number": float}.get(option.types[0], str)(text)
    except ValueError:
        return text


def _opening(words: list[str], reading: _Reading) -> list[str]:
    """Reads up to the script: environment, launcher and its options, method. Returns the words behind it."""
    words = _skip_wrappers(words, reading)
    if not words:
        raise StudioError(
            "There is no command in the text.", "Paste a line such as `trl sft --model_name_or_path ...`."
        )
    head, rest = _stem(words[0]), words[1:]
    if head == "trl":
        return _after_trl(rest, reading)
    if head == "accelerate" and rest[:1] == ["launch"]:
        return _after_launcher(rest[1:], reading)
    if head == "torchrun":
        return _after_launcher(rest, reading, torchrun=True)
    if _PYTHON.match(head):
        while rest and rest[0].startswith("-") and rest[0] != "-m":
            rest = rest[2:] if rest[0] in ("-W", "-X") else rest[1:]
        if rest[:2] == ["-m", "accelerate.commands.launch"]:
            return _after_launcher(rest[2:], reading)
        if rest[:1] == ["-m"] and rest[1:2] and rest[1] in ("torch.distributed.run", "torch.distributed.launch"):
            return _after_launcher(rest[2:], reading, torchrun=True)
        if rest[:1] == ["-m"]:
            rest = rest[1:]
        if not rest:
            raise StudioError("The command runs no script.", "Paste the whole line.")
        reading.method = _method_of(rest[0])
        return rest[1:]
    raise StudioError(
        f"'{words[0]}' is no command that the studio can read.",
        "It reads `trl <method> ...`, `accelerate launch .../<method>.py ...` and `python .../<method>.py ...`.",
    )


def _skip_wrappers(words: list[str], reading: _Reading) -> list[str]:
    """Leaves out `env`, `uv run`, `sudo`; leading assignments become the recipe's environment."""
    words = list(words)
    while words:
        match = _ASSIGNMENT.match(words[0])
        if match:
            reading.env[match.group("name")] = match.group("value")
            words = words[1:]
        elif _stem(words[0]) in ("env", "export", "nohup", "time", "sudo"):
            words = words[1:]
        elif words[:2] == ["uv", "run"]:
            words = words[2:]
            while words and words[0].startswith("-"):
                words = words[2:] if words[0] in _UV_VALUED else words[1:]
        else:
            break
    return words


def _after_trl(words: list[str], reading: _Reading) -> list[str]:
    # The method is the first word that is one: options may stand before it.
    if not words or words[0] not in METHOD_NAMES:
        found = f"'{words[0]}'" if words else "nothing"
        raise StudioError(f"`trl` is followed by {found}.", f"The methods are {', '.join(METHOD_NAMES)}.")
    reading.method = words[0]
    return words[1:]


def _after_launcher(words: list[str], reading: _Reading, torchrun: bool = False) -> list[str]:
    """Splits accelerate's (or torchrun's) options from the script's, which begin behind the script's name."""
    options: list[str] = []
    source = _Peekable(words)
    while source:
        word = source.take()
        if not word.startswith("-"):
            reading.method = _method_of(word)
            break
        options.append(word)
        name, glued, _ = word.lstrip("-").partition("=")
        match, _ = _resolve(name.replace("-", "_"), {**reading.catalog.launch, **reading.catalog.flags})
        is_flag = word in ("-m", "-q", *_TORCHRUN_FLAGS) or (match is not None and match.name in reading.catalog.flags)
        if not glued and not is_flag:
            options += source.values(many=False)
    if torchrun:
        options = _of_torchrun(options)
    _config_file(options)
    reading.options([word for word in options if word not in ("-m", "--module")], launch_only=True)
    return list(source)


def _of_torchrun(options: list[str]) -> list[str]:
    """torchrun's options as accelerate's: it counts processes a machine, accelerate all of them."""
    given: dict[str, str] = {}
    source = _Peekable(options)
    while source:
        name, glued, text = source.take().lstrip("-").partition("=")
        given[name.replace("-", "_")] = text if glued else " ".join(source.values(many=False))
    each, machines = given.get("nproc_per_node", ""), given.get("nnodes", "")
    if each.isdigit():
        given["nproc_per_node"] = str(int(each) * (int(machines) if machines.isdigit() else 1))
    else:
        # `gpu` and `auto` mean what accelerate does by itself.
        given.pop("nproc_per_node", None)
    return [
        word
        for name, text in given.items()
        if f"--{name}" not in _TORCHRUN_FLAGS
        for word in (f"--{_TORCHRUN.get(name, name)}", *([text] if text else []))
    ]


def _config_file(options: list[str]) -> None:
    """accelerate's `--config_file` is what TRL calls `accelerate_config`."""
    for place, word in enumerate(options):
        for name in ("--config_file", "--config-file"):
            if word == name or word.startswith(name + "="):
                options[place] = "--accelerate_config" + word[len(name) :]


def _stem(path: str) -> str:
    name = PureWindowsPath(path).name if "\\" in path else PurePosixPath(path).name
    return name.removesuffix(".exe")


def _method_of(script: str) -> str | None:
    name = _stem(script)
    name = name.removesuffix(".py") if name.endswith(".py") else name.rpartition(".")[2]
    if name in METHOD_NAMES:
        return name
    raise StudioError(
        f"'{script}' is none of TRL's training scripts.",
        f"The studio knows {', '.join(f'{method}.py' for method in METHOD_NAMES)}.",
    )


def _config(words: list[str]) -> tuple[str | None, list[str]]:
    """The file that `--config` names, as TRL finds it, and the other words."""
    for place, word in enumerate(words):
        if word == "--config" and place + 1 < len(words):
            return words[place + 1], words[:place] + words[place + 2 :]
        if word.startswith("--config="):
            return word.removeprefix("--config="), words[:place] + words[place + 1 :]
    return None, words


def _merged(recipe: Recipe, reading: _Reading, catalog: Catalog) -> Recipe:
    """What the file says, with what the command line says on top of it."""
    flags = tuple(dict.fromkeys((*recipe.flags, *reading.flags)))
    return replace(
        recipe,
        values={**recipe.values, **reading.values},
        launch={**recipe.launch, **reading.launch},
        flags=flags,
        env={**recipe.env, **reading.env},
        unknown={**recipe.unknown, **reading.unknown},
        order=tuple(dict.fromkeys((*recipe.order, *reading.order))),
        pinned=recipe.pinned | frozenset(reading.order),
    )
