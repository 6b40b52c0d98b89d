"""A stand-in for the NVIDIA driver's own tool: an `nvidia-smi` in a folder of its own, whose GPUs a test chooses."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

GPU = {
    "name": "NVIDIA A100-SXM4-80GB",
    "memory.total": 81920,
    "memory.used": 1024,
    "utilization.gpu": 0,
    "temperature.gpu": 34,
    "compute_cap": "8.0",
}
_SCRIPT = """#!{python}
import json, sys
gpus = json.load(open({file!r}))
fields = next(word for word in sys.argv if word.startswith("--query-gpu=")).partition("=")[2].split(",")
assert "--format=csv,noheader,nounits" in sys.argv
open({file!r} + ".asked", "a").write("x")
for field in fields:
    if gpus and field not in gpus[0]:
        print(f'Field "{{field}}" is not a valid field to query.')
        sys.exit(2)
for gpu in gpus:
    print(", ".join("[N/A]" if gpu[field] is None else str(gpu[field]) for field in fields))
"""


class FakeSmi:
    """The tool in `folder`, to be put first on a PATH; `gpus` may change while it is in use."""

    def __init__(self, folder: Path, count: int = 0, **more: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._file = folder / "gpus.json"
        tool = folder / "nvidia-smi"
        tool.write_text(_SCRIPT.format(python=sys.executable, file=str(self._file)))
        tool.chmod(0o755)
        self.set([gpu(number, **more) for number in range(count)])

    def set(self, gpus: list[dict[str, Any]]) -> None:
        """What the tool answers from now on; a None is told as "[N/A]", a field that is not there is refused."""
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(gpus))
        new.replace(self._file)

    @property
    def asked(self) -> int:
        """How often it has been asked."""
        noted = Path(f"{self._file}.asked")
        return len(noted.read_text()) if noted.exists() else 0


def gpu(number: int, **more: Any) -> dict[str, Any]:
    """One GPU as the tool tells of it; keys are the driver's, with underscores for dots."""
    dotted = {("compute_cap" if key == "compute_cap" else key.replace("_", ".")): value for key, value in more.items()}
    return {"index": number, "uuid": f"GPU-{number:08d}", **GPU, **dotted}
