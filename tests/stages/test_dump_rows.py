from __future__ import annotations

from typing import Any

import pytest

from stages.dump_rows import DumpRows
from tests.stages.world import World

DATA = {"kind": "synthetic", "images": 5, "width": 96, "height": 64}


class Counted:
    """A real dump that remembers which shards were read."""

    def __init__(self, dump: Any) -> None:
        self.node, self._dump, self.read = dump.node, dump, list[str]()

    def table(self, shard: str) -> Any:
        self.read.append(shard)
        return self._dump.table(shard)


def test_every_row_is_found_and_every_shard_is_read_once_in_order(world: World) -> None:
    world.node("faces", "index", dataset=DATA)
    world.node("guesses", "guess", inputs={"samples": "faces"}, run={"shard_rows": 2})
    world.done()
    dump = Counted(world.artifact("guesses"))
    rows = DumpRows(dump)  # type: ignore[arg-type]
    stamps = list(world.artifact("guesses").stamps())
    for key, _, shard in stamps:
        assert rows.get(shard, key).image_id == key
    assert len(dump.read) == len(set(dump.read)) == 3
    with pytest.raises(KeyError):
        rows.get(stamps[-1][2], stamps[0][0])
    assert rows.node == "guesses"
