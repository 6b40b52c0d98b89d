"""Causes that lie in the machine and between processes: disk, rights, ports, GPUs that do not find each other."""

from __future__ import annotations

import re
from collections.abc import Iterator

from studio.domain.evidence import Cause, Clue, cause, plain
from studio.domain.findings import Finding, Fix


def _disk(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    known = clue.evidence
    why = "Free some space where runs and the Hub's cache lie. A checkpoint holds weights and the optimizer's state."
    fix = None
    if known.has("save_total_limit") and known.value("save_total_limit") != 1:
        fix = Fix("Keep one checkpoint", {"save_total_limit": 1})
    if known.has("save_only_model") and known.value("save_total_limit") == 1:
        fix = Fix("Save the model without the optimizer", {"save_only_model": True})
    yield clue.finding("The disk is full", why, fix)


def _port(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    named = re.search(r"port:? `?(\d{2,5})|:(\d{2,5})\b", clue.raised.text if clue.raised else clue.quote)
    port = (named[1] or named[2]) if named else str(clue.evidence.value("main_process_port") or 29500)
    if (clue.evidence.number("num_machines") or 1) > 1:
        why = "Another run or program listens there. Set another `main_process_port`, the same on every machine."
        yield clue.finding(f"Port {port} is taken", why)
        return
    why = "Another run or program listens there. 0 lets the launcher look for a free one."
    yield clue.finding(f"Port {port} is taken", why, Fix("Use a free port", {"main_process_port": 0}))


def _timeout(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    seconds = clue.evidence.number("ddp_timeout") or 1800
    why = (
        "One process was far behind the others, or had died: look for its own error further up. Where it had much to "
        "prepare, a longer patience helps."
    )
    fix = (
        Fix(f"Wait for {2 * seconds:,} seconds", {"ddp_timeout": 2 * seconds})
        if clue.evidence.has("ddp_timeout")
        else None
    )
    yield clue.finding("The processes waited for each other in vain", why, fix)


def _nccl(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    known = clue.evidence
    env = dict(known.recipe.env) if known.recipe else {}
    told = {"NCCL_DEBUG": "INFO"} if "NCCL_DEBUG" not in env else {"NCCL_P2P_DISABLE": "1"}
    label = "Have NCCL say more" if "NCCL_DEBUG" in told else "Go without direct GPU links"
    why = (
        "Drivers, shared memory (in a container: --shm-size) or direct links between the GPUs are the usual reasons. "
        "NCCL_DEBUG=INFO has it say which; NCCL_P2P_DISABLE=1 does without the links."
    )
    yield clue.finding("The GPUs could not talk to each other", why, Fix(label, {"env": {**env, **told}}))


def _rendezvous(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    known = clue.evidence
    address = f"{known.value('main_process_ip') or 'the first machine'}:{known.value('main_process_port') or 29500}"
    why = "Start the first machine (machine_rank 0) too, and see that this port of it can be reached from here."
    fix = None
    if (known.number("num_machines") or 1) > 1:
        names = ("num_machines", "machine_rank", "main_process_ip", "main_process_port", "rdzv_backend", "rdzv_conf")
        fix = Fix("Train on this machine alone", {}, names)
    yield clue.finding(f"The other processes were not found at {address}", why, fix)


MACHINE: tuple[Cause, ...] = (
    cause(
        "disk-full",
        r"No space left on device|Disk quota exceeded|os error 28|Errno 28|Errno 122|not enough free disk"
        r"|PytorchStreamWriter failed writing|file write failed|basic_ios::clear: iostream error",
        _disk,
    ),
    cause(
        "port-in-use",
        r"EADDRINUSE|[Aa]ddress already in use|but that port is in use|port .* already in use"
        r"|Tried to launch distributed communication on port",
        _port,
    ),
    plain(
        "no-rights",
        r"PermissionError: \[Errno 13\][^\n]*'([^']+)'|Read-only file system: '([^']+)'",
        "A file or folder may not be written or read",
        "Change its rights, or name another folder.",
    ),
    plain(
        "folder-is-file",
        r"(?:FileExistsError|NotADirectoryError): [^\n]*'([^']+)'",
        "{0} is a file, where a folder is to be",
        "Move it away, or name another folder.",
    ),
    plain(
        "no-gpu",
        r"Found no NVIDIA driver|No CUDA GPUs are available|CUDA driver version is insufficient"
        r"|no CUDA-capable device",
        "torch finds no GPU that it can use",
        "See `nvidia-smi`; a driver that is too old, or a container without --gpus, are the usual reasons.",
        Fix("Train on the CPU", {"use_cpu": True, "bf16": False}),
    ),
    plain(
        "gpu-kernels",
        r"no kernel image is available|not compatible with the current PyTorch installation",
        "The installed torch was not built for this GPU",
        "Install the build for it: https://pytorch.org/get-started",
    ),
    plain(
        "gpu-failed",
        r"CUDA error: (?:an illegal memory access|unspecified launch failure|uncorrectable ECC|misaligned"
        r"|launch timed out)|Xid",
        "The GPU failed",
        "Start again; if it comes back, see `dmesg` for lines with Xid.",
    ),
    plain(
        "shared-memory",
        r"DataLoader worker \(pid[^)]*\) is killed by signal: (?:Bus error|Killed)|insufficient shared memory",
        "A data loader's process ran out of memory",
        "In a container give it more shared memory (--shm-size), or:",
        Fix("Load data in the trainer itself", {"dataloader_num_workers": 0}),
    ),
    cause(
        "nccl-timeout",
        r"Watchdog caught collective operation timeout|Timed out waiting \d+ms for recv|ran for \d+ "
        r"milliseconds before timing out",
        _timeout,
        anywhere=True,
    ),
    cause(
        "nccl",
        r"NCCL error|ncclSystemError|ncclUnhandledCudaError|ncclInternalError|ncclRemoteError|ncclInvalidUsage",
        _nccl,
    ),
    cause(
        "rendezvous",
        r"RendezvousTimeoutError|RendezvousConnectionError|RendezvousClosedError|DistNetworkError"
        r"|DistStoreError|failed to connect to|Timed out (?:after|waiting)[^\n]*client"
        r"|timed out while waiting for clients",
        _rendezvous,
    ),
)
