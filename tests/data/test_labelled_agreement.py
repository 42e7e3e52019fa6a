from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.boxes.agreement import FEATURES
from pipeline.data.labelled_agreement import AgreementTable, LabelledAgreement
from pipeline.data.schemas import LABELLED_AGREEMENT


def row_of(name: str, boxes: int) -> LabelledAgreement:
    rng = np.random.default_rng(boxes)
    features = rng.normal(size=(boxes, len(FEATURES))).astype(np.float32)
    counted = rng.random((3, boxes)) < 0.5
    return LabelledAgreement(name, 90, 60, features, rng.random(boxes) < 0.5, counted, (1, boxes, 2 * boxes))


def table_of(*rows: LabelledAgreement) -> pa.Table:
    table = pa.Table.from_pylist([row.to_row() for row in rows], schema=LABELLED_AGREEMENT)
    table.validate(full=True)
    return table


def test_rows_of_all_shards_become_one_table() -> None:
    rows = [row_of("a", 3), LabelledAgreement("b", 0, 0, error="damaged"), row_of("c", 0), row_of("d", 5)]
    found = AgreementTable.of([table_of(*rows[:2]), table_of(*rows[2:])])
    np.testing.assert_array_equal(found.features, np.concatenate([row.features for row in rows]))
    np.testing.assert_array_equal(found.hits, np.concatenate([row.hits for row in rows]))
    np.testing.assert_array_equal(found.counted, np.concatenate([row.counted for row in rows], axis=1))
    assert found.faces.tolist() == [3, 8, 16]
    assert (found.features.dtype, found.hits.dtype, found.counted.dtype) == (np.float32, bool, bool)


def test_a_filtered_table_has_its_own_boxes() -> None:
    """Of a shard that is reused in part, Arrow's lists begin somewhere in the middle."""
    rows = [row_of("a", 3), row_of("b", 4), row_of("c", 2)]
    found = AgreementTable.of([table_of(*rows).slice(1, 1)])
    np.testing.assert_array_equal(found.features, rows[1].features)
    assert found.faces.tolist() == [1, 4, 8]


def test_no_rows_are_an_empty_table() -> None:
    found = AgreementTable.of([])
    assert (found.features.shape, found.hits.shape, found.counted.shape) == ((0, len(FEATURES)), (0,), (3, 0))
    assert found.faces.tolist() == [0, 0, 0]
