"""The holder's beat: it renews the lock that it has, and writes over no other."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.engine import lock
from pipeline.engine.lock import LOCK_FILE, StoreLock
from pipeline.engine.storage import Store
from tests.engine.lock_records import alive
from tests.engine.s3_proxy import proxy

# A beat that ends by an error of its own is no quiet end.
pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")


def until(true: Callable[[], bool]) -> bool:
    """Whether it becomes true within ten seconds."""
    end = time.monotonic() + 10
    while not true() and time.monotonic() < end:
        time.sleep(0.005)
    return true()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path))


def test_the_beat_renews_the_lock(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.01)
    with StoreLock(store, "mine"):
        first = json.loads(store.read(LOCK_FILE))
        assert until(lambda: json.loads(store.read(LOCK_FILE))["beat"] > first["beat"])
        assert json.loads(store.read(LOCK_FILE)) | {"beat": 0} == first | {"beat": 0}
    assert store.sizes("") == {}


def test_the_beat_never_writes_over_a_lock_of_another_run(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.2)
    foreign = alive()
    with StoreLock(store, "mine") as mine:
        store.write(LOCK_FILE, foreign)
        mine._beat.join(10)
        assert not mine._beat.is_alive(), "the beat goes on though the lock is lost"
        assert store.read(LOCK_FILE) == foreign


def test_the_beat_makes_no_lock_where_there_is_none(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.2)
    with StoreLock(store, "mine") as mine:
        store.delete(LOCK_FILE)
        mine._beat.join(10)
        assert not mine._beat.is_alive()
        assert store.sizes("") == {}


class Unsure(Store):
    """Its second and third writes fail."""

    def write(self, name: str, data: bytes) -> None:
        count = self.__dict__["writes"] = self.__dict__.get("writes", 0) + 1
        if count in (1, 2):
            raise OSError("no answer")
        super().write(name, data)


def test_the_beat_goes_on_where_the_store_did_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.01)
    store = Unsure(str(tmp_path))
    with StoreLock(store, "mine"):
        first = json.loads(store.read(LOCK_FILE))["beat"]
        assert until(lambda: json.loads(store.read(LOCK_FILE))["beat"] > first)


def test_a_holder_that_was_suspended_while_it_renews_writes_nothing_over_the_next(
    far: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next run takes the lock over between the read of this one and its write."""
    foreign = alive()
    with proxy(os.environ["AWS_ENDPOINT_URL"]) as requests:
        near = Store(far.url)
        near.write("x", b"")  # connected without the proxy
        monkeypatch.setenv("AWS_ENDPOINT_URL", requests.url)
        with StoreLock(Store(far.url), "mine"):
            requests.fault = lambda method, path: near.write(LOCK_FILE, foreign) if method == "PUT" else None
        assert near.read(LOCK_FILE) == foreign
