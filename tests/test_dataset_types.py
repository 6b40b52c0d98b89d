"""Verdicts on datasets, against the record of what TRL's own trainers do with each shape."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from dataset_shapes import SHAPES, VALUES, assistant, turn, user
from later_shapes import CHUNKS
from loading_cases import loading_cases, rows_for, written

from studio.adapters.datafiles import open_source
from studio.adapters.hub import HubClient
from studio.adapters.models import local_facts
from studio.adapters.wholecheck import check_all
from studio.domain.arguments import Catalog
from studio.domain.cell_structure import LOOKED_INTO
from studio.domain.checks import check
from studio.domain.columns import Column, column_of, column_of_feature, item_of
from studio.domain.dataset_types import Verdict, judge, methods_for
from studio.domain.errors import StudioError
from studio.domain.findings import Finding, errors
from studio.domain.methods import METHOD_NAMES, METHODS
from studio.domain.model_checks import with_images
from studio.domain.recipe import Recipe
from studio.service.data import Inspection, all_rejudged, inspect, inspect_recipe
from studio.service.mappings import Choice, draft, key_of
from studio.service.paths import Paths

TRUTH_FILE = Path(__file__).with_name("dataset_truth.json")
TRUTH: dict[str, dict[str, str]] = json.loads(TRUTH_FILE.read_text())["shapes"]
LOADING: dict[str, dict[str, str]] = json.loads(TRUTH_FILE.read_text())["loading"]
CASES = [(shape, method) for shape, verdicts in TRUTH.items() for method in verdicts]
# What only shows when all rows are read as TRL reads them: see test_whole_data.py.
WHEN_READ = {*CHUNKS, "mid_text_dates"}
# Nothing to learn in any row: only who has seen all of them can tell.
WHEN_READ |= {"masks_zeros_text", "masks_empty_text", "completion_mask_zeros_ids_only", "ids_masks_zeros"}
WHEN_READ |= {"ids_labels_masked", "labels_masked_beside_text", "chosen_ids_empty"}
WHEN_READ |= {"ids_all_empty", "ids_all_empty_long", "ids_all_empty_packed"}
AT_FIRST = [(shape, method) for shape, method in CASES if shape not in WHEN_READ]

# Where the model or its chat template decides. The record was made with a text model and a template of plain strings.
DEPENDS = {"text_and_image", "prompt_and_image", "prompt_and_image_chat", "messages_blocks", "mid_messages_call"}
DEPENDS |= {"text_ended_completion_null", "aol_messages_odd_role"}
# Where it hangs on how many tokens a text has, or on lengths that are not looked at.
DEPENDS |= {"masks_long_text", "ids_labels_cut", "margin_list", "ref_chosen_logps_list", "ref_logps_list"}


def columns_of(rows: list[dict[str, Any]]) -> list[Column]:
    names = dict.fromkeys(name for row in rows for name in row)
    return [column_of(name, (row.get(name) for row in rows)) for name in names]


def verdict(method: str, rows: list[dict[str, Any]], **values: Any) -> Verdict:
    return judge(method, columns_of(rows), rows, values)


def messages(found: Verdict, level: str) -> list[str]:
    return [finding.message for finding in found.findings if finding.level == level]


def the_error(found: Verdict) -> Finding:
    assert found.verdict == "reject"
    (error,) = [finding for finding in found.findings if finding.level == "error"]
    return error


def test_the_record_is_whole() -> None:
    assert set(TRUTH) == set(SHAPES)
    assert len(CASES) > 1700
    assert {method for _, method in CASES} == set(METHOD_NAMES)
    accepted = sum(TRUTH[shape][method] == "accept" for shape, method in CASES)
    assert 200 < accepted < len(CASES) - 200


@pytest.mark.parametrize(("shape", "method"), AT_FIRST, ids=lambda part: part)
def test_the_verdict_is_trls(shape: str, method: str) -> None:
    found = verdict(method, SHAPES[shape], **VALUES.get(shape, {}))
    truth = "accept" if TRUTH[shape][method] == "accept" else "reject"
    allowed = {truth, "unknown"} if shape in DEPENDS else {truth}
    assert found.verdict in allowed, (TRUTH[shape][method], found.findings)
    assert (found.verdict == "reject") == bool(messages(found, "error"))
    for finding in found.findings:
        assert finding.message.endswith(".")
        assert finding.where.name


@pytest.mark.parametrize("shape", ["text_and_image", "prompt_and_image", "prompt_and_image_chat"])
@pytest.mark.parametrize("method", METHOD_NAMES)
def test_with_a_known_model_the_verdict_on_images_is_trls(shape: str, method: str) -> None:
    """The record was made with a model of text alone, as the demo's is."""
    facts = local_facts(Path(__file__).parents[1] / "assets/demo/model")
    found = list(verdict(method, SHAPES[shape]).findings)
    told = with_images(found, "demo", facts, method, {"llava"})
    assert bool(errors(told)) == (TRUTH[shape][method] != "accept"), TRUTH[shape][method]
    left = [one for one in found if one.message == "`image` makes this data for a vision-language model."]
    assert not any(one in told for one in left)
    assert [one.where.name for one in told if one not in found] == ["model_name_or_path"] * bool(left)
    seeing = with_images(found, "demo", replace(facts, model_type="llava"), method, {"llava"})
    assert seeing == [one for one in found if one not in left]
    assert with_images(found, "demo", replace(facts, model_type=None), method, {"llava"}) == found  # nobody knows


