from __future__ import annotations

import numpy as np
import pytest

from pipeline.models.rankers.row_selection import nearest_rows, row_plan


def test_rows_are_those_of_nearest_resizing() -> None:
    assert nearest_rows(10, 4).tolist() == [0, 2, 5, 7]
    assert nearest_rows(3, 6).tolist() == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("height", "reach", "rows"),
    [(768, 3, 1095), (768, 6, 2094), (640, 3, 911), (4320, 3, 4994)],
)
def test_most_rows_are_never_looked_at(height: int, reach: int, rows: int) -> None:
    """The figures of the paper's network: 1024 x 768, the same with kernel 5 along N, a crop of 640, and 8K."""
    assert len(row_plan(5000, tuple(height // stride for stride in (8, 16, 32)), reach).taken[0]) == rows


def test_each_level_alone_sees_what_its_receptive_field_says() -> None:
    alone = [row_plan(5000, (768 // stride,), reach).taken[0] for stride, reach in ((8, 3), (16, 6), (32, 9))]
    assert [len(rows) for rows in alone] == [669, 618, 447]


@pytest.mark.parametrize(("count", "heights"), [(50, (12, 6, 3)), (7, (9, 5, 3)), (200, (1, 1, 1))])
def test_positions_lead_back_to_the_table(count: int, heights: tuple[int, ...]) -> None:
    plan = row_plan(count, heights, 3)
    rows = np.arange(count)
    for taken, reads, height in zip(plan.taken, plan.reads, heights, strict=True):
        rows = rows[taken]
        np.testing.assert_array_equal(rows[reads], nearest_rows(count, height))
