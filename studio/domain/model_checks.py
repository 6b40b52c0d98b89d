"""Checks of a recipe against what is known of its models: what would stop TRL, or teach nothing, after the loading."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from typing import Any

from studio.domain.dataset_rules import waits_for_model
from studio.domain.findings import Finding, Fix, finding
from studio.domain.methods import method_named
from studio.domain.model_facts import ModelFacts, kind_of, labels, text_alone

# The methods whose trainers take a chat template of the user's choice.
TEMPLATED = ("sft", "reward")


def model_findings(
    argument: str, name: str, facts: ModelFacts, method: str, values: Mapping[str, Any], elsewhere: bool = False
) -> Iterator[Finding]:
    """What is wrong with the model that `argument` names, under a method and the recipe's `values`."""
    kind, told = kind_of(facts)
    name = _short(name)
    if facts.trouble:
        yield finding("error", argument, f"{name} cannot be loaded.", f"{facts.trouble} TRL would stop there.")
        return
    if facts.barred:
        # Elsewhere somebody else may be logged in.
        level = "warning" if elsewhere else "error"
        why = "Its files may not be read: accept its conditions on its page, then log in with `hf auth login`."
        yield finding(level, argument, f"{name} is gated.", why)  # type: ignore[arg-type]
        return
    if argument == "reward_model_name_or_path":
        yield from _reward_model(argument, name, facts)
        return
    if kind == "adapter":
        yield _adapter(argument, name, facts, method)
    elif kind == "none":
        yield finding("error", argument, f"{name} is no model that TRL can load.", told)
    elif kind == "gguf" and "gguf_file" not in str(values.get("model_init_kwargs")):
        yield finding("warning", argument, f"{name} holds GGUF files only.", told)
    elif kind in ("classifier", "reward", "other") and (method != "reward" or kind == "other"):
        yield finding("warning", argument, f"{name} is no model that writes text.", told)


def with_images(
    found: list[Finding], name: str, facts: ModelFacts, method: str, processors: Container[str]
) -> list[Finding]:
    """Findings of data, with what the model decides of a column of images; as they are where that is not known."""
    alone, left_open = text_alone(facts, processors), [one for one in found if waits_for_model(one)]
    if alone is None or not left_open:
        return found
    settled = [one for one in found if one not in left_open]
    if alone:
        column = left_open[0].where.name
        happens = "TRL stops at a column of that name, whatever is in it."
        if method not in ("sft", "dpo", "kto"):
            happens = "TRL puts the images into the prompts, and stops where the model is to read them."
        why = f"{happens} Choose a vision-language model, or leave the column out of a prepared copy."
        message = f"{_short(name)} reads text alone, and the data have a column `{column}`."
        settled.append(finding("error", "model_name_or_path", message, why))
    return settled


def template_findings(
    name: str,
    facts: ModelFacts,
    marks: str,
    method: str,
    values: Mapping[str, Any],
    conversational: bool,
    example: str = "",
    stops: str = "",
) -> Iterator[Finding]:
    """What the data and the recipe ask of the chat template in effect; `marks` says whether it marks what is learnt.

    `example` is a conversation as the template writes it, `` where it has not been tried out, and `stops` whether its
    marks take in what ends a turn. Only for facts whose tokenizer could be read: of others nothing is known.
    """
    if facts.template is None and conversational and "tokenizer_config.json" in facts.files:
        label = method_named(method).label
        if method in TEMPLATED:
            why = "Set `chat_template_path` on Training: a template file, or a model whose template to take."
        else:
            why = f"{label} has no option for one: start from a chat model, or train this one with SFT first."
        name = _short(name)
        why = f"TRL stops on conversations without one. {why}"
        yield finding(
            "error", "model_name_or_path", f"{name} has no chat template, and the data are conversations.", why
        )
    if method == "sft" and values.get("assistant_only_loss") is True and facts.template and marks == "no":
        yield finding(
            "error",
            "assistant_only_loss",
            "The chat template does not mark the assistant's turns.",
            "`assistant_only_loss` needs the marks, and TRL has no marked version of this template: it would stop.",
            Fix("Learn from the whole text", {"assistant_only_loss": False}),
        )
    elif method == "sft" and values.get("assistant_only_loss") is True and facts.template and stops == "no":
        yield finding(
            "warning",
            "assistant_only_loss",
            "The chat template does not mark what ends the assistant's turns.",
            "The model may not learn to stop: `assistant_only_loss` teaches what stands between `{% generation %}` and "
            "`{% endgeneration %}`, and the end token stands behind. Move it before `{% endgeneration %}`.",
            Fix("Learn from the whole text", {"assistant_only_loss": False}),
        )
    if method == "sft" and conversational:
        yield from _end_of_turn(facts, values, example)


