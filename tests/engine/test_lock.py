"""One run per store: which of two takes over a dead run's lock, and what neither does to the other's."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline.engine import lock
from pipeline.engine.lock import LOCK_FILE, StoreLock, StoreLockedError, describe, lives_here, machine
from pipeline.engine.storage import Store
from tests.engine.s3_proxy import proxy

# A beat that ends by an error of its own is no quiet end.
pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")


def hold_elsewhere(store: Store) -> subprocess.Popen[bytes]:
    code = (
        "import sys, time; from pipeline.engine.lock import StoreLock; from pipeline.engine.storage import Store\n"
        f"with StoreLock(Store(r'{store.url}'), 'the other run'):\n  print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


def of(owner: str, beat: int = 0, where: str = "elsewhere", pid: int = 7) -> bytes:
    fields = {
        "owner": owner,
        "host": "elsewhere",
        "machine": where,
        "pid": pid,
        "started": 0,
        "purpose": owner,
        "since_boot": -1,
    }
    return json.dumps(fields | {"beat": beat}).encode()


def dead() -> bytes:
    """Of a process of this machine that has another start time than the one there is."""
    return of("dead", where=machine(), pid=os.getpid())


def alive(owner: str = "other") -> bytes:
    return of(owner)


def until(true: Callable[[], bool]) -> bool:
    """Whether it becomes true within ten seconds."""
    end = time.monotonic() + 10
    while not true() and time.monotonic() < end:
        time.sleep(0.005)
    return true()


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


def test_a_lock_is_given_back(store: Store) -> None:
    with StoreLock(store, "one"):
        assert LOCK_FILE in store.sizes("")
    with StoreLock(store, "two") as mine:
        assert mine.taken_over is None
    assert store.sizes("") == {}


def test_the_holder_of_a_lock_is_named_and_a_dead_one_is_replaced(store: Store) -> None:
    other = hold_elsewhere(store)
    with pytest.raises(StoreLockedError, match=rf"process {other.pid} on .*the other run"), StoreLock(store, "second"):
        pass
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    with StoreLock(store, "second") as mine:
        assert f"process {other.pid}" in (mine.taken_over or "")
    assert store.sizes("") == {}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A silence of 0.4 s is a long one."""
    monkeypatch.setattr(lock, "STALE_SECONDS", 0.4)
    monkeypatch.setattr(lock, "SECONDS_BETWEEN_LOOKS", 0.01)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("clock", [-86_400.0, 0.0, 86_400.0], ids=["a day behind", "right", "a day ahead"])
def test_a_holder_on_another_machine_lives_while_its_beat_changes(
    store: Store, monkeypatch: pytest.MonkeyPatch, clock: float
) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + clock)
    store.write(LOCK_FILE, of("other", 1))
    beat = threading.Timer(0.1, lambda: store.write(LOCK_FILE, of("other", 2)))
    beat.start()
    lines: list[str] = []
    with (
        pytest.raises(StoreLockedError, match="in use by process 7 on elsewhere"),
        StoreLock(store, "2nd", lines.append),
    ):
        pass
    beat.join()
    (line,) = lines
    assert re.search(r"is locked by process 7 on elsewhere \(other, .* waiting up to 0 s for a sign of life$", line)
    assert store.read(LOCK_FILE) == of("other", 2)


@pytest.mark.usefixtures("quick")
def test_a_holder_on_another_machine_is_gone_after_a_silence(store: Store) -> None:
    store.write(LOCK_FILE, of("other", 2**60))
    begun = time.monotonic()
    with StoreLock(store, "second") as mine:
        assert time.monotonic() - begun >= 0.4
        assert mine.taken_over == f"the lock of {describe(json.loads(of('other')))}, which is gone"
    assert store.sizes("") == {}


@pytest.mark.usefixtures("quick")
def test_a_lock_given_back_while_it_is_watched_is_free(store: Store) -> None:
    store.write(LOCK_FILE, of("other", 1))
    end = threading.Timer(0.1, lambda: store.delete(LOCK_FILE))
    end.start()
    with StoreLock(store, "second"):
        assert json.loads(store.read(LOCK_FILE))["purpose"] == "second"
    end.join()


@pytest.mark.usefixtures("quick")
def test_a_lock_that_a_third_run_takes_while_it_is_watched_is_the_thirds(store: Store) -> None:
    store.write(LOCK_FILE, of("other", 1))
    third = threading.Timer(0.1, lambda: store.write(LOCK_FILE, of("third", 1)))
    third.start()
    with pytest.raises(StoreLockedError, match=r"in use by process 7 on elsewhere \(third"), StoreLock(store, "second"):
        pass
    third.join()
    assert store.read(LOCK_FILE) == of("third", 1)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("unshare") or os.geteuid() != 0, reason="needs unshare and root")
