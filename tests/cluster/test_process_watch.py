"""A process whose item hangs is ended, whatever it hangs in."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from pipeline.engine.storage import Store
from pipeline.engine.tries import Tries
from pipeline.engine.worker_reports import WorkerReports

ROOT = Path(__file__).resolve().parents[2]
MARKER = "n/r/_inflight/run-shard-a"
WORKER = """
import ctypes, sys, time
from pipeline.cluster import process_watch
from pipeline.engine.stage import Item
from pipeline.engine.storage import Store
from pipeline.engine.tries import Tries
from pipeline.engine.watch import Watch

process_watch.SECONDS_WITHOUT_A_TURN = 1.0
watch = Watch(1.0)
process_watch.ProcessWatch(watch).start()
with watch.over("shard-a", "m:1", [Item("a", "1")], Tries.begin(Store(sys.argv[1]), sys.argv[2], "m")):
    {hangs}
"""


def run(tmp_path: Path, hangs: str) -> tuple[subprocess.CompletedProcess[str], float]:
    started = time.monotonic()
    command = [sys.executable, "-c", WORKER.format(hangs=hangs), str(tmp_path), MARKER]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    return done, time.monotonic() - started


def test_what_waits_is_ended_with_a_report(tmp_path: Path) -> None:
    done, _ = run(tmp_path, "time.sleep(3600)")
    assert done.returncode == -signal.SIGKILL
    store = Store(str(tmp_path))
    slow, ended = WorkerReports(store, "run").new("n/r").events
    assert (slow["event"], ended["event"], ended["key"], ended["limit"]) == ("item slow", "item ended", "a", 1.0)
    assert 'File "<string>"' in ended["stack"]
    assert Tries.begin(store, MARKER, "m").earlier[0].overdue >= 1


def test_what_keeps_the_interpreter_to_itself_is_ended_with_its_stack_in_the_workers_log(tmp_path: Path) -> None:
    """`PyDLL` calls C with the interpreter's lock held, as a broken extension does."""
    done, seconds = run(tmp_path, "ctypes.PyDLL(None).sleep(3600)")
    assert done.returncode == 1
    assert "Timeout" in done.stderr and "most recent call first" in done.stderr
    assert seconds < 40
    assert Tries.begin(Store(str(tmp_path)), MARKER, "m").earlier[0].overdue == 0, "a death as any other"


def test_what_ends_in_time_is_left_alone(tmp_path: Path) -> None:
    done, _ = run(tmp_path, "time.sleep(0.5); watch.row()")
    assert (done.returncode, done.stderr) == (0, "")
    events = WorkerReports(Store(str(tmp_path)), "run").new("n/r").events
    assert {event["event"] for event in events} <= {"item slow"}
