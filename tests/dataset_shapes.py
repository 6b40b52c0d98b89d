"""Shapes of data: a few rows for each thing that people bring; dataset_truth.json has what TRL makes of them."""

from __future__ import annotations

from typing import Any

Rows = list[dict[str, Any]]


def _rows(**columns: list[Any]) -> Rows:
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def user(text: Any) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def system(text: Any) -> dict[str, Any]:
    return {"role": "system", "content": text}


def turn(who: str, text: Any) -> dict[str, Any]:
    return {"from": who, "value": text}


def _swap(cells: list[Any], index: int, cell: Any) -> list[Any]:
    return [cell if position == index else value for position, value in enumerate(cells)]


TEXT = [f"The sky is blue {n}." for n in "abcd"]
ASK = [f"What is {n}?" for n in "abcd"]
GOOD = [f" It is {n}." for n in "efgh"]
BAD = [f" No idea about {n}." for n in "efgh"]
CHAT_ASK = [[user(text)] for text in ASK]
CHAT_GOOD = [[assistant(text)] for text in GOOD]
CHAT_BAD = [[assistant(text)] for text in BAD]
CHAT = [ask + good for ask, good in zip(CHAT_ASK, CHAT_GOOD, strict=True)]
CHAT_WORSE = [ask + bad for ask, bad in zip(CHAT_ASK, CHAT_BAD, strict=True)]
TURNS = [[turn("user", ask), turn("assistant", good)] for ask, good in zip(ASK, GOOD, strict=True)]
GPT_TURNS = [[turn("human", ask), turn("gpt", good)] for ask, good in zip(ASK, GOOD, strict=True)]
LONG_GOOD = [ask + good for ask, good in zip(ASK, GOOD, strict=True)]
LONG_BAD = [ask + bad for ask, bad in zip(ASK, BAD, strict=True)]
TOOL_CALL = [
    user("Weather?"),
    {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": {"name": "f"}}]},
]

SHAPES: dict[str, Rows] = {
    "text": _rows(text=TEXT),
    "text_null_third": _rows(text=_swap(TEXT, 2, None)),
    "text_null_first": _rows(text=_swap(TEXT, 0, None)),
    "text_empty_third": _rows(text=_swap(TEXT, 2, "")),
    "text_integer": _rows(text=[1, 2, 3, 4]),
    "text_mixed_number": _rows(text=_swap(TEXT, 2, 5)),
    "text_list": _rows(text=[[t] for t in TEXT]),
    "content_column": _rows(content=TEXT),
    "text_and_prompt": _rows(text=TEXT, prompt=ASK),
    "text_and_completion": _rows(text=TEXT, completion=GOOD),
    "text_and_messages": _rows(text=TEXT, messages=CHAT),
    "text_and_label": _rows(text=TEXT, label=[0, 1, 0, 1]),
    "text_and_labels": _rows(text=TEXT, labels=[0, 1, 0, 1]),
    "text_and_image": _rows(text=TEXT, image=["a.png"] * 4),
    "messages": _rows(messages=CHAT),
    "messages_system": _rows(messages=[[system("Be brief."), *chat] for chat in CHAT]),
    "messages_turns": _rows(messages=TURNS),
    "messages_text": _rows(messages=TEXT),
    "messages_json_text": _rows(messages=['[{"role": "user", "content": "hi"}]'] * 4),
    "messages_one_object": _rows(messages=[user(t) for t in TEXT]),
    "messages_empty_first": _rows(messages=_swap(CHAT, 0, [])),
    "messages_empty_third": _rows(messages=_swap(CHAT, 2, [])),
    "messages_null_first": _rows(messages=_swap(CHAT, 0, None)),
    "messages_null_third": _rows(messages=_swap(CHAT, 2, None)),
    "messages_null_content": _rows(messages=_swap(CHAT, 2, [user("a"), assistant(None)])),
    "messages_number_content": _rows(messages=_swap(CHAT, 2, [user("a"), assistant(3)])),
    "messages_empty_content": _rows(messages=_swap(CHAT, 2, [user("a"), assistant("")])),
    "messages_missing_content": _rows(messages=_swap(CHAT, 2, [user("a"), {"role": "assistant"}])),
    "messages_missing_role": _rows(messages=_swap(CHAT, 2, [user("a"), {"content": "b"}])),
    "messages_text_key": _rows(messages=[[{"role": "user", "text": t}] for t in TEXT]),
    "messages_text_third": _rows(messages=_swap(CHAT, 2, "hello")),
    "messages_blocks": _rows(
        messages=[[user([{"type": "text", "text": a}]), assistant([{"type": "text", "text": a}])] for a in ASK]
    ),
    "messages_ends_with_user": _rows(messages=[[*chat, user("And?")] for chat in CHAT]),
    "messages_tool_call": _rows(messages=[*CHAT[:3], TOOL_CALL]),
    "messages_tools_text": _rows(messages=CHAT, tools=['[{"type": "function"}]'] * 4),
    "messages_tools_bad_text": _rows(messages=CHAT, tools=["none"] * 4),
    "messages_and_prompt": _rows(prompt=ASK, messages=CHAT),
    "messages_template_kwargs": _rows(messages=CHAT, chat_template_kwargs=[{"enable_thinking": False}] * 4),
    "messages_template_kwargs_null": _rows(
        messages=CHAT, chat_template_kwargs=_swap([{"enable_thinking": False}] * 4, 2, None)
    ),
    "conversations_turns": _rows(conversations=TURNS),
    "conversations_gpt": _rows(conversations=GPT_TURNS),
    "conversations_roles": _rows(conversations=CHAT),
    "conversations_empty_third": _rows(conversations=_swap(TURNS, 2, [])),
    "conversations_empty_first": _rows(conversations=_swap(TURNS, 0, [])),
    "conversations_null_third": _rows(conversations=_swap(TURNS, 2, None)),
    "conversations_system": _rows(conversations=TURNS, system=TEXT),
    "conversation_column": _rows(conversation=CHAT),
    "prompt_completion": _rows(prompt=ASK, completion=GOOD),
    "prompt_completion_chat": _rows(prompt=CHAT_ASK, completion=CHAT_GOOD),
    "prompt_completion_text_chat": _rows(prompt=ASK, completion=CHAT_GOOD),
    "prompt_completion_chat_text": _rows(prompt=CHAT_ASK, completion=GOOD),
    "prompt_completion_turns": _rows(
        prompt=[[turn("user", a)] for a in ASK], completion=[[turn("assistant", a)] for a in GOOD]
    ),
    "prompt_null": _rows(prompt=_swap(ASK, 2, None), completion=GOOD),
    "prompt_empty": _rows(prompt=_swap(ASK, 2, ""), completion=GOOD),
    "completion_null": _rows(prompt=ASK, completion=_swap(GOOD, 2, None)),
    "completion_empty": _rows(prompt=ASK, completion=_swap(GOOD, 2, "")),
    "completion_number": _rows(prompt=ASK, completion=[1, 2, 3, 4]),
    "completion_empty_chat": _rows(prompt=CHAT_ASK, completion=_swap(CHAT_GOOD, 2, [])),
    "prompt_empty_chat": _rows(prompt=_swap(CHAT_ASK, 2, []), completion=CHAT_GOOD),
    "prompt_completion_ends_with_user": _rows(prompt=CHAT_ASK, completion=[[user("And?")] for _ in ASK]),
    "completion_only": _rows(completion=GOOD),
    "prompt_response": _rows(prompt=ASK, response=GOOD),
    "instruction_output": _rows(instruction=ASK, input=[""] * 4, output=GOOD),
    "question_answer": _rows(question=ASK, answer=GOOD),
    "prompt": _rows(prompt=ASK),
    "prompt_chat": _rows(prompt=CHAT_ASK),
    "prompt_null_third": _rows(prompt=_swap(ASK, 2, None)),
    "prompt_empty_third": _rows(prompt=_swap(ASK, 2, "")),
    "prompt_empty_chat_third": _rows(prompt=_swap(CHAT_ASK, 2, [])),
    "prompt_null_chat_third": _rows(prompt=_swap(CHAT_ASK, 2, None)),
    "prompt_number": _rows(prompt=[1, 2, 3, 4]),
    "prompt_list_of_text": _rows(prompt=[[t] for t in ASK]),
    "prompt_turns": _rows(prompt=[[turn("user", t)] for t in ASK]),
    "prompt_one_object": _rows(prompt=[user(t) for t in ASK]),
    "prompt_ends_with_assistant": _rows(prompt=CHAT),
    "prompt_null_content": _rows(prompt=_swap(CHAT_ASK, 2, [user(None)])),
    "prompt_and_solution": _rows(prompt=ASK, solution=GOOD),
    "prompt_and_image": _rows(prompt=ASK, image=["a.png"] * 4),
    "prompt_mixed": _rows(prompt=_swap(CHAT_ASK, 2, "What?")),
    "chosen_rejected": _rows(chosen=LONG_GOOD, rejected=LONG_BAD),
    "chosen_rejected_chat": _rows(chosen=CHAT, rejected=CHAT_WORSE),
    "preference": _rows(prompt=ASK, chosen=GOOD, rejected=BAD),
    "preference_chat": _rows(prompt=CHAT_ASK, chosen=CHAT_GOOD, rejected=CHAT_BAD),
    "preference_text_prompt": _rows(prompt=ASK, chosen=CHAT, rejected=CHAT_WORSE),
    "preference_chat_prompt": _rows(prompt=CHAT_ASK, chosen=GOOD, rejected=BAD),
    "preference_mixed": _rows(chosen=LONG_GOOD, rejected=CHAT_WORSE),
    "preference_turns": _rows(chosen=TURNS, rejected=GPT_TURNS),
    "preference_equal": _rows(prompt=ASK, chosen=GOOD, rejected=GOOD),
    "preference_equal_chat": _rows(prompt=CHAT_ASK, chosen=CHAT_GOOD, rejected=CHAT_GOOD),
    "implicit_equal": _rows(chosen=LONG_GOOD, rejected=LONG_GOOD),
    "implicit_equal_chat": _rows(chosen=CHAT, rejected=CHAT),
    "implicit_no_common": _rows(chosen=GOOD, rejected=[b.strip() for b in BAD]),
    "implicit_answers_only_chat": _rows(chosen=CHAT_GOOD, rejected=CHAT_BAD),
    "preference_question": _rows(question=ASK, chosen=GOOD, rejected=BAD),
    "preference_question_chat": _rows(question=ASK, chosen=CHAT_GOOD, rejected=CHAT_BAD),
    "chosen_null": _rows(prompt=ASK, chosen=_swap(GOOD, 2, None), rejected=BAD),
    "chosen_empty": _rows(prompt=ASK, chosen=_swap(GOOD, 2, ""), rejected=BAD),
    "rejected_empty": _rows(prompt=ASK, chosen=GOOD, rejected=_swap(BAD, 2, "")),
    "chosen_empty_chat": _rows(prompt=CHAT_ASK, chosen=_swap(CHAT_GOOD, 2, []), rejected=CHAT_BAD),
    "implicit_chosen_empty": _rows(chosen=_swap(LONG_GOOD, 2, ""), rejected=LONG_BAD),
    "implicit_chosen_empty_chat": _rows(chosen=_swap(CHAT, 2, []), rejected=CHAT_WORSE),
    "preference_prompt_null": _rows(prompt=_swap(ASK, 2, None), chosen=GOOD, rejected=BAD),
    "preference_prompt_empty_chat": _rows(prompt=_swap(CHAT_ASK, 2, []), chosen=CHAT_GOOD, rejected=CHAT_BAD),
    "preference_label": _rows(prompt=ASK, chosen=GOOD, rejected=BAD, label=[True, False, True, False]),
    "preference_scores": _rows(prompt=ASK, chosen=GOOD, rejected=BAD, score_chosen=[1.0] * 4, margin=[0.5] * 4),
    "preference_number": _rows(prompt=ASK, chosen=[1, 2, 3, 4], rejected=[5, 6, 7, 8]),
    "preference_messages": _rows(prompt=ASK, messages=CHAT, chosen=CHAT, rejected=CHAT_WORSE),
    "chosen_only": _rows(prompt=ASK, chosen=GOOD),
    "rejected_only": _rows(prompt=ASK, rejected=BAD),
    "labelled": _rows(prompt=ASK, completion=GOOD, label=[True, False, True, False]),
    "labelled_chat": _rows(prompt=CHAT_ASK, completion=CHAT_GOOD, label=[True, False, True, False]),
    "labelled_integer": _rows(prompt=ASK, completion=GOOD, label=[1, 0, 1, 0]),
    "labelled_float": _rows(prompt=ASK, completion=GOOD, label=[1.0, 0.0, 1.0, 0.0]),
    "labelled_score": _rows(prompt=ASK, completion=GOOD, label=[0.9, 0.1, 0.8, 0.2]),
    "labelled_text": _rows(prompt=ASK, completion=GOOD, label=["good", "bad", "good", "bad"]),
    "labelled_text_bool": _rows(prompt=ASK, completion=GOOD, label=["True", "False", "True", "False"]),
    "labelled_null": _rows(prompt=ASK, completion=GOOD, label=[True, False, None, False]),
    "labelled_minus_one": _rows(prompt=ASK, completion=GOOD, label=[1, -1, 1, -1]),
    "labelled_one_sided": _rows(prompt=ASK, completion=GOOD, label=[True] * 4),
    "labelled_no_prompt": _rows(completion=GOOD, label=[True, False, True, False]),
    "labelled_completion_null": _rows(prompt=ASK, completion=_swap(GOOD, 2, None), label=[True, False, True, False]),
    "labelled_text_prompt_chat": _rows(prompt=ASK, completion=CHAT_GOOD, label=[True, False, True, False]),
    "labelled_prompt_empty": _rows(prompt=_swap(ASK, 2, ""), completion=GOOD, label=[True, False, True, False]),
    "labelled_prompt_empty_chat": _rows(
        prompt=_swap(CHAT_ASK, 2, []), completion=CHAT_GOOD, label=[True, False, True, False]
    ),
    "labelled_completion_empty_chat": _rows(
        prompt=CHAT_ASK, completion=_swap(CHAT_GOOD, 2, []), label=[True, False, True, False]
    ),
    "preference_prompt_empty": _rows(prompt=_swap(ASK, 2, ""), chosen=GOOD, rejected=BAD),
    "preference_null_content": _rows(prompt=CHAT_ASK, chosen=_swap(CHAT_GOOD, 2, [assistant(None)]), rejected=CHAT_BAD),
    "preference_ends_with_user": _rows(
        prompt=CHAT_ASK, chosen=[[*good, user("And?")] for good in CHAT_GOOD], rejected=CHAT_BAD
    ),
    "chosen_begins_rejected": _rows(chosen=LONG_GOOD, rejected=[good + " Really." for good in LONG_GOOD]),
    "preference_completion_chat": _rows(prompt=ASK, chosen=GOOD, rejected=BAD, completion=CHAT_GOOD),
    "preference_completion": _rows(prompt=ASK, chosen=GOOD, rejected=BAD, completion=TEXT),
    "preference_chat_completion": _rows(prompt=CHAT_ASK, chosen=CHAT_GOOD, rejected=CHAT_BAD, completion=TEXT),
    "preference_chat_messages": _rows(prompt=CHAT_ASK, chosen=CHAT_GOOD, rejected=CHAT_BAD, messages=CHAT),
    "preference_chat_messages_number": _rows(
        prompt=CHAT_ASK, chosen=CHAT_GOOD, rejected=CHAT_BAD, messages=[1, 2, 3, 4]
    ),
    "preference_messages_number": _rows(prompt=ASK, chosen=GOOD, rejected=BAD, messages=[1, 2, 3, 4]),
    "prompt_completion_and_messages": _rows(prompt=ASK, completion=GOOD, messages=CHAT),
    "prompt_completion_chat_and_messages_text": _rows(prompt=CHAT_ASK, completion=CHAT_GOOD, messages=TEXT),
    "prompt_completion_label_and_messages": _rows(
        prompt=ASK, completion=GOOD, label=[True, False, True, False], messages=CHAT
    ),
    "messages_and_completion_text": _rows(messages=CHAT, completion=GOOD),
    "text_and_chosen_chat": _rows(text=TEXT, chosen=CHAT_GOOD),
    "preference_json_text": _rows(chosen=['[{"role": "user"}]'] * 4, rejected=['[{"role": "assistant"}]'] * 4),
    "prompt_and_image_chat": _rows(prompt=CHAT_ASK, image=["a.png"] * 4),
    "prompt_chat_solution": _rows(prompt=CHAT_ASK, solution=["$2$"] * 4),
    "conversations_null_value": _rows(conversations=_swap(TURNS, 2, [turn("user", "a"), turn("assistant", None)])),
    "conversations_and_prompt": _rows(conversations=TURNS, prompt=ASK),
    "conversations_and_messages": _rows(conversations=TURNS, messages=CHAT),
    "input_ids": _rows(input_ids=[[40, 41, 42, 43]] * 4),
    "input_ids_mask": _rows(input_ids=[[40, 41, 42]] * 4, attention_mask=[[1, 1, 1]] * 4),
    "input_ids_labels": _rows(input_ids=[[40, 41, 42]] * 4, labels=[[-100, 41, 42]] * 4),
    "input_ids_text": _rows(input_ids=["40 41"] * 4),
    "input_ids_float": _rows(input_ids=[[40.5, 41.5]] * 4),
    "input_ids_null": _rows(input_ids=_swap([[40, 41]] * 4, 2, None)),
    "input_ids_empty": _rows(input_ids=_swap([[40, 41]] * 4, 2, [])),
    "input_ids_and_text": _rows(input_ids=[[40, 41, 42]] * 4, text=TEXT),
    "chosen_rejected_ids": _rows(chosen_ids=[[40, 41]] * 4, rejected_ids=[[42, 43]] * 4),
    "prompt_ids": _rows(prompt_ids=[[40, 41]] * 4, completion_ids=[[42, 43]] * 4),
}

# Shapes that are judged with a recipe's values, and the methods that they are judged for; the others go to all seven.
VALUES: dict[str, dict[str, Any]] = {}
ONLY: dict[str, tuple[str, ...]] = {}


def _variant(name: str, shape: str, *methods: str, **values: Any) -> None:
    SHAPES[name] = SHAPES[shape]
    VALUES[name] = values
    ONLY[name] = methods


_variant("content_column_named", "content_column", "sft", dataset_text_field="content")
_variant("content_column_misnamed", "text", "sft", dataset_text_field="content")
_variant("text_assistant_only", "text", "sft", assistant_only_loss=True)
_variant("messages_assistant_only", "messages", "sft", assistant_only_loss=True)
_variant("text_completion_only", "text", "sft", completion_only_loss=True)
_variant("prompt_completion_named", "prompt_completion", "sft", dataset_text_field="completion")
_variant("prompt_accuracy", "prompt_and_solution", "grpo", "rloo", reward_funcs=["accuracy_reward"])
_variant("prompt_chat_accuracy", "prompt_chat_solution", "grpo", "rloo", reward_funcs=["accuracy_reward"])
_variant("prompt_chat_no_solution", "prompt_chat", "grpo", "rloo", reward_funcs=["accuracy_reward"])
_variant("prompt_think", "prompt", "grpo", "rloo", reward_funcs=["think_format_reward"])
_variant("prompt_chat_think", "prompt_chat", "grpo", "rloo", reward_funcs=["think_format_reward"])