# As TRL has them under a small vision-language model, which takes what is `unknown` here.
CHAT = [user("Why?")]
_TALK = {"messages": [*CHAT, assistant("So.")]}
_PAIR = {"chosen": [assistant("a")], "rejected": [assistant("b")]}
_THUMB = {"prompt": CHAT, "completion": [assistant("a")], "label": True}
_AHEAD = {"precompute_ref_log_probs": True}
_UNREAD = "TRL does not learn from the columns beside `image`."
IMAGES = [
    ("sft", _TALK, {}, ""),
    ("sft", _TALK, {"packing": True}, "`image` does not go with packing."),
    ("sft", _TALK, {"padding_free": True}, "`image` does not go with padding_free."),
    ("sft", _TALK, {"truncation_mode": "keep_end"}, "`image` does not go with truncation_mode."),
    ("sft", _TALK, {"truncation_mode": "keep_end", "max_length": None}, ""),
    ("sft", {"prompt": CHAT, "completion": [assistant("a")]}, {}, ""),
    ("sft", {"text": "a"}, {}, _UNREAD),
    ("sft", {"text": "a"}, {"remove_unused_columns": False}, ""),
    ("sft", {"input_ids": [3, 4]}, {}, _UNREAD),
    ("dpo", {"prompt": CHAT, **_PAIR}, {}, ""),
    ("dpo", {"prompt": CHAT, **_PAIR}, _AHEAD, "`image` does not go with precompute_ref_log_probs."),
    ("dpo", {"prompt": CHAT, **_PAIR}, {"truncation_mode": "keep_end"}, "`image` does not go with truncation_mode."),
    ("dpo", {name: [*CHAT, *said] for name, said in _PAIR.items()}, {}, _UNREAD),
    ("kto", _THUMB, {}, ""),
    ("kto", _THUMB, _AHEAD, "`image` does not go with precompute_ref_log_probs."),
    ("kto", {"prompt": CHAT, **_PAIR}, {}, _UNREAD),
]


@pytest.mark.parametrize(("method", "row", "values", "said"), IMAGES)
def test_what_does_not_go_with_images(method: str, row: dict[str, Any], values: dict[str, Any], said: str) -> None:
    found = verdict(method, [{**row, "image": "a.png"}] * 4, **values)
    assert messages(found, "error") == ([said] if said else [])
    assert found.verdict == ("reject" if said else "unknown")


@pytest.mark.slow
def test_what_does_not_go_with_images_is_what_trl_refuses(tmp_path: Path) -> None:
    """By its own trainers, with a model that sees; a text without a place for the image is the model's to refuse."""
    cases = [(method, row, values) for method, row, values, _ in IMAGES]
    script = Path(__file__).with_name("vision_oracle.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], input=json.dumps(cases), capture_output=True, text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}, check=True,
    )  # fmt: skip
    for (method, row, values, said), outcome in zip(IMAGES, json.loads(done.stdout), strict=True):
        texts = "number of <image> tokens" in outcome
        assert bool(outcome) == (bool(said) or texts), (method, row, values, outcome)
        assert not (said and texts)


@pytest.mark.parametrize(("shape", "method"), AT_FIRST, ids=lambda part: part)
def test_columns_alone_never_refuse_what_trl_takes(shape: str, method: str) -> None:
    found = judge(method, columns_of(SHAPES[shape]), [], VALUES.get(shape, {}))
    if TRUTH[shape][method] == "accept":
        assert found.verdict != "reject", found.findings


