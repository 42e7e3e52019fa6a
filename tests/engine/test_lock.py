from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from pipeline.engine.lock import LOCK_FILE, StoreLock, StoreLockedError
from pipeline.engine.storage import Store


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path))


def hold_elsewhere(store: Store) -> subprocess.Popen[bytes]:
    code = (
        "import sys, time; from pipeline.engine.lock import StoreLock; from pipeline.engine.storage import Store\n"
        f"with StoreLock(Store(r'{store.url}'), 'the other run'):\n  print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


def test_a_lock_is_given_back(store):
    with StoreLock(store, "one"):
        assert LOCK_FILE in store.sizes("")
    with StoreLock(store, "two") as lock:
        assert lock.taken_over_from is None
    assert store.sizes("") == {}


def test_the_holder_of_a_lock_is_named_and_a_dead_one_is_replaced(store):
    other = hold_elsewhere(store)
    with pytest.raises(StoreLockedError, match=rf"process {other.pid} on .*the other run"), StoreLock(store, "second"):
        pass
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    with StoreLock(store, "second") as lock:
        assert f"process {other.pid}" in (lock.taken_over_from or "")
    assert store.sizes("") == {}


def test_a_reused_process_number_is_not_the_holder(store):
    mine = {"owner": "x", "host": __import__("socket").gethostname(), "pid": os.getpid(), "purpose": "p"}
    store.write(LOCK_FILE, json.dumps({**mine, "started": psutil.Process().create_time() - 5, "beat": 0}).encode())
    with StoreLock(store, "second") as lock:
        assert lock.taken_over_from


def test_a_holder_on_another_machine_counts_by_its_heartbeat(store):
    there = {"owner": "x", "host": "elsewhere", "pid": 1, "started": time.time(), "purpose": "p"}
    store.write(LOCK_FILE, json.dumps({**there, "beat": time.time()}).encode())
    with pytest.raises(StoreLockedError, match="elsewhere"), StoreLock(store, "second"):
        pass
    store.write(LOCK_FILE, json.dumps({**there, "beat": time.time() - 61}).encode())
    with StoreLock(store, "second") as lock:
        assert lock.taken_over_from


def test_an_unreadable_lock_is_replaced(store):
    store.write(LOCK_FILE, b"{half")
    with StoreLock(store, "second") as lock:
        assert lock.taken_over_from == "an unreadable lock"
