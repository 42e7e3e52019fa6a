"""The engine with its store on an S3 server: same results, same resumption, same lock."""

from __future__ import annotations

import pytest

from pipeline.engine.lock import LOCK_FILE, StoreLock, StoreLockedError
from pipeline.engine.manifest import Artifact, stored_manifests
from pipeline.engine.storage import Store
from tests.engine.conftest import CONFIG, World
from tests.engine.test_runner import CUBES, SQUARES, NeverExecutor


@pytest.fixture
def world(s3_bucket, tmp_path):
    store = Store(f"{s3_bucket}/{tmp_path.name}")
    (tmp_path / "config.yaml").write_text(CONFIG.format(store=store.url, folder=tmp_path))
    made = World(tmp_path, store)
    made.numbers(range(10))
    return made


@pytest.mark.slow
def test_runs_reuses_resumes_and_repairs(world):
    assert world.run().computed == ["numbers", "squares", "cubes", "total"]
    assert world.total() == SQUARES + CUBES
    assert world.run(executor=NeverExecutor).computed == []
    world.traced()
    world.numbers(range(11))
    world.run()
    assert world.traced() == ["n010"]
    artifact = Artifact(world.store, stored_manifests(world.store, "squares")[0])
    damaged = artifact.manifest.shards[0].name
    world.store.write(f"{artifact.manifest.folder}/{damaged}.parquet", b"half")
    keys = artifact.manifest.shards[0].rows
    world.run()
    assert len(world.traced()) == keys
    assert world.total() == SQUARES + CUBES + 100 + 1000


def test_the_lock_holds_there_too(world):
    with StoreLock(world.store, "first"):
        with pytest.raises(StoreLockedError, match="first"), StoreLock(world.store, "second"):
            pass
        assert LOCK_FILE in world.store.sizes("")
    with StoreLock(world.store, "third"):
        pass
    assert LOCK_FILE not in world.store.sizes("")
