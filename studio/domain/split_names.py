"""Which split a file of a data folder belongs to, by the datasets library's rules for names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

# https://huggingface.co/docs/datasets/repository_structure: the words, and what may stand beside them.
_WORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_BESIDE = r"[-._ 0-9]"
_SHARD = re.compile(r"data/(.+)-\d{5}-of-\d{5}[^/]*\.[^/]*")
_IGNORED = {
    "README.md",
    "config.json",
    "dataset_info.json",
    "dataset_infos.json",
    "dummy_data.zip",
    "dataset_dict.json",
}


def splits_of(files: Iterable[str]) -> dict[str, list[str]]:
    """The splits that `load_dataset` makes of a folder, and the files of each.

    `files` are paths below the folder, with slashes. The first rule that fits any of them is the rule for all:
    `data/NAME-00000-of-00001.parquet`, a folder named for a split, a file named for a split, everything as train.
    """
    seen = sorted(file for file in files if _counts(file))
    shards = {file: match.group(1) for file in seen if (match := _SHARD.fullmatch(file))}
    if shards:
        order = [name for name in _WORDS if name in shards.values()]
        order += sorted(set(shards.values()) - set(_WORDS))
        return {split: [file for file in shards if shards[file] == split] for split in order}
    for rule in (_in_folder, _in_name):
        found = {split: [file for file in seen if rule(file, words)] for split, words in _WORDS.items()}
        if any(found.values()):
            return {split: members for split, members in found.items() if members}
    return {"train": seen} if seen else {}


def _counts(file: str) -> bool:
    path = PurePosixPath(file)
    hidden = any(part.startswith(".") for part in path.parts)
    return path.name not in _IGNORED and not hidden and not any(part.startswith("__") for part in path.parent.parts)


def _in_folder(file: str, words: Iterable[str]) -> bool:
    folders = PurePosixPath(file).parent.parts
    return any(re.fullmatch(rf"(?:.*{_BESIDE})?{word}(?:{_BESIDE}.*)?", part) for part in folders for word in words)


def _in_name(file: str, words: Iterable[str]) -> bool:
    name = PurePosixPath(file).name
    return any(re.fullmatch(rf"(?:.*{_BESIDE})?{word}{_BESIDE}.*", name) for word in words)
