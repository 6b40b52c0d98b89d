"""Shapes whose flaw comes late: a bad cell in the middle, odd tools, tokens, and what changes between chunks."""

from __future__ import annotations

import json
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
    ONLY,
    SHAPES,
    TEXT,
    TURNS,
    VALUES,
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

# --- what TRL stops at though the columns look right


def _for(methods: str, name: str, values: dict[str, Any] | None = None, **columns: list[Any]) -> None:
    """A shape that only some methods are asked about, with a recipe's values."""
    SHAPES[name] = _rows(**columns)
    ONLY[name] = tuple(methods.split())
    if values:
        VALUES[name] = values


SIDES = [True, False, True, False]
PAIRS: dict[str, list[Any]] = {"prompt": ASK, "completion": GOOD}
CHAT_PAIRS: dict[str, list[Any]] = {"prompt": CHAT_ASK, "completion": CHAT_GOOD}
PREFERENCE: dict[str, list[Any]] = {"prompt": ASK, "chosen": GOOD, "rejected": BAD}
CHAT_PREFERENCE: dict[str, list[Any]] = {"prompt": CHAT_ASK, "chosen": CHAT_GOOD, "rejected": CHAT_BAD}
PREFERRING = "dpo reward kto"
ONLINE = "grpo rloo distillation"

# an empty list among texts, an empty text among lists
_for("sft", "empty_list_text", text=_swap(TEXT, 2, []))
_for("sft", "empty_list_text_first", text=_swap(TEXT, 0, []))
_for("sft kto", "empty_list_completion", prompt=ASK, completion=_swap(GOOD, 2, []), label=SIDES)
_for(f"sft kto {ONLINE}", "empty_list_prompt", prompt=_swap(ASK, 2, []), completion=GOOD, label=SIDES)
_for(PREFERRING, "empty_list_chosen", **PREFERENCE | {"chosen": _swap(GOOD, 2, [])})
_for(PREFERRING, "empty_list_rejected", **PREFERENCE | {"rejected": _swap(BAD, 2, [])})
_for(PREFERRING, "empty_list_preference_prompt", **PREFERENCE | {"prompt": _swap(ASK, 2, [])})
_for(PREFERRING, "empty_list_chosen_implicit", chosen=_swap(LONG_GOOD, 2, []), rejected=LONG_BAD)
_for(PREFERRING, "empty_text_chosen_chat", **CHAT_PREFERENCE | {"chosen": _swap(CHAT_GOOD, 2, "")})
_for("sft", "empty_text_messages", messages=_swap(CHAT, 2, ""))
_for("sft", "empty_text_completion_chat", prompt=CHAT_ASK, completion=_swap(CHAT_GOOD, 2, ""))
_for("sft", "empty_text_conversations", conversations=_swap(TURNS, 2, ""))
_for(ONLINE, "empty_text_prompt_chat", prompt=_swap(CHAT_ASK, 2, ""))

# text, or the column of dataset_text_field, beside prompts with completions
_for("sft", "pairs_text", **PAIRS, text=TEXT)
_for("sft", "pairs_text_empty", **PAIRS, text=_swap(TEXT, 2, ""))
_for("sft", "pairs_text_null", **PAIRS, text=[None] * 4)
_for("sft", "pairs_text_null_third", **PAIRS, text=_swap(TEXT, 2, None))
_for("sft", "pairs_text_number", **PAIRS, text=[1, 2, 3, 4])
_for("sft", "pairs_text_list", **PAIRS, text=[["a"]] * 4)
_for("sft", "pairs_text_chat", **PAIRS, text=CHAT)
_for("sft", "pairs_chat_text_null", **CHAT_PAIRS, text=[None] * 4)
_for("sft", "pairs_field_number", {"dataset_text_field": "id"}, **PAIRS, id=[1, 2, 3, 4])
_for("sft", "pairs_field_null_text", {"dataset_text_field": "id"}, **PAIRS, text=[None] * 4)
_for("sft", "pairs_field_prompt", {"dataset_text_field": "prompt"}, **PAIRS)
_for("sft", "pairs_field_empty", {"dataset_text_field": ""}, **PAIRS)
_for("sft", "text_field_empty", {"dataset_text_field": ""}, text=TEXT)
_for("sft", "messages_field_empty", {"dataset_text_field": ""}, messages=CHAT)
_for("sft", "text_completion_null", text=TEXT, completion=[None] * 4)
_for("sft", "text_ended_completion_null", text=[text + "<|im_end|>" for text in TEXT], completion=[None] * 4)

