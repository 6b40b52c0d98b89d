"""The seven methods: TRL's training commands, what each is for, the data it takes and the metrics to watch."""

from __future__ import annotations

from dataclasses import dataclass

from studio.domain.errors import StudioError


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
    generates: bool = False

    @property
    def label(self) -> str:
        return {"reward": "Reward model", "distillation": "Distillation"}.get(self.name, self.name.upper())


METHODS: tuple[Method, ...] = (
    Method(
        "sft",
        "Supervised fine-tuning",
        "Teach a model by showing it the answers. The place to start.",
        "Text, conversations, or prompts with their answers.",
        ("language modeling", "prompt-completion"),
        ("loss", "mean_token_accuracy", "entropy", "grad_norm"),
    ),
    Method(
        "dpo",
        "Direct preference optimization",
        "Make a model prefer the better of two answers. After SFT, without a reward model.",
        "Pairs: a prompt with a better and a worse answer.",
        ("preference",),
        ("loss", "rewards/margins", "rewards/accuracies", "logps/chosen"),
    ),
    Method(
        "grpo",
        "Group relative policy optimization",
        "Let a model try several answers and reinforce the ones a reward function scores above the rest.",
        "Prompts, and a way to score answers.",
        ("prompt-only",),
        ("reward", "reward_std", "completions/mean_length", "loss"),
        generates=True,
    ),
    Method(
        "kto",
        "Kahneman-Tversky optimization",
        "Learn from thumbs up and thumbs down, with no need for pairs.",
        "Prompts with an answer and whether it was good.",
        ("unpaired preference", "preference"),
        ("loss", "rewards/margins", "rewards/chosen", "rewards/rejected"),
    ),
    Method(
        "rloo",
        "REINFORCE leave-one-out",
        "Reinforcement learning with a simple, steady baseline: each answer is judged against its siblings.",
        "Prompts, and a way to score answers.",
        ("prompt-only",),
        ("reward", "reward_std", "completions/mean_length", "loss"),
        generates=True,
    ),
    Method(
        "reward",
        "Reward model",
        "Train a model that scores answers, for GRPO, RLOO or ranking.",
        "Pairs: a better and a worse answer.",
        ("preference",),
        ("loss", "accuracy", "margin", "mean_reward"),
    ),
    Method(
        "distillation",
        "Distillation",
        "Teach a small model to answer as a bigger one does.",
        "Prompts; the teacher shows the way.",
        ("prompt-only",),
        ("loss", "completions/mean_length", "learning_rate", "grad_norm"),
        generates=True,
    ),
)

METHOD_NAMES: tuple[str, ...] = tuple(method.name for method in METHODS)


def method_named(name: str) -> Method:
    """The method that TRL calls `name`. Raises StudioError where there is none."""
    for method in METHODS:
        if method.name == name:
            return method
    raise StudioError(f"There is no method '{name}'.", f"Choose one of {', '.join(METHOD_NAMES)}.")
