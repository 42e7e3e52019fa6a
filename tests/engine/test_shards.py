"""Parquet bytes of a shard; the rest of `shards.py` is tested through runs, see `test_runner.py`."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.engine.shards import encode
from tests.engine.conftest import World
from tests.engine.squares import Squares

SCHEMA = pa.schema([pa.field("name", pa.string()), pa.field("values", pa.list_(pa.float32()))])


def _table(rows: int) -> pa.Table:
    rng = np.random.default_rng(0)
    return pa.Table.from_pylist(
        [{"name": f"n{i % 3}", "values": rng.random(4).astype(np.float32)} for i in range(rows)], schema=SCHEMA
    )


def test_without_a_row_group_the_bytes_are_pyarrows_own() -> None:
    table, sink = _table(7), io.BytesIO()
    pq.write_table(
        table, sink, compression="zstd", use_dictionary=["name"], use_byte_stream_split=["values.list.element"]
    )
    assert encode(table) == sink.getvalue()


@pytest.mark.parametrize(("rows", "group", "wanted"), [(7, None, [7]), (7, 1, [1] * 7), (7, 3, [3, 3, 1])])
def test_rows_of_a_group(rows: int, group: int | None, wanted: list[int]) -> None:
    table = _table(rows)
    data = encode(table, group)
    file = pq.ParquetFile(io.BytesIO(data))
    assert [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)] == wanted
    assert file.read().equals(table)
    assert encode(table, group) == data


def test_the_schema_of_a_stage_sets_the_row_group(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def groups(node: str) -> set[tuple[int, int]]:
        files = (pq.ParquetFile(path) for path in (world.folder / "store" / node).rglob("shard-*.parquet"))
        return {(file.metadata.num_rows, file.metadata.num_row_groups) for file in files}

    monkeypatch.setattr(Squares, "output", Squares.output.with_metadata({"row_group": "1"}))
    assert not world.run().failed
    assert groups("numbers") == {(4, 1), (2, 1)}
    assert groups("squares") == {(2, 2)}
