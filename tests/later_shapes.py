"""Shapes whose flaw comes late: a bad cell in the middle, odd tools, tokens, and what changes between chunks."""

from __future__ import annotations

from typing import Any

from dataset_shapes import (
    ASK,
    BAD,
    CHAT,
    CHAT_ASK,
    CHAT_BAD,
    CHAT_GOOD,
    GOOD,
    LONG_BAD,
    LONG_GOOD,
    SHAPES,
    TEXT,
    TURNS,
    Rows,
    _rows,
    _swap,
    assistant,
    turn,
    user,
)

IDS = [[40, 41, 42, 43]] * 4
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
CALLED = [user("Weather?"), {"role": "assistant", "tool_calls": [{"type": "function", "function": {"name": "f"}}]}]

MIDDLE: dict[str, Rows] = {
    "mid_text_list": _rows(text=_swap(TEXT, 2, ["a"])),
    "mid_text_object": _rows(text=_swap(TEXT, 2, {"a": "b"})),
    "mid_text_bool": _rows(text=_swap(TEXT, 2, True)),
    "mid_text_dates": _rows(text=["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"]),
    "mid_prompt_number": _rows(prompt=_swap(ASK, 2, 7), completion=GOOD),
    "mid_prompt_number_alone": _rows(prompt=_swap(ASK, 2, 7)),
    "mid_prompt_object": _rows(prompt=_swap(CHAT_ASK, 2, user("hi"))),
    "mid_completion_list": _rows(prompt=ASK, completion=_swap(GOOD, 2, [assistant("a")])),
    "mid_completion_text": _rows(prompt=CHAT_ASK, completion=_swap(CHAT_GOOD, 2, "yes")),
    "mid_completion_null_first": _rows(prompt=ASK, completion=_swap(GOOD, 0, None)),
    "mid_completion_null_chat": _rows(prompt=CHAT_ASK, completion=_swap(CHAT_GOOD, 2, None)),
    "mid_messages_number": _rows(messages=_swap(CHAT, 2, 4)),
    "mid_messages_object": _rows(messages=_swap(CHAT, 2, user("hi"))),
    "mid_messages_of_text": _rows(messages=_swap(CHAT, 2, ["a", "b"])),
    "mid_messages_null_message": _rows(messages=_swap(CHAT, 2, [user("a"), None])),
    "mid_messages_null_role": _rows(messages=_swap(CHAT, 2, [{"role": None, "content": "a"}, assistant("b")])),
    "mid_messages_number_role": _rows(messages=_swap(CHAT, 2, [{"role": 1, "content": "a"}, assistant("b")])),
    "mid_messages_turns": _rows(messages=_swap(CHAT, 2, [turn("user", "a"), turn("assistant", "b")])),
    "mid_messages_object_content": _rows(messages=_swap(CHAT, 2, [user({"a": 1}), assistant("b")])),
    "mid_messages_extra_keys": _rows(messages=_swap(CHAT, 2, [{**user("a"), "name": "x"}, assistant("b")])),
    "mid_messages_odd_role": _rows(messages=_swap(CHAT, 2, [{"role": "bot", "content": "a"}, assistant("b")])),
    "mid_messages_call": _rows(messages=_swap(CHAT, 2, [*CALLED, assistant("Sunny.")])),
    "mid_conversations_number": _rows(conversations=_swap(TURNS, 2, [turn("user", 1), turn("assistant", "b")])),
    "mid_conversations_roles": _rows(conversations=_swap(TURNS, 2, [user("a"), assistant("b")])),
    "mid_chosen_number": _rows(prompt=ASK, chosen=_swap(GOOD, 2, 5), rejected=BAD),
    "mid_chosen_number_implicit": _rows(chosen=_swap(LONG_GOOD, 2, 5), rejected=LONG_BAD),
    "mid_rejected_null": _rows(prompt=ASK, chosen=GOOD, rejected=_swap(BAD, 2, None)),
    "mid_rejected_null_implicit": _rows(chosen=LONG_GOOD, rejected=_swap(LONG_BAD, 2, None)),
    "mid_rejected_null_chat": _rows(prompt=CHAT_ASK, chosen=CHAT_GOOD, rejected=_swap(CHAT_BAD, 2, None)),
    "mid_rejected_text_chat": _rows(prompt=CHAT_ASK, chosen=CHAT_GOOD, rejected=_swap(CHAT_BAD, 2, "no")),
    "mid_rejected_list": _rows(prompt=ASK, chosen=GOOD, rejected=_swap(BAD, 2, ["no"])),
    "mid_rejected_empty_chat": _rows(prompt=CHAT_ASK, chosen=CHAT_GOOD, rejected=_swap(CHAT_BAD, 2, [])),
    "mid_preference_prompt_number": _rows(prompt=_swap(ASK, 2, 7), chosen=GOOD, rejected=BAD),
    "mid_preference_equal": _rows(prompt=ASK, chosen=_swap(GOOD, 2, BAD[2]), rejected=BAD),
    "mid_label_text": _rows(prompt=ASK, completion=GOOD, label=[True, False, "yes", False]),
    "mid_label_null_first": _rows(prompt=ASK, completion=GOOD, label=[None, False, True, False]),
    "mid_label_number": _rows(prompt=ASK, completion=GOOD, label=[1, 0, 0.5, 0]),
    "mid_label_list": _rows(prompt=ASK, completion=GOOD, label=[[True], [False], [True], [False]]),
    "mid_labelled_prompt_null": _rows(prompt=_swap(ASK, 2, None), completion=GOOD, label=[True, False, True, False]),
    "mid_labelled_completion_number": _rows(prompt=ASK, completion=_swap(GOOD, 2, 3), label=[True, False, True, False]),
    # tools
    "tools_objects": _rows(messages=CHAT, tools=[[TOOL]] * 4),
    "tools_null": _rows(messages=CHAT, tools=[None] * 4),
    "tools_bad_third": _rows(messages=CHAT, tools=_swap(["[]"] * 4, 2, "{not json")),
    "tools_empty_text_third": _rows(messages=CHAT, tools=_swap(["[]"] * 4, 2, "")),
    "tools_null_third": _rows(messages=CHAT, tools=_swap(["[]"] * 4, 2, None)),
    "tools_one_object": _rows(messages=CHAT, tools=['{"type": "function"}'] * 4),
    "tools_beside_text": _rows(text=TEXT, tools=["none"] * 4),
    "tools_beside_pairs": _rows(prompt=CHAT_ASK, completion=CHAT_GOOD, tools=["none"] * 4),
    "tools_beside_preference": _rows(prompt=CHAT_ASK, chosen=CHAT_GOOD, rejected=CHAT_BAD, tools=["none"] * 4),
    "tools_beside_prompt": _rows(prompt=CHAT_ASK, tools=["none"] * 4),
    # tokens
    "ids_bool": _rows(input_ids=[[True, False]] * 4),
    "ids_null_inside": _rows(input_ids=_swap(IDS, 2, [40, None, 42])),
    "ids_nested": _rows(input_ids=[[[40, 41]]] * 4),
    "ids_number": _rows(input_ids=[40, 41, 42, 43]),
    "ids_text_third": _rows(input_ids=_swap(IDS, 2, "40 41")),
    "ids_labels_null": _rows(input_ids=IDS, labels=_swap(IDS, 2, None)),
    "ids_labels_number": _rows(input_ids=IDS, labels=[1, 0, 1, 0]),
    "ids_completion_mask": _rows(input_ids=IDS, completion_mask=[[0, 0, 1, 1]] * 4),
    "ids_assistant_masks": _rows(input_ids=IDS, assistant_masks=[[0, 0, 1, 1]] * 4),
    "ids_and_messages": _rows(input_ids=IDS, messages=CHAT),
    "ids_and_prompt": _rows(input_ids=IDS, prompt=ASK),
    "ids_chosen_input": _rows(chosen_input_ids=IDS, rejected_input_ids=IDS),
    "ids_chosen_null": _rows(chosen_ids=_swap(IDS, 2, None), rejected_ids=IDS),
    "ids_chosen_beside_text": _rows(chosen_ids=IDS, rejected_ids=IDS, chosen=LONG_GOOD, rejected=LONG_BAD),
}

