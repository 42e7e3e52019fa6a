from __future__ import annotations

from typing import Any

import pytest

from pipeline.data.predictions.row_batch import RowBatch


def test_rows_are_handed_over_with_their_images() -> None:
    taken: list[Any] = []
    batch = RowBatch("a b", lambda images, rows: taken.append((images.tolist(), rows.tolist())))
    batch.add(3, "x.txt", [1, 2], [b"1 2\n", b"3 4\n"])
    batch.add(1, "y.txt", [], [])
    batch.add(0, "z.txt", [7], [b"5 6"])
    assert taken == []
    batch.parse()
    batch.parse()
    assert taken == [([3, 3, 0], [[1, 2], [3, 4], [5, 6]]), ([], [])]


def test_a_bad_line_is_named_with_its_own_file() -> None:
    batch = RowBatch("a b", lambda images, rows: None)
    batch.add(0, "x.txt", [1], [b"1 2\n"])
    batch.add(1, "y.txt", [5, 8], [b"1 2\n", b"1\n"])
    with pytest.raises(ValueError, match=r"^y\.txt:8: expected 2 finite numbers \(a b\), found '1'"):
        batch.parse()
