"""Formats of the world: each is recognised, what is unclear is left open, and what comes out is what TRL takes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from dataset_shapes import SHAPES
from test_dataset_types import columns_of
from world_formats import ASKED, CALL, FORMATS, GOOD, PAIRS, POOR, SYSTEM, Rows, history, human, transcript, turns

from studio.domain.column_roles import ROLE_WORDS, Settings, roles_of
from studio.domain.dataset_types import judge
from studio.domain.mapping import DataMapping
from studio.domain.methods import METHOD_NAMES, METHODS
from studio.domain.recogniser import Proposal, propose, recognise
from studio.service.data import Inspection
from studio.service.mappings import Choice, draft, key_of
from studio.ui import before_after
from studio.ui.mapping_card import with_role

CASES = [(name, method) for name, (_, wanted) in FORMATS.items() for method in wanted]
ANSWERS = (*GOOD, *POOR)


def recognised(method: str, rows: Rows) -> Proposal:
    return recognise(method, columns_of(rows), rows)


def made(proposal: Proposal) -> list[dict[str, Any]]:
    return [row for _, rows in proposal.tried for row in rows]


def test_there_are_many_formats() -> None:
    assert len(FORMATS) >= 28
    assert {method for _, method in CASES} == set(METHOD_NAMES)


@pytest.mark.parametrize(("name", "method"), CASES)
def test_a_format_is_recognised_and_becomes_what_trl_takes(name: str, method: str) -> None:
    rows, wanted = FORMATS[name]
    proposal = recognised(method, rows)
    assert proposal.roles == wanted[method]
    assert proposal.unclear == ()
    assert proposal.mapping is not None, proposal.missing
    assert proposal.bad == ()
    assert proposal.sure
    found = judge(method, columns_of(made(proposal)), made(proposal))
    assert found.verdict == "accept"
    assert [finding.message for finding in found.findings if finding.level != "note"] == []
    assert proposal.mapping.target in (*next(one.dataset_types for one in METHODS if one.name == method), found.type)


@pytest.mark.parametrize("method", METHOD_NAMES)
@pytest.mark.parametrize("name", FORMATS)
def test_no_answer_is_ever_in_a_prompt(name: str, method: str) -> None:
    for row in made(recognised(method, FORMATS[name][0])):
        prompt = row.get("prompt", "")
        said = [prompt] if isinstance(prompt, str) else [turn["content"] for turn in prompt]
        for text in said:
            assert text not in ANSWERS
            assert not any(answer in text for answer in ANSWERS if len(answer) > 12)


@pytest.mark.parametrize(("name", "method"), CASES)
def test_a_mapping_is_plain_data(name: str, method: str) -> None:
    mapping = recognised(method, FORMATS[name][0]).mapping
    assert mapping is not None
    plain = json.loads(json.dumps(mapping.to_json()))
    assert DataMapping.from_json(plain) == mapping


@pytest.mark.parametrize(
    ("method", "columns", "role"),
    [
        ("sft", {"question": ASKED, "answer": GOOD, "response": POOR}, "answer"),
        ("sft", {"question": ASKED, "prompt": POOR, "answer": GOOD}, "question"),
        ("sft", {"content": GOOD, "body": POOR}, "text"),
        ("grpo", {"prompt": ASKED, "answer": GOOD, "solution": POOR}, "solution"),
        ("kto", {"prompt": ASKED, "response": GOOD, "label": [1, 0, 1, 0], "vote": [1, 1, 0, 0]}, "label"),
        ("dpo", {"prompt": ASKED, "chosen": GOOD, "preferred": GOOD, "rejected": POOR}, "chosen"),
        ("dpo", {"prompt": ASKED, "answer_a": GOOD, "answer_b": POOR, "winner": ["x", "y", "x", "y"]}, "winner"),
    ],
)
def test_what_two_columns_may_be_is_left_to_the_user(method: str, columns: dict[str, Any], role: str) -> None:
    rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    proposal = recognised(method, rows)
    assert role in proposal.unclear
    assert role not in proposal.roles.values()
    assert not proposal.sure


def test_nothing_is_proposed_for_names_that_say_nothing() -> None:
    rows = [{"a": asked, "b": good} for asked, good in zip(ASKED, GOOD, strict=True)]
    for method in METHOD_NAMES:
        proposal = recognised(method, rows)
        assert proposal.roles == {}
        assert proposal.mapping is None
        assert proposal.missing


def test_speakers_get_the_names_that_chat_templates_know() -> None:
    (row, *_) = made(recognised("sft", FORMATS["sharegpt_system"][0]))
    assert row == {"messages": turns(0, head=SYSTEM)}
    rows = [{"conversations": human(n, tells="narrator")} for n in range(4)]
    (_, why), *_ = recognised("sft", rows).bad or [(0, "")]
    assert recognised("sft", rows).tried == ()
    assert recognised("sft", rows).roles in ({}, {"conversations": "conversation"})
    assert "narrator" in str(why)


def test_a_transcript_parts_where_the_answers_do() -> None:
    (row, *_) = made(recognised("dpo", FORMATS["hh_rlhf"][0]))
    assert [turn["role"] for turn in row["prompt"]] == ["user", "assistant", "user"]
    assert row["chosen"] == [{"role": "assistant", "content": GOOD[0]}]
    assert row["rejected"] == [{"role": "assistant", "content": POOR[0]}]


@pytest.mark.parametrize("name", ["history_response", "history_json", "history_context", "messages_response"])
def test_an_answer_is_learnt_after_the_turns_before_it(name: str) -> None:
    for n, (row,) in recognised("sft", FORMATS[name][0]).tried:
        assert [turn["content"] for turn in row["prompt"] if turn["role"] != "system"] == [
            turn["content"] for turn in history(n)
        ]
        assert row["completion"] == [{"role": "assistant", "content": GOOD[n]}]


def test_turns_that_end_with_another_answer_leave_it_to_the_user_which_is_learnt() -> None:
    rows = [{"prompt": turns(n, POOR), "response": GOOD[n]} for n in range(4)]
    proposal = recognised("sft", rows)
    assert (proposal.unclear, proposal.sure) == (("answer",), False)
    same = recognised("sft", [{"prompt": turns(n), "response": GOOD[n]} for n in range(4)])
    assert same.sure
    assert made(same)[0] == {"prompt": turns(0)[:1], "completion": turns(0)[1:]}


def test_options_in_a_transcript_are_no_speakers() -> None:
    asked = "Which?\n\nA: red\n\nB: blue\n\nH: none"
    rows = [{"text": f"\n\nHuman: {asked}\n\nAssistant: {GOOD[n]}"} for n in range(4)]
    said = [{"role": "user", "content": asked}, {"role": "assistant", "content": GOOD[0]}]
    assert made(recognised("sft", rows))[0] == {"messages": said}
    short = [{"text": f"H: {ASKED[n]}\n\nA: {GOOD[n]} Human: and\n\nAssistant: too"} for n in range(4)]
    answer = f"{GOOD[0]} Human: and\n\nAssistant: too"
    assert [turn["content"] for turn in made(recognised("sft", short))[0]["messages"]] == [ASKED[0], answer]


@pytest.mark.parametrize(
    ("after", "left"),
    [
        (["system"], 1), (["tool"], 1), (["tool", "system"], 1), (["assistant", "tool"], 1), (["call", "tool"], 1),
        (["system", "user"], 4), (["user", "call", "tool"], 5), (["user", "call", "tool", "system"], 6),
        (["user", "call", "tool", "assistant", "system"], 5), (["user", "call"], 3),
    ],
)  # fmt: skip
def test_an_answer_is_never_left_in_a_prompt_whatever_follows_it(after: list[str], left: int) -> None:
    said = {"call": {"role": "assistant", "content": "", "tool_calls": CALL}}
    more = [said.get(who, {"role": who, "content": f"more of {who}"}) for who in after]
    rows = [{"messages": [*turns(n), *more]} for n in range(4)]
    asked = [{"prompt": [*turns(n), *more], "answer": "x" * 30} for n in range(4)]
    for method in ("grpo", "rloo", "distillation"):
        for proposal in (recognised(method, rows), recognised(method, asked)):
            assert [row["prompt"] for row in made(proposal)] == [[*turns(n), *more][:left] for n in range(4)]


def test_an_answer_without_a_score_is_not_lost_in_silence() -> None:
    rows = [{"prompt": ASKED[n], "completions": [{"response": f"{GOOD[n]} {m}", "score": m} for m in range(3)]}
            for n in range(4)]  # fmt: skip
    rows[2]["completions"][1]["score"] = None  # type: ignore[index]
    proposal = propose("kto", recognised("kto", rows).roles, columns_of(rows), rows, Settings(threshold=1))
    assert [(number, str(why)) for number, why in proposal.bad] == [(2, "1 of the 3 answers have no score or no text.")]
    assert len(made(recognised("dpo", rows))) == 4


@pytest.mark.parametrize("labels", [[False] * 4, [0] * 4, [None, False, False, None], [0.0] * 4, ["no"] * 4])
def test_a_label_is_one_before_the_first_good_answer_comes(labels: list[Any]) -> None:
    proposal = recognised("kto", [{"prompt": ASKED[n], "response": GOOD[n], "label": labels[n]} for n in range(4)])
    assert proposal.roles == {"prompt": "question", "response": "answer", "label": "label"}
    assert {row["label"] for row in made(proposal)} == {False}
    assert not proposal.needs_threshold
    rated = recognised("kto", [{"prompt": ASKED[n], "response": GOOD[n], "rating": 1} for n in range(4)])
    assert rated.needs_threshold  # of scores the first ones may be alike


def test_what_stood_in_the_way_of_another_reading_is_not_asked_for() -> None:
    proposal = recognised("kto", FORMATS["arena"][0])
    assert (proposal.unclear, proposal.sure) == ((), True)
    two = recognised("kto", [{"prompt": ASKED[n], "response": GOOD[n], "reply": POOR[n], "label": 1} for n in range(4)])
    assert "answer" in two.unclear


NOTE = "Take it from the note: rain is likely."


def test_a_context_is_asked_whatever_holds_the_question() -> None:
    beside = [{"prompt": ASKED[n], "context": NOTE, "chosen": turns(n), "rejected": turns(n, POOR)} for n in range(4)]
    apart = [{"question": turns(n)[:1], "context": NOTE, "answer": GOOD[n]} for n in range(4)]
    told = [{**row, "chosen": [{"role": "system", "content": NOTE}, *row["chosen"]],
             "rejected": [{"role": "system", "content": NOTE}, *row["rejected"]]} for row in beside]  # fmt: skip
    inside = [{name: cell for name, cell in row.items() if name != "prompt"} for row in beside]
    open_ended = [{"messages": turns(n)[:1], "context": NOTE, "response": GOOD[n]} for n in range(4)]
    plain = [{"input": ASKED[n], "context": NOTE, "output": GOOD[n]} for n in range(4)]
    both = [{"role": "user", "content": f"{ASKED[0]}\n\n{NOTE}"}]
    roles = {"question": "question", "context": "context", "answer": "answer"}
    for method, rows, asked in (
        ("dpo", beside, both),
        ("kto", beside, both),
        ("sft", apart, both),
        ("dpo", inside, both),
        ("sft", open_ended, both),
        ("sft", plain, both),
        ("dpo", told, [{"role": "system", "content": NOTE}, {"role": "user", "content": ASKED[0]}]),
    ):
        proposal = recognised(method, rows)
        assert "context" in proposal.roles.values()
        assert proposal.sure
        assert made(proposal)[0]["prompt"] == asked
        assert rows is not apart or proposal.roles == roles


def test_a_question_that_the_conversation_beside_it_does_not_ask_is_said() -> None:
    rows = [{"prompt": ASKED[n], "chosen": turns(n), "rejected": turns(n, POOR)} for n in range(4)]
    rows[1]["prompt"], rows[2]["prompt"] = "Another question.", f"Human: {ASKED[2]}\nAssistant:"
    proposal = recognised("dpo", rows)
    assert (proposal.unasked, proposal.bad, proposal.sure) == ((1,), (), False)
    found = Inspection("x", "dpo", "reject", columns=tuple(columns_of(rows)), rows=tuple(rows), split="train")
    drafted = draft(found, Choice(key_of(found)), {})
    assert drafted is not None
    assert "asks another one" in before_after.words(found, Choice(), drafted)
    whole = [{"prompt": history(n), "chosen": turns(n), "rejected": turns(n, POOR)} for n in range(4)]
    proposal = recognised("dpo", whole)
    assert (proposal.unasked, made(proposal)[0]["prompt"]) == ((), history(0))


@pytest.mark.parametrize("odd", [7, {"a": 1}, ["x"], True])
@pytest.mark.parametrize("method", ["sft", "grpo"])
def test_one_odd_cell_is_a_row_that_is_named(odd: Any, method: str) -> None:
    rows: Rows = [{"question": ASKED[n % 4], "answer": f"{GOOD[n % 4]} {n}"} for n in range(20)]
    rows[7]["answer"] = odd
    proposal = recognised(method, rows)
    assert proposal.mapping is not None
    assert [(number, str(why)) for number, why in proposal.bad] == (
        [] if isinstance(odd, int) else [(7, "`answer` holds no text")]
    )
    rows = [{"messages": turns(n % 4)} for n in range(20)]
    rows[7]["messages"] = odd
    assert [number for number, _ in recognised(method, rows).bad] == [7]


def test_scores_may_be_written_out_as_text() -> None:
    lists: Rows = [{"prompt": ASKED[n], "responses": [POOR[n], GOOD[n]], "ratings": ["1", "5"]} for n in range(4)]
    proposal = recognised("dpo", lists)
    assert proposal.sure
    assert made(proposal)[0]["chosen"] == turns(0)[1:]
    nested: Rows = [
        {"prompt": ASKED[n], "completions": [{"response": POOR[n], "score": "2"}, {"response": GOOD[n], "score": "10"}]}
        for n in range(4)
    ]
    assert made(recognised("dpo", nested))[0]["chosen"] == turns(0)[1:]
    single: Rows = [{"prompt": ASKED[n], "response": GOOD[n], "rating": str(n + 1)} for n in range(4)]
    proposal = recognised("kto", [*single, {**single[0], "rating": "N/A"}])
    assert (proposal.roles["rating"], proposal.needs_threshold) == ("score", True)
    every = [*single, {**single[0], "rating": "N/A"}]
    proposal = propose("kto", proposal.roles, columns_of(every), every, Settings(threshold=3))
    assert [row["label"] for row in made(proposal)] == [False, False, True, True]
    assert [str(why) for _, why in proposal.bad] == ["`rating` is no number"]


def test_true_and_false_are_answers_to_yes_and_no() -> None:
    rows = [{"question": ASKED[n], "answer": n % 2 == 0} for n in range(4)]
    assert made(recognised("sft", rows))[1]["completion"] == [{"role": "assistant", "content": "False"}]
    assert made(recognised("grpo", rows))[0]["solution"] == "True"
    pairs = [{"prompt": ASKED[n], "chosen": GOOD[n], "rejected": POOR[n], "good": True} for n in range(4)]
    assert recognised("dpo", pairs).roles == {"prompt": "question", "chosen": "chosen", "rejected": "rejected"}


def test_reasoning_that_is_marked_already_is_marked_once() -> None:
    marked = [{"question": ASKED[n], "thinking": f"<think>\nHm {n}.\n</think>", "answer": GOOD[n]} for n in range(4)]
    told = [{**row, "answer": f"<think>Hm {n}.</think>{GOOD[n]}"} for n, row in enumerate(marked)]
    said = [row["completion"][0]["content"] for row in made(recognised("sft", marked))]
    assert said[0] == f"<think>\nHm 0.\n</think>\n\n{GOOD[0]}"
    assert made(recognised("sft", told))[1]["completion"][0]["content"] == told[1]["answer"]


def test_a_call_of_a_tool_that_is_written_out_is_one() -> None:
    (row, *_) = made(recognised("sft", FORMATS["sharegpt_tools"][0]))
    assert [turn["role"] for turn in row["messages"]] == ["user", "assistant", "tool", "assistant"]
    call = {"name": "weather", "arguments": {"city": "Lima"}}
    assert row["messages"][1]["tool_calls"] == [{"type": "function", "function": call}]
    for method in ("grpo", "distillation"):
        (asked, *_) = made(recognised(method, FORMATS["sharegpt_tools"][0]))
        assert [turn["role"] for turn in asked["prompt"]] == ["user", "assistant", "tool"]
    broken = [{"from": "human", "value": "Hi"}, {"from": "function_call", "value": "weather()"}]
    (_, why), *_ = recognised("sft", [*FORMATS["sharegpt_tools"][0], {"conversations": broken}]).bad
    assert "a call of a tool that is no JSON" in str(why)


def test_the_user_decides_from_which_score_an_answer_is_good() -> None:
    rows = [{"prompt": ASKED[n], "response": GOOD[n], "score": n} for n in range(4)]
    proposal = recognised("kto", rows)
    assert proposal.needs_threshold
    assert proposal.mapping is None
    proposal = propose("kto", proposal.roles, columns_of(rows), rows, Settings(threshold=2))
    assert [row["label"] for row in made(proposal)] == [False, False, True, True]


def test_only_what_follows_the_mark_is_the_solution() -> None:
    proposal = recognised("grpo", FORMATS["question_answer"][0])
    assert [row["solution"] for row in made(proposal)] == list(GOOD)
    proposal = propose("grpo", proposal.roles, columns_of(FORMATS["question_answer"][0]), FORMATS["question_answer"][0])
    assert [row["solution"] for row in made(proposal)] == [f"Think.\n#### {one}" for one in GOOD]


@pytest.mark.parametrize(
    ("method", "row", "words"),
    [
        ("sft", {"question": "Why?", "answer": None}, "`answer` is null"),
        ("sft", {"question": " ", "answer": "So."}, "`question` is empty"),
        ("dpo", {"prompt": "Why?", "chosen": "So.", "rejected": "So."}, "Both answers are the same."),
        ("dpo", {"chosen": transcript(0), "rejected": transcript(1)}, "`rejected` parts from the better answer"),
        ("dpo", {"prompt": "Why?", "answer_a": "A", "answer_b": "B", "winner": "tie"}, "`winner` is 'tie'"),
        ("sft", {"messages": [{"role": "user", "content": "Hi"}]}, "`messages` has no answer of the assistant in it"),
        ("grpo", {"conversations": [{"from": "gpt", "value": "Hi"}]}, "has no question of the user"),
    ],
)
def test_a_row_that_cannot_be_mapped_says_why(method: str, row: dict[str, Any], words: str) -> None:
    fine = {
        "answer": FORMATS["question_answer"], "chosen": FORMATS["hh_rlhf"], "messages": FORMATS["sharegpt_messages"],
        "conversations": FORMATS["sharegpt"],
    }  # fmt: skip
    key = next((name for name in fine if name in row), "")
    if "answer_a" in row:
        others = [{"prompt": ASKED[n], "answer_a": GOOD[n], "answer_b": POOR[n], "winner": "a"} for n in range(4)]
    elif "prompt" in row:
        others = [{"prompt": ASKED[n], "chosen": GOOD[n], "rejected": POOR[n]} for n in range(4)]
    else:
        others = fine[key][0]
    proposal = recognised(method, [*others, row])
    ((number, why),) = proposal.bad
    assert number == len(others)
    assert words in str(why)
    assert not proposal.sure


def test_the_user_may_choose_any_role_and_is_told_what_is_missing() -> None:
    rows = [{"a": ASKED[n], "b": GOOD[n]} for n in range(4)]
    columns = columns_of(rows)
    assert "answer" in propose("sft", {"a": "question"}, columns, rows).missing
    assert propose("sft", {"a": "question", "b": "answer"}, columns, rows).sure
    assert "Two columns" in propose("sft", {"a": "answer", "b": "answer"}, columns, rows).missing
    assert "cannot be Conversation" in propose("sft", {"a": "conversation"}, columns, rows).missing
    assert "worse" in propose("dpo", {"a": "chosen"}, columns, rows).missing


def test_an_answer_that_stands_in_the_prompt_is_said() -> None:
    told = "The capital of Peru is Lima, on the coast."
    rows = [{"question": f"Repeat: {told}", "answer": told}, {"question": "What is 2 and 2?", "answer": "2"}]
    proposal = recognised("sft", rows)
    assert proposal.leaks == (0,)
    assert not proposal.sure
    assert recognised("sft", FORMATS["alpaca"][0]).leaks == ()


def test_every_role_has_words_and_every_method_roles() -> None:
    offered = {role for method in METHOD_NAMES for role in roles_of(method)}
    assert offered == set(ROLE_WORDS)


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_every_shape_of_data_is_met_with_a_proposal_or_a_question(method: str) -> None:
    sure = 0
    for name, rows in SHAPES.items():
        columns = columns_of(rows)
        found = Inspection(name, method, "reject", columns=tuple(columns), rows=tuple(rows), split="train")
        drafted = draft(found, Choice(key_of(found)), {})
        assert drafted is not None
        proposal = drafted.proposal
        assert proposal.mapping is not None or proposal.missing, name
        assert before_after.words(found, Choice(), drafted)
        if drafted.own is not None:
            values = {key: value for key, value in drafted.own.set.items() if key != "datasets"}
            kept = drafted.own.set.get("datasets", [{}])[0].get("columns", [column.name for column in columns])
            seen = [{key: row[key] for key in kept if key in row} for row in rows]
            assert judge(method, columns_of(seen), seen, values).verdict == "accept", name
        if proposal.sure:
            sure += 1
            assert judge(method, columns_of(made(proposal)), made(proposal)).verdict == "accept", name
    assert sure > 10


def compared(values: list[Any], winner: str = "label", ends: str = "12") -> Rows:
    one, other = (f"response_{end}" for end in ends)
    return [{"prompt": ASKED[n % 4], one: f"{POOR[n % 4]} {n}", other: f"{GOOD[n % 4]} {n}", winner: value}
            for n, value in enumerate(values)]  # fmt: skip


@pytest.mark.parametrize("values", [[1, 1, 1, 1], [1, 0, 1, 0], [0, 0, 0, 0], [1, -1, 1, -1], [1.0, None, 1.0, 1.0]])
def test_which_of_two_a_number_means_is_asked_where_it_may_be_either(values: list[Any]) -> None:
    rows = compared(values)
    proposal = recognised("dpo", rows)
    assert proposal.roles["label"] == "winner"
    assert (proposal.mapping, proposal.sure) == (None, False)
    assert proposal.missing == "Which values of `label` mean that `response_1` or `response_2` is better?"
    for code in proposal.codes:
        first, second = code.split("/")
        chosen = propose("dpo", proposal.roles, columns_of(rows), rows, Settings(code=code))
        assert chosen.mapping is not None
        assert (chosen.mapping.first, chosen.mapping.second) == ((first,), (second,))
        for number, (row,) in chosen.tried:
            better = "response_1" if str(int(values[number])) == first else "response_2"
            assert row["chosen"][0]["content"] == rows[number][better]
    assert {"1/0", "0/1"} & set(proposal.codes) or 0 not in values


def test_a_number_that_tells_is_not_asked_for() -> None:
    for values, ends in (([1, 2, 1, 1], "12"), ([2, 2, 2, 2], "12"), ([1, 1, 1, 0], "01"), ([0, 0, 0, 0], "01")):
        proposal = recognised("reward", compared(values, ends=ends))
        assert (proposal.sure, proposal.codes) == (True, ())
        for row, value, before in zip(made(proposal), values, compared(values, ends=ends), strict=True):
            assert row["chosen"][0]["content"] == before[f"response_{value}"]


@pytest.mark.parametrize("odd", ["both good", "C", "I cannot say", None, "tie"])
def test_a_few_words_that_name_no_winner_are_rows_to_be_left_out(odd: Any) -> None:
    rows = compared(["A", "B", odd, "A"], "winner", "ab")
    proposal = recognised("dpo", rows)
    assert "winner" in proposal.roles.values()
    ((number, why),) = proposal.bad
    assert number == 2
    assert ("neither answer is the better one" in str(why)) == (odd not in ("C", "I cannot say"))
    assert len(proposal.tried) == 3
    rows = [{"prompt": ASKED[n % 4], "response": GOOD[n % 4], "feedback": ["good", "bad", "so so"][n % 3]}
            for n in range(9)]  # fmt: skip
    assert [number for number, _ in recognised("kto", rows).bad] == [2, 5, 8]


def rated_rows(field: str, best: float, worst: float, column: str = "answers", text: str = "answer") -> Rows:
    """Questions with three answers each, of which the poor one comes first."""
    return [
        {
            "prompt": f"\n\nHuman: {ASKED[n]}\n\nAssistant: ",
            column: [
                {text: POOR[n], "model": "a", field: worst},
                {text: f"{GOOD[n]} Perhaps.", "model": "b", field: (best + worst) / 2},
                {text: GOOD[n], "model": "c", field: best},
            ],
        }
        for n in range(4)
    ]


@pytest.mark.parametrize(
    "rows",
    [
        rated_rows("rank", 1.0, 7.0),
        rated_rows("rank", 1.0, 7.0, "completions", "response"),
        rated_rows("loss", 0.2, 3.5, "completions", "text"),
        rated_rows("toxicity", 0.01, 0.9, "completions", "text"),
        rated_rows("model_position", 1, 3),
        rated_rows("Perplexity", 4.0, 80.0),
        rated_rows("helpfulness_score", 9.0, 2.0),
        rated_rows("upvotes", 90, 2),
    ],
)
def test_the_better_answer_is_the_one_whose_number_means_better(rows: Rows) -> None:
    for method in ("dpo", "reward"):
        proposal = recognised(method, rows)
        assert proposal.sure
        for row, good, poor in zip(made(proposal), GOOD, POOR, strict=True):
            assert (row["chosen"][-1]["content"], row["rejected"][-1]["content"]) == (good, poor)
    plain = [{**row, "prompt": asked} for row, asked in zip(rows, ASKED, strict=True)]
    best = [row["completion"][-1]["content"] for row in made(recognised("sft", plain))]
    assert best == list(GOOD)


def test_good_answers_have_a_rank_up_to_a_number() -> None:
    rows = rated_rows("rank", 1.0, 7.0)
    proposal = recognised("kto", rows)
    assert (proposal.mapping, proposal.needs_threshold, proposal.better) == (None, True, "lower")
    assert "up to which" in proposal.missing
    proposal = propose("kto", proposal.roles, columns_of(rows), rows, Settings(threshold=4))
    labels = {row["completion"][-1]["content"]: row["label"] for row in made(proposal)}
    assert [labels[GOOD[0]], labels[f"{GOOD[0]} Perhaps."], labels[POOR[0]]] == [True, True, False]
    single = [{"prompt": ASKED[n], "response": GOOD[n], "rank": n} for n in range(4)]
    roles = {"prompt": "question", "response": "answer", "rank": "score"}
    ranked = propose("kto", roles, columns_of(single), single, Settings(threshold=1))
    assert [row["label"] for row in made(ranked)] == [True, True, False, False]
    mapping = ranked.mapping
    assert mapping is not None
    assert DataMapping.from_json(json.loads(json.dumps(mapping.to_json()))) == mapping


@pytest.mark.parametrize("field", ["value", "rank_score", "num"])
@pytest.mark.parametrize("method", ["dpo", "sft", "kto"])
def test_a_number_whose_name_does_not_say_which_is_better_is_asked_for(method: str, field: str) -> None:
    rows = [{**row, "prompt": ASKED[n]} for n, row in enumerate(rated_rows(field, 1.0, 7.0))]
    proposal = recognised(method, rows)
    assert "rated" in proposal.roles.values()
    assert not proposal.sure
    assert (proposal.mapping, proposal.better) == (None, "")
    assert f"Is a higher or a lower number the better one in `{field}`?" == proposal.missing
    for better, answer in (("lower", GOOD[0]), ("higher", POOR[0])):
        settings = Settings(threshold=2 if better == "lower" else 6, better=better)
        first = next(row for row in made(propose(method, proposal.roles, columns_of(rows), rows, settings))
                     if row.get("label", True))  # fmt: skip
        assert first["chosen" if method == "dpo" else "completion"][-1]["content"] == answer


def as_json(n: int, answer: tuple[str, ...] = GOOD) -> str:
    return json.dumps(turns(n, answer))


WRITTEN: list[tuple[str, dict[str, Any]]] = [
    *((method, {"prompt": ASKED, "chosen": as_json, "rejected": lambda n: as_json(n, POOR)}) for method in PAIRS),
    *((method, {"prompt": lambda n: json.dumps(turns(n)[:1])}) for method in ("grpo", "rloo", "distillation")),
    ("kto", {"prompt": lambda n: json.dumps(turns(n)[:1]), "completion": GOOD, "label": [True, False] * 2}),
    ("sft", {"text": as_json}),
]


@pytest.mark.parametrize(("method", "columns"), WRITTEN)
def test_messages_written_out_as_text_are_warned_of_and_offered_to_be_mended(
    method: str, columns: dict[str, Any]
) -> None:
    rows = [{name: cells(n) if callable(cells) else cells[n] for name, cells in columns.items()} for n in range(4)]
    written = [name for name in rows[0] if str(rows[0][name]).startswith("[")]
    for more in ([], [{**rows[0], written[0]: "no JSON"}]):
        every = [*rows, *more]
        known = columns_of(every)
        verdict = judge(method, known, every)
        assert verdict.verdict == "accept"
        warned = {one.where.name for one in verdict.findings if "holds JSON text of messages" in one.message}
        assert warned == set(written)
        found = Inspection(
            "x", method, "accept", split="train", columns=tuple(known), rows=tuple(every), findings=verdict.findings
        )
        drafted = draft(found, Choice(key_of(found)), {})
        assert drafted is not None
        assert drafted.offered
        assert [number for number, _ in drafted.proposal.bad] == [4] * len(more)
        assert judge(method, columns_of(made(drafted.proposal)), made(drafted.proposal)).findings == ()


# --- nothing is dropped or guessed in silence


def test_what_stands_before_the_answers_is_in_the_prompt_or_the_row_is_named() -> None:
    own = [{"role": "system", "content": "Own."}]
    greeting = [{"role": "assistant", "content": "Hello."}]

    def rows(before: list[dict[str, str]], system: str) -> Rows:
        said = [[*before, {"role": "assistant", "content": text}] for text in ("good", "poor")]
        return [{"system": system, "prompt": f"q {n}?", "chosen": said[0], "rejected": said[1]} for n in range(4)]

    proposal = recognised("dpo", rows(greeting, "S1"))
    assert [one["content"] for one in made(proposal)[0]["prompt"]] == ["S1", "Hello.", "q 0?"]
    same = recognised("dpo", rows(own, "Own."))
    assert [one["content"] for one in made(same)[0]["prompt"]] == ["Own.", "q 0?"]
    other = recognised("dpo", rows(own, "S1"))
    assert not other.sure
    assert {str(why) for _, why in other.bad} == {"`chosen` has a system message of its own beside that column"}


@pytest.mark.parametrize("name", ["labels", "text", "messages"])
def test_a_column_that_cannot_be_kept_under_its_name_is_told(name: str) -> None:
    rows: Rows = [{"prompt": f"q {n}?", name: f"x {n}"} for n in range(4)]
    told = propose("grpo", {"prompt": "question", name: "keep"}, columns_of(rows), rows)
    assert (told.mapping, told.sure) == (None, False)
    assert told.missing.startswith(f"`{name}` has a meaning of its own for TRL")


def test_true_and_false_are_answers_only_where_something_is_asked() -> None:
    rows: Rows = [{"title": f"t {n}", "content": f"One. Two. Three. {n}", "target": n % 2 == 0} for n in range(8)]
    assert "answer" not in recognised("sft", rows).roles.values()
    asked: Rows = [{"question": f"Is {n} even?", "final_answer": n % 2 == 0} for n in range(8)]
    assert recognised("grpo", asked).roles == {"question": "question", "final_answer": "solution"}


def test_a_lone_1_is_asked_for_where_counting_may_begin_with_0() -> None:
    proposal = recognised("dpo", compared([1, 1, 1, 1], ends="01"))
    assert (proposal.mapping, proposal.sure) == (None, False)
    assert {"1/0", "0/1"} <= set(proposal.codes)


def test_turns_with_both_pairs_of_fields_are_read_by_the_one_that_holds_something() -> None:
    turn = {"role": None, "content": None}
    said = [{**turn, "from": "human", "value": "Hi"}, {**turn, "from": "gpt", "value": "Ho"}]
    proposal = recognised("sft", [{"conversations": said}] * 4)
    assert made(proposal)[0]["messages"] == [
        {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("answers", "scores"),
    [
        (("response_0", "response_1"), ("score_0", "score_1")),
        (("response_a", "response_b"), ("score_a", "score_b")),
        (("answer1", "answer2"), ("answer1_rating", "answer2_rating")),
        (("model_response_A", "model_response_B"), ("reward_B", "reward_A")),
        (("responseA", "responseB"), ("scoreA", "scoreB")),
        (
            ("completion_1", "completion_2", "completion_3"),
            ("completion_1_score", "completion_2_score", "completion_3_score"),
        ),
    ],
)
@pytest.mark.parametrize("columnwise", [True, False])
def test_answers_with_a_score_in_a_column_of_its_own(
    answers: tuple[str, ...], scores: tuple[str, ...], columnwise: bool
) -> None:
    marks = [scores[0], scores[1], *scores[2:]]
    if scores[0] == "reward_B":
        marks = [scores[1], scores[0]]
    better = [n % len(answers) for n in range(5)]
    rows: Rows = []
    for n, best in enumerate(better):
        row = {
            name: f"{GOOD[0]} {n}" if place == best else f"{POOR[0]} {n} {name}" for place, name in enumerate(answers)
        }
        row |= {name: 5.5 if place == best else 1.0 + place for place, name in enumerate(marks)}
        names = [*answers, *scores] if columnwise else [*scores, *answers]
        rows.append({"question": ASKED[0], **{name: row[name] for name in names}})
    rows.append({**rows[0], **dict.fromkeys(scores, 2.0)})  # neither is better
    for method in ("dpo", "reward", "kto"):
        proposal = recognised(method, rows)
        wanted = {**dict.fromkeys(answers, "answers"), **dict.fromkeys(scores, "scores")}
        assert proposal.roles == {"question": "question", **wanted}
        assert proposal.unclear == ()
        assert proposal.better == "higher"
        if method == "kto":
            assert proposal.needs_threshold
            continue
        assert [row["chosen"][0]["content"] for row in made(proposal)] == [f"{GOOD[0]} {n}" for n in range(5)]
        assert all(POOR[0] in row["rejected"][0]["content"] for row in made(proposal))
        assert [(number, str(why)) for number, why in proposal.bad] == [(5, "No two answers differ in their score.")]


def test_each_answer_needs_a_score() -> None:
    rows = [{"q": ASKED[n], "response_0": GOOD[n], "response_1": POOR[n], "score_0": 2, "x": n} for n in range(4)]
    roles = {"q": "question", "response_0": "answers", "response_1": "answers", "score_0": "scores"}
    assert "2 columns are answers, and 1 are scores" in propose("dpo", roles, columns_of(rows), rows).missing
    both = propose("dpo", {**roles, "x": "scores"}, columns_of(rows), rows, Settings(better="higher"))
    assert [row["chosen"][0]["content"] for row in made(both)] == [*GOOD[:2], *POOR[3:4]]


@pytest.mark.parametrize("method", ["sft", "dpo", "kto", "reward"])
@pytest.mark.parametrize("written", ["messages", "transcript", "json"])
def test_turns_after_the_last_answer_are_left_out_and_told(method: str, written: str) -> None:
    def said(n: int, answers: tuple[str, ...]) -> Any:
        told = turns(n, answers)
        told = [*told, {"role": "user", "content": "Thanks, and the next one?"}] if n in (1, 3) else told
        if written == "transcript":
            return "".join(f"\n\n{'Human' if one['role'] == 'user' else 'Assistant'}: {one['content']}" for one in told)
        return json.dumps(told) if written == "json" else told

    rows = [{"chosen": said(n, GOOD), "rejected": said(n, POOR)} for n in range(4)]
    proposal = recognised(method, rows)
    assert proposal.mapping is not None
    assert (proposal.cut, proposal.bad) == ((1, 3), ())
    assert "Thanks" not in json.dumps(made(proposal))
    looked = Inspection("a", method, "reject", columns=tuple(columns_of(rows)), rows=tuple(rows))
    drafted = draft(looked, Choice(), {})
    assert drafted is not None
    assert "In 2 of these rows the turns after the last answer" in before_after.words(looked, Choice(), drafted)


def test_a_conversation_that_is_learnt_whole_is_not_cut() -> None:
    rows = [{"chat": [*turns(n), {"role": "user", "content": "Thanks!"}]} for n in range(4)]
    proposal = recognised("sft", rows)
    assert (proposal.cut, made(proposal)[0]["messages"]) == ((), rows[0]["chat"])


# --- answers that are said to be bad


@pytest.mark.parametrize("name", ["unpaired", "thumbs_text", "thumbs_sign", "thumbs_conversation", "graded_answers"])
def test_sft_learns_the_good_answers_alone_and_says_how_many_are_left_out(name: str) -> None:
    rows = FORMATS[name][0]
    proposal = recognised("sft", rows)
    judged = next(column for column, role in proposal.roles.items() if role == "label")
    bad = tuple(n for n in range(4) if rows[n][judged] in (False, 0, -1, "thumbs_down", "negative"))
    assert (proposal.passed, proposal.learnt, proposal.sure) == (bad, (), True)
    assert bad
    assert [number for number, _ in proposal.tried] == [n for n in range(4) if n not in bad]
    assert all(GOOD[n] not in json.dumps(made(proposal)) for n in bad)
    looked = Inspection("a", "sft", "reject", columns=tuple(columns_of(rows)), rows=tuple(rows))
    drafted = draft(looked, Choice(key_of(looked)), {})
    assert drafted is not None
    assert drafted.own is None  # the columns alone would bring the bad answers along
    words = before_after.words(looked, Choice(key_of(looked)), drafted)
    assert f"{len(bad)} of the 4 rows looked at are left out: their answer is said to be bad." in words


def test_bad_answers_that_the_user_learns_all_the_same_are_told() -> None:
    rows = FORMATS["unpaired"][0]
    looked = Inspection("a", "sft", "accept", columns=tuple(columns_of(rows)), rows=tuple(rows))
    choice = Choice(key_of(looked), {"prompt": "question", "completion": "answer"})
    drafted = draft(looked, choice, {})
    assert drafted is not None
    assert (drafted.proposal.passed, drafted.proposal.learnt) == ((), (1, 2))
    assert "In 2 of these rows the answer is said to be bad, and is learnt too" in before_after.words(
        looked, choice, drafted
    )
    scored = [{"prompt": ASKED[n], "response": GOOD[n], "rating": n} for n in range(4)]
    roles = {"prompt": "question", "response": "answer", "rating": "score"}
    asked = propose("sft", roles, columns_of(scored), scored)
    assert (asked.mapping, asked.needs_threshold) == (None, True)
    assert propose("sft", roles, columns_of(scored), scored, Settings(threshold=2)).passed == (0, 1)


def test_two_columns_that_judge_an_answer_are_left_to_the_user_for_sft_too() -> None:
    rows = [{"prompt": ASKED[n], "response": GOOD[n], "label": n % 2, "vote": n // 2} for n in range(4)]
    proposal = recognised("sft", rows)
    assert (proposal.unclear, proposal.sure, proposal.learnt) == (("label",), False, (0, 1, 2))


def test_rows_that_are_all_bad_leave_nothing_to_learn() -> None:
    rows = [{"prompt": ASKED[n], "response": GOOD[n], "thumbs_up": False} for n in range(4)]
    proposal = recognised("sft", rows)
    assert (proposal.passed, proposal.tried, proposal.sure) == ((0, 1, 2, 3), (), False)


# --- a text that stands alone, and lists of texts


@pytest.mark.parametrize(
    "row",
    [
        {"url": "a page about {}", "n": 1},
        {"id": "the {} one", "data": [1, 2]},
        {"Source": "from the book {}", "n": 1},
        {"fileName": "my file {}", "n": 1},
        {"created_at": "on a day {}", "n": 1},
        {"category": "open question {}", "n": 1},
        {"x": "https://example.org/{}?q=a", "n": 1},
        {"x": "row-{}", "n": 1},
        {"x": "d41d8cd98f00b204e9800998ecf8427{}", "n": 1},
        {"x": "spam", "n": 1},
        {"x": "A review in words, {}.", "tags": ["a", "b"]},
    ],
)
def test_a_lone_text_that_says_where_a_row_is_from_is_not_proposed(row: dict[str, Any]) -> None:
    rows = [{name: cell.format(n) if isinstance(cell, str) else cell for name, cell in row.items()} for n in range(4)]
    proposal = recognised("sft", rows)
    assert (proposal.roles, proposal.sure) == ({}, False)
    assert proposal.missing == "Which columns are to be learnt from?"
    by_hand = propose("sft", {next(iter(row)): "text"}, columns_of(rows), rows)
    assert by_hand.mapping is not None


@pytest.mark.parametrize("text", ["A review in words, {}.", "空が青いのは光が散るからです{}", "ท้องฟ้าเป็นสีฟ้า{}"])
@pytest.mark.parametrize("name", ["x", "source_text", "summary", "review"])
def test_a_lone_text_that_may_be_learnt_is_proposed(name: str, text: str) -> None:
    proposal = recognised("sft", [{name: text.format(n), "n": n} for n in range(4)])
    assert (proposal.roles, proposal.sure) == ({name: "text"}, True)


def test_no_column_that_says_where_a_row_is_from_is_offered_as_the_text_field() -> None:
    for rows in ([{"url": f"https://a/{n}", "n": n} for n in range(4)], FORMATS["lima"][0]):
        (wrong,) = judge("sft", columns_of(rows), rows).findings
        assert (wrong.level, wrong.fix) == ("error", None)


def test_lists_of_texts_may_be_turns_and_need_not() -> None:
    turned = made(recognised("sft", FORMATS["ultrachat"][0]))[0]["messages"]
    assert [one["role"] for one in turned] == ["user", "assistant"] * 2
    assert made(recognised("grpo", FORMATS["ultrachat"][0]))[0]["prompt"] == turned[:3]
    named = [{"dialog": [ASKED[n]], "n": n} for n in range(4)]
    assert recognised("sft", named).roles == {}
    benchmark = [{"prompt_id": n, "turns": [ASKED[n], ASKED[n - 1]]} for n in range(4)]
    assert recognised("sft", benchmark).roles == {}
    assert propose("sft", {"turns": "conversation"}, columns_of(benchmark), benchmark).sure
    others = [{"said": [ASKED[n], GOOD[n]], "n": n} for n in range(4)]
    assert propose("sft", {"said": "conversation"}, columns_of(others), others).sure
    broken = [*FORMATS["lima"][0], {"conversations": ["Hi"], "source": "x"}, {"conversations": ["Hi", " "]}]
    whys = [(number, str(why)) for number, why in recognised("sft", broken).bad]
    assert whys == [
        (4, "`conversations` has no answer of the assistant in it"),
        (5, "`conversations` has a turn in which nothing is said"),
    ]


def test_a_summary_is_never_dropped_in_silence() -> None:
    rows = [{"article": f"{ASKED[n]} Long.", "text": f"{ASKED[n]} Longer.", "summary": GOOD[n]} for n in range(4)]
    proposal = recognised("sft", rows)
    assert (proposal.roles, proposal.unclear, proposal.sure) == ({}, ("question", "answer"), False)


# --- pairs of which one is said to be better


@pytest.mark.parametrize("name", ["pairs_with_winner", "lmsys_arena", "arena"])
def test_sft_learns_the_better_one_of_two(name: str) -> None:
    rows = FORMATS[name][0]
    proposal = recognised("sft", rows)
    pairs = made(recognised("dpo", rows))
    assert [row["completion"] for row in made(proposal)] == [row["chosen"] for row in pairs]
    assert [row["completion"][0]["content"] for row in made(proposal)] == [GOOD[0], POOR[1], GOOD[2], POOR[3]]
    by_hand = propose("sft", proposal.roles, columns_of(rows), rows)
    assert by_hand.mapping == proposal.mapping
    alone = {column: role for column, role in proposal.roles.items() if role != "winner"}
    assert propose("sft", alone, columns_of(rows), rows).missing.startswith("Two answers and the column that says")


@pytest.mark.parametrize("turned", [False, True])
def test_columns_that_mark_the_better_one_are_a_winner_in_any_order(turned: bool) -> None:
    marks = {"winner_tie": [0, 0, 1, 0], "winner_b": [False, True, False, False], "winner_a": [1, 0, 0, 1]}
    rows: Rows = [
        {**{name: cells[n] for name, cells in marks.items()}, "prompt": ASKED[n], "answer_a": GOOD[n],
         "answer_b": POOR[n]} for n in range(4)
    ]  # fmt: skip
    proposal = recognised("dpo", rows)
    roles = dict(proposal.roles)
    if turned:
        roles |= {"answer_a": "answer b", "answer_b": "answer a"}
        proposal = propose("dpo", roles, columns_of(rows), rows)
    assert [row["chosen"][0]["content"] for row in made(proposal)] == [GOOD[0], POOR[1], GOOD[3]]
    ((number, why),) = proposal.bad
    assert (number, str(why)) == (2, "`winner_tie` and `winner_b`, `winner_a` do not say which answer is better")
    assert proposal.mapping is not None
    assert DataMapping.from_json(json.loads(json.dumps(proposal.mapping.to_json()))) == proposal.mapping


def test_two_winners_that_mark_no_answers_are_refused_and_marks_may_be_chosen_one_by_one() -> None:
    rows: Rows = [{"prompt": ASKED[n], "response_a": GOOD[n], "response_b": POOR[n], "winner": "a", "choice": "b",
                   "winner_a": 1, "winner_b": 0} for n in range(4)]  # fmt: skip
    base = {"prompt": "question", "response_a": "answer a", "response_b": "answer b"}
    told = propose("sft", {**base, "winner": "winner", "choice": "winner"}, columns_of(rows), rows)
    assert told.missing == "Two columns are Which is better; one can be."
    looked = Inspection("a", "sft", "reject", columns=tuple(columns_of(rows)), rows=tuple(rows))
    choice = Choice(key_of(looked), base)
    for column, winners in (
        ("winner", {"winner"}),
        ("choice", {"choice"}),
        ("winner_a", {"winner_a"}),
        ("winner_b", {"winner_a", "winner_b"}),
    ):
        found = draft(looked, choice, {})
        assert found is not None
        choice.roles = with_role(found, choice, column, "winner")
        assert {name for name, role in choice.roles.items() if role == "winner"} == winners
    found = draft(looked, choice, {})
    assert found is not None
    assert found.proposal.sure


def test_lists_written_out_as_text_are_no_answers() -> None:
    rows = [{**row, **{name: json.dumps([row[name]]) for name in ("prompt", "response_a", "response_b")}}
            for row in FORMATS["lmsys_arena"][0]]  # fmt: skip
    for method in ("sft", "dpo", "kto", "reward"):
        assert not recognised(method, rows).sure


@pytest.mark.parametrize("method", ["grpo", "rloo", "distillation"])
def test_what_two_answers_answer_to_is_a_prompt(method: str) -> None:
    rows = FORMATS["hh_rlhf"][0]
    asked = [row["prompt"] for row in made(recognised("dpo", rows))]
    assert [row["prompt"] for row in made(recognised(method, rows))] == asked
    assert [prompt[-1] for prompt in asked] == [{"role": "user", "content": one} for one in ASKED]
    # They part where the assistant speaks for the first time: nothing that one of them alone says is a prompt.
    early = [{"chosen": transcript(n), "rejected": transcript(n, POOR).replace("what can I do", "how can I be")}
             for n in range(4)]  # fmt: skip
    assert [row["prompt"] for row in made(recognised(method, early))] == [[{"role": "user", "content": "Hello"}]] * 4
    columns = columns_of(rows)
    assert "choose both columns" in propose(method, {"chosen": "chosen"}, columns, rows).missing
    plain = [{"chosen": GOOD[n], "rejected": POOR[n]} for n in range(4)]
    both = {"chosen": "chosen", "rejected": "rejected"}
    assert recognised(method, plain).roles == {}
    assert propose(method, both, columns_of(plain), plain).missing == "Which column holds the question?"
    cut = [*rows, {"chosen": transcript(0), "rejected": transcript(1)}]
    ((number, why),) = recognised(method, cut).bad
    assert (number, "parts from the better answer" in str(why)) == (4, True)


def test_reasoning_of_medical_questions_is_thought_before_the_answer() -> None:
    said = made(recognised("sft", FORMATS["medical_o1"][0]))[1]["completion"][0]["content"]
    assert said == f"<think>\nLet me see 1.\n</think>\n\n{GOOD[1]}"


def test_answers_that_call_tools_are_calls_beside_tools_alone() -> None:
    rows = FORMATS["xlam"][0]
    proposal = recognised("sft", rows)
    call = {"type": "function", "function": {"name": "weather", "arguments": {"city": GOOD[1]}}}
    assert made(proposal)[1] == {
        "prompt": [{"role": "user", "content": ASKED[1]}],
        "completion": [{"role": "assistant", "content": "", "tool_calls": [call, call]}],
        "tools": rows[1]["tools"],
    }
    alone = {"query": "question", "answers": "answer"}
    assert made(propose("sft", alone, columns_of(rows), rows))[1]["completion"][0]["content"] == rows[1]["answers"]
    odd = [*rows, {**rows[0], "answers": "I cannot."}]
    ((number, why),) = recognised("sft", odd).bad
    assert (number, str(why)) == (4, "`answers` has a call of a tool that is no JSON with name and arguments")
    plain = [{**row, "answers": GOOD[n]} for n, row in enumerate(rows)]
    assert "answer" not in recognised("sft", plain).roles.values()


def test_pairs_that_trl_takes_as_they_are_are_offered_a_copy_without_the_bad_answers() -> None:
    rows = FORMATS["unpaired"][0]
    columns = columns_of(rows)
    verdict = judge("sft", columns, rows)
    assert (verdict.verdict, [one.level for one in verdict.findings]) == ("accept", ["warning"])
    looked = Inspection(
        "a", "sft", "accept", columns=tuple(columns), rows=tuple(rows), findings=verdict.findings, split="train"
    )
    drafted = draft(looked, Choice(key_of(looked)), {})
    assert drafted is not None
    assert (drafted.offered, drafted.own) == (True, None)
