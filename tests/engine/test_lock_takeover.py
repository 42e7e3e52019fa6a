"""Which of several takes over a dead run's lock, and what none does to another's."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.engine import lock
from pipeline.engine.lock import LOCK_FILE, StoreLock, StoreLockedError
from pipeline.engine.storage import Store
from tests.engine.lock_records import alive, dead

# A beat that ends by an error of its own is no quiet end.
pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")


class Meddled(Store):
    """A store in which another run acts at a certain moment: before the n-th read of the lock."""

    def meddle(self, act: Callable[[Store], None], *, before_read: int) -> Meddled:
        self.__dict__.update(act=act, before_read=before_read, reads=0)
        return self

    def read_or_none(self, name: str) -> bytes | None:
        self.__dict__["reads"] += 1
        if self.__dict__["reads"] == self.__dict__["before_read"]:
            self.__dict__["act"](Store(self.url))
        return super().read_or_none(name)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path))


@pytest.mark.parametrize("from_", [dead(), None], ids=["it took over", "it was given back"])
def test_a_lock_that_another_takes_in_between_stays_the_others(tmp_path: Path, from_: bytes | None) -> None:
    foreign = alive()

    def act(other: Store) -> None:
        if from_ is None:
            other.delete(LOCK_FILE)
        other.write(LOCK_FILE, foreign)

    store = Meddled(str(tmp_path)).meddle(act, before_read=2)
    store.write(LOCK_FILE, dead())
    with pytest.raises(StoreLockedError, match=r"has just been taken by process 7 on elsewhere \(other"):
        StoreLock(store, "mine").__enter__()
    assert store.read(LOCK_FILE) == foreign


@pytest.mark.parametrize("before_read", [1, 2], ids=["before it was read", "before it was replaced"])
def test_a_lock_that_is_given_back_meanwhile_is_not_taken_over(tmp_path: Path, before_read: int) -> None:
    store = Meddled(str(tmp_path)).meddle(lambda other: other.delete(LOCK_FILE), before_read=before_read)
    store.write(LOCK_FILE, dead())
    with StoreLock(store, "mine") as mine:
        assert mine.taken_over is None
    assert store.sizes("") == {}


def test_of_two_that_took_over_the_last_to_write_wins(tmp_path: Path) -> None:
    foreign = alive()
    store = Meddled(str(tmp_path)).meddle(lambda other: other.write(LOCK_FILE, foreign), before_read=3)
    store.write(LOCK_FILE, dead())
    mine = StoreLock(store, "mine")
    with pytest.raises(StoreLockedError, match=r"has just been taken by process 7 on elsewhere \(other"):
        mine.__enter__()
    assert not mine._beat.is_alive()
    assert store.read(LOCK_FILE) == foreign


def test_of_many_that_take_over_at_once_on_an_object_store_one_has_the_lock(
    far: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock.time, "sleep", lambda seconds: None)  # who wrote last is not what decides it
    far.write(LOCK_FILE, dead())
    locks, together = [StoreLock(far, f"run {number}") for number in range(8)], threading.Barrier(8)

    def take(each: StoreLock) -> bool:
        together.wait()
        try:
            each.__enter__()
        except StoreLockedError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(take, locks))
    assert taken.count(True) == 1
    winner = locks[taken.index(True)]
    assert json.loads(far.read(LOCK_FILE))["owner"] == winner._owner
    winner.__exit__()
    assert far.sizes("") == {}


def test_the_winner_is_looked_up_after_a_wait(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = alive()
    monkeypatch.setattr(lock.time, "sleep", lambda seconds: store.write(LOCK_FILE, foreign))
    store.write(LOCK_FILE, dead())
    with pytest.raises(StoreLockedError, match="has just been taken by process 7"):
        StoreLock(store, "mine").__enter__()
    assert store.read(LOCK_FILE) == foreign


def test_a_lock_that_vanished_from_under_the_winner_is_not_held(tmp_path: Path) -> None:
    store = Meddled(str(tmp_path)).meddle(lambda other: other.delete(LOCK_FILE), before_read=3)
    store.write(LOCK_FILE, dead())
    with pytest.raises(StoreLockedError, match="has just been taken by"):
        StoreLock(store, "mine").__enter__()
    assert store.sizes("") == {}
