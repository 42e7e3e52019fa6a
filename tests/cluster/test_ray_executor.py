from __future__ import annotations

import collections
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from ray._private import auto_init_hook, worker
from ray._private.runtime_env import uv_runtime_env_hook

from pipeline.cluster.ray_executor import RayExecutor
from pipeline.engine.manifest import Artifact, stored_manifests
from pipeline.engine.run_log import read_run_log
from tests.processes import command_of, kill_family

pytestmark = pytest.mark.ray
ROOT = Path(__file__).resolve().parents[2]


def checksums(world):
    manifests = {
        m.node: m for node in ("numbers", "squares", "cubes", "total") for m in stored_manifests(world.store, node)
    }
    return {node: {s.name: s.content_hash for s in m.shards} for node, m in manifests.items()}


def values(world, node):
    artifact = Artifact(world.store, stored_manifests(world.store, node)[0])
    return sorted((row["image_id"], row["value"]) for row in artifact.rows())


def squares(world, *sets):
    """Runs the node `squares` on Ray, and only it: the start of every other node there takes seconds."""
    world.run(selected=frozenset({"numbers"}))
    return world.run(*sets, executor=RayExecutor, selected=frozenset({"squares"}))


@pytest.mark.usefixtures("cluster")
class TestOnOneCluster:
    def test_workers_start_without_uv_though_ray_was_imported_first(self, monkeypatch):
        """Under `uv run` Ray starts every worker through uv again, in a copy of the project that lacks its lock."""
        monkeypatch.setattr(uv_runtime_env_hook, "_get_uv_run_cmdline", lambda: ["uv", "run", "pytest"])
        assert worker._maybe_modify_runtime_env({}, _skip_env_hook=False) == {}
        assert not auto_init_hook.enable_auto_connect

    def test_ray_and_this_process_write_the_same_bytes(self, world):
        world.run()
        here = checksums(world)
        world.store.delete_folder("squares")
        world.store.delete_folder("cubes")
        world.store.delete_folder("total")
        outcome = world.run(executor=RayExecutor)
        assert sorted(outcome.computed) == ["cubes", "squares", "total"]
        assert checksums(world) == here

    def test_shards_that_are_written_beside_the_next_one_are_the_same(self, world, monkeypatch):
        """As a worker of a GPU does it: one shard is computed while two are written."""
        world.run()
        here = checksums(world)
        world.store.delete_folder("squares")
        world.store.delete_folder("cubes")
        monkeypatch.setattr("pipeline.cluster.ray_executor.shards_at_once", lambda resources: 3)
        both = frozenset({"squares", "cubes"})
        outcome = world.run("squares.die_on=n005", executor=RayExecutor, selected=both)
        assert not outcome.failed
        (error,) = stored_manifests(world.store, "squares")[0].errors
        assert error == ("n005", "its worker process died 3 times on it")
        assert values(world, "squares") == [(f"n{i:03d}", 0 if i == 5 else i * i) for i in range(10)]
        assert checksums(world)["cubes"].keys() == here["cubes"].keys()

    def test_an_item_that_kills_its_worker_costs_itself_only(self, world):
        outcome = squares(world, "squares.die_on=n005")
        assert not outcome.failed
        assert values(world, "squares") == [(f"n{i:03d}", 0 if i == 5 else i * i) for i in range(10)]
        (error,) = stored_manifests(world.store, "squares")[0].errors
        assert error == ("n005", "its worker process died 3 times on it")
        assert collections.Counter(world.traced())["n005"] == 3

    def test_a_worker_killed_from_outside_costs_nothing(self, world):
        import threading

        def kill_a_worker() -> None:
            trace = world.folder / "trace"
            limit = time.monotonic() + 60
            while time.monotonic() < limit and (not trace.exists() or len(trace.read_text().split()) < 3):
                time.sleep(0.02)
            for process in psutil.Process().children(recursive=True):
                if "MapWorker" in command_of(process):
                    killed.append(process.pid)
                    process.kill()

        killed: list[int] = []
        thread = threading.Thread(target=kill_a_worker)
        thread.start()
        outcome = squares(world, "squares.seconds=0.2")
        thread.join()
        assert killed
        assert not outcome.failed
        assert values(world, "squares") == [(f"n{i:03d}", i * i) for i in range(10)]
        assert stored_manifests(world.store, "squares")[0].errors == ()
        logs = [read_run_log(world.store, name.removesuffix(".jsonl")) for name in world.store.sizes("runs")]
        events = [event for log in logs for event in log]
        assert [e["node"] for e in events if e["event"] == "worker died"] == ["squares"]

    def test_a_whole_stage_that_dies_is_begun_again_a_few_times(self, world, monkeypatch):
        monkeypatch.setattr("pipeline.cluster.ray_executor.RESTARTS", 1)
        world.run(selected=frozenset({"numbers", "squares", "cubes"}))
        world.traced()  # of `squares`
        path = f"total.path={world.folder / 'trace'}"
        outcome = world.run(path, "total.deaths=99", executor=RayExecutor)
        assert outcome.failed == {"total": "its process died 2 times"}
        assert world.traced() == ["total"] * 2
        logs = [read_run_log(world.store, name.removesuffix(".jsonl")) for name in world.store.sizes("runs")]
        attempts = [event["attempt"] for log in logs for event in log if event["event"] == "worker died"]
        assert attempts == [1, 2]

    def test_an_item_that_never_ends_costs_itself_only(self, world):
        """It reads a FIFO without a writer, where only the end of its process helps."""
        world.run()
        quiet = checksums(world)["squares"]
        world.store.delete_folder("squares")
        world.traced()
        os.mkfifo(world.folder / "trace.n005")
        started = time.monotonic()
        outcome = squares(world, "squares.run.item_seconds=2", "squares.run.workers=2")
        assert time.monotonic() - started < 60
        assert not outcome.failed
        (error,) = stored_manifests(world.store, "squares")[0].errors
        assert error[0] == "n005"
        assert error[1].startswith("no result within the time limit of 2 s: its worker was ended after 2")
        assert values(world, "squares") == [(f"n{i:03d}", 0 if i == 5 else i * i) for i in range(10)]
        assert sum(quiet[name] == content for name, content in checksums(world)["squares"].items()) == 4
        assert collections.Counter(world.traced()) == {f"n{i:03d}": {4: 3, 5: 2}.get(i, 1) for i in range(10)}
        logs = [world.store.read(f"runs/{name}").decode() for name in world.store.sizes("runs")]
        events = [json.loads(line) for log in logs for line in log.splitlines()]
        ended = [each for each in events if each["event"] == "item ended"]
        assert [(each["key"], each["limit"]) for each in ended] == [("n005", 2.0)] * 2
        assert all("read_bytes" in each["stack"] and "thread" in each["stack"] for each in ended)
        assert len({each["host"] for each in ended}) == 2, "the first worker was replaced"

    def test_errors_of_workers_arrive_as_their_own_words(self, world):
        world.run(selected=frozenset({"numbers", "cubes"}))
        outcome = world.run("total.broken=true", "squares.open_fails=true", executor=RayExecutor)
        assert outcome.failed["squares"] == "squares is set not to open"
        assert outcome.blocked == ["total"]
        world.run(selected=frozenset({"squares"}))
        outcome = world.run("total.broken=true", executor=RayExecutor)
        assert outcome.failed == {"total": "RuntimeError: set to break"}
        (world.folder / "trace.n005").mkdir()  # where the item reads a file
        world.store.delete_folder("squares")
        outcome = world.run(executor=RayExecutor)
        place = world.folder / "trace.n005"
        assert outcome.failed == {"squares": f"IsADirectoryError: [Errno 21] Is a directory: '{place}'"}

    def test_a_worker_too_large_is_refused_and_too_many_are_fewer(self, world, capsys):
        with pytest.raises(ValueError, match=r"squares: a worker takes 3 cpus, .* \(1 x 2 cpus, .*try --set .*cpus=2"):
            world.run("squares.run.cpus=3", executor=RayExecutor)
        assert world.traced() == []
        assert not squares(world, "squares.run.workers=3").failed
        assert values(world, "squares") == [(f"n{i:03d}", i * i) for i in range(10)]
        assert (
            "squares: 3 workers of 1 cpus each are wished for, and the cluster has room for 2"
            in capsys.readouterr().err
        )

    def test_a_shard_that_a_worker_finds_damaged_is_computed_again(self, world):
        """The driver hears of it through the store."""
        world.run()
        total = world.total()
        world.traced()
        manifest = stored_manifests(world.store, "squares")[0]
        path = Path(world.store.path(f"{manifest.folder}/{manifest.shards[0].name}.parquet"))
        good = path.read_bytes()
        path.write_bytes(good[:300] + bytes([good[300] ^ 1]) + good[301:])
        outcome = world.run(executor=RayExecutor, force=frozenset({"total"}))
        assert (outcome.computed, outcome.failed) == (["squares", "total"], {})
        assert sorted(world.traced()) == ["n000", "n001"]
        assert path.read_bytes() == good
        assert world.total() == total

    def test_independent_nodes_run_side_by_side(self, world):
        auto = [f"{node}.run.workers=auto" for node in ("squares", "cubes")]
        world.run(selected=frozenset({"numbers"}))
        (before,) = world.store.sizes("runs")
        both = frozenset({"squares", "cubes"})
        world.run("squares.seconds=0.2", "cubes.seconds=0.2", *auto, executor=RayExecutor, selected=both)
        (log,) = world.store.sizes("runs").keys() - {before}
        events = [json.loads(line) for line in world.store.read(f"runs/{log}").decode().splitlines()]
        at = {(e["event"], e.get("node")): e["time"] for e in events}
        assert at["node started", "cubes"] < at["node ended", "squares"]
        assert at["node started", "squares"] < at["node ended", "cubes"]


