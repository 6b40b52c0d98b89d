"""Calls reward functions as TRL's trainer does, on samples, within limits of time and memory."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import importlib
import inspect
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from studio.worker.reward_model import Scores, absent, scorer

_PR_SET_CHILD_SUBREAPER = 36  # of <linux/prctl.h>


def try_rewards(task_file: Path, out: Path) -> None:
    """Writes what each function gave to `out`, a line a function, each as soon as it is known.

    The working folder is the one that stands for the run's, and what TRL would import lies there.
    """
    task = json.loads(task_file.read_text(encoding="utf-8"))
    if sys.platform == "linux":
        _watched(lambda: _tried(task, out), Path(task["over"]))
    _tried(task, out)
    _leave()


def _watched(work: Callable[[], None], over: Path) -> None:
    """Has a child do the work, and stays until the studio has ended what that child has started and left behind.

    All of it is found below this process, also what has a session of its own and what has lost its parent: this
    process becomes the parent of those. That nothing more is to be waited for is told by the file `over`.
    """
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    studio = os.getppid()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(OSError):
            os.setpgid(0, 0)  # what is sent to the group of that code does not reach this process
        try:
            work()
        except BaseException:  # noqa: BLE001 - this process is a copy that must not go on as the other
            traceback.print_exc()
        _leave()
    os.waitpid(child, 0)
    over.touch()
    while os.getppid() == studio:
        time.sleep(0.05)
    _leave()


def _leave() -> None:
    """Ends this process at once: threads that somebody's code has left are not waited for."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(0)


def _tried(task: Mapping[str, Any], out: Path) -> None:
    with out.open("w", encoding="utf-8") as lines:

        def tell(said: Mapping[str, Any]) -> None:
            lines.write(json.dumps(said) + "\n")
            lines.flush()

        given = dict(task["columns"])
        given |= {"prompts": task["prompts"], "completions": task["completions"]}
        given["completion_ids"] = _tokens(task["model"], task["completions"])
        given |= {"trainer_state": _state(task["state"]), "log_extra": _log, "log_metric": _log}
        away = {one["key"]: absent(one["key"]) for one in task["functions"] if one["model"]}
        load = scorer() if None in away.values() else None
        _limit(task["memory"])
        stacks = Path(task["stacks"]).open("w", encoding="utf-8")  # noqa: SIM115 - open until the process ends
        for one in task["functions"]:
            if one["tokens"] and given["completion_ids"] is None:
                why = "Its tokenizer is not on this machine yet; a run downloads it."
                tell({"trouble": "untried", "what": "it counts tokens of the model.", "why": why})
                continue
            if not_here := away.get(one["key"]):
                tell(not_here)
                continue
            # A function that does not end is found at its line, also where it never gives way to other threads.
            faulthandler.dump_traceback_later(one["seconds"], exit=True, file=stacks)
            tell({"begun": True})
            tell(_scored(load, one["key"], given) if load and one["model"] else _called(one, given))
            faulthandler.cancel_dump_traceback_later()


def _called(one: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    try:
        function = _loaded(one)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever somebody's code raises is told
        return {**_raised(error), "importing": True}
    try:
        found = function(**given)
        if inspect.isawaitable(found):
            found = asyncio.run(_awaited(found))
    except (Exception, SystemExit) as error:  # noqa: BLE001
        return _raised(error)
    return _numbers(found)


def _scored(load: Callable[[str], Scores], place: str, given: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return load(place)(given)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a run would end with the same
        return _raised(error)


async def _awaited(found: Any) -> Any:
    return await found


def _loaded(one: Mapping[str, Any]) -> Any:
    """The function, found as TRL's script finds it."""
    if one["built_in"]:
        function = getattr(importlib.import_module("trl.rewards"), one["key"])
        return function(**one["settings"]) if one["settings"] else function
    module, _, name = one["key"].rpartition(".")
    sys.path.insert(0, os.getcwd())
    return getattr(importlib.import_module(module), name)


def _raised(error: BaseException) -> dict[str, Any]:
    """What was raised, with the last line of the run's own files that it came through."""
    here = os.getcwd() + os.sep
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(here)]
    told: dict[str, Any] = {"trouble": "raised", "type": type(error).__name__, "message": str(error)[:300]}
    if isinstance(error, SyntaxError) and (error.filename or "").startswith(here):
        told |= {"file": str(error.filename)[len(here) :], "line": error.lineno, "text": (error.text or "").strip()}
    elif frames:
        last = frames[-1]
        told |= {"file": last.filename[len(here) :], "line": last.lineno, "text": (last.line or "")[:200]}
    return told


def _numbers(found: Any) -> dict[str, Any]:
    """The rewards as numbers, as far as torch would make a tensor of them."""
    try:
        values = list(found)
    except TypeError:
        return {"trouble": "shape", "what": f"{_article(found)} and no list"}
    numbers: list[float | None] = []
    for place, value in enumerate(values, 1):
        if value is None:
            numbers.append(None)
            continue
        if isinstance(value, (str, bytes)) or not hasattr(value, "__float__"):
            return {"trouble": "shape", "what": f"{_article(value)} for completion {place}"}
        with contextlib.suppress(TypeError, ValueError, OverflowError):
            numbers.append(float(value))
            continue
        return {"trouble": "shape", "what": f"{_article(value)} for completion {place} that is no single number"}
    return {"values": numbers}


def _article(value: Any) -> str:
    name = "None" if value is None else type(value).__name__
    return name if value is None else f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _tokens(model: str | None, completions: list[Any]) -> list[list[int]] | None:
    """The completions' tokens as the model would have written them; None where nobody asks or knows."""
    if model is None:
        return [[] for _ in completions]
    texts = [one if isinstance(one, str) else one[-1]["content"] for one in completions]
    quick = _quick_tokens(model, texts)
    if quick is not None:
        return quick
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(model, local_files_only=True)
    except (OSError, ValueError, ImportError, KeyError):
        return None
    end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    return [tokenizer(text, add_special_tokens=False)["input_ids"] + end for text in texts]


def _quick_tokens(model: str, texts: list[str]) -> list[list[int]] | None:
    """The same from tokenizer.json alone, which saves the seconds that transformers takes to import."""
    from huggingface_hub import try_to_load_from_cache
    from tokenizers import Tokenizer

    def file(name: str) -> Path:
        beside = Path(model) / name
        found = None if beside.is_file() or Path(model).is_absolute() else try_to_load_from_cache(model, name)
        return Path(found) if isinstance(found, str) else beside

    try:
        end = json.loads(file("tokenizer_config.json").read_text(encoding="utf-8")).get("eos_token")
        tokenizer = Tokenizer.from_str(file("tokenizer.json").read_text(encoding="utf-8"))
    except Exception:  # noqa: BLE001 - tokenizers raises nothing more precise
        return None
    number = tokenizer.token_to_id(end["content"] if isinstance(end, dict) else str(end))
    tokenizer.no_truncation()
    whole = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
    return whole if number is None else [[*ids, number] for ids in whole]


def _state(wanted: bool) -> Any:
    """TRL's state of the training, for code that reads it; importing it takes seconds."""
    if not wanted:
        return SimpleNamespace(global_step=0)
    from transformers import TrainerState

    return TrainerState()


def _log(*values: Any, **named: Any) -> None:
    """Takes what a function logs, as TRL's trainer would."""


def _limit(memory: int) -> None:
    """Lets this process grow by so many bytes and no more, where the system can be told."""
    with contextlib.suppress(ImportError, OSError, ValueError, IndexError):
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * os.sysconf("SC_PAGE_SIZE") + memory
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_FSIZE, (memory // 16, memory // 16))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
