from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.data.shard_reader import ShardReader, rows_of
from tests.stages.world import World

DATA = {"kind": "synthetic", "images": 5, "width": 96, "height": 64}


class Counted:
    """A real dump that remembers which shards were read."""

    def __init__(self, dump: Any) -> None:
        self.node, self._dump, self.read = dump.node, dump, list[str]()

    def table(self, shard: str, columns: Any) -> Any:
        self.read.append(shard)
        return self._dump.table(shard, columns)


def test_every_row_is_found_and_every_shard_is_read_once_in_order(world: World) -> None:
    world.node("faces", "index", dataset=DATA)
    world.node("guesses", "guess", inputs={"samples": "faces"}, run={"shard_rows": 2})
    world.done()
    dump = Counted(world.artifact("guesses"))
    rows = ShardReader(dump)  # type: ignore[arg-type]
    listed = world.artifact("guesses").listing().to_pylist()
    for row in listed:
        assert rows.get(row["shard"], row["key"]).image_id == row["key"]
    assert len(dump.read) == len(set(dump.read)) == 3
    with pytest.raises(KeyError):
        rows.get(listed[-1]["shard"], listed[0]["key"])
    assert rows.node == "guesses"
    few = ShardReader(world.artifact("guesses"), ["image_id", "score"])
    assert few.row(listed[0]["shard"], listed[0]["key"]).column_names == ["image_id", "score"]


def test_an_invalid_row_is_one_error(world: World) -> None:
    """This pipeline writes no such numbers; another program may."""
    world.node("faces", "index", dataset=DATA)
    world.node("guesses", "guess", inputs={"samples": "faces"})
    world.done()
    table = next(iter(world.artifact("guesses").tables()))
    rows = table.to_pylist()
    rows[1]["score"][0] = float("nan")
    rows[2]["score"] = rows[2]["score"][::-1]
    rows[3]["x1"] = rows[3]["x1"][:-1]
    damaged = pa.Table.from_pylist(rows, schema=table.schema)
    found, expected = list(rows_of(damaged, "guesses")), list(rows_of(table, "guesses"))
    assert [row.image_id for row in found] == [row.image_id for row in expected]
    for place in (0, 4):
        np.testing.assert_array_equal(found[place].boxes, expected[place].boxes)
        assert found[place].error is None
    for place, why in ((1, "must be finite"), (2, "must never rise"), (3, "shape")):
        assert str(found[place].error).startswith("row of guesses cannot be used: ")
        assert why in str(found[place].error)
        assert not len(found[place].boxes) and (found[place].width, found[place].height) == (96, 64)
