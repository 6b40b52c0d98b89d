"""What is done when a run has ended, before that is recorded: its metrics are exported, and the webhook is told.

Run as `python -m studio.adapters.ending HOME PROJECT RUN` in the run's folder, by its supervisor.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from studio.adapters import metrics, webhook

ENDED = "TRL_STUDIO_ENDED"  # how it has ended, JSON, as the supervisor says it
_EXPORT = "metrics.jsonl"


def main(arguments: Sequence[str]) -> int:
    """0 where the metrics were written, whatever becomes of the message."""
    if len(arguments) != 4:
        print("usage: python -m studio.adapters.ending HOME PROJECT RUN", file=sys.stderr)
        return 2
    home, project, run = Path(arguments[1]), arguments[2], arguments[3]
    code = metrics.main(["export", str(home / "trackio"), project, run, _EXPORT])
    if url := webhook.address(home):
        try:
            end = json.loads(os.environ.get(ENDED, ""))
        except ValueError:
            end = {}
        if wrong := webhook.ended(url, project, run, end if isinstance(end, dict) else {}):
            print(f"The webhook was not told: {wrong}", flush=True)
    return code


if __name__ == "__main__":
    raise SystemExit(main(sys.argv))
