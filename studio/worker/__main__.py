"""The worker's command line: `python -m studio.worker TASK [FILE]`, with its result on stdout or in a file."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path


def main(argv: list[str]) -> int:
    """Does one task and writes its result as JSON; an exception ends in its last line on stderr and exit code 1."""
    task, *targets = argv
    if task == "tokens":
        from studio.worker.tokens import serve

        serve()
        return 0
    target, *rest = targets
    if task == "arguments":
        from studio.worker.listing import catalog

        # The versions come from whoever asks, so that the list and its name in the cache cannot disagree.
        _write(Path(target), catalog(json.loads(rest[0])).to_json())
        return 0
    if task == "validate":
        from studio.worker.validation import refusal

        print(json.dumps({"message": refusal(target)}))
        return 0
    if task == "template":
        from studio.worker.templates import rendered

        print(json.dumps(rendered(target)))
        return 0
    if task == "layers":
        from studio.worker.layers import layers

        _write(Path(rest[0]), layers(Path(target)))
        return 0
    if task == "rewards":
        from studio.worker.rewards import try_rewards

        try_rewards(Path(target), Path(rest[0]))
        return 0
    raise SystemExit(f"unknown task {task}")


def _write(path: Path, data: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(data, file)
    os.replace(temporary, path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