@pytest.mark.slow
def test_the_record_still_holds(tmp_path: Path) -> None:
    """A part of the record, made anew with the installed libraries."""
    script = Path(__file__).with_name("record_dataset_truth.py")
    shapes = ["text", "messages_empty_third", "prompt_completion", "chosen_rejected_chat", "preference_text_prompt"]
    shapes += ["labelled_integer", "labelled_text", "prompt_null_third", "conversations_turns", "input_ids_labels"]
    out = tmp_path / "made.json"
    subprocess.run([sys.executable, str(script), "--one-process", str(out), *shapes], check=True, capture_output=True)
    for shape, verdicts in json.loads(out.read_text()).items():
        for method, found in verdicts.items():
            assert (found == "accept") == (TRUTH[shape][method] == "accept"), (shape, method, found)


def test_times_and_bytes_are_no_text() -> None:
    column = column_of_feature("prompt", {"_type": "Value", "dtype": "timestamp[s]"})
    for cell in (datetime(2024, 1, 1), "2024-01-01 00:00:00"):  # as it is, and as it is shown
        for method in ("sft", "grpo", "rloo", "distillation"):
            rows = [{"prompt": cell, "completion": "a"}]
            error = the_error(judge(method, [column, Column("completion", "text")], rows))
            assert (error.message, error.where.row) == ("`prompt` holds a time in row 1.", 0)


def test_dates_are_open_until_all_rows_were_seen() -> None:
    rows = [{"prompt": "2024-01-01", "completion": "2024-01-01T10:00:00"}] * 3
    found = verdict("sft", rows)
    assert found.verdict == "unknown"
    assert messages(found, "warning") == [f"`{n}` holds a date in every row looked at." for n in rows[0]]
    assert verdict("sft", [*rows, {"prompt": "when", "completion": "now"}]).verdict == "accept"


@pytest.mark.parametrize("kind", ["json", "other", "image", "audio", "text", "messages", "struct", "null"])
@pytest.mark.parametrize("method", METHOD_NAMES)
def test_what_is_not_known_has_its_reason(method: str, kind: str) -> None:
    names = ("prompt", "completion", "chosen", "rejected", "text", "messages", "image")
    for some in ((), names[:1], names[:2], names[:4], names[2:4], names[4:5], names[5:6], names):
        for cell in ({"a": 1}, [1], 5, "2024-01-01", None):
            found = judge(method, [Column(name, kind) for name in some], [dict.fromkeys(some, cell)])
            assert found.verdict != "unknown" or found.findings, (some, cell)


# --- splits and configurations


def test_the_record_of_loading_is_whole() -> None:
    assert set(LOADING) == set(loading_cases(Path()))
    assert all(set(verdicts) == set(METHOD_NAMES) for verdicts in LOADING.values())
    accepted = sum(found == "accept" for verdicts in LOADING.values() for found in verdicts.values())
    assert accepted > 200
    assert len(LOADING) * len(METHODS) - accepted > 250


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_what_can_be_loaded_is_what_trl_loads(method: str, tmp_path: Path, catalog: Catalog) -> None:
    paths = Paths(tmp_path, tmp_path)
    for case, values in loading_cases(written(tmp_path / "data", rows_for(method))).items():
        recorded = LOADING[case][method]
        looked = inspect_recipe(method, values, paths, HubClient())
        assert all_rejudged(looked, method, values) == tuple(looked), case
        recipe = Recipe(method, values={"model_name_or_path": "a/b", **values})
        about = [found for found in check(recipe, catalog) if found.where.name.startswith(("dataset", "test_split"))]
        wrong = errors([*about, *(found for one in looked for found in one.findings)])
        assert bool(wrong) == (recorded != "accept"), (case, recorded, wrong)
        assert all(one.verdict == "accept" for one in looked) or wrong, (case, recorded, looked)
        for found in wrong:
            assert found.message.endswith("."), found
            assert found.why or found.fix, found


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.tsv", "saved"])
def test_files_that_trl_loads_by_no_name_are_told_with_what_loads_them(name: str, tmp_path: Path) -> None:
    place = written(tmp_path / "data", rows_for("sft")) / name
    values = {"dataset_name": str(place), "dataset_streaming": True}
    (looked,) = inspect_recipe("sft", values, Paths(tmp_path, tmp_path), HubClient())
    (wrong,) = errors(list(looked.findings))
    assert wrong.message == f"`dataset_name: {place}` cannot be loaded."
    assert wrong.fix is not None
    assert wrong.fix.set == {**open_source(place).recipe_values(), "streaming": True}
    assert wrong.fix.unset == ("dataset_name", "dataset_streaming")
    (mended,) = inspect_recipe("sft", wrong.fix.set, Paths(tmp_path, tmp_path), HubClient())
    assert (mended.verdict, len(mended.rows)) == ("accept", looked.num_rows)
    mixture = {
        "datasets": [
            {"path": str(place), "split": "train[:2]", "name": "default"},
            {"path": str(place.parent / "both")},
        ]
    }
    (entry, _) = inspect_recipe("sft", mixture, Paths(tmp_path, tmp_path), HubClient())
    (wrong,) = errors(list(entry.findings))
    assert wrong.fix is not None
    loaded = {**open_source(place).recipe_values()["datasets"][0], "split": "train[:2]"}
    assert wrong.fix.set == {"datasets": [loaded, {"path": str(place.parent / "both")}]}
    # What is typed into the page's box or asked of `inspect` is read as before.
    alone = inspect(str(place), "sft", Paths(tmp_path, tmp_path), HubClient(), {"dataset_name": "a/b"})
    assert (alone.verdict, errors(list(alone.findings))) == ("accept", [])


