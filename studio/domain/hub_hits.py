"""Models and datasets that a search has found: what decides about each, and why one does not suit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from studio.domain.columns import Column, column_of_feature, without_text
from studio.domain.dataset_types import judge
from studio.domain.methods import METHOD_NAMES
from studio.domain.model_facts import (
    ModelFacts,
    dtype_text,
    generates_text,
    kind_of,
    told_by_config,
    weights_among,
)

_ROWS = re.compile(r"size_categories:(.+)")
_NO_TEXT = {
    "diffusers": "pictures",
    "sentence-transformers": "vectors",
    "timm": "classes of pictures",
    "spacy": "parts of sentences",
    "nemo": "speech",
    "espnet": "speech",
    "flair": "parts of sentences",
    "fasttext": "vectors",
}
# Formats in which a model runs, and that no trainer loads.
_FOR_RUNNING = {"mlx": "MLX", "onnx": "ONNX", "openvino": "OpenVINO", "transformers.js": "ONNX", "coreml": "Core ML"}
_TASKS_WITH_TEXT = (
    *("text-generation", "image-text-to-text", "text2text-generation", "any-to-any", "conversational"),
    *("audio-text-to-text", "video-text-to-text", "visual-question-answering", "translation", "summarization"),
)
_CLASSIFIES = ("ForSequenceClassification", "ForTokenClassification")


@dataclass(frozen=True)
class ModelHit:
    """A model as a list of the Hub tells of it; None for what it does not say.

    `access` says whether this account may read a gated one, `template` whether there is a chat template, `unfit` in a
    sentence why TRL cannot train it, `` where nothing is known against it.
    """

    id: str
    parameters: int | None = None
    dtype: str | None = None
    licence: str | None = None
    gated: bool = False
    private: bool = False
    access: bool | None = None
    template: bool | None = None
    task: str | None = None
    library: str | None = None
    architecture: str | None = None
    quantized: str | None = None
    downloads: int | None = None
    likes: int | None = None
    changed: str | None = None
    unfit: str = ""

    @property
    def has_more(self) -> bool:
        """Whether questions of its own may tell more."""
        return not self.unfit and (self.template is None or (self.gated and self.access is None))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class DatasetHit:
    """A dataset as a list of the Hub tells of it, and what was found out since; None for what is not known.

    `size` is in bytes, `rows_about` the Hub's category where the number is not told, `type` what TRL calls it, for the
    `methods` that take it as it is. `access` and `unfit` are as a model's; `note` says why no more is known yet.
    """

    id: str
    rows: int | None = None
    rows_about: str | None = None
    size: int | None = None
    configs: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    type: str | None = None
    methods: tuple[str, ...] = ()
    licence: str | None = None
    gated: bool = False
    private: bool = False
    access: bool | None = None
    task: str | None = None
    downloads: int | None = None
    likes: int | None = None
    changed: str | None = None
    unfit: str = ""
    note: str = ""

    @property
    def has_more(self) -> bool:
        """Whether questions of its own may tell more."""
        unknown = self.type is None or self.rows is None
        return not self.unfit and (unknown or (self.gated and self.access is None))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def seen(self, columns: Sequence[Column], rows: list[dict[str, Any]]) -> DatasetHit:
        """The hit with what its columns and first rows tell of its type."""
        verdicts = [judge(method, columns, rows) for method in METHOD_NAMES]
        taken = [one for one in verdicts if one.verdict == "accept"]
        kind = taken[0].type if taken else ""
        names = tuple(column.name for column in columns)
        unfit = self.unfit or ("" if kind else without_text(columns))
        methods = tuple(one.method for one in taken)
        return replace(self, columns=names, type=kind, methods=methods, unfit=unfit, note="")


def model_hit(info: Any, method: str = "sft") -> ModelHit:
    """The hit that huggingface_hub's ModelInfo tells of; `method` decides whether a classifier suits."""
    config = info.config if isinstance(info.config, Mapping) else {}
    told, tags = told_by_config(config), [str(tag) for tag in info.tags or ()]
    weights, gguf = info.safetensors, info.gguf if isinstance(info.gguf, Mapping) else {}
    counts = getattr(weights, "parameters", None) or {}
    hit = ModelHit(
        id=str(info.id),
        parameters=getattr(weights, "total", None) or _whole(gguf.get("total")),
        dtype=dtype_text(max(counts, key=lambda name: counts[name])) if counts else told["dtype"],
        licence=licence_in(info.card_data, tags),
        gated=bool(info.gated),
        private=bool(info.private),
        template=_template(config, gguf),
        task=info.pipeline_tag,
        library=info.library_name,
        architecture=told["architecture"],
        quantized=told["quantized"],
        downloads=info.downloads,
        likes=info.likes,
        changed=_moment(info.last_modified),
    )
    return replace(hit, unfit=_unfit(hit, tags, method))