@pytest.mark.slow
@pytest.mark.parametrize("kills", [1, pytest.param(4, marks=pytest.mark.faults)])
def test_a_killed_driver_loses_and_doubles_nothing(world, kills):
    """SIGKILLs of driver and workers at random moments, then an undisturbed end: the rows of a quiet run."""
    world.numbers(range(30))
    world.run(selected=frozenset({"numbers"}))
    (world.folder / "pace").write_text("0.15")  # of `squares`; no part of its output
    sets = ["squares.run.workers=2", "cubes.seconds=0.02"]
    config = str(world.folder / "config.yaml")
    command = [sys.executable, "-m", "tests.cluster.squares_job", config, "only=squares,cubes", *sets]
    finished: set[str] = set()
    chance = random.Random(7)
    for _ in range(kills):
        driver = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)
        world.traced()
        trace = world.folder / "trace"
        limit = time.monotonic() + 60
        while not trace.exists() and driver.poll() is None and time.monotonic() < limit:
            time.sleep(0.05)
        time.sleep(chance.uniform(0.2, 1.5))
        kill_family(driver)
        assert not finished & set(world.traced()), "a finished shard was computed again"
        for recipe in world.store.folders("squares"):
            for name in world.store.sizes(f"squares/{recipe}"):
                if name.endswith(".json"):
                    record = json.loads(world.store.read(f"squares/{recipe}/{name}"))
                    finished |= set(record["items"]["key"])
    assert 0 < len(finished) < 30, "the kills came too early or too late to show anything"
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0
    assert not finished & set(world.traced())
    assert values(world, "squares") == [(f"n{i:03d}", i * i) for i in range(30)]
    disturbed = checksums(world)
    world.store.delete_folder("squares")
    world.store.delete_folder("cubes")
    (world.folder / "pace").unlink()
    world.run(*sets, selected=frozenset({"squares", "cubes"}))
    assert checksums(world) == disturbed
