"""What the world calls the columns of each role."""

from __future__ import annotations

# In lower case.
NAMES = {
    "system": ("system", "system_prompt", "system_message", "sys_prompt"),
    "question": (
        *("prompt", "question", "instruction", "query", "problem", "user", "human", "user_prompt", "user_message"),
        *("prompt_text", "history", "task"),
    ),
    "context": ("context", "passage"),
    "reasoning": ("reasoning", "rationale", "cot", "chain_of_thought", "thinking", "thought", "reasoning_content"),
    "answer": (
        *("completion", "response", "answer", "output", "assistant", "reply", "generated_solution", "model_answer"),
        *("model_response", "bot", "target", "generation", "solution", "ground_truth"),
    ),
    "conversation": ("messages", "conversations", "conversation", "dialogue", "dialog", "chat", "turns"),
    "chosen": (
        *(
            "chosen",
            "preferred",
            "better",
            "chosen_response",
            "response_chosen",
            "chosen_answer",
            "positive",
            "accepted",
        ),
        *("response_j", "better_response", "good", "win"),
    ),
    "rejected": (
        *("rejected", "dispreferred", "worse", "rejected_response", "response_rejected", "rejected_answer", "negative"),
        *("response_k", "worse_response", "bad", "lose", "unpreferred"),
    ),
    "winner": (
        *("winner", "preference", "preferred", "better", "better_response_id", "choice", "label", "labels", "verdict"),
        *("preferred_response", "winning"),
    ),
    "label": (
        *("label", "labels", "thumbs", "thumbs_up", "thumb", "feedback", "is_good", "liked", "vote", "is_correct"),
        *("correct", "is_chosen", "rating", "reaction", "good"),
    ),
    "score": ("score", "rating", "overall_score", "reward", "quality", "stars", "label"),
    "answers": ("responses", "answers", "completions", "generations", "candidates", "outputs"),
    "scores": ("scores", "ratings", "rewards", "rating"),
    "solution": ("solution", "final_answer", "expected_answer", "ground_truth", "gold", "gold_answer"),
    "text": ("text", "content", "document", "body", "article", "story", "code", "raw_text", "raw_content"),
    "tools": ("tools", "functions"),
}
ANSWERING = {*NAMES["answer"], *NAMES["chosen"], *NAMES["rejected"], *NAMES["solution"], *NAMES["reasoning"]}


def known_names() -> set[str]:
    """Names that say another role than text."""
    return {name for role, names in NAMES.items() if role not in ("text", "answer") for name in names}
