"""Why TRL refuses what is to be counted: whether it surely would when it trains, and what is wrong with a tokenizer."""

from __future__ import annotations

import json
import traceback
from pathlib import Path

_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
          "config.json", "preprocessor_config.json", "processor_config.json")  # fmt: skip
_VOCABULARIES = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt", "tekken.json")


def words(error: BaseException) -> str:
    """An exception in one line."""
    said = " ".join(str(error).split())
    return f"{type(error).__name__}: {said}"[:400] if said else type(error).__name__


def refuses(error: Exception, kind: str) -> str:
    """What TRL surely refuses too: `always`, whatever the rows; `rows`, where it reads these; `` where who knows.

    An error that the stand-in for the model may have made, or this process, is no reason to keep a run from starting.
    `kind` is how the rows were read: as the datasets library does, or as they had been told.
    """
    from jinja2 import TemplateError, TemplateSyntaxError

    if isinstance(error, TemplateSyntaxError):
        return "always"  # it is compiled before it sees a row
    if isinstance(error, OSError):
        return ""  # a disk that is full
    # A template that raises by itself goes by what is said in the row, which is the same however that was read.
    if kind != "json" and type(error) is not TemplateError:
        return ""
    # Before training TRL reads all rows, with nothing but the tokenizer; prompts it reads while it trains.
    reading = any(frame.name == "_prepare_dataset" for frame in traceback.extract_tb(error.__traceback__))
    return "rows" if reading else ""


def trouble(model: Path) -> str:
    """Why the tokenizer in a folder cannot be loaded, in a sentence; `` where it can."""
    from transformers import AutoProcessor, AutoTokenizer

    if not any((model / name).is_file() for name in (*_VOCABULARIES, "tokenizer_config.json")):
        # Of some kinds transformers makes an empty one then.
        return "The model's folder holds no tokenizer: copy tokenizer.json and what belongs to it from the base model."
    try:
        AutoProcessor.from_pretrained(model, trust_remote_code=False)
    except Exception as error:  # noqa: BLE001 - whatever it raises is the reason
        first = error
    else:
        return ""
    # A processor's error says only that there is none: the files and the tokenizer's own error say why.
    for name in _FILES:
        try:
            json.loads((model / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as broken:
            return f"{name} of the model cannot be read: {words(broken)}. Download or copy it again."
    try:
        AutoTokenizer.from_pretrained(model, trust_remote_code=False)
    except Exception as error:  # noqa: BLE001 - whatever it raises is the reason
        first = error
    if "trust_remote_code" in str(first):
        return "It is made by code that comes with the model, and code of others is not run to count tokens."
    return f"transformers says: {words(first)}"
