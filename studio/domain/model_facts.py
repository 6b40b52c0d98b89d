"""What is known of a model without its weights, wherever it lies: its facts, its kind, and the files that matter."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["chat", "base", "reward", "classifier", "adapter", "gguf", "other", "unread", "none"]

_ADAPTERS = ("adapter_model.safetensors", "adapter_model.bin")
_SHARD = re.compile(r"(model|pytorch_model)-(\d{5})-of-(\d{5})\.(safetensors|bin)")
# What transformers looks for beside the weights when a trainer loads a model and its tokenizer or processor.
_BESIDE = re.compile(
    r"(config|generation_config|adapter_config|model\.safetensors\.index|pytorch_model\.bin\.index|tokenizer|"
    r"tokenizer_config|special_tokens_map|added_tokens|vocab|preprocessor_config|processor_config|"
    r"video_preprocessor_config|chat_template)\.json|vocab\.txt|merges\.txt|[\w.-]+\.model|chat_template\.jinja|"
    r"additional_chat_templates/[^/]+\.jinja"
)
_PROCESSORS = ("processor_config.json", "preprocessor_config.json", "video_preprocessor_config.json")
_DTYPES = {"BF16": "bfloat16", "F16": "float16", "F32": "float32", "F64": "float64", "F8_E4M3": "float8", "U8": "uint8"}
_CONTEXT = ("max_position_embeddings", "n_positions", "max_sequence_length", "max_seq_len", "seq_length", "n_ctx")
_CHAT_NAME = re.compile(r"(^|[-_.])(instruct|chat|it|sft|dpo|assistant)([-_.\d]|$)", re.IGNORECASE)
_BASE_NAME = re.compile(r"(^|[-_.])(base|pt|pretrained)([-_.]|$)", re.IGNORECASE)
_GENERATES = ("ForCausalLM", "ForConditionalGeneration", "LMHeadModel", "ForImageTextToText")


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a model without its weights; None for what the Hub does not say.

    `parameters` counts them, `context` is in tokens, `gated` and `private` say who may load it, `template` is the chat
    template's text. `config` is config.json, empty where it may not be read. `sizes` are the files' bytes and `blobs`
    the names of their contents in the local cache, as far as told; `commit` is the revision's. `tokens` are the special
    tokens by the names that templates know (bos_token), `marks` the texts of all of them. `adapts` is the model that an
    adapter was trained on. `processor` is what tokenizer_config.json names for reading more than text, None where that
    file could not be read. `trouble` says why the files cannot be loaded, where that can be seen.
    """

    id: str
    architecture: str | None
    model_type: str | None
    parameters: int | None
    dtype: str | None
    context: int | None
    vocabulary: int | None
    quantized: str | None
    gated: bool
    private: bool
    licence: str | None
    task: str | None
    template: str | None
    files: tuple[str, ...] = ()
    config: dict[str, Any] = field(default_factory=dict, repr=False)
    commit: str | None = None
    sizes: Mapping[str, int] = field(default_factory=dict, repr=False)
    blobs: Mapping[str, str] = field(default_factory=dict, repr=False)
    tokens: Mapping[str, str] = field(default_factory=dict, repr=False)
    marks: tuple[str, ...] = field(default=(), repr=False)
    adapts: str | None = None
    processor: str | None = None
    trouble: str = ""

    @property
    def own_code(self) -> bool:
        """Whether the repository brings Python code that transformers would have to run."""
        return bool(self.config.get("auto_map"))

    @property
    def barred(self) -> bool:
        """Whether the model is gated and its files may not be read with the token that was used."""
        return self.gated and "config.json" in self.files and not self.config


