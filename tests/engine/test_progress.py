from __future__ import annotations

import io
import json

from pipeline.engine.heartbeat import Heartbeat, latest_heartbeats
from pipeline.engine.storage import Store


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
