"""Causes that lie on the way to the Hub: no network, no rights, no such repository, no token."""

from __future__ import annotations

import re
from collections.abc import Iterator

from studio.domain.evidence import Cause, Clue, cause
from studio.domain.findings import Finding, Fix

_SIGN_IN = "Sign in with `hf auth login` or on the page, with a token that may read it."


def _dataset(clue: Clue) -> bool:
    """Whether the trouble is with the dataset."""
    return clue.during("load_dataset", "get_dataset", "dataset_module_factory") or "ataset" in clue.quote[:60]


def _what(clue: Clue) -> str:
    known = clue.evidence
    name = known.value("dataset_name") if _dataset(clue) else known.value("model_name_or_path")
    return f"{'dataset' if _dataset(clue) else 'model'} {name}" if name else "repository"


def _address(clue: Clue) -> str:
    named = re.search(r"https?://[^/\s]+/((?:datasets/)?[\w.-]+/[\w.-]+)", clue.raised.text if clue.raised else "")
    return (
        f"https://huggingface.co/{named[1].rstrip('.')}"
        if named and not named[1].startswith("api/")
        else "its page on the Hub"
    )


def _gated(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    why = f"Accept its terms on {_address(clue)} with your account. {_SIGN_IN}"
    yield clue.finding(f"The {_what(clue)} is gated, and this account has no access", why)


def _missing(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    path = clue.evidence.value("dataset_name" if _dataset(clue) else "model_name_or_path")
    if isinstance(path, str) and (path.startswith(("/", "./", "../", "~")) or path.count("/") > 1):
        yield clue.finding(f"There is no folder {path}", "TRL took the path for a name on the Hub. Check the path.")
        return
    why = f"Check the name; a private one needs a token. {_SIGN_IN}"
    yield clue.finding(f"The {_what(clue)} is not on the Hub, or this account may not see it", why)


def _network(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    if "outgoing traffic has been disabled" in clue.evidence.log:
        return  # nobody tried to reach it: what this was raised upon says so
    why = (
        "Nor is it in this machine's cache. Check the network, proxy and `HF_ENDPOINT`; or load it once where there is "
        "a network, and name its folder."
    )
    yield clue.finding(f"The Hub cannot be reached, and the {_what(clue)} is not here", why)


def _offline(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    why = "`HF_HUB_OFFLINE` keeps the libraries from asking the Hub. Unset it, or load it once while online."
    yield clue.finding(f"This machine is set to stay offline, and the {_what(clue)} is not in its cache", why)


def _no_token(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    fix = Fix("Do not push", {}, ("push_to_hub", "hub_model_id", "hub_strategy", "hub_private_repo"))
    pushing = clue.evidence.value("push_to_hub") is True
    why = "Sign in with `hf auth login` or on the page, with a token that may write." if pushing else _SIGN_IN
    yield clue.finding("Nobody is signed in to the Hub, or the token is not valid", why, fix if pushing else None)


def _may_not_write(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    fix = Fix("Do not push", {}, ("push_to_hub", "hub_model_id", "hub_strategy", "hub_private_repo"))
    target = clue.evidence.value("hub_model_id") or "the repository"
    why = (
        "Make a token with the role write at https://huggingface.co/settings/tokens, or name a repository of your own."
    )
    yield clue.finding(f"The token may not write to {target}", why, fix)


def _busy(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    yield clue.finding("The Hub had no answer for now", "It was busy or counted too many requests. Start again later.")


HUB: tuple[Cause, ...] = (
    cause(
        "gated",
        r"GatedRepoError|trying to access a gated repo|is a gated dataset"
        r"|Access to (this )?(model|dataset) .*restricted",
        _gated,
    ),
    cause(
        "may-not-write",
        r"403 (Client Error|Forbidden)|don't have the rights to create|You don't have .*write"
        r"|insufficient permissions|Cannot access content at: \S+/api/repos/create",
        _may_not_write,
    ),
    cause(
        "no-token",
        r"LocalTokenNotFoundError|Token is required|Invalid user token|Invalid credentials in Auth"
        r"|Invalid username or password|not logged in|You need to (be logged in|authenticate)",
        _no_token,
    ),
    cause("hub-busy", r"(429|50[0234]) (Client|Server) Error|Too Many Requests", _busy),
    cause(
        "offline",
        r"OfflineModeIsEnabled|outgoing traffic has been disabled|HF_HUB_OFFLINE|offline mode is enabled",
        _offline,
    ),
    cause(
        "no-network",
        r"couldn't connect to|Couldn't reach|NameResolutionError|Name or service not known"
        r"|Temporary failure in name resolution|Max retries exceeded|LocalEntryNotFoundError"
        r"|No address associated with hostname|Failed to resolve"
        r"|(httpx|requests|httpcore)\.\w*\.?(ConnectError|ConnectTimeout|ReadTimeout|ConnectionError)"
        r"|(Read|Connect)Timeout",
        _network,
    ),
    cause(
        "not-on-the-hub",
        r"RepositoryNotFoundError|is not a local folder and is not a valid model identifier"
        r"|DatasetNotFoundError|Repository Not Found|RevisionNotFoundError|HFValidationError"
        r"|Repo id must|Incorrect path_or_model_id",
        _missing,
    ),
)
