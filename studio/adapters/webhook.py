"""The webhook that is told how runs end: its address in the home, and what goes there, by trackio's own sender."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from studio.domain.errors import StudioError

Level = Literal["info", "warn", "error"]
FILE = "webhook"  # in the home
VARIABLE = "TRACKIO_WEBHOOK_URL"  # trackio's own, where the home has none
_PATIENCE = 40.0  # seconds for the sender, of which importing trackio may take a few and the other side ten


def address(home: Path) -> str:
    """Where messages go: what the home says, else trackio's variable; `` for nowhere."""
    with suppress(OSError, UnicodeDecodeError):
        if found := (home / FILE).read_text(encoding="utf-8").strip():
            return found
    return os.environ.get(VARIABLE, "").strip()


def keep_address(home: Path, url: str) -> None:
    """Remembers where messages go, or forgets it (``); the file is for its owner's eyes only. Raises StudioError."""
    path = home / FILE
    try:
        if not url:
            path.unlink(missing_ok=True)
            return
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise StudioError("This is no address of a webhook.", "It begins with https:// and names a host.")
        handle, name = tempfile.mkstemp(dir=home, prefix=f".{FILE}.")  # readable by its owner only
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(url)
        os.replace(name, path)
    except ValueError:
        raise StudioError("This is no address of a webhook.", "It begins with https:// and names a host.") from None
    except OSError as error:
        raise StudioError(f"{path} cannot be written: {error.strerror or error}.", "Make room in the home.") from None


def tell(url: str, level: Level, title: str, text: str, project: str, run: str) -> str:
    """Sends a message, as Slack, Discord or any other wants it; what went wrong, `` where nothing did."""
    message = {"url": url, "level": level, "title": title, "text": text, "project": project, "run": run}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "studio.adapters.webhook"],
            input=json.dumps(message), capture_output=True, text=True, timeout=_PATIENCE, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"no message was sent: {type(error).__name__}"
    # The address itself is a secret of whoever made it.
    said = done.stderr.strip().replace(url, "the webhook")
    return said.splitlines()[-1] if said else "" if done.returncode == 0 else f"exit code {done.returncode}"


def ended(url: str, project: str, run: str, end: Mapping[str, object]) -> str:
    """Tells how a run has ended; `end` is what its supervisor says of the attempt. As `tell` answers."""
    outcome = str(end.get("outcome"))
    title = {"finished": f"{run} has finished", "failed": f"{run} has failed", "stopped": f"{run} has stopped"}.get(
        outcome, f"{run} has ended"
    )
    step, total, exit = end.get("last_step"), end.get("total_steps"), end.get("exit")
    parts = [f"step {step} of {total}" if total else f"step {step}"] if step is not None else []
    if outcome == "failed" and isinstance(exit, Mapping):
        parts.append(f"signal {exit['signal']}" if exit.get("signal") else f"exit code {exit.get('code')}")
    return tell(url, "error" if outcome == "failed" else "info", title, ", ".join(parts), project, run)


def main() -> int:
    """Sends the message on the standard input, JSON; in a process of its own, since trackio takes seconds to import."""
    import logging

    from trackio.alerts import AlertLevel, send_webhook

    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    message = json.load(sys.stdin)
    send_webhook(
        message["url"], AlertLevel(message["level"]), message["title"], message["text"], message["project"],
        message["run"], None,
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