# assistant_only_loss
AOL = {"assistant_only_loss": True}
ASKED = [user("Hello?"), user("Are you there?")]
_for("sft", "aol_conversations", AOL, conversations=TURNS)
_for("sft", "aol_conversations_messages", AOL, conversations=TURNS, messages=CHAT)
_for("sft", "aol_messages_silent", AOL, messages=_swap(CHAT, 2, [user("a"), assistant("")]))
_for("sft", "aol_messages_asked_third", AOL, messages=_swap(CHAT, 2, ASKED))
_for("sft", "aol_messages_odd_role", AOL, messages=_swap(CHAT, 2, [user("a"), {"role": "bot", "content": "b"}]))
_for("sft", "aol_messages_completion_text", AOL, messages=CHAT, completion=GOOD)
_for("sft", "aol_pairs", AOL, **CHAT_PAIRS)
_for("sft", "aol_pairs_asked_third", AOL, prompt=CHAT_ASK, completion=_swap(CHAT_GOOD, 2, ASKED))
_for(
    "sft",
    "aol_pairs_answered_before",
    AOL,
    prompt=_swap(CHAT_ASK, 2, [user("a"), assistant("b")]),
    completion=_swap(CHAT_GOOD, 2, ASKED),
)
_for("sft", "aol_ids", AOL, input_ids=IDS)
_for("sft", "aol_ids_messages", AOL, input_ids=IDS, messages=CHAT)

# an empty list in the first row, which TRL looks into; an empty list in a column that is not used
_for("sft", "conversations_empty_first", conversations=_swap(TURNS, 0, []))
_for("sft", "pairs_conversations_empty_first", **PAIRS, conversations=_swap(TURNS, 0, []))
_for("sft", "pairs_conversations_empty_third", **PAIRS, conversations=_swap(TURNS, 2, []))
_for("sft", "pairs_conversations_null_first", **PAIRS, conversations=_swap(TURNS, 0, None))
_for("sft", "pairs_conversations_none", **PAIRS, conversations=[[]] * 4)
_for("sft", "pairs_chat_conversations_empty_first", **CHAT_PAIRS, conversations=_swap(TURNS, 0, []))
_for("sft", "messages_conversations_empty_first", messages=CHAT, conversations=_swap(TURNS, 0, []))
_for("sft", "text_conversations_empty_first", text=TEXT, conversations=_swap(TURNS, 0, []))
_for("sft", "ids_conversations_empty_first", input_ids=IDS, conversations=_swap(TURNS, 0, []))
_for("sft", "pairs_messages_empty_third", **PAIRS, messages=_swap(CHAT, 2, []))
_for("sft", "pairs_chat_messages_empty_third", **CHAT_PAIRS, messages=_swap(CHAT, 2, []))
_for(PREFERRING, "preference_messages_empty_third", **PREFERENCE, messages=_swap(CHAT, 2, []))
_for(PREFERRING, "preference_chat_messages_empty_third", **CHAT_PREFERENCE, messages=_swap(CHAT, 2, []))

# labels beside pairs
_for("kto", "preference_label_text", **PREFERENCE, label=["good"] * 4)
_for("kto", "preference_label_null", **PREFERENCE, label=[None] * 4)
_for("kto", "preference_label_null_third", **PREFERENCE, label=[1, 0, None, 0])
_for("kto", "preference_label_half", **PREFERENCE, label=[0.5, 0, 1, 0])

# columns that only the collators and the rewards read
for _name, _cells in {
    "number": [0.5, 1, 2, 0.1],
    "bool": SIDES,
    "text": ["high"] * 4,
    "null": [None] * 4,
    "null_third": [1.0, 2.0, None, 0.5],
    "list": [[0.5]] * 4,
    "object": [{"a": 1}] * 4,
}.items():
    _for("reward", f"margin_{_name}", **PREFERENCE, margin=_cells)
    _for("dpo", f"ref_chosen_logps_{_name}", **PREFERENCE, ref_chosen_logps=_cells)
    _for("kto", f"ref_logps_{_name}", **PAIRS, label=SIDES, ref_logps=_cells)
