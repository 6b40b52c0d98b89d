"""Who may train on a Space: its owner, and where that is an organisation its admins and writers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ROLES = ("admin", "write")  # of an organisation's members; `contributor` and `read` may only look


@dataclass(frozen=True)
class User:
    """Somebody who has signed in with Hugging Face.

    `roles` has the role in each organisation by its user name; `expires` is when the sign-in ends, in seconds since
    the epoch; `token` is what it lets a program do in that name, and stands in no text made of this object.
    """

    name: str
    roles: Mapping[str, str] = field(default_factory=dict)
    expires: float = 0.0
    token: str = field(default="", repr=False)

    def may_train(self, owner: str) -> bool:
        """Whether this is the owner of a Space, or one who may change what the owning organisation has."""
        return bool(owner) and (self.name == owner or self.roles.get(owner) in ROLES)


def user_of(claims: Mapping[str, Any], token: str, expires: float) -> User | None:
    """Who the Hub's answer about a sign-in (`/oauth/userinfo`) means; None where it names nobody.

    Names that anybody may choose freely (`name`) are left aside: only user names are unique.
    """
    name = claims.get("preferred_username")
    if not isinstance(name, str) or not name:
        return None
    found = claims.get("orgs")
    organisations = [org for org in found if isinstance(org, Mapping)] if isinstance(found, list) else []
    roles = {
        org["preferred_username"]: str(org.get("roleInOrg") or "")
        for org in organisations
        if isinstance(org.get("preferred_username"), str)
    }
    return User(name, roles, expires, token)