def _template(config: Mapping[str, Any], gguf: Mapping[str, Any]) -> bool | None:
    """Whether there is a chat template; None where the list does not say, as for models without a tokenizer there."""
    tokenizer = config.get("tokenizer_config")
    if config.get("chat_template_jinja") or gguf.get("chat_template") or config.get("additional_chat_templates"):
        return True
    if isinstance(tokenizer, Mapping):
        return bool(tokenizer.get("chat_template"))
    return None


def _unfit(hit: ModelHit, tags: list[str], method: str) -> str:
    base = next((tag.rpartition(":")[2] for tag in tags if tag.startswith("base_model:adapter:")), "")
    if (hit.library in ("peft", "adapter-transformers") or base) and not hit.architecture:
        return f"Only an adapter: start from {base}." if base else "Only an adapter: start from its base model."
    if not hit.architecture and (hit.library == "gguf" or "gguf" in tags):
        return "GGUF files, made for running a model; TRL trains from safetensors."
    if hit.library in _FOR_RUNNING:
        return f"In {_FOR_RUNNING[hit.library]}'s format, made for running a model; TRL trains from safetensors."
    if hit.architecture:
        if hit.architecture.endswith(_CLASSIFIES):
            return "" if method == "reward" else "A classifier or reward model: it writes no text."
        return (
            "" if generates_text(hit.architecture) else f"{hit.architecture} writes no text: TRL trains models that do."
        )
    if hit.library in _NO_TEXT:
        return f"A model of {hit.library}: it makes {_NO_TEXT[hit.library]}, no text."
    if hit.task == "text-classification":
        return "" if method == "reward" else "A classifier: it writes no text."
    if hit.task and hit.task not in _TASKS_WITH_TEXT:
        return f"Made for {hit.task.replace('-', ' ')}: it writes no text."
    return ""


def unfit_here(facts: ModelFacts) -> tuple[str, bool]:
    """Why a model on this machine cannot be trained, as hits have it; and whether it suits the method reward."""
    kind, told = kind_of(facts)
    if kind == "adapter":
        return (f"Only an adapter: start from {facts.adapts or 'its base model'}.", False)
    if kind in ("reward", "classifier") and not facts.trouble:
        return "A classifier or reward model: it writes no text.", True
    if any(name.endswith(".gguf") for name in facts.files) and not weights_among(facts.files):
        return "GGUF files, made for running a model; TRL trains from safetensors.", False
    return (told if kind in ("gguf", "other", "none") else facts.trouble), False


# Datasets ------------------------------------------------------------------------------------------------------------


