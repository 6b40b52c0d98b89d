"""Out of memory: what makes a run need less, the least costly change first, each as a change of the recipe."""

from __future__ import annotations

import re
from collections.abc import Iterator

from studio.domain.evidence import Cause, Clue, Evidence, cause
from studio.domain.findings import Finding, Fix

_EVALUATING = ("evaluation_loop", "prediction_step", "evaluate")
_LOADING = ("from_pretrained", "_move_model_to_device", "create_model_from_path", "_load_pretrained_model")
_GENERATING = ("_generate", "_generate_single_turn", "generate", "_generate_and_score_completions")
_SHORTEST = 64  # tokens; below that nothing is learnt


def smaller_batch(evidence: Evidence) -> Fix | None:
    """Half the batch and twice the accumulation, so that each step still learns from as many examples."""
    batch, accumulated = evidence.number("per_device_train_batch_size"), evidence.number("gradient_accumulation_steps")
    least = 2 if evidence.method == "kto" else 1  # KTO compares within the batch
    if batch is None or accumulated is None or batch <= least:
        return None
    whole = batch * accumulated
    half = next(size for size in range(batch // 2, 0, -1) if whole % size == 0)
    if half < least:
        return None
    label = f"Use a batch of {half}, accumulated {whole // half} times"
    return Fix(label, {"per_device_train_batch_size": half, "gradient_accumulation_steps": whole // half})


def smaller_evaluation(evidence: Evidence) -> Fix | None:
    """Half the batch of an evaluation; groups of answers stay whole."""
    batch = evidence.number("per_device_eval_batch_size")
    group = (
        (evidence.number("num_generations_eval") or evidence.number("num_generations") or 1)
        if evidence.has("num_generations")
        else 1
    )
    half = (batch or 0) // 2 // group * group
    return Fix(f"Evaluate in batches of {half}", {"per_device_eval_batch_size": half}) if half else None


def recomputed(evidence: Evidence) -> Fix | None:
    """Activations computed again instead of kept, where the run kept them."""
    for name in ("activation_checkpointing", "gradient_checkpointing"):
        if evidence.has(name):
            on = evidence.value(name) is True
            return None if on else Fix("Recompute the activations", {name: True})
    return None


def fewer_weights(evidence: Evidence, on_gpu: bool) -> Fix | None:
    """An adapter instead of all weights; where there is one, its base in 4 bits."""
    if not evidence.has("use_peft"):
        return None
    if evidence.value("use_peft") is not True:
        return Fix("Train a LoRA adapter", {"use_peft": True})
    if on_gpu and evidence.value("load_in_4bit") is not True:
        return Fix("Load the model in 4 bits", {"load_in_4bit": True}, ("load_in_8bit",))
    return None


def shorter(evidence: Evidence) -> Fix | None:
    """Half the length that the method keeps."""
    if evidence.has("max_completion_length") and evidence.method in ("grpo", "rloo", "distillation"):
        name, words = "max_completion_length", "Let answers be {} tokens long"
    elif evidence.has("max_length"):
        name, words = "max_length", "Cut examples at {} tokens"
    else:
        return None
    now = evidence.number(name)
    if now is None:
        return Fix(words.format(1024), {name: 1024}) if name == "max_length" else None
    return Fix(words.format(now // 2), {name: now // 2}) if now // 2 >= _SHORTEST else None


def _cures(clue: Clue, on_gpu: bool) -> Iterator[tuple[str, str, Fix]]:
    """Words, reason and change of every cure that is left, the best first."""
    known = clue.evidence
    loading = clue.during(*_LOADING)
    evaluating = clue.during(*_EVALUATING) and not loading
    batch = smaller_evaluation(known) if evaluating else smaller_batch(known)
    reason = "Memory grows with the batch; with the accumulation each step still learns from as many examples."
    found: list[tuple[str, str, Fix | None]] = [
        ("Halve the batch", "Memory grows with the batch." if evaluating else reason, batch),
        ("Recompute the activations", "It takes about a fifth longer, and most of the activations' memory is saved.",
         None if evaluating else recomputed(known)),
        ("Train fewer weights", "An adapter needs no gradients and no optimizer state for the model's own weights.",
         None if evaluating else fewer_weights(known, on_gpu)),
        ("Shorten the texts", "Memory grows with the length of the longest one.", shorter(known)),
    ]  # fmt: skip
    if clue.during(*_GENERATING) and not loading:
        found.insert(0, found.pop())
    if loading:
        # The model itself does not fit: neither batch nor length changes that.
        four = {"use_peft": True, "load_in_4bit": True}
        quantized = Fix("Train a LoRA adapter on 4-bit weights", four, ("load_in_8bit",))
        fits = on_gpu and known.value("load_in_4bit") is not True
        found = [("Load it in 4 bits", "It takes a quarter of the memory of 16 bits.", quantized if fits else None)]
    yield from ((said, why, fix) for said, why, fix in found if fix is not None)


def _tell(clue: Clue, said: str, on_gpu: bool, otherwise: str) -> Iterator[Finding]:
    first = True
    for words, why, fix in _cures(clue, on_gpu):
        if first:
            yield clue.finding(said, f"{words}. {why}", fix)
        else:
            yield clue.besides(f"Or: {words[0].lower()}{words[1:]}.", why, fix)
        first = False
    if first:
        yield clue.finding(said, otherwise)


def _gpu(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    crowd = re.search(r"Process \d+ has ([\d.]+ GiB) memory in use", clue.raised.text if clue.raised else clue.quote)
    others = f" Another process holds {crowd[1]} of it." if crowd and not crowd[1].startswith("0") else ""
    smaller = "Nothing is left to shrink in the recipe: take a smaller model, a larger GPU or more of them (fsdp2)."
    yield from _tell(clue, f"The GPU's memory is full.{others} It said", on_gpu=True, otherwise=smaller)


def _cpu(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    smaller = "Nothing is left to shrink in the recipe: take a smaller model or a machine with more memory."
    yield from _tell(clue, "The machine's memory is full", on_gpu=False, otherwise=smaller)


def _killed(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    yield from killed(clue)


def killed(clue: Clue) -> Iterator[Finding]:
    """A process that was killed and that nobody asked to stop: mostly by the kernel, for want of memory."""
    size = clue.evidence.memory
    has = f" (this machine has {size / 2**30:.0f} GiB)" if size else ""
    said = f"The trainer was killed, as the system does when memory runs out{has}"
    otherwise = "See `dmesg` for a line of the kernel's. Take a smaller model or a machine with more memory."
    yield from _tell(clue, said, on_gpu=False, otherwise=otherwise)


def _vllm(match: re.Match[str], clue: Clue) -> Iterator[Finding]:
    share = clue.evidence.value("vllm_gpu_memory_utilization")
    share = share if isinstance(share, float) else 0.3
    less = "less than desired" in match[0]
    changed = round(share / 2, 2) if less else min(0.9, round(share * 2, 2))
    said = "vLLM asks for more memory than the GPU has free" if less else "vLLM's share of the GPU holds no answers"
    fix = Fix(f"Give vLLM {changed:.0%} of the GPU", {"vllm_gpu_memory_utilization": changed})
    yield clue.finding(said, "Training and generating share the GPU's memory.", fix)


MEMORY: tuple[Cause, ...] = (
    cause(
        "vllm-memory", r"No available memory for the cache blocks|Free memory on device .*less than desired GPU", _vllm
    ),
    cause("gpu-memory", r"(CUDA|HIP|XPU|MPS backend) out of memory|OutOfMemoryError|CUBLAS_STATUS_ALLOC_FAILED", _gpu),
    cause(
        "cpu-memory",
        r"DefaultCPUAllocator|^MemoryError|Cannot allocate memory|Unable to allocate .* for an array"
        r"|std::bad_alloc",
        _cpu,
    ),
)
KILLED: tuple[Cause, ...] = (
    cause(
        "killed",
        r"died with <Signals\.SIGKILL: 9>|Signal 9 \(SIGKILL\) received|exitcode *: -9|exitcode: -9",
        _killed,
        anywhere=True,
    ),
)
