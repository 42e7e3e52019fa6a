"""What ended earlier tries of a shard, as the next one finds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.engine.storage import Store
from pipeline.engine.tries import Tries


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path))


def begin(store: Store, machine: str = "m") -> Tries:
    return Tries.begin(store, "marker", machine)


def test_a_try_finds_those_before_it_and_not_itself(store: Store) -> None:
    assert begin(store).earlier == []
    second = begin(store)
    second.at("größe/日本\udce9.jpg")
    third = begin(store)
    assert [each.key for each in third.earlier] == [None, "größe/日本\udce9.jpg"]
    assert (third.own.machine, third.own.key) == ("m", None)


def test_deaths_count_only_while_an_item_is_in_work_alone(store: Store) -> None:
    for key in (None, "a", "b", "a"):
        tries = begin(store)
        tries.at(key)
    last = begin(store)
    assert last.error_of("a", 2) == "its worker process died 3 times on it"
    assert last.error_of("b", 2) is None
    assert last.error_of("c", 2) is None


def test_a_death_while_the_shard_is_written_is_of_no_item(store: Store) -> None:
    for _ in range(3):
        tries = begin(store)
        tries.at("a")
        tries.at(None)
    assert begin(store).error_of("a", 2) is None


def test_one_overdue_try_alone_is_enough(store: Store) -> None:
    begin(store).ended_overdue(5.04, 5)
    assert begin(store).error_of("a", 2) is None, "with others: which one it was is not known"
    tries = begin(store)
    tries.at("a")
    tries.ended_overdue(301.23, 300)
    message = "no result within the time limit of 300 s: its worker was ended after 301.2 s"
    assert begin(store).error_of("a", 2) == message


def test_a_shortage_of_memory_is_the_probable_cause(store: Store) -> None:
    for shortage in ("", "15.2 of 16.0 GB in use, 12.1 by this process"):
        tries = begin(store)
        tries.at("a")
        if shortage:
            tries.short_of_memory(shortage)
    cause = "probably out of memory: 15.2 of 16.0 GB in use, 12.1 by this process"
    assert begin(store).error_of("a", 2) == f"its worker process died 3 times on it, {cause}"


@pytest.mark.parametrize(("machines", "known"), [(["m", "m", "m"], True), (["m", "n", "o"], False)])
def test_so_is_a_kill_by_the_kernel_of_the_same_machine(
    store: Store, machines: list[str], known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kills, machine in enumerate(machines):
        monkeypatch.setattr("pipeline.engine.tries.kernel_kills", lambda count=kills: count)
        tries = begin(store, machine)
        tries.at("a")
    error = tries.error_of("a", 2)
    cause = ", probably out of memory: the kernel ended a process for lack of memory" if known else ""
    assert error == f"its worker process died 3 times on it{cause}"


def test_deaths_of_no_item_are_given_up_too(store: Store) -> None:
    for key in (None, "a", None):
        begin(store).at(key)
    begin(store).ended_overdue(5, 5)
    last = begin(store)
    last.give_up(2)
    with pytest.raises(ValueError, match=r"^its process died 2 times$"):
        last.give_up(1)
    last.short_of_memory("15.2 of 16.0 GB in use, 12.1 by this process")
    what_to_do = "reserve what it takes with run.memory_gb, or give it a machine with more"
    cause = f"probably out of memory: 15.2 of 16.0 GB in use, 12.1 by this process; {what_to_do}"
    with pytest.raises(ValueError, match=rf"^its process died 3 times, {cause}$"):
        begin(store).give_up(2)