def dataset_hit(info: Any) -> DatasetHit:
    """The hit that huggingface_hub's DatasetInfo tells of: much of it stands in the head of the README."""
    tags = [str(tag) for tag in info.tags or ()]
    card = info.card_data.to_dict() if hasattr(info.card_data, "to_dict") else {}
    parts = [part for part in _list(card.get("dataset_info")) if isinstance(part, Mapping)]
    configs = [part for part in _list(card.get("configs")) if isinstance(part, Mapping)]
    named = [str(part["config_name"]) for part in (*configs, *parts) if part.get("config_name")]
    first = next((part for part in parts if part.get("config_name") in (None, "default")), parts[0] if parts else {})
    splits = [part for part in _list(first.get("splits")) if isinstance(part, Mapping)]
    split_names = [str(one["name"]) for one in splits if one.get("name")]
    if not split_names and configs:
        files = configs[0].get("data_files")
        split_names = [str(one["split"]) for one in _list(files) if isinstance(one, Mapping) and one.get("split")]
    rows = [_whole(one.get("num_examples")) for one in splits]
    sizes = [_whole(part.get("download_size")) for part in parts]
    about = next((match[1] for tag in tags if (match := _ROWS.fullmatch(tag))), None)
    hit = DatasetHit(
        id=str(info.id),
        rows=sum(filter(None, rows)) if rows and None not in rows else None,
        rows_about=about,
        size=_whole(info.main_size) or (sum(filter(None, sizes)) if sizes and None not in sizes else None),
        configs=tuple(dict.fromkeys(named)),
        splits=tuple(dict.fromkeys(split_names)),
        licence=licence_in(info.card_data, tags),
        gated=bool(info.gated),
        private=bool(info.private),
        task=next((tag.removeprefix("task_categories:") for tag in tags if tag.startswith("task_categories:")), None),
        downloads=info.downloads,
        likes=info.likes,
        changed=_moment(info.last_modified),
        unfit=_not_text(tags),
    )
    columns = card_columns(first.get("features"))
    return hit.seen(columns, []) if columns else hit


def _not_text(tags: Iterable[str]) -> str:
    """Why a dataset holds nothing to learn text from, by the kinds of data that the Hub has found in it."""
    kinds = [tag.removeprefix("modality:") for tag in tags if tag.startswith("modality:")]
    if not kinds or "text" in kinds:
        return ""
    return f"It holds {' and '.join(sorted(kinds))}, no text."


def card_columns(features: Any) -> list[Column]:
    """The columns that a dataset's README declares; [] where it declares none, or in no form that is known."""
    if not isinstance(features, list) or not all(isinstance(one, Mapping) and "name" in one for one in features):
        return []
    return [column_of_feature(str(one["name"]), _feature(one)) for one in features]


def _feature(told: Any) -> Any:
    """A feature as the README writes it, in the form that `column_of_feature` knows."""
    if isinstance(told, str):
        simple = {"image": "Image", "audio": "Audio", "video": "Video", "json": "Json"}
        return {"_type": simple[told]} if told in simple else {"_type": "Value", "dtype": told}
    if isinstance(told, list):
        return {str(one.get("name")): _feature(one) for one in told if isinstance(one, Mapping)}
    if not isinstance(told, Mapping):
        return None
    for word in ("list", "large_list", "sequence"):
        if word in told:
            return {"_type": "Sequence" if word == "sequence" else "List", "feature": _feature(told[word])}
    if "struct" in told:
        return _feature(told["struct"])
    kind = told.get("dtype")
    if isinstance(kind, Mapping):
        return {"_type": "ClassLabel"} if "class_label" in kind else _feature(kind)
    return _feature(kind) if kind is not None else {"_type": "Other"}


def licence_in(card: Any, tags: Iterable[str]) -> str | None:
    """The licence that a README's head names, else that of the tags."""
    told = getattr(card, "license", None)
    if isinstance(told, list):
        told = ", ".join(str(one) for one in told)
    found = told or next((tag.removeprefix("license:") for tag in tags if tag.startswith("license:")), None)
    return str(found) if found else None


def _list(told: Any) -> list[Any]:
    return told if isinstance(told, list) else [] if told is None else [told]


def _whole(told: Any) -> int | None:
    return told if isinstance(told, int) and not isinstance(told, bool) and told >= 0 else None


def _moment(told: Any) -> str | None:
    return told.isoformat(timespec="seconds") if hasattr(told, "isoformat") else None
