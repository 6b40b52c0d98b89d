"""What a count of tokens says: totals and steps, and Findings with the change that cures them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from studio.domain.findings import Finding
from studio.domain.token_count import TokenCount, bars, bins, fitting_length, summary, token_findings

SFT = frozenset({"packing", "eos_token", "max_length", "assistant_only_loss"})
GOOD = TokenCount(
    "sft", rows=100, total=1000, examples=100, kept=100, lengths={"example": tuple(range(101, 201))}, tokens=15_050,
    trained=5_000, max_length=256, context=2048, packed=80, packed_tokens=15_050, ends=100, ends_of=100, eos="</s>",
    closing="</s>", shown_of=100,
)  # fmt: skip


def said(count: TokenCount, takes: frozenset[str] = SFT, **values: Any) -> list[Finding]:
    return list(token_findings(count, values, takes))


def one(count: TokenCount, takes: frozenset[str] = SFT, **values: Any) -> Finding:
    (found,) = said(count, takes, **values)
    return found


def test_nothing_is_said_of_what_is_right() -> None:
    assert said(GOOD) == []


def test_totals_are_estimated_from_a_sample_and_exact_for_all() -> None:
    assert (GOOD.exact, GOOD.total_tokens, GOOD.sequences(False), GOOD.sequences(True)) == (False, 150_500, 1000, 800)
    every = replace(GOOD, total=100)
    assert (every.exact, every.total_tokens, every.sequences(False), every.sequences(True)) == (True, 15_050, 100, 80)
    held = replace(every, held=20)
    assert (held.whole, held.exact, held.total_tokens, held.sequences(False)) == (True, False, 12_040, 80)
    assert replace(GOOD, total=None).total_tokens is None
    told = every.to_json()
    assert (told["exact"], told["total_tokens"], told["dropped"]) == (True, 15_050, 0)
    assert told["lengths"] == {"example": {"min": 101, "median": 151, "p95": 195, "max": 200, "mean": 150.5}}


def test_a_recipe_that_packs_has_the_totals_of_its_sequences() -> None:
    packs = replace(GOOD, total=100, kept=100, unpacked=90, packed=40, max_length=128, cut=72)
    assert (packs.dropped, packs.sequences(True), packs.sequences(False)) == (0, 40, 90)
    # Packing takes the beginning of what is too long, whichever end the recipe keeps without.
    assert "their end is cut off" in one(packs, packing=True, truncation_mode="keep_end").why


def test_examples_that_are_cut_are_worth_a_warning_from_a_twentieth_on() -> None:
    assert said(replace(GOOD, max_length=128, cut=4)) == []
    found = one(replace(GOOD, max_length=128, cut=72))
    assert (found.level, found.where.name) == ("warning", "max_length")
    assert found.message == "72 % of the examples, in a sample of 100, are cut."
    assert found.fix is not None
    assert found.fix.set == {"max_length": 256}
    assert "beginning" in one(replace(GOOD, max_length=128, cut=72), truncation_mode="keep_end").why


def test_a_length_beyond_the_context_is_not_offered() -> None:
    short = replace(GOOD, max_length=128, cut=72, context=128)
    found = one(short)
    assert found.fix is None
    assert "reads 128 tokens at most" in found.why
    assert fitting_length(short) is None
    assert fitting_length(replace(short, context=150)) == 150
    assert fitting_length(replace(GOOD, max_length=None)) is None


def test_dropped_examples_and_nothing_left() -> None:
    some = one(replace(GOOD, max_length=128, kept=90, total=100))
    assert (some.level, some.message) == ("warning", "10 % of 100 examples are dropped.")
    assert some.fix is not None
    for total, level in ((100, "error"), (1000, "warning")):
        found = one(replace(GOOD, max_length=64, kept=0, total=total, packed=None))
        assert (found.level, found.message) == (level, "Nothing is left to learn from.")


def test_a_refusal_is_said_with_the_way_out() -> None:
    refused = replace(GOOD, refusal="ValueError: the template is unknown", kept=0)
    found = one(refused, assistant_only_loss=True)
    assert (found.level, found.message, found.why) == (
        "error", "Every token would be masked.", "TRL stops: the template is unknown",
    )  # fmt: skip
    assert found.fix is not None
    assert found.fix.set == {"assistant_only_loss": False}
    other = one(refused)
    assert (other.level, other.fix) == ("warning", None)
    assert one(replace(GOOD, tokenizer="OSError: no file")).where.name == "model_name_or_path"


def test_a_refusal_keeps_from_starting_only_where_it_is_sure() -> None:
    refused = replace(GOOD, refusal="TemplateError: roles must alternate", examples=0, kept=0, total=100)
    for changes, values, level in (
        ({"refuses": "rows"}, {}, "error"),
        ({"refuses": "rows", "total": 1000}, {}, "warning"),
        ({"refuses": "rows", "total": None}, {}, "warning"),
        ({"refuses": "rows", "held": 20}, {}, "warning"),
        ({"refuses": "rows"}, {"streaming": True}, "warning"),
        ({"refuses": "rows"}, {"assistant_only_loss": True}, "error"),
        ({"refuses": ""}, {}, "warning"),
        ({"refuses": "always", "total": 1000}, {}, "error"),
    ):
        found = one(replace(refused, **changes), **values)
        assert (found.level, found.fix) == (level, None), (changes, values)
        assert found.why == "It says: TemplateError: roles must alternate"
    assert one(replace(refused, refuses="rows")).message == "TRL stops while it reads the data."


def test_start_tokens_end_tokens_and_masked_examples() -> None:
    assert "two start tokens" in one(replace(GOOD, double_bos=100)).message
    endless = one(replace(GOOD, ends=0, closing="<|im_end|>"))
    assert (endless.where.name, endless.message) == ("eos_token", "No turn ends with `</s>`.")
    assert endless.fix is not None
    assert endless.fix.set == {"eos_token": "<|im_end|>"}
    assert one(replace(GOOD, method="dpo", ends=0, packed=None), frozenset()).fix is None
    assert "nothing to learn from" in one(replace(GOOD, untaught=3)).message


def test_short_examples_are_offered_packing() -> None:
    short = replace(GOOD, packed=10)
    found = one(short)
    assert (found.level, found.where.name) == ("note", "packing")
    assert found.fix is not None
    assert found.fix.set == {"packing": True}
    assert said(short, packing=True) == []
    assert said(short, frozenset()) == []


def test_prompts_against_what_the_answer_leaves() -> None:
    prompts = TokenCount(
        "grpo", 4, 4, 4, 4, lengths={"prompt": (100, 200, 300, 400)}, room=1800, context=2048, tokens=1000, shown_of=4
    )
    assert (prompts.limit, prompts.beyond) == (248, 2)
    found = one(prompts)
    assert found.message == "50 % of 4 examples leave no room for a whole answer."
    assert found.fix is not None
    assert found.fix.set == {"max_completion_length": 1648}
    assert said(replace(prompts, room=512)) == []
    assert said(replace(prompts, context=None)) == []


def test_lengths_in_parts_and_in_a_few_numbers() -> None:
    assert bins((1, 2, 50, 100, 400), 100, 4) == [2, 1, 0, 2]
    assert sum(bins(tuple(range(1, 201)), 200)) == 200
    assert bars((1, 2, 50, 100, 400), 100, 4) == [(1, 25, 2), (26, 50, 1), (51, 75, 0), (76, 100, 2)]
    assert bars((3, 1), 3) == [(1, 1, 1), (2, 2, 0), (3, 3, 1)]
    assert bars((), 0) == bars((0,), 0) == []
    for top in (7, 16, 100, 1023):
        every = tuple(range(1, top + 1))
        assert all(count == high - low + 1 for low, high, count in bars(every, top)), top
    assert summary(()) == {}
    assert summary((7,)) == {"min": 7, "median": 7, "p95": 7, "max": 7, "mean": 7.0}
