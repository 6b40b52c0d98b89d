"""What is known of a model without its weights, wherever it lies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a model without its weights; None for what the Hub does not say.

    `parameters` counts them, `context` is in tokens, `gated` and `private` say who may load it, `template` is the chat
    template's text. `config` is config.json, empty where it may not be read.
    """

    id: str
    architecture: str | None
    model_type: str | None
    parameters: int | None
    dtype: str | None
    context: int | None
    vocabulary: int | None
    quantized: str | None
    gated: bool
    private: bool
    licence: str | None
    task: str | None
    template: str | None
    files: tuple[str, ...] = ()
    config: dict[str, Any] = field(default_factory=dict, repr=False)