def test_two_containers_of_one_host_are_two_machines(store: Store) -> None:
    """Process 1 of another PID namespace: here that number is another process, which does not hold the lock."""
    code = (
        "import time; from pipeline.engine import lock; from pipeline.engine.storage import Store\n"
        f"lock.BEAT_SECONDS = 0.2\nwith lock.StoreLock(Store(r'{store.url}'), 'the other run'):\n  print('held', flush=True); time.sleep(60)"
    )
    command = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", sys.executable, "-c", code]
    other = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert other.stdout is not None
        if other.stdout.readline() != b"held\n":
            pytest.skip(f"no PID namespace can be made here: {other.communicate()[1].decode()[-200:]}")
        holder = json.loads(store.read(LOCK_FILE))
        assert (holder["host"], holder["pid"]) == (socket.gethostname(), 1)
        assert lives_here(holder) is None
        with pytest.raises(StoreLockedError, match=r"process 1 on .*the other run"), StoreLock(store, "second"):
            pass
    finally:
        other.kill()
        other.wait()


def test_leaving_leaves_a_lock_of_another_run(store: Store) -> None:
    foreign = alive()
    with StoreLock(store, "mine"):
        store.write(LOCK_FILE, foreign)
    assert store.read(LOCK_FILE) == foreign


def test_leaving_without_a_lock_makes_none(store: Store) -> None:
    with StoreLock(store, "mine"):
        store.delete(LOCK_FILE)
    assert store.sizes("") == {}


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


@pytest.fixture
def far(s3_bucket: str, tmp_path: Path) -> Store:
    return Store(f"{s3_bucket}/{tmp_path.name}")


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


def test_the_former_holder_is_named(store: Store) -> None:
    store.write(LOCK_FILE, dead())
    with StoreLock(store, "mine") as mine:
        assert mine.taken_over == f"the lock of {describe(json.loads(dead()))}, which is gone"
        held: dict[str, Any] = json.loads(store.read(LOCK_FILE))
        assert (held["host"], held["pid"], held["purpose"]) == (socket.gethostname(), os.getpid(), "mine")
        assert held["started"] == psutil.Process().create_time()
        assert held["since_boot"] == pytest.approx(psutil.Process().create_time() - psutil.boot_time(), abs=0.1)


def test_a_clock_that_is_set_ends_no_holder(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with StoreLock(store, "one"):
        held = json.loads(store.read(LOCK_FILE))
        right = psutil.boot_time()
        # The kernel keeps when a process started since boot, and counts back from now to the time of day of that boot.
        monkeypatch.setattr(psutil, "boot_time", lambda: right + 3600)
        monkeypatch.setattr(psutil._pslinux, "boot_time", lambda: right + 3600)
        assert abs(psutil.Process().create_time() - held["started"] - 3600) <= 1
        assert lives_here(held)


@pytest.mark.parametrize("content", [b"[1, 2]", b"7", b"", b"null", b"{half"])
def test_a_lock_that_is_no_record_is_replaced(store: Store, content: bytes) -> None:
    store.write(LOCK_FILE, content)
    with StoreLock(store, "mine") as mine:
        assert mine.taken_over == "an unreadable lock"


@pytest.mark.parametrize(("off", "lives"), [(0.0, True), (1.0, True), (1.5, False), (-1.5, False)])
def test_a_process_is_known_by_its_number_and_its_start(off: float, lives: bool) -> None:
    born = psutil.Process().create_time() - psutil.boot_time()
    holder = {"host": "any", "machine": machine(), "pid": os.getpid(), "started": 0, "since_boot": born + off}
    assert lives_here(holder) is lives
    assert lives_here(holder | {"machine": f"{machine()}0"}) is None
    assert lives_here({}) is None


def test_a_holder_of_another_machine_has_ended_after_a_silence_only(monkeypatch: pytest.MonkeyPatch) -> None:
    signs, clock = lock.SignsOfLife(), [100.0]
    monkeypatch.setattr(lock.time, "monotonic", lambda: clock[0])
    holder = {"machine": "elsewhere", "beat": 1}
    for seconds, beat, ended in ((0, 1, False), (lock.STALE_SECONDS, 1, False), (1, 1, True), (1, 2, False)):
        clock[0] += seconds
        assert signs.ended({**holder, "beat": beat}) is ended, (clock, beat)
