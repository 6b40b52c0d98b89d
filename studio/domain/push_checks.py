"""Checks of what leaves this machine: the push to the Hub, the account behind it, and the trackers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from studio.domain.account import Account, Repository, repository_name, repository_problem
from studio.domain.findings import Finding, Fix, finding
from studio.domain.recipe import Recipe

# transformers creates the repository when the trainer is made: after the model is loaded, before the first step.
_WHEN = "The run would stop when the model is loaded, before its first step."
_NO_PUSH = Fix("Do not push", {"push_to_hub": False})
# The trackers that transformers knows, and the packages of which each needs one (`INTEGRATION_TO_CALLBACK`).
TRACKERS: dict[str, tuple[str, ...]] = {
    "trackio": ("trackio",),
    "wandb": ("wandb",),
    "tensorboard": ("tensorboard", "tensorboardX"),
    "mlflow": ("mlflow",),
    "comet_ml": ("comet_ml",),
    "swanlab": ("swanlab",),
    "neptune": ("neptune",),
    "clearml": ("clearml",),
    "codecarbon": ("codecarbon",),
    "dvclive": ("dvclive",),
    "dagshub": ("dagshub",),
    "flyte": ("flytekit",),
    "azure_ml": ("azureml",),
    "kubeflow": (),
}


def leaves_this_machine(recipe: Recipe) -> bool:
    """Whether a run of the recipe would write to the Hub, so that it matters who is signed in."""
    return recipe.get("push_to_hub") is True or bool(recipe.get("trackio_space_id"))


def push_findings(recipe: Recipe) -> Iterator[Finding]:
    """What is wrong with a push wherever it happens: the repository's name, and what a private one cannot have."""
    if recipe.get("push_to_hub") is not True:
        return
    name = recipe.get("hub_model_id")
    words = repository_problem(name) if name is not None else None
    if words:
        nearest = repository_name(str(name))
        fix = Fix(f"Use {nearest}", {"hub_model_id": nearest}) if repository_problem(nearest) is None else None
        why = "A repository is `name` or `owner/name`, in letters, digits, dots, dashes and underscores."
        yield finding("error", "hub_model_id", words, why, fix)
    published = recipe.get("trackio_static_space_id") is not False and not recipe.get("trackio_space_id")
    if recipe.get("hub_private_repo") is True and published and "trackio" in trackers_of(recipe):
        yield finding(
            "error",
            "trackio_static_space_id",
            "A private push cannot publish its metrics.",
            "trackio makes public static Spaces only, and the push would fail at the end.",
            Fix("Publish no metrics", {"trackio_static_space_id": False}),
        )


def account_findings(recipe: Recipe, account: Account, repository: Repository | None) -> Iterator[Finding]:
    """What of the recipe the signed-in account may not do. Says nothing while the Hub has not been asked."""
    yield from _live_tracking(recipe, account)
    if recipe.get("push_to_hub") is not True or recipe.get("hub_token"):
        return
    where = f" ({account.place})" if account.place else ""
    if account.state == "nobody":
        why = f"{_WHEN} Sign in with `hf auth login` in a terminal, or set HF_TOKEN."
        message = "Nobody is signed in to Hugging Face here, so nothing can be pushed."
        yield finding("error", "push_to_hub", message, why, _NO_PUSH)
    elif account.state == "refused":
        why = (
            f"{_WHEN} It has expired or was revoked{where}: sign in anew with `hf auth login`, or set another HF_TOKEN."
        )
        yield finding("error", "push_to_hub", "Hugging Face refuses the token of this machine.", why, _NO_PUSH)
    elif account.state == "unreachable":
        why = f"{account.why} Where the Hub stays out of reach, the run stops when the model is loaded."
        yield finding("warning", "push_to_hub", "Whether the push is allowed could not be asked.", why, _NO_PUSH)
    elif account.state == "known" and account.role == "read":
        why = (
            f"{_WHEN} {account.name}'s token{where} may only read: make one that may write at "
            "huggingface.co/settings/tokens, and sign in with it."
        )
        yield finding("error", "push_to_hub", "The token of this machine may only read.", why, _NO_PUSH)
    else:
        yield from _target(recipe, account, repository)


def _target(recipe: Recipe, account: Account, repository: Repository | None) -> Iterator[Finding]:
    """Whether the account may write to the repository that is named."""
    name = recipe.get("hub_model_id")
    if account.state != "known" or not isinstance(name, str) or repository_problem(name):
        return
    if account.may_write(name) is not False:
        return
    owner, _, last = account.whole(name).rpartition("/")
    there = repository is not None and repository.state == "there"
    message = f"{account.name} may not write to {owner}" + (f": {owner}/{last} is somebody else's." if there else ".")
    if account.role == "fine-grained" and (owner == account.name or not account.owners):
        why = f"{_WHEN} The token is a fine-grained one without write access to {owner}'s repositories."
    else:
        known = ", ".join(account.owners)
        why = f"{_WHEN} " + (f"The token may write to {known}." if known else "The token may write to nothing.")
    own = next(iter(account.owners), None)
    fix = Fix(f"Push to {own}/{last}", {"hub_model_id": f"{own}/{last}"}) if own else _NO_PUSH
    yield finding("error", "hub_model_id", message, why, fix)


def _live_tracking(recipe: Recipe, account: Account) -> Iterator[Finding]:
    """Live logging to a Space is the one tracker that ends a run when the Hub is out of reach."""
    space = recipe.get("trackio_space_id")
    if not space or "trackio" not in trackers_of(recipe):
        return
    words = {
        "nobody": "Nobody is signed in to Hugging Face here.",
        "refused": "Hugging Face refuses the token of this machine.",
        "unreachable": account.why,
    }.get(account.state)
    if account.state == "known" and account.role == "read":
        words = "The token of this machine may only read."
    if words:
        yield finding(
            "error",
            "trackio_space_id",
            f"Metrics cannot go to the Space {space}.",
            f"{words} trackio would stop the run before its first step.",
            Fix("Keep the metrics here", {}, ("trackio_space_id",)),
        )


def tracker_findings(recipe: Recipe, has_package: Callable[[str], bool]) -> Iterator[Finding]:
    """Trackers that transformers does not know, or whose package is not installed: it refuses them after loading."""
    chosen = trackers_of(recipe)
    for name in chosen:
        if name in ("all", "none"):
            continue
        rest = [other for other in chosen if other != name]
        fix = Fix(f"Leave {name} out", {"report_to": rest}) if rest else Fix(f"Leave {name} out", {}, ("report_to",))
        if name not in TRACKERS:
            why = f"transformers knows {', '.join(TRACKERS)}."
            yield finding("error", "report_to", f"There is no tracker `{name}`.", why, fix)
        elif TRACKERS[name] and not any(has_package(package) for package in TRACKERS[name]):
            cure = f"Install it: pip install {TRACKERS[name][0].replace('_', '-')}"
            yield finding("error", "report_to", f"The tracker {name} needs its package.", cure, fix)


def trackers_of(recipe: Recipe) -> list[str]:
    """The trackers that the recipe names."""
    given: Any = recipe.get("report_to")
    if isinstance(given, str):
        return [given]
    return [name for name in given if isinstance(name, str)] if isinstance(given, list) else []
