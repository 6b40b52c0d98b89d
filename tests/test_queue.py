"""The queue with real processes and no server: whose turn it is, order, cancelling, and what is killed meanwhile."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from run_lab import RunLab, attempt_of, identity, kill, wait_until

from studio.adapters.launching import adopt, launch, stop
from studio.adapters.runs import Run
from studio.adapters.waiting import Queue
from studio.domain.errors import StudioError
from studio.domain.turns import Rules


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[RunLab]:
    lab = RunLab(tmp_path)
    yield lab
    lab.close()


def queued(lab: RunLab, name: str, gpus: list[int] | None = None, **recipe: Any) -> Run:
    run = lab.create(name, **({"steps": 3, "wait_at": 1} | recipe))
    launch(run, lab.command, {}, queue={"gpus": gpus})
    return run


def go_on(run: Run) -> None:
    (run.folder / "go").touch()


def begun(run: Run) -> bool:
    return run.progress().step is not None and run.state() == "training"


def test_one_at_a_time_first_come_first_served(lab: RunLab) -> None:
    first, second, third = (queued(lab, name, []) for name in ("first", "second", "third"))
    wait_until(lambda: begun(first))
    assert [run.state() for run in (second, third)] == ["queued", "queued"]
    go_on(first)
    wait_until(lambda: begun(second))
    assert (first.state(), third.state()) == ("finished", "queued")
    go_on(second)
    wait_until(lambda: begun(third))
    go_on(third)
    wait_until(lambda: third.state() == "finished")


def test_more_at_once_where_the_rules_say_so_also_for_those_who_wait_already(lab: RunLab) -> None:
    runs = [queued(lab, name, []) for name in ("a", "b", "c")]
    wait_until(lambda: begun(runs[0]))
    Queue(lab.folders.runs).set_rules(Rules(at_once=2))
    wait_until(lambda: begun(runs[1]))
    assert runs[2].state() == "queued"


def test_runs_on_different_gpus_go_beside_each_other(lab: RunLab) -> None:
    both, zero, one = queued(lab, "both", [0, 1]), queued(lab, "zero", [0]), queued(lab, "other", [2])
    wait_until(lambda: begun(both) and begun(one))
    assert zero.state() == "queued"


def test_sets_of_gpus_are_handed_out(lab: RunLab) -> None:
    Queue(lab.folders.runs).set_rules(Rules(sets=((0, 1), (2, 3))))
    runs = [queued(lab, name) for name in ("a", "b", "c")]
    wait_until(lambda: begun(runs[0]) and begun(runs[1]))
    seen = []
    for run in runs[:2]:
        trainer = wait_until(lambda run=run: attempt_of(run)["trainers"])[0]
        # It reads as empty for the moment in which the kernel puts the new program in place.
        environment = wait_until(Path(f"/proc/{trainer['pid']}/environ").read_bytes).split(b"\0")
        seen.append(next(one for one in environment if one.startswith(b"CUDA_VISIBLE_DEVICES=")))
    assert sorted(seen) == [b"CUDA_VISIBLE_DEVICES=0,1", b"CUDA_VISIBLE_DEVICES=2,3"]
    assert runs[2].state() == "queued"


def test_the_order_can_be_changed_and_a_waiting_run_be_taken_out(lab: RunLab) -> None:
    runs = {name: queued(lab, name, []) for name in ("a", "b", "c", "d")}
    wait_until(lambda: begun(runs["a"]))
    queue = Queue(lab.folders.runs)
    queue.move("d", 0)
    assert stop(runs["b"], "save", {})
    wait_until(lambda: runs["b"].state() == "stopped")
    assert not attempt_of(runs["b"])["started"]
    go_on(runs["a"])
    wait_until(lambda: begun(runs["d"]))
    assert runs["c"].state() == "queued"
    with pytest.raises(StudioError, match="does not wait"):
        queue.move("d", 0)


def test_a_supervisor_that_is_killed_while_it_waits_is_replaced_and_waits_again(lab: RunLab) -> None:
    first, second, third = (queued(lab, name, []) for name in ("first", "second", "third"))
    wait_until(lambda: begun(first))
    kill(identity(second, "supervisor"))
    assert second.state() == "interrupted"
    assert adopt(second, {})
    assert second.state() == "queued"
    go_on(first)
    wait_until(lambda: begun(second))
    assert third.state() == "queued"


def test_a_run_whose_supervisor_was_killed_still_holds_its_place(lab: RunLab) -> None:
    first, second = queued(lab, "first", []), queued(lab, "second", [])
    wait_until(lambda: begun(first) and attempt_of(first)["trainers"])
    kill(identity(first, "supervisor"))
    assert first.state() == "training"
    assert {place.id: place.going for place in Queue(lab.folders.runs).places()} == {"first": True, "second": False}
    go_on(first)  # it ends with nobody to record it: what is gone is in nobody's way
    wait_until(lambda: begun(second))


def test_sigterm_leaves_a_waiting_run_in_the_queue(lab: RunLab) -> None:
    first, second = queued(lab, "first", []), queued(lab, "second", [])
    wait_until(lambda: begun(first))
    supervisor = identity(second, "supervisor")
    os.kill(supervisor.pid, 15)
    wait_until(lambda: not supervisor.is_alive())
    assert attempt_of(second)["outcome"] is None
    assert adopt(second, {})
    assert second.state() == "queued"


def test_rules_that_cannot_be_are_refused_and_broken_ones_are_the_defaults(lab: RunLab) -> None:
    queue = Queue(lab.folders.runs)
    for wrong in (Rules(0), Rules(1000), Rules(1, ((0,), (0, 1))), Rules(1, ((),))):
        with pytest.raises(StudioError):
            queue.set_rules(wrong)
    queue.set_rules(Rules(3, ((0,), (1, 2))))
    assert queue.rules() == Rules(3, ((0,), (1, 2)))
    file = lab.folders.runs.parent / "queue.json"
    for text in ("{", "[]", json.dumps({"at_once": -1, "gpus": "0"}), json.dumps({"at_once": True, "gpus": [["x"]]})):
        file.write_text(text)
        assert queue.rules() == Rules()
