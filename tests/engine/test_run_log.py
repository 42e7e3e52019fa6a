"""The run log: there while the run goes, whole after a kill, on a disk and on S3."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow.fs as pafs
import pytest

from pipeline.engine import run_log, run_log_file
from pipeline.engine.delays import MOST_STACK
from pipeline.engine.run_log import RunLog, read_run_log, run_of
from pipeline.engine.storage import Store
from tests.processes import wait_for

ROOT = Path(__file__).resolve().parents[2]


def names(events):
    return [event["event"] for event in events]


def test_events_are_there_at_once_and_in_order(tmp_path):
    store = Store(str(tmp_path))
    with RunLog(store, "r1") as log:
        log.event("run started", run="r1")
        log.event("shard done", "boxes", shard="s", rows=3)
        events = read_run_log(store, "r1")
    assert names(events) == ["run started", "shard done"]
    assert events[1] | {"time": 0} == {"time": 0, "event": "shard done", "node": "boxes", "shard": "s", "rows": 3}
    assert abs(events[1]["time"] - time.time()) < 60


def test_keys_in_addresses_are_hidden_and_long_texts_keep_their_end(tmp_path):
    store = Store(str(tmp_path))
    with RunLog(store, "r1") as log:
        log.event(
            "node failed", "boxes", outcome="s3://KEY:SECRET@bucket/x", trace="at x " * 10**5 + "ValueError: the end"
        )
    (event,) = read_run_log(store, "r1")
    assert event["outcome"] == "s3://***@bucket/x"
    assert event["trace"].endswith("ValueError: the end")
    assert len(event["trace"]) < 21_000


def test_the_stacks_of_a_replaced_worker_are_there_in_full(tmp_path):
    """As many characters as `stacks` gives; what hangs may be in any of the threads."""
    store, stack = Store(str(tmp_path)), "thread 1\n" + "x" * (MOST_STACK - 9)
    with RunLog(store, "r1") as log:
        log.event("item ended", "boxes", stack=stack)
    assert [event["stack"] for event in read_run_log(store, "r1")] == [stack]


def test_a_long_message_keeps_its_beginning(tmp_path):
    store = Store(str(tmp_path))
    with RunLog(store, "r1") as log:
        log.event("item error", "boxes", key="a", message="ValueError: " + "no " * 10**4)
    (event,) = read_run_log(store, "r1")
    assert event["message"].startswith("ValueError: no no")
    assert event["message"].endswith(" …")
    assert len(event["message"]) < 2010


def test_a_store_that_hangs_holds_up_no_event(tmp_path, monkeypatch):
    monkeypatch.setattr(run_log, "SECONDS_BETWEEN_FLUSHES", 0.01)
    monkeypatch.setattr(Store, "local", False)
    plain, asked, answers = Store.write, threading.Event(), threading.Event()

    def hangs(self, name, data):
        asked.set()
        assert answers.wait(20)
        plain(self, name, data)

    store = Store(str(tmp_path))
    object.__setattr__(store, "_opened", (pafs.LocalFileSystem(), str(tmp_path)))
    (tmp_path / "runs").mkdir()
    monkeypatch.setattr(Store, "write", hangs)
    with RunLog(store, "r1") as log:
        log.event("run started", run="r1")
        assert asked.wait(20)
        started = time.monotonic()
        for i in range(100):
            log.event("shard done", "boxes", i=i)
        assert time.monotonic() - started < 1
        answers.set()
    assert [event.get("i") for event in read_run_log(store, "r1")] == [None, *range(100)]


def test_a_line_that_was_cut_off_is_left_out(tmp_path):
    store = Store(str(tmp_path))
    whole = json.dumps({"time": 1, "event": "shard done"}).encode()
    store.write("runs/r1.jsonl", whole + b"\n" + whole[:20])
    assert names(read_run_log(store, "r1")) == ["shard done"]


def test_runs_whose_names_begin_alike_are_apart(tmp_path):
    store = Store(str(tmp_path))
    for run in ("job", "job.2", "job-2"):
        with RunLog(store, run) as log:
            log.event("run started", run=run)
    assert [event["run"] for event in read_run_log(store, "job")] == ["job"]
    assert [run_of(each) for each in ("job.jsonl", "job.part0012.jsonl", "job.2.jsonl", "live.json")] == [
        "job", "job", "job.2", None,
    ]  # fmt: skip


def test_several_threads_write_whole_lines(tmp_path):
    store = Store(str(tmp_path))
    with RunLog(store, "r1") as log:
        threads = [
            threading.Thread(target=lambda n=n: [log.event("shard done", f"n{n}", i=i) for i in range(200)])
            for n in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    events = read_run_log(store, "r1")
    assert len(events) == 800
    for n in range(4):
        assert [event["i"] for event in events if event["node"] == f"n{n}"] == list(range(200))


def test_a_log_that_cannot_be_written_is_one_line_and_is_tried_again(tmp_path, monkeypatch):
    monkeypatch.setattr(run_log, "SECONDS_BETWEEN_FLUSHES", 0.02)
    (tmp_path / "runs").write_text("a file where the folder should be")
    warned: list[str] = []
    store = Store(str(tmp_path))
    with RunLog(store, "r1", warned.append) as log:
        log.event("run started", run="r1")
        log.event("shard done", "boxes")
        time.sleep(0.1)
        (tmp_path / "runs").unlink()
        limit = time.monotonic() + 10
        while not read_run_log(store, "r1") and time.monotonic() < limit:
            time.sleep(0.02)
        assert names(read_run_log(store, "r1")) == ["run started", "shard done"]
    (line,) = warned
    assert line.startswith(f"{tmp_path}/runs/r1.jsonl: the run log cannot be written (")


def test_events_that_are_added_up_are_written_while_the_run_goes(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.engine.event_limit.SINGLE", 2)
    store = Store(str(tmp_path))
    with RunLog(store, "r1") as log:
        for _ in range(5):
            log.event("shard done", "boxes", rows=4)
        assert len(read_run_log(store, "r1")) == 2
        monkeypatch.setattr("pipeline.engine.event_limit.SHORTEST_INTERVAL", 0.0)
        log.flush()
        assert [(e.get("count", 1), e["rows"]) for e in read_run_log(store, "r1")] == [(1, 4), (1, 4), (3, 12)]


def test_a_run_that_is_killed_shows_what_it_did(world):
    """SIGKILL in the middle of a node: its shards, with their times, and the items that are errors."""
    world.numbers(range(40))
    code = (
        "import sys; from pathlib import Path; from pipeline.engine.config import load_config\n"
        "from pipeline.engine.executor import LocalExecutor; from pipeline.engine.plan import Options\n"
        "from pipeline.engine.runner import Runner; from pipeline.engine.storage import Store\n"
        "from tests.engine.squares import STAGES\n"
        "c = load_config(Path(sys.argv[1]), STAGES, ['squares.seconds=0.03', 'squares.fail_on=n003'])\n"
        "Runner(c.graph, Store(c.store), Options(frozenset(c.graph.order)), LocalExecutor).run()\n"
    )
    driver = subprocess.Popen([sys.executable, "-c", code, str(world.folder / "config.yaml")], cwd=ROOT)

    def shards() -> int:
        runs = [run for name in world.store.sizes("runs") if (run := run_of(name))]
        return sum(
            e["event"] == "shard done" and e["node"] == "squares"
            for run in runs
            for e in read_run_log(world.store, run)
        )

    wait_for(driver, lambda: shards() >= 4)
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    (run,) = {run for name in world.store.sizes("runs") if (run := run_of(name))}
    events = read_run_log(world.store, run)
    assert names(events)[0] == "run started"
    assert "run ended" not in names(events)
    assert "squares" not in {event["node"] for event in events if event["event"] == "node ended"}
    stored = {name for folder in world.store.folders("squares") for name in world.store.sizes(f"squares/{folder}")}
    done = [event for event in events if event["event"] == "shard done" and event["node"] == "squares"]
    assert {f"{event['shard']}.json" for event in done} <= stored
    # One shard at most was stored and had no line yet.
    assert len([name for name in stored if name.startswith("shard-") and name.endswith(".json")]) - len(done) <= 1
    (error,) = (event for event in events if event["event"] == "item error")
    assert (error["node"], error["key"], error["message"]) == ("squares", "n003", "set to fail")
    times = [event["time"] for event in events]
    assert times == sorted(times)


@pytest.mark.slow
def test_on_s3_a_log_grows_by_parts_while_the_run_goes(s3_bucket, monkeypatch):
    monkeypatch.setattr(run_log, "SECONDS_BETWEEN_FLUSHES", 0.05)
    monkeypatch.setattr(run_log_file, "PART_BYTES", 2000)
    store = Store(f"{s3_bucket}/log")
    with RunLog(store, "r1") as log:
        for i in range(60):
            log.event("shard done", "boxes", i=i, host="a host of a long name")
            time.sleep(0.02)
        log.flush()
        seen = [event["i"] for event in read_run_log(store, "r1")]
    assert seen == list(range(60)), "a killed run shows what was flushed"
    sizes = store.sizes("runs")
    assert 2 <= len(sizes) <= 5
    assert sum(sizes.values()) < 10_000
