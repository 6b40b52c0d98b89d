"""TRL's command in a child of a process that has loaded its libraries: the same code, without their loading twice.

`trl` and, in place of the process that accelerate launches for the script, a fork: what both write is what they write
as processes of their own, for nothing but the loading is shared.
"""

from __future__ import annotations

import os
import resource
import sys
import traceback
import types
from pathlib import Path
from typing import Any

TRL = Path(sys.executable).with_name("trl")


def load() -> None:
    """Imports what the scripts do; the environment has to be right by now, since the libraries read it then."""
    import accelerate.commands.launch
    import datasets
    import peft
    import transformers
    import trl
    import trl.cli.main
    import trl.rewards

    named = (trl.SFTTrainer, trl.DPOTrainer, trl.GRPOTrainer, trl.KTOTrainer, trl.RewardTrainer, trl.RLOOTrainer)
    loaded = (*named, trl.DistillationTrainer, datasets.load_dataset, peft.LoraConfig)
    assert all(loaded)
    assert accelerate.commands.launch.launch_command
    assert transformers.AutoModelForCausalLM


def forked(program: str, arguments: list[str]) -> int:
    """Runs a Python program in a fork, in this folder and with this process's streams; its code, negative a signal."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        os._exit(_run(program, arguments))
    code: int = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return code


def _run(program: str, arguments: list[str]) -> int:
    """The program as `python PROGRAM` runs it: its own `__main__`, errors written as Python does."""
    sys.argv, sys.path[0] = [program, *arguments], str(Path(program).parent)
    main = types.ModuleType("__main__")
    main.__dict__["__file__"] = program
    sys.modules["__main__"] = main
    code = 0
    try:
        exec(compile(Path(program).read_text(encoding="utf-8"), program, "exec"), main.__dict__)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException as error:  # noqa: BLE001 (the interpreter writes whatever is raised, and so does this)
        trace = error.__traceback__
        traceback.print_exception(type(error), error, trace.tb_next if trace else None)
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


class Launched:
    """In place of `subprocess.Popen` where accelerate launches the script: a fork that has ended when it is asked."""

    def __init__(self, command: list[str], env: dict[str, str] | None = None, **_: Any) -> None:
        self.before = dict(os.environ)
        os.environ.update(env or {})
        self.returncode = forked(command[1], command[2:])

    def wait(self, timeout: float | None = None) -> int:
        return self.returncode

    def poll(self) -> int:
        return self.returncode


def trl_in(folder: Path, method: str, limit: int | None = None) -> int:
    """`trl METHOD --config recipe.yaml` in a folder, its words in train.log there; the exit code as a shell has it.

    `limit` is the memory that it may have, in bytes.
    """
    pid = os.fork()
    if pid == 0:
        import accelerate.commands.launch as launch

        os.chdir(folder)
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        log = os.open("train.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        for stream in (1, 2):
            os.dup2(log, stream)
        sys.stdout = os.fdopen(1, "w", buffering=1, encoding="utf-8")
        sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8")
        launch.subprocess = types.SimpleNamespace(  # type: ignore[attr-defined]
            Popen=Launched, CalledProcessError=launch.subprocess.CalledProcessError
        )
        os._exit(_run(str(TRL), [method, "--config", "recipe.yaml"]))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