# --- types


@pytest.mark.parametrize(
    ("method", "shape", "kind", "conversational"),
    [
        ("sft", "text", "language modeling", False),
        ("sft", "messages", "language modeling", True),
        ("sft", "conversations_turns", "language modeling", True),
        ("sft", "prompt_completion", "prompt-completion", False),
        ("sft", "prompt_completion_chat", "prompt-completion", True),
        ("sft", "input_ids", "tokenized", None),
        ("dpo", "preference", "preference", False),
        ("dpo", "chosen_rejected_chat", "preference", True),
        ("kto", "labelled_chat", "unpaired preference", True),
        ("kto", "preference", "preference", False),
        ("reward", "chosen_rejected_ids", "tokenized", None),
        ("grpo", "prompt_chat", "prompt-only", True),
        ("distillation", "prompt", "prompt-only", False),
    ],
)
def test_types_have_trls_names(method: str, shape: str, kind: str, conversational: bool | None) -> None:
    found = verdict(method, SHAPES[shape])
    assert (found.verdict, found.type, found.conversational) == ("accept", kind, conversational)
    known = next(known for known in METHODS if known.name == method)
    assert kind in (*known.dataset_types, "tokenized")


def test_methods_for() -> None:
    assert methods_for(columns_of(SHAPES["preference_chat"]), SHAPES["preference_chat"]) == [
        *("dpo", "grpo", "kto", "rloo", "reward", "distillation")
    ]
    assert methods_for(columns_of(SHAPES["text"]), SHAPES["text"]) == ["sft"]
    assert methods_for([], []) == []


def test_an_unknown_method() -> None:
    with pytest.raises(StudioError, match="no method 'ppo'"):
        judge("ppo", [], [])


# --- findings: where, in words, with a way out


def test_missing_columns_say_what_is_meant() -> None:
    question = the_error(verdict("grpo", SHAPES["question_answer"]))
    assert question.message == "There is no column `prompt`. This data has `question` and `answer`."
    assert "`question` may be it" in question.why
    preference = the_error(verdict("sft", SHAPES["chosen_rejected"]))
    assert "`dpo`, `kto` and `reward` can learn from it" in preference.why
    text = the_error(verdict("sft", SHAPES["content_column"]))
    assert text.fix is not None
    assert text.fix.set == {"dataset_text_field": "content"}
    named = the_error(verdict("sft", SHAPES["text"], dataset_text_field="content"))
    assert named.fix is not None
    assert named.fix.unset == ("dataset_text_field",)
    assert verdict("sft", SHAPES["content_column"], **text.fix.set).verdict == "accept"
    assert the_error(verdict("sft", [])).message == "There is no column `text`. This data has no columns."


