"""Failures that need a GPU or two machines: lines that others reported, into failures/NAME.json with their source.

`python tests/reported_failures.py`. Of each report the error's own lines are taken, as torch, NCCL and vLLM write them;
numbers of processes and addresses are other ones. The recipe is one under which it could have come.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

OUT = Path(__file__).with_name("failures")
_TRACE = "Traceback (most recent call last):"
_SITE = "/venv/lib/python3.11/site-packages"
_LAUNCHED = (
    _TRACE,
    f'  File "{_SITE}/accelerate/commands/launch.py", line 999, in simple_launcher',
    "    raise subprocess.CalledProcessError(returncode=process.returncode, cmd=cmd)",
    "subprocess.CalledProcessError: Command '['/venv/bin/python3', 'sft.py']' returned non-zero exit status 1.",
)
_CHILD = "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: "
_LINE = "=" * 60


def _memory(allocate: str, size: str, free: str, held: str) -> str:
    """torch's words for a full GPU."""
    return (
        f"torch.OutOfMemoryError: CUDA out of memory. Tried to allocate {allocate}. GPU 0 has a total capacity of "
        f"{size} of which {free} is free. Including non-PyTorch memory, this process has {held} memory in use. "
        f"If reserved "
        "but unallocated memory is large try setting PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True to avoid "
        "fragmentation."
    )


def _ranks(rank: int, exitcode: int, told: str) -> tuple[str, ...]:
    """The launcher's report of several processes."""
    return (
        _TRACE,
        f'  File "{_SITE}/torch/distributed/launcher/api.py", line 300, in launch_agent',
        "    raise ChildFailedError(",
        _CHILD,
        _LINE,
        f"{_SITE}/trl/scripts/sft.py FAILED",
        "-" * 60,
        "Failures:",
        "  <NO_OTHER_FAILURES>",
        "-" * 60,
        "Root Cause (first observed failure):",
        "[0]:",
        "  time      : 2026-01-01_00:00:00",
        "  host      : machine",
        f"  rank      : {rank} (local_rank: {rank})",
        f"  exitcode  : {exitcode} (pid: 1234)",
        "  error_file: <N/A>",
        f"  traceback : {told}",
        _LINE,
    )


def _marked(rank: int, *lines: str) -> tuple[str, ...]:
    return tuple(f"[rank{rank}]: {line}" for line in lines)


_ASK = "To enable traceback see: https://pytorch.org/docs/stable/elastic/errors.html"
_LOADING = (
    f'  File "{_SITE}/transformers/modeling_utils.py", line 4000, in from_pretrained',
    f'  File "{_SITE}/torch/nn/modules/module.py", line 1326, in convert',
)
_EVALUATING = (
    f'  File "{_SITE}/transformers/trainer.py", line 2600, in evaluation_loop',
    f'  File "{_SITE}/transformers/trainer.py", line 2700, in prediction_step',
)
_STEP = (
    f'  File "{_SITE}/transformers/trainer.py", line 2084, in training_step',
    f'  File "{_SITE}/torch/optim/adamw.py", line 782, in adamw',
)
_FULL = _memory("130.00 MiB", "94.99 GiB", "87.19 MiB", "94.90 GiB")
_SFT = {"model_name_or_path": "someone/model", "dataset_name": "someone/data"}
_GENERATED = {**_SFT, "reward_funcs": ["rewards.length"], "num_generations": 8}
_TRL, _TORCH = "https://github.com/huggingface/trl", "https://github.com/pytorch/pytorch"

