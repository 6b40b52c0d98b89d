"""The tour: a first fine-tune in two minutes, with the demo, for real; what each step says and points at."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Step:
    """One step: the tab that it opens, the element that it points at (a CSS selector), and what it says.

    `wait` is a selector: the step goes on by itself once that is there, and has no *Next* until then.
    """

    title: str
    text: str
    tab: str = ""
    at: str = ""
    wait: str = ""


STEPS: tuple[Step, ...] = (
    Step(
        "Your first fine-tune",
        "Two minutes, on this machine, with a tiny model that comes with the studio. Your own recipe is kept: Undo on "
        "the recipe card brings it back.",
        "method",
    ),
    Step(
        "The method says how it learns",
        "SFT shows the model the answers that you want. The other methods learn from comparisons or from scores.",
        "method",
        '[data-method="sft"]',
    ),
    Step(
        "The model that you start from",
        "Half a million parameters here, so that it trains in seconds. Later: a name from the Hugging Face Hub, or a "
        "folder.",
        "model",
        "#arg-model_name_or_path",
    ),
    Step(
        "The data, looked at before anything runs",
        "The studio reads the first rows and says whether the method can learn from them. A wrong column is found "
        "here, and not after ten minutes of loading.",
        "data",
        "#data-preview",
    ),
    Step(
        "How long and how fast",
        "Steps, batch and learning rate decide most. What you leave alone keeps TRL's default.",
        "training",
        "#schedule-picture",
    ),
    Step(
        "What you see is what runs",
        "This YAML is the very file that the training starts from. Copy it, and it runs anywhere with TRL.",
        "",
        "#recipe-card pre.ts-code",
    ),
    Step(
        "Start it",
        "Press Start training. It runs in a process of its own, and goes on when this page is closed.",
        "",
        "#start",
        "#run-head .ts-state",
    ),
    Step(
        "Watch it learn",
        "The first point comes after some seconds of loading. Loss falls, token accuracy rises: it learns the facts "
        "that it was shown.",
        "runs",
        "#run-charts",
        "#run-head .ts-state.finished",
    ),
    Step(
        "That was a fine-tune",
        "The model lies in the run's folder, beside its recipe, its log and its metrics. Next: choose your own model "
        "and your own data, and press New recipe to begin with nothing.",
        "runs",
        "#run-head",
    ),
)


def steps_json() -> list[dict[str, Any]]:
    """The steps as the page's script reads them."""
    return [asdict(step) for step in STEPS]
