"""The seven methods: what each is for and when, an example of its data, what it costs, and the metrics to watch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from studio.domain.errors import StudioError


@dataclass(frozen=True)
class Guide:
    """What helps to choose a method.

    `example` is one row of data that the method takes (the tests ask `dataset_types`), `cost` compares it with SFT
    on the same model in a few words and `cost_why` says where that comes from.
    """

    when: str
    unless: str
    example: Mapping[str, Any]
    before: str
    after: str
    cost: str
    cost_why: str


@dataclass(frozen=True)
class Method:
    """One training command of TRL.

    `dataset_types` are TRL's own names (docs: dataset_formats), `headline` the metrics drawn first (as TRL logs
    them, without the `train/` prefix).
    """

    name: str
    title: str
    purpose: str
    data: str
    dataset_types: tuple[str, ...]
    headline: tuple[str, ...]
    guide: Guide
    generates: bool = False

    @property
    def label(self) -> str:
        return {"reward": "Reward model", "distillation": "Distillation"}.get(self.name, self.name.upper())

    @property
    def link(self) -> str:
        """The address of the method's page in TRL's documentation."""
        return f"https://huggingface.co/docs/trl/{self.name}_trainer"

    def to_json(self) -> dict[str, Any]:
        """The documented form of `trl-studio methods --json`."""
        return {**asdict(self), "link": self.link}


def _user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def _assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


METHODS: tuple[Method, ...] = (
    Method(
        "sft",
        "Supervised fine-tuning",
        "Teach a model by showing it the answers. The place to start.",
        "Text, conversations, or prompts with their answers.",
        ("language modeling", "prompt-completion"),
        ("loss", "mean_token_accuracy", "entropy", "grad_norm"),
        Guide(
            when="You can show the answers that you want: for a base model that shall learn to chat, for a style, "
            "a format, or a subject.",
            unless="You can tell good answers from bad ones, and not write them: DPO and KTO learn from that.",
            example={"messages": [_user("What is the capital of Peru?"), _assistant("Lima.")]},
            before="Nothing: any model will do, base or chat.",
            after="Often nothing more. DPO, KTO, GRPO and RLOO go on from its result.",
            cost="The measure for the others",
            cost_why="One model goes through the data. LoRA needs a fraction of the memory, here and below.",
        ),
    ),
    Method(
        "dpo",
        "Direct preference optimization",
        "Make a model prefer the better of two answers. After SFT, without a reward model.",
        "Pairs: a prompt with a better and a worse answer.",
        ("preference",),
        ("loss", "rewards/margins", "rewards/accuracies", "logps/chosen"),
        Guide(
            when="You have two answers to each prompt, and know which is better: for tone, helpfulness, safety.",
            unless="The answers stand alone, each good or bad: that is KTO. Or the model cannot do the task at all: "
            "SFT comes first.",
            example={
                "prompt": [_user("What color is the sky?")],
                "chosen": [_assistant("Blue, on a clear day.")],
                "rejected": [_assistant("Why do you ask?")],
            },
            before="SFT, or a chat model: it should already answer in the manner of both.",
            after="Nothing more is needed.",
            cost="About 2.5 times SFT's time for a row",
            cost_why="A row is two answers, and a reference model reads them too: a frozen copy of the weights, "
            "which takes memory in full training and none with LoRA.",
        ),
    ),
    Method(
        "grpo",
        "Group relative policy optimization",
        "Let a model try several answers and reinforce the ones a reward function scores above the rest.",
        "Prompts, and a way to score answers.",
        ("prompt-only",),
        ("reward", "reward_std", "completions/mean_length", "loss"),
        Guide(
            when="An answer can be checked by a program or scored by a reward model: sums, code, formats, reasoning.",
            unless="The model never gets an answer right: with no success there is nothing to reinforce. SFT first.",
            example={"prompt": [_user("What is 12 times 7?")], "solution": "84"},
            before="SFT, or a chat model that sometimes succeeds.",
            after="Nothing more is needed.",
            cost="Many times SFT's time for a prompt",
            cost_why="The model writes 8 answers to each prompt before it learns from them, and writing takes most of "
            "the time; vLLM makes it faster. With beta at 0, TRL's default, no reference copy is loaded.",
        ),
        generates=True,
    ),
    Method(
        "kto",
        "Kahneman-Tversky optimization",
        "Learn from thumbs up and thumbs down, with no need for pairs.",
        "Prompts with an answer and whether it was good.",
        ("unpaired preference", "preference"),
        ("loss", "rewards/margins", "rewards/chosen", "rewards/rejected"),
        Guide(
            when="Single answers were judged good or bad, as users do with thumbs. Both kinds are needed, in any mix.",
            unless="You have true pairs: DPO says more with them. KTO takes pairs too, and splits them.",
            example={
                "prompt": [_user("How do I boil an egg?")],
                "completion": [_assistant("Eight minutes in boiling water.")],
                "label": True,
            },
            before="SFT, or a chat model.",
            after="Nothing more is needed.",
            cost="About twice SFT's time for a row",
            cost_why="A reference model reads each answer too, and both read a mismatched one to compare with. The "
            "reference is a frozen copy of the weights in full training; with LoRA there is none.",
        ),
    ),
    Method(
        "rloo",
        "REINFORCE leave-one-out",
        "Reinforcement learning with a simple, steady baseline: each answer is judged against its siblings.",
        "Prompts, and a way to score answers.",
        ("prompt-only",),
        ("reward", "reward_std", "completions/mean_length", "loss"),
        Guide(
            when="As GRPO, where a plainer method is wanted: the reward minus the mean of the other answers, close to "
            "the starting model.",
            unless="You want what most recipes for reasoning use: that is GRPO.",
            example={"prompt": [_user("Summarize: the ferry was late again, so we walked.")]},
            before="SFT, or a chat model; and a reward function or a reward model.",
            after="Nothing more is needed.",
            cost="Many times SFT's time for a prompt",
            cost_why="The model writes 2 answers to each prompt, or as many as you say, before it learns from them. "
            "TRL's default beta of 0.05 loads a frozen reference copy in full training; LoRA or beta at 0 need none.",
        ),
        generates=True,
    ),
    Method(
        "reward",
        "Reward model",
        "Train a model that scores answers, for GRPO, RLOO or ranking.",
        "Pairs: a better and a worse answer.",
        ("preference",),
        ("loss", "accuracy", "margin", "mean_reward"),
        Guide(
            when="Answers shall be scored, and no program can: the scores then train GRPO or RLOO, or pick the best "
            "of many.",
            unless="A better model is all you want from your pairs: DPO learns from them at once.",
            example={
                "chosen": [_user("What color is the sky?"), _assistant("Blue, on a clear day.")],
                "rejected": [_user("What color is the sky?"), _assistant("Why do you ask?")],
            },
            before="SFT, or a chat model, to start from.",
            after="GRPO or RLOO, with it as their reward model. It gives a number, and does not chat.",
            cost="About twice SFT's time for a row",
            cost_why="A row is two answers. No reference model is loaded, and one score takes the place of the "
            "probabilities of all tokens.",
        ),
    ),
    Method(
        "distillation",
        "Distillation",
        "Teach a small model to answer as a bigger one does.",
        "Prompts; the teacher shows the way.",
        ("prompt-only",),
        ("loss", "completions/mean_length", "learning_rate", "grad_norm"),
        Guide(
            when="A bigger model does the task well, and a small one shall come close to it. Both must use the same "
            "tokens.",
            unless="You only have the bigger model's texts, not its weights: learn from the texts by SFT.",
            example={"prompt": [_user("Explain what a tide is, in two sentences.")]},
            before="A teacher of the same family; SFT of the small model helps.",
            after="Nothing more is needed.",
            cost="Several times SFT's time for a prompt",
            cost_why="The small model writes an answer to each prompt, and the teacher reads it: its weights have to "
            "fit into memory as well, without gradients or optimizer.",
        ),
        generates=True,
    ),
)

METHOD_NAMES: tuple[str, ...] = tuple(method.name for method in METHODS)


@dataclass(frozen=True)
class Answer:
    """One answer to "What do you have?": the methods that learn from it, the likeliest first, and a word on them."""

    words: str
    methods: tuple[str, ...]
    remark: str


ANSWERS: tuple[Answer, ...] = (
    Answer("Demonstrations", ("sft",), "Examples of the answers that you want: SFT learns from them."),
    Answer(
        "Better and worse pairs",
        ("dpo", "reward"),
        "DPO learns from pairs at once. A reward model learns to score from the same pairs, for GRPO or RLOO.",
    ),
    Answer("Thumbs up and down", ("kto",), "KTO takes single answers with a verdict; they need no partner."),
    Answer(
        "Prompts and a way to score",
        ("grpo", "rloo"),
        "GRPO is what most recipes use. RLOO learns from the same data, with a plainer baseline.",
    ),
    Answer("A bigger teacher", ("distillation",), "Distillation needs prompts alone: the teacher judges each token."),
)


def answer_for(method: str) -> Answer:
    """The answer to "What do you have?" that leads to `method`. Raises StudioError where there is no such method."""
    for answer in ANSWERS:
        if method in answer.methods:
            return answer
    raise StudioError(f"There is no method '{method}'.", f"Choose one of {', '.join(METHOD_NAMES)}.")


def method_named(name: str) -> Method:
    """The method that TRL calls `name`. Raises StudioError where there is none."""
    for method in METHODS:
        if method.name == name:
            return method
    raise StudioError(f"There is no method '{name}'.", f"Choose one of {', '.join(METHOD_NAMES)}.")
