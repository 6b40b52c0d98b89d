"""What of a document trains: the command or the YAML in a code block of a model card, a README or a web page."""

from __future__ import annotations

import re
from dataclasses import dataclass

from studio.domain.errors import StudioError
from studio.domain.findings import Finding, Where
from studio.domain.methods import METHOD_NAMES
from studio.domain.recipe_yaml import method_in_comments
from studio.domain.shell_text import looks_like_command

_FENCED = re.compile(
    r"^[ \t]*(?P<fence>`{3,}|~{3,})[ \t]*(?P<language>[\w+-]*)[^\n]*\n(?P<body>.*?)^[ \t]*(?P=fence)[ \t]*$",
    re.MULTILINE | re.DOTALL,
)
_METHODS = "|".join(METHOD_NAMES)
_NAMES_METHOD = re.compile(rf"\btrl\s+(?:{_METHODS})\b|\b(?:{_METHODS})\.py\b|\btrl\.scripts\.(?:{_METHODS})\b")
_FRONT_MATTER = re.compile(r"\A---\n.*?^---$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,4} \S.*\n\s*\n", re.MULTILINE)


@dataclass(frozen=True)
class TrainingText:
    """`text` is what trains; `yamls` are the document's YAML blocks, which a command may read by `--config`.

    `others` counts further blocks that train as well.
    """

    text: str
    yamls: tuple[str, ...] = ()
    others: int = 0

    def notes(self, name: str) -> list[Finding]:
        """What is to be said of the document `name`: that more of it trains."""
        if not self.others:
            return []
        more = "another recipe" if self.others == 1 else f"{self.others} more recipes"
        why = "The first was opened. Paste another one alone to open that."
        return [Finding("note", Where("file", name), f"The text holds {more}.", why)]


def training_text(text: str, name: str = "The text") -> TrainingText:
    """The part of a pasted text that is a recipe; the text itself where it is no document with code blocks.

    Raises StudioError for a document in which nothing trains.
    """
    text = text.replace("\r\n", "\n").removeprefix("\ufeff")
    blocks = [(match["language"].lower(), match["body"]) for match in _FENCED.finditer(text)]
    yamls = tuple(body for language, body in blocks if _is_recipe(language, body))
    commands = [body for language, body in blocks if language not in ("python", "py") and _is_command(body)]
    if commands:
        return TrainingText(commands[0], yamls, len(commands) - 1)
    if yamls:
        return TrainingText(yamls[0], (), len(yamls) - 1)
    if looks_like_command(text) and _NAMES_METHOD.search(text):
        return TrainingText(text)
    if _FRONT_MATTER.match(text) or (blocks and _HEADING.search(text)):
        raise StudioError(
            f"{name} is a document in which nothing trains: no code block holds a `trl` command or a recipe.",
            "Paste the command or the YAML itself.",
        )
    return TrainingText(text)


def _is_command(body: str) -> bool:
    return bool(_NAMES_METHOD.search(body)) and looks_like_command(body)


def _is_recipe(language: str, body: str) -> bool:
    """Whether a block is a recipe in YAML: it says so, or it names a model."""
    if language not in ("yaml", "yml", ""):
        return False
    return bool(re.search(r"^model_name_or_path[ \t]*:", body, re.MULTILINE)) or bool(
        method_in_comments(body) and re.search(r"^\w+:", body, re.MULTILINE)
    )