def unknown_tokens(
    name: str, method: str, values: Mapping[str, Any], knows: Callable[[str], bool | None]
) -> Iterator[Finding]:
    """Tokens of the recipe that the tokenizer of `name` does not have; `knows` says None where that is not told."""
    others = isinstance(source := values.get("chat_template_path"), str) and not source.endswith((".jinja", ".j2"))
    for argument, methods in (("eos_token", ("sft", "reward")), ("pad_token", ("sft", "dpo", "reward"))):
        token = values.get(argument)
        if not isinstance(token, str) or not token or method not in methods or knows(token) is not False:
            continue
        if argument == "pad_token" and others and method in TEMPLATED:
            continue  # the tokens of the template's model are added before TRL looks for this one
        why = "TRL looks it up in the vocabulary and stops where it is not there."
        fix = Fix("Use the model's own", {}, (argument,))
        yield finding("error", argument, f"The tokenizer of {_short(name)} has no token {token}.", why, fix)


def _end_of_turn(facts: ModelFacts, values: Mapping[str, Any], example: str) -> Iterator[Finding]:
    """Generation stops at the end token: where the template ends turns with another one, stopping is never learnt."""
    end = values.get("eos_token") or facts.tokens.get("eos_token")
    if not isinstance(end, str) or not end or not example or end in example:
        return
    meant = next((mark for mark in facts.marks if mark and example.rstrip().endswith(mark)), None)
    fix = Fix(f"Use {meant}", {"eos_token": meant}) if meant else None
    why = "The model learns its turns without it, and then does not know where to stop."
    if meant:
        why += f" The template ends a turn with {meant}."
    yield finding("warning", "eos_token", f"The end token {end} does not end turns in this chat template.", why, fix)


def _adapter(argument: str, name: str, facts: ModelFacts, method: str) -> Finding:
    if method == "reward":
        happens = "Reward would load it with every weight frozen, and learn nothing."
    else:
        happens = 'TRL stops with "Unrecognized model": there is no config.json.'
    why = f"{happens} Merge it into its base model first, or start from that model without what was learnt."
    fix = Fix("Start from its base model", {argument: facts.adapts}) if facts.adapts else None
    return finding("error", argument, f"{name} is only an adapter.", why, fix)


def _reward_model(argument: str, name: str, facts: ModelFacts) -> Iterator[Finding]:
    architecture = facts.architecture or ""
    if architecture and not architecture.endswith("ForSequenceClassification"):
        why = f"{architecture} gives no score: TRL would put an untrained one on top, and reward at random."
        yield finding("warning", argument, f"{name} is no reward model.", why)
    elif (count := labels(facts)) is not None and count != 1:
        why = "A reward model has a single score as its output; TRL would stop when it loads this one."
        yield finding("error", argument, f"{name} tells {count} classes apart.", why)


def _short(name: str) -> str:
    """A path by its last two folders, a name as it is."""
    parts = [part for part in name.split("/") if part]
    return "…/" + "/".join(parts[-2:]) if len(parts) > 2 else name