def test_cells_name_their_row() -> None:
    null = the_error(verdict("sft", SHAPES["text_null_third"]))
    assert (null.message, null.where.to_json()) == (
        "`text` is null in row 3.",
        {"kind": "column", "name": "text", "row": 2},
    )
    rows = SHAPES["text_null_third"]
    later = judge("sft", columns_of(rows), rows, offset=40)
    assert the_error(later).where.row == 42
    empty = the_error(verdict("sft", SHAPES["messages_empty_third"]))
    assert empty.message == "`messages` is empty in row 3."
    several = the_error(verdict("sft", [{"text": None}, {"text": "a"}, {"text": None}, {"text": None}]))
    assert several.message == "`text` is null in row 1 and 2 more of the 4 rows looked at."
    mixed = the_error(verdict("sft", SHAPES["text_mixed_number"]))
    assert mixed.message == "`text` holds numbers and not text in row 3."
    silent = the_error(verdict("sft", SHAPES["messages_missing_content"]))
    assert silent.message == "`messages` has a message without content in row 3."


def test_the_wrong_kind_is_named() -> None:
    turns = the_error(verdict("sft", SHAPES["messages_turns"]))
    assert turns.message == "`messages` holds a conversation with from and value."
    assert "`conversations`" in turns.why
    roles = the_error(verdict("sft", SHAPES["conversations_roles"]))
    assert "must be named `messages`" in roles.why
    assert "holds text" in the_error(verdict("sft", SHAPES["messages_json_text"])).message
    both = the_error(verdict("dpo", SHAPES["preference_text_prompt"]))
    assert both.message == "`prompt` holds text but `chosen` and `rejected` hold messages."
    label = the_error(verdict("kto", SHAPES["labelled_text"]))
    assert label.message == "`label` is 'good' and not true or false in row 1 and 3 more of the 4 rows looked at."
    tools = the_error(verdict("sft", SHAPES["messages_tools_bad_text"]))
    assert (tools.where.name, tools.message) == (
        "tools",
        "`tools` is no JSON in row 1 and 3 more of the 4 rows looked at.",
    )


@pytest.mark.parametrize(
    ("method", "shape", "level", "words"),
    [
        ("dpo", "preference_equal", "warning", "equals `rejected`"),
        ("reward", "preference_equal_chat", "warning", "equals `rejected`"),
        ("kto", "labelled_one_sided", "note", "All 4 rows looked at are good"),
        ("kto", "labelled_minus_one", "warning", "neither true, false, 0 nor 1"),
        ("kto", "labelled_score", "warning", "neither true, false, 0 nor 1"),
        ("kto", "preference_label", "warning", "replaces them"),
        ("kto", "preference_completion", "warning", "replaces them"),
        ("dpo", "preference_completion_chat", "warning", "holds messages where the others hold text"),
        ("sft", "messages_ends_with_user", "warning", "ends with the user"),
        ("dpo", "preference_ends_with_user", "warning", "ends with the user"),
        ("reward", "preference_question", "warning", "`question` is not used"),
        ("dpo", "implicit_no_common", "warning", "no common beginning"),
        ("sft", "conversations_gpt", "warning", "role 'human'"),
        ("sft", "messages_empty_content", "warning", "empty content"),
        ("sft", "text_empty_third", "warning", "`text` is empty"),
        ("sft", "text_completion_only", "warning", "no effect"),
        ("grpo", "prompt_ends_with_assistant", "warning", "ends with the assistant"),
        ("sft", "pairs_text", "warning", "`text` is ended in place of `completion`"),
        ("sft", "pairs_field_prompt", "warning", "`prompt` is ended in place of `completion`"),
    ],
)
def test_silent_traps_are_told(method: str, shape: str, level: str, words: str) -> None:
    found = verdict(method, SHAPES[shape], **VALUES.get(shape, {}))
    assert found.verdict == "accept"
    assert any(words in message for message in messages(found, level)), found.findings


@pytest.mark.parametrize(
    ("method", "shape"),
    [
        ("sft", "text"),
        ("sft", "messages_system"),
        ("sft", "messages_tool_call"),
        ("sft", "prompt_completion_chat"),
        ("dpo", "preference_chat"),
        ("dpo", "chosen_rejected"),
        ("dpo", "chosen_rejected_chat"),
        ("kto", "labelled"),
        ("kto", "labelled_float"),
        ("reward", "preference_scores"),
        ("grpo", "prompt_and_solution"),
        ("distillation", "preference"),
    ],
)
def test_good_data_is_met_with_silence(method: str, shape: str) -> None:
    assert verdict(method, SHAPES[shape]).findings == ()


