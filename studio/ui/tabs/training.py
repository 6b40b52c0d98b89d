"""Training: how long, how fast, on what batches, and what the method itself asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.domain.methods import method_named
from studio.ui import pieces
from studio.ui.form import Form

if TYPE_CHECKING:
    from studio.ui.page import Page

TITLE, ID = "Training", "training"


def build(page: Page) -> None:
    """The essentials of the chosen method, in groups; everything else can be said in an opened YAML."""
    page.html(_lead)
    page.section(("Length of training", "Batch", "Learning rate", "Rewards", "Generation", "Method", "Sequence"))
    page.section(("Evaluation", "Saving"), leave_out=("output_dir", "seed", "resume_from_checkpoint"))


def _lead(form: Form) -> str:
    method = method_named(form.recipe.method)
    return pieces.title(TITLE, f"The essentials of {method.label}. What is left alone keeps TRL's default.")