def told_by_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of ModelFacts that config.json tells, whatever else somebody wrote into it."""
    # A vision-language model keeps what is told of language in a part of its own.
    parts = (config, _mapping(config.get("text_config")))
    architectures = config.get("architectures")

    def first(read: Callable[[Any], Any], *names: str) -> Any:
        return next((found for part in parts for name in names if (found := read(part.get(name)))), None)

    return {
        "architecture": _text(architectures[0]) if isinstance(architectures, list) and architectures else None,
        "model_type": _text(config.get("model_type")),
        "context": first(_whole, *_CONTEXT),
        "vocabulary": first(_whole, "vocab_size"),
        "quantized": _text(_mapping(config.get("quantization_config")).get("quant_method")),
        "dtype": first(_text, "dtype", "torch_dtype"),
    }


def template_in(told: Any) -> str | None:
    """The chat template that transformers would take by default: a text, or the one named default among several."""
    if isinstance(told, list):
        told = {entry.get("name"): entry.get("template") for entry in told if isinstance(entry, Mapping)}
    if isinstance(told, Mapping):
        told = told.get("default")
    return told if isinstance(told, str) and told.strip() else None


def tokens_in(tokenizer: Mapping[str, Any]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The special tokens that tokenizer_config.json tells: by name, and the texts of all."""
    named = {name: text for name, told in tokenizer.items() if name.endswith("_token") and (text := _content(told))}
    marks = list(named.values())
    extra = tokenizer.get("extra_special_tokens") or tokenizer.get("additional_special_tokens")
    for told in extra.values() if isinstance(extra, Mapping) else extra if isinstance(extra, list) else ():
        marks.append(_content(told))
    for told in _mapping(tokenizer.get("added_tokens_decoder")).values():
        if isinstance(told, Mapping) and told.get("special"):
            marks.append(_content(told))
    return named, tuple(dict.fromkeys(filter(None, marks)))


def processor_in(tokenizer: Mapping[str, Any]) -> str:
    """What tokenizer_config.json names for reading more than text: a class, or code of its own; `` for nothing."""
    own = _mapping(tokenizer.get("auto_map")).get("AutoProcessor")
    return str(tokenizer.get("processor_class") or own or "")


def weights_among(names: Iterable[str]) -> tuple[str, ...]:
    """The files of weights that transformers would load: safetensors before bin, one file before shards; may be none.

    Where some shards of a set are missing, those that are there are named.
    """
    known = set(names)
    for single, suffix in (("model.safetensors", "safetensors"), ("pytorch_model.bin", "bin")):
        if single in known:
            return (single,)
        shards = tuple(sorted(name for name in known if (match := _SHARD.fullmatch(name)) and match[4] == suffix))
        if shards:
            return shards
    return next(((name,) for name in _ADAPTERS if name in known), ())


def missing_shards(names: Iterable[str]) -> tuple[str, ...]:
    """The files of weights that a set of shards promises and lacks."""
    shards = [match for name in weights_among(names) if (match := _SHARD.fullmatch(name))]
    there = {match[0] for match in shards}
    wanted = {
        f"{match[1]}-{number:05d}-of-{match[3]}.{match[4]}"
        for match in shards[:1]
        for number in range(1, min(int(match[3]), 9999) + 1)
    }
    return tuple(sorted(wanted - there))


def needed_files(names: Iterable[str]) -> tuple[str, ...]:
    """The files that loading the model and its tokenizer for a training reads: not both kinds of weights, no extras."""
    known = tuple(names)
    weights = weights_among(known)
    index = ".bin." if any(name.endswith(".safetensors") for name in weights) else ".safetensors."
    beside = [name for name in known if _BESIDE.fullmatch(name) and not (index in name and name.endswith("index.json"))]
    return (*weights, *beside)


