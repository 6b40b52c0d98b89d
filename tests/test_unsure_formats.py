"""Datasets of the Hub of which something is left to the user: nothing is guessed, and what is left out is told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from test_dataset_types import columns_of
from test_recogniser import made, recognised
from world_formats import ASKED, GOOD, POOR, Rows, history, turns
from world_rows import mark, rows_of

from studio.domain.mapping import DataMapping
from studio.domain.methods import METHOD_NAMES
from studio.domain.recogniser import propose
from studio.service.data import Inspection
from studio.service.mappings import Choice, draft
from studio.ui import before_after

LETTERS = ("A", "C", "B", "D")
FOUR = ["red one", "green one", "blue one", "a loud one"]

# Each with the columns without which its question may make no sense.
ASKED_FOR: dict[str, tuple[Rows, tuple[str, ...]]] = {
    "medmcqa": (
        rows_of(question=ASKED, opa="a b", opb="c d", opc="e", opd="f", cop=[0, 1, 2, 3], subject_name="Anatomy"),
        ("opa", "opb", "opc", "opd"),
    ),
    "letters": (rows_of(Question=ASKED, A="x", B="y", C="z", D="w", Answer=LETTERS), ("A", "B", "C", "D")),
    "race": (
        rows_of(article="A long article. It says a lot.", question=ASKED, options=lambda n: list(FOUR), answer=LETTERS),
        ("options",),
    ),
    "hotpotqa": (
        rows_of(question=ASKED, answer=GOOD, context={"title": ["a"], "sentences": [["It is."]]}, level="medium"),
        ("context",),
    ),
    "turns_before": (rows_of(instruction=ASKED, output=GOOD, history=[[["Hi", "Hello there"]]] * 4), ("history",)),
}


@pytest.mark.parametrize("method", METHOD_NAMES)
@pytest.mark.parametrize("name", ASKED_FOR)
def test_what_a_question_needs_and_the_prompt_does_not_hold_is_told(name: str, method: str) -> None:
    rows, wanted = ASKED_FOR[name]
    proposal = recognised(method, rows)
    assert not proposal.sure
    assert proposal.unread == (wanted if proposal.mapping is not None else ())
    if proposal.mapping is not None:
        looked = Inspection("a", method, "reject", columns=tuple(columns_of(rows)), rows=tuple(rows))
        drafted = draft(looked, Choice(), {})
        assert drafted is not None
        assert f"no sense without {', '.join(wanted)}, which" in before_after.words(looked, Choice(), drafted)


# Options to choose from: columns, the answer's column, and what is to be asked and answered of the first row.
OFFERED: list[tuple[dict[str, Any], str, str, str]] = [
    ({"choices": FOUR, "answer": [1, 2, 0, 3]}, "answer", "0. red one\n1. green one\n2. blue one\n3. a loud one", "1"),
    ({"options": FOUR, "answer": LETTERS}, "answer", "A. red one\nB. green one\nC. blue one\nD. a loud one", "A"),
    (
        {"choices": {"text": FOUR[:2], "label": ["1", "2"]}, "answerKey": ["2", "1", "2", "1"]},
        "answerKey",
        "1. red one\n2. green one",
        "2",
    ),
    ({"options": {"A": "red", "B": "blue", "C": None}, "answer": "blue"}, "answer", "A. red\nB. blue", "blue"),
    ({"options": ["A)21", "B)7"], "answer": ["B", "A", "A", "B"]}, "answer", "A)21\nB)7", "B"),
    ({"options": [{"key": "A", "value": "x"}, {"key": "B", "value": "y"}], "answer": "B"}, "answer", "A. x\nB. y", "B"),
    ({"options": [7, 8, 9], "answer": "C"}, "answer", "A. 7\nB. 8\nC. 9", "C"),
]


@pytest.mark.parametrize(("columns", "answer", "asked", "said"), OFFERED)
def test_options_are_asked_with_the_marks_by_which_the_answers_name_them(
    columns: dict[str, Any], answer: str, asked: str, said: str
) -> None:
    (options, offered), (_, answers) = columns.items()
    rows: Rows = [
        {"question": ASKED[n], options: offered, answer: answers if isinstance(answers, str) else answers[n]}
        for n in range(4)
    ]
    prompt = [{"role": "user", "content": f"{ASKED[0]}\n\n{asked}"}]
    for method in ("sft", "grpo", "rloo"):
        proposal = recognised(method, rows)
        assert proposal.sure
        assert proposal.roles[options] == "context"
        row = made(proposal)[0]
        assert row["prompt"] == prompt
        assert method != "sft" or row["completion"][0]["content"] == said
        assert row.get("solution", said) == said
        assert proposal.mapping is not None
        assert DataMapping.from_json(json.loads(json.dumps(proposal.mapping.to_json()))) == proposal.mapping


@pytest.mark.parametrize("answers", [[1, 2, 1, 2], ["x", "y", "z", "w"], ["A", "F", "A", "B"], [1, 2, 7, 1]])
def test_answers_that_do_not_say_which_option_they_mean_are_asked_for(answers: list[Any]) -> None:
    rows: Rows = [{"question": ASKED[n], "options": list(FOUR), "answer": answers[n]} for n in range(4)]
    proposal = recognised("sft", rows)
    assert (proposal.mapping, proposal.sure) == (None, False)
    assert proposal.missing == "The answers do not say which of the options in `options` they mean."
    numbers: Rows = [{"question": ASKED[n], "options": ["0", "1", "2"], "answer": str(n % 3)} for n in range(4)]
    assert recognised("sft", numbers).mapping is None
    odd: Rows = [{"question": ASKED[n], "options": list(FOUR), "answer": "A"} for n in range(4)]
    odd[2]["options"] = None
    assert made(recognised("sft", odd))[2]["prompt"] == turns(2)[:1]


def test_a_long_option_that_is_the_answer_is_no_leak() -> None:
    told = "It is the longest of all the options that are offered."
    rows = [{"question": ASKED[n], "options": {"A": told, "B": "x"}, "answer": told, "answer_idx": "A"}
            for n in range(4)]  # fmt: skip
    assert [recognised(method, rows).leaks for method in ("sft", "grpo", "distillation")] == [()] * 3
    rows[1]["question"] += told
    assert [recognised(method, rows).leaks for method in ("sft", "grpo", "distillation")] == [(1,)] * 3


def test_options_that_the_question_holds_are_not_missed() -> None:
    rows = [{"question": f"{ASKED[n]} A. red B. blue", "choices": ["red", "blue"], "answer": "A"} for n in range(4)]
    assert [recognised(method, rows).sure for method in ("sft", "grpo", "distillation")] == [True] * 3
    apart: Rows = [{"question": ASKED[n], "answer": GOOD[n], "context": [], "history": []} for n in range(4)]
    assert recognised("sft", apart).sure


SPOKEN = ["prompter", "assistant", "prompter", "assistant"]
# Each with a method for which nothing is to be sure, and what may be proposed all the same.
LEFT: dict[str, tuple[str, Rows, dict[str, str]]] = {
    "oasst1": ("sft", rows_of(message_id=mark, parent_id=mark, text=ASKED, role=SPOKEN, lang="en"), {}),
    "helpsteer3": (
        "sft",
        rows_of(domain="x", context=history, response1=GOOD, response2=POOR, overall_preference=[-2, 1, -1, 3]),
        {},
    ),
    "baize": ("grpo", rows_of(topic="x", input=lambda n: f"[|Human|] {ASKED[n]}\n[|AI|] {GOOD[n]}\n[|Human|] "), {}),
    "prompt alone": ("sft", rows_of(data_source="x", prompt=lambda n: turns(n)[:1]), {}),
    "kinds of tasks": ("grpo", rows_of(task="cot_gsm8k", n=[1, 2, 3, 4]), {}),
    "settings": (
        "dpo",
        rows_of(instruction=ASKED, config={"prompt": "x", "temperature": 0}),
        {"instruction": "question"},
    ),
    "parts of a text": ("dpo", rows_of(ctx_a="A man sits.", ctx_b="he", endings=[["a", "b"]] * 4, label="3"), {}),
    "wrong answers": (
        "dpo",
        rows_of(Question=ASKED, **{"Incorrect Answer 1": POOR, "Incorrect Answer 2": "x y"}),
        {"Question": "question"},
    ),
    "two who speak": ("dpo", rows_of(role_1="A", role_2="B", message_1=ASKED, message_2=GOOD), {}),
    "helpsteer": (
        "kto",
        rows_of(prompt=ASKED, response=GOOD, helpfulness=[4, 3, 0, 1], coherence=4),
        {"prompt": "question", "response": "answer", "helpfulness": "score"},
    ),
}


@pytest.mark.parametrize("name", LEFT)
def test_what_is_not_known_is_not_guessed(name: str) -> None:
    method, rows, roles = LEFT[name]
    proposal = recognised(method, rows)
    assert (proposal.roles, proposal.mapping, proposal.sure) == (roles, None, False)


@pytest.mark.parametrize(
    ("prompt", "open_ended"),
    [
        ("### Instruction:\n{asked}\n\n### Response:\n", True),
        ("### Instruction:\n{asked}\n\n### Response:\n{good}", False),
        ("<|im_start|>user\n{asked}<|im_end|>\n<|im_start|>assistant\n", True),
        ("<|im_start|>user\n{asked}<|im_end|>\n<|im_start|>assistant\n{good}<|im_end|>\n", False),
        ("### Instruction:\n{asked}\n### Output:\n{good}", False),
        ("{asked}\n### Output:\nA number.", True),
        ("[INST] {asked} [/INST]", True),
        ("<s>[INST] {asked} [/INST] {good} </s>", False),
        ("USER: Hi ASSISTANT: Hello USER: {asked} ASSISTANT:", True),
        ("USER: Hi ASSISTANT: Hello USER: {asked}", True),
        ("USER: {asked} ASSISTANT: {good}", False),
    ],
)
def test_a_prompt_in_a_template_that_is_answered_already_asks_nothing(prompt: str, open_ended: bool) -> None:
    rows = [{"prompt": prompt.format(asked=ASKED[n], good=GOOD[n]), "n": n} for n in range(4)]
    for method in ("grpo", "rloo", "distillation"):
        assert recognised(method, rows).roles == ({"prompt": "question"} if open_ended else {})


@pytest.mark.parametrize("method", ["grpo", "rloo", "distillation"])
def test_an_answer_of_a_column_that_is_left_aside_is_told_where_the_prompt_holds_it(method: str) -> None:
    rows = [{"prompt": f"Rate this: {GOOD[2]} {n}", "response_a": "x", "chosen": GOOD[2], "rejected": POOR[2]}
            for n in range(4)]  # fmt: skip
    proposal = recognised(method, rows)
    assert (proposal.leaks, proposal.sure) == ((0, 1, 2, 3), False)


def test_the_question_that_holds_no_answer_asks() -> None:
    rows = [{"instruction": ASKED[n], "output": GOOD[n], "prompt": f"{ASKED[n]} {GOOD[n]}"} for n in range(4)]
    assert recognised("sft", rows).roles == {"instruction": "question", "output": "answer"}
    same = [{"prompt": ASKED[n], "question": ASKED[n], "response": GOOD[n]} for n in range(4)]
    assert recognised("sft", same).roles == {"prompt": "question", "response": "answer"}


def test_words_that_switch_thinking_on_are_no_thoughts() -> None:
    rows: list[dict[str, Any]] = [{"input": ASKED[n], "output": GOOD[n], "reasoning": "on"} for n in range(4)]
    assert recognised("sft", rows).roles == {"input": "question", "output": "answer"}
    tagged = [{"prompt": ASKED[n], "context": "sentimental"} for n in range(4)]
    assert recognised("grpo", tagged).roles == {"prompt": "question"}


def test_a_solution_and_its_final_answer_are_told_apart() -> None:
    rows = [{"problem": ASKED[n], "solution": f"Step by step we see: it is {n}.", "answer": str(n)} for n in range(4)]
    assert recognised("sft", rows).roles == {"problem": "question", "solution": "answer"}
    assert recognised("grpo", rows).roles == {"problem": "question", "answer": "solution"}
    alike = [{"problem": ASKED[n], "solution": GOOD[n], "answer": POOR[n] * 3} for n in range(4)]
    assert recognised("sft", alike).unclear == ("answer",)
    assert recognised("grpo", alike).unclear == ("solution",)


def test_one_message_in_a_cell_is_an_answer() -> None:
    said = [
        {"conversations": [{"from": "human", "value": ASKED[n]}], "chosen": {"from": "gpt", "value": GOOD[n]},
         "rejected": {"from": "gpt", "value": POOR[n]}} for n in range(4)
    ]  # fmt: skip
    assert made(recognised("dpo", said))[0] == {
        "prompt": turns(0)[:1], "chosen": turns(0)[1:], "rejected": turns(0, POOR)[1:],
    }  # fmt: skip
    roles = {"chosen": "chosen", "rejected": "rejected", "conversations": "question"}
    mapping = propose("dpo", roles, columns_of(said), said).mapping
    assert mapping is not None
    assert json.loads(json.dumps(mapping.to_json()))["target"] == "preference"


def test_names_of_classes_are_no_answers() -> None:
    rows = [{"prompt": ASKED[n], "label": ["not toxic", "very toxic"][n % 2]} for n in range(4)]
    assert recognised("sft", rows).roles == {}
    told = [{"prompt": ASKED[n], "label": f"{GOOD[n]} So it is."} for n in range(4)]
    assert recognised("sft", told * 3).roles == {"prompt": "question", "label": "answer"}


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_an_odd_cell_among_lists_of_turns_stops_nothing(method: str) -> None:
    rows: Rows = [{"dialog": ["Hi", GOOD[n]], "label": (n + 1) % 2} for n in range(4)]
    rows[2]["dialog"] = True
    assert recognised(method, rows).mapping is None or recognised(method, rows).bad


@pytest.mark.parametrize("written", ["text", "turns"])
def test_a_worse_answer_that_is_empty_stops_nothing(written: str) -> None:
    rows: Rows = [
        {"prompt": ASKED[n], "response_a": turns(n, POOR) if written == "turns" else POOR[n],
         "response_b": turns(n) if written == "turns" else GOOD[n], "winner": "model_b"} for n in range(4)
    ]  # fmt: skip
    rows[1]["response_a"] = [] if written == "turns" else ""
    proposal = recognised("sft", rows)
    assert [row["completion"] for row in made(proposal)] == [turns(n)[1:] for n in range(4)]
    assert [number for number, _ in recognised("dpo", rows).bad] == [1]


@pytest.mark.parametrize("method", ["grpo", "rloo", "distillation"])
def test_answers_of_models_are_no_options(method: str) -> None:
    rows = [{"prompt": ASKED[n], "candidates": [GOOD[n], POOR[n]], "best": 0} for n in range(4)]
    assert made(recognised(method, rows))[0]["prompt"] == turns(0)[:1]
