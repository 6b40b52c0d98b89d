"""Causes that lie in the data: columns, splits, cells and what is left of them to learn from."""

from __future__ import annotations

import re
from collections.abc import Iterator

from studio.domain.evidence import Cause, Clue, cause, plain
from studio.domain.findings import Finding, Fix
from studio.domain.methods import METHOD_NAMES, method_named

_COLUMNS = {
    "text", "messages", "prompt", "completion", "chosen", "rejected", "label", "input_ids", "conversations", "images",
}  # fmt: skip
_READERS = {"jsonl": "json", "json": "json", "csv": "csv", "parquet": "parquet", "arrow": "arrow", "txt": "text"}
_SPLITS = ("dataset_train_split", "dataset_test_split")
_MAP = 'On the Data tab, "Map the columns" gives them the names that the method reads.'


def _wanted(clue: Clue) -> str:
    """What the run's method reads, as a sentence."""
    method = clue.evidence.method
    return f"{method_named(method).label} reads: {method_named(method).data}" if method in METHOD_NAMES else ""


def _missing_key(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    """A KeyError: a split that the script asked for, or a column that the trainer did."""
    name, known = match[1] or match[2], clue.evidence
    if clue.during("main") and any(known.value(option) == name for option in _SPLITS) and not clue.during("__init__"):
        yield from _missing_split(name, clue)
    elif name in _COLUMNS or name == known.value("dataset_text_field"):
        field = known.value("dataset_text_field")
        fix = None
        if name == field and name != "text":
            fix = Fix("Read the column text", {}, ("dataset_text_field",))
        yield clue.finding(f"The data has no column {name}", f"{_wanted(clue)} {_MAP}".strip(), fix)
    elif name in ("role", "content"):
        why = 'A turn of `messages` is {"role": ..., "content": ...}. ' + _MAP
        yield clue.finding(f"The turns of the conversations have no {name}", why)


def _missing_split(name: str, clue: Clue) -> Iterator[Finding]:
    known = clue.evidence
    evaluates = known.value("eval_strategy") not in ("no", None, False)
    if evaluates and name == known.value("dataset_test_split"):
        fix = Fix("Train without evaluation", {}, ("eval_strategy", "eval_steps", "load_best_model_at_end"))
        why = f"`eval_strategy` is on, and TRL evaluates on the split {name}, which the dataset does not have."
        yield clue.finding(f"There is no split {name} to evaluate on", why, fix)
        return
    default = Fix("Use the split train", {}, ("dataset_train_split",)) if name != "train" else None
    yield clue.finding(f"The dataset has no split {name}", "The Data tab lists the splits that it has.", default)


def _no_examples(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    known = clue.evidence
    masked = any("Dropping fully masked" in line for line in clue.above) or "fully masked" in known.log
    if masked:
        # TRL's own length cuts few answers off: what the recipe says may.
        length = known.recipe.get("max_length") if known.recipe else None
        fix = None
        if isinstance(length, int):
            fix = Fix(f"Keep {max(1024, 2 * length)} tokens", {"max_length": max(1024, 2 * length)})
        if known.value("assistant_only_loss") is True:
            fix = Fix("Learn from whole conversations", {}, ("assistant_only_loss",))
        why = "Every answer was cut off or masked, so TRL dropped all rows; a tokenizer that knows no word does it too."
        yield clue.finding("No example has anything to learn", why, fix)
    else:
        why = "Every row was dropped or the split is empty; TRL drops rows that have nothing to learn from."
        yield clue.finding("No example is left to train on", why)


def _not_conversational(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    fix = Fix("Learn from the whole text", {}, ("assistant_only_loss",))
    yield clue.finding("`assistant_only_loss` needs conversations, and the data is text", "", fix)


def _completion_only(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    fix = Fix("Learn from the whole text", {}, ("completion_only_loss",))
    yield clue.finding("`completion_only_loss` needs prompts and completions, and the data has neither", "", fix)


def _config(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    known = re.search(r"Available: \[(.*?)\]", clue.raised.text if clue.raised else "")
    names = re.findall(r"'([^']+)'", known[1]) if known else []
    why = f"It has {', '.join(names[:10])}." if names else ""
    fix = Fix(f"Use {names[0]}", {"dataset_config": names[0]}) if len(names) == 1 else None
    if names == ["default"]:
        fix = Fix("Use the only one that there is", {}, ("dataset_config",))
    yield clue.finding(f"The dataset has no configuration {match[1]}", why, fix)


def _empty_conversation(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    if clue.during(
        "is_conversational", "apply_chat_template", "maybe_apply_chat_template", "tokenize_fn", "extract_prompt"
    ):
        why = 'One row among all is enough. "Check all rows" on the Data tab finds it.'
        yield clue.finding("A row has a conversation without turns", why)


def _broken_file(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    if clue.during("load_dataset", "get_dataset", "_generate_tables", "_prepare_split_single", "_split_generators"):
        why = "A line of it is broken, or rows have other columns than those before."
        yield clue.finding("A data file cannot be read", why)


def _no_file(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    name = str(clue.evidence.value("dataset_name") or "")
    kind = _READERS.get(name.rpartition(".")[2].lower())
    if kind:
        fix = Fix("Read the file itself", {"datasets": [{"path": kind, "data_files": name}]}, ("dataset_name",))
        yield clue.finding("TRL takes a folder for a dataset, not a file", "A file is read as part of a mixture.", fix)
    else:
        why = "Check the path: a local dataset is a folder with data files in it."
        yield clue.finding("There is no data at the place that the recipe names", why)


def _streamed(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    why = "A streamed dataset has no length, so epochs cannot be counted."
    yield clue.finding("The number of steps is not set", why, Fix("Train 1,000 steps", {"max_steps": 1000}))


def _template(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    name = "chat_template_path"
    fix = None
    if clue.evidence.has(name):
        fix = Fix("Use the template of Qwen3", {name: "Qwen/Qwen3-0.6B"})
    why = (
        "The data is conversations, and the model's tokenizer does not say how one is written as text. Take the "
        "instruct model of the family, or another model's template with `chat_template_path`."
    )
    yield clue.finding("The model has no chat template", why, fix)


def _marks(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    why = (
        "`assistant_only_loss` learns what stands between the marks {% generation %} and {% endgeneration %}, and the "
        "model's chat template has none."
    )
    fix = Fix("Learn from whole conversations", {}, ("assistant_only_loss",))
    yield clue.finding("The chat template does not mark the answers", why, fix)


DATA: tuple[Cause, ...] = (
    cause(
        "no-generation-marks",
        r"chat template[^\n]*(not training-compatible|generation)|\{% generation %\}"
        r"|return_assistant_tokens_mask|not training-compatible|training template",
        _marks,
    ),
    cause("no-chat-template", r"chat_template is not set|does not have a chat template|no chat template", _template),
    cause(
        "no-examples",
        r"num_samples should be a positive integer value, but got num_samples=0|num_samples=0"
        r"|dataset is empty|Cannot infer .* from an empty dataset",
        _no_examples,
    ),
    cause(
        "assistant-only-on-text",
        r"`?assistant_only_loss(=True)?`?,? .*(not conversational|only supported for conv)",
        _not_conversational,
    ),
    cause("completion-only-on-text", r"`completion_only_loss` argument is not supported", _completion_only),
    cause("no-config", r"BuilderConfig '?([^' ]+)'? not found", _config),
    cause(
        "streaming-without-steps", r"train_dataset does not implement __len__|max_steps has to be specified", _streamed
    ),
    plain(
        "bad-split",
        r"Unknown split \"?([^\"]+?)\"?\. Should be one of",
        "The dataset has no split {0}",
        "The Data tab lists the splits that it has.",
        Fix("Use the split train", {}, ("dataset_train_split",)),
    ),
    cause(
        "missing-column", r"^KeyError: ['\"]([^'\"]+)['\"]$|^ValueError: Column '([^']+)' doesn't exist", _missing_key
    ),
    plain(
        "unexpected-columns",
        r"^KeyError: [\"']?(Unexpected input keys|The input examples must contain)"
        r"|No columns in the dataset match the model's forward method",
        "Nothing in the data is what the method reads",
        _MAP,
    ),
    plain(
        "columns-of-two-kinds",
        r"can only concatenate (list|str) \(not [\"'](str|list)[\"']\) to (list|str)"
        r"|'list' object has no attribute '(endswith|startswith|strip)'",
        "Text and messages are mixed in one row",
        "Prompt and answers have to be all text or all messages. " + _MAP,
    ),
    plain(
        "empty-cell",
        r"'?NoneType'? object (has no attribute '(endswith|strip|startswith|encode)'|is not iterable"
        r"|is not subscriptable)|None is not (JSON|a valid)|must be (str|list), not NoneType",
        "A row has an empty cell",
        'One null among all rows is enough. "Check all rows" on the Data tab finds it.',
    ),
    cause("empty-conversation", r"^IndexError: list index out of range", _empty_conversation),
    cause(
        "broken-file",
        r"Failed to read file|JSON parse error|Error tokenizing data|ArrowInvalid|Trailing data|JSONDecodeError"
        r"|Expected object or value|Unmatched|UnicodeDecodeError",
        _broken_file,
    ),
    plain(
        "mixed-columns",
        r"CastError|Couldn't cast|column names don't match",
        "The data files do not have the same columns",
        "datasets reads them as one table.",
    ),
    cause(
        "data-file-missing",
        r"Couldn't find any data file at ([^\s,]+)|FileNotFoundError: Unable to find '([^']+)'"
        r"|No \(supported\) data files found|Directory ([^\n]+) is neither a `Dataset`",
        _no_file,
    ),
    plain(
        "token-out-of-vocabulary",
        r"index out of range in self|device-side assert triggered|srcIndex < srcSelectDimSize",
        "A token lies outside the model's vocabulary",
        "Model and tokenizer do not belong together, or a text is "
        "longer than the positions that the model has. Take the model's own tokenizer, and a `max_length` it can read.",
    ),
    plain(
        "conversation-shape",
        r"jinja2\.exceptions\.|UndefinedError|TemplateError|Conversation roles must alternate",
        "The chat template refuses a conversation",
        'A turn is {{"role": ..., "content": ...}}; some templates want '
        "user and assistant in turn, and no system message.",
    ),
)
