"""Who is signed in to Hugging Face, where that account may write, and what is known of a repository there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

AccountState = Literal["nobody", "not asked", "known", "refused", "unreachable"]
Role = Literal["read", "write", "fine-grained", "unknown"]

_ROLES: Mapping[str, Role] = {"read": "read", "write": "write", "fineGrained": "fine-grained"}
_WRITERS = ("admin", "write", "contributor")  # roles in an organisation that may create repositories


@dataclass(frozen=True)
class Account:
    """The account behind this machine's token; never the token itself.

    `nobody`: there is no token; `not asked`: there is one, and the Hub has not been asked yet; `refused`: the Hub does
    not take it. `place` says where the token stands and `token` is the name that its owner gave it. `owners` are the
    names under which it may create repositories, the account's own first; `repositories` are single ones that a
    fine-grained token may write to, of which the Hub does not name all where `partial`. `why` is a sentence for people.
    """

    state: AccountState
    name: str = ""
    role: Role = "unknown"
    token: str = ""
    place: str = ""
    owners: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    partial: bool = False
    why: str = ""

    def whole(self, repository: str) -> str:
        """The repository as owner/name: without an owner it is the account's own."""
        return repository if "/" in repository or not self.name else f"{self.name}/{repository}"

    def may_write(self, repository: str) -> bool | None:
        """Whether a push to the repository would be let through; None where nobody can say."""
        if self.state != "known":
            return None
        if self.role == "read":
            return False
        whole = self.whole(repository).lower()
        if whole.partition("/")[0] in (owner.lower() for owner in self.owners):
            return None if self.role == "unknown" else True
        if whole in (one.lower() for one in self.repositories):
            return True
        return None if self.partial else False


@dataclass(frozen=True)
class Repository:
    """What the Hub says of a model repository: `there`, `free`, or `unknown` where it could not be asked."""

    name: str
    state: Literal["there", "free", "unknown"]
    private: bool = False


NOBODY, NOT_ASKED = Account("nobody"), Account("not asked")


def account_from(answer: Mapping[str, Any]) -> Account:
    """The account that an answer of the Hub's `whoami-v2` tells of; what it does not tell stays unknown."""
    name = str(answer.get("name") or "")
    token = _mapping(_mapping(answer.get("auth")).get("accessToken"))
    role = _ROLES.get(str(token.get("role")), "unknown")
    known = Account("known", name, role, str(token.get("displayName") or ""))
    entries = answer.get("orgs")
    members = [_mapping(entry) for entry in entries] if isinstance(entries, list) else []
    writers = [str(entry.get("name")) for entry in members if entry.get("roleInOrg") in _WRITERS and entry.get("name")]
    if role == "fine-grained":
        return _fine_grained(known, _mapping(token.get("fineGrained")), writers)
    return known if role == "read" else replace(known, owners=tuple(dict.fromkeys([name, *writers])))


def _fine_grained(known: Account, granted: Mapping[str, Any], writers: list[str]) -> Account:
    """A fine-grained token may write where one of its entries says `repo.write`: to an owner, or to one repository."""
    owners, repositories, partial = [], [], False
    scoped = granted.get("scoped")
    for entry in scoped if isinstance(scoped, list) else []:
        if "repo.write" not in (_mapping(entry).get("permissions") or ()):
            continue
        entity = _mapping(_mapping(entry).get("entity"))
        kind, name = entity.get("type"), str(entity.get("name") or "")
        if kind == "user" or (kind == "org" and name in writers):
            owners.append(name or known.name)
        elif kind == "model" and "/" in name:
            repositories.append(name)
        elif kind == "model":
            partial = True  # a repository that is given by number only
    ordered = sorted(dict.fromkeys(owners), key=lambda owner: owner != known.name)
    return replace(known, owners=tuple(ordered), repositories=tuple(repositories), partial=partial)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def repository_problem(name: Any) -> str | None:
    """What is wrong with the name of a repository to push to, as a sentence; None where the Hub would take it."""
    if not isinstance(name, str) or not name.strip():
        return "The repository's name is empty."
    if "://" in name:
        return "The repository is given as an address."
    if name.count("/") > 1:
        return f"`{name}` has {name.count('/') + 1} parts."
    owner, _, last = name.rpartition("/")
    if name.startswith("/") or not last:
        return f"`{name}` lacks the owner or the name."
    for part in filter(None, (owner, last)):
        wrong = re.search(r"[^A-Za-z0-9._-]", part)
        if wrong:
            sign = "a blank" if wrong[0].isspace() else f"the sign {wrong[0]}"
            return f"`{name}` has {sign} in it."
        if part[0] in "-." or part[-1] in "-." or "--" in part or ".." in part or part.endswith(".git"):
            return f"`{part}` cannot be a name on the Hub."
    return f"`{name}` is longer than 96 characters." if len(name) > 96 else None


def repository_name(name: str) -> str:
    """The nearest name that the Hub would take: an address without its site, blanks and other signs as dashes."""
    path = re.sub(r"^[a-z]+://[^/]*/", "", name.strip()).strip("/").split("/")
    parts = [re.sub(r"-{2,}|\.{2,}", "-", re.sub(r"[^A-Za-z0-9._-]+", "-", part)).strip("-.") for part in path]
    parts = [part.removesuffix(".git") for part in parts if part]
    return "/".join(parts[:2])[:96].strip("-./")