# What the datasets library reads in pieces of so many bytes, with the types of the first one for all.
CHUNKS: dict[str, int] = {}


def _chunked(name: str, *, size: int, **columns: list[Any]) -> None:
    SHAPES[f"later_{name}"] = _rows(**columns)
    CHUNKS[f"later_{name}"] = size


def _sparse(name: str, rows: Rows, size: int) -> None:
    SHAPES[f"later_{name}"] = rows
    CHUNKS[f"later_{name}"] = size


SHAPES.update(MIDDLE)
_chunked("text_number", size=40, text=_swap(TEXT, 3, 5))
_chunked("text_numbers", size=40, text=[*TEXT[:2], 5, 6])
_chunked("text_null", size=40, text=_swap(TEXT, 3, None))
_chunked("text_nulls", size=40, text=[*TEXT[:2], None, None])
_chunked("text_list", size=40, text=_swap(TEXT, 3, ["a"]))
_chunked("text_lists", size=40, text=[*TEXT[:2], ["a"], ["b"]])
_chunked("text_objects", size=40, text=[*TEXT[:2], {"a": "b"}, {"a": "c"}])
_chunked("numbers_text", size=20, text=[1, 2, 3, "four", "five", "six"])
_chunked("nulls_text", size=20, text=[None, None, "three", "four"])
_sparse("new_column", [*({"text": text} for text in TEXT[:2]), *({"text": t, "more": 1} for t in TEXT[2:])], 40)
_sparse("lost_column", [*({"text": t, "more": 1} for t in TEXT[:2]), *({"text": t} for t in TEXT[2:])], 50)
_sparse("lost_text", [*({"text": text} for text in TEXT[:2]), *({"more": t} for t in TEXT[2:])], 40)
_sparse(
    "null_system", [*({"system": None, "text": t} for t in TEXT[:2]), *({"system": t, "text": t} for t in TEXT)], 50
)
_chunked("content_number", size=150, messages=_swap(CHAT, 3, [user("a"), assistant(3)]))
_chunked("content_numbers", size=150, messages=[*CHAT[:2], [user(1), assistant(3)], [user(1), assistant(3)]])
_chunked("message_name", size=150, messages=_swap(CHAT, 3, [{**user("a"), "name": "x"}, assistant("b")]))
_chunked("content_blocks", size=150, messages=_swap(CHAT, 3, [user([{"type": "text", "text": "a"}]), assistant("b")]))
_chunked("messages_text", size=150, messages=_swap(CHAT, 3, "hello"))
_chunked("messages_texts", size=150, messages=[*CHAT[:2], "hello", "you"])
_chunked("messages_empty", size=150, messages=_swap(CHAT, 3, []))
_chunked("messages_first_empty", size=20, messages=[[], [], *CHAT[:2]])
_chunked("chosen_number", size=70, chosen=_swap(LONG_GOOD, 3, 5), rejected=LONG_BAD)
_chunked("chosen_null", size=70, chosen=_swap(LONG_GOOD, 3, None), rejected=LONG_BAD)
_chunked("label_text", size=70, prompt=ASK, completion=GOOD, label=[True, False, True, "no"])
_chunked("label_texts", size=70, prompt=ASK, completion=GOOD, label=[True, False, "yes", "no"])
_chunked("label_number", size=70, prompt=ASK, completion=GOOD, label=[1, 0, 0.5, 1])
_chunked("label_numbers", size=70, prompt=ASK, completion=GOOD, label=[True, False, 1, 0])
_chunked("label_halves", size=70, prompt=ASK, completion=GOOD, label=[1, 0, 0.5, 0.5])
_chunked("ids_numbers", size=40, input_ids=[[40, 41], [40, 41], [40.5, 41.5], [40.5, 41.5]])
_chunked("ids_text", size=40, input_ids=[[40, 41], [40, 41], "40 41", "40 41"])
_chunked("prompt_number", size=40, prompt=_swap(ASK, 3, 5))
_chunked("prompt_chat_text", size=60, prompt=_swap(CHAT_ASK, 3, "hi"))
_sparse("mixed_first", [{"text": 5}, {"text": "a b c d e f"}, {"text": "b b c d e f"}, {"text": ["c"]}], 30)