def test_reward_functions_want_their_columns() -> None:
    found = verdict("grpo", SHAPES["prompt"], reward_funcs=["accuracy_reward", "mine.score"])
    assert [finding.where.name for finding in found.findings] == ["solution", "prompt"]
    assert verdict("rloo", SHAPES["prompt"], reward_funcs="my.own.reward").verdict == "accept"
    assert verdict("grpo", SHAPES["prompt"], reward_funcs=None).verdict == "accept"


def test_all_problems_at_once() -> None:
    rows = [{"prompt": None, "completion": "", "label": "x"}, {"prompt": "a", "completion": None, "label": None}]
    found = verdict("kto", rows)
    assert len(messages(found, "error")) == 3
    assert {finding.where.name for finding in found.findings} == {"prompt", "completion", "label"}


def test_without_rows_the_columns_decide_or_nothing_does() -> None:
    chat = [Column("messages", "messages", (Column("role", "text"), Column("content", "text")))]
    assert judge("sft", chat, []).verdict == "accept"
    assert judge("sft", [Column("messages", "text")], []).verdict == "reject"
    assert judge("sft", [Column("messages", "list<json>")], []).verdict == "unknown"
    assert judge("dpo", [Column("chosen", "json"), Column("rejected", "json")], []).verdict == "unknown"
    assert judge("grpo", [Column("prompt", "other")], []).verdict == "unknown"
    label = [Column("prompt", "text"), Column("completion", "text"), Column("label", "text")]
    assert judge("kto", label, []).verdict == "reject"
    assert judge("sft", [Column("input_ids", "list<number>")], []).verdict == "reject"


@pytest.mark.parametrize("question", ["question", "instruction"])
@pytest.mark.parametrize("field", ["text", "story"])
def test_a_question_that_is_not_learnt_is_told(question: str, field: str, tmp_path: Path) -> None:
    def told(text: str, asked: str | None = "Why is it so?") -> list[tuple[str, str]]:
        rows = [{question: asked, field: text} for _ in range(4)]
        data = tmp_path / "rows.jsonl"
        data.write_text("".join(json.dumps(row) + "\n" for row in rows))
        seen = check_all("json", [data], columns_of(rows), (*LOOKED_INTO, field))
        found = [judge("sft", columns_of(rows), some, {"dataset_text_field": field}) for some in (rows, seen)]
        assert {one.verdict for one in found} == {"accept"}
        (first, whole) = [[(one.level, one.message) for one in verdict.findings] for verdict in found]
        assert first == whole
        return first

    assert told("Because.") == [("warning", f"`{question}` is not used: TRL looks for a column named `prompt`.")]
    assert told("Question: Why is it so?\nAnswer: because.") == []
    assert told("Because.", None) == []
    rows = [{question: f"Why {n}?", field: f"So {n}."} for n in range(4)]
    looked = Inspection("x", "sft", "accept", columns=tuple(columns_of(rows)), rows=tuple(rows), split="train")
    looked = all_rejudged([looked], "sft", {"dataset_text_field": field})[0]
    drafted = draft(looked, Choice(key_of(looked)), {"dataset_text_field": field})
    assert drafted is not None
    assert not drafted.offered  # a mapping that learns from the text alone would only hush the warning


def warned(method: str, *rows: dict[str, Any], **values: Any) -> list[str]:
    return messages(verdict(method, list(rows), **values), "warning")


@pytest.mark.parametrize("name", ["user", "context", "Title", "task", "prompt_text", "QUERY", "Prompt", "Question"])
def test_a_question_under_another_name_is_told(name: str) -> None:
    pair = {"chosen": "Because so.", "rejected": "Because not."}
    said = [f"`{name}` is not used: TRL looks for a column named `prompt`."]
    assert warned("dpo", {name: "Why is the sky blue?", **pair}) == said
    assert warned("dpo", {name: None, **pair}) == []
    if name in ("user", "context", "Title", "task"):  # which may be no more than a name
        assert warned("dpo", {name: "u-17", **pair}) == []
        assert warned("sft", {name: "Why is the sky blue?", "text": "Because so."}) == []


