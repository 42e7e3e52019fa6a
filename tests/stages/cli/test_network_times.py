"""What networks alone took, from the records of stored shards."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.engine.manifest import Artifact
from pipeline.engine.shard_record import ShardRecord
from stages.cli.network_times import network_ms
from tests.stages.world import World


@pytest.fixture
def found(world: World) -> Artifact:
    world.node("faces", "index", dataset={"kind": "synthetic", "images": 5, "width": 96, "height": 96})
    world.node("found", "guess", inputs={"samples": "faces"}, run={"shard_rows": 3})
    world.done()
    return world.artifact("found")


def measured(artifact: Artifact, *seconds: dict[str, float]) -> None:
    """Writes what the workers of each shard counted into its record."""
    for entry, each in zip(artifact.manifest.shards, seconds, strict=True):
        name = f"{artifact.manifest.folder}/{entry.name}.json"
        record = ShardRecord.from_json(artifact.store.read(name))
        assert record is not None
        artifact.store.write(name, replace(record, measured=each).to_json())


def test_it_is_launching_and_waiting_of_all_shards_by_image(found: Artifact) -> None:
    measured(found, {"network_seconds": 1, "device_wait_seconds": 0.5, "decode_seconds": 7}, {"network_seconds": 2})
    assert network_ms([found]) == pytest.approx(1000 * 3.5 / 5)
    assert network_ms([found, found]) == pytest.approx(2 * 1000 * 3.5 / 5)


def test_it_is_not_known_without_a_network_an_output_or_a_record(found: Artifact) -> None:
    assert network_ms([]) is None
    measured(found, {"decode_seconds": 7}, {})
    assert network_ms([found]) is None
    measured(found, {"network_seconds": 1}, {"network_seconds": 1})
    found.store.delete(f"{found.manifest.folder}/{found.manifest.shards[0].name}.json")
    assert network_ms([found]) is None
