"""Wall time of a row of a finished output, by the records of its shards."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.engine.checksummed_json import verified, with_checksum
from pipeline.engine.manifest import Artifact, stored_manifests
from tests.engine.conftest import World


@pytest.fixture
def made(world: World) -> World:
    world.numbers(range(5))
    world.run()
    return world


def squares(world: World) -> Artifact:
    return Artifact(world.store, stored_manifests(world.store, "squares")[0])


def records(world: World) -> list[Path]:
    return sorted(Path(world.store.path(squares(world).manifest.folder)).glob("shard-*.json"))


def test_shards_count_by_their_rows(made: World) -> None:
    for place, file in enumerate(records(made)):
        file.write_bytes(with_checksum({**verified(file.read_bytes()), "seconds": 2.0 + place}))
    assert sorted(verified(file.read_bytes())["rows"] for file in records(made)) == [1, 2, 2]
    assert squares(made).ms_per_row() == pytest.approx(1000 * (2 + 3 + 4) / 5)


def test_shards_of_an_earlier_run_count_too(made: World) -> None:
    for file in records(made):
        file.write_bytes(with_checksum({**verified(file.read_bytes()), "seconds": 1.0}))
    made.traced()
    made.numbers(range(7))
    made.run()
    assert sorted(made.traced()) == ["n005", "n006"]
    time = squares(made).ms_per_row()
    assert time is not None and time >= 1000 * 3 / 7


def test_without_a_record_nothing_is_known(made: World) -> None:
    artifact = squares(made)
    for file in records(made):
        file.write_text("cut off")
    assert artifact.ms_per_row() is None
