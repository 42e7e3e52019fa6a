from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.engine.checksummed_json import verified, with_checksum
from stages.row_times import milliseconds_per_row
from tests.stages.world import World


@pytest.fixture
def made(world: World) -> World:
    world.node("images", "index", dataset={"kind": "synthetic", "images": 5})
    world.node("guesses", "guess", inputs={"samples": "images"}, run={"shard_rows": 2})
    world.done()
    return world


def records(world: World) -> list[Path]:
    folder = Path(world.store.path(world.artifact("guesses").manifest.folder))
    return sorted(folder.glob("shard-*.json"))


def test_shards_count_by_their_rows(made: World) -> None:
    for place, file in enumerate(records(made)):
        file.write_bytes(with_checksum({**verified(file.read_bytes()), "seconds": 2.0 + place}))
    rows = [verified(file.read_bytes())["rows"] for file in records(made)]
    assert sorted(rows) == [1, 2, 2]
    assert milliseconds_per_row(made.artifact("guesses")) == pytest.approx(1000 * (2 + 3 + 4) / 5)


def test_shards_of_an_earlier_run_count_too(made: World) -> None:
    for file in records(made):
        file.write_bytes(with_checksum({**verified(file.read_bytes()), "seconds": 1.0}))
    made.done("images.dataset.images=7")
    assert made.computed("guesses", "images.dataset.images=7") == 2
    assert milliseconds_per_row(made.artifact("guesses", "images.dataset.images=7")) > 1000 * 3 / 7


def test_without_a_record_nothing_is_known(made: World) -> None:
    artifact = made.artifact("guesses")
    for file in records(made):
        file.write_text("cut off")
    assert milliseconds_per_row(artifact) is None