def kind_of(facts: ModelFacts) -> tuple[Kind, str]:
    """What sort of model it is, and a sentence on how that is told."""
    if "config.json" not in facts.files and ("adapter_config.json" in facts.files or facts.adapts):
        return "adapter", f"Only a LoRA adapter: what was learnt on top of {facts.adapts or 'another model'}."
    if not facts.architecture and any(name.endswith(".gguf") for name in facts.files) and not facts.config:
        return "gguf", "GGUF files, made for running a model; TRL trains from safetensors."
    if "config.json" not in facts.files:
        return "none", "There is no config.json: this is no model that transformers can load."
    architecture = facts.architecture or ""
    if architecture.endswith(("ForSequenceClassification", "ForTokenClassification")):
        if labels(facts) == 1 and "Sequence" in architecture:
            return "reward", "Reward model: it gives a text one score."
        return "classifier", "Classifier: it sorts texts into classes and writes none."
    if architecture and not generates_text(architecture):
        return "other", f"{architecture} writes no text: TRL trains models that do."
    name = facts.id.rstrip("/").rsplit("/", 1)[-1]
    if facts.template is None and facts.barred:
        return "unread", "What its files say can be read once you have access."
    if facts.template is None:
        return "base", "Base model: no chat template, so it goes on with text and knows no turns."
    if _BASE_NAME.search(name):
        return "base", "Base model by its name; it brings a chat template, so it takes conversations."
    if _CHAT_NAME.search(name):
        return "chat", "Chat model: it has a chat template and knows turns."
    told = "Its name does not say whether it was taught to chat."
    return "chat", f"It has a chat template, so it takes conversations. {told}"


def generates_text(architecture: str) -> bool:
    """Whether a model of this class writes text."""
    return architecture.endswith(_GENERATES)


def labels(facts: ModelFacts) -> int | None:
    """How many classes a classifier tells apart; None where its config does not say."""
    named = facts.config.get("id2label")
    return len(named) if isinstance(named, Mapping) else _whole(facts.config.get("num_labels"))


def text_alone(facts: ModelFacts, processors: Container[str]) -> bool | None:
    """Whether transformers reads nothing but text for the model; None where that is not known.

    `processors` are the model types that it knows processors of. What a file names it takes before it goes by the type.
    """
    if facts.trouble or facts.model_type is None or not weights_among(facts.files):
        return None
    if facts.model_type in processors:
        return False
    # Of a repository that is only half in the cache, or may not be read, what is named may lie elsewhere.
    named = facts.processor != "" or facts.config.get("processor_class") or facts.own_code
    return None if named or any(name in _PROCESSORS for name in facts.files) else True


def parameters_text(facts: ModelFacts) -> str:
    """Parameters and what they are stored as: `0.49 B · bfloat16`; `` where nothing is told."""
    number, stored = facts.parameters, dtype_text(facts.dtype)
    if not number:
        return stored
    size = parameter_count(number)
    return f"{size} · {stored}" if stored else size


def parameter_count(number: int) -> str:
    """A number of parameters for people: 0.49 B, 22.70 M."""
    return f"{number / 1e9:.2f} B" if number >= 1e8 else f"{number / 1e6:.2f} M" if number >= 1e4 else f"{number:,}"


def dtype_text(told: str | None) -> str:
    """A dtype in torch's words, whether config.json or a safetensors header tells it."""
    return _DTYPES.get(str(told), str(told or "").removeprefix("torch.")).lower()


def size_text(count: int) -> str:
    """Bytes for people, as the Hub counts them: 988 MB, 15.2 GB."""
    if count < 1_000_000:
        return f"{max(count / 1000, 1 if count else 0):.0f} kB"
    if count < 1_000_000_000:
        return f"{count / 1e6:.1f} MB" if count < 10_000_000 else f"{count / 1e6:.0f} MB"
    return f"{count / 1e9:.1f} GB" if count < 100e9 else f"{count / 1e9:.0f} GB"


def _content(told: Any) -> str:
    found = told.get("content") if isinstance(told, Mapping) else told
    return found if isinstance(found, str) else ""


def _mapping(told: Any) -> Mapping[str, Any]:
    return told if isinstance(told, Mapping) else {}


def _text(told: Any) -> str | None:
    return told if isinstance(told, str) and told else None


def _whole(told: Any) -> int | None:
    return told if isinstance(told, int) and not isinstance(told, bool) and told > 0 else None
