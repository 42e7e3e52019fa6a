"""Threads that wait for files: results as of any pool, and an end of the process that waits for none of them."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pipeline.engine.daemon_pool import DaemonPool

ROOT = Path(__file__).resolve().parents[2]
HANGS = """
import threading
from concurrent.futures import ThreadPoolExecutor
from pipeline.engine.daemon_pool import DaemonPool
DaemonPool(1, "hangs").submit(threading.Event().wait)
print("end")
"""


def test_results_and_errors_are_those_of_the_calls() -> None:
    with DaemonPool(2, "calls") as pool:
        assert list(pool.map(pow, range(5), [2] * 5)) == [0, 1, 4, 9, 16]
        with pytest.raises(ZeroDivisionError):
            pool.submit(lambda: 1 / 0).result()


def test_calls_run_side_by_side() -> None:
    both = threading.Barrier(2)
    with DaemonPool(2, "calls") as pool:
        assert sorted(each.result(10) for each in [pool.submit(both.wait, 10) for _ in range(2)]) == [0, 1]


@pytest.mark.parametrize("dropped", [False, True])
def test_its_threads_end_after_what_is_in_the_queue(dropped: bool) -> None:
    may_go, done = threading.Event(), list[int]()
    pool = DaemonPool(1, f"queue {dropped}")
    pool.submit(may_go.wait)
    time.sleep(0.05)
    pool.submit(done.append, 1)
    pool.shutdown(cancel_futures=dropped)
    may_go.set()
    limit = time.monotonic() + 10
    while any(thread.name == f"queue {dropped}" for thread in threading.enumerate()):
        assert time.monotonic() < limit
        time.sleep(0.01)
    assert done == ([] if dropped else [1])


def test_a_call_that_hangs_does_not_keep_the_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HANGS], cwd=ROOT, timeout=60, capture_output=True, text=True, check=True
    )
    assert done.stdout == "end\n"
