from __future__ import annotations

import io
import json
import os
import threading

from pipeline.engine import lock
from pipeline.engine.config import load_config
from pipeline.engine.heartbeat import Heartbeat
from pipeline.engine.lock import LOCK_FILE, StoreLock, machine
from pipeline.engine.plan import Options
from pipeline.engine.plan import plan as make_plan
from stages.cli.watch import watch
from stages.graph import STAGES
from tests.stages.world import World


def watched(world: World, meanwhile=lambda: None) -> str:
    graph, out = load_config(world.config, STAGES, []).graph, io.StringIO()
    calls = []

    def make_plans():
        calls.append(1)
        if len(calls) == 3:
            meanwhile()
        return make_plan(graph, world.store, Options(frozenset(graph.nodes)))

    watch(world.store, make_plans, out, seconds=0.05)
    return out.getvalue()


def test_without_a_run_it_says_so_and_ends(world: World) -> None:
    world.node("faces", "index", dataset={"kind": "synthetic", "images": 4, "width": 96, "height": 64})
    assert watched(world) == "no run holds the store\n"


def test_it_prints_what_changes_until_the_lock_is_gone(world: World) -> None:
    world.node("faces", "index", dataset={"kind": "synthetic", "images": 4, "width": 96, "height": 64})
    graph = load_config(world.config, STAGES, []).graph
    recipe = make_plan(graph, world.store, Options(frozenset(graph.nodes)))["faces"].row_fingerprint
    may_end = threading.Event()
    with StoreLock(world.store, "wider8k run"):
        Heartbeat(world.store, f"faces/{recipe}/_inflight/20260101-000000-abcdef-shard-x.progress")("1/4")

        def end() -> None:
            Heartbeat(world.store, f"faces/{recipe}/_inflight/20260101-000000-abcdef-shard-x.progress")("3/4")
            may_end.set()

        text: list[str] = []
        reader = threading.Thread(target=lambda: text.append(watched(world, end)))
        reader.start()
        assert may_end.wait(20)
        threading.Event().wait(0.3)
    reader.join(20)
    lines = text[0].splitlines()
    assert [line.rpartition("; ")[2] for line in lines] == [
        "1 items of 1 shards in work", "3 items of 1 shards in work", "no run holds the store",
    ]  # fmt: skip


def test_the_lock_of_a_dead_run_ends_it_too(world: World) -> None:
    world.node("faces", "index", dataset={"kind": "synthetic", "images": 4, "width": 96, "height": 64})
    # The number is that of this process, which has another start.
    gone = {"host": "here", "machine": machine(), "pid": os.getpid(), "started": 0, "beat": 0, "purpose": "wider8k run"}
    world.store.write(LOCK_FILE, json.dumps(gone).encode())
    assert "ended without a word: run it again, it resumes" in watched(world)


def test_a_silent_run_of_another_machine_ends_it_after_a_while(world: World, monkeypatch) -> None:
    monkeypatch.setattr(lock, "STALE_SECONDS", 0.2)
    world.node("faces", "index", dataset={"kind": "synthetic", "images": 4, "width": 96, "height": 64})
    gone = {
        "host": "elsewhere",
        "machine": "elsewhere",
        "pid": 1,
        "started": 0,
        "beat": 2**40,
        "purpose": "wider8k run",
    }
    world.store.write(LOCK_FILE, json.dumps(gone).encode())
    assert "ended without a word: run it again, it resumes" in watched(world)