_for("reward", "margin_ids_text", chosen_ids=IDS, rejected_ids=IDS, margin=["high"] * 4)
_for("dpo", "ref_rejected_logps_text", **PREFERENCE, ref_rejected_logps=["high"] * 4)
_for("kto", "ref_kl_logps_text", **PAIRS, label=SIDES, ref_KL_logps=["high"] * 4)
for _name in ("prompts", "completions", "completion_ids", "trainer_state", "log_extra", "environment", "rewards"):
    _for(ONLINE, f"reward_argument_{_name}", prompt=ASK, **{_name: TEXT})
_for("sft", "masks_null_text", text=TEXT, assistant_masks=[None] * 4)
_for("sft", "masks_null_third_text", text=TEXT, assistant_masks=_swap([[1] * 90] * 4, 2, None))
_for("sft", "masks_number_text", text=TEXT, assistant_masks=[1] * 4)
_for("sft", "masks_zeros_text", text=TEXT, assistant_masks=[[0, 0]] * 4)
_for("sft", "masks_empty_text", text=TEXT, assistant_masks=[[]] * 4)
_for("sft", "masks_short_text", text=TEXT, assistant_masks=[[1]] * 4)
_for("sft", "masks_long_text", text=TEXT, assistant_masks=[[1] * 90] * 4)
_for("sft", "masks_short_messages", messages=CHAT, assistant_masks=[[1]] * 4)
_for("sft", "masks_null_messages", messages=CHAT, assistant_masks=[None] * 4)
_for("sft", "masks_null_messages_aol", AOL, messages=CHAT, assistant_masks=[None] * 4)
_for("sft", "masks_null_labels", input_ids=IDS, labels=IDS, assistant_masks=[None] * 4)
_for("sft", "completion_mask_null_text", text=TEXT, completion_mask=[None] * 4)
_for("sft", "completion_mask_null_pairs", **PAIRS, completion_mask=[None] * 4)
_for("sft", "completion_mask_null_ids", input_ids=IDS, completion_mask=[None] * 4)
COL = {"completion_only_loss": True}
_for("sft", "completion_mask_null_ids_only", COL, input_ids=IDS, completion_mask=[None] * 4)
_for("sft", "completion_mask_zeros_ids_only", COL, input_ids=IDS, completion_mask=[[0] * 4] * 4)

# tokens
_for("sft", "ids_negative", input_ids=[[40, -1, 42, 43]] * 4)
_for("sft", "ids_negative_third", input_ids=_swap(IDS, 2, [40, -5]))
_for("sft", "ids_all_empty", input_ids=[[]] * 4)
_for("sft", "ids_all_empty_long", {"max_length": None}, input_ids=[[]] * 4)
_for("sft", "ids_labels_short", input_ids=IDS, labels=[[40, 41]] * 4)
_for("sft", "ids_labels_long", input_ids=IDS, labels=[[40] * 6] * 4)
_for("sft", "ids_labels_cut", {"max_length": 2}, input_ids=IDS, labels=[[40, 41, 42]] * 4)
_for("sft", "ids_labels_empty_third", input_ids=IDS, labels=_swap(IDS, 2, []))
_for("sft", "ids_labels_masked", input_ids=IDS, labels=[[-100] * 4] * 4)
_for("sft", "ids_labels_masked_long", {"max_length": None}, input_ids=IDS, labels=[[-100] * 4] * 4)
_for("sft", "ids_labels_masked_third", input_ids=IDS, labels=_swap(IDS, 2, [-100] * 4))
_for("sft", "ids_labels_minus_one", input_ids=IDS, labels=[[-1, 41, -1, 43]] * 4)
_for("sft", "ids_masks_short", input_ids=IDS, assistant_masks=[[1, 1]] * 4)
_for("sft", "ids_masks_long", input_ids=IDS, assistant_masks=[[1] * 9] * 4)
_for("sft", "ids_masks_zeros", input_ids=IDS, assistant_masks=[[0] * 4] * 4)
_for("sft", "ids_masks_null", input_ids=IDS, assistant_masks=_swap(IDS, 2, None))
_for("sft", "ids_masks_text", input_ids=IDS, assistant_masks=["0"] * 4)
_for("sft", "labels_beside_text", text=TEXT, labels=[[40, 41]] * 4)
_for("sft", "labels_beside_messages", messages=CHAT, labels=[[40, 41]] * 4)
_for("sft", "labels_masked_beside_text", text=TEXT, labels=[[-100] * 4] * 4)
_for("reward", "chosen_ids_negative", chosen_ids=[[40, -1]] * 4, rejected_ids=IDS)
_for("reward", "chosen_ids_empty", chosen_ids=[[]] * 4, rejected_ids=IDS)