def test_a_question_beside_what_is_learnt_is_told() -> None:
    asked, chat = "Why is the sky blue?", [user("Say it."), assistant("So.")]
    unused = "`question` is not used: TRL looks for a column named `prompt`."
    assert warned("sft", {"question": asked, "messages": chat}) == [unused]
    assert warned("sft", {"question": asked, "messages": [user(f"{asked} Now."), chat[1]]}) == []
    pair = {"prompt": "Answer:", "completion": "So."}
    no_part = "`question` is not used, and is no part of `prompt`."
    assert warned("sft", {"question": asked, **pair}) == [no_part]
    assert warned("kto", {"question": asked, **pair, "label": True}, {"question": "", **pair, "label": False}) == [
        no_part
    ]
    assert warned("sft", {"question": asked, **pair, "prompt": f"Tell me: {asked}"}) == []
    assert warned("grpo", {"question": asked, "prompt": "Answer:"}) == []  # the rewards may read it
    answers = {"chosen": [assistant("So.")], "rejected": [assistant("No.")]}
    assert unused in warned("dpo", {"question": [user(asked)], **answers})


def test_conversations_without_an_answer_are_told() -> None:
    turns = [turn("gpt", "a"), turn("human", "b")]
    ends = "`conversations` ends with the user in row 1."
    assert ends in warned("sft", {"conversations": turns})
    assert warned("sft", {"conversations": [turn("assistant", "a"), turn("user", "b")]}) == [ends]
    rules = {"role": "system", "content": "Be kind."}
    none = "`messages` has no message of the assistant in row 1."
    assert warned("sft", {"messages": [user("a"), rules]}) == [none]
    assert warned("sft", {"messages": [rules]}) == [none]
    lost = the_error(verdict("sft", [{"messages": [rules]}], assistant_only_loss=True))
    assert lost.message == none


@pytest.mark.parametrize("name", ["label", "thumbs_up", "is_correct"])
def test_bad_answers_that_are_learnt_too_are_told(name: str, tmp_path: Path) -> None:
    pairs = [{"prompt": f"Why {n}?", "completion": f"So {n}.", name: n % 4 != 0} for n in range(20)]
    data = tmp_path / "rows.jsonl"
    data.write_text("\n".join(map(json.dumps, pairs)))
    seen = check_all("json", [data], columns_of(pairs), LOOKED_INTO)
    (first,), (whole,) = verdict("sft", pairs).findings, judge("sft", columns_of(pairs), seen).findings
    assert first.message == f"5 of the 20 rows looked at have `{name}` false, and are learnt too."
    assert (whole.level, whole.message) == ("warning", f"5 of the 20 rows have `{name}` false, and are learnt too.")
    numbers = [{**row, name: int(row[name])} for row in pairs]
    assert "have `" in verdict("sft", numbers).findings[0].message
    good = [{**row, name: True} for row in pairs]
    grades = [{**row, name: n % 4} for n, row in enumerate(pairs)]
    classes = [{"text": f"Text {n}.", name: n % 2} for n in range(20)]
    asked = [{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}], name: n % 2 == 0}
             for n in range(20)]  # fmt: skip
    assert [verdict("sft", rows).findings for rows in (good, grades, classes)] == [(), (), ()]
    assert verdict("sft", asked).findings[0].message.startswith("10 of the 20 rows")


def test_an_empty_list_is_no_text() -> None:
    error = the_error(verdict("sft", SHAPES["empty_list_text"]))
    assert error.message == "`text` holds an empty list and not text in row 3."


def test_two_empty_answers_are_equal() -> None:
    found = warned("dpo", {"prompt": "a", "chosen": "", "rejected": ""})
    assert "`chosen` equals `rejected` in row 1." in found
    assert warned("dpo", {"prompt": "a", "chosen": None, "rejected": None}) == []


def test_a_text_that_is_ended_in_place_of_the_completion() -> None:
    rows = [{"prompt": "a", "completion": "b", "text": "c"}]
    (told,) = verdict("sft", rows).findings
    assert told.fix is not None
    assert verdict("sft", rows, **told.fix.set).findings == ()
    null = the_error(verdict("sft", [*rows, {**rows[0], "text": None}]))
    assert null.message == "`text` is no text, and stands beside prompts with completions in row 2."


def test_an_empty_text_field_is_told() -> None:
    error = the_error(verdict("sft", SHAPES["text"], dataset_text_field=""))
    assert error.message == "dataset_text_field is empty."
    assert error.fix is not None
    assert error.fix.unset == ("dataset_text_field",)


def test_the_first_row_of_a_mixture_may_be_another() -> None:
    rows = SHAPES["pairs_conversations_empty_first"]
    assert verdict("sft", rows, datasets=[{"path": "a"}]).verdict == "reject"
    assert verdict("sft", rows, datasets=[{"path": "a"}, {"path": "b"}]).verdict == "unknown"


