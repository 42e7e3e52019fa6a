"""One run per store: who holds its lock, and how a holder that has ended is known."""

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
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline.engine import lock
from pipeline.engine.lock import LOCK_FILE, StoreLock, StoreLockedError, describe, lives_here, machine
from pipeline.engine.storage import Store
from tests.engine.lock_records import alive, dead, of

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
