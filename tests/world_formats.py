"""Rows as the world's datasets have them, for each format that the recogniser is to know."""

from __future__ import annotations

import json

from hub_formats import HUB
from hub_formats_more import MORE
from world_rows import (
    ASKED,
    CALL,
    GOOD,
    PAIRS,
    POOR,
    SYSTEM,
    TOOL,
    Rows,
    calling,
    calling_humans,
    graded,
    history,
    human,
    rated,
    rows_of,
    transcript,
    turns,
)

__all__ = [
    "ASKED",
    "CALL",
    "FORMATS",
    "GOOD",
    "PAIRS",
    "POOR",
    "SYSTEM",
    "Rows",
    "history",
    "human",
    "transcript",
    "turns",
]

# Each format with its rows, and for each method the roles that are to be proposed; "" stands for every other method.
FORMATS: dict[str, tuple[Rows, dict[str, dict[str, str]]]] = {
    "alpaca": (
        rows_of(instruction=ASKED, input=["", "Show the steps.", "", ""], output=GOOD),
        {
            "sft": {"instruction": "question", "input": "context", "output": "answer"},
            "grpo": {"instruction": "question", "input": "context", "output": "solution"},
        },
    ),
    "dolly": (
        rows_of(instruction=ASKED, context=["", "Light scatters.", "", ""], response=GOOD, category="open_qa"),
        {"sft": {"instruction": "question", "context": "context", "response": "answer"}},
    ),
    "sharegpt": (rows_of(id=lambda n: f"x{n}", conversations=human), {"sft": {"conversations": "conversation"}}),
    "sharegpt_conversation": (rows_of(conversation=human), {"sft": {"conversation": "conversation"}}),
    "sharegpt_messages": (rows_of(messages=human), {"sft": {"messages": "conversation"}}),
    "sharegpt_roles": (
        rows_of(conversations=turns),
        {"sft": {"conversations": "conversation"}, "grpo": {"conversations": "conversation"}},
    ),
    "sharegpt_system": (
        rows_of(system=SYSTEM, conversations=human),
        {"sft": {"system": "system", "conversations": "conversation"}},
    ),
    "openai_tools": (
        rows_of(messages=calling, tools=json.dumps(TOOL)),
        {"sft": {"messages": "conversation", "tools": "tools"}},
    ),
    "openai_json": (
        rows_of(data=lambda n: json.dumps({"messages": turns(n)})),
        {"sft": {"data": "conversation"}, "distillation": {"data": "conversation"}},
    ),
    "json_turns": (rows_of(conversations=lambda n: json.dumps(human(n))), {"sft": {"conversations": "conversation"}}),
    "question_answer": (
        rows_of(question=ASKED, answer=lambda n: f"Think.\n#### {GOOD[n]}"),
        {
            "sft": {"question": "question", "answer": "answer"},
            "grpo": {"question": "question", "answer": "solution"},
            "distillation": {"question": "question"},
        },
    ),
    "reasoning": (
        rows_of(question=ASKED, reasoning=lambda n: f"Let me see {n}.", answer=GOOD),
        {"sft": {"question": "question", "reasoning": "reasoning", "answer": "answer"}},
    ),
    "prompt_response": (
        rows_of(prompt=ASKED, response=GOOD),
        {"sft": {"prompt": "question", "response": "answer"}, "rloo": {"prompt": "question", "response": "solution"}},
    ),
    "system_question": (
        rows_of(id=lambda n: f"flan.{n}", system_prompt=SYSTEM, question=ASKED, response=GOOD),
        {"sft": {"system_prompt": "system", "question": "question", "response": "answer"}},
    ),
    "hh_rlhf": (
        rows_of(chosen=transcript, rejected=lambda n: transcript(n, POOR)),
        {
            method: {"chosen": "chosen", "rejected": "rejected"}
            for method in ("dpo", "reward", "kto", "grpo", "rloo", "distillation")
        }
        | {"sft": {"chosen": "chosen"}},
    ),
    "pairs_of_conversations": (
        rows_of(chosen=turns, rejected=lambda n: turns(n, POOR)),
        {method: {"chosen": "chosen", "rejected": "rejected"} for method in ("dpo", "grpo", "rloo", "distillation")},
    ),
    "hh_transcript": (rows_of(text=transcript), {"sft": {"text": "conversation"}}),
    "ultrafeedback_binarized": (
        rows_of(
            prompt=ASKED, prompt_id=lambda n: f"id{n}", chosen=turns, rejected=lambda n: turns(n, POOR),
            score_chosen=8.5, score_rejected=3.0,
        ),
        {key: {"prompt": "question", "chosen": "chosen", "rejected": "rejected"} for key in PAIRS}
        | {"sft": {"prompt": "question", "chosen": "chosen"}},
    ),
    "orca_pairs": (
        rows_of(system=SYSTEM, question=ASKED, chosen=GOOD, rejected=POOR),
        {
            method: {"system": "system", "question": "question", "chosen": "chosen", "rejected": "rejected"}
            for method in ("dpo", "kto")
        },
    ),
    "ultrafeedback_scored": (
        rows_of(source="evol", instruction=ASKED, completions=rated),
        {
            "dpo": {"instruction": "question", "completions": "rated"},
            "sft": {"instruction": "question", "completions": "rated"},
        },
    ),
    "answers_and_scores": (
        rows_of(prompt=ASKED, responses=lambda n: [POOR[n], GOOD[n]], scores=[[0.1, 0.9]] * 4),
        {method: {"prompt": "question", "responses": "answers", "scores": "scores"} for method in ("dpo", "reward")},
    ),
    "scored_columns": (
        rows_of(prompt=ASKED, response_0=POOR, response_1=GOOD, score_0=[1.5, 2, 0, 3], score_1=[4, 2.5, 1, 3.5]),
        {
            method: {
                "prompt": "question", "response_0": "answers", "response_1": "answers", "score_0": "scores",
                "score_1": "scores",
            }
            for method in ("dpo", "reward", "sft")
        },
    ),
    "graded_solutions": (
        rows_of(question=ASKED, ground_truth=GOOD, small=graded(POOR, False), big=graded(GOOD, True)),
        {method: {"question": "question", "small": "rated", "big": "rated"} for method in ("dpo", "kto", "reward")}
        | {"sft": {"question": "question", "ground_truth": "answer"}},
    ),
    "arena": (
        rows_of(
            model_a="x", model_b="y", winner=["model_a", "model_b", "model_a", "model_b"],
            conversation_a=turns, conversation_b=lambda n: turns(n, POOR),
        ),
        {
            method: {"conversation_a": "answer a", "conversation_b": "answer b", "winner": "winner"}
            for method in ("dpo", "sft")
        },
    ),
    "pairs_with_winner": (
        rows_of(prompt=ASKED, response_a=GOOD, response_b=POOR, winner=["model_a", "model_b", "model_a", "model_b"]),
        {
            method: {
                "prompt": "question", "response_a": "answer a", "response_b": "answer b", "winner": "winner",
            }
            for method in ("sft", "dpo", "kto", "reward")
        },
    ),
    "lmsys_arena": (
        rows_of(
            id=lambda n: n, model_a="x", model_b="y", prompt=ASKED, response_a=GOOD, response_b=POOR,
            winner_model_a=[1, 0, 1, 0], winner_model_b=[0, 1, 0, 1], winner_tie=[0] * 4,
        ),
        {
            method: {
                "prompt": "question", "response_a": "answer a", "response_b": "answer b", "winner_model_a": "winner",
                "winner_model_b": "winner", "winner_tie": "winner",
            }
            for method in ("sft", "dpo", "kto", "reward")
        },
    ),
    "safe_rlhf": (
        rows_of(prompt=ASKED, response_0=GOOD, response_1=POOR, better_response_id=[0, 1, 0, 1]),
        {
            "dpo": {
                "prompt": "question", "response_0": "answer a", "response_1": "answer b",
                "better_response_id": "winner",
            }
        },
    ),
    "alpaca_eval": (
        rows_of(instruction=ASKED, output_1=GOOD, output_2=POOR, preference=[1, 2, 1, 2]),
        {
            "reward": {
                "instruction": "question", "output_1": "answer a", "output_2": "answer b", "preference": "winner",
            }
        },
    ),
    "shp": (
        rows_of(history=ASKED, human_ref_A=GOOD, human_ref_B=POOR, labels=[1, 0, 1, 1], score_A=5, score_B=2),
        {"dpo": {"history": "question", "human_ref_A": "answer a", "human_ref_B": "answer b", "labels": "winner"}},
    ),
    "thumbs_text": (
        rows_of(prompt=ASKED, response=GOOD, feedback=["thumbs_up", "thumbs_down", "👍", "thumbs_up"]),
        {method: {"prompt": "question", "response": "answer", "feedback": "label"} for method in ("sft", "kto")},
    ),
    "thumbs_sign": (
        rows_of(question=ASKED, answer=GOOD, vote=[1, -1, 1, -1]),
        {method: {"question": "question", "answer": "answer", "vote": "label"} for method in ("sft", "kto")},
    ),
    "unpaired": (
        rows_of(prompt=ASKED, completion=GOOD, label=[True, False, False, True]),
        {method: {"prompt": "question", "completion": "answer", "label": "label"} for method in ("sft", "kto")},
    ),
    "thumbs_conversation": (
        rows_of(messages=turns, label=["positive", "negative", "positive", "positive"]),
        {method: {"messages": "conversation", "label": "label"} for method in ("sft", "kto")},
    ),
    "graded_answers": (
        rows_of(problem=ASKED, solution=GOOD, is_correct=[1, 0, 0, 1]),
        {"sft": {"problem": "question", "solution": "answer", "is_correct": "label"}},
    ),
    "history_response": (
        rows_of(prompt=history, response=GOOD),
        {"sft": {"prompt": "question", "response": "answer"}, "grpo": {"prompt": "question", "response": "solution"}},
    ),
    "history_json": (
        rows_of(prompt=lambda n: json.dumps(history(n)), response=GOOD),
        {"sft": {"prompt": "question", "response": "answer"}},
    ),
    "history_context": (
        rows_of(context=history, response=GOOD, thumbs_up=[True, False, True, True]),
        {
            method: {"context": "question", "response": "answer", "thumbs_up": "label"} for method in ("sft", "kto")
        },
    ),
    "single_turn_response": (
        rows_of(question=lambda n: turns(n)[:1], answer=GOOD),
        {"sft": {"question": "question", "answer": "answer"}},
    ),
    "messages_response": (
        rows_of(messages=history, response=GOOD, system=SYSTEM),
        {"sft": {"messages": "question", "response": "answer", "system": "system"}},
    ),
    "hh_prompt": (
        rows_of(prompt=lambda n: transcript(n, ("",) * 4), response=GOOD),
        {"sft": {"prompt": "question", "response": "answer"}},
    ),
    "sharegpt_tools": (
        rows_of(conversations=calling_humans, tools=json.dumps(TOOL)),
        {"sft": {"conversations": "conversation", "tools": "tools"}},
    ),
    "stack_exchange_paired": (
        rows_of(qid=lambda n: n, question=ASKED, response_j=GOOD, response_k=POOR),
        {method: {"question": "question", "response_j": "chosen", "response_k": "rejected"} for method in PAIRS},
    ),
    "lima": (
        rows_of(conversations=lambda n: [ASKED[n], GOOD[n]], source="stackexchange"),
        {method: {"conversations": "conversation"} for method in ("sft", "grpo", "distillation")},
    ),
    "ultrachat": (
        rows_of(id=lambda n: f"{n}", data=lambda n: ["Hi", "Hello.", ASKED[n], GOOD[n]]),
        {method: {"data": "conversation"} for method in ("sft", "rloo")},
    ),
    "daily_dialog": (
        rows_of(dialog=lambda n: ["Hello!", "Hi there.", ASKED[n], GOOD[n]], act=[[1, 2, 3, 4]] * 4),
        {"sft": {"dialog": "conversation"}},
    ),
    "cnn_dailymail": (
        rows_of(article=lambda n: f"{ASKED[n]} A long story of it, number {n}.", highlights=GOOD, id=lambda n: f"a{n}"),
        {"sft": {"article": "question", "highlights": "answer"}},
    ),
    "xsum": (
        rows_of(document=lambda n: f"{ASKED[n]} And so on, {n}.", summary=GOOD, id=lambda n: f"{n}"),
        {"sft": {"document": "question", "summary": "answer"}},
    ),
    "samsum": (
        rows_of(id=lambda n: f"{n}", dialogue=lambda n: f"Ann: {ASKED[n]}\nBob: Well...", summary=GOOD),
        {"sft": {"dialogue": "question", "summary": "answer"}},
    ),
    "medical_o1": (
        rows_of(Question=ASKED, Complex_CoT=lambda n: f"Let me see {n}.", Response=GOOD),
        {
            "sft": {"Question": "question", "Complex_CoT": "reasoning", "Response": "answer"},
            "grpo": {"Question": "question", "Response": "solution"},
        },
    ),
    "xlam": (
        rows_of(
            id=lambda n: n, query=ASKED, tools=json.dumps([TOOL[0]["function"]]),
            answers=lambda n: json.dumps([{"name": "weather", "arguments": {"city": GOOD[n]}}] * (n % 2 + 1)),
        ),
        {
            "sft": {"query": "question", "answers": "answer", "tools": "tools"},
            "grpo": {"query": "question", "tools": "tools"},
        },
    ),
    "text_elsewhere": (rows_of(content=GOOD, url="x"), {"sft": {"content": "text"}}),
    "document": (rows_of(document=GOOD), {"sft": {"document": "text"}}),
}  # fmt: skip
FORMATS |= HUB | MORE