def test_a_reward_argument_is_no_column() -> None:
    rows = [{"prompt": "a", "prompts": "b"}]
    error = the_error(verdict("grpo", rows, reward_funcs=["my.reward"]))
    assert error.message == "`prompts` cannot be the name of a column here."
    assert verdict("grpo", rows, reward_model_name_or_path="a/b").verdict == "accept"
    assert verdict("distillation", rows).verdict == "accept"


def test_a_cell_that_was_not_seen_is_not_judged() -> None:
    columns = [Column("messages", "messages")]
    assert judge("sft", columns, [{}, {"messages": [user("a"), assistant("b")]}]).verdict == "accept"


def test_verdicts_are_json() -> None:
    found = verdict("dpo", SHAPES["preference_mixed"])
    told = json.loads(json.dumps(found.to_json()))
    assert (told["verdict"], told["method"], told["findings"][0]["level"]) == ("reject", "dpo", "error")


# --- columns


def test_columns_from_cells() -> None:
    assert column_of("a", []).type == "null"
    assert column_of("a", [None, 1, 2.5]).type == "number"
    assert column_of("a", [True, None]).type == "boolean"
    assert column_of("a", [1, "x"]).type == "json"
    assert column_of("a", [b"x"]).type == "other"
    assert column_of("a", [[], [user("x")], [{**user("y"), "name": "z"}]]).type == "messages"
    assert column_of("a", [[turn("human", "x")]]).type == "turns"
    assert column_of("a", [[{"role": "user", "text": "x"}]]).type == "list<struct>"
    chat = column_of("a", [[user("x")], [assistant(None)]])
    assert chat.to_json()["fields"] == [
        {"name": "role", "type": "text", "fields": []},
        {"name": "content", "type": "text", "fields": []},
    ]
    assert item_of(chat) == Column("", "struct", chat.fields)
    assert item_of(Column("a", "text")) is None


def test_columns_from_features() -> None:
    text = {"_type": "Value", "dtype": "large_string"}
    cases: dict[str, Any] = {
        "text": text,
        "integer": {"_type": "ClassLabel", "names": ["a"]},
        "number": {"_type": "Value", "dtype": "float16"},
        "boolean": {"_type": "Value", "dtype": "bool"},
        "null": {"_type": "Value", "dtype": "null"},
        "other": {"_type": "Value", "dtype": "timestamp[s]"},
        "json": {"_type": "Json"},
        "image": {"_type": "Image"},
        "audio": {"_type": "Audio"},
        "list<integer>": {"_type": "Sequence", "feature": {"_type": "Value", "dtype": "uint8"}},
        "list<json>": {"_type": "List", "feature": {"_type": "Json"}},
        "messages": {"_type": "List", "feature": {"role": text, "content": text}},
        "turns": [{"from": text, "value": text}],
        "struct": {"_type": "Sequence", "feature": {"role": text, "content": text}},
        "list<list<text>>": [[text]],
    }
    assert {kind: column_of_feature("x", feature).type for kind, feature in cases.items()} == {k: k for k in cases}
    odd = column_of_feature("x", {"_type": text, "a": text})
    assert (odd.type, odd.field_names) == ("struct", ("_type", "a"))
    assert column_of_feature("x", "nonsense").type == "other"


ASKED = [{"role": "user", "content": "Why?"}]
SAID = [*ASKED, {"role": "assistant", "content": "So."}]


@pytest.mark.parametrize(
    ("method", "row", "holds"),
    [
        ("sft", {"messages": SAID}, True),
        ("sft", {"text": "a b", "history": SAID}, False),
        ("sft", {"input_ids": [1, 2], "messages": SAID}, False),
        ("grpo", {"prompt": "Why?", "completion": SAID}, False),
        ("grpo", {"prompt": ASKED, "solution": "So."}, True),
        ("dpo", {"prompt": "Why?", "chosen": SAID}, True),
    ],
)
def test_a_chat_template_is_needed_where_the_method_learns_from_messages(
    tmp_path: Path, method: str, row: dict[str, Any], holds: bool
) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n")
    looked = inspect(str(tmp_path / "a.jsonl"), method, Paths(tmp_path, tmp_path), HubClient())
    assert looked.holds_messages is holds
    assert (looked.verdict == "reject") is (method == "dpo")
