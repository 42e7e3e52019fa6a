from __future__ import annotations

import io
import json

import pytest

from pipeline.engine.heartbeat import Heartbeat, latest_heartbeats
from pipeline.engine.node_progress import NodeProgress, duration
from pipeline.engine.shards import ShardJob
from pipeline.engine.stage import Resources, StageContext
from pipeline.engine.storage import Store
from tests.engine.squares import Squares, Total


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.44, "0.4s"), (12.4, "12s"), (59.6, "1m00s"), (185, "3m05s"), (7620, "2h07m")]
)
def test_durations_read_well(seconds, text):
    assert duration(seconds) == text


def job(tmp_path, stage):
    ctx = StageContext("boxes", None, Resources(), {})
    return ShardJob(Store(str(tmp_path)), "boxes/r", "r", "run1", stage, ctx)


def test_the_progress_line_counts_finished_and_half_finished_shards(tmp_path):
    progress = NodeProgress(job(tmp_path, Squares()), items=40, shards=4, started=100.0)
    progress.items_done, progress.shards_done, progress.errors, progress.peak_mb = 10, 1, 2, 512
    Heartbeat(progress.job.store, "boxes/r/_inflight/run1-shard-a.progress")("5/10")
    Heartbeat(progress.job.store, "boxes/r/_inflight/another-run-shard-a.progress")("9/10")
    line = progress.line(now=105.0)
    assert line == "boxes 15/40 items 1/4 shards 3/s 8.3s left 2 errors 512 MB"


def test_a_whole_stage_shows_what_it_logs(tmp_path):
    progress = NodeProgress(job(tmp_path, Total()), items=1, shards=0, started=100.0)
    Heartbeat(progress.job.store, "boxes/r/_inflight/run1-whole.progress")("step 3/10 loss 0.5")
    assert progress.line(now=106.0) == "boxes step 3/10 loss 0.5 14s left"


def test_what_a_resumed_stage_had_done_before_took_no_time_of_this_run(tmp_path):
    progress = NodeProgress(job(tmp_path, Total()), items=1, shards=0, started=100.0)
    name = "boxes/r/_inflight/run1-whole.progress"
    Heartbeat(progress.job.store, name)("step 900/1000")
    progress.line(now=110.0)
    Heartbeat(progress.job.store, name)("step 910/1000")
    assert progress.line(now=120.0) == "boxes step 910/1000 1m30s left"


def test_a_whole_stage_that_logs_nothing_shows_its_time(tmp_path):
    assert NodeProgress(job(tmp_path, Total()), items=1, shards=0, started=100.0).line(now=104.0) == "boxes 4.0s"


def test_a_heartbeat_writes_now_and_then_only(tmp_path):
    store = Store(str(tmp_path))
    heartbeat = Heartbeat(store, "n/r/_inflight/run1-x.progress")
    for i in range(100):
        heartbeat(f"{i}/100")
    assert latest_heartbeats(store, "n/r", "run1") == {"x": "0/100"}


def test_a_run_leaves_lines_for_people_and_a_log_for_machines(world, capsys):
    world.run("squares.fail_on=n004")
    lines = capsys.readouterr().err.splitlines()
    assert any(line.startswith("squares: 10 rows, 1 errors (first: n004: set to fail) in ") for line in lines)
    (name,) = world.store.sizes("runs")
    events = [json.loads(line) for line in io.StringIO(world.store.read(f"runs/{name}").decode())]
    ended = {event["node"]: event for event in events if event["event"] == "node ended"}
    assert set(ended) == {"numbers", "squares", "cubes", "total"}
    assert ended["squares"]["items_computed"] == 10
    assert ended["squares"]["versions"]["pyarrow"]
    assert sum(event["event"] == "shard done" and event["node"] == "squares" for event in events) == 5
