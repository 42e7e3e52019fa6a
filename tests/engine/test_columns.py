"""Rows to Arrow: the table that pyarrow makes of them number by number, byte for byte in its file."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from pipeline.data.records import Detections
from pipeline.data.schemas import DETECTIONS
from pipeline.engine.columns import as_table
from pipeline.engine.shards import encode

NUMBERS = pa.schema([("name", pa.string()), ("values", pa.list_(pa.float32())), ("flags", pa.list_(pa.bool_()))])


def rows_of_a_dump(count: int) -> list[dict[str, object]]:
    rng = np.random.default_rng(0)
    rows = []
    for number in range(count):
        boxes = rng.uniform(-9, 999, (7 * number, 4)).astype(np.float32)
        scores = np.sort(rng.uniform(0, 1, 7 * number).astype(np.float32))[::-1]
        marks = rng.uniform(0, 999, (7 * number, 5, 2)).astype(np.float32) if number % 2 else None
        error = "ValueError: damaged" if number == 0 else None
        rows.append(Detections(f"image {number}", 10, 20, boxes, scores, marks, error).to_row())
    return rows


@pytest.mark.parametrize("count", [0, 1, 9])
def test_a_dump_is_the_same_file(count: int) -> None:
    schema = DETECTIONS.with_metadata({"wider8k.row_fingerprint": "r"})
    rows = rows_of_a_dump(count)
    expected, found = pa.Table.from_pylist(rows, schema=schema), as_table(rows, schema)
    assert found.equals(expected, check_metadata=True)
    assert encode(found) == encode(expected)


def test_what_is_no_array_and_what_is_missing_is_as_pyarrow_has_it() -> None:
    rows = [
        {"name": "a", "values": [1.0, None], "flags": np.array([True, False])},
        {"values": np.array([2.5], np.float64)},
        {"name": None, "values": None, "flags": []},
    ]
    assert as_table(rows, NUMBERS).equals(pa.Table.from_pylist(rows, schema=NUMBERS))


def test_an_array_of_another_type_is_brought_to_the_columns_type_or_refused() -> None:
    schema = pa.schema([("counts", pa.list_(pa.int8()))])
    assert as_table([{"counts": np.array([1, 2])}], schema).to_pylist() == [{"counts": [1, 2]}]
    with pytest.raises(pa.ArrowInvalid, match="not in range"):
        as_table([{"counts": np.array([1, 300])}], schema)
