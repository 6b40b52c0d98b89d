"""The machine: its accelerators, memory and installed packages, told without importing torch."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

_QUERY = ("index", "name", "memory.total", "memory.used", "utilization.gpu", "temperature.gpu", "uuid")
_CAPABILITY = "compute_cap"  # older drivers do not know this field, and then refuse the whole query
_MIB = 2**20


@dataclass(frozen=True)
class Gpu:
    """One accelerator, None where something is not told.

    Memory in bytes, `use` in percent, `temperature` in degrees Celsius; `capability` is CUDA's compute capability (8.0
    for Ampere), `uuid` the driver's own name for it.
    """

    index: int
    name: str
    memory: int | None = None
    used: int | None = None
    use: int | None = None
    temperature: int | None = None
    capability: float | None = None
    uuid: str = ""


@dataclass(frozen=True)
class Machine:
    """What a run can use here.

    `kind` is `nvidia`, `amd`, `apple` or `cpu`; memory in bytes; `torch` is what the installed torch was built for:
    `cuda`, `rocm`, `cpu`, or empty where that is not known.
    """

    kind: str
    gpus: tuple[Gpu, ...]
    cores: int
    memory: int
    system: str
    torch: str = ""

    @property
    def summary(self) -> str:
        """One line for people: "2 x NVIDIA A100 80 GB" or "CPU, 2 cores, 24 GB"."""
        if not self.gpus:
            return f"CPU · {self.cores} cores · {self.memory / 2**30:.0f} GB"
        first = self.gpus[0]
        count = f"{len(self.gpus)} × " if len(self.gpus) > 1 else ""
        size = f" · {first.memory / 2**30:.0f} GB" if first.memory else ""
        return f"{count}{first.name}{size}"

    @property
    def unusable(self) -> str:
        """Why the installed torch cannot use the GPUs, as a sentence; empty where it can, or nobody can say."""
        wanted = {"nvidia": "cuda", "amd": "rocm"}.get(self.kind)
        if not self.gpus or not wanted or not self.torch or self.torch == wanted:
            return ""
        built = {"cpu": "for CPUs only", "cuda": "for NVIDIA GPUs", "rocm": "for AMD GPUs"}[self.torch]
        return f"The installed torch is built {built}, so it cannot use the {self.gpus[0].name}."

    @property
    def older(self) -> dict[int, str]:
        """The GPUs without bfloat16 of their own (before Ampere), by number."""
        return {gpu.index: gpu.name for gpu in self.gpus if gpu.capability is not None and gpu.capability < 8}

    @property
    def mixed(self) -> bool:
        """Whether the GPUs are of different kinds."""
        return len({gpu.name for gpu in self.gpus}) > 1


class GpuWatch:
    """The GPUs' readings for all pages together: the driver is asked at most every `keep` seconds.

    Asking takes from 0.05 s to some seconds on a machine with many GPUs. Where it does not answer, the last readings
    stand.
    """

    def __init__(
        self,
        ask: Callable[[], tuple[Gpu, ...]],
        keep: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._keep = keep
        self._clock = clock
        self._lock = threading.Lock()
        self._read: tuple[Gpu, ...] = ()
        self._asked: float | None = None

    def gpus(self) -> tuple[Gpu, ...]:
        """The readings, not older than `keep` seconds where the driver answers."""
        with self._lock:
            if self._asked is None or self._clock() - self._asked >= self._keep:
                self._read = self._ask() or self._read
                self._asked = self._clock()
            return self._read

    def last(self) -> tuple[Gpu, ...]:
        """The last readings, however old, without asking; empty before the first."""
        return self._read


def look() -> Machine:
    """The machine as it is now; the driver's own tools are asked, and none means CPU."""
    kind, gpus = _found()
    return Machine(
        kind=kind,
        gpus=gpus,
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory=psutil.virtual_memory().total,
        system=platform.system(),
        torch=torch_build(),
    )


def look_at_gpus() -> tuple[Gpu, ...]:
    """The accelerators with their memory, use and temperature at this moment; empty where there are none."""
    return _found()[1]


def _found() -> tuple[str, tuple[Gpu, ...]]:
    if gpus := _visible(_nvidia()):
        return "nvidia", gpus
    if gpus := _visible(_amd()):
        return "amd", gpus
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return "apple", (Gpu(0, "Apple GPU", psutil.virtual_memory().total),)
    return "cpu", ()


def _visible(gpus: tuple[Gpu, ...]) -> tuple[Gpu, ...]:
    """Those that CUDA_VISIBLE_DEVICES leaves to this process, and so to the runs that it starts."""
    said = os.environ.get("CUDA_VISIBLE_DEVICES")
    if said is None or not gpus:
        return gpus
    wanted = [part.strip() for part in said.split(",")]
    return tuple(
        gpu
        for gpu in gpus
        if str(gpu.index) in wanted or any(len(part) > 4 and gpu.uuid.startswith(part) for part in wanted)
    )


def _nvidia() -> tuple[Gpu, ...]:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    for fields in ((*_QUERY, _CAPABILITY), _QUERY):
        text = _output([tool, f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"])
        if gpus := tuple(gpu for line in text.splitlines() if (gpu := _nvidia_gpu(line)) is not None):
            return gpus
    return ()


def _nvidia_gpu(line: str) -> Gpu | None:
    """One line of nvidia-smi's answer; what a driver does not tell ("[N/A]") is None."""
    cells = [cell.strip() for cell in line.split(",")]
    if len(cells) < len(_QUERY) or not cells[0].isdigit():
        return None
    memory, used, use, heat = (int(cell) if cell.isdigit() else None for cell in cells[2:6])
    capability = cells[7] if len(cells) > 7 else ""
    return Gpu(
        int(cells[0]),
        cells[1],
        None if memory is None else memory * _MIB,
        None if used is None else used * _MIB,
        use,
        heat,
        float(capability) if re.fullmatch(r"\d+\.\d+", capability) else None,
        cells[6],
    )


def _amd(drivers: Path = Path("/sys/class/drm")) -> tuple[Gpu, ...]:
    # The kernel's own files; rocm-smi is often not on the path.
    gpus = []
    for place, file in enumerate(sorted(drivers.glob("card[0-9]*/device/mem_info_vram_total"))):
        card = file.parent
        memory = _number(file)
        if memory is None:
            continue
        heat = next((found for sensor in card.glob("hwmon/hwmon*/temp1_input") if (found := _number(sensor))), None)
        gpus.append(
            Gpu(
                place,
                _words(card / "product_name") or "AMD GPU",
                memory,
                _number(card / "mem_info_vram_used"),
                _number(card / "gpu_busy_percent"),
                None if heat is None else heat // 1000,
            )
        )
    return tuple(gpus)


def _words(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _number(file: Path) -> int | None:
    words = _words(file)
    return int(words) if words.isdigit() else None


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return ""
    return done.stdout if done.returncode == 0 else ""


def torch_build() -> str:
    """What the installed torch was built for: `cuda`, `rocm` or `cpu`; empty where there is none or it is not told."""
    try:
        found = importlib.util.find_spec("torch")
    except (ImportError, ValueError):
        return ""
    if found is None or not found.origin:
        return ""
    told = _words(Path(found.origin).with_name("version.py"))
    if not told:
        return ""
    for name, build in (("cuda", "cuda"), ("hip", "rocm"), ("rocm", "rocm")):
        if re.search(rf"^{name}\b[^=\n]*= *['\"]", told, re.MULTILINE):
            return build
    return "cpu"


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
    path = home.expanduser() / "accelerate" / "default_config.yaml"
    return path if path.is_file() else None
