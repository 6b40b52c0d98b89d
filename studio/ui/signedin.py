"""Who is signed in to Hugging Face, how one signs in, and what a push from here would write to."""

from __future__ import annotations

from studio.adapters.space import Space
from studio.domain.account import Account, Repository, repository_problem
from studio.domain.recipe import Recipe
from studio.ui import pieces

SIGNED_IN_SCRIPT = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-owner]');
  if (button) trigger('click', {owner: button.dataset.owner});
});
"""
_ROLES = {
    "read": "a token that may only read",
    "write": "a token that may write",
    "fine-grained": "a fine-grained token",
    "unknown": "a sign-in whose rights the Hub does not tell",
}
_TOKENS = "huggingface.co/settings/tokens"


def account_words(account: Account, space: Space | None) -> str:
    """Who is signed in and what that allows; how to sign in where nobody is."""
    return f'<div class="ts-who" role="status">{_who(account, space)}</div>'


def push_words(account: Account, recipe: Recipe, name: str, repository: Repository | None) -> str:
    """Where a push goes: `name` is the repository, `repository` what is known of it. Empty without a push."""
    if recipe.get("push_to_hub") is not True or account.state != "known" or account.role == "read":
        return ""
    return f'<div class="ts-push">{_owners(account, name)}{_target(account, recipe, name, repository)}</div>'


def _who(account: Account, space: Space | None) -> str:
    if account.state == "known":
        told = ", ".join(pieces.text(part) for part in (account.token, account.place) if part)
        told = f" ({told})" if told else ""
        tone = "warn" if account.role == "read" else "ok"
        return (
            f'<p><span class="ts-dot {tone}"></span>Signed in as <b>{pieces.text(account.name)}</b> with '
            f"{_ROLES[account.role]}{told}.</p>{_rights(account)}"
        )
    if account.state == "not asked":
        return '<p><span class="ts-dot"></span>A token is set up here. The Hub has not said yet whose it is.</p>'
    if account.state == "unreachable":
        return (
            f'<p><span class="ts-dot warn"></span>A token is set up here, {pieces.text(account.place)}. '
            f"{pieces.text(account.why)}</p>"
        )
    if account.state == "refused":
        return (
            f'<p><span class="ts-dot warn"></span>Hugging Face refuses the token {pieces.text(account.place)}: '
            f"it has expired or was revoked.</p>{_how(space)}"
        )
    return f'<p><span class="ts-dot"></span>Nobody is signed in to Hugging Face here.</p>{_how(space)}'


def _rights(account: Account) -> str:
    if account.role == "read":
        return (
            f'<p class="ts-hint">To push, make a token that may write at <code>{_TOKENS}</code> and sign in with it: '
            "<code>hf auth login</code>.</p>"
        )
    places = [*account.owners, *account.repositories]
    if not places:
        return '<p class="ts-hint">It may write to no repository: give it write access to yours on the Hub.</p>'
    said = ", ".join(pieces.text(place) for place in places)
    return f'<p class="ts-hint">It may write to {said}.</p>' if account.role != "unknown" else ""


def _how(space: Space | None) -> str:
    """How to sign in: where nobody is."""
    if space is not None and space.sign_in is not None:
        words = "Sign in with the button at the top of the page, or give the Space a secret <code>HF_TOKEN</code>."
        return f'<p class="ts-hint">{words}</p>'
    if space is not None:
        return '<p class="ts-hint">Give the Space a secret <code>HF_TOKEN</code> in its settings.</p>'
    return (
        '<p class="ts-hint">In a terminal of this machine: <code>hf auth login</code>, with a token that may write '
        f"(from <code>{_TOKENS}</code>). Or start the studio with <code>HF_TOKEN</code> set. Then ask again.</p>"
    )


def _owners(account: Account, name: str) -> str:
    """Buttons for the names under which the repository may stand."""
    if len(account.owners) < 2:
        return ""
    current = account.whole(name).partition("/")[0].lower()
    buttons = "".join(
        f'<button type="button" data-owner="{pieces.text(owner)}" data-keep="owner-{pieces.text(owner)}" '
        f'aria-pressed="{str(owner.lower() == current).lower()}">{pieces.text(owner)}</button>'
        for owner in account.owners
    )
    return (
        f'<div class="ts-owner"><span class="ts-label">{pieces.spoken("Push to")}</span>'
        f'<div class="ts-seg" role="group" aria-label="Owner of the repository">{buttons}</div></div>'
    )


def _target(account: Account, recipe: Recipe, name: str, repository: Repository | None) -> str:
    """What will happen to the repository."""
    if repository_problem(name):
        return ""
    whole = f"<b>{pieces.text(account.whole(name))}</b>"
    if account.may_write(name) is False:
        return f'<p class="ts-hint">{whole} is not yours to write to.</p>'
    if repository is None or repository.state == "unknown":
        return f'<p class="ts-hint">The model goes to {whole}.</p>'
    if repository.state == "there":
        seen = "private" if repository.private else "public"
        return f'<p class="ts-hint">{whole} is there already, {seen}, and stays so: the push adds to it.</p>'
    chosen = recipe.get("hub_private_repo")
    seen = ", private" if chosen is True else ", public" if chosen is False else ""
    return f'<p class="ts-hint">{whole} will be made{seen}, when the model is loaded.</p>'
