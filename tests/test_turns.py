"""Whose turn it is: first come, first served, on the GPUs that are free."""

from __future__ import annotations

import pytest

from studio.domain.errors import StudioError
from studio.domain.turns import Place, Rules, gpus_in, moved, sets_in, turns


def places(*said: tuple[str, tuple[int, ...] | None, bool]) -> list[Place]:
    return [Place(name, order, gpus, going) for order, (name, gpus, going) in enumerate(said)]


def test_one_at_a_time_on_the_cpu() -> None:
    assert turns(places(("a", (), False), ("b", (), False)), Rules()) == {"a": ()}
    assert turns(places(("a", (), True), ("b", (), False)), Rules()) == {}
    assert turns(places(("a", (), True), ("b", (), False), ("c", (), False)), Rules(at_once=2)) == {"b": ()}


def test_runs_on_other_gpus_go_beside_each_other() -> None:
    line = places(("a", (0,), True), ("b", (0,), False), ("c", (1,), False), ("d", (), False))
    assert turns(line, Rules()) == {"c": (1,), "d": ()}


def test_a_run_for_many_gpus_is_not_overtaken_by_runs_for_one_of_them() -> None:
    line = places(("a", (0,), True), ("b", (0, 1), False), ("c", (1,), False), ("d", (2,), False))
    assert turns(line, Rules()) == {"d": (2,)}
    assert turns(line[1:], Rules()) == {"b": (0, 1), "d": (2,)}


def test_sets_are_handed_out_to_those_who_ask_for_none() -> None:
    rules = Rules(sets=((0, 1), (2, 3)))
    line = places(("a", (0, 1), True), ("b", None, False), ("c", None, False), ("d", (0,), False))
    assert turns(line, rules) == {"b": (2, 3)}
    assert turns(line[1:], rules) == {"b": (0, 1), "c": (2, 3)}
    assert turns(line[3:], rules) == {"d": (0,)}


def test_without_sets_who_asks_for_none_waits_for_the_cpu() -> None:
    assert turns(places(("a", None, False), ("b", None, False)), Rules()) == {"a": ()}


def test_the_order_is_by_place_and_then_by_name() -> None:
    line = [Place("b", 1, ()), Place("a", 1, ()), Place("c", 0, (), going=True)]
    assert turns(line, Rules(at_once=2)) == {"a": ()}


def test_moving_within_the_line() -> None:
    line = places(("going", (), True), ("a", (), False), ("b", (), False), ("c", (), False))

    def after(name: str, to: int) -> str:
        orders = {place.id: place.order for place in line if not place.going} | moved(line, name, to)
        return "".join(sorted(orders, key=orders.__getitem__))

    assert after("c", 0) == "cab"
    assert after("a", 1) == "bac"
    assert after("a", 99) == "bca"
    assert after("b", -5) == "bac"
    assert moved(line, "b", 1) == {}
    assert moved(line, "going", 0) == moved(line, "nobody", 0) == {}
    same = [Place("a", 5, ()), Place("b", 5, ()), Place("c", 5, ())]
    orders = {place.id: place.order for place in same} | moved(same, "c", 0)
    assert sorted(orders, key=orders.__getitem__) == ["c", "a", "b"]


def test_gpu_ids_as_accelerate_reads_them() -> None:
    assert gpus_in("0,1") == gpus_in(" 1, 0 ,") == (0, 1)
    assert gpus_in(3) == (3,)
    assert gpus_in("all") is gpus_in(None) is gpus_in("") is gpus_in("0,x") is None


def test_sets_as_people_type_them() -> None:
    assert sets_in(["0,1", "2,3"]) == ((0, 1), (2, 3))
    assert sets_in(["all"]) == sets_in([]) == ()
    for wrong in ("0-1", "a", "0,", "-1", "٣", "1" * 5):
        with pytest.raises(StudioError, match="no set of GPUs"):
            sets_in(["2", wrong])


def test_what_a_run_may_count_on_that_names_no_gpu() -> None:
    assert Rules().share(4) == 4
    assert Rules(sets=((0, 1, 2), (3, 4))).share(5) == 2
    assert Rules(sets=((0,),)).share(0) == 0
