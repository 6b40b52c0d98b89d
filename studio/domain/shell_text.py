"""Shell text to words: the training command within what people paste, with prompts, fences, comments and pipes gone."""

from __future__ import annotations

import re
import shlex

from studio.domain.errors import StudioError
from studio.domain.methods import METHOD_NAMES

_VALUE = r"(?:'[^']*'|\"[^\"]*\"|[^\s'\"]*)"
_PROMPT = r"(?:\([\w.-]+\)\s+)?(?:[$>%!]\s*)?"
_WRAPPERS = rf"(?:(?:(?:\S*/)?env|export|nohup|time|sudo|uv\s+run(?:\s+-\S+)*|[A-Za-z_]\w*={_VALUE})\s+)*"
_TRAINER = (
    rf"(?:\S*[/\\])?(?:trl(?:\.exe)?\s+(?:{'|'.join(METHOD_NAMES)})\b|accelerate(?:\.exe)?\s+launch\b|torchrun\b"
    r"|python[\d.]*(?:\.exe)?\s+(?!-c\b|-m\s+(?:pip|venv|build)\b)\S)"
)
# A line that trains, also behind another command (`pip install trl && trl sft ...`).
_TRAINS = re.compile(rf"\s*{_PROMPT}(?P<command>{_WRAPPERS}{_TRAINER})")
_TRAINS_THEN = re.compile(rf"(?:&&|;)\s*(?P<command>{_WRAPPERS}{_TRAINER})")
_STARTS = re.compile(
    rf"\s*{_PROMPT}{_WRAPPERS}(?:\S*[/\\])?(?:trl|accelerate|python[\d.]*|torchrun|uv|env)(?:\.exe)?(?=\s|$)"
)
_YAML_KEY = re.compile(r"\s*[\"']?[\w.-]+[\"']?\s*:(\s|$)")
_EXPORT = re.compile(rf"\s*{_PROMPT}export\s+(?P<pairs>(?:[A-Za-z_]\w*={_VALUE}\s*)+)(?:;\s*)?$")
# Backslash at the end of a line, also where blanks or a remark follow it; `^` and a backtick are what Windows has.
_CONTINUED = re.compile(r"(?:\\|(?<=\s)[\^`])[ \t]*(?:(?<=[ \t])#.*)?$")
_REDIRECTION = re.compile(r"&?(?:>>?|<)(?:&\d+|\s*(?:'[^'\n]*'|\"[^\"\n]*\"|[^\s;|&<>]+))")
_PLACEHOLDER = re.compile(r"<[^<>\n]+>")
_PIPE = re.compile(r"\|(?:\\\n|[^\n])*")


def looks_like_command(text: str) -> bool:
    """Whether a pasted text is a command line rather than YAML."""
    lines = [line for line in text.splitlines() if line.strip() and not line.strip().startswith(("#", "```"))]
    if any(_TRAINS.match(line) or _TRAINS_THEN.search(line) for line in lines):
        return not _YAML_KEY.match(lines[0]) or any(_TRAINS.match(line) for line in lines)
    return bool(lines) and bool(_STARTS.match(lines[0])) and not _YAML_KEY.match(lines[0])


def split_words(text: str) -> list[str]:
    """The words of the training command in a text. Raises StudioError where there is none, or more than one."""
    lines = [line for line in text.replace("\r\n", "\n").split("\n") if not line.strip().startswith("```")]
    first, start = _opening_line(lines)
    exported = [match["pairs"].strip("; \t") for line in lines[:first] if (match := _EXPORT.match(line))]
    body = [lines[first][start:], *lines[first + 1 :]] if lines else []
    command = _one_command("\n".join(_CONTINUED.sub(r"\\", line) for line in body))
    try:
        words = shlex.split(" ".join([*exported, command]))
    except ValueError as error:
        raise StudioError(f"The command cannot be split into words: {error}.", "A quote may be missing.") from None
    if not words:
        raise StudioError(
            "There is no command in the text.", "Paste a line such as `trl sft --model_name_or_path ...`."
        )
    return words


def _opening_line(lines: list[str]) -> tuple[int, int]:
    """Line and column where the command begins. Documentation shows first what to install and to configure."""
    for place, line in enumerate(lines):
        match = _TRAINS.match(line)
        if match:
            return place, match.start("command")
        match = _TRAINS_THEN.search(line)
        if match and not line.lstrip().startswith("#"):
            if re.search(r"\bcd\b", line[: match.start()]):
                raise StudioError(
                    "The text changes the folder before it trains.", "Paste the command that trains alone."
                )
            return place, match.start("command")
    place = next((place for place, line in enumerate(lines) if _STARTS.match(line)), 0)
    prompt = re.match(rf"\s*{_PROMPT}", lines[place]) if lines else None
    return place, prompt.end() if prompt else 0


def _one_command(text: str) -> str:
    """The first command as one line: continuations joined; comments, redirections and what stands behind a pipe gone.

    Raises StudioError where a second command follows, or where a placeholder was left in it.
    """
    kept, quote, place = "", "", 0
    while place < len(text):
        char = text[place]
        if char == "\\" and quote != "'":
            pair = text[place : place + 2]
            # Nobody escapes a letter: that backslash is part of a Windows path, and stays.
            kept += "" if pair in ("\\\n", "\\") else f"\\{pair}" if not quote and pair[1].isalnum() else pair
            place += 2
            continue
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char == "#" and (not kept or kept[-1].isspace()):
            place = _line_end(text, place)
            continue
        elif char == "\n" and not _goes_on(text[place + 1 :]):
            break
        elif char in "<>&" and (redirection := _redirection(text, place)):
            # The digit before it is a file's number and no word (`2>&1`).
            kept, place = re.sub(r"(^|\s)\d$", r"\1", kept), redirection.end()
            continue
        elif char == "|":
            # What is done with the output (`| tee log`) is no part of the training.
            match = _PIPE.match(text, place)
            place = match.end() if match else len(text)
            continue
        elif char in ";&":
            if text[place:].strip(";& \t\n"):
                raise StudioError(
                    "The text holds more than one command.", f"Paste the one that trains, without '{char}'."
                )
            break
        kept += char
        place += 1
    return kept


def _line_end(text: str, place: int) -> int:
    end = text.find("\n", place)
    return len(text) if end < 0 else end


def _redirection(text: str, place: int) -> re.Match[str] | None:
    placeholder = _PLACEHOLDER.match(text, place)
    if placeholder:
        raise StudioError(f"'{placeholder[0]}' stands for something.", "Put what you mean in its place.")
    return _REDIRECTION.match(text, place)


def _goes_on(rest: str) -> bool:
    """Whether the lines below belong to the command although no backslash says so: options, or indented words."""
    lines = rest.split("\n")
    if any(_TRAINS.match(line) for line in lines):
        raise StudioError("The text holds more than one command.", "Paste the one that you mean.")
    for line in lines:
        if line.strip() and not line.strip().startswith("#"):
            return line[0].isspace() or line.startswith("-")
    return False
