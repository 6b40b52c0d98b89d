"""What the page's terms mean, one sentence each: shown where the mouse rests on the term."""

from __future__ import annotations

MEANINGS = {
    "Accuracy": "How often the model finds the next token, or the better answer.",
    "Architecture": "The model's class in transformers; it decides which layers there are.",
    "Batch": "Examples behind one update: per device, times accumulated batches, times processes.",
    "Chat template": "How turns of a conversation become one text, with marks for who speaks.",
    "Context": "The most tokens that the model was made to read at once. A token is about three quarters of a word.",
    "Download": "What has to come from the Hub before the first step.",
    "Entropy": "How undecided the model is between next tokens; near zero it says always the same.",
    "Eval loss": "The loss on examples that the model does not learn from. Where it rises, it only learns by heart.",
    "Grad norm": "How strongly an update pulls. High peaks point to a learning rate that is too high.",
    "Hardware": "What the training runs on.",
    "Length": "Updates in all, and how often they go through the data.",
    "Loss": "How far the model's answers are from those that it shall learn; lower is better.",
    "Mean token accuracy": "The share of tokens that the model would have said itself.",
    "Parameters": "The numbers that a model consists of: 0.5 B are half a billion.",
    "Reward": "What the reward functions or the reward model gave the answers; higher is better.",
    "Share of all": "The part of the model's numbers that is trained.",
    "Step": "One update of the model's numbers.",
    "Trainable": "How many numbers are trained; all others stay as they are.",
    "Vocabulary": "How many different tokens the model knows.",
}
