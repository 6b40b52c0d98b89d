"""Hugging Face Spaces: what the environment says of the one that the studio runs in."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

# File systems that come over a network or from a bucket: SQLite and locks cannot be trusted there.
_REMOTE = ("fuse", "nfs", "cifs", "smb", "9p", "lustre", "ceph", "gluster")


@dataclass(frozen=True)
class SignIn:
    """What the Hub gives a Space with `hf_oauth: true` in its README, to let people sign in."""

    client_id: str
    client_secret: str = field(repr=False)
    scopes: str = "openid profile"
    provider: str = "https://huggingface.co"


@dataclass(frozen=True)
class Space:
    """A Space: `id` is `owner/name`, `hosts` are the names that it is reached by, `disk` is what survives a restart.

    `sign_in` is None where nobody can sign in. On ZeroGPU hardware there is a GPU only within single short calls.
    `token` is the secret HF_TOKEN that the owner has given the Space, where there is one. `listen` is the address and
    port that the Space shows to the world.
    """

    id: str
    owner: str
    hosts: tuple[str, ...] = ()
    zero_gpu: bool = False
    sign_in: SignIn | None = None
    disk: Path | None = None
    token: str = field(default="", repr=False)
    listen: tuple[str, int] = ("0.0.0.0", 7860)

    @property
    def duplicate_url(self) -> str:
        """Where one gets a Space like this one."""
        return f"https://huggingface.co/spaces/{self.id}?duplicate=true"


def space_here(env: Mapping[str, str] = os.environ, data: Path = Path("/data")) -> Space | None:
    """The Space that this process runs in; None elsewhere. `data` is where a Space has its storage, if any."""
    if env.get("SYSTEM") != "spaces" or not env.get("SPACE_ID"):
        return None
    host, port = Space.listen
    client_id, secret = env.get("OAUTH_CLIENT_ID"), env.get("OAUTH_CLIENT_SECRET")
    sign_in = None
    if client_id and secret:
        scopes = env.get("OAUTH_SCOPES") or SignIn.scopes
        provider = (env.get("OPENID_PROVIDER_URL") or SignIn.provider).rstrip("/")
        sign_in = SignIn(client_id, secret, scopes, provider)
    return Space(
        id=env["SPACE_ID"],
        owner=env.get("SPACE_AUTHOR_NAME") or env["SPACE_ID"].partition("/")[0],
        hosts=tuple(host.strip() for host in env.get("SPACE_HOST", "").split(",") if host.strip()),
        zero_gpu=env.get("SPACES_ZERO_GPU", "").lower() in ("1", "true"),
        sign_in=sign_in,
        disk=data if is_local_disk(data) else None,
        token=env.get("HF_TOKEN") or "",
        listen=(env.get("GRADIO_SERVER_NAME") or host, int(env.get("GRADIO_SERVER_PORT") or port)),
    )


def home_on_space(env: Mapping[str, str] = os.environ, data: Path = Path("/data")) -> Path | None:
    """The home on a Space with a disk that lasts; None elsewhere, and where TRL_STUDIO_HOME says another."""
    space = space_here(env, data)
    return space.disk / "trl-studio" if space and space.disk and not env.get("TRL_STUDIO_HOME") else None


def is_local_disk(folder: Path, mounts: Path = Path("/proc/mounts")) -> bool:
    """Whether a folder is a mount of its own, can be written, and is no bucket or network share."""
    kinds: dict[str, str] = {}
    try:
        for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines():
            parts = line.split()
            if len(parts) > 2:
                kinds[parts[1]] = parts[2].lower()
        kind = kinds.get(str(folder))
        if kind is None or kind.startswith(_REMOTE):
            return False
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
