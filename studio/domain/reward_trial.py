"""Rewards tried before any training: the samples they are given, as TRL would give them, and what they made of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from studio.domain.findings import Finding, Where
from studio.domain.plain_json import whole
from studio.domain.reward_code import FILE_NAME
from studio.domain.reward_library import KEPT_BACK
from studio.domain.rewards import FUNCTIONS, Reward

MOST = 40  # completions at once
BETWEEN = "---"  # the line between two typed completions


@dataclass(frozen=True)
class Sample:
    """A completion to the prompt of a row of the data."""

    row: int
    completion: str


@dataclass(frozen=True)
class Outcome:
    """What one reward gave: a number for each sample, None where it left the sample out or gave nothing at all.

    `wrong` is why it gave nothing, where that was its own fault.
    """

    reward: Reward
    values: tuple[float | None, ...]
    tried: bool = True
    wrong: Finding | None = None


@dataclass(frozen=True)
class Trial:
    """A table of samples by rewards, the weighted sums, and what went wrong."""

    samples: tuple[Sample, ...]
    outcomes: tuple[Outcome, ...]
    sums: tuple[float | None, ...]
    findings: tuple[Finding, ...]


def typed_completions(text: str) -> list[str]:
    """The completions that a box holds, set apart by lines of three dashes."""
    parts: list[list[str]] = [[]]
    for line in text.replace("\r\n", "\n").split("\n"):
        if line.strip() == BETWEEN:
            parts.append([])
        else:
            parts[-1].append(line)
    return ["\n".join(part).strip("\n") for part in parts]


def samples_of(rows: Sequence[Mapping[str, Any]], typed: Sequence[str], column: str | None) -> list[Sample]:
    """Each typed completion for each row; with a `column` what stands there for the row instead."""
    if column is not None:
        found = [Sample(number, whole(_said(row.get(column)))) for number, row in enumerate(rows)]
    else:
        # No tokenizer takes half of a character, and no model writes one.
        found = [Sample(number, whole(completion)) for number in range(len(rows)) for completion in typed]
    return found[:MOST]


def _said(cell: Any) -> str:
    """A cell as a completion: text as it is, of messages the last one's."""
    last = cell[-1] if isinstance(cell, list) and cell else cell
    if isinstance(last, Mapping):
        last = last.get("content", last.get("value"))
    return "" if last is None else str(last)


def arguments_for(rows: Sequence[Mapping[str, Any]], samples: Sequence[Sample]) -> dict[str, Any]:
    """What TRL hands to reward functions for these samples; its own state aside."""
    used = [rows[sample.row] for sample in samples]
    prompts = [row.get("prompt") for row in used]
    # As TRL: the first prompt decides what all of them are.
    chat = bool(prompts) and isinstance(prompts[0], list)
    completions: list[Any] = [
        [{"role": "assistant", "content": sample.completion}] if chat else sample.completion for sample in samples
    ]
    names = [name for name in (used[0] if used else {}) if name not in KEPT_BACK]
    columns = {name: [row.get(name) for row in used] for name in names}
    return {"prompts": prompts, "completions": completions, "columns": columns}


def judged(rewards: Sequence[Reward], samples: Sequence[Sample], told: Sequence[Mapping[str, Any]]) -> Trial:
    """The table of what the rewards gave. `told` holds, for each reward, `values` or what was wrong."""
    outcomes, findings = [], []
    for reward, said in zip(rewards, told, strict=True):
        wrong = _wrong(reward, said, len(samples))
        values = said.get("values") if wrong is None or wrong.level != "error" else None
        if wrong is not None and wrong not in findings:
            findings.append(wrong)
        if values is None:
            fault = wrong if wrong is not None and wrong.level == "error" else None
            outcomes.append(Outcome(reward, (None,) * len(samples), tried=False, wrong=fault))
            continue
        numbers = tuple(None if value is None or math.isnan(value) else float(value) for value in values)
        outcomes.append(Outcome(reward, numbers))
        findings += _odd(reward, values)
    sums = tuple(_sum(outcomes, place) for place in range(len(samples)))
    tried = [one for one in outcomes if one.tried]
    left_out = [place + 1 for place, total in enumerate(sums) if total is None] if tried else []
    if left_out and len(tried) == len(outcomes):
        why = "TRL learns nothing from a completion that no reward judges."
        words = f"No reward judges {_places(left_out)}."
        findings.append(Finding("warning", Where("argument", FUNCTIONS), words, why))
    return Trial(tuple(samples), tuple(outcomes), sums, tuple(findings))


def _sum(outcomes: Sequence[Outcome], place: int) -> float | None:
    """The weighted sum as TRL makes it: what is left out counts as nothing."""
    given = [(one.reward.weight, one.values[place]) for one in outcomes]
    numbers = [weight * value for weight, value in given if value is not None]
    return sum(numbers) if numbers else None


def _odd(reward: Reward, values: Sequence[float | None]) -> list[Finding]:
    """Values that TRL takes and that are seldom meant."""
    where = _where(reward)
    found = []
    none = [place + 1 for place, value in enumerate(values) if value is None]
    if none:
        words = f"`{reward.name}` gives None for {_places(none)}."
        found.append(Finding("note", where, words, "TRL leaves it out of the sum there."))
    for words, why, odd in (
        ("NaN", "TRL takes it for None, and leaves it out of the sum there.", math.isnan),
        ("infinity", "Every advantage of that group becomes NaN, and the model with it.", math.isinf),
    ):
        places = [place + 1 for place, value in enumerate(values) if value is not None and odd(value)]
        if places:
            level: Literal["error", "warning"] = "warning" if words == "NaN" else "error"
            found.append(Finding(level, where, f"`{reward.name}` gives {words} for {_places(places)}.", why))
    return found


def _wrong(reward: Reward, said: Mapping[str, Any], number: int) -> Finding | None:
    """What kept a reward from giving a number for each completion."""
    kind = said.get("trouble")
    where = _where(reward, said)
    name = f"`{reward.name}`"
    if kind == "raised":
        what = f"{said['type']}: {said['message']}" if said.get("message") else str(said["type"])
        during = "cannot be imported" if said.get("importing") else "raises"
        return Finding("error", where, f"{name} {during}: {what}", str(said.get("text") or ""))
    if kind == "time":
        return Finding("error", where, f"{name} did not end within {said['seconds']:g} s.", str(said.get("text") or ""))
    if kind == "ended":
        why = "A reward function returns; `sys.exit` and too much memory end the whole run."
        return Finding("error", where, f"{name} ended its process.", why)
    if kind == "shape":
        why = "TRL wants a list with one number for each completion."
        return Finding("error", where, f"{name} returns {said['what']}.", why)
    if kind == "untried":
        return Finding("note", where, f"{name} was not tried: {said['what']}", str(said.get("why") or ""))
    if len(said.get("values") or ()) != number:
        words = f"{name} returns {len(said['values'])} rewards for {number} completions."
        return Finding("error", where, words, "TRL wants one for each completion, in their order.")
    return None


def _where(reward: Reward, said: Mapping[str, Any] | None = None) -> Where:
    line = (said or {}).get("line")
    if said and said.get("file"):
        return Where("file", str(said["file"]), line=line)
    if reward.source == "own":
        return Where("file", FILE_NAME, line=line or (reward.function.line if reward.function else None))
    return Where("argument", FUNCTIONS)


def _places(places: Sequence[int]) -> str:
    if len(places) == 1:
        return f"completion {places[0]}"
    shown = ", ".join(map(str, places[:5]))
    return f"completions {shown}" + (f" and {len(places) - 5} more" if len(places) > 5 else "")
