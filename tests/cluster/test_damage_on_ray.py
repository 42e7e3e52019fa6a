"""Damage that a worker elsewhere meets: the driver hears of it through the store, and has the shard computed again."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.cluster.ray_executor import RayExecutor
from pipeline.engine.manifest import stored_manifests
from tests.engine.conftest import World

pytestmark = pytest.mark.ray


@pytest.mark.usefixtures("cluster")
def test_a_shard_that_a_worker_finds_damaged_is_computed_again(world: World) -> None:
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