# tools, and what else the chat template is given
for _name, _cell in {
    "number": 5,
    "false": False,
    "object": TOOL,
    "list_text": ["f"],
    "list_number": [1],
    "list_empty": [],
    "text_zero": "0",
    "text_null": "null",
    "text_false": "false",
    "text_word": '"f"',
    "text_nothing": '""',
    "text_object": json.dumps(TOOL),
    "text_empty_object": "{}",
    "text_list_text": '["f"]',
    "text_list_null": "[null]",
}.items():
    _for("sft", f"tools_{_name}_messages", messages=CHAT, tools=[_cell] * 4)
    _for("sft", f"tools_{_name}_text", text=TEXT, tools=[_cell] * 4)
    _for(PREFERRING, f"tools_{_name}_preference", **CHAT_PREFERENCE, tools=[_cell] * 4)
for _name in ("tokenize", "return_dict", "conversation", "messages", "add_generation_prompt", "enable_thinking"):
    _for("sft", f"kwargs_{_name}_messages", messages=CHAT, chat_template_kwargs=[{_name: True}] * 4)
    _for("sft", f"kwargs_{_name}_text", text=TEXT, chat_template_kwargs=[{_name: True}] * 4)
    _for("sft", f"kwargs_{_name}_pairs", **CHAT_PAIRS, chat_template_kwargs=[{_name: True}] * 4)
    _for(PREFERRING, f"kwargs_{_name}_preference", **CHAT_PREFERENCE, chat_template_kwargs=[{_name: True}] * 4)
_for("sft", "kwargs_tokenize_third", messages=CHAT, chat_template_kwargs=_swap([{"a": 1}] * 4, 2, {"tokenize": True}))

# JSON text among what it is the text of
_for("sft", "json_among_messages", messages=_swap(CHAT, 1, json.dumps(CHAT[1])))
_for(ONLINE, "json_among_prompts", prompt=_swap(CHAT_ASK, 1, json.dumps(CHAT_ASK[1])))
_for(PREFERRING, "json_among_chosen", **CHAT_PREFERENCE | {"chosen": _swap(CHAT_GOOD, 1, json.dumps(CHAT_GOOD[1]))})
_for("sft", "json_number_among_texts", text=[*TEXT[:2], 5, "6"])
_for("sft", "json_empty_among_messages", messages=_swap(CHAT, 2, "[]"))

# what is not read is no matter
_for("sft", "ids_tools_text", input_ids=IDS, tools=["none"] * 4)
_for("sft", "ids_kwargs_null", input_ids=IDS, chat_template_kwargs=[None] * 4)
_for("reward", "chosen_ids_tools_text", chosen_ids=IDS, rejected_ids=IDS, tools=["none"] * 4)
_for("reward", "rejected_ids_empty", chosen_ids=IDS, rejected_ids=[[]] * 4)
_for("sft", "ids_all_empty_packed", {"packing": True}, input_ids=[[]] * 4)
_for("sft", "kwargs_null_pairs", **PAIRS, chat_template_kwargs=[None] * 4)
_for("sft", "aol_pairs_turns", AOL, **CHAT_PAIRS, conversations=TURNS)
_for("sft", "aol_pairs_turns_text", AOL, **PAIRS, conversations=TURNS)

# lists beside texts, and masks that are too short
_for("sft", "text_completion_hollow_third", text=TEXT, completion=_swap(GOOD, 2, []))
_for("sft", "text_chosen_hollow_third", text=TEXT, chosen=_swap([["a"]] * 4, 2, []))
_for("sft", "text_messages_hollow_third", text=TEXT, messages=_swap([["a"]] * 4, 2, []))
_for("sft", "ids_completion_mask_short", input_ids=IDS, completion_mask=[[1, 1]] * 4)
_for("sft", "ids_completion_mask_short_only", COL, input_ids=IDS, completion_mask=[[1, 1]] * 4)
