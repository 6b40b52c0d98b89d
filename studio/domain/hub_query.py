"""What is searched for on the Hub: words, filters and order, in the terms that its lists understand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from studio.domain.errors import StudioError

Sort = Literal["", "downloads", "likes", "last_modified"]

SORTS: dict[str, str] = {
    "": "Best match",
    "downloads": "Most downloads",
    "likes": "Most likes",
    "last_modified": "Changed last",
}
# Sizes of models in parameters, as the Hub's `num_parameters` has them.
MODEL_SIZES: dict[str, str] = {
    "max:1B": "up to 1 B",
    "min:1B,max:4B": "1 to 4 B",
    "min:4B,max:10B": "4 to 10 B",
    "min:10B,max:40B": "10 to 40 B",
    "min:40B": "over 40 B",
}
# Sizes of datasets in rows: the Hub's own categories.
DATASET_SIZES: dict[str, str] = {
    "n<1K": "up to 1,000 rows",
    "1K<n<10K": "1,000 to 10,000 rows",
    "10K<n<100K": "10,000 to 100,000 rows",
    "100K<n<1M": "100,000 to 1 M rows",
    "1M<n<10M": "1 to 10 M rows",
    "10M<n<100M": "10 to 100 M rows",
    "100M<n<1B": "100 M to 1 B rows",
    "1B<n<10B": "1 to 10 B rows",
}
MODEL_TASKS = ("text-generation", "image-text-to-text", "text-classification", "any-to-any", "translation")
DATASET_TASKS = (
    *("text-generation", "question-answering", "text-classification", "summarization", "translation"),
    *("reinforcement-learning", "visual-question-answering", "image-text-to-text"),
)
LIBRARIES = ("transformers", "peft", "safetensors", "gguf", "mlx", "sentence-transformers")
LICENCES = ("apache-2.0", "mit", "llama3.1", "llama3.2", "gemma", "cc-by-4.0", "cc-by-nc-4.0", "openrail", "other")
MOST = 20  # hits of one search
_LONGEST = 200


@dataclass(frozen=True)
class Query:
    """Words and filters; `` for no filter. `library` and `licence` are of models alone."""

    text: str = ""
    task: str = ""
    size: str = ""
    library: str = ""
    licence: str = ""
    sort: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether it asks for nothing in particular: no word of two letters, and no filter."""
        return len(self.text) < 2 and not (self.task or self.size or self.library or self.licence or self.sort)

    @property
    def filters(self) -> list[str]:
        """Library and licence as tags of models."""
        return [*filter(None, [self.library]), *([f"license:{self.licence}"] if self.licence else [])]


def query_from(kind: str, told: Mapping[str, Any]) -> Query:
    """A query from what somebody sent. Raises StudioError where a filter is none."""
    sizes = MODEL_SIZES if kind == "models" else DATASET_SIZES
    found = {name: str(told.get(name) or "").strip()[:_LONGEST] for name in Query.__dataclass_fields__}
    if found["size"] and found["size"] not in sizes:
        raise StudioError(f"'{found['size']}' is no size of {kind}.", f"Sizes are {', '.join(sizes)}.")
    if found["sort"] not in SORTS:
        raise StudioError(f"'{found['sort']}' is no order.", f"Orders are {', '.join(filter(None, SORTS))}.")
    if kind != "models" and (found["library"] or found["licence"]):
        raise StudioError("Datasets are not sifted by library or licence.", "Use text, task and size.")
    return Query(**found)
