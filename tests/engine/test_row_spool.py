"""Rows of finished shards on disk: they come back in any order, and only those that count."""

from __future__ import annotations

import tempfile

import pyarrow as pa
import pytest

from pipeline.engine import row_spool as module
from pipeline.engine.row_spool import RowSpool, row_spool
from pipeline.engine.shard_record import ReusedShard, ShardRecord, item_columns

SCHEMA = pa.schema(
    [pa.field("image_id", pa.string(), False), pa.field("width", pa.int32(), False), pa.field("error", pa.string())],
    {"planned_with": "width,error"},
)


def shard(name: str, keys: str, counted: tuple[str, ...] | None = None) -> ReusedShard:
    more = {"width": [ord(key) for key in keys], "error": [None] * len(keys)}
    items = item_columns({"key": list(keys), "version": ["v"] * len(keys), **more})
    record = ShardRecord(name, "r", len(keys), 7, f"c-{name}", items, [("a", "bad")], 1.0, 1, "h", {"boxes": 3.0})
    return ReusedShard(record, counted, 5)


@pytest.mark.parametrize("in_memory", [1, 1 << 20], ids=["on disk", "in memory"])
def test_rows_that_count_come_back_in_the_order_asked_for(monkeypatch: pytest.MonkeyPatch, in_memory: int) -> None:
    monkeypatch.setattr(module, "IN_MEMORY", in_memory)
    with row_spool(SCHEMA) as rows:
        for each in (shard("s1", "ab"), shard("s2", ""), shard("s3", "xyz", ("x", "z"))):
            rows.taken(each)
        table = rows.table(["s3", "s2", "s1"])
        assert rows.table([]).num_rows == 0
    assert table.column_names == ["key", "width", "error"]
    assert table.schema.field("width") == SCHEMA.field("width")
    assert table.schema.field("key") == pa.field("key", pa.string(), False)
    assert table["key"].to_pylist() == ["x", "z", "a", "b"]
    assert table["width"].to_pylist() == [ord(key) for key in "xzab"]
    assert table["error"].to_pylist() == [None] * 4


def test_a_shard_comes_back_without_its_rows_and_with_all_that_a_manifest_says_of_it() -> None:
    given = shard("s1", "abc", ("a", "c"))
    with row_spool(SCHEMA) as rows:
        taken = rows.taken(given)
    assert taken.record.items.num_rows == 0
    assert (taken.keys, taken.first) == (given.keys, given.first)
    kept = ("name", "rows", "size", "content_hash", "errors", "seconds", "host")
    assert [getattr(taken.record, name) for name in kept] == [getattr(given.record, name) for name in kept]


def test_a_full_disk_is_named_with_what_helps() -> None:
    with (
        open("/dev/full", "r+b", buffering=0) as full,
        pytest.raises(OSError, match=rf"No space left on device: .*TMPDIR.*{tempfile.gettempdir()}"),
    ):
        RowSpool(SCHEMA, full).taken(shard("s1", "ab"))