# name, method, recipe, exit code, log, source
REPORTS: tuple[tuple[str, str, dict[str, Any], int, tuple[str, ...], str], ...] = (
    (
        "gpu-memory",
        "sft",
        {**_SFT, "per_device_train_batch_size": 8, "activation_checkpointing": False},
        1,
        (_TRACE, *_STEP, _FULL, *_LAUNCHED),
        f"{_TRL}/pull/2776",
    ),
    (
        "gpu-memory-grpo",
        "grpo",
        {**_GENERATED, "per_device_train_batch_size": 24, "max_completion_length": 1024},
        1,
        (
            _TRACE,
            f'  File "{_SITE}/trl/trainer/grpo_trainer.py", line 2000, in _generate_single_turn',
            _FULL,
            *_LAUNCHED,
        ),
        f"{_TRL}/pull/2776",
    ),
    ("gpu-memory-loading", "sft", _SFT, 1, (_TRACE, *_LOADING, _FULL, *_LAUNCHED), f"{_TRL}/issues/3172"),
    (
        "gpu-memory-evaluating",
        "sft",
        {**_SFT, "per_device_eval_batch_size": 16, "eval_strategy": "steps"},
        1,
        (_TRACE, *_EVALUATING, _FULL, *_LAUNCHED),
        f"{_TRL}/issues/5750",
    ),
    (
        "gpu-memory-ranks",
        "sft",
        {**_SFT, "num_processes": 2, "per_device_train_batch_size": 4},
        1,
        (
            *_marked(0, _TRACE, *_STEP, _FULL),
            *_marked(
                1,
                _TRACE,
                f'  File "{_SITE}/torch/distributed/utils.py", line 1, in x',
                "torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:1331, unhandled system error",
                "ncclSystemError: System call (e.g. socket, malloc) or external library call failed or device error.",
            ),
            *_ranks(0, 1, _ASK),
        ),
        f"{_TRL}/pull/2776",
    ),
    (
        "nccl",
        "sft",
        {**_SFT, "num_processes": 2},
        1,
        (
            _TRACE,
            f'  File "{_SITE}/accelerate/state.py", line 930, in main_process_first',
            "torch.distributed.DistBackendError: NCCL error in: "
            "../torch/csrc/distributed/c10d/ProcessGroupNCCL.cpp:1331, "
            "unhandled system error (run with NCCL_DEBUG=INFO for details), NCCL version 2.18.1",
            "ncclSystemError: System call (e.g. socket, malloc) or external library call failed or device error. ",
            "Last error:",
            "",
            *_ranks(1, 1, _ASK),
        ),
        "https://github.com/huggingface/accelerate/issues/2107",
    ),
    (
        "nccl-timeout",
        "sft",
        {**_SFT, "num_processes": 2},
        1,
        (
            "[rank1]:[E626 06:24:44.903881913 ProcessGroupNCCL.cpp:616] [Rank 1] "
            "Watchdog caught collective operation timeout: "
            "WorkNCCL(SeqNum=808, OpType=ALLREDUCE, NumelIn=9801523, NumelOut=9801523, "
            "Timeout(ms)=600000) ran for 600020 "
            "milliseconds before timing out.",
            *_ranks(1, -6, "Signal 6 (SIGABRT) received by PID 1234"),
        ),
        "https://github.com/XPixelGroup/BasicSR/issues/737",
    ),
    (
        "port-in-use",
        "sft",
        {**_SFT, "num_processes": 4, "num_machines": 2, "main_process_ip": "10.0.0.1", "main_process_port": 29500},
        1,
        (
            _TRACE,
            f'  File "{_SITE}/torch/distributed/rendezvous.py", line 189, in _create_c10d_store',
            "torch.distributed.DistNetworkError: The server socket has failed to listen on any local network address. "
            "port: 29500, useIpv6: false, code: -98, name: EADDRINUSE, message: address already in use",
        ),
        f"{_TORCH}/blob/main/torch/csrc/distributed/c10d/socket.cpp",
    ),
    (
        "gpu-rank-killed",
        "sft",
        {**_SFT, "num_processes": 2},
        1,
        _ranks(0, -9, "Signal 9 (SIGKILL) received by PID 1234"),
        "https://github.com/lzhxmu/CPPO/issues/6",
    ),
    (
        "bf16-old-gpu",
        "sft",
        _SFT,
        1,
        (
            "Tesla V100-DGXS-32GB",
            _TRACE,
            f'  File "{_SITE}/transformers/training_args.py", line 1098, in __post_init__',
            "ValueError: Your setup doesn't support bf16/gpu. You need torch>=1.10, using Ampere GPU with cuda>=11.0",
            *_LAUNCHED,
        ),
        "https://github.com/lm-sys/FastChat/issues/1191",
    ),
    (
        "tf32-old-gpu",
        "sft",
        {**_SFT, "tf32": True},
        1,
        (
            _TRACE,
            f'  File "{_SITE}/transformers/training_args.py", line 1682, in __post_init__',
            "ValueError: --tf32 requires Ampere or a newer GPU arch, cuda>=11 and torch>=1.7",
            *_LAUNCHED,
        ),
        "https://github.com/lm-sys/FastChat/issues/1191",
    ),
    (
        "device-assert",
        "grpo",
        _GENERATED,
        1,
        (
            "../aten/src/ATen/native/cuda/Indexing.cu:1308: indexSelectLargeIndex: "
            "block: [106,0,0], thread: [15,0,0] Assertion "
            "`srcIndex < srcSelectDimSize` failed.",
            _TRACE,
            f'  File "{_SITE}/transformers/trainer.py", line 1, in compute_loss',
            "RuntimeError: CUDA error: device-side assert triggered",
            "CUDA kernel errors might be asynchronously reported at some other API call, "
            "so the stacktrace below might be "
            "incorrect.",
            *_LAUNCHED,
        ),
        f"{_TRL}/issues/2996",
    ),
    (
        "vllm-memory",
        "grpo",
        {**_GENERATED, "use_vllm": True, "vllm_gpu_memory_utilization": 0.1},
        1,
        (
            "(EngineCore_DP0 pid=223840) ERROR 10-25 13:08:43 [core.py:708] "
            "ValueError: No available memory for the cache blocks. "
            "Try increasing `gpu_memory_utilization` when initializing the engine.",
            _TRACE,
            f'  File "{_SITE}/vllm/worker/worker.py", line 493, in raise_if_cache_size_invalid',
            "ValueError: No available memory for the cache blocks. "
            "Try increasing `gpu_memory_utilization` when initializing "
            "the engine.",
            *_LAUNCHED,
        ),
        "https://github.com/vllm-project/vllm/issues/10439",
    ),
)


def main() -> None:
    """Writes them all."""
    for name, method, recipe, code, log, source in REPORTS:
        found = {
            "name": name, "source": source, "method": method, "recipe": recipe, "outcome": "failed",
            "exit": {"code": code, "signal": None}, "log": list(log),
        }  # fmt: skip
        (OUT / f"{name}.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
