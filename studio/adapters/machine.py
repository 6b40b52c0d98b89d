"""The machine: its accelerators, memory and installed packages, told without importing torch."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psutil

_QUERY = "index,name,memory.total,memory.used,utilization.gpu,temperature.gpu"


@dataclass(frozen=True)
class Gpu:
    """One accelerator; memory in bytes, `use` in percent, `temperature` in degrees Celsius, None where not told."""

    index: int
    name: str
    memory: int | None = None
    used: int | None = None
    use: int | None = None
    temperature: int | None = None


@dataclass(frozen=True)
class Machine:
    """What a run can use here. `kind` is `nvidia`, `amd`, `apple` or `cpu`; memory in bytes."""

    kind: str
    gpus: tuple[Gpu, ...]
    cores: int
    memory: int
    system: str

    @property
    def summary(self) -> str:
        """One line for people: "2 x NVIDIA A100 80 GB" or "CPU, 2 cores, 24 GB"."""
        if not self.gpus:
            return f"CPU · {self.cores} cores · {self.memory / 2**30:.0f} GB"
        first = self.gpus[0]
        count = f"{len(self.gpus)} × " if len(self.gpus) > 1 else ""
        size = f" · {first.memory / 2**30:.0f} GB" if first.memory else ""
        return f"{count}{first.name}{size}"


def look() -> Machine:
    """The machine as it is now; the driver's own tools are asked, and none means CPU."""
    gpus = _nvidia()
    kind = "nvidia"
    if not gpus:
        gpus, kind = _amd(), "amd"
    if not gpus and platform.system() == "Darwin" and platform.machine() == "arm64":
        gpus, kind = (Gpu(0, "Apple GPU", psutil.virtual_memory().total),), "apple"
    return Machine(
        kind=kind if gpus else "cpu",
        gpus=gpus,
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory=psutil.virtual_memory().total,
        system=platform.system(),
    )


def _nvidia() -> tuple[Gpu, ...]:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    text = _output([tool, f"--query-gpu={_QUERY}", "--format=csv,noheader,nounits"])
    gpus = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) == 6 and cells[0].isdigit():
            memory, used, use, heat = (int(cell) if cell.isdigit() else None for cell in cells[2:])
            mib = 2**20
            gpus.append(
                Gpu(
                    int(cells[0]),
                    cells[1],
                    None if memory is None else memory * mib,
                    None if used is None else used * mib,
                    use,
                    heat,
                )
            )
    return tuple(gpus)


def _amd() -> tuple[Gpu, ...]:
    # The kernel's own files; rocm-smi is often not on the path.
    gpus = []
    for place, card in enumerate(sorted(Path("/sys/class/drm").glob("card[0-9]*/device/mem_info_vram_total"))):
        try:
            memory = int(card.read_text())
            used = int(card.with_name("mem_info_vram_used").read_text())
        except (OSError, ValueError):
            continue
        gpus.append(Gpu(place, "AMD GPU", memory, used))
    return tuple(gpus)


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def has_package(name: str) -> bool:
    """Whether a package can be imported here, without importing it."""
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def default_accelerate_config() -> Path | None:
    """The user's own accelerate config, which changes every launch in silence where it exists."""
    home = Path(
        os.environ.get("HF_HOME", Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "huggingface")
    )
    for name in ("default_config.yaml", "default_config.yml", "default_config.json"):
        path = home.expanduser() / "accelerate" / name
        if path.is_file():
            return path
    return None
